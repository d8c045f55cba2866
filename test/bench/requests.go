package main

import (
	"fmt"
	"strings"

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
		failed := map[string]bool{}
		for range min(3, b.rounds) {
			for _, r := range b.runtimes {
				if failed[r.name] {
					continue
				}
				figures, err := b.served(r, server)
				if err != nil {
					// Its rows stay empty: a server that breaks now and then has no speed.
					failed[r.name] = true
					for name, row := range rows {
						row.drop(r.name)
						rep.fail(r.name, name, err)
					}
					continue
				}
				for name, row := range rows {
					row.add(r.name, figures[name])
				}
			}
		}
	}
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
