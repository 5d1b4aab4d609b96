// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * `hagated --check` on a node that joins a gateway: what can be known before it has joined
 * is checked, and the remedy for what is missing is never one of a first node.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "config_fixture.h"
#include "netns.h"

/* What `hagated --check` says of these ports; `mode` is a line of node.yaml. */
static int check_node(const char *mode, const char *ports, char **ret_said)
{
	size_t size;
	FILE *said = open_memstream(ret_said, &size);
	char text[1024];
	int result;

	snprintf(text, sizeof(text), "node: gw2\nkey: %s\n%scluster: %s/none.yaml\nports: %s\n",
		 fixture.key, mode, fixture.dir, ports);
	config_write_text(text);
	assert_non_null(said);
	result = hg_config_check(fixture.path, NULL, said);
	fclose(said);
	return result;
}

static void expect_node(const char *mode, const char *ports, int result, const char *expected)
{
	char *said = NULL;
	int got = check_node(mode, ports, &said);

	if (got != result || !strstr(said, expected) || strstr(said, "keygen"))
		fail_msg("%d, '%s'; expected %d, '%s'", got, said, result, expected);
	free(said);
}

/* A node that joins has no cluster.yaml yet; its key and its NICs are there or not. */
static void test_check_joining(void **state)
{
	(void)state;
	if (!netns_is_possible())
		skip();
	netns_new();
	run("ip link add nic0 type veth peer name nic1");
	config_write_key(0600);
	expect_node("mode: join\n", "{ lan: { name: nic0 } }", 0, "none.yaml comes from a member");
	expect_node("mode: join\n", "{ lan: { name: nic0 }, wan: { name: no-such } }", -EINVAL,
		    ": error: port wan: no NIC has name no-such");
	config_write_key(0644);
	expect_node("mode: join\n", "{ lan: { name: nic0 } }", -EINVAL, "chmod 600");
	unlink(fixture.key);
	expect_node("mode: join\n", "{ lan: { name: nic0 } }", -EINVAL,
		    "test.key does not exist: copy it from the member, there: scp -p");
	/* `mode` forgotten */
	config_write_key(0600);
	expect_node("", "{ lan: { name: nic0 } }", -EINVAL,
		    "hint: a node that joins a gateway needs "
		    "`mode: join`");
	expect_node("mode: off\n", "{ lan: { name: nic0 } }", -EINVAL, "cannot be opened");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_check_joining),
	};

	return cmocka_run_group_tests(tests, config_fixture_setup, config_fixture_teardown);
}
