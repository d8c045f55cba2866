/* build: -pthread */
/* Several processes and threads on the same files at once. */
#include "check.h"
#include <dirent.h>
#include <pthread.h>
#include <sys/file.h>

enum { PROCS = 4 };

TEST(appends_do_not_mix)
{
	pid_t k[PROCS];
	for (int i = 0; i < PROCS; i++)
		k[i] = FORK({
			char line[64];
			int fd = open("log", O_WRONLY | O_CREAT | O_APPEND, 0644);
			memset(line, 'a' + i, sizeof line);
			line[63] = '\n';
			for (int n = 0; n < 200; n++)
				CHECK_EQ(write(fd, line, 64), 64);
		});
	for (int i = 0; i < PROCS; i++)
		JOIN(k[i]);
	char *t = get("log");
	CHECK_EQ(strlen(t), PROCS * 200 * 64);
	for (int l = 0; l < PROCS * 200; l++)
		for (int c = 1; c < 63; c++)
			CHECK_EQ(t[l * 64 + c], t[l * 64]);
}

TEST(exclusive_creation)
{
	/* O_EXCL gives each name to exactly one. */
	pid_t k[PROCS];
	int p[2], total = 0;
	CHECK_OK(pipe(p));
	for (int i = 0; i < PROCS; i++)
		k[i] = FORK({
			int mine = 0;
			char name[16];
			for (int n = 0; n < 150; n++) {
				snprintf(name, sizeof name, "x%d", n);
				int fd = open(name, O_WRONLY | O_CREAT | O_EXCL, 0600);
				if (fd >= 0)
					mine++, close(fd);
				else
					CHECK_EQ(errno, EEXIST);
			}
			CHECK_EQ(write(p[1], &mine, sizeof mine), sizeof mine);
		});
	for (int i = 0; i < PROCS; i++) {
		int mine;
		JOIN(k[i]);
		CHECK_EQ(read(p[0], &mine, sizeof mine), sizeof mine);
		total += mine;
	}
	CHECK_EQ(total, 150);
	close(p[0]), close(p[1]);
}

static void count_up(int how)
{
	pid_t k[PROCS];
	put("counter", "0");
	for (int i = 0; i < PROCS; i++)
		k[i] = FORK({
			int fd = open("counter", O_RDWR);
			for (int n = 0; n < 100; n++) {
				char b[16] = {0};
				struct flock l = {.l_type = F_WRLCK};
				if (how)
					CHECK_OK(fcntl(fd, how, &l));
				else
					CHECK_OK(flock(fd, LOCK_EX));
				CHECK(pread(fd, b, 15, 0) > 0);
				int len = snprintf(b, sizeof b, "%d", atoi(b) + 1);
				CHECK_EQ(pwrite(fd, b, len, 0), len);
				l.l_type = F_UNLCK;
				if (how)
					CHECK_OK(fcntl(fd, how, &l));
				else
					CHECK_OK(flock(fd, LOCK_UN));
			}
		});
	for (int i = 0; i < PROCS; i++)
		JOIN(k[i]);
	CHECK_STR(get("counter"), "400");
}
TEST(flock_excludes) { count_up(0); }
TEST(posix_lock_excludes) { count_up(F_SETLKW); }
TEST(description_lock_excludes) { count_up(F_OFD_SETLKW); }

TEST(rename_is_atomic)
{
	/* A reader finds the old or the new, never nothing. */
	put("target", "old or new");
	pid_t w = FORK({
		for (int n = 0; n < 300; n++) {
			put("tmp", "old or new");
			CHECK_OK(rename("tmp", "target"));
		}
	});
	int s;
	while (waitpid(w, &s, WNOHANG) == 0)
		CHECK_STR(get("target"), "old or new");
	CHECK_EQ(s, 0);
}

static void *churn(void *a)
{
	char x[32], y[32];
	for (int n = 0; n < 200; n++) {
		snprintf(x, sizeof x, "churn/%d-%d", (int)(intptr_t)a, n % 10);
		snprintf(y, sizeof y, "churn/%d-%d", (int)(intptr_t)(a + 1) % 4, n % 7);
		int fd = open(x, O_RDWR | O_CREAT, 0600);
		if (fd >= 0) {
			write(fd, x, 5);
			close(fd);
		}
		switch (n % 5) {
		case 0: rename(x, y); break;
		case 1: unlink(y); break;
		case 2: link(x, y); break;
		case 3: mkdir(y, 0700); break;
		case 4: rmdir(y); break;
		}
	}
	return NULL;
}

TEST(churn_in_one_directory)
{
	pthread_t t[4];
	CHECK_OK(mkdir("churn", 0755));
	for (intptr_t i = 0; i < 4; i++)
		CHECK_RET(pthread_create(&t[i], NULL, churn, (void *)i), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	/* What the directory lists is what can be reached, and it can be emptied. */
	DIR *d = opendir("churn");
	struct dirent *e;
	while ((e = readdir(d))) {
		struct stat st;
		if (e->d_name[0] == '.')
			continue;
		CHECK_OK(fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW));
		CHECK_EQ(st.st_ino, e->d_ino);
		CHECK_OK(unlinkat(dirfd(d), e->d_name, S_ISDIR(st.st_mode) ? AT_REMOVEDIR : 0));
	}
	closedir(d);
	CHECK_OK(rmdir("churn"));
}

static volatile int done;
static void *opener(void *a)
{
	while (!__atomic_load_n(&done, __ATOMIC_SEQ_CST)) {
		int fd = open("/dev/null", O_RDONLY | O_CLOEXEC), d = dup(fd);
		if (fd < 0 || d < 0 || close(fd) || close(d))
			return (void *)1;
	}
	return a;
}

TEST(descriptors_in_threads)
{
	pthread_t t[4];
	void *r;
	for (int i = 0; i < 4; i++)
		CHECK_RET(pthread_create(&t[i], NULL, opener, NULL), 0);
	for (int i = 0; i < 10; i++)
		JOIN(FORK(int fd = open("/dev/null", O_RDONLY); CHECK(fd >= 0)));
	__atomic_store_n(&done, 1, __ATOMIC_SEQ_CST);
	for (int i = 0; i < 4; i++) {
		pthread_join(t[i], &r);
		CHECK(r == NULL);
	}
}

static int closer_pipe[2];
static void *blocked_reader(void *a)
{
	char c;
	*(ssize_t *)a = read(closer_pipe[0], &c, 1);
	return NULL;
}

TEST(close_while_reading)
{
	/* The read in progress keeps the file; the number is free at once. */
	pthread_t t;
	ssize_t r = -2;
	CHECK_OK(pipe(closer_pipe));
	CHECK_RET(pthread_create(&t, NULL, blocked_reader, &r), 0);
	settle();
	int old = closer_pipe[0];
	CHECK_OK(close(old));
	int fd = open("/dev/null", O_RDONLY);
	CHECK_EQ(fd, old);
	CHECK_EQ(write(closer_pipe[1], "x", 1), 1);
	pthread_join(t, NULL);
	CHECK_EQ(r, 1);
	close(fd), close(closer_pipe[1]);
}
