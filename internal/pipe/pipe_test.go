package pipe

import (
	"bytes"
	"io"
	"sync"
	"testing"

	"sentinel/internal/abi/linux"
	"sentinel/internal/cred"
	"sentinel/internal/vfs"
	"sentinel/internal/waiter"
)

// caller is a vfs.Caller that blocks for real and notes signals.
type caller struct {
	mu   sync.Mutex
	sigs []int
}

func (*caller) TID() int32            { return 1 }
func (*caller) PID() int32            { return 1 }
func (*caller) FileSizeLimit() uint64 { return ^uint64(0) }
func (c *caller) SendSignal(sig int) {
	c.mu.Lock()
	c.sigs = append(c.sigs, sig)
	c.mu.Unlock()
}
func (*caller) Block(w waiter.Waitable, mask waiter.Mask, ready func() bool) error {
	ch := make(chan struct{}, 1)
	e := waiter.NewChannelEntry(ch)
	w.EventRegister(e, mask)
	defer w.EventUnregister(e)
	for !ready() {
		<-ch
	}
	return nil
}

func newPipe(t *testing.T, flags uint32) (c *vfs.Context, r, w *vfs.File) {
	t.Helper()
	return newPipeIn(t, new(Pipes), flags)
}

func newPipeIn(t *testing.T, s *Pipes, flags uint32) (c *vfs.Context, r, w *vfs.File) {
	t.Helper()
	c = &vfs.Context{Caller: &caller{}, Cred: cred.New(0, 0, nil, 0)}
	r, w = s.New(c, flags)
	return c, r, w
}

func write(t *testing.T, c *vfs.Context, w *vfs.File, n, want int, wantErr error) {
	t.Helper()
	if got, err := w.Ops.Write(c, w, make([]byte, n), 0); got != want || err != wantErr {
		t.Fatalf("write of %d = %d, %v; want %d, %v", n, got, err, want, wantErr)
	}
}

func read(t *testing.T, c *vfs.Context, r *vfs.File, n, want int, wantErr error) {
	t.Helper()
	if got, err := r.Ops.Read(c, r, make([]byte, n), 0); got != want || err != wantErr {
		t.Fatalf("read of %d = %d, %v; want %d, %v", n, got, err, want, wantErr)
	}
}

func poll(t *testing.T, f *vfs.File, want waiter.Mask) {
	t.Helper()
	if got := f.Readiness(waiter.In | waiter.Out); got != want {
		t.Fatalf("readiness %#x, want %#x", got, want)
	}
}

func TestCapacityAndAtomicity(t *testing.T) {
	c, r, w := newPipe(t, 0)
	poll(t, w, waiter.Out)
	read(t, c, r, 10, 0, linux.EAGAIN)
	write(t, c, w, 100, 100, nil)
	write(t, c, w, 4096, 4096, nil) // cannot merge
	write(t, c, w, 70000, 14*4096, nil)
	poll(t, w, 0)
	poll(t, r, waiter.In)
	write(t, c, w, 4096, 0, linux.EAGAIN)
	if n := Of(r).Buffered(); n != 100+15*4096 {
		t.Fatalf("buffered %d", n)
	}
	read(t, c, r, 99, 99, nil)
	poll(t, w, 0) // no buffer is free yet
	read(t, c, r, 1, 1, nil)
	poll(t, w, waiter.Out)
	write(t, c, w, 4000, 4000, nil)
	write(t, c, w, 97, 0, linux.EAGAIN)
	write(t, c, w, 96, 96, nil)
}

func TestHangUp(t *testing.T) {
	c, r, w := newPipe(t, 0)
	write(t, c, w, 5, 5, nil)
	w.DecRef()
	poll(t, r, waiter.In|waiter.Hup)
	read(t, c, r, 10, 5, nil)
	read(t, c, r, 10, 0, nil)
	poll(t, r, waiter.Hup)

	c, r, w = newPipe(t, 0)
	r.DecRef()
	poll(t, w, waiter.Out|waiter.Err)
	write(t, c, w, 0, 0, nil)
	write(t, c, w, 1, 0, linux.EPIPE)
	if s := c.Caller.(*caller).sigs; len(s) != 1 || s[0] != sigPipe {
		t.Fatalf("signals %v", s)
	}
}

func TestPackets(t *testing.T) {
	c, r, w := newPipe(t, linux.O_DIRECT)
	write(t, c, w, 10, 10, nil)
	write(t, c, w, 5000, 5000, nil)
	read(t, c, r, 4, 4, nil)       // the rest is lost
	read(t, c, r, 9000, 4096, nil) // the first packet of the second write
	read(t, c, r, 9000, 904, nil)
}

func TestResize(t *testing.T) {
	c, r, w := newPipe(t, 0)
	p := Of(r)
	write(t, c, w, 3*4096, 3*4096, nil)
	for _, x := range []struct {
		n, want uint64
		err     error
	}{
		{4096, 0, linux.EBUSY}, {4*4096 - 1, 4 * 4096, nil}, {1 << 20, 1 << 20, nil}, {1<<20 + 1, 0, linux.EPERM},
		{1<<31 + 1, 0, linux.EINVAL}, {3 * 4096, 4 * 4096, nil},
	} {
		if got, err := p.SetSize(c.Cred, x.n); uint64(got) != x.want || err != x.err {
			t.Errorf("SetSize(%d) = %d, %v", x.n, got, err)
		}
	}
	write(t, c, w, 8192, 4096, nil)
	read(t, c, r, 1<<20, 4*4096, nil)
	before := p.of.slots.Load()
	r.DecRef()
	w.DecRef()
	if d := before - p.of.slots.Load(); d != 4 {
		t.Errorf("%d slots given back", d)
	}
}

func TestStream(t *testing.T) {
	c, r, w := newPipe(t, 0)
	want := make([]byte, 1<<20)
	for i := range want {
		want[i] = byte(i * 7 >> 3)
	}
	go func() {
		for b := want; len(b) > 0; {
			n, err := w.Ops.Write(c, w, b[:min(len(b), 10007)], 0)
			b = b[n:]
			if err == linux.EAGAIN {
				_ = c.Caller.Block(w, waiter.Out, func() bool { return w.Readiness(waiter.Out) != 0 })
			}
		}
		w.DecRef()
	}()
	var got bytes.Buffer
	buf := make([]byte, 5003)
	for {
		n, err := r.Ops.Read(c, r, buf, 0)
		if err == linux.EAGAIN {
			_ = c.Caller.Block(r, waiter.In, func() bool { return r.Readiness(waiter.In) != 0 })
			continue
		}
		if n == 0 {
			break
		}
		got.Write(buf[:n])
	}
	if !bytes.Equal(got.Bytes(), want) {
		t.Fatal("stream was damaged")
	}
}

func TestFIFO(t *testing.T) {
	c := &vfs.Context{Caller: &caller{}}
	p := &Pipe{of: new(Pipes)}
	if _, err := p.Open(c, linux.O_WRONLY|linux.O_NONBLOCK); err != linux.ENXIO {
		t.Fatalf("open: %v", err)
	}
	r, err := p.Open(c, linux.O_RDONLY|linux.O_NONBLOCK)
	if err != nil {
		t.Fatal(err)
	}
	if m := r.Readiness(waiter.In); m != 0 {
		t.Fatalf("readiness before the first writer: %#x", m)
	}
	w, err := p.Open(c, linux.O_WRONLY)
	if err != nil {
		t.Fatal(err)
	}
	w.Release(nil)
	if m := r.Readiness(waiter.In); m != waiter.Hup {
		t.Fatalf("readiness after the last writer: %#x", m)
	}
	r.Release(nil)

	done := make(chan vfs.FileOps)
	go func() {
		r, _ := p.Open(c, linux.O_RDONLY)
		done <- r
	}()
	w, err = p.Open(c, linux.O_WRONLY)
	if err != nil {
		t.Fatal(err)
	}
	r = <-done
	if p.Size() != 65536 {
		t.Fatalf("size %d", p.Size())
	}
	w.Release(nil)
	r.Release(nil)
	if p.max != 0 {
		t.Fatal("a closed FIFO keeps its buffer")
	}
}

func TestFIFOs(t *testing.T) {
	c := &vfs.Context{Caller: &caller{}}
	var s Pipes
	ino := &node{}
	if _, err := s.Open(ino, c, linux.O_WRONLY|linux.O_NONBLOCK); err != linux.ENXIO {
		t.Fatal(err)
	}
	r, err := s.Open(ino, c, linux.O_RDONLY|linux.O_NONBLOCK)
	if err != nil {
		t.Fatal(err)
	}
	w, err := s.Open(ino, c, linux.O_WRONLY)
	if err != nil {
		t.Fatal(err)
	}
	if r.(*End).p != w.(*End).p {
		t.Fatal("two buffers for one FIFO")
	}
	r.Release(nil)
	w.Release(nil)
	if len(s.m) != 0 {
		t.Fatal("a closed FIFO is kept")
	}
}

func TestSplice(t *testing.T) {
	c, r1, w1 := newPipe(t, 0)
	_, r2, w2 := newPipe(t, 0)
	a, b := Of(r1), Of(r2)
	msg := bytes.Repeat([]byte("0123456789"), 1000)
	if n, err := w1.Ops.Write(c, w1, msg, 0); n != len(msg) || err != nil {
		t.Fatal(n, err)
	}
	if n, err := Tee(a, b, 5000); n != 5000 || err != nil {
		t.Fatal(n, err)
	}
	if n, err := Splice(a, b, 4097); n != 4097 || err != nil {
		t.Fatal(n, err)
	}
	got := make([]byte, 20000)
	n, _ := r2.Ops.Read(c, r2, got, 0)
	if want := append(bytes.Clone(msg[:5000]), msg[:4097]...); !bytes.Equal(got[:n], want) {
		t.Fatal("tee and splice moved the wrong bytes")
	}
	var out bytes.Buffer
	if n, err := a.SpliceOut(make([]byte, 5001), 1<<20, out.Write); n != len(msg)-4097 || err != nil || !bytes.Equal(out.Bytes(), msg[4097:]) {
		t.Fatal(n, err)
	}
	if _, err := Splice(a, b, 1); err != linux.EAGAIN {
		t.Fatal(err)
	}
	in := bytes.NewReader(msg)
	if n, err := a.SpliceIn(make([]byte, 5001), 1<<20, in.Read); n != len(msg) || err != nil && err != io.EOF {
		t.Fatal(n, err)
	}
	n, _ = r1.Ops.Read(c, r1, got, 0)
	if !bytes.Equal(got[:n], msg) {
		t.Fatal("SpliceIn damaged the data")
	}
	w1.DecRef()
	if n, err := Splice(a, b, 1); n != 0 || err != nil {
		t.Fatal(n, err)
	}
	w2.DecRef()
}

func BenchmarkWriteRead(b *testing.B) {
	p := &Pipe{of: new(Pipes)}
	p.attach(true, true)
	buf := make([]byte, 4096)
	b.SetBytes(int64(len(buf)))
	for b.Loop() {
		_, _ = p.Write(buf, false)
		_, _ = p.Read(buf)
	}
}
