package mm

import (
	"bytes"
	"strconv"
	"strings"
	"sync"

	"sentinel/internal/host"
	"sentinel/internal/platform"
	"sentinel/internal/vfs"
)

// Names remembers which guest file a host file stands for, for
// /proc/PID/maps. There is one per sandbox.
type Names struct {
	mu sync.Mutex
	m  map[platform.FileID]guestFile
}

type guestFile struct {
	path         string
	major, minor uint32
	ino          uint64
}

// NewNames returns an empty table.
func NewNames() *Names { return &Names{m: map[platform.FileID]guestFile{}} }

const maxNames = 1 << 16

// hostFileID identifies the file of a host descriptor.
func hostFileID(fd int) (id platform.FileID, ok bool) {
	dev, ino, err := host.FileID(fd)
	return platform.FileID{Dev: dev, Ino: ino}, err == nil
}

// identified is a descriptor whose file is known. A dynamic linker maps each
// library several times, one piece after the other.
type identified struct {
	f  *vfs.File
	fd int
	id platform.FileID
}

// fileID identifies the host's file behind a mapping of f. What can only be read
// keeps its descriptor as long as f is open, and is asked once.
func (m *MM) fileID(f *vfs.File, hm vfs.HostMapping) (platform.FileID, bool) {
	if l := m.identified.Load(); hm.ReadOnly && l != nil && l.f == f && l.fd == hm.FD {
		return l.id, true
	}
	id, ok := hostFileID(hm.FD)
	if ok && hm.ReadOnly {
		m.identified.Store(&identified{f, hm.FD, id})
	}
	return id, ok
}

// SameFile is what a platform may know the file of a mapping of f by; see
// platform.HostCall.
func (m *MM) SameFile(f *vfs.File, hm vfs.HostMapping) (id platform.FileID) {
	if hm.ReadOnly {
		id, _ = m.fileID(f, hm)
	}
	return id
}

// Identify is SameFile for who is about to map f, whose name it notes.
func (m *MM) Identify(f *vfs.File, hm vfs.HostMapping) platform.FileID {
	id, ok := m.fileID(f, hm)
	if ok {
		m.names.add(id, f)
	}
	if !hm.ReadOnly {
		return platform.FileID{}
	}
	return id
}

func (n *Names) add(key platform.FileID, f *vfs.File) {
	n.mu.Lock()
	_, ok := n.m[key]
	n.mu.Unlock()
	if ok {
		return
	}
	g := guestFile{path: f.Name}
	if g.path == "" && f.Path.Dentry != nil {
		g.path = f.Path.Dentry.AbsPath(f.Path.Mount)
	}
	if f.Ino != nil {
		if a, err := f.Ino.Attr(); err == nil {
			g.major, g.minor, g.ino = a.DevMajor, a.DevMinor, a.Ino
		}
	}
	n.mu.Lock()
	if len(n.m) < maxNames {
		n.m[key] = g
	}
	n.mu.Unlock()
}

// Mapping is one line of /proc/PID/maps.
type Mapping struct {
	Start, End   uint64
	Perms        string // "r-xp"
	Offset       uint64
	Major, Minor uint32
	Ino          uint64
	Name         string
	// Rest is what follows the line in smaps.
	Rest []byte
}

// join makes one mapping of b and of e, which follows it, if they are apart only
// because the platform has changed a page of the file, or put a copy there.
func join(b, e *Mapping, changed func(page uint64) bool) bool {
	if e.Start != b.End || e.Perms != b.Perms || e.Perms != "r-xp" {
		return false
	}
	same := e.Ino == b.Ino && e.Major == b.Major && e.Minor == b.Minor && e.Offset == b.Offset+e.Start-b.Start
	switch {
	case b.Ino == 0 || e.Ino == 0:
		return false
	case changed(e.Start), same && changed(e.Start-pageMask-1):
	case changed(b.Start):
		b.Major, b.Minor, b.Ino, b.Name, b.Offset = e.Major, e.Minor, e.Ino, e.Name, e.Offset-(e.Start-b.Start)
	default:
		return false
	}
	b.End = e.End
	return true
}

// Maps returns the mappings, the platform's own left out. With smaps set each
// has the details of /proc/PID/smaps.
func (m *MM) Maps(smaps bool) ([]Mapping, error) {
	file := "maps"
	if smaps {
		file = "smaps"
	}
	b, err := m.hostMaps(file)
	if err != nil {
		return nil, err
	}
	lo, hi := m.as.Reserved()
	hidden, hides := m.as.(interface{ Hidden(addr uint64) bool })
	changed, changes := m.as.(interface{ Changed(page uint64) bool })
	heapLo, heapHi := m.BrkRange()
	var out []Mapping
	if !smaps { // else most lines are details
		out = make([]Mapping, 0, bytes.Count(b, []byte("\n"))+1)
	}
	skip := false
	for len(b) > 0 {
		line := b
		if i := bytes.IndexByte(b, '\n'); i >= 0 {
			line, b = b[:i], b[i+1:]
		} else {
			b = nil
		}
		e, ok := m.parse(line)
		if !ok {
			if !skip && len(out) > 0 {
				last := &out[len(out)-1]
				last.Rest = append(append(last.Rest, line...), '\n')
			}
			continue
		}
		skip = e.Start < hi && e.End > lo || hides && hidden.Hidden(e.Start) || e.Name == "[stack]" && e.Start != m.Layout.StackStart
		if skip {
			continue
		}
		// The details of smaps are of what the host has.
		if n := len(out); n > 0 && changes && !smaps && join(&out[n-1], &e, changed.Changed) {
			continue
		}
		switch {
		case e.Ino == 0 && e.Start < m.Layout.StackEnd && e.End > m.Layout.StackStart && e.Perms != "---p":
			e.Name = "[stack]"
		case e.Ino == 0 && e.Start < heapHi && e.End > heapLo:
			e.Name = "[heap]"
		}
		out = append(out, e)
	}
	return out, nil
}

// parse reads one line of the host's maps and gives it the guest's names. A
// process with hundreds of libraries has thousands of lines, so nothing is
// allocated for one.
func (m *MM) parse(line []byte) (Mapping, bool) {
	l, ok := host.ParseMapping(line)
	if !ok {
		return Mapping{}, false
	}
	e := Mapping{Start: l.Start, End: l.End, Perms: perms(l.Perms), Offset: l.Offset, Ino: l.Ino}
	name := l.Name
	if e.Ino == 0 {
		if len(name) > 0 && name[0] == '[' {
			e.Name = string(name)
		}
		return e, true
	}
	m.names.mu.Lock()
	g, known := m.names.m[platform.FileID{Dev: host.MakeDev(l.Major, l.Minor), Ino: e.Ino}]
	m.names.mu.Unlock()
	if known {
		e.Major, e.Minor, e.Ino, e.Name = g.major, g.minor, g.ino, g.path
	} else {
		// A file of the kernel's own making, such as shared anonymous memory.
		e.Major, e.Minor = 0, 1
		e.Name = "/dev/zero (deleted)"
		if bytes.HasPrefix(name, []byte("/dev/zero")) || bytes.HasPrefix(name, []byte("/SYSV")) {
			e.Name = string(name)
		}
	}
	return e, true
}

// perms is string(b), without an allocation for what is common.
func perms(b []byte) string {
	switch string(b) {
	case "r--p":
		return "r--p"
	case "r-xp":
		return "r-xp"
	case "rw-p":
		return "rw-p"
	case "---p":
		return "---p"
	}
	return string(b)
}

// Extra returns how much of the host's address space is not the guest's, or is
// mapped for what it may yet use: the platform's pages and the whole of the
// stack, with its guard.
func (m *MM) Extra() uint64 {
	b, err := m.hostMaps("maps")
	if err != nil {
		return 0
	}
	lo, hi := m.as.Reserved()
	n := uint64(0)
	for line := range bytes.Lines(b) {
		if e, ok := m.parse(bytes.TrimSuffix(line, []byte("\n"))); ok &&
			(e.Start < hi && e.End > lo || e.Start < m.Layout.StackEnd && e.End >= m.Layout.StackStart) {
			n += e.End - e.Start
		}
	}
	return n
}

// RSS returns resident and virtual size in bytes (/proc/PID/statm), the
// platform's own pages included.
func (m *MM) RSS() (size, resident, shared uint64) {
	b, err := m.hostMaps("statm")
	if err != nil {
		return 0, 0, 0
	}
	var v [3]uint64
	for i, s := range strings.Fields(string(b)) {
		if i < 3 {
			n, _ := strconv.ParseUint(s, 10, 64)
			v[i] = n * 4096
		}
	}
	return v[0], v[1], v[2]
}
