package linux

// EpollEvent is struct epoll_event.
type EpollEvent struct {
	Events uint32
	_      uint32
	Data   [2]uint32
}

// SizeofEpollEvent is sizeof(struct epoll_event).
const SizeofEpollEvent = 16
