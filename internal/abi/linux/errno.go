package linux

// Errno is a Linux error number, the only kind of error that a system-call
// handler returns to the guest. The zero value is no error.
type Errno uint16

// Internal restart codes, from include/linux/errno.h. They never reach the
// guest: the task's run loop turns them into a restart or EINTR.
const (
	ERESTARTSYS           Errno = 512 // restart if SA_RESTART or no handler runs
	ERESTARTNOINTR        Errno = 513 // always restart
	ERESTARTNOHAND        Errno = 514 // restart only if no handler runs
	ERESTART_RESTARTBLOCK Errno = 516 // restart by restart_syscall(2)
)

// Error returns the text of strerror(3).
func (e Errno) Error() string {
	if int(e) < len(errnoText) && errnoText[e].text != "" {
		return errnoText[e].text
	}
	return e.Name()
}

// Name returns the symbolic name, such as "ENOENT".
func (e Errno) Name() string {
	switch e {
	case 0:
		return "OK"
	case ERESTARTSYS:
		return "ERESTARTSYS"
	case ERESTARTNOINTR:
		return "ERESTARTNOINTR"
	case ERESTARTNOHAND:
		return "ERESTARTNOHAND"
	case ERESTART_RESTARTBLOCK:
		return "ERESTART_RESTARTBLOCK"
	}
	if int(e) < len(errnoText) && errnoText[e].name != "" {
		return errnoText[e].name
	}
	n, i := [8]byte{}, 8
	for v := uint(e); i == 8 || v > 0; v /= 10 {
		i--
		n[i] = byte('0' + v%10)
	}
	return "E#" + string(n[i:])
}
