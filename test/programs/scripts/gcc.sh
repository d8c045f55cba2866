# gcc compiles C, static and dynamic, and what it made runs.
# sentinel: as=root,nobody timeout=120s
cat >prog.c <<'EOF'
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static int counter, ready;
static __thread int mine;
static sigjmp_buf jump;
static void *fault_address;

static void *work(void *arg)
{
	for (int i = 0; i < 10000; i++) {
		pthread_mutex_lock(&lock);
		counter++;
		mine++;
		pthread_mutex_unlock(&lock);
	}
	pthread_mutex_lock(&lock);
	ready++;
	pthread_cond_signal(&cond);
	pthread_mutex_unlock(&lock);
	return (void *)(long)(mine + (long)arg);
}

static void on_fault(int sig, siginfo_t *info, void *context)
{
	(void)sig, (void)context;
	fault_address = info->si_addr;
	siglongjmp(jump, 1);
}

static void hook(void) { puts("at exit"); }

int main(int argc, char **argv)
{
	pthread_t threads[8];
	void *sum;
	long total = 0;
	printf("args %d %s\n", argc, argc > 1 ? argv[1] : "-");
	for (long i = 0; i < 8; i++)
		pthread_create(&threads[i], NULL, work, (void *)i);
	pthread_mutex_lock(&lock);
	while (ready < 8)
		pthread_cond_wait(&cond, &lock);
	pthread_mutex_unlock(&lock);
	for (int i = 0; i < 8; i++) {
		pthread_join(threads[i], &sum);
		total += (long)sum;
	}
	printf("counter %d total %ld\n", counter, total);
	struct sigaction sa = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO };
	sigaction(SIGSEGV, &sa, NULL);
	char *page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (sigsetjmp(jump, 1) == 0)
		page[123] = 1;
	printf("fault at page+%ld\n", (long)((char *)fault_address - page));
	int *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	fflush(stdout);
	pid_t pid = fork();
	if (pid == 0) {
		*shared = 42;
		_exit(9);
	}
	int status;
	waitpid(pid, &status, 0);
	printf("child %d shared %d\n", WEXITSTATUS(status), *shared);
	fflush(stdout);
	if ((pid = fork()) == 0)
		abort();
	waitpid(pid, &status, 0);
	printf("abort %d\n", WTERMSIG(status));
	FILE *p = popen("echo from popen", "r");
	char line[64];
	printf("%s", fgets(line, sizeof line, p));
	printf("pclose %d\n", pclose(p));
	char *big = malloc(200 << 20);
	big[100 << 20] = 1;
	free(big);
	errno = 0;
	printf("open %p %s\n", (void *)fopen("/no/such/file", "r"), strerror(errno));
	printf("system %d\n", WEXITSTATUS(system("exit 6")));
	atexit(hook);
	return 3;
}
EOF
gcc -O2 -Wall -o dynamic prog.c -pthread && ./dynamic a; echo "rc $?"
gcc -O2 -Wall -static -o static prog.c -pthread && ./static b; echo "rc $?"
gcc -O0 -g -no-pie -o nopie prog.c -pthread && ./nopie c; echo "rc $?"
echo 'int twice(int n) { return 2 * n; }' >lib.c
echo '#include <stdio.h>
#include <dlfcn.h>
int twice(int);
int main(void) { int (*f)(int) = (int (*)(int))dlsym(dlopen("./liblib.so", RTLD_NOW), "twice"); printf("%d %d\n", twice(4), f(5)); }' >use.c
gcc -shared -fPIC -o liblib.so lib.c && gcc -o use use.c -L. -llib -Wl,-rpath,. && ./use
gcc -c lib.c && ar rcs liblib.a lib.o && nm liblib.a | grep -c twice
echo 'int main(void) { return undefined; }' >bad.c; gcc bad.c 2>&1 | grep -c error; echo "${PIPESTATUS[0]}"
printf 'all: out\nout: lib.o use.c\n\tgcc -o out use.c lib.o\nlib.o: lib.c\n\tgcc -c lib.c\nclean:\n\trm -f out\n' >Makefile
make -j2 -s && ./out; make -s clean; ls out
gcc -E -dM - </dev/null | grep -c __x86_64__
exit 0
