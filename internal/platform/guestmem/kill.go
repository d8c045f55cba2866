package guestmem

import (
	"golang.org/x/sys/unix"

	"sentinel/internal/host"
)

// pidLimit is PID_MAX_LIMIT: ids are below it.
const pidLimit = 1 << 22

// Kill sends SIGKILL to process pid, or with group to its process group. Ids
// that cannot be those of a guest process do nothing: 0 and -1, to which a
// wrong number is easily cut, would mean everybody.
func Kill(pid int, group bool) {
	if pid <= 1 || pid >= pidLimit {
		return
	}
	if group {
		pid = -pid
	}
	permitted(func() error { return unix.Kill(pid, unix.SIGKILL) })
}

// Tgkill sends a signal to a thread of a guest process.
func Tgkill(pid, tid int, sig unix.Signal) error {
	if pid <= 1 || tid <= 1 {
		return unix.ESRCH
	}
	return permitted(func() error { return unix.Tgkill(pid, tid, sig) })
}

// permitted does something to a guest process. Where each thread has a Landlock
// domain of its own, those that cannot run guests must not signal them either
// (hook_task_kill in security/landlock/task.c), and timers run on any thread:
// then another does it.
func permitted(do func() error) error {
	err, tries := do(), 0
	if err != unix.EPERM {
		return err
	}
	done := make(chan error, 1)
	host.OnThread(func() bool {
		err = do()
		if err != unix.EPERM {
			return true
		}
		tries++
		return tries == 64 // it is not for the thread
	}, func() { done <- err })
	return <-done
}
