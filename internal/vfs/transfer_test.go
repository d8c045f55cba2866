package vfs_test

import (
	"fmt"
	"testing"

	"sentinel/internal/abi/linux"
	"sentinel/internal/cred"
	"sentinel/internal/eventfd"
	"sentinel/internal/fs/kernfs"
	"sentinel/internal/fs/mem"
	"sentinel/internal/pipe"
	"sentinel/internal/sock"
	"sentinel/internal/sock/netif"
	"sentinel/internal/sock/unix"
	"sentinel/internal/usermem"
	"sentinel/internal/vfs"
	"sentinel/internal/vfs/vfstest"
	"sentinel/internal/waiter"
)

// mover is a task with memory from address 0, on a platform of which a test says
// what it can do.
type mover struct {
	c       *vfs.Context
	memory  []byte
	last    []byte // what goes out with the result; nil: nothing
	direct  bool
	ways    []string
	waiting func() // what happens while the task waits
}

func (m *mover) Ctx() *vfs.Context   { return m.c }
func (m *mover) Mem() usermem.Memory { return m }
func (m *mover) Buffer(n int) []byte { return make([]byte, n) }
func (m *mover) ReadsFiles() bool    { return m.direct }
func (m *mover) way(way string)      { m.ways = append(m.ways, way) }

func (m *mover) OutBuffer(n int) []byte {
	if n > len(m.last) {
		return nil
	}
	return m.last[:n]
}

func (m *mover) ReadFile(_ *vfs.File, _ vfs.HostMapping, _ uint64, n int) (int, error) {
	m.way("direct")
	return n, nil
}

func (m *mover) WaitFor(_ *vfs.File, _ waiter.Mask, op func() (int, error)) (int, error) {
	m.waiting()
	return op()
}

func (m *mover) CopyIn(addr uint64, dst []byte) (int, error) {
	if addr+uint64(len(dst)) > uint64(len(m.memory)) {
		return 0, linux.EFAULT
	}
	return copy(dst, m.memory[addr:]), nil
}

func (m *mover) CopyOut(addr uint64, src []byte) (int, error) {
	if addr+uint64(len(src)) > uint64(len(m.memory)) {
		return 0, linux.EFAULT
	}
	return copy(m.memory[addr:], src), nil
}

func (m *mover) CopyOutLast(addr uint64, src []byte) bool {
	m.way("last")
	return true
}

// everyWay is a file that can be read in every way.
type everyWay struct {
	vfs.NoFile
	m              *mover
	size           int64
	viewed, direct bool
}

func (e *everyWay) Seek(c *vfs.Context, f *vfs.File, cur, off int64, whence int) (int64, error) {
	return cur + off, nil
}

func (e *everyWay) Read(_ *vfs.Context, _ *vfs.File, dst []byte, off int64) (int, error) {
	e.m.way("buffered") // or last
	return int(max(min(int64(len(dst)), e.size-off), 0)), nil
}

func (e *everyWay) ReadDirect(_ *vfs.File, off int64, n int) (vfs.HostMapping, int, bool) {
	return vfs.HostMapping{}, int(min(int64(n), e.size-off)), e.direct
}

func (e *everyWay) ReadView(_ *vfs.File, off int64, n int, fn func([]byte) (int, error)) (int, bool, error) {
	if !e.viewed {
		return 0, false, nil
	}
	e.m.way("view")
	n, err := fn(make([]byte, min(int64(n), e.size-off)))
	return n, true, err
}

func (e *everyWay) WriteView(*vfs.Context, int64, int, func([]byte) (int, error)) (int, bool, error) {
	return 0, false, nil
}

// TestWays: who reads gets the data in the best of the ways that there are.
func TestWays(t *testing.T) {
	const large, small = 64 << 10, 100
	last := make([]byte, 4096)
	for _, x := range []struct {
		name   string
		n      uint64
		pieces int
		file   everyWay
		mover  mover
		want   string
	}{
		{"all, large", large, 1, everyWay{viewed: true, direct: true}, mover{direct: true, last: last}, "direct"},
		{"all, small", small, 1, everyWay{viewed: true, direct: true}, mover{direct: true, last: last}, "last"},
		{"two pieces", large, 2, everyWay{viewed: true, direct: true}, mover{direct: true, last: last}, "view"},
		{"a platform that cannot", large, 1, everyWay{viewed: true, direct: true}, mover{last: last}, "view"},
		{"a file that cannot", large, 1, everyWay{viewed: true}, mover{direct: true, last: last}, "view"},
		{"no view", large, 1, everyWay{}, mover{direct: true}, "buffered"},
		{"no room", small, 1, everyWay{viewed: true}, mover{direct: true}, "buffered"},
		{"two small pieces", small, 2, everyWay{viewed: true}, mover{direct: true, last: last}, "buffered"},
	} {
		t.Run(x.name, func(t *testing.T) {
			x.file.size, x.file.m = large, &x.mover
			x.mover.memory = make([]byte, 2*large)
			x.mover.c = &vfs.Context{FDs: vfs.NewFDTable(nil, nil)}
			f := vfs.NewAnonFile(&x.file, "file", linux.O_RDONLY)
			f.IncRef() // as the call has one beside that of the table
			rs := []usermem.Range{{Addr: 0, Len: x.n}}
			if x.pieces == 2 {
				rs = []usermem.Range{{Addr: 0, Len: x.n / 2}, {Addr: large, Len: x.n / 2}}
			}
			n, err := f.ReadTo(&x.mover, rs, vfs.Position, false)
			if n != x.n || err != nil {
				t.Errorf("%d, %v", n, err)
			}
			if got := x.mover.ways; len(got) == 0 || got[len(got)-1] != x.want {
				t.Errorf("by way of %v, want %s", got, x.want)
			}
			if f.Pos() != int64(x.n) {
				t.Errorf("position %d", f.Pos())
			}
		})
	}
}

// TestChangingDestination reads from each kind of object into memory that the
// guest changes meanwhile, and wants to get as much, leave as much and fail as
// often as with memory that nobody touches.
func TestChangingDestination(t *testing.T) {
	e := env(t)
	text := []byte("what is read is no less than what was written, and no more.")
	kern := kernfs.New("kern", linux.PROC_SUPER_MAGIC, 30)
	made := 0
	tmp := func() *vfs.File {
		made++
		name := fmt.Sprintf("/f%05d", made)
		e.Write(name, string(text))
		return e.Open(name, linux.O_RDWR, 0)
	}
	socket := func(typ int) func() *vfs.File {
		st := unix.New(nil, netif.Loopback())
		return func() *vfs.File {
			a, b, err := st.SocketPair(e.C, typ, 0)
			e.OK(err)
			w := sock.NewFile(a, 0)
			for range 2 {
				if _, err := w.Write(e.C, text); err != nil {
					t.Fatal(err)
				}
			}
			r := sock.NewFile(b, linux.O_NONBLOCK)
			r.OnRelease = w.DecRef
			return r
		}
	}
	for name, open := range map[string]func() *vfs.File{
		"a file": tmp,
		"a file that the kernel makes up": func() *vfs.File {
			ino := kernfs.NewFile(kern, 1, 0o444, func(*vfs.Context) ([]byte, error) { return text, nil })
			ops, err := ino.Open(e.C, nil, linux.O_RDONLY)
			e.OK(err)
			return vfs.NewFile(ops, vfs.Path{}, ino, linux.O_RDONLY)
		},
		"a pipe": func() *vfs.File {
			r, w := new(pipe.Pipes).New(e.C, linux.O_NONBLOCK)
			if _, err := w.Write(e.C, text); err != nil {
				t.Fatal(err)
			}
			r.OnRelease = w.DecRef
			return r
		},
		"an eventfd": func() *vfs.File { return eventfd.New(3, linux.EFD_SEMAPHORE|linux.EFD_NONBLOCK) },
		"inotify": func() *vfs.File {
			in, err := e.VFS.NewInotify(e.C, linux.IN_NONBLOCK)
			e.OK(err)
			p, err := e.VFS.Lookup(e.C, vfs.Path{}, "/", 0)
			e.OK(err)
			_, err = vfs.InotifyAdd(e.C, in, p, linux.IN_CREATE|linux.IN_CLOSE_WRITE)
			e.OK(err)
			tmp().DecRef()
			return in
		},
		"a stream":   socket(linux.SOCK_STREAM),
		"datagrams":  socket(linux.SOCK_DGRAM),
		"seqpackets": socket(linux.SOCK_SEQPACKET),
	} {
		t.Run(name, func(t *testing.T) {
			// counts reads until there is nothing, and says how.
			counts := func(dst []byte) string {
				f := open()
				defer f.DecRef()
				m := &mover{c: e.C, last: dst, memory: make([]byte, len(dst))}
				var log string
				for range 200 {
					n, err := f.ReadTo(m, []usermem.Range{{Len: uint64(len(dst))}}, vfs.Position, true)
					log += fmt.Sprint(n, " ", err, " at ", f.Pos(), "; ")
					if n == 0 || err != nil {
						break
					}
				}
				return log
			}
			for _, size := range []int{1, 8, 37, 64} {
				want := counts(make([]byte, size))
				dst := vfstest.Changing(t, size)
				for range 50 {
					if got := counts(dst); got != want {
						t.Fatalf("%d bytes at a time: %s\nof memory that nobody changes: %s", size, got, want)
					}
				}
			}
		})
	}
}

// looksTwice is a file that checks what is written and then uses it, while the
// guest changes its memory in between.
type looksTwice struct {
	vfs.NoFile
	change        func()
	first, second string
}

func (l *looksTwice) Write(_ *vfs.Context, _ *vfs.File, src []byte, _ int64) (int, error) {
	l.first = string(src)
	l.change()
	l.second = string(src)
	return len(src), nil
}

// TestChangingSource: what a file checks of what is written is what it uses.
func TestChangingSource(t *testing.T) {
	c := &vfs.Context{Cred: cred.New(0, 0, nil, 0)}
	for _, n := range []int{10, 100 << 10} {
		m := &mover{c: c, memory: make([]byte, n)}
		l := &looksTwice{change: func() {
			for i := range m.memory {
				m.memory[i]++
			}
		}}
		f := vfs.NewAnonFile(l, "file", linux.O_WRONLY)
		for _, rs := range [][]usermem.Range{{{Len: uint64(n)}}, {{Len: 3}, {Addr: 3, Len: uint64(n) - 3}}} {
			if got, err := f.WriteFrom(m, rs, vfs.Position, false); int(got) != n || err != nil {
				t.Fatal(got, err)
			}
			if l.first != l.second || len(l.first) != n {
				t.Errorf("%d bytes changed while they were written", n)
			}
		}
	}

	// A view is the file itself: its data may be any mixture, but size and
	// position are those of the call.
	e := vfstest.New(t, mem.New(mem.Options{}))
	const n = 128 << 10
	m := &mover{c: e.C, memory: vfstest.Changing(t, n)}
	f := e.Open("/f", linux.O_RDWR|linux.O_CREAT, 0o644)
	defer f.DecRef()
	for i := range 4 {
		got, err := f.WriteFrom(m, []usermem.Range{{Len: n}}, vfs.Position, false)
		e.OK(err)
		if a, err := f.Ino.Attr(); err != nil || got != n || a.Size != int64(i+1)*n || f.Pos() != a.Size {
			t.Errorf("%d bytes, size %d, position %d, %v", got, a.Size, f.Pos(), err)
		}
	}
}

// TestWaits: a transfer waits for data unless it may not.
func TestWaits(t *testing.T) {
	r, w := new(pipe.Pipes).New(nil, 0)
	c := &vfs.Context{}
	m := &mover{c: c, memory: make([]byte, 10)}
	m.waiting = func() { _, _ = w.Write(c, []byte("late")) }
	rs := []usermem.Range{{Len: 10}}
	if _, err := r.ReadTo(m, rs, vfs.Position, true); err != linux.EAGAIN {
		t.Errorf("without waiting: %v", err)
	}
	if n, err := r.ReadTo(m, rs, vfs.Position, false); n != 4 || err != nil || string(m.memory[:4]) != "late" {
		t.Errorf("%d, %v: %q", n, err, m.memory)
	}
}
