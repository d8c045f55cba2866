package unix

import (
	"encoding/binary"
	"slices"
	"sync/atomic"

	"sentinel/internal/abi/linux"
	"sentinel/internal/sock"
	"sentinel/internal/vfs"
	"sentinel/internal/waiter"
)

// States of a stream or packet socket. Datagram sockets are only ever idle or
// connected.
const (
	idle = iota
	listening
	connected
)

// Halves of shutdown(2).
const (
	shutRecv = 1
	shutSend = 2
)

// Socket is an AF_UNIX socket.
type Socket struct {
	sock.Base
	st *Stack

	peer   atomic.Pointer[Socket] // written under st.mu
	state  atomic.Int32           // written under st.mu
	shut   atomic.Uint32          // written under st.mu
	embryo atomic.Bool            // not accepted yet
	wmem   atomic.Int64           // charge of messages sent and not read
	rx     queue
	// nPending is len(pending), for Readiness, which takes no st.mu because
	// waiters are notified with it held.
	nPending atomic.Int32

	// Guarded by st.mu.
	closed   bool
	name     string // sun_path without padding; "" is unnamed
	inode    vfs.Inode
	peerCred peerCred
	backlog  int
	pending  []*Socket
	knocking map[*Socket]struct{} // connecting sockets that found the backlog full
	parent   *Socket              // listener of an embryo
}

func (s *Socket) stream() bool { return s.Type == linux.SOCK_STREAM }

// path reads a sockaddr_un (unix_validate_addr); "" asks for autobind.
func path(addr []byte) (string, error) {
	f, ok := sock.Family(addr)
	if !ok || f != linux.AF_UNIX || len(addr) > 110 {
		return "", linux.EINVAL
	}
	p := addr[2:]
	if len(p) > 0 && p[0] != 0 {
		if i := slices.Index(p, 0); i >= 0 {
			p = p[:i]
		}
	}
	return string(p), nil
}

func putName(a *sock.Addr, name string) {
	binary.NativeEndian.PutUint16(a.B[:], linux.AF_UNIX)
	a.N = 2 + copy(a.B[2:], name)
	if name != "" && name[0] != 0 {
		a.B[a.N] = 0
		a.N++
	}
}

// Bind implements sock.Socket.
func (s *Socket) Bind(c *vfs.Context, addr []byte) error {
	name, err := path(addr)
	if err != nil {
		return err
	}
	if name == "" {
		return s.autobind()
	}
	st := s.st
	st.mu.Lock()
	taken, inUse := s.name != "", name[0] == 0 && st.abstract[name] != nil
	if !taken && !inUse && name[0] == 0 {
		s.name = name
		st.abstract[name] = s
	}
	st.mu.Unlock()
	if inUse && !taken {
		return linux.EADDRINUSE
	}
	if name[0] == 0 && !taken {
		return nil
	}
	if taken {
		if name[0] != 0 {
			// The inode is made first on Linux, so that its error counts.
			if _, err := st.paths.FindSocket(c, name); err != linux.ENOENT {
				return linux.EADDRINUSE
			}
		}
		return linux.EINVAL
	}
	ino, err := st.paths.MakeSocket(c, name, 0o777)
	if err == linux.EEXIST {
		return linux.EADDRINUSE
	}
	if err != nil {
		return err
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	if s.name != "" {
		return linux.EINVAL // another thread was faster
	}
	s.name, s.inode = name, ino
	st.bound[ino] = s
	return nil
}

// autobind gives s a free abstract name of five hexadecimal digits.
func (s *Socket) autobind() error {
	st := s.st
	st.mu.Lock()
	defer st.mu.Unlock()
	if s.name != "" {
		return nil
	}
	for range 1 << 20 {
		st.nextAuto = (st.nextAuto + 1) & 0xfffff
		var b [6]byte
		for i, v := 5, st.nextAuto; i > 0; i, v = i-1, v>>4 {
			b[i] = "0123456789abcdef"[v&15]
		}
		if n := string(b[:]); st.abstract[n] == nil {
			s.name = n
			st.abstract[n] = s
			return nil
		}
	}
	return linux.ENOSPC
}

// find returns the socket that addr names, for a socket of type typ.
func (st *Stack) find(c *vfs.Context, name string, typ int) (*Socket, error) {
	var t *Socket
	if name == "" {
		return nil, linux.EINVAL
	}
	if name[0] == 0 {
		st.mu.Lock()
		t = st.abstract[name]
		st.mu.Unlock()
	} else {
		ino, err := st.paths.FindSocket(c, name)
		if err != nil {
			return nil, err
		}
		st.mu.Lock()
		t = st.bound[ino]
		st.mu.Unlock()
	}
	if t == nil {
		return nil, linux.ECONNREFUSED
	}
	if t.Type != typ {
		return nil, linux.EPROTOTYPE
	}
	return t, nil
}

// Listen implements sock.Socket.
func (s *Socket) Listen(c *vfs.Context, backlog int) error {
	if s.Type == linux.SOCK_DGRAM {
		return linux.EOPNOTSUPP
	}
	s.st.mu.Lock()
	defer s.st.mu.Unlock()
	if s.name == "" || s.state.Load() == connected {
		return linux.EINVAL
	}
	if uint(backlog) > sock.Somaxconn {
		backlog = 4096
	}
	if backlog > s.backlog {
		s.unblockKnocking()
	}
	s.backlog = backlog
	s.state.Store(listening)
	s.peerCred = identity(c)
	return nil
}

// unblockKnocking tells those whose connect found the backlog full to try
// again; st.mu is held.
func (s *Socket) unblockKnocking() {
	for k := range s.knocking {
		k.Queue.Notify(waiter.Writable)
	}
	s.knocking = nil
}

// Connect implements sock.Socket.
func (s *Socket) Connect(c *vfs.Context, addr []byte) error {
	if f, ok := sock.Family(addr); ok && f == linux.AF_UNSPEC && s.Type == linux.SOCK_DGRAM {
		s.st.mu.Lock()
		old := s.peer.Swap(nil)
		s.state.Store(idle)
		s.st.mu.Unlock()
		s.leave(old)
		return nil
	}
	name, err := path(addr)
	if err != nil {
		return err
	}
	if name == "" {
		return linux.EINVAL
	}
	if s.Flag(sock.FlagPassCred) {
		if err := s.autobind(); err != nil {
			return err
		}
	}
	t, err := s.st.find(c, name, s.Type)
	if err != nil {
		return err
	}
	if s.Type == linux.SOCK_DGRAM {
		s.st.mu.Lock()
		if t.closed {
			s.st.mu.Unlock()
			return linux.ECONNREFUSED
		}
		if p := t.peer.Load(); p != nil && p != s {
			s.st.mu.Unlock()
			return linux.EPERM // unix_may_send
		}
		old := s.peer.Swap(t)
		s.state.Store(connected)
		s.st.mu.Unlock()
		if old != t {
			s.leave(old)
		}
		return nil
	}
	return s.knock(c, t)
}

// leave tells the former peer of a datagram socket that it is left
// (unix_dgram_disconnected).
func (s *Socket) leave(old *Socket) {
	if old == nil {
		return
	}
	s.purge()
	if old.peer.Load() == s {
		old.SetErr(linux.ECONNRESET)
		old.Queue.Notify(waiter.Err | waiter.Readable | waiter.Writable)
	}
}

// purge drops everything received.
func (s *Socket) purge() {
	s.rx.mu.Lock()
	files, msgs := s.rx.drain()
	s.rx.mu.Unlock()
	refund(msgs)
	s.st.discard(files)
}

// knock connects a stream or packet socket to listener t.
func (s *Socket) knock(c *vfs.Context, t *Socket) error {
	st := s.st
	st.mu.Lock()
	if t.closed || t.state.Load() != listening || t.shut.Load()&shutRecv != 0 {
		st.mu.Unlock()
		return linux.ECONNREFUSED
	}
	switch s.state.Load() {
	case connected:
		st.mu.Unlock()
		return linux.EISCONN
	case listening:
		st.mu.Unlock()
		return linux.EINVAL
	}
	if len(t.pending) > t.backlog {
		if t.knocking == nil {
			t.knocking = map[*Socket]struct{}{}
		}
		t.knocking[s] = struct{}{}
		st.mu.Unlock()
		return linux.EAGAIN
	}
	delete(t.knocking, s)
	e := st.newSocket(nil, s.Type)
	e.UID = t.UID
	e.CopyOptions(&t.Base)
	e.embryo.Store(true)
	e.name, e.parent = t.name, t
	e.peerCred, s.peerCred = identity(c), t.peerCred
	e.peer.Store(s)
	s.peer.Store(e)
	e.state.Store(connected)
	s.state.Store(connected)
	t.pending = append(t.pending, e)
	t.nPending.Add(1)
	st.sockets[e] = struct{}{}
	st.mu.Unlock()
	t.Queue.Notify(waiter.Readable)
	s.Queue.Notify(waiter.Writable)
	return nil
}

// Accept implements sock.Socket.
func (s *Socket) Accept(c *vfs.Context, peer *sock.Addr) (sock.Socket, error) {
	if s.Type == linux.SOCK_DGRAM {
		return nil, linux.EOPNOTSUPP
	}
	st := s.st
	st.mu.Lock()
	defer st.mu.Unlock()
	if s.state.Load() != listening {
		return nil, linux.EINVAL
	}
	if len(s.pending) == 0 {
		if s.shut.Load()&shutRecv != 0 {
			return nil, linux.EINVAL
		}
		return nil, linux.EAGAIN
	}
	e := s.pending[0]
	s.pending[0] = nil
	s.pending = s.pending[1:]
	s.nPending.Add(-1)
	s.unblockKnocking()
	e.embryo.Store(false)
	e.parent = nil
	if peer != nil {
		name := ""
		if p := e.peer.Load(); p != nil {
			name = p.name
		}
		putName(peer, name)
	}
	return e, nil
}

// Shutdown implements sock.Socket.
func (s *Socket) Shutdown(_ *vfs.Context, how int) error {
	if how < 0 || how > 2 {
		return linux.EINVAL
	}
	mode := uint32(how + 1)
	s.st.mu.Lock()
	s.shut.Or(mode)
	p := s.peer.Load()
	if p != nil && s.Type != linux.SOCK_DGRAM {
		mirror := uint32(0)
		if mode&shutRecv != 0 {
			mirror |= shutSend
		}
		if mode&shutSend != 0 {
			mirror |= shutRecv
		}
		p.shut.Or(mirror)
	} else {
		p = nil
	}
	s.st.mu.Unlock()
	const ev = waiter.Readable | waiter.Writable | waiter.RdHup | waiter.Hup
	s.Queue.Notify(ev)
	if p != nil {
		p.Queue.Notify(ev)
	}
	return nil
}

// Name implements sock.Socket.
func (s *Socket) Name(a *sock.Addr) error {
	s.st.mu.Lock()
	defer s.st.mu.Unlock()
	putName(a, s.name)
	return nil
}

// Peer implements sock.Socket.
func (s *Socket) Peer(a *sock.Addr) error {
	s.st.mu.Lock()
	defer s.st.mu.Unlock()
	p := s.peer.Load()
	if p == nil {
		return linux.ENOTCONN
	}
	putName(a, p.name)
	return nil
}

// Close implements sock.Socket (unix_release_sock).
func (s *Socket) Close() {
	st := s.st
	st.mu.Lock()
	if s.closed {
		st.mu.Unlock()
		return
	}
	s.closed = true
	delete(st.sockets, s)
	if s.inode != nil {
		if st.bound[s.inode] == s {
			delete(st.bound, s.inode)
		}
	} else if s.name != "" && st.abstract[s.name] == s {
		delete(st.abstract, s.name)
	}
	s.shut.Store(shutRecv | shutSend)
	pending := s.pending
	s.pending = nil
	s.nPending.Store(0)
	s.unblockKnocking()
	p := s.peer.Load()
	s.rx.mu.Lock()
	s.rx.dead = true
	unread := s.rx.ring.Len() > 0 || s.rx.count() > 0
	files, msgs := s.rx.drain()
	waiting := s.rx.waiting
	s.rx.waiting = nil
	s.rx.mu.Unlock()
	if p != nil && s.Type != linux.SOCK_DGRAM {
		p.shut.Store(shutRecv | shutSend)
		if unread || s.embryo.Load() {
			p.SetErr(linux.ECONNRESET)
		}
	} else {
		p = nil
		s.peer.Store(nil)
	}
	st.mu.Unlock()
	refund(msgs)
	st.discard(files)
	for _, e := range pending {
		e.Close()
	}
	const ev = waiter.Readable | waiter.Writable | waiter.RdHup | waiter.Hup
	if p != nil {
		p.Queue.Notify(ev | waiter.Err)
	}
	for w := range waiting {
		w.Queue.Notify(waiter.Writable)
	}
	s.Queue.Notify(ev)
	st.collect()
}

// Readiness implements waiter.Waitable (unix_poll and unix_dgram_poll).
func (s *Socket) Readiness(mask waiter.Mask) waiter.Mask {
	var got waiter.Mask
	if s.HasErr() {
		got |= waiter.Err
	}
	shut := s.shut.Load()
	if shut == shutRecv|shutSend {
		got |= waiter.Hup
	}
	if shut&shutRecv != 0 {
		got |= waiter.RdHup | waiter.Readable
	}
	if s.state.Load() == listening {
		if s.nPending.Load() > 0 {
			got |= waiter.Readable
		}
		return got & (mask | waiter.Err | waiter.Hup)
	}
	if s.state.Load() == idle && s.Type != linux.SOCK_DGRAM {
		got |= waiter.Hup
	}
	if mask&waiter.Readable != 0 {
		s.rx.mu.Lock()
		if s.rx.ring.Len() > 0 || s.rx.count() > 0 {
			got |= waiter.Readable
		}
		s.rx.mu.Unlock()
	}
	if mask&waiter.Writable != 0 && s.writable() {
		got |= waiter.Writable
	}
	return got & (mask | waiter.Err | waiter.Hup)
}

func (s *Socket) writable() bool {
	p := s.peer.Load()
	if p == nil {
		return s.wmem.Load()*4 <= int64(s.SndBuf())
	}
	p.rx.mu.Lock()
	defer p.rx.mu.Unlock()
	if s.stream() {
		if !p.rx.dead && p.rx.ring.Len()*4 > s.SndBuf() {
			p.rx.wantSpace = true
			return false
		}
		return true
	}
	if s.wmem.Load()*4 > int64(s.SndBuf()) {
		return false
	}
	if s.crowded(p) {
		p.rx.wait(s)
		return false
	}
	return true
}
