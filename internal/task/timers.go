package task

import (
	"slices"
	"time"

	"sentinel/internal/abi/linux"
	"sentinel/internal/host"
	"sentinel/internal/signal"
)

// itimers are the three interval timers of setitimer(2).
type itimers struct{ t [3]intervalTimer }

type intervalTimer struct {
	timer    *time.Timer
	expires  time.Time     // ITIMER_REAL
	cpu      time.Duration // the others: process CPU time at which it fires
	interval time.Duration
	gen      uint64
}

var itimerSignal = [3]int{signal.SIGALRM, signal.SIGVTALRM, signal.SIGPROF}

// cpuNow returns the CPU time that counts for timer which. k.mu is held.
func (g *ThreadGroup) cpuNow(which int) time.Duration {
	u, s := g.cpuTimesLocked()
	if which == linux.ITIMER_VIRTUAL {
		return time.Duration(u)
	}
	return time.Duration(u + s)
}

// Itimer returns the time left and the interval of an interval timer.
func (g *ThreadGroup) Itimer(which int) (left, interval time.Duration) {
	g.k.mu.Lock()
	defer g.k.mu.Unlock()
	return g.itimerLocked(which)
}

func (g *ThreadGroup) itimerLocked(which int) (left, interval time.Duration) {
	it := &g.itimers.t[which]
	if it.timer == nil {
		return 0, it.interval
	}
	if which == linux.ITIMER_REAL {
		left = time.Until(it.expires)
	} else {
		left = it.cpu - g.cpuNow(which)
	}
	return max(left, time.Microsecond), it.interval
}

// SetItimer sets an interval timer and returns what it was.
func (g *ThreadGroup) SetItimer(which int, value, interval time.Duration) (oldLeft, oldInterval time.Duration) {
	k := g.k
	k.mu.Lock()
	defer k.mu.Unlock()
	oldLeft, oldInterval = g.itimerLocked(which)
	it := &g.itimers.t[which]
	if it.timer != nil {
		it.timer.Stop()
	}
	it.gen++
	*it = intervalTimer{gen: it.gen, interval: interval}
	if value > 0 {
		it.expires = time.Now().Add(value)
		if which != linux.ITIMER_REAL {
			it.cpu = g.cpuNow(which) + value
			value = g.soonest(value)
		}
		g.armItimer(which, value)
	}
	return oldLeft, oldInterval
}

func (g *ThreadGroup) armItimer(which int, d time.Duration) {
	it := &g.itimers.t[which]
	gen := it.gen
	it.timer = time.AfterFunc(d, func() { g.itimerFired(which, gen) })
}

func (g *ThreadGroup) itimerFired(which int, gen uint64) {
	k := g.k
	k.mu.Lock()
	defer k.mu.Unlock()
	it := &g.itimers.t[which]
	if it.gen != gen || it.timer == nil || g.zombie {
		return
	}
	if which != linux.ITIMER_REAL {
		// CPU timers look again when the time that is left could have been
		// used up at the earliest.
		if left := it.cpu - g.cpuNow(which); left > 0 {
			g.armItimer(which, g.soonest(left))
			return
		}
	}
	k.sendLocked(g, nil, signal.Info{Signo: int32(itimerSignal[which]), Code: signal.SIKernel})
	if it.interval == 0 {
		it.timer = nil
		return
	}
	if which == linux.ITIMER_REAL {
		it.expires, _ = nextExpiry(it.expires, it.interval)
		g.armItimer(which, max(time.Until(it.expires), leastInterval))
		return
	}
	it.cpu += it.interval
	g.armItimer(which, g.soonest(it.interval))
}

// leastInterval is how often a timer fires at most, which is the slack that
// Linux allows itself. What is missed counts as overrun.
const leastInterval = 50 * time.Microsecond

// nextExpiry returns when a timer that expired at last expires again after now,
// and how many times it would have meanwhile (hrtimer_forward).
func nextExpiry(last time.Time, interval time.Duration) (next time.Time, missed int64) {
	next = last.Add(interval)
	if late := time.Since(next); late > 0 {
		missed = int64(late / interval)
		next = next.Add(time.Duration(missed) * interval)
	}
	return next, missed
}

// posixTimer is a timer of timer_create(2).
type posixTimer struct {
	id       int32
	clock    int32
	notify   int32 // linux.SIGEV_*
	sig      int32
	value    uint64
	tid      int32
	thread   *Task // whose CPU time it runs on, nil for the process's
	timer    *time.Timer
	expires  time.Time
	cpu      time.Duration
	interval time.Duration
	gen      uint64
	overrun  int64 // since the queued signal
	last     int32 // of the last delivery
}

// TimerSpec is a POSIX timer to be made.
type TimerSpec struct {
	Clock  int32
	Notify int32
	Signo  int32
	Value  uint64
	TID    int32
	Auto   bool  // value is the timer's id
	Thread *Task // for clocks of one thread's CPU time
}

// NewTimer implements timer_create(2): EAGAIN if there are as many timers as
// signals may be queued.
func (g *ThreadGroup) NewTimer(s TimerSpec) (int32, error) {
	k := g.k
	k.mu.Lock()
	defer k.mu.Unlock()
	if uint64(len(g.ptimers)) >= g.limits[linux.RLIMIT_SIGPENDING].Cur {
		return 0, linux.EAGAIN
	}
	if g.ptimers == nil {
		g.ptimers = map[int32]*posixTimer{}
	}
	for g.ptimers[g.nextTimer] != nil {
		g.nextTimer++
	}
	id := g.nextTimer
	g.nextTimer = (g.nextTimer + 1) & 0x7fffffff
	p := &posixTimer{id: id, clock: s.Clock, notify: s.Notify, sig: s.Signo, value: s.Value, tid: s.TID, thread: s.Thread}
	if s.Auto {
		p.value = uint64(id)
	}
	g.ptimers[id] = p
	return id, nil
}

// timerNow returns the CPU time that counts for a timer. k.mu is held.
func (g *ThreadGroup) timerNow(p *posixTimer) time.Duration {
	if p.thread == nil {
		return g.cpuNow(linux.ITIMER_PROF)
	}
	return p.thread.cpuTimeLocked()
}

// CPUTime returns the CPU time of the thread since its program was executed.
func (t *Task) CPUTime() time.Duration {
	t.k.mu.Lock()
	defer t.k.mu.Unlock()
	return t.cpuTimeLocked()
}

func (t *Task) cpuTimeLocked() time.Duration {
	if t.th == nil {
		return 0
	}
	d, err := host.ThreadCPUTime(t.th.HostTID())
	if err != nil {
		return 0
	}
	return d
}

// cpuClock reports whether a timer runs on CPU time.
func cpuClock(clock int32) bool {
	return clock == linux.CLOCK_PROCESS_CPUTIME_ID || clock == linux.CLOCK_THREAD_CPUTIME_ID || clock < 0
}

// Timer returns a timer's setting; EINVAL if there is none.
func (g *ThreadGroup) Timer(id int32) (clock int32, left, interval time.Duration, err error) {
	g.k.mu.Lock()
	defer g.k.mu.Unlock()
	p := g.ptimers[id]
	if p == nil {
		return 0, 0, 0, linux.EINVAL
	}
	return p.clock, g.leftLocked(p), p.interval, nil
}

func (g *ThreadGroup) leftLocked(p *posixTimer) time.Duration {
	if p.timer == nil {
		return 0
	}
	if cpuClock(p.clock) {
		return max(p.cpu-g.timerNow(p), 1)
	}
	return max(time.Until(p.expires), 1)
}

// SetTimer arms a timer to fire after value (disarms it if armed is false) and
// returns the old setting.
func (g *ThreadGroup) SetTimer(id int32, armed bool, value, interval time.Duration) (oldLeft, oldInterval time.Duration, err error) {
	k := g.k
	k.mu.Lock()
	defer k.mu.Unlock()
	p := g.ptimers[id]
	if p == nil {
		return 0, 0, linux.EINVAL
	}
	oldLeft, oldInterval = g.leftLocked(p), p.interval
	g.disarm(p)
	if !armed {
		p.interval = 0
		return oldLeft, oldInterval, nil
	}
	p.interval = interval
	p.expires = time.Now().Add(value)
	if cpuClock(p.clock) {
		p.cpu = g.timerNow(p) + value
		value = g.soonest(value)
	}
	g.arm(p, max(value, 0))
	return oldLeft, oldInterval, nil
}

func (g *ThreadGroup) disarm(p *posixTimer) {
	if p.timer != nil {
		p.timer.Stop()
		p.timer = nil
	}
	p.gen++
	g.dropTimerSignal(p)
	p.overrun = 0
}

// timerSignal finds the signal of a timer that has fired and not been delivered.
func (g *ThreadGroup) timerSignal(p *posixTimer) (*sigQueue, int) {
	find := func(q *sigQueue) int {
		if !q.set.Has(int(p.sig)) {
			return -1
		}
		return slices.IndexFunc(q.info, func(x signal.Info) bool {
			return x.Code == signal.SITimer && !x.HasRaw && x.TimerID == p.id
		})
	}
	if i := find(&g.pending); i >= 0 {
		return &g.pending, i
	}
	if p.notify == sigevThreadID {
		if t := g.k.tasks[p.tid]; t != nil && t.tg == g {
			return &t.pending, find(&t.pending)
		}
	}
	return nil, -1
}

func (g *ThreadGroup) dropTimerSignal(p *posixTimer) {
	if q, i := g.timerSignal(p); i >= 0 {
		q.remove(i)
	}
}

func (g *ThreadGroup) arm(p *posixTimer, d time.Duration) {
	gen := p.gen
	p.timer = time.AfterFunc(d, func() { g.timerFired(p, gen) })
}

func (g *ThreadGroup) timerFired(p *posixTimer, gen uint64) {
	k := g.k
	k.mu.Lock()
	defer k.mu.Unlock()
	if p.gen != gen || g.zombie {
		return
	}
	if cpuClock(p.clock) {
		if left := p.cpu - g.timerNow(p); left > 0 {
			g.arm(p, g.soonest(left))
			return
		}
	}
	p.timer = nil
	if p.interval > 0 {
		if cpuClock(p.clock) {
			p.cpu += p.interval
			g.arm(p, g.soonest(p.interval))
		} else {
			var missed int64
			p.expires, missed = nextExpiry(p.expires, p.interval)
			p.overrun += missed
			g.arm(p, max(time.Until(p.expires), leastInterval))
		}
	}
	if p.notify == sigevNone {
		return
	}
	if _, i := g.timerSignal(p); i >= 0 {
		p.overrun++
		return
	}
	info := signal.Info{Signo: p.sig, Code: signal.SITimer, TimerID: p.id, Value: p.value}
	var t *Task
	if p.notify == sigevThreadID {
		if t = k.tasks[p.tid]; t == nil || t.tg != g || t.exited {
			return
		}
	}
	k.sendLocked(g, t, info)
}

// Notification kinds of struct sigevent.
const (
	sigevNone     = 1
	sigevThreadID = 4
)

// timerDequeued fills in the overrun count when a timer's signal is taken.
func (g *ThreadGroup) timerDequeued(info *signal.Info) {
	p := g.ptimers[info.TimerID]
	if p == nil {
		return
	}
	p.last = int32(min(p.overrun, 0x7fffffff))
	p.overrun = 0
	info.Overrun = p.last
}

// TimerOverrun implements timer_getoverrun(2).
func (g *ThreadGroup) TimerOverrun(id int32) (int32, error) {
	g.k.mu.Lock()
	defer g.k.mu.Unlock()
	p := g.ptimers[id]
	if p == nil {
		return 0, linux.EINVAL
	}
	return p.last, nil
}

// DeleteTimer implements timer_delete(2).
func (g *ThreadGroup) DeleteTimer(id int32) error {
	g.k.mu.Lock()
	defer g.k.mu.Unlock()
	p := g.ptimers[id]
	if p == nil {
		return linux.EINVAL
	}
	g.disarm(p)
	delete(g.ptimers, id)
	return nil
}

// stopTimers ends all timers of a process that ends; exec keeps the interval
// timers.
func (g *ThreadGroup) stopTimers() {
	g.k.mu.Lock()
	defer g.k.mu.Unlock()
	for i := range g.itimers.t {
		it := &g.itimers.t[i]
		it.gen++
		if it.timer != nil {
			it.timer.Stop()
			it.timer = nil
		}
	}
	if g.cpuTimer != nil {
		g.cpuTimer.Stop()
		g.cpuTimer = nil
	}
	g.deletePosixTimers()
}

func (g *ThreadGroup) deletePosixTimers() {
	for id, p := range g.ptimers {
		g.disarm(p)
		delete(g.ptimers, id)
	}
}

// TimerInfo describes a POSIX timer for /proc/PID/timers.
type TimerInfo struct {
	ID, Clock, Notify, Signo, TID int32
	Value                         uint64
}

// Timers lists the POSIX timers.
func (g *ThreadGroup) Timers() []TimerInfo {
	g.k.mu.Lock()
	defer g.k.mu.Unlock()
	var out []TimerInfo
	for _, p := range g.ptimers {
		out = append(out, TimerInfo{p.id, p.clock, p.notify, p.sig, p.tid, p.value})
	}
	return out
}
