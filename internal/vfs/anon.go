package vfs

import (
	"sync"
	"time"

	"sentinel/internal/abi/linux"
)

// anonFS is anon_inodefs: it holds the one inode that eventfds, epolls and
// their like share.
type anonFS struct{}

func (anonFS) Name() string     { return "anon_inodefs" }
func (anonFS) Root() Inode      { return nil }
func (anonFS) DevMinor() uint32 { return 15 }
func (anonFS) StatFS() (StatFS, error) {
	return StatFS{Type: anonMagic, Bsize: 4096, NameLen: 255}, nil
}

const anonMagic = 0x09041934

// anonMount is the mount of everything that no path leads to.
var anonMount = &Mount{fs: anonFS{}}

// anonInode is the inode of an object without one.
type anonInode struct{ time Timespec }

var theAnonInode = sync.OnceValue(func() *anonInode { return &anonInode{now()} })

func now() Timespec {
	t := time.Now()
	return Timespec{t.Unix(), int64(t.Nanosecond())}
}

// FileSystem implements Inode.
func (*anonInode) FileSystem() FileSystem { return anonFS{} }

// Attr implements Inode.
func (i *anonInode) Attr() (Attr, error) {
	return Attr{
		Ino: 1057, Mode: 0o600, Nlink: 1, DevMinor: anonFS{}.DevMinor(), Blksize: 4096,
		Atime: i.time, Mtime: i.time, Ctime: i.time, Btime: i.time,
	}, nil
}

// SetAttr implements Inode (anon_inode_setattr).
func (*anonInode) SetAttr(*Context, *SetAttr) error { return linux.EOPNOTSUPP }

// Open implements Inode.
func (*anonInode) Open(*Context, *Dentry, uint32) (FileOps, error) { return nil, linux.ENXIO }

// AnonPath returns a place for an inode that no path leads to, such as what a
// link in /proc/PID/ns stands for. name is what /proc/PID/fd shows.
func AnonPath(name string, ino Inode) Path { return Path{anonMount, newAnonDentry(name, ino)} }
