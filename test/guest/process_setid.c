/* build: */
/* Set-user-id and set-group-id programs, and what forbids them. Needs root. */
#define CHECK_HELPER helper
#include "check.h"
#include <grp.h>
#include <sys/auxv.h>
#include <sys/prctl.h>

/* helper: argv[2..] are the wanted ruid, euid, suid, rgid, egid, AT_SECURE. */
static int helper(int argc, char **argv)
{
	uid_t r, e, s;
	gid_t rg, eg, sg;
	if (argc < 8)
		return 90;
	getresuid(&r, &e, &s);
	getresgid(&rg, &eg, &sg);
	if ((int)r != atoi(argv[2]))
		return 1;
	if ((int)e != atoi(argv[3]))
		return 2;
	if ((int)s != atoi(argv[4]))
		return 3;
	if ((int)rg != atoi(argv[5]))
		return 4;
	if ((int)eg != atoi(argv[6]) || eg != sg)
		return 5;
	if ((int)getauxval(AT_SECURE) != atoi(argv[7]))
		return 6;
	if (getauxval(AT_EUID) != e || getauxval(AT_UID) != r)
		return 7;
	if (argc > 8 && access(argv[8], R_OK) == 0 && open(argv[8], O_RDONLY) < 0)
		return 8;
	return 0;
}

static void install(const char *name, uid_t uid, gid_t gid, mode_t mode)
{
	static char b[65536];
	int in = open(check_self, O_RDONLY), out = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0755);
	for (ssize_t n; (n = read(in, b, sizeof b)) > 0;)
		CHECK_EQ(write(out, b, n), n);
	CHECK_OK(fchown(out, uid, gid));
	CHECK_OK(fchmod(out, mode));
	close(in), close(out);
}
#define AS(uid, prog, ...) FORK(setgroups(0, NULL); become(uid); execl(prog, prog, "--helper", __VA_ARGS__, NULL); _exit(91))

TEST(user)
{
	if (geteuid() != 0)
		return;
	install("suid", 1111, 0, 04755);
	JOIN(AS(2222, "./suid", "2222", "1111", "1111", "2222", "2222", "1"));
	JOIN(AS(1111, "./suid", "1111", "1111", "1111", "1111", "1111", "0"));
	install("plain", 1111, 0, 0755);
	JOIN(AS(2222, "./plain", "2222", "2222", "2222", "2222", "2222", "0"));
}

TEST(group)
{
	if (geteuid() != 0)
		return;
	install("sgid", 0, 3333, 02755);
	JOIN(AS(2222, "./sgid", "2222", "2222", "2222", "2222", "3333", "1"));
	install("sgid", 0, 3333, 02744); /* without group execute it means nothing */
	CHECK_EXIT(AS(2222, "./sgid", "0", "0", "0", "0", "0", "0"), 91);
	install("both", 1111, 3333, 06755);
	JOIN(AS(2222, "./both", "2222", "1111", "1111", "2222", "3333", "1"));
}

TEST(root)
{
	if (geteuid() != 0)
		return;
	install("suroot", 0, 0, 04755);
	put("secret", "x");
	CHECK_OK(chmod("secret", 0));
	JOIN(AS(2222, "./suroot", "2222", "0", "0", "2222", "2222", "1", "secret"));
}

TEST(forbidden)
{
	if (geteuid() != 0)
		return;
	install("suid", 1111, 0, 04755);
	JOIN(FORK({
		setgroups(0, NULL);
		become(2222);
		CHECK_OK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
		execl("./suid", "suid", "--helper", "2222", "2222", "2222", "2222", "2222", "0", NULL);
	}));
	/* A script's bits are ignored. */
	put("script", "#!/bin/sh\n[ $(id -u) = 2222 ]\n");
	CHECK_OK(chown("script", 1111, 0));
	CHECK_OK(chmod("script", 04755));
	JOIN(FORK(become(2222); execl("./script", "script", NULL)));
	/* A set-id program is not dumpable, its children's parent-death signal is cleared. */
	JOIN(FORK({
		CHECK_OK(prctl(PR_SET_PDEATHSIG, SIGUSR1));
		become(2222);
		int v = -1;
		CHECK_EQ(prctl(PR_GET_DUMPABLE), 0);
		CHECK_OK(prctl(PR_GET_PDEATHSIG, &v));
		CHECK_EQ(v, 0);
	}));
}
