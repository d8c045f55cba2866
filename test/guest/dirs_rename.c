/* build: */
/* rename, renameat2: every flag, every kind of target, errors. */
#include "check.h"

static ino_t ino(const char *p)
{
	struct stat st;
	return lstat(p, &st) ? 0 : st.st_ino;
}

TEST(files)
{
	put("a", "A");
	ino_t i = ino("a");
	CHECK_OK(rename("a", "b"));
	CHECK_EQ(ino("b"), i);
	CHECK_ERRNO(access("a", F_OK), ENOENT);
	put("c", "C");
	CHECK_OK(rename("b", "c")); /* replaces */
	CHECK_STR(get("c"), "A");
	CHECK_OK(rename("c", "c"));
	CHECK_OK(link("c", "d"));
	CHECK_OK(rename("c", "d")); /* the same inode: both names stay */
	CHECK_OK(access("c", F_OK));
	CHECK_OK(access("d", F_OK));
	int fd = open("c", O_RDONLY);
	put("e", "E");
	CHECK_OK(rename("e", "c"));
	char b;
	CHECK_EQ(read(fd, &b, 1), 1);
	CHECK_EQ(b, 'A');
	close(fd);
	CHECK_OK(symlink("c", "s"));
	CHECK_OK(rename("s", "s2")); /* the link itself moves */
	struct stat st;
	CHECK_OK(lstat("s2", &st));
	CHECK(S_ISLNK(st.st_mode));
	CHECK_OK(rename("d", "s2"));
	CHECK_OK(lstat("s2", &st));
	CHECK(S_ISREG(st.st_mode));
	CHECK_STR(get("c"), "E");
}

TEST(directories)
{
	struct stat st;
	CHECK_OK(mkdir("p", 0755));
	CHECK_OK(mkdir("q", 0755));
	CHECK_OK(mkdir("p/x", 0755));
	put("p/x/f", "f");
	CHECK_OK(rename("p/x", "q/y"));
	CHECK_STR(get("q/y/f"), "f");
	CHECK_OK(stat("p", &st));
	CHECK_EQ(st.st_nlink, 2);
	CHECK_OK(stat("q", &st));
	CHECK_EQ(st.st_nlink, 3);
	CHECK_OK(stat("q/y/..", &st));
	CHECK_EQ(st.st_ino, ino("q"));
	CHECK_OK(mkdir("empty", 0755));
	CHECK_OK(rename("q/y", "empty")); /* an empty directory is replaced */
	CHECK_STR(get("empty/f"), "f");
	CHECK_ERRNO(rename("p", "empty"), ENOTEMPTY);
	put("file", "x");
	CHECK_ERRNO(rename("file", "p"), EISDIR);
	CHECK_ERRNO(rename("p", "file"), ENOTDIR);
	CHECK_ERRNO(rename("p", "p/in"), EINVAL);
	CHECK_OK(mkdir("p/deep", 0755));
	CHECK_ERRNO(rename("p", "p/deep/er"), EINVAL);
	CHECK_ERRNO(rename("p/deep", "p"), ENOTEMPTY);
	CHECK_ERRNO(rename("none", "x"), ENOENT);
	CHECK_ERRNO(rename("file", "none/x"), ENOENT);
	CHECK_ERRNO(rename("file/x", "y"), ENOTDIR);
	CHECK_ERRNO(rename("file", ""), ENOENT);
	CHECK_ERRNO(rename(".", "z"), EBUSY);
	CHECK_ERRNO(rename("p/..", "z"), EBUSY);
	CHECK_ERRNO(rename("file", "p/."), EBUSY);
	CHECK_ERRNO(rename("file", "new/"), ENOTDIR);
	CHECK_OK(rename("p", "pnew/"));
	CHECK_ERRNO(rename("file", "/proc/x"), EXDEV);
	/* A process inside keeps its place. */
	CHECK_OK(mkdir("in", 0755));
	CHECK_OK(chdir("in"));
	CHECK_OK(rename("../in", "../moved"));
	put("here", "h");
	CHECK_OK(chdir(".."));
	CHECK_STR(get("moved/here"), "h");
}

TEST(no_replace)
{
	put("n1", "1");
	put("n2", "2");
	CHECK_ERRNO(renameat2(AT_FDCWD, "n1", AT_FDCWD, "n2", RENAME_NOREPLACE), EEXIST);
	CHECK_OK(renameat2(AT_FDCWD, "n1", AT_FDCWD, "n3", RENAME_NOREPLACE));
	CHECK_STR(get("n3"), "1");
	CHECK_ERRNO(renameat2(AT_FDCWD, "n3", AT_FDCWD, "n3", RENAME_NOREPLACE), EEXIST);
}

TEST(exchange)
{
	put("x1", "1");
	CHECK_OK(mkdir("x2", 0755));
	put("x2/f", "in");
	CHECK_OK(renameat2(AT_FDCWD, "x1", AT_FDCWD, "x2", RENAME_EXCHANGE));
	CHECK_STR(get("x2"), "1");
	CHECK_STR(get("x1/f"), "in");
	CHECK_ERRNO(renameat2(AT_FDCWD, "x1", AT_FDCWD, "none", RENAME_EXCHANGE), ENOENT);
	CHECK_OK(mkdir("x3", 0755));
	CHECK_OK(mkdir("x3/sub", 0755));
	CHECK_ERRNO(renameat2(AT_FDCWD, "x3", AT_FDCWD, "x3/sub", RENAME_EXCHANGE), EINVAL);
	CHECK_ERRNO(renameat2(AT_FDCWD, "x3/sub", AT_FDCWD, "x3", RENAME_EXCHANGE), EINVAL);
	CHECK_OK(renameat2(AT_FDCWD, "x3/sub", AT_FDCWD, "x1", RENAME_EXCHANGE));
	CHECK_STR(get("x3/sub/f"), "in");
	CHECK_ERRNO(renameat2(AT_FDCWD, "x2", AT_FDCWD, "x1", RENAME_EXCHANGE | RENAME_NOREPLACE), EINVAL);
	CHECK_ERRNO(renameat2(AT_FDCWD, "x2", AT_FDCWD, "x1", 0x80), EINVAL);
}

TEST(sticky)
{
	if (geteuid() != 0)
		return;
	CHECK_OK(mkdir("st", 0777));
	CHECK_OK(chmod("st", 01777));
	put("st/rootfile", "x");
	CHECK_OK(mkdir("st/dir", 0777));
	CHECK_OK(chmod("st/rootfile", 0666));
	JOIN(FORK({
		become(4321);
		CHECK_ERRNO(unlink("st/rootfile"), EPERM);
		CHECK_ERRNO(rename("st/rootfile", "st/y"), EPERM);
		CHECK_ERRNO(rmdir("st/dir"), EPERM);
		put("st/mine", "m");
		CHECK_ERRNO(rename("st/mine", "st/rootfile"), EPERM);
		CHECK_OK(rename("st/mine", "st/mine2"));
		CHECK_OK(unlink("st/mine2"));
		CHECK_ERRNO(unlink("nothing"), ENOENT);
		CHECK_ERRNO(mkdir("x", 0755), EACCES);
		CHECK_ERRNO(rename("st", "st2"), EACCES);
	}));
}
