/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Two nodes on one machine: each has a mount namespace with a tmpfs of its own at one and the
 * same path, so that the paths of replicated files are the same on both.
 *
 *     BASE/here/state         history.git, apply.journal
 *     BASE/here/cluster.yaml
 *     BASE/here/etc/app       a replicated directory
 *     BASE/here/etc/one.conf  a replicated file
 *     BASE/wire               shared: packs on their way, what hooks wrote
 *
 * Each operation is a process of its own that opens the store, recovers, does one thing and
 * ends, or is killed by ptrace at a chosen system call, or gets an error from one.
 */
#ifndef TESTS_SYNC_RIG_H
#define TESTS_SYNC_RIG_H

#include <sys/types.h>

#include "sync/apply.h"

#define RIG_UUID "11111111-2222-4333-8444-555555555555"

struct rig {
	char base[64];
	int ns[2]; /* mount namespaces */
};

/* Shared with the process of an operation. */
struct rig_result {
	int r;
	char text[4096];
	struct hg_head head, made;
	struct hg_apply_status status;
	struct hg_apply_report report;
	enum hg_relation relation;
	uint64_t number; /* whatever else the operation has to say */
};

/* What an operation works with. */
struct rig_node {
	struct rig *rig;
	int index; /* 0: gw1, 1: gw2 */
	char here[96];
	struct hg_history *history;
	struct hg_apply *apply;
	struct hg_entry entry[4];
	unsigned int entry_count;
	struct rig_result *result; /* also gets `report` of the recovery */
	struct hg_sync_error error;
};

typedef int rig_op(struct rig_node *node, void *arg);

enum rig_fault_kind { RIG_COUNT = 1, RIG_KILL, RIG_ERROR };

/* The `at`-th system call (from 0) that changes something on a disk. */
struct rig_fault {
	enum rig_fault_kind kind;
	unsigned int at;
	int error; /* RIG_ERROR: e.g. ENOSPC */
	unsigned int seen; /* out: how many there were */
	bool is_hit; /* out */
	char call[64]; /* out: which it was */
};

extern const char *const rig_names[2];
extern struct rig_result *rig_result;
/* How the store is opened by the operations to come. */
extern uint64_t rig_now_ns; /* 0: the kernel's */
extern const char *rig_boot_id;
extern const char *rig_validate, *rig_apply; /* of BASE/here/etc/app; NULL: none */
extern unsigned int rig_timeout_s; /* of these */
extern bool rig_is_without_store; /* the operation opens nothing */

void rig_init(struct rig *rig, unsigned int kib);
void rig_done(struct rig *rig);
/* rig_result->r is what `op` returned; -EINTR: it was killed. With a fault: recovery is
 * part of it. */
int rig_run(struct rig *rig, int index, rig_op *op, void *arg, struct rig_fault *fault);
/* An operation that has to succeed. */
void rig_must(struct rig *rig, int index, rig_op *op, void *arg);

/* --- files, in the process of an operation (paths below here/) --------------------- */
void rig_write(struct rig_node *node, const char *name, const char *text);
/* Static; NULL: not there. */
char *rig_read(struct rig_node *node, const char *name);
void rig_path(struct rig_node *node, const char *name, char *ret, size_t size);
/* Names in here/, etc/ and state/ that should not be there. 0: none. */
int rig_find_leftovers(struct rig_node *node, char *ret, size_t size);

/* --- operations ----------------------------------------------------------------------- */
int rig_op_nothing(struct rig_node *node, void *arg); /* recovers */
int rig_op_write_files(struct rig_node *node, void *arg); /* arg: a word for all contents */
int rig_op_commit(struct rig_node *node, void *arg); /* result->made; arg: message */
int rig_op_commit_apply(struct rig_node *node, void *arg); /* commit to confirm in one go */
int rig_op_stage(struct rig_node *node, void *arg); /* arg: struct hg_oid; result->report */
int rig_op_cycle(struct rig_node *node, void *arg); /* stage, switch, confirm of struct hg_oid */
int rig_op_export(struct rig_node *node, void *arg); /* to wire/pack, from wire/haves */
int rig_op_haves(struct rig_node *node, void *arg); /* to wire/haves */
int rig_op_import(struct rig_node *node, void *arg); /* arg: struct hg_head; result->relation */
int rig_op_content(struct rig_node *node, void *arg); /* result->number: hash of all contents */

int rig_op_try(struct rig_node *node, void *arg); /* stage and switch: struct hg_oid, 60 s */
int rig_op_abort(struct rig_node *node, void *arg);
int rig_op_expect_text(struct rig_node *node, void *arg); /* a.conf begins with it */
int rig_op_no_leftovers(struct rig_node *node, void *arg);
/* BASE/here to wire/arg and back; without the store. Inodes change. */
int rig_op_save(struct rig_node *node, void *arg);
int rig_op_restore(struct rig_node *node, void *arg);

/* gw1 has the first generation, all words "first", and gw2 has learned it. */
void rig_make_pair(struct rig *rig);
/* gw1 makes another, gw2 fetches it. */
struct hg_head rig_make_next(struct rig *rig, const char *word);
/* haves, export, import; the relation of `to` afterwards. */
enum hg_relation rig_fetch(struct rig *rig, int from, int to);

#endif
