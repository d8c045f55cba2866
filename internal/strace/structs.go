package strace

import (
	"net/netip"
	"strconv"
	"strings"

	"sentinel/internal/abi/linux"
)

func timespec(b []byte) string {
	return "{tv_sec=" + strconv.FormatInt(int64(le.Uint64(b)), 10) + ", tv_nsec=" + strconv.FormatInt(int64(le.Uint64(b[8:])), 10) + "}"
}

func timeval(b []byte) string {
	return strings.Replace(timespec(b), "tv_nsec", "tv_usec", 1)
}

// utime is an element of utimensat's times.
func utime(b []byte) string {
	switch le.Uint64(b[8:]) {
	case linux.UTIME_NOW:
		return "UTIME_NOW"
	case linux.UTIME_OMIT:
		return "UTIME_OMIT"
	}
	return timespec(b)
}

func statText(m uint32, size, rdev uint64) string {
	kinds := [...]string{1: "S_IFIFO", 2: "S_IFCHR", 4: "S_IFDIR", 6: "S_IFBLK", 8: "S_IFREG", 10: "S_IFLNK", 12: "S_IFSOCK", 15: ""}
	s := "{st_mode="
	if k := kinds[m>>12&0xf]; k != "" {
		s += k + "|"
	}
	if set := m & 0o7000; set != 0 {
		s += flags(uint64(set), []name{{0o4000, "S_ISUID"}, {0o2000, "S_ISGID"}, {0o1000, "S_ISVTX"}}) + "|"
	}
	s += mode(uint64(m & 0o777))
	if t := m & linux.S_IFMT; (t == linux.S_IFCHR || t == linux.S_IFBLK) && rdev != 0 {
		return s + ", st_rdev=makedev(" + hex(rdev>>8&0xfff) + ", " + hex(rdev&0xff|rdev>>12&0xfff00) + "), ...}"
	}
	return s + ", st_size=" + dec(size) + ", ...}"
}

func sigaction(b []byte) string {
	s := "{sa_handler="
	switch h := le.Uint64(b); h {
	case 0:
		s += "SIG_DFL"
	case 1:
		s += "SIG_IGN"
	default:
		s += hex(h)
	}
	fl := le.Uint64(b[8:])
	s += ", sa_mask=" + signalSet(le.Uint64(b[24:])) + ", sa_flags=" + flags(fl, namesSa)
	if fl&0x4000000 != 0 {
		s += ", sa_restorer=" + hex(le.Uint64(b[16:]))
	}
	return s + "}"
}

func limit(v uint64) string {
	switch {
	case v == linux.RLIM64_INFINITY:
		return "RLIM64_INFINITY"
	case v != 0 && v%1024 == 0 && v > 9999:
		return dec(v/1024) + "*1024"
	}
	return dec(v)
}

func epollEvent(b []byte) string {
	return "{events=" + flags(uint64(le.Uint32(b)), namesEpoll) + ", data=" + hex(le.Uint64(b[epollLen-8:])) + "}"
}

// sockaddr formats an address of any length.
func sockaddr(b []byte) string {
	if len(b) < 2 {
		return "{}"
	}
	family := uint64(le.Uint16(b))
	s := "{sa_family=" + enum(family, namesAf)
	switch {
	case family == linux.AF_UNIX && len(b) > 2:
		path := b[2:]
		at := ""
		if path[0] == 0 {
			at, path = "@", path[1:]
		} else if i := strings.IndexByte(string(path), 0); i >= 0 {
			path = path[:i]
		}
		var q strings.Builder
		quote(&q, path, 108)
		s += ", sun_path=" + at + q.String()
	case family == linux.AF_INET && len(b) >= 8:
		s += ", sin_port=htons(" + port(b) + "), sin_addr=inet_addr(\"" + netip.AddrFrom4([4]byte(b[4:8])).String() + "\")"
	case family == linux.AF_INET6 && len(b) >= 24:
		s += ", sin6_port=htons(" + port(b) + "), inet_pton(AF_INET6, \"" + netip.AddrFrom16([16]byte(b[8:24])).String() + "\")"
	case family == linux.AF_NETLINK && len(b) >= 12:
		s += ", nl_pid=" + dec(uint64(le.Uint32(b[4:]))) + ", nl_groups=" + hex(uint64(le.Uint32(b[8:])))
	}
	return s + "}"
}

func port(b []byte) string { return strconv.Itoa(int(b[2])<<8 | int(b[3])) }
