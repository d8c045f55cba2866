// Package handoff decides how a guest thread and the supervisor wait for each
// other.
//
// A hand-over is a word in shared memory, and a way to notice it. There are two:
//
//   - Asleep on one CPU, the rule. Who hands over wakes up the other side on its
//     own CPU and goes to sleep: the host switches from the one to the other, and
//     may move them together. It takes two switches of threads. Nothing is lost
//     while the other side computes, and a busy machine stays as fast as its CPU
//     time allows.
//   - Awake on two CPUs, the exception. Both sides spin. It takes a fraction of
//     that, and a CPU that somebody else may want. Beside a busy neighbour it is a
//     hundred times slower than sleep: a side that has lost its CPU comes back after
//     a scheduler slice, while the other spins for nothing.
//
// So two sides spin only when it is known to pay. All of this must hold:
//
//  1. The calls come densely: a guest that computes for longer than Dense between
//     its calls gains less than a tenth by a faster hand-over.
//  2. A CPU is free: no more tasks want one than there are, by the host's own
//     count. It is read when spinning begins and every Look from then on.
//  3. Nobody has taken a CPU away from a spinning side of late: a spin that lasts
//     Lost longer than it should was interrupted. Then the sandbox sleeps for a
//     while, twice as long each time. That is also how a CPU quota shows, and
//     neighbours that the count does not (another machine on the same processor).
//
// A wait that is in vain for Patience ends asleep. Misses of them in a row end the
// spinning, and so does the first alone, since then the guest has found no CPU of
// its own. The next try comes later each time, until Proven waits went well. Times are in nanoseconds of the caller's clock.
package handoff

import "sync/atomic"

// What the rules are made of, in nanoseconds. The figures behind them are
// in ARCHITECTURE.md; make bench prints those of a machine.
const (
	Dense    = 10_000     // a guest's time between calls that is short
	Patience = 20_000     // how long a side spins
	Start    = 100_000    // the same while the other side may have to wake up a CPU first
	Look     = 500_000    // how old the count of runnable tasks may be
	Lost     = 50_000     // a spin that lasts so much longer was interrupted
	MinPause = 10_000_000 // after which spinning is tried again
	MaxPause = 2_000_000_000
)

// Calls and waits in a row.
const (
	DenseCalls = 32 // before a second CPU is asked for
	Misses     = 2  // waits in vain
	// Asleep is how many of the tasks that are counted sleep in truth: Linux leaves
	// who has had more than its share on its queue for a while (delayed dequeue,
	// since 6.12).
	Asleep = 1
	Proven = 500 // waits that were not, for earlier ones to be forgotten
)

// Machine is what the threads of a sandbox know together of the host's CPUs.
type Machine struct {
	// CPUs that the sandbox may use.
	CPUs int
	// Runnable counts the host's tasks that run or want to, the caller included.
	// It reports false if the host does not tell.
	Runnable func() (int, bool)

	looked atomic.Uint64 // when Runnable was called
	free   atomic.Bool   // what it told
	until  atomic.Uint64 // no spinning before
	pause  atomic.Uint64
}

// mayStart reports whether there seems to be a CPU for one side more.
func (m *Machine) mayStart(now uint64) bool {
	return m.CPUs > 1 && now >= m.until.Load() && m.look(now)
}

// mayGoOn reports whether nobody wants the CPUs of those who spin.
func (m *Machine) mayGoOn(now uint64) bool {
	if now < m.until.Load() {
		return false
	}
	if now-m.looked.Load() < Look {
		return m.free.Load()
	}
	return m.look(now)
}

// look counts the runnable tasks, and those that Linux takes for such.
func (m *Machine) look(now uint64) bool {
	m.looked.Store(now)
	n, ok := m.Runnable()
	free := ok && n <= m.CPUs+Asleep
	m.free.Store(free)
	return free
}

// lost notes that a spinning side was interrupted.
func (m *Machine) lost(now uint64) {
	if now < m.until.Load() {
		return // the same neighbour
	}
	p := m.pause.Load()
	switch {
	case p == 0 || now-m.until.Load() > 10*p:
		p = MinPause
	default:
		p = min(2*p, MaxPause)
	}
	m.pause.Store(p)
	m.until.Store(now + p)
}

// Thread is what is known of one guest thread. Its methods are called by who serves
// the thread: Reply before each reply, Came when the guest's next word is there.
type Thread struct {
	replied uint64
	dense   int // calls in a row that came soon, up to DenseCalls
	misses  int
	ok      int // waits that ended awake since pause was set
	spins   bool
	budget  uint64 // how long at the most
	lookAt  uint64 // no new try before
	pause   uint64 // until then, doubled with each try in vain
}

// Reply tells how long both sides are to spin after the reply that is about to be
// given, 0 to sleep at once. alone tells that no other thread could use the
// server's time.
func (t *Thread) Reply(m *Machine, now uint64, alone bool) uint64 {
	t.replied = now
	before := t.spins
	switch {
	case t.dense < DenseCalls || !alone:
		t.spins = false
	case t.spins:
		t.spins = m.mayGoOn(now)
		if !t.spins {
			t.lookAt = now + Look
		}
	case now >= t.lookAt:
		t.spins = m.mayStart(now)
		t.lookAt = now + Look
	}
	switch {
	case !t.spins:
		return 0
	case !before:
		t.budget = Start
	default:
		t.budget = Patience
	}
	return t.budget
}

// Spins reports whether the threads were to spin after the last reply.
func (t *Thread) Spins() bool { return t.spins }

// Came notes that the guest's next word has come, or that it has not while it was
// waited for awake.
func (t *Thread) Came(m *Machine, now uint64, spun bool) {
	gap := now - t.replied
	switch {
	case gap <= Dense, spun && t.budget == Start: // it may have come from far

		t.dense = min(t.dense+1, DenseCalls)
	case gap <= 4*Dense: // one that computes for once
		t.dense = max(t.dense-4, 0)
	default:
		t.dense = 0
	}
	if spun {
		t.misses = 0
		if t.ok++; t.ok >= Proven {
			t.ok, t.pause = 0, 0
		}
	}
}

// Missed notes that nothing came while it was spun from begin to now.
func (t *Thread) Missed(m *Machine, begin, now uint64) {
	if now-begin > t.budget+Lost {
		m.lost(now)
		t.spins = false
	}
	t.misses++
	if t.budget == Start || t.misses >= Misses {
		t.pause = min(max(2*t.pause, Look), MaxPause)
		t.lookAt = now + t.pause
		t.misses, t.ok, t.spins = 0, 0, false
	}
}
