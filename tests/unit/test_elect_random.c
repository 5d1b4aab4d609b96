/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The election under events and observations that follow no rule. Whatever they are,
 * the invariants of elect.h hold. ELECT_STEPS sets the length, ELECT_SEED the seed.
 */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/core/elect.h"

#define STEPS 3000000u
#define GRANTS 512
#define LIFE 1500u /* steps until a new agent starts */

struct trial {
	uint64_t random;
	struct hg_elect el;
	struct hg_obs obs;
	struct hg_time now;
	uint64_t seen; /* highest epoch that anything mentioned */
	uint64_t claimed; /* by CLAIM_EPOCH, until RELEASE_EPOCH */
	uint64_t announced; /* by SEND_CLAIM */
	uint64_t served; /* by SERVE, or adopted */
	uint64_t counter; /* above all claims of all lives */
	uint64_t claims, serves, witnessed;
	struct hg_action asked; /* last question to the witness */
	struct hg_time asked_at;
	struct grant {
		uint64_t epoch;
		struct hg_time until;
	} grant[GRANTS]; /* of the witness, on this clock */
	unsigned int grants;
	uint64_t steps;
};

#define check(trial, cond)                                                       \
	do {                                                                     \
		if (!(cond))                                                     \
			fail_msg("step %" PRIu64 ", %s: %s", (trial)->steps,     \
				 hg_elect_state_name((trial)->el.state), #cond); \
	} while (0)

static uint64_t draw(struct trial *t, uint64_t below)
{
	t->random ^= t->random << 13;
	t->random ^= t->random >> 7;
	t->random ^= t->random << 17;
	return t->random % below;
}

static struct hg_time about_now(struct trial *t)
{
	uint64_t back = draw(t, 60000000);

	return (struct hg_time){ t->now.ns > back ? t->now.ns - back : 0 };
}

static void mention(struct trial *t, uint64_t epoch)
{
	if (t->seen < epoch)
		t->seen = epoch;
}

static uint64_t some_epoch(struct trial *t)
{
	uint64_t base = t->seen >> 8;

	return (base + draw(t, 3)) << 8 | 2;
}

static void draw_config(struct trial *t, struct hg_elect_config *config)
{
	*config = (struct hg_elect_config){
		.node = 1,
		.priority = draw(t, 256),
		.mode = draw(t, 8) ? HG_MODE_MEMBER : (enum hg_elect_mode)draw(t, 3),
		.isolation = draw(t, 2) ? HG_ISOLATION_STOP : HG_ISOLATION_CONTINUE,
		.has_peer = draw(t, 5) != 0,
		.has_witness = draw(t, 3) == 0,
		.is_failback = draw(t, 2),
		.failback_delay = HG_MS(draw(t, 200)),
		.interval = { draw(t, 7000000) }, /* senseless ones as well */
		.lease = HG_MS(draw(t, 40)),
		.hello = HG_MS(draw(t, 200)),
		.agent_grace = HG_MS(draw(t, 200)),
		.drain = HG_MS(draw(t, 200)),
		.margin = { draw(t, 400000) },
		.drift_ppm = draw(t, 20000),
		.handover_timeout = HG_MS(draw(t, 300)),
	};
}

static void draw_hello(struct trial *t, struct hg_elect_hello *hello)
{
	*hello = (struct hg_elect_hello){
		.role = (enum hg_role)draw(t, HG_ROLES),
		.epoch = draw(t, 3) ? t->obs.fence_epoch : some_epoch(t),
		.epoch_seen = draw(t, 10) ? 0 : some_epoch(t),
		.generation = draw(t, 2),
		.node = 2,
		.priority = draw(t, 256),
		.health = draw(t, 101),
		.is_consent = !draw(t, 4),
		.is_unfit = !draw(t, 4),
		.is_bound = draw(t, 2),
	};
	mention(t, hello->epoch);
	mention(t, hello->epoch_seen);
}

/* An honest witness that grants, or refuses with what it knows; or an answer to a question
 * of long ago, or to none. */
static void draw_witness(struct trial *t, struct hg_elect_witness *witness)
{
	bool is_true = t->asked.type == HG_ACT_SEND_WITNESS && draw(t, 8);

	*witness = (struct hg_elect_witness){
		.is_granted = draw(t, 3) != 0,
		.epoch = is_true ? t->asked.ask.epoch : (some_epoch(t) & ~UINT64_C(0xff)) | 1,
		.stamp = is_true ? t->asked_at : about_now(t),
		.lease = is_true ? t->asked.ask.lease : HG_MS(draw(t, 40)),
	};
	if (!witness->is_granted) {
		witness->epoch = some_epoch(t);
		if (t->el.config.has_witness && t->el.state != HG_EL_OFF)
			mention(t, witness->epoch);
		return;
	}
	t->grant[t->grants++ % GRANTS] = (struct grant){
		witness->epoch, hg_time_add(witness->stamp, witness->lease)
	};
}

/* What the peer and the data path may have done since. */
static void draw_obs(struct trial *t)
{
	struct hg_obs *obs = &t->obs;

	switch (draw(t, 10)) {
	case 0:
		obs->fence_epoch = draw(t, 6) ? obs->fence_epoch : some_epoch(t);
		obs->drain_until.ns = t->now.ns + draw(t, 100000000);
		break;
	case 1:
	case 2:
		obs->request = obs->last_grant = about_now(t);
		obs->request_epoch = obs->fence_epoch;
		break;
	case 3:
		obs->fenced_epoch = t->claimed;
		obs->fenced_stamp = about_now(t);
		break;
	case 4:
	case 5:
	case 6:
		if (t->now.ns < obs->lease_until.ns)
			obs->lease_until = hg_time_add(about_now(t), t->el.config.lease);
		break;
	case 7:
		obs->agent_age = HG_MS(draw(t, 300));
		break;
	case 8:
		obs->heard = about_now(t);
		break;
	case 9:
		obs->is_wrong_key = !draw(t, 3);
		break;
	}
	mention(t, obs->fence_epoch);
}

static void draw_event(struct trial *t, struct hg_elect_event *ev)
{
	uint64_t kind = draw(t, 40);

	*ev = (struct hg_elect_event){ .type = HG_EV_TICK };
	if (kind < 8)
		ev->type = HG_EV_HELLO;
	else if (kind < 12)
		ev->type = HG_EV_WITNESS;
	else if (kind < 20)
		ev->type = (enum hg_elect_event_type)draw(t, HG_EVS);
	if (ev->type == HG_EV_CONFIG && draw(t, 10))
		ev->type = HG_EV_TICK;
	if (ev->type == HG_EV_START || ev->type == HG_EV_CONFIG)
		draw_config(t, &ev->config);
	if (ev->type == HG_EV_HELLO)
		draw_hello(t, &ev->hello);
	if (ev->type == HG_EV_LEARN)
		ev->is_learning = draw(t, 2);
	if (ev->type == HG_EV_WITNESS)
		draw_witness(t, &ev->witness);
	if (ev->type == HG_EV_HEALTH) {
		ev->self.health = draw(t, 101);
		ev->self.is_fit = draw(t, 4);
		ev->self.generation = draw(t, 2);
		ev->self.is_unsynced = !draw(t, 4);
	}
}

static void advance(struct trial *t)
{
	struct hg_time due = hg_elect_deadline(&t->el, &t->obs);
	uint64_t how = draw(t, 100);

	if (how < 70 && due.ns != UINT64_MAX)
		t->now.ns = due.ns > t->now.ns ? due.ns + draw(t, 300000) : t->now.ns;
	else if (how < 99)
		t->now.ns += draw(t, 4000000);
	else
		t->now.ns += draw(t, 400000000);
}

static void check_grant(struct trial *t, const struct hg_action *act)
{
	bool is_found = false;

	for (unsigned int i = 0; i < GRANTS; i++)
		is_found = is_found || (t->grant[i].epoch == t->claimed &&
					t->grant[i].until.ns == act->until.ns);
	check(t, is_found);
	t->witnessed++;
}

static void check_renew(struct trial *t, const struct hg_action *act)
{
	check(t, t->served == t->el.epoch && t->el.epoch);
	check(t, !t->el.config.has_peer || !t->el.is_bound || t->el.config.has_witness);
	if (t->el.config.has_peer && t->el.config.has_witness) {
		check_grant(t, act);
		return;
	}
	check(t, act->until.ns == t->now.ns + t->el.config.lease.ns ||
			 (act->until.ns == t->now.ns + 200000000 &&
			  t->now.ns - t->obs.heard.ns >= 200000000));
}

static void check_serve(struct trial *t, const struct hg_elect_event *ev,
			const struct hg_action *act)
{
	const struct hg_elect_config *config = &t->el.config;
	const struct hg_obs *obs = &ev->obs;
	uint64_t lease = config->lease.ns;
	uint64_t wait = lease + lease / 1000000 * 2 * config->drift_ppm + config->margin.ns;
	bool is_fenced = obs->fenced_epoch == t->claimed &&
			 act->until.ns == obs->fenced_stamp.ns + lease;

	check(t, t->claimed && t->claimed == t->el.epoch);
	check(t, t->announced == t->claimed || !config->has_peer);
	check(t, obs->fence_epoch <= t->claimed);
	t->served = t->claimed;
	t->serves++;
	if (is_fenced)
		return;
	check(t, !obs->last_grant.ns || t->now.ns >= obs->last_grant.ns + wait);
	if (config->has_peer && config->has_witness) {
		check_grant(t, act);
		return;
	}
	check(t, act->until.ns == t->now.ns + lease);
	check(t, !config->has_peer || config->isolation == HG_ISOLATION_CONTINUE ||
			 t->el.has_standing);
}

static void check_action(struct trial *t, const struct hg_elect_event *ev,
			 const struct hg_actions *actions, unsigned int i)
{
	const struct hg_action *act = &actions->list[i];

	switch (act->type) {
	case HG_ACT_CLAIM_EPOCH:
		check(t, act->epoch > t->seen && (act->epoch & 0xff) == 1);
		check(t, actions->again && !t->claimed);
		t->claimed = t->obs.epoch = act->epoch;
		t->obs.lease_until.ns = 0;
		mention(t, act->epoch);
		t->counter = (act->epoch >> 8) + 1;
		t->claims++;
		break;
	case HG_ACT_SEND_CLAIM:
		check(t, act->epoch == t->claimed && t->claimed && !actions->again);
		t->announced = act->epoch;
		break;
	case HG_ACT_SERVE:
		check_serve(t, ev, act);
		t->obs.lease_until = act->until;
		break;
	case HG_ACT_ANNOUNCE:
	case HG_ACT_ADDRESSES_ADD:
		check(t, t->served == t->el.epoch && t->el.epoch);
		break;
	case HG_ACT_RENEW:
		check_renew(t, act);
		t->obs.lease_until = act->until;
		break;
	case HG_ACT_RELEASE_EPOCH:
		check(t, t->claimed);
		t->claimed = t->served = 0;
		t->obs.epoch = t->obs.lease_until.ns = 0;
		break;
	case HG_ACT_ADDRESSES_REMOVE:
		check(t, !t->claimed);
		break;
	case HG_ACT_SEND_REQUEST:
		check(t, t->served && t->served == t->el.epoch);
		break;
	case HG_ACT_SEND_PROBE:
		check(t, !t->claimed);
		break;
	case HG_ACT_TRANSITION:
		check(t, act->transition.to == t->el.state);
		check(t, act->transition.why == t->el.why);
		break;
	case HG_ACT_SEND_WITNESS:
		check(t, t->el.config.has_witness && t->el.config.has_peer && !actions->again);
		check(t, act->ask.epoch > 0 && (act->ask.epoch & 0xff) == 1);
		check(t, t->claimed ? act->ask.epoch == t->claimed : act->ask.epoch > t->seen);
		t->asked = *act;
		t->asked_at = t->now;
		break;
	case HG_ACT_SEND_HELLO:
	case HG_ACT_HANDOVER_DONE:
		break;
	case HG_ACTS:
		check(t, false);
		break;
	}
}

static unsigned int count(const struct hg_actions *actions, enum hg_action_type type)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < actions->count; i++)
		n += actions->list[i].type == type;
	return n;
}

static void check_state(struct trial *t, const struct hg_elect_event *ev,
			const struct hg_actions *actions)
{
	const struct hg_elect *el = &t->el;
	bool holds = el->state == HG_EL_ACTIVE || el->state == HG_EL_RELEASING;
	bool asks = ev->type == HG_EV_HANDOVER || ev->type == HG_EV_MAINTENANCE_ON;

	check(t, actions->count < HG_ACTIONS_MAX); /* none was lost */
	check(t, count(actions, HG_ACT_TRANSITION) <= 1);
	check(t, count(actions, HG_ACT_HANDOVER_DONE) <= 1);
	check(t, (el->epoch != 0) == (holds || el->state == HG_EL_CLAIMING));
	check(t, el->epoch == t->claimed);
	check(t, holds == (t->served != 0));
	check(t, el->is_consenting == (el->state == HG_EL_RELEASING));
	check(t, !el->is_bound || holds);
	check(t, !el->has_waiter || el->state == HG_EL_RELEASING);
	check(t, !asks || el->has_waiter || count(actions, HG_ACT_HANDOVER_DONE));
	if (el->state == HG_EL_OFF || ev->type == HG_EV_STOP || ev->type == HG_EV_START ||
	    ev->type == HG_EV_LEARN)
		return;
	check(t, el->epoch_seen >= t->seen);
	check(t, actions->again || hg_elect_deadline(el, &t->obs).ns > t->now.ns);
}

static void step(struct trial *t, struct hg_elect_event *ev)
{
	struct hg_actions actions;
	unsigned int rounds = 0;

	do {
		ev->now = t->now;
		ev->obs = t->obs;
		hg_elect_step(&t->el, ev, &actions);
		if (t->el.why == HG_WHY_ADOPTED && count(&actions, HG_ACT_TRANSITION))
			t->claimed = t->announced = t->served = t->el.epoch;
		for (unsigned int i = 0; i < actions.count; i++)
			check_action(t, ev, &actions, i);
		check_state(t, ev, &actions);
		*ev = (struct hg_elect_event){ .type = HG_EV_TICK };
		t->steps++;
		check(t, ++rounds < 4);
	} while (actions.again);
}

static void start(struct trial *t)
{
	struct hg_elect_event ev = { .type = HG_EV_START };

	hg_elect_init(&t->el);
	draw_config(t, &ev.config);
	ev.epoch_counter = t->counter; /* the disk remembers own claims, nobody the rest */
	t->seen = t->obs.fence_epoch > t->obs.epoch ? t->obs.fence_epoch : t->obs.epoch;
	/* An adopted or stale claim is the data path's; START answers for it. */
	t->claimed = t->served = t->obs.epoch;
	t->asked.type = HG_ACTS;
	memset(t->grant, 0, sizeof(t->grant));
	t->announced = 0;
	step(t, &ev);
}

static void test_invariants(void **context)
{
	const char *seed = getenv("ELECT_SEED"), *steps = getenv("ELECT_STEPS");
	uint64_t end = steps ? strtoull(steps, NULL, 0) : STEPS;
	static struct trial t;
	struct hg_elect_event ev;

	(void)context;
	t.random = seed ? strtoull(seed, NULL, 0) : 88172645463325252u;
	t.now.ns = 1000000000;
	print_message("seed %" PRIu64 "\n", t.random);
	while (t.steps < end) {
		start(&t);
		for (unsigned int i = 0; i < LIFE; i++) {
			advance(&t);
			draw_obs(&t);
			draw_event(&t, &ev);
			step(&t, &ev);
		}
	}
	print_message("%" PRIu64 " steps, %" PRIu64 " claims, %" PRIu64 " served, %" PRIu64
		      " by the witness\n",
		      t.steps, t.claims, t.serves, t.witnessed);
	/* A trial in which nothing happens proves nothing. */
	assert_true(t.serves > t.steps / 1000);
	assert_true(t.witnessed > t.steps / 5000);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_invariants) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
