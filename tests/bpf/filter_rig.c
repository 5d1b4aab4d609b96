// SPDX-License-Identifier: GPL-2.0-or-later
/* Rules and blocklist for the tests, see filter_rig.h. */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "filter_rig.h"

#include "egress.skel.h"
#include "gate.skel.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define RULES_MAX 64

static const char *const ports[] = { "lan", "wan" };
static const struct hg_rule_names names = { .port_count = 2, .port = ports };
static const char *const vips[] = { "10.1.0.1", "10.2.0.1", "fd01::1", "fe80::1", "fd02::1" };
#define VIPS (sizeof(vips) / sizeof(vips[0]))

static char pin[64];
static struct rig *node;
static struct hg_blocks *blocks;
static __u64 id[RULES_MAX];
static struct hg_rule_stat before[RULES_MAX]; /* counters when the rules came in force */

static struct hg_ip parse_ip(const char *text)
{
	struct hg_rule_error error = { 0 };
	struct hg_ip ip;

	if (!hg_rule_ip_parse(text, strlen(text), &ip, &error))
		fail_msg("%s: %s", text, error.text);
	return ip;
}

/* A bpffs of this process alone: what is pinned goes with it, however it ends. */
static void make_private(void)
{
	static bool is_done;

	if (is_done)
		return;
	is_done = true;
	assert_int_equal(unshare(CLONE_NEWNS), 0);
	assert_int_equal(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	assert_int_equal(mount("bpf", "/sys/fs/bpf", "bpf", 0, NULL), 0);
}

void filter_open(struct rig *rig)
{
	struct hg_error error = { 0 };
	struct bpf_map *map;
	char path[128];

	make_private();
	node = rig;
	snprintf(pin, sizeof(pin), HG_PIN_DIR "-filter-%d", getpid());
	assert_int_equal(mkdir(pin, 0700), 0);
	bpf_object__for_each_map(map, rig->gate->obj)
	{
		snprintf(path, sizeof(path), "%s/%s", pin, bpf_map__name(map));
		if (!bpf_map__is_internal(map) && bpf_obj_pin(bpf_map__fd(map), path))
			fail_msg("cannot pin %s", path);
	}
	if (hg_blocks_open(pin, &blocks, &error))
		fail_msg("%s", error.text);
}

void filter_close(void)
{
	struct bpf_map *map;
	char path[128];

	hg_blocks_free(blocks);
	bpf_object__for_each_map(map, node->gate->obj)
	{
		snprintf(path, sizeof(path), "%s/%s", pin, bpf_map__name(map));
		unlink(path);
	}
	rmdir(pin);
}

struct hg_compiled *filter_compile(const struct hg_ruleset *ruleset)
{
	struct hg_compile_context context = { .vip_count = VIPS, .slot = { RIG_LAN, RIG_WAN } };
	struct hg_compiled *compiled;
	struct hg_ip vip[VIPS];
	unsigned int i;

	for (i = 0; i < VIPS; i++)
		vip[i] = parse_ip(vips[i]);
	context.vip = vip;
	assert_int_equal(hg_compile(ruleset, &context, &compiled), 0);
	return compiled;
}

void filter_apply(const struct hg_compiled *compiled)
{
	struct hg_error error = { 0 };

	if (hg_filter_apply(pin, compiled, NULL, &error))
		fail_msg("%s", error.text);
}

struct hg_blocks *filter_blocks(void)
{
	return blocks;
}

void filter_set(bool is_default_drop, const char *const *lines)
{
	struct hg_rule rule[RULES_MAX];
	struct hg_ruleset ruleset = { .is_default_drop = is_default_drop, .rule = rule };
	struct hg_compiled *compiled;
	struct hg_rule_error error;
	unsigned int i;

	for (i = 0; lines[i]; i++) {
		assert_true(i < RULES_MAX);
		if (hg_rule_parse(lines[i], strlen(lines[i]), &names, &rule[i], &error))
			fail_msg("%s: %u: %s", lines[i], error.column, error.text);
		rule[i].line = i + 1;
		id[i] = rule[i].id;
	}
	ruleset.rule_count = i;
	compiled = filter_compile(&ruleset);
	filter_apply(compiled);
	hg_compile_free(compiled);
	while (i--)
		before[i] = filter_counters_in_all(i);
}

void filter_clear(void)
{
	filter_set(false, (const char *const[]){ NULL });
}

struct hg_rule_stat filter_counters_in_all(unsigned int index)
{
	struct hg_error error = { 0 };
	struct hg_rule_stat stat;

	if (hg_filter_read_counters(pin, &id[index], 1, &stat, &error))
		fail_msg("%s", error.text);
	return stat;
}

struct hg_rule_stat filter_counters(unsigned int index)
{
	struct hg_rule_stat stat = filter_counters_in_all(index);

	stat.packets -= before[index].packets;
	stat.octets -= before[index].octets;
	stat.exceeded -= before[index].exceeded;
	return stat;
}

static struct hg_blocked blocked_of(const char *text)
{
	struct hg_ip ip = parse_ip(text);
	struct hg_blocked what = { .family = ip.family, .prefix = ip.prefix };

	memcpy(what.addr, ip.addr, sizeof(what.addr));
	return what;
}

void filter_block(const char *text, uint64_t expire_ns)
{
	const struct hg_block value = { .expire_ns = expire_ns, .source = HG_BLOCK_OPERATOR };
	struct hg_blocked what = blocked_of(text);
	bool is_new;

	assert_int_equal(hg_blocks_add(blocks, &what, &value, &is_new), 0);
}

void filter_unblock(const char *text)
{
	struct hg_blocked what = blocked_of(text);

	assert_int_equal(hg_blocks_remove(blocks, &what), 0);
}

struct found {
	struct hg_blocked what;
	uint64_t packets;
};

static int is_found(void *context, const struct hg_blocked *what, const struct hg_block *value)
{
	struct found *found = context;

	if (memcmp(what, &found->what, sizeof(*what)))
		return 0;
	found->packets = value->packets;
	return 1;
}

uint64_t filter_blocked_packets(const char *text)
{
	struct found found = { .what = blocked_of(text) };

	assert_int_equal(hg_blocks_each(blocks, is_found, &found), 1);
	return found.packets;
}
