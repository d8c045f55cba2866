package trap

import (
	"sync/atomic"

	"sentinel/internal/platform"
)

// await waits for the next event and returns its kind, 0 if the thread is gone.
func (t *thread) await() uint32 {
	c := t.c
	spun := t.spin > 0 && t.spinForEvent()
	for !spun && (atomic.LoadUint32(&c.State) != stEvent || t.co != nil && t.rung.Load() == 0) {
		if t.dead.Load() {
			return 0
		}
		switch {
		case t.co != nil:
			t.parkForRing()
		case t.solo:
			t.receive()
		default:
			t.sleepForEvent()
		}
	}
	if t.co != nil {
		t.hand.Came(&t.p.machine, t.p.clock.now(), spun)
	}
	ev := atomic.LoadUint32(&c.Event)
	kind := ev & 0xff
	if kind != evDone && !t.setFrame(c.Frame, ev&evPatched != 0) {
		return 0
	}
	return kind
}

// readyToWait tells the stub how both sides will wait after the reply that is about
// to be given.
func (t *thread) readyToWait() {
	c, p := t.c, t.p
	t.spin = 0
	if c.Released != 0 {
		c.Released = 0
	}
	if t.co != nil {
		alone := t.proc.family.bell.awaited.Load() == 0 && p.d.queued.Load() == 0
		t.spin = p.clock.ticks(t.hand.Reply(&p.machine, p.clock.now(), alone))
	}
	if t.spin == 0 {
		// Before the reply: the stub that gets it may be quick.
		atomic.StoreUint32(&c.SupSleeps, 1)
		return
	}
	c.SupCPU = currentCPU()
	if t.rung.Load() != 0 {
		c.StubCPU = ^uint32(0) // it will say where it goes on
		t.place(c.SupCPU)
	}
	atomic.StoreUint64(&c.Spin, t.spin)
	atomic.StoreUint32(&c.SupSleeps, 0)
}

// spinForEvent waits for an event awake, and reports whether it has come.
func (t *thread) spinForEvent() bool {
	c, p := t.c, t.p
	begin := p.clock.now()
	defer t.settle()
	if spinUntil(&c.State, stEvent, t.spin, &c.SupCPU, &c.StubCPU) {
		return true
	}
	t.hand.Missed(&p.machine, begin, p.clock.now())
	atomic.StoreUint32(&c.SupSleeps, 1)
	// Who has not seen that does not ring; who has does so in vain.
	return atomic.LoadUint32(&c.State) == stEvent
}

// parkForRing gives the dispatcher back until the stub rings the bell.
func (t *thread) parkForRing() {
	t.startAwaiting()
	if (t.rung.Load() != 0 || t.dead.Load()) && t.stopAwaiting() {
		return
	}
	t.co.Park()
	t.stopAwaiting()
}

// receive waits for a ring of the only thread that there is.
func (t *thread) receive() {
	b := t.proc.family.bell
	if _, id, err := b.receive(); err == 0 {
		b.open.Add(1)
		t.rung.Store(id)
	} else if t.proc.isDead() {
		t.dead.Store(true)
	}
}

// sleepForEvent has the calling OS thread sleep on the control block.
func (t *thread) sleepForEvent() {
	t.waiting.Store(true)
	for {
		s := atomic.LoadUint32(&t.c.State)
		if s == stEvent || t.dead.Load() {
			break
		}
		futexWait(&t.c.State, s)
	}
	t.waiting.Store(false)
}

// RunBy implements platform.Thread.
func (t *thread) RunBy(p platform.Parker) {
	t.co, _ = p.(*coroutine)
	t.solo = p == nil
	// The stub looks at these the next time that it has something to say, which
	// is after the next reply.
	atomic.StoreUint32(&t.c.Bell, 1)
}

// Waits implements platform.Thread.
func (t *thread) Waits(w platform.Wait) {
	if t.co == nil {
		return
	}
	switch w {
	case platform.Asleep:
		t.co.d.hold()
	case platform.Parked:
		if t.proc.family.bell.open.Load() > manyOpen {
			// The host looks at all of them for each ring and each answer.
			atomic.StoreUint32(&t.c.Released, 1)
			t.answerRing()
		}
	}
}

// blocked reports whether the guest waits for another of its threads, without
// our help.
func (t *thread) blocked() bool { return atomic.LoadUint32(&t.c.Blocked) != 0 }

// Sleeping implements platform.Sleeper.
func (t *thread) Sleeping() bool {
	pr := t.proc
	pr.mu.Lock()
	defer pr.mu.Unlock()
	// A thread that has left has given its memory back.
	return pr.threads[t.tid] == t && t.blocked()
}
