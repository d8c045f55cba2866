package syscalls

import (
	"runtime"
	"time"

	"sentinel/internal/abi/linux"
	"sentinel/internal/cred"
	"sentinel/internal/host"
	"sentinel/internal/ktime"
	"sentinel/internal/platform"
	"sentinel/internal/task"
	"sentinel/internal/usermem"
)

func sysSchedYield(t *task.Task) (uint64, error) {
	runtime.Gosched()
	return 0, nil
}

// lookup finds a thread; 0 is the caller.
func lookup(t *task.Task, pid int32) (*task.Task, error) {
	if pid < 0 {
		return nil, linux.EINVAL
	}
	if pid == 0 {
		return t, nil
	}
	x := t.Kernel().Task(pid)
	if x == nil {
		return nil, linux.ESRCH
	}
	return x, nil
}

func sysSchedGetaffinity(t *task.Task, pid int32, size uint32, addr uint64) (uint64, error) {
	x, err := lookup(t, pid)
	if err != nil {
		return 0, err
	}
	m := x.Affinity()
	if int(size)*8 <= host.MaxCPU() || size%8 != 0 {
		return 0, linux.EINVAL
	}
	m = m[:min(len(m), int(size))]
	_, err = t.Mem().CopyOut(addr, m)
	return uint64(len(m)), err
}

func sysSchedSetaffinity(t *task.Task, pid int32, size uint32, addr uint64) (uint64, error) {
	x, err := lookup(t, pid)
	if err != nil {
		return 0, err
	}
	all := host.CPUs()
	b, err := usermem.CopyInBytes(t.Mem(), addr, min(int(size), len(all)))
	if err != nil {
		return 0, err
	}
	m := make([]byte, len(all))
	any := false
	for i := range b {
		m[i] = b[i] & all[i]
		any = any || m[i] != 0
	}
	if !any {
		return 0, linux.EINVAL
	}
	if c := t.Cred(); x != t && c.EUID != x.Cred().EUID && c.EUID != x.Cred().UID && !c.Has(cred.CapSysNice) {
		return 0, linux.EPERM
	}
	return 0, x.SetAffinity(m)
}

func sysGetcpu(t *task.Task, cpu, node uint64) (uint64, error) {
	at := t.Thread().Scratch()
	if _, err := t.Thread().Call(platform.HostCall{Nr: linux.SYS_GETCPU, Args: [6]uint64{at, at + 4}}); err != nil {
		return 0, err
	}
	var v [2]uint32
	if err := usermem.CopyInObject(t.Mem(), at, &v); err != nil {
		return 0, err
	}
	for i, a := range []uint64{cpu, node} {
		if a != 0 {
			if err := usermem.CopyOutObject(t.Mem(), a, &v[i]); err != nil {
				return 0, err
			}
		}
	}
	return 0, nil
}

// Targets of getpriority(2).
const (
	prioProcess = 0
	prioPgrp    = 1
	prioUser    = 2
)

// prioTargets returns the threads that a getpriority call means.
func prioTargets(t *task.Task, which, who int32) ([]*task.Task, error) {
	var out []*task.Task
	switch which {
	case prioProcess:
		x, err := lookup(t, who)
		if err != nil {
			return nil, linux.ESRCH
		}
		return []*task.Task{x}, nil
	case prioPgrp, prioUser:
		pg := who
		if who == 0 {
			pg, _ = t.Getpgid(0)
		}
		uid := uint32(who)
		if who == 0 {
			uid = t.Cred().UID
		}
		for _, g := range t.Kernel().ThreadGroups() {
			id, _ := g.IDs()
			for _, x := range g.Tasks() {
				if which == prioPgrp && id == pg || which == prioUser && x.Cred().UID == uid {
					out = append(out, x)
				}
			}
		}
		if len(out) == 0 {
			return nil, linux.ESRCH
		}
		return out, nil
	}
	return nil, linux.EINVAL
}

func sysGetpriority(t *task.Task, which, who int32) (uint64, error) {
	xs, err := prioTargets(t, which, who)
	if err != nil {
		return 0, err
	}
	best := 20
	for _, x := range xs {
		best = min(best, x.Nice())
	}
	return uint64(20 - best), nil
}

func sysSetpriority(t *task.Task, which, who, prio int32) (uint64, error) {
	xs, err := prioTargets(t, which, who)
	if err != nil {
		return 0, err
	}
	n := int(max(-20, min(prio, 19)))
	c := t.Cred()
	for _, x := range xs {
		xc := x.Cred()
		if xc.UID != c.EUID && xc.EUID != c.EUID && !c.Has(cred.CapSysNice) {
			return 0, linux.EPERM
		}
		if n < x.Nice() && uint64(20-n) > x.Limit(linux.RLIMIT_NICE).Cur && !c.Has(cred.CapSysNice) {
			return 0, linux.EACCES
		}
		x.SetNice(n)
	}
	return 0, nil
}

// Scheduling policies of include/uapi/linux/sched.h.
const (
	schedOther = 0
	schedFIFO  = 1
	schedRR    = 2
	schedBatch = 3
	schedIdle  = 5
)

func priorityRange(policy int32) (lo, hi int32, err error) {
	switch policy {
	case schedFIFO, schedRR:
		return 1, 99, nil
	case schedOther, schedBatch, schedIdle, 6:
		return 0, 0, nil
	}
	return 0, 0, linux.EINVAL
}

func sysSchedGetPriorityMax(t *task.Task, policy int32) (uint64, error) {
	_, hi, err := priorityRange(policy)
	return uint64(hi), err
}

func sysSchedGetPriorityMin(t *task.Task, policy int32) (uint64, error) {
	lo, _, err := priorityRange(policy)
	return uint64(lo), err
}

func sysSchedGetscheduler(t *task.Task, pid int32) (uint64, error) {
	x, err := lookup(t, pid)
	if err != nil {
		return 0, err
	}
	p, _ := x.Policy()
	return uint64(p), nil
}

func sysSchedGetparam(t *task.Task, pid int32, addr uint64) (uint64, error) {
	x, err := lookup(t, pid)
	if err != nil {
		return 0, err
	}
	_, prio := x.Policy()
	return 0, usermem.CopyOutObjectLast(t.Mem(), addr, &prio)
}

// setPolicy records a policy. All guests are scheduled alike: real-time
// scheduling of the host is not theirs to have.
func setPolicy(t *task.Task, pid, policy, prio int32) error {
	x, err := lookup(t, pid)
	if err != nil {
		return err
	}
	if policy < 0 {
		policy, _ = x.Policy()
	}
	lo, hi, err := priorityRange(policy)
	if err != nil || prio < lo || prio > hi {
		return linux.EINVAL
	}
	if (policy == schedFIFO || policy == schedRR) && !t.Cred().Has(cred.CapSysNice) && x.Limit(linux.RLIMIT_RTPRIO).Cur < uint64(prio) {
		return linux.EPERM
	}
	x.SetPolicy(policy, prio)
	return nil
}

func sysSchedSetscheduler(t *task.Task, pid, policy int32, addr uint64) (uint64, error) {
	var prio int32
	if err := usermem.CopyInObject(t.Mem(), addr, &prio); err != nil {
		return 0, err
	}
	if policy < 0 {
		return 0, linux.EINVAL
	}
	return 0, setPolicy(t, pid, policy&^0x40000000, prio)
}

func sysSchedSetparam(t *task.Task, pid int32, addr uint64) (uint64, error) {
	var prio int32
	if err := usermem.CopyInObject(t.Mem(), addr, &prio); err != nil {
		return 0, err
	}
	return 0, setPolicy(t, pid, -1, prio)
}

func sysSchedRrGetInterval(t *task.Task, pid int32, addr uint64) (uint64, error) {
	x, err := lookup(t, pid)
	if err != nil {
		return 0, err
	}
	ts := ktime.FromDuration(4 * time.Millisecond)
	switch p, _ := x.Policy(); p {
	case schedFIFO:
		ts = linux.Timespec{}
	case schedRR:
		ts = ktime.FromDuration(100 * time.Millisecond)
	}
	return 0, usermem.CopyOutObjectLast(t.Mem(), addr, &ts)
}

// schedAttr is struct sched_attr.
type schedAttr struct {
	Size, Policy              uint32
	Flags                     uint64
	Nice                      int32
	Priority                  uint32
	Runtime, Deadline, Period uint64
	UtilMin, UtilMax          uint32
}

const schedAttrSizeVer0 = 48

func sysSchedSetattr(t *task.Task, pid int32, addr uint64, flags uint32) (uint64, error) {
	if addr == 0 || flags != 0 {
		return 0, linux.EINVAL
	}
	var size uint32
	if err := usermem.CopyInObject(t.Mem(), addr, &size); err != nil {
		return 0, err
	}
	if size == 0 {
		size = schedAttrSizeVer0
	}
	var a schedAttr
	if err := copyInExtensible(t, addr, uint64(size), schedAttrSizeVer0, usermem.AsBytes(&a)); err != nil {
		return 0, err
	}
	if err := setPolicy(t, pid, int32(a.Policy), int32(a.Priority)); err != nil {
		return 0, err
	}
	if x, err := lookup(t, pid); err == nil && (a.Policy == schedOther || a.Policy == schedBatch) {
		x.SetNice(int(max(-20, min(a.Nice, 19))))
	}
	return 0, nil
}

func sysSchedGetattr(t *task.Task, pid int32, addr uint64, size, flags uint32) (uint64, error) {
	if flags != 0 || size < schedAttrSizeVer0 || size > usermem.PageSize {
		return 0, linux.EINVAL
	}
	x, err := lookup(t, pid)
	if err != nil {
		return 0, err
	}
	p, prio := x.Policy()
	a := schedAttr{Size: min(size, 56), Policy: uint32(p), Priority: uint32(prio), UtilMax: 1024}
	if p == schedOther || p == schedBatch {
		a.Nice = int32(x.Nice())
	}
	_, err = t.Mem().CopyOut(addr, usermem.AsBytes(&a)[:a.Size])
	return 0, err
}

// The I/O priority is remembered by nobody; that of all is the default.
func sysIoprioGet(t *task.Task, which, who int32) (uint64, error) {
	if which < 1 || which > 3 {
		return 0, linux.EINVAL
	}
	return 4, nil // IOPRIO_CLASS_NONE, level 4
}

func sysIoprioSet(t *task.Task, which, who, prio int32) (uint64, error) {
	class := prio >> 13 & 7
	if which < 1 || which > 3 || class > 3 {
		return 0, linux.EINVAL
	}
	if class == 1 && !t.Cred().Has(cred.CapSysAdmin) {
		return 0, linux.EPERM
	}
	return 0, nil
}
