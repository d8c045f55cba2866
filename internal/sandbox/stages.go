package sandbox

import (
	"fmt"
	"io"
	"time"

	"sentinel/internal/host"
	"sentinel/internal/platform"
	"sentinel/internal/strace"
)

// stages records how long each part of a run took.
type stages struct {
	last  time.Time
	names []string
	times []time.Duration
	boot  time.Duration // CPU time before main
}

// A Start is when main began, and the CPU time that the Go runtime and the
// packages had taken by then: nobody notes the time of the exec itself.
type Start struct {
	at  time.Time
	cpu time.Duration
}

// Begin is called first of all.
func Begin() Start { return Start{time.Now(), host.Usage(false).CPU} }

func newStages(from Start) *stages {
	return &stages{last: from.at, boot: from.cpu}
}

func (s *stages) mark(name string) {
	now := time.Now()
	s.names = append(s.names, name)
	s.times = append(s.times, now.Sub(s.last))
	s.last = now
}

func (s *stages) print(w io.Writer, calls *strace.Stats, f *files, p platform.Platform) {
	calls.Print(w)
	n, local := p.Handovers()
	fmt.Fprintf(w, "%-22s %8d\n%-22s %8d\n", "hand-overs", n, "answered by the stub", local)
	fmt.Fprintf(w, "\n%-22s %8.0f us (CPU)\n", "runtime and packages", float64(s.boot)/1e3)
	for i, n := range s.names {
		fmt.Fprintf(w, "%-22s %8.0f us\n", n, float64(s.times[i])/1e3)
	}
	own, guest := host.Usage(false), host.Usage(true)
	fmt.Fprintf(w, "\n%-22s %8d KiB\n%-22s %8d KiB\n%-22s %8d KiB\n",
		"peak of the supervisor", own.Peak>>10, "peak of a process", guest.Peak>>10, "files in memory", f.quota.Used()>>10)
	fmt.Fprintf(w, "\n%-22s %8d, %d of them from a disk\n%-22s %8d, %d of them from a disk\n",
		"supervisor's faults", own.Faults, own.Major, "processes' faults", guest.Faults, guest.Major)
}
