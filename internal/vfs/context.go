package vfs

import (
	"sync"
	"sync/atomic"

	"sentinel/internal/abi/linux"
	"sentinel/internal/cred"
)

const (
	nameMax = 255
	pathMax = 4096 // with the NUL
)

// FSContext is a task's root, current directory and umask (fs_struct). Tasks
// made with CLONE_FS share one.
type FSContext struct {
	extraUsers atomic.Int32 // beyond the first; see users.go
	mu         sync.RWMutex
	root, cwd  Path
	umask      uint32
}

// NewFSContext returns a context with the given values.
func NewFSContext(root, cwd Path, umask uint32) *FSContext {
	return &FSContext{root: root, cwd: cwd, umask: umask & 0o777}
}

// Root returns the root directory.
func (f *FSContext) Root() Path {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.root
}

// Cwd returns the current directory.
func (f *FSContext) Cwd() Path {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.cwd
}

// SetRoot sets the root directory.
func (f *FSContext) SetRoot(p Path) {
	f.mu.Lock()
	f.root = p
	f.mu.Unlock()
}

// SetCwd sets the current directory.
func (f *FSContext) SetCwd(p Path) {
	f.mu.Lock()
	f.cwd = p
	f.mu.Unlock()
}

// Umask returns the file mode creation mask.
func (f *FSContext) Umask() uint32 {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.umask
}

// SetUmask sets the mask and returns the old one.
func (f *FSContext) SetUmask(m uint32) uint32 {
	f.mu.Lock()
	defer f.mu.Unlock()
	old := f.umask
	f.umask = m & 0o777
	return old
}

// Fork returns a copy.
func (f *FSContext) Fork() *FSContext {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return &FSContext{root: f.root, cwd: f.cwd, umask: f.umask}
}

// At returns where a walk of path begins for the descriptor argument of an
// at-call: the zero Path, which is the current directory, for AT_FDCWD and
// for absolute paths.
func (c *Context) At(dirfd int32, path string) (Path, error) {
	if dirfd == linux.AT_FDCWD || path != "" && path[0] == '/' {
		return Path{}, nil
	}
	f, err := c.FDs.GetAny(dirfd)
	if err != nil {
		return Path{}, err
	}
	p := f.Path
	f.DecRef()
	return p, nil
}

// VFS returns that of the caller's kernel, or nil if there is no caller.
func (c *Context) VFS() *VFS {
	if c == nil || c.FDs == nil {
		return nil
	}
	return c.FDs.vfs
}

// capable reports whether the caller has the capability. The kernel itself,
// which has no credentials, has all.
func (c *Context) capable(n uint) bool {
	return c == nil || c.Cred == nil || c.Cred.Has(n)
}

// ids returns the caller's file-system user and group.
func (c *Context) ids() (uid, gid uint32) {
	if c == nil || c.Cred == nil {
		return 0, 0
	}
	return c.Cred.FSUID, c.Cred.FSGID
}

func (c *Context) cred() *cred.Cred {
	if c == nil {
		return nil
	}
	return c.Cred
}

func (c *Context) umask() uint32 {
	if c == nil || c.FS == nil {
		return 0
	}
	return c.FS.Umask()
}

func (c *Context) inGroup(gid uint32) bool {
	return c == nil || c.Cred == nil || c.Cred.InGroup(gid)
}
