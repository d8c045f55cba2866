package overlay

import (
	"slices"
	"strings"
	"sync"

	"sentinel/internal/abi/linux"
	"sentinel/internal/fs/mem"
	"sentinel/internal/host"
	"sentinel/internal/vfs"
)

// object is one object of the lower layer, known by its place there, which is
// for good. It implements mem.Lower.
type object struct {
	t        *tree
	parent   *object // nil for the root
	name     string
	dev      uint64
	fd       host.CachedFD // O_RDONLY, or O_PATH of a directory
	typ      uint32
	readable bool
}

func (o *object) fill(s *host.Stat) {
	o.dev, o.typ = s.Dev(), s.Mode&linux.S_IFMT
	o.fd.File = o.typ == linux.S_IFREG
	o.readable = s.Mode&0o444 == 0o444 || s.UID == o.t.euid && s.Mode&0o400 != 0
}

func (t *tree) attr(s *host.Stat) mem.LowerAttr {
	return mem.LowerAttr{
		Attr: vfs.Attr{
			Ino: t.inos.Ino(s.Dev(), s.Ino), Mode: s.Mode, Nlink: s.Nlink, UID: s.UID, GID: s.GID,
			RdevMajor: s.RdevMajor, RdevMinor: s.RdevMinor,
			Size: s.Size, Blksize: s.Blksize, Blocks: s.Blocks,
			Atime: vfs.Timespec(s.Atime), Mtime: vfs.Timespec(s.Mtime), Ctime: vfs.Timespec(s.Ctime), Btime: vfs.Timespec(s.Btime),
		},
		HostDev: s.Dev(), HostIno: s.Ino,
	}
}

// maxPath is the longest path that is handed to the host in one piece.
const maxPath = 4000

// path returns o's path from the root.
func (o *object) path() string {
	n := 0
	for p := o; p.parent != nil; p = p.parent {
		n += len(p.name) + 1
	}
	b := make([]byte, n)
	for p := o; p.parent != nil; p = p.parent {
		n -= len(p.name) + 1
		copy(b[n:], p.name)
		b[n+len(p.name)] = '/'
	}
	return string(b[:max(len(b)-1, 0)])
}

// acquireDir returns a descriptor of a directory until releaseDir. It is for
// calls that name something in it, and may be an O_PATH one.
func (o *object) acquireDir() (int, error) { return o.acquireDirAs(linux.O_PATH) }

// acquireDirAs is acquireDir with the flags of a descriptor that is to be opened
// if there is none yet.
func (o *object) acquireDirAs(flags int) (int, error) {
	if o.parent == nil {
		return o.t.rootFD, nil
	}
	return o.t.fds.Acquire(&o.fd, func() (int, error) {
		flags := flags | linux.O_DIRECTORY
		if path := o.path(); len(path) <= maxPath {
			fd, err := host.OpenBeneath(o.t.rootFD, path, flags, 0)
			return fd, lost(err)
		}
		parent, err := o.parent.acquireDir()
		if err != nil {
			return -1, err
		}
		defer o.parent.releaseDir()
		fd, err := host.OpenBeneath(parent, o.name, flags, 0)
		return fd, lost(err)
	})
}

func (o *object) releaseDir() {
	if o.parent != nil {
		o.t.fds.Release(&o.fd)
	}
}

// last is the latest answer to Stat: who asks what a file is often opens it next.
type last struct {
	mu   sync.Mutex
	dir  *object
	name string
	s    host.Stat
	err  error
}

func (l *last) put(dir *object, name string, s *host.Stat, err error) {
	l.mu.Lock()
	l.dir, l.name, l.s, l.err = dir, name, *s, err
	l.mu.Unlock()
}

func (l *last) take(dir *object, name string, s *host.Stat) (ok bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.dir != dir || l.name != name {
		return false, nil
	}
	*s, err = l.s, l.err
	l.dir, l.name = nil, ""
	return true, err
}

// Lookup implements mem.Lower.
func (o *object) Lookup(name string) (mem.Lower, mem.LowerAttr, error) {
	var s host.Stat
	ok, err := o.t.last.take(o, name, &s)
	if !ok {
		s, err = o.stat(name)
	}
	if err != nil {
		return nil, mem.LowerAttr{}, err
	}
	child := &object{t: o.t, parent: o, name: name}
	child.fill(&s)
	return child, o.t.attr(&s), nil
}

// Stat implements mem.Lower.
func (o *object) Stat(name string) (mem.LowerAttr, error) {
	s, err := o.stat(name)
	o.t.last.put(o, name, &s, err)
	if err != nil {
		return mem.LowerAttr{}, err
	}
	return o.t.attr(&s), nil
}

func (o *object) stat(name string) (host.Stat, error) {
	if name == "" || name == "." || name == ".." || strings.Contains(name, "/") {
		return host.Stat{}, linux.ENOENT
	}
	fd, err := o.acquireDir()
	if err != nil {
		return host.Stat{}, err
	}
	defer o.releaseDir()
	s, err := host.StatAt(fd, name)
	return s, lost(err)
}

// listing is the space in which a directory is read.
type listing struct {
	buf   [32 << 10]byte
	names []byte
	spans []span
}

type span struct {
	end int // in names
	ino uint64
	typ uint8
}

var listings = sync.Pool{New: func() any { return new(listing) }}

// List implements mem.Lower.
func (o *object) List(limit int) ([]mem.LowerEntry, error) {
	// One that can be read serves lookups, too, but not the other way round.
	fd, err := o.acquireDirAs(linux.O_RDONLY)
	if err != nil {
		return nil, err
	}
	defer o.releaseDir()
	// The caller holds the directory's lock, so the position is ours.
	if _, err := host.Seek(fd, 0, linux.SEEK_SET); err == linux.EBADF {
		if fd, err = host.OpenBeneath(fd, ".", linux.O_RDONLY|linux.O_DIRECTORY, 0); err != nil {
			return nil, lost(err)
		}
		defer host.Close(fd)
	} else if err != nil {
		return nil, err
	}
	l := listings.Get().(*listing)
	defer listings.Put(l)
	l.names, l.spans = l.names[:0], l.spans[:0]
	for more := true; more; {
		more, err = host.Getdents(fd, l.buf[:], func(d *host.Dirent) {
			if string(d.Name) == "." || string(d.Name) == ".." {
				return
			}
			l.names = append(l.names, d.Name...)
			l.spans = append(l.spans, span{len(l.names), d.Ino, d.Type})
		})
		if err != nil {
			return nil, err
		}
		if limit >= 0 && len(l.spans) > limit {
			return nil, linux.E2BIG
		}
	}
	// The names share one string.
	all, start := string(l.names), 0
	list := make([]mem.LowerEntry, len(l.spans))
	for i, s := range l.spans {
		list[i] = mem.LowerEntry{Name: all[start:s.end], Ino: o.t.inos.Ino(o.dev, s.ino), Type: s.typ}
		start = s.end
		if s.typ == linux.DT_UNKNOWN {
			if st, err := host.StatAt(fd, list[i].Name); err == nil {
				list[i].Type = uint8(st.Mode >> 12)
			}
		}
	}
	slices.SortFunc(list, func(a, b mem.LowerEntry) int { return strings.Compare(a.Name, b.Name) })
	return list, nil
}

// Readable implements mem.Lower.
func (o *object) Readable() bool { return o.readable }

// Acquire implements mem.Lower.
func (o *object) Acquire() (int, error) {
	return o.t.fds.Acquire(&o.fd, func() (int, error) {
		dir, err := o.parent.acquireDir()
		if err != nil {
			return -1, err
		}
		defer o.parent.releaseDir()
		// Should the host have put a FIFO or a terminal there, it must not
		// hold us up. O_NOATIME is permitted to the owner.
		flags := linux.O_RDONLY | linux.O_NONBLOCK | linux.O_NOCTTY
		fd, err := host.OpenBeneath(dir, o.name, flags|linux.O_NOATIME, 0)
		if err == linux.EPERM {
			fd, err = host.OpenBeneath(dir, o.name, flags, 0)
		}
		return fd, lost(err)
	})
}

// Release implements mem.Lower.
func (o *object) Release() { o.t.fds.Release(&o.fd) }

// Readlink implements mem.Lower.
func (o *object) Readlink() (string, error) {
	dir, err := o.parent.acquireDir()
	if err != nil {
		return "", err
	}
	defer o.parent.releaseDir()
	s, err := host.Readlink(dir, o.name)
	return s, lost(err)
}

// Xattrs implements mem.Lower. Attributes that only the host's kernel gives a
// meaning to, such as security labels and access lists, are not shown.
func (o *object) Xattrs() (map[string][]byte, error) {
	var fd int
	var err error
	switch o.typ {
	case linux.S_IFREG:
		if fd, err = o.Acquire(); err != nil {
			return nil, err
		}
		defer o.Release()
	case linux.S_IFDIR:
		dir, err := o.acquireDir()
		if err != nil {
			return nil, err
		}
		defer o.releaseDir()
		if fd, err = host.OpenBeneath(dir, ".", linux.O_RDONLY|linux.O_DIRECTORY, 0); err != nil {
			return nil, lost(err)
		}
		defer host.Close(fd)
	default:
		return nil, nil
	}
	names, err := host.Listxattr(fd)
	if err != nil || len(names) == 0 {
		if err == linux.EOPNOTSUPP {
			err = nil
		}
		return nil, err
	}
	m := make(map[string][]byte)
	for _, n := range names {
		if strings.HasPrefix(n, "user.") || n == "security.capability" {
			if v, err := host.Getxattr(fd, n); err == nil {
				m[n] = v
			}
		}
	}
	return m, nil
}
