package overlay

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"sentinel/internal/abi/linux"
	bind "sentinel/internal/fs/host"
	"sentinel/internal/fs/mem"
	"sentinel/internal/host"
	"sentinel/internal/vfs"
)

// world is a tree that operations are made on: the host's own, or one of ours.
type world interface {
	open(path string, flags, mode uint32, write string) (string, error)
	mkdir(path string, mode uint32) error
	unlink(path string, dir bool) error
	link(old, new string) error
	symlink(target, path string) error
	rename(old, new string, flags uint32) error
	chmod(path string, mode uint32) error
	truncate(path string, size int64) error
	readlink(path string) (string, error)
	stat(path string, follow bool) (vfs.Attr, error)
	list(path string) ([]string, error)
}

// native is the host's, below a directory that is also the current one.
type native struct{ dir int }

func errnoOf(err error) error {
	if e, ok := err.(syscall.Errno); ok {
		return linux.Errno(e)
	}
	return err
}

func (n native) open(path string, flags, mode uint32, write string) (string, error) {
	fd, err := syscall.Openat(n.dir, path, int(flags)|syscall.O_CLOEXEC|syscall.O_NONBLOCK, mode)
	if err != nil {
		return "", errnoOf(err)
	}
	defer syscall.Close(fd)
	var b [1 << 17]byte
	got := ""
	if k, err := host.Read(fd, b[:]); err == nil {
		got = string(b[:k])
	}
	if write != "" {
		if _, err := host.Write(fd, []byte(write)); err != nil {
			got += err.Error()
		}
	}
	return got, nil
}
func (n native) mkdir(path string, mode uint32) error { return host.Mkdirat(n.dir, path, mode) }
func (n native) unlink(path string, dir bool) error   { return host.Unlinkat(n.dir, path, dir) }
func (n native) link(old, new string) error           { return host.Linkat(n.dir, old, n.dir, new) }
func (n native) symlink(target, path string) error    { return host.Symlinkat(target, n.dir, path) }
func (n native) rename(old, new string, flags uint32) error {
	return host.Renameat2(n.dir, old, n.dir, new, flags)
}
func (n native) chmod(path string, mode uint32) error {
	return errnoOf(syscall.Fchmodat(n.dir, path, mode, 0))
}
func (n native) truncate(path string, size int64) error {
	// Relative to a directory there is no truncate(2).
	return errnoOf(syscall.Truncate(fmt.Sprintf("/proc/self/fd/%d/%s", n.dir, path), size))
}
func (n native) readlink(path string) (string, error) { return host.Readlink(n.dir, path) }
func (n native) stat(path string, follow bool) (vfs.Attr, error) {
	if follow {
		fd, err := syscall.Openat(n.dir, path, linux.O_PATH|syscall.O_CLOEXEC, 0)
		if err != nil {
			return vfs.Attr{}, errnoOf(err)
		}
		defer syscall.Close(fd)
		s, err := host.StatAt(fd, "")
		return vfs.Attr{Mode: s.Mode, Nlink: s.Nlink, Size: s.Size}, err
	}
	s, err := host.StatAt(n.dir, path)
	return vfs.Attr{Mode: s.Mode, Nlink: s.Nlink, Size: s.Size}, err
}
func (n native) list(path string) ([]string, error) {
	fd, err := syscall.Openat(n.dir, path, syscall.O_DIRECTORY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return nil, errnoOf(err)
	}
	defer syscall.Close(fd)
	var names []string
	buf := make([]byte, 1<<16)
	for more := true; more && err == nil; {
		more, err = host.Getdents(fd, buf, func(d *host.Dirent) { names = append(names, string(d.Name)) })
	}
	slices.Sort(names)
	return names, err
}

// ours is a tree behind our VFS.
type ours struct{ v *vfs.VFS }

var here vfs.Path

func (o ours) open(path string, flags, mode uint32, write string) (string, error) {
	f, err := o.v.OpenAt(ctx, here, path, flags, mode, 0)
	if err != nil {
		return "", err
	}
	defer f.DecRef()
	var b [1 << 17]byte
	got := ""
	if k, err := f.Read(ctx, b[:]); err == nil {
		got = string(b[:k])
	}
	if write != "" {
		if _, err := f.Write(ctx, []byte(write)); err != nil {
			got += err.Error()
		}
	}
	return got, nil
}
func (o ours) mkdir(path string, mode uint32) error { return o.v.MkdirAt(ctx, here, path, mode) }
func (o ours) unlink(path string, dir bool) error {
	flags := uint32(0)
	if dir {
		flags = linux.AT_REMOVEDIR
	}
	return o.v.UnlinkAt(ctx, here, path, flags)
}
func (o ours) link(old, new string) error { return o.v.LinkAt(ctx, here, old, here, new, 0) }
func (o ours) symlink(target, path string) error {
	return o.v.SymlinkAt(ctx, target, here, path)
}
func (o ours) rename(old, new string, flags uint32) error {
	return o.v.RenameAt(ctx, here, old, here, new, flags)
}
func (o ours) chmod(path string, mode uint32) error   { return o.v.ChmodAt(ctx, here, path, mode, 0) }
func (o ours) truncate(path string, size int64) error { return o.v.TruncateAt(ctx, here, path, size) }
func (o ours) readlink(path string) (string, error)   { return o.v.ReadlinkAt(ctx, here, path) }
func (o ours) stat(path string, follow bool) (vfs.Attr, error) {
	flags := uint32(linux.AT_SYMLINK_NOFOLLOW)
	if follow {
		flags = 0
	}
	a, _, err := o.v.StatAt(ctx, here, path, flags)
	return a, err
}
func (o ours) list(path string) ([]string, error) {
	f, err := o.v.OpenAt(ctx, here, path, linux.O_DIRECTORY, 0, 0)
	if err != nil {
		return nil, err
	}
	defer f.DecRef()
	var names []string
	err = f.ReadDir(ctx, func(e *vfs.DirEntry) bool {
		names = append(names, e.Name)
		return true
	})
	slices.Sort(names)
	return names, err
}

// populate makes the tree that every run starts with.
func populate(t *testing.T, dir string) {
	t.Helper()
	l := &lower{T: t, dir: dir}
	l.put("a", "contents of a")
	l.put("b", strings.Repeat("b", 70000))
	l.put("d/a", "in d")
	l.put("d/e/a", "in e")
	for _, err := range []error{
		os.Mkdir(filepath.Join(dir, "c"), 0o755), os.Symlink("d", filepath.Join(dir, "l")),
		os.Symlink("nowhere", filepath.Join(dir, "d/l")), os.Link(filepath.Join(dir, "a"), filepath.Join(dir, "d/b")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
}

const work = "p/q/w/"

func randomPath(r *rand.Rand) string {
	names := []string{"a", "b", "c", "d", "e", "l", "d/a", "d/b", "d/e", "d/e/a", "d/l", "c/a", "c/b", "l/a", "l/e", "l/l", "a/b", "c/d", "c/d/e", "d/..", "d/.", "a/", "c/", "l/", "e/"}
	return work + names[r.IntN(len(names))]
}

// step makes one random operation on w and tells how it went.
func step(w world, r *rand.Rand) string {
	p := randomPath(r)
	switch op := r.IntN(13); op {
	case 0, 1, 2:
		flags := []uint32{linux.O_RDONLY, linux.O_RDWR, linux.O_WRONLY}[r.IntN(3)]
		for _, f := range []uint32{linux.O_CREAT, linux.O_EXCL, linux.O_TRUNC, linux.O_APPEND, linux.O_NOFOLLOW, linux.O_DIRECTORY} {
			if r.IntN(4) == 0 || f == linux.O_CREAT && r.IntN(2) == 0 {
				flags |= f
			}
		}
		data := strings.Repeat("x", r.IntN(3)*r.IntN(9000))
		got, err := w.open(p, flags, 0o640, data)
		return fmt.Sprintf("open %s %#x write %d: %d bytes %.20q, %v", p, flags, len(data), len(got), got, err)
	case 3:
		return fmt.Sprintf("mkdir %s: %v", p, w.mkdir(p, 0o751))
	case 4, 5:
		dir := op == 5
		return fmt.Sprintf("unlink %s %v: %v", p, dir, w.unlink(p, dir))
	case 6:
		q := randomPath(r)
		return fmt.Sprintf("link %s %s: %v", p, q, w.link(p, q))
	case 7:
		target := []string{"a", "d", "../d", "l", "e", "d/e", ".."}[r.IntN(7)]
		return fmt.Sprintf("symlink %s %s: %v", target, p, w.symlink(target, p))
	case 8, 9:
		q := randomPath(r)
		flags := []uint32{0, 0, linux.RENAME_NOREPLACE, linux.RENAME_EXCHANGE}[r.IntN(4)]
		return fmt.Sprintf("rename %s %s %d: %v", p, q, flags, w.rename(p, q, flags))
	case 10:
		mode := uint32(r.IntN(0o1000))
		return fmt.Sprintf("chmod %s %o: %v", p, mode, w.chmod(p, mode))
	case 11:
		size := int64(r.IntN(100000))
		return fmt.Sprintf("truncate %s %d: %v", p, size, w.truncate(p, size))
	default:
		target, err := w.readlink(p)
		return fmt.Sprintf("readlink %s: %s, %v", p, target, err)
	}
}

// treeText describes everything in w.
func treeText(w world, path string, depth int) string {
	names, err := w.list(path)
	s := fmt.Sprintf("%s: %v %v\n", path, names, err)
	for _, n := range names {
		if n == "." || n == ".." || depth > 6 {
			continue
		}
		p := strings.TrimPrefix(path+"/"+n, "./")
		a, err := w.stat(p, false)
		b, ferr := w.stat(p, true)
		s += fmt.Sprintf("%s: %o", p, a.Mode)
		if err != nil {
			s += err.Error()
		}
		if a.Type() != linux.S_IFDIR {
			s += fmt.Sprintf(" nlink %d size %d", a.Nlink, a.Size)
		}
		if a.Type() == linux.S_IFLNK {
			target, _ := w.readlink(p)
			s += fmt.Sprintf(" -> %s: %o %v", target, b.Mode, ferr)
		}
		if a.Type() == linux.S_IFREG {
			got, err := w.open(p, 0, 0, "")
			s += fmt.Sprintf(" %v %d", err, len(got))
			sum := uint32(0)
			for _, c := range []byte(got) {
				sum = sum*31 + uint32(c)
			}
			s += fmt.Sprintf(" %x", sum)
		}
		s += "\n"
		if a.IsDir() {
			s += treeText(w, p, depth+1)
		}
	}
	return s
}

// TestAgainstHost makes the same random operations on a directory of the host
// and on each of our file systems: results, errors and trees must agree.
func TestAgainstHost(t *testing.T) {
	if os.Geteuid() != 0 {
		// Permission then depends on more than these trees.
		ctx.Cred = nil
	}
	defer syscall.Umask(syscall.Umask(0))
	path := func(dir string) int {
		fd, err := syscall.Open(dir, linux.O_PATH|syscall.O_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { syscall.Close(fd) })
		return fd
	}
	for seed := range uint64(12) {
		base := t.TempDir()
		var dirs []string
		for _, n := range []string{"native", "lower", "bind"} {
			// The work is done further down, so that ".." stays inside.
			dir := filepath.Join(base, n)
			dirs = append(dirs, dir)
			if err := os.MkdirAll(filepath.Join(dir, work), 0o755); err != nil {
				t.Fatal(err)
			}
			populate(t, filepath.Join(dir, work))
		}
		want := native{path(dirs[0])}
		over, err := New(path(dirs[1]), mem.Options{Size: 64 << 20, Inodes: 1000})
		if err != nil {
			t.Fatal(err)
		}
		bound, err := bind.New(path(dirs[2]), "", bind.Options{})
		if err != nil {
			t.Fatal(err)
		}
		worlds := map[string]world{"overlay": ours{vfs.New(over)}, "bind": ours{vfs.New(bound)}}
		for i := range 150 {
			w := step(want, rand.New(rand.NewPCG(seed, uint64(i))))
			for name, o := range worlds {
				if got := step(o, rand.New(rand.NewPCG(seed, uint64(i)))); got != w {
					t.Fatalf("%s, seed %d, step %d:\n%s\nthe host:\n%s", name, seed, i, got, w)
				}
			}
			if i%10 == 9 {
				w := treeText(want, ".", 0)
				for name, o := range worlds {
					if got := treeText(o, ".", 0); got != w {
						t.Fatalf("%s, seed %d, step %d:\n%s\nthe host:\n%s", name, seed, i, got, w)
					}
				}
			}
		}
	}
}
