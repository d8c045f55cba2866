package handoff

import "testing"

// world is a simulated host: a clock, CPUs, and neighbours that want them.
type world struct {
	now        uint64
	neighbours int
	mine       int
	looks      int
	m          Machine
}

func newWorld(cpus int) *world {
	w := &world{now: 1e9, mine: 1}
	w.m = Machine{CPUs: cpus, Runnable: func() (int, bool) {
		w.looks++
		return w.neighbours + w.mine, true
	}}
	return w
}

// calls lets a guest make n calls, gap nanoseconds apart, and returns after how many
// of them the sides spun.
func (w *world) calls(t *Thread, n int, gap uint64) (spun int) {
	for range n {
		p := t.Reply(&w.m, w.now, true)
		begin := w.now
		if p > 0 {
			spun++
			w.mine = 2
			if gap > p {
				w.now += p
				t.Missed(&w.m, begin, w.now)
			}
		}
		w.now = begin + gap
		t.Came(&w.m, w.now, p > 0 && gap <= p)
		w.mine = 1
		w.now += 1000 // the call
		if p > 0 {
			w.mine = 2
		}
	}
	return spun
}

func TestRareCallsSleep(t *testing.T) {
	w, th := newWorld(2), &Thread{}
	if n := w.calls(th, 10_000, 50_000); n != 0 {
		t.Errorf("spun after %d calls that were 50 us apart", n)
	}
	if w.looks != 0 {
		t.Errorf("counted the runnable tasks %d times for nothing", w.looks)
	}
}

func TestDenseCallsSpin(t *testing.T) {
	w, th := newWorld(2), &Thread{}
	if n := w.calls(th, 10_000, 2000); n < 9900 {
		t.Errorf("spun after %d of 10000 dense calls", n)
	}
	if w.looks > 100 {
		t.Errorf("counted the runnable tasks %d times in 30 ms", w.looks)
	}
	// A program that computes now is left alone after Misses.
	if n := w.calls(th, 100, 100_000); n > Misses {
		t.Errorf("spun after %d of 100 calls that were 100 us apart", n)
	}
}

func TestOneCPU(t *testing.T) {
	w, th := newWorld(1), &Thread{}
	if n := w.calls(th, 10_000, 1000); n != 0 {
		t.Errorf("spun after %d calls on one CPU", n)
	}
}

func TestNeighbour(t *testing.T) {
	w, th := newWorld(2), &Thread{}
	w.calls(th, 1000, 2000)
	if !th.Spins() {
		t.Fatal("does not spin on a free machine")
	}
	w.neighbours = 3
	if n := w.calls(th, 1000, 2000); n > Look/3000+1 {
		t.Errorf("spun after %d calls beside a neighbour", n)
	}
	w.neighbours = 0
	w.calls(th, 2000, 2000)
	if !th.Spins() {
		t.Error("does not spin again when the neighbour has left")
	}
}

// TestInterrupted: who lost a CPU while it spun keeps away from it, each time longer.
func TestInterrupted(t *testing.T) {
	w, th := newWorld(2), &Thread{}
	last := uint64(0)
	for i := range 5 {
		for n := 0; !th.Spins(); n++ {
			if n > 1_000_000 {
				t.Fatal("never spins again")
			}
			w.calls(th, 1, 2000)
		}
		begin := w.now
		w.now += 4_000_000 // somebody else's slice
		th.Missed(&w.m, begin, w.now)
		if th.Spins() {
			t.Fatal("spins on")
		}
		lostAt := w.now
		for !th.Spins() {
			w.calls(th, 1, 2000)
		}
		pause := w.now - lostAt
		if pause < MinPause {
			t.Errorf("spins again after %d ns", pause)
		}
		if i > 0 && pause < last*3/2 {
			t.Errorf("pause %d after one of %d", pause, last)
		}
		last = pause
	}
}

func TestNotAlone(t *testing.T) {
	w, th := newWorld(8), &Thread{}
	w.calls(th, 1000, 2000)
	if p := th.Reply(&w.m, w.now, false); p != 0 {
		t.Error("spins while others could be served")
	}
}

func TestHostDoesNotTell(t *testing.T) {
	w, th := newWorld(8), &Thread{}
	w.m.Runnable = func() (int, bool) { return 0, false }
	if n := w.calls(th, 1000, 1000); n != 0 {
		t.Errorf("spun after %d calls without knowing of neighbours", n)
	}
}

// TestNoCPUOfItsOwn: a count that says nothing of the neighbour costs a try now and
// then, which becomes rare.
func TestNoCPUOfItsOwn(t *testing.T) {
	w, th := newWorld(2), &Thread{}
	tries := 0
	for begin := w.now; w.now < begin+10_000_000_000; {
		if p := th.Reply(&w.m, w.now, true); p > 0 {
			tries++
			from := w.now
			w.now += p
			th.Missed(&w.m, from, w.now)
			w.now += 5000
		} else {
			w.now += 3000
		}
		th.Came(&w.m, w.now, false)
		w.now += 1000
	}
	if tries == 0 || tries > 25 {
		t.Errorf("%d tries in ten seconds", tries)
	}
}
