package task

import (
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
	return t.exec(a)
}

func (t *Task) exec(a ExecArgs) error {
	p, err := t.loadProgram(a)
	if err != nil {
		return err
	}
	th, err := t.k.cfg.Platform.NewProcess()
	if err != nil {
		p.release()
		return err
	}
	th.RunBy(t.runBy)
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

// manyExecs is how many programs must have been executed for more to be
// expected.
const manyExecs = 2

// prepare has the platform prepare for the next exec.
func (k *Kernel) prepare() {
	if p, ok := k.cfg.Platform.(platform.Preparer); ok {
		p.Prepare()
	}
}

// leaveProgram does what can wait until the new program runs: it ends the process
// old of the one before, and lets the parent of a vfork go on.
func (t *Task) leaveProgram(old platform.Thread) {
	t.endVfork()
	t.tg.notePeak(old)
	old.Kill()
	old.Exit()
	if t.k.execs.Add(1) >= manyExecs {
		t.k.prepare()
	}
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
		t.park.prepare()
		k.mu.Unlock()
		t.park.wait(0)
		k.mu.Lock()
	}
	t.attention.Store(true) // it may have been woken for something else
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
	if oldMM != nil && oldMM.DecUser() {
		oldMM.Release()
	}
	if old != nil {
		t.then = func() { t.leaveProgram(old) }
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
