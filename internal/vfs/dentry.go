package vfs

import (
	"strings"
	"sync"
	"sync/atomic"
	"weak"

	"sentinel/internal/abi/linux"
)

// Dentry is a name in a directory with the inode that it leads to. Dentries
// are always of existing objects; that a name does not exist is remembered by
// a nil child. The ones used lately are kept, so a path that was walked once is
// walked again without asking the file system.
type Dentry struct {
	ino        Inode
	*directory        // nil unless it is one
	loose      *loose // if it is in no directory

	// at is where d is. A rename replaces it, under VFS.renameMu and the opMu
	// of the directory.
	at    atomic.Pointer[place]
	first place // the first at

	typ      uint32      // linux.S_IFMT bits
	dead     atomic.Bool // removed from its directory
	mounted  atomic.Int32
	opens    atomic.Int32 // descriptions of it
	writers  atomic.Int32 // descriptions for writing; below zero: executed
	used     atomic.Bool  // since the clock's hand came by
	slot     int32        // place on the clock, from 1; guarded by the clock
	linkable bool         // made by O_TMPFILE without O_EXCL
}

// directory is what only the dentry of a directory has. It is apart as most are
// of files, of which a program may ask for very many.
type directory struct {
	dir      DirInode // the inode
	vfs      *VFS     // unless it is loose
	volatile bool     // children are asked for every time

	// opMu serialises changes of the directory and lookups that ask the file
	// system (i_rwsem).
	opMu sync.Mutex

	mu        sync.RWMutex
	children  map[string]*Dentry
	negatives int // nil children
	// seen is what a volatile directory has in place of children, and any
	// directory for those that were evicted, so that a name has one dentry for
	// as long as somebody uses it.
	seen    map[string]weak.Pointer[Dentry]
	sweepAt int // size of seen at which unused dentries are dropped
}

// loose is what a dentry has that is in no directory.
type loose struct {
	origin *File // for whom it was made, if no path leads to it
	// vfs is whose it is: from the start, or from when the description was
	// first put into a descriptor table.
	vfs atomic.Pointer[VFS]
}

// world returns the VFS that d belongs to, or nil if it is of a description that
// no process has had yet.
func (d *Dentry) world() *VFS {
	switch {
	case d.loose != nil:
		return d.loose.vfs.Load()
	case d.directory != nil:
		return d.directory.vfs
	}
	return d.at.Load().parent.world()
}

// place is a name in a directory. It never changes.
type place struct {
	parent *Dentry
	name   string
}

// maxNegatives bounds what a guest can make one directory remember of names
// that do not exist, allNegatives what it can all directories.
const (
	maxNegatives = 4096
	allNegatives = 1 << 17
)

// newDentry makes the dentry of a name in parent that leads to ino. asks says that the
// attributes will be asked for at once: what a volatile directory's lookup has
// found of them is good for one question, which is this one otherwise.
func newDentry(parent *Dentry, name string, ino Inode, asks bool) (*Dentry, error) {
	d, err := makeDentry(parent, name, ino, asks)
	if err == nil && d.directory != nil {
		d.directory.vfs = parent.world()
	}
	return d, err
}

// newRoot makes the dentry of the root of a file system in v.
func newRoot(v *VFS, ino Inode) (*Dentry, error) {
	d, err := makeDentry(nil, "/", ino, false)
	if err == nil {
		d.loose = &loose{}
		d.loose.vfs.Store(v)
	}
	return d, err
}

func makeDentry(parent *Dentry, name string, ino Inode, asks bool) (*Dentry, error) {
	var typ uint32
	if t, ok := ino.(Typed); ok && (asks || parent != nil && !parent.volatile) {
		typ = t.Type()
	} else {
		a, err := ino.Attr()
		if err != nil {
			return nil, err
		}
		typ = a.Type()
	}
	d := &Dentry{ino: ino, typ: typ, first: place{parent, name}}
	d.at.Store(&d.first)
	if dir, ok := ino.(DirInode); ok && typ == linux.S_IFDIR {
		d.directory = &directory{dir: dir}
		if v, ok := ino.(Volatile); ok {
			d.volatile = v.VolatileChildren()
		}
	}
	return d, nil
}

// newAnonDentry returns a dentry that is in no directory.
func newAnonDentry(name string, ino Inode) *Dentry {
	d := &Dentry{ino: ino, first: place{nil, name}, loose: &loose{}}
	d.at.Store(&d.first)
	if a, err := ino.Attr(); err == nil {
		d.typ = a.Type()
	}
	if dir, ok := ino.(DirInode); ok {
		d.directory = &directory{dir: dir}
	}
	return d
}

// Inode returns the inode of d.
func (d *Dentry) Inode() Inode { return d.ino }

// Type returns the linux.S_IFMT bits.
func (d *Dentry) Type() uint32 { return d.typ }

// Parent returns the directory d is in, or nil for a root.
func (d *Dentry) Parent() *Dentry { return d.at.Load().parent }

// Name returns the name of d in its directory.
func (d *Dentry) Name() string { return d.at.Load().name }

// Unlinked reports whether the name was removed.
func (d *Dentry) Unlinked() bool { return d.dead.Load() }

func (d *Dentry) isDir() bool { return d.directory != nil }

// cached returns the child that is known of a directory. known with a nil child
// means that there is none.
func (d *Dentry) cached(name string) (child *Dentry, known bool) {
	d.mu.RLock()
	child, known = d.children[name]
	d.mu.RUnlock()
	if child != nil && !child.used.Load() {
		child.used.Store(true)
	}
	return child, known
}

// lookup finds the child name; nil if there is none. The name is no "." or
// "..". asks is as with newDentry.
func (d *Dentry) lookup(c *Context, name string, asks bool) (*Dentry, error) {
	if child, known := d.cached(name); known {
		return child, nil
	}
	if len(name) > nameMax {
		return nil, linux.ENAMETOOLONG
	}
	if d.volatile {
		return d.lookupVolatile(c, name, asks)
	}
	d.opMu.Lock()
	defer d.opMu.Unlock()
	return d.lookupLocked(c, name)
}

func (d *Dentry) lookupVolatile(c *Context, name string, asks bool) (*Dentry, error) {
	ino, err := d.dir.Lookup(c, name)
	if err == linux.ENOENT {
		d.mu.Lock()
		delete(d.seen, name)
		d.mu.Unlock()
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	d.mu.RLock()
	child := d.seenAs(name, ino)
	d.mu.RUnlock()
	if child != nil {
		return child, nil
	}
	fresh, err := newDentry(d, strings.Clone(name), ino, asks)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if child := d.seenAs(name, ino); child != nil {
		return child, nil
	}
	d.see(fresh.Name(), fresh)
	return fresh, nil
}

// seenAs returns the dentry that a volatile directory has for a name, if it is
// of ino; d.mu is held.
func (d *Dentry) seenAs(name string, ino Inode) *Dentry {
	if child := d.seen[name].Value(); child != nil && child.ino == ino && !child.dead.Load() {
		return child
	}
	return nil
}

// see makes child the dentry of a name in a volatile directory; d.mu is held.
func (d *Dentry) see(name string, child *Dentry) {
	if len(d.seen) >= d.sweepAt {
		for n, p := range d.seen {
			if p.Value() == nil {
				delete(d.seen, n)
			}
		}
		d.sweepAt = 2*len(d.seen) + 16
	}
	if d.seen == nil {
		d.seen = make(map[string]weak.Pointer[Dentry])
	}
	d.seen[name] = weak.Make(child)
}

// lookupLocked is lookup with d.opMu held.
func (d *Dentry) lookupLocked(c *Context, name string) (*Dentry, error) {
	if child, known := d.cached(name); known {
		return child, nil
	}
	if len(name) > nameMax {
		return nil, linux.ENAMETOOLONG
	}
	if d.dead.Load() {
		return nil, nil
	}
	if d.volatile {
		return d.lookupVolatile(c, name, false)
	}
	if child := d.revive(name); child != nil {
		return child, nil
	}
	name = strings.Clone(name)
	ino, err := d.dir.Lookup(c, name)
	if err == linux.ENOENT {
		d.setChild(name, nil)
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	child, err := newDentry(d, name, ino, false)
	if err != nil {
		return nil, err
	}
	d.setChild(name, child)
	return child, nil
}

// setChild remembers child, or that there is none.
func (d *Dentry) setChild(name string, child *Dentry) {
	v := d.world()
	d.mu.Lock()
	delete(d.seen, name)
	if d.volatile {
		if child == nil {
			delete(d.children, name)
		} else {
			d.see(name, child)
		}
		d.mu.Unlock()
		return
	}
	if d.children == nil {
		d.children = make(map[string]*Dentry)
	}
	if old, known := d.children[name]; known && old == nil {
		d.negatives--
		v.recent.negatives.Add(-1)
	}
	if child == nil {
		if d.negatives >= maxNegatives || v.recent.negatives.Load() >= allNegatives {
			d.dropNegativesLocked()
		}
		d.negatives++
		v.recent.negatives.Add(1)
	}
	d.children[name] = child
	d.mu.Unlock()
	if child != nil {
		v.recent.remember(child)
	}
}

// added makes the dentry of an inode that was created in d.
func (d *Dentry) added(name string, ino Inode) (*Dentry, error) {
	name = strings.Clone(name)
	child, err := newDentry(d, name, ino, false)
	if err != nil {
		return nil, err
	}
	d.setChild(name, child)
	return child, nil
}

// removed notes that d has no name any more.
func (d *Dentry) removed() {
	d.dead.Store(true)
	d.dropNegatives()
	d.world().recent.drop(d)
}

// pin makes volatile directories remember d and what leads to it, so that it
// can be mounted on.
func (d *Dentry) pin() {
	for p := d.Parent(); p != nil; d, p = p, p.Parent() {
		if p.volatile {
			p.mu.Lock()
			if p.children == nil {
				p.children = make(map[string]*Dentry)
			}
			p.children[d.Name()] = d
			p.mu.Unlock()
		}
	}
}

// isAncestor reports whether d is e or a directory above it. The caller holds
// VFS.renameMu.
func (d *Dentry) isAncestor(e *Dentry) bool {
	for ; e != nil; e = e.Parent() {
		if e == d {
			return true
		}
	}
	return false
}
