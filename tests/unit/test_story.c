// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Stories (agent/story.h) of made-up flights whose truth is known, and their files
 * (agent/dump.h).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/dump.h"
#include "agent/story.h"

#define MS UINT64_C(1000000)
#define START (UINT64_C(5000) * 1000 * MS)

static struct hg_agent agent;
static struct hg_setup setup;
static struct hg_cluster_node self = { .name = "gw2" }, peer = { .name = "gw1" };
static char directory[64];
static uint64_t now;
static struct hg_obs obs;

static int set_up(void **state)
{
	(void)state;
	memset(&agent, 0, sizeof(agent));
	if (hg_flight_new(&agent.flight))
		return -1;
	agent.setup = &setup;
	agent.self = &self;
	agent.peer = &peer;
	hg_elect_init(&agent.elect);
	agent.elect.config.lease = HG_MS(20);
	agent.elect.config.interval = HG_MS(5);
	strcpy(directory, "/tmp/hagate-story.XXXXXX");
	if (!mkdtemp(directory))
		return -1;
	snprintf(setup.node.state, sizeof(setup.node.state), "%s", directory);
	now = START;
	obs = (struct hg_obs){ .request = { now }, .heard = { now }, .last_grant = { now } };
	return 0;
}

static int tear_down(void **state)
{
	char command[128];

	(void)state;
	hg_flight_free(agent.flight);
	snprintf(command, sizeof(command), "rm -rf %s", directory);
	return system(command);
}

/* A step `after_ms` after the last one, due `late_ms` before it ran. */
static void step(double after_ms, double late_ms)
{
	struct hg_elect_event event = { .type = HG_EV_TICK };
	struct hg_actions none = { 0 };

	now += after_ms * MS;
	event.now.ns = now;
	event.obs = obs;
	hg_recorder_begin(&agent.flight->recorder, &agent.elect);
	hg_recorder_end(&agent.flight->recorder, &agent.elect, &event, &none,
			(struct hg_span){ late_ms * MS });
}

static struct hg_change *change(enum hg_elect_state from, enum hg_elect_state to, enum hg_why why)
{
	struct hg_changes *changes = &agent.flight->changes;
	struct hg_change *one = &changes->list[changes->count++ % HG_CHANGES];

	*one = (struct hg_change){
		.step = agent.flight->recorder.count - 1,
		.at = { now },
		.wall = { .tv_sec = now / 1000000000, .tv_nsec = now % 1000000000 },
		.from = from,
		.to = to,
		.why = why,
		.epoch = 0x502,
		.fence_epoch = obs.fence_epoch,
		.lease_until = obs.lease_until.ns,
		.last_grant = obs.last_grant.ns,
		.request = obs.request.ns,
	};
	return one;
}

/* A healthy standby: the holder's REQUEST every 5 ms. */
static void stand_by(unsigned int steps)
{
	for (unsigned int i = 0; i < steps; i++) {
		obs.request.ns = obs.heard.ns = obs.last_grant.ns = now + 4 * MS;
		step(5, 0.1);
	}
}

static void last_story(struct hg_story *ret)
{
	struct hg_episode episode;

	assert_true(hg_changes_episode(&agent.flight->changes, 1, &episode));
	hg_story_find(&agent, &episode, ret);
}

static void near(double value, double expected)
{
	if (value < expected - 0.01 || value > expected + 0.01)
		fail_msg("%f is not %f", value, expected);
}

static bool has_words(json_t *list, const char *words)
{
	bool is_found = false;

	for (size_t i = 0; i < json_array_size(list); i++)
		is_found |= strstr(json_string_value(json_array_get(list, i)), words) != NULL;
	json_decref(list);
	return is_found;
}

static void fall_silent(void)
{
	stand_by(400);
	step(5, 0.1);
	step(5, 0.1);
	step(5, 0.1);
	step(5, 0.1);
	change(HG_EL_STANDBY, HG_EL_CLAIMING, HG_WHY_SILENCE); /* 21 ms after the REQUEST */
}

static void test_waited_out(void **state)
{
	struct hg_story story;

	(void)state;
	fall_silent();
	step(3, 0);
	change(HG_EL_CLAIMING, HG_EL_ACTIVE, HG_WHY_SILENCE);
	for (int i = 0; i < 5; i++)
		step(5, 0);
	last_story(&story);
	assert_int_equal(story.side, HG_STORY_TAKER);
	assert_int_equal(story.cause->to, HG_EL_CLAIMING);
	near(story.request_age, 21);
	near(story.claim, 3);
	near(story.outage_most, 24);
	near(story.outage_least, 4); /* last grant + 20 ms of lease */
	near(story.gap, 5);
	near(story.late, 0.1);
	assert_false(story.is_fenced);
	assert_false(story.is_late);
	assert_true(story.heard_again < 0);
	assert_true(has_words(hg_story_advice(&story), "console"));
	assert_true(has_words(hg_story_sentences(&story), "waited out"));
}

static void test_fenced_by_a_living_peer(void **state)
{
	struct hg_story story;

	(void)state;
	fall_silent();
	obs.fenced_epoch = 0x502;
	obs.heard.ns = now + 300000;
	step(0.4, 0);
	change(HG_EL_CLAIMING, HG_EL_ACTIVE, HG_WHY_SILENCE);
	last_story(&story);
	assert_true(story.is_fenced);
	near(story.claim, 0.4);
	near(story.outage_most, 21.4);
	near(story.outage_least, 0);
	near(story.heard_again, 0.3);
	assert_true(has_words(hg_story_advice(&story), "gw1 lives"));
}

/* A holder whose agent slept for 100 ms; the data path went on for 80 of them, or not. */
static void sleep_and_lose(uint64_t granted_ms, struct hg_story *ret)
{
	for (int i = 0; i < 300; i++) {
		obs.lease_until.ns = now + 22 * MS;
		step(5, 0.1);
	}
	obs.lease_until.ns = now + (granted_ms + 20) * MS;
	step(105, 100);
	change(HG_EL_ACTIVE, HG_EL_LISTEN, HG_WHY_LEASE_ENDED);
	step(5, 0);
	last_story(ret);
	assert_int_equal(ret->side, HG_STORY_LOSER);
	assert_true(ret->is_late);
	near(ret->late, 100);
	near(ret->late_ago, 0);
	assert_true(ret->has_lease);
	near(ret->lease_left, (double)granted_ms + 20 - 105);
}

static void test_agent_alone_slept(void **state)
{
	struct hg_story story;

	(void)state;
	sleep_and_lose(80, &story);
	assert_true(story.has_kernel_lived);
	assert_true(has_words(hg_story_advice(&story), "Only the agent"));
	assert_true(has_words(hg_story_sentences(&story), "LATE"));
}

static void test_machine_slept(void **state)
{
	struct hg_story story;

	(void)state;
	sleep_and_lose(2, &story);
	assert_false(story.has_kernel_lived);
	assert_true(has_words(hg_story_advice(&story), "whole machine"));
}

static void sample(uint64_t at, uint64_t steal_ms, uint64_t waited_ms)
{
	struct hg_flight *flight = agent.flight;

	flight->cpu.cpus = 1;
	flight->cpu_ring[flight->cpu_count++ % HG_FLIGHT_CPU_SAMPLES] = (struct hg_cpu_sample){
		{ at }, steal_ms * MS, waited_ms * MS
	};
}

static void test_who_kept_the_cpu(void **state)
{
	struct hg_story story;

	(void)state;
	sample(START - 5, 1000, 2000);
	sleep_and_lose(2, &story);
	assert_true(story.steal < 0); /* no sample after it yet: nothing is claimed */
	sample(now + 5, 1080, 2001);
	last_story(&story);
	near(story.steal, 80);
	near(story.waited, 1);
	assert_true(has_words(hg_story_advice(&story), "hypervisor gave"));
	agent.flight->cpu_count--;
	sample(now + 5, 1000, 2090);
	last_story(&story);
	assert_true(has_words(hg_story_advice(&story), "real-time processes"));
}

/* Lost by its lateness, and won again 300 ms later: one story, of the loss. */
static void test_lost_and_retaken(void **state)
{
	struct hg_story story;
	uint64_t lost;

	(void)state;
	sleep_and_lose(2, &story);
	lost = obs.lease_until.ns;
	step(200, 0);
	change(HG_EL_LISTEN, HG_EL_CLAIMING, HG_WHY_ALONE);
	step(10, 0);
	change(HG_EL_CLAIMING, HG_EL_ACTIVE, HG_WHY_ALONE);
	last_story(&story);
	assert_int_equal(story.key->why, HG_WHY_LEASE_ENDED);
	near(story.outage_most, (now - lost) / 1e6);
	near(story.outage_least, story.outage_most);
	assert_true(has_words(hg_story_sentences(&story), "served again"));
}

static void test_fenced_holder(void **state)
{
	struct hg_story story;
	struct hg_change *lost;

	(void)state;
	for (int i = 0; i < 300; i++) {
		obs.lease_until.ns = now + 22 * MS;
		step(5, 0.1);
	}
	obs.fence_epoch = 0x601;
	step(5, 0.1);
	lost = change(HG_EL_ACTIVE, HG_EL_DRAINING, HG_WHY_OVERRULED);
	lost->fenced_at = now - 200000;
	step(1, 0);
	obs.request_epoch = 0x601;
	obs.request.ns = now + 500000;
	step(1, 0);
	last_story(&story);
	assert_true(story.is_fenced);
	near(story.outage_most, 1.7);
	assert_true(has_words(hg_story_advice(&story), "Ask gw1"));
}

/* Episodes are told apart by a second of quiet, and the ring forgets the oldest. */
static void test_episodes(void **state)
{
	struct hg_episode episode;
	unsigned int count = 0;

	(void)state;
	assert_false(hg_changes_episode(&agent.flight->changes, 1, &episode));
	for (int i = 0; i < 50; i++) {
		step(1001, 0);
		change(HG_EL_STANDBY, HG_EL_CLAIMING, HG_WHY_CONSENT);
		step(1, 0);
		change(HG_EL_CLAIMING, HG_EL_ACTIVE, HG_WHY_CONSENT);
	}
	while (hg_changes_episode(&agent.flight->changes, count + 1, &episode)) {
		assert_int_equal(episode.end - episode.first, 2);
		count++;
	}
	assert_int_equal(count, HG_CHANGES / 2);
	assert_true(hg_changes_episode(&agent.flight->changes, 1, &episode));
	assert_int_equal(episode.end, 100);
}

/* A story whose steps are gone says so, and does not invent. */
static void test_steps_gone(void **state)
{
	struct hg_story story;

	(void)state;
	fall_silent();
	for (int i = 0; i < 2 * HG_RECORDER_STEPS; i++)
		step(5, 0);
	last_story(&story);
	assert_false(story.has_steps);
	assert_true(story.late < 0 && story.gap < 0 && story.heard_again < 0);
	assert_true(has_words(hg_story_sentences(&story), "no longer kept"));
}

/* --- files ------------------------------------------------------------------------------ */

static size_t count_lines(uint64_t id)
{
	char path[128];
	size_t lines = 0;
	FILE *file;
	int c;

	snprintf(path, sizeof(path), "%s/transition-%013llu.jsonl", directory,
		 (unsigned long long)id);
	file = fopen(path, "r");
	assert_non_null(file);
	while ((c = getc(file)) != EOF)
		lines += c == '\n';
	fclose(file);
	return lines;
}

static void test_files(void **state)
{
	uint64_t id[64], first;
	struct hg_episode episode;
	json_t *told, *read;

	(void)state;
	for (int i = 0; i < HG_DUMP_FILES + 5; i++) {
		stand_by(300);
		change(HG_EL_STANDBY, HG_EL_CLAIMING, HG_WHY_SILENCE);
		assert_true(hg_changes_episode(&agent.flight->changes, 1, &episode));
		assert_int_equal(hg_dump_write(&agent, &episode), 0);
	}
	assert_int_equal(hg_dump_list(directory, id, 64), HG_DUMP_FILES);
	first = hg_episode_id(&agent.flight->changes, &episode);
	assert_int_equal(id[0], first);
	assert_true(id[1] < id[0]);
	assert_in_range(count_lines(first), 1 + 200, 1 + 200 + 2 * HG_RECORDER_BLOCK);
	told = hg_story_tell(&agent, &episode);
	assert_int_equal(hg_dump_read(directory, first, &read), 0);
	assert_true(json_equal(told, read));
	json_decref(told);
	json_decref(read);
	assert_int_equal(hg_dump_read(directory, first + 1, &read), -ENOENT);
}

/* A file holds so many steps, however fast they come. */
static void test_file_is_bounded(void **state)
{
	struct hg_episode episode;

	(void)state;
	for (int i = 0; i < 4000; i++)
		step(0.1, 0);
	change(HG_EL_STANDBY, HG_EL_CLAIMING, HG_WHY_SILENCE);
	assert_true(hg_changes_episode(&agent.flight->changes, 1, &episode));
	assert_int_equal(hg_dump_write(&agent, &episode), 0);
	assert_true(count_lines(hg_episode_id(&agent.flight->changes, &episode)) <=
		    1 + HG_DUMP_STEPS_MAX + HG_RECORDER_BLOCK);
}

static void test_unwritable(void **state)
{
	struct hg_episode episode;
	uint64_t id[4];

	(void)state;
	fall_silent();
	snprintf(setup.node.state, sizeof(setup.node.state), "%s/nothing", directory);
	assert_true(hg_changes_episode(&agent.flight->changes, 1, &episode));
	assert_int_equal(hg_dump_write(&agent, &episode), -ENOENT);
	assert_int_equal(hg_dump_list(setup.node.state, id, 4), 0);
	snprintf(setup.node.state, sizeof(setup.node.state), "/dev/full");
	assert_true(hg_dump_write(&agent, &episode) < 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_waited_out),	      TEST(test_fenced_by_a_living_peer),
		TEST(test_agent_alone_slept), TEST(test_machine_slept),
		TEST(test_who_kept_the_cpu),  TEST(test_lost_and_retaken),
		TEST(test_fenced_holder),     TEST(test_episodes),
		TEST(test_steps_gone),	      TEST(test_files),
		TEST(test_file_is_bounded),   TEST(test_unwritable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
