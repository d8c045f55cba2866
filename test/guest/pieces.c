/* What calls read and write besides their main data, at the edge of what is
 * mapped: lengths, addresses, offsets, times, states. */
#include "check.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/sysinfo.h>
#include <sys/vfs.h>

/* Each test gets a page that can be written, one that can only be read behind
 * it, and nothing behind that. */
static long page;
static char *rw, *ro, *end;

static void pages(void)
{
	page = sysconf(_SC_PAGESIZE);
	rw = mmap(NULL, 3 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(rw != MAP_FAILED);
	ro = rw + page;
	end = ro + page;
	CHECK_OK(munmap(end, page));
	memset(rw, 0, 2 * page);
}

static void protect(void) { CHECK_OK(mprotect(ro, page, PROT_READ)); }

static int listener(struct sockaddr_in *a)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t n = sizeof *a;
	*a = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	CHECK_OK(bind(fd, (void *)a, n));
	CHECK_OK(listen(fd, 5));
	CHECK_OK(getsockname(fd, (void *)a, &n));
	CHECK_EQ(n, sizeof *a);
	return fd;
}

TEST(names)
{
	struct sockaddr_in a, want;
	int fd = listener(&want);
	pages();
	/* Both at the very end of a page. */
	socklen_t *len = (socklen_t *)(ro - 4);
	char *at = ro - 4 - sizeof a;
	*len = sizeof a;
	CHECK_OK(getsockname(fd, (void *)at, len));
	CHECK_EQ(*len, sizeof a);
	memcpy(&a, at, sizeof a);
	CHECK_EQ(a.sin_port, want.sin_port);
	/* Across two. */
	memset(at, 0, sizeof a);
	len = (socklen_t *)rw;
	*len = sizeof a;
	CHECK_OK(getsockname(fd, (void *)(ro + 8 - sizeof a), len));
	memcpy(&a, ro + 8 - sizeof a, sizeof a);
	CHECK_EQ(a.sin_port, want.sin_port);
	/* Cut. */
	memset(rw, 7, 64);
	socklen_t room = 4;
	CHECK_OK(getsockname(fd, (void *)rw, &room));
	CHECK_EQ(room, sizeof a);
	CHECK_EQ(rw[3], ((char *)&want)[3]);
	CHECK_EQ(rw[4], 7);
	room = 0;
	CHECK_OK(getsockname(fd, (void *)8, &room));
	CHECK_EQ(room, sizeof a);
	room = -1;
	CHECK_ERRNO(getsockname(fd, (void *)rw, &room), EINVAL);
	protect();
	*(int *)rw = sizeof a;
	CHECK_ERRNO(getsockname(fd, (void *)ro, (socklen_t *)rw), EFAULT);
	*(int *)rw = sizeof a;
	CHECK_ERRNO(getsockname(fd, (void *)(ro - 8), (socklen_t *)rw), EFAULT);
	CHECK_ERRNO(getsockname(fd, (void *)rw, (socklen_t *)end), EFAULT);
	CHECK_ERRNO(getsockname(fd, (void *)rw, NULL), EFAULT);
	/* A length that can be read and not written. */
	CHECK_OK(mprotect(ro, page, PROT_READ | PROT_WRITE));
	*(int *)ro = sizeof a;
	protect();
	CHECK_ERRNO(getsockname(fd, (void *)rw, (socklen_t *)ro), EFAULT);
	close(fd);
}

TEST(accepted)
{
	struct sockaddr_in a, me;
	int l = listener(&a), c = socket(AF_INET, SOCK_STREAM, 0);
	pages();
	CHECK_OK(connect(c, (void *)&a, sizeof a));
	socklen_t n = sizeof me;
	CHECK_OK(getsockname(c, (void *)&me, &n));
	*(int *)(ro - 4) = sizeof a;
	int s = accept(l, (void *)(ro - 4 - sizeof a), (socklen_t *)(ro - 4));
	CHECK_OK(s);
	CHECK(!memcmp(ro - 4 - sizeof a, &me, sizeof me));
	close(c);
	close(s);
	/* Without a place for the address there is no descriptor. */
	protect();
	c = socket(AF_INET, SOCK_STREAM, 0);
	CHECK_OK(connect(c, (void *)&a, sizeof a));
	n = sizeof a;
	CHECK_ERRNO(accept4(l, (void *)ro, &n, SOCK_CLOEXEC), EFAULT);
	CHECK_EQ(dup(0), c + 1);
	close(c + 1);
	close(c);
	close(l);
}

TEST(datagram)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)}, got;
	socklen_t n = sizeof a;
	int s = socket(AF_INET, SOCK_DGRAM, 0);
	pages();
	CHECK_OK(bind(s, (void *)&a, n));
	CHECK_OK(getsockname(s, (void *)&a, &n));
	CHECK_EQ(sendto(s, "hello", 5, 0, (void *)&a, n), 5);
	*(int *)(ro - 4) = sizeof a;
	CHECK_EQ(recvfrom(s, rw, 100, 0, (void *)(ro - 4 - sizeof a), (socklen_t *)(ro - 4)), 5);
	memcpy(&got, ro - 4 - sizeof a, sizeof got);
	CHECK_EQ(got.sin_port, a.sin_port);
	CHECK(!memcmp(rw, "hello", 5));
	CHECK_EQ(sendto(s, "again", 5, 0, (void *)&a, n), 5);
	CHECK_EQ(recvfrom(s, rw, 100, 0, NULL, NULL), 5);
	CHECK_EQ(sendto(s, "third", 5, 0, (void *)&a, n), 5);
	protect();
	CHECK_ERRNO(recvfrom(s, rw, 100, 0, (void *)ro, &n), EFAULT);
	close(s);
}

TEST(options)
{
	int s = socket(AF_INET, SOCK_STREAM, 0);
	pages();
	*(int *)(ro - 4) = 4;
	CHECK_OK(getsockopt(s, SOL_SOCKET, SO_TYPE, ro - 8, (socklen_t *)(ro - 4)));
	CHECK_EQ(*(int *)(ro - 8), SOCK_STREAM);
	CHECK_EQ(*(int *)(ro - 4), 4);
	protect();
	socklen_t n = 4;
	CHECK_ERRNO(getsockopt(s, SOL_SOCKET, SO_TYPE, ro, &n), EFAULT);
	n = 4;
	CHECK_ERRNO(getsockopt(s, SOL_SOCKET, SO_TYPE, ro - 2, &n), EFAULT);
	CHECK_ERRNO(getsockopt(s, SOL_SOCKET, SO_TYPE, rw, (socklen_t *)end), EFAULT);
	*(int *)rw = 1;
	CHECK_OK(setsockopt(s, SOL_SOCKET, SO_KEEPALIVE, memcpy(ro - 4, rw, 4), 4));
	CHECK_ERRNO(setsockopt(s, SOL_SOCKET, SO_KEEPALIVE, end - 2, 4), EFAULT);
	close(s);
}

TEST(polled)
{
	int p[2];
	CHECK_OK(pipe(p));
	pages();
	struct pollfd *f = (struct pollfd *)end - 3;
	for (int i = 0; i < 3; i++)
		f[i] = (struct pollfd){.fd = p[i & 1], .events = POLLIN | POLLOUT, .revents = -1};
	CHECK_EQ(poll(f, 3, 0), 1);
	CHECK_EQ(f[0].revents, 0);
	CHECK_EQ(f[1].revents, POLLOUT);
	CHECK_EQ(f[2].revents, 0);
	CHECK_ERRNO(poll(f, 4, 0), EFAULT);
	struct timespec no = {0};
	CHECK_EQ(ppoll(f, 3, &no, NULL), 1);
	CHECK_ERRNO(syscall(SYS_ppoll, f, 3, end - 8, NULL, 8), EFAULT);
	protect();
	CHECK_ERRNO(poll(f, 3, 0), EFAULT);
	CHECK_EQ(poll(NULL, 0, 0), 0);
	/* Many, more than come along with a call. */
	struct rlimit lim;
	CHECK_OK(getrlimit(RLIMIT_NOFILE, &lim));
	if (lim.rlim_cur > 5000)
		lim.rlim_cur = 5000;
	CHECK_OK(setrlimit(RLIMIT_NOFILE, &lim));
	static struct pollfd many[5000];
	for (unsigned i = 0; i < lim.rlim_cur; i++)
		many[i] = (struct pollfd){.fd = p[1], .events = POLLOUT};
	CHECK_EQ(poll(many, lim.rlim_cur, 0), lim.rlim_cur);
	CHECK_EQ(many[lim.rlim_cur - 1].revents, POLLOUT);
	CHECK_ERRNO(poll(many, lim.rlim_cur + 1, 0), EINVAL);
	close(p[0]);
	close(p[1]);
}

TEST(offsets)
{
	int s[2], fd = open("f", O_RDWR | O_CREAT, 0600);
	char got[16];
	CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	CHECK_EQ(write(fd, "0123456789", 10), 10);
	pages();
	off_t *off = (off_t *)(ro - 8);
	*off = 2;
	CHECK_EQ(sendfile(s[0], fd, off, 8), 8);
	CHECK_EQ(*off, 10);
	CHECK_EQ(read(s[1], got, sizeof got), 8);
	CHECK(!memcmp(got, "23456789", 8));
	CHECK_EQ(sendfile(s[0], fd, off, 8), 0);
	*off = -1;
	CHECK_ERRNO(sendfile(s[0], fd, off, 8), EINVAL);
	CHECK_ERRNO(sendfile(s[0], fd, (off_t *)(end - 4), 8), EFAULT);
	CHECK_ERRNO(sendfile(s[0], fd, (off_t *)end, 8), EFAULT);
	/* Sent, and yet an error, since the offset cannot be written back. */
	protect();
	CHECK_ERRNO(sendfile(s[0], fd, (off_t *)ro, 3), EFAULT);
	CHECK_EQ(read(s[1], got, sizeof got), 3);
	close(fd);
	close(s[0]);
	close(s[1]);
}

static pid_t child(int code)
{
	pid_t pid = fork();
	if (pid == 0)
		_exit(code);
	CHECK_OK(pid);
	return pid;
}

TEST(states)
{
	pages();
	struct rusage *u = (struct rusage *)ro - 1;
	int *status = (int *)u - 1;
	memset(u, 0xff, sizeof *u);
	pid_t pid = child(7);
	CHECK_EQ(wait4(pid, status, 0, u), pid);
	CHECK(WIFEXITED(*status) && WEXITSTATUS(*status) == 7);
	CHECK(u->ru_utime.tv_sec == 0 && u->ru_maxrss >= 0);
	pid = child(8);
	CHECK_EQ(wait4(pid, NULL, 0, u), pid);
	pid = child(9);
	CHECK_EQ(wait4(pid, status = (int *)(ro - 2), 0, NULL), pid); /* across two pages */
	CHECK_EQ(ro[-1], 9);
	status = (int *)rw;
	protect();
	pid = child(10);
	CHECK_ERRNO(wait4(pid, (int *)ro, 0, NULL), EFAULT);
	CHECK_ERRNO(wait4(pid, NULL, 0, NULL), ECHILD);
	pid = child(11);
	CHECK_ERRNO(wait4(pid, status, 0, (void *)ro), EFAULT);
	CHECK(WIFEXITED(*status) && WEXITSTATUS(*status) == 11);
}

TEST(whole)
{
	struct rlimit *lim;
	pages();
	lim = (struct rlimit *)ro - 1;
	CHECK_OK(syscall(SYS_prlimit64, 0, RLIMIT_CORE, NULL, lim));
	CHECK_OK(syscall(SYS_prlimit64, 0, RLIMIT_CORE, lim, lim));
	CHECK_OK(sysinfo((struct sysinfo *)ro - 1));
	CHECK_OK(statfs("/", (struct statfs *)ro - 1));
	CHECK_OK(getrusage(RUSAGE_SELF, (struct rusage *)ro - 1));
	protect();
	CHECK_ERRNO(syscall(SYS_prlimit64, 0, RLIMIT_CORE, NULL, ro), EFAULT);
	CHECK_ERRNO(syscall(SYS_sysinfo, ro), EFAULT);
	CHECK_ERRNO(syscall(SYS_statfs, "/", ro - 8), EFAULT);
	CHECK_ERRNO(syscall(SYS_getrusage, RUSAGE_SELF, ro - 8), EFAULT);
}

TEST(times)
{
	struct timespec *t;
	pages();
	t = (struct timespec *)end - 1;
	*t = (struct timespec){.tv_nsec = 1000};
	CHECK_OK(syscall(SYS_nanosleep, t, NULL));
	CHECK_OK(syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, t, NULL));
	CHECK_ERRNO(syscall(SYS_nanosleep, end - 8, NULL), EFAULT);
	CHECK_ERRNO(syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, end - 8, NULL), EFAULT);
	CHECK_ERRNO(syscall(SYS_nanosleep, NULL, NULL), EFAULT);
	t->tv_nsec = 1000000000;
	CHECK_ERRNO(syscall(SYS_nanosleep, t, NULL), EINVAL);
}
