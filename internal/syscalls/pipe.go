package syscalls

import (
	"encoding/binary"

	"sentinel/internal/abi/linux"
	"sentinel/internal/eventfd"
	"sentinel/internal/task"
)

// sysPipe implements pipe(2).
func sysPipe(t *task.Task, out uint64) (uint64, error) { return sysPipe2(t, out, 0) }

// sysPipe2 implements pipe2(2).
func sysPipe2(t *task.Task, out uint64, flags uint32) (uint64, error) {
	if flags&^(linux.O_CLOEXEC|linux.O_NONBLOCK|linux.O_DIRECT) != 0 {
		return 0, linux.EINVAL
	}
	cloexec := flags&linux.O_CLOEXEC != 0
	r, w := t.Kernel().Pipes().New(t.Ctx(), flags)
	a, err := t.FDs().Install(r, cloexec)
	if err != nil {
		w.DecRef()
		return 0, err
	}
	b, err := t.FDs().Install(w, cloexec)
	if err == nil {
		var p [8]byte
		binary.NativeEndian.PutUint32(p[:], uint32(a))
		binary.NativeEndian.PutUint32(p[4:], uint32(b))
		if _, err = t.Mem().CopyOut(out, p[:]); err == nil {
			return 0, nil
		}
		_ = t.FDs().Close(t.Ctx(), b)
	}
	_ = t.FDs().Close(t.Ctx(), a)
	return 0, err
}

// sysEventfd implements eventfd(2).
func sysEventfd(t *task.Task, initial uint32) (uint64, error) { return sysEventfd2(t, initial, 0) }

// sysEventfd2 implements eventfd2(2).
func sysEventfd2(t *task.Task, initial, flags uint32) (uint64, error) {
	if flags&^(linux.EFD_SEMAPHORE|linux.EFD_CLOEXEC|linux.EFD_NONBLOCK) != 0 {
		return 0, linux.EINVAL
	}
	fd, err := t.FDs().Install(eventfd.New(initial, flags), flags&linux.EFD_CLOEXEC != 0)
	return uint64(fd), err
}
