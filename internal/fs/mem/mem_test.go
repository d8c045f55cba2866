package mem

import (
	"bytes"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"

	"sentinel/internal/abi/linux"
	"sentinel/internal/cred"
	"sentinel/internal/vfs"
)

var ctx = &vfs.Context{Cred: cred.New(0, 0, nil, cred.AllCaps)}

func newFS(t *testing.T, o Options) *FS {
	t.Helper()
	if o.Size == 0 {
		o.Size = 64 << 20
	}
	if o.Inodes == 0 {
		o.Inodes = 10000
	}
	return New(o)
}

func create(t *testing.T, d vfs.Inode, name string, mode uint32) vfs.Inode {
	t.Helper()
	ino, err := d.(*Dir).Create(ctx, name, &vfs.NewInode{Mode: mode})
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

func names(t *testing.T, ino vfs.Inode) []string {
	t.Helper()
	f := open(t, ino, 0)
	defer f.Ops.Release(f)
	var got []string
	err := f.Ops.(vfs.DirReader).ReadDir(ctx, f, 0, func(e *vfs.DirEntry) bool {
		got = append(got, e.Name)
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	return got[2:]
}

// TestContentModel runs random changes against a plain slice.
func TestContentModel(t *testing.T) {
	for seed := range uint64(18) {
		r := rand.New(rand.NewPCG(seed, 1))
		fs := newFS(t, Options{})
		ino := create(t, fs.Root(), "f", linux.S_IFREG|0o644)
		f := open(t, ino, linux.O_RDWR)
		reach := []int64{5000, 300 << 10, 2 << 20}[seed%3]
		var model []byte
		extend := func(n int64) {
			if n > int64(len(model)) {
				model = append(model, make([]byte, n-int64(len(model)))...)
			}
		}
		for step := range 60 {
			off := r.Int64N(reach)
			n := 1 + r.Int64N(9000)
			switch op := r.IntN(10); {
			case op < 4:
				b := make([]byte, n)
				for i := range b {
					b[i] = byte(r.Uint32())
				}
				if got, err := f.Ops.Write(ctx, f, b, off); err != nil || got != len(b) {
					t.Fatalf("write: %d, %v", got, err)
				}
				extend(off + n)
				copy(model[off:], b)
			case op < 5:
				size := r.Int64N(reach)
				if err := ino.SetAttr(ctx, &vfs.SetAttr{Mask: vfs.SetSize, Size: size}); err != nil {
					t.Fatal(err)
				}
				extend(size)
				model = model[:size]
			case op < 7:
				mode := uint32(linux.FALLOC_FL_PUNCH_HOLE | linux.FALLOC_FL_KEEP_SIZE)
				if op == 6 {
					mode = linux.FALLOC_FL_ZERO_RANGE
					extend(off + n)
				}
				if err := f.Ops.(vfs.Allocator).Allocate(ctx, f, mode, off, n); err != nil {
					t.Fatal(err)
				}
				if off < int64(len(model)) {
					clear(model[off:min(off+n, int64(len(model)))])
				}
			case op < 8:
				if err := f.Ops.(vfs.Allocator).Allocate(ctx, f, 0, off, n); err != nil {
					t.Fatal(err)
				}
				extend(off + n)
			case op == 8 && step > 40:
				if _, err := f.Ops.(vfs.Mappable).Mmap(ctx, f, 0, 4096, 0, true); err != nil {
					t.Fatal(err)
				}
			}
			a, _ := ino.Attr()
			if a.Size != int64(len(model)) {
				t.Fatalf("seed %d step %d: size %d, want %d", seed, step, a.Size, len(model))
			}
			got := make([]byte, len(model)+10)
			k, err := f.Ops.Read(ctx, f, got, 0)
			if err != nil || !bytes.Equal(got[:k], model) {
				t.Fatalf("seed %d step %d: contents differ (%d bytes, %v)", seed, step, k, err)
			}
		}
		if err := fs.root.Unlink(ctx, "f", ino); err != nil {
			t.Fatal(err)
		}
		f.Ops.Release(f)
		if n := fs.quota.Used(); n != 0 {
			t.Fatalf("seed %d: %d bytes are still charged", seed, n)
		}
		if n := fs.quota.space.Load(); n != 0 {
			t.Fatalf("%d bytes of inodes are still charged", n)
		}
	}
}

func TestPageSet(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 30 {
		var s pageSet
		model := make(map[int64]bool)
		const end = 1000
		for range 100 {
			lo := r.Int64N(end)
			hi := lo + r.Int64N(end-lo) + 1
			missing := int64(0)
			for p := lo; p < hi; p++ {
				if !model[p] {
					missing++
				}
			}
			if got := s.missing(lo, hi); got != missing {
				t.Fatalf("missing(%d, %d) = %d, want %d", lo, hi, got, missing)
			}
			if r.IntN(2) == 0 {
				s.add(lo, hi)
				for p := lo; p < hi; p++ {
					model[p] = true
				}
			} else {
				if got := s.remove(lo, hi); got != hi-lo-missing {
					t.Fatalf("remove = %d, want %d", got, hi-lo-missing)
				}
				for p := lo; p < hi; p++ {
					delete(model, p)
				}
			}
			if s.n != int64(len(model)) {
				t.Fatalf("n = %d, want %d", s.n, len(model))
			}
			for _, in := range []bool{true, false} {
				want := lo
				for want < end && model[want] != in {
					want++
				}
				if got := s.next(lo, in); got != want && !(in && want == end && got == noPage) {
					t.Fatalf("next(%d, %v) = %d, want %d", lo, in, got, want)
				}
			}
		}
	}
	s := pageSet{}
	s.add(1<<40, 1<<40+1)
	if s.next(0, true) != 1<<40 || s.remove(0, noPage+1) != 1 {
		t.Fatal("far page")
	}
}

func TestSizeLimit(t *testing.T) {
	fs := newFS(t, Options{Size: 10 * pageSize})
	ino := create(t, fs.Root(), "f", linux.S_IFREG)
	f := open(t, ino, linux.O_RDWR)
	n, err := f.Ops.Write(ctx, f, make([]byte, 20*pageSize), 100)
	if err != nil || n != 10*pageSize-100 {
		t.Fatalf("write = %d, %v", n, err)
	}
	if _, err := f.Ops.Write(ctx, f, []byte{1}, int64(n)+100); err != linux.ENOSPC {
		t.Fatalf("write past the limit: %v", err)
	}
	if _, err := f.Ops.Write(ctx, f, []byte{1}, 0); err != nil {
		t.Fatalf("overwrite: %v", err)
	}
	if err := f.Ops.(vfs.Allocator).Allocate(ctx, f, 0, 0, 1<<62); err != linux.ENOSPC {
		t.Fatalf("fallocate: %v", err)
	}
	st, _ := fs.StatFS()
	if st.Blocks != 10 || st.Bfree != 0 {
		t.Fatalf("statfs: %+v", st)
	}
	if err := ino.SetAttr(ctx, &vfs.SetAttr{Mask: vfs.SetSize, Size: 0}); err != nil {
		t.Fatal(err)
	}
	if st, _ = fs.StatFS(); st.Bfree != 10 {
		t.Fatalf("after truncation: %+v", st)
	}
	small := newFS(t, Options{Inodes: 5})
	for i := range 4 {
		create(t, small.Root(), strconv.Itoa(i), linux.S_IFREG)
	}
	for i := range 2 {
		_, err = small.root.Create(ctx, "x"+strconv.Itoa(i), &vfs.NewInode{Mode: linux.S_IFREG})
	}
	if err != linux.ENOSPC {
		t.Fatalf("too many inodes: %v", err)
	}
}

func TestDescriptorsOfSmallFiles(t *testing.T) {
	count := func() int {
		l, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(l)
	}
	fs := newFS(t, Options{})
	before := count()
	for i := range 500 {
		ino := create(t, fs.Root(), strconv.Itoa(i), linux.S_IFREG)
		f := open(t, ino, linux.O_RDWR)
		if _, err := f.Ops.Write(ctx, f, bytes.Repeat([]byte{byte(i)}, 20000), 0); err != nil {
			t.Fatal(err)
		}
	}
	if n := count() - before; n > 2 {
		t.Fatalf("500 files need %d descriptors", n)
	}
	ino, _ := fs.root.Lookup(ctx, "77")
	f := open(t, ino, 0)
	b := make([]byte, 30000)
	if n, err := f.Ops.Read(ctx, f, b, 0); n != 20000 || err != nil || b[19999] != 77 {
		t.Fatalf("read = %d, %v", n, err)
	}
}

func TestReadDirStable(t *testing.T) {
	fs := newFS(t, Options{})
	for i := range 300 {
		create(t, fs.Root(), strconv.Itoa(i), linux.S_IFREG)
	}
	f := open(t, fs.Root(), 0)
	seen := make(map[string]int)
	pos := int64(0)
	for round := 0; ; round++ {
		n := 0
		err := f.Ops.(vfs.DirReader).ReadDir(ctx, f, pos, func(e *vfs.DirEntry) bool {
			if n == 7 {
				return false
			}
			n++
			seen[e.Name]++
			pos = e.Next
			return true
		})
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			break
		}
		// Rename what was seen and remove others.
		if i := round * 5; i < 300 {
			name := strconv.Itoa(i)
			if ino, err := fs.root.Lookup(ctx, name); err == nil {
				if err := fs.root.Rename(ctx, name, ino, fs.root, "new"+name, nil, 0); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	for i := range 300 {
		n := seen[strconv.Itoa(i)] + seen["new"+strconv.Itoa(i)]
		if n > 1 || n == 0 && i%5 != 0 {
			t.Fatalf("%d was seen %d times", i, n)
		}
	}
}

func TestLinksAndFreeing(t *testing.T) {
	fs := newFS(t, Options{})
	ino := create(t, fs.Root(), "a", linux.S_IFREG|0o600)
	if err := fs.root.Link(ctx, "b", ino); err != nil {
		t.Fatal(err)
	}
	if err := fs.root.Link(ctx, "b", ino); err != linux.EEXIST {
		t.Fatalf("link over a name: %v", err)
	}
	f := open(t, ino, linux.O_RDWR)
	if _, err := f.Ops.Write(ctx, f, make([]byte, 100000), 0); err != nil {
		t.Fatal(err)
	}
	for _, n := range []string{"a", "b"} {
		if err := fs.root.Unlink(ctx, n, ino); err != nil {
			t.Fatal(err)
		}
	}
	if a, _ := ino.Attr(); a.Nlink != 0 || a.Blocks != 200 {
		t.Fatalf("unlinked: %+v", a)
	}
	if err := fs.root.Unlink(ctx, "a", ino); err != linux.ENOENT {
		t.Fatalf("twice: %v", err)
	}
	f.Ops.Release(f)
	if fs.quota.Used() != 0 {
		t.Fatal("not freed")
	}
	if _, err := ino.Open(ctx, nil, 0); err != linux.ENOENT {
		t.Fatalf("opened a freed inode: %v", err)
	}
	tmp, err := fs.root.CreateUnlinked(ctx, &vfs.NewInode{Mode: 0o600})
	if err != nil {
		t.Fatal(err)
	}
	g := open(t, tmp, linux.O_RDWR)
	if err := fs.root.Link(ctx, "t", tmp); err != nil {
		t.Fatal(err)
	}
	g.Ops.Release(g)
	if a, _ := tmp.Attr(); a.Nlink != 1 {
		t.Fatalf("nlink %d", a.Nlink)
	}
}

func TestDirectories(t *testing.T) {
	fs := newFS(t, Options{})
	d := create(t, fs.Root(), "d", linux.S_IFDIR|0o755).(*Dir)
	e := create(t, fs.Root(), "e", linux.S_IFDIR|0o755).(*Dir)
	x := create(t, d, "x", linux.S_IFREG)
	if a, _ := fs.root.Attr(); a.Nlink != 4 {
		t.Fatalf("nlink of root: %d", a.Nlink)
	}
	if err := fs.root.Rmdir(ctx, "d", d); err != linux.ENOTEMPTY {
		t.Fatalf("rmdir: %v", err)
	}
	if err := fs.root.Rename(ctx, "e", e, fs.root, "d", d, 0); err != linux.ENOTEMPTY {
		t.Fatalf("rename over a full directory: %v", err)
	}
	if err := fs.root.Rename(ctx, "d", d, fs.root, "e", e, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Create(ctx, "y", &vfs.NewInode{Mode: linux.S_IFREG}); err != linux.ENOENT {
		t.Fatalf("create in a removed directory: %v", err)
	}
	y := create(t, fs.Root(), "y", linux.S_IFDIR).(*Dir)
	if err := d.Rename(ctx, "x", x, fs.root, "y", y, linux.RENAME_EXCHANGE); err != nil {
		t.Fatal(err)
	}
	if got, _ := d.Lookup(ctx, "x"); got != vfs.Inode(y) {
		t.Fatal("exchange")
	}
	if a, _ := fs.root.Attr(); a.Nlink != 3 {
		t.Fatalf("nlink of root: %d", a.Nlink)
	}
	if a, _ := d.Attr(); a.Nlink != 3 {
		t.Fatalf("nlink of d: %d", a.Nlink)
	}
	if err := fs.root.Rename(ctx, "y", x, fs.root, "z", nil, linux.RENAME_WHITEOUT); err != nil {
		t.Fatal(err)
	}
	w, err := fs.root.Lookup(ctx, "y")
	if err != nil {
		t.Fatal(err)
	}
	if a, _ := w.Attr(); a.Type() != linux.S_IFCHR {
		t.Fatalf("whiteout: %+v", a)
	}
}

func TestSeekDataHole(t *testing.T) {
	fs := newFS(t, Options{})
	for _, at := range []int64{8192, 1 << 20, 1 << 40} {
		ino := create(t, fs.Root(), strconv.FormatInt(at, 10), linux.S_IFREG)
		f := open(t, ino, linux.O_RDWR)
		if _, err := f.Ops.Write(ctx, f, []byte("x"), at); err != nil {
			t.Fatal(err)
		}
		s := f.Ops.(vfs.Seekable)
		if got, err := s.Seek(ctx, f, 0, 0, linux.SEEK_DATA); got != at || err != nil {
			t.Fatalf("data at %d, %v", got, err)
		}
		if got, err := s.Seek(ctx, f, 0, 0, linux.SEEK_HOLE); got != 0 || err != nil {
			t.Fatalf("hole at %d, %v", got, err)
		}
		if got, err := s.Seek(ctx, f, 0, at, linux.SEEK_HOLE); got != at+1 || err != nil {
			t.Fatalf("last hole at %d, %v", got, err)
		}
		if _, err := s.Seek(ctx, f, 0, at+1, linux.SEEK_DATA); err != linux.ENXIO {
			t.Fatalf("data past the end: %v", err)
		}
		if a, _ := ino.Attr(); a.Blocks != 8 {
			t.Fatalf("%d blocks", a.Blocks)
		}
	}
}

func TestXattrs(t *testing.T) {
	fs := newFS(t, Options{})
	x := create(t, fs.Root(), "f", linux.S_IFREG).(vfs.XattrInode)
	if err := x.Setxattr(ctx, "user.a", nil, linux.XATTR_REPLACE); err != linux.ENODATA {
		t.Fatal(err)
	}
	if err := x.Setxattr(ctx, "user.a", []byte("1"), 0); err != nil {
		t.Fatal(err)
	}
	if err := x.Setxattr(ctx, "user.a", []byte("1"), linux.XATTR_CREATE); err != linux.EEXIST {
		t.Fatal(err)
	}
	if l, _ := x.Listxattr(ctx); len(l) != 1 || l[0] != "user.a" {
		t.Fatal(l)
	}
	if err := x.Removexattr(ctx, "user.a"); err != nil {
		t.Fatal(err)
	}
	if _, err := x.Getxattr(ctx, "user.a"); err != linux.ENODATA {
		t.Fatal(err)
	}
}

func TestConcurrent(t *testing.T) {
	fs := newFS(t, Options{})
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(g), 9))
			for range 100 {
				name := strconv.Itoa(r.IntN(10))
				ino, err := fs.root.Lookup(ctx, name)
				if err != nil {
					if ino, err = fs.root.Create(ctx, name, &vfs.NewInode{Mode: linux.S_IFREG}); err != nil {
						continue
					}
				}
				ops, err := ino.Open(ctx, nil, linux.O_RDWR)
				if err != nil {
					continue
				}
				f := vfs.NewFile(ops, vfs.Path{}, ino, linux.O_RDWR)
				b := make([]byte, r.IntN(3)*r.IntN(150000))
				_, _ = ops.Write(ctx, f, b, int64(r.IntN(5000)))
				_, _ = ops.Read(ctx, f, b, 0)
				_, _ = ino.Attr()
				switch r.IntN(4) {
				case 0:
					_ = fs.root.Unlink(ctx, name, ino)
				case 1:
					to := strconv.Itoa(r.IntN(10))
					there, _ := fs.root.Lookup(ctx, to)
					_ = fs.root.Rename(ctx, name, ino, fs.root, to, there, 0)
				case 2:
					_, _ = ops.(vfs.Mappable).Mmap(ctx, f, 0, 4096, 0, true)
				}
				ops.Release(f)
				names(t, fs.root)
			}
		})
	}
	wg.Wait()
	for _, n := range names(t, fs.root) {
		ino, err := fs.root.Lookup(ctx, n)
		if err != nil {
			t.Fatal(err)
		}
		if err := fs.root.Unlink(ctx, n, ino); err != nil {
			t.Fatal(err)
		}
	}
	if fs.quota.Used() != 0 || fs.quota.space.Load() != inodeSpace*0 {
		t.Fatalf("still charged: %d, %d", fs.quota.Used(), fs.quota.space.Load())
	}
}
