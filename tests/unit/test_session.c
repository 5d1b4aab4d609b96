/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The session handshake: step by step, and two agents over a line that loses, delays
 * and reorders HELLOs, while machines restart and everything ever sent is sent again.
 */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/core/session.h"

struct side {
	struct hg_session session;
	uint64_t clock;
	uint64_t boots;
	uint8_t slot[2][2 * HG_WIRE_NONCE_LEN]; /* "keys": both nonces, lower side first */
	bool is_first;
};

static void draw_nonce(uint8_t nonce[HG_WIRE_NONCE_LEN], uint64_t who, uint64_t boot)
{
	memset(nonce, 0, HG_WIRE_NONCE_LEN);
	memcpy(nonce, &who, sizeof(who));
	memcpy(nonce + 8, &boot, sizeof(boot));
}

/* is_kept: the data path outlives the agent, so do its keys and the clock. */
static void side_boot(struct side *side, bool is_kept)
{
	uint8_t nonce[HG_WIRE_NONCE_LEN];
	int adopted = is_kept ? hg_session_sending(&side->session) : HG_SESSION_NONE;

	side->boots++;
	draw_nonce(nonce, side->is_first ? 1 : 2, side->boots);
	if (!is_kept) {
		memset(side->slot, 0, sizeof(side->slot));
		side->clock = 1000 + side->boots;
	}
	hg_session_init(&side->session, nonce, adopted);
}

static void side_init(struct side *side, bool is_first)
{
	memset(side, 0, sizeof(*side));
	side->is_first = is_first;
	side->session.sending = HG_SESSION_NONE;
	side_boot(side, false);
}

static struct hg_session_hello side_say(struct side *side, bool is_reply)
{
	struct hg_session_hello hello;

	if (is_reply)
		hg_session_reply(&side->session, &hello);
	else
		hg_session_echo(&side->session, &hello);
	hello.seq = ++side->clock;
	return hello;
}

static enum hg_session_verdict side_hear(struct side *side, const struct hg_session_hello *hello)
{
	enum hg_session_verdict verdict;
	struct hg_time now = { ++side->clock };
	uint8_t *key;

	verdict = hg_session_receive(&side->session, now, hello);
	if (verdict == HG_SESSION_INSTALL) {
		key = side->slot[hg_session_slot(&side->session)];
		memcpy(key + (side->is_first ? 0 : HG_WIRE_NONCE_LEN), side->session.own,
		       HG_WIRE_NONCE_LEN);
		memcpy(key + (side->is_first ? HG_WIRE_NONCE_LEN : 0), hello->nonce,
		       HG_WIRE_NONCE_LEN);
	}
	return verdict;
}

/* A frame of `from` verifies at `to`. */
static bool is_understood(const struct side *from, const struct side *to)
{
	int slot = hg_session_sending(&from->session);

	if (slot == HG_SESSION_NONE)
		return false;
	return !memcmp(from->slot[slot], to->slot[0], sizeof(to->slot[0])) ||
	       !memcmp(from->slot[slot], to->slot[1], sizeof(to->slot[1]));
}

static bool is_agreed(const struct side *a, const struct side *b)
{
	return a->session.is_confirmed && b->session.is_confirmed &&
	       !memcmp(a->session.peer, b->session.own, HG_WIRE_NONCE_LEN) &&
	       !memcmp(b->session.peer, a->session.own, HG_WIRE_NONCE_LEN) && is_understood(a, b) &&
	       is_understood(b, a);
}

/* Delivers, and whatever is to be said at once. Returns HELLOs said. */
static unsigned int converse(struct side *from, struct side *to, struct hg_session_hello hello)
{
	enum hg_session_verdict verdict = side_hear(to, &hello);

	if (verdict == HG_SESSION_INSTALL || verdict == HG_SESSION_REPLY)
		return 1 + converse(to, from, side_say(to, verdict == HG_SESSION_REPLY));
	return 0;
}

static void meet(struct side *a, struct side *b)
{
	converse(a, b, side_say(a, false));
	converse(b, a, side_say(b, false));
	converse(a, b, side_say(a, false));
	assert_true(is_agreed(a, b));
}

/* --- by steps ---------------------------------------------------------------------- */

static void test_first_meeting(void **context)
{
	struct side a, b;
	struct hg_session_hello hello;

	(void)context;
	side_init(&a, true);
	side_init(&b, false);
	hello = side_say(&a, false);
	assert_int_equal(side_hear(&b, &hello), HG_SESSION_REPLY);
	hello = side_say(&b, true);
	assert_int_equal(side_hear(&a, &hello), HG_SESSION_INSTALL);
	assert_int_equal(hg_session_sending(&a.session), 0);
	assert_false(a.session.is_confirmed);
	hello = side_say(&a, false);
	assert_int_equal(side_hear(&b, &hello), HG_SESSION_INSTALL);
	hello = side_say(&b, false);
	assert_int_equal(side_hear(&a, &hello), HG_SESSION_CURRENT);
	assert_true(a.session.is_confirmed);
	assert_false(b.session.is_confirmed);
	hello = side_say(&a, false);
	assert_int_equal(side_hear(&b, &hello), HG_SESSION_CURRENT);
	assert_true(is_agreed(&a, &b));
}

static void test_old_session_until_confirmed(void **context)
{
	struct side a, b;
	struct hg_session_hello hello;

	(void)context;
	side_init(&a, true);
	side_init(&b, false);
	meet(&a, &b);
	side_boot(&b, true); /* the agent only: its data path and keys stay */
	assert_true(is_understood(&a, &b) && is_understood(&b, &a));
	hello = side_say(&b, false);
	assert_int_equal(side_hear(&a, &hello), HG_SESSION_REPLY);
	hello = side_say(&a, true);
	assert_int_equal(side_hear(&b, &hello), HG_SESSION_INSTALL);
	assert_int_equal(hg_session_slot(&b.session), 1);
	assert_int_equal(hg_session_sending(&b.session), 0);
	assert_true(is_understood(&a, &b) && is_understood(&b, &a));
	hello = side_say(&b, false);
	assert_int_equal(side_hear(&a, &hello), HG_SESSION_INSTALL);
	assert_true(is_understood(&a, &b) && is_understood(&b, &a));
	converse(&a, &b, side_say(&a, false));
	assert_true(is_understood(&a, &b) && is_understood(&b, &a));
	converse(&b, &a, side_say(&b, false));
	converse(&a, &b, side_say(&a, false));
	assert_true(is_agreed(&a, &b));
	assert_int_equal(hg_session_sending(&a.session), 1);
}

/* The same HELLO on two ports: the second says nothing about what the first brought. */
static void test_not_confirmed_by_what_was_said_before(void **context)
{
	struct side a, b;
	struct hg_session_hello hello, twin;

	(void)context;
	side_init(&a, true);
	side_init(&b, false);
	meet(&a, &b);
	side_boot(&b, true);
	hello = side_say(&a, false);
	assert_int_equal(side_hear(&b, &hello), HG_SESSION_REPLY);
	hello = side_say(&b, true);
	twin = side_say(&b, true);
	assert_int_equal(side_hear(&a, &hello), HG_SESSION_INSTALL);
	assert_int_equal(side_hear(&a, &twin), HG_SESSION_CURRENT);
	assert_false(a.session.is_confirmed);
	assert_true(is_understood(&a, &b)); /* still under the session that b adopted */
}

static void test_replay_of_old_boots(void **context)
{
	struct side a, b;
	struct hg_session_hello heard[20], never[20], hello;

	(void)context;
	side_init(&a, true);
	side_init(&b, false);
	for (int i = 0; i < 20; i++) {
		meet(&a, &b);
		heard[i] = side_say(&b, false); /* echoes this very boot of a */
		assert_int_equal(side_hear(&a, &heard[i]), HG_SESSION_CURRENT);
		side_boot(&b, false);
		/* A boot that nothing of reached a, though it heard a and was recorded. */
		hello = side_say(&a, false);
		side_hear(&b, &hello);
		never[i] = side_say(&b, true);
		side_boot(&b, false);
	}
	meet(&a, &b);
	for (int i = 0; i < 20; i++) {
		assert_int_not_equal(side_hear(&a, &heard[i]), HG_SESSION_INSTALL);
		assert_int_not_equal(side_hear(&a, &never[i]), HG_SESSION_INSTALL);
		assert_int_not_equal(side_hear(&a, &heard[i]), HG_SESSION_CURRENT);
	}
	assert_true(is_agreed(&a, &b));
}

static void test_nonsense(void **context)
{
	struct side a, b;
	struct hg_session_hello hello;

	(void)context;
	side_init(&a, true);
	side_init(&b, false);
	hello = side_say(&a, false);
	assert_int_equal(side_hear(&a, &hello), HG_SESSION_IGNORE); /* reflected */
	memset(hello.nonce, 0, sizeof(hello.nonce));
	assert_int_equal(side_hear(&a, &hello), HG_SESSION_IGNORE);
	hello = side_say(&b, false);
	memcpy(hello.echo, a.session.own, sizeof(hello.echo));
	hello.stamp = a.clock + 1000; /* a HELLO that a has not sent yet */
	assert_int_equal(side_hear(&a, &hello), HG_SESSION_IGNORE);
	assert_int_equal(hg_session_sending(&a.session), HG_SESSION_NONE);
}

static void test_simultaneous_restart(void **context)
{
	struct side a, b;
	struct hg_session_hello from_a, from_b;

	(void)context;
	side_init(&a, true);
	side_init(&b, false);
	meet(&a, &b);
	side_boot(&a, false);
	side_boot(&b, false);
	from_a = side_say(&a, false); /* both speak before either hears */
	from_b = side_say(&b, false);
	assert_true(converse(&a, &b, from_a) + converse(&b, &a, from_b) < 12);
	converse(&a, &b, side_say(&a, false));
	converse(&b, &a, side_say(&b, false));
	assert_true(is_agreed(&a, &b));
}

/* --- at random --------------------------------------------------------------------- */

#define LINE 64
#define RECORD 4096

struct line {
	uint64_t random;
	struct side side[2];
	struct {
		struct hg_session_hello hello;
		int to;
	} way[LINE], record[RECORD];
	unsigned int count;
	uint64_t recorded;
	bool is_bad; /* loses, delays, replays */
};

static uint64_t draw(struct line *line, uint64_t below)
{
	line->random ^= line->random << 13;
	line->random ^= line->random >> 7;
	line->random ^= line->random << 17;
	return line->random % below;
}

static void put(struct line *line, int from, struct hg_session_hello hello)
{
	unsigned int slot = line->recorded++ % RECORD;

	line->record[slot].hello = hello;
	line->record[slot].to = !from;
	if (line->count == LINE || (line->is_bad && draw(line, 3) == 0))
		return;
	line->way[line->count].hello = hello;
	line->way[line->count++].to = !from;
}

static void deliver(struct line *line)
{
	unsigned int i = line->is_bad ? draw(line, line->count) : 0;
	struct hg_session_hello hello = line->way[i].hello;
	int to = line->way[i].to;
	enum hg_session_verdict verdict;

	line->count--;
	memmove(&line->way[i], &line->way[i + 1], (line->count - i) * sizeof(line->way[0]));
	verdict = side_hear(&line->side[to], &hello);
	if (verdict == HG_SESSION_INSTALL || verdict == HG_SESSION_REPLY)
		put(line, to, side_say(&line->side[to], verdict == HG_SESSION_REPLY));
}

static void trouble(struct line *line)
{
	uint64_t kind = draw(line, 400);
	int n = draw(line, 2);

	line->side[0].clock += draw(line, 5);
	line->side[1].clock += draw(line, 5);
	if (kind < 100 && line->count)
		deliver(line);
	else if (kind < 200)
		put(line, n, side_say(&line->side[n], false));
	else if (kind < 300 && line->recorded) {
		uint64_t kept = line->recorded < RECORD ? line->recorded : RECORD;
		uint64_t old = draw(line, kept);

		if (line->count < LINE)
			line->way[line->count++] = (__typeof__(line->way[0])){
				line->record[old].hello, line->record[old].to
			};
	} else if (kind < 302)
		side_boot(&line->side[n], draw(line, 2));
	else if (kind == 302) {
		side_boot(&line->side[0], false);
		side_boot(&line->side[1], false);
	}
}

/* Regular HELLOs of both sides until they agree. */
static unsigned int rounds_to_agree(struct line *line)
{
	unsigned int rounds = 0;

	while (!is_agreed(&line->side[0], &line->side[1])) {
		for (int n = 0; n < 2; n++)
			put(line, n, side_say(&line->side[n], false));
		while (line->count)
			deliver(line);
		if (++rounds > 10)
			return rounds;
	}
	return rounds;
}

static void test_always_agree(void **context)
{
	static struct line line;
	unsigned int most = 0, rounds;

	(void)context;
	line.random = getenv("SESSION_SEED") ? strtoull(getenv("SESSION_SEED"), NULL, 0)
					     : 0x2545f4914f6cdd1du;
	print_message("seed %" PRIu64 "\n", line.random);
	side_init(&line.side[0], true);
	side_init(&line.side[1], false);
	for (int trial = 0; trial < 3000; trial++) {
		line.is_bad = true;
		for (int i = 0; i < 400; i++)
			trouble(&line);
		line.is_bad = false;
		rounds = rounds_to_agree(&line);
		if (rounds > most)
			most = rounds;
		if (rounds > 3)
			fail_msg("trial %d: no agreement after %u rounds", trial, rounds);
		/* From here no recording moves them apart. */
		for (uint64_t i = 0; i < RECORD && i < line.recorded; i++) {
			struct side *side = &line.side[line.record[i].to];

			assert_int_not_equal(side_hear(side, &line.record[i].hello),
					     HG_SESSION_INSTALL);
		}
		assert_true(is_agreed(&line.side[0], &line.side[1]));
	}
	print_message("agreed after %u rounds of HELLOs at most\n", most);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_first_meeting),
		cmocka_unit_test(test_old_session_until_confirmed),
		cmocka_unit_test(test_not_confirmed_by_what_was_said_before),
		cmocka_unit_test(test_replay_of_old_boots),
		cmocka_unit_test(test_nonsense),
		cmocka_unit_test(test_simultaneous_restart),
		cmocka_unit_test(test_always_agree),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
