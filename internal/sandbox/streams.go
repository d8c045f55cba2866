package sandbox

import (
	"errors"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"sentinel/internal/abi/linux"
	hostfs "sentinel/internal/fs/host"
	"sentinel/internal/host"
	"sentinel/internal/hostpoll"
	"sentinel/internal/task"
	"sentinel/internal/tty"
	"sentinel/internal/vfs"
)

// streams are the caller's standard streams in the sandbox.
type streams struct {
	term *tty.Host // nil if none of them is a terminal
	fds  [3]*vfs.File
}

// openStreams makes files of the caller's descriptors 0 to 2. The originals
// stay ours, for messages.
func openStreams(c *Config, ttys *tty.System, poll *hostpoll.Poller) (*streams, error) {
	s := &streams{}
	termFD := -1
	for fd := range s.fds {
		flags, err := host.FileFlags(fd)
		if err != nil {
			continue // closed
		}
		if host.IsTerminal(fd) && (termFD < 0 || host.SameDevice(fd, termFD)) {
			if s.term == nil {
				if s.term, err = ttys.NewHost(poll, fd); err != nil {
					return nil, err
				}
				termFD = fd
			}
			s.fds[fd] = s.term.NewFile(uint32(flags))
			continue
		}
		dup, err := host.Dup(fd)
		if err != nil {
			return nil, err
		}
		f, err := hostfs.NewFileFromFD(poll, dup, streamName(fd))
		if err != nil {
			host.Close(dup)
			c.Log.Warn("a standard stream cannot be passed on", "fd", fd, "error", err)
			continue
		}
		s.fds[fd] = f
	}
	return s, nil
}

// streamName is the path of a descriptor's file, for /proc/PID/fd; none for
// pipes and sockets.
func streamName(fd int) string {
	s, err := os.Readlink("/proc/self/fd/" + strconv.Itoa(fd))
	if err != nil || !strings.HasPrefix(s, "/") {
		return ""
	}
	return s
}

// install puts the files into a descriptor table.
func (s *streams) install(t *vfs.FDTable) error {
	for fd, f := range s.fds {
		if f == nil {
			continue
		}
		if err := t.InstallAt(int32(fd), f, false); err != nil {
			return err
		}
	}
	return nil
}

// ignoredSignals returns those that the caller has set to be ignored (nohup),
// which the guest's first process inherits.
func ignoredSignals() (ignored []syscall.Signal) {
	for _, sig := range []syscall.Signal{syscall.SIGHUP, syscall.SIGINT} {
		if host.SignalIgnored(sig) {
			ignored = append(ignored, sig)
		}
	}
	return ignored
}

// forwardSignals passes on what the caller sends to the supervisor. Signals of
// the terminal go to the guest's foreground job, others to its first process.
// Nothing is undone at the end, which is that of the supervisor too. A signal
// that comes before has its default effect.
func (s *streams) forwardSignals(k *task.Kernel) error {
	sigs := []syscall.Signal{syscall.SIGTERM, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGALRM, syscall.SIGVTALRM, syscall.SIGQUIT,
		syscall.SIGWINCH, syscall.SIGCONT, syscall.SIGTSTP, syscall.SIGPROF, syscall.SIGIO, syscall.SIGPWR}
	ignored := ignoredSignals()
	for _, sig := range []syscall.Signal{syscall.SIGHUP, syscall.SIGINT} {
		if !slices.Contains(ignored, sig) {
			sigs = append(sigs, sig)
		}
	}
	if s.term != nil && s.term.JobControl() {
		for _, sig := range []syscall.Signal{syscall.SIGTTIN, syscall.SIGTTOU} {
			if err := host.IgnoreSignal(sig); err != nil {
				return err
			}
		}
	}
	caught, err := host.CatchSignals(sigs)
	if err != nil {
		return err
	}
	host.Go(func() {
		var nums [64]byte
		for {
			n, err := caught.Read(nums[:])
			if err != nil {
				panic("signals: " + err.Error()) // it has no end
			}
			for _, sig := range nums[:n] {
				s.forward(k, syscall.Signal(sig))
			}
		}
	})
	return nil
}

func (s *streams) forward(k *task.Kernel, sig syscall.Signal) {
	if s.term != nil {
		switch sig {
		case syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTSTP, syscall.SIGWINCH, syscall.SIGHUP, syscall.SIGCONT:
			s.term.Signal(int(sig))
			return
		}
	}
	if sig == syscall.SIGWINCH {
		return
	}
	k.SignalFromOutside(int(sig))
	if sig == syscall.SIGTSTP {
		// Without a terminal the guest's stop is not ours to see.
		_ = host.StopSelf()
	}
}

// unwrapPath returns the cause of an error of package os as an error number.
func unwrapPath(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		if e, ok := pe.Err.(syscall.Errno); ok {
			return linux.Errno(e)
		}
		return pe.Err
	}
	return nil
}
