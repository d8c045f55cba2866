package mem

import (
	"slices"
	"strings"
	"sync/atomic"
	"weak"

	"sentinel/internal/abi/linux"
	"sentinel/internal/vfs"
)

const (
	// upperPos is the first reading position of names made here; those of the
	// lower layer come before, by their place in its listing.
	upperPos = 1 << 32
	// listAfter is how many failing lookups make a directory's listing worth
	// its cost, and listMax how long it may be then.
	listAfter = 2
	listMax   = 8192
)

// entry is what a directory knows of a name. With neither child nor lower it is
// a whiteout: the lower layer has the name, but it is gone.
type entry struct {
	name  string
	child vfs.Inode
	// lower is what the lower layer has there. It lives for as long as somebody
	// uses it or it was changed (FS.changed); then it can be made again.
	lower weak.Pointer[node]
	// pos is where it is read; 0 if that is where the lower listing has it.
	pos int64
	// hides says that the lower layer has the name.
	hides bool
}

// inode returns what the entry leads to, nil for a whiteout and for a lower
// object that nobody uses.
func (e *entry) inode() vfs.Inode {
	if e.child != nil {
		return e.child
	}
	if n := e.lower.Value(); n != nil {
		return n.self
	}
	return nil
}

func (e *entry) isWhiteout() bool { return e.child == nil && e.lower == weak.Pointer[node]{} }

// Dir is a directory. Over a lower one it is the union of both.
type Dir struct {
	node
	parent *Dir // guarded by FS.mu; itself for the root

	// mu guards the rest.
	names map[string]*entry
	sweep int      // size of names at which unused lower objects are dropped
	order []*entry // with pos, ascending; removed ones have no child
	gone  int      // of order
	last  int64    // highest pos given out

	listed bool
	huge   bool // too long to be listed for lookups
	misses int
	list   []LowerEntry // what the lower layer has, by name

	peeked atomic.Pointer[peeked] // not guarded
}

// Lookup implements vfs.DirInode.
func (d *Dir) Lookup(_ *vfs.Context, name string) (vfs.Inode, error) {
	if len(name) > 255 {
		return nil, linux.ENAMETOOLONG
	}
	d.mu.RLock()
	var child vfs.Inode
	e := d.names[name]
	miss := e == nil && (d.lower == nil || d.listed && !d.inList(name))
	if e != nil {
		child, miss = e.inode(), e.isWhiteout()
	}
	d.mu.RUnlock()
	if child != nil {
		return child, nil
	}
	if miss {
		return nil, linux.ENOENT
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.lookup(name)
}

// lookup is Lookup with d.mu held.
func (d *Dir) lookup(name string) (vfs.Inode, error) {
	if e := d.names[name]; e != nil {
		if child := e.inode(); child != nil {
			return child, nil
		}
		if e.isWhiteout() {
			return nil, linux.ENOENT
		}
	}
	if d.lower == nil || d.listed && !d.inList(name) {
		return nil, linux.ENOENT
	}
	l, a, err := d.lower.Lookup(name)
	if err != nil {
		if err == linux.ENOENT && !d.listed {
			if d.misses++; d.misses > listAfter && !d.huge {
				// Without it a lookup costs a host call, no more.
				_ = d.load(listMax)
			}
		}
		return nil, err
	}
	child := d.fs.adopt(l, &a, d)
	if len(d.names) >= d.sweep {
		for n, e := range d.names {
			if !e.isWhiteout() && e.inode() == nil {
				delete(d.names, n)
			}
		}
		d.sweep = 2*len(d.names) + 64
	}
	d.put(&entry{name: name, lower: weak.Make(child.base()), hides: true})
	return child, nil
}

func (d *Dir) put(e *entry) {
	if d.names == nil {
		d.names = make(map[string]*entry)
	}
	d.names[e.name] = e
}

func (d *Dir) inList(name string) bool {
	_, ok := slices.BinarySearchFunc(d.list, name, func(e LowerEntry, n string) int { return strings.Compare(e.Name, n) })
	return ok
}

// load reads the lower listing; d.mu is held.
func (d *Dir) load(limit int) error {
	if d.listed || d.lower == nil {
		return nil
	}
	list, err := d.lower.List(limit)
	if err != nil {
		d.huge = true
		return err
	}
	d.list, d.listed = list, true
	return nil
}

// add enters a name that is not there; d.mu is held.
func (d *Dir) add(name string, child vfs.Inode) {
	old := d.names[name]
	d.last = max(d.last, upperPos-1) + 1
	e := &entry{name: name, child: child, pos: d.last, hides: old != nil && old.hides}
	d.put(e)
	d.order = append(d.order, e)
	if sub, ok := child.(*Dir); ok {
		d.countDir(1)
		sub.setParent(d)
	}
	d.touch()
	if d.fs.opts.Lower == nil {
		d.attr.Size += dirEntrySize
	}
}

// dirEntrySize is BOGO_DIRENT_SIZE of tmpfs.
const dirEntrySize = 20

// del removes a name; d.mu is held. The entry is told by child.
func (d *Dir) del(e *entry) {
	if _, ok := e.inode().(*Dir); ok {
		d.countDir(-1)
	}
	if e.hides {
		d.put(&entry{name: e.name, hides: true})
	} else {
		delete(d.names, e.name)
	}
	if e.pos != 0 {
		// Readers may hold the old entry, but not look at child without d.mu.
		e.child = nil
		if d.gone++; d.gone > 32 && d.gone > len(d.order)/2 {
			d.order = slices.DeleteFunc(slices.Clone(d.order), func(e *entry) bool { return e.child == nil })
			d.gone = 0
		}
	}
	d.touch()
	if d.fs.opts.Lower == nil {
		d.attr.Size -= dirEntrySize
	}
}

// countDir keeps nlink, unless the lower file system does not count there.
func (d *Dir) countDir(n int32) {
	if d.attr.Nlink >= 2 {
		d.attr.Nlink = uint32(max(int32(d.attr.Nlink)+n, 2))
	}
}

func (d *Dir) touch() {
	t := now()
	d.attr.Mtime, d.attr.Ctime = t, t
	d.keep()
}

// dead reports whether d was removed; d.mu is held.
func (d *Dir) dead() bool { return d.attr.Nlink == 0 }

func (d *Dir) setParent(p *Dir) {
	d.fs.mu.Lock()
	d.parent = p
	d.fs.mu.Unlock()
}

// Create implements vfs.DirInode.
func (d *Dir) Create(_ *vfs.Context, name string, a *vfs.NewInode) (vfs.Inode, error) {
	if len(name) > 255 {
		return nil, linux.ENAMETOOLONG
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.dead() {
		return nil, linux.ENOENT
	}
	switch _, err := d.lookup(name); err {
	case linux.ENOENT:
	case nil:
		return nil, linux.EEXIST
	default:
		return nil, err
	}
	child, err := d.fs.make(a)
	if err != nil {
		return nil, err
	}
	d.add(name, child)
	return child, nil
}

// CreateUnlinked implements vfs.TmpfileDir.
func (d *Dir) CreateUnlinked(_ *vfs.Context, a *vfs.NewInode) (vfs.Inode, error) {
	b := *a
	b.Mode = b.Mode&^linux.S_IFMT | linux.S_IFREG
	child, err := d.fs.make(&b)
	if err != nil {
		return nil, err
	}
	child.(*Regular).attr.Nlink = 0 // nobody else knows it yet
	return child, nil
}

// Link implements vfs.DirInode.
func (d *Dir) Link(_ *vfs.Context, name string, target vfs.Inode) error {
	if len(name) > 255 {
		return linux.ENAMETOOLONG
	}
	t, ok := target.(inode)
	if !ok || t.base().fs != d.fs {
		return linux.EXDEV
	}
	if t.base().typ == linux.S_IFDIR {
		return linux.EPERM
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.dead() {
		return linux.ENOENT
	}
	switch _, err := d.lookup(name); err {
	case linux.ENOENT:
	case nil:
		return linux.EEXIST
	default:
		return err
	}
	if err := t.base().linked(); err != nil {
		return err
	}
	d.add(name, target)
	return nil
}

// find returns the entry of name if it is child's; d.mu is held.
func (d *Dir) find(name string, child vfs.Inode) (*entry, error) {
	e := d.names[name]
	if e == nil || child == nil || e.inode() != child {
		return nil, linux.ENOENT
	}
	return e, nil
}

// Unlink implements vfs.DirInode.
func (d *Dir) Unlink(_ *vfs.Context, name string, child vfs.Inode) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	e, err := d.find(name, child)
	if err != nil {
		return err
	}
	if _, ok := child.(*Dir); ok {
		return linux.EISDIR
	}
	d.del(e)
	unlinked(child)
	return nil
}

// Rmdir implements vfs.DirInode.
func (d *Dir) Rmdir(_ *vfs.Context, name string, child vfs.Inode) error {
	d.fs.treeMu.Lock()
	defer d.fs.treeMu.Unlock()
	d.mu.Lock()
	defer d.mu.Unlock()
	e, err := d.find(name, child)
	if err != nil {
		return err
	}
	c, ok := child.(*Dir)
	if !ok {
		return linux.ENOTDIR
	}
	if err := c.kill(); err != nil {
		return err
	}
	d.del(e)
	return nil
}

// kill makes d a removed directory if it is empty. treeMu and the parent's
// lock are held.
func (d *Dir) kill() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.load(-1); err != nil {
		return err
	}
	if len(d.order) > d.gone {
		return linux.ENOTEMPTY
	}
	for i := range d.list {
		if e := d.names[d.list[i].Name]; e == nil || !e.isWhiteout() {
			return linux.ENOTEMPTY
		}
	}
	d.attr.Nlink = 0
	d.attr.Ctime = now()
	d.keep()
	d.maybeFree()
	return nil
}
