package host

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// Who waits for another thread of the sandbox does best to let it run, on this
// CPU if need be: sched_yield(2) costs one switch of threads where a sleep costs
// a wake-up too. But on a busy machine it gives up a whole slice of time, some
// milliseconds, to whoever else computes there. So nobody yields for a while
// after that has happened.
const (
	sliceTime = 300 * time.Microsecond // longer was hardly for the sandbox
	manyLost  = 3                      // slices, one soon after the other
	soon      = 50 * time.Millisecond
	minPause  = 100 * time.Millisecond
	maxPause  = 3 * time.Second
)

var yielding struct {
	off   atomic.Bool
	mu    sync.Mutex
	lost  int       // slices
	last  time.Time // when that was, or when yielding was taken up again
	pause time.Duration
}

// CanYield reports whether it is of use to yield now.
func CanYield() bool { return !yielding.off.Load() && runtime.NumCPU() > 1 }

// Yield lets others run on this CPU. It reports false if that took so long that
// it had better not be done again at once.
func Yield() bool {
	begin := time.Now()
	unix.RawSyscall(unix.SYS_SCHED_YIELD, 0, 0, 0)
	now := time.Now()
	if now.Sub(begin) < sliceTime {
		return true
	}
	SliceLost(now)
	return false
}

// SliceLost notes that a yield took long. If that happens often, CanYield is
// false for a while, each time longer.
func SliceLost(now time.Time) {
	y := &yielding
	y.mu.Lock()
	defer y.mu.Unlock()
	switch ago := now.Sub(y.last); {
	case ago > 10*y.pause && ago > soon:
		y.lost, y.pause = 0, 0
	case ago > soon:
		y.lost = 0
	}
	y.last = now
	if y.lost++; y.lost < manyLost || y.off.Load() {
		return
	}
	y.pause = min(max(2*y.pause, minPause), maxPause)
	y.off.Store(true)
	time.AfterFunc(y.pause, func() {
		y.mu.Lock()
		defer y.mu.Unlock()
		y.lost, y.last = manyLost-1, time.Now()
		y.off.Store(false)
	})
}
