package syscalls

import (
	"sentinel/internal/abi/linux"
	"sentinel/internal/task"
	"sentinel/internal/vfs"
)

// sysInotifyInit implements inotify_init(2).
func sysInotifyInit(t *task.Task) (uint64, error) { return sysInotifyInit1(t, 0) }

// sysInotifyInit1 implements inotify_init1(2).
func sysInotifyInit1(t *task.Task, flags uint32) (uint64, error) {
	if flags&^(linux.IN_CLOEXEC|linux.IN_NONBLOCK) != 0 {
		return 0, linux.EINVAL
	}
	f, err := t.Kernel().VFS().NewInotify(t.Ctx(), flags&linux.IN_NONBLOCK)
	if err != nil {
		return 0, err
	}
	fd, err := t.FDs().Install(f, flags&linux.IN_CLOEXEC != 0)
	return uint64(fd), err
}

// sysInotifyAddWatch implements inotify_add_watch(2).
func sysInotifyAddWatch(t *task.Task, fd int32, path uint64, mask uint32) (uint64, error) {
	if mask == 0 {
		return 0, linux.EINVAL
	}
	f, err := t.FDs().Get(fd)
	if err != nil {
		return 0, err
	}
	defer f.DecRef()
	base, name, err := at(t, linux.AT_FDCWD, path)
	if err != nil {
		return 0, err
	}
	flags := uint32(0)
	if mask&linux.IN_DONT_FOLLOW != 0 {
		flags = linux.AT_SYMLINK_NOFOLLOW
	}
	p, err := t.Kernel().VFS().Lookup(t.Ctx(), base, name, flags)
	if err != nil {
		return 0, err
	}
	wd, err := vfs.InotifyAdd(t.Ctx(), f, p, mask)
	return uint64(wd), err
}

// sysInotifyRmWatch implements inotify_rm_watch(2).
func sysInotifyRmWatch(t *task.Task, fd, wd int32) (uint64, error) {
	f, err := t.FDs().Get(fd)
	if err != nil {
		return 0, err
	}
	defer f.DecRef()
	return 0, vfs.InotifyRemove(f, wd)
}
