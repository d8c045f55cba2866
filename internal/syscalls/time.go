package syscalls

import (
	"time"

	"sentinel/internal/abi/linux"
	"sentinel/internal/host"
	"sentinel/internal/ktime"
	"sentinel/internal/platform"
	"sentinel/internal/signal"
	"sentinel/internal/task"
	"sentinel/internal/usermem"
)

// cpuClockTime reads the CPU-time clocks, those of other processes included
// (clock_getcpuclockid(3)).
func cpuClockTime(t *task.Task, clock int32) (linux.Timespec, error) {
	g := t.ThreadGroup()
	switch {
	case clock == linux.CLOCK_PROCESS_CPUTIME_ID:
	case clock == linux.CLOCK_THREAD_CPUTIME_ID:
		return threadCPUTime(t)
	case clock < 0 && clock&7 == 3: // a descriptor: no dynamic clocks
		return linux.Timespec{}, linux.EINVAL
	case clock < 0:
		pid := ^(clock >> 3)
		if clock&4 == 0 {
			if pid == 0 {
				break
			}
			if g = t.Kernel().ThreadGroup(pid); g == nil {
				return linux.Timespec{}, linux.EINVAL
			}
			break
		}
		x := clockThread(t, clock)
		if x == nil || x.ThreadGroup() != g {
			return linux.Timespec{}, linux.EINVAL
		}
		if x == t {
			return threadCPUTime(t)
		}
		return ktime.FromDuration(x.CPUTime()), nil
	default:
		return linux.Timespec{}, linux.EINVAL
	}
	own, _ := g.CPUTimes()
	return ktime.FromDuration(time.Duration(own.User + own.System)), nil
}

// threadCPUTime asks the host about the calling thread, in it.
func threadCPUTime(t *task.Task) (linux.Timespec, error) {
	at := t.Thread().Scratch()
	if _, err := t.Thread().Call(platform.HostCall{Nr: linux.SYS_CLOCK_GETTIME, Args: [6]uint64{linux.CLOCK_THREAD_CPUTIME_ID, at}}); err != nil {
		return linux.Timespec{}, err
	}
	var ts linux.Timespec
	err := usermem.CopyInObject(t.Mem(), at, &ts)
	return ts, err
}

// clockThread returns the thread whose CPU time a clock tells, nil if it is no
// such clock. The clock has been read.
func clockThread(t *task.Task, clock int32) *task.Task {
	switch {
	case clock == linux.CLOCK_THREAD_CPUTIME_ID, clock < 0 && clock&4 != 0 && ^(clock>>3) == 0:
		return t
	case clock < 0 && clock&4 != 0:
		return t.Kernel().Task(^(clock >> 3))
	}
	return nil
}

func isCPUClock(clock int32) bool {
	return clock == linux.CLOCK_PROCESS_CPUTIME_ID || clock == linux.CLOCK_THREAD_CPUTIME_ID || clock < 0
}

func clockNow(t *task.Task, clock int32) (linux.Timespec, error) {
	if isCPUClock(clock) {
		return cpuClockTime(t, clock)
	}
	return host.ClockGettime(clock)
}

func sysClockGettime(t *task.Task, clock int32, tp uint64) (uint64, error) {
	ts, err := clockNow(t, clock)
	if err != nil {
		return 0, err
	}
	return 0, usermem.CopyOutObjectLast(t.Mem(), tp, &ts)
}

func sysClockGetres(t *task.Task, clock int32, res uint64) (uint64, error) {
	var ts linux.Timespec
	var err error
	if clock < 0 {
		if _, err = cpuClockTime(t, clock); err == nil {
			ts = linux.Timespec{Nsec: 1}
		}
	} else {
		ts, err = host.ClockGetres(clock)
	}
	if err != nil || res == 0 {
		return 0, err
	}
	return 0, usermem.CopyOutObjectLast(t.Mem(), res, &ts)
}

func sysGettimeofday(t *task.Task, tv, tz uint64) (uint64, error) {
	if tv != 0 {
		now := time.Now()
		v := linux.Timeval{Sec: now.Unix(), Usec: int64(now.Nanosecond() / 1000)}
		if err := usermem.CopyOutObject(t.Mem(), tv, &v); err != nil {
			return 0, err
		}
	}
	if tz != 0 {
		var z [8]byte
		if _, err := t.Mem().CopyOut(tz, z[:]); err != nil {
			return 0, err
		}
	}
	return 0, nil
}

func sysTime(t *task.Task, addr uint64) (uint64, error) {
	now := time.Now().Unix()
	if addr != 0 {
		if err := usermem.CopyOutObject(t.Mem(), addr, &now); err != nil {
			return 0, err
		}
	}
	return uint64(now), nil
}

func sysNanosleep(t *task.Task, req, rem uint64) (uint64, error) {
	var ts linux.Timespec
	if err := usermem.CopyInObject(t.Mem(), req, &ts); err != nil {
		return 0, err
	}
	d, err := ktime.Duration(ts)
	if err != nil {
		return 0, err
	}
	return sleepUntil(t, ktime.Deadline(d), rem)
}

// sleepUntil sleeps until a moment, and goes on from there when a signal
// without a handler interrupts it.
func sleepUntil(t *task.Task, deadline time.Time, rem uint64) (uint64, error) {
	err := t.BlockUntil(nil, 0, deadline, nil)
	if err == linux.ETIMEDOUT {
		return 0, nil
	}
	if rem != 0 {
		left := ktime.FromDuration(max(time.Until(deadline), 0))
		if deadline.IsZero() {
			left = linux.Timespec{Sec: ktime.SecMax}
		}
		if err := usermem.CopyOutObject(t.Mem(), rem, &left); err != nil {
			return 0, err
		}
	}
	t.SetRestart(func(t *task.Task) (uint64, error) { return sleepUntil(t, deadline, rem) })
	return 0, linux.ERESTART_RESTARTBLOCK
}

func sysClockNanosleep(t *task.Task, clock int32, flags int32, req, rem uint64) (uint64, error) {
	if clock == linux.CLOCK_THREAD_CPUTIME_ID {
		return 0, linux.EINVAL
	}
	now, err := clockNow(t, clock)
	if err != nil {
		return 0, err
	}
	if clock == linux.CLOCK_MONOTONIC_RAW || clock == linux.CLOCK_REALTIME_COARSE || clock == linux.CLOCK_MONOTONIC_COARSE {
		return 0, linux.EOPNOTSUPP
	}
	var ts linux.Timespec
	if err := usermem.CopyInObject(t.Mem(), req, &ts); err != nil {
		return 0, err
	}
	d, err := ktime.Duration(ts)
	if err != nil {
		return 0, err
	}
	abs := flags&linux.TIMER_ABSTIME != 0
	if isCPUClock(clock) {
		return cpuSleep(t, clock, d, abs, rem)
	}
	if !abs {
		return sleepUntil(t, ktime.Deadline(d), rem)
	}
	err = t.BlockUntil(nil, 0, ktime.Deadline(max(ktime.Sub(ts, now), 0)), nil)
	if err == linux.ETIMEDOUT {
		return 0, nil
	}
	return 0, linux.ERESTARTNOHAND
}

// cpuSleep sleeps until a process's clock has advanced: it looks again when
// that could be at the earliest.
func cpuSleep(t *task.Task, clock int32, d time.Duration, abs bool, rem uint64) (uint64, error) {
	now, err := cpuClockTime(t, clock)
	if err != nil {
		return 0, err
	}
	until := d
	if !abs {
		until = ktime.Saturate(now) + d
	}
	for {
		now, err := cpuClockTime(t, clock)
		if err != nil {
			return 0, err
		}
		left := until - ktime.Saturate(now)
		if left <= 0 {
			return 0, nil
		}
		if err := t.BlockUntil(nil, 0, ktime.Deadline(max(left, time.Millisecond)), nil); err != linux.ETIMEDOUT {
			if abs {
				return 0, linux.ERESTARTNOHAND
			}
			if rem != 0 {
				l := ktime.FromDuration(left)
				if err := usermem.CopyOutObject(t.Mem(), rem, &l); err != nil {
					return 0, err
				}
			}
			t.SetRestart(func(t *task.Task) (uint64, error) { return cpuSleep(t, clock, until, true, rem) })
			return 0, linux.ERESTART_RESTARTBLOCK
		}
	}
}

func sysGetitimer(t *task.Task, which int32, cur uint64) (uint64, error) {
	if which < 0 || which > 2 {
		return 0, linux.EINVAL
	}
	left, iv := t.ThreadGroup().Itimer(int(which))
	v := linux.Itimerval{Interval: ktime.TimevalFromDuration(iv), Value: ktime.TimevalFromDuration(left)}
	return 0, usermem.CopyOutObjectLast(t.Mem(), cur, &v)
}

func sysSetitimer(t *task.Task, which int32, new, old uint64) (uint64, error) {
	if which < 0 || which > 2 {
		return 0, linux.EINVAL
	}
	var v linux.Itimerval
	if new != 0 {
		if err := usermem.CopyInObject(t.Mem(), new, &v); err != nil {
			return 0, err
		}
	}
	value, err := ktime.TimevalDuration(v.Value)
	if err != nil {
		return 0, err
	}
	iv, err := ktime.TimevalDuration(v.Interval)
	if err != nil {
		return 0, err
	}
	oldLeft, oldIv := t.ThreadGroup().SetItimer(int(which), value, iv)
	if old != 0 {
		v := linux.Itimerval{Interval: ktime.TimevalFromDuration(oldIv), Value: ktime.TimevalFromDuration(oldLeft)}
		return 0, usermem.CopyOutObjectLast(t.Mem(), old, &v)
	}
	return 0, nil
}

func sysAlarm(t *task.Task, seconds uint32) (uint64, error) {
	left, _ := t.ThreadGroup().SetItimer(linux.ITIMER_REAL, time.Duration(seconds)*time.Second, 0)
	// Rounded as alarm_setitimer does.
	s := uint64(left / time.Second)
	if frac := left % time.Second; s == 0 && frac > 0 || frac >= time.Second/2 {
		s++
	}
	return s, nil
}

// sigevent is struct sigevent.
type sigevent struct {
	Value  uint64
	Signo  int32
	Notify int32
	TID    int32
	_      [44]byte
}

func sysTimerCreate(t *task.Task, clock int32, sevp, idp uint64) (uint64, error) {
	if _, err := clockNow(t, clock); err != nil {
		return 0, err
	}
	switch clock {
	case linux.CLOCK_MONOTONIC_RAW, linux.CLOCK_REALTIME_COARSE, linux.CLOCK_MONOTONIC_COARSE:
		return 0, linux.EOPNOTSUPP
	}
	s := task.TimerSpec{Clock: clock, Signo: signal.SIGALRM, Auto: sevp == 0, Thread: clockThread(t, clock)}
	if sevp != 0 {
		var ev sigevent
		if err := usermem.CopyInObject(t.Mem(), sevp, &ev); err != nil {
			return 0, err
		}
		s.Notify, s.Signo, s.Value = ev.Notify, ev.Signo, ev.Value
		switch ev.Notify {
		case 0, 2: // SIGEV_SIGNAL, SIGEV_THREAD
		case 1: // SIGEV_NONE
		case 4: // SIGEV_THREAD_ID
			x := t.Kernel().Task(ev.TID)
			if x == nil || x.ThreadGroup() != t.ThreadGroup() {
				return 0, linux.EINVAL
			}
			s.TID = ev.TID
		default:
			return 0, linux.EINVAL
		}
		if ev.Notify != 1 && !signal.Valid(int(ev.Signo)) {
			return 0, linux.EINVAL
		}
	}
	id, err := t.ThreadGroup().NewTimer(s)
	if err != nil {
		return 0, err
	}
	if err := usermem.CopyOutObject(t.Mem(), idp, &id); err != nil {
		t.ThreadGroup().DeleteTimer(id)
		return 0, err
	}
	return 0, nil
}

func sysTimerSettime(t *task.Task, id int32, flags int32, new, old uint64) (uint64, error) {
	if new == 0 {
		return 0, linux.EINVAL
	}
	var v linux.Itimerspec
	if err := usermem.CopyInObject(t.Mem(), new, &v); err != nil {
		return 0, err
	}
	if !ktime.ValidItimerspec(&v) {
		return 0, linux.EINVAL
	}
	g := t.ThreadGroup()
	clock, _, _, err := g.Timer(id)
	if err != nil {
		return 0, err
	}
	d := ktime.Saturate(v.Value)
	if flags&linux.TIMER_ABSTIME != 0 {
		now, err := clockNow(t, clock)
		if err != nil {
			return 0, err
		}
		d = ktime.Sub(v.Value, now)
	}
	left, iv, err := g.SetTimer(id, v.Value != linux.Timespec{}, d, ktime.Saturate(v.Interval))
	if err != nil {
		return 0, err
	}
	if old != 0 {
		o := linux.Itimerspec{Interval: ktime.FromDuration(iv), Value: ktime.FromDuration(left)}
		return 0, usermem.CopyOutObjectLast(t.Mem(), old, &o)
	}
	return 0, nil
}

func sysTimerGettime(t *task.Task, id int32, cur uint64) (uint64, error) {
	_, left, iv, err := t.ThreadGroup().Timer(id)
	if err != nil {
		return 0, err
	}
	o := linux.Itimerspec{Interval: ktime.FromDuration(iv), Value: ktime.FromDuration(left)}
	return 0, usermem.CopyOutObjectLast(t.Mem(), cur, &o)
}

func sysTimerGetoverrun(t *task.Task, id int32) (uint64, error) {
	n, err := t.ThreadGroup().TimerOverrun(id)
	return uint64(n), err
}

func sysTimerDelete(t *task.Task, id int32) (uint64, error) {
	return 0, t.ThreadGroup().DeleteTimer(id)
}

// tms is struct tms.
type tms struct{ User, System, CUser, CSystem int64 }

func sysTimes(t *task.Task, buf uint64) (uint64, error) {
	if buf != 0 {
		own, ch := t.ThreadGroup().CPUTimes()
		const tick = int64(time.Second / 100)
		v := tms{own.User / tick, own.System / tick, ch.User / tick, ch.System / tick}
		if err := usermem.CopyOutObject(t.Mem(), buf, &v); err != nil {
			return 0, err
		}
	}
	return uint64(host.Monotonic() / int64(10*time.Millisecond)), nil
}

// timex is the head of struct timex; the rest stays zero.
type timex struct {
	Modes, _                               uint32
	Offset, Freq, MaxError, EstError       int64
	Status, _                              int32
	Constant, Precision, Tolerance         int64
	Time                                   linux.Timeval
	Tick, PPSFreq, Jitter                  int64
	Shift, _                               int32
	Stabil, Jitcnt, Calcnt, Errcnt, Stbcnt int64
	TAI                                    int32
	_                                      [11]int32
}

// adjtimex answers a read; nobody here may adjust the clock.
func adjtimex(t *task.Task, addr uint64) (uint64, error) {
	var x timex
	if err := usermem.CopyInObject(t.Mem(), addr, &x); err != nil {
		return 0, err
	}
	if x.Modes&^0x8000 != 0 {
		return refuse(t, "adjtimex", linux.EPERM)
	}
	now := time.Now()
	const unsync, timeError = 0x40, 5
	x = timex{Status: unsync, Precision: 1, Tolerance: 32768000, Tick: 10000, MaxError: 16000000, EstError: 16000000,
		Time: linux.Timeval{Sec: now.Unix(), Usec: int64(now.Nanosecond() / 1000)}}
	return timeError, usermem.CopyOutObjectLast(t.Mem(), addr, &x)
}

func sysAdjtimex(t *task.Task, addr uint64) (uint64, error) { return adjtimex(t, addr) }

func sysClockAdjtime(t *task.Task, clock int32, addr uint64) (uint64, error) {
	if clock != linux.CLOCK_REALTIME {
		return 0, linux.EOPNOTSUPP
	}
	return adjtimex(t, addr)
}

// sysClockSettime implements clock_settime(2) for nobody: the clocks are the
// host's.
func sysClockSettime(t *task.Task, clock int32, tp uint64) (uint64, error) {
	switch clock {
	case linux.CLOCK_REALTIME, linux.CLOCK_PROCESS_CPUTIME_ID, linux.CLOCK_THREAD_CPUTIME_ID:
	default:
		return 0, linux.EINVAL
	}
	var ts linux.Timespec
	if err := usermem.CopyInObject(t.Mem(), tp, &ts); err != nil {
		return 0, err
	}
	if clock == linux.CLOCK_REALTIME && !ktime.Valid(ts) {
		return 0, linux.EINVAL
	}
	return refuse(t, "clock_settime", linux.EPERM)
}
