package unix

import (
	"encoding/binary"

	"sentinel/internal/abi/linux"
	"sentinel/internal/sock"
	"sentinel/internal/vfs"
)

// SetOpt implements sock.Socket.
func (s *Socket) SetOpt(c *vfs.Context, level, name int, val []byte) error {
	if level != linux.SOL_SOCKET {
		return linux.EOPNOTSUPP
	}
	return s.SetCommon(c, name, val)
}

// GetOpt implements sock.Socket.
func (s *Socket) GetOpt(_ *vfs.Context, level, name int, buf []byte) (int, error) {
	if level != linux.SOL_SOCKET {
		return 0, linux.EOPNOTSUPP
	}
	switch name {
	case linux.SO_ACCEPTCONN:
		return sock.PutBool(buf, s.state.Load() == listening), nil
	case linux.SO_PEERCRED:
		pc := s.peerIdentity()
		who := pc.person
		if !pc.valid {
			who = person{0, ^uint32(0), ^uint32(0)}
		}
		var b [12]byte
		binary.NativeEndian.PutUint32(b[:], uint32(who.pid))
		binary.NativeEndian.PutUint32(b[4:], who.uid)
		binary.NativeEndian.PutUint32(b[8:], who.gid)
		return copy(buf, b[:]), nil
	case linux.SO_PEERGROUPS:
		pc := s.peerIdentity()
		if !pc.valid {
			return 0, linux.ENODATA
		}
		if len(buf) < 4*len(pc.groups) {
			return 0, linux.ERANGE
		}
		for i, g := range pc.groups {
			binary.NativeEndian.PutUint32(buf[4*i:], g)
		}
		return 4 * len(pc.groups), nil
	case linux.SO_PEERSEC:
		return 0, linux.ENOPROTOOPT
	}
	return s.GetCommon(name, buf)
}

func (s *Socket) peerIdentity() peerCred {
	s.st.mu.Lock()
	defer s.st.mu.Unlock()
	return s.peerCred
}

// Ioctl implements sock.Socket.
func (s *Socket) Ioctl(c *vfs.Context, cmd uint32, arg uint64) (uint64, error) {
	switch cmd {
	case linux.SIOCINQ:
		if s.state.Load() == listening {
			return 0, linux.EINVAL
		}
		s.rx.mu.Lock()
		n := s.rx.ring.Len()
		if !s.stream() {
			n = s.rx.bytes
			if s.Type == linux.SOCK_DGRAM && s.rx.count() > 0 {
				n = len(s.rx.msgs[s.rx.first].data)
			}
		}
		s.rx.mu.Unlock()
		return 0, sock.PutUserInt(c, arg, n)
	case linux.SIOCOUTQ:
		n := int(s.wmem.Load())
		if p := s.peer.Load(); p != nil && s.stream() {
			p.rx.mu.Lock()
			n = p.rx.ring.Len()
			p.rx.mu.Unlock()
		}
		return 0, sock.PutUserInt(c, arg, n)
	case linux.SIOCATMARK:
		return 0, sock.PutUserInt(c, arg, 0)
	}
	if ok, err := s.st.ifs.Ioctl(c, cmd, arg); ok {
		return 0, err
	}
	return 0, linux.ENOTTY
}
