// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A history set aside: killed before, and an error from, each system call on the way that changes
 * a disk. It is whole under the one name or the other, and no older one is written over.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "tests/sync/fixture.h"

#define KEPT "state/history-" RIG_UUID

static int op_set_aside(struct rig_node *node, void *arg)
{
	char state[128], name[80];

	(void)arg;
	rig_path(node, "state", state, sizeof(state));
	return hg_history_set_aside(node->history, state, name, sizeof(name), &node->error);
}

static bool is_there(struct rig_node *node, const char *name)
{
	char path[256];

	rig_path(node, name, path, sizeof(path));
	return !access(path, F_OK);
}

/* How many are kept; each has what plain git can read. The newest was head before. */
static int op_count(struct rig_node *node, void *arg)
{
	char name[128], path[256], command[1024];

	(void)arg;
	node->result->number = 0;
	for (int i = 1; i < 200; i++) {
		snprintf(name, sizeof(name), i > 1 ? KEPT "-%d.git" : KEPT ".git", i);
		if (!is_there(node, name))
			return is_there(node, "state/history.git") ? 0 : -ENOENT;
		rig_path(node, name, path, sizeof(path));
		snprintf(command, sizeof(command),
			 "git --git-dir=%s fsck --strict >/dev/null 2>&1 && "
			 "git --git-dir=%s cat-file -e main:cluster.yaml",
			 path, path);
		if (system(command))
			return -EBADMSG;
		node->result->number = i;
	}
	return -E2BIG;
}

static uint64_t count(void)
{
	rig_must(&rig, 0, op_count, NULL);
	return rig_result->number;
}

/* False: there is no such call any more. */
static bool try_fault(enum rig_fault_kind kind, unsigned int at)
{
	struct rig_fault fault = { .kind = kind, .at = at, .error = EIO };
	uint64_t before = count(), after;
	bool is_head;
	int r;

	rig_must(&rig, 0, rig_op_nothing, NULL);
	if (!rig_result->head.number) {
		rig_must(&rig, 0, rig_op_write_files, "x");
		rig_must(&rig, 0, rig_op_commit_apply, "x");
	}
	r = rig_run(&rig, 0, op_set_aside, NULL, &fault);
	rig_must(&rig, 0, rig_op_nothing, NULL);
	is_head = rig_result->head.number != 0;
	after = count();
	if (after != before + !is_head || (!r && is_head))
		fail_msg("%d at %u (%s): %d, kept %d then %d, head %d", kind, at, fault.call, r,
			 (int)before, (int)after, is_head);
	return fault.is_hit;
}

static void test_faults(void **state)
{
	static const enum rig_fault_kind kinds[] = { RIG_KILL, RIG_ERROR };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		unsigned int at = 0;

		while (try_fault(kinds[i], at))
			at++;
		assert_in_range(at, 2, 100);
		print_message("  %u calls\n", at);
	}
	assert_in_range(count(), 4, 199);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_faults, fixture_setup, fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
