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
	files := false
	for i := range calls {
		files = files || calls[i].HasFile
	}
	if files {
		platform.Lock(t, &t.proc.ch.mu)
		defer t.proc.ch.mu.Unlock()
	}
	d, err := t.fill(calls)
	if err != nil {
		return 0, err
	}
	ret, err := t.perform(opOrders)
	t.passed(d, err == nil)
	return ret, err
}

// passing is what becomes of the descriptors that orders take.
type passing struct {
	kept  kept // afterwards
	sent  bool
	files bool
}

// fill writes the table of orders and sends the descriptors they take. Those who
// use the channel are locked out if there are any.
func (t *thread) fill(calls []platform.HostCall) (passing, error) {
	table := ordersOf(t.slot)
	t.c.NrOrders = uint32(len(calls))
	var d passing
	for i := range calls {
		table[i] = order{Nr: calls[i].Nr, Args: calls[i].Args}
		if !calls[i].HasFile {
			continue
		}
		if !d.files {
			d.files, d.kept = true, t.proc.kept
			t.proc.kept = kept{open: true} // whatever an error leaves
		}
		switch calls[i].Nr {
		case unix.SYS_PREAD64:
			table[i].Args[0] = 1
		default: // mmap
			table[i].Args[4] = 1
		}
		if d.kept.open && d.kept.file == calls[i].Same && d.kept.file != (platform.FileID{}) {
			continue
		}
		var how uint64 = recvTake
		if d.kept.open {
			how |= recvDrop
		}
		d.kept = kept{file: calls[i].Same, open: calls[i].Same != platform.FileID{}}
		if d.kept.open {
			how |= recvKeep
		}
		table[i].Receive = how
		if err := t.proc.ch.Send(calls[i].File); err != nil {
			t.proc.ch.Drain()
			return d, linux.ENOMEM
		}
		d.sent = true
	}
	return d, nil
}

// passed is told how the orders went.
func (t *thread) passed(d passing, ok bool) {
	switch {
	case ok && d.files:
		t.proc.kept = d.kept
	case !ok && d.sent:
		t.proc.ch.Drain()
	}
}

// CallLast implements platform.Finisher.
func (t *thread) CallLast(c platform.HostCall) bool {
	if t.watched || t.dead.Load() || t.out.n > 0 || t.last {
		return false
	}
	pr := t.proc
	pr.mu.Lock()
	alone := len(pr.threads) == 1 && pr.ch.users.Load() == 1
	pr.mu.Unlock()
	if !alone {
		return false // somebody else may use the channel before the guest goes on
	}
	d, err := t.fill([]platform.HostCall{c})
	if err != nil {
		return false
	}
	t.last, t.lastPassing = true, d
	return true
}

// ReadFile implements platform.FileReader.
func (t *thread) ReadFile(file int, same platform.FileID, addr, n uint64, off int64) (uint64, error) {
	got, err := t.Call(platform.HostCall{Nr: unix.SYS_PREAD64, Args: [6]uint64{0, addr, n, uint64(off)}, HasFile: true, File: file, Same: same})
	return min(got, n), err // the guest can say anything
}

// makeLast makes the call that waits to be the last step, since something else
// comes first.
func (t *thread) makeLast() {
	t.last = false
	ret, err := t.perform(opOrders)
	t.passed(t.lastPassing, err == nil)
	if e, ok := err.(linux.Errno); ok {
		ret = uint64(-int64(e))
	}
	t.SetReturn(ret)
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
	c := &thread{p: t.p, as: t.as, proc: t.proc, fresh: true, co: t.co}
	o := order{Args: [6]uint64{flags, a.ClearTID}}
	own := !a.SameProcess && !a.SameMemory
	platform.Lock(t, &t.proc.ch.mu)
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
	if t.co != nil {
		c.c.Bell, c.c.SupSleeps = 1, 1
	}
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
