// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Would a ruleset shut its operator out (ruleset.h)? The rules are walked with packets
 * of which some fields are known: the node's own address, the port, the flags of a first
 * and of a later packet. Unknown ones (source, VLAN) make a rule match sometimes. Cut off
 * is who no rule can accept before one that always drops, or the default.
 *
 * Heartbeats are never filtered and need no rule, so a default that drops them is as it
 * should be; but a rule that says so is one that does not do what it says.
 */
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "agent/config_value.h"
#include "agent/filter/list.h"
#include "agent/filter/ruleset.h"

#define SYN 0x02
#define RST 0x04
#define ACK 0x10

enum match { NEVER, SOMETIMES, ALWAYS };

struct packet {
	uint8_t family;
	const struct hg_ip *to; /* NULL: an own address, not known which */
	const struct hg_ip *from; /* NULL: not known */
	int in_on; /* index of the port; -1: not known */
	uint8_t proto;
	uint16_t port;
	uint8_t flags;
};

static enum match least(enum match a, enum match b)
{
	return a < b ? a : b;
}

static const struct hg_list *find_list(const struct hg_ruleset *ruleset, const char *name)
{
	unsigned int i;

	for (i = 0; i < ruleset->list_count; i++)
		if (!strcmp(ruleset->list[i].name, name))
			return &ruleset->list[i];
	return NULL;
}

/* `address` NULL: not known. */
static enum match match_prefix(const struct hg_ip *prefix, const struct packet *packet,
			       const struct hg_ip *address)
{
	struct hg_list one = { .entry = (struct hg_ip *)prefix, .count = 1 };

	if (prefix->family != packet->family)
		return NEVER;
	if (!prefix->prefix)
		return ALWAYS;
	if (!address)
		return SOMETIMES;
	return hg_list_holds(&one, address) ? ALWAYS : NEVER;
}

static enum match match_to(const struct hg_ruleset *ruleset, const struct hg_rule_side *to,
			   const struct packet *packet)
{
	const struct hg_list *list;

	switch (to->kind) {
	case HG_SIDE_ANY:
		return ALWAYS;
	case HG_SIDE_VIP:
		return NEVER;
	case HG_SIDE_ADDR:
		return match_prefix(&to->addr, packet, packet->to);
	case HG_SIDE_LIST:
		list = packet->to ? find_list(ruleset, to->list) : NULL;
		if (!list)
			return SOMETIMES;
		return hg_list_holds(list, packet->to) ? ALWAYS : NEVER;
	}
	return NEVER;
}

static enum match match_from_list(const struct hg_list *list, const struct packet *packet)
{
	if (list && packet->from)
		return hg_list_holds(list, packet->from) ? ALWAYS : NEVER;
	if (list && (!list->count || list->entry[0].family > packet->family ||
		     list->entry[list->count - 1].family < packet->family))
		return NEVER;
	return SOMETIMES;
}

static enum match match_from(const struct hg_ruleset *ruleset, const struct hg_rule_side *from,
			     const struct packet *packet)
{
	enum match match = ALWAYS;

	switch (from->kind) {
	case HG_SIDE_ANY:
		break;
	case HG_SIDE_VIP:
		return NEVER;
	case HG_SIDE_ADDR:
		match = match_prefix(&from->addr, packet, packet->from);
		break;
	case HG_SIDE_LIST:
		match = match_from_list(find_list(ruleset, from->list), packet);
		break;
	}
	return from->range_count ? least(match, SOMETIMES) : match;
}

static enum match match_flags(const struct hg_rule *rule, const struct packet *packet)
{
	const uint8_t known = SYN | RST | ACK, flags = packet->flags;

	if (!rule->has_flags)
		return ALWAYS;
	if (packet->proto != IPPROTO_TCP)
		return NEVER;
	if ((flags & rule->flags_mask & known) != (rule->flags_set & known))
		return NEVER;
	return rule->flags_mask & ~known ? SOMETIMES : ALWAYS;
}

static enum match match_header(const struct hg_rule *rule, const struct packet *packet)
{
	unsigned int i;

	if (rule->is_fragment || rule->has_icmp_type)
		return NEVER;
	if (rule->proto_count && !memchr(rule->proto, packet->proto, rule->proto_count))
		return NEVER;
	for (i = 0; i < rule->to.range_count; i++)
		if (packet->port >= rule->to.range[i].first &&
		    packet->port <= rule->to.range[i].last)
			break;
	if (rule->to.range_count && i == rule->to.range_count)
		return NEVER;
	if (rule->in_on && packet->in_on >= 0 && !(rule->in_on >> packet->in_on & 1))
		return NEVER;
	if (rule->has_vlan || (rule->in_on && packet->in_on < 0))
		return SOMETIMES;
	return ALWAYS;
}

static enum match match_rule(const struct hg_ruleset *ruleset, const struct hg_rule *rule,
			     const struct packet *packet)
{
	enum match match = match_header(rule, packet);

	/* addresses last: lists are long */
	if (match != NEVER)
		match = least(match, match_flags(rule, packet));
	if (match != NEVER)
		match = least(match, match_from(ruleset, &rule->from, packet));
	if (match != NEVER)
		match = least(match, match_to(ruleset, &rule->to, packet));
	return match;
}

/* Is the packet dropped whoever sends it? `ret_by`: by this rule, NULL: by the default. */
static bool is_cut(const struct hg_ruleset *ruleset, const struct packet *packet,
		   const struct hg_rule **ret_by)
{
	const struct hg_rule *rule;
	enum match match;
	unsigned int i;

	for (i = 0; i < ruleset->rule_count; i++) {
		rule = &ruleset->rule[i];
		if (rule->is_count_only)
			continue;
		match = match_rule(ruleset, rule, packet);
		if (match == NEVER)
			continue;
		if (rule->action == HG_RULE_ACCEPT)
			return false;
		if (match == ALWAYS && !rule->rate.count) {
			*ret_by = rule;
			return true;
		}
	}
	*ret_by = NULL;
	return ruleset->is_default_drop;
}

/* A connection needs its first and its later packets. */
static bool is_service_cut(const struct hg_ruleset *ruleset, struct packet *packet,
			   const struct hg_rule **ret_by)
{
	packet->flags = SYN;
	if (is_cut(ruleset, packet, ret_by))
		return true;
	packet->flags = ACK;
	return is_cut(ruleset, packet, ret_by);
}

static void say(const struct hg_ruleset *ruleset, const struct packet *packet,
		const struct hg_rule *by, bool is_failsafe, char *ret, size_t size)
{
	char address[HG_IP_TEXT] = "the node's own addresses", what[128];

	if (packet->to)
		hg_ip_text(packet->to, address);
	if (by)
		snprintf(what, sizeof(what), "the rule on line %u of %.80s", by->line,
			 ruleset->file[by->file]);
	else
		snprintf(what, sizeof(what), "the default");
	snprintf(ret, size, "tcp/%u to %s %s: %s drops the %s packet of a connection", packet->port,
		 address, is_failsafe ? "is open through 'failsafe' only" : "is shut, also to you",
		 what, packet->flags == SYN ? "first" : "second");
}

static bool check_cluster(const struct hg_ruleset *ruleset, const struct hg_cluster_config *cluster,
			  uint16_t port, bool is_failsafe, char *ret, size_t size)
{
	struct packet packet = { .proto = IPPROTO_TCP, .port = port };
	const struct hg_rule *by = NULL;
	unsigned int i, k;

	for (i = 0; i < cluster->node_count; i++) {
		for (k = 0; k < cluster->port_count; k++) {
			packet.to = &cluster->node[i].address[k];
			packet.family = packet.to->family;
			packet.in_on = k;
			if (!packet.family || !is_service_cut(ruleset, &packet, &by))
				continue;
			say(ruleset, &packet, by, is_failsafe, ret, size);
			return true;
		}
	}
	return false;
}

/* From the node after `i`, on port `k`. */
static bool is_heartbeat_cut(const struct hg_ruleset *ruleset,
			     const struct hg_cluster_config *cluster, unsigned int i,
			     unsigned int k, const struct hg_rule **ret_by)
{
	const struct hg_cluster_node *peer = &cluster->node[(i + 1) % cluster->node_count];
	struct packet packet = {
		.family = cluster->node[i].address[k].family,
		.to = &cluster->node[i].address[k],
		.from = &peer->address[k],
		.in_on = k,
		.proto = IPPROTO_UDP,
		.port = cluster->heartbeat_port,
	};

	if (!cluster->port[k].is_heartbeat || !packet.family ||
	    packet.from->family != packet.family)
		return false;
	return is_cut(ruleset, &packet, ret_by) && *ret_by;
}

bool hg_ruleset_drops_heartbeats(const struct hg_ruleset *ruleset,
				 const struct hg_cluster_config *cluster, char *ret, size_t size)
{
	const struct hg_rule *by;
	unsigned int i, k;

	for (i = 0; cluster->node_count > 1 && i < cluster->node_count; i++) {
		for (k = 0; k < cluster->port_count; k++) {
			if (!is_heartbeat_cut(ruleset, cluster, i, k, &by))
				continue;
			snprintf(ret, size,
				 "the rule on line %u of %.80s says to drop heartbeats on %.16s, "
				 "which are never filtered",
				 by->line, ruleset->file[by->file], cluster->port[k].name);
			return true;
		}
	}
	return false;
}

bool hg_ruleset_lockout(const struct hg_ruleset *ruleset, const struct hg_cluster_config *cluster,
			char *ret, size_t size)
{
	struct packet packet = { .proto = IPPROTO_TCP, .port = 22, .in_on = -1 };
	const struct hg_rule *by = NULL;
	unsigned int i;

	if (cluster && !cluster->failsafe[0])
		return check_cluster(ruleset, cluster, 22, false, ret, size);
	for (i = 0; cluster && i < sizeof(cluster->failsafe) / sizeof(cluster->failsafe[0]); i++)
		if (cluster->failsafe[i] &&
		    check_cluster(ruleset, cluster, cluster->failsafe[i], true, ret, size))
			return true;
	for (packet.family = 4; !cluster && packet.family <= 6; packet.family += 2) {
		if (!is_service_cut(ruleset, &packet, &by))
			continue;
		say(ruleset, &packet, by, true, ret, size);
		return true;
	}
	return false;
}
