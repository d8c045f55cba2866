// Package timerfd implements timerfd_create(2).
//
// As in fs/timerfd.c an interval timer fires once and is only wound up again,
// with the periods missed counted, when somebody reads it: an unread timer
// costs nothing.
//
// Lock order:
//
//	epoll.Instance.mtx, vfs.File.posMu > Timerfd.mu
package timerfd

import (
	"encoding/binary"
	"strconv"
	"sync"
	"time"

	"sentinel/internal/abi/linux"
	"sentinel/internal/host"
	"sentinel/internal/ktime"
	"sentinel/internal/vfs"
	"sentinel/internal/waiter"
)

// Timerfd is a timer that can be waited for.
type Timerfd struct {
	vfs.NoFile
	clock int32

	mu       sync.Mutex
	timer    *time.Timer
	gen      uint64    // of the current setting; late callbacks of others are void
	next     time.Time // of the expiry waited for or just passed; zero if disarmed
	interval time.Duration
	fired    bool   // next has passed and is not yet forwarded
	ticks    uint64 // expiries to report
	flags    uint32 // of the last Set, for fdinfo

	q waiter.Queue
}

// New makes a disarmed timer on clock.
func New(clock int32, flags uint32) *vfs.File {
	t := &Timerfd{clock: clock}
	return vfs.NewAnonFile(t, "anon_inode:[timerfd]", linux.O_RDWR|flags&linux.O_NONBLOCK)
}

// Of returns the timer behind f, or nil.
func Of(f *vfs.File) *Timerfd {
	t, _ := f.Ops.(*Timerfd)
	return t
}

// Set arms or disarms the timer and returns its former setting. The times are
// valid, the flags those of timerfd_settime(2).
func (t *Timerfd) Set(flags uint32, it *linux.Itimerspec) (linux.Itimerspec, error) {
	value, interval := ktime.Saturate(it.Value), ktime.Saturate(it.Interval)
	armed := it.Value != linux.Timespec{}
	if armed && flags&linux.TFD_TIMER_ABSTIME != 0 {
		now, err := host.ClockGettime(t.clock)
		if err != nil {
			return linux.Itimerspec{}, err
		}
		value = ktime.Sub(it.Value, now) // the past too: periods missed count
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	old := t.get()
	t.stop()
	t.ticks, t.fired, t.interval, t.flags = 0, false, interval, flags
	t.next = time.Time{}
	if armed {
		const century = 100 * 365 * 24 * time.Hour // beyond any sandbox, without overflow
		t.arm(time.Now().Add(max(-century, min(value, century))))
	}
	return old, nil
}

// Get returns the time until the next expiry, and the interval.
func (t *Timerfd) Get() linux.Itimerspec {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.get()
}

// The following need t.mu.

func (t *Timerfd) get() linux.Itimerspec {
	it := linux.Itimerspec{Interval: ktime.FromDuration(t.interval)}
	if t.fired && t.interval > 0 {
		t.forward()
	}
	if !t.next.IsZero() && !t.fired {
		// An expiry that is due but not delivered is 1 ns away, not 0, which
		// means disarmed (timerfd_get_remaining, __hrtimer_expires_remaining).
		it.Value = ktime.FromDuration(max(time.Until(t.next), 1))
	}
	return it
}

func (t *Timerfd) stop() {
	if t.timer != nil {
		t.timer.Stop()
	}
	t.gen++
}

func (t *Timerfd) arm(at time.Time) {
	t.next, t.fired = at, false
	t.gen++
	gen := t.gen
	t.timer = time.AfterFunc(time.Until(at), func() { t.fire(gen) })
}

// forward counts the periods since the expiry that fired and arms the next.
func (t *Timerfd) forward() {
	// The expiry itself has been counted by fire.
	missed := max(time.Since(t.next), 0) / t.interval
	t.ticks += uint64(missed)
	t.arm(t.next.Add((missed + 1) * t.interval))
}

func (t *Timerfd) fire(gen uint64) {
	t.mu.Lock()
	if gen != t.gen {
		t.mu.Unlock()
		return
	}
	t.fired = true
	t.ticks++
	t.mu.Unlock()
	t.q.Notify(waiter.Readable)
}

// Read implements vfs.FileOps.
func (t *Timerfd) Read(_ *vfs.Context, _ *vfs.File, dst []byte, _ int64) (int, error) {
	if len(dst) < 8 {
		return 0, linux.EINVAL
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ticks == 0 {
		return 0, linux.EAGAIN
	}
	if t.fired && t.interval > 0 {
		t.forward()
	}
	binary.NativeEndian.PutUint64(dst, t.ticks)
	t.ticks = 0
	return 8, nil
}

// Release implements vfs.FileOps.
func (t *Timerfd) Release(*vfs.File) {
	t.mu.Lock()
	t.stop()
	t.mu.Unlock()
}

// Readiness implements waiter.Waitable.
func (t *Timerfd) Readiness(mask waiter.Mask) waiter.Mask {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ticks == 0 {
		return 0
	}
	return mask & waiter.In
}

// EventRegister implements waiter.Waitable.
func (t *Timerfd) EventRegister(w *waiter.Entry, mask waiter.Mask) { t.q.Register(w, mask) }

// EventUnregister implements waiter.Waitable.
func (t *Timerfd) EventUnregister(w *waiter.Entry) { t.q.Unregister(w) }

// Seek implements vfs.Seekable: the position is always 0 (noop_llseek).
func (t *Timerfd) Seek(*vfs.Context, *vfs.File, int64, int64, int) (int64, error) {
	return 0, nil
}

// FDInfo implements vfs.FDInfo.
func (t *Timerfd) FDInfo(*vfs.File) string {
	it := t.Get()
	t.mu.Lock()
	defer t.mu.Unlock()
	ts := func(v linux.Timespec) string {
		return "(" + strconv.FormatInt(v.Sec, 10) + ", " + strconv.FormatInt(v.Nsec, 10) + ")\n"
	}
	return "clockid: " + strconv.Itoa(int(t.clock)) + "\nticks: " + strconv.FormatUint(t.ticks, 10) +
		"\nsettime flags: 0" + strconv.FormatUint(uint64(t.flags), 8) +
		"\nit_value: " + ts(it.Value) + "it_interval: " + ts(it.Interval)
}
