/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Every state meets every event: the table has no holes, and does what it says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "agent/core/table.h"
#include "elect_rig.h"

static struct rig rig;

static int setup(void **context)
{
	(void)context;
	rig_init(&rig);
	return 0;
}

/* --- the table --------------------------------------------------------------------- */

static void test_table_is_total(void **context)
{
	(void)context;
	for (int state = 0; state < HG_EL_STATES; state++)
		for (int event = 0; event < HG_EVS; event++)
			if (hg_table_duty(state, event) == HG_DUTY_UNDEFINED)
				fail_msg("no duty for event %d in %s", event,
					 hg_elect_state_name(state));
	assert_int_equal(hg_table_duty(HG_EL_STATES, HG_EV_TICK), HG_DUTY_UNDEFINED);
	assert_int_equal(hg_table_duty(HG_EL_OFF, HG_EVS), HG_DUTY_UNDEFINED);
}

/* Every pair, carried out: what is ignored changes nothing, what is noted stays in its
 * state, what is refused says so, and the regular timers go on. */
static void test_every_pair(void **context)
{
	struct hg_elect before;

	(void)context;
	for (int state = 0; state < HG_EL_STATES; state++) {
		for (int event = 0; event < HG_EVS; event++) {
			enum hg_duty duty = hg_table_duty(state, event);

			rig_init(&rig);
			rig_into(&rig, state);
			before = rig.el;
			rig_event(&rig, event);
			if (duty == HG_DUTY_IGNORE) {
				assert_memory_equal(&before, &rig.el, sizeof(before));
				rig_expect(&rig, "");
			}
			if (duty == HG_DUTY_NOTE || duty == HG_DUTY_REFUSE)
				assert_int_equal(rig.el.state, state);
			if (duty == HG_DUTY_REFUSE)
				assert_non_null(strstr(rig.journal, "refused:not-holder"));
			if (event == HG_EV_MAINTENANCE_ON)
				assert_true(rig.el.is_maintenance);
			assert_true(hg_elect_deadline(&rig.el, &rig.obs).ns > rig.now.ns);
		}
	}
}

static void test_names_and_roles(void **context)
{
	static const struct {
		enum hg_elect_state state;
		const char *name;
		enum hg_role role;
	} expected[HG_EL_STATES] = {
		{ HG_EL_OFF, "off", HG_ROLE_OFF },
		{ HG_EL_BLANK, "blank", HG_ROLE_BLANK },
		{ HG_EL_LEARNER, "learner", HG_ROLE_LEARNER },
		{ HG_EL_LISTEN, "listen", HG_ROLE_LISTEN },
		{ HG_EL_STANDBY, "standby", HG_ROLE_STANDBY },
		{ HG_EL_CLAIMING, "claiming", HG_ROLE_STANDBY },
		{ HG_EL_ACTIVE, "active", HG_ROLE_ACTIVE },
		{ HG_EL_RELEASING, "releasing", HG_ROLE_ACTIVE },
		{ HG_EL_DRAINING, "draining", HG_ROLE_DRAINING },
		{ HG_EL_MAINTENANCE, "maintenance", HG_ROLE_MAINTENANCE },
		{ HG_EL_FAULT, "fault", HG_ROLE_FAULT },
	};

	(void)context;
	for (int i = 0; i < HG_EL_STATES; i++) {
		rig.el.state = expected[i].state;
		assert_string_equal(hg_elect_state_name(rig.el.state), expected[i].name);
		assert_int_equal(hg_elect_role(&rig.el), expected[i].role);
	}
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_table_is_total),
		TEST(test_every_pair),
		TEST(test_names_and_roles),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
