// Package sock is the contract of the kernel's sockets: what a protocol family
// implements (Socket), what a sandbox owns (Stack), and what families share:
// addresses, control messages, common options and byte rings.
//
// Sockets never block. They return linux.EAGAIN, and the system-call layer
// waits by their Waitable and tries again. No state is global: everything
// hangs off a Stack.
//
// Lock order:
//
//	epoll.Instance.mtx, vfs.File.posMu > node.mu
package sock

import (
	"encoding/binary"
	"sync"
	"time"

	"sentinel/internal/abi/linux"
	"sentinel/internal/hostpoll"
	"sentinel/internal/vfs"
	"sentinel/internal/waiter"
)

// Stack makes sockets. A sandbox has one.
type Stack interface {
	// Socket implements socket(2); typ has no SOCK_NONBLOCK or SOCK_CLOEXEC.
	Socket(c *vfs.Context, family, typ, protocol int) (Socket, error)
	// SocketPair implements socketpair(2).
	SocketPair(c *vfs.Context, family, typ, protocol int) (a, b Socket, err error)
	// ProcNet returns the text of /proc/net/NAME; false if there is no such
	// file.
	ProcNet(name string) (string, bool)
	// ProcNetNames lists the files that ProcNet knows.
	ProcNetNames() []string
}

// Socket is one socket. Addresses are the bytes of a struct sockaddr.
type Socket interface {
	waiter.Waitable
	// Common returns what all sockets have.
	Common() *Base
	// Bind implements bind(2).
	Bind(c *vfs.Context, addr []byte) error
	// Listen implements listen(2).
	Listen(c *vfs.Context, backlog int) error
	// Connect implements connect(2). EINPROGRESS and EALREADY mean that
	// writability tells when it is done, and a further Connect or SO_ERROR
	// how; EAGAIN that it should be tried again then.
	Connect(c *vfs.Context, addr []byte) error
	// Accept takes a connection and puts its peer's address in peer, if that
	// is not nil.
	Accept(c *vfs.Context, peer *Addr) (Socket, error)
	// Shutdown implements shutdown(2).
	Shutdown(c *vfs.Context, how int) error
	// Name and Peer implement getsockname(2) and getpeername(2).
	Name(a *Addr) error
	// Peer returns the peer's address.
	Peer(a *Addr) error
	// Send sends m and returns how much of it. It raises no SIGPIPE.
	Send(c *vfs.Context, m *Msg) (int, error)
	// Recv receives into m and returns the length of data, which with
	// MSG_TRUNC may exceed the room for it.
	Recv(c *vfs.Context, m *Msg) (int, error)
	// SetOpt implements setsockopt(2); len(val) is at most MaxOption.
	SetOpt(c *vfs.Context, level, name int, val []byte) error
	// GetOpt puts an option's value in buf and returns its length.
	GetOpt(c *vfs.Context, level, name int, buf []byte) (int, error)
	// Ioctl implements ioctl(2).
	Ioctl(c *vfs.Context, cmd uint32, arg uint64) (uint64, error)
	// Close is called once, with the last reference.
	Close()
}

// MaxOption bounds the value of a socket option in bytes.
const MaxOption = 4096

// Addr is a socket address: struct sockaddr_storage with a length.
type Addr struct {
	N int
	B [128]byte
}

// Set makes a hold b.
func (a *Addr) Set(b []byte) { a.N = copy(a.B[:], b) }

// Bytes returns the address's bytes.
func (a *Addr) Bytes() []byte { return a.B[:a.N] }

// Family returns the family of a socket address; ok is false if it is too
// short to have one.
func Family(addr []byte) (family int, ok bool) {
	if len(addr) < 2 {
		return 0, false
	}
	return int(binary.NativeEndian.Uint16(addr)), true
}

// Msg is what Send sends and Recv fills.
type Msg struct {
	Data []byte // to send, or the room for it
	// Flags are those of the call. Recv replaces them with those of
	// msg_flags.
	Flags int
	// Addr is where to send, if N is not 0, or where a message came from.
	Addr Addr
	// Control holds control messages to send, or is the room for them, of
	// which Recv fills ControlN bytes.
	Control  []byte
	ControlN int
	// Scratch is for the system-call layer, which copies small structures
	// through it so that they need no allocation.
	Scratch [64]byte
}

var msgs = sync.Pool{New: func() any { return new(Msg) }}

// NewMsg returns an empty message from a pool.
func NewMsg() *Msg { return msgs.Get().(*Msg) }

// Free gives m back to the pool.
func (m *Msg) Free() {
	m.Data, m.Flags, m.Addr.N, m.Control, m.ControlN = nil, 0, 0, nil, 0
	msgs.Put(m)
}

// Ops is the behaviour of an open socket.
type Ops struct {
	Socket
	node node
}

// Of returns the socket of f, or ENOTSOCK.
func Of(f *vfs.File) (Socket, error) {
	if o, ok := f.Ops.(*Ops); ok {
		return o.Socket, nil
	}
	return nil, linux.ENOTSOCK
}

// NewFile returns a description of s. flags are of open(2): O_NONBLOCK.
func NewFile(s Socket, flags uint32) *vfs.File {
	b := s.Common()
	o := &Ops{Socket: s, node: node{ino: b.Ino, mode: 0o777, uid: b.UID, gid: b.gid}}
	f := vfs.NewFile(o, vfs.Path{}, &o.node, flags|linux.O_RDWR)
	f.Name = "socket:[" + utoa(b.Ino) + "]"
	return f
}

// Read implements vfs.FileOps.
func (o *Ops) Read(c *vfs.Context, _ *vfs.File, dst []byte, _ int64) (int, error) {
	m := NewMsg()
	m.Data = dst
	n, err := o.Recv(c, m)
	m.Free()
	return n, err
}

// Write implements vfs.FileOps.
func (o *Ops) Write(c *vfs.Context, _ *vfs.File, src []byte, _ int64) (int, error) {
	m := NewMsg()
	m.Data = src
	n, err := o.Send(c, m)
	m.Free()
	if err == linux.EPIPE {
		RaisePipe(c, o.Socket, 0)
	}
	return n, err
}

// RaisePipe sends SIGPIPE to the caller, whose send on s gave EPIPE.
func RaisePipe(c *vfs.Context, s Socket, flags int) {
	if s.Common().Type == linux.SOCK_STREAM && flags&linux.MSG_NOSIGNAL == 0 && c != nil && c.Caller != nil {
		c.Caller.SendSignal(13)
	}
}

// Ioctl implements vfs.FileOps.
func (o *Ops) Ioctl(c *vfs.Context, f *vfs.File, cmd uint32, arg uint64) (uint64, error) {
	return o.Socket.Ioctl(c, cmd, arg)
}

// HostSource returns the socket if it is one, or nil.
func (o *Ops) HostSource() hostpoll.Source {
	a, _ := o.Socket.(hostpoll.Source)
	return a
}

// HostWait implements waiter.HostWaitable.
func (o *Ops) HostWait() (fd int, all bool) {
	if h, ok := o.Socket.(waiter.HostWaitable); ok {
		return h.HostWait()
	}
	return -1, false
}

// Release implements vfs.FileOps.
func (o *Ops) Release(*vfs.File) { o.Close() }

func utoa(n uint64) string {
	var b [20]byte
	i := len(b)
	for {
		i--
		b[i] = byte('0' + n%10)
		if n /= 10; n == 0 {
			return string(b[i:])
		}
	}
}

// GaveUp turns the result of a wait for a socket into what its call returns when
// it gives up (sock_intr_errno in include/net/sock.h): a call with a timeout is
// not restarted.
func GaveUp(err error, deadline time.Time, timedOut linux.Errno) error {
	switch {
	case err == linux.ETIMEDOUT:
		return timedOut
	case err == linux.ERESTARTSYS && !deadline.IsZero():
		return linux.EINTR
	}
	return err
}
