package syscalls

import (
	"sentinel/internal/abi/linux"
	"sentinel/internal/cred"
	"sentinel/internal/ktime"
	"sentinel/internal/task"
	"sentinel/internal/timerfd"
	"sentinel/internal/usermem"
	"sentinel/internal/vfs"
)

// sysTimerfdCreate implements timerfd_create(2).
func sysTimerfdCreate(t *task.Task, clock int32, flags uint32) (uint64, error) {
	if flags&^(linux.TFD_CLOEXEC|linux.TFD_NONBLOCK) != 0 {
		return 0, linux.EINVAL
	}
	switch clock {
	case linux.CLOCK_MONOTONIC, linux.CLOCK_REALTIME, linux.CLOCK_BOOTTIME:
	case linux.CLOCK_REALTIME_ALARM, linux.CLOCK_BOOTTIME_ALARM:
		if !t.Cred().Has(cred.CapWakeAlarm) {
			return 0, linux.EPERM
		}
	default:
		return 0, linux.EINVAL
	}
	fd, err := t.FDs().Install(timerfd.New(clock, flags), flags&linux.TFD_CLOEXEC != 0)
	return uint64(fd), err
}

// getTimerfd returns the timer of a descriptor, with a reference to its file.
func getTimerfd(t *task.Task, fd int32) (*vfs.File, *timerfd.Timerfd, error) {
	f, err := t.FDs().Get(fd)
	if err != nil {
		return nil, nil, err
	}
	tf := timerfd.Of(f)
	if tf == nil {
		f.DecRef()
		return nil, nil, linux.EINVAL
	}
	return f, tf, nil
}

// sysTimerfdSettime implements timerfd_settime(2).
func sysTimerfdSettime(t *task.Task, fd int32, flags uint32, value, old uint64) (uint64, error) {
	var it linux.Itimerspec
	if err := usermem.CopyInObject(t.Mem(), value, &it); err != nil {
		return 0, err
	}
	if flags&^(linux.TFD_TIMER_ABSTIME|linux.TFD_TIMER_CANCEL_ON_SET) != 0 || !ktime.ValidItimerspec(&it) {
		return 0, linux.EINVAL
	}
	f, tf, err := getTimerfd(t, fd)
	if err != nil {
		return 0, err
	}
	defer f.DecRef()
	was, err := tf.Set(flags, &it)
	if err != nil || old == 0 {
		return 0, err
	}
	return 0, usermem.CopyOutObjectLast(t.Mem(), old, &was)
}

// sysTimerfdGettime implements timerfd_gettime(2).
func sysTimerfdGettime(t *task.Task, fd int32, value uint64) (uint64, error) {
	f, tf, err := getTimerfd(t, fd)
	if err != nil {
		return 0, err
	}
	defer f.DecRef()
	it := tf.Get()
	return 0, usermem.CopyOutObjectLast(t.Mem(), value, &it)
}
