package host

import (
	"runtime"
	"sync"
)

// OnThread runs fn on a new goroutine that is locked to an OS thread for which
// ok holds. Those for which it does not die in the search: a goroutine that ends
// locked takes its thread with it. It is a mistake of the program if there are
// none, and ends it.
func OnThread(ok func() bool, fn func()) { go search(ok, fn, 0) }

// Go runs fn on a new goroutine. The runtime reads the name of the function that
// a go statement calls, and the host maps 64 KiB of names for that. The names of
// this package are near each other, so what every sandbox starts is started here.
func Go(fn func()) { go run(fn) }

func run(fn func()) { fn() }

// manyTries is after how many threads a search makes sure of its end, maxTries
// after how many there can be none.
const (
	manyTries = 8
	maxTries  = 1000
)

func search(ok func() bool, fn func(), tries int) {
	runtime.LockOSThread()
	if !ok() {
		if tries++; tries%manyTries == 0 {
			narrow(tries == manyTries)
		}
		if tries == maxTries {
			panic("no OS thread is fit: a goroutine was locked to its thread too early, which began the runtime's template thread")
		}
		go search(ok, fn, tries)
		return
	}
	if tries >= manyTries {
		widen()
	}
	defer runtime.UnlockOSThread()
	GrowStack()
	fn()
}

// While the scheduler has a place to spare, a thread that takes up a goroutine
// first makes another by cloning itself, for more work to come. An unfit thread
// so has an unfit child before it dies, without end. With one place there are no
// such children, and a thread that dies locked is followed by one that descends
// from the runtime's template thread.
var narrowed struct {
	mu sync.Mutex
	n  int // searches that want it
	to int // what to go back to
}

// narrow leaves the scheduler one place; first tells that a search asks for the
// first time.
func narrow(first bool) {
	w := &narrowed
	w.mu.Lock()
	defer w.mu.Unlock()
	if first {
		w.n++
	}
	w.to = max(w.to, runtime.GOMAXPROCS(1))
}

func widen() {
	w := &narrowed
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.n--; w.n == 0 && runtime.GOMAXPROCS(0) < w.to {
		runtime.GOMAXPROCS(w.to)
	}
}

// Places sees to it that the Go scheduler has at least n places, at the latest
// when no search needs it to have one.
func Places(n int) {
	w := &narrowed
	w.mu.Lock()
	defer w.mu.Unlock()
	w.to = max(w.to, n)
	if w.n == 0 && runtime.GOMAXPROCS(0) < n {
		runtime.GOMAXPROCS(n)
	}
}
