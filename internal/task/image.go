package task

import (
	"encoding/binary"

	"sentinel/internal/abi/linux"
	"sentinel/internal/host"
	"sentinel/internal/loader"
	"sentinel/internal/mm"
	"sentinel/internal/platform"
	"sentinel/internal/usermem"
	"sentinel/internal/vfs"
)

// Placement of what has no fixed address: away from where the host puts
// mappings of its choosing, each with 28 random bits of page number. The stack
// is above those, in the 16 GiB that the host leaves for its own.
const (
	dynBase    = 0x555555554000 // ELF_ET_DYN_BASE
	interpBase = 0x7c0000000000
	maxStack   = 64 << 20
	guardSize  = 1 << 20
	stackBits  = 22 // of stack_maxrandom_size
)

// randomPages is the function of that name, without randomness if the task
// wants none (ADDR_NO_RANDOMIZE).
func (t *Task) randomPages(bits uint) uint64 {
	const noRandomize = 0x0040000
	if t.Personality()&noRandomize != 0 {
		return 0
	}
	return randomPages(bits)
}

func randomPages(bits uint) uint64 {
	var b [8]byte
	host.Random(b[:])
	return binary.LittleEndian.Uint64(b[:]) & (1<<bits - 1) * usermem.PageSize
}

// mapProgram fills the fresh address space of th and sets its registers.
func (t *Task) mapProgram(th platform.Thread, p *program, execfn string, envv []string) (*mm.MM, error) {
	as := th.AddressSpace()
	m := mm.New(as, t.k.names)
	bias := uint64(0)
	if p.img.Dyn {
		bias = dynBase + t.randomPages(28)
		if a := p.img.Align; a > usermem.PageSize {
			bias &^= a - 1
		}
		bias -= p.img.Lo
	}
	calls, err := t.segments(m, p.file, p.img, bias, as)
	if err != nil {
		return nil, err
	}
	entry := p.img.Entry + bias
	ibase := uint64(0)
	if p.interp != nil {
		if p.interp.Dyn {
			ibase = interpBase + t.randomPages(28)
			if a := p.interp.Align; a > usermem.PageSize {
				ibase &^= a - 1
			}
			ibase -= p.interp.Lo
		}
		more, err := t.segments(m, p.interpFile, p.interp, ibase, as)
		if err != nil {
			return nil, err
		}
		calls = append(calls, more...)
		entry = p.interp.Entry + ibase
	}
	// The main stack: as large as its limit allows, with a guard below.
	size := min(t.Limit(linux.RLIMIT_STACK).Cur, maxStack)
	size = max(size, 256<<10) &^ (usermem.PageSize - 1)
	prot := uint64(linux.PROT_READ | linux.PROT_WRITE)
	if p.img.StackExec {
		prot |= linux.PROT_EXEC
	}
	const anon = linux.MAP_PRIVATE | linux.MAP_ANONYMOUS | linux.MAP_NORESERVE | linux.MAP_STACK
	top := mm.TaskSize - t.randomPages(stackBits)
	for try := 0; ; try++ {
		calls = append(calls,
			platform.HostCall{Nr: linux.SYS_MMAP, Args: [6]uint64{top - size - guardSize, size + guardSize, 0, anon | linux.MAP_FIXED_NOREPLACE, ^uint64(0), 0}},
			platform.HostCall{Nr: linux.SYS_MMAP, Args: [6]uint64{top - size, size, prot, anon | linux.MAP_FIXED, ^uint64(0), 0}})
		_, err := th.Call(calls...)
		if err == nil {
			break
		}
		if err != linux.EEXIST || try == 8 {
			return nil, err
		}
		// The host's own stack is there.
		top = mm.TaskSize - randomPages(stackBits)
		calls = nil
	}
	if err := padBSS(as, p.img, bias); err != nil {
		return nil, err
	}
	if p.interp != nil {
		if err := padBSS(as, p.interp, ibase); err != nil {
			return nil, err
		}
	}
	m.SetBrk(p.img.Hi + bias + t.randomPages(13))
	m.Layout.StackStart, m.Layout.StackEnd = top-size, top
	seg := p.img.Segments
	m.Layout.CodeStart, m.Layout.CodeEnd = seg[0].Vaddr+bias, seg[0].Vaddr+seg[0].Filesz+bias
	for _, s := range seg {
		if s.Prot&linux.PROT_EXEC != 0 {
			m.Layout.CodeStart, m.Layout.CodeEnd = s.Vaddr+bias, s.Vaddr+s.Filesz+bias
		}
		if s.Prot&linux.PROT_WRITE != 0 {
			m.Layout.DataStart, m.Layout.DataEnd = s.Vaddr+bias, s.Vaddr+s.Filesz+bias
		}
	}
	sp, err := t.buildStack(m, p, execfn, envv, bias, ibase)
	if err != nil {
		return nil, err
	}
	th.Regs().Start(entry, sp)
	return m, nil
}

// segments returns the calls that map an image at bias.
func (t *Task) segments(m *mm.MM, f *vfs.File, img *loader.Image, bias uint64, as platform.AddressSpace) ([]platform.HostCall, error) {
	mappable, ok := f.Ops.(vfs.Mappable)
	if !ok {
		return nil, linux.EACCES
	}
	lo, hi := as.Reserved()
	var calls []platform.HostCall
	var same platform.FileID // all segments are of one file
	identified := false
	for _, s := range img.Segments {
		start := (s.Vaddr + bias) &^ (usermem.PageSize - 1)
		fileEnd := (s.Vaddr + bias + s.Filesz + usermem.PageSize - 1) &^ (usermem.PageSize - 1)
		memEnd := (s.Vaddr + bias + s.Memsz + usermem.PageSize - 1) &^ (usermem.PageSize - 1)
		if memEnd > mm.TaskSize || start < hi && memEnd > lo || start < 65536 {
			return nil, linux.ENOMEM
		}
		fixed := uint64(linux.MAP_PRIVATE | linux.MAP_FIXED)
		if s.Filesz > 0 {
			off := s.Offset &^ (usermem.PageSize - 1)
			hm, err := mappable.Mmap(&t.ctx, f, int64(off), int64(fileEnd-start), int(s.Prot), false)
			if err != nil {
				return nil, err
			}
			if !identified {
				same, identified = m.Identify(f, hm), true
			}
			calls = append(calls, platform.HostCall{
				Nr:   linux.SYS_MMAP,
				Args: [6]uint64{start, fileEnd - start, uint64(s.Prot), fixed, 0, uint64(hm.Offset)}, File: hm.FD, HasFile: true,
				Same: same,
			})
		} else {
			fileEnd = start
		}
		if memEnd > fileEnd {
			calls = append(calls, platform.HostCall{
				Nr:   linux.SYS_MMAP,
				Args: [6]uint64{fileEnd, memEnd - fileEnd, uint64(s.Prot), fixed | linux.MAP_ANONYMOUS, ^uint64(0), 0},
			})
		}
	}
	return calls, nil
}

// zeroPage is never written, and so takes no memory.
var zeroPage [usermem.PageSize]byte

// padBSS zeroes what follows the file's bytes on a segment's last file page.
func padBSS(as platform.AddressSpace, img *loader.Image, bias uint64) error {
	for _, s := range img.Segments {
		end := s.Vaddr + s.Filesz + bias
		n := -end & (usermem.PageSize - 1)
		if s.Filesz == 0 || s.Memsz <= s.Filesz || n == 0 || s.Prot&linux.PROT_WRITE == 0 {
			continue
		}
		if _, err := as.CopyOut(end, zeroPage[:n]); err != nil {
			return err
		}
	}
	return nil
}

// buildStack writes arguments, environment and auxiliary vector
// (create_elf_tables in fs/binfmt_elf.c) and returns the stack pointer.
func (t *Task) buildStack(m *mm.MM, p *program, execfn string, envv []string, bias, ibase uint64) (uint64, error) {
	as := m.AddressSpace()
	l := &m.Layout
	need := uint64(len(execfn) + 1 + len(loader.Platform) + 1 + 8)
	for _, s := range p.argv {
		need += uint64(len(s)) + 1
	}
	for _, s := range envv {
		need += uint64(len(s)) + 1
	}
	words := uint64(len(p.argv)+len(envv)+3+2*24) * 8
	size := l.StackEnd - l.StackStart
	if need+words > max(size/4, maxArgLen) || need+words > size/2 || need > 6<<20 {
		return 0, linux.E2BIG
	}
	b := make([]byte, (need+words+64+15)&^15)
	start := l.StackEnd - uint64(len(b))
	off := uint64(len(b)) - 8
	put := func(s string) uint64 {
		off -= uint64(len(s)) + 1
		copy(b[off:], s)
		return start + off
	}
	fn := put(execfn)
	putAll := func(ss []string) (at []uint64, lo, hi uint64) {
		at = make([]uint64, len(ss))
		hi = start + off
		for i := len(ss) - 1; i >= 0; i-- {
			at[i] = put(ss[i])
		}
		return at, start + off, hi
	}
	var envs, args []uint64
	envs, l.EnvStart, l.EnvEnd = putAll(envv)
	args, l.ArgStart, l.ArgEnd = putAll(p.argv)
	plat := put(loader.Platform)
	off = (off - 16) &^ 15
	host.Random(b[off : off+16])
	random := start + off
	c := p.creds
	secure := uint64(0)
	if p.secure {
		secure = 1
	}
	phdr := uint64(0)
	if p.img.PhdrAddr != 0 {
		phdr = p.img.PhdrAddr + bias
	}
	aux := []uint64{
		linux.AT_SYSINFO_EHDR, as.Auxv(linux.AT_SYSINFO_EHDR),
		linux.AT_MINSIGSTKSZ, as.Auxv(linux.AT_MINSIGSTKSZ),
		linux.AT_HWCAP, as.Auxv(linux.AT_HWCAP),
		linux.AT_PAGESZ, usermem.PageSize,
		linux.AT_CLKTCK, 100,
		linux.AT_PHDR, phdr,
		linux.AT_PHENT, uint64(p.img.Phent),
		linux.AT_PHNUM, uint64(p.img.Phnum),
		linux.AT_BASE, ibase,
		linux.AT_FLAGS, 0,
		linux.AT_ENTRY, p.img.Entry + bias,
		linux.AT_UID, uint64(c.UID), linux.AT_EUID, uint64(c.EUID),
		linux.AT_GID, uint64(c.GID), linux.AT_EGID, uint64(c.EGID),
		linux.AT_SECURE, secure,
		linux.AT_RANDOM, random,
		linux.AT_HWCAP2, as.Auxv(linux.AT_HWCAP2),
		linux.AT_EXECFN, fn,
		linux.AT_PLATFORM, plat,
		0, 0,
	}
	n := uint64(1+len(args)+1+len(envs)+1+len(aux)) * 8
	off = (off - n) &^ 15
	sp := start + off
	w := off
	le := binary.LittleEndian
	word := func(v uint64) {
		le.PutUint64(b[w:], v)
		w += 8
	}
	word(uint64(len(args)))
	for _, v := range args {
		word(v)
	}
	word(0)
	for _, v := range envs {
		word(v)
	}
	word(0)
	auxOff := w
	for _, v := range aux {
		word(v)
	}
	l.Auxv = append([]byte(nil), b[auxOff:w]...)
	_, err := as.CopyOut(sp, b[off:])
	return sp, err
}
