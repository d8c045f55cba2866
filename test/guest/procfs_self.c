/* build: -pthread */
/* /proc/self: what real programs read of themselves. */
#define CHECK_HELPER helper
#include "check.h"
#include <dirent.h>
#include <pthread.h>
#include <sys/auxv.h>
#include <sys/prctl.h>

static int helper(int argc, char **argv)
{
	/* The command line and environment as they were given. */
	(void)argc, (void)argv;
	int fd = open("/proc/self/cmdline", O_RDONLY);
	char b[8192];
	ssize_t n = read(fd, b, sizeof b);
	if (n < 30 || memcmp(b + n - 24, "--helper\0two words\0\0end", 24))
		return 1;
	fd = open("/proc/self/environ", O_RDONLY);
	n = read(fd, b, sizeof b);
	return n == 17 && !memcmp(b, "ONE=1\0TWO=2 3\0X=", 17) ? 0 : 2;
}

static char *link_of(const char *path)
{
	static char b[PATH_MAX];
	ssize_t n = readlink(path, b, sizeof b - 1);
	if (n < 0)
		return NULL;
	b[n] = 0;
	return b;
}
/* field finds "Name:\tvalue" in a text such as status. */
static char *field(char *text, const char *name)
{
	static char b[256];
	char k[64];
	snprintf(k, sizeof k, "\n%s:", name);
	char *p = !strncmp(text, k + 1, strlen(k) - 1) ? text - 1 : strstr(text, k);
	if (!p)
		return NULL;
	p += strlen(k);
	while (*p == ' ' || *p == '\t')
		p++;
	snprintf(b, sizeof b, "%.*s", (int)strcspn(p, "\n"), p);
	return b;
}

TEST(links)
{
	char cwd[PATH_MAX], me[32];
	CHECK_STR(link_of("/proc/self/exe"), check_self);
	CHECK(getcwd(cwd, sizeof cwd));
	CHECK_STR(link_of("/proc/self/cwd"), cwd);
	CHECK_STR(link_of("/proc/self/root"), "/");
	snprintf(me, sizeof me, "%d", getpid());
	CHECK_STR(link_of("/proc/self"), me);
	snprintf(me, sizeof me, "%d/task/%d", getpid(), gettid());
	CHECK_STR(link_of("/proc/thread-self"), me);
	struct stat a, b;
	CHECK_OK(stat("/proc/self/exe", &a));
	CHECK_OK(stat(check_self, &b));
	CHECK_EQ(a.st_ino, b.st_ino);
	CHECK_OK(lstat("/proc/self/exe", &a));
	CHECK(S_ISLNK(a.st_mode));
	JOIN(FORK(CHECK_OK(chdir("/")); CHECK_STR(link_of("/proc/self/cwd"), "/")));
}

TEST(command_line)
{
	char *argv[] = {check_self, "--helper", "two words", "", "end", NULL}, *env[] = {"ONE=1", "TWO=2 3", "X=", NULL};
	pid_t pid = FORK(execve(check_self, argv, env));
	int s = STATUS(pid);
	CHECK(WIFEXITED(s));
	CHECK_EQ(WEXITSTATUS(s), 0);
}

TEST(status)
{
	char b[64];
	prctl(PR_SET_NAME, "status test");
	char *t = strdup(get("/proc/self/status"));
	CHECK_STR(field(t, "Name"), "status test");
	CHECK_STR(field(t, "State"), "R (running)");
	snprintf(b, sizeof b, "%d", getpid());
	CHECK_STR(field(t, "Pid"), b);
	CHECK_STR(field(t, "Tgid"), b);
	snprintf(b, sizeof b, "%d", getppid());
	CHECK_STR(field(t, "PPid"), b);
	snprintf(b, sizeof b, "%d\t%d\t%d\t%d", getuid(), geteuid(), geteuid(), geteuid());
	CHECK_STR(field(t, "Uid"), b);
	CHECK_STR(field(t, "Threads"), "1");
	CHECK_STR(field(t, "Umask"), "0022");
	CHECK(atol(field(t, "VmSize")) > 0 && strstr(field(t, "VmSize"), " kB"));
	CHECK(atol(field(t, "VmRSS")) > 0);
	CHECK(atol(field(t, "FDSize")) > 0);
	CHECK(field(t, "SigCgt") && field(t, "SigBlk") && field(t, "CapEff") && field(t, "NoNewPrivs"));
	CHECK(field(t, "Cpus_allowed_list") && field(t, "voluntary_ctxt_switches"));
	free(t);
}

TEST_FORK(signal_masks)
{
	sigset_t s;
	sigemptyset(&s);
	sigaddset(&s, SIGUSR1);
	sigprocmask(SIG_SETMASK, &s, NULL);
	raise(SIGUSR1);
	signal(SIGUSR2, SIG_IGN);
	signal(SIGHUP, (void (*)(int))exit);
	char *t = strdup(get("/proc/self/status"));
	CHECK_STR(field(t, "SigBlk"), "0000000000000200");
	CHECK_STR(field(t, "SigPnd"), "0000000000000200");
	CHECK(strtoull(field(t, "SigIgn"), NULL, 16) & 1 << (SIGUSR2 - 1));
	CHECK(strtoull(field(t, "SigCgt"), NULL, 16) & 1 << (SIGHUP - 1));
}

TEST(stat_files)
{
	char name[64], state;
	int pid, ppid, pgrp, sid;
	prctl(PR_SET_NAME, "a) b");
	char *t = get("/proc/self/stat"), *end = strrchr(t, ')');
	CHECK(end);
	CHECK_EQ(sscanf(t, "%d (%60[^\n]", &pid, name), 2);
	CHECK_EQ(pid, getpid());
	CHECK(!strncmp(name, "a) b) R ", 8));
	CHECK_EQ(sscanf(end + 2, "%c %d %d %d", &state, &ppid, &pgrp, &sid), 4);
	CHECK(state == 'R' && ppid == getppid() && pgrp == getpgrp() && sid == getsid(0));
	int n = 2;
	for (char *p = end + 1; *p; p++)
		n += *p == ' ';
	CHECK_EQ(n, 52);
	long size, rss, shared, text;
	CHECK_EQ(sscanf(get("/proc/self/statm"), "%ld %ld %ld %ld", &size, &rss, &shared, &text), 4);
	CHECK(size >= rss && rss > 0);
	CHECK_STR(get("/proc/self/comm"), "a) b\n");
	put("/proc/self/comm", "written");
	CHECK_STR(get("/proc/self/comm"), "written\n");
}

TEST(maps)
{
	char *p = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	mprotect(p + 4096, 4096, PROT_NONE);
	int fd = open("mapped", O_RDWR | O_CREAT, 0600);
	CHECK_OK(ftruncate(fd, 8192));
	char *f = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 4096);
	FILE *m = fopen("/proc/self/maps", "r");
	CHECK(m);
	char line[PATH_MAX + 100], perms[5];
	unsigned long lo, hi, off, last = 0;
	bool stack = false, self_x = false, hole = false, file = false, libc = false;
	while (fgets(line, sizeof line, m)) {
		CHECK_EQ(sscanf(line, "%lx-%lx %4s %lx", &lo, &hi, perms, &off), 4);
		CHECK(lo < hi && lo >= last);
		last = hi;
		if (strstr(line, "[stack]"))
			stack = (unsigned long)&line >= lo && (unsigned long)&line < hi;
		if (strstr(line, check_self) && perms[2] == 'x')
			self_x = (unsigned long)link_of >= lo && (unsigned long)link_of < hi;
		if (lo == (unsigned long)p + 4096)
			hole = !strcmp(perms, "---p") && hi == lo + 4096;
		if (lo == (unsigned long)f)
			file = !strcmp(perms, "r--s") && off == 4096 && strstr(line, "/mapped\n");
		libc |= strstr(line, "libc") != NULL;
	}
	fclose(m);
	CHECK(stack);
	CHECK(self_x);
	CHECK(hole);
	CHECK(file);
	CHECK(libc);
	close(fd);
	/* The stack's limits, as pthread_getattr_np finds them. */
	pthread_attr_t a;
	void *addr;
	size_t size;
	CHECK_RET(pthread_getattr_np(pthread_self(), &a), 0);
	CHECK_RET(pthread_attr_getstack(&a, &addr, &size), 0);
	CHECK((char *)&a > (char *)addr && (char *)&a < (char *)addr + size);
	CHECK(strstr(get("/proc/self/smaps"), "Rss:"));
	CHECK(strstr(get("/proc/self/smaps_rollup"), "Pss:"));
}

TEST(descriptors)
{
	int fd = open("fdfile", O_RDWR | O_CREAT | O_APPEND, 0600), p[2], n = 0;
	char b[64], want[PATH_MAX];
	CHECK_EQ(write(fd, "12345", 5), 5);
	CHECK_OK(pipe(p));
	DIR *d = opendir("/proc/self/fd");
	struct dirent *e;
	bool seen = false;
	while ((e = readdir(d)))
		if (e->d_name[0] != '.') {
			n++;
			CHECK_EQ(e->d_type, DT_LNK);
			seen |= atoi(e->d_name) == fd;
		}
	closedir(d);
	CHECK(seen && n >= 6);
	snprintf(b, sizeof b, "/proc/self/fd/%d", fd);
	CHECK(getcwd(want, sizeof want - 10));
	strcat(want, "/fdfile");
	CHECK_STR(link_of(b), want);
	struct stat st;
	CHECK_OK(lstat(b, &st));
	CHECK_EQ(st.st_mode, S_IFLNK | 0700);
	/* Opening it gives a new description of the same file. */
	int again = open(b, O_RDONLY);
	CHECK(again >= 0);
	CHECK_EQ(lseek(again, 0, SEEK_CUR), 0);
	close(again);
	snprintf(b, sizeof b, "/proc/self/fd/%d", p[0]);
	CHECK(!strncmp(link_of(b), "pipe:[", 6));
	int w = open("/dev/fd/1", O_WRONLY);
	CHECK(w >= 0 || errno == ENXIO || errno == EACCES);
	if (w >= 0)
		close(w);
	snprintf(b, sizeof b, "/proc/self/fdinfo/%d", fd);
	char *t = get(b);
	CHECK(t);
	CHECK_STR(field(t, "pos"), "5");
	CHECK_EQ(strtol(field(t, "flags"), NULL, 8) & (O_ACCMODE | O_APPEND), O_RDWR | O_APPEND);
	close(fd), close(p[0]), close(p[1]);
	CHECK_ERRNO(open(b, O_RDONLY), ENOENT);
	CHECK_STR(link_of("/dev/fd"), "/proc/self/fd");
	CHECK_STR(link_of("/dev/stdin"), "/proc/self/fd/0");
}

TEST(limits_and_mounts)
{
	char want[128], b[64];
	struct rlimit l = {100, 200};
	(void)want;
	JOIN(FORK({
		CHECK_OK(setrlimit(RLIMIT_NOFILE, &l));
		char *t = get("/proc/self/limits"), *p = strstr(t, "Max open files");
		CHECK(p);
		CHECK_EQ(sscanf(p + 14, " 100 200 %5s", b), 1);
		CHECK_STR(b, "files");
	}));
	char *t = get("/proc/self/mounts");
	CHECK(strstr(t, " / ") && strstr(t, " /proc proc "));
	t = get("/proc/self/mountinfo");
	CHECK(strstr(t, " / / ") && strstr(t, " - proc "));
	CHECK(strstr(get("/proc/mounts"), " /proc proc "));
	CHECK_OK(access("/proc/self/cgroup", R_OK));
	CHECK_OK(access("/proc/self/oom_score_adj", R_OK));
	CHECK_OK(access("/proc/self/ns/pid", F_OK));
	CHECK_STR(get("/proc/self/uid_map") ? "x" : NULL, "x");
}

TEST(auxiliary_vector)
{
	unsigned long *a = (void *)get("/proc/self/auxv");
	bool found = false;
	for (; a[0]; a += 2)
		if (a[0] == AT_PAGESZ)
			found = a[1] == 4096;
		else if (a[0] == AT_PHDR)
			CHECK_EQ(a[1], getauxval(AT_PHDR));
	CHECK(found);
}

static void *idle(void *a)
{
	prctl(PR_SET_NAME, "idler");
	*(pid_t *)a = gettid();
	pause();
	return NULL;
}

TEST_FORK(tasks)
{
	pthread_t t;
	volatile pid_t tid = 0;
	char b[64];
	pthread_create(&t, NULL, idle, (void *)&tid);
	while (!tid)
		usleep(1000);
	DIR *d = opendir("/proc/self/task");
	int n = 0;
	for (struct dirent *e; (e = readdir(d));)
		n += e->d_name[0] != '.';
	closedir(d);
	CHECK_EQ(n, 2);
	snprintf(b, sizeof b, "/proc/self/task/%d/comm", tid);
	CHECK_STR(get(b), "idler\n");
	snprintf(b, sizeof b, "/proc/self/task/%d/status", tid);
	settle();
	CHECK_STR(field(get(b), "State"), "S (sleeping)");
	CHECK_STR(field(get("/proc/self/status"), "Threads"), "2");
}

TEST(other_processes)
{
	char b[64];
	int p[2];
	CHECK_OK(pipe(p));
	pid_t pid = FORK(prctl(PR_SET_NAME, "childname"); write(p[1], "x", 1); pause());
	CHECK_EQ(read(p[0], b, 1), 1);
	snprintf(b, sizeof b, "/proc/%d/comm", pid);
	CHECK_STR(get(b), "childname\n");
	snprintf(b, sizeof b, "/proc/%d/exe", pid);
	CHECK_STR(link_of(b), check_self);
	kill(pid, SIGKILL);
	siginfo_t si;
	CHECK_OK(waitid(P_PID, pid, &si, WEXITED | WNOWAIT));
	snprintf(b, sizeof b, "/proc/%d/status", pid);
	CHECK_STR(field(get(b), "State"), "Z (zombie)");
	snprintf(b, sizeof b, "/proc/%d/exe", pid);
	CHECK_ERRNO(readlink(b, (char[8]){0}, 8), ENOENT);
	int d = open("/proc", O_RDONLY);
	snprintf(b, sizeof b, "%d", pid);
	CHECK_OK(faccessat(d, b, F_OK, 0));
	CHECK_KILLED(pid, SIGKILL);
	CHECK_ERRNO(faccessat(d, b, F_OK, 0), ENOENT);
	close(d), close(p[0]), close(p[1]);
	CHECK_OK(access("/proc/1/stat", R_OK));
}

TEST(refusals)
{
	CHECK_ERRNO(mkdir("/proc/x", 0755), ENOENT);
	CHECK_ERRNO(open("/proc/x", O_RDWR | O_CREAT, 0600), ENOENT);
	CHECK_ERRNO(unlink("/proc/self/comm"), EPERM);
	CHECK_ERRNO(open("/proc/self/none", O_RDONLY), ENOENT);
	CHECK_ERRNO(open("/proc/999999999/stat", O_RDONLY), ENOENT);
}
