package kernfs

import (
	"sync"

	"sentinel/internal/abi/linux"
	"sentinel/internal/vfs"
)

// inode is what a child of a Dir is.
type inode interface {
	vfs.Inode
	InodeNumber() uint64
}

// Entry is one name of a Dynamic directory.
type Entry struct {
	Name string
	Ino  uint64
	Type uint8 // linux.DT_*
	// Key orders the entries: unique in its directory, not negative, and
	// stable while the entry exists.
	Key int64
}

// Dynamic is the part of a directory that changes by itself.
type Dynamic interface {
	// Lookup finds name; linux.ENOENT if there is none.
	Lookup(c *vfs.Context, name string) (vfs.Inode, error)
	// List calls emit for the entries with Key >= from in order of Key until
	// emit returns false.
	List(c *vfs.Context, from int64, emit func(Entry) bool) error
}

// Dir is a directory that the guest cannot change: of fixed entries, of
// dynamic ones, or both.
type Dir struct {
	Node
	// Fill, if set, adds the fixed entries when they are first needed.
	Fill func(d *Dir)
	// Dynamic, if set, is asked for names that are not fixed.
	Dynamic Dynamic
	// Check, if set, is asked before names are looked up or listed.
	Check func(c *vfs.Context) error

	once     sync.Once
	parent   uint64
	children map[string]inode
	order    []string
}

// NewDir returns a directory. perm are the permission bits, ino 0 for a fresh
// number.
func NewDir(fs *FS, ino uint64, perm uint32, fill func(d *Dir)) *Dir {
	d := &Dir{Fill: fill}
	d.Init(fs, ino, linux.S_IFDIR|perm)
	d.parent = d.ino
	return d
}

// Add adds a fixed entry. It must not be called once the directory is in use,
// other than by Fill.
func (d *Dir) Add(name string, child inode) {
	if d.children == nil {
		d.children = make(map[string]inode)
	}
	if _, ok := d.children[name]; !ok {
		d.order = append(d.order, name)
	}
	d.children[name] = child
	if sub, ok := child.(*Dir); ok {
		sub.parent = d.ino
		d.nlink++
	}
}

// AddDir adds a subdirectory that fill makes when it is needed.
func (d *Dir) AddDir(name string, perm uint32, fill func(d *Dir)) *Dir {
	sub := NewDir(d.fs, d.childIno(name), perm, fill)
	sub.fixed, sub.uid, sub.gid = d.fixed, d.uid, d.gid
	d.Add(name, sub)
	return sub
}

// AddFile adds a generated file.
func (d *Dir) AddFile(name string, perm uint32, read func(c *vfs.Context) ([]byte, error)) *File {
	f := NewFile(d.fs, d.childIno(name), perm, read)
	f.fixed, f.uid, f.gid = d.fixed, d.uid, d.gid
	d.Add(name, f)
	return f
}

// AddText adds a file whose content never changes.
func (d *Dir) AddText(name string, perm uint32, text string) *File {
	return d.AddFile(name, perm, func(*vfs.Context) ([]byte, error) { return []byte(text), nil })
}

// AddLink adds a symbolic link.
func (d *Dir) AddLink(name, target string) {
	s := NewSymlink(d.fs, d.childIno(name), func(*vfs.Context) (string, error) { return target, nil })
	s.fixed, s.uid, s.gid = d.fixed, d.uid, d.gid
	d.Add(name, s)
}

// childIno keeps the numbers of a dynamic directory's children stable.
func (d *Dir) childIno(name string) uint64 {
	if d.ino < dynamicIno {
		return 0
	}
	return ChildIno(d.ino, name)
}

// ChildIno derives the number of a child from its directory's.
func ChildIno(dir uint64, name string) uint64 {
	var b [8]byte
	for i := range b {
		b[i] = byte(dir >> (8 * i))
	}
	return Ino(string(b[:]), name)
}

// SetParent sets the number that ".." is listed with.
func (d *Dir) SetParent(ino uint64) { d.parent = ino }

// NewSub makes a directory for a Dynamic's Lookup in d.
func (d *Dir) NewSub(name string, perm uint32, fill func(d *Dir)) *Dir {
	sub := NewDir(d.fs, ChildIno(d.ino, name), perm, fill)
	sub.parent, sub.fixed, sub.uid, sub.gid = d.ino, d.fixed, d.uid, d.gid
	return sub
}

func (d *Dir) fill() {
	d.once.Do(func() {
		if d.Fill != nil {
			d.Fill(d)
		}
	})
}

// VolatileChildren implements vfs.Volatile.
func (d *Dir) VolatileChildren() bool {
	return d.Dynamic != nil || d.Check != nil || d.ino >= dynamicIno
}

// Lookup implements vfs.DirInode.
func (d *Dir) Lookup(c *vfs.Context, name string) (vfs.Inode, error) {
	if d.Check != nil {
		if err := d.Check(c); err != nil {
			return nil, err
		}
	}
	d.fill()
	if i, ok := d.children[name]; ok {
		return i, nil
	}
	if d.Dynamic != nil {
		return d.Dynamic.Lookup(c, name)
	}
	return nil, linux.ENOENT
}

// Open implements vfs.Inode.
func (d *Dir) Open(c *vfs.Context, _ *vfs.Dentry, _ uint32) (vfs.FileOps, error) {
	return &dirFile{d: d}, nil
}

// The tree cannot be changed by the guest. EPERM is what procfs and sysfs say;
// but a lookup of procfs never gives a negative dentry to create something at.

// Create implements vfs.DirInode.
func (d *Dir) Create(*vfs.Context, string, *vfs.NewInode) (vfs.Inode, error) {
	if d.fs.Name() == "proc" {
		return nil, linux.ENOENT
	}
	return nil, linux.EPERM
}

// Link implements vfs.DirInode.
func (d *Dir) Link(*vfs.Context, string, vfs.Inode) error { return linux.EPERM }

// Unlink implements vfs.DirInode.
func (d *Dir) Unlink(*vfs.Context, string, vfs.Inode) error { return linux.EPERM }

// Rmdir implements vfs.DirInode.
func (d *Dir) Rmdir(*vfs.Context, string, vfs.Inode) error { return linux.EPERM }

// Rename implements vfs.DirInode.
func (d *Dir) Rename(*vfs.Context, string, vfs.Inode, vfs.DirInode, string, vfs.Inode, uint32) error {
	return linux.EPERM
}

// dirFile is an open Dir.
type dirFile struct {
	vfs.NoFile
	d *Dir
}

// Read implements vfs.FileOps.
func (*dirFile) Read(*vfs.Context, *vfs.File, []byte, int64) (int, error) { return 0, linux.EISDIR }

// Seek implements vfs.Seekable.
func (*dirFile) Seek(_ *vfs.Context, _ *vfs.File, cur, off int64, whence int) (int64, error) {
	return seek(cur, off, whence, 0)
}

// Positions: 0 and 1 are "." and "..", then the fixed entries, then from
// dynamicPos on the keys of dynamic ones.
const dynamicPos = 1 << 32

// ReadDir implements vfs.DirReader.
func (f *dirFile) ReadDir(c *vfs.Context, _ *vfs.File, pos int64, emit func(*vfs.DirEntry) bool) error {
	d := f.d
	if d.Check != nil {
		if err := d.Check(c); err != nil {
			return err
		}
	}
	d.fill()
	if pos <= 0 {
		if !emit(&vfs.DirEntry{Name: ".", Ino: d.ino, Type: linux.DT_DIR, Next: 1}) {
			return nil
		}
		pos = 1
	}
	if pos == 1 {
		if !emit(&vfs.DirEntry{Name: "..", Ino: d.parent, Type: linux.DT_DIR, Next: 2}) {
			return nil
		}
		pos = 2
	}
	for ; pos < dynamicPos && pos-2 < int64(len(d.order)); pos++ {
		name := d.order[pos-2]
		child := d.children[name]
		a, err := child.Attr()
		if err != nil {
			return err
		}
		if !emit(&vfs.DirEntry{Name: name, Ino: a.Ino, Type: uint8(a.Mode >> 12), Next: pos + 1}) {
			return nil
		}
	}
	if d.Dynamic == nil {
		return nil
	}
	return d.Dynamic.List(c, max(pos-dynamicPos, 0), func(e Entry) bool {
		return emit(&vfs.DirEntry{Name: e.Name, Ino: e.Ino, Type: e.Type, Next: dynamicPos + e.Key + 1})
	})
}
