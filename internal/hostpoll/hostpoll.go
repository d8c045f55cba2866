// Package hostpoll turns the readiness of host descriptors into waiter events.
//
// One goroutine serves all descriptors of the process. It owns an epoll
// instance, edge triggered, and sleeps in the Go runtime's own poller on that
// instance: no thread is blocked, and nothing runs while nothing happens. It
// starts with the first Watch and lives as long as the process. Who is about to
// look for events delivers what is pending itself, by Deliver.
//
// draining is held while events are delivered, so that who asks for delivery
// finds all of it done; it comes before the locks of waiters. poller.mu is a
// leaf. A queue may get one more notification shortly after its watch was
// stopped.
package hostpoll

import (
	"os"
	"sync"

	"sentinel/internal/abi/linux"
	"sentinel/internal/host"
	"sentinel/internal/waiter"
)

// interest is everything that epoll reports of a descriptor, on edges.
const interest = linux.EPOLLIN | linux.EPOLLPRI | linux.EPOLLOUT | linux.EPOLLRDHUP |
	linux.EPOLLRDNORM | linux.EPOLLRDBAND | linux.EPOLLWRNORM | linux.EPOLLWRBAND | linux.EPOLLET

type watch struct {
	q     *waiter.Queue
	state *State // may be nil
	next  *watch
}

// poller is process-wide because descriptors are.
var poller struct {
	mu      sync.Mutex
	ep      int
	file    *os.File // owns ep, in the runtime's poller
	watches map[int32]*watch
}

// start makes the epoll instance and its goroutine; poller.mu is held.
func start() error {
	ep, err := host.EpollCreate()
	if err != nil {
		return err
	}
	// Non-blocking mode is what makes os.NewFile register with the poller.
	if err := host.SetNonblock(ep, true); err != nil {
		return err
	}
	f := os.NewFile(uintptr(ep), "epoll")
	rc, err := f.SyscallConn()
	if err != nil {
		f.Close()
		return linux.EIO
	}
	poller.ep, poller.file, poller.watches = ep, f, make(map[int32]*watch)
	go func() {
		// It returns only if the runtime cannot poll, which it can.
		if err := rc.Read(drain); err != nil {
			panic("hostpoll: " + err.Error())
		}
	}()
	return nil
}

type notice struct {
	q      *waiter.Queue
	state  *State
	events waiter.Mask
}

var (
	draining sync.Mutex
	// Scratch of drain.
	events [64]host.EpollEvent
	due    []notice
)

// Deliver notifies of everything that the host knows by now. epoll_wait(2)
// looks without a lock whether there is something, and may find nothing while
// another thread scans the list, which a new event makes the runtime's poller
// do; with sure that is made up for by poll(2), which takes the lock. The caller
// holds no lock that a waiter takes when it is notified.
func Deliver(sure bool) {
	poller.mu.Lock()
	ep, started := poller.ep, poller.file != nil
	poller.mu.Unlock()
	if !started {
		return
	}
	for drain(uintptr(ep)); sure; drain(uintptr(ep)) {
		if m, err := host.PollNow(ep, int16(waiter.In)); m == 0 || err != nil {
			return
		}
	}
}

// drain delivers what is pending. It returns false to be called again after
// the next edge.
func drain(fd uintptr) bool {
	draining.Lock()
	defer draining.Unlock()
	for {
		n, err := host.EpollPoll(int(fd), events[:])
		if err != nil {
			return true
		}
		// Waiters may hold locks of their own while they call Watch, so none
		// is told with poller.mu held.
		told := due[:0]
		poller.mu.Lock()
		for i := range events[:n] {
			for w := poller.watches[events[i].Fd]; w != nil; w = w.next {
				told = append(told, notice{w.q, w.state, waiter.Mask(events[i].Events) & waiter.All})
			}
		}
		poller.mu.Unlock()
		for i := range told {
			told[i].state.edge(told[i].events)
			told[i].q.Notify(told[i].events)
			told[i] = notice{}
		}
		due = told
		if n < len(events) {
			return false
		}
	}
}

// Watch notifies q of each change of fd's readiness until stop is called,
// which must be before fd is closed. A descriptor that epoll refuses, such as
// one of a regular file, is always ready and never changes.
func Watch(fd int, q *waiter.Queue) (stop func(), err error) { return WatchState(fd, q, nil) }

// WatchState is Watch that keeps account of the edges in st.
func WatchState(fd int, q *waiter.Queue, st *State) (stop func(), err error) {
	w := &watch{q: q, state: st}
	poller.mu.Lock()
	defer poller.mu.Unlock()
	if poller.file == nil {
		if err := start(); err != nil {
			return nil, err
		}
	}
	key := int32(fd)
	if poller.watches[key] == nil {
		switch err := host.EpollAdd(poller.ep, fd, interest, key); err {
		case nil:
		case linux.EPERM:
			return func() {}, nil
		default:
			return nil, err
		}
	}
	w.next = poller.watches[key]
	poller.watches[key] = w
	return func() { unwatch(key, w) }, nil
}

func unwatch(key int32, w *watch) {
	poller.mu.Lock()
	defer poller.mu.Unlock()
	head := poller.watches[key]
	for p := &head; *p != nil; p = &(*p).next {
		if *p != w {
			continue
		}
		*p = w.next
		if head != nil {
			poller.watches[key] = head
			return
		}
		delete(poller.watches, key)
		// It can fail only if the caller closed fd too early, and then there
		// is nothing left to remove.
		_ = host.EpollDel(poller.ep, int(key))
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
