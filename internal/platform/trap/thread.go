package trap

import (
	"encoding/binary"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"sentinel/internal/abi/linux"
	"sentinel/internal/arch"
	"sentinel/internal/platform"
	"sentinel/internal/platform/guestmem"
	"sentinel/internal/platform/trap/handoff"
)

// interruptSignal makes a guest thread stop where it is.
const interruptSignal = unix.SIGURG

// thread implements platform.Thread.
type thread struct {
	p    *Platform
	proc *process
	as   *space
	tid  int
	n    int // number of the slot
	slot []byte
	c    *control

	fresh       bool // not yet started: its registers are in regs
	regs        arch.Regs
	regsValid   bool
	ret         uint64
	retSet      bool
	frame       uint64 // offset of the ucontext in the slot, checked
	fpOff       int    // of the extended state in the slot, 0 if not known
	fpLen       int
	sc          platform.SyscallArgs
	inAddr      uint64 // of the data that came with the call
	inLen       uint64
	inMore      uint64   // bytes that its pieces hold, if it is an array of struct iovec
	out         outgoing // of the data that goes with its result
	out2        outgoing // a second one, at offOut2
	last        bool     // the order in the table is the last step of the call
	lastMade    bool     // by the stub: how it went comes with the next event
	lastPassing passing
	fpLive      bool   // the extended state is in the thread's registers
	watched     bool   // somebody looks at each call and its results
	fpInit      []byte // extended state for a clone's first run
	then        func() // to be called when the guest goes on

	co     *coroutine    // that serves it; nil if an OS thread does
	solo   bool          // one that receives its rings
	awaits atomic.Bool   // co parks until the stub rings
	rung   atomic.Uint64 // the id of a ring that has no answer yet
	hand   handoff.Thread
	spin   uint64 // how long both sides spin after the last reply, in TSC ticks
	placed bool   // the stub may run on some CPUs only

	finishing sync.Once
	dead      atomic.Bool
	waiting   atomic.Bool // or about to wait for the control block
	inGuest   atomic.Bool
	interrupt atomic.Bool
}

// AddressSpace implements platform.Thread.
func (t *thread) AddressSpace() platform.AddressSpace { return t.as }

// HostTID implements platform.Thread.
func (t *thread) HostTID() int { return t.tid }

// Scratch implements platform.Thread.
func (t *thread) Scratch() uint64 {
	return regionBase + uint64(t.n)*slotSize + offBuf
}

// setFrame checks the address of the frame that the stub gave.
func (t *thread) setFrame(addr uint64, patched bool) bool {
	base := regionBase + uint64(t.n)*slotSize
	off := addr - base
	t.fpLive = false
	if off == offUC {
		// By a patched site: the extended state is still in the registers,
		// unless it was saved and the frame is being gone back to.
		t.frame, t.fpOff = off, 0
		t.fpLive = patched
		t.regsValid, t.retSet = false, false
		return true
	}
	if off < offStack || off > offStack+stackSize-ucSize || addr%8 != 0 {
		return false
	}
	t.frame, t.fpOff = off, 0
	t.regsValid, t.retSet = false, false
	return true
}

// give hands the block back with an operation.
func (t *thread) give(op uint32) {
	c := t.c
	c.Op = op
	t.p.handovers.Add(1)
	t.readyToWait()
	atomic.StoreUint32(&c.State, stReply)
	if !t.answerRing() && atomic.LoadUint32(&c.StubSleeps) != 0 {
		futexWake(&c.State)
	}
	t.callThen()
}

// Then implements platform.Overlapper.
func (t *thread) Then(fn func()) { t.then = fn }

func (t *thread) callThen() {
	if fn := t.then; fn != nil {
		t.then = nil
		fn()
	}
}

// flush writes what waits to go out with the result, since something else comes
// first.
func (t *thread) flush() {
	if t.last {
		t.makeLast()
	}
	if t.out.n == 0 {
		return
	}
	out, out2 := t.out, t.out2
	t.out, t.out2 = outgoing{}, outgoing{}
	_, err := t.as.CopyOut(out.addr, t.slot[offOut:offOut+out.n])
	if err == nil && out2.n > 0 {
		_, err = t.as.CopyOut(out2.addr, t.slot[offOut2:offOut2+out2.n])
	}
	if err != nil {
		t.SetReturn(^uint64(0) - 13) // -EFAULT
	}
}

// perform has the stub carry out an operation and returns its result.
func (t *thread) perform(op uint32) (uint64, error) {
	if t.dead.Load() {
		return 0, linux.ESRCH
	}
	t.flush()
	t.inLen, t.inMore = 0, 0
	t.give(op)
	if t.await() != evDone {
		t.lost()
		return 0, linux.ESRCH
	}
	res := t.c.Result
	if res > ^uint64(4095) {
		return 0, linux.Errno(-int64(res))
	}
	return res, nil
}

// lost notes that the thread does not keep to the protocol, or is gone: its
// process ends.
func (t *thread) lost() {
	if !t.dead.Swap(true) {
		t.Kill()
	}
}

// Attach implements platform.Thread.
func (t *thread) Attach() error {
	if !t.fresh {
		return nil
	}
	if t.await() != evReady {
		t.lost()
		return linux.ESRCH
	}
	t.fresh = false
	if fs := t.regs.FSBase; fs != 0 {
		// A thread pointer is in no frame; without one of its own the child
		// has its parent's.
		const archSetFS = 0x1002
		if _, err := t.Call(platform.HostCall{Nr: unix.SYS_ARCH_PRCTL, Args: [6]uint64{archSetFS, fs}}); err != nil {
			t.lost()
			return linux.ESRCH
		}
	}
	t.regsValid = true // those that Clone gave
	if t.fpInit != nil {
		t.WriteFPState(t.fpInit)
		t.fpInit = nil
	}
	return nil
}

// Regs implements platform.Thread.
func (t *thread) Regs() *arch.Regs {
	if t.last {
		t.makeLast()
	}
	if !t.regsValid {
		w := *wordsOf(t.slot[t.frame+ucMC:])
		loadRegs(&t.regs, &w)
		if t.as.Hidden(t.regs.RIP) {
			t.regs.RIP = t.as.siteOf(t.regs.RIP)
		}
		if t.retSet {
			t.regs.SetReturn(t.ret)
		}
		t.regsValid = true
	}
	return &t.regs
}

// SetReturn implements platform.Thread.
func (t *thread) SetReturn(v uint64) {
	if t.regsValid {
		t.regs.SetReturn(v)
		return
	}
	t.ret, t.retSet = v, true
}

// Syscall implements platform.Thread.
func (t *thread) Syscall() *platform.SyscallArgs { return &t.sc }

// deadEvent is the end of the thread's process, with the signal if the host sent
// one: it does so where it cannot call the stub's handler.
func (t *thread) deadEvent() platform.Event {
	ev := platform.Event{Kind: platform.Dead}
	if sig := t.proc.signal.Load(); sig > 0 && sig <= 31 {
		ev.Signal = int(sig)
	}
	return ev
}

// Run implements platform.Thread.
func (t *thread) Run() platform.Event {
	if t.dead.Load() {
		t.callThen()
		return t.deadEvent()
	}
	t.inGuest.Store(true)
	defer t.inGuest.Store(false)
	if t.interrupt.Swap(false) {
		t.callThen()
		return platform.Event{Kind: platform.Interrupted}
	}
	c := t.c
	if t.regsValid || !t.retSet {
		t.flush()
	}
	t.inLen, t.inMore = 0, 0
	switch {
	case t.regsValid:
		if t.fpLive && t.saveFP() != nil {
			t.callThen()
			t.lost()
			return t.deadEvent()
		}
		w := wordsOf(t.slot[t.frame+ucMC:])
		storeRegs(&t.regs, w)
		t.give(opResume)
	case t.retSet && t.last:
		t.last, t.lastMade = false, true
		t.give(opFinish)
	case t.retSet:
		c.Ret = t.ret
		c.OutAddr, c.OutLen = t.out.addr, uint32(t.out.n)
		if t.out2.n > 0 {
			c.OutAddr2 = t.out2.addr
			c.OutLen |= uint32(t.out2.n) << outLen2
			t.out2 = outgoing{}
		}
		t.out.n = 0
		t.give(opReturn)
	case t.fpLive:
		c.Ret = wordsOf(t.slot[t.frame+ucMC:])[13] // rax
		c.OutLen = 0
		t.give(opReturn)
	default:
		t.give(opResume)
	}
	kind := t.await()
	if t.lastMade {
		t.lastMade = false
		t.passed(t.lastPassing, c.Result <= ^uint64(4095))
	}
	for kind == evFault && t.p.Patch && c.Sig == uint32(unix.SIGSEGV) && c.TrapNo == trapGP && t.behindPatch() {
		t.give(opResume)
		kind = t.await()
	}
	switch kind {
	case evSyscall:
		t.sc.Nr = uint64(uint32(c.Nr))
		t.sc.Args = c.Args
		n := c.InLen
		if n, more := n&0xffff, n>>16; n <= inSize && (more == 0 || n <= vecData && more <= inSize-vecData) {
			t.inAddr, t.inLen, t.inMore = c.InAddr, uint64(n), uint64(more)
		}
		t.sc.Foreign = c.Arch != archX86_64 || t.sc.Nr&(1<<30) != 0
		if t.p.Patch && !t.fpLive && !t.sc.Foreign {
			t.sawSite(c.PC, t.sc.Nr)
		}
		return platform.Event{Kind: platform.Syscall}
	case evFault:
		ev := platform.Event{
			Kind: platform.Fault, Signal: int(c.Sig), Code: c.Code, Addr: c.Addr, TrapNo: c.TrapNo, ErrCode: c.ErrCode,
		}
		if ev.Signal < 1 || ev.Signal > 31 {
			break
		}
		if t.p.Patch && ev.Signal == int(unix.SIGILL) && t.insidePatch() {
			return platform.Event{Kind: platform.Syscall}
		}
		if ev.Code <= 0 {
			// Somebody outside sent it; it is none of the guest's business.
			return platform.Event{Kind: platform.Interrupted}
		}
		return ev
	case evInterrupt:
		t.interrupt.Store(false)
		return platform.Event{Kind: platform.Interrupted}
	}
	t.lost()
	return t.deadEvent()
}

const (
	archX86_64 = 0xc000003e
	trapGP     = 13 // X86_TRAP_GP
)

// saveFP has the stub put the extended state where the frame says that it is.
func (t *thread) saveFP() error {
	head := t.p.fpHead.Load()
	if head == nil {
		return linux.EFAULT
	}
	n := uint64(binary.LittleEndian.Uint32(head[16:]))
	if n < 576 || n+4 > fpRoom {
		return linux.EFAULT
	}
	x := t.slot[offFP:]
	clear(x[512:576])
	valid, w := t.regsValid, t.regs
	ret, retSet := t.ret, t.retSet
	if _, err := t.perform(opSaveFP); err != nil {
		return err
	}
	t.regsValid, t.regs, t.ret, t.retSet = valid, w, ret, retSet
	copy(x[464:512], head[:])
	binary.LittleEndian.PutUint32(x[n:], 0x46505845) // FP_XSTATE_MAGIC2
	binary.LittleEndian.PutUint64(t.slot[offUC+ucFP:], regionBase+uint64(t.n)*slotSize+offFP)
	t.fpLive = false
	return nil
}

// fpState finds the extended state of the frame in the slot.
func (t *thread) fpState() ([]byte, error) {
	if t.fpLive {
		if err := t.saveFP(); err != nil {
			return nil, err
		}
	}
	if t.fpOff == 0 {
		base := regionBase + uint64(t.n)*slotSize
		off := binary.LittleEndian.Uint64(t.slot[t.frame+ucFP-0:]) - base
		end := uint64(offStack + stackSize)
		if t.frame == offUC {
			end = slotSize
			if off != offFP {
				return nil, linux.EFAULT
			}
		} else if off < offStack || off > end-512 || off%64 != 0 {
			return nil, linux.EFAULT
		}
		n := 512
		if binary.LittleEndian.Uint32(t.slot[off+464:]) == 0x46505853 { // FP_XSTATE_MAGIC1
			n = int(binary.LittleEndian.Uint32(t.slot[off+480:])) // xstate_size
		}
		if n < 512 || off+uint64(n) > end {
			return nil, linux.EFAULT
		}
		t.fpOff, t.fpLen = int(off), n
	}
	return t.slot[t.fpOff : t.fpOff+t.fpLen], nil
}

// ReadFPState implements platform.Thread. The form is that of
// PTRACE_GETREGSET, which has the features where a frame has its magic.
func (t *thread) ReadFPState() ([]byte, error) {
	b, err := t.fpState()
	if err != nil {
		return nil, err
	}
	x := append([]byte(nil), b...)
	if len(x) >= 576 {
		le := binary.LittleEndian
		features := le.Uint64(x[472:])
		clear(x[464:512])
		le.PutUint64(x[464:], features)
	}
	return x, nil
}

// WriteFPState implements platform.Thread. The host checks it when the frame
// is restored, which kills the guest if it is bad; so it is checked here as
// far as can be.
func (t *thread) WriteFPState(n []byte) error {
	b, err := t.fpState()
	if err != nil {
		return err
	}
	if len(n) > len(b) {
		return linux.EINVAL
	}
	le := binary.LittleEndian
	copy(b[:464], n)
	if len(n) > 512 && len(b) >= 576 {
		copy(b[512:], n[512:])
		le.PutUint64(b[512:], le.Uint64(b[512:])&le.Uint64(b[472:]))
		clear(b[520:576])
	}
	// MXCSR must have no reserved bit.
	le.PutUint32(b[24:], le.Uint32(b[24:])&0xffff)
	// The extended state is restored from the frame by rt_sigreturn only.
	t.Regs()
	return nil
}

// Interrupt implements platform.Thread.
func (t *thread) Interrupt() {
	t.interrupt.Store(true)
	if !t.inGuest.Load() {
		return
	}
	pr := t.proc
	pr.mu.Lock()
	defer pr.mu.Unlock()
	// A thread that has left has given its memory and its id back.
	if !pr.dead && pr.threads[t.tid] == t && guestmem.Tgkill(pr.pid, t.tid, interruptSignal) == unix.ESRCH {
		t.wakeDead()
	}
}

// wakeDead marks the thread dead and wakes who waits for it. What the control
// block holds is in the hands of the guest, which may have relatives alive that
// share it: so that the wake-up cannot come too early.
func (t *thread) wakeDead() {
	t.dead.Store(true)
	if t.stopAwaiting() {
		t.co.Unpark()
		return
	}
	word := &t.c.State
	futexWake(word)
	if t.waiting.Load() {
		go func() {
			for pause := time.Millisecond; t.waiting.Load(); pause = min(2*pause, time.Second) {
				futexWake(word)
				time.Sleep(pause)
			}
		}()
	}
}

// SetIDs implements platform.Thread.
func (t *thread) SetIDs(ids platform.IDs) {
	c := t.c
	c.PID, c.TID, c.UID, c.EUID, c.GID, c.EGID = uint32(ids.PID), uint32(ids.TID), ids.UID, ids.EUID, ids.GID, ids.EGID
	atomic.StoreUint64(&c.Flags, 1)
}

// Observe implements platform.Thread.
func (t *thread) Observe() {
	t.watched = true
	atomic.StoreUint64(&t.c.Flags, 0)
}

// Kill implements platform.Thread.
func (t *thread) Kill() { t.proc.kill() }

// CPUTime implements platform.Thread.
func (t *thread) CPUTime() (user, system int64) {
	t.proc.mu.Lock()
	defer t.proc.mu.Unlock()
	if t.proc.reaped {
		return 0, 0
	}
	return guestmem.CPUTime(t.proc.pid)
}
