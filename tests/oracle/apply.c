// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * hg_filter_apply() on real maps (root): counters over swaps, the default, appliers that
 * are killed or meet each other, packets that run meanwhile.
 */
#include <err.h>
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "rig.h"

#define SWAPS 25
#define KILLS 16
#define APPLIERS 3
#define APPLIES 4

static struct rig *rig;

/* Two rulesets that judge one packet differently in as many rules as possible. */
struct pair {
	struct generated *g[2];
	struct hg_compiled *set[2];
	struct packet packet;
	struct classify_answer answer[2];
};
static struct pair pair;

static bool is_answer(const struct classify_answer *a, const struct classify_answer *b)
{
	return a->count == b->count && !memcmp(a->rule, b->rule, a->count * sizeof(a->rule[0]));
}

static void expect(struct generated *g, const struct packet *packet, struct classify_answer *ret)
{
	uint32_t i;

	memset(ret, 0, sizeof(*ret));
	for (i = 0; i < g->ruleset.rule_count; i++)
		if (oracle_matches(&g->oracle, &g->ruleset.rule[i], packet))
			ret->rule[ret->count++] = i;
}

/* The packet has to match several rules of either set, and not the same ones. */
static void make_pair(void)
{
	unsigned int i, tries = 0;

	for (i = 0; i < 2; i++) {
		pair.g[i] = generate_new(77 + i, 600 + 300 * i);
		pair.set[i] = rig_compile(pair.g[i]);
	}
	do {
		if (++tries == 100000)
			errx(1, "no packet tells the rulesets apart");
		generate_packet(pair.g[tries % 2], &pair.packet);
		for (i = 0; i < 2; i++)
			expect(pair.g[i], &pair.packet, &pair.answer[i]);
	} while (pair.answer[0].count < 3 || pair.answer[1].count < 3 ||
		 is_answer(&pair.answer[0], &pair.answer[1]));
}

static int is_either(void)
{
	static __thread struct classify_answer now;

	rig_classify(rig, &pair.packet, &now);
	return is_answer(&now, &pair.answer[0]) || is_answer(&now, &pair.answer[1]);
}

static int group_teardown(void **state)
{
	unsigned int i;

	(void)state;
	for (i = 0; i < 2; i++) {
		hg_compile_free(pair.set[i]);
		generate_free(pair.g[i]);
	}
	rig_done(rig);
	return 0;
}

static int pinned(const char *name)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", rig->pin, name);
	fd = bpf_obj_get(path);
	assert_true(fd >= 0);
	return fd;
}

static struct hg_filter words(void)
{
	struct hg_filter words;
	struct hg_error error;

	assert_int_equal(hg_filter_read(rig->pin, &words, &error), 0);
	return words;
}

/* Rules with the ids `first`, `first + 1`, ... of which each takes every packet. */
static struct hg_compiled *plain(uint64_t first, unsigned int count, bool is_default_drop)
{
	struct hg_ruleset ruleset = { .rule_count = count, .is_default_drop = is_default_drop };
	struct hg_compile_context context = { 0 };
	struct hg_compiled *set;
	unsigned int i;

	ruleset.rule = calloc(count + 1, sizeof(*ruleset.rule));
	assert_non_null(ruleset.rule);
	for (i = 0; i < count; i++)
		ruleset.rule[i].id = first + i;
	assert_int_equal(hg_compile(&ruleset, &context, &set), 0);
	free(ruleset.rule);
	return set;
}

static void apply_plain(uint64_t first, unsigned int count, bool is_default_drop)
{
	struct hg_compiled *set = plain(first, count, is_default_drop);

	rig_apply(rig, set, NULL);
	hg_compile_free(set);
}

static uint32_t slot_of(uint64_t id)
{
	int fd = pinned("hg_rule_slot");
	struct hg_rule_slot slot = { .counter = HG_RULE_COUNTERS };

	bpf_map_lookup_elem(fd, &id, &slot);
	close(fd);
	return slot.counter;
}

/* As if a packet had hit the rule on each CPU. */
static void hit(uint64_t id, uint64_t packets)
{
	struct hg_rule_stat stat[libbpf_num_possible_cpus()];
	uint32_t slot = slot_of(id);
	int fd = pinned("hg_rule_stat"), cpu;

	assert_true(slot < HG_RULE_COUNTERS);
	for (cpu = 0; cpu < libbpf_num_possible_cpus(); cpu++)
		stat[cpu] = (struct hg_rule_stat){ packets, packets * 100, 5 + cpu, 1 };
	assert_int_equal(bpf_map_update_elem(fd, &slot, stat, BPF_ANY), 0);
	close(fd);
}

static uint64_t packets_of(__u64 id)
{
	struct hg_rule_stat stat;
	struct hg_error error;

	assert_int_equal(hg_filter_read_counters(rig->pin, &id, 1, &stat, &error), 0);
	assert_int_equal(stat.octets, stat.packets * 100);
	return stat.packets / libbpf_num_possible_cpus();
}

static void counters_follow_the_rules(void **state)
{
	uint32_t slot;

	(void)state;
	apply_plain(100, 10, false);
	hit(100, 7);
	hit(105, 9);
	slot = slot_of(105);
	apply_plain(105, 10, false); /* 105 is now the first rule; 100 is gone */
	assert_int_equal(packets_of(105), 9);
	assert_int_equal(slot_of(105), slot);
	assert_int_equal(packets_of(114), 0);
	apply_plain(100, 3, false);
	assert_int_equal(packets_of(100), 7); /* its place was not needed */
	assert_int_equal(packets_of(999), 0);
}

/* Three full rulesets in turn do not fit: the oldest gives way, those in force never. */
static void slots_are_taken_from_the_oldest(void **state)
{
	static bool is_taken[HG_RULE_COUNTERS];
	uint64_t round, i, first;

	(void)state;
	for (round = 1; round <= 4; round++) {
		first = round * 100000;
		apply_plain(first, HG_RULES_MAX, false);
		memset(is_taken, 0, sizeof(is_taken));
		for (i = round > 1 ? first - 100000 : first; i < first + HG_RULES_MAX; i++) {
			if (i == first - 100000 + HG_RULES_MAX)
				i = first;
			assert_true(slot_of(i) < HG_RULE_COUNTERS);
			assert_false(is_taken[slot_of(i)]);
			is_taken[slot_of(i)] = true;
		}
		assert_int_equal(packets_of(first), 0); /* nothing of who had it before */
		hit(first, round);
		hit(first + HG_RULES_MAX - 1, round);
	}
	assert_int_equal(packets_of(300000), 3);
	assert_int_equal(slot_of(100000), HG_RULE_COUNTERS);
}

static void default_changes_with_the_rules(void **state)
{
	struct hg_filter before;

	(void)state;
	apply_plain(1, 1, true);
	before = words();
	assert_int_equal(before.settled, before.generation);
	apply_plain(1, 0, false);
	assert_int_equal(words().generation, 0);
	assert_int_equal(words().last, before.generation);
	apply_plain(1, 0, false); /* again: nothing to do */
	assert_int_equal(words().last, before.generation);
	apply_plain(1, 0, true); /* no rules, but a default to keep */
	assert_int_equal(words().generation, before.generation + 1);
	apply_plain(1, 2, false);
	assert_int_equal(words().generation, before.generation + 2);
}

static void *classify_on(void *context)
{
	volatile bool *is_over = context;
	unsigned long wrong = 0, runs = 0;

	for (; !*is_over; runs++)
		wrong += !is_either();
	printf("          %lu packets meanwhile\n", runs);
	return (void *)(wrong + (runs < SWAPS));
}

static void packets_see_one_ruleset(void **state)
{
	volatile bool is_over = false;
	pthread_t thread;
	void *wrong;
	int i;

	(void)state;
	rig_apply(rig, pair.set[0], NULL);
	assert_int_equal(pthread_create(&thread, NULL, classify_on, (void *)&is_over), 0);
	for (i = 1; i <= SWAPS; i++)
		rig_apply(rig, pair.set[i % 2], NULL);
	is_over = true;
	pthread_join(thread, &wrong);
	assert_null(wrong);
}

static pid_t start_applier(unsigned int first)
{
	pid_t pid = fork();
	unsigned int i;

	assert_true(pid >= 0);
	if (pid)
		return pid;
	for (i = first; first < 2 || i < first + APPLIES; i++)
		rig_apply(rig, pair.set[i % 2], NULL);
	_exit(0);
}

/* Whenever it dies, packets see the old or the new ruleset, and the next one comes. */
static void killed_applier_leaves_a_ruleset(void **state)
{
	struct timespec pause = { 0 };
	unsigned int seen = 0;
	uint32_t before;
	pid_t pid;
	int i;

	(void)state;
	rig_apply(rig, pair.set[0], NULL);
	srand(3);
	for (i = 0; i < KILLS; i++) {
		before = words().generation;
		pid = start_applier(i % 2);
		pause.tv_nsec = rand() % 180000000;
		nanosleep(&pause, NULL);
		assert_int_equal(kill(pid, SIGKILL), 0);
		assert_int_equal(waitpid(pid, NULL, 0), pid);
		assert_true(is_either());
		seen += words().generation != before;
	}
	printf("          %u of %d died after a swap\n", seen, KILLS);
	rig_apply(rig, pair.set[1], NULL);
	assert_true(is_either());
	assert_int_equal(words().settled, words().generation);
}

static void appliers_wait_for_each_other(void **state)
{
	uint32_t before = words().generation;
	pid_t pid[APPLIERS];
	int i, status;

	(void)state;
	for (i = 0; i < APPLIERS; i++)
		pid[i] = start_applier(2 + i);
	for (i = 0; i < APPLIERS; i++) {
		assert_int_equal(waitpid(pid[i], &status, 0), pid[i]);
		assert_int_equal(status, 0);
	}
	assert_true(is_either());
	assert_int_equal(words().generation, before + APPLIERS * APPLIES); /* none was lost */
}

static void refuses_without_pins(void **state)
{
	struct hg_error error;

	(void)state;
	assert_int_equal(hg_filter_apply("/sys/fs/bpf/hg-none", pair.set[0], NULL, &error),
			 -ENOENT);
	assert_non_null(strstr(error.text, "/sys/fs/bpf/hg-none"));
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counters_follow_the_rules),
		cmocka_unit_test(slots_are_taken_from_the_oldest),
		cmocka_unit_test(default_changes_with_the_rules),
		cmocka_unit_test(packets_see_one_ruleset),
		cmocka_unit_test(killed_applier_leaves_a_ruleset),
		cmocka_unit_test(appliers_wait_for_each_other),
		cmocka_unit_test(refuses_without_pins),
	};

	(void)argc;
	rig = rig_new(argv[0]);
	make_pair();
	return cmocka_run_group_tests(tests, NULL, group_teardown);
}
