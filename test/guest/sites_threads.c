/* build: -pthread */
/* Calls from one place again and again in programs with threads, and from places
 * that make any call: nobody sees that the place is dealt with in a special way. */
#include "check.h"
#include <pthread.h>
#include <linux/futex.h>
#include <ucontext.h>

/* any_call makes call NR; behind is where it goes on, with a result. Both return
 * -1 for what is an error, else the result. It clears what the caller may find in
 * the registers that a call need not keep. */
long any_call(long nr, long a, long b, long c);
long any_behind(long result);
extern char any_begin[], any_call_at[], any_end[];
__asm__(".text\n.balign 4096\n"
	"any_begin:\n"
	"any_call:\n"
	"	mov %rdi, %rax\n	mov %rsi, %rdi\n	mov %rdx, %rsi\n	mov %rcx, %rdx\n"
	"any_call_at:\n"
	"	syscall\n"
	"1:	cmp $-4095, %rax\n"
	"	jae 2f\n"
	"	ret\n"
	"2:	mov $-1, %rax\n"
	"	ret\n"
	"any_behind:\n"
	"	mov %rdi, %rax\n"
	"	jmp 1b\n"
	"any_end:\n"
	".balign 4096\n");
/* The same with the short comparison. */
long any_call32(long nr, long a, long b, long c);
__asm__(".text\n"
	"any_call32:\n"
	"	mov %rdi, %rax\n	mov %rsi, %rdi\n	mov %rdx, %rsi\n	mov %rcx, %rdx\n"
	"	syscall\n"
	"	cmp $-4096, %eax\n"
	"	ja 2f\n"
	"	ret\n"
	"2:	mov $-1, %rax\n"
	"	ret\n");

TEST(numbers)
{
	for (int i = 0; i < 500; i++) {
		CHECK_EQ(any_call(SYS_getpid, 0, 0, 0), getpid());
		CHECK_EQ(any_call(SYS_getppid, 0, 0, 0), getppid());
		CHECK_EQ(any_call(SYS_close, -1, 0, 0), -1);
		CHECK_EQ(any_call(SYS_lseek, -1, 5, 0), -1);
		CHECK_EQ(any_call(SYS_sched_yield, 0, 0, 0), 0);
		CHECK_EQ(any_call32(SYS_getpid, 0, 0, 0), getpid());
		CHECK_EQ(any_call32(SYS_getppid, 0, 0, 0), getppid());
		CHECK_EQ(any_call32(SYS_close, -1, 0, 0), -1);
		CHECK_EQ(syscall(SYS_getppid), getppid());
		CHECK(syscall(SYS_dup, -1) == -1 && errno == EBADF);
		CHECK(syscall(9999) == -1 && errno == ENOSYS);
		CHECK_EQ(any_behind(i), i);
		CHECK_EQ(any_behind(-i - 1), -1);
	}
}

/* Calls of futex that only wake, among others that wait. */
TEST(futex)
{
	static int word;
	for (int i = 0; i < 300; i++) {
		struct timespec soon = {0, 1};
		CHECK(syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 1, 0) == -1 && errno == EAGAIN);
		CHECK(syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 0, &soon) == -1 && errno == ETIMEDOUT);
		CHECK_EQ(syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1), 0);
		CHECK(syscall(SYS_futex, 1, FUTEX_WAKE_PRIVATE, 1) == -1 && errno == EINVAL);
		CHECK(syscall(SYS_futex, &word, 63, 1) == -1 && errno == ENOSYS);
	}
}

static volatile int hits, strange;
static void on_alarm(int s, siginfo_t *i, void *c)
{
	(void)s, (void)i;
	char *pc = (char *)((ucontext_t *)c)->uc_mcontext.gregs[REG_RIP];
	/* Where the program is mapped, or the C library or the vDSO; not elsewhere. */
	strange += pc < any_begin - (1 << 24) && pc > (char *)0x1000000;
	hits++;
}
static void alarms(long us)
{
	struct sigaction sa = {.sa_sigaction = on_alarm, .sa_flags = SA_SIGINFO | SA_RESTART};
	struct itimerval it = {{0, us}, {0, us}};
	hits = 0;
	CHECK_OK(sigaction(SIGALRM, &sa, NULL));
	CHECK_OK(setitimer(ITIMER_REAL, &it, NULL));
}

/* Registers that a call keeps, with signals in between. */
TEST_FORK(registers)
{
	alarms(200);
	long bad = 0;
	for (long i = 0; hits < 300 || i < 20000; i++) {
		unsigned long nr = i & 1 ? SYS_getppid : SYS_getpgrp, sum, below;
		__asm__ volatile("mov $1, %%edi\n mov $2, %%esi\n mov $3, %%edx\n mov $4, %%r8d\n"
				 "mov $5, %%r9d\n mov $6, %%r10d\n mov $7, %%r12d\n mov $8, %%r13d\n"
				 "syscall\n cmp $-4095, %%rax\n"
				 "setb %%cl\n movzbl %%cl, %%ecx\n"
				 "shl $4, %%rsi\n add %%rsi, %%rdi\n shl $8, %%rdx\n add %%rdx, %%rdi\n"
				 "shl $12, %%r8\n add %%r8, %%rdi\n shl $16, %%r9\n add %%r9, %%rdi\n"
				 "shl $20, %%r10\n add %%r10, %%rdi\n shl $24, %%r12\n add %%r12, %%rdi\n"
				 "shl $28, %%r13\n add %%r13, %%rdi\n"
				 : "+a"(nr), "=&D"(sum), "=&c"(below)::"rsi", "rdx", "r8", "r9", "r10", "r11", "r12",
				   "r13", "memory", "cc");
		bad += sum != 0x87654321 || below != 1 || (long)nr != (i & 1 ? getppid() : getpgrp());
	}
	alarms(0);
	CHECK_EQ(bad, 0);
	CHECK_EQ(strange, 0);
}

struct pair { int r, w, n, bad; pthread_t t; };
static void *talk(void *arg)
{
	struct pair *p = arg;
	for (int i = 0; i < p->n; i++) {
		char b[8] = {0};
		int n = i % 7 + 1;
		if (write(p->w, "1234567", n) != n || read(p->r, b, 8) != n || memcmp(b, "1234567", n))
			p->bad++;
	}
	return NULL;
}
static void talkers(struct pair *p, int threads, int n)
{
	for (int i = 0; i < threads; i++) {
		int fd[2];
		CHECK_OK(pipe(fd));
		p[i] = (struct pair){fd[0], fd[1], n, 0, 0};
		CHECK_EQ(pthread_create(&p[i].t, NULL, talk, &p[i]), 0);
	}
}
static void join(struct pair *p, int threads)
{
	for (int i = 0; i < threads; i++) {
		CHECK_EQ(pthread_join(p[i].t, NULL), 0);
		CHECK_EQ(p[i].bad, 0);
		close(p[i].r), close(p[i].w);
	}
}

TEST_FORK(threads)
{
	struct pair p[4];
	alarms(500);
	talkers(p, 4, 4000);
	join(p, 4);
	alarms(0);
	CHECK_EQ(strange, 0);
}

/* Threads sleep in a call, by the place that becomes hot meanwhile. */
static void *sleeper(void *arg)
{
	struct pair *p = arg;
	char b[8] = {0};
	p->bad = read(p->r, b, 8) != 3 || memcmp(b, "abc", 3);
	p->bad += any_call(SYS_read, p->r, (long)b, 8) != 2 || memcmp(b, "dec", 3);
	return NULL;
}
TEST_FORK(sleepers)
{
	struct pair s[3], p[2];
	for (int i = 0; i < 3; i++) {
		int fd[2];
		CHECK_OK(pipe(fd));
		s[i] = (struct pair){fd[0], fd[1], 0, 1, 0};
		CHECK_EQ(pthread_create(&s[i].t, NULL, sleeper, &s[i]), 0);
	}
	usleep(20000);
	alarms(300);
	talkers(p, 2, 1000);
	join(p, 2);
	for (int i = 0; i < 3; i++)
		CHECK_EQ(write(s[i].w, "abc", 3), 3);
	usleep(20000);
	for (int i = 0; i < 2000; i++)
		CHECK(any_call(SYS_getppid, 0, 0, 0) == getppid());
	alarms(0);
	for (int i = 0; i < 3; i++)
		CHECK_EQ(write(s[i].w, "de", 2), 2);
	join(s, 3);
}

/* A thread is cancelled in a call of a hot place: what unwinds its stack must
 * know where it is. */
static volatile int cleaned;
static void cleanup(void *arg) { cleaned += *(int *)arg; }
static void *cancelled(void *arg)
{
	int one = 1;
	char b;
	pthread_cleanup_push(cleanup, &one);
	if (((struct pair *)arg)->n)
		pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
	for (;;)
		if (read(((struct pair *)arg)->r, &b, 1) != 1)
			break;
	pthread_cleanup_pop(0);
	return NULL;
}
TEST_FORK(cancel)
{
	for (int i = 0; i < 20; i++) {
		struct pair p;
		int fd[2];
		void *how;
		CHECK_OK(pipe(fd));
		p = (struct pair){fd[0], fd[1], i & 1, 0, 0};
		CHECK_EQ(pthread_create(&p.t, NULL, cancelled, &p), 0);
		for (int k = 0; k < 100; k++)
			CHECK_EQ(write(fd[1], "x", 1), 1);
		if (i & 2)
			usleep(1000);
		CHECK_EQ(pthread_cancel(p.t), 0);
		CHECK_EQ(pthread_join(p.t, &how), 0);
		CHECK(how == PTHREAD_CANCELED);
		CHECK_EQ(cleaned, i + 1);
		close(fd[0]), close(fd[1]);
	}
}

/* Children of a program with threads have its places, and lives of their own. */
TEST_FORK(children)
{
	struct pair p[2];
	talkers(p, 2, 3000);
	for (int i = 0; i < 8; i++) {
		pid_t c = fork();
		CHECK(c >= 0);
		if (c == 0) {
			int fd[2];
			if (pipe(fd))
				_exit(1);
			struct pair q = {fd[0], fd[1], 300, 0, 0};
			talk(&q);
			_exit(q.bad || any_call(SYS_getpid, 0, 0, 0) != getpid());
		}
		int st;
		CHECK(waitpid(c, &st, 0) == c && st == 0);
	}
	join(p, 2);
}

/* How many lines of the map are of executable pages of files. */
static int lines(void)
{
	char l[512];
	int n = 0;
	FILE *f = fopen("/proc/self/maps", "r");
	CHECK(f != NULL);
	while (fgets(l, sizeof l, f))
		n += strstr(l, "r-xp") && strchr(l, '/');
	fclose(f);
	return n;
}
TEST_FORK(maps)
{
	int before = lines();
	struct pair p[2];
	talkers(p, 2, 500);
	join(p, 2);
	for (int i = 0; i < 500; i++)
		CHECK_EQ(any_call(SYS_getppid, 0, 0, 0), getppid());
	CHECK_EQ(lines(), before);
}

/* Code that is hot goes away, and something else comes to its place. */
static void *idle(void *arg)
{
	char b;
	if (read(*(int *)arg, &b, 1) != 1)
		return arg;
	return NULL;
}
TEST_FORK(replaced)
{
	int fd[2], f = open(check_self, O_RDONLY);
	pthread_t t;
	CHECK(f >= 0);
	CHECK_OK(pipe(fd));
	CHECK_EQ(pthread_create(&t, NULL, idle, fd), 0);
	/* Where in the file the page is. */
	char page[4096];
	off_t at = -1;
	for (off_t o = 0; pread(f, page, sizeof page, o) == sizeof page; o += 4096)
		if (!memcmp(page, any_begin, 8) && !memcmp(page + (any_end - any_begin) - 2, any_end - 2, 2))
			at = o;
	CHECK(at > 0);
	for (int i = 0; i < 4; i++) {
		char *m = mmap(NULL, 8192, PROT_READ | PROT_EXEC, MAP_PRIVATE, f, at);
		CHECK(m != MAP_FAILED);
		long (*fn)(long, long, long, long) = (void *)m;
		for (int k = 0; k < 200; k++)
			CHECK_EQ(fn(SYS_getppid, 0, 0, 0), getppid());
		switch (i) {
		case 0:
			CHECK_OK(munmap(m, 8192));
			CHECK(mmap(m, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == m);
			CHECK(m[0] == 0 && m[20] == 0);
			break;
		case 1:
			CHECK_OK(mprotect(m, 8192, PROT_READ | PROT_WRITE));
			memset(m, 0xc3, 4096);
			CHECK_OK(mprotect(m, 8192, PROT_READ | PROT_EXEC));
			fn(0, 0, 0, 0);
			break;
		case 2:
			CHECK_OK(madvise(m, 8192, MADV_DONTNEED));
			for (int k = 0; k < 200; k++)
				CHECK_EQ(fn(SYS_getppid, 0, 0, 0), getppid());
			break;
		case 3:
			CHECK(mmap(m, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_FIXED, f, at) == m);
			for (int k = 0; k < 200; k++)
				CHECK_EQ(fn(SYS_getppid, 0, 0, 0), getppid());
			break;
		}
		munmap(m, 8192);
	}
	CHECK_EQ(write(fd[1], "x", 1), 1);
	void *r;
	CHECK_EQ(pthread_join(t, &r), 0);
	CHECK(r == NULL);
}
