package proc

import (
	"bytes"
	"strconv"
	"strings"
	"time"

	"sentinel/internal/abi/linux"
	"sentinel/internal/cred"
	"sentinel/internal/task"
	"sentinel/internal/vfs"
)

// nsPerTick is the length of a clock tick (USER_HZ).
const nsPerTick = 10_000_000

// state is the letter of d's state as the caller sees it.
func (d *process) state(c *vfs.Context) byte {
	if d.t == caller(c) {
		return 'R'
	}
	if !d.thread && d.g.Zombie() {
		return 'Z'
	}
	return d.t.State()
}

func stateName(s byte) string {
	switch s {
	case 'R':
		return "R (running)"
	case 'T':
		return "T (stopped)"
	case 'Z':
		return "Z (zombie)"
	case 'D':
		return "D (disk sleep)"
	}
	return "S (sleeping)"
}

func (d *process) id() int32 {
	if d.thread {
		return d.t.TID()
	}
	return d.g.PID()
}

func (d *process) status(c *vfs.Context) ([]byte, error) {
	t, cr := d.t, d.t.Cred()
	pgid, sid := d.g.IDs()
	b := make(text, 0, 1536)
	b.s("Name:\t", escape(t.Comm()), "\n")
	if fs := t.FS(); fs != nil {
		o := strconv.FormatUint(uint64(fs.Umask()), 8)
		b.s("Umask:\t", strings.Repeat("0", max(4-len(o), 0)), o, "\n")
	}
	b.s("State:\t", stateName(d.state(c)), "\nTgid:\t").i(int64(d.g.PID())).s("\nNgid:\t0\nPid:\t").i(int64(d.id()))
	b.s("\nPPid:\t").i(int64(d.g.PPID())).s("\nTracerPid:\t0\nUid:")
	for _, v := range [...]uint32{cr.UID, cr.EUID, cr.SUID, cr.FSUID} {
		b.s("\t").u(uint64(v))
	}
	b.s("\nGid:")
	for _, v := range [...]uint32{cr.GID, cr.EGID, cr.SGID, cr.FSGID} {
		b.s("\t").u(uint64(v))
	}
	fdSize := 0
	if fds := t.FDs(); fds != nil && !d.g.Zombie() {
		fdSize = max(fds.Size(), 64)
	}
	b.s("\nFDSize:\t").u(uint64(fdSize)).s("\nGroups:\t")
	for _, g := range cr.Groups {
		b.u(uint64(g)).s(" ")
	}
	b.s("\nNStgid:\t").i(int64(d.g.PID())).s("\nNSpid:\t").i(int64(d.id())).s("\nNSpgid:\t").i(int64(pgid)).s("\nNSsid:\t").i(int64(sid))
	b.s("\nKthread:\t0\n")
	if m := d.mm(); m != nil {
		b = append(b, hostStatus(m)...)
		b.s("CoreDumping:\t0\nTHP_enabled:\t1\nuntag_mask:\t0xffffffffffffffff\n")
	}
	b.s("Threads:\t").i(int64(max(len(d.g.Tasks()), 1)))
	s := t.SignalState()
	b.s("\nSigQ:\t").i(int64(s.Queued)).s("/").u(s.QueueLimit)
	for _, v := range [...]struct {
		name string
		set  uint64
	}{
		{"SigPnd", s.Pending}, {"ShdPnd", s.SharedPending}, {"SigBlk", s.Blocked}, {"SigIgn", s.Ignored}, {"SigCgt", s.Caught},
		{"CapInh", uint64(cr.Inheritable)}, {"CapPrm", uint64(cr.Permitted)}, {"CapEff", uint64(cr.Effective)},
		{"CapBnd", uint64(cr.Bounding)}, {"CapAmb", uint64(cr.Ambient)},
	} {
		b.s("\n", v.name, ":\t").hex(v.set, 16)
	}
	b.s("\nNoNewPrivs:\t")
	if cr.NoNewPrivs {
		b.s("1")
	} else {
		b.s("0")
	}
	b.s("\nSeccomp:\t0\nSeccomp_filters:\t0\nSpeculation_Store_Bypass:\tthread vulnerable\nSpeculationIndirectBranch:\tconditional enabled\n")
	mask, list := d.p.affinity(t)
	b.s("Cpus_allowed:\t", mask, "\nCpus_allowed_list:\t", list, "\nMems_allowed:\t1\nMems_allowed_list:\t0\n")
	b.s("voluntary_ctxt_switches:\t0\nnonvoluntary_ctxt_switches:\t0\n")
	return b, nil
}

// affinity returns the processors that t may use, as a mask and as a list.
func (p *FS) affinity(t *task.Task) (mask, list string) {
	set := t.Affinity()
	on := func(i int) bool { return i < p.o.CPUs && i/8 < len(set) && set[i/8]>>(i%8)&1 != 0 }
	var m, l text
	words := (p.o.CPUs + 31) / 32
	for w := words - 1; w >= 0; w-- {
		v := uint64(0)
		for i := range 32 {
			if on(w*32 + i) {
				v |= 1 << i
			}
		}
		width := 8
		if words == 1 {
			width = (p.o.CPUs + 3) / 4
		}
		m.hex(v, width)
		if w > 0 {
			m.s(",")
		}
	}
	for i := 0; i < p.o.CPUs; i++ {
		if !on(i) {
			continue
		}
		j := i
		for on(j + 1) {
			j++
		}
		if len(l) > 0 {
			l.s(",")
		}
		l.i(int64(i))
		if j > i {
			l.s("-").i(int64(j))
		}
		i = j
	}
	return string(m), string(l)
}

// escape is string_escape_str of a command name.
func escape(s string) string {
	if !strings.ContainsAny(s, "\n\\") {
		return s
	}
	return strings.NewReplacer("\n", "\\n", "\\", "\\\\").Replace(s)
}

func (d *process) stat(c *vfs.Context) ([]byte, error) {
	t := d.t
	pgid, sid := d.g.IDs()
	ttyNr, tpgid := uint32(0), int32(-1)
	if x := d.g.ControllingTTY(); x != nil {
		ttyNr, tpgid = x.DeviceNumber(), x.Foreground()
	}
	own, children := d.g.CPUTimes()
	limits := d.g.Limits()
	s := t.SignalState()
	minor, major := "0", "0"
	var size, resident uint64
	var addr [13]uint64 // of the layout, told to who may know
	if m := d.mm(); m != nil {
		minor, major = hostFaults(m)
		size, resident, _ = m.RSS()
		if d.mayAccess(c) == nil {
			l := &m.Layout
			brk, _ := m.BrkRange()
			addr = [13]uint64{l.CodeStart, l.CodeEnd, l.StackStart, 0, 0, l.DataStart, l.DataEnd, brk, l.ArgStart, l.ArgEnd, l.EnvStart, l.EnvEnd}
		}
	}
	nice := int64(t.Nice())
	b := make(text, 0, 512)
	b.i(int64(d.id())).s(" (", escape(t.Comm()), ") ", string(d.state(c)))
	put := func(vs ...int64) {
		for _, v := range vs {
			b.s(" ").i(v)
		}
	}
	putu := func(vs ...uint64) {
		for _, v := range vs {
			b.s(" ").u(v)
		}
	}
	put(int64(d.g.PPID()), int64(pgid), int64(sid), int64(ttyNr), int64(tpgid), 0x400000)
	b.s(" ", minor, " 0 ", major, " 0")
	put(own.User/nsPerTick, own.System/nsPerTick, children.User/nsPerTick, children.System/nsPerTick)
	put(20+nice, nice, int64(max(len(d.g.Tasks()), 1)), 0, int64(t.StartTime().Sub(d.p.k.BootTime()))/nsPerTick)
	putu(size, resident/4096, limits[linux.RLIMIT_RSS].Cur, addr[0], addr[1], addr[2], addr[3], addr[4])
	putu(s.Pending&0x7fffffff, s.Blocked&0x7fffffff, s.Ignored&0x7fffffff, s.Caught&0x7fffffff)
	put(0, 0, 0, 17, 0, 0, 0, 0, 0, 0)
	putu(addr[5], addr[6], addr[7], addr[8], addr[9], addr[10], addr[11])
	b.s(" 0\n")
	return b, nil
}

func (d *process) statm(*vfs.Context) ([]byte, error) {
	var b text
	m := d.mm()
	if m == nil {
		return []byte("0 0 0 0 0 0 0\n"), nil
	}
	size, resident, shared := m.RSS()
	code := (m.Layout.CodeEnd - m.Layout.CodeStart + 4095) / 4096
	data := uint64(0)
	if brk, end := m.BrkRange(); end > brk {
		data = (end - brk) / 4096
	}
	data += (m.Layout.DataEnd - m.Layout.DataStart + m.Layout.StackEnd - m.Layout.StackStart) / 4096
	b.u(size / 4096).s(" ").u(resident / 4096).s(" ").u(shared / 4096).s(" ").u(code).s(" 0 ").u(data).s(" 0\n")
	return b, nil
}

var limitNames = [...]struct {
	res        int
	name, unit string
}{
	{linux.RLIMIT_CPU, "Max cpu time", "seconds"}, {linux.RLIMIT_FSIZE, "Max file size", "bytes"},
	{linux.RLIMIT_DATA, "Max data size", "bytes"}, {linux.RLIMIT_STACK, "Max stack size", "bytes"},
	{linux.RLIMIT_CORE, "Max core file size", "bytes"}, {linux.RLIMIT_RSS, "Max resident set", "bytes"},
	{linux.RLIMIT_NPROC, "Max processes", "processes"}, {linux.RLIMIT_NOFILE, "Max open files", "files"},
	{linux.RLIMIT_MEMLOCK, "Max locked memory", "bytes"}, {linux.RLIMIT_AS, "Max address space", "bytes"},
	{linux.RLIMIT_LOCKS, "Max file locks", "locks"}, {linux.RLIMIT_SIGPENDING, "Max pending signals", "signals"},
	{linux.RLIMIT_MSGQUEUE, "Max msgqueue size", "bytes"}, {linux.RLIMIT_NICE, "Max nice priority", ""},
	{linux.RLIMIT_RTPRIO, "Max realtime priority", ""}, {linux.RLIMIT_RTTIME, "Max realtime timeout", "us"},
}

func (d *process) limits(*vfs.Context) ([]byte, error) {
	ls := d.g.Limits()
	var b text
	b.s("Limit                     Soft Limit           Hard Limit           Units     \n")
	for _, n := range limitNames {
		b.left(n.name, 26)
		for _, v := range [...]uint64{ls[n.res].Cur, ls[n.res].Max} {
			s := "unlimited"
			if v != linux.RLIM64_INFINITY {
				s = utoa(v)
			}
			b.left(s, 21)
		}
		if n.unit != "" {
			b.left(n.unit, 10)
		}
		b.s("\n")
	}
	return b, nil
}

func (d *process) children(*vfs.Context) ([]byte, error) {
	if d.t != d.g.Leader() {
		return nil, nil
	}
	var b text
	for _, id := range sorted(d.g.Children()) {
		b.i(int64(id)).s(" ")
	}
	return b, nil
}

func (d *process) comm(*vfs.Context) ([]byte, error) { return []byte(d.t.Comm() + "\n"), nil }

func (d *process) setComm(c *vfs.Context, data []byte) error {
	if t := caller(c); t == nil || t.ThreadGroup() != d.g {
		return linux.EINVAL
	}
	if i := bytes.IndexByte(data, 0); i >= 0 {
		data = data[:i]
	}
	d.t.SetComm(string(bytes.TrimSuffix(data, []byte("\n"))))
	return nil
}

func (d *process) mounts(*vfs.Context) ([]byte, error) {
	return d.p.k.VFS().MountsText(d.root()), nil
}

func (d *process) mountinfo(*vfs.Context) ([]byte, error) {
	return d.p.k.VFS().MountInfoText(d.root()), nil
}

func (d *process) root() vfs.Path {
	if fs := d.t.FS(); fs != nil {
		return fs.Root()
	}
	return vfs.Path{}
}

func (d *process) mountstats(*vfs.Context) ([]byte, error) {
	var b text
	for line := range bytes.Lines(d.p.k.VFS().MountsText(d.root())) {
		f := strings.Fields(string(line))
		if len(f) >= 3 {
			b.s("device ", f[0], " mounted on ", f[1], " with fstype ", f[2], "\n")
		}
	}
	return b, nil
}

// number parses what is written to a file that holds one.
func number(data []byte, lo, hi int64) (int64, error) {
	n, err := strconv.ParseInt(strings.TrimSpace(string(data)), 0, 64)
	if err != nil || n < lo || n > hi {
		return 0, linux.EINVAL
	}
	return n, nil
}

func (d *process) oomScore(*vfs.Context) ([]byte, error) {
	// oom_badness: the share of memory in thousandths, and the adjustment.
	n := int64(666)
	if m := d.mm(); m != nil {
		_, rss, _ := m.RSS()
		n += int64(rss * 1000 / max(d.p.memTotal(), 1))
	}
	n += int64(d.g.OOMScoreAdj()) * 2 / 3
	return []byte(strconv.FormatInt(max(n, 0), 10) + "\n"), nil
}

func (d *process) oomScoreAdj(*vfs.Context) ([]byte, error) {
	return []byte(itoa(d.g.OOMScoreAdj()) + "\n"), nil
}

func (d *process) setOOMScoreAdj(c *vfs.Context, data []byte) error {
	n, err := number(data, -1000, 1000)
	if err != nil {
		return err
	}
	// Linux compares with the least value ever set by the privileged.
	if n < int64(min(d.g.OOMScoreAdj(), 0)) && !c.Cred.Has(cred.CapSysResource) {
		return linux.EACCES
	}
	d.g.SetOOMScoreAdj(int32(n))
	return nil
}

// oom_adj is the old scale, -17 to 15.

func (d *process) oomAdj(*vfs.Context) ([]byte, error) {
	n := int64(d.g.OOMScoreAdj())
	switch {
	case n == 1000:
		n = 15
	default:
		n = n * 17 / 1000
	}
	return []byte(strconv.FormatInt(n, 10) + "\n"), nil
}

func (d *process) setOOMAdj(c *vfs.Context, data []byte) error {
	n, err := number(data, -17, 15)
	if err != nil {
		return err
	}
	if n == 15 {
		n = 1000
	} else {
		n = n * 1000 / 17
	}
	return d.setOOMScoreAdj(c, []byte(strconv.FormatInt(n, 10)))
}

func (d *process) personality(*vfs.Context) ([]byte, error) {
	var b text
	b.hex(uint64(d.t.Personality()), 8).s("\n")
	return b, nil
}

func (d *process) timerSlack(c *vfs.Context) ([]byte, error) {
	if d.t != caller(c) && !c.Cred.Has(cred.CapSysNice) {
		return nil, linux.EPERM
	}
	return []byte(utoa(d.t.TimerSlack()) + "\n"), nil
}

func (d *process) setTimerSlack(c *vfs.Context, data []byte) error {
	if d.t != caller(c) && !c.Cred.Has(cred.CapSysNice) {
		return linux.EPERM
	}
	n, err := number(data, 0, 1<<62)
	if err != nil {
		return err
	}
	if n == 0 {
		n = 50000
	}
	d.t.SetTimerSlack(uint64(n))
	return nil
}

func (d *process) syscall(c *vfs.Context) ([]byte, error) { return []byte("running\n"), nil }

func (d *process) runtime() time.Duration {
	own, _ := d.g.CPUTimes()
	return time.Duration(own.User + own.System)
}

func (d *process) schedstat(*vfs.Context) ([]byte, error) {
	return []byte(strconv.FormatInt(int64(d.runtime()), 10) + " 0 1\n"), nil
}

func (d *process) sched(*vfs.Context) ([]byte, error) {
	var b text
	b.s(d.t.Comm(), " (").i(int64(d.id())).s(", #threads: ").i(int64(max(len(d.g.Tasks()), 1))).s(")\n")
	b.s(strings.Repeat("-", 67), "\n")
	ns := int64(d.runtime())
	frac := strconv.FormatInt(ns%1_000_000, 10)
	row := func(name, v string) { b.left(name, 45).s(":").pad(v, 21).s("\n") }
	row("se.sum_exec_runtime", strconv.FormatInt(ns/1_000_000, 10)+"."+strings.Repeat("0", 6-len(frac))+frac)
	row("policy", "0")
	row("prio", strconv.Itoa(120+d.t.Nice()))
	return b, nil
}

func (d *process) timers(*vfs.Context) ([]byte, error) {
	var b text
	for _, x := range d.g.Timers() {
		how := "signal"
		switch x.Notify &^ 4 {
		case 1:
			how = "none"
		case 2:
			how = "thread"
		}
		kind, who := "pid", d.g.PID()
		if x.Notify&4 != 0 {
			kind, who = "tid", x.TID
		}
		b.s("ID: ").i(int64(x.ID)).s("\nsignal: ").i(int64(x.Signo)).s("/").hex(x.Value, 16)
		b.s("\nnotify: ", how, "/", kind, ".").i(int64(who)).s("\nClockID: ").i(int64(x.Clock)).s("\n")
	}
	return b, nil
}
