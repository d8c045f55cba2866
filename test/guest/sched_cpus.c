/* On which CPUs a thread may run, and where it is told that. */
#include "check.h"
#include <sched.h>
#include <sys/sysinfo.h>

/* listed returns whether a list like "0-2,5" has a number. */
static bool listed(const char *list, int cpu)
{
	for (const char *p = list; *p;) {
		char *end;
		long first = strtol(p, &end, 10), last = first;
		if (end == p)
			return false;
		if (*end == '-')
			last = strtol(end + 1, &end, 10);
		if (cpu >= first && cpu <= last)
			return true;
		p = *end == ',' ? end + 1 : end + strlen(end);
	}
	return false;
}

static int numbers(void)
{
	int n = get_nprocs_conf();
	return n < CPU_SETSIZE ? n : CPU_SETSIZE;
}

TEST(mask)
{
	cpu_set_t set;
	CHECK_OK(sched_getaffinity(0, sizeof set, &set));
	CHECK(CPU_COUNT(&set) >= 1 && CPU_COUNT(&set) <= numbers());
	CHECK(CPU_ISSET(sched_getcpu(), &set));
	CHECK(sched_getcpu() < numbers());
	char text[8192], *line;
	int fd = open("/proc/self/status", O_RDONLY);
	ssize_t n = read(fd, text, sizeof text - 1);
	close(fd);
	CHECK(n > 0);
	text[n] = 0;
	line = strstr(text, "Cpus_allowed_list:\t");
	CHECK(line != NULL);
	line += strlen("Cpus_allowed_list:\t");
	for (int i = 0; i < numbers(); i++)
		CHECK_EQ(listed(line, i), CPU_ISSET(i, &set) != 0);
	CHECK_ERRNO(sched_getaffinity(0, 0, &set), EINVAL);
	CHECK_ERRNO(sched_getaffinity(0, 12, &set), EINVAL);
}

TEST_FORK(each_one)
{
	cpu_set_t set, one, got;
	CHECK_OK(sched_getaffinity(0, sizeof set, &set));
	for (int i = 0; i < numbers(); i++) {
		if (!CPU_ISSET(i, &set))
			continue;
		CPU_ZERO(&one);
		CPU_SET(i, &one);
		CHECK_OK(sched_setaffinity(0, sizeof one, &one));
		CHECK_OK(sched_getaffinity(0, sizeof got, &got));
		CHECK(CPU_EQUAL(&got, &one));
		for (int k = 0; k < 100; k++)
			CHECK_EQ(sched_getcpu(), i);
	}
}

TEST_FORK(none)
{
	cpu_set_t set, before;
	CHECK_OK(sched_getaffinity(0, sizeof before, &before));
	CPU_ZERO(&set);
	CHECK_ERRNO(sched_setaffinity(0, sizeof set, &set), EINVAL);
	CPU_SET(CPU_SETSIZE - 1, &set); /* no machine of the tests has so many */
	CHECK_ERRNO(sched_setaffinity(0, sizeof set, &set), EINVAL);
	CHECK_OK(sched_getaffinity(0, sizeof set, &set));
	CHECK(CPU_EQUAL(&set, &before));
}

/* A sandbox keeps to the CPUs that it was started on, as a container keeps to
 * its cpuset; a process of the host's may leave them. */
TEST_FORK(all)
{
	cpu_set_t set, before, after;
	CHECK_OK(sched_getaffinity(0, sizeof before, &before));
	memset(&set, 0xff, sizeof set);
	CHECK_OK(sched_setaffinity(0, sizeof set, &set));
	CHECK_OK(sched_getaffinity(0, sizeof after, &after));
	CPU_AND(&set, &before, &after);
	CHECK(CPU_EQUAL(&set, &before));
	if (under_sentinel())
		CHECK(CPU_EQUAL(&after, &before));
}
