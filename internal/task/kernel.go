// Package task is the kernel's core: tasks, thread groups, process groups and
// sessions, signals, the run loop, fork, exec, exit and wait.
//
// Each guest thread is served by one function: resume, get an event, handle it,
// resume. It runs on a goroutine locked to an OS thread, or as the platform's Runner
// has it.
//
// Lock order:
//
//	Kernel.mu > waiter.Queue.mu > parker.mu
//	Kernel.extMu
//	vfs.FDTable.mu, vfs.File.posMu, epoll.Instance.mtx > Kernel.mu
//
// Kernel.mu guards the tree of tasks, signals and sessions. Many ask for a limit
// or send a signal with locks of their own, so hardly anything comes after it.
package task

import (
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"sentinel/internal/abi/linux"
	"sentinel/internal/epoll"
	"sentinel/internal/host"
	"sentinel/internal/mm"
	"sentinel/internal/pipe"
	"sentinel/internal/platform"
	"sentinel/internal/signal"
	"sentinel/internal/sock"
	"sentinel/internal/tty"
	"sentinel/internal/vfs"
)

// Handler handles one system call.
type Handler func(t *Task, a *[6]uint64) (uint64, error)

// Syscall is one row of the system-call table.
type Syscall struct {
	Name string
	Fn   Handler
}

// Tracer watches what tasks do (--strace, --stats). Its methods are called on
// the task's goroutine.
type Tracer interface {
	SyscallEnter(t *Task, nr uint64, args *[6]uint64)
	SyscallExit(t *Task, nr uint64, args *[6]uint64, ret uint64, err error, d time.Duration)
	Signal(t *Task, info *signal.Info)
	Exit(t *Task, status WaitStatus)
}

// Config is what a Kernel is made of.
type Config struct {
	Platform platform.Platform
	VFS      *vfs.VFS
	Pipes    *pipe.Pipes
	Epoll    *epoll.System
	Net      sock.Stack
	Table    []Syscall // by number
	Log      *slog.Logger
	Tracer   Tracer // or nil
	// Observe has the Tracer see every call, those too that a platform could answer.
	Observe  bool
	Hostname string
	Domain   string
	MaxPIDs  int // 0: no limit but the pid space
	// MemoryLimit in bytes, for meminfo and the guest's view; 0: none.
	MemoryLimit uint64
	// Limits of the first process, by linux.RLIMIT_*.
	Limits Limits
	// Stopped is called when the foreground job of the caller's terminal
	// stopped by sig (1-31), so that the supervisor can stop itself too.
	Stopped func(sig int)
	// ProtectInit spares pid 1 signals without a handler from inside, as a
	// PID name space does.
	ProtectInit bool
	// ThreadOK, if not nil, reports whether the calling OS thread may run
	// guests (jail.ThreadOK); a task that finds itself on another moves.
	ThreadOK func() bool
}

// Kernel is one sandbox's kernel.
type Kernel struct {
	cfg  Config
	boot time.Time

	mu       sync.Mutex
	tasks    map[int32]*Task        // by tid
	reserved map[int32]struct{}     // ids of tasks that are being made
	groups   map[int32]*ThreadGroup // by pid
	pgroups  map[int32]*processGroup
	sessions map[int32]*session
	lastPID  int32
	init     *ThreadGroup

	uts     utsName
	names   *mm.Names
	buffers buffers
	ttys    *tty.System
	extMu   sync.Mutex
	ext     map[any]any // namespaces of other packages (IPC), by key
	atExit  []func(*ThreadGroup)

	threads    host.Threads // which may run guests
	goroutines sync.WaitGroup
	refused    sync.Map // of program name + call
	forks      atomic.Uint64
	execs      atomic.Uint64 // but for the first program's
	blocks     atomic.Uint64 // times that a task had to wait
	places     atomic.Int32  // that were asked for
	done       chan struct{} // closed when init is gone
	status     WaitStatus
	killed     atomic.Bool
}

type utsName struct{ host, domain string }

// New returns a kernel without tasks.
func New(cfg Config) *Kernel {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Kernel{
		cfg: cfg, boot: time.Now(),
		tasks: map[int32]*Task{}, reserved: map[int32]struct{}{}, groups: map[int32]*ThreadGroup{},
		pgroups: map[int32]*processGroup{}, sessions: map[int32]*session{},
		uts: utsName{cfg.Hostname, cfg.Domain}, done: make(chan struct{}),
		names: mm.NewNames(), threads: host.Threads{OK: cfg.ThreadOK},
	}
}

// VFS returns the mount tree.
func (k *Kernel) VFS() *vfs.VFS { return k.cfg.VFS }

// Pipes returns the pipes.
func (k *Kernel) Pipes() *pipe.Pipes { return k.cfg.Pipes }

// Epoll returns what epoll instances share.
func (k *Kernel) Epoll() *epoll.System { return k.cfg.Epoll }

// Net returns the network stack.
func (k *Kernel) Net() sock.Stack { return k.cfg.Net }

// Log returns the log of the sandbox.
func (k *Kernel) Log() *slog.Logger { return k.cfg.Log }

// Platform returns the platform.
func (k *Kernel) Platform() platform.Platform { return k.cfg.Platform }

// BootTime is when the kernel was made.
func (k *Kernel) BootTime() time.Time { return k.boot }

// MemoryLimit returns the sandbox's memory limit in bytes, 0 for none.
func (k *Kernel) MemoryLimit() uint64 { return k.cfg.MemoryLimit }

// SetTTYs gives the kernel its terminals, before Start.
func (k *Kernel) SetTTYs(s *tty.System) { k.ttys = s }

// TTYs returns the terminals.
func (k *Kernel) TTYs() *tty.System { return k.ttys }

// Vhangup implements vhangup(2).
func (k *Kernel) Vhangup(t *Task) error {
	if k.ttys != nil {
		k.ttys.Vhangup(t)
	}
	return nil
}

// Forks returns how many tasks were ever made.
func (k *Kernel) Forks() uint64 { return k.forks.Load() }

// Ext returns the sandbox-wide object of key, made by create on first use:
// the place for name spaces of packages that this one does not know, such as
// System V IPC.
func (k *Kernel) Ext(key any, create func() any) any {
	k.extMu.Lock()
	defer k.extMu.Unlock()
	v, ok := k.ext[key]
	if !ok {
		v = create()
		if k.ext == nil {
			k.ext = map[any]any{}
		}
		k.ext[key] = v
	}
	return v
}

// OnGroupExit adds a function that is called as each process ends, without
// locks (SEM_UNDO).
func (k *Kernel) OnGroupExit(fn func(*ThreadGroup)) {
	k.extMu.Lock()
	k.atExit = append(k.atExit, fn)
	k.extMu.Unlock()
}

func (k *Kernel) runExitHooks(g *ThreadGroup) {
	k.extMu.Lock()
	hooks := k.atExit
	k.extMu.Unlock()
	for _, fn := range hooks {
		fn(g)
	}
}

// Hostname returns the node and domain name.
func (k *Kernel) Hostname() (host, domain string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.uts.host, k.uts.domain
}

// SetHostname changes the node name; SetDomain the domain name.
func (k *Kernel) SetHostname(s string) {
	k.mu.Lock()
	k.uts.host = s
	k.mu.Unlock()
}

// SetDomain changes the domain name.
func (k *Kernel) SetDomain(s string) {
	k.mu.Lock()
	k.uts.domain = s
	k.mu.Unlock()
}

// LogRefused notes once per program that a call was refused.
func (k *Kernel) LogRefused(t *Task, name string) {
	prog := t.Comm()
	if _, seen := k.refused.LoadOrStore(prog+"\x00"+name, true); !seen {
		k.cfg.Log.Warn("system call refused", "call", name, "program", prog, "pid", t.PID())
	}
}

// LogUnsupported notes once per program that a call is not supported.
func (k *Kernel) LogUnsupported(t *Task, nr uint64) {
	prog := t.Comm()
	key := prog + "\x00#" + uitoa(nr)
	if _, seen := k.refused.LoadOrStore(key, true); !seen {
		k.cfg.Log.Warn("unknown system call", "number", nr, "program", prog, "pid", t.PID())
	}
}

func uitoa(n uint64) string {
	if n < 10 {
		return string(rune('0' + n))
	}
	return uitoa(n/10) + string(rune('0'+n%10))
}

// Task finds a task by thread id.
func (k *Kernel) Task(tid int32) *Task {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.tasks[tid]
}

// ThreadGroup finds a thread group, zombies included, by process id.
func (k *Kernel) ThreadGroup(pid int32) *ThreadGroup {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.groups[pid]
}

// ThreadGroups returns all thread groups in order of pid.
func (k *Kernel) ThreadGroups() []*ThreadGroup {
	k.mu.Lock()
	defer k.mu.Unlock()
	out := make([]*ThreadGroup, 0, len(k.groups))
	for _, g := range k.groups {
		out = append(out, g)
	}
	sortGroups(out)
	return out
}

// maxTasks bounds threads of the guest, each of which may have one of the
// supervisor's: the Go runtime gives up at 10000.
const maxTasks = 8000

// allocPID reserves a free id. k.mu is held.
func (k *Kernel) allocPID() (int32, error) {
	limit := k.cfg.MaxPIDs
	if limit <= 0 || limit > maxTasks {
		limit = maxTasks
	}
	if len(k.tasks)+len(k.reserved) >= limit {
		return 0, linux.EAGAIN
	}
	for range PIDMax {
		k.lastPID++
		if k.lastPID >= PIDMax {
			k.lastPID = 300 // RESERVED_PIDS, as alloc_pid in kernel/pid.c
		}
		p := k.lastPID
		if _, taken := k.reserved[p]; !taken && k.tasks[p] == nil && k.groups[p] == nil && k.pgroups[p] == nil && k.sessions[p] == nil {
			k.reserved[p] = struct{}{}
			return p, nil
		}
	}
	return 0, linux.EAGAIN
}

// PIDMax is one more than the largest process id (pid_max).
const PIDMax = 32768
