// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * `hagate init` on a machine with made-up NICs, in a network namespace of its own:
 * what it writes is what the agent's own parser accepts, and it overwrites nothing.
 */
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/config.h"

static char program[PATH_MAX];
static char dir[] = "/tmp/hginit.XXXXXX";

/* BUILD/tests/unit/test_init -> BUILD/bin/hagate */
static int setup(void **state)
{
	char self[PATH_MAX - 32] = "";

	(void)state;
	if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0 || !mkdtemp(dir))
		return -1;
	snprintf(program, sizeof(program), "%s/../../bin/hagate", dirname(self));
	return access(program, X_OK);
}

static int teardown(void **state)
{
	char command[64];

	(void)state;
	snprintf(command, sizeof(command), "rm -r '%s'", dir);
	return system(command);
}

__attribute__((format(printf, 1, 2))) static void shell(const char *format, ...)
{
	char command[2 * PATH_MAX];
	va_list list;

	va_start(list, format);
	vsnprintf(command, sizeof(command), format, list);
	va_end(list);
	if (system(command) != 0)
		fail_msg("failed: %s", command);
}

static void make_nics(void)
{
	if (geteuid() != 0 || unshare(CLONE_NEWNET) < 0) {
		print_message("skipped: needs root for a network namespace\n");
		skip();
	}
	shell("ip link add eth0 type veth peer name peer0");
	shell("ip link add eth1 type veth peer name peer1");
	shell("ip link add br0 type bridge");
	shell("ip link set eth0 address 02:00:00:00:00:10");
	shell("ip link set eth1 address 02:00:00:00:00:11");
	shell("ip link set peer0 address 02:00:00:00:00:99");
	shell("ip link set peer1 address 02:00:00:00:00:99");
	shell("ip address add 10.1.0.2/24 dev eth0");
	shell("ip address add fd00:1::2/64 dev eth1 nodad");
	shell("ip address add 10.9.0.1/30 dev peer0");
	shell("ip address add 10.8.0.1/16 dev br0");
	shell("for i in eth0 eth1 peer0; do ip link set $i up; done");
	shell("ip route add default via 10.1.0.9");
}

static void test_init(void **state)
{
	struct hg_node_config node;
	struct hg_cluster_config cluster;
	char path[PATH_MAX];
	struct stat st;
	int wan, lan, ha;

	(void)state;
	make_nics();
	shell("cd '%s' && '%s' init --dir etc >out && grep -q 'wrote .*/etc/node.yaml' out", dir,
	      program);
	/* Nothing tells which one is the wan: the three names of the manual all the same. */
	shell("ip route del default && cd '%s' && '%s' init --dir other >first && "
	      "grep -q '^  lan:' other/node.yaml && grep -q '^  wan:' other/node.yaml && "
	      "grep -q '^  ha:' other/node.yaml && ip route add default via 10.1.0.9",
	      dir, program);
	snprintf(path, sizeof(path), "%s/etc/node.yaml", dir);
	assert_int_equal(hg_config_read_node(path, &node, stderr), 0);
	assert_int_equal(node.port_count, 3);
	assert_int_equal(node.mode, HG_MODE_MEMBER);
	assert_int_equal(node.cluster[0], '/'); /* although --dir was relative */
	assert_int_equal(hg_config_read_cluster(node.cluster, &node, &cluster, stderr), 0);
	assert_int_equal(cluster.node_count, 1);
	assert_int_equal(cluster.vip_count, 0);
	wan = hg_cluster_find_port(&cluster, "wan");
	lan = hg_cluster_find_port(&cluster, "lan");
	ha = hg_cluster_find_port(&cluster, "ha");
	assert_true(wan >= 0 && lan >= 0 && ha >= 0);
	assert_memory_equal(cluster.node[0].address[wan].addr, "\x0a\x01\x00\x02", 4);
	for (unsigned int i = 0; i < node.port_count; i++) {
		const struct hg_node_port *port = &node.port[i];

		if (strcmp(port->name, "wan") == 0)
			assert_memory_equal(port->nic.mac, "\x02\0\0\0\0\x10", 6);
		/* Two NICs have one MAC: bound by name, that always fits. */
		if (port->nic.by == HG_NIC_BY_NAME)
			assert_string_equal(port->nic.text, "peer0");
	}
	hg_config_done(&cluster);
	assert_int_equal(stat(node.key, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	shell("grep -q '# peer1: ' '%s' && ! grep -q br0 '%s'", path, path);

	/* What is next: the other node gets the key and joins, as README.md has it. */
	shell("cd '%s' && grep -q 'no hagate init there' out && grep -q 'mode: join' out && "
	      "grep -q 'scp -p .*/etc/cluster.key root@OTHER' out",
	      dir);

	/* Again, with one file missing: makes that one and keeps the others. */
	shell("cd '%s/etc' && sha256sum node.yaml cluster.key >../sums && rm cluster.yaml", dir);
	shell("cd '%s' && '%s' init --dir etc >out && grep -c '^kept ' out | grep -q 2 && "
	      "cd etc && sha256sum --quiet -c ../sums && test -s cluster.yaml",
	      dir, program);
	/* A directory that cannot be made: exit status 1. */
	shell("cd '%s' && '%s' init --dir out/etc 2>err; test $? = 1 && grep -q 'out/etc' err", dir,
	      program);
}

/* /etc/hagate is where a cluster is made, too. Over an /etc and a /var/lib of its own. */
static void test_cluster(void **state)
{
	(void)state;
	shell("unshare --mount --propagation private sh -ec 'mount -t tmpfs none /var/lib; "
	      "mkdir /var/lib/up /var/lib/work; mount -t overlay none -o "
	      "lowerdir=/etc,upperdir=/var/lib/up,workdir=/var/lib/work /etc; rm -rf /etc/hagate; "
	      "%s init >/var/lib/out; grep -Eqx \"cluster [0-9a-f-]{36}, generation 1\" "
	      "/var/lib/out; test -s /var/lib/hagate/identity'",
	      program);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_init),
		cmocka_unit_test(test_cluster),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
