package vfs

import (
	"sentinel/internal/abi/linux"
)

// makeAt does what all calls that make a name do (filename_create): it finds
// the directory of path, checks that the name is free and that the caller may
// make it, and calls make with the directory locked.
func (v *VFS) makeAt(c *Context, at Path, path string, isDir bool, make func(dir Path, name string) error) error {
	var w walker
	if err := v.lookupParent(&w, c, at, path); err != nil {
		return err
	}
	if w.kind != lastNorm {
		return linux.EEXIST
	}
	d := w.cur.Dentry
	d.opMu.Lock()
	defer d.opMu.Unlock()
	child, err := d.lookupLocked(c, w.last)
	if err != nil {
		return err
	}
	if child != nil {
		return linux.EEXIST
	}
	if w.trailing && !isDir {
		return linux.ENOENT
	}
	if err := w.cur.wantWrite(); err != nil {
		return err
	}
	return make(w.cur, w.last)
}

// makeInode is makeAt for a new inode of the given mode.
func (v *VFS) makeInode(c *Context, at Path, path string, n NewInode) error {
	return v.makeAt(c, at, path, n.Mode&linux.S_IFMT == linux.S_IFDIR, func(dir Path, name string) error {
		if err := c.mayCreate(dir); err != nil {
			return err
		}
		whiteout := n.RdevMajor == 0 && n.RdevMinor == 0 && n.Mode&linux.S_IFMT == linux.S_IFCHR
		switch n.Mode & linux.S_IFMT {
		case linux.S_IFCHR, linux.S_IFBLK:
			if !whiteout && !c.mayMakeDevice() {
				return linux.EPERM
			}
		}
		full, err := c.newInode(dir, n.Mode)
		if err != nil {
			return err
		}
		full.RdevMajor, full.RdevMinor, full.Target = n.RdevMajor, n.RdevMinor, n.Target
		_, err = v.make(c, dir.Dentry, name, full)
		return err
	})
}

// MknodAt makes a regular file, device, FIFO or socket. The umask is applied.
func (v *VFS) MknodAt(c *Context, at Path, path string, mode, major, minor uint32) error {
	switch mode & linux.S_IFMT {
	case 0:
		mode |= linux.S_IFREG
	case linux.S_IFREG, linux.S_IFIFO, linux.S_IFSOCK:
	case linux.S_IFCHR, linux.S_IFBLK:
	case linux.S_IFDIR:
		return linux.EPERM
	default:
		return linux.EINVAL
	}
	if t := mode & linux.S_IFMT; t != linux.S_IFCHR && t != linux.S_IFBLK {
		major, minor = 0, 0
	}
	return v.makeInode(c, at, path, NewInode{Mode: mode &^ c.umask(), RdevMajor: major, RdevMinor: minor})
}

// MakeSocket makes a socket inode at path, which is relative to the current
// directory, and returns it.
func (v *VFS) MakeSocket(c *Context, path string, mode uint32) (Inode, error) {
	var ino Inode
	err := v.makeAt(c, Path{}, path, false, func(dir Path, name string) error {
		if err := c.mayCreate(dir); err != nil {
			return err
		}
		n, err := c.newInode(dir, linux.S_IFSOCK|mode&0o7777&^c.umask())
		if err != nil {
			return err
		}
		d, err := v.make(c, dir.Dentry, name, n)
		if err == nil {
			ino = d.ino
		}
		return err
	})
	return ino, err
}

// FindSocket finds the socket at path and checks permission to write to it
// (unix_find_bsd): linux.ECONNREFUSED if it is something else.
func (v *VFS) FindSocket(c *Context, path string) (Inode, error) {
	p, err := v.lookup(c, Path{}, path, lookFollow, 0)
	if err != nil {
		return nil, err
	}
	if err := c.may(p, mayWrite); err != nil {
		return nil, err
	}
	if p.Dentry.typ != linux.S_IFSOCK {
		return nil, linux.ECONNREFUSED
	}
	return p.Dentry.ino, nil
}

// MkdirAt makes a directory. The umask is applied.
func (v *VFS) MkdirAt(c *Context, at Path, path string, mode uint32) error {
	return v.makeInode(c, at, path, NewInode{Mode: linux.S_IFDIR | mode&0o1777&^c.umask()})
}

// SymlinkAt makes a symbolic link.
func (v *VFS) SymlinkAt(c *Context, target string, at Path, path string) error {
	if target == "" {
		return linux.ENOENT
	}
	if len(target) >= pathMax {
		return linux.ENAMETOOLONG
	}
	return v.makeInode(c, at, path, NewInode{Mode: linux.S_IFLNK | 0o777, Target: target})
}

// ReadlinkAt returns the target of a symbolic link. With an empty path at is
// the link.
func (v *VFS) ReadlinkAt(c *Context, at Path, path string) (string, error) {
	p, err := v.lookup(c, at, path, lookEmpty, 0)
	if err != nil {
		return "", err
	}
	s, ok := p.Dentry.ino.(SymlinkInode)
	if !ok || p.Dentry.typ != linux.S_IFLNK {
		if path == "" {
			return "", linux.ENOENT
		}
		return "", linux.EINVAL
	}
	return s.Readlink(c)
}

// LinkAt makes the name new for the inode at old.
func (v *VFS) LinkAt(c *Context, oldAt Path, old string, newAt Path, new string, atFlags uint32) error {
	if atFlags&^(linux.AT_SYMLINK_FOLLOW|linux.AT_EMPTY_PATH) != 0 {
		return linux.EINVAL
	}
	look := uint32(0)
	if atFlags&linux.AT_SYMLINK_FOLLOW != 0 {
		look |= lookFollow
	}
	if atFlags&linux.AT_EMPTY_PATH != 0 {
		look |= lookEmpty
	}
	p, err := v.lookup(c, oldAt, old, look, 0)
	if err != nil {
		return err
	}
	return v.makeAt(c, newAt, new, false, func(dir Path, name string) error {
		if dir.Mount != p.Mount {
			return linux.EXDEV
		}
		if err := c.mayCreate(dir); err != nil {
			return err
		}
		if p.Dentry.isDir() {
			return linux.EPERM
		}
		a, err := p.Dentry.ino.Attr()
		if err != nil {
			return err
		}
		if a.Nlink == 0 && !p.Dentry.linkable {
			return linux.ENOENT
		}
		if err := dir.Dentry.dir.Link(c, name, p.Dentry.ino); err != nil {
			return err
		}
		d, err := dir.Dentry.added(name, p.Dentry.ino)
		if err != nil {
			return err
		}
		send(p.Dentry, linux.IN_ATTRIB, 0, "")
		notifyDir(dir.Dentry, d, linux.IN_CREATE, d.Name(), 0)
		return nil
	})
}

// UnlinkAt removes a name, of a directory with AT_REMOVEDIR.
func (v *VFS) UnlinkAt(c *Context, at Path, path string, atFlags uint32) error {
	if atFlags&^linux.AT_REMOVEDIR != 0 {
		return linux.EINVAL
	}
	var w walker
	if err := v.lookupParent(&w, c, at, path); err != nil {
		return err
	}
	rmdir := atFlags != 0
	if w.kind != lastNorm {
		switch {
		case !rmdir:
			return linux.EISDIR
		case w.kind == lastDotDot:
			return linux.ENOTEMPTY
		case w.kind == lastDot:
			return linux.EINVAL
		}
		return linux.EBUSY
	}
	if err := w.cur.wantWrite(); err != nil {
		return err
	}
	d := w.cur.Dentry
	d.opMu.Lock()
	defer d.opMu.Unlock()
	child, err := d.lookupLocked(c, w.last)
	switch {
	case err != nil:
		return err
	case child == nil:
		return linux.ENOENT
	case !rmdir && w.trailing && child.isDir():
		return linux.EISDIR
	case !rmdir && w.trailing:
		return linux.ENOTDIR
	}
	if err := c.mayDelete(w.cur, child, rmdir); err != nil {
		return err
	}
	if v.isMountPoint(w.cur.Mount, child) {
		return linux.EBUSY
	}
	if rmdir {
		child.opMu.Lock()
		defer child.opMu.Unlock()
		err = d.dir.Rmdir(c, child.Name(), child.ino)
	} else {
		err = d.dir.Unlink(c, child.Name(), child.ino)
	}
	if err != nil {
		return err
	}
	d.setChild(child.Name(), nil)
	v.gone(child)
	if !child.isDir() {
		send(child, linux.IN_ATTRIB, 0, "")
	}
	notifyUnused(child)
	notifyDir(d, child, linux.IN_DELETE, child.Name(), 0)
	return nil
}

// gone notes that child was removed from its directory, or replaced there.
func (v *VFS) gone(child *Dentry) {
	child.removed()
	if child.mounted.Load() != 0 {
		v.detachAll(child)
	}
}

func (v *VFS) isMountPoint(m *Mount, d *Dentry) bool {
	if d.mounted.Load() == 0 {
		return false
	}
	v.mountMu.RLock()
	defer v.mountMu.RUnlock()
	return v.mounts[mountPoint{m, d}] != nil
}
