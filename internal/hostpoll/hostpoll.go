// Package hostpoll turns the readiness of host descriptors into waiter events.
//
// A Set is an epoll instance, edge triggered. Most descriptors are in the shared
// one, that of the kernel's Poller. A goroutine sleeps in the Go runtime's own
// poller on it: no thread is blocked, and nothing runs while nothing happens. It
// starts with the first Watch and lives as long as the process. Sets of their own are for those who
// wait in a host call themselves, without that goroutine's switches of threads.
// Who is about to look for events delivers what is pending itself, by Deliver.
//
// Set.draining is held while events are delivered, so that who asks for delivery
// finds all of it done. A queue may get one more notification shortly after its
// watch was stopped.
//
// Lock order:
//
//	Set.draining > Set.draining (the shared set's first)
//	Set.draining > waiter.Queue.mu
//	Poller.mu > Set.mu
//	Set.draining > Set.mu > State.mu
package hostpoll

import (
	"os"
	"sync"
	"sync/atomic"

	"sentinel/internal/abi/linux"
	"sentinel/internal/host"
	"sentinel/internal/waiter"
)

// interest is everything that epoll reports of a descriptor, on edges.
const interest = linux.EPOLLIN | linux.EPOLLPRI | linux.EPOLLOUT | linux.EPOLLRDHUP |
	linux.EPOLLRDNORM | linux.EPOLLRDBAND | linux.EPOLLWRNORM | linux.EPOLLWRBAND | linux.EPOLLET

// A watch tells a queue, or has another set deliver.
type watch struct {
	q     *waiter.Queue
	state *State // may be nil
	inner *Set   // in place of q
	next  *watch
}

// A Set is descriptors that are watched together.
type Set struct {
	fd    int
	begun atomic.Uint64 // fetches of events
	known atomic.Int32  // watches with a State

	mu      sync.Mutex
	closed  bool
	watches map[int32]*watch

	draining sync.Mutex
	events   [64]host.EpollEvent // scratch of drain
	due      []notice
}

type notice struct {
	*watch
	events waiter.Mask
}

// NewSet makes an empty set.
func NewSet() (*Set, error) {
	fd, err := host.EpollCreate()
	if err != nil {
		return nil, err
	}
	return &Set{fd: fd, watches: make(map[int32]*watch)}, nil
}

// FD is readable, for poll(2), while there is something to deliver.
func (s *Set) FD() int { return s.fd }

// Close ends all watches. Nobody waits for the set any more.
func (s *Set) Close() {
	s.draining.Lock()
	defer s.draining.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.closed, s.watches = true, nil
		host.Close(s.fd)
	}
}

// A Source is a Waitable that a host descriptor in a set stands behind. It
// notifies of each event, also where others have not been taken notice of yet,
// and so need not always be asked.
type Source interface {
	// RegisterIn is EventRegister for one who delivers from s, and from the
	// shared set, before it looks.
	RegisterIn(s *Set, e *waiter.Entry, mask waiter.Mask)
	// Announced is Readiness as of the events that have been notified of.
	Announced(mask waiter.Mask) waiter.Mask
}

// A Poller has the set that most descriptors of a kernel are in, and the goroutine
// that delivers from it.
type Poller struct {
	mu   sync.Mutex
	set  atomic.Pointer[Set]
	file *os.File // owns the set's descriptor, in the runtime's poller
}

// Shared returns the set that the goroutine delivers from.
func (p *Poller) Shared() (*Set, error) {
	if s := p.set.Load(); s != nil {
		return s, nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if s := p.set.Load(); s != nil {
		return s, nil
	}
	s, err := NewSet()
	if err != nil {
		return nil, err
	}
	// Non-blocking mode is what makes os.NewFile register with the poller.
	if err := host.SetNonblock(s.fd, true); err != nil {
		s.Close()
		return nil, err
	}
	f := os.NewFile(uintptr(s.fd), "epoll")
	rc, err := f.SyscallConn()
	if err != nil {
		f.Close()
		return nil, linux.EIO
	}
	p.file = f
	p.set.Store(s)
	host.Go(func() {
		// It returns only if the runtime cannot poll, which it can.
		if err := rc.Read(func(uintptr) bool { return s.drain() }); err != nil {
			panic("hostpoll: " + err.Error())
		}
	})
	return s, nil
}

// Deliver is Set.Deliver of the shared set, if somebody relies on a State there.
func (p *Poller) Deliver(sure bool) {
	if s := p.set.Load(); s != nil && s.known.Load() > 0 {
		s.Deliver(sure)
	}
}

// Deliver notifies of everything that the host knows by now. epoll_wait(2)
// looks without a lock whether there is something, and may find nothing while
// another thread scans the list; with sure that is made up for by poll(2), which
// takes the lock. The caller holds no lock that a waiter takes when it is
// notified.
func (s *Set) Deliver(sure bool) {
	for s.drain(); sure; s.drain() {
		if m, err := host.PollNow(s.fd, int16(waiter.In)); m == 0 || err != nil {
			return
		}
	}
}

// drain delivers what is pending. It returns false to be called again after
// the next edge.
func (s *Set) drain() bool {
	s.draining.Lock()
	defer s.draining.Unlock()
	for {
		if s.Closed() {
			return true
		}
		fetch := s.begun.Add(1)
		n, err := host.EpollPoll(s.fd, s.events[:])
		if err != nil {
			return true
		}
		// Waiters may hold locks of their own while they call Watch, so none
		// is told with the set locked.
		told := s.due[:0]
		s.mu.Lock()
		for i := range s.events[:n] {
			for w := s.watches[s.events[i].Fd]; w != nil; w = w.next {
				told = append(told, notice{w, waiter.Mask(s.events[i].Events) & waiter.All})
			}
		}
		s.mu.Unlock()
		for i := range told {
			if n := told[i]; n.inner != nil {
				n.inner.Deliver(false)
			} else {
				n.state.announced(s, n.events, fetch)
				n.q.Notify(n.events)
			}
			told[i] = notice{}
		}
		s.due = told
		if n < len(s.events) {
			return false
		}
	}
}

// Closed reports whether there will be no more events.
func (s *Set) Closed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

// Watch notifies q of each change of fd's readiness until stop is called,
// which must be before fd is closed. A descriptor that epoll refuses, such as
// one of a regular file, is always ready and never changes.
func (p *Poller) Watch(fd int, q *waiter.Queue) (stop func(), err error) {
	s, err := p.Shared()
	if err != nil {
		return nil, err
	}
	return s.Watch(fd, q, nil)
}

// DeliverFrom has the shared set's goroutine deliver from s, too, until stop is
// called, which must be before s is closed.
func (p *Poller) DeliverFrom(s *Set) (stop func(), err error) {
	all, err := p.Shared()
	if err != nil {
		return nil, err
	}
	return all.add(s.fd, &watch{inner: s})
}

// Watch is Poller.Watch in this set. It keeps account of the
// announcements in st, unless that is nil.
func (s *Set) Watch(fd int, q *waiter.Queue, st *State) (stop func(), err error) {
	return s.add(fd, &watch{q: q, state: st})
}

func (s *Set) add(fd int, w *watch) (stop func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, linux.EBADF
	}
	key := int32(fd)
	if s.watches[key] == nil {
		switch err := host.EpollAdd(s.fd, fd, interest, key); err {
		case nil:
		case linux.EPERM:
			return func() {}, nil
		default:
			return nil, err
		}
	}
	w.next = s.watches[key]
	s.watches[key] = w
	if w.state != nil {
		w.state.attach(s)
		s.known.Add(1)
	}
	return func() { s.remove(key, w) }, nil
}

func (s *Set) remove(key int32, w *watch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if w.state != nil {
		w.state.detach(s)
	}
	head := s.watches[key]
	for p := &head; *p != nil; p = &(*p).next {
		if *p != w {
			continue
		}
		*p = w.next
		if w.state != nil {
			s.known.Add(-1)
		}
		if head != nil {
			s.watches[key] = head
			return
		}
		delete(s.watches, key)
		// It can fail only if the caller closed fd too early, and then there
		// is nothing left to remove.
		_ = host.EpollDel(s.fd, int(key))
		return
	}
}

// Readiness returns the events of mask, and errors and hang-up, that are true
// of fd now. It makes one poll(2) and never waits.
func Readiness(fd int, mask waiter.Mask) waiter.Mask {
	got, err := host.PollNow(fd, int16(mask&waiter.All))
	if err != nil {
		return mask & (waiter.Readable | waiter.Writable)
	}
	return waiter.Mask(uint16(got)) & (mask | waiter.Err | waiter.Hup)
}
