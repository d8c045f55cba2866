// Package eventfd implements eventfd(2).
//
// Lock order:
//
//	epoll.Instance.mtx, vfs.File.posMu > Eventfd.mu
package eventfd

import (
	"encoding/binary"
	"math"
	"strconv"
	"sync"

	"sentinel/internal/abi/linux"
	"sentinel/internal/vfs"
	"sentinel/internal/waiter"
)

// Eventfd is a counter that can be waited for.
type Eventfd struct {
	vfs.NoFile
	semaphore bool

	mu    sync.Mutex
	count uint64

	q waiter.Queue
}

// New makes an eventfd. flags are those of eventfd2(2), already checked.
func New(initial uint32, flags uint32) *vfs.File {
	e := &Eventfd{count: uint64(initial), semaphore: flags&linux.EFD_SEMAPHORE != 0}
	return vfs.NewAnonFile(e, "anon_inode:[eventfd]", linux.O_RDWR|flags&linux.O_NONBLOCK)
}

// Of returns the eventfd behind f, or nil.
func Of(f *vfs.File) *Eventfd {
	e, _ := f.Ops.(*Eventfd)
	return e
}

// Read implements vfs.FileOps.
func (e *Eventfd) Read(_ *vfs.Context, _ *vfs.File, dst []byte, _ int64) (int, error) {
	if len(dst) < 8 {
		return 0, linux.EINVAL
	}
	e.mu.Lock()
	v := e.count
	if v == 0 {
		e.mu.Unlock()
		return 0, linux.EAGAIN
	}
	if e.semaphore {
		v = 1
	}
	e.count -= v
	e.mu.Unlock()
	e.q.Notify(waiter.Writable)
	binary.NativeEndian.PutUint64(dst, v)
	return 8, nil
}

// Write implements vfs.FileOps.
func (e *Eventfd) Write(_ *vfs.Context, _ *vfs.File, src []byte, _ int64) (int, error) {
	if len(src) < 8 {
		return 0, linux.EINVAL
	}
	v := binary.NativeEndian.Uint64(src)
	if v == math.MaxUint64 {
		return 0, linux.EINVAL
	}
	e.mu.Lock()
	if math.MaxUint64-e.count <= v {
		e.mu.Unlock()
		return 0, linux.EAGAIN
	}
	e.count += v
	e.mu.Unlock()
	e.q.Notify(waiter.Readable)
	return 8, nil
}

// Signal adds one, saturating, on behalf of the kernel (eventfd_signal).
func (e *Eventfd) Signal() {
	e.mu.Lock()
	if e.count < math.MaxUint64 {
		e.count++
	}
	e.mu.Unlock()
	e.q.Notify(waiter.Readable)
}

// Readiness implements waiter.Waitable, as eventfd_poll.
func (e *Eventfd) Readiness(mask waiter.Mask) waiter.Mask {
	e.mu.Lock()
	defer e.mu.Unlock()
	var m waiter.Mask
	if e.count > 0 {
		m |= waiter.In
	}
	if e.count == math.MaxUint64 {
		m |= waiter.Err
	}
	if e.count < math.MaxUint64-1 {
		m |= waiter.Out
	}
	return m & (mask | waiter.Err)
}

// EventRegister implements waiter.Waitable.
func (e *Eventfd) EventRegister(w *waiter.Entry, mask waiter.Mask) { e.q.Register(w, mask) }

// EventUnregister implements waiter.Waitable.
func (e *Eventfd) EventUnregister(w *waiter.Entry) { e.q.Unregister(w) }

// Seek implements vfs.Seekable: the position is always 0 (noop_llseek).
func (e *Eventfd) Seek(*vfs.Context, *vfs.File, int64, int64, int) (int64, error) {
	return 0, nil
}

// FDInfo implements vfs.FDInfo.
func (e *Eventfd) FDInfo(*vfs.File) string {
	e.mu.Lock()
	defer e.mu.Unlock()
	n := strconv.FormatUint(e.count, 16)
	s := "eventfd-count: " + "                "[:16-len(n)] + n + "\neventfd-semaphore: "
	if e.semaphore {
		return s + "1\n"
	}
	return s + "0\n"
}
