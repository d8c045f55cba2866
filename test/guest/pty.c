/* build: -lutil */
/* Pseudo terminals: line editing, signals, window size, sessions, hang-up. */
#include "check.h"
#include <pty.h>
#include <termios.h>

static int master, slave;
static void open_pair(void)
{
	char *name;
	master = posix_openpt(O_RDWR | O_NOCTTY);
	CHECK(master >= 0);
	CHECK_OK(grantpt(master));
	CHECK_OK(unlockpt(master));
	CHECK(name = ptsname(master));
	CHECK(!strncmp(name, "/dev/pts/", 9));
	slave = open(name, O_RDWR | O_NOCTTY);
	CHECK(slave >= 0);
}
static void close_pair(void) { close(master), close(slave); }
/* got reads what is there within a moment, without blocking for ever. */
static char *got(int fd)
{
	static char b[8192];
	size_t n = 0;
	struct pollfd p = {fd, POLLIN, 0};
	while (n < sizeof b - 1 && poll(&p, 1, n ? 20 : 1000) == 1) {
		ssize_t r = read(fd, b + n, sizeof b - 1 - n);
		if (r <= 0)
			break;
		n += r;
	}
	b[n] = 0;
	return b;
}
static void type(const char *s) { CHECK_EQ(write(master, s, strlen(s)), (ssize_t)strlen(s)); }
static struct termios flags(tcflag_t lclear, tcflag_t lset)
{
	struct termios t;
	CHECK_OK(tcgetattr(slave, &t));
	t.c_lflag = (t.c_lflag & ~lclear) | lset;
	CHECK_OK(tcsetattr(slave, TCSANOW, &t));
	return t;
}

TEST(defaults)
{
	struct termios t;
	struct stat st;
	struct winsize w;
	int n;
	open_pair();
	CHECK(isatty(slave) && isatty(master));
	CHECK_OK(tcgetattr(slave, &t));
	CHECK_EQ(t.c_lflag & (ICANON | ECHO | ISIG | IEXTEN), ICANON | ECHO | ISIG | IEXTEN);
	CHECK(t.c_iflag & ICRNL && t.c_oflag & OPOST && t.c_oflag & ONLCR);
	CHECK(t.c_cc[VINTR] == 3 && t.c_cc[VEOF] == 4 && t.c_cc[VERASE] == 127 && t.c_cc[VMIN] == 1);
	CHECK_EQ(cfgetospeed(&t), B38400);
	CHECK_OK(fstat(slave, &st));
	CHECK(S_ISCHR(st.st_mode));
	CHECK_EQ(st.st_rdev >> 8, 136);
	CHECK_OK(ioctl(master, TIOCGPTN, &n));
	CHECK_EQ((int)(st.st_rdev & 255), n);
	CHECK_OK(ioctl(slave, TIOCGWINSZ, &w));
	CHECK(w.ws_row == 0 && w.ws_col == 0);
	CHECK_STR(ttyname(slave), ptsname(master));
	CHECK_ERRNO(tcgetattr(-1, &t), EBADF);
	CHECK_ERRNO(lseek(slave, 0, SEEK_SET), ESPIPE);
	close_pair();
}

TEST(locked)
{
	int m = posix_openpt(O_RDWR | O_NOCTTY), n, one = 1;
	char b[32];
	CHECK_OK(ioctl(m, TIOCSPTLCK, &one));
	CHECK_OK(ioctl(m, TIOCGPTN, &n));
	snprintf(b, sizeof b, "/dev/pts/%d", n);
	CHECK_ERRNO(open(b, O_RDWR | O_NOCTTY), EIO);
	CHECK_OK(unlockpt(m));
	int s = open(b, O_RDWR | O_NOCTTY);
	CHECK(s >= 0);
	close(s), close(m);
	CHECK_ERRNO(open(b, O_RDWR | O_NOCTTY), ENOENT);
}

TEST(canonical)
{
	char b[64];
	open_pair();
	type("hello");
	struct pollfd p = {slave, POLLIN, 0};
	settle();
	CHECK_EQ(poll(&p, 1, 0), 0); /* no line yet */
	CHECK_STR(got(master), "hello"); /* the echo */
	type("\r");
	CHECK_STR(got(master), "\r\n");
	CHECK_EQ(read(slave, b, 3), 3); /* a line in pieces */
	CHECK_EQ(read(slave, b + 3, 60), 3);
	CHECK(!memcmp(b, "hello\n", 6));
	type("one\ntwo\n");
	settle();
	CHECK_EQ(read(slave, b, 64), 4); /* a line at a time */
	CHECK_EQ(read(slave, b, 64), 4);
	got(master);
	type("abX\177c\n"); /* erase */
	CHECK_EQ(read(slave, b, 64), 4);
	CHECK(!memcmp(b, "abc\n", 4));
	CHECK_STR(got(master), "abX\b \bc\r\n");
	type("all gone\025new\n"); /* kill the line */
	CHECK_EQ(read(slave, b, 64), 4);
	CHECK(!memcmp(b, "new\n", 4));
	type("two words\027x\n"); /* erase a word */
	CHECK_EQ(read(slave, b, 64), 6);
	CHECK(!memcmp(b, "two x\n", 6));
	type("lit\026\177\n"); /* literal next */
	CHECK_EQ(read(slave, b, 64), 5);
	CHECK(!memcmp(b, "lit\177\n", 5));
	type("part\004"); /* end of file after text delivers the text */
	CHECK_EQ(read(slave, b, 64), 4);
	type("\004");
	CHECK_EQ(read(slave, b, 64), 0);
	got(master);
	int n;
	type("xyz\n");
	settle();
	CHECK_OK(ioctl(slave, FIONREAD, &n));
	CHECK_EQ(n, 4);
	CHECK_OK(tcflush(slave, TCIFLUSH));
	CHECK_EQ(poll(&p, 1, 0), 0);
	close_pair();
}

TEST(output)
{
	open_pair();
	CHECK_EQ(write(slave, "a\nb\n", 4), 4);
	CHECK_STR(got(master), "a\r\nb\r\n");
	struct termios t;
	CHECK_OK(tcgetattr(slave, &t));
	t.c_oflag &= ~OPOST;
	CHECK_OK(tcsetattr(slave, TCSADRAIN, &t));
	CHECK_EQ(write(slave, "a\nb\n", 4), 4);
	CHECK_STR(got(master), "a\nb\n");
	t.c_oflag |= OPOST | OLCUC;
	CHECK_OK(tcsetattr(slave, TCSANOW, &t));
	CHECK_EQ(write(slave, "up", 2), 2);
	CHECK_STR(got(master), "UP");
	/* Output stops at ^S and goes on at ^Q. */
	t.c_oflag &= ~OLCUC;
	CHECK_OK(tcsetattr(slave, TCSANOW, &t));
	CHECK_OK(tcflow(slave, TCOOFF));
	pid_t pid = FORK(CHECK_EQ(write(slave, "held", 4), 4));
	struct pollfd p = {master, POLLIN, 0};
	CHECK_EQ(poll(&p, 1, 50), 0);
	CHECK_OK(tcflow(slave, TCOON));
	CHECK_STR(got(master), "held");
	JOIN(pid);
	close_pair();
}

TEST(echo)
{
	char b[16];
	open_pair();
	flags(ECHO, 0);
	type("secret\n");
	CHECK_EQ(read(slave, b, 16), 7);
	struct pollfd p = {master, POLLIN, 0};
	CHECK_EQ(poll(&p, 1, 50), 0);
	flags(0, ECHONL);
	type("x\n");
	CHECK_EQ(read(slave, b, 16), 2);
	CHECK_STR(got(master), "\r\n");
	flags(ECHONL, ECHO | ECHOCTL);
	type("\001\n");
	CHECK_EQ(read(slave, b, 16), 2);
	CHECK_STR(got(master), "^A\r\n");
	close_pair();
}

TEST(raw)
{
	char b[64];
	struct termios t;
	open_pair();
	CHECK_OK(tcgetattr(slave, &t));
	cfmakeraw(&t);
	CHECK_OK(tcsetattr(slave, TCSAFLUSH, &t));
	type("a\r\003\004\177");
	settle();
	CHECK_EQ(read(slave, b, 64), 5);
	CHECK(!memcmp(b, "a\r\003\004\177", 5));
	/* MIN and TIME. */
	t.c_cc[VMIN] = 0, t.c_cc[VTIME] = 0;
	CHECK_OK(tcsetattr(slave, TCSANOW, &t));
	CHECK_EQ(read(slave, b, 64), 0);
	t.c_cc[VTIME] = 1;
	CHECK_OK(tcsetattr(slave, TCSANOW, &t));
	long long t0 = now_ms();
	CHECK_EQ(read(slave, b, 64), 0);
	CHECK(now_ms() - t0 >= 90);
	t.c_cc[VMIN] = 3, t.c_cc[VTIME] = 0;
	CHECK_OK(tcsetattr(slave, TCSANOW, &t));
	pid_t pid = FORK(type("1"); msleep(10); type("2"); msleep(10); type("3"));
	CHECK_EQ(read(slave, b, 64), 3);
	JOIN(pid);
	CHECK_OK(fcntl(slave, F_SETFL, O_NONBLOCK));
	CHECK_ERRNO(read(slave, b, 64), EAGAIN);
	close_pair();
}

static volatile int winch;
static void on_winch(int s) { (void)s, winch++; }

/* IN_SESSION runs in a child that leads a session with the slave as its terminal. */
#define IN_SESSION(...) FORK(setsid(); CHECK_OK(ioctl(slave, TIOCSCTTY, 0)); close(master); __VA_ARGS__)

TEST(window_size)
{
	struct winsize w = {24, 80, 640, 480}, r;
	char b[4];
	open_pair();
	CHECK_OK(ioctl(master, TIOCSWINSZ, &w));
	CHECK_OK(ioctl(slave, TIOCGWINSZ, &r));
	CHECK(!memcmp(&w, &r, sizeof w));
	int p[2];
	CHECK_OK(pipe(p));
	pid_t pid = IN_SESSION({
		signal(SIGWINCH, on_winch);
		write(p[1], "r", 1);
		while (!winch)
			usleep(1000);
		CHECK_OK(ioctl(0 + slave, TIOCGWINSZ, &r));
		CHECK_EQ(r.ws_col, 132);
	});
	CHECK_EQ(read(p[0], b, 1), 1);
	w.ws_col = 132;
	CHECK_OK(ioctl(master, TIOCSWINSZ, &w));
	JOIN(pid);
	close(p[0]), close(p[1]);
	close_pair();
}

TEST(keyboard_signals)
{
	static const struct {
		const char *key;
		int sig;
	} keys[] = {{"\003", SIGINT}, {"\034", SIGQUIT}};
	char b[4];
	for (size_t i = 0; i < LEN(keys); i++) {
		int p[2];
		open_pair();
		CHECK_OK(pipe(p));
		pid_t pid = IN_SESSION({
			struct rlimit none = {0, 0};
			setrlimit(RLIMIT_CORE, &none);
			pid_t kid = FORK(pause()); /* the whole foreground group gets it */
			write(p[1], "r", 1);
			signal(keys[i].sig, SIG_IGN);
			CHECK_KILLED(kid, keys[i].sig);
			signal(keys[i].sig, SIG_DFL);
			raise(keys[i].sig);
		});
		CHECK_EQ(read(p[0], b, 1), 1);
		settle();
		type(keys[i].key);
		CHECK_KILLED(pid, keys[i].sig);
		CHECK_STR(got(master), i ? "^\\" : "^C");
		close(p[0]), close(p[1]);
		close_pair();
	}
	/* Without ISIG they are characters. */
	open_pair();
	flags(ISIG | ICANON, 0);
	type("\003");
	CHECK_EQ(read(slave, b, 4), 1);
	CHECK_EQ(b[0], 3);
	close_pair();
}

TEST(sessions)
{
	open_pair();
	JOIN(IN_SESSION({
		CHECK_EQ(tcgetsid(slave), getpid());
		CHECK_EQ(tcgetpgrp(slave), getpid());
		int t = open("/dev/tty", O_RDWR);
		CHECK(t >= 0);
		CHECK_EQ(tcgetpgrp(t), getpid());
		/* A background group is stopped when it reads. */
		int s;
		pid_t kid = FORK(setpgid(0, 0); char c; read(slave, &c, 1); _exit(9));
		setpgid(kid, kid);
		CHECK_EQ(waitpid(kid, &s, WUNTRACED), kid);
		CHECK(WIFSTOPPED(s) && WSTOPSIG(s) == SIGTTIN);
		/* Made the foreground it gets the line. */
		CHECK_OK(tcsetpgrp(slave, kid));
		CHECK_EQ(tcgetpgrp(slave), kid);
		kill(kid, SIGKILL);
		CHECK_EQ(waitpid(kid, &s, 0), kid);
		/* tcsetpgrp from the background stops, unless SIGTTOU is ignored. */
		signal(SIGTTOU, SIG_IGN);
		CHECK_OK(tcsetpgrp(slave, getpid()));
		CHECK_ERRNO(tcsetpgrp(slave, 1 << 29), ESRCH);
		kid = FORK(setpgid(0, 0); signal(SIGTTIN, SIG_IGN); char c; CHECK_ERRNO(read(slave, &c, 1), EIO));
		JOIN(kid);
		signal(SIGHUP, SIG_IGN); /* giving it up hangs up the foreground group */
		CHECK_OK(ioctl(t, TIOCNOTTY));
		CHECK_ERRNO(open("/dev/tty", O_RDWR), ENXIO);
	}));
	close_pair();
	/* Opening without O_NOCTTY takes the terminal. */
	open_pair();
	JOIN(FORK({
		setsid();
		int s = open(ptsname(master), O_RDWR);
		CHECK_EQ(tcgetsid(s), getpid());
	}));
	close_pair();
}

TEST(tostop)
{
	open_pair();
	flags(0, TOSTOP);
	JOIN(IN_SESSION({
		int s;
		pid_t kid = FORK(setpgid(0, 0); write(slave, "x", 1); _exit(9));
		setpgid(kid, kid);
		CHECK_EQ(waitpid(kid, &s, WUNTRACED), kid);
		CHECK(WIFSTOPPED(s) && WSTOPSIG(s) == SIGTTOU);
		kill(kid, SIGKILL);
		CHECK_EQ(waitpid(kid, &s, 0), kid);
	}));
	close_pair();
}

TEST(hang_up)
{
	char b[8];
	int p[2];
	open_pair();
	CHECK_OK(pipe(p));
	pid_t pid = IN_SESSION(write(p[1], "r", 1); pause());
	CHECK_EQ(read(p[0], b, 1), 1);
	close(master);
	CHECK_KILLED(pid, SIGHUP);
	CHECK_EQ(read(slave, b, 8), 0);
	CHECK_ERRNO(write(slave, "x", 1), EIO);
	struct pollfd pf = {slave, POLLIN, 0};
	CHECK_EQ(poll(&pf, 1, 0), 1);
	CHECK(pf.revents & POLLHUP);
	close(slave), close(p[0]), close(p[1]);
	/* The last close of the slave is an error for the master. */
	open_pair();
	CHECK_EQ(write(slave, "bye", 3), 3);
	close(slave);
	CHECK_EQ(read(master, b, 8), 3);
	CHECK_ERRNO(read(master, b, 8), EIO);
	pf = (struct pollfd){master, POLLIN, 0};
	CHECK_EQ(poll(&pf, 1, 0), 1);
	CHECK(pf.revents & POLLHUP);
	close(master);
	/* The leader's end hangs up its foreground group. */
	open_pair();
	CHECK_OK(pipe(p));
	pid = IN_SESSION({
		pid_t kid = fork();
		if (kid == 0) {
			close(p[0]);
			pause(); /* SIGHUP ends it, and so the pipe */
		}
	});
	close(p[1]);
	JOIN(pid);
	CHECK_EQ(read(p[0], b, 1), 0);
	close(p[0]);
	close_pair();
}

TEST(shell)
{
	/* A shell on a terminal, as forkpty gives it. */
	struct winsize w = {30, 100, 0, 0};
	pid_t pid = forkpty(&master, NULL, NULL, &w);
	CHECK(pid >= 0);
	if (pid == 0) {
		execlp("sh", "sh", "-c", "stty size; read x; echo got $x; tty >/dev/null && echo yes", NULL);
		_exit(127);
	}
	CHECK_STR(got(master), "30 100\r\n");
	type("word\n");
	char b[256] = "";
	ssize_t r;
	for (size_t n = 0; n < sizeof b - 1 && (r = read(master, b + n, sizeof b - 1 - n)) > 0; n += r)
		;
	CHECK_STR(b, "word\r\ngot word\r\nyes\r\n");
	JOIN(pid);
	close(master);
}
