/* build: */
/* execve, execveat: ELF, scripts, errors, limits, what survives an exec. */
#define CHECK_HELPER helper
#include "check.h"
#include <elf.h>
#include <stddef.h>
#include <sys/auxv.h>
#include <sys/prctl.h>

extern char **environ;

static int helper(int argc, char **argv)
{
	const char *what = argc > 2 ? argv[2] : "";
	if (!strcmp(what, "exit"))
		return atoi(argv[3]);
	if (!strcmp(what, "count")) /* bytes of argv and environ, folded */
		return (argc + (environ[0] != NULL)) & 127;
	if (!strcmp(what, "env"))
		return getenv("GIVEN") && !strcmp(getenv("GIVEN"), "yes") && !getenv("PATH") ? 0 : 1;
	if (!strcmp(what, "argv0"))
		return strcmp(argv[0], argv[3]) != 0;
	if (!strcmp(what, "state")) {
		/* Mask and ignored signals stay; handlers, maps, alternate stack go. */
		struct sigaction sa;
		sigset_t set;
		stack_t ss;
		sigprocmask(SIG_BLOCK, NULL, &set);
		if (!sigismember(&set, SIGUSR1) || sigismember(&set, SIGHUP))
			return 1;
		sigpending(&set);
		if (!sigismember(&set, SIGUSR1))
			return 2;
		sigaction(SIGUSR2, NULL, &sa);
		if (sa.sa_handler != SIG_IGN)
			return 3;
		sigaction(SIGHUP, NULL, &sa);
		if (sa.sa_handler != SIG_DFL)
			return 4;
		sigaltstack(NULL, &ss);
		if (!(ss.ss_flags & SS_DISABLE))
			return 5;
		if (alarm(0) == 0)
			return 6;
		if (getpid() != atoi(argv[3]))
			return 7;
		struct rlimit l;
		getrlimit(RLIMIT_CORE, &l);
		if (l.rlim_max != 0)
			return 8;
		if (umask(022) != 027)
			return 9;
		char name[17] = {0};
		prctl(PR_GET_NAME, name);
		if (strcmp(name, "newname"))
			return 10;
		return 0;
	}
	if (!strcmp(what, "auxv")) {
		if (getauxval(AT_PAGESZ) != 4096)
			return 1;
		if (getauxval(AT_UID) != getuid() || getauxval(AT_EGID) != getegid())
			return 2;
		if (getauxval(AT_SECURE) != 0)
			return 3;
		if (!getauxval(AT_RANDOM) || !getauxval(AT_PHDR) || !getauxval(AT_ENTRY))
			return 4;
		if (getauxval(AT_CLKTCK) != 100)
			return 5;
		if (!getauxval(AT_EXECFN) || strcmp((char *)getauxval(AT_EXECFN), check_self))
			return 6;
		if (!getauxval(AT_PLATFORM) || strcmp((char *)getauxval(AT_PLATFORM), "x86_64"))
			return 7;
		return 0;
	}
	return 90;
}

#define RUN(...) FORK(execl(check_self, check_self, "--helper", __VA_ARGS__, NULL); _exit(91))

static void script(const char *name, const char *text)
{
	put(name, text);
	CHECK_OK(chmod(name, 0755));
}

TEST(simple)
{
	CHECK_EXIT(RUN("exit", "0"), 0);
	CHECK_EXIT(RUN("exit", "33"), 33);
	CHECK_EXIT(RUN("auxv"), 0);
	CHECK_EXIT(FORK({
		char *argv[] = {"odd name", "--helper", "argv0", "odd name", NULL};
		execv(check_self, argv);
	}), 0);
	CHECK_EXIT(FORK({
		char *argv[] = {"x", "--helper", "env", NULL}, *env[] = {"GIVEN=yes", NULL};
		execve(check_self, argv, env);
	}), 0);
}

TEST(errors)
{
	char *argv[] = {"x", NULL};
	put("plain", "#!/bin/sh\nexit 0\n");
	CHECK_ERRNO(execv("plain", argv), EACCES); /* no x bit, even for root */
	CHECK_ERRNO(execv(".", argv), EACCES);
	CHECK_ERRNO(execv("none", argv), ENOENT);
	CHECK_ERRNO(execv("", argv), ENOENT);
	CHECK_ERRNO(execv("plain/x", argv), ENOTDIR);
	CHECK_ERRNO(execv((char *)1, argv), EFAULT);
	CHECK_ERRNO(execv(check_self, (char **)8), EFAULT);
	char *bad[] = {"x", (char *)8, NULL};
	CHECK_ERRNO(execv(check_self, bad), EFAULT);
	script("empty", "");
	CHECK_ERRNO(execv("empty", argv), ENOEXEC);
	script("text", "echo no interpreter line\n");
	CHECK_ERRNO(execv("text", argv), ENOEXEC);
	script("elf", "\177ELF\2\1\1");
	CHECK_ERRNO(execv("elf", argv), ENOEXEC);
	CHECK_OK(mkfifo("fifo", 0755));
	CHECK_ERRNO(execv("fifo", argv), EACCES);
	CHECK_OK(symlink("self", "self"));
	CHECK_ERRNO(execv("self", argv), ELOOP);
	int fd = open("busy", O_RDWR | O_CREAT, 0755);
	CHECK_ERRNO(execv("busy", argv), ETXTBSY);
	close(fd);
	if (geteuid() == 0)
		JOIN(FORK({
			CHECK_OK(chmod("text", 0700));
			become(1234);
			CHECK_ERRNO(execv("text", argv), EACCES);
		}));
}

TEST(damaged_elf)
{
	/* Copies of this program with one field broken. */
	int in = open(check_self, O_RDONLY);
	static char image[4 << 20];
	ssize_t n = read(in, image, sizeof image);
	close(in);
	CHECK(n > 4096);
	char *argv[] = {"x", NULL};
	struct {
		const char *name;
		size_t off;
		unsigned char value, size;
	} cases[] = {
		{"machine", offsetof(Elf64_Ehdr, e_machine), 40, 2},
		{"type", offsetof(Elf64_Ehdr, e_type), 1, 2},
		{"phnum", offsetof(Elf64_Ehdr, e_phnum), 0, 2},
		{"phentsize", offsetof(Elf64_Ehdr, e_phentsize), 7, 2},
		{"magic", 0, 'X', 1},
	};
	for (size_t i = 0; i < LEN(cases); i++) {
		char save[8];
		memcpy(save, image + cases[i].off, 8);
		memset(image + cases[i].off, 0, cases[i].size);
		image[cases[i].off] = cases[i].value;
		int out = open("broken", O_WRONLY | O_CREAT | O_TRUNC, 0755);
		CHECK_EQ(write(out, image, n), n);
		close(out);
		memcpy(image + cases[i].off, save, 8);
		errno = 0;
		if (execv("broken", argv) != -1 || errno != ENOEXEC)
			check_fail(__FILE__, __LINE__, "%s", cases[i].name);
	}
	/* An interpreter that does not exist, and a truncated file. */
	char *interp = memmem(image, n, "/lib64/ld-linux-x86-64.so.2", 27);
	CHECK(interp);
	interp[1] = 'X';
	int out = open("nointerp", O_WRONLY | O_CREAT | O_TRUNC, 0755);
	CHECK_EQ(write(out, image, n), n);
	close(out);
	CHECK_ERRNO(execv("nointerp", argv), ENOENT);
	interp[1] = 'l';
	out = open("good", O_WRONLY | O_CREAT | O_TRUNC, 0755);
	CHECK_EQ(write(out, image, n), n);
	close(out);
	CHECK_EXIT(FORK(execl("./good", "good", "--helper", "exit", "12", NULL)), 12);
}

TEST(scripts)
{
	script("s1", "#!/bin/sh\nexit 21\n");
	CHECK_EXIT(FORK(execl("./s1", "s1", NULL)), 21);
	script("s2", "#! /bin/sh -e\nfalse\nexit 22\n");
	CHECK_EXIT(FORK(execl("./s2", "s2", NULL)), 1);
}

TEST(script_details)
{
	char b[PATH_MAX + 64];
	script("args", "#!/bin/sh\n[ \"$0\" = ./args ] && [ \"$1\" = 'a b' ] && [ $# = 2 ]\n");
	CHECK_EXIT(FORK(execl("./args", "ignored", "a b", "", NULL)), 0);
	script("inner", "#!/bin/sh\nexit 23\n");
	script("outer", "#!./inner\n");
	CHECK_EXIT(FORK(execl("./outer", "outer", NULL)), 23);
	script("loop", "#!./loop\n");
	char *argv[] = {"x", NULL};
	CHECK_ERRNO(execv("./loop", argv), ELOOP);
	script("nointerp", "#!/none/sh\n");
	CHECK_ERRNO(execv("./nointerp", argv), ENOENT);
	script("blank", "#!\n");
	CHECK_ERRNO(execv("./blank", argv), ENOEXEC);
	script("nonl", "#!/bin/sh"); /* no newline at the end */
	CHECK_EXIT(FORK(execl("./nonl", "nonl", NULL)), 0);
	memset(b, 'x', 300);
	memcpy(b, "#!/", 3);
	strcpy(b + 300, "\n");
	script("long", b);
	CHECK_ERRNO(execv("./long", argv), ENOEXEC);
	script("dir", "#!/tmp\n");
	CHECK_ERRNO(execv("./dir", argv), EACCES);
}

TEST(by_descriptor)
{
	int fd = open(check_self, O_RDONLY | O_CLOEXEC), d = open(".", O_RDONLY);
	char *argv[] = {"x", "--helper", "exit", "31", NULL};
	CHECK_EXIT(FORK(fexecve(fd, argv, environ)), 31);
	CHECK_EXIT(FORK(execveat(fd, "", argv, environ, AT_EMPTY_PATH)), 31);
	script("at", "#!/bin/sh\nexit 32\n");
	CHECK_EXIT(FORK(execveat(d, "at", argv, environ, 0)), 32);
	int s = open("at", O_RDONLY | O_CLOEXEC);
	CHECK_ERRNO(execveat(s, "", argv, environ, AT_EMPTY_PATH), ENOENT); /* the fd would be closed */
	CHECK_EXIT(FORK(int k = dup(s); execveat(k, "", argv, environ, AT_EMPTY_PATH)), 32);
	CHECK_ERRNO(execveat(fd, "", argv, environ, 0), ENOENT);
	CHECK_ERRNO(execveat(999, "x", argv, environ, 0), EBADF);
	CHECK_ERRNO(execveat(d, "at", argv, environ, 0x80000), EINVAL);
	CHECK_OK(symlink(check_self, "ln"));
	CHECK_ERRNO(execveat(d, "ln", argv, environ, AT_SYMLINK_NOFOLLOW), ELOOP);
	CHECK_EXIT(FORK(execv("/proc/self/exe", argv)), 31);
	close(fd), close(d), close(s);
}

TEST(argument_limits)
{
	/* One string may have 128 KiB; all of them a quarter of the stack limit. */
	char *big = malloc(140000);
	memset(big, 'a', 140000);
	big[131072] = 0;
	char *argv[] = {"x", "--helper", "exit", "3", big, NULL};
	CHECK_ERRNO(execv(check_self, argv), E2BIG);
	big[131071] = 0;
	CHECK_EXIT(FORK(execv(check_self, argv)), 3);
	enum { N = 60 };
	char *many[N + 5] = {"x", "--helper", "exit", "4"};
	for (int i = 0; i < N; i++)
		many[4 + i] = big;
	CHECK_ERRNO(execv(check_self, many), E2BIG);
	many[4 + 10] = NULL;
	CHECK_EXIT(FORK(execv(check_self, many)), 4);
	enum { M = 20000 };
	char **lots = calloc(M + 5, sizeof *lots);
	lots[0] = "x", lots[1] = "--helper", lots[2] = "count";
	for (int i = 3; i < M; i++)
		lots[i] = "arg";
	CHECK_EXIT(FORK(execv(check_self, lots)), (M + 1) & 127);
	free(lots), free(big);
	CHECK_EXIT(FORK({
		char *none[] = {NULL};
		execve("/bin/true", none, none); /* Linux makes argv[0] "" */
	}), 0);
}

TEST(state_across)
{
	pid_t pid = FORK({
		char me[16];
		static char alt[65536];
		stack_t ss = {.ss_sp = alt, .ss_size = sizeof alt};
		sigset_t set;
		struct rlimit l = {0, 0};
		snprintf(me, sizeof me, "%d", getpid());
		sigemptyset(&set);
		sigaddset(&set, SIGUSR1);
		sigprocmask(SIG_SETMASK, &set, NULL);
		raise(SIGUSR1);
		signal(SIGUSR2, SIG_IGN);
		signal(SIGHUP, (void (*)(int))exit);
		sigaltstack(&ss, NULL);
		alarm(100);
		setrlimit(RLIMIT_CORE, &l);
		umask(027);
		CHECK_OK(symlink(check_self, "newname"));
		execl("./newname", "newname", "--helper", "state", me, NULL);
	});
	CHECK_EXIT(pid, 0);
}

TEST(set_id_programs)
{
	/* No new privileges: the bit on a script or program changes nothing. */
	JOIN(FORK({
		CHECK_OK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
		CHECK_EQ(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 1);
		CHECK_ERRNO(prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0), EINVAL);
		pid_t k = RUN("auxv");
		JOIN(k);
	}));
}
