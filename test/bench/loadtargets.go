package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"sentinel/test/bench/workloads"
)

// A loadTarget is what a figure under load should be beside a peer's: at least a
// share of it if more is better, else at most a share and an allowance.
type loadTarget struct {
	tables []string
	rows   []string
	metric string
	peer   string // "" for an absolute target
	share  float64
	plus   float64
}

// metrics are what a loadTarget can be about, and whether more is better. "idle" is
// the table of what ran alone, which has CPU time only.
var metrics = map[string]struct {
	unit string
	more bool
	of   func(*figures) float64
}{
	"runs a second": {"", true, func(f *figures) float64 { return f.Rate }},
	"CPU":           {" ms", false, func(f *figures) float64 { return f.CPU }},
	"p99":           {" ms", false, func(f *figures) float64 { return f.P99 }},
}

var (
	loaded  = []string{"busy", "onecpu", "quota"}
	started = []string{"sh-ten", "gcc-hello", "git-status"} // start programs or make many calls
)

var loadTargets = []loadTarget{
	{loaded, eight, "runs a second", "chroot", 0.85, 0},
	{loaded, eight, "runs a second", "crun", 1, 0},
	{loaded, eight, "runs a second", "runc", 1, 0},
	{[]string{"busy"}, []string{"true"}, "runs a second", "crun", 2.5, 0},
	{[]string{"busy"}, started, "runs a second", "chroot", 0.45, 0},
	{[]string{"busy"}, started, "runs a second", "crun", 1, 0},
	{[]string{"idle", "busy"}, []string{"true"}, "CPU", "", 0, 5},
	{[]string{"idle", "busy"}, slices.Concat(eight, started), "CPU", "chroot", 1.2, 5},
	{[]string{"busy"}, []string{"hello-python"}, "p99", "chroot", 1.5, 0},
}

// loadFigure is a figure of a table, and whether there is one.
func (rep *report) loadFigure(table, name, metric, runtime string) (float64, bool) {
	if table == "idle" {
		for _, r := range rep.cpuRows() {
			if s, ok := r.Summary[runtime]; ok && r.Name == name {
				return s.Median, true
			}
		}
		return 0, false
	}
	for _, l := range rep.Loads {
		if l.Name != table {
			continue
		}
		for _, r := range l.Rows {
			if f := r.Figures[runtime]; r.Name == name && f != nil && f.Runs > 0 {
				return metrics[metric].of(f), true
			}
		}
	}
	return 0, false
}

// printLoadTargets writes the rows of what runs several at once, and of CPU time.
func (rep *report) printLoadTargets(w io.Writer) {
	for _, t := range loadTargets {
		m := metrics[t.metric]
		for _, table := range t.tables {
			for _, name := range t.rows {
				what := fmt.Sprintf("%s, %s: %s", name, tableName(table), t.metric)
				ours, ok := rep.loadFigure(table, name, t.metric, "sentinel-trap")
				peer, peerOK := rep.loadFigure(table, name, t.metric, t.peer)
				if !ok && peerOK && rep.failed("sentinel-trap", table, name) {
					fmt.Fprintf(w, "| %s | trap | beside %s | failed | %s |\n", what, t.peer, verdict(false))
				}
				switch {
				case !ok || t.peer != "" && !peerOK:
				case t.peer == "":
					fmt.Fprintf(w, "| %s | trap | at most %s%s | %s%s | %s |\n", what, figure(t.plus), m.unit, figure(ours), m.unit, verdict(ours <= t.plus))
				case m.more:
					fmt.Fprintf(w, "| %s | trap | at least %.2f of %s | %.2f | %s |\n", what, t.share, t.peer, ours/peer, verdict(ours >= t.share*peer))
				case t.plus > 0:
					fmt.Fprintf(w, "| %s | trap | at most %.2f of %s + %.0f%s = %s%s | %s%s | %s |\n", what, t.share, t.peer, t.plus, m.unit,
						figure(t.share*peer+t.plus), m.unit, figure(ours), m.unit, verdict(ours <= t.share*peer+t.plus))
				default:
					fmt.Fprintf(w, "| %s | trap | at most %.2f of %s | %.2f | %s |\n", what, t.share, t.peer, ours/peer, verdict(ours <= t.share*peer))
				}
			}
		}
	}
}

func tableName(table string) string {
	switch table {
	case "idle":
		return "alone"
	case "onecpu":
		return "one CPU"
	}
	return table
}

func (rep *report) failed(runtime, table, name string) bool {
	_, alone := rep.Failures[runtime+" "+name]
	_, loaded := rep.Failures[runtime+" "+table+" "+name]
	return alone || loaded
}

// pairTargets are the shares of the native rate of each number of pairs.
var pairTargets = map[string]float64{"pairs-1": 0.5, "pairs-4": 0.3, "pairs-16": 0.3}

const (
	pairsOfRunsc = 3   // times its rate
	servedShare  = 0.6 // of the requests that are served natively
)

// printPairTargets writes the rows of pairs and of servers.
func (rep *report) printPairTargets(w io.Writer) {
	line := func(name, peer string, share, got float64) {
		fmt.Fprintf(w, "| %s | trap | at least %.2f of the rate of %s | %.2f | %s |\n", name, share, peer, got, verdict(got >= share))
	}
	for _, r := range rep.Pairs {
		if rep.failed("sentinel-trap", "", r.Name) {
			fmt.Fprintf(w, "| %s | trap | beside chroot | failed | %s |\n", r.Name, verdict(false))
			continue
		}
		ours, native, runsc := r.Summary["sentinel-trap"].Median, r.Summary["chroot"].Median, r.Summary["runsc"].Median
		if ours > 0 && native > 0 {
			line(r.Name, "chroot", pairTargets[r.Name], ours/native)
		}
		if ours > 0 && runsc > 0 {
			line(r.Name, "runsc", pairsOfRunsc, ours/runsc)
		}
	}
	for _, r := range rep.Requests {
		if rep.failed("sentinel-trap", "", r.Name) {
			fmt.Fprintf(w, "| %s | trap | beside chroot | failed | %s |\n", r.Name, verdict(false))
			continue
		}
		ours, native := r.Summary["sentinel-trap"].Median, r.Summary["chroot"].Median
		if ours > 0 && native > 0 {
			line(r.Name, "chroot", servedShare, native/ours)
		}
	}
}

// printHandoverTargets compares with what it was on 2026-11-30.
func (rep *report) printHandoverTargets(w io.Writer) {
	for _, h := range rep.Handovers {
		before := workloads.HandoversBefore[h.Workload]
		if h.Runtime != "sentinel-trap" || before == 0 {
			continue
		}
		n, _ := h.count()
		fmt.Fprintf(w, "| hand-overs of %s | trap | a third of %d | %.2f | %s |\n", h.Workload, before, float64(n)/float64(before), verdict(3*n <= before))
	}
}

// ownMargin is by how much ptrace must be better than trap to count as better:
// less is noise.
const ownMargin = 1.05

// printOwnTarget writes one row about all tables: where ptrace is better than trap.
func (rep *report) printOwnTarget(w io.Writer) {
	const trap, ptrace = "sentinel-trap", "sentinel-ptrace"
	rows := 0
	var better []string
	look := func(name string, trap, ptrace float64, more bool) {
		if trap <= 0 || ptrace <= 0 {
			return
		}
		rows++
		if more {
			trap, ptrace = ptrace, trap
		}
		if trap > ownMargin*ptrace {
			better = append(better, name)
		}
	}
	for _, table := range []struct {
		name string
		rows []*row
		more bool
	}{
		{"", rep.Times, false}, {" (CPU)", rep.cpuRows(), false}, {"", rep.Requests, false},
		{"", rep.Pairs, true}, {"", rep.Loops, false}, {" (memory)", rep.Memory, false},
	} {
		for _, r := range table.rows {
			look(r.Name+table.name, r.Summary[trap].Median, r.Summary[ptrace].Median, table.more)
		}
	}
	for _, l := range rep.Loads {
		for _, r := range l.Rows {
			if a, b := r.Figures[trap], r.Figures[ptrace]; a != nil && b != nil {
				look(r.Name+" ("+tableName(l.Name)+", runs)", a.Rate, b.Rate, true)
				look(r.Name+" ("+tableName(l.Name)+", CPU)", a.CPU, b.CPU, false)
			}
		}
	}
	if rows == 0 {
		return
	}
	got := "none"
	if len(better) > 0 {
		got = fmt.Sprintf("%d: %s", len(better), strings.Join(better, ", "))
	}
	fmt.Fprintf(w, "| figures in which ptrace is better than trap by more than %.0f %%, of %d | both | none | %s | %s |\n",
		100*(ownMargin-1), rows, got, verdict(len(better) == 0))
}
