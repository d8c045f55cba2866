// Package platform is the contract between the kernel and the machinery that
// runs guest code. The kernel knows nothing of how a platform traps a system
// call; a platform knows nothing of what a call means.
//
// A guest process is a host process of ours that never runs the supervisor's
// code. Its memory is ordinary private host memory: the kernel checks what the
// guest asks for and has the guest process itself make the host call.
//
// Everything in a guest process is hostile. A platform returns registers and
// memory as values, copied once.
package platform

import (
	"sync"

	"sentinel/internal/arch"
	"sentinel/internal/usermem"
)

// Platform makes guest processes.
type Platform interface {
	// Name is the name of the --platform flag.
	Name() string
	// Runner returns what runs the functions that serve threads; nil if each needs
	// a goroutine locked to an OS thread. It may change with the first NewProcess.
	Runner() Runner
	// NewProcess starts a guest process with an empty address space (the
	// platform's own pages aside) and one thread. It must be called on the
	// goroutine that will run the thread, locked to its OS thread if there is no
	// Runner.
	NewProcess() (Thread, error)
	// Handovers returns how often guests have handed over to the supervisor, and
	// how many calls they say that they have answered themselves.
	Handovers() (n, local uint64)
	// Release frees what the platform holds, after all processes are gone.
	Release()
}

// Preparer is a Platform that can make in advance what the next process needs.
type Preparer interface {
	// Prepare does so, which takes a while.
	Prepare()
}

// Parker is how what serves a thread waits. Park returns after an Unpark, of which
// one may come before, or for no reason. Unpark may be called from any goroutine.
type Parker interface {
	Park()
	Unpark()
}

// Runner is a Platform that runs what serves its threads, so that many need few OS
// threads of the supervisor. Functions that it runs may not lock theirs.
type Runner interface {
	// Go has fn run beside others. Do runs fn to its end, and others meanwhile.
	Go(fn func(Parker))
	Do(fn func(Parker))
}

// Overlapper is a Thread whose guest goes on by itself once it was told to.
type Overlapper interface {
	// Then has the next Run call fn as soon as the guest goes on, or as it
	// turns out that it does not.
	Then(fn func())
}

// Beginner is a Platform that can start the first process before it is asked for,
// so that the host makes it while the supervisor does something else.
type Beginner interface {
	// Begin does so. It must be called on an OS thread that may run guests.
	Begin()
}

// Wait is how the kernel waits on behalf of a thread whose call it serves.
type Wait uint8

const (
	// NoWait: the call will soon be done.
	NoWait Wait = iota
	// Parked: it will take a while, in which nobody's OS thread waits.
	Parked
	// Asleep: it will take a while, in which the caller's OS thread sleeps.
	Asleep
)

// Lock locks mu, which its holder may keep while the guest does something, on behalf
// of th: while it waits, what serves the guest may serve others.
func Lock(th Thread, mu interface {
	sync.Locker
	TryLock() bool
}) {
	if mu.TryLock() {
		return
	}
	th.Waits(Asleep)
	mu.Lock()
	th.Waits(NoWait)
}

// EventKind tells why Run returned.
type EventKind uint8

const (
	// Syscall: the thread made a system call; Thread.Syscall has it.
	Syscall EventKind = iota + 1
	// Fault: the processor raised an exception; Event has the signal.
	Fault
	// Interrupted: Interrupt was called.
	Interrupted
	// Dead: the host thread is gone (killed from outside, or by its filter);
	// Event may have the signal.
	Dead
)

// Event is the end of one run of guest code.
type Event struct {
	Kind EventKind
	// For Fault: the signal that Linux would send, its si_code and si_addr,
	// and the processor's trap number and error code for the frame.
	Signal  int
	Code    int32
	Addr    uint64
	TrapNo  uint64
	ErrCode uint64
}

// SyscallArgs are the number and arguments of a call.
type SyscallArgs struct {
	Nr   uint64
	Args [6]uint64
	// Foreign tells that the call came by another ABI than the native 64-bit
	// one (int $0x80, x32), which the kernel does not serve.
	Foreign bool
}

// HostCall is a host system call for the guest process to make. The kernel has
// checked it. Nr is the host's number.
type HostCall struct {
	Nr   uint64
	Args [6]uint64
	// File, if HasFile, is a host descriptor of the supervisor's that
	// stands for argument 4 of mmap.
	File    int
	HasFile bool
	// Same, if not zero, tells which file File is: a later call with the
	// same value may use the descriptor of an earlier one, which a platform
	// may leave open in the guest process. Only for files that the guest
	// can do nothing with but read.
	Same FileID
}

// FileID identifies a file of the host's while a descriptor of it is open.
type FileID struct{ Dev, Ino uint64 }

// AddressSpace is the memory of a guest process.
type AddressSpace interface {
	usermem.Memory
	// HostPID is the host's id of a process that has this memory, for
	// /proc/PID/maps.
	HostPID() int
	// Reserved is the range that belongs to the platform, which the kernel
	// keeps the guest from mapping over.
	Reserved() (start, end uint64)
	// Auxv returns an entry of the auxiliary vector that the host gave the
	// process (linux.AT_SYSINFO_EHDR, AT_HWCAP, AT_MINSIGSTKSZ...), 0 if none.
	Auxv(tag uint64) uint64
	// CompareAndSwap exchanges the 32-bit word at addr atomically if it holds
	// old, and returns what it held.
	// It is executed by th, a thread of this space that is not running.
	CompareAndSwap(th Thread, addr uint64, old, new uint32) (uint32, error)
}

// Sleeper is a Thread of a platform that makes some calls which sleep itself.
// Sleeping may be called from any goroutine, and tells what the guest says.
type Sleeper interface {
	Sleeping() bool
}

// Finisher is a Thread that can make a host call as the last step of the guest's.
type Finisher interface {
	// CallLast has the guest thread make c as it goes on; the guest's call
	// returns what c does, whatever SetReturn says next. It reports false, and
	// has done nothing, if that cannot be so now.
	CallLast(c HostCall) bool
}

// FileReader is a Thread that can read a file itself, as it can map one.
type FileReader interface {
	// ReadFile reads n bytes at off of the supervisor's descriptor file to addr,
	// and returns how many there were. same is as in HostCall.
	ReadFile(file int, same FileID, addr, n uint64, off int64) (uint64, error)
}

// CloneArgs describe a new thread or process.
type CloneArgs struct {
	// SameMemory: the child shares the address space. Otherwise it gets a
	// copy-on-write copy.
	SameMemory bool
	// SameProcess: the child is a thread of the parent's host process
	// (implies SameMemory).
	SameProcess bool
	// ClearTID, if not 0, is the address that the host zeroes and wakes as a
	// futex when the child's thread exits.
	ClearTID uint64
}

// IDs are the answers of the calls that ask for ids.
type IDs struct {
	PID, TID             int32
	UID, EUID, GID, EGID uint32
}

// Thread is a host thread that runs guest code. Except for Interrupt, Kill and
// HostTID its methods are called from one goroutine at a time. Without a Runner that
// goroutine is locked to its OS thread from the first call that touches the host
// thread on.
type Thread interface {
	AddressSpace() AddressSpace
	// Memory is the address space as the thread's own goroutine best reaches
	// it during a call: some of it may have come with the call.
	Memory() usermem.Memory
	// RunBy gives a thread of a Runner's platform what the calling function waits
	// by, which comes before Attach. With nil the caller blocks; there may be no
	// other thread then.
	RunBy(Parker)
	// Attach makes the calling OS thread the one that runs the thread. It is
	// the first call after Clone.
	Attach() error
	// Run resumes the thread until the next event.
	Run() Event
	// Syscall returns the call of the last Syscall event. The values are
	// copies.
	Syscall() *SyscallArgs
	// SetReturn sets the result register for the next Run, without the cost
	// of Regs.
	SetReturn(v uint64)
	// Regs returns the registers for reading and writing; they are loaded on
	// the first call after an event and stored by the next Run.
	Regs() *arch.Regs
	// ReadFPState returns the extended state in the form of XSAVE (amd64);
	// the slice is valid until the next call.
	ReadFPState() ([]byte, error)
	// WriteFPState sets it. The content is hostile; an error means that the
	// host refused it.
	WriteFPState(b []byte) error
	// Call has the guest thread make host calls, one after the other until
	// one fails, and returns the result of the last one made (a negative
	// errno as linux.Errno in err). Registers are preserved.
	Call(calls ...HostCall) (ret uint64, err error)
	// BlockingCall is Call of one call that may sleep. Interrupt makes it
	// return linux.ERESTARTSYS, or ERESTART_RESTARTBLOCK where the host says
	// so.
	BlockingCall(c HostCall) (ret uint64, err error)
	// Scratch returns the address of 64 bytes of guest memory that are free
	// for arguments of calls by this thread.
	Scratch() uint64
	// Clone makes a thread or process whose registers are those of this
	// thread; the child must be attached on its own goroutine before use.
	Clone(a CloneArgs) (Thread, error)
	// SetClearTID is CloneArgs.ClearTID for a thread that exists.
	SetClearTID(addr uint64) error
	// Interrupt makes the current or next Run or BlockingCall return soon.
	// It may be called from any goroutine.
	Interrupt()
	// SetIDs gives the thread what getpid(2), gettid(2), getuid(2) and so on
	// return, so that a platform may answer them itself.
	SetIDs(ids IDs)
	// Observe has every call come to the kernel, and results be in memory as soon
	// as they are copied out: somebody looks at each.
	Observe()
	// Waits tells that the kernel is about to wait on the thread's behalf, or has
	// done so, and what that keeps from serving others.
	Waits(Wait)
	// Exit ends the host thread, and the host process with its last one.
	Exit()
	// Abandon ends a thread that Clone made and nobody attached.
	Abandon()
	// Kill ends the host process of the thread. From any goroutine.
	Kill()
	// HostTID is the host's id of the thread.
	HostTID() int
	// PeakRSS returns the largest resident size in bytes that the host process
	// has had. It reports false before that has ended, but for one that is about
	// to, which it waits for if told to. From any goroutine, also after Exit.
	PeakRSS(wait bool) (uint64, bool)
	// CPUTime returns the CPU time of the host process in nanoseconds. From
	// any goroutine.
	CPUTime() (user, system int64)
}
