// SPDX-License-Identifier: GPL-2.0-or-later
/* `hagate discover` in words and in JSON. */
#include "discover_show.h"

#include <arpa/inet.h>
#include <jansson.h>
#include <string.h>

#include "text.h"

#define SAME_MACS 2 /* strangers heard on two NICs: probably one segment */

static void mac_text(char *to, size_t size, const uint8_t mac[6])
{
	snprintf(to, size, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4],
		 mac[5]);
}

static void net_text(char *to, size_t size, const struct hg_discover_net *net)
{
	uint8_t address[16] = { 0 };

	memcpy(address, net->net, net->family == AF_INET ? 3 : 8);
	inet_ntop(net->family, address, to, (socklen_t)size);
	hg_text_add(to, size, net->family == AF_INET ? "/24" : "/64");
}

static unsigned int same_macs(const struct hg_discover_nic *a, const struct hg_discover_nic *b)
{
	unsigned int count = 0;

	for (unsigned int i = 0; i < a->mac_count; i++)
		for (unsigned int k = 0; k < b->mac_count; k++)
			count += !memcmp(a->mac[i], b->mac[k], 6);
	return count;
}

static const char *trust_text(const struct hg_discover_peer *peer)
{
	switch (peer->trust) {
	case HG_DISCOVER_UNVERIFIED:
		return "unverified: no key was given";
	case HG_DISCOVER_WRONG_KEY:
		return "NOT under this cluster key";
	case HG_DISCOVER_VERIFIED:
		return "verified";
	}
	return "";
}

/* --- what is doubtful ------------------------------------------------------------------- */

static void note(json_t *notes, json_t *text)
{
	json_array_append_new(notes, text);
}

static void note_nic(const struct hg_discover *discover, unsigned int i,
		     const struct hg_discover_port *port, json_t *notes)
{
	const struct hg_discover_nic *nic = &discover->nic[i];
	const char *name = nic->nic->ifname;

	if (!nic->is_up)
		note(notes, json_sprintf("%s is down and could not be listened on: `ip link set %s "
					 "up`, then again",
					 name, name));
	else if (!nic->has_link)
		note(notes, json_sprintf("%s has no link: connect it", name));
	else if (!nic->frames && !nic->is_reflected && !nic->shares)
		note(notes, json_sprintf("%s: nothing was heard in %u s: the segment is silent, or "
					 "there is nobody on it",
					 name, discover->seconds));
	if (nic->is_reflected)
		note(notes, json_sprintf("%s gets its own frames back: a loop, or NIC teaming "
					 "below the vSwitch that reflects them",
					 name));
	if (port->is_ambiguous)
		note(notes, json_sprintf("%s: ambiguous: more than one port is heard there, or its "
					 "port on another NIC too; mend the wiring first",
					 name));
	for (unsigned int p = 0; p < nic->peer_count; p++)
		if (nic->peer[p].trust == HG_DISCOVER_WRONG_KEY)
			note(notes, json_sprintf("%s: %s's frames are not under this key: copy "
						 "cluster.key from there",
						 name, nic->peer[p].node));
	if (!nic->nic->is_mac_unique)
		note(notes, json_sprintf("%s has a MAC that another NIC of this machine has too: "
					 "bound by name",
					 name));
}

static void note_pair(const struct hg_discover *discover, unsigned int i, unsigned int k,
		      json_t *notes)
{
	const struct hg_discover_nic *a = &discover->nic[i], *b = &discover->nic[k];

	if (a->shares & 1u << k)
		note(notes,
		     json_sprintf("%s and %s hang on one segment", a->nic->ifname, b->nic->ifname));
	else if (same_macs(a, b) >= SAME_MACS)
		note(notes, json_sprintf("%s and %s hear the same machines: probably one segment; "
					 "--probe tells for sure",
					 a->nic->ifname, b->nic->ifname));
}

static json_t *make_notes(const struct hg_discover *discover, const struct hg_discover_port *ports)
{
	json_t *notes = json_array();
	bool is_heard = false;

	for (unsigned int i = 0; i < discover->nics.count; i++) {
		note_nic(discover, i, &ports[i], notes);
		is_heard |= ports[i].basis >= HG_DISCOVER_HEARD;
		for (unsigned int k = 0; k < i; k++)
			note_pair(discover, k, i, notes);
	}
	if (!is_heard)
		note(notes, json_string("no gateway node was heard on any NIC: names of ports are "
					"guesses by addresses and the default route"));
	if (is_heard && !discover->has_key)
		note(notes, json_string("without the cluster key anybody could have said this: "
					"--key FILE or --node FILE verifies it"));
	return notes;
}

/* --- JSON ------------------------------------------------------------------------------- */

static const char *basis_name(enum hg_discover_basis basis)
{
	switch (basis) {
	case HG_DISCOVER_NOTHING:
		return "nothing";
	case HG_DISCOVER_GUESS:
		return "guess";
	case HG_DISCOVER_HEARD:
		return "unverified";
	case HG_DISCOVER_PROVEN:
		return "verified";
	}
	return "nothing";
}

static json_t *json_text(const char *text)
{
	return *text ? json_string(text) : json_null();
}

static json_t *json_peers(const struct hg_discover_nic *nic)
{
	json_t *array = json_array();

	for (unsigned int i = 0; i < nic->peer_count; i++) {
		const struct hg_discover_peer *peer = &nic->peer[i];
		char mac[18];

		mac_text(mac, sizeof(mac), peer->mac);
		json_array_append_new(
			array,
			json_pack("{s:o,s:o,s:o,s:o,s:s,s:b,s:b,s:b}", "node",
				  json_text(peer->node), "port", json_text(peer->port), "cluster",
				  json_text(peer->cluster), "ifname", json_text(peer->ifname),
				  "mac", mac, "verified", peer->trust == HG_DISCOVER_VERIFIED,
				  "wrong_key", peer->trust == HG_DISCOVER_WRONG_KEY, "probe",
				  peer->is_probe));
	}
	return array;
}

static json_t *json_nets(const struct hg_discover_nic *nic)
{
	json_t *array = json_array();
	char text[64];

	for (unsigned int i = 0; i < nic->net_count; i++) {
		net_text(text, sizeof(text), &nic->net[i]);
		json_array_append_new(array, json_pack("{s:s,s:i}", "net", text, "hosts",
						       (int)nic->net[i].host_count));
	}
	return array;
}

static json_t *json_shares(const struct hg_discover *discover, unsigned int i)
{
	json_t *array = json_array();

	for (unsigned int k = 0; k < discover->nics.count; k++)
		if (discover->nic[i].shares & 1u << k)
			json_array_append_new(array, json_string(discover->nics.nic[k].ifname));
	return array;
}

static json_t *json_nic(const struct hg_discover *discover, unsigned int i,
			const struct hg_discover_port *port)
{
	const struct hg_discover_nic *nic = &discover->nic[i];
	char mac[18];

	mac_text(mac, sizeof(mac), nic->nic->mac);
	return json_pack("{s:s,s:s,s:b,s:b,s:o,s:o,s:s,s:b,s:o,s:o,s:o,s:b}", "ifname",
			 nic->nic->ifname, "mac", mac, "up", nic->is_up, "link", nic->has_link,
			 "address", json_text(nic->nic->address), "port",
			 json_text(port->is_ambiguous ? "" : port->name), "basis",
			 basis_name(port->basis), "ambiguous", port->is_ambiguous, "peers",
			 json_peers(nic), "networks", json_nets(nic), "shares_segment_with",
			 json_shares(discover, i), "reflected", nic->is_reflected);
}

static json_t *json_ports(const struct hg_discover *discover, const struct hg_discover_port *ports)
{
	json_t *object = json_object();

	for (unsigned int i = 0; i < discover->nics.count; i++) {
		const struct hg_nics_entry *nic = &discover->nics.nic[i];
		char mac[18];

		mac_text(mac, sizeof(mac), nic->mac);
		if (*ports[i].name && !ports[i].is_ambiguous)
			json_object_set_new(object, ports[i].name,
					    nic->is_mac_unique
						    ? json_pack("{s:s}", "mac", mac)
						    : json_pack("{s:s}", "name", nic->ifname));
	}
	return object;
}

static int show_json(const struct hg_tool *tool, const struct hg_discover *discover,
		     const struct hg_discover_port *ports, json_t *notes)
{
	json_t *nics = json_array(), *object;
	int status;

	for (unsigned int i = 0; i < discover->nics.count; i++)
		json_array_append_new(nics, json_nic(discover, i, &ports[i]));
	object = json_pack("{s:i,s:b,s:b,s:o,s:o,s:O}", "seconds", (int)discover->seconds,
			   "has_key", discover->has_key, "probed", discover->is_probing, "nics",
			   nics, "ports", json_ports(discover, ports), "notes", notes);
	status = hg_text_print_json(tool, object);
	json_decref(object);
	return status;
}

/* --- text ------------------------------------------------------------------------------- */

static void print_nic(const struct hg_discover_nic *nic)
{
	char mac[18];

	mac_text(mac, sizeof(mac), nic->nic->mac);
	printf("# %-15s %s  %s%s%s\n", nic->nic->ifname, mac,
	       !nic->is_up     ? "down"
	       : nic->has_link ? "up"
			       : "no link",
	       *nic->nic->address ? ", own address " : "", nic->nic->address);
	for (unsigned int i = 0; i < nic->peer_count; i++) {
		const struct hg_discover_peer *peer = &nic->peer[i];

		if (peer->is_probe)
			printf("#   hears %s (%s) being set up; %s\n",
			       *peer->node ? peer->node : "a machine", peer->ifname,
			       trust_text(peer));
		else
			printf("#   hears %s's port %s%s%s; %s\n", peer->node, peer->port,
			       *peer->cluster ? " of " : "", peer->cluster, trust_text(peer));
	}
	for (unsigned int i = 0; i < nic->net_count; i++) {
		char net[64];

		net_text(net, sizeof(net), &nic->net[i]);
		printf("#   hears %u%s host%s of %s\n", nic->net[i].host_count,
		       nic->net[i].host_count == HG_DISCOVER_HOSTS_MAX ? " or more" : "",
		       nic->net[i].host_count == 1 ? "" : "s", net);
	}
}

static void print_port(const struct hg_nics_entry *nic, const struct hg_discover_port *port)
{
	bool is_sure = *port->name && !port->is_ambiguous;
	char mac[18];

	mac_text(mac, sizeof(mac), nic->mac);
	printf("  %s%s: ", is_sure ? "" : "# ", *port->name ? port->name : "?");
	if (nic->is_mac_unique)
		printf("{ mac: \"%s\" }", mac);
	else
		printf("{ name: %s }", nic->ifname);
	printf("   # %s, %s\n", nic->ifname,
	       port->is_ambiguous		    ? "ambiguous"
	       : port->basis == HG_DISCOVER_NOTHING ? "not known"
						    : basis_name(port->basis));
}

static void show_text(const struct hg_discover *discover, const struct hg_discover_port *ports,
		      const json_t *notes)
{
	for (unsigned int i = 0; i < discover->nics.count; i++)
		print_nic(&discover->nic[i]);
	puts("#\n# For node.yaml:\nports:");
	for (unsigned int i = 0; i < discover->nics.count; i++)
		print_port(&discover->nics.nic[i], &ports[i]);
	for (size_t i = 0; i < json_array_size(notes); i++)
		printf("# note: %s\n", json_string_value(json_array_get(notes, i)));
}

int hg_discover_show(const struct hg_tool *tool, const struct hg_discover *discover)
{
	struct hg_discover_port ports[HG_NICS_MAX];
	json_t *notes;
	int status = HG_EXIT_OK;

	hg_discover_propose(discover, ports);
	notes = make_notes(discover, ports);
	if (tool->is_json)
		status = show_json(tool, discover, ports, notes);
	else
		show_text(discover, ports, notes);
	json_decref(notes);
	return status;
}
