package hostpoll

import (
	"syscall"
	"testing"

	"sentinel/internal/waiter"
)

// connected returns a watched stream socket and its peer.
func connected(t *testing.T) (set *Set, fd, peer int, st *State) {
	t.Helper()
	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	set, err = NewSet()
	if err != nil {
		t.Fatal(err)
	}
	st = &State{}
	stop, err := set.Watch(pair[0], &waiter.Queue{}, st)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stop()
		set.Close()
		syscall.Close(pair[0])
		syscall.Close(pair[1])
	})
	return set, pair[0], pair[1], st
}

func write(t *testing.T, fd int, s string) {
	t.Helper()
	if n, err := syscall.Write(fd, []byte(s)); n != len(s) {
		t.Fatal(n, err)
	}
}

// read reads as a socket does that keeps account.
func read(t *testing.T, st *State, fd, room, want int) {
	t.Helper()
	st.BeginRead()
	n, err := syscall.Read(fd, make([]byte, room))
	st.EndRead(err == syscall.EAGAIN || n > 0 && n < room)
	if max(n, 0) != want {
		t.Fatalf("read %d, want %d (%v)", n, want, err)
	}
}

func TestStateOfReads(t *testing.T) {
	set, fd, peer, st := connected(t)
	expect := func(what string, known knowledge, now waiter.Mask) {
		t.Helper()
		if st.in.so != known {
			t.Errorf("%s: holds %d for so, want %d", what, st.in.so, known)
		}
		if m := st.Readiness(fd, waiter.Readable) & waiter.In; m != now {
			t.Errorf("%s: %#x, want %#x", what, m, now)
		}
	}
	expect("new", unknown, 0)
	expect("asked", no, 0)
	write(t, peer, "ab")
	set.Deliver(true)
	expect("arrived", yes, waiter.In)
	read(t, st, fd, 1, 1)
	expect("a full read", unknown, waiter.In)
	read(t, st, fd, 8, 1)
	expect("a short read", no, 0)
	write(t, peer, "c")
	read(t, st, fd, 8, 1)
	set.Deliver(true)
	expect("taken before it was announced", no, 0)
	read(t, st, fd, 8, 0)
	expect("EAGAIN", no, 0)

	// A fetch and a read that overlap.
	write(t, peer, "d")
	st.BeginRead()
	syscall.Read(fd, make([]byte, 8))
	write(t, peer, "e")
	set.Deliver(true)
	st.EndRead(true)
	expect("announced during a read", unknown, waiter.In)
	read(t, st, fd, 8, 1)

	fetch := set.begun.Add(1) // as one that has looked and not told yet
	write(t, peer, "f")
	read(t, st, fd, 8, 1)
	st.announced(set, waiter.In, fetch)
	expect("told after a read", unknown, 0)

	syscall.Shutdown(peer, syscall.SHUT_WR)
	set.Deliver(true)
	if m := st.Readiness(fd, waiter.Readable|waiter.RdHup); m&waiter.RdHup == 0 || !st.vague {
		t.Errorf("after the end: %#x, vague %v", m, st.vague)
	}
}

func TestStateOfWrites(t *testing.T) {
	set, fd, peer, st := connected(t)
	buf := make([]byte, 4096)
	send := func(n int) bool {
		st.BeginWrite()
		got, err := syscall.Write(fd, buf[:n])
		full := err == syscall.EAGAIN || err == nil && got < n
		st.EndWrite(max(got, 0), full)
		return full
	}
	set.Deliver(true)
	for i := range fewWrites {
		if st.out.so != yes {
			t.Fatalf("unknown after %d short writes", i)
		}
		send(10)
	}
	send(10)
	if st.out.so != unknown {
		t.Error("many writes count for nothing")
	}
	if st.Readiness(fd, waiter.Writable)&waiter.Out == 0 || st.out.so != yes {
		t.Error("not writable, or not learned")
	}
	send(shortBytes + 1)
	if st.out.so != unknown {
		t.Error("long writes count for nothing")
	}
	for !send(len(buf)) {
	}
	if st.out.so != no || st.Readiness(fd, waiter.Writable)&waiter.Out != 0 {
		t.Error("writable though full")
	}
	for {
		if n, _ := syscall.Read(peer, buf); n <= 0 {
			break
		}
	}
	set.Deliver(true)
	if st.out.so != yes {
		t.Error("not writable though empty")
	}
}

// TestMove: a State listens to the set that has it now.
func TestMove(t *testing.T) {
	set, fd, peer, st := connected(t)
	other, err := NewSet()
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	stop, err := other.Watch(fd, &waiter.Queue{}, st)
	if err != nil {
		t.Fatal(err)
	}
	write(t, peer, "x")
	set.Deliver(true)
	if st.in.so != unknown {
		t.Error("the former set is listened to")
	}
	other.Deliver(true)
	if st.in.so != yes {
		t.Error("the set is not listened to")
	}
	read(t, st, fd, 8, 1)

	// What no set announces is asked for each time.
	other.Close()
	stop()
	if _, err := other.Watch(fd, &waiter.Queue{}, st); err == nil {
		t.Error("a closed set watches")
	}
	for _, want := range []waiter.Mask{0, waiter.In} {
		if m := st.Readiness(fd, waiter.Readable) & waiter.In; m != want {
			t.Errorf("without a set: %#x, want %#x", m, want)
		}
		write(t, peer, "y")
	}
}
