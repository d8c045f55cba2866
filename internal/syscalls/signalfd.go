package syscalls

import (
	"sentinel/internal/abi/linux"
	"sentinel/internal/signalfd"
	"sentinel/internal/task"
)

// sysSignalfd implements the older signalfd system call.
func sysSignalfd(t *task.Task, fd int32, mask, size uint64) (uint64, error) {
	return sysSignalfd4(t, fd, mask, size, 0)
}

// sysSignalfd4 implements signalfd(2).
func sysSignalfd4(t *task.Task, fd int32, mask, size uint64, flags uint32) (uint64, error) {
	set, err := copyInSigset(t, mask, size)
	if err != nil {
		return 0, err
	}
	if flags&^(linux.SFD_CLOEXEC|linux.SFD_NONBLOCK) != 0 {
		return 0, linux.EINVAL
	}
	if fd == -1 {
		n, err := t.FDs().Install(signalfd.New(t, set, flags), flags&linux.SFD_CLOEXEC != 0)
		return uint64(n), err
	}
	f, err := t.FDs().Get(fd)
	if err != nil {
		return 0, err
	}
	defer f.DecRef()
	s := signalfd.Of(f)
	if s == nil {
		return 0, linux.EINVAL
	}
	s.SetMask(t, set)
	return uint64(fd), nil
}
