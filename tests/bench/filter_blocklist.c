// SPDX-License-Identifier: GPL-2.0-or-later
/* A large blocklist: how long it takes to load, what memory, what a packet costs. */
#include <err.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "filter_run.h"
#include "tests/bpf/filter_rig.h"

#define SECOND 1000000000ull

static double free_mb(void)
{
	FILE *file = fopen("/proc/meminfo", "r");
	unsigned long kb = 0;
	char line[128];

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "MemFree: %lu", &kb) == 1)
			break;
	if (file)
		fclose(file);
	return kb / 1024.0;
}

static struct hg_blocked *make_list(uint32_t count)
{
	struct hg_blocked *list = calloc(count, sizeof(*list));
	uint32_t i, address;

	if (!list)
		err(1, "no memory");
	for (i = 0; i < count; i++) {
		list[i].family = 4;
		list[i].prefix = 32;
		address = htobe32(sets_source(i));
		memcpy(list[i].addr, &address, sizeof(address));
	}
	return list;
}

static void add_all(const struct hg_blocked *list, uint32_t count, const struct hg_block *value)
{
	double memory = free_mb();
	uint64_t start = rig_now();

	if (hg_blocks_add_many(filter_blocks(), list, count, value))
		errx(1, "the blocklist does not take %u addresses", count);
	run_say("load", count, "ms", (double)(rig_now() - start) / 1e6);
	run_say("memory", count, "MB", memory - free_mb());
}

/* One at a time, as an operator or a detector adds them. */
static void add_singly(const struct hg_blocked *list, uint32_t count, const struct hg_block *value)
{
	uint64_t start = rig_now();
	bool is_new;
	uint32_t i;

	for (i = 0; i < count; i++)
		if (hg_blocks_add(filter_blocks(), &list[i], value, &is_new))
			errx(1, "cannot add");
	run_say("single additions", count, "1/s", count / ((double)(rig_now() - start) / SECOND));
}

void run_blocklist(unsigned int rounds, uint32_t count)
{
	const struct hg_block value = { .expire_ns = rig_now() + 3600 * SECOND,
					.source = HG_BLOCK_FEED };
	struct hg_blocked *list = make_list(count);
	struct hg_ruleset set = sets_random(1);
	unsigned int round;
	size_t removed;

	for (round = 0; round < rounds; round++) {
		sets_packets(run_frames(), node_a.wan_mac, &set, TRAFFIC_MISS);
		run_say("empty", 0, "ns", run_gate_cost(1u << XDP_PASS));
		add_all(list, count, &value);
		run_say("not on the list", count, "ns",
			run_gate_cost(1u << XDP_PASS | 1u << XDP_DROP));
		sets_packets_from(run_frames(), node_a.wan_mac, count);
		run_say("on the list", count, "ns", run_gate_cost(1u << XDP_DROP));
		add_singly(list, 10000, &value);
		if (hg_blocks_expire(filter_blocks(), value.expire_ns, &removed) ||
		    removed < count * 9ull / 10)
			errx(1, "%zu entries went", removed);
	}
	sets_free(&set);
	free(list);
}
