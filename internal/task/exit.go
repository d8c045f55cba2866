package task

import (
	"encoding/binary"
	"slices"

	"sentinel/internal/abi/linux"
	"sentinel/internal/platform"
	"sentinel/internal/signal"
	"sentinel/internal/usermem"
)

// Exit implements exit(2): this thread ends.
func (t *Task) Exit(code int) {
	t.k.mu.Lock()
	t.exitCode = exitedWith(code)
	t.dying = true
	t.attention.Store(true)
	t.k.mu.Unlock()
}

// ExitGroup implements exit_group(2).
func (t *Task) ExitGroup(code int) { t.exitGroup(exitedWith(code)) }

// exitTask ends the task on its own goroutine (do_exit in kernel/exit.c).
func (t *Task) exitTask() {
	defer t.park.close()
	k, g := t.k, t.tg
	t.returnBuffer(0)
	if t.th != nil {
		t.exitRobustList()
	}
	t.endVfork()
	m := t.mm.Swap(nil)
	if m != nil && m.DecUser() {
		m.Release()
	}
	if f := t.fds.Swap(nil); f != nil {
		f.DropUser(&t.ctx)
	}
	if f := t.fs.Swap(nil); f != nil {
		f.DropUser()
	}
	k.mu.Lock()
	t.leaving = true
	last := !slices.ContainsFunc(g.tasks, func(x *Task) bool { return !x.leaving })
	account := last && g.parent != nil // nobody asks about init
	var used CPUTimes
	if account {
		used.User, used.System = g.cpuTimesLocked()
	}
	th := t.th
	k.mu.Unlock()
	if account && th != nil {
		g.notePeak(th)
	}
	if th != nil {
		if last {
			th.Kill()
		}
		th.Exit()
	}
	k.mu.Lock()
	if last {
		// Not before: what a thread that is still there has used is in it.
		g.times = used
	}
	t.th = nil
	t.exited = true
	g.tasks = slices.DeleteFunc(g.tasks, func(x *Task) bool { return x == t })
	t.retarget(^t.mask | t.sigWait)
	k.adoptLocked(t)
	if t != g.leader {
		delete(k.tasks, t.tid)
	}
	if g.execing != nil {
		g.execing.interruptLocked()
	}
	if g.stopSig != 0 {
		g.stopCond.Broadcast()
	}
	if len(g.tasks) > 0 {
		status := t.exitCode
		k.mu.Unlock()
		t.traceExit(status)
		return
	}
	if !g.exiting {
		g.status = t.exitCode // of the last thread (synchronize_group_exit)
	}
	g.exiting = true
	g.disarmKiller()
	status := g.status
	ctty := g.tty
	k.mu.Unlock()
	if ctty != nil && k.ttys != nil {
		k.ttys.Exit(t)
	}
	t.traceExit(status)
	g.stopTimers()
	k.runExitHooks(g)
	k.groupExited(g, t)
}

// adoptLocked gives the children that thread t has made to another thread of
// its process, and tells those who asked for it of its end (reparent_leader and
// forget_original_parent).
func (k *Kernel) adoptLocked(t *Task) {
	g := t.tg
	if len(g.tasks) == 0 {
		return // groupExited does it
	}
	for c := range g.children {
		if c.parentTask == t {
			c.parentTask = g.tasks[0]
			k.parentDied(c, t)
		}
	}
}

// parentDied sends the threads of c the signal of PR_SET_PDEATHSIG.
func (k *Kernel) parentDied(c *ThreadGroup, parent *Task) {
	for _, x := range c.tasks {
		if x.pdeathsig != 0 && !x.exited {
			k.sendLocked(c, nil, signal.Info{Signo: int32(x.pdeathsig), Code: signal.SIUser, PID: parent.tg.pid, UID: parent.Cred().UID})
		}
	}
}

func (t *Task) traceExit(st WaitStatus) {
	if t.k.cfg.Tracer != nil {
		t.k.cfg.Tracer.Exit(t, st)
	}
}

// groupExited makes g a zombie, finds new parents for its children and tells
// its own (exit_notify).
func (k *Kernel) groupExited(g *ThreadGroup, last *Task) {
	k.mu.Lock()
	defer k.mu.Unlock()
	reaper := g.findReaper()
	for c := range g.children {
		delete(g.children, c)
		old := c.parent
		c.parent, c.parentTask = reaper, nil
		if reaper != nil {
			reaper.children[c] = struct{}{}
			c.exitSignal = signal.SIGCHLD
			if len(reaper.tasks) > 0 {
				c.parentTask = reaper.tasks[0]
			}
		}
		k.parentDied(c, last)
		k.killOrphanedGroup(c, old)
		if c.zombie && reaper != nil {
			k.exitNotifyLocked(c)
		}
	}
	k.killOrphanedGroup(g, g.parent)
	g.zombie = true
	g.pending = sigQueue{}
	if g.actions.refs--; g.actions.refs == 0 {
		// The signals' actions stay readable for the zombie.
		g.actions.refs = 0
	}
	g.events.Notify(notifyIn)
	if g == k.init {
		k.initExitedLocked()
		return
	}
	k.exitNotifyLocked(g)
}

// exitNotifyLocked tells the parent of zombie g, which is reaped at once if the
// parent does not care (do_notify_parent).
func (k *Kernel) exitNotifyLocked(g *ThreadGroup) {
	p := g.parent
	if p == nil || p.zombie {
		k.reapLocked(g)
		return
	}
	autoreap := false
	if g.exitSignal == signal.SIGCHLD {
		act := p.actions.a[signal.SIGCHLD]
		autoreap = act.Handler == sigIgn || act.Flags&saNoCldWait != 0
	}
	if g.exitSignal != 0 && !(autoreap && p.actions.a[signal.SIGCHLD].Handler == sigIgn) {
		code, status := g.status.childCode()
		k.sendLocked(p, nil, signal.Info{
			Signo: int32(g.exitSignal), Code: code, PID: g.pid, UID: g.uidLocked(), Status: status,
			UTime: ticks(g.times.User), STime: ticks(g.times.System),
		})
	}
	if autoreap {
		k.reapLocked(g)
	}
	p.childEvents.Notify(notifyIn)
}

// findReaper returns who inherits g's children: the nearest subreaper above,
// else init (find_new_reaper).
func (g *ThreadGroup) findReaper() *ThreadGroup {
	for p := g.parent; p != nil; p = p.parent {
		if p.subreaper && !p.exiting {
			return p
		}
	}
	if g == g.k.init {
		return nil
	}
	return g.k.init
}

// initExitedLocked ends the sandbox: everybody else is killed
// (zap_pid_ns_processes).
func (k *Kernel) initExitedLocked() {
	k.status = k.init.status
	for _, g := range k.groups {
		if g != k.init && !g.zombie {
			k.killGroupLocked(g, killedBy(signal.SIGKILL))
		}
	}
	close(k.done)
}

// Robust futex lists, Documentation/locking/robust-futex-ABI.rst.
const (
	robustListLimit  = 2048
	futexTIDMask     = 0x3fffffff
	futexOwnerDied   = 0x40000000
	futexWaiters     = 0x80000000
	robustHeadSize   = 24
	futexWakeShared  = 1 // FUTEX_WAKE
	futexBitsetMatch = 0xffffffff
)

// SetRobustList implements set_robust_list(2).
func (t *Task) SetRobustList(head, length uint64) error {
	if length != robustHeadSize {
		return linux.EINVAL
	}
	t.k.mu.Lock()
	t.robustList = head
	t.k.mu.Unlock()
	return nil
}

// RobustList returns the head that SetRobustList set.
func (t *Task) RobustList() uint64 {
	t.k.mu.Lock()
	defer t.k.mu.Unlock()
	return t.robustList
}

// exitRobustList marks the futexes that the task holds as owned by the dead
// and wakes one waiter of each (exit_robust_list in kernel/futex/core.c).
func (t *Task) exitRobustList() {
	head := t.RobustList()
	m := t.mm.Load()
	if head == 0 || m == nil {
		return
	}
	t.SetRobustList(0, robustHeadSize)
	var h [robustHeadSize]byte
	if _, err := t.Mem().CopyIn(head, h[:]); err != nil {
		return
	}
	le := binary.LittleEndian
	entry, off, pend := le.Uint64(h[0:]), le.Uint64(h[8:]), le.Uint64(h[16:])
	for range robustListLimit {
		if entry&^1 == head {
			break
		}
		var next [8]byte
		_, err := t.Mem().CopyIn(entry&^1, next[:])
		if entry&^1 != pend&^1 {
			if !t.futexDeath(entry&^1+off, entry&1 != 0, false) {
				return
			}
		}
		if err != nil {
			return
		}
		entry = le.Uint64(next[:])
	}
	if pend&^1 != 0 {
		t.futexDeath(pend&^1+off, pend&1 != 0, true)
	}
}

// futexDeath is handle_futex_death. An operation that was under way may have
// unlocked already without having woken anybody.
func (t *Task) futexDeath(addr uint64, pi, underWay bool) bool {
	if addr%4 != 0 {
		return false
	}
	wake := platform.HostCall{Nr: linux.SYS_FUTEX, Args: [6]uint64{addr, futexWakeShared, 1}}
	var word uint32
	if err := usermem.CopyInObject(t.Mem(), addr, &word); err != nil {
		return false
	}
	as := t.mm.Load().AddressSpace()
	if underWay && !pi && word == 0 {
		t.th.Call(wake)
		return true
	}
	for range 64 {
		if word&futexTIDMask != uint32(t.tid) {
			return true
		}
		old, err := as.CompareAndSwap(t.th, addr, word, word&futexWaiters|futexOwnerDied)
		if err != nil {
			return false
		}
		if old == word {
			if word&futexWaiters != 0 && !pi {
				t.th.Call(wake)
			}
			return true
		}
		word = old
	}
	return false
}
