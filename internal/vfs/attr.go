package vfs

import (
	"sentinel/internal/abi/linux"
	"sentinel/internal/cred"
)

// Attr returns the attributes of what p leads to.
func (p Path) Attr() (Attr, error) { return p.Dentry.ino.Attr() }

// StatAt returns the attributes of path. With AT_EMPTY_PATH and an empty path
// they are those of at. The path's dentry is nil if none was made.
func (v *VFS) StatAt(c *Context, at Path, path string, atFlags uint32) (Attr, Path, error) {
	p := at
	if path != "" || atFlags&linux.AT_EMPTY_PATH == 0 || at.IsZero() {
		var w walker
		if err := w.start(v, c, at, path, lookFlags(atFlags)|lookAttr, 0); err != nil {
			return Attr{}, Path{}, err
		}
		if err := w.parent(path); err != nil {
			return Attr{}, Path{}, err
		}
		if a, ok := w.peek(); ok {
			return a, Path{Mount: w.cur.Mount}, nil
		}
		if err := w.end(); err != nil {
			return Attr{}, Path{}, err
		}
		p = w.cur
	}
	a, err := p.Dentry.ino.Attr()
	return a, p, err
}

// AccessAt implements faccessat2(2): with the real ids unless AT_EACCESS.
func (v *VFS) AccessAt(c *Context, at Path, path string, mode, atFlags uint32) error {
	if mode&^7 != 0 || atFlags&^(linux.AT_EACCESS|linux.AT_SYMLINK_NOFOLLOW|linux.AT_EMPTY_PATH) != 0 {
		return linux.EINVAL
	}
	if cr := c.cred(); cr != nil && atFlags&linux.AT_EACCESS == 0 {
		caps := cred.CapSet(0)
		if cr.UID == 0 {
			caps = cr.Permitted
		}
		if cr.FSUID != cr.UID || cr.FSGID != cr.GID || cr.Effective != caps {
			n := *cr
			n.FSUID, n.FSGID, n.Effective = cr.UID, cr.GID, caps
			as := *c
			as.Cred = &n
			c = &as
		}
	}
	p, err := v.lookup(c, at, path, lookFlags(atFlags), 0)
	if err != nil {
		return err
	}
	d := p.Dentry
	if mode&mayExec != 0 && d.typ == linux.S_IFREG && p.Mount.NoExec() {
		return linux.EACCES
	}
	if err := c.may(p, mode); err != nil {
		return err
	}
	if mode&mayWrite != 0 {
		switch d.typ {
		case linux.S_IFREG, linux.S_IFDIR, linux.S_IFLNK:
			return p.wantWrite()
		}
	}
	return nil
}

// change applies s, which has been checked, and tells watches.
func (p Path) change(c *Context, s *SetAttr) error {
	if err := p.Dentry.ino.SetAttr(c, s); err != nil {
		return err
	}
	event := uint32(0)
	if s.Mask&(SetMode|SetUID|SetGID) != 0 {
		event |= linux.IN_ATTRIB
	}
	// Both times are utime(2), one alone is a read or a write (fsnotify_change).
	switch s.Mask & (SetAtime | SetAtimeNow | SetMtime | SetMtimeNow) {
	case 0:
	case SetAtime, SetAtimeNow:
		event |= linux.IN_ACCESS
	case SetMtime, SetMtimeNow:
		event |= linux.IN_MODIFY
	default:
		event |= linux.IN_ATTRIB
	}
	notify(p.Dentry, event)
	return nil
}

// TruncateAt implements truncate(2).
func (v *VFS) TruncateAt(c *Context, at Path, path string, size int64) error {
	if size < 0 {
		return linux.EINVAL
	}
	p, err := v.lookup(c, at, path, lookFollow, 0)
	if err != nil {
		return err
	}
	switch p.Dentry.typ {
	case linux.S_IFREG:
	case linux.S_IFDIR:
		return linux.EISDIR
	default:
		return linux.EINVAL
	}
	if err := p.wantWrite(); err != nil {
		return err
	}
	if err := c.may(p, mayWrite); err != nil {
		return err
	}
	if !p.Dentry.claim(1) {
		return linux.ETXTBSY
	}
	defer p.Dentry.writers.Add(-1)
	return truncate(c, p.Dentry, size)
}

// ChmodAt implements fchmodat2(2).
func (v *VFS) ChmodAt(c *Context, at Path, path string, mode, atFlags uint32) error {
	if atFlags&^(linux.AT_SYMLINK_NOFOLLOW|linux.AT_EMPTY_PATH) != 0 {
		return linux.EINVAL
	}
	p, err := v.lookup(c, at, path, lookFlags(atFlags), 0)
	if err != nil {
		return err
	}
	if err := p.wantWrite(); err != nil {
		return err
	}
	if p.Dentry.typ == linux.S_IFLNK {
		return linux.EOPNOTSUPP
	}
	a, err := p.Attr()
	if err != nil {
		return err
	}
	if !c.owns(&a) {
		return linux.EPERM
	}
	mode &= 0o7777
	if mode&linux.S_ISGID != 0 && !c.inGroup(a.GID) && !c.capable(cred.CapFsetid) {
		mode &^= linux.S_ISGID
	}
	return p.change(c, &SetAttr{Mask: SetMode, Mode: mode})
}

// keepID as user or group of ChownAt leaves it.
const keepID = ^uint32(0)

// ChownAt implements fchownat(2).
func (v *VFS) ChownAt(c *Context, at Path, path string, uid, gid, atFlags uint32) error {
	if atFlags&^(linux.AT_SYMLINK_NOFOLLOW|linux.AT_EMPTY_PATH) != 0 {
		return linux.EINVAL
	}
	p, err := v.lookup(c, at, path, lookFlags(atFlags), 0)
	if err != nil {
		return err
	}
	if err := p.wantWrite(); err != nil {
		return err
	}
	a, err := p.Attr()
	if err != nil {
		return err
	}
	me, _ := c.ids()
	var s SetAttr
	if uid != keepID {
		if !(a.UID == me && uid == a.UID) && !c.capable(cred.CapChown) {
			return linux.EPERM
		}
		s.Mask, s.UID = s.Mask|SetUID, uid
	}
	if gid != keepID {
		if !(a.UID == me && (gid == a.GID || c.inGroup(gid))) && !c.capable(cred.CapChown) {
			return linux.EPERM
		}
		s.Mask, s.GID = s.Mask|SetGID, gid
	}
	if !a.IsDir() && a.Mode&(linux.S_ISUID|linux.S_ISGID) != 0 {
		if m := c.dropSetID(&a); m != a.Mode&0o7777 {
			s.Mask, s.Mode = s.Mask|SetMode, m
		}
	}
	if !a.IsDir() {
		if x, ok := p.Dentry.ino.(XattrInode); ok {
			// There may be none.
			_ = x.Removexattr(c, "security.capability")
		}
	}
	return p.change(c, &s)
}

// UtimensAt implements utimensat(2). Nil times are now.
func (v *VFS) UtimensAt(c *Context, at Path, path string, times *[2]Timespec, atFlags uint32) error {
	if times != nil && times[0].Nsec == linux.UTIME_OMIT && times[1].Nsec == linux.UTIME_OMIT {
		return nil
	}
	if atFlags&^(linux.AT_SYMLINK_NOFOLLOW|linux.AT_EMPTY_PATH) != 0 {
		return linux.EINVAL
	}
	p, err := v.lookup(c, at, path, lookFlags(atFlags), 0)
	if err != nil {
		return err
	}
	if times != nil {
		for _, t := range times {
			if t.Nsec != linux.UTIME_NOW && t.Nsec != linux.UTIME_OMIT && (t.Nsec < 0 || t.Nsec > 999999999) {
				return linux.EINVAL
			}
		}
	}
	if err := p.wantWrite(); err != nil {
		return err
	}
	a, err := p.Attr()
	if err != nil {
		return err
	}
	if times == nil || times[0].Nsec == linux.UTIME_NOW && times[1].Nsec == linux.UTIME_NOW {
		if !c.owns(&a) {
			if err := c.permission(&a, mayWrite); err != nil {
				return err
			}
		}
		return p.change(c, &SetAttr{Mask: SetAtimeNow | SetMtimeNow})
	}
	if !c.owns(&a) {
		return linux.EPERM
	}
	var s SetAttr
	switch times[0].Nsec {
	case linux.UTIME_OMIT:
	case linux.UTIME_NOW:
		s.Mask |= SetAtimeNow
	default:
		s.Mask, s.Atime = s.Mask|SetAtime, times[0]
	}
	switch times[1].Nsec {
	case linux.UTIME_OMIT:
	case linux.UTIME_NOW:
		s.Mask |= SetMtimeNow
	default:
		s.Mask, s.Mtime = s.Mask|SetMtime, times[1]
	}
	return p.change(c, &s)
}

// StatFSAt implements statfs(2), and fstatfs(2) with AT_EMPTY_PATH.
func (v *VFS) StatFSAt(c *Context, at Path, path string, atFlags uint32) (StatFS, error) {
	p, err := v.lookup(c, at, path, lookFlags(atFlags), 0)
	if err != nil {
		return StatFS{}, err
	}
	fs := p.Mount.fs
	if p.Mount == anonMount {
		fs = p.Dentry.ino.FileSystem()
	}
	s, err := fs.StatFS()
	if err != nil {
		return StatFS{}, err
	}
	const valid = 0x20 // ST_VALID
	s.Flags |= valid
	f := p.Mount.Flags()
	s.Flags |= int64(f & (linux.MS_RDONLY | linux.MS_NOSUID | linux.MS_NODEV | linux.MS_NOEXEC | linux.MS_NOATIME | linux.MS_NODIRATIME))
	if f&linux.MS_NOATIME == 0 {
		s.Flags |= 0x1000 // ST_RELATIME
	}
	if f&linux.MS_NOSYMFOLLOW != 0 {
		s.Flags |= 0x2000 // ST_NOSYMFOLLOW
	}
	return s, nil
}

// ChdirAt implements chdir(2), and fchdir(2) with AT_EMPTY_PATH.
func (v *VFS) ChdirAt(c *Context, at Path, path string, atFlags uint32) error {
	p, err := v.lookup(c, at, path, lookFlags(atFlags)|lookDirectory, 0)
	if err != nil {
		return err
	}
	if err := c.may(p, mayExec); err != nil {
		return err
	}
	c.FS.SetCwd(p)
	return nil
}

// ChrootAt implements chroot(2).
func (v *VFS) ChrootAt(c *Context, at Path, path string) error {
	p, err := v.lookup(c, at, path, lookFollow|lookDirectory, 0)
	if err != nil {
		return err
	}
	if err := c.may(p, mayExec); err != nil {
		return err
	}
	if !c.capable(cred.CapSysChroot) {
		return linux.EPERM
	}
	c.FS.SetRoot(p)
	return nil
}

// Chdir implements chdir(2).
func (v *VFS) Chdir(c *Context, path string) error { return v.ChdirAt(c, Path{}, path, 0) }

// Fchdir implements fchdir(2).
func (v *VFS) Fchdir(c *Context, f *File) error {
	return v.ChdirAt(c, f.Path, "", linux.AT_EMPTY_PATH)
}

// Chroot implements chroot(2).
func (v *VFS) Chroot(c *Context, path string) error { return v.ChrootAt(c, Path{}, path) }
