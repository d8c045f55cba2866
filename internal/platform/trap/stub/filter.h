/*
 * What a guest thread may ask of the host without the supervisor. SECURITY.md
 * says of each why it is harmless. Everything else traps.
 *
 * The place of the call comes first: the host goes through a new filter with the
 * number of every call, up to where it looks at something else.
 */
static struct filter filter[] = {
	LD(ARCH), JEQ(0xc000003e, 1, 0), RET(TRAP),
	/* The stub's own: by place, which is in the guest's reach too. */
	LD(IP_HI), JEQ(0x6ffe, 0, 59), LD(IP_LO), JGE(0x10000, 57, 0),
	LD(NR),
	JEQ(34, 21, 0),		/* pause: the bell */
	JEQ(202, 20, 0),	/* futex */
	JEQ(15, 19, 0),		/* rt_sigreturn */
	JEQ(9, 18, 0),		/* mmap */
	JEQ(11, 17, 0),		/* munmap */
	JEQ(10, 16, 0),		/* mprotect */
	JEQ(47, 15, 0),		/* recvmsg */
	JEQ(158, 14, 0),	/* arch_prctl */
	JEQ(131, 13, 0),	/* sigaltstack */
	JEQ(60, 12, 0),		/* exit */
	JEQ(231, 11, 0),	/* exit_group */
	JEQ(218, 10, 0),	/* set_tid_address */
	JEQ(334, 9, 0),		/* rseq */
	JEQ(25, 8, 0),		/* mremap */
	JEQ(28, 7, 0),		/* madvise */
	JEQ(110, 6, 0),		/* getppid */
	JEQ(449, 5, 0),		/* futex_waitv */
	JEQ(324, 4, 0),		/* membarrier */
	JEQ(98, 3, 0),		/* getrusage */
	JEQ(26, 2, 0),		/* msync */
	JEQ(27, 1, 0),		/* mincore */
	JEQ(216, 0, 1),		/* remap_file_pages */
	RET(ALLOW),
	/* close of what was received, and not of the leash */
	JEQ(3, 0, 5), LD(ARG(0)), JEQ(1, 1, 0), JEQ(2, 0, 1), RET(ALLOW), RET(TRAP),
	/* pread64 of what was received */
	JEQ(17, 0, 4), LD(ARG(0)), JEQ(1, 0, 1), RET(ALLOW), RET(TRAP),
	/* dup2(2, 0): a child takes its own channel */
	JEQ(33, 0, 6), LD(ARG(0)), JEQ(2, 0, 3), LD(ARG(1)), JEQ(0, 0, 1), RET(ALLOW), RET(TRAP),
	/* prctl(PR_SET_PDEATHSIG, SIGKILL) */
	JEQ(157, 0, 6), LD(ARG(0)), JEQ(1, 0, 3), LD(ARG(1)), JEQ(9, 0, 1), RET(ALLOW), RET(TRAP),
	/* clone: exactly what the supervisor orders */
	JEQ(56, 0, 7),
	LD(ARG(0)), AND(~0x00200000),	/* CLONE_CHILD_CLEARTID or not */
	JEQ(0x00050f00, 2, 0),	/* VM|FS|FILES|SIGHAND|THREAD|SYSVSEM */
	JEQ(0x00008011, 1, 0),	/* PARENT|SIGCHLD */
	JEQ(0x00008111, 0, 1),	/* the same with VM */
	RET(ALLOW), RET(TRAP),
	/* Direct, from anywhere: the caller's own memory and scheduling. */
	LD(NR),
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
	JEQ(202, 0, 8),
	LD(ARG(1)), AND(~0x80),
	JEQ(1, 4, 0), JEQ(3, 3, 0), JEQ(4, 2, 0), JEQ(5, 1, 0), JEQ(10, 0, 1),
	RET(ALLOW),
	RET(TRAP),
};
