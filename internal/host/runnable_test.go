package host

import "testing"

func TestRunnable(t *testing.T) {
	if n, ok := Runnable(); !ok || n < 1 {
		t.Errorf("Runnable is %d, %v; this test runs", n, ok)
	}
	for _, c := range []struct {
		text string
		n    int
		ok   bool
	}{
		{"0.20 0.18 0.12 3/80 11206\n", 3, true},
		{"0.20 0.18 0.12 12/1080 11206\n", 12, true},
		{"", 0, false},
		{"0.20 0.18 0.12", 0, false},
		{"0.20 0.18 0.12 x/80", 0, false},
		{"0.20 0.18 0.12 0/80", 0, false},
	} {
		if n, ok := parseRunnable([]byte(c.text)); ok != c.ok || ok && n != c.n {
			t.Errorf("%q: %d, %v", c.text, n, ok)
		}
	}
}
