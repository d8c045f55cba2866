package strace

import (
	"encoding/binary"
	"strconv"
	"strings"

	"sentinel/internal/abi/linux"
	"sentinel/internal/signal"
	"sentinel/internal/usermem"
)

// strLen is how much of a string or buffer is printed, as strace(1)'s -s.
const strLen = 32

// pathMax is PATH_MAX.
const pathMax = 4096

// maxItems bounds how many elements of an array are printed.
const maxItems = 32

// printer formats the arguments of one call.
type printer struct {
	mem  usermem.Memory
	sig  *signature
	args *[6]uint64
	ret  uint64
	done bool // the call has returned, and not failed
	fail bool // it has returned an error
}

// isOut reports whether a kind is printed after the call.
func (k kind) isOut() bool {
	switch k {
	case kOutbuf, kOutstr, kOutiov, kInoutint, kOutint, kOutfds, kOutwstatus, kOutstat, kOutstatx, kOutrusage, kOututsname,
		kOuttimespec, kOuttimeval, kOutitimerval, kOutitimerspec, kOutsigset, kOutsigaction, kOutstack, kOutsiginfo,
		kOutsockaddr, kOutmsghdr, kOutrlimit, kOutepoll, kPollfds, kFdset:
		return true
	}
	return false
}

var le = binary.LittleEndian

// read fetches n bytes; nil if it cannot.
func (p *printer) read(addr uint64, n int) []byte {
	b, err := usermem.CopyInBytes(p.mem, addr, n)
	if err != nil {
		return nil
	}
	return b
}

// object fetches a structure of n bytes and formats it; a bad address is
// printed as such.
func (p *printer) object(addr uint64, n int, f func(b []byte) string) string {
	if addr == 0 {
		return "NULL"
	}
	if b := p.read(addr, n); b != nil {
		return f(b)
	}
	return hex(addr)
}

func (p *printer) bytes(addr, n uint64) string {
	if addr == 0 {
		return "NULL"
	}
	b := p.read(addr, int(min(n, strLen+1)))
	if b == nil {
		return hex(addr)
	}
	var s strings.Builder
	quote(&s, b, strLen)
	return s.String()
}

func (p *printer) str(addr uint64, limit int) string {
	if addr == 0 {
		return "NULL"
	}
	v, err := usermem.CopyInString(p.mem, addr, pathMax)
	if err != nil && err != linux.ENAMETOOLONG {
		return hex(addr)
	}
	var s strings.Builder
	quote(&s, []byte(v), limit)
	return s.String()
}

// arg formats argument i.
func (p *printer) arg(i int) string {
	a, v := &p.sig.args[i], p.args[i]
	if a.kind.isOut() && !p.done && a.kind != kInoutint && a.kind != kPollfds && a.kind != kFdset {
		return ptr(v)
	}
	ref := p.args[a.ref]
	switch a.kind {
	case kInt, kFd:
		return sint(v)
	case kUint:
		return dec(uint64(uint32(v)))
	case kLong:
		return strconv.FormatInt(int64(v), 10)
	case kUlong, kSize:
		return dec(v)
	case kHex:
		return hex(v)
	case kOct:
		return oct(v)
	case kAt:
		if int32(v) == linux.AT_FDCWD {
			return "AT_FDCWD"
		}
		return sint(v)
	case kPath:
		return p.str(v, pathMax)
	case kStr:
		return p.str(v, strLen)
	case kOutstr:
		return p.str(v, pathMax)
	case kMode, kOpenmode:
		return mode(uint64(uint32(v)))
	case kFlags:
		return flagArgument(v, a.set)
	case kEnum:
		return enum(uint64(uint32(v)), *a.set)
	case kSignal:
		if v == 0 {
			return "0"
		}
		return signal.Name(int(int32(v)))
	case kInbuf:
		return p.bytes(v, ref)
	case kOutbuf:
		return p.bytes(v, p.ret)
	case kIniov:
		return p.iovecs(v, ref, usermem.MaxRW)
	case kOutiov:
		return p.iovecs(v, ref, p.ret)
	case kArgv:
		return p.vector(v)
	case kEnvp:
		return p.environment(v)
	case kFcntlarg:
		return p.fcntl(ref, v)
	case kFutexarg:
		switch ref & 0x7f {
		case 3, 4, 5, 12: // FUTEX_REQUEUE, CMP_REQUEUE, WAKE_OP, CMP_REQUEUE_PI
			return dec(uint64(uint32(v)))
		case 1, 7, 10: // FUTEX_WAKE and the like take none
			return ptr(v)
		}
		return p.object(v, 16, timespec)
	}
	return p.structure(a, v, ref)
}

// structure formats pointers to structures.
func (p *printer) structure(a *argument, v, ref uint64) string {
	number := func(b []byte) string { return "[" + strconv.Itoa(int(int32(le.Uint32(b)))) + "]" }
	switch a.kind {
	case kInoutint, kOutint:
		return p.object(v, 4, number)
	case kInlong:
		return p.object(v, 8, func(b []byte) string { return "[" + strconv.FormatInt(int64(le.Uint64(b)), 10) + "]" })
	case kOutfds:
		return p.object(v, 8, func(b []byte) string {
			return "[" + sint(uint64(le.Uint32(b))) + ", " + sint(uint64(le.Uint32(b[4:]))) + "]"
		})
	case kOutwstatus:
		if int64(p.ret) <= 0 {
			return ptr(v)
		}
		return p.object(v, 4, func(b []byte) string { return "[" + waitStatus(le.Uint32(b)) + "]" })
	case kOutstat:
		return p.object(v, statLen, func(b []byte) string {
			return statText(le.Uint32(b[statMode:]), le.Uint64(b[statSize:]), le.Uint64(b[statRdev:]))
		})
	case kOutstatx:
		return p.object(v, 256, func(b []byte) string {
			return "{stx_mask=" + flags(uint64(le.Uint32(b)), namesStatx) + ", " +
				strings.ReplaceAll(statText(uint32(le.Uint16(b[28:])), le.Uint64(b[40:]), 0)[1:], "st_", "stx_")
		})
	case kIntimespec, kOuttimespec:
		return p.object(v, 16, timespec)
	case kIntimespecs:
		return p.object(v, 32, func(b []byte) string { return "[" + utime(b) + ", " + utime(b[16:]) + "]" })
	case kIntimeval, kOuttimeval:
		return p.object(v, 16, timeval)
	case kIntimevals:
		return p.object(v, 32, func(b []byte) string { return "[" + timeval(b) + ", " + timeval(b[16:]) + "]" })
	case kInitimerval, kOutitimerval:
		return p.object(v, 32, func(b []byte) string { return "{it_interval=" + timeval(b) + ", it_value=" + timeval(b[16:]) + "}" })
	case kInitimerspec, kOutitimerspec:
		return p.object(v, 32, func(b []byte) string { return "{it_interval=" + timespec(b) + ", it_value=" + timespec(b[16:]) + "}" })
	case kInsigset, kOutsigset:
		return p.object(v, 8, func(b []byte) string { return signalSet(le.Uint64(b)) })
	case kInsigaction, kOutsigaction:
		return p.object(v, 32, sigaction)
	case kInstack, kOutstack:
		return p.object(v, 24, func(b []byte) string {
			return "{ss_sp=" + ptr(le.Uint64(b)) + ", ss_flags=" + enum(uint64(le.Uint32(b[8:])), []name{{1, "SS_ONSTACK"}, {2, "SS_DISABLE"}}) + ", ss_size=" + dec(le.Uint64(b[16:])) + "}"
		})
	case kOutsiginfo:
		return p.object(v, signal.Size, func(b []byte) string {
			i := signal.Unmarshal((*[signal.Size]byte)(b))
			i.Status = int32(le.Uint32(b[24:]))
			return siginfo(&i)
		})
	case kInsockaddr:
		return p.object(v, int(min(ref, 128)), sockaddr)
	case kOutsockaddr:
		n := p.read(ref, 4)
		if n == nil || v == 0 {
			return ptr(v)
		}
		return p.object(v, int(min(le.Uint32(n), 128)), sockaddr)
	case kInmsghdr, kOutmsghdr:
		return p.object(v, 56, func(b []byte) string { return p.msghdr(b, a.kind == kOutmsghdr) })
	case kInrlimit, kOutrlimit:
		return p.object(v, 16, func(b []byte) string {
			return "{rlim_cur=" + limit(le.Uint64(b)) + ", rlim_max=" + limit(le.Uint64(b[8:])) + "}"
		})
	case kOutrusage:
		return p.object(v, 144, func(b []byte) string {
			return "{ru_utime=" + timeval(b) + ", ru_stime=" + timeval(b[16:]) + ", ...}"
		})
	case kOututsname:
		return p.object(v, 390, func(b []byte) string {
			field := func(i int) string {
				s := b[65*i : 65*i+65]
				if n := strings.IndexByte(string(s), 0); n >= 0 {
					s = s[:n]
				}
				var q strings.Builder
				quote(&q, s, 65)
				return q.String()
			}
			return "{sysname=" + field(0) + ", nodename=" + field(1) + ", ...}"
		})
	case kInepoll:
		return p.object(v, epollLen, epollEvent)
	case kOutepoll:
		return p.array(v, p.ret, epollLen, epollEvent)
	case kPollfds:
		return p.array(v, ref, 8, func(b []byte) string {
			s := "{fd=" + sint(uint64(le.Uint32(b))) + ", events=" + flags(uint64(le.Uint16(b[4:])), namesPoll)
			if p.done && le.Uint16(b[6:]) != 0 {
				s += ", revents=" + flags(uint64(le.Uint16(b[6:])), namesPoll)
			}
			return s + "}"
		})
	case kFdset:
		n := min(ref, 1024)
		return p.object(v, int((n+63)/64*8), func(b []byte) string {
			var fds []string
			for i := range n {
				if b[i/8]>>(i%8)&1 != 0 {
					fds = append(fds, dec(i))
				}
			}
			return "[" + strings.Join(fds, " ") + "]"
		})
	case kInopenhow:
		return p.object(v, 24, func(b []byte) string {
			return "{flags=" + flagArgument(le.Uint64(b), &namesOpen) + ", mode=" + mode(le.Uint64(b[8:])) + ", resolve=" + flags(le.Uint64(b[16:]), namesResolve) + "}"
		})
	case kInclone3:
		return p.object(v, 64, func(b []byte) string {
			return "{flags=" + flags(le.Uint64(b), namesClone) + ", exit_signal=" + signal.Name(int(le.Uint64(b[32:])&0x7f)) +
				", stack=" + ptr(le.Uint64(b[40:])) + ", stack_size=" + hex(le.Uint64(b[48:])) + ", tls=" + hex(le.Uint64(b[56:])) + "}"
		})
	}
	return ptr(v)
}

// array formats n elements of size bytes at addr.
func (p *printer) array(addr, n uint64, size int, f func(b []byte) string) string {
	if addr == 0 {
		return "NULL"
	}
	if int64(n) < 0 {
		n = 0
	}
	shown := min(n, maxItems)
	b := p.read(addr, int(shown)*size)
	if b == nil {
		return hex(addr)
	}
	var parts []string
	for i := range int(shown) {
		parts = append(parts, f(b[i*size:]))
	}
	if shown < n {
		parts = append(parts, "...")
	}
	return "[" + strings.Join(parts, ", ") + "]"
}

// iovecs formats buffers of which total bytes hold data.
func (p *printer) iovecs(addr, n, total uint64) string {
	return p.array(addr, n, 16, func(b []byte) string {
		size := le.Uint64(b[8:])
		s := "{iov_base=" + p.bytes(le.Uint64(b), min(size, total)) + ", iov_len=" + dec(size) + "}"
		total -= min(size, total)
		return s
	})
}

func (p *printer) msghdr(b []byte, out bool) string {
	total := uint64(usermem.MaxRW)
	if out {
		total = p.ret
	}
	s := "{msg_name="
	if n := le.Uint32(b[8:]); le.Uint64(b) == 0 || n == 0 {
		s += ptr(le.Uint64(b))
	} else {
		s += p.object(le.Uint64(b), int(min(n, 128)), sockaddr)
	}
	s += ", msg_namelen=" + dec(uint64(le.Uint32(b[8:]))) + ", msg_iov=" + p.iovecs(le.Uint64(b[16:]), le.Uint64(b[24:]), total) +
		", msg_iovlen=" + dec(le.Uint64(b[24:])) + ", msg_controllen=" + dec(le.Uint64(b[40:])) + ", msg_flags=" + flags(uint64(le.Uint32(b[48:])), namesMsg)
	return s + "}"
}

// vector formats an argv.
func (p *printer) vector(addr uint64) string {
	if addr == 0 {
		return "NULL"
	}
	var parts []string
	for range maxItems {
		b := p.read(addr, 8)
		if b == nil {
			return hex(addr)
		}
		a := le.Uint64(b)
		if a == 0 {
			return "[" + strings.Join(parts, ", ") + "]"
		}
		parts = append(parts, p.str(a, strLen))
		addr += 8
	}
	return "[" + strings.Join(append(parts, "..."), ", ") + "]"
}

func (p *printer) environment(addr uint64) string {
	if addr == 0 {
		return "NULL"
	}
	n := 0
	for ; n < 100000; n++ {
		b := p.read(addr+8*uint64(n), 8)
		if b == nil {
			return hex(addr)
		}
		if le.Uint64(b) == 0 {
			break
		}
	}
	if n == 1 {
		return hex(addr) + " /* 1 var */"
	}
	return hex(addr) + " /* " + strconv.Itoa(n) + " vars */"
}

func (p *printer) fcntl(cmd, v uint64) string {
	switch cmd {
	case linux.F_SETFL:
		return flagArgument(v, &namesOpen)
	case linux.F_SETFD:
		return flags(v, []name{{linux.FD_CLOEXEC, "FD_CLOEXEC"}})
	case linux.F_ADD_SEALS:
		return flags(v, namesSeals)
	case linux.F_GETLK, linux.F_SETLK, linux.F_SETLKW, linux.F_OFD_GETLK, linux.F_OFD_SETLK, linux.F_OFD_SETLKW:
		return p.object(v, 32, func(b []byte) string {
			return "{l_type=" + enum(uint64(le.Uint16(b)), []name{{0, "F_RDLCK"}, {1, "F_WRLCK"}, {2, "F_UNLCK"}}) +
				", l_whence=" + enum(uint64(le.Uint16(b[2:])), namesSeek) + ", l_start=" + dec(le.Uint64(b[8:])) + ", l_len=" + dec(le.Uint64(b[16:])) + "}"
		})
	}
	return hex(v)
}

// hidden reports whether an argument is left out of the line.
func (p *printer) hidden(i int) bool {
	switch a := &p.sig.args[i]; a.kind {
	case kOpenmode:
		for j := range p.sig.args {
			if p.sig.args[j].set == &namesOpen {
				return p.args[j]&linux.O_CREAT == 0 && p.args[j]&linux.O_TMPFILE != linux.O_TMPFILE
			}
		}
	case kFcntlarg:
		switch p.args[a.ref] {
		case linux.F_GETFD, linux.F_GETFL, linux.F_GETOWN, linux.F_GETSIG, linux.F_GETLEASE, linux.F_GETPIPE_SZ, linux.F_GET_SEALS:
			return true
		}
	}
	return false
}

func (p *printer) result() string {
	switch v := p.ret; p.sig.result {
	case kHex:
		return hex(v)
	case kOct:
		return mode(v)
	case kLong:
		return strconv.FormatInt(int64(v), 10)
	default:
		return strconv.FormatInt(int64(v), 10)
	}
}
