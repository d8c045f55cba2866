/* build: */
/* flock, POSIX record locks, open file description locks. */
#include "check.h"
#include <sys/file.h>

static int lock(int fd, int cmd, short type, off_t start, off_t len)
{
	struct flock l = {.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = len};
	return fcntl(fd, cmd, &l);
}
static short query(int fd, int cmd, short type, off_t start, off_t len, struct flock *l)
{
	*l = (struct flock){.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = len};
	CHECK_OK(fcntl(fd, cmd, l));
	return l->l_type;
}

TEST(flock_rules)
{
	int a = open("fl", O_RDWR | O_CREAT, 0644), b = open("fl", O_RDONLY), d = dup(a);
	CHECK_OK(flock(a, LOCK_SH));
	CHECK_OK(flock(b, LOCK_SH | LOCK_NB));
	CHECK_ERRNO(flock(a, LOCK_EX | LOCK_NB), EWOULDBLOCK);
	CHECK_OK(flock(b, LOCK_UN));
	CHECK_OK(flock(d, LOCK_EX | LOCK_NB)); /* the duplicate is the same lock */
	CHECK_ERRNO(flock(b, LOCK_SH | LOCK_NB), EWOULDBLOCK);
	JOIN(FORK(CHECK_OK(flock(a, LOCK_EX | LOCK_NB)))); /* inherited too */
	CHECK_ERRNO(flock(b, LOCK_SH | LOCK_NB), EWOULDBLOCK);
	close(a);
	CHECK_ERRNO(flock(b, LOCK_SH | LOCK_NB), EWOULDBLOCK);
	close(d); /* the last close releases */
	CHECK_OK(flock(b, LOCK_EX | LOCK_NB));
	CHECK_ERRNO(flock(b, 0), EINVAL);
	CHECK_ERRNO(flock(-1, LOCK_SH), EBADF);
	/* A blocked request is granted when the holder dies. */
	int p[2];
	CHECK_OK(pipe(p));
	pid_t pid = FORK({
		int c = open("fl", O_RDWR);
		CHECK_EQ(write(p[1], "r", 1), 1);
		CHECK_OK(flock(c, LOCK_EX));
		CHECK_EQ(write(p[1], "g", 1), 1);
	});
	char ch;
	CHECK_EQ(read(p[0], &ch, 1), 1);
	settle();
	CHECK_OK(flock(b, LOCK_UN));
	CHECK_EQ(read(p[0], &ch, 1), 1);
	CHECK_EQ(ch, 'g');
	JOIN(pid);
	close(b), close(p[0]), close(p[1]);
}

TEST(posix_ranges)
{
	struct flock l;
	int fd = open("px", O_RDWR | O_CREAT, 0644);
	CHECK_OK(lock(fd, F_SETLK, F_WRLCK, 10, 10));
	CHECK_EQ(query(fd, F_GETLK, F_WRLCK, 0, 0, &l), F_UNLCK); /* own locks never conflict */
	JOIN(FORK({
		CHECK_EQ(query(fd, F_GETLK, F_RDLCK, 15, 1, &l), F_WRLCK);
		CHECK(l.l_start == 10 && l.l_len == 10 && l.l_pid == getppid());
		CHECK_EQ(query(fd, F_GETLK, F_RDLCK, 20, 5, &l), F_UNLCK);
		CHECK_EQ(lock(fd, F_SETLK, F_RDLCK, 0, 11), -1);
		CHECK(errno == EAGAIN || errno == EACCES);
		CHECK_OK(lock(fd, F_SETLK, F_WRLCK, 0, 10));
		CHECK_OK(lock(fd, F_SETLK, F_WRLCK, 20, 0)); /* to the end of all files */
	}));
	CHECK_OK(lock(fd, F_SETLK, F_UNLCK, 13, 3)); /* splits */
	JOIN(FORK({
		CHECK_EQ(query(fd, F_GETLK, F_WRLCK, 0, 0, &l), F_WRLCK);
		CHECK(l.l_start == 10 && l.l_len == 3);
		CHECK_EQ(query(fd, F_GETLK, F_WRLCK, 13, 0, &l), F_WRLCK);
		CHECK(l.l_start == 16 && l.l_len == 4);
	}));
	CHECK_OK(lock(fd, F_SETLK, F_WRLCK, 13, 3)); /* joins */
	JOIN(FORK({
		CHECK_EQ(query(fd, F_GETLK, F_WRLCK, 0, 0, &l), F_WRLCK);
		CHECK(l.l_start == 10 && l.l_len == 10);
	}));
	CHECK_OK(lock(fd, F_SETLK, F_RDLCK, 10, 10)); /* downgrade */
	JOIN(FORK(CHECK_OK(lock(fd, F_SETLK, F_RDLCK, 10, 10))));
	CHECK_ERRNO(lock(fd, F_SETLK, F_WRLCK, -1, 1), EINVAL);
	CHECK_ERRNO(lock(fd, F_SETLK, 77, 0, 1), EINVAL);
	l = (struct flock){.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 10, .l_len = -5};
	CHECK_OK(fcntl(fd, F_SETLK, &l));
	JOIN(FORK(CHECK_EQ(query(fd, F_GETLK, F_WRLCK, 5, 1, &l), F_WRLCK); CHECK_EQ(l.l_len, 5)));
	int ro = open("px", O_RDONLY);
	CHECK_ERRNO(lock(ro, F_SETLK, F_WRLCK, 0, 1), EBADF);
	/* Closing any descriptor of the file drops all of the process's locks. */
	close(ro);
	JOIN(FORK(CHECK_EQ(query(fd, F_GETLK, F_WRLCK, 0, 0, &l), F_UNLCK)));
	close(fd);
}

TEST(posix_wait_and_deadlock)
{
	int fd = open("pw", O_RDWR | O_CREAT, 0644), p[2];
	char c;
	CHECK_OK(pipe(p));
	CHECK_OK(lock(fd, F_SETLK, F_WRLCK, 0, 1));
	pid_t pid = FORK({
		CHECK_OK(lock(fd, F_SETLK, F_WRLCK, 1, 1));
		CHECK_EQ(write(p[1], "1", 1), 1);
		CHECK_OK(lock(fd, F_SETLKW, F_WRLCK, 0, 1));
	});
	CHECK_EQ(read(p[0], &c, 1), 1);
	settle();
	CHECK_ERRNO(lock(fd, F_SETLKW, F_WRLCK, 1, 1), EDEADLK);
	CHECK_OK(lock(fd, F_SETLK, F_UNLCK, 0, 1));
	JOIN(pid);
	CHECK_OK(lock(fd, F_SETLK, F_WRLCK, 0, 0)); /* the child's went with it */
	close(fd), close(p[0]), close(p[1]);
}

static void nothing(int s) { (void)s; }

TEST_FORK(wait_interrupted)
{
	int fd = open("wi", O_RDWR | O_CREAT, 0644), p[2];
	char c;
	CHECK_OK(pipe(p));
	pid_t holder = FORK({
		CHECK_OK(lock(fd, F_SETLK, F_WRLCK, 0, 0));
		CHECK_EQ(write(p[1], "1", 1), 1);
		pause();
	});
	CHECK_EQ(read(p[0], &c, 1), 1);
	struct sigaction sa = {.sa_handler = nothing};
	sigaction(SIGALRM, &sa, NULL);
	alarm(1);
	CHECK_ERRNO(lock(fd, F_SETLKW, F_WRLCK, 0, 0), EINTR);
	kill(holder, SIGKILL);
	CHECK_OK(lock(fd, F_SETLKW, F_WRLCK, 0, 0));
	CHECK_KILLED(holder, SIGKILL);
}

TEST(description_locks)
{
	struct flock l;
	int a = open("of", O_RDWR | O_CREAT, 0644), b = open("of", O_RDWR), d = dup(a);
	CHECK_OK(lock(a, F_OFD_SETLK, F_WRLCK, 0, 10));
	CHECK_EQ(lock(b, F_OFD_SETLK, F_WRLCK, 5, 1), -1);
	CHECK_EQ(errno, EAGAIN);
	CHECK_EQ(query(b, F_OFD_GETLK, F_RDLCK, 0, 1, &l), F_WRLCK);
	CHECK_EQ(l.l_pid, -1);
	CHECK_EQ(query(d, F_OFD_GETLK, F_RDLCK, 0, 1, &l), F_UNLCK);
	CHECK_EQ(lock(b, F_SETLK, F_WRLCK, 5, 1), -1); /* conflicts with POSIX locks */
	close(open("of", O_RDWR)); /* unlike POSIX locks, stays */
	CHECK_EQ(lock(b, F_OFD_SETLK, F_WRLCK, 5, 1), -1);
	JOIN(FORK(close(a); close(d)));
	CHECK_EQ(lock(b, F_OFD_SETLK, F_WRLCK, 5, 1), -1);
	close(a), close(d);
	CHECK_OK(lock(b, F_OFD_SETLK, F_WRLCK, 5, 1));
	l = (struct flock){.l_type = F_WRLCK, .l_pid = 7};
	CHECK_ERRNO(fcntl(b, F_OFD_SETLK, &l), EINVAL);
	close(b);
}

TEST(lockf_and_flock_are_apart)
{
	int a = open("ap", O_RDWR | O_CREAT, 0644);
	CHECK_OK(flock(a, LOCK_EX));
	JOIN(FORK({
		int b = open("ap", O_RDWR);
		CHECK_OK(lockf(b, F_TLOCK, 0));
		CHECK_ERRNO(flock(b, LOCK_EX | LOCK_NB), EWOULDBLOCK);
	}));
	CHECK_OK(lockf(a, F_TEST, 0));
	close(a);
}
