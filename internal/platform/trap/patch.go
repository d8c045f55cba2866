package trap

import (
	"bytes"
	"encoding/binary"
	"maps"
	"slices"
	"sync"

	"golang.org/x/sys/unix"

	"sentinel/internal/host"
	"sentinel/internal/platform"
	"sentinel/internal/platform/stub"
)

// Hot call sites are patched so that they jump to the stub without a trap. Two
// forms of site are known. The seven bytes
//
//	mov $nr, %eax; syscall        b8 nr nr nr nr 0f 05
//
// become
//
//	jmp *slot                     ff 24 25 xx xx 06 10
//
// where slot is an address below 4 GiB with the pointer to the site's
// trampoline. A jump to the old syscall instruction finds 06, which is no
// instruction in 64-bit mode: the SIGILL is taken for the call. Where another
// instruction stands before the call, it is what follows that makes room:
//
//	syscall; cmp $imm, %rax       0f 05 48 3d ii ii ii ii
//	syscall; cmp $imm, %eax       0f 05 3d ii ii ii ii
//
// become
//
//	jmp *slot                     ff 24 e5 xx xx 06 10
//
// and the trampoline makes the comparison. A jump to it, such as the return of a
// thread that was in the call, finds e5, which is IN and not for the guest: the
// SIGSEGV makes it go on in the trampoline. No frame shows an address of ours:
// who looks at registers sees the site's.
//
// A thread may be anywhere in the sequence, in between and behind, when it
// changes. Where an address space has one thread, which stands in the stub, the
// bytes are written in place. Else the page is replaced as a whole by a copy,
// which the host does in one step; but only if it is a file's and not writable,
// so that nobody changes it meanwhile.
const (
	patchBase  = 0x10060000 // third byte 06
	patchSize  = 0x9000
	recordBase = patchBase + 0x1000 // records
	codeBase   = patchBase + 0x5000 // trampolines
	perSite    = 32                 // bytes of a record, and of a trampoline
	maxSites   = 512
	hotAfter   = 32 // traps
	maxSeen    = 4096
	// Where trampolines go: the first instructions of the stub.
	patchedEntry = stubStart + 0x1000 // the record has the call's number
	patchedAny   = stubStart + 0x1010 // EAX has
	// anyCode is the size of a trampoline up to the comparison.
	anyCode = 18
)

// anyNr stands for the number in the record of a site that makes any call.
const anyNr = ^uint64(0)

// site is a patched site.
type site struct {
	start uint64 // address of its first byte
	// resume is where in the trampoline the comparison is, 0 if there is none.
	resume uint64
	// cmp is the length of the comparison.
	cmp uint64
}

// sites are the call sites of an address space.
type sites struct {
	// patching is held while a site is patched, which waits for the guest.
	patching sync.Mutex
	// mu guards the rest, and is not held while anybody is waited for.
	mu sync.Mutex
	// Traps by return address. Most programs come to their end with few.
	first   [24]struct{ pc, n uint64 }
	seen    map[uint64]int  // those beyond
	patched map[uint64]site // by return address
	returns []uint64        // of patched, by index
	pages   map[uint64]bool // that have patched sites
	mapped  bool            // changes only under patching
	refused bool
}

// fork copies what a copied memory holds.
func (s *sites) fork(from *sites) {
	from.mu.Lock()
	defer from.mu.Unlock()
	s.mapped, s.refused, s.first = from.mapped, from.refused, from.first
	s.patched, s.seen, s.pages = maps.Clone(from.patched), maps.Clone(from.seen), maps.Clone(from.pages)
	s.returns = slices.Clone(from.returns)
}

// sawSite counts a trap of the call that returns to pc, and patches the site
// when it is hot. Everything it reads is hostile: a wrong patch hurts only the
// guest.
func (t *thread) sawSite(pc, nr uint64) {
	s := &t.as.sites
	if !s.hot(pc) || nr >= 1<<16 || pc <= 7 || pc >= 1<<47 || t.as.Hidden(pc) {
		return
	}
	platform.Lock(t, &s.patching)
	defer s.patching.Unlock()
	t.patch(s, pc, nr)
}

// hot counts a trap of the call that returns to pc, and reports once that there
// have been many.
func (s *sites) hot(pc uint64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refused {
		return false
	}
	for i := range s.first {
		if p := &s.first[i]; p.pc == pc || p.pc == 0 {
			p.pc = pc
			p.n++
			return p.n == hotAfter
		}
	}
	n := s.seen[pc]
	if s.seen == nil {
		s.seen = map[uint64]int{}
	}
	if n == 0 && len(s.seen) >= maxSeen {
		return false
	}
	s.seen[pc] = n + 1
	return n+1 == hotAfter
}

// add takes in a site. From here on it may be found changed.
func (s *sites) add(pc uint64, at site) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.patched == nil {
		s.patched, s.pages = map[uint64]site{}, map[uint64]bool{}
	}
	s.patched[pc] = at
	s.returns = append(s.returns, pc)
	s.pages[at.start&^0xfff], s.pages[(at.start+6)&^0xfff] = true, true
}

func (s *sites) refuse() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refused = true
}

// patch changes the site of a call that returns to pc.
func (t *thread) patch(s *sites, pc, nr uint64) {
	const before, after = 7, 6 // bytes that matter
	var code [before + after]byte
	if n, _ := t.as.CopyIn(pc-before, code[:]); n < before {
		return
	}
	le := binary.LittleEndian
	i := uint64(len(s.returns)) // changes only under s.patching
	if i >= maxSites {
		return
	}
	var at site
	slot, record, tramp := patchBase+8*i, recordBase+perSite*i, codeBase+perSite*i
	var rec, body [perSite]byte
	body[0] = 0xb9 // mov $record, %ecx
	le.PutUint32(body[1:], uint32(record))
	body[5], body[6] = 0x49, 0xbb             // movabs $entry, %r11
	copy(body[15:], []byte{0x41, 0xff, 0xe3}) // jmp *%r11
	jump := [7]byte{0xff, 0x24, 0x25}         // jmp *slot
	le.PutUint32(jump[3:], uint32(slot))
	switch next := code[before:]; {
	case code[5] != 0x0f || code[6] != 0x05:
		return
	case code[0] == 0xb8 && uint64(le.Uint32(code[1:])) == nr:
		at.start = pc - before
		le.PutUint64(body[7:], patchedEntry)
		le.PutUint64(rec[:], pc)
		le.PutUint64(rec[8:], nr)
		le.PutUint64(rec[16:], answerOf(nr))
	case next[0] == 0x48 && next[1] == 0x3d:
		at.cmp = 6
	case next[0] == 0x3d:
		at.cmp = 5
	default:
		return
	}
	if at.cmp > 0 {
		at.start, at.resume = pc-2, tramp+anyCode
		jump[2] = 0xe5
		le.PutUint64(body[7:], patchedAny)
		copy(body[anyCode:], code[before:before+at.cmp])
		end := body[anyCode+at.cmp:]
		copy(end, []byte{0xff, 0x24, 0x25}) // jmp *record.back
		le.PutUint32(end[3:], uint32(record+24))
		le.PutUint64(rec[:], at.resume)
		le.PutUint64(rec[8:], anyNr)
		le.PutUint64(rec[24:], pc+at.cmp)
	}
	replace := t.as.Members() != 1
	if replace && !t.mayReplace(at.start, len(jump)) || !replace && t.writable(at.start, len(jump)) {
		return
	}
	if !s.mapped {
		_, err := t.orders([]platform.HostCall{{Nr: unix.SYS_MMAP, Args: [6]uint64{
			patchBase, patchSize, rwx, unix.MAP_PRIVATE | unix.MAP_ANONYMOUS | unix.MAP_FIXED_NOREPLACE, ^uint64(0), 0}}})
		if err != nil {
			s.refuse()
			return
		}
		s.mu.Lock()
		s.mapped = true
		s.mu.Unlock()
	}
	var ptr [8]byte
	le.PutUint64(ptr[:], tramp)
	for _, w := range []struct {
		addr uint64
		b    []byte
	}{{record, rec[:]}, {tramp, body[:]}, {slot, ptr[:]}} {
		if _, err := t.as.CopyOut(w.addr, w.b); err != nil {
			s.refuse()
			return
		}
	}
	s.add(pc, at)
	if replace {
		t.replaceCode(at.start, jump[:])
	} else {
		t.writeCode(at.start, jump[:])
	}
}

const (
	rx  = unix.PROT_READ | unix.PROT_EXEC
	rwx = rx | unix.PROT_WRITE
)

// writeCode changes code of an address space in which nothing else runs.
func (t *thread) writeCode(addr uint64, b []byte) {
	page, end := addr&^0xfff, (addr+uint64(len(b))+0xfff)&^0xfff
	protect := func(prot uint64) error {
		_, err := t.orders([]platform.HostCall{{Nr: unix.SYS_MPROTECT, Args: [6]uint64{page, end - page, prot}}})
		return err
	}
	if protect(rwx) == nil {
		t.as.CopyOut(addr, b)
		protect(rx)
	}
}

// writable reports whether n bytes of code can be written: they are a
// compiler's, which may look at them or change them.
func (t *thread) writable(addr uint64, n int) bool {
	b := make([]byte, n)
	if _, err := t.as.CopyIn(addr, b); err != nil {
		return true
	}
	_, err := t.as.CopyOut(addr, b)
	return err == nil
}

// mayReplace reports whether the page of n bytes of code at addr can be replaced
// by a copy: it is private to the process, of a file, and cannot be written.
func (t *thread) mayReplace(addr uint64, n int) bool {
	if addr&0xfff > uint64(0x1000-n) {
		return false
	}
	b, err := host.ReadProc(t.as.HostPID(), "maps")
	if err != nil {
		return false
	}
	for line := range bytes.Lines(b) {
		m, ok := host.ParseMapping(bytes.TrimSuffix(line, []byte("\n")))
		if ok && m.Start <= addr && addr < m.End {
			return string(m.Perms) == "r-xp" && m.Ino != 0
		}
	}
	return false
}

// replaceCode puts a changed copy of a page of code in its place. Other threads
// run the old or the new. Nobody can write to the copy, and who asks for the
// page as the file has it, by MADV_DONTNEED, gets the copy again.
func (t *thread) replaceCode(addr uint64, b []byte) {
	page := make([]byte, 0x1000)
	base := addr &^ 0xfff
	if _, err := t.as.CopyIn(base, page); err != nil {
		return
	}
	copy(page[addr-base:], b)
	im, err := stub.NewImageOf(page)
	if err != nil {
		return
	}
	defer im.Close()
	t.orders([]platform.HostCall{{
		Nr:      unix.SYS_MMAP,
		Args:    [6]uint64{base, 0x1000, rx, unix.MAP_PRIVATE | unix.MAP_FIXED},
		HasFile: true, File: im.FD(),
	}})
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
	at, ok := t.as.sites.patched[pc]
	t.as.sites.mu.Unlock()
	if !ok || at.cmp > 0 {
		return false
	}
	w[16] = pc
	t.sc = platform.SyscallArgs{Nr: uint64(uint32(w[13])), Args: [6]uint64{w[8], w[9], w[12], w[2], w[0], w[1]}}
	t.sc.Foreign = t.sc.Nr&(1<<30) != 0
	return true
}

// behindPatch reports whether the thread went on behind the system call of a
// patched site, where the comparison was, and sends it to the trampoline's.
func (t *thread) behindPatch() bool {
	w := wordsOf(t.slot[t.frame+ucMC:])
	t.as.sites.mu.Lock()
	at, ok := t.as.sites.patched[w[16]]
	t.as.sites.mu.Unlock()
	if !ok || at.cmp == 0 {
		return false
	}
	w[16] = at.resume
	return true
}

// siteOf is the address in the guest's own code that stands for one of a
// trampoline.
func (s *sites) siteOf(pc uint64) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := (pc - codeBase) / perSite
	if pc < codeBase || i >= uint64(len(s.returns)) {
		return pc
	}
	ret := s.returns[i]
	at := s.patched[ret]
	switch off := pc - codeBase - perSite*i; {
	case off < anyCode:
		return at.start
	case off == anyCode:
		return ret
	default:
		return ret + at.cmp
	}
}

// Changed reports whether a page has a patched site, and so may be a mapping of
// its own on the host; /proc/PID/maps does not show that.
func (s *space) Changed(page uint64) bool {
	s.sites.mu.Lock()
	defer s.sites.mu.Unlock()
	return s.pages[page]
}

// Hidden reports whether an address is of the patches' own memory, which
// /proc/PID/maps leaves out.
func (s *space) Hidden(addr uint64) bool { return addr >= patchBase && addr < patchBase+patchSize }
