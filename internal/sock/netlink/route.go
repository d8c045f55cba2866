package netlink

import (
	"bytes"

	"sentinel/internal/abi/linux"
	"sentinel/internal/sock/netif"
)

// request answers one message (rtnetlink_rcv_msg in net/core/rtnetlink.c).
func (s *Socket) request(b []byte) {
	typ, fl := ne.Uint16(b[4:]), ne.Uint16(b[6:])
	if fl&linux.NLM_F_REQUEST == 0 {
		return
	}
	var err linux.Errno
	switch {
	case typ < linux.NLMSG_MIN_TYPE:
	case typ > linux.RTM_MAX || typ < linux.RTM_BASE:
		err = linux.EOPNOTSUPP
	case typ&3 != 2: // all but RTM_GET* change something
		err = linux.EPERM
	case fl&linux.NLM_F_DUMP == linux.NLM_F_DUMP:
		if err = s.dump(typ, b); err == 0 {
			return // ended by NLMSG_DONE
		}
	default:
		err = s.get(typ, b)
	}
	if err != 0 || fl&linux.NLM_F_ACK != 0 {
		s.ack(b, err)
	}
}

// ack sends NLMSG_ERROR; 0 is success, which echoes only the header.
func (s *Socket) ack(req []byte, err linux.Errno) {
	echo := req
	if err == 0 {
		echo = req[:hdrLen]
	}
	out := make([]byte, hdrLen+4, hdrLen+4+len(echo))
	ne.PutUint16(out[4:], linux.NLMSG_ERROR)
	copy(out[8:12], req[8:12])
	ne.PutUint32(out[hdrLen:], uint32(-int32(err)))
	out = append(out, echo...)
	ne.PutUint32(out, uint32(len(out)))
	s.stamp(out)
	s.put(out)
}

func (s *Socket) stamp(b []byte) {
	s.mu.Lock()
	ne.PutUint32(b[12:], s.port)
	s.mu.Unlock()
}

// dump answers with everything of a kind, in datagrams that fit a page.
func (s *Socket) dump(typ uint16, req []byte) linux.Errno {
	family := uint8(0)
	if len(req) > hdrLen {
		family = req[hdrLen]
	}
	var msgs [][]byte
	switch typ {
	case linux.RTM_GETLINK:
		if family == linux.AF_BRIDGE {
			break
		}
		links := s.st.ifs.Links()
		for i := range links {
			msgs = append(msgs, links[i].Msg())
		}
	case linux.RTM_GETADDR:
		// A strict request may name an interface.
		index := int32(0)
		if len(req) >= hdrLen+8 {
			index = int32(ne.Uint32(req[hdrLen+4:]))
		}
		addrs := s.st.ifs.Addrs()
		for i := range addrs {
			a := &addrs[i]
			if (family == 0 || a.Family == family) && (index == 0 || a.Index == index) {
				msgs = append(msgs, a.Msg())
			}
		}
	case linux.RTM_GETROUTE:
		routes := s.st.ifs.Routes()
		for i := range routes {
			if r := &routes[i]; family == 0 || r.Family == family {
				msgs = append(msgs, r.Msg())
			}
		}
	case linux.RTM_GETNEIGH, linux.RTM_GETRULE, linux.RTM_GETQDISC, linux.RTM_GETNETCONF, linux.RTM_GETMULTICAST,
		linux.RTM_GETANYCAST, linux.RTM_GETADDRLABEL, linux.RTM_GETNEXTHOP:
	default:
		return linux.EOPNOTSUPP
	}
	var out []byte
	add := func(m []byte) {
		if len(out) > 0 && len(out)+len(m) > goodSize {
			s.put(out)
			out = nil
		}
		at := len(out)
		out = append(out, m...)
		for len(out)%4 != 0 {
			out = append(out, 0)
		}
		ne.PutUint16(out[at+6:], flags)
		copy(out[at+8:at+12], req[8:12])
		s.stamp(out[at:])
	}
	for _, m := range msgs {
		add(m)
	}
	var done [hdrLen + 4]byte
	ne.PutUint32(done[:], uint32(len(done)))
	ne.PutUint16(done[4:], linux.NLMSG_DONE)
	add(done[:])
	s.put(out)
	return 0
}

// get answers a request for one object.
func (s *Socket) get(typ uint16, req []byte) linux.Errno {
	var m []byte
	switch typ {
	case linux.RTM_GETLINK:
		if len(req) < hdrLen+16 {
			return linux.EINVAL
		}
		k := s.st.ifs.ByIndex(int32(ne.Uint32(req[hdrLen+4:])))
		if k == nil {
			if d := attribute(req[hdrLen+16:], linux.IFLA_IFNAME, linux.IFLA_ALT_IFNAME); d != nil {
				k = s.st.ifs.ByName(string(bytes.TrimRight(d, "\x00")))
			}
		}
		if k == nil {
			return linux.ENODEV
		}
		m = bytes.Clone(k.Msg())
	case linux.RTM_GETROUTE:
		if len(req) < hdrLen+12 {
			return linux.EINVAL
		}
		dst := attribute(req[hdrLen+12:], linux.RTA_DST)
		r := s.route(req[hdrLen], dst)
		if r == nil {
			return linux.ENETUNREACH
		}
		m = s.routeAnswer(r, dst)
	default:
		return linux.EOPNOTSUPP
	}
	ne.PutUint16(m[6:], 0)
	copy(m[8:12], req[8:12])
	s.stamp(m)
	s.put(m)
	return 0
}

// attribute returns the data of the first attribute of one of the types.
func attribute(b []byte, types ...uint16) []byte {
	for len(b) >= 4 {
		n := int(ne.Uint16(b))
		if n < 4 || n > len(b) {
			return nil
		}
		for _, t := range types {
			if ne.Uint16(b[2:])&0x3fff == t {
				return b[4:n]
			}
		}
		b = b[min((n+3)&^3, len(b)):]
	}
	return nil
}

// route finds the longest prefix that holds dst, local routes first.
func (s *Socket) route(family uint8, dst []byte) *netif.Route {
	var best *netif.Route
	routes := s.st.ifs.Routes()
	for i := range routes {
		r := &routes[i]
		if r.Family != family || !prefix(r.Dst, dst, int(r.DstLen)) {
			continue
		}
		if best == nil || r.DstLen > best.DstLen || r.DstLen == best.DstLen && r.Table > best.Table {
			best = r
		}
	}
	return best
}

func prefix(net, ip []byte, bits int) bool {
	if bits == 0 {
		return true
	}
	if len(net) != len(ip) || bits > 8*len(ip) {
		return false
	}
	n := bits / 8
	if !bytes.Equal(net[:n], ip[:n]) {
		return false
	}
	return bits%8 == 0 || (net[n]^ip[n])>>(8-bits%8) == 0
}

// routeAnswer is what "ip route get" gets: the route with dst for its
// destination.
func (s *Socket) routeAnswer(r *netif.Route, dst []byte) []byte {
	m := bytes.Clone(r.Msg()[:hdrLen+12])
	m[hdrLen+1] = byte(8 * len(dst))
	put := func(typ uint16, d []byte) {
		m = ne.AppendUint16(m, uint16(4+len(d)))
		m = ne.AppendUint16(m, typ)
		m = append(m, d...)
	}
	body := r.Msg()[hdrLen+12:]
	if len(dst) > 0 {
		put(linux.RTA_DST, dst)
	}
	for _, t := range []uint16{linux.RTA_TABLE, linux.RTA_OIF, linux.RTA_GATEWAY, linux.RTA_PREFSRC} {
		if d := attribute(body, t); d != nil {
			put(t, d)
		}
	}
	ne.PutUint32(m, uint32(len(m)))
	return m
}
