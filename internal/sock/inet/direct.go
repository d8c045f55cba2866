package inet

import (
	"net/netip"
	"slices"

	"sentinel/internal/abi/linux"
	"sentinel/internal/host"
	"sentinel/internal/sock"
	"sentinel/internal/waiter"
)

// Between two sockets of the sandbox, over an address of the loopback interface, the
// host's TCP does nothing but copy, and each of its calls costs several times what
// the copy does. So a connection to a socket that listens in the sandbox is made of
// two queues of ours. The host knows of the listener, to whom others may connect as
// well, and of the port that the client has; no packet of it shows on the host's
// loopback interface. Whoever connects while the queue of the listener is full is
// left to the host.

// Conn is an end of a connection that the host knows nothing of.
type Conn interface {
	sock.Socket
	// Reset is Close of a connection that nobody has accepted.
	Reset()
	// Remote is Peer, but also for a connection that has ended.
	Remote(a *sock.Addr)
	// Disconnected reports whether connect(2) has undone the connection.
	Disconnected() bool
}

// Pair makes a connection of client at src to server at dst. What happens to near
// is told to the queue of client, whose other end accept(2) returns.
type Pair func(client, server *Socket, src, dst netip.AddrPort) (near, far Conn)

// listener is what the stack knows of a socket that listens. Guarded by Stack.mu, as
// are changes of Socket.listening and Socket.nPending.
type listener struct {
	addr    netip.AddrPort
	only6   bool
	backlog int
	pending []Conn
	turn    uint // of those with the same address
}

// option is one that was set, which a connection takes over.
type option struct {
	level, name int
	val         []byte
}

const (
	maxOptions = 64 // that are remembered
	hostTurn   = 16 // one of so many that is accepted is the host's, if it has one
)

// near returns the end of the socket's connection, if the host does not have it.
func (s *Socket) near() Conn {
	if c := s.conn.Load(); c != nil {
		return *c
	}
	return nil
}

// remember notes an option that was set, for connections.
func (s *Socket) remember(level, name int, val []byte) {
	if s.Protocol != linux.IPPROTO_TCP || s.st.pair == nil || s.accepted {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.options, func(o option) bool { return o.level == level && o.name == name })
	switch {
	case i >= 0:
		s.options[i].val = slices.Clone(val)
	case len(s.options) < maxOptions:
		s.options = append(s.options, option{level, name, slices.Clone(val)})
	}
}

// pass sets what was set for s for its connection too. Some options have no meaning
// there.
func (s *Socket) pass(to Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, o := range s.options {
		_ = to.SetOpt(nil, o.level, o.name, o.val)
	}
}

// address returns what the socket is bound to.
func (s *Socket) address() netip.AddrPort {
	var a sock.Addr
	if s.Name(&a) != nil {
		return netip.AddrPort{}
	}
	ap := addrPort(a.Bytes())
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}

// listens notes that the socket listens.
func (s *Socket) listens(backlog int) {
	if s.Protocol != linux.IPPROTO_TCP || s.st.pair == nil {
		return
	}
	addr := s.address()
	only6 := false
	if s.Family == linux.AF_INET6 {
		var v [4]byte
		_, err := host.GetSockopt(s.fd, linux.SOL_IPV6, linux.IPV6_V6ONLY, v[:])
		only6 = err != nil || v != [4]byte{}
	}
	if uint(backlog) > sock.Somaxconn {
		backlog = sock.Somaxconn
	}
	st, l := s.st, &s.listener
	st.mu.Lock()
	defer st.mu.Unlock()
	l.backlog = backlog
	if !s.listening.Load() && addr.Port() != 0 {
		s.listening.Store(true)
		l.addr, l.only6 = addr, only6
		st.listeners[addr.Port()] = append(st.listeners[addr.Port()], s)
	}
}

// unlisten undoes it, and ends what nobody has accepted.
func (s *Socket) unlisten() {
	st, l := s.st, &s.listener
	st.mu.Lock()
	pending := l.pending
	if s.listening.Load() {
		s.listening.Store(false)
		l.pending = nil
		s.nPending.Store(0)
		port := l.addr.Port()
		if all := slices.DeleteFunc(st.listeners[port], func(x *Socket) bool { return x == s }); len(all) > 0 {
			st.listeners[port] = all
		} else {
			delete(st.listeners, port)
		}
	}
	st.mu.Unlock()
	for _, c := range pending {
		c.Reset()
	}
}

// accepts scores how well the listener matches a connection to dst; 0 is not at all
// (compute_score in net/ipv4/inet_hashtables.c).
func (l *listener) accepts(dst netip.AddrPort) int {
	switch a := l.addr.Addr(); {
	case a == dst.Addr():
		return 3
	case !a.IsUnspecified() || a.Is4() && !dst.Addr().Is4() || l.only6 && dst.Addr().Is4():
		return 0
	case a.Is4() == dst.Addr().Is4():
		return 2
	}
	return 1
}

// listenerFor returns who in the sandbox accepts connections to dst, if anybody.
func (st *Stack) listenerFor(dst netip.AddrPort) *Socket {
	st.mu.Lock()
	defer st.mu.Unlock()
	var best []*Socket
	score := 1
	for _, s := range st.listeners[dst.Port()] {
		switch n := s.listener.accepts(dst); {
		case n < score:
		case n > score:
			best, score = append(best[:0], s), n
		default:
			best = append(best, s) // SO_REUSEPORT
		}
	}
	if len(best) == 0 {
		return nil
	}
	l := &best[0].listener
	l.turn++
	return best[l.turn%uint(len(best))]
}

// target returns the address of the loopback interface that a connection goes to,
// if it does.
func (s *Socket) target(addr []byte) (netip.AddrPort, bool) {
	f, _ := sock.Family(addr)
	dst := addrPort(addr)
	ip := dst.Addr().Unmap()
	switch {
	case f != s.Family || dst.Port() == 0:
		return dst, false
	case ip.IsUnspecified() && ip.Is4():
		ip = netip.AddrFrom4([4]byte{127, 0, 0, 1})
	case ip.IsUnspecified():
		ip = netip.IPv6Loopback()
	}
	return netip.AddrPortFrom(ip, dst.Port()), ip.IsLoopback()
}

// source returns the address that the socket sends to dst from. It gives it a port
// of the host's, which nobody else then has.
func (s *Socket) source(dst netip.Addr) (netip.AddrPort, bool) {
	any := netip.AddrFrom4([4]byte{127, 0, 0, 1})
	if !dst.Is4() {
		any = netip.IPv6Loopback()
	}
	src := s.address()
	if src.Port() == 0 {
		if src.Addr().IsValid() && !src.Addr().IsUnspecified() {
			any = src.Addr() // by IP_BIND_ADDRESS_NO_PORT
		}
		var a sock.Addr
		PutAddr(s.Family, &a, netip.AddrPortFrom(any, 0))
		if host.Bind(s.fd, a.Bytes()) != nil {
			return src, false
		}
		src = s.address()
	}
	if src.Addr().IsUnspecified() {
		src = netip.AddrPortFrom(any, src.Port())
	}
	return src, src.Port() != 0 && src.Addr().IsLoopback() && src.Addr().Is4() == dst.Is4()
}

// connectNear connects the socket to one that listens in the sandbox, if that is
// where addr leads.
func (s *Socket) connectNear(addr []byte) bool {
	if s.Protocol != linux.IPPROTO_TCP || s.st.pair == nil || s.accepted || s.asked || s.listening.Load() {
		return false
	}
	dst, ok := s.target(addr)
	if !ok {
		return false
	}
	to := s.st.listenerFor(dst)
	if to == nil || to.full() {
		return false
	}
	src, ok := s.source(dst.Addr())
	if !ok {
		return false
	}
	near, far := s.st.pair(s, to, src, dst)
	s.pass(near)
	to.pass(far)
	s.conn.Store(&near)
	if !to.push(far) {
		s.conn.Store(nil)
		near.Reset()
		far.Reset()
		return false
	}
	to.Queue.Notify(waiter.Readable)
	s.Queue.Notify(waiter.Writable)
	return true
}

func (s *Socket) full() bool {
	s.st.mu.Lock()
	defer s.st.mu.Unlock()
	return !s.listening.Load() || len(s.listener.pending) > s.listener.backlog
}

// push adds a connection to those that wait to be accepted, if there is room.
func (s *Socket) push(c Conn) bool {
	st, l := s.st, &s.listener
	st.mu.Lock()
	defer st.mu.Unlock()
	if !s.listening.Load() || len(l.pending) > l.backlog {
		return false
	}
	l.pending = append(l.pending, c)
	s.nPending.Add(1)
	return true
}

// pop takes one of them, and tells whose it is.
func (s *Socket) pop(peer *sock.Addr) Conn {
	if s.nPending.Load() == 0 {
		return nil
	}
	st, l := s.st, &s.listener
	st.mu.Lock()
	defer st.mu.Unlock()
	if len(l.pending) == 0 {
		return nil
	}
	c := l.pending[0]
	l.pending[0] = nil
	l.pending = l.pending[1:]
	s.nPending.Add(-1)
	c.Remote(peer)
	return c
}
