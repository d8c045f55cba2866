/* Times system calls. usage: loop KIND COUNT; prints nanoseconds a call. A
 * twentieth more comes first and does not count: it is about what goes on. */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char page[65536];

static void cached_file(void)
{
	struct stat st;
	int fd = open("/etc/passwd", O_RDONLY);
	fstat(fd, &st);
	if (read(fd, page, 4096) < 0)
		exit(1);
	close(fd);
}

static void spawn(void)
{
	int status;
	pid_t pid = fork();
	if (pid == 0) {
		execl("/bin/true", "true", (char *)NULL);
		_exit(127);
	}
	if (waitpid(pid, &status, 0) != pid || status != 0)
		exit(1);
}

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static long shared;

static void *contend(void *n)
{
	for (long i = 0; i < (long)n; i++) {
		pthread_mutex_lock(&mutex);
		for (int k = 0; k < 20; k++)
			*(volatile long *)&shared += 1;
		pthread_mutex_unlock(&mutex);
	}
	return NULL;
}

static void threads(long n)
{
	pthread_t t[8];
	for (int i = 0; i < 8; i++)
		if (pthread_create(&t[i], NULL, contend, (void *)(n / 8)))
			exit(1);
	for (int i = 0; i < 8; i++)
		pthread_join(t[i], NULL);
}

static const char *const kinds[] = { "getppid", "getuid", "open", "miss", "spawn", "pingpong", "write", "read", "mutex" };
enum { GETPPID, GETUID, OPEN, MISS, SPAWN, PINGPONG, WRITE, READ, MUTEX, KINDS };

int main(int argc, char **argv)
{
	struct timespec a, b;
	struct stat st;
	int up[2], down[2], kind = 0;
	char byte = 0;
	long n = argc > 2 ? atol(argv[2]) : 0;
	if (n <= 0)
		return 2;
	while (kind < KINDS && strcmp(argv[1], kinds[kind]))
		kind++;
	FILE *big = NULL;
	if (kind == PINGPONG) {
		if (pipe(up) || pipe(down))
			return 1;
		if (fork() == 0) {
			close(up[1]);
			close(down[0]);
			while (read(up[0], &byte, 1) == 1)
				if (write(down[1], &byte, 1) != 1)
					break;
			_exit(0);
		}
		close(up[0]);
		close(down[1]);
	} else if (kind == WRITE || kind == READ) {
		big = tmpfile();
		for (long i = 0; i < 1024 && kind == READ; i++)
			if (write(fileno(big), page, sizeof page) < 0)
				return 1;
	}
	if (kind == MUTEX) {
		clock_gettime(CLOCK_MONOTONIC, &a);
		threads(n);
	} else for (long i = -n / 20; i < n; i++) {
		off_t at = (i + n) % 1024 * sizeof page;
		if (i == 0)
			clock_gettime(CLOCK_MONOTONIC, &a);
		switch (kind) {
		case GETPPID:
			getppid();
			break;
		case GETUID:
			getuid();
			break;
		case OPEN:
			cached_file();
			break;
		case MISS:
			stat("/usr/lib/no-such-name", &st);
			break;
		case SPAWN:
			spawn();
			break;
		case PINGPONG:
			if (write(up[1], &byte, 1) != 1 || read(down[0], &byte, 1) != 1)
				return 1;
			break;
		case WRITE:
			if (pwrite(fileno(big), page, sizeof page, at) < 0)
				return 1;
			break;
		case READ:
			if (pread(fileno(big), page, sizeof page, at) < 0)
				return 1;
			break;
		default:
			return 2;
		}
	}
	clock_gettime(CLOCK_MONOTONIC, &b);
	printf("%.1f\n", ((b.tv_sec - a.tv_sec) * 1e9 + (b.tv_nsec - a.tv_nsec)) / n);
	return 0;
}
