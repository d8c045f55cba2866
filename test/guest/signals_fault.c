/* build: -mavx -O1 */
/* Faults to handlers: codes, addresses, registers changed and kept. */
#include "check.h"
#include <immintrin.h>
#include <ucontext.h>

static sigjmp_buf jb;
static siginfo_t info;
static uint64_t trapno, err, cr2;
static void on_fault(int s, siginfo_t *i, void *u)
{
	ucontext_t *c = u;
	info = *i;
	trapno = c->uc_mcontext.gregs[REG_TRAPNO];
	err = c->uc_mcontext.gregs[REG_ERR];
	cr2 = c->uc_mcontext.gregs[REG_CR2];
	siglongjmp(jb, s);
}
/* RAISES(statement) gives the signal raised by it. */
#define RAISES(stmt)                                                          \
	({                                                                     \
		struct sigaction sa_ = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO}; \
		static const int f_[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP}; \
		for (size_t k_ = 0; k_ < 5; k_++)                              \
			sigaction(f_[k_], &sa_, NULL);                         \
		int s_ = sigsetjmp(jb, 1);                                     \
		if (s_ == 0) {                                                 \
			stmt;                                                  \
		}                                                              \
		for (size_t k_ = 0; k_ < 5; k_++)                              \
			signal(f_[k_], SIG_DFL);                               \
		s_;                                                            \
	})

TEST(segv)
{
	volatile char *p = mmap(NULL, 8192, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK_EQ(RAISES((void)*(volatile char *)24), SIGSEGV);
	CHECK(info.si_code == SEGV_MAPERR && info.si_addr == (void *)24 && info.si_signo == SIGSEGV);
	CHECK(trapno == 14 && cr2 == 24 && (err & 7) == 4);
	CHECK_EQ(RAISES(p[100] = 1), SIGSEGV);
	CHECK(info.si_code == SEGV_ACCERR && info.si_addr == p + 100);
	CHECK((err & 7) == 7 || (err & 7) == 6);
	mprotect((void *)p, 4096, PROT_NONE);
	CHECK_EQ(RAISES((void)p[4095]), SIGSEGV);
	CHECK_EQ(info.si_code, SEGV_ACCERR);
	CHECK_EQ(RAISES(((void (*)(void))(p + 4096))()), SIGSEGV); /* no execute */
	CHECK(info.si_code == SEGV_ACCERR && info.si_addr == p + 4096);
	CHECK_EQ(RAISES(((void (*)(void))NULL)()), SIGSEGV);
	CHECK(info.si_addr == NULL && info.si_code == SEGV_MAPERR);
	/* A non-canonical address is a general protection fault. */
	CHECK_EQ(RAISES((void)*(volatile char *)0x8000000000000000), SIGSEGV);
	CHECK(info.si_code == SI_KERNEL && info.si_addr == NULL);
	CHECK_EQ(trapno, 13);
	CHECK_EQ(RAISES(__asm__ volatile("hlt")), SIGSEGV);
	CHECK_EQ(info.si_code, SI_KERNEL);
}

TEST(others)
{
	volatile int z = 0, r;
	CHECK_EQ(RAISES(r = 7 / z), SIGFPE);
	CHECK_EQ(info.si_code, FPE_INTDIV);
	CHECK(info.si_addr != NULL);
	volatile int min = INT_MIN, m1 = -1;
	CHECK_EQ(RAISES(r = min / m1), SIGFPE);
	CHECK_EQ(RAISES(__asm__ volatile("ud2")), SIGILL);
	CHECK_EQ(info.si_code, ILL_ILLOPN);
	CHECK(info.si_addr != NULL);
	CHECK_EQ(RAISES(__asm__ volatile("int3")), SIGTRAP);
	CHECK_EQ(info.si_code, SI_KERNEL);
	CHECK_EQ(trapno, 3);
	CHECK_EQ(RAISES(({
		unsigned csr = _mm_getcsr();
		volatile float a = 1, b = 0;
		_mm_setcsr(csr & ~_MM_MASK_DIV_ZERO);
		a = a / b;
		(void)a;
	})), SIGFPE);
	CHECK_EQ(info.si_code, FPE_FLTDIV);
	_mm_setcsr(0x1f80);
	(void)r;
	int fd = open("bus", O_RDWR | O_CREAT, 0600);
	volatile char *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK_EQ(RAISES(p[7] = 1), SIGBUS);
	CHECK(info.si_code == BUS_ADRERR && info.si_addr == p + 7);
	close(fd);
}

TEST(single_step)
{
	CHECK_EQ(RAISES(__asm__ volatile("pushfq; orq $0x100, (%%rsp); popfq; nop; nop" ::: "memory", "cc")), SIGTRAP);
	CHECK_EQ(info.si_code, TRAP_TRACE);
}

static volatile int fixed;
static char *page;
static void repair(int s, siginfo_t *i, void *u)
{
	(void)s, (void)u;
	mprotect((void *)((uintptr_t)i->si_addr & ~4095UL), 4096, PROT_READ | PROT_WRITE);
	fixed++;
}

TEST_FORK(repair_and_retry)
{
	/* What a garbage collector does with write barriers. */
	struct sigaction sa = {.sa_sigaction = repair, .sa_flags = SA_SIGINFO};
	sigaction(SIGSEGV, &sa, NULL);
	page = mmap(NULL, 100 * 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (int i = 0; i < 100; i++)
		((volatile char *)page)[i * 4096 + i] = i;
	CHECK_EQ(fixed, 100);
	for (int i = 0; i < 100; i++)
		CHECK_EQ(page[i * 4096 + i], i);
}

static void skip(int s, siginfo_t *i, void *u)
{
	ucontext_t *c = u;
	(void)s, (void)i;
	c->uc_mcontext.gregs[REG_RIP] += 2; /* over ud2 */
	c->uc_mcontext.gregs[REG_RAX] = 0x1122334455667788;
	c->uc_mcontext.gregs[REG_R12] += 1;
	c->uc_mcontext.gregs[REG_EFL] |= 1; /* carry */
	sigaddset(&c->uc_sigmask, SIGUSR2);
}

TEST_FORK(change_registers)
{
	struct sigaction sa = {.sa_sigaction = skip, .sa_flags = SA_SIGINFO};
	uint64_t rax = 1;
	uint8_t carry = 0;
	register uint64_t r12 __asm__("r12") = 41;
	sigaction(SIGILL, &sa, NULL);
	__asm__ volatile("clc; ud2; setc %1" : "=a"(rax), "=m"(carry), "+r"(r12) : : "cc", "memory");
	uint64_t v = r12;
	CHECK_EQ(rax, 0x1122334455667788);
	CHECK_EQ(v, 42);
	CHECK_EQ(carry, 1);
	sigset_t set;
	sigprocmask(SIG_BLOCK, NULL, &set);
	CHECK(sigismember(&set, SIGUSR2));
}

static void smash(int s)
{
	/* Other floating point, SSE and AVX state in the handler. */
	(void)s;
	double a[64];
	for (int i = 0; i < 64; i++)
		a[i] = i * 1.5;
	__asm__ volatile("fninit; fld1; fldpi; vpcmpeqd %%ymm0,%%ymm0,%%ymm0; vmovdqa %%ymm0,%%ymm1;"
			 "vmovdqa %%ymm0,%%ymm7; vmovdqa %%ymm0,%%ymm15" ::"m"(a)
			 : "xmm0", "xmm1", "xmm7", "xmm15", "memory");
	_mm_setcsr(0x1f80 | 0x6000);
}

TEST_FORK(vector_state)
{
	struct sigaction sa = {.sa_handler = smash};
	long pid = getpid();
	sigaction(SIGUSR1, &sa, NULL);
	struct {
		uint8_t b[32];
	} in[4] __attribute__((aligned(32))), out[4] __attribute__((aligned(32)));
	for (int i = 0; i < 128; i++)
		((uint8_t *)in)[i] = i * 3 + 1;
	double st = 0;
	unsigned csr = 0x1f80 | 0x2000, csr2 = 0;
	long ret = -1;
	__asm__ volatile("ldmxcsr %[csr]\n fninit\n fldl %[d]\n"
			 "vmovdqa (%[in]),%%ymm0\n vmovdqa 32(%[in]),%%ymm1\n"
			 "vmovdqa 64(%[in]),%%ymm7\n vmovdqa 96(%[in]),%%ymm15\n"
			 "mov %[nr],%%rax\n mov %[pid],%%rdi\n mov %[sig],%%rsi\n syscall\n mov %%rax,%[ret]\n"
			 "vmovdqa %%ymm0,(%[out])\n vmovdqa %%ymm1,32(%[out])\n"
			 "vmovdqa %%ymm7,64(%[out])\n vmovdqa %%ymm15,96(%[out])\n"
			 "fstpl %[st]\n stmxcsr %[csr2]\n"
			 : [st] "=m"(st), [csr2] "=m"(csr2), [ret] "=&m"(ret)
			 : [csr] "m"(csr), [d] "m"((double){2.5}), [in] "r"(in), [out] "r"(out),
			   [nr] "i"(SYS_kill), [pid] "r"(pid), [sig] "i"(SIGUSR1)
			 : "rax", "rdi", "rsi", "rcx", "r11", "xmm0", "xmm1", "xmm7", "xmm15", "memory");
	CHECK_EQ(ret, 0);
	CHECK(!memcmp(in, out, sizeof in));
	CHECK(st == 2.5);
	CHECK_EQ(csr2 & 0x6000, 0x2000);
}

static volatile int alarms;
static void on_alarm(int s)
{
	(void)s;
	volatile double x = alarms;
	for (int i = 0; i < 20; i++)
		x = x * 1.0001 + 1;
	alarms++;
}

TEST_FORK(computing_under_fire)
{
	/* A computation gives the same result however often it is interrupted. */
	struct sigaction sa = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
	sigaction(SIGALRM, &sa, NULL);
	double want = 0, got;
	uint64_t hw = 0, hg;
	for (int pass = 0; pass < 2; pass++) {
		struct itimerval it = {{0, 2000}, {0, 2000}}, off = {0};
		if (pass == 1)
			setitimer(ITIMER_REAL, &it, NULL);
		double a = 1;
		uint64_t h = 14695981039346656037ULL;
		for (int i = 1; i < 20000000; i++) {
			a = a * 1.0000001 + 1.0 / i;
			h = (h ^ i) * 1099511628211ULL;
		}
		setitimer(ITIMER_REAL, &off, NULL);
		if (pass == 0)
			want = a, hw = h;
		got = a, hg = h;
	}
	CHECK(got == want && hg == hw);
	CHECK(alarms > 3);
}

TEST(blocked_fault_kills)
{
	CHECK_KILLED(FORK({
		struct rlimit none = {0, 0};
		struct sigaction sa = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
		sigset_t set;
		setrlimit(RLIMIT_CORE, &none);
		sigaction(SIGSEGV, &sa, NULL);
		sigemptyset(&set);
		sigaddset(&set, SIGSEGV);
		sigprocmask(SIG_BLOCK, &set, NULL);
		*(volatile char *)8 = 1;
	}), SIGSEGV);
	CHECK_KILLED(FORK({
		struct rlimit none = {0, 0};
		setrlimit(RLIMIT_CORE, &none);
		signal(SIGSEGV, SIG_IGN);
		*(volatile char *)8 = 1;
	}), SIGSEGV);
	CHECK_KILLED(FORK({ /* a handler without a usable stack */
		struct rlimit none = {0, 0};
		struct sigaction sa = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
		setrlimit(RLIMIT_CORE, &none);
		sigaction(SIGUSR1, &sa, NULL);
		long pid = getpid();
		__asm__ volatile("mov $64,%%rsp; mov %0,%%rdi; mov $10,%%rsi; mov $62,%%eax; syscall; hlt" ::"r"(pid));
	}), SIGSEGV);
}
