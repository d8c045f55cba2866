package task

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"sentinel/internal/abi/linux"
	"sentinel/internal/cred"
	"sentinel/internal/mm"
	"sentinel/internal/platform"
	"sentinel/internal/signal"
	"sentinel/internal/tty"
	"sentinel/internal/usermem"
	"sentinel/internal/vfs"
	"sentinel/internal/waiter"
)

// Task is one guest thread.
type Task struct {
	k   *Kernel
	tg  *ThreadGroup
	tid int32

	// Owned by the task's goroutine.
	th       platform.Thread
	mem      usermem.Memory // of th
	then     func()         // to be done when the guest goes on
	park     parker
	runBy    platform.Parker // nil if the task has an OS thread of its own
	ctx      vfs.Context
	buf      *[]byte // scratch memory, nil or of buffers
	sysNr    uint64  // of the call in progress
	sysArgs  [6]uint64
	restart  linux.Errno // restart code of the call just made, or 0
	restarts func(t *Task) (uint64, error)

	mm   atomic.Pointer[mm.MM]
	fds  atomic.Pointer[vfs.FDTable]
	fs   atomic.Pointer[vfs.FSContext]
	cred atomic.Pointer[cred.Cred]

	// attention is set when the goroutine has something to do before it
	// returns to guest code: signals, stop, death.
	attention atomic.Bool

	// Guarded by Kernel.mu.
	mask       signal.Set // blocked
	savedMask  signal.Set // to restore after the call, if hasSaved
	hasSaved   bool
	sigWait    signal.Set // that sigtimedwait waits for
	signaled   bool       // woken for a signal and not yet looked (TIF_SIGPENDING)
	pending    sigQueue
	dying      bool // must end itself
	leaving    bool // is on its way through exitTask
	exited     bool
	stopped    bool // sits in a group stop
	exitCode   WaitStatus
	comm       string
	robustList uint64
	vforked    *vforkWait // whom exec or exit lets go on
	pdeathsig  int
	start      time.Time
	niceValue  int
	policy     int32
	rtPrio     int32
	sleeping   atomic.Bool // in a call that waits
	affinity   []byte

	// Owned by the goroutine; read by it alone.
	altStack altStack

	timerSlack  atomic.Uint64
	dumpable    atomic.Int32
	personality atomic.Uint32
}

type altStack struct {
	addr, size uint64
	flags      uint32
}

// ThreadGroup is a process.
type ThreadGroup struct {
	k   *Kernel
	pid int32

	// Guarded by Kernel.mu.
	leader          *Task
	tasks           []*Task
	parent          *ThreadGroup
	parentTask      *Task // that forked, for pdeathsig and __WNOTHREAD
	children        map[*ThreadGroup]struct{}
	pgrp            *processGroup
	pending         sigQueue
	actions         *sigActions
	exitSignal      int
	exiting         bool // exit_group or a fatal signal is under way
	execing         *Task
	status          WaitStatus
	zombie          bool
	reaped          bool
	stopSig         int  // of the group stop in force, 0 if none
	stopReport      bool // a wait may report it
	stopTold        bool // the parent knows
	contReport      bool
	stopCond        *sync.Cond
	subreaper       bool
	didExec         bool
	limits          Limits
	times           cpuTimes     // of tasks that are gone
	childTimes      cpuTimes     // of reaped children
	peak, childPeak peaks        // its own processes', and of reaped children
	events          waiter.Queue // pidfds: notified at exit
	childEvents     waiter.Queue // notified when a child changes state
	sigEvents       waiter.Queue // signalfds: notified when a signal arrives
	itimers         itimers
	ptimers         map[int32]*posixTimer
	nextTimer       int32
	oomScoreAdj     int32
	tty             *tty.TTY // controlling terminal
	start           time.Time
	killer          *time.Timer // of killGroupLocked
	cpuTimer        *time.Timer // of RLIMIT_CPU
}

// TID returns the thread id.
func (t *Task) TID() int32 { return t.tid }

// PID returns the process id.
func (t *Task) PID() int32 { return t.tg.pid }

// Kernel returns the kernel.
func (t *Task) Kernel() *Kernel { return t.k }

// ThreadGroup returns the process.
func (t *Task) ThreadGroup() *ThreadGroup { return t.tg }

// MM returns the memory map; nil once the task has exited.
func (t *Task) MM() *mm.MM { return t.mm.Load() }

// Mem returns the task's memory, for its own goroutine during a call.
func (t *Task) Mem() usermem.Memory {
	if t.mm.Load() == nil || t.th == nil {
		return noMemory{}
	}
	return t.mem
}

// Thread returns the platform's thread. Only the task's goroutine may use it.
func (t *Task) Thread() platform.Thread { return t.th }

// FDs returns the descriptor table.
func (t *Task) FDs() *vfs.FDTable { return t.fds.Load() }

// FS returns root, current directory and umask.
func (t *Task) FS() *vfs.FSContext { return t.fs.Load() }

// Cred returns the credentials, which must not be changed.
func (t *Task) Cred() *cred.Cred { return t.cred.Load() }

// SetCred installs new credentials.
func (t *Task) SetCred(c *cred.Cred) {
	t.cred.Store(c)
	t.ctx.Cred = c
	t.tellIDs()
}

// tellIDs gives the platform what it may answer itself; nothing if somebody
// wants to see every call.
func (t *Task) tellIDs() {
	if t.th == nil {
		return
	}
	if t.k.cfg.Observe {
		t.th.Observe()
		return
	}
	c := t.Cred()
	t.th.SetIDs(platform.IDs{PID: t.tg.pid, TID: t.tid, UID: c.UID, EUID: c.EUID, GID: c.GID, EGID: c.EGID})
}

// Ctx returns the context for VFS operations. It is valid during one call.
func (t *Task) Ctx() *vfs.Context { return &t.ctx }

// refreshCtx brings the context up to date after clone, exec and unshare.
func (t *Task) refreshCtx() {
	if t.th != nil {
		t.mem = t.th.Memory()
		t.tellIDs()
	}
	t.ctx = vfs.Context{Cred: t.Cred(), Mem: t.Mem(), FS: t.FS(), FDs: t.FDs(), Caller: t}
}

// SetFDs and SetFS replace the tables (unshare).
func (t *Task) SetFDs(f *vfs.FDTable) {
	t.fds.Store(f)
	t.refreshCtx()
}

// SetFS replaces the file-system context.
func (t *Task) SetFS(f *vfs.FSContext) {
	t.fs.Store(f)
	t.refreshCtx()
}

// Comm returns the thread's name (PR_GET_NAME).
func (t *Task) Comm() string {
	t.k.mu.Lock()
	defer t.k.mu.Unlock()
	return t.comm
}

// SetComm sets the thread's name, cut to 15 bytes.
func (t *Task) SetComm(s string) {
	t.k.mu.Lock()
	t.comm = s[:min(len(s), 15)]
	t.k.mu.Unlock()
}

// StartTime returns when the task was made.
func (t *Task) StartTime() time.Time { return t.start }

// noMemory is the memory of a task without any.
type noMemory struct{}

func (noMemory) CopyIn(uint64, []byte) (int, error)  { return 0, linux.EFAULT }
func (noMemory) CopyOut(uint64, []byte) (int, error) { return 0, linux.EFAULT }

func sortGroups(gs []*ThreadGroup) {
	slices.SortFunc(gs, func(a, b *ThreadGroup) int { return cmp.Compare(a.pid, b.pid) })
}
