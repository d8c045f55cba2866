package mem

import (
	"sentinel/internal/abi/linux"
	"sentinel/internal/vfs"
)

// Rename implements vfs.DirInode. A lower directory is moved as it stands: its
// inode knows where its lower object is, so nothing is copied.
func (d *Dir) Rename(c *vfs.Context, oldName string, child vfs.Inode, newDir vfs.DirInode, newName string, replaced vfs.Inode, flags uint32) error {
	to, ok := newDir.(*Dir)
	if !ok || to.fs != d.fs {
		return linux.EXDEV
	}
	if len(newName) > 255 {
		return linux.ENAMETOOLONG
	}
	d.fs.treeMu.Lock()
	defer d.fs.treeMu.Unlock()
	defer lockDirs(d, to)()
	if to.dead() {
		return linux.ENOENT
	}
	from, err := d.find(oldName, child)
	if err != nil {
		return err
	}
	there, err := to.lookup(newName)
	if err != nil && err != linux.ENOENT {
		return err
	}
	if child == vfs.Inode(to) || there == vfs.Inode(d) && flags&linux.RENAME_EXCHANGE != 0 {
		return linux.EINVAL // the VFS sees ancestors; these alone would deadlock
	}
	if flags&linux.RENAME_EXCHANGE != 0 {
		if there == nil {
			return linux.ENOENT
		}
		exchange(d, from, to, to.names[newName])
		return nil
	}
	if there == child { // the same file under both names: rename(2) does nothing
		return nil
	}
	if there != replaced {
		// Something came between; the name is not what was checked.
		return linux.EBUSY
	}
	var white vfs.Inode
	if flags&linux.RENAME_WHITEOUT != 0 {
		a := vfs.NewInode{Mode: linux.S_IFCHR}
		if c != nil && c.Cred != nil {
			a.UID, a.GID = c.Cred.FSUID, c.Cred.FSGID
		}
		if white, err = d.fs.make(&a); err != nil {
			return err
		}
	}
	if there != nil {
		if err := to.displace(d, to.names[newName]); err != nil {
			if white != nil {
				unlinked(white)
			}
			return err
		}
	}
	d.del(from)
	to.add(newName, child)
	if white != nil {
		d.add(oldName, white)
	}
	changed(child)
	return nil
}

// displace removes what a rename from d replaces; both are locked.
func (to *Dir) displace(d *Dir, e *entry) error {
	old := e.inode()
	if sub, ok := old.(*Dir); ok {
		if sub == d || sub == to {
			return linux.ENOTEMPTY
		}
		if err := sub.kill(); err != nil {
			return err
		}
		to.del(e)
		return nil
	}
	to.del(e)
	unlinked(old)
	return nil
}

func exchange(d *Dir, a *entry, to *Dir, b *entry) {
	x, y := a.inode(), b.inode()
	if a == b || x == y {
		return
	}
	d.del(a)
	to.del(b)
	to.add(b.name, x)
	d.add(a.name, y)
	changed(x)
	changed(y)
}

// changed sets the ctime of a moved inode. Two directories may be locked, but
// never the moved one.
func changed(i vfs.Inode) {
	n := i.(inode).base()
	n.mu.Lock()
	n.attr.Ctime = now()
	n.keep()
	n.mu.Unlock()
}

// lockDirs locks one or two directories and returns what unlocks them.
func lockDirs(a, b *Dir) func() {
	if a == b {
		a.mu.Lock()
		return a.mu.Unlock
	}
	if a.attr.Ino > b.attr.Ino { // fixed
		a, b = b, a
	}
	a.mu.Lock()
	b.mu.Lock()
	return func() { b.mu.Unlock(); a.mu.Unlock() }
}
