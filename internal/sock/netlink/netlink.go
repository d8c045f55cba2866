// Package netlink implements AF_NETLINK sockets of protocol NETLINK_ROUTE that
// read: interfaces, addresses and routes. It is enough for getifaddrs(3),
// getaddrinfo(3) and ip(8). Nothing can be changed and no event ever comes.
//
// Lock order:
//
//	Stack.mu > Socket.mu
//	ipc.Queues.mu > Socket.mu (a notification of mq_notify)
//	epoll.Instance.mtx > Socket.mu
package netlink

import (
	"encoding/binary"
	"sync"

	"sentinel/internal/abi/linux"
	"sentinel/internal/sock"
	"sentinel/internal/sock/netif"
	"sentinel/internal/vfs"
	"sentinel/internal/waiter"
)

const (
	hdrLen   = 16          // struct nlmsghdr
	goodSize = 4096 - 320  // NLMSG_GOODSIZE: what fits a reader's page
	maxQueue = 1024 * 1024 // bytes of answers not read
	maxSend  = 64 * 1024   // bytes of requests in one send
	flags    = linux.NLM_F_MULTI
)

var ne = binary.NativeEndian

// Stack is the netlink of one sandbox.
type Stack struct {
	ifs *netif.List

	mu    sync.Mutex
	ports map[uint32]*Socket
	next  uint32
}

// New returns a stack that tells of ifs.
func New(ifs *netif.List) *Stack {
	return &Stack{ifs: ifs, ports: map[uint32]*Socket{}, next: 0xfffff000}
}

// Socket makes a socket.
func (st *Stack) Socket(c *vfs.Context, typ, protocol int) (sock.Socket, error) {
	if typ != linux.SOCK_RAW && typ != linux.SOCK_DGRAM {
		return nil, linux.ESOCKTNOSUPPORT
	}
	if protocol != linux.NETLINK_ROUTE {
		return nil, linux.EPROTONOSUPPORT
	}
	s := &Socket{st: st}
	s.Init(c, linux.AF_NETLINK, typ, protocol)
	return s, nil
}

// Socket is a netlink socket.
type Socket struct {
	sock.Base
	st *Stack

	mu     sync.Mutex
	port   uint32
	groups uint32
	peer   uint32 // of connect
	queue  [][]byte
	bytes  int
}

var _ sock.Socket = (*Socket)(nil)

// Readiness implements waiter.Waitable.
func (s *Socket) Readiness(mask waiter.Mask) waiter.Mask {
	got := waiter.Writable
	if s.HasErr() {
		got |= waiter.Err
	}
	s.mu.Lock()
	if len(s.queue) > 0 {
		got |= waiter.Readable
	}
	s.mu.Unlock()
	return got & (mask | waiter.Err | waiter.Hup)
}

// parse reads a struct sockaddr_nl.
func parse(addr []byte) (port, groups uint32, err error) {
	if len(addr) < 12 {
		return 0, 0, linux.EINVAL
	}
	if f, _ := sock.Family(addr); f != linux.AF_NETLINK {
		return 0, 0, linux.EINVAL
	}
	return ne.Uint32(addr[4:]), ne.Uint32(addr[8:]), nil
}

// Bind implements sock.Socket.
func (s *Socket) Bind(c *vfs.Context, addr []byte) error {
	port, groups, err := parse(addr)
	if err != nil {
		return err
	}
	if err := s.bind(c, port); err != nil {
		return err
	}
	s.mu.Lock()
	s.groups = groups
	s.mu.Unlock()
	return nil
}

// bind takes a port id; 0 asks for any: the process id, or if that is taken
// one that looks negative (netlink_autobind).
func (s *Socket) bind(c *vfs.Context, port uint32) error {
	st := s.st
	st.mu.Lock()
	defer st.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.port != 0 {
		if port != 0 && port != s.port {
			return linux.EINVAL
		}
		return nil
	}
	if port == 0 {
		if c.Caller != nil {
			port = uint32(c.Caller.PID())
		}
		for port == 0 || st.ports[port] != nil {
			st.next--
			port = st.next
		}
	} else if st.ports[port] != nil {
		return linux.EADDRINUSE
	}
	s.port = port
	st.ports[port] = s
	return nil
}

// Listen implements sock.Socket.
func (s *Socket) Listen(*vfs.Context, int) error { return linux.EOPNOTSUPP }

// Accept implements sock.Socket.
func (s *Socket) Accept(*vfs.Context, *sock.Addr) (sock.Socket, error) {
	return nil, linux.EOPNOTSUPP
}

// Shutdown implements sock.Socket.
func (s *Socket) Shutdown(*vfs.Context, int) error { return linux.EOPNOTSUPP }

// Connect implements sock.Socket.
func (s *Socket) Connect(c *vfs.Context, addr []byte) error {
	if f, ok := sock.Family(addr); ok && f == linux.AF_UNSPEC {
		s.mu.Lock()
		s.peer = 0
		s.mu.Unlock()
		return nil
	}
	port, groups, err := parse(addr)
	if err != nil {
		return err
	}
	if port != 0 || groups != 0 {
		return linux.EPERM // unicast and multicast between users need privilege
	}
	return s.bind(c, 0)
}

func putAddr(a *sock.Addr, port, groups uint32) {
	clear(a.B[:12])
	ne.PutUint16(a.B[:], linux.AF_NETLINK)
	ne.PutUint32(a.B[4:], port)
	ne.PutUint32(a.B[8:], groups)
	a.N = 12
}

// Name implements sock.Socket.
func (s *Socket) Name(a *sock.Addr) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	putAddr(a, s.port, s.groups)
	return nil
}

// Peer implements sock.Socket.
func (s *Socket) Peer(a *sock.Addr) error {
	putAddr(a, 0, 0)
	return nil
}

// Send implements sock.Socket. The kernel answers before Send returns.
func (s *Socket) Send(c *vfs.Context, m *sock.Msg) (int, error) {
	if m.Flags&linux.MSG_OOB != 0 {
		return 0, linux.EOPNOTSUPP
	}
	if m.Addr.N != 0 {
		port, groups, err := parse(m.Addr.Bytes())
		if err != nil {
			return 0, err
		}
		if port != 0 || groups != 0 {
			return 0, linux.EPERM
		}
	}
	if len(m.Data) > maxSend {
		return 0, linux.EMSGSIZE
	}
	if err := s.bind(c, 0); err != nil {
		return 0, err
	}
	for b := m.Data; len(b) >= hdrLen; {
		n := int(ne.Uint32(b))
		if n < hdrLen || n > len(b) {
			break
		}
		s.request(b[:n])
		b = b[min((n+3)&^3, len(b)):]
	}
	return len(m.Data), nil
}

// Deliver queues a datagram of the kernel for the reader, which takes it over
// (mq_notify with SIGEV_THREAD).
func (s *Socket) Deliver(b []byte) { s.put(b) }

// put queues one datagram for the reader.
func (s *Socket) put(b []byte) {
	s.mu.Lock()
	if s.bytes+len(b) > maxQueue {
		s.mu.Unlock()
		s.SetErr(linux.ENOBUFS)
		s.Queue.Notify(waiter.Err)
		return
	}
	s.queue = append(s.queue, b)
	s.bytes += len(b)
	s.mu.Unlock()
	s.Queue.Notify(waiter.Readable)
}

// Recv implements sock.Socket.
func (s *Socket) Recv(_ *vfs.Context, m *sock.Msg) (int, error) {
	in := m.Flags
	m.Flags = 0
	if in&linux.MSG_OOB != 0 {
		return 0, linux.EOPNOTSUPP
	}
	s.mu.Lock()
	if len(s.queue) == 0 {
		s.mu.Unlock()
		if err := s.TakeErr(); err != nil {
			return 0, err
		}
		return 0, linux.EAGAIN
	}
	b := s.queue[0]
	if in&linux.MSG_PEEK == 0 {
		s.queue[0] = nil
		s.queue = s.queue[1:]
		s.bytes -= len(b)
	}
	s.mu.Unlock()
	putAddr(&m.Addr, 0, 0)
	n := copy(m.Data, b)
	if n < len(b) {
		m.Flags |= linux.MSG_TRUNC
		if in&linux.MSG_TRUNC != 0 {
			n = len(b)
		}
	}
	if s.Flag(sock.FlagPassCred) {
		m.PutCmsg(&m.Flags, linux.SOL_SOCKET, linux.SCM_CREDENTIALS, make([]byte, 12)) // the kernel: pid 0, root
	}
	return n, nil
}

// SetOpt implements sock.Socket. The options of SOL_NETLINK shape answers that
// are never given; memberships bring events that never happen.
func (s *Socket) SetOpt(c *vfs.Context, level, name int, val []byte) error {
	switch level {
	case linux.SOL_SOCKET:
		if name == linux.SO_RCVBUFFORCE || name == linux.SO_SNDBUFFORCE {
			return linux.EPERM
		}
		if name == linux.SO_ATTACH_FILTER || name == linux.SO_DETACH_FILTER {
			return nil // a filter could only drop what is asked for
		}
		return s.SetCommon(c, name, val)
	case linux.SOL_NETLINK:
		switch name {
		case linux.NETLINK_ADD_MEMBERSHIP, linux.NETLINK_DROP_MEMBERSHIP, linux.NETLINK_PKTINFO, linux.NETLINK_BROADCAST_ERROR,
			linux.NETLINK_NO_ENOBUFS, linux.NETLINK_CAP_ACK, linux.NETLINK_EXT_ACK, linux.NETLINK_GET_STRICT_CHK:
			_, err := sock.Int(val)
			return err
		}
	}
	return linux.ENOPROTOOPT
}

// GetOpt implements sock.Socket.
func (s *Socket) GetOpt(_ *vfs.Context, level, name int, buf []byte) (int, error) {
	switch level {
	case linux.SOL_SOCKET:
		return s.GetCommon(name, buf)
	case linux.SOL_NETLINK:
		return sock.PutInt(buf, 0), nil
	}
	return 0, linux.ENOPROTOOPT
}

// Ioctl implements sock.Socket.
func (s *Socket) Ioctl(c *vfs.Context, cmd uint32, arg uint64) (uint64, error) {
	if cmd == linux.SIOCINQ {
		s.mu.Lock()
		n := 0
		if len(s.queue) > 0 {
			n = len(s.queue[0])
		}
		s.mu.Unlock()
		return 0, sock.PutUserInt(c, arg, n)
	}
	if ok, err := s.st.ifs.Ioctl(c, cmd, arg); ok {
		return 0, err
	}
	return 0, linux.ENOTTY
}

// Close implements sock.Socket.
func (s *Socket) Close() {
	s.st.mu.Lock()
	defer s.st.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.port != 0 && s.st.ports[s.port] == s {
		delete(s.st.ports, s.port)
	}
	s.queue, s.bytes = nil, 0
}
