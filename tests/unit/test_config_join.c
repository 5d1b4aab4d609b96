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

#include "agent/identity.h"
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

static void write_alone(const char *path)
{
	FILE *out = fopen(path, "w");

	assert_non_null(out);
	fputs("cluster: home\nnodes:\n  gw2: { id: 1, addresses: { lan: 10.1.0.2 } }\n"
	      "ports:\n  lan: { heartbeat: true }\n",
	      out);
	fclose(out);
}

/* `hagate init` by mistake: `mode: join` does nothing any more, and that is said. */
static void test_check_alone(void **state)
{
	struct hg_identity identity = { .generation = 1 };
	char path[64], mode[128], remedy[128];

	(void)state;
	config_write_key(0600);
	snprintf(path, sizeof(path), "%s/none.yaml", fixture.dir);
	write_alone(path);
	snprintf(mode, sizeof(mode), "mode: join\npaths: { state: %s }\n", fixture.dir);
	expect_node(mode, "{ lan: { name: nic0 } }", 0, "");
	snprintf(remedy, sizeof(remedy), "; rm %s/identity; systemctl start", fixture.dir);
	assert_int_equal(hg_identity_write(fixture.dir, &identity), 0);
	expect_node(mode, "{ lan: { name: nic0 } }", 0, "mode: join has no effect");
	expect_node(mode, "{ lan: { name: nic0 } }", 0, remedy);
	expect_node(mode, "{ lan: { name: nic0 } }", 0, "none.yaml: right\n");
	/* The same where cluster.yaml does not fit. */
	expect_node(mode, "{ wan: { name: nic0 } }", -EINVAL, "is not among the ports");
	expect_node(mode, "{ wan: { name: nic0 } }", -EINVAL, "mode: join has no effect");
	expect_node(mode, "{ wan: { name: nic0 } }", -EINVAL, remedy);
	/* A member without its cluster.yaml does not join. */
	unlink(path);
	expect_node(mode, "{ lan: { name: nic0 } }", -EINVAL, "cannot be opened");
	snprintf(path, sizeof(path), "%s/identity", fixture.dir);
	assert_int_equal(unlink(path), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_check_joining),
		cmocka_unit_test(test_check_alone),
	};

	return cmocka_run_group_tests(tests, config_fixture_setup, config_fixture_teardown);
}
