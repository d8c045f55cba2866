package task

import (
	"sentinel/internal/platform"
	"sentinel/internal/signal"
)

const stopSignals = defaultStop

// jobControlSignal does what a signal does when it is sent, whatever becomes
// of it: SIGCONT cancels stops and the other way round (prepare_signal in
// kernel/signal.c). k.mu is held.
func (k *Kernel) jobControlSignal(g *ThreadGroup, sig int) {
	dropAll := func(s signal.Set) {
		g.pending.drop(s)
		for _, t := range g.tasks {
			t.pending.drop(s)
		}
	}
	switch {
	case stopSignals.Has(sig):
		dropAll(signal.Of(signal.SIGCONT))
	case sig == signal.SIGCONT:
		dropAll(stopSignals)
		if g.stopSig != 0 {
			g.resumeLocked()
			g.stopReport, g.contReport = false, true
			k.notifyParent(g, signal.CldCont, signal.SIGCONT)
		}
	}
}

// resumeLocked ends a group stop.
func (g *ThreadGroup) resumeLocked() {
	g.stopSig = 0
	g.stopCond.Broadcast()
}

// stopLocked begins a group stop by sig (do_signal_stop).
func (g *ThreadGroup) stopLocked(sig int) {
	if g.stopSig != 0 || g.exiting {
		return
	}
	g.stopSig, g.stopReport, g.contReport, g.stopTold = sig, false, false, false
	for _, t := range g.tasks {
		if !t.exited {
			t.interruptLocked()
		}
	}
}

// waitStopped parks the task until its group goes on or must die. The last
// thread to park reports the stop. Kernel.mu is held on entry and exit.
func (t *Task) waitStopped() {
	g := t.tg
	t.stopped = true
	t.th.Waits(platform.Asleep)
	defer func() {
		t.stopped = false
		t.th.Waits(platform.NoWait)
	}()
	for g.stopSig != 0 && !t.dying {
		if !g.stopTold && g.allStopped() {
			g.stopTold, g.stopReport = true, true
			t.k.notifyParent(g, signal.CldStopped, g.stopSig)
			if g == t.k.init && t.k.cfg.Stopped != nil {
				sig := g.stopSig
				t.k.mu.Unlock()
				t.k.cfg.Stopped(sig)
				t.k.mu.Lock()
				continue
			}
		}
		g.stopCond.Wait()
	}
}

func (g *ThreadGroup) allStopped() bool {
	for _, t := range g.tasks {
		if !t.exited && !t.stopped {
			return false
		}
	}
	return true
}

// notifyParent tells g's parent of a stop or continuation by SIGCHLD and wakes
// its waits (do_notify_parent_cldstop). k.mu is held.
func (k *Kernel) notifyParent(g *ThreadGroup, code int32, status int) {
	p := g.parent
	if p == nil {
		return
	}
	act := p.actions.a[signal.SIGCHLD]
	if act.Handler != sigIgn && act.Flags&saNoCldStop == 0 {
		u, s := g.cpuTimesLocked()
		k.sendLocked(p, nil, signal.Info{
			Signo: signal.SIGCHLD, Code: code, PID: g.pid, UID: g.uidLocked(), Status: int32(status),
			UTime: ticks(u), STime: ticks(s),
		})
	}
	p.childEvents.Notify(notifyIn)
}

func (g *ThreadGroup) uidLocked() uint32 {
	if g.leader != nil {
		return g.leader.Cred().UID
	}
	return 0
}

// ticks converts nanoseconds to clock ticks of 1/100 s (USER_HZ).
func ticks(ns int64) int64 { return ns / 10_000_000 }
