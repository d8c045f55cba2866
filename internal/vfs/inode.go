// Package vfs is the part of the kernel that all file systems share: dentries,
// path walks, mounts, permission checks, open files, descriptors, locks and
// inotify. A file system only implements inodes; it need not check who asks.
//
// Lock order:
//
//	VFS.renameMu > directory.opMu > directory.opMu (ancestors first) > VFS.mountMu > directory.mu
//	directory.opMu > inotify.mu > stateTable.mu > waiter.Queue.mu
//	directory.opMu > clock.mu, FSContext.mu
//	File.posMu > FDTable.mu, inotify.mu
//	epoll.Instance.mtx > File.mu, inotify.mu
//
// The locks of file systems come after directory.opMu, and after File.posMu, which
// is held over operations that use a description's position.
package vfs

import (
	"sentinel/internal/abi/linux"
	"sentinel/internal/cred"
	"sentinel/internal/usermem"
	"sentinel/internal/waiter"
)

// Context is what a file system may know of the task on whose behalf it acts.
// It is valid for one system call.
type Context struct {
	Cred   *cred.Cred
	Mem    usermem.Memory // the caller's memory, for ioctls
	FS     *FSContext     // root, current directory, umask
	FDs    *FDTable
	Caller Caller // nil when the kernel itself acts
}

// Caller is the task behind a Context. Packages that need more of it (tty:
// sessions) assert it to an interface of their own.
type Caller interface {
	// TID and PID are the virtual ids of thread and thread group.
	TID() int32
	PID() int32
	// Block waits until ready returns true, evaluating it again after each
	// event of mask on w. It returns linux.ERESTARTSYS when a signal
	// interrupts it.
	Block(w waiter.Waitable, mask waiter.Mask, ready func() bool) error
	// FileSizeLimit is RLIMIT_FSIZE in bytes.
	FileSizeLimit() uint64
	// SendSignal sends sig to the caller's thread (SIGPIPE, SIGXFSZ).
	SendSignal(sig int)
}

// Timespec is a time in seconds and nanoseconds since the epoch.
type Timespec struct{ Sec, Nsec int64 }

// Attr is what stat(2) tells of an inode.
type Attr struct {
	Ino       uint64
	Mode      uint32 // type and permissions, linux.S_IF*
	Nlink     uint32
	UID, GID  uint32
	DevMajor  uint32 // of the file system
	DevMinor  uint32
	RdevMajor uint32 // of a device node
	RdevMinor uint32
	Size      int64
	Blksize   uint32
	Blocks    int64 // of 512 bytes
	Atime     Timespec
	Mtime     Timespec
	Ctime     Timespec
	Btime     Timespec
}

// Type returns the linux.S_IFMT bits.
func (a *Attr) Type() uint32 { return a.Mode & linux.S_IFMT }

// IsDir reports whether a is of a directory.
func (a *Attr) IsDir() bool { return a.Type() == linux.S_IFDIR }

// AttrMask tells which fields of a SetAttr are meant.
type AttrMask uint32

// Fields of SetAttr.
const (
	SetMode AttrMask = 1 << iota
	SetUID
	SetGID
	SetSize
	SetAtime
	SetMtime
	SetAtimeNow
	SetMtimeNow
)

// SetAttr is a change of attributes. The VFS has checked permission and worked
// out the set-id bits before a file system sees it.
type SetAttr struct {
	Mask         AttrMask
	Mode         uint32 // permission bits only
	UID, GID     uint32
	Size         int64
	Atime, Mtime Timespec
}

// NewInode describes an inode to be made.
type NewInode struct {
	Mode      uint32 // with type; umask applied
	UID, GID  uint32
	RdevMajor uint32
	RdevMinor uint32
	Target    string // of a symbolic link
}

// Inode is one object of a file system. Methods are safe for concurrent use;
// errors are linux.Errno. The VFS has done every permission check.
type Inode interface {
	// FileSystem returns the file system the inode lives in.
	FileSystem() FileSystem
	// Attr returns the inode's attributes.
	Attr() (Attr, error)
	// SetAttr changes them.
	SetAttr(c *Context, s *SetAttr) error
	// Open makes the operations of a new open file description. flags are
	// those of open(2); O_CREAT, O_EXCL and permission are done with, O_TRUNC
	// has been done by SetAttr for regular files. It may block (FIFOs) by
	// c.Caller.Block.
	Open(c *Context, d *Dentry, flags uint32) (FileOps, error)
}

// DirInode is a directory. The VFS serialises changes to one directory tree,
// and has checked names for existence and type where Linux's VFS does.
type DirInode interface {
	Inode
	// Lookup finds name, and may keep the string; linux.ENOENT if there is
	// none. Never "." or "..".
	Lookup(c *Context, name string) (Inode, error)
	// Create makes a file, directory, symbolic link, FIFO, socket or device.
	Create(c *Context, name string, n *NewInode) (Inode, error)
	Link(c *Context, name string, target Inode) error
	Unlink(c *Context, name string, child Inode) error
	Rmdir(c *Context, name string, child Inode) error // ENOTEMPTY is its to find
	// Rename moves child from oldName here to newName in newDir, which is of
	// the same file system. replaced is what stands there, or nil. With
	// linux.RENAME_EXCHANGE the two change places; RENAME_NOREPLACE is done
	// by the VFS; RENAME_WHITEOUT leaves a whiteout device.
	Rename(c *Context, oldName string, child Inode, newDir DirInode, newName string, replaced Inode, flags uint32) error
}

// Typed is an inode that knows its type (linux.S_IFMT bits) and need not be
// asked for its attributes to tell.
type Typed interface{ Type() uint32 }

// Peeker is a directory that can tell of a regular file without making an inode
// for it, once for each name: that of a walk of a whole tree nobody asks again.
// Not ok means that the name is to be looked up.
type Peeker interface {
	Peek(name string) (a Attr, ok bool)
}

// SymlinkInode is a symbolic link.
type SymlinkInode interface {
	Inode
	Readlink(c *Context) (string, error)
}

// MagicLink is a symbolic link that leads straight to an object, as those of
// /proc/PID/fd do. Follow is used in place of Readlink in path walks.
type MagicLink interface {
	SymlinkInode
	Follow(c *Context) (Path, error)
}

// TmpfileDir is a directory that supports O_TMPFILE.
type TmpfileDir interface {
	// CreateUnlinked makes a regular file with no name.
	CreateUnlinked(c *Context, n *NewInode) (Inode, error)
}

// XattrInode is an inode with extended attributes. Name spaces and permission
// are checked by the VFS.
type XattrInode interface {
	Getxattr(c *Context, name string) ([]byte, error)                   // ENODATA
	Setxattr(c *Context, name string, value []byte, flags uint32) error // XATTR_CREATE, XATTR_REPLACE
	Listxattr(c *Context) ([]string, error)
	Removexattr(c *Context, name string) error
}

// Volatile is implemented by inodes whose children must not be cached, such as
// those of procfs.
type Volatile interface{ VolatileChildren() bool }

// StatFS is what statfs(2) tells.
type StatFS struct {
	Type          int64
	Bsize         int64
	Blocks        uint64
	Bfree, Bavail uint64
	Files, Ffree  uint64
	NameLen       int64
	Flags         int64
}

// FileSystem is one mounted instance of a file system.
type FileSystem interface {
	// Name is the type as in /proc/filesystems.
	Name() string
	Root() Inode
	StatFS() (StatFS, error)
	// DevMinor is the minor number of its anonymous device.
	DevMinor() uint32
}

// Path is a place in the tree: a dentry in a mount.
type Path struct {
	Mount  *Mount
	Dentry *Dentry
}

// IsZero reports whether p is no place.
func (p Path) IsZero() bool { return p.Dentry == nil }
