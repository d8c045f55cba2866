package host

import (
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
