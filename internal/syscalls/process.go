package syscalls

import (
	"sentinel/internal/abi/linux"
	"sentinel/internal/pidfd"
	"sentinel/internal/signal"
	"sentinel/internal/task"
	"sentinel/internal/usermem"
	"sentinel/internal/vfs"
)

// newPIDFD makes the descriptor that CLONE_PIDFD returns.
func newPIDFD(t *task.Task) func(g *task.ThreadGroup) (int32, error) {
	return func(g *task.ThreadGroup) (int32, error) {
		return t.FDs().Install(pidfd.New(g, 0), true)
	}
}

func sysFork(t *task.Task) (uint64, error) {
	return t.Clone(task.CloneArgs{ExitSignal: signal.SIGCHLD}, nil)
}

func sysVfork(t *task.Task) (uint64, error) {
	return t.Clone(task.CloneArgs{Flags: linux.CLONE_VM | linux.CLONE_VFORK, ExitSignal: signal.SIGCHLD}, nil)
}

func sysClone(t *task.Task, flags, stack, ptid, ctid, tls uint64) (uint64, error) {
	a := task.CloneArgs{
		Flags: flags &^ linux.CSIGNAL & 0xffffffff, ExitSignal: int(flags & linux.CSIGNAL),
		Stack: stack, ParentTID: ptid, ChildTID: ctid, TLS: tls, PIDFD: ptid,
	}
	if a.Flags&linux.CLONE_PIDFD != 0 && a.Flags&linux.CLONE_PARENT_SETTID != 0 {
		return 0, linux.EINVAL
	}
	return t.Clone(a, newPIDFD(t))
}

// cloneArgs is struct clone_args of clone3(2).
type cloneArgs struct {
	Flags, PIDFD, ChildTID, ParentTID, ExitSignal, Stack, StackSize, TLS, SetTID, SetTIDSize, Cgroup uint64
}

const cloneArgsSizeVer0 = 64

func sysClone3(t *task.Task, addr, size uint64) (uint64, error) {
	var ca cloneArgs
	if err := copyInExtensible(t, addr, size, cloneArgsSizeVer0, usermem.AsBytes(&ca)); err != nil {
		return 0, err
	}
	const known = 0x7ffffffff &^ linux.CSIGNAL
	switch {
	case ca.Flags&^known != 0, ca.Flags&(linux.CLONE_DETACHED) != 0,
		ca.ExitSignal&^linux.CSIGNAL != 0,
		ca.Flags&(linux.CLONE_THREAD|linux.CLONE_PARENT) != 0 && ca.ExitSignal != 0,
		(ca.Stack == 0) != (ca.StackSize == 0),
		(ca.SetTID == 0) != (ca.SetTIDSize == 0), ca.SetTIDSize > 32:
		return 0, linux.EINVAL
	}
	if ca.Flags&linux.CLONE_INTO_CGROUP != 0 {
		return 0, linux.EBADF
	}
	a := task.CloneArgs{
		Flags: ca.Flags, PIDFD: ca.PIDFD, ChildTID: ca.ChildTID, ParentTID: ca.ParentTID,
		ExitSignal: int(ca.ExitSignal), TLS: ca.TLS, SetTID: make([]int32, ca.SetTIDSize),
	}
	if ca.Stack != 0 {
		a.Stack = ca.Stack + ca.StackSize
	}
	return t.Clone(a, newPIDFD(t))
}

// copyInExtensible copies a structure whose size the caller gives, as
// copy_struct_from_user does: what is unknown must be zero.
func copyInExtensible(t *task.Task, addr, size, least uint64, dst []byte) error {
	if size < least {
		return linux.EINVAL
	}
	if size > usermem.PageSize {
		return linux.E2BIG
	}
	b, err := usermem.CopyInBytes(t.Mem(), addr, int(size))
	if err != nil {
		return err
	}
	n := copy(dst, b)
	for _, c := range b[n:] {
		if c != 0 {
			return linux.E2BIG
		}
	}
	return nil
}

func sysExit(t *task.Task, code int32) (uint64, error) {
	t.Exit(int(code))
	return 0, nil
}

func sysExitGroup(t *task.Task, code int32) (uint64, error) {
	t.ExitGroup(int(code))
	return 0, nil
}

// Limits of execve(2).
const (
	maxArgStrLen = 32 * usermem.PageSize // MAX_ARG_STRLEN
	maxArgBytes  = 6 << 20               // three quarters of _STK_LIM
)

// copyInStrings reads a NULL-terminated array of strings.
func copyInStrings(t *task.Task, m usermem.Memory, addr uint64, total *int) ([]string, error) {
	if addr == 0 {
		return nil, nil
	}
	limit := min(maxArgBytes, int(min(t.Limit(linux.RLIMIT_STACK).Cur/4, maxArgBytes)))
	limit = max(limit, maxArgStrLen)
	var out []string
	var ptrs [64]uint64
	for {
		n := len(ptrs)
		// Read to the end of a page at most, so as not to fault past the end.
		n = min(n, int((usermem.PageSize-addr%usermem.PageSize)/8))
		if n == 0 {
			n = 1
		}
		if err := usermem.CopyInSlice(m, addr, ptrs[:n]); err != nil {
			return nil, err
		}
		for _, p := range ptrs[:n] {
			if p == 0 {
				return out, nil
			}
			s, err := usermem.CopyInString(m, p, maxArgStrLen)
			if err == linux.ENAMETOOLONG {
				return nil, linux.E2BIG
			}
			if err != nil {
				return nil, err
			}
			*total += len(s) + 1 + 8
			if *total > limit {
				return nil, linux.E2BIG
			}
			out = append(out, s)
		}
		addr += uint64(n) * 8
	}
}

func sysExecve(t *task.Task, path, argv, envp uint64) (uint64, error) {
	return execveat(t, linux.AT_FDCWD, path, argv, envp, 0)
}

func sysExecveat(t *task.Task, dirfd int32, path, argv, envp uint64, flags int32) (uint64, error) {
	return execveat(t, dirfd, path, argv, envp, flags)
}

func execveat(t *task.Task, dirfd int32, pathAddr, argvAddr, envpAddr uint64, flags int32) (uint64, error) {
	if flags&^(linux.AT_EMPTY_PATH|linux.AT_SYMLINK_NOFOLLOW) != 0 {
		return 0, linux.EINVAL
	}
	path, err := usermem.CopyInPath(t.Mem(), pathAddr)
	if err != nil {
		return 0, err
	}
	total := 0
	text := usermem.Paged{M: t.Mem()} // strings and pointers to them lie side by side
	argv, err := copyInStrings(t, &text, argvAddr, &total)
	if err != nil {
		return 0, err
	}
	envv, err := copyInStrings(t, &text, envpAddr, &total)
	if err != nil {
		return 0, err
	}
	a := task.ExecArgs{Filename: path, Argv: argv, Envv: envv}
	var at vfs.Path
	if dirfd != linux.AT_FDCWD && (path == "" || path[0] != '/') {
		f, err := t.FDs().GetAny(dirfd)
		if err != nil {
			return 0, err
		}
		defer f.DecRef()
		at = f.Path
		a.Filename = "/dev/fd/" + itoa(int(dirfd))
		if path != "" {
			a.Filename += "/" + path
		}
		cloexec, _ := t.FDs().Cloexec(dirfd)
		a.Inaccessible = cloexec
	}
	if a.File, err = t.Kernel().VFS().OpenExec(t.Ctx(), at, path, uint32(flags)); err != nil {
		return 0, err
	}
	if err := t.Exec(a); err != nil {
		return 0, err
	}
	return 0, task.KeepRegs
}

func itoa(n int) string {
	if n < 0 {
		return "-" + itoa(-n)
	}
	if n < 10 {
		return string(rune('0' + n))
	}
	return itoa(n/10) + string(rune('0'+n%10))
}

func sysGetpid(t *task.Task) (uint64, error)  { return uint64(t.PID()), nil }
func sysGettid(t *task.Task) (uint64, error)  { return uint64(t.TID()), nil }
func sysGetppid(t *task.Task) (uint64, error) { return uint64(t.ThreadGroup().PPID()), nil }

func sysGetpgrp(t *task.Task) (uint64, error) {
	id, err := t.Getpgid(0)
	return uint64(id), err
}

func sysGetpgid(t *task.Task, pid int32) (uint64, error) {
	id, err := t.Getpgid(pid)
	return uint64(id), err
}

func sysSetpgid(t *task.Task, pid, pgid int32) (uint64, error) { return 0, t.Setpgid(pid, pgid) }

func sysGetsid(t *task.Task, pid int32) (uint64, error) {
	id, err := t.Getsid(pid)
	return uint64(id), err
}

func sysSetsid(t *task.Task) (uint64, error) {
	id, err := t.Setsid()
	return uint64(id), err
}

func sysSetTidAddress(t *task.Task, addr uint64) (uint64, error) {
	return uint64(t.TID()), t.Thread().SetClearTID(addr)
}

func sysUnshare(t *task.Task, flags uint64) (uint64, error) {
	const supported = linux.CLONE_FS | linux.CLONE_FILES | linux.CLONE_SYSVSEM | linux.CLONE_THREAD | linux.CLONE_SIGHAND | linux.CLONE_VM
	if flags&^supported != 0 {
		if flags&^(supported|task.CloneNamespaces) != 0 {
			return 0, linux.EINVAL
		}
		return refuse(t, "unshare", linux.EPERM)
	}
	if flags&(linux.CLONE_THREAD|linux.CLONE_SIGHAND|linux.CLONE_VM) != 0 && len(t.ThreadGroup().Tasks()) > 1 {
		return 0, linux.EINVAL
	}
	if f := t.FS(); flags&linux.CLONE_FS != 0 && f.Users() > 1 {
		t.SetFS(f.Fork())
		f.DropUser()
	}
	if f := t.FDs(); flags&linux.CLONE_FILES != 0 && f.Users() > 1 {
		g := t.ThreadGroup()
		ctx := *t.Ctx()
		n := f.Fork()
		n.SetLimit(func() uint64 { return g.Limit(linux.RLIMIT_NOFILE).Cur })
		t.SetFDs(n)
		f.DropUser(&ctx)
	}
	return 0, nil
}
