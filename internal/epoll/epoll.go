// Package epoll implements epoll(7): a set of watched descriptions and a list
// of those that became ready, so that waiting costs as much as is ready.
//
// A watch does not keep its description alive; a release hook removes it.
//
// Instance.mtx admits one control operation or collection at a time and is held
// while descriptions are asked for their readiness, so it comes before the locks
// that they take for that. Instance.mu guards items and the ready list and is
// taken in callbacks, with the queue of the watched object locked. The graph of
// instances has no cycle, so neither have their locks.
//
// Lock order:
//
//	Instance.mtx > Instance.mtx (of an instance that it watches)
//	Instance.mtx > vfs.File.mu, System.nestMu, hostWatch.mu, Instance.mu
//	Instance.mtx > hostpoll.Set.draining
//	hostWatch.mu > hostpoll.Poller.mu, hostpoll.Set.mu
//	waiter.Queue.mu (of what is watched) > Instance.mu
package epoll

import (
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"sentinel/internal/abi/linux"
	"sentinel/internal/hostpoll"
	"sentinel/internal/vfs"
	"sentinel/internal/waiter"
)

const (
	// privateBits is EP_PRIVATE_BITS, what a disarmed one-shot watch keeps.
	privateBits = linux.EPOLLWAKEUP | linux.EPOLLONESHOT | linux.EPOLLET | linux.EPOLLEXCLUSIVE
	// exclusiveOK is EPOLLEXCLUSIVE_OK_BITS.
	exclusiveOK = linux.EPOLLIN | linux.EPOLLOUT | linux.EPOLLERR | linux.EPOLLHUP |
		linux.EPOLLWAKEUP | linux.EPOLLET | linux.EPOLLEXCLUSIVE
	// maxWatches stands for fs.epoll.max_user_watches.
	maxWatches = 400_000
)

// System is what the instances of one kernel share.
type System struct {
	poll    *hostpoll.Poller
	watches atomic.Int64
	nestMu  sync.Mutex // guards who watches whom (epnested_mutex)
}

// NewSystem returns a system whose instances rely on poll.
func NewSystem(poll *hostpoll.Poller) *System { return &System{poll: poll} }

type key struct {
	file *vfs.File
	fd   int32
}

// item is one watch, struct epitem.
type item struct {
	ep    *Instance
	key   key
	entry waiter.Entry
	hook  vfs.ReleaseHook
	inner *Instance       // the target, if it is one
	host  hostpoll.Source // the target, if it is one

	// Guarded by ep.mu.
	events     uint32
	data       [2]uint32
	queued     bool
	dead       bool
	next, prev *item
}

// Instance is what an epoll descriptor refers to.
type Instance struct {
	vfs.NoFile
	sys *System

	mtx sync.Mutex
	// idle is a watch that was taken away, for the next: event loops take one
	// away and add it again for each request. Guarded by mtx.
	idle *item

	mu         sync.Mutex
	items      map[key]*item
	head, tail *item // the ready list
	ready      int
	sources    int // targets that are a hostpoll.Source

	q     waiter.Queue
	outer hostWatch
	own   atomic.Pointer[hostpoll.Set] // of such targets

	parents, children map[*Instance]int // guarded by System.nestMu
}

// New makes an instance.
func (s *System) New() *vfs.File {
	return vfs.NewAnonFile(&Instance{sys: s}, "anon_inode:[eventpoll]", linux.O_RDWR)
}

// Of returns the instance behind f, or nil.
func Of(f *vfs.File) *Instance {
	ep, _ := f.Ops.(*Instance)
	return ep
}

// Control does epoll_ctl(2) on the description target, which the guest knows
// as fd. The caller holds a reference to it.
func (ep *Instance) Control(op int32, target *vfs.File, fd int32, ev linux.EpollEvent) error {
	k := key{target, fd}
	ep.mtx.Lock()
	defer ep.mtx.Unlock()
	ep.mu.Lock()
	it := ep.items[k]
	ep.mu.Unlock()
	if it == nil && !pollable(target) {
		return linux.EPERM
	}
	inner := Of(target)
	if inner == ep {
		return linux.EINVAL
	}
	if op != linux.EPOLL_CTL_DEL && ev.Events&linux.EPOLLEXCLUSIVE != 0 &&
		(op == linux.EPOLL_CTL_MOD || inner != nil || ev.Events&^exclusiveOK != 0) {
		return linux.EINVAL
	}
	ev.Events &^= linux.EPOLLWAKEUP
	switch op {
	case linux.EPOLL_CTL_ADD:
		if it != nil {
			return linux.EEXIST
		}
		return ep.add(k, inner, ev)
	case linux.EPOLL_CTL_MOD:
		if it == nil {
			return linux.ENOENT
		}
		return it.modify(ev)
	case linux.EPOLL_CTL_DEL:
		if it == nil {
			return linux.ENOENT
		}
		ep.forget(it)
		target.RemoveReleaseHook(&it.hook)
		target.EventUnregister(&it.entry)
		// The caller's reference keeps the hook from being called, and nobody
		// else collects: it is in nobody's hands.
		it.key, it.inner, it.host, it.entry.Exclusive = key{}, nil, nil, nil
		ep.idle = it
		return nil
	}
	return linux.EINVAL
}

// pollable reports whether Linux would find a poll method: not in regular
// files, directories and devices like /dev/null, which here are always ready
// and register nobody.
func pollable(f *vfs.File) bool {
	if f.Ino == nil {
		return true
	}
	a, err := f.Ino.Attr()
	if err != nil {
		return true
	}
	switch a.Type() {
	case linux.S_IFREG, linux.S_IFDIR, linux.S_IFCHR, linux.S_IFBLK:
		e := waiter.Entry{Notify: func(waiter.Mask) {}}
		f.EventRegister(&e, 0)
		defer f.EventUnregister(&e)
		return e.Registered()
	}
	return true
}

func pollMask(events uint32) waiter.Mask { return waiter.Mask(events) & waiter.All }

// add needs ep.mtx.
func (ep *Instance) add(k key, inner *Instance, ev linux.EpollEvent) error {
	if ep.sys.watches.Add(1) > maxWatches {
		ep.sys.watches.Add(-1)
		return linux.ENOSPC
	}
	if inner != nil {
		if err := link(ep, inner); err != nil {
			ep.sys.watches.Add(-1)
			return err
		}
	}
	it := ep.idle
	if ep.idle = nil; it == nil {
		it = newItem(ep)
	}
	it.key, it.inner, it.dead = k, inner, false
	it.events, it.data = ev.Events|linux.EPOLLERR|linux.EPOLLHUP, ev.Data
	var set *hostpoll.Set
	if o, ok := k.file.Ops.(interface{ HostSource() hostpoll.Source }); ok {
		if it.host = o.HostSource(); it.host != nil {
			set = ep.hostSet()
		}
	}
	if ev.Events&linux.EPOLLEXCLUSIVE != 0 {
		it.entry.Exclusive = it.event
	}
	ep.mu.Lock()
	if ep.items == nil {
		ep.items = make(map[key]*item)
	}
	ep.items[k] = it
	if it.host != nil {
		ep.sources++
	}
	ep.mu.Unlock()
	k.file.AddReleaseHook(&it.hook)
	it.register(set, ev.Events)
	it.check()
	return nil
}

func newItem(ep *Instance) *item {
	it := &item{ep: ep}
	it.entry.Notify = func(m waiter.Mask) { it.event(m) }
	it.hook.Fn = func() {
		ep.forget(it)
		it.key.file.EventUnregister(&it.entry)
	}
	return it
}

// register has the target tell of events. Without a set of its own the instance
// relies on the shared one.
func (it *item) register(set *hostpoll.Set, events uint32) {
	if it.host != nil && set != nil {
		it.host.RegisterIn(set, &it.entry, pollMask(events))
	} else {
		it.key.file.EventRegister(&it.entry, pollMask(events))
	}
}

// modify needs ep.mtx.
func (it *item) modify(ev linux.EpollEvent) error {
	it.ep.mu.Lock()
	if it.events&linux.EPOLLEXCLUSIVE != 0 {
		it.ep.mu.Unlock()
		return linux.EINVAL
	}
	it.events, it.data = ev.Events|linux.EPOLLERR|linux.EPOLLHUP, ev.Data
	it.ep.mu.Unlock()
	it.key.file.EventUnregister(&it.entry)
	it.register(it.ep.own.Load(), ev.Events)
	it.check()
	return nil
}

// check queues it if its description is ready now. The caller holds a
// reference.
func (it *item) check() {
	it.ep.mu.Lock()
	mask := pollMask(it.events)
	it.ep.mu.Unlock()
	if m := it.readiness(mask); m != 0 {
		it.event(m)
	}
}

// readiness needs a reference to the description.
func (it *item) readiness(mask waiter.Mask) waiter.Mask {
	if it.host != nil {
		// What has not been announced yet will be, before anybody looks.
		return it.host.Announced(mask)
	}
	return it.key.file.Readiness(mask)
}

// event queues it, as ep_poll_callback does, and reports whether somebody
// sleeps on the instance whom that wakes. It runs with the target's queue
// locked.
func (it *item) event(m waiter.Mask) bool {
	ep := it.ep
	ep.mu.Lock()
	if it.dead || it.events&^privateBits == 0 || pollMask(it.events)&m == 0 {
		ep.mu.Unlock()
		return false
	}
	if !it.queued {
		ep.pushBack(it)
	}
	ep.mu.Unlock()
	if ep.q.Empty() {
		return false
	}
	ep.q.Notify(waiter.Readable)
	return m&(waiter.In|waiter.Out) != 0
}

// The ready list; ep.mu is held.

func (ep *Instance) pushBack(it *item) {
	it.queued, it.next, it.prev = true, nil, ep.tail
	if ep.tail != nil {
		ep.tail.next = it
	} else {
		ep.head = it
	}
	ep.tail = it
	ep.ready++
}

func (ep *Instance) pushFront(it *item) {
	it.queued, it.prev, it.next = true, nil, ep.head
	if ep.head != nil {
		ep.head.prev = it
	} else {
		ep.tail = it
	}
	ep.head = it
	ep.ready++
}

func (ep *Instance) unqueue(it *item) {
	if it.prev != nil {
		it.prev.next = it.next
	} else {
		ep.head = it.next
	}
	if it.next != nil {
		it.next.prev = it.prev
	} else {
		ep.tail = it.prev
	}
	it.queued, it.next, it.prev = false, nil, nil
	ep.ready--
}

// pop takes the first ready item and what it waits for.
func (ep *Instance) pop() (it *item, events uint32) {
	ep.mu.Lock()
	defer ep.mu.Unlock()
	if it = ep.head; it == nil {
		return nil, 0
	}
	ep.unqueue(it)
	return it, it.events
}

// current returns what is so of the description now; nothing if it is going.
func (it *item) current(events uint32) waiter.Mask {
	f := it.key.file
	if !f.TryIncRef() {
		return 0
	}
	defer f.DecRef()
	return it.readiness(pollMask(events))
}

// Collect fills evs with events that are ready, as far as they have been
// announced, and returns their number. It does not wait.
func (ep *Instance) Collect(evs []linux.EpollEvent) int {
	ep.mu.Lock()
	left := ep.ready
	ep.mu.Unlock()
	if left == 0 {
		return 0
	}
	ep.mtx.Lock()
	defer ep.mtx.Unlock()
	n := 0
	for ; left > 0 && n < len(evs); left-- {
		it, events := ep.pop()
		if it == nil {
			break
		}
		if events&^privateBits == 0 {
			continue
		}
		m := it.current(events) & pollMask(events)
		if m == 0 {
			continue
		}
		ep.mu.Lock()
		if it.dead {
			ep.mu.Unlock()
			continue
		}
		evs[n].Events, evs[n].Data = uint32(m), it.data
		n++
		if it.events&linux.EPOLLONESHOT != 0 {
			it.events &= privateBits
		} else if it.events&linux.EPOLLET == 0 && !it.queued {
			ep.pushBack(it)
		}
		ep.mu.Unlock()
	}
	return n
}

// forget takes it out of the instance. It is not unregistered.
func (ep *Instance) forget(it *item) {
	ep.mu.Lock()
	dead := it.dead
	if !dead {
		it.dead = true
		delete(ep.items, it.key)
		if it.host != nil {
			ep.sources--
		}
		if it.queued {
			ep.unqueue(it)
		}
	}
	ep.mu.Unlock()
	if !dead {
		ep.sys.watches.Add(-1)
		if it.inner != nil {
			unlink(ep, it.inner)
		}
	}
}

// Release implements vfs.FileOps.
func (ep *Instance) Release(*vfs.File) {
	ep.mu.Lock()
	items := make([]*item, 0, len(ep.items))
	for _, it := range ep.items {
		items = append(items, it)
	}
	ep.mu.Unlock()
	for _, it := range items {
		ep.forget(it)
		// If the description is going its hook unregisters the entry.
		if f := it.key.file; f.TryIncRef() {
			f.RemoveReleaseHook(&it.hook)
			f.EventUnregister(&it.entry)
			f.DecRef()
		}
	}
	ep.closeHost()
}

// Readiness implements waiter.Waitable: whether Collect would find something.
func (ep *Instance) Readiness(mask waiter.Mask) waiter.Mask {
	if mask &= waiter.Readable; mask == 0 {
		return 0
	}
	ep.announce(true)
	ep.mu.Lock()
	left := ep.ready
	ep.mu.Unlock()
	if left == 0 {
		return 0
	}
	ep.mtx.Lock()
	defer ep.mtx.Unlock()
	for ; left > 0; left-- {
		it, events := ep.pop()
		if it == nil {
			return 0
		}
		if events&^privateBits == 0 || it.current(events)&pollMask(events) == 0 {
			continue
		}
		ep.mu.Lock()
		if !it.dead && !it.queued {
			ep.pushFront(it)
		}
		ep.mu.Unlock()
		return mask
	}
	return 0
}

// Seek implements vfs.Seekable: the position is always 0 (noop_llseek).
func (ep *Instance) Seek(*vfs.Context, *vfs.File, int64, int64, int) (int64, error) {
	return 0, nil
}

// FDInfo implements vfs.FDInfo.
func (ep *Instance) FDInfo(*vfs.File) string {
	var b strings.Builder
	ep.mu.Lock()
	defer ep.mu.Unlock()
	for k, it := range ep.items {
		b.WriteString("tfd: " + pad(strconv.Itoa(int(k.fd)), 8) + " events: " +
			pad(strconv.FormatUint(uint64(it.events), 16), 8) + " data: " +
			pad(strconv.FormatUint(uint64(it.data[1])<<32|uint64(it.data[0]), 16), 16) + "\n")
	}
	return b.String()
}

func pad(s string, n int) string {
	if len(s) < n {
		return strings.Repeat(" ", n-len(s)) + s
	}
	return s
}
