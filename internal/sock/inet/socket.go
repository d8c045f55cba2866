// Package inet implements AF_INET and AF_INET6 sockets by host sockets that
// the guest never sees: TCP, UDP and ICMP echo. Families, protocols, options
// and flags that are not on a list here do not reach the host.
//
// A host socket is always non-blocking. It is watched by hostpoll from the
// first time that anybody waits for it.
//
// Lock order:
//
//	Socket.connecting > Socket.mu
//	Socket.connecting > Stack.mu
//	Socket.mu > hostpoll.Poller.mu, hostpoll.Set.mu
//	Socket.mu > sock/loopback.Stack.mu
//	epoll.Instance.mtx > Socket.mu
//	pipe.Pipe.rdMu, pipe.Pipe.wrMu > Socket.mu (in splice)
package inet

import (
	"encoding/binary"
	"sync"
	"sync/atomic"

	"sentinel/internal/abi/linux"
	"sentinel/internal/cred"
	"sentinel/internal/host"
	"sentinel/internal/hostpoll"
	"sentinel/internal/sock"
	"sentinel/internal/sock/netif"
	"sentinel/internal/vfs"
	"sentinel/internal/waiter"
)

// Stack makes sockets on the host's network.
type Stack struct {
	poll *hostpoll.Poller
	ifs  *netif.List

	pair Pair // nil: all connections are the host's

	mu        sync.Mutex
	sockets   map[*Socket]struct{} // for /proc/net
	listeners map[uint16][]*Socket // by port
}

// New returns a stack that has its sockets watched by poll and tells of the
// interfaces ifs. Connections between its own
// sockets are made by pair, if that is not nil.
func New(poll *hostpoll.Poller, ifs *netif.List, pair Pair) *Stack {
	return &Stack{poll: poll, ifs: ifs, pair: pair, sockets: map[*Socket]struct{}{}, listeners: map[uint16][]*Socket{}}
}

// Check validates type and protocol of an AF_INET or AF_INET6 socket and fills
// in the default protocol (inet_create in net/ipv4/af_inet.c).
func Check(family, typ, protocol int) (int, error) {
	echo := linux.IPPROTO_ICMP
	if family == linux.AF_INET6 {
		echo = linux.IPPROTO_ICMPV6
	}
	switch typ {
	case linux.SOCK_STREAM:
		if protocol == 0 || protocol == linux.IPPROTO_TCP {
			return linux.IPPROTO_TCP, nil
		}
		return 0, linux.EPROTONOSUPPORT
	case linux.SOCK_DGRAM:
		if protocol == 0 || protocol == linux.IPPROTO_UDP {
			return linux.IPPROTO_UDP, nil
		}
		if protocol == echo {
			return protocol, nil
		}
		return 0, linux.EPROTONOSUPPORT
	case linux.SOCK_RAW:
		if protocol == 0 {
			return 0, linux.EPROTONOSUPPORT
		}
		return 0, linux.EPERM
	}
	return 0, linux.ESOCKTNOSUPPORT
}

// Socket opens a socket.
func (st *Stack) Socket(c *vfs.Context, family, typ, protocol int) (sock.Socket, error) {
	protocol, err := Check(family, typ, protocol)
	if err != nil {
		return nil, err
	}
	fd, err := host.Socket(family, typ, protocol)
	if err != nil {
		return nil, fileError(err)
	}
	return st.add(c, fd, family, typ, protocol), nil
}

// fileError hides the supervisor's own descriptor limit behind the system's.
func fileError(err error) error {
	if err == linux.EMFILE {
		return linux.ENFILE
	}
	return err
}

func (st *Stack) add(c *vfs.Context, fd, family, typ, protocol int) *Socket {
	s := &Socket{st: st, fd: fd}
	s.Init(c, family, typ, protocol)
	st.mu.Lock()
	st.sockets[s] = struct{}{}
	st.mu.Unlock()
	return s
}

// Socket is a host socket.
type Socket struct {
	sock.Base
	st *Stack
	fd int

	state   hostpoll.State
	shared  atomic.Bool // watched in the shared set
	mu      sync.Mutex
	set     *hostpoll.Set // that it is watched in, if any
	stop    func()
	closed  bool
	options []option

	accepted   bool                 // by the host: it stays the host's
	connecting sync.Mutex           // held by Connect
	asked      bool                 // the host has been asked to connect it
	conn       atomic.Pointer[Conn] // that the host does not have
	listener   listener
	listening  atomic.Bool
	nPending   atomic.Int32 // len(listener.pending)
	accepts    atomic.Uint32
}

var _ sock.Socket = (*Socket)(nil)

// Readiness implements waiter.Waitable.
func (s *Socket) Readiness(mask waiter.Mask) waiter.Mask {
	if c := s.near(); c != nil {
		return c.Readiness(mask)
	}
	return hostpoll.Readiness(s.fd, mask) | s.acceptable(mask)
}

// Announced implements hostpoll.Source.
func (s *Socket) Announced(mask waiter.Mask) waiter.Mask {
	if c := s.near(); c != nil {
		return c.Readiness(mask)
	}
	return s.state.Readiness(s.fd, mask) | s.acceptable(mask)
}

// acceptable is Readiness as far as the host does not know of it.
func (s *Socket) acceptable(mask waiter.Mask) waiter.Mask {
	if s.nPending.Load() > 0 {
		return mask & waiter.Readable
	}
	return 0
}

// HostWait implements waiter.HostWaitable.
func (s *Socket) HostWait() (fd int, all bool) {
	if s.near() != nil {
		return -1, false
	}
	return s.fd, !s.listening.Load()
}

// Common implements sock.Socket.
func (s *Socket) Common() *sock.Base {
	if c := s.near(); c != nil {
		return c.Common()
	}
	return &s.Base
}

// EventRegister implements waiter.Waitable.
func (s *Socket) EventRegister(e *waiter.Entry, mask waiter.Mask) {
	s.Queue.Register(e, mask)
	if s.shared.Load() || s.near() != nil {
		return
	}
	set, err := s.st.poll.Shared()
	if err == nil {
		err = s.watchIn(set)
	}
	if err != nil {
		// Without a watch the waiter would sleep for ever; let it look again.
		e.Notify(mask)
	}
}

// RegisterIn implements hostpoll.Source.
func (s *Socket) RegisterIn(set *hostpoll.Set, e *waiter.Entry, mask waiter.Mask) {
	s.Queue.Register(e, mask)
	if s.shared.Load() || s.near() != nil {
		return
	}
	if s.watchIn(set) != nil {
		e.Notify(mask)
	}
}

// watchIn has the socket watched in set, or in the shared set if it is in
// another one already: all who wait for it are served from one.
func (s *Socket) watchIn(set *hostpoll.Set) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.set == set || s.shared.Load() {
		return nil
	}
	all, err := s.st.poll.Shared()
	if err != nil {
		return err
	}
	if s.set != nil {
		if !s.set.Closed() {
			set = all
		}
		s.stop()
		s.set, s.stop = nil, nil
	}
	stop, err := set.Watch(s.fd, &s.Queue, &s.state)
	if err != nil {
		return err
	}
	s.set, s.stop = set, stop
	s.shared.Store(set == all)
	return nil
}

// Close implements sock.Socket.
func (s *Socket) Close() {
	s.mu.Lock()
	stop := s.stop
	done := s.closed
	s.closed, s.stop = true, nil
	s.mu.Unlock()
	if done {
		return
	}
	if stop != nil {
		stop()
	}
	s.unlisten()
	if c := s.near(); c != nil {
		c.Close()
	}
	s.st.mu.Lock()
	delete(s.st.sockets, s)
	s.st.mu.Unlock()
	host.CloseSocket(s.fd)
}

// Privileged checks the right to bind to a port below 1024
// (ip_unprivileged_port_start).
func Privileged(c *vfs.Context, addr []byte) error {
	if len(addr) < 4 || c.Cred == nil {
		return nil
	}
	if f, _ := sock.Family(addr); f != linux.AF_INET && f != linux.AF_INET6 {
		return nil
	}
	port := binary.BigEndian.Uint16(addr[2:])
	if port != 0 && port < 1024 && !c.Cred.Has(cred.CapNetBindService) {
		return linux.EACCES
	}
	return nil
}

// Bind implements sock.Socket.
func (s *Socket) Bind(c *vfs.Context, addr []byte) error {
	if n := s.near(); n != nil {
		return n.Bind(c, addr)
	}
	if s.Protocol != linux.IPPROTO_ICMP && s.Protocol != linux.IPPROTO_ICMPV6 {
		if err := Privileged(c, addr); err != nil {
			return err
		}
	}
	return host.Bind(s.fd, addr)
}

// Listen implements sock.Socket.
func (s *Socket) Listen(c *vfs.Context, backlog int) error {
	if n := s.near(); n != nil {
		return n.Listen(c, backlog)
	}
	if err := host.Listen(s.fd, backlog); err != nil {
		return err
	}
	s.listens(backlog)
	return nil
}

// Connect implements sock.Socket.
func (s *Socket) Connect(c *vfs.Context, addr []byte) error {
	s.connecting.Lock()
	defer s.connecting.Unlock()
	if n := s.near(); n != nil {
		err := n.Connect(c, addr)
		if err == nil && n.Disconnected() {
			s.SetErr(linux.ECONNRESET)
			s.conn.Store(nil)
			n.Close()
		}
		return err
	}
	s.TakeErr()
	if s.connectNear(addr) {
		return linux.EINPROGRESS
	}
	if f, ok := sock.Family(addr); ok && f == linux.AF_UNSPEC {
		s.unlisten()
		s.asked = false
	} else {
		s.asked = true
	}
	return host.Connect(s.fd, addr)
}

// Accept implements sock.Socket.
func (s *Socket) Accept(c *vfs.Context, peer *sock.Addr) (sock.Socket, error) {
	var local sock.Addr
	if peer == nil {
		peer = &local
	}
	if s.accepts.Add(1)%hostTurn != 0 {
		if n := s.pop(peer); n != nil {
			return n, nil
		}
	}
	s.state.BeginRead()
	fd, n, err := host.Accept(s.fd, &peer.B)
	s.state.EndRead(err == linux.EAGAIN)
	if err == linux.EAGAIN {
		if n := s.pop(peer); n != nil {
			return n, nil
		}
	}
	if err != nil {
		return nil, fileError(err)
	}
	peer.N = n
	k := s.st.add(c, fd, s.Family, s.Type, s.Protocol)
	k.accepted = true
	k.CopyOptions(&s.Base)
	return k, nil
}

// Shutdown implements sock.Socket.
func (s *Socket) Shutdown(c *vfs.Context, how int) error {
	if how < 0 || how > 2 {
		return linux.EINVAL
	}
	if n := s.near(); n != nil {
		return n.Shutdown(c, how)
	}
	if how != 1 {
		s.unlisten()
	}
	s.state.Forget()
	return host.Shutdown(s.fd, how)
}

// Name implements sock.Socket.
func (s *Socket) Name(a *sock.Addr) (err error) {
	if n := s.near(); n != nil {
		return n.Name(a)
	}
	a.N, err = host.SockName(s.fd, false, &a.B)
	return err
}

// Peer implements sock.Socket.
func (s *Socket) Peer(a *sock.Addr) (err error) {
	if n := s.near(); n != nil {
		return n.Peer(a)
	}
	a.N, err = host.SockName(s.fd, true, &a.B)
	return err
}

const (
	sendFlags = linux.MSG_OOB | linux.MSG_DONTROUTE | linux.MSG_EOR | linux.MSG_MORE | linux.MSG_CONFIRM | linux.MSG_FASTOPEN
	recvFlags = linux.MSG_OOB | linux.MSG_PEEK | linux.MSG_TRUNC | linux.MSG_ERRQUEUE
)

// Send implements sock.Socket.
func (s *Socket) Send(c *vfs.Context, m *sock.Msg) (int, error) {
	if n := s.near(); n != nil {
		return n.Send(c, m)
	}
	if err := s.TakeErr(); err != nil {
		return 0, err
	}
	flags := m.Flags&sendFlags | linux.MSG_NOSIGNAL | linux.MSG_DONTWAIT
	var addr []byte
	if m.Addr.N != 0 {
		addr = m.Addr.B[:m.Addr.N]
	}
	var control []byte
	if len(m.Control) != 0 {
		var err error
		if control, err = sendable(m.Control); err != nil {
			return 0, err
		}
	}
	s.state.BeginWrite()
	var n int
	var err error
	if control == nil {
		n, err = host.SendTo(s.fd, m.Data, flags, addr)
	} else {
		n, err = host.SendMsg(s.fd, m.Data, flags, addr, control)
	}
	s.state.EndWrite(n, err == linux.EAGAIN || err == nil && n < len(m.Data))
	return n, err
}

// sendable copies the control messages that may go to the host. Rights and
// credentials mean nothing to inet sockets, which ignore them.
func sendable(b []byte) ([]byte, error) {
	out := sock.Msg{Control: make([]byte, len(b)+8)}
	flags := 0
	err := sock.EachCmsg(b, func(level, typ int, data []byte) error {
		switch level {
		case linux.SOL_SOCKET:
			switch typ {
			case linux.SCM_RIGHTS, linux.SCM_CREDENTIALS:
				return nil
			case linux.SO_MARK:
				return linux.EPERM
			case linux.SO_TIMESTAMPING_OLD:
			default:
				return linux.EINVAL
			}
		case linux.SOL_IP:
			switch typ {
			case linux.IP_PKTINFO, linux.IP_TTL, linux.IP_TOS:
			default:
				return linux.EINVAL
			}
		case linux.SOL_IPV6:
			switch typ {
			case linux.IPV6_PKTINFO, linux.IPV6_2292PKTINFO, linux.IPV6_HOPLIMIT, linux.IPV6_2292HOPLIMIT,
				linux.IPV6_TCLASS, linux.IPV6_DONTFRAG:
			default:
				return linux.EINVAL
			}
		case linux.SOL_UDP:
			if typ != linux.UDP_SEGMENT {
				return linux.EINVAL
			}
		default:
			return nil // others are for other protocols
		}
		out.PutCmsg(&flags, level, typ, data)
		return nil
	})
	return out.Control[:out.ControlN], err
}

// Recv implements sock.Socket.
func (s *Socket) Recv(c *vfs.Context, m *sock.Msg) (int, error) {
	if n := s.near(); n != nil {
		return n.Recv(c, m)
	}
	if err := s.TakeErr(); err != nil {
		return 0, err
	}
	in := m.Flags
	flags := in&recvFlags | linux.MSG_DONTWAIT
	if s.Type == linux.SOCK_STREAM && len(m.Control) == 0 && in&(linux.MSG_OOB|linux.MSG_ERRQUEUE) == 0 {
		m.Flags = 0
		s.state.BeginRead()
		n, _, err := host.RecvFrom(s.fd, m.Data, flags, nil)
		// A short read leaves nothing, unless it stands before the end or
		// urgent data, which are announced.
		s.state.EndRead(err == linux.EAGAIN || n > 0 && n < len(m.Data) && flags&linux.MSG_PEEK == 0)
		return n, err
	}
	s.state.BeginRead()
	r, err := host.RecvMsg(s.fd, m.Data, flags, &m.Addr.B, m.Control)
	s.state.EndRead(false)
	if err != nil {
		return 0, err
	}
	m.Flags = r.Flags &^ linux.MSG_CMSG_CLOEXEC
	m.Addr.N, m.ControlN = r.Addr, r.Control
	return r.N, nil
}

// Ioctl implements sock.Socket.
func (s *Socket) Ioctl(c *vfs.Context, cmd uint32, arg uint64) (uint64, error) {
	if n := s.near(); n != nil {
		return n.Ioctl(c, cmd, arg)
	}
	switch cmd {
	case linux.SIOCINQ, linux.SIOCOUTQ, linux.SIOCATMARK, linux.SIOCOUTQNSD:
		v, err := host.IoctlInt(s.fd, uint(cmd))
		if err != nil {
			return 0, err
		}
		return 0, sock.PutUserInt(c, arg, v)
	}
	if ok, err := s.st.ifs.Ioctl(c, cmd, arg); ok {
		return 0, err
	}
	return 0, linux.ENOTTY
}
