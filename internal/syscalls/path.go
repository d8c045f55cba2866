package syscalls

import (
	"sentinel/internal/abi/linux"
	"sentinel/internal/task"
	"sentinel/internal/usermem"
	"sentinel/internal/vfs"
)

// at copies a path in and resolves where its walk begins.
func at(t *task.Task, dirfd int32, addr uint64) (vfs.Path, string, error) {
	path, err := usermem.CopyInPath(t.Mem(), addr)
	if err != nil {
		return vfs.Path{}, "", err
	}
	p, err := t.Ctx().At(dirfd, path)
	return p, path, err
}

// emptyOK copies in a path that may be NULL or empty where flags have
// AT_EMPTY_PATH.
func emptyOK(t *task.Task, dirfd int32, addr uint64, flags uint32) (vfs.Path, string, error) {
	if addr == 0 && flags&linux.AT_EMPTY_PATH != 0 {
		p, err := t.Ctx().At(dirfd, "")
		return p, "", err
	}
	return at(t, dirfd, addr)
}

func openAt(t *task.Task, dirfd int32, addr uint64, flags, mode uint32, resolve uint64) (uint64, error) {
	p, path, err := at(t, dirfd, addr)
	if err != nil {
		return 0, err
	}
	f, err := t.Kernel().VFS().OpenAt(t.Ctx(), p, path, flags, mode, resolve)
	if err != nil {
		return 0, err
	}
	fd, err := t.FDs().Install(f, flags&linux.O_CLOEXEC != 0)
	return uint64(fd), err
}

func sysOpen(t *task.Task, path uint64, flags, mode uint32) (uint64, error) {
	return openAt(t, linux.AT_FDCWD, path, flags, mode, 0)
}

func sysOpenat(t *task.Task, dirfd int32, path uint64, flags, mode uint32) (uint64, error) {
	return openAt(t, dirfd, path, flags, mode, 0)
}

func sysCreat(t *task.Task, path uint64, mode uint32) (uint64, error) {
	return openAt(t, linux.AT_FDCWD, path, linux.O_CREAT|linux.O_WRONLY|linux.O_TRUNC, mode, 0)
}

func sysOpenat2(t *task.Task, dirfd int32, path, howp, size uint64) (uint64, error) {
	var how [3]uint64 // struct open_how: flags, mode, resolve
	if err := copyInExtensible(t, howp, size, 24, usermem.AsBytes(&how)); err != nil {
		return 0, err
	}
	if err := vfs.CheckOpenHow(how[0], how[1], how[2]); err != nil {
		return 0, err
	}
	return openAt(t, dirfd, path, uint32(how[0]), uint32(how[1]), how[2])
}

func sysMkdir(t *task.Task, path uint64, mode uint32) (uint64, error) {
	return sysMkdirat(t, linux.AT_FDCWD, path, mode)
}

func sysMkdirat(t *task.Task, dirfd int32, addr uint64, mode uint32) (uint64, error) {
	p, path, err := at(t, dirfd, addr)
	if err != nil {
		return 0, err
	}
	return 0, t.Kernel().VFS().MkdirAt(t.Ctx(), p, path, mode)
}

func sysMknod(t *task.Task, path uint64, mode uint32, dev uint64) (uint64, error) {
	return sysMknodat(t, linux.AT_FDCWD, path, mode, dev)
}

func sysMknodat(t *task.Task, dirfd int32, addr uint64, mode uint32, dev uint64) (uint64, error) {
	p, path, err := at(t, dirfd, addr)
	if err != nil {
		return 0, err
	}
	d := uint32(dev) // new_decode_dev
	return 0, t.Kernel().VFS().MknodAt(t.Ctx(), p, path, mode, d>>8&0xfff, d&0xff|d>>12&0xfff00)
}

func sysRmdir(t *task.Task, path uint64) (uint64, error) {
	return sysUnlinkat(t, linux.AT_FDCWD, path, linux.AT_REMOVEDIR)
}

func sysUnlink(t *task.Task, path uint64) (uint64, error) {
	return sysUnlinkat(t, linux.AT_FDCWD, path, 0)
}

func sysUnlinkat(t *task.Task, dirfd int32, addr uint64, flags uint32) (uint64, error) {
	if flags&^linux.AT_REMOVEDIR != 0 {
		return 0, linux.EINVAL
	}
	p, path, err := at(t, dirfd, addr)
	if err != nil {
		return 0, err
	}
	return 0, t.Kernel().VFS().UnlinkAt(t.Ctx(), p, path, flags)
}

func sysSymlink(t *task.Task, target, path uint64) (uint64, error) {
	return sysSymlinkat(t, target, linux.AT_FDCWD, path)
}

func sysSymlinkat(t *task.Task, targetAddr uint64, dirfd int32, addr uint64) (uint64, error) {
	target, err := usermem.CopyInPath(t.Mem(), targetAddr)
	if err != nil {
		return 0, err
	}
	p, path, err := at(t, dirfd, addr)
	if err != nil {
		return 0, err
	}
	return 0, t.Kernel().VFS().SymlinkAt(t.Ctx(), target, p, path)
}

func sysLink(t *task.Task, old, new uint64) (uint64, error) {
	return sysLinkat(t, linux.AT_FDCWD, old, linux.AT_FDCWD, new, 0)
}

func sysLinkat(t *task.Task, olddir int32, old uint64, newdir int32, new uint64, flags uint32) (uint64, error) {
	op, oldPath, err := at(t, olddir, old)
	if err != nil {
		return 0, err
	}
	np, newPath, err := at(t, newdir, new)
	if err != nil {
		return 0, err
	}
	return 0, t.Kernel().VFS().LinkAt(t.Ctx(), op, oldPath, np, newPath, flags)
}

func sysRename(t *task.Task, old, new uint64) (uint64, error) {
	return sysRenameat2(t, linux.AT_FDCWD, old, linux.AT_FDCWD, new, 0)
}

func sysRenameat(t *task.Task, olddir int32, old uint64, newdir int32, new uint64) (uint64, error) {
	return sysRenameat2(t, olddir, old, newdir, new, 0)
}

func sysRenameat2(t *task.Task, olddir int32, old uint64, newdir int32, new uint64, flags uint32) (uint64, error) {
	op, oldPath, err := at(t, olddir, old)
	if err != nil {
		return 0, err
	}
	np, newPath, err := at(t, newdir, new)
	if err != nil {
		return 0, err
	}
	return 0, t.Kernel().VFS().RenameAt(t.Ctx(), op, oldPath, np, newPath, flags)
}

func sysReadlink(t *task.Task, path, buf uint64, size int32) (uint64, error) {
	return sysReadlinkat(t, linux.AT_FDCWD, path, buf, size)
}

func sysReadlinkat(t *task.Task, dirfd int32, addr, buf uint64, size int32) (uint64, error) {
	if size <= 0 {
		return 0, linux.EINVAL
	}
	p, path, err := at(t, dirfd, addr)
	if err != nil {
		return 0, err
	}
	s, err := t.Kernel().VFS().ReadlinkAt(t.Ctx(), p, path)
	if err != nil {
		return 0, err
	}
	b := []byte(s[:min(len(s), int(size))])
	return uint64(len(b)), usermem.CopyOutLast(t.Mem(), buf, b)
}

func sysUmask(t *task.Task, mask uint32) (uint64, error) {
	return uint64(t.FS().SetUmask(mask & 0o777)), nil
}

func sysGetcwd(t *task.Task, buf, size uint64) (uint64, error) {
	s, err := t.Kernel().VFS().Getcwd(t.Ctx())
	if err != nil {
		return 0, err
	}
	if uint64(len(s)) >= size {
		return 0, linux.ERANGE
	}
	b := append([]byte(s), 0)
	return uint64(len(b)), usermem.CopyOutLast(t.Mem(), buf, b)
}

func sysChdir(t *task.Task, addr uint64) (uint64, error) {
	p, path, err := at(t, linux.AT_FDCWD, addr)
	if err != nil {
		return 0, err
	}
	return 0, t.Kernel().VFS().ChdirAt(t.Ctx(), p, path, 0)
}

func sysFchdir(t *task.Task, fd int32) (uint64, error) {
	return 0, onFD(t, fd, func(p vfs.Path) error {
		return t.Kernel().VFS().ChdirAt(t.Ctx(), p, "", linux.AT_EMPTY_PATH)
	})
}

func sysChroot(t *task.Task, addr uint64) (uint64, error) {
	p, path, err := at(t, linux.AT_FDCWD, addr)
	if err != nil {
		return 0, err
	}
	return 0, t.Kernel().VFS().ChrootAt(t.Ctx(), p, path)
}

// onFD calls fn with the place of a descriptor, O_PATH ones included.
func onFD(t *task.Task, fd int32, fn func(p vfs.Path) error) error {
	f, err := t.FDs().GetAny(fd)
	if err != nil {
		return err
	}
	defer f.DecRef()
	return fn(f.Path)
}

// onOpenFD is onFD for calls that an O_PATH descriptor is not good for.
func onOpenFD(t *task.Task, fd int32, fn func(p vfs.Path) error) error {
	f, err := t.FDs().Get(fd)
	if err != nil {
		return err
	}
	defer f.DecRef()
	return fn(f.Path)
}
