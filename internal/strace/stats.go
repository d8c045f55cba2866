package strace

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"sentinel/internal/abi/linux"
	"sentinel/internal/signal"
	"sentinel/internal/task"
)

// Stats counts calls by number. It implements task.Tracer.
type Stats struct {
	mu      sync.Mutex
	calls   map[uint64]*count
	signals int
	tasks   int
}

type count struct {
	n, errors int
	time, max time.Duration
}

// NewStats returns empty statistics.
func NewStats() *Stats { return &Stats{calls: map[uint64]*count{}} }

// SyscallEnter implements task.Tracer.
func (s *Stats) SyscallEnter(*task.Task, uint64, *[6]uint64) {}

// SyscallExit implements task.Tracer.
func (s *Stats) SyscallExit(_ *task.Task, nr uint64, _ *[6]uint64, _ uint64, err error, d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.calls[nr]
	if c == nil {
		c = &count{}
		s.calls[nr] = c
	}
	c.n++
	if e, ok := err.(linux.Errno); ok && e <= linux.ERESTART_RESTARTBLOCK {
		c.errors++
	}
	c.time += d
	c.max = max(c.max, d)
}

// Signal implements task.Tracer.
func (s *Stats) Signal(*task.Task, *signal.Info) {
	s.mu.Lock()
	s.signals++
	s.mu.Unlock()
}

// Exit implements task.Tracer.
func (s *Stats) Exit(*task.Task, task.WaitStatus) {
	s.mu.Lock()
	s.tasks++
	s.mu.Unlock()
}

// Print writes the table of calls, the one that took longest first. Times
// include waiting.
func (s *Stats) Print(w io.Writer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	type line struct {
		name string
		*count
	}
	var lines []line
	var total count
	for nr, c := range s.calls {
		name := "syscall_" + hex(nr)
		if sig := lookup(nr); sig != nil {
			name = sig.name
		}
		lines = append(lines, line{name, c})
		total.n += c.n
		total.errors += c.errors
		total.time += c.time
	}
	slices.SortFunc(lines, func(a, b line) int {
		return cmp.Or(cmp.Compare(b.time, a.time), cmp.Compare(a.name, b.name))
	})
	us := func(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
	fmt.Fprintf(w, "%-22s %8s %8s %12s %10s %10s\n", "system call", "calls", "errors", "total us", "us/call", "max us")
	for _, l := range lines {
		fmt.Fprintf(w, "%-22s %8d %8d %12.0f %10.1f %10.0f\n", l.name, l.n, l.errors, us(l.time), us(l.time)/float64(l.n), us(l.max))
	}
	fmt.Fprintf(w, "%-22s %8d %8d %12.0f\n", "total", total.n, total.errors, us(total.time))
	fmt.Fprintf(w, "%-22s %8d\n%-22s %8d\n", "threads", s.tasks, "signals", s.signals)
}

// Both is a tracer that feeds two.
type Both struct{ A, B task.Tracer }

// SyscallEnter implements task.Tracer.
func (b Both) SyscallEnter(t *task.Task, nr uint64, args *[6]uint64) {
	b.A.SyscallEnter(t, nr, args)
	b.B.SyscallEnter(t, nr, args)
}

// SyscallExit implements task.Tracer.
func (b Both) SyscallExit(t *task.Task, nr uint64, args *[6]uint64, ret uint64, err error, d time.Duration) {
	b.A.SyscallExit(t, nr, args, ret, err, d)
	b.B.SyscallExit(t, nr, args, ret, err, d)
}

// Signal implements task.Tracer.
func (b Both) Signal(t *task.Task, info *signal.Info) {
	b.A.Signal(t, info)
	b.B.Signal(t, info)
}

// Exit implements task.Tracer.
func (b Both) Exit(t *task.Task, st task.WaitStatus) {
	b.A.Exit(t, st)
	b.B.Exit(t, st)
}
