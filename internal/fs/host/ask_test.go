package host

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"sentinel/internal/abi/linux"
	"sentinel/internal/vfs"
)

// TestFoundAttributesAreForOneQuestion checks that what a lookup finds serves
// the stat or open that makes it, and nobody later.
func TestFoundAttributesAreForOneQuestion(t *testing.T) {
	dir, fs, _ := mount(t, Options{})
	v := vfs.New(fs)
	put := func(name, data string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(data), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	at := vfs.Path{}
	armed := func(what string, ino vfs.Inode) {
		t.Helper()
		if ino.(inode).base().seenAt != 0 {
			t.Errorf("after %s there are attributes for the next who asks", what)
		}
	}
	size := func(what string, ino vfs.Inode, want int64) {
		t.Helper()
		if a, err := ino.Attr(); err != nil || a.Size != want {
			t.Errorf("%s: %d bytes, %v; want %d", what, a.Size, err, want)
		}
	}
	for range 2 { // without a dentry, and with one
		put("f", "1")
		a, p, err := v.StatAt(ctx, at, "f", 0)
		if err != nil || a.Size != 1 {
			t.Fatalf("%+v, %v", a, err)
		}
		armed("stat", p.Dentry.Inode())
	}
	for i, flags := range []uint32{linux.O_RDONLY, linux.O_RDWR, linux.O_PATH, linux.O_RDWR | linux.O_CREAT} {
		name := "open" + strconv.Itoa(i)
		if flags&linux.O_CREAT == 0 {
			put(name, "1")
		}
		f, err := v.OpenAt(ctx, at, name, flags, 0o644, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer f.DecRef()
		armed("open "+strconv.Itoa(i), f.Ino)
		put(name, "123")
		size("changed by the host", f.Ino, 3)
	}
	put("w", "1")
	f, err := v.OpenAt(ctx, at, "w", linux.O_RDWR, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.DecRef()
	p, err := v.OpenAt(ctx, at, "w", linux.O_PATH, 0, 0) // leaves what it found
	if err != nil {
		t.Fatal(err)
	}
	defer p.DecRef()
	if _, err := f.Write(ctx, []byte("12345")); err != nil {
		t.Fatal(err)
	}
	size("written", f.Ino, 5)
}
