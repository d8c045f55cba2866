/* build: -pthread */
/* network: none host loopback */
/* Waiting for sockets, by everything that can wait: it begins before and after
 * what it is for, beside others, and together with what is no socket. */
#include "check.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/time.h>

static int a, b; /* a connection; both ends block */

static void connection(void)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof at;
	int one = 1, l = socket(AF_INET, SOCK_STREAM, 0);
	CHECK_OK(bind(l, (void *)&at, n));
	CHECK_OK(listen(l, 1));
	CHECK_OK(getsockname(l, (void *)&at, &n));
	CHECK((a = socket(AF_INET, SOCK_STREAM, 0)) >= 0);
	CHECK_OK(connect(a, (void *)&at, sizeof at));
	CHECK((b = accept(l, NULL, NULL)) >= 0);
	CHECK_OK(setsockopt(a, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one));
	close(l);
}
static void done(void) { close(a), close(b); }
static int instance(int fd, unsigned events)
{
	struct epoll_event e = {events, {.fd = fd}};
	int ep = epoll_create1(0);
	CHECK(ep >= 0);
	if (fd >= 0)
		CHECK_OK(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e));
	return ep;
}
/* The events of the one that is ready within ms. */
static unsigned wait_for(int ep, int fd, int ms)
{
	struct epoll_event e[4];
	int n = epoll_wait(ep, e, 4, ms);
	CHECK(n == 0 || (n == 1 && e[0].data.fd == fd));
	return n ? e[0].events : 0;
}

/* What a read has taken is not announced afterwards: here a read would block. */
TEST(taken)
{
	char x[64];
	connection();
	int ep = instance(b, EPOLLIN);
	for (int i = 0; i < 2000; i++) {
		CHECK_EQ(write(a, "1", 1), 1);
		CHECK_EQ(wait_for(ep, b, 20000), EPOLLIN);
		CHECK_EQ(write(a, "2", 1), 1);
		ssize_t n = read(b, x, sizeof x);
		if (n == 1) { /* the second was late */
			CHECK_EQ(read(b, x, sizeof x), 1);
			n = 2;
		}
		CHECK_EQ(n, 2);
		CHECK_EQ(wait_for(ep, b, 0), 0);
		if (i % 100 == 0)
			CHECK_EQ(wait_for(ep, b, 2), 0);
	}
	close(ep), done();
}

TEST(writable)
{
	static char page[4096];
	connection();
	for (int edge = 0; edge < 2; edge++) {
		int ep = instance(a, EPOLLOUT | (edge ? EPOLLET : 0));
		for (int i = 0; i < 20; i++) {
			long sent = 0, n;
			while ((n = send(a, page, sizeof page, MSG_DONTWAIT)) > 0) {
				/* An edge comes with each time that it has become writable. */
				unsigned now = wait_for(ep, a, 0);
				CHECK(now == EPOLLOUT || edge || n < (long)sizeof page || sent > 16384);
				sent += n;
			}
			CHECK_EQ(errno, EAGAIN);
			CHECK_EQ(wait_for(ep, a, 0), 0);
			while (sent > 0 && (n = recv(b, page, sizeof page, 0)) > 0)
				sent -= n;
			CHECK_EQ(wait_for(ep, a, 20000), EPOLLOUT);
			CHECK_EQ(wait_for(ep, a, 0), edge ? 0 : EPOLLOUT);
		}
		close(ep);
	}
	done();
}

/* Others that wait while things change. */
static int shared_ep, ready[2];
static void *sleeper(void *arg)
{
	struct epoll_event e;
	CHECK_EQ(write(ready[1], "r", 1), 1);
	CHECK_EQ(epoll_wait(shared_ep, &e, 1, 60000), 1);
	*(int *)arg = e.data.fd;
	return NULL;
}
static void started(int n)
{
	char x;
	while (n--)
		CHECK_EQ(read(ready[0], &x, 1), 1);
	usleep(2000); /* most sleep by now */
}

/* The first socket comes to an instance on which somebody sleeps. */
TEST(added_late)
{
	CHECK_OK(pipe(ready));
	for (int i = 0; i < 60; i++) {
		pthread_t t[3];
		int got[3] = {-1, -1, -1}, ev = eventfd(0, EFD_SEMAPHORE), n = 1 + i % 3;
		connection();
		shared_ep = instance(i % 2 ? ev : -1, EPOLLIN);
		for (int k = 0; k < n; k++)
			CHECK_OK(pthread_create(&t[k], NULL, sleeper, &got[k]));
		started(n);
		if (i % 4 >= 2)
			CHECK_EQ(write(a, "x", 1), 1);
		struct epoll_event e = {EPOLLIN, {.fd = b}};
		CHECK_OK(epoll_ctl(shared_ep, EPOLL_CTL_ADD, b, &e));
		if (i % 4 < 2)
			CHECK_EQ(write(a, "x", 1), 1);
		for (int k = 0; k < n; k++) {
			CHECK_OK(pthread_join(t[k], NULL));
			CHECK_EQ(got[k], b);
		}
		close(shared_ep), close(ev), done();
	}
}

/* One who sleeps on sockets is woken by what is none, and by signals. */
static void nothing(int sig) { (void)sig; }
TEST(mixed)
{
	CHECK_OK(pipe(ready));
	connection();
	for (int i = 0; i < 200; i++) {
		pthread_t t;
		int got = -1, ev = eventfd(0, 0);
		shared_ep = instance(b, EPOLLIN);
		struct epoll_event e = {EPOLLIN, {.fd = ev}};
		CHECK_OK(epoll_ctl(shared_ep, EPOLL_CTL_ADD, ev, &e));
		CHECK_OK(pthread_create(&t, NULL, sleeper, &got));
		started(1);
		CHECK_EQ(eventfd_write(ev, 1), 0);
		CHECK_OK(pthread_join(t, NULL));
		CHECK_EQ(got, ev);
		close(shared_ep), close(ev);
	}
	int ep = instance(b, EPOLLIN);
	char x[8];
	struct sigaction sa = {.sa_handler = nothing};
	CHECK_OK(sigaction(SIGALRM, &sa, NULL));
	for (int i = 0; i < 20; i++) {
		struct epoll_event e;
		/* Again and again: the first may come before the wait begins. */
		struct itimerval every = {{0, 3000}, {0, 3000}}, off = {0};
		CHECK_OK(setitimer(ITIMER_REAL, &every, NULL));
		if (i % 2)
			CHECK_ERRNO(epoll_wait(ep, &e, 1, -1), EINTR);
		else
			CHECK_ERRNO(recv(b, x, sizeof x, 0), EINTR);
		CHECK_OK(setitimer(ITIMER_REAL, &off, NULL));
		CHECK_EQ(wait_for(ep, b, 3), 0);
	}
	close(ep), done();
}

/* Several instances and other ways to wait for one socket. */
static void *receiver(void *arg)
{
	char x[8];
	CHECK_EQ(write(ready[1], "r", 1), 1);
	*(int *)arg = recv(b, x, 1, 0);
	return NULL;
}
TEST(many_ways)
{
	char x[64];
	CHECK_OK(pipe(ready));
	for (int i = 0; i < 100; i++) {
		connection();
		int ep1 = instance(b, EPOLLIN), outer = instance(ep1, EPOLLIN), ep2 = -1;
		struct pollfd p[2] = {{ep1, POLLIN, 0}, {b, POLLIN, 0}};
		if (i % 5 == 1) { /* a second instance, for a time */
			ep2 = instance(b, EPOLLIN);
			CHECK_EQ(wait_for(ep2, b, 0), 0);
		}
		if (i % 5 == 2) { /* the first one ends */
			close(ep1), close(outer);
			ep1 = instance(b, EPOLLIN), outer = instance(ep1, EPOLLIN);
			p[0].fd = ep1;
		}
		if (i % 5 == 3) /* somebody has polled it */
			CHECK_EQ(poll(&p[1], 1, 1), 0);
		if (i % 5 == 4) { /* somebody blocks in it */
			pthread_t t;
			int got = 0;
			CHECK_OK(pthread_create(&t, NULL, receiver, &got));
			started(1);
			CHECK_EQ(write(a, "1", 1), 1);
			CHECK_OK(pthread_join(t, NULL));
			CHECK_EQ(got, 1);
		}
		CHECK_EQ(poll(p, 2, 0), 0);
		CHECK_EQ(wait_for(outer, ep1, 0), 0);
		pid_t child = fork();
		CHECK(child >= 0);
		if (child == 0) {
			usleep(2000);
			_exit(write(a, "2", 1) != 1);
		}
		switch (i % 4) { /* who sleeps when it comes */
		case 0:
			CHECK_EQ(wait_for(ep1, b, 60000), EPOLLIN);
			break;
		case 1:
			CHECK_EQ(wait_for(outer, ep1, 60000), EPOLLIN);
			break;
		case 2:
			CHECK_EQ(poll(p, 1, 60000), 1);
			break;
		case 3: {
			fd_set r;
			FD_ZERO(&r);
			FD_SET(b, &r);
			CHECK_EQ(select(b + 1, &r, NULL, NULL, NULL), 1);
		}
		}
		CHECK_EQ(wait_for(ep1, b, 20000), EPOLLIN);
		CHECK_EQ(wait_for(outer, ep1, 0), EPOLLIN);
		CHECK_EQ(poll(p, 2, 0), 2);
		if (ep2 >= 0) {
			CHECK_EQ(wait_for(ep2, b, 20000), EPOLLIN);
			close(ep2);
		}
		CHECK_EQ(read(b, x, sizeof x), 1);
		CHECK_EQ(wait_for(ep1, b, 0), 0);
		CHECK_EQ(wait_for(outer, ep1, 0), 0);
		CHECK_EQ(poll(p, 2, 0), 0);
		int st;
		CHECK_EQ(waitpid(child, &st, 0), child);
		CHECK_EQ(st, 0);
		close(ep1), close(outer), done();
	}
}

/* A watch that is given up and taken up again sees what came meanwhile. */
TEST(again)
{
	char x[64];
	struct epoll_event e = {EPOLLIN, {.fd = 0}};
	connection();
	int ep = instance(b, EPOLLIN);
	for (int i = 0; i < 300; i++) {
		CHECK_OK(epoll_ctl(ep, EPOLL_CTL_DEL, b, NULL));
		CHECK_EQ(wait_for(ep, b, 0), 0);
		CHECK_EQ(write(a, "x", 1), 1);
		if (i % 2) {
			close(ep);
			ep = instance(-1, 0);
		}
		if (i % 3 == 0) {
			int was = b;
			CHECK((b = dup(was)) >= 0);
			close(was);
		}
		e.data.fd = b;
		CHECK_OK(epoll_ctl(ep, EPOLL_CTL_ADD, b, &e));
		CHECK_EQ(wait_for(ep, b, 20000), EPOLLIN);
		CHECK_EQ(read(b, x, sizeof x), 1);
		CHECK_EQ(wait_for(ep, b, 0), 0);
	}
	close(ep), done();
}

/* Calls that block until there is enough, or for a time. */
static void *dribble(void *arg)
{
	for (const char *s = arg; *s; s++) {
		usleep(3000);
		CHECK_EQ(write(a, s, 1), 1);
	}
	return NULL;
}
TEST(blocking)
{
	char x[64];
	struct timeval tv = {0, 20000};
	pthread_t t;
	for (int i = 0; i < 5; i++) {
		connection();
		CHECK_OK(pthread_create(&t, NULL, dribble, "abcdefgh"));
		memset(x, 0, sizeof x);
		CHECK_EQ(recv(b, x, 8, MSG_PEEK | MSG_WAITALL), 8);
		CHECK_EQ(strcmp(x, "abcdefgh"), 0);
		CHECK_EQ(recv(b, x, 8, MSG_WAITALL), 8);
		CHECK_OK(pthread_join(t, NULL));
		CHECK_OK(setsockopt(b, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv));
		CHECK_ERRNO(recv(b, x, 8, 0), EAGAIN);
		CHECK_OK(pthread_create(&t, NULL, dribble, "x"));
		CHECK_EQ(read(b, x, 8), 1);
		CHECK_OK(pthread_join(t, NULL));
		static char big[1 << 20];
		CHECK_OK(setsockopt(a, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof tv));
		ssize_t n;
		do
			n = write(a, big, sizeof big);
		while (n == (ssize_t)sizeof big);
		CHECK(n > 0 || errno == EAGAIN);
		close(a);
		done();
	}
}
