// Package host is the file system of bind mounts: a directory or a file of the
// host, passed through. What the guest writes is written there. Nothing is
// cached, as other processes may change it, but descriptors, which are checked
// to be still what they were. No symbolic link is ever followed by the host:
// every operation names one component in a directory that was opened beneath
// the mount's root.
//
// FIFOs are the sandbox's own (a name on the host, data inside), sockets can
// only be reached by tasks of the sandbox, and devices are those of the
// kernel's registry.
//
// No call to the host is made with FS.mu held.
//
// Lock order:
//
//	vfs.VFS.mountMu, vfs.directory.opMu, vfs.File.posMu > node.mu > FS.mu
//	node.mu > host.FDCache.mu
//	vfs.File.posMu > dirFile.mu > node.mu
//	vfs.File.posMu > shared.mu, handle.mu > task.Kernel.mu
//	stream.mu > hostpoll.Poller.mu, hostpoll.Set.mu
package host

import (
	"runtime"
	"strings"
	"sync"
	"weak"

	"sentinel/internal/abi/linux"
	sys "sentinel/internal/host"
	"sentinel/internal/vfs"
)

// Options say what a file system is like.
type Options struct {
	Name     string // "bind" if empty
	ReadOnly bool
	DevMinor uint32
	// OpenFIFO opens an end of a FIFO, OpenDevice a device node.
	OpenFIFO   func(ino vfs.Inode, c *vfs.Context, flags uint32) (vfs.FileOps, error)
	OpenDevice func(ino vfs.Inode, c *vfs.Context, typ, major, minor uint32, flags uint32) (vfs.FileOps, error)
}

// idleFDs is how many unused descriptors of directories are kept.
const idleFDs = 8

// FS is one bind mount.
type FS struct {
	opts   Options
	rootFD int
	// rootName is the file in rootFD that is mounted; empty for rootFD itself.
	rootName string
	root     vfs.Inode
	fds      *sys.FDCache
	inos     *sys.InoMap
	euid     int

	mu    sync.Mutex // guards nodes, and parent and name of every node
	nodes map[key]weak.Pointer[node]
}

type key struct {
	dev, ino uint64
	typ      uint32
}

func keyOf(s *sys.Stat) key { return key{s.Dev(), s.Ino, s.Mode & linux.S_IFMT} }

// New makes the file system of the file name in the directory dirFD, or of
// dirFD itself if name is empty. It takes dirFD over, which may be an O_PATH
// descriptor.
func New(dirFD int, name string, o Options) (*FS, error) {
	if name == "." || name == ".." || strings.Contains(name, "/") {
		return nil, linux.EINVAL
	}
	if o.Name == "" {
		o.Name = "bind"
	}
	s, err := sys.StatAt(dirFD, name)
	if err != nil {
		return nil, err
	}
	typ := s.Mode & linux.S_IFMT
	if name == "" && typ != linux.S_IFDIR {
		return nil, linux.ENOTDIR
	}
	fs := &FS{
		opts: o, rootFD: dirFD, rootName: name, fds: sys.NewFDCache(idleFDs, 0), inos: sys.NewInoMap(s.Dev()),
		euid: sys.Geteuid(), nodes: make(map[key]weak.Pointer[node]),
	}
	fs.root = fs.node(&s, nil, name)
	return fs, nil
}

// Name implements vfs.FileSystem.
func (fs *FS) Name() string { return fs.opts.Name }

// Root implements vfs.FileSystem.
func (fs *FS) Root() vfs.Inode { return fs.root }

// DevMinor implements vfs.FileSystem.
func (fs *FS) DevMinor() uint32 { return fs.opts.DevMinor }

// StatFS implements vfs.FileSystem.
func (fs *FS) StatFS() (vfs.StatFS, error) {
	s, err := sys.Fstatfs(fs.rootFD)
	return vfs.StatFS{
		Type: s.Type, Bsize: s.Bsize, Blocks: s.Blocks, Bfree: s.Bfree, Bavail: s.Bavail,
		Files: s.Files, Ffree: s.Ffree, NameLen: s.NameLen,
	}, err
}

// node returns the inode of a host file that was found as name in parent.
func (fs *FS) node(s *sys.Stat, parent *Dir, name string) vfs.Inode {
	n := fs.find(keyOf(s), s, parent, name)
	n.fresh(s)
	return n.self
}

func (fs *FS) find(k key, s *sys.Stat, parent *Dir, name string) *node {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if n := fs.nodes[k].Value(); n != nil {
		if parent != nil && !n.isRoot && (n.parent != parent || n.name != name) {
			n.parent, n.name = parent, strings.Clone(name)
		}
		return n
	}
	var n *node
	switch k.typ {
	case linux.S_IFDIR:
		d := &Dir{}
		n, d.self = &d.node, d
	case linux.S_IFREG:
		r := &Regular{}
		n, r.self = &r.node, r
	case linux.S_IFLNK:
		l := &Symlink{}
		n, l.self = &l.node, l
	default:
		p := &Special{rdev: [2]uint32{s.RdevMajor, s.RdevMinor}}
		n, p.self = &p.node, p
	}
	n.fs, n.key, n.parent, n.name, n.fd = fs, k, parent, strings.Clone(name), &sys.CachedFD{}
	n.isRoot = fs.root == nil
	fs.nodes[k] = weak.Make(n)
	runtime.AddCleanup(n, fs.forget, k)
	return n
}

func (fs *FS) forget(k key) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if fs.nodes[k].Value() == nil {
		delete(fs.nodes, k)
	}
}

// attr converts what the host tells.
func (fs *FS) attr(s *sys.Stat) vfs.Attr {
	return vfs.Attr{
		Ino: fs.inos.Ino(s.Dev(), s.Ino), Mode: s.Mode, Nlink: s.Nlink, UID: s.UID, GID: s.GID,
		DevMinor: fs.opts.DevMinor, RdevMajor: s.RdevMajor, RdevMinor: s.RdevMinor,
		Size: s.Size, Blksize: s.Blksize, Blocks: s.Blocks,
		Atime: vfs.Timespec(s.Atime), Mtime: vfs.Timespec(s.Mtime), Ctime: vfs.Timespec(s.Ctime), Btime: vfs.Timespec(s.Btime),
	}
}

// beneath turns errors of a tree that changed under us into a plain one.
func beneath(err error) error {
	switch err {
	case linux.ELOOP, linux.EXDEV:
		return linux.ESTALE
	case linux.EMFILE:
		return linux.ENFILE
	}
	return err
}
