// Package waiter lets a goroutine wait until an object becomes ready. An
// object owns a Queue and notifies it when its readiness changes; whoever
// waits registers an Entry with a callback.
//
// The usual order of a blocking operation is: try; on EAGAIN register an
// entry; try again (readiness may have come in between); sleep until
// notified; unregister. task.Task.Block does this for system calls.
//
// Objects may notify with their own locks held. Callbacks run with the queue's
// lock held, so they must not block nor touch the queue; they take what little
// wakes somebody up: task's parker, and an epoll instance's list and queue.
//
// Lock order:
//
//	Queue.mu > Queue.mu (of an epoll instance, after those of what it watches)
package waiter

import (
	"sync"
	"sync/atomic"
)

// Mask is a set of events in the encoding of poll(2), which is also that of
// epoll(7) for the low 16 bits.
type Mask uint32

// Events, by include/uapi/asm-generic/poll.h.
const (
	In     Mask = 0x001
	Pri    Mask = 0x002
	Out    Mask = 0x004
	Err    Mask = 0x008
	Hup    Mask = 0x010
	RdNorm Mask = 0x040
	RdBand Mask = 0x080
	WrNorm Mask = 0x100
	WrBand Mask = 0x200
	RdHup  Mask = 0x2000

	Readable = In | RdNorm
	Writable = Out | WrNorm
	All      = In | Pri | Out | Err | Hup | RdNorm | RdBand | WrNorm | WrBand | RdHup
)

// Entry is one registration in one Queue. The zero value with Notify set is
// ready to be registered.
type Entry struct {
	// Notify is called with the events that occurred, intersected with the
	// entry's mask. It must not block.
	Notify func(Mask)
	// Exclusive, if set, is called in place of Notify, but not once another
	// entry's Exclusive has returned true for the same notification
	// (EPOLLEXCLUSIVE).
	Exclusive func(Mask) bool
	// Wake, if set, is called in place of Notify where events do not matter,
	// after the queue is unlocked: whoever wakes up so does not run into the
	// queue's mutex, which it needs to unregister. It may be called late, when
	// the entry is in no queue any more.
	Wake func()

	mask       Mask
	queue      *Queue
	next, prev *Entry
	exclusive  bool
}

// NewChannelEntry returns an entry that makes a non-blocking send to ch, which
// should have a capacity of one.
func NewChannelEntry(ch chan struct{}) *Entry {
	return &Entry{Notify: func(Mask) {
		select {
		case ch <- struct{}{}:
		default:
		}
	}}
}

// Queue is a set of entries. The zero value is empty and ready.
type Queue struct {
	n          atomic.Int32
	mu         sync.Mutex
	head, tail *Entry
}

// Register adds e for the events in mask; Err and Hup are always included, as
// in poll(2). An entry is in at most one queue.
func (q *Queue) Register(e *Entry, mask Mask) {
	q.mu.Lock()
	defer q.mu.Unlock()
	e.mask, e.queue, e.exclusive = mask|Err|Hup, q, false
	e.next, e.prev = nil, q.tail
	if q.tail != nil {
		q.tail.next = e
	} else {
		q.head = e
	}
	q.tail = e
	q.n.Add(1)
}

// RegisterExclusive is Register for an entry of which only one per
// notification is to be woken (EPOLLEXCLUSIVE).
func (q *Queue) RegisterExclusive(e *Entry, mask Mask) {
	q.Register(e, mask)
	q.mu.Lock()
	e.exclusive = true
	q.mu.Unlock()
}

// Unregister removes e if it is registered in q.
func (q *Queue) Unregister(e *Entry) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if e.queue != q {
		return
	}
	if e.prev != nil {
		e.prev.next = e.next
	} else {
		q.head = e.next
	}
	if e.next != nil {
		e.next.prev = e.prev
	} else {
		q.tail = e.prev
	}
	e.next, e.prev, e.queue = nil, nil, nil
	q.n.Add(-1)
}

// Notify calls every entry whose mask meets events; of the exclusive ones
// only the first.
func (q *Queue) Notify(events Mask) {
	if q.n.Load() == 0 {
		return
	}
	var room [4]func()
	for _, wake := range q.notify(events, room[:0]) {
		wake()
	}
}

// WakeAll is Notify for exclusive entries, of which it wakes all.
func (q *Queue) WakeAll(events Mask) {
	q.mu.Lock()
	var late []func()
	for e := q.head; e != nil; e = e.next {
		if m := e.mask & events; m != 0 && e.exclusive {
			if e.Wake != nil {
				late = append(late, e.Wake)
			} else {
				e.Notify(m)
			}
		}
	}
	q.mu.Unlock()
	for _, wake := range late {
		wake()
	}
}

// notify is Notify, but for calls of Wake, which it adds to late.
func (q *Queue) notify(events Mask, late []func()) []func() {
	q.mu.Lock()
	defer q.mu.Unlock()
	woken := false
	for e := q.head; e != nil; e = e.next {
		m := e.mask & events
		if m == 0 || e.exclusive && woken {
			continue
		}
		if e.Exclusive != nil {
			woken = woken || e.Exclusive(m)
			continue
		}
		woken = woken || e.exclusive
		if e.Wake != nil {
			late = append(late, e.Wake)
			continue
		}
		e.Notify(m)
	}
	return late
}

// Registered reports whether e is in a queue. Only its owner may ask.
func (e *Entry) Registered() bool { return e.queue != nil }

// Empty reports whether nobody waits. It may be stale when it returns.
func (q *Queue) Empty() bool { return q.n.Load() == 0 }

// Waitable is an object that can be waited for.
type Waitable interface {
	// Readiness returns the events of mask, and Err and Hup, that are so now.
	Readiness(mask Mask) Mask
	// EventRegister registers e with the object's queue or queues.
	EventRegister(e *Entry, mask Mask)
	// EventUnregister undoes EventRegister.
	EventUnregister(e *Entry)
}

// A HostWaitable can be waited for by poll(2) in the host, which takes fewer
// switches of threads than a notification.
type HostWaitable interface {
	// HostWait returns a descriptor of which that may be expected, or -1. With
	// all, every event that a waiter may care for shows there under its own
	// name, and nobody need register; else what shows is that there is
	// something to look for, as In.
	HostWait() (fd int, all bool)
}

// AlwaysReady is a Waitable that is always readable and writable, as regular
// files are. Embed it.
type AlwaysReady struct{}

// Readiness implements Waitable.
func (AlwaysReady) Readiness(mask Mask) Mask { return mask & (Readable | Writable) }

// EventRegister implements Waitable.
func (AlwaysReady) EventRegister(*Entry, Mask) {}

// EventUnregister implements Waitable.
func (AlwaysReady) EventUnregister(*Entry) {}
