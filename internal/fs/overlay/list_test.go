package overlay

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"sentinel/internal/abi/linux"
	"sentinel/internal/fs/mem"
	"sentinel/internal/host"
)

// lowerRoot is the lower layer without the union.
func (l *lower) lowerRoot() *object {
	l.Helper()
	fd, err := syscall.Open(l.dir, linux.O_PATH|syscall.O_CLOEXEC, 0)
	if err != nil {
		l.Fatal(err)
	}
	l.Cleanup(func() { host.Close(fd) })
	s, err := host.StatAt(fd, "")
	if err != nil {
		l.Fatal(err)
	}
	o := &object{t: &tree{rootFD: fd, fds: host.NewFDCache(idleDirs, idleFiles), inos: host.NewInoMap(s.Dev())}}
	o.fill(&s)
	return o
}

func names(list []mem.LowerEntry) (names []string) {
	for _, e := range list {
		names = append(names, e.Name)
	}
	return names
}

// TestListAgain checks that a directory is listed from its start, whatever its
// descriptor was used for before, and that it can be looked up by the one that
// it was listed by.
func TestListAgain(t *testing.T) {
	l := newLower(t)
	l.put("d/one", "1")
	l.put("d/two", "2")
	l.put("e/three", "3")
	root := l.lowerRoot()
	defer root.t.fds.Shrink()
	dir := func(name string) *object {
		o, _, err := root.Lookup(name)
		if err != nil {
			t.Fatal(err)
		}
		return o.(*object)
	}
	list := func(o *object, want ...string) {
		t.Helper()
		if got, err := o.List(-1); err != nil || !slices.Equal(names(got), want) {
			t.Errorf("%v, %v; want %v", names(got), err, want)
		}
	}
	d := dir("d")
	if _, err := d.List(1); err != linux.E2BIG {
		t.Error(err)
	}
	list(d, "one", "two")
	list(d, "one", "two")
	if _, _, err := d.Lookup("two"); err != nil {
		t.Error(err)
	}
	e := dir("e")
	if _, _, err := e.Lookup("three"); err != nil {
		t.Error(err)
	}
	list(e, "three")
	list(e, "three")
	list(root, "d", "e")
	list(root, "d", "e")
}

// TestFilesDoNotCloseDirectories checks that the descriptors of files that were
// read do not take the place of those of directories.
func TestFilesDoNotCloseDirectories(t *testing.T) {
	l := newLower(t)
	for i := range 50 {
		l.put("d/"+strconv.Itoa(i), "x")
	}
	l.put("e/f", "x")
	l.mount()
	l.walk("e", "f")
	for i := range 50 {
		l.cat(l.walk("d", strconv.Itoa(i)))
	}
	files, dirs := 0, map[string]bool{}
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range fds {
		to, err := os.Readlink("/proc/self/fd/" + fd.Name())
		if err != nil {
			continue
		}
		switch rel, err := filepath.Rel(l.dir, to); {
		case err != nil || strings.HasPrefix(rel, ".."):
		case rel == "d" || rel == "e":
			dirs[rel] = true
		case strings.HasPrefix(rel, "d/"):
			files++
		}
	}
	if len(dirs) != 2 || files > idleFiles {
		t.Errorf("%v and %d files are open", dirs, files)
	}
}
