package syscalls

import (
	"sentinel/internal/abi/linux"
	"sentinel/internal/ktime"
	"sentinel/internal/platform"
	"sentinel/internal/task"
	"sentinel/internal/usermem"
)

// futexWaitv is struct futex_waitv.
type futexWaitv struct {
	Val, Addr  uint64
	Flags, Pad uint32
}

const (
	maxFutexWaitv = 128
	futex2Size32  = 2
)

// sysFutexWaitv implements futex_waitv(2) by the host, like futex(2).
func sysFutexWaitv(t *task.Task, waiters uint64, n, flags uint32, timeout uint64, clock int32) (uint64, error) {
	if flags != 0 || n == 0 || n > maxFutexWaitv || waiters == 0 {
		return 0, linux.EINVAL
	}
	if timeout != 0 {
		if clock != linux.CLOCK_MONOTONIC && clock != linux.CLOCK_REALTIME {
			return 0, linux.EINVAL
		}
		var ts linux.Timespec
		if err := usermem.CopyInObject(t.Mem(), timeout, &ts); err != nil {
			return 0, err
		}
		if !ktime.Valid(ts) {
			return 0, linux.EINVAL
		}
	}
	ws := make([]futexWaitv, n)
	if err := usermem.CopyInSlice(t.Mem(), waiters, ws); err != nil {
		return 0, err
	}
	for i := range ws {
		if w := &ws[i]; w.Flags&^(futex2Size32|futexPrivate) != 0 || w.Flags&futex2Size32 == 0 || w.Pad != 0 {
			return 0, linux.EINVAL
		}
	}
	// The time is absolute, so that the call can be made again as it is.
	return t.FutexWait(platform.HostCall{
		Nr: linux.SYS_FUTEX_WAITV, Args: [6]uint64{waiters, uint64(n), 0, timeout, uint64(uint32(clock))},
	})
}
