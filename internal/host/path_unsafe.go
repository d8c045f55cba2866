package host

import (
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"

	"sentinel/internal/abi/linux"
)

// The calls below are what most lookups come to. They copy the name to the
// stack, where x/sys/unix would allocate it.

// shortName is the room for a name on the stack: NAME_MAX and the NUL.
type shortName [256]byte

// cString returns s with a NUL, in b if it fits.
func cString(b *shortName, s string) (*byte, error) {
	if strings.IndexByte(s, 0) >= 0 {
		return nil, linux.EINVAL
	}
	if len(s) < len(b) {
		b[copy(b[:], s)] = 0
		return &b[0], nil
	}
	long := make([]byte, len(s)+1)
	copy(long, s)
	return &long[0], nil
}

// statx is statx(2).
func statx(dirfd int, name string, flags int, x *unix.Statx_t) error {
	var b shortName
	p, err := cString(&b, name)
	if err != nil {
		return err
	}
	for {
		// SAFETY: p has a NUL within what it points to, and x is as large as
		// the kernel takes it to be; both live through the call.
		_, _, e := unix.Syscall6(unix.SYS_STATX, uintptr(dirfd), uintptr(unsafe.Pointer(p)), uintptr(flags),
			unix.STATX_BASIC_STATS|unix.STATX_BTIME, uintptr(unsafe.Pointer(x)), 0)
		switch e {
		case 0:
			return nil
		case unix.EINTR:
		default:
			return linux.Errno(e)
		}
	}
}

// openat2 is openat2(2).
func openat2(dirfd int, path string, how *unix.OpenHow) (int, error) {
	var b shortName
	p, err := cString(&b, path)
	if err != nil {
		return -1, err
	}
	// EAGAIN means that something was renamed meanwhile (path_init).
	for again := 0; ; {
		// SAFETY: as in statx; how is read only.
		fd, _, e := unix.Syscall6(unix.SYS_OPENAT2, uintptr(dirfd), uintptr(unsafe.Pointer(p)), uintptr(unsafe.Pointer(how)),
			unix.SizeofOpenHow, 0, 0)
		switch {
		case e == 0:
			return int(fd), nil
		case e == unix.EINTR:
		case e == unix.EAGAIN && again < 16:
			again++
		default:
			return -1, linux.Errno(e)
		}
	}
}
