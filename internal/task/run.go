package task

import (
	"time"

	"sentinel/internal/abi/linux"
	"sentinel/internal/platform"
	"sentinel/internal/signal"
)

// run is the life of a task's goroutine.
func (t *Task) run() {
	defer t.k.goroutines.Done()
	t.th.RunBy(t.runBy)
	// Who is to die already may find its host process gone.
	if err := t.th.Attach(); err != nil && !t.mustDie() {
		t.k.cfg.Log.Error("cannot take over a guest thread", "tid", t.tid, "error", err)
		t.k.KillGroup(t.tg, killedBy(signal.SIGKILL))
	}
	t.loop()
}

func (t *Task) mustDie() bool {
	t.k.mu.Lock()
	defer t.k.mu.Unlock()
	return t.dying
}

func (t *Task) loop() {
	for {
		if t.attention.Load() && t.attend() {
			t.callThen()
			t.exitTask()
			return
		}
		if t.then != nil {
			if x, ok := t.th.(platform.Overlapper); ok {
				x.Then(t.then)
				t.then = nil
			}
			t.callThen()
		}
		ev := t.th.Run()
		switch ev.Kind {
		case platform.Syscall:
			t.syscall()
		case platform.Fault:
			t.fault(&ev)
		case platform.Interrupted:
			// Whoever interrupted has set attention.
		case platform.Dead:
			t.lost(ev.Signal)
		}
	}
}

// callThen does what was put off until the guest goes on.
func (t *Task) callThen() {
	if fn := t.then; fn != nil {
		t.then = nil
		fn()
	}
}

// syscall handles the call that the thread has made.
func (t *Task) syscall() {
	sc := t.th.Syscall()
	t.sysNr, t.sysArgs = sc.Nr, sc.Args
	if sc.Foreign {
		t.k.LogUnsupported(t, sc.Nr)
		t.th.SetReturn(negErrno(linux.ENOSYS))
		return
	}
	ret, err := t.dispatch(sc.Nr, &t.sysArgs)
	t.returnBuffer(keptBuffer)
	t.finish(ret, err)
}

func (t *Task) dispatch(nr uint64, args *[6]uint64) (uint64, error) {
	tr := t.k.cfg.Tracer
	var start time.Time
	if tr != nil {
		tr.SyscallEnter(t, nr, args)
		start = time.Now()
	}
	var ret uint64
	var err error
	if nr < uint64(len(t.k.cfg.Table)) && t.k.cfg.Table[nr].Fn != nil {
		ret, err = t.k.cfg.Table[nr].Fn(t, args)
	} else {
		t.k.LogUnsupported(t, nr)
		err = linux.ENOSYS
	}
	if tr != nil {
		tr.SyscallExit(t, nr, args, ret, err, time.Since(start))
	}
	return ret, err
}

// KeepRegs is returned by handlers that have set the registers themselves
// (rt_sigreturn, execve).
const KeepRegs = linux.Errno(1000)

// finish stores the result of a call, or notes that it is to be restarted.
func (t *Task) finish(ret uint64, err error) {
	t.restart = 0
	if t.hasSaved && !interruptedBySignal(err) {
		// Signals that only the call's own mask let through wait
		// (restore_saved_sigmask_unless).
		t.k.mu.Lock()
		t.hasSaved = false
		t.setMaskLocked(t.savedMask)
		t.k.mu.Unlock()
	}
	if err == nil {
		t.th.SetReturn(ret)
		return
	}
	e, ok := err.(linux.Errno)
	if !ok {
		t.k.cfg.Log.Error("handler returned a foreign error", "call", t.sysNr, "error", err)
		e = linux.EIO
	}
	switch e {
	case KeepRegs:
	case linux.ERESTARTSYS, linux.ERESTARTNOINTR, linux.ERESTARTNOHAND, linux.ERESTART_RESTARTBLOCK:
		// attend decides, with the signals at hand.
		t.restart = e
		t.attention.Store(true)
	default:
		t.th.SetReturn(negErrno(e))
	}
}

func interruptedBySignal(err error) bool {
	switch err {
	case linux.EINTR, linux.ERESTARTSYS, linux.ERESTARTNOINTR, linux.ERESTARTNOHAND, linux.ERESTART_RESTARTBLOCK:
		return true
	}
	return false
}

func negErrno(e linux.Errno) uint64 { return uint64(-int64(e)) }

// SetRestart gives the function that goes on with a call that returned
// ERESTART_RESTARTBLOCK, when restart_syscall(2) is made in its place.
func (t *Task) SetRestart(fn func(t *Task) (uint64, error)) { t.restarts = fn }

// RestartCall implements restart_syscall(2).
func (t *Task) RestartCall() (uint64, error) {
	fn := t.restarts
	t.restarts = nil
	if fn == nil {
		return 0, linux.EINTR
	}
	return fn(t)
}

// fault turns a processor exception into its signal.
func (t *Task) fault(ev *platform.Event) {
	info := signal.Info{Signo: int32(ev.Signal), Code: ev.Code, Addr: ev.Addr}
	t.forceSignal(info, ev)
}

// attend does what is to be done before returning to guest code: die, stop,
// deliver signals, restart a call. It reports whether the task must end.
func (t *Task) attend() bool {
	for {
		t.attention.Store(false)
		k := t.k
		k.mu.Lock()
		if t.dying {
			k.mu.Unlock()
			return true
		}
		if t.tg.stopSig != 0 {
			if t.then != nil {
				k.mu.Unlock()
				t.callThen()
				continue
			}
			t.waitStopped() // unlocks and locks
			k.mu.Unlock()
			t.attention.Store(true)
			continue
		}
		info, ok := t.dequeueLocked(^t.mask)
		if !ok {
			// No signal: a call interrupted for nothing is made again, and
			// the mask of sigsuspend and the like goes.
			if t.hasSaved {
				t.hasSaved = false
				t.setMaskLocked(t.savedMask)
				if t.hasPendingLocked(^t.mask) {
					k.mu.Unlock()
					continue
				}
			}
			t.signaled = false
			k.mu.Unlock()
			t.restartCall(false, 0)
			return false
		}
		k.mu.Unlock()
		if k.cfg.Tracer != nil {
			k.cfg.Tracer.Signal(t, &info)
		}
		t.deliver(info)
	}
}

// restartCall finishes a call that was interrupted. handler tells whether a
// signal handler with the given flags is about to run (handle_signal and
// arch_do_signal_or_restart in arch/x86/kernel/signal.c).
func (t *Task) restartCall(handler bool, flags uint64) {
	e := t.restart
	if e == 0 {
		return
	}
	t.restart = 0
	regs := t.th.Regs()
	if handler {
		switch {
		case e == linux.ERESTARTNOINTR, e == linux.ERESTARTSYS && flags&saRestart != 0:
			regs.Restart(t.sysNr)
		default:
			regs.SetReturn(negErrno(linux.EINTR))
		}
		return
	}
	if e == linux.ERESTART_RESTARTBLOCK {
		regs.Restart(linux.SYS_RESTART_SYSCALL)
		return
	}
	regs.Restart(t.sysNr)
}
