/* build: */
/* open(2), openat(2), openat2(2), creat(2), O_TMPFILE, O_PATH: flags and errors. */
#include "check.h"
#include <linux/openat2.h>

static long openat2(int dir, const char *p, uint64_t flags, uint64_t mode, uint64_t resolve)
{
	struct open_how h = {.flags = flags, .mode = mode, .resolve = resolve};
	return syscall(SYS_openat2, dir, p, &h, sizeof h);
}

TEST(create_and_modes)
{
	struct stat st;
	int fd = open("a", O_RDWR | O_CREAT | O_EXCL, 0666);
	CHECK(fd >= 0);
	CHECK_OK(fstat(fd, &st));
	CHECK_EQ(st.st_mode, S_IFREG | 0644);
	CHECK_EQ(st.st_nlink, 1);
	CHECK_EQ(st.st_uid, geteuid());
	CHECK_ERRNO(open("a", O_RDWR | O_CREAT | O_EXCL, 0666), EEXIST);
	CHECK_EQ(write(fd, "hello", 5), 5);
	close(fd);
	/* A file may be created without the permission that it is opened with. */
	fd = open("b", O_WRONLY | O_CREAT, 0400);
	CHECK(fd >= 0);
	CHECK_EQ(write(fd, "x", 1), 1);
	close(fd);
	fd = creat("a", 0600);
	CHECK(fd >= 0);
	CHECK_OK(fstat(fd, &st));
	CHECK_EQ(st.st_size, 0);
	CHECK_EQ(st.st_mode & 07777, 0644);
	char c;
	CHECK_ERRNO(read(fd, &c, 1), EBADF);
	close(fd);
	fd = open("a", O_RDONLY);
	CHECK_ERRNO(write(fd, "x", 1), EBADF);
	CHECK_EQ(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDONLY);
	close(fd);
}

TEST(path_errors)
{
	char longname[300], *longpath = malloc(PATH_MAX + 10);
	memset(longname, 'x', 256);
	longname[256] = 0;
	CHECK_ERRNO(open(longname, O_RDONLY), ENAMETOOLONG);
	longname[255] = 0;
	CHECK_ERRNO(open(longname, O_RDONLY), ENOENT);
	int fd = open(longname, O_RDWR | O_CREAT, 0600);
	CHECK(fd >= 0);
	close(fd);
	CHECK_OK(unlink(longname));
	memset(longpath, '/', PATH_MAX);
	longpath[PATH_MAX] = 0;
	CHECK_ERRNO(open(longpath, O_RDONLY), ENAMETOOLONG);
	longpath[PATH_MAX - 1] = 0; /* 4095 slashes are the root */
	fd = open(longpath, O_RDONLY | O_DIRECTORY);
	CHECK(fd >= 0);
	close(fd);
	free(longpath);
	put("f", "x");
	CHECK_ERRNO(open("", O_RDONLY), ENOENT);
	CHECK_ERRNO(open("none", O_RDONLY), ENOENT);
	CHECK_ERRNO(open("none/x", O_RDWR | O_CREAT, 0600), ENOENT);
	CHECK_ERRNO(open("f/x", O_RDONLY), ENOTDIR);
	CHECK_ERRNO(open("f/", O_RDONLY), ENOTDIR);
	CHECK_ERRNO(open("new/", O_RDWR | O_CREAT, 0600), EISDIR);
	CHECK_ERRNO(open(".", O_WRONLY), EISDIR);
	CHECK_ERRNO(open(".", O_RDWR | O_CREAT, 0600), EISDIR);
	CHECK_ERRNO(open(".", O_RDONLY | O_CREAT, 0600), EISDIR);
	CHECK_ERRNO(open("f", O_RDONLY | O_DIRECTORY), ENOTDIR);
	CHECK_ERRNO(open((char *)1, O_RDONLY), EFAULT);
	CHECK_ERRNO(openat(-1, "f", O_RDONLY), EBADF);
	CHECK_ERRNO(openat(99, "f", O_RDONLY), EBADF);
	fd = open("f", O_RDONLY);
	CHECK_ERRNO(openat(fd, "x", O_RDONLY), ENOTDIR);
	close(fd);
}

TEST(open_relative)
{
	CHECK_OK(mkdir("d", 0755));
	put("d/x", "in d");
	int d = open("d", O_RDONLY | O_DIRECTORY);
	CHECK(d >= 0);
	int fd = openat(d, "x", O_RDONLY);
	CHECK(fd >= 0);
	close(fd);
	fd = openat(d, "../d/./x", O_RDONLY);
	CHECK(fd >= 0);
	close(fd);
	char cwd[PATH_MAX];
	CHECK(getcwd(cwd, sizeof cwd));
	strcat(cwd, "/d/x");
	fd = openat(99, cwd, O_RDONLY); /* an absolute path ignores the descriptor */
	CHECK(fd >= 0);
	close(fd);
	char b[8];
	CHECK_ERRNO(read(d, b, 1), EISDIR);
	CHECK_ERRNO(write(d, b, 1), EBADF);
	CHECK_OK(fchdir(d));
	CHECK_OK(access("x", F_OK));
	CHECK_OK(chdir(".."));
	close(d);
	/* A removed directory stays usable as "." but names nothing. */
	CHECK_OK(mkdir("gone", 0755));
	d = open("gone", O_RDONLY);
	CHECK_OK(rmdir("gone"));
	CHECK_ERRNO(openat(d, "x", O_RDWR | O_CREAT, 0600), ENOENT);
	CHECK_ERRNO(mkdirat(d, "x", 0755), ENOENT);
	struct stat st;
	CHECK_OK(fstat(d, &st));
	CHECK_EQ(st.st_nlink, 0);
	close(d);
}

TEST(append)
{
	put("ap", "one");
	int fd = open("ap", O_RDWR | O_APPEND);
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 0);
	CHECK_EQ(write(fd, "two", 3), 3);
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 6);
	CHECK_EQ(pwrite(fd, "!", 1, 0), 1); /* Linux appends here too */
	CHECK_STR(get("ap"), "onetwo!");
	CHECK_OK(fcntl(fd, F_SETFL, 0));
	CHECK_EQ(pwrite(fd, "X", 1, 0), 1);
	CHECK_STR(get("ap"), "Xnetwo!");
	CHECK_OK(fcntl(fd, F_SETFL, O_APPEND | O_NONBLOCK));
	CHECK_EQ(fcntl(fd, F_GETFL) & (O_APPEND | O_NONBLOCK | O_ACCMODE), O_APPEND | O_NONBLOCK | O_RDWR);
	close(fd);
}

TEST(symlinks)
{
	put("target", "t");
	CHECK_OK(symlink("target", "ln"));
	CHECK_OK(symlink("nowhere", "dangling"));
	CHECK_OK(symlink("loop2", "loop1"));
	CHECK_OK(symlink("loop1", "loop2"));
	CHECK_ERRNO(open("ln", O_RDONLY | O_NOFOLLOW), ELOOP);
	CHECK_ERRNO(open("ln", O_RDONLY | O_DIRECTORY), ENOTDIR);
	CHECK_ERRNO(open("ln", O_RDONLY | O_DIRECTORY | O_NOFOLLOW), ENOTDIR);
	CHECK_ERRNO(open("dangling", O_RDONLY), ENOENT);
	CHECK_ERRNO(open("dangling", O_RDWR | O_CREAT | O_EXCL, 0600), EEXIST);
	CHECK_ERRNO(open("loop1", O_RDONLY), ELOOP);
	CHECK_ERRNO(open("loop1/x", O_RDONLY), ELOOP);
	int fd = open("dangling", O_RDWR | O_CREAT, 0600); /* creates the target */
	CHECK(fd >= 0);
	close(fd);
	CHECK_OK(access("nowhere", F_OK));
	fd = open("ln", O_PATH | O_NOFOLLOW);
	CHECK(fd >= 0);
	char b[16];
	CHECK_EQ(readlinkat(fd, "", b, sizeof b), 6);
	close(fd);
}

TEST(path_descriptor)
{
	put("p", "data");
	int fd = open("p", O_PATH | O_CLOEXEC), n;
	char c;
	struct stat st;
	CHECK(fd >= 0);
	CHECK_ERRNO(read(fd, &c, 1), EBADF);
	CHECK_ERRNO(write(fd, "x", 1), EBADF);
	CHECK_ERRNO(fchmod(fd, 0600), EBADF);
	CHECK_ERRNO(ioctl(fd, FIONREAD, &n), EBADF);
	CHECK_ERRNO(ftruncate(fd, 0), EBADF);
	CHECK(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0) == MAP_FAILED && errno == EBADF);
	CHECK_OK(fstat(fd, &st));
	CHECK_EQ(st.st_size, 4);
	CHECK_OK(fstatat(fd, "", &st, AT_EMPTY_PATH));
	CHECK_EQ(fcntl(fd, F_GETFL), O_PATH);
	CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
	char b[64];
	snprintf(b, sizeof b, "/proc/self/fd/%d", fd);
	n = open(b, O_RDONLY);
	CHECK(n >= 0);
	CHECK_EQ(read(n, &c, 1), 1);
	close(n);
	close(fd);
	fd = open(".", O_PATH);
	n = openat(fd, "p", O_RDONLY);
	CHECK(n >= 0);
	close(n);
	close(fd);
}

TEST(tmpfile)
{
	struct stat st;
	int fd = open(".", O_TMPFILE | O_RDWR, 0640);
	CHECK(fd >= 0);
	CHECK_OK(fstat(fd, &st));
	CHECK_EQ(st.st_nlink, 0);
	CHECK_EQ(st.st_mode, S_IFREG | 0640);
	CHECK_EQ(write(fd, "tmp", 3), 3);
	char b[64];
	snprintf(b, sizeof b, "/proc/self/fd/%d", fd);
	CHECK_OK(linkat(AT_FDCWD, b, AT_FDCWD, "linked", AT_SYMLINK_FOLLOW));
	CHECK_OK(fstat(fd, &st));
	CHECK_EQ(st.st_nlink, 1);
	CHECK_STR(get("linked"), "tmp");
	close(fd);
	fd = open(".", O_TMPFILE | O_RDWR | O_EXCL, 0640);
	CHECK(fd >= 0);
	snprintf(b, sizeof b, "/proc/self/fd/%d", fd);
	CHECK_ERRNO(linkat(AT_FDCWD, b, AT_FDCWD, "linked2", AT_SYMLINK_FOLLOW), ENOENT);
	close(fd);
	CHECK_ERRNO(open(".", O_TMPFILE | O_RDONLY, 0600), EINVAL);
	CHECK_ERRNO(open("nodir", O_TMPFILE | O_RDWR, 0600), ENOENT);
	CHECK_ERRNO(open("linked", O_TMPFILE | O_RDWR, 0600), ENOTDIR);
}

TEST(openat2_flags)
{
	put("o2", "x");
	int fd = openat2(AT_FDCWD, "o2", O_RDONLY, 0, 0);
	CHECK(fd >= 0);
	close(fd);
	CHECK_ERRNO(openat2(AT_FDCWD, "o2", O_RDONLY, 0600, 0), EINVAL);
	CHECK_ERRNO(openat2(AT_FDCWD, "o2", O_RDWR | O_CREAT, 0200000, 0), EINVAL);
	CHECK_ERRNO(openat2(AT_FDCWD, "o2", 1ULL << 40, 0, 0), EINVAL);
	CHECK_ERRNO(openat2(AT_FDCWD, "o2", O_RDONLY, 0, 1 << 20), EINVAL);
	CHECK_ERRNO(openat2(AT_FDCWD, "o2", O_RDONLY, 0, RESOLVE_BENEATH | RESOLVE_IN_ROOT), EINVAL);
	struct {
		struct open_how h;
		uint64_t extra;
	} big = {{.flags = O_RDONLY}, 0};
	fd = syscall(SYS_openat2, AT_FDCWD, "o2", &big, sizeof big);
	CHECK(fd >= 0);
	close(fd);
	big.extra = 1;
	CHECK_ERRNO(syscall(SYS_openat2, AT_FDCWD, "o2", &big, sizeof big), E2BIG);
	CHECK_ERRNO(syscall(SYS_openat2, AT_FDCWD, "o2", &big, 8), EINVAL);
	/* open(2) ignores unknown flags, and the mode without O_CREAT. */
	fd = open("o2", O_RDONLY | 0x20000000, 0777);
	CHECK(fd >= 0);
	close(fd);
}

TEST(openat2_resolve)
{
	CHECK_OK(mkdir("jail", 0755));
	CHECK_OK(mkdir("jail/sub", 0755));
	put("jail/f", "inside");
	put("outside", "outside");
	CHECK_OK(symlink("../outside", "jail/up"));
	CHECK_OK(symlink("/f", "jail/abs"));
	CHECK_OK(symlink("f", "jail/ok"));
	CHECK_OK(symlink("../f", "jail/sub/back"));
	int d = open("jail", O_PATH | O_DIRECTORY), fd;
	CHECK_ERRNO(openat2(d, "../outside", O_RDONLY, 0, RESOLVE_BENEATH), EXDEV);
	CHECK_ERRNO(openat2(d, "up", O_RDONLY, 0, RESOLVE_BENEATH), EXDEV);
	CHECK_ERRNO(openat2(d, "abs", O_RDONLY, 0, RESOLVE_BENEATH), EXDEV);
	CHECK_ERRNO(openat2(d, "/f", O_RDONLY, 0, RESOLVE_BENEATH), EXDEV);
	CHECK((fd = openat2(d, "ok", O_RDONLY, 0, RESOLVE_BENEATH)) >= 0);
	close(fd);
	CHECK((fd = openat2(d, "sub/back", O_RDONLY, 0, RESOLVE_BENEATH)) >= 0);
	close(fd);
	CHECK((fd = openat2(d, "abs", O_RDONLY, 0, RESOLVE_IN_ROOT)) >= 0);
	close(fd);
	CHECK_ERRNO(openat2(d, "up", O_RDONLY, 0, RESOLVE_IN_ROOT), ENOENT);
	CHECK((fd = openat2(d, "../../f", O_RDONLY, 0, RESOLVE_IN_ROOT)) >= 0);
	close(fd);
	CHECK_ERRNO(openat2(d, "ok", O_RDONLY, 0, RESOLVE_NO_SYMLINKS), ELOOP);
	CHECK((fd = openat2(d, "f", O_RDONLY, 0, RESOLVE_NO_SYMLINKS)) >= 0);
	CHECK_ERRNO(openat2(AT_FDCWD, "/proc/self/exe", O_RDONLY, 0, RESOLVE_NO_MAGICLINKS), ELOOP);
	CHECK_ERRNO(openat2(AT_FDCWD, "/proc/self/stat", O_RDONLY, 0, RESOLVE_NO_XDEV), EXDEV);
	close(fd);
	close(d);
}

TEST(permissions)
{
	if (geteuid() != 0)
		return;
	put("secret", "x");
	CHECK_OK(chmod("secret", 0600));
	CHECK_OK(mkdir("closed", 0700));
	put("closed/f", "x");
	CHECK_OK(mkdir("wr", 0777));
	CHECK_OK(chmod("wr", 0777));
	put("ro", "x");
	JOIN(FORK({
		become(12345);
		CHECK_ERRNO(open("secret", O_RDONLY), EACCES);
		CHECK_ERRNO(open("closed/f", O_RDONLY), EACCES);
		CHECK_ERRNO(open("closed/none", O_RDONLY), EACCES);
		CHECK_ERRNO(open("new", O_RDWR | O_CREAT, 0600), EACCES);
		CHECK_ERRNO(open("ro", O_WRONLY), EACCES);
		CHECK_ERRNO(open("ro", O_RDONLY | O_TRUNC), EACCES);
		CHECK_OK(open("ro", O_RDONLY));
		CHECK_ERRNO(open("ro", O_RDONLY | O_NOATIME), EPERM);
		CHECK_OK(open("secret", O_PATH));
		CHECK_OK(open("wr/mine", O_RDWR | O_CREAT, 0600));
		CHECK_ERRNO(open(".", O_TMPFILE | O_RDWR, 0600), EACCES);
	}));
	struct stat st;
	CHECK_OK(stat("wr/mine", &st));
	CHECK_EQ(st.st_uid, 12345);
	CHECK_EQ(st.st_gid, 12345);
}
