/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The load meter: what the kernel's files say, rates from counters. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "agent/load.h"

#define SECOND 1000000000ull

static void test_stat(void **context)
{
	uint64_t busy, total;

	(void)context;
	assert_int_equal(
		hg_load_parse_stat("cpu  10 20 30 400 50 6 7 8 90 90\ncpu0 1 2\n", &busy, &total),
		0);
	assert_int_equal(total, 10 + 20 + 30 + 400 + 50 + 6 + 7 + 8);
	assert_int_equal(busy, 10 + 20 + 30 + 6 + 7 + 8);
	assert_int_not_equal(hg_load_parse_stat("", &busy, &total), 0);
	assert_int_not_equal(hg_load_parse_stat("cpu0 1 2 3 4 5 6 7 8", &busy, &total), 0);
	assert_int_not_equal(hg_load_parse_stat("cpu  1 2 3 4 5 6 7", &busy, &total), 0);
	assert_int_not_equal(hg_load_parse_stat("cpu  1 2 3 x 5 6 7 8", &busy, &total), 0);
}

static void test_memory(void **context)
{
	uint16_t permille = 7;

	(void)context;
	assert_int_equal(hg_load_parse_memory("MemTotal:    1000 kB\nMemFree:     1 kB\n"
					      "MemAvailable:  250 kB\n",
					      &permille),
			 0);
	assert_int_equal(permille, 750);
	assert_int_not_equal(hg_load_parse_memory("MemTotal: 1000 kB\n", &permille), 0);
	assert_int_not_equal(
		hg_load_parse_memory("MemTotal: 0 kB\nMemAvailable: 0 kB\n", &permille), 0);
	assert_int_not_equal(
		hg_load_parse_memory("MemTotal: 5 kB\nMemAvailable: 50 kB\n", &permille), 0);
	assert_int_equal(permille, 750);
}

static void test_machine(void **context)
{
	const struct hg_load_counts *none[HG_SLOTS_MAX] = { NULL };
	struct hg_load_meter meter;

	(void)context;
	hg_load_init(&meter);
	hg_load_measure(&meter, SECOND, none);
	assert_in_range(meter.load.mem_permille, 1, 999);
	assert_in_range(meter.load.cpu_permille, 0, 1000);
	hg_load_done(&meter);
}

static void test_rates(void **context)
{
	struct hg_load_counts counts = { .rx_packets = 1000, .rx_octets = 125000 };
	const struct hg_load_counts *known[HG_SLOTS_MAX] = { &counts };
	const struct hg_load_port *port;
	struct hg_load_meter meter;

	(void)context;
	hg_load_init(&meter);
	port = &meter.load.port[0];
	hg_load_measure(&meter, 5 * SECOND, known);
	assert_int_equal(port->rx_pps, 0); /* since ever: no rate yet */
	counts.rx_packets += 3000;
	counts.rx_octets += 3 * 125000;
	counts.tx_packets += 1;
	hg_load_measure(&meter, 6 * SECOND + SECOND / 2, known);
	assert_int_equal(port->rx_pps, 2000);
	assert_int_equal(port->rx_kbps, 2000);
	assert_int_equal(port->tx_pps, 1);
	counts.rx_packets = 10; /* the maps are new */
	hg_load_measure(&meter, 7 * SECOND + SECOND / 2, known);
	assert_int_equal(port->rx_pps, 10);
	known[0] = NULL;
	hg_load_measure(&meter, 9 * SECOND, known);
	assert_int_equal(port->rx_pps, 0);
	known[0] = &counts;
	counts.rx_packets = UINT64_MAX / 2;
	hg_load_measure(&meter, 10 * SECOND, known);
	assert_int_equal(port->rx_pps, 0); /* it was not there a moment ago */
	counts.rx_packets = UINT64_MAX;
	hg_load_measure(&meter, 10 * SECOND + 1, known);
	assert_int_equal(port->rx_pps, UINT32_MAX);
	hg_load_done(&meter);
}

/* Each packet reason is received, sent, both or held back, and nothing else. */
static void test_count(void **context)
{
	static struct hg_stat stats[HG_R_COUNT];
	struct hg_load_counts counts;

	(void)context;
	for (unsigned int r = 0; r < HG_R_COUNT; r++)
		stats[r] = (struct hg_stat){ .packets = 1, .octets = 100 };
	hg_load_count(stats, &counts);
	assert_int_equal(counts.rx_packets, HG_R_COUNT - (HG_R_EGRESS_BAD - HG_R_EGRESS_PASS + 1));
	assert_int_equal(counts.tx_packets, 7);
	memset(stats, 0, sizeof(stats));
	stats[HG_R_EGRESS_TRANSIT].packets = 5; /* held back */
	hg_load_count(stats, &counts);
	assert_int_equal(counts.rx_packets, 0);
	assert_int_equal(counts.tx_packets, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stat),	cmocka_unit_test(test_memory),
		cmocka_unit_test(test_machine), cmocka_unit_test(test_rates),
		cmocka_unit_test(test_count),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
