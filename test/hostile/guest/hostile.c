/* Guests that attack the platform: hostile MODE SEED. Each may die; nothing else
 * may. "survived" is printed where the attack is on children only. */
#include "hostile.h"

static void *spin(void *p)
{
	for (;;)
		__asm__ volatile("pause");
	return p;
}

static void *spin_calls(void *p)
{
	for (;;)
		syscall(SYS_getppid);
	return p;
}

static void *fork_exit(void *p)
{
	for (;;) {
		pid_t c = fork();
		if (c == 0)
			_exit(0);
		waitpid(c, NULL, 0);
	}
	return p;
}

static void threads(int n, void *(*f)(void *))
{
	for (int i = 0; i < n; i++) {
		pthread_t t;
		pthread_create(&t, NULL, f, (void *)(long)i);
	}
}

/* The stub's memory. */

static void scramble(unsigned char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		p[i] = rnd();
}

/* hot makes a call site that is called often enough to be patched. */
static long hot(int n)
{
	long r = 0;
	while (n-- > 0)
		__asm__ volatile("mov $110, %%eax\n.globl hot_site\nhot_site:\n syscall" : "=a"(r) : : "rcx", "r11", "memory");
	return r;
}
extern unsigned char hot_site[];

static void one_map(int i)
{
	unsigned char *p = i & 1 ? STUB : (unsigned char *)REGION;
	size_t n = i & 1 ? 0x10000 : REGION_SIZE;
	if (i % 3 == 0) {	/* what the platform patched */
		hot(100);
		p = PATCHES;
		n = PATCHES_SIZE;
	}
	if (i & 2) {
		p += (rnd() % (n / 4096)) * 4096;
		n = 4096;
	}
	if (i & 4)
		threads(2, spin_calls);
	switch (i / 8 % 8) {
	case 0:
		raw(SYS_munmap, (long)p, n, 0, 0, 0, 0);
		break;
	case 1:
		raw(SYS_mprotect, (long)p, n, PROT_NONE, 0, 0, 0);
		break;
	case 2:
		raw(SYS_mprotect, (long)p, n, PROT_READ, 0, 0, 0);
		break;
	case 3:
		raw(SYS_mprotect, (long)p, n, PROT_READ | PROT_WRITE | PROT_EXEC, 0, 0, 0);
		scramble(p, n > 0x10000 ? 0x10000 : n);
		break;
	case 4:
		raw(SYS_mmap, (long)p, n, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
		break;
	case 5:
		raw(SYS_mremap, (long)p, n, n, MREMAP_MAYMOVE | MREMAP_FIXED, 0x500000000000, 0);
		break;
	case 6:
		raw(SYS_madvise, (long)p, n, i & 16 ? MADV_REMOVE : MADV_DONTNEED, 0, 0, 0);
		break;
	case 7:
		raw(SYS_mmap, (long)p, n, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	}
	for (int k = 0; k < 20; k++) {
		syscall(SYS_getppid);
		hot(2);
		syscall(SYS_openat, AT_FDCWD, "/etc/passwd", O_RDONLY);
		mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, 3, 0);
		if (syscall(SYS_fork) == 0)
			syscall(SYS_exit_group, 0);
	}
}

/* Jumps to each byte of the stub. */

static uint64_t regs[16];

static void jump(void *to)
{
	for (int i = 0; i < 16; i++)
		regs[i] = any();
	if (rnd() & 1)	/* a likely stack */
		regs[15] = (uint64_t)REGION + 0x2000 + rnd() % 0xd000 / 16 * 16;
	if (rnd() & 1)
		regs[0] = "\x0f\x09\x38\x03\x21\x9e\x3c\x2f\x53\x19\x1a"[rnd() % 11] & 0xff;
	__asm__ volatile("mov %0, %%rax\n push %1\n"
		"mov 8(%%rax), %%rbx\n mov 16(%%rax), %%rcx\n mov 24(%%rax), %%rdx\n mov 32(%%rax), %%rsi\n mov 40(%%rax), %%rdi\n"
		"mov 48(%%rax), %%rbp\n mov 56(%%rax), %%r8\n mov 64(%%rax), %%r9\n mov 72(%%rax), %%r10\n mov 80(%%rax), %%r11\n"
		"mov 88(%%rax), %%r12\n mov 96(%%rax), %%r13\n mov 104(%%rax), %%r14\n mov 112(%%rax), %%r15\n"
		"testb $1, 120(%%rax)\n mov 0(%%rax), %%rax\n"
		"ret\n" : : "r"(regs), "r"(to) : "memory");
}

static int text_size = 0x3000;

static void one_jump(int i)
{
	if (i & 1)
		threads(1, spin_calls);
	jump(STUB_TEXT + rnd() % text_size);
}

/* Threads that scribble over control blocks. */

static volatile int target;

static void *scribbler(void *p)
{
	long kind = (long)p;
	for (;;) {
		volatile unsigned char *cb = REGION + SLOT_SIZE * (rnd() % 3 ? 0 : target);
		switch (kind) {
		case 0:
			*(volatile uint32_t *)(cb + rnd() % CB_WORDS * 4) = any();
			break;
		case 1:
			*(volatile uint32_t *)(cb + STATE) = rnd() % 4;
			break;
		case 2:
			*(volatile uint32_t *)(cb + EVENT) = rnd() % 8;
			*(volatile uint32_t *)(cb + SIG) = any();
			break;
		case 3:
			*(volatile uint64_t *)(cb + FRAME) = rnd() & 1 ? any() : (uint64_t)cb + rnd() % SLOT_SIZE / 8 * 8;
			break;
		case 4:
			*(volatile uint64_t *)(cb + RESULT) = any();
			break;
		case 5:	/* lengths of what comes and goes in the buffer, beyond */
			*(volatile uint64_t *)(cb + 256 + rnd() % 32 * 8) = any();
			break;
		case 6:
			*(volatile uint64_t *)(cb + ARGS + rnd() % 6 * 8) = any();
			*(volatile uint32_t *)(cb + ARCH) = any();
			*(volatile uint64_t *)(cb + NR) = rnd() % 470;
			break;
		case 7:	/* frames and their extended state */
			*(volatile uint64_t *)(cb + 0x1000 + rnd() % 0xf000 / 8 * 8) = any();
			break;
		case 8:	/* names in the buffer */
			cb[0x10000 + rnd() % 64] = rnd() & 1 ? 0 : '/';
			break;
		}
	}
	return NULL;
}

static void handler(int s) { (void)s; }

static void *victim(void *p)
{
	struct sigaction sa = { .sa_handler = handler };
	sigaction(SIGUSR1, &sa, NULL);
	for (int k = 0; k < 100; k++) {
		char buf[4096];
		int fd = open("/etc/passwd", O_RDONLY);
		read(fd, buf, sizeof buf);
		void *m = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0);
		munmap(m, 4096);
		close(fd);
		raise(SIGUSR1);
		pid_t c = k % 10 ? 0 : fork();
		if (k % 10 == 0) {
			if (c == 0)
				_exit(0);
			if (c > 0)
				waitpid(c, NULL, 0);
		}
	}
	return p;
}

static void one_race(int i)
{
	target = i % 3;
	threads(1 + i % 2, spin_calls);
	pthread_t t;
	pthread_create(&t, NULL, scribbler, (void *)(long)(i % 9));
	victim(NULL);
}

/* Jumps into patched sites, and sites that are not what they seem. */

static void one_site(int i)
{
	if (i & 1)
		hot(100);
	if (i & 2)
		threads(1, spin_calls);
	if (i & 4) {
		scramble(PATCHES, PATCHES_SIZE);
		hot(1);
	}
	for (int k = 0; k < 40; k++)	/* a call that pretends to come from anywhere */
		raw_at(PLACE + 64 + 32 * (k % 2), SYS_getppid, 0, 0, 0, 0, 0, 0);
	jump(i & 8 ? hot_site - 5 + rnd() % 7 : PATCHES + rnd() % PATCHES_SIZE);
}

/* hot_any makes a site of any call. */
static long hot_any(int n)
{
	long r = 0;
	while (n-- > 0) {
		r = n & 1 ? SYS_getppid : SYS_getpgrp;
		__asm__ volatile("syscall\n cmp $-4095, %%rax" : "+a"(r) : : "rcx", "r11", "memory", "cc");
	}
	return r;
}

static void *call_hot(void *p)
{
	for (;;)
		p ? hot(100) : hot_any(100);
	return p;
}

/* shake changes pages of code, and what the platform has patched, while it is
 * being patched and used. */
static void *shake(void *p)
{
	unsigned char *code = (unsigned char *)((uint64_t)(p ? hot_site : (unsigned char *)hot_any) & ~4095UL);
	static const int prot[] = { PROT_READ | PROT_EXEC, PROT_READ | PROT_WRITE | PROT_EXEC, PROT_READ };
	for (;;) {
		unsigned char *at = PATCHES + rnd() % (PATCHES_SIZE / 4096) * 4096;
		switch (rnd() % 6) {
		case 0:
			mprotect(code, 4096, prot[rnd() % 2]);
			break;
		case 1:
			madvise(code, 4096, MADV_DONTNEED);
			break;
		case 2:
			mmap(at, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
			break;
		case 3:
			mprotect(at, 4096, prot[rnd() % 3]);
			break;
		case 4:
			munmap(at, 4096);
			break;
		case 5:
			mremap(code, 4096, 4096, MREMAP_MAYMOVE | MREMAP_FIXED, at);
			break;
		}
		usleep(rnd() % 300);
	}
	return p;
}

static void one_shake(int i)
{
	threads(2 + i % 2, call_hot);
	threads(1 + i / 2 % 2, shake);
	if (i & 4)
		fork();
	call_hot((void *)(long)(i & 8));
}

/* The bell. */

static void ring(void) { raw(SYS_pause, 0, 0, 0, 0, 0, 0); }

static void *ringer(void *p)
{
	volatile uint32_t *state = (volatile uint32_t *)(REGION + (long)p * SLOT_SIZE);
	for (uint64_t n = 0;; n++) {
		if (n % 3 == 1)
			*state = n % 4;	/* of another thread, perhaps in a call */
		ring();
	}
	return p;
}

/* flood rings from many threads of many processes, while others do their work. */
static void flood(int n)
{
	pid_t pids[8];
	for (int k = 0; k < 8; k++) {
		pids[k] = fork();
		if (pids[k] == 0) {
			threads(3, ringer);
			ringer((void *)(long)(k % 4));
		}
	}
	for (int i = 0; i < n; i++) {
		int p[2];
		char b = 1;
		pid_t c;
		if (pipe(p) || (c = fork()) < 0)
			exit(9);
		if (c == 0) {
			if (read(p[0], &b, 1) == 1)
				execl("/bin/true", "true", NULL);
			_exit(8);
		}
		int st;
		if (write(p[1], &b, 1) != 1 || waitpid(c, &st, 0) != c || st)
			exit(7);
		close(p[0]);
		close(p[1]);
	}
	for (int k = 0; k < 8; k++) {
		kill(pids[k], SIGKILL);
		waitpid(pids[k], NULL, 0);
	}
}

/* A stub of one's own that lies. */

static long lie(void)
{
	switch (rnd() % 6) {
	case 0:
		return 1 + rnd() % 300;
	case 1:
		return getpid();
	case 2:
		return -(long)(rnd() % 4200);
	case 3:
		return 0;
	}
	return any();
}

static int large;	/* a descriptor of a large file */

/* speak is the stub's side of the protocol. It must make no call of the C
 * library's, which would trap. */
static void speak(int calls, int honest)
{
	raw(SYS_futex, 0, 0, 0, 0, 0, 0);
	for (int i = 0; i < calls; i++) {
		*cb32(EVENT) = rnd() % 10 ? EV_SYSCALL : rnd() % 7;
		*cb32(SIG) = any();
		*cb32(CODE) = any();
		*cb64(FRAME) = (uint64_t)REGION + 0x2000 + (rnd() % 20 ? rnd() % 0xdc00 / 8 * 8 : any());
		*cb64(NR) = rnd() % 3 ? rnd() % 470 : (uint64_t[]){ 56, 57, 58, 9, 10, 12, 59, 202, 15, 25, 435 }[rnd() % 11];
		for (int k = 0; k < 6; k++)
			*cb64(ARGS + 8 * k) = any();
		if (rnd() % 6 == 0) {	/* what the stub itself reads and maps of a file */
			*cb64(NR) = (uint64_t[]){ SYS_read, SYS_pread64, SYS_mmap }[rnd() % 3];
			*cb64(ARGS) = *cb64(NR) == SYS_mmap ? 0 : large;
			*cb64(ARGS + 8) = *cb64(NR) == SYS_mmap ? 8192 : page;
			*cb64(ARGS + 16) = *cb64(NR) == SYS_mmap ? PROT_READ : 40000 + rnd() % 100000;
			*cb64(ARGS + 24) = *cb64(NR) == SYS_mmap ? MAP_PRIVATE : 0;
			*cb64(ARGS + 32) = large;
			*cb64(ARGS + 40) = 0;
		}
		*cb32(ARCH) = rnd() % 20 ? 0xc000003e : any();
		for (;;) {
			__atomic_store_n(cb32(STATE), ST_EVENT, __ATOMIC_SEQ_CST);
			for (int n = rnd() % 8 ? 1 : rnd() % 4; n; n--)	/* rings, more than once or not at all */
				ring();
			raw(SYS_futex, (long)cb32(STATE), 1, 1, 0, 0, 0);
			for (int spins = 0; __atomic_load_n(cb32(STATE), __ATOMIC_SEQ_CST) != ST_REPLY; spins++)
				if (spins > 1000)
					raw(SYS_futex, (long)cb32(STATE), 0, ST_EVENT, 0, 0, 0);
			uint32_t op = *cb32(OP);
			if (op <= OP_RESUME)
				break;
			*cb64(RESULT) = honest ? 0 : lie();
			if (op == OP_FINISH)
				break;
			*cb32(EVENT) = rnd() % 30 ? EV_DONE : rnd() % 7;
		}
		*cb32(STATE) = ST_GUEST;
	}
}

static void one_forge(int i)
{
	large = open("/lib/x86_64-linux-gnu/libc.so.6", O_RDONLY);
	speak(60, i & 1);
	raw(SYS_exit_group, 0, 0, 0, 0, 0, 0);
}

/* Frames for rt_sigreturn. */

static void one_return(int i)
{
	/* The host's layout: ucontext with a mask of 8 bytes after fpregs and 8 words. */
	static unsigned char stack[65536] __attribute__((aligned(64)));
	uint64_t *u = (uint64_t *)(stack + 32768);
	memset(u, 0, 304);
	u[0] = rnd() & 7;
	u[2] = any();
	u[3] = rnd() & 1 ? 2 : 0;	/* SS_DISABLE */
	u[4] = any();
	uint64_t *mc = u + 5;
	for (int k = 0; k < 8; k++)
		mc[k] = any();
	mc[15] = (uint64_t)stack + 16384;
	mc[16] = i % 4 == 3 ? any() : (uint64_t)(i & 1 ? (void *)spin : (void *)spin_calls);
	mc[17] = rnd() & 0x240dd7;
	mc[18] = i % 8 == 7 ? any() : 0x002b000000000033;
	u[28] = i % 4 ? 0 : any();	/* extended state */
	u[37] = i & 2 ? ~0UL : 1UL << 30 | 1UL << 22 | 1UL << 10;	/* the mask: SIGSYS, SIGURG, SIGSEGV */
	__asm__ volatile("mov %0, %%rsp\n mov $15, %%eax\n jmp *%1" : : "r"(u), "r"(PLACE + 23) : "memory");
}

static void *deaf(void *p)
{
	(void)p;
	one_return(1);
	return NULL;
}

/* Every call. */

static long int80(uint32_t n, uint32_t a, uint32_t b, uint32_t c, uint32_t d, uint32_t e)
{
	long r;
	register long r8 __asm__("r8");
	__asm__ volatile("int $0x80" : "=a"(r), "=r"(r8) : "a"(n), "b"(a), "c"(b), "d"(c), "S"(d), "D"(e) : "r9", "r10", "r11", "memory");
	return r;
}

static int first;

static void one_call(int i)
{
	long n = first + i;
	for (int k = 0; k < 6; k++) {
		syscall(n, any(), any(), any(), any(), any(), any());
		syscall(n, rnd() % 4, page, rnd() % 64, rnd() % 4, page + 64, rnd() % 8);
	}
	for (int k = 0; k < 3; k++) {
		int80(n, any(), any(), any(), any(), any());
		syscall(n | 1 << 30, any(), any(), any(), any(), any(), any());
		raw(n, any(), any(), any(), any(), any(), any());
	}
}

static void one_odd_call(int i)
{
	static const long base[] = { 1L << 30, 1L << 31, 1L << 32, -1, 0xfff, 0x1000, 0x7fffffff, 1L << 63, 1L << 29, 512 };
	long n = base[i % 10] + i / 10 - 3;
	syscall(n, any(), any(), any(), any(), any(), any());
	int80(n, any(), any(), any(), any(), any());
	raw(n, any(), any(), any(), any(), any(), any());
}

/* Descriptors of the guest process, and those under way to it. */

static void *thief(void *p)
{
	char *at = (char *)PLACE + 64 + 32 * (long)p;
	char byte[8], control[256];
	for (;;) {
		uint64_t iov[2] = { (uint64_t)byte, 1 };
		uint64_t msg[7] = { 0, 0, (uint64_t)iov, 1, (uint64_t)control, sizeof control, 0 };
		raw_at(at, SYS_recvmsg, 0, (long)msg, rnd() & 1 ? 0x40 : 0, 0, 0, 0);
	}
	return NULL;
}

static void one_theft(int i)
{
	if (i & 1)
		threads(1 + i % 3, thief);
	for (int k = 0; k < 30; k++) {
		if (!(i & 1)) {
			raw(SYS_close, rnd() % 16, 0, 0, 0, 0, 0);
			raw(SYS_dup2, rnd() % 16, rnd() % 1024, 0, 0, 0, 0);
		}
		int fd = open("/etc/passwd", O_RDONLY);
		mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0);
		raw(SYS_mmap, 0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, rnd() % 6, 0);
		close(fd);
		pid_t c = k % 8 ? -1 : fork();
		if (c == 0)
			_exit(0);
		if (c > 0)
			reap(c, 50);
	}
}

/* Processes and threads behind the supervisor's back. */

static void hidden(int n, int what)
{
	for (int i = 0; i < n; i++) {
		long r = raw(SYS_clone, SIGCHLD | CLONE_PARENT, 0, 0, 0, 0, 0);
		if (r == 0) {
			if (what == 0)
				spin(NULL);
			if (what == 3)
				for (;;)
					ring();
			if (what == 1)
				for (;;)	/* sleeps on what never changes */
					raw(SYS_futex, (long)&page, 0, page, 0, 0, 0);
			raw(SYS_prctl, 1 /* PR_SET_PDEATHSIG */, 0, 0, 0, 0, 0);
			for (;;)
				syscall(SYS_getppid);
		}
	}
}

static void *eat(void *p)
{
	pause();
	return p;
}

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "";
	seed = argc > 2 ? strtoull(argv[2], NULL, 0) * 0x9e3779b97f4a7c15 | 1 : 1;
	int n = argc > 3 ? atoi(argv[3]) : 0;
	page = (uint64_t)mmap(NULL, 16384, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	setvbuf(stdout, NULL, _IONBF, 0);
	take_place();
	static const char *need[] = { "map", "jump", "site", "race", "forge", "return", "theft", "flood" };
	for (size_t i = 0; i < sizeof need / sizeof need[0]; i++)
		if (!placed && strncmp(mode, need[i], strlen(need[i])) == 0)
			return puts("no place"), 0;
#define MODE(x) (strcmp(mode, x) == 0)
	if (MODE("map"))
		rounds(n, 16, 40, one_map);
	else if (MODE("map-self"))
		one_map(n);
	else if (MODE("jump"))
		rounds(n, 4, 20, one_jump);
	else if (MODE("site"))
		rounds(n, 8, 20, one_site);
	else if (MODE("shake"))
		rounds(n, 8, 40, one_shake);
	else if (MODE("race"))
		rounds(n, 9, 200, one_race);
	else if (MODE("race-self"))
		one_race(n);
	else if (MODE("forge"))
		rounds(n, 4, 40, one_forge);
	else if (MODE("forge-self"))
		one_forge(n);
	else if (MODE("return"))
		rounds(n, 8, 20, one_return);
	else if (MODE("return-self"))
		one_return(n);
	else if (MODE("calls")) {
		first = 0;
		rounds(601, 6, 40, one_call);
		rounds(n, 6, 40, one_odd_call);
	} else if (MODE("theft"))
		rounds(n, 2, 60, one_theft);
	else if (MODE("theft-self")) {
		threads(2, thief);
		usleep(1000);
		one_theft(n);
	} else if (MODE("hidden")) {
		hidden(n, seed % 3);
		puts("hidden");
	} else if (MODE("hidden-ring")) {	/* nobody knows who rings */
		hidden(n, 3);
		flood(2);
	} else if (MODE("flood")) {
		flood(n);
	} else if (MODE("hidden-wait")) {
		hidden(n, 0);
		hidden(n, 1);
		puts("hidden");
		sleep(100);
	} else if (MODE("hidden-fork")) {	/* from a child that ends, with one that stays */
		pid_t c = fork();
		if (c == 0) {
			hidden(n, 0);
			_exit(0);
		}
		waitpid(c, NULL, 0);
	} else if (MODE("threads")) {
		pthread_attr_t a;
		pthread_attr_init(&a);
		pthread_attr_setstacksize(&a, 65536);
		int made = 0;
		pthread_t t;
		while (made < n && pthread_create(&t, &a, eat, NULL) == 0)
			made++;
		printf("threads %s\n", made >= n ? "all" : "refused");
	} else if (MODE("processes")) {
		int made = 0;
		for (; made < n; made++) {
			pid_t c = fork();
			if (c < 0)
				break;
			if (c == 0)
				pause();
		}
		printf("processes %s\n", made >= n ? "all" : "refused");
	} else if (MODE("memory")) {
		for (;;) {
			char *p = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
			if (p != MAP_FAILED)
				memset(p, 1, 1 << 20);
		}
	} else if (MODE("exec")) {
		threads(1 + n % 2, spin);
		threads(2, spin_calls);
		if (n > 0) {
			char left[16];
			sprintf(left, "%d", n - 1);
			execl(argv[0], argv[0], mode, argv[2], left, NULL);
		}
	} else if (MODE("exec-deaf")) {	/* a sibling that cannot be interrupted */
		if (fork() == 0)
			exit(0);
		threads(2, placed ? deaf : spin);
		usleep(20000);
		execl("/bin/true", "true", NULL);
	} else if (MODE("churn")) {	/* until killed from outside */
		puts("churn");
		for (;;) {
			pid_t c = fork();
			if (c == 0) {
				threads(3, spin_calls);
				usleep(500);
				if (rnd() & 1)
					execl(argv[0], argv[0], "idle", "1", NULL);
				_exit(0);
			}
			reap(c, 20);
		}
	} else if (MODE("forks")) {	/* until killed from outside */
		puts("forks");
		threads(4, fork_exit);
		fork_exit(NULL);
	} else if (MODE("idle"))
		threads(2, spin);
	puts("survived");
	return 0;
}
