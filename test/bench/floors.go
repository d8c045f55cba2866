package main

import (
	"fmt"
	"io"
	"strconv"

	"sentinel/test/bench/workloads"
)

// Floors are measured natively, beside the rest: what a runtime in Go, or one
// that traps or hands over a call, cannot do without.

func (b *bench) native() *runtime {
	for _, r := range b.runtimes {
		if r.argv == nil {
			return r
		}
	}
	return nil
}

// emptyGo gives the cell of a Go program that does nothing.
func (b *bench) emptyGo() []*cell {
	r := b.native()
	if r == nil || !b.wants(workloads.EmptyGo.Name) {
		return nil
	}
	return []*cell{{runtime: r, workload: workloads.EmptyGo}}
}

func (b *bench) measureFloors(rep *report) {
	r := b.native()
	if r == nil {
		return
	}
	for _, floor := range workloads.Floors {
		if !b.wants(floor.Name) && !b.wants("floors") {
			continue
		}
		rep.Floors = append(rep.Floors, b.measureLoop(rep, floor.Name, []*runtime{r}, "/bin/floor", floor.Kind, strconv.Itoa(floor.Count)))
	}
}

// median returns a figure, 0 if there is none.
func median(rows []*row, name, runtime string) float64 {
	for _, r := range rows {
		if r.Name == name {
			return r.Summary[runtime].Median
		}
	}
	return 0
}

// printFloors writes a table of the floors, as shares of what targets compare
// with.
func (rep *report) printFloors(w io.Writer) {
	fmt.Fprint(w, "\n| natively | measured | that is |\n|---|--:|---|\n")
	empty, program := median(rep.Times, workloads.EmptyGo.Name, "chroot"), median(rep.Times, "true", "chroot")
	if crun := median(rep.Times, "true", "crun"); empty > 0 && crun > 0 {
		fmt.Fprintf(w, "| an empty Go program, start to exit | %s ms | with `true` itself (%s ms) %.2f of crun's `true`, where 0.30 is the target |\n",
			figure(empty), figure(program), (empty+program)/crun)
	}
	rep.printStartFloors(w)
	call := median(rep.Loops, "getppid", "chroot")
	if trap := median(rep.Floors, "trap", "chroot"); trap > 0 && call > 0 {
		fmt.Fprintf(w, "| SIGSYS by a filter and back, nothing else | %s us | %.1f of getppid, where 6 is the target for an unpatched site |\n", figure(trap), trap/call)
	}
	for _, f := range []struct{ name, what string }{
		{"handover-one-cpu", "a futex hand-over to another process and back, on one CPU"},
		{"handover-two-cpus", "the same between two CPUs, of which one is idle"},
	} {
		if us := median(rep.Floors, f.name, "chroot"); us > 0 && call > 0 {
			fmt.Fprintf(w, "| %s | %s us | %.0f times getppid, for a call whose two sides cannot both run |\n", f.what, figure(us), us/call)
		}
	}
	if us := median(rep.Floors, "handover-awake", "chroot"); us > 0 && call > 0 {
		fmt.Fprintf(w, "| a word to another CPU and back, both awake | %s us | %.2f of getppid, where 1 is the target for a call that does the same and more |\n", figure(us), us/call)
	}
	if us := median(rep.Floors, "handover-64k", "chroot"); us > 0 {
		fmt.Fprintf(w, "| that, with 64 KiB which one writes and the other copies | %s us | what such data costs if it comes by another CPU |\n", figure(us))
	}
	touch, populate := median(rep.Floors, "touch", "chroot"), median(rep.Floors, "populate", "chroot")
	if touch > 0 && populate > 0 && call > 0 {
		fmt.Fprintf(w, "| a fresh page, at its first touch | %s us | %.1f of getppid |\n", figure(touch), touch/call)
		fmt.Fprintf(w, "| the same, if 33 come in one step | %s us | %.2f of that: the most that touching pages in advance can save |\n", figure(populate), populate/touch)
	}
	rep.printLookups(w)
	for _, server := range workloads.Servers {
		for _, name := range server.Rows {
			one, all := median(rep.Floors, name+oneCPU, "chroot"), median(rep.Requests, name, "chroot")
			if one > 0 && all > 0 {
				most := 1.5
				if name == "pgbench" {
					most = 1 / servedShare
				}
				fmt.Fprintf(w, "| a request of %s, on one CPU | %s us | %.2f of the same on all, where %.2f is the target beside a supervisor |\n", name, figure(one), one/all, most)
			}
		}
	}
}

// printStartFloors tells what a supervisor costs that only starts and ends.
func (rep *report) printStartFloors(w io.Writer) {
	const native = "chroot"
	empty, ok := rep.loadFigure("idle", workloads.EmptyGo.Name, "CPU", native)
	program, alsoOK := rep.loadFigure("idle", "true", "CPU", native)
	if ok && alsoOK {
		fmt.Fprintf(w, "| CPU time of an empty Go program | %s ms | with `true` itself %s ms, where 5 ms is the target |\n", figure(empty), figure(empty+program))
	}
	empty, ok = rep.loadFigure("busy", workloads.EmptyGo.Name, "runs a second", native)
	program, alsoOK = rep.loadFigure("busy", "true", "runs a second", native)
	if crun, crunOK := rep.loadFigure("busy", "true", "runs a second", "crun"); ok && alsoOK && crunOK {
		fmt.Fprintf(w, "| empty Go programs, busy | %s a second | with `true` itself %.2f of crun's `true`, where 2.5 is the target |\n", figure(empty), 1/(1/empty+1/program)/crun)
	}
}

// printLookups tells what the lookups of git-status cost by a supervisor that does
// nothing else.
func (rep *report) printLookups(w io.Writer) {
	one, ten := median(rep.Floors, "lstat", "chroot"), median(rep.Floors, "lstat-ten-threads", "chroot")
	served, whole := median(rep.Floors, "lstat-served", "chroot"), median(rep.Times, "git-status", "chroot")
	if one == 0 || ten == 0 || served == 0 || whole == 0 {
		return
	}
	fmt.Fprintf(w, "| lstat of a file of git-status's tree, by one thread | %s us | |\n", figure(one))
	fmt.Fprintf(w, "| the same by ten, as git does | %s us | %.2f of that |\n", figure(ten), ten/one)
	more := workloads.TreeFiles * (served - ten) / 1000 // ms
	fmt.Fprintf(w, "| the same by another process, asked by a word, both awake | %s us | git-status would take %.2f of itself (%s ms), where 1.5 is the target, were its start and all else as fast as natively |\n",
		figure(served), (whole+more)/whole, figure(whole))
}
