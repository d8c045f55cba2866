package host

import (
	"os"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// signalPipe is where the handler writes the numbers of signals.
var signalPipe int32

// signalCode returns the handler, and what it returns to if the host asks for
// that. They are the host's to call.
func signalCode() (entry, restorer uintptr)

// CatchSignals has the signals come out of the file that it returns, a byte with
// the number for each. It is called once.
//
// Package os/signal would do, but it switches threads twice for each signal
// that it takes on, and keeps two of them; it brings package context along. Its
// handler finds out whether the signal is one of the Go runtime's own, which
// these must not be.
func CatchSignals(sigs []unix.Signal) (*os.File, error) {
	var p [2]int
	// Where nobody reads for so long that the pipe is full, a signal is lost
	// rather than the thread that it came to.
	if err := unix.Pipe2(p[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		return nil, errno(err)
	}
	atomic.StoreInt32(&signalPipe, int32(p[1]))
	entry, restorer := signalCode()
	var set uint64
	for _, sig := range sigs {
		set |= 1 << (sig - 1)
		if err := handle(sig, entry, restorer); err != nil {
			return nil, err
		}
	}
	// The caller may have started us with some blocked. One thread that takes
	// them is enough.
	// SAFETY: set is read only.
	if _, _, e := unix.RawSyscall6(unix.SYS_RT_SIGPROCMASK, unix.SIG_UNBLOCK, uintptr(unsafe.Pointer(&set)), 0, 8, 0, 0); e != 0 {
		return nil, errno(e)
	}
	return os.NewFile(uintptr(p[0]), "signals"), nil
}

// sigaction is the host's structure of that name.
type sigaction struct {
	handler, flags, restorer uintptr
	mask                     uint64
}

const sigIgn = 1

// SignalIgnored reports whether the host drops a signal that comes, as a caller
// may have arranged: the Go runtime leaves it at that.
func SignalIgnored(sig unix.Signal) bool {
	var act sigaction
	// SAFETY: act is the host's struct sigaction, which is written only.
	_, _, e := unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(sig), 0, uintptr(unsafe.Pointer(&act)), 8, 0, 0)
	return e == 0 && act.handler == sigIgn
}

// IgnoreSignal has the host drop a signal, which is none of the Go runtime's.
func IgnoreSignal(sig unix.Signal) error { return handle(sig, sigIgn, 0) }

// handle has the host call code for a signal.
func handle(sig unix.Signal, code, restorer uintptr) error {
	const onStack, restart, hasRestorer = 0x08000000, 0x10000000, 0x04000000
	act := sigaction{code, onStack | restart, restorer, ^uint64(0)}
	if restorer != 0 {
		act.flags |= hasRestorer
	}
	// SAFETY: act is the host's struct sigaction, which is read only. The handler
	// runs on the stack for signals that the Go runtime gives each of its
	// threads, needs little of it, and touches nothing of the runtime's; the host
	// puts all registers back when it returns.
	_, _, e := unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(sig), uintptr(unsafe.Pointer(&act)), 0, 8, 0, 0)
	if e != 0 {
		return errno(e)
	}
	return nil
}
