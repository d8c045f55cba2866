package vfs

import (
	"math"
	"slices"
	"sort"
	"strconv"

	"sentinel/internal/abi/linux"
	"sentinel/internal/waiter"
)

// flockEntry is one lock of flock(2). All lock state is guarded by its mu.
type flockEntry struct {
	owner     *File
	exclusive bool
	pid       int32
}

// rangeLock is one lock of fcntl(2): a POSIX one, whose owner is a descriptor
// table, or one of an open file description.
type rangeLock struct {
	table      *FDTable
	file       *File // OFD
	pid        int32 // -1 for OFD
	write      bool
	start, end int64 // both included
	flock      bool  // stands for one that waits for flock(2)
}

func (l *rangeLock) sameOwner(o *rangeLock) bool { return l.table == o.table && l.file == o.file }

func (l *rangeLock) conflicts(o *rangeLock) bool {
	return !l.sameOwner(o) && (l.write || o.write) && l.start <= o.end && o.start <= l.end
}

// RecordLock is struct flock.
type RecordLock struct {
	Type   int16 // linux.F_RDLCK, F_WRLCK, F_UNLCK
	Whence int16
	Start  int64
	Len    int64
	PID    int32
}

// lockWait is the Waitable of those who wait for a lock.
type lockWait struct{ q *waiter.Queue }

// Readiness implements waiter.Waitable.
func (lockWait) Readiness(waiter.Mask) waiter.Mask { return 0 }

// EventRegister implements waiter.Waitable.
func (l lockWait) EventRegister(e *waiter.Entry, mask waiter.Mask) { l.q.Register(e, mask) }

// EventUnregister implements waiter.Waitable.
func (l lockWait) EventUnregister(e *waiter.Entry) { l.q.Unregister(e) }

type lockEdge struct {
	on *FDTable
	s  *inodeState
}

// wake has those look again who wait for the locks of s that owner (nil for a
// description) gave up something of. Until they have, they wait on nobody.
func (s *inodeState) wake(owner *FDTable) {
	if owner != nil {
		for t, e := range s.table.waiting {
			if e.on == owner && e.s == s {
				delete(s.table.waiting, t)
			}
		}
	}
	s.waiters.Notify(waiter.In)
}

// callerPID returns the virtual pid of the caller.
func (c *Context) callerPID() int32 {
	if c == nil || c.Caller == nil {
		return 0
	}
	return c.Caller.PID()
}

// block waits for l until try succeeds or fails otherwise than by linux.EAGAIN. try
// is called with its mu held.
func (c *Context) block(states *stateTable, ino Inode, l *rangeLock, try func(*inodeState) error) error {
	if c == nil || c.Caller == nil {
		return linux.EAGAIN
	}
	states.mu.Lock()
	s := states.state(ino)
	s.blocked = append(s.blocked, l)
	states.mu.Unlock()
	var err error
	if e := c.Caller.Block(lockWait{&s.waiters}, waiter.In, func() bool {
		states.mu.Lock()
		defer states.mu.Unlock()
		err = try(s)
		return err != linux.EAGAIN
	}); e != nil {
		err = e
	}
	states.mu.Lock()
	s.blocked = slices.DeleteFunc(s.blocked, func(o *rangeLock) bool { return o == l })
	states.tidy(ino, s)
	states.mu.Unlock()
	return err
}

// Flock implements flock(2).
func (f *File) Flock(c *Context, op int) error {
	nonblock := op&linux.LOCK_NB != 0
	switch op &^ linux.LOCK_NB {
	case linux.LOCK_UN:
		f.dropFlock()
		return nil
	case linux.LOCK_SH, linux.LOCK_EX:
	default:
		return linux.EINVAL
	}
	if !f.Readable() && !f.Writable() {
		return linux.EBADF
	}
	want := &flockEntry{owner: f, exclusive: op&linux.LOCK_EX != 0, pid: c.callerPID()}
	f.mayLock.Store(true)
	try := func(s *inodeState) error { return s.flock(want) }
	states := f.states()
	if states == nil {
		return linux.ENOLCK
	}
	states.mu.Lock()
	s := states.state(f.Ino)
	err := try(s)
	states.tidy(f.Ino, s)
	states.mu.Unlock()
	if err != linux.EAGAIN || nonblock {
		return err
	}
	return c.block(states, f.Ino, &rangeLock{pid: want.pid, write: want.exclusive, end: math.MaxInt64, flock: true}, try)
}

// flock takes a lock or, of one that is held in another mode, gives it up
// first, as flock_lock_inode does.
func (s *inodeState) flock(want *flockEntry) error {
	for i, l := range s.flocks {
		if l.owner != want.owner {
			continue
		}
		if l.exclusive == want.exclusive {
			return nil
		}
		s.flocks = slices.Delete(s.flocks, i, i+1)
		s.table.locks.Add(-1)
		s.waiters.Notify(waiter.In)
		break
	}
	for _, l := range s.flocks {
		if l.exclusive || want.exclusive {
			return linux.EAGAIN
		}
	}
	s.flocks = append(s.flocks, want)
	s.table.locks.Add(1)
	return nil
}

// states returns where the locks on f are, or nil if nobody can have one.
func (f *File) states() *stateTable {
	if v := f.Path.Dentry.world(); v != nil {
		return &v.states
	}
	return nil
}

func (f *File) dropFlock() {
	states := f.states()
	if states == nil {
		return
	}
	states.mu.Lock()
	defer states.mu.Unlock()
	s := states.of[f.Ino]
	if s == nil {
		return
	}
	n := len(s.flocks)
	s.flocks = slices.DeleteFunc(s.flocks, func(l *flockEntry) bool { return l.owner == f })
	if d := len(s.flocks) - n; d != 0 {
		states.locks.Add(int32(d))
		s.waiters.Notify(waiter.In)
	}
	states.tidy(f.Ino, s)
}

// releaseLocks drops what the description itself owns.
func (f *File) releaseLocks() {
	if !f.mayLock.Load() {
		return
	}
	if states := f.states(); states != nil && states.locks.Load() != 0 {
		f.dropFlock()
		states.dropRanges(f.Ino, &rangeLock{file: f})
	}
}

// dropPosix drops the locks that a table has on f's inode: any close does that
// (locks_remove_posix).
func dropPosix(f *File, t *FDTable) {
	if states := f.states(); states != nil && states.locks.Load() != 0 {
		states.dropRanges(f.Ino, &rangeLock{table: t})
	}
}

func (states *stateTable) dropRanges(ino Inode, of *rangeLock) {
	states.mu.Lock()
	defer states.mu.Unlock()
	s := states.of[ino]
	if s == nil {
		return
	}
	n := len(s.posix)
	s.posix = slices.DeleteFunc(s.posix, of.sameOwner)
	if d := len(s.posix) - n; d != 0 {
		states.locks.Add(int32(d))
		s.wake(of.table)
	}
	states.tidy(ino, s)
}

// lockRange works out the range of l (flock64_to_posix_lock).
func (f *File) lockRange(l *RecordLock) (start, end int64, err error) {
	switch l.Whence {
	case linux.SEEK_SET:
	case linux.SEEK_CUR:
		start = f.Pos()
	case linux.SEEK_END:
		a, err := f.Ino.Attr()
		if err != nil {
			return 0, 0, err
		}
		start = a.Size
	default:
		return 0, 0, linux.EINVAL
	}
	if l.Start > math.MaxInt64-start {
		return 0, 0, linux.EOVERFLOW
	}
	start += l.Start
	if start < 0 {
		return 0, 0, linux.EINVAL
	}
	switch {
	case l.Len > 0:
		if l.Len-1 > math.MaxInt64-start {
			return 0, 0, linux.EOVERFLOW
		}
		end = start + l.Len - 1
	case l.Len < 0:
		if start+l.Len < 0 {
			return 0, 0, linux.EINVAL
		}
		end = start - 1
		start += l.Len
	default:
		end = math.MaxInt64
	}
	return start, end, nil
}

func (f *File) rangeLock(c *Context, l *RecordLock, ofd bool) (*rangeLock, error) {
	start, end, err := f.lockRange(l)
	if err != nil {
		return nil, err
	}
	r := &rangeLock{start: start, end: end, write: l.Type == linux.F_WRLCK}
	if ofd {
		r.file, r.pid = f, -1
	} else {
		r.table, r.pid = c.FDs, c.callerPID()
	}
	return r, nil
}

// SetLock implements fcntl(F_SETLK) and its kin: the lock is the caller's or,
// if ofd, the description's. l.PID is not looked at.
func (f *File) SetLock(c *Context, l *RecordLock, ofd, wait bool) error {
	r, err := f.rangeLock(c, l, ofd)
	if err != nil {
		return err
	}
	states := f.states()
	if states == nil {
		return linux.ENOLCK
	}
	switch l.Type {
	case linux.F_RDLCK:
		if !f.Readable() {
			return linux.EBADF
		}
	case linux.F_WRLCK:
		if !f.Writable() {
			return linux.EBADF
		}
	case linux.F_UNLCK:
		states.mu.Lock()
		defer states.mu.Unlock()
		if s := states.of[f.Ino]; s != nil {
			s.replace(r, false)
			s.wake(r.table)
			states.tidy(f.Ino, s)
		}
		return nil
	default:
		return linux.EINVAL
	}
	if ofd {
		f.mayLock.Store(true)
	}
	try := func(s *inodeState) error { return s.lock(r, wait) }
	states.mu.Lock()
	s := states.state(f.Ino)
	err = try(s)
	states.tidy(f.Ino, s)
	states.mu.Unlock()
	if err == linux.EAGAIN && wait {
		err = c.block(states, f.Ino, r, try)
	}
	if wait && !ofd {
		states.mu.Lock()
		delete(states.waiting, c.FDs)
		states.mu.Unlock()
	}
	return err
}

// lock takes r: linux.EAGAIN if somebody else has it.
func (s *inodeState) lock(r *rangeLock, wait bool) error {
	for _, o := range s.posix {
		if !r.conflicts(o) {
			continue
		}
		if wait && r.table != nil && o.table != nil {
			waiting := s.table.waiting
			if waiting == nil {
				waiting = make(map[*FDTable]lockEdge)
				s.table.waiting = waiting
			}
			// Whoever waits for somebody who waits for us waits forever.
			for t, n := o.table, 0; t != nil && n < 64; t, n = waiting[t].on, n+1 {
				if t == r.table {
					return linux.EDEADLK
				}
			}
			waiting[r.table] = lockEdge{o.table, s}
		}
		return linux.EAGAIN
	}
	if r.table != nil {
		delete(s.table.waiting, r.table)
	}
	if s.replace(r, true) {
		s.wake(r.table)
	}
	return nil
}

// replace takes r's range away from the other locks of its owner and, if add,
// gives it to r, merged with what it touches. It reports whether the owner
// gave anything up.
func (s *inodeState) replace(r *rangeLock, add bool) (less bool) {
	before := len(s.posix)
	n := *r
	kept := make([]*rangeLock, 0, before+2)
	for _, o := range s.posix {
		if !o.sameOwner(r) {
			kept = append(kept, o)
			continue
		}
		if add && o.write == r.write && o.start <= satAdd(n.end) && n.start <= satAdd(o.end) {
			n.start, n.end = min(n.start, o.start), max(n.end, o.end)
			continue
		}
		if o.end < r.start || o.start > r.end {
			kept = append(kept, o)
			continue
		}
		less = true
		if o.start < r.start {
			left := *o
			left.end = r.start - 1
			kept = append(kept, &left)
		}
		if o.end > r.end {
			right := *o
			right.start = r.end + 1
			kept = append(kept, &right)
		}
	}
	if add {
		kept = append(kept, &n)
	}
	sort.SliceStable(kept, func(i, j int) bool { return kept[i].start < kept[j].start })
	s.posix = kept
	s.table.locks.Add(int32(len(kept) - before))
	return less
}

func satAdd(n int64) int64 {
	if n == math.MaxInt64 {
		return n
	}
	return n + 1
}

// GetLock implements fcntl(F_GETLK): l becomes the lock that is in its way, or
// of Type linux.F_UNLCK.
func (f *File) GetLock(c *Context, l *RecordLock, ofd bool) error {
	if l.Type != linux.F_RDLCK && l.Type != linux.F_WRLCK {
		return linux.EINVAL
	}
	r, err := f.rangeLock(c, l, ofd)
	if err != nil {
		return err
	}
	states := f.states()
	if states == nil {
		return linux.ENOLCK
	}
	states.mu.Lock()
	defer states.mu.Unlock()
	if s := states.of[f.Ino]; s != nil {
		for _, o := range s.posix {
			if !r.conflicts(o) {
				continue
			}
			*l = RecordLock{Type: linux.F_RDLCK, Whence: linux.SEEK_SET, Start: o.start, PID: o.pid}
			if o.write {
				l.Type = linux.F_WRLCK
			}
			if o.end != math.MaxInt64 {
				l.Len = o.end - o.start + 1
			}
			return nil
		}
	}
	l.Type = linux.F_UNLCK
	return nil
}

// kind is the name in /proc/locks.
func (l *rangeLock) kind() string {
	switch {
	case l.flock:
		return "FLOCK  "
	case l.file != nil:
		return "OFDLCK "
	}
	return "POSIX  "
}

// LocksText returns the content of /proc/locks.
func (v *VFS) LocksText() []byte {
	states := &v.states
	type entry struct {
		ino   Inode
		lock  rangeLock
		waits bool
	}
	var entries []entry
	states.mu.Lock()
	for ino, s := range states.of {
		for _, l := range s.posix {
			entries = append(entries, entry{ino, *l, false})
		}
		for _, l := range s.flocks {
			entries = append(entries, entry{ino, rangeLock{pid: l.pid, write: l.exclusive, end: math.MaxInt64, flock: true}, false})
		}
		for _, l := range s.blocked {
			entries = append(entries, entry{ino, *l, true})
		}
	}
	states.mu.Unlock()
	var b []byte
	n := int64(0)
	for _, e := range entries { // no file system is asked with its mu held
		ino, l, waits := e.ino, &e.lock, e.waits
		if !waits {
			n++
		}
		b = strconv.AppendInt(b, n, 10)
		b = append(b, ": "...)
		if waits {
			b = append(b, "-> "...)
		}
		b = append(b, l.kind()...)
		if l.write {
			b = append(b, "ADVISORY  WRITE "...)
		} else {
			b = append(b, "ADVISORY  READ "...)
		}
		b = strconv.AppendInt(b, int64(l.pid), 10)
		a, _ := ino.Attr() // a file that has vanished has number 0
		b = append(b, " 00:"...)
		if a.DevMinor < 16 {
			b = append(b, '0')
		}
		b = strconv.AppendUint(b, uint64(a.DevMinor), 16)
		b = append(b, ':')
		b = strconv.AppendUint(b, a.Ino, 10)
		b = append(b, ' ')
		b = strconv.AppendInt(b, l.start, 10)
		b = append(b, ' ')
		if l.end == math.MaxInt64 {
			b = append(b, "EOF\n"...)
		} else {
			b = append(strconv.AppendInt(b, l.end, 10), '\n')
		}
	}
	return b
}
