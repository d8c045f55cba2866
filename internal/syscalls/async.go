package syscalls

import (
	"encoding/binary"
	"sync"
	"sync/atomic"

	"sentinel/internal/abi/linux"
	"sentinel/internal/cred"
	"sentinel/internal/signal"
	"sentinel/internal/task"
	"sentinel/internal/vfs"
	"sentinel/internal/waiter"
)

// Signal-driven I/O (O_ASYNC): struct fasync_struct and fown_struct.

type asyncKey struct{}

// asyncFiles are the descriptions with O_ASYNC.
type asyncFiles struct {
	mu sync.Mutex
	m  map[*vfs.File]*asyncFile
}

type asyncFile struct {
	k     *task.Kernel
	f     *vfs.File
	fd    int32
	cred  *cred.Cred // of who asked for it
	entry waiter.Entry
	hook  vfs.ReleaseHook

	pending atomic.Uint32 // events not yet told of
}

// setAsync brings the registration of f up to date with its O_ASYNC.
func setAsync(t *task.Task, f *vfs.File, fd int32) {
	s := t.Kernel().Ext(asyncKey{}, func() any { return &asyncFiles{m: map[*vfs.File]*asyncFile{}} }).(*asyncFiles)
	on := f.Flags()&linux.O_ASYNC != 0 && f.Stream()
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.m[f]
	if (old != nil) == on {
		return
	}
	if old != nil {
		delete(s.m, f)
		f.RemoveReleaseHook(&old.hook)
		f.EventUnregister(&old.entry)
		return
	}
	a := &asyncFile{k: t.Kernel(), f: f, fd: fd, cred: t.Cred()}
	a.entry.Notify = a.event
	a.hook.Fn = func() {
		s.mu.Lock()
		delete(s.m, f)
		s.mu.Unlock()
		f.EventUnregister(&a.entry)
	}
	s.m[f] = a
	f.AddReleaseHook(&a.hook)
	f.EventRegister(&a.entry, waiter.All)
}

// event runs with a waiter queue locked, so the signal, which takes the
// kernel's lock, is sent by another goroutine.
func (a *asyncFile) event(m waiter.Mask) {
	if a.pending.Or(uint32(m)) == 0 {
		go func() { a.signal(waiter.Mask(a.pending.Swap(0))) }()
	}
}

// Reasons for SIGIO and the events of each (fs/fcntl.c, band_table).
var asyncReasons = [...]struct {
	event waiter.Mask
	code  int32
	band  waiter.Mask
}{
	{waiter.In, 1, waiter.In | waiter.RdNorm},
	{waiter.Out, 2, waiter.Out | waiter.WrNorm | waiter.WrBand},
	{waiter.Err, 4, waiter.Err},
	{waiter.Pri, 5, waiter.Pri | waiter.RdBand},
	{waiter.Hup, 6, waiter.Hup | waiter.Err},
}

// signal tells the owner (send_sigio).
func (a *asyncFile) signal(m waiter.Mask) {
	sig := a.f.OwnerSignal()
	for _, r := range &asyncReasons {
		if m&r.event == 0 {
			continue
		}
		info := signal.Info{Signo: signal.SIGIO, Code: signal.SIKernel}
		if sig != 0 {
			info = signal.Info{Signo: sig, Code: r.code, HasRaw: true}
			binary.NativeEndian.PutUint64(info.Raw[:], uint64(r.band))
			binary.NativeEndian.PutUint32(info.Raw[8:], uint32(a.fd))
		}
		a.send(info)
		if sig == 0 {
			return // the next would be merged with it
		}
	}
}

func (a *asyncFile) send(info signal.Info) {
	switch id := a.f.Owner(); {
	case id > 0:
		if g := a.k.ThreadGroup(id); g != nil {
			if a.may(g.Leader()) {
				_ = g.SendInfo(info)
			}
		} else if x := a.k.Task(id); a.may(x) {
			_ = x.SendInfo(info)
		}
	case id < 0:
		for _, g := range a.k.ThreadGroups() {
			if pgid, _ := g.IDs(); pgid == -id && a.may(g.Leader()) {
				_ = g.SendInfo(info)
			}
		}
	}
}

// may is sigio_perm.
func (a *asyncFile) may(x *task.Task) bool {
	if x == nil {
		return false
	}
	c, o := x.Cred(), a.cred
	return o.EUID == 0 || o.EUID == c.SUID || o.EUID == c.UID || o.UID == c.SUID || o.UID == c.UID
}
