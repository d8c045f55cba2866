// Command bench measures sentinel beside a native chroot, runc, crun and runsc:
// applications from start to exit (those of the Sentinel paper, gcc, git), servers
// under load, loops of system calls, memory, and many idle sandboxes at once. All
// run the same programs from the same root file system, in turn, so that a busy
// machine disturbs all alike.
//
// Programs run alone, several at once, on one CPU and with a quota of half a CPU;
// beside each time is the CPU time of all processes that the run took.
//
//	go run ./test/bench                  everything, as tables: some 25 minutes
//	go run ./test/bench -quick           some 2 minutes, for a first look
//	go run ./test/bench -tables busy,pairs
//	go run ./test/bench -workloads true,hello-c -runtimes crun,sentinel-ptrace
//	go run ./test/bench -json out.json -plot out.svg
//
// It needs root (for chroot, runc and crun) and what tools/setup-debian installs.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"sentinel/test/bench/workloads"
)

type options struct {
	rounds    int
	quick     bool
	runtimes  string
	workloads string
	platforms string
	sentinel  string
	json      string
	markdown  string
	plot      string
	model     string
	rebuild   bool
	idle      int
	verbose   bool
	tables    string
	atOnce    int
	window    time.Duration
	turns     int
}

// allTables are what -tables can name.
var allTables = []string{"idle", "busy", "onecpu", "quota", "servers", "pairs", "handovers", "loops", "memory", "sandboxes"}

// table reports whether a table was asked for.
func (o *options) table(name string) bool { return slices.Contains(strings.Split(o.tables, ","), name) }

func main() {
	var o options
	flag.IntVar(&o.rounds, "rounds", 10, "how often each program runs under each runtime, alone")
	flag.BoolVar(&o.quick, "quick", false, "some 2 minutes, for a first look: 3 rounds, short windows, few workloads, no runsc, loops, memory or idle sandboxes, unless asked for")
	flag.StringVar(&o.tables, "tables", "", "only these, with commas: "+strings.Join(allTables, ", "))
	flag.IntVar(&o.atOnce, "at-once", 8, "how many programs run at once in the busy tables; half as many with a quota")
	flag.DurationVar(&o.window, "window", 1500*time.Millisecond, "for how long programs are started again in the busy tables, each turn")
	flag.IntVar(&o.turns, "turns", 2, "how often the runtimes take turns in the busy tables, servers and pairs")
	flag.StringVar(&o.runtimes, "runtimes", "", "only these, with commas: chroot, runc, crun, runsc, sentinel-PLATFORM")
	flag.StringVar(&o.workloads, "workloads", "", "only these, with commas")
	flag.StringVar(&o.platforms, "platforms", "ptrace,trap", "platforms of sentinel, with commas; trap-nopatch is trap with --patch=off")
	flag.StringVar(&o.sentinel, "sentinel", "bin/sentinel", "the binary under test")
	flag.StringVar(&o.json, "json", "", "write all figures to this file")
	flag.StringVar(&o.markdown, "markdown", "", "put the tables between the bench markers of these documents, with commas")
	flag.StringVar(&o.plot, "plot", "", "write a chart (SVG) to this file")
	flag.StringVar(&o.model, "model", "../shared/data", "folder with mobilenet_v2_1.0_224_quant.tflite, imagenet_labels.txt and grace_hopper.bmp")
	flag.BoolVar(&o.rebuild, "rebuild", false, "make the root file system anew")
	flag.IntVar(&o.idle, "idle", 500, "how many idle sandboxes to look at, and a fifth of them; 0 for none")
	flag.BoolVar(&o.verbose, "v", false, "tell what runs")
	flag.Parse()
	o.complete()
	for _, name := range strings.Split(o.tables, ",") {
		if !slices.Contains(allTables, name) {
			fmt.Fprintf(os.Stderr, "bench: no table %q: there are %s\n", name, strings.Join(allTables, ", "))
			os.Exit(2)
		}
	}
	if err := run(o); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// complete sets what was not asked for.
func (o *options) complete() {
	asked := map[string]bool{}
	flag.Visit(func(f *flag.Flag) { asked[f.Name] = true })
	if o.quick {
		for name, value := range map[string]string{
			"rounds": "3", "window": "600ms", "turns": "1",
			"tables": "idle,busy,onecpu,quota,servers,pairs,handovers",
			// Without runsc, which takes as long as all others.
			"runtimes": "chroot,runc,crun,sentinel-" + strings.Join(strings.Split(o.platforms, ","), ",sentinel-"),
		} {
			if !asked[name] {
				flag.Set(name, value)
			}
		}
		if asked["idle"] && !asked["tables"] {
			o.tables += ",sandboxes"
		}
	}
	if o.tables == "" {
		o.tables = strings.Join(allTables, ",")
	}
	o.rounds, o.turns, o.atOnce = max(1, o.rounds), max(1, o.turns), max(1, o.atOnce)
}

// inner tells the copy of this program that runs in its own mount namespace, and
// which folder it may use.
const inner = "SENTINEL_BENCH_STATE"

func run(o options) error {
	if os.Getuid() != 0 {
		return fmt.Errorf("chroot, runc and crun need root")
	}
	if os.Getenv(inner) == "" {
		return inNamespace()
	}
	endOnSignal()
	cache, err := workloads.CacheDir()
	if err != nil {
		return err
	}
	cache = filepath.Join(cache, "bench")
	rootfs, err := buildRootfs(cache, o.model, o.rebuild)
	if err != nil {
		return err
	}
	picture, err := os.ReadFile(filepath.Join(rootfs, "data/picture.bmp"))
	if err != nil {
		return err
	}
	server, err := serve(picture)
	if err != nil {
		return err
	}
	defer server.Close()

	state := os.Getenv(inner)
	runtimes, err := findRuntimes(o, cache, rootfs, state)
	if err != nil {
		return err
	}
	list := workloads.List("/data", "/bin", "http://"+server.Addr().String()+"/picture.bmp")
	list = append(list, workloads.Tools("/data")...)
	if _, err := os.Stat(filepath.Join(rootfs, "data/model.tflite")); err == nil {
		list = append(list, workloads.MobileNet("/data"))
	} else {
		fmt.Fprintln(os.Stderr, "bench: no MobileNet model in", o.model+": leaving that out; -model names a folder that has it")
	}
	if o.workloads != "" {
		names := strings.Split(o.workloads, ",")
		list = slices.DeleteFunc(list, func(w workloads.Workload) bool { return !slices.Contains(names, w.Name) })
	}
	b := &bench{options: o, runtimes: runtimes, state: state}
	if b.group, b.noGroup = makeGroup(filepath.Base(state)); b.noGroup != nil {
		fmt.Fprintln(os.Stderr, "bench: no cgroup:", b.noGroup)
	}
	report := b.measure(list)
	report.print(os.Stdout)
	if o.json != "" {
		text, err := json.MarshalIndent(report, "", " ")
		if err == nil {
			err = os.WriteFile(o.json, append(text, '\n'), 0o644)
		}
		if err != nil {
			return err
		}
	}
	if o.markdown != "" {
		for _, name := range strings.Split(o.markdown, ",") {
			if err := report.insert(name); err != nil {
				return err
			}
		}
	}
	if o.plot != "" {
		return os.WriteFile(o.plot, report.svg(), 0o644)
	}
	return nil
}

// inNamespace runs this program again in a mount namespace of its own, where it
// can mount what the chroot needs, and without the second cgroup tree of hybrid
// hosts, which crun cannot work with.
func inNamespace() error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	state, err := os.MkdirTemp("", "sentinel-bench-")
	if err != nil {
		return err
	}
	// Removed out here, where nothing is mounted beneath it: in there this would
	// empty whatever is.
	defer os.RemoveAll(state)
	// The copy's cgroup has the same name, and goes on every path.
	defer func() {
		if err := removeGroup(filepath.Base(state)); err != nil {
			fmt.Fprintln(os.Stderr, "bench: a cgroup stays:", err)
		}
	}()
	script := `umount /sys/fs/cgroup/unified 2>/dev/null; exec "$0" "$@"`
	cmd := exec.Command("unshare", append([]string{"-m", "--propagation", "private", "/bin/sh", "-c", script, self}, os.Args[1:]...)...)
	cmd.Env = append(os.Environ(), inner+"="+state)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	// What is told to end us ends the copy, which ends what it started.
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	if err := cmd.Start(); err != nil {
		return err
	}
	go func() {
		for caught := range signals {
			cmd.Process.Signal(caught)
		}
	}()
	return cmd.Wait()
}
