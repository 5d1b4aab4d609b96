// SPDX-License-Identifier: GPL-2.0-or-later
/* Two heads: how they relate, what one sends the other, what the operator has to know. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "sync/paths.h"
#include "sync/store.h"

const char *hg_relation_name(enum hg_relation relation)
{
	switch (relation) {
	case HG_RELATION_EQUAL:
		return "equal";
	case HG_RELATION_AHEAD:
		return "ahead";
	case HG_RELATION_BEHIND:
		return "behind";
	case HG_RELATION_DIVERGED:
		return "diverged";
	case HG_RELATION_FOREIGN:
		return "foreign";
	case HG_RELATION_UNKNOWN:
		return "unknown";
	}
	return "?";
}

int hg_history_describe(struct hg_history *history, struct hg_head *ret)
{
	struct hg_generation head;
	int r;

	r = hg_history_head(history, &head);
	if (r && r != -ENOENT)
		return r;
	memset(ret, 0, sizeof(*ret));
	if (r)
		return 0;
	memcpy(ret->cluster, head.cluster, sizeof(ret->cluster));
	ret->number = head.number;
	ret->oid = head.oid;
	return 0;
}

/* Is `ancestor` on the line that ends in `generation`? -EBADMSG: the line is broken. */
static int descends(struct hg_history *history, struct hg_generation generation,
		    const struct hg_head *ancestor, bool *ret)
{
	int r;

	while (generation.number > ancestor->number && !hg_oid_is_none(&generation.parent)) {
		r = hg_history_get(history, &generation.parent, &generation);
		if (r)
			return -EBADMSG;
	}
	*ret = hg_oid_is_equal(&generation.oid, &ancestor->oid);
	return 0;
}

static int relate_newer(struct hg_history *history, const struct hg_head *mine,
			const struct hg_head *other, enum hg_relation *ret)
{
	struct hg_generation theirs;
	bool is_descendant;
	int r;

	r = hg_history_get(history, &other->oid, &theirs);
	if (r == -ENOENT) {
		*ret = HG_RELATION_UNKNOWN;
		return 0;
	}
	if (r || theirs.number != other->number)
		return -EBADMSG;
	r = descends(history, theirs, mine, &is_descendant);
	if (!r)
		*ret = is_descendant ? HG_RELATION_BEHIND : HG_RELATION_DIVERGED;
	return r;
}

int hg_history_relate(struct hg_history *history, const struct hg_head *other,
		      enum hg_relation *ret)
{
	struct hg_head mine;
	int r;

	r = hg_history_describe(history, &mine);
	if (r)
		return r;
	if (!other->number || !mine.number)
		*ret = other->number ? HG_RELATION_UNKNOWN
		       : mine.number ? HG_RELATION_AHEAD
				     : HG_RELATION_EQUAL;
	else if (strcmp(mine.cluster, other->cluster) != 0)
		*ret = HG_RELATION_FOREIGN;
	else if (hg_oid_is_equal(&mine.oid, &other->oid))
		*ret = HG_RELATION_EQUAL;
	else if (hg_history_has(history, other->number, &other->oid))
		*ret = HG_RELATION_AHEAD;
	else if (other->number > mine.number)
		return relate_newer(history, &mine, other, ret);
	else
		*ret = HG_RELATION_DIVERGED;
	return 0;
}

/* The newest sixteen, then each twice as far back, and the first. */
int hg_history_haves(struct hg_history *history, struct hg_oid ret[HG_HISTORY_HAVES])
{
	const struct hg_line *line;
	size_t count, i = 0, step = 1;
	int n = 0, r;

	r = hg_history_line(history, &line, &count);
	if (r)
		return r == -ENOENT ? 0 : r;
	while (i < count && n < HG_HISTORY_HAVES - 1) {
		ret[n++] = line[i].oid;
		if (i >= 16)
			step *= 2;
		i += step;
	}
	if (!hg_oid_is_equal(&ret[n - 1], &line[count - 1].oid))
		ret[n++] = line[count - 1].oid;
	return n;
}

struct export
{
	int fd;
	uint64_t octets, max;
};

static int write_out(void *arg, const void *data, size_t length)
{
	struct export *export = arg;

	export->octets += length;
	if (export->max && export->octets > export->max)
		return -EFBIG;
	return hg_path_write(export->fd, data, length);
}

static struct hg_oid newest_of(const struct hg_line *line, size_t line_count,
			       const struct hg_oid *haves, unsigned int count)
{
	static const struct hg_oid none;
	unsigned int j;
	size_t i;

	for (i = 0; i < line_count; i++)
		for (j = 0; j < count; j++)
			if (hg_oid_is_equal(&line[i].oid, &haves[j]))
				return haves[j];
	return none;
}

int hg_history_export(struct hg_history *history, const struct hg_oid *haves, unsigned int count,
		      int fd, uint64_t max_octets, struct hg_oid *ret_head,
		      struct hg_sync_error *error)
{
	struct export export = { .fd = fd, .max = max_octets };
	const struct hg_line *line;
	struct hg_oid base, head;
	size_t line_count;
	int r;

	r = hg_history_line(history, &line, &line_count);
	if (r)
		return hg_sync_fail(error, r, "there is no generation to send");
	head = line[0].oid;
	base = newest_of(line, line_count, haves,
			 count < HG_HISTORY_HAVES ? count : HG_HISTORY_HAVES);
	if (hg_oid_is_equal(&base, &head))
		return hg_sync_fail(error, -EALREADY, "the other node has it all");
	r = hg_pack_build(history, &head, &base, write_out, &export, error);
	if (!r)
		*ret_head = head;
	return r;
}

/* --- a divergence, told --------------------------------------------------------------------- */

static void describe_time(int64_t time_s, char *ret, size_t size)
{
	time_t t = (time_t)time_s;
	struct tm tm;

	if (!gmtime_r(&t, &tm) || !strftime(ret, size, "%Y-%m-%d %H:%M:%S UTC", &tm))
		snprintf(ret, size, "?");
}

static uint64_t find_common(struct hg_history *history, struct hg_generation generation)
{
	while (!hg_history_has(history, generation.number, &generation.oid))
		if (hg_oid_is_none(&generation.parent) ||
		    hg_history_get(history, &generation.parent, &generation))
			return 0;
	return generation.number;
}

int hg_history_advice(struct hg_history *history, const char *node, char *ret, size_t size)
{
	char ref[64], mine_time[32], their_time[32], mine_hex[HG_OID_HEX], their_hex[HG_OID_HEX];
	struct hg_generation mine, theirs;
	struct hg_oid oid;
	int r;

	if (!hg_node_is_valid(node))
		return -EINVAL;
	snprintf(ref, sizeof(ref), "refs/diverged/%s", node);
	r = hg_history_ref(history, ref, &oid);
	if (!r)
		r = hg_history_get(history, &oid, &theirs);
	if (!r)
		r = hg_history_head(history, &mine);
	if (r)
		return r;
	describe_time(mine.time_s, mine_time, sizeof(mine_time));
	describe_time(theirs.time_s, their_time, sizeof(their_time));
	hg_oid_print(&mine.oid, mine_hex);
	hg_oid_print(&theirs.oid, their_hex);
	snprintf(ret, size,
		 "The configurations of this node and of %s have diverged; nothing was "
		 "overwritten.\n"
		 "  here:   generation %" PRIu64 " %.10s by %s, %s: %s\n"
		 "  %s: generation %" PRIu64 " %.10s by %s, %s: %s\n"
		 "  both had generation %" PRIu64 " last.\n"
		 "See what differs, on this node:\n"
		 "  git --git-dir=%s diff main diverged/%s\n"
		 "Then choose. To take what %s has, type on this node:\n"
		 "  hagate config adopt\n"
		 "To keep what this node has, type the same on %s. Both histories are kept.",
		 node, mine.number, mine_hex, mine.node, mine_time, mine.subject, node,
		 theirs.number, their_hex, theirs.node, their_time, theirs.subject,
		 find_common(history, theirs), history->dir, node, node, node);
	return 0;
}

void hg_ref_name(const char *kind, uint64_t number, const struct hg_oid *oid, char *ret,
		 size_t size)
{
	char hex[HG_OID_HEX];

	hg_oid_print(oid, hex);
	snprintf(ret, size, "refs/%s/%" PRIu64 "-%.8s", kind, number, hex);
}

int hg_history_settle(struct hg_history *history, const char *node, struct hg_sync_error *error)
{
	struct hg_generation theirs;
	char diverged[64], kept[96];
	struct hg_oid oid;
	int r;

	snprintf(diverged, sizeof(diverged), "refs/diverged/%s", node);
	r = hg_history_ref(history, diverged, &oid);
	if (r)
		return r == -ENOENT ? 0 : r;
	r = hg_history_get(history, &oid, &theirs);
	if (!r && !hg_history_has(history, theirs.number, &oid)) {
		hg_ref_name("kept", theirs.number, &oid, kept, sizeof(kept));
		r = hg_history_set_ref(history, kept, &oid, error);
	}
	return r ? r : hg_history_delete_ref(history, diverged);
}

int hg_history_can_advance(struct hg_history *history, const struct hg_head *now,
			   const struct hg_generation *next, bool is_adopted,
			   struct hg_sync_error *error)
{
	bool is_descendant;
	int r;

	if (!now->number || hg_oid_is_equal(&now->oid, &next->oid))
		return 0;
	r = descends(history, *next, now, &is_descendant);
	if (r)
		return hg_sync_fail(error, r, "history: the line is broken");
	if (!is_descendant && (!is_adopted || next->number <= now->number))
		return hg_sync_fail(error, -ESTALE,
				    "generation %" PRIu64 " does not follow generation %" PRIu64
				    ", which this node has",
				    next->number, now->number);
	return 0;
}

/* Where main was, when it does not go on from there. */
static int keep_main(struct hg_history *history, const struct hg_head *now,
		     const struct hg_generation *next, struct hg_sync_error *error)
{
	bool is_descendant;
	char ref[96];
	int r;

	r = descends(history, *next, now, &is_descendant);
	if (r || is_descendant)
		return r;
	hg_ref_name("kept", now->number, &now->oid, ref, sizeof(ref));
	return hg_history_set_ref(history, ref, &now->oid, error);
}

int hg_history_advance(struct hg_history *history, const struct hg_oid *from,
		       const struct hg_oid *to, bool is_adopted, struct hg_sync_error *error)
{
	struct hg_generation next;
	struct hg_head now;
	int r;

	r = hg_history_describe(history, &now);
	if (r)
		return hg_sync_fail(error, r, "history: main is damaged");
	if (hg_oid_is_equal(&now.oid, to))
		return 0;
	r = hg_history_get(history, to, &next);
	if (r)
		return hg_sync_fail(error, r, "history: the generation is not here");
	if (!hg_oid_is_equal(&now.oid, from))
		return hg_sync_fail(error, -ESTALE, "history: main has moved meanwhile");
	r = hg_history_can_advance(history, &now, &next, is_adopted, error);
	if (!r && now.number)
		r = keep_main(history, &now, &next, error);
	return r ? r : hg_history_set_ref(history, HG_REF_MAIN, to, error);
}

static int drop_if_on_main(const char *name, const struct hg_oid *oid, void *arg)
{
	struct hg_history *history = arg;
	struct hg_generation generation;

	if (strncmp(name, "refs/incoming/", 14) != 0 && strncmp(name, "refs/diverged/", 14) != 0)
		return 0;
	if (!hg_history_get(history, oid, &generation) &&
	    hg_history_has(history, generation.number, oid))
		hg_history_delete_ref(history, name);
	return 0;
}

void hg_history_tidy(struct hg_history *history)
{
	hg_history_refs(history, drop_if_on_main, history);
}

struct highest {
	struct hg_history *history;
	uint64_t number;
};

static int take_highest(const char *name, const struct hg_oid *oid, void *arg)
{
	struct hg_generation generation;
	struct highest *highest = arg;

	(void)name;
	if (!hg_history_get(highest->history, oid, &generation) &&
	    generation.number > highest->number)
		highest->number = generation.number;
	return 0;
}

int hg_history_next(struct hg_history *history, uint64_t *ret_number)
{
	struct highest highest = { .history = history };
	struct hg_head now;
	int r;

	r = hg_history_describe(history, &now);
	if (r)
		return r;
	highest.number = now.number;
	r = hg_history_refs(history, take_highest, &highest);
	if (!r)
		*ret_number = highest.number + 1;
	return r;
}
