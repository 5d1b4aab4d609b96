// SPDX-License-Identifier: GPL-2.0-or-later
/* The nodes of a test, made before it and removed after it. */
#include "tests/sync/fixture.h"

#include <stddef.h>

#define KIB (16 * 1024)
#define KIB_FILES (256 * 1024)

struct rig rig;

static void start(unsigned int kib)
{
	rig_init(&rig, kib);
	rig_now_ns = 0;
	rig_boot_id = rig_validate = rig_apply = NULL;
	rig_timeout_s = 0;
}

int fixture_setup(void **state)
{
	(void)state;
	start(KIB);
	return 0;
}

int fixture_setup_files(void **state)
{
	(void)state;
	start(KIB_FILES);
	rig_must(&rig, 0, rig_op_write_files, "first");
	return 0;
}

int fixture_teardown(void **state)
{
	(void)state;
	rig_done(&rig);
	return 0;
}
