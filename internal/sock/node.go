package sock

import (
	"sync"

	"sentinel/internal/abi/linux"
	"sentinel/internal/vfs"
)

// fileSystem is sockfs, which holds the inodes of sockets.
type fileSystem struct{}

func (fileSystem) Name() string     { return "sockfs" }
func (fileSystem) Root() vfs.Inode  { return nil }
func (fileSystem) DevMinor() uint32 { return 8 }
func (fileSystem) StatFS() (vfs.StatFS, error) {
	return vfs.StatFS{Type: linux.SOCKFS_MAGIC, Bsize: 4096, NameLen: 255}, nil
}

// node is the inode of a socket, which cannot be opened again.
type node struct {
	mu       sync.Mutex
	ino      uint64
	mode     uint32
	uid, gid uint32
}

// FileSystem implements vfs.Inode.
func (*node) FileSystem() vfs.FileSystem { return fileSystem{} }

// Attr implements vfs.Inode.
func (n *node) Attr() (vfs.Attr, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return vfs.Attr{
		Ino: n.ino, Mode: linux.S_IFSOCK | n.mode, Nlink: 1, UID: n.uid, GID: n.gid,
		DevMinor: fileSystem{}.DevMinor(), Blksize: 4096,
	}, nil
}

// SetAttr implements vfs.Inode.
func (n *node) SetAttr(_ *vfs.Context, s *vfs.SetAttr) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if s.Mask&vfs.SetMode != 0 {
		n.mode = s.Mode &^ linux.S_IFMT
	}
	if s.Mask&vfs.SetUID != 0 {
		n.uid = s.UID
	}
	if s.Mask&vfs.SetGID != 0 {
		n.gid = s.GID
	}
	return nil
}

// Open implements vfs.Inode (sock_no_open).
func (*node) Open(*vfs.Context, *vfs.Dentry, uint32) (vfs.FileOps, error) { return nil, linux.ENXIO }
