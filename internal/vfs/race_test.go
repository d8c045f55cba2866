package vfs_test

import (
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"

	"sentinel/internal/abi/linux"
	"sentinel/internal/vfs"
	"sentinel/internal/vfs/vfstest"
)

// TestConcurrentTree changes one tree from many tasks and checks that it is
// still one.
func TestConcurrentTree(t *testing.T) { concurrentTree(env(t)) }

// TestConcurrentEviction does so while dentries come and go.
func TestConcurrentEviction(t *testing.T) {
	e := env(t)
	vfs.KeepRecent(e.VFS, 3)
	concurrentTree(e)
}

func concurrentTree(e *vfstest.Env) {
	t := e.T
	at := vfs.Path{}
	dirs := []string{"/a", "/b", "/a/c", "/a/c/d", "/b/e", "/b/e/f"}
	for _, d := range dirs {
		e.OK(e.Mkdir(d, 0o755))
	}
	in, err := e.VFS.NewInotify(e.C, 0)
	e.OK(err)
	defer in.DecRef()
	for _, d := range dirs {
		p, err := e.VFS.Lookup(e.C, at, d, 0)
		e.OK(err)
		_, err = vfs.InotifyAdd(e.C, in, p, linux.IN_ALL_EVENTS)
		e.OK(err)
	}
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			name := func() string {
				return dirs[rand.IntN(len(dirs))] + "/" + strconv.Itoa(rand.IntN(4))
			}
			for range 1500 {
				switch rand.IntN(9) {
				case 0:
					_ = e.Mkdir(name(), 0o755)
				case 1:
					_ = e.Rmdir(name())
				case 2:
					_ = e.Unlink(name())
				case 3:
					_ = e.Rename(name(), name(), 0)
				case 4:
					_ = e.Rename(dirs[rand.IntN(len(dirs))], name(), uint32(rand.IntN(3)))
				case 5:
					_ = e.Link(name(), name())
				case 6:
					f, err := e.VFS.OpenAt(e.C, at, name(), linux.O_CREAT|linux.O_RDWR, 0o600, 0)
					if err == nil {
						f.Write(e.C, []byte("x"))
						f.PathText(e.VFS.Root())
						f.DecRef()
					}
				case 7:
					_, _, _ = e.VFS.StatAt(e.C, at, name()+"/../..", 0)
				case 8:
					_ = e.Rename(name(), dirs[rand.IntN(len(dirs))], uint32(rand.IntN(3)))
				}
			}
		})
	}
	wg.Wait()
	// Every directory is reached once, and its ".." leads back.
	seen := map[uint64]bool{}
	var visit func(path string, parent uint64)
	visit = func(path string, parent uint64) {
		a := e.Stat(path)
		if seen[a.Ino] || e.Stat(path+"/..").Ino != parent {
			t.Fatalf("%s: seen %v", path, seen[a.Ino])
		}
		seen[a.Ino] = true
		subs := uint32(0)
		for _, n := range e.Names(path) {
			if s := e.Stat(path + "/" + n); s.IsDir() {
				subs++
				visit(path+"/"+n, a.Ino)
			}
		}
		if a.Nlink != subs+2 {
			t.Fatalf("%s: nlink %d, %d directories", path, a.Nlink, subs)
		}
	}
	visit("/.", e.Stat("/").Ino)
}
