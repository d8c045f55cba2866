package strace

// Offsets in struct stat.
const (
	statMode = 16
	statRdev = 32
	statSize = 48
	statLen  = 128
)

// epollLen is the size of struct epoll_event.
const epollLen = 16
