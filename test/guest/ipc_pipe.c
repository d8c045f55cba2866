/* build: */
/* Pipes, FIFOs and eventfds. */
#include "check.h"
#include <sys/eventfd.h>

static int nb[2];
static void nonblocking(void) { CHECK_OK(pipe2(nb, O_NONBLOCK)); }
static void done(void) { close(nb[0]), close(nb[1]); }

TEST(capacity)
{
	char b[70000] = {0};
	int n;
	nonblocking();
	CHECK_EQ(fcntl(nb[0], F_GETPIPE_SZ), 65536);
	CHECK_EQ(write(nb[1], b, sizeof b), 65536);
	CHECK_ERRNO(write(nb[1], b, 1), EAGAIN);
	CHECK_OK(ioctl(nb[0], FIONREAD, &n));
	CHECK_EQ(n, 65536);
	struct pollfd p = {nb[1], POLLOUT, 0};
	CHECK_EQ(poll(&p, 1, 0), 0);
	CHECK_EQ(read(nb[0], b, 4096), 4096);
	CHECK_EQ(poll(&p, 1, 0), 1);
	CHECK_EQ(write(nb[1], b, 4096), 4096);
	/* A write of up to PIPE_BUF is whole or not at all. */
	CHECK_EQ(read(nb[0], b, 4096), 4096);
	CHECK_EQ(write(nb[1], b, 100), 100);
	CHECK_ERRNO(write(nb[1], b, 4096), EAGAIN);
	CHECK_ERRNO(fcntl(nb[0], F_SETPIPE_SZ, 4096), EBUSY);
	while (read(nb[0], b, sizeof b) > 0)
		;
	CHECK_EQ(fcntl(nb[0], F_SETPIPE_SZ, 5000), 8192);
	CHECK_EQ(fcntl(nb[1], F_GETPIPE_SZ), 8192);
	CHECK_EQ(write(nb[1], b, sizeof b), 8192);
	CHECK_EQ(read(nb[0], b, sizeof b), 8192);
	CHECK_EQ(fcntl(nb[0], F_SETPIPE_SZ, 1), 4096);
	CHECK_EQ(fcntl(nb[0], F_SETPIPE_SZ, 1 << 20), 1 << 20);
	done();
}

TEST(ends)
{
	char b[16];
	nonblocking();
	CHECK_ERRNO(read(nb[0], b, 1), EAGAIN);
	CHECK_ERRNO(read(nb[1], b, 1), EBADF);
	CHECK_ERRNO(write(nb[0], b, 1), EBADF);
	CHECK_EQ(read(nb[0], b, 0), 0);
	CHECK_EQ(write(nb[1], "abc", 3), 3);
	close(nb[1]);
	CHECK_EQ(read(nb[0], b, 2), 2);
	CHECK_EQ(read(nb[0], b, 16), 1);
	CHECK_EQ(read(nb[0], b, 16), 0);
	struct pollfd p = {nb[0], POLLIN, 0};
	CHECK_EQ(poll(&p, 1, 0), 1);
	CHECK_EQ(p.revents, POLLHUP);
	close(nb[0]);
	nonblocking();
	close(nb[0]);
	signal(SIGPIPE, SIG_IGN);
	CHECK_ERRNO(write(nb[1], b, 1), EPIPE);
	signal(SIGPIPE, SIG_DFL);
	p = (struct pollfd){nb[1], POLLOUT, 0};
	CHECK_EQ(poll(&p, 1, 0), 1);
	CHECK_EQ(p.revents, POLLOUT | POLLERR);
	close(nb[1]);
	CHECK_ERRNO(pipe((int *)8), EFAULT);
}

TEST(blocking)
{
	int p[2];
	CHECK_OK(pipe(p));
	pid_t pid = FORK({ /* a slow reader of more than the pipe holds */
		char b[5000];
		unsigned sum = 0, n = 0;
		ssize_t r;
		close(p[1]);
		while ((r = read(p[0], b, sizeof b)) > 0)
			for (ssize_t i = 0; i < r; i++)
				sum = sum * 31 + (unsigned char)b[i], n++;
		CHECK_EQ(n, 1000000);
		_exit(sum & 127);
	});
	close(p[0]);
	static char b[1000000];
	unsigned sum = 0;
	for (int i = 0; i < 1000000; i++) {
		b[i] = i * 7 + (i >> 8);
		sum = sum * 31 + (unsigned char)b[i];
	}
	CHECK_EQ(write(p[1], b, sizeof b), sizeof b);
	close(p[1]);
	CHECK_EXIT(pid, sum & 127);
	/* Atomic writes of several writers do not mix. */
	CHECK_OK(pipe(p));
	pid_t kids[4];
	for (int k = 0; k < 4; k++)
		kids[k] = FORK({
			char m[512];
			memset(m, 'a' + k, sizeof m);
			for (int i = 0; i < 100; i++)
				CHECK_EQ(write(p[1], m, sizeof m), sizeof m);
		});
	close(p[1]);
	for (int i = 0; i < 400; i++) {
		char m[512];
		for (size_t got = 0; got < sizeof m;) {
			ssize_t r = read(p[0], m + got, sizeof m - got);
			CHECK(r > 0);
			got += r;
		}
		for (size_t j = 1; j < sizeof m; j++)
			CHECK_EQ(m[j], m[0]);
	}
	for (int k = 0; k < 4; k++)
		JOIN(kids[k]);
	close(p[0]);
}

TEST(packets)
{
	int p[2];
	char b[64];
	CHECK_OK(pipe2(p, O_DIRECT | O_NONBLOCK));
	CHECK_EQ(write(p[1], "first", 5), 5);
	CHECK_EQ(write(p[1], "second", 6), 6);
	CHECK_EQ(read(p[0], b, sizeof b), 5);
	CHECK_EQ(read(p[0], b, 3), 3); /* the rest of a packet is lost */
	CHECK_ERRNO(read(p[0], b, sizeof b), EAGAIN);
	close(p[0]), close(p[1]);
}

TEST(fifos)
{
	char b[16];
	CHECK_OK(mkfifo("f", 0600));
	CHECK_ERRNO(open("f", O_WRONLY | O_NONBLOCK), ENXIO);
	int r = open("f", O_RDONLY | O_NONBLOCK);
	CHECK(r >= 0);
	CHECK_EQ(read(r, b, 1), 0); /* no writer: end of file */
	struct pollfd p = {r, POLLIN, 0};
	CHECK_EQ(poll(&p, 1, 0), 0); /* but no hang-up before the first writer */
	int w = open("f", O_WRONLY | O_NONBLOCK);
	CHECK(w >= 0);
	CHECK_ERRNO(read(r, b, 1), EAGAIN);
	CHECK_EQ(write(w, "x", 1), 1);
	CHECK_EQ(read(r, b, 16), 1);
	close(w);
	CHECK_EQ(read(r, b, 1), 0);
	CHECK_EQ(poll(&p, 1, 0), 1);
	CHECK_EQ(p.revents, POLLHUP);
	close(r);
	int rw = open("f", O_RDWR); /* never blocks */
	CHECK(rw >= 0);
	CHECK_EQ(write(rw, "self", 4), 4);
	CHECK_EQ(read(rw, b, 16), 4);
	close(rw);
	/* Opening waits for the other side. */
	pid_t pid = FORK(int fd = open("f", O_RDONLY); CHECK_EQ(read(fd, b, 16), 2));
	settle();
	w = open("f", O_WRONLY);
	CHECK_EQ(write(w, "ok", 2), 2);
	close(w);
	JOIN(pid);
	pid = FORK(int fd = open("f", O_WRONLY); CHECK_EQ(write(fd, "to", 2), 2));
	settle();
	r = open("f", O_RDONLY);
	CHECK_EQ(read(r, b, 16), 2);
	JOIN(pid);
	close(r);
	CHECK_ERRNO(lseek(r = open("f", O_RDWR), 0, SEEK_SET), ESPIPE);
	close(r);
}

TEST(event_counter)
{
	uint64_t v = 3;
	int fd = eventfd(5, EFD_NONBLOCK | EFD_CLOEXEC);
	CHECK(fd >= 0);
	CHECK_EQ(write(fd, &v, 8), 8);
	CHECK_EQ(read(fd, &v, 8), 8);
	CHECK_EQ(v, 8);
	CHECK_ERRNO(read(fd, &v, 8), EAGAIN);
	CHECK_ERRNO(read(fd, &v, 7), EINVAL);
	CHECK_ERRNO(write(fd, &v, 4), EINVAL);
	v = ~0ULL;
	CHECK_ERRNO(write(fd, &v, 8), EINVAL);
	v = ~0ULL - 1;
	CHECK_EQ(write(fd, &v, 8), 8);
	v = 1;
	CHECK_ERRNO(write(fd, &v, 8), EAGAIN);
	struct pollfd p = {fd, POLLIN | POLLOUT, 0};
	CHECK_EQ(poll(&p, 1, 0), 1);
	CHECK_EQ(p.revents, POLLIN);
	CHECK_EQ(read(fd, &v, 8), 8);
	CHECK_EQ(poll(&p, 1, 0), 1);
	CHECK_EQ(p.revents, POLLOUT);
	close(fd);
	fd = eventfd(2, EFD_SEMAPHORE | EFD_NONBLOCK);
	for (int i = 0; i < 2; i++) {
		CHECK_EQ(read(fd, &v, 8), 8);
		CHECK_EQ(v, 1);
	}
	CHECK_ERRNO(read(fd, &v, 8), EAGAIN);
	close(fd);
	CHECK_ERRNO(eventfd(0, 0x40), EINVAL);
	/* Between processes, blocking. */
	fd = eventfd(0, 0);
	pid_t pid = FORK(CHECK_EQ(read(fd, &v, 8), 8); CHECK_EQ(v, 42));
	settle();
	v = 42;
	CHECK_EQ(write(fd, &v, 8), 8);
	JOIN(pid);
	close(fd);
}

TEST(shell_pipelines)
{
	/* yes is killed by SIGPIPE when head has enough. */
	CHECK_EQ(system("[ \"$(yes | head -n 3 | tr -d '\\n')\" = yyy ]"), 0);
	CHECK_EQ(system("[ \"$(seq 1 20000 | sort -rn | tail -n 1)\" = 1 ]"), 0);
	CHECK_EQ(system("cat <<E | grep -q two\none\ntwo\nE"), 0);
	CHECK_EQ(system("bash -c '[ \"$(cat <(echo a) <(echo b) | wc -l)\" = 2 ]'"), 0);
	CHECK_EQ(system("bash -c 'echo x > >(cat > out); wait $!; sleep 0.1; [ \"$(cat out)\" = x ]'"), 0);
}
