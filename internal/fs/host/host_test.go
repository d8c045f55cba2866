package host

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"sentinel/internal/abi/linux"
	"sentinel/internal/cred"
	"sentinel/internal/hostpoll"
	"sentinel/internal/vfs"
	"sentinel/internal/waiter"
)

var ctx = &vfs.Context{Cred: cred.New(0, 0, nil, cred.AllCaps)}

func mount(t *testing.T, o Options) (string, *FS, *Dir) {
	t.Helper()
	dir := t.TempDir()
	fd, err := syscall.Open(dir, linux.O_PATH|syscall.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Close(fd) })
	fs, err := New(fd, "", o)
	if err != nil {
		t.Fatal(err)
	}
	return dir, fs, fs.Root().(*Dir)
}

func makeFile(t *testing.T, d *Dir, name string, a vfs.NewInode) vfs.Inode {
	t.Helper()
	a.UID, a.GID = uint32(os.Getuid()), uint32(os.Getgid())
	ino, err := d.Create(ctx, name, &a)
	if err != nil {
		t.Fatalf("create %s: %v", name, err)
	}
	return ino
}

func open(t *testing.T, ino vfs.Inode, flags uint32) *vfs.File {
	t.Helper()
	ops, err := ino.Open(ctx, nil, flags)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	return vfs.NewFile(ops, vfs.Path{}, ino, flags)
}

func names(t *testing.T, d *Dir) []string {
	t.Helper()
	f := open(t, d, 0)
	defer f.Ops.Release(f)
	var got []string
	pos := int64(0)
	for more := true; more; {
		more = false
		n := 0
		err := f.Ops.(vfs.DirReader).ReadDir(ctx, f, pos, func(e *vfs.DirEntry) bool {
			if n == 3 {
				return false
			}
			n++
			more, pos = true, e.Next
			if e.Name != "." && e.Name != ".." {
				got = append(got, e.Name)
			}
			return true
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	slices.Sort(got)
	return got
}

func TestPassThrough(t *testing.T) {
	dir, _, root := mount(t, Options{})
	ino := makeFile(t, root, "f", vfs.NewInode{Mode: linux.S_IFREG | 0o666})
	f := open(t, ino, linux.O_RDWR)
	for off, s := range map[int64]string{0: "hello", vfs.Append: ""} {
		if _, err := f.Ops.Write(ctx, f, []byte(s), off); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := f.Ops.Write(ctx, f, []byte(" world"), vfs.Append); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(dir, "f"))
	if err != nil || string(got) != "hello world" {
		t.Fatalf("%q, %v", got, err)
	}
	st, _ := os.Stat(filepath.Join(dir, "f"))
	if st.Mode() != 0o666 {
		t.Fatalf("the umask of the supervisor shows: %v", st.Mode())
	}
	if err := os.WriteFile(filepath.Join(dir, "f"), []byte("other"), 0o666); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 100)
	if n, err := f.Ops.Read(ctx, f, b, 0); string(b[:n]) != "other" {
		t.Fatalf("%q, %v", b[:n], err)
	}
	_, _ = ino.Attr()
	if a, _ := ino.Attr(); a.Size != 5 {
		t.Fatalf("size %d", a.Size)
	}
	err = ino.SetAttr(ctx, &vfs.SetAttr{
		Mask: vfs.SetMode | vfs.SetSize | vfs.SetMtime, Mode: 0o640, Size: 2, Mtime: vfs.Timespec{Sec: 1000, Nsec: 5},
	})
	if err != nil {
		t.Fatal(err)
	}
	st, _ = os.Stat(filepath.Join(dir, "f"))
	if st.Mode() != 0o640 || st.Size() != 2 || st.ModTime().Unix() != 1000 {
		t.Fatalf("%v %d %v", st.Mode(), st.Size(), st.ModTime())
	}
	f.Ops.Release(f)
}

func TestNames(t *testing.T) {
	dir, _, root := mount(t, Options{})
	d := makeFile(t, root, "d", vfs.NewInode{Mode: linux.S_IFDIR | 0o755}).(*Dir)
	for i := range 20 {
		makeFile(t, d, "n"+strconv.Itoa(i), vfs.NewInode{Mode: linux.S_IFREG | 0o644})
	}
	if got := names(t, d); len(got) != 20 {
		t.Fatal(got)
	}
	n0, err := d.Lookup(ctx, "n0")
	if err != nil {
		t.Fatal(err)
	}
	if again, _ := d.Lookup(ctx, "n0"); again != n0 {
		t.Fatal("an inode has two identities")
	}
	if err := root.Link(ctx, "link", n0); err != nil {
		t.Fatal(err)
	}
	if l, _ := root.Lookup(ctx, "link"); l != n0 {
		t.Fatal("hard links differ")
	}
	if err := d.Rename(ctx, "n1", must(t, d, "n1"), root, "moved", nil, 0); err != nil {
		t.Fatal(err)
	}
	if err := root.Rename(ctx, "moved", must(t, root, "moved"), d, "n2", must(t, d, "n2"), linux.RENAME_EXCHANGE); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "moved")); err != nil {
		t.Fatal(err)
	}
	if err := root.Rmdir(ctx, "d", d); err != linux.ENOTEMPTY {
		t.Fatalf("rmdir: %v", err)
	}
	s := makeFile(t, root, "s", vfs.NewInode{Mode: linux.S_IFLNK | 0o777, Target: "/etc/passwd"})
	if to, err := s.(vfs.SymlinkInode).Readlink(ctx); to != "/etc/passwd" || err != nil {
		t.Fatal(to, err)
	}
	if _, err := root.Create(ctx, "null", &vfs.NewInode{Mode: linux.S_IFCHR, RdevMajor: 1, RdevMinor: 3}); err != linux.EPERM {
		t.Fatalf("a device: %v", err)
	}
	for _, n := range []string{"..", "../x", "", "."} {
		if _, err := root.Lookup(ctx, n); err == nil {
			t.Fatalf("%q was found", n)
		}
	}
}

func must(t *testing.T, d *Dir, name string) vfs.Inode {
	t.Helper()
	ino, err := d.Lookup(ctx, name)
	if err != nil {
		t.Fatal(err)
	}
	return ino
}

func TestUnlinkedLives(t *testing.T) {
	_, fs, root := mount(t, Options{})
	ino := makeFile(t, root, "f", vfs.NewInode{Mode: linux.S_IFREG | 0o644})
	f := open(t, ino, linux.O_RDWR)
	if err := root.Unlink(ctx, "f", ino); err != nil {
		t.Fatal(err)
	}
	other := makeFile(t, root, "f", vfs.NewInode{Mode: linux.S_IFREG | 0o600})
	if other == ino {
		t.Fatal("a new file is the old one")
	}
	_, _ = ino.Attr()
	if a, err := ino.Attr(); err != nil || a.Nlink != 0 || a.Mode&0o777 != 0o644 {
		t.Fatalf("%+v, %v", a, err)
	}
	if _, err := f.Ops.Write(ctx, f, []byte("x"), 0); err != nil {
		t.Fatal(err)
	}
	f.Ops.Release(f)

	tmp, err := root.CreateUnlinked(ctx, &vfs.NewInode{Mode: 0o600, UID: uint32(os.Getuid()), GID: uint32(os.Getgid())})
	if err != nil {
		t.Fatal(err)
	}
	g := open(t, tmp, linux.O_RDWR)
	if _, err := g.Ops.Write(ctx, g, []byte("temp"), 0); err != nil {
		t.Fatal(err)
	}
	if err := root.Link(ctx, "t", tmp); err != nil {
		t.Fatal(err)
	}
	g.Ops.Release(g)
	if must(t, root, "t") != tmp {
		t.Fatal("the linked file is another")
	}
	// Inodes go when nobody has them.
	tmp, ino, other = nil, nil, nil
	left := 0
	for range 1000 {
		runtime.GC()
		fs.mu.Lock()
		left = len(fs.nodes)
		fs.mu.Unlock()
		if left == 1 {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Fatalf("%d inodes are still known", left)
}

func TestOthersChangeIt(t *testing.T) {
	dir, _, root := mount(t, Options{})
	d := makeFile(t, root, "d", vfs.NewInode{Mode: linux.S_IFDIR | 0o755}).(*Dir)
	f := makeFile(t, d, "f", vfs.NewInode{Mode: linux.S_IFREG | 0o644})
	secret := t.TempDir()
	p := filepath.Join(dir, "d")
	if err := errors.Join(os.WriteFile(filepath.Join(secret, "f"), []byte("secret"), 0o644), os.RemoveAll(p), os.Symlink(secret, p)); err != nil {
		t.Fatal(err)
	}
	if ops, err := f.Open(ctx, nil, 0); err == nil {
		ops.Release(nil)
		t.Fatal("a file was opened through a link")
	}
	d.fs.fds.Shrink()
	if _, err := d.Lookup(ctx, "f"); err == nil {
		t.Fatal("a link was followed")
	}
}

func TestReadOnly(t *testing.T) {
	dir, _, root := mount(t, Options{ReadOnly: true})
	if err := os.WriteFile(filepath.Join(dir, "f"), []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	f := must(t, root, "f")
	if _, err := f.Open(ctx, nil, linux.O_WRONLY); err != linux.EROFS {
		t.Fatal(err)
	}
	if err := root.Unlink(ctx, "f", f); err != linux.EROFS {
		t.Fatal(err)
	}
	if err := f.SetAttr(ctx, &vfs.SetAttr{Mask: vfs.SetMode}); err != linux.EROFS {
		t.Fatal(err)
	}
	if _, err := root.Create(ctx, "g", &vfs.NewInode{Mode: linux.S_IFREG}); err != linux.EROFS {
		t.Fatal(err)
	}
}

func TestSingleFile(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "f"), []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	fd, err := syscall.Open(dir, linux.O_PATH|syscall.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(fd)
	fs, err := New(fd, "f", Options{})
	if err != nil {
		t.Fatal(err)
	}
	f := open(t, fs.Root(), linux.O_RDWR)
	defer f.Ops.Release(f)
	if _, err := f.Ops.Write(ctx, f, []byte("yz"), 0); err != nil {
		t.Fatal(err)
	}
	if err := fs.Root().SetAttr(ctx, &vfs.SetAttr{Mask: vfs.SetMode, Mode: 0o600}); err != nil {
		t.Fatal(err)
	}
	got, _ := os.ReadFile(filepath.Join(dir, "f"))
	if st, _ := os.Stat(filepath.Join(dir, "f")); string(got) != "yz" || st.Mode() != 0o600 {
		t.Fatalf("%q %v", got, st.Mode())
	}
}

func TestCallersPipe(t *testing.T) {
	var p [2]int
	if err := syscall.Pipe2(p[:], syscall.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(p[1])
	f, err := NewFileFromFD(new(hostpoll.Poller), p[0], "")
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 10)
	if _, err := f.Ops.Read(ctx, f, b, 0); err != linux.EAGAIN {
		t.Fatalf("empty pipe: %v", err)
	}
	if fl, _, _ := syscall.Syscall(syscall.SYS_FCNTL, uintptr(p[0]), syscall.F_GETFL, 0); fl&syscall.O_NONBLOCK != 0 {
		t.Fatal("O_NONBLOCK was set on the caller's description")
	}
	ch := make(chan struct{}, 1)
	e := waiter.NewChannelEntry(ch)
	f.EventRegister(e, waiter.Readable)
	if _, err := syscall.Write(p[1], []byte("abc")); err != nil {
		t.Fatal(err)
	}
	<-ch
	f.EventUnregister(e)
	if n, err := f.Ops.Read(ctx, f, b, 0); n != 3 || err != nil {
		t.Fatal(n, err)
	}
	if _, ok := f.Ops.(vfs.Seekable); ok {
		t.Fatal("a pipe can seek")
	}
	if _, err := f.Ino.Open(ctx, nil, linux.O_WRONLY); err != linux.EACCES {
		t.Fatal(err)
	}
	f.Ops.Release(f)
	if _, err := f.Ino.Open(ctx, nil, 0); err != linux.ENXIO {
		t.Fatal(err)
	}
	if _, err := syscall.Write(p[1], []byte("x")); err != syscall.EPIPE {
		t.Fatalf("the pipe is still open: %v", err)
	}

	// Writing never waits either.
	if err := syscall.Pipe2(p[:], syscall.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	w, err := NewFileFromFD(new(hostpoll.Poller), p[1], "")
	if err != nil {
		t.Fatal(err)
	}
	total := 0
	for {
		n, err := w.Ops.Write(ctx, w, make([]byte, 100000), 0)
		if err == linux.EAGAIN {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		total += n
	}
	if total < 4096 {
		t.Fatal(total)
	}
	syscall.Close(p[0])
	if _, err := w.Ops.Write(ctx, w, []byte("x"), 0); err != linux.EPIPE {
		t.Fatal(err)
	}
	w.Ops.Release(w)
}

func TestCallersFile(t *testing.T) {
	p := filepath.Join(t.TempDir(), "out")
	fd, err := syscall.Open(p, syscall.O_RDWR|syscall.O_CREAT|syscall.O_CLOEXEC, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	dup, err := syscall.Dup(fd)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(dup)
	if _, err := syscall.Write(dup, []byte("before ")); err != nil {
		t.Fatal(err)
	}
	f, err := NewFileFromFD(new(hostpoll.Poller), fd, "out")
	if err != nil {
		t.Fatal(err)
	}
	pos := int64(7)
	for _, s := range []string{"one ", "two "} {
		n, err := f.Ops.Write(ctx, f, []byte(s), pos)
		if err != nil {
			t.Fatal(err)
		}
		pos += int64(n)
	}
	if _, err := syscall.Write(dup, []byte("after")); err != nil {
		t.Fatal(err)
	}
	if got, _ := os.ReadFile(p); string(got) != "before one two after" {
		t.Fatalf("%q", got)
	}
	again, err := f.Ino.Open(ctx, nil, linux.O_RDONLY)
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 6)
	if n, _ := again.Read(ctx, f, b, 0); string(b[:n]) != "before" {
		t.Fatal(string(b))
	}
	if n, err := f.Ops.(vfs.Seekable).Seek(ctx, f, pos, 0, linux.SEEK_SET); n != 0 || err != nil {
		t.Fatal(n, err)
	}
	if at, _ := syscall.Seek(dup, 0, 1); at != 0 {
		t.Fatalf("the caller's position is %d", at)
	}
	f.Ops.Release(f)
	again.Release(f)
}
