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
#define SLOT_SIZE 0x40000UL		/* of one thread */
#define SLOTS 1024UL
#define REGION_SIZE (SLOTS * SLOT_SIZE)
#define OFF_ORDERS 0x1000UL
#define OFF_STACK 0x2000UL		/* the alternate signal stack */
#define STACK_SIZE 0xe000UL
#define OFF_BUF 0x10000UL		/* data of calls */

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
#define EV_PATCHED 0x100		/* EV_SYSCALL, EV_INTERRUPT: by a patched site */

/* Replies. */
#define OP_RETURN 1			/* the call returns ret */
#define OP_RESUME 2			/* registers from the frame */
#define OP_ORDERS 3			/* make nr_orders calls, then EV_DONE */
#define OP_BLOCK 4			/* make order 0, which may sleep */
#define OP_CLONE 5			/* clone by order 0 into slot arg */
#define OP_EXIT 6
#define OP_CAS 7			/* exchange at order 0's address */
#define OP_SAVE_FP 8			/* put the extended state where OFF_FP is */
#define OP_FINISH 9			/* as OP_ORDERS; the call returns what the last one does */

struct order {
	u64 nr, a[6];
	u64 receive;			/* RECV_ bits */
};

/* What an order does about descriptor 1. */
#define RECV_DROP 1			/* close the one kept before */
#define RECV_TAKE 2			/* a descriptor comes first, and is 1 */
#define RECV_KEEP 4			/* it stays open afterwards */

/* What every call needs comes first, in two lines of the cache: each line that
 * both sides touch costs as much as the spinning itself. */
struct cb {
	volatile u32 state;
	volatile u32 stub_sleeps;
	volatile u32 sup_sleeps;
	volatile u32 interrupt;		/* a signal came while the stub ran */
	volatile u32 stub_cpu;
	volatile u32 sup_cpu;
	volatile u32 event, op;
	volatile u64 nr;
	volatile u64 ret;
	/* data that goes with the call, and comes with its result */
	volatile u32 in_len;		/* in the buffer's beginning; the upper half: at VEC_DATA */
	volatile u32 out_len;		/* behind it; in the upper 8 bits: at OFF_OUT2 */
	volatile u64 frame;		/* address of the ucontext */
	/* 64 */
	volatile u64 args[6];
	volatile u64 in_addr, out_addr;
	/* 128: of other events, and calls by traps */
	volatile u64 pc;
	volatile u32 arch;
	volatile s32 code;
	volatile u64 addr, trapno, errcode;
	volatile u32 sig, nr_orders;
	volatile u64 arg;
	volatile u64 result;
	/* 192 */
	volatile u64 calls_local, calls_forwarded;
	volatile u32 released;		/* from the bell, to sleep on the futex */
	volatile u32 pad_released;
	/* local answers, written by the supervisor; flags is 1 if they are valid */
	volatile u64 flags;
	volatile u32 pid, tid, uid, euid, gid, egid;
	volatile u32 ppid;
	volatile u32 blocked;		/* the stub itself waits for the guest */
	/* 256: struct for sigaltstack, filled by the supervisor */
	u64 ss_sp; u32 ss_flags, ss_pad; u64 ss_size;
	volatile u64 spin;		/* how long the stub spins, in TSC ticks */
	volatile u32 patched;		/* the event is a call by a patched site */
	volatile u32 bell;		/* who sleeps is woken by the bell, not the futex */
	volatile u64 calls_patched;
	volatile u64 flags_saved;	/* of a patched site */
	volatile u64 nr_live;		/* of a patched site that makes any call */
	volatile u64 out_addr2;
};
/* A slot's first page also has the registers of a call by a patched site, in
 * the form of a ucontext, and at its end the slot's own address, by which
 * patched sites find the slot in GS. */
#define OFF_UC 0x400UL
#define OFF_OUT2 0x800UL		/* the second piece of data that goes with a result */
#define OUT_LEN2 24			/* where its length is in out_len */
#define OFF_SELF 0xff8UL
#define OFF_FP 0x3c000UL		/* in the buffer's end */
#define IN_MAX 0x6000UL
#define VEC_DATA 128UL			/* behind an array of struct iovec, what it points to */
#define OFF_OUT (OFF_BUF + IN_MAX)
#define OUT_MAX 0x10000UL
