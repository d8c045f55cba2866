// Package signalfd implements signalfd(2).
//
// Lock order:
//
//	epoll.Instance.mtx, vfs.File.posMu > Signalfd.mu
package signalfd

import (
	"encoding/binary"
	"strconv"
	"sync"

	"sentinel/internal/abi/linux"
	"sentinel/internal/signal"
	"sentinel/internal/task"
	"sentinel/internal/vfs"
	"sentinel/internal/waiter"
)

// infoSize is sizeof(struct signalfd_siginfo).
const infoSize = 128

// Signalfd takes signals from the queues of whoever reads or polls it. The
// interface of a Waitable does not tell who that is, so it remembers the last
// user (Bind): a process that inherited it and uses it gets its own signals,
// as on Linux.
type Signalfd struct {
	vfs.NoFile

	mu      sync.Mutex
	mask    signal.Set
	user    *task.Task
	entries map[*waiter.Entry]*waiter.Queue
}

// New makes a signalfd of t.
func New(t *task.Task, mask signal.Set, flags uint32) *vfs.File {
	s := &Signalfd{mask: mask &^ signal.Unblockable, user: t}
	return vfs.NewAnonFile(s, "anon_inode:[signalfd]", linux.O_RDWR|flags&linux.O_NONBLOCK)
}

// Of returns the signalfd behind f, or nil.
func Of(f *vfs.File) *Signalfd {
	s, _ := f.Ops.(*Signalfd)
	return s
}

// SetMask replaces the signals to take.
func (s *Signalfd) SetMask(t *task.Task, mask signal.Set) {
	s.mu.Lock()
	s.mask = mask &^ signal.Unblockable
	s.mu.Unlock()
	t.ThreadGroup().SignalEvents().Notify(waiter.Readable)
}

// Bind notes that t is about to wait for f, if that is a signalfd.
func Bind(f *vfs.File, t *task.Task) {
	if s := Of(f); s != nil {
		s.bind(t)
	}
}

func (s *Signalfd) bind(t *task.Task) signal.Set {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.user = t
	return s.mask
}

// Read implements vfs.FileOps.
func (s *Signalfd) Read(c *vfs.Context, _ *vfs.File, dst []byte, _ int64) (int, error) {
	if len(dst) < infoSize {
		return 0, linux.EINVAL
	}
	t, ok := c.Caller.(*task.Task)
	if !ok {
		return 0, linux.EINVAL
	}
	mask := s.bind(t)
	n := 0
	for len(dst)-n >= infoSize {
		info, ok := t.DequeueSignal(mask)
		if !ok {
			break
		}
		marshal(dst[n:n+infoSize], &info)
		n += infoSize
	}
	if n == 0 {
		return 0, linux.EAGAIN
	}
	return n, nil
}

// marshal writes struct signalfd_siginfo (signalfd_copyinfo in fs/signalfd.c).
func marshal(b []byte, i *signal.Info) {
	clear(b)
	ne := binary.NativeEndian
	ne.PutUint32(b[0:], uint32(i.Signo))
	ne.PutUint32(b[4:], uint32(i.Errno))
	ne.PutUint32(b[8:], uint32(i.Code))
	switch {
	case i.Code == signal.SITimer:
		ne.PutUint32(b[24:], uint32(i.TimerID))
		ne.PutUint32(b[32:], uint32(i.Overrun))
		putValue(b, i.Value)
	case i.Code < 0 && i.Code != signal.SISigIO || i.Code == signal.SIUser:
		ne.PutUint32(b[12:], uint32(i.PID))
		ne.PutUint32(b[16:], i.UID)
		putValue(b, i.Value)
	case i.Code == signal.SIKernel:
	case i.Signo == signal.SIGCHLD:
		ne.PutUint32(b[12:], uint32(i.PID))
		ne.PutUint32(b[16:], i.UID)
		ne.PutUint32(b[40:], uint32(i.Status))
		ne.PutUint64(b[56:], uint64(i.UTime))
		ne.PutUint64(b[64:], uint64(i.STime))
	case i.Signo == signal.SIGIO || i.Code == signal.SISigIO:
		ne.PutUint32(b[20:], uint32(i.FD))
		ne.PutUint32(b[28:], uint32(i.Band))
	default:
		ne.PutUint64(b[72:], i.Addr)
	}
}

func putValue(b []byte, v uint64) {
	binary.NativeEndian.PutUint32(b[44:], uint32(v))
	binary.NativeEndian.PutUint64(b[48:], v)
}

// Readiness implements waiter.Waitable.
func (s *Signalfd) Readiness(mask waiter.Mask) waiter.Mask {
	s.mu.Lock()
	t, set := s.user, s.mask
	s.mu.Unlock()
	if mask&waiter.In != 0 && t.HasPending(set) {
		return waiter.In
	}
	return 0
}

// EventRegister implements waiter.Waitable.
func (s *Signalfd) EventRegister(e *waiter.Entry, mask waiter.Mask) {
	s.mu.Lock()
	q := s.user.ThreadGroup().SignalEvents()
	if s.entries == nil {
		s.entries = make(map[*waiter.Entry]*waiter.Queue)
	}
	s.entries[e] = q
	s.mu.Unlock()
	q.Register(e, mask)
}

// EventUnregister implements waiter.Waitable.
func (s *Signalfd) EventUnregister(e *waiter.Entry) {
	s.mu.Lock()
	q := s.entries[e]
	delete(s.entries, e)
	s.mu.Unlock()
	if q != nil {
		q.Unregister(e)
	}
}

// FDInfo implements vfs.FDInfo.
func (s *Signalfd) FDInfo(*vfs.File) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := strconv.FormatUint(uint64(s.mask), 16)
	return "sigmask:\t" + "0000000000000000"[:16-len(m)] + m + "\n"
}
