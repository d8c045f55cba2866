package pipe

import (
	"sentinel/internal/abi/linux"
	"sentinel/internal/usermem"
	"sentinel/internal/vfs"
	"sentinel/internal/waiter"
)

// End is one open file description of a pipe or FIFO.
type End struct {
	p           *Pipe
	read, write bool
	// hupFrom: as long as no writer has come since, a FIFO that was opened
	// without one does not report a hang-up (f_version in fifo_open).
	hupFrom uint32
	quiet   bool
	// released, if set, runs after Release.
	released func()
}

// Of returns the pipe behind f, or nil.
func Of(f *vfs.File) *Pipe {
	if e, ok := f.Ops.(*End); ok {
		return e.p
	}
	return nil
}

// Open opens a FIFO as fifo_open in fs/pipe.c does, waiting for a partner
// unless flags say otherwise.
func (p *Pipe) Open(c *vfs.Context, flags uint32) (vfs.FileOps, error) {
	nonblock := flags&linux.O_NONBLOCK != 0
	switch flags & linux.O_ACCMODE {
	case linux.O_RDONLY:
		e, alone, seen := p.attach(true, false)
		p.q.Notify(waiter.All)
		if !alone {
			return e, nil
		}
		if nonblock {
			e.quiet, e.hupFrom = true, seen
			return e, nil
		}
		return e.await(c, func() bool { return p.wcount != seen })
	case linux.O_WRONLY:
		p.mu.Lock()
		if nonblock && p.readers == 0 && p.node == nil {
			p.mu.Unlock()
			return nil, linux.ENXIO
		}
		p.mu.Unlock()
		e, alone, seen := p.attach(false, true)
		p.q.Notify(waiter.All)
		if !alone || nonblock {
			return e, nil
		}
		return e.await(c, func() bool { return p.rcount != seen })
	case linux.O_RDWR:
		e, _, _ := p.attach(true, true)
		p.q.Notify(waiter.All)
		return e, nil
	}
	return nil, linux.EINVAL
}

// await waits until met, which is called with p.mu held; e is given up if a
// signal comes first.
func (e *End) await(c *vfs.Context, met func() bool) (vfs.FileOps, error) {
	p := e.p
	err := c.Caller.Block(e, waiter.All, func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		return met()
	})
	if err != nil {
		p.detach(e.read, e.write)
		return nil, err
	}
	return e, nil
}

// Read implements vfs.FileOps.
func (e *End) Read(_ *vfs.Context, _ *vfs.File, dst []byte, _ int64) (int, error) {
	return e.p.Read(dst)
}

// Write implements vfs.FileOps.
func (e *End) Write(c *vfs.Context, f *vfs.File, src []byte, _ int64) (int, error) {
	n, err := e.p.Write(src, f.Flags()&linux.O_DIRECT != 0)
	if err == linux.EPIPE {
		Broken(c)
	}
	return n, err
}

// Broken sends the caller SIGPIPE.
func Broken(c *vfs.Context) {
	if c != nil && c.Caller != nil {
		c.Caller.SendSignal(sigPipe)
	}
}

// Ioctl implements vfs.FileOps.
func (e *End) Ioctl(c *vfs.Context, _ *vfs.File, cmd uint32, arg uint64) (uint64, error) {
	if cmd != linux.TIOCINQ { // FIONREAD
		return 0, linux.ENOTTY
	}
	n := int32(e.p.Buffered())
	return 0, usermem.CopyOutObject(c.Mem, arg, &n)
}

// SetFlags implements vfs.FlagSetter: O_DIRECT is allowed.
func (e *End) SetFlags(*vfs.Context, *vfs.File, uint32) error { return nil }

// Release implements vfs.FileOps.
func (e *End) Release(*vfs.File) {
	e.p.detach(e.read, e.write)
	if e.released != nil {
		e.released()
	}
}

// Readiness implements waiter.Waitable, as pipe_poll.
func (e *End) Readiness(mask waiter.Mask) waiter.Mask {
	p := e.p
	p.mu.Lock()
	defer p.mu.Unlock()
	var m waiter.Mask
	if e.read {
		if !p.empty() {
			m |= waiter.Readable
		}
		if p.writers == 0 && !(e.quiet && p.wcount == e.hupFrom) {
			m |= waiter.Hup
		}
	}
	if e.write {
		if !p.full() {
			m |= waiter.Writable
		}
		if p.readers == 0 {
			m |= waiter.Err
		}
	}
	return m & (mask | waiter.Err | waiter.Hup)
}

// EventRegister implements waiter.Waitable.
func (e *End) EventRegister(w *waiter.Entry, mask waiter.Mask) { e.p.q.Register(w, mask) }

// EventUnregister implements waiter.Waitable.
func (e *End) EventUnregister(w *waiter.Entry) { e.p.q.Unregister(w) }

// PipeSize returns the capacity in bytes (F_GETPIPE_SZ).
func (e *End) PipeSize() int { return e.p.Size() }

// SetPipeSize changes the capacity (F_SETPIPE_SZ).
func (e *End) SetPipeSize(c *vfs.Context, n int) (int, error) { return e.p.SetSize(c.Cred, uint64(n)) }
