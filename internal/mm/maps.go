package mm

import (
	"bytes"
	"strconv"
	"strings"
	"sync"

	"sentinel/internal/host"
	"sentinel/internal/vfs"
)

// Names remembers which guest file a host file stands for, for
// /proc/PID/maps. There is one per sandbox.
type Names struct {
	mu sync.Mutex
	m  map[hostFile]guestFile
}

type hostFile struct{ dev, ino uint64 }

type guestFile struct {
	path         string
	major, minor uint32
	ino          uint64
}

// NewNames returns an empty table.
func NewNames() *Names { return &Names{m: map[hostFile]guestFile{}} }

const maxNames = 1 << 16

func (n *Names) add(fd int, f *vfs.File) {
	dev, ino, err := host.FileID(fd)
	if err != nil {
		return
	}
	key := hostFile{dev, ino}
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
	heapLo, heapHi := m.BrkRange()
	var out []Mapping
	skip := false
	for len(b) > 0 {
		line := b
		if i := bytes.IndexByte(b, '\n'); i >= 0 {
			line, b = b[:i], b[i+1:]
		} else {
			b = nil
		}
		e, ok := m.parse(string(line))
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

// parse reads one line of the host's maps and gives it the guest's names.
func (m *MM) parse(line string) (Mapping, bool) {
	f := strings.SplitN(line, " ", 6)
	if len(f) < 5 {
		return Mapping{}, false
	}
	a, z, ok := strings.Cut(f[0], "-")
	if !ok {
		return Mapping{}, false
	}
	var e Mapping
	var err1, err2, err3, err4 error
	e.Start, err1 = strconv.ParseUint(a, 16, 64)
	e.End, err2 = strconv.ParseUint(z, 16, 64)
	e.Perms = f[1]
	e.Offset, err3 = strconv.ParseUint(f[2], 16, 64)
	ma, mi, _ := strings.Cut(f[3], ":")
	major, _ := strconv.ParseUint(ma, 16, 32)
	minor, _ := strconv.ParseUint(mi, 16, 32)
	e.Ino, err4 = strconv.ParseUint(f[4], 10, 64)
	if err1 != nil || err2 != nil || err3 != nil || err4 != nil {
		return Mapping{}, false
	}
	if len(f) == 6 {
		e.Name = strings.TrimLeft(f[5], " ")
	}
	if e.Ino == 0 {
		if !strings.HasPrefix(e.Name, "[") {
			e.Name = ""
		}
		return e, true
	}
	m.names.mu.Lock()
	g, ok := m.names.m[hostFile{host.MakeDev(uint32(major), uint32(minor)), e.Ino}]
	m.names.mu.Unlock()
	if ok {
		e.Major, e.Minor, e.Ino, e.Name = g.major, g.minor, g.ino, g.path
	} else {
		// A file of the kernel's own making, such as shared anonymous memory.
		e.Major, e.Minor = 0, 1
		switch {
		case strings.HasPrefix(e.Name, "/dev/zero"), strings.HasPrefix(e.Name, "/SYSV"):
		default:
			e.Name = "/dev/zero (deleted)"
		}
	}
	return e, true
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
		if e, ok := m.parse(string(bytes.TrimSuffix(line, []byte("\n")))); ok &&
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

// RegisterFile remembers f's name for mappings that exec made of it.
func (m *MM) RegisterFile(f *vfs.File, c *vfs.Context) {
	if mp, ok := f.Ops.(vfs.Mappable); ok {
		if hm, err := mp.Mmap(c, f, 0, 1, 0, false); err == nil && !hm.Anonymous {
			m.names.add(hm.FD, f)
		}
	}
}
