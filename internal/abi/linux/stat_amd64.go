package linux

// Stat is struct stat of x86-64.
type Stat struct {
	Dev, Ino, Nlink     uint64
	Mode, UID, GID, _   uint32
	Rdev                uint64
	Size, Blksize       int64
	Blocks              int64
	Atime, Mtime, Ctime Timespec
	_                   [3]int64
}
