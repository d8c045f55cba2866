package overlay

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

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
