/* build: */
/* Changes to the root file system: the guest sees its own, the host none.
 *
 * READONLY_DIR names a directory of the host that the runner made, with files
 * "keep", "edit", "gone", "mode" and the directory "dir" with "dir/a" in it. The
 * runner checks afterwards that nothing in it has changed. Natively there is no
 * such variable and a copy is made. */
#include "check.h"
#include <dirent.h>

static char *p(const char *name)
{
	static char b[4][PATH_MAX];
	static int i;
	const char *d = getenv("READONLY_DIR");
	i = (i + 1) & 3;
	if (!d) {
		d = "ro";
		if (mkdir(d, 0755) == 0) {
			put("ro/keep", "keep me\n");
			put("ro/edit", "original\n");
			put("ro/gone", "to be removed\n");
			put("ro/mode", "mode\n");
			mkdir("ro/dir", 0755);
			put("ro/dir/a", "a\n");
		}
	}
	snprintf(b[i], sizeof b[i], "%s/%s", d, name);
	return b[i];
}
static int count(const char *dir)
{
	DIR *d = opendir(dir);
	int n = 0;
	for (struct dirent *e; d && (e = readdir(d));)
		n += e->d_name[0] != '.';
	if (d)
		closedir(d);
	return n;
}

TEST(reads_then_writes)
{
	struct stat before, after;
	CHECK_STR(get(p("edit")), "original\n");
	CHECK_OK(stat(p("edit"), &before));
	int ro = open(p("edit"), O_RDONLY), rw = open(p("edit"), O_RDWR);
	CHECK(ro >= 0 && rw >= 0);
	char *m = mmap(NULL, 4096, PROT_READ, MAP_SHARED, ro, 0);
	CHECK(m != MAP_FAILED && !memcmp(m, "original", 8));
	CHECK_EQ(pwrite(rw, "CHANGED!", 8, 0), 8);
	char b[16];
	CHECK_EQ(pread(ro, b, 16, 0), 9); /* opened before the copy, sees it too */
	CHECK(!memcmp(b, "CHANGED!\n", 9));
	CHECK(!memcmp(m, "CHANGED!", 8));
	CHECK_STR(get(p("edit")), "CHANGED!\n");
	CHECK_OK(stat(p("edit"), &after));
	CHECK_EQ(after.st_ino, before.st_ino); /* copy-up keeps the number */
	CHECK_EQ(after.st_dev, before.st_dev);
	CHECK_EQ(after.st_mode, before.st_mode);
	int ap = open(p("edit"), O_WRONLY | O_APPEND);
	CHECK_EQ(write(ap, "more\n", 5), 5);
	CHECK_STR(get(p("edit")), "CHANGED!\nmore\n");
	close(ro), close(rw), close(ap);
}

TEST(removes_and_creates)
{
	int n = count(p(""));
	CHECK_OK(unlink(p("gone")));
	CHECK_ERRNO(open(p("gone"), O_RDONLY), ENOENT);
	CHECK_EQ(count(p("")), n - 1);
	put(p("gone"), "again\n");
	CHECK_STR(get(p("gone")), "again\n");
	put(p("new"), "new\n");
	CHECK_EQ(count(p("")), n + 1);
	CHECK_ERRNO(rmdir(p("dir")), ENOTEMPTY);
	CHECK_OK(unlink(p("dir/a")));
	CHECK_OK(rmdir(p("dir")));
	CHECK_OK(mkdir(p("dir"), 0700));
	CHECK_EQ(count(p("dir")), 0); /* the old entries do not come back */
	put(p("dir/b"), "b\n");
	CHECK_EQ(count(p("dir")), 1);
	CHECK_ERRNO(access(p("dir/a"), F_OK), ENOENT);
}

TEST(metadata)
{
	struct stat st;
	struct timespec t[2] = {{1, 0}, {2, 0}};
	CHECK_OK(chmod(p("mode"), 0640));
	CHECK_OK(utimensat(AT_FDCWD, p("mode"), t, 0));
	CHECK_OK(stat(p("mode"), &st));
	CHECK((st.st_mode & 07777) == 0640 && st.st_mtim.tv_sec == 2);
	CHECK_STR(get(p("mode")), "mode\n");
	CHECK_OK(truncate(p("mode"), 2));
	CHECK_STR(get(p("mode")), "mo");
}

TEST(names)
{
	struct stat a, b;
	CHECK_OK(stat(p("keep"), &a));
	CHECK_OK(link(p("keep"), p("hard")));
	CHECK_OK(stat(p("hard"), &b));
	CHECK_EQ(a.st_ino, b.st_ino);
	CHECK_EQ(b.st_nlink, 2);
	int fd = open(p("hard"), O_WRONLY | O_APPEND);
	CHECK_EQ(write(fd, "!\n", 2), 2);
	close(fd);
	CHECK_STR(get(p("keep")), "keep me\n!\n");
	CHECK_OK(rename(p("keep"), p("kept")));
	CHECK_ERRNO(access(p("keep"), F_OK), ENOENT);
	CHECK_STR(get(p("kept")), "keep me\n!\n");
	CHECK_OK(symlink("kept", p("sym")));
	CHECK_STR(get(p("sym")), "keep me\n!\n");
	CHECK_OK(rename(p("dir"), p("moved")));
	CHECK_OK(access(p("moved"), F_OK));
}

TEST(maps_written)
{
	put(p("m"), "mapped file\n");
	int fd = open(p("m"), O_RDWR);
	char *m = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(m != MAP_FAILED);
	memcpy(m, "MAPPED", 6);
	CHECK_STR(get(p("m")), "MAPPED file\n");
	close(fd);
	fd = open(p("sym"), O_RDWR);
	m = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(m != MAP_FAILED);
	m[0] = 'K';
	CHECK_STR(get(p("kept")), "Keep me\n!\n");
	close(fd);
}

TEST(system_files)
{
	/* Under Sentinel even these can be changed, by root, without effect outside. */
	if (!under_sentinel() || geteuid() != 0)
		return;
	int fd = open("/etc/hostname", O_WRONLY | O_CREAT | O_TRUNC, 0644);
	CHECK(fd >= 0);
	CHECK_EQ(write(fd, "guest\n", 6), 6);
	close(fd);
	CHECK_STR(get("/etc/hostname"), "guest\n");
	CHECK_OK(unlink("/etc/passwd"));
	CHECK_ERRNO(access("/etc/passwd", F_OK), ENOENT);
	put("/usr/bin/sentinel-guest-was-here", "x");
	CHECK_OK(access("/usr/bin/sentinel-guest-was-here", F_OK));
	CHECK_OK(mkdir("/sentinel-guest", 0755));
}
