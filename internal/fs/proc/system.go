package proc

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
	"time"

	"sentinel/internal/abi/linux"
	"sentinel/internal/fs/kernfs"
	"sentinel/internal/host"
	"sentinel/internal/task"
	"sentinel/internal/vfs"
)

func sorted(ids []int32) []int32 {
	slices.Sort(ids)
	return ids
}

// addSystem adds the files of the root that are not of processes.
func (p *FS) addSystem(d *kernfs.Dir) {
	gen := func(name string, perm uint32, f func() []byte) {
		d.AddFile(name, perm, func(*vfs.Context) ([]byte, error) { return f(), nil })
	}
	d.AddText("buddyinfo", 0o444, "")
	d.AddText("cgroups", 0o444, "#subsys_name\thierarchy\tnum_cgroups\tenabled\ncpuset\t0\t1\t1\ncpu\t0\t1\t1\nmemory\t0\t1\t1\npids\t0\t1\t1\n")
	d.AddText("cmdline", 0o444, "quiet\n")
	d.AddText("consoles", 0o444, "")
	gen("cpuinfo", 0o444, p.cpuinfo)
	d.AddText("crypto", 0o444, "")
	d.AddText("devices", 0o444, "Character devices:\n  1 mem\n  5 /dev/tty\n  5 /dev/console\n  5 /dev/ptmx\n128 ptm\n136 pts\n\nBlock devices:\n")
	d.AddText("diskstats", 0o444, "")
	d.AddText("execdomains", 0o444, "0-0\tLinux           \t[kernel]\n")
	d.AddText("filesystems", 0o444, "nodev\tsysfs\nnodev\ttmpfs\nnodev\tproc\nnodev\tcgroup2\nnodev\tdevtmpfs\nnodev\tsockfs\nnodev\tpipefs\nnodev\tdevpts\nnodev\tmqueue\nnodev\toverlay\n")
	gen("interrupts", 0o444, p.interrupts)
	d.AddText("iomem", 0o400, "")
	d.AddText("ioports", 0o400, "")
	d.AddText("key-users", 0o444, "")
	d.AddText("keys", 0o444, "")
	gen("loadavg", 0o444, p.loadavg)
	gen("locks", 0o444, p.k.VFS().LocksText)
	gen("meminfo", 0o444, p.meminfo)
	d.AddText("misc", 0o444, "")
	d.AddText("modules", 0o444, "")
	d.AddText("partitions", 0o444, "major minor  #blocks  name\n\n")
	d.AddDir("pressure", 0o555, func(d *kernfs.Dir) {
		const none = "avg10=0.00 avg60=0.00 avg300=0.00 total=0\n"
		for _, n := range []string{"cpu", "io", "memory"} {
			d.AddText(n, 0o444, "some "+none+"full "+none)
		}
	})
	gen("softirqs", 0o444, p.softirqs)
	gen("stat", 0o444, p.stat)
	d.AddText("swaps", 0o444, "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n")
	gen("uptime", 0o444, p.uptime)
	gen("version", 0o444, func() []byte {
		return []byte("Linux version " + p.o.Release + " (sentinel@sentinel) " + p.o.Version + "\n")
	})
	gen("vmstat", 0o444, p.vmstat)
	gen("zoneinfo", 0o444, p.zoneinfo)
}

func (p *FS) memTotal() uint64 {
	n := p.o.MemTotal
	if l := p.k.MemoryLimit(); l != 0 && (l < n || n == 0) {
		n = l
	}
	return n
}

// memUsed returns what the sandbox's processes use, and the rest of it.
func (p *FS) memUsed() (anon, other uint64) {
	seen := make(map[any]bool)
	for _, g := range p.k.ThreadGroups() {
		tasks := g.Tasks()
		if len(tasks) == 0 {
			continue
		}
		m := tasks[0].MM()
		if m == nil || seen[m] {
			continue
		}
		seen[m] = true
		_, rss, shared := m.RSS()
		anon += rss - min(shared, rss)
	}
	if p.o.MemUsed != nil {
		other = p.o.MemUsed()
	}
	return anon, other
}

// meminfo is that of a machine with the sandbox's memory.
func (p *FS) meminfo() []byte {
	total := p.memTotal()
	anon, shmem := p.memUsed()
	free := total - min(anon+shmem, total)
	b := make(text, 0, 1600)
	for _, r := range [...]struct {
		name string
		v    uint64
	}{
		{"MemTotal", total}, {"MemFree", free}, {"MemAvailable", free}, {"Buffers", 0}, {"Cached", shmem},
		{"SwapCached", 0}, {"Active", anon}, {"Inactive", shmem}, {"Active(anon)", anon}, {"Inactive(anon)", shmem},
		{"Active(file)", 0}, {"Inactive(file)", 0}, {"Unevictable", 0}, {"Mlocked", 0}, {"SwapTotal", 0},
		{"SwapFree", 0}, {"Zswap", 0}, {"Zswapped", 0}, {"Dirty", 0}, {"Writeback", 0}, {"AnonPages", anon},
		{"Mapped", 0}, {"Shmem", shmem}, {"KReclaimable", 0}, {"Slab", 0}, {"SReclaimable", 0}, {"SUnreclaim", 0},
		{"KernelStack", 0}, {"PageTables", 0}, {"SecPageTables", 0}, {"NFS_Unstable", 0}, {"Bounce", 0},
		{"WritebackTmp", 0}, {"CommitLimit", total / 2}, {"Committed_AS", anon + shmem},
		{"VmallocTotal", 34359738367 << 10}, {"VmallocUsed", 0}, {"VmallocChunk", 0}, {"Percpu", 0},
		{"AnonHugePages", 0}, {"ShmemHugePages", 0}, {"ShmemPmdMapped", 0}, {"FileHugePages", 0}, {"FilePmdMapped", 0},
	} {
		b.left(r.name+":", 16).pad(utoa(r.v>>10), 8).s(" kB\n")
	}
	b.s("HugePages_Total:       0\nHugePages_Free:        0\nHugePages_Rsvd:        0\nHugePages_Surp:        0\n" +
		"Hugepagesize:       2048 kB\nHugetlb:               0 kB\n")
	b.s("DirectMap4k:    ").pad(utoa(total>>10), 8).s(" kB\nDirectMap2M:           0 kB\nDirectMap1G:           0 kB\n")
	return b
}

// cpuFields are the lines of the host's cpuinfo that a program may want; the
// others tell of the host's state rather than of the processor's abilities.
var cpuFields = [...]string{
	"processor", "vendor_id", "cpu family", "model", "model name", "stepping", "cpu MHz", "cache size", "physical id",
	"siblings", "core id", "cpu cores", "apicid", "initial apicid", "fpu", "fpu_exception", "cpuid level", "wp", "flags",
	"bogomips", "TLB size", "clflush size", "cache_alignment", "address sizes", "power management",
	// arm64
	"BogoMIPS", "Features", "CPU implementer", "CPU architecture", "CPU variant", "CPU part", "CPU revision",
}

func (p *FS) cpuinfo() []byte {
	b, err := host.CPUInfo()
	if err != nil {
		return p.plainCPUInfo()
	}
	var out []byte
	for i, block := range strings.Split(strings.TrimRight(string(b), "\n"), "\n\n") {
		if i >= p.o.CPUs {
			break
		}
		for line := range strings.Lines(block) {
			name, _, _ := strings.Cut(line, ":")
			if slices.Contains(cpuFields[:], strings.TrimSpace(name)) {
				out = append(out, line...)
				if !strings.HasSuffix(line, "\n") {
					out = append(out, '\n')
				}
			}
		}
		out = append(out, '\n')
	}
	return out
}

// plainCPUInfo is for when the host does not tell.
func (p *FS) plainCPUInfo() []byte {
	var b text
	for i := range p.o.CPUs {
		b.s("processor\t: ").i(int64(i)).s("\nvendor_id\t: unknown\nmodel name\t: unknown\ncpu MHz\t\t: 0.000\nphysical id\t: 0\nsiblings\t: ").i(int64(p.o.CPUs))
		b.s("\ncore id\t\t: ").i(int64(i)).s("\ncpu cores\t: ").i(int64(p.o.CPUs)).s("\n\n")
	}
	return b
}

// tasks counts the sandbox's threads, running ones and all, and their CPU
// time.
func (p *FS) tasks() (running, all int, times task.CPUTimes) {
	for _, g := range p.k.ThreadGroups() {
		own, _ := g.CPUTimes()
		times.User += own.User
		times.System += own.System
		for _, t := range g.Tasks() {
			all++
			if t.State() == 'R' {
				running++
			}
		}
	}
	return max(running, 1), all, times
}

func (p *FS) loadavg() []byte {
	running, all, _ := p.tasks()
	var b text
	b.s("0.00 0.00 0.00 ").i(int64(running)).s("/").i(int64(all)).s(" ").i(int64(p.lastPID())).s("\n")
	return b
}

func (p *FS) lastPID() int32 {
	n := int32(0)
	for _, g := range p.k.ThreadGroups() {
		n = max(n, g.PID())
	}
	return n
}

func hundredths(d time.Duration) string {
	c := int64(d / (10 * time.Millisecond))
	f := strconv.FormatInt(c%100, 10)
	return strconv.FormatInt(c/100, 10) + "." + strings.Repeat("0", 2-len(f)) + f
}

func (p *FS) uptime() []byte {
	up := time.Since(p.k.BootTime())
	_, _, times := p.tasks()
	idle := max(up*time.Duration(p.o.CPUs)-time.Duration(times.User+times.System), 0)
	return []byte(hundredths(up) + " " + hundredths(idle) + "\n")
}

func (p *FS) stat() []byte {
	up := time.Since(p.k.BootTime())
	running, _, times := p.tasks()
	var b text
	n := int64(p.o.CPUs)
	idle := max(int64(up)-(times.User+times.System)/n, 0)
	row := func(name string, k int64) {
		b.s(name, " ").i(times.User * k / n / nsPerTick).s(" 0 ").i(times.System * k / n / nsPerTick).s(" ").i(idle * k / nsPerTick).s(" 0 0 0 0 0 0\n")
	}
	row("cpu ", n)
	for i := range p.o.CPUs {
		row("cpu"+strconv.Itoa(i), 1)
	}
	b.s("intr 0\nctxt 0\nbtime ").i(p.k.BootTime().Unix()).s("\nprocesses ").u(p.k.Forks())
	b.s("\nprocs_running ").i(int64(running)).s("\nprocs_blocked 0\nsoftirq 0 0 0 0 0 0 0 0 0 0 0\n")
	return b
}

func (p *FS) cpuHeader(b *text, width int) {
	b.pad("", width)
	for i := range p.o.CPUs {
		b.s("       CPU").i(int64(i))
	}
	b.s("\n")
}

func (p *FS) interrupts() []byte {
	var b text
	p.cpuHeader(&b, 4)
	return b
}

func (p *FS) softirqs() []byte {
	var b text
	p.cpuHeader(&b, 20)
	for _, n := range []string{"HI", "TIMER", "NET_TX", "NET_RX", "BLOCK", "IRQ_POLL", "TASKLET", "SCHED", "HRTIMER", "RCU"} {
		b.pad(n+":", 12)
		for range p.o.CPUs {
			b.s("          0")
		}
		b.s("\n")
	}
	return b
}

func (p *FS) vmstat() []byte {
	total := p.memTotal()
	anon, shmem := p.memUsed()
	free := total - min(anon+shmem, total)
	var b text
	for _, r := range [...]struct {
		name string
		v    uint64
	}{
		{"nr_free_pages", free >> 12}, {"nr_inactive_anon", shmem >> 12}, {"nr_active_anon", anon >> 12},
		{"nr_inactive_file", 0}, {"nr_active_file", 0}, {"nr_unevictable", 0}, {"nr_mlock", 0},
		{"nr_anon_pages", anon >> 12}, {"nr_mapped", 0}, {"nr_file_pages", shmem >> 12}, {"nr_dirty", 0},
		{"nr_writeback", 0}, {"nr_shmem", shmem >> 12}, {"nr_slab_reclaimable", 0}, {"nr_slab_unreclaimable", 0},
		{"nr_page_table_pages", 0}, {"nr_kernel_stack", 0}, {"pgpgin", 0}, {"pgpgout", 0}, {"pswpin", 0}, {"pswpout", 0},
		{"pgfault", 0}, {"pgmajfault", 0}, {"oom_kill", 0},
	} {
		b.s(r.name, " ").u(r.v).s("\n")
	}
	return b
}

func (p *FS) zoneinfo() []byte {
	total := p.memTotal()
	anon, shmem := p.memUsed()
	var b text
	b.s("Node 0, zone   Normal\n  pages free     ").u((total - min(anon+shmem, total)) >> 12)
	b.s("\n        min      0\n        low      0\n        high     0\n        spanned  ").u(total >> 12)
	b.s("\n        present  ").u(total >> 12).s("\n        managed  ").u(total >> 12).s("\n")
	return b
}

// netFiles is /proc/net, which the network stack fills.
type netFiles struct {
	p   *FS
	ino uint64
}

// Lookup implements kernfs.Dynamic.
func (n *netFiles) Lookup(_ *vfs.Context, name string) (vfs.Inode, error) {
	net := n.p.k.Net()
	if net == nil || !slices.Contains(net.ProcNetNames(), name) {
		return nil, linux.ENOENT
	}
	f := kernfs.NewFile(n.p.FS, kernfs.ChildIno(n.ino, name), 0o444, func(*vfs.Context) ([]byte, error) {
		s, _ := net.ProcNet(name)
		return []byte(s), nil
	})
	f.Fix()
	return f, nil
}

// List implements kernfs.Dynamic.
func (n *netFiles) List(_ *vfs.Context, from int64, emit func(kernfs.Entry) bool) error {
	net := n.p.k.Net()
	if net == nil {
		return nil
	}
	names := net.ProcNetNames()
	for i := int(min(from, int64(len(names)))); i < len(names); i++ {
		if !emit(kernfs.Entry{Name: names[i], Ino: kernfs.ChildIno(n.ino, names[i]), Type: linux.DT_REG, Key: int64(i)}) {
			break
		}
	}
	return nil
}

// trimLine cuts a written value at its end of line.
func trimLine(data []byte) []byte {
	if i := bytes.IndexAny(data, "\n\x00"); i >= 0 {
		data = data[:i]
	}
	return data
}
