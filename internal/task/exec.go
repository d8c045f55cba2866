package task

import (
	"encoding/binary"
	"strings"
	"time"

	"sentinel/internal/abi/linux"
	"sentinel/internal/cred"
	"sentinel/internal/host"
	"sentinel/internal/loader"
	"sentinel/internal/mm"
	"sentinel/internal/platform"
	"sentinel/internal/usermem"
	"sentinel/internal/vfs"
)

// Limits of execve(2), include/uapi/linux/binfmts.h.
const (
	maxArgStrings = 0x7fffffff
	maxArgLen     = 32 * usermem.PageSize
	maxInterps    = 5 // of "#!" scripts
)

// ExecArgs are those of execveat(2), copied in.
type ExecArgs struct {
	File     *vfs.File // opened for execution; consumed
	Filename string    // as AT_EXECFN and for scripts
	Argv     []string
	Envv     []string
	// Inaccessible tells that Filename will not lead to the file after the
	// exec (a close-on-exec descriptor), which scripts cannot have.
	Inaccessible bool
}

// program is what a chain of scripts led to.
type program struct {
	file, interpFile *vfs.File
	img, interp      *loader.Image
	argv             []string
	comm             string
	creds            *cred.Cred
	secure           bool
}

func (p *program) release() {
	if p.file != nil {
		p.file.DecRef()
	}
	if p.interpFile != nil {
		p.interpFile.DecRef()
	}
}

// fileReader reads a program.
type fileReader struct {
	c *vfs.Context
	f *vfs.File
}

func (r fileReader) ReadAt(b []byte, off int64) (int, error) {
	n := 0
	for n < len(b) {
		got, err := r.f.Ops.Read(r.c, r.f, b[n:], off+int64(n))
		if err != nil {
			return n, err
		}
		if got == 0 {
			return n, linux.EIO
		}
		n += got
	}
	return n, nil
}

// readHead returns up to 256 bytes of the beginning.
func (r fileReader) readHead() ([]byte, error) {
	b := make([]byte, 256)
	n, err := r.f.Ops.Read(r.c, r.f, b, 0)
	if err != nil {
		return nil, err
	}
	return b[:n], nil
}

// Exec implements execve(2) and execveat(2). The new process is complete before
// anything of the old one is given up.
func (t *Task) Exec(a ExecArgs) error {
	p, err := t.loadProgram(a)
	if err != nil {
		return err
	}
	th, err := t.k.cfg.Platform.NewProcess()
	if err != nil {
		p.release()
		return err
	}
	m, err := t.mapProgram(th, p, a.Filename, a.Envv)
	if err == nil {
		err = t.deThread()
	}
	if err != nil {
		th.Kill()
		th.Exit()
		p.release()
		return err
	}
	t.commitExec(th, m, p)
	return nil
}

// loadProgram follows scripts to an ELF program, checks permissions and works
// out the new credentials. It consumes a.File.
func (t *Task) loadProgram(a ExecArgs) (*program, error) {
	p := &program{file: a.File, argv: a.Argv, comm: base(a.Filename)}
	if len(p.argv) == 0 {
		p.argv = []string{""} // do_execveat_common since 5.18
	}
	fail := func(err error) (*program, error) {
		p.release()
		return nil, err
	}
	name := a.Filename
	for depth := 0; ; depth++ {
		r := fileReader{&t.ctx, p.file}
		head, err := r.readHead()
		if err != nil {
			return fail(err)
		}
		kind, err := loader.Identify(head)
		if err != nil {
			return fail(err)
		}
		if kind == loader.ELF {
			break
		}
		if depth == maxInterps {
			return fail(linux.ELOOP)
		}
		if a.Inaccessible {
			return fail(linux.ENOENT)
		}
		interp, arg, err := loader.ParseScript(head)
		if err != nil {
			return fail(err)
		}
		argv := []string{interp}
		if arg != "" {
			argv = append(argv, arg)
		}
		p.argv = append(append(argv, name), p.argv[1:]...)
		f, err := t.k.cfg.VFS.OpenExec(&t.ctx, vfs.Path{}, interp, 0)
		if err != nil {
			return fail(err)
		}
		p.file.DecRef()
		p.file = f
		name = interp
	}
	attr, err := p.file.Ino.Attr()
	if err != nil {
		return fail(err)
	}
	if p.img, err = loader.ParseELF(fileReader{&t.ctx, p.file}, attr.Size); err != nil {
		return fail(err)
	}
	if p.img.Interp != "" {
		f, err := t.k.cfg.VFS.OpenExec(&t.ctx, vfs.Path{}, p.img.Interp, 0)
		if err != nil {
			return fail(err)
		}
		p.interpFile = f
		ia, err := f.Ino.Attr()
		if err != nil {
			return fail(err)
		}
		if p.interp, err = loader.ParseELF(fileReader{&t.ctx, f}, ia.Size); err != nil {
			return fail(linux.ELIBBAD)
		}
	}
	t.execCreds(p, &attr)
	return p, nil
}

func base(s string) string { return s[strings.LastIndexByte(s, '/')+1:] }

// execCreds applies set-id bits and recomputes capabilities
// (cap_bprm_creds_from_file).
func (t *Task) execCreds(p *program, a *vfs.Attr) {
	old := t.Cred()
	c := old.Copy()
	nosuid := c.NoNewPrivs || p.file.Path.Mount != nil && p.file.Path.Mount.NoSuid()
	if !nosuid {
		if a.Mode&linux.S_ISUID != 0 {
			c.EUID = a.UID
		}
		if a.Mode&(linux.S_ISGID|linux.S_IXGRP) == linux.S_ISGID|linux.S_IXGRP {
			c.EGID = a.GID
		}
	}
	changed := c.EUID != old.EUID || c.EGID != old.EGID
	c.SUID, c.FSUID = c.EUID, c.EUID
	c.SGID, c.FSGID = c.EGID, c.EGID
	const noRoot = 1 // SECBIT_NOROOT
	ambient := c.Ambient
	if changed {
		ambient = 0
	}
	if c.SecureBits&noRoot == 0 && (c.UID == 0 || c.EUID == 0) {
		c.Permitted = c.Inheritable | c.Bounding
		if c.EUID == 0 {
			c.Effective = c.Permitted
		} else {
			c.Effective = 0
		}
		if c.NoNewPrivs {
			c.Permitted &= old.Permitted
			c.Effective &= c.Permitted
		}
	} else {
		c.Permitted = ambient
		c.Effective = ambient
	}
	c.Ambient = ambient
	p.creds = c
	p.secure = changed || c.UID != c.EUID || c.GID != c.EGID
}

// deThread ends the other threads of the process and makes t its leader
// (de_thread in fs/exec.c).
func (t *Task) deThread() error {
	k, g := t.k, t.tg
	k.mu.Lock()
	defer k.mu.Unlock()
	if t.dying || g.exiting || g.execing != nil {
		return linux.ERESTARTNOINTR // only to die
	}
	g.execing = t
	for _, x := range g.tasks {
		if x != t && !x.exited {
			x.dying = true
			x.interruptLocked()
		}
	}
	g.stopCond.Broadcast()
	if len(g.tasks) > 1 {
		// Their host process, which is t's too, will not be needed again.
		killer := time.AfterFunc(killPatience, g.killHost)
		defer killer.Stop()
	}
	for len(g.tasks) > 1 {
		if t.dying {
			g.execing = nil
			return linux.ERESTARTNOINTR
		}
		k.mu.Unlock()
		<-t.wake
		k.mu.Lock()
	}
	t.attention.Store(true) // wake may have been for something else
	if g.leader != t {
		// The thread that executes takes over the id of the leader.
		delete(k.tasks, t.tid)
		t.tid = g.pid
		k.tasks[t.tid] = t
		g.leader = t
	}
	return nil
}

// commitExec switches the task to the new program in the process of th
// (begin_new_exec).
func (t *Task) commitExec(th platform.Thread, m *mm.MM, p *program) {
	k, g := t.k, t.tg
	m.Exe = p.file
	p.file = nil
	p.release()
	old := t.th
	k.mu.Lock()
	if old != nil {
		u, s := old.CPUTime()
		g.times.User += u
		g.times.System += s
	}
	t.th = th
	oldMM := t.mm.Swap(m)
	if g.limits[linux.RLIMIT_AS].Cur != linux.RLIM64_INFINITY {
		g.limitMemory()
	}
	if t.affinity != nil {
		host.SetAffinity(th.HostTID(), t.affinity)
	}
	k.mu.Unlock()
	t.endVfork()
	if oldMM != nil && oldMM.DecUser() {
		oldMM.Release()
	}
	if old != nil {
		old.Kill()
		old.Exit()
	}
	if f := t.FDs(); f.Users() > 1 {
		n := f.Fork()
		n.SetLimit(func() uint64 { return g.Limit(linux.RLIMIT_NOFILE).Cur })
		t.fds.Store(n)
		f.DropUser(&t.ctx)
	}
	t.SetCred(p.creds)
	t.refreshCtx()
	t.FDs().CloseOnExec(&t.ctx)
	k.mu.Lock()
	t.comm = p.comm[:min(len(p.comm), 15)]
	g.execing = nil
	g.didExec = true
	if g.actions.refs > 1 {
		g.actions.refs--
		g.actions = g.actions.fork()
	}
	g.actions.execReset()
	g.exitSignal = 17
	t.robustList = 0
	if p.secure {
		t.pdeathsig = 0
	}
	g.deletePosixTimers()
	k.mu.Unlock()
	t.altStack = altStack{flags: ssDisable}
	t.personality.Store(t.personality.Load() &^ 0x0400000) // READ_IMPLIES_EXEC
	if p.secure {
		t.dumpable.Store(0)
	} else {
		t.dumpable.Store(1)
	}
	t.restart = 0
}

// Placement of what has no fixed address: away from where the host puts
// mappings of its choosing, each with 28 random bits of page number.
const (
	dynBase    = 0x555555554000 // ELF_ET_DYN_BASE
	interpBase = 0x7c0000000000
	stackBase  = 0x7d0000000000
	maxStack   = 64 << 20
	guardSize  = 1 << 20
)

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
		bias = dynBase + randomPages(28)
		if a := p.img.Align; a > usermem.PageSize {
			bias &^= a - 1
		}
		bias -= p.img.Lo
	}
	calls, err := t.segments(p.file, p.img, bias, as)
	if err != nil {
		return nil, err
	}
	entry := p.img.Entry + bias
	ibase := uint64(0)
	if p.interp != nil {
		if p.interp.Dyn {
			ibase = interpBase + randomPages(28)
			if a := p.interp.Align; a > usermem.PageSize {
				ibase &^= a - 1
			}
			ibase -= p.interp.Lo
		}
		more, err := t.segments(p.interpFile, p.interp, ibase, as)
		if err != nil {
			return nil, err
		}
		calls = append(calls, more...)
		entry = p.interp.Entry + ibase
	}
	// The main stack: as large as its limit allows, with a guard below.
	size := min(t.Limit(linux.RLIMIT_STACK).Cur, maxStack)
	size = max(size, 256<<10) &^ (usermem.PageSize - 1)
	top := stackBase + randomPages(28) + maxStack + guardSize
	prot := uint64(linux.PROT_READ | linux.PROT_WRITE)
	if p.img.StackExec {
		prot |= linux.PROT_EXEC
	}
	const anon = linux.MAP_PRIVATE | linux.MAP_ANONYMOUS | linux.MAP_FIXED_NOREPLACE | linux.MAP_NORESERVE
	calls = append(calls,
		platform.HostCall{Nr: linux.SYS_MMAP, Args: [6]uint64{top - size - guardSize, guardSize, 0, anon, ^uint64(0), 0}},
		platform.HostCall{Nr: linux.SYS_MMAP, Args: [6]uint64{top - size, size, prot, anon | linux.MAP_STACK, ^uint64(0), 0}})
	if _, err := th.Call(calls...); err != nil {
		return nil, err
	}
	m.RegisterFile(p.file, &t.ctx)
	if err := padBSS(as, p.img, bias); err != nil {
		return nil, err
	}
	if p.interp != nil {
		m.RegisterFile(p.interpFile, &t.ctx)
		if err := padBSS(as, p.interp, ibase); err != nil {
			return nil, err
		}
	}
	m.SetBrk(p.img.Hi + bias + randomPages(13))
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
func (t *Task) segments(f *vfs.File, img *loader.Image, bias uint64, as platform.AddressSpace) ([]platform.HostCall, error) {
	mappable, ok := f.Ops.(vfs.Mappable)
	if !ok {
		return nil, linux.EACCES
	}
	lo, hi := as.Reserved()
	var calls []platform.HostCall
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
			calls = append(calls, platform.HostCall{
				Nr:   linux.SYS_MMAP,
				Args: [6]uint64{start, fileEnd - start, uint64(s.Prot), fixed, 0, uint64(hm.Offset)}, File: hm.FD, HasFile: true,
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

// padBSS zeroes what follows the file's bytes on a segment's last file page.
func padBSS(as platform.AddressSpace, img *loader.Image, bias uint64) error {
	var zero [usermem.PageSize]byte
	for _, s := range img.Segments {
		end := s.Vaddr + s.Filesz + bias
		n := -end & (usermem.PageSize - 1)
		if s.Filesz == 0 || s.Memsz <= s.Filesz || n == 0 || s.Prot&linux.PROT_WRITE == 0 {
			continue
		}
		if _, err := as.CopyOut(end, zero[:n]); err != nil {
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
