package epoll

import (
	"sync"

	"sentinel/internal/abi/linux"
	"sentinel/internal/hostpoll"
	"sentinel/internal/waiter"
)

// What the host knows of an instance's targets is fetched by those who look or
// wait: they sleep in poll(2) on a set of the instance's own.

// hostSet returns the set of the instance, nil if it cannot have one.
func (ep *Instance) hostSet() *hostpoll.Set {
	if s := ep.own.Load(); s != nil {
		return s
	}
	s, err := hostpoll.NewSet()
	if err != nil {
		return nil
	}
	ep.own.Store(s)
	// Who sleeps already does so elsewhere.
	ep.q.WakeAll(waiter.Readable)
	ep.outer.start(ep.sys.poll, s)
	return s
}

// closeHost is called with the last reference to the instance.
func (ep *Instance) closeHost() {
	if s := ep.own.Load(); s != nil {
		ep.outer.end()
		s.Close()
	}
}

// announce has events delivered that the host has for targets of the instance.
// It reports false if there are none of the host's. ep.mtx is not held.
func (ep *Instance) announce(sure bool) bool {
	ep.mu.Lock()
	some := ep.sources > 0
	ep.mu.Unlock()
	if some {
		if s := ep.own.Load(); s != nil {
			s.Deliver(sure)
		}
		ep.sys.poll.Deliver(sure)
	}
	return some
}

// CollectNow is Collect of what has happened up to the call; unless the caller
// means to wait for the rest of it, all of it.
func (ep *Instance) CollectNow(evs []linux.EpollEvent, all bool) int {
	host := ep.announce(false)
	n := ep.Collect(evs)
	if n == 0 && all && host {
		ep.announce(true)
		n = ep.Collect(evs)
	}
	return n
}

// EventRegister implements waiter.Waitable, for those who do not collect: by
// poll(2), or another instance.
func (ep *Instance) EventRegister(w *waiter.Entry, mask waiter.Mask) {
	ep.q.Register(w, mask)
	ep.outer.want(ep.sys.poll, ep.own.Load())
}

// EventUnregister implements waiter.Waitable.
func (ep *Instance) EventUnregister(w *waiter.Entry) { ep.q.Unregister(w) }

// hostWatch has the shared set deliver from the instance's own, once somebody
// waits for the instance who does not do it himself.
type hostWatch struct {
	mu     sync.Mutex
	wanted bool
	stop   func()
}

// want is called with the set of the instance, if it has one by now.
func (w *hostWatch) want(p *hostpoll.Poller, s *hostpoll.Set) {
	w.mu.Lock()
	w.wanted = true
	w.mu.Unlock()
	if s != nil {
		w.start(p, s)
	}
}

// start starts the watch if it is wanted.
func (w *hostWatch) start(p *hostpoll.Poller, s *hostpoll.Set) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.wanted || w.stop != nil {
		return
	}
	if stop, err := p.DeliverFrom(s); err == nil {
		w.stop = stop
	}
}

func (w *hostWatch) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stop != nil {
		w.stop()
		w.stop = nil
	}
}

// Sleeper is a Waitable for one that calls CollectNow: of several only one is
// woken by an event of the sandbox's own. It must call WakeNext once it sleeps
// no more.
type Sleeper struct{ *Instance }

// EventRegister implements waiter.Waitable.
func (s Sleeper) EventRegister(w *waiter.Entry, mask waiter.Mask) {
	s.q.RegisterExclusive(w, mask)
}

// HostWait implements waiter.HostWaitable.
func (s Sleeper) HostWait() (fd int, all bool) {
	if set := s.own.Load(); set != nil {
		return set.FD(), false
	}
	return -1, false
}

// WakeNext wakes another sleeper if there is still something to collect, for
// which the wake-up may have gone to one that was leaving (ep_done_scan).
func (s Sleeper) WakeNext() {
	s.mu.Lock()
	left := s.ready
	s.mu.Unlock()
	if left > 0 {
		s.q.Notify(waiter.Readable)
	}
}
