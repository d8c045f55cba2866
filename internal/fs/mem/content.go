package mem

import (
	"math"

	"sentinel/internal/abi/linux"
	"sentinel/internal/host"
)

// The forms of a file's data.
const (
	formInline = iota // buf; what is past it is zero
	formSlot          // a slot of the arena; what is past it is zero
	formMemfd         // a memfd of its own
	formLower         // the lower layer's
)

// inlineMax is the most that is kept on the Go heap.
const inlineMax = pageSize

// content is the data of a regular file. Its inode's lock guards it: shared
// for readAt, exclusive for the rest.
type content struct {
	fs   *FS
	size int64
	form uint8
	*owned
}

// owned is what the lower layer's data does without: with formLower there is
// none, since most files are only looked at.
type owned struct {
	fd    int // of the memfd, or of the arena
	slot  int64
	buf   []byte
	pages pageSet // charged; empty with formLower
	// shared: a writable mapping may fill pages behind our back; extra is how
	// many more than pages were last seen.
	shared bool
	extra  int64
	// ro is a second, read-only description of the memfd, if hasRO.
	ro    int
	hasRO bool
	view  []byte
}

func newContent(fs *FS, size int64) content {
	return content{fs: fs, size: size, owned: &owned{fd: -1}}
}

func punch(fd int, off, n int64) error {
	return host.Fallocate(fd, linux.FALLOC_FL_PUNCH_HOLE|linux.FALLOC_FL_KEEP_SIZE, off, n)
}

// readAt reads what is before the end of the file; not with formLower.
func (c *content) readAt(dst []byte, off int64) (int, error) {
	if off >= c.size {
		return 0, nil
	}
	dst = dst[:min(int64(len(dst)), c.size-off)]
	done := 0
	switch c.form {
	case formInline:
		if off < int64(len(c.buf)) {
			done = copy(dst, c.buf[off:])
		}
	case formSlot:
		if off < slotSize {
			n, err := host.Pread(c.fd, dst[:min(int64(len(dst)), slotSize-off)], c.slot+off)
			if err != nil {
				return 0, err
			}
			done = n
		}
	case formMemfd:
		n, err := host.Pread(c.fd, dst, off)
		if err != nil {
			return 0, err
		}
		done = n
	}
	clear(dst[done:])
	return len(dst), nil
}

// reserve charges the pages of off to end, and returns the end of what the
// quota allows.
func (c *content) reserve(off, end int64) int64 {
	lo, hi := off/pageSize, pagesUp(end)
	need := c.pages.missing(lo, hi)
	if c.fs.quota.chargePages(need) {
		c.pages.add(lo, hi)
		return end
	}
	for p := lo; p < hi; p++ {
		if c.pages.missing(p, p+1) == 0 {
			continue
		}
		if !c.fs.quota.chargePages(1) {
			return max(min(end, p*pageSize), off)
		}
		c.pages.add(p, p+1)
	}
	return end
}

func (c *content) unreserve(lo, hi int64) {
	if n := c.pages.remove(lo, hi); n > 0 {
		c.fs.quota.chargePages(-n)
	}
}

// hold makes the data's form one that can hold bytes up to end.
func (c *content) hold(end int64) error {
	switch {
	case c.form == formMemfd || c.form == formInline && end <= inlineMax || c.form == formSlot && end <= slotSize:
		return nil
	case end <= slotSize:
		off, fd, err := c.fs.arena.alloc()
		if err != nil {
			return hostErr(err)
		}
		if err := writeAll(fd, c.buf, off); err != nil {
			c.fs.arena.release(off)
			return err
		}
		c.form, c.slot, c.fd, c.buf = formSlot, off, fd, nil
		return nil
	}
	return c.toMemfd()
}

// toMemfd moves the data to a memfd of its own.
func (c *content) toMemfd() error {
	if c.form == formMemfd {
		return nil
	}
	fd, err := host.MemfdCreate("sentinel")
	if err != nil {
		return hostErr(err)
	}
	if err = host.Truncate(fd, c.size); err == nil {
		if c.form == formInline {
			err = writeAll(fd, c.buf[:min(int64(len(c.buf)), c.size)], 0)
		} else {
			err = c.moveSlot(fd)
		}
	}
	if err != nil {
		host.Close(fd)
		return err
	}
	if c.form == formSlot {
		c.fs.arena.release(c.slot)
	}
	c.form, c.fd, c.buf = formMemfd, fd, nil
	return nil
}

func (c *content) moveSlot(fd int) error {
	buf := make([]byte, slotSize)
	for p := c.pages.next(0, true); p < 64; {
		q := min(c.pages.next(p, false), 64)
		n, err := host.Pread(c.fd, buf[:max(min((q-p)*pageSize, c.size-p*pageSize), 0)], c.slot+p*pageSize)
		if err == nil {
			err = writeAll(fd, buf[:n], p*pageSize)
		}
		if err != nil {
			return err
		}
		p = c.pages.next(q, true)
	}
	return nil
}

func writeAll(fd int, b []byte, off int64) error {
	for len(b) > 0 {
		n, err := host.Pwrite(fd, b, off)
		if err != nil {
			return hostErr(err)
		}
		b, off = b[n:], off+int64(n)
	}
	return nil
}

// writeAt writes at off and makes the file longer if need be. It may be short
// when memory is.
func (c *content) writeAt(src []byte, off int64) (int, error) {
	if off > math.MaxInt64-int64(len(src)) {
		return 0, linux.EFBIG
	}
	end := c.reserve(off, off+int64(len(src)))
	src = src[:end-off]
	if len(src) == 0 {
		return 0, linux.ENOSPC
	}
	if err := c.hold(end); err != nil {
		return 0, err
	}
	n := len(src)
	switch c.form {
	case formInline:
		if end > int64(len(c.buf)) {
			c.growBuf(int(end))
		}
		copy(c.buf[off:], src)
	case formSlot:
		if err := writeAll(c.fd, src, c.slot+off); err != nil {
			return 0, err
		}
	case formMemfd:
		var err error
		if n, err = host.Pwrite(c.fd, src, off); err != nil {
			return 0, hostErr(err)
		}
	}
	c.size = max(c.size, off+int64(n))
	return n, nil
}

// growBuf makes buf n bytes long; the new ones are zero.
func (c *content) growBuf(n int) {
	old := len(c.buf)
	if n > cap(c.buf) {
		grown := make([]byte, n, min(max(n, 2*cap(c.buf), 64), inlineMax))
		copy(grown, c.buf)
		c.buf = grown
		return
	}
	c.buf = c.buf[:n]
	clear(c.buf[old:])
}

// pagesUp is the number of pages that hold n bytes; n may be the largest int64.
func pagesUp(n int64) int64 { return n/pageSize + min(n%pageSize, 1) }

// setSize truncates or extends; not with formLower.
func (c *content) setSize(n int64) error {
	if n <= c.size {
		if err := c.discard(n); err != nil {
			return err
		}
	}
	if c.form == formMemfd {
		if err := host.Truncate(c.fd, n); err != nil {
			return hostErr(err)
		}
	}
	c.size = n
	return nil
}

// discard drops what is past n. A memfd is left to ftruncate.
func (c *content) discard(n int64) error {
	switch c.form {
	case formInline:
		c.buf = c.buf[:min(int64(len(c.buf)), n)]
		if n == 0 {
			c.buf = nil
		}
	case formSlot:
		if n == 0 {
			c.fs.arena.release(c.slot)
			c.form, c.fd = formInline, -1
		} else if n < slotSize {
			if err := punch(c.fd, c.slot+n, slotSize-n); err != nil {
				return hostErr(err)
			}
		}
	}
	c.unreserve(pagesUp(n), noPage+1)
	return nil
}

// punchHole zeroes a range and frees whole pages in it.
func (c *content) punchHole(off, n int64) error {
	end := off + n
	switch c.form {
	case formInline:
		if l := int64(len(c.buf)); off < l {
			clear(c.buf[off:min(end, l)])
		}
	case formSlot:
		if off < slotSize {
			if err := punch(c.fd, c.slot+off, min(end, slotSize)-off); err != nil {
				return hostErr(err)
			}
		}
	case formMemfd:
		if err := punch(c.fd, off, n); err != nil {
			return hostErr(err)
		}
	}
	if c.form != formInline {
		c.unreserve(pagesUp(off), end/pageSize)
	}
	return nil
}

// allocate makes sure that writes to a range will find memory.
func (c *content) allocate(off, n int64) error {
	end := off + n
	lo, hi := off/pageSize, pagesUp(end)
	free, _ := c.fs.quota.free()
	if hi-lo-c.pages.n > free {
		return linux.ENOSPC
	}
	need := c.pages.missing(lo, hi)
	if !c.fs.quota.chargePages(need) {
		return linux.ENOSPC
	}
	if err := c.hold(end); err != nil {
		c.fs.quota.chargePages(-need)
		return err
	}
	if c.form == formMemfd {
		if err := host.Fallocate(c.fd, linux.FALLOC_FL_KEEP_SIZE, off, n); err != nil {
			c.fs.quota.chargePages(-need)
			return hostErr(err)
		}
	}
	c.pages.add(lo, hi)
	return nil
}

// seek finds data or a hole from off on; not with formLower.
func (c *content) seek(off int64, data bool) (int64, error) {
	if off < 0 || off >= c.size {
		return 0, linux.ENXIO
	}
	if c.shared {
		whence := linux.SEEK_HOLE
		if data {
			whence = linux.SEEK_DATA
		}
		return host.Seek(c.fd, off, whence)
	}
	p := c.pages.next(off/pageSize, data)
	if p >= pagesUp(c.size) {
		if data {
			return 0, linux.ENXIO
		}
		return c.size, nil
	}
	return max(off, p*pageSize), nil
}

// blocks returns st_blocks, and settles the account of a shared mapping.
func (c *content) blocks() int64 {
	if c.shared {
		if s, err := host.StatAt(c.fd, ""); err == nil {
			extra := s.Blocks/8 - c.pages.n
			c.fs.quota.forcePages(extra - c.extra)
			c.extra = extra
		}
	}
	return (c.pages.n + c.extra) * (pageSize / 512)
}

// free drops everything.
func (c *content) free() {
	switch c.form {
	case formSlot:
		c.fs.arena.release(c.slot)
	case formMemfd:
		c.dropView()
		host.Close(c.fd)
		if c.hasRO {
			host.Close(c.ro)
		}
	}
	if c.form != formLower {
		c.fs.quota.forcePages(-c.pages.n - c.extra)
	}
	*c = newContent(c.fs, c.size)
}

// readOnly returns a descriptor of the memfd that cannot write.
func (c *content) readOnly() (int, error) {
	if !c.hasRO {
		fd, err := host.Reopen(c.fd, linux.O_RDONLY)
		if err != nil {
			return -1, err
		}
		c.ro, c.hasRO = fd, true
	}
	return c.ro, nil
}

// hostErr turns the supervisor's own shortage into the guest's words.
func hostErr(err error) error {
	switch err {
	case linux.EMFILE:
		return linux.ENFILE
	case linux.ENOMEM:
		return linux.ENOSPC
	}
	return err
}
