// SPDX-License-Identifier: GPL-2.0-or-later
/* See list.h. A list of a million entries is read in a fraction of a second: nothing is
 * allocated per line, and files that are sorted already are not sorted again. */
#include "agent/filter/list.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#define MISTAKES_MAX 100 /* a file with more is another kind of file */

/* Half an address as a number that sorts like its octets. */
static uint64_t half(const uint8_t *octets)
{
	uint64_t value;

	memcpy(&value, octets, sizeof(value));
	return be64toh(value);
}

static int compare(const void *a, const void *b)
{
	const struct hg_ip *x = a, *y = b;
	uint64_t p, q;

	if (x->family != y->family)
		return x->family - y->family;
	p = half(x->addr);
	q = half(y->addr);
	if (p == q) {
		p = half(x->addr + 8);
		q = half(y->addr + 8);
	}
	if (p != q)
		return p < q ? -1 : 1;
	return x->prefix - y->prefix;
}

bool hg_list_add(struct hg_list_build *build, const struct hg_ip *ip, struct hg_diag *diag,
		 size_t at)
{
	size_t room = build->room ? build->room * 2 : 64;
	struct hg_ip *entry;

	if (!build->left) {
		hg_diag_error(diag, at, "more than %d entries in all lists", HG_LIST_ENTRIES_MAX);
		return false;
	}
	if (build->list.count == build->room) {
		entry = reallocarray(build->list.entry, room, sizeof(*entry));
		if (!entry) {
			hg_diag_error(diag, at, "out of memory");
			return false;
		}
		build->list.entry = entry;
		build->room = room;
	}
	build->list.entry[build->list.count++] = *ip;
	build->left--;
	return true;
}

static size_t skip_blanks(const char *text, size_t at, size_t end)
{
	while (at < end && (text[at] == ' ' || text[at] == '\t' || text[at] == '\r'))
		at++;
	return at;
}

static size_t skip_word(const char *text, size_t at, size_t end)
{
	while (at < end && text[at] != ' ' && text[at] != '\t' && text[at] != '\r' &&
	       text[at] != '#')
		at++;
	return at;
}

/* False when the rest of the file need not be looked at. */
static bool read_line(struct hg_list_build *build, struct hg_diag *diag, size_t from, size_t to)
{
	const char *text = diag->text;
	size_t word = skip_blanks(text, from, to), end = skip_word(text, word, to), rest;
	struct hg_rule_error error;
	struct hg_ip ip;

	if (word == end) /* nothing, or a comment */
		return true;
	rest = skip_blanks(text, end, to);
	if (!hg_rule_ip_parse(text + word, end - word, &ip, &error)) {
		hg_diag_error(diag, word + error.column - 1, "%s", error.text);
		if (text[word] == ';' || text[end - 1] == ';')
			hg_diag_hint(diag, "comments begin with '#'");
		else if (memchr(text + word, ',', end - word))
			hg_diag_hint(diag, "one address or prefix a line");
		else
			hg_diag_hint(diag, "%s", error.hint);
		return true;
	}
	if (rest < to && text[rest] != '#') {
		hg_diag_error(diag, rest, "more than an address on this line");
		hg_diag_hint(diag, "one address or prefix a line; comments begin with '#'");
		return true;
	}
	return hg_list_add(build, &ip, diag, word);
}

void hg_list_read(struct hg_list_build *build, struct hg_diag *diag)
{
	const char *text = diag->text, *newline;
	size_t at, end;

	for (at = 0; at < diag->length; at = end + 1) {
		newline = memchr(text + at, '\n', diag->length - at);
		end = newline ? (size_t)(newline - text) : diag->length;
		if (!read_line(build, diag, at, end))
			return;
		if (diag->count >= MISTAKES_MAX) {
			hg_diag_error(diag, end, "too many mistakes: the rest is not read");
			return;
		}
	}
}

void hg_list_finish(struct hg_list_build *build)
{
	struct hg_ip *entry = build->list.entry;
	size_t i, kept = 0;

	for (i = 1; i < build->list.count; i++)
		if (compare(&entry[i - 1], &entry[i]) > 0)
			break;
	if (i < build->list.count)
		qsort(entry, build->list.count, sizeof(*entry), compare);
	for (i = 0; i < build->list.count; i++)
		if (!kept || compare(&entry[kept - 1], &entry[i]))
			entry[kept++] = entry[i];
	build->left += build->list.count - kept;
	build->list.count = kept;
}

/* By prefix length: entries may lie within each other, so one search is not enough. */
bool hg_list_holds(const struct hg_list *list, const struct hg_ip *ip)
{
	unsigned int length = ip->family == 4 ? 32 : 128;
	struct hg_ip key = *ip;

	if (!list->count)
		return false;
	if (ip->prefix && ip->prefix < length)
		length = ip->prefix;
	for (;; length--) {
		if (length / 8 < sizeof(key.addr)) {
			key.addr[length / 8] &= 0xff00 >> length % 8;
			memset(key.addr + length / 8 + 1, 0, sizeof(key.addr) - length / 8 - 1);
		}
		key.prefix = length;
		if (bsearch(&key, list->entry, list->count, sizeof(key), compare))
			return true;
		if (!length)
			return false;
	}
}
