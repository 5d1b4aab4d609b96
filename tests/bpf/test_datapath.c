// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Both programs, packet by packet, in the kernel (root). The groups lie in cases_*.c;
 * the last test asserts that between them every packet reason was seen.
 */
#include <stdio.h>

#include "cases.h"
#include "rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

/* What only a kernel that can split a frame inside its Ethernet header can show (checked
 * by its own test). */
static bool is_excused(enum hg_reason reason)
{
	return reason == HG_R_BAD_ETHERNET;
}

static void test_all_reasons_seen(void **state)
{
	enum hg_reason reason;
	unsigned int missing = 0;

	(void)state;
	assert_false(rig_has_seen(HG_R_NONE));
	for (reason = HG_R_NONE + 1; reason < HG_R_COUNT; reason++) {
		if (rig_has_seen(reason) || is_excused(reason))
			continue;
		print_error("never seen: %s\n", rig_reason_name(reason));
		missing++;
	}
	assert_int_equal(missing, 0);
}

int main(void)
{
	const struct CMUnitTest last[] = { cmocka_unit_test(test_all_reasons_seen) };
	int failed;

	if (rig_setup(NULL)) {
		fprintf(stderr, "cannot load the programs\n");
		return 1;
	}
	failed = cases_parse() + cases_owner() + cases_neighbour() + cases_peer() + cases_bounce() +
		 cases_egress() + cases_filter() + cases_blocklist() + cases_lockout() +
		 cmocka_run_group_tests(last, NULL, NULL);
	rig_teardown(NULL);
	return failed != 0;
}
