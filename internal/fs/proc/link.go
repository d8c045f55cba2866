package proc

import (
	"slices"
	"strings"

	"sentinel/internal/abi/linux"
	"sentinel/internal/fs/kernfs"
	"sentinel/internal/vfs"
)

// link makes a magic link to what where returns.
func (d *process) link(ino uint64, where func() (vfs.Path, error)) vfs.Inode {
	l := kernfs.NewLink(d.p.FS, ino, 0o777, func(c *vfs.Context) (string, error) {
		if err := d.mayAccess(c); err != nil {
			return "", err
		}
		p, err := where()
		if err != nil {
			return "", err
		}
		return d.p.k.VFS().PathText(rootOf(c), p), nil
	}, func(c *vfs.Context) (vfs.Path, error) {
		if err := d.mayAccess(c); err != nil {
			return vfs.Path{}, err
		}
		return where()
	})
	d.own(&l.Node, false)
	return l
}

func (d *process) fs(get func(*vfs.FSContext) vfs.Path) func() (vfs.Path, error) {
	return func() (vfs.Path, error) {
		f := d.t.FS()
		if f == nil || d.g.Zombie() {
			return vfs.Path{}, linux.ENOENT
		}
		return get(f), nil
	}
}

func (d *process) cwdLink(_ *entry, ino uint64) vfs.Inode {
	return d.link(ino, d.fs((*vfs.FSContext).Cwd))
}

func (d *process) rootLink(_ *entry, ino uint64) vfs.Inode {
	return d.link(ino, d.fs((*vfs.FSContext).Root))
}

func (d *process) exeLink(_ *entry, ino uint64) vfs.Inode {
	return d.link(ino, func() (vfs.Path, error) {
		m := d.mm()
		if m == nil || m.Exe == nil {
			return vfs.Path{}, linux.ENOENT
		}
		return m.Exe.Path, nil
	})
}

// listIDs emits directory entries named by numbers.
func listIDs(ids []int32, ino uint64, typ uint8, from int64, emit func(kernfs.Entry) bool) error {
	slices.Sort(ids)
	for _, id := range ids {
		if int64(id) < from {
			continue
		}
		name := itoa(id)
		if !emit(kernfs.Entry{Name: name, Ino: kernfs.ChildIno(ino, name), Type: typ, Key: int64(id)}) {
			break
		}
	}
	return nil
}

// fds is fd/ and fdinfo/.
type fds struct {
	d    *process
	ino  uint64
	info bool
}

func (d *process) fdDir(e *entry, ino uint64) vfs.Inode     { return d.makeFDs(e, ino, false) }
func (d *process) fdinfoDir(e *entry, ino uint64) vfs.Inode { return d.makeFDs(e, ino, true) }

func (d *process) makeFDs(e *entry, ino uint64, info bool) vfs.Inode {
	dir := kernfs.NewDir(d.p.FS, ino, e.perm, nil)
	d.own(&dir.Node, e.perm == 0o555)
	dir.SetParent(d.ino)
	dir.Check = d.mayAccess
	dir.Dynamic = &fds{d: d, ino: ino, info: info}
	return dir
}

func (f *fds) table() *vfs.FDTable {
	if f.d.g.Zombie() {
		return nil
	}
	return f.d.t.FDs()
}

// List implements kernfs.Dynamic.
func (f *fds) List(_ *vfs.Context, from int64, emit func(kernfs.Entry) bool) error {
	t := f.table()
	if t == nil {
		return nil
	}
	var ids []int32
	t.Each(func(fd int32, _ *vfs.File, _ bool) { ids = append(ids, fd) })
	typ := uint8(linux.DT_LNK)
	if f.info {
		typ = linux.DT_REG
	}
	return listIDs(ids, f.ino, typ, from, emit)
}

// get returns the open file with a reference.
func (f *fds) get(fd int32) (*vfs.File, error) {
	t := f.table()
	if t == nil {
		return nil, linux.ENOENT
	}
	file, err := t.GetAny(fd)
	if err != nil {
		return nil, linux.ENOENT
	}
	return file, nil
}

// Lookup implements kernfs.Dynamic.
func (f *fds) Lookup(_ *vfs.Context, name string) (vfs.Inode, error) {
	fd, ok := parseID(name)
	if !ok {
		return nil, linux.ENOENT
	}
	file, err := f.get(fd)
	if err != nil {
		return nil, err
	}
	r, w := file.Readable(), file.Writable()
	file.DecRef()
	ino := kernfs.ChildIno(f.ino, name)
	if f.info {
		n := f.d.file(ino, 0o444)
		n.ReadFn = func(*vfs.Context) ([]byte, error) { return f.info1(fd) }
		return n, nil
	}
	perm := uint32(0o100)
	if r {
		perm |= 0o400
	}
	if w {
		perm |= 0o200
	}
	l := kernfs.NewLink(f.d.p.FS, ino, perm, func(c *vfs.Context) (string, error) {
		if err := f.d.mayAccess(c); err != nil {
			return "", err
		}
		file, err := f.get(fd)
		if err != nil {
			return "", err
		}
		defer file.DecRef()
		return file.PathText(rootOf(c)), nil
	}, func(c *vfs.Context) (vfs.Path, error) {
		if err := f.d.mayAccess(c); err != nil {
			return vfs.Path{}, err
		}
		file, err := f.get(fd)
		if err != nil {
			return vfs.Path{}, err
		}
		defer file.DecRef()
		return file.Path, nil
	})
	f.d.own(&l.Node, false)
	l.SetLength(64)
	return l, nil
}

// info1 is fdinfo/N.
func (f *fds) info1(fd int32) ([]byte, error) {
	file, err := f.get(fd)
	if err != nil {
		return nil, err
	}
	defer file.DecRef()
	flags := uint64(file.Flags())
	if t := f.table(); t != nil {
		if on, err := t.Cloexec(fd); err == nil && on {
			flags |= linux.O_CLOEXEC
		}
	}
	var b text
	b.s("pos:\t").i(file.TryPos()).s("\nflags:\t0")
	oct := make([]byte, 0, 12)
	for ; flags != 0; flags >>= 3 {
		oct = append(oct, '0'+byte(flags&7))
	}
	slices.Reverse(oct)
	b.s(string(oct), "\nmnt_id:\t").i(int64(file.Path.Mount.ID()))
	if file.Ino != nil {
		if a, err := file.Ino.Attr(); err == nil {
			b.s("\nino:\t").u(a.Ino)
		}
	}
	b.s("\n")
	if i, ok := file.Ops.(vfs.FDInfo); ok {
		s := i.FDInfo(file)
		b.s(s)
		if s != "" && !strings.HasSuffix(s, "\n") {
			b.s("\n")
		}
	}
	return b, nil
}
