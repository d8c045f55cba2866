// Package trap is the fast platform: a guest's system calls raise SIGSYS in the
// guest process by its seccomp filter, and the stub's handler passes them to
// the supervisor through shared memory.
//
// The filter is the boundary: the stub, the control blocks and everything else
// in the guest process are the guest's. What is read from shared memory is
// copied once and checked.
package trap

import (
	_ "embed"
	"encoding/binary"
	"fmt"
	"os"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"sentinel/internal/abi/linux"
	"sentinel/internal/host"
	"sentinel/internal/platform"
	"sentinel/internal/platform/guestmem"
	"sentinel/internal/platform/stub"
	"sentinel/internal/platform/trap/handoff"
)

// Platform implements platform.Platform.
type Platform struct {
	image *stub.Image
	// Fit, if not nil, reports whether the calling OS thread may run guests.
	Fit func() bool
	// Patch tells whether hot call sites are made to call the stub.
	Patch bool
	// fpHead is what the host writes into the software-reserved bytes of an
	// extended state, known from the first frame on.
	fpHead atomic.Pointer[[48]byte]
	d      dispatch

	handovers, local atomic.Uint64 // for Handovers

	clock   tscClock
	machine handoff.Machine

	mu        sync.Mutex
	procs     map[int]*process // by host pid
	reaping   bool
	zombie    int       // that is about to be reaped, no more in procs; 0 if none is
	ending    int       // processes whose last is set
	finished  []*thread // of those, the ones that have ended
	ends      sync.WaitGroup
	spare     spare
	preparing bool // somebody adds to it
}

// New returns the platform.
func New() (*Platform, error) {
	im, err := stub.NewImageOf(elf)
	if err != nil {
		return nil, fmt.Errorf("make the stub's file: %w", err)
	}
	ignoreEnds()
	return &Platform{
		image: im, procs: map[int]*process{}, Patch: true, clock: newTSCClock(),
		machine: handoff.Machine{CPUs: host.NumCPU(), Runnable: host.Runnable},
	}, nil
}

// Name implements platform.Platform.
func (p *Platform) Name() string { return "trap" }

// Runner implements platform.Platform.
func (p *Platform) Runner() platform.Runner { return p }

// Handovers implements platform.Platform.
func (p *Platform) Handovers() (n, local uint64) { return p.handovers.Load(), p.local.Load() }

// SpawnFD is the descriptor of the file that guest processes start from, for
// the jail.
func (p *Platform) SpawnFD() int { return p.image.FD() }

// Release implements platform.Platform.
func (p *Platform) Release() {
	p.releaseSpare()
	p.finishEarly()
	p.ends.Wait()
	p.image.Close()
}

// space is a guest address space.
type space struct {
	guestmem.Space
	r    *region
	auxv guestmem.Auxv
	sites
}

// Reserved implements platform.AddressSpace.
func (s *space) Reserved() (start, end uint64) { return regionBase, stubEnd }

// Auxv implements platform.AddressSpace.
func (s *space) Auxv(tag uint64) uint64 { return s.auxv.Get(tag) }

// CompareAndSwap implements platform.AddressSpace.
func (s *space) CompareAndSwap(th platform.Thread, addr uint64, old, new uint32) (uint32, error) {
	t := th.(*thread)
	ordersOf(t.slot)[0] = order{Args: [6]uint64{addr, uint64(old), uint64(new)}}
	res, err := t.perform(opCAS)
	if err != nil {
		return 0, err
	}
	if t.c.Ret != 0 {
		return 0, linux.EFAULT
	}
	return uint32(res), nil
}

// initSlot prepares a slot for a new thread.
func (p *Platform) initSlot(r *region, i int) []byte {
	s := r.slot(i)
	c := controlOf(s)
	*c = control{
		SupSleeps: 1, StubCPU: ^uint32(0), SupCPU: ^uint32(1), PPID: supervisorPID(),
		StackSP: regionBase + uint64(i)*slotSize + offStack, StackSize: stackSize,
	}
	base := regionBase + uint64(i)*slotSize
	le := binary.LittleEndian
	le.PutUint64(s[offSelf:], base)
	// The ucontext of calls by patched sites, as far as it never changes.
	uc := s[offUC : offUC+ucSize]
	clear(uc)
	le.PutUint64(uc, 7) // UC_FP_XSTATE | UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS
	le.PutUint64(uc[16:], base+offStack)
	le.PutUint64(uc[32:], stackSize)
	le.PutUint64(uc[ucMC+18*8:], 0x33|0x2b<<48)
	le.PutUint64(uc[ucFP:], base+offFP)
	return s
}

// NewProcess implements platform.Platform.
func (p *Platform) NewProcess() (platform.Thread, error) {
	if t := p.takeThread(); t != nil {
		return t, nil
	}
	t, err := p.begin()
	if err != nil {
		return nil, err
	}
	if err := p.complete(t); err != nil {
		return nil, err
	}
	return t, nil
}

// begin starts a process from the stub's file. It does not wait for it.
func (p *Platform) begin() (*thread, error) {
	r, err := newRegion()
	if err != nil {
		return nil, fmt.Errorf("make shared memory: %w", err)
	}
	slot := p.initSlot(r, 0)
	proc, err := p.spawnFit(r)
	if err != nil {
		r.release()
		return nil, fmt.Errorf("start a guest process: %w", err)
	}
	r.closeFD()
	pid := proc.pid
	t := &thread{p: p, proc: proc, as: &space{r: r}, tid: pid, slot: slot, c: controlOf(slot)}
	t.n = t.as.Join(pid)
	p.mu.Lock()
	p.noteLocked(t)
	p.mu.Unlock()
	return t, nil
}

// watch has the end of a process noticed that begin has started. It wakes one of
// our threads, which comes at the wrong time while the host looks for a CPU for
// the process.
func (p *Platform) watch(t *thread) {
	p.mu.Lock()
	p.watchLocked(t.proc)
	p.mu.Unlock()
}

// complete waits until a process that begin has started stands in the stub.
func (p *Platform) complete(t *thread) error {
	p.watch(t)
	if ev := t.await(); ev != evReady || t.proc.isDead() {
		t.Kill()
		t.Exit()
		return fmt.Errorf("start a guest process: it ended before its first instruction (the host may forbid what its filter needs)")
	}
	b, err := takeBell(t.proc.ch.Channel)
	if err != nil {
		t.Kill()
		t.Exit()
		return fmt.Errorf("start a guest process: take its bell: %w", err)
	}
	t.proc.family.bell = b
	t.enterBell()
	if p.fpHead.Load() == nil {
		if b, err := t.fpState(); err == nil {
			p.fpHead.Store((*[48]byte)(append([]byte(nil), b[464:512]...)))
		}
	}
	stack := make([]byte, 1024)
	n, e := guestmem.Copy(unix.SYS_PROCESS_VM_READV, t.tid, t.c.Args[0], stack)
	if e != 0 {
		t.Kill()
		t.Exit()
		return fmt.Errorf("read the memory of a guest process: %w", e)
	}
	t.as.auxv = guestmem.ParseAuxv(stack[:n])
	return nil
}

// supervisorPID is the parent that every guest process must have.
var supervisorPID = sync.OnceValue(func() uint32 { return uint32(os.Getpid()) })

//go:embed stub/zz_generated_stub_amd64.elf
var elf []byte
