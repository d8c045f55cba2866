package vfs

import (
	"strconv"
	"sync"
	"sync/atomic"

	"sentinel/internal/abi/linux"
)

// Flags of a Mount, as those of mount(2).
const mountFlags = linux.MS_RDONLY | linux.MS_NOSUID | linux.MS_NODEV | linux.MS_NOEXEC |
	linux.MS_NOATIME | linux.MS_NODIRATIME | linux.MS_RELATIME | linux.MS_NOSYMFOLLOW

// VFS is the mount tree of one sandbox.
type VFS struct {
	root *Mount

	// renameMu is held for writing while a directory changes its parent or
	// any dentry its name.
	renameMu  sync.RWMutex
	renameSeq atomic.Uint64

	mountMu  sync.RWMutex
	mounts   map[mountPoint]*Mount
	supers   map[FileSystem]*Dentry // roots
	lastID   int
	mountSeq atomic.Uint64

	recent clock
	states stateTable

	inodes atomic.Uint64 // numbers given out by NewIno
}

// NewIno returns the next number for an object of a file system that no mount
// shows, such as a pipe or a socket (get_next_ino). Without a VFS it is 0.
func (v *VFS) NewIno() uint64 {
	if v == nil {
		return 0
	}
	return v.inodes.Add(1) + 1<<12
}

type mountPoint struct {
	mount  *Mount
	dentry *Dentry
}

// Mount is one file system, or a part of it, in the tree.
type Mount struct {
	vfs    *VFS
	fs     FileSystem
	root   *Dentry
	id     int
	source string
	data   string
	flags  atomic.Uint64
	files  atomic.Int64 // open descriptions

	// Guarded by VFS.mountMu.
	parent   *Mount
	point    *Dentry
	children []*Mount
	detached bool
}

// MountOptions say how a file system is mounted.
type MountOptions struct {
	Source string // the first field of /proc/mounts; the type if empty
	Data   string // options of the file system, for /proc/mounts
	Flags  uint64 // linux.MS_*
}

// New returns a tree with root mounted at its root.
func New(root FileSystem) *VFS { return NewRoot(root, MountOptions{}) }

// NewRoot is New with options.
func NewRoot(root FileSystem, o MountOptions) *VFS {
	v := &VFS{mounts: make(map[mountPoint]*Mount), supers: make(map[FileSystem]*Dentry)}
	v.recent.limit = maxRecent
	d, err := v.super(root)
	if err != nil {
		// The composition root has opened it: it has attributes.
		panic("vfs: root file system: " + err.Error())
	}
	v.root = v.newMount(root, d, o)
	return v
}

// Root returns the root of the tree.
func (v *VFS) Root() Path { return v.cover(Path{v.root, v.root.root}) }

// super returns the root dentry of fs, which all its mounts share.
func (v *VFS) super(fs FileSystem) (*Dentry, error) {
	if d := v.supers[fs]; d != nil {
		return d, nil
	}
	d, err := newRoot(v, fs.Root())
	if err != nil {
		return nil, err
	}
	v.supers[fs] = d
	return d, nil
}

func (v *VFS) newMount(fs FileSystem, root *Dentry, o MountOptions) *Mount {
	v.lastID++
	m := &Mount{vfs: v, fs: fs, root: root, id: v.lastID, source: o.Source, data: o.Data}
	if m.source == "" {
		m.source = fs.Name()
	}
	m.flags.Store(o.Flags & mountFlags)
	return m
}

// ID returns the number that mountinfo shows.
func (m *Mount) ID() int { return m.id }

// Flags returns the linux.MS_* flags.
func (m *Mount) Flags() uint64 { return m.flags.Load() }

// FileSystem returns what is mounted.
func (m *Mount) FileSystem() FileSystem { return m.fs }

// Root returns the top of the mount.
func (m *Mount) Root() Path { return Path{m, m.root} }

// ReadOnly reports whether the mount is.
func (m *Mount) ReadOnly() bool { return m.flags.Load()&linux.MS_RDONLY != 0 }

// NoExec reports whether files of the mount cannot be executed.
func (m *Mount) NoExec() bool { return m.flags.Load()&linux.MS_NOEXEC != 0 }

// NoSuid reports whether set-id bits have no effect.
func (m *Mount) NoSuid() bool { return m.flags.Load()&linux.MS_NOSUID != 0 }

// NoDev reports whether device nodes cannot be opened.
func (m *Mount) NoDev() bool { return m.flags.Load()&linux.MS_NODEV != 0 }

// cover follows mounts on p down to the topmost.
func (v *VFS) cover(p Path) Path {
	for p.Dentry.mounted.Load() != 0 {
		v.mountMu.RLock()
		m := v.mounts[mountPoint{p.Mount, p.Dentry}]
		v.mountMu.RUnlock()
		if m == nil {
			break
		}
		p = Path{m, m.root}
	}
	return p
}

// above returns where m is mounted; a zero path for a root.
func (v *VFS) above(m *Mount) Path {
	v.mountMu.RLock()
	defer v.mountMu.RUnlock()
	return Path{m.parent, m.point}
}

// attach puts m on p, which is covered already. mountMu is held.
func (v *VFS) attach(m *Mount, p Path) {
	p.Dentry.pin()
	m.parent, m.point = p.Mount, p.Dentry
	v.mounts[mountPoint{p.Mount, p.Dentry}] = m
	p.Dentry.mounted.Add(1)
	p.Mount.children = append(p.Mount.children, m)
	v.mountSeq.Add(1)
}

// top is cover with mountMu held.
func (v *VFS) top(p Path) Path {
	for {
		m := v.mounts[mountPoint{p.Mount, p.Dentry}]
		if m == nil {
			return p
		}
		p = Path{m, m.root}
	}
}

func (v *VFS) mount(p Path, m *Mount) error {
	if p.Dentry.dead.Load() {
		return linux.ENOENT
	}
	if p.Dentry.isDir() != m.root.isDir() {
		return linux.ENOTDIR
	}
	if p.Mount.detached || p.Mount.vfs == nil {
		return linux.EINVAL
	}
	v.attach(m, v.top(p))
	return nil
}

// Mount mounts fs on p.
func (v *VFS) Mount(p Path, fs FileSystem, o MountOptions) (*Mount, error) {
	v.mountMu.Lock()
	defer v.mountMu.Unlock()
	root, err := v.super(fs)
	if err != nil {
		return nil, err
	}
	m := v.newMount(fs, root, o)
	if err := v.mount(p, m); err != nil {
		return nil, err
	}
	return m, nil
}

// MountAt mounts fs on an absolute path, with the kernel's own rights.
func (v *VFS) MountAt(path string, fs FileSystem, o MountOptions) (*Mount, error) {
	p, err := v.Lookup(&Context{}, Path{}, path, 0)
	if err != nil {
		return nil, err
	}
	return v.Mount(p, fs, o)
}

// Bind mounts the tree at src, without the mounts in it, on dst.
func (v *VFS) Bind(src, dst Path, flags uint64) (*Mount, error) {
	v.mountMu.Lock()
	defer v.mountMu.Unlock()
	if src.Mount.vfs == nil {
		return nil, linux.EINVAL
	}
	m := v.newMount(src.Mount.fs, src.Dentry, MountOptions{Source: src.Mount.source, Data: src.Mount.data, Flags: flags})
	if err := v.mount(dst, m); err != nil {
		return nil, err
	}
	return m, nil
}

// Remount changes the flags of m.
func (v *VFS) Remount(m *Mount, flags uint64) { m.flags.Store(flags & mountFlags) }

// Unmount takes away the mount whose top p is: linux.EBUSY if it is in use,
// unless lazy.
func (v *VFS) Unmount(p Path, lazy bool) error {
	v.mountMu.Lock()
	m := p.Mount
	if m.root != p.Dentry || m.parent == nil || m.detached {
		v.mountMu.Unlock()
		return linux.EINVAL
	}
	if !lazy && (len(m.children) > 0 || m.files.Load() > 0) {
		v.mountMu.Unlock()
		return linux.EBUSY
	}
	v.detach(m)
	v.mountMu.Unlock()
	v.notifyUnmount(m)
	return nil
}

func (v *VFS) detach(m *Mount) {
	for len(m.children) > 0 {
		v.detach(m.children[len(m.children)-1])
	}
	delete(v.mounts, mountPoint{m.parent, m.point})
	m.point.mounted.Add(-1)
	for i, s := range m.parent.children {
		if s == m {
			m.parent.children = append(m.parent.children[:i], m.parent.children[i+1:]...)
			break
		}
	}
	m.parent, m.point, m.detached = nil, nil, true
	v.mountSeq.Add(1)
}

// detachAll takes away what is mounted on d, which has been removed.
func (v *VFS) detachAll(d *Dentry) {
	v.mountMu.Lock()
	defer v.mountMu.Unlock()
	for p, m := range v.mounts {
		if p.dentry == d {
			v.detach(m)
		}
	}
}

// Mounts returns all mounts, a parent before its children.
func (v *VFS) Mounts() []*Mount {
	v.mountMu.RLock()
	defer v.mountMu.RUnlock()
	var all []*Mount
	var add func(m *Mount)
	add = func(m *Mount) {
		all = append(all, m)
		for _, s := range m.children {
			add(s)
		}
	}
	add(v.root)
	return all
}

func appendMountFlags(b []byte, f uint64) []byte {
	if f&linux.MS_RDONLY != 0 {
		b = append(b, "ro"...)
	} else {
		b = append(b, "rw"...)
	}
	for _, o := range [...]struct {
		flag uint64
		name string
	}{
		{linux.MS_NOSUID, ",nosuid"}, {linux.MS_NODEV, ",nodev"}, {linux.MS_NOEXEC, ",noexec"},
		{linux.MS_NOATIME, ",noatime"}, {linux.MS_NODIRATIME, ",nodiratime"},
		{linux.MS_NOSYMFOLLOW, ",nosymfollow"},
	} {
		if f&o.flag != 0 {
			b = append(b, o.name...)
		}
	}
	if f&(linux.MS_NOATIME) == 0 {
		b = append(b, ",relatime"...)
	}
	return b
}

// appendMangled writes s as fields of /proc/mounts are (mangle_path).
func appendMangled(b []byte, s string) []byte {
	for i := 0; i < len(s); i++ {
		switch c := s[i]; c {
		case ' ', '\t', '\n', '\\', '#':
			b = append(b, '\\', '0'+c>>6, '0'+c>>3&7, '0'+c&7)
		default:
			b = append(b, c)
		}
	}
	return b
}

// MountsText returns the content of /proc/mounts for a task with the given
// root directory.
func (v *VFS) MountsText(root Path) []byte {
	var b []byte
	for _, m := range v.Mounts() {
		where, ok := v.pathText(root, m.Root())
		if !ok {
			continue
		}
		b = appendMangled(b, m.source)
		b = append(b, ' ')
		b = appendMangled(b, where)
		b = append(b, ' ')
		b = append(b, m.fs.Name()...)
		b = append(b, ' ')
		b = appendMountFlags(b, m.Flags())
		if m.data != "" {
			b = append(append(b, ','), m.data...)
		}
		b = append(b, " 0 0\n"...)
	}
	return b
}

// MountInfoText returns the content of /proc/PID/mountinfo likewise.
func (v *VFS) MountInfoText(root Path) []byte {
	var b []byte
	for _, m := range v.Mounts() {
		where, ok := v.pathText(root, m.Root())
		if !ok {
			continue
		}
		parent := m.id
		if p := v.above(m); p.Mount != nil {
			parent = p.Mount.id
		}
		b = strconv.AppendInt(b, int64(m.id), 10)
		b = append(b, ' ')
		b = strconv.AppendInt(b, int64(parent), 10)
		b = append(b, " 0:"...)
		b = strconv.AppendUint(b, uint64(m.fs.DevMinor()), 10)
		b = append(b, ' ')
		b = appendMangled(b, v.insideText(m))
		b = append(b, ' ')
		b = appendMangled(b, where)
		b = append(b, ' ')
		b = appendMountFlags(b, m.Flags())
		b = append(b, " - "...)
		b = append(b, m.fs.Name()...)
		b = append(b, ' ')
		b = appendMangled(b, m.source)
		if m.ReadOnly() {
			b = append(b, " ro"...)
		} else {
			b = append(b, " rw"...)
		}
		if m.data != "" {
			b = append(append(b, ','), m.data...)
		}
		b = append(b, '\n')
	}
	return b
}

// insideText is the path of m's top inside its file system.
func (v *VFS) insideText(m *Mount) string {
	v.renameMu.RLock()
	defer v.renameMu.RUnlock()
	return dentryText(m.root)
}
