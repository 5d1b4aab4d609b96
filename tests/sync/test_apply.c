// SPDX-License-Identifier: GPL-2.0-or-later
/* The ordinary ways of a change between two nodes. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "tests/sync/rig.h"

static struct rig rig;

static int setup(void **state)
{
	(void)state;
	rig_init(&rig, 16 * 1024);
	rig_now_ns = 0;
	rig_boot_id = rig_validate = rig_apply = NULL;
	rig_timeout_s = 0;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	rig_done(&rig);
	return 0;
}

static int expect_no_leftovers(struct rig_node *node, void *arg)
{
	char name[256];

	(void)arg;
	if (!rig_find_leftovers(node, name, sizeof(name)))
		return 0;
	fprintf(stderr, "%s: %s is left\n", rig_names[node->index], name);
	return -ENOTEMPTY;
}

static int expect_text(struct rig_node *node, void *arg)
{
	const char *text = rig_read(node, "etc/app/a.conf");

	return text && !strncmp(text, arg, strlen(arg)) ? 0 : -ENOMSG;
}

/* gw1 has the first generation, gw2 has learned it. */
static void make_pair(void)
{
	struct hg_head head;

	rig_must(&rig, 0, rig_op_write_files, "first");
	rig_must(&rig, 0, rig_op_commit_apply, "the first");
	head = rig_result->head;
	assert_int_equal(head.number, 1);
	assert_int_equal(rig_fetch(&rig, 0, 1), HG_RELATION_BEHIND);
	rig_must(&rig, 1, rig_op_cycle, &head.oid);
	assert_int_equal(rig_result->head.number, 1);
}

static void test_pair(void **state)
{
	uint64_t content;
	struct hg_head head;

	(void)state;
	make_pair();
	rig_must(&rig, 0, rig_op_write_files, "second");
	rig_must(&rig, 0, rig_op_commit_apply, "the second");
	head = rig_result->head;
	assert_int_equal(head.number, 2);
	assert_int_equal(rig_fetch(&rig, 0, 1), HG_RELATION_BEHIND);
	rig_must(&rig, 1, rig_op_cycle, &head.oid);
	assert_true(hg_oid_is_equal(&rig_result->head.oid, &head.oid));
	rig_must(&rig, 0, rig_op_content, NULL);
	content = rig_result->number;
	rig_must(&rig, 1, rig_op_content, NULL);
	assert_int_equal(content, rig_result->number);
	rig_must(&rig, 1, expect_text, "second");
	assert_int_equal(rig_fetch(&rig, 0, 1), HG_RELATION_EQUAL);
	rig_must(&rig, 0, expect_no_leftovers, NULL);
	rig_must(&rig, 1, expect_no_leftovers, NULL);
}

/* --- the way back ------------------------------------------------------------------ */

#define SECOND UINT64_C(1000000000)

static int op_try(struct rig_node *node, void *arg)
{
	struct hg_apply_report report;
	int r = rig_op_stage(node, arg);

	return r ? r : hg_apply_switch(node->apply, 60 * SECOND, &report, &node->error);
}

static int op_tick(struct rig_node *node, void *arg)
{
	int r = hg_apply_tick(node->apply, &node->result->report, &node->error);

	node->result->number = r == 1;
	(void)arg;
	return r < 0 ? r : 0;
}

static int op_confirm(struct rig_node *node, void *arg)
{
	(void)arg;
	return hg_apply_confirm(node->apply, &node->result->report, &node->error);
}

static int op_abort(struct rig_node *node, void *arg)
{
	(void)arg;
	return hg_apply_abort(node->apply, &node->result->report, &node->error);
}

/* gw1 makes a generation, gw2 fetches it. */
static struct hg_head make_next(const char *word)
{
	struct hg_head head;

	rig_must(&rig, 0, rig_op_write_files, (void *)word);
	rig_must(&rig, 0, rig_op_commit_apply, (void *)word);
	head = rig_result->head;
	assert_int_equal(rig_fetch(&rig, 0, 1), HG_RELATION_BEHIND);
	return head;
}

static void test_deadline(void **state)
{
	struct hg_head head;

	(void)state;
	make_pair();
	head = make_next("second");
	rig_now_ns = 1000 * SECOND;
	rig_must(&rig, 1, op_try, &head.oid);
	assert_int_equal(rig_result->status.phase, HG_APPLY_TRIAL);
	assert_int_equal(rig_result->status.left_ns, 60 * SECOND);
	assert_int_equal(rig_result->head.number, 1);
	rig_must(&rig, 1, expect_text, "second");
	rig_now_ns += 59 * SECOND;
	rig_must(&rig, 1, op_tick, NULL);
	assert_int_equal(rig_result->number, 0);
	rig_now_ns += 2 * SECOND;
	/* Any start of the process sees it; no tick is needed. */
	rig_must(&rig, 1, expect_text, "first");
	assert_int_equal(rig_result->status.phase, HG_APPLY_IDLE);
	assert_int_equal(rig_result->head.number, 1);
	assert_int_equal(rig_run(&rig, 1, op_confirm, NULL, NULL), -EBUSY);
	rig_must(&rig, 1, expect_no_leftovers, NULL);
	rig_must(&rig, 1, rig_op_cycle, &head.oid);
	assert_int_equal(rig_result->head.number, 2);
}

static void test_reboot(void **state)
{
	struct hg_head head;

	(void)state;
	make_pair();
	head = make_next("second");
	rig_boot_id = "aaaaaaaa-0000-4000-8000-000000000000";
	rig_must(&rig, 1, op_try, &head.oid);
	rig_must(&rig, 1, rig_op_nothing, NULL);
	assert_int_equal(rig_result->status.phase, HG_APPLY_TRIAL);
	rig_boot_id = "bbbbbbbb-0000-4000-8000-000000000000";
	rig_must(&rig, 1, expect_text, "first");
	assert_int_equal(rig_result->status.phase, HG_APPLY_IDLE);
}

static int op_late(struct rig_node *node, void *arg)
{
	struct hg_apply_report report;
	int r = op_try(node, arg);

	if (r)
		return r;
	rig_now_ns += 61 * SECOND;
	r = hg_apply_confirm(node->apply, &report, &node->error);
	return r == -ETIME ? 0 : -EPROTO;
}

static void test_late_confirm(void **state)
{
	struct hg_head head;

	(void)state;
	make_pair();
	head = make_next("second");
	rig_now_ns = SECOND;
	rig_must(&rig, 1, op_late, &head.oid);
	rig_now_ns = 0;
	assert_int_equal(rig_result->status.phase, HG_APPLY_IDLE);
	rig_must(&rig, 1, expect_text, "first");
}

static int expect_ref(struct rig_node *node, void *arg)
{
	struct hg_oid oid;

	return hg_history_ref(node->history, arg, &oid);
}

static int count_ref(const char *name, const struct hg_oid *oid, void *arg)
{
	(void)oid;
	if (!strncmp(name, "refs/unconfirmed/", 17))
		*(uint64_t *)arg += 1;
	return 0;
}

static int op_unconfirmed(struct rig_node *node, void *arg)
{
	(void)arg;
	node->result->number = 0;
	return hg_history_refs(node->history, count_ref, &node->result->number);
}

/* The author goes back too; what he wrote is kept. */
static void test_author_goes_back(void **state)
{
	struct hg_oid oid;

	(void)state;
	make_pair();
	rig_must(&rig, 0, rig_op_write_files, "second");
	rig_must(&rig, 0, rig_op_commit, "second");
	oid = rig_result->made.oid;
	rig_must(&rig, 0, op_try, &oid);
	rig_must(&rig, 0, expect_text, "second");
	rig_must(&rig, 0, op_abort, NULL);
	rig_must(&rig, 0, expect_text, "first");
	rig_must(&rig, 0, expect_no_leftovers, NULL);
	rig_must(&rig, 0, op_unconfirmed, NULL);
	assert_int_equal(rig_result->number, 1);
	/* A number that was tried is not used again. */
	rig_must(&rig, 0, rig_op_write_files, "third");
	rig_must(&rig, 0, rig_op_commit_apply, "third");
	assert_int_equal(rig_result->head.number, 3);
}

/* --- commands ------------------------------------------------------------------------ */

static void test_validate_refuses(void **state)
{
	struct hg_head head;

	(void)state;
	make_pair();
	rig_validate = "echo checked; grep -q second $HAGATE_PATH/a.conf";
	head = make_next("second");
	rig_must(&rig, 1, rig_op_cycle, &head.oid);
	rig_must(&rig, 0, rig_op_write_files, "third");
	assert_int_equal(rig_run(&rig, 0, rig_op_commit_apply, "third", NULL), -EINVAL);
	assert_non_null(strstr(rig_result->text, "ended with status 1\nchecked"));
	assert_int_equal(rig_result->status.phase, HG_APPLY_IDLE);
	/* The edit stays where it was made, main did not move. */
	rig_must(&rig, 0, expect_text, "third");
	assert_int_equal(rig_result->head.number, 2);
	rig_must(&rig, 0, expect_no_leftovers, NULL);
}

static int op_remove_app(struct rig_node *node, void *arg)
{
	char command[256];

	(void)arg;
	snprintf(command, sizeof(command), "rm -rf %s/etc/app %s/etc/one.conf", node->here,
		 node->here);
	return system(command) ? -EIO : 0;
}

static int expect_nothing(struct rig_node *node, void *arg)
{
	char name[256];

	(void)arg;
	return rig_read(node, "cluster.yaml") || rig_read(node, "etc/one.conf") ||
			       rig_find_leftovers(node, name, sizeof(name))
		       ? -EEXIST
		       : 0;
}

/* Validation sees staged files under their own paths, also where nothing was before, and
 * nobody else does. */
static void test_validate_sees(void **state)
{
	struct hg_head head;

	(void)state;
	rig_validate =
		"cd $(dirname $HAGATE_PATH)/.. && grep -q first etc/one.conf && grep -q first "
		"$HAGATE_PATH/a.conf && grep -q first {staged}/b.conf && test "
		"$HAGATE_GENERATION = 1 && grep -q first cluster.yaml";
	rig_must(&rig, 0, rig_op_write_files, "first");
	rig_must(&rig, 0, rig_op_commit_apply, "first");
	head = rig_result->head;
	rig_fetch(&rig, 0, 1);
	rig_must(&rig, 1, op_remove_app, NULL);
	rig_must(&rig, 1, rig_op_stage, &head.oid);
	assert_int_equal(rig_result->status.phase, HG_APPLY_READY);
	/* The mounts were of that command alone, and what was READY is gone with its process. */
	rig_must(&rig, 1, expect_nothing, NULL);
	rig_must(&rig, 1, rig_op_cycle, &head.oid);
	rig_must(&rig, 1, expect_text, "first");
}

static void test_timeout(void **state)
{
	(void)state;
	make_pair();
	rig_timeout_s = 1;
	rig_validate = "sleep 600 & sleep 600";
	rig_must(&rig, 0, rig_op_write_files, "second");
	assert_int_equal(rig_run(&rig, 0, rig_op_commit_apply, "second", NULL), -ETIME);
	assert_non_null(strstr(rig_result->text, "was killed after 1 s"));
}

static void test_apply_fails(void **state)
{
	(void)state;
	make_pair();
	rig_apply = "echo no; ! grep -q second $HAGATE_PATH/a.conf";
	rig_must(&rig, 0, rig_op_write_files, "second");
	assert_int_equal(rig_run(&rig, 0, rig_op_commit_apply, "second", NULL), -EIO);
	assert_int_equal(rig_result->status.phase, HG_APPLY_IDLE);
	assert_int_equal(rig_result->head.number, 1);
	rig_must(&rig, 0, expect_text, "first");
}

/* --- edits behind its back -------------------------------------------------------------- */

static int op_edit(struct rig_node *node, void *arg)
{
	rig_write(node, "etc/app/a.conf", arg);
	return 0;
}

static int op_stage_keep(struct rig_node *node, void *arg)
{
	struct hg_apply_report report;
	int r = hg_apply_stage(node->apply, arg, HG_STAGE_KEEP_EDITS, &node->result->report,
			       &node->error);

	if (!r)
		r = hg_apply_switch(node->apply, 0, &report, &node->error);
	return r;
}

static int expect_blob(struct rig_node *node, void *arg)
{
	char command[512];

	/* With plain git, as an operator would. */
	snprintf(command, sizeof(command),
		 "git --git-dir=state/history.git show %s:files%s/etc/app/a.conf | grep -q '%s'",
		 ((char **)arg)[0], node->here, ((char **)arg)[1]);
	return system(command) ? -ENOMSG : 0;
}

static void test_edits(void **state)
{
	char ref[128], *wanted[2] = { ref, (char *)"by hand" };
	struct hg_head head;

	(void)state;
	make_pair();
	head = make_next("second");
	rig_must(&rig, 1, op_edit, "by hand\n");
	assert_int_equal(rig_run(&rig, 1, rig_op_cycle, &head.oid, NULL), -EUCLEAN);
	assert_non_null(strstr(rig_result->text, "etc/app/a.conf (changed)"));
	assert_non_null(strstr(rig_result->text, "hagate config"));
	rig_must(&rig, 1, expect_text, "by hand");
	rig_must(&rig, 1, op_stage_keep, &head.oid);
	strcpy(ref, rig_result->report.kept);
	assert_int_equal(strncmp(ref, "refs/local/1-", 13), 0);
	rig_must(&rig, 1, expect_text, "second");
	rig_must(&rig, 1, expect_blob, wanted);
	rig_must(&rig, 1, expect_no_leftovers, NULL);
}

static int op_edit_in_trial(struct rig_node *node, void *arg)
{
	int r = op_try(node, arg);

	if (r)
		return r;
	rig_write(node, "etc/app/a.conf", "in the trial\n");
	return hg_apply_abort(node->apply, &node->result->report, &node->error);
}

static void test_edit_in_trial(void **state)
{
	char ref[128], *wanted[2] = { ref, (char *)"in the trial" };
	struct hg_head head;

	(void)state;
	make_pair();
	head = make_next("second");
	rig_must(&rig, 1, op_edit_in_trial, &head.oid);
	strcpy(ref, rig_result->report.kept);
	assert_int_equal(strncmp(ref, "refs/local/2-", 13), 0);
	rig_must(&rig, 1, expect_text, "first");
	rig_must(&rig, 1, expect_blob, wanted);
}

/* What a fresh node had in its place is kept without being asked. */
static void test_first_contents(void **state)
{
	char ref[128], *wanted[2] = { ref, (char *)"of the package" };
	struct hg_head head;

	(void)state;
	rig_must(&rig, 1, op_edit, "of the package\n");
	rig_must(&rig, 0, rig_op_write_files, "first");
	rig_must(&rig, 0, rig_op_commit_apply, "first");
	head = rig_result->head;
	rig_fetch(&rig, 0, 1);
	rig_must(&rig, 1, rig_op_cycle, &head.oid);
	strcpy(ref, rig_result->report.kept);
	assert_int_equal(strncmp(ref, "refs/local/0-", 13), 0);
	rig_must(&rig, 1, expect_text, "first");
	rig_must(&rig, 1, expect_blob, wanted);
}

/* --- generations ----------------------------------------------------------------------------- */

static int op_rollback(struct rig_node *node, void *arg)
{
	struct hg_generation made;
	int r = hg_apply_rollback(node->apply, *(uint64_t *)arg, NULL, &made, &node->error);

	if (r)
		return r;
	return strcmp(made.reason, "rollback to 1") ? -EPROTO : rig_op_cycle(node, &made.oid);
}

static void test_rollback(void **state)
{
	uint64_t number = 1;

	(void)state;
	make_pair();
	make_next("second");
	rig_must(&rig, 0, op_rollback, &number);
	assert_int_equal(rig_result->head.number, 3);
	rig_must(&rig, 0, expect_text, "first");
	number = 99;
	assert_int_equal(rig_run(&rig, 0, op_rollback, &number, NULL), -ENOENT);
	assert_int_equal(rig_run(&rig, 0, rig_op_commit, "x", NULL), -EALREADY);
}

static int op_adopt(struct rig_node *node, void *arg)
{
	struct hg_apply_report report;
	struct hg_generation made;
	int r;

	r = hg_apply_adopt(node->apply, arg, &made, &node->error);
	if (!r)
		r = hg_apply_stage(node->apply, &made.oid, HG_STAGE_ADOPT, &report, &node->error);
	if (!r)
		r = hg_apply_switch(node->apply, 0, &report, &node->error);
	return r;
}

static int expect_advice(struct rig_node *node, void *arg)
{
	char text[2048];
	int r;

	(void)arg;
	r = hg_history_advice(node->history, "gw2", text, sizeof(text));
	if (r)
		return r;
	return strstr(text, "here:   generation 2") && strstr(text, "gw2: generation 2") &&
			       strstr(text, "both had generation 1 last") &&
			       strstr(text, "hagate config adopt\n")
		       ? 0
		       : -ENOMSG;
}

static void test_diverged(void **state)
{
	struct hg_head head;

	(void)state;
	make_pair();
	rig_must(&rig, 0, rig_op_write_files, "on one");
	rig_must(&rig, 0, rig_op_commit_apply, "on one");
	rig_must(&rig, 1, rig_op_write_files, "on two");
	rig_must(&rig, 1, rig_op_commit_apply, "on two");
	assert_int_equal(rig_fetch(&rig, 0, 1), HG_RELATION_DIVERGED);
	assert_int_equal(rig_fetch(&rig, 1, 0), HG_RELATION_DIVERGED);
	/* Nothing moved. */
	rig_must(&rig, 0, expect_text, "on one");
	rig_must(&rig, 1, expect_text, "on two");
	rig_must(&rig, 0, expect_advice, NULL);
	/* The operator chooses gw2's. */
	rig_must(&rig, 0, op_adopt, "gw2");
	assert_int_equal(rig_result->head.number, 3);
	head = rig_result->head;
	rig_must(&rig, 0, expect_text, "on two");
	assert_int_equal(rig_run(&rig, 0, expect_ref, "refs/diverged/gw2", NULL), -ENOENT);
	assert_int_equal(rig_fetch(&rig, 0, 1), HG_RELATION_BEHIND);
	rig_must(&rig, 1, rig_op_cycle, &head.oid);
	assert_true(hg_oid_is_equal(&rig_result->head.oid, &head.oid));
	assert_int_equal(rig_run(&rig, 1, expect_ref, "refs/diverged/gw1", NULL), -ENOENT);
}

static int op_save(struct rig_node *node, void *arg)
{
	char command[256];

	(void)arg;
	snprintf(command, sizeof(command), "cp -a %s %s/wire/saved", node->here, node->rig->base);
	return system(command) ? -EIO : 0;
}

static int op_restore(struct rig_node *node, void *arg)
{
	char command[256];

	(void)arg;
	snprintf(command, sizeof(command), "find . -mindepth 1 -delete && cp -a %s/wire/saved/. %s",
		 node->rig->base, node->here);
	return system(command) ? -EIO : 0;
}

static void test_rolled_back_snapshot(void **state)
{
	struct hg_head head;

	(void)state;
	make_pair();
	rig_is_without_store = true;
	rig_must(&rig, 0, op_save, NULL);
	rig_is_without_store = false;
	head = make_next("second");
	rig_must(&rig, 1, rig_op_cycle, &head.oid);
	rig_is_without_store = true;
	rig_must(&rig, 0, op_restore, NULL);
	rig_is_without_store = false;
	/* It learns, and has nothing to teach. */
	assert_int_equal(rig_fetch(&rig, 0, 1), HG_RELATION_EQUAL);
	rig_must(&rig, 1, rig_op_nothing, NULL);
	assert_int_equal(rig_result->head.number, 2);
	assert_int_equal(rig_fetch(&rig, 1, 0), HG_RELATION_BEHIND);
	rig_must(&rig, 0, rig_op_cycle, &head.oid);
	rig_must(&rig, 0, expect_text, "second");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_pair),
		TEST(test_deadline),
		TEST(test_reboot),
		TEST(test_late_confirm),
		TEST(test_author_goes_back),
		TEST(test_validate_refuses),
		TEST(test_validate_sees),
		TEST(test_timeout),
		TEST(test_apply_fails),
		TEST(test_edits),
		TEST(test_edit_in_trial),
		TEST(test_first_contents),
		TEST(test_rollback),
		TEST(test_diverged),
		TEST(test_rolled_back_snapshot),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
