/* build: */
/* Anonymous memory: mmap, munmap, mprotect, mremap, madvise, brk, mincore, msync. */
#include "check.h"
#include <sys/prctl.h>

#define PG 4096UL
#define RW (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)

static char *map(size_t n, int prot)
{
	char *p = mmap(NULL, n, prot, ANON, -1, 0);
	CHECK(p != MAP_FAILED);
	return p;
}
/* readable asks the kernel, not the memory: a bad page gives EFAULT. */
static bool readable(const void *p)
{
	int fd[2];
	CHECK_OK(pipe(fd));
	bool ok = write(fd[1], p, 1) == 1;
	close(fd[0]), close(fd[1]);
	return ok;
}
static bool writable(void *p)
{
	int fd[2];
	CHECK_OK(pipe(fd));
	CHECK_EQ(write(fd[1], "", 1), 1);
	bool ok = read(fd[0], p, 1) == 1;
	close(fd[0]), close(fd[1]);
	return ok;
}

TEST(anonymous)
{
	char *p = map(10 * PG, RW);
	CHECK_EQ((uintptr_t)p % PG, 0);
	for (size_t i = 0; i < 10 * PG; i += 100)
		CHECK_EQ(p[i], 0);
	memset(p, 1, 10 * PG);
	CHECK_OK(munmap(p + 3 * PG, PG)); /* a hole */
	CHECK(readable(p + 3 * PG - 1));
	CHECK(!readable(p + 3 * PG));
	CHECK(readable(p + 4 * PG));
	CHECK_OK(munmap(p, 10 * PG)); /* over the hole */
	CHECK_OK(munmap(p, 10 * PG)); /* nothing there: no error */
	CHECK_ERRNO(munmap(p + 1, PG), EINVAL);
	CHECK_ERRNO(munmap(p, 0), EINVAL);
	CHECK(mmap(NULL, 0, RW, ANON, -1, 0) == MAP_FAILED && errno == EINVAL);
	CHECK(mmap(NULL, PG, RW, MAP_ANONYMOUS, -1, 0) == MAP_FAILED && errno == EINVAL);
	CHECK(mmap(NULL, PG, RW, MAP_PRIVATE, -1, 0) == MAP_FAILED && errno == EBADF);
	CHECK(mmap((void *)1, PG, RW, ANON | MAP_FIXED, -1, 0) == MAP_FAILED && errno == EINVAL);
	CHECK(mmap(NULL, 1UL << 60, RW, ANON, -1, 0) == MAP_FAILED && errno == ENOMEM);
	CHECK(mmap((void *)(1UL << 60), PG, RW, ANON | MAP_FIXED, -1, 0) == MAP_FAILED && errno == ENOMEM);
	CHECK(mmap(NULL, PG, RW, ANON, -1, 123) != MAP_FAILED || errno == EINVAL);
}

TEST(fixed)
{
	char *p = map(4 * PG, RW);
	memset(p, 7, 4 * PG);
	CHECK(mmap(p + PG, PG, PROT_READ, ANON | MAP_FIXED, -1, 0) == p + PG);
	CHECK(p[0] == 7 && p[PG] == 0 && p[2 * PG] == 7);
	CHECK(mmap(p + PG, PG, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0) == MAP_FAILED && errno == EEXIST);
	CHECK_OK(munmap(p + PG, PG));
	CHECK(mmap(p + PG, PG, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0) == p + PG);
	CHECK_OK(munmap(p, 4 * PG));
	CHECK(mmap(p, PG, RW, ANON, -1, 0) == p); /* a free hint is taken */
	CHECK(mmap(p, PG, RW, ANON, -1, 0) != p); /* a used one is not */
	p = mmap(NULL, PG, RW, ANON | MAP_32BIT, -1, 0);
	CHECK(p != MAP_FAILED && (uintptr_t)p < 1UL << 32);
}

TEST(protection)
{
	char *p = map(3 * PG, RW);
	p[0] = p[PG] = p[2 * PG] = 9;
	CHECK_OK(mprotect(p + PG, PG, PROT_READ));
	CHECK(writable(p) && !writable(p + PG) && writable(p + 2 * PG));
	CHECK_EQ(p[PG], 9);
	CHECK_OK(mprotect(p, 3 * PG, PROT_NONE));
	CHECK(!readable(p) && !readable(p + PG));
	CHECK_OK(mprotect(p, 3 * PG, RW));
	CHECK_EQ(p[PG], 9);
	CHECK_ERRNO(mprotect(p + 1, PG, RW), EINVAL);
	CHECK_OK(mprotect(p, 0, RW));
	CHECK_ERRNO(mprotect(p, PG, 0x100), EINVAL);
	CHECK_OK(munmap(p + PG, PG));
	CHECK_ERRNO(mprotect(p, 3 * PG, PROT_READ), ENOMEM);
	CHECK_OK(munmap(p, 3 * PG));
	/* Code that the program wrote itself runs. */
	static const unsigned char code[] = {0xb8, 42, 0, 0, 0, 0xc3}; /* mov $42,%eax; ret */
	p = map(PG, RW);
	memcpy(p, code, sizeof code);
	CHECK_OK(mprotect(p, PG, PROT_READ | PROT_EXEC));
	CHECK_EQ(((int (*)(void))(void *)p)(), 42);
	p = map(PG, RW | PROT_EXEC);
	memcpy(p, code, sizeof code);
	p[1] = 43;
	CHECK_EQ(((int (*)(void))(void *)p)(), 43);
}

TEST(remap)
{
	char *p = map(80 * PG, RW), *q;
	CHECK_OK(munmap(p + 4 * PG, 76 * PG)); /* room above it */
	for (int i = 0; i < 4; i++)
		p[i * PG] = i + 1;
	CHECK(mremap(p, 4 * PG, 2 * PG, 0) == p); /* shrink */
	CHECK(!readable(p + 2 * PG));
	CHECK(mremap(p, 2 * PG, 4 * PG, 0) == p); /* grow in place */
	CHECK(p[PG] == 2 && p[2 * PG] == 0);
	CHECK(mmap(p + 4 * PG, PG, RW, ANON | MAP_FIXED, -1, 0) == p + 4 * PG);
	CHECK_OK(mprotect(p + 4 * PG, PG, PROT_READ));
	CHECK(mremap(p, 4 * PG, 8 * PG, 0) == MAP_FAILED && errno == ENOMEM);
	q = mremap(p, 4 * PG, 64 * PG, MREMAP_MAYMOVE);
	CHECK(q != MAP_FAILED && q != p && q[0] == 1 && q[PG] == 2 && q[63 * PG] == 0);
	CHECK(!readable(p));
	char *dst = map(4 * PG, RW);
	dst[0] = 99;
	CHECK(mremap(q, 2 * PG, 2 * PG, MREMAP_MAYMOVE | MREMAP_FIXED, dst) == dst);
	CHECK(dst[0] == 1 && dst[PG] == 2);
	CHECK(!readable(q) && readable(q + 2 * PG));
	CHECK(mremap(dst, PG, PG, MREMAP_FIXED, q) == MAP_FAILED && errno == EINVAL);
	CHECK(mremap(dst + 1, PG, PG, 0) == MAP_FAILED && errno == EINVAL);
	CHECK(mremap(dst, PG, 0, 0) == MAP_FAILED && errno == EINVAL);
	CHECK(mremap(q, PG, 2 * PG, MREMAP_MAYMOVE) == MAP_FAILED && errno == EFAULT);
	CHECK(mremap(dst, 2 * PG, 2 * PG, MREMAP_MAYMOVE | MREMAP_FIXED, dst + PG) == MAP_FAILED && errno == EINVAL);
	p = map(PG, RW);
	*p = 5;
	q = mremap(p, PG, PG, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL);
	CHECK(q != MAP_FAILED && *q == 5 && *p == 0);
	/* Duplicating a shared mapping with an old size of 0. */
	p = mmap(NULL, PG, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	*p = 3;
	q = mremap(p, 0, PG, MREMAP_MAYMOVE);
	CHECK(q != MAP_FAILED && *q == 3);
	*q = 4;
	CHECK_EQ(*p, 4);
}

TEST(advice)
{
	char *p = map(8 * PG, RW);
	memset(p, 5, 8 * PG);
	CHECK_OK(madvise(p + PG, 2 * PG, MADV_DONTNEED));
	CHECK(p[0] == 5 && p[PG] == 0 && p[2 * PG] == 0 && p[3 * PG] == 5);
	CHECK_OK(madvise(p, 8 * PG, MADV_WILLNEED));
	CHECK_OK(madvise(p, 8 * PG, MADV_RANDOM));
	CHECK_OK(madvise(p, 8 * PG, MADV_SEQUENTIAL));
	CHECK_OK(madvise(p, 8 * PG, MADV_NORMAL));
	CHECK_OK(madvise(p, 8 * PG, MADV_FREE));
	CHECK(p[0] == 5 || p[0] == 0);
	CHECK_OK(madvise(p, 8 * PG, MADV_DONTDUMP));
	CHECK_OK(madvise(p, 8 * PG, MADV_DODUMP));
	CHECK_OK(madvise(p, 0, MADV_DONTNEED));
	CHECK_ERRNO(madvise(p, PG, 12345), EINVAL);
	CHECK_ERRNO(madvise(p + 1, PG, MADV_DONTNEED), EINVAL);
	CHECK_OK(munmap(p + PG, PG));
	CHECK_ERRNO(madvise(p, 8 * PG, MADV_DONTNEED), ENOMEM);
	p = map(2 * PG, RW);
	p[0] = p[PG] = 6;
	CHECK_OK(madvise(p, PG, MADV_WIPEONFORK));
	JOIN(FORK(CHECK(p[0] == 0 && p[PG] == 6)));
	CHECK_EQ(p[0], 6);
	CHECK_OK(madvise(p, PG, MADV_DONTFORK));
	JOIN(FORK(CHECK(!readable(p) && readable(p + PG))));
	CHECK_OK(madvise(p, PG, MADV_DOFORK));
	/* Populate, as the kernels since 5.14 do. */
	p = map(4 * PG, RW);
	unsigned char v[4];
	CHECK_OK(madvise(p, 4 * PG, 23 /* MADV_POPULATE_WRITE */));
	CHECK_OK(mincore(p, 4 * PG, v));
	CHECK((v[0] & 1) && (v[3] & 1));
}

TEST(residency_and_sync)
{
	unsigned char v[4];
	char *p = map(4 * PG, RW);
	p[PG] = 1;
	CHECK_OK(mincore(p, 4 * PG, v));
	CHECK_EQ(v[1] & 1, 1);
	CHECK_ERRNO(mincore(p + 1, PG, v), EINVAL);
	CHECK_ERRNO(mincore(p, PG, (void *)1), EFAULT);
	CHECK_OK(msync(p, 4 * PG, MS_SYNC));
	CHECK_OK(msync(p, 4 * PG, MS_ASYNC | MS_INVALIDATE));
	CHECK_ERRNO(msync(p, 4 * PG, MS_SYNC | MS_ASYNC), EINVAL);
	CHECK_ERRNO(msync(p + 1, PG, MS_SYNC), EINVAL);
	CHECK_OK(munmap(p + PG, PG));
	CHECK_ERRNO(mincore(p, 4 * PG, v), ENOMEM);
	CHECK_ERRNO(msync(p, 4 * PG, MS_SYNC), ENOMEM);
	CHECK_OK(mlock(p, PG));
	CHECK_OK(munlock(p, PG));
	CHECK_ERRNO(mlock(p, 2 * PG), ENOMEM);
}

TEST(program_break)
{
	char *b = (char *)syscall(SYS_brk, 0);
	CHECK(b);
	CHECK_EQ(syscall(SYS_brk, b + 100000), (long)(b + 100000));
	b[0] = 1;
	b[99999] = 2;
	CHECK_EQ(syscall(SYS_brk, b), (long)b);
	CHECK_EQ(syscall(SYS_brk, b + 100000), (long)(b + 100000));
	CHECK_EQ(b[99999], 0); /* came back as zeros */
	CHECK_EQ(syscall(SYS_brk, 1), (long)(b + 100000)); /* refused: unchanged */
	CHECK_EQ(syscall(SYS_brk, b), (long)b);
	void *s = sbrk(0);
	CHECK(sbrk(PG) == s);
	CHECK(sbrk(-PG) == (char *)s + PG);
	JOIN(FORK({
		struct rlimit l = {1 << 20, 1 << 20};
		CHECK_OK(setrlimit(RLIMIT_DATA, &l));
		CHECK(sbrk(64 << 20) == (void *)-1 && errno == ENOMEM);
	}));
}

TEST(large)
{
	/* A reservation of 64 GiB costs nothing until it is touched. */
	size_t n = 64UL << 30;
	char *p = mmap(NULL, n, PROT_NONE, ANON | MAP_NORESERVE, -1, 0);
	CHECK(p != MAP_FAILED);
	CHECK_OK(mprotect(p + (n >> 1), 1 << 20, RW));
	p[n >> 1] = 1;
	CHECK_OK(munmap(p, n));
	p = map(64 << 20, RW);
	for (size_t i = 0; i < 64UL << 20; i += PG)
		p[i] = i >> 12;
	JOIN(FORK({
		for (size_t i = 0; i < 64UL << 20; i += 16 * PG)
			CHECK_EQ(p[i], (char)(i >> 12));
		p[0] = 77;
	}));
	CHECK_EQ(p[0], 0); /* copy on write */
	CHECK_OK(munmap(p, 64 << 20));
	JOIN(FORK({
		struct rlimit l = {256 << 20, 256 << 20};
		CHECK_OK(setrlimit(RLIMIT_AS, &l));
		CHECK(mmap(NULL, 512 << 20, RW, ANON, -1, 0) == MAP_FAILED && errno == ENOMEM);
	}));
	/* Many small mappings with different protections. */
	p = map(2000 * PG, RW);
	for (int i = 0; i < 2000; i += 2)
		CHECK_OK(mprotect(p + i * PG, PG, PROT_READ));
	p[1999 * PG] = 1;
	CHECK_OK(munmap(p, 2000 * PG));
}

static int deep(int n)
{
	volatile char pad[1024];
	pad[0] = n;
	return n ? deep(n - 1) + pad[0] * 0 + 1 : 0;
}

TEST(stack_grows)
{
	CHECK_EQ(deep(6000), 6000); /* 6 MiB */
	char *p = mmap(NULL, 64 * PG, RW, ANON | MAP_GROWSDOWN | MAP_STACK, -1, 0);
	CHECK(p != MAP_FAILED);
	p[0] = 1;
	/* Overflow is a plain SIGSEGV. */
	CHECK_KILLED(FORK({
		struct rlimit none = {0, 0};
		setrlimit(RLIMIT_CORE, &none);
		deep(1 << 30);
	}), SIGSEGV);
}

TEST(shared_anonymous)
{
	volatile int *p = mmap(NULL, PG, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(p != MAP_FAILED);
	*p = 1;
	JOIN(FORK({
		CHECK_EQ(*p, 1);
		*p = 2;
		JOIN(FORK(*p += 10));
	}));
	CHECK_EQ(*p, 12);
	int z = open("/dev/zero", O_RDWR);
	volatile int *q = mmap(NULL, PG, RW, MAP_SHARED, z, 0);
	CHECK(q != MAP_FAILED);
	close(z);
	JOIN(FORK(*q = 5));
	CHECK_EQ(*q, 5);
	/* Fork in one process, writes in the other, both ways. */
	pid_t pid = FORK(while (*p != 20) msleep(1); *p = 21);
	*p = 20;
	JOIN(pid);
	CHECK_EQ(*p, 21);
}

TEST(other_process)
{
	/* process_vm_readv of oneself and of a child. */
	char a[16] = "remote bytes", b[16] = {0};
	struct iovec l = {b, 16}, r = {a, 16};
	CHECK_EQ(process_vm_readv(getpid(), &l, 1, &r, 1, 0), 16);
	CHECK_STR(b, "remote bytes");
	r.iov_base = (void *)8;
	CHECK_ERRNO(process_vm_readv(getpid(), &l, 1, &r, 1, 0), EFAULT);
	CHECK_ERRNO(process_vm_readv(1 << 29, &l, 1, &r, 1, 0), ESRCH);
	CHECK_OK(prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, map(PG, RW), PG, "name") ? errno == EINVAL ? 0 : -1 : 0);
}
