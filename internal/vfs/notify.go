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
	watches []*watch // replaced, never changed in place
	flocks  []*flockEntry
	posix   []*rangeLock // by owner, then start
	blocked []*rangeLock // what somebody waits for
	waiters waiter.Queue
}

func (s *inodeState) empty() bool {
	return len(s.watches) == 0 && len(s.flocks) == 0 && len(s.posix) == 0 && len(s.blocked) == 0
}

// states is the table of inodeStates. An Inode is a key by identity, which
// file systems keep while something refers to it.
var states struct {
	watches atomic.Int32 // how many there are, so that nobody else pays
	locks   atomic.Int32
	cookie  atomic.Uint32

	mu sync.Mutex
	of map[Inode]*inodeState

	users map[uint32]*inotifyUser // who has inotify instances
}

// stateOf returns the state of ino, made if create. states.mu is held.
func stateOf(ino Inode, create bool) *inodeState {
	s := states.of[ino]
	if s == nil && create {
		if states.of == nil {
			states.of = make(map[Inode]*inodeState)
		}
		s = &inodeState{}
		states.of[ino] = s
	}
	return s
}

// tidyState forgets the state of ino if nothing is left in it. states.mu is
// held.
func tidyState(ino Inode, s *inodeState) {
	if s.empty() {
		delete(states.of, ino)
	}
}

func watchesOf(ino Inode) []*watch {
	states.mu.Lock()
	defer states.mu.Unlock()
	if s := states.of[ino]; s != nil {
		return s.watches
	}
	return nil
}

// send tells the watches on ino of events.
func send(ino Inode, events, cookie uint32, name string) {
	if states.watches.Load() == 0 {
		return
	}
	for _, w := range watchesOf(ino) {
		w.in.queueEvent(w, events, cookie, name)
	}
}

// notify tells the watches on d, and those on its directory, of events.
func notify(d *Dentry, events uint32) {
	if states.watches.Load() == 0 || events == 0 {
		return
	}
	if d.typ == linux.S_IFDIR {
		events |= linux.IN_ISDIR
	}
	if at := d.at.Load(); at.parent != nil {
		for _, w := range watchesOf(at.parent.ino) {
			if !d.dead.Load() || !w.exclUnlink() {
				w.in.queueEvent(w, events, 0, at.name)
			}
		}
	}
	send(d.ino, events, 0, "")
}

// notifyDir tells the watches on the directory d of what happened to a name.
func notifyDir(d, child *Dentry, events uint32, name string, cookie uint32) {
	if states.watches.Load() == 0 {
		return
	}
	if child.typ == linux.S_IFDIR {
		events |= linux.IN_ISDIR
	}
	send(d.ino, events, cookie, name)
}

// notifyMove is fsnotify_move.
func notifyMove(from, to, child, replaced *Dentry, oldName, newName string) {
	if states.watches.Load() == 0 {
		return
	}
	cookie := states.cookie.Add(1)
	notifyDir(from, child, linux.IN_MOVED_FROM, oldName, cookie)
	notifyDir(to, child, linux.IN_MOVED_TO, newName, cookie)
	if replaced != nil {
		events := uint32(linux.IN_ATTRIB)
		if replaced.isDir() {
			events |= linux.IN_ISDIR
		}
		send(replaced.ino, events, 0, "")
	}
	send(child.ino, linux.IN_MOVE_SELF, 0, "")
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
	if states.watches.Load() == 0 {
		return
	}
	watches := watchesOf(d.ino)
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
	if states.watches.Load() == 0 {
		return
	}
	for _, o := range v.Mounts() {
		if o.fs == m.fs {
			return
		}
	}
	var lost []*watch
	states.mu.Lock()
	for ino, s := range states.of {
		if len(s.watches) > 0 && ino.FileSystem() == m.fs {
			lost = append(lost, s.watches...)
		}
	}
	states.mu.Unlock()
	for _, w := range lost {
		w.in.queueEvent(w, linux.IN_UNMOUNT, 0, "")
		w.in.remove(w)
	}
}

// notifyClose is fsnotify_close.
func (f *File) notifyClose() {
	if states.watches.Load() == 0 || f.Flags()&linux.O_PATH != 0 {
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
	states.mu.Lock()
	defer states.mu.Unlock()
	s := states.of[w.ino]
	if s == nil {
		return
	}
	if i := slices.Index(s.watches, w); i >= 0 {
		s.watches = slices.Delete(slices.Clone(s.watches), i, i+1)
		states.watches.Add(-1)
		w.in.user.watches--
		tidyState(w.ino, s)
	}
}
