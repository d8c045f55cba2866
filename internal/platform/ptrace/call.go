package ptrace

import (
	"os"

	"golang.org/x/sys/unix"

	"sentinel/internal/abi/linux"
	"sentinel/internal/arch"
	"sentinel/internal/platform"
	"sentinel/internal/platform/stub"
)

// blank returns the thread's registers with the instruction pointer at an entry
// of the stub.
func (t *thread) blank(entry uint64) arch.Regs {
	r := *t.Regs()
	r.RIP = entry
	r.OrigRAX = ^uint64(0)
	r.RFLAGS &^= 0x100 // no single-stepping through the stub
	sanitize(&r)
	return r
}

// runStub runs the thread with the registers r until the stub's int3, and
// leaves the registers there in r. The guest's own are stored again by the next
// Run.
func (t *thread) runStub(r *arch.Regs) error {
	if t.dead {
		return linux.ESRCH
	}
	if setRegs(t.tid, r) != nil {
		t.dead = true
		return linux.ESRCH
	}
	for {
		if ptraceCall(unix.PTRACE_CONT, t.tid, 0, 0) != nil {
			t.dead = true
			return linux.ESRCH
		}
		st, err := wait(t.tid, &t.use)
		if err != nil {
			t.dead = true
			return linux.ESRCH
		}
		ws := unix.WaitStatus(st)
		if !ws.Stopped() {
			t.gone(ws)
			return linux.ESRCH
		}
		if uint32(ws)>>16 != 0 {
			continue
		}
		switch ws.StopSignal() {
		case unix.SIGTRAP:
			if getRegs(t.tid, r) != nil {
				t.dead = true
				return linux.ESRCH
			}
			return nil
		case unix.SIGSEGV, unix.SIGBUS:
			return linux.EFAULT // CAS on a bad address
		}
		// Interrupts are for the next Run: the flag is still set.
	}
}

func result(r *arch.Regs) (uint64, error) {
	if r.RAX > ^uint64(4095) {
		return 0, linux.Errno(-int64(r.RAX))
	}
	return r.RAX, nil
}

// Call implements platform.Thread.
func (t *thread) Call(calls ...platform.HostCall) (uint64, error) {
	if t.fresh && len(calls) > 1 {
		return t.batch(calls)
	}
	var ret uint64
	for i := range calls {
		var err error
		if ret, err = t.call(&calls[i]); err != nil {
			return 0, err
		}
	}
	return ret, nil
}

func (t *thread) call(c *platform.HostCall) (uint64, error) {
	entry := uint64(stub.Call)
	if c.HasFile {
		entry = stub.MapFile
	}
	r := t.blank(entry)
	r.RAX = c.Nr
	r.RDI, r.RSI, r.RDX, r.R10, r.R8, r.R9 = c.Args[0], c.Args[1], c.Args[2], c.Args[3], c.Args[4], c.Args[5]
	if !c.HasFile {
		if err := t.runStub(&r); err != nil {
			return 0, err
		}
		return result(&r)
	}
	t.p.sockMu.Lock()
	defer t.p.sockMu.Unlock()
	if err := t.p.channel.Send(c.File); err != nil {
		return 0, linux.ENOMEM
	}
	err := t.runStub(&r)
	if err == nil {
		var ret uint64
		if ret, err = result(&r); err == nil {
			return ret, nil
		}
	}
	t.p.channel.Drain()
	return 0, err
}

// batch makes all calls with one stop. The table stands in memory that the
// guest can write, so it is for processes that have run no guest code.
func (t *thread) batch(calls []platform.HostCall) (uint64, error) {
	if len(calls) > stub.MaxOrders {
		return 0, linux.ENOMEM
	}
	orders := make([]stub.Order, len(calls))
	files := false
	for i, c := range calls {
		orders[i] = stub.Order{Nr: c.Nr, Args: c.Args}
		if c.HasFile {
			orders[i].Args[4] = 1
			orders[i].Receive = 1
			files = true
		}
	}
	if _, err := t.as.CopyOut(stub.Scratch, orderBytes(orders)); err != nil {
		return 0, err
	}
	if files {
		t.p.sockMu.Lock()
		defer t.p.sockMu.Unlock()
		for _, c := range calls {
			if c.HasFile {
				if err := t.p.channel.Send(c.File); err != nil {
					t.p.channel.Drain()
					return 0, linux.ENOMEM
				}
			}
		}
	}
	r := t.blank(stub.Batch)
	r.R15, r.R14 = stub.Scratch, uint64(len(orders))
	err := t.runStub(&r)
	if err == nil {
		var ret uint64
		if ret, err = result(&r); err == nil {
			return ret, nil
		}
	}
	if files {
		t.p.channel.Drain()
	}
	return 0, err
}

// BlockingCall implements platform.Thread.
func (t *thread) BlockingCall(c platform.HostCall) (uint64, error) {
	r := t.blank(stub.Call)
	r.RAX = c.Nr
	r.RDI, r.RSI, r.RDX, r.R10, r.R8, r.R9 = c.Args[0], c.Args[1], c.Args[2], c.Args[3], c.Args[4], c.Args[5]
	if t.dead || setRegs(t.tid, &r) != nil {
		t.dead = true
		return 0, linux.EINTR
	}
	t.inGuest.Store(true)
	defer t.inGuest.Store(false)
	if t.interrupt.Load() {
		return 0, linux.ERESTARTSYS
	}
	for {
		if ptraceCall(unix.PTRACE_CONT, t.tid, 0, 0) != nil {
			t.dead = true
			return 0, linux.EINTR
		}
		st, err := wait(t.tid, &t.use)
		if err != nil {
			t.dead = true
			return 0, linux.EINTR
		}
		ws := unix.WaitStatus(st)
		if !ws.Stopped() {
			t.gone(ws)
			return 0, linux.EINTR
		}
		if uint32(ws)>>16 != 0 {
			continue
		}
		if getRegs(t.tid, &r) != nil {
			t.dead = true
			return 0, linux.EINTR
		}
		if ws.StopSignal() == unix.SIGTRAP {
			return result(&r)
		}
		if r.RIP != stub.Call+2 {
			// Not begun, which the interrupt may have been early for.
			if t.interrupt.Load() {
				return 0, linux.ERESTARTSYS
			}
			continue
		}
		// Stopped in or after the call. In it, the host would restart it.
		switch e := linux.Errno(-int64(r.RAX)); e {
		case linux.ERESTARTSYS, linux.ERESTARTNOINTR, linux.ERESTARTNOHAND, linux.ERESTART_RESTARTBLOCK:
			if !t.interrupt.Load() {
				continue
			}
			return 0, e
		}
		return result(&r)
	}
}

// Clone implements platform.Thread.
func (t *thread) Clone(a platform.CloneArgs) (platform.Thread, error) {
	flags := uint64(unix.SIGCHLD) | unix.CLONE_PARENT
	switch {
	case a.SameProcess:
		flags = unix.CLONE_VM | unix.CLONE_FS | unix.CLONE_FILES | unix.CLONE_SIGHAND | unix.CLONE_THREAD | unix.CLONE_SYSVSEM
	case a.SameMemory:
		flags |= unix.CLONE_VM
	}
	r := t.blank(stub.Clone)
	r.RAX = unix.SYS_CLONE
	r.RSI, r.RDX, r.R8 = 0, 0, 0
	if a.ClearTID != 0 {
		flags |= unix.CLONE_CHILD_CLEARTID
		r.R10 = a.ClearTID
	}
	r.RDI = flags
	r.R12 = uint64(os.Getpid())
	if err := t.runStub(&r); err != nil {
		return nil, err
	}
	tid, err := result(&r)
	if err != nil {
		return nil, err
	}
	c := &thread{p: t.p, as: t.as, proc: t.proc, tid: int(tid), regs: *t.Regs()}
	c.regsValid = true
	if a.SameProcess {
		t.proc.mu.Lock()
		t.proc.threads++
		t.proc.mu.Unlock()
	} else {
		c.proc = newProcess(int(tid), t.proc.family)
		if !a.SameMemory {
			c.as = &space{auxv: t.as.auxv}
		}
	}
	c.slot = c.as.Join(c.tid)
	return c, nil
}

// SetClearTID implements platform.Thread.
func (t *thread) SetClearTID(addr uint64) error {
	_, err := t.call(&platform.HostCall{Nr: unix.SYS_SET_TID_ADDRESS, Args: [6]uint64{addr}})
	return err
}
