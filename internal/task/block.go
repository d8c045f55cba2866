package task

import (
	"time"

	"sentinel/internal/abi/linux"
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
	var ch chan struct{}
	if w != nil {
		ch = make(chan struct{}, 1)
		e := waiter.NewChannelEntry(ch)
		w.EventRegister(e, mask)
		defer w.EventUnregister(e)
	}
	return t.BlockOn(ch, deadline, ready)
}

// BlockOn is BlockUntil for a channel, of capacity one, that is sent to when
// ready may have become true. A nil channel never is.
func (t *Task) BlockOn(ch <-chan struct{}, deadline time.Time, ready func() bool) error {
	var timeout <-chan time.Time
	if !deadline.IsZero() {
		d := time.Until(deadline)
		if d <= 0 {
			if ready != nil && ready() {
				return nil
			}
			return linux.ETIMEDOUT
		}
		tm := time.NewTimer(d)
		defer tm.Stop()
		timeout = tm.C
	}
	for {
		if ready != nil && ready() {
			return nil
		}
		if t.interrupted() {
			return linux.ERESTARTSYS
		}
		select {
		case <-ch:
		case <-t.wake:
			// Somebody wants attention: ready decides first, then
			// interrupted.
		case <-timeout:
			if ready != nil && ready() {
				return nil
			}
			return linux.ETIMEDOUT
		}
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
	return t.dying || t.tg.stopSig != 0 || t.pending.next(^t.mask) != 0 || t.tg.pending.next(^t.mask) != 0
}
