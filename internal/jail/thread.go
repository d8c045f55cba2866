package jail

import (
	"golang.org/x/sys/unix"

	"sentinel/internal/abi/linux"
)

// oneDomain tells that all threads share one Landlock domain. Set by Enter.
var oneDomain bool

// markedSlack marks a thread by its timer slack, which clone(2) passes on and
// which changes nothing that anybody could notice; the default is 50000 ns.
const markedSlack = 50001

// markThread marks the calling thread as the ancestor of those that may run
// guests.
func markThread() error {
	if _, _, e := unix.RawSyscall(unix.SYS_PRCTL, unix.PR_SET_TIMERSLACK, markedSlack, 0); e != 0 {
		return linux.Errno(e)
	}
	return nil
}

// ThreadOK reports whether the calling OS thread may trace guest processes and
// access their memory.
//
// Before ABI 8, Landlock gives each thread that restricts itself a domain of
// its own, and a thread may trace only processes of its own domain or one made
// from it (hook_ptrace_access_check in security/landlock/task.c). Threads that
// were there before Enter and those that they beget, such as the runtime's
// monitor, are confined too, but cannot run guests: a locked goroutine that
// finds itself on one must go on in a new goroutine and let the thread die.
// The Go runtime then makes a thread by its template thread, which Enter
// started.
func ThreadOK() bool {
	if oneDomain {
		// One that the monitor begot has its slack (host.CalmMonitor), by
		// which a guest's sleeps would be late.
		_ = markThread()
		return true
	}
	slack, _, e := unix.RawSyscall(unix.SYS_PRCTL, unix.PR_GET_TIMERSLACK, 0, 0)
	return e == 0 && slack == markedSlack
}
