// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Steps the wall clock of one process (LD_PRELOAD): CLOCK_REALTIME differs from the
 * machine's by the number of ns in the file CLOCKSTEP_FILE, at once when it changes.
 *
 * settimeofday() would step the whole machine, and time namespaces do not cover
 * CLOCK_REALTIME. They do cover CLOCK_BOOTTIME, but for processes only: XDP would go
 * on reading the machine's clock, which no real machine does to its agent.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S 1000000000ll

static const volatile int64_t *step;
static int (*real_gettime)(clockid_t clock, struct timespec *ret);

__attribute__((constructor)) static void open_step(void)
{
	const char *path = getenv("CLOCKSTEP_FILE");
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	void *map = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof(*step), PROT_READ, MAP_SHARED, fd, 0);

	real_gettime = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
	if (fd >= 0)
		close(fd);
	if (map != MAP_FAILED)
		step = map;
}

int clock_gettime(clockid_t clock, struct timespec *ret)
{
	int64_t ns;

	if (real_gettime(clock, ret))
		return -1;
	if (!step || (clock != CLOCK_REALTIME && clock != CLOCK_REALTIME_COARSE))
		return 0;
	ns = ret->tv_sec * NS_PER_S + ret->tv_nsec + *step;
	ret->tv_sec = ns / NS_PER_S;
	ret->tv_nsec = ns % NS_PER_S;
	return 0;
}

int gettimeofday(struct timeval *restrict ret, void *restrict zone)
{
	struct timespec ts;

	(void)zone;
	if (clock_gettime(CLOCK_REALTIME, &ts))
		return -1;
	ret->tv_sec = ts.tv_sec;
	ret->tv_usec = ts.tv_nsec / 1000;
	return 0;
}

time_t time(time_t *ret)
{
	struct timespec ts;

	if (clock_gettime(CLOCK_REALTIME, &ts))
		return -1;
	if (ret)
		*ret = ts.tv_sec;
	return ts.tv_sec;
}
