/* build: -fsanitize=address -g -Wno-use-after-free */
/* The address sanitizer: a shadow of terabytes at fixed addresses. */
#include "check.h"
#include <pthread.h>

const char *__asan_default_options(void) { return "detect_leaks=0:abort_on_error=0:exitcode=77"; }

static void *work(void *a)
{
	for (int i = 1; i < 200; i++) {
		char *p = malloc(i * 17);
		memset(p, i, i * 17);
		free(p);
	}
	return a;
}

TEST(clean_run)
{
	pthread_t t[4];
	for (int i = 0; i < 4; i++)
		CHECK_RET(pthread_create(&t[i], NULL, work, NULL), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	JOIN(FORK(work(NULL)));
}

TEST(error_found)
{
	CHECK_EXIT(FORK({
		dup2(open("/dev/null", O_WRONLY), 2);
		volatile char *p = malloc(10);
		free((void *)p);
		p[3] = 1;
	}), 77);
}
