// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * One rule: what is read and how it is printed, each mistake with its column and remedy,
 * and that printing and parsing are inverse for any rule there can be.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "agent/filter/rule.h"
#include "rule/cases.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const char *const ports[] = { "wan", "lan", "ha" };
static struct hg_ip entries[] = {
	{ 4, 8, { 10 } },
	{ 4, 24, { 192, 0, 2 } },
	{ 6, 32, { 0x20, 0x01, 0x0d, 0xb8 } },
};
static const struct hg_list lists[] = {
	{ "bad", entries, 2 },
	{ "six", entries + 2, 1 },
	{ "both", entries, 3 },
	{ "none", NULL, 0 },
};
static const struct hg_rule_names names = { COUNT(ports), ports, COUNT(lists), lists };

static void test_good(void **state)
{
	char text[HG_RULE_TEXT_MAX];
	struct hg_rule_error error;
	const char *expected;
	struct hg_rule rule;
	unsigned int i;

	(void)state;
	for (i = 0; i < COUNT(good_rules); i++) {
		expected = good_rules[i][1] ? good_rules[i][1] : good_rules[i][0];
		if (hg_rule_parse(good_rules[i][0], strlen(good_rules[i][0]), &names, &rule,
				  &error))
			fail_msg("'%s': %u: %s", good_rules[i][0], error.column, error.text);
		assert_int_equal(hg_rule_print(&rule, &names, text, sizeof(text)),
				 strlen(expected));
		assert_string_equal(text, expected);
	}
}

static void test_bad(void **state)
{
	unsigned int i, failed = 0;
	struct hg_rule rule, untouched;
	struct hg_rule_error error;
	int result;

	(void)state;
	memset(&untouched, 0x5a, sizeof(untouched));
	for (i = 0; i < COUNT(bad_rules); i++) {
		memset(&rule, 0x5a, sizeof(rule));
		memset(&error, 0, sizeof(error));
		result = hg_rule_parse(bad_rules[i].text, strlen(bad_rules[i].text), &names, &rule,
				       &error);
		assert_memory_equal(&rule, &untouched, sizeof(rule));
		if (result == -EINVAL && error.column == bad_rules[i].column &&
		    (strstr(error.text, bad_rules[i].piece) ||
		     strstr(error.hint, bad_rules[i].piece)))
			continue;
		failed++;
		print_error("'%s': expected %u '%s', got %d: %u: %s (%s)\n", bad_rules[i].text,
			    bad_rules[i].column, bad_rules[i].piece, result, error.column,
			    error.text, error.hint);
	}
	print_message("%zu mistakes\n", COUNT(bad_rules));
	assert_int_equal(failed, 0);
}

static void parse_length(const char *text, size_t length)
{
	struct hg_rule_error error;
	struct hg_rule rule;

	if (hg_rule_parse(text, length, &names, &rule, &error))
		fail_msg("%u: %s", error.column, error.text);
}

static void assert_refused(const char *text, size_t length, unsigned int column, const char *piece)
{
	struct hg_rule_error error;
	struct hg_rule rule;

	assert_int_equal(hg_rule_parse(text, length, &names, &rule, &error), -EINVAL);
	if (!strstr(error.text, piece) || error.column != column)
		fail_msg("expected %u: '%s', got %u: '%s'", column, piece, error.column,
			 error.text);
}

/* What no text file holds, and what is too long. */
static void test_odd(void **state)
{
	static const char nul[] = "drop from 10.0.0.1\0";
	char text[700];

	(void)state;
	assert_refused("", 0, 1, "there is no rule");
	assert_refused("   # x", 6, 4, "there is no rule");
	assert_refused("drop \xff\xfe\x1b[m", 10, 6, "unknown option '???[m'");
	assert_refused("drop label \"a\x01\"", 15, 14, "invisible");
	assert_refused("drop label \"a\xc3\"", 15, 14, "invisible");
	assert_refused(nul, sizeof(nul) - 1, 11, "not an IP address");
	memset(text, ' ', sizeof(text));
	memcpy(text, "drop", 4);
	memcpy(text + 505, "count-only", 10);
	assert_refused(text, 515, 512, "the rule is too long: 515 octets, at most 511");
	memset(text + 505, ' ', 10);
	memcpy(text + 501, "count-only", 10);
	parse_length(text, 515); /* 511 octets, and blanks */
	/* a comment is no part of the rule */
	memcpy(text + 200, "count-only #", 12);
	parse_length(text, sizeof(text));
}

/* Short enough as written, too long in the canonical text, which would not be read again. */
static void test_long_canonical(void **state)
{
	char text[600] = "drop proto 6,17,132,136 from port ";
	unsigned int i, side;
	size_t used;

	(void)state;
	for (side = 0; side < 2; side++) {
		for (i = 0; i < HG_RULE_RANGES_MAX; i++)
			sprintf(text + strlen(text), "%s%u-%u", i ? "," : "", 10000 + 20 * i,
				10010 + 20 * i);
		strcat(text, side ? " rate 1/s per source/24 label \"" : " to port ");
	}
	used = strlen(text);
	assert_int_equal(used, 456);
	memset(text + used, 'x', 47);
	text[used + 47] = '"';
	assert_refused(text, used + 48, 1, "the rule is too long: 523 octets");
	text[used + 30] = '"';
	parse_length(text, used + 31);
}

static void parse_ok(const char *text, const struct hg_rule_names *with, struct hg_rule *ret)
{
	struct hg_rule_error error;

	if (hg_rule_parse(text, strlen(text), with, ret, &error))
		fail_msg("'%s': %u: %s", text, error.column, error.text);
}

/* The fields themselves, as the compiler reads them. */
static void test_fields(void **state)
{
	struct hg_rule r;

	(void)state;
	parse_ok("drop in on ha,wan proto udp,tcp from @bad port 5,1-3 to vip port 7 fragment "
		 "vlan 9 count-only label \"x\"",
		 &names, &r);
	assert_int_equal(r.action, HG_RULE_DROP);
	assert_int_equal(r.in_on, 1 << 0 | 1 << 2);
	assert_int_equal(r.proto_count, 2);
	assert_int_equal(r.proto[0], 6);
	assert_int_equal(r.proto[1], 17);
	assert_int_equal(r.from.kind, HG_SIDE_LIST);
	assert_string_equal(r.from.list, "bad");
	assert_int_equal(r.from.range_count, 2);
	assert_int_equal(r.from.range[0].first, 1);
	assert_int_equal(r.from.range[0].last, 3);
	assert_int_equal(r.from.range[1].first, 5);
	assert_int_equal(r.from.range[1].last, 5);
	assert_int_equal(r.to.kind, HG_SIDE_VIP);
	assert_int_equal(r.to.range[0].first, 7);
	assert_true(r.is_fragment && r.has_vlan && r.is_count_only && !r.has_flags);
	assert_int_equal(r.vlan, 9);
	assert_string_equal(r.label, "x");
	assert_int_equal(r.rate.count, 0);
	parse_ok("accept flags SA/FSRPAUEW rate 90/m burst 4 per source/24,56", &names, &r);
	assert_int_equal(r.action, HG_RULE_ACCEPT);
	assert_int_equal(r.flags_set, 0x12);
	assert_int_equal(r.flags_mask, 0xff);
	assert_int_equal(r.rate.count, 90);
	assert_int_equal(r.rate.period_s, 60);
	assert_int_equal(r.rate.burst, 4);
	assert_true(r.rate.is_per_source);
	assert_int_equal(r.rate.len4, 24);
	assert_int_equal(r.rate.len6, 56);
	parse_ok("accept flags F/FP rate 250/s", &names, &r);
	assert_int_equal(r.flags_set, 1);
	assert_int_equal(r.flags_mask, 9);
	assert_int_equal(r.rate.burst, 25);
	parse_ok("drop proto icmp6 icmp-type packet-too-big from 2001:db8::/32", &names, &r);
	assert_int_equal(r.icmp_type, 2);
	assert_int_equal(r.from.addr.family, 6);
	assert_int_equal(r.from.addr.prefix, 32);
	assert_int_equal(r.from.addr.addr[1], 1);
}

/* Ids hold on to the meaning: not to how it is written, nor to the order of the ports. */
static void test_id(void **state)
{
	static const char *const other[] = { "ha", "lan", "wan" };
	const struct hg_rule_names turned = { 3, other, COUNT(lists), lists };
	struct hg_rule a, b;

	(void)state;
	parse_ok("drop in on wan,lan to port 80", &names, &a);
	parse_ok("drop to any  port 80 in on lan, wan # x", &turned, &b);
	assert_int_equal(a.id, b.id);
	assert_int_not_equal(a.in_on, b.in_on);
	parse_ok("accept in on wan,lan to port 80", &names, &b);
	assert_int_not_equal(a.id, b.id);
	/* with a label, the label alone */
	parse_ok("drop to port 80 label \"web\"", &names, &a);
	parse_ok("accept from 10.0.0.0/8 label \"web\"", &names, &b);
	assert_int_equal(a.id, b.id);
	parse_ok("accept from 10.0.0.0/8 label \"wed\"", &names, &b);
	assert_int_not_equal(a.id, b.id);
	/* published values: a new version must find the counters of the old one */
	parse_ok("accept", &names, &a);
	assert_true(a.id == UINT64_C(0x7e5f7abe09509b09));
	parse_ok("drop in on wan proto tcp to vip port 23", &names, &a);
	assert_true(a.id == UINT64_C(0x9b82925198e617f5));
}

static uint64_t seed;

static unsigned int below(unsigned int limit)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (seed >> 32) % limit;
}

static void random_ip(struct hg_ip *ip, unsigned int family)
{
	unsigned int length = family == 4 ? 32 : 128, i;

	ip->family = family;
	ip->prefix = below(3) ? below(length + 1) : length;
	for (i = 0; i < ip->prefix; i++)
		if (below(2))
			ip->addr[i / 8] |= 0x80 >> i % 8;
}

static void random_ranges(struct hg_rule_side *side)
{
	unsigned int next = below(100), i, count = below(HG_RULE_RANGES_MAX) + 1;

	for (i = 0; i < count && next <= 65535; i++) {
		side->range[i].first = next;
		next += below(3) ? 0 : below(4000);
		side->range[i].last = next < 65535 ? next : 65535;
		next += 1 + below(4000);
	}
	side->range_count = i;
}

static void random_side(struct hg_rule_side *side, unsigned int family, bool is_to, bool has_ports)
{
	side->kind = below(is_to ? 4 : 3);
	if (side->kind == HG_SIDE_ADDR)
		random_ip(&side->addr, family ? family : 4);
	if (side->kind == HG_SIDE_LIST)
		strcpy(side->list, family == 6 ? "six" : below(2) ? "both" : "none");
	if (has_ports && !below(3))
		random_ranges(side);
}

static void random_protos(struct hg_rule *rule, bool *ret_has_ports)
{
	static const uint8_t with_ports[] = { 6, 17, 132, 136 };
	unsigned int n, count = below(HG_RULE_PROTOS_MAX) + 1;

	*ret_has_ports = below(2);
	for (n = 0; n < 256 && rule->proto_count < count; n += 1 + below(20))
		if (!*ret_has_ports)
			rule->proto[rule->proto_count++] = n;
	for (n = 0; n < 4 && *ret_has_ports; n++)
		if (below(2))
			rule->proto[rule->proto_count++] = with_ports[n];
}

static void random_rate(struct hg_rule_rate *rate)
{
	rate->period_s = below(2) ? 1 : 60;
	rate->count = 1 + below(below(2) ? 50 : rate->period_s * 10000000);
	rate->burst = 1 + below(1000000);
	if (below(2))
		rate->burst = rate->count / rate->period_s / 10 ? rate->count / rate->period_s / 10
								: 1;
	rate->is_per_source = below(2);
	if (rate->is_per_source) {
		rate->len4 = below(2) ? 32 : 1 + below(32);
		rate->len6 = below(2) ? 64 : 1 + below(128);
	}
}

static void random_label(char label[HG_RULE_LABEL_MAX])
{
	static const char *const pieces[] = { "a",  " ", "#", "\xc3\xa4",    "'",
					      "\\", "@", ",", "\xe2\x82\xac" };
	unsigned int count = 1 + below(10);

	while (count--)
		strcat(label, pieces[below(COUNT(pieces))]);
}

/* Any rule of rule.h that some packet can match. */
static void random_rule(struct hg_rule *r)
{
	unsigned int family = below(2) ? 4 : 6, what = below(4);
	bool has_ports = true;

	memset(r, 0, sizeof(*r));
	r->action = below(2) ? HG_RULE_ACCEPT : HG_RULE_DROP;
	r->in_on = below(2) ? below(8) : 0;
	if (what == 0) {
		r->proto[r->proto_count++] = family == 4 ? 1 : 58;
		has_ports = false;
		r->has_icmp_type = below(2);
		r->icmp_type = r->has_icmp_type ? below(256) : 0;
	} else if (what == 1) {
		r->has_flags = true;
		r->flags_mask = 1 + below(255);
		r->flags_set = r->flags_mask & below(256);
		r->proto_count = below(2);
		r->proto[0] = r->proto_count ? 6 : 0;
	} else if (what == 2) {
		random_protos(r, &has_ports);
	}
	random_side(&r->from, family, false, has_ports);
	random_side(&r->to, family, true, has_ports);
	if (r->from.kind == HG_SIDE_ADDR && r->to.kind == HG_SIDE_ADDR)
		r->to.addr.addr[15] ^= family == 6 && r->to.addr.prefix == 128;
	r->is_fragment = !below(4);
	r->has_vlan = !below(4);
	r->vlan = r->has_vlan ? below(4095) : 0;
	if (!below(3))
		random_rate(&r->rate);
	r->is_count_only = !below(4);
	if (!below(4))
		random_label(r->label);
}

static void test_round_trip(void **state)
{
	const char *given = getenv("SEED");
	uint64_t start = given ? strtoull(given, NULL, 0) : UINT64_C(0x9e3779b97f4a7c15);
	char text[4096], again[4096];
	struct hg_rule rule, parsed;
	unsigned int i, tried = 0, too_long = 0;
	size_t length;

	(void)state;
	seed = start;
	for (i = 0; i < 200000; i++) {
		random_rule(&rule);
		length = hg_rule_print(&rule, &names, text, sizeof(text));
		assert_int_equal(length, strlen(text));
		if (length >= HG_RULE_TEXT_MAX) {
			too_long++;
			assert_refused(text, length, HG_RULE_TEXT_MAX, "too long");
			continue;
		}
		memset(&parsed, 0xa5, sizeof(parsed));
		parse_ok(text, &names, &parsed);
		rule.id = hg_rule_id(&rule, &names);
		hg_rule_print(&parsed, &names, again, sizeof(again));
		if (memcmp(&rule, &parsed, sizeof(rule)))
			fail_msg("seed %#llx, rule %u: '%s' became '%s'", (long long)start, i, text,
				 again);
		assert_string_equal(text, again);
		assert_true(rule.id != 0);
		tried++;
	}
	print_message("%u random rules, %u more were too long, seed %#llx\n", tried, too_long,
		      (long long)start);
	assert_true(tried > 190000 && too_long < 2000);
}

/* Printing into too small a buffer: never beyond it, always terminated. */
static void test_print_small(void **state)
{
	const char *rule_text = "drop in on lan proto tcp to any port 80 label \"x\"";
	char text[64];
	struct hg_rule rule;
	size_t size;

	(void)state;
	parse_ok(rule_text, &names, &rule);
	for (size = 0; size < sizeof(text); size++) {
		memset(text, '?', sizeof(text));
		assert_int_equal(hg_rule_print(&rule, &names, text, size), strlen(rule_text));
		if (size && size <= strlen(rule_text))
			assert_int_equal(text[size - 1], '\0');
		if (size < sizeof(text))
			assert_int_equal(
				text[size > strlen(rule_text) ? strlen(rule_text) + 1 : size], '?');
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),	   cmocka_unit_test(test_bad),
		cmocka_unit_test(test_odd),	   cmocka_unit_test(test_long_canonical),
		cmocka_unit_test(test_fields),	   cmocka_unit_test(test_id),
		cmocka_unit_test(test_round_trip), cmocka_unit_test(test_print_small),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
