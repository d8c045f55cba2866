package trap

import (
	"slices"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"sentinel/internal/platform/stub"
)

// bell is by what the stubs of a family of processes wake up the supervisor: a call
// that the host reports to the descriptor of their filter (seccomp_unotify(2)),
// while the caller sleeps. Unlike a futex it tells who rings, in order, and the
// host switches from the one side to the other on the same CPU.
type bell struct {
	fd      atomic.Int32 // -1 when it is closed
	awaited atomic.Int32 // threads whose tasks wait for them to ring
	open    atomic.Int32 // rings that have no answer yet

	// Under dispatch.mu.
	threads   map[int]*thread // by host tid
	strangers []ring
	receivers atomic.Int32 // dispatchers whose home it is and that are not held
	orphan    bool         // it is among dispatch.orphans
	over      bool         // nobody is left that could ring
}

// ring is a call of the bell that waits for an answer.
type ring struct {
	tid int
	id  uint64
}

// manyStrangers bounds the rings of threads that nobody knows. A new thread may
// ring before its parent has told of it; a hostile one stays a stranger.
const manyStrangers = 16

// manyOpen is how many rings may be without an answer for long. Calls that sleep
// then sleep on their futex.
const manyOpen = 32

// takeBell receives the bell that a new process has sent.
func takeBell(ch stub.Channel) (*bell, error) {
	fd, err := ch.Receive()
	if err != nil {
		return nil, err
	}
	b := &bell{threads: map[int]*thread{}}
	b.fd.Store(int32(fd))
	b.sync()
	return b, nil
}

// rungLocked takes a ring. It returns the coroutine that the caller is to run, if
// any. dispatch.mu is held.
func (b *bell) rungLocked(tid int, id uint64) *coroutine {
	t := b.threads[tid]
	if t == nil {
		if len(b.strangers) >= manyStrangers {
			b.answer(b.strangers[0].id)
			b.strangers = slices.Delete(b.strangers, 0, 1)
		}
		b.strangers = append(b.strangers, ring{tid, id})
		return nil
	}
	b.open.Add(1)
	if old := t.rung.Swap(id); old != 0 {
		b.open.Add(-1)
		b.answer(old) // of a call that was interrupted
	}
	if atomic.LoadUint32(&t.c.State) != stEvent {
		// The reply was quicker than the ring, or the guest plays.
		t.answerRing()
		return nil
	}
	if t.stopAwaiting() && t.co.claim() {
		return t.co
	}
	return nil
}

// answerRing lets the stub go on if it has rung, and reports whether it has.
func (t *thread) answerRing() bool {
	id := t.rung.Swap(0)
	if id == 0 {
		return false
	}
	b := t.proc.family.bell
	b.open.Add(-1)
	b.answer(id)
	return true
}

// startAwaiting tells that the thread's coroutine is about to park until its guest
// rings. Whoever gets true from stopAwaiting is to unpark it.
func (t *thread) startAwaiting() {
	b := t.proc.family.bell
	b.awaited.Add(1)
	t.awaits.Store(true)
	if b.receivers.Load() == 0 {
		t.p.d.orphan(b)
	}
}

func (t *thread) stopAwaiting() bool {
	if !t.awaits.CompareAndSwap(true, false) {
		return false
	}
	t.proc.family.bell.awaited.Add(-1)
	return true
}

// enterBell makes the thread known by the id that the host gave it.
func (t *thread) enterBell() {
	b := t.proc.family.bell
	if b == nil {
		return
	}
	s := &t.p.d
	s.mu.Lock()
	defer s.mu.Unlock()
	b.threads[t.tid] = t
	for i, r := range b.strangers {
		if r.tid == t.tid {
			t.rung.Store(r.id)
			b.open.Add(1)
			b.strangers = slices.Delete(b.strangers, i, i+1)
			break
		}
	}
}

// leaveBell forgets the thread.
func (t *thread) leaveBell() {
	b := t.proc.family.bell
	if b == nil {
		return
	}
	s := &t.p.d
	s.mu.Lock()
	defer s.mu.Unlock()
	if b.threads[t.tid] == t {
		delete(b.threads, t.tid)
	}
	t.answerRing()
}

// endBell gives up the bell of a family that has ended.
func (p *Platform) endBell(b *bell) {
	if b == nil {
		return
	}
	p.d.mu.Lock()
	defer p.d.mu.Unlock()
	b.over = true
	if b.receivers.Load() == 0 {
		b.closeLocked()
	}
}

func (b *bell) closeLocked() {
	if fd := b.fd.Swap(-1); fd >= 0 {
		unix.Close(int(fd))
	}
}
