package programs

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"
)

// insideAndOut accepts a client of the sandbox's and one of the host's, which ends it
// by hanging up, on the same port.
const insideAndOut = `
import socket, sys
l = socket.create_server(("127.0.0.1", int(sys.argv[1])))
c = socket.create_connection(l.getsockname())
assert c.getpeername() == l.getsockname()
peer = c.getsockname()
(s, a), (o, b) = l.accept(), l.accept()
if b == peer:
    s, o, a, b = o, s, b, a
assert a == peer and b != peer
assert o.recv(9) == b"out"
c.sendall(b"in")
rows = [r.split() for r in open("/proc/net/tcp")][1:]
port = "%04X" % l.getsockname()[1]
mine = [r for r in rows if r[1].endswith(":" + port)]
assert sorted(r[3] for r in mine) == ["01", "01", "0A"], rows
assert any(r[1].endswith(":%04X" % peer[1]) and r[2].endswith(":" + port) and r[3] == "01" for r in rows), rows
o.sendall(s.recv(9) + b" and out")
assert o.recv(1) == b"" # until everybody has looked
`

// TestLoopback: a port that a sandbox listens on is there for the host and for the
// sandbox itself, whose own connections the host sees only if it is to carry them.
func TestLoopback(t *testing.T) {
	eachPlatform(t, func(t *testing.T, b *box) {
		for _, mode := range []string{"direct", "host"} {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			addr := l.Addr().(*net.TCPAddr)
			l.Close()
			ended := make(chan result)
			go func() {
				ended <- b.do(t, "--loopback="+mode, "--", "python3", "-c", insideAndOut, fmt.Sprint(addr.Port))
			}()
			seen := talkTo(t, addr)
			(<-ended).want(t, 0, "")
			if seen != (mode == "host") {
				t.Errorf("--loopback=%s: the host sees the connection inside: %v", mode, seen)
			}
		}
	})
}

// talkTo is the client outside. It reports whether the host has a connection to addr
// that is not its own.
func talkTo(t *testing.T, addr *net.TCPAddr) (seen bool) {
	var c *net.TCPConn
	for begin := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		var err error
		if c, err = net.DialTCP("tcp", nil, addr); err == nil {
			break
		}
		if time.Since(begin) > time.Minute {
			t.Error(err)
			return
		}
	}
	defer c.Close()
	port := c.LocalAddr().(*net.TCPAddr).Port
	buf := make([]byte, 32)
	if _, err := c.Write([]byte("out")); err != nil {
		t.Error(err)
	}
	if n, err := c.Read(buf); err != nil || string(buf[:n]) != "in and out" {
		t.Errorf("answered %q, %v", buf[:n], err)
	}
	rows, err := os.ReadFile("/proc/net/tcp")
	if err != nil {
		t.Error(err)
	}
	const established = "01"
	for line := range bytes.Lines(rows) {
		f := strings.Fields(string(line))
		if f[3] == established && strings.HasSuffix(f[2], fmt.Sprintf(":%04X", addr.Port)) && !strings.HasSuffix(f[1], fmt.Sprintf(":%04X", port)) {
			seen = true
		}
	}
	return seen
}
