package trap

import (
	"slices"

	"sentinel/internal/host"
)

// The host likes to have both sides of a hand-over on one CPU, and wakes up a
// sleeping thread elsewhere only if it looks for an idle CPU, which on small machines
// it does not.

// place has the stub, which sleeps, wake up on another CPU than this one.
func (t *thread) place(cpu uint32) {
	others := slices.Clone(host.CPUs())
	n := int(cpu)
	if n >= 8*len(others) || others[n/8]>>(n%8)&1 == 0 {
		return
	}
	others[n/8] &^= 1 << (n % 8)
	// It fails if there is no other.
	t.placed = host.SetAffinity(t.tid, others) == nil
}

// settle leaves it to the host where the stub runs.
func (t *thread) settle() {
	if t.placed {
		t.placed = false
		_ = host.SetAffinity(t.tid, host.CPUs())
	}
}
