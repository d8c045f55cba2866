package sys

import (
	"strconv"

	"sentinel/internal/abi/linux"
	"sentinel/internal/fs/kernfs"
	"sentinel/internal/vfs"
)

// NewCgroup makes the cgroup v2 file system for /sys/fs/cgroup: one group, the
// sandbox, that cannot be divided.
func NewCgroup(cfg Config, l Limits, devMinor uint32) *kernfs.FS {
	fs := kernfs.New("cgroup2", linux.CGROUP2_SUPER_MAGIC, devMinor)
	fs.SetRoot(kernfs.NewDir(fs, 0, 0o555, func(d *kernfs.Dir) { fillCgroup(d, &sysfs{cfg: cfg}, l) }))
	return fs
}

func limit(n int64) string {
	if n <= 0 {
		return "max"
	}
	return strconv.FormatInt(n, 10)
}

func fillCgroup(d *kernfs.Dir, s *sysfs, l Limits) {
	text := func(name, v string) { d.AddText(name, 0o444, v) }
	gen := func(name string, f func() string) {
		d.AddFile(name, 0o444, func(*vfs.Context) ([]byte, error) { return []byte(f()), nil })
	}
	itoa := func(n int64) string { return strconv.FormatInt(n, 10) }
	text("cgroup.controllers", "cpuset cpu memory pids\n")
	text("cgroup.events", "populated 1\nfrozen 0\n")
	text("cgroup.freeze", "0\n")
	text("cgroup.max.depth", "max\n")
	text("cgroup.max.descendants", "max\n")
	text("cgroup.stat", "nr_descendants 0\nnr_dying_descendants 0\n")
	text("cgroup.subtree_control", "")
	text("cgroup.type", "domain\n")
	pids := func() string {
		var b []byte
		for _, p := range l.Pids() {
			b = append(strconv.AppendInt(b, int64(p), 10), '\n')
		}
		return string(b)
	}
	gen("cgroup.procs", pids)
	gen("cgroup.threads", pids)

	text("cpuset.cpus", "\n")
	text("cpuset.cpus.effective", s.cpuList())
	text("cpuset.mems", "\n")
	text("cpuset.mems.effective", "0\n")
	gen("cpu.max", func() string {
		quota, period := l.CPUMax()
		if period <= 0 {
			period = 100000
		}
		return limit(quota) + " " + itoa(period) + "\n"
	})
	text("cpu.max.burst", "0\n")
	text("cpu.weight", "100\n")
	text("cpu.weight.nice", "0\n")
	gen("cpu.stat", func() string {
		u, k := l.CPUUsage()
		return "usage_usec " + itoa(u+k) + "\nuser_usec " + itoa(u) + "\nsystem_usec " + itoa(k) +
			"\nnr_periods 0\nnr_throttled 0\nthrottled_usec 0\nnr_bursts 0\nburst_usec 0\n"
	})
	gen("memory.max", func() string { return limit(l.MemoryMax()) + "\n" })
	gen("memory.current", func() string { return itoa(l.MemoryCurrent()) + "\n" })
	gen("memory.peak", func() string { return itoa(l.MemoryCurrent()) + "\n" })
	text("memory.high", "max\n")
	text("memory.low", "0\n")
	text("memory.min", "0\n")
	text("memory.oom.group", "0\n")
	text("memory.events", "low 0\nhigh 0\nmax 0\noom 0\noom_kill 0\noom_group_kill 0\n")
	text("memory.swap.max", "0\n")
	text("memory.swap.current", "0\n")
	text("memory.swap.events", "high 0\nmax 0\nfail 0\n")
	gen("memory.stat", func() string {
		n := itoa(l.MemoryCurrent())
		return "anon " + n + "\nfile 0\nkernel 0\nkernel_stack 0\npagetables 0\nsock 0\nshmem 0\nfile_mapped 0\n" +
			"file_dirty 0\nfile_writeback 0\nanon_thp 0\ninactive_anon 0\nactive_anon " + n +
			"\ninactive_file 0\nactive_file 0\nunevictable 0\nslab_reclaimable 0\nslab_unreclaimable 0\nslab 0\n" +
			"pgfault 0\npgmajfault 0\n"
	})
	gen("pids.max", func() string { return limit(l.PidsMax()) + "\n" })
	gen("pids.current", func() string { return itoa(int64(len(l.Pids()))) + "\n" })
	text("pids.events", "max 0\n")
}
