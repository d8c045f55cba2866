package hostpoll

import (
	"sync"

	"sentinel/internal/waiter"
)

// A State knows of a watched stream socket whether it can be read and written,
// from what the host announced and what was done since, where that is certain.
// It saves the poll(2) for it. The zero value knows nothing.
//
// The host announces every arrival, also when there is something already
// (epoll(7), "edge-triggered"), and an announcement tells what is so when it is
// fetched (ep_send_events in fs/eventpoll.c), not when it came about. So it
// holds unless somebody read or wrote from then on.
type State struct {
	mu      sync.Mutex
	set     *Set // of the watch
	vague   bool // an end, an error, urgent data: ask the host
	version uint64
	in, out direction
}

type direction struct {
	so      knowledge
	busy    int    // reads or writes under way
	crossed bool   // an announcement came while one was
	end     uint64 // fetches of the set that had begun when the last one ended
	done    int    // writes since it was known to be so, and their bytes
	bytes   int
}

type knowledge uint8

const (
	unknown knowledge = iota
	yes
	no
)

// After few and short writes a socket is still writable, which is so while a
// third of its buffer is free (sk_stream_is_writeable): the least buffer has 16
// KiB, of which one write takes a page and a header at most.
const (
	fewWrites  = 3
	shortBytes = 1024
)

// attach notes which set announces from now on.
func (st *State) attach(s *Set) {
	st.mu.Lock()
	defer st.mu.Unlock()
	at := s.begun.Load()
	st.set = s
	st.in.so, st.in.end = unknown, at
	st.out.so, st.out.end = unknown, at
	st.version++
}

// detach notes that s announces no more: without a set, the host is asked.
func (st *State) detach(s *Set) {
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.set == s {
		st.set = nil
	}
}

// announced takes account of an announcement from fetch n of set s.
func (st *State) announced(s *Set, m waiter.Mask, n uint64) {
	if st == nil {
		return
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.set != s {
		return
	}
	st.version++
	if m&(waiter.RdHup|waiter.Hup|waiter.Err|waiter.Pri) != 0 {
		st.vague = true
	}
	st.in.announced(m&waiter.Readable != 0, n)
	st.out.announced(m&waiter.Writable != 0, n)
}

func (d *direction) announced(so bool, n uint64) {
	switch {
	case d.busy > 0:
		d.so, d.crossed = unknown, true
	case d.end >= n:
		d.so = unknown
	case so:
		d.so, d.done, d.bytes = yes, 0, 0
	default:
		d.so = no
	}
}

// BeginRead is called before a read, which may take something.
func (st *State) BeginRead() { st.begin(&st.in) }

// EndRead is called after a read; dry tells that it left nothing.
func (st *State) EndRead(dry bool) {
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.in.so == yes {
		st.in.so = unknown
	}
	st.finishLocked(&st.in, dry)
}

// BeginWrite is called before a write.
func (st *State) BeginWrite() { st.begin(&st.out) }

// EndWrite is called after a write of n bytes; full tells that there was no
// room for more.
func (st *State) EndWrite(n int, full bool) {
	st.mu.Lock()
	defer st.mu.Unlock()
	d := &st.out
	d.done++
	d.bytes += n
	if d.so == yes && (d.done > fewWrites || d.bytes > shortBytes) {
		d.so = unknown
	}
	st.finishLocked(d, full)
}

func (st *State) begin(d *direction) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.version++
	d.busy++
}

// finishLocked ends a read or write. Exhausted, the direction can do no more.
func (st *State) finishLocked(d *direction, exhausted bool) {
	st.version++
	switch {
	case d.crossed:
		d.so = unknown
	case exhausted:
		d.so = no
	}
	if d.busy--; d.busy == 0 {
		d.crossed = false
	}
	if st.set != nil {
		d.end = st.set.begun.Load()
	}
}

// Forget is called when what is so changes otherwise: the host is asked from
// now on.
func (st *State) Forget() {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.vague = true
}

// Readiness is the function Readiness for the socket fd, whose state it is. What
// has happened and was not announced yet may be missing.
func (st *State) Readiness(fd int, mask waiter.Mask) waiter.Mask {
	const told = waiter.Readable | waiter.Writable | waiter.RdHup | waiter.Err | waiter.Hup
	st.mu.Lock()
	ask := st.vague || st.set == nil || mask&^told != 0
	var m waiter.Mask
	add := func(d *direction, events waiter.Mask) {
		switch {
		case events == 0:
		case d.so == unknown:
			ask = true
		case d.so == yes:
			m |= events
		}
	}
	add(&st.in, mask&waiter.Readable)
	add(&st.out, mask&waiter.Writable)
	version := st.version
	st.mu.Unlock()
	if !ask {
		return m
	}
	m = Readiness(fd, mask)
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.version == version && !st.vague {
		st.in.learn(mask, m, waiter.Readable)
		st.out.learn(mask, m, waiter.Writable)
	}
	return m
}

// learn notes the host's answer m to the question for mask.
func (d *direction) learn(mask, m, events waiter.Mask) {
	switch {
	case mask&events == 0 || d.busy > 0:
	case m&events != 0:
		d.so, d.done, d.bytes = yes, 0, 0
	default:
		d.so = no
	}
}
