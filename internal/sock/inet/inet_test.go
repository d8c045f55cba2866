package inet

import (
	"encoding/binary"
	"strings"
	"testing"

	"sentinel/internal/abi/linux"
	"sentinel/internal/cred"
	"sentinel/internal/hostpoll"
	"sentinel/internal/sock"
	"sentinel/internal/sock/netif"
	"sentinel/internal/vfs"
	"sentinel/internal/waiter"
)

func lo(port uint16) []byte {
	b := make([]byte, 16)
	binary.NativeEndian.PutUint16(b, linux.AF_INET)
	binary.BigEndian.PutUint16(b[2:], port)
	copy(b[4:], []byte{127, 0, 0, 1})
	return b
}

// wait sleeps until s has an event of mask.
func wait(s sock.Socket, mask waiter.Mask) {
	ch := make(chan struct{}, 1)
	e := waiter.NewChannelEntry(ch)
	s.EventRegister(e, mask)
	defer s.EventUnregister(e)
	for s.Readiness(mask)&mask == 0 {
		<-ch
	}
}

func TestTCP(t *testing.T) {
	st, c := New(new(hostpoll.Poller), netif.Host(), nil), &vfs.Context{Cred: cred.New(1000, 100, nil, 0)}
	open := func() sock.Socket {
		s, err := st.Socket(c, linux.AF_INET, linux.SOCK_STREAM, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.Close)
		return s
	}
	l := open()
	if err := l.Bind(c, lo(80)); err != linux.EACCES {
		t.Errorf("privileged port: %v", err)
	}
	if err := l.Bind(c, lo(0)); err != nil {
		t.Fatal(err)
	}
	if err := l.Listen(c, 5); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Accept(c, nil); err != linux.EAGAIN {
		t.Errorf("accept nothing: %v", err)
	}
	var a, peer sock.Addr
	if err := l.Name(&a); err != nil || a.N != 16 {
		t.Fatalf("name: %v", err)
	}
	k := open()
	if err := k.Connect(c, a.Bytes()); err != nil && err != linux.EINPROGRESS {
		t.Fatal(err)
	}
	wait(l, waiter.In)
	s, err := l.Accept(c, &peer)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	wait(k, waiter.Out)
	if err := k.Connect(c, a.Bytes()); err != nil && err != linux.EISCONN {
		t.Errorf("connect when done: %v", err)
	}
	m := &sock.Msg{Data: []byte("hello")}
	if n, err := k.Send(c, m); n != 5 || err != nil {
		t.Fatalf("send %d, %v", n, err)
	}
	wait(s, waiter.In)
	m = &sock.Msg{Data: make([]byte, 10)}
	if n, err := s.Recv(c, m); n != 5 || err != nil || string(m.Data[:n]) != "hello" {
		t.Errorf("recv %d, %v", n, err)
	}
	if _, err := s.Recv(c, m); err != linux.EAGAIN {
		t.Errorf("recv nothing: %v", err)
	}
	text := ProcText(TCP, linux.AF_INET, st.Rows(TCP, linux.AF_INET))
	if strings.Count(text, "\n") != 4 || strings.Count(text, " 01 0") != 2 || strings.Count(text, " 0A 0") != 1 {
		t.Errorf("proc text:\n%s", text)
	}
	k.Shutdown(c, linux.SHUT_WR)
	wait(s, waiter.RdHup)
	if n, err := s.Recv(c, m); n != 0 || err != nil {
		t.Errorf("recv at end: %d, %v", n, err)
	}
}

func TestOptions(t *testing.T) {
	st, c := New(new(hostpoll.Poller), netif.Host(), nil), &vfs.Context{}
	s, err := st.Socket(c, linux.AF_INET, linux.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	one := []byte{1, 0, 0, 0}
	for _, o := range []struct {
		level, name int
		val         []byte
		err         error
	}{
		{linux.SOL_TCP, linux.TCP_NODELAY, one, nil},
		{linux.SOL_SOCKET, linux.SO_REUSEADDR, one, nil},
		{linux.SOL_SOCKET, linux.SO_BINDTODEVICE, []byte("lo\x00\x00"), linux.EPERM},
		{linux.SOL_SOCKET, linux.SO_MARK, one, linux.EPERM},
		{linux.SOL_SOCKET, linux.SO_ATTACH_FILTER, make([]byte, 16), linux.EPERM},
		{linux.SOL_SOCKET, linux.SO_LINGER, []byte{1, 0, 0, 0, 200, 0, 0, 0}, nil},
		{linux.SOL_TCP, linux.TCP_ULP, []byte("tls"), linux.ENOENT},
		{linux.SOL_TCP, linux.TCP_REPAIR, one, linux.EPERM},
		{linux.SOL_IP, linux.IP_TRANSPARENT, one, linux.EPERM},
		{linux.SOL_IPV6, linux.IPV6_V6ONLY, one, linux.ENOPROTOOPT},
		{0x1234, 1, one, linux.ENOPROTOOPT},
	} {
		if err := s.SetOpt(c, o.level, o.name, o.val); err != o.err {
			t.Errorf("option %d of level %d: %v, want %v", o.name, o.level, err, o.err)
		}
	}
	buf := make([]byte, 256)
	if n, err := s.GetOpt(c, linux.SOL_TCP, linux.TCP_NODELAY, buf); n != 4 || err != nil || buf[0] != 1 {
		t.Errorf("TCP_NODELAY: %d, %v, %d", n, err, buf[0])
	}
	if n, err := s.GetOpt(c, linux.SOL_SOCKET, linux.SO_LINGER, buf); n != 8 || err != nil || buf[0] != 1 || buf[4] != 200 {
		t.Errorf("SO_LINGER: %d, %v, % x", n, err, buf[:8])
	}
	if n, err := s.GetOpt(c, linux.SOL_TCP, linux.TCP_INFO, buf); n < 100 || err != nil || buf[0] != 7 {
		t.Errorf("TCP_INFO: %d, %v, %d", n, err, buf[0])
	}
	for _, o := range []struct{ family, typ, protocol int }{
		{linux.AF_INET, linux.SOCK_RAW, linux.IPPROTO_ICMP}, {linux.AF_INET, linux.SOCK_STREAM, linux.IPPROTO_UDP},
		{linux.AF_INET, linux.SOCK_DGRAM, linux.IPPROTO_UDPLITE}, {linux.AF_INET, 9, 0},
	} {
		if _, err := st.Socket(c, o.family, o.typ, o.protocol); err == nil {
			t.Errorf("socket %v made", o)
		}
	}
}

func BenchmarkEcho(b *testing.B) {
	st, c := New(new(hostpoll.Poller), netif.Host(), nil), &vfs.Context{}
	s, err := st.Socket(c, linux.AF_INET, linux.SOCK_DGRAM, 0)
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	s.Bind(c, lo(0))
	var a sock.Addr
	s.Name(&a)
	s.Connect(c, a.Bytes())
	data := make([]byte, 64)
	b.ReportAllocs()
	for b.Loop() {
		m := sock.NewMsg()
		m.Data = data
		s.Send(c, m)
		m.Flags = 0
		s.Recv(c, m)
		m.Free()
	}
}
