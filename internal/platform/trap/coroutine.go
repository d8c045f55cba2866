package trap

import (
	"iter"
	"sync/atomic"
)

// coroutine is a task's function as the dispatchers run it: it begins and goes on
// in whichever of them takes it up, and gives the thread back where it waits. A
// switch does not involve the Go scheduler, which would look for another thread to
// run what has become ready.
//
// It implements platform.Parker.
type coroutine struct {
	p     *Platform
	next  func() (struct{}, bool)
	yield func(struct{}) bool
	state atomic.Uint32
	d     *dispatcher // that runs it, if one does
	ended chan struct{}
}

// States of a coroutine. Who changes parked to running owns it.
const (
	parked uint32 = iota
	running
	woken // running, and not to park
)

func (p *Platform) newCoroutine(fn func(c *coroutine)) *coroutine {
	c := &coroutine{p: p, ended: make(chan struct{})}
	c.next, _ = iter.Pull(func(yield func(struct{}) bool) {
		c.yield = yield
		fn(c)
	})
	return c
}

// Park implements platform.Parker.
func (c *coroutine) Park() { c.yield(struct{}{}) }

// Unpark implements platform.Parker.
func (c *coroutine) Unpark() {
	if c.claim() {
		c.p.ready(c)
	}
}

// claim reports whether the caller is to run the coroutine. Otherwise it runs
// already, and will not park before it has looked again.
func (c *coroutine) claim() bool {
	for {
		switch c.state.Load() {
		case parked:
			if c.state.CompareAndSwap(parked, running) {
				return true
			}
		case running:
			if c.state.CompareAndSwap(running, woken) {
				return false
			}
		default:
			return false
		}
	}
}

// run runs the coroutine, which the caller owns, until it parks or ends.
func (c *coroutine) run(d *dispatcher) {
	for {
		c.d = d
		if _, more := c.next(); !more {
			close(c.ended)
			return
		}
		if c.state.CompareAndSwap(running, parked) {
			return
		}
		c.state.Store(running)
	}
}
