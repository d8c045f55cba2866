package task

import (
	"sentinel/internal/abi/linux"
	"sentinel/internal/arch"
	"sentinel/internal/platform"
	"sentinel/internal/signal"
)

// Flags of sigaction(2), include/uapi/asm-generic/signal-defs.h.
const (
	saNoCldStop = 1
	saNoCldWait = 2
	saSigInfo   = 4
	saOnStack   = 0x08000000
	saRestart   = 0x10000000
	saNoDefer   = 0x40000000
	saResetHand = 0x80000000
)

// Flags of sigaltstack(2).
const (
	ssOnStack    = 1
	ssDisable    = 2
	ssAutoDisarm = 1 << 31
	minSigStack  = 2048
)

// deliver acts on a signal that has been dequeued (get_signal and
// handle_signal).
func (t *Task) deliver(info signal.Info) {
	t.deliverFault(info, nil)
}

func (t *Task) deliverFault(info signal.Info, ev *platform.Event) {
	k, g := t.k, t.tg
	sig := int(info.Signo)
	k.mu.Lock()
	act := g.actions.a[sig]
	switch act.Handler {
	case sigIgn:
		k.mu.Unlock()
		return
	case sigDfl:
		switch {
		case defaultIgnore.Has(sig):
		case defaultStop.Has(sig):
			if sig == signal.SIGSTOP || !k.stopIgnored(g) {
				g.stopLocked(sig)
			}
		case g == k.init && g.unkillable(sig, &info):
		default:
			k.killGroupLocked(g, killedBy(sig)) // cores are not dumped
		}
		t.attention.Store(true)
		k.mu.Unlock()
		return
	}
	if act.Flags&saResetHand != 0 {
		g.actions.a[sig].Handler = sigDfl
	}
	restoreMask := t.mask
	if t.hasSaved {
		restoreMask, t.hasSaved = t.savedMask, false
	}
	k.mu.Unlock()

	t.restartCall(true, act.Flags)
	regs := t.th.Regs()
	c := arch.SignalContext{
		Info: &info, Mask: restoreMask, Handler: act.Handler, Restorer: act.Restorer,
		SigInfo: act.Flags&saSigInfo != 0, Stack: t.userAltStack(regs.SP()),
	}
	if ev != nil {
		c.TrapNo, c.ErrCode, c.Addr = ev.TrapNo, ev.ErrCode, ev.Addr
	}
	sp := uint64(0)
	if act.Flags&saOnStack != 0 && t.altStack.flags&ssDisable == 0 && !t.onAltStack(regs.SP()) {
		sp = t.altStack.addr + t.altStack.size
	}
	fp, err := t.th.ReadFPState()
	if err == nil {
		c.FPState = fp
		if sp != 0 && uint64(len(fp))+minSigStack/2 > t.altStack.size {
			err = linux.EFAULT
		} else {
			err = regs.PushSignal(t.Mem(), sp, &c)
		}
	}
	if err != nil {
		// The stack cannot hold the frame (force_sigsegv).
		if sig == signal.SIGSEGV {
			t.killBy(signal.SIGSEGV)
		} else {
			t.ForceSegv()
		}
		return
	}
	if t.altStack.flags&ssAutoDisarm != 0 && sp != 0 {
		t.altStack = altStack{flags: ssDisable}
	}
	k.mu.Lock()
	m := t.mask | act.Mask
	if act.Flags&saNoDefer == 0 {
		m |= signal.Of(sig)
	}
	t.setMaskLocked(m)
	t.attention.Store(true) // more may be pending
	k.mu.Unlock()
}

// killBy ends the process as by an uncaught signal.
func (t *Task) killBy(sig int) {
	t.k.KillGroup(t.tg, killedBy(sig))
	t.attention.Store(true)
}

// stopIgnored reports whether a terminal stop has no effect, because nobody
// could continue an orphaned group. k.mu is held.
func (k *Kernel) stopIgnored(g *ThreadGroup) bool {
	if k.cfg.Stopped != nil && k.init.pgrp == g.pgrp {
		return false // the caller's shell can
	}
	return k.orphaned(g.pgrp, nil)
}

// forceSignal delivers a fault at once; if it is blocked or ignored, it kills
// (force_sig_info_to_task).
func (t *Task) forceSignal(info signal.Info, ev *platform.Event) {
	sig := int(info.Signo)
	k := t.k
	k.mu.Lock()
	act := &t.tg.actions.a[sig]
	blocked := t.mask.Has(sig)
	if act.Handler == sigIgn || blocked {
		act.Handler = sigDfl
		t.mask &^= signal.Of(sig)
	}
	k.mu.Unlock()
	if k.cfg.Tracer != nil {
		k.cfg.Tracer.Signal(t, &info)
	}
	t.deliverFault(info, ev)
}

// ForceSegv kills or signals the task for a bad frame or address.
func (t *Task) ForceSegv() {
	t.forceSignal(signal.Info{Signo: signal.SIGSEGV, Code: signal.SIKernel}, nil)
}

func (t *Task) onAltStack(sp uint64) bool {
	return t.altStack.flags&ssAutoDisarm == 0 && t.altStack.flags&ssDisable == 0 &&
		sp > t.altStack.addr && sp-t.altStack.addr <= t.altStack.size
}

func (t *Task) userAltStack(sp uint64) arch.AltStack {
	a := arch.AltStack{Addr: t.altStack.addr, Flags: t.altStack.flags, Size: t.altStack.size}
	if t.onAltStack(sp) {
		a.Flags |= ssOnStack
	}
	return a
}

// AltStack returns and, if n is not nil, sets the alternate signal stack
// (do_sigaltstack).
func (t *Task) AltStack(n *arch.AltStack) (arch.AltStack, error) {
	sp := t.th.Regs().SP()
	old := t.userAltStack(sp)
	if n == nil {
		return old, nil
	}
	if t.onAltStack(sp) {
		return old, linux.EPERM
	}
	mode := n.Flags &^ ssAutoDisarm
	switch {
	case mode != ssDisable && mode != ssOnStack && mode != 0:
		return old, linux.EINVAL
	case mode == ssDisable:
		t.altStack = altStack{flags: ssDisable}
		return old, nil
	case n.Size < minSigStack:
		return old, linux.ENOMEM
	}
	t.altStack = altStack{n.Addr, n.Size, n.Flags &^ ssOnStack}
	return old, nil
}

// Sigreturn implements rt_sigreturn(2).
func (t *Task) Sigreturn() (uint64, error) {
	regs := t.th.Regs()
	fp, err := t.th.ReadFPState()
	if err != nil {
		t.ForceSegv()
		return 0, KeepRegs
	}
	p, err := regs.PopSignal(t.Mem(), len(fp))
	if err != nil {
		t.ForceSegv()
		return 0, KeepRegs
	}
	if p.FPState != nil {
		if err := t.th.WriteFPState(p.FPState); err != nil {
			t.ForceSegv()
			return 0, KeepRegs
		}
	}
	t.k.mu.Lock()
	t.setMaskLocked(p.Mask)
	t.k.mu.Unlock()
	if s := p.Stack; !t.onAltStack(regs.SP()) {
		s.Flags &^= ssOnStack
		t.AltStack(&s)
	}
	return 0, KeepRegs
}

// SignalWait implements rt_sigtimedwait(2). block sleeps until a signal of set
// is pending; with its ETIMEDOUT the result is EAGAIN.
func (t *Task) SignalWait(set signal.Set, block func() error) (signal.Info, error) {
	set &^= signal.Unblockable
	k := t.k
	k.mu.Lock()
	defer k.mu.Unlock()
	defer func() {
		t.sigWait = 0
		t.retarget(set & t.mask) // those that others may wait for
	}()
	for {
		if info, ok := t.dequeueLocked(set); ok {
			return info, nil
		}
		t.sigWait, t.signaled = set, false
		k.mu.Unlock()
		err := block()
		k.mu.Lock()
		if info, ok := t.dequeueLocked(set); ok {
			return info, nil
		}
		switch err {
		case nil: // another thread was faster
		case linux.ETIMEDOUT:
			return signal.Info{}, linux.EAGAIN
		default:
			return signal.Info{}, linux.EINTR
		}
	}
}
