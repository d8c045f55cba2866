package task

import (
	"runtime"
	"strings"
	"sync"
	"time"

	"sentinel/internal/abi/linux"
	"sentinel/internal/cred"
	"sentinel/internal/platform"
	"sentinel/internal/signal"
	"sentinel/internal/vfs"
)

// InitArgs describe the first process.
type InitArgs struct {
	// Path of the program, looked up in PATH of Envv if it has no slash.
	Path string
	Argv []string
	Envv []string
	Cred *cred.Cred
	FS   *vfs.FSContext
	FDs  *vfs.FDTable // its limit should be that of Kernel.InitLimit
	// Setup runs on the task before its program is loaded, to open its
	// terminal and the like.
	Setup func(t *Task) error
	// Mask is the set of signals that start out blocked, Ignored those that
	// are ignored, as execve passes them on.
	Mask, Ignored signal.Set
	OOMScoreAdj   int32
	Umask         uint32
}

// InitLimit returns a limit of the first process, for its descriptor table.
func (k *Kernel) InitLimit(res int) uint64 {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.init == nil {
		return k.cfg.Limits[res].Cur
	}
	return k.init.limits[res].Cur
}

// Start makes the first process and loads its program; guest code runs in Run. An
// error is a linux.Errno of exec (ENOENT, EACCES, ENOEXEC...) or what the platform
// could not do. It may be called once, by a goroutine that is locked to an OS
// thread which may run guests (Config.ThreadOK), as must be Run: a goroutine of
// their own would cost the start and the end of each sandbox the making of a
// thread.
func (k *Kernel) Start(a InitArgs) error {
	t := &Task{k: k, tid: 1, start: time.Now()}
	g := &ThreadGroup{
		k: k, pid: 1, leader: t, tasks: []*Task{t}, children: map[*ThreadGroup]struct{}{},
		limits: k.cfg.Limits, start: t.start, oomScoreAdj: a.OOMScoreAdj, exitSignal: signal.SIGCHLD,
		actions: &sigActions{refs: 1},
	}
	g.stopCond = sync.NewCond(&k.mu)
	t.tg = g
	t.mask = a.Mask &^ signal.Unblockable
	for sig := 1; sig <= signal.Max; sig++ {
		if a.Ignored.Has(sig) && !signal.Unblockable.Has(sig) {
			g.actions.a[sig].Handler = sigIgn
		}
	}
	t.altStack.flags = ssDisable
	t.dumpable.Store(1)
	t.timerSlack.Store(50000)
	t.cred.Store(a.Cred)
	t.fds.Store(a.FDs)
	t.fs.Store(a.FS)
	t.refreshCtx()
	k.mu.Lock()
	k.tasks[1], k.groups[1], k.init, k.lastPID = t, g, g, 1
	k.joinGroup(g, k.newGroup(1, k.newSession(1)))
	k.forks.Add(1)
	k.mu.Unlock()

	if err := t.loadInit(&a); err != nil {
		a.FDs.DropUser(&t.ctx)
		return err
	}
	return nil
}

// Run runs the first process's first thread to its end, which is not always that
// of the process.
func (k *Kernel) Run() {
	k.mu.Lock()
	t := k.tasks[1]
	k.mu.Unlock()
	r := k.cfg.Platform.Runner()
	if r == nil {
		t.loop()
		return
	}
	runtime.UnlockOSThread()
	r.Do(func(p platform.Parker) {
		t.setParker(p)
		t.th.RunBy(p)
		t.loop()
	})
	runtime.LockOSThread()
}

// begin has a new task run; there are so many now.
func (k *Kernel) begin(t *Task, tasks int) {
	if r := k.cfg.Platform.Runner(); r != nil {
		r.Go(func(p platform.Parker) {
			t.setParker(p)
			t.run()
		})
		return
	}
	k.makePlaces(tasks)
	k.threads.Go(t.run)
}

func (t *Task) setParker(p platform.Parker) {
	t.runBy, t.park.by = p, p
}

func (t *Task) loadInit(a *InitArgs) error {
	if a.Setup != nil {
		if err := a.Setup(t); err != nil {
			return err
		}
	}
	f, name, err := t.lookPath(a)
	if err != nil {
		return err
	}
	p, err := t.loadProgram(ExecArgs{File: f, Filename: name, Argv: a.Argv, Envv: a.Envv})
	if err != nil {
		return err
	}
	th, err := t.k.cfg.Platform.NewProcess()
	if err != nil {
		p.release()
		return err
	}
	th.RunBy(nil)
	m, err := t.mapProgram(th, p, name, a.Envv)
	if err != nil {
		p.release()
		th.Kill()
		th.Exit()
		return err
	}
	t.commitExec(th, m, p)
	return nil
}

// lookPath finds the program as execvp(3) does.
func (t *Task) lookPath(a *InitArgs) (*vfs.File, string, error) {
	if strings.Contains(a.Path, "/") {
		f, err := t.k.cfg.VFS.OpenExec(&t.ctx, vfs.Path{}, a.Path, 0)
		return f, a.Path, err
	}
	if a.Path == "" {
		return nil, "", linux.ENOENT
	}
	path := "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
	for _, kv := range a.Envv {
		if v, ok := strings.CutPrefix(kv, "PATH="); ok {
			path = v
		}
	}
	last := error(linux.ENOENT)
	for _, dir := range strings.Split(path, ":") {
		name := dir + "/" + a.Path
		if dir == "" {
			name = "./" + a.Path
		}
		f, err := t.k.cfg.VFS.OpenExec(&t.ctx, vfs.Path{}, name, 0)
		if err == nil {
			return f, name, nil
		}
		if err == linux.EACCES {
			last = err
		}
	}
	return nil, "", last
}

// Wait waits until the first process has ended and every task is gone, and
// returns the status of the first.
func (k *Kernel) Wait() WaitStatus {
	<-k.done
	k.goroutines.Wait()
	k.threads.Release()
	return k.status
}

// Done is closed when the first process has ended.
func (k *Kernel) Done() <-chan struct{} { return k.done }
