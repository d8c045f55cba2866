/* build: -pthread */
/* network: none host loopback */
/* TCP between two programs of one machine, where a kernel may take short cuts. */
#include "check.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/socket.h>

static struct sockaddr_in at; /* of the listener */

static int listener(int backlog)
{
	socklen_t n = sizeof at;
	int l = socket(AF_INET, SOCK_STREAM, 0);
	at = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	CHECK_OK(bind(l, (void *)&at, n));
	CHECK_OK(listen(l, backlog));
	CHECK_OK(getsockname(l, (void *)&at, &n));
	return l;
}

static int client(void)
{
	int c = socket(AF_INET, SOCK_STREAM, 0);
	CHECK(c >= 0);
	CHECK_OK(connect(c, (void *)&at, sizeof at));
	return c;
}

static int option(int fd, int level, int name)
{
	int v = -1;
	socklen_t n = sizeof v;
	CHECK_OK(getsockopt(fd, level, name, &v, &n));
	return v;
}

static void set(int fd, int level, int name, int v) { CHECK_OK(setsockopt(fd, level, name, &v, sizeof v)); }

static void talk(int a, int b)
{
	char x[8];
	CHECK_EQ(send(a, "there", 5, 0), 5);
	CHECK_EQ(recv(b, x, sizeof x, 0), 5);
	CHECK_EQ(write(b, "back", 4), 4);
	CHECK_EQ(read(a, x, sizeof x), 4);
	CHECK(memcmp(x, "back", 4) == 0);
}

TEST(names)
{
	struct sockaddr_in a, b;
	socklen_t n = sizeof a;
	int l = listener(4), c = client(), s = accept(l, (void *)&a, &n);
	CHECK_EQ(n, sizeof a);
	CHECK_OK(getsockname(c, (void *)&b, &n));
	CHECK(a.sin_port == b.sin_port && a.sin_port != 0 && a.sin_addr.s_addr == htonl(INADDR_LOOPBACK));
	CHECK(b.sin_addr.s_addr == htonl(INADDR_LOOPBACK) && b.sin_family == AF_INET);
	CHECK_OK(getpeername(s, (void *)&b, &n));
	CHECK(a.sin_port == b.sin_port);
	CHECK_OK(getpeername(c, (void *)&b, &n));
	CHECK(b.sin_port == at.sin_port);
	CHECK_OK(getsockname(s, (void *)&b, &n));
	CHECK(b.sin_port == at.sin_port && b.sin_addr.s_addr == htonl(INADDR_LOOPBACK));
	talk(c, s);
	/* Who has the port keeps it. */
	int o = socket(AF_INET, SOCK_STREAM, 0);
	CHECK_ERRNO(bind(o, (void *)&a, sizeof a), EADDRINUSE);
	CHECK_ERRNO(bind(c, (void *)&a, sizeof a), EINVAL);
	CHECK_ERRNO(listen(c, 1), EINVAL);
	CHECK_ERRNO(connect(c, (void *)&at, sizeof at), EISCONN);
	close(o), close(c), close(s), close(l);
}

TEST(port_of_its_own)
{
	struct sockaddr_in me = {.sin_family = AF_INET}, a;
	socklen_t n = sizeof a;
	int l = listener(4), c = socket(AF_INET, SOCK_STREAM, 0);
	CHECK_OK(bind(c, (void *)&me, sizeof me)); /* any address, any port */
	CHECK_OK(getsockname(c, (void *)&me, &n));
	CHECK_OK(connect(c, (void *)&at, sizeof at));
	int s = accept4(l, (void *)&a, &n, SOCK_CLOEXEC);
	CHECK(a.sin_port == me.sin_port && a.sin_addr.s_addr == htonl(INADDR_LOOPBACK));
	talk(s, c);
	close(c), close(s), close(l);
}

/* What is set before holds afterwards, also for who is accepted. */
TEST(options)
{
	struct timeval t = {0, 20000};
	struct linger r = {1, 0};
	char x;
	int l = listener(4), c = socket(AF_INET, SOCK_STREAM, 0);
	set(l, IPPROTO_TCP, TCP_NODELAY, 1);
	set(l, SOL_SOCKET, SO_KEEPALIVE, 1);
	set(l, SOL_SOCKET, SO_RCVBUF, 40000);
	CHECK_OK(setsockopt(c, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t));
	CHECK_OK(setsockopt(c, SOL_SOCKET, SO_LINGER, &r, sizeof r));
	set(c, IPPROTO_TCP, TCP_NODELAY, 1);
	set(c, SOL_SOCKET, SO_SNDBUF, 30000);
	set(c, IPPROTO_TCP, TCP_KEEPIDLE, 77);
	CHECK_OK(connect(c, (void *)&at, sizeof at));
	int s = accept(l, NULL, NULL);
	CHECK_EQ(option(s, IPPROTO_TCP, TCP_NODELAY), 1);
	CHECK_EQ(option(s, SOL_SOCKET, SO_KEEPALIVE), 1);
	CHECK_EQ(option(s, SOL_SOCKET, SO_RCVBUF), 80000);
	CHECK_EQ(option(c, IPPROTO_TCP, TCP_NODELAY), 1);
	CHECK_EQ(option(c, SOL_SOCKET, SO_SNDBUF), 60000);
	CHECK_EQ(option(c, IPPROTO_TCP, TCP_KEEPIDLE), 77);
	CHECK_EQ(option(c, SOL_SOCKET, SO_ERROR), 0);
	CHECK_EQ(option(l, SOL_SOCKET, SO_ACCEPTCONN), 1);
	CHECK_EQ(option(c, SOL_SOCKET, SO_ACCEPTCONN), 0);
	struct tcp_info i;
	socklen_t n = sizeof i;
	CHECK_OK(getsockopt(c, IPPROTO_TCP, TCP_INFO, &i, &n));
	CHECK_EQ(i.tcpi_state, TCP_ESTABLISHED);
	n = sizeof i;
	CHECK_OK(getsockopt(l, IPPROTO_TCP, TCP_INFO, &i, &n));
	CHECK_EQ(i.tcpi_state, TCP_LISTEN);
	CHECK_ERRNO(read(c, &x, 1), EAGAIN); /* by the time-out */
	close(c);			     /* resets, by SO_LINGER */
	CHECK_ERRNO(read(s, &x, 1), ECONNRESET);
	close(s), close(l);
}

/* An instance that knew the client before it was connected. */
TEST(watched_before)
{
	struct epoll_event e = {EPOLLIN | EPOLLOUT | EPOLLET, {.u32 = 1}};
	int l = listener(4), ep = epoll_create1(0);
	CHECK_OK(epoll_ctl(ep, EPOLL_CTL_ADD, l, &e));
	int c = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	e.data.u32 = 2;
	CHECK_OK(epoll_ctl(ep, EPOLL_CTL_ADD, c, &e));
	while (epoll_wait(ep, &e, 1, 0) > 0)
		; /* an unconnected one hangs up */
	CHECK_ERRNO(connect(c, (void *)&at, sizeof at), EINPROGRESS);
	unsigned seen[3] = {0};
	for (int i = 0; i < 20 && (!seen[1] || !(seen[2] & EPOLLOUT)); i++) {
		struct epoll_event g[4];
		int n = epoll_wait(ep, g, 4, 1000);
		for (int k = 0; k < n; k++)
			seen[g[k].data.u32] |= g[k].events;
	}
	CHECK(seen[1] & EPOLLIN);
	CHECK(seen[2] & EPOLLOUT);
	CHECK_EQ(option(c, SOL_SOCKET, SO_ERROR), 0);
	int s = accept(l, NULL, NULL);
	CHECK_EQ(write(s, "x", 1), 1);
	CHECK_EQ(epoll_wait(ep, &e, 1, 10000), 1);
	CHECK(e.data.u32 == 2 && e.events & EPOLLIN);
	shutdown(s, SHUT_WR);
	char x[4];
	struct pollfd p = {c, POLLIN | POLLRDHUP, 0};
	CHECK_EQ(poll(&p, 1, 10000), 1);
	CHECK_EQ(read(c, x, sizeof x), 1);
	CHECK_EQ(poll(&p, 1, 10000), 1);
	CHECK_EQ(p.revents, POLLIN | POLLRDHUP);
	CHECK_EQ(read(c, x, sizeof x), 0);
	close(ep), close(c), close(s), close(l);
}

static void *late(void *arg)
{
	msleep(30);
	*(int *)arg = client();
	return NULL;
}

/* Who waits for a connection is told, however it waits. */
TEST(wait_for_clients)
{
	pthread_t t;
	int c, s, l = listener(4);
	for (int i = 0; i < 3; i++) {
		CHECK_RET(pthread_create(&t, NULL, late, &c), 0);
		if (i == 1) {
			struct pollfd p = {l, POLLIN, 0};
			CHECK_EQ(poll(&p, 1, 10000), 1);
		} else if (i == 2) {
			struct epoll_event e = {EPOLLIN, {0}};
			int ep = epoll_create1(0);
			CHECK_OK(epoll_ctl(ep, EPOLL_CTL_ADD, l, &e));
			CHECK_EQ(epoll_wait(ep, &e, 1, 10000), 1);
			close(ep);
		}
		CHECK((s = accept(l, NULL, NULL)) >= 0);
		CHECK_RET(pthread_join(t, NULL), 0);
		talk(c, s);
		close(c), close(s);
	}
	close(l);
}

/* More than the listener has room for. */
TEST(full)
{
	enum { N = 3 };
	int c[N], s[N], l = listener(1);
	for (int i = 0; i < N; i++) {
		c[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		CHECK_ERRNO(connect(c[i], (void *)&at, sizeof at), EINPROGRESS);
	}
	for (int i = 0; i < N; i++) {
		CHECK((s[i] = accept(l, NULL, NULL)) >= 0);
		CHECK_EQ(write(s[i], "x", 1), 1);
	}
	for (int i = 0; i < N; i++) {
		char x;
		struct pollfd p = {c[i], POLLIN, 0};
		CHECK_EQ(poll(&p, 1, 20000), 1);
		CHECK_EQ(read(c[i], &x, 1), 1);
		close(c[i]), close(s[i]);
	}
	close(l);
}

/* A listener that goes away takes those with it that it has not accepted. */
TEST(gone)
{
	char x;
	for (int i = 0; i < 2; i++) {
		int l = listener(4), c = client();
		if (i)
			CHECK_OK(shutdown(l, SHUT_RDWR));
		else
			close(l);
		CHECK_ERRNO(read(c, &x, 1), ECONNRESET);
		close(c);
		c = socket(AF_INET, SOCK_STREAM, 0);
		CHECK_ERRNO(connect(c, (void *)&at, sizeof at), ECONNREFUSED);
		close(c);
		if (i)
			close(l);
	}
}

/* A socket is connected, disconnected, and connected again. */
TEST(again)
{
	struct sockaddr none = {.sa_family = AF_UNSPEC};
	char x;
	int l = listener(4), c = client(), s = accept(l, NULL, NULL);
	talk(c, s);
	CHECK_OK(connect(c, &none, sizeof none));
	CHECK_ERRNO(send(c, "x", 1, MSG_NOSIGNAL), ECONNRESET);
	CHECK_ERRNO(send(c, "x", 1, MSG_NOSIGNAL), EPIPE);
	ssize_t n = read(s, &x, 1); /* a reset, or an end */
	CHECK(n == 0 || (n == -1 && errno == ECONNRESET));
	close(s);
	CHECK_OK(connect(c, (void *)&at, sizeof at));
	s = accept(l, NULL, NULL);
	talk(c, s);
	close(c), close(s), close(l);
}

TEST(two_families)
{
	struct sockaddr_in6 six = {.sin6_family = AF_INET6}, peer;
	struct sockaddr_in four = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000002)};
	socklen_t n = sizeof six;
	for (int only = 0; only < 2; only++) {
		int l = socket(AF_INET6, SOCK_STREAM, 0);
		six.sin6_port = 0;
		six.sin6_addr = in6addr_any;
		set(l, IPPROTO_IPV6, IPV6_V6ONLY, only);
		CHECK_OK(bind(l, (void *)&six, n));
		CHECK_OK(listen(l, 4));
		CHECK_OK(getsockname(l, (void *)&six, &n));
		four.sin_port = six.sin6_port;
		int c = socket(AF_INET, SOCK_STREAM, 0);
		if (only) {
			CHECK_ERRNO(connect(c, (void *)&four, sizeof four), ECONNREFUSED);
		} else {
			CHECK_OK(connect(c, (void *)&four, sizeof four));
			int s = accept(l, (void *)&peer, &n);
			CHECK(IN6_IS_ADDR_V4MAPPED(&peer.sin6_addr) && peer.sin6_addr.s6_addr[15] == 1);
			talk(c, s);
			close(s);
		}
		close(c);
		c = socket(AF_INET6, SOCK_STREAM, 0);
		CHECK_OK(connect(c, (void *)&six, n)); /* the wildcard is this machine */
		int s = accept(l, (void *)&peer, &n);
		CHECK(IN6_IS_ADDR_LOOPBACK(&peer.sin6_addr));
		CHECK_OK(getpeername(c, (void *)&peer, &n));
		CHECK(IN6_IS_ADDR_LOOPBACK(&peer.sin6_addr) && peer.sin6_port == six.sin6_port);
		talk(c, s);
		close(c), close(s), close(l);
	}
}

/* Between processes, of which one has only inherited the listener. */
TEST(processes)
{
	int l = listener(8);
	pid_t pid = FORK({
		for (int i = 0; i < 50; i++) {
			int s = accept(l, NULL, NULL);
			char x[5];
			CHECK_EQ(recv(s, x, 5, MSG_WAITALL), 5);
			CHECK_EQ(write(s, "back", 4), 4);
			CHECK_EQ(read(s, x, 1), 0);
			close(s);
		}
	});
	for (int i = 0; i < 50; i++) {
		char x[8];
		int c = client();
		CHECK_EQ(send(c, "the", 3, MSG_MORE), 3);
		CHECK_EQ(write(c, "re", 2), 2);
		CHECK_EQ(recv(c, x, 4, MSG_WAITALL), 4);
		CHECK_OK(shutdown(c, SHUT_WR));
		CHECK_EQ(read(c, x, 1), 0);
		close(c);
	}
	JOIN(pid);
	close(l);
}

static void *sender(void *arg)
{
	static char b[100000];
	int fd = *(int *)arg;
	for (int i = 0; i < 100; i++)
		for (size_t n = 0; n < sizeof b;) {
			ssize_t k = write(fd, b + n, sizeof b - n);
			CHECK(k > 0);
			n += k;
		}
	shutdown(fd, SHUT_WR);
	return NULL;
}

/* Both sides block now and then. */
TEST(much)
{
	static char b[70000];
	pthread_t t;
	long sum = 0;
	ssize_t n;
	int l = listener(4), c = client(), s = accept(l, NULL, NULL);
	CHECK_RET(pthread_create(&t, NULL, sender, &c), 0);
	while ((n = read(s, b, sizeof b)) > 0)
		sum += n;
	CHECK_EQ(n, 0);
	CHECK_EQ(sum, 100 * 100000);
	CHECK_RET(pthread_join(t, NULL), 0);
	close(c), close(s), close(l);
}
