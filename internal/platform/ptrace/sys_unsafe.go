package ptrace

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"sentinel/internal/abi/linux"
	"sentinel/internal/arch"
)

// Requests that x/sys has no name for.
const (
	ptraceSysemu     = 31
	ptraceGetSysInfo = 0x420e
	ntX86XState      = 0x202
)

// syscallInfo is struct ptrace_syscall_info for PTRACE_SYSCALL_INFO_ENTRY.
type syscallInfo struct {
	op     uint8
	_      [3]uint8
	arch   uint32
	pc, sp uint64
	nr     uint64
	args   [6]uint64
	_      uint64
}

const (
	infoEntry   = 1
	archX86_64  = 0xc000003e
	offsetOfRAX = unsafe.Offsetof(arch.Regs{}.RAX)
)

// ptraceCall makes a request that takes no pointer of ours. Requests do not
// sleep, so the runtime need not know of them.
func ptraceCall(req int, tid int, addr, data uintptr) error {
	_, _, e := unix.RawSyscall6(unix.SYS_PTRACE, uintptr(req), uintptr(tid), addr, data, 0, 0)
	return failure(e)
}

// The calls below convert their pointers in the call of RawSyscall6 itself and
// nowhere earlier: what they point to may be on the goroutine's stack, which
// any other call may move.

func getRegs(tid int, r *arch.Regs) error {
	// SAFETY: arch.Regs has the layout of struct user_regs_struct, which
	// PTRACE_GETREGS fills.
	_, _, e := unix.RawSyscall6(unix.SYS_PTRACE, unix.PTRACE_GETREGS, uintptr(tid), 0, uintptr(unsafe.Pointer(r)), 0, 0)
	return failure(e)
}

func setRegs(tid int, r *arch.Regs) error {
	// SAFETY: as in getRegs; the kernel only reads.
	_, _, e := unix.RawSyscall6(unix.SYS_PTRACE, unix.PTRACE_SETREGS, uintptr(tid), 0, uintptr(unsafe.Pointer(r)), 0, 0)
	return failure(e)
}

func getSyscallInfo(tid int, i *syscallInfo) error {
	// SAFETY: the size passed is that of i.
	_, _, e := unix.RawSyscall6(unix.SYS_PTRACE, ptraceGetSysInfo, uintptr(tid), unsafe.Sizeof(*i), uintptr(unsafe.Pointer(i)), 0, 0)
	return failure(e)
}

func getSigInfo(tid int, b *[128]byte) error {
	// SAFETY: a siginfo_t has 128 bytes.
	_, _, e := unix.RawSyscall6(unix.SYS_PTRACE, unix.PTRACE_GETSIGINFO, uintptr(tid), 0, uintptr(unsafe.Pointer(b)), 0, 0)
	return failure(e)
}

func getXState(tid int, b []byte) (int, error) {
	v := unix.Iovec{Base: &b[0]}
	v.SetLen(len(b))
	// SAFETY: the kernel writes at most v.Len bytes to b and the length to v.
	_, _, e := unix.RawSyscall6(unix.SYS_PTRACE, unix.PTRACE_GETREGSET, uintptr(tid), ntX86XState, uintptr(unsafe.Pointer(&v)), 0, 0)
	return int(v.Len), failure(e)
}

func setXState(tid int, b []byte) error {
	v := unix.Iovec{Base: &b[0]}
	v.SetLen(len(b))
	// SAFETY: the kernel only reads b.
	_, _, e := unix.RawSyscall6(unix.SYS_PTRACE, unix.PTRACE_SETREGSET, uintptr(tid), ntX86XState, uintptr(unsafe.Pointer(&v)), 0, 0)
	return failure(e)
}

func failure(e unix.Errno) error {
	if e != 0 {
		return linux.Errno(e)
	}
	return nil
}

// wait waits for thread tid to stop or end, and stores what its process has used
// in use, if that is not nil.
func wait(tid int, use *unix.Rusage) (uint32, error) {
	var st uint32
	for {
		// SAFETY: the kernel writes 4 bytes to st, and use is a struct rusage.
		_, _, e := syscall.Syscall6(unix.SYS_WAIT4, uintptr(tid), uintptr(unsafe.Pointer(&st)), unix.WALL, uintptr(unsafe.Pointer(use)), 0, 0)
		if e == 0 {
			return st, nil
		}
		if e != unix.EINTR {
			return 0, linux.Errno(e)
		}
	}
}

func orderBytes[T any](v []T) []byte {
	// SAFETY: T is a plain structure; the slice covers exactly v.
	return unsafe.Slice((*byte)(unsafe.Pointer(&v[0])), uintptr(len(v))*unsafe.Sizeof(v[0]))
}
