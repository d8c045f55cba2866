package syscalls

import (
	"sentinel/internal/abi/linux"
	"sentinel/internal/task"
	"sentinel/internal/usermem"
	"sentinel/internal/vfs"
)

// Flags of preadv2(2).
const (
	rwfHipri  = 1
	rwfDsync  = 2
	rwfSync   = 4
	rwfNowait = 8
	rwfAppend = 16
	rwfKnown  = rwfHipri | rwfDsync | rwfSync | rwfNowait | rwfAppend
)

// curPos, as an offset, means the description's own position.
const curPos = vfs.Position

// read reads into ranges from off, or from the position of f.
func read(t *task.Task, f *vfs.File, rs []usermem.Range, off int64, flags uint32) (uint64, error) {
	if !f.Readable() {
		return 0, linux.EBADF
	}
	if flags&^rwfKnown != 0 {
		return 0, linux.EOPNOTSUPP
	}
	return f.ReadTo(t, rs, off, f.NonBlocking() || flags&rwfNowait != 0)
}

// write writes ranges at off, or at the position of f.
func write(t *task.Task, f *vfs.File, rs []usermem.Range, off int64, flags uint32) (uint64, error) {
	if !f.Writable() {
		return 0, linux.EBADF
	}
	if flags&^rwfKnown != 0 {
		return 0, linux.EOPNOTSUPP
	}
	if flags&rwfAppend != 0 {
		off = vfs.AtEnd
	}
	done, err := f.WriteFrom(t, rs, off, f.NonBlocking() || flags&rwfNowait != 0)
	if err != nil {
		return 0, err
	}
	if flags&(rwfSync|rwfDsync) != 0 && done > 0 {
		if s, ok := f.Ops.(vfs.Syncer); ok {
			if err := s.Sync(t.Ctx(), f, flags&rwfSync == 0); err != nil {
				return 0, err
			}
		}
	}
	return done, nil
}

func one(buf, count uint64) []usermem.Range {
	return []usermem.Range{{Addr: buf, Len: min(count, usermem.MaxRW)}}
}

func sysRead(t *task.Task, fd int32, buf, count uint64) (uint64, error) {
	f, err := t.FDs().Get(fd)
	if err != nil {
		return 0, err
	}
	defer f.DecRef()
	return read(t, f, one(buf, count), curPos, 0)
}

func sysWrite(t *task.Task, fd int32, buf, count uint64) (uint64, error) {
	f, err := t.FDs().Get(fd)
	if err != nil {
		return 0, err
	}
	defer f.DecRef()
	return write(t, f, one(buf, count), curPos, 0)
}

// getSeekable returns a description that has positions.
func getSeekable(t *task.Task, fd int32, off int64) (*vfs.File, error) {
	if off < 0 {
		return nil, linux.EINVAL
	}
	f, err := t.FDs().Get(fd)
	if err != nil {
		return nil, err
	}
	if f.Stream() {
		f.DecRef()
		return nil, linux.ESPIPE
	}
	return f, nil
}

func sysPread64(t *task.Task, fd int32, buf, count uint64, off int64) (uint64, error) {
	f, err := getSeekable(t, fd, off)
	if err != nil {
		return 0, err
	}
	defer f.DecRef()
	return read(t, f, one(buf, count), off, 0)
}

func sysPwrite64(t *task.Task, fd int32, buf, count uint64, off int64) (uint64, error) {
	f, err := getSeekable(t, fd, off)
	if err != nil {
		return 0, err
	}
	defer f.DecRef()
	return write(t, f, one(buf, count), off, 0)
}

func vectored(t *task.Task, fd int32, iov, n uint64, off int64, flags uint32, op func(*task.Task, *vfs.File, []usermem.Range, int64, uint32) (uint64, error)) (uint64, error) {
	var f *vfs.File
	var err error
	if off == curPos {
		f, err = t.FDs().Get(fd)
	} else {
		f, err = getSeekable(t, fd, off)
	}
	if err != nil {
		return 0, err
	}
	defer f.DecRef()
	rs, err := usermem.CopyInIovecs(t.Mem(), iov, n)
	if err != nil {
		return 0, err
	}
	return op(t, f, rs, off, flags)
}

func sysReadv(t *task.Task, fd int32, iov, n uint64) (uint64, error) {
	return vectored(t, fd, iov, n, curPos, 0, read)
}

func sysWritev(t *task.Task, fd int32, iov, n uint64) (uint64, error) {
	return vectored(t, fd, iov, n, curPos, 0, write)
}

// notCurrent turns the offset -1, which preadv does not accept, into another
// negative one.
func notCurrent(off int64) int64 {
	if off == curPos {
		return -2
	}
	return off
}

func sysPreadv(t *task.Task, fd int32, iov, n uint64, off, _ int64) (uint64, error) {
	return vectored(t, fd, iov, n, notCurrent(off), 0, read)
}

func sysPwritev(t *task.Task, fd int32, iov, n uint64, off, _ int64) (uint64, error) {
	return vectored(t, fd, iov, n, notCurrent(off), 0, write)
}

func sysPreadv2(t *task.Task, fd int32, iov, n uint64, off, _ int64, flags uint32) (uint64, error) {
	return vectored(t, fd, iov, n, off, flags, read)
}

func sysPwritev2(t *task.Task, fd int32, iov, n uint64, off, _ int64, flags uint32) (uint64, error) {
	return vectored(t, fd, iov, n, off, flags, write)
}

func sysLseek(t *task.Task, fd int32, off int64, whence int32) (uint64, error) {
	f, err := t.FDs().Get(fd)
	if err != nil {
		return 0, err
	}
	defer f.DecRef()
	n, err := f.Seek(t.Ctx(), off, int(whence))
	return uint64(n), err
}
