// Package stack puts the protocol families of a sandbox together.
package stack

import (
	"sentinel/internal/abi/linux"
	"sentinel/internal/hostpoll"
	"sentinel/internal/sock"
	"sentinel/internal/sock/inet"
	"sentinel/internal/sock/loopback"
	"sentinel/internal/sock/netif"
	"sentinel/internal/sock/netlink"
	"sentinel/internal/sock/unix"
	"sentinel/internal/vfs"
)

// internet is what inet and loopback have in common.
type internet interface {
	Socket(c *vfs.Context, family, typ, protocol int) (sock.Socket, error)
	Rows(protocol, family int) []inet.Row
}

// Stack implements sock.Stack.
type Stack struct {
	ifs     *netif.List
	unix    *unix.Stack
	netlink *netlink.Stack
	inet    internet
}

// Network is what a sandbox has for a network.
type Network int

const (
	// None is the loopback interface alone, inside the kernel.
	None Network = iota
	// Host is the host's.
	Host
	// HostDirect is the host's, but for connections between sockets of the
	// sandbox, which the kernel makes.
	HostDirect
)

// New returns the network of a sandbox. paths gives AF_UNIX sockets their names in
// the file system; poll watches those of the host.
func New(n Network, paths unix.Paths, poll *hostpoll.Poller) *Stack {
	st := &Stack{}
	switch n {
	case None:
		st.ifs = netif.Loopback()
		st.inet = loopback.New(st.ifs)
	case Host:
		st.ifs = netif.Host()
		st.inet = inet.New(poll, st.ifs, nil)
	case HostDirect:
		st.ifs = netif.Host()
		st.inet = newHosted(poll, st.ifs)
	}
	st.unix = unix.New(paths, st.ifs)
	st.netlink = netlink.New(st.ifs)
	return st
}

// hosted is the host's internet, but for connections between the sandbox's own
// sockets.
type hosted struct {
	*inet.Stack
	direct *loopback.Stack
}

func newHosted(poll *hostpoll.Poller, ifs *netif.List) hosted {
	direct := loopback.New(ifs)
	return hosted{inet.New(poll, ifs, direct.Pair), direct}
}

// Rows implements internet.
func (h hosted) Rows(protocol, family int) []inet.Row {
	return append(h.Stack.Rows(protocol, family), h.direct.Rows(protocol, family)...)
}

// Interfaces returns the network interfaces.
func (st *Stack) Interfaces() *netif.List { return st.ifs }

// Socket implements sock.Stack.
func (st *Stack) Socket(c *vfs.Context, family, typ, protocol int) (sock.Socket, error) {
	switch family {
	case linux.AF_UNIX:
		s, err := st.unix.Socket(c, typ, protocol)
		if err != nil {
			return nil, err
		}
		return s, nil
	case linux.AF_INET, linux.AF_INET6:
		return st.inet.Socket(c, family, typ, protocol)
	case linux.AF_NETLINK:
		return st.netlink.Socket(c, typ, protocol)
	case linux.AF_PACKET:
		return nil, linux.EPERM
	}
	return nil, linux.EAFNOSUPPORT
}

// SocketPair implements sock.Stack.
func (st *Stack) SocketPair(c *vfs.Context, family, typ, protocol int) (a, b sock.Socket, err error) {
	if family == linux.AF_UNIX {
		x, y, err := st.unix.SocketPair(c, typ, protocol)
		if err != nil {
			return nil, nil, err
		}
		return x, y, nil
	}
	s, err := st.Socket(c, family, typ, protocol)
	if err != nil {
		return nil, nil, err
	}
	s.Close()
	return nil, nil, linux.EOPNOTSUPP
}

var procNames = [...]string{"dev", "if_inet6", "route", "tcp", "tcp6", "udp", "udp6", "unix"}

// ProcNetNames implements sock.Stack.
func (st *Stack) ProcNetNames() []string { return procNames[:] }

// ProcNet implements sock.Stack.
func (st *Stack) ProcNet(name string) (string, bool) {
	rows := func(protocol, family int) (string, bool) {
		return inet.ProcText(protocol, family, st.inet.Rows(protocol, family)), true
	}
	switch name {
	case "tcp":
		return rows(inet.TCP, linux.AF_INET)
	case "tcp6":
		return rows(inet.TCP, linux.AF_INET6)
	case "udp":
		return rows(inet.UDP, linux.AF_INET)
	case "udp6":
		return rows(inet.UDP, linux.AF_INET6)
	case "unix":
		return st.unix.ProcText(), true
	case "dev":
		return st.ifs.ProcDev(), true
	case "route":
		return st.ifs.ProcRoute(), true
	case "if_inet6":
		return st.ifs.ProcIfInet6(), true
	}
	return "", false
}

var _ sock.Stack = (*Stack)(nil)
