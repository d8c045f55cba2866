package main

import (
	"fmt"
	"slices"
	"strings"
)

// heading begins the part of a package comment that declares the order.
const heading = "Lock order:"

// orderLines returns the lines of a package comment that declare the order: those
// set off below the heading.
func orderLines(doc string) []string {
	_, rest, found := strings.Cut(doc, heading+"\n")
	if !found {
		return nil
	}
	var lines []string
	for line := range strings.Lines(rest) {
		indented := strings.HasPrefix(line, "\t") || strings.HasPrefix(line, " ")
		switch {
		case indented:
			lines = append(lines, strings.TrimSpace(line))
		case strings.TrimSpace(line) != "":
			return lines
		}
	}
	return lines
}

// order returns for each lock those that may be taken while it is held, directly
// or by way of others. A problem is a name that no lock has, a lock that its
// package comment does not name, and a circle.
func (k *kernel) order() (after [][]int, problems []string) {
	problems = k.problems
	byName := map[string]int{}
	for _, l := range k.locks {
		if _, twice := byName[l.full()]; twice {
			problems = append(problems, l.full()+" is the name of two locks")
		}
		byName[l.full()] = l.id
	}
	named := make([]bool, len(k.locks))
	comes := make([][]bool, len(k.locks)) // comes[a][b]: b after a
	for i := range comes {
		comes[i] = make([]bool, len(k.locks))
	}
	for _, c := range k.comments {
		for _, line := range c.lines {
			var before []int
			for _, step := range strings.Split(withoutRemarks(line), ">") {
				var ids []int
				for _, name := range strings.Split(step, ",") {
					name = strings.TrimSpace(name)
					id, own := byName[c.pkg+"."+name]
					if !own {
						var known bool
						if id, known = byName[name]; !known {
							problems = append(problems, fmt.Sprintf("%s: the order names %q, which is no lock", c.where, name))
							continue
						}
					}
					named[id] = named[id] || own
					ids = append(ids, id)
				}
				for _, a := range before {
					for _, b := range ids {
						comes[a][b] = true
					}
				}
				before = ids
			}
		}
	}
	for _, l := range k.locks {
		if !named[l.id] {
			problems = append(problems, fmt.Sprintf("%s: the package comment does not name %s below %q", l.file.name, l.name, heading))
		}
	}
	nested := make([]bool, len(k.locks))
	for i := range comes {
		nested[i], comes[i][i] = comes[i][i], false
	}
	closure(comes)
	for i, l := range k.locks {
		if comes[i][i] {
			problems = append(problems, fmt.Sprintf("%s comes after itself: %s", l.full(), k.circle(comes, i)))
		}
		comes[i][i] = nested[i]
	}
	after = make([][]int, len(k.locks))
	for i := range comes {
		for j, is := range comes[i] {
			if is {
				after[i] = append(after[i], j)
			}
		}
	}
	return after, problems
}

// withoutRemarks leaves out what stands in parentheses.
func withoutRemarks(line string) string {
	for {
		from := strings.Index(line, "(")
		if from < 0 {
			return line
		}
		to := strings.Index(line[from:], ")")
		if to < 0 {
			return line
		}
		line = line[:from] + line[from+to+1:]
	}
}

// closure adds what follows by way of others.
func closure(comes [][]bool) {
	for via := range comes {
		for a := range comes {
			if !comes[a][via] {
				continue
			}
			for b, is := range comes[via] {
				if is {
					comes[a][b] = true
				}
			}
		}
	}
}

// circle names the locks that come both before and after one.
func (k *kernel) circle(comes [][]bool, one int) string {
	var names []string
	for other := range comes {
		if other != one && comes[one][other] && comes[other][one] {
			names = append(names, k.locks[other].full())
		}
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}
