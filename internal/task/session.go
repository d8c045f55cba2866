package task

import (
	"sentinel/internal/abi/linux"
	"sentinel/internal/signal"
	"sentinel/internal/tty"
)

// session is a POSIX session; guarded by Kernel.mu.
type session struct {
	id     int32
	groups map[*processGroup]struct{}
}

// processGroup is a job. It lives as long as it has members.
type processGroup struct {
	id      int32
	session *session
	members map[*ThreadGroup]struct{}
}

// joinGroup moves g to group pg. k.mu is held.
func (k *Kernel) joinGroup(g *ThreadGroup, pg *processGroup) {
	if g.pgrp == pg {
		return
	}
	k.leaveGroup(g)
	g.pgrp = pg
	pg.members[g] = struct{}{}
}

// leaveGroup takes g out of its group, and the group and session away with
// their last member. k.mu is held.
func (k *Kernel) leaveGroup(g *ThreadGroup) {
	pg := g.pgrp
	if pg == nil {
		return
	}
	g.pgrp = nil
	delete(pg.members, g)
	if len(pg.members) == 0 {
		delete(k.pgroups, pg.id)
		delete(pg.session.groups, pg)
		if len(pg.session.groups) == 0 {
			delete(k.sessions, pg.session.id)
		}
	}
}

func (k *Kernel) newGroup(id int32, s *session) *processGroup {
	pg := &processGroup{id: id, session: s, members: map[*ThreadGroup]struct{}{}}
	k.pgroups[id] = pg
	s.groups[pg] = struct{}{}
	return pg
}

func (k *Kernel) newSession(id int32) *session {
	s := &session{id: id, groups: map[*processGroup]struct{}{}}
	k.sessions[id] = s
	return s
}

// Setsid implements setsid(2).
func (t *Task) Setsid() (int32, error) {
	k, g := t.k, t.tg
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.pgroups[g.pid] != nil {
		return 0, linux.EPERM
	}
	k.joinGroup(g, k.newGroup(g.pid, k.newSession(g.pid)))
	g.tty = nil
	return g.pid, nil
}

// Setpgid implements setpgid(2).
func (t *Task) Setpgid(pid, pgid int32) error {
	k := t.k
	k.mu.Lock()
	defer k.mu.Unlock()
	if pid == 0 {
		pid = t.tg.pid
	}
	if pgid == 0 {
		pgid = pid
	}
	if pgid < 0 {
		return linux.EINVAL
	}
	g := k.groups[pid]
	if g == nil {
		return linux.ESRCH
	}
	switch {
	case g == t.tg:
	case g.parent == t.tg:
		if g.pgrp.session != t.tg.pgrp.session {
			return linux.EPERM
		}
		if g.didExec {
			return linux.EACCES
		}
	default:
		return linux.ESRCH
	}
	if g.pgrp.session.id == g.pid {
		return linux.EPERM
	}
	pg := k.pgroups[pgid]
	if pgid != pid {
		if pg == nil || pg.session != t.tg.pgrp.session {
			return linux.EPERM
		}
	}
	if pg == nil {
		pg = k.newGroup(pgid, g.pgrp.session)
	}
	k.joinGroup(g, pg)
	return nil
}

// Getpgid and Getsid look up a process's group and session; pid 0 is the
// caller.
func (t *Task) Getpgid(pid int32) (int32, error) {
	t.k.mu.Lock()
	defer t.k.mu.Unlock()
	g, err := t.lookupGroupLocked(pid)
	if err != nil {
		return 0, err
	}
	return g.pgrp.id, nil
}

// Getsid returns the session of a process; pid 0 is the caller.
func (t *Task) Getsid(pid int32) (int32, error) {
	t.k.mu.Lock()
	defer t.k.mu.Unlock()
	g, err := t.lookupGroupLocked(pid)
	if err != nil {
		return 0, err
	}
	return g.pgrp.session.id, nil
}

func (t *Task) lookupGroupLocked(pid int32) (*ThreadGroup, error) {
	if pid == 0 {
		return t.tg, nil
	}
	if x := t.k.tasks[pid]; x != nil && x.tg.pgrp != nil {
		return x.tg, nil
	}
	g := t.k.groups[pid]
	if g == nil || g.pgrp == nil {
		return nil, linux.ESRCH
	}
	return g, nil
}

// SessionID implements tty.Process.
func (t *Task) SessionID() int32 { n, _ := t.Getsid(0); return n }

// ProcessGroupID implements tty.Process.
func (t *Task) ProcessGroupID() int32 { n, _ := t.Getpgid(0); return n }

// ControllingTTY implements tty.Process.
func (t *Task) ControllingTTY() *tty.TTY { return t.tg.ControllingTTY() }

// SetControllingTTY implements tty.Process.
func (t *Task) SetControllingTTY(x *tty.TTY) { t.tg.setTTY(x) }

// ControllingTTY returns the process's controlling terminal, or nil.
func (g *ThreadGroup) ControllingTTY() *tty.TTY {
	g.k.mu.Lock()
	defer g.k.mu.Unlock()
	return g.tty
}

func (g *ThreadGroup) setTTY(x *tty.TTY) {
	g.k.mu.Lock()
	g.tty = x
	g.k.mu.Unlock()
}

// SignalIgnoredOrBlocked implements tty.Process.
func (t *Task) SignalIgnoredOrBlocked(sig int) bool {
	t.k.mu.Lock()
	defer t.k.mu.Unlock()
	return t.mask.Has(sig) || t.tg.actions.a[sig].Handler == sigIgn
}

// SignalGroup implements tty.Jobs.
func (k *Kernel) SignalGroup(pgid int32, sig int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.signalGroupLocked(pgid, kernelInfo(sig))
}

func (k *Kernel) signalGroupLocked(pgid int32, info signal.Info) {
	if pg := k.pgroups[pgid]; pg != nil {
		for g := range pg.members {
			k.sendLocked(g, nil, info)
		}
	}
}

func kernelInfo(sig int) signal.Info {
	return signal.Info{Signo: int32(sig), Code: signal.SIKernel}
}

// SignalLeader implements tty.Jobs.
func (k *Kernel) SignalLeader(sid int32, sig int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if g := k.groups[sid]; g != nil {
		k.sendLocked(g, nil, kernelInfo(sig))
	}
}

// GroupSession implements tty.Jobs.
func (k *Kernel) GroupSession(pgid int32) (int32, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if pg := k.pgroups[pgid]; pg != nil {
		return pg.session.id, true
	}
	return 0, false
}

// GroupOrphaned implements tty.Jobs.
func (k *Kernel) GroupOrphaned(pgid int32) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	pg := k.pgroups[pgid]
	return pg == nil || k.orphaned(pg, nil)
}

// orphaned is will_become_orphaned_pgrp of kernel/exit.c: without regard to
// the process except. k.mu is held.
func (k *Kernel) orphaned(pg *processGroup, except *ThreadGroup) bool {
	for g := range pg.members {
		if g == except || g.zombie && len(g.tasks) == 0 || g.parent == nil || g.parent.pgrp == nil {
			continue
		}
		if g.parent == k.init && g == except {
			continue
		}
		if g.parent.pgrp != pg && g.parent.pgrp.session == pg.session {
			return false
		}
	}
	return true
}

// ClearTTY implements tty.Jobs.
func (k *Kernel) ClearTTY(sid int32, x *tty.TTY) {
	k.mu.Lock()
	defer k.mu.Unlock()
	s := k.sessions[sid]
	if s == nil {
		return
	}
	for pg := range s.groups {
		for g := range pg.members {
			if g.tty == x {
				g.tty = nil
			}
		}
	}
}

// killOrphanedGroup sends SIGHUP and SIGCONT to a group that became orphaned
// and has stopped members (kill_orphaned_pgrp). k.mu is held.
func (k *Kernel) killOrphanedGroup(g *ThreadGroup, parent *ThreadGroup) {
	pg := g.pgrp
	if pg == nil || parent == nil || parent.pgrp == nil || parent.pgrp == pg || parent.pgrp.session != pg.session {
		return
	}
	if !k.orphaned(pg, g) {
		return
	}
	for m := range pg.members {
		if m.stopSig != 0 {
			k.signalGroupLocked(pg.id, kernelInfo(signal.SIGHUP))
			k.signalGroupLocked(pg.id, kernelInfo(signal.SIGCONT))
			return
		}
	}
}
