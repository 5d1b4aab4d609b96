// SPDX-License-Identifier: GPL-2.0-or-later
/* See config_fixture.h. */
#include "config_fixture.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

struct config_fixture fixture;

int config_fixture_setup(void **state)
{
	(void)state;
	strcpy(fixture.dir, "/tmp/hagate-config-XXXXXX");
	if (!mkdtemp(fixture.dir))
		return -1;
	snprintf(fixture.path, sizeof(fixture.path), "%s/test.yaml", fixture.dir);
	snprintf(fixture.key, sizeof(fixture.key), "%s/test.key", fixture.dir);
	return 0;
}

int config_fixture_teardown(void **state)
{
	(void)state;
	unlink(fixture.path);
	unlink(fixture.key);
	free(fixture.text);
	return rmdir(fixture.dir);
}

void config_write(const char *octets, size_t size)
{
	FILE *file = fopen(fixture.path, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(octets, 1, size, file), size);
	assert_int_equal(fclose(file), 0);
}

void config_write_key(unsigned int mode)
{
	FILE *file = fopen(fixture.key, "w");

	assert_non_null(file);
	for (int i = 0; i < 64; i++)
		fputc('a', file);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(chmod(fixture.key, mode), 0);
}

void config_write_text(const char *text)
{
	config_write(text, strlen(text));
}

static FILE *open_report(void)
{
	FILE *out;

	free(fixture.text);
	fixture.text = NULL;
	out = open_memstream(&fixture.text, &fixture.size);
	assert_non_null(out);
	return out;
}

int config_read_node(const char *path)
{
	FILE *out = open_report();
	int error;

	memset(&fixture.node, 0x5a, sizeof(fixture.node));
	error = hg_config_read_node(path, &fixture.node, out);
	fclose(out);
	assert_int_equal(!error, !fixture.size);
	if (error) {
		assert_int_equal(error, -EINVAL);
		assert_int_equal(fixture.node.node[0], 0x5a);
		assert_int_equal(fixture.node.port_count, 0x5a5a5a5a);
	}
	return error;
}

int config_read_cluster(const char *path, const struct hg_node_config *self)
{
	FILE *out = open_report();
	int error;

	memset(&fixture.cluster, 0x5a, sizeof(fixture.cluster));
	error = hg_config_read_cluster(path, self, &fixture.cluster, out);
	fclose(out);
	assert_int_equal(!error, !fixture.size);
	if (error) {
		assert_int_equal(error, -EINVAL);
		assert_int_equal(fixture.cluster.name[0], 0x5a);
		assert_int_equal(fixture.cluster.vip_count, 0x5a5a5a5a);
	}
	return error;
}

void config_expect_ok(int error)
{
	if (error)
		fail_msg("refused:\n%s", fixture.text);
}

unsigned int config_count_errors(void)
{
	unsigned int count = 0;
	const char *p = fixture.text;

	while ((p = strstr(p, ": error: "))) {
		count++;
		p++;
	}
	return count;
}
