/* build: */
/* network: none host loopback */
/* TCP and UDP over loopback, IPv4 and IPv6. */
#include "check.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

union addr {
	struct sockaddr sa;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};
static socklen_t loopback(int family, union addr *a, int port)
{
	memset(a, 0, sizeof *a);
	a->sa.sa_family = family;
	if (family == AF_INET6) {
		a->in6.sin6_addr = in6addr_loopback;
		a->in6.sin6_port = port;
		return sizeof a->in6;
	}
	a->in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	a->in.sin_port = port;
	return sizeof a->in;
}
static int port_of(int fd)
{
	union addr a;
	socklen_t n = sizeof a;
	CHECK_OK(getsockname(fd, &a.sa, &n));
	return a.sa.sa_family == AF_INET6 ? a.in6.sin6_port : a.in.sin_port;
}
static int bound(int family, int type)
{
	union addr a;
	int fd = socket(family, type, 0);
	CHECK(fd >= 0);
	CHECK_OK(bind(fd, &a.sa, loopback(family, &a, 0)));
	return fd;
}
static int dial(int family, int port)
{
	union addr a;
	int fd = socket(family, SOCK_STREAM, 0);
	CHECK(fd >= 0);
	CHECK_OK(connect(fd, &a.sa, loopback(family, &a, port)));
	return fd;
}

static void tcp(int family)
{
	union addr a;
	socklen_t n = sizeof a;
	char b[64];
	int l = bound(family, SOCK_STREAM);
	CHECK_OK(listen(l, 5));
	int port = port_of(l), c = dial(family, port);
	int s = accept4(l, &a.sa, &n, SOCK_CLOEXEC);
	CHECK(s >= 0);
	CHECK_EQ(fcntl(s, F_GETFD), FD_CLOEXEC);
	CHECK_EQ(n, family == AF_INET6 ? 28 : 16);
	CHECK_EQ(a.sa.sa_family, family);
	CHECK_EQ(family == AF_INET6 ? a.in6.sin6_port : a.in.sin_port, port_of(c));
	CHECK_EQ(port_of(s), port);
	n = sizeof a;
	CHECK_OK(getpeername(c, &a.sa, &n));
	CHECK_EQ(family == AF_INET6 ? a.in6.sin6_port : a.in.sin_port, port);
	CHECK_EQ(send(c, "hello", 5, 0), 5);
	CHECK_EQ(recv(s, b, 2, MSG_PEEK), 2);
	CHECK_EQ(recv(s, b, 5, MSG_WAITALL), 5);
	CHECK(!memcmp(b, "hello", 5));
	CHECK_ERRNO(recv(s, b, 1, MSG_DONTWAIT), EAGAIN);
	CHECK_EQ(write(s, "back", 4), 4);
	CHECK_EQ(read(c, b, 64), 4);
	CHECK_OK(shutdown(c, SHUT_WR));
	CHECK_EQ(read(s, b, 1), 0);
	CHECK_EQ(write(s, "late", 4), 4);
	CHECK_EQ(read(c, b, 64), 4);
	close(s);
	CHECK_EQ(read(c, b, 64), 0);
	close(c), close(l);
}
TEST(tcp4) { tcp(AF_INET); }
TEST(tcp6) { tcp(AF_INET6); }

static void udp(int family)
{
	union addr a, from;
	socklen_t n = sizeof from, len;
	char b[64];
	int r = bound(family, SOCK_DGRAM), w = bound(family, SOCK_DGRAM);
	len = loopback(family, &a, port_of(r));
	CHECK_EQ(sendto(w, "first", 5, 0, &a.sa, len), 5);
	CHECK_EQ(sendto(w, "second", 6, 0, &a.sa, len), 6);
	CHECK_EQ(sendto(w, "", 0, 0, &a.sa, len), 0);
	CHECK_EQ(recvfrom(r, b, 64, 0, &from.sa, &n), 5);
	CHECK_EQ(family == AF_INET6 ? from.in6.sin6_port : from.in.sin_port, port_of(w));
	CHECK_EQ(recv(r, b, 2, MSG_TRUNC), 6);
	CHECK_EQ(recv(r, b, 2, 0), 0);
	CHECK_OK(connect(w, &a.sa, len));
	CHECK_EQ(send(w, "conn", 4, 0), 4);
	CHECK_EQ(recv(r, b, 64, 0), 4);
	CHECK_ERRNO(recv(r, b, 64, MSG_DONTWAIT), EAGAIN);
	close(r);
	send(w, "lost", 4, 0);
	settle();
	CHECK_ERRNO(send(w, "lost", 4, 0), ECONNREFUSED); /* told by ICMP */
	close(w);
}
TEST(udp4) { udp(AF_INET); }
TEST(udp6) { udp(AF_INET6); }

TEST(errors)
{
	union addr a;
	char b[8];
	int l = bound(AF_INET, SOCK_STREAM), fd = socket(AF_INET, SOCK_STREAM, 0);
	CHECK_OK(listen(l, 1));
	socklen_t n = loopback(AF_INET, &a, port_of(l));
	CHECK_ERRNO(bind(fd, &a.sa, n), EADDRINUSE);
	CHECK_ERRNO(bind(fd, &a.sa, 4), EINVAL);
	a.in.sin_addr.s_addr = htonl(0xc6336401); /* 198.51.100.1: not ours */
	CHECK_ERRNO(bind(fd, &a.sa, n), EADDRNOTAVAIL);
	int dead = bound(AF_INET, SOCK_STREAM), port = port_of(dead);
	close(dead);
	n = loopback(AF_INET, &a, port);
	CHECK_ERRNO(connect(fd, &a.sa, n), ECONNREFUSED);
	CHECK_ERRNO(accept(fd, NULL, NULL), EINVAL);
	CHECK_ERRNO(recv(fd, b, 1, 0), ENOTCONN);
	CHECK_ERRNO(send(fd, b, 1, MSG_NOSIGNAL), EPIPE);
	CHECK_ERRNO(getpeername(fd, &a.sa, &n), ENOTCONN);
	CHECK_ERRNO(shutdown(fd, SHUT_RD), ENOTCONN);
	CHECK_ERRNO(connect(fd, (void *)8, 16), EFAULT);
	close(fd);
	int c = dial(AF_INET, port_of(l)), s = accept(l, NULL, NULL);
	n = loopback(AF_INET, &a, port_of(l));
	CHECK_ERRNO(connect(c, &a.sa, n), EISCONN);
	struct linger lg = {1, 0};
	CHECK_OK(setsockopt(s, SOL_SOCKET, SO_LINGER, &lg, sizeof lg));
	close(s); /* a reset */
	CHECK_ERRNO(recv(c, b, 1, 0), ECONNRESET);
	CHECK_EQ(recv(c, b, 1, 0), 0);
	close(c);
	/* Not blocking. */
	fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	CHECK_ERRNO(connect(fd, &a.sa, n), EINPROGRESS);
	struct pollfd p = {fd, POLLOUT, 0};
	CHECK_EQ(poll(&p, 1, 5000), 1);
	int err;
	socklen_t el = sizeof err;
	CHECK_OK(getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &el));
	CHECK_EQ(err, 0);
	CHECK_EQ(send(fd, "x", 1, 0), 1);
	close(fd);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	n = loopback(AF_INET, &a, port);
	CHECK_ERRNO(connect(fd, &a.sa, n), EINPROGRESS);
	p.fd = fd;
	CHECK_EQ(poll(&p, 1, 5000), 1);
	CHECK(p.revents & POLLERR);
	CHECK_OK(getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &el));
	CHECK_EQ(err, ECONNREFUSED);
	close(fd), close(l);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	CHECK_OK(bind(fd, &a.sa, loopback(AF_INET, &a, 0)));
	CHECK_OK(listen(fd, 1));
	CHECK_ERRNO(accept(fd, NULL, NULL), EAGAIN);
	close(fd);
	CHECK_ERRNO(socket(AF_INET, SOCK_STREAM, IPPROTO_UDP), EPROTONOSUPPORT);
}

TEST(options)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0), v = 1, got;
	socklen_t n = sizeof got;
	static const int opts[][2] = {{SOL_SOCKET, SO_REUSEADDR}, {SOL_SOCKET, SO_KEEPALIVE}, {SOL_SOCKET, SO_REUSEPORT},
				      {IPPROTO_TCP, TCP_NODELAY}, {IPPROTO_TCP, TCP_QUICKACK}};
	for (size_t i = 0; i < LEN(opts); i++) {
		CHECK_OK(setsockopt(fd, opts[i][0], opts[i][1], &v, sizeof v));
		CHECK_OK(getsockopt(fd, opts[i][0], opts[i][1], &got, &n));
		CHECK(got != 0);
	}
	v = 7;
	CHECK_OK(setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &v, sizeof v));
	CHECK_OK(getsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &got, &n));
	CHECK_EQ(got, 7);
	CHECK_OK(getsockopt(fd, SOL_SOCKET, SO_TYPE, &got, &n));
	CHECK_EQ(got, SOCK_STREAM);
	CHECK_OK(getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &got, &n));
	CHECK_EQ(got, AF_INET);
	CHECK_OK(getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &got, &n));
	CHECK_EQ(got, IPPROTO_TCP);
	v = 20000;
	CHECK_OK(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &v, sizeof v));
	CHECK_OK(getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &got, &n));
	CHECK_EQ(got, 40000);
	struct timeval tv = {0, 20000};
	CHECK_OK(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof tv));
	struct tcp_info ti;
	n = sizeof ti;
	CHECK_OK(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &ti, &n));
	CHECK_ERRNO(setsockopt(fd, SOL_SOCKET, 9999, &v, sizeof v), ENOPROTOOPT);
	close(fd);
	fd = socket(AF_INET6, SOCK_STREAM, 0);
	v = 1;
	CHECK_OK(setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v, sizeof v));
	close(fd);
	/* A receive timeout. */
	fd = bound(AF_INET, SOCK_DGRAM);
	CHECK_OK(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv));
	CHECK_ERRNO(recv(fd, &v, 1, 0), EAGAIN);
	close(fd);
}

TEST(server)
{
	/* A forked client, an epoll server, more bytes than the buffers hold. */
	enum { CLIENTS = 8, BYTES = 300000 };
	int l = bound(AF_INET, SOCK_STREAM), port = port_of(l), ep = epoll_create1(0), open_ = 0, finished = 0;
	CHECK_OK(listen(l, CLIENTS));
	struct epoll_event ev = {EPOLLIN, {.fd = l}};
	CHECK_OK(epoll_ctl(ep, EPOLL_CTL_ADD, l, &ev));
	pid_t kids[CLIENTS];
	for (int k = 0; k < CLIENTS; k++)
		kids[k] = FORK({
			char b[4096];
			int c = dial(AF_INET, port);
			size_t in = 0;
			pid_t w = FORK({
				memset(b, k, sizeof b);
				for (size_t out = 0; out < BYTES;) {
					size_t want = BYTES - out < sizeof b ? BYTES - out : sizeof b;
					ssize_t r = write(c, b, want);
					CHECK(r > 0);
					out += r;
				}
				shutdown(c, SHUT_WR);
			});
			for (ssize_t r; (r = read(c, b, sizeof b)) > 0; in += r)
				CHECK(b[0] == k && b[r - 1] == k);
			CHECK_EQ(in, BYTES);
			JOIN(w);
		});
	while (finished < CLIENTS) {
		CHECK_EQ(epoll_wait(ep, &ev, 1, 20000), 1);
		if (ev.data.fd == l) {
			struct epoll_event n = {EPOLLIN, {.fd = accept(l, NULL, NULL)}};
			CHECK(n.data.fd >= 0);
			CHECK_OK(epoll_ctl(ep, EPOLL_CTL_ADD, n.data.fd, &n));
			open_++;
			continue;
		}
		char b[8192];
		ssize_t r = read(ev.data.fd, b, sizeof b);
		CHECK(r >= 0);
		if (r == 0) {
			close(ev.data.fd);
			finished++;
		}
		for (ssize_t o = 0; o < r;) {
			ssize_t w = write(ev.data.fd, b + o, r - o);
			CHECK(w > 0);
			o += w;
		}
	}
	for (int k = 0; k < CLIENTS; k++)
		JOIN(kids[k]);
	CHECK_EQ(open_, CLIENTS);
	close(l), close(ep);
}

TEST(dual_stack)
{
	/* An IPv6 wildcard socket takes IPv4 connections too. */
	union addr a = {.in6 = {.sin6_family = AF_INET6}};
	int l = socket(AF_INET6, SOCK_STREAM, 0);
	socklen_t n = sizeof a;
	CHECK_OK(bind(l, &a.sa, sizeof a.in6));
	CHECK_OK(listen(l, 1));
	int c = dial(AF_INET, port_of(l)), s = accept(l, &a.sa, &n);
	CHECK(s >= 0);
	CHECK(IN6_IS_ADDR_V4MAPPED(&a.in6.sin6_addr));
	close(c), close(s), close(l);
}
