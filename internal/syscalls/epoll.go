package syscalls

import (
	"math"
	"sync"
	"time"

	"sentinel/internal/abi/linux"
	"sentinel/internal/epoll"
	"sentinel/internal/ktime"
	"sentinel/internal/signalfd"
	"sentinel/internal/task"
	"sentinel/internal/usermem"
	"sentinel/internal/vfs"
	"sentinel/internal/waiter"
)

// sysEpollCreate implements epoll_create(2).
func sysEpollCreate(t *task.Task, size int32) (uint64, error) {
	if size <= 0 {
		return 0, linux.EINVAL
	}
	return sysEpollCreate1(t, 0)
}

// sysEpollCreate1 implements epoll_create1(2).
func sysEpollCreate1(t *task.Task, flags uint32) (uint64, error) {
	if flags&^linux.EPOLL_CLOEXEC != 0 {
		return 0, linux.EINVAL
	}
	fd, err := t.FDs().Install(t.Kernel().Epoll().New(), flags&linux.EPOLL_CLOEXEC != 0)
	return uint64(fd), err
}

// sysEpollCtl implements epoll_ctl(2).
func sysEpollCtl(t *task.Task, epfd, op, fd int32, event uint64) (uint64, error) {
	var ev linux.EpollEvent
	if op != linux.EPOLL_CTL_DEL {
		b := t.Buffer(linux.SizeofEpollEvent)
		if _, err := t.Mem().CopyIn(event, b); err != nil {
			return 0, err
		}
		copy(usermem.AsBytes(&ev), b)
	}
	ef, err := t.FDs().Get(epfd)
	if err != nil {
		return 0, err
	}
	defer ef.DecRef()
	f, err := t.FDs().Get(fd)
	if err != nil {
		return 0, err
	}
	defer f.DecRef()
	ep := epoll.Of(ef)
	if ep == nil {
		return 0, linux.EINVAL
	}
	signalfd.Bind(f, t)
	return 0, ep.Control(op, f, fd, ev)
}

// maxEpollEvents is EP_MAX_EVENTS.
const maxEpollEvents = math.MaxInt32 / linux.SizeofEpollEvent

// epollBatch is how many events are collected without an allocation. More come
// with the next call: a ready watch stays ready.
const epollBatch = 128

var epollBuffers = sync.Pool{New: func() any { return new([epollBatch]linux.EpollEvent) }}

func epollWait(t *task.Task, epfd int32, events uint64, maxEvents int32, forever bool, timeout time.Duration) (uint64, error) {
	if maxEvents <= 0 || maxEvents > maxEpollEvents {
		return 0, linux.EINVAL
	}
	f, err := t.FDs().Get(epfd)
	if err != nil {
		return 0, err
	}
	defer f.DecRef()
	ep := epoll.Of(f)
	if ep == nil {
		return 0, linux.EINVAL
	}
	buf := epollBuffers.Get().(*[epollBatch]linux.EpollEvent)
	defer epollBuffers.Put(buf)
	evs := buf[:min(int(maxEvents), epollBatch)]
	wait := forever || timeout > 0
	n := ep.CollectNow(evs, !wait)
	if n == 0 && wait {
		var deadline time.Time
		if !forever {
			deadline = ktime.Deadline(timeout)
		}
		s := epoll.Sleeper{Instance: ep}
		err := t.BlockUntil(s, waiter.Readable, deadline, func() bool {
			n = ep.CollectNow(evs, false)
			return n > 0
		})
		s.WakeNext()
		if err != nil && err != linux.ETIMEDOUT {
			return 0, linux.EINTR // never restarted
		}
	}
	if n > 0 {
		return uint64(n), usermem.CopyOutSliceLast(t.Mem(), events, evs[:n])
	}
	return 0, nil
}

// sysEpollWait implements epoll_wait(2).
func sysEpollWait(t *task.Task, epfd int32, events uint64, maxEvents, timeout int32) (uint64, error) {
	return epollWait(t, epfd, events, maxEvents, timeout < 0, time.Duration(timeout)*time.Millisecond)
}

// tempMask installs the signal mask at addr for this call, if there is one
// (set_user_sigmask in kernel/signal.c).
func tempMask(t *task.Task, addr, size uint64) error {
	if addr == 0 {
		return nil
	}
	m, err := copyInSigset(t, addr, size)
	if err != nil {
		return err
	}
	t.SetTempSignalMask(m)
	return nil
}

// sysEpollPwait implements epoll_pwait(2).
func sysEpollPwait(t *task.Task, epfd int32, events uint64, maxEvents, timeout int32, mask, size uint64) (uint64, error) {
	if err := tempMask(t, mask, size); err != nil {
		return 0, err
	}
	return sysEpollWait(t, epfd, events, maxEvents, timeout)
}

// sysEpollPwait2 implements epoll_pwait2(2).
func sysEpollPwait2(t *task.Task, epfd int32, events uint64, maxEvents int32, timeout, mask, size uint64) (uint64, error) {
	var d time.Duration
	if timeout != 0 {
		var err error
		if d, err = copyInTimespec(t, timeout); err != nil {
			return 0, err
		}
	}
	if err := tempMask(t, mask, size); err != nil {
		return 0, err
	}
	return epollWait(t, epfd, events, maxEvents, timeout == 0, d)
}

// copyInTimespec reads a relative time.
func copyInTimespec(t *task.Task, addr uint64) (time.Duration, error) {
	var ts linux.Timespec
	if err := usermem.CopyInObject(t.Mem(), addr, &ts); err != nil {
		return 0, err
	}
	return ktime.Duration(ts)
}

// pollSet waits for several files at once.
type pollSet struct {
	files   []*vfs.File // nil where there is none
	masks   []waiter.Mask
	entries []waiter.Entry
}

// Readiness implements waiter.Waitable; nobody asks.
func (p *pollSet) Readiness(waiter.Mask) waiter.Mask { return 0 }

// EventRegister implements waiter.Waitable.
func (p *pollSet) EventRegister(e *waiter.Entry, _ waiter.Mask) {
	p.entries = make([]waiter.Entry, len(p.files))
	for i, f := range p.files {
		if f != nil {
			p.entries[i].Notify, p.entries[i].Wake = e.Notify, e.Wake
			f.EventRegister(&p.entries[i], p.masks[i])
		}
	}
}

// EventUnregister implements waiter.Waitable.
func (p *pollSet) EventUnregister(*waiter.Entry) {
	for i, f := range p.files {
		if f != nil {
			f.EventUnregister(&p.entries[i])
		}
	}
}

// waitable is what to wait for: of a single file, it itself, which may have a
// better way.
func (p *pollSet) waitable() (waiter.Waitable, waiter.Mask) {
	switch {
	case len(p.files) == 0:
		return nil, 0
	case len(p.files) == 1 && p.files[0] != nil:
		return p.files[0], p.masks[0]
	}
	return p, waiter.All
}

func (p *pollSet) release() {
	for _, f := range p.files {
		if f != nil {
			f.DecRef()
		}
	}
}
