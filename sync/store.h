/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Inside sync/: the history as its own files see it. Everybody else includes history.h. */
#ifndef HG_SYNC_STORE_H
#define HG_SYNC_STORE_H

#include <git2.h>
#include <git2/sys/mempack.h>
#include <git2/sys/odb_backend.h>
#include <limits.h>

#include "sync/history.h"

#define HG_REF_MAIN "refs/heads/main"
#define HG_TREE_MANIFEST "manifest"
#define HG_TREE_FILES "files"
#define HG_MANIFEST_MAX (32u * 1024 * 1024)
#define HG_PACKS_MAX 64 /* more are put together */

/* A generation of main: what is asked for again and again. */
struct hg_line {
	uint64_t number;
	struct hg_oid oid;
};

struct hg_history {
	git_repository *repo;
	git_odb *odb;
	git_odb_backend *mempack; /* objects not yet in a pack; writer only */
	int lock;
	char dir[PATH_MAX]; /* history.git */
	struct hg_line *line; /* main, newest first; valid while line_head is main */
	size_t line_count;
	struct hg_oid line_head;
};

void hg_oid_to_git(const struct hg_oid *oid, git_oid *ret);
void hg_oid_from_git(const git_oid *git, struct hg_oid *ret);
/* -errno for what libgit2 returned, with its own words after `what`. */
int hg_git_fail(struct hg_sync_error *error, int git_result, const char *what);

/* Another handle on the same repository (no lock), e.g. to look at a pack in quarantine. */
int hg_history_reopen(const char *dir, struct hg_history *ret, struct hg_sync_error *error);
void hg_history_close(struct hg_history *history);

/* main as an array; -ENOENT: blank. Valid until main moves. */
int hg_history_line(struct hg_history *history, const struct hg_line **ret, size_t *ret_count);
/* Is it a generation of main (its number is that of `generation`)? */
bool hg_history_has(struct hg_history *history, uint64_t number, const struct hg_oid *oid);
bool hg_node_is_valid(const char *node);

/* load.c: like hg_history_load(), also of sets without cluster.yaml. */
int hg_history_load_any(struct hg_history *history, const struct hg_oid *oid,
			struct hg_file_set *ret, struct hg_sync_error *error);
/* Is everything below this generation's tree there, and of the kind it should be? Trees in
 * `seen` are not looked at again. */
struct hg_seen {
	struct hg_oid *slot; /* open addressing; none: free */
	size_t size, used, limit;
};
int hg_history_check_tree(struct hg_history *history, const struct hg_oid *oid,
			  struct hg_seen *seen, struct hg_sync_error *error);
void hg_seen_done(struct hg_seen *seen);

/* relate.c: refs/KIND/NUMBER-OID; and a divergence from `node` that is over. */
void hg_ref_name(const char *kind, uint64_t number, const struct hg_oid *oid, char *ret,
		 size_t size);
int hg_history_settle(struct hg_history *history, const char *node, struct hg_sync_error *error);

/* Removes refs/incoming and refs/diverged that main has reached. */
void hg_history_tidy(struct hg_history *history);
/* Would hg_history_advance() do it? */
int hg_history_can_advance(struct hg_history *history, const struct hg_head *now,
			   const struct hg_generation *next, bool is_adopted,
			   struct hg_sync_error *error);
/* A number that no generation has that this node ever heard of. */
int hg_history_next(struct hg_history *history, uint64_t *ret_number);

/* pack.c */
typedef int hg_pack_sink(void *arg, const void *data, size_t length);
/* All objects of `want` that `hide` has not, as one pack without deltas, to the sink. */
int hg_pack_build(struct hg_history *history, const struct hg_oid *want, const struct hg_oid *hide,
		  hg_pack_sink *sink, void *arg, struct hg_sync_error *error);
/* Indexes a pack into history.git/incoming: begin, append, end (its name without suffix). */
int hg_pack_begin(struct hg_history *history, git_indexer **ret, struct hg_sync_error *error);
int hg_pack_append(git_indexer *indexer, const void *data, size_t length,
		   struct hg_sync_error *error);
int hg_pack_end(struct hg_history *history, git_indexer *indexer, char *ret, size_t size,
		struct hg_sync_error *error);
/* From history.git/incoming to its place, durable; then it can be seen. */
int hg_pack_install(struct hg_history *history, const char *name, struct hg_sync_error *error);
/* Clears history.git/incoming and packs without an index. */
int hg_pack_clean(struct hg_history *history);
/* One pack instead of more than HG_PACKS_MAX. */
int hg_pack_compact(struct hg_history *history, struct hg_sync_error *error);

/* measure.c: reads a pack with a small window and no more: whole objects only, within the
 * limits, nothing behind the end. -EBADMSG, -E2BIG. */
int hg_pack_measure(int fd, const struct hg_import_limits *limits, struct hg_sync_error *error);

#endif
