package syscalls

import (
	"sentinel/internal/abi/linux"
	"sentinel/internal/task"
	"sentinel/internal/usermem"
)

func sysProcessVmReadv(t *task.Task, pid int32, local, nLocal, remote, nRemote, flags uint64) (uint64, error) {
	return processVM(t, pid, local, nLocal, remote, nRemote, flags, false)
}

func sysProcessVmWritev(t *task.Task, pid int32, local, nLocal, remote, nRemote, flags uint64) (uint64, error) {
	return processVM(t, pid, local, nLocal, remote, nRemote, flags, true)
}

// processVM implements process_vm_readv(2) and process_vm_writev(2)
// (process_vm_rw in mm/process_vm_access.c).
func processVM(t *task.Task, pid int32, local, nLocal, remote, nRemote, flags uint64, write bool) (uint64, error) {
	if flags != 0 {
		return 0, linux.EINVAL
	}
	ls, err := usermem.CopyInIovecs(t.Mem(), local, nLocal)
	if err != nil || usermem.Total(ls) == 0 {
		return 0, err
	}
	rs, err := usermem.CopyInIovecs(t.Mem(), remote, nRemote)
	if err != nil || usermem.Total(rs) == 0 {
		return 0, err
	}
	x := t.Kernel().Task(pid)
	if x == nil {
		return 0, linux.ESRCH
	}
	if !t.MayTrace(x) {
		return 0, linux.EPERM
	}
	m := x.MM()
	if m == nil {
		return 0, linux.ESRCH
	}
	from, to := usermem.Memory(m.AddressSpace()), t.Mem()
	src, dst := rs, ls
	if write {
		from, to, src, dst = to, from, ls, rs
	}
	done, err := copyRanges(t, to, dst, from, src)
	if done > 0 {
		return done, nil
	}
	return 0, err
}

// copyRanges copies from the ranges src of one memory to the ranges dst of
// another, until one of the lists is used up.
func copyRanges(t *task.Task, to usermem.Memory, dst []usermem.Range, from usermem.Memory, src []usermem.Range) (uint64, error) {
	const chunk = 256 << 10
	var d, s usermem.Range
	done := uint64(0)
	for {
		for ; d.Len == 0; dst = dst[1:] {
			if len(dst) == 0 {
				return done, nil
			}
			d = dst[0]
		}
		for ; s.Len == 0; src = src[1:] {
			if len(src) == 0 {
				return done, nil
			}
			s = src[0]
		}
		b := t.Buffer(int(min(d.Len, s.Len, chunk)))
		got, err := from.CopyIn(s.Addr, b)
		put := 0
		if got > 0 {
			var perr error
			if put, perr = to.CopyOut(d.Addr, b[:got]); perr != nil {
				err = perr
			}
		}
		done += uint64(put)
		if err != nil {
			return done, err
		}
		n := uint64(put)
		d.Addr, d.Len, s.Addr, s.Len = d.Addr+n, d.Len-n, s.Addr+n, s.Len-n
	}
}
