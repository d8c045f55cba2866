/* build: */
/* prctl, resource limits, priorities, affinity, times, personality. */
#include "check.h"
#include <sched.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/times.h>

TEST(names)
{
	char n[17] = {0};
	CHECK_OK(prctl(PR_SET_NAME, "a-name-that-is-too-long"));
	CHECK_OK(prctl(PR_GET_NAME, n));
	CHECK_STR(n, "a-name-that-is-");
	CHECK_STR(get("/proc/self/comm"), "a-name-that-is-\n");
	CHECK_OK(prctl(PR_SET_NAME, "short"));
	JOIN(FORK(CHECK_OK(prctl(PR_GET_NAME, n)); CHECK_STR(n, "short")));
	CHECK_ERRNO(prctl(PR_SET_NAME, 1), EFAULT);
	CHECK_ERRNO(prctl(12345), EINVAL);
}

TEST(attributes)
{
	CHECK_EQ(prctl(PR_GET_DUMPABLE), 1);
	CHECK_OK(prctl(PR_SET_DUMPABLE, 0));
	CHECK_EQ(prctl(PR_GET_DUMPABLE), 0);
	CHECK_ERRNO(prctl(PR_SET_DUMPABLE, 2), EINVAL);
	CHECK_OK(prctl(PR_SET_DUMPABLE, 1));
	CHECK_EQ(prctl(PR_GET_KEEPCAPS), 0);
	CHECK_EQ(prctl(PR_GET_SECCOMP), 0);
	CHECK_EQ(prctl(PR_GET_TIMERSLACK), 50000);
	CHECK_OK(prctl(PR_SET_TIMERSLACK, 1000));
	CHECK_EQ(prctl(PR_GET_TIMERSLACK), 1000);
	CHECK_OK(prctl(PR_SET_TIMERSLACK, 0));
	CHECK_EQ(prctl(PR_CAPBSET_READ, 0), geteuid() == 0 ? 1 : prctl(PR_CAPBSET_READ, 0));
	CHECK_ERRNO(prctl(PR_CAPBSET_READ, 1000), EINVAL);
	CHECK_EQ((int)personality(0xffffffff), PER_LINUX);
}

TEST(limits)
{
	struct rlimit l, m;
	for (int r = 0; r < RLIM_NLIMITS; r++) {
		CHECK_OK(getrlimit(r, &l));
		CHECK(l.rlim_cur <= l.rlim_max);
	}
	CHECK_ERRNO(getrlimit(RLIM_NLIMITS, &l), EINVAL);
	CHECK_ERRNO(setrlimit(-1, &l), EINVAL);
	CHECK_ERRNO(syscall(SYS_getrlimit, 0, 1), EFAULT);
	CHECK_OK(getrlimit(RLIMIT_NOFILE, &l));
	m = (struct rlimit){l.rlim_max, l.rlim_max - 1};
	CHECK_ERRNO(setrlimit(RLIMIT_NOFILE, &m), EINVAL);
	JOIN(FORK({
		m = (struct rlimit){100, 200};
		CHECK_OK(setrlimit(RLIMIT_NOFILE, &m));
		CHECK_OK(prlimit(0, RLIMIT_NOFILE, NULL, &m));
		CHECK(m.rlim_cur == 100 && m.rlim_max == 200);
		JOIN(FORK(CHECK_OK(getrlimit(RLIMIT_NOFILE, &m)); CHECK_EQ(m.rlim_cur, 100)));
		if (geteuid() == 0)
			become(1234);
		m = (struct rlimit){100, 201};
		CHECK_ERRNO(setrlimit(RLIMIT_NOFILE, &m), EPERM);
		m = (struct rlimit){150, 150};
		CHECK_OK(setrlimit(RLIMIT_NOFILE, &m));
		struct rlimit n = {80, 90};
		CHECK_OK(prlimit(getpid(), RLIMIT_NOFILE, &n, &m));
		CHECK_EQ(m.rlim_cur, 150);
	}));
	int p[2];
	CHECK_OK(pipe(p));
	pid_t kid = FORK(char c; read(p[0], &c, 1));
	m = (struct rlimit){33, 44};
	CHECK_OK(prlimit(kid, RLIMIT_NOFILE, &m, NULL));
	CHECK_OK(prlimit(kid, RLIMIT_NOFILE, NULL, &l));
	CHECK_EQ(l.rlim_cur, 33);
	CHECK_EQ(write(p[1], "x", 1), 1);
	JOIN(kid);
	CHECK_ERRNO(prlimit(1 << 29, RLIMIT_NOFILE, NULL, &l), ESRCH);
	close(p[0]), close(p[1]);
}

TEST_FORK(cpu_limit)
{
	pid_t kid = FORK({
		struct rlimit l = {1, 3}, none = {0, 0};
		setrlimit(RLIMIT_CORE, &none);
		CHECK_OK(setrlimit(RLIMIT_CPU, &l));
		for (;;)
			;
	});
	CHECK_KILLED(kid, SIGXCPU);
}

TEST_FORK(priorities)
{
	errno = 0;
	CHECK_EQ(getpriority(PRIO_PROCESS, 0), 0);
	CHECK_OK(setpriority(PRIO_PROCESS, 0, 5));
	CHECK_EQ(getpriority(PRIO_PROCESS, 0), 5);
	CHECK_EQ(nice(3), 8);
	CHECK_EQ(nice(100), 19);
	JOIN(FORK(CHECK_EQ(getpriority(PRIO_PROCESS, 0), 19)));
	CHECK_ERRNO(getpriority(99, 0), EINVAL);
	CHECK_ERRNO(getpriority(PRIO_PROCESS, 1 << 29), ESRCH);
	if (geteuid() == 0)
		become(1234);
	CHECK_ERRNO(setpriority(PRIO_PROCESS, 0, -5), EACCES);
	CHECK_EQ(sched_getscheduler(0), SCHED_OTHER);
	CHECK_EQ(sched_get_priority_max(SCHED_FIFO), 99);
	CHECK_EQ(sched_get_priority_min(SCHED_FIFO), 1);
	CHECK_EQ(sched_get_priority_max(SCHED_OTHER), 0);
	CHECK_ERRNO(sched_get_priority_max(77), EINVAL);
	struct sched_param sp = {0};
	CHECK_OK(sched_getparam(0, &sp));
	CHECK_OK(sched_setscheduler(0, SCHED_BATCH, &sp));
	CHECK_EQ(sched_getscheduler(0), SCHED_BATCH);
	sp.sched_priority = 5;
	CHECK_ERRNO(sched_setscheduler(0, SCHED_OTHER, &sp), EINVAL);
	CHECK_OK(sched_yield());
}

TEST_FORK(affinity)
{
	cpu_set_t set, one;
	CHECK_OK(sched_getaffinity(0, sizeof set, &set));
	CHECK(CPU_COUNT(&set) >= 1);
	CHECK_EQ(sysconf(_SC_NPROCESSORS_ONLN) >= CPU_COUNT(&set), 1);
	CPU_ZERO(&one);
	for (int i = 0; i < CPU_SETSIZE; i++)
		if (CPU_ISSET(i, &set)) {
			CPU_SET(i, &one);
			break;
		}
	CHECK_OK(sched_setaffinity(0, sizeof one, &one));
	CHECK_OK(sched_getaffinity(0, sizeof set, &set));
	CHECK(CPU_EQUAL(&set, &one));
	CHECK(CPU_ISSET(sched_getcpu(), &one));
	JOIN(FORK(sched_getaffinity(0, sizeof set, &set); CHECK(CPU_EQUAL(&set, &one))));
	CPU_ZERO(&one);
	CHECK_ERRNO(sched_setaffinity(0, sizeof one, &one), EINVAL);
	CHECK_ERRNO(sched_getaffinity(1 << 29, sizeof one, &one), ESRCH);
	CHECK_ERRNO(syscall(SYS_sched_getaffinity, 0, 1, &one), EINVAL);
}

TEST(times_add_up)
{
	struct rusage ru;
	struct timespec ts, th;
	struct tms t;
	for (clock_t e = clock() + CLOCKS_PER_SEC / 5; clock() < e;)
		;
	CHECK_OK(getrusage(RUSAGE_SELF, &ru));
	long us = (ru.ru_utime.tv_sec + ru.ru_stime.tv_sec) * 1000000 + ru.ru_utime.tv_usec + ru.ru_stime.tv_usec;
	CHECK(us >= 150000);
	CHECK_OK(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts));
	CHECK(ts.tv_sec * 1000000 + ts.tv_nsec / 1000 >= 150000);
	CHECK_OK(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &th));
	CHECK(th.tv_sec * 1000000 + th.tv_nsec / 1000 >= 150000);
	CHECK(times(&t) != -1);
	CHECK(t.tms_utime + t.tms_stime >= 15);
	CHECK(ru.ru_maxrss > 100);
	CHECK_OK(getrusage(RUSAGE_THREAD, &ru));
	CHECK_ERRNO(getrusage(99, &ru), EINVAL);
	CHECK_ERRNO(syscall(SYS_getrusage, RUSAGE_SELF, 1), EFAULT);
	clockid_t c;
	CHECK_RET(clock_getcpuclockid(0, &c), 0);
	CHECK_OK(clock_gettime(c, &ts));
	CHECK(sysconf(_SC_CLK_TCK) == 100);
}
