package mem

import (
	"sentinel/internal/abi/linux"
	"sentinel/internal/host"
	"sentinel/internal/vfs"
)

// A view is a mapping of a file's memfd in the supervisor. Large transfers that
// only touch pages the file has go through it, so that the data is copied once,
// between it and the guest. The inode's lock is held meanwhile, so the file
// does not shrink below it.
const (
	minView  = 32 << 10 // less is not worth a view
	viewStep = 1 << 20
	maxView  = 1 << 36
	maxViews = 1 << 10 // of a file system's files; the host limits mappings
	maxAhead = 1 << 30 // of the file, beyond what is asked for
)

// has reports whether the file has every page of off to end, and a view can
// show them.
func (c *content) has(off, end int64) bool {
	return c.form == formMemfd && end <= maxView && c.pages.missing(off/pageSize, pagesUp(end)) == 0
}

// mapView makes the view reach to end.
func (c *content) mapView(end int64) bool {
	if int64(len(c.view)) >= end {
		return true
	}
	// A view that grows loses the pages that it has mapped so far.
	size := int64(viewStep)
	for size < max(end, min(c.size, maxAhead)) {
		size *= 2
	}
	c.dropView()
	if c.fs.views.Add(1) > maxViews {
		c.fs.views.Add(-1)
		return false
	}
	b, err := host.MapShared(c.fd, int(size))
	if err != nil {
		c.fs.views.Add(-1)
		return false
	}
	c.view = b
	return true
}

func (c *content) dropView() {
	if c.form == formMemfd && c.view != nil {
		host.Unmap(c.view)
		c.view = nil
		c.fs.views.Add(-1)
	}
}

// ReadView implements vfs.Viewer.
func (f *file) ReadView(d *vfs.File, off int64, n int, fn func([]byte) (int, error)) (int, bool, error) {
	r := f.r
	if n < minView || off < 0 {
		return 0, false, nil
	}
	r.mu.RLock()
	end := min(off+int64(n), r.c.size)
	if end-off < minView || !r.c.has(off, end) {
		r.mu.RUnlock()
		return 0, false, nil
	}
	if int64(len(r.c.view)) < end {
		r.mu.RUnlock()
		r.mu.Lock()
		ok := end <= r.c.size && r.c.has(off, end) && r.c.mapView(end)
		r.mu.Unlock()
		if !ok {
			return 0, false, nil
		}
		r.mu.RLock()
		if end > r.c.size || int64(len(r.c.view)) < end || !r.c.has(off, end) {
			r.mu.RUnlock()
			return 0, false, nil
		}
	}
	done, err := fn(r.c.view[off:end])
	r.mu.RUnlock()
	r.touchAtime(d.Flags())
	return done, true, err
}

// ReadDirect implements vfs.DirectReader.
func (f *file) ReadDirect(d *vfs.File, off int64, n int) (vfs.HostMapping, int, bool) {
	m, n, ok := f.r.direct(off, n)
	if ok {
		f.r.touchAtime(d.Flags())
	}
	return m, n, ok
}

// direct is for files of the lower layer. A memory file's descriptor could not
// stay with the guest, as its memory would if the file were deleted, and to send
// it each time takes longer than a view.
func (r *Regular) direct(off int64, n int) (vfs.HostMapping, int, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	end := min(off+int64(n), r.c.size)
	if off < 0 || end-off < minView || r.c.form != formLower {
		return vfs.HostMapping{}, 0, false
	}
	fd, err := r.pin()
	return vfs.HostMapping{FD: fd, Offset: off, ReadOnly: true}, int(end - off), err == nil
}

// WriteView implements vfs.Viewer.
func (f *file) WriteView(c *vfs.Context, off int64, n int, fn func([]byte) (int, error)) (int, bool, error) {
	r := f.r
	if n < minView || off < 0 {
		return 0, false, nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	end := off + int64(n)
	if end > r.c.size || uint64(end) > fileLimit(c) || !r.c.has(off, end) {
		return 0, false, nil
	}
	if r.seals != 0 && r.mayWrite(off, int64(n)) != nil {
		return 0, true, linux.EPERM
	}
	if !r.c.mapView(end) {
		return 0, false, nil
	}
	done, err := fn(r.c.view[off:end])
	if done > 0 {
		r.changed(c)
	}
	return done, true, err
}
