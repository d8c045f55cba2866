package jail

import "golang.org/x/sys/unix"

const auditArch = unix.AUDIT_ARCH_X86_64

// archRules are calls that only amd64 has. Thread pointers of guests are set
// by arch_prctl where user code may not.
func archRules() []rule {
	return append(always(unix.SYS_POLL, unix.SYS_EPOLL_WAIT, unix.SYS_DUP2, unix.SYS_FORK, unix.SYS_VFORK, unix.SYS_GETPGRP, unix.SYS_PAUSE),
		when(unix.SYS_PTRACE, is(0, unix.PTRACE_GETREGS, unix.PTRACE_SETREGS, unix.PTRACE_GETFPREGS, unix.PTRACE_SETFPREGS)),
		when(unix.SYS_ARCH_PRCTL, is(0, archSetFS, archGetFS, archSetGS, archGetGS)))
}

// Of arch/x86/include/uapi/asm/prctl.h.
const (
	archSetGS = 0x1001
	archSetFS = 0x1002
	archGetFS = 0x1003
	archGetGS = 0x1004
)
