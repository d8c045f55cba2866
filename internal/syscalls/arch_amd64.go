package syscalls

import (
	"sentinel/internal/abi/linux"
	"sentinel/internal/mm"
	"sentinel/internal/task"
	"sentinel/internal/usermem"
)

// Operations of arch_prctl(2).
const (
	archSetGS    = 0x1001
	archSetFS    = 0x1002
	archGetFS    = 0x1003
	archGetGS    = 0x1004
	archGetCPUID = 0x1011
	archSetCPUID = 0x1012
)

func sysArchPrctl(t *task.Task, op int32, addr uint64) (uint64, error) {
	r := t.Thread().Regs()
	switch op {
	case archSetFS, archSetGS:
		if addr >= mm.TaskSize {
			return 0, linux.EPERM
		}
		if op == archSetFS {
			r.FSBase = addr
		} else {
			r.GSBase = addr
		}
	case archGetFS:
		return 0, usermem.CopyOutObjectLast(t.Mem(), addr, &r.FSBase)
	case archGetGS:
		return 0, usermem.CopyOutObjectLast(t.Mem(), addr, &r.GSBase)
	case archGetCPUID:
		return 1, nil
	case archSetCPUID:
		if addr == 0 {
			return 0, linux.ENODEV
		}
	default:
		return 0, linux.EINVAL
	}
	return 0, nil
}
