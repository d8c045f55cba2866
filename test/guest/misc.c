/* build: */
/* Identity, credentials, capabilities, chroot, random numbers, refused calls. */
#include "check.h"
#include <grp.h>
#include <linux/capability.h>
#include <linux/membarrier.h>
#include <sched.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>

TEST(random_bytes)
{
	char a[256], b[256];
	CHECK_EQ(getrandom(a, 256, 0), 256);
	CHECK_EQ(getrandom(b, 256, GRND_NONBLOCK), 256);
	CHECK(memcmp(a, b, 256));
	CHECK_EQ(getrandom(a, 0, 0), 0);
	CHECK_ERRNO(getrandom(a, 1, 0x100), EINVAL);
	CHECK_ERRNO(getrandom((void *)8, 1, 0), EFAULT);
	static char big[1 << 20];
	CHECK_EQ(getrandom(big, sizeof big, 0), sizeof big);
}

TEST(system_names)
{
	struct utsname u;
	CHECK_OK(uname(&u));
	char host[70], want[70] = {0};
	CHECK_OK(gethostname(host, sizeof host));
	strcpy(want, u.nodename);
	CHECK_STR(host, want);
	int major, minor;
	CHECK_EQ(sscanf(u.release, "%d.%d", &major, &minor), 2);
	CHECK(major >= 5);
	CHECK_ERRNO(syscall(SYS_uname, 8), EFAULT);
	unsigned cpu = 9999, nodeid = 9999;
	CHECK_OK(getcpu(&cpu, &nodeid));
	CHECK(cpu < (unsigned)get_nprocs_conf());
	CHECK_EQ(sysconf(_SC_PAGESIZE), 4096);
	CHECK_ERRNO(syscall(9999), ENOSYS);
	CHECK_ERRNO(syscall(-1), ENOSYS);
	if (geteuid() != 0)
		CHECK_ERRNO(sethostname("x", 1), EPERM);
}

TEST_FORK(user_ids)
{
	uid_t r, e, s;
	CHECK_OK(getresuid(&r, &e, &s));
	CHECK(r == getuid() && e == geteuid());
	if (geteuid() != 0) {
		CHECK_ERRNO(setuid(0), EPERM);
		CHECK_ERRNO(setresuid(-1, 0, -1), EPERM);
		CHECK_OK(setresuid(-1, r, -1));
		return;
	}
	CHECK_OK(setresuid(100, 200, 300));
	CHECK_OK(getresuid(&r, &e, &s));
	CHECK(r == 100 && e == 200 && s == 300);
	CHECK_ERRNO(setresuid(-1, 400, -1), EPERM);
	CHECK_OK(setresuid(-1, 300, -1)); /* any of the three */
	CHECK_OK(setresuid(200 - 100, 300, 100));
	CHECK_OK(getresuid(&r, &e, &s));
	CHECK(r == 100 && e == 300 && s == 100);
	CHECK_OK(setreuid(300, 100));
	CHECK_OK(getresuid(&r, &e, &s));
	CHECK(r == 300 && e == 100 && s == 100);
	CHECK_OK(seteuid(300));
	CHECK_ERRNO(setuid(7), EPERM);
	CHECK_ERRNO(setgid(7), EPERM);
	CHECK_ERRNO(setgroups(0, NULL), EPERM);
}

TEST_FORK(root_drops_all)
{
	uid_t r, e, s;
	if (geteuid() != 0)
		return;
	CHECK_OK(setgid(44));
	CHECK_EQ(getegid(), 44);
	CHECK_OK(setfsuid(55));
	CHECK_EQ(setfsuid(-1), 55);
	CHECK_OK(setuid(66)); /* as root: all three */
	CHECK_OK(getresuid(&r, &e, &s));
	CHECK(r == 66 && e == 66 && s == 66);
	CHECK_ERRNO(setuid(0), EPERM);
	CHECK_EQ(setfsuid(-1), 66);
}

TEST_FORK(group_lists)
{
	gid_t g[3] = {30, 10, 20}, got[3];
	int n = getgroups(0, NULL);
	CHECK(n >= 0);
	if (geteuid() != 0)
		return;
	CHECK_OK(setgroups(3, g));
	CHECK_EQ(getgroups(0, NULL), 3);
	CHECK_EQ(getgroups(3, got), 3);
	CHECK(got[0] == 10 && got[1] == 20 && got[2] == 30); /* sorted */
	CHECK_ERRNO(getgroups(2, got), EINVAL);
	CHECK_ERRNO(getgroups(-1, got), EINVAL);
	CHECK_ERRNO(setgroups(65537, g), EINVAL);
	JOIN(FORK(CHECK_EQ(getgroups(0, NULL), 3)));
	CHECK_OK(setgroups(0, NULL));
	CHECK_EQ(getgroups(3, got), 0);
}

static int caps(int how, struct __user_cap_data_struct d[2])
{
	struct __user_cap_header_struct h = {_LINUX_CAPABILITY_VERSION_3, 0};
	return syscall(how, &h, d);
}

TEST_FORK(capabilities)
{
	struct __user_cap_header_struct h = {0x1234, 0};
	struct __user_cap_data_struct d[2], e[2];
	CHECK_ERRNO(syscall(SYS_capget, &h, d), EINVAL);
	CHECK_EQ(h.version, _LINUX_CAPABILITY_VERSION_3);
	h.pid = 1 << 29;
	CHECK_ERRNO(syscall(SYS_capget, &h, d), ESRCH);
	CHECK_OK(caps(SYS_capget, d));
	if (geteuid() != 0) {
		CHECK_EQ(d[0].effective, 0);
		d[0].effective = d[0].permitted = 1;
		CHECK_ERRNO(caps(SYS_capset, d), EPERM);
		return;
	}
	CHECK(d[0].effective & 1 << CAP_CHOWN && d[0].effective & 1 << CAP_SETUID);
	/* Raise is refused once dropped. */
	put("capfile", "x");
	memcpy(e, d, sizeof e);
	e[0].effective &= ~(1 << CAP_CHOWN);
	CHECK_OK(caps(SYS_capset, e));
	CHECK_ERRNO(chown("capfile", 5, 5), EPERM);
	CHECK_OK(caps(SYS_capset, d));
	CHECK_OK(chown("capfile", 5, 5));
	e[0].permitted &= ~(1 << CAP_CHOWN);
	CHECK_OK(caps(SYS_capset, e));
	CHECK_ERRNO(caps(SYS_capset, d), EPERM);
	/* Leaving root clears them, unless kept. */
	JOIN(FORK({
		CHECK_OK(setresuid(5, 5, 5));
		CHECK_OK(caps(SYS_capget, e));
		CHECK(e[0].effective == 0 && e[0].permitted == 0);
	}));
	JOIN(FORK({
		CHECK_OK(prctl(PR_SET_KEEPCAPS, 1));
		CHECK_OK(setresuid(5, 5, 5));
		CHECK_OK(caps(SYS_capget, e));
		CHECK(e[0].effective == 0 && e[0].permitted != 0);
	}));
	JOIN(FORK({ /* the bounding set can only shrink */
		CHECK_EQ(prctl(PR_CAPBSET_READ, CAP_KILL), 1);
		CHECK_OK(prctl(PR_CAPBSET_DROP, CAP_KILL));
		CHECK_EQ(prctl(PR_CAPBSET_READ, CAP_KILL), 0);
	}));
	JOIN(FORK({ /* files are no longer root's to read */
		CHECK_OK(chmod("capfile", 0));
		CHECK_OK(seteuid(6));
		CHECK_ERRNO(open("capfile", O_RDONLY), EACCES);
		CHECK_OK(seteuid(0));
		CHECK_OK(open("capfile", O_RDONLY));
	}));
}

TEST_FORK(new_root)
{
	CHECK_OK(mkdir("jail", 0755));
	CHECK_OK(mkdir("jail/in", 0755));
	put("jail/file", "inside");
	put("outside", "outside");
	if (geteuid() != 0) {
		CHECK_ERRNO(chroot("jail"), EPERM);
		return;
	}
	CHECK_ERRNO(chroot("none"), ENOENT);
	CHECK_ERRNO(chroot("outside"), ENOTDIR);
	CHECK_OK(chroot("jail"));
	CHECK_STR(get("/file"), "inside");
	CHECK_STR(get("outside"), "outside"); /* the working directory stays outside */
	CHECK_OK(chdir("/"));
	CHECK_STR(get("../../file"), "inside");
	CHECK_ERRNO(open("../outside", O_RDONLY), ENOENT);
	char b[64];
	CHECK(getcwd(b, sizeof b));
	CHECK_STR(b, "/");
	CHECK_OK(symlink("/file", "/in/abs"));
	CHECK_STR(get("/in/abs"), "inside");
}

TEST(barriers)
{
	int c = syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 0, 0);
	CHECK(c >= 0);
	if (c & MEMBARRIER_CMD_PRIVATE_EXPEDITED) {
		CHECK_OK(syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0));
		CHECK_OK(syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0));
	}
	CHECK_ERRNO(syscall(SYS_membarrier, 1 << 30, 0, 0), EINVAL);
}

/* refused tells whether a call failed as on a locked-down kernel. */
static bool refused(long r) { return r == -1 && (errno == EPERM || errno == ENOSYS); }

TEST(refused_calls)
{
	static char zero[256];
	if (!under_sentinel())
		return; /* the host may allow these to root */
	CHECK(refused(syscall(SYS_mount, "none", "/tmp", "tmpfs", 0, NULL)));
	CHECK(refused(syscall(SYS_umount2, "/proc", 0)));
	CHECK(refused(syscall(SYS_pivot_root, "/", "/")));
	CHECK(refused(syscall(SYS_bpf, 0, zero, sizeof zero)));
	CHECK(refused(syscall(SYS_io_uring_setup, 8, zero)));
	CHECK(refused(syscall(SYS_perf_event_open, zero, 0, -1, -1, 0)) || errno == EACCES);
	CHECK(refused(syscall(SYS_userfaultfd, 0)));
	CHECK(refused(syscall(SYS_kexec_load, 0, 0, NULL, 0)));
	CHECK(refused(syscall(SYS_init_module, zero, 0, "")));
	CHECK(refused(syscall(SYS_reboot, 0xfee1dead, 672274793, 0, NULL)));
	CHECK(refused(syscall(SYS_swapon, "/none", 0)));
	CHECK(refused(syscall(SYS_acct, NULL)));
	CHECK(refused(syscall(SYS_iopl, 3)));
	CHECK(refused(syscall(SYS_setns, 0, 0)));
	CHECK(refused(syscall(SYS_open_by_handle_at, AT_FDCWD, zero, 0)));
	CHECK(refused(syscall(SYS_settimeofday, zero, NULL)));
}

TEST(no_escape)
{
	struct stat st;
	if (!under_sentinel())
		return;
	CHECK(open("/dev/mem", O_RDONLY) == -1);
	CHECK(open("/dev/kmem", O_RDONLY) == -1);
	CHECK(open("/dev/vda", O_RDONLY) == -1);
	CHECK(stat("/proc/1/root/proc", &st) == 0 || errno == EACCES);
	CHECK(mknod("blk", S_IFBLK | 0600, 0x0800) == -1 || open("blk", O_RDONLY) == -1);
	CHECK(kill(1, 0) == 0 || errno == EPERM);
	CHECK(getpid() < 1000); /* pids are the sandbox's own */
}
