package syscalls

import (
	"sentinel/internal/abi/linux"
	"sentinel/internal/task"
	"sentinel/internal/usermem"
	"sentinel/internal/vfs"
)

func sysMmap(t *task.Task, addr, length uint64, prot, flags uint32, fd int32, off uint64) (uint64, error) {
	var f *vfs.File
	if flags&linux.MAP_ANONYMOUS == 0 {
		var err error
		if f, err = t.FDs().Get(fd); err != nil {
			return 0, err
		}
		defer f.DecRef()
	}
	return t.MM().Mmap(t.Thread(), t.Ctx(), addr, length, prot, flags, f, off)
}

func sysMunmap(t *task.Task, addr, length uint64) (uint64, error) {
	return 0, t.MM().Munmap(t.Thread(), addr, length)
}

func sysMprotect(t *task.Task, addr, length uint64, prot uint32) (uint64, error) {
	return 0, t.MM().Mprotect(t.Thread(), addr, length, prot)
}

func sysMremap(t *task.Task, old, oldLen, newLen uint64, flags uint32, newAddr uint64) (uint64, error) {
	return t.MM().Mremap(t.Thread(), old, oldLen, newLen, flags, newAddr)
}

func sysBrk(t *task.Task, addr uint64) (uint64, error) {
	return t.MM().Brk(t.Thread(), addr, t.Limit(linux.RLIMIT_DATA).Cur), nil
}

func sysRemapFilePages(t *task.Task, addr, size uint64, prot uint32, pgoff uint64, flags uint32) (uint64, error) {
	return t.MM().RemapFilePages(t.Thread(), addr, size, prot, pgoff, flags)
}

// Advice that asks for more than the caller's own memory.
const (
	madvHWPoison    = 100
	madvSoftOffline = 101
)

func sysMadvise(t *task.Task, addr, length uint64, advice int32) (uint64, error) {
	switch advice {
	case madvHWPoison, madvSoftOffline:
		return 0, linux.EPERM
	}
	return t.MM().RangeCall(t.Thread(), linux.SYS_MADVISE, addr, length, uint64(uint32(advice)))
}

func sysMsync(t *task.Task, addr, length uint64, flags int32) (uint64, error) {
	return t.MM().RangeCall(t.Thread(), linux.SYS_MSYNC, addr, length, uint64(uint32(flags)))
}

func sysMincore(t *task.Task, addr, length, vec uint64) (uint64, error) {
	return t.MM().RangeCall(t.Thread(), linux.SYS_MINCORE, addr, length, vec)
}

// checkLock checks what mlock(2) checks. Pages are not locked: the host's limit
// on locked memory is not the guest's to use.
func checkLock(t *task.Task, addr, length uint64) error {
	start := addr &^ (usermem.PageSize - 1)
	length = (length + addr - start + usermem.PageSize - 1) &^ (usermem.PageSize - 1)
	if length == 0 {
		return nil
	}
	if t.Limit(linux.RLIMIT_MEMLOCK).Cur < length && !t.Cred().Has(14) { // CAP_IPC_LOCK
		return linux.ENOMEM
	}
	// msync without a flag that writes finds holes in the range.
	_, err := t.MM().RangeCall(t.Thread(), linux.SYS_MSYNC, start, length, linux.MS_ASYNC)
	return err
}

func sysMlock(t *task.Task, addr, length uint64) (uint64, error) {
	return 0, checkLock(t, addr, length)
}

func sysMlock2(t *task.Task, addr, length uint64, flags uint32) (uint64, error) {
	if flags&^1 != 0 { // MLOCK_ONFAULT
		return 0, linux.EINVAL
	}
	return 0, checkLock(t, addr, length)
}

func sysMunlock(t *task.Task, addr, length uint64) (uint64, error) {
	return 0, checkLock(t, addr, length)
}

func sysMlockall(t *task.Task, flags uint32) (uint64, error) {
	if flags == 0 || flags&^(linux.MCL_CURRENT|linux.MCL_FUTURE|linux.MCL_ONFAULT) != 0 || flags == linux.MCL_ONFAULT {
		return 0, linux.EINVAL
	}
	return 0, nil
}

func sysMunlockall(t *task.Task) (uint64, error) { return 0, nil }
