package vfs

import (
	"encoding/binary"
	"sync"

	"sentinel/internal/abi/linux"
	"sentinel/internal/waiter"
)

// Limits of /proc/sys/fs/inotify.
const (
	maxQueuedEvents  = 16384
	maxUserInstances = 128
	maxUserWatches   = 65536
)

// inotifyUser counts what a user has; stateTable.mu guards it.
type inotifyUser struct {
	uid                uint32
	instances, watches int
}

const (
	inotifyHeader = 16 // sizeof(struct inotify_event)
	allEvents     = linux.IN_ALL_EVENTS
	inOverflow    = linux.IN_Q_OVERFLOW
	addable       = allEvents | linux.IN_ONLYDIR | linux.IN_DONT_FOLLOW | linux.IN_EXCL_UNLINK |
		linux.IN_MASK_ADD | linux.IN_MASK_CREATE | linux.IN_ONESHOT | linux.IN_ISDIR | linux.IN_UNMOUNT | linux.IN_IGNORED | inOverflow
)

// watch is one watch of an inotify instance.
type watch struct {
	in  *inotify
	wd  int32
	ino Inode

	mask    uint32 // guarded by in.mu
	removed bool
}

func (w *watch) exclUnlink() bool {
	w.in.mu.Lock()
	defer w.in.mu.Unlock()
	return w.mask&linux.IN_EXCL_UNLINK != 0
}

type inotifyEvent struct {
	wd     int32
	mask   uint32
	cookie uint32
	name   string
}

func (e *inotifyEvent) size() int {
	if e.name == "" {
		return inotifyHeader
	}
	return inotifyHeader + (len(e.name)+1+inotifyHeader-1)&^(inotifyHeader-1)
}

// inotify is the operations of an inotify(7) instance.
type inotify struct {
	NoFile
	queue  waiter.Queue
	states *stateTable
	user   *inotifyUser

	mu     sync.Mutex
	events []inotifyEvent
	bytes  int
	byWD   map[int32]*watch
	byIno  map[Inode]*watch
	lastWD int32
}

// NewInotify makes an inotify instance. flags are linux.IN_NONBLOCK or none.
func (v *VFS) NewInotify(c *Context, flags uint32) (*File, error) {
	states := &v.states
	uid := uint32(0)
	if c.Cred != nil {
		uid = c.Cred.UID
	}
	states.mu.Lock()
	u := states.users[uid]
	if u == nil {
		if states.users == nil {
			states.users = make(map[uint32]*inotifyUser)
		}
		u = &inotifyUser{uid: uid}
		states.users[uid] = u
	}
	if u.instances >= maxUserInstances {
		states.mu.Unlock()
		return nil, linux.EMFILE
	}
	u.instances++
	states.mu.Unlock()
	in := &inotify{states: states, user: u, byWD: make(map[int32]*watch), byIno: make(map[Inode]*watch)}
	return NewAnonFile(in, "anon_inode:inotify", linux.O_RDONLY|flags&linux.O_NONBLOCK), nil
}

// InotifyAdd watches what p leads to, or changes the watch that there is, and
// returns its number. The caller has walked to p by IN_DONT_FOLLOW.
func InotifyAdd(c *Context, f *File, p Path, mask uint32) (int32, error) {
	in, ok := f.Ops.(*inotify)
	if !ok || mask&addable == 0 || mask&^addable != 0 ||
		mask&(linux.IN_MASK_ADD|linux.IN_MASK_CREATE) == linux.IN_MASK_ADD|linux.IN_MASK_CREATE {
		return 0, linux.EINVAL
	}
	if mask&linux.IN_ONLYDIR != 0 && !p.Dentry.isDir() {
		return 0, linux.ENOTDIR
	}
	if err := c.may(p, mayRead); err != nil {
		return 0, err
	}
	ino := p.Dentry.ino
	keep := mask & (allEvents | linux.IN_ONESHOT | linux.IN_EXCL_UNLINK)
	in.mu.Lock()
	defer in.mu.Unlock()
	if w := in.byIno[ino]; w != nil {
		switch {
		case mask&linux.IN_MASK_CREATE != 0:
			return 0, linux.EEXIST
		case mask&linux.IN_MASK_ADD != 0:
			w.mask |= keep
		default:
			w.mask = keep
		}
		return w.wd, nil
	}
	states := in.states
	states.mu.Lock()
	full := in.user.watches >= maxUserWatches
	if !full {
		in.user.watches++
	}
	states.mu.Unlock()
	if full {
		return 0, linux.ENOSPC
	}
	for {
		in.lastWD = max(in.lastWD+1, 1)
		if in.byWD[in.lastWD] == nil {
			break
		}
	}
	w := &watch{in: in, wd: in.lastWD, ino: ino, mask: keep}
	in.byWD[w.wd], in.byIno[ino] = w, w
	states.mu.Lock()
	s := states.state(ino)
	s.watches = append(s.watches[:len(s.watches):len(s.watches)], w)
	states.watches.Add(1)
	states.mu.Unlock()
	return w.wd, nil
}

// InotifyRemove ends a watch.
func InotifyRemove(f *File, wd int32) error {
	in, ok := f.Ops.(*inotify)
	if !ok {
		return linux.EINVAL
	}
	in.mu.Lock()
	w := in.byWD[wd]
	in.mu.Unlock()
	if w == nil {
		return linux.EINVAL
	}
	in.remove(w)
	return nil
}

// remove ends w and tells of it by IN_IGNORED.
func (in *inotify) remove(w *watch) {
	in.mu.Lock()
	gone := in.removeLocked(w)
	in.mu.Unlock()
	if gone {
		in.queue.Notify(waiter.Readable)
	}
}

func (in *inotify) removeLocked(w *watch) bool {
	if w.removed {
		return false
	}
	w.removed = true
	delete(in.byWD, w.wd)
	delete(in.byIno, w.ino)
	w.detach()
	in.push(inotifyEvent{wd: w.wd, mask: linux.IN_IGNORED})
	return true
}

// queueEvent adds an event of w, if w asks for it.
func (in *inotify) queueEvent(w *watch, mask, cookie uint32, name string) {
	in.mu.Lock()
	if w.removed || mask&^linux.IN_ISDIR&(w.mask|linux.IN_UNMOUNT) == 0 {
		in.mu.Unlock()
		return
	}
	in.push(inotifyEvent{w.wd, mask, cookie, name})
	if w.mask&linux.IN_ONESHOT != 0 {
		in.removeLocked(w)
	}
	in.mu.Unlock()
	in.queue.Notify(waiter.Readable)
}

// push appends e, unless it is what came last (inotify_merge). mu is held.
func (in *inotify) push(e inotifyEvent) {
	if n := len(in.events); n > 0 {
		last := &in.events[n-1]
		if last.wd == e.wd && last.mask == e.mask && last.name == e.name && e.mask&linux.IN_IGNORED == 0 {
			return
		}
		if n >= maxQueuedEvents {
			if last.mask == inOverflow {
				return
			}
			e = inotifyEvent{wd: -1, mask: inOverflow}
		}
	}
	in.events = append(in.events, e)
	in.bytes += e.size()
}

// Read implements FileOps.
func (in *inotify) Read(_ *Context, _ *File, dst []byte, _ int64) (int, error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if len(in.events) == 0 {
		return 0, linux.EAGAIN
	}
	n, done := 0, 0
	for i := range in.events {
		e := &in.events[i]
		size := e.size()
		if size > len(dst)-n {
			break
		}
		b := dst[n : n+size]
		binary.NativeEndian.PutUint32(b, uint32(e.wd))
		binary.NativeEndian.PutUint32(b[4:], e.mask)
		binary.NativeEndian.PutUint32(b[8:], e.cookie)
		binary.NativeEndian.PutUint32(b[12:], uint32(size-inotifyHeader))
		clear(b[inotifyHeader+copy(b[inotifyHeader:], e.name):])
		n += size
		done++
	}
	if done == 0 {
		return 0, linux.EINVAL
	}
	in.bytes -= n
	if in.events = in.events[done:]; len(in.events) == 0 {
		in.events = nil
	}
	return n, nil
}

// Write implements FileOps. An instance is open for reading only.
func (*inotify) Write(*Context, *File, []byte, int64) (int, error) { return 0, linux.EBADF }

// Ioctl implements FileOps.
func (in *inotify) Ioctl(c *Context, _ *File, cmd uint32, arg uint64) (uint64, error) {
	if cmd != linux.FIONREAD {
		return 0, linux.ENOTTY
	}
	in.mu.Lock()
	n := in.bytes
	in.mu.Unlock()
	var b [4]byte
	binary.NativeEndian.PutUint32(b[:], uint32(n))
	_, err := c.Mem.CopyOut(arg, b[:])
	return 0, err
}

// Release implements FileOps.
func (in *inotify) Release(*File) {
	in.mu.Lock()
	defer in.mu.Unlock()
	for _, w := range in.byWD {
		w.removed = true
		w.detach()
	}
	in.byWD, in.byIno, in.events = nil, nil, nil
	states := in.states
	states.mu.Lock()
	defer states.mu.Unlock()
	if in.user.instances--; in.user.instances == 0 {
		delete(states.users, in.user.uid)
	}
}

// Readiness implements waiter.Waitable.
func (in *inotify) Readiness(mask waiter.Mask) waiter.Mask {
	in.mu.Lock()
	defer in.mu.Unlock()
	if len(in.events) > 0 {
		return mask & waiter.Readable
	}
	return 0
}

// EventRegister implements waiter.Waitable.
func (in *inotify) EventRegister(e *waiter.Entry, mask waiter.Mask) { in.queue.Register(e, mask) }

// EventUnregister implements waiter.Waitable.
func (in *inotify) EventUnregister(e *waiter.Entry) { in.queue.Unregister(e) }
