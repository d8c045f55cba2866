package main

import (
	"fmt"
	"io"
	"slices"
)

// A target is what a figure of ours should be at most: a share of a peer's, with
// an allowance on top, or an absolute figure.
type target struct {
	rows  []string
	our   string
	peer  string  // "" for an absolute target
	share float64 // of the peer's
	plus  float64
}

var (
	small = []string{"true", "hello-static", "hello-c"}
	eight = []string{"hello-c", "hello-ruby", "hello-python", "json-ruby", "matmul-numpy", "edges-opencv", "download", "mobilenet"}
	many  = []string{"redis-set", "redis-get", "nginx-wrk", "gcc-hello", "git-status"}
	both  = []string{"sleep", "echo server"}
)

// targets of issues 2 (ptrace) and 3 (trap). Those of a busy machine are in
// loadtargets.go.
var targets = []target{
	{[]string{"true"}, "ptrace", "crun", 1, 0},
	{[]string{"true"}, "ptrace", "runc", 0.4, 0},
	{[]string{"hello-python"}, "ptrace", "runc", 0.8, 0},
	{[]string{"sleep"}, "ptrace", "runsc", 0.35, 0},
	{small, "trap", "crun", 0.30, 0},
	{small, "trap", "runc", 0.15, 0},
	{small, "trap", "runsc", 0.05, 0},
	{eight, "trap", "runc", 0.7, 0},
	{eight, "trap", "chroot", 1, 15},
	{eight, "trap", "runsc", 0.2, 0},
	{[]string{"getppid"}, "trap", "chroot", 1, 0},
	{[]string{"getppid"}, "trap-nopatch", "chroot", 6, 0},
	{[]string{"getuid"}, "trap", "chroot", 0.1, 0},
	{[]string{"open-fstat-read-close"}, "trap", "chroot", 2, 0},
	{[]string{"stat-missing"}, "trap", "chroot", 1, 0},
	{[]string{"read-64k", "write-64k"}, "trap", "chroot", 1 / 0.7, 0},
	{[]string{"fork-exec-wait"}, "trap", "chroot", 2.5, 0},
	{[]string{"mutex-8-threads", "pipe-pingpong"}, "trap", "chroot", 1.5, 0},
	{many, "trap", "chroot", 1.5, 0},
	{many, "trap", "runsc", 1, 0},
	{both, "trap", "runsc", 0.25, 0},
	{both, "trap", "", 0, 8e6 / (1 << 20)},
}

// printTargets writes a table of all targets whose figures were measured.
func (rep *report) printTargets(w io.Writer) {
	fmt.Fprint(w, "\n| what | platform | target | measured | |\n|---|---|---|--:|---|\n")
	rows := slices.Concat(rep.Times, rep.Requests, rep.Loops, rep.Memory)
	for _, t := range targets {
		for _, name := range t.rows {
			at := slices.IndexFunc(rows, func(r *row) bool { return r.Name == name })
			if at < 0 {
				continue
			}
			ours, ok := rows[at].Summary["sentinel-"+t.our]
			if !ok {
				if _, failed := rep.Failures["sentinel-"+t.our+" "+name]; failed && t.peer != "" {
					fmt.Fprintf(w, "| %s | %s | %.2f of %s | failed | %s |\n", name, t.our, t.share, t.peer, verdict(false))
				}
				continue
			}
			unit := "ms"
			if slices.Contains(rep.Loops, rows[at]) || slices.Contains(rep.Requests, rows[at]) {
				unit = "us"
			} else if slices.Contains(rep.Memory, rows[at]) {
				unit = "MiB"
			}
			what, got, met := fmt.Sprintf("at most %s %s", figure(t.plus), unit), figure(ours.Median)+" "+unit, ours.Median <= t.plus
			if t.peer != "" {
				peer, ok := rows[at].Summary[t.peer]
				if !ok {
					continue
				}
				what, got = fmt.Sprintf("%.2f of %s", t.share, t.peer), fmt.Sprintf("%.2f", ours.Median/peer.Median)
				if t.plus > 0 {
					what, got = fmt.Sprintf("%s + %.0f ms", t.peer, t.plus), fmt.Sprintf("%+.1f ms", ours.Median-peer.Median)
				}
				met = ours.Median <= t.share*peer.Median+t.plus
			}
			fmt.Fprintf(w, "| %s | %s | %s | %s | %s |\n", name, t.our, what, got, verdict(met))
		}
	}
	rep.printLoadTargets(w)
	rep.printPairTargets(w)
	rep.printHandoverTargets(w)
	rep.printIdleTargets(w)
	rep.printOwnTarget(w)
}

func verdict(met bool) string {
	if met {
		return "met"
	}
	return "**missed**"
}
