// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * `hagate init`: node.yaml, cluster.yaml and cluster.key, filled in from this
 * machine. Nothing that exists is touched. The files pass `hagated --check` as they
 * are where this machine has an address; they serve nothing until a VIP is put in.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "nics.h"
#include "tool.h"

struct plan {
	char dir[PATH_MAX]; /* absolute: it goes into node.yaml */
	char node[16];
	struct hg_nics nics;
	bool has_cluster; /* made, or there before */
};

/* The short host name in lower case, cut to what a node's name may be. */
static void name_node(char *to, size_t size)
{
	char host[HOST_NAME_MAX + 1] = "";
	size_t length = 0;

	gethostname(host, sizeof(host) - 1);
	for (const char *c = host; *c && *c != '.' && length + 1 < size; c++)
		if (isalnum((unsigned char)*c) || (*c == '-' && length))
			to[length++] = (char)tolower((unsigned char)*c);
	to[length] = '\0';
	if (!length || !isalpha((unsigned char)to[0]))
		snprintf(to, size, "gw1");
}

static void write_node_port(const struct hg_nics_entry *nic, FILE *out)
{
	const char *port = *nic->port ? nic->port : nic->ifname;

	fprintf(out, "  %s%s: ", *nic->port ? "" : "# ", port);
	if (nic->is_mac_unique)
		fprintf(out, "{ mac: \"%02x:%02x:%02x:%02x:%02x:%02x\" }", nic->mac[0], nic->mac[1],
			nic->mac[2], nic->mac[3], nic->mac[4], nic->mac[5]);
	else
		fprintf(out, "{ name: %s }", nic->ifname);
	fprintf(out, "   # %s, %s%s\n", nic->ifname, *nic->address ? nic->address : "no address",
		nic->has_default_route ? ", has the default route" : "");
}

static void write_node(const struct plan *plan, FILE *out)
{
	fprintf(out,
		"# Who this machine is. This file never leaves it.\n"
		"node: %s\n"
		"key: %s/cluster.key      # the same on both nodes, mode 0600\n"
		"mode: member                      # off | join | member\n"
		"cluster: %s/cluster.yaml\n"
		"# A port is what a NIC is for; the names are the same on both nodes. Bind it by\n"
		"# { mac: \"00:50:56:a7:01:01\" }, { path: \"pci-0000:0b:00.0\" } or { name: eth0 }.\n"
		"# The names below are guesses: rename them here and in cluster.yaml.\n"
		"ports:\n",
		plan->node, plan->dir, plan->dir);
	for (unsigned int i = 0; i < plan->nics.count; i++)
		write_node_port(&plan->nics.nic[i], out);
	fputs("# paths: { state: /var/lib/hagate, run: /run/hagate, pin: /sys/fs/bpf/hagate }\n",
	      out);
}

static void write_addresses(const struct plan *plan, bool is_example, FILE *out)
{
	const char *comma = "";

	for (unsigned int i = 0; i < plan->nics.count; i++) {
		const struct hg_nics_entry *nic = &plan->nics.nic[i];

		if (!*nic->port)
			continue;
		if (is_example)
			fprintf(out, "%s%s: ADDRESS", comma, nic->port);
		else
			fprintf(out, "%s%s: \"%s\"", comma, nic->port, nic->address);
		comma = ", ";
	}
}

static void write_cluster(const struct plan *plan, FILE *out)
{
	fprintf(out,
		"# What the gateway is. The same file on both nodes.\n"
		"cluster: home\n"
		"nodes:\n"
		"  # The node's own addresses; the system configures them, hagate only reads them.\n"
		"  %s: { id: 1, priority: 200, addresses: { ",
		plan->node);
	write_addresses(plan, false, out);
	fprintf(out,
		" } }\n"
		"  # The other node: another id, a lower priority, its own addresses.\n"
		"  # %s: { id: 2, priority: 100, addresses: { ",
		strcmp(plan->node, "gw2") == 0 ? "gw1" : "gw2");
	write_addresses(plan, true, out);
	fputs(" } }\n"
	      "ports:\n"
	      "  # Put the gateway's own addresses in: they belong to hagate, not to the system.\n",
	      out);
	for (unsigned int i = 0; i < plan->nics.count; i++)
		if (*plan->nics.nic[i].port)
			fprintf(out, "  %s: { heartbeat: true }   # , vips: [ADDRESS/%d]\n",
				plan->nics.nic[i].port, plan->nics.nic[i].prefix);
	fputs("mac: real                         # real | virtual | auto\n"
	      "timers: { interval: 5ms, lease: 20ms }\n"
	      "failback: { enabled: true, delay: 30s }\n"
	      "isolation: continue               # continue | stop\n",
	      out);
}

/* HG_EXIT_*; a file that exists is reported and kept. */
static int write_file(const struct plan *plan, const char *name,
		      void (*write_content)(const struct plan *, FILE *))
{
	char path[PATH_MAX + 32];
	FILE *out;
	int err;

	snprintf(path, sizeof(path), "%s/%s", plan->dir, name);
	out = fopen(path, "wxe");
	if (!out && errno == EEXIST) {
		printf("kept   %s (it was there already)\n", path);
		return HG_EXIT_OK;
	}
	if (out) {
		write_content(plan, out);
		err = fflush(out) == EOF || fsync(fileno(out)) < 0 ? errno : 0;
		if (fclose(out) == EOF && !err)
			err = errno;
		if (!err) {
			printf("wrote  %s\n", path);
			return HG_EXIT_OK;
		}
		unlink(path);
		errno = err;
	}
	fprintf(stderr, "hagate: cannot write %s: %s\n", path, strerror(errno));
	return HG_EXIT_FAILED;
}

static int write_key(const struct plan *plan)
{
	char path[PATH_MAX + 32];
	int err;

	snprintf(path, sizeof(path), "%s/cluster.key", plan->dir);
	err = hg_keygen_write(path);
	if (err && err != -EEXIST) {
		fprintf(stderr, "hagate: cannot write %s: %s\n", path, strerror(-err));
		return HG_EXIT_FAILED;
	}
	if (err)
		printf("kept   %s (it was there already)\n", path);
	else
		printf("wrote  %s (mode 0600)\n", path);
	return HG_EXIT_OK;
}

static int make_directory(const char *dir, struct plan *plan)
{
	if ((mkdir(dir, 0755) == 0 || errno == EEXIST) && realpath(dir, plan->dir) &&
	    strlen(plan->dir) < PATH_MAX - 32)
		return HG_EXIT_OK;
	fprintf(stderr, "hagate: cannot make or use directory %s: %s\n", dir, strerror(errno));
	return HG_EXIT_FAILED;
}

static void print_next(const struct plan *plan)
{
	const char *dir = plan->dir;

	printf("\nNext, on this node:\n"
	       "  1. Look through %s/node.yaml: is each port bound to the right NIC?\n"
	       "  2. In %s/cluster.yaml put in the virtual addresses (vips) and the\n"
	       "     other node with its addresses; give the gateway a name (cluster).\n"
	       "     Take virtual addresses out of the system's network configuration.\n"
	       "  3. hagated --node %s/node.yaml --check; systemctl enable --now hagated hagate-sync\n"
	       "     %shagate config commit -m 'first addresses'\n"
	       "On the other node (no hagate init there):\n"
	       "  4. Give it the key, from here: scp -p %s/cluster.key root@OTHER:%s/\n"
	       "  5. Write node.yaml with its name, its NICs and mode: join; the names of the\n"
	       "     ports must be the same as here: hagate discover prints them there.\n"
	       "  6. hagated --node %s/node.yaml --check\n"
	       "     systemctl enable --now hagated hagate-sync; hagate status\n"
	       "     It learns cluster.yaml from here.\n",
	       dir, dir, dir, plan->has_cluster ? "" : "hagate-sync --init, then ", dir, dir, dir);
}

/* The identity of the cluster and its first generation, where the files are those that the
 * services use. Examples elsewhere make none. */
static void make_cluster(struct plan *plan)
{
	char program[PATH_MAX], node[PATH_MAX + 32];
	int status = 0;
	pid_t pid;

	if (strcmp(plan->dir, "/etc/hagate") || geteuid())
		return;
	snprintf(node, sizeof(node), "%s/node.yaml", plan->dir);
	hg_find_program("hagate-sync", program);
	fflush(stdout);
	pid = fork();
	if (!pid) {
		execlp(program, "hagate-sync", "--node", node, "--init", (char *)NULL);
		fprintf(stderr, "hagate: cannot run %s: %s\n", program, strerror(errno));
		_exit(HG_EXIT_FAILED);
	}
	plan->has_cluster = pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
			    !WEXITSTATUS(status);
}

int hg_init_run(const struct hg_tool *tool)
{
	struct plan plan = { 0 };
	bool has_address = false;
	int err, status;

	name_node(plan.node, sizeof(plan.node));
	err = hg_nics_list(&plan.nics);
	if (err) {
		fprintf(stderr, "hagate: cannot list the NICs: %s\n", strerror(-err));
		return HG_EXIT_FAILED;
	}
	status = make_directory(tool->dir, &plan);
	if (!status)
		status = write_file(&plan, "node.yaml", write_node);
	if (!status)
		status = write_file(&plan, "cluster.yaml", write_cluster);
	if (!status)
		status = write_key(&plan);
	if (status)
		return status;
	for (unsigned int i = 0; i < plan.nics.count; i++)
		has_address |= *plan.nics.nic[i].port != '\0';
	if (!has_address)
		puts("No NIC of this machine has an address: the files need ports and addresses.");
	make_cluster(&plan);
	print_next(&plan);
	return HG_EXIT_OK;
}
