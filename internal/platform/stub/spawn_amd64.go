package stub

import "os"

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
}

// spawn makes a vfork child that executes the image. It goes around package
// syscall's fork, which costs more than twice as much.
func spawn(execFD, sock, mem, leash int, traced bool) int {
	// The child shares memory until it executes, during which time this
	// thread sleeps; the arrays live on this frame and are only read. The
	// child makes system calls from assembly and touches nothing else.
	var empty byte
	argv := [2]*byte{&empty}
	a := spawnArgs{
		execFD: int64(execFD), sock: int64(sock), empty: &empty,
		argv: &argv, allSignals: ^uint64(0), mem: int64(mem), leash: int64(leash),
	}
	if traced {
		a.tracer = int64(os.Getpid())
	}
	return rawSpawn(&a)
}
