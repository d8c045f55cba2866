package task

import (
	"slices"

	"sentinel/internal/abi/linux"
	"sentinel/internal/cred"
	"sentinel/internal/host"
	"sentinel/internal/platform"
)

// SetDeathSignal sets what the task gets when its parent ends.
func (t *Task) SetDeathSignal(sig int) {
	t.k.mu.Lock()
	t.pdeathsig = sig
	t.k.mu.Unlock()
}

// DeathSignal returns what SetDeathSignal set.
func (t *Task) DeathSignal() int {
	t.k.mu.Lock()
	defer t.k.mu.Unlock()
	return t.pdeathsig
}

// Dumpable returns PR_GET_DUMPABLE.
func (t *Task) Dumpable() int32 { return t.dumpable.Load() }

// SetDumpable sets PR_SET_DUMPABLE.
func (t *Task) SetDumpable(v int32) { t.dumpable.Store(v) }

// TimerSlack returns the timer slack in nanoseconds.
func (t *Task) TimerSlack() uint64 { return t.timerSlack.Load() }

// SetTimerSlack sets it.
func (t *Task) SetTimerSlack(ns uint64) { t.timerSlack.Store(ns) }

// Personality returns the execution domain.
func (t *Task) Personality() uint32 { return t.personality.Load() }

// SetPersonality sets it.
func (t *Task) SetPersonality(p uint32) { t.personality.Store(p) }

// SetNice sets the nice value.
func (t *Task) SetNice(n int) {
	t.k.mu.Lock()
	t.niceValue = n
	t.k.mu.Unlock()
}

// Affinity returns the CPUs that the thread may use, a bit for each by its number.
func (t *Task) Affinity() []byte {
	t.k.mu.Lock()
	defer t.k.mu.Unlock()
	if t.affinity == nil {
		return slices.Clone(host.CPUs())
	}
	return slices.Clone(t.affinity)
}

// SetAffinity restricts the thread to the CPUs of a mask.
func (t *Task) SetAffinity(m []byte) error {
	t.k.mu.Lock()
	defer t.k.mu.Unlock()
	if t.th == nil {
		return linux.ESRCH
	}
	if err := host.SetAffinity(t.th.HostTID(), m); err != nil {
		return err
	}
	t.affinity = m
	return nil
}

// Policy returns the scheduling policy and priority that were set.
func (t *Task) Policy() (policy, prio int32) {
	t.k.mu.Lock()
	defer t.k.mu.Unlock()
	return t.policy, t.rtPrio
}

// SetPolicy remembers them.
func (t *Task) SetPolicy(policy, prio int32) {
	t.k.mu.Lock()
	t.policy, t.rtPrio = policy, prio
	t.k.mu.Unlock()
}

// Subreaper reports PR_GET_CHILD_SUBREAPER.
func (g *ThreadGroup) Subreaper() bool {
	g.k.mu.Lock()
	defer g.k.mu.Unlock()
	return g.subreaper
}

// SetSubreaper sets PR_SET_CHILD_SUBREAPER.
func (g *ThreadGroup) SetSubreaper(v bool) {
	g.k.mu.Lock()
	g.subreaper = v
	g.k.mu.Unlock()
}

// MayTrace reports whether t may look into x (ptrace_may_access).
func (t *Task) MayTrace(x *Task) bool {
	if t.tg == x.tg {
		return true
	}
	c, xc := t.Cred(), x.Cred()
	if c.Has(cred.CapSysPtrace) {
		return true
	}
	return c.FSUID == xc.EUID && c.FSUID == xc.SUID && c.FSUID == xc.UID &&
		c.FSGID == xc.EGID && c.FSGID == xc.SGID && c.FSGID == xc.GID && x.Dumpable() == 1
}

// MemoryUsed returns the resident memory of all processes in bytes.
func (k *Kernel) MemoryUsed() uint64 {
	used := uint64(0)
	for _, g := range k.ThreadGroups() {
		if l := g.Tasks(); len(l) > 0 {
			if m := l[0].MM(); m != nil {
				_, rss, _ := m.RSS()
				used += rss
			}
		}
	}
	return used
}

// FutexWait has the host wait on a futex in the guest.
func (t *Task) FutexWait(c platform.HostCall) (uint64, error) {
	t.sleeping.Store(true)
	ret, err := t.th.BlockingCall(c)
	t.sleeping.Store(false)
	switch err {
	case linux.ERESTARTSYS, linux.ERESTARTNOINTR, linux.ERESTARTNOHAND, linux.ERESTART_RESTARTBLOCK:
		// Whether the interruption was for a signal, the run loop finds out.
		t.attention.Store(true)
		return 0, linux.ERESTARTSYS
	}
	return ret, err
}
