// Package unix implements AF_UNIX sockets: stream, datagram and sequenced
// packets, with names in the file system or abstract ones, descriptors and
// credentials in messages, and the collection of sockets that only their own
// messages reach.
//
// Lock order:
//
//	Stack.gcMu (descriptors in flight) > Stack.mu (names, states, peers) > queue.mu (one socket's received data)
//	Stack.mu > waiter.Queue.mu
//	epoll.Instance.mtx, pipe.Pipe.rdMu, pipe.Pipe.wrMu > queue.mu
//
// Waiters are notified with no queue.mu held, but some with Stack.mu, which
// Readiness therefore does not take.
package unix

import (
	"sync"
	"sync/atomic"

	"sentinel/internal/abi/linux"
	"sentinel/internal/cred"
	"sentinel/internal/sock"
	"sentinel/internal/sock/netif"
	"sentinel/internal/vfs"
)

// Paths gives sockets names in the file system.
type Paths interface {
	// MakeSocket creates a socket inode at path with mode's permission bits,
	// less the umask.
	MakeSocket(c *vfs.Context, path string, mode uint32) (vfs.Inode, error)
	// FindSocket walks to path and checks permission to write. An inode of
	// another type is linux.ECONNREFUSED.
	FindSocket(c *vfs.Context, path string) (vfs.Inode, error)
}

// Stack is the AF_UNIX world of one sandbox.
type Stack struct {
	paths Paths
	ifs   *netif.List // for the device ioctls that every socket answers

	mu       sync.Mutex
	abstract map[string]*Socket
	bound    map[vfs.Inode]*Socket
	sockets  map[*Socket]struct{} // all, for /proc/net/unix
	nextAuto uint32

	gcMu     sync.Mutex
	inflight map[*Socket]*flight
	nFlight  atomic.Int32 // files in flight, of any kind
}

// New returns an empty stack.
func New(p Paths, ifs *netif.List) *Stack {
	return &Stack{
		paths: p, ifs: ifs, abstract: map[string]*Socket{}, bound: map[vfs.Inode]*Socket{},
		sockets: map[*Socket]struct{}{}, inflight: map[*Socket]*flight{},
	}
}

// Socket makes an unconnected socket.
func (st *Stack) Socket(c *vfs.Context, typ, protocol int) (*Socket, error) {
	if protocol != 0 && protocol != linux.AF_UNIX {
		return nil, linux.EPROTONOSUPPORT
	}
	switch typ {
	case linux.SOCK_STREAM, linux.SOCK_DGRAM, linux.SOCK_SEQPACKET:
	case linux.SOCK_RAW:
		typ = linux.SOCK_DGRAM // as unix_create does
	default:
		return nil, linux.ESOCKTNOSUPPORT
	}
	s := st.newSocket(c, typ)
	st.mu.Lock()
	st.sockets[s] = struct{}{}
	st.mu.Unlock()
	return s, nil
}

func (st *Stack) newSocket(c *vfs.Context, typ int) *Socket {
	s := &Socket{st: st}
	s.Init(c, linux.AF_UNIX, typ, 0)
	return s
}

// SocketPair makes two sockets that are connected to each other.
func (st *Stack) SocketPair(c *vfs.Context, typ, protocol int) (a, b *Socket, err error) {
	if a, err = st.Socket(c, typ, protocol); err != nil {
		return nil, nil, err
	}
	if b, err = st.Socket(c, typ, protocol); err != nil {
		return nil, nil, err
	}
	who := identity(c)
	a.peerCred, b.peerCred = who, who
	st.mu.Lock()
	a.peer.Store(b)
	b.peer.Store(a)
	a.state.Store(connected)
	b.state.Store(connected)
	st.mu.Unlock()
	return a, b, nil
}

// person is what SO_PEERCRED and SCM_CREDENTIALS tell.
type person struct {
	pid      int32
	uid, gid uint32
}

// nobody stands for data without credentials (overflowuid).
var nobody = person{0, 65534, 65534}

type peerCred struct {
	person
	groups []uint32
	valid  bool
}

func caller(c *vfs.Context) person {
	p := person{}
	if c.Caller != nil {
		p.pid = c.Caller.PID()
	}
	if c.Cred != nil {
		p.uid, p.gid = c.Cred.EUID, c.Cred.EGID
	}
	return p
}

func identity(c *vfs.Context) peerCred {
	pc := peerCred{person: caller(c), valid: true}
	if c.Cred != nil {
		pc.groups = c.Cred.Groups
	}
	return pc
}

// canSend reports whether the caller may claim to be p (scm_check_creds in
// net/core/scm.c).
func canSend(c *vfs.Context, p person) bool {
	me, cr := caller(c), c.Cred
	if cr == nil {
		return true
	}
	return (p.pid == me.pid || cr.Has(cred.CapSysAdmin)) &&
		(p.uid == cr.UID || p.uid == cr.EUID || p.uid == cr.SUID || cr.Has(cred.CapSetuid)) &&
		(p.gid == cr.GID || p.gid == cr.EGID || p.gid == cr.SGID || cr.Has(cred.CapSetgid))
}

var _ sock.Socket = (*Socket)(nil)
