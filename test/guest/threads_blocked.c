/* build: -pthread */
/* Threads that wait on a futex, after so many calls that a platform knows them:
 * signals, stops, ends, exec and fork around them. */
#include "check.h"
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>

static long futex(void *p, int op, uint32_t val, const void *to, uint32_t val3)
{
	return syscall(SYS_futex, p, op, val, to, NULL, val3);
}

static void warm(void)
{
	for (int i = 0; i < 300; i++)
		syscall(SYS_getpriority, PRIO_PROCESS, 0);
}

static volatile sig_atomic_t handled;
static void on_signal(int sig) { handled++; }

static void handle(int flags)
{
	struct sigaction sa = {.sa_handler = on_signal, .sa_flags = flags};
	CHECK_OK(sigaction(SIGUSR1, &sa, NULL));
	handled = 0;
}

struct sleeper {
	pthread_t t;
	uint32_t word;
	int op, tid;
	const struct timespec *until;
	long ret;
	int err, done;
};

static void *sleeper(void *a)
{
	struct sleeper *s = a;
	warm();
	__atomic_store_n(&s->tid, syscall(SYS_gettid), __ATOMIC_SEQ_CST);
	s->ret = futex(&s->word, s->op, 0, s->until, FUTEX_BITSET_MATCH_ANY);
	s->err = errno;
	__atomic_store_n(&s->done, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

static char state(int tid)
{
	char path[64], text[512], *p;
	snprintf(path, sizeof path, "/proc/self/task/%d/stat", tid);
	int fd = open(path, O_RDONLY);
	ssize_t n = read(fd, text, sizeof text - 1);
	close(fd);
	if (n <= 0)
		return 0;
	text[n] = 0;
	p = strrchr(text, ')');
	return p ? p[2] : 0;
}

static void lay_down(struct sleeper *s, int op, const struct timespec *until)
{
	*s = (struct sleeper){.op = op, .until = until};
	CHECK_RET(pthread_create(&s->t, NULL, sleeper, s), 0);
	while (!__atomic_load_n(&s->tid, __ATOMIC_SEQ_CST))
		sched_yield();
	for (int i = 0; i < 5000 && state(s->tid) != 'S'; i++)
		usleep(1000);
	CHECK_EQ(state(s->tid), 'S');
	CHECK(!s->done);
}

static void wake(struct sleeper *s)
{
	while (futex(&s->word, FUTEX_WAKE_PRIVATE, 1, NULL, 0) == 0 && !__atomic_load_n(&s->done, __ATOMIC_SEQ_CST))
		usleep(1000);
	pthread_join(s->t, NULL);
}

TEST(interrupted)
{
	struct sleeper s;
	handle(0);
	lay_down(&s, FUTEX_WAIT_PRIVATE, NULL);
	CHECK_RET(pthread_kill(s.t, SIGUSR1), 0);
	pthread_join(s.t, NULL);
	CHECK_EQ(handled, 1);
	CHECK_EQ(s.ret, -1);
	CHECK_EQ(s.err, EINTR);
}

TEST(restarted)
{
	struct sleeper s;
	handle(SA_RESTART);
	lay_down(&s, FUTEX_WAIT_PRIVATE, NULL);
	for (int i = 1; i <= 20; i++) {
		CHECK_RET(pthread_kill(s.t, SIGUSR1), 0);
		while (handled < i)
			usleep(100);
	}
	CHECK(!s.done);
	wake(&s);
	CHECK_EQ(s.ret, 0);
}

TEST(times)
{
	struct sleeper s;
	struct timespec until, soon = {.tv_nsec = 50000000};
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += 1000;
	/* A wait with a time-out is not made again behind a handler. */
	handle(SA_RESTART);
	lay_down(&s, FUTEX_WAIT_BITSET_PRIVATE, &until);
	CHECK_RET(pthread_kill(s.t, SIGUSR1), 0);
	pthread_join(s.t, NULL);
	CHECK_EQ(s.err, EINTR);
	lay_down(&s, FUTEX_WAIT_BITSET_PRIVATE, &until);
	wake(&s);
	CHECK_EQ(s.ret, 0);
	warm();
	uint32_t word = 0;
	long long t0 = now_ms();
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += 50000000;
	if (until.tv_nsec >= 1000000000)
		until.tv_sec++, until.tv_nsec -= 1000000000;
	CHECK_ERRNO(futex(&word, FUTEX_WAIT_BITSET_PRIVATE | FUTEX_CLOCK_REALTIME, 0, &until, FUTEX_BITSET_MATCH_ANY), ETIMEDOUT);
	CHECK(now_ms() - t0 >= 48);
	CHECK_ERRNO(futex(&word, FUTEX_WAIT_PRIVATE, 0, &soon, 0), ETIMEDOUT);
	CHECK(now_ms() - t0 >= 96);
	CHECK_ERRNO(futex(&word, FUTEX_WAIT_PRIVATE, 1, NULL, 0), EAGAIN);
	CHECK_ERRNO(futex((void *)8, FUTEX_WAIT_PRIVATE, 0, NULL, 0), EFAULT);
	CHECK_ERRNO(futex(&word, FUTEX_WAIT_BITSET_PRIVATE, 0, (void *)8, 1), EFAULT);
	CHECK_ERRNO(futex(&word, FUTEX_WAIT_BITSET_PRIVATE, 0, NULL, 0), EINVAL);
}

/* Two threads take turns while a third sends both signals. */
static uint32_t turn;
static int stop_storm;
enum { TURNS = 5000 };

static void take_turns(uint32_t mine)
{
	for (int i = 0; i < TURNS; i++) {
		uint32_t now;
		while ((now = __atomic_load_n(&turn, __ATOMIC_SEQ_CST)) != mine)
			futex(&turn, FUTEX_WAIT_PRIVATE, now, NULL, 0);
		__atomic_store_n(&turn, !mine, __ATOMIC_SEQ_CST);
		futex(&turn, FUTEX_WAKE_PRIVATE, 1, NULL, 0);
	}
}
static void *other(void *a)
{
	take_turns(1);
	return NULL;
}
static pthread_t pair[2];
static void *storm(void *a)
{
	while (!__atomic_load_n(&stop_storm, __ATOMIC_SEQ_CST)) {
		pthread_kill(pair[0], SIGUSR1);
		pthread_kill(pair[1], SIGUSR1);
		usleep(200);
	}
	return NULL;
}

TEST_FORK(storm)
{
	pthread_t t;
	for (int round = 0; round < 2; round++) {
		handle(round ? SA_RESTART : 0);
		turn = stop_storm = 0;
		pair[0] = pthread_self();
		CHECK_RET(pthread_create(&pair[1], NULL, other, NULL), 0);
		CHECK_RET(pthread_create(&t, NULL, storm, NULL), 0);
		take_turns(0);
		__atomic_store_n(&stop_storm, 1, __ATOMIC_SEQ_CST);
		pthread_join(t, NULL);
		pthread_join(pair[1], NULL);
		CHECK(handled > 0);
	}
}

static struct sleeper many[6];

static void all_lie_down(void)
{
	for (unsigned i = 0; i < sizeof many / sizeof many[0]; i++)
		lay_down(&many[i], FUTEX_WAIT_PRIVATE, NULL);
}

static void all_wake(void)
{
	for (unsigned i = 0; i < sizeof many / sizeof many[0]; i++)
		wake(&many[i]);
}

/* dormitory makes a process whose threads lie down before the main one does then. */
static pid_t dormitory(void (*then)(void))
{
	int p[2];
	char c;
	CHECK_OK(pipe(p));
	pid_t pid = fork();
	if (pid == 0) {
		all_lie_down();
		write(p[1], "x", 1);
		then();
		_exit(7);
	}
	CHECK_EQ(read(p[0], &c, 1), 1);
	close(p[0]);
	close(p[1]);
	return pid;
}

static void lie_down_too(void)
{
	uint32_t word = 0;
	futex(&word, FUTEX_WAIT_PRIVATE, 0, NULL, 0);
}

TEST(stopped)
{
	int status;
	pid_t pid = dormitory(all_wake);
	CHECK_OK(kill(pid, SIGSTOP));
	CHECK_EQ(waitpid(pid, &status, WUNTRACED), pid);
	if (WIFSTOPPED(status)) {
		CHECK_OK(kill(pid, SIGCONT));
		CHECK_EQ(waitpid(pid, &status, 0), pid);
	}
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 7);
}

TEST(killed)
{
	int status;
	pid_t pid = dormitory(lie_down_too);
	CHECK_OK(kill(pid, SIGKILL));
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

TEST(left_behind)
{
	int status;
	pid_t pid = fork();
	if (pid == 0) {
		all_lie_down();
		execl("/bin/sh", "sh", "-c", "exit 9", NULL);
		_exit(1);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 9);
	pid = fork();
	if (pid == 0) {
		all_lie_down();
		_exit(10);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 10);
}

TEST_FORK(forked_beside)
{
	int status;
	all_lie_down();
	for (int i = 0; i < 10; i++) {
		pid_t pid = fork();
		if (pid == 0)
			_exit(i);
		CHECK_EQ(waitpid(pid, &status, 0), pid);
		CHECK(WIFEXITED(status) && WEXITSTATUS(status) == i);
	}
	all_wake();
}
