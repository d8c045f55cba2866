package host

import (
	"sync"

	"sentinel/internal/abi/linux"
)

// FDCache keeps descriptors that can be opened again at will, so that their
// number stays bounded: a host's descriptor table that outgrows 64 or 256
// entries makes a process with threads wait for RCU.
type FDCache struct {
	mu    sync.Mutex
	rings [2]idleFDs // directories and others, files
}

// idleFDs is descriptors that nobody uses.
type idleFDs struct {
	max, n int
	head   CachedFD // of a ring, most recent first
}

// CachedFD is one descriptor's place in a cache. The zero value is closed.
type CachedFD struct {
	// File has it kept among files: a directory is needed for each of its
	// names, a file that was closed seldom again, so files must not take the
	// room of directories. It is set before the first Acquire.
	File       bool
	open       bool
	dead       bool
	fd, pins   int32
	next, prev *CachedFD
}

// NewFDCache returns a cache that keeps at most so many descriptors that nobody
// uses.
func NewFDCache(dirs, files int) *FDCache {
	c := &FDCache{}
	for i, max := range [...]int{dirs, files} {
		h := &c.rings[i].head
		c.rings[i].max, h.next, h.prev = max, h, h
	}
	return c
}

func (c *FDCache) ring(e *CachedFD) *idleFDs {
	if e.File {
		return &c.rings[1]
	}
	return &c.rings[0]
}

func (c *FDCache) unlink(e *CachedFD) {
	e.prev.next, e.next.prev = e.next, e.prev
	e.next, e.prev = nil, nil
	c.ring(e).n--
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
		return int(e.fd), nil
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
		e.open, e.fd = true, int32(fd)
	}
	e.pins++
	return int(e.fd), nil
}

// Release undoes one Acquire.
func (c *FDCache) Release(e *CachedFD) {
	c.mu.Lock()
	fd := c.release(e)
	c.mu.Unlock()
	if fd >= 0 {
		Close(fd)
	}
}

// release is Release with c.mu held. It returns a descriptor to be closed, or
// -1.
func (c *FDCache) release(e *CachedFD) int {
	if e.pins--; e.pins > 0 {
		return -1
	}
	if e.dead {
		e.open, e.dead = false, false
		return int(e.fd)
	}
	r := c.ring(e)
	h := &r.head
	e.next, e.prev = h.next, h
	h.next.prev, h.next = e, e
	if r.n++; r.n > r.max {
		return c.evict(r)
	}
	return -1
}

// evict takes the least recent entry off the ring; its descriptor is to be
// closed.
func (c *FDCache) evict(r *idleFDs) int {
	e := r.head.prev
	c.unlink(e)
	e.open = false
	return int(e.fd)
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
		Close(int(e.fd))
		e.open = false
	}
}

// Shrink closes all idle descriptors and reports whether there were any.
func (c *FDCache) Shrink() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	some := false
	for i := range c.rings {
		for r := &c.rings[i]; r.n > 0; some = true {
			Close(c.evict(r))
		}
	}
	return some
}
