package trap

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// ignoreEnds has the host keep SIGCHLD to itself: the ends of guest processes
// are waited for. The Go runtime handles the signal only to drop it, for which
// the host would wake one of its threads at each end. The default action, unlike
// SIG_IGN, leaves the dead to be reaped.
func ignoreEnds() {
	var act struct {
		handler, flags, restorer uintptr
		mask                     uint64
	}
	// SAFETY: act is the host's struct sigaction with SIG_DFL, which is read
	// only.
	_, _, _ = unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(unix.SIGCHLD), uintptr(unsafe.Pointer(&act)), 0, 8, 0, 0)
}
