/* build: -pthread */
/* Process life under load: chains, orphans, signals between children, pipelines. */
#include "check.h"
#include <pthread.h>
#include <sys/prctl.h>

TEST(orphans_get_another_parent)
{
	int p[2];
	pid_t who[2];
	CHECK_OK(pipe(p));
	JOIN(FORK({
		pid_t me = getpid();
		if (fork() == 0) {
			while (getppid() == me)
				msleep(1);
			pid_t r[2] = {me, getppid()};
			write(p[1], r, sizeof r);
			_exit(0);
		}
	}));
	CHECK_EQ(read(p[0], who, sizeof who), sizeof who);
	CHECK(who[1] != who[0]); /* init, which under Sentinel is this program */
	close(p[0]), close(p[1]);
}

TEST(pipeline_of_processes)
{
	/* Twenty processes in a row each add one. */
	enum { N = 20 };
	int in, p[2];
	pid_t k[N];
	CHECK_OK(pipe(p));
	int first = p[1];
	in = p[0];
	for (int i = 0; i < N; i++) {
		CHECK_OK(pipe(p));
		k[i] = FORK({
			int v;
			close(first), close(p[0]);
			while (read(in, &v, sizeof v) == sizeof v) {
				v++;
				write(p[1], &v, sizeof v);
			}
		});
		close(in), close(p[1]);
		in = p[0];
	}
	for (int n = 0; n < 50; n++) {
		int v = n;
		CHECK_EQ(write(first, &v, sizeof v), sizeof v);
		CHECK_EQ(read(in, &v, sizeof v), sizeof v);
		CHECK_EQ(v, n + N);
	}
	close(first), close(in);
	for (int i = 0; i < N; i++)
		JOIN(k[i]);
}

static volatile int pings;
static void on_ping(int s) { (void)s, pings++; }

TEST_FORK(ping_pong_by_signal)
{
	sigset_t s, old;
	struct sigaction sa = {.sa_handler = on_ping};
	sigaction(SIGUSR1, &sa, NULL);
	sigemptyset(&s);
	sigaddset(&s, SIGUSR1);
	sigprocmask(SIG_BLOCK, &s, &old);
	pid_t me = getpid(), kid = FORK({
		for (int i = 0; i < 200; i++) {
			while (pings <= i)
				sigsuspend(&old);
			kill(me, SIGUSR1);
		}
	});
	for (int i = 0; i < 200; i++) {
		kill(kid, SIGUSR1);
		while (pings <= i)
			sigsuspend(&old);
	}
	JOIN(kid);
}

TEST(kill_at_any_moment)
{
	/* A child that forks, execs and writes is killed at odd times; nothing sticks. */
	for (int i = 0; i < 25; i++) {
		pid_t kid = FORK({
			setpgid(0, 0);
			for (;;) {
				pid_t g = fork();
				if (g == 0) {
					execl("/bin/true", "true", NULL);
					_exit(1);
				}
				int s;
				waitpid(g, &s, 0);
			}
		});
		setpgid(kid, kid);
		usleep(i * 700);
		CHECK_OK(kill(-kid, SIGKILL));
		CHECK_KILLED(kid, SIGKILL);
	}
}

static void *exits(void *a)
{
	usleep((intptr_t)a * 100);
	_exit(33);
}
static void *execs(void *a)
{
	usleep((intptr_t)a * 100);
	execl("/bin/sh", "sh", "-c", "exit 34", NULL);
	return NULL;
}

TEST(exits_and_execs_race)
{
	for (int i = 0; i < 20; i++) {
		pid_t kid = FORK({
			pthread_t t;
			for (intptr_t k = 0; k < 6; k++)
				pthread_create(&t, NULL, k & 1 ? exits : execs, (void *)k);
			pause();
		});
		int s = STATUS(kid);
		CHECK(s == EXITED(33) || s == EXITED(34));
	}
}

TEST_FORK(zombies_wait)
{
	pid_t k[100];
	for (int i = 0; i < 100; i++)
		k[i] = FORK(_exit(i));
	siginfo_t si;
	for (int i = 0; i < 100; i++) {
		CHECK_OK(waitid(P_PID, k[i], &si, WEXITED | WNOWAIT));
		CHECK_EQ(si.si_status, i);
	}
	for (int i = 0; i < 100; i++)
		CHECK_EXIT(k[i], i);
	CHECK_ERRNO(waitid(P_ALL, 0, &si, WEXITED), ECHILD);
	pid_t g = FORK(setpgid(0, 0); _exit(3));
	setpgid(g, g);
	CHECK_OK(waitid(P_PGID, g, &si, WEXITED));
	CHECK_EQ(si.si_status, 3);
	CHECK_ERRNO(waitid(P_PGID, g, &si, WEXITED), ECHILD);
}

TEST(pids_are_fresh)
{
	/* A process number is not used again while it is anybody's. */
	pid_t last = FORK(_exit(0));
	JOIN(last);
	for (int i = 0; i < 50; i++) {
		pid_t p = FORK(_exit(0));
		CHECK(p != last);
		JOIN(p);
		last = p;
	}
}
