// Package tty implements terminals: the N_TTY line discipline, pseudo-terminals
// and the caller's own terminal as seen from the sandbox, with sessions and job
// control.
//
// A *TTY is a terminal that can control a session: the slave of a
// pseudo-terminal, or the host's terminal that the sandbox was started on. The
// package knows processes only by the two interfaces of this file, which
// package task implements.
//
// Lock order:
//
//	System.jobMu > task.Kernel.mu
//	vfs.File.posMu > System.mu
//	epoll.Instance.mtx > pty.mu
//
// Neither System.mu nor pty.mu is held over calls to Jobs, nor while waiters are
// notified. Jobs must not call back into tty.
package tty

// Process is the process (thread group) of the calling task. A
// vfs.Context.Caller is asserted to it.
type Process interface {
	PID() int32
	SessionID() int32 // the leader is the process whose PID it is
	ProcessGroupID() int32
	// ControllingTTY is the process's controlling terminal or nil: inherited
	// by fork, cleared by setsid, kept by exec (signal->tty in Linux).
	ControllingTTY() *TTY
	SetControllingTTY(t *TTY)
	// SignalIgnoredOrBlocked is for the calling thread (SIGTTIN, SIGTTOU).
	SignalIgnoredOrBlocked(sig int) bool
}

// Jobs is the table of sessions and process groups, implemented by the kernel.
// Ids that do not exist are ignored.
type Jobs interface {
	// SignalGroup sends sig from the kernel (SI_KERNEL) to every process of
	// the group, as kill_pgrp(pgrp, sig, 1) does. It must not call into tty.
	SignalGroup(pgid int32, sig int)
	// SignalLeader sends sig to the leader of session sid only.
	SignalLeader(sid int32, sig int)
	// GroupSession returns the session of a process group.
	GroupSession(pgid int32) (sid int32, ok bool)
	// GroupOrphaned is is_current_pgrp_orphaned (POSIX 3.27): no member has
	// its parent in another group of the same session.
	GroupOrphaned(pgid int32) bool
	// ClearTTY sets ControllingTTY to nil in every process of session sid
	// that has t (session_clear_tty).
	ClearTTY(sid int32, t *TTY)
}

// What task calls here:
//
//   - at the exit of a process (its last thread): Exit(p);
//   - setsid(2): p.SetControllingTTY(nil), nothing more;
//   - vhangup(2): System.Vhangup(p);
//   - /proc/PID/stat: TTY.Device() and TTY.Foreground().
