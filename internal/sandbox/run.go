package sandbox

import (
	"fmt"
	"os"
	"path"
	"runtime"
	"sync/atomic"
	"time"

	"sentinel/internal/abi/linux"
	"sentinel/internal/epoll"
	"sentinel/internal/host"
	"sentinel/internal/hostpoll"
	"sentinel/internal/jail"
	"sentinel/internal/platform"
	"sentinel/internal/signal"
	"sentinel/internal/sock/stack"
	"sentinel/internal/strace"
	"sentinel/internal/syscalls"
	"sentinel/internal/task"
	"sentinel/internal/tty"
	"sentinel/internal/vfs"
)

// Run runs the sandbox to its end and returns the exit code of its first
// process, or 128+n if signal n killed it.
func Run(c *Config) (int, error) {
	st := newStages(c.Start)
	st.mark("command line")
	caller := host.GetCaller()
	limitsNow := task.Limits(host.Limits())
	host.NoCore()
	if err := host.CloseInherited(); err != nil {
		return 0, fmt.Errorf("close inherited descriptors: %w", err)
	}

	f, err := newFiles(c)
	if err != nil {
		return 0, err
	}
	st.mark("root")

	action := filterAction(c.Platform, jailAction())
	var fit func() bool
	if action != jail.Off {
		fit = jail.ThreadOK
	}
	pf, err := newPlatform(c.Platform, !c.NoPatch, fit, c.Log)
	if err != nil {
		return 0, fmt.Errorf("platform %s: %w", c.Platform, err)
	}
	st.mark("platform")
	var tracer task.Tracer
	var printer *strace.Tracer
	var stats *strace.Stats
	if c.Strace != nil {
		printer = strace.New(c.Strace)
		tracer = printer
	}
	if c.Stats != nil {
		stats = strace.NewStats()
		if tracer != nil {
			tracer = strace.Both{A: tracer, B: stats}
		} else {
			tracer = stats
		}
	}
	poll := &hostpoll.Poller{}
	conf := task.Config{
		Platform: pf, VFS: f.v, Pipes: &f.pipes, Epoll: epoll.NewSystem(poll),
		Net: stack.New(network(c), f.v, poll), Table: syscalls.Table(), Log: c.Log, Tracer: tracer, Observe: printer != nil,
		Hostname: c.hostLabel(), Domain: c.Domainname, MaxPIDs: c.PIDs, MemoryLimit: c.Memory, Limits: c.limits(limitsNow),
		ProtectInit: c.bundle,
	}
	var s *streams
	conf.Stopped = func(int) {
		if s.term != nil && s.term.JobControl() {
			_ = host.StopSelf()
		}
	}
	conf.ThreadOK = fit
	k := task.New(conf)
	ttys := tty.NewSystem(k, f.nextMinor())
	k.SetTTYs(ttys)
	if err := f.mountAll(c, k, ttys); err != nil {
		return 0, err
	}
	if s, err = openStreams(c, ttys, poll); err != nil {
		return 0, fmt.Errorf("terminal: %w", err)
	}
	for _, field := range c.ignored {
		c.Log.Info("config.json asks for what a sandbox has no use for", "field", field)
	}
	st.mark("files")

	if proc, err := host.OpenDir("/proc"); err == nil {
		f.read = append(f.read, proc)
	}
	if action != jail.Off {
		err := jail.Enter(&jail.Config{
			Read: f.read, Write: f.write, HostNetwork: !c.NoNetwork, Spawn: pf.SpawnFD(), Action: action, Log: c.Log,
		})
		if err != nil {
			return 0, fmt.Errorf("jail: %w", err)
		}
	}
	// On this thread, since a guest process must be born in the domain of the
	// thread that later reaches for its memory.
	if b, ok := pf.(platform.Beginner); ok {
		b.Begin()
	}
	if action == jail.Off {
		runtime.LockOSThread()
	}
	running := false
	defer func() {
		if !running {
			pf.Release()
		}
	}()
	st.mark("jail")

	args, err := c.initArgs(f, k, s, &caller)
	if err != nil {
		return 0, err
	}
	if err := s.forwardSignals(k); err != nil {
		return 0, fmt.Errorf("signals: %w", err)
	}
	for _, sig := range ignoredSignals() {
		args.Ignored |= signal.Of(int(sig))
	}
	st.mark("process")

	// A guest that ends by itself leaves the terminal as it wants it, as any
	// program does; one that is killed cannot clean up.
	killed := true
	defer func() {
		if s.term != nil && killed {
			s.term.Restore()
		}
	}()
	if err := k.Start(*args); err != nil {
		return 0, c.startError(err)
	}
	running = true
	st.mark("program")
	if printer != nil {
		printer.Started(c.Args[0], c.Args, len(c.Env))
	}
	var timedOut atomic.Bool
	if c.Timeout > 0 {
		timer := time.AfterFunc(c.Timeout, func() {
			timedOut.Store(true)
			k.KillAll()
		})
		defer timer.Stop()
	}
	if c.Memory > 0 {
		go (&limits{k: k, c: c, quota: f.quota}).watchMemory(k.Done())
	}
	k.Run()
	runtime.UnlockOSThread()
	<-k.Done()
	st.mark("run")
	status := k.Wait()
	pf.Release()
	killed = timedOut.Load() || !status.Exited()
	st.mark("end")
	if stats != nil {
		st.print(c.Stats, stats, f, pf)
	}
	switch {
	case timedOut.Load():
		return ExitTimeout, nil
	case status.Exited():
		return status.ExitCode(), nil
	}
	return exitSignalFirst + status.Signal(), nil
}

// network returns what the sandbox has for a network.
func network(c *Config) stack.Network {
	switch {
	case c.NoNetwork:
		return stack.None
	case c.HostLoopback:
		return stack.Host
	}
	return stack.HostDirect
}

// initArgs describes the first process.
func (c *Config) initArgs(f *files, k *task.Kernel, s *streams, caller *host.Caller) (*task.InitArgs, error) {
	cr, home, err := c.credentials(f.v, caller)
	if err != nil {
		return nil, err
	}
	if home != "" && !hasEnv(c.Env, "HOME") {
		c.Env = append(c.Env, "HOME="+home)
	}
	umask := caller.Umask
	if c.bundle {
		umask = 0o022
		if c.IDs.Umask != nil {
			umask = *c.IDs.Umask
		}
	}
	ctx := &vfs.Context{}
	dir := path.Clean(c.Cwd)
	cwd, err := f.v.Lookup(ctx, vfs.Path{}, dir, 0)
	if err == linux.ENOENT && c.bundle {
		if err = f.mkdirAll(ctx, dir); err == nil {
			cwd, err = f.v.Lookup(ctx, vfs.Path{}, dir, 0)
		}
	}
	if err == nil && cwd.Dentry.Type() != linux.S_IFDIR {
		err = linux.ENOTDIR
	}
	if err != nil {
		return nil, fmt.Errorf("current directory %s: %w", dir, err)
	}
	fds := vfs.NewFDTable(f.v, func() uint64 { return k.InitLimit(linux.RLIMIT_NOFILE) })
	if err := s.install(fds); err != nil {
		return nil, err
	}
	a := &task.InitArgs{
		Path: c.Args[0], Argv: c.Args, Envv: c.Env, Cred: cr,
		FS: vfs.NewFSContext(f.v.Root(), cwd, umask), FDs: fds,
		OOMScoreAdj: c.OOMScoreAdj, Umask: umask,
	}
	if s.term != nil {
		s.term.SetOwner(cr.UID)
		f.devs.Console = s.term.TTY()
		if c.Terminal && c.ConsoleSize.Height > 0 && c.ConsoleSize.Width > 0 {
			_ = host.SetWinsize(0, linux.Winsize{Row: c.ConsoleSize.Height, Col: c.ConsoleSize.Width})
		}
		if s.term.JobControl() || c.Terminal {
			a.Setup = func(t *task.Task) error {
				s.term.TTY().Control(t)
				return nil
			}
		}
	}
	return a, nil
}

// startError gives a failure to execute its exit code.
func (c *Config) startError(err error) error {
	code := ExitFailure
	switch err {
	case linux.ENOENT:
		code = ExitNotFound
	case linux.EACCES, linux.ENOEXEC, linux.EISDIR, linux.ELIBBAD, linux.ENOTDIR, linux.ELOOP, linux.ETXTBSY, linux.EINVAL, linux.E2BIG, linux.ENAMETOOLONG:
		code = ExitCannotExec
	}
	if code == ExitFailure {
		return fmt.Errorf("%s: cannot start: %w", c.Args[0], err)
	}
	return &Error{code, fmt.Errorf("%s: %w", c.Args[0], err)}
}

// jailAction is what happens to a host call that is not on the list. The
// variable is for finding out which one it was.
func jailAction() jail.Action {
	switch os.Getenv("SENTINEL_JAIL") {
	case "trap":
		return jail.Trap
	case "log":
		return jail.Log
	case "off":
		return jail.Off
	}
	return jail.Kill
}
