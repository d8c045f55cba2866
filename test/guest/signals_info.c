/* build: */
/* siginfo of every sender, queueing of real-time signals, the alternate stack. */
#include "check.h"
#include <ucontext.h>

static siginfo_t got[64];
static int ngot;
static volatile char *sp_in;
static void note(int s, siginfo_t *i, void *u)
{
	volatile char here = 0;
	(void)s, (void)u;
	sp_in = &here;
	if (ngot < 64)
		got[ngot++] = *i;
}
static void catch(int s, int flags)
{
	struct sigaction sa = {.sa_sigaction = note, .sa_flags = SA_SIGINFO | flags};
	CHECK_OK(sigaction(s, &sa, NULL));
	ngot = 0;
}

TEST_FORK(senders)
{
	catch(SIGUSR1, 0);
	kill(getpid(), SIGUSR1);
	CHECK(ngot == 1 && got[0].si_code == SI_USER && got[0].si_pid == getpid() && got[0].si_uid == getuid());
	syscall(SYS_tgkill, getpid(), gettid(), SIGUSR1);
	CHECK(ngot == 2 && got[1].si_code == SI_TKILL && got[1].si_pid == getpid());
	sigqueue(getpid(), SIGUSR1, (union sigval){.sival_ptr = (void *)0x123456789});
	CHECK(ngot == 3 && got[2].si_code == SI_QUEUE && got[2].si_value.sival_ptr == (void *)0x123456789);
	siginfo_t si = {.si_signo = 0, .si_code = -60, .si_value.sival_int = 5};
	CHECK_OK(syscall(SYS_rt_sigqueueinfo, getpid(), SIGUSR1, &si));
	CHECK(ngot == 4 && got[3].si_code == -60 && got[3].si_signo == SIGUSR1);
	pid_t me = getpid();
	JOIN(FORK(CHECK_OK(kill(me, SIGUSR1))));
	CHECK_EQ(ngot, 5);
	CHECK(got[4].si_pid != getpid());
	/* Only to oneself may one claim to be the kernel. */
	si.si_code = SI_KERNEL;
	JOIN(FORK(CHECK_ERRNO(syscall(SYS_rt_sigqueueinfo, me, SIGUSR1, &si), EPERM)));
	CHECK_ERRNO(sigqueue(1 << 29, SIGUSR1, (union sigval){0}), ESRCH);
	CHECK_ERRNO(sigqueue(getpid(), 65, (union sigval){0}), EINVAL);
	CHECK_OK(sigqueue(getpid(), 0, (union sigval){0}));
}

TEST_FORK(child_events)
{
	int s;
	catch(SIGCHLD, 0);
	pid_t pid = FORK(_exit(5));
	while (ngot < 1)
		usleep(1000);
	CHECK(got[0].si_code == CLD_EXITED && got[0].si_status == 5 && got[0].si_pid == pid && got[0].si_uid == getuid());
	CHECK_EXIT(pid, 5);
	catch(SIGCHLD, 0);
	pid = FORK(pause());
	kill(pid, SIGSTOP);
	while (ngot < 1)
		usleep(1000);
	CHECK(got[0].si_code == CLD_STOPPED && got[0].si_status == SIGSTOP);
	kill(pid, SIGCONT);
	while (ngot < 2)
		usleep(1000);
	CHECK(got[1].si_code == CLD_CONTINUED && got[1].si_status == SIGCONT);
	kill(pid, SIGTERM);
	while (ngot < 3)
		usleep(1000);
	CHECK(got[2].si_code == CLD_KILLED && got[2].si_status == SIGTERM);
	CHECK_EQ(waitpid(pid, &s, 0), pid);
	catch(SIGCHLD, SA_NOCLDSTOP);
	pid = FORK(pause());
	kill(pid, SIGSTOP);
	CHECK_EQ(waitpid(pid, &s, WUNTRACED), pid);
	kill(pid, SIGKILL);
	CHECK_EQ(waitpid(pid, &s, 0), pid);
	while (ngot < 1)
		usleep(1000);
	CHECK_EQ(got[0].si_code, CLD_KILLED);
}

TEST_FORK(realtime_queue)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN);
	sigaddset(&set, SIGRTMIN + 1);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	for (int i = 0; i < 10; i++) {
		CHECK_OK(sigqueue(getpid(), SIGRTMIN + 1, (union sigval){.sival_int = i}));
		CHECK_OK(sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_int = 100 + i}));
		CHECK_OK(sigqueue(getpid(), SIGUSR1, (union sigval){.sival_int = 200 + i}));
	}
	struct sigaction sa = {.sa_sigaction = note, .sa_flags = SA_SIGINFO};
	sigfillset(&sa.sa_mask);
	sigaction(SIGRTMIN, &sa, NULL);
	sigaction(SIGRTMIN + 1, &sa, NULL);
	sigaction(SIGUSR1, &sa, NULL);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	CHECK_EQ(ngot, 21);
	CHECK_EQ(got[0].si_value.sival_int, 200); /* the first of a standard signal stays */
	for (int i = 0; i < 10; i++) {
		CHECK_EQ(got[1 + i].si_value.sival_int, 100 + i);
		CHECK_EQ(got[11 + i].si_value.sival_int, i);
	}
	CHECK_EQ(SIGRTMIN, 34);
	CHECK_EQ(SIGRTMAX, 64);
}

TEST_FORK(queue_limit)
{
	struct rlimit l = {20, 20};
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN);
	sigprocmask(SIG_BLOCK, &set, NULL);
	if (geteuid() == 0)
		become(54321);
	CHECK_OK(setrlimit(RLIMIT_SIGPENDING, &l));
	int n = 0;
	while (n < 1000 && sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_int = n}) == 0)
		n++;
	CHECK_EQ(errno, EAGAIN);
	CHECK(n <= 20);
	CHECK_OK(kill(getpid(), SIGRTMIN)); /* kill is never refused */
}

TEST_FORK(alternate_stack)
{
	static char stack[65536];
	stack_t ss = {.ss_sp = stack, .ss_size = sizeof stack}, old;
	CHECK_OK(sigaltstack(&ss, &old));
	CHECK(old.ss_flags & SS_DISABLE);
	catch(SIGUSR1, SA_ONSTACK);
	raise(SIGUSR1);
	CHECK(sp_in >= stack && sp_in < stack + sizeof stack);
	catch(SIGUSR1, 0);
	raise(SIGUSR1);
	CHECK(!(sp_in >= stack && sp_in < stack + sizeof stack));
	CHECK_OK(sigaltstack(NULL, &old));
	CHECK(old.ss_sp == stack && old.ss_size == sizeof stack && old.ss_flags == 0);
	ss.ss_size = 100;
	CHECK_ERRNO(sigaltstack(&ss, NULL), ENOMEM);
	ss = (stack_t){.ss_sp = stack, .ss_size = sizeof stack, .ss_flags = 0x40};
	CHECK_ERRNO(sigaltstack(&ss, NULL), EINVAL);
	CHECK_ERRNO(sigaltstack((void *)8, NULL), EFAULT);
	ss.ss_flags = SS_DISABLE;
	CHECK_OK(sigaltstack(&ss, NULL));
	catch(SIGUSR1, SA_ONSTACK);
	raise(SIGUSR1);
	CHECK_EQ(ngot, 1);
}

static volatile int on_flags, change_err;
static void check_onstack(int s)
{
	stack_t o;
	(void)s;
	sigaltstack(NULL, &o);
	on_flags = o.ss_flags;
	o.ss_flags = 0;
	change_err = sigaltstack(&o, NULL) ? errno : 0;
}
static volatile int recursed;
static void overflow(int s)
{
	(void)s;
	recursed = 1;
	_exit(14);
}
static int eat(int n)
{
	volatile char b[4096];
	b[0] = n;
	return eat(n + 1) + b[0];
}

TEST_FORK(on_the_alternate_stack)
{
	static char stack[65536];
	stack_t ss = {.ss_sp = stack, .ss_size = sizeof stack};
	CHECK_OK(sigaltstack(&ss, NULL));
	struct sigaction sa = {.sa_handler = check_onstack, .sa_flags = SA_ONSTACK};
	sigaction(SIGUSR1, &sa, NULL);
	raise(SIGUSR1);
	CHECK_EQ(on_flags, SS_ONSTACK);
	CHECK_EQ(change_err, EPERM);
	/* What it is for: handling a stack overflow. */
	CHECK_EXIT(FORK({
		sa.sa_handler = overflow;
		sigaction(SIGSEGV, &sa, NULL);
		eat(0);
	}), 14);
	/* Without it the process dies. */
	CHECK_KILLED(FORK({
		struct rlimit none = {0, 0};
		setrlimit(RLIMIT_CORE, &none);
		ss.ss_flags = SS_DISABLE;
		sigaltstack(&ss, NULL);
		sa.sa_handler = overflow;
		sigaction(SIGSEGV, &sa, NULL);
		eat(0);
	}), SIGSEGV);
	JOIN(FORK(stack_t o; sigaltstack(NULL, &o); CHECK(o.ss_sp == stack))); /* fork keeps it */
}

TEST_FORK(context_of_handler)
{
	/* The frame carries the mask that was in force. */
	catch(SIGUSR1, 0);
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	sigprocmask(SIG_SETMASK, &set, NULL);
	raise(SIGUSR1);
	sigprocmask(SIG_BLOCK, NULL, &set);
	CHECK(sigismember(&set, SIGUSR2) && !sigismember(&set, SIGUSR1));
}
