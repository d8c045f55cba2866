package syscalls

import (
	"slices"
	"time"

	"sentinel/internal/abi/linux"
	"sentinel/internal/platform"
	"sentinel/internal/sock"
	"sentinel/internal/task"
	"sentinel/internal/usermem"
	"sentinel/internal/vfs"
	"sentinel/internal/waiter"
)

// maxChunk is how much one step of a read or write moves through the task's
// buffer.
const maxChunk = 1 << 20

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

// minView is how much at least is moved by a view of the file, or read directly;
// maxDirect is how much at most at a time: signals wait for it.
const (
	minView   = 32 << 10
	maxDirect = 4 << 20
)

// viewOffset is the place of what follows done bytes of a transfer at off.
func viewOffset(off int64, done uint64) int64 {
	if off == curPos {
		return curPos
	}
	return off + int64(done)
}

// buffers walks over the pieces of guest memory of one read or write.
type buffers struct {
	mem usermem.Memory
	rs  []usermem.Range
}

// copyIn gathers up to len(dst) bytes and advances.
func (b *buffers) copyIn(dst []byte) (int, error) { return move(b.mem, &b.rs, dst, false) }

// copyOut scatters src and advances.
func (b *buffers) copyOut(src []byte) (int, error) { return move(b.mem, &b.rs, src, true) }

// move copies p from the ranges or, with out, to them, until either ends. The
// ranges of small transfers are on the stack, and stay there.
func move(mem usermem.Memory, rs *[]usermem.Range, p []byte, out bool) (n int, err error) {
	for n < len(p) && len(*rs) > 0 {
		r := &(*rs)[0]
		if m := int(min(r.Len, uint64(len(p)-n))); m > 0 {
			var got int
			if out {
				got, err = mem.CopyOut(r.Addr, p[n:n+m])
			} else {
				got, err = mem.CopyIn(r.Addr, p[n:n+m])
			}
			n += got
			r.Addr, r.Len = r.Addr+uint64(got), r.Len-uint64(got)
			if err != nil {
				return n, err
			}
		}
		if r.Len == 0 {
			*rs = (*rs)[1:]
		}
	}
	return n, nil
}

// retry calls op until it returns something else than EAGAIN, waiting for mask
// in between unless the description is non-blocking. A socket's timeout applies.
func retry(t *task.Task, f *vfs.File, mask waiter.Mask, nonblock bool, op func() (int, error)) (int, error) {
	n, err := op()
	if err != linux.EAGAIN || nonblock {
		return n, err
	}
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
		return 0, sockIntr(berr, deadline, linux.EAGAIN)
	}
	return n, err
}

// read reads into ranges from off, or from the position of f.
func read(t *task.Task, f *vfs.File, rs []usermem.Range, off int64, flags uint32) (uint64, error) {
	if !f.Readable() {
		return 0, linux.EBADF
	}
	if flags&^rwfKnown != 0 {
		return 0, linux.EOPNOTSUPP
	}
	total := usermem.Total(rs)
	if total == 0 && f.Stream() {
		return 0, nil
	}
	nonblock := f.NonBlocking() || flags&rwfNowait != 0
	if len(rs) == 1 {
		if n, ok, err := readDirect(t, f, rs[0].Addr, rs[0].Len, off); ok {
			return n, err
		}
	}
	c := t.Ctx()
	done := uint64(0)
	for {
		want := int(min(total-done, maxChunk))
		if want >= minView {
			v := &buffers{t.Mem(), slices.Clone(rs)}
			n, ok, err := f.ReadView(viewOffset(off, done), want, v.copyOut)
			rs = v.rs
			if done += uint64(n); err != nil && done == 0 {
				return 0, err
			}
			if ok {
				if n < want || done >= total {
					break
				}
				continue
			}
		}
		if len(rs) == 1 && done == 0 {
			if n, ok, err := readLast(t, f, rs[0].Addr, rs[0].Len, off, nonblock); ok {
				return n, err
			}
		}
		buf := t.Buffer(want)
		n, err := retry(t, f, waiter.Readable|waiter.RdHup, nonblock, func() (int, error) {
			if off != curPos {
				return f.Pread(c, buf, off+int64(done))
			}
			return f.Read(c, buf)
		})
		if err != nil {
			if done > 0 {
				break
			}
			return 0, err
		}
		m, err := move(t.Mem(), &rs, buf[:n], true)
		done += uint64(m)
		if err != nil {
			if off == curPos && !f.Stream() {
				f.Seek(c, int64(m-n), linux.SEEK_CUR)
			}
			if done == 0 {
				return 0, err
			}
			break
		}
		if n < want || done >= total || f.Stream() {
			break
		}
	}
	return done, nil
}

// readDirect is read of one large piece of a file, by the guest's thread itself:
// the data is copied once, on the CPU that will use it.
func readDirect(t *task.Task, f *vfs.File, addr, count uint64, off int64) (done uint64, ok bool, err error) {
	th, ok := t.Thread().(platform.FileReader)
	// The position may be nobody else's: of a description in one table with one
	// user it is not.
	if !ok || count < minView || off == curPos && (f.Refs() != 2 || t.FDs().Users() != 1) {
		return 0, false, nil
	}
	for done < count {
		want := int(min(count-done, maxDirect))
		n, ok, err := f.ReadDirect(viewOffset(off, done), want, func(m vfs.HostMapping, n int) (int, error) {
			got, err := th.ReadFile(m.FD, t.MM().SameFile(f, m), addr+done, uint64(n), m.Offset)
			return int(got), err
		})
		if !ok && done == 0 {
			return 0, false, nil
		}
		if !ok {
			// A little is left.
			rest, err := read(t, f, one(addr+done, count-done), viewOffset(off, done), 0)
			if err != nil {
				rest = 0 // the next call tells
			}
			return done + rest, true, nil
		}
		if done += uint64(n); err != nil && done == 0 {
			return 0, true, err
		}
		if err != nil || n < want {
			break
		}
	}
	return done, true, nil
}

// readLast is read of one small piece, straight into what goes out with the
// result. Not ok means that nothing was done, since there is no room for it.
func readLast(t *task.Task, f *vfs.File, addr, count uint64, off int64, nonblock bool) (done uint64, ok bool, err error) {
	l, ok := t.Mem().(usermem.LastWriter)
	if !ok || count == 0 {
		return 0, false, nil
	}
	buf := l.OutBuffer(int(min(count, maxChunk)))
	if buf == nil {
		return 0, false, nil
	}
	c := t.Ctx()
	n, err := retry(t, f, waiter.Readable|waiter.RdHup, nonblock, func() (int, error) {
		if off != curPos {
			return f.Pread(c, buf, off)
		}
		return f.Read(c, buf)
	})
	if err != nil || n == 0 {
		return 0, true, err
	}
	if !l.CopyOutLast(addr, buf[:n]) {
		if n, err = t.Mem().CopyOut(addr, buf[:n]); n > 0 {
			err = nil
		}
	}
	return uint64(n), true, err
}

// write writes ranges at off, or at the position of f.
func write(t *task.Task, f *vfs.File, rs []usermem.Range, off int64, flags uint32) (uint64, error) {
	if !f.Writable() {
		return 0, linux.EBADF
	}
	if flags&^rwfKnown != 0 {
		return 0, linux.EOPNOTSUPP
	}
	total := usermem.Total(rs)
	nonblock := f.NonBlocking() || flags&rwfNowait != 0
	c := t.Ctx()
	done := uint64(0)
	for {
		want := int(min(total-done, maxChunk))
		if want >= minView && flags&rwfAppend == 0 {
			v := &buffers{t.Mem(), slices.Clone(rs)}
			n, ok, err := f.WriteView(c, viewOffset(off, done), want, v.copyIn)
			rs = v.rs
			if done += uint64(n); err != nil && done == 0 {
				return 0, err
			}
			if ok {
				if n < want || done >= total {
					break
				}
				continue
			}
		}
		buf := t.Buffer(want)
		got, err := move(t.Mem(), &rs, buf, false)
		if err != nil && got == 0 {
			if done > 0 {
				break
			}
			return 0, err
		}
		// A stream may take a part; the rest waits.
		sent := 0
		for {
			n, werr := retry(t, f, waiter.Writable, nonblock, func() (int, error) {
				switch {
				case flags&rwfAppend != 0:
					return f.Append(c, buf[sent:got])
				case off != curPos:
					return f.Pwrite(c, buf[sent:got], off+int64(done))
				}
				return f.Write(c, buf[sent:got])
			})
			sent += n
			done += uint64(n)
			if werr != nil {
				if done > 0 {
					return done, nil
				}
				return 0, werr
			}
			if sent >= got || n == 0 && got > 0 || !f.Stream() {
				break
			}
		}
		if err != nil || sent < got || done >= total {
			break
		}
	}
	if flags&(rwfSync|rwfDsync) != 0 && done > 0 {
		if s, ok := f.Ops.(vfs.Syncer); ok {
			if err := s.Sync(c, f, flags&rwfSync == 0); err != nil {
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
