package trap

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// waitAny waits for a child to end, without reaping it, and returns its id, the
// signal that ended it, if any, and what it has used.
func waitAny(use *unix.Rusage) (pid, signal int, err error) {
	var info [128]byte
	for {
		// SAFETY: siginfo_t has 128 bytes; use is a struct rusage.
		_, _, e := unix.Syscall6(unix.SYS_WAITID, unix.P_ALL, 0, uintptr(unsafe.Pointer(&info[0])), unix.WEXITED|unix.WNOWAIT|unix.WALL, uintptr(unsafe.Pointer(use)), 0)
		if e == unix.EINTR {
			continue
		}
		if e != 0 {
			return 0, 0, e
		}
		// SAFETY: siginfo_t of a SIGCHLD has si_code, si_pid and si_status at
		// these offsets.
		at := func(off uintptr) int { return int(*(*int32)(unsafe.Pointer(&info[off]))) }
		const killed, dumped = 2, 3 // CLD_KILLED, CLD_DUMPED
		if code := at(8); code == killed || code == dumped {
			signal = at(24)
		}
		return at(16), signal, nil
	}
}
