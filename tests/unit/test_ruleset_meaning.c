// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a ruleset means as a whole: rules that are never reached, who would be shut out,
 * what the hash of the configuration covers.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "agent/filter/list.h"
#include "ruleset_fixture.h"

/* What is never reached is said, once, and still gets an id of its own. */
static void test_shadowed(void **state)
{
	unsigned int i, k;

	(void)state;
	ruleset_read_good("  rules:\n"
			  "    - drop from 192.0.2.1\n"
			  "    - drop from 192.0.2.1\n"
			  "    - drop from 192.0.2.1\n"
			  "    - accept from 192.0.2.1 label \"x\"\n"
			  "    - drop to port 1 rate 5/s\n"
			  "    - drop to port 1\n"
			  "    - drop to port 2 count-only\n"
			  "    - drop to port 2\n"
			  "    - accept to port 3 rate 5/s\n"
			  "    - drop to port 3\n");
	assert_int_equal(ruleset->rule_count, 10);
	ruleset_assert_said(":12:7: warning: never reached: the rule on line 11 of ");
	ruleset_assert_said(":13:7: warning: never reached: the rule on line 11 of ");
	ruleset_assert_said(":14:7: warning: never reached: the rule on line 11 of ");
	ruleset_assert_said(":20:7: warning: never reached: the rule on line 19 of ");
	assert_null(strstr(fixture.text, ":16:"));
	assert_null(strstr(fixture.text, ":18:"));
	for (i = 0; i < ruleset->rule_count; i++)
		for (k = 0; k < i; k++)
			assert_true(ruleset->rule[i].id != ruleset->rule[k].id);
	ruleset_drop();
	ruleset_read_good(
		"  rules: [accept to port 22, drop, accept to port 1, accept to port 2]\n");
	ruleset_assert_said("never reached, as all rules behind it: the rule on line 10 of ");
	assert_null(strstr(strstr(fixture.text, "warning: never") + 9, "warning: never"));
	ruleset_drop();
}

static void test_lockout(void **state)
{
	static const struct {
		const char *filter, *piece; /* NULL: silent */
	} cases[] = {
		{ "  rules: [drop]\n", "line 10 of" },
		{ "  default: drop\n", "the default drops the first packet" },
		{ "  rules: [drop proto tcp to port 22]\n", "tcp/22 to 10.1.0.2 is open through" },
		{ "  rules: [drop in on wan]\n", "tcp/22 to 10.2.0.2" },
		{ "  rules: [drop in on ha]\n", NULL },
		{ "  rules: [drop flags A/SA]\n", "drops the second packet" },
		{ "  rules: [drop flags S/SA to 10.1.0.0/29]\n", "drops the first packet" },
		{ "  rules: [drop to vip]\n", NULL },
		{ "  rules: [drop from 10.0.0.0/8 to port 22]\n", NULL },
		{ "  rules: [drop from 0.0.0.0/0 to port 20-30]\n", "tcp/22" },
		{ "  rules: [drop from ::/0]\n", NULL },
		{ "  rules: [drop count-only]\n", NULL },
		{ "  rules: [drop rate 1/s]\n", NULL },
		{ "  rules: [\"drop proto udp,icmp\"]\n", "says to drop heartbeats on lan" },
		{ "  rules: [drop in on lan proto udp from 10.1.0.3]\n", "heartbeats on lan" },
		{ "  rules: [drop in on lan proto udp from 10.1.0.4]\n", NULL },
		{ "  rules: [drop in on lan proto udp to port 4700]\n", NULL },
		{ "  rules: [drop proto udp from port 4701]\n", NULL },
		{ "  default: drop\n  rules: [accept to port 22]\n", NULL },
		{ "  rules: [accept proto udp to port 4701, accept to port 22, drop]\n", NULL },
		{ "  rules: [drop fragment, drop vlan 5]\n", NULL },
		{ "  lists: { own: [10.1.0.2/31] }\n  rules: [drop to @own]\n", "to 10.1.0.2" },
		{ "  lists: { own: [10.1.0.4/31] }\n  rules: [drop to @own]\n", NULL },
		{ "  default: drop\n  rules: [accept to port 22]\n", NULL },
		{ "  default: drop\n  rules: [accept from 10.9.0.0/16 to port 22]\n", NULL },
		{ "  default: drop\n  rules: [accept from 10.9.0.0/16, drop to port 22]\n", NULL },
		{ "  default: drop\n  rules: [accept flags S/SA to port 22]\n",
		  "the default drops the second packet" },
		{ "  default: drop\n  rules: [accept flags S/SA to port 22, accept flags A/A]\n",
		  NULL },
		{ "  default: drop\n  rules: [accept in on lan to port 22]\n", "to 10.2.0.2" },
		{ "  default: drop\n  rules: [accept from ::/0 to port 22]\n", "to 10.1.0.2" },
		{ "  default: drop\n  rules: [accept to vip port 22]\n", "to 10.1.0.2" },
		{ "  default: drop\n  rules: [accept to ::/0 port 22]\n", "to 10.1.0.2" },
		{ "  default: drop\n  rules: [accept to 10.1.0.4/30 port 22]\n", "to 10.1.0.2" },
		{ "  default: drop\n  rules: [accept to 10.0.0.0/8 port 22]\n", NULL },
		{ "  rules: [drop in on lan]\n", "tcp/22 to 10.1.0.2" },
		{ "  rules: [accept in on lan, accept from 10.0.0.0/8 port 5, drop]\n", NULL },
		{ "  default: drop\nfailsafe: []\n", "is shut, also to you" },
		{ "  rules: [accept to port 22, drop]\nfailsafe: [22, 443]\n", "tcp/443 to" },
	};
	unsigned int i;

	(void)state;
	for (i = 0; i < COUNT(cases); i++) {
		ruleset_read_good(cases[i].filter);
		if (!cases[i].piece && fixture.size)
			fail_msg("'%s': expected silence, got:\n%s", cases[i].filter, fixture.text);
		if (cases[i].piece && (!strstr(fixture.text, ":9:1: warning: ") ||
				       !strstr(fixture.text, cases[i].piece)))
			fail_msg("'%s': expected '%s', got:\n%s", cases[i].filter, cases[i].piece,
				 fixture.text);
		ruleset_drop();
	}
	/* warnings do not come with hg_config_read_cluster(): the fixture checks it */
	assert_int_equal(config_read_cluster(fixture.path, NULL), 0);
	hg_config_done(&fixture.cluster);
}

static void read_hash(const char *filter, uint8_t ret[16])
{
	ruleset_read_good(filter);
	memcpy(ret, fixture.cluster.hash, 16);
	ruleset_drop();
}

static void test_hash(void **state)
{
	static const char *const same[] = {
		"  rules: [drop to port 1, accept proto tcp]\n  lists: { a: [10.0.0.1, 10.0.0.2] }\n",
		"  default: accept\n  lists: { a: [10.0.0.2, 10.0.0.1/32, 10.0.0.2] }\n"
		"  rules: ['drop  to any port 1', 'accept proto 6 # x']\n",
		"  lists: { a: { file: list } }\n  include: [rules]\n",
	};
	static const char *const other[] = {
		"  {}\n",
		"  { default: drop }\n",
		"  rules: [accept proto tcp, drop to port 1]\n  lists: { a: [10.0.0.1, 10.0.0.2] }\n",
		"  rules: [drop to port 1, accept proto tcp]\n  lists: { b: [10.0.0.1, 10.0.0.2] }\n",
		"  rules: [drop to port 1, accept proto tcp]\n  lists: { a: [10.0.0.1, 10.0.0.3] }\n",
		"  rules: [drop to port 1, accept proto udp]\n  lists: { a: [10.0.0.1, 10.0.0.2] }\n",
	};
	uint8_t first[16], hash[COUNT(other)][16];
	unsigned int i, k;

	(void)state;
	ruleset_write("list", "10.0.0.2\n10.0.0.1\n");
	ruleset_write("rules", "drop to port 1\n# x\naccept proto tcp\n");
	read_hash(same[0], first);
	for (i = 1; i < COUNT(same); i++) {
		read_hash(same[i], hash[0]);
		assert_memory_equal(hash[0], first, 16);
	}
	for (i = 0; i < COUNT(other); i++) {
		read_hash(other[i], hash[i]);
		assert_memory_not_equal(hash[i], first, 16);
		for (k = 0; k < i; k++)
			assert_memory_not_equal(hash[i], hash[k], 16);
	}
	unlink(ruleset_beside("list"));
	unlink(ruleset_beside("rules"));
}

/* The membership that the check of lock-outs relies on, against a walk over the list. */
static void test_holds(void **state)
{
	struct hg_list_build build = { .left = 1000 };
	struct hg_diag diag = { 0 };
	struct hg_ip ip, net;
	unsigned int i, k, found = 0;
	bool is_in;

	(void)state;
	srandom(1);
	for (i = 0; i < 200; i++) {
		ip = (struct hg_ip){ 4, 24 + random() % 9, { 10, 0, random() % 8, random() } };
		ip.addr[3] &= 0xff00 >> (ip.prefix - 24);
		assert_true(hg_list_add(&build, &ip, &diag, 0));
	}
	hg_list_finish(&build);
	for (i = 0; i < 4096; i++) {
		ip = (struct hg_ip){ 4, i % 2 ? 32 : 0, { 10, 0, i >> 8, i } };
		for (is_in = false, k = 0; k < build.list.count; k++) {
			net = build.list.entry[k];
			is_in |= net.addr[2] == ip.addr[2] &&
				 !((net.addr[3] ^ ip.addr[3]) & (0xff00 >> (net.prefix - 24)) &
				   0xff);
		}
		assert_int_equal(hg_list_holds(&build.list, &ip), is_in);
		found += is_in;
	}
	assert_true(found > 500 && found < 3500);
	free(build.list.entry);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shadowed),
		cmocka_unit_test(test_lockout),
		cmocka_unit_test(test_hash),
		cmocka_unit_test(test_holds),
	};

	return cmocka_run_group_tests(tests, config_fixture_setup, config_fixture_teardown);
}
