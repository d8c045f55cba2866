// Package guestmem is what the platforms share: guest memory by way of the
// host's process_vm_readv(2), and which host threads have it.
package guestmem

import (
	"slices"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"sentinel/internal/abi/linux"
)

// Space is the memory that some host threads share. It implements
// usermem.Memory.
type Space struct {
	via atomic.Pointer[member] // a live member, through which memory is reached

	mu      sync.Mutex
	members []*member
	slots   []bool
}

// member is a host thread. Its id is safe from reuse if it leads a process or is
// traced, since then it stays until it is waited for; otherwise pid is that of
// its process, to ask for.
type member struct{ tid, pid int }

// Join adds a host thread and returns the lowest free slot number.
func (s *Space) Join(tid int) (slot int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.addLocked(tid, 0)
	return s.reserveLocked()
}

// Reserve takes the lowest free slot for a thread that AddMember adds later.
func (s *Space) Reserve() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reserveLocked()
}

func (s *Space) reserveLocked() int {
	for i, used := range s.slots {
		if !used {
			s.slots[i] = true
			return i
		}
	}
	s.slots = append(s.slots, true)
	return len(s.slots) - 1
}

// Free gives a slot back that was reserved in vain.
func (s *Space) Free(slot int) {
	s.mu.Lock()
	s.slots[slot] = false
	s.mu.Unlock()
}

// AddMember adds a host thread that leads a process or is traced.
func (s *Space) AddMember(tid int) { s.AddThread(tid, 0) }

// AddThread adds a host thread of process pid that may end unseen.
func (s *Space) AddThread(tid, pid int) {
	s.mu.Lock()
	s.addLocked(tid, pid)
	s.mu.Unlock()
}

func (s *Space) addLocked(tid, pid int) {
	s.members = append(s.members, &member{tid, pid})
	s.via.Store(s.members[0])
}

// Gone takes away a host thread that has ended, but not its slot: memory is not
// reached by its id any more.
func (s *Space) Gone(tid int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.goneLocked(tid)
}

func (s *Space) goneLocked(tid int) {
	s.members = slices.DeleteFunc(s.members, func(m *member) bool { return m.tid == tid })
	if len(s.members) > 0 {
		s.via.Store(s.members[0])
	} else {
		s.via.Store(nil)
	}
}

// Leave takes a host thread and its slot away, and reports whether it was the
// last.
func (s *Space) Leave(tid, slot int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.goneLocked(tid)
	s.slots[slot] = false
	return !slices.Contains(s.slots, true)
}

// Members returns the number of host threads that have the memory.
func (s *Space) Members() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.members)
}

// HostPID returns a host thread that has the memory.
func (s *Space) HostPID() int { return s.reach() }

// reach returns a host thread that has the memory, 0 if all are gone.
func (s *Space) reach() int {
	for {
		m := s.via.Load()
		if m == nil {
			return 0
		}
		if m.pid == 0 || Tgkill(m.pid, m.tid, 0) != unix.ESRCH {
			return m.tid
		}
		s.Gone(m.tid)
	}
}

func (s *Space) copy(nr uintptr, addr uint64, b []byte) (int, error) {
	done := 0
	for done < len(b) {
		tid := s.reach()
		if tid == 0 {
			return done, linux.EFAULT
		}
		n, e := Copy(nr, tid, addr+uint64(done), b[done:])
		if e == linux.ESRCH {
			// It has ended, if only as a zombie that leads others: they have
			// the memory still.
			s.Gone(tid)
			continue
		}
		if e != 0 || n == 0 {
			return done, linux.EFAULT
		}
		// A short count means that the next page cannot be had, or that the
		// kernel stopped for a reason of its own: try again.
		done += n
	}
	return done, nil
}

// CopyIn implements usermem.Memory.
func (s *Space) CopyIn(addr uint64, dst []byte) (int, error) {
	if len(dst) == 0 {
		return 0, nil
	}
	return s.copy(unix.SYS_PROCESS_VM_READV, addr, dst)
}

// CopyOut implements usermem.Memory.
func (s *Space) CopyOut(addr uint64, src []byte) (int, error) {
	if len(src) == 0 {
		return 0, nil
	}
	return s.copy(unix.SYS_PROCESS_VM_WRITEV, addr, src)
}

// Clocks of a process, for CPUClock (include/linux/posix-timers.h).
const (
	ClockVirt  = 1 // user time
	ClockSched = 2 // user and system time
)

// CPUTime returns the CPU time of process pid in nanoseconds.
func CPUTime(pid int) (user, system int64) {
	clock := func(which int32) int64 {
		var ts unix.Timespec
		if err := unix.ClockGettime(int32(^pid<<3)|which, &ts); err != nil {
			return 0
		}
		return ts.Nano()
	}
	user = clock(ClockVirt)
	return user, max(clock(ClockSched)-user, 0)
}

// ParseAuxv reads the auxiliary vector from the image of a new process's stack,
// which begins at the stack pointer.
func ParseAuxv(stack []byte) Auxv {
	word := func(i int) uint64 {
		if i+8 > len(stack) {
			return 0
		}
		v := uint64(0)
		for k := range 8 {
			v |= uint64(stack[i+k]) << (8 * k)
		}
		return v
	}
	argc := word(0)
	if argc > 16 {
		return nil
	}
	i := 8 * (1 + int(argc) + 1)
	for i+8 <= len(stack) && word(i) != 0 {
		i += 8
	}
	a := make(Auxv, 0, 2*24) // what Linux has today
	for i += 8; i+16 <= len(stack) && word(i) != 0; i += 16 {
		a = append(a, word(i), word(i+8))
	}
	return a
}

// Auxv is an auxiliary vector: tags and values in turn.
type Auxv []uint64

// Get returns the value of a tag, 0 if there is none.
func (a Auxv) Get(tag uint64) uint64 {
	for i := 0; i+1 < len(a); i += 2 {
		if a[i] == tag {
			return a[i+1]
		}
	}
	return 0
}
