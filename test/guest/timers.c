/* build: -lrt */
/* Interval timers, POSIX timers, timerfd, sleeping, clocks. */
#include "check.h"
#include <sys/timerfd.h>

static volatile int hits, last_overrun;
static siginfo_t info;
static timer_t tid;
static void on_sig(int s, siginfo_t *i, void *u)
{
	(void)s, (void)u;
	info = *i;
	hits++;
	if (i->si_code == SI_TIMER)
		last_overrun = timer_getoverrun(tid);
}
static void catch(int s)
{
	struct sigaction sa = {.sa_sigaction = on_sig, .sa_flags = SA_SIGINFO | SA_RESTART};
	CHECK_OK(sigaction(s, &sa, NULL));
	hits = 0;
}
static void spin_until(int n)
{
	while (hits < n)
		;
}
static void wait_until(int n)
{
	while (hits < n)
		usleep(1000);
}

TEST_FORK(real_interval)
{
	struct itimerval it = {{0, 10000}, {0, 20000}}, old;
	catch(SIGALRM);
	long long t0 = now_ms();
	CHECK_OK(setitimer(ITIMER_REAL, &it, NULL));
	CHECK_OK(getitimer(ITIMER_REAL, &old));
	CHECK(old.it_interval.tv_usec == 10000 && old.it_value.tv_usec > 0);
	wait_until(5);
	CHECK(now_ms() - t0 >= 58);
	CHECK_EQ(info.si_code, SI_KERNEL);
	it = (struct itimerval){0};
	CHECK_OK(setitimer(ITIMER_REAL, &it, &old));
	CHECK_EQ(old.it_interval.tv_usec, 10000);
	hits = 0;
	settle();
	CHECK_EQ(hits, 0);
	CHECK_EQ(alarm(100), 0);
	CHECK(alarm(0) >= 99);
	CHECK_ERRNO(setitimer(99, &it, NULL), EINVAL);
	it.it_value.tv_usec = 1000000;
	CHECK_ERRNO(setitimer(ITIMER_REAL, &it, NULL), EINVAL);
	CHECK_ERRNO(getitimer(ITIMER_REAL, (void *)8), EFAULT);
	JOIN(FORK(getitimer(ITIMER_REAL, &old); CHECK_EQ(old.it_value.tv_sec + old.it_value.tv_usec, 0)));
}

TEST_FORK(cpu_intervals)
{
	struct itimerval it = {{0, 0}, {0, 30000}};
	catch(SIGVTALRM);
	CHECK_OK(setitimer(ITIMER_VIRTUAL, &it, NULL));
	msleep(100);
	CHECK_EQ(hits, 0); /* no time is used while sleeping */
	spin_until(1);
	catch(SIGPROF);
	CHECK_OK(setitimer(ITIMER_PROF, &it, NULL));
	spin_until(1);
}

TEST_FORK(posix_signal)
{
	struct sigevent ev = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN, .sigev_value.sival_int = 77};
	struct itimerspec it = {{0, 10000000}, {0, 10000000}}, old;
	catch(SIGRTMIN);
	CHECK_OK(timer_create(CLOCK_MONOTONIC, &ev, &tid));
	CHECK_OK(timer_settime(tid, 0, &it, NULL));
	wait_until(3);
	CHECK(info.si_code == SI_TIMER && info.si_value.sival_int == 77);
	CHECK_OK(timer_gettime(tid, &old));
	CHECK_EQ(old.it_interval.tv_nsec, 10000000);
	/* While blocked, expirations are counted, not queued. */
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN);
	sigprocmask(SIG_BLOCK, &set, NULL);
	hits = 0;
	msleep(120);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	CHECK(hits >= 1);
	CHECK(hits <= 2);
	CHECK(last_overrun >= 0);
	it = (struct itimerspec){0};
	CHECK_OK(timer_settime(tid, 0, &it, &old));
	CHECK_OK(timer_delete(tid));
	CHECK_ERRNO(timer_delete(tid), EINVAL);
	CHECK_ERRNO(timer_gettime(tid, &old), EINVAL);
	/* An absolute time that has passed fires at once. */
	CHECK_OK(timer_create(CLOCK_REALTIME, &ev, &tid));
	hits = 0;
	it.it_value.tv_sec = 1000;
	CHECK_OK(timer_settime(tid, TIMER_ABSTIME, &it, NULL));
	wait_until(1);
	it.it_value.tv_nsec = -1;
	CHECK_ERRNO(timer_settime(tid, 0, &it, NULL), EINVAL);
	CHECK_OK(timer_delete(tid));
	CHECK_ERRNO(timer_create(99, &ev, &tid), EINVAL);
	ev.sigev_signo = 99;
	CHECK_ERRNO(timer_create(CLOCK_MONOTONIC, &ev, &tid), EINVAL);
}

TEST_FORK(posix_overrun)
{
	struct sigevent ev = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
	struct itimerspec it = {{0, 1000000}, {0, 1000000}};
	sigset_t set;
	siginfo_t si;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	CHECK_OK(timer_create(CLOCK_MONOTONIC, &ev, &tid));
	CHECK_OK(timer_settime(tid, 0, &it, NULL));
	msleep(50);
	CHECK_EQ(sigwaitinfo(&set, &si), SIGUSR1);
	CHECK(si.si_overrun >= 30);
	CHECK(timer_getoverrun(tid) >= 30);
	CHECK_OK(timer_delete(tid));
}

TEST_FORK(posix_thread_and_none)
{
	struct sigevent ev = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGUSR2};
	struct itimerspec it = {{0, 0}, {0, 10000000}}, now;
	ev._sigev_un._tid = gettid();
	catch(SIGUSR2);
	CHECK_OK(timer_create(CLOCK_MONOTONIC, &ev, &tid));
	CHECK_OK(timer_settime(tid, 0, &it, NULL));
	wait_until(1);
	CHECK_OK(timer_gettime(tid, &now));
	CHECK_EQ(now.it_value.tv_sec + now.it_value.tv_nsec, 0);
	CHECK_OK(timer_delete(tid));
	ev._sigev_un._tid = 1 << 29;
	CHECK_ERRNO(timer_create(CLOCK_MONOTONIC, &ev, &tid), EINVAL);
	ev = (struct sigevent){.sigev_notify = SIGEV_NONE};
	it.it_value.tv_sec = 100;
	CHECK_OK(timer_create(CLOCK_BOOTTIME, &ev, &tid));
	CHECK_OK(timer_settime(tid, 0, &it, NULL));
	CHECK_OK(timer_gettime(tid, &now));
	CHECK(now.it_value.tv_sec >= 99);
	CHECK_OK(timer_delete(tid));
	/* The default event is SIGALRM with the timer's id as its value. */
	catch(SIGALRM);
	it.it_value = (struct timespec){0, 1000000};
	CHECK_OK(timer_create(CLOCK_MONOTONIC, NULL, &tid));
	CHECK_OK(timer_settime(tid, 0, &it, NULL));
	wait_until(1);
	CHECK_OK(timer_delete(tid));
	/* On the process's own time. */
	ev = (struct sigevent){.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR2};
	catch(SIGUSR2);
	it.it_value = (struct timespec){0, 20000000};
	CHECK_OK(timer_create(CLOCK_PROCESS_CPUTIME_ID, &ev, &tid));
	CHECK_OK(timer_settime(tid, 0, &it, NULL));
	spin_until(1);
	CHECK_OK(timer_delete(tid));
}

TEST(descriptor)
{
	uint64_t n;
	struct itimerspec it = {{0, 0}, {0, 20000000}}, old;
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	CHECK(fd >= 0);
	struct pollfd p = {fd, POLLIN, 0};
	CHECK_ERRNO(read(fd, &n, 8), EAGAIN);
	CHECK_OK(timerfd_settime(fd, 0, &it, NULL));
	CHECK_EQ(poll(&p, 1, 0), 0);
	CHECK_EQ(poll(&p, 1, 5000), 1);
	CHECK_ERRNO(read(fd, &n, 4), EINVAL);
	CHECK_EQ(read(fd, &n, 8), 8);
	CHECK_EQ(n, 1);
	CHECK_ERRNO(read(fd, &n, 8), EAGAIN);
	it.it_interval.tv_nsec = 5000000;
	CHECK_OK(timerfd_settime(fd, 0, &it, NULL));
	msleep(100);
	CHECK_EQ(read(fd, &n, 8), 8);
	CHECK(n >= 10);
	CHECK_OK(timerfd_gettime(fd, &old));
	CHECK_EQ(old.it_interval.tv_nsec, 5000000);
	it = (struct itimerspec){0};
	CHECK_OK(timerfd_settime(fd, 0, &it, &old)); /* disarms */
	CHECK_OK(timerfd_gettime(fd, &old));
	CHECK_EQ(old.it_value.tv_nsec, 0);
	CHECK_OK(fcntl(fd, F_SETFL, 0));
	clock_gettime(CLOCK_MONOTONIC, &it.it_value);
	CHECK_OK(timerfd_settime(fd, TFD_TIMER_ABSTIME, &it, NULL)); /* already past */
	CHECK_EQ(read(fd, &n, 8), 8);
	CHECK_EQ(n, 1);
	it.it_value.tv_nsec = 1000000000;
	CHECK_ERRNO(timerfd_settime(fd, 0, &it, NULL), EINVAL);
	CHECK_ERRNO(timerfd_settime(0, 0, &old, NULL), EINVAL);
	CHECK_ERRNO(timerfd_settime(-1, 0, &old, NULL), EBADF);
	CHECK_ERRNO(timerfd_create(99, 0), EINVAL);
	CHECK_ERRNO(timerfd_create(CLOCK_MONOTONIC, 0x4), EINVAL);
	CHECK_ERRNO(write(fd, &n, 8), EINVAL);
	close(fd);
	/* Cancel-on-set is accepted for the real clock. */
	fd = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK);
	clock_gettime(CLOCK_REALTIME, &old.it_value);
	old.it_value.tv_sec += 100;
	old.it_interval = (struct timespec){0, 0};
	CHECK_OK(timerfd_settime(fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &old, NULL));
	CHECK_ERRNO(read(fd, &n, 8), EAGAIN);
	close(fd);
}

TEST(sleeping)
{
	struct timespec t = {0, 30000000}, bad = {0, 1000000000}, abs;
	long long t0 = now_ms();
	CHECK_OK(nanosleep(&t, NULL));
	CHECK(now_ms() - t0 >= 29);
	clock_gettime(CLOCK_MONOTONIC, &abs);
	abs.tv_nsec += 30000000;
	if (abs.tv_nsec >= 1000000000)
		abs.tv_sec++, abs.tv_nsec -= 1000000000;
	t0 = now_ms();
	CHECK_RET(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &abs, NULL), 0);
	CHECK(now_ms() - t0 >= 29);
	CHECK_RET(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &abs, NULL), 0); /* past */
	abs = (struct timespec){1000, 0};
	CHECK_RET(clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &abs, NULL), 0);
	CHECK_ERRNO(nanosleep(&bad, NULL), EINVAL);
	bad.tv_nsec = -1;
	CHECK_ERRNO(nanosleep(&bad, NULL), EINVAL);
	CHECK_ERRNO(syscall(SYS_nanosleep, 8, NULL), EFAULT);
	CHECK_RET(clock_nanosleep(CLOCK_THREAD_CPUTIME_ID, 0, &t, NULL), EINVAL);
	CHECK_RET(clock_nanosleep(99, 0, &t, NULL), EINVAL);
}

TEST(clocks)
{
	static const clockid_t ids[] = {CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID,
					CLOCK_MONOTONIC_RAW, CLOCK_REALTIME_COARSE, CLOCK_MONOTONIC_COARSE, CLOCK_BOOTTIME, CLOCK_TAI};
	struct timespec a, b;
	for (size_t i = 0; i < LEN(ids); i++) {
		CHECK_OK(clock_gettime(ids[i], &a));
		CHECK_OK(syscall(SYS_clock_gettime, ids[i], &b)); /* the call, not the vDSO */
		CHECK(b.tv_sec > a.tv_sec || (b.tv_sec == a.tv_sec && b.tv_nsec >= a.tv_nsec) || i == 0);
		CHECK(b.tv_sec - a.tv_sec < 60);
		CHECK_OK(clock_getres(ids[i], &a));
		CHECK(a.tv_sec == 0 && a.tv_nsec >= 1 && a.tv_nsec <= 10000000);
	}
	CHECK_ERRNO(clock_gettime(99, &a), EINVAL);
	CHECK_ERRNO(clock_getres(99, &a), EINVAL);
	CHECK_ERRNO(syscall(SYS_clock_gettime, CLOCK_REALTIME, 8), EFAULT);
	struct timeval tv;
	CHECK_OK(gettimeofday(&tv, NULL));
	time_t t = time(NULL);
	CHECK(t - tv.tv_sec >= 0 && t - tv.tv_sec < 60);
	CHECK(syscall(SYS_time, NULL) - t < 60);
	if (geteuid() != 0 || under_sentinel()) {
		/* Nobody in the sandbox sets the host's clock. */
		CHECK_ERRNO(clock_settime(CLOCK_REALTIME, &a), EPERM);
	}
	CHECK_ERRNO(clock_settime(CLOCK_MONOTONIC, &a), EINVAL);
}
