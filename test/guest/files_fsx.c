/* build: */
/* Random reads, writes, truncations, holes, copies and mappings of one file,
 * checked against a copy in memory (after Apple's fsx). */
#include "check.h"
#include <linux/falloc.h>
#include <sys/sendfile.h>

enum { MAX = 200000 };
static char model[MAX], buf[MAX];
static size_t size;
static bool across; /* the file and the other lie on different file systems */
static unsigned rnd_state;
static unsigned rnd(unsigned n)
{
	rnd_state ^= rnd_state << 13;
	rnd_state ^= rnd_state >> 17;
	rnd_state ^= rnd_state << 5;
	return rnd_state % n;
}
static void fill(char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		p[i] = rnd(256);
}
static size_t min(size_t a, size_t b) { return a < b ? a : b; }

static void step(int fd, int other)
{
	size_t off = rnd(4) ? rnd(size + 1) : rnd(MAX), len = rnd(3) ? rnd(5000) : rnd(60000);
	len = min(len, MAX - off);
	struct stat st;
	switch (rnd(10)) {
	case 0:
	case 1: /* write */
		fill(buf, len);
		CHECK_EQ(pwrite(fd, buf, len, off), len);
		memcpy(model + off, buf, len);
		if (len && off + len > size)
			size = off + len;
		break;
	case 2:
	case 3: { /* read */
		size_t want = off >= size ? 0 : min(len, size - off);
		CHECK_EQ(pread(fd, buf, len, off), want);
		CHECK(!memcmp(buf, model + off, want));
		break;
	}
	case 4: /* truncate */
		CHECK_OK(ftruncate(fd, off));
		if (off < size)
			memset(model + off, 0, size - off);
		size = off;
		break;
	case 5: /* hole */
		if (len == 0)
			break;
		CHECK_OK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, off, len));
		memset(model + off, 0, min(len, size > off ? size - off : 0));
		break;
	case 6: /* mapped read or write */
		if (size == 0)
			break;
		off = rnd(size);
		len = min(len + 1, size - off);
		size_t page = off & ~4095UL;
		char *p = mmap(NULL, off - page + len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, page);
		CHECK(p != MAP_FAILED);
		CHECK(!memcmp(p + (off - page), model + off, len));
		if (rnd(2)) {
			fill(p + (off - page), len);
			memcpy(model + off, p + (off - page), len);
		}
		CHECK_OK(munmap(p, off - page + len));
		break;
	case 7: /* append */
		if (size + len > MAX)
			break;
		fill(buf, len);
		CHECK_EQ(lseek(fd, 0, SEEK_END), size);
		CHECK_EQ(write(fd, buf, len), len);
		memcpy(model + size, buf, len);
		size += len;
		break;
	case 8: { /* out to another file and back to another place */
		size_t got = off >= size ? 0 : min(len, size - off);
		off_t in = off, to = rnd(MAX - got + 1);
		CHECK_OK(ftruncate(other, 0));
		if (rnd(2) && !across) {
			off_t o = 0;
			CHECK_EQ(copy_file_range(fd, &in, other, &o, len, 0), got);
		} else {
			lseek(other, 0, SEEK_SET);
			if (len)
				CHECK_EQ(sendfile(other, fd, &in, len), got);
		}
		CHECK_EQ(pread(other, buf, MAX, 0), got);
		CHECK(!memcmp(buf, model + off, got));
		if (got == 0)
			break;
		CHECK_EQ(pwrite(fd, buf, got, to), got);
		memcpy(model + to, buf, got);
		if (to + got > size)
			size = to + got;
		break;
	}
	case 9: /* allocate */
		if (len == 0)
			break;
		CHECK_OK(fallocate(fd, 0, off, len));
		if (off + len > size)
			size = off + len;
		break;
	}
	CHECK_OK(fstat(fd, &st));
	CHECK_EQ(st.st_size, size);
}

static void run(int fd, unsigned seed, int steps)
{
	int other = open("other", O_RDWR | O_CREAT, 0600);
	CHECK(fd >= 0 && other >= 0);
	rnd_state = seed;
	size = 0;
	memset(model, 0, sizeof model);
	for (int i = 0; i < steps; i++)
		step(fd, other);
	CHECK_EQ(pread(fd, buf, MAX, 0), size);
	CHECK(!memcmp(buf, model, size));
	close(other);
}

TEST(file) { run(open("fsx", O_RDWR | O_CREAT | O_TRUNC, 0600), 1, 1500); }
TEST(unlinked)
{
	int fd = open("fsx2", O_RDWR | O_CREAT | O_TRUNC, 0600);
	CHECK_OK(unlink("fsx2"));
	run(fd, 77, 500);
	close(fd);
}
TEST(memory)
{
	int fd = memfd_create("fsx", 0);
	across = true;
	run(fd, 4711, 500);
	across = false;
	close(fd);
}
TEST(shared_by_processes)
{
	/* Parent and child take turns on one description's file. */
	int fd = open("fsx3", O_RDWR | O_CREAT, 0600);
	for (int i = 0; i < 5; i++) {
		JOIN(FORK(int f = open("fsx3", O_RDWR); memset(buf, 'a' + i, 9000); CHECK_EQ(pwrite(f, buf, 9000, i * 5000), 9000)));
		char *p = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
		CHECK_EQ(p[0], 'a');
		CHECK_EQ(pread(fd, buf, 100, i * 5000), 100);
		CHECK_EQ(buf[0], 'a' + i);
		munmap(p, 4096);
	}
	close(fd);
}
