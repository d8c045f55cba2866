package mem

import (
	"math"
	"sync"

	"sentinel/internal/abi/linux"
	"sentinel/internal/cred"
	"sentinel/internal/host"
	"sentinel/internal/signal"
	"sentinel/internal/vfs"
)

// Regular is a regular file.
type Regular struct {
	node
	c     content
	seals uint32 // of a memfd; guarded by node.mu

	// The lower file's descriptor is kept while the file is open.
	pinned bool
	pinFD  int32
	pinMu  sync.Mutex
}

// Attr implements vfs.Inode.
func (r *Regular) Attr() (vfs.Attr, error) {
	r.mu.RLock()
	a, size, shared := r.attr, r.c.size, false
	if r.c.form != formLower {
		if shared = r.c.shared; !shared {
			a.Blocks = r.c.blocks()
		}
	}
	r.mu.RUnlock()
	if shared {
		r.mu.Lock()
		a.Blocks = r.c.blocks()
		r.mu.Unlock()
	}
	a.Size = size
	return a, nil
}

// SetAttr implements vfs.Inode.
func (r *Regular) SetAttr(c *vfs.Context, s *vfs.SetAttr) error {
	if s.Mask&vfs.SetSize == 0 {
		return r.node.SetAttr(c, s)
	}
	if s.Size < 0 {
		return linux.EINVAL
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.freed {
		return linux.ENOENT
	}
	if r.seals != 0 {
		if err := r.mayResize(s.Size); err != nil {
			return err
		}
	}
	if s.Size > r.fs.maxFile {
		return linux.EFBIG
	}
	if s.Size > r.c.size {
		if limit := fileLimit(c); uint64(s.Size) > limit {
			c.Caller.SendSignal(signal.SIGXFSZ)
			return linux.EFBIG
		}
	}
	changed := s.Size != r.c.size
	if err := r.copyUp(s.Size); err != nil {
		return err
	}
	if err := r.c.setSize(s.Size); err != nil {
		return err
	}
	r.setAttr(s)
	if changed && s.Mask&(vfs.SetMtime|vfs.SetMtimeNow) == 0 {
		r.attr.Mtime = r.attr.Ctime
	}
	return nil
}

// fileLimit is RLIMIT_FSIZE; none if the kernel itself acts.
func fileLimit(c *vfs.Context) uint64 {
	if c == nil || c.Caller == nil {
		return math.MaxUint64
	}
	return c.Caller.FileSizeLimit()
}

// Open implements vfs.Inode. It makes no host call unless only the host can
// tell whether the file may be read.
func (r *Regular) Open(_ *vfs.Context, _ *vfs.Dentry, flags uint32) (vfs.FileOps, error) {
	if err := r.opened(); err != nil {
		return nil, err
	}
	if r.lower != nil {
		r.mu.RLock()
		check := r.c.form == formLower && !r.lower.Readable()
		r.mu.RUnlock()
		if check {
			if _, err := r.pin(); err != nil {
				r.closed()
				return nil, err
			}
		}
	}
	return &file{r: r}, nil
}

// pin returns the lower file's descriptor, valid until the last description
// is closed.
func (r *Regular) pin() (int, error) {
	r.pinMu.Lock()
	defer r.pinMu.Unlock()
	if r.pinned {
		return int(r.pinFD), nil
	}
	fd, err := r.lower.Acquire()
	if err != nil {
		return -1, hostErr(err)
	}
	r.pinned, r.pinFD = true, int32(fd)
	return fd, nil
}

func (r *Regular) unpin() {
	r.pinMu.Lock()
	defer r.pinMu.Unlock()
	if r.pinned {
		r.pinned = false
		r.lower.Release()
	}
}

// copyUp makes the data ours, of which keep bytes are of interest; r.mu is
// held.
func (r *Regular) copyUp(keep int64) error {
	if r.c.form != formLower {
		return nil
	}
	r.keep()
	keep = min(keep, r.c.size)
	n := newContent(r.fs, keep)
	if keep > 0 {
		fd, err := r.pin()
		if err != nil {
			return err
		}
		if r.opens == 0 {
			defer r.unpin()
		}
		if err := n.fill(fd); err != nil {
			n.free()
			return err
		}
	}
	size := r.c.size
	r.c = n
	if keep < size {
		return r.c.setSize(size) // the caller truncates; keep its view whole until then
	}
	return nil
}

// fill copies size bytes of fd into an empty content.
func (c *content) fill(fd int) error {
	if c.size <= slotSize {
		buf := make([]byte, c.size)
		for done := 0; done < len(buf); {
			n, err := host.Pread(fd, buf[done:], int64(done))
			if err != nil {
				return err
			}
			if n == 0 {
				break // it changed under us: zeros, as for a hole
			}
			done += n
		}
		n, err := c.writeAt(buf, 0)
		if err == nil && n < len(buf) {
			err = linux.ENOSPC
		}
		return err
	}
	if err := c.toMemfd(); err != nil {
		return err
	}
	for off := int64(0); off < c.size; {
		data, err := host.Seek(fd, off, linux.SEEK_DATA)
		if err == linux.ENXIO {
			return nil
		}
		end := c.size
		if err != nil {
			data = off
		} else if hole, err := host.Seek(fd, data, linux.SEEK_HOLE); err == nil {
			end = min(hole, end)
		}
		if data >= c.size {
			return nil
		}
		if c.reserve(data, end) != end {
			return linux.ENOSPC
		}
		n, err := host.CopyRange(c.fd, data, fd, data, end-data)
		if err != nil {
			return hostErr(err)
		}
		if n < end-data {
			return nil
		}
		off = end
	}
	return nil
}

// file is an open description of a Regular.
type file struct {
	vfs.NoFile
	r *Regular
}

// Release implements vfs.FileOps.
func (f *file) Release(*vfs.File) { f.r.closed() }

// Read implements vfs.FileOps.
func (f *file) Read(_ *vfs.Context, d *vfs.File, dst []byte, off int64) (int, error) {
	if off < 0 {
		return 0, linux.EINVAL
	}
	n, err := f.r.read(dst, off)
	if err == nil && len(dst) > 0 {
		f.r.touchAtime(d.Flags())
	}
	return n, err
}

func (r *Regular) read(dst []byte, off int64) (int, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if r.c.form != formLower {
		return r.c.readAt(dst, off)
	}
	if off >= r.c.size {
		return 0, nil
	}
	fd, err := r.pin()
	if err != nil {
		return 0, err
	}
	return host.Pread(fd, dst[:min(int64(len(dst)), r.c.size-off)], off)
}

// Write implements vfs.FileOps.
func (f *file) Write(c *vfs.Context, _ *vfs.File, src []byte, off int64) (int, error) {
	if len(src) == 0 {
		return 0, nil
	}
	r := f.r
	r.mu.Lock()
	defer r.mu.Unlock()
	if off == vfs.Append {
		off = r.c.size
	}
	if off < 0 {
		return 0, linux.EINVAL
	}
	if limit := fileLimit(c); limit < math.MaxInt64 {
		if uint64(off) >= limit {
			c.Caller.SendSignal(signal.SIGXFSZ)
			return 0, linux.EFBIG
		}
		src = src[:min(uint64(len(src)), limit-uint64(off))]
	}
	if off >= r.fs.maxFile {
		return 0, linux.EFBIG
	}
	src = src[:min(int64(len(src)), r.fs.maxFile-off)]
	if r.seals != 0 {
		if err := r.mayWrite(off, int64(len(src))); err != nil {
			return 0, err
		}
	}
	if err := r.copyUp(math.MaxInt64); err != nil {
		return 0, err
	}
	n, err := r.c.writeAt(src, off)
	if n > 0 {
		r.changed(c)
	}
	return n, err
}

// changed notes a change of data: times, set-id bits and file capabilities
// (file_remove_privs in fs/inode.c). r.mu is held.
func (r *Regular) changed(c *vfs.Context) {
	t := now()
	r.attr.Mtime, r.attr.Ctime = t, t
	if m := r.attr.Mode; m&(linux.S_ISUID|linux.S_ISGID) != 0 && c != nil && c.Cred != nil && !c.Cred.Has(cred.CapFsetid) {
		m &^= linux.S_ISUID
		if m&linux.S_IXGRP != 0 {
			m &^= linux.S_ISGID
		}
		r.attr.Mode = m
	}
	if v, ok := r.xattrs["security.capability"]; ok {
		delete(r.xattrs, "security.capability")
		r.fs.quota.chargeSpace(-xattrSpace("security.capability", v))
	}
}

// Seek implements vfs.Seekable.
func (f *file) Seek(_ *vfs.Context, _ *vfs.File, cur, off int64, whence int) (int64, error) {
	r := f.r
	r.mu.RLock()
	defer r.mu.RUnlock()
	switch whence {
	case linux.SEEK_SET:
	case linux.SEEK_CUR:
		off += cur // wraps to below zero
	case linux.SEEK_END:
		off += r.c.size
	case linux.SEEK_DATA, linux.SEEK_HOLE:
		if r.c.form != formLower {
			return r.c.seek(off, whence == linux.SEEK_DATA)
		}
		if off < 0 || off >= r.c.size {
			return 0, linux.ENXIO
		}
		fd, err := r.pin()
		if err != nil {
			return 0, err
		}
		return host.Seek(fd, off, whence)
	default:
		return 0, linux.EINVAL
	}
	if off < 0 || off > r.fs.maxFile {
		return 0, linux.EINVAL
	}
	return off, nil
}

// Sync implements vfs.Syncer.
func (f *file) Sync(*vfs.Context, *vfs.File, bool) error { return nil }

// Allocate implements vfs.Allocator. Beyond what tmpfs does there is
// FALLOC_FL_ZERO_RANGE, which the file systems under a root usually have.
func (f *file) Allocate(c *vfs.Context, _ *vfs.File, mode uint32, off, length int64) error {
	const keep, hole, zero = linux.FALLOC_FL_KEEP_SIZE, linux.FALLOC_FL_PUNCH_HOLE, linux.FALLOC_FL_ZERO_RANGE
	if mode&^(keep|hole|zero) != 0 || mode&(hole|zero) == hole|zero || mode&(hole|keep) == hole {
		return linux.EOPNOTSUPP
	}
	if off < 0 || length <= 0 {
		return linux.EINVAL
	}
	if off > f.r.fs.maxFile-length {
		return linux.EFBIG
	}
	r := f.r
	r.mu.Lock()
	defer r.mu.Unlock()
	grow := mode&keep == 0 && off+length > r.c.size
	if r.seals != 0 {
		if mode&(hole|zero) != 0 && r.seals&(sealWrite|sealFutureWrite) != 0 || grow && r.seals&sealGrow != 0 {
			return linux.EPERM
		}
	}
	if grow {
		if uint64(off+length) > fileLimit(c) {
			c.Caller.SendSignal(signal.SIGXFSZ)
			return linux.EFBIG
		}
	}
	if err := r.copyUp(math.MaxInt64); err != nil {
		return err
	}
	if mode&(hole|zero) != 0 {
		if err := r.c.punchHole(off, length); err != nil {
			return err
		}
	}
	if mode&hole == 0 {
		if err := r.c.allocate(off, length); err != nil {
			return err
		}
	}
	if grow {
		if err := r.c.setSize(off + length); err != nil {
			return err
		}
	}
	r.changed(c)
	return nil
}

// Mmap implements vfs.Mappable. A mapping that can never be written maps the
// lower file itself, and keeps doing so when the file is copied up later.
func (f *file) Mmap(_ *vfs.Context, d *vfs.File, off, length int64, prot int, shared bool) (vfs.HostMapping, error) {
	r := f.r
	writable := shared && d.Writable()
	r.touchAtime(d.Flags())
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.seals&(sealWrite|sealFutureWrite) != 0 && shared {
		if prot&linux.PROT_WRITE != 0 {
			return vfs.HostMapping{}, linux.EPERM
		}
		writable = false
	}
	if r.c.form == formLower {
		if !writable {
			fd, err := r.pin()
			return vfs.HostMapping{FD: fd, Offset: off, ReadOnly: true}, err
		}
		if err := r.copyUp(math.MaxInt64); err != nil {
			return vfs.HostMapping{}, err
		}
	}
	if err := r.c.toMemfd(); err != nil {
		return vfs.HostMapping{}, err
	}
	if !writable {
		// A description that only reads must not let mprotect make the mapping
		// writable, nor a guest process map more than it was told to: the host
		// gets one that cannot.
		fd, err := r.c.readOnly()
		if err != nil {
			return vfs.HostMapping{}, hostErr(err)
		}
		return vfs.HostMapping{FD: fd, Offset: off}, nil
	}
	r.c.shared = true
	return vfs.HostMapping{FD: r.c.fd, Offset: off}, nil
}

// HostFD implements vfs.HostFD. The descriptor is for reading: writes have to
// be accounted for.
func (f *file) HostFD(*vfs.File) int {
	r := f.r
	r.mu.RLock()
	defer r.mu.RUnlock()
	switch r.c.form {
	case formMemfd:
		return r.c.fd
	case formLower:
		if fd, err := r.pin(); err == nil {
			return fd
		}
	}
	return -1
}
