package host

import (
	"unsafe"

	"golang.org/x/sys/unix"

	"sentinel/internal/abi/linux"
)

// The calls below are for non-blocking sockets. They use RawSyscall, which
// keeps the scheduler out of them: none can sleep.

// SendTo is sendto(2); addr is a struct sockaddr or nil.
func SendTo(fd int, b []byte, flags int, addr []byte) (int, error) {
	for {
		// SAFETY: the slices outlive the call and the lengths are theirs.
		n, _, e := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)),
			uintptr(flags), uintptr(unsafe.Pointer(unsafe.SliceData(addr))), uintptr(len(addr)))
		if e != unix.EINTR {
			return result(n, e)
		}
	}
}

// RecvFrom is recvfrom(2). If addr is not nil it gets the sender's address and
// its length is returned.
func RecvFrom(fd int, b []byte, flags int, addr *[128]byte) (n, addrLen int, err error) {
	for {
		l := uint32(0)
		var lp *uint32
		if addr != nil {
			l, lp = uint32(len(addr)), &l
		}
		// SAFETY: as in SendTo; lp and addr are nil together.
		r, _, e := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)),
			uintptr(flags), uintptr(unsafe.Pointer(addr)), uintptr(unsafe.Pointer(lp)))
		if e != unix.EINTR {
			n, err = result(r, e)
			return n, int(min(l, 128)), err
		}
	}
}

// SendMsg is sendmsg(2) with one buffer.
func SendMsg(fd int, b []byte, flags int, addr, control []byte) (int, error) {
	var iov unix.Iovec
	iov.Base = unsafe.SliceData(b)
	iov.SetLen(len(b))
	var h unix.Msghdr
	h.Iov, h.Iovlen = &iov, 1
	h.Name, h.Namelen = unsafe.SliceData(addr), uint32(len(addr))
	h.Control = unsafe.SliceData(control)
	h.SetControllen(len(control))
	for {
		// SAFETY: h and what it points to outlive the call.
		n, _, e := unix.RawSyscall(unix.SYS_SENDMSG, uintptr(fd), uintptr(unsafe.Pointer(&h)), uintptr(flags))
		if e != unix.EINTR {
			return result(n, e)
		}
	}
}

// RecvResult is what RecvMsg returns besides data.
type RecvResult struct {
	N, Addr, Control, Flags int
}

// RecvMsg is recvmsg(2) with one buffer. addr may be nil.
func RecvMsg(fd int, b []byte, flags int, addr *[128]byte, control []byte) (RecvResult, error) {
	var iov unix.Iovec
	iov.Base = unsafe.SliceData(b)
	iov.SetLen(len(b))
	for {
		var h unix.Msghdr
		h.Iov, h.Iovlen = &iov, 1
		if addr != nil {
			h.Name, h.Namelen = &addr[0], uint32(len(addr))
		}
		h.Control = unsafe.SliceData(control)
		h.SetControllen(len(control))
		// SAFETY: as in SendMsg.
		n, _, e := unix.RawSyscall(unix.SYS_RECVMSG, uintptr(fd), uintptr(unsafe.Pointer(&h)), uintptr(flags))
		if e == unix.EINTR {
			continue
		}
		k, err := result(n, e)
		return RecvResult{k, int(min(h.Namelen, 128)), int(h.Controllen), int(h.Flags)}, err
	}
}

// Accept is accept4(2) with SOCK_NONBLOCK and SOCK_CLOEXEC.
func Accept(fd int, addr *[128]byte) (conn, addrLen int, err error) {
	for {
		l := uint32(len(addr))
		// SAFETY: addr and l outlive the call.
		r, _, e := unix.RawSyscall6(unix.SYS_ACCEPT4, uintptr(fd), uintptr(unsafe.Pointer(addr)), uintptr(unsafe.Pointer(&l)),
			unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0, 0)
		if e != unix.EINTR {
			conn, err = result(r, e)
			return conn, int(min(l, 128)), err
		}
	}
}

// Bind is bind(2) and Connect connect(2).
func Bind(fd int, addr []byte) error { return withAddr(unix.SYS_BIND, fd, addr) }

// Connect does not wait; the result may be EINPROGRESS.
func Connect(fd int, addr []byte) error { return withAddr(unix.SYS_CONNECT, fd, addr) }

func withAddr(nr uintptr, fd int, addr []byte) error {
	// SAFETY: addr outlives the call.
	_, _, e := unix.Syscall(nr, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(addr))), uintptr(len(addr)))
	if e != 0 {
		return linux.Errno(e)
	}
	return nil
}

// SockName is getsockname(2), or getpeername(2) if peer.
func SockName(fd int, peer bool, addr *[128]byte) (int, error) {
	nr := uintptr(unix.SYS_GETSOCKNAME)
	if peer {
		nr = unix.SYS_GETPEERNAME
	}
	l := uint32(len(addr))
	// SAFETY: addr and l outlive the call.
	_, _, e := unix.RawSyscall(nr, uintptr(fd), uintptr(unsafe.Pointer(addr)), uintptr(unsafe.Pointer(&l)))
	_, err := result(0, e)
	return int(min(l, 128)), err
}

// SetSockopt is setsockopt(2).
func SetSockopt(fd, level, name int, val []byte) error {
	// SAFETY: val outlives the call.
	_, _, e := unix.RawSyscall6(unix.SYS_SETSOCKOPT, uintptr(fd), uintptr(level), uintptr(name),
		uintptr(unsafe.Pointer(unsafe.SliceData(val))), uintptr(len(val)), 0)
	_, err := result(0, e)
	return err
}

// GetSockopt is getsockopt(2).
func GetSockopt(fd, level, name int, buf []byte) (int, error) {
	l := uint32(len(buf))
	// SAFETY: buf and l outlive the call.
	_, _, e := unix.RawSyscall6(unix.SYS_GETSOCKOPT, uintptr(fd), uintptr(level), uintptr(name),
		uintptr(unsafe.Pointer(unsafe.SliceData(buf))), uintptr(unsafe.Pointer(&l)), 0)
	_, err := result(0, e)
	return min(int(l), len(buf)), err
}

// IoctlInt is an ioctl that returns an int by pointer, as FIONREAD does.
func IoctlInt(fd int, cmd uint) (int, error) {
	var v int32
	// SAFETY: v outlives the call.
	_, _, e := unix.RawSyscall(unix.SYS_IOCTL, uintptr(fd), uintptr(cmd), uintptr(unsafe.Pointer(&v)))
	_, err := result(0, e)
	return int(v), err
}

func result(n uintptr, e unix.Errno) (int, error) {
	if e != 0 {
		return 0, linux.Errno(e)
	}
	return int(n), nil
}
