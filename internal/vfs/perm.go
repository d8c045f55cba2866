package vfs

import (
	"sentinel/internal/abi/linux"
	"sentinel/internal/cred"
)

// Bits of a permission question, as those of access(2).
const (
	mayExec  = 1
	mayWrite = 2
	mayRead  = 4
)

// permission is generic_permission of fs/namei.c.
func (c *Context) permission(a *Attr, mask uint32) error {
	cr := c.cred()
	if cr == nil {
		return nil
	}
	mode := a.Mode
	if a.UID == cr.FSUID {
		mode >>= 6
	} else if mask&(mode^mode>>3) != 0 && cr.InGroup(a.GID) {
		// The group matters only where its bits differ from other's.
		mode >>= 3
	}
	if mask&^mode&7 == 0 {
		return nil
	}
	if a.IsDir() {
		if mask&mayWrite == 0 && cr.Has(cred.CapDacReadSearch) || cr.Has(cred.CapDacOverride) {
			return nil
		}
		return linux.EACCES
	}
	if mask == mayRead && cr.Has(cred.CapDacReadSearch) {
		return nil
	}
	// Execution needs an x bit even so.
	if (mask&mayExec == 0 || a.Mode&0o111 != 0) && cr.Has(cred.CapDacOverride) {
		return nil
	}
	return linux.EACCES
}

// maySearch checks the x bit of the directory d.
func (c *Context) maySearch(d *Dentry) error {
	cr := c.cred()
	if cr == nil || cr.Effective&(1<<cred.CapDacOverride|1<<cred.CapDacReadSearch) != 0 {
		return nil
	}
	a, err := d.ino.Attr()
	if err != nil {
		return err
	}
	return c.permission(&a, mayExec)
}

// may checks the permission bits of what p leads to.
func (c *Context) may(p Path, mask uint32) error {
	if c.cred() == nil {
		return nil
	}
	a, err := p.Dentry.ino.Attr()
	if err != nil {
		return err
	}
	return c.permission(&a, mask)
}

// owns is inode_owner_or_capable.
func (c *Context) owns(a *Attr) bool {
	uid, _ := c.ids()
	return c.cred() == nil || a.UID == uid || c.capable(cred.CapFowner)
}

// wantWrite is mnt_want_write.
func (p Path) wantWrite() error {
	if p.Mount.ReadOnly() {
		return linux.EROFS
	}
	return nil
}

// mayCreate checks that an entry can be added to the directory at p.
func (c *Context) mayCreate(p Path) error {
	if p.Dentry.dead.Load() {
		return linux.ENOENT
	}
	return c.may(p, mayWrite|mayExec)
}

// mayDelete checks that child can be removed from the directory at p, or
// replaced there (may_delete in fs/namei.c).
func (c *Context) mayDelete(p Path, child *Dentry, isDir bool) error {
	dir, err := p.Dentry.ino.Attr()
	if err != nil {
		return err
	}
	if err := c.permission(&dir, mayWrite|mayExec); err != nil {
		return err
	}
	if dir.Mode&linux.S_ISVTX != 0 && c.cred() != nil && !c.capable(cred.CapFowner) {
		a, err := child.ino.Attr()
		if err != nil {
			return err
		}
		if uid, _ := c.ids(); a.UID != uid && dir.UID != uid {
			return linux.EPERM
		}
	}
	switch {
	case isDir && !child.isDir():
		return linux.ENOTDIR
	case isDir && child.Parent() == nil:
		return linux.EBUSY
	case !isDir && child.isDir():
		return linux.EISDIR
	case p.Dentry.dead.Load():
		return linux.ENOENT
	}
	return nil
}

// newInode fills in owner and mode of an inode to be made in the directory at
// p (inode_init_owner, mode_strip_sgid). mode has the umask applied.
func (c *Context) newInode(p Path, mode uint32) (*NewInode, error) {
	n := &NewInode{Mode: mode}
	n.UID, n.GID = c.ids()
	dir, err := p.Dentry.ino.Attr()
	if err != nil {
		return nil, err
	}
	if dir.Mode&linux.S_ISGID != 0 {
		n.GID = dir.GID
		if mode&linux.S_IFMT == linux.S_IFDIR {
			n.Mode |= linux.S_ISGID
		} else if mode&(linux.S_ISGID|linux.S_IXGRP) == linux.S_ISGID|linux.S_IXGRP &&
			!c.inGroup(dir.GID) && !c.capable(cred.CapFsetid) {
			n.Mode &^= linux.S_ISGID
		}
	}
	return n, nil
}

// dropSetID returns mode without the bits that a change of data or owner takes
// away (setattr_should_drop_suidgid).
func (c *Context) dropSetID(a *Attr) uint32 {
	mode := a.Mode & 0o7777 &^ linux.S_ISUID
	if mode&linux.S_IXGRP != 0 || !c.inGroup(a.GID) && !c.capable(cred.CapFsetid) {
		mode &^= linux.S_ISGID
	}
	return mode
}

// killPriv adds to s what a change of the size of a regular file does to the
// set-id bits.
func (c *Context) killPriv(a *Attr, s *SetAttr) {
	if a.Mode&(linux.S_ISUID|linux.S_ISGID) == 0 || c.capable(cred.CapFsetid) {
		return
	}
	if m := c.dropSetID(a); m != a.Mode&0o7777 {
		s.Mask |= SetMode
		s.Mode = m
	}
}
