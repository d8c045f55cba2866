package tty

import (
	"testing"
	"time"

	"sentinel/internal/abi/linux"
	"sentinel/internal/host"
	"sentinel/internal/hostpoll"
	"sentinel/internal/signal"
	"sentinel/internal/waiter"
)

func TestHost(t *testing.T) {
	m, sl, err := host.OpenPTY()
	if err != nil {
		t.Fatal(err)
	}
	defer host.Close(m)
	p1 := &proc{pid: 1, pgid: 1, sid: 1}
	w, s := newWorld(p1)
	h, err := s.NewHost(new(hostpoll.Poller), sl)
	host.Close(sl)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	h.TTY().Control(p1)
	c := p1.ctx()
	f := h.NewFile(linux.O_RDWR)
	defer f.DecRef()
	if f.Name != "/dev/pts/0" {
		t.Fatalf("name %q", f.Name)
	}
	ch := make(chan struct{}, 1)
	e := waiter.NewChannelEntry(ch)
	f.EventRegister(e, waiter.Readable)
	defer f.EventUnregister(e)
	b := make([]byte, 64)
	if _, err := f.Ops.Read(c, f, b, 0); err != linux.EAGAIN {
		t.Fatalf("empty: %v", err)
	}
	if _, err := host.Write(m, []byte("typed\n")); err != nil {
		t.Fatal(err)
	}
	n := 0
	for err = linux.EAGAIN; err == linux.EAGAIN; {
		select {
		case <-ch:
		case <-time.After(10 * time.Second):
			t.Fatal("no event")
		}
		n, err = f.Ops.Read(c, f, b, 0)
	}
	if err != nil || string(b[:n]) != "typed\n" {
		t.Fatalf("read %q, %v", b[:n], err)
	}
	if _, err := f.Ops.Ioctl(c, f, linux.TCGETS, 64); err != nil || len(p1.mem[64]) != 36 {
		t.Fatalf("TCGETS: %v, %d bytes", err, len(p1.mem[64]))
	}
	if _, err := f.Ops.Ioctl(c, f, linux.TCSETS, 64); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Ops.Ioctl(c, f, linux.TIOCGPGRP, 8); err != nil {
		t.Fatal(err)
	}
	h.Signal(signal.SIGINT)
	if got := w.take(); got != "g01INT " {
		t.Fatalf("SIGINT: %q", got)
	}
	h.Restore()
}
