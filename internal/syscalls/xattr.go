package syscalls

import (
	"strings"

	"sentinel/internal/abi/linux"
	"sentinel/internal/task"
	"sentinel/internal/usermem"
	"sentinel/internal/vfs"
)

// Limits of xattr(7).
const (
	xattrNameMax = 255
	xattrSizeMax = 65536
)

// xattrPath walks to the file of a path.
func xattrPath(t *task.Task, addr uint64, flags uint32) (vfs.Path, error) {
	p, path, err := at(t, linux.AT_FDCWD, addr)
	if err != nil {
		return p, err
	}
	return t.Kernel().VFS().Lookup(t.Ctx(), p, path, flags)
}

// xattrTarget finds what an attribute is of, and calls fn. The other arguments
// are checked before (since Linux 6.13).
type xattrTarget func(t *task.Task, fn func(p vfs.Path) error) error

func xattrAt(addr uint64, flags uint32) xattrTarget {
	return func(t *task.Task, fn func(p vfs.Path) error) error {
		p, err := xattrPath(t, addr, flags)
		if err != nil {
			return err
		}
		return fn(p)
	}
}

func xattrFD(fd int32) xattrTarget {
	return func(t *task.Task, fn func(p vfs.Path) error) error { return onOpenFD(t, fd, fn) }
}

func xattrName(t *task.Task, addr uint64) (string, error) {
	s, err := usermem.CopyInString(t.Mem(), addr, xattrNameMax+1)
	if err == linux.ENAMETOOLONG || err == nil && s == "" {
		return "", linux.ERANGE
	}
	return s, err
}

func setxattr(t *task.Task, on xattrTarget, nameAddr, value, size uint64, flags uint32) error {
	if flags&^(linux.XATTR_CREATE|linux.XATTR_REPLACE) != 0 {
		return linux.EINVAL
	}
	name, err := xattrName(t, nameAddr)
	if err != nil {
		return err
	}
	if size > xattrSizeMax {
		return linux.E2BIG
	}
	v, err := usermem.CopyInBytes(t.Mem(), value, int(size))
	if err != nil {
		return err
	}
	return on(t, func(p vfs.Path) error { return t.Kernel().VFS().Setxattr(t.Ctx(), p, name, v, flags) })
}

func sysSetxattr(t *task.Task, path, name, value, size uint64, flags uint32) (uint64, error) {
	return 0, setxattr(t, xattrAt(path, 0), name, value, size, flags)
}

func sysLsetxattr(t *task.Task, path, name, value, size uint64, flags uint32) (uint64, error) {
	return 0, setxattr(t, xattrAt(path, linux.AT_SYMLINK_NOFOLLOW), name, value, size, flags)
}

func sysFsetxattr(t *task.Task, fd int32, name, value, size uint64, flags uint32) (uint64, error) {
	return 0, setxattr(t, xattrFD(fd), name, value, size, flags)
}

// copyOutSized copies b out unless size is 0, which asks for the length only.
func copyOutSized(t *task.Task, b []byte, addr, size uint64) (uint64, error) {
	if size == 0 {
		return uint64(len(b)), nil
	}
	if uint64(len(b)) > size {
		return 0, linux.ERANGE
	}
	_, err := t.Mem().CopyOut(addr, b)
	return uint64(len(b)), err
}

func getxattr(t *task.Task, on xattrTarget, nameAddr, value, size uint64) (uint64, error) {
	name, err := xattrName(t, nameAddr)
	if err != nil {
		return 0, err
	}
	var v []byte
	err = on(t, func(p vfs.Path) (err error) {
		v, err = t.Kernel().VFS().Getxattr(t.Ctx(), p, name)
		return err
	})
	if err != nil {
		return 0, err
	}
	return copyOutSized(t, v, value, size)
}

func sysGetxattr(t *task.Task, path, name, value, size uint64) (uint64, error) {
	return getxattr(t, xattrAt(path, 0), name, value, size)
}

func sysLgetxattr(t *task.Task, path, name, value, size uint64) (uint64, error) {
	return getxattr(t, xattrAt(path, linux.AT_SYMLINK_NOFOLLOW), name, value, size)
}

func sysFgetxattr(t *task.Task, fd int32, name, value, size uint64) (uint64, error) {
	return getxattr(t, xattrFD(fd), name, value, size)
}

func listxattr(t *task.Task, p vfs.Path, list, size uint64) (uint64, error) {
	names, err := t.Kernel().VFS().Listxattr(t.Ctx(), p)
	if err != nil {
		return 0, err
	}
	var b strings.Builder
	for _, n := range names {
		b.WriteString(n)
		b.WriteByte(0)
	}
	return copyOutSized(t, []byte(b.String()), list, size)
}

func sysListxattr(t *task.Task, path, list, size uint64) (uint64, error) {
	p, err := xattrPath(t, path, 0)
	if err != nil {
		return 0, err
	}
	return listxattr(t, p, list, size)
}

func sysLlistxattr(t *task.Task, path, list, size uint64) (uint64, error) {
	p, err := xattrPath(t, path, linux.AT_SYMLINK_NOFOLLOW)
	if err != nil {
		return 0, err
	}
	return listxattr(t, p, list, size)
}

func sysFlistxattr(t *task.Task, fd int32, list, size uint64) (n uint64, err error) {
	err = onOpenFD(t, fd, func(p vfs.Path) error {
		n, err = listxattr(t, p, list, size)
		return err
	})
	return n, err
}

func removexattr(t *task.Task, on xattrTarget, nameAddr uint64) error {
	name, err := xattrName(t, nameAddr)
	if err != nil {
		return err
	}
	return on(t, func(p vfs.Path) error { return t.Kernel().VFS().Removexattr(t.Ctx(), p, name) })
}

func sysRemovexattr(t *task.Task, path, name uint64) (uint64, error) {
	return 0, removexattr(t, xattrAt(path, 0), name)
}

func sysLremovexattr(t *task.Task, path, name uint64) (uint64, error) {
	return 0, removexattr(t, xattrAt(path, linux.AT_SYMLINK_NOFOLLOW), name)
}

func sysFremovexattr(t *task.Task, fd int32, name uint64) (uint64, error) {
	return 0, removexattr(t, xattrFD(fd), name)
}
