package task

import "testing"

// TestBuffer: tasks have what they asked for, each its own, and keep no more than
// they may.
func TestBuffer(t *testing.T) {
	k := &Kernel{}
	a, b := &Task{k: k}, &Task{k: k}
	for _, n := range []int{0, 1, 4 << 10, 4<<10 + 1, 64 << 10, 64<<10 + 1, 256 << 10, 256<<10 + 1, 1 << 20, 1} {
		x, y := a.Buffer(n), b.Buffer(n)
		if len(x) != n || len(y) != n {
			t.Fatalf("%d and %d bytes, want %d", len(x), len(y), n)
		}
		for i := range x {
			x[i], y[i] = 1, 2
		}
		for i := range x {
			if x[i] != 1 {
				t.Fatalf("two tasks share byte %d of %d", i, n)
			}
		}
		a.returnBuffer(keptBuffer)
		if kept := a.buf != nil; kept != (n <= keptBuffer) {
			t.Errorf("%d bytes are kept: %v", n, kept)
		}
	}
	a.returnBuffer(0)
	if a.buf != nil {
		t.Error("something is kept in the end")
	}
}
