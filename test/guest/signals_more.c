/* build: -Wno-deprecated-declarations */
/* Rarer corners: auto-disarmed stacks, interrupted system calls of a shell, frames. */
#include "check.h"
#include <ucontext.h>

static volatile int hits, flags_in = -1;
static char alt[65536];

static void look(int s)
{
	stack_t o;
	(void)s;
	sigaltstack(NULL, &o);
	flags_in = o.ss_flags;
	hits++;
}

TEST_FORK(auto_disarm)
{
	stack_t ss = {.ss_sp = alt, .ss_size = sizeof alt, .ss_flags = (int)(1U << 31)}, o;
	struct sigaction sa = {.sa_handler = look, .sa_flags = SA_ONSTACK};
	CHECK_OK(sigaltstack(&ss, NULL));
	sigaction(SIGUSR1, &sa, NULL);
	raise(SIGUSR1);
	CHECK_EQ(flags_in, SS_DISABLE); /* off while the handler runs */
	CHECK_OK(sigaltstack(NULL, &o));
	CHECK(o.ss_sp == alt && o.ss_flags == (int)(1U << 31)); /* and back */
}

static ucontext_t main_ctx, other;
static volatile int steps;
static void coroutine(void)
{
	for (int i = 0; i < 3; i++) {
		steps++;
		swapcontext(&other, &main_ctx);
	}
}

TEST_FORK(contexts)
{
	getcontext(&other);
	other.uc_stack.ss_sp = alt;
	other.uc_stack.ss_size = sizeof alt;
	other.uc_link = &main_ctx;
	makecontext(&other, coroutine, 0);
	for (int i = 0; i < 3; i++)
		swapcontext(&main_ctx, &other);
	CHECK_EQ(steps, 3);
}

static volatile uint64_t rip_in, rsp_in, rflags_in, cs_in;
static void frame(int s, siginfo_t *i, void *u)
{
	ucontext_t *c = u;
	(void)s, (void)i;
	rip_in = c->uc_mcontext.gregs[REG_RIP];
	rsp_in = c->uc_mcontext.gregs[REG_RSP];
	rflags_in = c->uc_mcontext.gregs[REG_EFL];
	cs_in = c->uc_mcontext.gregs[REG_CSGSFS] & 0xffff;
	hits++;
}

TEST_FORK(frame_layout)
{
	/* The handler starts aligned, below the red zone, with the direction flag clear. */
	struct sigaction sa = {.sa_sigaction = frame, .sa_flags = SA_SIGINFO};
	sigaction(SIGUSR1, &sa, NULL);
	char here;
	raise(SIGUSR1);
	CHECK_EQ(cs_in, 0x33);
	CHECK(rsp_in < (uintptr_t)&here + 65536 && rsp_in > (uintptr_t)&here - 65536);
	CHECK(rflags_in & 0x200);
	CHECK(rip_in > 4096);
	/* Values below the stack pointer survive (128 bytes of red zone). */
	sigaction(SIGUSR2, &sa, NULL);
	uint64_t back = 0;
	long pid = getpid();
	__asm__ volatile("movq $0x1234567, -8(%%rsp)\n movq $0x89abcde, -120(%%rsp)\n"
			 "mov %[pid], %%rdi\n mov $12, %%esi\n mov $62, %%eax\n syscall\n"
			 "movq -8(%%rsp), %%rax\n addq -120(%%rsp), %%rax\n mov %%rax, %[out]"
			 : [out] "=r"(back)
			 : [pid] "r"(pid)
			 : "rax", "rdi", "rsi", "rcx", "r11", "memory");
	CHECK_EQ(back, 0x1234567 + 0x89abcde);
	CHECK_EQ(hits, 2);
}

TEST_FORK(registers_across_calls)
{
	/* A system call changes rax, rcx and r11 only. */
	uint64_t in[12], out[12];
	for (int i = 0; i < 12; i++)
		in[i] = 0x1111111111111111ULL * (i + 1);
	__asm__ volatile("push %%rbp\n push %%rbx\n push %[out]\n mov %[in], %%rax\n"
			 "mov 0(%%rax),%%rbx\n mov 8(%%rax),%%rdx\n mov 16(%%rax),%%rsi\n mov 24(%%rax),%%rdi\n"
			 "mov 32(%%rax),%%rbp\n mov 40(%%rax),%%r8\n mov 48(%%rax),%%r9\n mov 56(%%rax),%%r10\n"
			 "mov 64(%%rax),%%r12\n mov 72(%%rax),%%r13\n mov 80(%%rax),%%r14\n mov 88(%%rax),%%r15\n"
			 "mov $39,%%eax\n syscall\n pop %%rcx\n"
			 "mov %%rbx,0(%%rcx)\n mov %%rdx,8(%%rcx)\n mov %%rsi,16(%%rcx)\n mov %%rdi,24(%%rcx)\n"
			 "mov %%rbp,32(%%rcx)\n mov %%r8,40(%%rcx)\n mov %%r9,48(%%rcx)\n mov %%r10,56(%%rcx)\n"
			 "mov %%r12,64(%%rcx)\n mov %%r13,72(%%rcx)\n mov %%r14,80(%%rcx)\n mov %%r15,88(%%rcx)\n"
			 "pop %%rbx\n pop %%rbp"
			 :
			 : [in] "r"(in), [out] "r"(out)
			 : "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "memory");
	for (int i = 0; i < 12; i++)
		CHECK_EQ(out[i], in[i]);
}

static volatile int order[4], n_order;
static void first(int s) { (void)s, order[n_order++] = 1; }
static void second(int s) { (void)s, order[n_order++] = 2; }

TEST_FORK(two_at_once)
{
	/* Both frames are set up before either handler runs: the last one first. */
	struct sigaction a = {.sa_handler = first}, b = {.sa_handler = second};
	sigset_t s;
	sigaction(SIGUSR1, &a, NULL);
	sigaction(SIGUSR2, &b, NULL);
	sigemptyset(&s);
	sigaddset(&s, SIGUSR1);
	sigaddset(&s, SIGUSR2);
	sigprocmask(SIG_BLOCK, &s, NULL);
	raise(SIGUSR1);
	raise(SIGUSR2);
	sigprocmask(SIG_UNBLOCK, &s, NULL);
	CHECK(n_order == 2 && order[0] == 2 && order[1] == 1);
}

TEST(shell_traps)
{
	CHECK_EQ(system("sh -c 'trap \"exit 9\" TERM; kill -TERM $$; exit 1'; [ $? = 9 ]"), 0);
	CHECK_EQ(system("bash -c 'trap \"echo got\" USR1; (sleep 0.1; kill -USR1 $$) & wait; [ $? -gt 128 ]'>/dev/null"), 0);
	CHECK_EQ(system("sh -c 'trap \"\" INT; sh -c \"kill -INT \\$\\$; exit 4\"; [ $? = 4 ]'"), 0);
	CHECK_EQ(system("timeout 0.1 sleep 10; [ $? = 124 ]"), 0);
	CHECK_EQ(system("bash -c 'sleep 10 & kill %1; wait %1; [ $? = 143 ]' 2>/dev/null"), 0);
	CHECK_EQ(system("bash -c 'coproc cat; echo hi >&${COPROC[1]}; read x <&${COPROC[0]}; [ $x = hi ]'"), 0);
	CHECK_EQ(system("bash -c 'set -o pipefail; false | true; [ $? = 1 ]'"), 0);
}

TEST_FORK(handler_replaced_and_inherited)
{
	struct sigaction sa = {.sa_handler = look}, old;
	sigaction(SIGUSR1, &sa, NULL);
	JOIN(FORK(hits = 0; raise(SIGUSR1); CHECK_EQ(hits, 1))); /* fork keeps handlers */
	CHECK_OK(siginterrupt(SIGUSR1, 1));
	sigaction(SIGUSR1, NULL, &old);
	CHECK(!(old.sa_flags & SA_RESTART));
	CHECK_OK(siginterrupt(SIGUSR1, 0));
	sigaction(SIGUSR1, NULL, &old);
	CHECK(old.sa_flags & SA_RESTART);
	CHECK(signal(SIGUSR1, SIG_DFL) == look);
	CHECK(signal(999, SIG_DFL) == SIG_ERR && errno == EINVAL);
}
