/* build: */
/* inotify: every event, cookies, limits, removal. */
#include "check.h"
#include <sys/inotify.h>

static int fd;
static char buf[8192] __attribute__((aligned(8)));
static size_t have, at;
static void watch_new(void)
{
	fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	CHECK(fd >= 0);
	have = at = 0;
}
static struct inotify_event *next(void)
{
	if (at == have) {
		ssize_t r = read(fd, buf, sizeof buf);
		at = 0;
		have = r > 0 ? r : 0;
		if (r <= 0)
			return NULL;
	}
	struct inotify_event *e = (void *)(buf + at);
	at += sizeof *e + e->len;
	return e;
}
#define EVENT(m, n)                                                           \
	({                                                                     \
		struct inotify_event *e_ = next();                             \
		CHECK(e_);                                                     \
		CHECK_EQ(e_->mask, (m));                                       \
		CHECK_STR(e_->len ? e_->name : "", (n));                       \
		e_;                                                            \
	})
#define NOTHING() CHECK(next() == NULL)

TEST(in_a_directory)
{
	watch_new();
	CHECK_OK(mkdir("d", 0755));
	int wd = inotify_add_watch(fd, "d", IN_ALL_EVENTS);
	CHECK_EQ(wd, 1);
	int f = open("d/f", O_RDWR | O_CREAT, 0600);
	EVENT(IN_CREATE, "f");
	EVENT(IN_OPEN, "f");
	CHECK_EQ(write(f, "x", 1), 1);
	EVENT(IN_MODIFY, "f");
	char c;
	CHECK_EQ(pread(f, &c, 1, 0), 1);
	EVENT(IN_ACCESS, "f");
	CHECK_OK(fchmod(f, 0644));
	EVENT(IN_ATTRIB, "f");
	CHECK_OK(ftruncate(f, 0));
	EVENT(IN_MODIFY, "f");
	close(f);
	EVENT(IN_CLOSE_WRITE, "f");
	close(open("d/f", O_RDONLY));
	EVENT(IN_OPEN, "f");
	EVENT(IN_CLOSE_NOWRITE, "f");
	CHECK_OK(link("d/f", "d/g"));
	struct inotify_event *e = next();
	if (e && e->mask == IN_ATTRIB)
		e = next();
	CHECK(e && e->mask == IN_CREATE && !strcmp(e->name, "g"));
	CHECK_OK(unlink("d/g"));
	e = next();
	if (e && e->mask == IN_ATTRIB)
		e = next();
	CHECK(e && e->mask == IN_DELETE && !strcmp(e->name, "g"));
	CHECK_OK(mkdir("d/sub", 0755));
	EVENT(IN_CREATE | IN_ISDIR, "sub");
	CHECK_OK(rmdir("d/sub"));
	EVENT(IN_DELETE | IN_ISDIR, "sub");
	CHECK_OK(symlink("x", "d/sl"));
	EVENT(IN_CREATE, "sl");
	NOTHING();
	close(fd);
}

TEST(moves)
{
	watch_new();
	CHECK_OK(mkdir("a", 0755));
	CHECK_OK(mkdir("b", 0755));
	int wa = inotify_add_watch(fd, "a", IN_MOVE | IN_CREATE | IN_DELETE), wb = inotify_add_watch(fd, "b", IN_MOVE | IN_CREATE | IN_DELETE);
	put("a/x", "");
	EVENT(IN_CREATE, "x");
	CHECK_OK(rename("a/x", "b/y"));
	struct inotify_event *e = EVENT(IN_MOVED_FROM, "x");
	uint32_t cookie = e->cookie;
	CHECK(cookie != 0 && e->wd == wa);
	e = EVENT(IN_MOVED_TO, "y");
	CHECK(e->cookie == cookie && e->wd == wb);
	CHECK_OK(rename("b/y", "b/z"));
	e = EVENT(IN_MOVED_FROM, "y");
	CHECK(e->cookie != cookie);
	EVENT(IN_MOVED_TO, "z");
	CHECK_OK(rename("b/z", "out"));
	EVENT(IN_MOVED_FROM, "z");
	CHECK_OK(rename("out", "a/in"));
	EVENT(IN_MOVED_TO, "in");
	CHECK_OK(mkdir("a/dir", 0755));
	EVENT(IN_CREATE | IN_ISDIR, "dir");
	CHECK_OK(rename("a/dir", "b/dir"));
	EVENT(IN_MOVED_FROM | IN_ISDIR, "dir");
	EVENT(IN_MOVED_TO | IN_ISDIR, "dir");
	NOTHING();
	close(fd);
}

TEST(on_the_object)
{
	watch_new();
	put("obj", "x");
	int wd = inotify_add_watch(fd, "obj", IN_ATTRIB | IN_MOVE_SELF | IN_DELETE_SELF | IN_MODIFY);
	CHECK_OK(rename("obj", "obj2"));
	CHECK_EQ(EVENT(IN_MOVE_SELF, "")->wd, wd);
	CHECK_OK(unlink("obj2"));
	EVENT(IN_ATTRIB, ""); /* the link count */
	EVENT(IN_DELETE_SELF, "");
	EVENT(IN_IGNORED, "");
	NOTHING();
	CHECK_ERRNO(inotify_rm_watch(fd, wd), EINVAL);
	CHECK_OK(mkdir("od", 0755));
	wd = inotify_add_watch(fd, "od", IN_DELETE_SELF);
	CHECK_OK(rmdir("od"));
	EVENT(IN_DELETE_SELF | 0, "");
	EVENT(IN_IGNORED, "");
	close(fd);
}

TEST(watches)
{
	watch_new();
	CHECK_OK(mkdir("w", 0755));
	put("wf", "");
	int wd = inotify_add_watch(fd, "w", IN_CREATE);
	CHECK_EQ(inotify_add_watch(fd, "w", IN_DELETE), wd); /* replaces the mask */
	put("w/1", "");
	NOTHING();
	CHECK_EQ(inotify_add_watch(fd, "./w", IN_CREATE | IN_MASK_ADD), wd);
	put("w/2", "");
	EVENT(IN_CREATE, "2");
	CHECK_OK(unlink("w/1"));
	EVENT(IN_DELETE, "1");
	CHECK_ERRNO(inotify_add_watch(fd, "w", IN_CREATE | IN_MASK_CREATE), EEXIST);
	CHECK_OK(inotify_rm_watch(fd, wd));
	CHECK_EQ(EVENT(IN_IGNORED, "")->wd, wd);
	int again = inotify_add_watch(fd, "w", IN_CREATE | IN_ONESHOT);
	CHECK(again > wd); /* numbers are not used again */
	put("w/3", "");
	put("w/4", "");
	EVENT(IN_CREATE, "3");
	EVENT(IN_IGNORED, "");
	NOTHING();
	CHECK_ERRNO(inotify_add_watch(fd, "wf", IN_ONLYDIR | IN_CREATE), ENOTDIR);
	CHECK_ERRNO(inotify_add_watch(fd, "none", IN_CREATE), ENOENT);
	CHECK_ERRNO(inotify_add_watch(fd, "w", 0), EINVAL);
	CHECK_ERRNO(inotify_add_watch(0, "w", IN_CREATE), EINVAL);
	CHECK_ERRNO(inotify_add_watch(-1, "w", IN_CREATE), EBADF);
	CHECK_ERRNO(inotify_rm_watch(fd, 12345), EINVAL);
	CHECK_ERRNO(inotify_init1(0x4), EINVAL);
	CHECK_OK(symlink("wf", "wl"));
	CHECK_OK(inotify_add_watch(fd, "wl", IN_DONT_FOLLOW | IN_DELETE_SELF));
	close(fd);
}

TEST(reading)
{
	int n;
	watch_new();
	CHECK_OK(mkdir("r", 0755));
	CHECK_OK(inotify_add_watch(fd, "r", IN_CREATE));
	struct pollfd p = {fd, POLLIN, 0};
	CHECK_EQ(poll(&p, 1, 0), 0);
	CHECK_ERRNO(read(fd, buf, sizeof buf), EAGAIN);
	put("r/abc", "");
	CHECK_EQ(poll(&p, 1, 0), 1);
	CHECK_ERRNO(read(fd, buf, 16), EINVAL); /* no room for the event */
	CHECK_OK(ioctl(fd, FIONREAD, &n));
	CHECK_EQ(n, 32); /* the name is padded */
	CHECK_EQ(read(fd, buf, 32), 32);
	/* The same event twice in a row is one. */
	CHECK_OK(inotify_add_watch(fd, "r", IN_MODIFY));
	int f = open("r/abc", O_RDWR);
	CHECK_EQ(write(f, "x", 1), 1);
	CHECK_EQ(write(f, "y", 1), 1);
	EVENT(IN_MODIFY, "abc");
	NOTHING();
	close(f);
	CHECK_OK(fcntl(fd, F_SETFL, 0));
	pid_t pid = FORK(settle(); put("r/abc", "z"));
	CHECK(read(fd, buf, sizeof buf) >= 16); /* blocks */
	JOIN(pid);
	close(fd);
}

TEST(overflow)
{
	int max = atoi(get("/proc/sys/fs/inotify/max_queued_events"));
	CHECK(max > 0);
	if (max > 40000)
		return;
	watch_new();
	put("of", "");
	CHECK_OK(inotify_add_watch(fd, "of", IN_OPEN | IN_CLOSE));
	for (int i = 0; i < max / 2 + 10; i++)
		close(open("of", O_RDONLY));
	int n = 0;
	struct inotify_event *e;
	bool over = false;
	while ((e = next())) {
		n++;
		if (e->mask & IN_Q_OVERFLOW) {
			over = true;
			CHECK_EQ(e->wd, -1);
		}
	}
	CHECK(over);
	CHECK_EQ(n, max + 1);
	close(fd);
}

TEST(between_processes)
{
	watch_new();
	CHECK_OK(mkdir("bp", 0755));
	CHECK_OK(inotify_add_watch(fd, "bp", IN_CREATE | IN_CLOSE_WRITE | IN_MOVED_TO));
	CHECK_EQ(system("echo hi > bp/tmp && mv bp/tmp bp/final"), 0);
	EVENT(IN_CREATE, "tmp");
	EVENT(IN_CLOSE_WRITE, "tmp");
	EVENT(IN_MOVED_TO, "final");
	NOTHING();
	close(fd);
}
