package task

import (
	"time"

	"sentinel/internal/abi/linux"
	"sentinel/internal/platform"
	"sentinel/internal/sock"
	"sentinel/internal/vfs"
	"sentinel/internal/waiter"
)

var _ vfs.Mover = (*Task)(nil)

// Retry calls op until it returns something else than linux.EAGAIN, and waits for
// mask of f in between unless nonblock is set. A socket's timeout applies.
func (t *Task) Retry(f *vfs.File, mask waiter.Mask, nonblock bool, op func() (int, error)) (int, error) {
	n, err := op()
	if err != linux.EAGAIN || nonblock {
		return n, err
	}
	return t.WaitFor(f, mask, op)
}

// WaitFor implements vfs.Mover.
func (t *Task) WaitFor(f *vfs.File, mask waiter.Mask, op func() (int, error)) (n int, err error) {
	var deadline time.Time
	if s, serr := sock.Of(f); serr == nil {
		if mask&waiter.Writable != 0 {
			deadline = s.Common().SendDeadline()
		} else {
			deadline = s.Common().RecvDeadline()
		}
	}
	berr := t.BlockUntil(f, mask, deadline, func() bool {
		n, err = op()
		return err != linux.EAGAIN
	})
	if berr != nil {
		return 0, sock.GaveUp(berr, deadline, linux.EAGAIN)
	}
	return n, err
}

// ReadsFiles implements vfs.Mover.
func (t *Task) ReadsFiles() bool {
	_, ok := t.th.(platform.FileReader)
	return ok
}

// ReadFile implements vfs.Mover.
func (t *Task) ReadFile(f *vfs.File, m vfs.HostMapping, addr uint64, n int) (int, error) {
	got, err := t.th.(platform.FileReader).ReadFile(m.FD, t.MM().SameFile(f, m), addr, uint64(n), m.Offset)
	return int(got), err
}
