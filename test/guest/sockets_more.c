/* build: -pthread */
/* network: none host loopback */
/* Less common things of sockets that servers and libraries do. */
#include "check.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/un.h>

static struct sockaddr_in lo(int port)
{
	return (struct sockaddr_in){.sin_family = AF_INET, .sin_port = port, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}
static struct sockaddr_in name_of(int fd)
{
	struct sockaddr_in a;
	socklen_t n = sizeof a;
	CHECK_OK(getsockname(fd, (void *)&a, &n));
	return a;
}
static int bound(int type)
{
	struct sockaddr_in a = lo(0);
	int fd = socket(AF_INET, type, 0);
	CHECK(fd >= 0);
	CHECK_OK(bind(fd, (void *)&a, sizeof a));
	return fd;
}
static void tcp_pair(int p[2])
{
	int l = bound(SOCK_STREAM);
	struct sockaddr_in a = name_of(l);
	CHECK_OK(listen(l, 1));
	p[0] = socket(AF_INET, SOCK_STREAM, 0);
	CHECK_OK(connect(p[0], (void *)&a, sizeof a));
	p[1] = accept(l, NULL, NULL);
	CHECK(p[1] >= 0);
	close(l);
}

TEST(names_given)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in a = name_of(fd);
	CHECK(a.sin_family == AF_INET && a.sin_port == 0 && a.sin_addr.s_addr == 0);
	CHECK_OK(listen(fd, 1)); /* binds by itself */
	a = name_of(fd);
	CHECK(a.sin_port != 0);
	struct sockaddr_in any = a;
	int c = socket(AF_INET, SOCK_STREAM, 0);
	any.sin_addr.s_addr = 0;
	CHECK_OK(connect(c, (void *)&any, sizeof any)); /* 0.0.0.0 is this host */
	close(c), close(fd);
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	a = lo(htons(9));
	CHECK_OK(connect(fd, (void *)&a, sizeof a));
	a = name_of(fd);
	CHECK(a.sin_port != 0 && a.sin_addr.s_addr == htonl(INADDR_LOOPBACK));
	struct sockaddr un = {.sa_family = AF_UNSPEC};
	CHECK_OK(connect(fd, &un, sizeof un)); /* dissolves it */
	CHECK_ERRNO(getpeername(fd, (void *)&a, &(socklen_t){sizeof a}), ENOTCONN);
	close(fd);
	/* A short buffer is filled as far as it goes; the length is the whole. */
	fd = bound(SOCK_DGRAM);
	socklen_t n = 4;
	a.sin_addr.s_addr = 0x55555555;
	CHECK_OK(getsockname(fd, (void *)&a, &n));
	CHECK(n == 16 && a.sin_addr.s_addr == 0x55555555);
	close(fd);
}

TEST(reuse)
{
	int on = 1, l = socket(AF_INET, SOCK_STREAM, 0), c, s;
	struct sockaddr_in a = lo(0);
	CHECK_OK(setsockopt(l, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on)); /* its connections have it too */
	CHECK_OK(bind(l, (void *)&a, sizeof a));
	a = name_of(l);
	CHECK_OK(listen(l, 1));
	c = socket(AF_INET, SOCK_STREAM, 0);
	CHECK_OK(connect(c, (void *)&a, sizeof a));
	s = accept(l, NULL, NULL);
	close(s), close(l); /* the server's side goes to TIME_WAIT */
	char b;
	CHECK_EQ(read(c, &b, 1), 0);
	close(c);
	l = socket(AF_INET, SOCK_STREAM, 0);
	CHECK_OK(setsockopt(l, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on));
	CHECK_OK(bind(l, (void *)&a, sizeof a));
	CHECK_OK(listen(l, 1));
	close(l);
	int r1 = socket(AF_INET, SOCK_DGRAM, 0), r2 = socket(AF_INET, SOCK_DGRAM, 0);
	CHECK_OK(setsockopt(r1, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on));
	CHECK_OK(setsockopt(r2, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on));
	a = lo(0);
	CHECK_OK(bind(r1, (void *)&a, sizeof a));
	a = name_of(r1);
	CHECK_OK(bind(r2, (void *)&a, sizeof a));
	close(r1), close(r2);
	if (geteuid() != 0) {
		a = lo(htons(80));
		l = socket(AF_INET, SOCK_STREAM, 0);
		CHECK_ERRNO(bind(l, (void *)&a, sizeof a), EACCES);
		close(l);
	}
}

static void *blocked_accept(void *a)
{
	int fd = accept(*(int *)a, NULL, NULL);
	return (void *)(intptr_t)(fd < 0 ? errno : 0);
}
static void *blocked_read(void *a)
{
	char b;
	return (void *)(intptr_t)read(*(int *)a, &b, 1);
}

TEST(shutdown_wakes)
{
	pthread_t t;
	void *r;
	int l = bound(SOCK_STREAM), p[2];
	CHECK_OK(listen(l, 1));
	CHECK_RET(pthread_create(&t, NULL, blocked_accept, &l), 0);
	settle();
	CHECK_OK(shutdown(l, SHUT_RDWR));
	pthread_join(t, &r);
	CHECK_EQ((intptr_t)r, EINVAL);
	close(l);
	tcp_pair(p);
	CHECK_RET(pthread_create(&t, NULL, blocked_read, &p[0]), 0);
	settle();
	CHECK_OK(shutdown(p[0], SHUT_RD));
	pthread_join(t, &r);
	CHECK_EQ((intptr_t)r, 0);
	close(p[0]), close(p[1]);
}

TEST_FORK(broken_connections)
{
	int p[2];
	char b[4];
	tcp_pair(p);
	close(p[1]);
	CHECK_EQ(read(p[0], b, 1), 0);
	CHECK_EQ(send(p[0], "x", 1, MSG_NOSIGNAL), 1); /* answered by a reset */
	settle();
	CHECK_ERRNO(send(p[0], "x", 1, MSG_NOSIGNAL), EPIPE);
	CHECK_KILLED(FORK(send(p[0], "x", 1, 0)), SIGPIPE);
}

TEST(messages)
{
	int r = bound(SOCK_DGRAM), w = bound(SOCK_DGRAM), on = 1;
	struct sockaddr_in a = name_of(r), from;
	char b[16], c[16], ctl[256];
	struct iovec out[3] = {{"ab", 2}, {"", 0}, {"cdef", 4}}, in[2] = {{b, 3}, {c, 16}};
	struct msghdr m = {.msg_name = &a, .msg_namelen = sizeof a, .msg_iov = out, .msg_iovlen = 3};
	CHECK_OK(setsockopt(r, IPPROTO_IP, IP_PKTINFO, &on, sizeof on));
	CHECK_EQ(sendmsg(w, &m, 0), 6);
	m = (struct msghdr){.msg_name = &from, .msg_namelen = sizeof from, .msg_iov = in, .msg_iovlen = 2,
			    .msg_control = ctl, .msg_controllen = sizeof ctl};
	CHECK_EQ(recvmsg(r, &m, 0), 6);
	CHECK(!memcmp(b, "abc", 3) && !memcmp(c, "def", 3));
	CHECK_EQ(from.sin_port, name_of(w).sin_port);
	struct cmsghdr *h = CMSG_FIRSTHDR(&m);
	CHECK(h && h->cmsg_level == IPPROTO_IP && h->cmsg_type == IP_PKTINFO);
	CHECK_EQ(((struct in_pktinfo *)CMSG_DATA(h))->ipi_addr.s_addr, htonl(INADDR_LOOPBACK));
	m.msg_iovlen = 1025;
	CHECK_ERRNO(recvmsg(r, &m, MSG_DONTWAIT), EMSGSIZE);
	struct mmsghdr mm[3];
	struct iovec v[3];
	char bufs[3][8];
	for (int i = 0; i < 3; i++) {
		bufs[i][0] = 'A' + i;
		v[i] = (struct iovec){bufs[i], 1 + i};
		mm[i] = (struct mmsghdr){.msg_hdr = {.msg_name = &a, .msg_namelen = sizeof a, .msg_iov = &v[i], .msg_iovlen = 1}};
	}
	CHECK_EQ(sendmmsg(w, mm, 3, 0), 3);
	struct timespec ts = {5, 0};
	for (int i = 0; i < 3; i++)
		mm[i].msg_hdr.msg_name = NULL, mm[i].msg_hdr.msg_namelen = 0, v[i].iov_len = 8;
	CHECK_EQ(recvmmsg(r, mm, 3, 0, &ts), 3);
	CHECK(mm[2].msg_len == 3 && bufs[2][0] == 'C');
	static char big[70000];
	CHECK_ERRNO(sendto(w, big, 65508, 0, (void *)&a, sizeof a), EMSGSIZE);
	CHECK_EQ(sendto(w, big, 60000, 0, (void *)&a, sizeof a), 60000);
	CHECK_EQ(recv(r, big, sizeof big, 0), 60000);
	CHECK_ERRNO(sendto(w, "x", 1, 0, NULL, 0), EDESTADDRREQ);
	int n;
	CHECK_EQ(sendto(w, "12345", 5, 0, (void *)&a, sizeof a), 5);
	settle();
	CHECK_OK(ioctl(r, FIONREAD, &n));
	CHECK_EQ(n, 5);
	close(r), close(w);
}

TEST(files_over_sockets)
{
	int p[2], fd = open("body", O_RDWR | O_CREAT, 0600);
	static char b[300000], c[300000];
	for (size_t i = 0; i < sizeof b; i++)
		b[i] = i * 13 + (i >> 9);
	CHECK_EQ(write(fd, b, sizeof b), sizeof b);
	tcp_pair(p);
	pid_t kid = FORK({
		off_t o = 0;
		close(p[1]);
		while (o < (off_t)sizeof b)
			CHECK(sendfile(p[0], fd, &o, sizeof b - o) > 0);
	});
	CHECK_EQ(recv(p[1], c, sizeof c, MSG_WAITALL), sizeof c);
	CHECK(!memcmp(b, c, sizeof b));
	JOIN(kid);
	/* splice through a pipe, as proxies do. */
	int q[2], s[2];
	CHECK_OK(pipe(q));
	CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	CHECK_EQ(write(p[0], "spliced", 7), 7);
	CHECK_EQ(splice(p[1], NULL, q[1], NULL, 100, 0), 7);
	CHECK_EQ(splice(q[0], NULL, s[0], NULL, 100, 0), 7);
	CHECK_EQ(read(s[1], c, 100), 7);
	CHECK(!memcmp(c, "spliced", 7));
	close(p[0]), close(p[1]), close(q[0]), close(q[1]), close(s[0]), close(s[1]), close(fd);
}

TEST(low_water_and_cork)
{
	int p[2], v = 5, n;
	char b[16];
	tcp_pair(p);
	CHECK_OK(setsockopt(p[1], SOL_SOCKET, SO_RCVLOWAT, &v, sizeof v));
	struct pollfd pf = {p[1], POLLIN, 0};
	CHECK_EQ(write(p[0], "abc", 3), 3);
	CHECK_EQ(poll(&pf, 1, 50), 0);
	CHECK_EQ(write(p[0], "de", 2), 2);
	CHECK_EQ(poll(&pf, 1, 5000), 1);
	CHECK_EQ(read(p[1], b, 16), 5);
	v = 1;
	CHECK_OK(setsockopt(p[0], IPPROTO_TCP, TCP_CORK, &v, sizeof v));
	CHECK_EQ(write(p[0], "x", 1), 1);
	v = 0;
	CHECK_OK(setsockopt(p[0], IPPROTO_TCP, TCP_CORK, &v, sizeof v));
	v = 1;
	CHECK_OK(setsockopt(p[1], SOL_SOCKET, SO_RCVLOWAT, &v, sizeof v));
	CHECK_EQ(read(p[1], b, 16), 1);
	CHECK_EQ(send(p[0], "!", 1, MSG_OOB), 1);
	pf.events = POLLPRI;
	CHECK_EQ(poll(&pf, 1, 5000), 1);
	CHECK_EQ(recv(p[1], b, 1, MSG_OOB), 1);
	CHECK_EQ(b[0], '!');
	CHECK_OK(ioctl(p[0], TIOCOUTQ, &n));
	struct linger lg = {1, 5};
	CHECK_OK(setsockopt(p[0], SOL_SOCKET, SO_LINGER, &lg, sizeof lg));
	close(p[0]), close(p[1]);
}

TEST(ipv6_details)
{
	int on = 1, l = socket(AF_INET6, SOCK_STREAM, 0), d = socket(AF_INET6, SOCK_DGRAM, 0), v = -2;
	socklen_t n = sizeof v;
	struct sockaddr_in6 a = {.sin6_family = AF_INET6, .sin6_addr = in6addr_loopback};
	CHECK_OK(setsockopt(l, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on));
	CHECK_OK(bind(l, (void *)&a, sizeof a));
	CHECK_OK(listen(l, 1));
	CHECK_OK(getsockopt(d, IPPROTO_IPV6, IPV6_UNICAST_HOPS, &v, &n));
	CHECK(v > 0);
	CHECK_OK(setsockopt(d, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof on));
	struct sockaddr_in four = lo(0);
	CHECK_ERRNO(bind(d, (void *)&four, sizeof four), EINVAL); /* too short */
	close(l), close(d);
}

TEST(unix_extras)
{
	/* A connected datagram socket takes messages of its peer only. */
	struct sockaddr_un a = {AF_UNIX, "peer-a"}, b = {AF_UNIX, "peer-b"};
	int x = socket(AF_UNIX, SOCK_DGRAM, 0), y = socket(AF_UNIX, SOCK_DGRAM, 0), z = socket(AF_UNIX, SOCK_DGRAM, 0);
	CHECK_OK(bind(x, (void *)&a, sizeof a));
	CHECK_OK(bind(y, (void *)&b, sizeof b));
	CHECK_OK(connect(x, (void *)&b, sizeof b));
	CHECK_ERRNO(sendto(z, "no", 2, 0, (void *)&a, sizeof a), EPERM);
	CHECK_EQ(sendto(y, "yes", 3, 0, (void *)&a, sizeof a), 3);
	close(x), close(y), close(z);
	int p[2], v;
	socklen_t n = sizeof v;
	CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, p));
	CHECK_OK(shutdown(p[0], SHUT_RD));
	signal(SIGPIPE, SIG_IGN);
	CHECK_ERRNO(write(p[1], "x", 1), EPIPE);
	signal(SIGPIPE, SIG_DFL);
	CHECK_OK(getsockopt(p[1], SOL_SOCKET, SO_PROTOCOL, &v, &n));
	char msg[2];
	CHECK_EQ(recv(p[0], msg, 1, 0), 0);
	close(p[0]), close(p[1]);
	/* Reading by path through /proc/self/fd is no way to open a socket. */
	CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, p));
	char path[64];
	snprintf(path, sizeof path, "/proc/self/fd/%d", p[0]);
	CHECK_ERRNO(open(path, O_RDWR), ENXIO);
	close(p[0]), close(p[1]);
}
