package task

import (
	"time"

	"sentinel/internal/abi/linux"
	"sentinel/internal/cred"
	"sentinel/internal/signal"
)

// SendSignal implements vfs.Caller: sig from the kernel to this thread.
func (t *Task) SendSignal(sig int) {
	t.k.mu.Lock()
	defer t.k.mu.Unlock()
	t.k.sendLocked(t.tg, t, signal.Info{Signo: int32(sig), Code: signal.SIKernel})
}

// SendInfo queues info for the process.
func (g *ThreadGroup) SendInfo(info signal.Info) error {
	g.k.mu.Lock()
	defer g.k.mu.Unlock()
	return g.k.sendLocked(g, nil, info)
}

// SendInfo queues info for the thread.
func (t *Task) SendInfo(info signal.Info) error {
	t.k.mu.Lock()
	defer t.k.mu.Unlock()
	return t.k.sendLocked(t.tg, t, info)
}

// UserInfo is the siginfo of kill(2) or tgkill(2) by t.
func (t *Task) UserInfo(sig int, code int32) signal.Info {
	return signal.Info{Signo: int32(sig), Code: code, PID: t.tg.pid, UID: t.Cred().UID}
}

// mayKill is check_kill_permission without the session rule for SIGCONT, which
// it adds. k.mu is held.
func (t *Task) mayKill(g *ThreadGroup, sig int) bool {
	c := t.Cred()
	if g == t.tg || c.Has(cred.CapKill) {
		return true
	}
	var target *cred.Cred
	if g.leader != nil {
		target = g.leader.Cred()
	}
	if target == nil {
		return false
	}
	if c.EUID == target.SUID || c.EUID == target.UID || c.UID == target.SUID || c.UID == target.UID {
		return true
	}
	return sig == signal.SIGCONT && g.pgrp != nil && t.tg.pgrp != nil && g.pgrp.session == t.tg.pgrp.session
}

// Kill implements kill(2), also by rt_sigqueueinfo with an info of its own.
func (t *Task) Kill(pid int32, info signal.Info) error {
	k := t.k
	sig := int(info.Signo)
	k.mu.Lock()
	defer k.mu.Unlock()
	send := func(g *ThreadGroup) error {
		if !t.mayKill(g, sig) {
			return linux.EPERM
		}
		if sig == 0 {
			return nil
		}
		return k.sendLocked(g, nil, info)
	}
	switch {
	case pid > 0:
		g := k.groups[pid]
		if g == nil {
			if x := k.tasks[pid]; x != nil {
				g = x.tg
			}
		}
		if g == nil {
			return linux.ESRCH
		}
		return send(g)
	case pid == -1:
		err, found := error(nil), false
		for _, g := range k.groups {
			if g == k.init || g == t.tg {
				continue
			}
			found = true
			if e := send(g); e != nil && e != linux.EPERM {
				err = e
			}
		}
		if !found {
			return linux.ESRCH
		}
		return err
	default:
		pg := t.tg.pgrp
		if pid != 0 {
			if pid == -1<<31 {
				return linux.ESRCH
			}
			pg = k.pgroups[-pid]
		}
		if pg == nil {
			return linux.ESRCH
		}
		err, ok := error(linux.ESRCH), false
		for g := range pg.members {
			if e := send(g); e == nil {
				ok = true
			} else {
				err = e
			}
		}
		if ok {
			return nil
		}
		return err
	}
}

// Tgkill implements tgkill(2) and rt_tgsigqueueinfo(2); tgid -1 is tkill(2).
func (t *Task) Tgkill(tgid, tid int32, info signal.Info) error {
	k := t.k
	sig := int(info.Signo)
	if tid <= 0 || tgid == 0 || tgid < -1 {
		return linux.EINVAL
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	x := k.tasks[tid]
	if x == nil || x.exited || tgid != -1 && x.tg.pid != tgid {
		return linux.ESRCH
	}
	if !t.mayKill(x.tg, sig) {
		return linux.EPERM
	}
	if sig == 0 {
		return nil
	}
	return k.sendLocked(x.tg, x, info)
}

// SignalFromOutside sends sig to the first process as from outside the
// sandbox.
func (k *Kernel) SignalFromOutside(sig int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.init != nil {
		k.sendLocked(k.init, nil, kernelInfo(sig))
	}
}

// KillAll ends every process of the sandbox, as by SIGKILL.
func (k *Kernel) KillAll() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.killed.Store(true)
	for _, g := range k.groups {
		k.killGroupLocked(g, killedBy(signal.SIGKILL))
	}
}

// KillGroup ends a process with the given status.
func (k *Kernel) KillGroup(g *ThreadGroup, st WaitStatus) {
	k.mu.Lock()
	k.killGroupLocked(g, st)
	k.mu.Unlock()
}

// exitGroup is KillGroup by a thread of g itself.
func (t *Task) exitGroup(st WaitStatus) {
	k, g := t.k, t.tg
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(g.tasks) > 1 || g.exiting {
		k.killGroupLocked(g, st)
		return
	}
	// Nobody has to be made to end, or to be looked after that it does.
	g.exiting, g.status, g.stopSig = true, st, 0
	t.dying = true
	t.attention.Store(true)
}

// killGroupLocked makes every thread of g end (do_group_exit, zap_other_threads).
func (k *Kernel) killGroupLocked(g *ThreadGroup, st WaitStatus) {
	if !g.exiting {
		g.exiting = true
		g.status = st
	}
	g.stopSig = 0
	g.stopCond.Broadcast()
	for _, t := range g.tasks {
		if !t.exited {
			t.dying = true
			t.interruptLocked()
		}
	}
	if g.killer == nil && len(g.tasks) > 0 {
		g.killer = time.AfterFunc(killPatience, g.killHost)
	}
}

// killPatience is how long threads have to end in good order. A hostile one
// can block the signal that interrupts it, or spin in the platform's code.
const killPatience = 2 * time.Second

// killHost ends the host processes under a group that does not end by itself.
func (g *ThreadGroup) killHost() {
	g.k.mu.Lock()
	defer g.k.mu.Unlock()
	for _, t := range g.tasks {
		if t.th != nil {
			t.th.Kill()
		}
	}
}

func (g *ThreadGroup) disarmKiller() {
	if g.killer != nil {
		g.killer.Stop()
	}
}

// lost ends a task whose host thread is gone, and its process, unless it was to
// end anyway: the others may be executing a program. sig is what the host sent,
// if it is known.
func (t *Task) lost(sig int) {
	if sig == 0 {
		sig = signal.SIGKILL
	}
	t.k.mu.Lock()
	if !t.dying {
		t.k.killGroupLocked(t.tg, killedBy(sig))
	}
	t.attention.Store(true)
	t.k.mu.Unlock()
}

// SignalMask returns the blocked signals.
func (t *Task) SignalMask() signal.Set {
	t.k.mu.Lock()
	defer t.k.mu.Unlock()
	return t.mask
}

// SetSignalMask replaces the blocked signals.
func (t *Task) SetSignalMask(m signal.Set) {
	t.k.mu.Lock()
	t.setMaskLocked(m)
	t.k.mu.Unlock()
}

func (t *Task) setMaskLocked(m signal.Set) {
	m &^= signal.Unblockable
	t.retarget(m &^ t.mask)
	t.mask = m
	if t.hasPendingLocked(^m) {
		t.attention.Store(true)
	}
}

func (t *Task) hasPendingLocked(set signal.Set) bool {
	return t.pending.next(set) != 0 || t.tg.pending.next(set) != 0
}

// SetTempSignalMask replaces the blocked signals for the duration of one call
// (set_user_sigmask): they are restored after it, or by the return from the
// handler that ends it.
func (t *Task) SetTempSignalMask(m signal.Set) {
	t.k.mu.Lock()
	if !t.hasSaved {
		t.savedMask, t.hasSaved = t.mask, true
	}
	t.setMaskLocked(m)
	t.attention.Store(true)
	t.k.mu.Unlock()
}

// PendingSignals returns the blocked signals that wait (sigpending).
func (t *Task) PendingSignals() signal.Set {
	t.k.mu.Lock()
	defer t.k.mu.Unlock()
	return (t.pending.set | t.tg.pending.set) & t.mask
}

// dequeueLocked takes the next signal of the set want. Kernel.mu is held.
func (t *Task) dequeueLocked(want signal.Set) (signal.Info, bool) {
	q := &t.pending
	sig := q.next(want)
	if sig == 0 {
		q = &t.tg.pending
		sig = q.next(want)
	}
	if sig == 0 {
		return signal.Info{}, false
	}
	info := q.take(sig)
	if info.Code == signal.SITimer && !info.HasRaw {
		t.tg.timerDequeued(&info)
	}
	return info, true
}

// DequeueSignal takes a pending signal of set for signalfd and sigtimedwait.
func (t *Task) DequeueSignal(set signal.Set) (signal.Info, bool) {
	t.k.mu.Lock()
	defer t.k.mu.Unlock()
	return t.dequeueLocked(set &^ signal.Unblockable)
}

// HasPending reports whether DequeueSignal would succeed.
func (t *Task) HasPending(set signal.Set) bool {
	t.k.mu.Lock()
	defer t.k.mu.Unlock()
	return t.hasPendingLocked(set &^ signal.Unblockable)
}

// Action returns and, if act is not nil, replaces what the process does with
// sig (do_sigaction).
func (t *Task) Action(sig int, act *SigAction) (SigAction, error) {
	if !signal.Valid(sig) || act != nil && signal.Unblockable.Has(sig) {
		return SigAction{}, linux.EINVAL
	}
	k := t.k
	k.mu.Lock()
	defer k.mu.Unlock()
	old := t.tg.actions.a[sig]
	if act != nil {
		act.Mask &^= signal.Unblockable
		t.tg.actions.a[sig] = *act
		if t.tg.ignores(sig) {
			t.tg.pending.drop(signal.Of(sig))
			for _, x := range t.tg.tasks {
				x.pending.drop(signal.Of(sig))
			}
		}
	}
	return old, nil
}
