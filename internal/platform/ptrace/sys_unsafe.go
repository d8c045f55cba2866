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

// ptraceCall makes a request that takes no pointer of ours. It does not sleep,
// so the runtime need not know.
func ptraceCall(req int, tid int, addr, data uintptr) error {
	if _, _, e := unix.RawSyscall6(unix.SYS_PTRACE, uintptr(req), uintptr(tid), addr, data, 0, 0); e != 0 {
		return linux.Errno(e)
	}
	return nil
}

func getRegs(tid int, r *arch.Regs) error {
	// SAFETY: arch.Regs has the layout of struct user_regs_struct, which
	// PTRACE_GETREGS fills.
	return ptraceCall(unix.PTRACE_GETREGS, tid, 0, uintptr(unsafe.Pointer(r)))
}

func setRegs(tid int, r *arch.Regs) error {
	// SAFETY: as in getRegs; the kernel only reads.
	return ptraceCall(unix.PTRACE_SETREGS, tid, 0, uintptr(unsafe.Pointer(r)))
}

func getSyscallInfo(tid int, i *syscallInfo) error {
	// SAFETY: the size passed is that of i.
	return ptraceCall(ptraceGetSysInfo, tid, unsafe.Sizeof(*i), uintptr(unsafe.Pointer(i)))
}

func getSigInfo(tid int, b *[128]byte) error {
	// SAFETY: a siginfo_t has 128 bytes.
	return ptraceCall(unix.PTRACE_GETSIGINFO, tid, 0, uintptr(unsafe.Pointer(b)))
}

func getXState(tid int, b []byte) (int, error) {
	v := unix.Iovec{Base: &b[0]}
	v.SetLen(len(b))
	// SAFETY: the kernel writes at most v.Len bytes to b and the length to v.
	err := ptraceCall(unix.PTRACE_GETREGSET, tid, ntX86XState, uintptr(unsafe.Pointer(&v)))
	return int(v.Len), err
}

func setXState(tid int, b []byte) error {
	v := unix.Iovec{Base: &b[0]}
	v.SetLen(len(b))
	// SAFETY: the kernel only reads b.
	return ptraceCall(unix.PTRACE_SETREGSET, tid, ntX86XState, uintptr(unsafe.Pointer(&v)))
}

// wait waits for thread tid to stop or end.
func wait(tid int) (uint32, error) {
	var st uint32
	for {
		// SAFETY: the kernel writes 4 bytes to st.
		_, _, e := syscall.Syscall6(unix.SYS_WAIT4, uintptr(tid), uintptr(unsafe.Pointer(&st)), unix.WALL, 0, 0, 0)
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
