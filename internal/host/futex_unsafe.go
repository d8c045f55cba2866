package host

import (
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const futexPrivate = 128

// FutexWait sleeps while *p is v, until a FutexWake or for d (for ever if d is
// not positive). It may return early. The runtime is told that the thread may
// sleep long.
func FutexWait(p *atomic.Uint32, v uint32, d time.Duration) {
	var ts *unix.Timespec
	if d > 0 {
		t := unix.NsecToTimespec(int64(d))
		ts = &t
	}
	// SAFETY: p is a live word of the heap, which does not move, with methods;
	// the kernel only compares it. ts lives through the call.
	unix.Syscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(p)), 0|futexPrivate, uintptr(v), uintptr(unsafe.Pointer(ts)), 0, 0)
}

// FutexWake wakes one sleeper.
func FutexWake(p *atomic.Uint32) {
	// SAFETY: as in FutexWait.
	unix.RawSyscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(p)), 1|futexPrivate, 1, 0, 0, 0)
}
