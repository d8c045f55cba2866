/* build: */
/* Metadata: chmod, chown, umask, set-id bits, times, stat forms, access, xattrs. */
#include "check.h"
#include <grp.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#define MODE(p) ({ struct stat s_; CHECK_OK(lstat(p, &s_)); s_.st_mode & 07777; })

TEST(mode_changes)
{
	put("m", "x");
	CHECK_OK(chmod("m", 0421));
	CHECK_EQ(MODE("m"), 0421);
	CHECK_OK(chmod("m", 07777));
	CHECK_EQ(MODE("m"), 07777);
	int fd = open("m", O_RDONLY);
	CHECK_OK(fchmod(fd, 0600));
	CHECK_EQ(MODE("m"), 0600);
	close(fd);
	CHECK_ERRNO(chmod("none", 0600), ENOENT);
	CHECK_ERRNO(fchmod(-1, 0600), EBADF);
	CHECK_OK(symlink("m", "ms"));
	CHECK_OK(chmod("ms", 0644)); /* follows */
	CHECK_EQ(MODE("m"), 0644);
	CHECK_OK(mkdir("md", 0755));
	CHECK_OK(chmod("md", 03755));
	CHECK_EQ(MODE("md"), 03755);
}

TEST(mask)
{
	mode_t old = umask(077);
	CHECK_EQ(old, 022);
	close(open("um", O_RDWR | O_CREAT, 0666));
	CHECK_EQ(MODE("um"), 0600);
	CHECK_OK(mkdir("umd", 01777));
	CHECK_EQ(MODE("umd"), 01700);
	CHECK_OK(mkfifo("umf", 0666));
	CHECK_EQ(MODE("umf"), 0600);
	JOIN(FORK(CHECK_EQ(umask(0), 077)));
	CHECK_EQ(umask(07777), 077);
	CHECK_EQ(umask(022), 0777);
}

TEST(owner_and_set_id)
{
	struct stat st;
	put("o", "x");
	CHECK_OK(chown("o", -1, -1));
	if (geteuid() != 0) {
		CHECK_ERRNO(chown("o", 0, -1), EPERM);
		return;
	}
	CHECK_OK(chown("o", 100, 200));
	CHECK_OK(stat("o", &st));
	CHECK(st.st_uid == 100 && st.st_gid == 200);
	CHECK_OK(chown("o", -1, 300));
	CHECK_OK(stat("o", &st));
	CHECK(st.st_uid == 100 && st.st_gid == 300);
	CHECK_OK(symlink("o", "os"));
	CHECK_OK(lchown("os", 5, 6));
	CHECK_OK(stat("o", &st));
	CHECK_EQ(st.st_uid, 100);
	CHECK_OK(lstat("os", &st));
	CHECK_EQ(st.st_uid, 5);
	CHECK_OK(fchownat(AT_FDCWD, "os", 7, 8, 0));
	CHECK_OK(stat("o", &st));
	CHECK_EQ(st.st_uid, 7);
	/* A change of owner, or a write by another, drops the set-id bits. */
	CHECK_OK(chmod("o", 06755));
	CHECK_OK(chown("o", 9, -1));
	CHECK_EQ(MODE("o"), 0755);
	CHECK_OK(chmod("o", 02644)); /* no group execute: mandatory locking, stays */
	CHECK_OK(chown("o", 10, -1));
	CHECK_EQ(MODE("o"), 02644);
	put("w", "x");
	CHECK_OK(chmod("w", 06777));
	JOIN(FORK(become(777); int fd = open("w", O_WRONLY); CHECK_EQ(write(fd, "y", 1), 1)));
	CHECK_EQ(MODE("w"), 0777);
	JOIN(FORK({
		become(777);
		CHECK_ERRNO(chmod("w", 0600), EPERM);
		CHECK_ERRNO(chown("w", 777, -1), EPERM);
		CHECK_ERRNO(utimensat(AT_FDCWD, "o", NULL, 0), EACCES);
	}));
	/* A set-group-id directory gives its group to what is made in it. */
	CHECK_OK(mkdir("g", 0755));
	CHECK_OK(chown("g", 0, 555));
	CHECK_OK(chmod("g", 02755));
	put("g/f", "x");
	CHECK_OK(mkdir("g/d", 0755));
	CHECK_OK(stat("g/f", &st));
	CHECK_EQ(st.st_gid, 555);
	CHECK_OK(stat("g/d", &st));
	CHECK_EQ(st.st_gid, 555);
	CHECK(st.st_mode & S_ISGID);
}

TEST(times)
{
	struct stat st;
	struct timespec t[2] = {{1000, 5}, {2000, 123456789}};
	put("t", "x");
	CHECK_OK(utimensat(AT_FDCWD, "t", t, 0));
	CHECK_OK(stat("t", &st));
	CHECK(st.st_atim.tv_sec == 1000 && st.st_atim.tv_nsec == 5);
	CHECK(st.st_mtim.tv_sec == 2000 && st.st_mtim.tv_nsec == 123456789);
	t[0].tv_nsec = UTIME_OMIT;
	t[1] = (struct timespec){3000, 0};
	CHECK_OK(utimensat(AT_FDCWD, "t", t, 0));
	CHECK_OK(stat("t", &st));
	CHECK(st.st_atim.tv_sec == 1000 && st.st_mtim.tv_sec == 3000);
	t[1].tv_nsec = UTIME_NOW;
	CHECK_OK(utimensat(AT_FDCWD, "t", t, 0));
	CHECK_OK(stat("t", &st));
	CHECK(st.st_mtim.tv_sec > 1600000000);
	t[1] = (struct timespec){-5, 0};
	CHECK_OK(utimensat(AT_FDCWD, "t", t, 0));
	CHECK_OK(stat("t", &st));
	CHECK_EQ(st.st_mtim.tv_sec, -5);
	t[1].tv_nsec = 1000000000;
	CHECK_ERRNO(utimensat(AT_FDCWD, "t", t, 0), EINVAL);
	CHECK_ERRNO(utimensat(AT_FDCWD, "none", NULL, 0), ENOENT);
	CHECK_OK(symlink("none", "tl"));
	t[0] = t[1] = (struct timespec){77, 0};
	CHECK_OK(utimensat(AT_FDCWD, "tl", t, AT_SYMLINK_NOFOLLOW));
	CHECK_OK(lstat("tl", &st));
	CHECK_EQ(st.st_mtim.tv_sec, 77);
	int fd = open("t", O_RDWR);
	CHECK_OK(futimens(fd, t));
	CHECK_OK(fstat(fd, &st));
	CHECK_EQ(st.st_mtim.tv_sec, 77);
	CHECK_EQ(write(fd, "y", 1), 1); /* a write sets the time of change */
	CHECK_OK(fstat(fd, &st));
	CHECK(st.st_mtim.tv_sec > 1600000000);
	close(fd);
	CHECK_OK(mkdir("td", 0755));
	CHECK_OK(utimensat(AT_FDCWD, "td", t, 0));
	put("td/new", "");
	CHECK_OK(stat("td", &st));
	CHECK(st.st_mtim.tv_sec > 1600000000);
}

TEST(stat_forms)
{
	struct stat st;
	struct statx sx;
	put("s", "12345");
	CHECK_OK(stat("s", &st));
	CHECK_OK(statx(AT_FDCWD, "s", 0, STATX_BASIC_STATS | STATX_BTIME, &sx));
	CHECK_EQ(sx.stx_mask & STATX_BASIC_STATS, STATX_BASIC_STATS);
	CHECK_EQ(sx.stx_size, 5);
	CHECK_EQ(sx.stx_ino, st.st_ino);
	CHECK_EQ(sx.stx_mode, st.st_mode);
	CHECK_EQ(sx.stx_nlink, 1);
	CHECK_EQ(makedev(sx.stx_dev_major, sx.stx_dev_minor), st.st_dev);
	CHECK_EQ(sx.stx_mtime.tv_sec, st.st_mtim.tv_sec);
	CHECK_EQ(sx.stx_mtime.tv_nsec, st.st_mtim.tv_nsec);
	int fd = open("s", O_RDONLY);
	CHECK_OK(statx(fd, "", AT_EMPTY_PATH, STATX_SIZE, &sx));
	CHECK_EQ(sx.stx_size, 5);
	CHECK_ERRNO(statx(fd, "", 0, STATX_SIZE, &sx), ENOENT);
	CHECK_ERRNO(statx(AT_FDCWD, "s", 0x80000000, STATX_SIZE, &sx), EINVAL);
	CHECK_ERRNO(statx(AT_FDCWD, "s", 0, 0x80000000, &sx), EINVAL);
	CHECK_ERRNO(fstatat(AT_FDCWD, "s", &st, 0x10000000), EINVAL);
	CHECK_ERRNO(stat("s", (void *)1), EFAULT);
	CHECK_ERRNO(fstat(-1, &st), EBADF);
	CHECK_ERRNO(stat("", &st), ENOENT);
	CHECK_OK(fstatat(AT_FDCWD, "", &st, AT_EMPTY_PATH));
	CHECK(S_ISDIR(st.st_mode));
	close(fd);
	int p[2];
	CHECK_OK(pipe(p));
	CHECK_OK(fstat(p[0], &st));
	CHECK(S_ISFIFO(st.st_mode));
	close(p[0]), close(p[1]);
	CHECK_OK(stat("/dev/null", &st));
	CHECK(S_ISCHR(st.st_mode));
	CHECK_EQ(st.st_rdev, makedev(1, 3));
}

TEST(access_checks)
{
	put("acc", "x");
	CHECK_OK(chmod("acc", 0640));
	CHECK_OK(access("acc", F_OK));
	CHECK_OK(access("acc", R_OK | W_OK));
	CHECK_ERRNO(access("acc", X_OK), EACCES); /* root needs one x bit too */
	CHECK_ERRNO(access("acc", 8), EINVAL);
	CHECK_ERRNO(access("none", F_OK), ENOENT);
	CHECK_OK(faccessat(AT_FDCWD, "acc", R_OK, AT_EACCESS));
	CHECK_OK(symlink("none", "accl"));
	CHECK_OK(faccessat(AT_FDCWD, "accl", F_OK, AT_SYMLINK_NOFOLLOW));
	CHECK_ERRNO(access("accl", F_OK), ENOENT);
	CHECK_OK(access(".", X_OK));
	if (geteuid() != 0)
		return;
	JOIN(FORK({
		become(999);
		CHECK_ERRNO(access("acc", R_OK), EACCES);
		CHECK_OK(access("acc", F_OK));
	}));
	/* access asks for the real user, AT_EACCESS for the effective one. */
	JOIN(FORK({
		CHECK_OK(setresgid(999, 999, 999));
		CHECK_OK(setgroups(0, NULL));
		CHECK_OK(setresuid(0, 999, 0));
		CHECK_OK(access("acc", R_OK));
		CHECK_ERRNO(faccessat(AT_FDCWD, "acc", R_OK, AT_EACCESS), EACCES);
		CHECK_ERRNO(open("acc", O_RDONLY), EACCES);
	}));
	/* The group of a supplementary list counts. */
	CHECK_OK(chown("acc", 0, 321));
	JOIN(FORK({
		gid_t g = 321;
		CHECK_OK(setgroups(1, &g));
		become(999);
		CHECK_OK(open("acc", O_RDONLY));
		CHECK_ERRNO(open("acc", O_WRONLY), EACCES);
	}));
	/* The first class that matches decides. */
	CHECK_OK(chown("acc", 999, 321));
	CHECK_OK(chmod("acc", 0077));
	JOIN(FORK(become(999); CHECK_ERRNO(open("acc", O_RDONLY), EACCES)));
	JOIN(FORK(become(998); CHECK_OK(open("acc", O_RDONLY))));
}

TEST(xattrs)
{
	char b[256];
	put("x", "x");
	CHECK_OK(setxattr("x", "user.one", "val", 3, 0));
	CHECK_EQ(getxattr("x", "user.one", b, sizeof b), 3);
	CHECK(!memcmp(b, "val", 3));
	CHECK_EQ(getxattr("x", "user.one", NULL, 0), 3);
	CHECK_ERRNO(getxattr("x", "user.one", b, 2), ERANGE);
	CHECK_ERRNO(getxattr("x", "user.none", b, sizeof b), ENODATA);
	CHECK_ERRNO(setxattr("x", "user.one", "v", 1, XATTR_CREATE), EEXIST);
	CHECK_ERRNO(setxattr("x", "user.two", "v", 1, XATTR_REPLACE), ENODATA);
	CHECK_OK(setxattr("x", "user.one", "longer", 6, XATTR_REPLACE));
	CHECK_OK(setxattr("x", "user.empty", "", 0, 0));
	CHECK_EQ(getxattr("x", "user.empty", b, sizeof b), 0);
	CHECK_EQ(listxattr("x", NULL, 0), 20);
	CHECK_EQ(listxattr("x", b, sizeof b), 20);
	CHECK(memmem(b, 20, "user.one", 9) && memmem(b, 20, "user.empty", 11));
	CHECK_ERRNO(listxattr("x", b, 10), ERANGE);
	CHECK_ERRNO(setxattr("x", "bad.ns", "v", 1, 0), EOPNOTSUPP);
	CHECK_ERRNO(setxattr("x", "noname", "v", 1, 0), EOPNOTSUPP);
	CHECK_ERRNO(setxattr("x", "user.", "v", 1, 0), EINVAL);
	CHECK_ERRNO(setxattr("x", "", "v", 1, 0), ERANGE);
	CHECK_ERRNO(setxattr("x", "user.one", "v", 1, 7), EINVAL);
	int fd = open("x", O_RDONLY);
	CHECK_EQ(fgetxattr(fd, "user.one", b, sizeof b), 6);
	CHECK_OK(fremovexattr(fd, "user.one"));
	CHECK_ERRNO(fremovexattr(fd, "user.one"), ENODATA);
	close(fd);
	CHECK_OK(symlink("x", "xl"));
	CHECK_EQ(getxattr("xl", "user.empty", b, sizeof b), 0);
	CHECK_ERRNO(lsetxattr("xl", "user.z", "v", 1, 0), EPERM);
	CHECK_ERRNO(lgetxattr("xl", "user.empty", b, sizeof b), ENODATA);
	CHECK_OK(rename("x", "x2"));
	CHECK_EQ(getxattr("x2", "user.empty", b, sizeof b), 0);
}
