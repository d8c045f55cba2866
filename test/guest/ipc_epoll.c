/* build: -pthread */
/* epoll: level, edge, one-shot, exclusive, nested; errors. */
#include "check.h"
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

static int add(int ep, int fd, uint32_t events)
{
	struct epoll_event e = {events, {.fd = fd}};
	return epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e);
}
static int mod(int ep, int fd, uint32_t events)
{
	struct epoll_event e = {events, {.fd = fd}};
	return epoll_ctl(ep, EPOLL_CTL_MOD, fd, &e);
}
/* next gives the events of the one ready descriptor, 0 if none. */
static uint32_t next(int ep)
{
	struct epoll_event e[4];
	int n = epoll_wait(ep, e, 4, 0);
	CHECK(n >= 0 && n <= 1);
	return n ? e[0].events : 0;
}

TEST(level)
{
	int ep = epoll_create1(EPOLL_CLOEXEC), p[2];
	char b[8];
	CHECK_OK(pipe(p));
	CHECK_OK(add(ep, p[0], EPOLLIN));
	CHECK_EQ(next(ep), 0);
	CHECK_EQ(write(p[1], "ab", 2), 2);
	CHECK_EQ(next(ep), EPOLLIN);
	CHECK_EQ(next(ep), EPOLLIN);
	CHECK_EQ(read(p[0], b, 1), 1);
	CHECK_EQ(next(ep), EPOLLIN);
	CHECK_EQ(read(p[0], b, 1), 1);
	CHECK_EQ(next(ep), 0);
	close(p[1]);
	CHECK_EQ(next(ep), EPOLLHUP);
	CHECK_OK(mod(ep, p[0], 0));
	CHECK_EQ(next(ep), EPOLLHUP); /* HUP and ERR need no asking */
	CHECK_OK(epoll_ctl(ep, EPOLL_CTL_DEL, p[0], NULL));
	CHECK_EQ(next(ep), 0);
	close(p[0]), close(ep);
}

TEST(edge)
{
	int ep = epoll_create1(0), p[2];
	char b[8];
	CHECK_OK(pipe(p));
	CHECK_EQ(write(p[1], "a", 1), 1);
	CHECK_OK(add(ep, p[0], EPOLLIN | EPOLLET));
	CHECK_EQ(next(ep), EPOLLIN);
	CHECK_EQ(next(ep), 0);
	CHECK_EQ(write(p[1], "b", 1), 1); /* new data is a new edge */
	CHECK_EQ(next(ep), EPOLLIN);
	CHECK_EQ(read(p[0], b, 1), 1);
	CHECK_EQ(next(ep), 0);
	CHECK_OK(mod(ep, p[0], EPOLLIN | EPOLLET)); /* re-arms */
	CHECK_EQ(next(ep), EPOLLIN);
	CHECK_EQ(next(ep), 0);
	close(p[0]), close(p[1]), close(ep);
	int s[2];
	ep = epoll_create1(0);
	CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	CHECK_OK(add(ep, s[0], EPOLLIN | EPOLLOUT | EPOLLET | EPOLLRDHUP));
	CHECK_EQ(next(ep), EPOLLOUT);
	CHECK_EQ(next(ep), 0);
	CHECK_EQ(write(s[1], "x", 1), 1);
	CHECK_EQ(next(ep), EPOLLIN | EPOLLOUT);
	CHECK_OK(shutdown(s[1], SHUT_WR));
	CHECK_EQ(next(ep), EPOLLIN | EPOLLOUT | EPOLLRDHUP);
	close(s[1]);
	CHECK_EQ(next(ep), EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLHUP);
	close(s[0]), close(ep);
}

TEST(one_shot)
{
	int ep = epoll_create1(0), e = eventfd(1, 0);
	CHECK_OK(add(ep, e, EPOLLIN | EPOLLONESHOT));
	CHECK_EQ(next(ep), EPOLLIN);
	CHECK_EQ(next(ep), 0);
	uint64_t v = 1;
	CHECK_EQ(write(e, &v, 8), 8);
	CHECK_EQ(next(ep), 0);
	CHECK_OK(mod(ep, e, EPOLLIN | EPOLLONESHOT));
	CHECK_EQ(next(ep), EPOLLIN);
	CHECK_EQ(next(ep), 0);
	close(e), close(ep);
}

TEST(errors)
{
	int ep = epoll_create1(0), e = eventfd(0, 0), f = open("plain", O_RDWR | O_CREAT, 0600), other = eventfd(0, 0);
	struct epoll_event ev[2];
	CHECK_OK(add(ep, e, EPOLLIN));
	CHECK_ERRNO(add(ep, e, EPOLLIN), EEXIST);
	CHECK_ERRNO(mod(ep, other, EPOLLIN), ENOENT);
	CHECK_ERRNO(epoll_ctl(ep, EPOLL_CTL_DEL, other, NULL), ENOENT);
	CHECK_ERRNO(mod(ep, f, EPOLLIN), EPERM);
	CHECK_ERRNO(add(ep, f, EPOLLIN), EPERM); /* a plain file is always ready */
	CHECK_ERRNO(add(ep, ep, EPOLLIN), EINVAL);
	CHECK_ERRNO(add(f, e, EPOLLIN), EINVAL);
	CHECK_ERRNO(add(ep, 999, EPOLLIN), EBADF);
	CHECK_ERRNO(add(999, e, EPOLLIN), EBADF);
	CHECK_ERRNO(epoll_ctl(ep, 77, e, ev), EINVAL);
	CHECK_ERRNO(epoll_ctl(ep, EPOLL_CTL_MOD, e, (void *)8), EFAULT);
	CHECK_ERRNO(epoll_wait(ep, ev, 0, 0), EINVAL);
	CHECK_ERRNO(epoll_wait(ep, ev, -1, 0), EINVAL);
	CHECK_ERRNO(epoll_wait(f, ev, 1, 0), EINVAL);
	CHECK_ERRNO(epoll_create(0), EINVAL);
	CHECK_ERRNO(epoll_create1(1), EINVAL);
	CHECK_ERRNO(mod(ep, e, EPOLLIN | EPOLLEXCLUSIVE), EINVAL);
	uint64_t v = 1;
	CHECK_EQ(write(e, &v, 8), 8);
	CHECK_ERRNO(epoll_wait(ep, (void *)8, 1, 0), EFAULT);
	CHECK_EQ(epoll_wait(ep, ev, 1, 0), 1);
	close(f), close(other), close(e);
	CHECK_EQ(next(ep), 0); /* closing took it out */
	close(ep);
	/* The description counts, not the number: a duplicate keeps it. */
	ep = epoll_create1(0), e = eventfd(1, 0);
	CHECK_OK(add(ep, e, EPOLLIN));
	int d = dup(e);
	close(e);
	CHECK_EQ(next(ep), EPOLLIN);
	close(d);
	CHECK_EQ(next(ep), 0);
	close(ep);
}

TEST(nested)
{
	int a = epoll_create1(0), b = epoll_create1(0), e = eventfd(0, 0);
	uint64_t v = 1;
	CHECK_OK(add(a, b, EPOLLIN));
	CHECK_OK(add(b, e, EPOLLIN));
	CHECK_EQ(next(a), 0);
	CHECK_EQ(write(e, &v, 8), 8);
	CHECK_EQ(next(a), EPOLLIN);
	CHECK_EQ(next(b), EPOLLIN);
	CHECK_EQ(next(a), EPOLLIN);
	struct pollfd p = {a, POLLIN, 0};
	CHECK_EQ(poll(&p, 1, 0), 1);
	CHECK_EQ(read(e, &v, 8), 8);
	CHECK_EQ(next(a), 0);
	CHECK_ERRNO(add(b, a, EPOLLIN), ELOOP);
	int chain[7];
	for (int i = 0; i < 7; i++)
		chain[i] = epoll_create1(0);
	int depth = 0;
	while (depth < 6 && add(chain[depth], chain[depth + 1], EPOLLIN) == 0)
		depth++;
	CHECK(depth <= 5);
	CHECK(errno == ELOOP || errno == EINVAL);
	for (int i = 0; i < 7; i++)
		close(chain[i]);
	close(a), close(b), close(e);
}

TEST(timeouts_and_masks)
{
	int ep = epoll_create1(0), e = eventfd(0, 0);
	struct epoll_event ev;
	sigset_t set;
	CHECK_OK(add(ep, e, EPOLLIN));
	long long t0 = now_ms();
	CHECK_EQ(epoll_wait(ep, &ev, 1, 30), 0);
	CHECK(now_ms() - t0 >= 29);
	pid_t pid = FORK(settle(); uint64_t v = 1; write(e, &v, 8));
	CHECK_EQ(epoll_wait(ep, &ev, 1, -1), 1);
	CHECK(ev.events == EPOLLIN && ev.data.fd == e);
	JOIN(pid);
	uint64_t v;
	CHECK_EQ(read(e, &v, 8), 8);
	sigemptyset(&set);
	CHECK_EQ(epoll_pwait(ep, &ev, 1, 10, &set), 0);
	struct timespec ts = {0, 10000000};
	long r = syscall(SYS_epoll_pwait2, ep, &ev, 1, &ts, NULL, 0);
	CHECK_EQ(r, 0);
	close(ep), close(e);
}

static int shared_ep, shared_ev, wakes;
static void *waiter(void *a)
{
	struct epoll_event ev;
	(void)a;
	int ep = epoll_create1(0);
	add(ep, shared_ev, EPOLLIN | EPOLLEXCLUSIVE);
	if (epoll_wait(ep, &ev, 1, 2000) == 1) {
		uint64_t v;
		if (read(shared_ev, &v, 8) == 8)
			__atomic_add_fetch(&wakes, 1, __ATOMIC_SEQ_CST);
	}
	close(ep);
	return NULL;
}

TEST(exclusive)
{
	pthread_t t[4];
	shared_ev = eventfd(0, EFD_SEMAPHORE | EFD_NONBLOCK);
	for (int i = 0; i < 4; i++)
		pthread_create(&t[i], NULL, waiter, NULL);
	for (int i = 0; i < 4; i++) {
		uint64_t v = 1;
		settle();
		CHECK_EQ(write(shared_ev, &v, 8), 8);
	}
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	CHECK(wakes >= 1);
	close(shared_ev);
}

static void *one_taker(void *a)
{
	struct epoll_event ev;
	int n = 0;
	(void)a;
	while (epoll_wait(shared_ep, &ev, 1, 300) == 1) {
		uint64_t v;
		if (read(ev.data.fd, &v, 8) == 8)
			n++;
	}
	return (void *)(intptr_t)n;
}

TEST(many_and_threads)
{
	/* Every event goes to somebody, and to one only. */
	enum { N = 100 };
	int fds[N], total = 0;
	pthread_t t[4];
	shared_ep = epoll_create1(0);
	for (int i = 0; i < N; i++) {
		fds[i] = eventfd(0, EFD_NONBLOCK);
		CHECK_OK(add(shared_ep, fds[i], EPOLLIN | EPOLLET));
	}
	for (int i = 0; i < 4; i++)
		pthread_create(&t[i], NULL, one_taker, NULL);
	for (int i = 0; i < N; i++) {
		uint64_t v = 1;
		CHECK_EQ(write(fds[i], &v, 8), 8);
	}
	for (int i = 0; i < 4; i++) {
		void *r;
		pthread_join(t[i], &r);
		total += (intptr_t)r;
	}
	CHECK_EQ(total, N);
	for (int i = 0; i < N; i++)
		close(fds[i]);
	close(shared_ep);
}

TEST(fair_rotation)
{
	/* With more ready than asked for, all get their turn. */
	int ep = epoll_create1(0), fds[8];
	bool seen[8] = {0};
	struct epoll_event ev[2];
	for (int i = 0; i < 8; i++) {
		fds[i] = eventfd(1, 0);
		struct epoll_event e = {EPOLLIN, {.u32 = i}};
		CHECK_OK(epoll_ctl(ep, EPOLL_CTL_ADD, fds[i], &e));
	}
	for (int i = 0; i < 4; i++) {
		CHECK_EQ(epoll_wait(ep, ev, 2, 0), 2);
		seen[ev[0].data.u32] = seen[ev[1].data.u32] = true;
	}
	for (int i = 0; i < 8; i++) {
		CHECK(seen[i]);
		close(fds[i]);
	}
	close(ep);
}
