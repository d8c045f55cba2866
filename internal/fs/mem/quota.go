package mem

import "sync/atomic"

const (
	pageSize = 4096
	// inodeSpace is what tmpfs charges for an inode or a further name
	// (BOGO_INODE_SIZE in mm/shmem.c).
	inodeSpace = 1024
)

// Quota bounds what file systems may keep in memory. Quotas nest.
type Quota struct {
	maxPages, maxSpace int64
	pages, space       atomic.Int64
	parent             *Quota
}

// NewQuota returns a quota of size bytes of data and of inodes names. parent
// may be nil.
func NewQuota(size, inodes int64, parent *Quota) *Quota {
	return &Quota{maxPages: (size + pageSize - 1) / pageSize, maxSpace: min(inodes, 1<<50) * inodeSpace, parent: parent}
}

func take(v *atomic.Int64, n, limit int64) bool {
	if v.Add(n) > limit && n > 0 {
		v.Add(-n)
		return false
	}
	return true
}

// chargePages charges n pages, or gives them back if n is negative.
func (q *Quota) chargePages(n int64) bool {
	if !take(&q.pages, n, q.maxPages) {
		return false
	}
	if q.parent != nil && !q.parent.chargePages(n) {
		q.pages.Add(-n)
		return false
	}
	return true
}

// forcePages charges pages that exist already.
func (q *Quota) forcePages(n int64) {
	for ; q != nil; q = q.parent {
		q.pages.Add(n)
	}
}

// chargeSpace is chargePages for the bytes of names, inodes and xattrs.
func (q *Quota) chargeSpace(n int64) bool {
	if !take(&q.space, n, q.maxSpace) {
		return false
	}
	if q.parent != nil && !q.parent.chargeSpace(n) {
		q.space.Add(-n)
		return false
	}
	return true
}

// forceSpace charges what exists already.
func (q *Quota) forceSpace(n int64) {
	for ; q != nil; q = q.parent {
		q.space.Add(n)
	}
}

// free returns what is left of pages and space.
func (q *Quota) free() (pages, space int64) {
	pages, space = max(q.maxPages-q.pages.Load(), 0), max(q.maxSpace-q.space.Load(), 0)
	if q.parent != nil {
		p, s := q.parent.free()
		pages, space = min(pages, p), min(space, s)
	}
	return pages, space
}

// Used returns the bytes of data that are charged.
func (q *Quota) Used() int64 { return q.pages.Load() * pageSize }
