package stack

import (
	"encoding/binary"
	"sync"
	"testing"

	"sentinel/internal/abi/linux"
	"sentinel/internal/cred"
	"sentinel/internal/hostpoll"
	"sentinel/internal/sock"
	"sentinel/internal/vfs"
	"sentinel/internal/waiter"
)

// TestDirect has clients connect, write and leave while the listener accepts some
// of them and goes away: each gets through, is refused, or is reset, and what was
// sent to who accepted it is there.
func TestDirect(t *testing.T) {
	const clients, rounds = 6, 60
	st, c := New(HostDirect, nil, new(hostpoll.Poller)), &vfs.Context{Cred: cred.New(1000, 100, nil, 0)}
	open := func() sock.Socket {
		s, err := st.Socket(c, linux.AF_INET, linux.SOCK_STREAM, 0)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	wait := func(s sock.Socket, mask waiter.Mask) {
		woken := make(chan struct{}, 1)
		e := waiter.NewChannelEntry(woken)
		s.EventRegister(e, mask)
		defer s.EventUnregister(e)
		for s.Readiness(mask)&(mask|waiter.Err|waiter.Hup) == 0 {
			<-woken
		}
	}
	var arrived, accepted int
	for round := range rounds {
		l := open()
		addr := binary.NativeEndian.AppendUint16(nil, linux.AF_INET)
		addr = append(addr, 0, 0, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0)
		if err := l.Bind(c, addr); err != nil {
			t.Fatal(err)
		}
		if err := l.Listen(c, clients/2); err != nil {
			t.Fatal(err)
		}
		var at sock.Addr
		if err := l.Name(&at); err != nil {
			t.Fatal(err)
		}
		var all sync.WaitGroup
		for range clients {
			all.Add(1)
			go func() {
				defer all.Done()
				s := open()
				defer s.Close()
				if err := s.Connect(c, at.Bytes()); err != linux.EINPROGRESS {
					if err != linux.ECONNREFUSED {
						t.Errorf("connect: %v", err)
					}
					return
				}
				wait(s, waiter.Writable)
				m := &sock.Msg{Data: []byte("hello")}
				switch _, err := s.Send(c, m); err {
				case nil, linux.ECONNRESET, linux.EPIPE, linux.ECONNREFUSED:
				default:
					t.Errorf("send: %v", err)
				}
				wait(s, waiter.Readable) // the other end hangs up
			}()
		}
		for range round % (clients + 1) {
			wait(l, waiter.Readable)
			var peer sock.Addr
			s, err := l.Accept(c, &peer)
			if err != nil {
				t.Errorf("accept: %v", err)
				break
			}
			accepted++
			if f, _ := sock.Family(peer.Bytes()); f != linux.AF_INET {
				t.Errorf("peer %v", peer.Bytes())
			}
			m := &sock.Msg{Data: make([]byte, 8)}
			wait(s, waiter.Readable)
			if n, err := s.Recv(c, m); err != nil || string(m.Data[:n]) != "hello" {
				t.Errorf("received %q, %v", m.Data[:n], err)
			} else {
				arrived++
			}
			s.Close()
		}
		l.Close()
		all.Wait()
	}
	if arrived != accepted || accepted == 0 {
		t.Errorf("%d arrived of %d", arrived, accepted)
	}
}
