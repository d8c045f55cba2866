package vfs

import (
	"sentinel/internal/abi/linux"
	"sentinel/internal/waiter"
)

// Append, as offset of FileOps.Write, means the end of the file, found and
// written to atomically (O_APPEND).
const Append = -1

// FileOps is the behaviour of an open file description. Reads and writes never
// block: where Linux would sleep they return linux.EAGAIN, and the system-call
// layer waits by Waitable unless O_NONBLOCK is set.
//
// Embed NoFile for the methods that an object lacks.
type FileOps interface {
	waiter.Waitable
	// Read fills dst from offset off (0 for streams) and returns the count; 0
	// is end of file.
	//
	// The guest may see dst and change it at any time, during the call and after
	// it (see File.ReadTo). So Read only writes to dst: it never looks at what it
	// has written there, or at what was there before, and whatever it counts,
	// returns or remembers comes from data of its own. It writes nothing to dst
	// that the guest may not see, also past the count, and keeps no reference to
	// dst.
	Read(c *Context, f *File, dst []byte, off int64) (int, error)
	// Write writes src at off, or at the end if off is Append.
	//
	// src is a copy that the guest cannot reach, and does not change during the
	// call: what Write has checked stays as it was. Write leaves it as it is and
	// keeps no reference to it.
	Write(c *Context, f *File, src []byte, off int64) (int, error)
	// Ioctl does what the caller of ioctl(2) asks; linux.ENOTTY if unknown.
	Ioctl(c *Context, f *File, cmd uint32, arg uint64) (uint64, error)
	// Release is called once, when the last reference is gone.
	Release(f *File)
}

// Seekable is implemented by operations with a position. Operations without it
// are streams: lseek and pread give ESPIPE, and no offset is kept.
type Seekable interface {
	// Seek returns the position that whence and off mean; cur is the present
	// one. SeekRegular does for most.
	Seek(c *Context, f *File, cur, off int64, whence int) (int64, error)
}

// DirEntry is one name in a directory.
type DirEntry struct {
	Name string
	Ino  uint64
	Type uint8 // linux.DT_*
	Next int64 // the position after this entry; opaque, positive, stable
}

// DirReader is implemented by open directories.
type DirReader interface {
	// ReadDir calls emit for each entry from position pos on, "." and ".."
	// included, until emit returns false.
	ReadDir(c *Context, f *File, pos int64, emit func(*DirEntry) bool) error
}

// HostMapping is what a mmap of a file maps in the guest.
type HostMapping struct {
	FD     int   // a host descriptor, owned by the file; valid while File is referenced
	Offset int64 // in it
	// ReadOnly tells that FD can only be read, as long as it lives.
	ReadOnly bool
	// Anonymous asks for zero pages instead of FD (/dev/zero).
	Anonymous bool
}

// Mappable is implemented by operations that can be mapped. For a shared
// writable mapping the file must have been copied up.
type Mappable interface {
	Mmap(c *Context, f *File, off, length int64, prot int, shared bool) (HostMapping, error)
}

// Viewer is implemented by operations that can show their data in the
// supervisor's memory. fn gets up to n bytes at off and returns how many it
// moved; it does nothing but have them copied to or from the guest. The guest's
// memory may change meanwhile: what fn copies is data and nothing else, and how
// much it has moved, within the bounds of what it got, is all that counts. Without
// ok nothing was done, and Read or Write serves.
type Viewer interface {
	ReadView(f *File, off int64, n int, fn func(b []byte) (int, error)) (done int, ok bool, err error)
	WriteView(c *Context, off int64, n int, fn func(b []byte) (int, error)) (done int, ok bool, err error)
}

// DirectReader is implemented by operations whose data stands in a file of the
// host's at the same offsets. It returns that, if up to n bytes at off are worth
// reading from it, and how many there are; then they count as read.
type DirectReader interface {
	ReadDirect(f *File, off int64, n int) (m HostMapping, got int, ok bool)
}

// Syncer, Allocator and so on are optional operations.
type (
	// Syncer implements fsync(2).
	Syncer interface {
		Sync(c *Context, f *File, dataOnly bool) error
	}
	// Allocator implements fallocate(2).
	Allocator interface {
		Allocate(c *Context, f *File, mode uint32, off, length int64) error
	}
	// FlagSetter is told of changes by fcntl(F_SETFL).
	FlagSetter interface {
		SetFlags(c *Context, f *File, flags uint32) error
	}
	// Closer is told of each close(2) of a descriptor, as flush is.
	Closer interface {
		Flush(c *Context, f *File) error
	}
	// FDInfo adds lines to /proc/PID/fdinfo/N.
	FDInfo interface {
		FDInfo(f *File) string
	}
	// HostFD gives a host descriptor that can be read or written directly at
	// an offset (sendfile, copy_file_range, splice, exec); -1 if none.
	HostFD interface {
		HostFD(f *File) int
	}
)

// NoFile has the errors of an object that cannot be read, written or
// controlled, and is always ready. Embed it.
type NoFile struct{ waiter.AlwaysReady }

// Read implements FileOps.
func (NoFile) Read(*Context, *File, []byte, int64) (int, error) { return 0, linux.EINVAL }

// Write implements FileOps.
func (NoFile) Write(*Context, *File, []byte, int64) (int, error) { return 0, linux.EINVAL }

// Ioctl implements FileOps.
func (NoFile) Ioctl(*Context, *File, uint32, uint64) (uint64, error) { return 0, linux.ENOTTY }

// Release implements FileOps.
func (NoFile) Release(*File) {}
