package vfs

import (
	"sentinel/internal/abi/linux"
)

// Flags of a walk.
const (
	lookFollow = 1 << iota // follow a symbolic link in the last component
	lookDirectory
	lookEmpty // an empty path is the start point
	lookAttr  // the attributes of what is found are asked for next
)

// maxLinks is MAXSYMLINKS.
const maxLinks = 40

const scoped = linux.RESOLVE_BENEATH | linux.RESOLVE_IN_ROOT

type lastKind uint8

const (
	lastNorm lastKind = iota
	lastRoot          // nothing, or slashes only
	lastDot
	lastDotDot
)

// walker is one path walk: nameidata of fs/namei.c, whose functions those here
// follow. It is kept on the stack.
type walker struct {
	v       *VFS
	c       *Context
	root    Path
	cur     Path
	flags   uint32
	resolve uint64
	links   int
	jumped  bool
	seq     uint64 // of renames and mounts, if scoped

	last     string
	kind     lastKind
	trailing bool // slashes follow last
	asks     bool // last is the end of a walk with lookAttr

	rest  [maxLinks]string // what follows each link that is being walked
	depth int
}

// start is path_init.
func (w *walker) start(v *VFS, c *Context, at Path, path string, flags uint32, resolve uint64) error {
	w.v, w.c, w.flags, w.resolve = v, c, flags, resolve
	if path == "" && flags&lookEmpty == 0 {
		return linux.ENOENT
	}
	if len(path) >= pathMax {
		return linux.ENAMETOOLONG
	}
	if c.FS != nil {
		c.FS.mu.RLock()
		w.root = c.FS.root
		if at.IsZero() {
			at = c.FS.cwd
		}
		c.FS.mu.RUnlock()
	}
	if w.root.IsZero() {
		w.root = v.Root()
		if at.IsZero() {
			at = w.root
		}
	}
	w.cur = at
	if resolve&scoped != 0 {
		w.seq = v.renameSeq.Load() + v.mountSeq.Load()
		w.root = at
	}
	if path != "" && path[0] == '/' {
		w.cur = Path{}
		if resolve&linux.RESOLVE_IN_ROOT != 0 {
			w.cur = at
		}
		return w.jumpRoot()
	}
	if path != "" && !at.Dentry.isDir() {
		return linux.ENOTDIR
	}
	return nil
}

// jumpRoot is nd_jump_root.
func (w *walker) jumpRoot() error {
	if w.resolve&linux.RESOLVE_BENEATH != 0 {
		return linux.EXDEV
	}
	if w.resolve&linux.RESOLVE_NO_XDEV != 0 && w.cur.Mount != nil && w.cur.Mount != w.root.Mount {
		return linux.EXDEV
	}
	w.cur = w.root
	w.jumped = true
	return nil
}

// parent walks all of path but its last component, which it leaves in last,
// kind and trailing (link_path_walk).
func (w *walker) parent(path string) error {
	w.last, w.kind, w.trailing = "", lastRoot, false
	base := w.depth
	i := 0
	for i < len(path) && path[i] == '/' {
		i++
	}
	path = path[i:]
	if path == "" {
		return nil
	}
	for {
		if err := w.c.maySearch(w.cur.Dentry); err != nil {
			return err
		}
		end := 0
		for end < len(path) && path[end] != '/' {
			end++
		}
		w.last = path[:end]
		switch {
		case w.last == ".":
			w.kind = lastDot
		case w.last == "..":
			w.kind = lastDotDot
		default:
			w.kind = lastNorm
		}
		i = end
		for i < len(path) && path[i] == '/' {
			i++
		}
		w.trailing = i > end
		path = path[i:]
		if path == "" {
			if w.depth == base {
				return nil
			}
			// The end of a link in the middle.
			w.depth--
			path = w.rest[w.depth]
		}
		link, err := w.step(true)
		if err != nil {
			return err
		}
		if link != "" {
			w.rest[w.depth] = path
			w.depth++
			path = link
			continue
		}
		if !w.cur.Dentry.isDir() {
			return linux.ENOTDIR
		}
	}
}

// step walks into last. It returns the rest of the walk if that is a symbolic
// link to be followed (walk_component).
func (w *walker) step(follow bool) (link string, err error) {
	switch w.kind {
	case lastRoot, lastDot:
		return "", nil
	case lastDotDot:
		return "", w.up()
	}
	child, err := w.child()
	if err != nil {
		return "", err
	}
	if child == nil {
		return "", linux.ENOENT
	}
	return w.into(child, follow)
}

// child looks last up.
func (w *walker) child() (*Dentry, error) {
	d := w.cur.Dentry
	if !d.isDir() {
		return nil, linux.ENOTDIR
	}
	if child, known := d.cached(w.last); known {
		return child, nil
	}
	if w.resolve&linux.RESOLVE_CACHED != 0 {
		return nil, linux.EAGAIN
	}
	return d.lookup(w.c, w.last, w.asks)
}

// into is step_into.
func (w *walker) into(child *Dentry, follow bool) (link string, err error) {
	p := Path{w.cur.Mount, child}
	if child.mounted.Load() != 0 {
		if err := w.cover(&p); err != nil {
			return "", err
		}
	}
	if p.Dentry.typ != linux.S_IFLNK || !follow {
		w.cur = p
		return "", nil
	}
	return w.followLink(p)
}

func (w *walker) cover(p *Path) error {
	q := w.v.cover(*p)
	if q.Mount != p.Mount && w.resolve&linux.RESOLVE_NO_XDEV != 0 {
		return linux.EXDEV
	}
	if q.Mount != p.Mount {
		w.jumped = true
	}
	*p = q
	return nil
}

// followLink is pick_link.
func (w *walker) followLink(p Path) (string, error) {
	if w.links++; w.links > maxLinks {
		return "", linux.ELOOP
	}
	if w.resolve&linux.RESOLVE_NO_SYMLINKS != 0 || p.Mount.Flags()&linux.MS_NOSYMFOLLOW != 0 {
		return "", linux.ELOOP
	}
	if m, ok := p.Dentry.ino.(MagicLink); ok {
		to, err := m.Follow(w.c)
		if err != nil {
			return "", err
		}
		switch {
		case w.resolve&linux.RESOLVE_NO_MAGICLINKS != 0:
			return "", linux.ELOOP
		case w.resolve&linux.RESOLVE_NO_XDEV != 0 && to.Mount != w.cur.Mount, w.resolve&scoped != 0:
			return "", linux.EXDEV
		case to.IsZero():
			return "", linux.ENOENT
		}
		w.cur, w.jumped = to, true
		return "", nil
	}
	s, ok := p.Dentry.ino.(SymlinkInode)
	if !ok {
		return "", linux.EINVAL
	}
	link, err := s.Readlink(w.c)
	if err != nil {
		return "", err
	}
	if link == "" || link[0] != '/' {
		return link, nil
	}
	if err := w.jumpRoot(); err != nil {
		return "", err
	}
	for link != "" && link[0] == '/' {
		link = link[1:]
	}
	return link, nil
}

// up is follow_dotdot.
func (w *walker) up() error {
	p := w.cur
	for p != w.root && p.Dentry == p.Mount.root {
		q := w.v.above(p.Mount)
		if q.Mount == nil {
			return w.top()
		}
		if w.resolve&linux.RESOLVE_NO_XDEV != 0 {
			return linux.EXDEV
		}
		p = q
	}
	if p == w.root {
		return w.top()
	}
	parent := p.Dentry.Parent()
	if parent == nil {
		return w.top()
	}
	p.Dentry = parent
	if parent.mounted.Load() != 0 {
		if err := w.cover(&p); err != nil {
			return err
		}
	}
	w.cur = p
	if w.resolve&scoped != 0 && w.seq != w.v.renameSeq.Load()+w.v.mountSeq.Load() {
		// A racing rename may have led above the root.
		return linux.EAGAIN
	}
	return nil
}

// top is ".." at the root: it stays there.
func (w *walker) top() error {
	if w.resolve&linux.RESOLVE_BENEATH != 0 {
		return linux.EXDEV
	}
	// Something may be mounted on the root.
	return w.cover(&w.cur)
}

// finish walks to the end of path (path_lookupat).
func (w *walker) finish(path string) error {
	if err := w.parent(path); err != nil {
		return err
	}
	return w.end()
}

// end is finish after parent.
func (w *walker) end() error {
	for {
		if w.kind == lastNorm && w.trailing {
			w.flags |= lookFollow | lookDirectory
		}
		w.asks = w.flags&lookAttr != 0
		link, err := w.step(w.flags&lookFollow != 0)
		w.asks = false
		if err != nil {
			return err
		}
		if link == "" {
			return w.complete()
		}
		if err := w.parent(link); err != nil {
			return err
		}
	}
}

// peek returns the attributes of last if it was not looked up yet and its
// directory can tell.
func (w *walker) peek() (Attr, bool) {
	d := w.cur.Dentry
	if w.kind != lastNorm || w.trailing || !d.isDir() || d.volatile || d.dead.Load() || len(w.last) > nameMax {
		return Attr{}, false
	}
	p, ok := d.dir.(Peeker)
	if !ok {
		return Attr{}, false
	}
	if _, known := d.cached(w.last); known {
		return Attr{}, false
	}
	return p.Peek(w.last)
}

// complete is complete_walk, with the check of LOOKUP_DIRECTORY.
func (w *walker) complete() error {
	if w.resolve&scoped != 0 && w.jumped && !w.v.isUnder(w.cur, w.root) {
		return linux.EXDEV
	}
	if w.flags&lookDirectory != 0 && !w.cur.Dentry.isDir() {
		return linux.ENOTDIR
	}
	return nil
}

// isUnder is path_is_under.
func (v *VFS) isUnder(p, root Path) bool {
	v.renameMu.RLock()
	defer v.renameMu.RUnlock()
	v.mountMu.RLock()
	defer v.mountMu.RUnlock()
	for p.Mount != root.Mount {
		if p.Mount.parent == nil {
			return false
		}
		p = Path{p.Mount.parent, p.Mount.point}
	}
	return root.Dentry.isAncestor(p.Dentry)
}

// lookup walks to path from at.
func (v *VFS) lookup(c *Context, at Path, path string, flags uint32, resolve uint64) (Path, error) {
	var w walker
	if err := w.start(v, c, at, path, flags, resolve); err != nil {
		return Path{}, err
	}
	if err := w.finish(path); err != nil {
		return Path{}, err
	}
	return w.cur, nil
}

// lookFlags translates AT_ flags of calls that follow links by default.
func lookFlags(atFlags uint32) uint32 {
	flags := uint32(0)
	if atFlags&linux.AT_SYMLINK_NOFOLLOW == 0 {
		flags |= lookFollow
	}
	if atFlags&linux.AT_EMPTY_PATH != 0 {
		flags |= lookEmpty
	}
	return flags
}

// Lookup walks to path from at. It follows a link at the end unless atFlags
// has AT_SYMLINK_NOFOLLOW; with AT_EMPTY_PATH path may be empty.
func (v *VFS) Lookup(c *Context, at Path, path string, atFlags uint32) (Path, error) {
	return v.lookup(c, at, path, lookFlags(atFlags), 0)
}

// lookupParent walks to the directory of a name that is to be made or removed
// and returns the walk there (filename_parentat).
func (v *VFS) lookupParent(w *walker, c *Context, at Path, path string) error {
	if err := w.start(v, c, at, path, 0, 0); err != nil {
		return err
	}
	if err := w.parent(path); err != nil {
		return err
	}
	if !w.cur.Dentry.isDir() {
		return linux.ENOTDIR
	}
	return nil
}
