/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whose fault a late agent is: CPU time that the hypervisor gave to others (steal, all
 * CPUs, from /proc/stat) and time that this process was ready and waited for a CPU
 * (/proc/self/schedstat). Both files are opened once; a read of each costs some
 * microseconds and never blocks.
 */
#ifndef HG_CPU_H
#define HG_CPU_H

#include "agent/core/time.h"

struct hg_cpu {
	int stat_fd, sched_fd; /* -1: the kernel does not say */
	unsigned int cpus;
	uint64_t tick_ns;
};

struct hg_cpu_sample {
	struct hg_time at;
	uint64_t steal_ns; /* since the machine's start, all CPUs together */
	uint64_t waited_ns; /* since the agent's start */
};

void hg_cpu_open(struct hg_cpu *cpu);
void hg_cpu_close(struct hg_cpu *cpu);
void hg_cpu_read(const struct hg_cpu *cpu, struct hg_time now, struct hg_cpu_sample *ret);

/* Both texts as the kernel writes them; false: not of that form. */
bool hg_cpu_parse_stat(const char *text, uint64_t *ret_steal_ticks);
bool hg_cpu_parse_sched(const char *text, uint64_t *ret_waited_ns);

#endif
