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
	"sync/atomic"
	"syscall"
	"time"

	"sentinel/test/bench/workloads"
)

type bench struct {
	options
	runtimes []*runtime
	state    string
	runs     atomic.Int64
	group    *group // nil if none can be made, and why
	noGroup  error
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

	rep.CountedBy = b.countedBy()
	cells := b.check(rep, list)
	if b.table("idle") {
		if err := b.measureTimes(rep, cells); err != nil {
			rep.fail("bench", "", err)
			return rep
		}
	}
	b.measureLoads(rep, cells)
	if b.table("handovers") {
		b.measureHandovers(rep)
	}
	if b.table("pairs") {
		b.measurePairs(rep)
	}
	if b.table("servers") {
		b.measureRequests(rep)
		b.measureServersOnOneCPU(rep)
	}
	if b.table("loops") {
		b.measureLoops(rep)
		b.measureFloors(rep)
	}
	if b.table("memory") {
		b.measureMemory(rep)
	}
	if b.table("sandboxes") && b.idle > 0 && b.wants("idle") {
		b.measureIdle(rep)
	}
	return rep
}

// check runs each workload once under each runtime. What it prints natively is
// what it must print everywhere. It gives the cells that passed.
func (b *bench) check(rep *report, list []workloads.Workload) []*cell {
	if !slices.ContainsFunc([]string{"idle", "busy", "onecpu", "quota"}, b.table) {
		return nil
	}
	var cells []*cell
	for _, w := range list {
		var want []byte
		for i, r := range b.runtimes {
			c := &cell{runtime: r, workload: w}
			if err := c.prepare(b); err != nil {
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
	return append(cells, b.emptyGo()...)
}

// measureTimes measures cells from start to exit, alone on the machine.
func (b *bench) measureTimes(rep *report, checked []*cell) error {
	var cells []*cell
	rows := map[string]*row{}
	add := func(c *cell) error {
		name := c.workload.Name
		if rows[name] == nil {
			rows[name] = &row{Name: name, CPU: &row{Name: name}}
			rep.Times = append(rep.Times, rows[name])
		}
		// Its own bundle: the cgroup is told in it.
		alone := *c
		alone.row, alone.slot, alone.grouped = rows[name], "alone", b.group != nil
		cells = append(cells, &alone)
		return alone.prepare(b)
	}
	for _, c := range checked {
		if c.workload.Name != workloads.EmptyGo.Name {
			if err := add(c); err != nil {
				return err
			}
		}
	}
	for _, c := range b.withNetwork(rep) {
		if err := add(c); err != nil {
			return err
		}
	}
	for _, c := range checked {
		if c.workload.Name == workloads.EmptyGo.Name {
			if err := add(c); err != nil {
				return err
			}
		}
	}
	null, err := openNull()
	if err != nil {
		return err
	}
	defer null.Close()
	crew, err := b.newCrew(1, place{})
	if err != nil {
		return err
	}
	defer b.endCrew(crew, place{})
	for round := range b.rounds {
		b.say("round %d", round+1)
		for i := range cells {
			// Another one goes first in each round.
			c := cells[(i+round)%len(cells)]
			if c.failed {
				continue
			}
			var took time.Duration
			var failure error
			used, err := b.run(crew, 1, func(int) { took, failure = b.once(c, null.Fd()) })
			if err = errors.Join(failure, err); err != nil {
				c.failed = true
				rep.fail(c.runtime.name, c.workload.Name, errors.Join(err, killDescendants()))
				continue
			}
			c.row.add(c.runtime.name, float64(took.Microseconds())/1000)
			c.row.CPU.add(c.runtime.name, float64(used.Microseconds())/1000)
		}
	}
	return nil
}

// withNetwork gives the cells of true with a network of its own.
func (b *bench) withNetwork(rep *report) []*cell {
	if !b.wants("true+netns") {
		return nil
	}
	var cells []*cell
	for _, r := range b.runtimes {
		if r.argv == nil {
			continue
		}
		c := &cell{runtime: r, newNet: true, workload: workloads.Workload{Name: "true+netns", Args: []string{"/bin/true"}}}
		err := c.prepare(b)
		if err == nil {
			_, err = b.output(c)
		}
		if err != nil {
			rep.fail(r.name, c.workload.Name, err)
			continue
		}
		cells = append(cells, c)
	}
	return cells
}

func openNull() (*os.File, error) { return os.OpenFile(os.DevNull, os.O_RDWR, 0) }

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
	leashed  bool   // ends with the thread that started it
	newNet   bool   // has a network namespace of its own
	grouped  bool   // runs in our cgroup
	slot     string // tells it from others of its kind at the same time
	user     int
}

func (c *cell) prepare(b *bench) error {
	if c.runtime.argv == nil {
		return nil
	}
	c.bundle = filepath.Join(b.state, "bundles", c.runtime.name, c.workload.Name+c.slot)
	return c.writeBundle(c.inGroup(b))
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
		if c.user != 0 {
			attr.Sys.Credential = &syscall.Credential{Uid: uint32(c.user), Gid: uint32(c.user)}
		}
	} else {
		argv = c.runtime.argv(c.bundle, fmt.Sprintf("bench-%d-%d", os.Getpid(), b.runs.Add(1)))
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		return 0, time.Time{}, err
	}
	defer null.Close()
	attr.Files[0] = null.Fd()
	if c.grouped && b.group.v2 {
		attr.Sys.UseCgroupFD, attr.Sys.CgroupFD = true, int(b.group.leaf.Fd())
	}
	if c.leashed {
		attr.Sys.Pdeathsig = syscall.SIGKILL
	}
	starting.Lock()
	defer starting.Unlock()
	started := time.Now()
	pid, err := syscall.ForkExec(argv[0], argv, attr)
	return pid, started, err
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
	ns, err := b.printed(c)
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
	if err := c.prepare(b); err != nil {
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
	if err := c.prepare(b); err != nil {
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
