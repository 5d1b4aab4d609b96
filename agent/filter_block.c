// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The commands of the blocklist: `filter-block`, `filter-unblock`, `filter-blocked`. One
 * address more or less is a map update and done at once; lists run in a task (task.h).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent.h"
#include "agent/filter/rule.h"

#define BLOCKED_DEFAULT 1000
#define BLOCKED_MAX 100000
#define TTL_MAX_S (10 * 366 * 86400ll)

static const char *const source_names[] = {
	[HG_BLOCK_OPERATOR] = "operator",
	[HG_BLOCK_FEED] = "feed",
	[HG_BLOCK_IDS] = "ids",
};

#define SOURCES (sizeof(source_names) / sizeof(source_names[0]))

static const char *source_name(uint32_t source)
{
	return source < SOURCES && source_names[source] ? source_names[source] : "unknown";
}

/* --- one address ---------------------------------------------------------------------- */

static bool read_value(json_t *arguments, struct hg_block *ret, struct hg_error *error)
{
	json_t *ttl = json_object_get(arguments, "ttl_s");
	const char *source = json_string_value(json_object_get(arguments, "source"));
	json_int_t seconds = json_integer_value(ttl);

	*ret = (struct hg_block){ .expire_ns = ~UINT64_C(0), .source = HG_BLOCK_OPERATOR };
	if (ttl && (!json_is_integer(ttl) || seconds < 1 || seconds > TTL_MAX_S)) {
		snprintf(error->text, sizeof(error->text),
			 "the time to live is 1 second to ten years; leave it out for no end");
		return false;
	}
	if (ttl)
		ret->expire_ns = hg_now().ns + (uint64_t)seconds * UINT64_C(1000000000);
	for (uint32_t i = 0; source && i < SOURCES; i++) {
		if (!source_names[i] || strcmp(source_names[i], source))
			continue;
		ret->source = i;
		return true;
	}
	if (source)
		snprintf(error->text, sizeof(error->text),
			 "source '%.32s' is none of operator, feed, ids", source);
	return !source;
}

static bool read_address(const char *text, size_t length, struct hg_blocked *ret,
			 struct hg_error *error)
{
	struct hg_rule_error wrong = { 0 };
	struct hg_ip ip;

	if (!hg_rule_ip_parse(text, length, &ip, &wrong)) {
		snprintf(error->text, sizeof(error->text), "%s%s%s", wrong.text,
			 wrong.hint[0] ? ": " : "", wrong.hint);
		return false;
	}
	if (!ip.prefix) {
		snprintf(error->text, sizeof(error->text),
			 "/0 would block everybody; a rule says that better: drop from any");
		return false;
	}
	*ret = (struct hg_blocked){ .family = ip.family, .prefix = ip.prefix };
	memcpy(ret->addr, ip.addr, sizeof(ret->addr));
	return true;
}

static const char *blocked_text(const struct hg_blocked *what, char buffer[HG_RULE_IP_TEXT])
{
	struct hg_ip ip = { .family = what->family, .prefix = what->prefix };

	memcpy(ip.addr, what->addr, sizeof(ip.addr));
	return hg_rule_ip_text(&ip, buffer);
}

static bool read_argument(json_t *arguments, struct hg_blocked *ret, struct hg_error *error)
{
	json_t *address = json_object_get(arguments, "address");

	if (!json_is_string(address)) {
		snprintf(error->text, sizeof(error->text), "\"address\" is missing");
		return false;
	}
	return read_address(json_string_value(address), json_string_length(address), ret, error);
}

static void block_one(struct hg_agent *agent, struct hg_control_request *req, json_t *arguments)
{
	struct hg_error error = { "" };
	char text[HG_RULE_IP_TEXT];
	struct hg_blocked what;
	struct hg_block value;
	bool is_new;
	int err;

	if (!read_argument(arguments, &what, &error) || !read_value(arguments, &value, &error)) {
		hg_control_fail(req, "%s", error.text);
		return;
	}
	err = hg_blocks_add(agent->blocks, &what, &value, &is_new);
	if (err == -ENOSPC) {
		agent->expire_at = 0;
		hg_control_fail(req, "the blocklist is full; what has expired is being removed, "
				     "try again in a second");
		return;
	}
	if (err) {
		hg_control_fail(req, "cannot block: %s", strerror(-err));
		return;
	}
	blocked_text(&what, text);
	if (value.source == HG_BLOCK_OPERATOR)
		hg_agent_note(agent, HG_HISTORY_OPERATOR, "%s blocked by uid %u", text,
			      hg_control_asker(req).uid);
	hg_control_done(req, "%s is blocked%s", text, is_new ? "" : " (was before; renewed)");
}

void hg_filter_on_unblock(void *context, struct hg_control_request *req, json_t *arguments)
{
	struct hg_agent *agent = context;
	struct hg_error error = { "" };
	char text[HG_RULE_IP_TEXT];
	struct hg_blocked what;
	int err;

	if (!read_argument(arguments, &what, &error)) {
		hg_control_fail(req, "%s", error.text);
		return;
	}
	blocked_text(&what, text);
	err = hg_blocks_remove(agent->blocks, &what);
	if (err == -ENOENT)
		hg_control_fail(req,
				"%s is not on the blocklist as such; `hagate filter blocked` lists "
				"addresses and prefixes as they were blocked",
				text);
	else if (err)
		hg_control_fail(req, "cannot unblock: %s", strerror(-err));
	if (err)
		return;
	hg_agent_note(agent, HG_HISTORY_OPERATOR, "%s unblocked by uid %u", text,
		      hg_control_asker(req).uid);
	hg_control_done(req, "%s is not blocked any more", text);
}

/* --- many addresses ------------------------------------------------------------------ */

#define BULK_ERRORS_SHOWN 20

struct bulk {
	struct hg_blocked *what;
	size_t count, size, line, errors;
	json_t *diagnostics;
};

static const char *skip_blanks(const char *from, const char *to)
{
	while (from < to && (*from == ' ' || *from == '\t' || *from == '\r'))
		from++;
	return from;
}

static int bulk_add(struct bulk *bulk, const struct hg_blocked *what)
{
	void *grown;

	if (bulk->count == HG_BLOCKS_MAX)
		return -E2BIG;
	if (bulk->count == bulk->size) {
		bulk->size = bulk->size ? bulk->size * 2 : 65536;
		grown = realloc(bulk->what, bulk->size * sizeof(*what));
		if (!grown)
			return -ENOMEM;
		bulk->what = grown;
	}
	bulk->what[bulk->count++] = *what;
	return 0;
}

/* One address or prefix; what follows blank or # is a comment. */
static int bulk_line(struct bulk *bulk, const char *line, size_t length)
{
	const char *end = memchr(line, '#', length), *from, *to;
	struct hg_error error = { "" };
	struct hg_blocked what;

	bulk->line++;
	if (!end)
		end = line + length;
	from = skip_blanks(line, end);
	for (to = from; to < end && *to != ' ' && *to != '\t' && *to != '\r';)
		to++;
	if (from == to)
		return 0;
	if (skip_blanks(to, end) == end && read_address(from, to - from, &what, &error))
		return bulk_add(bulk, &what);
	if (!error.text[0])
		snprintf(error.text, sizeof(error.text), "one address or prefix a line");
	if (bulk->errors++ < BULK_ERRORS_SHOWN)
		json_array_append_new(bulk->diagnostics,
				      json_sprintf("line %zu: error: %s", bulk->line, error.text));
	return 0;
}

static int bulk_read(struct bulk *bulk, struct hg_task *task)
{
	size_t size = 1 << 16, length = 0;
	char *buffer = malloc(size), *line, *end;
	ssize_t n = 1;
	int err = buffer ? 0 : -ENOMEM;

	while (!err && n > 0) {
		n = hg_task_read(task, buffer + length, size - length);
		if (n < 0)
			err = n;
		length += n > 0 ? n : 0;
		line = buffer;
		while (!err && (end = memchr(line, '\n', buffer + length - line))) {
			err = bulk_line(bulk, line, end - line);
			line = end + 1;
		}
		length -= line - buffer;
		memmove(buffer, line, length);
		if (length == size)
			err = -EMSGSIZE;
	}
	if (!err && length)
		err = bulk_line(bulk, buffer, length);
	free(buffer);
	return err;
}

static json_t *bulk_apply(struct bulk *bulk, const char *pin, const struct hg_block *value)
{
	struct hg_error error = { "" };
	struct hg_blocks *blocks;
	size_t removed;
	int err = hg_blocks_open(pin, &blocks, &error);

	if (err)
		return hg_task_fail("%s", error.text);
	err = hg_blocks_add_many(blocks, bulk->what, bulk->count, value);
	if (err == -ENOSPC && !hg_blocks_expire(blocks, hg_now().ns, &removed) && removed)
		err = hg_blocks_add_many(blocks, bulk->what, bulk->count, value);
	hg_blocks_free(blocks);
	if (err == -ENOSPC)
		return hg_task_fail("the blocklist is full: at most %d single addresses of each "
				    "family and %d prefixes; a part of the file is blocked",
				    HG_BLOCKS_MAX, HG_BLOCK_PREFIXES_MAX);
	if (err)
		return hg_task_fail("cannot block: %s; a part of the file may be blocked",
				    strerror(-err));
	return json_pack("{s:b,s:o,s:I}", "ok", 1, "text",
			 json_sprintf(bulk->count == 1 ? "%zu address or prefix is blocked"
						       : "%zu addresses and prefixes are blocked",
				      bulk->count),
			 "count", (json_int_t)bulk->count);
}

/* All or nothing: a file with a mistake changes nothing. */
static json_t *block_many(struct hg_task *task, void *context, json_t *arguments)
{
	const struct hg_agent *agent = context;
	struct bulk bulk = { .diagnostics = json_array() };
	struct hg_error error = { "" };
	struct hg_block value;
	json_t *answer;
	int err;

	if (!read_value(arguments, &value, &error))
		return hg_task_fail("%s", error.text);
	err = bulk_read(&bulk, task);
	if (err) {
		answer = hg_task_fail("line %zu: %s; nothing is blocked", bulk.line + 1,
				      strerror(-err));
	} else if (bulk.errors) {
		answer = hg_task_fail("%zu line%s wrong; nothing is blocked", bulk.errors,
				      bulk.errors == 1 ? " is" : "s are");
		json_object_set(answer, "diagnostics", bulk.diagnostics);
	} else {
		answer = bulk_apply(&bulk, agent->setup->node.pin, &value);
	}
	json_decref(bulk.diagnostics);
	free(bulk.what);
	return answer;
}

void hg_filter_on_block(void *context, struct hg_control_request *req, json_t *arguments)
{
	struct hg_agent *agent = context;

	if (!json_is_true(json_object_get(arguments, "bulk"))) {
		block_one(agent, req, arguments);
		return;
	}
	hg_agent_note(agent, HG_HISTORY_OPERATOR, "a list of addresses to block from uid %u",
		      hg_control_asker(req).uid);
	hg_task_start(&agent->tasks, req, block_many, agent, arguments);
}

/* --- the list ------------------------------------------------------------------------- */

struct listing {
	json_t *array;
	size_t limit, total;
	uint64_t now;
};

static int list_one(void *context, const struct hg_blocked *what, const struct hg_block *value)
{
	struct listing *listing = context;
	char text[HG_RULE_IP_TEXT];
	json_t *left = json_null();

	if (value->expire_ns <= listing->now)
		return 0;
	if (listing->total++ >= listing->limit)
		return 0;
	if (value->expire_ns != ~UINT64_C(0))
		left = json_integer((value->expire_ns - listing->now) / 1000000000);
	json_array_append_new(listing->array,
			      json_pack("{s:s,s:s,s:o,s:I}", "address", blocked_text(what, text),
					"source", source_name(value->source), "expires_s", left,
					"packets", (json_int_t)value->packets));
	return 0;
}

static json_t *list(struct hg_task *task, void *context, json_t *arguments)
{
	const struct hg_agent *agent = context;
	json_int_t limit = json_integer_value(json_object_get(arguments, "limit"));
	struct listing listing = { .array = json_array(), .now = hg_now().ns };
	struct hg_error error = { "" };
	struct hg_blocks *blocks;
	int err = hg_blocks_open(agent->setup->node.pin, &blocks, &error);

	(void)task;
	listing.limit = limit < 1 ? BLOCKED_DEFAULT : limit > BLOCKED_MAX ? BLOCKED_MAX : limit;
	if (!err) {
		err = hg_blocks_each(blocks, list_one, &listing);
		if (err)
			snprintf(error.text, sizeof(error.text), "cannot read the blocklist: %s",
				 strerror(-err));
		hg_blocks_free(blocks);
	}
	if (err) {
		json_decref(listing.array);
		return hg_task_fail("%s", error.text);
	}
	return json_pack("{s:b,s:o,s:I}", "ok", 1, "blocked", listing.array, "total",
			 (json_int_t)listing.total);
}

void hg_filter_on_blocked(void *context, struct hg_control_request *req, json_t *arguments)
{
	struct hg_agent *agent = context;

	hg_task_start(&agent->tasks, req, list, agent, arguments);
}
