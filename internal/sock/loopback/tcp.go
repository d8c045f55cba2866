package loopback

import (
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"

	"sentinel/internal/abi/linux"
	"sentinel/internal/sock"
	"sentinel/internal/sock/inet"
	"sentinel/internal/vfs"
	"sentinel/internal/waiter"
)

// States of a TCP socket.
const (
	stClosed     = iota
	stConnecting // the listener's queue is full
	stListen
	stEstablished // until both directions are over
	stDead        // reset
)

// Halves of shutdown(2).
const (
	shutRecv = 1
	shutSend = 2
)

// TCP is a TCP socket.
type TCP struct {
	sock.Base
	endpoint
	options

	events *waiter.Queue // that is notified; Base.Queue but for some of Pair

	state atomic.Int32 // written under st.mu
	shut  atomic.Uint32
	peer  atomic.Pointer[TCP]
	// nPending is len(pending), for Readiness, which takes no st.mu because
	// waiters are notified with it held.
	nPending atomic.Int32

	rx struct {
		mu        sync.Mutex
		ring      sock.Ring
		fin       bool // the peer sends no more
		gone      bool // this socket is closed: nothing can arrive
		wantSpace bool // the peer found it full
		urgent    urgent
	}

	// Guarded by st.mu.
	closed  bool
	fresh   bool // connect(2) has not yet been told how it went
	backlog int
	pending []*TCP // established, not accepted
	syn     []*TCP // waiting for room in pending
	via     *TCP   // the listener, while connecting or not accepted
	turn    uint   // which of several listeners is next
}

// urgent is a byte sent with MSG_OOB. after is how much of the ring comes
// before its place.
type urgent struct {
	set, read bool
	b         byte
	after     int
}

var _ sock.Socket = (*TCP)(nil)

func (st *Stack) newTCP(c *vfs.Context, family int) *TCP {
	s := &TCP{}
	s.events = &s.Queue
	s.Init(c, family, linux.SOCK_STREAM, linux.IPPROTO_TCP)
	s.endpoint = endpoint{st: st, base: &s.Base, opts: &s.options, tcp: s}
	st.mu.Lock()
	st.tcps[s] = struct{}{}
	st.mu.Unlock()
	return s
}

// Bind implements sock.Socket.
func (s *TCP) Bind(c *vfs.Context, addr []byte) error {
	return s.st.bind(c, &s.st.tcp, &s.endpoint, addr)
}

// Listen implements sock.Socket.
func (s *TCP) Listen(_ *vfs.Context, backlog int) error {
	st := s.st
	st.mu.Lock()
	defer st.mu.Unlock()
	switch s.state.Load() {
	case stClosed:
		if s.local.Port() == 0 {
			ap, ok := st.tcp.pick(&s.endpoint, any(s.Family))
			if !ok {
				return linux.EADDRINUSE
			}
			s.local = ap
			st.tcp.add(&s.endpoint)
		} else if st.tcp.listened(&s.endpoint) {
			return linux.EADDRINUSE
		}
	case stListen:
	default:
		return linux.EINVAL
	}
	if uint(backlog) > sock.Somaxconn {
		backlog = sock.Somaxconn
	}
	s.backlog = backlog
	s.state.Store(stListen)
	st.admit(s)
	return nil
}

// listened reports whether another socket listens where e wants to.
func (p *ports) listened(e *endpoint) bool {
	for _, o := range p.m[e.local.Port()] {
		if o == e || o.tcp == nil || o.tcp.state.Load() != stListen || !overlap(e, o, e.local.Addr(), o.local.Addr()) {
			continue
		}
		if e.base.Flag(sock.FlagReusePort) && o.base.Flag(sock.FlagReusePort) && e.base.UID == o.base.UID {
			continue
		}
		return true
	}
	return false
}

// Connect implements sock.Socket. As on Linux it is under way when it returns,
// though here nearly always done: EINPROGRESS first, the result the next time.
func (s *TCP) Connect(_ *vfs.Context, addr []byte) error {
	if f, ok := sock.Family(addr); ok && f == linux.AF_UNSPEC {
		s.disconnect()
		return nil
	}
	st := s.st
	st.mu.Lock()
	defer st.mu.Unlock()
	switch s.state.Load() {
	case stListen:
		return linux.EISCONN
	case stConnecting:
		return linux.EALREADY
	case stEstablished, stDead:
		if !s.fresh {
			return linux.EISCONN
		}
		s.fresh = false
		return s.TakeErr()
	}
	refused := s.fresh
	s.fresh = false
	s.shut.Store(0)
	if refused {
		if err := s.TakeErr(); err != nil {
			return err
		}
	}
	dst, err := s.target(addr)
	if err != nil {
		return err
	}
	s.TakeErr() // of an earlier connection
	src := s.source(dst.Addr())
	if s.local.Port() == 0 {
		ap, ok := st.tcp.pick(&s.endpoint, src)
		if !ok {
			return linux.EADDRNOTAVAIL
		}
		s.local = ap
		st.tcp.add(&s.endpoint)
	} else {
		src := netip.AddrPortFrom(src, s.local.Port())
		for _, o := range st.tcp.m[s.local.Port()] {
			if o != &s.endpoint && o.local == src && o.remote == dst {
				return linux.EADDRNOTAVAIL
			}
		}
		s.local = src
	}
	l := st.listener(dst, s.local)
	if l == nil {
		s.refuse()
		return linux.EINPROGRESS
	}
	s.remote = dst
	if len(l.pending) > l.backlog {
		s.state.Store(stConnecting)
		s.via = l
		l.syn = append(l.syn, s)
	} else {
		st.establish(s, l)
	}
	return linux.EINPROGRESS
}

// refuse makes an attempt to connect fail; st.mu is held.
func (s *TCP) refuse() {
	s.SetErr(linux.ECONNREFUSED)
	s.fresh, s.via = true, nil
	s.remote = netip.AddrPort{}
	s.state.Store(stClosed)
	s.shut.Store(shutRecv | shutSend)
	s.unbind()
	s.events.Notify(waiter.Err | waiter.Hup | waiter.Readable | waiter.Writable)
}

// unbind gives back an address that bind did not choose; st.mu is held.
func (s *TCP) unbind() {
	if !s.bound && s.local.Port() != 0 {
		s.st.tcp.remove(&s.endpoint)
		s.local = netip.AddrPort{}
	}
}

// listener finds who accepts connections to dst; st.mu is held.
func (st *Stack) listener(dst, src netip.AddrPort) *TCP {
	var best []*TCP
	score := 0
	for _, e := range st.tcp.m[dst.Port()] {
		if e.tcp.state.Load() != stListen || e.tcp.shut.Load()&shutRecv != 0 {
			continue
		}
		switch n := e.accepts(dst, src); {
		case n == 0 || n < score:
		case n > score:
			best, score = append(best[:0], e.tcp), n
		default:
			best = append(best, e.tcp) // SO_REUSEPORT
		}
	}
	if len(best) == 0 {
		return nil
	}
	best[0].turn++
	return best[best[0].turn%uint(len(best))]
}

// end makes an end of a connection, with the options of b that all sockets have.
func (st *Stack) end(b *sock.Base, local, remote netip.AddrPort) *TCP {
	s := &TCP{}
	s.events = &s.Queue
	s.InitPeer(b, linux.SOCK_STREAM, linux.IPPROTO_TCP)
	s.CopyOptions(b)
	s.endpoint = endpoint{st: st, base: &s.Base, opts: &s.options, tcp: s, local: local, remote: remote, bound: true}
	s.state.Store(stEstablished)
	return s
}

// establish connects s to listener l; st.mu is held.
func (st *Stack) establish(s, l *TCP) {
	e := st.end(&l.Base, s.remote, s.local)
	e.via = l
	l.options.mu.Lock()
	if l.options.m != nil {
		e.options.m = make(map[[2]int]int32, len(l.options.m))
		for k, v := range l.options.m {
			e.options.m[k] = v
		}
	}
	l.options.mu.Unlock()
	e.peer.Store(s)
	st.tcp.add(&e.endpoint)
	st.tcps[e] = struct{}{}
	s.peer.Store(e)
	s.fresh, s.via = true, nil
	s.state.Store(stEstablished)
	l.pending = append(l.pending, e)
	l.nPending.Add(1)
	l.events.Notify(waiter.Readable)
	s.events.Notify(waiter.Writable)
}

// admit lets connections in that wait for room with l; st.mu is held.
func (st *Stack) admit(l *TCP) {
	for len(l.syn) > 0 && len(l.pending) <= l.backlog {
		s := l.syn[0]
		l.syn = l.syn[1:]
		st.establish(s, l)
	}
}

// Accept implements sock.Socket.
func (s *TCP) Accept(_ *vfs.Context, peer *sock.Addr) (sock.Socket, error) {
	st := s.st
	st.mu.Lock()
	defer st.mu.Unlock()
	if s.state.Load() != stListen {
		return nil, linux.EINVAL
	}
	if len(s.pending) == 0 {
		return nil, linux.EAGAIN
	}
	e := s.pending[0]
	s.pending[0] = nil
	s.pending = s.pending[1:]
	s.nPending.Add(-1)
	e.via = nil
	st.admit(s)
	if peer != nil {
		inet.PutAddr(e.Family, peer, e.remote)
	}
	return e, nil
}

// Shutdown implements sock.Socket.
func (s *TCP) Shutdown(_ *vfs.Context, how int) error {
	if how < 0 || how > 2 {
		return linux.EINVAL
	}
	mode := uint32(how + 1)
	st := s.st
	st.mu.Lock()
	defer st.mu.Unlock()
	switch s.state.Load() {
	case stListen:
		if mode&shutRecv != 0 {
			s.stopListening()
			s.unbind()
		}
		return nil
	case stEstablished:
	case stConnecting:
		s.abandon()
		return nil
	default:
		return linux.ENOTCONN
	}
	s.shut.Or(mode)
	if p := s.peer.Load(); p != nil && mode&shutSend != 0 {
		p.finish()
	}
	s.events.Notify(waiter.Readable | waiter.Writable | waiter.RdHup | waiter.Hup)
	return nil
}

// finish is the arrival of FIN; st.mu is held.
func (s *TCP) finish() {
	s.rx.mu.Lock()
	s.rx.fin = true
	s.rx.mu.Unlock()
	s.shut.Or(shutRecv)
	s.events.Notify(waiter.Readable | waiter.RdHup | waiter.Hup)
}

// reset is the arrival of RST; st.mu is held.
func (s *TCP) reset(err linux.Errno) {
	s.SetErr(err)
	s.shut.Store(shutRecv | shutSend)
	s.state.Store(stDead)
	s.events.Notify(waiter.Readable | waiter.Writable | waiter.RdHup | waiter.Hup | waiter.Err)
}

// stopListening resets what was not accepted; st.mu is held.
func (s *TCP) stopListening() {
	s.state.Store(stClosed)
	pending, syn := s.pending, s.syn
	s.pending, s.syn = nil, nil
	s.nPending.Store(0)
	for _, e := range pending {
		e.drop(true)
	}
	for _, w := range syn {
		w.refuse()
	}
	s.events.Notify(waiter.Readable | waiter.Hup)
}

// abandon gives up an attempt to connect; st.mu is held.
func (s *TCP) abandon() {
	if l := s.via; l != nil {
		l.syn = slices.DeleteFunc(l.syn, func(x *TCP) bool { return x == s })
	}
	s.via = nil
	s.remote = netip.AddrPort{}
	s.state.Store(stClosed)
	s.unbind()
}

// drop ends a connection from this side, by FIN or, if data was lost or rst is
// set, by RST; st.mu is held.
func (s *TCP) drop(rst bool) {
	s.rx.mu.Lock()
	rst = rst || s.rx.ring.Len() > 0
	s.rx.gone = true
	s.rx.ring.Reset()
	s.rx.mu.Unlock()
	p := s.peer.Load()
	if p != nil && s.state.Load() == stEstablished {
		if rst {
			if p.state.Load() == stEstablished {
				p.reset(linux.ECONNRESET)
			}
		} else {
			p.finish()
			p.events.Notify(waiter.Writable)
		}
	}
	s.state.Store(stDead)
	s.shut.Store(shutRecv | shutSend)
	delete(s.st.tcps, s)
	if s.local.Port() != 0 {
		s.st.tcp.remove(&s.endpoint)
	}
}

// Close implements sock.Socket.
func (s *TCP) Close() {
	s.st.mu.Lock()
	defer s.st.mu.Unlock()
	if s.closed {
		return
	}
	s.closed = true
	switch s.state.Load() {
	case stListen:
		s.stopListening()
	case stConnecting:
		s.abandon()
	}
	on, sec := s.Linger()
	s.drop(on && sec == 0)
	s.events.Notify(waiter.Readable | waiter.Writable | waiter.RdHup | waiter.Hup)
}

// disconnect is connect(2) with AF_UNSPEC (tcp_disconnect).
func (s *TCP) disconnect() {
	s.st.mu.Lock()
	defer s.st.mu.Unlock()
	was := linux.Errno(0)
	switch s.state.Load() {
	case stListen:
		s.stopListening()
	case stConnecting:
		s.abandon()
	case stEstablished:
		if p := s.peer.Load(); p != nil && p.state.Load() == stEstablished {
			p.reset(linux.ECONNRESET)
		}
		was = linux.ECONNRESET
	}
	s.rx.mu.Lock()
	s.rx.ring.Reset()
	s.rx.fin = false
	s.rx.mu.Unlock()
	s.peer.Store(nil)
	s.shut.Store(0)
	s.fresh = false
	s.remote = netip.AddrPort{}
	s.SetErr(was)
	s.state.Store(stClosed)
	s.unbind()
}

// Name implements sock.Socket.
func (s *TCP) Name(a *sock.Addr) error {
	s.st.mu.Lock()
	defer s.st.mu.Unlock()
	inet.PutAddr(s.Family, a, s.local)
	return nil
}

// Peer implements sock.Socket.
func (s *TCP) Peer(a *sock.Addr) error {
	s.st.mu.Lock()
	defer s.st.mu.Unlock()
	if s.state.Load() != stEstablished {
		return linux.ENOTCONN
	}
	inet.PutAddr(s.Family, a, s.remote)
	return nil
}
