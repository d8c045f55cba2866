/*
 * What the stub and the supervisor agree on. layout.go says the same in Go, and
 * a test compares the two.
 */
typedef unsigned long u64;
typedef unsigned int u32;
typedef int s32;
typedef unsigned short u16;
typedef unsigned char u8;

#define REGION 0x6ffd00000000UL		/* shared with the supervisor */
#define SLOT_SIZE 0x20000UL		/* of one thread */
#define SLOTS 1024UL
#define REGION_SIZE (SLOTS * SLOT_SIZE)
#define OFF_ORDERS 0x1000UL
#define OFF_STACK 0x2000UL		/* the alternate signal stack */
#define STACK_SIZE 0xe000UL
#define OFF_BUF 0x10000UL		/* data of calls */
#define BUF_SIZE 0x10000UL

/* Who has the control block. */
#define ST_GUEST 0			/* the guest runs */
#define ST_EVENT 1			/* the supervisor's turn */
#define ST_REPLY 2			/* the stub's turn */

/* Kinds of events. */
#define EV_READY 1			/* a new thread */
#define EV_SYSCALL 2
#define EV_FAULT 3
#define EV_INTERRUPT 4
#define EV_DONE 5			/* orders were carried out */

/* Replies. */
#define OP_RETURN 1			/* the call returns ret */
#define OP_RESUME 2			/* registers from the frame */
#define OP_ORDERS 3			/* make nr_orders calls, then EV_DONE */
#define OP_BLOCK 4			/* make order 0, which may sleep */
#define OP_CLONE 5			/* clone by order 0 into slot arg */
#define OP_EXIT 6
#define OP_CAS 7			/* exchange at order 0's address */
#define OP_SAVE_FP 8			/* put the extended state where OFF_FP is */

struct order {
	u64 nr, a[6];
	u64 receive;			/* RECV_ bits */
};

/* What an order does about descriptor 1. */
#define RECV_DROP 1			/* close the one kept before */
#define RECV_TAKE 2			/* a descriptor comes first, and is 1 */
#define RECV_KEEP 4			/* it stays open afterwards */

struct cb {
	volatile u32 state;
	volatile u32 stub_sleeps;
	volatile u32 sup_sleeps;
	volatile u32 interrupt;		/* a signal came while the stub ran */
	volatile u32 stub_cpu;
	volatile u32 sup_cpu;
	volatile u64 spin;		/* how long the stub spins, in TSC ticks */
	/* 32: the event */
	volatile u32 event, sig;
	volatile u64 frame;		/* address of the ucontext */
	volatile u64 nr;
	volatile u64 args[6];
	volatile u64 pc;
	volatile u32 arch;
	volatile s32 code;
	volatile u64 addr, trapno, errcode;
	/* 152: the reply */
	volatile u32 op, nr_orders;
	volatile u64 ret;
	volatile u64 arg;
	/* 176: results */
	volatile u64 result;
	volatile u64 calls_local, calls_forwarded, sleeps;
	/* local answers, written by the supervisor; flags is 1 if they are valid */
	volatile u64 flags;
	volatile u32 pid, tid, uid, euid, gid, egid;
	volatile u32 ppid, pad0;
	volatile u64 child_slot;	/* for a fork, in the new region */
	/* struct for sigaltstack, filled by the supervisor */
	u64 pad1;
	/* 256 */
	u64 ss_sp; u32 ss_flags, ss_pad; u64 ss_size;
	/* 280: data that goes with the call, and comes with its result */
	volatile u64 in_addr, in_len;	/* in the buffer's first half */
	volatile u64 out_addr, out_len;	/* in its second half */
	/* 312: of calls by patched sites */
	volatile u64 patched;		/* the event is one */
	volatile u64 flags_saved;
	volatile u64 calls_patched;
};
/* A slot's first page also has the registers of a call by a patched site, in
 * the form of a ucontext, and at its end the slot's own address, by which
 * patched sites find the slot in GS. */
#define OFF_UC 0x400UL
#define OFF_SELF 0xff8UL
#define OFF_FP 0x1c000UL		/* in the buffer's end */
#define IN_MAX 0x6000UL
#define OFF_OUT (OFF_BUF + IN_MAX)
#define OUT_MAX 0x6000UL
