package task

import (
	"sync"
	"testing"
	"time"

	"sentinel/internal/abi/linux"
	"sentinel/internal/cred"
	"sentinel/internal/signal"
)

// newProcess returns a process of n threads without a platform beneath it.
func newProcess(n int) (*Kernel, *ThreadGroup) {
	k := New(Config{Limits: DefaultLimits()})
	k.init = &ThreadGroup{k: k, pid: 1, actions: &sigActions{refs: 1}, limits: DefaultLimits()}
	g := &ThreadGroup{
		k: k, pid: 2, actions: &sigActions{refs: 1}, limits: DefaultLimits(), children: map[*ThreadGroup]struct{}{}, parent: k.init,
	}
	g.stopCond = sync.NewCond(&k.mu)
	for i := range n {
		t := &Task{k: k, tg: g, tid: int32(2 + i)}
		t.cred.Store(&cred.Cred{})
		g.tasks = append(g.tasks, t)
		k.tasks[t.tid] = t
	}
	g.leader = g.tasks[0]
	k.groups[2] = g
	return k, g
}

func send(t *testing.T, g *ThreadGroup, sig int) {
	t.Helper()
	if err := g.SendInfo(signal.Info{Signo: int32(sig), Code: signal.SIUser}); err != nil {
		t.Fatal(err)
	}
}

const handler = 0x1000

// woken returns which threads have been woken for a signal.
func woken(g *ThreadGroup) (n []int) {
	for i, x := range g.tasks {
		if x.signaled {
			n = append(n, i)
		}
	}
	return n
}

func TestSignalsWakeDifferentThreads(t *testing.T) {
	_, g := newProcess(3)
	for sig := range g.actions.a {
		g.actions.a[sig].Handler = handler
	}
	send(t, g, signal.SIGUSR1)
	if w := woken(g); len(w) != 1 || w[0] != 0 {
		t.Errorf("the first signal woke %v, want the leader", w)
	}
	send(t, g, signal.SIGUSR2)
	if w := woken(g); len(w) != 2 {
		t.Errorf("two signals woke %v", w)
	}
	// Whoever has been woken looks again after all have been.
	send(t, g, signal.SIGTERM)
	send(t, g, signal.SIGHUP)
	if w := woken(g); len(w) != 3 {
		t.Errorf("four signals woke %v", w)
	}
	for _, x := range g.tasks {
		if !x.attention.Load() {
			t.Errorf("thread %d was not told", x.tid)
		}
	}
}

func TestBlockingPassesSignalsOn(t *testing.T) {
	k, g := newProcess(2)
	g.actions.a[signal.SIGUSR1].Handler = handler
	send(t, g, signal.SIGUSR1)
	g.tasks[0].SetSignalMask(signal.Of(signal.SIGUSR1))
	if !g.tasks[1].signaled {
		t.Error("nobody took over the signal that its receiver blocked")
	}
	// Taken by another thread: the one that was woken can be woken again.
	if _, ok := g.tasks[0].DequeueSignal(signal.Of(signal.SIGUSR1)); !ok {
		t.Fatal("the signal is not pending")
	}
	if g.tasks[1].interrupted() {
		t.Error("interrupted without a signal")
	}
	if g.tasks[1].signaled {
		t.Error("still counts as woken")
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if g.pending.set != 0 || len(g.pending.info) != 0 {
		t.Error("something is pending still")
	}
}

func TestStoppedProcessDiesOnlyOfKill(t *testing.T) {
	_, g := newProcess(1)
	x := g.tasks[0]
	g.stopSig, x.stopped = signal.SIGSTOP, true
	send(t, g, signal.SIGTERM)
	if g.exiting {
		t.Error("SIGTERM acts on a stopped process")
	}
	send(t, g, signal.SIGCONT)
	if g.stopSig != 0 {
		t.Error("SIGCONT does not continue")
	}
	if !x.hasPendingLocked(signal.Of(signal.SIGTERM)) {
		t.Error("SIGTERM is gone")
	}
	send(t, g, signal.SIGKILL)
	if !g.exiting || !x.dying || g.status != killedBy(signal.SIGKILL) {
		t.Error("SIGKILL does not kill")
	}
	g.disarmKiller()
}

func TestIgnoredSignals(t *testing.T) {
	_, g := newProcess(1)
	x := g.tasks[0]
	send(t, g, signal.SIGCHLD)
	if g.pending.set != 0 {
		t.Error("SIGCHLD is queued though nobody wants it")
	}
	x.SetSignalMask(signal.Of(signal.SIGCHLD))
	send(t, g, signal.SIGCHLD)
	send(t, g, signal.SIGCHLD)
	if n := len(g.pending.info); n != 1 {
		t.Errorf("%d entries of a blocked standard signal, want 1", n)
	}
	if _, err := x.Action(signal.SIGCHLD, &SigAction{Handler: sigIgn}); err != nil || g.pending.set != 0 {
		t.Errorf("ignoring keeps what is pending (%v)", err)
	}
}

func TestQueueLimit(t *testing.T) {
	_, g := newProcess(1)
	g.tasks[0].SetSignalMask(^signal.Set(0))
	g.limits[linux.RLIMIT_SIGPENDING].Cur = 3
	info := signal.Info{Signo: signal.SIGRTMIN, Code: signal.SIQueue}
	for i := range 4 {
		err := g.SendInfo(info)
		if want := i == 3; (err == linux.EAGAIN) != want {
			t.Errorf("signal %d: %v", i, err)
		}
	}
}

// The signal of a timer that was lost, because the process ignored it, does not
// keep the timer from firing again.
func TestTimerAfterIgnoredSignal(t *testing.T) {
	k, g := newProcess(1)
	g.actions.a[signal.SIGUSR1].Handler = sigIgn
	id, err := g.NewTimer(TimerSpec{Clock: linux.CLOCK_MONOTONIC, Signo: signal.SIGUSR1})
	if err != nil {
		t.Fatal(err)
	}
	p := g.ptimers[id]
	g.timerFired(p, p.gen)
	g.actions.a[signal.SIGUSR1].Handler = handler
	g.timerFired(p, p.gen)
	g.timerFired(p, p.gen) // an overrun
	k.mu.Lock()
	info, ok := g.tasks[0].dequeueLocked(signal.Of(signal.SIGUSR1))
	k.mu.Unlock()
	if !ok || info.Overrun != 1 {
		t.Errorf("signal %v with overrun %d, want one with 1", ok, info.Overrun)
	}
	if err := g.DeleteTimer(id); err != nil {
		t.Error(err)
	}
}

func TestCPULimit(t *testing.T) {
	_, g := newProcess(1)
	g.actions.a[signal.SIGXCPU].Handler = handler
	g.SetLimit(linux.RLIMIT_CPU, linux.Rlimit64{Cur: 1, Max: 3})
	for _, c := range []struct {
		used time.Duration
		xcpu bool
		soft uint64
		dead bool
	}{
		{500 * time.Millisecond, false, 1, false},
		{1100 * time.Millisecond, true, 2, false},
		{1900 * time.Millisecond, false, 2, false},
		{2 * time.Second, true, 3, false},
		{3 * time.Second, false, 3, true},
	} {
		g.k.mu.Lock()
		g.times.User = int64(c.used)
		g.checkCPULimit()
		_, xcpu := g.tasks[0].dequeueLocked(signal.Of(signal.SIGXCPU))
		if xcpu != c.xcpu || g.limits[linux.RLIMIT_CPU].Cur != c.soft || g.exiting != c.dead {
			t.Errorf("after %v: SIGXCPU %v, soft limit %d, killed %v", c.used, xcpu, g.limits[linux.RLIMIT_CPU].Cur, g.exiting)
		}
		g.k.mu.Unlock()
	}
	g.disarmKiller()
	g.stopTimers()
}

// Threads that wait for the same signal get one each, whoever is faster.
func TestWaitersShareSignals(t *testing.T) {
	_, g := newProcess(4)
	set := signal.Of(signal.SIGRTMIN)
	for _, x := range g.tasks {
		x.SetSignalMask(set)
	}
	const each = 50
	got := make(chan uint64, each*len(g.tasks))
	var wg sync.WaitGroup
	for _, x := range g.tasks {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for range each {
				info, err := x.SignalWait(set, func() error {
					for {
						x.park.prepare()
						if x.HasPending(set) {
							return nil
						}
						if x.interrupted() {
							return linux.ERESTARTSYS
						}
						x.park.wait(0)
					}
				})
				if err != nil {
					t.Error(err)
					return
				}
				got <- info.Value
			}
		}()
	}
	for i := range each * len(g.tasks) {
		if err := g.SendInfo(signal.Info{Signo: signal.SIGRTMIN, Code: signal.SIQueue, Value: uint64(i)}); err != nil {
			t.Fatal(err)
		}
	}
	wg.Wait()
	close(got)
	seen := map[uint64]bool{}
	for v := range got {
		if seen[v] {
			t.Errorf("signal %d was taken twice", v)
		}
		seen[v] = true
	}
	if len(seen) != each*len(g.tasks) {
		t.Errorf("%d signals taken", len(seen))
	}
}
