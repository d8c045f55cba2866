package vfs

import (
	"math/bits"
	"sync"
	"sync/atomic"

	"sentinel/internal/abi/linux"
)

// FDTable maps descriptors to descriptions (files_struct). Tasks made with
// CLONE_FILES share one.
type FDTable struct {
	extraUsers atomic.Int32 // beyond the first; see users.go
	vfs        *VFS
	limit      func() uint64 // RLIMIT_NOFILE

	// slots is read without mu: Get is on the path of every call with a
	// descriptor. A slot changes only under mu; the array is replaced when it
	// grows.
	slots atomic.Pointer[[]atomic.Pointer[File]]

	mu      sync.Mutex
	cloexec []uint64 // bit sets, as long as slots
	used    []uint64
	next    int // no free descriptor below
}

// maxFDs is the ceiling on any table (sysctl_nr_open).
const maxFDs = 1 << 20

// NewFDTable returns an empty table for a process in v. limit gives RLIMIT_NOFILE;
// nil is 1024.
func NewFDTable(v *VFS, limit func() uint64) *FDTable {
	t := &FDTable{vfs: v, limit: limit}
	slots := make([]atomic.Pointer[File], 64)
	t.slots.Store(&slots)
	t.cloexec, t.used = make([]uint64, 1), make([]uint64, 1)
	return t
}

// SetLimit replaces the limit.
func (t *FDTable) SetLimit(limit func() uint64) {
	t.mu.Lock()
	t.limit = limit
	t.mu.Unlock()
}

func (t *FDTable) max() int {
	if t.limit == nil {
		return 1024
	}
	return int(min(t.limit(), maxFDs))
}

// Get returns the description of fd with a reference that the caller drops.
// One made with O_PATH is linux.EBADF.
func (t *FDTable) Get(fd int32) (*File, error) {
	f, err := t.GetAny(fd)
	if err == nil && f.Flags()&linux.O_PATH != 0 {
		f.DecRef()
		return nil, linux.EBADF
	}
	return f, err
}

// GetAny is Get for descriptions made with O_PATH too.
func (t *FDTable) GetAny(fd int32) (*File, error) {
	for {
		slots := *t.slots.Load()
		if fd < 0 || int(fd) >= len(slots) {
			return nil, linux.EBADF
		}
		f := slots[fd].Load()
		if f == nil {
			return nil, linux.EBADF
		}
		if f.TryIncRef() {
			return f, nil
		}
	}
}

// grow makes room for fd. mu is held.
func (t *FDTable) grow(fd int) {
	old := *t.slots.Load()
	if fd < len(old) {
		return
	}
	n := len(old)
	for n <= fd {
		n *= 2
	}
	slots := make([]atomic.Pointer[File], n)
	for i := range old {
		slots[i].Store(old[i].Load())
	}
	for len(t.used)*64 < n {
		t.used, t.cloexec = append(t.used, 0), append(t.cloexec, 0)
	}
	t.slots.Store(&slots)
}

// free returns the lowest free descriptor from lo on. mu is held.
func (t *FDTable) free(lo int) int {
	for w := lo / 64; w < len(t.used); w++ {
		v := t.used[w]
		if w == lo/64 {
			v |= 1<<(lo%64) - 1
		}
		if v != ^uint64(0) {
			return w*64 + bits.TrailingZeros64(^v)
		}
	}
	return max(lo, len(t.used)*64)
}

func setBit(s []uint64, n int, on bool) {
	if on {
		s[n/64] |= 1 << (n % 64)
	} else {
		s[n/64] &^= 1 << (n % 64)
	}
}

// set fills a slot. mu is held.
func (t *FDTable) set(fd int, f *File, cloexec bool) {
	if l := f.Path.Dentry.loose; l != nil && l.vfs.Load() == nil {
		l.vfs.Store(t.vfs)
	}
	t.grow(fd)
	(*t.slots.Load())[fd].Store(f)
	setBit(t.used, fd, true)
	setBit(t.cloexec, fd, cloexec)
}

// take empties a slot and returns what was there. mu is held.
func (t *FDTable) take(fd int) *File {
	slots := *t.slots.Load()
	if fd < 0 || fd >= len(slots) {
		return nil
	}
	f := slots[fd].Swap(nil)
	if f != nil {
		setBit(t.used, fd, false)
		setBit(t.cloexec, fd, false)
		t.next = min(t.next, fd)
	}
	return f
}

// Install puts f at the lowest free descriptor. It takes over the caller's
// reference, also on error: linux.EMFILE at the limit.
func (t *FDTable) Install(f *File, cloexec bool) (int32, error) {
	return t.InstallFrom(0, f, cloexec)
}

// InstallFrom is Install for descriptors of at least lo (F_DUPFD); linux.EINVAL
// if that is beyond the limit.
func (t *FDTable) InstallFrom(lo int32, f *File, cloexec bool) (int32, error) {
	t.mu.Lock()
	limit := t.max()
	if lo < 0 || lo > 0 && int(lo) >= limit {
		t.mu.Unlock()
		f.DecRef()
		return -1, linux.EINVAL
	}
	fd := t.free(max(int(lo), t.next))
	if fd >= limit {
		t.mu.Unlock()
		f.DecRef()
		return -1, linux.EMFILE
	}
	t.set(fd, f, cloexec)
	if int(lo) <= t.next {
		t.next = fd + 1
	}
	t.mu.Unlock()
	return int32(fd), nil
}

// InstallAt puts f at fd (dup2) and closes what was there. It takes over the
// caller's reference, also on error: linux.EBADF beyond the limit.
func (t *FDTable) InstallAt(fd int32, f *File, cloexec bool) error {
	t.mu.Lock()
	if fd < 0 || int(fd) >= t.max() {
		t.mu.Unlock()
		f.DecRef()
		return linux.EBADF
	}
	old := t.take(int(fd))
	t.set(int(fd), f, cloexec)
	t.mu.Unlock()
	if old != nil {
		t.closed(&Context{FDs: t}, old)
	}
	return nil
}

// closed does what close(2) does with a description that left the table
// (filp_close).
func (t *FDTable) closed(c *Context, f *File) error {
	var err error
	if f.Flags()&linux.O_PATH == 0 {
		if cl, ok := f.Ops.(Closer); ok {
			err = cl.Flush(c, f)
		}
		dropPosix(f, t)
	}
	f.DecRef()
	return err
}

// Close implements close(2).
func (t *FDTable) Close(c *Context, fd int32) error {
	t.mu.Lock()
	f := t.take(int(fd))
	t.mu.Unlock()
	if f == nil {
		return linux.EBADF
	}
	return t.closed(c, f)
}

// CloseRange closes the descriptors first to last.
func (t *FDTable) CloseRange(c *Context, first, last uint32) {
	for _, f := range t.takeRange(first, last, false) {
		t.closed(c, f)
	}
}

func (t *FDTable) takeRange(first, last uint32, cloexecOnly bool) []*File {
	t.mu.Lock()
	defer t.mu.Unlock()
	set := t.used
	if cloexecOnly {
		set = t.cloexec
	}
	var files []*File
	for w := int(first / 64); w < len(set); w++ {
		for v := set[w]; v != 0; v &= v - 1 {
			fd := w*64 + bits.TrailingZeros64(v)
			if fd < int(first) || fd > int(last) {
				continue
			}
			if f := t.take(fd); f != nil {
				files = append(files, f)
			}
		}
	}
	return files
}

// CloexecRange marks the descriptors first to last (CLOSE_RANGE_CLOEXEC).
func (t *FDTable) CloexecRange(first, last uint32) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for w := int(first / 64); w < len(t.used); w++ {
		for v := t.used[w]; v != 0; v &= v - 1 {
			if fd := w*64 + bits.TrailingZeros64(v); fd >= int(first) && fd <= int(last) {
				setBit(t.cloexec, fd, true)
			}
		}
	}
}

// CloseOnExec closes what is marked so.
func (t *FDTable) CloseOnExec(c *Context) {
	for _, f := range t.takeRange(0, ^uint32(0), true) {
		t.closed(c, f)
	}
}

// SetCloexec sets or clears FD_CLOEXEC.
func (t *FDTable) SetCloexec(fd int32, on bool) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.has(fd) {
		return linux.EBADF
	}
	setBit(t.cloexec, int(fd), on)
	return nil
}

// Cloexec returns FD_CLOEXEC.
func (t *FDTable) Cloexec(fd int32) (bool, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.has(fd) {
		return false, linux.EBADF
	}
	return t.cloexec[fd/64]>>(fd%64)&1 != 0, nil
}

func (t *FDTable) has(fd int32) bool {
	return fd >= 0 && int(fd) < len(t.used)*64 && t.used[fd/64]>>(fd%64)&1 != 0
}

// Fork returns a copy, as fork(2) makes.
func (t *FDTable) Fork() *FDTable { return t.ForkUpTo(^uint32(0)) }

// ForkUpTo is Fork of the descriptors below max only (close_range with
// CLOSE_RANGE_UNSHARE).
func (t *FDTable) ForkUpTo(max uint32) *FDTable {
	n := NewFDTable(t.vfs, nil)
	t.mu.Lock()
	defer t.mu.Unlock()
	n.limit = t.limit
	t.each(func(fd int, f *File, cloexec bool) {
		if uint32(fd) < max {
			f.IncRef()
			n.set(fd, f, cloexec)
		}
	})
	n.next = 0
	return n
}

func (t *FDTable) each(fn func(fd int, f *File, cloexec bool)) {
	slots := *t.slots.Load()
	for w, v := range t.used {
		for ; v != 0; v &= v - 1 {
			fd := w*64 + bits.TrailingZeros64(v)
			fn(fd, slots[fd].Load(), t.cloexec[w]>>(fd%64)&1 != 0)
		}
	}
}

// Each calls fn for all descriptors in order. Files are good for the call
// only, which must not use the table.
func (t *FDTable) Each(fn func(fd int32, f *File, cloexec bool)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.each(func(fd int, f *File, cloexec bool) { fn(int32(fd), f, cloexec) })
}

// Size returns how many descriptors the table has room for (FDSize in
// /proc/PID/status).
func (t *FDTable) Size() int { return len(*t.slots.Load()) }

// Release closes everything: the last user is gone.
func (t *FDTable) Release(c *Context) { t.CloseRange(c, 0, ^uint32(0)) }
