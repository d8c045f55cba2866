package host

import (
	"runtime"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"sentinel/internal/abi/linux"
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

// Permitted does something to a guest process. Where each thread has a Landlock
// domain of its own, some must neither signal guests nor reach their memory
// (hook_task_kill and hook_ptrace_access_check in security/landlock/task.c), and a
// goroutine may be on any of them: then another thread does it.
func Permitted(do func() error) error {
	err, ok := do(), fit.Load()
	if ok == nil || !denied(err) {
		return err
	}
	done := make(chan error, 1)
	OnThread(*ok, func() { done <- do() })
	return <-done
}

// fit is what SetFit was given.
var fit atomic.Pointer[func() bool]

// SetFit tells that OS threads differ in what they may do to guest processes, and how
// to know those that may.
func SetFit(ok func() bool) { fit.Store(&ok) }

func denied(err error) bool {
	return err == unix.EPERM || err == unix.EACCES || err == linux.EPERM || err == linux.EACCES
}

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

// Threads are OS threads for which OK holds. Some that have nothing to do are kept
// asleep for the next function: for a new goroutine the Go scheduler finds a place
// and a thread, wakes another in case that there is more to do, and may have to
// make one.
type Threads struct {
	// OK is that of OnThread; nil is true.
	OK func() bool

	mu       sync.Mutex
	idle     []*idler
	released bool
}

// idler is a thread with nothing to do.
type idler struct {
	fn    func() // what comes next; nil ends it
	ready atomic.Uint32
}

// keptThreads is how many threads are kept.
const keptThreads = 2

// Go runs fn on a thread of its own.
func (p *Threads) Go(fn func()) {
	p.mu.Lock()
	if n := len(p.idle); n > 0 {
		w := p.idle[n-1]
		p.idle = p.idle[:n-1]
		p.mu.Unlock()
		w.wake(fn)
		return
	}
	p.mu.Unlock()
	ok := p.OK
	if ok == nil {
		ok = func() bool { return true }
	}
	OnThread(ok, func() { p.work(fn) })
}

func (w *idler) wake(fn func()) {
	w.fn = fn
	w.ready.Store(1)
	FutexWake(&w.ready)
}

func (p *Threads) work(fn func()) {
	for w := (*idler)(nil); fn != nil; fn = w.fn {
		fn()
		w = &idler{}
		p.mu.Lock()
		if p.released || len(p.idle) >= keptThreads {
			p.mu.Unlock()
			return
		}
		p.idle = append(p.idle, w)
		p.mu.Unlock()
		for w.ready.Load() == 0 {
			FutexWait(&w.ready, 0, 0)
		}
	}
}

// Release lets the idle threads go, and the others when they have nothing to do.
func (p *Threads) Release() {
	p.mu.Lock()
	idle := p.idle
	p.idle, p.released = nil, true
	p.mu.Unlock()
	for _, w := range idle {
		w.wake(nil)
	}
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
