// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Fuzzer of the rule language. The octets are read as one rule, as a file of rules and
 * as a file of addresses. Besides what the sanitizers see it asserts what callers rely
 * on: a rule that was read is printed and read again as the same, a refusal names a place
 * in the line in visible text and writes nothing, and lists are sorted and hold what they
 * were given.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "agent/config_utf8.h"
#include "agent/filter/list.h"
#include "agent/filter/ruleset.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(condition)                \
	do {                              \
		if (!(condition))         \
			__builtin_trap(); \
	} while (0)

static const char *const ports[] = { "wan", "lan", "ha" };
static struct hg_ip entries[] = { { 4, 8, { 10 } }, { 6, 32, { 0x20, 1, 0x0d, 0xb8 } } };
static const struct hg_list lists[] = {
	{ "bad", entries, 1 },
	{ "six", entries + 1, 1 },
	{ "both", entries, 2 },
};
static const struct hg_rule_names closed = { 3, ports, 3, lists };
static const struct hg_rule_names open = { 3, ports, 0, NULL };

static void check_visible(const char *text, size_t size)
{
	unsigned int n;
	uint32_t c;
	size_t i;

	for (i = 0; i < size; i += n) {
		n = hg_utf8_decode(text + i, size - i, &c);
		REQUIRE(n && (c == '\t' || c == '\n' || hg_utf8_is_visible(c)));
	}
}

static void check_side(const struct hg_rule_side *side)
{
	unsigned int i;

	REQUIRE(side->range_count <= HG_RULE_RANGES_MAX);
	for (i = 0; i < side->range_count; i++) {
		REQUIRE(side->range[i].first <= side->range[i].last);
		REQUIRE(!i || side->range[i - 1].last < side->range[i].first);
	}
	if (side->kind == HG_SIDE_ADDR)
		REQUIRE(side->addr.prefix <= (side->addr.family == 4 ? 32 : 128));
	REQUIRE(side->kind != HG_SIDE_LIST || side->list[0]);
}

static void check_rule(const struct hg_rule *r)
{
	unsigned int i;

	REQUIRE(r->id && !r->line && !r->file);
	REQUIRE(r->proto_count <= HG_RULE_PROTOS_MAX && !(r->in_on & ~7u));
	for (i = 1; i < r->proto_count; i++)
		REQUIRE(r->proto[i - 1] < r->proto[i]);
	REQUIRE(r->from.kind != HG_SIDE_VIP);
	check_side(&r->from);
	check_side(&r->to);
	REQUIRE(!r->has_flags || (r->flags_mask && !(r->flags_set & ~r->flags_mask)));
	REQUIRE(!r->has_icmp_type ||
		(r->proto_count == 1 && (r->proto[0] == 1 || r->proto[0] == 58)));
	REQUIRE(r->vlan <= 4094 && (r->has_vlan || !r->vlan));
	REQUIRE(!r->rate.count ||
		(r->rate.burst && (r->rate.period_s == 1 || r->rate.period_s == 60)));
	REQUIRE(!r->rate.is_per_source ||
		(r->rate.len4 && r->rate.len4 <= 32 && r->rate.len6 && r->rate.len6 <= 128));
}

static void read_rule(const char *text, size_t length, const struct hg_rule_names *names)
{
	char first[HG_RULE_TEXT_MAX], second[HG_RULE_TEXT_MAX];
	struct hg_rule rule, again;
	struct hg_rule_error error;

	memset(&rule, 0x5a, sizeof(rule));
	if (hg_rule_parse(text, length, names, &rule, &error)) {
		REQUIRE(rule.id == UINT64_C(0x5a5a5a5a5a5a5a5a) && rule.in_on == 0x5a5a5a5a);
		REQUIRE(error.column && error.column <= length + 1 && error.text[0]);
		check_visible(error.text, strlen(error.text));
		check_visible(error.hint, strlen(error.hint));
		return;
	}
	check_rule(&rule);
	REQUIRE(hg_rule_print(&rule, names, first, sizeof(first)) < sizeof(first));
	check_visible(first, strlen(first));
	memset(&again, 0xa5, sizeof(again));
	REQUIRE(!hg_rule_parse(first, strlen(first), names, &again, &error));
	hg_rule_print(&again, names, second, sizeof(second));
	REQUIRE(!strcmp(first, second) && !memcmp(&rule, &again, sizeof(rule)));
	REQUIRE(rule.id == hg_rule_id(&rule, names));
}

/* Diagnostics: visible, and the first line names the place. */
static void check_output(int error, const char *path, char *text, size_t size)
{
	unsigned int line, column;

	check_visible(text, size);
	REQUIRE(!error || strstr(text, ": error: "));
	if (error) {
		REQUIRE(!strncmp(text, path, strlen(path)));
		REQUIRE(sscanf(text + strlen(path), ":%u:%u: ", &line, &column) == 2);
		REQUIRE(line && column);
	} else {
		REQUIRE(!size || !strstr(text, ": error: "));
	}
	free(text);
}

static void read_file(const uint8_t *data, size_t size)
{
	static char path[64];
	static int fd = -1;
	char *text = NULL;
	size_t length = 0;
	FILE *out;
	int error;

	if (fd < 0) {
		fd = memfd_create("fuzz", MFD_CLOEXEC);
		REQUIRE(fd >= 0);
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	}
	REQUIRE(!ftruncate(fd, 0));
	REQUIRE(pwrite(fd, data, size, 0) == (ssize_t)size);
	out = open_memstream(&text, &length);
	error = hg_ruleset_check_file(path, size % 2 ? &closed : NULL, out);
	fclose(out);
	check_output(error, path, text, length);
}

static void read_list(const char *text, size_t size)
{
	struct hg_list_build build = { .left = 1000 };
	struct hg_diag diag;
	size_t i;

	hg_diag_init(&diag, "list");
	hg_diag_set_text(&diag, text, size);
	hg_list_read(&build, &diag);
	hg_list_finish(&build);
	for (i = 0; i < build.list.count; i++) {
		REQUIRE(hg_list_holds(&build.list, &build.list.entry[i]));
		REQUIRE(!i || memcmp(&build.list.entry[i - 1], &build.list.entry[i],
				     sizeof(*build.list.entry)));
	}
	REQUIRE(build.list.count + build.left == 1000);
	free(build.list.entry);
	hg_diag_done(&diag);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* a copy of the exact size, so that reading beyond it is seen */
	char *text = malloc(size ? size : 1);

	REQUIRE(text);
	memcpy(text, data, size);
	read_rule(text, size, &closed);
	read_rule(text, size, &open);
	read_list(text, size);
	read_file(data, size);
	free(text);
	return 0;
}
