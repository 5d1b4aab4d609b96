/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The history of a cluster's configuration: a bare git repository STATE/history.git,
 * to be read with plain git (`git --git-dir STATE/history.git log -p`).
 *
 * A commit is a generation. One linear branch: each has one parent, or none (the first),
 * and a number above its parent's. Refs:
 *
 *   refs/heads/main         the confirmed generation: what this node teaches
 *   refs/incoming/NODE      learned from NODE, ahead of main, not yet confirmed here
 *   refs/diverged/NODE      the head of NODE, of which main is no ancestor nor descendant
 *   refs/local/...          edits on this node that something else was put in place of
 *   refs/unconfirmed/...    generations that were applied, or tried, and went back
 *   refs/kept/...           where main was before `adopt`
 *
 * Nothing is ever deleted but refs/incoming. All writes go as one pack into objects/pack
 * (fsync, rename, fsync of the directory) before a ref names them: a crash leaves the old
 * or the new head. Objects that no ref names yet are harmless.
 *
 * One process writes (a lock file); readers need no lock. Everything here may block
 * on the disk. Not for use by several threads at once.
 */
#ifndef HG_SYNC_HISTORY_H
#define HG_SYNC_HISTORY_H

#include "sync/files.h"
#include "sync/types.h"

#define HG_GENERATION_MAX ((UINT64_C(1) << 48) - 1)
#define HG_HISTORY_HAVES 64 /* names of generations that a learner sends */
#define HG_NODE_NAME 16 /* as HG_WIRE_NAME_LEN: letters, digits, - and _, up to 15 */

struct hg_history;

/* One generation, as its commit says. */
struct hg_generation {
	struct hg_oid oid, parent; /* parent: none for the first */
	uint64_t number; /* from 1 */
	char cluster[HG_UUID_TEXT];
	char node[HG_NODE_NAME]; /* who made it */
	int64_t time_s; /* that node's wall clock, seconds since 1970: for people only */
	char reason[64]; /* init, commit, rollback to N, adopt NODE */
	char subject[256]; /* first line of the message */
};

/* What the other node says about itself. */
struct hg_head {
	char cluster[HG_UUID_TEXT]; /* empty: blank, it has no history */
	uint64_t number; /* 0: blank */
	struct hg_oid oid;
};

/* Seen from this node. */
enum hg_relation {
	HG_RELATION_EQUAL,
	HG_RELATION_AHEAD, /* the other is an ancestor (or blank): it has to learn */
	HG_RELATION_BEHIND, /* this node has to learn: it never teaches */
	HG_RELATION_DIVERGED, /* both have generations that the other has not */
	HG_RELATION_FOREIGN, /* another cluster: both refuse */
	HG_RELATION_UNKNOWN, /* the other's head is not here: fetch it, then behind or diverged */
};
const char *hg_relation_name(enum hg_relation relation);

/* Opens DIR/history.git; with is_writer makes it when it is missing, locks it (-EBUSY: another
 * process has it), and clears what a crash left. Without: -ENOENT when there is none. */
int hg_history_open(const char *state_dir, bool is_writer, struct hg_history **ret,
		    struct hg_sync_error *error);
void hg_history_free(struct hg_history *history);
/* Renames DIR/history.git of an open writer to DIR/history-CLUSTER.git, or -CLUSTER-2 and so on:
 * nothing is written over. The history is of no use afterwards: free it, open anew. */
int hg_history_set_aside(struct hg_history *history, const char *state_dir, char *ret_name,
			 size_t size, struct hg_sync_error *error);

/* main; -ENOENT: no generation yet (blank). */
int hg_history_head(struct hg_history *history, struct hg_generation *ret);
/* -ENOENT: not here. -EBADMSG: not a generation. */
int hg_history_get(struct hg_history *history, const struct hg_oid *oid, struct hg_generation *ret);
/* By number, on main; -ENOENT. */
int hg_history_find(struct hg_history *history, uint64_t number, struct hg_generation *ret);
/* A ref by its full name; -ENOENT. */
int hg_history_ref(struct hg_history *history, const char *name, struct hg_oid *ret);
/* main from the newest to the oldest; `each` returns nonzero to stop, which is returned. */
int hg_history_walk(struct hg_history *history,
		    int (*each)(const struct hg_generation *generation, void *arg), void *arg);
/* All refs but main, in order of their names. */
int hg_history_refs(struct hg_history *history,
		    int (*each)(const char *name, const struct hg_oid *oid, void *arg), void *arg);

/* --- two nodes ------------------------------------------------------------------- */

/* This node's head for the other; blank when there is none. */
int hg_history_describe(struct hg_history *history, struct hg_head *ret);
int hg_history_relate(struct hg_history *history, const struct hg_head *other,
		      enum hg_relation *ret);
/* What a learner has, newest first, thinned out towards the past. Returns the count. */
int hg_history_haves(struct hg_history *history, struct hg_oid ret[HG_HISTORY_HAVES]);
/* Writes to `fd` a pack of what main has and a node with these `haves` lacks. Names that are
 * not on main are skipped. `max_octets` 0: no limit; -EFBIG: the pack would be larger.
 * ret_head: what was exported (main at this moment). */
int hg_history_export(struct hg_history *history, const struct hg_oid *haves, unsigned int count,
		      int fd, uint64_t max_octets, struct hg_oid *ret_head,
		      struct hg_sync_error *error);

struct hg_import_limits {
	uint64_t pack_octets; /* of the pack as sent */
	uint64_t objects;
	uint64_t object_octets; /* of one object, inflated */
	uint64_t inflated_octets; /* of all together */
	uint64_t generations;
};
extern const struct hg_import_limits hg_import_limits_default; /* 64 Mi, 200000, 16 Mi, 256 Mi,
								  100000 */

/* A pack on its way in: hg_import_new, feed until the end, finish, free. Kept in a file, with
 * a buffer of fixed size in memory. Nothing of it can be seen before it was checked: only
 * whole objects (no deltas), every hash, every object present, one line of generations
 * of this cluster with rising numbers, whose trees are what this program writes. */
struct hg_import;
int hg_import_new(struct hg_history *history, const struct hg_import_limits *limits,
		  struct hg_import **ret, struct hg_sync_error *error);
/* -E2BIG: more than the limit; -ENOSPC ... */
int hg_import_feed(struct hg_import *import, const void *data, size_t length,
		   struct hg_sync_error *error);
/* `head`: what the other said. The pack is kept, and by the relation (from this node):
 *   BEHIND    refs/incoming/NODE is `head`; hg_apply_stage() it next
 *   DIVERGED  refs/diverged/NODE is `head`
 *   EQUAL, AHEAD  nothing
 * -EBADMSG: not a sound pack, or not what `head` says; -E2BIG: a limit; -EXDEV: another
 * cluster. A blank history takes any cluster, if `cluster` (may be NULL) does not forbid it. */
int hg_import_finish(struct hg_import *import, const char *node, const struct hg_head *head,
		     const char *cluster, enum hg_relation *ret, struct hg_sync_error *error);
void hg_import_free(struct hg_import *import);

/* What the operator has to know and type after a divergence from `node`: names both heads
 * and the last common generation. -ENOENT: no divergence recorded. */
int hg_history_advice(struct hg_history *history, const char *node, char *ret, size_t size);

/* --- making generations (used by apply.c; refs change there only) ------------------- */

/* Keeps a blob in memory until hg_history_commit() or hg_history_drop(). */
int hg_history_put(struct hg_history *history, const void *data, size_t length, struct hg_oid *ret);
/* The same name without keeping anything. */
int hg_history_hash(const void *data, size_t length, struct hg_oid *ret);
void hg_history_drop(struct hg_history *history);

/* A new generation from a set whose blobs were put or are there; no ref names it yet.
 * `parent` none: the first, then made->cluster is needed, else it is the parent's.
 * Takes number, node, reason, subject, time_s, parent from `made`; the number must be above
 * the parent's. */
int hg_history_commit(struct hg_history *history, const struct hg_file_set *set,
		      const struct hg_generation *made, struct hg_oid *ret,
		      struct hg_sync_error *error);
/* The files of a generation, checked as hostile input. hg_file_set_done() when done. */
int hg_history_load(struct hg_history *history, const struct hg_oid *oid, struct hg_file_set *ret,
		    struct hg_sync_error *error);
/* Content of a blob; free() it. -EBADMSG when it is no blob, -EFBIG above HG_FILE_MAX. */
int hg_history_read(struct hg_history *history, const struct hg_oid *oid, void **ret,
		    size_t *ret_length);

/* main: only forward (`from` is where it has to stand, and an ancestor of `to`), else -ESTALE;
 * is_adopted: to elsewhere, the old main is kept under refs/kept. Idempotent. */
int hg_history_advance(struct hg_history *history, const struct hg_oid *from,
		       const struct hg_oid *to, bool is_adopted, struct hg_sync_error *error);
int hg_history_set_ref(struct hg_history *history, const char *name, const struct hg_oid *oid,
		       struct hg_sync_error *error);
int hg_history_delete_ref(struct hg_history *history, const char *name);

#endif
