package syscalls

import (
	"sentinel/internal/abi/linux"
	"sentinel/internal/task"
	"sentinel/internal/usermem"
	"sentinel/internal/vfs"
)

// encodeDev is new_encode_dev.
func encodeDev(major, minor uint32) uint64 {
	return uint64(minor&0xff | major<<8 | minor&^0xff<<12)
}

// pathAttr walks to a file and returns its attributes.
func pathAttr(t *task.Task, dirfd int32, addr uint64, flags uint32) (vfs.Attr, vfs.Path, error) {
	p, path, err := emptyOK(t, dirfd, addr, flags)
	if err != nil {
		return vfs.Attr{}, p, err
	}
	return t.Kernel().VFS().StatAt(t.Ctx(), p, path, flags&(linux.AT_SYMLINK_NOFOLLOW|linux.AT_EMPTY_PATH))
}

func copyOutStat(t *task.Task, addr uint64, a *vfs.Attr) error {
	s := linux.Stat{
		Dev: encodeDev(a.DevMajor, a.DevMinor), Ino: a.Ino, Nlink: uint64(a.Nlink), Mode: a.Mode,
		UID: a.UID, GID: a.GID, Rdev: encodeDev(a.RdevMajor, a.RdevMinor), Size: a.Size,
		Blksize: int64(a.Blksize), Blocks: a.Blocks,
		Atime: linux.Timespec(a.Atime), Mtime: linux.Timespec(a.Mtime), Ctime: linux.Timespec(a.Ctime),
	}
	return usermem.CopyOutObjectLast(t.Mem(), addr, &s)
}

func sysStat(t *task.Task, path, buf uint64) (uint64, error) {
	return sysNewfstatat(t, linux.AT_FDCWD, path, buf, 0)
}

func sysLstat(t *task.Task, path, buf uint64) (uint64, error) {
	return sysNewfstatat(t, linux.AT_FDCWD, path, buf, linux.AT_SYMLINK_NOFOLLOW)
}

func sysFstat(t *task.Task, fd int32, buf uint64) (uint64, error) {
	if fd < 0 {
		return 0, linux.EBADF
	}
	f, err := t.FDs().GetAny(fd)
	if err != nil {
		return 0, err
	}
	defer f.DecRef()
	a, err := f.Ino.Attr()
	if err != nil {
		return 0, err
	}
	return 0, copyOutStat(t, buf, &a)
}

func sysNewfstatat(t *task.Task, dirfd int32, path, buf uint64, flags uint32) (uint64, error) {
	if flags&^(linux.AT_SYMLINK_NOFOLLOW|linux.AT_EMPTY_PATH|linux.AT_NO_AUTOMOUNT) != 0 {
		return 0, linux.EINVAL
	}
	a, _, err := pathAttr(t, dirfd, path, flags)
	if err != nil {
		return 0, err
	}
	return 0, copyOutStat(t, buf, &a)
}

func sysStatx(t *task.Task, dirfd int32, path uint64, flags, mask uint32, buf uint64) (uint64, error) {
	const sync = linux.AT_STATX_FORCE_SYNC | linux.AT_STATX_DONT_SYNC
	if flags&^(linux.AT_SYMLINK_NOFOLLOW|linux.AT_EMPTY_PATH|linux.AT_NO_AUTOMOUNT|sync) != 0 || flags&sync == sync || mask&(1<<31) != 0 {
		return 0, linux.EINVAL
	}
	a, p, err := pathAttr(t, dirfd, path, flags)
	if err != nil {
		return 0, err
	}
	ts := func(x vfs.Timespec) linux.StatxTimestamp {
		return linux.StatxTimestamp{Sec: x.Sec, Nsec: uint32(x.Nsec)}
	}
	s := linux.Statx{
		Mask: linux.STATX_BASIC_STATS, Blksize: a.Blksize, Nlink: a.Nlink, UID: a.UID, GID: a.GID,
		Mode: uint16(a.Mode), Ino: a.Ino, Size: uint64(a.Size), Blocks: uint64(a.Blocks),
		Atime: ts(a.Atime), Btime: ts(a.Btime), Ctime: ts(a.Ctime), Mtime: ts(a.Mtime),
		RdevMajor: a.RdevMajor, RdevMinor: a.RdevMinor, DevMajor: a.DevMajor, DevMinor: a.DevMinor,
	}
	if a.Btime != (vfs.Timespec{}) {
		s.Mask |= linux.STATX_BTIME
	}
	if p.Mount != nil {
		s.Mask |= linux.STATX_MNT_ID
		s.MntID = uint64(p.Mount.ID())
		s.AttributesMask |= linux.STATX_ATTR_MOUNT_ROOT
		if p.Dentry == p.Mount.Root().Dentry {
			s.Attributes |= linux.STATX_ATTR_MOUNT_ROOT
		}
	}
	return 0, usermem.CopyOutObjectLast(t.Mem(), buf, &s)
}

// statfsT is struct statfs.
type statfsT struct {
	Type, Bsize                         int64
	Blocks, Bfree, Bavail, Files, Ffree uint64
	FSID                                [2]int32
	Namelen, Frsize, Flags              int64
	_                                   [4]int64
}

func statFS(t *task.Task, p vfs.Path, path string, atFlags uint32, buf uint64) error {
	st, err := t.Kernel().VFS().StatFSAt(t.Ctx(), p, path, atFlags)
	if err != nil {
		return err
	}
	s := statfsT{
		Type: st.Type, Bsize: st.Bsize, Frsize: st.Bsize, Blocks: st.Blocks, Bfree: st.Bfree, Bavail: st.Bavail,
		Files: st.Files, Ffree: st.Ffree, Namelen: st.NameLen, Flags: st.Flags,
	}
	return usermem.CopyOutObjectLast(t.Mem(), buf, &s)
}

func sysStatfs(t *task.Task, addr, buf uint64) (uint64, error) {
	p, path, err := at(t, linux.AT_FDCWD, addr)
	if err != nil {
		return 0, err
	}
	return 0, statFS(t, p, path, 0, buf)
}

func sysFstatfs(t *task.Task, fd int32, buf uint64) (uint64, error) {
	return 0, onFD(t, fd, func(p vfs.Path) error { return statFS(t, p, "", linux.AT_EMPTY_PATH, buf) })
}

// dirent64 and dirent have a header of 19 and 18 bytes before the name.
func sysGetdents64(t *task.Task, fd int32, buf uint64, count uint32) (uint64, error) {
	return getdents(t, fd, buf, count, true)
}

func sysGetdents(t *task.Task, fd int32, buf uint64, count uint32) (uint64, error) {
	return getdents(t, fd, buf, count, false)
}

func getdents(t *task.Task, fd int32, addr uint64, count uint32, large bool) (uint64, error) {
	f, err := t.FDs().Get(fd)
	if err != nil {
		return 0, err
	}
	defer f.DecRef()
	buf := t.Buffer(int(min(count, 128<<10)))[:0]
	limit := int(min(count, 128<<10))
	full := false
	err = f.ReadDir(t.Ctx(), func(e *vfs.DirEntry) bool {
		head := 19
		if !large {
			head = 20 // 18, and the NUL and type at the end
		}
		n := (head + len(e.Name) + 1 + 7) &^ 7
		if !large {
			n = (18 + len(e.Name) + 2 + 7) &^ 7
		}
		if len(buf)+n > limit {
			full = true
			return false
		}
		off := len(buf)
		buf = buf[:off+n]
		b := buf[off:]
		clear(b)
		le64(b, e.Ino)
		le64(b[8:], uint64(e.Next))
		b[16], b[17] = byte(n), byte(n>>8)
		if large {
			b[18] = e.Type
			copy(b[19:], e.Name)
		} else {
			copy(b[18:], e.Name)
			b[n-1] = e.Type
		}
		return true
	})
	if err != nil {
		return 0, err
	}
	if len(buf) == 0 && full {
		return 0, linux.EINVAL
	}
	return uint64(len(buf)), usermem.CopyOutLast(t.Mem(), addr, buf)
}

func le64(b []byte, v uint64) {
	for i := range 8 {
		b[i] = byte(v >> (8 * i))
	}
}
