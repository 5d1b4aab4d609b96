// SPDX-License-Identifier: GPL-2.0-or-later
/* Edits made behind the store's back, rollbacks, divergences, snapshots: nothing is lost. */
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

#include "tests/sync/fixture.h"

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
	rig_make_pair(&rig);
	head = rig_make_next(&rig, "second");
	rig_must(&rig, 1, op_edit, "by hand\n");
	assert_int_equal(rig_run(&rig, 1, rig_op_cycle, &head.oid, NULL), -EUCLEAN);
	assert_non_null(strstr(rig_result->text, "etc/app/a.conf (changed)"));
	assert_non_null(strstr(rig_result->text, "hagate config"));
	rig_must(&rig, 1, rig_op_expect_text, "by hand");
	rig_must(&rig, 1, op_stage_keep, &head.oid);
	strcpy(ref, rig_result->report.kept);
	assert_int_equal(strncmp(ref, "refs/local/1-", 13), 0);
	rig_must(&rig, 1, rig_op_expect_text, "second");
	rig_must(&rig, 1, expect_blob, wanted);
	rig_must(&rig, 1, rig_op_no_leftovers, NULL);
}

static int op_edit_in_trial(struct rig_node *node, void *arg)
{
	int r = rig_op_try(node, arg);

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
	rig_make_pair(&rig);
	head = rig_make_next(&rig, "second");
	rig_must(&rig, 1, op_edit_in_trial, &head.oid);
	strcpy(ref, rig_result->report.kept);
	assert_int_equal(strncmp(ref, "refs/local/2-", 13), 0);
	rig_must(&rig, 1, rig_op_expect_text, "first");
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
	rig_must(&rig, 1, rig_op_expect_text, "first");
	rig_must(&rig, 1, expect_blob, wanted);
}

static int expect_ref(struct rig_node *node, void *arg)
{
	struct hg_oid oid;

	return hg_history_ref(node->history, arg, &oid);
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
	rig_make_pair(&rig);
	rig_make_next(&rig, "second");
	rig_must(&rig, 0, op_rollback, &number);
	assert_int_equal(rig_result->head.number, 3);
	rig_must(&rig, 0, rig_op_expect_text, "first");
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
	rig_make_pair(&rig);
	rig_must(&rig, 0, rig_op_write_files, "on one");
	rig_must(&rig, 0, rig_op_commit_apply, "on one");
	rig_must(&rig, 1, rig_op_write_files, "on two");
	rig_must(&rig, 1, rig_op_commit_apply, "on two");
	assert_int_equal(rig_fetch(&rig, 0, 1), HG_RELATION_DIVERGED);
	assert_int_equal(rig_fetch(&rig, 1, 0), HG_RELATION_DIVERGED);
	/* Nothing moved. */
	rig_must(&rig, 0, rig_op_expect_text, "on one");
	rig_must(&rig, 1, rig_op_expect_text, "on two");
	rig_must(&rig, 0, expect_advice, NULL);
	/* The operator chooses gw2's. */
	rig_must(&rig, 0, op_adopt, "gw2");
	assert_int_equal(rig_result->head.number, 3);
	head = rig_result->head;
	rig_must(&rig, 0, rig_op_expect_text, "on two");
	assert_int_equal(rig_run(&rig, 0, expect_ref, "refs/diverged/gw2", NULL), -ENOENT);
	assert_int_equal(rig_fetch(&rig, 0, 1), HG_RELATION_BEHIND);
	rig_must(&rig, 1, rig_op_cycle, &head.oid);
	assert_true(hg_oid_is_equal(&rig_result->head.oid, &head.oid));
	assert_int_equal(rig_run(&rig, 1, expect_ref, "refs/diverged/gw1", NULL), -ENOENT);
}

static void test_rolled_back_snapshot(void **state)
{
	struct hg_head head;

	(void)state;
	rig_make_pair(&rig);
	rig_is_without_store = true;
	rig_must(&rig, 0, rig_op_save, "saved");
	rig_is_without_store = false;
	head = rig_make_next(&rig, "second");
	rig_must(&rig, 1, rig_op_cycle, &head.oid);
	rig_is_without_store = true;
	rig_must(&rig, 0, rig_op_restore, "saved");
	rig_is_without_store = false;
	/* It learns, and has nothing to teach. */
	assert_int_equal(rig_fetch(&rig, 0, 1), HG_RELATION_EQUAL);
	rig_must(&rig, 1, rig_op_nothing, NULL);
	assert_int_equal(rig_result->head.number, 2);
	assert_int_equal(rig_fetch(&rig, 1, 0), HG_RELATION_BEHIND);
	rig_must(&rig, 0, rig_op_cycle, &head.oid);
	rig_must(&rig, 0, rig_op_expect_text, "second");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_edits),    TEST(test_edit_in_trial), TEST(test_first_contents),
		TEST(test_rollback), TEST(test_diverged),      TEST(test_rolled_back_snapshot),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
