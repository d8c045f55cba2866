package task

import "sentinel/internal/signal"

// WaitStatus is a wait status word, as wait(2) describes it.
type WaitStatus uint32

func exitedWith(code int) WaitStatus { return WaitStatus(code&0xff) << 8 }

// killedBy is the status of a process killed by sig.
func killedBy(sig int) WaitStatus { return WaitStatus(sig & 0x7f) }

const coreFlag WaitStatus = 0x80

func stoppedBy(sig int) WaitStatus { return WaitStatus(sig)<<8 | 0x7f }

const continued WaitStatus = 0xffff

// Exited reports a normal end and its code.
func (w WaitStatus) Exited() bool { return w&0x7f == 0 }

// ExitCode is the code of a normal end.
func (w WaitStatus) ExitCode() int { return int(w>>8) & 0xff }

// Signal is the signal that killed, 0 if none did.
func (w WaitStatus) Signal() int {
	if s := int(w & 0x7f); s != 0x7f {
		return s
	}
	return 0
}

// Core reports whether a core would have been dumped.
func (w WaitStatus) Core() bool { return w.Signal() != 0 && w&coreFlag != 0 }

// childCode is the si_code and si_status of the SIGCHLD for the status.
func (w WaitStatus) childCode() (code, status int32) {
	switch {
	case w.Exited():
		return signal.CldExited, int32(w.ExitCode())
	case w.Core():
		return signal.CldDumped, int32(w.Signal())
	}
	return signal.CldKilled, int32(w.Signal())
}
