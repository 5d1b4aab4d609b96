// SPDX-License-Identifier: GPL-2.0-or-later
/* `witness: ADDRESS`, ADDRESS:PORT or [ADDRESS]:PORT: split here, the address itself is
 * read like every other one (config_ip.c). */
#include <stdlib.h>
#include <string.h>

#include "agent/config_file.h"
#include "agent/config_value.h"

#define TEXT_MAX 64

/* A port from 1 to 65535, 0: it is none. */
static uint16_t parse_port(const char *text)
{
	unsigned long port = 0;

	if (!*text || strspn(text, "0123456789") != strlen(text) || strlen(text) > 5)
		return 0;
	port = strtoul(text, NULL, 10);
	return port > UINT16_MAX ? 0 : port;
}

/* Cuts the port off `text`. ret_port: 0 when there is none. False: neither form. */
static bool split(char *text, char **ret_address, uint16_t *ret_port)
{
	char *colon = strrchr(text, ':'), *bracket = strchr(text, ']');

	*ret_address = text;
	*ret_port = 0;
	if (*text == '[') {
		if (!bracket)
			return false;
		*ret_address = text + 1;
		*bracket = '\0';
		if (!bracket[1])
			return true;
		return bracket[1] == ':' && (*ret_port = parse_port(bracket + 2));
	}
	if (!colon || strchr(text, ':') != colon)
		return true; /* IPv6 without a port, or IPv4 without one */
	*colon = '\0';
	return (*ret_port = parse_port(colon + 1));
}

void hg_config_read_witness(struct hg_diag *diag, const struct hg_yaml_node *key,
			    const struct hg_yaml_node *value, void *target)
{
	struct hg_cluster_config *config = &((struct hg_cluster_build *)target)->config;
	struct hg_yaml_node address = *value;
	char text[TEXT_MAX], *begin;
	uint16_t port;

	(void)key;
	if (value->type == HG_YAML_BROKEN)
		return;
	if (!hg_value_text(diag, value, "witness"))
		return;
	if (strlen(value->text) >= sizeof(text)) {
		hg_diag_error(diag, value->at, "witness: too long for an address and a port");
		return;
	}
	strcpy(text, value->text);
	if (!split(text, &begin, &port)) {
		hg_diag_error(diag, value->at,
			      "witness: '%s' is not ADDRESS, ADDRESS:PORT or "
			      "[ADDRESS]:PORT",
			      value->text);
		hg_diag_hint(diag, "for example 10.9.0.9, 10.9.0.9:4701 or \"[2001:db8::9]:4701\"");
		return;
	}
	address.text = begin;
	if (!hg_value_ip(diag, &address, "witness", HG_WITHOUT_PREFIX, &config->witness))
		return;
	config->witness_port = port ? port : HG_WIRE_UDP_PORT;
}

static bool is_own(const struct hg_cluster_config *c)
{
	for (unsigned int node = 0; node < c->node_count; node++)
		for (unsigned int port = 0; port < c->port_count; port++)
			if (c->node[node].address[port].family &&
			    !hg_ip_compare(&c->node[node].address[port], &c->witness))
				return true;
	return false;
}

void hg_config_check_witness(struct hg_diag *diag, const struct hg_cluster_build *build)
{
	const struct hg_yaml_node *key = hg_yaml_find(build->root, "witness");
	const struct hg_cluster_config *c = &build->config;
	bool is_vip = false;

	if (!key || !c->witness.family)
		return;
	for (unsigned int i = 0; i < c->vip_count; i++)
		is_vip |= !hg_ip_compare(&c->vip[i], &c->witness);
	if (!is_vip && !is_own(c))
		return;
	hg_diag_error(diag, key->next->at, "witness: %s is %s of this cluster", key->next->text,
		      is_vip ? "a VIP" : "an address of a node");
	hg_diag_hint(diag, "a witness is a third machine: it must go on when either node is off");
}
