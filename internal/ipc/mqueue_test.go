package ipc

import (
	"strings"
	"testing"

	"sentinel/internal/abi/linux"
	"sentinel/internal/vfs"
	"sentinel/internal/waiter"
)

func TestMqueue(t *testing.T) {
	s := NewQueues()
	c := &vfs.Context{Cred: user.Cred}
	open := func(flags uint32, attr *linux.MqAttr, want error) *vfs.File {
		t.Helper()
		f, err := s.Open(c, &OpenArgs{Name: "q", Flags: flags, Mode: 0o600, Attr: attr, Limit: defaultLimit})
		wantErr(t, err, want)
		return f
	}
	open(linux.O_RDWR, nil, linux.ENOENT)
	open(linux.O_RDWR|linux.O_CREAT, &linux.MqAttr{Maxmsg: 11, Msgsize: 1}, linux.EINVAL)
	f := open(linux.O_RDWR|linux.O_CREAT, &linux.MqAttr{Maxmsg: 2, Msgsize: 8}, nil)
	open(linux.O_RDWR|linux.O_CREAT|linux.O_EXCL, nil, linux.EEXIST)
	q := QueueOf(f)
	fired := 0
	wantErr(t, q.SetNotify(2, &Notification{PID: 2, Fire: func(w Who) { fired += int(w.PID) }}), nil)
	wantErr(t, q.SetNotify(3, &Notification{PID: 3}), linux.EBUSY)
	wantErr(t, q.Send(user, 1, []byte("low"), true, nil), nil)
	wantErr(t, q.Send(user, 9, []byte("high"), true, nil), nil)
	wantErr(t, q.Send(user, 9, nil, true, nil), linux.EAGAIN)
	if fired != 2 {
		t.Fatalf("notified %d", fired)
	}
	if m := f.Readiness(waiter.In | waiter.Out); m != waiter.In {
		t.Fatalf("%#x", m)
	}
	buf := make([]byte, 200)
	n, _ := f.Ops.Read(c, f, buf, 0)
	if got := string(buf[:n]); !strings.HasPrefix(got, "QSIZE:7          NOTIFY:0") {
		t.Fatalf("%q", got)
	}
	done := make(chan error)
	started := make(chan struct{})
	go func() { done <- q.Send(user, 0, []byte("x"), false, sleep(started)) }()
	<-started
	for _, want := range []string{"high", "low", "x"} {
		b, _, err := q.Receive(false, sleep(nil))
		if err != nil || string(b) != want {
			t.Fatalf("received %q, %v; want %q", b, err, want)
		}
	}
	wantErr(t, <-done, nil)
	_, _, err := q.Receive(false, timeout)
	wantErr(t, err, linux.ETIMEDOUT)

	// A waiting receiver comes before a notification.
	wantErr(t, q.SetNotify(2, &Notification{PID: 2, Fire: func(Who) { fired = -1 }}), nil)
	started = make(chan struct{})
	go func() {
		_, _, err := q.Receive(false, sleep(started))
		done <- err
	}()
	<-started
	wantErr(t, q.Send(user, 1, nil, true, nil), nil)
	wantErr(t, <-done, nil)
	if fired < 0 {
		t.Fatal("notified although somebody waited")
	}
	wantErr(t, s.Unlink(&vfs.Context{Cred: Who{3, user.Cred.Copy()}.Cred}, "q"), nil)
	wantErr(t, s.Unlink(c, "q"), linux.ENOENT)
	f.DecRef()
	if len(s.charged) != 0 || s.bytes != 0 {
		t.Fatal(s.charged, s.bytes)
	}
}

func TestMqueueFS(t *testing.T) {
	s := NewQueues()
	c := &vfs.Context{Cred: user.Cred}
	if _, err := s.root.Create(c, "a", &vfs.NewInode{Mode: linux.S_IFREG | 0o644}); err != nil {
		t.Fatal(err)
	}
	if f, err := s.Open(c, &OpenArgs{Name: "b", Flags: linux.O_CREAT, Mode: 0o600, Limit: defaultLimit}); err != nil {
		t.Fatal(err)
	} else {
		f.DecRef()
	}
	ops, _ := s.root.Open(c, nil, 0)
	var names []string
	pos := int64(0)
	for range 8 {
		_ = ops.(vfs.DirReader).ReadDir(c, nil, pos, func(e *vfs.DirEntry) bool {
			names, pos = append(names, e.Name), e.Next
			return false
		})
	}
	if got := strings.Join(names, " "); got != ". .. a b" {
		t.Fatalf("%q", got)
	}
	a, err := s.root.Lookup(c, "a")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.root.Unlink(c, "a", a); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"", "x/y", "..", strings.Repeat("n", 256)} {
		if _, err := s.Open(c, &OpenArgs{Name: name, Flags: linux.O_CREAT}); err == nil {
			t.Errorf("name %q was accepted", name)
		}
	}
}
