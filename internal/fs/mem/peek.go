package mem

import (
	"sync/atomic"

	"sentinel/internal/abi/linux"
	"sentinel/internal/vfs"
)

// peeked is the set of names that a directory was asked for by Peek, by their
// hashes. A name that only seems to be in it is looked up, as it was before.
type peeked [16]atomic.Uint64

// add reports whether name was not there yet.
func (p *peeked) add(name string) bool {
	h := uint32(2166136261) // FNV-1a
	for i := range len(name) {
		h = (h ^ uint32(name[i])) * 16777619
	}
	h ^= h >> 16
	bit := uint64(1) << (h % 64)
	return p[h/64%uint32(len(p))].Or(bit)&bit == 0
}

// Peek implements vfs.Peeker. What was never looked up is as the lower layer has
// it.
func (d *Dir) Peek(name string) (vfs.Attr, bool) {
	if d.lower == nil {
		return vfs.Attr{}, false
	}
	p := d.peeked.Load()
	if p == nil {
		d.peeked.CompareAndSwap(nil, new(peeked))
		p = d.peeked.Load()
	}
	if !p.add(name) {
		return vfs.Attr{}, false
	}
	d.mu.RLock()
	defer d.mu.RUnlock()
	if d.names[name] != nil || d.listed && !d.inList(name) {
		return vfs.Attr{}, false
	}
	a, err := d.lower.Stat(name)
	if err != nil || a.Type() != linux.S_IFREG || a.Nlink > 1 && d.fs.linked(&a) != nil {
		return vfs.Attr{}, false
	}
	d.fs.own(&a.Attr)
	return a.Attr, true
}

// linked returns the inode in use that a lower object with further names has.
func (fs *FS) linked(a *LowerAttr) *node {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	return fs.byLower[lowerKey{a.HostDev, a.HostIno}].Value()
}

// own makes attributes of the lower layer those of an inode here.
func (fs *FS) own(a *vfs.Attr) { a.DevMajor, a.DevMinor = 0, fs.opts.DevMinor }
