/* build: */
/* The descriptor table: dup, fcntl, close_range, close-on-exec, limits. */
#define CHECK_HELPER helper
#include "check.h"
#include <linux/close_range.h>
#include <sched.h>
#include <sys/socket.h>

/* helper reports by its exit status which of the descriptors in argv are open. */
static int helper(int argc, char **argv)
{
	int bits = 0;
	for (int i = 2; i < argc; i++)
		if (fcntl(atoi(argv[i]), F_GETFD) >= 0)
			bits |= 1 << (i - 2);
	return bits;
}

TEST_FORK(lowest_number)
{
	int a = open("/dev/null", O_RDONLY), b = open("/dev/null", O_RDONLY);
	CHECK_EQ(b, a + 1);
	close(a);
	CHECK_EQ(dup(b), a);
	CHECK_EQ(fcntl(b, F_DUPFD, 100), 100);
	CHECK_EQ(fcntl(b, F_DUPFD, 100), 101);
	CHECK_EQ(fcntl(b, F_DUPFD_CLOEXEC, 100), 102);
	CHECK_EQ(fcntl(102, F_GETFD), FD_CLOEXEC);
	CHECK_EQ(fcntl(101, F_GETFD), 0);
	CHECK_ERRNO(fcntl(b, F_DUPFD, -1), EINVAL);
	CHECK_ERRNO(fcntl(b, F_DUPFD, 1 << 30), EINVAL);
	CHECK_ERRNO(fcntl(99, F_DUPFD, 0), EBADF);
	CHECK_ERRNO(fcntl(b, 9999, 0), EINVAL);
	CHECK_ERRNO(dup(99), EBADF);
	CHECK_ERRNO(dup(-1), EBADF);
}

TEST_FORK(dup_to)
{
	int a = open("/dev/null", O_RDONLY | O_CLOEXEC);
	CHECK_EQ(dup2(a, 50), 50);
	CHECK_EQ(fcntl(50, F_GETFD), 0);
	CHECK_EQ(dup2(a, a), a);
	CHECK_EQ(fcntl(a, F_GETFD), FD_CLOEXEC);
	CHECK_ERRNO(dup2(99, 99), EBADF);
	CHECK_ERRNO(dup2(99, 50), EBADF);
	CHECK_OK(fcntl(50, F_GETFD)); /* the failed call left it open */
	CHECK_ERRNO(dup2(a, -1), EBADF);
	CHECK_EQ(dup3(a, 51, O_CLOEXEC), 51);
	CHECK_EQ(fcntl(51, F_GETFD), FD_CLOEXEC);
	CHECK_ERRNO(dup3(a, a, 0), EINVAL);
	CHECK_ERRNO(dup3(a, 52, O_NONBLOCK), EINVAL);
	int p[2];
	CHECK_OK(pipe(p));
	CHECK_EQ(dup2(a, p[1]), p[1]); /* closes the write end */
	char c;
	CHECK_EQ(read(p[0], &c, 1), 0);
}

TEST_FORK(flags)
{
	int p[2];
	CHECK_OK(pipe2(p, O_NONBLOCK | O_CLOEXEC));
	int d = dup(p[0]);
	CHECK_EQ(fcntl(p[0], F_GETFL), O_NONBLOCK);
	CHECK_EQ(fcntl(p[1], F_GETFL), O_NONBLOCK | O_WRONLY);
	CHECK_OK(fcntl(d, F_SETFL, 0)); /* status flags are shared, descriptor flags are not */
	CHECK_EQ(fcntl(p[0], F_GETFL), 0);
	CHECK_EQ(fcntl(p[0], F_GETFD), FD_CLOEXEC);
	CHECK_EQ(fcntl(d, F_GETFD), 0);
	int on = 1;
	CHECK_OK(ioctl(d, FIONBIO, &on));
	CHECK_EQ(fcntl(p[0], F_GETFL), O_NONBLOCK);
	CHECK_OK(ioctl(d, FIOCLEX));
	CHECK_EQ(fcntl(d, F_GETFD), FD_CLOEXEC);
	CHECK_OK(ioctl(d, FIONCLEX));
	CHECK_EQ(fcntl(d, F_GETFD), 0);
	CHECK_ERRNO(ioctl(d, TCGETS, &on), ENOTTY);
	CHECK_ERRNO(ioctl(-1, FIONBIO, &on), EBADF);
	CHECK_ERRNO(pipe2(p, 0x40), EINVAL);
	CHECK_OK(fcntl(d, F_SETOWN, getpid()));
	CHECK_EQ(fcntl(d, F_GETOWN), getpid());
}

TEST_FORK(ranges)
{
	for (int i = 20; i < 40; i++)
		CHECK_EQ(dup2(1, i), i);
	CHECK_OK(close_range(22, 25, 0));
	CHECK_OK(fcntl(21, F_GETFD));
	CHECK_ERRNO(fcntl(22, F_GETFD), EBADF);
	CHECK_ERRNO(fcntl(25, F_GETFD), EBADF);
	CHECK_OK(fcntl(26, F_GETFD));
	CHECK_OK(close_range(30, 31, CLOSE_RANGE_CLOEXEC));
	CHECK_EQ(fcntl(30, F_GETFD), FD_CLOEXEC);
	CHECK_EQ(fcntl(32, F_GETFD), 0);
	CHECK_ERRNO(close_range(31, 30, 0), EINVAL);
	CHECK_ERRNO(close_range(30, 31, 0x80), EINVAL);
	CHECK_OK(close_range(38, ~0U, 0));
	CHECK_OK(fcntl(37, F_GETFD));
	CHECK_ERRNO(fcntl(39, F_GETFD), EBADF);
	CHECK_OK(close_range(1000, 2000, 0));
	CHECK_OK(close_range(35, 36, CLOSE_RANGE_UNSHARE));
	CHECK_ERRNO(fcntl(35, F_GETFD), EBADF);
}

TEST(across_exec)
{
	pid_t pid = FORK({
		CHECK_EQ(dup2(1, 30), 30);
		CHECK_EQ(dup3(1, 31, O_CLOEXEC), 31);
		CHECK_EQ(dup2(1, 32), 32);
		CHECK_OK(fcntl(32, F_SETFD, FD_CLOEXEC));
		CHECK_EQ(dup2(1, 33), 33);
		execl(check_self, check_self, "--helper", "30", "31", "32", "33", "0", "1", NULL);
	});
	CHECK_EXIT(pid, 1 | 8 | 16 | 32);
	/* A failed exec keeps what it would have closed. */
	JOIN(FORK({
		CHECK_EQ(dup3(1, 31, O_CLOEXEC), 31);
		CHECK_ERRNO(execl("none", "none", NULL), ENOENT);
		CHECK_OK(fcntl(31, F_GETFD));
	}));
}

TEST_FORK(limit)
{
	struct rlimit l = {64, 64};
	CHECK_OK(setrlimit(RLIMIT_NOFILE, &l));
	CHECK_ERRNO(dup2(0, 64), EBADF);
	CHECK_EQ(dup2(0, 63), 63);
	CHECK_ERRNO(fcntl(0, F_DUPFD, 64), EINVAL);
	int fd;
	while ((fd = dup(0)) >= 0)
		CHECK(fd < 64);
	CHECK_EQ(errno, EMFILE);
	CHECK_ERRNO(open("/dev/null", O_RDONLY), EMFILE);
	int p[2];
	CHECK_ERRNO(pipe(p), EMFILE);
	close(40);
	CHECK_ERRNO(pipe(p), EMFILE); /* needs two, takes none */
	CHECK_EQ(open("/dev/null", O_RDONLY), 40);
	CHECK_ERRNO(socketpair(AF_UNIX, SOCK_STREAM, 0, p), EMFILE);
}

TEST_FORK(many)
{
	struct rlimit l;
	CHECK_OK(getrlimit(RLIMIT_NOFILE, &l));
	int want = l.rlim_cur < 1000 ? (int)l.rlim_cur - 10 : 900, n = 0;
	int fds[1000];
	while (n < want - 10) {
		int fd = open("/dev/null", O_RDONLY);
		CHECK(fd >= 0);
		fds[n++] = fd;
	}
	JOIN(FORK(CHECK_OK(fcntl(fds[n - 1], F_GETFD)); close(fds[0])));
	CHECK_OK(fcntl(fds[0], F_GETFD)); /* a child's table is its own */
	while (n > 0)
		CHECK_OK(close(fds[--n]));
}

TEST(shared_table)
{
	/* clone(CLONE_FILES) by vfork-like children shares the table. */
	int fd = dup(1);
	pid_t pid = syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0);
	if (pid == 0) {
		syscall(SYS_close, fd);
		syscall(SYS_exit, 0);
	}
	JOIN(pid);
	CHECK_ERRNO(close(fd), EBADF);
}
