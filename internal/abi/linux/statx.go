package linux

// StatxTimestamp is struct statx_timestamp.
type StatxTimestamp struct {
	Sec  int64
	Nsec uint32
	_    int32
}

// Statx is struct statx of statx(2).
type Statx struct {
	Mask, Blksize               uint32
	Attributes                  uint64
	Nlink, UID, GID             uint32
	Mode, _                     uint16
	Ino, Size, Blocks           uint64
	AttributesMask              uint64
	Atime, Btime, Ctime, Mtime  StatxTimestamp
	RdevMajor, RdevMinor        uint32
	DevMajor, DevMinor          uint32
	MntID                       uint64
	DioMemAlign, DioOffsetAlign uint32
	_                           [12]uint64
}
