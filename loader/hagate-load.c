// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * hagate-load: the data path by hand. `detach` is the remedy that the loader's
 * errors name; `status` and `probe` answer questions; `attach` puts the programs
 * onto NICs without an agent, for tests.
 */
#include <argp.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "hagate/control.h"
#include "link.h"
#include "loader.h"
#include "nic.h"
#include "show.h"

#define AGENT_ALIVE_NS (2 * 1000000000ull)
#define TURN_NS 50000000

const char *argp_program_version = "hagate-load " HG_VERSION;

enum key { KEY_PIN = 256, KEY_NODE, KEY_PEER, KEY_GENERIC, KEY_FORCE, KEY_JSON, KEY_TRY };

struct arguments {
	const char *pin;
	unsigned int node, peer;
	bool is_generic, is_force, is_json, is_try;
	const char *command;
	char **operands;
	int count;
};

static const struct argp_option options[] = {
	{ "pin", KEY_PIN, "DIR", 0, "where programs and maps are pinned (" HG_PIN_DIR ")", 0 },
	{ "node", KEY_NODE, "ID", 0, "attach: id of this node, 1..255 (1)", 0 },
	{ "peer", KEY_PEER, "ID", 0, "attach: id of the peer, 1..255 (2)", 0 },
	{ "generic", KEY_GENERIC, NULL, 0, "attach: generic XDP, slower, works on any NIC", 0 },
	{ "force", KEY_FORCE, NULL, 0, "attach, detach: although an agent is at work", 0 },
	{ "json", KEY_JSON, NULL, 0, "status: as JSON", 0 },
	{ "try", KEY_TRY, NULL, 0, "probe: attach for a moment; the link may go down and up", 0 },
	{ 0 },
};

static unsigned int parse_id(const char *text, struct argp_state *state)
{
	char *end;
	unsigned long id = strtoul(text, &end, 10);

	if (!*text || *end || id < 1 || id > 255)
		argp_error(state, "'%s' is not a node id, 1..255", text);
	return id;
}

static error_t parse(int key, char *text, struct argp_state *state)
{
	struct arguments *arguments = state->input;

	switch (key) {
	case KEY_PIN:
		arguments->pin = text;
		return 0;
	case KEY_NODE:
		arguments->node = parse_id(text, state);
		return 0;
	case KEY_PEER:
		arguments->peer = parse_id(text, state);
		return 0;
	case KEY_GENERIC:
		arguments->is_generic = true;
		return 0;
	case KEY_FORCE:
		arguments->is_force = true;
		return 0;
	case KEY_JSON:
		arguments->is_json = true;
		return 0;
	case KEY_TRY:
		arguments->is_try = true;
		return 0;
	case ARGP_KEY_ARGS:
		arguments->command = state->argv[state->next];
		arguments->operands = state->argv + state->next + 1;
		arguments->count = state->argc - state->next - 1;
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_error(state, "no command");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp argp = {
	options,
	parse,
	"attach IFNAME=PORT...\nstatus\nprobe [IFNAME...]\ndetach",
	"Loads hagate's programs onto NICs, shows and removes them.\v"
	"attach   puts the programs onto NICs with default constants, without an agent\n"
	"status   what is loaded, and whether this node serves now\n"
	"probe    what NICs can do for XDP\n"
	"detach   removes programs, links, maps; may be repeated\n\n"
	"Exit status: 0 done, 1 refused or failed, 2 usage.",
	NULL,
	NULL,
	NULL,
};

static int fail(const char *text)
{
	fprintf(stderr, "hagate-load: %s\n", text);
	return HG_EXIT_FAILED;
}

/* One that was stopped a moment ago was seen a moment ago: only a newer sign of life tells. */
static bool is_agent_alive(const struct arguments *arguments)
{
	const struct timespec pause = { .tv_nsec = TURN_NS };
	__u64 seen = hg_show_agent_seen(arguments->pin);

	if (arguments->is_force)
		return false;
	for (__u64 waited = 0; waited <= AGENT_ALIVE_NS; waited += TURN_NS) {
		if (hg_show_agent_age(arguments->pin) > AGENT_ALIVE_NS)
			return false;
		nanosleep(&pause, NULL);
		if (hg_show_agent_seen(arguments->pin) == seen)
			continue;
		fprintf(stderr,
			"hagate-load: an agent works below %s: stop hagated first, or say "
			"--force\n",
			arguments->pin);
		return true;
	}
	return false;
}

/* Without its own addresses in the maps a node that does not serve would lock its
 * operator out. */
static int add_own_addresses(const struct hg_maps *maps)
{
	struct hg_addr_entry *entries;
	struct hg_link_addr *addrs;
	size_t count, i;
	int err;

	err = hg_link_addrs(&addrs, &count);
	if (err)
		return err;
	entries = calloc(count + 1, sizeof(*entries));
	for (i = 0; entries && i < count; i++) {
		entries[i].family = addrs[i].family;
		memcpy(entries[i].addr, addrs[i].addr, sizeof(entries[i].addr));
		entries[i].value = (struct hg_addr){ .kind = HG_ADDR_OWN, .slot = HG_SLOTS_MAX };
	}
	err = entries ? hg_maps_sync_addrs(maps, entries, count) : -ENOMEM;
	free(entries);
	free(addrs);
	return err;
}

/* The slot that the NIC has, or a free one. Entries of this port on another NIC and
 * those of NICs that are gone are removed on the way. */
static __u32 take_slot(const struct hg_maps *maps, int ifindex, const char *name)
{
	__u32 key, next, slot, taken = 0;
	char ifname[IF_NAMESIZE];
	struct hg_port port;
	int err;

	for (err = bpf_map_get_next_key(maps->port_fd, NULL, &next); !err;) {
		key = next;
		err = bpf_map_get_next_key(maps->port_fd, &key, &next);
		if (bpf_map_lookup_elem(maps->port_fd, &key, &port))
			continue;
		if (key == (__u32)ifindex)
			return port.slot;
		if (!strncmp(port.name, name, sizeof(port.name)) || !if_indextoname(key, ifname))
			hg_maps_delete_port(maps, key);
		else if (port.slot < HG_SLOTS_MAX)
			taken |= 1u << port.slot;
	}
	for (slot = 0; slot < HG_SLOTS_MAX - 1 && taken & 1u << slot; slot++)
		;
	return slot;
}

static int attach_one(struct hg_loader *loader, const struct arguments *arguments,
		      const char *operand, struct hg_error *error)
{
	const struct hg_maps *maps = hg_loader_maps(loader);
	struct hg_port port = { .flags = HG_PORT_HEARTBEAT };
	struct hg_nic_id id = { .by = HG_NIC_BY_NAME };
	const char *name = strchr(operand, '=') + 1;
	struct hg_nic nic;
	int err;

	snprintf(id.text, sizeof(id.text), "%.*s", (int)(name - operand - 1), operand);
	err = hg_nic_find(&id, &nic, error);
	if (err)
		return err;
	port.slot = take_slot(maps, nic.ifindex, name);
	port.id = hg_port_id(name);
	memcpy(port.mac, nic.mac, sizeof(port.mac));
	snprintf(port.name, sizeof(port.name), "%s", name);
	err = hg_maps_set_port(maps, nic.ifindex, &port);
	if (err) {
		snprintf(error->text, sizeof(error->text), "%s: hg_port: %s", operand,
			 strerror(-err));
		return err;
	}
	err = hg_loader_attach(loader, name, nic.ifindex,
			       arguments->is_generic ? HG_XDP_GENERIC : HG_XDP_NATIVE, error);
	if (err)
		hg_maps_delete_port(maps, nic.ifindex);
	else
		printf("%s: attached to %s\n", name, nic.ifname);
	return err;
}

static int check_operands(const struct arguments *arguments)
{
	const char *equals;
	int i;

	for (i = 0; i < arguments->count; i++) {
		equals = strchr(arguments->operands[i], '=');
		if (!equals || equals == arguments->operands[i] || !equals[1] ||
		    strlen(equals + 1) >= HG_WIRE_NAME_LEN) {
			fprintf(stderr, "hagate-load: attach: '%s' is not IFNAME=PORT\n",
				arguments->operands[i]);
			return HG_EXIT_USAGE;
		}
	}
	if (arguments->count && arguments->count <= HG_SLOTS_MAX)
		return 0;
	fprintf(stderr, "hagate-load: attach: 1 to %d times IFNAME=PORT\n", HG_SLOTS_MAX);
	return HG_EXIT_USAGE;
}

static int run_attach(const struct arguments *arguments)
{
	struct hg_loader_options opts = {
		.pin = arguments->pin,
		.software = HG_VERSION,
		.config = {
			.lease_ns = 20 * 1000000ull,
			.agent_grace_ns = 2000 * 1000000ull,
			.drain_ns = 1000 * 1000000ull,
			.udp_port = HG_WIRE_UDP_PORT,
			.failsafe_ports = { 22 },
			.node = arguments->node,
			.min_ttl = HG_WIRE_TTL,
			.peers = { arguments->peer },
		},
	};
	struct hg_loader *loader;
	struct hg_error error = { 0 };
	bool is_adopted;
	int err, i;

	err = check_operands(arguments);
	if (err)
		return err;
	if (is_agent_alive(arguments))
		return HG_EXIT_FAILED;
	if (hg_loader_open(&opts, &loader, &is_adopted, &error))
		return fail(error.text);
	printf("maps: %s\n", is_adopted ? "taken over" : "made");
	err = add_own_addresses(hg_loader_maps(loader));
	if (err)
		snprintf(error.text, sizeof(error.text), "cannot list own addresses: %s",
			 strerror(-err));
	for (i = 0; i < arguments->count && !err; i++)
		err = attach_one(loader, arguments, arguments->operands[i], &error);
	hg_loader_free(loader);
	return err ? fail(error.text) : HG_EXIT_OK;
}

static void print_removed(void *context, const char *what)
{
	unsigned int *count = context;

	printf("removed %s\n", what);
	++*count;
}

static int run_detach(const struct arguments *arguments)
{
	struct hg_error error = { 0 };
	unsigned int count = 0;

	if (arguments->count) {
		fprintf(stderr, "hagate-load: detach takes no names: it removes everything\n");
		return HG_EXIT_USAGE;
	}
	if (is_agent_alive(arguments))
		return HG_EXIT_FAILED;
	if (geteuid() == 0)
		hg_show_left_addresses(arguments->pin);
	if (hg_loader_remove_telling(arguments->pin, print_removed, &count, &error))
		return fail(error.text);
	if (!count)
		printf("nothing was loaded below %s\n", arguments->pin);
	return HG_EXIT_OK;
}

static int run_status(const struct arguments *arguments)
{
	struct hg_error error = { 0 };

	if (arguments->count) {
		fprintf(stderr, "hagate-load: status takes no names\n");
		return HG_EXIT_USAGE;
	}
	return hg_show_status(arguments->pin, arguments->is_json, &error) ? fail(error.text)
									  : HG_EXIT_OK;
}

static int run_probe(const struct arguments *arguments)
{
	struct hg_error error = { 0 };

	if (arguments->is_try && geteuid() != 0)
		return fail("probe --try needs root");
	return hg_show_probe(arguments->operands, arguments->count, arguments->is_try, &error)
		       ? fail(error.text)
		       : HG_EXIT_OK;
}

static const struct {
	const char *name;
	int (*run)(const struct arguments *arguments);
} commands[] = {
	{ "attach", run_attach },
	{ "detach", run_detach },
	{ "status", run_status },
	{ "probe", run_probe },
};

int main(int argc, char **argv)
{
	struct arguments arguments = { .pin = HG_PIN_DIR, .node = 1, .peer = 2 };
	size_t i;

	argp_err_exit_status = HG_EXIT_USAGE;
	if (argp_parse(&argp, argc, argv, 0, NULL, &arguments))
		return HG_EXIT_USAGE;
	for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (!strcmp(arguments.command, commands[i].name))
			return commands[i].run(&arguments);
	fprintf(stderr, "hagate-load: no command '%s' (attach, detach, status, probe)\n",
		arguments.command);
	return HG_EXIT_USAGE;
}
