/* build: */
/* read, write and their vector and positioned forms, lseek, sync calls. */
#include "check.h"

TEST(read_write)
{
	char b[64];
	int fd = open("rw", O_RDWR | O_CREAT | O_TRUNC, 0644);
	CHECK_EQ(read(fd, b, 10), 0);
	CHECK_EQ(write(fd, "0123456789", 10), 10);
	CHECK_EQ(read(fd, b, 10), 0);
	CHECK_EQ(lseek(fd, 2, SEEK_SET), 2);
	CHECK_EQ(read(fd, b, 3), 3);
	CHECK(!memcmp(b, "234", 3));
	CHECK_EQ(pread(fd, b, sizeof b, 7), 3);
	CHECK(!memcmp(b, "789", 3));
	CHECK_EQ(pread(fd, b, sizeof b, 100), 0);
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 5);
	CHECK_EQ(pwrite(fd, "AB", 2, 12), 2); /* leaves a hole */
	CHECK_EQ(pread(fd, b, sizeof b, 8), 6);
	CHECK(!memcmp(b, "89\0\0AB", 6));
	CHECK_EQ(read(fd, b, 0), 0);
	CHECK_EQ(write(fd, b, 0), 0);
	CHECK_ERRNO(pread(fd, b, 1, -1), EINVAL);
	CHECK_ERRNO(pwrite(fd, b, 1, -1), EINVAL);
	CHECK_ERRNO(read(fd, (void *)1, 1), EFAULT);
	CHECK_ERRNO(write(fd, (void *)1, 1), EFAULT);
	CHECK_ERRNO(read(-1, b, 1), EBADF);
	CHECK_ERRNO(write(1000, b, 1), EBADF);
	close(fd);
	CHECK_ERRNO(close(fd), EBADF);
}

TEST(partial_fault)
{
	char *p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK_OK(munmap(p + 4096, 4096));
	memset(p, 'q', 4096);
	int fd = open("pf", O_RDWR | O_CREAT, 0644);
	/* A write stops at the last byte that can be read. */
	CHECK_EQ(write(fd, p + 4090, 100), 6);
	CHECK_EQ(lseek(fd, 0, SEEK_END), 6);
	CHECK_OK(ftruncate(fd, 100));
	CHECK_EQ(pread(fd, p + 4046, 100, 0), 50);
	close(fd);
	munmap(p, 4096);
}

TEST(vectors)
{
	char a[4], b[4], c[16];
	struct iovec v[3] = {{"abc", 3}, {"", 0}, {"defg", 4}};
	int fd = open("vec", O_RDWR | O_CREAT, 0644);
	CHECK_EQ(writev(fd, v, 3), 7);
	lseek(fd, 0, SEEK_SET);
	struct iovec r[3] = {{a, 2}, {b, 3}, {c, 16}};
	CHECK_EQ(readv(fd, r, 3), 7);
	CHECK(!memcmp(a, "ab", 2) && !memcmp(b, "cde", 3) && !memcmp(c, "fg", 2));
	CHECK_EQ(preadv(fd, r, 1, 5), 2);
	CHECK(!memcmp(a, "fg", 2));
	CHECK_EQ(pwritev(fd, v, 1, 1), 3);
	CHECK_STR(get("vec"), "aabcefg");
	CHECK_EQ(readv(fd, r, 0), 0);
	CHECK_ERRNO(readv(fd, r, -1), EINVAL);
	CHECK_ERRNO(readv(fd, r, IOV_MAX + 1), EINVAL);
	CHECK_ERRNO(readv(fd, (void *)1, 1), EFAULT);
	r[0].iov_len = -1;
	CHECK_ERRNO(readv(fd, r, 1), EINVAL);
	struct iovec many[IOV_MAX];
	char buf[IOV_MAX];
	for (int i = 0; i < IOV_MAX; i++) {
		buf[i] = i;
		many[i] = (struct iovec){buf + i, 1};
	}
	CHECK_EQ(pwritev(fd, many, IOV_MAX, 0), IOV_MAX);
	memset(buf, 0, sizeof buf);
	CHECK_EQ(pread(fd, buf, sizeof buf, 0), IOV_MAX);
	CHECK_EQ((unsigned char)buf[1000], 1000 & 255);
	close(fd);
}

TEST(rwv2)
{
	char a[8];
	struct iovec v = {"12345", 5}, r = {a, 8};
	int fd = open("v2", O_RDWR | O_CREAT, 0644);
	CHECK_EQ(pwritev2(fd, &v, 1, -1, 0), 5); /* -1: the file's own offset */
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 5);
	CHECK_EQ(pwritev2(fd, &v, 1, 0, RWF_APPEND), 5);
	CHECK_EQ(lseek(fd, 0, SEEK_END), 10);
	CHECK_EQ(pwritev2(fd, &v, 1, 3, RWF_DSYNC), 5);
	CHECK_EQ(preadv2(fd, &r, 1, 3, 0), 7);
	CHECK(!memcmp(a, "1234545", 2));
	CHECK_ERRNO(preadv2(fd, &r, 1, 0, 0x4000), EOPNOTSUPP);
	CHECK_ERRNO(preadv2(fd, &r, 1, -2, 0), EINVAL);
	close(fd);
}

TEST(seek)
{
	int fd = open("seek", O_RDWR | O_CREAT, 0644);
	CHECK_EQ(write(fd, "abcdef", 6), 6);
	CHECK_EQ(lseek(fd, -2, SEEK_END), 4);
	CHECK_EQ(lseek(fd, -1, SEEK_CUR), 3);
	CHECK_EQ(lseek(fd, 100, SEEK_SET), 100);
	CHECK_ERRNO(lseek(fd, -1, SEEK_SET), EINVAL);
	CHECK_ERRNO(lseek(fd, -101, SEEK_CUR), EINVAL);
	CHECK_ERRNO(lseek(fd, 0, 77), EINVAL);
	CHECK_ERRNO(lseek(-1, 0, SEEK_SET), EBADF);
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 100);
	int p[2];
	CHECK_OK(pipe(p));
	CHECK_ERRNO(lseek(p[0], 0, SEEK_SET), ESPIPE);
	CHECK_ERRNO(pread(p[0], &p, 1, 0), ESPIPE);
	CHECK_ERRNO(pwrite(p[1], &p, 1, 0), ESPIPE);
	close(p[0]), close(p[1]);
	close(fd);
}

TEST(seek_holes)
{
	enum { M = 1 << 20 };
	int fd = open("hole", O_RDWR | O_CREAT, 0644);
	CHECK_OK(ftruncate(fd, 4 * M));
	CHECK_EQ(pwrite(fd, "data", 4, 2 * M), 4);
	CHECK_EQ(lseek(fd, 0, SEEK_HOLE), 0);
	off_t d = lseek(fd, 0, SEEK_DATA);
	CHECK(d > 0 && d <= 2 * M);
	off_t h = lseek(fd, 2 * M, SEEK_HOLE);
	CHECK(h > 2 * M && h <= 4 * M);
	CHECK_ERRNO(lseek(fd, 3 * M, SEEK_DATA), ENXIO);
	CHECK_EQ(lseek(fd, 3 * M, SEEK_HOLE), 3 * M);
	CHECK_ERRNO(lseek(fd, 4 * M, SEEK_HOLE), ENXIO);
	CHECK_ERRNO(lseek(fd, 5 * M, SEEK_DATA), ENXIO);
	close(fd);
	put("full", "full");
	fd = open("full", O_RDONLY);
	CHECK_EQ(lseek(fd, 1, SEEK_DATA), 1);
	CHECK_EQ(lseek(fd, 1, SEEK_HOLE), 4); /* the end counts as a hole */
	close(fd);
}

TEST(shared_offset)
{
	put("so", "abcdefgh");
	int fd = open("so", O_RDONLY), fd2 = dup(fd), fd3 = open("so", O_RDONLY);
	char c;
	CHECK_EQ(read(fd, &c, 1), 1);
	CHECK_EQ(read(fd2, &c, 1), 1);
	CHECK_EQ(c, 'b');
	CHECK_EQ(read(fd3, &c, 1), 1);
	CHECK_EQ(c, 'a');
	JOIN(FORK(CHECK_EQ(read(fd, &c, 1), 1); CHECK_EQ(c, 'c')));
	CHECK_EQ(lseek(fd2, 0, SEEK_CUR), 3);
	close(fd), close(fd2), close(fd3);
}

TEST(big_write)
{
	size_t n = 9 << 20;
	char *p = malloc(n), *q = malloc(n);
	for (size_t i = 0; i < n; i++)
		p[i] = i * 7 + (i >> 12);
	int fd = open("big", O_RDWR | O_CREAT, 0644);
	CHECK_EQ(write(fd, p, n), n);
	CHECK_EQ(pread(fd, q, n, 0), n);
	CHECK(!memcmp(p, q, n));
	struct stat st;
	CHECK_OK(fstat(fd, &st));
	CHECK_EQ(st.st_size, n);
	CHECK_EQ(st.st_blocks >= (blkcnt_t)(n / 512), 1);
	CHECK_OK(fsync(fd));
	CHECK_OK(fdatasync(fd));
	CHECK_OK(sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE));
	CHECK_OK(syncfs(fd));
	CHECK_OK(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED));
	CHECK_RET(posix_fadvise(fd, 0, 0, 77), EINVAL);
	CHECK_OK(readahead(fd, 0, 4096));
	close(fd);
	unlink("big");
	free(p), free(q);
	CHECK_ERRNO(fsync(-1), EBADF);
	int pp[2];
	CHECK_OK(pipe(pp));
	CHECK_ERRNO(fsync(pp[0]), EINVAL);
	CHECK_RET(posix_fadvise(pp[0], 0, 0, POSIX_FADV_NORMAL), ESPIPE);
	close(pp[0]), close(pp[1]);
}

TEST_FORK(file_size_limit)
{
	struct rlimit l = {1000, 1000};
	signal(SIGXFSZ, SIG_IGN);
	CHECK_OK(setrlimit(RLIMIT_FSIZE, &l));
	int fd = open("lim", O_RDWR | O_CREAT | O_TRUNC, 0644);
	char b[2000] = {0};
	CHECK_EQ(write(fd, b, sizeof b), 1000);
	CHECK_ERRNO(write(fd, b, 1), EFBIG);
	CHECK_ERRNO(ftruncate(fd, 1001), EFBIG);
	CHECK_OK(ftruncate(fd, 1000));
	signal(SIGXFSZ, SIG_DFL);
	CHECK_KILLED(FORK(if (write(fd, b, 1)) _exit(1)), SIGXFSZ);
}

TEST(size_boundaries)
{
	int fd = open("sb", O_RDWR | O_CREAT, 0644);
	off_t big = (1LL << 32) + 5; /* beyond 32 bits, sparse */
	CHECK_EQ(pwrite(fd, "z", 1, big), 1);
	CHECK_EQ(lseek(fd, 0, SEEK_END), big + 1);
	char b[3];
	CHECK_EQ(pread(fd, b, 3, big - 1), 2);
	CHECK(b[0] == 0 && b[1] == 'z');
	CHECK_ERRNO(pwrite(fd, "z", 1, LLONG_MAX), EINVAL);
	CHECK_EQ(ioctl(fd, FIONREAD, &b), 0);
	close(fd);
	unlink("sb");
}

/* Large reads: of a file of the system's, and of one of our own. */
static void large_reads(int fd, size_t size)
{
	char *all = malloc(size), *buf = malloc(size + 100000);
	CHECK(all && buf);
	for (size_t o = 0; o < size; o += 4000)
		CHECK_EQ(pread(fd, all + o, o + 4000 < size ? 4000 : size - o, o), (ssize_t)(o + 4000 < size ? 4000 : size - o));
	unsigned x = 1;
	for (int i = 0; i < 200; i++) {
		x = x * 1103515245 + 12345;
		size_t o = x / 7 % size, n = 1 + x / 3 % 150000, want = n < size - o ? n : size - o;
		CHECK_EQ(pread(fd, buf + i % 9, n, o), (ssize_t)want);
		CHECK(!memcmp(buf + i % 9, all + o, want));
	}
	/* By the position, which moves by what was read. */
	for (int i = 0; i < 3; i++) {
		size_t o = 0, piece = (size_t[]){ 33000, 65536, 100000 }[i];
		CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
		for (ssize_t n; (n = read(fd, buf, piece)) > 0; o += n) {
			CHECK_EQ(n, (ssize_t)(piece < size - o ? piece : size - o));
			CHECK(!memcmp(buf, all + o, n));
			CHECK_EQ(lseek(fd, 0, SEEK_CUR), (off_t)(o + n));
		}
		CHECK_EQ(o, size);
	}
	/* The whole at once, and more than there is. */
	CHECK_EQ(lseek(fd, 5, SEEK_SET), 5);
	CHECK_EQ(read(fd, buf, size + 99999), (ssize_t)size - 5);
	CHECK(!memcmp(buf, all + 5, size - 5));
	/* A description that others use too. */
	int twin = dup(fd);
	CHECK_EQ(lseek(fd, 100, SEEK_SET), 100);
	pid_t p = fork();
	if (p == 0)
		_exit(read(fd, buf, 40000) != 40000 || memcmp(buf, all + 100, 40000));
	int st;
	CHECK(waitpid(p, &st, 0) == p && st == 0);
	CHECK_EQ(read(twin, buf, 50000), 50000);
	CHECK(!memcmp(buf, all + 40100, 50000));
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 90100);
	CHECK_OK(close(twin));
	/* Into memory that is not there, or ends. */
	CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
	CHECK(read(fd, (void *)16, 70000) == -1 && errno == EFAULT);
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 0);
	char *end = mmap(NULL, 131072, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(end != MAP_FAILED);
	CHECK_OK(mprotect(end + 8192, 131072 - 8192, PROT_NONE));
	ssize_t n = read(fd, end, 70000);
	CHECK(n > 0 && n <= 8192 && !memcmp(end, all, n));
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), n);
	CHECK_OK(munmap(end, 131072));
	free(all), free(buf);
}
TEST(large_reads_system)
{
	struct stat st;
	int fd = open("/lib/x86_64-linux-gnu/libc.so.6", O_RDONLY);
	CHECK(fd >= 0);
	CHECK_OK(fstat(fd, &st));
	large_reads(fd, st.st_size);
	close(fd);
}
TEST(large_reads_own)
{
	char line[64];
	int fd = open("large", O_RDWR | O_CREAT, 0600);
	CHECK(fd >= 0);
	for (int i = 0; i < 8000; i++)
		CHECK_EQ(write(fd, line, sprintf(line, "%d: some text, to be told from other text\n", i)), (ssize_t)strlen(line));
	struct stat st;
	CHECK_OK(fstat(fd, &st));
	large_reads(fd, st.st_size);
	close(fd);
}
