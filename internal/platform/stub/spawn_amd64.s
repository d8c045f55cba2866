#include "textflag.h"

// func rawSpawn(a *spawnArgs) int
//
// Signals are blocked from before the clone until the parent goes on (the child
// must run no handler of ours in shared memory); the stub unblocks them. The
// child has no stack of its own and needs none.
TEXT ·rawSpawn(SB),NOSPLIT,$0-16
	MOVQ a+0(FP), R12
	MOVL $2, DI            // SIG_SETMASK
	LEAQ 32(R12), SI
	LEAQ 40(R12), DX
	MOVL $8, R10
	MOVL $14, AX           // rt_sigprocmask
	SYSCALL
	MOVQ 72(R12), DI
	XORL SI, SI
	XORL DX, DX
	XORL R10, R10
	XORL R8, R8
	XORL R9, R9
	MOVL $56, AX           // clone
	SYSCALL
	TESTQ AX, AX
	JZ   child
	MOVQ AX, R13
	MOVL $2, DI
	LEAQ 40(R12), SI
	XORL DX, DX
	MOVL $8, R10
	MOVL $14, AX
	SYSCALL
	MOVQ R13, ret+8(FP)
	RET
child:
	MOVQ 56(R12), AX
	TESTQ AX, AX
	JZ   untraced
	// If the supervisor has died, whoever inherits the child would become
	// its tracer and the child stop for it for ever.
	MOVL $1, DI            // PR_SET_PDEATHSIG
	MOVL $9, SI            // SIGKILL
	XORL DX, DX
	XORL R10, R10
	XORL R8, R8
	MOVL $157, AX          // prctl
	SYSCALL
	MOVL $110, AX          // getppid
	SYSCALL
	MOVQ AX, R14
	MOVL $3, AX            // ESRCH, for fail
	NEGQ AX
	CMPQ R14, 56(R12)
	JNE  fail
	XORL DI, DI            // PTRACE_TRACEME
	XORL SI, SI
	XORL DX, DX
	XORL R10, R10
	MOVL $101, AX          // ptrace
	SYSCALL
	TESTQ AX, AX
	JNZ  fail
untraced:
	XORL DI, DI
	XORL SI, SI
	MOVL $109, AX          // setpgid(0, 0)
	SYSCALL
	MOVQ 8(R12), DI
	XORL SI, SI
	XORL DX, DX
	MOVL $292, AX          // dup3
	SYSCALL
	MOVL $1, R14           // first descriptor to close
	MOVQ 48(R12), DI
	TESTQ DI, DI
	JLT  nomem
	MOVL $1, SI
	XORL DX, DX
	MOVL $292, AX          // dup3
	SYSCALL
	MOVL $2, R14
nomem:
	MOVL R14, DI
	MOVL $-1, SI
	MOVL $4, DX            // CLOSE_RANGE_CLOEXEC
	MOVL $436, AX          // close_range
	SYSCALL
	MOVQ 64(R12), DI
	TESTQ DI, DI
	JLT  noleash
	MOVQ DI, R14
	MOVL $2, SI            // F_SETFD, not close-on-exec
	XORL DX, DX
	MOVL $72, AX           // fcntl
	SYSCALL
	// When the leash's other end closes, the host sends SIGKILL to the
	// process group. Armed here, there is no moment without.
	MOVL $39, AX           // getpid
	SYSCALL
	NEGL AX
	MOVLQSX AX, DX
	MOVQ R14, DI
	MOVL $8, SI            // F_SETOWN
	MOVL $72, AX
	SYSCALL
	TESTQ AX, AX
	JNZ  fail
	MOVQ R14, DI
	MOVL $10, SI           // F_SETSIG
	MOVL $9, DX            // SIGKILL
	MOVL $72, AX
	SYSCALL
	TESTQ AX, AX
	JNZ  fail
	MOVQ R14, DI
	MOVL $4, SI            // F_SETFL
	MOVL $0x2000, DX       // O_ASYNC
	MOVL $72, AX
	SYSCALL
	TESTQ AX, AX
	JNZ  fail
noleash:
	MOVQ 0(R12), DI
	MOVQ 16(R12), SI
	MOVQ 24(R12), DX
	LEAQ 8(DX), R10
	MOVL $0x1000, R8       // AT_EMPTY_PATH
	MOVL $322, AX          // execveat
	SYSCALL
fail:
	NEGL AX
	MOVL AX, DI
	MOVL $231, AX          // exit_group
	SYSCALL
	INT $3
