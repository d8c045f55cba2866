// Package loopback implements AF_INET and AF_INET6 without any network: TCP
// and UDP between the sockets of one sandbox on 127.0.0.0/8 and ::1. Nothing
// of it touches the host. Segments do not exist; a connection is two byte
// queues, and what Linux does with FIN and RST is flags on them.
//
// Lock order:
//
//	Stack.mu (ports, states, accept queues) > TCP.rx.mu, UDP.rx.mu (one socket's received data), options.mu
//	Stack.mu > waiter.Queue.mu
//	epoll.Instance.mtx > TCP.rx.mu, UDP.rx.mu, options.mu
//
// Waiters are notified with no rx.mu held, but with Stack.mu, which Readiness
// therefore does not take.
package loopback

import (
	"encoding/binary"
	"net/netip"
	"sync"

	"sentinel/internal/abi/linux"
	"sentinel/internal/sock"
	"sentinel/internal/sock/inet"
	"sentinel/internal/sock/netif"
	"sentinel/internal/vfs"
)

// Ephemeral ports, by net.ipv4.ip_local_port_range.
const (
	firstPort = 32768
	lastPort  = 60999
)

// Stack is the loopback network of one sandbox.
type Stack struct {
	ifs *netif.List

	mu   sync.Mutex
	tcp  ports
	udp  ports
	tcps map[*TCP]struct{} // all, for /proc/net
	udps map[*UDP]struct{}
}

// New returns a network without sockets.
func New(ifs *netif.List) *Stack {
	return &Stack{
		ifs: ifs, tcp: ports{m: map[uint16][]*endpoint{}}, udp: ports{m: map[uint16][]*endpoint{}},
		tcps: map[*TCP]struct{}{}, udps: map[*UDP]struct{}{},
	}
}

// Socket makes a socket.
func (st *Stack) Socket(c *vfs.Context, family, typ, protocol int) (sock.Socket, error) {
	protocol, err := inet.Check(family, typ, protocol)
	if err != nil {
		return nil, err
	}
	switch protocol {
	case linux.IPPROTO_TCP:
		return st.newTCP(c, family), nil
	case linux.IPPROTO_UDP:
		s := &UDP{}
		s.Init(c, family, typ, protocol)
		s.endpoint = endpoint{st: st, base: &s.Base, opts: &s.options, udp: s}
		st.mu.Lock()
		st.udps[s] = struct{}{}
		st.mu.Unlock()
		return s, nil
	}
	return nil, linux.EACCES // net.ipv4.ping_group_range holds nobody
}

// endpoint is a socket's place in a port table; guarded by Stack.mu.
type endpoint struct {
	st     *Stack
	base   *sock.Base
	opts   *options
	tcp    *TCP
	udp    *UDP
	local  netip.AddrPort // the port is 0 while unbound
	remote netip.AddrPort // valid once connected
	bound  bool           // the address was chosen by bind
}

func (e *endpoint) v6() bool { return e.base.Family == linux.AF_INET6 }

// only6 reports whether e takes no IPv4.
func (e *endpoint) only6() bool { return e.v6() && e.opts.v6only.Load() }

// ports is a table of bound endpoints.
type ports struct {
	m    map[uint16][]*endpoint
	next uint16
}

func (p *ports) add(e *endpoint) { p.m[e.local.Port()] = append(p.m[e.local.Port()], e) }

func (p *ports) remove(e *endpoint) {
	port := e.local.Port()
	es := p.m[port]
	for i := range es {
		if es[i] == e {
			es = append(es[:i:i], es[i+1:]...)
			break
		}
	}
	if len(es) == 0 {
		delete(p.m, port)
	} else {
		p.m[port] = es
	}
}

// overlap reports whether an address could be taken to mean either endpoint.
func overlap(a, b *endpoint, aa, ba netip.Addr) bool {
	aw, bw := aa.IsUnspecified(), ba.IsUnspecified()
	a4, b4 := aa.Is4(), ba.Is4()
	if a4 == b4 {
		return aw || bw || aa == ba
	}
	// One of each family: they meet if the IPv6 one is a dual wildcard.
	if a4 {
		return bw && !b.only6()
	}
	return aw && !a.only6()
}

// conflict reports whether e may not have addr (inet_csk_bind_conflict and
// inet_rcv_saddr_equal).
func (p *ports) conflict(e *endpoint, addr netip.AddrPort) bool {
	for _, o := range p.m[addr.Port()] {
		if o == e || !overlap(e, o, addr.Addr(), o.local.Addr()) {
			continue
		}
		if e.base.Flag(sock.FlagReusePort) && o.base.Flag(sock.FlagReusePort) && e.base.UID == o.base.UID {
			continue
		}
		if e.base.Flag(sock.FlagReuseAddr) && o.base.Flag(sock.FlagReuseAddr) && (o.tcp == nil || o.tcp.state.Load() != stListen) {
			continue
		}
		return true
	}
	return false
}

// pick finds a free ephemeral port for e at addr.
func (p *ports) pick(e *endpoint, addr netip.Addr) (netip.AddrPort, bool) {
	for range lastPort - firstPort + 1 {
		port := firstPort + p.next
		p.next = (p.next + 1) % (lastPort - firstPort + 1)
		if ap := netip.AddrPortFrom(addr, port); len(p.m[port]) == 0 {
			return ap, true
		}
	}
	return netip.AddrPort{}, false
}

// parse reads a sockaddr_in or sockaddr_in6 for a socket of a family; mapped
// IPv4 addresses come out as IPv4.
func parse(family int, b []byte) (netip.AddrPort, error) {
	f, ok := sock.Family(b)
	if !ok {
		return netip.AddrPort{}, linux.EINVAL
	}
	if family == linux.AF_INET {
		if len(b) < 16 {
			return netip.AddrPort{}, linux.EINVAL
		}
		if f != linux.AF_INET {
			return netip.AddrPort{}, linux.EAFNOSUPPORT
		}
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[4:8])), binary.BigEndian.Uint16(b[2:])), nil
	}
	if len(b) < 24 {
		return netip.AddrPort{}, linux.EINVAL
	}
	if f != linux.AF_INET6 {
		return netip.AddrPort{}, linux.EAFNOSUPPORT
	}
	return netip.AddrPortFrom(netip.AddrFrom16([16]byte(b[8:24])).Unmap(), binary.BigEndian.Uint16(b[2:])), nil
}

func any(family int) netip.Addr {
	if family == linux.AF_INET6 {
		return netip.IPv6Unspecified()
	}
	return netip.IPv4Unspecified()
}

// bind gives e an address (inet_bind).
func (st *Stack) bind(c *vfs.Context, p *ports, e *endpoint, addr []byte) error {
	// AF_UNSPEC with the wildcard address is taken for AF_INET.
	if f, _ := sock.Family(addr); f == linux.AF_UNSPEC && e.base.Family == linux.AF_INET && len(addr) >= 16 && [4]byte(addr[4:8]) == [4]byte{} {
		addr = append([]byte(nil), addr...)
		binary.NativeEndian.PutUint16(addr, linux.AF_INET)
	}
	ap, err := parse(e.base.Family, addr)
	if err != nil {
		return err
	}
	if ip := ap.Addr(); !ip.IsUnspecified() && !ip.IsLoopback() {
		return linux.EADDRNOTAVAIL
	}
	if ap.Addr().Is4() && e.only6() {
		return linux.EINVAL
	}
	// A mapped wildcard is the IPv4 one, which the table holds as such.
	if err := inet.Privileged(c, addr); err != nil {
		return err
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	if e.local.Port() != 0 {
		return linux.EINVAL
	}
	if ap.Port() == 0 {
		var ok bool
		if ap, ok = p.pick(e, ap.Addr()); !ok {
			return linux.EADDRINUSE
		}
	} else if p.conflict(e, ap) {
		return linux.EADDRINUSE
	}
	e.local, e.bound = ap, true
	p.add(e)
	return nil
}

// target checks where e wants to send to; the wildcard means this host.
func (e *endpoint) target(addr []byte) (netip.AddrPort, error) {
	family := e.base.Family
	if f, _ := sock.Family(addr); f == linux.AF_INET && e.tcp == nil {
		family = linux.AF_INET // udpv6_sendmsg takes either
	}
	ap, err := parse(family, addr)
	if err != nil {
		return ap, err
	}
	ip := ap.Addr()
	switch {
	case ip.Is4() && e.only6():
		return ap, linux.ENETUNREACH
	case ip.IsUnspecified() && ip.Is4():
		ip = netip.AddrFrom4([4]byte{127, 0, 0, 1})
	case ip.IsUnspecified():
		ip = netip.IPv6Loopback()
	case !ip.IsLoopback():
		return ap, linux.ENETUNREACH
	}
	if l := e.local.Addr(); l.IsValid() && !l.IsUnspecified() && l.Is4() != ip.Is4() {
		return ap, linux.EINVAL
	}
	return netip.AddrPortFrom(ip, ap.Port()), nil
}

// source returns the address that e sends to dst from.
func (e *endpoint) source(dst netip.Addr) netip.Addr {
	if l := e.local.Addr(); l.IsValid() && !l.IsUnspecified() {
		return l
	}
	if dst.Is4() {
		return netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	return netip.IPv6Loopback()
}

// accepts scores how well e matches a packet to dst from src; 0 is not at all
// (compute_score in net/ipv4/udp.c).
func (e *endpoint) accepts(dst, src netip.AddrPort) int {
	score := 1
	switch l := e.local.Addr(); {
	case l.IsUnspecified():
		if l.Is4() != dst.Addr().Is4() && (l.Is4() || e.only6()) {
			return 0
		}
	case l == dst.Addr():
		score += 4
	default:
		return 0
	}
	if e.remote.IsValid() {
		if e.remote != src {
			return 0
		}
		score += 8
	}
	if e.v6() == !dst.Addr().Is4() {
		score++
	}
	return score
}
