/* build: */
/* Stop and continue: job control without a terminal. */
#include "check.h"

static volatile int conts;
static void on_cont(int s) { (void)s, conts++; }

#define STOPPED_BY(pid, sig)                                                  \
	do {                                                                   \
		int s_;                                                        \
		CHECK_EQ(waitpid(pid, &s_, WUNTRACED), pid);                   \
		CHECK(WIFSTOPPED(s_));                                         \
		CHECK_EQ(WSTOPSIG(s_), sig);                                   \
	} while (0)

TEST(stop_and_continue)
{
	int s, p[2], q[2];
	char c;
	CHECK_OK(pipe(p));
	CHECK_OK(pipe(q));
	pid_t pid = FORK({
		signal(SIGCONT, on_cont);
		raise(SIGSTOP);
		CHECK_EQ(conts, 1);
		write(p[1], "1", 1);
		raise(SIGTSTP);
		write(p[1], "2", 1);
		_exit(3);
	});
	STOPPED_BY(pid, SIGSTOP);
	settle();
	struct pollfd pf = {p[0], POLLIN, 0};
	CHECK_EQ(poll(&pf, 1, 0), 0);
	CHECK_OK(kill(pid, 0));
	kill(pid, SIGKILL);
	CHECK_KILLED(pid, SIGKILL);
	pid = FORK({
		signal(SIGCONT, on_cont);
		raise(SIGSTOP);
		CHECK_EQ(conts, 1);
		write(p[1], "1", 1);
		setpgid(0, 0);
		read(q[0], &c, 1); /* a stop takes back what WCONTINUED tells */
		raise(SIGSTOP);
		write(p[1], "2", 1);
		_exit(3);
	});
	STOPPED_BY(pid, SIGSTOP);
	kill(pid, SIGCONT);
	CHECK_EQ(waitpid(pid, &s, WCONTINUED), pid);
	CHECK(WIFCONTINUED(s));
	CHECK_EQ(read(p[0], &c, 1), 1);
	CHECK_EQ(write(q[1], "g", 1), 1);
	STOPPED_BY(pid, SIGSTOP);
	kill(pid, SIGCONT);
	CHECK_EQ(read(p[0], &c, 1), 1);
	CHECK_EQ(c, '2');
	CHECK_EXIT(pid, 3);
	close(p[0]), close(p[1]), close(q[0]), close(q[1]);
}

TEST(signals_while_stopped)
{
	/* They wait for SIGCONT; SIGKILL does not. */
	pid_t pid = FORK(raise(SIGSTOP); pause());
	STOPPED_BY(pid, SIGSTOP);
	kill(pid, SIGTERM);
	settle();
	int s;
	CHECK_EQ(waitpid(pid, &s, WNOHANG), 0);
	kill(pid, SIGCONT);
	CHECK_KILLED(pid, SIGTERM);
	/* SIGCONT cancels a pending stop and a stop cancels a pending SIGCONT. */
	pid = FORK({
		sigset_t set;
		sigemptyset(&set);
		sigaddset(&set, SIGTSTP);
		sigaddset(&set, SIGCONT);
		sigprocmask(SIG_BLOCK, &set, NULL);
		raise(SIGTSTP);
		kill(getpid(), SIGCONT);
		sigset_t now;
		sigpending(&now);
		CHECK(!sigismember(&now, SIGTSTP) && sigismember(&now, SIGCONT));
		raise(SIGTSTP);
		sigpending(&now);
		CHECK(sigismember(&now, SIGTSTP) && !sigismember(&now, SIGCONT));
	});
	JOIN(pid);
}

TEST(terminal_stops)
{
	/* SIGTSTP, SIGTTIN and SIGTTOU stop, unless the group is orphaned. */
	static const int sigs[] = {SIGTSTP, SIGTTIN, SIGTTOU};
	for (size_t i = 0; i < LEN(sigs); i++) {
		pid_t top = FORK({
			setsid();
			pid_t pid = FORK(setpgid(0, 0); raise(sigs[i]); _exit(9));
			STOPPED_BY(pid, sigs[i]);
			kill(pid, SIGCONT);
			CHECK_EXIT(pid, 9);
		});
		JOIN(top);
		JOIN(FORK({
			setsid();
			raise(sigs[i]); /* orphaned: ignored */
		}));
		pid_t alone = FORK(setsid(); raise(SIGSTOP); pause()); /* always */
		STOPPED_BY(alone, SIGSTOP);
		kill(alone, SIGKILL);
		CHECK_KILLED(alone, SIGKILL);
	}
}

static volatile int handled;
static void on_stop(int s) { handled = s; }

TEST(handled_stop)
{
	JOIN(FORK({
		signal(SIGTSTP, on_stop);
		raise(SIGTSTP);
		CHECK_EQ(handled, SIGTSTP);
		signal(SIGTTIN, SIG_IGN);
		raise(SIGTTIN);
	}));
}

TEST(stopped_in_a_call)
{
	/* Blocking calls go on after the stop as if nothing had been. */
	int p[2];
	CHECK_OK(pipe(p));
	pid_t pid = FORK(char c; CHECK_EQ(read(p[0], &c, 1), 1); _exit(c));
	settle();
	kill(pid, SIGSTOP);
	STOPPED_BY(pid, SIGSTOP);
	CHECK_EQ(write(p[1], "A", 1), 1);
	settle();
	int s;
	CHECK_EQ(waitpid(pid, &s, WNOHANG), 0);
	kill(pid, SIGCONT);
	CHECK_EXIT(pid, 'A');
	close(p[0]), close(p[1]);
}

TEST(shell_jobs)
{
	/* A shell's own job control: background, wait, trap, kill by %job. */
	put("jobs.sh", "set -m\nsleep 100 &\nkill -STOP %1\nwait %1\n[ $? -gt 128 ] || exit 1\n"
		       "kill -CONT %1; kill %1; wait %1; [ $? = 143 ] || exit 2\n"
		       "trap 'echo trapped; exit 5' TERM\nkill -TERM $$\nexit 3\n");
	int p[2];
	CHECK_OK(pipe(p));
	pid_t pid = FORK(dup2(p[1], 1); dup2(open("/dev/null", O_WRONLY), 2); execlp("bash", "bash", "jobs.sh", NULL); _exit(127));
	close(p[1]);
	char b[64];
	ssize_t n = read(p[0], b, sizeof b);
	CHECK_EXIT(pid, 5);
	CHECK_EQ(n, 8);
	close(p[0]);
}
