package host

import (
	"runtime"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"
)

// TestThreads has functions run on threads of their own, and later ones on those
// that have nothing to do, as many as are kept.
func TestThreads(t *testing.T) {
	var asked atomic.Int32
	p := &Threads{OK: func() bool {
		asked.Add(1)
		return true
	}}
	idle := func() int {
		p.mu.Lock()
		defer p.mu.Unlock()
		return len(p.idle)
	}
	wait := func(n int) {
		for idle() != n {
			runtime.Gosched()
		}
	}
	together := func(n int) {
		got, leave := make(chan int), make(chan struct{})
		for range n {
			p.Go(func() {
				got <- unix.Gettid()
				<-leave
			})
		}
		tids := map[int]bool{}
		for range n {
			tids[<-got] = true
		}
		if len(tids) != n {
			t.Errorf("%d functions had %d threads", n, len(tids))
		}
		close(leave)
	}
	together(keptThreads)
	wait(keptThreads)
	tid := make(chan int)
	p.Go(func() { tid <- unix.Gettid() })
	first := <-tid
	wait(keptThreads)
	p.Go(func() { tid <- unix.Gettid() })
	if n := <-tid; n != first {
		t.Errorf("thread %d was idle, the function ran on %d", first, n)
	}
	wait(keptThreads)
	const many = keptThreads + 3
	together(many)
	wait(keptThreads)
	if n := asked.Load(); n != many {
		t.Errorf("%d threads were looked for, want %d", n, many)
	}
	stay := make(chan struct{})
	p.Go(func() { <-stay })
	p.Release()
	close(stay)
	p.Go(func() { tid <- 0 }) // there is none idle, and none will be
	<-tid
	wait(0)
}

// TestOnThread finds one of few fit threads, while those that are not beget
// others like them.
func TestOnThread(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(8))
	stop := make(chan struct{})
	defer close(stop)
	for range 4 { // keep the scheduler at making threads
		go func() {
			for {
				select {
				case <-stop:
					return
				default:
					unix.Nanosleep(&unix.Timespec{Nsec: 50_000}, nil)
				}
			}
		}()
	}
	for range 20 {
		var asked atomic.Int32
		unfit := map[int]bool{}
		done := make(chan bool)
		OnThread(func() bool {
			tid := unix.Gettid()
			if unfit[tid] {
				t.Error("a thread is asked again")
			}
			unfit[tid] = true
			return asked.Add(1) == 3*manyTries
		}, func() { done <- asked.Load() == 3*manyTries })
		if !<-done {
			t.Error("ran on a thread that was not fit")
		}
		clear(unfit)
	}
	if n := runtime.GOMAXPROCS(0); n != 8 {
		t.Errorf("GOMAXPROCS is %d after the search, want 8", n)
	}
}
