package main

import (
	"fmt"
	"io"
	"maps"
	"os"
	goruntime "runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"sentinel/test/bench/workloads"
)

// idleTime is how long the idle sandboxes are watched.
const idleTime = 3 * time.Second

// An idle is a number of sandboxes that have nothing to do, at once.
type idle struct {
	Runtime   string  `json:"runtime"`
	Sandboxes int     `json:"sandboxes"`
	PSS       float64 `json:"pss_mib_each"`
	Ticks     int     `json:"cpu_ticks"`
	CPU       float64 `json:"cpu_ms"`
}

// measureIdle starts a fifth of the wanted sandboxes, looks at them, starts the
// others, and looks again: what a sandbox costs must not grow with their number,
// and nothing may run in one that waits.
func (b *bench) measureIdle(rep *report) {
	// They end with the thread that started them, even if we are killed.
	goruntime.LockOSThread()
	defer goruntime.UnlockOSThread()
	for _, r := range b.runtimes {
		// Call sites do not matter to who makes no calls.
		if !strings.HasPrefix(r.name, "sentinel-") || strings.HasSuffix(r.name, "-nopatch") {
			continue
		}
		err := b.idleUnder(rep, r)
		if left := killDescendants(); err == nil {
			err = left
		}
		if err != nil {
			rep.fail(r.name, "idle", err)
		}
	}
}

func (b *bench) idleUnder(rep *report, r *runtime) error {
	c := &cell{runtime: r, leashed: true, workload: workloads.Workload{Name: "idle", Args: []string{"/bin/sh", "-c", "echo up; exec sleep 100000"}}}
	if err := c.prepare(b); err != nil {
		return err
	}
	var outputs []*os.File
	defer func() {
		for _, f := range outputs {
			f.Close()
		}
	}()
	for _, count := range []int{max(1, b.idle/5), b.idle} {
		b.say("%d idle sandboxes under %s", count, r.name)
		for len(outputs) < count {
			out, err := b.startIdle(c)
			if err != nil {
				return fmt.Errorf("sandbox %d: %w", len(outputs)+1, err)
			}
			outputs = append(outputs, out)
		}
		time.Sleep(2 * time.Second) // sleep itself begins after "up"
		ticks, exact, err := descendantsCPU()
		if err != nil {
			return err
		}
		time.Sleep(idleTime)
		ticksAfter, exactAfter, err := descendantsCPU()
		if err != nil {
			return err
		}
		kb, err := descendantsPSS()
		if err != nil {
			return err
		}
		rep.Idle = append(rep.Idle, &idle{r.name, count, float64(kb) / 1024 / float64(count), ticksAfter - ticks, (exactAfter - exact).Seconds() * 1000})
	}
	return nil
}

// startIdle starts a sandbox and waits until its program runs. The pipe stays
// open, as that of a log does.
func (b *bench) startIdle(c *cell) (*os.File, error) {
	in, out, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	pid, _, err := b.start(c, out.Fd(), os.Stderr.Fd())
	out.Close()
	if err != nil {
		in.Close()
		return nil, err
	}
	in.SetReadDeadline(time.Now().Add(time.Minute))
	up := make([]byte, len("up\n"))
	if _, err := io.ReadFull(in, up); err != nil {
		in.Close()
		return nil, fmt.Errorf("process %d is not up: %w", pid, err)
	}
	return in, nil
}

// idleHeads are the columns that cells gives.
var idleHeads = []string{"sandboxes at once", "runtime", "MiB (PSS) each", "CPU ticks in 3 s", "CPU ms in 3 s"}

func (i *idle) cells() []string {
	return []string{fmt.Sprint(i.Sandboxes), i.Runtime, figure(i.PSS), fmt.Sprint(i.Ticks), figure(i.CPU)}
}

func (rep *report) idleTable(w io.Writer) {
	if len(rep.Idle) == 0 {
		return
	}
	fmt.Fprintln(w, "\nidle sandboxes")
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, strings.Join(idleHeads, "\t"))
	for _, i := range rep.Idle {
		fmt.Fprintln(t, strings.Join(i.cells(), "\t"))
	}
	t.Flush()
}

func (rep *report) idleMarkdown(w io.Writer) {
	if len(rep.Idle) == 0 {
		return
	}
	fmt.Fprintf(w, "\n| idle %s |\n|--:|---|--:|--:|--:|\n", strings.Join(idleHeads, " | "))
	for _, i := range rep.Idle {
		fmt.Fprintf(w, "| %s |\n", strings.Join(i.cells(), " | "))
	}
}

// idleGrowth is how much a sandbox among many may take of one among a fifth.
const idleGrowth = 1.1

// idleBefore is the MiB of each of 500 idle sandboxes that may not become more.
var idleBefore = map[string]float64{"ptrace": 1.23, "trap": 1.23}

// printIdleTargets writes the rows that targets cannot say: a runtime is
// compared with itself.
func (rep *report) printIdleTargets(w io.Writer) {
	for _, key := range slices.Sorted(maps.Keys(rep.Failures)) {
		if name, isIdle := strings.CutSuffix(key, " idle"); isIdle {
			fmt.Fprintf(w, "| idle sandboxes | %s | memory and CPU | failed | %s |\n", strings.TrimPrefix(name, "sentinel-"), verdict(false))
		}
	}
	var few *idle
	for _, many := range rep.Idle {
		if few == nil || few.Runtime != many.Runtime {
			few = many
			continue
		}
		platform := strings.TrimPrefix(many.Runtime, "sentinel-")
		fmt.Fprintf(w, "| memory of each of %d idle | %s | %.2f of each of %d | %.2f | %s |\n",
			many.Sandboxes, platform, idleGrowth, few.Sandboxes, many.PSS/few.PSS, verdict(many.PSS <= idleGrowth*few.PSS))
		if most := idleBefore[platform]; many.Sandboxes == 500 && most > 0 {
			fmt.Fprintf(w, "| memory of each of 500 idle | %s | at most %s MiB, as on 2026-11-30 | %s MiB | %s |\n",
				platform, figure(most), figure(many.PSS), verdict(many.PSS < most+0.005)) // as printed
		}
		fmt.Fprintf(w, "| CPU of %d idle in 3 s | %s | 0 ticks | %d ticks | %s |\n", many.Sandboxes, platform, many.Ticks, verdict(many.Ticks == 0))
	}
}
