package task

import (
	"sync"
	"sync/atomic"
	"time"

	"sentinel/internal/abi/linux"
	"sentinel/internal/cred"
	"sentinel/internal/platform"
	"sentinel/internal/signal"
	"sentinel/internal/usermem"
)

// CloneArgs are those of clone3(2).
type CloneArgs struct {
	Flags      uint64
	PIDFD      uint64 // where to store the pidfd
	ChildTID   uint64
	ParentTID  uint64
	ExitSignal int
	Stack      uint64 // initial stack pointer; 0: the parent's
	TLS        uint64
	SetTID     []int32
}

// CloneNamespaces are the flags that make new name spaces, which the guest gets none of.
const CloneNamespaces = linux.CLONE_NEWNS | linux.CLONE_NEWUTS | linux.CLONE_NEWIPC | linux.CLONE_NEWUSER |
	linux.CLONE_NEWPID | linux.CLONE_NEWNET | linux.CLONE_NEWCGROUP | linux.CLONE_NEWTIME

// Clone implements clone(2), clone3(2), fork(2) and vfork(2)
// (copy_process in kernel/fork.c). newPIDFD installs a pidfd for the child.
func (t *Task) Clone(a CloneArgs, newPIDFD func(g *ThreadGroup) (int32, error)) (uint64, error) {
	k := t.k
	fl := a.Flags
	has := func(f uint64) bool { return fl&f != 0 }
	switch {
	case has(linux.CLONE_NEWNS) && has(linux.CLONE_FS),
		has(linux.CLONE_THREAD) && !has(linux.CLONE_SIGHAND),
		has(linux.CLONE_SIGHAND) && !has(linux.CLONE_VM),
		has(linux.CLONE_PIDFD) && has(linux.CLONE_DETACHED),
		has(linux.CLONE_SIGHAND) && has(linux.CLONE_CLEAR_SIGHAND):
		return 0, linux.EINVAL
	case has(CloneNamespaces):
		k.LogRefused(t, "clone of a name space")
		return 0, linux.EPERM
	case has(linux.CLONE_PARENT) && t.tg == k.initGroup():
		return 0, linux.EINVAL
	case a.ExitSignal != 0 && !signal.Valid(a.ExitSignal):
		return 0, linux.EINVAL
	case len(a.SetTID) > 0:
		return 0, linux.EPERM
	}
	thread := has(linux.CLONE_THREAD)
	vm := has(linux.CLONE_VM)

	k.mu.Lock()
	if t.dying || t.tg.exiting {
		k.mu.Unlock()
		return 0, linux.ERESTARTNOINTR
	}
	if !k.mayForkLocked(t) {
		k.mu.Unlock()
		return 0, linux.EAGAIN
	}
	tid, err := k.allocPID()
	if err != nil {
		k.mu.Unlock()
		return 0, err
	}
	c := &Task{k: k, tid: tid, start: time.Now(), comm: t.comm}
	k.mu.Unlock()
	fail := func(err error) (uint64, error) {
		k.mu.Lock()
		delete(k.reserved, tid)
		k.mu.Unlock()
		return 0, err
	}

	pa := platform.CloneArgs{SameMemory: vm, SameProcess: thread}
	if has(linux.CLONE_CHILD_CLEARTID) {
		pa.ClearTID = a.ChildTID
	}
	th, err := t.th.Clone(pa)
	if err != nil {
		return fail(err)
	}
	cr := th.Regs()
	*cr = *t.th.Regs()
	cr.SetReturn(0)
	if a.Stack != 0 {
		cr.SetSP(a.Stack)
	}
	if has(linux.CLONE_SETTLS) {
		cr.SetTLS(a.TLS)
	}
	c.th = th
	if vm {
		m := t.mm.Load()
		m.AddUser()
		c.mm.Store(m)
	} else {
		c.mm.Store(t.mm.Load().Fork(th.AddressSpace()))
	}
	if has(linux.CLONE_FILES) {
		f := t.FDs()
		f.AddUser()
		c.fds.Store(f)
	}
	if has(linux.CLONE_FS) {
		f := t.FS()
		f.AddUser()
		c.fs.Store(f)
	} else {
		c.fs.Store(t.FS().Fork())
	}
	c.cred.Store(t.cred.Load())
	if vm && !has(linux.CLONE_VFORK) {
		// The alternate stack is not inherited by what shares memory.
		c.altStack = altStack{flags: ssDisable}
	} else {
		c.altStack = t.altStack
	}
	if c.altStack == (altStack{}) {
		c.altStack.flags = ssDisable
	}
	c.dumpable.Store(t.dumpable.Load())
	c.personality.Store(t.personality.Load())
	c.timerSlack.Store(t.timerSlack.Load())
	c.affinity = t.affinity

	var vforked *vforkWait
	if has(linux.CLONE_VFORK) {
		vforked = &vforkWait{parent: t}
		c.vforked = vforked
	}
	k.mu.Lock()
	c.mask, c.niceValue = t.mask, t.niceValue
	if t.hasSaved {
		c.mask = t.savedMask
	}
	if !thread {
		g := &ThreadGroup{
			k: k, pid: tid, leader: c, children: map[*ThreadGroup]struct{}{}, exitSignal: a.ExitSignal,
			limits: t.tg.limits, start: c.start, oomScoreAdj: t.tg.oomScoreAdj, tty: t.tg.tty,
		}
		g.stopCond = sync.NewCond(&k.mu)
		g.parent, g.parentTask = t.tg, t
		if has(linux.CLONE_PARENT) {
			g.parent, g.parentTask, g.exitSignal = t.tg.parent, t.tg.parentTask, t.tg.exitSignal
		}
		if has(linux.CLONE_SIGHAND) {
			g.actions = t.tg.actions
			g.actions.refs++
		} else {
			g.actions = t.tg.actions.fork()
			if has(linux.CLONE_CLEAR_SIGHAND) {
				g.actions.execReset()
			}
		}
		c.tg = g
	} else {
		c.tg = t.tg
	}
	k.mu.Unlock()
	if !has(linux.CLONE_FILES) {
		f := t.FDs().Fork()
		f.SetLimit(func() uint64 { return c.tg.Limit(linux.RLIMIT_NOFILE).Cur })
		c.fds.Store(f)
	}
	c.refreshCtx()

	if has(linux.CLONE_PIDFD) {
		fd, err := newPIDFD(c.tg)
		if err == nil {
			v := uint32(fd)
			if err = usermem.CopyOutObject(t.Mem(), a.PIDFD, &v); err != nil {
				t.FDs().Close(&t.ctx, fd)
			}
		}
		if err != nil {
			c.abandon()
			return fail(err)
		}
	}
	v := uint32(tid)
	if has(linux.CLONE_PARENT_SETTID) {
		usermem.CopyOutObject(t.Mem(), a.ParentTID, &v)
	}
	if has(linux.CLONE_CHILD_SETTID) {
		usermem.CopyOutObject(c.Mem(), a.ChildTID, &v)
	}

	k.mu.Lock()
	if t.dying || t.tg.exiting || t.tg.execing != nil && thread {
		k.mu.Unlock()
		c.abandon()
		return fail(linux.ERESTARTNOINTR)
	}
	g := c.tg
	delete(k.reserved, tid)
	k.tasks[tid] = c
	if !thread {
		k.groups[tid] = g
		if has(linux.CLONE_PARENT) {
			// The parent may have ended meanwhile.
			g.parent, g.parentTask = t.tg.parent, t.tg.parentTask
		}
		if g.parent != nil {
			g.parent.children[g] = struct{}{}
		}
		k.joinGroup(g, t.tg.pgrp)
		g.armCPULimit()
	}
	g.tasks = append(g.tasks, c)
	// What came before it was there: by its pidfd, or for the whole group.
	c.dying = g.exiting
	c.attention.Store(true)
	k.forks.Add(1)
	k.goroutines.Add(1)
	tasks := len(k.tasks)
	k.mu.Unlock()
	k.begin(c, tasks)

	if vforked != nil {
		t.waitVfork(vforked)
	}
	return uint64(tid), nil
}

// vforkWait is a parent's wait for the child of a vfork.
type vforkWait struct {
	parent *Task
	over   atomic.Bool
}

// waitVfork sleeps until the child has executed a program or ended. Only death
// interrupts it (wait_for_vfork_done, TASK_KILLABLE).
func (t *Task) waitVfork(w *vforkWait) {
	b := blocking{t: t}
	defer b.end()
	t.k.prepare() // the child will most likely execute a program
	for {
		t.park.prepare()
		if w.over.Load() {
			return
		}
		t.k.mu.Lock()
		dying := t.dying
		t.k.mu.Unlock()
		if dying {
			return
		}
		b.sleep(0)
	}
}

// endVfork lets the parent of a vfork child go on.
func (t *Task) endVfork() {
	t.k.mu.Lock()
	w := t.vforked
	t.vforked = nil
	t.k.mu.Unlock()
	if w != nil {
		w.over.Store(true)
		w.parent.park.wake()
	}
}

// abandon undoes a clone whose child never ran.
func (c *Task) abandon() {
	if f := c.fds.Swap(nil); f != nil {
		f.DropUser(&c.ctx)
	}
	if f := c.fs.Swap(nil); f != nil {
		f.DropUser()
	}
	if m := c.mm.Swap(nil); m != nil && m.DecUser() {
		m.Release()
	}
	c.k.mu.Lock()
	if g := c.tg; g.leader == c {
		g.actions.refs--
		g.exiting, g.zombie, g.reaped = true, true, true // for a pidfd of it
	}
	c.k.mu.Unlock()
	c.th.Abandon()
}

// mayForkLocked checks the limit on the threads of t's user (copy_process).
func (k *Kernel) mayForkLocked(t *Task) bool {
	limit := t.tg.limits[linux.RLIMIT_NPROC].Cur
	c := t.Cred()
	if uint64(len(k.tasks)+len(k.reserved)) < limit || c.UID == 0 || c.Has(cred.CapSysResource) || c.Has(cred.CapSysAdmin) {
		return true
	}
	n := uint64(len(k.reserved))
	for _, x := range k.tasks {
		if x.Cred().UID == c.UID {
			n++
		}
	}
	return n < limit
}

func (k *Kernel) initGroup() *ThreadGroup {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.init
}
