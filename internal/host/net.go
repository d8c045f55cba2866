package host

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// Socket opens a non-blocking socket that is closed on exec.
func Socket(family, typ, protocol int) (int, error) {
	fd, err := unix.Socket(family, typ|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, protocol)
	return fd, errno(err)
}

// Listen is listen(2).
func Listen(fd, backlog int) error { return errno(unix.Listen(fd, backlog)) }

// Shutdown is shutdown(2).
func Shutdown(fd, how int) error { return errno(unix.Shutdown(fd, how)) }

// CloseSocket is close(2); its error tells nothing that a caller could use.
func CloseSocket(fd int) { _ = unix.Close(fd) }

// NetlinkDump sends a NETLINK_ROUTE dump request of the given type and returns
// the messages of the answer, headers included.
func NetlinkDump(typ, family int) ([]byte, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, errno(err)
	}
	defer unix.Close(fd)
	req := make([]byte, 32)
	put32(req, 32)
	put16(req[4:], uint16(typ))
	put16(req[6:], unix.NLM_F_REQUEST|unix.NLM_F_DUMP)
	put32(req[8:], 1)
	req[16] = byte(family)
	if err := unix.Sendto(fd, req, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return nil, errno(err)
	}
	var out []byte
	buf := make([]byte, 64<<10)
	for {
		n, _, err := unix.Recvfrom(fd, buf, 0)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return nil, errno(err)
		}
		for b := buf[:n]; len(b) >= 16; {
			l := int(get32(b))
			if l < 16 || l > len(b) {
				return out, nil
			}
			switch get16(b[4:]) {
			case unix.NLMSG_DONE, unix.NLMSG_ERROR:
				return out, nil
			}
			l = min((l+3)&^3, len(b))
			out = append(out, b[:l]...)
			b = b[l:]
		}
		if n == 0 {
			return out, nil
		}
	}
}

func put32(b []byte, v uint32) { binary.NativeEndian.PutUint32(b, v) }
func put16(b []byte, v uint16) { binary.NativeEndian.PutUint16(b, v) }
func get32(b []byte) uint32    { return binary.NativeEndian.Uint32(b) }
func get16(b []byte) uint16    { return binary.NativeEndian.Uint16(b) }
