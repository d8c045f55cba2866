package tty

import (
	"strconv"
	"sync"
	"sync/atomic"

	"sentinel/internal/abi/linux"
	"sentinel/internal/cred"
	"sentinel/internal/fs/kernfs"
	"sentinel/internal/signal"
	"sentinel/internal/vfs"
)

// System is all terminals of a sandbox: the pseudo-terminals, and the host's
// terminal if there is one.
type System struct {
	jobs Jobs

	mu   sync.Mutex
	ttys map[uint32]*TTY // by number in /dev/pts
	fs   *devpts

	// jobMu serialises changes of sessions' terminals.
	jobMu sync.Mutex
	// oldGroup is, by session, the foreground group of a terminal that hung
	// up (signal->tty_old_pgrp): it gets SIGHUP when the leader exits.
	oldGroup map[int32]int32
}

// MaxPtys is /proc/sys/kernel/pty/max.
const MaxPtys = 4096

// NewSystem returns a system without terminals. devMinor is the minor number
// of the devpts file system's device.
func NewSystem(jobs Jobs, devMinor uint32) *System {
	s := &System{jobs: jobs, ttys: make(map[uint32]*TTY), oldGroup: make(map[int32]int32)}
	s.fs = newDevpts(s, devMinor)
	return s
}

// TTY is a terminal that can control a session.
type TTY struct {
	sys          *System
	major, minor uint32
	index        uint32 // "/dev/pts/index"
	inode        *kernfs.Device
	back         backend

	// Written with System.jobMu held; 0 is none.
	session, pgrp atomic.Int32
	exclusive     atomic.Bool
}

// backend is the machinery behind a TTY.
type backend interface {
	// open makes a new description of the terminal.
	open(c *vfs.Context, flags uint32) (vfs.FileOps, error)
	// hangup detaches all open descriptions.
	hangup()
}

// Device returns the device number.
func (t *TTY) Device() (major, minor uint32) { return t.major, t.minor }

// DeviceNumber is the device number as /proc/PID/stat encodes it
// (new_encode_dev).
func (t *TTY) DeviceNumber() uint32 { return t.minor&0xff | t.major<<8 | (t.minor&^0xff)<<12 }

// Name is the path of the device.
func (t *TTY) Name() string { return "/dev/pts/" + strconv.Itoa(int(t.index)) }

// newTTY makes a terminal with the lowest free number.
func (s *System) newTTY(c *vfs.Context, back backend) (*TTY, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.ttys) >= MaxPtys {
		return nil, linux.ENOSPC
	}
	i := uint32(0)
	for s.ttys[i] != nil {
		i++
	}
	t := &TTY{sys: s, major: 136 + i>>8, minor: i & 0xff, index: i, back: back}
	t.inode = s.fs.newNode(c, t)
	s.ttys[i] = t
	return t, nil
}

// remove takes the terminal's node away.
func (t *TTY) remove() {
	t.sys.mu.Lock()
	delete(t.sys.ttys, t.index)
	t.sys.mu.Unlock()
}

// Count returns how many terminals there are.
func (s *System) Count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.ttys)
}

// lookup finds a terminal by its number.
func (s *System) lookup(i uint32) *TTY {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ttys[i]
}

// OpenDevice opens the terminal with a device number (major 136 to 143), as a
// node made by mknod does.
func (s *System) OpenDevice(c *vfs.Context, major, minor, flags uint32) (vfs.FileOps, error) {
	t := s.lookup((major-136)<<8 | minor)
	if t == nil {
		return nil, linux.EIO
	}
	return t.Open(c, flags)
}

// newFile makes a description of the terminal without going by its path.
func (t *TTY) newFile(ops vfs.FileOps, flags uint32) *vfs.File {
	f := vfs.NewFile(ops, vfs.Path{}, t.inode, flags)
	f.Name = t.Name()
	return f
}

// Foreground returns the foreground process group, 0 if there is none.
func (t *TTY) Foreground() int32 { return t.pgrp.Load() }

// Session returns the session that the terminal controls, 0 if none.
func (t *TTY) Session() int32 { return t.session.Load() }

// Open opens the terminal as its device node does, and makes it the caller's
// controlling terminal where that is due (tty_open).
func (t *TTY) Open(c *vfs.Context, flags uint32) (vfs.FileOps, error) {
	if t.exclusive.Load() && !hasAdmin(c) {
		return nil, linux.EBUSY
	}
	ops, err := t.back.open(c, flags)
	if err == nil && flags&linux.O_NOCTTY == 0 {
		t.acquire(c, flags)
	}
	return ops, err
}

func process(c *vfs.Context) Process {
	if c == nil || c.Caller == nil {
		return nil
	}
	p, _ := c.Caller.(Process)
	return p
}

func hasAdmin(c *vfs.Context) bool {
	return c == nil || c.Cred == nil || c.Cred.Has(cred.CapSysAdmin)
}

// acquire is tty_open_proc_set_tty of drivers/tty/tty_jobctrl.c.
func (t *TTY) acquire(c *vfs.Context, flags uint32) {
	p := process(c)
	if p == nil || p.PID() != p.SessionID() || flags&linux.O_ACCMODE == linux.O_WRONLY {
		return
	}
	t.sys.jobMu.Lock()
	defer t.sys.jobMu.Unlock()
	if p.ControllingTTY() == nil && t.session.Load() == 0 {
		t.control(p)
	}
}

// control makes t the controlling terminal of p, a session leader; jobMu is
// held.
func (t *TTY) control(p Process) {
	t.session.Store(p.SessionID())
	t.pgrp.Store(p.ProcessGroupID())
	p.SetControllingTTY(t)
	delete(t.sys.oldGroup, p.SessionID())
}

// Control makes t the controlling terminal of the sandbox's first process.
func (t *TTY) Control(p Process) {
	t.sys.jobMu.Lock()
	defer t.sys.jobMu.Unlock()
	t.control(p)
}

// checkChange is __tty_check_change: a background process that changes or reads
// its controlling terminal is stopped by sig.
func (t *TTY) checkChange(c *vfs.Context, sig int) error {
	p := process(c)
	if p == nil || p.ControllingTTY() != t {
		return nil
	}
	fg, pg := t.pgrp.Load(), p.ProcessGroupID()
	if fg == 0 || fg == pg {
		return nil
	}
	return t.background(p, pg, sig)
}

func (t *TTY) background(p Process, pg int32, sig int) error {
	switch {
	case p.SignalIgnoredOrBlocked(sig):
		if sig == signal.SIGTTIN {
			return linux.EIO
		}
		return nil
	case t.sys.jobs.GroupOrphaned(pg):
		return linux.EIO
	}
	t.sys.jobs.SignalGroup(pg, sig)
	return linux.ERESTARTSYS
}

// setControlling is tiocsctty.
func (t *TTY) setControlling(c *vfs.Context, f *vfs.File, steal bool) error {
	p := process(c)
	if p == nil {
		return linux.EPERM
	}
	t.sys.jobMu.Lock()
	defer t.sys.jobMu.Unlock()
	leader, old := p.PID() == p.SessionID(), t.session.Load()
	if leader && old == p.SessionID() {
		return nil
	}
	if !leader || p.ControllingTTY() != nil {
		return linux.EPERM
	}
	if old != 0 {
		if !steal || !hasAdmin(c) {
			return linux.EPERM
		}
		t.sys.jobs.ClearTTY(old, t)
	}
	if !f.Readable() && !hasAdmin(c) {
		return linux.EPERM
	}
	t.control(p)
	return nil
}

// setForeground is tiocspgrp.
func (t *TTY) setForeground(c *vfs.Context, pgid int32) error {
	p := process(c)
	if pgid < 0 {
		return linux.EINVAL
	}
	t.sys.jobMu.Lock()
	defer t.sys.jobMu.Unlock()
	if p == nil || p.ControllingTTY() != t || t.session.Load() != p.SessionID() {
		return linux.ENOTTY
	}
	switch sid, ok := t.sys.jobs.GroupSession(pgid); {
	case !ok:
		return linux.ESRCH
	case sid != p.SessionID():
		return linux.EPERM
	}
	t.pgrp.Store(pgid)
	return nil
}

// disassociate is disassociate_ctty: a session leader gives up its terminal,
// by TIOCNOTTY or by exiting.
func (s *System) disassociate(p Process, exiting bool) {
	s.jobMu.Lock()
	t, sid := p.ControllingTTY(), p.SessionID()
	var pg int32
	switch {
	case t != nil:
		pg = t.pgrp.Load()
		if t.session.Load() == sid {
			t.session.Store(0)
			t.pgrp.Store(0)
		}
		s.jobs.ClearTTY(sid, t)
		p.SetControllingTTY(nil)
	case exiting:
		pg = s.oldGroup[sid]
	}
	delete(s.oldGroup, sid)
	s.jobMu.Unlock()
	if pg != 0 {
		s.jobs.SignalGroup(pg, signal.SIGHUP)
		if !exiting || t == nil {
			s.jobs.SignalGroup(pg, signal.SIGCONT)
		}
	}
}

// Exit is called when the last thread of p exits, outside of all locks.
func (s *System) Exit(p Process) {
	if p.PID() == p.SessionID() {
		s.disassociate(p, true)
	}
}

// detach is the session's part of __tty_hangup: the leader gets SIGHUP and
// SIGCONT, and nobody has the terminal any more. With wholeGroup the
// foreground group gets SIGHUP too.
func (t *TTY) detach(wholeGroup bool) {
	s := t.sys
	s.jobMu.Lock()
	sid, pg := t.session.Load(), t.pgrp.Load()
	t.session.Store(0)
	t.pgrp.Store(0)
	if sid != 0 {
		s.jobs.ClearTTY(sid, t)
		if pg != 0 {
			s.oldGroup[sid] = pg
		}
	}
	s.jobMu.Unlock()
	if sid == 0 {
		return
	}
	s.jobs.SignalLeader(sid, signal.SIGHUP)
	s.jobs.SignalLeader(sid, signal.SIGCONT)
	if wholeGroup && pg != 0 {
		s.jobs.SignalGroup(pg, signal.SIGHUP)
	}
}

// Vhangup implements vhangup(2); the capability has been checked.
func (s *System) Vhangup(p Process) {
	if t := p.ControllingTTY(); t != nil {
		t.back.hangup()
		t.detach(false)
	}
}

// OpenCurrent opens the caller's controlling terminal, as /dev/tty does.
func (s *System) OpenCurrent(c *vfs.Context, flags uint32) (vfs.FileOps, error) {
	p := process(c)
	if p == nil {
		return nil, linux.ENXIO
	}
	t := p.ControllingTTY()
	if t == nil {
		return nil, linux.ENXIO
	}
	return t.Open(c, flags|linux.O_NOCTTY)
}
