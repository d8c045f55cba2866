package task

import (
	"sync"
	"sync/atomic"
	"time"

	"sentinel/internal/abi/linux"
	"sentinel/internal/host"
	"sentinel/internal/platform"
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
	b := blocking{t: t, w: w, mask: mask}
	b.host, _ = w.(waiter.HostWaitable)
	if _, all := b.hostWait(); w != nil && !all {
		b.register()
	}
	defer b.end()
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
		b.sleep(left)
	}
}

// blocking is a call of BlockUntil.
type blocking struct {
	t     *Task
	w     waiter.Waitable
	mask  waiter.Mask
	host  waiter.HostWaitable // nil if it is not waited for in the host
	entry *waiter.Entry       // nil if not registered
	waits platform.Wait       // what the platform has been told
	vain  int                 // times that the host found ready what is not
}

// manyVain is how often the host may find ready what is not: it knows less than
// the caller, who may want more bytes than there are.
const manyVain = 4

func (b *blocking) register() {
	p := &b.t.park
	b.entry = &waiter.Entry{Notify: func(waiter.Mask) { p.wake() }, Wake: p.wake}
	b.w.EventRegister(b.entry, b.mask)
}

func (b *blocking) end() {
	if b.entry != nil {
		b.w.EventUnregister(b.entry)
	}
	b.setWait(platform.NoWait)
	b.t.sleeping.Store(false)
}

func (b *blocking) setWait(w platform.Wait) {
	if b.waits != w {
		b.waits = w
		b.t.th.Waits(w)
	}
}

// hostWait returns where to wait in the host, if anywhere.
func (b *blocking) hostWait() (fd int, all bool) {
	if b.host == nil {
		return -1, false
	}
	return b.host.HostWait()
}

// sleep waits for a wake-up, or for d if that is positive. It may return early.
func (b *blocking) sleep(d time.Duration) {
	t := b.t
	fd, all := b.hostWait()
	t.sleeping.Store(true)
	if t.park.by != nil && fd < 0 && d <= 0 {
		b.setWait(platform.Parked)
	} else {
		b.setWait(platform.Asleep)
		t.k.blocked()
	}
	if fd < 0 {
		t.park.wait(d)
		return
	}
	events := waiter.In
	if all {
		events = b.mask
	}
	if !t.park.waitHost(fd, events, d) || !all {
		return
	}
	if b.vain++; b.vain > manyVain {
		b.host = nil
		b.register()
	}
}

// A thread that sleeps in a host call keeps one of the Go scheduler's places
// until somebody takes it away, which the scheduler is slow to do
// (host.CalmMonitor). With places to spare nobody needs to, neither the thread of
// a new task. They cost start-up time, so they come with the first task that is
// made, and with the sleeps.
const (
	manyBlocks = 16
	someProcs  = 4
	manyTasks  = 5
	manyProcs  = 8
)

func (k *Kernel) blocked() {
	if k.blocks.Add(1) == manyBlocks {
		host.Places(manyProcs)
	}
}

// makePlaces is told how many tasks there are, one of them new.
func (k *Kernel) makePlaces(tasks int) {
	n := int32(someProcs)
	if tasks >= manyTasks {
		n = manyProcs
	}
	for {
		have := k.places.Load()
		if have >= n {
			return
		}
		if k.places.CompareAndSwap(have, n) {
			host.Places(int(n))
			return
		}
	}
}

// parker puts a task's OS thread to sleep. A task is locked to its thread, and
// to park it by the Go scheduler takes two switches of threads where one futex
// will do.
type parker struct {
	by     platform.Parker // if a Runner's function is to wait
	woken  atomic.Uint32
	asleep atomic.Uint32 // one of the following

	mu    sync.Mutex // of changes of event, and of who wakes
	event int        // wakes a sleeper in poll(2); 0 if there is none
}

const (
	awake = iota
	inFutex
	inPoll
	inPark
)

// prepare forgets earlier wake-ups. What they were for is looked at after it.
func (p *parker) prepare() { p.woken.Store(0) }

func (p *parker) wait(d time.Duration) {
	if p.by != nil && d <= 0 {
		p.asleep.Store(inPark)
		if p.woken.Load() == 0 {
			p.by.Park()
		}
		p.asleep.Store(awake)
		return
	}
	p.asleep.Store(inFutex)
	if p.woken.Load() == 0 {
		host.FutexWait(&p.woken, 0, d)
	}
	p.asleep.Store(awake)
}

// waitHost is wait that ends with events of fd too, which it reports.
func (p *parker) waitHost(fd int, events waiter.Mask, d time.Duration) bool {
	if p.event == 0 {
		e, err := host.EventFD()
		if err != nil {
			// The host is short of descriptors; look now and then.
			if d <= 0 || d > lookAgain {
				d = lookAgain
			}
			p.wait(d)
			return false
		}
		p.mu.Lock()
		p.event = e
		p.mu.Unlock()
	}
	var ready, woken bool
	p.asleep.Store(inPoll)
	if p.woken.Load() == 0 {
		ready, woken = host.PollWait(fd, int16(events&waiter.All), p.event, d)
	}
	p.asleep.Store(awake)
	if woken {
		host.Clear(p.event)
	}
	return ready
}

const lookAgain = 10 * time.Millisecond

func (p *parker) wake() {
	if p.woken.Swap(1) != 0 {
		return
	}
	switch p.asleep.Load() {
	case inPark:
		p.by.Unpark()
	case inFutex:
		host.FutexWake(&p.woken)
	case inPoll:
		p.mu.Lock()
		if p.event != 0 {
			host.Signal(p.event)
		}
		p.mu.Unlock()
	}
}

// close gives back what waitHost took. The task waits no more.
func (p *parker) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.event != 0 {
		host.Close(p.event)
		p.event = 0
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
