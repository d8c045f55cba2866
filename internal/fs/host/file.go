package host

import (
	"math"
	"sync/atomic"

	"sentinel/internal/abi/linux"
	"sentinel/internal/cred"
	sys "sentinel/internal/host"
	"sentinel/internal/signal"
	"sentinel/internal/vfs"
)

// Regular is a regular file.
type Regular struct{ node }

// Open implements vfs.Inode.
func (r *Regular) Open(_ *vfs.Context, _ *vfs.Dentry, flags uint32) (vfs.FileOps, error) {
	fd, err := r.open(int(flags & (linux.O_ACCMODE | linux.O_SYNC | linux.O_DSYNC)))
	if err != nil {
		return nil, err
	}
	f := &file{fd: fd, n: &r.node}
	r.mu.Lock()
	f.setID.Store(r.seen.Mode&(linux.S_ISUID|linux.S_ISGID) != 0)
	r.seenAt = 0 // what is done to the file from now on must be seen
	r.mu.Unlock()
	return f, nil
}

// file is an open regular file of the host, with a descriptor of its own.
type file struct {
	vfs.NoFile
	fd    int
	n     *node       // nil for a descriptor of the caller
	setID atomic.Bool // a write may have to drop set-id bits
}

// Release implements vfs.FileOps.
func (f *file) Release(*vfs.File) { sys.Close(f.fd) }

// Read implements vfs.FileOps.
func (f *file) Read(_ *vfs.Context, _ *vfs.File, dst []byte, off int64) (int, error) {
	return sys.Pread(f.fd, dst, off)
}

// Write implements vfs.FileOps.
func (f *file) Write(c *vfs.Context, _ *vfs.File, src []byte, off int64) (int, error) {
	if f.n != nil {
		defer f.n.stale()
	}
	src, err := writeLimit(c, f.fd, src, off)
	if err != nil || len(src) == 0 {
		return 0, err
	}
	if f.setID.Load() && c != nil && c.Cred != nil && !c.Cred.Has(cred.CapFsetid) {
		f.dropSetID()
	}
	if off == vfs.Append {
		return sys.WriteAppend(f.fd, src)
	}
	return sys.Pwrite(f.fd, src, off)
}

// dropSetID is file_remove_privs, which the host skips for a privileged
// supervisor.
func (f *file) dropSetID() {
	f.setID.Store(false)
	s, err := sys.StatAt(f.fd, "")
	if err != nil {
		return
	}
	m := s.Mode &^ linux.S_ISUID
	if m&linux.S_IXGRP != 0 {
		m &^= linux.S_ISGID
	}
	if m != s.Mode {
		_ = sys.ChmodFD(f.fd, m&0o7777)
	}
}

// fileLimit is RLIMIT_FSIZE of the guest.
func fileLimit(c *vfs.Context) uint64 {
	if c == nil || c.Caller == nil {
		return math.MaxUint64
	}
	return c.Caller.FileSizeLimit()
}

func overLimit(c *vfs.Context) error {
	c.Caller.SendSignal(signal.SIGXFSZ)
	return linux.EFBIG
}

// writeLimit cuts a write at RLIMIT_FSIZE.
func writeLimit(c *vfs.Context, fd int, src []byte, off int64) ([]byte, error) {
	limit := fileLimit(c)
	if limit > math.MaxInt64 || len(src) == 0 {
		return src, nil
	}
	if off == vfs.Append {
		s, err := sys.StatAt(fd, "")
		if err != nil {
			return nil, err
		}
		off = s.Size
	}
	if off < 0 {
		return nil, linux.EINVAL
	}
	if uint64(off) >= limit {
		return nil, overLimit(c)
	}
	return src[:min(uint64(len(src)), limit-uint64(off))], nil
}

// sizeLimit checks a new size against RLIMIT_FSIZE.
func sizeLimit(c *vfs.Context, fd int, size int64) error {
	if size < 0 {
		return linux.EINVAL
	}
	if uint64(size) <= fileLimit(c) {
		return nil
	}
	if s, err := sys.StatAt(fd, ""); err == nil && size <= s.Size {
		return nil
	}
	return overLimit(c)
}

// Seek implements vfs.Seekable.
func (f *file) Seek(_ *vfs.Context, _ *vfs.File, cur, off int64, whence int) (int64, error) {
	return seek(f.fd, cur, off, whence)
}

// seek works out a position without moving fd's.
func seek(fd int, cur, off int64, whence int) (int64, error) {
	switch whence {
	case linux.SEEK_SET:
	case linux.SEEK_CUR:
		off += cur
	case linux.SEEK_END:
		s, err := sys.StatAt(fd, "")
		if err != nil {
			return 0, err
		}
		off += s.Size
	case linux.SEEK_DATA, linux.SEEK_HOLE:
		// It moves fd's own position, which nothing of ours uses.
		return sys.Seek(fd, off, whence)
	default:
		return 0, linux.EINVAL
	}
	if off < 0 {
		return 0, linux.EINVAL
	}
	return off, nil
}

// Sync implements vfs.Syncer.
func (f *file) Sync(_ *vfs.Context, _ *vfs.File, dataOnly bool) error {
	return sys.Sync(f.fd, dataOnly)
}

// Allocate implements vfs.Allocator.
func (f *file) Allocate(c *vfs.Context, _ *vfs.File, mode uint32, off, length int64) error {
	if f.n != nil {
		defer f.n.stale()
	}
	if off < 0 || length <= 0 {
		return linux.EINVAL
	}
	if off > math.MaxInt64-length {
		return linux.EFBIG
	}
	if mode&linux.FALLOC_FL_KEEP_SIZE == 0 {
		if err := sizeLimit(c, f.fd, off+length); err != nil {
			return err
		}
	}
	return sys.Fallocate(f.fd, mode, off, length)
}

// Mmap implements vfs.Mappable. The descriptor has the access mode of the
// guest's, so the host refuses what the guest may not.
func (f *file) Mmap(_ *vfs.Context, _ *vfs.File, off, _ int64, _ int, _ bool) (vfs.HostMapping, error) {
	return vfs.HostMapping{FD: f.fd, Offset: off}, nil
}

// HostFD implements vfs.HostFD.
func (f *file) HostFD(*vfs.File) int { return f.fd }
