package trap

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// waitAny waits for a child to end, without reaping it, and returns its id.
func waitAny() (int, error) {
	var info [128]byte
	for {
		// SAFETY: siginfo_t has 128 bytes.
		_, _, e := unix.Syscall6(unix.SYS_WAITID, unix.P_ALL, 0, uintptr(unsafe.Pointer(&info[0])), unix.WEXITED|unix.WNOWAIT|unix.WALL, 0, 0)
		if e == unix.EINTR {
			continue
		}
		if e != 0 {
			return 0, e
		}
		// SAFETY: si_pid of a SIGCHLD stands at offset 16.
		return int(*(*int32)(unsafe.Pointer(&info[16]))), nil
	}
}
