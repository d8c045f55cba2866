// Command bench measures sentinel beside a native chroot, runc, crun and runsc:
// applications from start to exit (those of the Sentinel paper, gcc, git), servers
// under load, loops of system calls, memory, and many idle sandboxes at once. All
// run the same programs from the same root file system, in turn, so that a busy
// machine disturbs all alike.
//
//	go run ./test/bench                  everything, as a table
//	go run ./test/bench -quick           a few rounds, for a first look
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
	memory    bool
	loops     bool
	requests  bool
	idle      int
	verbose   bool
}

func main() {
	var o options
	flag.IntVar(&o.rounds, "rounds", 20, "how often each program runs under each runtime")
	flag.BoolVar(&o.quick, "quick", false, "3 rounds, no requests, loops or idle sandboxes")
	flag.StringVar(&o.runtimes, "runtimes", "", "only these, with commas: chroot, runc, crun, runsc, sentinel-PLATFORM")
	flag.StringVar(&o.workloads, "workloads", "", "only these, with commas")
	flag.StringVar(&o.platforms, "platforms", "ptrace,trap", "platforms of sentinel, with commas; trap-nopatch is trap with --patch=off")
	flag.StringVar(&o.sentinel, "sentinel", "bin/sentinel", "the binary under test")
	flag.StringVar(&o.json, "json", "", "write all figures to this file")
	flag.StringVar(&o.markdown, "markdown", "", "put the tables between the bench markers of these documents, with commas")
	flag.StringVar(&o.plot, "plot", "", "write a chart (SVG) to this file")
	flag.StringVar(&o.model, "model", "../shared/data", "folder with mobilenet_v2_1.0_224_quant.tflite, imagenet_labels.txt and grace_hopper.bmp")
	flag.BoolVar(&o.rebuild, "rebuild", false, "make the root file system anew")
	flag.BoolVar(&o.memory, "memory", true, "measure memory too")
	flag.BoolVar(&o.loops, "loops", true, "measure loops of system calls too")
	flag.BoolVar(&o.requests, "requests", true, "measure redis and nginx under load too")
	flag.IntVar(&o.idle, "idle", 500, "how many idle sandboxes to look at, and a fifth of them; 0 for none")
	flag.BoolVar(&o.verbose, "v", false, "tell what runs")
	flag.Parse()
	if o.quick {
		o.rounds, o.loops, o.requests = 3, false, false
		asked := false
		flag.Visit(func(f *flag.Flag) { asked = asked || f.Name == "idle" })
		if !asked {
			o.idle = 0
		}
	}
	if err := run(o); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
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
