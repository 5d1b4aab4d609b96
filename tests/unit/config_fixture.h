/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Shared by the tests of the configuration: one file in a directory of its own, the
 * last result and what was reported about it. Reading checks on the way that
 * silence and success go together and that a failure leaves the result untouched.
 */
#ifndef TESTS_CONFIG_FIXTURE_H
#define TESTS_CONFIG_FIXTURE_H

#include "agent/config.h"

#define CONFIG_DATA "tests/unit/config/" /* from the root of the repository */
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct config_fixture {
	char dir[32], path[64], key[64];
	char *text; /* reported by the last read */
	size_t size;
	struct hg_node_config node;
	struct hg_cluster_config cluster;
};

extern struct config_fixture fixture;

/* cmocka group fixtures */
int config_fixture_setup(void **state);
int config_fixture_teardown(void **state);

void config_write(const char *octets, size_t size);
void config_write_text(const char *text);
/* A key file at fixture.key. */
void config_write_key(unsigned int mode);
int config_read_node(const char *path);
int config_read_cluster(const char *path, const struct hg_node_config *self);
/* The file of the fixture is read without an error, or the test fails with it. */
void config_expect_ok(int error);
unsigned int config_count_errors(void);

#endif
