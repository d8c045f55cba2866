// Package signal holds signal numbers, sets and information as values. Queues
// and delivery are package task's.
package signal

import "encoding/binary"

// Signal numbers, from arch/x86/include/uapi/asm/signal.h; the same on arm64.
const (
	SIGHUP    = 1
	SIGINT    = 2
	SIGQUIT   = 3
	SIGILL    = 4
	SIGTRAP   = 5
	SIGABRT   = 6
	SIGBUS    = 7
	SIGFPE    = 8
	SIGKILL   = 9
	SIGUSR1   = 10
	SIGSEGV   = 11
	SIGUSR2   = 12
	SIGPIPE   = 13
	SIGALRM   = 14
	SIGTERM   = 15
	SIGSTKFLT = 16
	SIGCHLD   = 17
	SIGCONT   = 18
	SIGSTOP   = 19
	SIGTSTP   = 20
	SIGTTIN   = 21
	SIGTTOU   = 22
	SIGURG    = 23
	SIGXCPU   = 24
	SIGXFSZ   = 25
	SIGVTALRM = 26
	SIGPROF   = 27
	SIGWINCH  = 28
	SIGIO     = 29
	SIGPWR    = 30
	SIGSYS    = 31
	SIGRTMIN  = 32 // the kernel's; libc keeps the first few
	SIGRTMAX  = 64
	Max       = 64
)

var names = [...]string{1: "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE", "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS"}

// Name returns the name with its prefix, as "SIGINT" or "SIGRT_3".
func Name(sig int) string {
	switch {
	case sig > 0 && sig < len(names):
		return "SIG" + names[sig]
	case sig >= SIGRTMIN && sig <= SIGRTMAX:
		return "SIGRT_" + itoa(sig-SIGRTMIN)
	}
	return "SIG" + itoa(sig)
}

func itoa(n int) string {
	if n < 10 {
		return string(rune('0' + n))
	}
	return itoa(n/10) + string(rune('0'+n%10))
}

// Valid reports whether sig is a signal number.
func Valid(sig int) bool { return sig >= 1 && sig <= Max }

// Set is a set of signals: bit n-1 is signal n.
type Set uint64

// Unblockable are the signals that cannot be caught, blocked or ignored.
const Unblockable = Set(1<<(SIGKILL-1) | 1<<(SIGSTOP-1))

// Of returns the set of the given signals.
func Of(sigs ...int) Set {
	s := Set(0)
	for _, n := range sigs {
		if Valid(n) {
			s |= 1 << (n - 1)
		}
	}
	return s
}

// Has reports whether sig is in the set; what is no signal is in none.
func (s Set) Has(sig int) bool { return Valid(sig) && s>>(sig-1)&1 != 0 }

// si_code values of include/uapi/asm-generic/siginfo.h.
const (
	SIUser     = 0
	SIKernel   = 0x80
	SIQueue    = -1
	SITimer    = -2
	SIMesgq    = -3
	SIAsyncIO  = -4
	SISigIO    = -5
	SITkill    = -6
	SegvMapErr = 1
	SegvAccErr = 2
	TrapBrkpt  = 1
	CldExited  = 1
	CldKilled  = 2
	CldDumped  = 3
	CldTrapped = 4
	CldStopped = 5
	CldCont    = 6
	PollIn     = 1
)

// Info is a siginfo. Which fields mean something depends on Signo and Code, as
// in sigaction(2).
type Info struct {
	Signo int32
	Errno int32
	Code  int32

	PID     int32 // kill, SIGCHLD
	UID     uint32
	Status  int32 // SIGCHLD
	UTime   int64 // SIGCHLD, clock ticks
	STime   int64
	Value   uint64 // sigqueue, timers, mqueue
	TimerID int32
	Overrun int32
	Addr    uint64 // faults
	Band    int64  // SIGIO
	FD      int32

	// raw holds the union as a guest gave it to rt_sigqueueinfo.
	Raw    [112]byte
	HasRaw bool
}

// Size is sizeof(siginfo_t).
const Size = 128

// Marshal returns the guest's siginfo_t.
func (i *Info) Marshal() (b [Size]byte) {
	le := binary.LittleEndian
	le.PutUint32(b[0:], uint32(i.Signo))
	le.PutUint32(b[4:], uint32(i.Errno))
	le.PutUint32(b[8:], uint32(i.Code))
	if i.HasRaw {
		copy(b[16:], i.Raw[:])
		return b
	}
	switch {
	case i.Code == SITimer:
		le.PutUint32(b[16:], uint32(i.TimerID))
		le.PutUint32(b[20:], uint32(i.Overrun))
		le.PutUint64(b[24:], i.Value)
	case i.Code == SIUser || i.Code == SITkill || i.Code < 0 && i.Code != SISigIO:
		le.PutUint32(b[16:], uint32(i.PID))
		le.PutUint32(b[20:], i.UID)
		le.PutUint64(b[24:], i.Value)
	case i.Signo == SIGCHLD && i.Code != SIKernel:
		le.PutUint32(b[16:], uint32(i.PID))
		le.PutUint32(b[20:], i.UID)
		le.PutUint32(b[24:], uint32(i.Status))
		le.PutUint64(b[32:], uint64(i.UTime))
		le.PutUint64(b[40:], uint64(i.STime))
	case i.Signo == SIGIO || i.Code == SISigIO:
		le.PutUint64(b[16:], uint64(i.Band))
		le.PutUint32(b[24:], uint32(i.FD))
	default:
		le.PutUint64(b[16:], i.Addr)
	}
	return b
}

// Unmarshal reads a siginfo_t that a guest made for rt_sigqueueinfo(2).
func Unmarshal(b *[Size]byte) Info {
	le := binary.LittleEndian
	i := Info{
		Signo: int32(le.Uint32(b[0:])), Errno: int32(le.Uint32(b[4:])), Code: int32(le.Uint32(b[8:])),
		PID: int32(le.Uint32(b[16:])), UID: le.Uint32(b[20:]), Value: le.Uint64(b[24:]), HasRaw: true,
	}
	copy(i.Raw[:], b[16:])
	return i
}
