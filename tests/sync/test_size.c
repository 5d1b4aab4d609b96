// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * 10,000 files of 100 octets, and a cluster.yaml of 1 MiB: time and peak of memory of each step.
 * On a tmpfs; with SYNC_ON_DISK=1 in /tmp as it is. The bounds are for a loaded machine.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <cmocka.h>

#include "tests/sync/fixture.h"

#define PEAK_KIB_MAX (160 * 1024)
#define STEP_MS_MAX 60000

static int op_many_files(struct rig_node *node, void *arg)
{
	char name[64], text[128];
	int i;

	(void)arg;
	for (i = 0; i < 10000; i++) {
		if (i % 100 == 0) {
			snprintf(name, sizeof(name), "etc/app/%02d", i / 100);
			mkdir(name, 0755);
		}
		snprintf(name, sizeof(name), "etc/app/%02d/%04d.conf", i / 100, i);
		snprintf(text, sizeof(text), "%-98d\n", i);
		rig_write(node, name, text);
	}
	return 0;
}

static int op_large_file(struct rig_node *node, void *arg)
{
	FILE *file = fopen("cluster.yaml", "w");
	unsigned int i, noise = 1;

	(void)node;
	(void)arg;
	for (i = 0; i < 1024 * 1024 / 32; i++) {
		noise = noise * 1664525 + 1013904223;
		fprintf(file, "- drop in from 10.%3u.%3u.0/24\n", noise >> 24, noise >> 16 & 255);
	}
	return fclose(file) ? -errno : 0;
}

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

struct measured {
	rig_op *op;
	void *arg;
};

static int op_measured(struct rig_node *node, void *arg)
{
	struct measured *measured = arg;
	struct rusage usage;
	int r = measured->op(node, measured->arg);

	getrusage(RUSAGE_SELF, &usage);
	node->result->number = (uint64_t)usage.ru_maxrss;
	return r;
}

static void measure(const char *what, int index, rig_op *op, void *arg)
{
	struct measured measured = { op, arg };
	uint64_t start = now_ms(), ms;

	rig_must(&rig, index, op_measured, &measured);
	ms = now_ms() - start;
	print_message("  %-28s %6llu ms  %6llu KiB\n", what, (unsigned long long)ms,
		      (unsigned long long)rig_result->number);
	assert_true(rig_result->number < PEAK_KIB_MAX);
	assert_true(ms < STEP_MS_MAX);
}

static int op_edits(struct rig_node *node, void *arg)
{
	(void)arg;
	return hg_apply_edits(node->apply, NULL, NULL, &node->error);
}

static void measure_cycle(void)
{
	struct hg_head head;

	measure("commit and apply, author", 0, rig_op_commit_apply, "x");
	head = rig_result->head;
	measure("look for edits", 0, op_edits, NULL);
	rig_must(&rig, 1, rig_op_haves, NULL);
	measure("export", 0, rig_op_export, NULL);
	measure("import", 1, rig_op_import, &head);
	measure("stage to confirm, receiver", 1, rig_op_cycle, &head.oid);
	assert_int_equal(rig_result->head.number, head.number);
}

static int op_one_more(struct rig_node *node, void *arg)
{
	(void)arg;
	rig_write(node, "etc/app/00/0000.conf", "changed\n");
	return 0;
}

static void test_files(void **state)
{
	(void)state;
	rig_must(&rig, 0, op_many_files, NULL);
	print_message("10,000 files:\n");
	measure_cycle();
	rig_must(&rig, 0, op_one_more, NULL);
	print_message("one of them changed:\n");
	measure_cycle();
}

static void test_large_file(void **state)
{
	(void)state;
	rig_must(&rig, 0, op_large_file, NULL);
	print_message("cluster.yaml of 1 MiB:\n");
	measure_cycle();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_files, fixture_setup_files, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_large_file, fixture_setup_files,
						fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
