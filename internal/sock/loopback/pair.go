package loopback

import (
	"net/netip"

	"sentinel/internal/sock"
	"sentinel/internal/sock/inet"
)

// Pair implements inet.Pair: the two ends of a connection between sockets whose
// addresses are somebody else's. near is told of by the queue of the client.
func (st *Stack) Pair(client, server *inet.Socket, src, dst netip.AddrPort) (near, far inet.Conn) {
	n := st.end(&client.Base, src, dst)
	n.events, n.Ino = &client.Queue, client.Ino // it is the same socket
	f := st.end(&server.Base, dst, src)
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
func (s *TCP) Remote(a *sock.Addr) { inet.PutAddr(s.Family, a, s.remote) }

// Disconnected implements inet.Conn.
func (s *TCP) Disconnected() bool { return s.state.Load() == stClosed }
