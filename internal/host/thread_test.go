package host

import (
	"runtime"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"
)

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
