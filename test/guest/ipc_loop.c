/* build: -lrt -lutil */
/* An event loop over every kind of descriptor, and signals by descriptor (SIGIO). */
#include "check.h"
#include <mqueue.h>
#include <pty.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/pidfd.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>

static int ep;
static void add(int fd, int tag)
{
	struct epoll_event e = {EPOLLIN, {.u32 = tag}};
	CHECK(fd >= 0);
	CHECK_OK(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e));
}
static int one(void)
{
	struct epoll_event e;
	int n = epoll_wait(ep, &e, 1, 5000);
	return n == 1 && e.events & EPOLLIN ? (int)e.data.u32 : -1;
}

TEST_FORK(all_kinds)
{
	enum { TIMER, SIGNAL, CHILD, EVENT, PIPE, SOCK, NOTIFY, TTY, QUEUE, FIFO };
	uint64_t v = 1;
	char b[256];
	sigset_t s;
	ep = epoll_create1(EPOLL_CLOEXEC);
	int tf = timerfd_create(CLOCK_MONOTONIC, 0);
	add(tf, TIMER);
	sigemptyset(&s);
	sigaddset(&s, SIGUSR1);
	sigprocmask(SIG_BLOCK, &s, NULL);
	int sf = signalfd(-1, &s, 0);
	add(sf, SIGNAL);
	int ef = eventfd(0, 0);
	add(ef, EVENT);
	int p[2], sk[2], master, slave;
	CHECK_OK(pipe(p));
	add(p[0], PIPE);
	CHECK_OK(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sk));
	add(sk[0], SOCK);
	int nf = inotify_init1(0);
	CHECK_OK(inotify_add_watch(nf, ".", IN_CREATE));
	add(nf, NOTIFY);
	CHECK_OK(openpty(&master, &slave, NULL, NULL, NULL));
	add(master, TTY);
	struct mq_attr a = {.mq_maxmsg = 2, .mq_msgsize = 8};
	snprintf(b, sizeof b, "/guest-loop-%d", getpid());
	mqd_t q = mq_open(b, O_RDWR | O_CREAT | O_EXCL, 0600, &a);
	CHECK_OK(mq_unlink(b));
	add(q, QUEUE);
	CHECK_OK(mkfifo("loopfifo", 0600));
	CHECK(read(nf, b, sizeof b) > 0);
	int ff = open("loopfifo", O_RDWR);
	add(ff, FIFO);

	struct epoll_event none;
	CHECK_EQ(epoll_wait(ep, &none, 1, 0), 0);
	struct itimerspec it = {{0, 0}, {0, 5000000}};
	CHECK_OK(timerfd_settime(tf, 0, &it, NULL));
	CHECK_EQ(one(), TIMER);
	CHECK_EQ(read(tf, &v, 8), 8);
	kill(getpid(), SIGUSR1);
	CHECK_EQ(one(), SIGNAL);
	CHECK_EQ(read(sf, b, sizeof b), 128);
	v = 1;
	CHECK_EQ(write(ef, &v, 8), 8);
	CHECK_EQ(one(), EVENT);
	CHECK_EQ(read(ef, &v, 8), 8);
	CHECK_EQ(write(p[1], "x", 1), 1);
	CHECK_EQ(one(), PIPE);
	CHECK_EQ(read(p[0], b, 1), 1);
	CHECK_EQ(send(sk[1], "y", 1, 0), 1);
	CHECK_EQ(one(), SOCK);
	CHECK_EQ(recv(sk[0], b, 1, 0), 1);
	put("created", "");
	CHECK_EQ(one(), NOTIFY);
	CHECK(read(nf, b, sizeof b) > 0);
	CHECK_EQ(write(slave, "tty", 3), 3);
	CHECK_EQ(one(), TTY);
	CHECK_EQ(read(master, b, 8), 3);
	CHECK_OK(mq_send(q, "m", 1, 0));
	CHECK_EQ(one(), QUEUE);
	CHECK_EQ(mq_receive(q, b, 8, NULL), 1);
	CHECK_EQ(write(ff, "f", 1), 1);
	CHECK_EQ(one(), FIFO);
	CHECK_EQ(read(ff, b, 1), 1);
	pid_t kid = FORK(_exit(0));
	int pf = pidfd_open(kid, 0);
	add(pf, CHILD);
	CHECK_EQ(one(), CHILD);
	JOIN(kid);
	CHECK_OK(epoll_ctl(ep, EPOLL_CTL_DEL, pf, NULL));
	CHECK_EQ(epoll_wait(ep, &none, 1, 0), 0);
	/* poll agrees. */
	struct pollfd all[] = {{tf, POLLIN, 0}, {sf, POLLIN, 0}, {ef, POLLIN, 0}, {p[0], POLLIN, 0}, {sk[0], POLLIN, 0},
			       {nf, POLLIN, 0}, {master, POLLIN, 0}, {q, POLLIN, 0}, {ff, POLLIN, 0}, {ep, POLLIN, 0}};
	CHECK_EQ(poll(all, LEN(all), 0), 0);
}

static siginfo_t info;
static volatile int hits;
static void on_io(int s, siginfo_t *i, void *u)
{
	(void)s, (void)u;
	info = *i;
	hits++;
}

TEST_FORK(signal_driven)
{
	struct sigaction sa = {.sa_sigaction = on_io, .sa_flags = SA_SIGINFO | SA_RESTART};
	int s[2];
	sigaction(SIGIO, &sa, NULL);
	sigaction(SIGRTMIN, &sa, NULL);
	CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	CHECK_OK(fcntl(s[0], F_SETOWN, getpid()));
	CHECK_OK(fcntl(s[0], F_SETFL, O_ASYNC));
	CHECK_EQ(write(s[1], "x", 1), 1);
	while (hits < 1)
		usleep(1000);
	CHECK_EQ(fcntl(s[0], F_GETSIG), 0);
	CHECK_OK(fcntl(s[0], F_SETSIG, SIGRTMIN));
	hits = 0;
	CHECK_EQ(write(s[1], "y", 1), 1);
	while (hits < 1)
		usleep(1000);
	CHECK(info.si_signo == SIGRTMIN && info.si_fd == s[0] && info.si_code == POLL_IN);
	CHECK_ERRNO(fcntl(s[0], F_SETSIG, 99), EINVAL);
}
