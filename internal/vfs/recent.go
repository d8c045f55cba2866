package vfs

import (
	"sync"
	"sync/atomic"
)

// maxRecent is how many dentries are kept for nothing but being asked for
// again. Past it a directory only remembers those that something else uses, so
// that a walk of a whole tree does not stay in memory.
const maxRecent = 1 << 15

// clock is the dentries that directories keep, in the order of a clock with a
// second chance.
type clock struct {
	mu    sync.Mutex
	limit int // maxRecent; tests make it small
	ring  []*Dentry
	hand  int

	negatives atomic.Int64 // nil children of all directories
}

// remember keeps d, in place of the first that was not used since
// the hand came by.
func (r *clock) remember(d *Dentry) {
	r.mu.Lock()
	if d.slot != 0 {
		r.mu.Unlock()
		return
	}
	if len(r.ring) < r.limit {
		r.ring = append(r.ring, d)
		d.slot = int32(len(r.ring))
		r.mu.Unlock()
		return
	}
	for {
		if r.hand >= len(r.ring) {
			r.hand = 0
		}
		if v := r.ring[r.hand]; !v.used.Load() {
			break
		} else {
			v.used.Store(false)
		}
		r.hand++
	}
	victim := r.ring[r.hand]
	victim.slot = 0
	r.ring[r.hand] = d
	r.hand++
	d.slot = int32(r.hand)
	r.mu.Unlock()
	victim.evict()
}

// drop takes d, which is gone, off the clock.
func (r *clock) drop(d *Dentry) {
	r.mu.Lock()
	defer r.mu.Unlock()
	i := int(d.slot) - 1
	if i < 0 {
		return
	}
	last := len(r.ring) - 1
	r.ring[i] = r.ring[last]
	r.ring[i].slot = int32(i + 1)
	r.ring[last] = nil
	r.ring = r.ring[:last]
	d.slot = 0
}

// evict has the directory of d refer to it weakly, and d forget which names
// are not there.
func (d *Dentry) evict() {
	d.dropNegatives()
	at := d.at.Load()
	p := at.parent
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.volatile && p.children[at.name] == d {
		delete(p.children, at.name)
		p.see(at.name, d)
	}
}

// revive returns the child name if it was evicted and is still in use.
func (d *Dentry) revive(name string) *Dentry {
	d.mu.Lock()
	w, ok := d.seen[name]
	if !ok {
		d.mu.Unlock()
		return nil
	}
	delete(d.seen, name)
	child := w.Value()
	if child != nil {
		d.children[name] = child
	}
	d.mu.Unlock()
	if child != nil {
		d.world().recent.remember(child)
	}
	return child
}

// dropNegatives forgets the names that are not there, if d is a directory.
func (d *Dentry) dropNegatives() {
	if !d.isDir() {
		return
	}
	d.mu.Lock()
	d.dropNegativesLocked()
	d.mu.Unlock()
}

// dropNegativesLocked is dropNegatives of a directory with d.mu held.
func (d *Dentry) dropNegativesLocked() {
	if d.negatives == 0 {
		return
	}
	for n, c := range d.children {
		if c == nil {
			delete(d.children, n)
		}
	}
	d.world().recent.negatives.Add(-int64(d.negatives))
	d.negatives = 0
}
