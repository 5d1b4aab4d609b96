// SPDX-License-Identifier: GPL-2.0-or-later
/* Network namespaces for tests. See netns.h. */
#include "netns.h"

#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

bool netns_is_possible(void)
{
	if (!geteuid())
		return true;
	fprintf(stderr, "skipped: network namespaces need root\n");
	return false;
}

int netns_new(void)
{
	int fd;

	assert_int_equal(unshare(CLONE_NEWNET), 0);
	fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	run("ip link set lo up");
	return fd;
}

void netns_enter(int fd)
{
	assert_int_equal(setns(fd, CLONE_NEWNET), 0);
}

void netns_veth(const char *a, const char *b, int other)
{
	int here = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);

	run("ip link add %s type veth peer name %s netns /proc/%d/fd/%d", a, b, getpid(), other);
	run("ip link set %s up", a);
	netns_enter(other);
	run("ip link set %s up", b);
	netns_enter(here);
	close(here);
}

static int run_shell(const char *format, va_list args)
{
	char command[4096];

	vsnprintf(command, sizeof(command), format, args);
	return system(command);
}

void run(const char *format, ...)
{
	va_list args;
	int status;

	va_start(args, format);
	status = run_shell(format, args);
	va_end(args);
	if (status)
		fprintf(stderr, "command failed: %s\n", format);
	assert_int_equal(status, 0);
}

bool succeeds(const char *format, ...)
{
	va_list args;
	int status;

	va_start(args, format);
	status = run_shell(format, args);
	va_end(args);
	return !status;
}

long number(const char *format, ...)
{
	char command[4096];
	long value = -1;
	va_list args;
	FILE *pipe;

	va_start(args, format);
	vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	pipe = popen(command, "r");
	assert_non_null(pipe);
	if (fscanf(pipe, "%ld", &value) != 1)
		value = -1;
	while (fgetc(pipe) != EOF)
		;
	pclose(pipe);
	return value;
}

double now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1e3 + ts.tv_nsec / 1e6;
}

double cpu_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return ts.tv_sec * 1e3 + ts.tv_nsec / 1e6;
}

void sleep_ms(unsigned int ms)
{
	struct timespec ts = { ms / 1000, ms % 1000 * 1000000L };

	nanosleep(&ts, NULL);
}

void get_mac(const char *ifname, uint8_t mac[6])
{
	struct ifreq request = { 0 };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	strncpy(request.ifr_name, ifname, IFNAMSIZ - 1);
	assert_int_equal(ioctl(fd, SIOCGIFHWADDR, &request), 0);
	memcpy(mac, request.ifr_hwaddr.sa_data, 6);
	close(fd);
}
