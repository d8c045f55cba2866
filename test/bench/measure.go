package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"sentinel/test/bench/workloads"
)

type bench struct {
	options
	runtimes []*runtime
	state    string
	runs     int
}

// measure runs everything; a runtime that fails at a workload has no figure
// there, and the report says why.
func (b *bench) measure(list []workloads.Workload) *report {
	const prSetChildSubreaper = 36
	syscall.RawSyscall(syscall.SYS_PRCTL, prSetChildSubreaper, 1, 0)
	rep := &report{Unit: "ms from start to exit"}
	for _, r := range b.runtimes {
		rep.Runtimes = append(rep.Runtimes, r.name)
	}

	// What each workload prints natively is what it must print everywhere.
	var cells []*cell
	for _, w := range list {
		row := &row{Name: w.Name}
		rep.Times = append(rep.Times, row)
		var want []byte
		for i, r := range b.runtimes {
			c := &cell{runtime: r, workload: w, row: row}
			if err := c.prepare(b, false); err != nil {
				rep.fail(r.name, w.Name, err)
				continue
			}
			out, err := b.output(c)
			if err == nil && i == 0 {
				want = out
			} else if err == nil && want != nil && !bytes.Equal(out, want) {
				err = fmt.Errorf("prints %.100q, want %.100q", out, want)
			}
			if err != nil {
				rep.fail(r.name, w.Name, err)
				continue
			}
			cells = append(cells, c)
		}
	}
	if b.wants("true+netns") {
		row := &row{Name: "true+netns"}
		rep.Times = append(rep.Times, row)
		for _, r := range b.runtimes {
			if r.argv == nil {
				continue
			}
			c := &cell{runtime: r, workload: workloads.Workload{Name: "true+netns", Args: []string{"/bin/true"}}, row: row}
			err := c.prepare(b, true)
			if err == nil {
				_, err = b.output(c)
			}
			if err != nil {
				rep.fail(r.name, row.Name, err)
				continue
			}
			cells = append(cells, c)
		}
	}
	cells = append(cells, b.emptyGo(rep)...)
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		rep.fail("bench", "", err)
		return rep
	}
	defer null.Close()
	for round := range b.rounds {
		b.say("round %d", round+1)
		for i := range cells {
			// Another one goes first in each round.
			c := cells[(i+round)%len(cells)]
			if c.failed {
				continue
			}
			ms, err := b.timed(c, null)
			if err != nil {
				c.failed = true
				rep.fail(c.runtime.name, c.workload.Name, err)
				continue
			}
			c.row.add(c.runtime.name, ms)
		}
	}
	if b.requests {
		b.measureRequests(rep)
		b.measureServersOnOneCPU(rep)
	}
	if b.loops {
		b.measureLoops(rep)
		b.measureFloors(rep)
	}
	if b.memory {
		b.measureMemory(rep)
	}
	if b.idle > 0 && b.wants("idle") {
		b.measureIdle(rep)
	}
	return rep
}

func (b *bench) wants(name string) bool {
	return b.options.workloads == "" || slices.Contains(strings.Split(b.options.workloads, ","), name)
}

func (b *bench) say(format string, args ...any) {
	if b.verbose {
		fmt.Fprintf(os.Stderr, "bench: "+format+"\n", args...)
	}
}

// cell is one workload under one runtime.
type cell struct {
	runtime  *runtime
	workload workloads.Workload
	row      *row
	bundle   string
	failed   bool
	leashed  bool // ends with the thread that started it
}

func (c *cell) prepare(b *bench, newNet bool) error {
	if c.runtime.argv == nil {
		return nil
	}
	c.bundle = filepath.Join(b.state, "bundles", c.runtime.name, c.workload.Name)
	return writeBundle(c.bundle, c.runtime.root, c.workload.Args, newNet)
}

// start starts the cell's workload with stdout, and gives the process and when
// it was started.
func (b *bench) start(c *cell, stdout, stderr uintptr) (int, time.Time, error) {
	argv := c.workload.Args
	env := []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8", "HOME=/root"}
	for _, setting := range os.Environ() {
		if strings.HasPrefix(setting, "OPENBLAS_") {
			env = append(env, setting)
		}
	}
	attr := &syscall.ProcAttr{Env: env, Dir: "/", Files: []uintptr{0, stdout, stderr}, Sys: &syscall.SysProcAttr{Setsid: true}}
	if c.runtime.argv == nil {
		attr.Sys.Chroot = c.runtime.root
	} else {
		b.runs++
		argv = c.runtime.argv(c.bundle, fmt.Sprintf("bench-%d-%d", os.Getpid(), b.runs))
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		return 0, time.Time{}, err
	}
	defer null.Close()
	attr.Files[0] = null.Fd()
	if c.leashed {
		attr.Sys.Pdeathsig = syscall.SIGKILL
	}
	starting.Lock()
	defer starting.Unlock()
	started := time.Now()
	pid, err := syscall.ForkExec(argv[0], argv, attr)
	return pid, started, err
}

func (b *bench) timed(c *cell, null *os.File) (float64, error) {
	pid, started, err := b.start(c, null.Fd(), null.Fd())
	if err != nil {
		return 0, err
	}
	status, err := wait(pid)
	took := time.Since(started)
	if err == nil && status != 0 {
		err = fmt.Errorf("ends with %#x", int(status))
	}
	if err != nil {
		err = errors.Join(err, killDescendants())
	}
	reapOrphans()
	return float64(took.Microseconds()) / 1000, err
}

// output runs the cell once and returns what it prints.
func (b *bench) output(c *cell) ([]byte, error) {
	b.say("%s under %s", c.workload.Name, c.runtime.name)
	files := [2]*os.File{}
	for i := range files {
		f, err := os.CreateTemp(b.state, "output")
		if err != nil {
			return nil, err
		}
		defer os.Remove(f.Name())
		defer f.Close()
		files[i] = f
	}
	pid, _, err := b.start(c, files[0].Fd(), files[1].Fd())
	if err != nil {
		return nil, err
	}
	stuck := time.AfterFunc(2*time.Minute, func() { syscall.Kill(pid, syscall.SIGKILL) })
	status, err := wait(pid)
	stuck.Stop()
	reapOrphans()
	var text [2][]byte
	for i, f := range files {
		f.Seek(0, io.SeekStart)
		text[i], _ = io.ReadAll(f)
	}
	if err == nil && status != 0 {
		err = fmt.Errorf("ends with %#x: %s", int(status), text[1][max(0, len(text[1])-300):])
	}
	if err != nil {
		// A server that a failed script left would disturb all that follows.
		err = errors.Join(err, killDescendants())
	}
	return text[0], err
}

func (b *bench) measureLoops(rep *report) {
	for _, loop := range workloads.Loops {
		if !b.wants(loop.Name) && !b.wants("loops") {
			continue
		}
		rep.Loops = append(rep.Loops, b.measureLoop(rep, loop.Name, b.runtimes, "/bin/loop", loop.Kind, strconv.Itoa(loop.Count)))
	}
}

// measureLoop runs a program that prints nanoseconds a call under each of some
// runtimes in turn.
func (b *bench) measureLoop(rep *report, name string, runtimes []*runtime, argv ...string) *row {
	row := &row{Name: name}
	for range min(5, b.rounds) {
		for _, r := range runtimes {
			b.addLoop(rep, row, &cell{runtime: r, workload: workloads.Workload{Name: name, Args: argv}})
		}
	}
	return row
}

// addLoop adds the figure of one such run.
func (b *bench) addLoop(rep *report, row *row, c *cell) {
	err := c.prepare(b, false)
	var out []byte
	if err == nil {
		out, err = b.output(c)
	}
	var ns float64
	if err == nil {
		ns, err = strconv.ParseFloat(strings.TrimSpace(string(out)), 64)
	}
	if err != nil {
		rep.fail(c.runtime.name, row.Name, err)
		return
	}
	row.add(c.runtime.name, ns/1000)
}

// measureMemory sums the PSS of all processes of a sandbox that sleeps, and of
// one that serves, after a client outside has used it.
func (b *bench) measureMemory(rep *report) {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		rep.fail("bench", "memory", err)
		return
	}
	defer null.Close()
	for i, name := range []string{"sleep", "echo server"} {
		if !b.wants(name) && !b.wants("memory") {
			continue
		}
		row := &row{Name: name}
		rep.Memory = append(rep.Memory, row)
		for range min(3, b.rounds) {
			for _, r := range b.runtimes {
				var kb int
				var err error
				if i == 0 {
					kb, err = b.sleeping(r, null)
				} else {
					kb, err = b.serving(r, null)
				}
				if err != nil {
					rep.fail(r.name, name, err)
					continue
				}
				row.add(r.name, float64(kb)/1024)
			}
		}
	}
}

func (b *bench) sleeping(r *runtime, null *os.File) (int, error) {
	c := &cell{runtime: r, workload: workloads.Workload{Name: "sleep", Args: []string{"/bin/sleep", "3"}}}
	if err := c.prepare(b, false); err != nil {
		return 0, err
	}
	pid, _, err := b.start(c, null.Fd(), null.Fd())
	if err != nil {
		return 0, err
	}
	time.Sleep(1500 * time.Millisecond)
	kb, err := descendantsPSS()
	_, werr := wait(pid)
	reapOrphans()
	return kb, errors.Join(err, werr)
}

func (b *bench) serving(r *runtime, null *os.File) (int, error) {
	port, err := freePort()
	if err != nil {
		return 0, err
	}
	address := "127.0.0.1:" + port
	c := &cell{runtime: r, workload: workloads.Workload{Name: "echo", Args: []string{"/bin/echo-server", port, "2"}}}
	if err := c.prepare(b, false); err != nil {
		return 0, err
	}
	pid, _, err := b.start(c, null.Fd(), null.Fd())
	if err != nil {
		return 0, err
	}
	err = echo(address, 100)
	kb := 0
	if err == nil {
		kb, err = descendantsPSS()
	}
	// The second connection is its last.
	if err2 := echo(address, 1); err == nil {
		err = err2
	}
	if err != nil {
		syscall.Kill(pid, syscall.SIGKILL)
	}
	_, werr := wait(pid)
	reapOrphans()
	return kb, errors.Join(err, werr)
}

func freePort() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer listener.Close()
	_, port, err := net.SplitHostPort(listener.Addr().String())
	return port, err
}

// echo sends messages and demands them back.
func echo(address string, messages int) error {
	var conn net.Conn
	var err error
	for range 200 {
		if conn, err = net.Dial("tcp", address); err == nil {
			break
		}
		time.Sleep(25 * time.Millisecond)
	}
	if err != nil {
		return err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	message := []byte("the same comes back")
	back := make([]byte, len(message))
	for range messages {
		if _, err := conn.Write(message); err != nil {
			return err
		}
		if _, err := io.ReadFull(conn, back); err != nil {
			return err
		}
		if !bytes.Equal(back, message) {
			return fmt.Errorf("the echo is %q", back)
		}
	}
	return nil
}
