package loopback

import (
	"encoding/binary"
	"net/netip"
	"strings"
	"testing"

	"sentinel/internal/abi/linux"
	"sentinel/internal/cred"
	"sentinel/internal/sock"
	"sentinel/internal/sock/inet"
	"sentinel/internal/sock/netif"
	"sentinel/internal/vfs"
	"sentinel/internal/waiter"
)

func setup() (*Stack, *vfs.Context) {
	return New(netif.Loopback()), &vfs.Context{Cred: cred.New(1000, 100, nil, 0)}
}

func addr(s string) []byte {
	ap := netip.MustParseAddrPort(s)
	var a sock.Addr
	if ap.Addr().Is4() {
		inet.PutAddr(linux.AF_INET, &a, ap)
	} else {
		inet.PutAddr(linux.AF_INET6, &a, ap)
	}
	return a.Bytes()
}

func check(t *testing.T, what string, got, want error) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

func tcp(t *testing.T, st *Stack, c *vfs.Context, family int) sock.Socket {
	t.Helper()
	s, err := st.Socket(c, family, linux.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func connect(c *vfs.Context, s sock.Socket, to string) error {
	if err := s.Connect(c, addr(to)); err != linux.EINPROGRESS {
		return err
	}
	return s.Connect(c, addr(to))
}

func recv(c *vfs.Context, s sock.Socket, n int) (string, error) {
	m := &sock.Msg{Data: make([]byte, n)}
	k, err := s.Recv(c, m)
	return string(m.Data[:k]), err
}

func send(c *vfs.Context, s sock.Socket, data string) error {
	_, err := s.Send(c, &sock.Msg{Data: []byte(data)})
	return err
}

func port(t *testing.T, s sock.Socket) uint16 {
	t.Helper()
	var a sock.Addr
	if err := s.Name(&a); err != nil {
		t.Fatal(err)
	}
	return binary.BigEndian.Uint16(a.B[2:])
}

func TestTCP(t *testing.T) {
	st, c := setup()
	l := tcp(t, st, c, linux.AF_INET)
	check(t, "privileged port", l.Bind(c, addr("127.0.0.1:80")), linux.EACCES)
	check(t, "foreign address", l.Bind(c, addr("10.0.0.1:8080")), linux.EADDRNOTAVAIL)
	check(t, "bind", l.Bind(c, addr("127.0.0.1:8080")), nil)
	check(t, "bind twice", l.Bind(c, addr("127.0.0.1:8081")), linux.EINVAL)
	k := tcp(t, st, c, linux.AF_INET)
	check(t, "refused", connect(c, k, "127.0.0.1:8080"), linux.ECONNREFUSED)
	check(t, "unreachable", connect(c, k, "10.1.2.3:80"), linux.ENETUNREACH)
	check(t, "unconnected send", send(c, k, "x"), linux.EPIPE)
	_, err := recv(c, k, 1)
	check(t, "unconnected recv", err, linux.ENOTCONN)
	check(t, "listen", l.Listen(c, 10), nil)
	check(t, "connect", connect(c, k, "127.0.0.1:8080"), nil)
	check(t, "connect again", k.Connect(c, addr("127.0.0.1:8080")), linux.EISCONN)
	var a sock.Addr
	s, err := l.Accept(c, &a)
	check(t, "accept", err, nil)
	if binary.BigEndian.Uint16(a.B[2:]) != port(t, k) {
		t.Error("accept's address is not the client's")
	}
	check(t, "send", send(c, k, "hello"), nil)
	if got, err := recv(c, s, 3); got != "hel" || err != nil {
		t.Errorf("recv %q, %v", got, err)
	}
	check(t, "shutdown", k.Shutdown(c, linux.SHUT_WR), nil)
	if got, err := recv(c, s, 10); got != "lo" || err != nil {
		t.Errorf("recv %q, %v", got, err)
	}
	if got, err := recv(c, s, 10); got != "" || err != nil {
		t.Errorf("recv at end %q, %v", got, err)
	}
	check(t, "reply after half close", send(c, s, "bye"), nil)
	if got, err := recv(c, k, 10); got != "bye" || err != nil {
		t.Errorf("recv %q, %v", got, err)
	}
	k.Close()
	if m := s.Readiness(waiter.All); m&waiter.In == 0 || m&waiter.RdHup == 0 {
		t.Errorf("readiness %#x", m)
	}
	check(t, "first send to closed", send(c, s, "x"), nil)
	check(t, "second send to closed", send(c, s, "x"), linux.EPIPE)
	check(t, "third send to closed", send(c, s, "x"), linux.EPIPE)
}

func TestUrgent(t *testing.T) {
	st, c := setup()
	l := tcp(t, st, c, linux.AF_INET)
	l.Bind(c, addr("127.0.0.1:8080"))
	l.Listen(c, 1)
	k := tcp(t, st, c, linux.AF_INET)
	check(t, "connect", connect(c, k, "127.0.0.1:8080"), nil)
	s, _ := l.Accept(c, nil)
	_, err := s.Recv(c, &sock.Msg{Data: make([]byte, 1), Flags: linux.MSG_OOB})
	check(t, "no urgent data", err, linux.EINVAL)
	send(c, k, "ab")
	k.Send(c, &sock.Msg{Data: []byte("c!"), Flags: linux.MSG_OOB})
	send(c, k, "de")
	if m := s.Readiness(waiter.All); m&waiter.Pri == 0 {
		t.Errorf("readiness %#x", m)
	}
	m := &sock.Msg{Data: make([]byte, 1), Flags: linux.MSG_OOB}
	if n, err := s.Recv(c, m); n != 1 || err != nil || m.Data[0] != '!' {
		t.Errorf("urgent %d, %v, %q", n, err, m.Data)
	}
	if m := s.Readiness(waiter.All); m&waiter.Pri != 0 {
		t.Errorf("readiness when read %#x", m)
	}
	for _, want := range []string{"abc", "de"} { // the mark is between
		if got, err := recv(c, s, 10); got != want || err != nil {
			t.Errorf("recv %q, %v; want %q", got, err, want)
		}
	}
}

func TestReset(t *testing.T) {
	st, c := setup()
	l := tcp(t, st, c, linux.AF_INET)
	check(t, "listen", l.Listen(c, 1), nil) // takes a port by itself
	to := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), port(t, l)).String()
	k := tcp(t, st, c, linux.AF_INET)
	check(t, "connect", connect(c, k, to), nil)
	s, _ := l.Accept(c, nil)
	send(c, k, "unread")
	s.Close()
	_, err := recv(c, k, 1)
	check(t, "recv after reset", err, linux.ECONNRESET)
	_, err = recv(c, k, 1)
	check(t, "then end of file", err, nil)

	k = tcp(t, st, c, linux.AF_INET)
	check(t, "connect", connect(c, k, to), nil)
	l.Close()
	_, err = recv(c, k, 1)
	check(t, "recv after the listener closed", err, linux.ECONNRESET)
	if n := len(st.tcps); n != 2 {
		k.Close()
	}
}

func TestBacklog(t *testing.T) {
	st, c := setup()
	l := tcp(t, st, c, linux.AF_INET)
	l.Bind(c, addr("0.0.0.0:9000"))
	l.Listen(c, 0)
	a, b := tcp(t, st, c, linux.AF_INET), tcp(t, st, c, linux.AF_INET)
	check(t, "first", connect(c, a, "127.0.0.5:9000"), nil)
	check(t, "second", b.Connect(c, addr("127.0.0.1:9000")), linux.EINPROGRESS)
	check(t, "still", b.Connect(c, addr("127.0.0.1:9000")), linux.EALREADY)
	if m := b.Readiness(waiter.Out); m != 0 {
		t.Errorf("connecting socket is ready: %#x", m)
	}
	l.Accept(c, nil)
	if m := b.Readiness(waiter.Out); m != waiter.Out {
		t.Errorf("after accept: %#x", m)
	}
	check(t, "done", b.Connect(c, addr("127.0.0.1:9000")), nil)
	d := tcp(t, st, c, linux.AF_INET)
	d.Connect(c, addr("127.0.0.1:9000"))
	l.Close()
	var buf [4]byte
	d.GetOpt(c, linux.SOL_SOCKET, linux.SO_ERROR, buf[:])
	if e := linux.Errno(binary.NativeEndian.Uint32(buf[:])); e != linux.ECONNREFUSED {
		t.Errorf("SO_ERROR %v", e)
	}
}

func TestPorts(t *testing.T) {
	st, c := setup()
	one := []byte{1, 0, 0, 0}
	type want struct {
		first, second string
		reuse         int
		only6         bool
		err           error
	}
	for _, w := range []want{
		{"127.0.0.1:7000", "127.0.0.1:7000", 0, false, linux.EADDRINUSE},
		{"127.0.0.1:7000", "127.0.0.2:7000", 0, false, nil},
		{"0.0.0.0:7000", "127.0.0.2:7000", 0, false, linux.EADDRINUSE},
		{"0.0.0.0:7000", "127.0.0.2:7000", linux.SO_REUSEADDR, false, nil},
		{"0.0.0.0:7000", "0.0.0.0:7000", linux.SO_REUSEPORT, false, nil},
		{"[::]:7000", "0.0.0.0:7000", 0, false, linux.EADDRINUSE},
		{"[::]:7000", "0.0.0.0:7000", 0, true, nil},
		{"[::1]:7000", "127.0.0.1:7000", 0, false, nil},
	} {
		var ss []sock.Socket
		for i, a := range []string{w.first, w.second} {
			family := linux.AF_INET
			if strings.HasPrefix(a, "[") {
				family = linux.AF_INET6
			}
			s := tcp(t, st, c, family)
			ss = append(ss, s)
			if w.reuse != 0 {
				check(t, "reuse", s.SetOpt(c, linux.SOL_SOCKET, w.reuse, one), nil)
			}
			if w.only6 && family == linux.AF_INET6 {
				check(t, "v6only", s.SetOpt(c, linux.SOL_IPV6, linux.IPV6_V6ONLY, one), nil)
			}
			err := s.Bind(c, addr(a))
			if i == 0 {
				check(t, "first bind", err, nil)
			} else {
				check(t, w.first+" and "+w.second, err, w.err)
			}
		}
		for _, s := range ss {
			s.Close()
		}
	}
	if len(st.tcp.m) != 0 || len(st.tcps) != 0 {
		t.Errorf("%d ports and %d sockets left", len(st.tcp.m), len(st.tcps))
	}
}

func TestDualStack(t *testing.T) {
	st, c := setup()
	l := tcp(t, st, c, linux.AF_INET6)
	check(t, "bind", l.Bind(c, addr("[::]:7001")), nil)
	check(t, "listen", l.Listen(c, 5), nil)
	k := tcp(t, st, c, linux.AF_INET)
	check(t, "connect by IPv4", connect(c, k, "127.0.0.1:7001"), nil)
	k6 := tcp(t, st, c, linux.AF_INET6)
	check(t, "connect by IPv6", connect(c, k6, "[::1]:7001"), nil)
	var a sock.Addr
	l.Accept(c, &a)
	if got := netip.AddrFrom16([16]byte(a.B[8:24])); a.N != 28 || got != netip.MustParseAddr("::ffff:127.0.0.1") {
		t.Errorf("peer %v", got)
	}
}

func TestUDP(t *testing.T) {
	st, c := setup()
	open := func() sock.Socket {
		s, err := st.Socket(c, linux.AF_INET, linux.SOCK_DGRAM, 0)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	r, s := open(), open()
	check(t, "bind", r.Bind(c, addr("127.0.0.1:5353")), nil)
	check(t, "no destination", send(c, s, "x"), linux.EDESTADDRREQ)
	m := &sock.Msg{Data: []byte("ping")}
	m.Addr.Set(addr("127.0.0.1:5353"))
	_, err := s.Send(c, m)
	check(t, "sendto", err, nil)
	m = &sock.Msg{Data: make([]byte, 2), Flags: linux.MSG_TRUNC}
	n, err := r.Recv(c, m)
	if n != 4 || err != nil || m.Flags != linux.MSG_TRUNC || binary.BigEndian.Uint16(m.Addr.B[2:]) != port(t, s) {
		t.Errorf("recv %d, %v, flags %#x", n, err, m.Flags)
	}
	check(t, "connect", s.Connect(c, addr("127.0.0.1:5353")), nil)
	check(t, "send", send(c, s, "pong"), nil)
	if got, err := recv(c, r, 9); got != "pong" || err != nil {
		t.Errorf("recv %q, %v", got, err)
	}
	r.Close()
	check(t, "send to nobody", send(c, s, "x"), nil)
	_, err = recv(c, s, 1)
	check(t, "error of the send before", err, linux.ECONNREFUSED)
	_, err = recv(c, s, 1)
	check(t, "once", err, linux.EAGAIN)
}

func TestProcText(t *testing.T) {
	st, c := setup()
	l := tcp(t, st, c, linux.AF_INET)
	l.Bind(c, addr("127.0.0.1:8080"))
	l.Listen(c, 5)
	text := inet.ProcText(inet.TCP, linux.AF_INET, st.Rows(inet.TCP, linux.AF_INET))
	if !strings.Contains(text, "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 ") {
		t.Errorf("text:\n%s", text)
	}
	for _, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		if len(line) != 149 {
			t.Errorf("line of %d characters", len(line))
		}
	}
}
