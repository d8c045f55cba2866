package syscalls

import (
	"sentinel/internal/abi/linux"
	"sentinel/internal/cred"
	"sentinel/internal/signal"
	"sentinel/internal/task"
	"sentinel/internal/usermem"
)

func boolVal(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}

func sysPrctl(t *task.Task, option int32, a2, a3, a4, a5 uint64) (uint64, error) {
	zero345 := a3 == 0 && a4 == 0 && a5 == 0
	g := t.ThreadGroup()
	switch option {
	case linux.PR_SET_PDEATHSIG:
		if a2 != 0 && !signal.Valid(int(a2)) {
			return 0, linux.EINVAL
		}
		t.SetDeathSignal(int(a2))
	case linux.PR_GET_PDEATHSIG:
		v := int32(t.DeathSignal())
		return 0, usermem.CopyOutObjectLast(t.Mem(), a2, &v)
	case linux.PR_GET_DUMPABLE:
		return uint64(t.Dumpable()), nil
	case linux.PR_SET_DUMPABLE:
		if a2 > 1 {
			return 0, linux.EINVAL
		}
		t.SetDumpable(int32(a2))
	case linux.PR_SET_NAME:
		var b [16]byte
		s, err := usermem.CopyInString(t.Mem(), a2, 16)
		if err == linux.ENAMETOOLONG {
			if _, err = t.Mem().CopyIn(a2, b[:15]); err == nil {
				s = string(b[:15])
			}
		}
		if err != nil {
			return 0, err
		}
		t.SetComm(s)
	case linux.PR_GET_NAME:
		var b [16]byte
		copy(b[:15], t.Comm())
		_, err := t.Mem().CopyOut(a2, b[:])
		return 0, err
	case linux.PR_GET_KEEPCAPS:
		return boolVal(t.Cred().SecureBits&0x10 != 0), nil
	case linux.PR_SET_KEEPCAPS:
		if a2 > 1 {
			return 0, linux.EINVAL
		}
		c := t.Cred().Copy()
		if c.SecureBits&0x20 != 0 {
			return 0, linux.EPERM
		}
		c.SecureBits = c.SecureBits&^0x10 | uint32(a2)<<4
		t.SetCred(c)
	case linux.PR_GET_SECUREBITS:
		return uint64(t.Cred().SecureBits), nil
	case linux.PR_SET_SECUREBITS:
		c := t.Cred().Copy()
		locked := c.SecureBits >> 1 & 0x155 // each lock is the bit above
		if !c.Has(cred.CapSetpcap) || a2&^0xff != 0 ||
			(c.SecureBits^uint32(a2))&locked != 0 || c.SecureBits&0xaa&^uint32(a2) != 0 {
			return 0, linux.EPERM
		}
		c.SecureBits = uint32(a2)
		t.SetCred(c)
	case linux.PR_CAPBSET_READ:
		if a2 > cred.CapLast {
			return 0, linux.EINVAL
		}
		return boolVal(t.Cred().Bounding.Has(uint(a2))), nil
	case linux.PR_CAPBSET_DROP:
		if a2 > cred.CapLast {
			return 0, linux.EINVAL
		}
		c := t.Cred().Copy()
		if !c.Has(cred.CapSetpcap) {
			return 0, linux.EPERM
		}
		c.Bounding &^= 1 << a2
		t.SetCred(c)
	case linux.PR_CAP_AMBIENT:
		return capAmbient(t, a2, a3, a4 == 0 && a5 == 0)
	case linux.PR_SET_NO_NEW_PRIVS:
		if a2 != 1 || !zero345 {
			return 0, linux.EINVAL
		}
		c := t.Cred().Copy()
		c.NoNewPrivs = true
		t.SetCred(c)
	case linux.PR_GET_NO_NEW_PRIVS:
		if a2 != 0 || !zero345 {
			return 0, linux.EINVAL
		}
		return boolVal(t.Cred().NoNewPrivs), nil
	case linux.PR_SET_CHILD_SUBREAPER:
		g.SetSubreaper(a2 != 0)
	case linux.PR_GET_CHILD_SUBREAPER:
		v := int32(boolVal(g.Subreaper()))
		return 0, usermem.CopyOutObjectLast(t.Mem(), a2, &v)
	case linux.PR_SET_TIMERSLACK:
		if int64(a2) <= 0 {
			a2 = 50000
		}
		t.SetTimerSlack(a2)
	case linux.PR_GET_TIMERSLACK:
		return t.TimerSlack(), nil
	case linux.PR_GET_SECCOMP:
		return 0, nil
	case linux.PR_SET_SECCOMP:
		return 0, linux.EINVAL
	case linux.PR_GET_TID_ADDRESS:
		return 0, linux.EINVAL
	case linux.PR_SET_THP_DISABLE:
		if !zero345 {
			return 0, linux.EINVAL
		}
	case linux.PR_GET_THP_DISABLE:
		return 0, nil
	case linux.PR_GET_UNALIGN, linux.PR_SET_UNALIGN, linux.PR_GET_FPEMU, linux.PR_GET_ENDIAN:
		return 0, linux.EINVAL
	case linux.PR_GET_TIMING:
		return 0, nil
	case linux.PR_SET_TIMING:
		if a2 != 0 {
			return 0, linux.EINVAL
		}
	case linux.PR_SET_VMA:
		// Names of anonymous memory are for people to read; the host's
		// /proc has no use for the guest's.
		if a2 != 0 {
			return 0, linux.EINVAL
		}
	case linux.PR_SET_PTRACER:
	case linux.PR_MCE_KILL, linux.PR_MCE_KILL_GET:
		return 0, nil
	case linux.PR_GET_SPECULATION_CTRL, linux.PR_SET_SPECULATION_CTRL:
		return 0, linux.ENODEV
	case linux.PR_GET_TSC:
		v := int32(1)
		return 0, usermem.CopyOutObjectLast(t.Mem(), a2, &v)
	case linux.PR_SET_MM:
		return 0, linux.EPERM
	default:
		return 0, linux.EINVAL
	}
	return 0, nil
}

func capAmbient(t *task.Task, op, n uint64, rest bool) (uint64, error) {
	if !rest {
		return 0, linux.EINVAL
	}
	c := t.Cred().Copy()
	if op == linux.PR_CAP_AMBIENT_CLEAR_ALL {
		if n != 0 {
			return 0, linux.EINVAL
		}
		c.Ambient = 0
		t.SetCred(c)
		return 0, nil
	}
	if n > cred.CapLast {
		return 0, linux.EINVAL
	}
	bit := cred.CapSet(1) << n
	switch op {
	case linux.PR_CAP_AMBIENT_IS_SET:
		return boolVal(c.Ambient&bit != 0), nil
	case linux.PR_CAP_AMBIENT_RAISE:
		const noRaise = 0x40
		if c.Permitted&c.Inheritable&bit == 0 || c.SecureBits&noRaise != 0 {
			return 0, linux.EPERM
		}
		c.Ambient |= bit
	case linux.PR_CAP_AMBIENT_LOWER:
		c.Ambient &^= bit
	default:
		return 0, linux.EINVAL
	}
	t.SetCred(c)
	return 0, nil
}
