// Package vfstest is a suite that every file system passes that can be
// written to. An implementation's test calls Run.
package vfstest

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"sentinel/internal/abi/linux"
	"sentinel/internal/vfs"
)

// Run runs the suite. make returns a fresh file system whose root directory
// root can write to; whatever is there already must not begin with "t-".
func Run(t *testing.T, make func(t *testing.T) vfs.FileSystem) {
	for _, c := range []struct {
		name string
		fn   func(e *Env)
	}{
		{"create", testCreate},
		{"links", testLinks},
		{"rename", testRename},
		{"exchange", testExchange},
		{"unlink-open", testUnlinkOpen},
		{"tmpfile", testTmpfile},
		{"readdir", testReadDir},
		{"truncate", testTruncate},
		{"holes", testHoles},
		{"append", testAppend},
		{"xattr", testXattr},
		{"attributes", testAttributes},
		{"directories", testDirectories},
		{"special", testSpecial},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := New(t, make(t))
			e.OK(e.Mkdir("/t-dir", 0o755))
			e.OK(e.VFS.Chdir(e.C, "/t-dir"))
			c.fn(e)
		})
	}
}

func testCreate(e *Env) {
	e.Write("a", "hello")
	if s := e.Read("a"); s != "hello" {
		e.T.Fatalf("content %q", s)
	}
	a := e.Stat("a")
	if a.Mode != linux.S_IFREG|0o644 || a.Size != 5 || a.Nlink != 1 || a.UID != 0 {
		e.T.Fatalf("attributes %+v", a)
	}
	e.Want(e.TryOpen("a", linux.O_CREAT|linux.O_EXCL, 0o644), linux.EEXIST)
	e.Want(e.StatErr("b"), linux.ENOENT)
	e.Want(e.TryOpen("b", 0, 0), linux.ENOENT)
	e.Write("b", "")
	e.Want(e.StatErr("a/b"), linux.ENOTDIR)
	e.Want(e.TryOpen("n/b", linux.O_CREAT, 0o644), linux.ENOENT)
	e.Want(e.TryOpen(strings.Repeat("x", 256), linux.O_CREAT, 0o644), linux.ENAMETOOLONG)
	e.Write(strings.Repeat("x", 255), "")
	if e.Stat("a").Ino == e.Stat("b").Ino {
		e.T.Fatal("two files with one inode number")
	}
}

func testLinks(e *Env) {
	e.Write("a", "one")
	e.OK(e.Link("a", "b"))
	if a, b := e.Stat("a"), e.Stat("b"); a.Ino != b.Ino || b.Nlink != 2 {
		e.T.Fatalf("%+v, %+v", a, b)
	}
	e.Write("b", "two")
	if s := e.Read("a"); s != "two" {
		e.T.Fatalf("through the other name: %q", s)
	}
	e.OK(e.Unlink("a"))
	if n := e.Stat("b").Nlink; n != 1 {
		e.T.Fatalf("nlink %d", n)
	}
	e.OK(e.Symlink("b", "s"))
	if a := e.Stat("s"); a.Mode != linux.S_IFLNK|0o777 || a.Size != 1 {
		e.T.Fatalf("link %+v", a)
	}
	if s, err := e.VFS.ReadlinkAt(e.C, vfs.Path{}, "s"); s != "b" || err != nil {
		e.T.Fatal(s, err)
	}
	if s := e.Read("s"); s != "two" {
		e.T.Fatalf("through the link: %q", s)
	}
	e.OK(e.Link("s", "s2"))
	if e.typ("s2") != linux.S_IFLNK {
		e.T.Fatal("link(2) followed a link")
	}
	e.OK(e.Mkdir("d", 0o755))
	e.Want(e.Link("d", "d2"), linux.EPERM)
	e.Want(e.Link("b", "s"), linux.EEXIST)
	e.Want(e.Link("none", "x"), linux.ENOENT)
	e.OK(e.Symlink("loop", "loop"))
	e.Want(e.StatErr("loop"), linux.ELOOP)
	e.OK(e.Symlink("new", "dangling"))
	e.Write("dangling", "made")
	if s := e.Read("new"); s != "made" {
		e.T.Fatalf("made through a link: %q", s)
	}
}

func testRename(e *Env) {
	e.Write("a", "a")
	e.Write("b", "b")
	ino := e.Stat("a").Ino
	e.OK(e.Rename("a", "b", 0))
	e.Want(e.StatErr("a"), linux.ENOENT)
	if e.Read("b") != "a" || e.Stat("b").Ino != ino {
		e.T.Fatal("rename over a file")
	}
	e.OK(e.Mkdir("d", 0o755))
	e.OK(e.Mkdir("d/e", 0o755))
	e.Write("d/e/f", "f")
	e.Want(e.Rename("d", "d/e/g", 0), linux.EINVAL)
	e.Want(e.Rename("d/e/f", "d/e", 0), linux.ENOTEMPTY)
	e.Want(e.Rename("b", "d", 0), linux.EISDIR)
	e.Want(e.Rename("d", "b", 0), linux.ENOTDIR)
	e.OK(e.Mkdir("x", 0o755))
	e.Want(e.Rename("x", "d", 0), linux.ENOTEMPTY)
	n := e.Stat("d").Nlink
	e.OK(e.Rename("d/e", "x", 0))
	if e.Read("x/f") != "f" || e.Stat("d").Nlink != n-1 {
		e.T.Fatalf("directory moved: nlink %d", e.Stat("d").Nlink)
	}
	if e.Stat("x/..").Ino != e.Stat(".").Ino {
		e.T.Fatal("dot-dot after a move")
	}
	e.Want(e.Rename("b", "x", linux.RENAME_NOREPLACE), linux.EEXIST)
	e.OK(e.Rename("b", "c", linux.RENAME_NOREPLACE))
	e.OK(e.Link("c", "c2"))
	e.OK(e.Rename("c", "c2", 0))
	if e.Stat("c").Nlink != 2 {
		e.T.Fatal("rename between two names of one file does nothing")
	}
	e.Want(e.Rename("none", "y", 0), linux.ENOENT)
	e.Want(e.Rename(".", "y", 0), linux.EBUSY)
	if got := e.Names("."); !slices.Equal(got, []string{"c", "c2", "d", "x"}) {
		e.T.Fatalf("names %q", got)
	}
}

func testExchange(e *Env) {
	e.Write("a", "file")
	e.OK(e.Mkdir("d", 0o755))
	e.OK(e.Mkdir("s", 0o755))
	e.Write("d/in", "in")
	e.Want(e.Rename("a", "none", linux.RENAME_EXCHANGE), linux.ENOENT)
	e.OK(e.Rename("a", "s/a", 0))
	e.OK(e.Rename("s/a", "d", linux.RENAME_EXCHANGE))
	if e.Read("d") != "file" || e.Read("s/a/in") != "in" {
		e.T.Fatal("not exchanged")
	}
	if e.Stat("s").Nlink != 3 {
		e.T.Fatalf("nlink %d", e.Stat("s").Nlink)
	}
	e.Want(e.Rename("s", "s/a", linux.RENAME_EXCHANGE), linux.EINVAL)
	e.Want(e.Rename("s/a", "s", linux.RENAME_EXCHANGE), linux.EINVAL)
}

func testUnlinkOpen(e *Env) {
	e.Write("a", "text")
	f := e.Open("a", linux.O_RDWR, 0)
	defer f.DecRef()
	e.OK(e.Unlink("a"))
	e.Want(e.StatErr("a"), linux.ENOENT)
	e.Write("a", "other")
	if s := e.ReadFile(f); s != "text" {
		e.T.Fatalf("content %q", s)
	}
	if _, err := f.Pwrite(e.C, []byte("T"), 0); err != nil {
		e.T.Fatal(err)
	}
	a, _, err := e.VFS.StatAt(e.C, f.Path, "", linux.AT_EMPTY_PATH)
	if err != nil || a.Nlink != 0 || a.Size != 4 {
		e.T.Fatalf("%+v, %v", a, err)
	}
	if e.Read("a") != "other" {
		e.T.Fatal("new file of the name")
	}
	e.Want(e.VFS.LinkAt(e.C, f.Path, "", vfs.Path{}, "again", linux.AT_EMPTY_PATH), linux.ENOENT)
}

func testTmpfile(e *Env) {
	f, err := e.VFS.OpenAt(e.C, vfs.Path{}, ".", linux.O_TMPFILE|linux.O_RDWR, 0o600, 0)
	if err == linux.EOPNOTSUPP {
		return
	}
	e.OK(err)
	if _, err := f.Write(e.C, []byte("tmp")); err != nil {
		e.T.Fatal(err)
	}
	if n := e.Names("."); len(n) != 0 {
		e.T.Fatalf("names %q", n)
	}
	e.OK(e.VFS.LinkAt(e.C, f.Path, "", vfs.Path{}, "named", linux.AT_EMPTY_PATH))
	f.DecRef()
	if e.Read("named") != "tmp" || e.Stat("named").Nlink != 1 {
		e.T.Fatal("linked O_TMPFILE")
	}
}

func testReadDir(e *Env) {
	const n = 500
	var want []string
	for i := range n {
		s := fmt.Sprintf("f%04d", i)
		e.Write(s, "")
		want = append(want, s)
	}
	if got := e.Names("."); !slices.Equal(got, want) {
		e.T.Fatalf("%d names", len(got))
	}
	// A name that stays is read exactly once whatever happens to the others.
	f := e.Open(".", linux.O_RDONLY|linux.O_DIRECTORY, 0)
	defer f.DecRef()
	seen := map[string]int{}
	for i := 0; ; i++ {
		k := 0
		e.OK(f.ReadDir(e.C, func(d *vfs.DirEntry) bool {
			if k == 7 {
				return false
			}
			k++
			seen[d.Name]++
			if d.Name != "." && d.Name != ".." && d.Type != linux.DT_REG {
				e.T.Errorf("%s: type %d", d.Name, d.Type)
			}
			return true
		}))
		if k == 0 {
			break
		}
		if i < n/2 {
			e.OK(e.Unlink(want[2*i]))
			e.Write(fmt.Sprintf("g%04d", i), "")
		}
	}
	for i := 1; i < n; i += 2 {
		if seen[want[i]] != 1 {
			e.T.Fatalf("%s read %d times", want[i], seen[want[i]])
		}
	}
	for s, k := range seen {
		if k != 1 {
			e.T.Fatalf("%s read %d times", s, k)
		}
	}
	if pos, err := f.Seek(e.C, 0, linux.SEEK_SET); pos != 0 || err != nil {
		e.T.Fatal(pos, err)
	}
	count := 0
	e.OK(f.ReadDir(e.C, func(d *vfs.DirEntry) bool { count++; return true }))
	if count != len(e.Names("."))+2 {
		e.T.Fatalf("%d names after rewinding", count)
	}
	if e.Stat("f0001").Ino == 0 {
		e.T.Fatal("inode number 0")
	}
}

func testTruncate(e *Env) {
	e.Write("a", "0123456789")
	e.OK(e.VFS.TruncateAt(e.C, vfs.Path{}, "a", 4))
	if s := e.Read("a"); s != "0123" {
		e.T.Fatalf("%q", s)
	}
	e.OK(e.VFS.TruncateAt(e.C, vfs.Path{}, "a", 8))
	if s := e.Read("a"); s != "0123\x00\x00\x00\x00" {
		e.T.Fatalf("%q", s)
	}
	e.Want(e.VFS.TruncateAt(e.C, vfs.Path{}, "a", -1), linux.EINVAL)
	e.Want(e.VFS.TruncateAt(e.C, vfs.Path{}, ".", 0), linux.EISDIR)
	f := e.Open("a", linux.O_RDONLY, 0)
	e.Want(f.Truncate(e.C, 0), linux.EINVAL)
	f.DecRef()
	f = e.Open("a", linux.O_RDWR|linux.O_TRUNC, 0)
	defer f.DecRef()
	if e.Stat("a").Size != 0 {
		e.T.Fatal("O_TRUNC")
	}
	e.OK(f.Truncate(e.C, 1<<20))
	if e.Stat("a").Size != 1<<20 {
		e.T.Fatal("size")
	}
}

func testHoles(e *Env) {
	f := e.Open("a", linux.O_RDWR|linux.O_CREAT, 0o644)
	defer f.DecRef()
	const off = 10 << 20
	if n, err := f.Pwrite(e.C, []byte("end"), off); n != 3 || err != nil {
		e.T.Fatal(n, err)
	}
	if a := e.Stat("a"); a.Size != off+3 || a.Blocks*512 >= off {
		e.T.Fatalf("size %d, blocks %d", a.Size, a.Blocks)
	}
	buf := bytes.Repeat([]byte{1}, 8192)
	if n, err := f.Pread(e.C, buf, off-8190); n != 8192 || err != nil {
		e.T.Fatal(n, err)
	}
	if !bytes.Equal(buf[:8190], make([]byte, 8190)) || string(buf[8190:]) != "en" {
		e.T.Fatal("content around a hole")
	}
	if pos, err := f.Seek(e.C, 0, linux.SEEK_DATA); err != nil || pos > off || pos < 0 {
		e.T.Fatal(pos, err)
	}
	if pos, err := f.Seek(e.C, off, linux.SEEK_HOLE); err != nil || pos != off+3 {
		e.T.Fatal(pos, err)
	}
	_, err := f.Seek(e.C, off+3, linux.SEEK_DATA)
	e.Want(err, linux.ENXIO)
	_, err = f.Seek(e.C, -1, linux.SEEK_SET)
	e.Want(err, linux.EINVAL)
}

func testAppend(e *Env) {
	e.Write("a", "one")
	f := e.Open("a", linux.O_WRONLY|linux.O_APPEND, 0)
	defer f.DecRef()
	g := e.Open("a", linux.O_WRONLY|linux.O_APPEND, 0)
	defer g.DecRef()
	for _, w := range []*vfs.File{f, g, f} {
		if _, err := w.Write(e.C, []byte("-")); err != nil {
			e.T.Fatal(err)
		}
	}
	if s := e.Read("a"); s != "one---" {
		e.T.Fatalf("%q", s)
	}
	if f.Pos() != 6 {
		e.T.Fatalf("position %d", f.Pos())
	}
	_, err := f.Read(e.C, make([]byte, 1))
	e.Want(err, linux.EBADF)
}

func testXattr(e *Env) {
	e.Write("a", "")
	p, err := e.VFS.Lookup(e.C, vfs.Path{}, "a", 0)
	e.OK(err)
	v, c := e.VFS, e.C
	if err := v.Setxattr(c, p, "user.k", []byte("v"), 0); err == linux.EOPNOTSUPP {
		return
	} else if err != nil {
		e.T.Fatal(err)
	}
	e.Want(v.Setxattr(c, p, "user.k", nil, linux.XATTR_CREATE), linux.EEXIST)
	e.Want(v.Setxattr(c, p, "user.l", nil, linux.XATTR_REPLACE), linux.ENODATA)
	e.OK(v.Setxattr(c, p, "user.k", []byte("w"), linux.XATTR_REPLACE))
	if b, err := v.Getxattr(c, p, "user.k"); string(b) != "w" || err != nil {
		e.T.Fatal(b, err)
	}
	if l, err := v.Listxattr(c, p); !slices.Equal(l, []string{"user.k"}) || err != nil {
		e.T.Fatal(l, err)
	}
	e.OK(v.Removexattr(c, p, "user.k"))
	e.Want(v.Removexattr(c, p, "user.k"), linux.ENODATA)
	_, err = v.Getxattr(c, p, "user.k")
	e.Want(err, linux.ENODATA)
}

func testAttributes(e *Env) {
	e.Write("a", "x")
	at := vfs.Path{}
	e.OK(e.VFS.ChmodAt(e.C, at, "a", 0o4751, 0))
	if m := e.Stat("a").Mode; m != linux.S_IFREG|0o4751 {
		e.T.Fatalf("mode %o", m)
	}
	e.OK(e.VFS.ChownAt(e.C, at, "a", 12, 34, 0))
	if a := e.Stat("a"); a.UID != 12 || a.GID != 34 || a.Mode&linux.S_ISUID != 0 {
		e.T.Fatalf("%+v", a)
	}
	want := [2]vfs.Timespec{{Sec: 1000, Nsec: 1}, {Sec: 2000, Nsec: 999999999}}
	e.OK(e.VFS.UtimensAt(e.C, at, "a", &want, 0))
	if a := e.Stat("a"); a.Atime != want[0] || a.Mtime != want[1] {
		e.T.Fatalf("%+v", a)
	}
	e.OK(e.VFS.UtimensAt(e.C, at, "a", &[2]vfs.Timespec{{Nsec: linux.UTIME_OMIT}, {Sec: -5}}, 0))
	if a := e.Stat("a"); a.Atime != want[0] || a.Mtime.Sec != -5 {
		e.T.Fatalf("%+v", a)
	}
	e.OK(e.VFS.UtimensAt(e.C, at, "a", nil, 0))
	if a := e.Stat("a"); a.Mtime.Sec < 2000 || a.Ctime.Sec < 2000 {
		e.T.Fatalf("%+v", a)
	}
	before := e.Stat("a").Ino
	e.Write("a", "changed")
	if e.Stat("a").Ino != before {
		e.T.Fatal("inode number changed")
	}
}

func testDirectories(e *Env) {
	n := e.Stat(".").Nlink
	e.OK(e.Mkdir("d", 0o777))
	if a := e.Stat("d"); a.Mode != linux.S_IFDIR|0o755 || a.Nlink != 2 {
		e.T.Fatalf("%+v", a)
	}
	if e.Stat(".").Nlink != n+1 {
		e.T.Fatal("nlink of the parent")
	}
	e.Want(e.Mkdir("d", 0o777), linux.EEXIST)
	e.OK(e.Mkdir("d/e/", 0o777))
	e.Want(e.Rmdir("d"), linux.ENOTEMPTY)
	e.Want(e.Unlink("d"), linux.EISDIR)
	f := e.Open("d/e", linux.O_RDONLY|linux.O_DIRECTORY, 0)
	defer f.DecRef()
	e.OK(e.Rmdir("d/e"))
	e.Want(f.ReadDir(e.C, func(*vfs.DirEntry) bool { return true }), linux.ENOENT)
	_, err := e.VFS.OpenAt(e.C, f.Path, "new", linux.O_CREAT|linux.O_RDWR, 0o600, 0)
	e.Want(err, linux.ENOENT)
	e.Want(e.VFS.MkdirAt(e.C, f.Path, "new", 0o700), linux.ENOENT)
	e.OK(e.Rmdir("d"))
	e.Want(e.Rmdir("d"), linux.ENOENT)
	e.Write("f", "")
	e.Want(e.Rmdir("f"), linux.ENOTDIR)
	if _, err := e.Open(".", linux.O_RDONLY, 0).Read(e.C, make([]byte, 1)); err != linux.EISDIR {
		e.T.Fatal(err)
	}
	if e.Stat(".").Nlink != n {
		e.T.Fatal("nlink of the parent after rmdir")
	}
}

func testSpecial(e *Env) {
	at := vfs.Path{}
	e.OK(e.VFS.MknodAt(e.C, at, "fifo", linux.S_IFIFO|0o666, 0, 0))
	e.OK(e.VFS.MknodAt(e.C, at, "sock", linux.S_IFSOCK|0o666, 0, 0))
	// A file system that writes to the host makes no device nodes.
	if err := e.VFS.MknodAt(e.C, at, "null", linux.S_IFCHR|0o666, 1, 3); err != linux.EPERM {
		e.OK(err)
		if a := e.Stat("null"); a.Mode != linux.S_IFCHR|0o644 || a.RdevMajor != 1 || a.RdevMinor != 3 {
			e.T.Fatalf("%+v", a)
		}
	}
	if e.typ("fifo") != linux.S_IFIFO || e.typ("sock") != linux.S_IFSOCK {
		e.T.Fatal("types")
	}
	e.Want(e.TryOpen("sock", linux.O_RDWR, 0), linux.ENXIO)
	e.Want(e.VFS.MknodAt(e.C, at, "dir", linux.S_IFDIR|0o666, 0, 0), linux.EPERM)
}
