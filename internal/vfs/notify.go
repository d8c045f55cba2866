package vfs

import (
	"slices"
	"sync"
	"sync/atomic"

	"sentinel/internal/abi/linux"
	"sentinel/internal/waiter"
)

// inodeState is what the VFS keeps of an inode that is watched or locked; most
// never are.
type inodeState struct {
	table   *stateTable
	watches []*watch // replaced, never changed in place
	flocks  []*flockEntry
	posix   []*rangeLock // by owner, then start
	blocked []*rangeLock // what somebody waits for
	waiters waiter.Queue
}

func (s *inodeState) empty() bool {
	return len(s.watches) == 0 && len(s.flocks) == 0 && len(s.posix) == 0 && len(s.blocked) == 0
}

// stateTable has the inodeStates of a VFS. An Inode is a key by identity,
// which file systems keep while something refers to it.
type stateTable struct {
	watches atomic.Int32 // how many there are, so that nobody else pays
	locks   atomic.Int32
	cookie  atomic.Uint32

	mu sync.Mutex
	of map[Inode]*inodeState
	// waiting tells for POSIX owners that wait on which other one they do, and
	// for which inode's locks, to find deadlocks.
	waiting map[*FDTable]lockEdge

	users map[uint32]*inotifyUser // who has inotify instances
}

// state returns the state of ino, made if there is none. mu is held.
func (t *stateTable) state(ino Inode) *inodeState {
	s := t.of[ino]
	if s == nil {
		if t.of == nil {
			t.of = make(map[Inode]*inodeState)
		}
		s = &inodeState{table: t}
		t.of[ino] = s
	}
	return s
}

// tidy forgets the state of ino if nothing is left in it. mu is held.
func (t *stateTable) tidy(ino Inode, s *inodeState) {
	if s.empty() {
		delete(t.of, ino)
	}
}

// watched reports whether anything is watched.
func (v *VFS) watched() bool { return v != nil && v.states.watches.Load() != 0 }

func (v *VFS) watchesOf(ino Inode) []*watch {
	v.states.mu.Lock()
	defer v.states.mu.Unlock()
	if s := v.states.of[ino]; s != nil {
		return s.watches
	}
	return nil
}

// send tells the watches on d alone of events.
func send(d *Dentry, events, cookie uint32, name string) {
	v := d.world()
	if !v.watched() {
		return
	}
	for _, w := range v.watchesOf(d.ino) {
		w.in.queueEvent(w, events, cookie, name)
	}
}

// notify tells the watches on d, and those on its directory, of events.
func notify(d *Dentry, events uint32) {
	v := d.world()
	if !v.watched() || events == 0 {
		return
	}
	if d.typ == linux.S_IFDIR {
		events |= linux.IN_ISDIR
	}
	if at := d.at.Load(); at.parent != nil {
		for _, w := range v.watchesOf(at.parent.ino) {
			if !d.dead.Load() || !w.exclUnlink() {
				w.in.queueEvent(w, events, 0, at.name)
			}
		}
	}
	send(d, events, 0, "")
}

// notifyDir tells the watches on the directory d of what happened to a name.
func notifyDir(d, child *Dentry, events uint32, name string, cookie uint32) {
	if !d.world().watched() {
		return
	}
	if child.typ == linux.S_IFDIR {
		events |= linux.IN_ISDIR
	}
	send(d, events, cookie, name)
}

// notifyMove is fsnotify_move.
func notifyMove(from, to, child, replaced *Dentry, oldName, newName string) {
	v := child.world()
	if !v.watched() {
		return
	}
	cookie := v.states.cookie.Add(1)
	notifyDir(from, child, linux.IN_MOVED_FROM, oldName, cookie)
	notifyDir(to, child, linux.IN_MOVED_TO, newName, cookie)
	if replaced != nil {
		events := uint32(linux.IN_ATTRIB)
		if replaced.isDir() {
			events |= linux.IN_ISDIR
		}
		send(replaced, events, 0, "")
	}
	send(child, linux.IN_MOVE_SELF, 0, "")
	if replaced != nil {
		notifyUnused(replaced)
	}
}

// notifyUnused is notifyGone for what was just removed, unless it is open.
func notifyUnused(d *Dentry) {
	if d.opens.Load() == 0 {
		notifyGone(d)
	}
}

// notifyGone tells the watches on d, which nothing refers to any more, and
// ends them.
func notifyGone(d *Dentry) {
	v := d.world()
	if !v.watched() {
		return
	}
	watches := v.watchesOf(d.ino)
	if len(watches) == 0 {
		return
	}
	if a, err := d.ino.Attr(); err == nil && a.Nlink > 0 && !d.isDir() {
		return // has another name
	}
	for _, w := range watches {
		w.in.queueEvent(w, linux.IN_DELETE_SELF, 0, "")
		w.in.remove(w)
	}
}

// notifyUnmount ends the watches on the inodes of a file system that no mount
// shows any more.
func (v *VFS) notifyUnmount(m *Mount) {
	if !v.watched() {
		return
	}
	for _, o := range v.Mounts() {
		if o.fs == m.fs {
			return
		}
	}
	var lost []*watch
	v.states.mu.Lock()
	for ino, s := range v.states.of {
		if len(s.watches) > 0 && ino.FileSystem() == m.fs {
			lost = append(lost, s.watches...)
		}
	}
	v.states.mu.Unlock()
	for _, w := range lost {
		w.in.queueEvent(w, linux.IN_UNMOUNT, 0, "")
		w.in.remove(w)
	}
}

// notifyClose is fsnotify_close.
func (f *File) notifyClose() {
	if !f.Path.Dentry.world().watched() || f.Flags()&linux.O_PATH != 0 {
		return
	}
	if f.Writable() {
		notify(f.Path.Dentry, linux.IN_CLOSE_WRITE)
	} else {
		notify(f.Path.Dentry, linux.IN_CLOSE_NOWRITE)
	}
}

// detach takes w off its inode.
func (w *watch) detach() {
	t := w.in.states
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.of[w.ino]
	if s == nil {
		return
	}
	if i := slices.Index(s.watches, w); i >= 0 {
		s.watches = slices.Delete(slices.Clone(s.watches), i, i+1)
		t.watches.Add(-1)
		w.in.user.watches--
		t.tidy(w.ino, s)
	}
}
