package task

import "sentinel/internal/abi/linux"

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
	g.limits[res] = l
	g.k.mu.Unlock()
}

// Limit returns a limit of a process.
func (g *ThreadGroup) Limit(res int) linux.Rlimit64 {
	g.k.mu.Lock()
	defer g.k.mu.Unlock()
	return g.limits[res]
}
