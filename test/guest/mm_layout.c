/* build: */
/* Addresses: fixed mappings anywhere, big reservations, what exec leaves. */
#define CHECK_HELPER helper
#include "check.h"
#include <sys/personality.h>

#define PG 4096UL
#define RW (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)

static char data_var = 1;

static int helper(int argc, char **argv)
{
	/* The address given was mapped before exec and must be free now. */
	(void)argc;
	char *p = (char *)strtoul(argv[2], NULL, 16);
	char *q = mmap(p, PG, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0);
	return q == p && *q == 0 ? 5 : 6;
}

TEST(fixed_everywhere)
{
	/* Places that runtimes like: low memory, Go's arenas, JITs near 4 GiB, high. */
	static const unsigned long at[] = {0x10000, 0x20000000, 0x7fff8000, 0x100000000, 0xc000000000, 0x10007fff8000,
					   0x200000000000, 0x600000000000};
	for (size_t i = 0; i < LEN(at); i++) {
		char *want = (char *)at[i];
		char *p = mmap(want, 16 * PG, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0);
		if (p != want)
			check_fail(__FILE__, __LINE__, "at %#lx", at[i]);
		memset(p, 1, 16 * PG);
		JOIN(FORK(CHECK_EQ(p[15 * PG], 1)));
		CHECK_OK(munmap(p, 16 * PG));
	}
	CHECK(mmap((void *)0x7ffffffff000, PG, RW, ANON | MAP_FIXED, -1, 0) == MAP_FAILED && errno == ENOMEM);
	CHECK(mmap((void *)0xffff800000000000, PG, RW, ANON | MAP_FIXED, -1, 0) == MAP_FAILED && errno == ENOMEM);
	if (geteuid() != 0)
		CHECK(mmap(NULL, PG, RW, ANON | MAP_FIXED, -1, 0) == MAP_FAILED && errno == EPERM);
}

TEST(reservations)
{
	/* As a sanitizer or a JVM does: 8 TiB without access, pieces used. */
	size_t n = 8UL << 40;
	char *p = mmap(NULL, n, PROT_NONE, ANON | MAP_NORESERVE, -1, 0);
	CHECK(p != MAP_FAILED);
	for (size_t o = 0; o < n; o += n / 8) {
		CHECK_OK(mprotect(p + o, PG, RW));
		p[o] = 1;
	}
	CHECK_OK(madvise(p, n / 16, MADV_DONTNEED));
	CHECK_OK(munmap(p, n));
	p = mmap((void *)0xc000000000, 64 << 20, PROT_NONE, ANON, -1, 0);
	CHECK(p == (char *)0xc000000000); /* hints are honoured when free */
	CHECK(mmap(p, 4 << 20, RW, ANON | MAP_FIXED, -1, 0) == p);
	p[0] = 1;
	CHECK_OK(munmap(p, 64 << 20));
}

TEST(order_of_things)
{
	/* Program, heap, maps, stack: in the usual order and never overlapping. */
	char local, *brk0 = sbrk(0), *m = mmap(NULL, PG, RW, ANON, -1, 0);
	CHECK(&data_var < brk0);
	CHECK(brk0 < m);
	CHECK(m < &local);
	CHECK((uintptr_t)&local < 0x7ffffffff000);
	/* Without randomisation two runs give the same addresses. */
	CHECK_EQ(system("a=$(setarch -R cat /proc/self/maps | grep stack); b=$(setarch -R cat /proc/self/maps | grep stack); [ \"$a\" = \"$b\" ]"), 0);
}

TEST(exec_starts_afresh)
{
	char *p = mmap((void *)0x300000000000, PG, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0);
	CHECK(p == (char *)0x300000000000);
	*p = 9;
	CHECK_EXIT(FORK(execl(check_self, check_self, "--helper", "300000000000", NULL)), 5);
	CHECK_EQ(*p, 9);
}

TEST(unmap_much)
{
	/* Removing nearly everything above the program harms only what was there. */
	CHECK_KILLED(FORK({
		struct rlimit none = {0, 0};
		setrlimit(RLIMIT_CORE, &none);
		munmap((void *)0x10000, 0x7ffffffe0000);
	}), SIGSEGV);
	JOIN(FORK(munmap((void *)0x100000000000, 0x10000000000))); /* empty */
}

TEST(flags)
{
	char *p = mmap(NULL, 16 * PG, RW, ANON | MAP_POPULATE, -1, 0);
	unsigned char v[16];
	CHECK(p != MAP_FAILED);
	CHECK_OK(mincore(p, 16 * PG, v));
	CHECK((v[0] & 1) && (v[15] & 1));
	CHECK(mmap(NULL, PG, RW, ANON | MAP_NORESERVE | MAP_STACK | MAP_NONBLOCK, -1, 0) != MAP_FAILED);
	p = mmap(NULL, PG, RW, ANON | MAP_LOCKED, -1, 0);
	CHECK(p != MAP_FAILED || errno == EAGAIN || errno == EPERM);
	CHECK_OK(mlockall(MCL_CURRENT) ? (errno == ENOMEM || errno == EPERM ? 0 : -1) : 0);
	CHECK_OK(munlockall());
	CHECK_ERRNO(mlockall(0), EINVAL);
	CHECK_ERRNO(syscall(SYS_remap_file_pages, p, PG, 1, 0, 0), EINVAL);
	/* Write-only and exec-only are readable on x86. */
	p = mmap(NULL, PG, PROT_WRITE, ANON, -1, 0);
	*p = 3;
	CHECK_EQ(*(volatile char *)p, 3);
}

TEST(split_and_merge)
{
	/* A thousand changes on one mapping, checked against a model. */
	enum { N = 64 };
	char *p = mmap(NULL, N * PG, RW, ANON, -1, 0);
	char model[N], state[N];
	memset(model, 0, N);
	memset(state, 1, N);
	unsigned r = 12345;
	for (int step = 0; step < 1500; step++) {
		r = r * 1103515245 + 12345;
		int a = (r >> 8) % N, len = 1 + (r >> 16) % 8;
		if (a + len > N)
			len = N - a;
		switch ((r >> 24) % 5) {
		case 0:
			CHECK_OK(munmap(p + a * PG, len * PG));
			memset(state + a, 0, len);
			break;
		case 1:
			CHECK(mmap(p + a * PG, len * PG, RW, ANON | MAP_FIXED, -1, 0) == p + a * PG);
			memset(state + a, 1, len);
			memset(model + a, 0, len);
			break;
		case 2:
			for (int i = a; i < a + len; i++)
				if (state[i])
					p[i * PG + i] = model[i] = step;
			break;
		case 3:
			for (int i = a; i < a + len; i++)
				if (state[i]) {
					CHECK_OK(mprotect(p + i * PG, PG, PROT_READ));
					CHECK_EQ(p[i * PG + i], model[i]);
					CHECK_OK(mprotect(p + i * PG, PG, RW));
				}
			break;
		case 4:
			for (int i = a; i < a + len; i++)
				if (state[i]) {
					CHECK_OK(madvise(p + i * PG, PG, MADV_DONTNEED));
					model[i] = 0;
				}
		}
		for (int i = 0; i < N; i += 7)
			if (state[i])
				CHECK_EQ(p[i * PG + i], model[i]);
	}
}
