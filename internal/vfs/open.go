package vfs

import (
	"strconv"

	"sentinel/internal/abi/linux"
	"sentinel/internal/cred"
)

const (
	tmpfileFlag  = linux.O_TMPFILE &^ linux.O_DIRECTORY // __O_TMPFILE
	syncFlag     = linux.O_SYNC &^ linux.O_DSYNC        // __O_SYNC
	pathFlags    = linux.O_PATH | linux.O_DIRECTORY | linux.O_NOFOLLOW | linux.O_CLOEXEC
	fasyncFlag   = linux.O_ASYNC
	largeFile    = 0o100000 // O_LARGEFILE, which is zero in 64-bit headers
	validOpen    = linux.O_ACCMODE | linux.O_CREAT | linux.O_EXCL | linux.O_NOCTTY | linux.O_TRUNC | linux.O_APPEND | linux.O_NONBLOCK | linux.O_SYNC | linux.O_DSYNC | fasyncFlag | linux.O_DIRECT | largeFile | linux.O_DIRECTORY | linux.O_NOFOLLOW | linux.O_NOATIME | linux.O_CLOEXEC | linux.O_PATH | tmpfileFlag
	validResolve = linux.RESOLVE_NO_XDEV | linux.RESOLVE_NO_MAGICLINKS | linux.RESOLVE_NO_SYMLINKS | linux.RESOLVE_BENEATH | linux.RESOLVE_IN_ROOT | linux.RESOLVE_CACHED
)

// CheckOpenHow makes the checks of openat2(2) that open(2) does not.
func CheckOpenHow(flags, mode, resolve uint64) error {
	switch {
	case flags&^validOpen != 0,
		resolve&^validResolve != 0,
		resolve&scoped == scoped,
		flags&(linux.O_CREAT|tmpfileFlag) == 0 && mode != 0,
		mode&^0o7777 != 0,
		flags&linux.O_PATH != 0 && flags&^pathFlags != 0:
		return linux.EINVAL
	}
	return nil
}

// accessOf is ACC_MODE.
func accessOf(flags uint32) uint32 {
	acc := [4]uint32{mayRead, mayWrite, mayRead | mayWrite, mayRead | mayWrite}[flags&linux.O_ACCMODE]
	if flags&linux.O_TRUNC != 0 {
		acc |= mayWrite
	}
	return acc
}

// OpenAt opens or creates path as openat(2) does, and as openat2(2) if resolve
// (linux.RESOLVE_*) and CheckOpenHow say so. The umask is applied to mode.
func (v *VFS) OpenAt(c *Context, at Path, path string, flags, mode uint32, resolve uint64) (*File, error) {
	return retryStale(func() (*File, error) { return v.openAt(c, at, path, flags, mode, resolve) })
}

// retryStale calls open again if what the walk found was gone by the time that
// it was to be opened: something else has its name now, or nothing has.
func retryStale(open func() (*File, error)) (*File, error) {
	for range 100 {
		if f, err := open(); err != linux.ESTALE {
			return f, err
		}
	}
	return nil, linux.ENOENT
}

func (v *VFS) openAt(c *Context, at Path, path string, flags, mode uint32, resolve uint64) (*File, error) {
	flags &= validOpen
	if flags&linux.O_PATH != 0 {
		flags &= pathFlags
	}
	switch {
	case flags&(linux.O_DIRECTORY|linux.O_CREAT) == linux.O_DIRECTORY|linux.O_CREAT:
		return nil, linux.EINVAL
	case flags&tmpfileFlag != 0 && (flags&linux.O_DIRECTORY == 0 || accessOf(flags)&mayWrite == 0):
		return nil, linux.EINVAL
	case resolve&linux.RESOLVE_CACHED != 0 && flags&(linux.O_TRUNC|linux.O_CREAT|tmpfileFlag) != 0:
		return nil, linux.EAGAIN
	}
	if flags&syncFlag != 0 {
		flags |= linux.O_DSYNC
	}
	var look uint32
	if flags&linux.O_DIRECTORY != 0 {
		look |= lookDirectory
	}
	if flags&linux.O_NOFOLLOW == 0 && flags&(linux.O_CREAT|linux.O_EXCL) != linux.O_CREAT|linux.O_EXCL {
		look |= lookFollow
	}
	var w walker
	if err := w.start(v, c, at, path, look, resolve); err != nil {
		return nil, err
	}
	switch {
	case flags&tmpfileFlag != 0:
		if err := w.finish(path); err != nil {
			return nil, err
		}
		return v.openTmpfile(c, w.cur, flags, mode&0o7777)
	case flags&linux.O_PATH != 0:
		if err := w.finish(path); err != nil {
			return nil, err
		}
		return newPathFile(w.cur, flags), nil
	case flags&linux.O_CREAT == 0:
		w.flags |= lookAttr // by mayOpen
		if err := w.finish(path); err != nil {
			return nil, err
		}
		return v.open(c, w.cur, flags, accessOf(flags))
	}
	return v.openCreate(&w, path, flags, mode)
}

// openCreate is open_last_lookups and do_open of fs/namei.c with O_CREAT.
func (v *VFS) openCreate(w *walker, path string, flags, mode uint32) (*File, error) {
	c := w.c
	for {
		if err := w.parent(path); err != nil {
			return nil, err
		}
		var link string
		var err error
		if w.kind != lastNorm {
			link, err = w.step(false)
		} else {
			if w.trailing {
				return nil, linux.EISDIR
			}
			var child *Dentry
			if child, err = w.child(); err != nil {
				return nil, err
			}
			if child == nil {
				var created bool
				child, created, err = v.create(c, w.cur, w.last, flags, mode)
				if created {
					if err := w.complete(); err != nil {
						return nil, err
					}
					// The mode does not matter to who makes a file.
					return v.open(c, Path{w.cur.Mount, child}, flags&^linux.O_TRUNC, 0)
				}
			}
			if err == nil {
				link, err = w.into(child, w.flags&lookFollow != 0)
			}
		}
		if err != nil {
			return nil, err
		}
		if link != "" {
			path = link
			continue
		}
		if err := w.complete(); err != nil {
			return nil, err
		}
		if flags&linux.O_EXCL != 0 {
			return nil, linux.EEXIST
		}
		if w.cur.Dentry.isDir() {
			return nil, linux.EISDIR
		}
		return v.open(c, w.cur, flags, accessOf(flags))
	}
}

// create makes a regular file, unless somebody else was faster (lookup_open).
func (v *VFS) create(c *Context, dir Path, name string, flags, mode uint32) (d *Dentry, created bool, err error) {
	p := dir.Dentry
	p.opMu.Lock()
	defer p.opMu.Unlock()
	if p.dead.Load() {
		return nil, false, linux.ENOENT
	}
	if d, err = p.lookupLocked(c, name); d != nil || err != nil {
		return d, false, err
	}
	if err := dir.wantWrite(); err != nil {
		return nil, false, err
	}
	if err := c.mayCreate(dir); err != nil {
		return nil, false, err
	}
	n, err := c.newInode(dir, linux.S_IFREG|mode&0o7777&^c.umask())
	if err != nil {
		return nil, false, err
	}
	if d, err = v.make(c, p, name, n); err != nil {
		return nil, false, err
	}
	return d, true, nil
}

// make has the file system create an inode in p, whose opMu is held.
func (v *VFS) make(c *Context, p *Dentry, name string, n *NewInode) (*Dentry, error) {
	ino, err := p.dir.Create(c, name, n)
	if err != nil {
		return nil, err
	}
	d, err := p.added(name, ino)
	if err != nil {
		return nil, err
	}
	notifyDir(p, d, linux.IN_CREATE, d.Name(), 0)
	return d, nil
}

// mayOpen is may_open.
func (c *Context) mayOpen(p Path, acc, flags uint32) error {
	d := p.Dentry
	switch d.typ {
	case linux.S_IFLNK:
		return linux.ELOOP
	case linux.S_IFDIR:
		if acc&mayWrite != 0 {
			return linux.EISDIR
		}
		if acc&mayExec != 0 {
			return linux.EACCES
		}
	case linux.S_IFBLK, linux.S_IFCHR:
		if p.Mount.NoDev() || acc&mayExec != 0 {
			return linux.EACCES
		}
	case linux.S_IFIFO, linux.S_IFSOCK:
		if acc&mayExec != 0 {
			return linux.EACCES
		}
	case linux.S_IFREG:
		if acc&mayExec != 0 && p.Mount.NoExec() {
			return linux.EACCES
		}
	}
	if c.cred() == nil {
		return nil
	}
	noatime := flags&linux.O_NOATIME != 0
	if acc == 0 && !noatime {
		return nil
	}
	a, err := d.ino.Attr()
	if err != nil {
		return err
	}
	if err := c.permission(&a, acc); err != nil {
		return err
	}
	if noatime && !c.owns(&a) {
		return linux.EPERM
	}
	return nil
}

// open opens what p leads to (do_open): acc is the permission to ask for.
func (v *VFS) open(c *Context, p Path, flags, acc uint32) (*File, error) {
	d := p.Dentry
	truncate := flags&linux.O_TRUNC != 0 && d.typ == linux.S_IFREG
	if truncate {
		if err := p.wantWrite(); err != nil {
			return nil, err
		}
	}
	if err := c.mayOpen(p, acc, flags); err != nil {
		return nil, err
	}
	hold := int8(0)
	if (flags+1)&2 != 0 && (d.typ == linux.S_IFREG || d.typ == linux.S_IFDIR) {
		if p.Mount.ReadOnly() {
			return nil, linux.EROFS
		}
		if !d.claim(1) {
			return nil, linux.ETXTBSY
		}
		hold = 1
	}
	if acc == mayExec {
		if d.typ != linux.S_IFREG {
			return nil, linux.EACCES
		}
		if !d.claim(-1) {
			return nil, linux.ETXTBSY
		}
		hold = -1
	}
	f, err := v.openHeld(c, p, flags, truncate)
	if err != nil {
		d.writers.Add(-int32(hold))
		if err == linux.ENOENT && d.isGone() {
			err = linux.ESTALE
		}
		return nil, err
	}
	f.hold = hold
	notify(d, linux.IN_OPEN)
	if truncate {
		notify(d, linux.IN_MODIFY)
	}
	return f, nil
}

// isGone reports whether d has lost its name, also if the file system is just
// about to take it away.
func (d *Dentry) isGone() bool {
	if p := d.Parent(); p != nil && !d.dead.Load() {
		p.opMu.Lock()
		defer p.opMu.Unlock()
	}
	return d.dead.Load()
}

func (v *VFS) openHeld(c *Context, p Path, flags uint32, truncate bool) (*File, error) {
	d := p.Dentry
	if truncate {
		s := SetAttr{Mask: SetSize | SetMtimeNow}
		a, err := d.ino.Attr()
		if err != nil {
			return nil, err
		}
		c.killPriv(&a, &s)
		if err := d.ino.SetAttr(c, &s); err != nil {
			return nil, err
		}
	}
	if d.typ == linux.S_IFSOCK {
		return nil, linux.ENXIO
	}
	ops, err := d.ino.Open(c, d, flags)
	if err != nil {
		return nil, err
	}
	return NewFile(ops, p, d.ino, flags), nil
}

// claim counts a description that writes (1) or that forbids writing (-1);
// false if there are some of the other kind.
func (d *Dentry) claim(n int32) bool {
	for {
		w := d.writers.Load()
		if w*n < 0 {
			return false
		}
		if d.writers.CompareAndSwap(w, w+n) {
			return true
		}
	}
}

// OpenPath opens what a walk has found.
func (v *VFS) OpenPath(c *Context, p Path, flags uint32) (*File, error) {
	if flags&linux.O_PATH != 0 {
		return newPathFile(p, flags&pathFlags), nil
	}
	f, err := v.open(c, p, flags, accessOf(flags))
	if err == linux.ESTALE {
		err = linux.ENOENT
	}
	return f, err
}

// OpenExec opens a program. Nobody can open it for writing while the
// description lives (do_open_execat).
func (v *VFS) OpenExec(c *Context, at Path, path string, atFlags uint32) (*File, error) {
	return retryStale(func() (*File, error) {
		p, err := v.lookup(c, at, path, lookFlags(atFlags)|lookAttr, 0)
		if err != nil {
			return nil, err
		}
		return v.open(c, p, linux.O_RDONLY, mayExec)
	})
}

// openTmpfile is do_tmpfile.
func (v *VFS) openTmpfile(c *Context, dir Path, flags, mode uint32) (*File, error) {
	if err := dir.wantWrite(); err != nil {
		return nil, err
	}
	if err := c.may(dir, mayWrite|mayExec); err != nil {
		return nil, err
	}
	t, ok := dir.Dentry.ino.(TmpfileDir)
	if !ok {
		return nil, linux.EOPNOTSUPP
	}
	n, err := c.newInode(dir, linux.S_IFREG|mode&^c.umask())
	if err != nil {
		return nil, err
	}
	ino, err := t.CreateUnlinked(c, n)
	if err != nil {
		return nil, err
	}
	a, err := ino.Attr()
	if err != nil {
		return nil, err
	}
	d := newAnonDentry("#"+strconv.FormatUint(a.Ino, 10), ino)
	d.loose.vfs.Store(v)
	d.first.parent = dir.Dentry
	d.dead.Store(true)
	d.linkable = flags&linux.O_EXCL == 0
	return v.open(c, Path{dir.Mount, d}, flags&^linux.O_TRUNC, 0)
}

// pathOps is the operations of an O_PATH description.
type pathOps struct{ NoFile }

// Read implements FileOps.
func (pathOps) Read(*Context, *File, []byte, int64) (int, error) { return 0, linux.EBADF }

// Write implements FileOps.
func (pathOps) Write(*Context, *File, []byte, int64) (int, error) { return 0, linux.EBADF }

// Ioctl implements FileOps.
func (pathOps) Ioctl(*Context, *File, uint32, uint64) (uint64, error) { return 0, linux.EBADF }

// Holder is implemented by inodes that end with their last name unless they are
// held.
type Holder interface {
	Hold() error
	Unhold()
}

func newPathFile(p Path, flags uint32) *File {
	f := NewFile(pathOps{}, p, p.Dentry.ino, flags)
	if h, ok := p.Dentry.ino.(Holder); ok && h.Hold() == nil {
		f.OnRelease = h.Unhold
	}
	return f
}

// releasePath undoes what opening counted.
func (f *File) releasePath() {
	d := f.Path.Dentry
	if f.hold != 0 {
		d.writers.Add(-int32(f.hold))
	}
	f.Path.Mount.files.Add(-1)
	if d.opens.Add(-1) == 0 && d.dead.Load() {
		notifyGone(d)
	}
}

// mayMakeDevice reports whether the caller may make device nodes.
func (c *Context) mayMakeDevice() bool { return c.capable(cred.CapMknod) }
