package trap

import (
	"sync/atomic"

	"golang.org/x/sys/unix"

	"sentinel/internal/platform/guestmem"
	"sentinel/internal/platform/stub"
)

func newChannel() (stub.Channel, error) { return stub.NewChannel() }

func newProcess(ch stub.Channel) *process {
	n := new(atomic.Int32)
	n.Store(1)
	return &process{threads: map[int]*thread{}, ch: ch, chN: n}
}

// kill ends the process, and with it every process that a hostile guest may
// have made in its group behind the supervisor's back.
func (pr *process) kill() {
	pr.mu.Lock()
	defer pr.mu.Unlock()
	if !pr.dead && pr.pid > 0 {
		guestmem.Kill(pr.pid, false)
	}
}

// isOurs reports whether the id that a guest process gave for its new child is
// that of a thread of it, or of a process that is a child of the supervisor's
// and not known yet.
func (p *Platform) isOurs(c *thread, sameProcess bool) bool {
	if c.tid <= 1 || c.tid >= 1<<22 {
		return false
	}
	if sameProcess {
		return c.tid != c.proc.pid && unix.Tgkill(c.proc.pid, c.tid, 0) == nil
	}
	p.mu.Lock()
	known := p.procs[c.tid] != nil
	p.mu.Unlock()
	return !known && unix.Waitid(unix.P_PID, c.tid, nil, unix.WEXITED|unix.WNOWAIT|unix.WNOHANG|unix.WALL, nil) == nil
}

// watch has the end of a process noticed.
func (p *Platform) watch(pr *process) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.procs[pr.pid] = pr
	if !p.reaping {
		p.reaping = true
		go p.reap()
	}
}

// reap waits for processes that end, as long as there are any. A process is
// noted as dead before its id can be used again.
func (p *Platform) reap() {
	for {
		pid, err := waitAny()
		if err != nil {
			// No children: those that were are noted already.
			p.mu.Lock()
			if len(p.procs) == 0 {
				p.reaping = false
				p.mu.Unlock()
				return
			}
			p.mu.Unlock()
			if err == unix.ECHILD {
				p.mu.Lock()
				for id, pr := range p.procs {
					delete(p.procs, id)
					pr.ended()
				}
				p.reaping = false
				p.mu.Unlock()
				return
			}
			continue
		}
		p.mu.Lock()
		pr := p.procs[pid]
		delete(p.procs, pid)
		p.mu.Unlock()
		if pr != nil {
			pr.ended()
			if pr.spawned {
				// Its group has its id as long as anybody is in it.
				guestmem.Kill(pid, true)
			}
		}
		unix.Wait4(pid, nil, unix.WALL|unix.WNOHANG, nil)
		if pr != nil {
			pr.mu.Lock()
			pr.reaped = true
			pr.mu.Unlock()
		}
	}
}

// ended marks the process dead and wakes everybody who waits for its threads.
func (pr *process) ended() {
	pr.mu.Lock()
	defer pr.mu.Unlock()
	pr.dead = true
	for _, t := range pr.threads {
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
			t.give(opExit)
		}
	}
	t.leave()
}

// leave takes the thread out of its process and lets go of what only it used.
// A thread that was told to exit may touch its control block a moment longer:
// its slot is given out again only when the host says that it is gone.
func (t *thread) leave() {
	pr := t.proc
	pr.mu.Lock()
	delete(pr.threads, t.tid)
	empty := len(pr.threads) == 0
	pr.mu.Unlock()
	if !empty {
		waitGone(pr.pid, t.tid)
	} else {
		pr.kill()
		waitGone(pr.pid, t.tid)
		if pr.chN.Add(-1) == 0 {
			pr.ch.Close()
		}
	}
	if t.as.Leave(t.tid, t.n) {
		t.as.r.release()
	}
}

// waitGone waits until a thread that has been told to end has done so.
func waitGone(pid, tid int) {
	for unix.Tgkill(pid, tid, 0) == nil {
		unix.Nanosleep(&unix.Timespec{Nsec: 20_000}, nil)
	}
}

// Abandon implements platform.Thread.
func (t *thread) Abandon() {
	if t.Attach() != nil {
		t.leave()
		return
	}
	t.Exit()
}
