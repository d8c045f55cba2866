package netif

import (
	"sentinel/internal/abi/linux"
	"sentinel/internal/vfs"
)

// ifreqLen is sizeof(struct ifreq): a name of 16 bytes and a union of 24.
const ifreqLen = 40

// Ioctl answers the ioctls of netdevice(7) that read; those that change are
// EPERM, and ok is false for all others.
func (l *List) Ioctl(c *vfs.Context, cmd uint32, arg uint64) (ok bool, err error) {
	switch cmd {
	case linux.SIOCGIFCONF:
		return true, l.conf(c, arg)
	case linux.SIOCGIFNAME, linux.SIOCGIFADDR, linux.SIOCGIFFLAGS, linux.SIOCGIFNETMASK, linux.SIOCGIFBRDADDR,
		linux.SIOCGIFDSTADDR, linux.SIOCGIFMTU, linux.SIOCGIFHWADDR, linux.SIOCGIFINDEX, linux.SIOCGIFMETRIC,
		linux.SIOCGIFTXQLEN, linux.SIOCGIFMAP:
	case linux.SIOCSIFADDR, linux.SIOCSIFFLAGS, linux.SIOCSIFNETMASK, linux.SIOCSIFBRDADDR, linux.SIOCSIFDSTADDR,
		linux.SIOCSIFMTU, linux.SIOCSIFHWADDR, linux.SIOCSIFNAME, linux.SIOCSIFMETRIC, linux.SIOCSIFTXQLEN,
		linux.SIOCADDRT, linux.SIOCDELRT, linux.SIOCSARP, linux.SIOCDARP, linux.SIOCETHTOOL:
		return true, linux.EPERM
	default:
		return false, nil
	}
	var req [ifreqLen]byte
	if _, err := c.Mem.CopyIn(arg, req[:]); err != nil {
		return true, err
	}
	u := req[linux.IFNAMSIZ:]
	var k *Link
	if cmd == linux.SIOCGIFNAME {
		if k = l.ByIndex(int32(ne.Uint32(u))); k == nil {
			return true, linux.ENODEV
		}
		clear(req[:linux.IFNAMSIZ])
		copy(req[:linux.IFNAMSIZ-1], k.Name)
	} else {
		req[linux.IFNAMSIZ-1] = 0
		if k = l.ByName(cstring(req[:linux.IFNAMSIZ])); k == nil {
			return true, linux.ENODEV
		}
		if err := l.answer(cmd, k, u); err != nil {
			return true, err
		}
	}
	_, err = c.Mem.CopyOut(arg, req[:])
	return true, err
}

// answer fills the union of a struct ifreq.
func (l *List) answer(cmd uint32, k *Link, u []byte) error {
	var a *Addr
	switch cmd {
	case linux.SIOCGIFADDR, linux.SIOCGIFNETMASK, linux.SIOCGIFBRDADDR, linux.SIOCGIFDSTADDR:
		if a = l.IPv4(k.Index); a == nil {
			return linux.EADDRNOTAVAIL
		}
	}
	clear(u)
	switch cmd {
	case linux.SIOCGIFADDR:
		inet(u, a.Local)
	case linux.SIOCGIFDSTADDR:
		inet(u, a.Address)
	case linux.SIOCGIFBRDADDR:
		inet(u, a.Broadcast)
	case linux.SIOCGIFNETMASK:
		inet(u, mask(a.Prefix))
	case linux.SIOCGIFFLAGS:
		ne.PutUint16(u, uint16(k.Flags))
	case linux.SIOCGIFMTU:
		ne.PutUint32(u, k.MTU)
	case linux.SIOCGIFINDEX:
		ne.PutUint32(u, uint32(k.Index))
	case linux.SIOCGIFTXQLEN:
		ne.PutUint32(u, k.TxQLen)
	case linux.SIOCGIFHWADDR:
		ne.PutUint16(u, k.Type)
		copy(u[2:16], k.HW)
	}
	return nil
}

// inet writes a struct sockaddr_in.
func inet(u, ip []byte) {
	ne.PutUint16(u, linux.AF_INET)
	copy(u[4:8], ip)
}

func mask(prefix uint8) []byte {
	v := ^uint32(0) << (32 - min(uint(prefix), 32))
	return []byte{byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)}
}

// conf answers SIOCGIFCONF: struct ifconf { int len; union { void *buf } }.
func (l *List) conf(c *vfs.Context, arg uint64) error {
	var h [16]byte
	if _, err := c.Mem.CopyIn(arg, h[:]); err != nil {
		return err
	}
	room, buf := int(int32(ne.Uint32(h[:]))), ne.Uint64(h[8:])
	var out []byte
	for i := range l.Addrs() {
		a := &l.addrs[i]
		k := l.ByIndex(a.Index)
		if a.Family != linux.AF_INET || k == nil {
			continue
		}
		var req [ifreqLen]byte
		name := a.Label
		if name == "" {
			name = k.Name
		}
		copy(req[:linux.IFNAMSIZ-1], name)
		inet(req[linux.IFNAMSIZ:], a.Local)
		if buf != 0 && len(out)+ifreqLen > room {
			break
		}
		out = append(out, req[:]...)
	}
	if buf != 0 && len(out) > 0 {
		if _, err := c.Mem.CopyOut(buf, out); err != nil {
			return err
		}
	}
	ne.PutUint32(h[:], uint32(len(out)))
	_, err := c.Mem.CopyOut(arg, h[:4])
	return err
}
