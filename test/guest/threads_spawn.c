/* build: -pthread */
/* Children made by many threads at once: fork, vfork, posix_spawn, wait. */
#include "check.h"
#include <pthread.h>
#include <sched.h>
#include <spawn.h>

extern char **environ;
enum { N = 6 };

static void *forker(void *a)
{
	for (int i = 0; i < 15; i++) {
		pid_t pid = FORK(_exit((intptr_t)a * 16 + i));
		CHECK_EXIT(pid, (intptr_t)a * 16 + i);
	}
	return NULL;
}
static void *spawner(void *a)
{
	(void)a;
	for (int i = 0; i < 8; i++) {
		int p[2];
		char b[16] = {0};
		char arg[16];
		snprintf(arg, sizeof arg, "%d", i);
		char *argv[] = {"echo", arg, NULL};
		posix_spawn_file_actions_t fa;
		pid_t pid;
		CHECK_OK(pipe2(p, O_CLOEXEC));
		posix_spawn_file_actions_init(&fa);
		posix_spawn_file_actions_adddup2(&fa, p[1], 1);
		CHECK_RET(posix_spawnp(&pid, "echo", &fa, NULL, argv, environ), 0);
		close(p[1]);
		CHECK_EQ(read(p[0], b, 15), 2);
		CHECK_EQ(b[0], '0' + i);
		JOIN(pid);
		close(p[0]);
		posix_spawn_file_actions_destroy(&fa);
	}
	return NULL;
}
static void all(void *(*fn)(void *))
{
	pthread_t t[N];
	for (intptr_t i = 0; i < N; i++)
		CHECK_RET(pthread_create(&t[i], NULL, fn, (void *)i), 0);
	for (int i = 0; i < N; i++)
		pthread_join(t[i], NULL);
}

TEST(forks) { all(forker); }
TEST(spawns) { all(spawner); }

static int p_any[2];
static void *wait_any(void *a)
{
	int s, n = 0;
	while (waitpid(-1, &s, 0) > 0)
		n++;
	return a ? (void *)(intptr_t)n : (void *)(intptr_t)n;
}

TEST(wait_in_threads)
{
	/* Children belong to the process: any thread may wait for them. */
	pthread_t t[3];
	int total = 0;
	CHECK_OK(pipe(p_any));
	for (int i = 0; i < 30; i++)
		(void)FORK(char c; close(p_any[1]); read(p_any[0], &c, 1));
	for (int i = 0; i < 3; i++)
		CHECK_RET(pthread_create(&t[i], NULL, wait_any, NULL), 0);
	close(p_any[1]);
	for (int i = 0; i < 3; i++) {
		void *n;
		pthread_join(t[i], &n);
		total += (intptr_t)n;
	}
	CHECK_EQ(total, 30);
	close(p_any[0]);
}

static void *one_child(void *a)
{
	volatile pid_t *slot = a;
	slot[0] = FORK(_exit(12));
	while (!slot[1])
		usleep(1000);
	return NULL;
}

TEST(child_of_a_thread)
{
	pthread_t t;
	volatile pid_t slot[2] = {0};
	int s;
	CHECK_RET(pthread_create(&t, NULL, one_child, (void *)slot), 0);
	while (!slot[0])
		usleep(1000);
	CHECK_ERRNO(waitpid(slot[0], &s, __WNOTHREAD), ECHILD);
	slot[1] = 1;
	pthread_join(t, NULL);
	CHECK_EXIT(slot[0], 12); /* its process's now */
}

static volatile int stop_now;
static void *writer(void *a)
{
	char **slot = a;
	while (!__atomic_load_n(&stop_now, __ATOMIC_SEQ_CST)) {
		char *p = malloc(5000);
		memset(p, 1, 5000);
		free(*slot);
		*slot = p;
	}
	return NULL;
}

TEST(fork_of_a_busy_process)
{
	/* The child's memory is a consistent copy: malloc still works in it. */
	pthread_t t[3];
	char *slots[3] = {0};
	for (int i = 0; i < 3; i++)
		CHECK_RET(pthread_create(&t[i], NULL, writer, &slots[i]), 0);
	for (int i = 0; i < 15; i++)
		JOIN(FORK({
			for (int k = 0; k < 50; k++) {
				char *p = malloc(1000 * k + 1);
				p[1000 * k] = 1;
				free(p);
			}
		}));
	__atomic_store_n(&stop_now, 1, __ATOMIC_SEQ_CST);
	for (int i = 0; i < 3; i++) {
		pthread_join(t[i], NULL);
		free(slots[i]);
	}
}

TEST(spawn_attributes)
{
	posix_spawnattr_t at;
	sigset_t s;
	pid_t pid;
	signal(SIGUSR1, SIG_IGN);
	sigemptyset(&s);
	sigaddset(&s, SIGUSR1);
	posix_spawnattr_init(&at);
	posix_spawnattr_setflags(&at, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
	posix_spawnattr_setpgroup(&at, 0);
	posix_spawnattr_setsigdefault(&at, &s);
	sigemptyset(&s);
	posix_spawnattr_setsigmask(&at, &s);
	char *argv[] = {"sh", "-c", "kill -USR1 $$; exit 3", NULL};
	CHECK_RET(posix_spawnp(&pid, "sh", NULL, &at, argv, environ), 0);
	CHECK_KILLED(pid, SIGUSR1);
	signal(SIGUSR1, SIG_DFL);
}

TEST(process_limit)
{
	if (geteuid() != 0 && !under_sentinel())
		return; /* the user's other processes count as well */
	JOIN(FORK({
		struct rlimit l = {3, 3};
		if (geteuid() == 0)
			become(45678);
		CHECK_OK(setrlimit(RLIMIT_NPROC, &l));
		pid_t k[5];
		int n = 0;
		while (n < 5 && (k[n] = fork()) > 0)
			n++;
		if (n < 5 && k[n] == 0) {
			pause();
			_exit(0);
		}
		CHECK_EQ(errno, EAGAIN);
		CHECK_EQ(n, 2);
		while (n-- > 0) {
			kill(k[n], SIGKILL);
			CHECK_KILLED(k[n], SIGKILL);
		}
	}));
}
