/* check.h: the harness of the guest programs.
 *
 * A guest is one C file of TEST(name) { ... } bodies. Each prints "ok name" or
 * "FAIL name file:line: detail (errno)", the last line is "N passed, M failed".
 * Tests run inside the program's own process; TEST_FORK runs in a child, for
 * what must not outlive the test. The working directory is an empty scratch
 * directory beneath $TMPDIR, removed at the end: use relative paths.
 * Output must not depend on pids, addresses or times: it is compared with that
 * of the native run.
 */
#ifndef CHECK_H
#define CHECK_H
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct check_test {
	const char *name;
	void (*fn)(void);
	bool fork;
};
static struct check_test check_tests[256];
static int check_count, check_failed, check_bad;
static const char *check_name;
static pid_t check_pid, check_tid;
static sigjmp_buf check_jmp;
static char check_self[PATH_MAX]; /* absolute path of this program */

static inline void check_add(const char *name, void (*fn)(void), bool fork)
{
	check_tests[check_count++] = (struct check_test){name, fn, fork};
}

#define TEST_(name, f)                                                        \
	static void test_##name(void);                                         \
	__attribute__((constructor)) static void reg_##name(void)              \
	{                                                                      \
		check_add(#name, test_##name, f);                              \
	}                                                                      \
	static void test_##name(void)
#define TEST(name) TEST_(name, false)
#define TEST_FORK(name) TEST_(name, true)

/* A failure ends the test: in a child of it by _exit(99), in another thread
 * by marking it only. */
__attribute__((format(printf, 3, 4))) static void
check_fail(const char *file, int line, const char *fmt, ...)
{
	int err = errno;
	char b[512];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(b, sizeof b, fmt, ap);
	va_end(ap);
	const char *slash = strrchr(file, '/');
	const char *en = strerrorname_np(err);
	printf("FAIL %s %s:%d: %s (%s)\n", check_name, slash ? slash + 1 : file,
	       line, b, en ? en : "?");
	fflush(stdout);
	if (getpid() != check_pid)
		_exit(99);
	check_bad = 1;
	if (gettid() == check_tid)
		siglongjmp(check_jmp, 1);
}

#define CHECK(cond)                                                           \
	do {                                                                   \
		if (!(cond))                                                   \
			check_fail(__FILE__, __LINE__, "%s", #cond);           \
	} while (0)
/* The call does not return -1. */
#define CHECK_OK(call)                                                        \
	do {                                                                   \
		if ((long)(call) == -1)                                        \
			check_fail(__FILE__, __LINE__, "%s failed", #call);    \
	} while (0)
#define CHECK_EQ(got, want)                                                   \
	do {                                                                   \
		long long g_ = (long long)(got), w_ = (long long)(want);       \
		if (g_ != w_)                                                  \
			check_fail(__FILE__, __LINE__, "%s = %lld, want %s = %lld", \
				   #got, g_, #want, w_);                       \
	} while (0)
#define CHECK_ERRNO(call, err)                                                \
	do {                                                                   \
		errno = 0;                                                     \
		long long g_ = (long long)(call);                              \
		if (g_ != -1)                                                  \
			check_fail(__FILE__, __LINE__, "%s = %lld, want -1 %s",\
				   #call, g_, #err);                           \
		else if (errno != (err))                                       \
			check_fail(__FILE__, __LINE__, "%s: want %s", #call, #err); \
	} while (0)
/* Calls that return the error itself, as pthread functions do. */
#define CHECK_RET(call, err)                                                  \
	do {                                                                   \
		int g_ = (call);                                               \
		if (g_ != (err)) {                                             \
			errno = g_;                                            \
			check_fail(__FILE__, __LINE__, "%s: want %s", #call, #err); \
		}                                                              \
	} while (0)
#define CHECK_STR(got, want)                                                  \
	do {                                                                   \
		const char *g_ = (got), *w_ = (want);                          \
		if (!g_ || strcmp(g_, w_))                                     \
			check_fail(__FILE__, __LINE__, "%s = \"%s\", want \"%s\"", \
				   #got, g_ ? g_ : "(null)", w_);              \
	} while (0)

/* FORK(body) runs body in a child which then exits with 0; gives its pid. */
#define FORK(...)                                                             \
	({                                                                     \
		pid_t p_ = fork();                                             \
		if (p_ == -1)                                                  \
			check_fail(__FILE__, __LINE__, "fork failed");         \
		if (p_ == 0) {                                                 \
			__VA_ARGS__;                                           \
			_exit(0);                                              \
		}                                                              \
		p_;                                                            \
	})
/* STATUS(pid) waits for the child and gives its wait status. */
#define STATUS(pid)                                                           \
	({                                                                     \
		int s_ = -1;                                                   \
		pid_t w_ = (pid), r_;                                          \
		while ((r_ = waitpid(w_, &s_, 0)) == -1 && errno == EINTR)     \
			;                                                      \
		if (r_ != w_)                                                  \
			check_fail(__FILE__, __LINE__, "waitpid(%s) failed", #pid); \
		s_;                                                            \
	})
#define EXITED(code) ((code) << 8)
#define CHECK_EXIT(pid, code) CHECK_EQ(STATUS(pid), EXITED(code))
#define CHECK_KILLED(pid, sig) CHECK_EQ(STATUS(pid) & ~0x80, (sig))
#define JOIN(pid) CHECK_EXIT(pid, 0)

#define LEN(a) (sizeof(a) / sizeof *(a))

__attribute__((unused)) static void msleep(int ms)
{
	struct timespec t = {ms / 1000, ms % 1000 * 1000000L};
	while (nanosleep(&t, &t) == -1 && errno == EINTR)
		;
}
__attribute__((unused)) static bool under_sentinel(void)
{
	return getenv("SENTINEL_TEST") != NULL;
}
/* settle gives another process or thread time to block. */
__attribute__((unused)) static void settle(void) { msleep(under_sentinel() ? 100 : 40); }

__attribute__((unused)) static long long now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}
/* put creates or replaces a file with the given text. */
__attribute__((unused)) static void put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	CHECK(fd >= 0);
	CHECK_EQ(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}
/* get reads a whole file of up to 256 KiB; the text lives until the next call. */
__attribute__((unused)) static char *get(const char *path)
{
	static char b[256 << 10];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t n = 0;
	if (fd < 0)
		return NULL;
	for (ssize_t r; n < sizeof b - 1 && (r = read(fd, b + n, sizeof b - 1 - n)) > 0;)
		n += r;
	close(fd);
	b[n] = 0;
	return b;
}
/* become drops to an ordinary user; only in a child. */
__attribute__((unused)) static void become(uid_t uid)
{
	CHECK_OK(setresgid(uid, uid, uid));
	CHECK_OK(setresuid(uid, uid, uid));
}

#ifdef CHECK_HELPER /* int CHECK_HELPER(argc, argv): main after exec of self with "--helper" */
static int CHECK_HELPER(int argc, char **argv);
#endif

static int check_rm(const char *p, const struct stat *st, int flag, struct FTW *f)
{
	(void)st, (void)f;
	if (flag == FTW_DP)
		rmdir(p);
	else
		unlink(p);
	return 0;
}

static void check_run(struct check_test *t)
{
	check_name = t->name;
	check_bad = 0;
	pid_t pid = 0;
	if (t->fork) {
		fflush(stdout);
		if ((pid = fork()) == -1) {
			printf("FAIL %s: fork failed (%s)\n", t->name, strerrorname_np(errno));
			check_failed++;
			return;
		}
		if (pid == 0) {
			check_pid = getpid(), check_tid = gettid();
			if (sigsetjmp(check_jmp, 1) == 0)
				t->fn();
			_exit(check_bad ? 99 : 0);
		}
		int s;
		while (waitpid(pid, &s, 0) == -1 && errno == EINTR)
			;
		if (s != 0 && s != EXITED(99))
			printf("FAIL %s: wait status 0x%x\n", t->name, s);
		check_bad = s != 0;
	} else if (sigsetjmp(check_jmp, 1) == 0) {
		t->fn();
	}
	if (check_bad)
		check_failed++;
	else
		printf("ok %s\n", t->name);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	if (!realpath(argv[0], check_self))
		snprintf(check_self, sizeof check_self, "%s", argv[0]);
#ifdef CHECK_HELPER
	if (argc > 1 && !strcmp(argv[1], "--helper"))
		return CHECK_HELPER(argc, argv);
#endif
	close_range(3, ~0U, 0); /* whatever the caller left open here */
	for (int s = 1; s < SIGRTMIN; s++)
		signal(s, SIG_DFL); /* nohup(1) ignores one, a shell's & two */
	char dir[PATH_MAX];
	const char *tmp = getenv("TMPDIR");
	snprintf(dir, sizeof dir, "%s/guest.XXXXXX", tmp && *tmp ? tmp : "/tmp");
	if (!mkdtemp(dir) || chmod(dir, 0755) || chdir(dir)) {
		printf("FAIL no scratch directory: %s\n", strerrorname_np(errno));
		return 1;
	}
	umask(022);
	check_pid = getpid(), check_tid = gettid();
	int ran = 0;
	for (int i = 0; i < check_count; i++) {
		bool want = argc < 2;
		for (int a = 1; a < argc; a++)
			want |= !strcmp(argv[a], check_tests[i].name);
		if (want)
			ran++, check_run(&check_tests[i]);
	}
	if (chdir("/") == 0)
		nftw(dir, check_rm, 16, FTW_DEPTH | FTW_PHYS);
	printf("%d passed, %d failed\n", ran - check_failed, check_failed);
	return check_failed != 0;
}
#endif
