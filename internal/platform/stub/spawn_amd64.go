package stub

import (
	"os"
	"syscall"
)

//go:noescape
func rawSpawn(a *spawnArgs) int

// spawnArgs is read by spawn_amd64.s.
type spawnArgs struct {
	execFD, sock int64 // 0, 8
	empty        *byte // ""
	argv         *[2]*byte
	allSignals   uint64
	_            uint64
	mem          int64 // 48
	tracer       int64 // 56: the parent's id, if it is to trace the child
	leash        int64 // 64
	flags        int64 // 72: of clone
}

const (
	cloneVM    = 0x100
	cloneVFork = 0x4000
)

// Launch is a process that is being started. It reads what it needs of this
// until it has executed the image, so that somebody has to keep it.
type Launch struct {
	PID   int
	args  spawnArgs
	argv  [2]*byte
	empty byte
}

// start makes a child that executes the image. It goes around package syscall's
// fork, which costs more than twice as much. The child shares memory until it
// executes, only reads what l has, and makes system calls from assembly. With
// wait this thread sleeps until then.
func (l *Launch) start(execFD, sock, mem, leash int, traced, wait bool) {
	l.argv[0] = &l.empty
	l.args = spawnArgs{
		execFD: int64(execFD), sock: int64(sock), empty: &l.empty,
		argv: &l.argv, allSignals: ^uint64(0), mem: int64(mem), leash: int64(leash),
		flags: cloneVM | int64(syscall.SIGCHLD),
	}
	if wait {
		l.args.flags |= cloneVFork
	}
	if traced {
		l.args.tracer = int64(os.Getpid())
	}
	l.PID = rawSpawn(&l.args)
}
