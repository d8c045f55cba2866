/* Times what no sandbox of this kind can do without, natively. usage: floor KIND COUNT;
 * prints nanoseconds.
 *	trap	a system call that a seccomp filter turns into SIGSYS, whose handler
 *		goes on behind the call without rt_sigreturn
 *	near	a futex hand-over to another process and back, both on one CPU
 *	far	the same between two CPUs
 *	spin	the same between two CPUs, neither of which ever sleeps
 *	data	that, with 64 KiB that one writes and the other copies away
 *	touch	a page of fresh memory, touched
 *	populate	the same, if the host was asked for all of it at once
 *	lstat	lstat(2) of each file of /data/tree, of which there are COUNT at most
 *	lstats	the same by ten threads, as git does; the time that passes for each
 *	served	lstat by another process, which is given the name and gives the
 *		result in shared memory, neither of which ever sleeps */
#define _GNU_SOURCE
#include <dirent.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

_Static_assert(offsetof(ucontext_t, uc_mcontext.gregs[REG_RSP]) == 160, "handler knows it");
_Static_assert(offsetof(ucontext_t, uc_mcontext.gregs[REG_RIP]) == 168, "handler knows it");

void handler(int, siginfo_t *, void *);
__asm__("handler:\n\tmov 168(%rdx), %rcx\n\tmov 160(%rdx), %rsp\n\tmov $1, %eax\n\tjmp *%rcx\n");

static void trapping(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { sizeof code / sizeof code[0], code };
	struct sigaction sa = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_NODEFER };
	if (sigaction(SIGSYS, &sa, NULL) || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog))
		exit(1);
}

static cpu_set_t may;

/* Keeps to the nth CPU of those that may be used. */
static void pin(int n)
{
	cpu_set_t one;
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (CPU_ISSET(cpu, &may) && n-- == 0) {
			CPU_ZERO(&one);
			CPU_SET(cpu, &one);
			sched_setaffinity(0, sizeof one, &one);
			return;
		}
	}
	exit(1);
}

/* Sleeps until *word is turn, and makes it the other one's. */
static void take_turn(volatile int *word, int turn)
{
	while (*word != turn)
		syscall(SYS_futex, word, FUTEX_WAIT, !turn, NULL, NULL, 0);
	*word = !turn;
	syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static char *data, away[65536];

/* Waits for *word to be turn, and makes it the other one's. */
static void spin_turn(volatile int *word, int turn, int size)
{
	while (__atomic_load_n(word, __ATOMIC_ACQUIRE) != turn)
		__builtin_ia32_pause();
	if (turn)
		memset(data, 1, size);
	else
		memcpy(away, data, size);
	__atomic_store_n(word, !turn, __ATOMIC_RELEASE);
}

/* Gets n times the memory that a heap grows by, and touches it; the nanoseconds
 * a page. */
static double fresh(long n, int populate)
{
	enum { PAGES = 33, PAGE = 4096 };
	struct timespec a, b;
	double sum = 0;
	for (long i = 0; i < n; i++) {
		clock_gettime(CLOCK_MONOTONIC, &a);
		volatile char *p = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | populate, -1, 0);
		if (p == MAP_FAILED)
			exit(1);
		for (int k = 0; k < PAGES; k++)
			p[k * PAGE] = 1;
		clock_gettime(CLOCK_MONOTONIC, &b);
		sum += (b.tv_sec - a.tv_sec) * 1e9 + (b.tv_nsec - a.tv_nsec);
		munmap((void *)p, PAGES * PAGE);
	}
	return sum / n / PAGES;
}

static char **names;
static long found;

/* Collects the names of at most max files beneath dir. */
static void collect(const char *dir, long max)
{
	DIR *d = opendir(dir);
	for (struct dirent *e; d && (e = readdir(d)) && found < max;) {
		char *name;
		if (e->d_name[0] == '.' || asprintf(&name, "%s/%s", dir, e->d_name) < 0)
			continue;
		if (e->d_type == DT_DIR)
			collect(name, max);
		else
			names[found++] = name;
	}
	if (d)
		closedir(d);
}

static void *look(void *part)
{
	enum { THREADS = 10 };
	struct stat st;
	long from = part ? found * ((long)part - 1) / THREADS : 0, to = part ? found * (long)part / THREADS : found;
	for (long i = from; i < to; i++)
		if (lstat(names[i], &st))
			exit(1);
	return NULL;
}

static void threads(void)
{
	pthread_t t[10];
	for (long i = 0; i < 10; i++)
		if (pthread_create(&t[i], NULL, look, (void *)(i + 1)))
			exit(1);
	for (int i = 0; i < 10; i++)
		pthread_join(t[i], NULL);
}

struct request { volatile int state; char name[256]; struct stat st; };

static void served(void)
{
	struct request *r = mmap(NULL, sizeof *r, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	int status;
	sched_getaffinity(0, sizeof may, &may);
	pin(0);
	pid_t child = fork();
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		pin(1);
		for (long i = 0; i < found; i++) {
			struct stat st;
			char name[sizeof r->name];
			while (__atomic_load_n(&r->state, __ATOMIC_ACQUIRE) == 0)
				__builtin_ia32_pause();
			strcpy(name, r->name);
			if (lstat(name, &st))
				_exit(1);
			r->st = st;
			__atomic_store_n(&r->state, 0, __ATOMIC_RELEASE);
		}
		_exit(0);
	}
	for (long i = 0; i < found; i++) {
		strncpy(r->name, names[i], sizeof r->name - 1);
		__atomic_store_n(&r->state, 1, __ATOMIC_RELEASE);
		while (__atomic_load_n(&r->state, __ATOMIC_ACQUIRE) != 0)
			__builtin_ia32_pause();
	}
	if (waitpid(child, &status, 0) != child || status != 0)
		exit(1);
}

/* Looks at up to n files; the nanoseconds for each. */
static double files(long n, void (*how)(void))
{
	struct timespec a, b;
	names = calloc(n, sizeof *names);
	collect("/data/tree", n);
	if (found == 0)
		exit(1);
	clock_gettime(CLOCK_MONOTONIC, &a);
	if (how)
		how();
	else
		look(NULL);
	clock_gettime(CLOCK_MONOTONIC, &b);
	return ((b.tv_sec - a.tv_sec) * 1e9 + (b.tv_nsec - a.tv_nsec)) / found;
}

int main(int argc, char **argv)
{
	struct timespec a, b;
	long n = argc > 2 ? atol(argv[2]) : 0;
	if (n <= 0)
		return 2;
	if (!strcmp(argv[1], "touch") || !strcmp(argv[1], "populate")) {
		printf("%.1f\n", fresh(n, argv[1][0] == 'p' ? MAP_POPULATE : 0));
		return 0;
	}
	if (!strcmp(argv[1], "lstat") || !strcmp(argv[1], "lstats") || !strcmp(argv[1], "served")) {
		printf("%.1f\n", files(n, argv[1][0] == 's' ? served : argv[1][5] ? threads : NULL));
		return 0;
	}
	int trap = !strcmp(argv[1], "trap");
	pid_t child = 0;
	int status = 0;
	int spin = !strcmp(argv[1], "spin") || !strcmp(argv[1], "data"), size = !strcmp(argv[1], "data") ? sizeof away : 0;
	volatile int *word = mmap(NULL, 4096 + sizeof away, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	data = (char *)word + 4096;
	if (trap)
		trapping();
	else {
		sched_getaffinity(0, sizeof may, &may);
		pin(0);
		if ((child = fork()) == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			pin(strcmp(argv[1], "near") != 0);
			for (long i = 0; i < n; i++)
				if (spin)
					spin_turn(word, 1, size);
				else
					take_turn(word, 1);
			_exit(0);
		}
	}
	clock_gettime(CLOCK_MONOTONIC, &a);
	for (long i = 0; i < n; i++) {
		if (spin)
			spin_turn(word, 0, size);
		else if (!trap)
			take_turn(word, 0);
		else if (syscall(SYS_getppid) != 1)
			return 1;
	}
	if (child && (waitpid(child, &status, 0) != child || status != 0))
		return 1;
	clock_gettime(CLOCK_MONOTONIC, &b);
	printf("%.1f\n", ((b.tv_sec - a.tv_sec) * 1e9 + (b.tv_nsec - a.tv_nsec)) / n);
	return 0;
}
