// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * node.yaml and cluster.yaml that are accepted: every field, defaults, the hash, how the
 * two files fit together, 8192 VIPs, and the examples of the manual pages.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "config_fixture.h"

static void check_ip(const struct hg_ip *ip, const char *octets, unsigned int family,
		     unsigned int prefix)
{
	assert_int_equal(ip->family, family);
	assert_int_equal(ip->prefix, prefix);
	assert_memory_equal(ip->addr, octets, family == 4 ? 4 : 16);
}

/* The files of the manual's examples, every field. */
static void test_example_node(void **state)
{
	static const unsigned char mac[6] = { 0x00, 0x50, 0x56, 0xa7, 0x01, 0x02 };

	(void)state;
	config_expect_ok(config_read_node(CONFIG_DATA "node.yaml"));
	assert_string_equal(fixture.node.node, "gw1");
	assert_string_equal(fixture.node.key, "/etc/hagate/cluster.key");
	assert_int_equal(fixture.node.mode, HG_MODE_MEMBER);
	assert_int_equal(fixture.node.port_count, 3);
	assert_string_equal(fixture.node.port[0].name, "lan");
	assert_string_equal(fixture.node.port[1].name, "wan");
	assert_string_equal(fixture.node.port[2].name, "ha");
	assert_int_equal(fixture.node.port[1].nic.by, HG_NIC_BY_MAC);
	assert_memory_equal(fixture.node.port[1].nic.mac, mac, 6);
	assert_int_equal(fixture.node.port[1].xdp, HG_XDP_NATIVE);
	assert_string_equal(fixture.node.cluster, "/etc/hagate/cluster.yaml");
	assert_string_equal(fixture.node.state, "/var/lib/hagate");
	assert_string_equal(fixture.node.run, "/run/hagate");
	assert_string_equal(fixture.node.pin, "/sys/fs/bpf/hagate");
}

static void test_example_cluster(void **state)
{
	(void)state;
	config_expect_ok(config_read_node(CONFIG_DATA "node.yaml"));
	config_expect_ok(config_read_cluster(CONFIG_DATA "cluster.yaml", &fixture.node));
	assert_string_equal(fixture.cluster.name, "home");
	assert_int_equal(fixture.cluster.node_count, 2);
	assert_string_equal(fixture.cluster.node[1].name, "gw2");
	assert_int_equal(fixture.cluster.node[0].id, 1);
	assert_int_equal(fixture.cluster.node[1].id, 2);
	assert_int_equal(fixture.cluster.node[0].priority, 200);
	assert_int_equal(fixture.cluster.node[1].priority, 100);
	assert_int_equal(fixture.cluster.port_count, 3);
	assert_int_equal(hg_cluster_find_port(&fixture.cluster, "ha"), 2);
	assert_int_equal(hg_cluster_find_port(&fixture.cluster, "dmz"), -1);
	assert_int_equal(hg_cluster_find_node(&fixture.cluster, "gw2"), 1);
	assert_int_equal(hg_cluster_find_node(&fixture.cluster, "gw3"), -1);
	assert_true(fixture.cluster.port[0].is_heartbeat && fixture.cluster.port[2].is_heartbeat);
	check_ip(&fixture.cluster.node[1].address[1], "\x0a\x02\x00\x03", 4, 0);
	check_ip(&fixture.cluster.node[0].address[2], "\x0a\x09\x00\x01", 4, 0);
	assert_int_equal(fixture.cluster.vip_count, 2);
	assert_int_equal(fixture.cluster.port[1].vip_first, 1);
	assert_int_equal(fixture.cluster.port[1].vip_count, 1);
	assert_int_equal(fixture.cluster.port[2].vip_count, 0);
	check_ip(&fixture.cluster.vip[1], "\x0a\x02\x00\x01", 4, 24);
	assert_int_equal(fixture.cluster.mac, HG_MAC_REAL);
	assert_int_equal(fixture.cluster.interval.ns, 5000000);
	assert_int_equal(fixture.cluster.lease.ns, 20000000);
	assert_true(fixture.cluster.is_failback);
	assert_int_equal(fixture.cluster.failback_delay.ns, 30000000000);
	assert_int_equal(fixture.cluster.isolation, HG_ISOLATION_CONTINUE);
	assert_true(fixture.cluster.is_default_accept);
	hg_config_done(&fixture.cluster);
}

static void test_node_defaults(void **state)
{
	(void)state;
	config_write_text("node: gw1\n"
			  "key: /k\n"
			  "ports:\n"
			  "  lan: { mac: 00:50:56:A7:01:01, xdp: generic }\n"
			  "  wan: { name: 'eth0' }\n"
			  "  ha: { path: pci-0000:0b:00.0 }\n");
	config_expect_ok(config_read_node(fixture.path));
	assert_int_equal(fixture.node.mode, HG_MODE_MEMBER);
	assert_string_equal(fixture.node.cluster, "/var/lib/hagate/cluster.yaml");
	assert_string_equal(fixture.node.state, "/var/lib/hagate");
	assert_string_equal(fixture.node.run, "/run/hagate");
	assert_string_equal(fixture.node.pin, "/sys/fs/bpf/hagate");
	assert_int_equal(fixture.node.port[0].xdp, HG_XDP_GENERIC);
	assert_memory_equal(fixture.node.port[0].nic.mac, "\x00\x50\x56\xa7\x01\x01", 6);
	assert_int_equal(fixture.node.port[1].nic.by, HG_NIC_BY_NAME);
	assert_string_equal(fixture.node.port[1].nic.text, "eth0");
	assert_int_equal(fixture.node.port[1].xdp, HG_XDP_NATIVE);
	assert_int_equal(fixture.node.port[2].nic.by, HG_NIC_BY_PATH);
	assert_string_equal(fixture.node.port[2].nic.text, "pci-0000:0b:00.0");

	/* the copy of cluster.yaml follows the state; `off` is a word, quoted or not */
	config_write_text("node: gw1\nkey: /k\nmode: off\nports: { lan: { name: eth0 } }\n"
			  "paths: { state: /srv/hagate }\n");
	config_expect_ok(config_read_node(fixture.path));
	assert_int_equal(fixture.node.mode, HG_MODE_OFF);
	assert_string_equal(fixture.node.cluster, "/srv/hagate/cluster.yaml");
	config_write_text("node: gw1\nkey: /k\nmode: \"off\"\nports: { lan: { name: eth0 } }\n");
	config_expect_ok(config_read_node(fixture.path));
	assert_int_equal(fixture.node.mode, HG_MODE_OFF);
}

static const char smallest[] = "cluster: home\n"
			       "ports: { lan: { heartbeat: true }, wan: {} }\n"
			       "nodes:\n"
			       "  gw1: { id: 1, addresses: { lan: 10.0.0.1 } }\n"
			       "  gw2: { id: 2, addresses: { lan: 10.0.0.2 } }\n";

/* The same meaning as `smallest`, in another order and with every default. */
static const char written_out[] = "# comment\n"
				  "filter: { rules: [], default: accept }\n"
				  "failsafe: [22]\n"
				  "routed_heartbeat: false\n"
				  "heartbeat_port: 4701\n"
				  "isolation: \"continue\"\n"
				  "failback: { delay: 30000ms, enabled: true }\n"
				  "timers: { drain: 500ms, agent_grace: 2s, lease: 20ms, "
				  "interval: 5ms }\n"
				  "mac: real\n"
				  "nodes:\n"
				  "  gw2:\n"
				  "    addresses:\n"
				  "      lan: 10.0.0.2\n"
				  "    priority: 100\n"
				  "    id: 2\n"
				  "  gw1: { priority: 100, id: 1, addresses: { lan: 10.0.0.1 } }\n"
				  "ports:\n"
				  "  wan: { vips: [], heartbeat: false }\n"
				  "  lan: { heartbeat: true }\n"
				  "cluster: 'home'\n";

static void test_cluster_defaults(void **state)
{
	const char *const texts[] = { smallest, written_out };
	uint8_t hash[2][16];
	unsigned int i;

	(void)state;
	for (i = 0; i < 2; i++) {
		config_write_text(texts[i]);
		config_expect_ok(config_read_cluster(fixture.path, NULL));
		assert_int_equal(fixture.cluster.interval.ns, 5000000);
		assert_int_equal(fixture.cluster.lease.ns, 20000000);
		assert_int_equal(fixture.cluster.drain.ns, 500000000);
		assert_int_equal(fixture.cluster.agent_grace.ns, 2000000000);
		assert_int_equal(fixture.cluster.failback_delay.ns, 30000000000);
		assert_true(fixture.cluster.is_failback);
		assert_int_equal(fixture.cluster.isolation, HG_ISOLATION_CONTINUE);
		assert_int_equal(fixture.cluster.mac, HG_MAC_REAL);
		assert_int_equal(fixture.cluster.heartbeat_port, 4701);
		assert_false(fixture.cluster.is_routed);
		assert_true(fixture.cluster.is_default_accept);
		assert_int_equal(fixture.cluster.failsafe[0], 22);
		assert_int_equal(fixture.cluster.failsafe[1], 0);
		assert_int_equal(fixture.cluster.node[0].priority, 100);
		assert_int_equal(fixture.cluster.vip_count, 0);
		memcpy(hash[i], fixture.cluster.hash, 16);
		hg_config_done(&fixture.cluster);
	}
	assert_memory_equal(hash[0], hash[1], 16);
}

static const char rich[] =
	"cluster: home-2\n"
	"mac: virtual\n"
	"ports:\n"
	"  lan: { heartbeat: true, vrid: 7, vips: [2001:db8:1::1/64, 10.1.0.1/24] }\n"
	"  wan: { vips: [10.2.0.1/24, 10.2.0.2/32] }\n"
	"nodes:\n"
	"  gw1: { id: 7, priority: 0, addresses: { lan: 2001:db8:1::2 } }\n"
	"  gw2: { id: 255, priority: 255, addresses: { lan: \"2001:db8:1::3\" } }\n"
	"timers: { interval: 1s, lease: 10s, agent_grace: 1min, drain: 0ms }\n"
	"failback: { enabled: false, delay: 24h }\n"
	"isolation: stop\n"
	"heartbeat_port: 65535\n"
	"routed_heartbeat: true\n"
	"failsafe: [22, 2222, 443]\n";

static void test_all_values(void **state)
{
	static const char lan[] =
		"\x20\x01\x0d\xb8\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01";
	const struct hg_cluster_config *c = &fixture.cluster;

	(void)state;
	config_write_text(rich);
	config_expect_ok(config_read_cluster(fixture.path, NULL));
	assert_int_equal(c->mac, HG_MAC_VIRTUAL);
	assert_int_equal(c->port[0].vrid, 7);
	assert_int_equal(c->port[1].vrid, 0);
	assert_int_equal(c->port[0].vip_count, 2);
	assert_int_equal(c->port[1].vip_first, 2);
	assert_int_equal(c->port[1].vip_count, 2);
	check_ip(&c->vip[0], lan, 6, 64);
	check_ip(&c->vip[1], "\x0a\x01\x00\x01", 4, 24);
	check_ip(&c->vip[3], "\x0a\x02\x00\x02", 4, 32);
	assert_int_equal(c->node[0].id, 7);
	assert_int_equal(c->node[1].id, 255);
	assert_int_equal(c->node[0].priority, 0);
	assert_int_equal(c->node[1].priority, 255);
	assert_int_equal(c->node[1].address[0].family, 6);
	assert_int_equal(c->node[1].address[1].family, 0);
	assert_int_equal(c->interval.ns, 1000000000);
	assert_int_equal(c->lease.ns, 10000000000);
	assert_int_equal(c->agent_grace.ns, 60000000000);
	assert_int_equal(c->drain.ns, 0);
	assert_int_equal(c->failback_delay.ns, 86400000000000);
	assert_false(c->is_failback);
	assert_int_equal(c->isolation, HG_ISOLATION_STOP);
	assert_int_equal(c->heartbeat_port, 65535);
	assert_true(c->is_routed);
	assert_int_equal(c->failsafe[2], 443);
	assert_int_equal(c->failsafe[3], 0);
	hg_config_done(&fixture.cluster);

	config_write_text("cluster: alone\nnodes: { gw1: { id: 1 } }\n"
			  "ports: { lan: { vips: [10.0.0.0/31, 10.0.0.4/32] } }\n"
			  "failsafe: []\ntimers: { interval: 3ms, lease: 9ms }\n");
	config_expect_ok(config_read_cluster(fixture.path, NULL));
	assert_int_equal(c->failsafe[0], 0);
	assert_int_equal(c->node_count, 1);
	assert_int_equal(c->vip_count, 2);
	assert_int_equal(c->lease.ns, c->interval.ns * 3);
	hg_config_done(&fixture.cluster);
}

/* Reads `text` with the first `from` in it replaced by `to`; returns its hash. */
static void hash_changed(const char *text, const char *from, const char *to, uint8_t ret[16])
{
	const char *at = strstr(text, from);
	char changed[2048];

	assert_non_null(at);
	snprintf(changed, sizeof(changed), "%.*s%s%s", (int)(at - text), text, to,
		 at + strlen(from));
	config_write_text(changed);
	config_expect_ok(config_read_cluster(fixture.path, NULL));
	memcpy(ret, fixture.cluster.hash, 16);
	hg_config_done(&fixture.cluster);
}

/* Every value counts, nothing else does. */
static void test_hash(void **state)
{
	static const char *const counts[][2] = {
		{ "home-2", "home-3" },
		{ "virtual", "virtual # x\nfilter: {}" },
		{ "vrid: 7", "vrid: 8" },
		{ "10.1.0.1/24", "10.1.0.1/25" },
		{ "10.2.0.1", "10.2.0.3" },
		{ "10.2.0.2/32", "10.2.0.2/31" },
		{ "{ id: 7", "{ id: 8" },
		{ "priority: 0", "priority: 1" },
		{ "1::2 ", "1::4 " },
		{ "gw1", "gw3" },
		{ "wan", "dmz" },
		{ "interval: 1s", "interval: 2ms" },
		{ "lease: 10s", "lease: 9s" },
		{ "1min", "59s" },
		{ "0ms", "1ms" },
		{ "false", "true" },
		{ "24h", "23h" },
		{ "stop", "continue" },
		{ "65535", "4701" },
		{ "true\nfail", "false\nfail" },
		{ "2222", "2223" },
		{ "wan: {", "wan: { heartbeat: false," },
		{ "failsafe: [22, 2222, 443]", "failsafe: [443, 2222, 22]" },
		{ "10.2.0.1/24, 10.2.0.2/32", "10.2.0.2/32, 10.2.0.1/24" },
	};
	/* these mean the same as before */
	static const unsigned int same[] = { 1, 21, 22, 23 };
	uint8_t base[16], hash[COUNT(counts)][16];
	unsigned int i, k;
	bool is_same;

	(void)state;
	hash_changed(rich, "mac", "mac", base);
	for (i = 0; i < COUNT(counts); i++) {
		hash_changed(rich, counts[i][0], counts[i][1], hash[i]);
		for (is_same = false, k = 0; k < COUNT(same); k++)
			is_same |= same[k] == i;
		if (!memcmp(hash[i], base, 16) != is_same)
			fail_msg("'%s' -> '%s'", counts[i][0], counts[i][1]);
		for (k = 0; k < i && !is_same; k++)
			assert_memory_not_equal(hash[i], hash[k], 16);
	}
}

/* cluster.yaml against the machine it is on. */
static void test_pair(void **state)
{
	(void)state;
	config_write_text("node: gw3\nkey: /k\n"
			  "ports: { lan: { name: a }, dmz: { name: b }, ha: { name: c } }\n");
	config_expect_ok(config_read_node(fixture.path));
	assert_int_equal(config_read_cluster(CONFIG_DATA "cluster.yaml", &fixture.node), -EINVAL);
	assert_int_equal(config_count_errors(), 3);
	assert_non_null(strstr(fixture.text, "cluster.yaml:2:1: error: this machine is 'gw3'"));
	assert_non_null(
		strstr(fixture.text, ":5:1: error: this machine's port 'dmz' is not among"));
	assert_non_null(strstr(fixture.text, ":7:3: error: port 'wan' is bound to no NIC"));
}

static void test_check(void **state)
{
	char text[1024];
	FILE *null = fopen("/dev/null", "w");
	char *cluster = NULL;

	(void)state;
	assert_non_null(null);
	config_write_key(0600);
	snprintf(text, sizeof(text),
		 "node: gw1\nkey: %s\nmode: member\ncluster: %s/none.yaml\nports:\n"
		 "  lan: { name: a }\n  wan: { name: b }\n  ha: { name: c }\n",
		 fixture.key, fixture.dir);
	config_write_text(text);
	assert_int_equal(hg_config_check(fixture.path, NULL, null), -EINVAL);
	/* with `mode: join` it is checked if it is there */
	cluster = realpath(CONFIG_DATA "cluster.yaml", NULL);
	assert_non_null(cluster);
	snprintf(text, sizeof(text),
		 "node: gw1\nkey: %s\nmode: join\ncluster: %s\nports:\n"
		 "  lan: { name: a }\n  wan: { name: b }\n  ha: { name: c }\n",
		 fixture.key, cluster);
	config_write_text(text);
	assert_int_equal(hg_config_check(fixture.path, NULL, null), 0);
	config_write_key(0644); /* others may read it */
	assert_int_equal(hg_config_check(fixture.path, NULL, null), -EINVAL);
	config_write_key(0600);
	memcpy(strstr(text, "ha:"), "hb:", 3);
	config_write_text(text);
	assert_int_equal(hg_config_check(fixture.path, NULL, null), -EINVAL);
	free(cluster);
	fclose(null);
}

static double seconds_of(const struct timespec *start)
{
	struct timespec end;

	clock_gettime(CLOCK_MONOTONIC, &end);
	return end.tv_sec - start->tv_sec + (end.tv_nsec - start->tv_nsec) / 1e9;
}

/* `count` VIPs, one a line; number `twice` is 10.0.0.1 again. */
static void write_vips(unsigned int count, unsigned int twice)
{
	FILE *file = fopen(fixture.path, "w");
	unsigned int i, n;

	assert_non_null(file);
	fprintf(file, "cluster: many\nnodes: { gw1: { id: 1 } }\nports:\n  lan:\n    vips:\n");
	for (i = 0; i < count; i++) {
		n = i == twice ? 0 : i;
		if (n % 2)
			fprintf(file, "      - 2001:db8::%x/64\n", n);
		else
			fprintf(file, "      - 10.%u.%u.1/24\n", n >> 8, n & 0xff);
	}
	fclose(file);
}

/* The bounds are loose: quadratic work would take minutes, a busy machine does not. */
static void test_many_vips(void **state)
{
	struct timespec start;

	(void)state;
	clock_gettime(CLOCK_MONOTONIC, &start);
	write_vips(HG_VIPS_MAX, UINT32_MAX);
	config_expect_ok(config_read_cluster(fixture.path, NULL));
	assert_int_equal(fixture.cluster.vip_count, HG_VIPS_MAX);
	assert_int_equal(fixture.cluster.port[0].vip_count, HG_VIPS_MAX);
	hg_config_done(&fixture.cluster);
	print_message("%d VIPs: %.3f s\n", HG_VIPS_MAX, seconds_of(&start));

	write_vips(HG_VIPS_MAX, HG_VIPS_MAX - 1);
	assert_int_equal(config_read_cluster(fixture.path, NULL), -EINVAL);
	assert_non_null(strstr(fixture.text, ":8197:9: error: 10.0.0.1 is already a VIP of port "
					     "'lan' (line 6)"));
	assert_int_equal(config_count_errors(), 1);

	write_vips(HG_VIPS_MAX + 2, UINT32_MAX);
	assert_int_equal(config_read_cluster(fixture.path, NULL), -EINVAL);
	assert_non_null(strstr(fixture.text, ":8198:9: error: more than 8192 VIPs"));
	assert_int_equal(config_count_errors(), 1);
	assert_true(seconds_of(&start) < 20);
}

/* Files that would cost a naive reader much. */
static void test_hostile(void **state)
{
	static const char *const patterns[] = { "k%u: v\n",	"a: %u\n", "- x%u\n",  "{k%u: [",
						"[%u, ",	"\"%u",	   "? k%u\n",  "'%u''",
						"k%u: &a *b\n", "!<%u> ",  "|\n %u\n", "%u\n\n",
						"# %u\n" };
	struct timespec start;
	unsigned int i, n;
	FILE *file;

	(void)state;
	for (i = 0; i < COUNT(patterns); i++) {
		file = fopen(fixture.path, "w");
		assert_non_null(file);
		for (n = 0; ftell(file) < HG_CONFIG_FILE_MAX - 64; n++)
			fprintf(file, patterns[i], n);
		fclose(file);
		clock_gettime(CLOCK_MONOTONIC, &start);
		assert_int_equal(config_read_cluster(fixture.path, NULL), -EINVAL);
		if (seconds_of(&start) > 20)
			fail_msg("1 MiB of '%s' took %.1f s", patterns[i], seconds_of(&start));
		assert_true(config_count_errors() <= 1000);
	}
}

/* Every example of a manual page: what follows a line of three backquotes. */
static void check_examples(const char *page, unsigned int expected)
{
	FILE *file = fopen(page, "r"), *example = NULL;
	unsigned int count = 0;
	char line[512];

	if (!file)
		fail_msg("%s: %s (run from the root of the repository)", page, strerror(errno));
	while (fgets(line, sizeof(line), file)) {
		if (!example && strcmp(line, "```\n") == 0) {
			example = fopen(fixture.path, "w");
			assert_non_null(example);
		} else if (example && strcmp(line, "```\n") == 0) {
			fclose(example);
			example = NULL;
			count++;
			if (strstr(page, "node")) {
				config_expect_ok(config_read_node(fixture.path));
				continue;
			}
			config_expect_ok(config_read_cluster(fixture.path, NULL));
			hg_config_done(&fixture.cluster);
		} else if (example) {
			fputs(line, example);
		}
	}
	fclose(file);
	assert_null(example);
	assert_int_equal(count, expected);
}

static void test_manual(void **state)
{
	(void)state;
	check_examples("docs/man/hagate-node.yaml.5.scd", 4);
	check_examples("docs/man/hagate-cluster.yaml.5.scd", 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_example_node),  cmocka_unit_test(test_example_cluster),
		cmocka_unit_test(test_node_defaults), cmocka_unit_test(test_cluster_defaults),
		cmocka_unit_test(test_all_values),    cmocka_unit_test(test_hash),
		cmocka_unit_test(test_pair),	      cmocka_unit_test(test_check),
		cmocka_unit_test(test_many_vips),     cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_manual),
	};

	return cmocka_run_group_tests(tests, config_fixture_setup, config_fixture_teardown);
}
