/* build: */
/* Directories: mkdir, rmdir, getdents64, seeking, unlink, link, symlink, mknod. */
#include "check.h"
#include <dirent.h>
#include <sys/sysmacros.h>

struct dirent64_raw {
	uint64_t ino;
	int64_t off;
	uint16_t reclen;
	uint8_t type;
	char name[];
};

static int entries(const char *path)
{
	DIR *d = opendir(path);
	int n = 0;
	if (!d)
		return -1;
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

TEST(make_and_remove)
{
	struct stat st;
	CHECK_OK(mkdir("d", 0777));
	CHECK_OK(stat("d", &st));
	CHECK_EQ(st.st_mode, S_IFDIR | 0755);
	CHECK_ERRNO(mkdir("d", 0777), EEXIST);
	CHECK_ERRNO(mkdir("d/", 0777), EEXIST);
	CHECK_ERRNO(mkdir("/", 0777), EEXIST);
	CHECK_ERRNO(mkdir(".", 0777), EEXIST);
	CHECK_ERRNO(mkdir("x/y", 0777), ENOENT);
	CHECK_ERRNO(mkdir("", 0777), ENOENT);
	put("f", "x");
	CHECK_ERRNO(mkdir("f/y", 0777), ENOTDIR);
	CHECK_OK(mkdir("d/e/", 0700));
	CHECK_ERRNO(rmdir("d"), ENOTEMPTY);
	CHECK_ERRNO(rmdir("f"), ENOTDIR);
	CHECK_ERRNO(rmdir("none"), ENOENT);
	CHECK_ERRNO(rmdir("d/."), EINVAL);
	CHECK_ERRNO(rmdir("d/e/.."), ENOTEMPTY);
	CHECK_ERRNO(rmdir("/"), EBUSY);
	CHECK_ERRNO(unlink("d"), EISDIR);
	CHECK_ERRNO(unlinkat(AT_FDCWD, "f", AT_REMOVEDIR), ENOTDIR);
	CHECK_ERRNO(unlinkat(AT_FDCWD, "f", 1), EINVAL);
	CHECK_OK(unlinkat(AT_FDCWD, "d/e", AT_REMOVEDIR));
	CHECK_OK(rmdir("d/"));
	CHECK_OK(symlink("nowhere", "sl"));
	CHECK_ERRNO(mkdir("sl", 0777), EEXIST);
	CHECK_ERRNO(rmdir("sl"), ENOTDIR);
	CHECK_OK(unlink("sl"));
	/* A directory counts its sub-directories, "." and its name. */
	CHECK_OK(mkdir("n", 0755));
	CHECK_OK(mkdir("n/1", 0755));
	CHECK_OK(mkdir("n/2", 0755));
	CHECK_OK(stat("n", &st));
	CHECK_EQ(st.st_nlink, 4);
}

TEST(list)
{
	char name[32], seen[300] = {0};
	CHECK_OK(mkdir("many", 0755));
	for (int i = 0; i < 300; i++) {
		snprintf(name, sizeof name, "many/file%03d", i);
		put(name, "");
	}
	CHECK_EQ(entries("many"), 302);
	DIR *d = opendir("many");
	CHECK(d);
	struct dirent *e;
	int dots = 0;
	while ((e = readdir(d))) {
		int i;
		if (e->d_name[0] == '.') {
			dots++;
			CHECK_EQ(e->d_type, DT_DIR);
		} else {
			CHECK_EQ(sscanf(e->d_name, "file%d", &i), 1);
			CHECK(!seen[i]);
			CHECK_EQ(e->d_type, DT_REG);
			seen[i] = 1;
		}
	}
	CHECK_EQ(dots, 2);
	/* Cookies: each position gives the same next entry again. */
	rewinddir(d);
	for (int i = 0; i < 150; i++)
		CHECK(readdir(d));
	long pos = telldir(d);
	e = readdir(d);
	CHECK(e);
	strcpy(name, e->d_name);
	for (int i = 0; i < 50; i++)
		CHECK(readdir(d));
	seekdir(d, pos);
	e = readdir(d);
	CHECK(e);
	CHECK_STR(e->d_name, name);
	rewinddir(d);
	int n = 0;
	while (readdir(d))
		n++;
	CHECK_EQ(n, 302);
	closedir(d);
	/* Removing while reading skips and repeats nothing. */
	d = opendir("many");
	n = 0;
	while ((e = readdir(d)))
		if (e->d_name[0] != '.') {
			CHECK_OK(unlinkat(dirfd(d), e->d_name, 0));
			n++;
		}
	CHECK_EQ(n, 300);
	closedir(d);
	CHECK_OK(rmdir("many"));
}

TEST(raw_entries)
{
	char b[4096] __attribute__((aligned(8)));
	struct stat st;
	CHECK_OK(mkdir("raw", 0755));
	put("raw/file", "x");
	CHECK_OK(symlink("x", "raw/link"));
	CHECK_OK(mkfifo("raw/fifo", 0600));
	int fd = open("raw", O_RDONLY | O_DIRECTORY);
	CHECK_ERRNO(syscall(SYS_getdents64, fd, b, 8), EINVAL);
	long n = syscall(SYS_getdents64, fd, b, sizeof b);
	CHECK(n > 0);
	int count = 0;
	for (long i = 0; i < n;) {
		struct dirent64_raw *e = (void *)(b + i);
		CHECK_EQ(e->reclen % 8, 0);
		CHECK(e->reclen >= 19 + strlen(e->name) + 1);
		CHECK_OK(fstatat(fd, e->name, &st, AT_SYMLINK_NOFOLLOW));
		if (strcmp(e->name, ".."))
			CHECK_EQ(e->ino, st.st_ino);
		CHECK_EQ(e->type, (st.st_mode & S_IFMT) >> 12);
		count++;
		i += e->reclen;
	}
	CHECK_EQ(count, 5);
	CHECK_EQ(syscall(SYS_getdents64, fd, b, sizeof b), 0);
	CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
	CHECK_EQ(syscall(SYS_getdents64, fd, b, sizeof b), n);
	CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
	CHECK_ERRNO(syscall(SYS_getdents64, fd, (char *)8, 4096), EFAULT);
	close(fd);
	fd = open("raw/file", O_RDONLY);
	CHECK_ERRNO(syscall(SYS_getdents64, fd, b, sizeof b), ENOTDIR);
	close(fd);
	CHECK_ERRNO(syscall(SYS_getdents64, -1, b, sizeof b), EBADF);
	/* A removed directory lists nothing. */
	CHECK_OK(mkdir("rm", 0755));
	fd = open("rm", O_RDONLY);
	CHECK_OK(rmdir("rm"));
	CHECK_ERRNO(syscall(SYS_getdents64, fd, b, sizeof b), ENOENT);
	close(fd);
}

TEST(unlink_while_open)
{
	struct stat st;
	int fd = open("uo", O_RDWR | O_CREAT, 0644);
	CHECK_EQ(write(fd, "keep", 4), 4);
	CHECK_OK(unlink("uo"));
	CHECK_ERRNO(unlink("uo"), ENOENT);
	CHECK_ERRNO(open("uo", O_RDONLY), ENOENT);
	CHECK_OK(fstat(fd, &st));
	CHECK_EQ(st.st_nlink, 0);
	put("uo", "new");
	char b[8];
	CHECK_EQ(pread(fd, b, 8, 0), 4);
	CHECK(!memcmp(b, "keep", 4));
	CHECK_EQ(write(fd, "more", 4), 4);
	CHECK_STR(get("uo"), "new");
	char p[64], t[PATH_MAX];
	snprintf(p, sizeof p, "/proc/self/fd/%d", fd);
	ssize_t n = readlink(p, t, sizeof t - 1);
	CHECK(n > 10);
	t[n] = 0;
	CHECK_STR(t + n - 13, "/uo (deleted)");
	close(fd);
}

TEST(hard_links)
{
	struct stat a, b;
	put("h1", "one");
	CHECK_OK(link("h1", "h2"));
	CHECK_OK(stat("h1", &a));
	CHECK_OK(stat("h2", &b));
	CHECK_EQ(a.st_ino, b.st_ino);
	CHECK_EQ(a.st_nlink, 2);
	put("h2", "two");
	CHECK_STR(get("h1"), "two");
	CHECK_ERRNO(link("h1", "h2"), EEXIST);
	CHECK_ERRNO(link("none", "h3"), ENOENT);
	CHECK_ERRNO(link("h1", "no/h3"), ENOENT);
	CHECK_OK(mkdir("hd", 0755));
	CHECK_ERRNO(link("hd", "hd2"), EPERM);
	CHECK_ERRNO(link("h1/x", "h3"), ENOTDIR);
	CHECK_ERRNO(link("h1", "h3/"), ENOENT);
	CHECK_ERRNO(link("h1", "/dev/shm/x"), EXDEV);
	CHECK_OK(symlink("h1", "hs"));
	CHECK_OK(link("hs", "hs2")); /* links the symbolic link itself */
	CHECK_OK(lstat("hs2", &b));
	CHECK(S_ISLNK(b.st_mode));
	CHECK_OK(linkat(AT_FDCWD, "hs", AT_FDCWD, "h3", AT_SYMLINK_FOLLOW));
	CHECK_OK(lstat("h3", &b));
	CHECK_EQ(b.st_ino, a.st_ino);
	CHECK_EQ(b.st_nlink, 3);
	CHECK_ERRNO(linkat(AT_FDCWD, "h1", AT_FDCWD, "h4", 1), EINVAL);
	CHECK_OK(unlink("h1"));
	CHECK_OK(stat("h2", &b));
	CHECK_EQ(b.st_nlink, 2);
	CHECK_STR(get("h3"), "two");
}

TEST(symbolic_links)
{
	char b[PATH_MAX];
	struct stat st;
	CHECK_OK(symlink("some/target", "s1"));
	CHECK_EQ(readlink("s1", b, sizeof b), 11);
	CHECK(!memcmp(b, "some/target", 11));
	CHECK_EQ(readlink("s1", b, 4), 4);
	CHECK_ERRNO(readlink("s1", b, 0), EINVAL);
	CHECK_ERRNO(readlink(".", b, 10), EINVAL);
	CHECK_ERRNO(readlink("none", b, 10), ENOENT);
	CHECK_ERRNO(symlink("x", "s1"), EEXIST);
	CHECK_ERRNO(symlink("", "s2"), ENOENT);
	CHECK_ERRNO(symlink("x", ""), ENOENT);
	CHECK_ERRNO(symlink("x", "no/s"), ENOENT);
	CHECK_OK(lstat("s1", &st));
	CHECK_EQ(st.st_mode, S_IFLNK | 0777);
	CHECK_EQ(st.st_size, 11);
	CHECK_ERRNO(stat("s1", &st), ENOENT);
	CHECK_ERRNO(lstat("s1/", &st), ENOENT);
	/* 40 links in a walk are allowed, 41 are not. */
	put("l0", "end");
	for (int i = 1; i <= 41; i++) {
		char from[8], to[8];
		snprintf(from, sizeof from, "l%d", i);
		snprintf(to, sizeof to, "l%d", i - 1);
		CHECK_OK(symlink(to, from));
	}
	CHECK_OK(stat("l40", &st));
	CHECK_ERRNO(stat("l41", &st), ELOOP);
	/* Through directories: names after a link, "..", trailing slashes. */
	CHECK_OK(mkdir("sd", 0755));
	CHECK_OK(mkdir("sd/in", 0755));
	put("sd/f", "f");
	CHECK_OK(symlink("sd/in", "sl"));
	CHECK_OK(stat("sl/../f", &st));
	CHECK_OK(stat("sl/", &st));
	CHECK_OK(lstat("sl/", &st));
	CHECK(S_ISDIR(st.st_mode));
	CHECK_ERRNO(unlink("sl/"), ENOTDIR);
	CHECK_ERRNO(rmdir("sl"), ENOTDIR);
	memset(b, 'a', sizeof b);
	b[PATH_MAX - 1] = 0;
	CHECK_OK(symlink(b + 1 , "long") == 0 || errno == ENAMETOOLONG ? 0 : -1);
}

TEST(walk)
{
	struct stat a, b;
	CHECK_OK(stat("/", &a));
	CHECK_OK(stat("/../../..", &b));
	CHECK_EQ(a.st_ino, b.st_ino);
	CHECK_OK(mkdir("w", 0755));
	CHECK_OK(mkdir("w/x", 0755));
	CHECK_OK(stat("w", &a));
	CHECK_OK(stat(".//w/x/.././x/..//", &b));
	CHECK_EQ(a.st_ino, b.st_ino);
	char cwd[PATH_MAX], now[PATH_MAX];
	CHECK(getcwd(cwd, sizeof cwd));
	CHECK_OK(chdir("w/x"));
	CHECK(getcwd(now, sizeof now));
	CHECK_STR(now + strlen(cwd), "/w/x");
	CHECK_ERRNO(syscall(SYS_getcwd, now, 3), ERANGE);
	CHECK_OK(rmdir("../x"));
	CHECK_ERRNO(syscall(SYS_getcwd, now, sizeof now), ENOENT);
	CHECK_ERRNO(open("f", O_RDWR | O_CREAT, 0600), ENOENT);
	CHECK_OK(chdir("../.."));
	CHECK_ERRNO(chdir("none"), ENOENT);
	put("wf", "");
	CHECK_ERRNO(chdir("wf"), ENOTDIR);
	CHECK_ERRNO(fchdir(-1), EBADF);
}

TEST(deep)
{
	int here = open(".", O_RDONLY), depth = 0;
	char name[201];
	memset(name, 'd', 200);
	name[200] = 0;
	for (; depth < 30; depth++) {
		CHECK_OK(mkdir(name, 0755));
		CHECK_OK(chdir(name));
	}
	put("bottom", "deep");
	CHECK_STR(get("bottom"), "deep");
	char b[8192];
	CHECK_ERRNO(syscall(SYS_getcwd, b, 4096), ENAMETOOLONG);
	CHECK_OK(unlink("bottom"));
	while (depth-- > 0) {
		CHECK_OK(chdir(".."));
		CHECK_OK(rmdir(name));
	}
	CHECK_OK(fchdir(here));
	close(here);
}

TEST(nodes)
{
	struct stat st;
	CHECK_OK(mknod("fifo", S_IFIFO | 0640, 0));
	CHECK_OK(stat("fifo", &st));
	CHECK_EQ(st.st_mode, S_IFIFO | 0640);
	CHECK_ERRNO(mkfifo("fifo", 0600), EEXIST);
	CHECK_OK(mknod("reg", S_IFREG | 0600, 0));
	CHECK_OK(mknod("plain", 0600, 0));
	CHECK_OK(stat("plain", &st));
	CHECK_EQ(st.st_mode, S_IFREG | 0600);
	CHECK_OK(mknod("sock", S_IFSOCK | 0600, 0));
	CHECK_OK(stat("sock", &st));
	CHECK(S_ISSOCK(st.st_mode));
	CHECK_ERRNO(open("sock", O_RDONLY), ENXIO);
	CHECK_ERRNO(mknod("dir", S_IFDIR | 0600, 0), EPERM);
	CHECK_ERRNO(mknod("bad", 0150000, 0), EINVAL);
	CHECK_ERRNO(mknod("none/x", S_IFREG, 0), ENOENT);
}
