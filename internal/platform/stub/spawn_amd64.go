package stub

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
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

// Launch is a process that was started. It reads what it needs of this until it
// has executed the image, so that somebody has to keep it.
type Launch struct {
	PID   int
	args  spawnArgs
	argv  [2]*byte
	empty byte
	// leash is the writing end of a pipe. When it closes, because this process
	// has died, the host sends SIGKILL to the child's process group, which
	// holds the other end and can neither close nor change it. A death signal
	// does not do: it comes from the thread that is the parent, and a child
	// whose parent thread dies first gets another, from whose signals Landlock
	// may shield it.
	leash int
}

// Release closes the leash: everybody in the process's group has ended, or is
// to end now.
func (l *Launch) Release() { unix.Close(l.leash) }

// exec makes a child that executes the image. It goes around package syscall's
// fork, which costs more than twice as much. The child shares memory until it
// executes, only reads what l has, and makes system calls from assembly. With
// traced this thread is its tracer, and sleeps until then.
func (l *Launch) exec(execFD, sock, mem, leash int, traced bool) {
	l.argv[0] = &l.empty
	l.args = spawnArgs{
		execFD: int64(execFD), sock: int64(sock), empty: &l.empty,
		argv: &l.argv, allSignals: ^uint64(0), mem: int64(mem), leash: int64(leash),
		flags: cloneVM | int64(syscall.SIGCHLD),
	}
	if traced {
		l.args.flags |= cloneVFork
		l.args.tracer = int64(os.Getpid())
	}
	l.PID = rawSpawn(&l.args)
}
