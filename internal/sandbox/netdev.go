package sandbox

import (
	"sentinel/internal/abi/linux"
	"sentinel/internal/fs/sys"
	"sentinel/internal/sock/stack"
	"sentinel/internal/task"
)

// interfaces lists the sandbox's network interfaces for sysfs.
func interfaces(k *task.Kernel) func() []sys.Interface {
	return func() []sys.Interface {
		st, ok := k.Net().(*stack.Stack)
		if !ok {
			return nil
		}
		var out []sys.Interface
		for _, l := range st.Interfaces().Links() {
			i := sys.Interface{
				Name: l.Name, Index: int(l.Index), MTU: int(l.MTU), Flags: l.Flags,
				Loopback: l.Flags&linux.IFF_LOOPBACK != 0,
			}
			copy(i.Address[:], l.HW)
			out = append(out, i)
		}
		return out
	}
}
