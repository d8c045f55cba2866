/* build: */
/* Process groups, sessions, pidfds, parent-death signals. */
#include "check.h"
#include <sys/pidfd.h>
#include <sys/prctl.h>

static void sync_pipe(int p[2]) { CHECK_OK(pipe(p)); }
static void tell(int p[2]) { CHECK_EQ(write(p[1], "x", 1), 1); }
static void hear(int p[2])
{
	char c;
	CHECK_EQ(read(p[0], &c, 1), 1);
}

TEST(groups)
{
	pid_t pg = getpgrp();
	CHECK_EQ(getpgid(0), pg);
	JOIN(FORK(CHECK_EQ(getpgrp(), pg)));
	JOIN(FORK({
		CHECK_OK(setpgid(0, 0));
		CHECK_EQ(getpgrp(), getpid());
		CHECK_OK(setpgid(0, pg)); /* back to another group of the session */
		CHECK_EQ(getpgrp(), pg);
		CHECK_ERRNO(setpgid(0, 1 << 29), EPERM);
		CHECK_ERRNO(setpgid(0, -1), EINVAL);
		CHECK_ERRNO(setpgid(1 << 29, 0), ESRCH);
		CHECK_ERRNO(setpgid(getppid(), 0), ESRCH); /* not a child */
		CHECK_ERRNO(getpgid(1 << 29), ESRCH);
	}));
	int a[2];
	sync_pipe(a);
	pid_t kid = FORK(hear(a); CHECK_EQ(getpgrp(), getpid()));
	CHECK_OK(setpgid(kid, kid)); /* a parent may move its child */
	CHECK_EQ(getpgid(kid), kid);
	pid_t two = FORK(hear(a); CHECK_EQ(getpgrp(), kid));
	CHECK_OK(setpgid(two, kid));
	tell(a), tell(a);
	JOIN(kid);
	JOIN(two);
	close(a[0]), close(a[1]);
}

TEST(sessions)
{
	JOIN(FORK({
		pid_t old = getsid(0);
		CHECK(old != getpid());
		CHECK_EQ(setsid(), getpid());
		CHECK_EQ(getsid(0), getpid());
		CHECK_EQ(getpgrp(), getpid());
		CHECK_ERRNO(setsid(), EPERM); /* already a group leader */
		CHECK_ERRNO(setpgid(0, 0), EPERM); /* a session leader may not */
		int a[2];
		sync_pipe(a);
		pid_t kid = FORK(CHECK_EQ(getsid(0), getppid()); setsid(); tell(a); pause());
		hear(a);
		CHECK_ERRNO(setpgid(kid, getpid()), EPERM); /* in another session */
		CHECK_ERRNO(getsid(1 << 29), ESRCH);
		CHECK_EQ(getsid(kid), kid);
		kill(kid, SIGKILL);
		CHECK_KILLED(kid, SIGKILL);
	}));
	JOIN(FORK({
		/* A child after its exec can no longer be moved. */
		int a[2], b[2];
		sync_pipe(a), sync_pipe(b);
		pid_t kid = FORK({
			dup2(a[1], 1);
			dup2(b[0], 0);
			execl("/bin/sh", "sh", "-c", "printf x; read line", NULL);
		});
		hear(a);
		CHECK_ERRNO(setpgid(kid, kid), EACCES);
		CHECK_EQ(write(b[1], "\n", 1), 1);
		JOIN(kid);
	}));
}

TEST(group_kill)
{
	int a[2];
	sync_pipe(a);
	pid_t lead = FORK(setpgid(0, 0); tell(a); pause());
	hear(a);
	pid_t kid = FORK(setpgid(0, lead); tell(a); pause());
	hear(a);
	CHECK_OK(kill(-lead, 0));
	CHECK_OK(kill(-lead, SIGUSR1));
	CHECK_KILLED(lead, SIGUSR1);
	CHECK_KILLED(kid, SIGUSR1);
	CHECK_ERRNO(kill(-lead, 0), ESRCH);
	CHECK_ERRNO(kill(1 << 29, 0), ESRCH);
	CHECK_ERRNO(kill(getpid(), 65), EINVAL);
	CHECK_ERRNO(kill(getpid(), -1), EINVAL);
	pid_t z = FORK(_exit(0));
	siginfo_t si;
	CHECK_OK(waitid(P_PID, z, &si, WEXITED | WNOWAIT));
	CHECK_OK(kill(z, SIGTERM)); /* a zombie can be signalled */
	JOIN(z);
	CHECK_ERRNO(kill(z, 0), ESRCH);
	close(a[0]), close(a[1]);
	if (geteuid() == 0) {
		pid_t me = getpid();
		JOIN(FORK(become(1111); CHECK_ERRNO(kill(me, 0), EPERM)));
	}
}

TEST(parent_death)
{
	int a[2], b[2], v = 0;
	sync_pipe(a), sync_pipe(b);
	CHECK_OK(prctl(PR_SET_CHILD_SUBREAPER, 1));
	pid_t mid = FORK({
		pid_t kid = FORK({
			CHECK_OK(prctl(PR_SET_PDEATHSIG, SIGUSR2));
			CHECK_OK(prctl(PR_GET_PDEATHSIG, &v));
			CHECK_EQ(v, SIGUSR2);
			JOIN(FORK(CHECK_OK(prctl(PR_GET_PDEATHSIG, &v)); CHECK_EQ(v, 0)));
			tell(a);
			pause();
		});
		CHECK_EQ(write(b[1], &kid, sizeof kid), sizeof kid);
		hear(a);
	});
	JOIN(mid);
	pid_t kid;
	CHECK_EQ(read(b[0], &kid, sizeof kid), sizeof kid);
	CHECK_KILLED(kid, SIGUSR2);
	CHECK_OK(prctl(PR_SET_CHILD_SUBREAPER, 0));
	CHECK_ERRNO(prctl(PR_SET_PDEATHSIG, 100), EINVAL);
	close(a[0]), close(a[1]), close(b[0]), close(b[1]);
}

TEST(pidfds)
{
	int a[2];
	siginfo_t si;
	sync_pipe(a);
	pid_t pid = FORK(hear(a); _exit(5));
	int fd = pidfd_open(pid, 0);
	CHECK(fd >= 0);
	CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
	struct pollfd pf = {fd, POLLIN, 0};
	CHECK_EQ(poll(&pf, 1, 0), 0);
	CHECK_OK(pidfd_send_signal(fd, 0, NULL, 0));
	tell(a);
	CHECK_EQ(poll(&pf, 1, 10000), 1);
	CHECK_EQ(pf.revents & POLLIN, POLLIN);
	CHECK_OK(waitid(P_PIDFD, fd, &si, WEXITED));
	CHECK_EQ(si.si_status, 5);
	CHECK_ERRNO(pidfd_send_signal(fd, 0, NULL, 0), ESRCH);
	CHECK_ERRNO(waitid(P_PIDFD, fd, &si, WEXITED), ECHILD);
	close(fd);
	pid = FORK(pause());
	fd = pidfd_open(pid, 0);
	CHECK_OK(pidfd_send_signal(fd, SIGTERM, NULL, 0));
	CHECK_KILLED(pid, SIGTERM);
	close(fd);
	CHECK_ERRNO(pidfd_open(1 << 29, 0), ESRCH);
	CHECK_ERRNO(pidfd_open(-1, 0), EINVAL);
	CHECK_ERRNO(pidfd_open(getpid(), 1), EINVAL);
	CHECK_ERRNO(pidfd_send_signal(a[0], 0, NULL, 0), EBADF);
	CHECK_ERRNO(waitid(P_PIDFD, a[0], &si, WEXITED), EBADF);
	/* A descriptor of another process. */
	int f = open("pf", O_RDWR | O_CREAT, 0600);
	CHECK_EQ(write(f, "theirs", 6), 6);
	fd = pidfd_open(getpid(), 0);
	int g = pidfd_getfd(fd, f, 0);
	CHECK(g >= 0);
	CHECK_EQ(lseek(g, 0, SEEK_CUR), 6);
	CHECK_ERRNO(pidfd_getfd(fd, 999, 0), EBADF);
	close(f), close(g), close(fd), close(a[0]), close(a[1]);
	fd = pidfd_open(getpid(), PIDFD_NONBLOCK);
	CHECK(fd >= 0);
	close(fd);
}

TEST(background_group_of_orphans)
{
	/* A stopped group that becomes orphaned gets SIGHUP and SIGCONT. */
	int a[2];
	sync_pipe(a);
	CHECK_OK(prctl(PR_SET_CHILD_SUBREAPER, 1));
	pid_t mid = FORK({
		setsid();
		pid_t kid = FORK({
			setpgid(0, 0);
			CHECK_EQ(write(a[1], &(pid_t){getpid()}, sizeof(pid_t)), sizeof(pid_t));
			raise(SIGSTOP);
			pause();
		});
		int s;
		CHECK_EQ(waitpid(kid, &s, WUNTRACED), kid);
	});
	pid_t kid;
	CHECK_EQ(read(a[0], &kid, sizeof kid), sizeof kid);
	JOIN(mid);
	CHECK_KILLED(kid, SIGHUP);
	CHECK_OK(prctl(PR_SET_CHILD_SUBREAPER, 0));
	close(a[0]), close(a[1]);
}
