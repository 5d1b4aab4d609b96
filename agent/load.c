/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See load.h. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "load.h"

#define CPU_FIELDS 8 /* user nice system idle iowait irq softirq steal */
#define CPU_IDLE 3
#define CPU_IOWAIT 4

static int open_quietly(const char *path)
{
	return open(path, O_RDONLY | O_CLOEXEC);
}

static void close_quietly(int fd)
{
	if (fd >= 0)
		close(fd);
}

void hg_load_init(struct hg_load_meter *meter)
{
	memset(meter, 0, sizeof(*meter));
	meter->stat_fd = open_quietly("/proc/stat");
	meter->memory_fd = open_quietly("/proc/meminfo");
	meter->connections_fd = open_quietly("/proc/sys/net/netfilter/nf_conntrack_count");
}

void hg_load_done(struct hg_load_meter *meter)
{
	close_quietly(meter->stat_fd);
	close_quietly(meter->memory_fd);
	close_quietly(meter->connections_fd);
}

/* The beginning of the file; false: nothing. */
static bool read_text(int fd, char *text, size_t size)
{
	ssize_t length = fd < 0 ? -1 : pread(fd, text, size - 1, 0);

	if (length <= 0)
		return false;
	text[length] = '\0';
	return true;
}

int hg_load_parse_stat(const char *text, uint64_t *ret_busy, uint64_t *ret_total)
{
	uint64_t total = 0, busy = 0;
	const char *at = text + 4;

	if (strncmp(text, "cpu ", 4))
		return -EINVAL;
	for (int field = 0; field < CPU_FIELDS; field++) {
		char *end;
		uint64_t ticks = strtoull(at, &end, 10);

		if (end == at)
			return -EINVAL;
		at = end;
		total += ticks;
		if (field != CPU_IDLE && field != CPU_IOWAIT)
			busy += ticks;
	}
	*ret_busy = busy;
	*ret_total = total;
	return 0;
}

int hg_load_parse_memory(const char *text, uint16_t *ret_permille)
{
	const char *available = strstr(text, "\nMemAvailable:");
	uint64_t all, left;

	if (!available || sscanf(text, "MemTotal: %" SCNu64, &all) != 1 ||
	    sscanf(available, "\nMemAvailable: %" SCNu64, &left) != 1 || !all || left > all)
		return -EINVAL;
	*ret_permille = 1000 - left * 1000 / all;
	return 0;
}

/* A difference over time, for one second. Counters that were cleared count from 0. */
static uint32_t rate(uint64_t now, uint64_t was, uint64_t span_ns)
{
	uint64_t more = now >= was ? now - was : now;
	double value = (double)more * 1e9 / (double)span_ns;

	return value >= UINT32_MAX ? UINT32_MAX : (uint32_t)(value + 0.5);
}

static void measure_port(struct hg_load_meter *meter, unsigned int slot,
			 const struct hg_load_counts *now, uint64_t span_ns)
{
	const struct hg_load_counts *was = &meter->counts[slot];
	struct hg_load_port *port = &meter->load.port[slot];

	*port = (struct hg_load_port){ 0 };
	if (!now) {
		meter->is_counted[slot] = false;
		return;
	}
	if (meter->is_counted[slot])
		*port = (struct hg_load_port){
			.rx_pps = rate(now->rx_packets, was->rx_packets, span_ns),
			.tx_pps = rate(now->tx_packets, was->tx_packets, span_ns),
			.rx_kbps = rate(now->rx_octets / 125, was->rx_octets / 125, span_ns),
			.tx_kbps = rate(now->tx_octets / 125, was->tx_octets / 125, span_ns),
		};
	meter->counts[slot] = *now;
	meter->is_counted[slot] = true;
}

static void measure_machine(struct hg_load_meter *meter)
{
	uint64_t busy, total;
	char text[512];

	meter->load.mem_permille = 0;
	meter->load.connections = 0;
	if (read_text(meter->stat_fd, text, sizeof(text)) &&
	    !hg_load_parse_stat(text, &busy, &total)) {
		if (meter->total && total > meter->total && busy >= meter->busy)
			meter->load.cpu_permille = (busy - meter->busy) * 1000 /
						   (total - meter->total);
		meter->busy = busy;
		meter->total = total;
	}
	if (read_text(meter->memory_fd, text, sizeof(text)))
		hg_load_parse_memory(text, &meter->load.mem_permille);
	if (read_text(meter->connections_fd, text, sizeof(text)))
		meter->load.connections = strtoul(text, NULL, 10);
}

void hg_load_measure(struct hg_load_meter *meter, uint64_t now,
		     const struct hg_load_counts *const counts[HG_SLOTS_MAX])
{
	uint64_t span_ns = meter->at && now > meter->at ? now - meter->at : 0;

	for (unsigned int slot = 0; slot < HG_SLOTS_MAX; slot++) {
		if (!span_ns)
			meter->is_counted[slot] = false;
		measure_port(meter, slot, counts[slot], span_ns);
	}
	measure_machine(meter);
	meter->at = now;
}

void hg_load_count(const struct hg_stat stats[HG_R_COUNT], struct hg_load_counts *ret)
{
	struct hg_load_counts counts = { 0 };

	for (unsigned int r = 0; r < HG_R_COUNT; r++) {
		bool is_egress = r >= HG_R_EGRESS_PASS && r <= HG_R_EGRESS_BAD;

		if (!is_egress) {
			counts.rx_packets += stats[r].packets;
			counts.rx_octets += stats[r].octets;
		}
		/* What the gate turns round leaves beside the egress program. */
		if (r == HG_R_EGRESS_PASS || r == HG_R_EGRESS_VMAC || r == HG_R_ARP_ANSWERED ||
		    r == HG_R_ND_ANSWERED || r == HG_R_PEER_PROBE || r == HG_R_PEER_REQUEST ||
		    r == HG_R_PEER_CLAIM) {
			counts.tx_packets += stats[r].packets;
			counts.tx_octets += stats[r].octets;
		}
	}
	*ret = counts;
}
