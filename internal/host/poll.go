package host

import (
	"golang.org/x/sys/unix"

	"sentinel/internal/abi/linux"
)

// EpollEvent is struct epoll_event.
type EpollEvent = unix.EpollEvent

// PollFd is struct pollfd.
type PollFd = unix.PollFd

// EpollCreate makes an epoll instance that is closed on exec.
func EpollCreate() (int, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	return fd, errno(err)
}

// EpollAdd watches fd for events; data comes back with each.
func EpollAdd(ep, fd int, events uint32, data int32) error {
	return errno(unix.EpollCtl(ep, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: events, Fd: data}))
}

// EpollDel ends the watch of fd.
func EpollDel(ep, fd int) error {
	return errno(unix.EpollCtl(ep, unix.EPOLL_CTL_DEL, fd, nil))
}

// EpollPoll fetches events without waiting.
func EpollPoll(ep int, evs []EpollEvent) (int, error) {
	for {
		n, err := unix.EpollWait(ep, evs, 0)
		if err != unix.EINTR {
			return n, errno(err)
		}
	}
}

// PollNow returns the events of fd that are so now, by poll(2) without
// waiting.
func PollNow(fd int, events int16) (int16, error) {
	p := [1]unix.PollFd{{Fd: int32(fd), Events: events}}
	for {
		_, err := unix.Poll(p[:], 0)
		if err != unix.EINTR {
			return p[0].Revents, errno(err)
		}
	}
}

// SetNonblock sets or clears O_NONBLOCK.
func SetNonblock(fd int, on bool) error { return errno(unix.SetNonblock(fd, on)) }

// errno turns an error of x/sys/unix into a bare linux.Errno or nil.
func errno(err error) error {
	if err == nil {
		return nil
	}
	if e, ok := err.(unix.Errno); ok {
		return linux.Errno(e)
	}
	return linux.EIO
}
