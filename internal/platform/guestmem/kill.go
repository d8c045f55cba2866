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
	host.Permitted(func() error { return unix.Kill(pid, unix.SIGKILL) })
}

// Tgkill sends a signal to a thread of a guest process.
func Tgkill(pid, tid int, sig unix.Signal) error {
	if pid <= 1 || tid <= 1 {
		return unix.ESRCH
	}
	return host.Permitted(func() error { return unix.Tgkill(pid, tid, sig) })
}
