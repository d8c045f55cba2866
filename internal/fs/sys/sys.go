// Package sys is the part of sysfs, and of a cgroup v2 hierarchy, that ordinary
// programs read. Everything in it is made up from what the sandbox is: apart
// from the number of processors nothing is the host's.
package sys

import (
	"strconv"
	"strings"

	"sentinel/internal/abi/linux"
	"sentinel/internal/fs/kernfs"
	"sentinel/internal/vfs"
)

// Limits are the sandbox's own limits and use, in the terms of cgroup v2.
type Limits interface {
	MemoryMax() int64 // bytes; 0 is no limit
	MemoryCurrent() int64
	CPUMax() (quota, period int64) // microseconds; quota 0 is no limit
	CPUUsage() (user, system int64)
	PidsMax() int64 // 0 is no limit
	Pids() []int32  // of the processes
}

// Interface is a network interface.
type Interface struct {
	Name     string
	Index    int
	MTU      int
	Address  [6]byte
	Flags    uint32 // IFF_*
	Loopback bool
}

// Config is what a sysfs shows.
type Config struct {
	CPUs       int
	MemTotal   int64 // bytes
	Interfaces func() []Interface
}

// New makes a sysfs.
func New(cfg Config, devMinor uint32) *kernfs.FS {
	fs := kernfs.New("sysfs", linux.SYSFS_MAGIC, devMinor)
	fs.FileSize = 4096
	cfg.CPUs = max(cfg.CPUs, 1)
	s := &sysfs{cfg: cfg}
	fs.SetRoot(kernfs.NewDir(fs, 0, 0o555, s.root))
	return fs
}

type sysfs struct{ cfg Config }

func (s *sysfs) root(d *kernfs.Dir) {
	d.AddDir("block", 0o755, nil)
	d.AddDir("bus", 0o755, nil)
	d.AddDir("class", 0o755, func(d *kernfs.Dir) {
		d.AddDir("block", 0o755, nil)
		d.AddDir("net", 0o755, nil).Dynamic = &netClass{s: s, dir: d}
	})
	d.AddDir("dev", 0o755, func(d *kernfs.Dir) {
		d.AddDir("block", 0o755, nil)
		d.AddDir("char", 0o755, nil)
	})
	d.AddDir("devices", 0o755, func(d *kernfs.Dir) {
		d.AddDir("system", 0o755, func(d *kernfs.Dir) {
			d.AddDir("cpu", 0o755, s.cpus)
			d.AddDir("node", 0o755, s.nodes)
		})
		d.AddDir("virtual", 0o755, func(d *kernfs.Dir) {
			net := d.AddDir("net", 0o755, nil)
			net.Dynamic = &netDevices{s: s, dir: net}
		})
	})
	d.AddDir("firmware", 0o755, nil)
	d.AddDir("fs", 0o755, func(d *kernfs.Dir) { d.AddDir("cgroup", 0o755, nil) })
	d.AddDir("kernel", 0o755, kernel)
	d.AddDir("module", 0o755, nil)
	d.AddDir("power", 0o755, nil)
}

func kernel(d *kernfs.Dir) {
	d.AddDir("debug", 0o700, nil)
	d.AddDir("security", 0o755, nil)
	d.AddDir("tracing", 0o700, nil)
	d.AddDir("mm", 0o755, func(d *kernfs.Dir) {
		d.AddDir("hugepages", 0o755, func(d *kernfs.Dir) {
			d.AddDir("hugepages-2048kB", 0o755, func(d *kernfs.Dir) {
				for _, n := range []string{"free_hugepages", "nr_hugepages", "nr_hugepages_mempolicy", "nr_overcommit_hugepages", "resv_hugepages", "surplus_hugepages"} {
					d.AddText(n, 0o444, "0\n")
				}
			})
		})
		d.AddDir("transparent_hugepage", 0o755, func(d *kernfs.Dir) {
			d.AddText("enabled", 0o444, "always [madvise] never\n")
			d.AddText("defrag", 0o444, "always defer defer+madvise [madvise] never\n")
			d.AddText("shmem_enabled", 0o444, "always within_size advise [never] deny force\n")
			d.AddText("use_zero_page", 0o444, "1\n")
			d.AddText("hpage_pmd_size", 0o444, "2097152\n")
		})
	})
}

// cpuList is the processors as the kernel prints lists of them.
func (s *sysfs) cpuList() string {
	if s.cfg.CPUs == 1 {
		return "0\n"
	}
	return "0-" + strconv.Itoa(s.cfg.CPUs-1) + "\n"
}

// cpuMask is a mask of processors first to last, in groups of 32 bits.
func (s *sysfs) cpuMask(first, last int) string {
	words := (s.cfg.CPUs + 31) / 32
	var b strings.Builder
	for w := words - 1; w >= 0; w-- {
		v := uint64(0)
		for i := range 32 {
			if c := w*32 + i; c >= first && c <= last {
				v |= 1 << i
			}
		}
		h := strconv.FormatUint(v, 16)
		width := 8
		if words == 1 {
			width = (s.cfg.CPUs + 3) / 4
		}
		b.WriteString(strings.Repeat("0", max(width-len(h), 0)) + h)
		if w > 0 {
			b.WriteByte(',')
		}
	}
	return b.String() + "\n"
}

func (s *sysfs) cpus(d *kernfs.Dir) {
	list := s.cpuList()
	d.AddText("kernel_max", 0o444, "8191\n")
	d.AddText("offline", 0o444, "\n")
	d.AddText("isolated", 0o444, "\n")
	d.AddText("online", 0o444, list)
	d.AddText("possible", 0o444, list)
	d.AddText("present", 0o444, list)
	d.AddDir("smt", 0o755, func(d *kernfs.Dir) {
		d.AddText("active", 0o444, "0\n")
		d.AddText("control", 0o444, "notsupported\n")
	})
	for i := range s.cfg.CPUs {
		d.AddDir("cpu"+strconv.Itoa(i), 0o755, func(d *kernfs.Dir) { s.cpu(d, i) })
	}
}

func (s *sysfs) cpu(d *kernfs.Dir, i int) {
	self, selfMask := strconv.Itoa(i)+"\n", s.cpuMask(i, i)
	all, allMask := s.cpuList(), s.cpuMask(0, s.cfg.CPUs-1)
	if i > 0 {
		d.AddText("online", 0o444, "1\n")
	}
	d.AddLink("node0", "../../node/node0")
	d.AddDir("topology", 0o755, func(d *kernfs.Dir) {
		for _, f := range [...][2]string{
			{"core_id", self}, {"physical_package_id", "0\n"}, {"die_id", "0\n"}, {"cluster_id", "65535\n"},
			{"thread_siblings", selfMask}, {"thread_siblings_list", self},
			{"core_cpus", selfMask}, {"core_cpus_list", self},
			{"core_siblings", allMask}, {"core_siblings_list", all},
			{"package_cpus", allMask}, {"package_cpus_list", all},
			{"die_cpus", allMask}, {"die_cpus_list", all},
		} {
			d.AddText(f[0], 0o444, f[1])
		}
	})
	d.AddDir("cache", 0o755, func(d *kernfs.Dir) {
		// Ordinary sizes: the real ones would tell the host's processor, and
		// cpuid tells whoever needs to know.
		for n, c := range [...]struct {
			level, typ, size string
			kib, ways        int
			shared           bool
		}{
			{"1", "Data", "32K", 32, 8, false},
			{"1", "Instruction", "32K", 32, 8, false},
			{"2", "Unified", "1024K", 1024, 16, false},
			{"3", "Unified", "32768K", 32768, 16, true},
		} {
			d.AddDir("index"+strconv.Itoa(n), 0o755, func(d *kernfs.Dir) {
				mask, list := selfMask, self
				if c.shared {
					mask, list = allMask, all
				}
				for _, f := range [...][2]string{
					{"coherency_line_size", "64\n"}, {"id", "0\n"}, {"level", c.level + "\n"},
					{"number_of_sets", strconv.Itoa(c.kib*1024/64/c.ways) + "\n"},
					{"physical_line_partition", "1\n"}, {"shared_cpu_list", list}, {"shared_cpu_map", mask},
					{"size", c.size + "\n"}, {"type", c.typ + "\n"},
					{"ways_of_associativity", strconv.Itoa(c.ways) + "\n"},
				} {
					d.AddText(f[0], 0o444, f[1])
				}
			})
		}
	})
}

func (s *sysfs) nodes(d *kernfs.Dir) {
	for _, n := range []string{"has_cpu", "has_memory", "has_normal_memory", "online", "possible"} {
		d.AddText(n, 0o444, "0\n")
	}
	d.AddDir("node0", 0o755, func(d *kernfs.Dir) {
		d.AddText("cpulist", 0o444, s.cpuList())
		d.AddText("cpumap", 0o444, s.cpuMask(0, s.cfg.CPUs-1))
		d.AddText("distance", 0o444, "10\n")
		d.AddFile("meminfo", 0o444, func(*vfs.Context) ([]byte, error) {
			kb := strconv.FormatInt(s.cfg.MemTotal/1024, 10)
			return []byte("Node 0 MemTotal:       " + kb + " kB\nNode 0 MemFree:        " + kb + " kB\nNode 0 MemUsed:        0 kB\n"), nil
		})
		for i := range s.cfg.CPUs {
			n := "cpu" + strconv.Itoa(i)
			d.AddLink(n, "../../cpu/"+n)
		}
	})
}
