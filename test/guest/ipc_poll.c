/* build: */
/* poll, ppoll, select, pselect. */
#include "check.h"
#include <sys/select.h>
#include <sys/socket.h>

static volatile int hits;
static void count(int s) { (void)s, hits++; }

TEST(poll_results)
{
	int p[2], f = open("plain", O_RDWR | O_CREAT, 0600);
	CHECK_OK(pipe(p));
	struct pollfd v[5] = {{p[0], POLLIN, 0}, {p[1], POLLOUT, 0}, {f, POLLIN | POLLOUT, 0}, {999, POLLIN, 0}, {-1, POLLIN, 7}};
	CHECK_EQ(poll(v, 5, 0), 3);
	CHECK(v[0].revents == 0 && v[1].revents == POLLOUT && v[2].revents == (POLLIN | POLLOUT));
	CHECK(v[3].revents == POLLNVAL && v[4].revents == 0);
	long long t0 = now_ms();
	CHECK_EQ(poll(v, 1, 30), 0);
	CHECK(now_ms() - t0 >= 29);
	CHECK_EQ(poll(NULL, 0, 10), 0);
	CHECK_ERRNO(poll((void *)8, 1, 0), EFAULT);
	struct timespec bad = {0, -1}, zero = {0, 0};
	CHECK_ERRNO(ppoll(v, 1, &bad, NULL), EINVAL);
	CHECK_EQ(ppoll(v, 1, &zero, NULL), 0);
	pid_t pid = FORK(settle(); write(p[1], "x", 1));
	CHECK_EQ(poll(v, 1, -1), 1);
	CHECK_EQ(v[0].revents, POLLIN);
	JOIN(pid);
	close(p[0]), close(p[1]), close(f);
	JOIN(FORK({
		struct rlimit l = {10, 10};
		struct pollfd many[20] = {0};
		setrlimit(RLIMIT_NOFILE, &l);
		CHECK_ERRNO(poll(many, 11, 0), EINVAL);
	}));
}

TEST(select_results)
{
	int p[2];
	fd_set r, w;
	struct timeval tv = {0, 20000};
	CHECK_OK(pipe(p));
	FD_ZERO(&r);
	FD_ZERO(&w);
	FD_SET(p[0], &r);
	FD_SET(p[1], &w);
	CHECK_EQ(select(p[1] + 1, &r, &w, NULL, &tv), 1);
	CHECK(!FD_ISSET(p[0], &r) && FD_ISSET(p[1], &w));
	FD_ZERO(&r);
	FD_SET(p[0], &r);
	tv = (struct timeval){0, 20000};
	CHECK_EQ(select(p[0] + 1, &r, NULL, NULL, &tv), 0);
	CHECK(tv.tv_sec == 0 && tv.tv_usec == 0); /* Linux writes what is left */
	CHECK_EQ(write(p[1], "x", 1), 1);
	FD_SET(p[0], &r);
	tv = (struct timeval){10, 0};
	CHECK_EQ(select(p[0] + 1, &r, NULL, NULL, &tv), 1);
	CHECK(tv.tv_sec == 9);
	/* Beyond the descriptor table, whose size depends on what was open, Linux
	 * ignores descriptors. */
	CHECK_EQ(dup2(p[0], 200), 200);
	close(200);
	FD_ZERO(&r);
	FD_SET(200, &r);
	CHECK_ERRNO(select(201, &r, NULL, NULL, NULL), EBADF);
	CHECK_ERRNO(select(-1, &r, NULL, NULL, NULL), EINVAL);
	CHECK_ERRNO(select(1, (void *)8, NULL, NULL, NULL), EFAULT);
	tv = (struct timeval){-1, 0};
	CHECK_ERRNO(select(0, NULL, NULL, NULL, &tv), EINVAL);
	close(p[1]);
	FD_ZERO(&r);
	FD_SET(p[0], &r);
	tv = (struct timeval){0, 0};
	CHECK_EQ(select(p[0] + 1, &r, NULL, NULL, &tv), 1); /* end of file is readable */
	close(p[0]);
}

TEST_FORK(masks)
{
	/* The mask is swapped and the signal taken in one step. */
	sigset_t block, open_;
	struct sigaction sa = {.sa_handler = count};
	struct timespec ts = {5, 0};
	sigaction(SIGUSR1, &sa, NULL);
	sigemptyset(&open_);
	sigemptyset(&block);
	sigaddset(&block, SIGUSR1);
	sigprocmask(SIG_BLOCK, &block, NULL);
	raise(SIGUSR1);
	CHECK_ERRNO(pselect(0, NULL, NULL, NULL, &ts, &open_), EINTR);
	CHECK_EQ(hits, 1);
	raise(SIGUSR1);
	CHECK_ERRNO(ppoll(NULL, 0, &ts, &open_), EINTR);
	CHECK_EQ(hits, 2);
	sigset_t now;
	sigprocmask(SIG_BLOCK, NULL, &now);
	CHECK(sigismember(&now, SIGUSR1));
	raise(SIGUSR1); /* ready descriptors win, the signal stays pending */
	int p[2];
	CHECK_OK(pipe(p));
	struct pollfd pf = {p[1], POLLOUT, 0};
	CHECK_EQ(ppoll(&pf, 1, &ts, &block), 1);
	CHECK_EQ(hits, 2);
}

TEST(hangups)
{
	int s[2];
	CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	struct pollfd p = {s[0], POLLIN | POLLRDHUP, 0};
	CHECK_EQ(poll(&p, 1, 0), 0);
	CHECK_OK(shutdown(s[1], SHUT_WR));
	CHECK_EQ(poll(&p, 1, 0), 1);
	CHECK_EQ(p.revents, POLLIN | POLLRDHUP);
	close(s[1]);
	CHECK_EQ(poll(&p, 1, 0), 1);
	CHECK_EQ(p.revents, POLLIN | POLLRDHUP | POLLHUP);
	close(s[0]);
}
