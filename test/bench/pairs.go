package main

import (
	"fmt"
	"strconv"
	"strings"

	"sentinel/test/bench/workloads"
)

// pairsTime is for how long pairs of processes talk, in ms.
const pairsTime = "1000"

// measurePairs counts the round trips of pairs of processes in each runtime.
func (b *bench) measurePairs(rep *report) {
	for _, n := range workloads.Pairs {
		row := &row{Name: fmt.Sprintf("pairs-%d", n)}
		if !b.wants(row.Name) && !b.wants("pairs") {
			continue
		}
		rep.Pairs = append(rep.Pairs, row)
		for range b.turns {
			for _, r := range b.runtimes {
				c := &cell{runtime: r, workload: workloads.Workload{Name: row.Name, Args: []string{"/bin/pairs", strconv.Itoa(n), pairsTime}}}
				rate, err := b.printed(c)
				if err != nil {
					rep.fail(r.name, row.Name, err)
					continue
				}
				row.add(r.name, rate)
			}
		}
	}
}

// printed runs a cell that prints one figure.
func (b *bench) printed(c *cell) (float64, error) {
	if err := c.prepare(b); err != nil {
		return 0, err
	}
	out, err := b.output(c)
	if err != nil {
		return 0, err
	}
	return strconv.ParseFloat(strings.TrimSpace(string(out)), 64)
}
