package tty

import (
	"strconv"
	"sync"
	"time"

	"sentinel/internal/abi/linux"
	"sentinel/internal/cred"
	"sentinel/internal/signal"
	"sentinel/internal/vfs"
	"sentinel/internal/waiter"
)

// Sizes of what Linux holds in flip buffers (tty_buffer_set_limit in pty.c).
const flipLimit = 8192

// pty is a pair of master and slave.
type pty struct {
	sys *System
	tty *TTY // the slave

	masterQ, slaveQ waiter.Queue

	mu       sync.Mutex
	line     line
	toSlave  fifo // input that the line discipline has no room for
	toMaster fifo
	size     linux.Winsize
	locked   bool
	packet   bool
	// masterStopped is TCXONC on the master.
	masterStopped bool
	masterGone    bool
	slaves        int  // open descriptions of the slave
	otherClosed   bool // the last slave was closed
	generation    int  // slaves of an older one are hung up
	// What unlock does.
	notifyMaster, notifySlave waiter.Mask
}

// unlock releases mu and delivers what happened under it.
func (p *pty) unlock() {
	if p.line.packet != 0 && !p.packet {
		p.line.packet = 0
	}
	if p.line.packet != 0 {
		p.notifyMaster |= waiter.Pri | waiter.Readable
	}
	sigs := p.line.signals
	p.line.signals = nil
	m, s := p.notifyMaster, p.notifySlave
	p.notifyMaster, p.notifySlave = 0, 0
	p.mu.Unlock()
	if m != 0 {
		p.masterQ.Notify(m)
	}
	if s != 0 {
		p.slaveQ.Notify(s)
	}
	if fg := p.tty.Foreground(); fg != 0 {
		for _, sig := range sigs {
			p.sys.jobs.SignalGroup(fg, sig)
		}
	}
}

// newPty makes a pair; its slave is locked.
func (s *System) newPty(c *vfs.Context) (*pty, error) {
	p := &pty{sys: s, locked: true}
	p.toSlave.max, p.toMaster.max = flipLimit, flipLimit+bufSize
	p.line.init(&p.toMaster)
	t, err := s.newTTY(c, p)
	p.tty = t
	return p, err
}

// OpenMaster opens /dev/ptmx: a new pair.
func (s *System) OpenMaster(c *vfs.Context, _ uint32) (vfs.FileOps, error) {
	p, err := s.newPty(c)
	if err != nil {
		return nil, err
	}
	return &master{pty: p}, nil
}

// open implements backend: a description of the slave.
func (p *pty) open(*vfs.Context, uint32) (vfs.FileOps, error) {
	p.mu.Lock()
	defer p.unlock()
	if p.locked || p.masterGone {
		return nil, linux.EIO
	}
	p.slaves++
	p.otherClosed = false
	return &slave{pty: p, generation: p.generation}, nil
}

// hangup implements backend.
func (p *pty) hangup() {
	p.mu.Lock()
	p.generation++
	p.slaves = 0
	p.otherClosed = true
	p.line.flushInput()
	p.toSlave.drop(p.toSlave.len())
	p.notifySlave, p.notifyMaster = waiter.All, waiter.All
	p.unlock()
}

// setSize is pty_resize.
func (p *pty) setSize(ws linux.Winsize) {
	p.mu.Lock()
	changed := p.size != ws
	p.size = ws
	if changed {
		p.line.signals = append(p.line.signals, signal.SIGWINCH)
	}
	p.unlock()
}

// feed moves pending input into the line discipline.
func (p *pty) feed() {
	for p.toSlave.len() > 0 {
		n := p.line.receive(p.toSlave.b)
		if n == 0 {
			break
		}
		p.toSlave.drop(n)
	}
	p.wake()
}

// wake notes what input or output may have changed.
func (p *pty) wake() {
	if p.toMaster.len() > 0 {
		p.notifyMaster |= waiter.Readable
	}
	if p.line.available(false) {
		p.notifySlave |= waiter.Readable
	}
	if p.toSlave.room() > 0 && !p.masterStopped {
		p.notifyMaster |= waiter.Writable
	}
	if p.toMaster.room() > 0 && !p.line.stopped {
		p.notifySlave |= waiter.Writable
	}
}

// master is an open /dev/ptmx.
type master struct{ pty *pty }

// Read implements vfs.FileOps.
func (f *master) Read(_ *vfs.Context, _ *vfs.File, dst []byte, _ int64) (int, error) {
	p := f.pty
	p.mu.Lock()
	defer p.unlock()
	if len(dst) == 0 {
		return 0, nil
	}
	if p.packet && p.line.packet != 0 {
		dst[0] = p.line.packet
		p.line.packet = 0
		return 1, nil
	}
	if p.toMaster.len() == 0 {
		if p.otherClosed {
			return 0, linux.EIO
		}
		return 0, linux.EAGAIN
	}
	n := 0
	if p.packet {
		dst[0] = linux.TIOCPKT_DATA
		n = 1
	}
	n += p.toMaster.get(dst[n:])
	p.line.flushEchoes()
	p.feed()
	return n, nil
}

// Write implements vfs.FileOps.
func (f *master) Write(_ *vfs.Context, _ *vfs.File, src []byte, _ int64) (int, error) {
	p := f.pty
	p.mu.Lock()
	defer p.unlock()
	if len(src) == 0 {
		return 0, nil
	}
	if p.masterStopped {
		return 0, linux.EAGAIN
	}
	done := 0
	for done < len(src) {
		n := p.toSlave.put(src[done:])
		done += n
		before := p.toSlave.len()
		p.feed()
		if n == 0 && p.toSlave.len() == before {
			break
		}
	}
	if done == 0 {
		return 0, linux.EAGAIN
	}
	return done, nil
}

// Readiness implements waiter.Waitable.
func (f *master) Readiness(mask waiter.Mask) waiter.Mask {
	p := f.pty
	p.mu.Lock()
	defer p.mu.Unlock()
	r := waiter.Mask(0)
	if p.toMaster.len() > 0 {
		r |= waiter.Readable
	}
	if p.packet && p.line.packet != 0 {
		r |= waiter.Pri | waiter.Readable
	}
	if p.otherClosed {
		r |= waiter.Hup
	}
	if p.toSlave.room() > 0 && !p.masterStopped {
		r |= waiter.Writable
	}
	return r & (mask | waiter.Hup)
}

// EventRegister implements waiter.Waitable.
func (f *master) EventRegister(e *waiter.Entry, m waiter.Mask) { f.pty.masterQ.Register(e, m) }

// EventUnregister implements waiter.Waitable.
func (f *master) EventUnregister(e *waiter.Entry) { f.pty.masterQ.Unregister(e) }

// FDInfo implements vfs.FDInfo.
func (f *master) FDInfo(*vfs.File) string {
	return "tty-index:\t" + strconv.Itoa(int(f.pty.tty.index)) + "\n"
}

// Release implements vfs.FileOps: the end of the pair.
func (f *master) Release(*vfs.File) {
	p := f.pty
	p.tty.remove()
	p.mu.Lock()
	p.masterGone = true
	p.unlock()
	p.hangup()
	p.tty.detach(false)
}

// slave is an open /dev/pts/N.
type slave struct {
	pty        *pty
	generation int
}

func (f *slave) hungUp() bool { return f.generation != f.pty.generation }

// vtime is a wait for input with a deadline.
type vtime struct {
	p     *pty
	f     *slave
	timer *time.Timer
	over  bool // guarded by p.mu
}

func (f *slave) newTimer() *vtime { return &vtime{p: f.pty, f: f} }

func (v *vtime) arm(tenths uint8) {
	v.stop()
	v.timer = time.AfterFunc(time.Duration(tenths)*100*time.Millisecond, func() {
		v.p.mu.Lock()
		v.over = true
		v.p.notifySlave |= waiter.Readable
		v.p.unlock()
	})
}

func (v *vtime) stop() {
	if v.timer != nil {
		v.timer.Stop()
	}
	v.timer = nil
}

// Read implements vfs.FileOps (n_tty_read).
func (f *slave) Read(c *vfs.Context, file *vfs.File, dst []byte, _ int64) (int, error) {
	p := f.pty
	p.mu.Lock()
	gone := f.hungUp()
	p.mu.Unlock()
	if gone || len(dst) == 0 {
		return 0, nil
	}
	if err := p.tty.checkChange(c, signal.SIGTTIN); err != nil {
		return 0, err
	}
	p.mu.Lock()
	defer p.unlock()
	l := &p.line
	if l.lines() {
		if !l.available(false) {
			return 0, linux.EAGAIN
		}
		n := l.readLine(dst)
		p.feed()
		return n, nil
	}
	vmin, vtimeout := int(l.Cc[linux.VMIN]), l.Cc[linux.VTIME]
	have := int(l.head - l.tail)
	block := !file.NonBlocking() && c != nil && c.Caller != nil
	switch {
	case have >= max(vmin, 1) || have >= len(dst) || have > 0 && !block:
	case vmin == 0 && vtimeout == 0:
		return 0, nil
	case !block || vtimeout == 0 || vmin > 0 && have == 0:
		return 0, linux.EAGAIN
	default:
		// The clock runs: from now on, or from the last byte.
		p.mu.Unlock()
		err := f.waitTimed(c, max(vmin, 1), len(dst), vmin > 0, vtimeout)
		p.mu.Lock()
		if err != nil && l.head == l.tail {
			return 0, err
		}
	}
	if f.hungUp() {
		return 0, nil
	}
	n := l.readRaw(dst)
	p.feed()
	return n, nil
}

// waitTimed waits until there are least bytes, a buffer full, or nothing came
// for tenths of a second; each byte starts that time anew if restart.
func (f *slave) waitTimed(c *vfs.Context, least, full int, restart bool, tenths uint8) error {
	p := f.pty
	v := f.newTimer()
	v.arm(tenths)
	seen := -1
	err := c.Caller.Block(f, waiter.Readable, func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		have := int(p.line.head - p.line.tail)
		if v.over || have >= least || have >= full || f.hungUp() {
			return true
		}
		if have != seen {
			if restart && seen >= 0 {
				v.arm(tenths)
			}
			seen = have
		}
		return false
	})
	v.stop()
	return err
}

// Write implements vfs.FileOps (n_tty_write).
func (f *slave) Write(c *vfs.Context, _ *vfs.File, src []byte, _ int64) (int, error) {
	p := f.pty
	p.mu.Lock()
	gone, tostop := f.hungUp() || p.masterGone, p.line.l(linux.TOSTOP)
	p.mu.Unlock()
	if gone {
		return 0, linux.EIO
	}
	if tostop {
		if err := p.tty.checkChange(c, signal.SIGTTOU); err != nil {
			return 0, err
		}
	}
	p.mu.Lock()
	defer p.unlock()
	if len(src) == 0 {
		return 0, nil
	}
	n := p.line.write(src)
	if n == 0 {
		return 0, linux.EAGAIN
	}
	p.notifyMaster |= waiter.Readable
	return n, nil
}

// Readiness implements waiter.Waitable.
func (f *slave) Readiness(mask waiter.Mask) waiter.Mask {
	p := f.pty
	p.mu.Lock()
	defer p.mu.Unlock()
	if f.hungUp() {
		return (waiter.Readable | waiter.Writable | waiter.Err | waiter.Hup) & (mask | waiter.Err | waiter.Hup)
	}
	r := waiter.Mask(0)
	if p.line.available(true) {
		r |= waiter.Readable
	}
	if p.toMaster.room() > 0 && !p.line.stopped {
		r |= waiter.Writable
	}
	return r & mask
}

// EventRegister implements waiter.Waitable.
func (f *slave) EventRegister(e *waiter.Entry, m waiter.Mask) { f.pty.slaveQ.Register(e, m) }

// EventUnregister implements waiter.Waitable.
func (f *slave) EventUnregister(e *waiter.Entry) { f.pty.slaveQ.Unregister(e) }

// Release implements vfs.FileOps.
func (f *slave) Release(*vfs.File) {
	p := f.pty
	p.mu.Lock()
	defer p.unlock()
	if f.hungUp() {
		return
	}
	if p.slaves--; p.slaves == 0 {
		p.otherClosed = true
		p.notifyMaster |= waiter.All
	}
}

// mayAdmin reports whether the caller may do what only an administrator may.
func mayAdmin(c *vfs.Context) bool { return c.Cred != nil && c.Cred.Has(cred.CapSysAdmin) }
