package loopback

import (
	"encoding/binary"
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

const (
	maxDatagram = 65507
	perDatagram = 768 // charged beside data, as a struct sk_buff and its head
)

type datagram struct {
	data     []byte
	src, dst netip.AddrPort
}

// UDP is a UDP socket.
type UDP struct {
	sock.Base
	endpoint
	options

	shut   atomic.Uint32
	closed bool // guarded by st.mu

	rx struct {
		mu    sync.Mutex
		queue []datagram
		bytes int
	}
}

var _ sock.Socket = (*UDP)(nil)

// Bind implements sock.Socket.
func (s *UDP) Bind(c *vfs.Context, addr []byte) error {
	return s.st.bind(c, &s.st.udp, &s.endpoint, addr)
}

// Listen implements sock.Socket.
func (s *UDP) Listen(*vfs.Context, int) error { return linux.EOPNOTSUPP }

// Accept implements sock.Socket.
func (s *UDP) Accept(*vfs.Context, *sock.Addr) (sock.Socket, error) { return nil, linux.EOPNOTSUPP }

// Connect implements sock.Socket.
func (s *UDP) Connect(_ *vfs.Context, addr []byte) error {
	s.st.mu.Lock()
	defer s.st.mu.Unlock()
	if f, ok := sock.Family(addr); ok && f == linux.AF_UNSPEC {
		s.remote = netip.AddrPort{}
		if s.local.Port() != 0 && !s.bound {
			s.st.udp.remove(&s.endpoint)
			s.local = netip.AddrPort{}
		}
		return nil
	}
	dst, err := s.target(addr)
	if err != nil {
		return err
	}
	if err := s.autobind(); err != nil {
		return err
	}
	s.local = netip.AddrPortFrom(s.source(dst.Addr()), s.local.Port())
	s.remote = dst
	return nil
}

// autobind takes an ephemeral port; st.mu is held.
func (s *UDP) autobind() error {
	if s.local.Port() != 0 {
		return nil
	}
	ap, ok := s.st.udp.pick(&s.endpoint, any(s.Family))
	if !ok {
		return linux.EAGAIN
	}
	s.local = ap
	s.st.udp.add(&s.endpoint)
	return nil
}

// Shutdown implements sock.Socket.
func (s *UDP) Shutdown(_ *vfs.Context, how int) error {
	if how < 0 || how > 2 {
		return linux.EINVAL
	}
	s.st.mu.Lock()
	conn := s.remote.IsValid()
	s.st.mu.Unlock()
	s.shut.Or(uint32(how + 1))
	s.Queue.Notify(waiter.Readable | waiter.Writable | waiter.RdHup | waiter.Hup)
	if !conn {
		return linux.ENOTCONN
	}
	return nil
}

// Name implements sock.Socket.
func (s *UDP) Name(a *sock.Addr) error {
	s.st.mu.Lock()
	defer s.st.mu.Unlock()
	inet.PutAddr(s.Family, a, s.local)
	return nil
}

// Peer implements sock.Socket.
func (s *UDP) Peer(a *sock.Addr) error {
	s.st.mu.Lock()
	defer s.st.mu.Unlock()
	if !s.remote.IsValid() {
		return linux.ENOTCONN
	}
	inet.PutAddr(s.Family, a, s.remote)
	return nil
}

// Send implements sock.Socket.
func (s *UDP) Send(_ *vfs.Context, m *sock.Msg) (int, error) {
	if m.Flags&linux.MSG_OOB != 0 {
		return 0, linux.EOPNOTSUPP
	}
	if len(m.Data) > maxDatagram {
		return 0, linux.EMSGSIZE
	}
	if len(m.Control) > 0 {
		if err := sock.EachCmsg(m.Control, func(_, _ int, _ []byte) error { return nil }); err != nil {
			return 0, err
		}
	}
	if err := s.TakeErr(); err != nil {
		return 0, err
	}
	if s.shut.Load()&shutSend != 0 {
		return 0, linux.EPIPE
	}
	st := s.st
	st.mu.Lock()
	if err := s.autobind(); err != nil { // before anything else, as inet_send_prepare
		st.mu.Unlock()
		return 0, err
	}
	dst := s.remote
	if m.Addr.N != 0 {
		var err error
		if dst, err = s.target(m.Addr.Bytes()); err == nil && dst.Port() == 0 {
			err = linux.EINVAL
		}
		if err != nil {
			st.mu.Unlock()
			return 0, err
		}
	} else if !dst.IsValid() {
		st.mu.Unlock()
		return 0, linux.EDESTADDRREQ
	}
	src := netip.AddrPortFrom(s.source(dst.Addr()), s.local.Port())
	var to *UDP
	score := 0
	for _, e := range st.udp.m[dst.Port()] {
		if n := e.accepts(dst, src); n > score {
			to, score = e.udp, n
		}
	}
	connected := s.remote.IsValid()
	st.mu.Unlock()
	if to == nil {
		if connected {
			// The ICMP error that a connected socket is told of.
			s.SetErr(linux.ECONNREFUSED)
			s.Queue.Notify(waiter.Err | waiter.Readable | waiter.Writable)
		}
		return len(m.Data), nil
	}
	to.rx.mu.Lock()
	room := to.rx.bytes+len(m.Data)+perDatagram <= to.RcvBuf()
	if room {
		to.rx.queue = append(to.rx.queue, datagram{slices.Clone(m.Data), src, dst})
		to.rx.bytes += len(m.Data) + perDatagram
	}
	to.rx.mu.Unlock()
	if room { // else it is lost, as datagrams are
		to.Queue.Notify(waiter.Readable)
	}
	return len(m.Data), nil
}

// Recv implements sock.Socket.
func (s *UDP) Recv(_ *vfs.Context, m *sock.Msg) (int, error) {
	in := m.Flags
	m.Flags, m.Addr.N = 0, 0
	if in&linux.MSG_ERRQUEUE != 0 {
		return 0, linux.EAGAIN
	}
	if in&linux.MSG_OOB != 0 {
		return 0, linux.EOPNOTSUPP
	}
	if err := s.TakeErr(); err != nil {
		return 0, err
	}
	s.rx.mu.Lock()
	if len(s.rx.queue) == 0 {
		s.rx.mu.Unlock()
		if s.shut.Load()&shutRecv != 0 {
			return 0, nil
		}
		return 0, linux.EAGAIN
	}
	d := s.rx.queue[0]
	if in&linux.MSG_PEEK == 0 {
		s.rx.queue[0] = datagram{}
		s.rx.queue = s.rx.queue[1:]
		s.rx.bytes -= len(d.data) + perDatagram
		if len(s.rx.queue) == 0 {
			s.rx.queue = nil
		}
	}
	s.rx.mu.Unlock()
	inet.PutAddr(s.Family, &m.Addr, d.src)
	n := copy(m.Data, d.data)
	if n < len(d.data) {
		m.Flags |= linux.MSG_TRUNC
		if in&linux.MSG_TRUNC != 0 {
			n = len(d.data)
		}
	}
	s.cmsgs(m, &d)
	return n, nil
}

func (s *UDP) cmsgs(m *sock.Msg, d *datagram) {
	ne := binary.NativeEndian
	if s.options.pktinfo.Load() {
		if d.dst.Addr().Is4() && !s.v6() {
			var b [12]byte // struct in_pktinfo
			ip := d.dst.Addr().As4()
			ne.PutUint32(b[:], 1)
			copy(b[4:], ip[:])
			copy(b[8:], ip[:])
			m.PutCmsg(&m.Flags, linux.SOL_IP, linux.IP_PKTINFO, b[:])
		} else {
			var b [20]byte // struct in6_pktinfo
			ip := d.dst.Addr().As16()
			copy(b[:], ip[:])
			ne.PutUint32(b[16:], 1)
			m.PutCmsg(&m.Flags, linux.SOL_IPV6, linux.IPV6_PKTINFO, b[:])
		}
	}
	if s.options.ttl.Load() {
		var b [4]byte
		ne.PutUint32(b[:], 64)
		if s.v6() {
			m.PutCmsg(&m.Flags, linux.SOL_IPV6, linux.IPV6_HOPLIMIT, b[:])
		} else {
			m.PutCmsg(&m.Flags, linux.SOL_IP, linux.IP_TTL, b[:])
		}
	}
}

// Readiness implements waiter.Waitable (datagram_poll).
func (s *UDP) Readiness(mask waiter.Mask) waiter.Mask {
	got := waiter.Writable
	if s.HasErr() {
		got |= waiter.Err
	}
	shut := s.shut.Load()
	if shut&shutRecv != 0 {
		got |= waiter.Readable | waiter.RdHup
	}
	if shut == shutRecv|shutSend {
		got |= waiter.Hup
	}
	s.rx.mu.Lock()
	if len(s.rx.queue) > 0 {
		got |= waiter.Readable
	}
	s.rx.mu.Unlock()
	return got & (mask | waiter.Err | waiter.Hup)
}

// SetOpt implements sock.Socket.
func (s *UDP) SetOpt(c *vfs.Context, level, name int, val []byte) error {
	return s.setOpt(c, level, name, val)
}

// GetOpt implements sock.Socket.
func (s *UDP) GetOpt(_ *vfs.Context, level, name int, buf []byte) (int, error) {
	return s.getOpt(level, name, buf)
}

// Ioctl implements sock.Socket.
func (s *UDP) Ioctl(c *vfs.Context, cmd uint32, arg uint64) (uint64, error) {
	switch cmd {
	case linux.SIOCINQ:
		s.rx.mu.Lock()
		n := 0
		if len(s.rx.queue) > 0 {
			n = len(s.rx.queue[0].data)
		}
		s.rx.mu.Unlock()
		return 0, sock.PutUserInt(c, arg, n)
	case linux.SIOCOUTQ:
		return 0, sock.PutUserInt(c, arg, 0)
	}
	if ok, err := s.st.ifs.Ioctl(c, cmd, arg); ok {
		return 0, err
	}
	return 0, linux.ENOTTY
}

// Close implements sock.Socket.
func (s *UDP) Close() {
	s.st.mu.Lock()
	defer s.st.mu.Unlock()
	if s.closed {
		return
	}
	s.closed = true
	delete(s.st.udps, s)
	if s.local.Port() != 0 {
		s.st.udp.remove(&s.endpoint)
	}
	s.rx.mu.Lock()
	s.rx.queue, s.rx.bytes = nil, 0
	s.rx.mu.Unlock()
}
