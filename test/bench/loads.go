package main

import (
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"sentinel/test/bench/workloads"
)

// A load is one table of programs that run again and again, several at once.
type load struct {
	Name   string     `json:"name"`
	Title  string     `json:"title"`
	AtOnce int        `json:"at_once"`
	Rows   []*loadRow `json:"rows"`
	// Missing says why there are no rows.
	Missing string `json:"missing,omitempty"`
	place   place
}

// loadRow is one workload under all runtimes.
type loadRow struct {
	Name    string              `json:"name"`
	Figures map[string]*figures `json:"figures"`
}

// figures are what came out under one runtime.
type figures struct {
	Rate float64 `json:"runs_per_second"`
	P50  float64 `json:"p50_ms"`
	P99  float64 `json:"p99_ms"`
	CPU  float64 `json:"cpu_ms_per_run"`
	Runs int     `json:"runs"`

	took    []float64     // ms of each run
	elapsed time.Duration // of all
	used    time.Duration
}

func (f *figures) summarize() {
	f.Runs = len(f.took)
	if f.Runs == 0 {
		return
	}
	f.Rate = float64(f.Runs) / f.elapsed.Seconds()
	f.CPU = f.used.Seconds() * 1000 / float64(f.Runs)
	sorted := slices.Sorted(slices.Values(f.took))
	f.P50, f.P99 = quantile(sorted, 0.5), quantile(sorted, 0.99)
}

// quantile is the smallest of sorted values that so many are not above.
func quantile(sorted []float64, q float64) float64 {
	return sorted[max(0, int(math.Ceil(q*float64(len(sorted))))-1)]
}

// halfCPU is the quota of the table of that name.
const halfCPU = 0.5

// loadTables are the tables that were asked for. With a quota fewer run at once:
// the heavy ones would take minutes.
func (b *bench) loadTables() []*load {
	few := max(1, b.atOnce/2)
	all := []*load{
		{Name: "busy", Title: fmt.Sprintf("%d at once", b.atOnce), AtOnce: b.atOnce},
		{Name: "onecpu", Title: fmt.Sprintf("%d at once on one CPU", b.atOnce), AtOnce: b.atOnce, place: place{oneCPU: true}},
		{Name: "quota", Title: fmt.Sprintf("%d at once with a quota of half a CPU", few), AtOnce: few, place: place{quota: halfCPU}},
	}
	return slices.DeleteFunc(all, func(l *load) bool { return !b.table(l.Name) })
}

// measureLoads fills the tables with those cells that ran alone.
func (b *bench) measureLoads(rep *report, cells []*cell) {
	for _, l := range b.loadTables() {
		rep.Loads = append(rep.Loads, l)
		if err := b.measureLoad(rep, l, cells); err != nil {
			l.Missing = err.Error()
			b.say("%s: %v", l.Name, err)
		}
	}
}

func (b *bench) measureLoad(rep *report, l *load, cells []*cell) error {
	crew, err := b.newCrew(l.AtOnce, l.place)
	if err != nil {
		return err
	}
	defer b.endCrew(crew, l.place)
	rows := map[string]*loadRow{}
	failed := map[*cell]bool{}
	// All runtimes at one workload, one after the other, and then again.
	for at := 0; at < len(cells); {
		name := cells[at].workload.Name
		end := at
		for end < len(cells) && cells[end].workload.Name == name {
			end++
		}
		group := cells[at:end]
		at = end
		if !b.loaded(l, name) {
			continue
		}
		if rows[name] == nil {
			rows[name] = &loadRow{Name: name, Figures: map[string]*figures{}}
			l.Rows = append(l.Rows, rows[name])
		}
		for range b.turnsOf(l) {
			for _, c := range group {
				if failed[c] || c.failed || !b.underLoad(l, c.runtime) {
					continue
				}
				// The heavy ones have run for long enough.
				if f := rows[name].Figures[c.runtime.name]; f != nil && f.elapsed > 2*b.window {
					continue
				}
				b.say("%s, %s: %s", l.Name, name, c.runtime.name)
				f := rows[name].Figures[c.runtime.name]
				if f == nil {
					f = &figures{}
					rows[name].Figures[c.runtime.name] = f
				}
				if err := b.batch(crew, l, c, f); err != nil {
					failed[c] = true
					delete(rows[name].Figures, c.runtime.name)
					rep.fail(c.runtime.name, l.Name+" "+name, err)
				}
			}
		}
		for _, f := range rows[name].Figures {
			f.summarize()
		}
	}
	return nil
}

// loaded reports whether a workload belongs into a table.
func (b *bench) loaded(l *load, name string) bool {
	if b.options.workloads != "" {
		return true
	}
	if b.quick {
		return slices.Contains(workloads.QuickLoads, name) && (l.Name == "busy" || slices.Contains(eight, name))
	}
	return slices.Contains(workloads.Loads, name)
}

// underLoad reports whether a runtime belongs into a table. runsc is compared with
// only on the whole machine; elsewhere it would take most of the time. Without
// patched call sites only calls are of interest.
func (b *bench) underLoad(l *load, r *runtime) bool {
	if strings.HasSuffix(r.name, "-nopatch") {
		return false
	}
	return r.name != "runsc" || l.Name == "busy" || b.options.runtimes != ""
}

// turnsOf is how often the runtimes take turns in a table. Where half as many CPUs
// do the work or fewer, once has to do: a run of all must end.
func (b *bench) turnsOf(l *load) int {
	if l.Name == "busy" {
		return b.turns
	}
	return (b.turns + 1) / 2
}

// stuckAfter is when a run is ended. No workload takes a tenth of it.
const stuckAfter = 2 * time.Minute

// batch runs a cell for a while, so many at once, each followed by the next.
func (b *bench) batch(crew *crew, l *load, c *cell, f *figures) error {
	slots := make([]*cell, l.AtOnce)
	for i := range slots {
		one := *c
		one.slot, one.grouped = fmt.Sprint(i), b.group != nil
		if err := one.prepare(b); err != nil {
			return err
		}
		slots[i] = &one
	}
	null, err := openNull()
	if err != nil {
		return err
	}
	defer null.Close()
	var mu sync.Mutex
	var failure error
	var stop atomic.Bool
	begin := time.Now()
	last := begin
	used, err := b.run(crew, l.AtOnce, func(slot int) {
		for !stop.Load() && time.Since(begin) < b.window {
			took, err := b.once(slots[slot], null.Fd())
			mu.Lock()
			if err != nil {
				failure = errors.Join(failure, err)
				stop.Store(true)
			} else {
				f.took = append(f.took, took.Seconds()*1000)
				last = time.Now()
			}
			mu.Unlock()
		}
	})
	f.elapsed += last.Sub(begin)
	f.used += used
	if err = errors.Join(failure, err); err != nil {
		return errors.Join(err, killDescendants())
	}
	return nil
}

// once runs a cell from start to exit.
func (b *bench) once(c *cell, null uintptr) (time.Duration, error) {
	pid, started, err := b.start(c, null, null)
	if err != nil {
		return 0, err
	}
	stuck := time.AfterFunc(stuckAfter, func() { syscall.Kill(pid, syscall.SIGKILL) })
	status, err := wait(pid)
	took := time.Since(started)
	stuck.Stop()
	if err == nil && status != 0 {
		err = fmt.Errorf("ends with %#x", int(status))
	}
	return took, err
}

// inGroup is the cgroup that a cell's container is to have, below ours, so that its
// CPU time and its quota are the run's.
func (c *cell) inGroup(b *bench) string {
	if !c.grouped || b.group == nil {
		return ""
	}
	return filepath.Join("/", b.group.name, c.runtime.name+"-"+c.workload.Name+"-"+c.slot)
}
