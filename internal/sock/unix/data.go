package unix

import (
	"math/bits"
	"slices"

	"sentinel/internal/abi/linux"
	"sentinel/internal/sock"
	"sentinel/internal/vfs"
	"sentinel/internal/waiter"
)

// dgramQueue is net.unix.max_dgram_qlen.
const dgramQueue = 10

// cost is what a message is charged: its buffer rounded as kmalloc does, with
// struct skb_shared_info, and struct sk_buff.
func cost(n int) int {
	n += 320
	if n <= 1<<17 {
		n = 1 << bits.Len(uint(n-1))
	}
	return n + 256
}

// refund credits the senders of messages that are gone.
func refund(msgs []message) {
	for i := range msgs {
		m := &msgs[i]
		left := m.from.wmem.Add(-int64(m.cost))
		if left*4 <= int64(m.from.SndBuf()) {
			m.from.Queue.Notify(waiter.Writable)
		}
	}
}

// crowded reports whether p takes no more datagrams from s for now; p.rx.mu is
// held. Two that are connected to each other are bounded by the send buffer
// alone.
func (s *Socket) crowded(p *Socket) bool {
	return p != s && p.peer.Load() != s && p.rx.count() > dgramQueue
}

func (q *queue) wait(s *Socket) {
	if q.waiting == nil {
		q.waiting = map[*Socket]struct{}{}
	}
	q.waiting[s] = struct{}{}
}

// Send implements sock.Socket.
func (s *Socket) Send(c *vfs.Context, m *sock.Msg) (int, error) {
	if m.Flags&linux.MSG_OOB != 0 {
		return 0, linux.EOPNOTSUPP
	}
	switch s.Type {
	case linux.SOCK_STREAM:
		return s.sendStream(c, m)
	case linux.SOCK_SEQPACKET:
		if err := s.TakeErr(); err != nil {
			return 0, err
		}
		if s.state.Load() != connected {
			return 0, linux.ENOTCONN
		}
		m.Addr.N = 0
	}
	return s.sendMessage(c, m)
}

// prepare parses control messages and checks that the sender has a name where
// one is needed.
func (s *Socket) prepare(c *vfs.Context, m *sock.Msg) (x extra, err error) {
	if len(m.Control) > 0 {
		if x, err = s.parse(c, m.Control); err != nil {
			return x, err
		}
	}
	if s.Flag(sock.FlagPassCred) {
		err = s.autobind()
	}
	return x, err
}

func (s *Socket) sendStream(c *vfs.Context, m *sock.Msg) (int, error) {
	x, err := s.prepare(c, m)
	if err != nil {
		drop(x.files)
		return 0, err
	}
	n, err := s.putStream(c, m, &x)
	if x.files != nil {
		drop(x.files) // not taken
	}
	if s.st.nFlight.Load() > gcAt {
		s.st.collect()
	}
	return n, err
}

// putStream queues data with the peer. It clears x.files if it took them.
func (s *Socket) putStream(c *vfs.Context, m *sock.Msg, x *extra) (int, error) {
	if m.Addr.N != 0 {
		if s.state.Load() == connected {
			return 0, linux.EISCONN
		}
		return 0, linux.EOPNOTSUPP
	}
	p := s.peer.Load()
	if p == nil {
		return 0, linux.ENOTCONN
	}
	if s.shut.Load()&shutSend != 0 {
		return 0, linux.EPIPE
	}
	if len(m.Data) == 0 {
		return 0, nil
	}
	s.credit(c, p, x)
	if x.files != nil {
		s.st.gcMu.Lock()
		defer s.st.gcMu.Unlock()
	}
	q := &p.rx
	q.mu.Lock()
	if q.dead || p.shut.Load()&shutRecv != 0 {
		q.mu.Unlock()
		return 0, linux.EPIPE
	}
	n := min(len(m.Data), s.SndBuf()-q.ring.Len())
	if n <= 0 {
		q.wantSpace = true
		q.mu.Unlock()
		return 0, linux.EAGAIN
	}
	if x.files != nil {
		if err := s.st.launch(x.files); err != nil {
			q.mu.Unlock()
			return 0, err
		}
	}
	q.append(m.Data[:n], *x)
	x.files = nil
	q.mu.Unlock()
	p.Queue.Notify(waiter.Readable)
	return n, nil
}

func (s *Socket) sendMessage(c *vfs.Context, m *sock.Msg) (int, error) {
	x, err := s.prepare(c, m)
	if err != nil {
		drop(x.files)
		return 0, err
	}
	n, err := s.putMessage(c, m, &x)
	if x.files != nil {
		drop(x.files)
	}
	if err == nil && s.st.nFlight.Load() > gcAt {
		s.st.collect()
	}
	return n, err
}

func (s *Socket) putMessage(c *vfs.Context, m *sock.Msg, x *extra) (int, error) {
	p := s.peer.Load()
	if m.Addr.N != 0 {
		name, err := path(m.Addr.Bytes())
		if err != nil {
			return 0, err
		}
		if p, err = s.st.find(c, name, s.Type); err != nil {
			return 0, err
		}
	} else if p == nil {
		return 0, linux.ENOTCONN
	}
	if len(m.Data) > s.SndBuf()-32 {
		return 0, linux.EMSGSIZE
	}
	if err := s.TakeErr(); err != nil {
		return 0, err
	}
	if s.shut.Load()&shutSend != 0 {
		return 0, linux.EPIPE
	}
	if s.wmem.Load() >= int64(s.SndBuf()) {
		return 0, linux.EAGAIN
	}
	if other := p.peer.Load(); s.Type == linux.SOCK_DGRAM && other != nil && other != s {
		return 0, linux.EPERM
	}
	s.credit(c, p, x)
	msg := message{data: slices.Clone(m.Data), from: s, cost: cost(len(m.Data)), extra: *x}
	s.st.mu.Lock()
	msg.addr = s.name
	s.st.mu.Unlock()
	if x.files != nil {
		s.st.gcMu.Lock()
		defer s.st.gcMu.Unlock()
	}
	q := &p.rx
	q.mu.Lock()
	switch {
	case q.dead:
		q.mu.Unlock()
		if s.Type == linux.SOCK_SEQPACKET {
			return 0, linux.EPIPE
		}
		s.st.mu.Lock()
		if s.peer.Load() == p {
			s.peer.Store(nil)
			s.state.Store(idle)
		}
		s.st.mu.Unlock()
		return 0, linux.ECONNREFUSED
	case p.shut.Load()&shutRecv != 0:
		q.mu.Unlock()
		return 0, linux.EPIPE
	case s.crowded(p):
		q.wait(s)
		q.mu.Unlock()
		return 0, linux.EAGAIN
	}
	if x.files != nil {
		if err := s.st.launch(x.files); err != nil {
			q.mu.Unlock()
			return 0, err
		}
	}
	x.files = nil
	s.wmem.Add(int64(msg.cost))
	q.push(msg)
	q.mu.Unlock()
	p.Queue.Notify(waiter.Readable)
	return len(m.Data), nil
}

// Recv implements sock.Socket.
func (s *Socket) Recv(c *vfs.Context, m *sock.Msg) (int, error) {
	in := m.Flags
	m.Flags = 0
	if in&linux.MSG_OOB != 0 {
		return 0, linux.EOPNOTSUPP
	}
	if s.stream() {
		if s.state.Load() != connected {
			return 0, linux.EINVAL
		}
		return s.recvStream(c, m, in)
	}
	if s.Type == linux.SOCK_SEQPACKET && s.state.Load() != connected {
		return 0, linux.ENOTCONN
	}
	return s.recvMessage(c, m, in)
}

// lockRx locks the receive queue, and gcMu before it if there are files.
func (s *Socket) lockRx() (gc bool) {
	for {
		gc = s.rx.rights.Load() > 0
		if gc {
			s.st.gcMu.Lock()
		}
		s.rx.mu.Lock()
		if gc || s.rx.rights.Load() == 0 {
			return gc
		}
		s.rx.mu.Unlock()
	}
}

func (s *Socket) unlockRx(gc bool) {
	s.rx.mu.Unlock()
	if gc {
		s.st.gcMu.Unlock()
	}
}

func (s *Socket) recvStream(c *vfs.Context, m *sock.Msg, in int) (int, error) {
	peek := in&linux.MSG_PEEK != 0
	q := &s.rx
	gc := s.lockRx()
	off := 0
	if po := s.PeekOff(); po >= 0 && peek {
		off = po
	}
	if q.ring.Len() <= off {
		s.unlockRx(gc)
		if err := s.TakeErr(); err != nil {
			return 0, err
		}
		if s.shut.Load()&shutRecv != 0 {
			// Data may have come between the two looks.
			q.mu.Lock()
			empty := q.ring.Len() <= off
			q.mu.Unlock()
			if empty {
				return 0, nil
			}
			return s.recvStream(c, m, in)
		}
		return 0, linux.EAGAIN
	}
	if len(m.Data) == 0 {
		s.unlockRx(gc)
		return 0, nil
	}
	n, x := q.read(m.Data, off, peek, s.Flag(sock.FlagPassCred))
	if !peek && len(x.files) > 0 {
		s.st.land(x.files)
	}
	room := q.wantSpace && q.ring.Len()*4 <= s.SndBuf()
	if room {
		q.wantSpace = false
	}
	s.unlockRx(gc)
	if peek {
		s.MovePeekOff(n)
	} else {
		s.MovePeekOff(-n)
	}
	if p := s.peer.Load(); p != nil && room {
		p.Queue.Notify(waiter.Writable)
	}
	s.deliver(c, m, in, &x, &m.Flags)
	return n, nil
}

func (s *Socket) recvMessage(c *vfs.Context, m *sock.Msg, in int) (int, error) {
	peek := in&linux.MSG_PEEK != 0
	// Unlike that of a stream, an error comes before what is queued
	// (__skb_try_recv_datagram).
	if err := s.TakeErr(); err != nil {
		return 0, err
	}
	q := &s.rx
	gc := s.lockRx()
	if q.count() == 0 {
		s.unlockRx(gc)
		if s.shut.Load()&shutRecv != 0 {
			return 0, nil
		}
		return 0, linux.EAGAIN
	}
	var msg message
	if peek {
		msg = q.msgs[q.first]
		msg.files = slices.Clone(msg.files)
		for _, f := range msg.files {
			f.IncRef()
		}
	} else {
		msg = q.pop()
		if len(msg.files) > 0 {
			s.st.land(msg.files)
		}
	}
	var waiting map[*Socket]struct{}
	if !peek && q.waiting != nil && q.count() <= dgramQueue {
		waiting, q.waiting = q.waiting, nil
	}
	s.unlockRx(gc)
	if !peek {
		refund([]message{msg})
	}
	for w := range waiting {
		w.Queue.Notify(waiter.Writable)
	}
	n := copy(m.Data, msg.data)
	if n < len(msg.data) {
		m.Flags |= linux.MSG_TRUNC
		if in&linux.MSG_TRUNC != 0 {
			n = len(msg.data)
		}
	}
	if msg.addr != "" {
		putName(&m.Addr, msg.addr)
	} else {
		m.Addr.N = 0
	}
	if !msg.hasWho {
		msg.who = nobody
	}
	s.deliver(c, m, in, &msg.extra, &m.Flags)
	return n, nil
}
