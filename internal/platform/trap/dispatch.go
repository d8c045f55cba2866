package trap

import (
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"sentinel/internal/host"
	"sentinel/internal/platform"
)

// dispatch is what the dispatchers of a sandbox share.
//
// A dispatcher is a goroutine that serves who rings a bell. It receives a ring,
// runs the coroutine of the task that it is for until that parks, runs what has
// become ready meanwhile, and sleeps in the host for the next ring. Each bell has
// one. While a handler keeps it asleep in another call of the host, somebody else
// takes its place.
type dispatch struct {
	mu      sync.Mutex
	queue   []*coroutine // to be run
	queued  atomic.Int32 // how many
	active  int          // dispatchers that look at the queue before they sleep
	orphans []*bell      // that may have nobody to receive
}

type dispatcher struct {
	p    *Platform
	home *bell // whose rings it receives, nil for one that only runs what is ready
	held bool  // a handler has it asleep
	// rings is how many were waiting, one after the other; if negative, for how
	// many it had to sleep.
	rings int
}

// Go implements platform.Runner.
func (p *Platform) Go(fn func(platform.Parker)) {
	c := p.newCoroutine(func(c *coroutine) { fn(c) })
	c.claim()
	p.ready(c)
}

// Do implements platform.Runner.
func (p *Platform) Do(fn func(platform.Parker)) {
	c := p.newCoroutine(func(c *coroutine) { fn(c) })
	c.claim()
	d := &dispatcher{p: p}
	p.d.mu.Lock()
	p.d.active++
	p.d.mu.Unlock()
	c.run(d)
	d.loop(c.ended)
	<-c.ended
}

// ready has a coroutine run that the caller owns.
func (p *Platform) ready(c *coroutine) {
	s := &p.d
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queue = append(s.queue, c)
	s.queued.Add(1)
	if s.active == 0 {
		p.startLocked(nil)
	}
}

// startLocked starts a dispatcher.
func (p *Platform) startLocked(home *bell) {
	if home != nil {
		home.receivers.Add(1)
	}
	p.d.active++
	d := &dispatcher{p: p, home: home}
	host.Go(func() { d.loop(nil) })
}

// loop serves until the dispatcher is not needed any more or ended is closed.
func (d *dispatcher) loop(ended <-chan struct{}) {
	s := &d.p.d
	s.mu.Lock()
	for {
		d.rejoinLocked()
		if len(s.queue) > 0 {
			c := s.queue[0]
			s.queue = slices.Delete(s.queue, 0, 1)
			s.queued.Add(-1)
			s.mu.Unlock()
			c.run(d)
			s.mu.Lock()
			continue
		}
		over := isClosed(ended)
		d.settleLocked(over)
		s.active--
		b := d.home
		if b == nil {
			break
		}
		s.mu.Unlock()
		begin := ticksNow()
		tid, id, err := b.receive()
		slept := ticksNow()-begin > sleptTicks
		s.mu.Lock()
		s.active++
		switch err {
		case 0:
			d.scaleLocked(slept)
			if c := b.rungLocked(tid, id); c != nil {
				s.mu.Unlock()
				c.run(d)
				s.mu.Lock()
			}
		case unix.EINTR, unix.ENOENT: // it was interrupted before it was received
			if b.over {
				d.leaveLocked()
			} else if len(s.queue) == 0 {
				// All who could ring are dead, of which the reaper will tell.
				s.mu.Unlock()
				runtime.Gosched()
				s.mu.Lock()
			}
		default:
			d.leaveLocked()
		}
	}
	s.mu.Unlock()
}

// One dispatcher is cheapest, since what it wakes up goes on where it runs, and
// enough as long as it comes to sleep now and then. Another joins, up to one for
// every two CPUs, when it has found rings waiting for so long; and leaves when it has
// had to sleep as often.
const (
	manyRings  = 64
	sleptTicks = 9000 // some 3 us
)

// scaleLocked takes note of a ring, for which the dispatcher slept or not.
func (d *dispatcher) scaleLocked(slept bool) {
	b := d.home
	switch {
	case slept && d.rings > 0, !slept && d.rings < 0:
		d.rings = 0
	case slept:
		d.rings--
	default:
		d.rings++
	}
	n := int(b.receivers.Load())
	switch {
	case d.rings >= manyRings && n < runtime.NumCPU()/2:
		d.rings = 0
		d.p.startLocked(b)
	case d.rings <= -manyRings && n > 1:
		d.leaveLocked()
	}
}

func isClosed(ch <-chan struct{}) bool {
	select {
	case <-ch:
		return true
	default:
		return false
	}
}

// leaveLocked gives up the dispatcher's home.
func (d *dispatcher) leaveLocked() {
	b := d.home
	d.home = nil
	if b.receivers.Add(-1) > 0 {
		return
	}
	if b.over {
		b.closeLocked()
	} else if b.awaited.Load() > 0 {
		d.p.d.orphanLocked(b)
	}
}

// settleLocked finds the dispatcher a home, if there is any that needs it and it is
// not over with it.
func (d *dispatcher) settleLocked(over bool) {
	s := &d.p.d
	if d.home != nil && (over || len(d.home.threads) == 0) {
		d.leaveLocked()
	}
	for _, b := range s.orphans {
		b.orphan = false
		switch {
		case b.receivers.Load() > 0 || b.over || b.awaited.Load() == 0:
		case d.home == nil && !over:
			d.home = b
			b.receivers.Add(1)
		default:
			d.p.startLocked(b)
		}
	}
	s.orphans = s.orphans[:0]
}

func (s *dispatch) orphan(b *bell) {
	s.mu.Lock()
	s.orphanLocked(b)
	s.mu.Unlock()
}

func (s *dispatch) orphanLocked(b *bell) {
	if !b.orphan {
		b.orphan = true
		s.orphans = append(s.orphans, b)
	}
}

// hold tells that a handler is about to sleep in a call of the host.
func (d *dispatcher) hold() {
	s := &d.p.d
	s.mu.Lock()
	defer s.mu.Unlock()
	if d.held {
		return
	}
	d.held = true
	s.active--
	if b := d.home; b != nil && b.receivers.Add(-1) == 0 && b.awaited.Load() > 0 {
		d.p.startLocked(b)
	} else if s.active == 0 && len(s.queue)+len(s.orphans) > 0 {
		d.p.startLocked(nil)
	}
}

// rejoinLocked is called when the handler has come back.
func (d *dispatcher) rejoinLocked() {
	if !d.held {
		return
	}
	d.held = false
	d.p.d.active++
	if b := d.home; b != nil {
		if b.receivers.Load() > 0 || b.over {
			d.home = nil
		} else {
			b.receivers.Add(1)
		}
	}
}
