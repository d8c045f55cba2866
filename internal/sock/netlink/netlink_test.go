package netlink

import (
	"testing"

	"sentinel/internal/abi/linux"
	"sentinel/internal/sock"
	"sentinel/internal/sock/netif"
	"sentinel/internal/vfs"
)

func request(typ, flags uint16, body ...byte) []byte {
	b := make([]byte, hdrLen, hdrLen+len(body))
	ne.PutUint32(b, uint32(hdrLen+len(body)))
	ne.PutUint16(b[4:], typ)
	ne.PutUint16(b[6:], flags)
	ne.PutUint32(b[8:], 77)
	return append(b, body...)
}

// ask sends a request and returns the types of the answers and their bytes.
func ask(t *testing.T, s sock.Socket, c *vfs.Context, req []byte) (types []uint16, all []byte) {
	t.Helper()
	if n, err := s.Send(c, &sock.Msg{Data: req}); n != len(req) || err != nil {
		t.Fatalf("send %d, %v", n, err)
	}
	for {
		m := &sock.Msg{Data: make([]byte, 4096)}
		n, err := s.Recv(c, m)
		if err == linux.EAGAIN {
			return types, all
		}
		if err != nil || m.Flags != 0 {
			t.Fatalf("recv: %v, flags %#x", err, m.Flags)
		}
		for b := m.Data[:n]; len(b) >= hdrLen; {
			l := int(ne.Uint32(b))
			if l < hdrLen || l > len(b) {
				t.Fatalf("message of length %d in %d", l, len(b))
			}
			if ne.Uint32(b[8:]) != 77 || ne.Uint32(b[12:]) == 0 {
				t.Errorf("sequence %d, port %d", ne.Uint32(b[8:]), ne.Uint32(b[12:]))
			}
			types = append(types, ne.Uint16(b[4:]))
			b = b[min((l+3)&^3, len(b)):]
		}
		all = append(all, m.Data[:n]...)
	}
}

func TestDumps(t *testing.T) {
	c := &vfs.Context{}
	const dump = linux.NLM_F_REQUEST | linux.NLM_F_DUMP
	for name, ifs := range map[string]*netif.List{"loopback": netif.Loopback(), "host": netif.Host()} {
		s, err := New(ifs).Socket(c, linux.SOCK_RAW, linux.NETLINK_ROUTE)
		if err != nil {
			t.Fatal(err)
		}
		for req, want := range map[uint16]uint16{
			linux.RTM_GETLINK: linux.RTM_NEWLINK, linux.RTM_GETADDR: linux.RTM_NEWADDR, linux.RTM_GETROUTE: linux.RTM_NEWROUTE,
		} {
			types, _ := ask(t, s, c, request(req, dump, 0, 0, 0, 0))
			n := len(types) - 1
			if n < 1 || types[n] != linux.NLMSG_DONE {
				t.Fatalf("%s: answer to %d: %v", name, req, types)
			}
			for _, typ := range types[:n] {
				if typ != want {
					t.Errorf("%s: message %d in answer to %d", name, typ, req)
				}
			}
		}
		if ifs.ByName("lo") == nil || ifs.IPv4(ifs.ByName("lo").Index) == nil {
			t.Errorf("%s: no lo or no address", name)
		}
	}
}

func TestErrors(t *testing.T) {
	c := &vfs.Context{}
	st := New(netif.Loopback())
	if _, err := st.Socket(c, linux.SOCK_RAW, linux.NETLINK_GENERIC); err != linux.EPROTONOSUPPORT {
		t.Errorf("other protocol: %v", err)
	}
	s, _ := st.Socket(c, linux.SOCK_DGRAM, linux.NETLINK_ROUTE)
	errno := func(req []byte) linux.Errno {
		types, all := ask(t, s, c, req)
		if len(types) != 1 || types[0] != linux.NLMSG_ERROR {
			t.Fatalf("answer %v", types)
		}
		return linux.Errno(-int32(ne.Uint32(all[hdrLen:])))
	}
	if e := errno(request(linux.RTM_NEWLINK, linux.NLM_F_REQUEST, make([]byte, 16)...)); e != linux.EPERM {
		t.Errorf("change: %v", e)
	}
	if e := errno(request(linux.RTM_GETLINK, linux.NLM_F_REQUEST, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)); e != linux.ENODEV {
		t.Errorf("unknown interface: %v", e)
	}
	if e := errno(request(linux.RTM_GETDCB, linux.NLM_F_REQUEST|linux.NLM_F_DUMP)); e != linux.EOPNOTSUPP {
		t.Errorf("unknown dump: %v", e)
	}
	types, _ := ask(t, s, c, request(linux.RTM_GETLINK, linux.NLM_F_REQUEST|linux.NLM_F_ACK, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0))
	if len(types) != 2 || types[0] != linux.RTM_NEWLINK || types[1] != linux.NLMSG_ERROR {
		t.Errorf("one link: %v", types)
	}
}

func FuzzRequest(f *testing.F) {
	f.Add(request(linux.RTM_GETADDR, linux.NLM_F_REQUEST|linux.NLM_F_DUMP, 0, 0, 0, 0))
	f.Add(request(linux.RTM_GETROUTE, linux.NLM_F_REQUEST, 2, 32, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0, 1, 0, 127, 0, 0, 1))
	f.Fuzz(func(t *testing.T, b []byte) {
		c := &vfs.Context{}
		s, _ := New(netif.Loopback()).Socket(c, linux.SOCK_RAW, linux.NETLINK_ROUTE)
		s.Send(c, &sock.Msg{Data: b})
		for {
			if _, err := s.Recv(c, &sock.Msg{Data: make([]byte, 4096)}); err != nil {
				return
			}
		}
	})
}
