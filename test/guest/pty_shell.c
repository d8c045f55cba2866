/* build: -lutil */
/* An interactive shell on a terminal: job control as a person uses it. */
#include "check.h"
#include <pty.h>
#include <termios.h>

static int master;
static pid_t shell;
static char seen[65536];
static size_t nseen;

/* expect reads until text has appeared in what came since the last expect. */
static void expect(const char *text)
{
	long long end = now_ms() + 20000;
	for (;;) {
		seen[nseen] = 0;
		char *p = strstr(seen, text);
		if (p) {
			p += strlen(text);
			nseen = strlen(p);
			memmove(seen, p, nseen + 1);
			return;
		}
		struct pollfd pf = {master, POLLIN, 0};
		ssize_t r = 0;
		if (now_ms() > end || nseen > sizeof seen - 5000 || poll(&pf, 1, 1000) < 0)
			break;
		if (pf.revents && (r = read(master, seen + nseen, 4096)) <= 0)
			break;
		nseen += r;
	}
	check_fail(__FILE__, __LINE__, "no \"%s\" in \"%s\"", text, seen);
}
static void type(const char *s) { CHECK_EQ(write(master, s, strlen(s)), (ssize_t)strlen(s)); }
static void start(void)
{
	struct winsize w = {24, 200, 0, 0};
	nseen = 0;
	shell = forkpty(&master, NULL, NULL, &w);
	CHECK(shell >= 0);
	if (shell == 0) {
		setenv("PS1", "READY> ", 1);
		setenv("HISTFILE", "", 1);
		setenv("INPUTRC", "/dev/null", 1);
		setenv("TERM", "dumb", 1);
		execlp("bash", "bash", "--norc", "--noprofile", "-i", NULL);
		_exit(127);
	}
	expect("READY> ");
}

TEST(jobs)
{
	start();
	type("sleep 100\n");
	settle();
	settle();
	settle();
	type("\032"); /* ^Z */
	expect("Stopped");
	expect("READY> ");
	type("jobs\n");
	expect("Stopped");
	expect("READY> ");
	type("bg\n");
	expect("&");
	expect("READY> ");
	type("kill %1; wait %1; echo code=$?\n");
	expect("code=143");
	type("sleep 100\n");
	settle();
	settle();
	settle();
	type("\003"); /* ^C ends the job, not the shell */
	expect("READY> ");
	type("echo after=$?\n");
	expect("after=130");
	type("cat | tr a-z A-Z\n");
	settle();
	type("hello\n");
	settle();
	type("\004");
	expect("HELLO");
	type("exit 7\n");
	CHECK_EXIT(shell, 7);
	close(master);
}

TEST(foreground_and_size)
{
	struct winsize w = {50, 90, 0, 0};
	start();
	type("stty size\n");
	expect("24 200");
	CHECK_OK(ioctl(master, TIOCSWINSZ, &w));
	type("stty size\n");
	expect("50 90");
	type("ps -o pgid= -p $$ >/dev/null; test -t 0 && echo tty=yes\n");
	expect("tty=yes");
	type("(sleep 0.1; echo from-fg)\n");
	expect("\nfrom-fg");
	type("sleep 0.3 & fg; echo fg=$?\n");
	expect("fg=0");
	type("trap 'echo bye-$((40+2))' HUP; echo set=$?\n");
	expect("set=0");
	close(master); /* the terminal goes away */
	int s = STATUS(shell);
	CHECK(WIFEXITED(s) || WIFSIGNALED(s));
}

TEST(end_of_file)
{
	start();
	type("\004");
	CHECK_EXIT(shell, 0);
	close(master);
}
