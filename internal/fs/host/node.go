package host

import (
	"runtime"
	"sync"

	"sentinel/internal/abi/linux"
	sys "sentinel/internal/host"
	"sentinel/internal/vfs"
)

// node is what all inodes have.
type node struct {
	fs     *FS
	self   vfs.Inode
	key    key
	isRoot bool

	// Where it was last seen; guarded by FS.mu. parent is nil for the root and
	// for an inode that has no known name.
	parent *Dir
	name   string

	// fd is an O_PATH descriptor. It is apart so that it can outlive the node
	// until its cleanup.
	fd *sys.CachedFD

	mu     sync.Mutex
	kept   bool // fd stays open, because the name is gone
	rw     bool // fd is no O_PATH one but can be read and written
	seen   vfs.Attr
	seenAt int64 // when seen was fetched, if it has not been asked for
}

// inode is implemented by every inode of this package.
type inode interface {
	vfs.Inode
	base() *node
}

func (n *node) base() *node { return n }

// Type implements vfs.Typed.
func (n *node) Type() uint32 { return n.key.typ }

// FileSystem implements vfs.Inode.
func (n *node) FileSystem() vfs.FileSystem { return n.fs }

// place returns where n is.
func (n *node) place() (*Dir, string) {
	n.fs.mu.Lock()
	defer n.fs.mu.Unlock()
	return n.parent, n.name
}

// inDir calls f with a directory's descriptor and n's name in it.
func (n *node) inDir(f func(dirfd int, name string) error) error {
	if n.isRoot {
		return f(n.fs.rootFD, n.fs.rootName)
	}
	parent, name := n.place()
	if parent == nil {
		return linux.ESTALE
	}
	fd, err := parent.acquire()
	if err != nil {
		return err
	}
	defer parent.release()
	return f(fd, name)
}

// acquire returns an O_PATH descriptor of n until release. It is surely n's,
// whatever has happened to its name.
func (n *node) acquire() (int, error) {
	if n.isRoot && n.fs.rootName == "" {
		return n.fs.rootFD, nil
	}
	return n.fs.fds.Acquire(n.fd, func() (int, error) {
		got := -1
		err := n.inDir(func(dirfd int, name string) error {
			fd, err := sys.OpenBeneath(dirfd, name, linux.O_PATH, 0)
			if err != nil {
				return beneath(err)
			}
			got = fd
			return n.check(&got)
		})
		return got, err
	})
}

// check closes *fd if it is not n's.
func (n *node) check(fd *int) error {
	s, err := sys.StatAt(*fd, "")
	if err == nil && keyOf(&s) != n.key {
		err = linux.ESTALE
	}
	if err != nil {
		sys.Close(*fd)
		*fd = -1
	}
	return err
}

func (n *node) release() {
	if !n.isRoot || n.fs.rootName != "" {
		n.fs.fds.Release(n.fd)
	}
}

// keep holds n's descriptor for as long as n is, as its name will go.
func (n *node) keep() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.kept || n.isRoot {
		return
	}
	if _, err := n.acquire(); err != nil {
		return // it is gone already, then
	}
	n.kept = true
	fds := n.fs.fds
	runtime.AddCleanup(n, func(e *sys.CachedFD) {
		fds.Drop(e)
		fds.Release(e)
	}, n.fd)
}

// gone notes that the name is.
func (n *node) gone(parent *Dir, name string) {
	n.fs.mu.Lock()
	defer n.fs.mu.Unlock()
	if n.parent == parent && n.name == name {
		n.parent, n.name = nil, ""
	}
}

func (n *node) moved(parent *Dir, name string) {
	n.fs.mu.Lock()
	defer n.fs.mu.Unlock()
	n.parent, n.name = parent, name
}

// fresh remembers attributes for the question that follows a lookup.
func (n *node) fresh(s *sys.Stat) {
	n.mu.Lock()
	n.seen, n.seenAt = n.fs.attr(s), sys.Monotonic()
	n.mu.Unlock()
}

func (n *node) stale() {
	n.mu.Lock()
	n.seenAt = 0
	n.mu.Unlock()
}

// stat asks the host.
func (n *node) stat() (sys.Stat, error) {
	var s sys.Stat
	err := n.inDir(func(dirfd int, name string) (err error) {
		s, err = sys.StatAt(dirfd, name)
		return err
	})
	if err == nil && keyOf(&s) == n.key {
		return s, nil
	}
	fd, err := n.acquire()
	if err != nil {
		return s, err
	}
	defer n.release()
	return sys.StatAt(fd, "")
}

// Attr implements vfs.Inode.
func (n *node) Attr() (vfs.Attr, error) {
	n.mu.Lock()
	if at := n.seenAt; at != 0 {
		n.seenAt = 0
		if sys.Monotonic()-at < 1e6 {
			defer n.mu.Unlock()
			return n.seen, nil
		}
	}
	n.mu.Unlock()
	s, err := n.stat()
	return n.fs.attr(&s), err
}

// SetAttr implements vfs.Inode.
func (n *node) SetAttr(c *vfs.Context, s *vfs.SetAttr) error {
	if n.fs.opts.ReadOnly {
		return linux.EROFS
	}
	defer n.stale()
	if s.Mask&vfs.SetSize != 0 {
		if n.key.typ != linux.S_IFREG {
			return linux.EINVAL
		}
		fd, err := n.open(linux.O_WRONLY)
		if err != nil {
			return err
		}
		defer sys.Close(fd)
		if err := sizeLimit(c, fd, s.Size); err != nil {
			return err
		}
		if err := sys.Truncate(fd, s.Size); err != nil {
			return err
		}
	}
	fd, err := n.acquire()
	if err != nil {
		return err
	}
	defer n.release()
	return setAttr(fd, s)
}

// setAttr changes all but the size of what fd refers to.
func setAttr(fd int, s *vfs.SetAttr) error {
	if s.Mask&(vfs.SetUID|vfs.SetGID) != 0 {
		uid, gid := -1, -1
		if s.Mask&vfs.SetUID != 0 {
			uid = int(s.UID)
		}
		if s.Mask&vfs.SetGID != 0 {
			gid = int(s.GID)
		}
		if err := sys.ChownFD(fd, uid, gid); err != nil {
			// A guest's root may give a file to whom it has already.
			st, e := sys.StatAt(fd, "")
			if e != nil || uid >= 0 && uint32(uid) != st.UID || gid >= 0 && uint32(gid) != st.GID {
				return err
			}
		}
	}
	if s.Mask&vfs.SetMode != 0 {
		if err := sys.ChmodFD(fd, s.Mode&0o7777); err != nil {
			return err
		}
	}
	if s.Mask&(vfs.SetAtime|vfs.SetMtime|vfs.SetAtimeNow|vfs.SetMtimeNow) == 0 {
		return nil
	}
	pick := func(set, now vfs.AttrMask, t vfs.Timespec) linux.Timespec {
		switch {
		case s.Mask&set != 0:
			return linux.Timespec(t)
		case s.Mask&now != 0:
			return linux.Timespec{Nsec: sys.UtimeNow}
		}
		return linux.Timespec{Nsec: sys.UtimeOmit}
	}
	return sys.UtimesAt(fd, "", pick(vfs.SetAtime, vfs.SetAtimeNow, s.Atime), pick(vfs.SetMtime, vfs.SetMtimeNow, s.Mtime))
}

// open returns a new descriptor of n, a regular file or directory.
func (n *node) open(flags int) (int, error) {
	if n.fs.opts.ReadOnly && flags&linux.O_ACCMODE != linux.O_RDONLY {
		return -1, linux.EROFS
	}
	got := -1
	err := n.inDir(func(dirfd int, name string) error {
		fd, err := sys.OpenBeneath(dirfd, name, flags|linux.O_NONBLOCK|linux.O_NOCTTY, 0)
		if err != nil {
			return beneath(err)
		}
		got = fd
		return n.check(&got)
	})
	if err != linux.ESTALE && err != linux.ENOENT {
		return got, err
	}
	// The name is gone or another's; the file itself may be at hand.
	n.mu.Lock()
	kept, rw := n.kept, n.rw
	n.mu.Unlock()
	if !kept {
		return -1, err
	}
	fd, err := n.acquire()
	if err != nil {
		return -1, err
	}
	defer n.release()
	if rw {
		return sys.Dup(fd)
	}
	return sys.Reopen(fd, flags|linux.O_NONBLOCK|linux.O_NOCTTY)
}

// withFD calls f with a descriptor for attributes that O_PATH does not do.
func (n *node) withFD(f func(fd int) error) error {
	if n.key.typ != linux.S_IFREG && n.key.typ != linux.S_IFDIR {
		return linux.EOPNOTSUPP
	}
	fd, err := n.open(linux.O_RDONLY)
	if err != nil {
		return err
	}
	defer sys.Close(fd)
	return f(fd)
}

// Getxattr implements vfs.XattrInode.
func (n *node) Getxattr(_ *vfs.Context, name string) (v []byte, err error) {
	err = n.withFD(func(fd int) (err error) {
		v, err = sys.Getxattr(fd, name)
		return err
	})
	return v, err
}

// Setxattr implements vfs.XattrInode.
func (n *node) Setxattr(_ *vfs.Context, name string, value []byte, flags uint32) error {
	if n.fs.opts.ReadOnly {
		return linux.EROFS
	}
	defer n.stale()
	return n.withFD(func(fd int) error { return sys.Setxattr(fd, name, value, flags) })
}

// Listxattr implements vfs.XattrInode.
func (n *node) Listxattr(*vfs.Context) (names []string, err error) {
	err = n.withFD(func(fd int) (err error) {
		names, err = sys.Listxattr(fd)
		return err
	})
	if err == linux.EOPNOTSUPP {
		err = nil
	}
	return names, err
}

// Removexattr implements vfs.XattrInode.
func (n *node) Removexattr(_ *vfs.Context, name string) error {
	if n.fs.opts.ReadOnly {
		return linux.EROFS
	}
	defer n.stale()
	return n.withFD(func(fd int) error { return sys.Removexattr(fd, name) })
}

// Symlink is a symbolic link.
type Symlink struct{ node }

// Readlink implements vfs.SymlinkInode.
func (s *Symlink) Readlink(*vfs.Context) (string, error) {
	fd, err := s.acquire()
	if err != nil {
		return "", err
	}
	defer s.release()
	return sys.Readlink(fd, "")
}

// Open implements vfs.Inode.
func (s *Symlink) Open(*vfs.Context, *vfs.Dentry, uint32) (vfs.FileOps, error) {
	return nil, linux.ELOOP
}

// Special is a FIFO, socket or device node.
type Special struct {
	node
	rdev [2]uint32
}

// Open implements vfs.Inode.
func (s *Special) Open(c *vfs.Context, _ *vfs.Dentry, flags uint32) (vfs.FileOps, error) {
	o := &s.fs.opts
	switch s.key.typ {
	case linux.S_IFIFO:
		if o.OpenFIFO != nil {
			return o.OpenFIFO(s, c, flags)
		}
	case linux.S_IFCHR, linux.S_IFBLK:
		if o.OpenDevice != nil {
			return o.OpenDevice(s, c, s.key.typ, s.rdev[0], s.rdev[1], flags)
		}
	}
	return nil, linux.ENXIO
}
