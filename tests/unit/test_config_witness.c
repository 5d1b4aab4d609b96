// SPDX-License-Identifier: GPL-2.0-or-later
/* `witness` in cluster.yaml: forms that are taken, mistakes, the hash. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "agent/config_value.h"
#include "config_fixture.h"

static const char cluster[] = "cluster: home\n"
			      "nodes:\n"
			      "  gw1: { id: 1, addresses: { lan: 10.1.0.2 } }\n"
			      "  gw2: { id: 2, addresses: { lan: 10.1.0.3 } }\n"
			      "ports:\n"
			      "  lan: { heartbeat: true, vips: [10.1.0.1/24] }\n";

static int read_with(const char *witness)
{
	char text[1024];

	snprintf(text, sizeof(text), "%switness: %s\n", cluster, witness);
	config_write_text(text);
	return config_read_cluster(fixture.path, NULL);
}

static void expect(const char *witness, const char *address, uint16_t port)
{
	char text[HG_IP_TEXT];

	config_expect_ok(read_with(witness));
	assert_string_equal(hg_ip_text(&fixture.cluster.witness, text), address);
	assert_int_equal(fixture.cluster.witness_port, port);
	hg_config_done(&fixture.cluster);
}

static void test_forms(void **state)
{
	(void)state;
	expect("10.9.0.9", "10.9.0.9", 4701);
	expect("10.9.0.9:1", "10.9.0.9", 1);
	expect("\"10.9.0.9:65535\"", "10.9.0.9", 65535);
	expect("2001:db8::9", "2001:db8::9", 4701);
	expect("\"[2001:db8::9]\"", "2001:db8::9", 4701);
	expect("\"[2001:db8::9]:4702\"", "2001:db8::9", 4702);
	expect("\"[10.9.0.9]:4702\"", "10.9.0.9", 4702);
	config_write_text(cluster);
	config_expect_ok(config_read_cluster(fixture.path, NULL));
	assert_int_equal(fixture.cluster.witness.family, 0);
	hg_config_done(&fixture.cluster);
}

static void refuse(const char *witness, const char *piece)
{
	if (!read_with(witness))
		fail_msg("accepted: %s", witness);
	assert_int_equal(config_count_errors(), 1);
	if (!strstr(fixture.text, piece) || !strstr(fixture.text, ":7:10: error: "))
		fail_msg("%s: '%s' is not in\n%s", witness, piece, fixture.text);
}

static void test_mistakes(void **state)
{
	(void)state;
	refuse("witness.example.org", "witness");
	refuse("10.9.0.9:0", "is not ADDRESS, ADDRESS:PORT or [ADDRESS]:PORT");
	refuse("10.9.0.9:65536", "is not ADDRESS");
	refuse("\"10.9.0.9:\"", "is not ADDRESS");
	refuse("10.9.0.9:4701x", "is not ADDRESS");
	refuse("\"[2001:db8::9\"", "is not ADDRESS");
	refuse("\"[2001:db8::9]4701\"", "is not ADDRESS");
	refuse("\"[2001:db8::9]:\"", "is not ADDRESS");
	refuse("10.9.0.0/24", "witness");
	refuse("224.0.0.1", "multicast");
	refuse("fe80::1", "link-local");
	refuse("127.0.0.1", "loopback");
	refuse("10.1.0.1", "is a VIP of this cluster");
	refuse("10.1.0.3", "is an address of a node of this cluster");
	refuse("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
	       "too long");
}

static void test_hash(void **state)
{
	static const char *const forms[] = { "10.9.0.9", "10.9.0.8", "10.9.0.9:4702" };
	uint8_t hash[4][16];

	(void)state;
	for (unsigned int i = 0; i < 3; i++) {
		config_expect_ok(read_with(forms[i]));
		memcpy(hash[i], fixture.cluster.hash, 16);
		hg_config_done(&fixture.cluster);
	}
	config_write_text(cluster);
	config_expect_ok(config_read_cluster(fixture.path, NULL));
	memcpy(hash[3], fixture.cluster.hash, 16);
	hg_config_done(&fixture.cluster);
	for (unsigned int i = 0; i < 4; i++)
		for (unsigned int k = 0; k < i; k++)
			assert_memory_not_equal(hash[i], hash[k], 16);
	config_expect_ok(read_with("10.9.0.9:4701"));
	assert_memory_equal(fixture.cluster.hash, hash[0], 16);
	hg_config_done(&fixture.cluster);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forms),
		cmocka_unit_test(test_mistakes),
		cmocka_unit_test(test_hash),
	};

	return cmocka_run_group_tests(tests, config_fixture_setup, config_fixture_teardown);
}
