/* build: */
/* Descriptors and credentials in messages: SCM_RIGHTS, SCM_CREDENTIALS. */
#include "check.h"
#include <sys/socket.h>
#include <sys/un.h>

static ssize_t send_fds(int s, const int *fds, int n)
{
	char c[CMSG_SPACE(sizeof(int) * 300)] = {0};
	struct iovec v = {"m", 1};
	struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = c, .msg_controllen = CMSG_SPACE(sizeof(int) * n)};
	struct cmsghdr *h = CMSG_FIRSTHDR(&m);
	h->cmsg_level = SOL_SOCKET;
	h->cmsg_type = SCM_RIGHTS;
	h->cmsg_len = CMSG_LEN(sizeof(int) * n);
	memcpy(CMSG_DATA(h), fds, sizeof(int) * n);
	return sendmsg(s, &m, MSG_NOSIGNAL);
}
/* recv_fds gives the number received, with room for max; *flags are the message's. */
static int recv_fds(int s, int *fds, int max, int *flags, int how)
{
	char b[16], c[CMSG_SPACE(sizeof(int) * 300)];
	struct iovec v = {b, 16};
	struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = c, .msg_controllen = CMSG_LEN(sizeof(int) * max)};
	if (max == 0)
		m.msg_controllen = 0;
	if (recvmsg(s, &m, how) < 0)
		return -1;
	*flags = m.msg_flags;
	struct cmsghdr *h = CMSG_FIRSTHDR(&m);
	if (!h || h->cmsg_type != SCM_RIGHTS)
		return 0;
	int n = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);
	memcpy(fds, CMSG_DATA(h), n * sizeof(int));
	return n;
}

TEST(passing)
{
	int p[2], f = open("passed", O_RDWR | O_CREAT, 0600), got[4], fl;
	CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, p));
	CHECK_EQ(write(f, "offset", 6), 6);
	pid_t pid = FORK({
		CHECK_EQ(recv_fds(p[1], got, 4, &fl, MSG_CMSG_CLOEXEC), 2);
		CHECK_EQ(fcntl(got[0], F_GETFD), FD_CLOEXEC);
		CHECK_EQ(lseek(got[0], 0, SEEK_CUR), 6);
		CHECK_EQ(write(got[0], "+child", 6), 6);
		CHECK_EQ(write(got[1], "to stdout", 0), 0);
	});
	CHECK_EQ(send_fds(p[0], (int[]){f, 1}, 2), 1);
	JOIN(pid);
	CHECK_EQ(lseek(f, 0, SEEK_CUR), 12); /* one description */
	CHECK_STR(get("passed"), "offset+child");
	CHECK_ERRNO(send_fds(p[0], (int[]){999}, 1), EBADF);
	/* More than there is room for are closed and the message is marked. */
	CHECK_EQ(send_fds(p[0], (int[]){f, f, f}, 3), 1);
	CHECK_EQ(recv_fds(p[1], got, 1, &fl, 0), 1);
	CHECK(fl & MSG_CTRUNC);
	close(got[0]);
	CHECK_EQ(send_fds(p[0], (int[]){f}, 1), 1);
	CHECK_EQ(recv_fds(p[1], got, 0, &fl, 0), 0);
	CHECK(fl & MSG_CTRUNC);
	int many[254];
	for (int i = 0; i < 254; i++)
		many[i] = f;
	CHECK_ERRNO(send_fds(p[0], many, 254), EINVAL);
	CHECK_EQ(send_fds(p[0], many, 253), 1);
	CHECK_EQ(recv_fds(p[1], many, 253, &fl, 0), 253);
	for (int i = 0; i < 253; i++)
		close(many[i]);
	/* Peeking duplicates. */
	CHECK_EQ(send_fds(p[0], (int[]){f}, 1), 1);
	CHECK_EQ(recv_fds(p[1], got, 1, &fl, MSG_PEEK), 1);
	CHECK_EQ(recv_fds(p[1], got + 1, 1, &fl, 0), 1);
	CHECK(got[0] != got[1]);
	close(got[0]), close(got[1]);
	close(f), close(p[0]), close(p[1]);
}

TEST(in_flight)
{
	/* A descriptor in flight keeps its object; closing the carrier drops it. */
	int s[2], p[2], got, fl;
	char b;
	CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	CHECK_OK(pipe(p));
	CHECK_EQ(send_fds(s[0], &p[1], 1), 1);
	close(p[1]);
	struct pollfd pf = {p[0], POLLIN, 0};
	CHECK_EQ(poll(&pf, 1, 0), 0); /* a writer still exists */
	CHECK_EQ(recv_fds(s[1], &got, 1, &fl, 0), 1);
	CHECK_EQ(write(got, "x", 1), 1);
	CHECK_EQ(read(p[0], &b, 1), 1);
	CHECK_EQ(send_fds(s[0], &got, 1), 1);
	close(got);
	close(s[1]);
	close(s[0]);
	CHECK_EQ(poll(&pf, 1, 5000), 1);
	CHECK_EQ(read(p[0], &b, 1), 0);
	close(p[0]);
	/* A socket that carries itself, closed everywhere, is collected. */
	for (int i = 0; i < 200; i++) {
		CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
		CHECK_EQ(send_fds(s[0], s, 2), 1);
		close(s[0]), close(s[1]);
	}
	CHECK_OK(socketpair(AF_UNIX, SOCK_DGRAM, 0, s));
	CHECK_EQ(send_fds(s[0], &s[1], 1), 1);
	CHECK_EQ(recv_fds(s[1], &got, 1, &fl, 0), 1);
	close(got), close(s[0]), close(s[1]);
}

TEST(boundaries)
{
	/* A stream read does not go past a message with descriptors. */
	int s[2], fl, got;
	char b[16];
	CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	CHECK_EQ(write(s[0], "before", 6), 6);
	CHECK_EQ(send_fds(s[0], (int[]){1}, 1), 1);
	CHECK_EQ(write(s[0], "after", 5), 5);
	CHECK_EQ(read(s[1], b, 6), 6);
	CHECK_EQ(recv_fds(s[1], &got, 1, &fl, 0), 1);
	close(got);
	CHECK_EQ(read(s[1], b, 16), 5);
	close(s[0]), close(s[1]);
}

static bool recv_cred(int s, struct ucred *out)
{
	char b[16], c[CMSG_SPACE(sizeof *out)];
	struct iovec v = {b, 16};
	struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = c, .msg_controllen = sizeof c};
	CHECK_EQ(recvmsg(s, &m, 0), 1);
	struct cmsghdr *h = CMSG_FIRSTHDR(&m);
	if (!h || h->cmsg_type != SCM_CREDENTIALS)
		return false;
	memcpy(out, CMSG_DATA(h), sizeof *out);
	return true;
}
static ssize_t send_cred(int s, struct ucred u)
{
	char c[CMSG_SPACE(sizeof u)] = {0};
	struct iovec v = {"c", 1};
	struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = c, .msg_controllen = sizeof c};
	struct cmsghdr *h = CMSG_FIRSTHDR(&m);
	h->cmsg_level = SOL_SOCKET;
	h->cmsg_type = SCM_CREDENTIALS;
	h->cmsg_len = CMSG_LEN(sizeof u);
	memcpy(CMSG_DATA(h), &u, sizeof u);
	return sendmsg(s, &m, 0);
}

TEST(credentials)
{
	int s[2], on = 1;
	struct ucred u;
	CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	CHECK_EQ(write(s[0], "x", 1), 1);
	CHECK(!recv_cred(s[1], &u));
	CHECK_OK(setsockopt(s[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof on));
	CHECK_EQ(write(s[0], "x", 1), 1);
	CHECK(recv_cred(s[1], &u));
	CHECK(u.pid == getpid() && u.uid == getuid() && u.gid == getgid());
	pid_t pid = FORK(CHECK_EQ(write(s[0], "y", 1), 1));
	CHECK(recv_cred(s[1], &u));
	CHECK_EQ(u.pid, pid);
	JOIN(pid);
	CHECK_EQ(send_cred(s[0], (struct ucred){getpid(), getuid(), getgid()}), 1);
	CHECK(recv_cred(s[1], &u));
	if (geteuid() == 0)
		JOIN(FORK({
			become(2222);
			CHECK_EQ(send_cred(s[0], (struct ucred){getpid(), 2222, 2222}), 1);
			CHECK(recv_cred(s[1], &u));
			CHECK_EQ(u.uid, 2222);
			CHECK_ERRNO(send_cred(s[0], (struct ucred){getpid(), 0, 2222}), EPERM);
			CHECK_ERRNO(send_cred(s[0], (struct ucred){1, 2222, 2222}), EPERM);
		}));
	close(s[0]), close(s[1]);
}
