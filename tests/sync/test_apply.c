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

#include "tests/sync/fixture.h"

static void test_pair(void **state)
{
	uint64_t content;
	struct hg_head head;

	(void)state;
	rig_make_pair(&rig);
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
	rig_must(&rig, 1, rig_op_expect_text, "second");
	assert_int_equal(rig_fetch(&rig, 0, 1), HG_RELATION_EQUAL);
	rig_must(&rig, 0, rig_op_no_leftovers, NULL);
	rig_must(&rig, 1, rig_op_no_leftovers, NULL);
}

/* --- the way back ------------------------------------------------------------------ */

#define SECOND UINT64_C(1000000000)

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

static void test_deadline(void **state)
{
	struct hg_head head;

	(void)state;
	rig_make_pair(&rig);
	head = rig_make_next(&rig, "second");
	rig_now_ns = 1000 * SECOND;
	rig_must(&rig, 1, rig_op_try, &head.oid);
	assert_int_equal(rig_result->status.phase, HG_APPLY_TRIAL);
	assert_int_equal(rig_result->status.left_ns, 60 * SECOND);
	assert_int_equal(rig_result->head.number, 1);
	rig_must(&rig, 1, rig_op_expect_text, "second");
	rig_now_ns += 59 * SECOND;
	rig_must(&rig, 1, op_tick, NULL);
	assert_int_equal(rig_result->number, 0);
	rig_now_ns += 2 * SECOND;
	/* Any start of the process sees it; no tick is needed. */
	rig_must(&rig, 1, rig_op_expect_text, "first");
	assert_int_equal(rig_result->status.phase, HG_APPLY_IDLE);
	assert_int_equal(rig_result->head.number, 1);
	assert_int_equal(rig_run(&rig, 1, op_confirm, NULL, NULL), -EBUSY);
	rig_must(&rig, 1, rig_op_no_leftovers, NULL);
	rig_must(&rig, 1, rig_op_cycle, &head.oid);
	assert_int_equal(rig_result->head.number, 2);
}

static void test_reboot(void **state)
{
	struct hg_head head;

	(void)state;
	rig_make_pair(&rig);
	head = rig_make_next(&rig, "second");
	rig_boot_id = "aaaaaaaa-0000-4000-8000-000000000000";
	rig_must(&rig, 1, rig_op_try, &head.oid);
	rig_must(&rig, 1, rig_op_nothing, NULL);
	assert_int_equal(rig_result->status.phase, HG_APPLY_TRIAL);
	rig_boot_id = "bbbbbbbb-0000-4000-8000-000000000000";
	rig_must(&rig, 1, rig_op_expect_text, "first");
	assert_int_equal(rig_result->status.phase, HG_APPLY_IDLE);
}

static int op_late(struct rig_node *node, void *arg)
{
	struct hg_apply_report report;
	int r = rig_op_try(node, arg);

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
	rig_make_pair(&rig);
	head = rig_make_next(&rig, "second");
	rig_now_ns = SECOND;
	rig_must(&rig, 1, op_late, &head.oid);
	rig_now_ns = 0;
	assert_int_equal(rig_result->status.phase, HG_APPLY_IDLE);
	rig_must(&rig, 1, rig_op_expect_text, "first");
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
	rig_make_pair(&rig);
	rig_must(&rig, 0, rig_op_write_files, "second");
	rig_must(&rig, 0, rig_op_commit, "second");
	oid = rig_result->made.oid;
	rig_must(&rig, 0, rig_op_try, &oid);
	rig_must(&rig, 0, rig_op_expect_text, "second");
	rig_must(&rig, 0, rig_op_abort, NULL);
	rig_must(&rig, 0, rig_op_expect_text, "first");
	rig_must(&rig, 0, rig_op_no_leftovers, NULL);
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
	rig_make_pair(&rig);
	rig_validate = "echo checked; grep -q second $HAGATE_PATH/a.conf";
	head = rig_make_next(&rig, "second");
	rig_must(&rig, 1, rig_op_cycle, &head.oid);
	rig_must(&rig, 0, rig_op_write_files, "third");
	assert_int_equal(rig_run(&rig, 0, rig_op_commit_apply, "third", NULL), -EINVAL);
	assert_non_null(strstr(rig_result->text, "/etc/app: checked\n`echo checked; "));
	assert_non_null(strstr(rig_result->text, "` ended with status 1"));
	assert_int_equal(rig_result->status.phase, HG_APPLY_IDLE);
	/* The edit stays where it was made, main did not move. */
	rig_must(&rig, 0, rig_op_expect_text, "third");
	assert_int_equal(rig_result->head.number, 2);
	rig_must(&rig, 0, rig_op_no_leftovers, NULL);
}

/* What is wrong comes first, whatever was said before it; the command last. */
static void test_reason_first(void **state)
{
	static const char command[] = "printf 'one: warning: x\\n  source\\n"
				      "two: Error: y\\n  hint: z\\n'; false";
	const char *text = rig_result->text;

	(void)state;
	rig_make_pair(&rig);
	rig_validate = command;
	rig_must(&rig, 0, rig_op_write_files, "second");
	assert_int_equal(rig_run(&rig, 0, rig_op_commit_apply, "second", NULL), -EINVAL);
	assert_non_null(strstr(text, "/etc/app: two: Error: y\n  hint: z\none: warning: x\n"
				     "  source\n`printf"));
	/* It is named by its own path, once. */
	rig_validate = "echo {staged}/b.conf:1: error: {staged}/a.conf; false";
	assert_int_equal(rig_run(&rig, 0, rig_op_commit_apply, "second", NULL), -EINVAL);
	assert_null(strstr(text, ".hagate-stage-"));
	assert_int_equal(text[0], '/');
	assert_non_null(strstr(text, "/etc/app/b.conf:1: error: /"));
	assert_null(strstr(text, "/etc/app: "));
	rig_validate = "exit 3";
	assert_int_equal(rig_run(&rig, 0, rig_op_commit_apply, "second", NULL), -EINVAL);
	assert_non_null(strstr(text, "/etc/app: `exit 3` ended with status 3"));
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
	rig_must(&rig, 1, rig_op_expect_text, "first");
}

static void test_timeout(void **state)
{
	(void)state;
	rig_make_pair(&rig);
	rig_timeout_s = 1;
	rig_validate = "sleep 600 & sleep 600";
	rig_must(&rig, 0, rig_op_write_files, "second");
	assert_int_equal(rig_run(&rig, 0, rig_op_commit_apply, "second", NULL), -ETIME);
	assert_non_null(strstr(rig_result->text, "was killed after 1 s"));
}

static void test_apply_fails(void **state)
{
	(void)state;
	rig_make_pair(&rig);
	rig_apply = "echo no; ! grep -q second $HAGATE_PATH/a.conf";
	rig_must(&rig, 0, rig_op_write_files, "second");
	assert_int_equal(rig_run(&rig, 0, rig_op_commit_apply, "second", NULL), -EIO);
	assert_int_equal(rig_result->status.phase, HG_APPLY_IDLE);
	assert_int_equal(rig_result->head.number, 1);
	rig_must(&rig, 0, rig_op_expect_text, "first");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_pair),	 TEST(test_deadline),	      TEST(test_reboot),
		TEST(test_late_confirm), TEST(test_author_goes_back), TEST(test_validate_refuses),
		TEST(test_reason_first), TEST(test_validate_sees),    TEST(test_timeout),
		TEST(test_apply_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
