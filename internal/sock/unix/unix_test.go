package unix

import (
	"bytes"
	"encoding/binary"
	"sync"
	"testing"

	"sentinel/internal/abi/linux"
	"sentinel/internal/cred"
	"sentinel/internal/sock"
	"sentinel/internal/sock/netif"
	"sentinel/internal/vfs"
	"sentinel/internal/waiter"
)

// node stands for the inode of a socket in the file system.
type node struct {
	vfs.Inode
	n int
}

type paths map[string]*node

func (p paths) MakeSocket(_ *vfs.Context, path string, _ uint32) (vfs.Inode, error) {
	if p[path] != nil {
		return nil, linux.EEXIST
	}
	p[path] = &node{n: len(p)}
	return p[path], nil
}

func (p paths) FindSocket(_ *vfs.Context, path string) (vfs.Inode, error) {
	if p[path] == nil {
		return nil, linux.ENOENT
	}
	return p[path], nil
}

func setup() (*Stack, *vfs.Context) {
	return New(paths{}, netif.Loopback()), &vfs.Context{
		Cred: cred.New(1000, 100, []uint32{100, 7}, 0),
		FDs:  vfs.NewFDTable(nil, func() uint64 { return 1024 }),
	}
}

func sun(name string) []byte {
	b := binary.NativeEndian.AppendUint16(nil, linux.AF_UNIX)
	return append(b, name...)
}

func check(t *testing.T, what string, got, want error) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

func send(c *vfs.Context, s sock.Socket, data string, to []byte) (int, error) {
	m := sock.NewMsg()
	defer m.Free()
	m.Data = []byte(data)
	m.Addr.Set(to)
	return s.Send(c, m)
}

func recv(c *vfs.Context, s sock.Socket, n, flags int) (string, error) {
	m := sock.NewMsg()
	defer m.Free()
	m.Data, m.Flags = make([]byte, n), flags
	k, err := s.Recv(c, m)
	return string(m.Data[:min(k, n)]), err
}

func TestStream(t *testing.T) {
	st, c := setup()
	for _, name := range []string{"/run/s", "\x00abstract"} {
		l, _ := st.Socket(c, linux.SOCK_STREAM, 0)
		check(t, "listen unbound", l.Listen(c, 1), linux.EINVAL)
		check(t, "bind", l.Bind(c, sun(name)), nil)
		other, _ := st.Socket(c, linux.SOCK_STREAM, 0)
		check(t, "bind again", other.Bind(c, sun(name)), linux.EADDRINUSE)
		check(t, "connect before listen", other.Connect(c, sun(name)), linux.ECONNREFUSED)
		check(t, "listen", l.Listen(c, 0), nil)
		check(t, "connect", other.Connect(c, sun(name)), nil)
		check(t, "connect again", other.Connect(c, sun(name)), linux.EISCONN)
		third, _ := st.Socket(c, linux.SOCK_STREAM, 0)
		check(t, "backlog full", third.Connect(c, sun(name)), linux.EAGAIN)
		if m := l.Readiness(waiter.All); m&waiter.In == 0 {
			t.Errorf("listener readiness %#x", m)
		}
		if n, err := send(c, other, "early", nil); n != 5 || err != nil {
			t.Errorf("send before accept: %d, %v", n, err)
		}
		woken := false
		third.EventRegister(&waiter.Entry{Notify: func(waiter.Mask) { woken = true }}, waiter.Writable)
		var a sock.Addr
		s, err := l.Accept(c, &a)
		check(t, "accept", err, nil)
		if a.N != 2 {
			t.Errorf("peer of an unnamed socket: %q", a.Bytes())
		}
		if !woken {
			t.Error("a waiting connect was not woken by accept")
		}
		check(t, "connect after accept", third.Connect(c, sun(name)), nil)
		_, err = l.Accept(c, nil)
		check(t, "second accept", err, nil)
		_, err = l.Accept(c, nil)
		check(t, "accept nothing", err, linux.EAGAIN)
		if got, err := recv(c, s, 3, linux.MSG_PEEK); got != "ear" || err != nil {
			t.Errorf("peek: %q, %v", got, err)
		}
		if got, err := recv(c, s, 10, 0); got != "early" || err != nil {
			t.Errorf("recv: %q, %v", got, err)
		}
		_, err = recv(c, s, 10, 0)
		check(t, "recv nothing", err, linux.EAGAIN)
		check(t, "peer name", other.Peer(&a), nil)
		if want := sun(name); !bytes.HasPrefix(a.Bytes(), want) {
			t.Errorf("peer %q, want %q", a.Bytes(), want)
		}
		check(t, "shutdown", other.Shutdown(c, linux.SHUT_WR), nil)
		if got, err := recv(c, s, 10, 0); got != "" || err != nil {
			t.Errorf("recv after shutdown: %q, %v", got, err)
		}
		if m := s.Readiness(waiter.All); m&waiter.RdHup == 0 || m&waiter.Hup != 0 {
			t.Errorf("readiness after shutdown %#x", m)
		}
		_, err = send(c, other, "x", nil)
		check(t, "send after shutdown", err, linux.EPIPE)
		send(c, s, "unread", nil)
		other.Close()
		_, err = recv(c, s, 10, 0)
		check(t, "recv after a close that lost data", err, linux.ECONNRESET)
		_, err = recv(c, s, 10, 0)
		check(t, "then end of file", err, nil)
		_, err = send(c, s, "x", nil)
		check(t, "send to closed", err, linux.EPIPE)
		l.Close()
		check(t, "connect after close", other.Connect(c, sun(name)), linux.ECONNREFUSED)
	}
}

func TestStreamFills(t *testing.T) {
	st, c := setup()
	a, b, _ := st.SocketPair(c, linux.SOCK_STREAM, 0)
	big := string(make([]byte, 100000))
	total := 0
	for {
		n, err := send(c, a, big, nil)
		if err == linux.EAGAIN {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		total += n
	}
	if total != a.SndBuf() {
		t.Errorf("took %d bytes, want %d", total, a.SndBuf())
	}
	if a.Readiness(waiter.Out)&waiter.Out != 0 {
		t.Error("writable while full")
	}
	woken := 0
	a.EventRegister(&waiter.Entry{Notify: func(waiter.Mask) { woken++ }}, waiter.Writable)
	for total > 0 {
		s, err := recv(c, b, 4096, 0)
		if err != nil {
			t.Fatal(err)
		}
		total -= len(s)
	}
	if woken == 0 || a.Readiness(waiter.Out)&waiter.Out == 0 {
		t.Errorf("not writable after draining; woken %d times", woken)
	}
}

func TestDatagram(t *testing.T) {
	st, c := setup()
	r, _ := st.Socket(c, linux.SOCK_DGRAM, 0)
	check(t, "bind", r.Bind(c, sun("/d")), nil)
	s, _ := st.Socket(c, linux.SOCK_DGRAM, 0)
	check(t, "autobind", s.Bind(c, sun("")), nil)
	var a sock.Addr
	s.Name(&a)
	if a.N != 8 || a.B[2] != 0 {
		t.Errorf("autobound to %q", a.Bytes())
	}
	_, err := send(c, s, "x", nil)
	check(t, "send unconnected", err, linux.ENOTCONN)
	n := 0
	for ; ; n++ {
		if _, err = send(c, s, "hello", sun("/d")); err != nil {
			break
		}
	}
	check(t, "send to full", err, linux.EAGAIN)
	if n != dgramQueue+1 {
		t.Errorf("queued %d messages", n)
	}
	woken := false
	s.EventRegister(&waiter.Entry{Notify: func(waiter.Mask) { woken = true }}, waiter.Writable)
	m := sock.NewMsg()
	m.Data, m.Flags = make([]byte, 2), linux.MSG_TRUNC
	k, err := r.Recv(c, m)
	if k != 5 || err != nil || m.Flags&linux.MSG_TRUNC == 0 || !bytes.Equal(m.Addr.Bytes(), a.Bytes()) {
		t.Errorf("recv %d, %v, flags %#x, from %q", k, err, m.Flags, m.Addr.Bytes())
	}
	if !woken {
		t.Error("sender not woken")
	}
	check(t, "connect", s.Connect(c, sun("/d")), nil)
	st2, _ := st.Socket(c, linux.SOCK_STREAM, 0)
	check(t, "wrong type", st2.Connect(c, sun("/d")), linux.EPROTOTYPE)
	r.Close()
	_, err = send(c, s, "x", nil)
	check(t, "send to dead", err, linux.ECONNREFUSED)
	_, err = send(c, s, "x", nil)
	check(t, "send again", err, linux.ENOTCONN)
	check(t, "connect to nothing", s.Connect(c, sun("/none")), linux.ENOENT)
}

func TestSeqpacket(t *testing.T) {
	st, c := setup()
	a, b, _ := st.SocketPair(c, linux.SOCK_SEQPACKET, 0)
	send(c, a, "one", nil)
	send(c, a, "two", nil)
	if got, err := recv(c, b, 100, 0); got != "one" || err != nil {
		t.Errorf("first: %q, %v", got, err)
	}
	a.Close()
	if got, err := recv(c, b, 100, 0); got != "two" || err != nil {
		t.Errorf("second: %q, %v", got, err)
	}
	if got, err := recv(c, b, 100, 0); got != "" || err != nil {
		t.Errorf("end: %q, %v", got, err)
	}
	_, err := send(c, b, "x", nil)
	check(t, "send to closed", err, linux.EPIPE)
}

func rights(fds ...int32) []byte {
	data := []byte{}
	for _, fd := range fds {
		data = binary.NativeEndian.AppendUint32(data, uint32(fd))
	}
	m := sock.Msg{Control: make([]byte, 64+len(data))}
	flags := 0
	m.PutCmsg(&flags, linux.SOL_SOCKET, linux.SCM_RIGHTS, data)
	return m.Control[:m.ControlN]
}

// closer is a file that tells when it is gone.
type closer struct {
	vfs.NoFile
	gone *bool
}

func (c closer) Release(*vfs.File) { *c.gone = true }

func TestRights(t *testing.T) {
	st, c := setup()
	a, b, _ := st.SocketPair(c, linux.SOCK_STREAM, 0)
	gone := false
	fd, _ := c.FDs.Install(vfs.NewAnonFile(closer{gone: &gone}, "x", 0), false)
	m := sock.NewMsg()
	m.Data, m.Control = []byte("with"), rights(fd)
	if n, err := a.Send(c, m); n != 4 || err != nil {
		t.Fatalf("send: %d, %v", n, err)
	}
	send(c, a, "out", nil)
	c.FDs.Close(c, fd)
	if gone {
		t.Fatal("closed in flight")
	}
	m = sock.NewMsg()
	m.Data, m.Control = make([]byte, 100), make([]byte, 100)
	n, err := b.Recv(c, m)
	if string(m.Data[:n]) != "with" || err != nil {
		t.Fatalf("recv %q, %v: must stop after the piece with rights", m.Data[:n], err)
	}
	var got int32 = -1
	sock.EachCmsg(m.Control[:m.ControlN], func(level, typ int, data []byte) error {
		if level == linux.SOL_SOCKET && typ == linux.SCM_RIGHTS && len(data) == 4 {
			got = int32(binary.NativeEndian.Uint32(data))
		}
		return nil
	})
	f, err := c.FDs.Get(got)
	if err != nil {
		t.Fatalf("received descriptor %d: %v", got, err)
	}
	f.DecRef()
	c.FDs.Close(c, got)
	if !gone || st.nFlight.Load() != 0 {
		t.Errorf("gone %v, in flight %d", gone, st.nFlight.Load())
	}
	_, err = a.Send(c, &sock.Msg{Data: []byte("x"), Control: rights(99)})
	check(t, "bad descriptor", err, linux.EBADF)
	_, err = a.Send(c, &sock.Msg{Data: []byte("x"), Control: []byte("0123456789abcdef")})
	check(t, "bad control message", err, linux.EINVAL)
}

func TestRightsDropped(t *testing.T) {
	st, c := setup()
	a, b, _ := st.SocketPair(c, linux.SOCK_DGRAM, 0)
	gone := false
	fd, _ := c.FDs.Install(vfs.NewAnonFile(closer{gone: &gone}, "x", 0), false)
	a.Send(c, &sock.Msg{Data: []byte("x"), Control: rights(fd, fd)})
	c.FDs.Close(c, fd)
	m := &sock.Msg{Data: make([]byte, 1)}
	b.Recv(c, m)
	if m.Flags&linux.MSG_CTRUNC == 0 || !gone {
		t.Errorf("flags %#x, gone %v", m.Flags, gone)
	}
}

func TestCollectCycle(t *testing.T) {
	st, c := setup()
	gone := false
	x, _ := c.FDs.Install(vfs.NewAnonFile(closer{gone: &gone}, "x", 0), false)
	a, b, _ := st.SocketPair(c, linux.SOCK_STREAM, 0)
	fa, _ := c.FDs.Install(sock.NewFile(a, 0), false)
	fb, _ := c.FDs.Install(sock.NewFile(b, 0), false)
	// Each socket's description waits in the other's queue.
	for _, s := range []*Socket{a, b} {
		if _, err := s.Send(c, &sock.Msg{Data: []byte("x"), Control: rights(fa, fb, x)}); err != nil {
			t.Fatal(err)
		}
	}
	for _, fd := range []int32{x, fa, fb} {
		c.FDs.Close(c, fd)
	}
	if gone {
		t.Fatal("collected too early")
	}
	s, _ := st.Socket(c, linux.SOCK_STREAM, 0)
	s.Close() // closing any socket collects
	if !gone || len(st.inflight) != 0 || len(st.sockets) != 0 {
		t.Errorf("gone %v, %d in flight, %d sockets", gone, len(st.inflight), len(st.sockets))
	}
}

func TestCredentials(t *testing.T) {
	st, c := setup()
	a, b, _ := st.SocketPair(c, linux.SOCK_STREAM, 0)
	one := []byte{1, 0, 0, 0}
	check(t, "SO_PASSCRED", b.SetOpt(c, linux.SOL_SOCKET, linux.SO_PASSCRED, one), nil)
	send(c, a, "x", nil)
	m := &sock.Msg{Data: make([]byte, 10), Control: make([]byte, 64)}
	b.Recv(c, m)
	ok := false
	sock.EachCmsg(m.Control[:m.ControlN], func(_, typ int, data []byte) error {
		ok = typ == linux.SCM_CREDENTIALS && binary.NativeEndian.Uint32(data[4:]) == 1000 && binary.NativeEndian.Uint32(data[8:]) == 100
		return nil
	})
	if !ok {
		t.Errorf("credentials: % x", m.Control[:m.ControlN])
	}
	var buf [12]byte
	n, err := a.GetOpt(c, linux.SOL_SOCKET, linux.SO_PEERCRED, buf[:])
	if n != 12 || err != nil || binary.NativeEndian.Uint32(buf[4:]) != 1000 {
		t.Errorf("SO_PEERCRED: %d, %v, % x", n, err, buf)
	}
	var fake [12]byte // root
	cm := sock.Msg{Control: make([]byte, 64)}
	flags := 0
	cm.PutCmsg(&flags, linux.SOL_SOCKET, linux.SCM_CREDENTIALS, fake[:])
	_, err = a.Send(c, &sock.Msg{Data: []byte("x"), Control: cm.Control[:cm.ControlN]})
	check(t, "forged credentials", err, linux.EPERM)
}

func TestConcurrent(t *testing.T) {
	st, c := setup()
	a, b, _ := st.SocketPair(c, linux.SOCK_STREAM, 0)
	want := bytes.Repeat([]byte("0123456789"), 200000)
	var wg sync.WaitGroup
	wg.Go(func() {
		ready := make(chan struct{}, 1)
		e := waiter.NewChannelEntry(ready)
		a.EventRegister(e, waiter.Writable)
		defer a.EventUnregister(e)
		for left := want; len(left) > 0; {
			n, err := a.Send(c, &sock.Msg{Data: left[:min(len(left), 7000)]})
			if err == linux.EAGAIN {
				if a.Readiness(waiter.Out)&waiter.Out == 0 {
					<-ready
				}
				continue
			}
			left = left[n:]
		}
		a.Close()
	})
	var got []byte
	ready := make(chan struct{}, 1)
	b.EventRegister(waiter.NewChannelEntry(ready), waiter.Readable)
	for {
		m := &sock.Msg{Data: make([]byte, 5000)}
		n, err := b.Recv(c, m)
		if err == linux.EAGAIN {
			<-ready
			continue
		}
		if n == 0 {
			break
		}
		got = append(got, m.Data[:n]...)
	}
	wg.Wait()
	if !bytes.Equal(got, want) {
		t.Errorf("got %d bytes, want %d", len(got), len(want))
	}
}
