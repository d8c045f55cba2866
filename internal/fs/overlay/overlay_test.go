package overlay

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"

	"sentinel/internal/abi/linux"
	"sentinel/internal/cred"
	"sentinel/internal/fs/mem"
	"sentinel/internal/vfs"
)

var ctx = &vfs.Context{Cred: cred.New(0, 0, nil, cred.AllCaps)}

type lower struct {
	*testing.T
	dir string
	fs  *mem.FS
}

func (l *lower) put(name, data string) {
	l.Helper()
	p := filepath.Join(l.dir, name)
	if err := errors.Join(os.MkdirAll(filepath.Dir(p), 0o755), os.WriteFile(p, []byte(data), 0o644)); err != nil {
		l.Fatal(err)
	}
}

func (l *lower) mount() {
	l.Helper()
	fd, err := syscall.Open(l.dir, linux.O_PATH|syscall.O_CLOEXEC, 0)
	if err != nil {
		l.Fatal(err)
	}
	l.Cleanup(func() { syscall.Close(fd) })
	if l.fs, err = New(fd, mem.Options{Size: 32 << 20, Inodes: 10000}); err != nil {
		l.Fatal(err)
	}
}

func newLower(t *testing.T) *lower { return &lower{T: t, dir: t.TempDir()} }

func (l *lower) walk(names ...string) vfs.Inode {
	l.Helper()
	ino := l.fs.Root()
	for _, n := range names {
		var err error
		if ino, err = ino.(vfs.DirInode).Lookup(ctx, n); err != nil {
			l.Fatalf("%v: %v", names, err)
		}
	}
	return ino
}

func (l *lower) dirOf(names ...string) *mem.Dir { return l.walk(names...).(*mem.Dir) }

func (l *lower) open(ino vfs.Inode, flags uint32) *vfs.File {
	l.Helper()
	ops, err := ino.Open(ctx, nil, flags)
	if err != nil {
		l.Fatal(err)
	}
	return vfs.NewFile(ops, vfs.Path{}, ino, flags)
}

func (l *lower) read(f *vfs.File) string {
	l.Helper()
	b := make([]byte, 1<<20)
	n, err := f.Ops.Read(ctx, f, b, 0)
	if err != nil {
		l.Fatal(err)
	}
	return string(b[:n])
}

func (l *lower) cat(ino vfs.Inode) string {
	l.Helper()
	f := l.open(ino, 0)
	defer f.Ops.Release(f)
	return l.read(f)
}

func (l *lower) write(ino vfs.Inode, s string, off int64) {
	l.Helper()
	f := l.open(ino, linux.O_RDWR)
	defer f.Ops.Release(f)
	if n, err := f.Ops.Write(ctx, f, []byte(s), off); n != len(s) || err != nil {
		l.Fatalf("write: %d, %v", n, err)
	}
}

func (l *lower) names(ino vfs.Inode) []string {
	l.Helper()
	f := l.open(ino, 0)
	defer f.Ops.Release(f)
	var got []string
	err := f.Ops.(vfs.DirReader).ReadDir(ctx, f, 0, func(e *vfs.DirEntry) bool {
		if e.Name != "." && e.Name != ".." {
			got = append(got, e.Name)
			child, err := ino.(vfs.DirInode).Lookup(ctx, e.Name)
			if err != nil {
				l.Fatalf("%s is listed: %v", e.Name, err)
			}
			if a, _ := child.Attr(); a.Ino != e.Ino || uint8(a.Mode>>12) != e.Type {
				l.Fatalf("%s is listed as %+v, but is %+v", e.Name, e, a)
			}
		}
		return true
	})
	if err != nil {
		l.Fatal(err)
	}
	slices.Sort(got)
	return got
}

func (l *lower) used() int64 {
	s, _ := l.fs.StatFS()
	return int64(s.Blocks-s.Bfree) * s.Bsize
}

func TestUnion(t *testing.T) {
	l := newLower(t)
	l.put("a", "A")
	l.put("d/b", "B")
	l.put("d/c", "C")
	l.mount()
	d := l.dirOf("d")
	b := l.walk("d", "b")
	before, _ := b.Attr()
	if err := d.Unlink(ctx, "b", b); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Lookup(ctx, "b"); err != linux.ENOENT {
		t.Fatalf("after unlink: %v", err)
	}
	if got := l.names(d); !slices.Equal(got, []string{"c"}) {
		t.Fatal(got)
	}
	nb, err := d.Create(ctx, "b", &vfs.NewInode{Mode: linux.S_IFREG | 0o644})
	if err != nil {
		t.Fatal(err)
	}
	l.write(nb, "new", 0)
	if a, _ := nb.Attr(); a.Ino == before.Ino {
		t.Fatal("a new file has the old one's number")
	}
	if got := l.names(d); !slices.Equal(got, []string{"b", "c"}) {
		t.Fatal(got)
	}
	if err := d.Unlink(ctx, "b", nb); err != nil {
		t.Fatal(err)
	}
	if err := d.Unlink(ctx, "c", l.walk("d", "c")); err != nil {
		t.Fatal(err)
	}
	if err := l.dirOf().Rmdir(ctx, "d", d); err != nil {
		t.Fatal(err)
	}
	nd, err := l.dirOf().Create(ctx, "d", &vfs.NewInode{Mode: linux.S_IFDIR | 0o755})
	if err != nil {
		t.Fatal(err)
	}
	if got := l.names(nd); len(got) != 0 {
		t.Fatalf("a new directory is not opaque: %v", got)
	}
	host, err := os.ReadFile(filepath.Join(l.dir, "d/b"))
	if err != nil || string(host) != "B" {
		t.Fatalf("the host's file is %q, %v", host, err)
	}
}

func TestCopyUp(t *testing.T) {
	l := newLower(t)
	small, large := "hello", string(bytes.Repeat([]byte("0123456789abcdef"), 40000))
	l.put("small", small)
	l.put("mid", large[:100000])
	l.put("large", large)
	l.mount()
	for name, data := range map[string]string{"small": small, "mid": large[:100000], "large": large} {
		ino := l.walk(name)
		a, _ := ino.Attr()
		ro := l.open(ino, linux.O_RDONLY)
		if l.read(ro) != data {
			t.Fatalf("%s differs", name)
		}
		used := l.used()
		if err := ino.SetAttr(ctx, &vfs.SetAttr{Mask: vfs.SetMode, Mode: 0o600}); err != nil {
			t.Fatal(err)
		}
		if l.used() != used {
			t.Fatalf("%s: chmod copied data", name)
		}
		l.write(ino, "XY", 2)
		want := data[:2] + "XY" + data[4:]
		if l.read(ro) != want {
			t.Fatalf("%s: an open file does not see the change", name)
		}
		b, _ := ino.Attr()
		if b.Ino != a.Ino || b.DevMinor != a.DevMinor || b.Size != a.Size || b.Mode&0o777 != 0o600 {
			t.Fatalf("%s: %+v became %+v", name, a, b)
		}
		ro.Ops.Release(ro)
		if host, _ := os.ReadFile(filepath.Join(l.dir, name)); string(host) != data {
			t.Fatalf("%s changed on the host", name)
		}
	}
}

func TestTruncateCopiesNothing(t *testing.T) {
	l := newLower(t)
	l.put("huge", "")
	if err := os.Truncate(filepath.Join(l.dir, "huge"), 1<<40); err != nil {
		t.Fatal(err)
	}
	l.put("data", string(make([]byte, 1<<20)))
	l.mount()
	ino := l.walk("data")
	if err := ino.SetAttr(ctx, &vfs.SetAttr{Mask: vfs.SetSize, Size: 0}); err != nil {
		t.Fatal(err)
	}
	l.write(ino, "x", 0)
	if l.used() > 4096 {
		t.Fatalf("%d bytes", l.used())
	}
	// Holes stay holes: the file is longer than the limit.
	huge := l.walk("huge")
	l.write(huge, "x", 1<<30)
	if a, _ := huge.Attr(); a.Size != 1<<40 || l.used() > 8192 {
		t.Fatalf("%+v, %d bytes", a, l.used())
	}
}

func TestNoSpaceLeavesLower(t *testing.T) {
	l := newLower(t)
	l.put("big", string(bytes.Repeat([]byte("x"), 40<<20)))
	l.mount()
	ino := l.walk("big")
	f := l.open(ino, linux.O_RDWR)
	defer f.Ops.Release(f)
	if _, err := f.Ops.Write(ctx, f, []byte("y"), 0); err != linux.ENOSPC {
		t.Fatal(err)
	}
	if l.used() != 0 {
		t.Fatalf("%d bytes are still charged", l.used())
	}
	if s := l.read(f); s[0] != 'x' || len(s) != 1<<20 {
		t.Fatal("the file is no longer readable")
	}
}

func TestHardLinksStayTogether(t *testing.T) {
	l := newLower(t)
	l.put("a", "one")
	if err := os.Link(filepath.Join(l.dir, "a"), filepath.Join(l.dir, "b")); err != nil {
		t.Fatal(err)
	}
	l.mount()
	l.write(l.walk("a"), "two", 0)
	if s := l.cat(l.walk("b")); s != "two" {
		t.Fatalf("the other name has %q", s)
	}
	root := l.dirOf()
	if err := root.Unlink(ctx, "a", l.walk("a")); err != nil {
		t.Fatal(err)
	}
	if a, _ := l.walk("b").Attr(); a.Nlink != 1 {
		t.Fatalf("nlink %d", a.Nlink)
	}
}

func TestRenameDirectory(t *testing.T) {
	l := newLower(t)
	l.put("d/sub/f", "data")
	l.put("e/x", "")
	l.mount()
	root, e := l.dirOf(), l.dirOf("e")
	if err := root.Rename(ctx, "d", l.walk("d"), e, "moved", nil, 0); err != nil {
		t.Fatal(err)
	}
	if s := l.cat(l.walk("e", "moved", "sub", "f")); s != "data" {
		t.Fatal(s)
	}
	if got := l.names(root); !slices.Equal(got, []string{"e"}) {
		t.Fatal(got)
	}
	if got := l.names(e); !slices.Equal(got, []string{"moved", "x"}) {
		t.Fatal(got)
	}
	if l.used() != 0 {
		t.Fatal("a rename copied data")
	}
}

func TestEverythingIsCached(t *testing.T) {
	l := newLower(t)
	for i := range 20 {
		l.put("d/"+strconv.Itoa(i), "")
	}
	l.mount()
	d := l.dirOf("d")
	for i := range 20 {
		l.walk("d", strconv.Itoa(i))
		if _, err := d.Lookup(ctx, "no"+strconv.Itoa(i)); err != linux.ENOENT {
			t.Fatal(err)
		}
	}
	if err := os.RemoveAll(filepath.Join(l.dir, "d")); err != nil {
		t.Fatal(err)
	}
	l.put("d/no3", "")
	if got := l.names(d); len(got) != 20 {
		t.Fatalf("%d names", len(got))
	}
	if _, err := d.Lookup(ctx, "no3"); err != linux.ENOENT {
		t.Fatalf("a known miss was asked for again: %v", err)
	}
}

// TestNoEscape puts a link where a directory was.
func TestNoEscape(t *testing.T) {
	l := newLower(t)
	l.put("d/x", "inside")
	secret := t.TempDir()
	if err := errors.Join(os.WriteFile(filepath.Join(secret, "s"), []byte("secret"), 0o644),
		os.WriteFile(filepath.Join(secret, "x"), []byte("secret"), 0o644)); err != nil {
		t.Fatal(err)
	}
	l.mount()
	d := l.dirOf("d")
	if err := errors.Join(os.RemoveAll(filepath.Join(l.dir, "d")), os.Symlink(secret, filepath.Join(l.dir, "d"))); err != nil {
		t.Fatal(err)
	}
	for _, n := range []string{"s", "x", "..", "../d"} {
		if _, err := d.Lookup(ctx, n); err != linux.ENOENT {
			t.Fatalf("%s: %v", n, err)
		}
	}
}

func TestSpecialFiles(t *testing.T) {
	l := newLower(t)
	if err := errors.Join(syscall.Mkfifo(filepath.Join(l.dir, "fifo"), 0o600), os.Symlink("/etc", filepath.Join(l.dir, "link"))); err != nil {
		t.Fatal(err)
	}
	l.mount()
	if _, err := l.walk("fifo").Open(ctx, nil, linux.O_RDWR); err != linux.ENXIO {
		t.Fatalf("a FIFO of the host: %v", err)
	}
	if s, err := l.walk("link").(vfs.SymlinkInode).Readlink(ctx); s != "/etc" || err != nil {
		t.Fatal(s, err)
	}
}

func TestMmap(t *testing.T) {
	l := newLower(t)
	l.put("f", string(make([]byte, 8192)))
	l.mount()
	ino := l.walk("f")
	f := l.open(ino, linux.O_RDWR)
	defer f.Ops.Release(f)
	m, err := f.Ops.(vfs.Mappable).Mmap(ctx, f, 4096, 4096, 0, false)
	if err != nil {
		t.Fatal(err)
	}
	var h, st syscall.Stat_t
	if err := errors.Join(syscall.Fstat(m.FD, &st), syscall.Stat(filepath.Join(l.dir, "f"), &h)); err != nil {
		t.Fatal(err)
	}
	if h.Ino != st.Ino || h.Dev != st.Dev || m.Offset != 4096 {
		t.Fatal("a private mapping is not of the host's file")
	}
	if m, err = f.Ops.(vfs.Mappable).Mmap(ctx, f, 0, 8192, 0, true); err != nil {
		t.Fatal(err)
	}
	p, err := syscall.Mmap(m.FD, 0, 8192, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Munmap(p)
	p[5] = 'q'
	if s := l.read(f); s[5] != 'q' {
		t.Fatal("a shared mapping is not of the file")
	}
	l.write(ino, "w", 6)
	if p[6] != 'w' {
		t.Fatal("a write is not seen in a shared mapping")
	}
	if h, _ := os.ReadFile(filepath.Join(l.dir, "f")); h[5] != 0 {
		t.Fatal("the host's file changed")
	}
	// What may only read gets a descriptor that only reads.
	ro := l.open(ino, linux.O_RDONLY)
	defer ro.Ops.Release(ro)
	if m, err = ro.Ops.(vfs.Mappable).Mmap(ctx, ro, 0, 4096, 0, true); err != nil {
		t.Fatal(err)
	}
	if _, err := syscall.Mmap(m.FD, 0, 4096, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED); err == nil {
		t.Fatal("a read-only file can be mapped writable")
	}
}

func TestDescriptorsAreBounded(t *testing.T) {
	l := newLower(t)
	for i := range 100 {
		l.put("d"+strconv.Itoa(i)+"/f", strconv.Itoa(i))
	}
	count := func() int {
		fds, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(fds)
	}
	before := count()
	l.mount()
	for range 2 {
		for i := range 100 {
			if s := l.cat(l.walk("d"+strconv.Itoa(i), "f")); s != strconv.Itoa(i) {
				t.Fatal(s)
			}
		}
	}
	if n := count() - before; n > idleDirs+idleFiles+1 {
		t.Fatalf("%d descriptors", n)
	}
}

func TestLongPath(t *testing.T) {
	l := newLower(t)
	l.mount()
	wd, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	defer os.Chdir(wd)
	name := string(bytes.Repeat([]byte("n"), 200))
	if err := os.Chdir(l.dir); err != nil {
		t.Fatal(err)
	}
	const depth = 30
	for range depth {
		if err := errors.Join(os.Mkdir(name, 0o755), syscall.Chdir(name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile("f", []byte("deep"), 0o644); err != nil {
		t.Fatal(err)
	}
	var names []string
	for range depth {
		names = append(names, name)
	}
	d := l.dirOf(names...)
	if got := l.names(d); !slices.Equal(got, []string{"f"}) {
		t.Fatal(got)
	}
	if s := l.cat(l.walk(append(names, "f")...)); s != "deep" {
		t.Fatal(s)
	}
}

func TestHugeDirectory(t *testing.T) {
	l := newLower(t)
	for i := range 9000 {
		l.put("d/"+strconv.Itoa(i), "")
	}
	l.mount()
	d := l.dirOf("d")
	for i := range 6 {
		if _, err := d.Lookup(ctx, "miss"+strconv.Itoa(i)); err != linux.ENOENT {
			t.Fatal(err)
		}
	}
	if got := l.names(d); len(got) != 9000 {
		t.Fatalf("%d names", len(got))
	}
}

func BenchmarkLookup(b *testing.B) {
	fd, err := syscall.Open("/", linux.O_PATH|syscall.O_CLOEXEC, 0)
	if err != nil {
		b.Fatal(err)
	}
	fs, err := New(fd, mem.Options{})
	if err != nil {
		b.Fatal(err)
	}
	d, err := fs.Root().(vfs.DirInode).Lookup(ctx, "usr")
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := d.(vfs.DirInode).Lookup(ctx, "bin"); err != nil {
			b.Fatal(err)
		}
	}
}
