package ptrace

import (
	"encoding/binary"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"sentinel/internal/abi/linux"
	"sentinel/internal/arch"
	"sentinel/internal/platform"
	"sentinel/internal/platform/guestmem"
	"sentinel/internal/platform/stub"
	"sentinel/internal/usermem"
)

// interruptSignal makes a guest thread stop. Untraced threads, which are about
// to be attached, ignore it by default.
const interruptSignal = unix.SIGURG

// family is a process that was spawned and all that forked from it.
type family struct {
	launch *stub.Launch // of the process that was spawned; its leash is all theirs
	n      atomic.Int32 // of processes that have not been reaped
}

// process is a host process of the guest.
type process struct {
	pid     int
	family  *family
	mu      sync.Mutex
	threads int
	reaped  bool
	peak    uint64 // resident size in bytes, when it has been reaped
}

// newProcess returns a process that has one thread.
func newProcess(pid int, f *family) *process {
	f.n.Add(1)
	return &process{pid: pid, family: f, threads: 1}
}

// setReaped notes that the process has been waited for: its id is not used from
// here on.
func (pr *process) setReaped(use *unix.Rusage) {
	pr.mu.Lock()
	first := !pr.reaped
	pr.reaped, pr.peak = true, max(pr.peak, uint64(use.Maxrss)<<10)
	pr.mu.Unlock()
	if first && pr.family.n.Add(-1) == 0 {
		pr.family.launch.Release()
	}
}

// thread implements platform.Thread.
type thread struct {
	p    *Platform
	as   *space
	proc *process
	tid  int
	slot int
	use  unix.Rusage // of its process, as of the last wait

	attached  bool // traced by us
	fresh     bool // no guest instruction has run in the process
	dead      bool // will run no more
	reaped    bool // and has been waited for
	regs      arch.Regs
	regsValid bool // regs are those of the thread
	regsDirty bool // and have been handed out for writing
	retDirty  bool
	ret       uint64
	sc        platform.SyscallArgs
	xbuf      []byte

	inGuest   atomic.Bool
	interrupt atomic.Bool
}

// AddressSpace implements platform.Thread.
func (t *thread) AddressSpace() platform.AddressSpace { return t.as }

// Memory implements platform.Thread.
func (t *thread) Memory() usermem.Memory { return t.as }

// HostTID implements platform.Thread.
func (t *thread) HostTID() int { return t.tid }

// Scratch implements platform.Thread.
func (t *thread) Scratch() uint64 {
	return stub.Scratch + uint64(t.slot%(stub.ScratchSize/stub.SlotSize))*stub.SlotSize
}

// Attach implements platform.Thread.
func (t *thread) Attach() error {
	if t.attached {
		return nil
	}
	if err := ptraceCall(unix.PTRACE_SEIZE, t.tid, 0, options); err != nil {
		return err
	}
	t.attached = true // from here on somebody must wait for it
	if err := ptraceCall(unix.PTRACE_INTERRUPT, t.tid, 0, 0); err != nil {
		t.dead = true
		return err
	}
	st, err := wait(t.tid, &t.use)
	if err != nil {
		t.dead = true
		return err
	}
	if ws := unix.WaitStatus(st); !ws.Stopped() {
		t.gone(ws)
		return linux.ESRCH
	}
	// The clone's registers were set by the kernel above; none of the stub's
	// are wanted.
	t.regsValid, t.regsDirty = true, true
	return nil
}

// Regs implements platform.Thread.
func (t *thread) Regs() *arch.Regs {
	if !t.regsValid && t.attached {
		if err := getRegs(t.tid, &t.regs); err != nil {
			t.dead = true
		}
		t.regsValid = true
		if t.retDirty {
			t.regs.RAX, t.retDirty = t.ret, false
		}
	}
	t.regsDirty = true
	return &t.regs
}

// SetReturn implements platform.Thread.
func (t *thread) SetReturn(v uint64) {
	if t.regsValid {
		t.regs.SetReturn(v)
		t.regsDirty = true
		return
	}
	t.ret, t.retDirty = v, true
}

// Syscall implements platform.Thread.
func (t *thread) Syscall() *platform.SyscallArgs { return &t.sc }

// flush stores what the kernel has changed.
func (t *thread) flush() {
	if t.regsDirty {
		t.regs.OrigRAX = ^uint64(0)
		sanitize(&t.regs)
		if setRegs(t.tid, &t.regs) != nil {
			t.dead = true
		}
	} else if t.retDirty {
		if ptraceCall(unix.PTRACE_POKEUSR, t.tid, offsetOfRAX, uintptr(t.ret)) != nil {
			t.dead = true
		}
	}
	t.regsDirty, t.retDirty, t.regsValid = false, false, false
}

// sanitize makes registers acceptable to PTRACE_SETREGS: no address that is not
// canonical in FS and GS base.
func sanitize(r *arch.Regs) {
	const max = 1<<47 - 1
	if r.FSBase > max {
		r.FSBase = 0
	}
	if r.GSBase > max {
		r.GSBase = 0
	}
}

// Run implements platform.Thread.
func (t *thread) Run() platform.Event {
	if t.dead {
		return platform.Event{Kind: platform.Dead}
	}
	t.fresh = false
	t.flush()
	t.inGuest.Store(true)
	defer t.inGuest.Store(false)
	for !t.dead {
		if t.interrupt.Swap(false) {
			return platform.Event{Kind: platform.Interrupted}
		}
		if err := ptraceCall(ptraceSysemu, t.tid, 0, 0); err != nil {
			break
		}
		st, err := wait(t.tid, &t.use)
		if err != nil {
			break
		}
		if ev, ok := t.stopped(unix.WaitStatus(st)); ok {
			t.p.handovers.Add(1)
			return ev
		}
	}
	t.dead = true
	return platform.Event{Kind: platform.Dead}
}

// stopped turns a stop into an event; ok is false if the thread is to go on.
func (t *thread) stopped(ws unix.WaitStatus) (ev platform.Event, ok bool) {
	if !ws.Stopped() {
		t.gone(ws)
		return platform.Event{Kind: platform.Dead}, true
	}
	sig := ws.StopSignal()
	switch {
	case sig == unix.SIGTRAP|0x80:
		var i syscallInfo
		if getSyscallInfo(t.tid, &i) != nil {
			t.dead = true
			return platform.Event{Kind: platform.Dead}, true
		}
		t.sc.Nr, t.sc.Args = i.nr, i.args
		t.sc.Foreign = i.arch != archX86_64 || i.nr&(1<<30) != 0
		return platform.Event{Kind: platform.Syscall}, true
	case uint32(ws)>>16 != 0:
		return ev, false // PTRACE_EVENT_STOP
	case sig == interruptSignal:
		if t.interrupt.Swap(false) {
			return platform.Event{Kind: platform.Interrupted}, true
		}
		return ev, false
	}
	return t.fault(int(sig))
}

// fault reads what the processor complained of. Signals that somebody outside
// sent are none of the guest's business.
func (t *thread) fault(sig int) (platform.Event, bool) {
	var b [128]byte
	if getSigInfo(t.tid, &b) != nil {
		return platform.Event{}, false
	}
	le := binary.LittleEndian
	ev := platform.Event{Kind: platform.Fault, Signal: sig, Code: int32(le.Uint32(b[8:])), Addr: le.Uint64(b[16:])}
	if ev.Code <= 0 {
		return ev, false
	}
	switch unix.Signal(sig) {
	case unix.SIGSEGV, unix.SIGBUS:
		ev.TrapNo = 14
		if ev.Code == 0x80 {
			ev.TrapNo, ev.Addr = 13, 0
		} else {
			ev.ErrCode = t.pageFaultCode(&ev)
		}
	case unix.SIGILL:
		ev.TrapNo = 6
	case unix.SIGFPE:
		ev.TrapNo = 0
		if ev.Code != 1 {
			ev.TrapNo = 16
		}
	case unix.SIGTRAP:
		ev.TrapNo = 3
	default:
		return ev, false
	}
	return ev, true
}

// pageFaultCode works out the processor's error code of a page fault, which
// ptrace does not tell: an access that was denied where the memory can be read
// was a write.
func (t *thread) pageFaultCode(ev *platform.Event) uint64 {
	const present, write, user, fetch = 1, 2, 4, 16
	code := uint64(user)
	denied := ev.Code == 2 // SEGV_ACCERR
	if denied {
		code |= present
	}
	var b [1]byte
	if t.Regs().RIP == ev.Addr {
		code |= fetch
	} else if _, err := t.as.CopyIn(ev.Addr, b[:]); denied && err == nil {
		code |= write
	}
	return code
}

func (t *thread) gone(ws unix.WaitStatus) {
	t.dead, t.reaped = true, true
	if t.tid == t.proc.pid {
		t.proc.setReaped(&t.use)
	}
}

// ReadFPState implements platform.Thread.
func (t *thread) ReadFPState() ([]byte, error) {
	if t.xbuf == nil {
		n := int(t.p.xsize.Load())
		if n == 0 {
			n = 16 << 10
		}
		t.xbuf = make([]byte, n)
	}
	n, err := getXState(t.tid, t.xbuf)
	if err != nil {
		return nil, err
	}
	t.p.xsize.Store(int64(n))
	t.xbuf = t.xbuf[:n]
	return t.xbuf, nil
}

// WriteFPState implements platform.Thread.
func (t *thread) WriteFPState(b []byte) error { return setXState(t.tid, b) }

// Interrupt implements platform.Thread.
func (t *thread) Interrupt() {
	t.interrupt.Store(true)
	if t.inGuest.Load() {
		guestmem.Tgkill(t.proc.pid, t.tid, interruptSignal)
	}
}

// SetIDs implements platform.Thread.
func (t *thread) SetIDs(platform.IDs) {}

// Observe implements platform.Thread: every call comes to the kernel.
func (t *thread) Observe() {}

// Waits implements platform.Thread.
func (t *thread) Waits(platform.Wait) {}

// Kill implements platform.Thread.
func (t *thread) Kill() {
	t.proc.mu.Lock()
	defer t.proc.mu.Unlock()
	if !t.proc.reaped {
		guestmem.Kill(t.proc.pid, false)
	}
}

// CPUTime implements platform.Thread.
func (t *thread) CPUTime() (user, system int64) {
	t.proc.mu.Lock()
	defer t.proc.mu.Unlock()
	if t.proc.reaped {
		return 0, 0
	}
	return guestmem.CPUTime(t.proc.pid)
}

// Exit implements platform.Thread.
func (t *thread) Exit() {
	switch {
	case !t.attached || t.reaped:
	case t.dead:
		// A request failed since the thread is being killed. As long as it
		// is not waited for, its process's first thread cannot be.
		t.Kill()
		if t.tid != t.proc.pid {
			t.await()
		}
	default:
		t.proc.mu.Lock()
		last := t.proc.threads == 1
		t.proc.mu.Unlock()
		if last {
			t.Kill()
			t.await()
		} else {
			t.exitThread()
		}
	}
	t.leave()
}

// exitThread makes a thread that is not its process's last one exit.
func (t *thread) exitThread() {
	t.as.Gone(t.tid) // before its memory is
	r := t.blank(stub.Call)
	r.RAX = unix.SYS_EXIT
	if setRegs(t.tid, &r) != nil || ptraceCall(unix.PTRACE_CONT, t.tid, 0, 0) != nil {
		t.await()
		return
	}
	if t.tid != t.proc.pid {
		t.await()
	}
	// A first thread stays a zombie until the others are gone; leave waits
	// for it then.
}

// await waits until the thread has ended.
func (t *thread) await() {
	for !t.reaped {
		st, err := wait(t.tid, &t.use)
		if err != nil {
			t.dead, t.reaped = true, true
			return
		}
		ws := unix.WaitStatus(st)
		if ws.Stopped() {
			ptraceCall(unix.PTRACE_CONT, t.tid, 0, 0)
			continue
		}
		t.gone(ws)
	}
}

// leave takes the thread out of its process and reaps that with the last one.
func (t *thread) leave() {
	t.as.Leave(t.tid, t.slot)
	t.proc.mu.Lock()
	t.proc.threads--
	reap := t.proc.threads == 0 && !t.proc.reaped
	t.proc.mu.Unlock()
	if reap {
		guestmem.Kill(t.proc.pid, false)
		for {
			if st, err := wait(t.proc.pid, &t.use); err != nil || !unix.WaitStatus(st).Stopped() {
				break
			}
		}
		t.proc.setReaped(&t.use)
	}
}

// PeakRSS implements platform.Thread. Exit waits for the process.
func (t *thread) PeakRSS(bool) (uint64, bool) {
	t.proc.mu.Lock()
	defer t.proc.mu.Unlock()
	return t.proc.peak, t.proc.reaped
}

// RunBy implements platform.Thread.
func (t *thread) RunBy(platform.Parker) {}

// Abandon implements platform.Thread.
func (t *thread) Abandon() {
	if t.tid == t.proc.pid {
		guestmem.Kill(t.proc.pid, false)
		t.dead = true
		t.leave()
		return
	}
	if t.Attach() == nil {
		t.exitThread()
	}
	t.Exit()
}
