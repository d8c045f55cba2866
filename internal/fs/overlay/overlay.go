// Package overlay is the file system of a sandbox's root: a directory tree of
// the host, read only, under a layer of changes in memory. The upper layer and
// the union of both are package mem's; this package is the lower layer.
//
// The tree is taken not to change while the sandbox runs, so that what was once
// looked up costs no host call again. A file that was only asked about once, as
// by a walk of a whole tree, gets no inode (mem.Dir.Peek).
//
// The tree is reached through one descriptor: directories are opened beneath it
// by openat2 without following any symbolic link, and everything else by a
// single name in such a directory. Descriptors live in a bounded cache and are
// opened again by path.
//
// Differences from a plain file system: a mapping that cannot be written keeps
// showing the lower file after a copy-up, and a shared mapping may outgrow the
// size limit until the file is looked at again.
//
// Lock order:
//
//	fs/mem.node.mu > last.mu > host.FDCache.mu, host.InoMap.mu
package overlay

import (
	"sentinel/internal/abi/linux"
	"sentinel/internal/fs/mem"
	"sentinel/internal/host"
)

// idleDirs and idleFiles are how many unused descriptors are kept: few enough
// for the table of a small sandbox to stay below 64.
const (
	idleDirs  = 16
	idleFiles = 8
)

// tree is the lower layer.
type tree struct {
	rootFD int
	fds    *host.FDCache
	inos   *host.InoMap
	euid   uint32
	last   last
}

// New makes the file system over the directory rootFD, which it takes over and
// which may be an O_PATH descriptor. o says the rest; Lower is filled in.
func New(rootFD int, o mem.Options) (*mem.FS, error) {
	s, err := host.StatAt(rootFD, "")
	if err != nil {
		return nil, err
	}
	if s.Mode&linux.S_IFMT != linux.S_IFDIR {
		return nil, linux.ENOTDIR
	}
	t := &tree{rootFD: rootFD, fds: host.NewFDCache(idleDirs, idleFiles), inos: host.NewInoMap(s.Dev()), euid: uint32(host.Geteuid())}
	root := &object{t: t}
	root.fill(&s)
	if o.Name == "" {
		o.Name, o.Magic = "overlay", linux.OVERLAYFS_SUPER_MAGIC
	}
	a := t.attr(&s)
	o.Lower, o.LowerAttr = root, &a
	return mem.New(o), nil
}

// lost turns errors that mean that the host changed the tree into a plain one.
func lost(err error) error {
	switch err {
	case linux.ELOOP, linux.EXDEV, linux.ENOTDIR, linux.ESTALE, linux.EAGAIN:
		return linux.ENOENT
	}
	return err
}
