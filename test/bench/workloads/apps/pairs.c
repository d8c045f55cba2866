/* Pairs of processes pass a byte over a socketpair, each as fast as it can.
 * usage: pairs PAIRS MILLISECONDS; prints the round trips a second of all. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

/* One side answers until the other has gone. */
static void answer(int s)
{
	char byte;
	while (read(s, &byte, 1) == 1)
		if (write(s, &byte, 1) != 1)
			break;
	_exit(0);
}

/* The other waits for the start, asks until the end, and notes how often. */
static void ask(int s, int ready, int go, double seconds, volatile long *count)
{
	char byte = 1;
	if (write(ready, &byte, 1) != 1 || read(go, &byte, 1) != 0)
		_exit(1);
	for (double end = now() + seconds; now() < end;)
		for (int i = 0; i < 20; i++, ++*count)
			if (write(s, &byte, 1) != 1 || read(s, &byte, 1) != 1)
				_exit(1);
	_exit(0);
}

int main(int argc, char **argv)
{
	int n = argc > 2 ? atoi(argv[1]) : 0, ready[2], go[2], status, failed = 0;
	double seconds = argc > 2 ? atoi(argv[2]) / 1e3 : 0, begin;
	long sum = 0;
	char byte;
	if (n <= 0 || n > 100 || seconds <= 0)
		return 2;
	/* A cache line each. */
	volatile long *counts = mmap(NULL, n * 64, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (counts == MAP_FAILED || pipe(ready) || pipe(go))
		return 1;
	for (int i = 0; i < n; i++) {
		int s[2];
		if (socketpair(AF_UNIX, SOCK_STREAM, 0, s))
			return 1;
		for (int side = 0; side < 2; side++) {
			pid_t pid = fork();
			if (pid < 0)
				return 1;
			if (pid == 0) {
				prctl(PR_SET_PDEATHSIG, SIGKILL);
				close(go[1]);
				close(s[!side]);
				if (side)
					answer(s[1]);
				ask(s[0], ready[1], go[0], seconds, &counts[i * 8]);
			}
		}
		close(s[0]);
		close(s[1]);
	}
	for (int i = 0; i < n; i++)
		if (read(ready[0], &byte, 1) != 1)
			return 1;
	begin = now();
	close(go[1]);
	while (wait(&status) > 0)
		failed |= status != 0;
	seconds = now() - begin;
	for (int i = 0; i < n; i++)
		sum += counts[i * 8];
	if (failed || sum == 0)
		return 1;
	printf("%.1f\n", sum / seconds);
	return 0;
}
