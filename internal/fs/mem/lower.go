package mem

import "sentinel/internal/vfs"

// Lower is an object of a read-only layer, which is taken not to change.
// Methods are safe for concurrent use; errors are linux.Errno.
type Lower interface {
	// Lookup finds a name in a directory, and may keep the string.
	Lookup(name string) (Lower, LowerAttr, error)
	// Stat tells of a name in a directory. A Lookup that follows at once is
	// cheap.
	Stat(name string) (LowerAttr, error)
	// List returns a directory's entries sorted by name, without "." and "..";
	// linux.E2BIG if there are more than limit, unless that is negative. One
	// directory is listed by one caller at a time.
	List(limit int) ([]LowerEntry, error)
	// Readable reports whether the object can surely be opened.
	Readable() bool
	// Acquire returns a host descriptor of a regular file for reading, which
	// is valid until Release.
	Acquire() (int, error)
	Release()
	Readlink() (string, error)
	Xattrs() (map[string][]byte, error)
}

// LowerAttr is the attributes of a lower object, the host's numbers of it
// beside the one that is shown.
type LowerAttr struct {
	vfs.Attr
	HostDev, HostIno uint64
}

// LowerEntry is one name in a lower directory.
type LowerEntry struct {
	Name string
	Ino  uint64
	Type uint8 // linux.DT_*
}

type lowerKey struct{ dev, ino uint64 }
