package linux

// EpollEvent is struct epoll_event, which is packed on x86-64.
type EpollEvent struct {
	Events uint32
	Data   [2]uint32
}

// SizeofEpollEvent is sizeof(struct epoll_event).
const SizeofEpollEvent = 12
