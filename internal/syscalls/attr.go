package syscalls

import (
	"sentinel/internal/abi/linux"
	"sentinel/internal/ktime"
	"sentinel/internal/task"
	"sentinel/internal/usermem"
	"sentinel/internal/vfs"
)

func sysAccess(t *task.Task, path uint64, mode uint32) (uint64, error) {
	return sysFaccessat2(t, linux.AT_FDCWD, path, mode, 0)
}

func sysFaccessat(t *task.Task, dirfd int32, path uint64, mode uint32) (uint64, error) {
	return sysFaccessat2(t, dirfd, path, mode, 0)
}

func sysFaccessat2(t *task.Task, dirfd int32, addr uint64, mode, flags uint32) (uint64, error) {
	if mode&^7 != 0 || flags&^(linux.AT_EACCESS|linux.AT_SYMLINK_NOFOLLOW|linux.AT_EMPTY_PATH) != 0 {
		return 0, linux.EINVAL
	}
	p, path, err := emptyOK(t, dirfd, addr, flags)
	if err != nil {
		return 0, err
	}
	return 0, t.Kernel().VFS().AccessAt(t.Ctx(), p, path, mode, flags)
}

func sysChmod(t *task.Task, path uint64, mode uint32) (uint64, error) {
	return sysFchmodat2(t, linux.AT_FDCWD, path, mode, 0)
}

func sysFchmodat(t *task.Task, dirfd int32, path uint64, mode uint32) (uint64, error) {
	return sysFchmodat2(t, dirfd, path, mode, 0)
}

func sysFchmodat2(t *task.Task, dirfd int32, addr uint64, mode, flags uint32) (uint64, error) {
	p, path, err := emptyOK(t, dirfd, addr, flags)
	if err != nil {
		return 0, err
	}
	return 0, t.Kernel().VFS().ChmodAt(t.Ctx(), p, path, mode, flags)
}

func sysFchmod(t *task.Task, fd int32, mode uint32) (uint64, error) {
	return 0, onOpenFD(t, fd, func(p vfs.Path) error {
		return t.Kernel().VFS().ChmodAt(t.Ctx(), p, "", mode, linux.AT_EMPTY_PATH)
	})
}

func sysChown(t *task.Task, path uint64, uid, gid uint32) (uint64, error) {
	return sysFchownat(t, linux.AT_FDCWD, path, uid, gid, 0)
}

func sysLchown(t *task.Task, path uint64, uid, gid uint32) (uint64, error) {
	return sysFchownat(t, linux.AT_FDCWD, path, uid, gid, linux.AT_SYMLINK_NOFOLLOW)
}

func sysFchownat(t *task.Task, dirfd int32, addr uint64, uid, gid, flags uint32) (uint64, error) {
	p, path, err := emptyOK(t, dirfd, addr, flags)
	if err != nil {
		return 0, err
	}
	return 0, t.Kernel().VFS().ChownAt(t.Ctx(), p, path, uid, gid, flags)
}

func sysFchown(t *task.Task, fd int32, uid, gid uint32) (uint64, error) {
	return 0, onOpenFD(t, fd, func(p vfs.Path) error {
		return t.Kernel().VFS().ChownAt(t.Ctx(), p, "", uid, gid, linux.AT_EMPTY_PATH)
	})
}

func sysUtimensat(t *task.Task, dirfd int32, addr, times uint64, flags uint32) (uint64, error) {
	var ts *[2]vfs.Timespec
	if times != 0 {
		ts = new([2]vfs.Timespec)
		if err := usermem.CopyInObject(t.Mem(), times, ts); err != nil {
			return 0, err
		}
	}
	if ts != nil && ts[0].Nsec == linux.UTIME_OMIT && ts[1].Nsec == linux.UTIME_OMIT {
		return 0, nil // not even the path is looked at
	}
	if flags&^(linux.AT_SYMLINK_NOFOLLOW|linux.AT_EMPTY_PATH) != 0 {
		return 0, linux.EINVAL
	}
	if addr == 0 && dirfd != linux.AT_FDCWD {
		if flags != 0 {
			return 0, linux.EINVAL
		}
		return 0, onOpenFD(t, dirfd, func(p vfs.Path) error {
			return t.Kernel().VFS().UtimensAt(t.Ctx(), p, "", ts, linux.AT_EMPTY_PATH)
		})
	}
	return utimens(t, dirfd, addr, ts, flags)
}

func utimens(t *task.Task, dirfd int32, addr uint64, ts *[2]vfs.Timespec, flags uint32) (uint64, error) {
	p, path, err := at(t, dirfd, addr)
	if err != nil {
		return 0, err
	}
	return 0, t.Kernel().VFS().UtimensAt(t.Ctx(), p, path, ts, flags)
}

// utimevals reads the times of utimes(2).
func utimevals(t *task.Task, addr uint64) (*[2]vfs.Timespec, error) {
	if addr == 0 {
		return nil, nil
	}
	var tv [2]linux.Timeval
	if err := usermem.CopyInObject(t.Mem(), addr, &tv); err != nil {
		return nil, err
	}
	var ts [2]vfs.Timespec
	for i, v := range tv {
		if uint64(v.Usec) >= ktime.UsecPerSec {
			return nil, linux.EINVAL
		}
		ts[i] = vfs.Timespec{Sec: v.Sec, Nsec: v.Usec * 1000}
	}
	return &ts, nil
}

func sysUtimes(t *task.Task, path, times uint64) (uint64, error) {
	return sysFutimesat(t, linux.AT_FDCWD, path, times)
}

func sysFutimesat(t *task.Task, dirfd int32, path, times uint64) (uint64, error) {
	ts, err := utimevals(t, times)
	if err != nil {
		return 0, err
	}
	if path == 0 && dirfd != linux.AT_FDCWD {
		return 0, onOpenFD(t, dirfd, func(p vfs.Path) error {
			return t.Kernel().VFS().UtimensAt(t.Ctx(), p, "", ts, linux.AT_EMPTY_PATH)
		})
	}
	return utimens(t, dirfd, path, ts, 0)
}

func sysUtime(t *task.Task, path, times uint64) (uint64, error) {
	var ts *[2]vfs.Timespec
	if times != 0 {
		var v [2]int64
		if err := usermem.CopyInObject(t.Mem(), times, &v); err != nil {
			return 0, err
		}
		ts = &[2]vfs.Timespec{{Sec: v[0]}, {Sec: v[1]}}
	}
	return utimens(t, linux.AT_FDCWD, path, ts, 0)
}

func sysTruncate(t *task.Task, addr uint64, size int64) (uint64, error) {
	if size < 0 {
		return 0, linux.EINVAL
	}
	p, path, err := at(t, linux.AT_FDCWD, addr)
	if err != nil {
		return 0, err
	}
	return 0, t.Kernel().VFS().TruncateAt(t.Ctx(), p, path, size)
}

func sysFtruncate(t *task.Task, fd int32, size int64) (uint64, error) {
	if size < 0 {
		return 0, linux.EINVAL
	}
	f, err := t.FDs().Get(fd)
	if err != nil {
		return 0, err
	}
	defer f.DecRef()
	return 0, f.Truncate(t.Ctx(), size)
}

func sysFallocate(t *task.Task, fd int32, mode uint32, off, length int64) (uint64, error) {
	f, err := t.FDs().Get(fd)
	if err != nil {
		return 0, err
	}
	defer f.DecRef()
	return 0, f.Fallocate(t.Ctx(), mode, off, length)
}

func syncFile(t *task.Task, fd int32, dataOnly bool) (uint64, error) {
	f, err := t.FDs().Get(fd)
	if err != nil {
		return 0, err
	}
	defer f.DecRef()
	return 0, f.Sync(t.Ctx(), dataOnly)
}

func sysFsync(t *task.Task, fd int32) (uint64, error)     { return syncFile(t, fd, false) }
func sysFdatasync(t *task.Task, fd int32) (uint64, error) { return syncFile(t, fd, true) }

// sysSync has nothing to do: changes live in memory, and bind mounts are the
// host's to write back.
func sysSync(t *task.Task) (uint64, error) { return 0, nil }

func sysSyncfs(t *task.Task, fd int32) (uint64, error) {
	return 0, onOpenFD(t, fd, func(vfs.Path) error { return nil })
}

func sysSyncFileRange(t *task.Task, fd int32, off, n int64, flags uint32) (uint64, error) {
	f, err := t.FDs().Get(fd)
	if err != nil {
		return 0, err
	}
	defer f.DecRef()
	if flags&^7 != 0 || off < 0 || n < 0 || off+n < off {
		return 0, linux.EINVAL
	}
	switch f.Path.Dentry.Type() {
	case linux.S_IFREG, linux.S_IFBLK, linux.S_IFDIR, linux.S_IFLNK:
		return 0, nil
	}
	return 0, linux.ESPIPE
}

func sysFadvise64(t *task.Task, fd int32, off, n int64, advice int32) (uint64, error) {
	f, err := t.FDs().Get(fd)
	if err != nil {
		return 0, err
	}
	defer f.DecRef()
	if f.Stream() {
		return 0, linux.ESPIPE
	}
	if n < 0 || advice < 0 || advice > 5 {
		return 0, linux.EINVAL
	}
	return 0, nil
}

func sysReadahead(t *task.Task, fd int32, off int64, count uint64) (uint64, error) {
	f, err := t.FDs().Get(fd)
	if err != nil {
		return 0, err
	}
	defer f.DecRef()
	if !f.Readable() {
		return 0, linux.EBADF
	}
	if typ := f.Path.Dentry.Type(); f.Stream() || typ != linux.S_IFREG && typ != linux.S_IFBLK {
		return 0, linux.EINVAL
	}
	return 0, nil
}
