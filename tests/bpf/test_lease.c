// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * bpf/lease.h as native code where the kernel tests cannot go: several CPUs at once.
 * Two threads meet again and again at a barrier and race for one step; each round is
 * checked against what any order of the two may leave behind.
 */
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <linux/types.h>

/* Lets a test act in the middle of a step: just before a word is swapped. */
static void (*before_swap)(__u64 *word);

static __u64 swap(__u64 *word, __u64 old, __u64 value)
{
	if (before_swap)
		before_swap(word);
	return __sync_val_compare_and_swap(word, old, value);
}
#define __sync_val_compare_and_swap(word, old, value) swap(word, old, value)

#include "bpf/lease.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#define ROUNDS 50000
#define LEASE 1000u
#define MINE 0x902ull /* the claim that withdraws this node's grants */
#define HOLDER 0x801ull

static const struct hg_config config = {
	.lease_ns = LEASE, .agent_grace_ns = 10000, .drain_ns = 5000, .node = 2, .peers = { 1 }
};

/* One node, seen by two threads. */
static struct hg_state state;
static struct hg_peer peer;
static struct hg_path path;
static int arrived, round_no; /* of the barrier */
static bool is_first[2];
static int is_done; /* by whoever goes first, in rounds whose order is fixed */

static void meet(void)
{
	int now = __atomic_load_n(&round_no, __ATOMIC_ACQUIRE);
	unsigned int spins = 0;

	if (__atomic_add_fetch(&arrived, 1, __ATOMIC_ACQ_REL) == 2) {
		__atomic_store_n(&arrived, 0, __ATOMIC_RELAXED);
		__atomic_store_n(&round_no, now + 1, __ATOMIC_RELEASE);
		return;
	}
	/* Spins for the closest race, but not for long: the other may have no CPU. */
	while (__atomic_load_n(&round_no, __ATOMIC_ACQUIRE) == now)
		if (++spins % 2048 == 0)
			sched_yield();
}

/* Sweeps one side over the other, so that every run sees both orders. */
static void linger(uint64_t round)
{
	uint64_t i;

	for (i = 0; i < round % 128 * 4; i++)
		__asm__ volatile("" ::: "memory");
}

static void receive(enum hg_wire_type type, uint64_t epoch, uint64_t seq, uint64_t stamp,
		    uint64_t now, struct hg_lease_result *ret)
{
	struct hg_lease lease = {
		.config = &config, .state = &state, .peer = &peer, .path = &path, .now = now
	};
	struct hg_lease_frame frame = { .type = type, .epoch = epoch, .seq = seq, .stamp = stamp };

	hg_lease_receive(&lease, &frame, ret);
}

static void reset(void)
{
	memset(&state, 0, sizeof(state));
	memset(&peer, 0, sizeof(peer));
	memset(&path, 0, sizeof(path));
	is_first[0] = is_first[1] = false;
	is_done = 0;
}

struct race {
	void (*left)(uint64_t round);
	void (*right)(uint64_t round);
};

static void *run_right(void *context)
{
	const struct race *race = context;
	uint64_t i;

	for (i = 1; i <= ROUNDS; i++) {
		meet(); /* reset is done */
		race->right(i);
		meet(); /* round is over */
	}
	return NULL;
}

/* Runs both sides ROUNDS times; `check` judges after each round. */
static void run(const struct race *race, void (*check)(uint64_t round))
{
	pthread_t thread;
	uint64_t i;

	assert_int_equal(pthread_create(&thread, NULL, run_right, (void *)race), 0);
	for (i = 1; i <= ROUNDS; i++) {
		reset();
		meet();
		race->left(i);
		meet();
		check(i);
	}
	pthread_join(thread, NULL);
}

/* The agent withdraws while XDP grants: no grant later than the one the agent saw. */
static uint64_t seen_grant;
static struct hg_lease_result granted;

static void withdraw(uint64_t round)
{
	while (round % 16 == 0 && !__atomic_load_n(&is_done, __ATOMIC_ACQUIRE))
		sched_yield();
	linger(round);
	__atomic_store_n(&state.epoch, MINE, __ATOMIC_SEQ_CST);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	seen_grant = __atomic_load_n(&state.last_grant, __ATOMIC_SEQ_CST);
	__atomic_store_n(&is_done, 1, __ATOMIC_RELEASE);
}

static void grant(uint64_t round)
{
	while (round % 16 == 1 && !__atomic_load_n(&is_done, __ATOMIC_ACQUIRE))
		sched_yield();
	receive(HG_WIRE_REQUEST, HOLDER, round, 1, round + 1, &granted);
	__atomic_store_n(&is_done, 1, __ATOMIC_RELEASE);
}

static unsigned int grants, refusals;

static void check_withdrawal(uint64_t round)
{
	if (granted.answer == HG_WIRE_GRANT) {
		grants++;
		assert_int_equal(seen_grant, round + 1);
	} else {
		refusals++;
	}
}

static void test_withdrawal(void **unused)
{
	const struct race race = { withdraw, grant };

	(void)unused;
	run(&race, check_withdrawal);
	print_message("%u granted, %u refused\n", grants, refusals);
	assert_true(grants >= ROUNDS / 16 && refusals >= ROUNDS / 16);
}

/* The same at its narrowest: the agent acts at the last moment before the grant is
 * written down, and has read that there was none. */
static void withdraw_before_grant(__u64 *word)
{
	if (word != &state.last_grant)
		return;
	seen_grant = state.last_grant;
	state.epoch = MINE;
}

static void test_withdrawal_between(void **unused)
{
	(void)unused;
	reset();
	before_swap = withdraw_before_grant;
	receive(HG_WIRE_REQUEST, HOLDER, 1, 1, 2, &granted);
	before_swap = NULL;
	assert_int_equal(seen_grant, 0);
	assert_int_equal(granted.reason, HG_R_PEER_STALE);
	assert_int_equal(granted.answer, 0);
	reset();
	before_swap = withdraw_before_grant; /* a FENCED is the same promise */
	receive(HG_WIRE_CLAIM, HOLDER, 1, 1, 2, &granted);
	before_swap = NULL;
	assert_int_equal(granted.answer, 0);
}

/* One number, two CPUs: exactly one accepts it. */
static void accept_left(uint64_t round)
{
	is_first[0] = hg_lease_is_new(&path.seq[0][HG_WIRE_PROBE], round);
}

static void accept_right(uint64_t round)
{
	is_first[1] = hg_lease_is_new(&path.seq[0][HG_WIRE_PROBE], round);
}

static void check_replay(uint64_t round)
{
	assert_int_equal(is_first[0] + is_first[1], 1);
	assert_int_equal(path.seq[0][HG_WIRE_PROBE], round);
}

static void accept_before(__u64 *word)
{
	before_swap = NULL;
	is_first[0] = hg_lease_is_new(word, 7);
}

static void test_replay_between(void **unused)
{
	(void)unused;
	reset();
	before_swap = accept_before;
	is_first[1] = hg_lease_is_new(&path.seq[0][HG_WIRE_PROBE], 7);
	before_swap = NULL;
	assert_true(is_first[0]);
	assert_false(is_first[1]);
}

static void test_replay(void **unused)
{
	const struct race race = { accept_left, accept_right };

	(void)unused;
	run(&race, check_replay);
}

/* A CPU that was stopped with an old clock takes nothing back. */
static void raise_low(uint64_t round)
{
	struct hg_lease_result ret;

	receive(HG_WIRE_REQUEST, HOLDER, 1, 1, round, &ret);
}

static void raise_high(uint64_t round)
{
	struct hg_lease_result ret;

	receive(HG_WIRE_CLAIM, HOLDER, 1, 1, round + 50, &ret);
}

static void check_raised(uint64_t round)
{
	assert_int_equal(state.last_grant, round + 50);
	assert_int_equal(state.fence_epoch, HOLDER);
}

static void test_stopped_cpu(void **unused)
{
	const struct race race = { raise_low, raise_high };

	(void)unused;
	run(&race, check_raised);
}

/* A grant for the old epoch meets a new claim: the new epoch gets no lease by it. */
static void renew(uint64_t round)
{
	struct hg_lease_result ret;

	state.epoch = HOLDER;
	state.lease_until = 500;
	meet();
	receive(HG_WIRE_GRANT, HOLDER, round, 100, 200, &ret);
}

static void reclaim(uint64_t round)
{
	meet();
	linger(round);
	__atomic_store_n(&state.lease_until, 0, __ATOMIC_SEQ_CST);
	__atomic_store_n(&state.epoch, MINE, __ATOMIC_SEQ_CST);
}

static void check_reclaimed(uint64_t round)
{
	(void)round;
	assert_int_equal(state.lease_until, 0);
}

static void reclaim_before(__u64 *word)
{
	if (word != &state.lease_until)
		return;
	state.lease_until = 0;
	state.epoch = MINE;
}

static void test_reclaim_between(void **unused)
{
	struct hg_lease_result ret;

	(void)unused;
	reset();
	state.epoch = HOLDER;
	state.lease_until = 500;
	before_swap = reclaim_before;
	receive(HG_WIRE_GRANT, HOLDER, 1, 100, 200, &ret);
	before_swap = NULL;
	assert_int_equal(state.epoch, MINE);
	assert_int_equal(state.lease_until, 0);
	assert_int_not_equal(ret.reason, HG_R_PEER_GRANT);
}

static void test_reclaim(void **unused)
{
	const struct race race = { renew, reclaim };

	(void)unused;
	run(&race, check_reclaimed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_withdrawal_between),
		cmocka_unit_test(test_withdrawal),
		cmocka_unit_test(test_replay_between),
		cmocka_unit_test(test_replay),
		cmocka_unit_test(test_stopped_cpu),
		cmocka_unit_test(test_reclaim_between),
		cmocka_unit_test(test_reclaim),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
