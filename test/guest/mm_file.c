/* build: */
/* File mappings: private and shared, coherence, faults past the end, memfd seals. */
#include "check.h"

#define PG 4096UL
#define RW (PROT_READ | PROT_WRITE)

static volatile int sig_code;
static volatile void *sig_addr;
static sigjmp_buf fault_jmp;
static void on_fault(int s, siginfo_t *i, void *u)
{
	(void)s, (void)u;
	sig_code = i->si_code;
	sig_addr = i->si_addr;
	siglongjmp(fault_jmp, s);
}
/* touch reads (or writes) p and gives the signal that this raised, or 0. */
static int touch(volatile char *p, bool write)
{
	struct sigaction sa = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO}, segv, bus;
	sigaction(SIGSEGV, &sa, &segv);
	sigaction(SIGBUS, &sa, &bus);
	int s = sigsetjmp(fault_jmp, 1);
	if (s == 0) {
		if (write)
			*p = 1;
		else
			(void)*p;
	}
	sigaction(SIGSEGV, &segv, NULL);
	sigaction(SIGBUS, &bus, NULL);
	return s;
}

static int filled(const char *name, size_t n)
{
	int fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0644);
	CHECK(fd >= 0);
	char *b = malloc(n);
	for (size_t i = 0; i < n; i++)
		b[i] = i / PG + 'a';
	CHECK_EQ(write(fd, b, n), n);
	free(b);
	return fd;
}

TEST(private_map)
{
	int fd = filled("pm", 3 * PG);
	char *p = mmap(NULL, 3 * PG, RW, MAP_PRIVATE, fd, 0);
	CHECK(p != MAP_FAILED);
	CHECK(p[0] == 'a' && p[PG] == 'b');
	p[PG] = 'X';
	char c;
	CHECK_EQ(pread(fd, &c, 1, PG), 1);
	CHECK_EQ(c, 'b');
	char *q = mmap(NULL, PG, PROT_READ, MAP_PRIVATE, fd, 2 * PG);
	CHECK_EQ(q[0], 'c');
	close(fd);
	CHECK_EQ(p[2 * PG], 'c'); /* lives on after close */
	CHECK_OK(unlink("pm"));
	CHECK_EQ(p[2 * PG + 1], 'c'); /* and after unlink */
	CHECK_OK(madvise(p, 3 * PG, MADV_DONTNEED));
	CHECK_EQ(p[PG], 'b'); /* the file's page again */
	CHECK_OK(munmap(p, 3 * PG));
}

TEST(shared_map)
{
	int fd = filled("sm", 3 * PG), fd2 = open("sm", O_RDWR);
	char *p = mmap(NULL, 3 * PG, RW, MAP_SHARED, fd, 0), c;
	char *q = mmap(NULL, 3 * PG, RW, MAP_SHARED, fd2, 0);
	CHECK(p != MAP_FAILED && q != MAP_FAILED);
	p[5] = 'S';
	CHECK_EQ(q[5], 'S');
	CHECK_EQ(pread(fd2, &c, 1, 5), 1);
	CHECK_EQ(c, 'S');
	CHECK_EQ(pwrite(fd2, "W", 1, PG), 1);
	CHECK_EQ(p[PG], 'W');
	CHECK_OK(msync(p, 3 * PG, MS_SYNC));
	char *half = mmap(NULL, PG, RW, MAP_SHARED, fd, PG);
	half[1] = 'H';
	CHECK_EQ(p[PG + 1], 'H');
	JOIN(FORK(q[2 * PG] = 'F'));
	CHECK_EQ(p[2 * PG], 'F');
	JOIN(FORK(int f = open("sm", O_RDWR); CHECK_EQ(pwrite(f, "G", 1, 7), 1)));
	CHECK_EQ(p[7], 'G');
	close(fd), close(fd2);
	p[8] = 'L';
	CHECK_EQ(get("sm")[8], 'L');
	/* Growth becomes visible in a map made before it. */
	fd = filled("grow", PG);
	p = mmap(NULL, 4 * PG, RW, MAP_SHARED, fd, 0);
	CHECK_OK(ftruncate(fd, 2 * PG));
	p[PG] = 'N';
	CHECK_EQ(pread(fd, &c, 1, PG), 1);
	CHECK_EQ(c, 'N');
	CHECK_OK(ftruncate(fd, 0));
	CHECK_OK(ftruncate(fd, PG));
	CHECK_EQ(p[0], 0);
	close(fd);
}

TEST(map_errors)
{
	int fd = filled("me", PG), p[2];
	int ro = open("me", O_RDONLY), wo = open("me", O_WRONLY), d = open(".", O_RDONLY);
#define FAILS(err, prot, flags, f, off)                                       \
	CHECK(mmap(NULL, PG, prot, flags, f, off) == MAP_FAILED && errno == (err))
	FAILS(EACCES, RW, MAP_SHARED, ro, 0);
	FAILS(EACCES, PROT_READ, MAP_PRIVATE, wo, 0);
	FAILS(EACCES, PROT_READ, MAP_SHARED, wo, 0);
	FAILS(EINVAL, PROT_READ, MAP_PRIVATE, fd, 1);
	FAILS(EBADF, PROT_READ, MAP_PRIVATE, 999, 0);
	FAILS(ENODEV, PROT_READ, MAP_PRIVATE, d, 0);
	CHECK_OK(pipe(p));
	FAILS(EACCES, RW, MAP_SHARED, p[0], 0);
	FAILS(ENODEV, PROT_READ, MAP_SHARED, p[0], 0);
	FAILS(EOPNOTSUPP, PROT_READ, MAP_SHARED_VALIDATE | 0x400000, fd, 0);
	char *m = mmap(NULL, PG, PROT_READ, MAP_SHARED, ro, 0);
	CHECK(m != MAP_FAILED);
	CHECK_ERRNO(mprotect(m, PG, RW), EACCES);
	m = mmap(NULL, PG, PROT_READ, MAP_PRIVATE, ro, 0);
	CHECK_OK(mprotect(m, PG, RW));
	m[0] = 1;
	close(fd), close(ro), close(wo), close(d), close(p[0]), close(p[1]);
}

TEST(faults_at_the_end)
{
	int fd = filled("end", PG + 100);
	char *p = mmap(NULL, 4 * PG, RW, MAP_SHARED, fd, 0);
	CHECK_EQ(p[PG + 99], 'b');
	CHECK_EQ(p[PG + 100], 0); /* the rest of the last page is zeros */
	CHECK_EQ(touch(p + 2 * PG, false), SIGBUS);
	CHECK_EQ(sig_code, BUS_ADRERR);
	CHECK(sig_addr == p + 2 * PG);
	CHECK_EQ(touch(p + 3 * PG + 5, true), SIGBUS);
	CHECK(sig_addr == p + 3 * PG + 5);
	CHECK_OK(ftruncate(fd, 10));
	CHECK_EQ(touch(p + PG, false), SIGBUS);
	CHECK_EQ(touch(p, false), 0);
	CHECK_OK(ftruncate(fd, 3 * PG));
	CHECK_EQ(touch(p + 2 * PG, true), 0);
	char *q = mmap(NULL, 4 * PG, RW, MAP_PRIVATE, fd, 0);
	CHECK_EQ(touch(q + 3 * PG, false), SIGBUS);
	CHECK_OK(mprotect(q, PG, PROT_READ));
	CHECK_EQ(touch(q, true), SIGSEGV);
	CHECK_EQ(sig_code, SEGV_ACCERR);
	/* A system call gets EFAULT instead. */
	CHECK_ERRNO(pwrite(fd, q + 3 * PG, 1, 0), EFAULT);
	close(fd);
}

TEST(memfd)
{
	int fd = memfd_create("name", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	CHECK(fd >= 0);
	CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
	char b[64], l[64];
	snprintf(b, sizeof b, "/proc/self/fd/%d", fd);
	ssize_t n = readlink(b, l, sizeof l - 1);
	CHECK(n > 0);
	l[n] = 0;
	CHECK_STR(l, "/memfd:name (deleted)");
	struct stat st;
	CHECK_OK(fstat(fd, &st));
	CHECK_EQ(st.st_mode, S_IFREG | 0777);
	CHECK_EQ(st.st_size, 0);
	CHECK_OK(ftruncate(fd, PG));
	char *p = mmap(NULL, PG, RW, MAP_SHARED, fd, 0);
	strcpy(p, "in memory");
	CHECK_EQ(pread(fd, b, 9, 0), 9);
	CHECK(!memcmp(b, "in memory", 9));
	CHECK_EQ(fcntl(fd, F_GET_SEALS), 0);
	CHECK_ERRNO(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), EBUSY); /* a writable map */
	CHECK_OK(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW));
	CHECK_ERRNO(ftruncate(fd, 0), EPERM);
	CHECK_ERRNO(ftruncate(fd, 2 * PG), EPERM);
	CHECK_ERRNO(pwrite(fd, "x", 1, PG), EPERM);
	CHECK_EQ(pwrite(fd, "x", 1, 0), 1);
	CHECK_OK(munmap(p, PG));
	CHECK_OK(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
	CHECK_ERRNO(pwrite(fd, "x", 1, 0), EPERM);
	CHECK(mmap(NULL, PG, RW, MAP_SHARED, fd, 0) == MAP_FAILED && errno == EPERM);
	CHECK(mmap(NULL, PG, PROT_READ, MAP_SHARED, fd, 0) != MAP_FAILED);
	CHECK(mmap(NULL, PG, RW, MAP_PRIVATE, fd, 0) != MAP_FAILED);
	CHECK_OK(fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL));
	CHECK_ERRNO(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW), EPERM);
	CHECK_EQ(fcntl(fd, F_GET_SEALS), F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL);
	close(fd);
	fd = memfd_create("", 0);
	CHECK_EQ(fcntl(fd, F_GET_SEALS), F_SEAL_SEAL);
	CHECK_ERRNO(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW), EPERM);
	close(fd);
	CHECK_ERRNO(memfd_create("x", 0x8000), EINVAL);
	CHECK_ERRNO(memfd_create((char *)1, 0), EFAULT);
	char name[260];
	memset(name, 'x', 250);
	name[250] = 0;
	CHECK_ERRNO(memfd_create(name, 0), EINVAL);
	fd = open("notmemfd", O_RDWR | O_CREAT, 0600);
	CHECK_ERRNO(fcntl(fd, F_GET_SEALS), EINVAL);
	close(fd);
}

TEST(memfd_between_processes)
{
	int fd = memfd_create("shared", 0);
	CHECK_OK(ftruncate(fd, PG));
	JOIN(FORK({
		char *p = mmap(NULL, PG, RW, MAP_SHARED, fd, 0);
		strcpy(p, "from child");
	}));
	char *p = mmap(NULL, PG, PROT_READ, MAP_SHARED, fd, 0);
	CHECK_STR(p, "from child");
	close(fd);
}

TEST(executable_map)
{
	/* A mapped program file can be read and its text cannot be written. */
	int fd = open(check_self, O_RDONLY);
	CHECK(fd >= 0);
	char *p = mmap(NULL, PG, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
	CHECK(p != MAP_FAILED);
	CHECK(!memcmp(p, "\177ELF", 4));
	CHECK_EQ(touch(p, true), SIGSEGV);
	close(fd);
	CHECK_EQ(touch((char *)8, false), SIGSEGV);
	CHECK_EQ(sig_code, SEGV_MAPERR);
	CHECK(sig_addr == (void *)8);
}

/* Results of mappings while signals come, of files by turns, with failures in
 * between. */
static volatile int alarms;
static void on_alarm(int s) { (void)s, alarms++; }
TEST_FORK(signals)
{
	int fd[2];
	for (int i = 0; i < 2; i++) {
		CHECK((fd[i] = open(i ? "b" : "a", O_RDWR | O_CREAT, 0600)) >= 0);
		CHECK_EQ(write(fd[i], i ? "bbbb" : "aaaa", 4), 4);
	}
	struct itimerval it = {{0, 150}, {0, 150}};
	CHECK(signal(SIGALRM, on_alarm) != SIG_ERR);
	CHECK_OK(setitimer(ITIMER_REAL, &it, NULL));
	char *busy = mmap(NULL, PG, PROT_READ, MAP_PRIVATE, fd[0], 0);
	CHECK(busy != MAP_FAILED);
	for (int i = 0; i < 3000 || alarms < 100; i++) {
		int k = i / 3 & 1;
		char *p = mmap(NULL, PG, i & 4 ? RW : PROT_READ, i & 8 ? MAP_SHARED : MAP_PRIVATE, fd[k], 0);
		CHECK(p != MAP_FAILED && p != busy);
		CHECK_EQ(p[3], "ab"[k]);
		if (i % 5 == 0) {
			errno = 0;
			CHECK(mmap(busy, PG, PROT_READ, MAP_PRIVATE | MAP_FIXED_NOREPLACE, fd[!k], 0) == MAP_FAILED && errno == EEXIST);
			CHECK(mmap(NULL, PG, PROT_READ, MAP_PRIVATE, fd[k], 1) == MAP_FAILED && errno == EINVAL);
			CHECK(mmap(busy, PG, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) == MAP_FAILED && errno == EEXIST);
		}
		CHECK_OK(munmap(p, PG));
	}
	it = (struct itimerval){0};
	CHECK_OK(setitimer(ITIMER_REAL, &it, NULL));
	CHECK_EQ(busy[0], 'a');
}
