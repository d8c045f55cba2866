package syscalls

import (
	"sentinel/internal/abi/linux"
	"sentinel/internal/task"
)

// Table returns the system calls by number.
func Table() []task.Syscall { return table[:] }

// refuse answers a call that is not served, and notes it once per program.
func refuse(t *task.Task, name string, e linux.Errno) (uint64, error) {
	t.Kernel().LogRefused(t, name)
	return 0, e
}
