package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A group is a cgroup of this run. It counts the CPU time of all that starts in
// it, and can limit it. What we start is in the folder "start", for in version 2 a
// group that has groups can have no processes; runc and crun make theirs beside it.
type group struct {
	name   string
	counts string // the folder with the CPU time
	limits string // the folder with the quota, "" if this host has none
	v2     bool
	leaf   *os.File // version 2: the folder "start"
}

// A cgroupMount is one hierarchy.
type cgroupMount struct {
	point       string
	controllers []string // of version 1
	v2          bool
}

func cgroupMounts() ([]cgroupMount, error) {
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	var list []cgroupMount
	for line := range strings.Lines(string(text)) {
		before, after, _ := strings.Cut(line, " - ")
		fields, kind := strings.Fields(before), strings.Fields(after)
		if len(fields) < 5 || len(kind) < 3 {
			continue
		}
		switch kind[0] {
		case "cgroup":
			list = append(list, cgroupMount{point: fields[4], controllers: strings.Split(kind[2], ",")})
		case "cgroup2":
			list = append(list, cgroupMount{point: fields[4], v2: true})
		}
	}
	return list, nil
}

// makeGroup makes the group, at the top of its hierarchies. removeGroup removes it.
func makeGroup(name string) (*group, error) {
	mounts, err := cgroupMounts()
	if err != nil {
		return nil, err
	}
	with := func(controller string) string {
		for _, m := range mounts {
			if slices.Contains(m.controllers, controller) {
				return filepath.Join(m.point, name)
			}
		}
		return ""
	}
	g := &group{name: name, counts: with("cpuacct"), limits: with("cpu")}
	if g.counts == "" {
		at := slices.IndexFunc(mounts, func(m cgroupMount) bool { return m.v2 })
		if at < 0 {
			return nil, errors.New("no hierarchy counts CPU time")
		}
		top := mounts[at].point
		g.v2, g.counts = true, filepath.Join(top, name)
		// Without the controller there is no quota, but there is CPU time.
		if os.WriteFile(filepath.Join(top, "cgroup.subtree_control"), []byte("+cpu"), 0) == nil {
			g.limits = g.counts
		}
	}
	for _, dir := range []string{g.counts, g.limits} {
		if dir == "" {
			continue
		}
		if err := os.MkdirAll(filepath.Join(dir, "start"), 0o755); err != nil {
			return nil, err
		}
	}
	if g.v2 {
		if g.leaf, err = os.Open(filepath.Join(g.counts, "start")); err != nil {
			return nil, err
		}
	}
	if _, err := g.used(); err != nil {
		return nil, err
	}
	return g, nil
}

// used is the CPU time of all that has run in the group.
func (g *group) used() (time.Duration, error) {
	if !g.v2 {
		n, err := readNumber(filepath.Join(g.counts, "cpuacct.usage"))
		return time.Duration(n), err
	}
	name := filepath.Join(g.counts, "cpu.stat")
	text, err := os.ReadFile(name)
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		var us int64
		if n, _ := fmt.Sscanf(line, "usage_usec %d", &us); n == 1 {
			return time.Duration(us) * time.Microsecond, nil
		}
	}
	return 0, fmt.Errorf("%s has no usage_usec", name)
}

func readNumber(name string) (int64, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
}

// quotaPeriod is the time of which a quota is a share.
const quotaPeriod = 100 * time.Millisecond

// limit gives the group so many CPUs, 0 for no limit.
func (g *group) limit(cpus float64) error {
	if g.limits == "" {
		return errors.New("this host has no cgroup with a CPU quota for us")
	}
	period := quotaPeriod.Microseconds()
	quota := int64(cpus * float64(period))
	if g.v2 {
		text := fmt.Sprintf("%d %d", quota, period)
		if cpus == 0 {
			text = "max"
		}
		return os.WriteFile(filepath.Join(g.limits, "cpu.max"), []byte(text), 0)
	}
	if cpus == 0 {
		quota = -1
	} else if err := os.WriteFile(filepath.Join(g.limits, "cpu.cfs_period_us"), []byte(strconv.FormatInt(period, 10)), 0); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(g.limits, "cpu.cfs_quota_us"), []byte(strconv.FormatInt(quota, 10)), 0)
}

// enter moves this thread into the group, so that what it starts is there. The
// quota is a hierarchy of its own in version 1; in version 2, where a thread cannot
// go alone, processes are started in the group's leaf.
func (g *group) enter(quota bool) error {
	if g.v2 {
		return nil
	}
	dirs := []string{g.counts}
	if quota && g.limits != g.counts {
		dirs = append(dirs, g.limits)
	}
	for _, dir := range dirs {
		if err := moveThread(filepath.Join(dir, "start"), unix.Gettid()); err != nil {
			return err
		}
	}
	return nil
}

// leave moves this thread out of the group.
func (g *group) leave() error {
	if g.v2 {
		return nil
	}
	err := moveThread(filepath.Dir(g.counts), unix.Gettid())
	if g.limits != "" {
		err = errors.Join(err, moveThread(filepath.Dir(g.limits), unix.Gettid()))
	}
	return err
}

func moveThread(dir string, tid int) error {
	return os.WriteFile(filepath.Join(dir, "tasks"), []byte(strconv.Itoa(tid)), 0)
}

// removeGroup ends what still runs in a group of this name, in any hierarchy, and
// removes it with the groups that runtimes made in it.
func removeGroup(name string) error {
	mounts, err := cgroupMounts()
	if err != nil {
		return err
	}
	for _, m := range mounts {
		top := filepath.Join(m.point, name)
		if _, statErr := os.Stat(top); statErr != nil {
			continue
		}
		err = errors.Join(err, removeTree(top))
	}
	return err
}

func removeTree(top string) error {
	var err error
	for range 100 {
		var dirs []string
		filepath.WalkDir(top, func(path string, entry fs.DirEntry, err error) error {
			if err == nil && entry.IsDir() {
				dirs = append(dirs, path)
			}
			return nil
		})
		slices.Reverse(dirs) // the deepest first
		err = nil
		for _, dir := range dirs {
			text, _ := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
			for _, field := range strings.Fields(string(text)) {
				if pid, _ := strconv.Atoi(field); pid > 1 && pid != os.Getpid() {
					syscall.Kill(pid, syscall.SIGKILL)
				}
			}
			if e := os.Remove(dir); e != nil && !errors.Is(e, fs.ErrNotExist) {
				err = e
			}
		}
		if err == nil {
			return nil
		}
		time.Sleep(20 * time.Millisecond)
	}
	return err
}
