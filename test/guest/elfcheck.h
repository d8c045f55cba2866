/* elfcheck.h: what every kind of executable must find at its start. */
#include "check.h"
#include <link.h>
#include <math.h>
#include <pthread.h>
#include <sys/auxv.h>

static __thread int tls_data = 7;
static __thread int tls_bss[100];
static int constructed;
__attribute__((constructor)) static void construct(void) { constructed = 1; }

static int phdrs(struct dl_phdr_info *i, size_t n, void *a)
{
	(void)n;
	for (int k = 0; k < i->dlpi_phnum; k++)
		if (i->dlpi_phdr[k].p_type == PT_TLS || i->dlpi_phdr[k].p_type == PT_LOAD)
			++*(int *)a;
	return 0;
}
static void *thread(void *a)
{
	tls_data++;
	tls_bss[99] = tls_data;
	*(int *)a = tls_bss[99];
	return NULL;
}

TEST(start)
{
	int n = 0, out = 0;
	CHECK_EQ(constructed, 1);
	CHECK_EQ(tls_data, 7);
	CHECK_EQ(tls_bss[99], 0);
	dl_iterate_phdr(phdrs, &n);
	CHECK(n >= 2);
	CHECK(getauxval(AT_PHNUM) > 0 && getauxval(AT_ENTRY));
	pthread_t t;
	CHECK_RET(pthread_create(&t, NULL, thread, &out), 0);
	CHECK_RET(pthread_join(t, NULL), 0);
	CHECK_EQ(out, 8);
	CHECK_EQ(tls_data, 7);
	JOIN(FORK(CHECK_EQ(tls_data, 7)));
}

TEST(heap)
{
	char *p[200];
	for (int i = 0; i < 200; i++) {
		p[i] = malloc((i + 1) * 3000);
		memset(p[i], i, (i + 1) * 3000);
	}
	for (int i = 0; i < 200; i++) {
		CHECK_EQ((unsigned char)p[i][i * 3000], i);
		free(p[i]);
	}
	char *b = realloc(NULL, 1 << 24);
	CHECK(b);
	b[(1 << 24) - 1] = 1;
	b = realloc(b, 1 << 25);
	CHECK_EQ(b[(1 << 24) - 1], 1);
	free(b);
}

TEST(text_and_math)
{
	volatile double x = 2;
	char b[64];
	snprintf(b, sizeof b, "%.10f %s", sqrt(x) + exp(x), "text");
	CHECK_STR(b, "8.8032696613 text");
	CHECK_EQ(strlen(strchr(memcpy(b, "abcdefghijklmnop", 17), 'c')), 14); /* IFUNCs */
}

TEST(clock_without_a_call)
{
	struct timespec a, b;
	for (int i = 0; i < 100000; i++)
		clock_gettime(CLOCK_MONOTONIC, &a);
	syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &b);
	CHECK(b.tv_sec > a.tv_sec || (b.tv_sec == a.tv_sec && b.tv_nsec >= a.tv_nsec));
}
