/* build: -lutil */
/* Terminals: packet mode, bulk data, flow, non-blocking, controls. */
#include "check.h"
#include <pty.h>
#include <termios.h>

static int m, s;
static void raw_pair(void)
{
	struct termios t;
	CHECK_OK(openpty(&m, &s, NULL, NULL, NULL));
	CHECK_OK(tcgetattr(s, &t));
	cfmakeraw(&t);
	CHECK_OK(tcsetattr(s, TCSANOW, &t));
}
static void done(void) { close(m), close(s); }

TEST(bulk)
{
	enum { N = 300000 };
	static char b[N];
	raw_pair();
	pid_t pid = FORK({
		close(m);
		for (int i = 0; i < N; i++)
			b[i] = i * 7 + (i >> 8);
		for (size_t o = 0; o < N;) {
			ssize_t r = write(s, b + o, N - o);
			CHECK(r > 0);
			o += r;
		}
		tcdrain(s);
	});
	size_t n = 0;
	while (n < N) {
		ssize_t r = read(m, b + n, N - n);
		CHECK(r > 0);
		n += r;
	}
	for (int i = 0; i < N; i++)
		CHECK_EQ(b[i], (char)(i * 7 + (i >> 8)));
	JOIN(pid);
	/* The other way. */
	pid = FORK({
		size_t got = 0;
		while (got < N) {
			ssize_t r = read(s, b, sizeof b);
			CHECK(r > 0);
			got += r;
		}
	});
	for (size_t o = 0; o < N;) {
		ssize_t r = write(m, b + o, N - o > 4000 ? 4000 : N - o);
		CHECK(r > 0);
		o += r;
	}
	JOIN(pid);
	done();
}

TEST(non_blocking)
{
	char b[8192];
	raw_pair();
	CHECK_OK(fcntl(s, F_SETFL, O_NONBLOCK));
	memset(b, 'x', sizeof b);
	int total = 0;
	struct pollfd p = {s, POLLOUT, 0};
	do {	/* the line discipline may make room behind our back, but not without end */
		for (ssize_t r; (r = write(s, b, sizeof b)) > 0;)
			total += r;
		CHECK_EQ(errno, EAGAIN);
	} while (poll(&p, 1, 0) != 0);
	CHECK(total >= 4096);
	CHECK_OK(fcntl(m, F_SETFL, O_NONBLOCK));
	for (ssize_t r; (r = read(m, b, sizeof b)) > 0 || (r < 0 && total > 0 && (msleep(1), 1));)
		if (r > 0)
			total -= r;
	CHECK_EQ(total, 0);
	CHECK_EQ(poll(&p, 1, 5000), 1);
	CHECK_ERRNO(read(m, b, 1), EAGAIN);
	done();
}

TEST(packet_mode)
{
	int on = 1;
	char b[64];
	CHECK_OK(openpty(&m, &s, NULL, NULL, NULL));
	CHECK_OK(ioctl(m, TIOCPKT, &on));
	CHECK_EQ(write(s, "data", 4), 4);
	CHECK_EQ(read(m, b, 64), 5);
	CHECK(b[0] == TIOCPKT_DATA && !memcmp(b + 1, "data", 4));
	CHECK_OK(tcflush(s, TCIFLUSH));
	struct pollfd p = {m, POLLIN | POLLPRI, 0};
	CHECK_EQ(poll(&p, 1, 1000), 1);
	CHECK(p.revents & POLLPRI);
	CHECK_EQ(read(m, b, 64), 1);
	CHECK(b[0] & TIOCPKT_FLUSHREAD);
	done();
}

TEST(controls)
{
	int n = -1;
	pid_t pg;
	CHECK_OK(openpty(&m, &s, NULL, NULL, NULL));
	CHECK_OK(ioctl(s, TIOCOUTQ, &n));
	CHECK_EQ(n, 0);
	CHECK_OK(tcsendbreak(s, 0));
	CHECK_OK(tcdrain(s));
	CHECK_ERRNO(ioctl(s, TIOCGPGRP, &pg), ENOTTY); /* not our controlling terminal */
	CHECK_ERRNO(tcflush(s, 99), EINVAL);
	CHECK_OK(ioctl(s, TIOCEXCL));
	if (geteuid() != 0)
		CHECK_ERRNO(open(ttyname(s), O_RDWR | O_NOCTTY), EBUSY);
	CHECK_OK(ioctl(s, TIOCNXCL));
	struct termios t, u;
	CHECK_OK(tcgetattr(m, &t)); /* the master has the slave's */
	t.c_cc[VINTR] = 'q';
	CHECK_OK(tcsetattr(m, TCSANOW, &t));
	CHECK_OK(tcgetattr(s, &u));
	CHECK_EQ(u.c_cc[VINTR], 'q');
	int peer = ioctl(m, TIOCGPTPEER, O_RDWR | O_NOCTTY);
	CHECK(peer >= 0);
	CHECK_STR(ttyname(peer), ttyname(s));
	close(peer);
	done();
}

TEST(many)
{
	int ms[20], ss[20];
	for (int i = 0; i < 20; i++)
		CHECK_OK(openpty(&ms[i], &ss[i], NULL, NULL, NULL));
	for (int i = 0; i < 20; i++) {
		char b[8];
		CHECK_EQ(write(ss[i], &"abcdefghijklmnopqrst"[i], 1), 1);
		CHECK_EQ(read(ms[i], b, 8), 1);
		CHECK_EQ(b[0], 'a' + i);
	}
	for (int i = 0; i < 20; i++)
		close(ms[i]), close(ss[i]);
}

TEST(long_lines)
{
	/* A canonical line holds 4095 bytes; the rest of a longer one is lost. */
	static char b[6000];
	struct termios t;
	CHECK_OK(openpty(&m, &s, NULL, NULL, NULL));
	CHECK_OK(tcgetattr(s, &t));
	t.c_lflag &= ~ECHO;
	CHECK_OK(tcsetattr(s, TCSANOW, &t));
	memset(b, 'L', 4000);
	b[4000] = '\n';
	CHECK_EQ(write(m, b, 4001), 4001);
	CHECK_EQ(read(s, b, sizeof b), 4001);
	done();
}
