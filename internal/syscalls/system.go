package syscalls

import (
	"time"

	"sentinel/internal/abi/linux"
	"sentinel/internal/cred"
	"sentinel/internal/host"
	"sentinel/internal/ktime"
	"sentinel/internal/platform"
	"sentinel/internal/task"
	"sentinel/internal/usermem"
)

// utsname is struct new_utsname.
type utsname struct{ Sysname, Nodename, Release, Version, Machine, Domainname [65]byte }

func sysUname(t *task.Task, buf uint64) (uint64, error) {
	var u utsname
	nodename, domain := t.Kernel().Hostname()
	release, version, machine := host.Uname()
	copy(u.Sysname[:64], "Linux")
	copy(u.Nodename[:64], nodename)
	copy(u.Release[:64], release)
	copy(u.Version[:64], version)
	copy(u.Machine[:64], machine)
	copy(u.Domainname[:64], domain)
	return 0, usermem.CopyOutObjectLast(t.Mem(), buf, &u)
}

// setName reads the argument of sethostname(2).
func setName(t *task.Task, addr uint64, n int32) (string, error) {
	if !t.Cred().Has(cred.CapSysAdmin) {
		return "", linux.EPERM
	}
	if n < 0 || n > 64 {
		return "", linux.EINVAL
	}
	b, err := usermem.CopyInBytes(t.Mem(), addr, int(n))
	return string(b), err
}

func sysSethostname(t *task.Task, name uint64, n int32) (uint64, error) {
	s, err := setName(t, name, n)
	if err == nil {
		t.Kernel().SetHostname(s)
	}
	return 0, err
}

func sysSetdomainname(t *task.Task, name uint64, n int32) (uint64, error) {
	s, err := setName(t, name, n)
	if err == nil {
		t.Kernel().SetDomain(s)
	}
	return 0, err
}

// sysinfo is struct sysinfo.
type sysinfo struct {
	Uptime                                       int64
	Loads                                        [3]uint64
	Total, Free, Shared, Buffer, TotSwap, FrSwap uint64
	Procs, _                                     uint16
	_                                            uint32
	TotalHigh, FreeHigh                          uint64
	Unit, _                                      uint32
}

func sysSysinfo(t *task.Task, addr uint64) (uint64, error) {
	k := t.Kernel()
	total, free := host.Memory()
	if l := k.MemoryLimit(); l != 0 && l < total {
		used := k.MemoryUsed()
		total, free = l, l-min(used, l)
	}
	procs := 0
	for _, g := range k.ThreadGroups() {
		procs += len(g.Tasks())
	}
	i := sysinfo{Uptime: int64(time.Since(k.BootTime())/time.Second) + 1, Total: total, Free: free, Procs: uint16(procs), Unit: 1}
	return 0, usermem.CopyOutObjectLast(t.Mem(), addr, &i)
}

const (
	grndNonblock = 1
	grndRandom   = 2
	grndInsecure = 4
)

func sysGetrandom(t *task.Task, buf, count uint64, flags uint32) (uint64, error) {
	if flags&^(grndNonblock|grndRandom|grndInsecure) != 0 || flags&(grndRandom|grndInsecure) == grndRandom|grndInsecure {
		return 0, linux.EINVAL
	}
	count = min(count, usermem.MaxRW)
	done := uint64(0)
	for done < count {
		b := t.Buffer(int(min(count-done, 64<<10)))
		host.Random(b)
		n, err := t.Mem().CopyOut(buf+done, b)
		done += uint64(n)
		if err != nil {
			if done == 0 {
				return 0, err
			}
			break
		}
	}
	return done, nil
}

func sysGetrlimit(t *task.Task, res uint32, addr uint64) (uint64, error) {
	if res >= task.NumLimits {
		return 0, linux.EINVAL
	}
	l := t.Limit(int(res))
	return 0, usermem.CopyOutObjectLast(t.Mem(), addr, &l)
}

func sysSetrlimit(t *task.Task, res uint32, addr uint64) (uint64, error) {
	return sysPrlimit64(t, 0, res, addr, 0)
}

func sysPrlimit64(t *task.Task, pid int32, res uint32, new, old uint64) (uint64, error) {
	if res >= task.NumLimits {
		return 0, linux.EINVAL
	}
	g := t.ThreadGroup()
	if pid != 0 {
		x := t.Kernel().Task(pid)
		if x == nil {
			return 0, linux.ESRCH
		}
		c, xc := t.Cred(), x.Cred()
		same := c.UID == xc.EUID && c.UID == xc.SUID && c.UID == xc.UID && c.GID == xc.EGID && c.GID == xc.SGID && c.GID == xc.GID
		if x.ThreadGroup() != g && !same && !c.Has(cred.CapSysResource) {
			return 0, linux.EPERM
		}
		g = x.ThreadGroup()
	}
	cur := g.Limit(int(res))
	if new != 0 {
		var l linux.Rlimit64
		if err := usermem.CopyInObject(t.Mem(), new, &l); err != nil {
			return 0, err
		}
		if l.Cur > l.Max {
			return 0, linux.EINVAL
		}
		if res == linux.RLIMIT_NOFILE && l.Max > 1<<20 { // sysctl nr_open
			return 0, linux.EPERM
		}
		if l.Max > cur.Max && !t.Cred().Has(cred.CapSysResource) {
			return 0, linux.EPERM
		}
		g.SetLimit(int(res), l)
	}
	if old != 0 {
		return 0, usermem.CopyOutObjectLast(t.Mem(), old, &cur)
	}
	return 0, nil
}

// rusage is struct rusage.
type rusage struct {
	UTime, STime linux.Timeval
	MaxRSS       int64 // KiB
	_            [3]int64
	MinFlt       int64
	MajFlt       int64
	_            [8]int64
}

func rusageOf(c task.CPUTimes, maxRSS int64) rusage {
	return rusage{
		UTime:  ktime.TimevalFromDuration(time.Duration(c.User)),
		STime:  ktime.TimevalFromDuration(time.Duration(c.System)),
		MaxRSS: maxRSS,
	}
}

const (
	rusageSelf     = 0
	rusageChildren = -1
	rusageThread   = 1
)

func sysGetrusage(t *task.Task, who int32, addr uint64) (uint64, error) {
	g := t.ThreadGroup()
	own, children := g.CPUTimes()
	var r rusage
	switch who {
	case rusageChildren:
		r = rusageOf(children, g.ChildMaxRSS())
	case rusageSelf, rusageThread:
		// The host knows faults and resident size of the process.
		th := t.Thread()
		at := addr
		if _, err := th.Call(platform.HostCall{Nr: linux.SYS_GETRUSAGE, Args: [6]uint64{uint64(uint32(who)), at}}); err != nil {
			return 0, err
		}
		if err := usermem.CopyInObject(t.Mem(), at, &r); err != nil {
			return 0, err
		}
		if who == rusageSelf {
			o := rusageOf(own, 0)
			r.UTime, r.STime = o.UTime, o.STime
		}
	default:
		return 0, linux.EINVAL
	}
	return 0, usermem.CopyOutObjectLast(t.Mem(), addr, &r)
}

const (
	perQuery          = 0xffffffff
	readImpliesExec   = 0x0400000
	addrNoRandomize   = 0x0040000
	personalityLinux  = 0
	personalityMaskOK = readImpliesExec | addrNoRandomize | 0x0fff0000
)

func sysPersonality(t *task.Task, p uint32) (uint64, error) {
	old := t.Personality()
	if p != perQuery {
		if p&0xff != personalityLinux && p&0xff != 8 { // PER_LINUX32
			return 0, linux.EINVAL
		}
		t.SetPersonality(p)
	}
	return uint64(old), nil
}

func sysVhangup(t *task.Task) (uint64, error) {
	if !t.Cred().Has(26) { // CAP_SYS_TTY_CONFIG
		return 0, linux.EPERM
	}
	return 0, t.Kernel().Vhangup(t)
}
