// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Parsers of single values (config_value.h). Strict on purpose: one way to write
 * each value, because a reader at three in the morning knows only one.
 * YAML 1.1 and 1.2 differ in what `off`, `010` or `1:30` are; nothing here depends
 * on it: the text counts, and whether it was quoted.
 */
#include "agent/config_value.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define NS_PER_MS UINT64_C(1000000)
#define NAME_COMPARED 32 /* longer names are not compared for a hint */

static const struct {
	const char *name;
	uint64_t ns;
} units[] = {
	{ "h", 3600000 * NS_PER_MS },
	{ "min", 60000 * NS_PER_MS },
	{ "s", 1000 * NS_PER_MS },
	{ "ms", NS_PER_MS },
};
#define UNITS (sizeof(units) / sizeof(units[0]))

bool hg_value_text(struct hg_diag *diag, const struct hg_yaml_node *node, const char *what)
{
	switch (node->type) {
	case HG_YAML_BROKEN:
		return false;
	case HG_YAML_MAP:
	case HG_YAML_LIST:
		hg_diag_error(diag, node->at, "'%.60s' must be a single value, not a %s", what,
			      node->type == HG_YAML_MAP ? "mapping" : "list");
		return false;
	case HG_YAML_SCALAR:
		break;
	}
	if (node->text[0] && !(node->is_plain && !strcmp(node->text, "null")))
		return true;
	hg_diag_error(diag, node->at, "'%.60s' has no value", what);
	return false;
}

bool hg_value_bool(struct hg_diag *diag, const struct hg_yaml_node *node, const char *what,
		   bool *ret)
{
	if (!hg_value_text(diag, node, what))
		return false;
	if (!node->is_plain || (strcmp(node->text, "true") && strcmp(node->text, "false"))) {
		hg_diag_error(diag, node->at, "'%s' must be true or false, not '%.60s'", what,
			      node->text);
		if (!node->is_plain)
			hg_diag_hint(diag, "without quotes");
		return false;
	}
	*ret = node->text[0] == 't';
	return true;
}

bool hg_value_uint(struct hg_diag *diag, const struct hg_yaml_node *node, const char *what,
		   uint64_t min, uint64_t max, uint64_t *ret)
{
	size_t digits;
	uint64_t n;

	if (!hg_value_text(diag, node, what))
		return false;
	digits = strspn(node->text, "0123456789");
	if (!node->is_plain || node->text[digits] || digits > 9 ||
	    (node->text[0] == '0' && digits > 1)) {
		hg_diag_error(diag, node->at,
			      "'%s' must be a number from %" PRIu64 " to %" PRIu64 ", not '%.60s'",
			      what, min, max, node->text);
		if (!node->is_plain)
			hg_diag_hint(diag, "without quotes");
		else if (node->text[0] == '0' && digits > 1)
			hg_diag_hint(diag, "decimal, without leading zeros");
		return false;
	}
	n = strtoull(node->text, NULL, 10);
	if (n < min || n > max) {
		hg_diag_error(diag, node->at,
			      "'%s' must be from %" PRIu64 " to %" PRIu64 ", not %" PRIu64, what,
			      min, max, n);
		return false;
	}
	*ret = n;
	return true;
}

const char *hg_span_text(struct hg_span span, char buffer[HG_SPAN_TEXT])
{
	unsigned int i;

	for (i = 0; i < UNITS - 1; i++)
		if (span.ns && span.ns % units[i].ns == 0)
			break;
	snprintf(buffer, HG_SPAN_TEXT, "%" PRIu64 "%s", span.ns / units[i].ns, units[i].name);
	return buffer;
}

static void report_span(struct hg_diag *diag, const struct hg_yaml_node *node, const char *what)
{
	size_t digits = strspn(node->text, "0123456789");

	hg_diag_error(diag, node->at, "'%s' must be a duration, not '%.60s'", what, node->text);
	if (digits && !node->text[digits] && digits < 10)
		hg_diag_hint(diag, "a unit is missing: %sms, %ss or %smin", node->text, node->text,
			     node->text);
	else
		hg_diag_hint(diag, "a whole number and its unit: 20ms, 2s, 5min or 1h");
}

bool hg_value_span(struct hg_diag *diag, const struct hg_yaml_node *node, const char *what,
		   struct hg_span min, struct hg_span max, struct hg_span *ret)
{
	char low[HG_SPAN_TEXT], high[HG_SPAN_TEXT];
	size_t digits;
	unsigned int i;
	uint64_t ns;

	if (!hg_value_text(diag, node, what))
		return false;
	digits = strspn(node->text, "0123456789");
	for (i = 0; i < UNITS; i++)
		if (!strcmp(node->text + digits, units[i].name))
			break;
	/* nine digits of hours are 3.6e21 ns: compared in the unit, not in ns */
	if (!digits || digits > 9 || i == UNITS || (node->text[0] == '0' && digits > 1)) {
		report_span(diag, node, what);
		return false;
	}
	ns = strtoull(node->text, NULL, 10);
	ns = ns > max.ns / units[i].ns ? UINT64_MAX : ns * units[i].ns;
	if (ns < min.ns || ns > max.ns) {
		hg_diag_error(diag, node->at, "'%s' must be from %s to %s, not %s", what,
			      hg_span_text(min, low), hg_span_text(max, high), node->text);
		return false;
	}
	ret->ns = ns;
	return true;
}

bool hg_value_word(struct hg_diag *diag, const struct hg_yaml_node *node, const char *what,
		   const char *const *words, unsigned int *ret)
{
	const char *nearest;
	char list[128] = "";
	unsigned int i;
	size_t used = 0;

	if (!hg_value_text(diag, node, what))
		return false;
	for (i = 0; words[i]; i++) {
		if (!strcmp(words[i], node->text)) {
			*ret = i;
			return true;
		}
	}
	nearest = hg_value_nearest(node->text, words, i);
	for (i = 0; words[i] && used < sizeof(list); i++)
		used += snprintf(list + used, sizeof(list) - used, "%s%s",
				 !i		? ""
				 : words[i + 1] ? ", "
						: " or ",
				 words[i]);
	hg_diag_error(diag, node->at, "'%s' must be %s, not '%.60s'", what, list, node->text);
	if (nearest)
		hg_diag_hint(diag, "did you mean '%s'?", nearest);
	return false;
}

bool hg_value_name(struct hg_diag *diag, const struct hg_yaml_node *node, const char *what,
		   char *ret, size_t size)
{
	size_t length, good;

	if (!hg_value_text(diag, node, what))
		return false;
	length = strlen(node->text);
	good = strspn(node->text, "abcdefghijklmnopqrstuvwxyz0123456789_-");
	if (good < length) {
		hg_diag_error(diag, node->at, "'%.60s' is not a name for '%s'", node->text, what);
		hg_diag_hint(diag, "names are made of a-z, 0-9, '_' and '-'");
		return false;
	}
	if (length >= size) {
		hg_diag_error(diag, node->at, "the name '%.80s' is too long", node->text);
		hg_diag_hint(diag, "at most %zu characters, here are %zu", size - 1, length);
		return false;
	}
	memcpy(ret, node->text, length + 1);
	return true;
}

bool hg_value_path(struct hg_diag *diag, const struct hg_yaml_node *node, const char *what,
		   char *ret, size_t size)
{
	size_t length;

	if (!hg_value_text(diag, node, what))
		return false;
	length = strlen(node->text);
	if (node->text[0] != '/') {
		hg_diag_error(diag, node->at, "'%s' must be an absolute path, not '%.60s'", what,
			      node->text);
		hg_diag_hint(diag, "begin with '/'");
		return false;
	}
	if (length >= size) {
		hg_diag_error(diag, node->at, "the path of '%s' is too long", what);
		hg_diag_hint(diag, "at most %zu octets, here are %zu", size - 1, length);
		return false;
	}
	memcpy(ret, node->text, length + 1);
	return true;
}

static bool parse_mac(const char *text, unsigned char mac[6])
{
	unsigned int i;

	for (i = 0; i < 6; i++, text += 3) {
		if (!isxdigit((unsigned char)text[0]) || !isxdigit((unsigned char)text[1]) ||
		    text[2] != (i < 5 ? ':' : '\0'))
			return false;
		mac[i] = strtoul((char[]){ text[0], text[1], '\0' }, NULL, 16);
	}
	return true;
}

bool hg_value_mac(struct hg_diag *diag, const struct hg_yaml_node *node, const char *what,
		  unsigned char ret[6])
{
	static const unsigned char zero[6];
	unsigned char mac[6];

	if (!hg_value_text(diag, node, what))
		return false;
	if (!parse_mac(node->text, mac)) {
		hg_diag_error(diag, node->at, "'%.60s' is not a MAC address", node->text);
		hg_diag_hint(diag, "six pairs of hex digits: \"00:50:56:a7:01:01\"");
		return false;
	}
	if (mac[0] & 1) {
		hg_diag_error(diag, node->at, "%s is a multicast address, no NIC has it",
			      node->text);
		return false;
	}
	if (!memcmp(mac, zero, sizeof(zero))) {
		hg_diag_error(diag, node->at, "%s is no address of a NIC", node->text);
		return false;
	}
	memcpy(ret, mac, sizeof(mac));
	return true;
}

/* Levenshtein distance; both at most NAME_COMPARED long. */
static unsigned int distance(const char *a, const char *b)
{
	unsigned int row[NAME_COMPARED + 1], i, j, diagonal, above, best;
	unsigned int length = strlen(b);

	for (j = 0; j <= length; j++)
		row[j] = j;
	for (i = 1; a[i - 1]; i++) {
		diagonal = row[0];
		row[0] = i;
		for (j = 1; j <= length; j++) {
			above = row[j];
			best = diagonal + (a[i - 1] != b[j - 1]);
			if (above + 1 < best)
				best = above + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			row[j] = best;
			diagonal = above;
		}
	}
	return row[length];
}

const char *hg_value_nearest(const char *text, const char *const *names, unsigned int count)
{
	/* a third of the letters may be wrong: more is a guess, not a hint */
	unsigned int least = strlen(text) / 3 + 1, d, i;
	const char *nearest = NULL;

	if (strlen(text) > NAME_COMPARED)
		return NULL;
	for (i = 0; i < count; i++) {
		if (strlen(names[i]) > NAME_COMPARED)
			continue;
		d = distance(text, names[i]);
		if (d > least || (nearest && d == least) || d >= strlen(names[i]))
			continue;
		least = d;
		nearest = names[i];
	}
	return nearest;
}
