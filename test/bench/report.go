package main

import (
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
)

// report is all figures, as JSON too.
type report struct {
	Unit      string            `json:"unit"`
	CountedBy string            `json:"cpu_counted,omitempty"` // CPU time of times and loads
	Runtimes  []string          `json:"runtimes"`
	Times     []*row            `json:"times"`
	Loads     []*load           `json:"loads,omitempty"`
	Requests  []*row            `json:"requests_us"`
	Pairs     []*row            `json:"pairs_per_second,omitempty"`
	Handovers []*handover       `json:"handovers,omitempty"`
	Loops     []*row            `json:"loops_us_per_call"`
	Memory    []*row            `json:"memory_pss_mib"`
	Idle      []*idle           `json:"idle,omitempty"`
	Floors    []*row            `json:"floors_us,omitempty"`
	Failures  map[string]string `json:"failures,omitempty"`
}

// row is one workload under all runtimes.
type row struct {
	Name    string                `json:"name"`
	Samples map[string][]float64  `json:"samples"`
	Summary map[string]statistics `json:"summary"`
	CPU     *row                  `json:"cpu,omitempty"` // the CPU time of each run
}

type statistics struct {
	Median float64 `json:"median"`
	Min    float64 `json:"min"`
}

func (r *row) add(runtime string, value float64) {
	if r.Samples == nil {
		r.Samples, r.Summary = map[string][]float64{}, map[string]statistics{}
	}
	samples := append(r.Samples[runtime], value)
	r.Samples[runtime] = samples
	sorted := slices.Sorted(slices.Values(samples))
	middle := (sorted[(len(sorted)-1)/2] + sorted[len(sorted)/2]) / 2
	r.Summary[runtime] = statistics{middle, sorted[0]}
}

// drop forgets the figures of a runtime.
func (r *row) drop(runtime string) {
	delete(r.Samples, runtime)
	delete(r.Summary, runtime)
}

func (rep *report) fail(runtime, workload string, err error) {
	if rep.Failures == nil {
		rep.Failures = map[string]string{}
	}
	key := runtime + " " + workload
	if _, known := rep.Failures[key]; !known {
		rep.Failures[key] = err.Error()
		fmt.Fprintf(os.Stderr, "bench: %s under %s: %v\n", workload, runtime, err)
	}
}

func (rep *report) print(w io.Writer) {
	rep.table(w, "ms from start to exit, median (minimum)", rep.Times)
	rep.table(w, "CPU ms from start to exit, median (minimum), "+rep.CountedBy, rep.cpuRows())
	rep.loadTables(w)
	rep.table(w, "us a request, median (minimum)", rep.Requests)
	rep.table(w, "round trips a second of pairs of processes, median (minimum)", rep.Pairs)
	rep.handoverTable(w)
	rep.table(w, "us a call, median (minimum)", rep.Loops)
	rep.table(w, "PSS of all processes in MiB, median (minimum)", rep.Memory)
	rep.idleTable(w)
	if len(rep.Floors) > 0 {
		rep.printFloors(w)
	}
	fmt.Fprintln(w, "\ntargets")
	rep.printTargets(w)
	if len(rep.Failures) > 0 {
		fmt.Fprintln(w, "\nwhy figures are missing")
		for _, key := range slices.Sorted(maps.Keys(rep.Failures)) {
			fmt.Fprintf(w, "  %s: %s\n", key, strings.TrimSpace(rep.Failures[key]))
		}
	}
}

// cpuRows are the rows of CPU time beside the times.
func (rep *report) cpuRows() []*row {
	var rows []*row
	for _, r := range rep.Times {
		if r.CPU != nil {
			rows = append(rows, r.CPU)
		}
	}
	return rows
}

func (rep *report) table(w io.Writer, title string, rows []*row) {
	if len(rows) == 0 {
		return
	}
	fmt.Fprintf(w, "\n%s\n", title)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "\t%s\n", strings.Join(rep.Runtimes, "\t"))
	for _, r := range rows {
		fmt.Fprint(t, r.Name)
		for _, runtime := range rep.Runtimes {
			if s, ok := r.Summary[runtime]; ok {
				fmt.Fprintf(t, "\t%s (%s)", figure(s.Median), figure(s.Min))
			} else {
				fmt.Fprint(t, "\t-")
			}
		}
		fmt.Fprintln(t)
	}
	t.Flush()

	// How each sentinel compares with each peer, by medians.
	var peers, ours []string
	for _, runtime := range rep.Runtimes {
		if strings.HasPrefix(runtime, "sentinel") {
			ours = append(ours, runtime)
		} else {
			peers = append(peers, runtime)
		}
	}
	if len(ours) == 0 || len(peers) == 0 {
		return
	}
	fmt.Fprintln(w, "\n  as a share of")
	t = tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprint(t, "\t")
	for _, our := range ours {
		for _, peer := range peers {
			fmt.Fprintf(t, "\t%s/%s", strings.TrimPrefix(our, "sentinel-"), peer)
		}
	}
	fmt.Fprintln(t)
	for _, r := range rows {
		if !slices.ContainsFunc(ours, func(our string) bool { return r.Summary[our].Median > 0 }) {
			continue
		}
		fmt.Fprintf(t, "  %s\t", r.Name)
		for _, our := range ours {
			for _, peer := range peers {
				a, okA := r.Summary[our]
				b, okB := r.Summary[peer]
				if okA && okB && b.Median > 0 {
					fmt.Fprintf(t, "\t%.2f", a.Median/b.Median)
				} else {
					fmt.Fprint(t, "\t-")
				}
			}
		}
		fmt.Fprintln(t)
	}
	t.Flush()
}

// insert puts all tables between the markers of a document: "bench" for the
// figures, "targets" for the comparison with what was wanted.
func (rep *report) insert(name string) error {
	text, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	var figures, compared, floors strings.Builder
	rep.markdown(&figures, "ms, start to exit (CPU ms)", rep.Times)
	rep.loadMarkdown(&figures)
	rep.markdown(&figures, "us a request", rep.Requests)
	rep.markdown(&figures, "round trips a second", rep.Pairs)
	rep.handoverMarkdown(&figures)
	rep.markdown(&figures, "us a call", rep.Loops)
	rep.markdown(&figures, "MiB (PSS of all processes)", rep.Memory)
	rep.idleMarkdown(&figures)
	rep.printTargets(&compared)
	rep.printFloors(&floors)
	out, found := between(string(text), "bench", figures.String())
	out, also := between(out, "targets", compared.String())
	out, _ = between(out, "floors", floors.String())
	if !found && !also {
		return fmt.Errorf("%s has no markers for a table", name)
	}
	return os.WriteFile(name, []byte(out), 0o644)
}

// between replaces what stands between the markers of a name.
func between(text, name, table string) (string, bool) {
	begin, end := "<!-- "+name+":begin -->\n", "<!-- "+name+":end -->"
	head, rest, found := strings.Cut(text, begin)
	_, foot, foundEnd := strings.Cut(rest, end)
	if !found || !foundEnd {
		return text, false
	}
	return head + begin + table + "\n" + end + foot, true
}

func (rep *report) markdown(w io.Writer, title string, rows []*row) {
	if len(rows) == 0 {
		return
	}
	fmt.Fprintf(w, "\n| %s | %s |\n|---%s|\n", title, strings.Join(rep.Runtimes, " | "), strings.Repeat("|--:", len(rep.Runtimes)))
	for _, r := range rows {
		fmt.Fprintf(w, "| %s", r.Name)
		for _, runtime := range rep.Runtimes {
			if s, ok := r.Summary[runtime]; ok {
				fmt.Fprintf(w, " | %s", figure(s.Median))
				if r.CPU != nil {
					fmt.Fprintf(w, " (%s)", figure(r.CPU.Summary[runtime].Median))
				}
			} else {
				fmt.Fprint(w, " | -")
			}
		}
		fmt.Fprintln(w, " |")
	}
}

// figure keeps three digits, and no exponent.
func figure(v float64) string {
	if v >= 1000 {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return strconv.FormatFloat(v, 'g', 3, 64)
}

var colours = []string{"#9aa0a6", "#4c78a8", "#72b7b2", "#f58518", "#e45756", "#54a24b", "#b279a2"}

// svg draws the medians as bars on a logarithmic scale, one panel a table.
func (rep *report) svg() []byte {
	const (
		left, right, bar, gap = 170, 90, 11, 10
		width                 = 900
	)
	var body strings.Builder
	y := 40
	panel := func(title string, rows []*row) {
		if len(rows) == 0 {
			return
		}
		low, high := math.Inf(1), math.Inf(-1)
		for _, r := range rows {
			for _, s := range r.Summary {
				low, high = min(low, s.Median), max(high, s.Median)
			}
		}
		if math.IsInf(low, 1) {
			return
		}
		bottom, top := math.Floor(math.Log10(low)-0.05), math.Ceil(math.Log10(high))
		place := func(v float64) float64 {
			return left + (math.Log10(v)-bottom)/(top-bottom)*(width-left-right)
		}
		fmt.Fprintf(&body, `<text x="10" y="%d" font-weight="bold">%s</text>`+"\n", y, title)
		y += 14
		first := y
		for _, r := range rows {
			fmt.Fprintf(&body, `<text x="%d" y="%d" text-anchor="end">%s</text>`+"\n", left-8, y+len(rep.Runtimes)*bar/2+4, r.Name)
			for i, runtime := range rep.Runtimes {
				if s, ok := r.Summary[runtime]; ok {
					fmt.Fprintf(&body, `<rect x="%d" y="%d" width="%.1f" height="%d" fill="%s"/><text x="%.1f" y="%d" font-size="9">%s</text>`+"\n",
						left, y, max(1, place(s.Median)-left), bar-1, colours[i%len(colours)], place(s.Median)+3, y+bar-2, figure(s.Median))
				}
				y += bar
			}
			y += gap
		}
		for e := bottom; e <= top; e++ {
			x := place(math.Pow(10, e))
			fmt.Fprintf(&body, `<line x1="%.1f" y1="%d" x2="%.1f" y2="%d" stroke="#ccc"/><text x="%.1f" y="%d" font-size="10" text-anchor="middle">%g</text>`+"\n", x, first, x, y, x, y+11, math.Pow(10, e))
		}
		y += 40
	}
	panel("start to exit, ms", rep.Times)
	panel("start to exit, CPU ms", rep.cpuRows())
	panel("one request, µs", rep.Requests)
	panel("one call, µs", rep.Loops)
	panel("memory of a sandbox, MiB (PSS)", rep.Memory)
	var legend strings.Builder
	for i, runtime := range rep.Runtimes {
		fmt.Fprintf(&legend, `<rect x="%d" y="8" width="10" height="10" fill="%s"/><text x="%d" y="17">%s</text>`+"\n", 10+i*130, colours[i%len(colours)], 24+i*130, runtime)
	}
	return fmt.Appendf(nil, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="sans-serif" font-size="12"><rect width="100%%" height="100%%" fill="white"/>`+"\n%s%s</svg>\n", width, y, legend.String(), body.String())
}
