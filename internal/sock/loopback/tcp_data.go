package loopback

import (
	"sentinel/internal/abi/linux"
	"sentinel/internal/sock"
	"sentinel/internal/vfs"
	"sentinel/internal/waiter"
)

// window is how much may wait at p for data from s: both their buffers.
func (s *TCP) window(p *TCP) int { return s.SndBuf() + p.RcvBuf() }

// Send implements sock.Socket.
func (s *TCP) Send(_ *vfs.Context, m *sock.Msg) (int, error) {
	switch s.state.Load() {
	case stConnecting:
		return 0, linux.EAGAIN
	case stEstablished:
	default:
		if err := s.TakeErr(); err != nil {
			return 0, err
		}
		return 0, linux.EPIPE
	}
	if err := s.TakeErr(); err != nil {
		return 0, err
	}
	if s.shut.Load()&shutSend != 0 {
		return 0, linux.EPIPE
	}
	p := s.peer.Load()
	if p == nil {
		return 0, linux.EPIPE
	}
	if len(m.Data) == 0 {
		return 0, nil
	}
	p.rx.mu.Lock()
	if p.rx.gone {
		p.rx.mu.Unlock()
		// The peer answers with RST, which the next call finds (tcp_reset).
		err := linux.ECONNRESET
		if s.shut.Load()&shutRecv != 0 {
			err = linux.EPIPE
		}
		s.st.mu.Lock()
		s.reset(err)
		s.st.mu.Unlock()
		return len(m.Data), nil
	}
	n := min(len(m.Data), s.window(p)-p.rx.ring.Len())
	if n <= 0 {
		p.rx.wantSpace = true
		p.rx.mu.Unlock()
		return 0, linux.EAGAIN
	}
	data, events := m.Data[:n], waiter.Readable
	if m.Flags&linux.MSG_OOB != 0 && n == len(m.Data) {
		// The last byte is urgent; an older one that nobody read is lost, as
		// on Linux.
		p.rx.urgent = urgent{set: true, b: data[n-1], after: p.rx.ring.Len() + n - 1}
		events |= waiter.Pri
		if !p.Flag(sock.FlagOOBInline) {
			data = data[:n-1]
		}
	}
	p.rx.ring.Write(data)
	p.rx.mu.Unlock()
	p.events.Notify(events)
	return n, nil
}

// Recv implements sock.Socket.
func (s *TCP) Recv(_ *vfs.Context, m *sock.Msg) (int, error) {
	in := m.Flags
	m.Flags, m.Addr.N = 0, 0
	if in&linux.MSG_OOB != 0 {
		return s.recvUrgent(m, in)
	}
	if in&linux.MSG_ERRQUEUE != 0 {
		return 0, linux.EAGAIN
	}
	if st := s.state.Load(); st == stListen {
		return 0, linux.ENOTCONN
	}
	s.rx.mu.Lock()
	have := s.rx.ring.Len()
	if have == 0 {
		fin := s.rx.fin
		s.rx.mu.Unlock()
		return 0, s.noData(fin)
	}
	n := min(len(m.Data), have)
	if u := &s.rx.urgent; u.set && u.after > 0 {
		n = min(n, u.after) // a read stops at the mark
	}
	if in&linux.MSG_TRUNC == 0 {
		s.rx.ring.Peek(m.Data[:n], 0)
	}
	p := s.peer.Load()
	room := false
	if in&linux.MSG_PEEK == 0 {
		s.rx.ring.Discard(n)
		s.rx.urgent.pass(n)
		if s.rx.wantSpace && p != nil && p.roomy(s.rx.ring.Len(), s) {
			s.rx.wantSpace, room = false, true
		}
	}
	s.rx.mu.Unlock()
	if room {
		p.events.Notify(waiter.Writable)
	}
	return n, nil
}

// pass moves the mark when n bytes before it were read.
func (u *urgent) pass(n int) {
	switch {
	case !u.set || n == 0:
	case u.after >= n:
		u.after -= n
	default:
		*u = urgent{}
	}
}

// recvUrgent implements MSG_OOB (tcp_recv_urg).
func (s *TCP) recvUrgent(m *sock.Msg, in int) (int, error) {
	s.rx.mu.Lock()
	defer s.rx.mu.Unlock()
	u := &s.rx.urgent
	if s.Flag(sock.FlagOOBInline) || !u.set || u.read {
		return 0, linux.EINVAL
	}
	if in&linux.MSG_PEEK == 0 {
		u.read = true
	}
	m.Flags = linux.MSG_OOB
	return copy(m.Data, []byte{u.b}), nil
}

// noData tells why there is nothing to read, in the order of tcp_recvmsg; nil
// is end of file.
func (s *TCP) noData(fin bool) error {
	if fin {
		return nil
	}
	if err := s.TakeErr(); err != nil {
		return err
	}
	if s.shut.Load()&shutRecv != 0 {
		return nil
	}
	if s.state.Load() == stClosed {
		return linux.ENOTCONN
	}
	return linux.EAGAIN
}

// roomy reports whether s may be called writable with n bytes waiting at p
// (sk_stream_is_writeable: at least a third free).
func (s *TCP) roomy(n int, p *TCP) bool { return n+n/2 <= s.window(p) }

// Readiness implements waiter.Waitable (tcp_poll).
func (s *TCP) Readiness(mask waiter.Mask) waiter.Mask {
	var got waiter.Mask
	state, shut := s.state.Load(), s.shut.Load()
	if state == stListen {
		if s.nPending.Load() > 0 {
			got = waiter.Readable
		}
		return got & mask
	}
	if s.HasErr() {
		got |= waiter.Err
	}
	if shut == shutRecv|shutSend || state == stClosed || state == stDead {
		got |= waiter.Hup
	}
	if shut&shutRecv != 0 {
		got |= waiter.Readable | waiter.RdHup
	}
	if state != stConnecting {
		if mask&(waiter.Readable|waiter.Pri) != 0 {
			s.rx.mu.Lock()
			if s.rx.urgent.set && !s.rx.urgent.read {
				got |= waiter.Pri
			}
			if n := s.rx.ring.Len(); n > 0 && n >= min(s.LowWater(), s.RcvBuf()) {
				got |= waiter.Readable
			}
			s.rx.mu.Unlock()
		}
		if mask&waiter.Writable != 0 {
			got |= s.writable(shut)
		}
	}
	return got & (mask | waiter.Err | waiter.Hup)
}

func (s *TCP) writable(shut uint32) waiter.Mask {
	p := s.peer.Load()
	if p == nil || shut&shutSend != 0 {
		return waiter.Writable
	}
	p.rx.mu.Lock()
	defer p.rx.mu.Unlock()
	if p.rx.gone || s.roomy(p.rx.ring.Len(), p) {
		return waiter.Writable
	}
	p.rx.wantSpace = true
	return 0
}

// SetOpt implements sock.Socket.
func (s *TCP) SetOpt(c *vfs.Context, level, name int, val []byte) error {
	return s.setOpt(c, level, name, val)
}

// GetOpt implements sock.Socket.
func (s *TCP) GetOpt(_ *vfs.Context, level, name int, buf []byte) (int, error) {
	return s.getOpt(level, name, buf)
}

// Ioctl implements sock.Socket.
func (s *TCP) Ioctl(c *vfs.Context, cmd uint32, arg uint64) (uint64, error) {
	switch cmd {
	case linux.SIOCINQ:
		if s.state.Load() == stListen {
			return 0, linux.EINVAL
		}
		s.rx.mu.Lock()
		n := s.rx.ring.Len()
		s.rx.mu.Unlock()
		return 0, sock.PutUserInt(c, arg, n)
	case linux.SIOCOUTQ, linux.SIOCOUTQNSD:
		if s.state.Load() == stListen {
			return 0, linux.EINVAL
		}
		return 0, sock.PutUserInt(c, arg, 0) // sent data has arrived
	case linux.SIOCATMARK:
		s.rx.mu.Lock()
		at := 0
		if s.rx.urgent.set && s.rx.urgent.after == 0 {
			at = 1
		}
		s.rx.mu.Unlock()
		return 0, sock.PutUserInt(c, arg, at)
	}
	if ok, err := s.st.ifs.Ioctl(c, cmd, arg); ok {
		return 0, err
	}
	return 0, linux.ENOTTY
}
