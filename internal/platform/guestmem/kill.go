package guestmem

import "golang.org/x/sys/unix"

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
	unix.Kill(pid, unix.SIGKILL)
}
