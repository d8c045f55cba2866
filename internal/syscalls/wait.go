package syscalls

import (
	"sentinel/internal/abi/linux"
	"sentinel/internal/pidfd"
	"sentinel/internal/task"
	"sentinel/internal/usermem"
)

func sysWait4(t *task.Task, pid int32, status uint64, options int32, rusage uint64) (uint64, error) {
	if uint32(options)&^(linux.WNOHANG|linux.WUNTRACED|linux.WCONTINUED|linux.WNOTHREAD|linux.WCLONE|linux.WALL) != 0 {
		return 0, linux.EINVAL
	}
	w := task.WaitFor{Options: int(uint32(options)) | linux.WEXITED}
	switch {
	case pid == -1<<31:
		return 0, linux.ESRCH
	case pid > 0:
		w.PID = pid
	case pid == 0:
		w.PGID, _ = t.Getpgid(0)
	case pid < -1:
		w.PGID = -pid
	}
	got, err := t.Wait(w)
	if err != nil || got.PID == 0 {
		return 0, err
	}
	if status != 0 {
		v := uint32(got.Status)
		if err := usermem.CopyOutObjectLast(t.Mem(), status, &v); err != nil {
			return 0, err
		}
	}
	if rusage != 0 {
		ru := rusageOf(got.Times, got.MaxRSS())
		if err := usermem.CopyOutObjectLast(t.Mem(), rusage, &ru); err != nil {
			return 0, err
		}
	}
	return uint64(got.PID), nil
}

func sysWaitid(t *task.Task, which, pid int32, infop uint64, options int32, rusage uint64) (uint64, error) {
	o := int(uint32(options))
	if o&^(linux.WNOHANG|linux.WNOWAIT|linux.WEXITED|linux.WSTOPPED|linux.WCONTINUED|linux.WNOTHREAD|linux.WCLONE|linux.WALL) != 0 ||
		o&(linux.WEXITED|linux.WSTOPPED|linux.WCONTINUED) == 0 {
		return 0, linux.EINVAL
	}
	w := task.WaitFor{Options: o}
	switch which {
	case linux.P_ALL:
	case linux.P_PID:
		if pid <= 0 {
			return 0, linux.EINVAL
		}
		w.PID = pid
	case linux.P_PGID:
		if pid < 0 {
			return 0, linux.EINVAL
		}
		if pid == 0 {
			pid, _ = t.Getpgid(0)
		}
		w.PGID = pid
	case linux.P_PIDFD:
		f, err := t.FDs().Get(pid)
		if err != nil {
			return 0, err
		}
		g, nonblock := pidfd.Of(f), f.NonBlocking()
		f.DecRef()
		if g == nil {
			return 0, linux.EBADF
		}
		w.PID = g.PID()
		if nonblock && o&linux.WNOHANG == 0 {
			w.Options |= linux.WNOHANG
			got, err := t.Wait(w)
			if err == nil && got.PID == 0 {
				return 0, linux.EAGAIN
			}
			return waitidOut(t, got, err, infop, rusage)
		}
	default:
		return 0, linux.EINVAL
	}
	got, err := t.Wait(w)
	return waitidOut(t, got, err, infop, rusage)
}

// waitInfo is the part of siginfo_t that waitid(2) fills.
type waitInfo struct {
	Signo, Errno, Code, _ int32
	PID                   int32
	UID                   uint32
	Status                int32
}

func waitidOut(t *task.Task, got task.Waited, err error, infop, rusage uint64) (uint64, error) {
	if err != nil {
		return 0, err
	}
	if rusage != 0 && got.PID != 0 {
		ru := rusageOf(got.Times, got.MaxRSS())
		if err := usermem.CopyOutObject(t.Mem(), rusage, &ru); err != nil {
			return 0, err
		}
	}
	if infop != 0 {
		var i waitInfo
		if got.PID != 0 {
			i = waitInfo{Signo: 17, Code: got.Code, PID: got.PID, UID: got.UID, Status: got.SigValue}
		}
		if err := usermem.CopyOutObject(t.Mem(), infop, &i); err != nil {
			return 0, err
		}
	}
	return 0, nil
}
