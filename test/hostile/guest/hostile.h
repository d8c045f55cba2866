/* What the hostile guests share: the trap platform's addresses, and calls made
 * from the place where its filter allows those of the stub. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#define REGION ((volatile unsigned char *)0x6ffd00000000UL)
#define REGION_SIZE 0x10000000UL
#define SLOT_SIZE 0x40000UL
#define STUB ((unsigned char *)0x6ffe00000000UL)
#define STUB_TEXT (STUB + 0x1000)
#define PLACE (STUB + 0xe000)		/* free, and within the filter's place */
#define PATCHES ((unsigned char *)0x10060000UL)	/* what patched call sites jump through */
#define PATCHES_SIZE 0x9000UL
#define CB_WORDS 80			/* of 4 bytes, more than a control block */

/* Offsets in the control block and values, of stub.h. */
enum { STATE = 0, SUP_SLEEPS = 8, INTERRUPT = 12, EVENT = 32, SIG = 36, FRAME = 40, NR = 48, ARGS = 56, ARCH = 112, CODE = 116,
	OP = 144, RESULT = 168 };
enum { ST_GUEST, ST_EVENT, ST_REPLY };
enum { EV_READY = 1, EV_SYSCALL, EV_FAULT, EV_INTERRUPT, EV_DONE };
enum { OP_RETURN = 1, OP_RESUME, OP_FINISH = 9 };

static uint64_t seed;

static uint64_t rnd(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed * 0x2545f4914f6cdd1dULL;
}

static uint64_t page;		/* some memory of ours, for arguments */

/* any gives an argument that is likely to hurt. */
static uint64_t any(void)
{
	static const uint64_t edges[] = { 0, 1, 2, 3, 4, 7, 8, 16, 63, 64, 127, 128, 255, 256, 4095, 4096, 4097, 65536, 0x7fffffff, 0x80000000,
		0xffffffff, 0x100000000, 0x7fffffffffff, 0x7ffffffff000, 0x800000000000, 0x7fffffffffffffff, 0x8000000000000000,
		-1UL, -2UL, -100UL, -4095UL, -4096UL, 0xffffffffff600000, 0x6ffd00000000, 0x6ffd00010000, 0x6ffe00001000, 0x6ffe00000000, 0x1000 };
	switch (rnd() % 8) {
	case 0: case 1: case 2:
		return edges[rnd() % (sizeof edges / sizeof edges[0])];
	case 3: case 4:
		return page + rnd() % 8192;
	case 5:
		return rnd() % 16;
	case 6:
		return 1UL << rnd() % 64;
	}
	return rnd();
}

static long raw_at(void *at, long n, long a, long b, long c, long d, long e, long f)
{
	return ((long (*)(long, long, long, long, long, long, long))at)(n, a, b, c, d, e, f);
}

static int placed;

/* raw makes a call that the filter takes for the stub's. */
static long raw(long n, long a, long b, long c, long d, long e, long f) { return placed ? raw_at(PLACE, n, a, b, c, d, e, f) : -ENOSYS; }

/* Of the C convention: mov rdi,rax; rsi,rdi; rdx,rsi; rcx,rdx; r8,r10; r9,r8; 8(rsp),r9; syscall; ret. */
static const unsigned char code[] = { 0x48, 0x89, 0xf8, 0x48, 0x89, 0xf7, 0x48, 0x89, 0xd6, 0x48, 0x89, 0xca, 0x4d, 0x89, 0xc2,
	0x4d, 0x89, 0xc8, 0x4c, 0x8b, 0x4c, 0x24, 0x08, 0x0f, 0x05, 0xc3 };

/* take_place maps code of ours where the filter trusts it. Not every platform has
 * such a place. */
static void take_place(void)
{
	if (mmap(PLACE, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != PLACE)
		return;
	placed = 1;
	memcpy(PLACE, code, sizeof code);
	for (int i = 0; i < 64; i++)
		memcpy(PLACE + 64 + 32 * i, code, sizeof code);
}

static volatile uint32_t *cb32(int off) { return (volatile uint32_t *)(REGION + off); }
static volatile uint64_t *cb64(int off) { return (volatile uint64_t *)(REGION + off); }

/* reap waits for a child for a time, and then kills it. */
static int reap(pid_t pid, int ms)
{
	int st = 0;
	for (int i = 0; i < ms; i++) {
		pid_t got = waitpid(pid, &st, WNOHANG);
		if (got == pid || (got < 0 && errno == ECHILD))
			return st;
		usleep(1000);
	}
	kill(pid, SIGKILL);
	waitpid(pid, &st, 0);
	return st;
}

/* rounds runs f in n children, w of them at a time. */
static void rounds(int n, int w, int ms, void (*f)(int))
{
	for (int i = 0; i < n;) {
		pid_t pids[16];
		int k = 0;
		for (; k < w && i < n; k++, i++) {
			uint64_t s = rnd() | 1;
			pids[k] = fork();
			if (pids[k] == 0) {
				seed = s;
				f(i);
				_exit(0);
			}
		}
		for (int t = 0, left = k; t < ms && left > 0; t++) {
			usleep(1000);
			left = 0;
			for (int j = 0; j < k; j++) {
				if (pids[j] > 0 && waitpid(pids[j], NULL, WNOHANG) != 0)
					pids[j] = 0;
				left += pids[j] > 0;
			}
		}
		for (int j = 0; j < k; j++)
			if (pids[j] > 0)
				kill(pids[j], SIGKILL);
		for (int j = 0; j < k; j++)
			if (pids[j] > 0)
				waitpid(pids[j], NULL, 0);
	}
}
