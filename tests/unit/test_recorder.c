// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The flight recorder (agent/recorder.h): a core driven by random events is recorded,
 * written as text, read back and played again; every step must come out the same.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/recorder.h"
#include "agent/recorder_json.h"

static struct hg_recorder recorder;
static struct hg_elect elect;
static uint64_t random_state, now;

static uint64_t draw(uint64_t below)
{
	random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (random_state >> 33) % below;
}

static struct hg_time moment(void)
{
	uint64_t back = draw(60) * 1000000;

	return (struct hg_time){ draw(8) ? now - back : now + back };
}

static void draw_obs(struct hg_obs *ret)
{
	*ret = (struct hg_obs){
		.lease_until = moment(),
		.fence_epoch = hg_epoch_make(1 + draw(300), 2),
		.epoch = elect.epoch,
		.served_epoch = elect.served_epoch,
		.drain_until = moment(),
		.last_grant = moment(),
		.heard = moment(),
		.request = moment(),
		.request_epoch = hg_epoch_make(1 + draw(300), 2),
		.agent_age = { draw(3000) * 1000000 },
		.fenced_epoch = draw(2) ? elect.epoch : 0,
		.fenced_stamp = moment(),
		.is_wrong_key = !draw(20),
	};
}

static struct hg_elect_config config(void)
{
	return (struct hg_elect_config){
		.node = 1,
		.priority = 200,
		.mode = HG_MODE_MEMBER,
		.isolation = draw(2) ? HG_ISOLATION_STOP : HG_ISOLATION_CONTINUE,
		.has_peer = true,
		.has_witness = draw(2),
		.is_failback = true,
		.failback_delay = HG_MS(50),
		.interval = HG_MS(5),
		.lease = HG_MS(20),
		.hello = HG_MS(100),
		.agent_grace = HG_MS(2000),
		.drain = HG_MS(10),
		.margin = { 200000 },
		.drift_ppm = 10000,
		.handover_timeout = HG_MS(1000),
	};
}

static void draw_event(struct hg_elect_event *ret)
{
	*ret = (struct hg_elect_event){ .type = draw(4) ? HG_EV_TICK : draw(HG_EVS),
					.now = { now } };
	draw_obs(&ret->obs);
	if (ret->type == HG_EV_START)
		ret->type = HG_EV_CONFIG;
	if (ret->type == HG_EV_CONFIG)
		ret->config = config();
	if (ret->type == HG_EV_HELLO)
		ret->hello = (struct hg_elect_hello){
			.role = draw(HG_ROLES),
			.epoch = hg_epoch_make(draw(300), 2),
			.epoch_seen = hg_epoch_make(draw(300), 2),
			.generation = UINT64_MAX - draw(3),
			.node = 2,
			.priority = 100,
			.health = draw(101),
			.is_consent = !draw(5),
			.is_unfit = !draw(5),
			.is_bound = draw(2),
		};
	if (ret->type == HG_EV_WITNESS)
		ret->witness = (struct hg_elect_witness){
			.is_granted = draw(2),
			.epoch = hg_epoch_make(draw(300), 1 + draw(2)),
			.stamp = { now - draw(1000000) },
			.lease = HG_MS(draw(200)),
		};
	if (ret->type == HG_EV_LEARN)
		ret->is_learning = draw(2);
	if (ret->type == HG_EV_HEALTH) {
		ret->self.health = draw(101);
		ret->self.is_fit = draw(4);
		ret->self.generation = draw(9);
		ret->self.is_unsynced = draw(2);
	}
}

static void take(const struct hg_elect_event *event)
{
	struct hg_actions actions;

	hg_recorder_begin(&recorder, &elect);
	hg_elect_step(&elect, event, &actions);
	hg_recorder_end(&recorder, &elect, event, &actions, (struct hg_span){ draw(2) * 77 });
}

static void drive(uint64_t seed, unsigned int steps)
{
	struct hg_elect_event event;

	memset(&recorder, 0, sizeof(recorder));
	random_state = seed;
	now = 1000000000;
	hg_elect_init(&elect);
	event = (struct hg_elect_event){ .type = HG_EV_START, .now = { now } };
	event.config = config();
	event.epoch_counter = 7;
	take(&event);
	for (unsigned int i = 1; i < steps; i++) {
		now += draw(6) * 1000000 + draw(1000);
		draw_event(&event);
		take(&event);
	}
}

/* Through text, as a file would. */
static json_t *reread(json_t *json)
{
	char *text = json_dumps(json, JSON_COMPACT);
	json_t *read;

	assert_non_null(text);
	json_decref(json);
	read = json_loads(text, 0, NULL);
	assert_non_null(read);
	free(text);
	return read;
}

static void read_before(uint64_t number, struct hg_elect *ret)
{
	json_t *json = reread(hg_recorder_snapshot_to_json(hg_recorder_before(&recorder, number)));

	assert_int_equal(hg_recorder_snapshot_from_json(json, ret), 0);
	json_decref(json);
}

static void read_step(uint64_t number, struct hg_record *ret)
{
	json_t *json = reread(hg_recorder_step_to_json(hg_recorder_step(&recorder, number)));

	assert_int_equal(hg_recorder_step_from_json(json, ret), 0);
	json_decref(json);
}

static unsigned int replay(void)
{
	uint64_t number = hg_recorder_oldest(&recorder);
	unsigned int transitions = 0;
	struct hg_elect again;

	read_before(number, &again);
	for (; number < recorder.count; number++) {
		struct hg_actions actions;
		struct hg_record step;

		read_step(number, &step);
		hg_elect_step(&again, &step.event, &actions);
		assert_int_equal(again.state, step.state);
		assert_int_equal(again.epoch, step.epoch);
		assert_int_equal(actions.count, step.count);
		for (unsigned int i = 0; i < step.count; i++)
			assert_int_equal(actions.list[i].type, step.action[i]);
		assert_int_equal(hg_recorder_digest(&actions), step.digest);
		assert_int_equal(actions.again, step.again);
		transitions += step.why != HG_WHY_NONE;
	}
	assert_int_equal(again.state, elect.state);
	assert_int_equal(again.now.ns, elect.now.ns);
	return transitions;
}

static void test_replays_to_the_letter(void **state)
{
	unsigned int transitions = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= 20; seed++) {
		drive(seed, 700);
		assert_int_equal(hg_recorder_oldest(&recorder), 0);
		transitions += replay();
	}
	assert_true(transitions > 1000); /* the events meant something */
}

static void test_ring_loses_whole_blocks(void **state)
{
	(void)state;
	for (unsigned int over = 0; over < 3 * HG_RECORDER_BLOCK; over += 31) {
		uint64_t oldest;

		drive(over, HG_RECORDER_STEPS + over);
		oldest = hg_recorder_oldest(&recorder);
		assert_int_equal(oldest % HG_RECORDER_BLOCK, 0);
		assert_true(recorder.count - oldest > HG_RECORDER_STEPS - HG_RECORDER_BLOCK);
		assert_null(oldest ? hg_recorder_step(&recorder, oldest - 1) : NULL);
		assert_null(hg_recorder_step(&recorder, recorder.count));
		assert_null(hg_recorder_before(&recorder, oldest + 1));
		replay();
	}
}

/* A replay that begins in the middle begins at a block. */
static void test_replays_from_any_block(void **state)
{
	struct hg_elect again;
	struct hg_actions actions;
	uint64_t block;

	(void)state;
	drive(5, 1000);
	block = hg_recorder_block(777);
	assert_int_equal(block, 768);
	again = *hg_recorder_before(&recorder, block);
	for (; block < recorder.count; block++)
		hg_elect_step(&again, &hg_recorder_step(&recorder, block)->event, &actions);
	assert_int_equal(again.state, elect.state);
	assert_int_equal(again.epoch_seen, elect.epoch_seen);
	assert_int_equal(again.probes_unanswered, elect.probes_unanswered);
}

/* A step that did something else has another digest. */
static void test_digest_sees_arguments(void **state)
{
	struct hg_actions a = { .count = 1, .list = { { HG_ACT_SERVE, .until = { 5 } } } };
	struct hg_actions b = { .count = 1, .list = { { HG_ACT_SERVE, .until = { 6 } } } };
	struct hg_actions c = { .count = 1, .list = { { HG_ACT_RENEW, .until = { 5 } } } };
	struct hg_actions none = { 0 };

	(void)state;
	assert_true(hg_recorder_digest(&a) != hg_recorder_digest(&b));
	assert_true(hg_recorder_digest(&a) != hg_recorder_digest(&c));
	assert_true(hg_recorder_digest(&a) != hg_recorder_digest(&none));
}

static int read_text(const char *text)
{
	struct hg_record step = { .count = 99 };
	json_t *json = json_loads(text, 0, NULL);
	int err;

	assert_non_null(json);
	err = hg_recorder_step_from_json(json, &step);
	if (err)
		assert_int_equal(step.count, 99);
	json_decref(json);
	return err;
}

#define TICK(obs, rest) "{\"event\":\"tick\",\"now_ns\":5,\"obs\":" obs rest "}"
#define DONE ",\"state\":\"off\",\"actions\":[]"

static void test_refuses_nonsense(void **state)
{
	static const char *const wrong[] = {
		"{}",
		"[]",
		TICK("{}", ""),
		TICK("[]", DONE),
		TICK("{\"heard\":-1}", DONE),
		TICK("{\"heard\":1.5}", DONE),
		TICK("{\"epoch\":\"501\"}", DONE),
		TICK("{\"epoch\":\"0x\"}", DONE),
		TICK("{\"epoch\":\"0x-1\"}", DONE),
		TICK("{\"epoch\":\"0x11111111111111111\"}", DONE),
		TICK("{\"is_wrong_key\":1}", DONE),
		TICK("{}", ",\"state\":\"king\",\"actions\":[]"),
		TICK("{}", ",\"state\":\"off\",\"actions\":[\"dance\"]"),
		TICK("{}", ",\"state\":\"off\",\"actions\":[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,"
			   "16,17]"),
		TICK("{}", DONE ",\"reason\":\"silence\""),
		"{\"event\":\"hello\",\"now_ns\":5,\"obs\":{}" DONE "}",
		"{\"event\":\"hello\",\"now_ns\":5,\"obs\":{},\"hello\":{\"health\":256}" DONE "}",
		"{\"event\":\"tock\",\"now_ns\":5,\"obs\":{}" DONE "}",
	};
	struct hg_elect snapshot;
	json_t *short_one = json_pack("{s:s}", "snapshot", "00ff");

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(read_text(wrong[i]), -EINVAL);
	assert_int_equal(read_text(TICK("{}", DONE)), 0);
	assert_int_equal(hg_recorder_snapshot_from_json(short_one, &snapshot), -EINVAL);
	assert_int_equal(hg_recorder_snapshot_from_json(NULL, &snapshot), -EINVAL);
	json_decref(short_one);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_replays_to_the_letter),
		cmocka_unit_test(test_ring_loses_whole_blocks),
		cmocka_unit_test(test_replays_from_any_block),
		cmocka_unit_test(test_digest_sees_arguments),
		cmocka_unit_test(test_refuses_nonsense),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
