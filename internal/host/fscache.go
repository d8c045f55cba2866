package host

import (
	"sync"

	"sentinel/internal/abi/linux"
)

// FDCache keeps descriptors that can be opened again at will, so that their
// number stays bounded: a host's descriptor table that outgrows 64 or 256
// entries makes a process with threads wait for RCU.
//
// Lock order: FDCache.mu is a leaf; no call to the host but close is made with
// it held.
type FDCache struct {
	mu   sync.Mutex
	max  int
	idle int
	head CachedFD // of a ring of idle entries, most recent first
}

// CachedFD is one descriptor's place in a cache. The zero value is closed.
type CachedFD struct {
	open       bool
	dead       bool
	fd         int
	pins       int
	next, prev *CachedFD
}

// NewFDCache returns a cache that keeps at most max descriptors that nobody
// uses.
func NewFDCache(max int) *FDCache {
	c := &FDCache{max: max}
	c.head.next, c.head.prev = &c.head, &c.head
	return c
}

func (c *FDCache) unlink(e *CachedFD) {
	e.prev.next, e.next.prev = e.next, e.prev
	e.next, e.prev = nil, nil
	c.idle--
}

// Acquire returns e's descriptor, by open if it has none, and keeps it open
// until Release.
func (c *FDCache) Acquire(e *CachedFD, open func() (int, error)) (int, error) {
	c.mu.Lock()
	if e.open {
		if e.next != nil {
			c.unlink(e)
		}
		e.pins++
		c.mu.Unlock()
		return e.fd, nil
	}
	c.mu.Unlock()
	fd, err := open()
	if (err == linux.EMFILE || err == linux.ENFILE) && c.Shrink() {
		fd, err = open()
	}
	if err != nil {
		return -1, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if e.open { // somebody was faster
		Close(fd)
		if e.next != nil {
			c.unlink(e)
		}
	} else {
		e.open, e.fd = true, fd
	}
	e.pins++
	return e.fd, nil
}

// Release undoes one Acquire.
func (c *FDCache) Release(e *CachedFD) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e.pins--; e.pins > 0 {
		return
	}
	if e.dead {
		Close(e.fd)
		e.open, e.dead = false, false
		return
	}
	h := &c.head
	e.next, e.prev = h.next, h
	h.next.prev, h.next = e, e
	for c.idle++; c.idle > c.max; {
		c.evict()
	}
}

func (c *FDCache) evict() {
	e := c.head.prev
	c.unlink(e)
	Close(e.fd)
	e.open = false
}

// Drop closes e's descriptor as soon as nobody uses it.
func (c *FDCache) Drop(e *CachedFD) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case !e.open:
	case e.pins > 0:
		e.dead = true
	default:
		c.unlink(e)
		Close(e.fd)
		e.open = false
	}
}

// Shrink closes all idle descriptors and reports whether there were any.
func (c *FDCache) Shrink() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	some := c.idle > 0
	for c.idle > 0 {
		c.evict()
	}
	return some
}
