/* build: -pthread -lm -ldl */
#include "elfcheck.h"
#include <dlfcn.h>

TEST(libraries)
{
	void *h = dlopen("libm.so.6", RTLD_NOW);
	CHECK(h);
	double (*f)(double) = (double (*)(double))dlsym(h, "floor");
	CHECK(f && f(3.7) == 3.0);
	CHECK_EQ(dlclose(h), 0);
	CHECK(dlopen("libnone.so", RTLD_NOW) == NULL);
	/* A library that was made just now. */
	put("lib.c", "int answer(void) { return 42; } __thread int t = 9; int *tp(void) { return &t; }\n");
	if (system("gcc -shared -fPIC -o lib.so lib.c 2>/dev/null") != 0)
		return;
	h = dlopen("./lib.so", RTLD_NOW);
	CHECK(h);
	int (*answer)(void) = (int (*)(void))dlsym(h, "answer");
	int *(*tp)(void) = (int *(*)(void))dlsym(h, "tp");
	CHECK(answer && answer() == 42);
	CHECK(tp && *tp() == 9);
	CHECK(strstr(get("/proc/self/maps"), "/lib.so"));
	CHECK_EQ(dlclose(h), 0);
}

TEST(loader_environment)
{
	CHECK_EQ(system("LD_BIND_NOW=1 /bin/true"), 0);
	CHECK_EQ(system("LD_TRACE_LOADED_OBJECTS=1 /bin/true | grep -q libc.so.6"), 0);
	CHECK_EQ(system("/lib64/ld-linux-x86-64.so.2 /bin/true"), 0);
}
