package mem

import (
	"slices"
	"sync"

	"sentinel/internal/abi/linux"
	"sentinel/internal/vfs"
)

// node is what all inodes have.
type node struct {
	fs    *FS
	self  inode
	lower Lower  // nil if made here; fixed
	home  *Dir   // where lower was found
	typ   uint32 // linux.S_IFMT bits; fixed

	xattrsKnown bool  // from here on, mu guards
	freed       bool  // no name and no description is left
	kept        bool  // in FS.changed
	opens       int32 // open file descriptions
	links       int32 // made by linked, and charged
	mu          sync.RWMutex
	attr        vfs.Attr // Size and Blocks of regular files are elsewhere
	xattrs      map[string][]byte
}

// inode is implemented by every inode of this package.
type inode interface {
	vfs.Inode
	base() *node
}

func (n *node) base() *node { return n }

// keep notes that n is no longer as the lower layer has it; n.mu is held.
func (n *node) keep() {
	if n.lower == nil || n.kept || n.freed {
		return
	}
	n.kept = true
	n.fs.mu.Lock()
	n.fs.changed[n] = struct{}{}
	n.fs.mu.Unlock()
}

// Type implements vfs.Typed.
func (n *node) Type() uint32 { return n.typ }

// FileSystem implements vfs.Inode.
func (n *node) FileSystem() vfs.FileSystem { return n.fs }

// Attr implements vfs.Inode.
func (n *node) Attr() (vfs.Attr, error) {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return n.attr, nil
}

// SetAttr implements vfs.Inode.
func (n *node) SetAttr(_ *vfs.Context, s *vfs.SetAttr) error {
	if s.Mask&vfs.SetSize != 0 {
		if n.typ == linux.S_IFDIR {
			return linux.EISDIR
		}
		return linux.EINVAL
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.setAttr(s)
	return nil
}

// setAttr changes all but the size; n.mu is held.
func (n *node) setAttr(s *vfs.SetAttr) {
	a, t := &n.attr, now()
	n.keep()
	if s.Mask&vfs.SetMode != 0 {
		a.Mode = a.Mode&linux.S_IFMT | s.Mode&0o7777
	}
	if s.Mask&vfs.SetUID != 0 {
		a.UID = s.UID
	}
	if s.Mask&vfs.SetGID != 0 {
		a.GID = s.GID
	}
	if s.Mask&vfs.SetAtime != 0 {
		a.Atime = s.Atime
	}
	if s.Mask&vfs.SetMtime != 0 {
		a.Mtime = s.Mtime
	}
	if s.Mask&vfs.SetAtimeNow != 0 {
		a.Atime = t
	}
	if s.Mask&vfs.SetMtimeNow != 0 {
		a.Mtime = t
	}
	a.Ctime = t
}

// touchAtime updates the access time as relatime does (relatime_need_update in
// fs/inode.c).
func (n *node) touchAtime(flags uint32) {
	if flags&linux.O_NOATIME != 0 {
		return
	}
	n.mu.RLock()
	a := n.attr.Atime
	newer := before(n.attr.Mtime, a) && before(n.attr.Ctime, a)
	n.mu.RUnlock()
	t := now()
	if newer && t.Sec-a.Sec < 24*60*60 {
		return
	}
	n.mu.Lock()
	n.attr.Atime = t
	n.mu.Unlock()
}

func before(a, b vfs.Timespec) bool {
	return a.Sec < b.Sec || a.Sec == b.Sec && a.Nsec < b.Nsec
}

// linked and unlinked count names. What has neither name nor description is
// freed.
func (n *node) linked() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.freed {
		return linux.ENOENT
	}
	if !n.fs.quota.chargeSpace(inodeSpace) {
		return linux.ENOSPC
	}
	n.keep()
	n.links++
	n.attr.Nlink++
	n.attr.Ctime = now()
	return nil
}

func unlinked(i vfs.Inode) {
	n := i.(inode).base()
	n.mu.Lock()
	defer n.mu.Unlock()
	n.keep()
	switch {
	case n.typ == linux.S_IFDIR:
		n.attr.Nlink = 0
	case n.attr.Nlink > 0:
		n.attr.Nlink--
		if n.links > 0 {
			n.links--
			n.fs.quota.chargeSpace(-inodeSpace)
		}
	}
	n.attr.Ctime = now()
	n.maybeFree()
}

func (n *node) maybeFree() {
	if n.attr.Nlink > 0 || n.opens > 0 || n.freed {
		return
	}
	n.freed = true
	if n.kept {
		n.kept = false
		n.fs.mu.Lock()
		delete(n.fs.changed, n)
		n.fs.mu.Unlock()
	}
	space := int64(0)
	for k, v := range n.xattrs {
		space += xattrSpace(k, v)
	}
	if n.lower == nil {
		space += inodeSpace
	}
	n.xattrs = nil
	n.fs.quota.chargeSpace(-space)
	if r, ok := n.self.(*Regular); ok {
		r.unpin()
		r.c.free()
	}
}

// opened counts a description in.
func (n *node) opened() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.freed {
		return linux.ENOENT
	}
	n.opens++
	return nil
}

func (n *node) closed() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.opens--
	if n.opens == 0 {
		if r, ok := n.self.(*Regular); ok {
			r.unpin()
			r.c.dropView()
		}
	}
	n.maybeFree()
}

// Hold and Unhold implement vfs.Holder.
func (n *node) Hold() error { return n.opened() }

// Unhold undoes Hold.
func (n *node) Unhold() { n.closed() }

func xattrSpace(name string, v []byte) int64 { return int64(len(name) + len(v) + 64) }

// loadXattrs fetches those of the lower layer; n.mu is held.
func (n *node) loadXattrs() error {
	if n.xattrsKnown {
		return nil
	}
	if n.lower != nil {
		m, err := n.lower.Xattrs()
		if err != nil && err != linux.EACCES {
			return err
		}
		for k, v := range m {
			n.fs.quota.forceSpace(xattrSpace(k, v))
		}
		n.xattrs = m
		if len(m) > 0 {
			n.keep() // they are charged for
		}
	}
	n.xattrsKnown = true
	return nil
}

// Getxattr implements vfs.XattrInode.
func (n *node) Getxattr(_ *vfs.Context, name string) ([]byte, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if err := n.loadXattrs(); err != nil {
		return nil, err
	}
	v, ok := n.xattrs[name]
	if !ok {
		return nil, linux.ENODATA
	}
	return slices.Clone(v), nil
}

// Setxattr implements vfs.XattrInode.
func (n *node) Setxattr(_ *vfs.Context, name string, value []byte, flags uint32) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if err := n.loadXattrs(); err != nil {
		return err
	}
	old, ok := n.xattrs[name]
	if ok && flags&linux.XATTR_CREATE != 0 {
		return linux.EEXIST
	}
	if !ok && flags&linux.XATTR_REPLACE != 0 {
		return linux.ENODATA
	}
	add := xattrSpace(name, value)
	if ok {
		add -= xattrSpace(name, old)
	}
	if n.freed || !n.fs.quota.chargeSpace(add) {
		return linux.ENOSPC
	}
	if n.xattrs == nil {
		n.xattrs = make(map[string][]byte)
	}
	n.keep()
	n.xattrs[name] = append([]byte{}, value...)
	n.attr.Ctime = now()
	return nil
}

// Listxattr implements vfs.XattrInode.
func (n *node) Listxattr(*vfs.Context) ([]string, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if err := n.loadXattrs(); err != nil {
		return nil, err
	}
	names := make([]string, 0, len(n.xattrs))
	for k := range n.xattrs {
		names = append(names, k)
	}
	slices.Sort(names)
	return names, nil
}

// Removexattr implements vfs.XattrInode.
func (n *node) Removexattr(_ *vfs.Context, name string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if err := n.loadXattrs(); err != nil {
		return err
	}
	v, ok := n.xattrs[name]
	if !ok {
		return linux.ENODATA
	}
	n.keep()
	delete(n.xattrs, name)
	n.fs.quota.chargeSpace(-xattrSpace(name, v))
	n.attr.Ctime = now()
	return nil
}

// Symlink is a symbolic link.
type Symlink struct {
	node
	target string
	known  bool
}

// Readlink implements vfs.SymlinkInode.
func (s *Symlink) Readlink(*vfs.Context) (string, error) {
	s.mu.RLock()
	target, known := s.target, s.known
	s.mu.RUnlock()
	if !known {
		var err error
		if target, err = s.lower.Readlink(); err != nil {
			return "", err
		}
		s.mu.Lock()
		s.target, s.known = target, true
		s.mu.Unlock()
	}
	s.touchAtime(0)
	return target, nil
}

// Open implements vfs.Inode.
func (s *Symlink) Open(*vfs.Context, *vfs.Dentry, uint32) (vfs.FileOps, error) {
	return nil, linux.ELOOP
}

// Special is a FIFO, socket or device node.
type Special struct{ node }

// Open implements vfs.Inode. What a FIFO or socket of the lower layer leads to
// is outside of the sandbox.
func (s *Special) Open(c *vfs.Context, _ *vfs.Dentry, flags uint32) (vfs.FileOps, error) {
	o := &s.fs.opts
	switch s.typ {
	case linux.S_IFIFO:
		if s.lower == nil && o.OpenFIFO != nil {
			return o.OpenFIFO(s, c, flags)
		}
	case linux.S_IFCHR, linux.S_IFBLK:
		if o.OpenDevice != nil {
			return o.OpenDevice(s, c, s.typ, s.attr.RdevMajor, s.attr.RdevMinor, flags)
		}
	}
	return nil, linux.ENXIO
}
