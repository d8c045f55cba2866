package host

import (
	"strings"
	"sync"

	"sentinel/internal/abi/linux"
	sys "sentinel/internal/host"
	"sentinel/internal/vfs"
)

// Dir is a directory.
type Dir struct{ node }

// VolatileChildren implements vfs.Volatile: other processes may change them.
func (d *Dir) VolatileChildren() bool { return true }

// in calls f with d's descriptor after checking a name.
func (d *Dir) in(name string, f func(fd int) error) error {
	if name == "" || name == "." || name == ".." || strings.Contains(name, "/") {
		return linux.EINVAL
	}
	fd, err := d.acquire()
	if err != nil {
		return err
	}
	defer d.release()
	return f(fd)
}

// change is in for operations that write.
func (d *Dir) change(name string, f func(fd int) error) error {
	if d.fs.opts.ReadOnly {
		return linux.EROFS
	}
	defer d.stale()
	return d.in(name, f)
}

// Lookup implements vfs.DirInode.
func (d *Dir) Lookup(_ *vfs.Context, name string) (ino vfs.Inode, err error) {
	err = d.in(name, func(fd int) error {
		s, err := sys.StatAt(fd, name)
		if err == nil {
			ino = d.fs.node(&s, d, name)
		}
		return err
	})
	return ino, err
}

// Create implements vfs.DirInode.
func (d *Dir) Create(_ *vfs.Context, name string, a *vfs.NewInode) (ino vfs.Inode, err error) {
	err = d.change(name, func(fd int) error {
		if err := mknod(fd, name, a); err != nil {
			return err
		}
		s, err := own(fd, name, a)
		if err == nil {
			ino = d.fs.node(&s, d, name)
		}
		return err
	})
	return ino, err
}

func mknod(fd int, name string, a *vfs.NewInode) error {
	switch a.Mode & linux.S_IFMT {
	case linux.S_IFDIR:
		return sys.Mkdirat(fd, name, a.Mode&0o7777)
	case linux.S_IFREG, 0:
		file, err := sys.OpenBeneath(fd, name, linux.O_CREAT|linux.O_EXCL|linux.O_RDWR, a.Mode&0o7777)
		if err != nil {
			return beneath(err)
		}
		sys.Close(file)
		return nil
	case linux.S_IFLNK:
		return sys.Symlinkat(a.Target, fd, name)
	case linux.S_IFIFO, linux.S_IFSOCK:
		return sys.Mknodat(fd, name, a.Mode)
	}
	return linux.EPERM
}

// own gives a new file to its owner, where the supervisor may, and takes the
// supervisor's umask out of its mode.
func own(dirfd int, name string, a *vfs.NewInode) (sys.Stat, error) {
	s, err := sys.StatAt(dirfd, name)
	if err != nil {
		return s, err
	}
	link := a.Mode&linux.S_IFMT == linux.S_IFLNK
	right := s.UID == a.UID && s.GID == a.GID
	if right && (link || s.Mode&0o7777 == a.Mode&0o7777) {
		return s, nil
	}
	fd, err := sys.OpenBeneath(dirfd, name, linux.O_PATH, 0)
	if err != nil {
		return s, beneath(err)
	}
	defer sys.Close(fd)
	if !right && sys.ChownFD(fd, int(a.UID), int(a.GID)) != nil {
		// The group alone may be one of the supervisor's.
		_ = sys.ChownFD(fd, -1, int(a.GID))
	}
	if !link {
		_ = sys.ChmodFD(fd, a.Mode&0o7777)
	}
	return sys.StatAt(fd, "")
}

// CreateUnlinked implements vfs.TmpfileDir.
func (d *Dir) CreateUnlinked(_ *vfs.Context, a *vfs.NewInode) (vfs.Inode, error) {
	if d.fs.opts.ReadOnly {
		return nil, linux.EROFS
	}
	dir, err := d.acquire()
	if err != nil {
		return nil, err
	}
	defer d.release()
	fd, err := sys.OpenBeneath(dir, ".", linux.O_TMPFILE|linux.O_RDWR, a.Mode&0o7777)
	if err != nil {
		return nil, beneath(err)
	}
	_ = sys.ChownFD(fd, int(a.UID), int(a.GID))
	_ = sys.ChmodFD(fd, a.Mode&0o7777)
	s, err := sys.StatAt(fd, "")
	if err != nil {
		sys.Close(fd)
		return nil, err
	}
	ino := d.fs.node(&s, nil, "").(*Regular)
	ino.rw = true // it is new: nobody else has seen it
	if _, err := d.fs.fds.Acquire(ino.fd, func() (int, error) { return fd, nil }); err != nil {
		return nil, err
	}
	ino.keep()
	d.fs.fds.Release(ino.fd)
	return ino, nil
}

// Link implements vfs.DirInode.
func (d *Dir) Link(_ *vfs.Context, name string, target vfs.Inode) error {
	t, ok := target.(inode)
	if !ok || t.base().fs != d.fs {
		return linux.EXDEV
	}
	n := t.base()
	return d.change(name, func(fd int) error {
		defer n.stale()
		if parent, _ := n.place(); parent != nil {
			if s, err := n.stat(); err == nil && keyOf(&s) == n.key {
				return n.inDir(func(dirfd int, old string) error { return sys.Linkat(dirfd, old, fd, name) })
			}
		}
		tfd, err := n.acquire()
		if err != nil {
			return err
		}
		defer n.release()
		if err := sys.LinkFD(tfd, fd, name); err != nil {
			return err
		}
		n.moved(d, strings.Clone(name))
		return nil
	})
}

// Unlink implements vfs.DirInode.
func (d *Dir) Unlink(_ *vfs.Context, name string, child vfs.Inode) error {
	return d.remove(name, child, false)
}

// Rmdir implements vfs.DirInode.
func (d *Dir) Rmdir(_ *vfs.Context, name string, child vfs.Inode) error {
	return d.remove(name, child, true)
}

func (d *Dir) remove(name string, child vfs.Inode, dir bool) error {
	return d.change(name, func(fd int) error {
		n := child.(inode).base()
		n.keep()
		defer n.stale()
		if err := sys.Unlinkat(fd, name, dir); err != nil {
			return err
		}
		n.gone(d, name)
		return nil
	})
}

// Rename implements vfs.DirInode.
func (d *Dir) Rename(_ *vfs.Context, oldName string, child vfs.Inode, newDir vfs.DirInode, newName string, replaced vfs.Inode, flags uint32) error {
	to, ok := newDir.(*Dir)
	if !ok || to.fs != d.fs {
		return linux.EXDEV
	}
	if flags&linux.RENAME_WHITEOUT != 0 {
		return linux.EINVAL
	}
	return d.change(oldName, func(fd int) error {
		return to.change(newName, func(tofd int) error {
			n := child.(inode).base()
			defer n.stale()
			exchange := flags&linux.RENAME_EXCHANGE != 0
			if replaced != nil {
				r := replaced.(inode).base()
				defer r.stale()
				if !exchange && r != n {
					r.keep()
				}
			}
			if err := sys.Renameat2(fd, oldName, tofd, newName, flags); err != nil {
				return err
			}
			if replaced != nil {
				switch r := replaced.(inode).base(); {
				case r == n:
					return nil
				case exchange:
					r.moved(d, strings.Clone(oldName))
				default:
					r.gone(to, newName)
				}
			}
			n.moved(to, strings.Clone(newName))
			return nil
		})
	})
}

// Open implements vfs.Inode.
func (d *Dir) Open(*vfs.Context, *vfs.Dentry, uint32) (vfs.FileOps, error) {
	fd, err := d.openSelf()
	if err != nil {
		return nil, err
	}
	return &dirFile{d: d, fd: fd}, nil
}

func (d *Dir) openSelf() (int, error) {
	fd, err := d.acquire()
	if err != nil {
		return -1, err
	}
	defer d.release()
	n, err := sys.OpenBeneath(fd, ".", linux.O_RDONLY|linux.O_DIRECTORY, 0)
	return n, beneath(err)
}

// dirFile is an open directory.
type dirFile struct {
	vfs.NoFile
	d  *Dir
	fd int

	mu  sync.Mutex
	pos int64 // of fd
}

// Release implements vfs.FileOps.
func (f *dirFile) Release(*vfs.File) { sys.Close(f.fd) }

// Read implements vfs.FileOps.
func (f *dirFile) Read(*vfs.Context, *vfs.File, []byte, int64) (int, error) {
	return 0, linux.EISDIR
}

// Sync implements vfs.Syncer.
func (f *dirFile) Sync(_ *vfs.Context, _ *vfs.File, dataOnly bool) error {
	return sys.Sync(f.fd, dataOnly)
}

// Seek implements vfs.Seekable. Positions are the host's.
func (f *dirFile) Seek(_ *vfs.Context, _ *vfs.File, cur, off int64, whence int) (int64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if whence == linux.SEEK_CUR {
		off, whence = off+cur, linux.SEEK_SET
	}
	n, err := sys.Seek(f.fd, off, whence)
	if err == nil {
		f.pos = n
	}
	return n, err
}

// ReadDir implements vfs.DirReader.
func (f *dirFile) ReadDir(_ *vfs.Context, _ *vfs.File, pos int64, emit func(*vfs.DirEntry) bool) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if pos != f.pos || pos == 0 {
		if _, err := sys.Seek(f.fd, pos, linux.SEEK_SET); err != nil {
			return err
		}
	}
	buf := make([]byte, 16<<10)
	for {
		full, next := false, pos
		more, err := sys.Getdents(f.fd, buf, func(e *sys.Dirent) {
			if full {
				return
			}
			d := vfs.DirEntry{Name: string(e.Name), Ino: f.d.fs.inos.Ino(f.d.key.dev, e.Ino), Type: e.Type, Next: e.Off}
			if f.d.isRoot && d.Name == ".." {
				d.Ino = f.d.fs.inos.Ino(f.d.key.dev, f.d.key.ino)
			}
			if emit(&d) {
				next = e.Off
			} else {
				full = true
			}
		})
		if full {
			f.pos = -1 // fd is further than the reader
			return nil
		}
		f.pos, pos = next, next
		if err != nil || !more {
			return err
		}
	}
}
