/* build: -pthread */
/* The thread group: exec and exit from any thread, thread ids, directed signals. */
#define CHECK_HELPER helper
#include "check.h"
#include <pthread.h>
#include <dirent.h>
#include <sched.h>

static int helper(int argc, char **argv)
{
	/* After exec from a thread the caller has the leader's id. */
	(void)argc;
	return getpid() == atoi(argv[2]) && gettid() == getpid() ? 42 : 1;
}

static int tasks(void)
{
	DIR *d = opendir("/proc/self/task");
	int n = 0;
	struct dirent *e;
	while (d && (e = readdir(d)))
		n += e->d_name[0] != '.';
	if (d)
		closedir(d);
	return n;
}

static void *sleeper(void *a)
{
	(void)a;
	pause();
	return NULL;
}

static void *exec_now(void *a)
{
	char pid[16];
	(void)a;
	snprintf(pid, sizeof pid, "%d", getpid());
	execl(check_self, check_self, "--helper", pid, NULL);
	return NULL;
}
static void *exit_now(void *a)
{
	(void)a;
	settle();
	_exit(17);
}
static void *exit_thread(void *a)
{
	settle();
	syscall(SYS_exit, (long)a);
	return NULL;
}

TEST(exec_from_thread)
{
	pid_t pid = FORK({
		pthread_t t;
		for (int i = 0; i < 5; i++)
			pthread_create(&t, NULL, sleeper, NULL);
		pthread_create(&t, NULL, exec_now, NULL);
		pause();
	});
	CHECK_EXIT(pid, 42);
	pid = FORK({ /* the leader has already ended */
		pthread_t t;
		pthread_create(&t, NULL, sleeper, NULL);
		pthread_create(&t, NULL, exec_now, NULL);
		syscall(SYS_exit, 0);
	});
	CHECK_EXIT(pid, 42);
}

TEST(exit_from_thread)
{
	pid_t pid = FORK({
		pthread_t t;
		for (int i = 0; i < 5; i++)
			pthread_create(&t, NULL, sleeper, NULL);
		pthread_create(&t, NULL, exit_now, NULL);
		pause();
	});
	CHECK_EXIT(pid, 17);
	/* Without exit_group the status is that of the thread that exits last. */
	pid = FORK({
		pthread_t t;
		pthread_create(&t, NULL, exit_thread, (void *)9);
		syscall(SYS_exit, 8);
	});
	CHECK_EXIT(pid, 9);
	/* pthread_exit of main leaves the others running. */
	pid = FORK({
		pthread_t t;
		pthread_create(&t, NULL, exit_now, NULL);
		pthread_exit(NULL);
	});
	CHECK_EXIT(pid, 17);
	/* A fatal signal ends all threads. */
	pid = FORK({
		pthread_t t;
		for (int i = 0; i < 5; i++)
			pthread_create(&t, NULL, sleeper, NULL);
		pthread_kill(t, SIGTERM);
		pause();
	});
	CHECK_KILLED(pid, SIGTERM);
}

static volatile pid_t tid_of;
static void *note_tid(void *a)
{
	(void)a;
	tid_of = gettid();
	return NULL;
}

TEST(ids)
{
	pthread_t t;
	CHECK_EQ(gettid(), getpid());
	CHECK_RET(pthread_create(&t, NULL, note_tid, NULL), 0);
	pthread_join(t, NULL);
	CHECK(tid_of != getpid() && tid_of > 0);
	CHECK_EQ(tasks(), 1);
	CHECK_EQ(syscall(SYS_set_tid_address, &tid_of), getpid());
	CHECK_ERRNO(syscall(SYS_tgkill, getpid(), 1 << 29, 0), ESRCH);
	CHECK_ERRNO(syscall(SYS_tgkill, -1, getpid(), 0), EINVAL);
	CHECK_ERRNO(syscall(SYS_tgkill, 1 << 29, gettid(), 0), ESRCH);
	CHECK_OK(syscall(SYS_tgkill, getpid(), gettid(), 0));
	CHECK_OK(syscall(SYS_tkill, gettid(), 0));
}

static __thread int got;
static int results[3];
static pthread_barrier_t bar;
static volatile int stop_now;
static void on_usr1(int s)
{
	(void)s;
	got++;
}
static void *signal_target(void *a)
{
	int i = (intptr_t)a;
	pthread_barrier_wait(&bar);
	while (!__atomic_load_n(&stop_now, __ATOMIC_SEQ_CST))
		usleep(1000);
	results[i] = got;
	return NULL;
}

TEST(directed_signals)
{
	pthread_t t[3];
	struct sigaction sa = {.sa_handler = on_usr1, .sa_flags = SA_RESTART};
	sigaction(SIGUSR1, &sa, NULL);
	pthread_barrier_init(&bar, NULL, 4);
	for (intptr_t i = 0; i < 3; i++)
		CHECK_RET(pthread_create(&t[i], NULL, signal_target, (void *)i), 0);
	pthread_barrier_wait(&bar);
	CHECK_RET(pthread_kill(t[1], SIGUSR1), 0);
	settle();
	CHECK_RET(pthread_kill(t[1], SIGUSR1), 0);
	CHECK_RET(pthread_kill(t[2], SIGUSR1), 0);
	settle();
	__atomic_store_n(&stop_now, 1, __ATOMIC_SEQ_CST);
	for (int i = 0; i < 3; i++)
		pthread_join(t[i], NULL);
	CHECK(results[0] == 0 && results[1] == 2 && results[2] == 1);
	/* A process signal goes to a thread that does not block it. */
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	pthread_barrier_init(&bar, NULL, 2);
	stop_now = 0;
	CHECK_RET(pthread_create(&t[0], NULL, signal_target, (void *)0), 0);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	pthread_barrier_wait(&bar);
	kill(getpid(), SIGUSR1);
	settle();
	__atomic_store_n(&stop_now, 1, __ATOMIC_SEQ_CST);
	pthread_join(t[0], NULL);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	CHECK_EQ(results[0], 1);
	CHECK_EQ(got, 0);
}

static void *sigwaiter(void *a)
{
	int s = 0;
	sigwait(a, &s);
	return (void *)(intptr_t)s;
}

TEST(sigwait_thread)
{
	pthread_t t;
	sigset_t set;
	void *r;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	pthread_sigmask(SIG_BLOCK, &set, NULL); /* inherited */
	CHECK_RET(pthread_create(&t, NULL, sigwaiter, &set), 0);
	settle();
	kill(getpid(), SIGUSR2);
	CHECK_RET(pthread_join(t, &r), 0);
	CHECK_EQ((intptr_t)r, SIGUSR2);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

static void *thread_cwd(void *a)
{
	(void)a;
	return (void *)(intptr_t)chdir("sub");
}

TEST(shared_state)
{
	pthread_t t;
	void *r;
	CHECK_OK(mkdir("sub", 0755));
	CHECK_RET(pthread_create(&t, NULL, thread_cwd, NULL), 0);
	pthread_join(t, &r);
	CHECK_EQ((intptr_t)r, 0);
	CHECK_OK(access("../sub", F_OK));
	CHECK_OK(chdir(".."));
	CHECK_OK(unshare(0)); /* and with CLONE_FS it would be the thread's own */
}

static void *stopper(void *a)
{
	(void)a;
	raise(SIGSTOP);
	return NULL;
}

TEST(stop_stops_all)
{
	int s;
	pid_t pid = FORK({
		pthread_t t;
		pthread_create(&t, NULL, stopper, NULL);
		pthread_join(t, NULL);
		_exit(6);
	});
	CHECK_EQ(waitpid(pid, &s, WUNTRACED), pid);
	CHECK(WIFSTOPPED(s));
	kill(pid, SIGCONT);
	CHECK_EXIT(pid, 6);
}
