package tty

import (
	"sync"
	"sync/atomic"

	"sentinel/internal/abi/linux"
	"sentinel/internal/host"
	"sentinel/internal/hostpoll"
	"sentinel/internal/signal"
	"sentinel/internal/usermem"
	"sentinel/internal/vfs"
	"sentinel/internal/waiter"
)

// Host is a terminal of the host that the sandbox's standard streams are. The
// guest sees it as the first pseudo-terminal. Reads, writes, modes and size go
// to the host, whose line discipline does the work; sessions and job control
// are the sandbox's own.
//
// What the composition does, where the terminal is the supervisor's
// controlling one:
//
//   - it ignores SIGTTIN and SIGTTOU, so that the supervisor is never stopped by
//     the terminal: a Host finds out that it is in the background, and treats
//     the guest as the host would have done;
//   - it catches SIGINT, SIGQUIT, SIGTSTP, SIGWINCH, SIGHUP and SIGCONT and hands
//     them to Signal;
//   - when the sandbox's first process stops it calls host.StopSelf, so that the
//     user's shell gets control; after fg the SIGCONT goes to Signal;
//   - guest processes are in a host session or process group of their own, so
//     that the host's terminal does not signal them;
//   - it calls Restore when the sandbox was killed rather than ended.
type Host struct {
	poll     *hostpoll.Poller
	tty      *TTY
	fd       int
	nonblock bool // fd is our own description, in non-blocking mode
	job      bool // it is our controlling terminal
	saved    linux.Termios2
	tostop   atomic.Bool

	q     waiter.Queue
	watch sync.Once
	stop  func()
	gone  atomic.Bool
}

// NewHost makes the host's terminal behind fd a terminal of the sandbox. fd
// itself is left alone.
func (s *System) NewHost(poll *hostpoll.Poller, fd int) (*Host, error) {
	h := &Host{poll: poll}
	var err error
	if h.saved, err = host.GetTermios(fd); err != nil {
		return nil, err
	}
	h.tostop.Store(h.saved.Lflag&linux.TOSTOP != 0)
	if h.fd, err = host.ReopenTTY(fd); err == nil {
		h.nonblock = true
	} else if h.fd, err = host.Dup(fd); err != nil {
		return nil, err
	}
	_, err = host.TTYForeground(h.fd)
	h.job = err == nil
	if h.tty, err = s.newTTY(nil, h); err != nil {
		host.Close(h.fd)
		return nil, err
	}
	return h, nil
}

// TTY returns the sandbox's side. TTY().Control makes it the controlling
// terminal of the first process.
func (h *Host) TTY() *TTY { return h.tty }

// SetOwner sets the owner of the node, usually the sandbox's first user.
func (h *Host) SetOwner(uid uint32) { h.tty.inode.SetOwner(uid, ttyGroup) }

// NewFile makes a description of the terminal, such as one for standard input.
func (h *Host) NewFile(flags uint32) *vfs.File {
	return h.tty.newFile(&hostFile{h: h}, flags)
}

// JobControl reports whether the terminal is the supervisor's controlling one.
func (h *Host) JobControl() bool { return h.job }

// Signal hands a signal that the supervisor got from the terminal to the
// guest's foreground group.
func (h *Host) Signal(sig int) {
	fg, sid := h.tty.Foreground(), h.tty.Session()
	jobs := h.tty.sys.jobs
	if fg == 0 {
		fg = 1
	}
	jobs.SignalGroup(fg, sig)
	if sig == signal.SIGHUP && sid != 0 && sid != fg {
		jobs.SignalLeader(sid, sig)
		jobs.SignalLeader(sid, signal.SIGCONT)
	}
}

// Restore gives the terminal the modes that it had in the beginning.
func (h *Host) Restore() { _ = host.SetTermios(h.fd, &h.saved, 0) }

// Close ends the use of the host's descriptor, at the end of the sandbox.
func (h *Host) Close() {
	h.gone.Store(true)
	h.tty.remove()
	h.watch.Do(func() {})
	if h.stop != nil {
		h.stop()
	}
	host.Close(h.fd)
}

// open implements backend.
func (h *Host) open(*vfs.Context, uint32) (vfs.FileOps, error) {
	if h.gone.Load() {
		return nil, linux.EIO
	}
	return &hostFile{h: h}, nil
}

// hangup implements backend. Others share the host's terminal: only the
// sandbox's descriptions end.
func (h *Host) hangup() {
	h.gone.Store(true)
	h.q.Notify(waiter.All)
}

// background treats the caller as the host would when the supervisor is in the
// background of the user's session.
func (h *Host) background(c *vfs.Context, sig int) error {
	if !h.job {
		return nil
	}
	fg, err := host.TTYForeground(h.fd)
	if err != nil {
		return nil
	}
	pg, orphaned := host.ProcessGroup()
	if fg == pg || fg == 0 {
		return nil
	}
	p := process(c)
	if p == nil {
		return nil
	}
	if p.SignalIgnoredOrBlocked(sig) || orphaned {
		if sig == signal.SIGTTIN || orphaned && !p.SignalIgnoredOrBlocked(sig) {
			return linux.EIO
		}
		return nil
	}
	h.tty.sys.jobs.SignalGroup(p.ProcessGroupID(), sig)
	return linux.ERESTARTSYS
}

// check is the job control of both worlds.
func (h *Host) check(c *vfs.Context, sig int) error {
	if err := h.tty.checkChange(c, sig); err != nil {
		return err
	}
	return h.background(c, sig)
}

// hostFile is an open description.
type hostFile struct{ h *Host }

// Read implements vfs.FileOps.
func (f *hostFile) Read(c *vfs.Context, _ *vfs.File, dst []byte, _ int64) (int, error) {
	h := f.h
	if h.gone.Load() || len(dst) == 0 {
		return 0, nil
	}
	if err := h.check(c, signal.SIGTTIN); err != nil {
		return 0, err
	}
	if !h.nonblock && hostpoll.Readiness(h.fd, waiter.In) == 0 {
		return 0, linux.EAGAIN
	}
	return host.Read(h.fd, dst)
}

// maxBlockingWrite is what a terminal that is writable takes without blocking,
// where the description is in blocking mode.
const maxBlockingWrite = 256

// Write implements vfs.FileOps.
func (f *hostFile) Write(c *vfs.Context, _ *vfs.File, src []byte, _ int64) (int, error) {
	h := f.h
	if h.gone.Load() {
		return 0, linux.EIO
	}
	if h.tostop.Load() {
		if err := h.check(c, signal.SIGTTOU); err != nil {
			return 0, err
		}
	}
	if len(src) == 0 {
		return 0, nil
	}
	if !h.nonblock {
		if hostpoll.Readiness(h.fd, waiter.Out)&waiter.Out == 0 {
			return 0, linux.EAGAIN
		}
		src = src[:min(len(src), maxBlockingWrite)]
	}
	return host.Write(h.fd, src)
}

// Readiness implements waiter.Waitable.
func (f *hostFile) Readiness(mask waiter.Mask) waiter.Mask {
	if f.h.gone.Load() {
		return (waiter.Readable | waiter.Writable | waiter.Err | waiter.Hup) & (mask | waiter.Err | waiter.Hup)
	}
	return hostpoll.Readiness(f.h.fd, mask)
}

// EventRegister implements waiter.Waitable.
func (f *hostFile) EventRegister(e *waiter.Entry, m waiter.Mask) {
	h := f.h
	h.q.Register(e, m)
	h.watch.Do(func() {
		// Without it, reads would wait for other events; epoll refuses no
		// terminal.
		h.stop, _ = h.poll.Watch(h.fd, &h.q)
	})
}

// EventUnregister implements waiter.Waitable.
func (f *hostFile) EventUnregister(e *waiter.Entry) { f.h.q.Unregister(e) }

// Release implements vfs.FileOps.
func (f *hostFile) Release(*vfs.File) {}

// getTermios implements modes.
func (h *Host) getTermios() (linux.Termios2, error) { return host.GetTermios(h.fd) }

// setTermios implements modes.
func (h *Host) setTermios(k linux.Termios2, when uint32) error {
	err := host.SetTermios(h.fd, &k, when)
	if err == nil {
		h.tostop.Store(k.Lflag&linux.TOSTOP != 0)
	}
	return err
}

// getSize implements modes.
func (h *Host) getSize() (linux.Winsize, error) { return host.GetWinsize(h.fd) }

// setWinsize implements modes; SIGWINCH comes by way of the host.
func (h *Host) setWinsize(ws linux.Winsize) error { return host.SetWinsize(h.fd, ws) }

// Ioctl implements vfs.FileOps.
func (f *hostFile) Ioctl(c *vfs.Context, file *vfs.File, cmd uint32, arg uint64) (uint64, error) {
	h := f.h
	if h.gone.Load() {
		if cmd == linux.TIOCSPGRP {
			return 0, linux.ENOTTY
		}
		return 0, linux.EIO
	}
	switch cmd {
	case linux.FIONREAD, linux.TIOCOUTQ:
		n, err := host.TTYQueued(h.fd, cmd == linux.TIOCOUTQ)
		if err != nil {
			return 0, err
		}
		return putInt(c, arg, int32(n))
	case linux.TCFLSH, linux.TCXONC:
		if err := h.check(c, signal.SIGTTOU); err != nil {
			return 0, err
		}
		if arg > 3 {
			return 0, linux.EINVAL
		}
		if cmd == linux.TCFLSH {
			return 0, host.TTYFlush(h.fd, int(arg))
		}
		return 0, host.TTYFlow(h.fd, int(arg))
	case linux.TCSBRK:
		if err := h.check(c, signal.SIGTTOU); err != nil || arg == 0 {
			return 0, err
		}
		return 0, host.TTYDrain(h.fd)
	case linux.TCSETS, linux.TCSETSW, linux.TCSETSF, linux.TCSETS2, linux.TCSETSW2, linux.TCSETSF2,
		linux.TCSETA, linux.TCSETAW, linux.TCSETAF:
		if err := h.background(c, signal.SIGTTOU); err != nil {
			return 0, err
		}
	case linux.TIOCGDEV:
		v := h.tty.DeviceNumber()
		return 0, usermem.CopyOutObject(c.Mem, arg, &v)
	}
	if ret, err, known := h.tty.jobIoctl(c, file, cmd, arg, false); known {
		return ret, err
	}
	if err, known := h.tty.modeIoctl(c, cmd, arg, h); known {
		return 0, err
	}
	return 0, linux.ENOTTY
}
