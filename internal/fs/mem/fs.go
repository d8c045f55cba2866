// Package mem is the file system that lives in memory: tmpfs, and the layer of
// changes over a read-only tree (package overlay). An inode either was made
// here or stands for an object of the Lower layer until it is changed; nothing
// but the changed part is ever copied.
//
// Names, attributes and files of up to a page are on the Go heap. Longer files
// live in slots of one memfd that the file system shares out, files past a
// slot or mapped ones in a memfd each, so that a tree of small files needs one
// descriptor.
//
// OpenFIFO and OpenDevice are called without locks, the lower layer and a caller's
// FileSizeLimit with node.mu held.
//
// Lock order:
//
//	vfs.VFS.mountMu, vfs.directory.opMu, vfs.File.posMu, epoll.Instance.mtx > node.mu
//	vfs.directory.opMu > FS.treeMu > node.mu
//	node.mu > node.mu (directories by ascending ino, then what is in them)
//	node.mu > Regular.pinMu > FS.mu > arena.mu
//	node.mu > task.Kernel.mu
//	Regular.pinMu > host.FDCache.mu
//
// The quota is atomic.
package mem

import (
	"math"
	"sync"
	"sync/atomic"
	"weak"

	"sentinel/internal/abi/linux"
	"sentinel/internal/host"
	"sentinel/internal/vfs"
)

// Options say what a file system is like. The zero value is a tmpfs with the
// kernel's defaults.
type Options struct {
	Name  string // "tmpfs" if empty
	Magic int64  // TMPFS_MAGIC if 0
	// Mode, UID and GID are of the root directory; 01777 if Mode is 0. With
	// Lower they are the lower root's.
	Mode, UID, GID uint32
	DevMinor       uint32
	// Size bounds the data in bytes, Inodes the number of names and inodes;
	// 0 is half of the host's memory, as tmpfs.
	Size, Inodes int64
	// Quota, if set, is charged too and shared with other file systems.
	Quota *Quota
	// OpenFIFO opens an end of a FIFO, OpenDevice a device node.
	OpenFIFO   func(ino vfs.Inode, c *vfs.Context, flags uint32) (vfs.FileOps, error)
	OpenDevice func(ino vfs.Inode, c *vfs.Context, typ, major, minor uint32, flags uint32) (vfs.FileOps, error)
	// Lower is the root of the lower layer and LowerAttr its attributes.
	Lower     Lower
	LowerAttr *LowerAttr
}

// FS is one file system.
type FS struct {
	opts  Options
	quota *Quota
	root  *Dir
	arena arena

	// treeMu is held by what locks more than one directory.
	treeMu sync.Mutex

	mu      sync.Mutex
	byLower map[lowerKey]weak.Pointer[node] // lower files with more than one name
	sweep   int                             // its size at which unused ones are dropped
	// changed holds the objects of the lower layer that are not as it has them.
	// Each holds the directory it was found in, and that its own, so the way to
	// them stays.
	changed map[*node]struct{}

	lastIno atomic.Uint64
	views   atomic.Int32 // mappings in the supervisor
	// maxFile is the largest size of a file (s_maxbytes): as on tmpfs or, over
	// a lower layer, as on ext4 with blocks of 4 KiB.
	maxFile int64
	// inoBase marks the inode numbers of this layer, so that they differ from
	// those of a lower one.
	inoBase uint64
}

// New makes a file system.
func New(o Options) *FS {
	if o.Name == "" {
		o.Name = "tmpfs"
	}
	if o.Magic == 0 {
		o.Magic = linux.TMPFS_MAGIC
	}
	if o.Mode == 0 {
		o.Mode = 0o1777
	}
	half := host.TotalRAM() / 2
	if o.Size == 0 {
		o.Size = half
	}
	if o.Inodes == 0 {
		o.Inodes = half / pageSize
	}
	fs := &FS{opts: o, quota: NewQuota(o.Size, o.Inodes, o.Quota)}
	fs.arena.fd = -1
	fs.maxFile = math.MaxInt64
	if o.Lower != nil {
		fs.inoBase = host.InoLimit
		fs.maxFile = 1<<44 - pageSize
		fs.byLower = make(map[lowerKey]weak.Pointer[node])
		fs.changed = make(map[*node]struct{})
		fs.root = fs.adopt(o.Lower, o.LowerAttr, nil).(*Dir)
	} else {
		fs.root = &Dir{}
		fs.initDir(fs.root, &vfs.NewInode{Mode: linux.S_IFDIR | o.Mode&0o7777, UID: o.UID, GID: o.GID})
	}
	fs.root.parent = fs.root
	return fs
}

// Name implements vfs.FileSystem.
func (fs *FS) Name() string { return fs.opts.Name }

// Root implements vfs.FileSystem.
func (fs *FS) Root() vfs.Inode { return fs.root }

// Quota returns the one that fs shares with others, or nil.
func (fs *FS) Quota() *Quota { return fs.opts.Quota }

// DevMinor implements vfs.FileSystem.
func (fs *FS) DevMinor() uint32 { return fs.opts.DevMinor }

// StatFS implements vfs.FileSystem.
func (fs *FS) StatFS() (vfs.StatFS, error) {
	q := fs.quota
	free, ifree := q.free()
	return vfs.StatFS{
		Type: fs.opts.Magic, Bsize: pageSize, NameLen: 255,
		Blocks: uint64(q.maxPages), Bfree: uint64(free), Bavail: uint64(free),
		Files: uint64(q.maxSpace / inodeSpace), Ffree: uint64(ifree / inodeSpace),
		Flags: 0,
	}, nil
}

// init fills a new inode in. The caller has charged for it.
func (fs *FS) init(n *node, self inode, a *vfs.NewInode) {
	t := now()
	n.fs, n.self, n.typ = fs, self, a.Mode&linux.S_IFMT
	n.attr = vfs.Attr{
		Ino: fs.inoBase + fs.lastIno.Add(1), Mode: a.Mode, UID: a.UID, GID: a.GID, Nlink: 1,
		RdevMajor: a.RdevMajor, RdevMinor: a.RdevMinor,
		DevMinor: fs.opts.DevMinor, Blksize: pageSize,
		Atime: t, Mtime: t, Ctime: t, Btime: t,
	}
	n.xattrsKnown = true
}

func (fs *FS) initDir(d *Dir, a *vfs.NewInode) {
	fs.init(&d.node, d, a)
	d.attr.Nlink = 2
	d.attr.Size = 2 * dirEntrySize
	if fs.opts.Lower != nil {
		d.attr.Size = pageSize // as most file systems under a root
	}
}

// adopt returns the inode that stands for a lower object found in dir.
func (fs *FS) adopt(l Lower, a *LowerAttr, dir *Dir) inode {
	linked := a.Nlink > 1 && !a.IsDir()
	key := lowerKey{a.HostDev, a.HostIno}
	if linked {
		fs.mu.Lock()
		defer fs.mu.Unlock()
		if n := fs.byLower[key].Value(); n != nil {
			return n.self
		}
	}
	var n *node
	var self inode
	switch a.Type() {
	case linux.S_IFDIR:
		d := &Dir{parent: dir}
		n, self = &d.node, d
	case linux.S_IFREG:
		r := &Regular{}
		r.c = content{fs: fs, form: formLower, size: a.Size}
		n, self = &r.node, r
	case linux.S_IFLNK:
		s := &Symlink{}
		n, self = &s.node, s
	default:
		s := &Special{}
		n, self = &s.node, s
	}
	n.fs, n.self, n.lower, n.home, n.attr, n.typ = fs, self, l, dir, a.Attr, a.Type()
	fs.own(&n.attr)
	if linked {
		if len(fs.byLower) >= fs.sweep {
			for k, p := range fs.byLower {
				if p.Value() == nil {
					delete(fs.byLower, k)
				}
			}
			fs.sweep = 2*len(fs.byLower) + 64
		}
		fs.byLower[key] = weak.Make(n)
	}
	return self
}

// make makes the inode that a describes.
func (fs *FS) make(a *vfs.NewInode) (vfs.Inode, error) {
	if !fs.quota.chargeSpace(inodeSpace) {
		return nil, linux.ENOSPC
	}
	switch a.Mode & linux.S_IFMT {
	case linux.S_IFDIR:
		d := &Dir{}
		fs.initDir(d, a)
		return d, nil
	case linux.S_IFREG, 0:
		r := &Regular{}
		r.c = newContent(fs, 0)
		b := *a
		b.Mode |= linux.S_IFREG
		fs.init(&r.node, r, &b)
		return r, nil
	case linux.S_IFLNK:
		b := *a
		b.Mode = linux.S_IFLNK | 0o777
		s := &Symlink{target: a.Target, known: true}
		fs.init(&s.node, s, &b)
		s.attr.Size = int64(len(a.Target))
		return s, nil
	case linux.S_IFIFO, linux.S_IFSOCK, linux.S_IFCHR, linux.S_IFBLK:
		s := &Special{}
		fs.init(&s.node, s, a)
		return s, nil
	}
	fs.quota.chargeSpace(-inodeSpace)
	return nil, linux.EINVAL
}

func now() vfs.Timespec {
	t, _ := host.ClockGettime(linux.CLOCK_REALTIME)
	return vfs.Timespec(t)
}
