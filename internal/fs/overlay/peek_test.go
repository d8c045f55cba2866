package overlay

import (
	"os"
	"path/filepath"
	"testing"

	"sentinel/internal/abi/linux"
	"sentinel/internal/fs/mem"
	"sentinel/internal/vfs"
)

// TestPeek checks that a directory tells of a file without an inode once, as the
// inode would, and never of what was changed.
func TestPeek(t *testing.T) {
	l := newLower(t)
	for _, n := range []string{"plain", "mode", "gone", "open", "one"} {
		l.put("d/"+n, n)
	}
	for _, err := range []error{
		os.Link(filepath.Join(l.dir, "d/one"), filepath.Join(l.dir, "d/two")),
		os.Symlink("plain", filepath.Join(l.dir, "d/link")), os.Mkdir(filepath.Join(l.dir, "d/sub"), 0o755),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	l.mount()
	d := l.dirOf("d")
	a, ok := d.Peek("plain")
	if !ok {
		t.Fatal("a file that nobody looked up is not told of")
	}
	if b, err := l.walk("d", "plain").Attr(); err != nil || a != b {
		t.Errorf("peek %+v, inode %+v, %v", a, b, err)
	}
	if err := l.walk("d", "mode").SetAttr(ctx, &vfs.SetAttr{Mask: vfs.SetMode, Mode: 0o601}); err != nil {
		t.Fatal(err)
	}
	if err := d.Unlink(ctx, "gone", l.walk("d", "gone")); err != nil {
		t.Fatal(err)
	}
	one := l.walk("d", "one") // keeps what two leads to
	if _, err := d.Create(ctx, "new", &vfs.NewInode{Mode: linux.S_IFREG | 0o600}); err != nil {
		t.Fatal(err)
	}
	for _, n := range []string{"plain", "mode", "gone", "two", "new", "link", "sub", "nothing", "..", "a/b"} {
		if a, ok := d.Peek(n); ok {
			t.Errorf("%s: told as %+v", n, a)
		}
	}
	if two := l.walk("d", "two"); two != one {
		t.Error("two names of one file have two inodes")
	}

	v := vfs.New(l.fs)
	if err := v.ChmodAt(ctx, here, "d/open", 0o640, 0); err != nil {
		t.Fatal(err)
	}
	if a, _, err := v.StatAt(ctx, here, "d/open", 0); err != nil || a.Mode&0o777 != 0o640 {
		t.Errorf("mode %o, %v", a.Mode, err)
	}
	if _, ok := vfs.DirInode(new(mem.Dir)).(vfs.Peeker); !ok {
		t.Error("the VFS does not peek")
	}
}

// TestLast checks that what Stat found is what the next Lookup finds, and only
// that one.
func TestLast(t *testing.T) {
	l := newLower(t)
	l.put("f", "one")
	l.mount()
	root := l.fs.Root().(*mem.Dir)
	if a, ok := root.Peek("f"); !ok || a.Size != 3 {
		t.Fatalf("%+v, %v", a, ok)
	}
	if err := os.Remove(filepath.Join(l.dir, "f")); err != nil {
		t.Fatal(err)
	}
	if a, err := l.walk("f").Attr(); err != nil || a.Size != 3 {
		t.Errorf("%+v, %v", a, err)
	}
	if _, ok := root.Peek("none"); ok {
		t.Error("a name that is not there is told of")
	}
	l.put("none", "")
	for _, want := range []error{linux.ENOENT, nil} {
		if _, err := root.Lookup(ctx, "none"); err != want {
			t.Errorf("lookup: %v, want %v", err, want)
		}
	}
}
