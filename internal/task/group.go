package task

import (
	"sentinel/internal/platform"
	"sentinel/internal/waiter"
)

// childWaitable wakes a wait for children.
type childWaitable struct{ g *ThreadGroup }

func (childWaitable) Readiness(waiter.Mask) waiter.Mask { return 0 }
func (c childWaitable) EventRegister(e *waiter.Entry, m waiter.Mask) {
	c.g.childEvents.Register(e, m)
}
func (c childWaitable) EventUnregister(e *waiter.Entry) { c.g.childEvents.Unregister(e) }

// The waiter.Waitable of a process is readable once it has ended: pidfds.

// Readiness implements waiter.Waitable.
func (g *ThreadGroup) Readiness(mask waiter.Mask) waiter.Mask {
	g.k.mu.Lock()
	defer g.k.mu.Unlock()
	m := waiter.Mask(0)
	if g.zombie {
		m |= waiter.Readable
	}
	if g.reaped {
		m |= waiter.Hup
	}
	return m & (mask | waiter.Hup)
}

// EventRegister implements waiter.Waitable.
func (g *ThreadGroup) EventRegister(e *waiter.Entry, m waiter.Mask) { g.events.Register(e, m) }

// EventUnregister implements waiter.Waitable.
func (g *ThreadGroup) EventUnregister(e *waiter.Entry) { g.events.Unregister(e) }

// SignalEvents is notified when a signal arrives for the process or one of its
// threads (signalfd).
func (g *ThreadGroup) SignalEvents() *waiter.Queue { return &g.sigEvents }

// PID returns the process id.
func (g *ThreadGroup) PID() int32 { return g.pid }

// Kernel returns the kernel.
func (g *ThreadGroup) Kernel() *Kernel { return g.k }

// Leader returns the first thread, which may have exited.
func (g *ThreadGroup) Leader() *Task {
	g.k.mu.Lock()
	defer g.k.mu.Unlock()
	return g.leader
}

// Tasks returns the live threads. One that is on its way out, whose id the host
// may have cleared already (pthread_join), is not among them unless it is the
// last.
func (g *ThreadGroup) Tasks() []*Task {
	g.k.mu.Lock()
	defer g.k.mu.Unlock()
	live := func(keep func(t *Task) bool) []*Task {
		out := make([]*Task, 0, len(g.tasks))
		for _, t := range g.tasks {
			if keep(t) {
				out = append(out, t)
			}
		}
		return out
	}
	if out := live(func(t *Task) bool { return !t.leaving }); len(out) > 0 {
		return out
	}
	return live(func(t *Task) bool { return !t.exited })
}

// Parent returns the parent process, nil for init.
func (g *ThreadGroup) Parent() *ThreadGroup {
	g.k.mu.Lock()
	defer g.k.mu.Unlock()
	return g.parent
}

// PPID returns the parent's id, 0 for init.
func (g *ThreadGroup) PPID() int32 {
	if p := g.Parent(); p != nil {
		return p.pid
	}
	return 0
}

// Children returns the ids of the children.
func (g *ThreadGroup) Children() []int32 {
	g.k.mu.Lock()
	defer g.k.mu.Unlock()
	out := make([]int32, 0, len(g.children))
	for c := range g.children {
		out = append(out, c.pid)
	}
	return out
}

// IDs returns the process group and session ids.
func (g *ThreadGroup) IDs() (pgid, sid int32) {
	g.k.mu.Lock()
	defer g.k.mu.Unlock()
	if g.pgrp == nil {
		return 0, 0
	}
	return g.pgrp.id, g.pgrp.session.id
}

// Zombie reports whether the process has ended and waits to be reaped.
func (g *ThreadGroup) Zombie() bool {
	g.k.mu.Lock()
	defer g.k.mu.Unlock()
	return g.zombie
}

// Reaped reports whether it is gone for good.
func (g *ThreadGroup) Reaped() bool {
	g.k.mu.Lock()
	defer g.k.mu.Unlock()
	return g.reaped
}

// Stopped reports whether it is in a group stop.
func (g *ThreadGroup) Stopped() bool {
	g.k.mu.Lock()
	defer g.k.mu.Unlock()
	return g.stopSig != 0
}

// SignalState is what /proc/PID/status shows of signals.
type SignalState struct {
	Pending, SharedPending, Blocked, Ignored, Caught uint64
	Queued                                           int
	QueueLimit                                       uint64
}

// SignalState returns the task's signal state.
func (t *Task) SignalState() SignalState {
	t.k.mu.Lock()
	defer t.k.mu.Unlock()
	s := SignalState{
		Pending: uint64(t.pending.set), SharedPending: uint64(t.tg.pending.set), Blocked: uint64(t.mask),
		Queued: len(t.pending.info) + len(t.tg.pending.info), QueueLimit: t.tg.limits[11].Cur,
	}
	for sig := 1; sig < len(t.tg.actions.a); sig++ {
		switch t.tg.actions.a[sig].Handler {
		case sigIgn:
			s.Ignored |= 1 << (sig - 1)
		case sigDfl:
		default:
			s.Caught |= 1 << (sig - 1)
		}
	}
	return s
}

// State returns the letter of /proc/PID/stat for the task.
func (t *Task) State() byte {
	t.k.mu.Lock()
	defer t.k.mu.Unlock()
	switch {
	case t.tg.zombie || t.exited:
		return 'Z'
	case t.stopped:
		return 'T'
	case t.sleeping.Load():
		return 'S'
	}
	if s, ok := t.th.(platform.Sleeper); ok && s.Sleeping() {
		return 'S'
	}
	return 'R'
}

// OOMScoreAdj returns and SetOOMScoreAdj sets /proc/PID/oom_score_adj.
func (g *ThreadGroup) OOMScoreAdj() int32 {
	g.k.mu.Lock()
	defer g.k.mu.Unlock()
	return g.oomScoreAdj
}

// SetOOMScoreAdj sets /proc/PID/oom_score_adj.
func (g *ThreadGroup) SetOOMScoreAdj(v int32) {
	g.k.mu.Lock()
	g.oomScoreAdj = v
	g.k.mu.Unlock()
}

// Limits returns all resource limits.
func (g *ThreadGroup) Limits() Limits {
	g.k.mu.Lock()
	defer g.k.mu.Unlock()
	return g.limits
}

// Nice returns the task's nice value.
func (t *Task) Nice() int {
	t.k.mu.Lock()
	defer t.k.mu.Unlock()
	return t.niceValue
}
