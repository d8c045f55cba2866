package tty

import (
	"sentinel/internal/abi/linux"
	"sentinel/internal/signal"
	"sentinel/internal/usermem"
	"sentinel/internal/vfs"
)

func putInt(c *vfs.Context, arg uint64, v int32) (uint64, error) {
	return 0, usermem.CopyOutObject(c.Mem, arg, &v)
}

func getInt(c *vfs.Context, arg uint64) (int32, error) {
	var v int32
	err := usermem.CopyInObject(c.Mem, arg, &v)
	return v, err
}

// jobIoctl is tty_jobctrl_ioctl and what else belongs to the terminal rather
// than its line; onMaster when asked through the other end. known is false for
// a request that is not of these.
func (t *TTY) jobIoctl(c *vfs.Context, f *vfs.File, cmd uint32, arg uint64, onMaster bool) (ret uint64, err error, known bool) {
	p := process(c)
	own := p != nil && p.ControllingTTY() == t
	switch cmd {
	case linux.TIOCNOTTY:
		if !own || onMaster {
			return 0, linux.ENOTTY, true
		}
		if p.PID() == p.SessionID() {
			t.sys.disassociate(p, false)
		}
		p.SetControllingTTY(nil)
	case linux.TIOCSCTTY:
		err = t.setControlling(c, f, arg == 1)
	case linux.TIOCGPGRP:
		if !own && !onMaster {
			return 0, linux.ENOTTY, true
		}
		ret, err = putInt(c, arg, t.Foreground())
	case linux.TIOCSPGRP:
		if err = t.checkChange(c, signal.SIGTTOU); err != nil {
			if err == linux.EIO {
				err = linux.ENOTTY
			}
			break
		}
		var pg int32
		if pg, err = getInt(c, arg); err == nil {
			err = t.setForeground(c, pg)
		}
	case linux.TIOCGSID:
		sid := t.Session()
		if !own && !onMaster || sid == 0 {
			return 0, linux.ENOTTY, true
		}
		ret, err = putInt(c, arg, sid)
	case linux.TIOCSTI:
		// As with dev.tty.legacy_tiocsti=0.
		err = linux.EIO
	case linux.TIOCCONS:
		err = linux.EPERM
	case linux.TIOCEXCL:
		t.exclusive.Store(true)
	case linux.TIOCNXCL:
		t.exclusive.Store(false)
	case linux.TIOCGEXCL:
		v := int32(0)
		if t.exclusive.Load() {
			v = 1
		}
		ret, err = putInt(c, arg, v)
	case linux.TIOCGETD:
		ret, err = putInt(c, arg, 0)
	case linux.TIOCSETD:
		var d int32
		if d, err = getInt(c, arg); err == nil && d != 0 {
			err = linux.EINVAL
		}
	case linux.TIOCVHANGUP:
		if !mayAdmin(c) {
			return 0, linux.EPERM, true
		}
		t.back.hangup()
		t.detach(false)
	case linux.TIOCGDEV:
		v := t.DeviceNumber()
		err = usermem.CopyOutObject(c.Mem, arg, &v)
	case linux.TIOCSBRK, linux.TCSBRK, linux.TCSBRKP:
		// No break on a line without a wire, and output is never in flight.
		err = t.checkChange(c, signal.SIGTTOU)
	case linux.TIOCCBRK:
	default:
		return 0, nil, false
	}
	return ret, err, true
}

// modes is what termios requests work upon.
type modes interface {
	getTermios() (linux.Termios2, error)
	// setTermios applies t; when is 0 now, 1 after output is sent (TCSETSW),
	// 2 and input thrown away (TCSETSF).
	setTermios(t linux.Termios2, when uint32) error
	getSize() (linux.Winsize, error)
	setWinsize(ws linux.Winsize) error
}

// modeIoctl is tty_mode_ioctl and the window size.
func (t *TTY) modeIoctl(c *vfs.Context, cmd uint32, arg uint64, m modes) (err error, known bool) {
	switch cmd {
	case linux.TIOCGWINSZ:
		ws, err := m.getSize()
		if err != nil {
			return err, true
		}
		return usermem.CopyOutObject(c.Mem, arg, &ws), true
	case linux.TIOCSWINSZ:
		var ws linux.Winsize
		if err := usermem.CopyInObject(c.Mem, arg, &ws); err != nil {
			return err, true
		}
		return m.setWinsize(ws), true
	case linux.TCGETS, linux.TCGETS2, linux.TCGETA:
		k, err := m.getTermios()
		if err != nil {
			return err, true
		}
		switch cmd {
		case linux.TCGETS:
			return usermem.CopyOutObject(c.Mem, arg, &k.Termios), true
		case linux.TCGETS2:
			return usermem.CopyOutObject(c.Mem, arg, &k), true
		}
		a := linux.Termio{Iflag: uint16(k.Iflag), Oflag: uint16(k.Oflag), Cflag: uint16(k.Cflag), Lflag: uint16(k.Lflag), Line: k.Line}
		copy(a.Cc[:], k.Cc[:])
		return usermem.CopyOutObject(c.Mem, arg, &a), true
	case linux.TCSETS, linux.TCSETSW, linux.TCSETSF, linux.TCSETS2, linux.TCSETSW2, linux.TCSETSF2,
		linux.TCSETA, linux.TCSETAW, linux.TCSETAF:
		return t.setModes(c, cmd, arg, m), true
	case linux.TIOCGLCKTRMIOS:
		// Nothing is ever locked.
		var k linux.Termios
		return usermem.CopyOutObject(c.Mem, arg, &k), true
	case linux.TIOCSLCKTRMIOS:
		return linux.EPERM, true
	case linux.TIOCGSOFTCAR:
		k, err := m.getTermios()
		if err == nil {
			_, err = putInt(c, arg, int32(k.Cflag&linux.CLOCAL/linux.CLOCAL))
		}
		return err, true
	}
	return nil, false
}

func (t *TTY) setModes(c *vfs.Context, cmd uint32, arg uint64, m modes) error {
	if err := t.checkChange(c, signal.SIGTTOU); err != nil {
		return err
	}
	k, err := m.getTermios()
	if err != nil {
		return err
	}
	when := uint32(0)
	switch cmd {
	case linux.TCSETSW, linux.TCSETSW2, linux.TCSETAW:
		when = 1
	case linux.TCSETSF, linux.TCSETSF2, linux.TCSETAF:
		when = 2
	}
	switch cmd {
	case linux.TCSETS, linux.TCSETSW, linux.TCSETSF:
		err = usermem.CopyInObject(c.Mem, arg, &k.Termios)
	case linux.TCSETS2, linux.TCSETSW2, linux.TCSETSF2:
		err = usermem.CopyInObject(c.Mem, arg, &k)
	default:
		var a linux.Termio
		if err = usermem.CopyInObject(c.Mem, arg, &a); err == nil {
			set := func(d *uint32, s uint16) { *d = *d&^0xffff | uint32(s) }
			set(&k.Iflag, a.Iflag)
			set(&k.Oflag, a.Oflag)
			set(&k.Cflag, a.Cflag)
			set(&k.Lflag, a.Lflag)
			k.Line = a.Line
			copy(k.Cc[:], a.Cc[:])
		}
	}
	if err != nil {
		return err
	}
	if s, ok := baud(k.Cflag); ok {
		k.Ispeed, k.Ospeed = s, s
	}
	return m.setTermios(k, when)
}

var bauds = [...]uint32{0, 50, 75, 110, 134, 150, 200, 300, 600, 1200, 1800, 2400, 4800, 9600, 19200, 38400}
var highBauds = [...]uint32{0, 57600, 115200, 230400, 460800, 500000, 576000, 921600, 1000000, 1152000, 1500000, 2000000, 2500000, 3000000, 3500000, 4000000}

// baud is the speed that c_cflag tells; not ok with BOTHER.
func baud(cflag uint32) (uint32, bool) {
	n := cflag & linux.CBAUD
	switch {
	case n == linux.BOTHER:
		return 0, false
	case n&linux.CBAUDEX != 0:
		return highBauds[n&0xf], true
	}
	return bauds[n], true
}

// getTermios implements modes.
func (p *pty) getTermios() (linux.Termios2, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.line.Termios2, nil
}

// setTermios implements modes.
func (p *pty) setTermios(k linux.Termios2, when uint32) error {
	p.mu.Lock()
	defer p.unlock()
	if when == 2 {
		p.toSlave.drop(p.toSlave.len())
		p.line.flushInput()
	}
	p.line.setTermios(k)
	p.feed()
	return nil
}

// getSize implements modes.
func (p *pty) getSize() (linux.Winsize, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.size, nil
}

// setWinsize implements modes.
func (p *pty) setWinsize(ws linux.Winsize) error {
	p.setSize(ws)
	return nil
}

// Ioctl implements vfs.FileOps.
func (f *slave) Ioctl(c *vfs.Context, file *vfs.File, cmd uint32, arg uint64) (uint64, error) {
	p := f.pty
	p.mu.Lock()
	gone := f.hungUp()
	p.mu.Unlock()
	if gone {
		if cmd == linux.TIOCSPGRP {
			return 0, linux.ENOTTY
		}
		return 0, linux.EIO
	}
	if ret, err, known := p.tty.jobIoctl(c, file, cmd, arg, false); known {
		return ret, err
	}
	if err, known := p.tty.modeIoctl(c, cmd, arg, p); known {
		return 0, err
	}
	switch cmd {
	case linux.FIONREAD:
		p.mu.Lock()
		n := p.line.pending()
		p.mu.Unlock()
		return putInt(c, arg, int32(n))
	case linux.TIOCOUTQ:
		return putInt(c, arg, 0)
	case linux.TCFLSH:
		return 0, p.flush(c, arg, false)
	case linux.TCXONC:
		return 0, p.flow(c, arg, false)
	}
	return 0, linux.ENOTTY
}

// Ioctl implements vfs.FileOps.
func (f *master) Ioctl(c *vfs.Context, file *vfs.File, cmd uint32, arg uint64) (uint64, error) {
	p := f.pty
	switch cmd {
	case linux.TIOCSPTLCK:
		v, err := getInt(c, arg)
		if err != nil {
			return 0, err
		}
		p.mu.Lock()
		p.locked = v != 0
		p.unlock()
		return 0, nil
	case linux.TIOCGPTLCK:
		p.mu.Lock()
		v := int32(0)
		if p.locked {
			v = 1
		}
		p.mu.Unlock()
		return putInt(c, arg, v)
	case linux.TIOCPKT:
		v, err := getInt(c, arg)
		if err != nil {
			return 0, err
		}
		p.mu.Lock()
		if v != 0 && !p.packet {
			p.line.packet = 0
		}
		p.packet = v != 0
		p.unlock()
		return 0, nil
	case linux.TIOCGPKT:
		p.mu.Lock()
		v := int32(0)
		if p.packet {
			v = 1
		}
		p.mu.Unlock()
		return putInt(c, arg, v)
	case linux.TIOCGPTN:
		return putInt(c, arg, int32(p.tty.index))
	case linux.TIOCGPTPEER:
		return p.openPeer(c, uint32(arg))
	case linux.TIOCSIG:
		sig := int(arg)
		switch sig {
		case signal.SIGINT, signal.SIGQUIT, signal.SIGTSTP:
			p.mu.Lock()
			p.line.signals = append(p.line.signals, sig)
			p.unlock()
			return 0, nil
		}
		return 0, linux.EINVAL
	case linux.FIONREAD:
		p.mu.Lock()
		n := min(p.toMaster.len(), bufSize)
		p.mu.Unlock()
		return putInt(c, arg, int32(n))
	case linux.TIOCOUTQ:
		return putInt(c, arg, 0)
	case linux.TCFLSH:
		return 0, p.flush(c, arg, true)
	case linux.TCXONC:
		return 0, p.flow(c, arg, true)
	case linux.TIOCGDEV:
		v := uint32(128+p.tty.index>>8)<<8 | p.tty.index&0xff
		return 0, usermem.CopyOutObject(c.Mem, arg, &v)
	case linux.TIOCSCTTY:
		// A master has no session to control (tty_jobctrl_ioctl acts on it
		// as on any terminal, but nothing can then read).
		return 0, linux.EPERM
	}
	if ret, err, known := p.tty.jobIoctl(c, file, cmd, arg, true); known {
		return ret, err
	}
	if err, known := p.tty.modeIoctl(c, cmd, arg, p); known {
		return 0, err
	}
	return 0, linux.ENOTTY
}

// openPeer is TIOCGPTPEER: a descriptor of the slave without its path.
func (p *pty) openPeer(c *vfs.Context, flags uint32) (uint64, error) {
	if c.FDs == nil {
		return 0, linux.EINVAL
	}
	ops, err := p.tty.Open(c, flags)
	if err != nil {
		return 0, err
	}
	f := p.tty.newFile(ops, flags)
	fd, err := c.FDs.Install(f, flags&linux.O_CLOEXEC != 0)
	return uint64(fd), err
}

// flush is TCFLSH: what input and output mean depends on the end.
func (p *pty) flush(c *vfs.Context, arg uint64, onMaster bool) error {
	if !onMaster {
		if err := p.tty.checkChange(c, signal.SIGTTOU); err != nil {
			return err
		}
	}
	if arg > linux.TCIOFLUSH {
		return linux.EINVAL
	}
	p.mu.Lock()
	defer p.unlock()
	in, out := arg != linux.TCOFLUSH, arg != linux.TCIFLUSH
	switch {
	case onMaster:
		if in {
			p.toMaster.drop(p.toMaster.len())
		}
		if out {
			p.toSlave.drop(p.toSlave.len())
		}
	default:
		if in {
			p.toSlave.drop(p.toSlave.len())
			p.line.flushInput()
		}
		if out {
			p.line.flushOutput()
		}
	}
	p.wake()
	return nil
}

// flow is TCXONC.
func (p *pty) flow(c *vfs.Context, arg uint64, onMaster bool) error {
	if !onMaster {
		if err := p.tty.checkChange(c, signal.SIGTTOU); err != nil {
			return err
		}
	}
	p.mu.Lock()
	defer p.unlock()
	l := &p.line
	switch arg {
	case linux.TCOOFF:
		if onMaster {
			p.masterStopped = true
		} else if !l.tcoStopped {
			l.stop()
			l.tcoStopped = true
		}
	case linux.TCOON:
		if onMaster {
			p.masterStopped = false
		} else if l.tcoStopped {
			l.tcoStopped = false
			l.start()
			l.flushEchoes()
		}
	case linux.TCIOFF, linux.TCION:
		ch := l.Cc[linux.VSTOP]
		if arg == linux.TCION {
			ch = l.Cc[linux.VSTART]
		}
		if ch == disabled {
			break
		}
		if onMaster {
			p.toSlave.put([]byte{ch})
			p.feed()
		} else {
			p.toMaster.put([]byte{ch})
		}
	default:
		return linux.EINVAL
	}
	p.wake()
	return nil
}
