package jail

import (
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"

	"sentinel/internal/abi/linux"
)

// installFilter puts the filter on all threads.
func installFilter(prog []unix.SockFilter) error {
	fprog := unix.SockFprog{Len: uint16(len(prog)), Filter: &prog[0]}
	// SAFETY: the kernel copies the program during the call.
	tid, _, e := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER,
		unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&fprog)))
	runtime.KeepAlive(prog)
	if e != 0 {
		return linux.Errno(e)
	}
	if tid != 0 {
		return linux.EBUSY // a thread has a filter of its own
	}
	return nil
}
