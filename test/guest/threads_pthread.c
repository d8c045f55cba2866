/* build: -pthread */
/* pthreads: creation, joining, locks, conditions, barriers, TLS, cancellation. */
#include "check.h"
#include <pthread.h>
#include <semaphore.h>

static __thread int tls = 5;
static __thread char tls_big[10000];

static void *twice(void *a)
{
	tls += (int)(intptr_t)a;
	tls_big[9999] = 1;
	return (void *)(intptr_t)(tls * 2);
}

TEST(create_and_join)
{
	pthread_t t[64];
	void *r;
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 64; i++)
			CHECK_RET(pthread_create(&t[i], NULL, twice, (void *)(intptr_t)i), 0);
		for (int i = 0; i < 64; i++) {
			CHECK_RET(pthread_join(t[i], &r), 0);
			CHECK_EQ((intptr_t)r, (5 + i) * 2);
		}
	}
	CHECK_EQ(tls, 5);
	CHECK_EQ(tls_big[9999], 0);
	pthread_attr_t at;
	pthread_attr_init(&at);
	pthread_attr_setstacksize(&at, 65536);
	CHECK_RET(pthread_create(&t[0], &at, twice, (void *)1), 0);
	CHECK_RET(pthread_join(t[0], &r), 0);
	pthread_attr_setdetachstate(&at, PTHREAD_CREATE_DETACHED);
	for (int i = 0; i < 50; i++)
		CHECK_RET(pthread_create(&t[0], &at, twice, (void *)1), 0);
	CHECK_RET(pthread_join(pthread_self(), &r), EDEADLK);
}

static pthread_mutex_t mu = PTHREAD_MUTEX_INITIALIZER;
static long counter;
static void *count(void *a)
{
	(void)a;
	for (int i = 0; i < 20000; i++) {
		pthread_mutex_lock(&mu);
		counter++;
		pthread_mutex_unlock(&mu);
	}
	return NULL;
}

TEST(mutexes)
{
	pthread_t t[8];
	counter = 0;
	for (int i = 0; i < 8; i++)
		CHECK_RET(pthread_create(&t[i], NULL, count, NULL), 0);
	for (int i = 0; i < 8; i++)
		pthread_join(t[i], NULL);
	CHECK_EQ(counter, 160000);
	CHECK_RET(pthread_mutex_trylock(&mu), 0);
	CHECK_RET(pthread_mutex_trylock(&mu), EBUSY);
	struct timespec ts;
	clock_gettime(CLOCK_REALTIME, &ts);
	ts.tv_nsec += 30000000;
	if (ts.tv_nsec >= 1000000000)
		ts.tv_sec++, ts.tv_nsec -= 1000000000;
	CHECK_RET(pthread_mutex_timedlock(&mu, &ts), ETIMEDOUT);
	CHECK_RET(pthread_mutex_unlock(&mu), 0);
	pthread_mutexattr_t a;
	pthread_mutex_t m;
	pthread_mutexattr_init(&a);
	pthread_mutexattr_settype(&a, PTHREAD_MUTEX_ERRORCHECK);
	pthread_mutex_init(&m, &a);
	CHECK_RET(pthread_mutex_lock(&m), 0);
	CHECK_RET(pthread_mutex_lock(&m), EDEADLK);
	CHECK_RET(pthread_mutex_unlock(&m), 0);
	CHECK_RET(pthread_mutex_unlock(&m), EPERM);
	pthread_mutexattr_settype(&a, PTHREAD_MUTEX_RECURSIVE);
	pthread_mutex_init(&m, &a);
	CHECK_RET(pthread_mutex_lock(&m), 0);
	CHECK_RET(pthread_mutex_lock(&m), 0);
	CHECK_RET(pthread_mutex_unlock(&m), 0);
	CHECK_RET(pthread_mutex_unlock(&m), 0);
}

static pthread_cond_t cv = PTHREAD_COND_INITIALIZER;
static int turn, hops;
static void *ring(void *a)
{
	int me = (intptr_t)a;
	pthread_mutex_lock(&mu);
	for (int i = 0; i < 500; i++) {
		while (turn != me)
			pthread_cond_wait(&cv, &mu);
		hops++;
		turn = (me + 1) % 4;
		pthread_cond_broadcast(&cv);
	}
	pthread_mutex_unlock(&mu);
	return NULL;
}

TEST(conditions)
{
	pthread_t t[4];
	turn = hops = 0;
	for (int i = 0; i < 4; i++)
		CHECK_RET(pthread_create(&t[i], NULL, ring, (void *)(intptr_t)i), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	CHECK_EQ(hops, 2000);
	pthread_condattr_t ca;
	pthread_cond_t c;
	struct timespec ts;
	pthread_condattr_init(&ca);
	pthread_condattr_setclock(&ca, CLOCK_MONOTONIC);
	pthread_cond_init(&c, &ca);
	clock_gettime(CLOCK_MONOTONIC, &ts);
	ts.tv_nsec += 40000000;
	if (ts.tv_nsec >= 1000000000)
		ts.tv_sec++, ts.tv_nsec -= 1000000000;
	long long t0 = now_ms();
	pthread_mutex_lock(&mu);
	CHECK_RET(pthread_cond_timedwait(&c, &mu, &ts), ETIMEDOUT);
	pthread_mutex_unlock(&mu);
	CHECK(now_ms() - t0 >= 38);
}

static pthread_rwlock_t rw = PTHREAD_RWLOCK_INITIALIZER;
static pthread_barrier_t bar;
static int readers_in, max_in, shared_value, serials;
static void *rw_user(void *a)
{
	int n = (intptr_t)a;
	if (pthread_barrier_wait(&bar) == PTHREAD_BARRIER_SERIAL_THREAD)
		__atomic_add_fetch(&serials, 1, __ATOMIC_SEQ_CST);
	for (int i = 0; i < 200; i++) {
		if (n == 0) {
			pthread_rwlock_wrlock(&rw);
			CHECK_EQ(readers_in, 0);
			shared_value++;
			pthread_rwlock_unlock(&rw);
		} else {
			pthread_rwlock_rdlock(&rw);
			int in = __atomic_add_fetch(&readers_in, 1, __ATOMIC_SEQ_CST);
			if (in > max_in)
				max_in = in;
			__atomic_sub_fetch(&readers_in, 1, __ATOMIC_SEQ_CST);
			pthread_rwlock_unlock(&rw);
		}
	}
	return NULL;
}

TEST(rwlocks_and_barriers)
{
	pthread_t t[5];
	CHECK_RET(pthread_barrier_init(&bar, NULL, 5), 0);
	for (int i = 0; i < 5; i++)
		CHECK_RET(pthread_create(&t[i], NULL, rw_user, (void *)(intptr_t)i), 0);
	for (int i = 0; i < 5; i++)
		pthread_join(t[i], NULL);
	CHECK_EQ(serials, 1);
	CHECK_EQ(shared_value, 200);
	CHECK(max_in >= 1);
}

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int once_n, destroyed;
static pthread_key_t key;
static void once_fn(void) { __atomic_add_fetch(&once_n, 1, __ATOMIC_SEQ_CST); }
static void destroy(void *p) { __atomic_add_fetch(&destroyed, (int)(intptr_t)p, __ATOMIC_SEQ_CST); }
static void *with_key(void *a)
{
	pthread_once(&once, once_fn);
	pthread_setspecific(key, a);
	return NULL;
}

TEST(keys_and_once)
{
	pthread_t t[10];
	CHECK_RET(pthread_key_create(&key, destroy), 0);
	for (int i = 0; i < 10; i++)
		CHECK_RET(pthread_create(&t[i], NULL, with_key, (void *)(intptr_t)(i + 1)), 0);
	for (int i = 0; i < 10; i++)
		pthread_join(t[i], NULL);
	CHECK_EQ(once_n, 1);
	CHECK_EQ(destroyed, 55);
}

static sem_t sem;
static int cleaned;
static void clean(void *a) { (void)a, cleaned++; }
static void *blocked(void *a)
{
	pthread_cleanup_push(clean, NULL);
	if (a)
		sem_wait(&sem);
	else
		sleep(1000);
	pthread_cleanup_pop(0);
	return NULL;
}

TEST(cancellation)
{
	pthread_t t;
	void *r;
	sem_init(&sem, 0, 0);
	for (intptr_t i = 0; i < 2; i++) {
		CHECK_RET(pthread_create(&t, NULL, blocked, (void *)i), 0);
		settle();
		CHECK_RET(pthread_cancel(t), 0);
		CHECK_RET(pthread_join(t, &r), 0);
		CHECK(r == PTHREAD_CANCELED);
	}
	CHECK_EQ(cleaned, 2);
}

static void *poster(void *a)
{
	for (int i = 0; i < (intptr_t)a; i++)
		sem_post(&sem);
	return NULL;
}

TEST(semaphores)
{
	pthread_t t;
	int v;
	sem_init(&sem, 0, 0);
	CHECK_ERRNO(sem_trywait(&sem), EAGAIN);
	CHECK_RET(pthread_create(&t, NULL, poster, (void *)1000), 0);
	for (int i = 0; i < 1000; i++)
		CHECK_OK(sem_wait(&sem));
	pthread_join(t, NULL);
	CHECK_OK(sem_getvalue(&sem, &v));
	CHECK_EQ(v, 0);
	struct timespec past = {1, 0};
	CHECK_ERRNO(sem_timedwait(&sem, &past), ETIMEDOUT);
}

static void *nop(void *a) { return a; }

TEST(fork_with_threads)
{
	/* Only the caller lives on in the child, which can make new threads. */
	pthread_t t, u;
	sem_init(&sem, 0, 0);
	CHECK_RET(pthread_create(&t, NULL, blocked, (void *)1), 0);
	settle();
	JOIN(FORK({
		CHECK_RET(pthread_create(&u, NULL, nop, NULL), 0);
		CHECK_RET(pthread_join(u, NULL), 0);
	}));
	sem_post(&sem);
	pthread_join(t, NULL);
}

static void *name_self(void *a)
{
	char n[16] = {0};
	pthread_setname_np(pthread_self(), "worker");
	pthread_getname_np(pthread_self(), n, sizeof n);
	*(bool *)a = !strcmp(n, "worker");
	return NULL;
}

TEST(names_and_clocks)
{
	pthread_t t;
	bool ok = false;
	CHECK_RET(pthread_create(&t, NULL, name_self, &ok), 0);
	pthread_join(t, NULL);
	CHECK(ok);
	clockid_t c;
	struct timespec ts;
	CHECK_RET(pthread_getcpuclockid(pthread_self(), &c), 0);
	CHECK_OK(clock_gettime(c, &ts));
}
