package loopback

import (
	"sync"
	"sync/atomic"

	"sentinel/internal/abi/linux"
	"sentinel/internal/sock"
	"sentinel/internal/vfs"
)

// options holds what is set at levels IP, IPv6, TCP and UDP. Most have no
// effect without packets and are only told back.
type options struct {
	v6only  atomic.Bool
	pktinfo atomic.Bool
	ttl     atomic.Bool // IP_RECVTTL or IPV6_RECVHOPLIMIT

	mu sync.Mutex
	m  map[[2]int]int32
}

// known returns an option's default; ok is false if it does not exist.
func known(typ, level, name int) (def int, ok bool) {
	switch level {
	case linux.SOL_IP:
		switch name {
		case linux.IP_TTL:
			return 64, true
		case linux.IP_MULTICAST_TTL, linux.IP_MULTICAST_LOOP, linux.IP_MULTICAST_ALL:
			return 1, true
		case linux.IP_MTU_DISCOVER:
			return linux.IP_PMTUDISC_WANT, true
		case linux.IP_MTU:
			return 65536, true
		case linux.IP_TOS, linux.IP_PKTINFO, linux.IP_RECVERR, linux.IP_RECVTTL, linux.IP_RECVTOS, linux.IP_FREEBIND,
			linux.IP_BIND_ADDRESS_NO_PORT, linux.IP_RECVORIGDSTADDR, linux.IP_MINTTL, linux.IP_UNICAST_IF:
			return 0, true
		}
	case linux.SOL_IPV6:
		switch name {
		case linux.IPV6_UNICAST_HOPS:
			return 64, true
		case linux.IPV6_MULTICAST_HOPS, linux.IPV6_MULTICAST_LOOP, linux.IPV6_MULTICAST_ALL:
			return 1, true
		case linux.IPV6_MTU_DISCOVER:
			return linux.IPV6_PMTUDISC_WANT, true
		case linux.IPV6_MTU:
			return 65536, true
		case linux.IPV6_V6ONLY, linux.IPV6_RECVERR, linux.IPV6_RECVPKTINFO, linux.IPV6_RECVHOPLIMIT, linux.IPV6_RECVTCLASS,
			linux.IPV6_TCLASS, linux.IPV6_DONTFRAG, linux.IPV6_FREEBIND, linux.IPV6_UNICAST_IF, linux.IPV6_ADDR_PREFERENCES,
			linux.IPV6_AUTOFLOWLABEL, linux.IPV6_RECVORIGDSTADDR:
			return 0, true
		}
	case linux.SOL_TCP:
		if typ != linux.SOCK_STREAM {
			return 0, false
		}
		switch name {
		case linux.TCP_MAXSEG:
			return 65483, true
		case linux.TCP_KEEPIDLE:
			return 7200, true
		case linux.TCP_KEEPINTVL:
			return 75, true
		case linux.TCP_KEEPCNT:
			return 9, true
		case linux.TCP_SYNCNT:
			return 6, true
		case linux.TCP_LINGER2:
			return 60, true
		case linux.TCP_QUICKACK:
			return 1, true
		case linux.TCP_NODELAY, linux.TCP_CORK, linux.TCP_DEFER_ACCEPT, linux.TCP_WINDOW_CLAMP, linux.TCP_USER_TIMEOUT,
			linux.TCP_FASTOPEN, linux.TCP_FASTOPEN_CONNECT, linux.TCP_NOTSENT_LOWAT, linux.TCP_SAVE_SYN, linux.TCP_INQ:
			return 0, true
		}
	case linux.SOL_UDP:
		switch name {
		case linux.UDP_CORK, linux.UDP_SEGMENT, linux.UDP_GRO:
			return 0, typ == linux.SOCK_DGRAM
		}
	}
	return 0, false
}

func (o *options) set(e *endpoint, level, name int, val []byte) error {
	if level == linux.SOL_IPV6 && !e.v6() {
		return linux.ENOPROTOOPT
	}
	if level == linux.SOL_TCP && name == linux.TCP_CONGESTION && e.tcp != nil {
		if s := string(val); s == "cubic" || s == "reno" || s == "cubic\x00" || s == "reno\x00" {
			return nil
		}
		return linux.ENOENT
	}
	if level == linux.SOL_TCP && name == linux.TCP_ULP {
		return linux.ENOENT
	}
	switch {
	case level == linux.SOL_IP && (name == linux.IP_ADD_MEMBERSHIP || name == linux.IP_DROP_MEMBERSHIP),
		level == linux.SOL_IPV6 && (name == linux.IPV6_ADD_MEMBERSHIP || name == linux.IPV6_DROP_MEMBERSHIP):
		return linux.ENODEV // lo has no multicast
	case level == linux.SOL_IP && name == linux.IP_MULTICAST_IF, level == linux.SOL_IPV6 && name == linux.IPV6_MULTICAST_IF:
		return nil
	}
	if _, ok := known(e.base.Type, level, name); !ok {
		return linux.ENOPROTOOPT
	}
	v := 0
	if len(val) >= 4 {
		v, _ = sock.Int(val)
	} else if len(val) > 0 && level == linux.SOL_IP {
		v = int(val[0]) // as ip(7) permits
	} else {
		return linux.EINVAL
	}
	switch {
	case level == linux.SOL_IPV6 && name == linux.IPV6_V6ONLY:
		e.st.mu.Lock()
		bound := e.local.Port() != 0
		e.st.mu.Unlock()
		if bound {
			return linux.EINVAL
		}
		o.v6only.Store(v != 0)
	case level == linux.SOL_IP && name == linux.IP_PKTINFO, level == linux.SOL_IPV6 && name == linux.IPV6_RECVPKTINFO:
		o.pktinfo.Store(v != 0)
	case level == linux.SOL_IP && name == linux.IP_RECVTTL, level == linux.SOL_IPV6 && name == linux.IPV6_RECVHOPLIMIT:
		o.ttl.Store(v != 0)
	}
	o.mu.Lock()
	if o.m == nil {
		o.m = map[[2]int]int32{}
	}
	o.m[[2]int{level, name}] = int32(v)
	o.mu.Unlock()
	return nil
}

func (o *options) get(e *endpoint, level, name int, buf []byte) (int, error) {
	if level == linux.SOL_IPV6 && !e.v6() {
		return 0, linux.ENOPROTOOPT
	}
	if level == linux.SOL_TCP && e.tcp != nil {
		switch name {
		case linux.TCP_CONGESTION:
			return copy(buf, "cubic\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"), nil
		case linux.TCP_INFO:
			var info [232]byte
			info[0] = e.tcp.procState()
			return copy(buf, info[:]), nil
		}
	}
	def, ok := known(e.base.Type, level, name)
	if !ok {
		return 0, linux.ENOPROTOOPT
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if v, ok := o.m[[2]int{level, name}]; ok {
		def = int(v)
	}
	return sock.PutInt(buf, def), nil
}

// setOpt and getOpt are SetOpt and GetOpt of both protocols.
func (e *endpoint) setOpt(c *vfs.Context, level, name int, val []byte) error {
	if level != linux.SOL_SOCKET {
		return e.opts.set(e, level, name, val)
	}
	switch name {
	case linux.SO_PEEK_OFF, linux.SO_ZEROCOPY:
		return linux.EOPNOTSUPP
	case linux.SO_ATTACH_FILTER, linux.SO_ATTACH_BPF, linux.SO_ATTACH_REUSEPORT_CBPF, linux.SO_ATTACH_REUSEPORT_EBPF:
		return linux.EPERM
	case linux.SO_DETACH_FILTER:
		return linux.ENOENT
	case linux.SO_MAX_PACING_RATE, linux.SO_INCOMING_CPU:
		return nil
	}
	return e.base.SetCommon(c, name, val)
}

func (e *endpoint) getOpt(level, name int, buf []byte) (int, error) {
	if level != linux.SOL_SOCKET {
		return e.opts.get(e, level, name, buf)
	}
	switch name {
	case linux.SO_ACCEPTCONN:
		return sock.PutBool(buf, e.tcp != nil && e.tcp.state.Load() == stListen), nil
	case linux.SO_PEERCRED:
		var b [12]byte
		sock.PutInt(b[4:], -1)
		sock.PutInt(b[8:], -1)
		return copy(buf, b[:]), nil
	}
	return e.base.GetCommon(name, buf)
}
