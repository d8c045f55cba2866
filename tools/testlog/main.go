// Command testlog runs `go test -json` and prints what a person wants to read:
// one line a package, the whole output of what failed, and a closing count.
//
//	testlog go test ./...
//
// With SENTINEL_TEST_TOTALS set, it appends "passed failed" to that file, so
// that several stages can be summed.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

type event struct {
	Action      string
	Package     string
	ImportPath  string
	Test        string
	Output      string
	Elapsed     float64
	FailedBuild string
}

func main() {
	args := os.Args[1:]
	if len(args) < 2 || args[1] != "test" {
		fmt.Fprintln(os.Stderr, "usage: testlog go test [flags] packages")
		os.Exit(2)
	}
	// Tests compare with native runs, which whatever our caller left open would
	// reach.
	_ = unix.CloseRange(3, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC)
	cmd := exec.Command(args[0], slices.Insert(slices.Clone(args[1:]), 1, "-json")...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "testlog:", err)
		os.Exit(2)
	}

	passed, failed := 0, 0
	output := map[string]*strings.Builder{}
	counted := map[string]int{}
	failedIn := map[string]int{}
	in := bufio.NewScanner(out)
	in.Buffer(nil, 16<<20)
	for in.Scan() {
		var e event
		if json.Unmarshal(in.Bytes(), &e) != nil {
			fmt.Println(in.Text())
			continue
		}
		key := e.Package + " " + e.Test
		switch e.Action {
		case "output":
			if output[key] == nil {
				output[key] = new(strings.Builder)
			}
			output[key].WriteString(e.Output)
		case "build-output":
			fmt.Print(e.Output)
		case "pass", "fail":
			if e.Test != "" {
				counted[e.Package]++
				if e.Action == "pass" {
					passed++
				} else {
					failed++
					failedIn[e.Package]++
				}
			} else if e.Action == "fail" {
				// A package that failed outside of any test (build, panic, time-out).
				if failedIn[e.Package] == 0 {
					failed++
				}
				fmt.Printf("FAIL\t%s\t%.3fs\n", e.Package, e.Elapsed)
			} else if n := counted[e.Package]; n > 0 {
				fmt.Printf("ok  \t%s\t%.3fs\t%d tests\n", e.Package, e.Elapsed, n)
			}
			if e.Action == "fail" && output[key] != nil {
				fmt.Print(output[key])
			}
			delete(output, key)
		}
	}
	err = cmd.Wait()
	if err != nil && failed == 0 {
		failed = 1
	}
	fmt.Printf("%d passed, %d failed\n", passed, failed)
	if name := os.Getenv("SENTINEL_TEST_TOTALS"); name != "" {
		if f, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644); err == nil {
			fmt.Fprintln(f, passed, failed)
			f.Close()
		}
	}
	if failed > 0 || err != nil {
		os.Exit(1)
	}
}
