package trap

import (
	"encoding/binary"
	"sync"

	"golang.org/x/sys/unix"

	"sentinel/internal/platform"
)

// Hot call sites are patched so that they jump to the stub without a trap. A
// site is the seven bytes
//
//	mov $nr, %eax; syscall        b8 nr nr nr nr 0f 05
//
// which become
//
//	jmp *slot                     ff 24 25 xx xx 06 10
//
// where slot is an address below 4 GiB with the pointer to the site's
// trampoline. A jump to the old syscall instruction finds 06, which is no
// instruction in 64-bit mode: the SIGILL is taken for the call.
//
// Sites are patched only while the address space has one thread, which stands
// in the stub: nobody can be inside the sequence.
const (
	patchBase  = 0x10060000 // third byte 06
	patchSize  = 0x9000
	recordBase = patchBase + 0x1000 // 32 bytes each: return address, number, offset of its answer
	codeBase   = patchBase + 0x5000 // 32 bytes each
	maxSites   = 512
	// patchedEntry is the first instruction of the stub.
	patchedEntry = stubStart + 0x1000
	hotAfter     = 32 // traps
	maxSeen      = 4096
)

// sites are the call sites of an address space.
type sites struct {
	mu      sync.Mutex
	seen    map[uint64]int // traps by return address, -1: not to be patched
	patched map[uint64]uint64
	mapped  bool
	refused bool
}

// fork copies what a copied memory holds.
func (s *sites) fork(from *sites) {
	from.mu.Lock()
	defer from.mu.Unlock()
	s.mapped, s.refused = from.mapped, from.refused
	s.patched = make(map[uint64]uint64, len(from.patched))
	for k, v := range from.patched {
		s.patched[k] = v
	}
	s.seen = make(map[uint64]int, len(from.seen))
	for k, v := range from.seen {
		s.seen[k] = v
	}
}

// sawSite counts a trap of the call that returns to pc, and patches the site
// when it is hot. Everything it reads is hostile: a wrong patch hurts only the
// guest.
func (t *thread) sawSite(pc, nr uint64) {
	s := &t.as.sites
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refused {
		return
	}
	n := s.seen[pc]
	if n < 0 {
		return
	}
	if s.seen == nil {
		s.seen = map[uint64]int{}
	}
	if n == 0 && len(s.seen) >= maxSeen {
		return
	}
	s.seen[pc] = n + 1
	if n+1 < hotAfter || t.as.Members() != 1 {
		return
	}
	s.seen[pc] = -1
	if len(s.patched) < maxSites && nr < 1<<16 && pc > 7 && pc < 1<<47 {
		t.patch(s, pc, nr)
	}
}

func (t *thread) patch(s *sites, pc, nr uint64) {
	site := pc - 7
	var old [7]byte
	if _, err := t.as.CopyIn(site, old[:]); err != nil {
		return
	}
	le := binary.LittleEndian
	if old[0] != 0xb8 || uint64(le.Uint32(old[1:])) != nr || old[5] != 0x0f || old[6] != 0x05 {
		return
	}
	page, end := site&^0xfff, (pc+0xfff)&^0xfff
	if _, err := t.as.CopyOut(site, old[:]); err == nil {
		return // writable code: a compiler's, which may look at it or change it
	}
	const rwx = unix.PROT_READ | unix.PROT_WRITE | unix.PROT_EXEC
	if !s.mapped {
		_, err := t.orders([]platform.HostCall{{Nr: unix.SYS_MMAP, Args: [6]uint64{
			patchBase, patchSize, rwx, unix.MAP_PRIVATE | unix.MAP_ANONYMOUS | unix.MAP_FIXED_NOREPLACE, ^uint64(0), 0}}})
		if err != nil {
			s.refused = true
			return
		}
		s.mapped = true
	}
	i := uint64(len(s.patched))
	slot, record, code := patchBase+8*i, recordBase+32*i, codeBase+32*i
	var rec [32]byte
	le.PutUint64(rec[:], pc)
	le.PutUint64(rec[8:], nr)
	le.PutUint64(rec[16:], answerOf(nr))
	tramp := [32]byte{0xb9} // mov $record, %ecx
	le.PutUint32(tramp[1:], uint32(record))
	tramp[5], tramp[6] = 0x49, 0xbb // movabs $patchedEntry, %r11
	le.PutUint64(tramp[7:], patchedEntry)
	copy(tramp[15:], []byte{0x41, 0xff, 0xe3}) // jmp *%r11
	var ptr [8]byte
	le.PutUint64(ptr[:], code)
	jump := [7]byte{0xff, 0x24, 0x25}
	le.PutUint32(jump[3:], uint32(slot))
	for _, w := range []struct {
		addr uint64
		b    []byte
	}{{record, rec[:]}, {code, tramp[:]}, {slot, ptr[:]}} {
		if _, err := t.as.CopyOut(w.addr, w.b); err != nil {
			s.refused = true
			return
		}
	}
	if _, err := t.orders([]platform.HostCall{{Nr: unix.SYS_MPROTECT, Args: [6]uint64{page, end - page, rwx}}}); err != nil {
		return
	}
	_, werr := t.as.CopyOut(site, jump[:])
	if _, err := t.orders([]platform.HostCall{{Nr: unix.SYS_MPROTECT, Args: [6]uint64{page, end - page, unix.PROT_READ | unix.PROT_EXEC}}}); err != nil || werr != nil {
		return
	}
	if s.patched == nil {
		s.patched = map[uint64]uint64{}
	}
	s.patched[pc] = nr
}

// answerOf is where in the control block the answer to a call stands, or 0. The
// stub's function local has the same list.
func answerOf(nr uint64) uint64 {
	switch nr {
	case unix.SYS_GETPID:
		return offPID
	case unix.SYS_GETTID:
		return offPID + 4
	case unix.SYS_GETUID:
		return offPID + 8
	case unix.SYS_GETEUID:
		return offPID + 12
	case unix.SYS_GETGID:
		return offPID + 16
	case unix.SYS_GETEGID:
		return offPID + 20
	}
	return 0
}

// insidePatch reports whether the thread jumped to what was the syscall
// instruction of a patched site, and makes a call of it.
func (t *thread) insidePatch() bool {
	w := wordsOf(t.slot[t.frame+ucMC:])
	pc := w[16] + 2
	t.as.sites.mu.Lock()
	_, ok := t.as.sites.patched[pc]
	t.as.sites.mu.Unlock()
	if !ok {
		return false
	}
	w[16] = pc
	t.sc = platform.SyscallArgs{Nr: uint64(uint32(w[13])), Args: [6]uint64{w[8], w[9], w[12], w[2], w[0], w[1]}}
	t.sc.Foreign = t.sc.Nr&(1<<30) != 0
	return true
}

// Hidden reports whether an address is of the patches' own memory, which
// /proc/PID/maps leaves out.
func (s *space) Hidden(addr uint64) bool { return addr >= patchBase && addr < patchBase+patchSize }
