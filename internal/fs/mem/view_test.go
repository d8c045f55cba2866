package mem

import (
	"bytes"
	"testing"

	"sentinel/internal/abi/linux"
	"sentinel/internal/vfs"
)

// TestViews makes large transfers by views and checks that they show what Read
// and Write do, never a hole, and go away with the last description.
func TestViews(t *testing.T) {
	fs := newFS(t, Options{})
	ino := create(t, fs.Root(), "f", linux.S_IFREG|0o644)
	f := open(t, ino, linux.O_RDWR)
	data := bytes.Repeat([]byte("0123456789abcdef"), 2*minView/16)
	put := func(off int64) {
		t.Helper()
		if n, err := f.Pwrite(ctx, data, off); n != len(data) || err != nil {
			t.Fatal(n, err)
		}
	}
	const far = 10 << 20
	put(0)
	put(far)
	var got []byte
	read := func(off int64, n int) bool {
		t.Helper()
		got = nil
		_, ok, err := f.ReadView(off, n, func(b []byte) (int, error) {
			got = bytes.Clone(b)
			return len(b), nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return ok
	}
	if !read(far, 4*minView) || !bytes.Equal(got, data) {
		t.Errorf("%d bytes", len(got))
	}
	if read(1<<20, minView) || read(far-minView, 3*minView) {
		t.Error("a hole is shown")
	}
	if read(0, minView-1) || read(far+4*minView, minView) {
		t.Error("too little is shown")
	}
	fill := func(b []byte) (int, error) {
		for i := range b {
			b[i] = 'x'
		}
		return len(b), nil
	}
	if n, ok, err := f.WriteView(ctx, 4096, minView, fill); n != minView || !ok || err != nil {
		t.Error(n, ok, err)
	}
	if _, ok, _ := f.WriteView(ctx, far+minView, 2*minView, fill); ok {
		t.Error("a write past the end")
	}
	buf := make([]byte, 2*minView)
	if _, err := f.Pread(ctx, buf, 0); err != nil {
		t.Fatal(err)
	}
	copy(data[4096:], bytes.Repeat([]byte("x"), minView))
	if !bytes.Equal(buf, data) {
		t.Error("not what was written")
	}
	// The position moves by what was done.
	if _, err := f.Seek(ctx, 0, linux.SEEK_SET); err != nil {
		t.Fatal(err)
	}
	read(vfs.Position, minView)
	if f.Pos() != minView {
		t.Errorf("position %d", f.Pos())
	}
	if err := ino.SetAttr(ctx, &vfs.SetAttr{Mask: vfs.SetSize, Size: minView + 1}); err != nil {
		t.Fatal(err)
	}
	if !read(0, 2*minView) || len(got) != minView+1 {
		t.Errorf("%d bytes of a file that was cut", len(got))
	}
	if n := ino.FileSystem().(*FS).views.Load(); n != 1 {
		t.Errorf("%d views", n)
	}
	f.DecRef()
	if n := ino.FileSystem().(*FS).views.Load(); n != 0 {
		t.Errorf("%d views after close", n)
	}
}
