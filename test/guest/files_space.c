/* build: */
/* truncate, fallocate, copy_file_range, sendfile, splice, tee, vmsplice. */
#include "check.h"
#include <linux/falloc.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>

TEST(truncation)
{
	put("t", "0123456789");
	CHECK_OK(truncate("t", 4));
	CHECK_STR(get("t"), "0123");
	CHECK_OK(truncate("t", 8));
	int fd = open("t", O_RDWR);
	char b[16];
	CHECK_EQ(read(fd, b, sizeof b), 8);
	CHECK(!memcmp(b, "0123\0\0\0\0", 8));
	CHECK_OK(ftruncate(fd, 0));
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 8);
	CHECK_EQ(write(fd, "x", 1), 1);
	CHECK_EQ(lseek(fd, 0, SEEK_END), 9);
	CHECK_ERRNO(ftruncate(fd, -1), EINVAL);
	close(fd);
	CHECK_ERRNO(truncate("t", -1), EINVAL);
	CHECK_ERRNO(truncate("none", 0), ENOENT);
	CHECK_ERRNO(truncate(".", 0), EISDIR);
	fd = open("t", O_RDONLY);
	CHECK_ERRNO(ftruncate(fd, 0), EINVAL);
	close(fd);
	int p[2];
	CHECK_OK(pipe(p));
	CHECK_ERRNO(ftruncate(p[1], 0), EINVAL);
	close(p[0]), close(p[1]);
	/* Shrinking and growing shows zeros, not old bytes. */
	put("t", "abcdefgh");
	CHECK_OK(truncate("t", 2));
	CHECK_OK(truncate("t", 8));
	fd = open("t", O_RDONLY);
	CHECK_EQ(read(fd, b, 8), 8);
	CHECK(!memcmp(b, "ab\0\0\0\0\0\0", 8));
	close(fd);
}

TEST(allocate)
{
	struct stat st;
	int fd = open("fa", O_RDWR | O_CREAT, 0644);
	CHECK_OK(fallocate(fd, 0, 0, 8192));
	CHECK_OK(fstat(fd, &st));
	CHECK_EQ(st.st_size, 8192);
	CHECK_OK(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 65536));
	CHECK_OK(fstat(fd, &st));
	CHECK_EQ(st.st_size, 8192);
	char b[8192];
	memset(b, 'a', sizeof b);
	CHECK_EQ(pwrite(fd, b, sizeof b, 0), 8192);
	CHECK_OK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 100, 4000));
	CHECK_EQ(pread(fd, b, sizeof b, 0), 8192);
	CHECK(b[99] == 'a' && b[100] == 0 && b[4099] == 0 && b[4100] == 'a');
	CHECK_ERRNO(fallocate(fd, FALLOC_FL_PUNCH_HOLE, 0, 10), EOPNOTSUPP);
	CHECK_ERRNO(fallocate(fd, 0, 0, 0), EINVAL);
	CHECK_ERRNO(fallocate(fd, 0, -1, 10), EINVAL);
	CHECK(fallocate(fd, 0, 0, LLONG_MAX) == -1 && (errno == EFBIG || errno == ENOSPC)); /* as tmpfs does */
	CHECK_ERRNO(fallocate(-1, 0, 0, 10), EBADF);
	CHECK_RET(posix_fallocate(fd, 0, 10000), 0);
	CHECK_OK(fstat(fd, &st));
	CHECK_EQ(st.st_size, 10000);
	close(fd);
	fd = open("fa", O_RDONLY);
	CHECK_ERRNO(fallocate(fd, 0, 0, 10), EBADF);
	close(fd);
	int p[2];
	CHECK_OK(pipe(p));
	CHECK_ERRNO(fallocate(p[1], 0, 0, 10), ESPIPE);
	close(p[0]), close(p[1]);
}

TEST(copy_range)
{
	put("src", "0123456789");
	int in = open("src", O_RDONLY), out = open("dst", O_RDWR | O_CREAT | O_TRUNC, 0644);
	CHECK_EQ(copy_file_range(in, NULL, out, NULL, 4, 0), 4);
	CHECK_EQ(lseek(in, 0, SEEK_CUR), 4);
	off_t i = 8, o = 4;
	CHECK_EQ(copy_file_range(in, &i, out, &o, 100, 0), 2);
	CHECK(i == 10 && o == 6);
	CHECK_STR(get("dst"), "012389");
	CHECK_EQ(copy_file_range(in, &i, out, &o, 10, 0), 0);
	CHECK_ERRNO(copy_file_range(in, NULL, out, NULL, 1, 1), EINVAL);
	CHECK_ERRNO(copy_file_range(out, NULL, in, NULL, 1, 0), EBADF);
	i = 0, o = 2;
	CHECK_ERRNO(copy_file_range(out, &i, out, &o, 4, 0), EINVAL); /* overlap */
	int d = open(".", O_RDONLY);
	CHECK_ERRNO(copy_file_range(d, NULL, out, NULL, 1, 0), EISDIR);
	int p[2];
	CHECK_OK(pipe(p));
	CHECK_ERRNO(copy_file_range(p[0], NULL, out, NULL, 1, 0), EINVAL);
	close(p[0]), close(p[1]);
	close(d), close(in), close(out);
	out = open("dst", O_RDWR | O_APPEND);
	in = open("src", O_RDONLY);
	CHECK_ERRNO(copy_file_range(in, NULL, out, NULL, 1, 0), EBADF);
	close(in), close(out);
}

TEST(send_file)
{
	put("sf", "sendfile data");
	int in = open("sf", O_RDONLY), s[2];
	char b[64];
	CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	off_t off = 4;
	CHECK_EQ(sendfile(s[0], in, &off, 4), 4);
	CHECK_EQ(off, 8);
	CHECK_EQ(lseek(in, 0, SEEK_CUR), 0);
	CHECK_EQ(read(s[1], b, sizeof b), 4);
	CHECK(!memcmp(b, "file", 4));
	CHECK_EQ(sendfile(s[0], in, NULL, 1000), 13);
	CHECK_EQ(lseek(in, 0, SEEK_CUR), 13);
	CHECK_EQ(read(s[1], b, sizeof b), 13);
	CHECK_EQ(sendfile(s[0], in, NULL, 1000), 0);
	int out = open("sfout", O_RDWR | O_CREAT, 0644);
	off = 0;
	CHECK_EQ(sendfile(out, in, &off, 1000), 13);
	CHECK_STR(get("sfout"), "sendfile data");
	off = -1;
	CHECK_ERRNO(sendfile(out, in, &off, 1), EINVAL);
	CHECK_ERRNO(sendfile(in, out, NULL, 1), EBADF);
	int p[2];
	CHECK_OK(pipe(p));
	CHECK_EQ(write(p[1], "x", 1), 1);
	off = 0;
	CHECK_EQ(sendfile(p[1], in, &off, 3), 3);
	CHECK_EQ(read(p[0], b, sizeof b), 4);
	close(p[0]), close(p[1]), close(in), close(out), close(s[0]), close(s[1]);
}

TEST(splicing)
{
	put("sp", "splice me");
	int p[2], q[2], in = open("sp", O_RDONLY), out = open("spout", O_RDWR | O_CREAT, 0644);
	char b[64];
	CHECK_OK(pipe(p));
	CHECK_OK(pipe(q));
	CHECK_EQ(splice(in, NULL, p[1], NULL, 6, 0), 6);
	CHECK_EQ(lseek(in, 0, SEEK_CUR), 6);
	CHECK_EQ(tee(p[0], q[1], 4, 0), 4); /* a copy: p keeps its bytes */
	CHECK_EQ(read(q[0], b, sizeof b), 4);
	CHECK(!memcmp(b, "spli", 4));
	loff_t off = 2;
	CHECK_EQ(splice(p[0], NULL, out, &off, 100, 0), 6);
	CHECK_EQ(off, 8);
	CHECK_EQ(pread(out, b, sizeof b, 0), 8);
	CHECK(!memcmp(b, "\0\0splice", 8));
	CHECK_EQ(write(p[1], "move", 4), 4);
	CHECK_EQ(splice(p[0], NULL, q[1], NULL, 100, SPLICE_F_MOVE), 4);
	CHECK_EQ(read(q[0], b, sizeof b), 4);
	CHECK_ERRNO(splice(p[0], NULL, q[1], NULL, 10, SPLICE_F_NONBLOCK), EAGAIN);
	CHECK_ERRNO(splice(in, NULL, out, NULL, 10, 0), EINVAL);
	CHECK_ERRNO(splice(p[0], NULL, p[1], NULL, 10, 0), EINVAL);
	CHECK_ERRNO(splice(p[0], &off, out, NULL, 10, 0), ESPIPE);
	CHECK_ERRNO(tee(p[0], out, 10, 0), EINVAL);
	CHECK_ERRNO(tee(p[0], q[1], 10, SPLICE_F_NONBLOCK), EAGAIN);
	CHECK_EQ(splice(in, NULL, p[1], NULL, 0, 0), 0);
	struct iovec v = {"user", 4};
	CHECK_EQ(vmsplice(p[1], &v, 1, 0), 4);
	CHECK_EQ(read(p[0], b, sizeof b), 4);
	CHECK(!memcmp(b, "user", 4));
	close(p[1]);
	CHECK_EQ(splice(p[0], NULL, q[1], NULL, 10, 0), 0); /* end of file */
	close(p[0]), close(q[0]), close(q[1]), close(in), close(out);
}

TEST(file_system_info)
{
	struct statfs f;
	struct statvfs v;
	CHECK_OK(statfs(".", &f));
	CHECK(f.f_bsize > 0 && f.f_namelen == 255);
	CHECK(f.f_bfree <= f.f_blocks);
	CHECK_OK(statvfs("/", &v));
	CHECK(v.f_bsize > 0);
	CHECK_OK(statfs("/proc", &f));
	CHECK_EQ(f.f_type, 0x9fa0);
	CHECK_OK(statfs("/dev/shm", &f));
	CHECK_EQ(f.f_type, 0x01021994);
	CHECK_ERRNO(statfs("none", &f), ENOENT);
	CHECK_ERRNO(fstatfs(-1, &f), EBADF);
	CHECK_ERRNO(statfs(".", (void *)1), EFAULT);
	CHECK_EQ(pathconf(".", _PC_NAME_MAX), 255);
}
