package inet

import (
	"slices"

	"sentinel/internal/abi/linux"
	"sentinel/internal/host"
	"sentinel/internal/sock"
	"sentinel/internal/vfs"
	"sentinel/internal/waiter"
)

// Options that go to the host as they are. None carries a pointer, a
// descriptor or a path.
func passSocket(name int, set bool) bool {
	switch name {
	case linux.SO_REUSEADDR, linux.SO_REUSEPORT, linux.SO_KEEPALIVE, linux.SO_BROADCAST, linux.SO_OOBINLINE,
		linux.SO_DONTROUTE, linux.SO_SNDBUF, linux.SO_RCVBUF, linux.SO_RCVLOWAT, linux.SO_NO_CHECK, linux.SO_RXQ_OVFL,
		linux.SO_TIMESTAMP_OLD, linux.SO_TIMESTAMP_NEW, linux.SO_TIMESTAMPNS_OLD, linux.SO_TIMESTAMPNS_NEW,
		linux.SO_TIMESTAMPING_OLD, linux.SO_TIMESTAMPING_NEW, linux.SO_MAX_PACING_RATE, linux.SO_SELECT_ERR_QUEUE:
		return true
	case linux.SO_ERROR, linux.SO_ACCEPTCONN, linux.SO_SNDLOWAT, linux.SO_MEMINFO, linux.SO_INCOMING_CPU, linux.SO_INCOMING_NAPI_ID:
		return !set
	}
	return false
}

func passIP(name int, set bool) bool {
	switch name {
	case linux.IP_TOS, linux.IP_TTL, linux.IP_PKTINFO, linux.IP_MTU_DISCOVER, linux.IP_RECVERR, linux.IP_RECVTTL,
		linux.IP_RECVTOS, linux.IP_FREEBIND, linux.IP_MULTICAST_IF, linux.IP_MULTICAST_TTL, linux.IP_MULTICAST_LOOP,
		linux.IP_MULTICAST_ALL, linux.IP_ADD_MEMBERSHIP, linux.IP_DROP_MEMBERSHIP, linux.IP_ADD_SOURCE_MEMBERSHIP,
		linux.IP_DROP_SOURCE_MEMBERSHIP, linux.IP_BLOCK_SOURCE, linux.IP_UNBLOCK_SOURCE, linux.IP_UNICAST_IF,
		linux.IP_BIND_ADDRESS_NO_PORT, linux.IP_RECVORIGDSTADDR, linux.IP_MINTTL, linux.IP_LOCAL_PORT_RANGE,
		linux.IP_RECVFRAGSIZE, linux.IP_RECVOPTS, linux.IP_RETOPTS, linux.IP_RECVERR_RFC4884,
		linux.MCAST_JOIN_GROUP, linux.MCAST_LEAVE_GROUP, linux.MCAST_JOIN_SOURCE_GROUP, linux.MCAST_LEAVE_SOURCE_GROUP,
		linux.MCAST_BLOCK_SOURCE, linux.MCAST_UNBLOCK_SOURCE:
		return true
	case linux.IP_MTU, linux.IP_PROTOCOL, linux.IP_OPTIONS, linux.IP_NODEFRAG:
		return !set
	}
	return false
}

func passIPv6(name int, set bool) bool {
	switch name {
	case linux.IPV6_V6ONLY, linux.IPV6_UNICAST_HOPS, linux.IPV6_MULTICAST_HOPS, linux.IPV6_MULTICAST_IF,
		linux.IPV6_MULTICAST_LOOP, linux.IPV6_MULTICAST_ALL, linux.IPV6_ADD_MEMBERSHIP, linux.IPV6_DROP_MEMBERSHIP,
		linux.IPV6_MTU_DISCOVER, linux.IPV6_RECVERR, linux.IPV6_RECVPKTINFO, linux.IPV6_2292PKTINFO,
		linux.IPV6_RECVHOPLIMIT, linux.IPV6_2292HOPLIMIT, linux.IPV6_RECVTCLASS, linux.IPV6_TCLASS, linux.IPV6_DONTFRAG,
		linux.IPV6_MTU, linux.IPV6_RECVPATHMTU, linux.IPV6_FREEBIND, linux.IPV6_UNICAST_IF, linux.IPV6_RECVORIGDSTADDR,
		linux.IPV6_MINHOPCOUNT, linux.IPV6_ADDR_PREFERENCES, linux.IPV6_AUTOFLOWLABEL, linux.IPV6_RECVFRAGSIZE,
		linux.IPV6_RECVERR_RFC4884,
		linux.MCAST_JOIN_GROUP, linux.MCAST_LEAVE_GROUP, linux.MCAST_JOIN_SOURCE_GROUP, linux.MCAST_LEAVE_SOURCE_GROUP,
		linux.MCAST_BLOCK_SOURCE, linux.MCAST_UNBLOCK_SOURCE:
		return true
	case linux.IPV6_PATHMTU:
		return !set
	}
	return false
}

func passTCP(name int, set bool) bool {
	switch name {
	case linux.TCP_NODELAY, linux.TCP_MAXSEG, linux.TCP_CORK, linux.TCP_KEEPIDLE, linux.TCP_KEEPINTVL, linux.TCP_KEEPCNT,
		linux.TCP_SYNCNT, linux.TCP_LINGER2, linux.TCP_DEFER_ACCEPT, linux.TCP_WINDOW_CLAMP, linux.TCP_QUICKACK,
		linux.TCP_CONGESTION, linux.TCP_USER_TIMEOUT, linux.TCP_FASTOPEN, linux.TCP_FASTOPEN_CONNECT,
		linux.TCP_FASTOPEN_NO_COOKIE, linux.TCP_NOTSENT_LOWAT, linux.TCP_SAVE_SYN, linux.TCP_INQ,
		linux.TCP_THIN_LINEAR_TIMEOUTS, linux.TCP_TX_DELAY:
		return true
	case linux.TCP_INFO, linux.TCP_CC_INFO, linux.TCP_SAVED_SYN, linux.TCP_TIMESTAMP:
		return !set
	}
	return false
}

func (s *Socket) passes(level, name int, set bool) bool {
	switch level {
	case linux.SOL_SOCKET:
		return passSocket(name, set)
	case linux.SOL_IP:
		return passIP(name, set)
	case linux.SOL_IPV6:
		return s.Family == linux.AF_INET6 && passIPv6(name, set)
	case linux.SOL_TCP:
		return s.Type == linux.SOCK_STREAM && passTCP(name, set)
	case linux.SOL_UDP:
		return s.Protocol == linux.IPPROTO_UDP &&
			slices.Contains([]int{linux.UDP_CORK, linux.UDP_SEGMENT, linux.UDP_GRO}, name)
	}
	return false
}

// SetOpt implements sock.Socket.
func (s *Socket) SetOpt(c *vfs.Context, level, name int, val []byte) error {
	if n := s.near(); n != nil {
		err := n.SetOpt(c, level, name, val)
		if level == linux.SOL_SOCKET && name == linux.SO_SNDBUF {
			s.Queue.Notify(waiter.Writable) // there may be more room
		}
		return err
	}
	err := s.setOpt(c, level, name, val)
	if err == nil {
		s.remember(level, name, val)
	}
	return err
}

func (s *Socket) setOpt(c *vfs.Context, level, name int, val []byte) error {
	if level == linux.SOL_SOCKET {
		switch name {
		case linux.SO_LINGER:
			return s.setLinger(c, val)
		case linux.SO_PEEK_OFF, linux.SO_ZEROCOPY:
			return linux.EOPNOTSUPP
		case linux.SO_ATTACH_FILTER, linux.SO_ATTACH_BPF, linux.SO_ATTACH_REUSEPORT_CBPF, linux.SO_ATTACH_REUSEPORT_EBPF:
			return linux.EPERM
		case linux.SO_DETACH_FILTER:
			return linux.ENOENT
		}
		if !passSocket(name, true) {
			return s.SetCommon(c, name, val)
		}
	}
	if s.passes(level, name, true) {
		if level == linux.SOL_SOCKET && (name == linux.SO_RCVLOWAT || name == linux.SO_SNDBUF) ||
			level == linux.SOL_TCP && name == linux.TCP_NOTSENT_LOWAT {
			s.state.Forget() // these decide on what is ready
		}
		return host.SetSockopt(s.fd, level, name, val)
	}
	return refuse(level, name)
}

// refuse is the error for an option that the host does not get to see.
func refuse(level, name int) error {
	switch {
	case level == linux.SOL_IP && (name == linux.IP_TRANSPARENT || name == linux.IP_HDRINCL || name == linux.IP_OPTIONS),
		level == linux.SOL_IPV6 && name == linux.IPV6_TRANSPARENT,
		level == linux.SOL_TCP && (name == linux.TCP_REPAIR || name == linux.TCP_MD5SIG):
		return linux.EPERM
	case level == linux.SOL_TCP && name == linux.TCP_ULP:
		return linux.ENOENT // no such upper protocol, as without the tls module
	}
	return linux.ENOPROTOOPT
}

// setLinger gives the host only what cannot make close(2) wait: off, and on
// with zero seconds, which resets the connection. Any other is only told back;
// the host goes on sending after close either way.
func (s *Socket) setLinger(c *vfs.Context, val []byte) error {
	if err := s.SetCommon(c, linux.SO_LINGER, val); err != nil {
		return err
	}
	var v [8]byte
	if on, sec := s.Linger(); on && sec == 0 {
		v[0] = 1
	}
	return host.SetSockopt(s.fd, linux.SOL_SOCKET, linux.SO_LINGER, v[:])
}

// GetOpt implements sock.Socket.
func (s *Socket) GetOpt(c *vfs.Context, level, name int, buf []byte) (int, error) {
	if n := s.near(); n != nil {
		return n.GetOpt(c, level, name, buf)
	}
	if level == linux.SOL_SOCKET {
		switch name {
		case linux.SO_PEERCRED:
			var b [12]byte
			sock.PutInt(b[4:], -1)
			sock.PutInt(b[8:], -1)
			return copy(buf, b[:]), nil
		case linux.SO_PEEK_OFF:
			return 0, linux.EOPNOTSUPP
		}
		if !passSocket(name, false) {
			return s.GetCommon(name, buf)
		}
	}
	if s.passes(level, name, false) {
		return host.GetSockopt(s.fd, level, name, buf)
	}
	return 0, linux.ENOPROTOOPT
}
