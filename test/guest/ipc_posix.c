/* build: -pthread -lrt */
/* POSIX shared memory, named semaphores, message queues. */
#include "check.h"
#include <mqueue.h>
#include <pthread.h>
#include <semaphore.h>

static char *unique(const char *stem)
{
	static char b[64];
	snprintf(b, sizeof b, "/guest-%s-%d", stem, check_pid);
	return b;
}

TEST(shared_memory)
{
	const char *name = strdup(unique("shm"));
	int fd = shm_open(name, O_RDWR | O_CREAT | O_EXCL, 0600);
	CHECK(fd >= 0);
	CHECK_ERRNO(shm_open(name, O_RDWR | O_CREAT | O_EXCL, 0600), EEXIST);
	CHECK_OK(ftruncate(fd, 8192));
	char *p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(p != MAP_FAILED);
	strcpy(p + 5000, "posix");
	JOIN(FORK({
		int f = shm_open(name, O_RDONLY, 0);
		CHECK(f >= 0);
		char *q = mmap(NULL, 8192, PROT_READ, MAP_SHARED, f, 0);
		CHECK_STR(q + 5000, "posix");
	}));
	char path[128];
	snprintf(path, sizeof path, "/dev/shm%s", name);
	CHECK_OK(access(path, F_OK));
	CHECK_OK(shm_unlink(name));
	CHECK_ERRNO(shm_unlink(name), ENOENT);
	CHECK_STR(p + 5000, "posix");
	close(fd);
}

TEST(named_semaphores)
{
	const char *name = strdup(unique("sem"));
	sem_t *s = sem_open(name, O_CREAT | O_EXCL, 0600, 1);
	CHECK(s != SEM_FAILED);
	CHECK_OK(sem_wait(s));
	pid_t pid = FORK({
		sem_t *t = sem_open(name, 0);
		CHECK(t != SEM_FAILED);
		CHECK_ERRNO(sem_trywait(t), EAGAIN);
		CHECK_OK(sem_wait(t));
	});
	settle();
	CHECK_OK(sem_post(s));
	JOIN(pid);
	CHECK_OK(sem_unlink(name));
	CHECK_OK(sem_close(s));
	CHECK(sem_open(name, 0) == SEM_FAILED && errno == ENOENT);
}

TEST(queues)
{
	const char *name = strdup(unique("mq"));
	struct mq_attr a = {.mq_maxmsg = 4, .mq_msgsize = 32}, got;
	char b[32];
	unsigned prio;
	mqd_t q = mq_open(name, O_RDWR | O_CREAT | O_EXCL | O_NONBLOCK, 0600, &a);
	CHECK(q != (mqd_t)-1);
	CHECK_ERRNO(mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0600, &a), EEXIST);
	CHECK_OK(mq_send(q, "low", 4, 1));
	CHECK_OK(mq_send(q, "high", 5, 9));
	CHECK_OK(mq_send(q, "low2", 5, 1));
	CHECK_OK(mq_send(q, "", 0, 5));
	CHECK_ERRNO(mq_send(q, "x", 1, 0), EAGAIN);
	CHECK_OK(mq_getattr(q, &got));
	CHECK(got.mq_maxmsg == 4 && got.mq_msgsize == 32 && got.mq_curmsgs == 4 && got.mq_flags == O_NONBLOCK);
	CHECK_ERRNO(mq_receive(q, b, 31, &prio), EMSGSIZE);
	CHECK_EQ(mq_receive(q, b, 32, &prio), 5);
	CHECK(prio == 9 && !strcmp(b, "high"));
	CHECK_EQ(mq_receive(q, b, 32, &prio), 0);
	CHECK_EQ(prio, 5);
	CHECK_EQ(mq_receive(q, b, 32, NULL), 4);
	CHECK_STR(b, "low");
	CHECK_EQ(mq_receive(q, b, 32, NULL), 5);
	CHECK_ERRNO(mq_receive(q, b, 32, NULL), EAGAIN);
	CHECK_ERRNO(mq_send(q, b, 33, 0), EMSGSIZE);
	CHECK_ERRNO(mq_send(q, b, 1, 32768), EINVAL);
	struct pollfd p = {q, POLLIN | POLLOUT, 0};
	CHECK_EQ(poll(&p, 1, 0), 1);
	CHECK_EQ(p.revents, POLLOUT);
	got.mq_flags = 0;
	CHECK_OK(mq_setattr(q, &got, NULL));
	pid_t pid = FORK({
		mqd_t r = mq_open(name, O_RDONLY);
		CHECK(r != (mqd_t)-1);
		CHECK_EQ(mq_receive(r, b, 32, NULL), 3);
		CHECK_ERRNO(mq_send(r, b, 1, 0), EBADF);
	});
	settle();
	CHECK_OK(mq_send(q, "hi", 3, 0));
	JOIN(pid);
	struct timespec past = {1, 0};
	CHECK_ERRNO(mq_timedreceive(q, b, 32, NULL, &past), ETIMEDOUT);
	CHECK_OK(mq_close(q));
	CHECK_OK(mq_unlink(name));
	CHECK_ERRNO(mq_unlink(name), ENOENT);
	CHECK_ERRNO(mq_open(name, O_RDWR), ENOENT);
	CHECK_ERRNO(mq_open("noslash/x", O_RDWR | O_CREAT, 0600, NULL), EINVAL);
	a.mq_maxmsg = 0;
	CHECK_ERRNO(mq_open(name, O_RDWR | O_CREAT, 0600, &a), EINVAL);
}

static volatile int notified, value;
static void on_notify(int s, siginfo_t *i, void *u)
{
	(void)s, (void)u;
	value = i->si_code == SI_MESGQ ? i->si_value.sival_int : -1;
	notified++;
}
static void thread_notify(union sigval v)
{
	value = v.sival_int;
	__atomic_add_fetch(&notified, 1, __ATOMIC_SEQ_CST);
}

TEST_FORK(notification)
{
	const char *name = strdup(unique("mqn"));
	struct mq_attr a = {.mq_maxmsg = 4, .mq_msgsize = 32};
	struct sigaction sa = {.sa_sigaction = on_notify, .sa_flags = SA_SIGINFO | SA_RESTART};
	struct sigevent ev = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1, .sigev_value.sival_int = 66};
	char b[32];
	sigaction(SIGUSR1, &sa, NULL);
	mqd_t q = mq_open(name, O_RDWR | O_CREAT, 0600, &a);
	CHECK_OK(mq_notify(q, &ev));
	JOIN(FORK(CHECK_ERRNO(mq_notify(q, &ev), EBUSY)));
	CHECK_OK(mq_send(q, "1", 1, 0));
	CHECK(notified == 1 && value == 66);
	CHECK_OK(mq_send(q, "2", 1, 0)); /* once only */
	CHECK_EQ(notified, 1);
	CHECK_OK(mq_notify(q, &ev)); /* on a queue that is not empty: not yet */
	CHECK_OK(mq_send(q, "3", 1, 0));
	CHECK_EQ(notified, 1);
	for (int i = 0; i < 3; i++)
		CHECK_EQ(mq_receive(q, b, 32, NULL), 1);
	CHECK_OK(mq_send(q, "4", 1, 0));
	CHECK_EQ(notified, 2);
	CHECK_EQ(mq_receive(q, b, 32, NULL), 1);
	CHECK_OK(mq_notify(q, &ev));
	CHECK_OK(mq_notify(q, NULL));
	CHECK_OK(mq_send(q, "5", 1, 0));
	CHECK_EQ(notified, 2);
	CHECK_EQ(mq_receive(q, b, 32, NULL), 1);
	ev = (struct sigevent){.sigev_notify = SIGEV_THREAD, .sigev_notify_function = thread_notify, .sigev_value.sival_int = 88};
	CHECK_OK(mq_notify(q, &ev));
	CHECK_OK(mq_send(q, "6", 1, 0));
	while (__atomic_load_n(&notified, __ATOMIC_SEQ_CST) < 3)
		usleep(1000);
	CHECK_EQ(value, 88);
	mq_close(q);
	CHECK_OK(mq_unlink(name));
}
