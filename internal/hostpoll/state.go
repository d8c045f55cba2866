package hostpoll

import (
	"sync/atomic"

	"sentinel/internal/waiter"
)

// A State knows of a watched stream or queue whether it can be read, from what
// the host announced and what was read since, where that is certain. It saves
// the poll(2) for it. The zero value knows nothing.
//
// The host announces every arrival, also when there is something already
// (epoll(7), "edge-triggered").
type State struct {
	edges  atomic.Uint64 // announcements of readability
	readAt atomic.Uint64 // one more than edges as a read last began
	dryAt  atomic.Uint64 // one more than edges before a read that took all
	vague  atomic.Bool   // an end, an error, urgent data: ask the host
}

// edge takes account of an announcement. One goroutine at a time calls it.
func (st *State) edge(m waiter.Mask) {
	if st == nil {
		return
	}
	if m&(waiter.RdHup|waiter.Hup|waiter.Err|waiter.Pri) != 0 {
		st.vague.Store(true)
	}
	if m&waiter.Readable != 0 {
		st.edges.Add(1)
	}
}

// BeginRead is called before a read, which may take something.
func (st *State) BeginRead() (at uint64) {
	at = st.edges.Load() + 1
	for {
		old := st.readAt.Load()
		if old >= at || st.readAt.CompareAndSwap(old, at) {
			return at
		}
	}
}

// EndRead is called after a read that left nothing; at is from BeginRead.
func (st *State) EndRead(at uint64) { st.dryAt.Store(at) }

// Forget is called when what is readable changes otherwise.
func (st *State) Forget() { st.vague.Store(true) }

// Readable returns what of mask is so; known is false if the host must be asked.
// Announcements that have not been delivered yet do not count.
func (st *State) Readable(mask waiter.Mask) (m waiter.Mask, known bool) {
	if mask&^(waiter.Readable|waiter.RdHup|waiter.Err|waiter.Hup) != 0 || st.vague.Load() {
		return 0, false
	}
	switch at := st.edges.Load() + 1; {
	case st.dryAt.Load() == at:
		return 0, true
	case at > 1 && st.readAt.Load() < at:
		return mask & waiter.Readable, true
	}
	return 0, false
}
