// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Rates under overload on all processors at once (root): what is let through in some
 * seconds is the configured rate, within two percent, in all and for each source. And
 * the lines of rate.h natively, raced.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "bpf/rate.h"

#include "filter_rig.h"

#include "egress.skel.h"
#include "gate.skel.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define SECOND 1000000000ull
#define RUN_NS (2 * SECOND)
#define THREADS 4
#define SOURCES 8

struct load {
	pthread_t thread;
	const struct frame *frame; /* [count], in turn */
	unsigned int count, repeat;
	uint64_t end; /* of the run */
	uint64_t runs, passed[SOURCES]; /* passed: with repeat 1 */
	uint64_t last; /* right after its last packet */
};

static int set_up(void **state)
{
	(void)state;
	rig_reset(&node_a);
	return 0;
}

/* One call; returns the last verdict. */
static __u32 run_once(struct load *load)
{
	unsigned int i = load->runs++ % load->count;
	const struct frame *f = &load->frame[i];
	struct xdp_md context = { .data_end = (__u32)f->len,
				  .ingress_ifindex = (__u32)rig_ifindex(RIG_LAN) };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = f->data, .data_size_in = (__u32)f->len,
		    .ctx_in = &context, .ctx_size_in = sizeof(context),
		    .repeat = (int)load->repeat);

	if (bpf_prog_test_run_opts(bpf_program__fd(node_a.gate->progs.hg_gate), &opts))
		abort();
	load->passed[i] += opts.retval == XDP_PASS;
	return opts.retval;
}

/* True for a packet above the rate at a known time, load->last: what was due until then has
 * passed. A processor that is taken away in between does not say when it was. */
static bool is_used_up(struct load *load)
{
	uint64_t before = rig_now();
	bool is_above = run_once(load) == XDP_DROP;

	load->last = rig_now();
	return is_above && load->last - before < SECOND / 1000;
}

/* Uses up the bursts of all frames; the time. */
static uint64_t exhaust(const struct frame *frames, unsigned int count)
{
	struct load load = { .count = 1, .repeat = 1 };
	unsigned int i;

	for (i = 0; i < 2 * count; i++) { /* twice, as the first fill while others go */
		load.frame = &frames[i % count];
		while (!is_used_up(&load))
			;
	}
	return load.last;
}

static void *run_load(void *argument)
{
	struct load *load = argument;
	bool is_exact;

	do
		is_exact = is_used_up(load);
	while (load->last < load->end || !is_exact);
	return NULL;
}

/* Sends the frames from THREADS threads; passed[i] of frame i (only with repeat 1). Starts
 * at `start`; returns the time it took. */
static uint64_t overload(const struct frame *frames, unsigned int count, unsigned int repeat,
			 uint64_t start, uint64_t *passed)
{
	struct load load[THREADS] = { 0 };
	uint64_t last = 0, runs = 0;
	unsigned int i, k;

	memset(passed, 0, count * sizeof(*passed));
	for (i = 0; i < THREADS; i++) {
		load[i].frame = frames;
		load[i].count = count;
		load[i].repeat = repeat;
		load[i].runs = i; /* another frame first */
		load[i].end = start + RUN_NS;
		assert_int_equal(pthread_create(&load[i].thread, NULL, run_load, &load[i]), 0);
	}
	for (i = 0; i < THREADS; i++) {
		pthread_join(load[i].thread, NULL);
		for (k = 0; k < count; k++)
			passed[k] += load[i].passed[k];
		if (load[i].last > last)
			last = load[i].last;
		runs += load[i].runs;
	}
	printf("  %.0f packets/s offered\n",
	       (double)runs * repeat * SECOND / (double)(last - start));
	return last - start;
}

/* To the node's own address, which needs no lease. */
static void make(struct frame *f, const char *from)
{
	bool is_ip6 = strchr(from, ':');

	frame_ether(f, node_a.lan_mac, mac_host, is_ip6 ? ETH_P_IPV6 : ETH_P_IP, 0);
	if (is_ip6)
		frame_ip6(f, from, "fd01::2", IPPROTO_UDP);
	else
		frame_ip4(f, from, "10.1.0.2", IPPROTO_UDP);
	frame_udp(f, 1000, 53);
	frame_finish(f);
}

static void check(uint64_t passed, double rate, uint64_t took)
{
	double expected = rate * (double)took / SECOND;
	double off = ((double)passed - expected) / expected;

	printf("  %.0f/s: %+.2f %%\n", rate, off * 100);
	assert_true(off <= 0.02 && off >= -0.02);
}

/* The bursts are long, so that nothing is lost while another process has the machine. */
static void test_total(void **state)
{
	static const unsigned int rates[] = { 1000, 10000 };
	static struct frame frame;
	struct hg_rule_stat before, after;
	uint64_t passed, start, took;
	char rule[96];
	size_t i;

	(void)state;
	make(&frame, "203.0.113.9");
	for (i = 0; i < sizeof(rates) / sizeof(*rates); i++) {
		snprintf(rule, sizeof(rule), "accept proto udp rate %u/s burst %u", rates[i],
			 rates[i] / 2);
		filter_rules(rule, "drop");
		start = exhaust(&frame, 1);
		before = filter_counters(0);
		took = overload(&frame, 1, 100, start, &passed);
		after = filter_counters(0);
		check(after.packets - after.exceeded - (before.packets - before.exceeded), rates[i],
		      took);
		assert_int_equal(filter_counters(1).packets, 0);
	}
}

static void make_sources(struct frame *frames, const char *format)
{
	char text[64];
	int i;

	for (i = 0; i < SOURCES; i++) {
		snprintf(text, sizeof(text), format, i + 1);
		make(&frames[i], text);
	}
}

static void check_sources(const char *rule, const char *format, unsigned int rate)
{
	static struct frame frames[SOURCES];
	uint64_t passed[SOURCES], took;
	int i;

	make_sources(frames, format);
	filter_rules(rule, "drop");
	took = overload(frames, SOURCES, 1, exhaust(frames, SOURCES), passed);
	for (i = 0; i < SOURCES; i++)
		check(passed[i], rate, took);
}

static void test_per_source(void **state)
{
	(void)state;
	check_sources("accept proto udp rate 500/s burst 250 per source", "203.0.113.%d", 500);
	check_sources("accept proto udp rate 800/s burst 400 per source", "2001:db8:9:%d::9", 800);
	check_sources("accept proto udp rate 501/s burst 250 per source/24", "203.0.%d.9", 501);
}

/* One bucket for all of a prefix. */
static void test_shared_prefix(void **state)
{
	static struct frame frames[SOURCES];
	uint64_t passed[SOURCES], sum = 0, took;
	int i;

	(void)state;
	make_sources(frames, "203.0.113.%d");
	filter_rules("accept proto udp rate 4000/s burst 2000 per source/24", "drop");
	took = overload(frames, SOURCES, 1, exhaust(frames, SOURCES), passed);
	for (i = 0; i < SOURCES; i++)
		sum += passed[i];
	check(sum, 4000, took);
}

/* --- rate.h by itself ----------------------------------------------------------- */

static void test_by_the_book(void **state)
{
	const __u64 increment = 100, limit = 3 * increment; /* a burst of four */
	__u64 tat = 0, now = 1000;
	int i;

	(void)state;
	for (i = 0; i < 4; i++)
		assert_true(hg_rate_conforms(&tat, now, increment, limit));
	assert_false(hg_rate_conforms(&tat, now, increment, limit));
	assert_int_equal(tat, now + 4 * increment); /* what is refused is not charged */
	assert_false(hg_rate_conforms(&tat, now + increment - 1, increment, limit));
	assert_true(hg_rate_conforms(&tat, now + increment, increment, limit));
	assert_false(hg_rate_conforms(&tat, now + increment, increment, limit));
	now = tat + 50; /* all used up: full again, not fuller */
	for (i = 0; i < 4; i++)
		assert_true(hg_rate_conforms(&tat, now, increment, limit));
	assert_false(hg_rate_conforms(&tat, now, increment, limit));
	tat = 0;
	assert_true(hg_rate_conforms(&tat, now, increment, 0)); /* no burst at all */
	assert_false(hg_rate_conforms(&tat, now + increment - 1, increment, 0));
	assert_true(hg_rate_conforms(&tat, now + increment, increment, 0));
}

#define RACES 2000000u

static __u64 raced;
static atomic_uint waiting;

static void *race(void *argument)
{
	unsigned int *accepted = argument, i;

	atomic_fetch_sub(&waiting, 1);
	while (atomic_load(&waiting))
		;
	for (i = 0; i < RACES; i++)
		*accepted += (unsigned int)hg_rate_conforms(&raced, 1, 7, ~0ull >> 1);
	return NULL;
}

/* Whatever is accepted is charged, however often a turn is lost. */
static void test_race(void **state)
{
	unsigned int accepted[THREADS] = { 0 }, sum = 0, i;
	pthread_t thread[THREADS];

	(void)state;
	raced = 1;
	atomic_store(&waiting, THREADS);
	for (i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, race, &accepted[i]), 0);
	for (i = 0; i < THREADS; i++) {
		pthread_join(thread[i], NULL);
		sum += accepted[i];
	}
	assert_int_equal(sum, THREADS * RACES);
	assert_int_equal(raced, 1 + 7ull * sum);
}

static int open_node(void **state)
{
	if (rig_setup(state))
		return -1;
	filter_open(&node_a);
	/* A program in use is not put into the kernel's dispatcher anew for each run, which
	 * would wait for a grace period each time. */
	return bpf_xdp_attach(rig_ifindex(RIG_WAN), bpf_program__fd(node_a.gate->progs.hg_gate), 0,
			      NULL);
}

static int close_node(void **state)
{
	filter_close();
	return rig_teardown(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_by_the_book),
		cmocka_unit_test(test_race),
		cmocka_unit_test_setup(test_total, set_up),
		cmocka_unit_test_setup(test_per_source, set_up),
		cmocka_unit_test_setup(test_shared_prefix, set_up),
	};

	return cmocka_run_group_tests_name("rate", tests, open_node, close_node);
}
