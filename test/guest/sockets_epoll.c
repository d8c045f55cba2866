/* build: -pthread */
/* network: none host loopback */
/* epoll of TCP and UDP sockets: what has arrived is seen at once, what has been
 * read is not, by level and by edge. */
#include "check.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/socket.h>

static int ep, a, b; /* b is watched */

static int listener(struct sockaddr_in *at)
{
	socklen_t n = sizeof *at;
	int l = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	*at = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	CHECK_OK(bind(l, (void *)at, n));
	CHECK_OK(listen(l, 64));
	CHECK_OK(getsockname(l, (void *)at, &n));
	return l;
}
static void watch(int fd, unsigned events)
{
	struct epoll_event e = {events, {.u32 = 77}};
	CHECK((ep = epoll_create1(0)) >= 0);
	CHECK_OK(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e));
}
static void connection(unsigned events)
{
	struct sockaddr_in at;
	int l = listener(&at);
	CHECK((a = socket(AF_INET, SOCK_STREAM, 0)) >= 0);
	CHECK_OK(connect(a, (void *)&at, sizeof at));
	while ((b = accept4(l, NULL, NULL, SOCK_NONBLOCK)) < 0)
		usleep(1000);
	close(l);
	watch(b, events);
}
static void done(void) { close(a), close(b), close(ep); }
/* What epoll says now; 0 if nothing. */
static unsigned now(void)
{
	struct epoll_event e;
	int n = epoll_wait(ep, &e, 1, 0);
	CHECK(n == 0 || (n == 1 && e.data.u32 == 77));
	return n ? e.events : 0;
}
/* The same once it says something. */
static unsigned later(void)
{
	struct epoll_event e;
	CHECK_EQ(epoll_wait(ep, &e, 1, 20000), 1);
	return e.events;
}

TEST(level)
{
	char x[64];
	connection(EPOLLIN);
	CHECK_EQ(now(), 0);
	for (int i = 0; i < 2000; i++) {
		CHECK_EQ(write(a, "abcd", 4), 4);
		CHECK_EQ(later(), EPOLLIN);
		CHECK_EQ(now(), EPOLLIN);
		switch (i % 4) {
		case 0: /* short */
			CHECK_EQ(read(b, x, sizeof x), 4);
			break;
		case 1: /* to the last byte */
			CHECK_EQ(read(b, x, 4), 4);
			break;
		case 2: /* a part */
			CHECK_EQ(read(b, x, 2), 2);
			CHECK_EQ(now(), EPOLLIN);
			CHECK_EQ(recv(b, x, sizeof x, MSG_PEEK), 2);
			CHECK_EQ(now(), EPOLLIN);
			CHECK_EQ(readv(b, (struct iovec[]){{x, 1}, {x, 63}}, 2), 2);
			break;
		case 3: /* until there is no more */
			CHECK_EQ(recv(b, x, 4, 0), 4);
			CHECK_ERRNO(recv(b, x, 4, 0), EAGAIN);
		}
		CHECK_EQ(now(), 0);
	}
	done();
}

TEST(edge)
{
	char x[64];
	connection(EPOLLIN | EPOLLET);
	for (int i = 0; i < 1000; i++) {
		CHECK_EQ(write(a, "ab", 2), 2);
		CHECK_EQ(later(), EPOLLIN);
		CHECK_EQ(now(), 0);
		CHECK_EQ(read(b, x, 1), 1);
		CHECK_EQ(now(), 0);
		CHECK_EQ(write(a, "c", 1), 1); /* announced, though something is there */
		CHECK_EQ(later(), EPOLLIN);
		CHECK_EQ(read(b, x, sizeof x), 2);
		CHECK_EQ(now(), 0);
	}
	done();
}

/* The end is seen, also when a short read stood just before it. */
TEST(end)
{
	char x[64];
	for (int i = 0; i < 300; i++) {
		connection(EPOLLIN | (i % 2 ? EPOLLRDHUP : 0));
		unsigned closed = EPOLLIN | (i % 2 ? EPOLLRDHUP : 0);
		CHECK_EQ(write(a, "abc", 3), 3);
		if (i % 3 == 0)
			CHECK((later() & EPOLLIN) != 0);
		CHECK_OK(shutdown(a, SHUT_WR));
		CHECK_EQ(read(b, x, sizeof x), 3);
		CHECK_EQ(later() & closed, closed);
		CHECK_EQ(read(b, x, sizeof x), 0);
		CHECK_EQ(now() & closed, closed);
		done();
	}
	for (int i = 0; i < 100; i++) { /* by a reset */
		struct linger at_once = {1, 0};
		connection(EPOLLIN);
		CHECK_EQ(now(), 0);
		CHECK_OK(setsockopt(a, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once));
		close(a);
		CHECK((later() & EPOLLHUP) != 0);
		CHECK_ERRNO(read(b, x, sizeof x), ECONNRESET);
		CHECK((now() & EPOLLIN) != 0);
		a = dup(b);
		done();
	}
	connection(EPOLLIN);
	CHECK_OK(shutdown(b, SHUT_RD));
	CHECK_EQ(now() & EPOLLIN, EPOLLIN);
	done();
}

/* What is asked for changes all the time, as with redis-benchmark. */
TEST(modified)
{
	char x[64];
	struct epoll_event in = {EPOLLIN, {.u32 = 77}}, out = {EPOLLOUT, {.u32 = 77}};
	connection(EPOLLIN);
	for (int i = 0; i < 1000; i++) {
		CHECK_OK(epoll_ctl(ep, EPOLL_CTL_MOD, b, &out));
		CHECK_EQ(now(), EPOLLOUT);
		CHECK_EQ(write(b, "ask", 3), 3);
		CHECK_OK(epoll_ctl(ep, EPOLL_CTL_MOD, b, &in));
		CHECK_EQ(now(), 0);
		CHECK_EQ(read(a, x, sizeof x), 3);
		CHECK_EQ(write(a, "answer", 6), 6);
		if (i % 2) { /* what came in the meantime is seen as it is asked for */
			CHECK_OK(epoll_ctl(ep, EPOLL_CTL_MOD, b, &out));
			CHECK_EQ(now(), EPOLLOUT);
			CHECK_OK(epoll_ctl(ep, EPOLL_CTL_MOD, b, &in));
		}
		CHECK_EQ(later(), EPOLLIN);
		CHECK_EQ(read(b, x, sizeof x), 6);
	}
	done();
}

TEST(low_water)
{
	char x[64];
	int four = 4;
	connection(EPOLLIN);
	CHECK_OK(setsockopt(b, SOL_SOCKET, SO_RCVLOWAT, &four, sizeof four));
	for (int i = 0; i < 100; i++) {
		CHECK_EQ(write(a, "abc", 3), 3);
		CHECK_EQ(now(), 0);
		CHECK_EQ(write(a, "d", 1), 1);
		CHECK_EQ(later(), EPOLLIN);
		CHECK_EQ(read(b, x, sizeof x), 4);
		CHECK_EQ(now(), 0);
	}
	done();
}

TEST(accepting)
{
	struct sockaddr_in at;
	int l = listener(&at), c[3], s;
	watch(l, EPOLLIN);
	for (int round = 0; round < 100; round++) {
		CHECK_EQ(now(), 0);
		for (int i = 0; i < 3; i++) {
			CHECK((c[i] = socket(AF_INET, SOCK_STREAM, 0)) >= 0);
			CHECK_OK(connect(c[i], (void *)&at, sizeof at));
		}
		for (int i = 0; i < 3; i++) {
			CHECK_EQ(later(), EPOLLIN);
			CHECK((s = accept(l, NULL, NULL)) >= 0);
			close(s), close(c[i]);
		}
		if (round % 2)
			CHECK_ERRNO(accept(l, NULL, NULL), EAGAIN);
	}
	close(l), close(ep);
}

TEST(datagrams)
{
	char x[64];
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof at;
	CHECK((b = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0)) >= 0);
	CHECK_OK(bind(b, (void *)&at, n));
	CHECK_OK(getsockname(b, (void *)&at, &n));
	CHECK((a = socket(AF_INET, SOCK_DGRAM, 0)) >= 0);
	CHECK_OK(connect(a, (void *)&at, sizeof at));
	watch(b, EPOLLIN);
	for (int i = 0; i < 500; i++) {
		CHECK_EQ(now(), 0);
		CHECK_EQ(send(a, "abc", 3, 0), 3);
		CHECK_EQ(send(a, "", 0, 0), 0);
		CHECK_EQ(send(a, "de", 2, 0), 2);
		CHECK_EQ(later(), EPOLLIN);
		CHECK_EQ(recv(b, x, sizeof x, 0), 3);
		CHECK_EQ(later(), EPOLLIN);
		CHECK_EQ(recv(b, x, sizeof x, 0), 0);
		CHECK_EQ(later(), EPOLLIN);
		CHECK_EQ(recv(b, x, sizeof x, 0), 2);
		if (i % 2)
			CHECK_ERRNO(recv(b, x, sizeof x, 0), EAGAIN);
	}
	done();
}

/* Two threads read what a third sends; nothing is left lying. */
static volatile int got;
static void *reader(void *arg)
{
	(void)arg;
	struct epoll_event e;
	char x[16];
	for (;;) {
		if (epoll_wait(ep, &e, 1, -1) != 1)
			continue;
		ssize_t n = read(b, x, sizeof x);
		if (n == 0)
			return NULL;
		if (n > 0)
			__atomic_add_fetch(&got, (int)n, __ATOMIC_SEQ_CST);
	}
}
TEST(threads)
{
	for (int mode = 0; mode < 2; mode++) {
		pthread_t t[2];
		connection(EPOLLIN);
		got = 0;
		for (int i = 0; i < 2; i++)
			CHECK_OK(pthread_create(&t[i], NULL, reader, NULL));
		int sent = 0;
		for (int i = 0; i < 1000; i++) {
			int len = 1 + i % 40;
			CHECK_EQ(write(a, "0123456789012345678901234567890123456789", len), len);
			sent += len;
			if (mode && i % 10 == 0)
				for (int j = 0; got != sent && j < 20000; j++)
					usleep(1000);
		}
		for (int j = 0; got != sent && j < 20000; j++)
			usleep(1000);
		CHECK_EQ(got, sent);
		CHECK_OK(shutdown(a, SHUT_WR));
		for (int i = 0; i < 2; i++)
			CHECK_OK(pthread_join(t[i], NULL));
		done();
	}
}
