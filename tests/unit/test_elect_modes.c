/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `mode` of node.yaml told by the journal of one node (elect_rig.h): off, join, member. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "elect_rig.h"

static struct rig rig;

static int setup(void **context)
{
	(void)context;
	rig_init(&rig);
	return 0;
}

static void test_modes(void **context)
{
	(void)context;
	rig.config.mode = HG_MODE_OFF;
	rig.obs.epoch = 0x701;
	rig_start(&rig);
	rig_expect(&rig, "1000.000 release remove off>off:started\n");
	assert_int_equal(hg_elect_deadline(&rig.el, &rig.obs).ns, UINT64_MAX);
	rig.config.mode = HG_MODE_JOIN;
	rig_event(&rig, HG_EV_CONFIG);
	rig_run(&rig, 5000);
	rig_expect(&rig, "1000.000 off>blank:configured\n"); /* never claims */
	rig.config.mode = HG_MODE_MEMBER;
	rig_event(&rig, HG_EV_CONFIG);
	rig_run(&rig, 5304);
	rig_expect(&rig, "5000.000 blank>listen:joined\n"
			 "5300.000 epoch=0x801 listen>claiming:alone\n");
	rig.config.mode = HG_MODE_OFF;
	rig_run(&rig, 5320);
	rig.length = 0;
	rig_event(&rig, HG_EV_CONFIG);
	rig_expect(&rig, "5320.000 release remove active>off:configured\n");
}

/* A blank node claims nothing, however long nobody is heard, and is told apart from one
 * that learns; only a configuration makes it a member. */
static void test_joining(void **context)
{
	(void)context;
	rig.config.mode = HG_MODE_JOIN;
	rig_start(&rig);
	rig_learn(&rig, false);
	rig_run(&rig, 2000);
	rig_learn(&rig, true);
	rig_learn(&rig, true);
	rig_run(&rig, 4000);
	rig_expect(&rig, "1000.000 remove off>blank:started\n"
			 "2000.000 blank>learner:learning\n");
	rig_learn(&rig, false);
	rig_learn(&rig, true);
	rig_event(&rig, HG_EV_CONFIG); /* still mode: join */
	rig_expect(&rig, "4000.000 learner>blank:not-learnt\n"
			 "4000.000 blank>learner:learning\n");
	rig.config.mode = HG_MODE_MEMBER;
	rig_event(&rig, HG_EV_CONFIG);
	rig_learn(&rig, true);
	rig_expect(&rig, "4000.000 learner>listen:joined\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_modes, setup),
		cmocka_unit_test_setup(test_joining, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
