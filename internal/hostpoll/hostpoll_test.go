package hostpoll

import (
	"os"
	"testing"

	"sentinel/internal/waiter"
)

func pipe(t *testing.T) (r, w int, rf, wf *os.File) {
	t.Helper()
	rf, wf, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { rf.Close(); wf.Close() })
	return int(rf.Fd()), int(wf.Fd()), rf, wf
}

func TestWatch(t *testing.T) {
	r, w, rf, wf := pipe(t)
	var q1, q2 waiter.Queue
	got1, got2 := make(chan struct{}, 1), make(chan struct{}, 1)
	e1, e2 := waiter.NewChannelEntry(got1), waiter.NewChannelEntry(got2)
	q1.Register(e1, waiter.Readable)
	q2.Register(e2, waiter.Readable)
	var p Poller
	stop1, err := p.Watch(r, &q1)
	if err != nil {
		t.Fatal(err)
	}
	stop2, err := p.Watch(r, &q2)
	if err != nil {
		t.Fatal(err)
	}
	if m := Readiness(r, waiter.Readable); m != 0 {
		t.Errorf("empty pipe: %#x", m)
	}
	if m := Readiness(w, waiter.Writable); m != waiter.Writable {
		t.Errorf("write end: %#x", m)
	}
	buf := make([]byte, 8)
	for range 3 {
		wf.Write([]byte("x"))
		<-got1
		<-got2
		if m := Readiness(r, waiter.Readable); m&waiter.In == 0 {
			t.Errorf("full pipe: %#x", m)
		}
		rf.Read(buf)
	}
	stop1()
	wf.Close()
	<-got2
	if m := Readiness(r, waiter.Readable); m&waiter.Hup == 0 {
		t.Errorf("closed pipe: %#x", m)
	}
	stop2()
	stop2()
	if len(p.set.Load().watches) != 0 {
		t.Errorf("%d watches left", len(p.set.Load().watches))
	}
}

func TestRegularFileIsAlwaysReady(t *testing.T) {
	f, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var q waiter.Queue
	stop, err := new(Poller).Watch(int(f.Fd()), &q)
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	if m := Readiness(int(f.Fd()), waiter.In|waiter.Out); m != waiter.In|waiter.Out {
		t.Errorf("readiness %#x", m)
	}
}

func BenchmarkWake(b *testing.B) {
	rf, wf, err := os.Pipe()
	if err != nil {
		b.Fatal(err)
	}
	defer rf.Close()
	defer wf.Close()
	var q waiter.Queue
	ch := make(chan struct{}, 1)
	q.Register(waiter.NewChannelEntry(ch), waiter.Readable)
	stop, err := new(Poller).Watch(int(rf.Fd()), &q)
	if err != nil {
		b.Fatal(err)
	}
	defer stop()
	buf := []byte{0}
	for b.Loop() {
		wf.Write(buf)
		<-ch
		rf.Read(buf)
	}
}
