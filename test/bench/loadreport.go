package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// A column is one way to look at the figures of a load.
type column struct {
	title string
	text  func(*figures) string
}

var loadColumns = []column{
	{"runs a second (CPU ms a run)", func(f *figures) string { return figure(f.Rate) + " (" + figure(f.CPU) + ")" }},
	{"ms a run, p50 / p99", func(f *figures) string { return figure(f.P50) + " / " + figure(f.P99) }},
}

func (l *load) cells(runtimes []string, r *loadRow, c column) []string {
	cells := []string{r.Name}
	for _, name := range runtimes {
		if f := r.Figures[name]; f != nil && f.Runs > 0 {
			cells = append(cells, c.text(f))
		} else {
			cells = append(cells, "-")
		}
	}
	return cells
}

func (rep *report) loadTables(w io.Writer) {
	for _, l := range rep.Loads {
		if l.Missing != "" {
			fmt.Fprintf(w, "\n%s: no table: %s\n", l.Title, l.Missing)
			continue
		}
		for _, c := range loadColumns {
			fmt.Fprintf(w, "\n%s, %s\n", l.Title, c.title)
			t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
			fmt.Fprintf(t, "\t%s\n", strings.Join(rep.Runtimes, "\t"))
			for _, r := range l.Rows {
				fmt.Fprintln(t, strings.Join(l.cells(rep.Runtimes, r, c), "\t"))
			}
			t.Flush()
		}
	}
}

func (rep *report) loadMarkdown(w io.Writer) {
	if rep.CountedBy != byCgroup {
		fmt.Fprintf(w, "\nCPU time is counted %s.\n", rep.CountedBy)
	}
	for _, l := range rep.Loads {
		if l.Missing != "" {
			fmt.Fprintf(w, "\n%s: no table: %s\n", l.Title, l.Missing)
			continue
		}
		for _, c := range loadColumns {
			fmt.Fprintf(w, "\n| %s, %s | %s |\n|---%s|\n", l.Title, c.title, strings.Join(rep.Runtimes, " | "), strings.Repeat("|--:", len(rep.Runtimes)))
			for _, r := range l.Rows {
				fmt.Fprintf(w, "| %s |\n", strings.Join(l.cells(rep.Runtimes, r, c), " | "))
			}
		}
	}
}
