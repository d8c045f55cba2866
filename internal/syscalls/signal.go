package syscalls

import (
	"time"

	"sentinel/internal/abi/linux"
	"sentinel/internal/arch"
	"sentinel/internal/ktime"
	"sentinel/internal/signal"
	"sentinel/internal/task"
	"sentinel/internal/usermem"
)

// sigaction is struct sigaction of the kernel.
type sigaction struct{ Handler, Flags, Restorer, Mask uint64 }

func sysRtSigaction(t *task.Task, sig int32, act, old, size uint64) (uint64, error) {
	if size != 8 {
		return 0, linux.EINVAL
	}
	var n *task.SigAction
	if act != 0 {
		var a sigaction
		if err := usermem.CopyInObject(t.Mem(), act, &a); err != nil {
			return 0, err
		}
		n = &task.SigAction{Handler: a.Handler, Flags: a.Flags, Restorer: a.Restorer, Mask: signal.Set(a.Mask)}
	}
	o, err := t.Action(int(sig), n)
	if err != nil || old == 0 {
		return 0, err
	}
	a := sigaction{o.Handler, o.Flags, o.Restorer, uint64(o.Mask)}
	return 0, usermem.CopyOutObjectLast(t.Mem(), old, &a)
}

func sysRtSigprocmask(t *task.Task, how int32, set, old, size uint64) (uint64, error) {
	if size != 8 {
		return 0, linux.EINVAL
	}
	cur := t.SignalMask()
	if set != 0 {
		s, err := copyInSigset(t, set, size)
		if err != nil {
			return 0, err
		}
		switch how {
		case 0: // SIG_BLOCK
			s = cur | s
		case 1: // SIG_UNBLOCK
			s = cur &^ s
		case 2: // SIG_SETMASK
		default:
			return 0, linux.EINVAL
		}
		t.SetSignalMask(s)
	}
	if old != 0 {
		v := uint64(cur)
		return 0, usermem.CopyOutObjectLast(t.Mem(), old, &v)
	}
	return 0, nil
}

// copyInSigset reads a signal set of the only size there is.
func copyInSigset(t *task.Task, addr, size uint64) (signal.Set, error) {
	if size != 8 {
		return 0, linux.EINVAL
	}
	var v uint64
	if err := usermem.CopyInObject(t.Mem(), addr, &v); err != nil {
		return 0, err
	}
	return signal.Set(v) &^ signal.Unblockable, nil
}

func sysRtSigreturn(t *task.Task) (uint64, error) { return t.Sigreturn() }

func sysRtSigpending(t *task.Task, set, size uint64) (uint64, error) {
	if size > 8 {
		return 0, linux.EINVAL
	}
	v := uint64(t.PendingSignals())
	_, err := t.Mem().CopyOut(set, usermem.AsBytes(&v)[:size])
	return 0, err
}

func sysRtSigsuspend(t *task.Task, set, size uint64) (uint64, error) {
	s, err := copyInSigset(t, set, size)
	if err != nil {
		return 0, err
	}
	t.SetTempSignalMask(s)
	t.BlockUntil(nil, 0, time.Time{}, nil)
	return 0, linux.ERESTARTNOHAND
}

func sysPause(t *task.Task) (uint64, error) {
	t.BlockUntil(nil, 0, time.Time{}, nil)
	return 0, linux.ERESTARTNOHAND
}

func sysRtSigtimedwait(t *task.Task, set, infop, timeout, size uint64) (uint64, error) {
	s, err := copyInSigset(t, set, size)
	if err != nil {
		return 0, err
	}
	var deadline time.Time
	if timeout != 0 {
		var ts linux.Timespec
		if err := usermem.CopyInObject(t.Mem(), timeout, &ts); err != nil {
			return 0, err
		}
		d, err := ktime.Duration(ts)
		if err != nil {
			return 0, err
		}
		if deadline = ktime.Deadline(d); d == 0 {
			deadline = time.Unix(1, 0)
		}
	}
	info, err := t.SignalWait(s, func() error {
		return t.BlockUntil(nil, 0, deadline, func() bool { return t.HasPending(s) })
	})
	if err != nil {
		return 0, err
	}
	if infop != 0 {
		b := info.Marshal()
		if _, err := t.Mem().CopyOut(infop, b[:]); err != nil {
			return 0, err
		}
	}
	return uint64(info.Signo), nil
}

func sysKill(t *task.Task, pid, sig int32) (uint64, error) {
	if sig < 0 || sig > signal.Max {
		return 0, linux.EINVAL
	}
	return 0, t.Kill(pid, t.UserInfo(int(sig), signal.SIUser))
}

func sysTkill(t *task.Task, tid, sig int32) (uint64, error) {
	if sig < 0 || sig > signal.Max {
		return 0, linux.EINVAL
	}
	return 0, t.Tgkill(-1, tid, t.UserInfo(int(sig), signal.SITkill))
}

func sysTgkill(t *task.Task, tgid, tid, sig int32) (uint64, error) {
	if sig < 0 || sig > signal.Max || tgid <= 0 {
		return 0, linux.EINVAL
	}
	return 0, t.Tgkill(tgid, tid, t.UserInfo(int(sig), signal.SITkill))
}

// queueInfo reads the siginfo of rt_sigqueueinfo(2). A process may not forge
// what only the kernel or kill(2) says, except to itself.
func queueInfo(t *task.Task, addr uint64, sig, target int32) (signal.Info, error) {
	var b [signal.Size]byte
	if _, err := t.Mem().CopyIn(addr, b[:]); err != nil {
		return signal.Info{}, err
	}
	if sig < 0 || sig > signal.Max {
		return signal.Info{}, linux.EINVAL
	}
	i := signal.Unmarshal(&b)
	i.Signo = sig
	if (i.Code >= 0 || i.Code == signal.SITkill) && target != t.PID() {
		return signal.Info{}, linux.EPERM
	}
	return i, nil
}

func sysRtSigqueueinfo(t *task.Task, pid, sig int32, infop uint64) (uint64, error) {
	i, err := queueInfo(t, infop, sig, pid)
	if err != nil {
		return 0, err
	}
	if pid <= 0 {
		return 0, linux.ESRCH
	}
	return 0, t.Kill(pid, i)
}

func sysRtTgsigqueueinfo(t *task.Task, tgid, tid, sig int32, infop uint64) (uint64, error) {
	if tgid <= 0 || tid <= 0 {
		return 0, linux.EINVAL
	}
	i, err := queueInfo(t, infop, sig, tgid)
	if err != nil {
		return 0, err
	}
	return 0, t.Tgkill(tgid, tid, i)
}

// stackT is stack_t.
type stackT struct {
	SP    uint64
	Flags uint32
	_     uint32
	Size  uint64
}

func sysSigaltstack(t *task.Task, ss, old uint64) (uint64, error) {
	var n *arch.AltStack
	if ss != 0 {
		var s stackT
		if err := usermem.CopyInObject(t.Mem(), ss, &s); err != nil {
			return 0, err
		}
		n = &arch.AltStack{Addr: s.SP, Flags: s.Flags, Size: s.Size}
	}
	o, err := t.AltStack(n)
	if err != nil || old == 0 {
		return 0, err
	}
	s := stackT{SP: o.Addr, Flags: o.Flags, Size: o.Size}
	return 0, usermem.CopyOutObjectLast(t.Mem(), old, &s)
}

func sysRestartSyscall(t *task.Task) (uint64, error) { return t.RestartCall() }
