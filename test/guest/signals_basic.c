/* build: */
/* sigaction and its flags, masks, pending sets, default actions, waiting calls. */
#include "check.h"
#include <sys/signalfd.h>

static volatile int hits, last, order[32], norder;
static void count(int s)
{
	hits++;
	last = s;
	if (norder < 32)
		order[norder++] = s;
}
static void catch(int s, void (*fn)(int), int flags)
{
	struct sigaction sa = {.sa_handler = fn, .sa_flags = flags};
	CHECK_OK(sigaction(s, &sa, NULL));
	hits = norder = 0;
}
static sigset_t *set_of(int a, int b)
{
	static sigset_t s;
	sigemptyset(&s);
	sigaddset(&s, a);
	if (b)
		sigaddset(&s, b);
	return &s;
}

TEST_FORK(actions)
{
	struct sigaction sa, old;
	catch(SIGUSR1, count, SA_RESTART | SA_NODEFER);
	CHECK_OK(sigaction(SIGUSR1, NULL, &old));
	CHECK(old.sa_handler == count);
	CHECK_EQ(old.sa_flags & (SA_RESTART | SA_NODEFER | SA_SIGINFO), SA_RESTART | SA_NODEFER);
	raise(SIGUSR1);
	CHECK(hits == 1 && last == SIGUSR1);
	sa = (struct sigaction){.sa_handler = SIG_IGN};
	CHECK_ERRNO(sigaction(SIGKILL, &sa, NULL), EINVAL);
	CHECK_ERRNO(sigaction(SIGSTOP, &sa, NULL), EINVAL);
	CHECK_OK(sigaction(SIGKILL, NULL, &old));
	CHECK_ERRNO(syscall(SYS_rt_sigaction, 65, NULL, NULL, 8), EINVAL);
	CHECK_ERRNO(syscall(SYS_rt_sigaction, 0, NULL, NULL, 8), EINVAL);
	CHECK_ERRNO(syscall(SYS_rt_sigaction, SIGUSR1, NULL, NULL, 4), EINVAL);
	CHECK_ERRNO(syscall(SYS_rt_sigaction, SIGUSR1, 8, NULL, 8), EFAULT);
	catch(SIGUSR2, count, SA_RESETHAND);
	raise(SIGUSR2);
	CHECK_OK(sigaction(SIGUSR2, NULL, &old));
	CHECK(hits == 1 && old.sa_handler == SIG_DFL);
	/* Ignoring discards what is pending. */
	sigprocmask(SIG_BLOCK, set_of(SIGUSR1, 0), NULL);
	hits = 0;
	raise(SIGUSR1);
	signal(SIGUSR1, SIG_IGN);
	catch(SIGUSR1, count, 0);
	sigprocmask(SIG_UNBLOCK, set_of(SIGUSR1, 0), NULL);
	CHECK_EQ(hits, 0);
	CHECK_EQ(sizeof(old.sa_mask) >= 8, 1);
}

static sigset_t seen;
static void see_mask(int s)
{
	(void)s;
	sigprocmask(SIG_BLOCK, NULL, &seen);
}

TEST_FORK(masks)
{
	sigset_t s, old;
	catch(SIGUSR1, count, 0);
	CHECK_OK(sigprocmask(SIG_BLOCK, set_of(SIGUSR1, SIGUSR2), NULL));
	raise(SIGUSR1), raise(SIGUSR1);
	CHECK_OK(sigpending(&s));
	CHECK(sigismember(&s, SIGUSR1) && !sigismember(&s, SIGUSR2));
	CHECK_EQ(hits, 0);
	CHECK_OK(sigprocmask(SIG_UNBLOCK, set_of(SIGUSR1, 0), &old));
	CHECK_EQ(hits, 1); /* standard signals do not queue, delivered before return */
	CHECK(sigismember(&old, SIGUSR1) && sigismember(&old, SIGUSR2));
	CHECK_OK(sigprocmask(SIG_SETMASK, set_of(SIGKILL, SIGSTOP), NULL));
	sigprocmask(SIG_BLOCK, NULL, &s);
	CHECK(!sigismember(&s, SIGKILL) && !sigismember(&s, SIGSTOP));
	CHECK_ERRNO(sigprocmask(77, &s, NULL), EINVAL);
	CHECK_ERRNO(syscall(SYS_rt_sigprocmask, SIG_BLOCK, 8, NULL, 8), EFAULT);
	CHECK_ERRNO(syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, NULL, 16), EINVAL);
	/* In a handler: its own signal and sa_mask are blocked, then restored. */
	struct sigaction sa = {.sa_handler = see_mask};
	sigaddset(&sa.sa_mask, SIGHUP);
	sigaction(SIGUSR1, &sa, NULL);
	raise(SIGUSR1);
	CHECK(sigismember(&seen, SIGUSR1) && sigismember(&seen, SIGHUP) && !sigismember(&seen, SIGUSR2));
	sigprocmask(SIG_BLOCK, NULL, &s);
	CHECK(!sigismember(&s, SIGUSR1) && !sigismember(&s, SIGHUP));
	sa.sa_flags = SA_NODEFER;
	sigemptyset(&sa.sa_mask);
	sigaction(SIGUSR1, &sa, NULL);
	raise(SIGUSR1);
	CHECK(!sigismember(&seen, SIGUSR1));
}

static volatile int depth, deepest;
static void nest(int s)
{
	if (++depth > deepest)
		deepest = depth;
	if (depth < 5)
		raise(s);
	depth--;
}

static void defer(int s)
{
	if (++depth > deepest)
		deepest = depth;
	if (++hits < 4)
		raise(s);
	depth--;
}

TEST_FORK(nesting)
{
	catch(SIGUSR1, nest, SA_NODEFER);
	raise(SIGUSR1);
	CHECK_EQ(deepest, 5);
	deepest = 0;
	catch(SIGUSR1, defer, 0); /* deferred: one after another */
	raise(SIGUSR1);
	CHECK_EQ(deepest, 1);
	CHECK_EQ(hits, 4);
}

TEST_FORK(delivery_order)
{
	/* Pending together: lowest number first; handlers then run last-first only
	 * when they interrupt each other, so block all while handling. */
	struct sigaction sa = {.sa_handler = count};
	sigfillset(&sa.sa_mask);
	int sigs[] = {SIGRTMIN + 3, SIGUSR2, SIGRTMIN, SIGUSR1, SIGHUP};
	sigset_t s, old;
	sigfillset(&s);
	sigprocmask(SIG_SETMASK, &s, &old);
	for (size_t i = 0; i < LEN(sigs); i++) {
		sigaction(sigs[i], &sa, NULL);
		raise(sigs[i]);
	}
	norder = 0;
	sigprocmask(SIG_SETMASK, &old, NULL);
	CHECK_EQ(norder, 5);
	CHECK(order[0] == SIGHUP && order[1] == SIGUSR1 && order[2] == SIGUSR2 &&
	      order[3] == SIGRTMIN && order[4] == SIGRTMIN + 3);
}

TEST(default_actions)
{
	static const int terminate[] = {SIGHUP, SIGINT, SIGPIPE, SIGALRM, SIGTERM, SIGUSR1, SIGUSR2,
					SIGPOLL, SIGPROF, SIGVTALRM, SIGSTKFLT, SIGPWR, 40, 64},
			 core[] = {SIGQUIT, SIGILL, SIGABRT, SIGFPE, SIGSEGV, SIGBUS, SIGSYS, SIGTRAP, SIGXCPU, SIGXFSZ},
			 ignore[] = {SIGCHLD, SIGURG, SIGWINCH, SIGCONT};
	for (size_t i = 0; i < LEN(terminate); i++)
		CHECK_KILLED(FORK(raise(terminate[i])), terminate[i]);
	for (size_t i = 0; i < LEN(core); i++)
		CHECK_KILLED(FORK({
			struct rlimit none = {0, 0};
			setrlimit(RLIMIT_CORE, &none);
			raise(core[i]);
		}), core[i]);
	for (size_t i = 0; i < LEN(ignore); i++)
		JOIN(FORK(raise(ignore[i])));
}

TEST_FORK(suspend)
{
	sigset_t empty, s;
	catch(SIGUSR1, count, SA_RESTART);
	sigprocmask(SIG_BLOCK, set_of(SIGUSR1, 0), NULL);
	raise(SIGUSR1);
	sigemptyset(&empty);
	CHECK_ERRNO(sigsuspend(&empty), EINTR);
	CHECK_EQ(hits, 1);
	sigprocmask(SIG_BLOCK, NULL, &s);
	CHECK(sigismember(&s, SIGUSR1)); /* the old mask is back */
	pid_t me = getpid(), pid = FORK(settle(); kill(me, SIGUSR1));
	CHECK_ERRNO(sigsuspend(&empty), EINTR);
	CHECK_EQ(hits, 2);
	JOIN(pid);
	sigprocmask(SIG_UNBLOCK, set_of(SIGUSR1, 0), NULL);
	pid = FORK(settle(); kill(me, SIGUSR1));
	CHECK_ERRNO(pause(), EINTR);
	JOIN(pid);
	CHECK_ERRNO(syscall(SYS_rt_sigsuspend, 8, 8), EFAULT);
	CHECK_ERRNO(syscall(SYS_rt_sigsuspend, &empty, 4), EINVAL);
}

TEST_FORK(timed_wait)
{
	struct timespec zero = {0, 0}, ms = {0, 30000000}, bad = {0, -1};
	siginfo_t si;
	int s;
	sigprocmask(SIG_BLOCK, set_of(SIGUSR1, SIGRTMIN), NULL);
	CHECK_ERRNO(sigtimedwait(set_of(SIGUSR1, 0), &si, &zero), EAGAIN);
	CHECK_ERRNO(sigtimedwait(set_of(SIGUSR1, 0), &si, &ms), EAGAIN);
	CHECK_ERRNO(sigtimedwait(set_of(SIGUSR1, 0), &si, &bad), EINVAL);
	raise(SIGUSR1);
	CHECK_EQ(sigtimedwait(set_of(SIGUSR1, 0), &si, &zero), SIGUSR1);
	CHECK(si.si_signo == SIGUSR1 && si.si_pid == getpid());
	sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_int = 7});
	sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_int = 8});
	CHECK_EQ(sigwaitinfo(set_of(SIGUSR1, SIGRTMIN), &si), SIGRTMIN);
	CHECK(si.si_code == SI_QUEUE && si.si_value.sival_int == 7);
	CHECK_EQ(sigwaitinfo(set_of(SIGUSR1, SIGRTMIN), &si), SIGRTMIN);
	CHECK_EQ(si.si_value.sival_int, 8);
	pid_t me = getpid(), pid = FORK(settle(); kill(me, SIGUSR1));
	CHECK_RET(sigwait(set_of(SIGUSR1, 0), &s), 0);
	CHECK_EQ(s, SIGUSR1);
	JOIN(pid);
	catch(SIGUSR2, count, 0);
	pid = FORK(settle(); kill(me, SIGUSR2));
	CHECK_ERRNO(sigwaitinfo(set_of(SIGUSR1, 0), &si), EINTR);
	JOIN(pid);
}

TEST_FORK(descriptor)
{
	struct signalfd_siginfo f[4];
	struct pollfd p;
	sigprocmask(SIG_BLOCK, set_of(SIGUSR1, SIGUSR2), NULL);
	int fd = signalfd(-1, set_of(SIGUSR1, 0), SFD_NONBLOCK | SFD_CLOEXEC);
	CHECK(fd >= 0);
	p = (struct pollfd){fd, POLLIN, 0};
	CHECK_EQ(poll(&p, 1, 0), 0);
	CHECK_ERRNO(read(fd, f, sizeof f), EAGAIN);
	raise(SIGUSR1);
	raise(SIGUSR2);
	CHECK_EQ(poll(&p, 1, 0), 1);
	CHECK_ERRNO(read(fd, f, 10), EINVAL);
	CHECK_EQ(read(fd, f, sizeof f), sizeof f[0]);
	CHECK(f[0].ssi_signo == SIGUSR1 && f[0].ssi_pid == (uint32_t)getpid() && f[0].ssi_code == SI_TKILL);
	CHECK_ERRNO(read(fd, f, sizeof f), EAGAIN);
	CHECK_EQ(signalfd(fd, set_of(SIGUSR1, SIGUSR2), 0), fd);
	sigqueue(getpid(), SIGUSR1, (union sigval){.sival_int = 55});
	CHECK_EQ(read(fd, f, sizeof f), 2 * sizeof f[0]);
	/* The thread's own pending signals come before the process's. */
	CHECK(f[0].ssi_signo == SIGUSR2 && f[1].ssi_signo == SIGUSR1 && f[1].ssi_int == 55);
	CHECK_OK(fcntl(fd, F_SETFL, 0));
	pid_t me = getpid(), pid = FORK(settle(); kill(me, SIGUSR2));
	CHECK_EQ(read(fd, f, sizeof f), sizeof f[0]);
	CHECK_EQ(f[0].ssi_pid, (uint32_t)pid);
	JOIN(pid);
	CHECK_ERRNO(signalfd(-1, set_of(SIGUSR1, 0), 0x4), EINVAL);
	CHECK_ERRNO(signalfd(0, set_of(SIGUSR1, 0), 0), EINVAL);
	CHECK_ERRNO(write(fd, f, 8), EINVAL);
}

TEST_FORK(broken_pipe)
{
	int p[2];
	CHECK_OK(pipe(p));
	close(p[0]);
	CHECK_KILLED(FORK(write(p[1], "x", 1)), SIGPIPE);
	signal(SIGPIPE, SIG_IGN);
	CHECK_ERRNO(write(p[1], "x", 1), EPIPE);
	catch(SIGPIPE, count, 0);
	CHECK_ERRNO(write(p[1], "x", 1), EPIPE);
	CHECK_EQ(hits, 1);
}

static sigjmp_buf jb;
static void jump(int s) { siglongjmp(jb, s); }

TEST_FORK(jump_out)
{
	volatile int n = 0;
	sigset_t s;
	catch(SIGUSR1, jump, 0);
	while (n < 100)
		if (sigsetjmp(jb, 1) == 0)
			raise(SIGUSR1);
		else
			n++;
	sigprocmask(SIG_BLOCK, NULL, &s);
	CHECK(!sigismember(&s, SIGUSR1));
	/* Out of a blocking call. */
	pid_t me = getpid(), pid = FORK(settle(); kill(me, SIGUSR1));
	if (sigsetjmp(jb, 1) == 0)
		pause();
	JOIN(pid);
}
