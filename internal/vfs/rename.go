package vfs

import (
	"strings"

	"sentinel/internal/abi/linux"
)

// RenameAt renames as renameat2(2) does (do_renameat2, vfs_rename).
func (v *VFS) RenameAt(c *Context, oldAt Path, old string, newAt Path, new string, flags uint32) error {
	const exchange, noreplace, whiteout = linux.RENAME_EXCHANGE, linux.RENAME_NOREPLACE, linux.RENAME_WHITEOUT
	if flags&^(exchange|noreplace|whiteout) != 0 || flags&exchange != 0 && flags&(noreplace|whiteout) != 0 {
		return linux.EINVAL
	}
	var from, to walker
	if err := v.lookupParent(&from, c, oldAt, old); err != nil {
		return err
	}
	if err := v.lookupParent(&to, c, newAt, new); err != nil {
		return err
	}
	switch {
	case from.cur.Mount != to.cur.Mount:
		return linux.EXDEV
	case from.kind != lastNorm:
		return linux.EBUSY
	case to.kind != lastNorm && flags&noreplace != 0:
		return linux.EEXIST
	case to.kind != lastNorm:
		return linux.EBUSY
	}
	if err := from.cur.wantWrite(); err != nil {
		return err
	}
	a, b := from.cur.Dentry, to.cur.Dentry
	v.renameMu.Lock()
	defer v.renameMu.Unlock()
	unlock := lockTwo(a, b)
	defer unlock()

	src, err := a.lookupLocked(c, from.last)
	if err != nil {
		return err
	}
	if src == nil {
		return linux.ENOENT
	}
	dst, err := b.lookupLocked(c, to.last)
	if err != nil {
		return err
	}
	switch {
	case flags&noreplace != 0 && dst != nil:
		return linux.EEXIST
	case flags&exchange != 0 && dst == nil:
		return linux.ENOENT
	case flags&exchange != 0 && !dst.isDir() && to.trailing:
		return linux.ENOTDIR
	case !src.isDir() && (from.trailing || flags&exchange == 0 && to.trailing):
		return linux.ENOTDIR
	case src.isAncestor(b):
		return linux.EINVAL
	case dst != nil && dst.isAncestor(a) && flags&exchange != 0:
		return linux.EINVAL
	case dst != nil && dst.isAncestor(a):
		return linux.ENOTEMPTY
	case dst != nil && dst.ino == src.ino:
		return nil
	}
	if err := v.mayRename(c, &from, &to, src, dst, flags); err != nil {
		return err
	}
	var replaced Inode
	if dst != nil {
		replaced = dst.ino
		if dst.isDir() && flags&exchange == 0 {
			dst.opMu.Lock()
			defer dst.opMu.Unlock()
		}
	}
	if err := a.dir.Rename(c, src.Name(), src.ino, b.dir, to.last, replaced, flags); err != nil {
		return err
	}
	v.renameSeq.Add(1)
	oldName, newName := src.Name(), strings.Clone(to.last)
	if flags&exchange != 0 {
		a.move(b, src, newName)
		b.move(a, dst, oldName)
	} else {
		// Whoever walks there meanwhile finds the old or the new.
		a.move(b, src, newName)
		if dst != nil {
			v.gone(dst)
		}
		a.setChild(oldName, nil)
		if flags&whiteout != 0 {
			a.forget(oldName)
		}
	}
	if flags&exchange != 0 {
		notifyMove(a, b, src, nil, oldName, newName)
		notifyMove(b, a, dst, nil, newName, oldName)
		return nil
	}
	notifyMove(a, b, src, dst, oldName, newName)
	return nil
}

// mayRename makes the checks of vfs_rename.
func (v *VFS) mayRename(c *Context, from, to *walker, src, dst *Dentry, flags uint32) error {
	exchange := flags&linux.RENAME_EXCHANGE != 0
	if err := c.mayDelete(from.cur, src, src.isDir()); err != nil {
		return err
	}
	if dst == nil {
		if err := c.mayCreate(to.cur); err != nil {
			return err
		}
	} else {
		isDir := src.isDir()
		if exchange {
			isDir = dst.isDir()
		}
		if err := c.mayDelete(to.cur, dst, isDir); err != nil {
			return err
		}
	}
	m := from.cur.Mount
	if from.cur.Dentry != to.cur.Dentry {
		// ".." changes.
		if src.isDir() {
			if err := c.may(Path{m, src}, mayWrite); err != nil {
				return err
			}
		}
		if exchange && dst.isDir() {
			if err := c.may(Path{m, dst}, mayWrite); err != nil {
				return err
			}
		}
	}
	if v.isMountPoint(m, src) || dst != nil && v.isMountPoint(m, dst) {
		return linux.EBUSY
	}
	return nil
}

// lockTwo locks two directories, an ancestor first. The caller holds renameMu
// for writing, so that nobody else locks two that are not parent and child.
func lockTwo(a, b *Dentry) (unlock func()) {
	if a == b {
		a.opMu.Lock()
		return a.opMu.Unlock
	}
	if b.isAncestor(a) {
		a, b = b, a
	}
	a.opMu.Lock()
	b.opMu.Lock()
	return func() {
		b.opMu.Unlock()
		a.opMu.Unlock()
	}
}

// move makes child, which is in d, the child name of to.
func (d *Dentry) move(to, child *Dentry, name string) {
	child.at.Store(&place{to, name})
	to.setChild(name, child)
}

// forget drops what is known of a name.
func (d *Dentry) forget(name string) {
	d.mu.Lock()
	delete(d.seen, name)
	if child, known := d.children[name]; known {
		if child == nil {
			d.negatives--
			d.world().recent.negatives.Add(-1)
		}
		delete(d.children, name)
	}
	d.mu.Unlock()
}
