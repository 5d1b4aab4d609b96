/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How busy this node is: processors, memory, connections, packets through its ports.
 *
 * Measured once a second by hagated itself: a few lines of procfs, which the kernel
 * makes in memory, and the counters of the data path. The files stay open from the
 * start on, so that nothing is looked up later. What cannot be read is 0: no memory in
 * use means that nothing is known.
 */
#ifndef HG_LOAD_H
#define HG_LOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "hagate/abi.h"

struct hg_load_port {
	uint32_t rx_pps, tx_pps;
	uint32_t rx_kbps, tx_kbps;
};

struct hg_load {
	uint16_t cpu_permille; /* of all processors; what the hypervisor took counts as used */
	uint16_t mem_permille; /* not available to programs; 0: not known */
	uint32_t connections; /* in the kernel's connection table; 0 without one */
	struct hg_load_port port[HG_SLOTS_MAX];
};

struct hg_load_counts {
	uint64_t rx_packets, rx_octets, tx_packets, tx_octets;
};

struct hg_load_meter {
	int stat_fd, memory_fd, connections_fd; /* -1: cannot be read */
	uint64_t busy, total; /* of /proc/stat, at the last measurement */
	uint64_t at; /* ns, of the last measurement; 0: none */
	struct hg_load_counts counts[HG_SLOTS_MAX];
	bool is_counted[HG_SLOTS_MAX];
	struct hg_load load;
};

void hg_load_init(struct hg_load_meter *meter);
void hg_load_done(struct hg_load_meter *meter);

/* Once a second or less often. `counts`: of each slot since ever; NULL entries: unknown. */
void hg_load_measure(struct hg_load_meter *meter, uint64_t now,
		     const struct hg_load_counts *const counts[HG_SLOTS_MAX]);

/* What a port has received and sent, from the counters of the data path by reason. */
void hg_load_count(const struct hg_stat stats[HG_R_COUNT], struct hg_load_counts *ret);

/* Text of /proc/stat: ticks of all processors. 0, or -EINVAL. */
int hg_load_parse_stat(const char *text, uint64_t *ret_busy, uint64_t *ret_total);
/* Text of /proc/meminfo. 0, or -EINVAL. */
int hg_load_parse_memory(const char *text, uint16_t *ret_permille);

#endif
