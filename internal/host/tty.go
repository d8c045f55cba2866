package host

import (
	"strconv"

	"golang.org/x/sys/unix"

	"sentinel/internal/abi/linux"
)

// IsTerminal reports whether fd is a terminal.
func IsTerminal(fd int) bool {
	_, err := unix.IoctlGetWinsize(fd, unix.TIOCGWINSZ)
	return err == nil
}

// GetTermios returns the modes of a terminal.
func GetTermios(fd int) (linux.Termios2, error) {
	k, err := unix.IoctlGetTermios(fd, unix.TCGETS2)
	if err != nil {
		return linux.Termios2{}, errno(err)
	}
	return linux.Termios2{
		Termios: linux.Termios{Iflag: k.Iflag, Oflag: k.Oflag, Cflag: k.Cflag, Lflag: k.Lflag, Line: k.Line, Cc: k.Cc},
		Ispeed:  k.Ispeed, Ospeed: k.Ospeed,
	}, nil
}

// SetTermios sets the modes of a terminal: when is 0 now, 1 after output is
// sent, 2 also dropping input.
func SetTermios(fd int, k *linux.Termios2, when uint32) error {
	h := unix.Termios{Iflag: k.Iflag, Oflag: k.Oflag, Cflag: k.Cflag, Lflag: k.Lflag, Line: k.Line, Cc: k.Cc, Ispeed: k.Ispeed, Ospeed: k.Ospeed}
	for {
		if err := unix.IoctlSetTermios(fd, uint(unix.TCSETS2+min(when, 2)), &h); err != unix.EINTR {
			return errno(err)
		}
	}
}

// GetWinsize returns the size of a terminal.
func GetWinsize(fd int) (linux.Winsize, error) {
	w, err := unix.IoctlGetWinsize(fd, unix.TIOCGWINSZ)
	if err != nil {
		return linux.Winsize{}, errno(err)
	}
	return linux.Winsize(*w), nil
}

// SetWinsize sets the size of a terminal.
func SetWinsize(fd int, w linux.Winsize) error {
	h := unix.Winsize(w)
	return errno(unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &h))
}

// TTYQueued returns how many bytes a terminal has to be read (FIONREAD) or has
// not sent yet (TIOCOUTQ).
func TTYQueued(fd int, output bool) (int, error) {
	req := uint(unix.TIOCINQ)
	if output {
		req = unix.TIOCOUTQ
	}
	n, err := unix.IoctlGetInt(fd, req)
	return n, errno(err)
}

// TTYFlush is tcflush(3) and TTYFlow tcflow(3); TTYDrain is tcdrain(3).
func TTYFlush(fd, queue int) error { return errno(unix.IoctlSetInt(fd, unix.TCFLSH, queue)) }

// TTYFlow is tcflow(3).
func TTYFlow(fd, action int) error { return errno(unix.IoctlSetInt(fd, unix.TCXONC, action)) }

// TTYDrain is tcdrain(3).
func TTYDrain(fd int) error { return errno(unix.IoctlSetInt(fd, unix.TCSBRK, 1)) }

// TTYForeground returns the foreground process group of a terminal that is the
// caller's controlling one.
func TTYForeground(fd int) (int, error) {
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPGRP)
	return n, errno(err)
}

// ProcessGroup returns our process group, and whether it is likely orphaned:
// our parent is of another session.
func ProcessGroup() (pgrp int, orphaned bool) {
	sid, err := unix.Getsid(0)
	psid, perr := unix.Getsid(unix.Getppid())
	return unix.Getpgrp(), err != nil || perr != nil || sid != psid
}

// ReopenTTY opens the terminal behind fd once more, without blocking, so that
// the mode of the shared description stays as it is. It fails where /proc or
// the right to open the terminal is missing.
func ReopenTTY(fd int) (int, error) {
	n, err := unix.Open("/proc/self/fd/"+strconv.Itoa(fd), unix.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	return n, errno(err)
}

// SameDevice reports whether two descriptors are of the same device node.
func SameDevice(a, b int) bool {
	var x, y unix.Stat_t
	return unix.Fstat(a, &x) == nil && unix.Fstat(b, &y) == nil && x.Mode&unix.S_IFMT == unix.S_IFCHR &&
		y.Mode&unix.S_IFMT == unix.S_IFCHR && x.Rdev == y.Rdev
}

// OpenPTY makes a pseudo-terminal of the host and returns master and slave,
// both closed on exec.
func OpenPTY() (master, slave int, err error) {
	m, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, -1, errno(err)
	}
	n := 0
	if err = unix.IoctlSetPointerInt(m, unix.TIOCSPTLCK, 0); err == nil {
		n, err = unix.IoctlGetInt(m, unix.TIOCGPTN)
	}
	if err == nil {
		slave, err = unix.Open("/dev/pts/"+strconv.Itoa(n), unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	}
	if err != nil {
		unix.Close(m)
		return -1, -1, errno(err)
	}
	return m, slave, nil
}

// TakeTTY makes the terminal our controlling one in a new session.
func TakeTTY(fd int) error {
	if _, err := unix.Setsid(); err != nil && err != unix.EPERM {
		return errno(err)
	}
	return errno(unix.IoctlSetInt(fd, unix.TIOCSCTTY, 0))
}

// StopSelf stops this process, as a shell's job, until SIGCONT.
func StopSelf() error { return errno(unix.Kill(unix.Getpid(), unix.SIGSTOP)) }
