package vfs

import (
	"slices"

	"sentinel/internal/abi/linux"
)

// pathText returns the absolute path of p as a task with the given root sees
// it; not ok if it is outside of it (prepend_path in fs/d_path.c).
func (v *VFS) pathText(root, p Path) (s string, ok bool) {
	v.renameMu.RLock()
	defer v.renameMu.RUnlock()
	v.mountMu.RLock()
	defer v.mountMu.RUnlock()
	var names [64]string
	parts := names[:0]
	n := 0
	for p != root {
		if p.Dentry == p.Mount.root {
			if p.Mount.parent == nil {
				ok = p.Mount == v.root && root.IsZero()
				return joinReverse(parts, n), ok
			}
			p = Path{p.Mount.parent, p.Mount.point}
			continue
		}
		parent := p.Dentry.Parent()
		if parent == nil {
			return joinReverse(parts, n), false
		}
		parts = append(parts, p.Dentry.Name())
		n += len(p.Dentry.Name()) + 1
		p.Dentry = parent
	}
	return joinReverse(parts, n), true
}

func joinReverse(parts []string, n int) string {
	if len(parts) == 0 {
		return "/"
	}
	b := make([]byte, 0, n)
	for _, s := range slices.Backward(parts) {
		b = append(append(b, '/'), s...)
	}
	return string(b)
}

// dentryText is the path of d inside its file system. renameMu is held.
func dentryText(d *Dentry) string {
	var parts []string
	n := 0
	for ; d.Parent() != nil; d = d.Parent() {
		parts = append(parts, d.Name())
		n += len(d.Name()) + 1
	}
	return joinReverse(parts, n)
}

// PathText returns the name of p as links in /proc show it (d_path): what is
// outside of root is shown from the top of the tree, and " (deleted)" follows
// what was removed.
func (v *VFS) PathText(root, p Path) string {
	if p.Mount == anonMount {
		return p.Dentry.loose.origin.Name
	}
	s, _ := v.pathText(root, p)
	if p.Dentry.dead.Load() {
		s += " (deleted)"
	}
	return s
}

// PathText returns the name of f as /proc/PID/fd shows it to a task with the
// given root.
func (f *File) PathText(root Path) string {
	if f.Name != "" || f.Path.IsZero() || f.Path.Mount.vfs == nil {
		return f.Name
	}
	return f.Path.Mount.vfs.PathText(root, f.Path)
}

// AbsPath returns the path of d in m, from the root of the whole tree.
func (d *Dentry) AbsPath(m *Mount) string {
	if m == nil || m.vfs == nil {
		if d.loose != nil && d.loose.origin != nil {
			return d.loose.origin.Name
		}
		return d.Name()
	}
	return m.vfs.PathText(m.vfs.Root(), Path{m, d})
}

// Getcwd returns the current directory: linux.ENOENT if it was removed.
func (v *VFS) Getcwd(c *Context) (string, error) {
	cwd := c.FS.Cwd()
	if cwd.Dentry.dead.Load() {
		return "", linux.ENOENT
	}
	s, ok := v.pathText(c.FS.Root(), cwd)
	if !ok {
		s = "(unreachable)" + s
	}
	if len(s) >= pathMax {
		return "", linux.ENAMETOOLONG
	}
	return s, nil
}
