package pipe

import (
	"strconv"
	"sync"
	"time"

	"sentinel/internal/abi/linux"
	"sentinel/internal/vfs"
)

// fileSystem is pipefs, which holds the inodes of anonymous pipes.
type fileSystem struct{}

func (fileSystem) Name() string    { return "pipefs" }
func (fileSystem) Root() vfs.Inode { return nil }
func (fileSystem) StatFS() (vfs.StatFS, error) {
	return vfs.StatFS{Type: linux.PIPEFS_MAGIC, Bsize: pageSize, NameLen: 255}, nil
}
func (fileSystem) DevMinor() uint32 { return 14 }

// node is the inode of an anonymous pipe. It is opened again through
// /proc/PID/fd and /dev/fd.
type node struct {
	p   *Pipe
	ino uint64

	mu       sync.Mutex
	mode     uint32
	uid, gid uint32
	time     vfs.Timespec
}

func newNode(p *Pipe, c *vfs.Context) *node {
	now := time.Now()
	n := &node{p: p, ino: c.VFS().NewIno(), mode: linux.S_IFIFO | 0o600}
	n.time = vfs.Timespec{Sec: now.Unix(), Nsec: int64(now.Nanosecond())}
	if c != nil && c.Cred != nil {
		n.uid, n.gid = c.Cred.FSUID, c.Cred.FSGID
	}
	return n
}

func (n *node) name() string { return "pipe:[" + strconv.FormatUint(n.ino, 10) + "]" }

// FileSystem implements vfs.Inode.
func (n *node) FileSystem() vfs.FileSystem { return fileSystem{} }

// Attr implements vfs.Inode.
func (n *node) Attr() (vfs.Attr, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return vfs.Attr{
		Ino: n.ino, Mode: n.mode, Nlink: 1, UID: n.uid, GID: n.gid, DevMinor: fileSystem{}.DevMinor(),
		Blksize: pageSize, Atime: n.time, Mtime: n.time, Ctime: n.time, Btime: n.time,
	}, nil
}

// SetAttr implements vfs.Inode.
func (n *node) SetAttr(_ *vfs.Context, s *vfs.SetAttr) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if s.Mask&vfs.SetMode != 0 {
		n.mode = n.mode&linux.S_IFMT | s.Mode&^linux.S_IFMT
	}
	if s.Mask&vfs.SetUID != 0 {
		n.uid = s.UID
	}
	if s.Mask&vfs.SetGID != 0 {
		n.gid = s.GID
	}
	return nil
}

// Open implements vfs.Inode.
func (n *node) Open(c *vfs.Context, _ *vfs.Dentry, flags uint32) (vfs.FileOps, error) {
	return n.p.Open(c, flags)
}
