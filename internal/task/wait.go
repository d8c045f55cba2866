package task

import (
	"sentinel/internal/abi/linux"
	"sentinel/internal/signal"
)

// WaitFor says which children a wait is for.
type WaitFor struct {
	PID     int32 // if > 0
	PGID    int32 // if > 0
	Options int   // linux.WNOHANG, WEXITED, WSTOPPED, WCONTINUED, WNOWAIT, __WALL, __WCLONE
}

// Waited is what a wait found.
type Waited struct {
	PID      int32
	UID      uint32
	Status   WaitStatus
	Code     int32 // si_code
	SigValue int32 // si_status
	Times    CPUTimes
	peak     peaks
}

// MaxRSS returns the largest resident size that the process has had, in KiB.
func (w *Waited) MaxRSS() int64 { return w.peak.kib() }

// CPUTimes are times in nanoseconds.
type CPUTimes struct{ User, System int64 }

type cpuTimes = CPUTimes

// Wait implements wait4(2) and waitid(2). Without a match under WNOHANG the
// result has PID 0.
func (t *Task) Wait(w WaitFor) (Waited, error) {
	got, err := t.waitOnce(&w)
	if err != linux.EAGAIN {
		return got, err
	}
	if w.Options&linux.WNOHANG != 0 {
		return Waited{}, nil
	}
	interrupted := t.Block(childWaitable{t.tg}, notifyIn, func() bool {
		got, err = t.waitOnce(&w)
		return err != linux.EAGAIN
	})
	if interrupted != nil {
		return Waited{}, interrupted
	}
	return got, err
}

// waitOnce returns EAGAIN if there are children that may match later.
func (t *Task) waitOnce(w *WaitFor) (Waited, error) {
	k, g := t.k, t.tg
	k.mu.Lock()
	defer k.mu.Unlock()
	eligible := false
	for c := range g.children {
		if !w.matches(c) || w.Options&linux.WNOTHREAD != 0 && c.parentTask != t {
			continue
		}
		eligible = true
		switch {
		case c.zombie && w.Options&linux.WEXITED != 0:
			res := Waited{PID: c.pid, UID: c.uidLocked(), Status: c.status, Times: c.times, peak: c.peak.clone()}
			res.Code, res.SigValue = c.status.childCode()
			if w.Options&linux.WNOWAIT == 0 {
				k.reapLocked(c)
			}
			return res, nil
		case c.stopReport && w.Options&linux.WSTOPPED != 0:
			if w.Options&linux.WNOWAIT == 0 {
				c.stopReport = false
			}
			return Waited{PID: c.pid, UID: c.uidLocked(), Status: stoppedBy(c.stopSig), Code: signal.CldStopped, SigValue: int32(c.stopSig)}, nil
		case c.contReport && w.Options&linux.WCONTINUED != 0:
			if w.Options&linux.WNOWAIT == 0 {
				c.contReport = false
			}
			return Waited{PID: c.pid, UID: c.uidLocked(), Status: continued, Code: signal.CldCont, SigValue: signal.SIGCONT}, nil
		}
	}
	if !eligible {
		return Waited{}, linux.ECHILD
	}
	return Waited{}, linux.EAGAIN
}

func (w *WaitFor) matches(c *ThreadGroup) bool {
	if w.PID > 0 && c.pid != w.PID {
		return false
	}
	if w.PGID > 0 && (c.pgrp == nil || c.pgrp.id != w.PGID) {
		return false
	}
	// eligible_child: a "clone" child is one that does not send SIGCHLD.
	if w.Options&linux.WALL == 0 {
		clone := c.exitSignal != signal.SIGCHLD
		if clone != (w.Options&linux.WCLONE != 0) {
			return false
		}
	}
	return true
}

// reapLocked takes a zombie out of the tree.
func (k *Kernel) reapLocked(c *ThreadGroup) {
	if c.reaped {
		return
	}
	c.reaped = true
	if p := c.parent; p != nil {
		delete(p.children, c)
		p.childTimes.User += c.times.User + c.childTimes.User
		p.childTimes.System += c.times.System + c.childTimes.System
		p.childPeak.add(&c.peak)
		p.childPeak.add(&c.childPeak)
	}
	k.leaveGroup(c)
	delete(k.groups, c.pid)
	delete(k.tasks, c.pid)
}

// CPUTimes returns the process's own times and those of its reaped children.
func (g *ThreadGroup) CPUTimes() (own, children CPUTimes) {
	g.k.mu.Lock()
	defer g.k.mu.Unlock()
	u, s := g.cpuTimesLocked()
	return CPUTimes{u, s}, g.childTimes
}

// cpuTimesLocked returns user and system time in nanoseconds.
func (g *ThreadGroup) cpuTimesLocked() (user, system int64) {
	user, system = g.times.User, g.times.System
	if g.zombie {
		return user, system
	}
	for _, t := range g.tasks {
		if !t.exited && t.th != nil {
			u, s := t.th.CPUTime()
			return user + u, system + s
		}
	}
	return user, system
}
