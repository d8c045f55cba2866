/*
 * The stub: all of ours that lives in a guest process. It is everything that
 * the process is at first; the guest's program is mapped around it. It keeps no
 * secret and guards nothing: the guest may jump anywhere in it.
 *
 * Entry points stand at fixed offsets (stub.go knows them). None uses a stack.
 * Each ends in int3, which stops the thread for its tracer.
 */
	.text
	.globl _start

/* 0x000: from execveat. Give everything up, then tell the tracer. */
_start:
	mov	$SYS_rt_sigprocmask, %eax
	mov	$2, %edi			/* SIG_SETMASK */
	lea	zero(%rip), %rsi
	xor	%edx, %edx
	mov	$8, %r10d
	syscall
	mov	$SYS_prctl, %eax
	mov	$1, %edi			/* PR_SET_PDEATHSIG */
	mov	$9, %esi
	syscall
	mov	$SYS_capset, %eax
	lea	caphdr(%rip), %rdi
	lea	zero(%rip), %rsi
	syscall
	mov	$SYS_prctl, %eax
	mov	$38, %edi			/* PR_SET_NO_NEW_PRIVS */
	mov	$1, %esi
	xor	%edx, %edx
	xor	%r10d, %r10d
	xor	%r8d, %r8d
	syscall
	mov	$SYS_seccomp, %eax
	mov	$1, %edi			/* SECCOMP_SET_MODE_FILTER */
	mov	$4, %esi			/* SECCOMP_FILTER_FLAG_SPEC_ALLOW */
	lea	prog(%rip), %rdx
	lea	filter(%rip), %rcx
	mov	%rcx, 8(%rdx)
	syscall
	int3

/* 0x100: where a new thread or process waits to be attached. If the supervisor,
 * whose id r12 is, died before the signal was asked for, it ends. */
	.org 0x100, 0xcc
hold:
	mov	$SYS_prctl, %eax
	mov	$1, %edi
	mov	$9, %esi
	syscall
	mov	$SYS_getppid, %eax
	syscall
	cmp	%eax, %r12d
	je	1f
	mov	$SYS_exit, %eax
	syscall
1:	mov	$SYS_pause, %eax
	syscall
	jmp	1b

/* 0x140: make the call in the registers. */
	.org 0x140, 0xcc
	syscall
	int3

/* 0x180: make the clone in the registers; the child holds. */
	.org 0x180, 0xcc
	syscall
	test	%rax, %rax
	jz	hold
	int3

/* 0x1c0: compare the word at rdi with eax and exchange it for ecx. */
	.org 0x1c0, 0xcc
	lock cmpxchg %ecx, (%rdi)
	int3

/* 0x200: receive a descriptor, which becomes 1, and mmap it. */
	.org 0x200, 0xcc
	mov	%rdi, %rbx
	mov	%rsi, %rbp
	mov	%rdx, %r12
	mov	%r10, %r13
	mov	%r9, %r14
	lea	msg(%rip), %rsi
	movq	$24, 40(%rsi)
	xor	%edi, %edi
	xor	%edx, %edx
	mov	$SYS_recvmsg, %eax
	syscall
	test	%rax, %rax
	js	2f
	mov	$SYS_mmap, %eax
	mov	%rbx, %rdi
	mov	%rbp, %rsi
	mov	%r12, %rdx
	mov	%r13, %r10
	mov	$1, %r8d
	mov	%r14, %r9
	syscall
	mov	%rax, %rbx
	mov	$SYS_close, %eax
	mov	$1, %edi
	syscall
	mov	%rbx, %rax
2:	int3

/* 0x280: make r14 calls from the table at r15: number, six arguments, and
 * whether a descriptor is to be received for it. Used before the first guest
 * instruction only, since the table is in memory that the guest can write. */
	.org 0x280, 0xcc
3:	cmpq	$0, 56(%r15)
	je	4f
	lea	msg(%rip), %rsi
	movq	$24, 40(%rsi)
	xor	%edi, %edi
	xor	%edx, %edx
	mov	$SYS_recvmsg, %eax
	syscall
	test	%rax, %rax
	js	6f
4:	mov	(%r15), %rax
	mov	8(%r15), %rdi
	mov	16(%r15), %rsi
	mov	24(%r15), %rdx
	mov	32(%r15), %r10
	mov	40(%r15), %r8
	mov	48(%r15), %r9
	syscall
	mov	%rax, %rbx
	cmpq	$0, 56(%r15)
	je	5f
	mov	$SYS_close, %eax
	mov	$1, %edi
	syscall
5:	mov	%rbx, %rax
	cmp	$-4095, %rax
	jae	6f
	add	$64, %r15
	dec	%r14
	jnz	3b
6:	int3

	.data
	.balign 8
zero:	.quad	0, 0, 0
caphdr:	.long	0x20080522, 0
msg:	.quad	0, 0				/* name */
	.quad	iov, 1				/* iov */
	.quad	control, 24			/* control */
	.quad	0				/* flags */
iov:	.quad	byte, 1
byte:	.quad	0
control: .quad	0, 0, 0

/* The second line of defence: what a guest process may ask of the host. The
 * supervisor decides every call first; these are the ones it lets a guest
 * process make. SECURITY.md says why each is harmless. */
	.balign 8
prog:	.short	(filter_end - filter) / 8, 0, 0, 0
	.quad	0
filter:
	.short	0x20; .byte 0, 0; .long 4		/* architecture */
	.short	0x15; .byte 1, 0; .long 0xc000003e	/* x86-64? */
	.short	0x06; .byte 0, 0; .long 0x80000000	/* kill */
	.short	0x20; .byte 0, 0; .long 0		/* number */
	.macro	allow nr
	.short	0x15; .byte 0, 1; .long \nr
	.short	0x06; .byte 0, 0; .long 0x7fff0000
	.endm
	allow	SYS_futex
	allow	SYS_futex_waitv
	allow	SYS_remap_file_pages
	allow	SYS_getcpu
	allow	SYS_mmap
	allow	SYS_munmap
	allow	SYS_mprotect
	allow	SYS_madvise
	allow	SYS_mremap
	allow	SYS_recvmsg
	allow	SYS_close
	allow	SYS_clone
	allow	SYS_exit
	allow	SYS_pause
	allow	SYS_msync
	allow	SYS_mincore
	allow	SYS_set_tid_address
	allow	SYS_getrusage
	allow	SYS_clock_gettime
	allow	SYS_membarrier
	allow	SYS_rseq
	allow	SYS_restart_syscall
	allow	SYS_getppid
	.short	0x15; .byte 1, 0; .long SYS_prctl
	.short	0x06; .byte 0, 0; .long 0x80000000
	.short	0x20; .byte 0, 0; .long 16		/* prctl's first argument */
	.short	0x15; .byte 0, 1; .long 1		/* PR_SET_PDEATHSIG */
	.short	0x06; .byte 0, 0; .long 0x7fff0000
	.short	0x06; .byte 0, 0; .long 0x80000000
filter_end:

	.bss
	.globl scratch
	.balign 4096
scratch: .skip	0x10000
