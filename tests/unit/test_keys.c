// SPDX-License-Identifier: GPL-2.0-or-later
/* Keys of the frames: mirrored on both nodes, dependent on all they should depend on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

#include "agent/history.h"
#include "agent/keys.h"

static __u8 cluster[HG_CLUSTER_KEY_LEN] = { 1, 2, 3 };
static __u8 nonce[2][HG_WIRE_NONCE_LEN] = { { 4 }, { 5 } };

static struct hg_key session(int self, const __u8 *key)
{
	struct hg_key_parties parties = { .self = self ? 7 : 2,
					  .peer = self ? 2 : 7,
					  .self_nonce = nonce[self],
					  .peer_nonce = nonce[!self] };
	struct hg_key ret;

	hg_keys_session(key, &parties, &ret);
	return ret;
}

static void expect_mirrored(const struct hg_key *a, const struct hg_key *b)
{
	assert_int_equal(a->id, b->id);
	assert_int_not_equal(a->id, 0);
	assert_memory_equal(a->tx, b->rx, sizeof(a->tx));
	assert_memory_equal(a->rx, b->tx, sizeof(a->rx));
	assert_memory_not_equal(a->tx, a->rx, sizeof(a->tx));
}

static void test_both_nodes_agree(void **context)
{
	struct hg_key_parties low = { .self = 2, .peer = 7 }, high = { .self = 7, .peer = 2 };
	struct hg_key a = session(0, cluster), b = session(1, cluster), c, d;

	(void)context;
	expect_mirrored(&a, &b);
	hg_keys_cluster(cluster, &low, &c);
	hg_keys_cluster(cluster, &high, &d);
	expect_mirrored(&c, &d);
	assert_true(a.id & 0x80000000u);
	assert_false(c.id & 0x80000000u);
	assert_memory_not_equal(a.tx, c.tx, sizeof(a.tx));
}

static void test_everything_counts(void **context)
{
	struct hg_key before = session(0, cluster), after;
	__u8 other[HG_CLUSTER_KEY_LEN];

	(void)context;
	memcpy(other, cluster, sizeof(other));
	other[HG_CLUSTER_KEY_LEN - 1] ^= 1;
	after = session(0, other);
	assert_memory_not_equal(before.tx, after.tx, sizeof(before.tx));
	for (int side = 0; side < 2; side++) {
		nonce[side][HG_WIRE_NONCE_LEN - 1] ^= 0x80;
		after = session(0, cluster);
		assert_memory_not_equal(before.tx, after.tx, sizeof(before.tx));
		assert_int_not_equal(before.id, after.id);
		nonce[side][HG_WIRE_NONCE_LEN - 1] ^= 0x80;
	}
	after = session(0, cluster);
	assert_memory_equal(&before, &after, sizeof(before));
}

static void test_history_keeps_the_newest(void **context)
{
	static struct hg_history history;
	struct hg_history_event event = { .type = HG_HISTORY_FAULT };

	(void)context;
	assert_null(hg_history_get(&history, 1));
	assert_int_equal(hg_history_oldest(&history), 1);
	for (int i = 1; i <= HG_HISTORY_MAX + 10; i++) {
		event.epoch = i;
		assert_int_equal(hg_history_add(&history, &event)->seq, i);
	}
	assert_int_equal(hg_history_oldest(&history), 11);
	assert_null(hg_history_get(&history, 10));
	assert_int_equal(hg_history_get(&history, 11)->epoch, 11);
	assert_int_equal(hg_history_get(&history, HG_HISTORY_MAX + 10)->epoch, HG_HISTORY_MAX + 10);
	assert_null(hg_history_get(&history, HG_HISTORY_MAX + 11));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_both_nodes_agree),
		cmocka_unit_test(test_everything_counts),
		cmocka_unit_test(test_history_keeps_the_newest),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
