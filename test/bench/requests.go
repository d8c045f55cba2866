package main

import (
	"errors"
	"fmt"
	goruntime "runtime"
	"strings"

	"golang.org/x/sys/unix"

	"sentinel/test/bench/workloads"
)

// measureRequests has each server asked by its benchmark, both inside.
func (b *bench) measureRequests(rep *report) {
	for _, server := range workloads.Servers {
		rows := map[string]*row{}
		for _, name := range server.Rows {
			if b.wants(name) || b.wants("requests") {
				rows[name] = &row{Name: name}
				rep.Requests = append(rep.Requests, rows[name])
			}
		}
		if len(rows) == 0 {
			continue
		}
		b.measureServer(rep, server, rows, b.runtimes, b.served)
	}
}

// measureServersOnOneCPU measures what they do natively with one CPU, as if a
// supervisor had taken the other.
func (b *bench) measureServersOnOneCPU(rep *report) {
	r := b.native()
	if r == nil || !b.wants("requests") && !b.wants("floors") {
		return
	}
	for _, server := range workloads.Servers {
		rows := map[string]*row{}
		for _, name := range server.Rows {
			rows[name] = &row{Name: name + oneCPU}
			rep.Floors = append(rep.Floors, rows[name])
		}
		b.measureServer(rep, server, rows, []*runtime{r}, func(r *runtime, s workloads.Server) (figures map[string]float64, err error) {
			err = onOneCPU(func() (err error) {
				figures, err = b.served(r, s)
				return err
			})
			return figures, err
		})
	}
}

// measureServer fills rows, by what the server's script calls them.
func (b *bench) measureServer(rep *report, server workloads.Server, rows map[string]*row, list []*runtime,
	served func(*runtime, workloads.Server) (map[string]float64, error)) {
	failed := map[string]bool{}
	for range min(3, b.rounds) {
		for _, r := range list {
			if failed[r.name] {
				continue
			}
			figures, err := served(r, server)
			if err != nil {
				// Its rows stay empty: a server that breaks now and then has no speed.
				failed[r.name] = true
				for _, row := range rows {
					row.drop(r.name)
					rep.fail(r.name, row.Name, err)
				}
				continue
			}
			for name, row := range rows {
				row.add(r.name, figures[name])
			}
		}
	}
}

// oneCPU ends the names of such rows.
const oneCPU = "-one-cpu"

// onOneCPU calls fn, which starts processes, on a thread that one CPU is left.
func onOneCPU(fn func() error) error {
	goruntime.LockOSThread()
	defer goruntime.UnlockOSThread()
	var all unix.CPUSet
	if err := unix.SchedGetaffinity(0, &all); err != nil {
		return err
	}
	var one unix.CPUSet
	for i := 0; one.Count() == 0 && i < 1024; i++ { // CPU_SETSIZE
		if all.IsSet(i) {
			one.Set(i)
		}
	}
	if err := unix.SchedSetaffinity(0, &one); err != nil {
		return err
	}
	return errors.Join(fn(), unix.SchedSetaffinity(0, &all))
}

// served runs a server's script once, which prints a name and a figure a line.
func (b *bench) served(r *runtime, server workloads.Server) (map[string]float64, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	c := &cell{runtime: r, workload: workloads.Workload{Name: server.Name, Args: append(server.Args("/data"), port)}}
	if err := c.prepare(b, false); err != nil {
		return nil, err
	}
	out, err := b.output(c)
	if err != nil {
		return nil, err
	}
	figures := map[string]float64{}
	for line := range strings.Lines(string(out)) {
		var name string
		var us float64
		if _, err := fmt.Sscan(line, &name, &us); err != nil || us <= 0 {
			return nil, fmt.Errorf("prints %.100q", out)
		}
		figures[name] = us
	}
	for _, name := range server.Rows {
		if figures[name] == 0 {
			return nil, fmt.Errorf("prints %.100q, and no %s", out, name)
		}
	}
	return figures, nil
}
