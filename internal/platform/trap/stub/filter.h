/*
 * What a guest thread may ask of the host without the supervisor. SECURITY.md
 * says of each why it is harmless. Everything else traps.
 */
static struct filter filter[] = {
	LD(ARCH), JEQ(0xc000003e, 1, 0), RET(TRAP),
	LD(NR),
	/* Direct: the caller's own memory and scheduling. */
	/* munmap and mprotect, if surely not of the platform's own memory */
	JEQ(11, 1, 0), JEQ(10, 0, 7), LD(ARG_HI(1)), JEQ(0, 0, 4), LD(ARG_HI(0)), JGE(0x6ffc, 0, 1), JGE(0x6fff, 0, 1),
	RET(ALLOW), LD(NR),
	DIRECT(24),		/* sched_yield */
	DIRECT(96),		/* gettimeofday */
	DIRECT(201),		/* time */
	DIRECT(309),		/* getcpu */
	/* clock_gettime, but not of what others the number of a clock can name */
	JEQ(228, 0, 4), LD(ARG(0)), JGE(16, 1, 0), RET(ALLOW), LD(NR),
	/* arch_prctl: ARCH_SET_FS, GET_FS; GS is the stub's */
	JEQ(158, 0, 5), LD(ARG(0)), JGE(0x1002, 0, 2), JGE(0x1004, 1, 0), RET(ALLOW), LD(NR),
	/* madvise, but for what asks for hardware errors */
	JEQ(28, 0, 4), LD(ARG(2)), JGE(24, 1, 0), RET(ALLOW), LD(NR),
	/* mmap of private anonymous memory, not at a fixed place */
	JEQ(9, 0, 5), LD(ARG(3)), AND(~0x24000u), JEQ(0x22, 0, 1), RET(ALLOW), LD(NR),
	/* futex: the operations that do not sleep and know no owner */
	JEQ(202, 0, 9),
	LD(ARG(1)), AND(~0x80),
	JEQ(1, 5, 0), JEQ(3, 4, 0), JEQ(4, 3, 0), JEQ(5, 2, 0), JEQ(10, 1, 0),
	JEQ(0xffffffff, 0, 2), RET(ALLOW), LD(NR),
	/* the stub's own: by place, which is in the guest's reach too */
	LD(IP_HI), JEQ(0x6ffe, 0, 2), LD(IP_LO), JGE(0x10000, 0, 1), RET(TRAP),
	LD(NR),
	DIRECT(15),		/* rt_sigreturn */
	DIRECT(158),		/* arch_prctl */
	DIRECT(202),		/* futex */
	DIRECT(449),		/* futex_waitv */
	DIRECT(9),		/* mmap */
	DIRECT(11),		/* munmap */
	DIRECT(10),		/* mprotect */
	DIRECT(25),		/* mremap */
	DIRECT(28),		/* madvise */
	DIRECT(26),		/* msync */
	DIRECT(27),		/* mincore */
	DIRECT(216),		/* remap_file_pages */
	DIRECT(47),		/* recvmsg */
	/* close of what was received, and not of the leash */
	JEQ(3, 0, 5), LD(ARG(0)), JEQ(1, 1, 0), JEQ(2, 0, 1), RET(ALLOW), RET(TRAP),
	/* pread64 of what was received */
	JEQ(17, 0, 4), LD(ARG(0)), JEQ(1, 0, 1), RET(ALLOW), RET(TRAP),
	/* dup2(2, 0): a child takes its own channel */
	JEQ(33, 0, 6), LD(ARG(0)), JEQ(2, 0, 3), LD(ARG(1)), JEQ(0, 0, 1), RET(ALLOW), RET(TRAP),
	DIRECT(60),		/* exit */
	DIRECT(231),		/* exit_group */
	DIRECT(131),		/* sigaltstack */
	DIRECT(110),		/* getppid */
	DIRECT(218),		/* set_tid_address */
	DIRECT(98),		/* getrusage */
	DIRECT(324),		/* membarrier */
	DIRECT(334),		/* rseq */
	/* prctl(PR_SET_PDEATHSIG, SIGKILL) */
	JEQ(157, 0, 6), LD(ARG(0)), JEQ(1, 0, 3), LD(ARG(1)), JEQ(9, 0, 1), RET(ALLOW), RET(TRAP),
	JEQ(56, 1, 0), RET(TRAP),
	/* clone: exactly what the supervisor orders */
	LD(ARG(0)), AND(~0x00200000),	/* CLONE_CHILD_CLEARTID or not */
	JEQ(0x00050f00, 3, 0),	/* VM|FS|FILES|SIGHAND|THREAD|SYSVSEM */
	JEQ(0x00008011, 2, 0),	/* PARENT|SIGCHLD */
	JEQ(0x00008111, 1, 0),	/* the same with VM */
	RET(TRAP),
	RET(ALLOW),
};
