/* build: */
/* AF_UNIX: stream, datagram, seqpacket, names, credentials, flags, errors. */
#include "check.h"
#include <sys/socket.h>
#include <sys/un.h>

static struct sockaddr_un un(const char *path)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	strcpy(a.sun_path, path);
	return a;
}
static int listener(int type, const char *path)
{
	struct sockaddr_un a = un(path);
	int fd = socket(AF_UNIX, type, 0);
	CHECK(fd >= 0);
	CHECK_OK(bind(fd, (void *)&a, sizeof a));
	CHECK_OK(listen(fd, 5));
	return fd;
}
static int dial(int type, const char *path)
{
	struct sockaddr_un a = un(path);
	int fd = socket(AF_UNIX, type, 0);
	CHECK(fd >= 0);
	if (connect(fd, (void *)&a, sizeof a)) {
		int e = errno;
		close(fd);
		errno = e;
		return -1;
	}
	return fd;
}

TEST(stream)
{
	char b[64];
	struct sockaddr_un a;
	socklen_t n = sizeof a;
	struct stat st;
	int l = listener(SOCK_STREAM, "s");
	CHECK_OK(stat("s", &st));
	CHECK(S_ISSOCK(st.st_mode));
	int c = dial(SOCK_STREAM, "s"), s = accept4(l, (void *)&a, &n, SOCK_CLOEXEC | SOCK_NONBLOCK);
	CHECK(c >= 0 && s >= 0);
	CHECK_EQ(n, 2); /* an unnamed peer */
	CHECK_EQ(fcntl(s, F_GETFD), FD_CLOEXEC);
	CHECK_EQ(fcntl(s, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
	n = sizeof a;
	CHECK_OK(getpeername(c, (void *)&a, &n));
	CHECK(n == 4 && !strcmp(a.sun_path, "s"));
	n = sizeof a;
	CHECK_OK(getsockname(s, (void *)&a, &n));
	CHECK_STR(a.sun_path, "s");
	CHECK_ERRNO(read(s, b, 1), EAGAIN);
	CHECK_EQ(write(c, "hello", 5), 5);
	CHECK_EQ(write(c, "world", 5), 5);
	int q;
	CHECK_OK(ioctl(s, FIONREAD, &q));
	CHECK_EQ(q, 10);
	CHECK_EQ(recv(s, b, 3, MSG_PEEK), 3);
	CHECK_EQ(read(s, b, 64), 10); /* no message boundaries */
	CHECK(!memcmp(b, "helloworld", 10));
	CHECK_OK(shutdown(c, SHUT_WR));
	CHECK_EQ(read(s, b, 1), 0);
	CHECK_EQ(write(s, "back", 4), 4);
	CHECK_EQ(read(c, b, 64), 4);
	CHECK_ERRNO(send(c, "x", 1, MSG_NOSIGNAL), EPIPE);
	close(s);
	CHECK_EQ(read(c, b, 1), 0);
	close(c), close(l);
	CHECK_EQ(dial(SOCK_STREAM, "s"), -1);
	CHECK_EQ(errno, ECONNREFUSED); /* the name outlives the socket */
	CHECK_OK(unlink("s"));
}

TEST(stream_errors)
{
	struct sockaddr_un a = un("e");
	int l = listener(SOCK_STREAM, "e"), fd = socket(AF_UNIX, SOCK_STREAM, 0);
	char b[8];
	CHECK_ERRNO(bind(fd, (void *)&a, sizeof a), EADDRINUSE);
	a = un("none");
	CHECK_ERRNO(connect(fd, (void *)&a, sizeof a), ENOENT);
	a = un("file");
	put("file", "");
	CHECK_ERRNO(connect(fd, (void *)&a, sizeof a), ECONNREFUSED);
	a = un("no/dir");
	CHECK_ERRNO(bind(fd, (void *)&a, sizeof a), ENOENT);
	a = un("e");
	CHECK_ERRNO(connect(fd, (void *)&a, 1), EINVAL);
	a.sun_family = 77;
	CHECK_ERRNO(connect(fd, (void *)&a, sizeof a), EINVAL);
	CHECK_ERRNO(accept(fd, NULL, NULL), EINVAL);
	CHECK_ERRNO(listen(fd, 1), EINVAL); /* not bound */
	CHECK_ERRNO(recv(fd, b, 1, 0), EINVAL);
	CHECK_ERRNO(send(fd, b, 1, MSG_NOSIGNAL), ENOTCONN);
	CHECK_ERRNO(getpeername(fd, (void *)&a, &(socklen_t){sizeof a}), ENOTCONN);
	CHECK_OK(shutdown(socket(AF_UNIX, SOCK_STREAM, 0), SHUT_RD)); /* unlike TCP */
	CHECK_ERRNO(shutdown(fd, 7), EINVAL);
	CHECK_EQ(dial(SOCK_SEQPACKET, "e"), -1);
	CHECK_EQ(errno, EPROTOTYPE);
	CHECK_ERRNO(socket(AF_UNIX, 77, 0), EINVAL);
	CHECK_ERRNO(socket(AF_UNIX, SOCK_STREAM, 99), EPROTONOSUPPORT);
	CHECK_ERRNO(socket(999, SOCK_STREAM, 0), EAFNOSUPPORT);
	int f = open("file", O_RDONLY);
	CHECK_ERRNO(listen(f, 1), ENOTSOCK);
	CHECK_ERRNO(recv(f, b, 1, 0), ENOTSOCK);
	CHECK_ERRNO(send(999, b, 1, 0), EBADF);
	int c = dial(SOCK_STREAM, "e"), s = accept(l, NULL, NULL);
	a = un("e");
	CHECK_ERRNO(connect(c, (void *)&a, sizeof a), EISCONN);
	/* Unread data at close resets the peer. */
	CHECK_EQ(write(c, "x", 1), 1);
	close(s);
	CHECK_ERRNO(read(c, b, 1), ECONNRESET);
	CHECK_EQ(read(c, b, 1), 0);
	close(c), close(f), close(fd), close(l);
}

TEST(backlog)
{
	struct sockaddr_un a = un("bl");
	int l = socket(AF_UNIX, SOCK_STREAM, 0), c[4];
	CHECK_OK(bind(l, (void *)&a, sizeof a));
	CHECK_OK(listen(l, 1));
	for (int i = 0; i < 3; i++)
		c[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	CHECK_OK(connect(c[0], (void *)&a, sizeof a));
	CHECK_OK(connect(c[1], (void *)&a, sizeof a));
	CHECK_ERRNO(connect(c[2], (void *)&a, sizeof a), EAGAIN);
	struct pollfd p = {l, POLLIN, 0};
	CHECK_EQ(poll(&p, 1, 0), 1);
	/* Data may be sent before the other side accepts. */
	CHECK_EQ(write(c[0], "early", 5), 5);
	int s = accept(l, NULL, NULL);
	char b[8];
	CHECK_EQ(read(s, b, 8), 5);
	CHECK_OK(connect(c[2], (void *)&a, sizeof a));
	close(l);
	CHECK_ERRNO(read(c[1], b, 1), ECONNRESET); /* never accepted */
	for (int i = 0; i < 3; i++)
		close(c[i]);
	close(s);
}

TEST(datagram)
{
	struct sockaddr_un a = un("d1"), from;
	socklen_t n;
	char b[64];
	int r = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0), w = socket(AF_UNIX, SOCK_DGRAM, 0);
	CHECK_OK(bind(r, (void *)&a, sizeof a));
	CHECK_EQ(sendto(w, "one", 3, 0, (void *)&a, sizeof a), 3);
	CHECK_EQ(sendto(w, "second", 6, 0, (void *)&a, sizeof a), 6);
	CHECK_EQ(sendto(w, "", 0, 0, (void *)&a, sizeof a), 0);
	n = sizeof from;
	CHECK_EQ(recvfrom(r, b, 64, 0, (void *)&from, &n), 3);
	CHECK_EQ(n, 0); /* an unnamed sender */
	CHECK_EQ(recv(r, b, 2, MSG_TRUNC), 6);
	CHECK_EQ(recv(r, b, 2, 0), 0);
	CHECK_ERRNO(recv(r, b, 2, 0), EAGAIN);
	struct sockaddr_un mine = un("d2");
	CHECK_OK(bind(w, (void *)&mine, sizeof mine));
	CHECK_OK(connect(w, (void *)&a, sizeof a));
	CHECK_EQ(send(w, "named", 5, 0), 5);
	n = sizeof from;
	CHECK_EQ(recvfrom(r, b, 64, 0, (void *)&from, &n), 5);
	CHECK_STR(from.sun_path, "d2");
	CHECK_EQ(sendto(r, "reply", 5, 0, (void *)&from, n), 5);
	CHECK_EQ(recv(w, b, 64, 0), 5);
	close(r);
	CHECK_ERRNO(send(w, "x", 1, 0), ECONNREFUSED);
	close(w);
	CHECK_ERRNO(listen(w = socket(AF_UNIX, SOCK_DGRAM, 0), 1), EOPNOTSUPP);
	CHECK_ERRNO(send(w, "x", 1, 0), ENOTCONN);
	close(w);
	int p[2];
	CHECK_OK(socketpair(AF_UNIX, SOCK_DGRAM, 0, p));
	int sz = 200000;
	setsockopt(p[0], SOL_SOCKET, SO_SNDBUF, &sz, sizeof sz);
	static char big[1000000];
	CHECK_ERRNO(send(p[0], big, sizeof big, 0), EMSGSIZE);
	CHECK_EQ(send(p[0], big, 60000, 0), 60000);
	CHECK_EQ(recv(p[1], big, sizeof big, 0), 60000);
	close(p[0]), close(p[1]);
}

TEST(sequenced_packets)
{
	int l = listener(SOCK_SEQPACKET, "q"), c = dial(SOCK_SEQPACKET, "q"), s = accept(l, NULL, NULL);
	char b[16];
	struct iovec v = {b, 4};
	struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1};
	CHECK(c >= 0 && s >= 0);
	CHECK_EQ(write(c, "abc", 3), 3);
	CHECK_EQ(write(c, "defghi", 6), 6);
	CHECK_EQ(read(s, b, 16), 3);
	CHECK_EQ(recvmsg(s, &m, 0), 4);
	CHECK(m.msg_flags & MSG_TRUNC);
	close(c);
	CHECK_EQ(read(s, b, 16), 0);
	close(s), close(l);
}

TEST(abstract_names)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX}, got;
	socklen_t n = sizeof got;
	snprintf(a.sun_path + 1, 100, "abs%cx%d", 0, getpid()); /* zeros count */
	memcpy(a.sun_path + 1, "abs\0x", 5);
	socklen_t len = 2 + 1 + 5;
	memcpy(a.sun_path + 6, &check_pid, 4);
	len += 4;
	int l = socket(AF_UNIX, SOCK_STREAM, 0), c = socket(AF_UNIX, SOCK_STREAM, 0);
	CHECK_OK(bind(l, (void *)&a, len));
	CHECK_ERRNO(bind(c, (void *)&a, len), EADDRINUSE);
	CHECK_OK(listen(l, 1));
	CHECK_ERRNO(connect(c, (void *)&a, len - 1), ECONNREFUSED); /* another name */
	CHECK_OK(connect(c, (void *)&a, len));
	CHECK_OK(getpeername(c, (void *)&got, &n));
	CHECK(n == len && !memcmp(&got, &a, len));
	close(l), close(c);
	l = socket(AF_UNIX, SOCK_STREAM, 0);
	CHECK_OK(bind(l, (void *)&a, len)); /* gone with its socket */
	close(l);
	/* Autobind: an empty address gives a fresh abstract name of 5 digits. */
	l = socket(AF_UNIX, SOCK_DGRAM, 0);
	CHECK_OK(bind(l, (void *)&a, 2));
	n = sizeof got;
	CHECK_OK(getsockname(l, (void *)&got, &n));
	CHECK(n == 8 && got.sun_path[0] == 0);
	close(l);
}

TEST(options)
{
	int p[2], v;
	socklen_t n = sizeof v;
	struct ucred c;
	CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, p));
	CHECK_OK(getsockopt(p[0], SOL_SOCKET, SO_TYPE, &v, &n));
	CHECK_EQ(v, SOCK_STREAM);
	CHECK_OK(getsockopt(p[0], SOL_SOCKET, SO_DOMAIN, &v, &n));
	CHECK_EQ(v, AF_UNIX);
	CHECK_OK(getsockopt(p[0], SOL_SOCKET, SO_ACCEPTCONN, &v, &n));
	CHECK_EQ(v, 0);
	CHECK_OK(getsockopt(p[0], SOL_SOCKET, SO_ERROR, &v, &n));
	CHECK_EQ(v, 0);
	n = sizeof c;
	CHECK_OK(getsockopt(p[0], SOL_SOCKET, SO_PEERCRED, &c, &n));
	CHECK(c.pid == getpid() && c.uid == geteuid() && c.gid == getegid());
	v = 65536;
	CHECK_OK(setsockopt(p[0], SOL_SOCKET, SO_SNDBUF, &v, sizeof v));
	n = sizeof v;
	CHECK_OK(getsockopt(p[0], SOL_SOCKET, SO_SNDBUF, &v, &n));
	CHECK_EQ(v, 131072);
	struct timeval tv = {0, 20000};
	char b;
	CHECK_OK(setsockopt(p[0], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv));
	CHECK_ERRNO(read(p[0], &b, 1), EAGAIN);
	CHECK_ERRNO(setsockopt(p[0], SOL_SOCKET, 9999, &v, sizeof v), ENOPROTOOPT);
	CHECK_ERRNO(getsockopt(p[0], SOL_SOCKET, 9999, &v, &n), ENOPROTOOPT);
	CHECK_ERRNO(setsockopt(p[0], SOL_SOCKET, SO_SNDBUF, &v, 1), EINVAL);
	CHECK_ERRNO(setsockopt(p[0], 6, 1, &v, sizeof v), EOPNOTSUPP);
	close(p[0]), close(p[1]);
	CHECK_ERRNO(socketpair(AF_INET, SOCK_STREAM, 0, p), EOPNOTSUPP);
}

TEST(flow)
{
	/* A stream blocks its writer and keeps all bytes. */
	int p[2];
	CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, p));
	static char b[3000000];
	pid_t pid = FORK({
		size_t n = 0;
		unsigned sum = 0;
		close(p[0]);
		for (ssize_t r; (r = read(p[1], b, 7777)) > 0; n += r)
			for (ssize_t i = 0; i < r; i++)
				sum = sum * 33 + (unsigned char)b[i];
		CHECK_EQ(n, sizeof b);
		_exit(sum & 127);
	});
	close(p[1]);
	unsigned sum = 0;
	for (size_t i = 0; i < sizeof b; i++) {
		b[i] = i * 11 + (i >> 10);
		sum = sum * 33 + (unsigned char)b[i];
	}
	CHECK_EQ(send(p[0], b, sizeof b, 0), sizeof b);
	close(p[0]);
	CHECK_EXIT(pid, sum & 127);
	/* MSG_WAITALL collects; MSG_DONTWAIT does not wait. */
	CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, p));
	pid = FORK(for (int i = 0; i < 5; i++) { write(p[1], "ab", 2); msleep(5); });
	CHECK_EQ(recv(p[0], b, 10, MSG_WAITALL), 10);
	JOIN(pid);
	CHECK_ERRNO(recv(p[0], b, 1, MSG_DONTWAIT), EAGAIN);
	while (send(p[0], b, 100000, MSG_DONTWAIT) > 0)
		;
	CHECK_EQ(errno, EAGAIN);
	struct pollfd pf = {p[0], POLLOUT, 0};
	CHECK_EQ(poll(&pf, 1, 0), 0);
	while (recv(p[1], b, sizeof b, MSG_DONTWAIT) > 0)
		;
	CHECK_EQ(poll(&pf, 1, 0), 1);
	close(p[0]), close(p[1]);
}

TEST(many_messages)
{
	int p[2];
	char b[4][8];
	struct iovec v[4];
	struct mmsghdr m[4] = {0};
	CHECK_OK(socketpair(AF_UNIX, SOCK_DGRAM, 0, p));
	for (int i = 0; i < 4; i++) {
		snprintf(b[i], 8, "msg%d", i);
		v[i] = (struct iovec){b[i], 4};
		m[i].msg_hdr = (struct msghdr){.msg_iov = &v[i], .msg_iovlen = 1};
	}
	CHECK_EQ(sendmmsg(p[0], m, 4, 0), 4);
	CHECK_EQ(m[3].msg_len, 4);
	memset(b, 0, sizeof b);
	CHECK_EQ(recvmmsg(p[1], m, 3, 0, NULL), 3);
	CHECK(!memcmp(b[2], "msg2", 4));
	CHECK_EQ(recvmmsg(p[1], m, 4, MSG_DONTWAIT, NULL), 1);
	CHECK_ERRNO(recvmmsg(p[1], m, 4, MSG_DONTWAIT, NULL), EAGAIN);
	close(p[0]), close(p[1]);
}

TEST(permissions)
{
	if (geteuid() != 0)
		return;
	int l = listener(SOCK_STREAM, "perm");
	CHECK_OK(chmod("perm", 0600));
	JOIN(FORK({
		become(3333);
		CHECK_EQ(dial(SOCK_STREAM, "perm"), -1);
		CHECK_EQ(errno, EACCES);
	}));
	CHECK_OK(chmod("perm", 0666));
	JOIN(FORK(become(3333); CHECK(dial(SOCK_STREAM, "perm") >= 0)));
	struct ucred c;
	socklen_t n = sizeof c;
	int s = accept(l, NULL, NULL);
	CHECK_OK(getsockopt(s, SOL_SOCKET, SO_PEERCRED, &c, &n));
	CHECK(c.uid == 3333 && c.gid == 3333 && c.pid != getpid());
	close(s), close(l);
}
