package main

import (
	"errors"
	"fmt"
	"os/exec"
	goruntime "runtime"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"sentinel/test/bench/workloads"
)

// measureRequests has each server asked by its benchmark, both inside: alone, and
// beside programs that want all the CPU they can get.
func (b *bench) measureRequests(rep *report) {
	for _, end := range []string{"", besideLoops} {
		for _, server := range workloads.Servers {
			if b.quick && b.options.workloads == "" && server.Name != "postgres" {
				continue
			}
			rows := map[string]*row{}
			for _, name := range server.Rows {
				if b.wants(name) || b.wants(name+end) || b.wants("requests") {
					rows[name] = &row{Name: name + end}
					rep.Requests = append(rep.Requests, rows[name])
				}
			}
			if len(rows) == 0 {
				continue
			}
			served := b.servedBesideLoops
			if end == "" {
				served = b.servedAlone
			}
			b.measureServer(rep, server, rows, b.runtimes, served)
		}
	}
}

// besideLoops ends the names of such rows, busyLoops is how many, and fewRequests
// what is asked of redis then, which does not ask by time.
const (
	besideLoops = "-beside-2-loops"
	busyLoops   = 2
	fewRequests = "30000"
)

func (b *bench) servedAlone(r *runtime, server workloads.Server) (map[string]float64, error) {
	return b.served(r, server)
}

// servedBesideLoops is served while others compute, outside of the sandbox.
func (b *bench) servedBesideLoops(r *runtime, server workloads.Server) (map[string]float64, error) {
	// They end with the thread that started them, even if we are killed.
	goruntime.LockOSThread()
	defer goruntime.UnlockOSThread()
	var loops []*exec.Cmd
	defer func() {
		for _, cmd := range loops {
			cmd.Process.Kill()
			cmd.Wait()
		}
	}()
	for range busyLoops {
		cmd := exec.Command("/bin/sh", "-c", "while :; do :; done")
		// A session each, as the sandbox has: some kernels share CPU time among these.
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
		starting.Lock()
		err := cmd.Start()
		starting.Unlock()
		if err != nil {
			return nil, err
		}
		loops = append(loops, cmd)
	}
	return b.served(r, server, fewRequests)
}

// measureServersOnOneCPU measures what they do natively with one CPU, as if a
// supervisor had taken the other.
func (b *bench) measureServersOnOneCPU(rep *report) {
	r := b.native()
	if r == nil || b.quick || !b.wants("requests") && !b.wants("floors") {
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
	for range b.turns {
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
	one := firstOf(&all)
	if err := unix.SchedSetaffinity(0, &one); err != nil {
		return err
	}
	return errors.Join(fn(), unix.SchedSetaffinity(0, &all))
}

// firstOf is the first CPU of some.
func firstOf(all *unix.CPUSet) unix.CPUSet {
	var one unix.CPUSet
	for i := 0; one.Count() == 0 && i < 1024; i++ { // CPU_SETSIZE
		if all.IsSet(i) {
			one.Set(i)
		}
	}
	return one
}

// served runs a server's script once, which prints a name and a figure a line.
func (b *bench) served(r *runtime, server workloads.Server, more ...string) (map[string]float64, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	args := append(append(server.Args("/data"), port), more...)
	c := &cell{runtime: r, user: server.User, workload: workloads.Workload{Name: server.Name, Args: args}}
	if err := c.prepare(b); err != nil {
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
