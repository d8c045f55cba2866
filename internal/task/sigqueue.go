package task

import (
	"slices"

	"sentinel/internal/abi/linux"
	"sentinel/internal/signal"
)

// sigQueue holds pending signals: one each of the standard ones, the real-time
// ones in order. It is guarded by Kernel.mu.
type sigQueue struct {
	set  signal.Set
	info []signal.Info
}

// add queues info and reports whether it was new.
func (q *sigQueue) add(info signal.Info) bool {
	sig := int(info.Signo)
	if sig < signal.SIGRTMIN && q.set.Has(sig) {
		return false
	}
	q.set |= signal.Of(sig)
	q.info = append(q.info, info)
	return true
}

// next returns the lowest-numbered pending signal of the set want, the
// synchronous ones first (next_signal in kernel/signal.c), and 0 if none.
func (q *sigQueue) next(want signal.Set) int {
	s := q.set & want
	if s == 0 {
		return 0
	}
	if sync := s & synchronous; sync != 0 {
		s = sync
	}
	for sig := 1; ; sig++ {
		if s.Has(sig) {
			return sig
		}
	}
}

const synchronous = signal.Set(1<<(signal.SIGSEGV-1) | 1<<(signal.SIGBUS-1) | 1<<(signal.SIGILL-1) |
	1<<(signal.SIGTRAP-1) | 1<<(signal.SIGFPE-1) | 1<<(signal.SIGSYS-1))

// take removes the first instance of sig.
func (q *sigQueue) take(sig int) signal.Info {
	i := slices.IndexFunc(q.info, func(x signal.Info) bool { return int(x.Signo) == sig })
	if i < 0 {
		q.set &^= signal.Of(sig)
		return signal.Info{Signo: int32(sig), Code: signal.SIUser}
	}
	info := q.info[i]
	q.remove(i)
	return info
}

// remove takes out the i-th entry.
func (q *sigQueue) remove(i int) {
	sig := q.info[i].Signo
	q.info = slices.Delete(q.info, i, i+1)
	if !slices.ContainsFunc(q.info, func(x signal.Info) bool { return x.Signo == sig }) {
		q.set &^= signal.Of(int(sig))
	}
}

// drop removes every instance of the signals in s.
func (q *sigQueue) drop(s signal.Set) {
	if q.set&s == 0 {
		return
	}
	q.set &^= s
	q.info = slices.DeleteFunc(q.info, func(x signal.Info) bool { return s.Has(int(x.Signo)) })
}

// SigAction is what a process does with a signal: struct sigaction of the
// kernel.
type SigAction struct {
	Handler  uint64
	Flags    uint64
	Restorer uint64
	Mask     signal.Set
}

// Handlers that are no addresses.
const (
	sigDfl = 0
	sigIgn = 1
)

// sigActions may be shared by processes (CLONE_SIGHAND); guarded by Kernel.mu.
type sigActions struct {
	refs int
	a    [signal.Max + 1]SigAction
}

func (s *sigActions) fork() *sigActions {
	n := *s
	n.refs = 1
	return &n
}

// execReset sets handlers back to the default; ignored signals stay ignored
// (flush_signal_handlers in kernel/signal.c).
func (s *sigActions) execReset() {
	for i := range s.a {
		if s.a[i].Handler != sigIgn {
			s.a[i].Handler = sigDfl
		}
		s.a[i].Flags, s.a[i].Restorer, s.a[i].Mask = 0, 0, 0
	}
}

// What the default action of a signal is (signal(7)).
const (
	defaultIgnore = signal.Set(1<<(signal.SIGCHLD-1) | 1<<(signal.SIGCONT-1) | 1<<(signal.SIGURG-1) | 1<<(signal.SIGWINCH-1))
	defaultStop   = signal.Set(1<<(signal.SIGSTOP-1) | 1<<(signal.SIGTSTP-1) | 1<<(signal.SIGTTIN-1) | 1<<(signal.SIGTTOU-1))
	defaultCore   = signal.Set(1<<(signal.SIGQUIT-1) | 1<<(signal.SIGILL-1) | 1<<(signal.SIGTRAP-1) | 1<<(signal.SIGABRT-1) |
		1<<(signal.SIGFPE-1) | 1<<(signal.SIGSEGV-1) | 1<<(signal.SIGBUS-1) | 1<<(signal.SIGSYS-1) | 1<<(signal.SIGXCPU-1) | 1<<(signal.SIGXFSZ-1))
)

// ignores reports whether sig would be thrown away: ignored, or by default
// without effect. k.mu is held.
func (g *ThreadGroup) ignores(sig int) bool {
	switch g.actions.a[sig].Handler {
	case sigIgn:
		return true
	case sigDfl:
		return defaultIgnore.Has(sig)
	}
	return false
}

// sendLocked queues info for thread t, or for any thread of g if t is nil
// (send_signal_locked and complete_signal in kernel/signal.c). k.mu is held.
func (k *Kernel) sendLocked(g *ThreadGroup, t *Task, info signal.Info) error {
	sig := int(info.Signo)
	if g.zombie || g.exiting && sig != signal.SIGKILL {
		return nil
	}
	k.jobControlSignal(g, sig)
	first := t // whose mask counts
	if first == nil {
		first = g.leader
	}
	// A blocked signal stays pending even if ignored, because the action may
	// change before it is unblocked (sig_ignored).
	blocked := first != nil && first.mask.Has(sig)
	if g == k.init && !blocked && g.unkillable(sig, &info) {
		return nil
	}
	if sig != signal.SIGKILL && sig != signal.SIGSTOP && !blocked && g.ignores(sig) {
		return nil
	}
	q := &g.pending
	if t != nil {
		q = &t.pending
	}
	if sig >= signal.SIGRTMIN && info.Code != signal.SIUser && uint64(len(q.info)) >= g.limits[linux.RLIMIT_SIGPENDING].Cur {
		return linux.EAGAIN
	}
	if !q.add(info) {
		return nil
	}
	if sig == signal.SIGKILL {
		k.killGroupLocked(g, killedBy(sig))
		return nil
	}
	g.sigEvents.Notify(notifyIn)
	x := g.receiver(t, sig)
	switch {
	case x == nil:
	case g.fatalFor(x, sig):
		k.killGroupLocked(g, killedBy(sig))
	default:
		x.signaled = true
		x.interruptLocked()
	}
	return nil
}

// wants reports whether t would take sig now (wants_signal).
func (t *Task) wants(sig int) bool {
	return !t.exited && !t.dying && !t.stopped && (!t.mask.Has(sig) || t.sigWait.Has(sig))
}

// receiver chooses who is woken for sig: t if it is for that thread, else the
// leader if it wants it, else a thread that has not been woken for another
// signal already. Those that have been look at all signals anyway.
func (g *ThreadGroup) receiver(t *Task, sig int) *Task {
	if t == nil {
		t = g.leader
		for _, x := range g.tasks {
			if x.wants(sig) && !x.signaled && (t == nil || !t.wants(sig) || t.signaled) {
				t = x
			}
		}
	}
	if t == nil || !t.wants(sig) {
		return nil
	}
	return t
}

// retarget finds other threads for the pending signals of set, which t does not
// take any more (retarget_shared_pending). k.mu is held.
func (t *Task) retarget(set signal.Set) {
	g := t.tg
	set &= g.pending.set
	if set == 0 || len(g.tasks) < 2 {
		return
	}
	for _, x := range g.tasks {
		if x == t {
			continue
		}
		for sig := 1; sig <= signal.Max; sig++ {
			if set.Has(sig) && x.wants(sig) {
				set &^= signal.Of(sig)
				x.signaled = true
				x.interruptLocked()
			}
		}
	}
}

// fatalFor reports whether sig, which x would take, will kill the whole group
// and nobody can stop it, so that all threads can be told at once (sig_fatal).
func (g *ThreadGroup) fatalFor(x *Task, sig int) bool {
	return g.actions.a[sig].Handler == sigDfl && !(defaultIgnore | defaultStop | defaultCore).Has(sig) &&
		!x.mask.Has(sig) && g != g.k.init // of init deliver decides, see unkillable
}

// unkillable reports whether init is spared: where the bundle asks for it, init
// gets only signals for which it has a handler (SIGNAL_UNKILLABLE), except those
// that the processor raises or that come from outside the sandbox (SIKernel).
func (g *ThreadGroup) unkillable(sig int, info *signal.Info) bool {
	return g.k.cfg.ProtectInit && info.Code <= 0 && g.actions.a[sig].Handler == sigDfl
}

// interruptLocked makes t look at its signals soon, wherever it is.
func (t *Task) interruptLocked() {
	t.attention.Store(true)
	t.park.wake()
	if t.th != nil {
		t.th.Interrupt()
	}
}
