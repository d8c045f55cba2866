package ptrace

import (
	"slices"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"sentinel/internal/abi/linux"
	"sentinel/internal/platform"
	"sentinel/internal/platform/stub"
)

// space is a guest address space: one host mm.
type space struct {
	p    *Platform
	auxv map[uint64]uint64

	tid atomic.Int64 // of a live member, through which memory is reached

	mu      sync.Mutex
	members []int // host threads that have the memory
	slots   []bool
}

func newSpace(p *Platform, auxv map[uint64]uint64) *space { return &space{p: p, auxv: auxv} }

func (s *space) join(tid int) (slot int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.members = append(s.members, tid)
	s.tid.Store(int64(s.members[0]))
	for i, used := range s.slots {
		if !used {
			s.slots[i] = true
			return i
		}
	}
	s.slots = append(s.slots, true)
	return len(s.slots) - 1
}

func (s *space) leave(tid, slot int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.members = slices.DeleteFunc(s.members, func(x int) bool { return x == tid })
	s.slots[slot] = false
	if len(s.members) > 0 {
		s.tid.Store(int64(s.members[0]))
	}
}

// HostPID implements platform.AddressSpace.
func (s *space) HostPID() int { return int(s.tid.Load()) }

// Reserved implements platform.AddressSpace.
func (s *space) Reserved() (start, end uint64) { return stub.Start, stub.End }

// Auxv implements platform.AddressSpace.
func (s *space) Auxv(tag uint64) uint64 { return s.auxv[tag] }

func (s *space) copy(nr uintptr, addr uint64, b []byte) (int, error) {
	done := 0
	for done < len(b) {
		n, e := copyMem(nr, int(s.tid.Load()), addr+uint64(done), b[done:])
		if e != 0 || n == 0 {
			return done, linux.EFAULT
		}
		done += n
		if done < len(b) {
			// A short count means that the next page cannot be had, or
			// that the kernel stopped for a reason of its own: try again.
			continue
		}
	}
	return done, nil
}

// CopyIn implements usermem.Memory.
func (s *space) CopyIn(addr uint64, dst []byte) (int, error) {
	if len(dst) == 0 {
		return 0, nil
	}
	return s.copy(unix.SYS_PROCESS_VM_READV, addr, dst)
}

// CopyOut implements usermem.Memory.
func (s *space) CopyOut(addr uint64, src []byte) (int, error) {
	if len(src) == 0 {
		return 0, nil
	}
	return s.copy(unix.SYS_PROCESS_VM_WRITEV, addr, src)
}

// CompareAndSwap implements platform.AddressSpace.
func (s *space) CompareAndSwap(th platform.Thread, addr uint64, old, new uint32) (uint32, error) {
	t := th.(*thread)
	r := t.blank(stub.CAS)
	r.RDI, r.RAX, r.RCX = addr, uint64(old), uint64(new)
	if err := t.runStub(&r); err != nil {
		return 0, err
	}
	return uint32(r.RAX), nil
}
