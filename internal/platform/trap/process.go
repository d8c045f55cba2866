package trap

import (
	"bytes"
	"os"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"sentinel/internal/host"
	"sentinel/internal/platform"
	"sentinel/internal/platform/guestmem"
	"sentinel/internal/platform/stub"
)

// process is a host process of the guest.
type process struct {
	pid    int
	family *family
	ch     *channel
	kept   kept          // under ch.mu
	gone   chan struct{} // closed when it is dead
	signal atomic.Int32  // that ended it, before that
	peak   atomic.Uint64 // resident size in bytes, likewise

	mu      sync.Mutex
	threads map[int]*thread // by host tid
	killed  bool            // has been sent SIGKILL
	dead    bool            // has ended
	reaped  bool

	last *thread // to finish when it is dead; under Platform.mu
}

// channel is what descriptors reach a process by.
type channel struct {
	stub.Channel
	users atomic.Int32 // processes

	// mu is held while descriptors are passed, so that the guest knows which
	// numbers they get.
	mu sync.Mutex
}

// kept is the descriptor that a process still has of the last file it mapped:
// one of the next mappings is likely of the same file, as a dynamic linker maps
// each segment of a library by a call of its own.
type kept struct {
	file platform.FileID // zero if it may be any
	open bool            // there may be one
}

// family is a process that was spawned and all that forked from it. They are a
// process group of the host's, which none of them can leave; so also what a
// hostile guest has cloned behind the supervisor's back can be found. A session
// would do as well, but the host's scheduler gives each one a share of its own
// (sched_autogroup): to yield would then only be to yield to oneself.
type family struct {
	pgid   int
	launch *stub.Launch // of the process that was spawned; its leash is all theirs
	n      int          // of processes that the supervisor knows, under Platform.mu
	// swept: the last known one was killed with all others, under Platform.mu.
	swept bool
	bell  *bell // set before anything of the guest's runs
}

func newProcess(ch *channel, f *family) *process {
	ch.users.Add(1)
	return &process{threads: map[int]*thread{}, ch: ch, family: f, gone: make(chan struct{})}
}

// spawnFit is spawn on an OS thread that may run guests: where each has a Landlock
// domain of its own, the guest's is that of the thread which makes it.
func (p *Platform) spawnFit(r *region) (*process, error) {
	if p.Fit == nil {
		return p.spawn(r)
	}
	// Not to be moved to another thread in between.
	runtime.LockOSThread()
	if p.Fit() {
		defer runtime.UnlockOSThread()
		return p.spawn(r)
	}
	runtime.UnlockOSThread()
	var pr *process
	var err error
	done := make(chan struct{})
	host.OnThread(p.Fit, func() {
		pr, err = p.spawn(r)
		close(done)
	})
	<-done
	return pr, err
}

// spawn starts a process from the stub's file, which maps r.
func (p *Platform) spawn(r *region) (*process, error) {
	ch, err := stub.NewChannel()
	if err != nil {
		return nil, err
	}
	launch, err := p.image.Launch(ch.Guest(), r.fd)
	if err != nil {
		ch.Close()
		return nil, err
	}
	pr := newProcess(&channel{Channel: ch}, &family{pgid: launch.PID, launch: launch})
	pr.pid = launch.PID
	return pr, nil
}

// kill ends the process.
func (pr *process) kill() {
	pr.mu.Lock()
	defer pr.mu.Unlock()
	if !pr.dead && !pr.killed && pr.pid > 0 {
		pr.killed = true
		guestmem.Kill(pr.pid, false)
	}
}

// maxPID is PID_MAX_LIMIT.
const maxPID = 1 << 22

// addThread takes in a new thread of the process, if the id that the guest gave
// for it is one.
func (pr *process) addThread(c *thread) bool {
	pr.mu.Lock()
	defer pr.mu.Unlock()
	if pr.dead || c.tid <= 1 || c.tid >= maxPID || c.tid == pr.pid || pr.threads[c.tid] != nil || guestmem.Tgkill(pr.pid, c.tid, 0) != nil {
		return false
	}
	pr.threads[c.tid] = c
	c.as.AddThread(c.tid, pr.pid)
	c.enterBell()
	return true
}

// adopt takes in the process of a new thread, if the id that the guest gave is
// that of a child of the supervisor's, of this family and not known yet.
func (p *Platform) adopt(c *thread) bool {
	if c.tid <= 1 || c.tid >= maxPID {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.procs[c.tid] != nil || c.tid == p.zombie || !isChild(c.tid) {
		return false
	}
	if pgid, err := unix.Getpgid(c.tid); err != nil || pgid != c.proc.family.pgid {
		return false
	}
	c.proc.pid = c.tid
	c.as.AddMember(c.tid)
	p.registerLocked(c)
	c.enterBell()
	return true
}

// registerLocked takes in a new process, of which c is the first thread, and has
// its end noticed.
func (p *Platform) registerLocked(c *thread) {
	p.noteLocked(c)
	p.watchLocked(c.proc)
}

func (p *Platform) noteLocked(c *thread) {
	pr := c.proc
	pr.threads[c.tid] = c
	pr.family.n++
	p.procs[pr.pid] = pr
}

// watchLocked has the end of a process noticed.
func (p *Platform) watchLocked(pr *process) {
	if !p.reaping {
		p.reaping = true
		p.ends.Add(1)
		host.Go(p.reap)
	}
	if p.procs[pr.pid] == pr && !isChild(pr.pid) {
		if f := p.endLocked(pr); f != nil { // it was quick, and has been reaped already
			p.endFamily(f)
		}
	}
}

// isChild reports whether pid is a child that has not been reaped.
func isChild(pid int) bool {
	return unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT|unix.WNOHANG|unix.WALL, nil) == nil
}

// endLocked notes that a process has ended. Its id is not used from here on. What
// it returns has ended with it, if anything.
func (p *Platform) endLocked(pr *process) *family {
	delete(p.procs, pr.pid)
	pr.ended()
	if pr.last != nil {
		p.finished = append(p.finished, pr.last)
	}
	if pr.family.n--; pr.family.n > 0 {
		return nil
	}
	return pr.family
}

// endFamily ends what is left of a family. Its group has its id as long as anybody
// is in it, if only a zombie.
func (p *Platform) endFamily(f *family) {
	p.endBell(f.bell)
	if !f.swept {
		guestmem.Kill(f.pgid, true)
	}
	f.launch.Release()
}

// reap waits for processes that end, as long as there are any. A process is
// noted as dead before its id can be used again. The calls that take time are made
// without the lock: who makes the next process wants it now, since what has ended
// is often one that executed a program.
func (p *Platform) reap() {
	var use unix.Rusage
	for {
		pid, sig, err := waitAny(&use)
		p.mu.Lock()
		if err != nil {
			for _, pr := range p.procs {
				if !isChild(pr.pid) {
					if f := p.endLocked(pr); f != nil {
						p.endFamily(f)
					}
				}
			}
			done := len(p.procs) == 0
			p.reaping = !done
			p.finishUnlock()
			if done {
				p.ends.Done()
				return
			}
			continue
		}
		pr := p.procs[pid]
		var f *family
		if pr != nil {
			pr.signal.Store(int32(sig))
			pr.peak.Store(uint64(use.Maxrss) << 10)
			f = p.endLocked(pr)
		}
		p.zombie = pid
		p.mu.Unlock()
		if f != nil {
			p.endFamily(f)
		}
		unix.Wait4(pid, nil, unix.WALL|unix.WNOHANG, nil)
		if pr != nil {
			pr.mu.Lock()
			pr.reaped = true
			pr.mu.Unlock()
		}
		p.mu.Lock()
		p.zombie = 0
		p.finishUnlock()
	}
}

// finishUnlock unlocks p.mu and lets go of what the processes used whose end
// nobody waits for.
func (p *Platform) finishUnlock() {
	done := p.finished
	p.finished = nil
	p.ending -= len(done)
	p.mu.Unlock()
	for _, t := range done {
		t.finish()
		p.ends.Done()
	}
}

// ended marks the process dead and wakes everybody who waits for its threads.
func (pr *process) ended() {
	pr.mu.Lock()
	defer pr.mu.Unlock()
	if pr.dead {
		return
	}
	pr.dead = true
	close(pr.gone)
	for _, t := range pr.threads {
		t.as.Gone(t.tid)
		t.wakeDead()
	}
}

// Exit implements platform.Thread.
func (t *thread) Exit() {
	pr := t.proc
	pr.mu.Lock()
	last := len(pr.threads) == 1
	dead := pr.dead
	pr.mu.Unlock()
	if !dead && !t.dead.Load() && !t.fresh {
		if last {
			t.Kill()
		} else {
			t.as.Gone(t.tid) // before its memory is
			t.give(opExit)
		}
	}
	t.leave()
}

// maxEnding bounds the processes that have been killed and are not waited for, so
// that a guest cannot start them faster than the host ends them.
const maxEnding = 8

// leave takes the thread out of its process and lets go of what only it used.
// A thread that was told to exit may touch its control block a moment longer:
// its slot is given out again only when the host says that it is gone. The end
// of a whole process is not waited for: the host needs a while for it.
func (t *thread) leave() {
	p, pr := t.p, t.proc
	pr.mu.Lock()
	delete(pr.threads, t.tid)
	empty := len(pr.threads) == 0
	pr.mu.Unlock()
	t.leaveBell()
	p.local.Add(t.c.CallsLocal)
	if empty {
		pr.kill()
		p.mu.Lock()
		if f := pr.family; f.n == 1 && !pr.isDead() {
			// It has forked all that it ever will, and who gets SIGKILL with
			// it does not fork any more. This thread may send it; the one
			// that finds the process dead might have to look for one that may.
			guestmem.Kill(f.pgid, true)
			f.swept = true
		}
		if !pr.isDead() && p.ending < maxEnding {
			t.as.Gone(t.tid)
			p.ending++
			p.ends.Add(1)
			pr.last = t
			p.mu.Unlock()
			return
		}
		p.mu.Unlock()
		<-pr.gone
		t.finish()
		return
	}
	pr.waitGone(t.tid)
	if t.as.Leave(t.tid, t.n) {
		t.as.r.release()
	}
}

// finish lets go of what a process used that has ended, of which t was the last
// thread.
func (t *thread) finish() {
	t.finishing.Do(func() {
		if ch := t.proc.ch; ch.users.Add(-1) == 0 {
			ch.Close()
		}
		if t.as.Leave(t.tid, t.n) {
			t.as.r.release()
		}
	})
}

// finishEarly lets go of what the processes use that are being ended, while the
// host takes them down. They can do no harm to what is not given out again.
func (p *Platform) finishEarly() {
	p.mu.Lock()
	var ts []*thread
	for _, pr := range p.procs {
		if pr.last != nil {
			ts = append(ts, pr.last)
		}
	}
	p.mu.Unlock()
	for _, t := range ts {
		t.finish()
	}
}

// exitTime is how long a thread that was told to exit may take.
const exitTime = 5 * time.Second

// waitGone waits until a thread that has been told to end has done so. One that
// does not is hostile, and its process ends.
func (pr *process) waitGone(tid int) {
	begin := time.Now()
	for !pr.isDead() && !pr.threadGone(tid) {
		if time.Since(begin) > exitTime {
			pr.kill()
			<-pr.gone
			return
		}
		unix.Nanosleep(&unix.Timespec{Nsec: 20_000}, nil)
	}
}

// threadGone reports whether a thread has ended. A first thread that has stays a
// zombie as long as there are others.
func (pr *process) threadGone(tid int) bool {
	if tid != pr.pid {
		return guestmem.Tgkill(pr.pid, tid, 0) != nil
	}
	b, err := os.ReadFile("/proc/" + strconv.Itoa(tid) + "/stat")
	if err != nil {
		return true
	}
	_, state, _ := bytes.Cut(b[bytes.LastIndexByte(b, ')')+1:], []byte(" "))
	return bytes.HasPrefix(state, []byte("Z"))
}

// PeakRSS implements platform.Thread.
func (t *thread) PeakRSS(wait bool) (uint64, bool) {
	if wait {
		<-t.proc.gone
	}
	return t.proc.peak.Load(), t.proc.isDead()
}

func (pr *process) isDead() bool {
	pr.mu.Lock()
	defer pr.mu.Unlock()
	return pr.dead
}

// Abandon implements platform.Thread.
func (t *thread) Abandon() {
	if t.Attach() != nil {
		t.leave()
		return
	}
	t.Exit()
}
