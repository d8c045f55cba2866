// Package pidfd implements the descriptors of pidfd_open(2).
package pidfd

import (
	"strconv"

	"sentinel/internal/abi/linux"
	"sentinel/internal/task"
	"sentinel/internal/vfs"
	"sentinel/internal/waiter"
)

// pidfd refers to a process, also after its end. It polls readable once the
// process is a zombie.
type pidfd struct {
	vfs.NoFile
	g *task.ThreadGroup
}

// New makes a descriptor of g. flags may hold O_NONBLOCK.
func New(g *task.ThreadGroup, flags uint32) *vfs.File {
	return vfs.NewAnonFile(&pidfd{g: g}, "anon_inode:[pidfd]", linux.O_RDWR|flags&linux.O_NONBLOCK)
}

// Of returns the process that f refers to, or nil.
func Of(f *vfs.File) *task.ThreadGroup {
	if p, ok := f.Ops.(*pidfd); ok {
		return p.g
	}
	return nil
}

// Readiness implements waiter.Waitable.
func (p *pidfd) Readiness(mask waiter.Mask) waiter.Mask { return p.g.Readiness(mask) }

// EventRegister implements waiter.Waitable.
func (p *pidfd) EventRegister(e *waiter.Entry, mask waiter.Mask) { p.g.EventRegister(e, mask) }

// EventUnregister implements waiter.Waitable.
func (p *pidfd) EventUnregister(e *waiter.Entry) { p.g.EventUnregister(e) }

// FDInfo implements vfs.FDInfo.
func (p *pidfd) FDInfo(*vfs.File) string {
	pid := "-1"
	if !p.g.Reaped() {
		pid = strconv.Itoa(int(p.g.PID()))
	}
	return "Pid:\t" + pid + "\nNSpid:\t" + pid + "\n"
}
