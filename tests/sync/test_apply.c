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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_pair, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
