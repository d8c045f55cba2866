/* build: */
/* Changes to the root file system: the guest sees its own, the host none.
 *
 * READONLY_DIR names a directory of the host that the runner made; it checks
 * afterwards that nothing in it has changed. Natively there is no such variable
 * and the same is made here. */
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
			put("ro/early", "early\n");
			put("ro/map", "map\n");
			mkdir("ro/tree", 0755);
			mkdir("ro/tree/one", 0755);
			mkdir("ro/tree/two", 0755);
			put("ro/tree/one/deep", "deep\n");
			put("ro/tree/two/file", "file\n");
			mkdir("ro/many", 0755);
			for (int n = 0; n < 40; n++) {
				snprintf(b[0], 100, "ro/many/%02d", n);
				put(b[0], "");
			}
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
	int rw = open(p("edit"), O_RDWR);
	CHECK(rw >= 0);
	CHECK_EQ(pwrite(rw, "CHANGED!", 8, 0), 8);
	CHECK_STR(get(p("edit")), "CHANGED!\n");
	CHECK_OK(stat(p("edit"), &after));
	CHECK_EQ(after.st_ino, before.st_ino); /* copy-up keeps the number */
	CHECK_EQ(after.st_dev, before.st_dev);
	CHECK_EQ(after.st_mode, before.st_mode);
	CHECK_EQ(after.st_nlink, 1);
	int ap = open(p("edit"), O_WRONLY | O_APPEND);
	CHECK_EQ(write(ap, "more\n", 5), 5);
	CHECK_STR(get(p("edit")), "CHANGED!\nmore\n");
	close(rw), close(ap);
}

TEST(opened_before_the_change)
{
	/* A descriptor of the unchanged file sees the change: it is one file. */
	char b[16];
	int ro = open(p("early"), O_RDONLY), rw;
	CHECK(ro >= 0);
	CHECK_EQ(read(ro, b, 2), 2);
	CHECK((rw = open(p("early"), O_RDWR)) >= 0);
	CHECK_EQ(pwrite(rw, "E", 1, 0), 1);
	CHECK_EQ(pwrite(rw, "S", 1, 2), 1);
	CHECK_EQ(read(ro, b, 16), 4); /* the offset stays */
	CHECK(!memcmp(b, "Sly\n", 4));
	CHECK_EQ(pread(ro, b, 1, 0), 1);
	CHECK_EQ(b[0], 'E');
	close(ro), close(rw);
}

TEST(trees)
{
	/* A directory of the host moves whole and is found under its new name only. */
	struct stat a, b;
	CHECK_OK(stat(p("tree/one/deep"), &a));
	CHECK_OK(rename(p("tree"), p("forest")));
	CHECK_STR(get(p("forest/one/deep")), "deep\n");
	CHECK_OK(stat(p("forest/one/deep"), &b));
	CHECK_EQ(a.st_ino, b.st_ino);
	CHECK_ERRNO(access(p("tree"), F_OK), ENOENT);
	CHECK_ERRNO(access(p("tree/one/deep"), F_OK), ENOENT);
	CHECK_EQ(count(p("forest")), 2);
	CHECK_OK(mkdir(p("tree"), 0755));
	CHECK_EQ(count(p("tree")), 0);
	CHECK_OK(rename(p("forest/one"), p("tree/one")));
	CHECK_STR(get(p("tree/one/deep")), "deep\n");
	put(p("tree/one/deep"), "changed\n");
	put(p("forest/two/new"), "n");
	CHECK_EQ(count(p("forest/two")), 2);
	CHECK_OK(renameat2(AT_FDCWD, p("tree"), AT_FDCWD, p("forest"), RENAME_EXCHANGE));
	CHECK_STR(get(p("forest/one/deep")), "changed\n");
	CHECK_STR(get(p("tree/two/file")), "file\n");
	CHECK_EQ(system("rm -r \"${READONLY_DIR:-ro}/forest\" \"${READONLY_DIR:-ro}/tree\""), 0);
	CHECK_ERRNO(access(p("tree"), F_OK), ENOENT);
}

TEST(listing_while_changing)
{
	/* The host's entries and the new ones, each once, over several reads. */
	char name[32], seen[80] = {0};
	for (int i = 40; i < 60; i++) {
		snprintf(name, sizeof name, "many/%02d", i);
		put(p(name), "x");
	}
	for (int i = 0; i < 40; i += 4) {
		snprintf(name, sizeof name, "many/%02d", i);
		CHECK_OK(unlink(p(name)));
	}
	DIR *d = opendir(p("many"));
	CHECK(d);
	for (struct dirent *e; (e = readdir(d));)
		if (e->d_name[0] != '.')
			seen[atoi(e->d_name)]++;
	for (int i = 0; i < 80; i++)
		CHECK_EQ(seen[i], i < 60 && (i >= 40 || i % 4));
	closedir(d);
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
