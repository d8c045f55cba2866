package trap

import (
	"runtime"
	"sync"

	"golang.org/x/sys/unix"
)

var usable = sync.OnceValue(func() *unix.CPUSet {
	s := new(unix.CPUSet)
	if unix.SchedGetaffinity(0, s) != nil {
		return nil
	}
	return s
})

// leaveCPU makes the calling OS thread go on somewhere else than on CPU n, if it
// may. Where it runs later is left to the host.
func leaveCPU(n int) {
	all := usable()
	if all == nil || all.Count() < 2 || !all.IsSet(n) || runtime.NumCPU() < 2 {
		return
	}
	others := *all
	others.Clear(n)
	if unix.SchedSetaffinity(0, &others) == nil {
		unix.SchedSetaffinity(0, all)
	}
}
