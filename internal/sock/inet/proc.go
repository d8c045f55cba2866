package inet

import (
	"cmp"
	"encoding/binary"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"sentinel/internal/abi/linux"
	"sentinel/internal/host"
	"sentinel/internal/sock"
)

// Protocols of /proc/net.
const (
	TCP = linux.IPPROTO_TCP
	UDP = linux.IPPROTO_UDP
)

// Row is one socket in /proc/net/{tcp,udp}{,6}.
type Row struct {
	Local, Remote    netip.AddrPort
	State            byte
	TxQueue, RxQueue int
	UID              uint32
	Ino              uint64
}

// Rows returns what /proc/net tells of the sandbox's sockets of a protocol and
// family; none of the host's own.
func (st *Stack) Rows(protocol, family int) []Row {
	st.mu.Lock()
	socks := make([]*Socket, 0, len(st.sockets))
	for s := range st.sockets {
		if s.Family == family && s.Protocol == protocol && s.near() == nil {
			socks = append(socks, s)
		}
	}
	st.mu.Unlock()
	var rows []Row
	for _, s := range socks {
		if r, ok := s.row(); ok {
			rows = append(rows, r)
		}
	}
	return rows
}

// row asks the host about s, which may be closed at any time: mu keeps its
// descriptor.
func (s *Socket) row() (Row, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return Row{}, false
	}
	r := Row{State: 7, UID: s.UID, Ino: s.Ino}
	var a sock.Addr
	if s.Name(&a) == nil {
		r.Local = addrPort(a.Bytes())
	}
	if r.Local.Port() == 0 {
		return Row{}, false
	}
	if s.Peer(&a) == nil {
		r.Remote, r.State = addrPort(a.Bytes()), 1
	}
	if s.Protocol == TCP {
		var info [8]byte
		if n, err := host.GetSockopt(s.fd, linux.SOL_TCP, linux.TCP_INFO, info[:]); err == nil && n > 0 {
			r.State = info[0]
		}
	}
	if r.State != 10 {
		r.RxQueue, _ = host.IoctlInt(s.fd, linux.SIOCINQ)
		r.TxQueue, _ = host.IoctlInt(s.fd, linux.SIOCOUTQ)
	}
	return r, true
}

func addrPort(b []byte) netip.AddrPort {
	f, _ := sock.Family(b)
	switch {
	case f == linux.AF_INET && len(b) >= 16:
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[4:8])), binary.BigEndian.Uint16(b[2:]))
	case f == linux.AF_INET6 && len(b) >= 24:
		return netip.AddrPortFrom(netip.AddrFrom16([16]byte(b[8:24])), binary.BigEndian.Uint16(b[2:]))
	}
	return netip.AddrPort{}
}

// PutAddr writes ap as a socket of a family shows it.
func PutAddr(family int, a *sock.Addr, ap netip.AddrPort) {
	if family == linux.AF_INET {
		clear(a.B[:16])
		binary.NativeEndian.PutUint16(a.B[:], linux.AF_INET)
		if ap.Addr().Is4() {
			ip := ap.Addr().As4()
			copy(a.B[4:], ip[:])
		}
		a.N = 16
	} else {
		clear(a.B[:28])
		binary.NativeEndian.PutUint16(a.B[:], linux.AF_INET6)
		if ap.Addr().IsValid() {
			ip := ap.Addr().As16()
			copy(a.B[8:], ip[:])
		}
		a.N = 28
	}
	binary.BigEndian.PutUint16(a.B[2:], ap.Port())
}

// ProcText renders rows as /proc/net/tcp and its like do
// (get_tcp4_sock in net/ipv4/tcp_ipv4.c).
func ProcText(protocol, family int, rows []Row) string {
	slices.SortFunc(rows, func(a, b Row) int {
		return cmp.Or(-cmp.Compare(a.State, b.State), cmp.Compare(a.Ino, b.Ino))
	})
	var b strings.Builder
	width := 149 // seq_setwidth
	if family == linux.AF_INET6 {
		width = 0
	} else if protocol == UDP {
		width = 127
	}
	line := func(s string) {
		b.WriteString(s)
		for n := len(s); n < width; n++ {
			b.WriteByte(' ')
		}
		b.WriteByte('\n')
	}
	tail := " rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode"
	switch {
	case family == linux.AF_INET6:
		b.WriteString("  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode")
		if protocol == UDP {
			b.WriteString(" ref pointer drops")
		}
		b.WriteByte('\n')
	case protocol == UDP:
		line("   sl  local_address" + tail + " ref pointer drops")
	default:
		line("  sl  local_address" + tail)
	}
	for i, r := range rows {
		s := pad(strconv.Itoa(i), 4, ' ') + ": " + addrText(family, r.Local) + " " + addrText(family, r.Remote) + " " +
			hex(uint64(r.State), 2) + " " + hex(uint64(r.TxQueue), 8) + ":" + hex(uint64(r.RxQueue), 8) + " 00:00000000 00000000 " +
			pad(strconv.FormatUint(uint64(r.UID), 10), 5, ' ') + "        0 " + strconv.FormatUint(r.Ino, 10)
		if protocol == UDP {
			s += " 2 0000000000000000 0"
		} else {
			s += " 1 0000000000000000 100 0 0 10 0"
		}
		if protocol == UDP {
			s = " " + s
		}
		line(s)
	}
	return b.String()
}

func pad(s string, n int, c byte) string {
	for len(s) < n {
		s = string(c) + s
	}
	return s
}

func hex(v uint64, n int) string {
	return pad(strings.ToUpper(strconv.FormatUint(v, 16)), n, '0')
}

// addrText writes each 32-bit word of the address in host order, as the kernel
// does.
func addrText(family int, ap netip.AddrPort) string {
	var ip []byte
	if family == linux.AF_INET {
		a := [4]byte{}
		if ap.Addr().Is4() {
			a = ap.Addr().As4()
		}
		ip = a[:]
	} else {
		a := [16]byte{}
		if ap.Addr().IsValid() {
			a = ap.Addr().As16()
			if ap.Addr() == netip.IPv4Unspecified() {
				a = [16]byte{}
			}
		}
		ip = a[:]
	}
	var b strings.Builder
	for i := 0; i < len(ip); i += 4 {
		b.WriteString(hex(uint64(binary.NativeEndian.Uint32(ip[i:])), 8))
	}
	return b.String() + ":" + hex(uint64(ap.Port()), 4)
}
