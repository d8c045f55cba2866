package trap

import (
	"golang.org/x/sys/unix"

	"sentinel/internal/abi/linux"
	"sentinel/internal/platform"
)

// Call implements platform.Thread.
func (t *thread) Call(calls ...platform.HostCall) (uint64, error) {
	var ret uint64
	for len(calls) > 0 {
		n := min(len(calls), maxOrders)
		var err error
		if ret, err = t.orders(calls[:n]); err != nil {
			return 0, err
		}
		calls = calls[n:]
	}
	return ret, nil
}

func (t *thread) orders(calls []platform.HostCall) (uint64, error) {
	table := ordersOf(t.slot)
	files := false
	for i := range calls {
		table[i] = order{Nr: calls[i].Nr, Args: calls[i].Args}
		files = files || calls[i].HasFile
	}
	t.c.NrOrders = uint32(len(calls))
	if !files {
		return t.perform(opOrders)
	}
	t.proc.ch.mu.Lock()
	defer t.proc.ch.mu.Unlock()
	k := t.proc.kept
	t.proc.kept = kept{open: true} // whatever an error leaves
	sent := false
	for i := range calls {
		if !calls[i].HasFile {
			continue
		}
		table[i].Args[4] = 1
		if k.open && k.file == calls[i].Same && k.file != (platform.FileID{}) {
			continue
		}
		var how uint64 = recvTake
		if k.open {
			how |= recvDrop
		}
		k = kept{file: calls[i].Same, open: calls[i].Same != platform.FileID{}}
		if k.open {
			how |= recvKeep
		}
		table[i].Receive = how
		if err := t.proc.ch.Send(calls[i].File); err != nil {
			t.proc.ch.Drain()
			return 0, linux.ENOMEM
		}
		sent = true
	}
	ret, err := t.perform(opOrders)
	switch {
	case err == nil:
		t.proc.kept = k
	case sent:
		t.proc.ch.Drain()
	}
	return ret, err
}

// BlockingCall implements platform.Thread.
func (t *thread) BlockingCall(c platform.HostCall) (uint64, error) {
	ordersOf(t.slot)[0] = order{Nr: c.Nr, Args: c.Args}
	t.inGuest.Store(true)
	defer t.inGuest.Store(false)
	for {
		if t.interrupt.Load() {
			return 0, linux.ERESTARTSYS
		}
		ret, err := t.perform(opBlock)
		if err != linux.ERESTARTSYS && err != linux.EINTR {
			return ret, err
		}
		if t.interrupt.Load() {
			return 0, linux.ERESTARTSYS
		}
		// An interrupt that was meant for an earlier wait.
	}
}

// Flags of clone(2) as the stub's filter allows them.
const (
	threadFlags  = unix.CLONE_VM | unix.CLONE_FS | unix.CLONE_FILES | unix.CLONE_SIGHAND | unix.CLONE_THREAD | unix.CLONE_SYSVSEM
	processFlags = unix.CLONE_PARENT | uint64(unix.SIGCHLD)
)

// Clone implements platform.Thread.
func (t *thread) Clone(a platform.CloneArgs) (platform.Thread, error) {
	flags := processFlags
	switch {
	case a.SameProcess:
		flags = threadFlags
	case a.SameMemory:
		flags |= unix.CLONE_VM
	}
	if a.ClearTID != 0 {
		flags |= unix.CLONE_CHILD_CLEARTID
	}
	c := &thread{p: t.p, as: t.as, proc: t.proc, fresh: true}
	o := order{Args: [6]uint64{flags, a.ClearTID}}
	own := !a.SameProcess && !a.SameMemory
	t.proc.ch.mu.Lock()
	defer t.proc.ch.mu.Unlock()
	if own {
		if err := c.newMemory(t); err != nil {
			return nil, err
		}
		o.Receive = recvTake
		if t.proc.kept.open {
			o.Receive |= recvDrop
			t.proc.kept = kept{}
		}
	} else {
		c.n = t.as.Reserve()
		if c.n >= slots {
			t.as.Free(c.n)
			return nil, linux.EAGAIN
		}
	}
	undo := func(err error) (platform.Thread, error) {
		if own {
			t.proc.ch.Drain()
			c.proc.ch.Close()
			c.as.r.release()
		} else {
			t.as.Free(c.n)
			if !a.SameProcess {
				c.proc.ch.users.Add(-1) // t has it still
			}
		}
		return nil, err
	}
	if !a.SameProcess && a.SameMemory {
		// It shares the channel with its parent, as it does the memory.
		c.proc = newProcess(t.proc.ch, t.proc.family)
		c.proc.kept = t.proc.kept // its descriptors are a copy
	}
	if !own {
		c.slot = t.p.initSlot(c.as.r, c.n)
	}
	c.c = controlOf(c.slot)
	c.c.Spin = 0 // until somebody attends to it, which takes longer
	fp, err := t.ReadFPState()
	if err != nil {
		return undo(err)
	}
	c.fpInit = fp
	c.regs = *t.Regs()
	c.regs.FSBase = 0
	ordersOf(t.slot)[0] = o
	t.c.Arg = regionBase + uint64(c.n)*slotSize
	tid, err := t.perform(opClone)
	if err != nil {
		return undo(err)
	}
	c.tid = int(tid)
	// The guest may have given any number.
	if a.SameProcess {
		if !c.proc.addThread(c) {
			t.lost()
			return undo(linux.ESRCH)
		}
	} else if !t.p.adopt(c) {
		return undo(linux.EAGAIN)
	}
	if own {
		c.as.r.closeFD()
	}
	return c, nil
}

// newMemory makes what a child with a memory of its own needs, and sends it to
// the parent, in which the child is made.
func (c *thread) newMemory(parent *thread) error {
	m, err := c.p.takeOwnMemory()
	if err != nil {
		return linux.ENOMEM
	}
	if err := parent.proc.ch.Send(m.r.fd, m.ch.Guest()); err != nil {
		m.release()
		return linux.ENOMEM
	}
	c.as = &space{r: m.r, auxv: parent.as.auxv}
	c.as.fork(&parent.as.sites)
	c.n = c.as.Reserve()
	c.slot = c.as.r.slot(c.n)
	c.proc = newProcess(&channel{Channel: m.ch}, parent.proc.family)
	return nil
}

// SetClearTID implements platform.Thread.
func (t *thread) SetClearTID(addr uint64) error {
	_, err := t.Call(platform.HostCall{Nr: unix.SYS_SET_TID_ADDRESS, Args: [6]uint64{addr}})
	return err
}
