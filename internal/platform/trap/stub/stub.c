/*
 * The stub of the trap platform: what of ours runs in a guest process. System
 * calls of the guest raise SIGSYS by its filter; the handler hands them to the
 * supervisor through shared memory, and carries out its orders.
 *
 * All of this is in the guest's hands. It guards nothing.
 */
#include "stub.h"

#define SYS_close 3
#define SYS_mmap 9
#define SYS_sched_yield 24
#define SYS_rt_sigaction 13
#define SYS_rt_sigprocmask 14
#define SYS_rt_sigreturn 15
#define SYS_dup2 33
#define SYS_pause 34
#define SYS_sendmsg 46
#define SYS_recvmsg 47
#define SYS_clone 56
#define SYS_exit 60
#define SYS_getppid 110
#define SYS_capset 126
#define SYS_sigaltstack 131
#define SYS_prctl 157
#define SYS_arch_prctl 158
#define SYS_futex 202
#define SYS_exit_group 231
#define SYS_seccomp 317

#define MAGIC_READY 0xfff		/* no such call: traps */

struct kstack { u64 sp; s32 flags; u64 size; };
struct ucontext {
	u64 flags;
	u64 link;
	struct kstack ss;
	u64 r8, r9, r10, r11, r12, r13, r14, r15, rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip, eflags, csgsfs, err, trapno, oldmask, cr2;
	u64 fp;
	u64 reserved[8];
	u64 mask;
};
struct siginfo { s32 signo, err, code, pad; u64 addr; s32 nr; u32 arch; };
struct iovec { u64 base, len; };
struct sigaction { void *handler; u64 flags; void *restorer; u64 mask; };

extern u8 patched_entry[], patched_gs[], patched_ours[], patched_slow[], patched_exit[], patched_last[];
extern u8 any_gs[], any_ours[];
extern u8 local_begin[], local_flags[], local_last[];
extern u8 fast_begin[], fast_last[], sig_begin[], sig_end[], block_begin[], block_end[], block_abort[], cas_begin[], cas_end[], cas_fix[], copy_begin[], copy_end[], copy_fix[], copy_part[];
extern u8 text_begin[], text_end[];

_Static_assert(__builtin_offsetof(struct cb, ss_sp) == 256, "do_clone knows it");
_Static_assert(__builtin_offsetof(struct cb, ppid) == 248, "do_clone knows it");
_Static_assert(REGION_SIZE == 0x10000000, "do_clone knows it");
_Static_assert(__builtin_offsetof(struct cb, flags_saved) == 304, "patched_entry knows it");
_Static_assert(__builtin_offsetof(struct cb, nr_live) == 312, "patched_any knows it");
_Static_assert(__builtin_offsetof(struct cb, interrupt) == 12, "patched_entry knows it");
_Static_assert(__builtin_offsetof(struct cb, calls_local) == 192, "patched_entry knows it");
_Static_assert(__builtin_offsetof(struct cb, flags) == 216, "patched_entry knows it");

static inline long call6(long n, long a, long b, long c, long d, long e, long f)
{
	long r;
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	__asm__ volatile("syscall" : "=a"(r) : "a"(n), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9) : "rcx", "r11", "memory");
	return r;
}

static inline u64 rdtsc(void)
{
	u32 lo, hi;
	__asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
	return (u64)hi << 32 | lo;
}

/* The number of the CPU, which Linux keeps in the limit of a segment. */
static inline u32 this_cpu(void)
{
	u32 v = 0;
	__asm__ volatile("lsl %1, %0" : "+r"(v) : "r"(0x7b) : "cc");
	return v & 0xfff;
}

static inline struct cb *this_cb(void)
{
	u64 sp;
	__asm__ volatile("mov %%rsp, %0" : "=r"(sp));
	return (struct cb *)(sp & ~(SLOT_SIZE - 1));
}

static int has_reply(struct cb *c)
{
	for (int i = 0; i < 32; i++) {
		if (__atomic_load_n(&c->state, __ATOMIC_ACQUIRE) == ST_REPLY)
			return 1;
		__builtin_ia32_pause();
	}
	return 0;
}

/* spin waits for the reply for as long as the supervisor says, unless it would
 * keep the supervisor from running. */
static int spin(struct cb *c)
{
	u64 ticks = c->spin, start = rdtsc();
	if (!ticks)
		return 0;
	do {
		if (has_reply(c))
			return 1;
		u32 cpu = this_cpu();
		if (cpu != c->stub_cpu)
			c->stub_cpu = cpu;
		if (cpu == c->sup_cpu)
			return 0;
	} while (rdtsc() - start < ticks);
	return 0;
}

/* hand_over gives the block to the supervisor and waits until it comes back. */
static void hand_over(struct cb *c)
{
	if (c->patched)
		c->event |= EV_PATCHED;
	__atomic_store_n(&c->state, ST_EVENT, __ATOMIC_SEQ_CST);
	if (!__atomic_load_n(&c->sup_sleeps, __ATOMIC_SEQ_CST)) {
		if (spin(c))
			return;
	} else if (c->bell) {
		/* The host wakes up the supervisor on this CPU and has this
		 * thread sleep until it answers. A signal ends that too. */
		do
			call6(SYS_pause, 0, 0, 0, 0, 0, 0);
		while (__atomic_load_n(&c->state, __ATOMIC_SEQ_CST) != ST_REPLY && !c->released);
	} else
		call6(SYS_futex, (long)&c->state, 1 /* FUTEX_WAKE */, 1, 0, 0, 0);
	__atomic_store_n(&c->stub_sleeps, 1, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&c->state, __ATOMIC_SEQ_CST) != ST_REPLY)
		call6(SYS_futex, (long)&c->state, 0 /* FUTEX_WAIT */, ST_EVENT, 0, 0, 0);
	__atomic_store_n(&c->stub_sleeps, 0, __ATOMIC_SEQ_CST);
}

/* receive takes n descriptors from the socket, which become 1 and up: the
 * process has no other than the socket, and the supervisor sees to it that one
 * thread at a time receives. */
static long receive(int n, int flags)
{
	u64 byte;
	u64 iov[2] = { (u64)&byte, 1 };
	u64 control[8];
	u64 msg[7] = { 0, 0, (u64)iov, 1, (u64)control, 16 + 8 * ((4 * n + 7) / 8), 0 };
	return call6(SYS_recvmsg, 0, (long)msg, flags, 0, 0, 0);
}

/* send_bell sends the supervisor the descriptor of the bell's notifications. */
static long send_bell(int fd)
{
	u64 byte = 0;
	u64 iov[2] = { (u64)&byte, 1 };
	struct { u64 len; u32 level, type; u32 fd, pad; } control = { 20, 1 /* SOL_SOCKET */, 1 /* SCM_RIGHTS */, fd, 0 };
	u64 msg[7] = { 0, 0, (u64)iov, 1, (u64)&control, sizeof control, 0 };
	return call6(SYS_sendmsg, 0, (long)msg, 0, 0, 0, 0);
}

static long run_orders(struct cb *c)
{
	volatile struct order *o = (volatile struct order *)((u64)c + OFF_ORDERS);
	long r = 0;
	for (u32 n = c->nr_orders; n; n--, o++) {
		u64 how = o->receive;
		if (how & RECV_DROP)
			call6(SYS_close, 1, 0, 0, 0, 0, 0);
		if (how & RECV_TAKE && (r = receive(1, 0)) < 0)
			return r;
		r = call6(o->nr, o->a[0], o->a[1], o->a[2], o->a[3], o->a[4], o->a[5]);
		if (how & RECV_TAKE && !(how & RECV_KEEP))
			call6(SYS_close, 1, 0, 0, 0, 0, 0);
		if ((u64)r > -4096UL)
			return r;
	}
	return r;
}

/* block makes a call that may sleep, unless an interrupt comes first. The
 * handler moves a thread that stands between block_begin and block_end to
 * block_abort, which gives -512 (ERESTARTSYS). */
long block(volatile u32 *interrupt, volatile struct order *o);
__asm__(
	".text\n"
	"block:\n"
	"	push %rbx\n"
	"	mov %rsi, %rbx\n"
	"	mov %rdi, %rcx\n"
	"	mov (%rbx), %rax\n"
	"	mov 8(%rbx), %rdi\n"
	"	mov 16(%rbx), %rsi\n"
	"	mov 24(%rbx), %rdx\n"
	"	mov 32(%rbx), %r10\n"
	"	mov 40(%rbx), %r8\n"
	"	mov 48(%rbx), %r9\n"
	"block_begin:\n"
	"	cmpl $0, (%rcx)\n"
	"	jne block_abort\n"
	"	syscall\n"
	"block_end:\n"
	"	pop %rbx\n"
	"	ret\n"
	"block_abort:\n"
	"	mov $-512, %rax\n"
	"	pop %rbx\n"
	"	ret\n");

/* cas compares and exchanges, -14 in *err on a fault. */
u32 cas(u32 *p, u32 old, u32 new, long *err);
__asm__(
	".text\n"
	"cas:\n"
	"	mov %rcx, %r8\n"
	"	mov %esi, %eax\n"
	"cas_begin:\n"
	"	lock cmpxchg %edx, (%rdi)\n"
	"cas_end:\n"
	"	movq $0, (%r8)\n"
	"	ret\n"
	"cas_fix:\n"
	"	movq $-14, (%r8)\n"
	"	ret\n");

/* copy moves n bytes, fewer if a fault comes between, and returns how many.
 * copy_string moves up to a NUL, and returns -1 after a fault or if there is no
 * NUL within n. */
long copy(void *to, const void *from, u64 n);
long copy_string(void *to, const void *from, u64 n);
__asm__(
	".text\n"
	"copy:\n"
	"	mov %rdx, %rcx\n"
	"	mov %rdx, %rax\n"
	"copy_begin:\n"
	"	rep movsb\n"
	"	ret\n"
	"copy_part:\n"
	"	sub %rcx, %rax\n"
	"	ret\n"
	"copy_string:\n"
	"	xor %eax, %eax\n"
	"1:	cmp %rdx, %rax\n"
	"	jae copy_fix\n"
	"	movzbl (%rsi, %rax), %ecx\n"
	"	mov %cl, (%rdi, %rax)\n"
	"	inc %rax\n"
	"	test %cl, %cl\n"
	"	jne 1b\n"
	"	ret\n"
	"copy_end:\n"
	"copy_fix:\n"
	"	mov $-1, %rax\n"
	"	ret\n");

/* What of a call's arguments is sent along: a string or data that an argument
 * points to. All of it could be read by the supervisor too, at a higher price. */
#define STR(n) (0x10 | (n))		/* a string */
#define DAT(n) (0x20 | (n))		/* data whose length is the next argument */
#define VEC(n) (0x30 | (n))		/* an array of struct iovec, and what its pieces hold */
#define POLL(n) (0x40 | (n))		/* an array of struct pollfd, whose length is the next argument */
#define S4(n) (0x50 | (n))		/* 4 bytes, and so on */
#define S8(n) (0x60 | (n))
#define S12(n) (0x70 | (n))
#define S16(n) (0x80 | (n))
#define S32(n) (0x90 | (n))
#define S56(n) (0xa0 | (n))
static const u8 sizes[16] = { [5] = 4, [6] = 8, [7] = 12, [8] = 16, [9] = 32, [10] = 56 };
static const u8 inputs[512] = {
	[2] = STR(0), [4] = STR(0), [6] = STR(0), [21] = STR(0), [59] = STR(0), [76] = STR(0), [80] = STR(0), [82] = STR(0),
	[83] = STR(0), [84] = STR(0), [85] = STR(0), [87] = STR(0), [89] = STR(0), [90] = STR(0), [137] = STR(0),
	[257] = STR(1), [258] = STR(1), [262] = STR(1), [263] = STR(1), [267] = STR(1), [268] = STR(1), [269] = STR(1),
	[280] = STR(1), [322] = STR(1), [332] = STR(1), [437] = STR(1), [439] = STR(1),
	[1] = DAT(1), [18] = DAT(1), [44] = DAT(1), [42] = DAT(1), [49] = DAT(1),
	[13] = S32(1), [14] = S8(1), [35] = S16(0), [230] = S16(2), [20] = VEC(1), [46] = S56(1) /* sendmsg: a struct msghdr */,
	[7] = POLL(0), [271] = POLL(0),		/* poll, ppoll */
	[40] = S8(2),				/* sendfile: the offset */
	[54] = DAT(3),				/* setsockopt */
	/* getsockopt, accept, accept4, getsockname, getpeername, recvfrom: a length */
	[55] = S4(4), [43] = S4(2), [288] = S4(2), [51] = S4(2), [52] = S4(2), [45] = S4(5),
	[233] = S12(3),				/* epoll_ctl: a struct epoll_event */
};

/* send_pieces copies what n pieces hold, one behind the other, if there is room
 * for all, and returns the number of bytes, or 0. */
static u64 send_pieces(const struct iovec *v, u64 n, u8 *to)
{
	u64 sum = 0;
	for (; n; n--, v++) {
		u64 len = v->len;
		if (len > IN_MAX - VEC_DATA - sum || (u64)copy(to + sum, (void *)v->base, len) != len)
			return 0;
		sum += len;
	}
	return sum;
}

static void send_inputs(struct cb *c)
{
	u64 nr = c->nr;
	u8 k = nr < 512 ? inputs[nr] : 0;
	c->in_len = 0;
	if (!k)
		return;
	void *to = (void *)((u64)c + OFF_BUF);
	u64 from = c->args[k & 7], n;
	long got;
	switch (k >> 4) {
	case 1:
		got = copy_string(to, (void *)from, 4096);
		break;
	case 2:
		n = c->args[(k & 7) + 1];
		got = n <= IN_MAX ? copy(to, (void *)from, n) : -1;
		break;
	case 4:
		n = 8 * (u64)(u32)c->args[(k & 7) + 1];
		got = n <= IN_MAX ? copy(to, (void *)from, n) : -1;
		break;
	case 3:
		n = c->args[(k & 7) + 1];
		if (n - 1 >= VEC_DATA / sizeof(struct iovec) || (u64)copy(to, (void *)from, n * sizeof(struct iovec)) != n * sizeof(struct iovec))
			return;
		got = n * sizeof(struct iovec) | send_pieces(to, n, (u8 *)to + VEC_DATA) << 16;
		break;
	default:
		got = from ? copy(to, (void *)from, sizes[k >> 4]) : -1;
	}
	if (got > 0) {
		c->in_addr = from;
		c->in_len = got;
	}
}

/* clone_child: where new threads begin, with their slot in r12, whether they
 * have a memory of their own in r13. No stack yet. */
long do_clone(u64 flags, u64 ctid, u64 slot, u64 own_memory);
__asm__(
	".text\n"
	"do_clone:\n"
	"	push %r12\n"
	"	push %r13\n"
	"	mov %rsi, %r10\n"		/* child_tid */
	"	mov %rdx, %r12\n"
	"	mov %rcx, %r13\n"
	"	xor %esi, %esi\n"
	"	xor %edx, %edx\n"
	"	xor %r8d, %r8d\n"
	"	xor %r9d, %r9d\n"
	"	mov $56, %eax\n"
	"	syscall\n"
	"	test %rax, %rax\n"
	"	jz 1f\n"
	"	pop %r13\n"
	"	pop %r12\n"
	"	ret\n"
	"1:	test %r13, %r13\n"
	"	jz 2f\n"
	/* The parent's region is shared with us until this mmap; touch no stack. */
	"	mov $9, %eax\n"
	"	movabs $0x6ffd00000000, %rdi\n"
	"	mov $0x10000000, %esi\n"
	"	mov $3, %edx\n"
	"	mov $0x11, %r10d\n"		/* MAP_SHARED|MAP_FIXED */
	"	mov $1, %r8d\n"
	"	xor %r9d, %r9d\n"
	"	syscall\n"
	"	cmp $-4095, %rax\n"
	"	jae 9f\n"
	"	mov $33, %eax\n"		/* dup2(2, 0): a socket of our own */
	"	mov $2, %edi\n"
	"	xor %esi, %esi\n"
	"	syscall\n"
	"	mov $3, %eax\n"
	"	mov $1, %edi\n"
	"	syscall\n"
	"	mov $3, %eax\n"
	"	mov $2, %edi\n"
	"	syscall\n"
	"2:	xor %esp, %esp\n"
	"	mov $157, %eax\n"		/* prctl(PR_SET_PDEATHSIG, SIGKILL) */
	"	mov $1, %edi\n"
	"	mov $9, %esi\n"
	"	syscall\n"
	"	mov $110, %eax\n"		/* getppid: is the supervisor still there? */
	"	syscall\n"
	"	cmp 248(%r12), %eax\n"
	"	jne 9f\n"
	"	mov $131, %eax\n"		/* sigaltstack(&cb->ss_sp, 0) */
	"	lea 256(%r12), %rdi\n"
	"	xor %esi, %esi\n"
	"	syscall\n"
	"	mov $158, %eax\n"		/* arch_prctl(ARCH_SET_GS, cb) */
	"	mov $0x1001, %edi\n"
	"	mov %r12, %rsi\n"
	"	syscall\n"
	"	mov $0xfff, %eax\n"		/* traps, and never returns here */
	"	syscall\n"
	"9:	mov $60, %eax\n"
	"	mov $99, %edi\n"
	"	syscall\n"
	"	ud2\n");

/* fast_return goes on with the guest from the frame, without the host's help. */
void fast_return(struct ucontext *u, volatile u32 *interrupt) __attribute__((noreturn));
void sig_return(struct ucontext *u, volatile u32 *interrupt) __attribute__((noreturn));
__asm__(
	".text\n"
	"fast_return:\n"
	"	mov %rdi, %rbx\n"
	"fast_begin:\n"
	"	cmpl $0, (%rsi)\n"
	"	jne fast_interrupted\n"
	"	mov 224(%rbx), %rcx\n"
	"	mov $-1, %eax\n"
	"	mov $-1, %edx\n"
	"	xrstor64 (%rcx)\n"
	"	mov 40(%rbx), %r8\n"
	"	mov 48(%rbx), %r9\n"
	"	mov 56(%rbx), %r10\n"
	"	mov 72(%rbx), %r12\n"
	"	mov 80(%rbx), %r13\n"
	"	mov 88(%rbx), %r14\n"
	"	mov 96(%rbx), %r15\n"
	"	mov 104(%rbx), %rdi\n"
	"	mov 112(%rbx), %rsi\n"
	"	mov 120(%rbx), %rbp\n"
	"	mov 136(%rbx), %rdx\n"
	"	mov 144(%rbx), %rax\n"
	"	mov 168(%rbx), %rcx\n"
	"	mov 176(%rbx), %r11\n"
	"	push %r11\n"
	"	popfq\n"
	"	mov 160(%rbx), %r11\n"
	"	mov 128(%rbx), %rbx\n"
	"	mov %r11, %rsp\n"
	/* The frame may be overwritten from here on. */
	"fast_last:\n"
	"	jmp *%rcx\n"
	"fast_interrupted:\n"
	"	mov %rbx, %rdi\n"
	"	jmp interrupted\n"
	"sig_return:\n"
	"	mov %rdi, %rbx\n"
	"sig_begin:\n"
	"	cmpl $0, (%rsi)\n"
	"	jne fast_interrupted\n"
	"	mov %rbx, %rsp\n"
	"	mov $15, %eax\n"
	"	syscall\n"
	"sig_end:\n"
	"	ud2\n");

static void serve(struct cb *c, struct ucontext *u);

/* interrupted is entered when an interrupt came just before the guest was to
 * go on from u. */
__attribute__((noreturn, used)) void interrupted(struct ucontext *u)
{
	struct cb *c = (struct cb *)((u64)u & ~(SLOT_SIZE - 1));
	c->event = EV_INTERRUPT;
	c->frame = (u64)u;
	c->patched = 0;
	serve(c, u);
	__builtin_unreachable();
}

/* serve posts the event in c and carries out replies until the guest goes on. */
static void serve(struct cb *c, struct ucontext *u)
{
	volatile struct order *o = (volatile struct order *)((u64)c + OFF_ORDERS);
	long err;
	for (;;) {
		c->interrupt = 0;
		hand_over(c);
		switch (c->op) {
		case OP_RETURN:
			u->rax = c->ret;
			if (c->out_len) {
				u64 n = c->out_len & ((1UL << OUT_LEN2) - 1), n2 = c->out_len >> OUT_LEN2;
				long got = n > OUT_MAX ? 0 : copy((void *)c->out_addr, (void *)((u64)c + OFF_OUT), n);
				if ((u64)got != n) /* a read is shorter, all else fails */
					u->rax = got > 0 && c->ret == n ? got : -14;
				if (n2 && (u64)copy((void *)c->out_addr2, (void *)((u64)c + OFF_OUT2), n2) != n2)
					u->rax = -14;
				c->out_len = 0;
			}
			c->state = ST_GUEST;
			if (c->patched)
				return;
			fast_return(u, &c->interrupt);
		case OP_FINISH:
			u->rax = c->result = run_orders(c);
			c->state = ST_GUEST;
			if (c->patched)
				return;
			fast_return(u, &c->interrupt);
		case OP_RESUME:
			c->state = ST_GUEST;
			sig_return(u, &c->interrupt);
		case OP_ORDERS:
			c->result = run_orders(c);
			break;
		case OP_BLOCK:
			c->result = block(&c->interrupt, o);
			break;
		case OP_CLONE:
			if (o->receive & RECV_DROP)
				call6(SYS_close, 1, 0, 0, 0, 0, 0);
			/* For a memory of its own: the region and a socket. */
			if (o->receive & RECV_TAKE && (err = receive(2, 0)) < 0) {
				c->result = err;
				break;
			}
			c->result = do_clone(o->a[0], o->a[1], c->arg, o->receive & RECV_TAKE);
			if (o->receive & RECV_TAKE) {
				call6(SYS_close, 1, 0, 0, 0, 0, 0);
				call6(SYS_close, 2, 0, 0, 0, 0, 0);
			}
			break;
		case OP_CAS:
			c->result = cas((u32 *)o->a[0], o->a[1], o->a[2], &err);
			c->ret = err;
			break;
		case OP_SAVE_FP:
			__asm__ volatile("xsave64 (%0)" :: "r"((u64)c + OFF_FP), "a"(-1), "d"(-1) : "memory");
			c->result = 0;
			break;
		case OP_EXIT:
			call6(SYS_exit, 0, 0, 0, 0, 0, 0);
			__attribute__((fallthrough));
		default:
			call6(SYS_exit_group, 98, 0, 0, 0, 0, 0);
		}
		c->event = EV_DONE;
	}
}

static inline int in(u64 pc, u8 *lo, u8 *hi) { return pc >= (u64)lo && pc < (u64)hi; }

/* local answers calls whose answer stands in the control block. The supervisor
 * owns the truth; a guest that changes it deceives itself. */
static inline int local(struct cb *c, u64 nr, u64 *ret)
{
	if (!(c->flags & 1))
		return 0;
	switch (nr) {
	case 39:
		*ret = c->pid;
		break;
	case 186:
		*ret = c->tid;
		break;
	case 102:
		*ret = c->uid;
		break;
	case 104:
		*ret = c->gid;
		break;
	case 107:
		*ret = c->euid;
		break;
	case 108:
		*ret = c->egid;
		break;
	default:
		return 0;
	}
	c->calls_local++;
	return 1;
}

/* wait_here has the host wait on a futex, which names nothing but the caller's
 * memory. It gives 0 if the supervisor is to do so: where it looks at all calls or
 * wants the thread, and for times that must be cut if the wait is made again. */
static int wait_here(struct cb *c, u64 op, struct ucontext *u, u64 *ret)
{
	int bitset = (op & ~0x180UL) == 9; /* FUTEX_WAIT_BITSET, until an absolute time */
	if (!(c->flags & 1) || !(bitset || ((op & ~0x80UL) == 0 /* FUTEX_WAIT */ && !u->r10)))
		return 0;
	struct order o = { SYS_futex, { u->rdi, op, u->rdx, u->r10, u->r8, u->r9 }, 0 };
	c->blocked = 1;
	long r = block(&c->interrupt, &o);
	c->blocked = 0;
	if (r == -512 || r == -4)
		return 0;
	*ret = r;
	return 1;
}

/* on_sigsys: the guest made a system call. */
__attribute__((noreturn, used)) void on_sigsys(struct siginfo *i, struct ucontext *u)
{
	struct cb *c = this_cb();
	c->frame = (u64)u;
	c->nr = i->nr;
	c->arch = i->arch;
	c->args[0] = u->rdi;
	c->args[1] = u->rsi;
	c->args[2] = u->rdx;
	c->args[3] = u->r10;
	c->args[4] = u->r8;
	c->args[5] = u->r9;
	c->pc = u->rip;
	c->event = (i->nr == MAGIC_READY && in(u->rip, text_begin, text_end)) ? EV_READY : EV_SYSCALL;
	c->patched = 0;
	/* The first calls go to the supervisor, which patches hot places. */
	if (c->calls_forwarded++ > 64) {
		u64 ret;
		if (i->arch == 0xc000003e && (local(c, i->nr, &ret) || (i->nr == SYS_futex && wait_here(c, (u32)u->rsi, u, &ret)))) {
			u->rax = ret;
			fast_return(u, &c->interrupt);
		}
	}
	send_inputs(c);
	serve(c, u);
	__builtin_unreachable();
}

/* on_fault: the processor complains. */
__attribute__((used)) void on_fault(struct siginfo *i, struct ucontext *u)
{
	struct cb *c = this_cb();
	if (in(u->rip, cas_begin, cas_end)) {
		u->rip = (u64)cas_fix;
		return;
	}
	int any = in(u->rip, any_gs, any_ours);
	if (any || in(u->rip, patched_gs, patched_ours)) {
		/* The guest uses GS itself: the call takes the long way. */
		u64 *site = (u64 *)u->rcx;
		u->rip = u->rcx = site[0];
		if (!any)
			u->rax = site[1];
		c->event = EV_SYSCALL;
		c->frame = (u64)u;
		c->nr = u->rax;
		c->arch = 0xc000003e;
		c->args[0] = u->rdi;
		c->args[1] = u->rsi;
		c->args[2] = u->rdx;
		c->args[3] = u->r10;
		c->args[4] = u->r8;
		c->args[5] = u->r9;
		c->pc = u->rip;
		c->patched = 0;
		send_inputs(c);
		serve(c, u);
		__builtin_unreachable();
	}
	if (in(u->rip, copy_begin, copy_end)) {
		u->rip = in(u->rip, copy_begin, copy_part) ? (u64)copy_part : (u64)copy_fix;
		return;
	}
	c->frame = (u64)u;
	c->event = EV_FAULT;
	c->sig = i->signo;
	c->code = i->code;
	c->addr = i->addr;
	c->trapno = u->trapno;
	c->errcode = u->err;
	c->patched = 0;
	serve(c, u);
	__builtin_unreachable();
}

/* on_interrupt: the supervisor wants the thread. */
__attribute__((used)) void on_interrupt(struct siginfo *i, struct ucontext *u)
{
	struct cb *c = this_cb();
	if (in(u->rip, fast_begin, fast_last) || in(u->rip, sig_begin, sig_end)) {
		/* All that the guest is to get stands in the frame still. */
		interrupted((struct ucontext *)c->frame);
	}
	if (in(u->rip, patched_ours, local_begin)) {
		/* Nothing is lost yet: take the way that sees the interrupt. */
		c->interrupt = 1;
		u->rip = (u64)patched_slow;
		u->r11 = (u64)c;
		return;
	}
	if (u->rip >= (u64)local_begin && u->rip <= (u64)local_last) {
		/* Too late for that: do the rest of it. */
		if (u->rip < (u64)local_flags) {
			u64 of = u->rip == (u64)local_begin ? u->rax & 1 : u->rax >> 7 & 1;
			u->eflags = (u->eflags & ~0x8d5UL) | (u->rax >> 8 & 0xd5) | of << 11;
		}
		if (u->rip < (u64)local_last)
			u->rax = u->r11;
		u->rip = u->rcx;
	} else if (in(u->rip, patched_exit, patched_last)) {
		/* Begin the way back again, which sees the interrupt. */
		c->interrupt = 1;
		u->rip = (u64)patched_exit;
		u->rbx = (u64)c;
		return;
	} else if (u->rip == (u64)fast_last || u->rip == (u64)patched_last)
		u->rip = u->rcx; /* all but there */
	else if (in(u->rip, block_begin, block_end)) {
		u->rip = (u64)block_abort;
		return;
	}
	if (in(u->rip, text_begin, text_end)) {
		c->interrupt = 1;
		return;
	}
	c->frame = (u64)u;
	c->event = EV_INTERRUPT;
	c->patched = 0;
	serve(c, u);
	__builtin_unreachable();
}

/* direct makes calls that the filter lets the guest make itself, and which got
 * here because another call of the same site does not. */
static inline int direct(struct cb *c, struct ucontext *u, u64 nr)
{
	switch (nr) {
	case SYS_futex:
		if (wait_here(c, (u32)u->rsi, u, &u->rax))
			return 1;
		/* Those that do not sleep and know no owner, as in the filter. */
		if (!(1UL << (u->rsi & 0x3f) & (1 << 1 | 1 << 3 | 1 << 4 | 1 << 5 | 1 << 10)) || u->rsi & ~0xbfUL)
			return 0;
		break;
	case SYS_sched_yield:
		break;
	default:
		return 0;
	}
	u->rax = call6(nr, u->rdi, u->rsi, u->rdx, u->r10, u->r8, u->r9);
	return 1;
}

/* on_patched: a call by a patched site, whose registers patched_entry has put
 * into the slot's ucontext. */
__attribute__((used)) void on_patched(struct cb *c, u64 nr)
{
	struct ucontext *u = (struct ucontext *)((u64)c + OFF_UC);
	c->calls_patched++;
	if (local(c, nr, &u->rax) || direct(c, u, nr))
		return;
	c->frame = (u64)u;
	c->nr = nr;
	c->arch = 0xc000003e;
	c->args[0] = u->rdi;
	c->args[1] = u->rsi;
	c->args[2] = u->rdx;
	c->args[3] = u->r10;
	c->args[4] = u->r8;
	c->args[5] = u->r9;
	c->pc = u->rip;
	c->event = EV_SYSCALL;
	c->patched = 1;
	send_inputs(c);
	serve(c, u);
}

/* patched_interrupted: an interrupt came on the way back from on_patched. */
__attribute__((used)) void patched_interrupted(struct cb *c)
{
	c->event = EV_INTERRUPT;
	c->frame = (u64)c + OFF_UC;
	c->patched = 1;
	serve(c, (struct ucontext *)((u64)c + OFF_UC));
}

/* patched_entry is where a patched site jumps to by way of its trampoline. rcx
 * is the address of the site's record: where to return to, the number of the
 * call, and where in the control block its answer stands, if it may do so; that
 * needs no other registers. rax and r11 are free, the flags are kept but for DF. The extended
 * state stays in the registers: nothing here uses it. Offsets are those of
 * struct ucontext, from OFF_UC (0x400) on. */
__asm__(
	".text\n"
	"patched_entry:\n"
	"	lahf\n"
	"	seto %al\n"
	"patched_gs:\n"
	"	mov %gs:0xff8, %r11\n"
	"	cmp %r11, 0xff8(%r11)\n"
	"	je patched_ours\n"
	"	ud2\n"
	"patched_ours:\n"
	"	cmpq $0, 16(%rcx)\n"		/* may the answer stand here? */
	"	je patched_slow\n"
	"	cmpl $0, 12(%r11)\n"		/* interrupt */
	"	jne patched_slow\n"
	"	cmpb $0, 216(%r11)\n"		/* flags */
	"	je patched_slow\n"
	"	incq 192(%r11)\n"		/* calls_local */
	"	add 16(%rcx), %r11\n"
	"	mov (%r11), %r11d\n"
	"	mov (%rcx), %rcx\n"
	"local_begin:\n"
	"	add $0x7f, %al\n"
	"	sahf\n"
	"local_flags:\n"
	"	mov %r11, %rax\n"
	"local_last:\n"
	"	jmp *%rcx\n"
	"patched_slow:\n"
	"	mov %rax, 304(%r11)\n"		/* flags_saved */
	"	mov %r8, 0x428(%r11)\n"
	"	mov %r9, 0x430(%r11)\n"
	"	mov %r10, 0x438(%r11)\n"
	"	mov %r12, 0x448(%r11)\n"
	"	mov %r13, 0x450(%r11)\n"
	"	mov %r14, 0x458(%r11)\n"
	"	mov %r15, 0x460(%r11)\n"
	"	mov %rdi, 0x468(%r11)\n"
	"	mov %rsi, 0x470(%r11)\n"
	"	mov %rbp, 0x478(%r11)\n"
	"	mov %rbx, 0x480(%r11)\n"
	"	mov %rdx, 0x488(%r11)\n"
	"	mov %rsp, 0x4a0(%r11)\n"
	"	mov 8(%rcx), %rsi\n"
	"	mov (%rcx), %rcx\n"
	"	test %rsi, %rsi\n"
	"	cmovs 312(%r11), %rsi\n"	/* nr_live, of patched_any */
	"	mov %rcx, 0x498(%r11)\n"
	"	mov %rcx, 0x4a8(%r11)\n"
	"	mov %rsi, 0x490(%r11)\n"	/* rax, as the host leaves it */
	"	movzbl %ah, %edi\n"		/* the flags, in case a signal's frame needs them */
	"	movzbl %al, %edx\n"
	"	and $0xd5, %edi\n"
	"	shl $11, %edx\n"
	"	lea 0x202(%rdi, %rdx), %edi\n"
	"	mov %rdi, 0x4b0(%r11)\n"
	"	mov %rdi, 0x440(%r11)\n"
	"	mov %r11, %rbx\n"
	"	mov %r11, %rdi\n"
	"	lea 0xffc0(%r11), %rsp\n"
	"	call on_patched\n"
	"patched_exit:\n"
	"	cmpl $0, 12(%rbx)\n"		/* interrupt */
	"	jne 1f\n"
	"	mov 0x428(%rbx), %r8\n"
	"	mov 0x430(%rbx), %r9\n"
	"	mov 0x438(%rbx), %r10\n"
	"	mov 0x468(%rbx), %rdi\n"
	"	mov 0x470(%rbx), %rsi\n"
	"	mov 0x488(%rbx), %rdx\n"
	"	mov 0x4a8(%rbx), %rcx\n"
	"	mov 0x4a0(%rbx), %r11\n"
	"	mov 304(%rbx), %rax\n"
	"	add $0x7f, %al\n"
	"	sahf\n"
	"	mov 0x490(%rbx), %rax\n"
	"	mov 0x480(%rbx), %rbx\n"
	"	mov %r11, %rsp\n"
	"patched_last:\n"
	"	jmp *%rcx\n"
	"1:	mov %rbx, %rdi\n"
	"	call patched_interrupted\n"
	"	jmp patched_exit\n"
	/* The same for sites that make any call, whose number is in eax. What
	 * follows such a site does not read the flags. */
	"patched_any:\n"
	"any_gs:\n"
	"	mov %gs:0xff8, %r11\n"
	"	cmp %r11, 0xff8(%r11)\n"
	"	je any_ours\n"
	"	ud2\n"
	"any_ours:\n"
	"	mov %eax, %eax\n"
	"	mov %rax, 312(%r11)\n"
	"	xor %eax, %eax\n"
	"	jmp patched_slow\n");

/* Signal entries: rdi is the number, rsi siginfo, rdx ucontext. */
__asm__(
	".text\n"
	"entry_sigsys:\n"
	"	mov %rsi, %rdi\n"
	"	mov %rdx, %rsi\n"
	"	call on_sigsys\n"
	"entry_fault:\n"
	"	mov %rsi, %rdi\n"
	"	mov %rdx, %rsi\n"
	"	call on_fault\n"
	"	jmp restorer\n"
	"entry_interrupt:\n"
	"	mov %rsi, %rdi\n"
	"	mov %rdx, %rsi\n"
	"	call on_interrupt\n"
	"restorer:\n"
	"	add $8, %rsp\n"
	"	mov $15, %eax\n"
	"	syscall\n");
extern u8 entry_sigsys[], entry_fault[], entry_interrupt[], restorer[];

/* The filter. */
struct filter { u16 code; u8 jt, jf; u32 k; };
struct fprog { u16 len; struct filter *f; };
#define LD(o) { 0x20, 0, 0, o }
#define JEQ(k, t, f) { 0x15, t, f, k }
#define JGE(k, t, f) { 0x35, t, f, k }
#define AND(k) { 0x54, 0, 0, k }
#define RET(k) { 0x06, 0, 0, k }
#define ALLOW 0x7fff0000
#define TRAP 0x00030000
#define NR 0
#define ARCH 4
#define IP_LO 8
#define IP_HI 12
#define ARG(n) (16 + 8 * (n))
#define ARG_HI(n) (20 + 8 * (n))
#define DIRECT(n) JEQ(n, 0, 1), RET(ALLOW)

#include "filter.h"

static struct filter bell[] = { LD(NR), JEQ(SYS_pause, 0, 1), RET(0x7fc00000 /* USER_NOTIF */), RET(ALLOW) };

void start(u64 sp) __attribute__((noreturn));
void start(u64 sp)
{
	struct cb *c = (struct cb *)REGION;
	u64 none = 0;
	if (call6(SYS_mmap, REGION, REGION_SIZE, 3, 0x100011 /* SHARED|FIXED_NOREPLACE */, 1, 0) != (long)REGION)
		call6(SYS_exit_group, 90, 0, 0, 0, 0, 0);
	call6(SYS_close, 1, 0, 0, 0, 0, 0);
	call6(SYS_prctl, 1 /* PR_SET_PDEATHSIG */, 9, 0, 0, 0, 0);
	/* That is for what comes. If the supervisor's end has come already, somebody
	 * else is the parent, or the channel has ended. */
	if (call6(SYS_getppid, 0, 0, 0, 0, 0, 0) != (long)c->ppid || receive(1, 0x40 /* MSG_DONTWAIT */) == 0)
		call6(SYS_exit_group, 94, 0, 0, 0, 0, 0);
	u32 hdr[2] = { 0x20080522, 0 };
	u64 caps[3] = { 0, 0, 0 };
	call6(SYS_capset, (long)hdr, (long)caps, 0, 0, 0, 0);
	call6(SYS_prctl, 38 /* PR_SET_NO_NEW_PRIVS */, 1, 0, 0, 0, 0);
	if (call6(SYS_sigaltstack, (long)&c->ss_sp, 0, 0, 0, 0, 0))
		call6(SYS_exit_group, 91, 0, 0, 0, 0, 0);
	/* SA_SIGINFO | SA_ONSTACK | SA_RESTORER | SA_NODEFER */
	struct sigaction sa = { entry_sigsys, 0x4c000004, restorer, 0 };
	call6(SYS_rt_sigaction, 31, (long)&sa, 0, 8, 0, 0);
	sa.handler = entry_interrupt;
	call6(SYS_rt_sigaction, 23, (long)&sa, 0, 8, 0, 0);
	sa.handler = entry_fault;
	static const u8 faults[] = { 4, 5, 7, 8, 11 };
	for (u32 i = 0; i < sizeof faults; i++)
		call6(SYS_rt_sigaction, faults[i], (long)&sa, 0, 8, 0, 0);
	call6(SYS_rt_sigprocmask, 2, (long)&none, 0, 8, 0, 0);
	call6(SYS_arch_prctl, 0x1001 /* ARCH_SET_GS */, (long)c, 0, 0, 0, 0);
	/* The bell: a call that the host reports to who has the filter's descriptor. With
	 * WAIT_KILLABLE_RECV no signal would end it, but a call that blocks would count as
	 * load and keep the freezer waiting. */
	struct fprog p = { sizeof bell / sizeof bell[0], bell };
	long fd = call6(SYS_seccomp, 1, 0xc /* SPEC_ALLOW | NEW_LISTENER */, (long)&p, 0, 0, 0);
	if (fd != 1 || send_bell(fd) != 1 || call6(SYS_close, fd, 0, 0, 0, 0, 0))
		call6(SYS_exit_group, 95, 0, 0, 0, 0, 0);
	p.len = sizeof filter / sizeof filter[0];
	p.f = filter;
	if (call6(SYS_seccomp, 1, 4 /* SPEC_ALLOW */, (long)&p, 0, 0, 0))
		call6(SYS_exit_group, 92, 0, 0, 0, 0, 0);
	call6(MAGIC_READY, sp, 0, 0, 0, 0, 0);
	for (;;)
		call6(SYS_exit_group, 93, 0, 0, 0, 0, 0);
}
/* Trampolines know the addresses of these. */
__asm__(".section .text.patch\n	jmp patched_entry\n	.balign 16, 0xcc\n	jmp patched_any\n	.balign 16, 0xcc\n.text\n");
__asm__(".section .text.start\n.globl _start\n_start:\n	mov %rsp, %rdi\n	and $-16, %rsp\n	call start\n");
