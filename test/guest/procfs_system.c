/* build: */
/* /proc and /sys about the system, and the device nodes. */
#include "check.h"
#include <dirent.h>
#include <sys/sysinfo.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <sched.h>

static long kb(const char *name)
{
	char *t = get("/proc/meminfo"), k[32], *p;
	snprintf(k, sizeof k, "%s:", name);
	p = t ? strstr(t, k) : NULL;
	return p ? atol(p + strlen(k)) : -1;
}

TEST(memory)
{
	struct sysinfo si;
	CHECK(kb("MemTotal") > 0);
	CHECK(kb("MemFree") > 0 && kb("MemFree") <= kb("MemTotal"));
	CHECK(kb("MemAvailable") > 0);
	CHECK(kb("Buffers") >= 0 && kb("Cached") >= 0 && kb("SwapTotal") >= 0 && kb("Shmem") >= 0);
	CHECK_OK(sysinfo(&si));
	CHECK_EQ(si.totalram * si.mem_unit / 1024, kb("MemTotal"));
	CHECK(si.uptime > 0 && si.procs > 0);
	CHECK(sysconf(_SC_PHYS_PAGES) > 0 && sysconf(_SC_AVPHYS_PAGES) > 0);
	CHECK(strstr(get("/proc/vmstat") ?: "pgfault", "pgfault"));
}

TEST(processors)
{
	char *t = get("/proc/cpuinfo");
	int n = 0;
	for (char *p = t; (p = strstr(p, "processor\t:")); p++)
		n++;
	CHECK_EQ(n, sysconf(_SC_NPROCESSORS_ONLN));
	CHECK(strstr(t, "flags\t\t:") && strstr(t, "model name\t:") && strstr(t, "sse2"));
	t = get("/proc/stat");
	CHECK(!strncmp(t, "cpu  ", 5));
	CHECK(strstr(t, "\nbtime ") && strstr(t, "\nprocesses ") && strstr(t, "\ncpu0 "));
	cpu_set_t set;
	CHECK_OK(sched_getaffinity(0, sizeof set, &set));
	CHECK(CPU_COUNT(&set) <= sysconf(_SC_NPROCESSORS_CONF));
	CHECK_OK(access("/sys/devices/system/cpu/online", R_OK));
	CHECK_OK(access("/sys/devices/system/cpu/possible", R_OK));
}

TEST(times)
{
	double up, idle, a, b, c;
	int run, total, last;
	CHECK_EQ(sscanf(get("/proc/uptime"), "%lf %lf", &up, &idle), 2);
	CHECK(up >= 0); /* a sandbox has just started */
	CHECK_EQ(sscanf(get("/proc/loadavg"), "%lf %lf %lf %d/%d %d", &a, &b, &c, &run, &total, &last), 6);
	CHECK(run >= 1 && total >= run && last > 0);
}

TEST(identity)
{
	struct utsname u;
	char b[256];
	CHECK_OK(uname(&u));
	CHECK_STR(u.sysname, "Linux");
	CHECK_STR(u.machine, "x86_64");
	snprintf(b, sizeof b, "Linux version %s", u.release);
	CHECK(!strncmp(get("/proc/version"), b, strlen(b)));
	snprintf(b, sizeof b, "%s\n", u.release);
	CHECK_STR(get("/proc/sys/kernel/osrelease"), b);
	snprintf(b, sizeof b, "%s\n", u.nodename);
	CHECK_STR(get("/proc/sys/kernel/hostname"), b);
	CHECK_STR(get("/proc/sys/kernel/ostype"), "Linux\n");
	CHECK_EQ(strlen(get("/proc/sys/kernel/random/boot_id")), 37);
	char *one = strdup(get("/proc/sys/kernel/random/uuid"));
	CHECK(strcmp(one, get("/proc/sys/kernel/random/uuid")));
	free(one);
	CHECK(atoi(get("/proc/sys/kernel/pid_max")) > 300);
	CHECK(atol(get("/proc/sys/kernel/threads-max")) > 0);
	CHECK_EQ(atoi(get("/proc/sys/kernel/ngroups_max")), 65536);
	CHECK_EQ(atoi(get("/proc/sys/kernel/cap_last_cap")) >= 37, 1);
	CHECK(atol(get("/proc/sys/fs/file-max")) > 0);
	CHECK(atol(get("/proc/sys/fs/pipe-max-size")) == 1048576);
	CHECK(atol(get("/proc/sys/fs/nr_open")) >= 1024);
	CHECK(atoi(get("/proc/sys/vm/overcommit_memory")) <= 2);
	CHECK(atol(get("/proc/sys/vm/max_map_count")) >= 65530);
	CHECK(atol(get("/proc/sys/net/core/somaxconn")) >= 128);
	char *t = get("/proc/filesystems");
	CHECK(strstr(t, "nodev\ttmpfs\n") && strstr(t, "nodev\tproc\n"));
	CHECK(get("/proc/cmdline"));
	CHECK(get("/proc/devices"));
}

static void node(const char *path, int major, int minor, mode_t mode)
{
	struct stat st;
	if (stat(path, &st))
		check_fail(__FILE__, __LINE__, "stat %s", path);
	if (!S_ISCHR(st.st_mode) || st.st_rdev != makedev(major, minor))
		check_fail(__FILE__, __LINE__, "%s is no device %d,%d", path, major, minor);
	if ((st.st_mode & 0666) != mode)
		check_fail(__FILE__, __LINE__, "%s has mode %o", path, st.st_mode);
}

TEST(device_nodes)
{
	char b[64];
	node("/dev/null", 1, 3, 0666);
	node("/dev/zero", 1, 5, 0666);
	node("/dev/full", 1, 7, 0666);
	node("/dev/random", 1, 8, 0666);
	node("/dev/urandom", 1, 9, 0666);
	node("/dev/tty", 5, 0, 0666);
	node("/dev/ptmx", 5, 2, 0666);
	struct stat st;
	CHECK_OK(stat("/dev/pts", &st));
	CHECK(S_ISDIR(st.st_mode));
	CHECK_OK(stat("/dev/shm", &st));
	CHECK_EQ(st.st_mode, S_IFDIR | 01777);
	int fd = open("/dev/null", O_RDWR);
	CHECK_EQ(read(fd, b, 10), 0);
	CHECK_EQ(write(fd, b, 10), 10);
	CHECK_EQ(lseek(fd, 100, SEEK_SET), 0);
	CHECK_OK(ftruncate(fd, 10) ? errno == EINVAL ? 0 : -1 : 0);
	close(fd);
	fd = open("/dev/zero", O_RDWR);
	memset(b, 1, sizeof b);
	CHECK_EQ(read(fd, b, 64), 64);
	CHECK(b[0] == 0 && b[63] == 0);
	CHECK_EQ(write(fd, b, 10), 10);
	char *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	CHECK(p != MAP_FAILED && p[5] == 0);
	p[5] = 1;
	close(fd);
	fd = open("/dev/full", O_RDWR);
	CHECK_EQ(read(fd, b, 64), 64);
	CHECK_ERRNO(write(fd, b, 1), ENOSPC);
	close(fd);
	fd = open("/dev/urandom", O_RDONLY);
	char c[64];
	CHECK_EQ(read(fd, b, 64), 64);
	CHECK_EQ(read(fd, c, 64), 64);
	CHECK(memcmp(b, c, 64));
	close(fd);
	JOIN(FORK(setsid(); CHECK_ERRNO(open("/dev/tty", O_RDWR), ENXIO)));
}

TEST(listing)
{
	DIR *d = opendir("/proc");
	char me[16];
	bool self = false, pid = false, cpu = false;
	snprintf(me, sizeof me, "%d", getpid());
	for (struct dirent *e; (e = readdir(d));) {
		self |= !strcmp(e->d_name, "self");
		pid |= !strcmp(e->d_name, me);
		cpu |= !strcmp(e->d_name, "cpuinfo");
	}
	closedir(d);
	CHECK(self && pid && cpu);
	CHECK_OK(access("/sys/kernel", F_OK));
	CHECK_OK(access("/sys/fs/cgroup", F_OK));
	CHECK_OK(access("/proc/net/tcp", R_OK));
	CHECK_OK(access("/proc/net/unix", R_OK));
	CHECK_OK(access("/proc/net/dev", R_OK));
	if (geteuid() != 0 || under_sentinel()) {
		CHECK(open("/proc/sys/kernel/hostname", O_WRONLY) == -1 || under_sentinel());
		CHECK(open("/proc/kcore", O_RDONLY) == -1);
		CHECK(open("/proc/sysrq-trigger", O_WRONLY) == -1);
	}
}
