/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See cpu.h. */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "cpu.h"

void hg_cpu_open(struct hg_cpu *cpu)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN), ticks = sysconf(_SC_CLK_TCK);

	cpu->stat_fd = open("/proc/stat", O_RDONLY | O_CLOEXEC);
	cpu->sched_fd = open("/proc/self/schedstat", O_RDONLY | O_CLOEXEC);
	cpu->cpus = cpus > 0 ? cpus : 1;
	cpu->tick_ns = 1000000000u / (ticks > 0 ? ticks : 100);
}

void hg_cpu_close(struct hg_cpu *cpu)
{
	if (cpu->stat_fd >= 0)
		close(cpu->stat_fd);
	if (cpu->sched_fd >= 0)
		close(cpu->sched_fd);
	cpu->stat_fd = cpu->sched_fd = -1;
}

bool hg_cpu_parse_stat(const char *text, uint64_t *ret_steal_ticks)
{
	return sscanf(text, "cpu %*u %*u %*u %*u %*u %*u %*u %" SCNu64, ret_steal_ticks) == 1;
}

bool hg_cpu_parse_sched(const char *text, uint64_t *ret_waited_ns)
{
	return sscanf(text, "%*u %" SCNu64, ret_waited_ns) == 1;
}

/* The beginning of the file; "" when there is none. */
static void read_head(int fd, char *text, size_t size)
{
	ssize_t n = fd < 0 ? -1 : pread(fd, text, size - 1, 0);

	text[n > 0 ? n : 0] = '\0';
}

void hg_cpu_read(const struct hg_cpu *cpu, struct hg_time now, struct hg_cpu_sample *ret)
{
	char text[256];
	uint64_t ticks = 0, waited = 0;

	read_head(cpu->stat_fd, text, sizeof(text));
	hg_cpu_parse_stat(text, &ticks);
	read_head(cpu->sched_fd, text, sizeof(text));
	hg_cpu_parse_sched(text, &waited);
	*ret = (struct hg_cpu_sample){ now, ticks * cpu->tick_ns, waited };
}
