/* Calls from one place again and again, while signals come: registers and flags
 * are kept, whoever answers. */
#include "check.h"

#define FLAGS 0x8d5UL /* CF, PF, AF, ZF, SF, OF */

static volatile int hits;
static void on_alarm(int s)
{
	(void)s;
	hits++;
}

/* Makes call NR with the flags given; returns what it returned, and leaves the
 * flags and a sum of the registers that the call must keep. */
#define CALL_AT_SITE(name, NR)                                                                             \
	static long name(unsigned long *flags, unsigned long *kept)                                        \
	{                                                                                                  \
		long ret;                                                                                  \
		unsigned long f = *flags, k;                                                               \
		__asm__ volatile("mov $1, %%edi\n mov $2, %%esi\n mov $3, %%edx\n mov $4, %%r8d\n"         \
				 "mov $5, %%r9d\n mov $6, %%r10d\n mov $7, %%r12d\n mov $8, %%r13d\n"      \
				 "mov $9, %%r14d\n mov $10, %%r15d\n"                                      \
				 "sub $128, %%rsp\n push %[f]\n popfq\n"                                   \
				 "mov $" #NR ", %%eax\n syscall\n"                                         \
				 "pushfq\n pop %[f]\n lea 128(%%rsp), %%rsp\n"                             \
				 "shl $1, %%rsi\n lea (%%rdi, %%rsi), %[k]\n lea (%[k], %%rdx, 4), %[k]\n" \
				 "lea (%[k], %%r8, 8), %[k]\n imul $16, %%r9\n add %%r9, %[k]\n"           \
				 "imul $32, %%r10\n add %%r10, %[k]\n imul $64, %%r12\n add %%r12, %[k]\n" \
				 "imul $128, %%r13\n add %%r13, %[k]\n imul $256, %%r14\n"                 \
				 "add %%r14, %[k]\n imul $512, %%r15\n add %%r15, %[k]\n"                  \
				 : "=&a"(ret), [f] "+b"(f), [k] "=&c"(k)::"rdi", "rsi", "rdx", "r8", "r9", \
				   "r10", "r11", "r12", "r13", "r14", "r15", "memory", "cc");              \
		*flags = f, *kept = k;                                                                     \
		return ret;                                                                                \
	}
CALL_AT_SITE(call_getpid, 39)
CALL_AT_SITE(call_gettid, 186)
CALL_AT_SITE(call_geteuid, 107)
CALL_AT_SITE(call_getegid, 108)
CALL_AT_SITE(call_getppid, 110)
CALL_AT_SITE(call_dup, 32) /* of descriptor 1 */

static void storm(long (*call)(unsigned long *, unsigned long *), long want)
{
	unsigned long x = 1, bad_flags = 0, bad_kept = 0, bad_return = 0;
	const unsigned long sum = 1 + 2 * 2 + 4 * 3 + 8 * 4 + 16 * 5 + 32 * 6 + 64 * 7 + 128 * 8 + 256 * 9 + 512 * 10;
	struct itimerval it = {{0, 200}, {0, 200}};
	CHECK(signal(SIGALRM, on_alarm) != SIG_ERR);
	hits = 0;
	CHECK_OK(setitimer(ITIMER_REAL, &it, NULL));
	for (long i = 0; hits < 200 || i < 20000; i++) {
		x = x * 6364136223846793005UL + 1442695040888963407UL;
		unsigned long before = 0x202 | (x >> 32 & FLAGS), flags = before, kept;
		long ret = call(&flags, &kept);
		bad_flags += ((flags ^ before) & (FLAGS | 0x400)) != 0;
		bad_kept += kept != sum;
		bad_return += ret != want;
		if (call == call_dup)
			close(ret);
	}
	it = (struct itimerval){0};
	CHECK_OK(setitimer(ITIMER_REAL, &it, NULL));
	CHECK_EQ(bad_flags, 0);
	CHECK_EQ(bad_kept, 0);
	CHECK_EQ(bad_return, 0);
}

TEST_FORK(pid) { storm(call_getpid, getpid()); }
TEST_FORK(tid) { storm(call_gettid, getpid()); }
TEST_FORK(euid) { storm(call_geteuid, geteuid()); }
TEST_FORK(egid) { storm(call_getegid, getegid()); }
TEST_FORK(ppid) { storm(call_getppid, getppid()); }
TEST_FORK(descriptor)
{
	int fd = dup(1);
	close(fd);
	storm(call_dup, fd);
}

/* A program that changes its ids sees the new ones from the same place. */
TEST_FORK(changed_ids)
{
	unsigned long flags = 0x202, kept;
	for (int i = 0; i < 1000; i++)
		CHECK_EQ(call_geteuid(&flags, &kept), geteuid());
	if (geteuid() == 0) {
		for (int i = 1; i < 300; i++) {
			CHECK_OK(seteuid(i));
			CHECK_EQ(call_geteuid(&flags, &kept), i);
			CHECK_OK(seteuid(0));
			CHECK_EQ(call_geteuid(&flags, &kept), 0);
		}
	}
	pid_t p = fork();
	if (p == 0) {
		for (int i = 0; i < 1000; i++)
			if (call_getpid(&flags, &kept) != syscall(SYS_gettid))
				_exit(1);
		_exit(0);
	}
	int st;
	CHECK(waitpid(p, &st, 0) == p && st == 0);
}
