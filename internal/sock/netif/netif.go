// Package netif is the list of network interfaces, addresses and routes that a
// sandbox sees: the host's, read once, or a loopback interface alone. It is
// told to the guest by netlink, by ioctls and by /proc/net.
package netif

import (
	"encoding/binary"
	"sync"

	"sentinel/internal/abi/linux"
	"sentinel/internal/host"
)

// Link is one interface.
type Link struct {
	Index  int32
	Type   uint16 // ARPHRD_*
	Flags  uint32 // IFF_*
	Name   string
	MTU    uint32
	TxQLen uint32
	HW     []byte
	Brd    []byte
	msg    []byte // RTM_NEWLINK, header included
}

// Addr is an address of an interface.
type Addr struct {
	Family, Prefix, Flags, Scope uint8
	Index                        int32
	Local, Address, Broadcast    []byte
	Label                        string
	msg                          []byte
}

// Route is an entry of a routing table.
type Route struct {
	Family, DstLen, Type, Scope uint8
	Table                       uint32
	Dst, Gateway                []byte
	Oif                         int32
	Metric                      uint32
	msg                         []byte
}

// List is what a sandbox sees. It does not change.
type List struct {
	once   sync.Once
	host   bool
	links  []Link
	addrs  []Addr
	routes []Route
}

// Host returns the list of the host's network namespace, read on first use.
func Host() *List { return &List{host: true} }

// Loopback returns a list with the interface lo only.
func Loopback() *List { return &List{} }

func (l *List) load() {
	l.once.Do(func() {
		if l.host && l.fromHost() {
			return
		}
		l.synthesize()
	})
}

// Links, Addrs and Routes return what is there; the slices must not be
// changed.
func (l *List) Links() []Link {
	l.load()
	return l.links
}

// Addrs returns the addresses.
func (l *List) Addrs() []Addr {
	l.load()
	return l.addrs
}

// Routes returns the routes.
func (l *List) Routes() []Route {
	l.load()
	return l.routes
}

// Msg returns the RTM_NEWLINK message for k, with its header.
func (k *Link) Msg() []byte { return k.msg }

// Msg returns the RTM_NEWADDR message.
func (a *Addr) Msg() []byte { return a.msg }

// Msg returns the RTM_NEWROUTE message.
func (r *Route) Msg() []byte { return r.msg }

// ByIndex finds an interface; nil if there is none.
func (l *List) ByIndex(i int32) *Link {
	for j := range l.Links() {
		if l.links[j].Index == i {
			return &l.links[j]
		}
	}
	return nil
}

// ByName finds an interface.
func (l *List) ByName(n string) *Link {
	for j := range l.Links() {
		if l.links[j].Name == n {
			return &l.links[j]
		}
	}
	return nil
}

// IPv4 returns the first IPv4 address of an interface; nil if it has none.
func (l *List) IPv4(index int32) *Addr {
	for j := range l.Addrs() {
		if a := &l.addrs[j]; a.Index == index && a.Family == linux.AF_INET {
			return a
		}
	}
	return nil
}

var ne = binary.NativeEndian

// Sizes of the fixed parts after struct nlmsghdr.
const (
	hdrLen   = 16
	linkLen  = 16 // struct ifinfomsg
	addrLen  = 8  // struct ifaddrmsg
	routeLen = 12 // struct rtmsg
)

func (l *List) fromHost() bool {
	links, err := host.NetlinkDump(linux.RTM_GETLINK, linux.AF_UNSPEC)
	if err != nil {
		return false
	}
	addrs, err := host.NetlinkDump(linux.RTM_GETADDR, linux.AF_UNSPEC)
	if err != nil {
		return false
	}
	routes, _ := host.NetlinkDump(linux.RTM_GETROUTE, linux.AF_UNSPEC)
	for _, raw := range [][]byte{links, addrs, routes} {
		each(raw, l.add)
	}
	return len(l.links) > 0
}

// each splits a run of netlink messages.
func each(b []byte, fn func(msg []byte)) {
	for len(b) >= hdrLen {
		n := int(ne.Uint32(b))
		if n < hdrLen || n > len(b) {
			return
		}
		fn(b[:n])
		b = b[min((n+3)&^3, len(b)):]
	}
}

// attrs calls fn for each attribute.
func attrs(b []byte, fn func(typ uint16, data, whole []byte)) {
	for len(b) >= 4 {
		n := int(ne.Uint16(b))
		if n < 4 || n > len(b) {
			return
		}
		end := min((n+3)&^3, len(b))
		fn(ne.Uint16(b[2:])&0x3fff, b[4:n], b[:end])
		b = b[end:]
	}
}

// add reads a message. Of links only harmless attributes are kept.
func (l *List) add(msg []byte) {
	body := msg[hdrLen:]
	switch ne.Uint16(msg[4:]) {
	case linux.RTM_NEWLINK:
		if len(body) < linkLen {
			return
		}
		k := Link{Type: ne.Uint16(body[2:]), Index: int32(ne.Uint32(body[4:])), Flags: ne.Uint32(body[8:])}
		keep := append([]byte(nil), msg[:hdrLen+linkLen]...)
		attrs(body[linkLen:], func(t uint16, d, whole []byte) {
			switch t {
			case linux.IFLA_ADDRESS:
				k.HW = d
			case linux.IFLA_BROADCAST:
				k.Brd = d
			case linux.IFLA_IFNAME:
				k.Name = cstring(d)
			case linux.IFLA_MTU:
				k.MTU = num(d)
			case linux.IFLA_TXQLEN:
				k.TxQLen = num(d)
			case linux.IFLA_LINK, linux.IFLA_QDISC, linux.IFLA_STATS, linux.IFLA_OPERSTATE, linux.IFLA_LINKMODE,
				linux.IFLA_MAP, linux.IFLA_STATS64, linux.IFLA_GROUP, linux.IFLA_PROMISCUITY, linux.IFLA_NUM_TX_QUEUES,
				linux.IFLA_NUM_RX_QUEUES, linux.IFLA_CARRIER:
			default:
				return
			}
			keep = append(keep, whole...)
		})
		ne.PutUint32(keep, uint32(len(keep)))
		k.msg = keep
		l.links = append(l.links, k)
	case linux.RTM_NEWADDR:
		if len(body) < addrLen {
			return
		}
		a := Addr{Family: body[0], Prefix: body[1], Flags: body[2], Scope: body[3], Index: int32(ne.Uint32(body[4:])), msg: msg}
		attrs(body[addrLen:], func(t uint16, d, _ []byte) {
			switch t {
			case linux.IFA_LOCAL:
				a.Local = d
			case linux.IFA_ADDRESS:
				a.Address = d
			case linux.IFA_BROADCAST:
				a.Broadcast = d
			case linux.IFA_LABEL:
				a.Label = cstring(d)
			}
		})
		if a.Local == nil {
			a.Local = a.Address
		}
		l.addrs = append(l.addrs, a)
	case linux.RTM_NEWROUTE:
		if len(body) < routeLen {
			return
		}
		r := Route{Family: body[0], DstLen: body[1], Table: uint32(body[4]), Scope: body[6], Type: body[7], msg: msg}
		attrs(body[routeLen:], func(t uint16, d, _ []byte) {
			switch t {
			case linux.RTA_TABLE:
				r.Table = num(d)
			case linux.RTA_DST:
				r.Dst = d
			case linux.RTA_GATEWAY:
				r.Gateway = d
			case linux.RTA_OIF:
				r.Oif = int32(num(d))
			case linux.RTA_PRIORITY:
				r.Metric = num(d)
			}
		})
		l.routes = append(l.routes, r)
	}
}

func num(d []byte) uint32 {
	if len(d) < 4 {
		return 0
	}
	return ne.Uint32(d)
}

func cstring(d []byte) string {
	for i, c := range d {
		if c == 0 {
			return string(d[:i])
		}
	}
	return string(d)
}

// builder makes a netlink message.
type builder struct{ b []byte }

func newMsg(typ uint16, body ...byte) *builder {
	m := &builder{make([]byte, hdrLen, 256)}
	ne.PutUint16(m.b[4:], typ)
	ne.PutUint16(m.b[6:], linux.NLM_F_MULTI)
	m.b = append(m.b, body...)
	return m
}

func (m *builder) attr(typ uint16, data ...byte) {
	var h [4]byte
	ne.PutUint16(h[:], uint16(4+len(data)))
	ne.PutUint16(h[2:], typ)
	m.b = append(append(m.b, h[:]...), data...)
	for len(m.b)%4 != 0 {
		m.b = append(m.b, 0)
	}
}

func (m *builder) u32(typ uint16, v uint32) { m.attr(typ, u32(v)...) }

func (m *builder) done() []byte {
	ne.PutUint32(m.b, uint32(len(m.b)))
	return m.b
}

func u32(v uint32) []byte { return ne.AppendUint32(nil, v) }

// synthesize makes the interface lo, up, with 127.0.0.1/8 and ::1/128 and
// their local routes.
func (l *List) synthesize() {
	l.links, l.addrs, l.routes = nil, nil, nil
	const flags = linux.IFF_UP | linux.IFF_LOOPBACK | linux.IFF_RUNNING | linux.IFF_LOWER_UP
	body := make([]byte, linkLen)
	ne.PutUint16(body[2:], linux.ARPHRD_LOOPBACK)
	ne.PutUint32(body[4:], 1)
	ne.PutUint32(body[8:], flags)
	m := newMsg(linux.RTM_NEWLINK, body...)
	m.attr(linux.IFLA_IFNAME, []byte("lo\x00")...)
	m.u32(linux.IFLA_TXQLEN, 1000)
	m.attr(linux.IFLA_OPERSTATE, 0)
	m.attr(linux.IFLA_LINKMODE, 0)
	m.u32(linux.IFLA_MTU, 65536)
	m.u32(linux.IFLA_GROUP, 0)
	m.u32(linux.IFLA_PROMISCUITY, 0)
	m.u32(linux.IFLA_NUM_TX_QUEUES, 1)
	m.u32(linux.IFLA_NUM_RX_QUEUES, 1)
	m.attr(linux.IFLA_CARRIER, 1)
	m.attr(linux.IFLA_QDISC, []byte("noqueue\x00")...)
	m.attr(linux.IFLA_MAP, make([]byte, 32)...)
	m.attr(linux.IFLA_ADDRESS, make([]byte, 6)...)
	m.attr(linux.IFLA_BROADCAST, make([]byte, 6)...)
	m.attr(linux.IFLA_STATS64, make([]byte, 200)...)
	m.attr(linux.IFLA_STATS, make([]byte, 96)...)
	l.add(m.done())

	v4, v6 := []byte{127, 0, 0, 1}, append(make([]byte, 15), 1)
	forever := append(append(u32(^uint32(0)), u32(^uint32(0))...), make([]byte, 8)...)
	m = newMsg(linux.RTM_NEWADDR, linux.AF_INET, 8, linux.IFA_F_PERMANENT, linux.RT_SCOPE_HOST, 1, 0, 0, 0)
	m.attr(linux.IFA_ADDRESS, v4...)
	m.attr(linux.IFA_LOCAL, v4...)
	m.attr(linux.IFA_LABEL, []byte("lo\x00")...)
	m.u32(linux.IFA_FLAGS, linux.IFA_F_PERMANENT)
	m.attr(linux.IFA_CACHEINFO, forever...)
	l.add(m.done())
	m = newMsg(linux.RTM_NEWADDR, linux.AF_INET6, 128, linux.IFA_F_PERMANENT, linux.RT_SCOPE_HOST, 1, 0, 0, 0)
	m.attr(linux.IFA_ADDRESS, v6...)
	m.attr(linux.IFA_CACHEINFO, forever...)
	m.u32(linux.IFA_FLAGS, linux.IFA_F_PERMANENT)
	l.add(m.done())

	local := func(family, bits byte, dst []byte) {
		m := newMsg(linux.RTM_NEWROUTE, family, bits, 0, 0, linux.RT_TABLE_LOCAL, linux.RTPROT_KERNEL,
			linux.RT_SCOPE_HOST, linux.RTN_LOCAL, 0, 0, 0, 0)
		m.u32(linux.RTA_TABLE, linux.RT_TABLE_LOCAL)
		m.attr(linux.RTA_DST, dst...)
		if family == linux.AF_INET {
			m.attr(linux.RTA_PREFSRC, v4...)
		} else {
			m.u32(linux.RTA_PRIORITY, 0)
		}
		m.u32(linux.RTA_OIF, 1)
		l.add(m.done())
	}
	local(linux.AF_INET, 8, []byte{127, 0, 0, 0})
	local(linux.AF_INET, 32, v4)
	local(linux.AF_INET6, 128, v6)
}
