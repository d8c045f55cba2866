package task

import (
	"time"

	"sentinel/internal/abi/linux"
	"sentinel/internal/host"
	"sentinel/internal/signal"
)

// NumLimits is RLIM_NLIMITS.
const NumLimits = 16

// Limits are the resource limits of a process by linux.RLIMIT_*.
type Limits [NumLimits]linux.Rlimit64

// DefaultLimits returns those that the kernel gives to init
// (include/asm-generic/resource.h), with a descriptor limit as systems set it.
func DefaultLimits() Limits {
	inf := linux.Rlimit64{Cur: linux.RLIM64_INFINITY, Max: linux.RLIM64_INFINITY}
	var l Limits
	for i := range l {
		l[i] = inf
	}
	l[linux.RLIMIT_STACK].Cur = 8 << 20
	l[linux.RLIMIT_CORE].Cur = 0
	l[linux.RLIMIT_NOFILE] = linux.Rlimit64{Cur: 1024, Max: 1 << 20}
	l[linux.RLIMIT_NPROC] = linux.Rlimit64{Cur: PIDMax, Max: PIDMax}
	l[linux.RLIMIT_MEMLOCK] = linux.Rlimit64{Cur: 8 << 20, Max: 8 << 20}
	l[linux.RLIMIT_SIGPENDING] = linux.Rlimit64{Cur: 31000, Max: 31000}
	l[linux.RLIMIT_MSGQUEUE] = linux.Rlimit64{Cur: 819200, Max: 819200}
	l[linux.RLIMIT_NICE] = linux.Rlimit64{}
	l[linux.RLIMIT_RTPRIO] = linux.Rlimit64{}
	return l
}

// Limit returns a limit of the task's process.
func (t *Task) Limit(res int) linux.Rlimit64 {
	t.k.mu.Lock()
	defer t.k.mu.Unlock()
	return t.tg.limits[res]
}

// FileSizeLimit implements vfs.Caller.
func (t *Task) FileSizeLimit() uint64 { return t.Limit(linux.RLIMIT_FSIZE).Cur }

// SetLimit replaces a limit of a process.
func (g *ThreadGroup) SetLimit(res int, l linux.Rlimit64) {
	g.k.mu.Lock()
	defer g.k.mu.Unlock()
	g.limits[res] = l
	switch res {
	case linux.RLIMIT_CPU:
		g.armCPULimit()
	case linux.RLIMIT_AS:
		g.limitMemory()
	}
}

// armCPULimit starts the watch over RLIMIT_CPU, if there is a limit. k.mu is
// held.
func (g *ThreadGroup) armCPULimit() {
	if g.cpuTimer != nil {
		g.cpuTimer.Stop()
		g.cpuTimer = nil
	}
	l := g.limits[linux.RLIMIT_CPU]
	if next := min(l.Cur, l.Max); next != linux.RLIM64_INFINITY && !g.zombie {
		g.watchCPU(seconds(next) - g.cpuNow(linux.ITIMER_PROF))
	}
}

// seconds is a limit as a duration, at most about a century.
func seconds(n uint64) time.Duration { return time.Duration(min(n, 1<<32)) * time.Second }

func (g *ThreadGroup) watchCPU(left time.Duration) {
	var tm *time.Timer
	tm = time.AfterFunc(g.soonest(left), func() {
		g.k.mu.Lock()
		defer g.k.mu.Unlock()
		if g.cpuTimer == tm {
			g.checkCPULimit()
		}
	})
	g.cpuTimer = tm
}

// checkCPULimit is check_process_timers of kernel/time/posix-cpu-timers.c for
// the limit: a signal at the soft limit and each second after it, death at the
// hard one.
func (g *ThreadGroup) checkCPULimit() {
	g.cpuTimer = nil
	if g.zombie || g.exiting {
		return
	}
	l := &g.limits[linux.RLIMIT_CPU]
	used := g.cpuNow(linux.ITIMER_PROF)
	if l.Max != linux.RLIM64_INFINITY && used >= seconds(l.Max) {
		g.k.sendLocked(g, nil, kernelInfo(signal.SIGKILL))
		return
	}
	if l.Cur != linux.RLIM64_INFINITY && used >= seconds(l.Cur) {
		l.Cur++
		g.k.sendLocked(g, nil, kernelInfo(signal.SIGXCPU))
	}
	if next := min(l.Cur, l.Max); next != linux.RLIM64_INFINITY && !g.exiting {
		g.watchCPU(seconds(next) - used)
	}
}

// soonest returns when CPU time left can be used up at the earliest. k.mu is
// held.
func (g *ThreadGroup) soonest(left time.Duration) time.Duration {
	n := max(1, min(len(g.tasks), host.NumCPU()))
	return max(left/time.Duration(n), time.Millisecond)
}

// limitMemory has the host enforce RLIMIT_AS on the process: it knows the size
// of the address space, and sees the calls that do not come here. The
// platform's pages and the stack, which is mapped as large as it may become,
// are not counted. k.mu is held.
func (g *ThreadGroup) limitMemory() {
	limit := g.limits[linux.RLIMIT_AS].Cur
	for _, t := range g.tasks {
		m := t.mm.Load()
		if m == nil || t.th == nil {
			continue
		}
		if limit < linux.RLIM64_INFINITY>>1 {
			limit += m.Extra()
		}
		if err := host.LimitAddressSpace(t.th.HostTID(), limit); err != nil {
			g.k.cfg.Log.Warn("cannot set a limit on memory", "pid", g.pid, "error", err)
		}
		return
	}
}

// Limit returns a limit of a process.
func (g *ThreadGroup) Limit(res int) linux.Rlimit64 {
	g.k.mu.Lock()
	defer g.k.mu.Unlock()
	return g.limits[res]
}
