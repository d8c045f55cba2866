package host

import (
	"golang.org/x/sys/unix"

	"sentinel/internal/abi/linux"
)

// EpollEvent is struct epoll_event.
type EpollEvent = unix.EpollEvent

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

// EventFD makes a counter that wakes who polls it. It never blocks.
func EventFD() (int, error) {
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	return fd, errno(err)
}

// Signal makes an EventFD readable.
func Signal(fd int) {
	one := [8]byte{1}
	unix.Write(fd, one[:])
}

// Clear makes an EventFD unreadable.
func Clear(fd int) {
	var b [8]byte
	unix.Read(fd, b[:])
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
