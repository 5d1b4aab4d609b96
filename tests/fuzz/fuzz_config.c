// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Fuzzer of the configuration: the octets are read as node.yaml, as cluster.yaml, and
 * as the cluster.yaml of a given node. Besides what the sanitizers see it asserts
 * what callers rely on: silence and success go together, a failed read writes
 * nothing, and what was accepted is consistent.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "agent/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(condition)                \
	do {                              \
		if (!(condition))         \
			__builtin_trap(); \
	} while (0)

static char path[64];
static int fd = -1;
static struct hg_node_config fixed; /* with the ports lan, wan, ha */

static void write_file(const void *data, size_t size)
{
	if (fd < 0) {
		fd = memfd_create("fuzz", MFD_CLOEXEC);
		REQUIRE(fd >= 0);
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	}
	REQUIRE(!ftruncate(fd, 0));
	REQUIRE(pwrite(fd, data, size, 0) == (ssize_t)size);
}

/* Diagnostics: none with success; with failure the first line names the place, which may be
 * in a file that the filter names. */
static void check_output(int error, char *text, size_t size)
{
	unsigned int line, column;
	size_t i;

	REQUIRE(!error == !size);
	REQUIRE(!error || strstr(text, ": error: "));
	if (error && !strncmp(text, path, strlen(path))) {
		REQUIRE(sscanf(text + strlen(path), ":%u:%u: error: ", &line, &column) == 2);
		REQUIRE(line && column);
	}
	for (i = 0; i < size; i++)
		REQUIRE(text[i] == '\t' || text[i] == '\n' || (unsigned char)text[i] >= ' ');
	free(text);
}

static bool is_name(const char *name)
{
	return *name && strlen(name) < HG_WIRE_NAME_LEN &&
	       !name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-")];
}

static void check_node(const struct hg_node_config *node)
{
	unsigned int i;

	REQUIRE(is_name(node->node));
	REQUIRE(node->port_count > 0 && node->port_count <= HG_SLOTS_MAX);
	for (i = 0; i < node->port_count; i++) {
		REQUIRE(is_name(node->port[i].name));
		REQUIRE(node->port[i].nic.by == HG_NIC_BY_MAC ? !(node->port[i].nic.mac[0] & 1)
							      : node->port[i].nic.text[0] != 0);
	}
	REQUIRE(node->key[0] == '/' && node->cluster[0] == '/' && node->state[0] == '/');
	REQUIRE(node->run[0] == '/' && node->pin[0] == '/');
}

static void check_cluster(const struct hg_cluster_config *c)
{
	unsigned int i, k, vips = 0;

	REQUIRE(c->node_count > 0 && c->node_count <= HG_CONFIG_NODES_MAX);
	REQUIRE(c->port_count > 0 && c->port_count <= HG_SLOTS_MAX);
	REQUIRE(c->interval.ns * 3 <= c->lease.ns && c->interval.ns);
	for (i = 0; i < c->port_count; i++) {
		REQUIRE(is_name(c->port[i].name));
		REQUIRE(c->port[i].vip_first == vips);
		vips += c->port[i].vip_count;
		for (k = 0; k < c->node_count; k++)
			REQUIRE(!c->port[i].is_heartbeat || c->node[k].address[i].family);
	}
	REQUIRE(vips == c->vip_count && vips <= HG_VIPS_MAX);
	for (i = 0; i < vips; i++)
		REQUIRE(c->vip[i].prefix && (c->vip[i].family == 4 || c->vip[i].family == 6));
	for (i = 0; i < c->node_count; i++)
		REQUIRE(is_name(c->node[i].name) && c->node[i].id);
	REQUIRE(c->node_count < 2 || c->node[0].id != c->node[1].id);
}

static void read_node(void)
{
	static struct hg_node_config node;
	size_t size = 0;
	char *text = NULL;
	FILE *out = open_memstream(&text, &size);
	int error;

	memset(&node, 0x5a, sizeof(node));
	error = hg_config_read_node(path, &node, out);
	fclose(out);
	check_output(error, text, size);
	if (!error)
		check_node(&node);
	else
		REQUIRE(node.node[0] == 0x5a && node.port_count == 0x5a5a5a5a);
}

static int read_cluster(const struct hg_node_config *node, uint8_t ret_hash[16])
{
	struct hg_cluster_config cluster;
	size_t size = 0;
	char *text = NULL;
	FILE *out = open_memstream(&text, &size);
	int error;

	memset(&cluster, 0x5a, sizeof(cluster));
	error = hg_config_read_cluster(path, node, &cluster, out);
	fclose(out);
	check_output(error, text, size);
	if (error) {
		REQUIRE(cluster.name[0] == 0x5a && cluster.vip_count == 0x5a5a5a5a);
		return error;
	}
	check_cluster(&cluster);
	memcpy(ret_hash, cluster.hash, 16);
	hg_config_done(&cluster);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const names[] = { "lan", "wan", "ha" };
	uint8_t hash[2][16];
	unsigned int i;
	int error;

	if (!fixed.port_count) {
		strcpy(fixed.node, "gw1");
		for (i = 0; i < 3; i++)
			strcpy(fixed.port[fixed.port_count++].name, names[i]);
	}
	write_file(data, size);
	read_node();
	error = read_cluster(NULL, hash[0]);
	/* a node only adds demands, and changes nothing of what is read */
	if (!read_cluster(&fixed, hash[1]))
		REQUIRE(!error && !memcmp(hash[0], hash[1], 16));
	return 0;
}
