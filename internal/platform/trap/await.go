package trap

import (
	"runtime"
	"sync/atomic"
	"time"

	"sentinel/internal/host"
)

// await waits for the next event and returns its kind, 0 if the thread is gone.
func (t *thread) await() uint32 {
	c := t.c
	spin := t.p.spin
	if !t.habit.spins() {
		spin = 0
	}
	if spin > 0 && t.spin(spin) {
		t.habit.came()
	} else {
		blocked := t.blocked()
		switch {
		case blocked: // that tells nothing of how soon calls come
		case spin > 0 && !t.mayYield && c.SupCPU == c.StubCPU:
			t.sharedCPU()
		default:
			t.habit.failed()
		}
		counts := t.computes && !blocked
		if counts {
			t.p.asleep.Add(1)
		}
		atomic.StoreUint32(&c.SupSleeps, 1)
		t.waiting.Store(true)
		for {
			s := atomic.LoadUint32(&c.State)
			if s == stEvent || t.dead.Load() {
				break
			}
			futexWait(&c.State, s)
		}
		t.waiting.Store(false)
		atomic.StoreUint32(&c.SupSleeps, 0)
		if counts {
			t.p.asleep.Add(-1)
		}
	}
	if atomic.LoadUint32(&c.State) != stEvent {
		return 0
	}
	ev := atomic.LoadUint32(&c.Event)
	if ev&evSliceLost != 0 {
		host.SliceLost(time.Now())
	}
	kind := ev & 0xff
	if kind != evDone && !t.setFrame(c.Frame, ev&evPatched != 0) {
		return 0
	}
	return kind
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

// habit knows how often in a row nothing came while spinning.
type habit int

// spins reports whether to spin is worth a try: if nothing came in time of late
// it is better to sleep at once, and to look now and then whether that has changed.
func (h habit) spins() bool { return h <= 8 || h%16 == 0 }

func (h *habit) came() { *h = 0 }

// failed notes a wait that ended asleep, whether or not there was a try.
func (h *habit) failed() { *h++ }

// patience is how much longer a supervisor's thread spins if it is one of few that
// do, half as many as there are CPUs: to wake up a thread on a CPU that has gone
// to sleep can take tens of microseconds, and programs compute for about as long
// between their calls while they start.
const patience = 10

// lostTicks is for how long a thread must have been kept from spinning to tell
// that somebody else wants its CPU, and restlessCalls how many waits it then is
// not patient.
const (
	lostTicks     = 90_000
	restlessCalls = 8
)

// roundTicks is how long the supervisor spins before it yields, in TSC ticks:
// longer than a stub takes to go on with a call, shorter than a switch of threads.
const roundTicks = 6000

// crowdTicks is the same where more threads spin than there are CPUs.
const crowdTicks = 600

// spin waits for an event for a time of at most ticks TSC ticks, or for much
// longer where a CPU is to spare.
func (t *thread) spin(ticks uint64) bool {
	// Most come at once, and need not be counted.
	if t.spinRound() {
		return true
	}
	t.p.spinning.Add(1)
	defer t.p.spinning.Add(-1)
	if !host.CanYield() {
		return t.spinOnly(ticks)
	}
	came, calm := t.spinAndYield(ticks, false)
	if came || !calm || t.blocked() || !t.p.takePatience() {
		return came
	}
	came, _ = t.spinAndYield(patience*ticks, true)
	t.p.patient.Add(-1)
	return came
}

// spinOnly is spin where to yield costs too much. Whether a CPU is to spare shows
// in that nobody takes it away.
func (t *thread) spinOnly(ticks uint64) bool {
	c := t.c
	if spinUntil(&c.State, stEvent, ticks, &c.SupCPU, &c.StubCPU) {
		return true
	}
	if t.restless > 0 {
		t.restless--
		return false
	}
	if t.blocked() || c.SupCPU == c.StubCPU || !t.p.takePatience() {
		return false
	}
	defer t.p.patient.Add(-1)
	for begin, last := ticksNow(), uint64(0); last < patience*ticks && !t.blocked() && !t.p.crowded(); {
		if spinUntil(&c.State, stEvent, roundTicks, &c.SupCPU, &c.StubCPU) {
			return true
		}
		now := ticksNow() - begin
		if c.SupCPU == c.StubCPU || now-last > roundTicks+lostTicks {
			t.restless = restlessCalls
			return false
		}
		last = now
	}
	return false
}

// takePatience reports whether a thread may spin for long.
func (p *Platform) takePatience() bool {
	if int(p.patient.Add(1)) <= runtime.NumCPU()/2 && !p.crowded() {
		return true
	}
	p.patient.Add(-1)
	return false
}

// crowded reports whether threads of the guest could use the CPUs that others
// spin on: for each that runs somebody spins or sleeps.
func (p *Platform) crowded() bool {
	return int(p.spinning.Load()+p.asleep.Load()+p.patient.Load()) > runtime.NumCPU()
}

// spinRound spins for as long as nobody need yield.
func (t *thread) spinRound() bool {
	round := uint64(roundTicks)
	if int(t.p.spinning.Load()) > runtime.NumCPU() {
		round = crowdTicks
	}
	return spinUntil(&t.c.State, stEvent, round, &t.c.SupCPU, &t.c.StubCPU)
}

// spinAndYield lets others run in between; calm tells that these did not take
// long. With patient it ends when others could use the CPU.
func (t *thread) spinAndYield(ticks uint64, patient bool) (came, calm bool) {
	c := t.c
	shared := false
	for begin := ticksNow(); ; {
		if c.SupCPU == c.StubCPU && !shared {
			shared = true
			t.sharedCPU()
		}
		// The stub, or whom the guest waits for, may need this CPU.
		if !host.Yield() {
			return atomic.LoadUint32(&c.State) == stEvent, false
		}
		if ticksNow()-begin > ticks || t.blocked() || patient && t.p.crowded() {
			return atomic.LoadUint32(&c.State) == stEvent, true
		}
		if t.spinRound() {
			return true, true
		}
	}
}

// sharedCPU is called when the stub and the supervisor share a CPU, as the host
// likes to have both sides of a hand-over. Now and then one moves away; rarely,
// if that is of no use.
func (t *thread) sharedCPU() {
	switch n := t.sameCPU; {
	case n < 1024 && n%4 == 2, n%1024 == 0 && n > 0:
		leaveCPU(int(t.c.SupCPU))
	}
	t.sameCPU++
}
