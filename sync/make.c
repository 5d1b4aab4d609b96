// SPDX-License-Identifier: GPL-2.0-or-later
/* New generations: from the disk, from an older one, from the other side of a divergence. */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "sync/change.h"
#include "sync/paths.h"
#include "sync/store.h"

static int hash_only(void *arg, const void *data, size_t length, struct hg_oid *ret)
{
	(void)arg;
	return hg_history_hash(data, length, ret);
}

static int put(void *arg, const void *data, size_t length, struct hg_oid *ret)
{
	return hg_history_put(arg, data, length, ret);
}

int hg_apply_edits(struct hg_apply *apply, hg_change_fn *each, void *arg,
		   struct hg_sync_error *error)
{
	struct hg_file_set set, found;
	struct hg_head head;
	int r;

	r = hg_history_describe(apply->history, &head);
	if (r || !head.number)
		return r;
	r = hg_history_load(apply->history, &head.oid, &set, error);
	if (r)
		return r;
	r = hg_files_scan(set.entry, set.entry_count, apply->cluster_path, true, hash_only, NULL,
			  &found, error);
	if (!r) {
		r = hg_files_compare(&set, &found, each, arg);
		hg_file_set_done(&found);
	}
	hg_file_set_done(&set);
	return r;
}

/* Its first line, without control characters, cut at the end of a character. */
static void set_subject(struct hg_generation *made, const char *message)
{
	size_t length = message ? strcspn(message, "\n") : 0, i;

	if (length >= sizeof(made->subject)) {
		length = sizeof(made->subject) - 1;
		while (length && ((unsigned char)message[length] & 0xc0) == 0x80)
			length--;
	}
	for (i = 0; i < length; i++)
		made->subject[i] = (unsigned char)message[i] < ' ' || message[i] == 0x7f
					   ? ' '
					   : message[i];
	made->subject[length] = '\0';
}

static int start(struct hg_apply *apply, const char *message, struct hg_generation *ret,
		 struct hg_head *ret_head, struct hg_sync_error *error)
{
	int r;

	memset(ret, 0, sizeof(*ret));
	r = hg_change_check_idle(apply, error);
	if (r)
		return r;
	r = hg_history_describe(apply->history, ret_head);
	if (!r)
		r = hg_history_next(apply->history, &ret->number);
	if (r)
		return hg_sync_fail(error, r, "history: main is damaged");
	ret->parent = ret_head->oid;
	ret->time_s = time(NULL);
	memcpy(ret->node, apply->node, sizeof(ret->node));
	set_subject(ret, message);
	return 0;
}

static bool is_same(const struct hg_file_set *a, const struct hg_file_set *b)
{
	return hg_entries_equal(a->entry, a->entry_count, b->entry, b->entry_count) &&
	       !hg_files_compare(a, b, NULL, NULL);
}

/* Makes it, unless it is what the head is. */
static int finish(struct hg_apply *apply, const struct hg_file_set *set, const struct hg_head *head,
		  struct hg_generation *made, struct hg_sync_error *error)
{
	struct hg_file_set now = { 0 };
	bool is_equal = false;
	int r = 0;

	if (head) {
		r = hg_history_load(apply->history, &head->oid, &now, error);
		is_equal = !r && is_same(&now, set);
		hg_file_set_done(&now);
	}
	if (is_equal) {
		hg_history_drop(apply->history);
		return hg_sync_fail(error, -EALREADY, "nothing differs from generation %llu",
				    (unsigned long long)head->number);
	}
	if (!r)
		r = hg_history_commit(apply->history, set, made, &made->oid, error);
	return r ? r : hg_history_get(apply->history, &made->oid, made);
}

int hg_apply_commit(struct hg_apply *apply, const struct hg_entry *entry, unsigned int count,
		    const char *cluster, const char *message, struct hg_generation *ret,
		    struct hg_sync_error *error)
{
	struct hg_generation made;
	struct hg_file_set set;
	struct hg_head head;
	int r;

	r = start(apply, message, &made, &head, error);
	if (r)
		return r;
	if (!head.number && (!cluster || !hg_uuid_is_valid(cluster)))
		return hg_sync_fail(error, -EINVAL,
				    "this node has no history yet: hagate init makes a cluster, "
				    "mode: join learns one");
	if (!head.number)
		memcpy(made.cluster, cluster, sizeof(made.cluster));
	strcpy(made.reason, head.number ? "commit" : "init");
	r = hg_entries_check(entry, count, (const char *const *)apply->forbidden, error);
	if (r)
		return r;
	r = hg_files_scan(entry, count, apply->cluster_path, false, put, apply->history, &set,
			  error);
	if (r) {
		hg_history_drop(apply->history);
		return r;
	}
	hg_files_override(&set);
	r = finish(apply, &set, head.number ? &head : NULL, &made, error);
	hg_file_set_done(&set);
	if (!r)
		*ret = made;
	return r;
}

int hg_apply_rollback(struct hg_apply *apply, uint64_t number, const char *message,
		      struct hg_generation *ret, struct hg_sync_error *error)
{
	struct hg_generation made, old;
	struct hg_file_set set;
	struct hg_head head;
	int r;

	r = start(apply, message, &made, &head, error);
	if (r)
		return r;
	r = hg_history_find(apply->history, number, &old);
	if (r)
		return hg_sync_fail(error, r, "there is no generation %llu; see hagate config log",
				    (unsigned long long)number);
	snprintf(made.reason, sizeof(made.reason), "rollback to %llu", (unsigned long long)number);
	r = hg_history_load(apply->history, &old.oid, &set, error);
	if (r)
		return r;
	r = finish(apply, &set, &head, &made, error);
	hg_file_set_done(&set);
	if (r == -EALREADY)
		hg_sync_fail(error, r,
			     "generation %llu has what generation %llu had already. To put back "
			     "files that were edited on this node: hagate config discard",
			     (unsigned long long)head.number, (unsigned long long)number);
	if (!r)
		*ret = made;
	return r;
}

int hg_apply_adopt(struct hg_apply *apply, const char *node, struct hg_generation *ret,
		   struct hg_sync_error *error)
{
	struct hg_generation made;
	struct hg_file_set set;
	struct hg_head head;
	char ref[64];
	int r;

	if (!hg_node_is_valid(node))
		return hg_sync_fail(error, -EINVAL, "'%s' is no name of a node", node);
	r = start(apply, NULL, &made, &head, error);
	if (r)
		return r;
	snprintf(ref, sizeof(ref), "refs/diverged/%s", node);
	r = hg_history_ref(apply->history, ref, &made.parent);
	if (r)
		return hg_sync_fail(error, r, "no divergence from %s is known", node);
	snprintf(made.reason, sizeof(made.reason), "adopt %s", node);
	r = hg_history_load(apply->history, &made.parent, &set, error);
	if (r)
		return r;
	r = finish(apply, &set, NULL, &made, error);
	hg_file_set_done(&set);
	if (!r)
		*ret = made;
	return r;
}
