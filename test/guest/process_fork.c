/* build: */
/* fork, vfork, clone, clone3, exit codes, orphans, subreapers, wait4 and waitid. */
#include "check.h"
#include <linux/sched.h>
#include <sched.h>
#include <spawn.h>
#include <sys/prctl.h>

extern char **environ;

TEST(exit_codes)
{
	CHECK_EXIT(FORK(_exit(0)), 0);
	CHECK_EXIT(FORK(_exit(7)), 7);
	CHECK_EXIT(FORK(_exit(256 + 9)), 9);
	CHECK_EXIT(FORK(_exit(-1)), 255);
	CHECK_KILLED(FORK(kill(getpid(), SIGTERM)), SIGTERM);
	CHECK_KILLED(FORK(raise(SIGKILL)), SIGKILL);
	CHECK_KILLED(FORK(signal(SIGABRT, SIG_DFL); abort()), SIGABRT);
}

TEST(copies)
{
	int local = 1, p[2];
	char c;
	CHECK_OK(pipe(p));
	pid_t me = getpid();
	pid_t pid = FORK({
		CHECK_EQ(getppid(), me);
		CHECK(getpid() != me);
		CHECK_EQ(gettid(), getpid());
		local = 2;
		CHECK_EQ(write(p[1], "x", 1), 1);
	});
	JOIN(pid);
	CHECK_EQ(local, 1);
	CHECK_EQ(read(p[0], &c, 1), 1);
	close(p[0]), close(p[1]);
	/* Pending signals and alarms are not inherited. */
	alarm(100);
	JOIN(FORK(CHECK_EQ(alarm(0), 0)));
	CHECK(alarm(0) > 0);
	/* A deep chain, and many children at once. */
	pid = FORK({
		for (int i = 0; i < 20; i++) {
			pid_t k = fork();
			if (k) {
				JOIN(k);
				_exit(0);
			}
		}
	});
	JOIN(pid);
	pid_t kids[50];
	for (int i = 0; i < 50; i++)
		kids[i] = FORK(_exit(i));
	for (int i = 49; i >= 0; i--)
		CHECK_EXIT(kids[i], i);
}

TEST(vforking)
{
	volatile int shared = 1;
	pid_t pid = vfork();
	if (pid == 0) {
		shared = 2; /* in the parent's memory */
		_exit(3);
	}
	CHECK_EQ(shared, 2);
	CHECK_EXIT(pid, 3);
	char *argv[] = {"sh", "-c", "exit 5", NULL};
	CHECK_RET(posix_spawn(&pid, "/bin/sh", NULL, NULL, argv, environ), 0);
	CHECK_EXIT(pid, 5);
	CHECK_RET(posix_spawn(&pid, "/none", NULL, NULL, argv, environ), ENOENT);
	CHECK_EXIT(system("exit 4") >> 8 == 4 ? FORK(_exit(4)) : -1, 4);
	FILE *f = popen("echo out; exit 6", "r");
	char b[16];
	CHECK(f && fgets(b, sizeof b, f));
	CHECK_STR(b, "out\n");
	CHECK_EQ(pclose(f), EXITED(6));
}

static int thread_like(void *arg)
{
	*(int *)arg = 42;
	return 9;
}

TEST(cloning)
{
	static char stack[65536] __attribute__((aligned(16)));
	int value = 0, tid = 0;
	pid_t pid = clone(thread_like, stack + sizeof stack, CLONE_VM | CLONE_VFORK | SIGCHLD, &value);
	CHECK(pid > 0);
	CHECK_EQ(value, 42);
	CHECK_EXIT(pid, 9);
	pid = clone(thread_like, stack + sizeof stack, SIGCHLD | CLONE_PARENT_SETTID, &value, &tid);
	CHECK_EQ(tid, pid);
	CHECK_EXIT(pid, 9);
	/* No exit signal: only __WCLONE or __WALL waits for it. */
	pid = clone(thread_like, stack + sizeof stack, 0, &value);
	CHECK(pid > 0);
	int s;
	CHECK_ERRNO(waitpid(pid, &s, 0), ECHILD);
	CHECK_EQ(waitpid(pid, &s, __WCLONE), pid);
	CHECK_ERRNO(syscall(SYS_clone, CLONE_THREAD | SIGCHLD, 0, 0, 0, 0), EINVAL);
	CHECK_ERRNO(syscall(SYS_clone, CLONE_SIGHAND, 0, 0, 0, 0), EINVAL);
	CHECK_ERRNO(syscall(SYS_clone, CLONE_FS | CLONE_NEWNS, 0, 0, 0, 0), EINVAL);
}

TEST(clone_three)
{
	int pidfd = -1;
	pid_t tid = 0;
	struct clone_args a = {.flags = CLONE_PIDFD | CLONE_PARENT_SETTID,
			       .pidfd = (uintptr_t)&pidfd,
			       .parent_tid = (uintptr_t)&tid,
			       .exit_signal = SIGCHLD};
	pid_t pid = syscall(SYS_clone3, &a, sizeof a);
	if (pid == 0)
		_exit(11);
	CHECK(pid > 0);
	CHECK_EQ(tid, pid);
	CHECK(pidfd >= 0);
	CHECK_EQ(fcntl(pidfd, F_GETFD), FD_CLOEXEC);
	siginfo_t si;
	CHECK_OK(waitid(P_PIDFD, pidfd, &si, WEXITED));
	CHECK_EQ(si.si_status, 11);
	close(pidfd);
	struct {
		struct clone_args a;
		uint64_t more;
	} big = {{.exit_signal = SIGCHLD}, 1};
	CHECK_ERRNO(syscall(SYS_clone3, &big, sizeof big), E2BIG);
	CHECK_ERRNO(syscall(SYS_clone3, &a, 8), EINVAL);
	a.exit_signal = 1000;
	CHECK_ERRNO(syscall(SYS_clone3, &a, sizeof a), EINVAL);
	/* Signals with handlers go back to default, ignored ones stay. */
	a = (struct clone_args){.flags = CLONE_CLEAR_SIGHAND, .exit_signal = SIGCHLD};
	signal(SIGUSR1, (void (*)(int))exit);
	signal(SIGUSR2, SIG_IGN);
	pid = syscall(SYS_clone3, &a, sizeof a);
	if (pid == 0) {
		struct sigaction sa;
		sigaction(SIGUSR1, NULL, &sa);
		CHECK(sa.sa_handler == SIG_DFL);
		sigaction(SIGUSR2, NULL, &sa);
		CHECK(sa.sa_handler == SIG_IGN);
		_exit(0);
	}
	JOIN(pid);
	signal(SIGUSR1, SIG_DFL);
	signal(SIGUSR2, SIG_DFL);
}

TEST(waiting)
{
	int s;
	siginfo_t si;
	struct rusage ru;
	CHECK_ERRNO(wait(&s), ECHILD);
	CHECK_ERRNO(waitpid(-1, &s, WNOHANG), ECHILD);
	CHECK_ERRNO(waitpid(getpid(), &s, 0), ECHILD);
	int p[2];
	CHECK_OK(pipe(p));
	pid_t pid = FORK(char c; close(p[1]); CHECK_EQ(read(p[0], &c, 1), 0); _exit(3));
	CHECK_EQ(waitpid(pid, &s, WNOHANG), 0);
	si.si_pid = 99;
	CHECK_OK(waitid(P_PID, pid, &si, WEXITED | WNOHANG));
	CHECK_EQ(si.si_pid, 0);
	CHECK_ERRNO(waitid(P_PID, pid, &si, 0), EINVAL);
	CHECK_ERRNO(waitid(77, pid, &si, WEXITED), EINVAL);
	CHECK_ERRNO(waitpid(pid, &s, 0x100), EINVAL);
	close(p[1]);
	CHECK_OK(waitid(P_PID, pid, &si, WEXITED | WNOWAIT));
	CHECK_EQ(si.si_pid, pid);
	CHECK_EQ(si.si_signo, SIGCHLD);
	CHECK_EQ(si.si_code, CLD_EXITED);
	CHECK_EQ(si.si_status, 3);
	CHECK_EQ(si.si_uid, getuid());
	CHECK_EQ(wait4(pid, &s, 0, &ru), pid); /* WNOWAIT left it */
	CHECK_EQ(s, EXITED(3));
	CHECK_ERRNO(waitpid(pid, &s, 0), ECHILD);
	close(p[0]);
	pid = FORK(pause());
	CHECK_OK(kill(pid, SIGUSR1));
	CHECK_OK(waitid(P_ALL, 0, &si, WEXITED));
	CHECK_EQ(si.si_code, CLD_KILLED);
	CHECK_EQ(si.si_status, SIGUSR1);
	/* By group. */
	pid = FORK(setpgid(0, 0); _exit(8));
	pid_t other = FORK(pause());
	setpgid(pid, pid);
	CHECK_EQ(waitpid(-pid, &s, 0), pid);
	CHECK_EQ(s, EXITED(8));
	CHECK_EQ(waitpid(0, &s, WNOHANG), 0); /* only its own group */
	kill(other, SIGKILL);
	CHECK_EQ(waitpid(0, &s, 0), other);
	CHECK_ERRNO(waitpid(INT_MIN, &s, 0), ESRCH);
	/* Stopped and continued children. */
	pid = FORK(pause());
	kill(pid, SIGSTOP);
	CHECK_EQ(waitpid(pid, &s, WUNTRACED), pid);
	CHECK(WIFSTOPPED(s) && WSTOPSIG(s) == SIGSTOP);
	CHECK_EQ(waitpid(pid, &s, WUNTRACED | WNOHANG), 0); /* reported once */
	kill(pid, SIGCONT);
	CHECK_OK(waitid(P_PID, pid, &si, WCONTINUED));
	CHECK_EQ(si.si_code, CLD_CONTINUED);
	CHECK_EQ(si.si_status, SIGCONT);
	kill(pid, SIGSTOP);
	CHECK_OK(waitid(P_PID, pid, &si, WSTOPPED));
	CHECK_EQ(si.si_code, CLD_STOPPED);
	kill(pid, SIGKILL); /* kills a stopped process */
	CHECK_EQ(waitpid(pid, &s, 0), pid);
	CHECK_EQ(WTERMSIG(s), SIGKILL);
}

TEST(ignored_children)
{
	int s;
	signal(SIGCHLD, SIG_IGN);
	pid_t pid = FORK(_exit(1));
	CHECK_ERRNO(waitpid(pid, &s, 0), ECHILD); /* waits, then finds none */
	signal(SIGCHLD, SIG_DFL);
	struct sigaction sa = {.sa_handler = SIG_DFL, .sa_flags = SA_NOCLDWAIT}, old;
	sigaction(SIGCHLD, &sa, &old);
	pid = FORK(_exit(1));
	CHECK_ERRNO(waitpid(-1, &s, 0), ECHILD);
	sigaction(SIGCHLD, &old, NULL);
}

TEST(orphans)
{
	int p[2];
	pid_t got[2];
	CHECK_OK(prctl(PR_SET_CHILD_SUBREAPER, 1));
	int v = 0;
	CHECK_OK(prctl(PR_GET_CHILD_SUBREAPER, &v));
	CHECK_EQ(v, 1);
	CHECK_OK(pipe(p));
	pid_t mid = FORK({
		pid_t me = getpid();
		pid_t kid = fork();
		if (kid == 0) {
			while (getppid() == me)
				msleep(1);
			pid_t who[2] = {getpid(), getppid()};
			CHECK_EQ(write(p[1], who, sizeof who), sizeof who);
			_exit(21);
		}
	});
	JOIN(mid);
	CHECK_EQ(read(p[0], got, sizeof got), sizeof got);
	CHECK_EQ(got[1], getpid());
	CHECK_EXIT(got[0], 21);
	CHECK_OK(prctl(PR_SET_CHILD_SUBREAPER, 0));
	close(p[0]), close(p[1]);
}

TEST(child_times)
{
	struct rusage a, b;
	CHECK_OK(getrusage(RUSAGE_CHILDREN, &a));
	pid_t pid = FORK({
		for (clock_t e = clock() + CLOCKS_PER_SEC / 10; clock() < e;)
			;
	});
	JOIN(pid);
	CHECK_OK(getrusage(RUSAGE_CHILDREN, &b));
	long us = (b.ru_utime.tv_sec - a.ru_utime.tv_sec) * 1000000 + b.ru_utime.tv_usec - a.ru_utime.tv_usec +
		  (b.ru_stime.tv_sec - a.ru_stime.tv_sec) * 1000000 + b.ru_stime.tv_usec - a.ru_stime.tv_usec;
	CHECK(us >= 50000);
	CHECK(b.ru_maxrss > 0);
}

#define BIG (24 << 20)

static void use_memory(void)
{
	char *p = mmap(0, BIG, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(p != MAP_FAILED);
	memset(p, 1, BIG);
	CHECK_OK(munmap(p, BIG));
}

static long peak_of(pid_t pid)
{
	struct rusage r;
	int st;
	CHECK_RET(wait4(pid, &st, 0, &r), pid);
	CHECK(WIFEXITED(st) || WIFSIGNALED(st));
	return r.ru_maxrss;
}

/* The most that the process had, in KiB, whatever became of it. The kernel counts
 * pages by the batch, so few are none. */
TEST_FORK(child_peak)
{
	struct rusage c;
	CHECK(peak_of(FORK({})) < BIG / 2048);
	CHECK_OK(getrusage(RUSAGE_CHILDREN, &c));
	CHECK(c.ru_maxrss < BIG / 2048);
	CHECK(peak_of(FORK({ use_memory(); })) >= BIG / 1024 * 3 / 4);
	CHECK(peak_of(FORK({ use_memory(); execl("/bin/true", "true", (char *)0); })) >= BIG / 1024 * 3 / 4);
	CHECK(peak_of(FORK({ use_memory(); raise(SIGKILL); })) >= BIG / 1024 * 3 / 4);
	CHECK(peak_of(FORK({})) < BIG / 2048);
	CHECK_OK(getrusage(RUSAGE_CHILDREN, &c));
	CHECK(c.ru_maxrss >= BIG / 1024 * 3 / 4);
}
