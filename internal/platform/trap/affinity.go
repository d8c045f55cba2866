package trap

import (
	"slices"

	"sentinel/internal/host"
)

// leaveCPU makes the calling OS thread go on somewhere else than on CPU n, if it
// may. Where it runs later is left to the host.
func leaveCPU(n int) {
	others := slices.Clone(host.CPUs())
	if n >= 8*len(others) || others[n/8]>>(n%8)&1 == 0 {
		return
	}
	others[n/8] &^= 1 << (n % 8)
	// It fails if there is no other.
	if host.SetAffinity(0, others) == nil {
		_ = host.SetAffinity(0, host.CPUs())
	}
}
