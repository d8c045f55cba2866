package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"sentinel/test/bench/workloads"
)

// A handover is how often a program in a sandbox of ours was handed over to the
// supervisor.
type handover struct {
	Workload string `json:"workload"`
	Runtime  string `json:"runtime"`
	Calls    int    `json:"calls"`
	// Handovers is what --stats counts as such, 0 if it counts only calls: each of
	// these is one then, while somebody watches.
	Handovers int `json:"handovers,omitempty"`
}

func (h *handover) count() (int, string) {
	if h.Handovers > 0 {
		return h.Handovers, "hand-overs"
	}
	return h.Calls, "calls, each of them handed over"
}

// measureHandovers reads the count from --stats.
func (b *bench) measureHandovers(rep *report) {
	list := append(workloads.List("/data", "/bin", ""), workloads.Tools("/data")...)
	for _, w := range list {
		if !slices.Contains(workloads.Handovers, w.Name) || !b.wants(w.Name) && !b.wants("handovers") {
			continue
		}
		for _, r := range b.runtimes {
			if !strings.HasPrefix(r.name, "sentinel-") || strings.HasSuffix(r.name, "-nopatch") {
				continue
			}
			h, err := b.handovers(r, w)
			if err != nil {
				rep.fail(r.name, w.Name+" --stats", err)
				continue
			}
			rep.Handovers = append(rep.Handovers, h)
		}
	}
}

func (b *bench) handovers(r *runtime, w workloads.Workload) (*handover, error) {
	file := filepath.Join(b.state, "stats")
	defer os.Remove(file)
	watched := *r
	watched.argv = func(bundle, id string) []string {
		argv := r.argv(bundle, id)
		return append(argv[:len(argv)-1:len(argv)-1], "--stats="+file, id)
	}
	c := &cell{runtime: &watched, workload: w}
	if err := c.prepare(b); err != nil {
		return nil, err
	}
	if _, err := b.output(c); err != nil {
		return nil, err
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	h := &handover{Workload: w.Name, Runtime: r.name}
	for line := range strings.Lines(string(text)) {
		fmt.Sscanf(line, "total %d", &h.Calls)
		fmt.Sscanf(line, "hand-overs %d", &h.Handovers)
	}
	if h.Calls == 0 {
		return nil, fmt.Errorf("--stats prints no total: %.300s", text)
	}
	return h, nil
}

// handoverHeads are the columns that cells gives.
var handoverHeads = []string{"to the supervisor in a run", "runtime", "count", "of what"}

func (h *handover) cells() []string {
	n, what := h.count()
	return []string{h.Workload, h.Runtime, fmt.Sprint(n), what}
}

func (rep *report) handoverTable(w io.Writer) {
	if len(rep.Handovers) == 0 {
		return
	}
	fmt.Fprintln(w)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, strings.Join(handoverHeads, "\t"))
	for _, h := range rep.Handovers {
		fmt.Fprintln(t, strings.Join(h.cells(), "\t"))
	}
	t.Flush()
}

func (rep *report) handoverMarkdown(w io.Writer) {
	if len(rep.Handovers) == 0 {
		return
	}
	fmt.Fprintf(w, "\n| %s |\n|---|---|--:|---|\n", strings.Join(handoverHeads, " | "))
	for _, h := range rep.Handovers {
		fmt.Fprintf(w, "| %s |\n", strings.Join(h.cells(), " | "))
	}
}
