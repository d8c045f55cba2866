package syscalls

import (
	"sentinel/internal/abi/linux"
	"sentinel/internal/cred"
	"sentinel/internal/pidfd"
	"sentinel/internal/signal"
	"sentinel/internal/task"
)

// sysPidfdOpen implements pidfd_open(2). PIDFD_THREAD is not supported.
func sysPidfdOpen(t *task.Task, pid int32, flags uint32) (uint64, error) {
	if flags&^linux.O_NONBLOCK != 0 || pid <= 0 {
		return 0, linux.EINVAL
	}
	g := t.Kernel().ThreadGroup(pid)
	if g == nil {
		if t.Kernel().Task(pid) != nil {
			return 0, linux.EINVAL // a thread that is no leader
		}
		return 0, linux.ESRCH
	}
	fd, err := installPIDFD(t, g, flags)
	return uint64(fd), err
}

// sysPidfdSendSignal implements pidfd_send_signal(2).
func sysPidfdSendSignal(t *task.Task, fd, sig int32, info uint64, flags uint32) (uint64, error) {
	if flags != 0 {
		return 0, linux.EINVAL
	}
	g, _, err := pidfdTarget(t, fd)
	if err != nil {
		return 0, err
	}
	if sig < 0 || sig > signal.Max {
		return 0, linux.EINVAL
	}
	si := t.UserInfo(int(sig), signal.SIUser)
	if info != 0 {
		var raw [signal.Size]byte
		if _, err := t.Mem().CopyIn(info, raw[:]); err != nil {
			return 0, err
		}
		si = signal.Unmarshal(&raw)
		if si.Signo != sig {
			return 0, linux.EINVAL
		}
		if (si.Code >= 0 || si.Code == signal.SITkill) && g != t.ThreadGroup() {
			return 0, linux.EPERM
		}
	}
	if g.Reaped() {
		return 0, linux.ESRCH
	}
	return 0, t.Kill(g.PID(), si)
}

// sysPidfdGetfd implements pidfd_getfd(2).
func sysPidfdGetfd(t *task.Task, fd, target int32, flags uint32) (uint64, error) {
	if flags != 0 {
		return 0, linux.EINVAL
	}
	g, _, err := pidfdTarget(t, fd)
	if err != nil {
		return 0, err
	}
	leader := g.Leader()
	if leader == nil || g.Zombie() {
		return 0, linux.ESRCH
	}
	if g != t.ThreadGroup() && !mayAttach(t.Cred(), leader.Cred()) {
		return 0, linux.EPERM
	}
	fds := leader.FDs()
	if fds == nil {
		return 0, linux.ESRCH
	}
	f, err := fds.GetAny(target)
	if err != nil {
		return 0, err
	}
	n, err := t.FDs().Install(f, true)
	return uint64(n), err
}

// mayAttach is __ptrace_may_access with PTRACE_MODE_ATTACH_REALCREDS.
func mayAttach(c, target *cred.Cred) bool {
	same := c.UID == target.EUID && c.UID == target.SUID && c.UID == target.UID &&
		c.GID == target.EGID && c.GID == target.SGID && c.GID == target.GID
	return (same && target.Permitted&^c.Permitted == 0) || c.Has(cred.CapSysPtrace)
}

// installPIDFD makes a descriptor of g.
func installPIDFD(t *task.Task, g *task.ThreadGroup, flags uint32) (int32, error) {
	return t.FDs().Install(pidfd.New(g, flags), true)
}

// pidfdTarget returns the process of descriptor fd, and whether it is
// non-blocking, for waitid(2).
func pidfdTarget(t *task.Task, fd int32) (*task.ThreadGroup, bool, error) {
	f, err := t.FDs().Get(fd)
	if err != nil {
		return nil, false, err
	}
	defer f.DecRef()
	g := pidfd.Of(f)
	if g == nil {
		return nil, false, linux.EBADF
	}
	return g, f.NonBlocking(), nil
}
