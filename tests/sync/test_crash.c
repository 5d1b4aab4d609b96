// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Killed before each single system call that changes a disk, one after the other, and each of
 * them failing with ENOSPC and EIO: importing, staging, switching, confirming, aborting,
 * committing, recovering. At every such point each file is whole; after recovery all
 * files are of one generation, main has not gone back, nothing is left lying about.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "tests/sync/rig.h"

static struct rig rig;
static char word[2][32]; /* of the old and the new generation */

static int setup(void **state)
{
	struct hg_head head;

	(void)state;
	rig_init(&rig, 16 * 1024);
	rig_now_ns = 0;
	rig_boot_id = rig_validate = NULL;
	rig_apply = "true";
	rig_must(&rig, 0, rig_op_write_files, "turn0");
	rig_must(&rig, 0, rig_op_commit_apply, "turn0");
	assert_int_equal(rig_fetch(&rig, 0, 1), HG_RELATION_BEHIND);
	rig_must(&rig, 0, rig_op_nothing, NULL);
	head = rig_result->head;
	rig_must(&rig, 1, rig_op_cycle, &head.oid);
	strcpy(word[1], "turn0");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	rig_done(&rig);
	return 0;
}

/* 0 old, 1 new, -1 neither: torn. */
static int which(struct rig_node *node, const char *name)
{
	char expected[256];
	const char *text = rig_read(node, name);
	int i;

	for (i = 0; text && i < 2; i++) {
		snprintf(expected, sizeof(expected), "%s in %s\n", word[i], name);
		if (!strcmp(text, expected))
			return i;
	}
	fprintf(stderr, "%s: '%s' is neither '%s' nor '%s'\n", name, text ? text : "(missing)",
		word[0], word[1]);
	return -1;
}

/* Without opening the store: every file whole, and each entry of one generation. */
static int op_whole(struct rig_node *node, void *arg)
{
	int a = which(node, "etc/app/a.conf"), b = which(node, "etc/app/b.conf");

	(void)arg;
	if (a < 0 || b < 0 || which(node, "etc/one.conf") < 0 || which(node, "cluster.yaml") < 0)
		return -EBADMSG;
	return a == b ? 0 : -EBADMSG;
}

/* After recovery: all of one generation; result->number tells which. */
static int op_settled(struct rig_node *node, void *arg)
{
	struct hg_apply_status status;
	char name[256];
	int now = which(node, "cluster.yaml");

	(void)arg;
	if (now < 0 || which(node, "etc/one.conf") != now || which(node, "etc/app/a.conf") != now ||
	    which(node, "etc/app/b.conf") != now)
		return -EBADMSG;
	node->result->number = (uint64_t)now;
	hg_apply_status(node->apply, &status);
	if (status.phase == HG_APPLY_TRIAL)
		return now == 1 ? 0 : -EPROTO;
	if (status.phase != HG_APPLY_IDLE)
		return -EPROTO;
	if (!rig_find_leftovers(node, name, sizeof(name)))
		return 0;
	fprintf(stderr, "%s is left\n", name);
	return -ENOTEMPTY;
}

static void expect_whole(int index, const char *what, const struct rig_fault *fault)
{
	rig_is_without_store = true;
	if (rig_run(&rig, index, op_whole, NULL, NULL))
		fail_msg("%s: not whole after %s number %u", what, fault->call, fault->at);
	rig_is_without_store = false;
}

/* Recovers in a process of its own; true: the new generation is in place. */
static bool expect_settled(int index, const char *what, const struct rig_fault *fault,
			   uint64_t old_number)
{
	if (rig_run(&rig, index, op_settled, NULL, NULL))
		fail_msg("%s: %s after %s number %u: %s", what, strerror(-rig_result->r),
			 fault->call, fault->at, rig_result->text);
	if (rig_result->head.number < old_number)
		fail_msg("%s: main went back after %s number %u", what, fault->call, fault->at);
	return rig_result->number == 1;
}

static int op_confirm(struct rig_node *node, void *arg)
{
	struct hg_apply_report report;

	(void)arg;
	return hg_apply_confirm(node->apply, &report, &node->error);
}

/* Brings a node that may be anywhere in the change to its end. */
static void finish(int index, struct hg_oid *oid)
{
	rig_must(&rig, index, rig_op_nothing, NULL);
	if (rig_result->status.phase == HG_APPLY_TRIAL)
		rig_must(&rig, index, op_confirm, NULL);
	else if (!hg_oid_is_equal(&rig_result->head.oid, oid))
		rig_must(&rig, index, rig_op_cycle, oid);
	rig_must(&rig, index, op_settled, NULL);
	assert_int_equal(rig_result->number, 1);
	assert_true(hg_oid_is_equal(&rig_result->head.oid, oid));
}

/* --- the state that each attempt starts from ---------------------------------------- */

static void without_store(int index, rig_op *op, void *arg)
{
	rig_is_without_store = true;
	rig_must(&rig, index, op, arg);
	rig_is_without_store = false;
}

/* gw1 makes the second generation; `to` is it. */
static struct hg_head to;

static void make_second(void)
{
	strcpy(word[0], "turn0");
	strcpy(word[1], "turn1");
	rig_must(&rig, 0, rig_op_write_files, word[1]);
	rig_must(&rig, 0, rig_op_commit_apply, word[1]);
	to = rig_result->head;
}

typedef void attempt_fn(struct rig_fault *fault);

/* One point after the other until the operation is through without meeting the fault. */
static void at_each(int index, attempt_fn *attempt, enum rig_fault_kind kind, int error)
{
	struct rig_fault fault = { .kind = kind, .error = error };

	without_store(index, rig_op_save, "saved");
	do {
		without_store(index, rig_op_restore, "saved");
		attempt(&fault);
		fault.at++;
	} while (fault.is_hit);
	print_message("  %u points (%s)\n", fault.at - 1,
		      kind == RIG_KILL ? "killed" : strerror(error));
	assert_true(fault.at > 3);
	without_store(index, rig_op_restore, "saved");
}

static void receive(struct rig_fault *fault)
{
	rig_run(&rig, 1, rig_op_cycle, &to.oid, fault);
	expect_whole(1, "receive", fault);
	expect_settled(1, "receive", fault, to.number - 1);
	finish(1, &to.oid);
}

static void import(struct rig_fault *fault)
{
	rig_run(&rig, 1, rig_op_import, &to, fault);
	expect_whole(1, "import", fault);
	assert_false(expect_settled(1, "import", fault, to.number - 1));
	rig_must(&rig, 1, rig_op_import, &to);
	assert_int_equal(rig_result->relation, HG_RELATION_BEHIND);
	finish(1, &to.oid);
}

/* The author: what he wrote is in place from the start; it may go back, or be confirmed. */
static void author(struct rig_fault *fault)
{
	rig_run(&rig, 0, rig_op_commit_apply, "edit", fault);
	expect_whole(0, "author", fault);
	expect_settled(0, "author", fault, 1);
	if (rig_result->status.phase == HG_APPLY_TRIAL)
		rig_must(&rig, 0, op_confirm, NULL);
	rig_must(&rig, 0, rig_op_write_files, word[1]);
	if (rig_run(&rig, 0, rig_op_commit_apply, "edit", NULL) != -EALREADY)
		assert_int_equal(rig_result->r, 0);
	rig_must(&rig, 0, op_settled, NULL);
	assert_int_equal(rig_result->number, 1);
	assert_true(rig_result->head.number > 1);
}

static void abort_trial(struct rig_fault *fault)
{
	rig_must(&rig, 1, rig_op_try, &to.oid);
	rig_run(&rig, 1, rig_op_abort, NULL, fault);
	expect_whole(1, "abort", fault);
	expect_settled(1, "abort", fault, to.number - 1);
	finish(1, &to.oid);
}

/* The journal knows inodes, which a copy of the files has not: made anew each time. */
static struct rig_fault first;

static void recovery(struct rig_fault *fault)
{
	rig_run(&rig, 1, rig_op_cycle, &to.oid, &first);
	rig_run(&rig, 1, rig_op_nothing, NULL, fault);
	expect_whole(1, "recovery", fault);
	expect_settled(1, "recovery", fault, to.number - 1);
	finish(1, &to.oid);
}

/* gw2 has it, and it is up to gw2. */
static void fetch_second(void)
{
	make_second();
	assert_int_equal(rig_fetch(&rig, 0, 1), HG_RELATION_BEHIND);
}

static void test_receive(void **state)
{
	(void)state;
	fetch_second();
	at_each(1, receive, RIG_KILL, 0);
	at_each(1, receive, RIG_ERROR, ENOSPC);
	at_each(1, receive, RIG_ERROR, EIO);
}

static void test_import(void **state)
{
	(void)state;
	make_second();
	rig_must(&rig, 1, rig_op_haves, NULL);
	rig_must(&rig, 0, rig_op_export, NULL);
	at_each(1, import, RIG_KILL, 0);
	at_each(1, import, RIG_ERROR, ENOSPC);
	at_each(1, import, RIG_ERROR, EIO);
}

static void test_author(void **state)
{
	(void)state;
	strcpy(word[0], "turn0");
	strcpy(word[1], "turn1");
	rig_must(&rig, 0, rig_op_write_files, word[1]);
	at_each(0, author, RIG_KILL, 0);
	at_each(0, author, RIG_ERROR, ENOSPC);
	at_each(0, author, RIG_ERROR, EIO);
}

static void test_abort(void **state)
{
	(void)state;
	fetch_second();
	at_each(1, abort_trial, RIG_KILL, 0);
	at_each(1, abort_trial, RIG_ERROR, ENOSPC);
	at_each(1, abort_trial, RIG_ERROR, EIO);
}

/* Killed in every phase of a change, then in the recovery from that. */
static void test_recovery(void **state)
{
	unsigned int count, part;

	(void)state;
	fetch_second();
	without_store(1, rig_op_save, "saved");
	first.kind = RIG_COUNT;
	rig_run(&rig, 1, rig_op_cycle, &to.oid, &first);
	count = first.seen;
	first.kind = RIG_KILL;
	/* In CI some of them. */
	for (part = 2; part < 12; part += getenv("SYNC_FULL") ? 1 : 4) {
		without_store(1, rig_op_restore, "saved");
		first.at = count * part / 12;
		print_message("  killed at number %u of %u before:\n", first.at, count);
		at_each(1, recovery, RIG_KILL, 0);
		at_each(1, recovery, RIG_ERROR, part % 2 ? ENOSPC : EIO);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_receive, setup, teardown),
		cmocka_unit_test_setup_teardown(test_import, setup, teardown),
		cmocka_unit_test_setup_teardown(test_author, setup, teardown),
		cmocka_unit_test_setup_teardown(test_abort, setup, teardown),
		cmocka_unit_test_setup_teardown(test_recovery, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
