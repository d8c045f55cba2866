package vfs_test

import (
	"strings"
	"sync"
	"testing"

	"sentinel/internal/abi/linux"
	"sentinel/internal/vfs"
	"sentinel/internal/vfs/vfstest"
	"sentinel/internal/waiter"
)

func TestFDTable(t *testing.T) {
	e := env(t)
	limit := uint64(70)
	fds := vfs.NewFDTable(nil, func() uint64 { return limit })
	f := e.Open("/", linux.O_RDONLY, 0)
	for i := range 70 {
		f.IncRef()
		if fd, err := fds.Install(f, i%2 == 1); fd != int32(i) || err != nil {
			t.Fatal(fd, err)
		}
	}
	f.IncRef()
	_, err := fds.Install(f, false)
	e.Want(err, linux.EMFILE)
	f.IncRef()
	_, err = fds.InstallFrom(70, f, false)
	e.Want(err, linux.EINVAL)
	f.IncRef()
	e.Want(fds.InstallAt(70, f, false), linux.EBADF)
	e.OK(fds.Close(e.C, 5))
	e.Want(fds.Close(e.C, 5), linux.EBADF)
	e.OK(fds.Close(e.C, 3))
	_, err = fds.Get(3)
	e.Want(err, linux.EBADF)
	for _, want := range []int32{3, 5} {
		f.IncRef()
		if fd, err := fds.Install(f, false); fd != want || err != nil {
			t.Fatal(fd, err)
		}
	}
	f.IncRef()
	e.OK(fds.InstallAt(66, f, false))
	child := fds.Fork()
	fds.CloseOnExec(e.C)
	if on, err := fds.Cloexec(3); on || err != nil {
		t.Fatal(on, err)
	}
	n := 0
	fds.Each(func(fd int32, _ *vfs.File, cloexec bool) {
		if n++; cloexec || fd%2 == 1 && fd != 3 && fd != 5 {
			t.Errorf("%d left", fd)
		}
	})
	if n != 37 {
		t.Fatalf("%d left", n)
	}
	fds.CloseRange(e.C, 10, ^uint32(0))
	if _, err := fds.Get(66); err != linux.EBADF {
		t.Fatal(err)
	}
	limit = 4
	f.IncRef()
	_, err = fds.Install(f, false)
	if err != nil {
		t.Fatal(err) // 1 is free
	}
	fds.Release(e.C)
	child.Release(e.C)
	if f.Refs() != 1 {
		t.Fatalf("%d references", f.Refs())
	}
	path := e.Open("/", linux.O_PATH, 0)
	fd, err := e.C.FDs.Install(path, false)
	e.OK(err)
	_, err = e.C.FDs.Get(fd)
	e.Want(err, linux.EBADF)
	if at, err := e.C.At(fd, "x"); err != nil || at != path.Path {
		t.Fatal(err)
	}
}

func TestFDTableRace(t *testing.T) {
	e := env(t)
	fds := vfs.NewFDTable(nil, func() uint64 { return 1 << 20 })
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := range 300 {
				f := vfs.NewAnonFile(vfs.NoFile{}, "anon_inode:[test]", 0)
				fd, err := fds.InstallFrom(int32(i), f, false)
				if err != nil {
					t.Error(err)
					return
				}
				if g, err := fds.Get(fd); err == nil {
					g.DecRef()
				}
				if err := fds.Close(e.C, fd); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

// caller is a task that sleeps on a channel.
type caller struct {
	pid  int32
	stop chan struct{} // a signal
}

func (c *caller) TID() int32            { return c.pid }
func (c *caller) PID() int32            { return c.pid }
func (c *caller) FileSizeLimit() uint64 { return ^uint64(0) }
func (c *caller) SendSignal(int)        {}
func (c *caller) Block(w waiter.Waitable, mask waiter.Mask, ready func() bool) error {
	ch := make(chan struct{}, 1)
	entry := waiter.NewChannelEntry(ch)
	w.EventRegister(entry, mask)
	defer w.EventUnregister(entry)
	for !ready() {
		select {
		case <-ch:
		case <-c.stop:
			return linux.ERESTARTSYS
		}
	}
	return nil
}

// process returns a task with a table of its own.
func process(e *vfstest.Env, pid int32) *vfs.Context {
	c := *e.C
	c.FDs = vfs.NewFDTable(e.VFS, nil)
	c.Caller = &caller{pid, make(chan struct{}, 1)}
	return &c
}

func TestFlock(t *testing.T) {
	e := env(t)
	e.Write("/f", "")
	f, g := e.Open("/f", 0, 0), e.Open("/f", 0, 0)
	c, d := process(e, 1), process(e, 2)
	e.Want(f.Flock(c, 99), linux.EINVAL)
	e.OK(f.Flock(c, linux.LOCK_SH))
	e.OK(g.Flock(d, linux.LOCK_SH))
	e.Want(g.Flock(d, linux.LOCK_EX|linux.LOCK_NB), linux.EAGAIN)
	e.OK(f.Flock(c, linux.LOCK_UN))
	e.OK(g.Flock(d, linux.LOCK_EX|linux.LOCK_NB))
	done := make(chan error)
	go func() { done <- f.Flock(c, linux.LOCK_EX) }()
	g.DecRef() // the last reference drops the lock
	e.OK(<-done)
	g = e.Open("/f", 0, 0)
	go func() { done <- g.Flock(d, linux.LOCK_SH) }()
	d.Caller.(*caller).stop <- struct{}{}
	e.Want(<-done, linux.ERESTARTSYS)
	if s := string(e.VFS.LocksText()); !strings.Contains(s, "FLOCK  ADVISORY  WRITE 1 00:14:") || !strings.HasSuffix(s, " 0 EOF\n") {
		t.Fatal(s)
	}
	g.DecRef()
	f.DecRef()
	if s := e.VFS.LocksText(); len(s) != 0 {
		t.Fatalf("%s", s)
	}
}

func TestRecordLocks(t *testing.T) {
	e := env(t)
	e.Write("/f", "0123456789")
	f := e.Open("/f", linux.O_RDWR, 0)
	c, d := process(e, 1), process(e, 2)
	set := func(c *vfs.Context, typ int16, start, n int64) error {
		return f.SetLock(c, &vfs.RecordLock{Type: typ, Start: start, Len: n}, false, false)
	}
	get := func(c *vfs.Context, start, n int64) vfs.RecordLock {
		l := vfs.RecordLock{Type: linux.F_WRLCK, Start: start, Len: n}
		e.OK(f.GetLock(c, &l, false))
		return l
	}
	e.OK(set(c, linux.F_WRLCK, 0, 10))
	e.OK(set(c, linux.F_RDLCK, 3, 4))
	e.OK(set(c, linux.F_UNLCK, 5, 1))
	for _, w := range []struct {
		at  int64
		typ int16
		n   int64
	}{{0, linux.F_WRLCK, 3}, {3, linux.F_RDLCK, 2}, {6, linux.F_RDLCK, 1}, {7, linux.F_WRLCK, 3}} {
		if l := get(d, w.at, 1); l != (vfs.RecordLock{Type: w.typ, Start: w.at, Len: w.n, PID: 1}) {
			t.Errorf("%+v", l)
		}
	}
	if l := get(d, 5, 1); l.Type != linux.F_UNLCK {
		t.Errorf("%+v", l)
	}
	e.Want(set(d, linux.F_RDLCK, 0, 0), linux.EAGAIN)
	e.OK(set(d, linux.F_RDLCK, 3, 2))
	e.Want(set(c, linux.F_WRLCK, 0, 0), linux.EAGAIN)
	e.Want(set(c, linux.F_WRLCK, -1, 1), linux.EINVAL)
	e.Want(set(c, linux.F_WRLCK, 2, 1<<63-1), linux.EOVERFLOW)
	e.OK(set(c, linux.F_UNLCK, 0, 0))
	e.OK(set(d, linux.F_UNLCK, 0, 0))

	// Each waits for the other.
	e.OK(set(c, linux.F_WRLCK, 0, 1))
	e.OK(set(d, linux.F_WRLCK, 1, 1))
	done := make(chan error)
	go func() {
		done <- f.SetLock(c, &vfs.RecordLock{Type: linux.F_WRLCK, Start: 1, Len: 1}, false, true)
	}()
	for {
		err := f.SetLock(d, &vfs.RecordLock{Type: linux.F_WRLCK, Start: 0, Len: 1}, false, false)
		e.Want(err, linux.EAGAIN)
		if strings.Contains(string(e.VFS.LocksText()), "->") {
			break
		}
	}
	e.Want(f.SetLock(d, &vfs.RecordLock{Type: linux.F_WRLCK, Start: 0, Len: 1}, false, true), linux.EDEADLK)
	// Any close by the owner drops its locks.
	g := e.Open("/f", linux.O_RDONLY, 0)
	fd, err := d.FDs.Install(g, false)
	e.OK(err)
	e.OK(d.FDs.Close(d, fd))
	e.OK(<-done)

	// Those of a description belong to it.
	h := e.Open("/f", linux.O_RDWR, 0)
	l := vfs.RecordLock{Type: linux.F_WRLCK}
	e.Want(h.SetLock(c, &l, true, false), linux.EAGAIN)
	e.OK(set(c, linux.F_UNLCK, 0, 0))
	e.OK(h.SetLock(c, &l, true, false))
	e.Want(set(c, linux.F_RDLCK, 0, 1), linux.EAGAIN)
	if l := get(c, 0, 1); l.PID != -1 || l.Len != 0 {
		t.Errorf("%+v", l)
	}
	h.DecRef()
	e.OK(set(c, linux.F_RDLCK, 0, 1))
	r := e.Open("/f", linux.O_RDONLY, 0)
	e.Want(r.SetLock(c, &l, false, false), linux.EBADF)
	e.OK(set(c, linux.F_UNLCK, 0, 0))
	if s := e.VFS.LocksText(); len(s) != 0 {
		t.Fatalf("%s", s)
	}
}
