package vfs

import (
	"slices"

	"sentinel/internal/abi/linux"
	"sentinel/internal/usermem"
	"sentinel/internal/waiter"
)

// A Mover is the task that a transfer between a file and its memory is made for.
type Mover interface {
	Ctx() *Context
	Mem() usermem.Memory
	// Buffer returns n bytes of scratch memory, at most 1 MiB, until it is called
	// again. Nobody else sees them.
	Buffer(n int) []byte
	// WaitFor waits for mask of f, and calls op each time, until op returns something
	// else than linux.EAGAIN.
	WaitFor(f *File, mask waiter.Mask, op func() (int, error)) (int, error)
	// ReadsFiles reports whether ReadFile works: whether the guest's own thread
	// can read a file of the host's. ReadFile has it read n bytes of m, which is of
	// f, to addr.
	ReadsFiles() bool
	ReadFile(f *File, m HostMapping, addr uint64, n int) (int, error)
}

const (
	// maxChunk is how much one step of a transfer moves through a buffer.
	maxChunk = 1 << 20
	// minView is how much at least is moved by a view of the file, or read by the
	// guest.
	minView = 32 << 10
	// maxDirect is how much the guest reads at a time: signals wait for it.
	maxDirect = 4 << 20
)

// AtEnd, as the offset of WriteFrom, is the end of the file for this write only.
const AtEnd = -2

// ReadTo reads into pieces of the guest's memory, from off or Position. It waits
// for data unless nonblock is set. This is the one place that chooses how data
// gets to a guest. There are four ways, and the first that serves is taken:
//
//   - direct: the guest's own thread reads the file of the host that the data is
//     in, so that the data is copied once, on the CPU that will use it. For a
//     large read into one piece, if the platform can do that.
//   - view: the file shows its data in our memory, and it is copied from there.
//     For large reads.
//   - last: the file reads into memory that the platform hands to the guest with
//     the result, and that the guest can see. For one piece that has room there.
//   - buffered: the file reads into scratch memory, and it is copied from there.
func (f *File) ReadTo(m Mover, rs []usermem.Range, off int64, nonblock bool) (uint64, error) {
	total := usermem.Total(rs)
	if total == 0 && f.Stream() {
		return 0, nil
	}
	if len(rs) == 1 {
		if n, ok, err := f.readByGuest(m, rs[0].Addr, rs[0].Len, off); ok {
			return n, err
		}
	}
	done := uint64(0)
	for {
		want := int(min(total-done, maxChunk))
		if want >= minView {
			v := &usermem.Pieces{Mem: m.Mem(), Ranges: slices.Clone(rs)}
			n, ok, err := f.ReadView(advanced(off, done), want, v.CopyOut)
			rs = v.Ranges
			if done += uint64(n); err != nil && done == 0 {
				return 0, err
			}
			if ok {
				if n < want || done >= total {
					return done, nil
				}
				continue
			}
		}
		if len(rs) == 1 && done == 0 {
			if n, ok, err := f.readLast(m, rs[0].Addr, rs[0].Len, off, nonblock); ok {
				return n, err
			}
		}
		buf := m.Buffer(want)
		n, err := f.readWaiting(m, buf, advanced(off, done), nonblock)
		if err != nil {
			if done > 0 {
				err = nil
			}
			return done, err
		}
		moved, err := usermem.Move(m.Mem(), &rs, buf[:n], true)
		done += uint64(moved)
		if err != nil {
			if off == Position && !f.Stream() {
				f.Seek(m.Ctx(), int64(moved-n), linux.SEEK_CUR)
			}
			if done > 0 {
				err = nil
			}
			return done, err
		}
		if n < want || done >= total || f.Stream() {
			return done, nil
		}
	}
}

// advanced is the place of what follows done bytes of a transfer at off.
func advanced(off int64, done uint64) int64 {
	if off < 0 {
		return off
	}
	return off + int64(done)
}

// readWaiting is Read or Pread once there is something.
func (f *File) readWaiting(m Mover, dst []byte, off int64, nonblock bool) (int, error) {
	c := m.Ctx()
	n, err := f.readAt(c, dst, off)
	if err != linux.EAGAIN || nonblock {
		return n, err
	}
	// Only who waits pays for a function on the heap.
	return m.WaitFor(f, waiter.Readable|waiter.RdHup, func() (int, error) { return f.readAt(c, dst, off) })
}

func (f *File) readAt(c *Context, dst []byte, off int64) (int, error) {
	if off != Position {
		return f.Pread(c, dst, off)
	}
	return f.Read(c, dst)
}

// writeWaiting is Write, Pwrite or Append once there is room.
func (f *File) writeWaiting(m Mover, src []byte, off int64, nonblock bool) (int, error) {
	c := m.Ctx()
	n, err := f.writeAt(c, src, off)
	if err != linux.EAGAIN || nonblock {
		return n, err
	}
	return m.WaitFor(f, waiter.Writable, func() (int, error) { return f.writeAt(c, src, off) })
}

func (f *File) writeAt(c *Context, src []byte, off int64) (int, error) {
	switch off {
	case AtEnd:
		return f.Append(c, src)
	case Position:
		return f.Write(c, src)
	}
	return f.Pwrite(c, src, off)
}

// readByGuest is the direct way. Not ok means that nothing was done.
func (f *File) readByGuest(m Mover, addr, count uint64, off int64) (done uint64, ok bool, err error) {
	// The position may be nobody else's: of a description in one table with one
	// user it is not.
	if count < minView || !m.ReadsFiles() || off == Position && (f.Refs() != 2 || m.Ctx().FDs.Users() != 1) {
		return 0, false, nil
	}
	for done < count {
		want := int(min(count-done, maxDirect))
		n, ok, err := f.ReadDirect(advanced(off, done), want, func(hm HostMapping, n int) (int, error) {
			return m.ReadFile(f, hm, addr+done, n)
		})
		if !ok && done == 0 {
			return 0, false, nil
		}
		if !ok {
			// A little is left.
			left := []usermem.Range{{Addr: addr + done, Len: count - done}}
			rest, err := f.ReadTo(m, left, advanced(off, done), f.NonBlocking())
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

// readLast is the way with the result. Not ok means that nothing was done.
func (f *File) readLast(m Mover, addr, count uint64, off int64, nonblock bool) (done uint64, ok bool, err error) {
	l, ok := m.Mem().(usermem.LastWriter)
	if !ok || count == 0 {
		return 0, false, nil
	}
	buf := l.OutBuffer(int(min(count, maxChunk)))
	if buf == nil {
		return 0, false, nil
	}
	n, err := f.readWaiting(m, buf, off, nonblock)
	if err != nil || n == 0 {
		return 0, true, err
	}
	if !l.CopyOutLast(addr, buf[:n]) {
		if n, err = m.Mem().CopyOut(addr, buf[:n]); n > 0 {
			err = nil
		}
	}
	return uint64(n), true, err
}

// WriteFrom writes pieces of the guest's memory at off, Position or AtEnd: a large
// one into a view of the file, others by way of scratch memory, which the guest
// cannot change while they are written.
func (f *File) WriteFrom(m Mover, rs []usermem.Range, off int64, nonblock bool) (uint64, error) {
	total := usermem.Total(rs)
	done := uint64(0)
	for {
		want := int(min(total-done, maxChunk))
		if want >= minView && off != AtEnd {
			v := &usermem.Pieces{Mem: m.Mem(), Ranges: slices.Clone(rs)}
			n, ok, err := f.WriteView(m.Ctx(), advanced(off, done), want, v.CopyIn)
			rs = v.Ranges
			if done += uint64(n); err != nil && done == 0 {
				return 0, err
			}
			if ok {
				if n < want || done >= total {
					return done, nil
				}
				continue
			}
		}
		buf := m.Buffer(want)
		got, err := usermem.Move(m.Mem(), &rs, buf, false)
		if err != nil && got == 0 {
			if done > 0 {
				err = nil
			}
			return done, err
		}
		// A stream may take a part; the rest waits.
		sent := 0
		for {
			n, werr := f.writeWaiting(m, buf[sent:got], advanced(off, done), nonblock)
			sent += n
			done += uint64(n)
			if werr != nil {
				if done > 0 {
					werr = nil
				}
				return done, werr
			}
			if sent >= got || n == 0 && got > 0 || !f.Stream() {
				break
			}
		}
		if err != nil || sent < got || done >= total {
			return done, nil
		}
	}
}
