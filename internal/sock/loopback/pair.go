package loopback

import (
	"net/netip"

	"sentinel/internal/abi/linux"
	"sentinel/internal/sock"
	"sentinel/internal/sock/inet"
	"sentinel/internal/waiter"
)

// Pair implements inet.Pair: the two ends of a connection between sockets whose
// addresses are somebody else's. near is told of by the queue of the client.
func (st *Stack) Pair(client, server *inet.Socket, src, dst netip.AddrPort) (near, far inet.Conn) {
	end := func(b *sock.Base, q *waiter.Queue, local, remote netip.AddrPort) *TCP {
		s := &TCP{events: q}
		s.Init(nil, b.Family, linux.SOCK_STREAM, linux.IPPROTO_TCP)
		if q == nil {
			s.events = &s.Queue
		} else {
			s.Ino = b.Ino // it is the same socket
		}
		s.UID = b.UID
		s.CopyOptions(b)
		s.endpoint = endpoint{st: st, base: &s.Base, opts: &s.options, tcp: s, local: local, remote: remote, bound: true}
		s.state.Store(stEstablished)
		return s
	}
	n := end(&client.Base, &client.Queue, src, dst)
	f := end(&server.Base, nil, dst, src)
	n.fresh = true
	n.peer.Store(f)
	f.peer.Store(n)
	st.mu.Lock()
	st.tcps[n], st.tcps[f] = struct{}{}, struct{}{}
	st.mu.Unlock()
	return n, f
}

// Reset implements inet.Conn.
func (s *TCP) Reset() {
	s.st.mu.Lock()
	defer s.st.mu.Unlock()
	if !s.closed {
		s.closed = true
		s.drop(true)
	}
}

// Remote implements inet.Conn.
func (s *TCP) Remote(a *sock.Addr) { put(s.Family, a, s.remote) }

// Disconnected implements inet.Conn.
func (s *TCP) Disconnected() bool { return s.state.Load() == stClosed }
