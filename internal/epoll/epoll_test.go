package epoll

import (
	"encoding/binary"
	"sync"
	"testing"

	"sentinel/internal/abi/linux"
	"sentinel/internal/eventfd"
	"sentinel/internal/hostpoll"
	"sentinel/internal/pipe"
	"sentinel/internal/vfs"
	"sentinel/internal/waiter"
)

func ctl(t *testing.T, ep *vfs.File, op int32, f *vfs.File, events uint32, data uint32, want error) {
	t.Helper()
	if err := Of(ep).Control(op, f, int32(data), linux.EpollEvent{Events: events, Data: [2]uint32{data}}); err != want {
		t.Fatalf("epoll_ctl(%d): %v, want %v", op, err, want)
	}
}

// expect wants pairs of data and events from one collection.
func expect(t *testing.T, ep *vfs.File, want ...uint32) {
	t.Helper()
	var evs [8]linux.EpollEvent
	n := Of(ep).Collect(evs[:])
	var got []uint32
	for _, e := range evs[:n] {
		got = append(got, e.Data[0], e.Events)
	}
	if len(got) != len(want) {
		t.Fatalf("got %v, want %v", got, want)
	}
	for i := range got {
		if got[i] != want[i] {
			t.Fatalf("got %v, want %v", got, want)
		}
	}
}

func signal(f *vfs.File) {
	var b [8]byte
	binary.NativeEndian.PutUint64(b[:], 1)
	_, _ = f.Ops.Write(nil, f, b[:], 0)
}

func drain(f *vfs.File) {
	var b [8]byte
	_, _ = f.Ops.Read(nil, f, b[:], 0)
}

var system = NewSystem(new(hostpoll.Poller))

func TestLevel(t *testing.T) {
	ep, e := system.New(), eventfd.New(0, 0)
	ctl(t, ep, linux.EPOLL_CTL_ADD, e, linux.EPOLLIN, 1, nil)
	ctl(t, ep, linux.EPOLL_CTL_ADD, e, linux.EPOLLIN, 1, linux.EEXIST)
	ctl(t, ep, linux.EPOLL_CTL_MOD, e, linux.EPOLLIN, 2, linux.ENOENT)
	expect(t, ep)
	signal(e)
	expect(t, ep, 1, linux.EPOLLIN)
	expect(t, ep, 1, linux.EPOLLIN)
	drain(e)
	expect(t, ep)
	ctl(t, ep, linux.EPOLL_CTL_MOD, e, linux.EPOLLIN|linux.EPOLLOUT, 1, nil)
	expect(t, ep, 1, linux.EPOLLOUT)
	ctl(t, ep, linux.EPOLL_CTL_DEL, e, 0, 1, nil)
	expect(t, ep)
	ctl(t, ep, linux.EPOLL_CTL_DEL, e, 0, 1, linux.ENOENT)
	ctl(t, ep, linux.EPOLL_CTL_ADD, ep, linux.EPOLLIN, 1, linux.EINVAL)
}

func TestEdgeAndOneShot(t *testing.T) {
	ep, e, o := system.New(), eventfd.New(0, 0), eventfd.New(1, 0)
	ctl(t, ep, linux.EPOLL_CTL_ADD, e, linux.EPOLLIN|linux.EPOLLET, 1, nil)
	ctl(t, ep, linux.EPOLL_CTL_ADD, o, linux.EPOLLIN|linux.EPOLLONESHOT, 2, nil)
	expect(t, ep, 2, linux.EPOLLIN)
	signal(o)
	expect(t, ep)
	signal(e)
	expect(t, ep, 1, linux.EPOLLIN)
	expect(t, ep)
	signal(e)
	expect(t, ep, 1, linux.EPOLLIN)
	ctl(t, ep, linux.EPOLL_CTL_MOD, o, linux.EPOLLIN|linux.EPOLLONESHOT, 2, nil)
	expect(t, ep, 2, linux.EPOLLIN)
}

func TestHangUpWithoutMask(t *testing.T) {
	ep := system.New()
	r, w := new(pipe.Pipes).New(nil, 0)
	ctl(t, ep, linux.EPOLL_CTL_ADD, r, 0, 3, nil)
	expect(t, ep)
	w.DecRef()
	expect(t, ep, 3, linux.EPOLLHUP)
	r.IncRef() // as dup does
	r.DecRef()
	expect(t, ep, 3, linux.EPOLLHUP)
	r.DecRef()
	expect(t, ep)
	if n := len(Of(ep).items); n != 0 {
		t.Fatalf("%d watches left after close", n)
	}
	ep.DecRef()
}

func TestReleaseUnregisters(t *testing.T) {
	ep, e := system.New(), eventfd.New(0, 0)
	before := system.watches.Load()
	ctl(t, ep, linux.EPOLL_CTL_ADD, e, linux.EPOLLIN, 1, nil)
	ep.DecRef()
	if n := system.watches.Load(); n != before {
		t.Fatalf("%d watches, had %d", n, before)
	}
	signal(e)
	e.DecRef()
}

func TestFairness(t *testing.T) {
	ep := system.New()
	for i := range uint32(3) {
		ctl(t, ep, linux.EPOLL_CTL_ADD, eventfd.New(1, 0), linux.EPOLLIN, i, nil)
	}
	var evs [1]linux.EpollEvent
	seen := map[uint32]bool{}
	for range 3 {
		if Of(ep).Collect(evs[:]) != 1 {
			t.Fatal("nothing")
		}
		seen[evs[0].Data[0]] = true
	}
	if len(seen) != 3 {
		t.Fatalf("only %v were served", seen)
	}
}

func TestNesting(t *testing.T) {
	var eps [6]*vfs.File
	for i := range eps {
		eps[i] = system.New()
	}
	for i := range 4 {
		ctl(t, eps[i], linux.EPOLL_CTL_ADD, eps[i+1], linux.EPOLLIN, uint32(i), nil)
	}
	ctl(t, eps[4], linux.EPOLL_CTL_ADD, eps[5], linux.EPOLLIN, 4, linux.ELOOP)
	ctl(t, eps[4], linux.EPOLL_CTL_ADD, eps[0], linux.EPOLLIN, 4, linux.ELOOP)
	ctl(t, eps[4], linux.EPOLL_CTL_ADD, eps[2], linux.EPOLLIN, 4, linux.ELOOP)
	e := eventfd.New(0, 0)
	ctl(t, eps[4], linux.EPOLL_CTL_ADD, e, linux.EPOLLIN, 9, nil)
	expect(t, eps[0])
	signal(e)
	expect(t, eps[0], 0, linux.EPOLLIN)
	if eps[1].Readiness(waiter.In) != waiter.In {
		t.Fatal("an inner instance is not ready")
	}
	drain(e)
	expect(t, eps[0])
	for _, f := range eps {
		f.DecRef()
	}
	if n := len(Of(eps[0]).children) + len(Of(eps[4]).parents); n != 0 {
		t.Fatalf("%d links left", n)
	}
}

func TestExclusive(t *testing.T) {
	e := eventfd.New(0, 0)
	a, b, idle := system.New(), system.New(), system.New()
	for _, ep := range []*vfs.File{idle, a, b} {
		ctl(t, ep, linux.EPOLL_CTL_ADD, e, linux.EPOLLIN|linux.EPOLLEXCLUSIVE, 1, nil)
	}
	ctl(t, a, linux.EPOLL_CTL_MOD, e, linux.EPOLLIN, 1, linux.EINVAL)
	woken := 0
	for _, ep := range []*vfs.File{a, b} {
		ep.EventRegister(&waiter.Entry{Notify: func(waiter.Mask) { woken++ }}, waiter.In)
	}
	signal(e)
	if woken != 1 {
		t.Fatalf("%d woken", woken)
	}
	expect(t, a, 1, linux.EPOLLIN)
}

func TestSleepers(t *testing.T) {
	ep, e := system.New(), eventfd.New(0, 0)
	ctl(t, ep, linux.EPOLL_CTL_ADD, e, linux.EPOLLIN|linux.EPOLLET, 1, nil)
	s, woken := Sleeper{Of(ep)}, 0
	for range 3 {
		s.EventRegister(&waiter.Entry{Notify: func(waiter.Mask) { woken++ }}, waiter.In)
	}
	signal(e)
	if woken != 1 {
		t.Fatalf("%d woken", woken)
	}
	s.WakeNext()
	expect(t, ep, 1, linux.EPOLLIN)
	s.WakeNext()
	if woken != 2 {
		t.Fatalf("%d woken", woken)
	}
}

func TestConcurrent(t *testing.T) {
	ep := system.New()
	var wg sync.WaitGroup
	for i := range uint32(4) {
		wg.Go(func() {
			for range 500 {
				e := eventfd.New(0, 0)
				_ = Of(ep).Control(linux.EPOLL_CTL_ADD, e, int32(i), linux.EpollEvent{Events: linux.EPOLLIN | linux.EPOLLET})
				go signal(e)
				_ = Of(ep).Control(linux.EPOLL_CTL_MOD, e, int32(i), linux.EpollEvent{Events: linux.EPOLLIN})
				e.DecRef()
			}
		})
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	var evs [4]linux.EpollEvent
	for {
		select {
		case <-done:
			ep.DecRef()
			return
		default:
			Of(ep).Collect(evs[:])
			ep.Readiness(waiter.In)
		}
	}
}
