package host

import (
	"math/bits"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

var usableCPUs = sync.OnceValue(func() []byte {
	var s unix.CPUSet
	if unix.SchedGetaffinity(0, &s) != nil || s.Count() == 0 {
		for i := range NumCPU() {
			s.Set(i)
		}
	}
	last := 0
	for i, w := range s {
		if w != 0 {
			last = i
		}
	}
	const size = bits.UintSize / 8
	m := make([]byte, (last+1)*size)
	for i := range m {
		m[i] = byte(s[i/size] >> (i % size * 8))
	}
	return m
})

// CPUs returns the CPUs that the sandbox may use, a bit for each by its number, in
// whole words as sched_getaffinity(2) has them. It must not be changed.
func CPUs() []byte { return usableCPUs() }

// MaxCPU returns the highest number of these. A guest learns on which one it is
// without the supervisor (getcpu(2), rseq(2)), so it is shown all up to there.
func MaxCPU() int {
	m := usableCPUs()
	for i := len(m) - 1; ; i-- {
		if m[i] != 0 {
			return i*8 + bits.Len8(m[i]) - 1
		}
	}
}

// CPUInfo returns the host's /proc/cpuinfo.
func CPUInfo() ([]byte, error) {
	b, err := os.ReadFile("/proc/cpuinfo")
	return b, err
}
