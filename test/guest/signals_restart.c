/* build: -pthread */
/* What a signal does to each blocking call, with and without SA_RESTART. */
#include "check.h"
#include <mqueue.h>
#include <semaphore.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/timerfd.h>

static volatile int hits;
static void count(int s) { (void)s, hits++; }

/* UNDER(restart, stmt) runs stmt in a child that gets two signals while in it,
 * 40 and 80 ms in, and whose helper then calls finish after 120 ms. */
#define UNDER(restart, finish, ...)                                           \
	do {                                                                   \
		pid_t me_ = getpid(), k_;                                      \
		(void)me_;                                                     \
		struct sigaction sa_ = {.sa_handler = count,                   \
					.sa_flags = (restart) ? SA_RESTART : 0}; \
		sigaction(SIGUSR1, &sa_, NULL);                                \
		hits = 0;                                                      \
		k_ = FORK(settle(); kill(me_, SIGUSR1); settle(); kill(me_, SIGUSR1); settle(); finish); \
		__VA_ARGS__;                                                   \
		JOIN(k_);                                                      \
	} while (0)
#define INTR(call) UNDER(0, (void)0, CHECK_ERRNO(call, EINTR); while (hits < 2) msleep(5))
/* Some calls never restart, whatever the flag. */
#define NEVER(call)                                                           \
	INTR(call);                                                            \
	UNDER(1, (void)0, CHECK_ERRNO(call, EINTR); while (hits < 2) msleep(5))
/* Others restart, and then give what they wait for. */
#define RESTART(call, want, finish)                                           \
	INTR(call);                                                            \
	UNDER(1, finish, CHECK_EQ(call, want); CHECK_EQ(hits, 2))

static char c;

TEST_FORK(pipes)
{
	int p[2];
	CHECK_OK(pipe(p));
	RESTART(read(p[0], &c, 1), 1, write(p[1], "x", 1));
	fcntl(p[1], F_SETPIPE_SZ, 4096);
	char b[4096] = {0};
	CHECK_EQ(write(p[1], b, 4096), 4096);
	RESTART(write(p[1], "x", 1), 1, read(p[0], b, 4096));
	/* A partial transfer is a result, not an error. */
	char big[20000];
	UNDER(0, read(p[0], b, 1), CHECK(write(p[1], big, sizeof big) > 0));
}

TEST_FORK(fifos)
{
	CHECK_OK(mkfifo("ff", 0600));
	int fd;
	INTR(open("ff", O_RDONLY));
	UNDER(1, close(open("ff", O_WRONLY)), fd = open("ff", O_RDONLY); CHECK(fd >= 0); CHECK_EQ(hits, 2));
	close(fd);
}

TEST_FORK(children)
{
	int s;
	pid_t kid = FORK(msleep(600));
	INTR(waitpid(kid, &s, 0));
	UNDER(1, (void)0, CHECK_EQ(waitpid(kid, &s, 0), kid); CHECK_EQ(hits, 2));
	siginfo_t si;
	kid = FORK(msleep(600));
	INTR(waitid(P_PID, kid, &si, WEXITED));
	UNDER(1, (void)0, CHECK_OK(waitid(P_PID, kid, &si, WEXITED)); CHECK_EQ(hits, 2));
}

TEST_FORK(sleeps)
{
	struct timespec t = {5, 0}, rem = {0, 0};
	NEVER(nanosleep(&t, &rem));
	CHECK(rem.tv_sec == 4 && rem.tv_nsec > 0);
	CHECK_RET(({
		int r;
		UNDER(1, (void)0, r = clock_nanosleep(CLOCK_MONOTONIC, 0, &t, &rem); while (hits < 2) msleep(5));
		r;
	}), EINTR);
	NEVER(pause());
	sigset_t none;
	sigemptyset(&none);
	NEVER(sigsuspend(&none));
	/* A stop and a continue are invisible to a sleeper. */
	pid_t kid = FORK({
		struct timespec st = {0, 300000000};
		long long t0 = now_ms();
		CHECK_OK(nanosleep(&st, NULL));
		CHECK(now_ms() - t0 >= 298);
	});
	settle();
	kill(kid, SIGSTOP);
	settle();
	kill(kid, SIGCONT);
	JOIN(kid);
}

static int sleep_select(int fd)
{
	fd_set f;
	struct timeval tv = {5, 0};
	FD_ZERO(&f);
	FD_SET(fd, &f);
	return select(fd + 1, &f, NULL, NULL, &tv);
}

TEST_FORK(polling)
{
	int p[2], ep = epoll_create1(0);
	struct epoll_event ev = {EPOLLIN, {0}};
	CHECK_OK(pipe(p));
	struct pollfd pf = {p[0], POLLIN, 0};
	struct timespec ts = {5, 0};
	CHECK_OK(epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &ev));
	NEVER(poll(&pf, 1, 5000));
	NEVER(poll(NULL, 0, -1));
	NEVER(ppoll(&pf, 1, &ts, NULL));
	NEVER(sleep_select(p[0]));
	NEVER(epoll_wait(ep, &ev, 1, 5000));
	/* Ignored and blocked signals do not interrupt. */
	pid_t me = getpid();
	signal(SIGUSR2, SIG_IGN);
	pid_t kid = FORK(settle(); kill(me, SIGUSR2); kill(me, SIGCHLD); kill(me, SIGCONT));
	CHECK_EQ(poll(&pf, 1, 150), 0);
	JOIN(kid);
}

TEST_FORK(sockets)
{
	int s[2];
	CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	RESTART(read(s[0], &c, 1), 1, write(s[1], "x", 1));
	RESTART(recv(s[0], &c, 1, 0), 1, write(s[1], "x", 1));
	struct timeval tv = {5, 0};
	setsockopt(s[0], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
	NEVER(recv(s[0], &c, 1, 0)); /* with a timeout it does not restart */
	int l = socket(AF_UNIX, SOCK_STREAM, 0);
	struct {
		sa_family_t f;
		char p[8];
	} a = {AF_UNIX, "ls"};
	CHECK_OK(bind(l, (void *)&a, sizeof a));
	CHECK_OK(listen(l, 1));
	INTR(accept(l, NULL, NULL));
	int fd;
	UNDER(1, connect(socket(AF_UNIX, SOCK_STREAM, 0), (void *)&a, sizeof a),
	      fd = accept(l, NULL, NULL); CHECK(fd >= 0); CHECK_EQ(hits, 2));
}

TEST_FORK(descriptors)
{
	uint64_t v;
	int e = eventfd(0, 0), t = timerfd_create(CLOCK_MONOTONIC, 0);
	struct itimerspec it = {{0, 0}, {5, 0}};
	RESTART(read(e, &v, 8), 8, (v = 1, write(e, &v, 8)));
	timerfd_settime(t, 0, &it, NULL);
	INTR(read(t, &v, 8));
	int f1 = open("lk", O_RDWR | O_CREAT, 0600), f2 = open("lk", O_RDWR);
	CHECK_OK(flock(f1, LOCK_EX));
	RESTART(flock(f2, LOCK_EX), 0, flock(f1, LOCK_UN));
}

TEST_FORK(ipc)
{
	int q = msgget(IPC_PRIVATE, 0600), s = semget(IPC_PRIVATE, 1, 0600);
	struct {
		long t;
		char c[8];
	} m = {1, ""};
	struct sembuf sb = {0, -1, 0};
	CHECK(q >= 0 && s >= 0);
	NEVER(msgrcv(q, &m, 8, 0, 0));
	NEVER(semop(s, &sb, 1));
	CHECK_OK(msgctl(q, IPC_RMID, NULL));
	CHECK_OK(semctl(s, 0, IPC_RMID));
	sem_t *ps = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	sem_init(ps, 1, 0);
	RESTART(sem_wait(ps), 0, sem_post(ps));
}
