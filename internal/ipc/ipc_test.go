package ipc

import (
	"sync"
	"testing"

	"sentinel/internal/abi/linux"
	"sentinel/internal/cred"
	"sentinel/internal/waiter"
)

var (
	root = Who{1, cred.New(0, 0, nil, cred.AllCaps)}
	user = Who{2, cred.New(1000, 1000, nil, 0)}
)

// sleep is a BlockFunc without deadline; started, if not nil, is closed once it
// sleeps.
func sleep(started chan struct{}) BlockFunc {
	return func(w waiter.Waitable, ready func() bool) error {
		ch := make(chan struct{}, 1)
		e := waiter.NewChannelEntry(ch)
		w.EventRegister(e, waiter.All)
		defer w.EventUnregister(e)
		for !ready() {
			if started != nil {
				close(started)
				started = nil
			}
			<-ch
		}
		return nil
	}
}

func timeout(waiter.Waitable, func() bool) error { return linux.ETIMEDOUT }

func must[T any](t *testing.T) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func wantErr(t *testing.T, got, want error) {
	t.Helper()
	if got != want {
		t.Fatalf("error %v, want %v", got, want)
	}
}

func TestIDs(t *testing.T) {
	n := NewNamespace()
	get := must[int32](t)
	a := get(n.Msg.Get(root, 42, linux.IPC_CREAT|0o600))
	if b := get(n.Msg.Get(root, 42, 0o600)); a != 0 || b != a {
		t.Fatal(a, b)
	}
	_, err := n.Msg.Get(root, 42, linux.IPC_CREAT|linux.IPC_EXCL)
	wantErr(t, err, linux.EEXIST)
	_, err = n.Msg.Get(root, 43, 0)
	wantErr(t, err, linux.ENOENT)
	_, err = n.Msg.Get(user, 42, 0o600)
	wantErr(t, err, linux.EACCES)
	wantErr(t, n.Msg.Remove(user, a), linux.EPERM)
	wantErr(t, n.Msg.Remove(root, a), nil)
	wantErr(t, n.Msg.Remove(root, a), linux.EINVAL)
	b := get(n.Msg.Get(root, linux.IPC_PRIVATE, 0o600))
	if b != 1<<idShift {
		t.Fatalf("id %d after reuse", b)
	}
	_, _, err = n.Msg.Stat(root, a, false, false)
	wantErr(t, err, linux.EINVAL)
	if _, id, err := n.Msg.Stat(root, 0, true, false); err != nil || id != b {
		t.Fatal(id, err)
	}
}

func TestSemaphores(t *testing.T) {
	s := &NewNamespace().Sem
	id := must[int32](t)(s.Get(root, 1, 3, linux.IPC_CREAT|0o600))
	_, err := s.Get(root, 1, 4, 0)
	wantErr(t, err, linux.EINVAL)
	wantErr(t, s.SetVal(root, id, 0, 2), nil)
	wantErr(t, s.SetVal(root, id, 0, SemVMX+1), linux.ERANGE)
	u := &Undo{}
	// All or nothing.
	wantErr(t, s.Op(root, u, id, []linux.Sembuf{{Num: 0, Op: -1, Flg: linux.SEM_UNDO}, {Num: 1, Op: -1, Flg: linux.IPC_NOWAIT}}, nil), linux.EAGAIN)
	if v, _ := s.One(root, id, 0, linux.GETVAL); v != 2 {
		t.Fatalf("value %d", v)
	}
	wantErr(t, s.Op(root, u, id, []linux.Sembuf{{Num: 3, Op: 1}}, nil), linux.EFBIG)
	wantErr(t, s.Op(root, u, id, []linux.Sembuf{{Num: 1, Op: -1}}, timeout), linux.EAGAIN)
	wantErr(t, s.Op(root, u, id, []linux.Sembuf{{Num: 0, Op: -2, Flg: linux.SEM_UNDO}}, nil), nil)

	started, done := make(chan struct{}), make(chan error)
	go func() { done <- s.Op(user2(), &Undo{}, id, []linux.Sembuf{{Num: 0, Op: -1}}, sleep(started)) }()
	<-started
	if n, _ := s.One(root, id, 0, linux.GETNCNT); n != 1 {
		t.Fatalf("%d wait", n)
	}
	s.Exit(1, u) // gives back 2
	wantErr(t, <-done, nil)
	if v, _ := s.One(root, id, 0, linux.GETVAL); v != 1 {
		t.Fatalf("value %d", v)
	}
	if n, _ := s.One(root, id, 0, linux.GETPID); n != 3 {
		t.Fatalf("pid %d", n)
	}
	started = make(chan struct{})
	go func() { done <- s.Op(root, u, id, []linux.Sembuf{{Num: 0, Op: 0}}, sleep(started)) }()
	<-started
	wantErr(t, s.Remove(root, id), nil)
	wantErr(t, <-done, linux.EIDRM)
	if s.total != 0 {
		t.Fatalf("%d semaphores left", s.total)
	}
}

func user2() Who { return Who{3, root.Cred} }

func TestSemUndoCleared(t *testing.T) {
	s := &NewNamespace().Sem
	id := must[int32](t)(s.Get(root, 1, 1, linux.IPC_CREAT|0o600))
	u := &Undo{}
	wantErr(t, s.Op(root, u, id, []linux.Sembuf{{Op: 5, Flg: linux.SEM_UNDO}}, nil), nil)
	wantErr(t, s.SetVal(root, id, 0, 7), nil)
	s.Exit(1, u)
	if v, _ := s.One(root, id, 0, linux.GETVAL); v != 7 {
		t.Fatalf("value %d", v)
	}
	wantErr(t, s.SetAll(root, id, func(v []uint16) error { v[0] = 9; return nil }), nil)
	if v, _ := s.GetAll(root, id); len(v) != 1 || v[0] != 9 {
		t.Fatal(v)
	}
}

func TestMessages(t *testing.T) {
	s := &NewNamespace().Msg
	id := must[int32](t)(s.Get(root, 1, linux.IPC_CREAT|0o600))
	for i, typ := range []int64{3, 1, 2, 1} {
		wantErr(t, s.Send(root, id, typ, []byte{byte(i)}, 0, nil), nil)
	}
	wantErr(t, s.Send(root, id, 0, nil, 0, nil), linux.EINVAL)
	take := func(typ int64, flags uint32, want byte) {
		t.Helper()
		_, b, err := s.Receive(root, id, 10, typ, flags|linux.IPC_NOWAIT, nil)
		if err != nil || len(b) != 1 || b[0] != want {
			t.Fatalf("received %v, %v; want %d", b, err, want)
		}
	}
	take(2, linux.MSG_COPY, 2)
	take(-2, 0, 1)
	take(2, 0, 2)
	take(1, linux.MSG_EXCEPT, 0)
	_, _, err := s.Receive(root, id, 0, 0, 0, nil)
	wantErr(t, err, linux.E2BIG)
	if _, b, err := s.Receive(root, id, 0, 0, linux.MSG_NOERROR, nil); err != nil || len(b) != 0 {
		t.Fatal(b, err)
	}
	_, _, err = s.Receive(root, id, 10, 0, linux.IPC_NOWAIT, nil)
	wantErr(t, err, linux.ENOMSG)

	big := make([]byte, MsgMax)
	wantErr(t, s.Send(root, id, 1, big, 0, nil), nil)
	wantErr(t, s.Send(root, id, 1, big, 0, nil), nil)
	wantErr(t, s.Send(root, id, 1, big, linux.IPC_NOWAIT, nil), linux.EAGAIN)
	done := make(chan error)
	started := make(chan struct{})
	go func() { done <- s.Send(root, id, 5, big, 0, sleep(started)) }()
	<-started
	_, _, err = s.Receive(root, id, MsgMax, 0, 0, nil)
	wantErr(t, err, nil)
	wantErr(t, <-done, nil)
	started = make(chan struct{})
	go func() {
		_, _, err := s.Receive(root, id, 1, 77, 0, sleep(started))
		done <- err
	}()
	<-started
	wantErr(t, s.Remove(root, id), nil)
	wantErr(t, <-done, linux.EIDRM)
	if s.bytes != 0 || s.count != 0 {
		t.Fatal(s.bytes, s.count)
	}
}

func TestSharedMemory(t *testing.T) {
	s := &NewNamespace().Shm
	get := must[int32](t)
	id := get(s.Get(root, 1, 5000, linux.IPC_CREAT|0o600))
	_, err := s.Get(root, 1, 5001, 0)
	wantErr(t, err, linux.EINVAL)
	_, err = s.Get(root, 2, 0, linux.IPC_CREAT)
	wantErr(t, err, linux.EINVAL)
	var seg *Segment
	attach := func(g *Segment, fd int, size uint64) error {
		seg = g
		g.Attached()
		return nil
	}
	wantErr(t, s.Attach(user, id, 0, attach), linux.EACCES)
	wantErr(t, s.Attach(root, id, 0, attach), nil)
	seg.Attached() // a fork
	wantErr(t, s.Remove(root, id), nil)
	ds, _, err := s.Stat(root, id, false, false)
	if err != nil || ds.Nattch != 2 || ds.Perm.Mode&linux.SHM_DEST == 0 || ds.Perm.Key != 0 {
		t.Fatal(ds, err)
	}
	if n := get(s.Get(root, 1, 1, linux.IPC_CREAT|0o600)); n == id {
		t.Fatal("a removed key is still found")
	}
	seg.Detached()
	seg.Detached()
	_, _, err = s.Stat(root, id, false, false)
	wantErr(t, err, linux.EINVAL)
	s.Release()
	if i, _ := s.Info(); i.UsedIDs != 0 || i.Tot != 0 {
		t.Fatal(i)
	}
}

func TestConcurrentSemaphores(t *testing.T) {
	s := &NewNamespace().Sem
	id := must[int32](t)(s.Get(root, 1, 1, linux.IPC_CREAT|0o600))
	wantErr(t, s.SetVal(root, id, 0, 1), nil)
	held, bad := 0, false
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			u := &Undo{}
			for range 200 {
				if err := s.Op(root, u, id, []linux.Sembuf{{Op: -1, Flg: linux.SEM_UNDO}}, sleep(nil)); err != nil {
					t.Error(err)
				}
				held++
				bad = bad || held != 1
				held--
				if err := s.Op(root, u, id, []linux.Sembuf{{Op: 1, Flg: linux.SEM_UNDO}}, nil); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if bad {
		t.Fatal("two held the semaphore")
	}
}
