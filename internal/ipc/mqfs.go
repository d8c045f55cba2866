package ipc

import (
	"maps"
	"slices"
	"time"

	"sentinel/internal/abi/linux"
	"sentinel/internal/vfs"
)

// mqueueMagic is MQUEUE_MAGIC.
const mqueueMagic = 0x19800202

// Name implements vfs.FileSystem.
func (s *Queues) Name() string { return "mqueue" }

// Root implements vfs.FileSystem.
func (s *Queues) Root() vfs.Inode { return s.root }

// StatFS implements vfs.FileSystem.
func (s *Queues) StatFS() (vfs.StatFS, error) {
	return vfs.StatFS{Type: mqueueMagic, Bsize: pageSize, NameLen: nameMax}, nil
}

// DevMinor implements vfs.FileSystem.
func (s *Queues) DevMinor() uint32 { return 19 }

// mqRoot is the one directory of the file system. It changes by mq_open and
// mq_unlink too, so it must not be cached.
type mqRoot struct {
	s              *Queues
	mode, uid, gid uint32 // guarded by s.mu
	time           time.Time
}

func timespec(t time.Time) vfs.Timespec {
	return vfs.Timespec{Sec: t.Unix(), Nsec: int64(t.Nanosecond())}
}

// VolatileChildren implements vfs.Volatile.
func (r *mqRoot) VolatileChildren() bool { return true }

// FileSystem implements vfs.Inode.
func (r *mqRoot) FileSystem() vfs.FileSystem { return r.s }

// Attr implements vfs.Inode.
func (r *mqRoot) Attr() (vfs.Attr, error) {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	t := timespec(r.time)
	return vfs.Attr{
		Ino: 1, Mode: r.mode, Nlink: 2, UID: r.uid, GID: r.gid, DevMinor: r.s.DevMinor(),
		Size: int64(20 * len(r.s.names)), Blksize: pageSize, Atime: t, Mtime: t, Ctime: t, Btime: t,
	}, nil
}

// SetAttr implements vfs.Inode.
func (r *mqRoot) SetAttr(_ *vfs.Context, a *vfs.SetAttr) error {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	setAttr(a, &r.mode, &r.uid, &r.gid)
	return nil
}

func setAttr(a *vfs.SetAttr, mode, uid, gid *uint32) {
	if a.Mask&vfs.SetMode != 0 {
		*mode = *mode&linux.S_IFMT | a.Mode&^linux.S_IFMT
	}
	if a.Mask&vfs.SetUID != 0 {
		*uid = a.UID
	}
	if a.Mask&vfs.SetGID != 0 {
		*gid = a.GID
	}
}

// Lookup implements vfs.DirInode.
func (r *mqRoot) Lookup(_ *vfs.Context, name string) (vfs.Inode, error) {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	if q := r.s.names[name]; q != nil {
		return q, nil
	}
	return nil, linux.ENOENT
}

// Create implements vfs.DirInode: a file is a queue with the default
// attributes.
func (r *mqRoot) Create(c *vfs.Context, name string, n *vfs.NewInode) (vfs.Inode, error) {
	if n.Mode&linux.S_IFMT != linux.S_IFREG {
		return nil, linux.EPERM
	}
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	if r.s.names[name] != nil {
		return nil, linux.EEXIST
	}
	q, err := r.s.create(c.Cred, name, n.Mode, nil, defaultLimit)
	if err != nil {
		return nil, err
	}
	return q, nil
}

// defaultLimit is MQ_BYTES_MAX, the usual RLIMIT_MSGQUEUE.
const defaultLimit = 819200

// Link implements vfs.DirInode.
func (r *mqRoot) Link(*vfs.Context, string, vfs.Inode) error { return linux.EPERM }

// Unlink implements vfs.DirInode.
func (r *mqRoot) Unlink(_ *vfs.Context, name string, child vfs.Inode) error {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	q := r.s.names[name]
	if q == nil || vfs.Inode(q) != child {
		return linux.ENOENT
	}
	r.s.unlink(q)
	return nil
}

// Rmdir implements vfs.DirInode.
func (r *mqRoot) Rmdir(*vfs.Context, string, vfs.Inode) error { return linux.EPERM }

// Rename implements vfs.DirInode.
func (r *mqRoot) Rename(*vfs.Context, string, vfs.Inode, vfs.DirInode, string, vfs.Inode, uint32) error {
	return linux.EPERM
}

// Open implements vfs.Inode.
func (r *mqRoot) Open(*vfs.Context, *vfs.Dentry, uint32) (vfs.FileOps, error) {
	return &mqDir{r: r}, nil
}

type mqDir struct {
	vfs.NoFile
	r *mqRoot
}

// Read implements vfs.FileOps.
func (d *mqDir) Read(*vfs.Context, *vfs.File, []byte, int64) (int, error) { return 0, linux.EISDIR }

// Seek implements vfs.Seekable.
func (d *mqDir) Seek(_ *vfs.Context, _ *vfs.File, cur, off int64, whence int) (int64, error) {
	return seek(cur, off, whence, 0)
}

// ReadDir implements vfs.DirReader. Positions are inode numbers, which only
// grow, so that changes in between disturb nothing.
func (d *mqDir) ReadDir(_ *vfs.Context, _ *vfs.File, pos int64, emit func(*vfs.DirEntry) bool) error {
	if pos < 1 && !emit(&vfs.DirEntry{Name: ".", Ino: 1, Type: linux.DT_DIR, Next: 1}) {
		return nil
	}
	if pos < 2 && !emit(&vfs.DirEntry{Name: "..", Ino: 1, Type: linux.DT_DIR, Next: 2}) {
		return nil
	}
	s := d.r.s
	s.mu.Lock()
	qs := slices.SortedFunc(maps.Values(s.names), func(a, b *Queue) int { return int(a.ino) - int(b.ino) })
	s.mu.Unlock()
	for _, q := range qs {
		next := int64(q.ino) + 1
		if next > max(pos, 2) && !emit(&vfs.DirEntry{Name: q.name, Ino: q.ino, Type: linux.DT_REG, Next: next}) {
			return nil
		}
	}
	return nil
}

// FileSystem implements vfs.Inode.
func (q *Queue) FileSystem() vfs.FileSystem { return q.s }

// Attr implements vfs.Inode.
func (q *Queue) Attr() (vfs.Attr, error) {
	q.s.mu.Lock()
	defer q.s.mu.Unlock()
	nlink := uint32(0)
	if q.linked {
		nlink = 1
	}
	return vfs.Attr{
		Ino: q.ino, Mode: q.mode, Nlink: nlink, UID: q.uid, GID: q.gid, DevMinor: q.s.DevMinor(), Size: mqFileSize,
		Blksize: pageSize, Atime: timespec(q.atime), Mtime: timespec(q.mtime), Ctime: timespec(q.ctime), Btime: timespec(q.ctime),
	}, nil
}

// SetAttr implements vfs.Inode.
func (q *Queue) SetAttr(_ *vfs.Context, a *vfs.SetAttr) error {
	q.s.mu.Lock()
	defer q.s.mu.Unlock()
	setAttr(a, &q.mode, &q.uid, &q.gid)
	return nil
}

// Open implements vfs.Inode.
func (q *Queue) Open(*vfs.Context, *vfs.Dentry, uint32) (vfs.FileOps, error) {
	q.s.mu.Lock()
	defer q.s.mu.Unlock()
	q.opens++
	return &mqFile{q: q}, nil
}
