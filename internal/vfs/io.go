package vfs

import (
	"math"

	"sentinel/internal/abi/linux"
)

// Read reads at the position and moves it; streams have none. As in
// rw_verify_area, no transfer may end past the largest position. It returns
// linux.EAGAIN where it would have to wait, as Write does.
func (f *File) Read(c *Context, dst []byte) (int, error) {
	if !f.Readable() {
		return 0, linux.EBADF
	}
	if _, ok := f.Ops.(Seekable); !ok {
		return f.accessed(f.Ops.Read(c, f, dst, 0))
	}
	f.posMu.Lock()
	defer f.posMu.Unlock()
	if f.pos > math.MaxInt64-int64(len(dst)) {
		return 0, linux.EINVAL
	}
	n, err := f.Ops.Read(c, f, dst, f.pos)
	f.pos += int64(n)
	return f.accessed(n, err)
}

// Pread reads at off.
func (f *File) Pread(c *Context, dst []byte, off int64) (int, error) {
	if off < 0 || off > math.MaxInt64-int64(len(dst)) {
		return 0, linux.EINVAL
	}
	if _, ok := f.Ops.(Seekable); !ok {
		return 0, linux.ESPIPE
	}
	if !f.Readable() {
		return 0, linux.EBADF
	}
	return f.accessed(f.Ops.Read(c, f, dst, off))
}

// Write writes at the position, or at the end with O_APPEND, and moves it.
func (f *File) Write(c *Context, src []byte) (int, error) {
	if !f.Writable() {
		return 0, linux.EBADF
	}
	if _, ok := f.Ops.(Seekable); !ok {
		return f.modified(f.Ops.Write(c, f, src, 0))
	}
	f.posMu.Lock()
	defer f.posMu.Unlock()
	off := f.pos
	if off > math.MaxInt64-int64(len(src)) {
		return 0, linux.EINVAL
	}
	if f.Flags()&linux.O_APPEND != 0 {
		off = Append
	}
	n, err := f.Ops.Write(c, f, src, off)
	if off != Append {
		f.pos += int64(n)
	} else if n > 0 {
		if a, err := f.Ino.Attr(); err == nil {
			f.pos = a.Size
		}
	}
	return f.modified(n, err)
}

// Pwrite writes at off, or at the end with O_APPEND, as Linux does against
// POSIX.
func (f *File) Pwrite(c *Context, src []byte, off int64) (int, error) {
	if off < 0 || off > math.MaxInt64-int64(len(src)) {
		return 0, linux.EINVAL
	}
	if _, ok := f.Ops.(Seekable); !ok {
		return 0, linux.ESPIPE
	}
	if !f.Writable() {
		return 0, linux.EBADF
	}
	if f.Flags()&linux.O_APPEND != 0 {
		off = Append
	}
	return f.modified(f.Ops.Write(c, f, src, off))
}

// Position, as the offset of ReadView and WriteView, is that of the
// description, which moves.
const Position = -1

// ReadView is Read or Pread by way of a Viewer.
func (f *File) ReadView(off int64, n int, fn func(b []byte) (int, error)) (done int, ok bool, err error) {
	v, ok := f.Ops.(Viewer)
	if !ok || !f.Readable() {
		return 0, false, nil
	}
	if off == Position {
		f.posMu.Lock()
		defer f.posMu.Unlock()
		off = f.pos
		defer func() { f.pos += int64(done) }()
	}
	if off > math.MaxInt64-int64(n) {
		return 0, false, nil
	}
	done, ok, err = v.ReadView(f, off, n, fn)
	_, _ = f.accessed(done, nil)
	return done, ok, err
}

// ReadDirect is Read or Pread of at most n bytes by way of a DirectReader: move
// has them read. Without ok nothing was done. No lock is held meanwhile, so that
// nobody but the caller may use the position, if it is to be read there.
func (f *File) ReadDirect(off int64, n int, move func(m HostMapping, n int) (int, error)) (done int, ok bool, err error) {
	d, ok := f.Ops.(DirectReader)
	if !ok || !f.Readable() {
		return 0, false, nil
	}
	at := off
	if off == Position {
		f.posMu.Lock()
		at = f.pos
		f.posMu.Unlock()
	}
	if at > math.MaxInt64-int64(n) {
		return 0, false, nil
	}
	m, n, ok := d.ReadDirect(f, at, n)
	if !ok {
		return 0, false, nil
	}
	done, err = move(m, n)
	if off == Position && done > 0 {
		f.posMu.Lock()
		f.pos = at + int64(done)
		f.posMu.Unlock()
	}
	_, _ = f.accessed(done, err)
	return done, true, err
}

// WriteView is Write or Pwrite by way of a Viewer.
func (f *File) WriteView(c *Context, off int64, n int, fn func(b []byte) (int, error)) (done int, ok bool, err error) {
	v, ok := f.Ops.(Viewer)
	if !ok || !f.Writable() || f.Flags()&linux.O_APPEND != 0 {
		return 0, false, nil
	}
	if off == Position {
		f.posMu.Lock()
		defer f.posMu.Unlock()
		off = f.pos
		defer func() { f.pos += int64(done) }()
	}
	if off > math.MaxInt64-int64(n) {
		return 0, false, nil
	}
	done, ok, err = v.WriteView(c, off, n, fn)
	_, _ = f.modified(done, nil)
	return done, ok, err
}

// accessed and modified tell watches of a transfer.
func (f *File) accessed(n int, err error) (int, error) {
	if n > 0 {
		notify(f.Path.Dentry, linux.IN_ACCESS)
	}
	return n, err
}

func (f *File) modified(n int, err error) (int, error) {
	if n > 0 {
		notify(f.Path.Dentry, linux.IN_MODIFY)
	}
	return n, err
}

// Seek moves the position and returns it.
func (f *File) Seek(c *Context, off int64, whence int) (int64, error) {
	s, ok := f.Ops.(Seekable)
	if !ok {
		return 0, linux.ESPIPE
	}
	f.posMu.Lock()
	defer f.posMu.Unlock()
	pos, err := s.Seek(c, f, f.pos, off, whence)
	if err != nil {
		return 0, err
	}
	if pos < 0 {
		return 0, linux.EINVAL
	}
	f.pos = pos
	return pos, nil
}

// Pos returns the position.
func (f *File) Pos() int64 {
	f.posMu.Lock()
	defer f.posMu.Unlock()
	return f.pos
}

// TryPos is Pos for /proc/PID/fdinfo; 0 while the position is in use, which may
// be by the caller itself, reading the fdinfo of its own descriptor.
func (f *File) TryPos() int64 {
	if !f.posMu.TryLock() {
		return 0
	}
	defer f.posMu.Unlock()
	return f.pos
}

// WithPos calls fn with the position held and moves it to what fn returns
// (sendfile, splice, copy_file_range without an offset).
func (f *File) WithPos(fn func(pos int64) int64) {
	f.posMu.Lock()
	defer f.posMu.Unlock()
	f.pos = fn(f.pos)
}

// SeekRegular is the Seek of a file of the given size without holes.
func SeekRegular(cur, off int64, whence int, size int64) (int64, error) {
	switch whence {
	case linux.SEEK_SET:
	case linux.SEEK_CUR:
		off += cur // wraps to below zero
	case linux.SEEK_END:
		off += size
	case linux.SEEK_DATA, linux.SEEK_HOLE:
		if off < 0 || off >= size {
			return 0, linux.ENXIO
		}
		if whence == linux.SEEK_HOLE {
			off = size
		}
	default:
		return 0, linux.EINVAL
	}
	if off < 0 {
		return 0, linux.EINVAL
	}
	return off, nil
}

// ReadDir calls emit for the entries from the position on, until emit returns
// false; the entry for which it does so comes again next time.
func (f *File) ReadDir(c *Context, emit func(*DirEntry) bool) error {
	d, ok := f.Ops.(DirReader)
	if !ok {
		return linux.ENOTDIR
	}
	if !f.Readable() {
		return linux.EBADF
	}
	if f.Path.Dentry.dead.Load() {
		return linux.ENOENT
	}
	f.posMu.Lock()
	defer f.posMu.Unlock()
	err := d.ReadDir(c, f, f.pos, func(e *DirEntry) bool {
		if !emit(e) {
			return false
		}
		f.pos = e.Next
		return true
	})
	notify(f.Path.Dentry, linux.IN_ACCESS)
	return err
}

// Ftruncate sets the size of an open file.
func (v *VFS) Ftruncate(c *Context, f *File, size int64) error { return f.Truncate(c, size) }

// Truncate implements ftruncate(2).
func (f *File) Truncate(c *Context, size int64) error {
	if size < 0 || f.Path.Dentry.typ != linux.S_IFREG || !f.Writable() {
		return linux.EINVAL
	}
	return truncate(c, f.Path.Dentry, size)
}

// truncate is do_truncate.
func truncate(c *Context, d *Dentry, size int64) error {
	a, err := d.ino.Attr()
	if err != nil {
		return err
	}
	s := SetAttr{Mask: SetSize | SetMtimeNow, Size: size}
	c.killPriv(&a, &s)
	if err := d.ino.SetAttr(c, &s); err != nil {
		return err
	}
	notify(d, linux.IN_MODIFY)
	return nil
}

// Fallocate implements fallocate(2) (vfs_fallocate).
func (f *File) Fallocate(c *Context, mode uint32, off, length int64) error {
	const keep, punch, collapse, zero, insert, unshare = linux.FALLOC_FL_KEEP_SIZE, linux.FALLOC_FL_PUNCH_HOLE,
		linux.FALLOC_FL_COLLAPSE_RANGE, linux.FALLOC_FL_ZERO_RANGE, linux.FALLOC_FL_INSERT_RANGE, linux.FALLOC_FL_UNSHARE_RANGE
	if off < 0 || length <= 0 {
		return linux.EINVAL
	}
	switch mode {
	case 0, keep, punch | keep, zero, zero | keep, collapse, insert, unshare, unshare | keep:
	default:
		return linux.EOPNOTSUPP
	}
	if !f.Writable() {
		return linux.EBADF
	}
	switch f.Path.Dentry.typ {
	case linux.S_IFREG, linux.S_IFBLK:
	case linux.S_IFIFO:
		return linux.ESPIPE
	case linux.S_IFDIR:
		return linux.EISDIR
	default:
		return linux.ENODEV
	}
	if off > math.MaxInt64-length {
		return linux.EFBIG
	}
	a, ok := f.Ops.(Allocator)
	if !ok {
		return linux.EOPNOTSUPP
	}
	if err := a.Allocate(c, f, mode, off, length); err != nil {
		return err
	}
	notify(f.Path.Dentry, linux.IN_MODIFY)
	return nil
}

// Sync implements fsync(2) and fdatasync(2).
func (f *File) Sync(c *Context, dataOnly bool) error {
	if s, ok := f.Ops.(Syncer); ok {
		return s.Sync(c, f, dataOnly)
	}
	switch f.Path.Dentry.typ {
	case linux.S_IFREG, linux.S_IFDIR:
		return nil
	}
	return linux.EINVAL
}

// setflMask is what fcntl(F_SETFL) can change.
const setflMask = linux.O_APPEND | linux.O_NONBLOCK | linux.O_DIRECT | linux.O_NOATIME | linux.O_ASYNC

// SetStatusFlags implements fcntl(F_SETFL) (setfl in fs/fcntl.c).
func (f *File) SetStatusFlags(c *Context, flags uint32) error {
	old := f.Flags()
	if flags&^old&linux.O_NOATIME != 0 {
		a, err := f.Ino.Attr()
		if err != nil {
			return err
		}
		if !c.owns(&a) {
			return linux.EPERM
		}
	}
	flags = old&^setflMask | flags&setflMask
	if s, ok := f.Ops.(FlagSetter); ok {
		if err := s.SetFlags(c, f, flags); err != nil {
			return err
		}
	}
	f.StoreFlags(flags)
	return nil
}

// SetOwner stores who is to get signals of the file: a process, or a process
// group if negative.
func (f *File) SetOwner(id int32) {
	f.mu.Lock()
	f.owner = id
	f.mu.Unlock()
}

// Owner returns what SetOwner stored.
func (f *File) Owner() int32 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.owner
}

// SetOwnerSignal stores the signal of fcntl(F_SETSIG).
func (f *File) SetOwnerSignal(sig int32) {
	f.mu.Lock()
	f.ownerSig = int16(sig)
	f.mu.Unlock()
}

// OwnerSignal returns it; 0 is SIGIO.
func (f *File) OwnerSignal() int32 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return int32(f.ownerSig)
}

// Stream reports whether f has no position.
func (f *File) Stream() bool {
	_, ok := f.Ops.(Seekable)
	return !ok
}

// Append writes at the end and leaves the position alone (RWF_APPEND).
func (f *File) Append(c *Context, src []byte) (int, error) {
	if !f.Writable() {
		return 0, linux.EBADF
	}
	return f.modified(f.Ops.Write(c, f, src, Append))
}

// OwnsFile reports whether the caller owns f's inode or may act so.
func OwnsFile(c *Context, f *File) bool {
	a, err := f.Ino.Attr()
	return err == nil && c.owns(&a)
}
