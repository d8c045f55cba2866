/* build: -pthread */
/* Signals under threads, as Go and garbage-collected runtimes use them. */
#include "check.h"
#include <pthread.h>
#include <ucontext.h>

enum { N = 8 };
static volatile int stop_now;
static __thread volatile int my_hits;
static int total;

static void on_preempt(int s, siginfo_t *i, void *u)
{
	ucontext_t *c = u;
	char here;
	stack_t ss;
	(void)s, (void)i;
	sigaltstack(NULL, &ss);
	/* On this thread's own alternate stack, with its own stack pointer saved. */
	if (&here >= (char *)ss.ss_sp && &here < (char *)ss.ss_sp + ss.ss_size && c->uc_mcontext.gregs[REG_RSP])
		my_hits++;
}
static void *spinner(void *a)
{
	char *alt = malloc(65536);
	stack_t ss = {.ss_sp = alt, .ss_size = 65536};
	sigaltstack(&ss, NULL);
	*(pid_t *)a = gettid();
	uint64_t h = 1, n = 0;
	while (!__atomic_load_n(&stop_now, __ATOMIC_RELAXED) || my_hits == 0)
		h = h * 6364136223846793005ULL + 1, n++;
	uint64_t check = 1;
	for (uint64_t k = 0; k < n; k++)
		check = check * 6364136223846793005ULL + 1;
	if (check == h)
		__atomic_add_fetch(&total, my_hits, __ATOMIC_SEQ_CST);
	return NULL;
}

TEST_FORK(preemption_storm)
{
	struct sigaction sa = {.sa_sigaction = on_preempt, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART};
	pthread_t t[4];
	volatile pid_t tid[4] = {0};
	sigaction(SIGURG, &sa, NULL);
	for (int i = 0; i < 4; i++)
		CHECK_RET(pthread_create(&t[i], NULL, spinner, (void *)&tid[i]), 0);
	for (int i = 0; i < 4; i++)
		while (!tid[i])
			usleep(500);
	for (int k = 0; k < 50; k++)
		for (int i = 0; i < 4; i++)
			CHECK_OK(syscall(SYS_tgkill, getpid(), tid[i], SIGURG));
	__atomic_store_n(&stop_now, 1, __ATOMIC_SEQ_CST);
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	CHECK(total >= 4);
}

static char *heap;
static int repaired;
static void repair(int s, siginfo_t *i, void *u)
{
	(void)s, (void)u;
	char *page = (char *)((uintptr_t)i->si_addr & ~4095UL);
	if (page < heap || page >= heap + N * 100 * 4096)
		_exit(55);
	mprotect(page, 4096, PROT_READ | PROT_WRITE);
	__atomic_add_fetch(&repaired, 1, __ATOMIC_SEQ_CST);
}
static void *faulter(void *a)
{
	char *p = heap + (intptr_t)a * 100 * 4096;
	for (int i = 0; i < 100; i++)
		p[i * 4096 + 8] = i;
	return NULL;
}

TEST_FORK(faults_in_parallel)
{
	struct sigaction sa = {.sa_sigaction = repair, .sa_flags = SA_SIGINFO};
	pthread_t t[N];
	sigaction(SIGSEGV, &sa, NULL);
	heap = mmap(NULL, N * 100 * 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (intptr_t i = 0; i < N; i++)
		CHECK_RET(pthread_create(&t[i], NULL, faulter, (void *)i), 0);
	for (int i = 0; i < N; i++)
		pthread_join(t[i], NULL);
	CHECK_EQ(repaired, N * 100);
}

static volatile int parked, resume_;
static pthread_t world[N];
static void park(int s)
{
	(void)s;
	__atomic_add_fetch(&parked, 1, __ATOMIC_SEQ_CST);
	while (!__atomic_load_n(&resume_, __ATOMIC_SEQ_CST))
		usleep(200);
	__atomic_sub_fetch(&parked, 1, __ATOMIC_SEQ_CST);
}
static void *mutator(void *a)
{
	int n = 0;
	while (!__atomic_load_n(&stop_now, __ATOMIC_SEQ_CST)) {
		free(malloc(100 + n++ % 1000));
		if (n % 50 == 0)
			getppid();
	}
	return a;
}

TEST_FORK(stop_the_world)
{
	struct sigaction sa = {.sa_handler = park, .sa_flags = SA_RESTART};
	sigaction(SIGPWR, &sa, NULL);
	for (int i = 0; i < N; i++)
		CHECK_RET(pthread_create(&world[i], NULL, mutator, NULL), 0);
	for (int round = 0; round < 10; round++) {
		resume_ = 0;
		for (int i = 0; i < N; i++)
			CHECK_RET(pthread_kill(world[i], SIGPWR), 0);
		while (__atomic_load_n(&parked, __ATOMIC_SEQ_CST) < N)
			usleep(200);
		__atomic_store_n(&resume_, 1, __ATOMIC_SEQ_CST);
		while (__atomic_load_n(&parked, __ATOMIC_SEQ_CST) > 0)
			usleep(200);
	}
	__atomic_store_n(&stop_now, 1, __ATOMIC_SEQ_CST);
	for (int i = 0; i < N; i++)
		pthread_join(world[i], NULL);
}

static int queued[200];
static void *rt_waiter(void *a)
{
	sigset_t s;
	siginfo_t si;
	sigemptyset(&s);
	sigaddset(&s, SIGRTMIN + 5);
	for (;;) {
		if (sigwaitinfo(&s, &si) != SIGRTMIN + 5)
			continue;
		if (si.si_value.sival_int < 0)
			return a;
		__atomic_add_fetch(&queued[si.si_value.sival_int], 1, __ATOMIC_SEQ_CST);
	}
}

TEST_FORK(each_queued_signal_once)
{
	pthread_t t[4];
	sigset_t s;
	sigemptyset(&s);
	sigaddset(&s, SIGRTMIN + 5);
	pthread_sigmask(SIG_BLOCK, &s, NULL);
	for (int i = 0; i < 4; i++)
		CHECK_RET(pthread_create(&t[i], NULL, rt_waiter, NULL), 0);
	for (int i = 0; i < 200; i++)
		while (sigqueue(getpid(), SIGRTMIN + 5, (union sigval){.sival_int = i}))
			usleep(500);
	for (int i = 0; i < 4; i++)
		CHECK_OK(sigqueue(getpid(), SIGRTMIN + 5, (union sigval){.sival_int = -1}));
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	for (int i = 0; i < 200; i++)
		CHECK_EQ(queued[i], 1);
}

static void *masked(void *a)
{
	sigset_t s, pend;
	sigemptyset(&s);
	sigaddset(&s, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &s, NULL);
	pthread_kill(pthread_self(), SIGUSR1);
	sigpending(&pend);
	*(bool *)a = sigismember(&pend, SIGUSR1);
	return NULL; /* its pending signal dies with it */
}

TEST_FORK(pending_is_the_threads)
{
	pthread_t t;
	bool had = false;
	sigset_t pend;
	CHECK_RET(pthread_create(&t, NULL, masked, &had), 0);
	pthread_join(t, NULL);
	CHECK(had);
	sigpending(&pend);
	CHECK(!sigismember(&pend, SIGUSR1));
	siginfo_t si = {.si_code = SI_QUEUE};
	CHECK_ERRNO(syscall(SYS_rt_tgsigqueueinfo, getpid(), 1 << 29, SIGUSR1, &si), ESRCH);
}
