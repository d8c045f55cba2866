// Package kernfs is a toolkit for file systems whose content the kernel makes
// up: procfs, sysfs, devpts. Nodes are directories, generated files, symbolic
// links and devices; whoever builds a tree supplies functions.
//
// Trees are built lazily: a Dir's Fill runs when somebody first looks into it,
// and a Dynamic directory makes its nodes on every lookup, so that a tree
// costs nothing until it is used.
//
// Lock order:
//
//	vfs.VFS.mountMu, vfs.directory.opMu, vfs.File.posMu, epoll.Instance.mtx > Node.mu
//	vfs.File.posMu > fileOps.mu
//
// The functions of a tree are called without Node.mu. Those that make the text of
// a file are called with fileOps.mu, so what they take comes after it: package
// fs/proc says what.
package kernfs

import (
	"sync"
	"sync/atomic"
	"time"

	"sentinel/internal/abi/linux"
	"sentinel/internal/vfs"
)

// FS is one file system.
type FS struct {
	name     string
	magic    int64
	devMinor uint32
	lastIno  atomic.Uint64
	boot     vfs.Timespec
	root     vfs.DirInode
	// FileSize is what stat tells of regular files, whose length is not known
	// before they are read.
	FileSize int64
}

// dynamicIno is where the inode numbers of Dynamic nodes begin, which are
// derived from what they stand for.
const dynamicIno = 1 << 32

// New returns a file system without a root; SetRoot gives it one. magic is what
// statfs(2) tells.
func New(name string, magic int64, devMinor uint32) *FS {
	return &FS{name: name, magic: magic, devMinor: devMinor, boot: now()}
}

// SetRoot sets the root directory.
func (f *FS) SetRoot(d vfs.DirInode) { f.root = d }

// Name implements vfs.FileSystem.
func (f *FS) Name() string { return f.name }

// Root implements vfs.FileSystem.
func (f *FS) Root() vfs.Inode { return f.root }

// DevMinor implements vfs.FileSystem.
func (f *FS) DevMinor() uint32 { return f.devMinor }

// StatFS implements vfs.FileSystem (simple_statfs).
func (f *FS) StatFS() (vfs.StatFS, error) {
	return vfs.StatFS{Type: f.magic, Bsize: 4096, NameLen: 255}, nil
}

func now() vfs.Timespec {
	t := time.Now()
	return vfs.Timespec{Sec: t.Unix(), Nsec: int64(t.Nanosecond())}
}

// Ino derives a stable inode number from a key, by FNV-1a.
func Ino(key ...string) uint64 {
	h := uint64(14695981039346656037)
	for _, s := range key {
		for i := 0; i < len(s); i++ {
			h = (h ^ uint64(s[i])) * 1099511628211
		}
		h = (h ^ '/') * 1099511628211
	}
	return h&(1<<48-1) | dynamicIno
}

// Node is the metadata of an inode; the types of this package embed it.
type Node struct {
	fs  *FS
	ino uint64

	mu         sync.Mutex
	mode       uint32
	uid, gid   uint32
	nlink      uint32
	rmaj, rmin uint32
	atime      vfs.Timespec
	mtime      vfs.Timespec
	ctime      vfs.Timespec
	length     int64
	fixed      bool // attributes cannot be changed (procfs)
}

// Init gives a node its file system, inode number (0: a fresh one) and mode
// with type. It is owned by root.
func (n *Node) Init(fs *FS, ino uint64, mode uint32) {
	if ino == 0 {
		ino = fs.lastIno.Add(1)
	}
	n.fs, n.ino, n.mode, n.nlink = fs, ino, mode, 1
	if mode&linux.S_IFMT == linux.S_IFDIR {
		n.nlink = 2
	}
	n.atime, n.mtime, n.ctime = fs.boot, fs.boot, fs.boot
}

// SetOwner sets the owner.
func (n *Node) SetOwner(uid, gid uint32) { n.uid, n.gid = uid, gid }

// SetLinks sets the number of links.
func (n *Node) SetLinks(links uint32) { n.nlink = links }

// SetLength sets the size that stat tells.
func (n *Node) SetLength(size int64) { n.length = size }

// Fix makes the node refuse changes of its mode and owner with EPERM.
func (n *Node) Fix() { n.fixed = true }

// FileSystem implements vfs.Inode.
func (n *Node) FileSystem() vfs.FileSystem { return n.fs }

// InodeNumber returns the inode number.
func (n *Node) InodeNumber() uint64 { return n.ino }

// Attr implements vfs.Inode.
func (n *Node) Attr() (vfs.Attr, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	size := n.length
	if size == 0 && n.mode&linux.S_IFMT == linux.S_IFREG {
		size = n.fs.FileSize
	}
	return vfs.Attr{
		Size: size,
		Ino:  n.ino, Mode: n.mode, Nlink: n.nlink, UID: n.uid, GID: n.gid,
		DevMinor: n.fs.devMinor, RdevMajor: n.rmaj, RdevMinor: n.rmin, Blksize: 4096,
		Atime: n.atime, Mtime: n.mtime, Ctime: n.ctime, Btime: n.ctime,
	}, nil
}

// SetAttr implements vfs.Inode. A change of size does nothing: it comes from
// O_TRUNC when somebody writes to a generated file.
func (n *Node) SetAttr(_ *vfs.Context, s *vfs.SetAttr) error {
	if s.Mask&vfs.SetSize != 0 {
		return nil
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.fixed {
		if s.Mask&(vfs.SetMode|vfs.SetUID|vfs.SetGID) != 0 {
			return linux.EPERM
		}
		return nil
	}
	t := now()
	if s.Mask&vfs.SetMode != 0 {
		n.mode = n.mode&linux.S_IFMT | s.Mode&0o7777
	}
	if s.Mask&vfs.SetUID != 0 {
		n.uid = s.UID
	}
	if s.Mask&vfs.SetGID != 0 {
		n.gid = s.GID
	}
	set := func(exact, current vfs.AttrMask, dst *vfs.Timespec, v vfs.Timespec) {
		switch {
		case s.Mask&current != 0:
			*dst = t
		case s.Mask&exact != 0:
			*dst = v
		}
	}
	set(vfs.SetAtime, vfs.SetAtimeNow, &n.atime, s.Atime)
	set(vfs.SetMtime, vfs.SetMtimeNow, &n.mtime, s.Mtime)
	n.ctime = t
	return nil
}

// seek implements lseek for content of a known size.
func seek(cur, off int64, whence int, size int64) (int64, error) {
	switch whence {
	case linux.SEEK_SET:
	case linux.SEEK_CUR:
		off += cur
	case linux.SEEK_END:
		off += size
	default:
		return 0, linux.EINVAL
	}
	if off < 0 {
		return 0, linux.EINVAL
	}
	return off, nil
}
