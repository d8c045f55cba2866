package kernfs

import (
	"sync"

	"sentinel/internal/abi/linux"
	"sentinel/internal/vfs"
)

// File is a regular file with generated content. A reader sees one consistent
// text: it is made when the description is first read, and again when it is
// read from the beginning.
type File struct {
	Node
	// ReadFn makes the content. With nil, reading is EINVAL.
	ReadFn func(c *vfs.Context) ([]byte, error)
	// WriteFn takes one write. With nil, writing is EINVAL.
	WriteFn func(c *vfs.Context, data []byte) error
	// OpenFn, if set, may refuse an open.
	OpenFn func(c *vfs.Context, flags uint32) error
	// OpsFn, if set, makes the description in place of all the above.
	OpsFn func(c *vfs.Context, flags uint32) (vfs.FileOps, error)
}

// NewFile returns a file; ino 0 for a fresh number.
func NewFile(fs *FS, ino uint64, perm uint32, read func(c *vfs.Context) ([]byte, error)) *File {
	f := &File{ReadFn: read}
	f.Init(fs, ino, linux.S_IFREG|perm)
	return f
}

// maxWrite bounds a write to a generated file, as a page does in Linux.
const maxWrite = 4096

// Open implements vfs.Inode.
func (f *File) Open(c *vfs.Context, _ *vfs.Dentry, flags uint32) (vfs.FileOps, error) {
	if f.OpenFn != nil {
		if err := f.OpenFn(c, flags); err != nil {
			return nil, err
		}
	}
	if f.OpsFn != nil {
		return f.OpsFn(c, flags)
	}
	return &fileOps{f: f}, nil
}

// fileOps is an open File.
type fileOps struct {
	vfs.NoFile
	f *File

	mu   sync.Mutex
	made bool
	text []byte
}

// Read implements vfs.FileOps.
func (o *fileOps) Read(c *vfs.Context, _ *vfs.File, dst []byte, off int64) (int, error) {
	if o.f.ReadFn == nil {
		return 0, linux.EINVAL
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.made || off == 0 {
		text, err := o.f.ReadFn(c)
		if err != nil {
			return 0, err
		}
		o.text, o.made = text, true
	}
	if off < 0 || off >= int64(len(o.text)) {
		return 0, nil
	}
	return copy(dst, o.text[off:]), nil
}

// Write implements vfs.FileOps.
func (o *fileOps) Write(c *vfs.Context, _ *vfs.File, src []byte, _ int64) (int, error) {
	if o.f.WriteFn == nil {
		return 0, linux.EINVAL
	}
	n := min(len(src), maxWrite)
	if err := o.f.WriteFn(c, src[:n]); err != nil {
		return 0, err
	}
	return len(src), nil
}

// Seek implements vfs.Seekable.
func (o *fileOps) Seek(c *vfs.Context, _ *vfs.File, cur, off int64, whence int) (int64, error) {
	if whence == linux.SEEK_END {
		return 0, linux.EINVAL // as seq_lseek
	}
	return seek(cur, off, whence, 0)
}

// Symlink is a symbolic link.
type Symlink struct {
	Node
	target func(c *vfs.Context) (string, error)
}

// NewSymlink returns a link whose target is asked for each time.
func NewSymlink(fs *FS, ino uint64, target func(c *vfs.Context) (string, error)) *Symlink {
	s := &Symlink{target: target}
	s.Init(fs, ino, linux.S_IFLNK|0o777)
	return s
}

// Open implements vfs.Inode.
func (s *Symlink) Open(*vfs.Context, *vfs.Dentry, uint32) (vfs.FileOps, error) {
	return nil, linux.ELOOP
}

// Readlink implements vfs.SymlinkInode.
func (s *Symlink) Readlink(c *vfs.Context) (string, error) { return s.target(c) }

// Link is a link that leads straight to an object.
type Link struct {
	Symlink
	follow func(c *vfs.Context) (vfs.Path, error)
}

// NewLink returns a magic link with the given permission bits.
func NewLink(fs *FS, ino uint64, perm uint32, target func(c *vfs.Context) (string, error), follow func(c *vfs.Context) (vfs.Path, error)) *Link {
	l := &Link{follow: follow}
	l.target = target
	l.Init(fs, ino, linux.S_IFLNK|perm)
	return l
}

// Follow implements vfs.MagicLink.
func (l *Link) Follow(c *vfs.Context) (vfs.Path, error) { return l.follow(c) }

// Device is a character device node.
type Device struct {
	Node
	open func(c *vfs.Context, flags uint32) (vfs.FileOps, error)
}

// NewDevice returns a node of a character device.
func NewDevice(fs *FS, ino uint64, perm, major, minor uint32, open func(c *vfs.Context, flags uint32) (vfs.FileOps, error)) *Device {
	d := &Device{open: open}
	d.Init(fs, ino, linux.S_IFCHR|perm)
	d.rmaj, d.rmin = major, minor
	return d
}

// Open implements vfs.Inode.
func (d *Device) Open(c *vfs.Context, _ *vfs.Dentry, flags uint32) (vfs.FileOps, error) {
	return d.open(c, flags)
}
