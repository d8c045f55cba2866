package mem

import (
	"cmp"
	"slices"

	"sentinel/internal/abi/linux"
	"sentinel/internal/vfs"
)

// dirFile is an open directory.
type dirFile struct {
	vfs.NoFile
	d *Dir
	// end is the highest position that is shown. It is set at the start, so
	// that a reader who renames what it reads comes to an end (as libfs since
	// Linux 6.13).
	end int64
}

// Open implements vfs.Inode.
func (d *Dir) Open(_ *vfs.Context, _ *vfs.Dentry, _ uint32) (vfs.FileOps, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.lower != nil && !d.listed && !d.lower.Readable() {
		if err := d.load(-1); err != nil {
			return nil, err
		}
	}
	// A removed directory can still be opened, by way of ".".
	d.opens++
	return &dirFile{d: d, end: d.last}, nil
}

// Release implements vfs.FileOps.
func (f *dirFile) Release(*vfs.File) { f.d.closed() }

// Read implements vfs.FileOps.
func (f *dirFile) Read(*vfs.Context, *vfs.File, []byte, int64) (int, error) {
	return 0, linux.EISDIR
}

// Seek implements vfs.Seekable.
func (f *dirFile) Seek(_ *vfs.Context, _ *vfs.File, cur, off int64, whence int) (int64, error) {
	switch whence {
	case linux.SEEK_SET:
	case linux.SEEK_CUR:
		off += cur
	default:
		return 0, linux.EINVAL
	}
	if off < 0 {
		return 0, linux.EINVAL
	}
	return off, nil
}

// Sync implements vfs.Syncer.
func (f *dirFile) Sync(*vfs.Context, *vfs.File, bool) error { return nil }

// ReadDir implements vfs.DirReader. Entries are gathered a batch at a time and
// emitted without the lock.
func (f *dirFile) ReadDir(_ *vfs.Context, file *vfs.File, pos int64, emit func(*vfs.DirEntry) bool) error {
	d := f.d
	if pos <= 0 {
		pos = 0
		d.touchAtime(file.Flags())
		d.mu.Lock()
		f.end = d.last
		d.mu.Unlock()
	}
	var batch [64]vfs.DirEntry
	for {
		n, err := f.gather(batch[:], pos)
		if err != nil || n == 0 {
			return err
		}
		for i := range batch[:n] {
			pos = batch[i].Next
			if !emit(&batch[i]) {
				return nil
			}
		}
	}
}

func (f *dirFile) gather(batch []vfs.DirEntry, pos int64) (n int, err error) {
	d := f.d
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.load(-1); err != nil {
		return 0, err
	}
	if d.dead() {
		return 0, linux.ENOENT
	}
	for ; pos < 2; pos++ {
		ino, name := d.attr.Ino, "."
		if pos == 1 {
			name = ".."
			d.fs.mu.Lock()
			ino = d.parent.attr.Ino // fixed
			d.fs.mu.Unlock()
		}
		batch[n] = vfs.DirEntry{Name: name, Ino: ino, Type: linux.DT_DIR, Next: pos + 1}
		n++
	}
	for ; pos-2 < int64(len(d.list)) && n < len(batch); pos++ {
		l := &d.list[pos-2]
		ino, typ := l.Ino, l.Type
		if e := d.names[l.Name]; e != nil {
			if e.pos != 0 || e.isWhiteout() {
				continue
			}
			if child := e.inode(); child != nil {
				b := child.(inode).base()
				ino, typ = b.attr.Ino, uint8(b.typ>>12)
			}
		}
		batch[n] = vfs.DirEntry{Name: l.Name, Ino: ino, Type: typ, Next: pos + 1}
		n++
	}
	if pos-2 < int64(len(d.list)) {
		return n, nil
	}
	i, _ := slices.BinarySearchFunc(d.order, pos, func(e *entry, p int64) int { return cmp.Compare(e.pos, p) })
	for ; i < len(d.order) && d.order[i].pos <= f.end && n < len(batch); i++ {
		e := d.order[i]
		if e.child == nil {
			continue
		}
		b := e.child.(inode).base()
		batch[n] = vfs.DirEntry{Name: e.name, Ino: b.attr.Ino, Type: uint8(b.typ >> 12), Next: e.pos + 1}
		n++
	}
	return n, nil
}
