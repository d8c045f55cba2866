// Package jail gives up what the supervisor does not need, before the guest's
// first process exists: capabilities, new privileges, most of the file system
// (Landlock) and most system calls (seccomp). It is the second line of defence:
// the first is that guest code makes no host call of its own.
//
// Everything holds for all threads of the process and for the guest processes
// that it spawns later. SECURITY.md tells what each step is good for.
package jail

import (
	"fmt"
	"log/slog"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"

	"sentinel/internal/abi/linux"
	"sentinel/internal/host"
)

// Action is what happens to a host call that is not on the list.
type Action uint32

// Actions of the seccomp filter.
const (
	Kill Action = unix.SECCOMP_RET_KILL_PROCESS
	// Trap raises SIGSYS, which makes the Go runtime print where the call
	// came from and exit: for debugging, and for platforms whose guest
	// processes have a trapping filter of their own.
	Trap Action = unix.SECCOMP_RET_TRAP
	// Log only notes the call in the host's audit log: for debugging.
	Log Action = unix.SECCOMP_RET_LOG
	// Off is no jail at all.
	Off Action = unix.SECCOMP_RET_ALLOW
)

// Config tells what the sandbox needs of the host.
type Config struct {
	// Read and Write are descriptors of the directories (or files) beneath
	// which the supervisor may read, and read and write.
	Read, Write []int
	// HostNetwork allows internet sockets.
	HostNetwork bool
	// Spawn is the descriptor of the guest processes' stub, the only thing
	// that may be executed.
	Spawn  int
	Action Action
	Log    *slog.Logger
}

// Enter locks the supervisor in. On return the calling goroutine is locked to
// its OS thread, from which the threads that may run guests descend (see
// ThreadOK); the caller may unlock it. No goroutine may have been locked
// before: host.OnThread then finds no such thread and ends the program.
func Enter(c *Config) error {
	// Without CAP_SYS_ADMIN, Landlock asks for no_new_privs first, on each
	// thread; otherwise the filter brings it to all.
	held := heldCaps()
	if held>>unix.CAP_SYS_ADMIN&1 == 0 {
		if err := allThreads(unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1, 0); err != nil {
			return fmt.Errorf("no_new_privs: %w", err)
		}
	}
	if err := restrictFiles(c); err != nil {
		return fmt.Errorf("landlock: %w", err)
	}
	if held != 0 {
		if err := setCaps(keepCaps(c)); err != nil {
			return fmt.Errorf("drop capabilities: %w", err)
		}
	}
	// The template thread, which makes the threads of locked goroutines,
	// is born here and takes on this thread's Landlock domain and mark.
	// Were the goroutine preempted in between and moved to another thread,
	// the template would be without the mark, and nobody ever fit.
	procPin()
	err := markThread()
	runtime.LockOSThread()
	procUnpin()
	if err != nil {
		return err
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("no_new_privs: %w", err)
	}
	if !oneDomain {
		host.SetFit(ThreadOK)
	}
	if err := installFilter(filterFor(c)); err != nil {
		return fmt.Errorf("seccomp: %w", err)
	}
	return nil
}

// allThreads makes a system call, which takes no pointers, on every thread.
func allThreads(nr, a1, a2, a3 uintptr) error {
	if _, _, e := syscall.AllThreadsSyscall(nr, a1, a2, a3); e != 0 {
		return linux.Errno(e)
	}
	return nil
}
