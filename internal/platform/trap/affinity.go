package trap

import (
	"slices"

	"sentinel/internal/host"
)

// The host likes to have both sides of a hand-over on one CPU, and on machines whose
// CPUs share no cache it does not look further than those where the one that wakes
// and the one that is woken have been. Both sides can then not run at once.

// othersThan returns the CPUs that the sandbox may use but n, nil if n is not one of
// them.
func othersThan(n int) []byte {
	others := slices.Clone(host.CPUs())
	if n >= 8*len(others) || others[n/8]>>(n%8)&1 == 0 {
		return nil
	}
	others[n/8] &^= 1 << (n % 8)
	return others
}

// leaveCPU makes the calling OS thread go on somewhere else than on CPU n, if it
// may. Where it runs later is left to the host.
func leaveCPU(n int) {
	// It fails if there is no other.
	if others := othersThan(n); others != nil && host.SetAffinity(0, others) == nil {
		_ = host.SetAffinity(0, host.CPUs())
	}
}

// place has the process wake up on another CPU than the caller's. To move
// a thread which runs, as both will soon, takes far longer.
func (t *thread) place() {
	if !host.CanYield() {
		return
	}
	n := currentCPU()
	if t.c.StubCPU != n {
		return
	}
	if others := othersThan(int(n)); others != nil && host.SetAffinity(t.tid, others) == nil {
		t.placed = true
	}
}

// settle leaves it to the host where the process runs, once it does.
func (t *thread) settle() {
	if t.placed {
		t.placed = false
		_ = host.SetAffinity(t.tid, host.CPUs())
	}
}
