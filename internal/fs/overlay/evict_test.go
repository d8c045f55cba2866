package overlay

import (
	"runtime"
	"testing"
	"weak"

	"sentinel/internal/abi/linux"
	"sentinel/internal/fs/mem"
	"sentinel/internal/vfs"
)

// TestForgetting checks that what is as the lower layer has it is forgotten
// when nobody uses it, and that what was changed never is, nor the way to it.
func TestForgetting(t *testing.T) {
	l := newLower(t)
	for _, n := range []string{"plain", "mode", "data", "gone", "attr"} {
		l.put("a/b/c/"+n, n)
	}
	l.mount()
	walk := func(n string) vfs.Inode { return l.walk("a", "b", "c", n) }
	plain := weak.Make(walk("plain").(*mem.Regular))
	c := weak.Make(l.dirOf("a", "b", "c"))
	collect := func() {
		for range 3 {
			runtime.GC()
		}
	}
	collect()
	if plain.Value() != nil || c.Value() != nil {
		t.Error("unused and unchanged objects are kept")
	}
	if err := walk("mode").SetAttr(ctx, &vfs.SetAttr{Mask: vfs.SetMode, Mode: 0o601}); err != nil {
		t.Fatal(err)
	}
	collect()
	f := l.open(walk("data"), linux.O_RDWR)
	if _, err := f.Write(ctx, []byte("DATA")); err != nil {
		t.Fatal(err)
	}
	f.DecRef()
	collect()
	if err := walk("attr").(vfs.XattrInode).Setxattr(ctx, "user.x", []byte("y"), 0); err != nil {
		t.Fatal(err)
	}
	collect()
	if err := l.dirOf("a", "b", "c").Unlink(ctx, "gone", walk("gone")); err != nil {
		t.Fatal(err)
	}
	collect()
	if a, err := walk("mode").Attr(); err != nil || a.Mode&0o777 != 0o601 {
		t.Errorf("mode %o, %v", a.Mode, err)
	}
	f = l.open(walk("data"), linux.O_RDONLY)
	if got := l.read(f); got != "DATA" {
		t.Errorf("data %q", got)
	}
	f.DecRef()
	if v, err := walk("attr").(vfs.XattrInode).Getxattr(ctx, "user.x"); err != nil || string(v) != "y" {
		t.Errorf("attribute %q, %v", v, err)
	}
	if _, err := l.dirOf("a", "b", "c").Lookup(ctx, "gone"); err != linux.ENOENT {
		t.Errorf("removed name: %v", err)
	}
	// A directory that was moved takes its unchanged children along.
	if err := l.dirOf("a", "b").Rename(ctx, "c", l.dirOf("a", "b", "c"), l.dirOf("a"), "moved", nil, 0); err != nil {
		t.Fatal(err)
	}
	collect()
	f = l.open(l.walk("a", "moved", "plain"), linux.O_RDONLY)
	if got := l.read(f); got != "plain" {
		t.Errorf("moved %q", got)
	}
	f.DecRef()
}
