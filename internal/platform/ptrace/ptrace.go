// Package ptrace is the reference platform: PTRACE_SYSEMU stops a guest thread
// at every system call before the host sees it.
//
// Each guest thread is a host thread of a guest process, traced by the OS
// thread of the goroutine that runs it. Host calls on the guest's behalf are
// made by setting the thread's registers to an entry point of the stub. A
// second line of defence is the stub's seccomp filter, which PTRACE_SYSEMU
// comes before.
package ptrace

import (
	"fmt"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"sentinel/internal/abi/linux"
	"sentinel/internal/platform"
	"sentinel/internal/platform/guestmem"
	"sentinel/internal/platform/stub"
)

// Platform implements platform.Platform.
type Platform struct {
	image   *stub.Image
	channel stub.Channel
	// sockMu serialises passing a descriptor: from the send until the guest
	// process that it is meant for has received it.
	sockMu sync.Mutex
	xsize  atomic.Int64 // of the extended state, once known

	handovers atomic.Uint64
}

// New returns the platform.
func New() (*Platform, error) {
	im, err := stub.NewImage()
	if err != nil {
		return nil, fmt.Errorf("make the stub's file: %w", err)
	}
	ch, err := stub.NewChannel()
	if err != nil {
		im.Close()
		return nil, fmt.Errorf("make the channel to guest processes: %w", err)
	}
	return &Platform{image: im, channel: ch}, nil
}

// Name implements platform.Platform.
func (p *Platform) Name() string { return "ptrace" }

// Release implements platform.Platform.
func (p *Platform) Release() {
	p.image.Close()
	p.channel.Close()
}

const options = unix.PTRACE_O_EXITKILL | unix.PTRACE_O_TRACESYSGOOD

// SpawnFrom makes fd, which must be open, the descriptor of that file.
func (p *Platform) SpawnFrom(fd int) error { return p.image.MoveTo(fd) }

// Handovers implements platform.Platform.
func (p *Platform) Handovers() (n, local uint64) { return p.handovers.Load(), 0 }

// SpawnFD is the descriptor of the file that guest processes start from, for
// the jail.
func (p *Platform) SpawnFD() int { return p.image.FD() }

// Runner implements platform.Platform.
func (p *Platform) Runner() platform.Runner { return nil }

// NewProcess implements platform.Platform.
func (p *Platform) NewProcess() (platform.Thread, error) {
	launch, err := p.image.Spawn(p.channel.Guest())
	if err != nil {
		return nil, fmt.Errorf("start a guest process: %w", err)
	}
	started := false
	defer func() {
		if !started {
			launch.Release()
		}
	}()
	pid := launch.PID
	fail := func(what string, err error) (platform.Thread, error) {
		guestmem.Kill(pid, false)
		wait(pid, nil)
		return nil, fmt.Errorf("%s a guest process: %w", what, err)
	}
	st, err := wait(pid, nil)
	if err != nil {
		return fail("wait for", err)
	}
	ws := unix.WaitStatus(st)
	if ws.Exited() {
		// The child passes on why ptrace or execveat failed.
		return nil, fmt.Errorf("start a guest process: %w (is ptrace permitted?)", linux.Errno(ws.ExitStatus()))
	}
	if !ws.Stopped() {
		return nil, fmt.Errorf("start a guest process: status %#x", st)
	}
	if err := ptraceCall(unix.PTRACE_SETOPTIONS, pid, 0, options); err != nil {
		return fail("trace", err)
	}
	t := &thread{p: p, tid: pid, proc: newProcess(pid, &family{launch: launch})}
	if err := getRegs(pid, &t.regs); err != nil {
		return fail("trace", err)
	}
	stack := make([]byte, 1024)
	n, e := guestmem.Copy(unix.SYS_PROCESS_VM_READV, pid, t.regs.RSP, stack)
	if e != 0 {
		return fail("read the memory of", e)
	}
	auxv := guestmem.ParseAuxv(stack[:n])
	// Let it give up its privileges.
	if err := ptraceCall(unix.PTRACE_CONT, pid, 0, 0); err != nil {
		return fail("trace", err)
	}
	for {
		if st, err = wait(pid, nil); err != nil {
			return fail("wait for", err)
		}
		ws = unix.WaitStatus(st)
		if !ws.Stopped() {
			return nil, fmt.Errorf("start a guest process: it ended with status %#x", st)
		}
		if ws.StopSignal() == unix.SIGTRAP {
			break
		}
		if err := ptraceCall(unix.PTRACE_CONT, pid, 0, 0); err != nil {
			return fail("trace", err)
		}
	}
	if err := getRegs(pid, &t.regs); err != nil {
		return fail("trace", err)
	}
	if t.regs.RAX != 0 {
		return fail("set the filter of", linux.Errno(-int64(t.regs.RAX)))
	}
	t.as = &space{auxv: auxv}
	t.slot = t.as.Join(pid)
	t.fresh = true
	t.regsValid, t.attached = true, true
	started = true
	return t, nil
}
