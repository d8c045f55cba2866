/* build: */
/* Random changes of a small tree, checked against a model of it. */
#include "check.h"
#include <dirent.h>

enum { DIRS = 3, NAMES = 5, SLOTS = DIRS * NAMES, OBJECTS = 4000 };
static int slot[SLOTS]; /* object in each place, 0 for none */
static struct {
	int kind; /* 'f', 'd', 'l' */
	int links;
	ino_t ino;
} object[OBJECTS];
static int objects;
static unsigned rnd_state = 99;
static unsigned rnd(unsigned n)
{
	rnd_state ^= rnd_state << 13;
	rnd_state ^= rnd_state >> 17;
	rnd_state ^= rnd_state << 5;
	return rnd_state % n;
}
static char *path(int s)
{
	static char b[4][32];
	static int i;
	i = (i + 1) & 3;
	snprintf(b[i], sizeof b[i], "m%d/n%d", s / NAMES, s % NAMES);
	return b[i];
}
static void made(int s, int kind)
{
	struct stat st;
	CHECK_OK(lstat(path(s), &st));
	slot[s] = ++objects;
	object[objects].kind = kind;
	object[objects].links = 1;
	object[objects].ino = st.st_ino;
}
static void dropped(int s)
{
	object[slot[s]].links--;
	slot[s] = 0;
}

static int want_rename(int a, int b)
{
	int x = slot[a], y = slot[b];
	if (!x)
		return ENOENT;
	if (!y || x == y)
		return 0;
	if (object[x].kind == 'd' && object[y].kind != 'd')
		return ENOTDIR;
	if (object[x].kind != 'd' && object[y].kind == 'd')
		return EISDIR;
	return 0;
}

static void expect(int r, int want, const char *what, int line)
{
	int got = r == -1 ? errno : 0;
	if (got != want)
		check_fail(__FILE__, line, "%s: want %s", what, want ? strerrorname_np(want) : "success");
}

static void step(void)
{
	int a = rnd(SLOTS), b = rnd(SLOTS), fd, want;
	switch (rnd(9)) {
	case 0:
		fd = open(path(a), O_RDWR | O_CREAT | O_EXCL, 0600);
		expect(fd, slot[a] ? EEXIST : 0, "create", __LINE__);
		if (fd >= 0) {
			close(fd);
			made(a, 'f');
		}
		break;
	case 1:
		want = slot[a] ? EEXIST : 0;
		expect(mkdir(path(a), 0700), want, "mkdir", __LINE__);
		if (!want)
			made(a, 'd');
		break;
	case 2:
		want = slot[a] ? EEXIST : 0;
		expect(symlink("nowhere", path(a)), want, "symlink", __LINE__);
		if (!want)
			made(a, 'l');
		break;
	case 3:
		want = !slot[a] ? ENOENT : object[slot[a]].kind == 'd' ? EISDIR : 0;
		expect(unlink(path(a)), want, "unlink", __LINE__);
		if (!want)
			dropped(a);
		break;
	case 4:
		want = !slot[a] ? ENOENT : object[slot[a]].kind != 'd' ? ENOTDIR : 0;
		expect(rmdir(path(a)), want, "rmdir", __LINE__);
		if (!want)
			dropped(a);
		break;
	case 5:
		want = !slot[a] ? ENOENT : slot[b] ? EEXIST : object[slot[a]].kind == 'd' ? EPERM : 0;
		expect(link(path(a), path(b)), want, "link", __LINE__);
		if (!want) {
			slot[b] = slot[a];
			object[slot[a]].links++;
		}
		break;
	case 6:
	case 7:
		want = want_rename(a, b);
		expect(rename(path(a), path(b)), want, "rename", __LINE__);
		if (!want && slot[a] != slot[b]) {
			if (slot[b])
				dropped(b);
			slot[b] = slot[a];
			slot[a] = 0;
		}
		break;
	case 8:
		want = slot[a] && slot[b] ? 0 : ENOENT;
		expect(renameat2(AT_FDCWD, path(a), AT_FDCWD, path(b), RENAME_EXCHANGE), want, "exchange", __LINE__);
		if (!want) {
			int t = slot[a];
			slot[a] = slot[b];
			slot[b] = t;
		}
		break;
	}
}

static void verify(void)
{
	struct stat st;
	for (int d = 0; d < DIRS; d++) {
		char dir[8];
		int subdirs = 0, listed = 0, want = 0;
		snprintf(dir, sizeof dir, "m%d", d);
		for (int n = 0; n < NAMES; n++) {
			int s = d * NAMES + n, r = lstat(path(s), &st), o = slot[s];
			if (!o) {
				expect(r, ENOENT, path(s), __LINE__);
				continue;
			}
			want++;
			CHECK_EQ(r, 0);
			CHECK_EQ(st.st_ino, object[o].ino);
			CHECK_EQ(S_ISDIR(st.st_mode) ? 'd' : S_ISLNK(st.st_mode) ? 'l' : 'f', object[o].kind);
			if (object[o].kind == 'd')
				subdirs++;
			else
				CHECK_EQ(st.st_nlink, object[o].links);
		}
		CHECK_OK(stat(dir, &st));
		CHECK_EQ(st.st_nlink, 2 + subdirs);
		DIR *l = opendir(dir);
		for (struct dirent *e; (e = readdir(l));) {
			if (e->d_name[0] == '.')
				continue;
			int s = d * NAMES + (e->d_name[1] - '0');
			CHECK(slot[s] != 0);
			CHECK_EQ(e->d_ino, object[slot[s]].ino);
			listed++;
		}
		closedir(l);
		CHECK_EQ(listed, want);
	}
}

TEST(random_changes)
{
	CHECK_OK(mkdir("m0", 0755));
	CHECK_OK(mkdir("m1", 0755));
	CHECK_OK(mkdir("m2", 0755));
	for (int i = 0; i < 2500; i++) {
		step();
		if (i % 5 == 0)
			verify();
	}
	verify();
}
