// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Random schedules of two nodes: edits on either side, commits, rollbacks, partitions (nobody
 * syncs for a while), crashes and failing disks at random system calls, disk full, reboots,
 * snapshots of one side rolled back. Each file holds the word of its last edit, the same
 * word in all of them; so a half-applied set shows.
 *
 *   always    all files of a node hold one word; main never goes back, but by a snapshot
 *   at rest   both nodes are equal, or both report the divergence and one adoption ends it;
 *             every word ever written is in place or in the history of the node it was written
 *             on (but those of a node that was rolled back)
 *
 * SYNC_RUNS (default 60, or what fits into 20 s), SYNC_SEED (default: of the clock, printed): run
 * number i has seed SYNC_SEED + i.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "sync/paths.h"
#include "sync/store.h"
#include "tests/sync/rig.h"

#define STEPS 14
#define WORDS_MAX 64
#define SECOND UINT64_C(1000000000)

static struct rig rig;
static uint64_t random_state, seed;
static unsigned int boots, words, step;
static struct {
	bool is_mine[WORDS_MAX]; /* words that must not be lost */
	uint64_t number; /* of main, as last seen */
	bool is_full, is_saved;
	struct { /* at the snapshot */
		bool is_mine[WORDS_MAX];
		uint64_t number;
	} saved;
} node[2];
static struct {
	unsigned int steps, killed, failed, refused, diverged, restored, full;
} count;

#define FAIL(...)                                                                        \
	do {                                                                             \
		fprintf(stderr, "seed %llu, step %u: ", (unsigned long long)seed, step); \
		fprintf(stderr, __VA_ARGS__);                                            \
		fprintf(stderr, "\n");                                                   \
		exit(1);                                                                 \
	} while (0)

static unsigned int draw(unsigned int below)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (unsigned int)((random_state >> 16) % below);
}

static void trace(const char *what, int index, int r)
{
	if (getenv("SYNC_VERBOSE"))
		fprintf(stderr, "%u: %s on %s: %s %s\n", step, what, rig_names[index],
			r ? strerror(-r) : "done", r ? rig_result->text : "");
}

/* Now and then killed, or with a failing disk. */
static int run(int index, const char *what, rig_op *op, void *arg)
{
	struct rig_fault fault = { .at = draw(120) };
	unsigned int kind = draw(8);
	int r;

	fault.kind = kind == 0 ? RIG_KILL : RIG_ERROR;
	fault.error = draw(2) ? ENOSPC : EIO;
	r = rig_run(&rig, index, op, arg, kind < 2 ? &fault : NULL);
	count.killed += kind == 0 && fault.is_hit;
	count.failed += kind == 1 && fault.is_hit;
	trace(what, index, r);
	return r;
}

/* --- what a node has ------------------------------------------------------------------ */

static int word_in(struct rig_node *here, const char *name)
{
	const char *text = rig_read(here, name);
	char expected[128];
	int word;

	if (!text || sscanf(text, "word%d in", &word) != 1)
		return -1;
	snprintf(expected, sizeof(expected), "word%d in %s\n", word, name);
	return strcmp(text, expected) ? -1 : word;
}

static int op_word(struct rig_node *here, void *arg)
{
	int word = word_in(here, "cluster.yaml");

	(void)arg;
	if (word < 0 || word_in(here, "etc/one.conf") != word ||
	    word_in(here, "etc/app/a.conf") != word || word_in(here, "etc/app/b.conf") != word)
		return -EBADMSG;
	here->result->number = (uint64_t)word;
	return 0;
}

/* Recovers without a fault; a full disk may keep it broken for a while. */
static unsigned int look(int index)
{
	int r = rig_run(&rig, index, op_word, NULL, NULL);

	if (r == -EBADMSG)
		FAIL("%s has files of several words", rig_names[index]);
	if (r && !node[index].is_full)
		FAIL("%s: %s: %s", rig_names[index], strerror(-r), rig_result->text);
	if (!r && rig_result->head.number < node[index].number)
		FAIL("%s went back from %llu to %llu", rig_names[index],
		     (unsigned long long)node[index].number,
		     (unsigned long long)rig_result->head.number);
	if (!r)
		node[index].number = rig_result->head.number;
	return (unsigned int)rig_result->number;
}

struct search {
	struct rig_node *here;
	struct hg_oid wanted;
};

/* Does a commit or one of its ancestors hold it? 1: yes. */
static int search_from(const char *name, const struct hg_oid *oid, void *arg)
{
	struct search *search = arg;
	struct hg_generation generation = { .parent = *oid };
	const struct hg_file *file;
	struct hg_file_set set;
	int r;

	(void)name;
	while (!hg_oid_is_none(&generation.parent)) {
		r = hg_history_get(search->here->history, &generation.parent, &generation);
		if (!r)
			r = hg_history_load_any(search->here->history, &generation.oid, &set, NULL);
		if (r)
			return r;
		file = hg_files_find(&set, HG_CLUSTER_PATH);
		r = file && hg_oid_is_equal(&file->oid, &search->wanted);
		hg_file_set_done(&set);
		if (r)
			return r;
	}
	return 0;
}

static int op_has_words(struct rig_node *here, void *arg)
{
	const bool *wanted = arg;
	struct search search = { .here = here };
	struct hg_head head;
	char text[128];
	unsigned int i;
	int r, live = word_in(here, "cluster.yaml");

	for (i = 0; i <= words; i++) {
		if (!wanted[i] || (int)i == live)
			continue;
		snprintf(text, sizeof(text), "word%u in cluster.yaml\n", i);
		hg_history_hash(text, strlen(text), &search.wanted);
		r = hg_history_describe(here->history, &head);
		if (!r && head.number)
			r = search_from("main", &head.oid, &search);
		if (!r)
			r = hg_history_refs(here->history, search_from, &search);
		here->result->number = i;
		if (r != 1)
			return r ? r : -ENOENT;
	}
	return 0;
}

/* An edit in place of an edit that was never committed: the operator's own doing. */
static void forget_if_uncommitted(int index, unsigned int word)
{
	bool wanted[WORDS_MAX] = { false };

	wanted[word] = true;
	if (rig_run(&rig, index, op_has_words, wanted, NULL))
		node[index].is_mine[word] = false;
}

/* --- steps ------------------------------------------------------------------------------ */

static void edit(int index)
{
	unsigned int before;
	char text[32];

	/* A full disk would cut the file in the editor's hands. */
	if (node[index].is_full || words + 1 >= WORDS_MAX)
		return;
	before = look(index);
	snprintf(text, sizeof(text), "word%u", ++words);
	rig_is_without_store = true;
	rig_must(&rig, index, rig_op_write_files, text);
	rig_is_without_store = false;
	forget_if_uncommitted(index, before);
	node[index].is_mine[words] = true;
	trace(text, index, 0);
}

static int op_rollback(struct rig_node *here, void *arg)
{
	struct hg_generation made;
	int r = hg_apply_rollback(here->apply, *(uint64_t *)arg, NULL, &made, &here->error);

	return r ? r : rig_op_cycle(here, &made.oid);
}

static void roll_back(int index)
{
	uint64_t number = 1 + draw((unsigned int)node[index].number + 1);

	run(index, "rollback", op_rollback, &number);
}

static int op_end_trial(struct rig_node *here, void *arg)
{
	struct hg_apply_report report;

	return *(bool *)arg ? hg_apply_confirm(here->apply, &report, &here->error)
			    : hg_apply_abort(here->apply, &report, &here->error);
}

static void end_trial(int index)
{
	bool is_confirmed = draw(2);

	run(index, is_confirmed ? "confirm" : "abort", op_end_trial, &is_confirmed);
}

/* One direction. The relation as `to` sees it, UNKNOWN when a step of it failed. */
static enum hg_relation sync_once(int from, int to, bool is_calm)
{
	enum hg_relation relation;
	struct hg_head head;
	int r;

	r = is_calm ? rig_run(&rig, to, rig_op_haves, NULL, NULL)
		    : run(to, "haves", rig_op_haves, NULL);
	if (r)
		return HG_RELATION_UNKNOWN;
	r = is_calm ? rig_run(&rig, from, rig_op_export, NULL, NULL)
		    : run(from, "export", rig_op_export, NULL);
	head = rig_result->head;
	if (r)
		return r == -EALREADY ? HG_RELATION_EQUAL : HG_RELATION_UNKNOWN;
	r = is_calm ? rig_run(&rig, to, rig_op_import, &head, NULL)
		    : run(to, "import", rig_op_import, &head);
	if (r && is_calm)
		FAIL("%s cannot import: %s", rig_names[to], rig_result->text);
	if (r)
		return HG_RELATION_UNKNOWN;
	relation = rig_result->relation;
	if (relation == HG_RELATION_BEHIND) {
		r = is_calm ? rig_run(&rig, to, rig_op_cycle, &head.oid, NULL)
			    : run(to, "apply", draw(4) ? rig_op_cycle : rig_op_try, &head.oid);
		count.refused += r == -EUCLEAN;
	}
	return relation;
}

/* A copy has other inodes than the journal says: only without a change under way. */
static void save(int index)
{
	look(index);
	if (node[index].is_full || rig_result->status.phase != HG_APPLY_IDLE)
		return;
	rig_is_without_store = true;
	rig_must(&rig, index, rig_op_save, (void *)rig_names[index]);
	rig_is_without_store = false;
	node[index].is_saved = true;
	memcpy(node[index].saved.is_mine, node[index].is_mine, sizeof(node[index].is_mine));
	node[index].saved.number = node[index].number;
	trace("snapshot", index, 0);
}

static void restore(int index)
{
	if (!node[index].is_saved)
		return;
	rig_is_without_store = true;
	rig_must(&rig, index, rig_op_restore, (void *)rig_names[index]);
	rig_is_without_store = false;
	memcpy(node[index].is_mine, node[index].saved.is_mine, sizeof(node[index].is_mine));
	node[index].number = node[index].saved.number;
	node[index].is_full = false;
	count.restored++;
	trace("rolled back to the snapshot", index, 0);
}

static int op_fill(struct rig_node *here, void *arg)
{
	char block[4096];
	FILE *file;

	(void)here;
	if (!*(bool *)arg) {
		unlink("filler");
		return 0;
	}
	memset(block, 'x', sizeof(block));
	file = fopen("filler", "w");
	if (!file)
		return -errno;
	setvbuf(file, NULL, _IONBF, 0);
	while (fwrite(block, 1, 4096, file) == 4096)
		;
	fclose(file);
	return 0;
}

static void fill(int index, bool is_full)
{
	rig_is_without_store = true;
	rig_must(&rig, index, op_fill, &is_full);
	rig_is_without_store = false;
	node[index].is_full = is_full;
	count.full += is_full;
	trace(is_full ? "disk full" : "disk has room", index, 0);
}

static void reboot(void)
{
	static char id[40];

	snprintf(id, sizeof(id), "%08x-0000-4000-8000-000000000000", ++boots);
	rig_boot_id = id;
}

static void take_step(void)
{
	int index = (int)draw(2);

	switch (draw(12)) {
	case 0:
	case 1:
	case 2:
		edit(index);
		run(index, "commit", rig_op_commit_apply, "an edit");
		break;
	case 3:
		edit(index);
		break;
	case 4:
		roll_back(index);
		break;
	case 5:
		end_trial(index);
		break;
	case 6:
		save(index);
		break;
	case 7:
		if (!draw(3))
			restore(index);
		break;
	case 8:
		fill(index, !node[index].is_full);
		break;
	case 9:
		reboot();
		break;
	case 10:
		rig_now_ns += 61 * SECOND;
		break;
	case 11:
		sync_once(index, !index, false);
		sync_once(!index, index, false);
		break;
	}
	look(0);
	look(1);
}

/* --- at rest ------------------------------------------------------------------------------- */

static void commit_rest(int index)
{
	int r;

	fill(index, false);
	look(index);
	if (rig_result->status.phase == HG_APPLY_TRIAL) {
		rig_now_ns += 61 * SECOND;
		look(index);
	}
	r = rig_run(&rig, index, rig_op_commit_apply, "the rest", NULL);
	trace("commit of the rest", index, r);
	if (r && r != -EALREADY)
		FAIL("%s cannot commit: %s", rig_names[index], rig_result->text);
}

static int op_adopt(struct rig_node *here, void *arg)
{
	struct hg_apply_report report;
	struct hg_generation made;
	int r;

	r = hg_apply_adopt(here->apply, arg, &made, &here->error);
	if (!r)
		r = hg_apply_stage(here->apply, &made.oid, HG_STAGE_ADOPT, &report, &here->error);
	if (!r)
		r = hg_apply_switch(here->apply, 0, &report, &here->error);
	return r;
}

static void settle(void)
{
	enum hg_relation first, second;
	int index = (int)draw(2);

	commit_rest(0);
	commit_rest(1);
	first = sync_once(0, 1, true);
	second = sync_once(1, 0, true);
	if (first == HG_RELATION_DIVERGED || second == HG_RELATION_DIVERGED) {
		if (first != second)
			FAIL("diverged for one: %s, %s", hg_relation_name(first),
			     hg_relation_name(second));
		count.diverged++;
		rig_must(&rig, index, op_adopt, (void *)rig_names[!index]);
		sync_once(index, !index, true);
	}
}

static void expect_rest(void)
{
	struct hg_head head;
	unsigned int word;
	int i;

	word = look(0);
	head = rig_result->head;
	if (look(1) != word || !hg_oid_is_equal(&head.oid, &rig_result->head.oid))
		FAIL("not equal at rest");
	for (i = 0; i < 2; i++)
		if (rig_run(&rig, i, op_has_words, node[i].is_mine, NULL))
			FAIL("word %u is lost on %s (%s)", (unsigned int)rig_result->number,
			     rig_names[i], strerror(-rig_result->r));
}

static void run_schedule(void)
{
	struct hg_head head;

	memset(node, 0, sizeof(node));
	random_state = seed * UINT64_C(0x9e3779b97f4a7c15) | 1;
	rig_init(&rig, 3 * 1024);
	rig_now_ns = 1000 * SECOND;
	words = 0;
	step = 0;
	reboot();
	rig_must(&rig, 0, rig_op_write_files, "word0");
	rig_must(&rig, 0, rig_op_commit_apply, "word0");
	head = rig_result->head;
	rig_fetch(&rig, 0, 1);
	rig_must(&rig, 1, rig_op_cycle, &head.oid);
	for (step = 1; step <= STEPS; step++, count.steps++)
		take_step();
	settle();
	expect_rest();
	rig_done(&rig);
}

int main(void)
{
	const char *runs = getenv("SYNC_RUNS"), *first = getenv("SYNC_SEED");
	unsigned long n = runs ? strtoul(runs, NULL, 10) : 60, i;
	time_t end = time(NULL) + 20;

	seed = first ? strtoull(first, NULL, 10) : (uint64_t)time(NULL);
	printf("test_random: seeds %llu to %llu\n", (unsigned long long)seed,
	       (unsigned long long)(seed + n - 1));
	for (i = 0; i < n && (runs || time(NULL) < end); i++, seed++) {
		run_schedule();
		if (i % 500 == 499)
			fprintf(stderr, "%lu done\n", i + 1);
	}
	n = i;
	printf("test_random: %lu schedules, %u steps: %u killed, %u with a failing disk, %u full "
	       "disks, %u snapshots rolled back, %u refused for edits, %u diverged\n",
	       n, count.steps, count.killed, count.failed, count.full, count.restored,
	       count.refused, count.diverged);
	return 0;
}
