package vfs

import (
	"sync"
	"sync/atomic"

	"sentinel/internal/abi/linux"
	"sentinel/internal/waiter"
)

// File is an open file description. It is reference counted: descriptors,
// messages in flight and mappings hold one each.
type File struct {
	Ops  FileOps
	Path Path  // where it was opened
	Ino  Inode // of Path, or an anonymous one
	// Name is what /proc/PID/fd shows for files without a path, such as
	// "anon_inode:[eventfd]" or "pipe:[12]".
	Name string

	refs  atomic.Int64
	flags atomic.Uint32 // open(2) flags without creation ones

	// Locks that this description may hold (flock, OFD), so that closing
	// knows to drop them.
	mayLock atomic.Bool

	posMu sync.Mutex // held over reads and writes that use pos, as f_pos_lock
	pos   int64

	// OnRelease, when set before the file is shared, runs after Ops.Release.
	OnRelease func()

	mu       sync.Mutex // guards what follows, but hold
	hooks    map[*ReleaseHook]struct{}
	owner    int32 // F_SETOWN
	ownerSig int16 // F_SETSIG

	hold int8 // what it counts for in Path.Dentry.writers
}

// ReleaseHook is told that a description is about to go (epoll watches are
// weak references). Fn runs before Ops.Release and without locks of vfs.
type ReleaseHook struct{ Fn func() }

// AddReleaseHook registers h. The caller holds a reference.
func (f *File) AddReleaseHook(h *ReleaseHook) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.hooks == nil {
		f.hooks = make(map[*ReleaseHook]struct{}, 1)
	}
	f.hooks[h] = struct{}{}
}

// RemoveReleaseHook undoes AddReleaseHook. The hook may be running already.
func (f *File) RemoveReleaseHook(h *ReleaseHook) {
	f.mu.Lock()
	delete(f.hooks, h)
	f.mu.Unlock()
}

func (f *File) runHooks() {
	f.mu.Lock()
	hooks := f.hooks
	f.hooks = nil
	f.mu.Unlock()
	for h := range hooks {
		h.Fn()
	}
}

// NewFile returns a description with one reference. A zero path makes it one
// that no path leads to.
func NewFile(ops FileOps, path Path, ino Inode, flags uint32) *File {
	f := &File{Ops: ops, Path: path, Ino: ino}
	if path.Dentry == nil {
		f.Path = Path{anonMount, newAnonDentry("", ino)}
		f.Path.Dentry.loose.origin = f
	} else if l := path.Dentry.loose; l != nil && l.origin != nil {
		f.Name = l.origin.Name
	}
	f.Path.Mount.files.Add(1)
	f.Path.Dentry.opens.Add(1)
	f.refs.Store(1)
	f.flags.Store(flags &^ (linux.O_CREAT | linux.O_EXCL | linux.O_NOCTTY | linux.O_TRUNC | linux.O_CLOEXEC))
	return f
}

// NewAnonFile returns a description of an object without a path. name is as
// /proc/PID/fd shows it.
func NewAnonFile(ops FileOps, name string, flags uint32) *File {
	f := NewFile(ops, Path{}, theAnonInode(), flags)
	f.Name = name
	return f
}

// IncRef adds a reference.
func (f *File) IncRef() { f.refs.Add(1) }

// Refs returns the number of references. It may be stale unless the caller
// knows that nobody else holds one.
func (f *File) Refs() int64 { return f.refs.Load() }

// TryIncRef adds a reference unless the last one is gone.
func (f *File) TryIncRef() bool {
	for {
		n := f.refs.Load()
		if n <= 0 {
			return false
		}
		if f.refs.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// DecRef drops a reference and releases the object with the last one.
func (f *File) DecRef() {
	switch n := f.refs.Add(-1); {
	case n > 0:
		return
	case n < 0:
		panic("vfs: File reference count below zero")
	}
	f.runHooks()
	f.notifyClose()
	f.releaseLocks()
	f.Ops.Release(f)
	f.releasePath()
	if f.OnRelease != nil {
		f.OnRelease()
	}
}

// Flags returns the open(2) flags.
func (f *File) Flags() uint32 { return f.flags.Load() }

// StoreFlags replaces the flags that F_SETFL may change.
func (f *File) StoreFlags(flags uint32) { f.flags.Store(flags) }

// SetPos sets the position of a description that nobody else has yet, such as
// one of a descriptor that the caller of the sandbox had used before.
func (f *File) SetPos(pos int64) { f.pos = pos }

// Readable and Writable tell by access mode.
func (f *File) Readable() bool {
	m := f.Flags()
	return m&linux.O_PATH == 0 && (m+1)&1 != 0
}

// Writable reports whether the description was opened for writing.
func (f *File) Writable() bool {
	m := f.Flags()
	return m&linux.O_PATH == 0 && (m+1)&2 != 0
}

// NonBlocking reports whether O_NONBLOCK is set.
func (f *File) NonBlocking() bool { return f.Flags()&linux.O_NONBLOCK != 0 }

// Readiness implements waiter.Waitable.
func (f *File) Readiness(mask waiter.Mask) waiter.Mask { return f.Ops.Readiness(mask) }

// EventRegister implements waiter.Waitable.
func (f *File) EventRegister(e *waiter.Entry, mask waiter.Mask) { f.Ops.EventRegister(e, mask) }

// EventUnregister implements waiter.Waitable.
func (f *File) EventUnregister(e *waiter.Entry) { f.Ops.EventUnregister(e) }

// HostWait implements waiter.HostWaitable.
func (f *File) HostWait() (fd int, all bool) {
	if h, ok := f.Ops.(waiter.HostWaitable); ok {
		return h.HostWait()
	}
	return -1, false
}
