package syscalls

import (
	"sentinel/internal/abi/linux"
	"sentinel/internal/host"
	"sentinel/internal/ktime"
	"sentinel/internal/platform"
	"sentinel/internal/task"
	"sentinel/internal/usermem"
)

// Futex operations of include/uapi/linux/futex.h.
const (
	futexWait          = 0
	futexWake          = 1
	futexRequeue       = 3
	futexCmpRequeue    = 4
	futexWakeOp        = 5
	futexWaitBitset    = 9
	futexWakeBitset    = 10
	futexPrivate       = 128
	futexClockRealtime = 256
	futexMatchAny      = 0xffffffff
)

// sysFutex has the host do it, on the guest's own memory: a futex has no name.
// Priority inheritance would need the host's thread ids, which the guest does
// not know.
func sysFutex(t *task.Task, uaddr uint64, op, val uint32, timeout, uaddr2 uint64, val3 uint32) (uint64, error) {
	cmd := op &^ (futexPrivate | futexClockRealtime)
	call := platform.HostCall{Nr: linux.SYS_FUTEX, Args: [6]uint64{uaddr, uint64(op), uint64(val), timeout, uaddr2, uint64(val3)}}
	switch cmd {
	case futexWake, futexWakeBitset, futexRequeue, futexCmpRequeue, futexWakeOp:
		return t.Thread().Call(call)
	case futexWait, futexWaitBitset:
	default:
		return 0, linux.ENOSYS
	}
	if timeout == 0 {
		return t.FutexWait(call)
	}
	var ts linux.Timespec
	if err := usermem.CopyInObject(t.Mem(), timeout, &ts); err != nil {
		return 0, err
	}
	if cmd == futexWaitBitset {
		// An absolute time needs no care when the wait is made again.
		if !ktime.Valid(ts) {
			return 0, linux.EINVAL
		}
		return timedWait(t, call)
	}
	d, err := ktime.Duration(ts)
	if err != nil {
		return 0, err
	}
	now := linux.Timespec{}
	ns := host.Monotonic()
	now.Sec, now.Nsec = ns/1e9, ns%1e9
	until := linux.Timespec{Sec: now.Sec + int64(d)/1e9, Nsec: now.Nsec + int64(d)%1e9}
	if until.Nsec >= 1e9 {
		until.Sec, until.Nsec = until.Sec+1, until.Nsec-1e9
	}
	if d == ktime.Forever {
		until = linux.Timespec{Sec: ktime.SecMax}
	}
	return waitUntil(t, call, until)
}

// timedWait is a wait with an absolute time, which a handler ends with EINTR in
// any case.
func timedWait(t *task.Task, call platform.HostCall) (uint64, error) {
	ret, err := t.FutexWait(call)
	if err == linux.ERESTARTSYS {
		t.SetRestart(func(t *task.Task) (uint64, error) { return timedWait(t, call) })
		return 0, linux.ERESTART_RESTARTBLOCK
	}
	return ret, err
}

// waitUntil is a wait with an absolute monotonic time, which stands in the
// thread's scratch memory.
func waitUntil(t *task.Task, call platform.HostCall, until linux.Timespec) (uint64, error) {
	at := t.Thread().Scratch()
	if err := usermem.CopyOutObject(t.Mem(), at, &until); err != nil {
		return 0, err
	}
	c := call
	c.Args[1] = futexWaitBitset | call.Args[1]&futexPrivate
	c.Args[3], c.Args[5] = at, futexMatchAny
	ret, err := t.FutexWait(c)
	if err == linux.ERESTARTSYS {
		t.SetRestart(func(t *task.Task) (uint64, error) { return waitUntil(t, call, until) })
		return 0, linux.ERESTART_RESTARTBLOCK
	}
	return ret, err
}

func sysSetRobustList(t *task.Task, head, size uint64) (uint64, error) {
	return 0, t.SetRobustList(head, size)
}

func sysGetRobustList(t *task.Task, pid int32, headp, sizep uint64) (uint64, error) {
	x := t
	if pid != 0 {
		if x = t.Kernel().Task(pid); x == nil {
			return 0, linux.ESRCH
		}
		if !t.MayTrace(x) {
			return 0, linux.EPERM
		}
	}
	size := uint64(24)
	if err := usermem.CopyOutObject(t.Mem(), sizep, &size); err != nil {
		return 0, err
	}
	head := x.RobustList()
	return 0, usermem.CopyOutObjectLast(t.Mem(), headp, &head)
}

// Commands of membarrier(2).
const (
	membarrierQuery      = 0
	membarrierGlobal     = 1
	membarrierRegGlobal  = 4
	membarrierKnown      = 0x1ff
	membarrierSyncCore   = 32 | 64
	membarrierRegistered = 512
)

// sysMembarrier has the host do it. Registration takes a grace period of the
// host's, which is the caller's own affair.
func sysMembarrier(t *task.Task, cmd, flags uint32, cpu int32) (uint64, error) {
	if cmd&^(membarrierKnown|membarrierRegistered) != 0 {
		return 0, linux.EINVAL
	}
	return t.Thread().Call(platform.HostCall{Nr: linux.SYS_MEMBARRIER, Args: [6]uint64{uint64(cmd), uint64(flags), uint64(uint32(cpu))}})
}

// sysRseq registers the host's restartable sequences: they concern the thread
// and its own memory only.
func sysRseq(t *task.Task, addr uint64, size, flags, sig uint32) (uint64, error) {
	return t.Thread().Call(platform.HostCall{Nr: linux.SYS_RSEQ, Args: [6]uint64{addr, uint64(size), uint64(flags), uint64(sig)}})
}
