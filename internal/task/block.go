package task

import (
	"sync/atomic"
	"time"

	"sentinel/internal/abi/linux"
	"sentinel/internal/host"
	"sentinel/internal/waiter"
)

const notifyIn = waiter.Readable

// Block implements vfs.Caller: it sleeps until ready returns true, evaluating
// it after each event of mask on w, and returns ERESTARTSYS when a signal
// comes in first.
func (t *Task) Block(w waiter.Waitable, mask waiter.Mask, ready func() bool) error {
	return t.BlockUntil(w, mask, time.Time{}, ready)
}

// BlockUntil is Block with a deadline, after which it returns ETIMEDOUT; the
// zero time is none. w may be nil to wait for time and signals only, ready may
// be nil if no event ends the wait.
func (t *Task) BlockUntil(w waiter.Waitable, mask waiter.Mask, deadline time.Time, ready func() bool) error {
	if w != nil {
		e := &waiter.Entry{Notify: func(waiter.Mask) { t.park.wake() }, Wake: t.park.wake}
		w.EventRegister(e, mask)
		defer w.EventUnregister(e)
	}
	parked := false
	defer func() {
		if parked {
			t.th.Parked(false)
		}
		t.sleeping.Store(false)
	}()
	for {
		t.park.prepare()
		if ready != nil && ready() {
			return nil
		}
		if t.interrupted() {
			return linux.ERESTARTSYS
		}
		left := time.Duration(0)
		if !deadline.IsZero() {
			if left = time.Until(deadline); left <= 0 {
				return linux.ETIMEDOUT
			}
		}
		if !parked {
			t.sleeping.Store(true)
			if w != nil && t.park.spin() {
				continue
			}
			parked = true
			t.th.Parked(true)
			t.k.blocked()
		}
		t.park.wait(left)
	}
}

// A thread that sleeps in a host call keeps one of the Go scheduler's places
// until somebody takes it away, which the scheduler is slow to do. With places
// to spare nobody needs to. They cost start-up time, so they come when it is
// clear that tasks wait for each other.
const (
	manyBlocks = 16
	manyProcs  = 8
)

func (k *Kernel) blocked() {
	if k.blocks.Add(1) == manyBlocks {
		host.Places(manyProcs)
	}
}

// parker puts a task's OS thread to sleep. A task is locked to its thread, and
// to park it by the Go scheduler takes two switches of threads where one futex
// will do.
type parker struct {
	woken  atomic.Uint32
	asleep atomic.Uint32
	fails  int // of spin, in a row
}

// prepare forgets earlier wake-ups. What they were for is looked at after it.
func (p *parker) prepare() { p.woken.Store(0) }

// spin waits for a wake-up for a moment while others run, and reports whether
// it has come. Where it did not of late, it tries only now and then.
func (p *parker) spin() bool {
	if p.fails > 8 {
		if p.fails++; p.fails%16 != 0 {
			return false
		}
	}
	if !host.CanYield() {
		return false
	}
	for begin := time.Now(); host.Yield() && time.Since(begin) < spinTime; {
		if p.woken.Load() != 0 {
			p.fails = 0
			return true
		}
	}
	p.fails = min(p.fails+1, 1<<20)
	return p.woken.Load() != 0
}

// spinTime is how long a blocked call tries to do without sleep.
const spinTime = 30 * time.Microsecond

func (p *parker) wait(d time.Duration) {
	p.asleep.Store(1)
	if p.woken.Load() == 0 {
		host.FutexWait(p.word(), 0, d)
	}
	p.asleep.Store(0)
}

func (p *parker) wake() {
	if p.woken.Swap(1) == 0 && p.asleep.Load() != 0 {
		host.FutexWake(p.word())
	}
}

// interrupted reports whether a blocked call must give up: a signal to deliver,
// a stop, death.
func (t *Task) interrupted() bool {
	if !t.attention.Load() {
		return false
	}
	t.k.mu.Lock()
	defer t.k.mu.Unlock()
	return t.mustReturnLocked()
}

// mustReturnLocked is interrupted with Kernel.mu held. A job-control stop only
// parks the call where Linux restarts it unseen, which the run loop does by
// ERESTARTSYS.
func (t *Task) mustReturnLocked() bool {
	if t.dying || t.tg.stopSig != 0 || t.hasPendingLocked(^t.mask) {
		return true
	}
	t.signaled = false // another thread took what it was woken for
	return false
}
