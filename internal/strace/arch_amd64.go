package strace

// Offsets in struct stat.
const (
	statMode = 24
	statRdev = 40
	statSize = 48
	statLen  = 144
)

// epollLen is the size of struct epoll_event, which is packed here.
const epollLen = 12
