// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Rules and lists one by one into a ruleset (build.h): ids stay unique, labels too, and
 * rules that an earlier one makes useless are pointed out.
 *
 * Two rules of the same text are allowed, with a warning: files of rules are often
 * generated. The second gets an id of its own, made from the first and its number.
 */
#include "agent/filter/build.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "agent/filter/ruleset.h"

int hg_build_begin(struct hg_ruleset_build *build, const char *path)
{
	struct hg_ruleset *ruleset = calloc(1, sizeof(*ruleset));

	*build = (struct hg_ruleset_build){ .path = path,
					    .ruleset = ruleset,
					    .entries_left = HG_LIST_ENTRIES_MAX };
	if (!ruleset)
		return -ENOMEM;
	ruleset->list = calloc(HG_LISTS_MAX, sizeof(*ruleset->list));
	ruleset->file = calloc(HG_BUILD_INCLUDES_MAX + 1, sizeof(*ruleset->file));
	if (!ruleset->list || !ruleset->file)
		return -ENOMEM;
	ruleset->file[0] = strdup(path);
	ruleset->file_count = 1;
	build->names.list = ruleset->list;
	return ruleset->file[0] ? 0 : -ENOMEM;
}

/* Room for one more rule; the tables come with the first, most files have none. */
static bool reserve_rule(struct hg_ruleset_build *build)
{
	unsigned int room = build->rule_room ? build->rule_room * 2 : 16;
	struct hg_rule *rule;
	uint64_t *match;

	if (!build->by_id)
		build->by_id = calloc(HG_BUILD_TABLE, sizeof(*build->by_id));
	if (!build->by_match)
		build->by_match = calloc(HG_BUILD_TABLE, sizeof(*build->by_match));
	if (!build->by_id || !build->by_match)
		return false;
	if (build->ruleset->rule_count < build->rule_room)
		return true;
	rule = reallocarray(build->ruleset->rule, room, sizeof(*rule));
	if (!rule)
		return false;
	build->ruleset->rule = rule;
	match = reallocarray(build->match, room, sizeof(*match));
	if (!match)
		return false;
	build->match = match;
	build->rule_room = room;
	return true;
}

void hg_build_set_ports(struct hg_ruleset_build *build, const char *const *names,
			unsigned int count, bool is_open)
{
	unsigned int i;

	for (i = 0; i < count && i < 32; i++)
		build->port[i] = names[i];
	build->names.port = build->port;
	build->names.port_count = i;
	build->is_open = is_open;
}

void hg_ruleset_free(struct hg_ruleset *ruleset)
{
	unsigned int i;

	if (!ruleset)
		return;
	for (i = 0; i < ruleset->list_count; i++)
		free(ruleset->list[i].entry);
	for (i = 0; i < ruleset->file_count; i++)
		free(ruleset->file[i]);
	free(ruleset->list);
	free(ruleset->file);
	free(ruleset->rule);
	free(ruleset);
}

int hg_build_end(struct hg_ruleset_build *build, struct hg_ruleset **ret, FILE *out)
{
	struct hg_ruleset *ruleset = build->ruleset;
	bool is_wanted = ret && !build->has_errors;

	if (build->report)
		fclose(build->report);
	if (build->report_text)
		fwrite(build->report_text, 1, build->report_size, out);
	free(build->report_text);
	free(build->by_id);
	free(build->by_match);
	free(build->match);
	if (is_wanted)
		*ret = ruleset;
	else
		hg_ruleset_free(ruleset);
	build->ruleset = NULL;
	return build->has_errors ? -EINVAL : 0;
}

void hg_build_add_list(struct hg_ruleset_build *build, struct hg_list_build *list)
{
	hg_list_finish(list);
	build->entries_left = list->left;
	build->ruleset->list[build->ruleset->list_count++] = list->list;
	build->names.list_count = build->ruleset->list_count;
}

/*
 * The offset of a rule's column in its file. In a scalar with quotes characters may be
 * written as two: their text is followed from the left. Where it is written in yet
 * another way (folded lines, \x41), the place is where the two texts part.
 */
static size_t find_place(const struct hg_rule_place *place, unsigned int column)
{
	const char *raw = place->diag->text;
	size_t at = place->node ? place->node->at : place->at, size, i;
	char quote, escape;

	if (!place->node)
		return at + column - 1;
	quote = place->node->is_plain || at >= place->diag->length ? '\0' : raw[at];
	escape = quote == '"' ? '\\' : quote;
	at += !!quote;
	for (i = 0; i + 1 < column && at < place->node->end; i++, at += size) {
		size = raw[at] == escape ? 2 : 1;
		if (at + size > place->node->end || raw[at + size - 1] != place->node->text[i])
			break;
	}
	return at;
}

static const char *file_of(const struct hg_ruleset_build *build, const struct hg_rule *rule)
{
	return build->ruleset->file[rule->file];
}

/* A name that the rule may use though it is not known: is there room for it? */
static bool learn_port(struct hg_ruleset_build *build, const char *text, size_t length,
		       const struct hg_rule_error *error)
{
	size_t n = 0, from = error->column - 1;
	unsigned int count = build->names.port_count;

	while (from + n < length &&
	       strchr("abcdefghijklmnopqrstuvwxyz0123456789_-", text[from + n]))
		n++;
	if (!build->is_open || !error->is_unknown_port || !n || n >= HG_WIRE_NAME_LEN ||
	    count == 32)
		return false;
	memcpy(build->open_port[count], text + from, n);
	build->open_port[count][n] = '\0';
	build->port[count] = build->open_port[count];
	build->names.port = build->port;
	build->names.port_count++;
	return true;
}

/* [drop proto tcp,udp] is two items to YAML. */
static bool is_cut_by_comma(const struct hg_rule_place *place)
{
	size_t at = place->node && place->node->is_plain ? place->node->at : 0;

	return at && place->diag->text[at - 1] == ',';
}

static bool parse(struct hg_ruleset_build *build, const struct hg_rule_place *place,
		  const char *text, size_t length, struct hg_rule *ret)
{
	struct hg_rule_error error;

	while (hg_rule_parse(text, length, &build->names, ret, &error)) {
		if (learn_port(build, text, length, &error))
			continue;
		hg_diag_error(place->diag, find_place(place, error.column), "%s", error.text);
		if (error.column == 1 && is_cut_by_comma(place))
			hg_diag_hint(place->diag,
				     "in brackets a comma ends a rule: quote the rule, "
				     "or write one rule a line");
		else if (error.hint[0])
			hg_diag_hint(place->diag, "%s", error.hint);
		return false;
	}
	return true;
}

/* The slot of the table where the key is, or would be. */
static uint32_t *find_slot(uint32_t *table, const struct hg_ruleset_build *build, bool is_id,
			   uint64_t key)
{
	uint32_t i = key & (HG_BUILD_TABLE - 1), rule;

	for (;; i = (i + 1) & (HG_BUILD_TABLE - 1)) {
		rule = table[i];
		if (!rule ||
		    key == (is_id ? build->ruleset->rule[rule - 1].id : build->match[rule - 1]))
			return &table[i];
	}
}

/* Gives the rule an id that no other has. False: its label is taken. */
static bool settle_id(struct hg_ruleset_build *build, const struct hg_rule_place *place,
		      struct hg_rule *rule, uint32_t **ret_slot)
{
	const struct hg_rule *other;
	uint64_t number;

	for (number = 2;; number++) {
		*ret_slot = find_slot(build->by_id, build, true, rule->id);
		if (!**ret_slot)
			return true;
		other = &build->ruleset->rule[**ret_slot - 1];
		if (rule->label[0] && !strcmp(rule->label, other->label))
			break;
		rule->id = (rule->id ^ number) * UINT64_C(0x100000001b3) | 1;
	}
	hg_diag_error(place->diag, find_place(place, 1),
		      "the label \"%s\" is taken by the rule on "
		      "line %u of %s",
		      rule->label, other->line, file_of(build, other));
	hg_diag_hint(place->diag, "a label names one rule");
	return false;
}

/* Does every packet that matches end here? */
static bool is_final(const struct hg_rule *rule)
{
	return !rule->is_count_only && (!rule->rate.count || rule->action == HG_RULE_ACCEPT);
}

static void warn_shadowed(struct hg_ruleset_build *build, const struct hg_rule_place *place,
			  unsigned int by)
{
	const struct hg_rule *rule = &build->ruleset->rule[by];
	bool is_everything = by + 1 == build->everything;

	if (is_everything && build->is_after_all)
		return;
	build->is_after_all |= is_everything;
	hg_diag_warning(place->diag, find_place(place, 1),
			is_everything ? "never reached, as all rules behind it: the rule on line "
					"%u of %s decides every packet"
				      : "never reached: the rule on line %u of %s matches the same "
					"packets first",
			rule->line, build->ruleset->file[rule->file]);
}

/* The rule as if it were `accept`: equal for rules that match the same, without what they
 * do. The text of `everything` is "accept". */
static void print_match(const struct hg_ruleset_build *build, unsigned int index,
			char text[HG_RULE_TEXT_MAX])
{
	struct hg_rule match = build->ruleset->rule[index];

	match.action = HG_RULE_ACCEPT;
	match.is_count_only = false;
	match.rate = (struct hg_rule_rate){ 0 };
	match.label[0] = '\0';
	build->match[index] = hg_rule_id(&match, &build->names);
	hg_rule_print(&match, &build->names, text, HG_RULE_TEXT_MAX);
}

static void check_shadow(struct hg_ruleset_build *build, const struct hg_rule_place *place,
			 unsigned int index)
{
	char text[HG_RULE_TEXT_MAX], other[HG_RULE_TEXT_MAX];
	uint32_t *slot;

	print_match(build, index, text);
	slot = find_slot(build->by_match, build, false, build->match[index]);
	if (*slot)
		print_match(build, *slot - 1, other);
	if (*slot && !strcmp(text, other))
		warn_shadowed(build, place, *slot - 1);
	else if (build->everything)
		warn_shadowed(build, place, build->everything - 1);
	if (*slot || !is_final(&build->ruleset->rule[index]))
		return;
	*slot = index + 1;
	if (!build->everything && !strcmp(text, "accept"))
		build->everything = index + 1;
}

void hg_build_add_rule(struct hg_ruleset_build *build, const struct hg_rule_place *place,
		       const char *text, size_t length)
{
	unsigned int index = build->ruleset->rule_count;
	struct hg_rule rule;
	uint32_t *slot;

	if (index == HG_RULES_MAX) {
		if (!build->is_full)
			hg_diag_error(place->diag, find_place(place, 1), "more than %d rules",
				      HG_RULES_MAX);
		build->is_full = true;
		return;
	}
	if (!parse(build, place, text, length, &rule))
		return;
	if (!reserve_rule(build)) {
		hg_diag_error(place->diag, find_place(place, 1), "out of memory");
		return;
	}
	rule.file = place->file;
	rule.line = hg_diag_line(place->diag, find_place(place, 1));
	if (!settle_id(build, place, &rule, &slot))
		return;
	build->ruleset->rule[index] = rule;
	build->ruleset->rule_count++;
	*slot = index + 1;
	check_shadow(build, place, index);
}
