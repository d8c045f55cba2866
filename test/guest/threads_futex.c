/* build: -pthread */
/* futex(2): wait, wake, requeue, bitsets, timeouts, shared memory, robust lists. */
#include "check.h"
#include <linux/futex.h>
#include <pthread.h>

static long futex(void *p, int op, uint32_t val, const void *to, void *p2, uint32_t val3)
{
	return syscall(SYS_futex, p, op, val, to, p2, val3);
}

static uint32_t word, word2;
static int woken;
struct waiter {
	int op;
	uint32_t bits;
	pthread_t t;
};
static void *wait_on(void *a)
{
	struct waiter *w = a;
	while (futex(&word, w->op, 0, NULL, NULL, w->bits) == -1 && errno == EINTR)
		;
	__atomic_add_fetch(&woken, 1, __ATOMIC_SEQ_CST);
	return NULL;
}
static void start(struct waiter *w, int n, int op, uint32_t bits)
{
	woken = 0;
	for (int i = 0; i < n; i++) {
		w[i] = (struct waiter){.op = op, .bits = bits};
		CHECK_RET(pthread_create(&w[i].t, NULL, wait_on, &w[i]), 0);
	}
	settle();
}
static void join(struct waiter *w, int n)
{
	for (int i = 0; i < n; i++)
		pthread_join(w[i].t, NULL);
}

TEST(wait_and_wake)
{
	struct waiter w[4];
	CHECK_EQ(futex(&word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0), 0);
	CHECK_ERRNO(futex(&word, FUTEX_WAIT_PRIVATE, 1, NULL, NULL, 0), EAGAIN);
	start(w, 4, FUTEX_WAIT_PRIVATE, 0);
	CHECK_EQ(futex(&word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0), 1);
	settle();
	CHECK_EQ(woken, 1);
	CHECK_EQ(futex(&word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0), 3);
	join(w, 4);
	/* Shared operations on private memory meet only shared ones. */
	start(w, 2, FUTEX_WAIT, 0);
	CHECK_EQ(futex(&word, FUTEX_WAKE_PRIVATE, 9, NULL, NULL, 0), 0);
	CHECK_EQ(futex(&word, FUTEX_WAKE, 9, NULL, NULL, 0), 2);
	join(w, 2);
}

TEST(errors)
{
	struct timespec bad = {0, 1000000000}, neg = {-1, 0}, none = {0, 0};
	CHECK_ERRNO(futex((char *)&word + 1, FUTEX_WAIT_PRIVATE, 0, &none, NULL, 0), EINVAL);
	CHECK_ERRNO(futex((void *)8, FUTEX_WAIT_PRIVATE, 0, &none, NULL, 0), EFAULT);
	CHECK_ERRNO(futex(&word, FUTEX_WAIT_PRIVATE, 0, &bad, NULL, 0), EINVAL);
	CHECK_ERRNO(futex(&word, FUTEX_WAIT_PRIVATE, 0, &neg, NULL, 0), EINVAL);
	CHECK_ERRNO(futex(&word, FUTEX_WAIT_PRIVATE, 0, (void *)8, NULL, 0), EFAULT);
	CHECK_ERRNO(futex(&word, FUTEX_WAIT_PRIVATE, 0, &none, NULL, 0), ETIMEDOUT);
	CHECK_ERRNO(futex(&word, FUTEX_WAIT_BITSET_PRIVATE, 0, &none, NULL, 0), EINVAL);
	CHECK_ERRNO(futex(&word, 100, 0, NULL, NULL, 0), ENOSYS);
	CHECK_ERRNO(futex(&word, FUTEX_CMP_REQUEUE_PRIVATE, 0, NULL, &word2, 1), EAGAIN);
}

TEST(timeouts)
{
	struct timespec ts = {0, 50000000};
	long long t0 = now_ms();
	CHECK_ERRNO(futex(&word, FUTEX_WAIT_PRIVATE, 0, &ts, NULL, 0), ETIMEDOUT);
	CHECK(now_ms() - t0 >= 48);
	/* A bitset wait takes an absolute time, monotonic or real. */
	clock_gettime(CLOCK_MONOTONIC, &ts);
	t0 = now_ms();
	ts.tv_nsec += 50000000;
	if (ts.tv_nsec >= 1000000000)
		ts.tv_sec++, ts.tv_nsec -= 1000000000;
	CHECK_ERRNO(futex(&word, FUTEX_WAIT_BITSET_PRIVATE, 0, &ts, NULL, ~0U), ETIMEDOUT);
	CHECK(now_ms() - t0 >= 48);
	clock_gettime(CLOCK_REALTIME, &ts);
	ts.tv_sec -= 10;
	CHECK_ERRNO(futex(&word, FUTEX_WAIT_BITSET_PRIVATE | FUTEX_CLOCK_REALTIME, 0, &ts, NULL, ~0U), ETIMEDOUT);
}

TEST(bitsets)
{
	struct waiter a[2], b[2];
	start(a, 2, FUTEX_WAIT_BITSET_PRIVATE, 1);
	start(b, 2, FUTEX_WAIT_BITSET_PRIVATE, 6);
	CHECK_EQ(futex(&word, FUTEX_WAKE_BITSET_PRIVATE, 9, NULL, NULL, 8), 0);
	CHECK_EQ(futex(&word, FUTEX_WAKE_BITSET_PRIVATE, 9, NULL, NULL, 2), 2);
	join(b, 2);
	CHECK_EQ(futex(&word, FUTEX_WAKE_PRIVATE, 9, NULL, NULL, 0), 2);
	join(a, 2);
}

TEST(requeue)
{
	struct waiter w[5];
	start(w, 5, FUTEX_WAIT_PRIVATE, 0);
	/* Wake one, move two, leave two. */
	CHECK_EQ(futex(&word, FUTEX_CMP_REQUEUE_PRIVATE, 1, (void *)2, &word2, 0), 3);
	CHECK_EQ(futex(&word, FUTEX_WAKE_PRIVATE, 9, NULL, NULL, 0), 2);
	CHECK_EQ(futex(&word2, FUTEX_WAKE_PRIVATE, 9, NULL, NULL, 0), 2);
	join(w, 5);
	start(w, 2, FUTEX_WAIT_PRIVATE, 0);
	CHECK_EQ(futex(&word, FUTEX_REQUEUE_PRIVATE, 0, (void *)9, &word2, 0), 2);
	CHECK_EQ(futex(&word2, FUTEX_WAKE_PRIVATE, 9, NULL, NULL, 0), 2);
	join(w, 2);
	/* WAKE_OP: word2 = word2 + 1, wake on it too if it was 0. */
	start(w, 2, FUTEX_WAIT_PRIVATE, 0);
	word2 = 0;
	CHECK_EQ(futex(&word2, FUTEX_WAKE_OP_PRIVATE, 9, (void *)9, &word,
		       FUTEX_OP(FUTEX_OP_ADD, 0, FUTEX_OP_CMP_EQ, 0)), 2);
	join(w, 2);
	CHECK_EQ(word, 0);
}

TEST(between_processes)
{
	uint32_t *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pid = FORK({
		while (__atomic_load_n(p, __ATOMIC_SEQ_CST) == 0)
			futex(p, FUTEX_WAIT, 0, NULL, NULL, 0);
		p[1] = 2;
		futex(&p[1], FUTEX_WAKE, 1, NULL, NULL, 0);
	});
	settle();
	__atomic_store_n(p, 1, __ATOMIC_SEQ_CST);
	futex(p, FUTEX_WAKE, 1, NULL, NULL, 0);
	while (__atomic_load_n(&p[1], __ATOMIC_SEQ_CST) == 0)
		futex(&p[1], FUTEX_WAIT, 0, NULL, NULL, 0);
	JOIN(pid);
	/* The same word of a file mapped at two addresses. */
	int fd = open("futex", O_RDWR | O_CREAT, 0644);
	CHECK_OK(ftruncate(fd, 4096));
	uint32_t *a = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	pid = FORK({
		uint32_t *b = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		while (__atomic_load_n(b, __ATOMIC_SEQ_CST) == 0)
			futex(b, FUTEX_WAIT, 0, NULL, NULL, 0);
	});
	settle();
	*a = 1;
	CHECK_EQ(futex(a, FUTEX_WAKE, 9, NULL, NULL, 0), 1);
	JOIN(pid);
	close(fd);
}

TEST(process_shared_pthread_objects)
{
	struct {
		pthread_mutex_t m;
		pthread_cond_t c;
		pthread_barrier_t b;
		int n;
	} *s = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pthread_mutexattr_t ma;
	pthread_condattr_t ca;
	pthread_barrierattr_t ba;
	pthread_mutexattr_init(&ma), pthread_mutexattr_setpshared(&ma, 1);
	pthread_condattr_init(&ca), pthread_condattr_setpshared(&ca, 1);
	pthread_barrierattr_init(&ba), pthread_barrierattr_setpshared(&ba, 1);
	pthread_mutex_init(&s->m, &ma);
	pthread_cond_init(&s->c, &ca);
	pthread_barrier_init(&s->b, &ba, 4);
	pid_t kids[3];
	for (int i = 0; i < 3; i++)
		kids[i] = FORK({
			pthread_barrier_wait(&s->b);
			for (int k = 0; k < 1000; k++) {
				pthread_mutex_lock(&s->m);
				s->n++;
				pthread_mutex_unlock(&s->m);
			}
			pthread_mutex_lock(&s->m);
			pthread_cond_signal(&s->c);
			pthread_mutex_unlock(&s->m);
		});
	pthread_barrier_wait(&s->b);
	pthread_mutex_lock(&s->m);
	while (s->n < 3000)
		pthread_cond_wait(&s->c, &s->m);
	pthread_mutex_unlock(&s->m);
	for (int i = 0; i < 3; i++)
		JOIN(kids[i]);
}

static pthread_mutex_t robust;
static void *die_holding(void *a)
{
	(void)a;
	pthread_mutex_lock(&robust);
	return NULL;
}

TEST(robust_mutexes)
{
	pthread_mutexattr_t a;
	pthread_t t;
	pthread_mutexattr_init(&a);
	pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST);
	pthread_mutex_init(&robust, &a);
	CHECK_RET(pthread_create(&t, NULL, die_holding, NULL), 0);
	pthread_join(t, NULL);
	CHECK_RET(pthread_mutex_lock(&robust), EOWNERDEAD);
	CHECK_RET(pthread_mutex_consistent(&robust), 0);
	CHECK_RET(pthread_mutex_unlock(&robust), 0);
	CHECK_RET(pthread_mutex_lock(&robust), 0);
	CHECK_RET(pthread_mutex_unlock(&robust), 0);
	/* Across processes, the owner killed while another waits. */
	pthread_mutex_t *m = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pthread_mutexattr_setpshared(&a, 1);
	pthread_mutex_init(m, &a);
	int p[2];
	char c;
	CHECK_OK(pipe(p));
	pid_t pid = FORK(pthread_mutex_lock(m); write(p[1], "x", 1); pause());
	CHECK_EQ(read(p[0], &c, 1), 1);
	pid_t w = FORK({
		CHECK_RET(pthread_mutex_lock(m), EOWNERDEAD);
		CHECK_RET(pthread_mutex_unlock(m), 0); /* without consistent: lost */
	});
	settle();
	kill(pid, SIGKILL);
	CHECK_KILLED(pid, SIGKILL);
	JOIN(w);
	CHECK_RET(pthread_mutex_lock(m), ENOTRECOVERABLE);
	close(p[0]), close(p[1]);
	void *head;
	size_t len;
	CHECK_OK(syscall(SYS_get_robust_list, 0, &head, &len));
	CHECK_EQ(len, 24);
	CHECK_ERRNO(syscall(SYS_set_robust_list, head, 7), EINVAL);
}

static void nothing(int s) { (void)s; }

TEST_FORK(interrupted_wait)
{
	struct sigaction sa = {.sa_handler = nothing};
	struct timespec ts = {10, 0};
	sigaction(SIGALRM, &sa, NULL);
	struct itimerval it = {{0, 30000}, {0, 30000}}; /* the first may come too early */
	setitimer(ITIMER_REAL, &it, NULL);
	CHECK_ERRNO(futex(&word, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0), EINTR);
	CHECK_ERRNO(futex(&word, FUTEX_WAIT_PRIVATE, 0, &ts, NULL, 0), EINTR);
}

struct waitv {
	uint64_t val, uaddr;
	uint32_t flags, reserved;
};

static void *wake_second(void *a)
{
	settle();
	__atomic_store_n(&word2, 1, __ATOMIC_SEQ_CST);
	while (futex(&word2, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0) == 0)
		usleep(1000);
	return a;
}

TEST(wait_for_many)
{
	/* futex_waitv gives the index of the one that woke it. */
	pthread_t t;
	word = word2 = 0;
	struct waitv v[2] = {{0, (uintptr_t)&word, 2 | 128, 0}, {0, (uintptr_t)&word2, 2 | 128, 0}};
	struct timespec past = {1, 0};
	CHECK_ERRNO(syscall(449, v, 2, 0, &past, CLOCK_MONOTONIC), ETIMEDOUT);
	v[1].val = 5;
	CHECK_ERRNO(syscall(449, v, 2, 0, NULL, CLOCK_MONOTONIC), EAGAIN);
	v[1].val = 0;
	CHECK_RET(pthread_create(&t, NULL, wake_second, NULL), 0);
	CHECK_EQ(syscall(449, v, 2, 0, NULL, CLOCK_MONOTONIC), 1);
	pthread_join(t, NULL);
	CHECK_ERRNO(syscall(449, v, 0, 0, NULL, CLOCK_MONOTONIC), EINVAL);
	CHECK_ERRNO(syscall(449, v, 129, 0, NULL, CLOCK_MONOTONIC), EINVAL);
	CHECK_ERRNO(syscall(449, v, 2, 1, NULL, CLOCK_MONOTONIC), EINVAL);
	word2 = 0;
}
