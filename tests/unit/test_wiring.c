/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Frames below IP: what is taken for one, and whose it is. What a test of MACs means. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

#include "agent/keys.h"
#include "agent/mac.h"
#include "wiring/frame.h"

static struct hg_wiring_key key = { { 1, 2 } }, other = { { 1, 3 } };

static struct hg_wiring_frame beacon(void)
{
	struct hg_wiring_frame frame = { .type = HG_WIRING_BEACON, .sender = 1 };

	strcpy(frame.port_name, "lan");
	strcpy(frame.node_name, "gw1");
	hg_wiring_sign(&frame, &key);
	return frame;
}

static void test_good(void **context)
{
	struct hg_wiring_frame frame = beacon(), ret;
	char padded[200] = { 0 };

	(void)context;
	assert_true(hg_wiring_check(&frame, sizeof(frame), &ret));
	assert_string_equal(ret.port_name, "lan");
	assert_true(hg_wiring_is_authentic(&frame, &key));
	assert_false(hg_wiring_is_authentic(&frame, &other));
	memcpy(padded, &frame, sizeof(frame)); /* NICs pad, switches may add */
	assert_true(hg_wiring_check(padded, sizeof(padded), &ret));
}

/* libsodium's SipHash gives the same tag. */
static void test_tag(void **context)
{
	struct hg_wiring_frame frame = beacon();
	unsigned char tag[crypto_shorthash_siphashx24_BYTES];

	(void)context;
	crypto_shorthash_siphashx24(tag, (unsigned char *)&frame, sizeof(frame) - sizeof(frame.tag),
				    (const unsigned char *)key.word);
	assert_memory_equal(tag, frame.tag, sizeof(tag));
}

static void test_every_octet_is_signed(void **context)
{
	struct hg_wiring_frame frame = beacon();
	uint8_t *octet = (uint8_t *)&frame;

	(void)context;
	for (size_t i = 0; i < sizeof(frame); i++) {
		octet[i] ^= 0x10;
		assert_false(hg_wiring_is_authentic(&frame, &key));
		octet[i] ^= 0x10;
	}
	assert_true(hg_wiring_is_authentic(&frame, &key));
}

static void test_bad(void **context)
{
	struct hg_wiring_frame frame = beacon(), ret;

	(void)context;
	for (size_t size = 0; size < sizeof(frame); size++)
		assert_false(hg_wiring_check(&frame, size, &ret));
	frame.version++;
	assert_false(hg_wiring_check(&frame, sizeof(frame), &ret));
	frame = beacon();
	frame.type = HG_WIRING_TYPES;
	assert_false(hg_wiring_check(&frame, sizeof(frame), &ret));
	frame.type = 0;
	assert_false(hg_wiring_check(&frame, sizeof(frame), &ret));
	frame = beacon();
	frame.length ^= 1;
	assert_false(hg_wiring_check(&frame, sizeof(frame), &ret));
	frame = beacon();
	frame.magic ^= 1;
	assert_false(hg_wiring_check(&frame, sizeof(frame), &ret));
}

static void test_names_are_tamed(void **context)
{
	struct hg_wiring_frame frame = beacon(), ret;

	(void)context;
	memset(frame.node_name, 0xff, sizeof(frame.node_name));
	strcpy(frame.ifname, "e\033[2J\n0");
	assert_true(hg_wiring_check(&frame, sizeof(frame), &ret));
	assert_string_equal(ret.node_name, "???????????????");
	assert_string_equal(ret.ifname, "e?[2J?0");
}

static void test_key(void **context)
{
	__u8 a[HG_CLUSTER_KEY_LEN] = { 7 }, b[HG_CLUSTER_KEY_LEN] = { 8 };
	__u64 first[2], second[2];
	struct hg_key_parties parties = { .self = 1, .peer = 2 };
	struct hg_key cluster;

	(void)context;
	hg_keys_wiring(a, first);
	hg_keys_wiring(b, second);
	assert_memory_not_equal(first, second, sizeof(first));
	hg_keys_cluster(a, &parties, &cluster);
	assert_memory_not_equal(first, cluster.tx, sizeof(first));
	assert_memory_not_equal(first, cluster.rx, sizeof(first));
}

#define BOTH (HG_WIRING_SEEN_FROM_T | HG_WIRING_SEEN_TO_T)

static void expect_mac(uint8_t here, uint8_t there, enum hg_mac_verdict verdict, const char *words)
{
	struct hg_mac_evidence evidence = {
		.at = 1, .is_asker = true, .seen_here = here, .seen_there = there
	};
	char text[512];

	assert_int_equal(hg_mac_judge(&evidence), verdict);
	hg_mac_explain(&evidence, "gw1", "gw2", text, sizeof(text));
	if (!strstr(text, words))
		fail_msg("'%s' is not in '%s'", words, text);
	hg_mac_explain(&evidence, "gw1", "gw2", text, 20); /* cut, not overrun */
	assert_true(strlen(text) < 20);
}

static void test_verdicts(void **context)
{
	const uint8_t answer = HG_WIRING_SEEN_ANSWER;
	struct hg_mac_evidence none = { 0 }, told = { .at = 1 };

	(void)context;
	assert_int_equal(hg_mac_judge(&none), HG_MAC_UNTESTED);
	assert_int_equal(hg_mac_judge(&told),
			 HG_MAC_IMPOSSIBLE); /* a RESULT came: somebody is there */
	expect_mac(0, 0, HG_MAC_NO_ANSWER, "gw2 does not answer");
	expect_mac(BOTH | answer, BOTH, HG_MAC_POSSIBLE, "both ways");
	expect_mac(answer, 0, HG_MAC_IMPOSSIBLE, "gw1 gets no frames");
	expect_mac(answer | BOTH, HG_WIRING_SEEN_FROM_T, HG_MAC_IMPOSSIBLE, "gw2 gets no frames");
	expect_mac(answer | HG_WIRING_SEEN_TO_T, BOTH, HG_MAC_IMPOSSIBLE,
		   "frames of gw2 from a MAC that is not its NIC's do not arrive");
	expect_mac(answer | BOTH, HG_WIRING_SEEN_TO_T | HG_WIRING_SEEN_REWRITTEN, HG_MAC_IMPOSSIBLE,
		   "of gw1 from a MAC that is not its NIC's arrive with another");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_tag),
		cmocka_unit_test(test_every_octet_is_signed),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_names_are_tamed),
		cmocka_unit_test(test_key),
		cmocka_unit_test(test_verdicts),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
