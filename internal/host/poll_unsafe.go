package host

import (
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// EpollPoll fetches events without waiting.
func EpollPoll(ep int, evs []EpollEvent) (int, error) {
	for {
		// SAFETY: evs outlives the call, which with a zero timeout cannot
		// sleep.
		n, _, e := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(ep), uintptr(unsafe.Pointer(unsafe.SliceData(evs))),
			uintptr(len(evs)), 0, 0, 0)
		if e != unix.EINTR {
			return result(n, e)
		}
	}
}

// PollNow returns the events of fd that are so now, by ppoll(2) without
// waiting.
func PollNow(fd int, events int16) (int16, error) {
	p := unix.PollFd{Fd: int32(fd), Events: events}
	for {
		// A new one each time, because the kernel writes what is left.
		var zero unix.Timespec
		// SAFETY: p and zero outlive the call, which cannot sleep.
		_, _, e := unix.RawSyscall6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(&p)), 1, uintptr(unsafe.Pointer(&zero)), 0, 0, 0)
		if e != unix.EINTR {
			_, err := result(0, e)
			return p.Revents, err
		}
	}
}

// PollWait sleeps until fd has one of events or wake can be read, or for d (for
// ever if d is not positive). It may return early. The runtime is told that the
// thread may sleep long.
func PollWait(fd int, events int16, wake int, d time.Duration) (ready, woken bool) {
	p := [2]unix.PollFd{{Fd: int32(fd), Events: events}, {Fd: int32(wake), Events: unix.POLLIN}}
	var ts *unix.Timespec
	if d > 0 {
		t := unix.NsecToTimespec(int64(d))
		ts = &t
	}
	// SAFETY: p and ts live through the call, which converts them in its
	// argument list.
	unix.Syscall6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(&p[0])), 2, uintptr(unsafe.Pointer(ts)), 0, 0, 0)
	return p[0].Revents != 0, p[1].Revents != 0
}
