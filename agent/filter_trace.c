// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * `filter-trace`: a packet described in the words of the rule language goes through the
 * gate (loader/trace.h), and the answer says what became of it, why, and by which rules.
 *
 * The description is read as a rule without its action; each thing it leaves open gets a
 * value that is usual, and all of them are in the answer.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent.h"
#include "agent/filter/rule.h"
#include "agent/filter_frame.h"
#include "agent/setup_filter.h"
#include "loader/trace.h"

#define ACTION "accept "
#define ALL_FLAGS "/FSRPAUEW"
#define SYN 0x02

static const struct {
	const char *name, *text;
} reasons[] = {
#define X(id, name, text) [HG_R_##id] = { name, text },
	HG_PACKET_REASONS(X)
#undef X
};

/* --- reading the description ------------------------------------------------------------ */

struct description {
	char text[HG_RULE_TEXT_MAX];
	size_t inserted_at; /* column behind `flags S`, 0: nothing inserted */
};

/* `flags S` is `flags S` and no others. */
static bool prepare(const char *packet, struct description *ret)
{
	const char *flags = strstr(packet, "flags ");
	size_t end;
	int length;

	*ret = (struct description){ 0 };
	if (!flags || (flags != packet && flags[-1] != ' ')) {
		length = snprintf(ret->text, sizeof(ret->text), ACTION "%s", packet);
		return length < (int)sizeof(ret->text);
	}
	flags += strlen("flags ");
	flags += strspn(flags, " ");
	end = flags - packet + strcspn(flags, " #");
	if (memchr(flags, '/', packet + end - flags) || packet + end == flags) {
		length = snprintf(ret->text, sizeof(ret->text), ACTION "%s", packet);
	} else {
		ret->inserted_at = end + 1;
		length = snprintf(ret->text, sizeof(ret->text), ACTION "%.*s" ALL_FLAGS "%s",
				  (int)end, packet, packet + end);
	}
	return length < (int)sizeof(ret->text);
}

static json_t *wrong(const char *packet, const struct description *description,
		     const struct hg_rule_error *error)
{
	unsigned int column = error->column;
	json_t *answer = hg_task_fail("the packet cannot be made: %s%s%s", error->text,
				      error->hint[0] ? "; " : "", error->hint);

	column = column > strlen(ACTION) ? column - strlen(ACTION) : 1;
	if (description->inserted_at && column > description->inserted_at)
		column -= column - description->inserted_at < strlen(ALL_FLAGS)
				  ? column - description->inserted_at
				  : strlen(ALL_FLAGS);
	json_object_set_new(answer, "diagnostics",
			    json_sprintf("  %s\n  %*s", packet, (int)column, "^"));
	return answer;
}

static bool is_single(const struct hg_rule_side *side)
{
	return side->range_count == 0 ||
	       (side->range_count == 1 && side->range[0].first == side->range[0].last);
}

static bool is_address(const struct hg_rule_side *side)
{
	return side->kind == HG_SIDE_ANY || side->kind == HG_SIDE_VIP ||
	       (side->kind == HG_SIDE_ADDR &&
		side->addr.prefix == (side->addr.family == 4 ? 32 : 128));
}

/* What a rule may leave open or say twice, a packet may not. */
static const char *find_ambiguity(const struct hg_rule *rule)
{
	if (rule->in_on & (rule->in_on - 1))
		return "a packet comes in on one port";
	if (rule->proto_count > 1)
		return "a packet has one protocol";
	if (!is_address(&rule->from) || !is_address(&rule->to))
		return "a packet has single addresses, no prefixes or lists";
	if (!is_single(&rule->from) || !is_single(&rule->to))
		return "a packet has single ports";
	if (rule->rate.count || rule->is_count_only || rule->label[0])
		return "rate, count-only and label belong to rules, not to packets";
	return NULL;
}

/* --- from the description to a frame ----------------------------------------------------- */

struct packet {
	struct hg_frame frame;
	unsigned int slot;
};

static bool has_ports(uint8_t proto)
{
	return proto == IPPROTO_TCP || proto == IPPROTO_UDP || proto == IPPROTO_SCTP ||
	       proto == IPPROTO_UDPLITE;
}

static int find_slot(const struct hg_agent *agent, const struct hg_rule *rule)
{
	unsigned int slot;

	for (slot = 0; slot < agent->port_count; slot++)
		if (!rule->in_on || rule->in_on >> agent->port[slot].index & 1)
			break;
	return slot < agent->port_count && agent->port[slot].has_nic ? (int)slot : -1;
}

static void set_address(uint8_t family, const char *ip4, const char *ip6, struct hg_ip *ret)
{
	const char *text = family == 4 ? ip4 : ip6;
	struct hg_rule_error error;

	hg_rule_ip_parse(text, strlen(text), ret, &error);
}

static uint8_t choose_family(const struct hg_rule *rule)
{
	if (rule->from.kind == HG_SIDE_ADDR)
		return rule->from.addr.family;
	if (rule->to.kind == HG_SIDE_ADDR)
		return rule->to.addr.family;
	return rule->proto_count && rule->proto[0] == IPPROTO_ICMPV6 ? 6 : 4;
}

/* `to vip`, and to nowhere said: a VIP, that of the port it comes in on when there is one. */
static void choose_target(const struct hg_agent *agent, const struct packet *packet, uint8_t family,
			  struct hg_ip *ret)
{
	const struct hg_setup *setup = agent->setup;
	const struct hg_cluster_port *port = agent->port[packet->slot].cluster;

	set_address(family, "198.51.100.1", "2001:db8:2::1", ret);
	for (unsigned int i = setup->cluster.vip_count; i-- > 0;)
		if (setup->vip[i].family == family)
			*ret = setup->vip[i];
	for (unsigned int i = port->vip_count; i-- > 0;)
		if (setup->vip[port->vip_first + i].family == family)
			*ret = setup->vip[port->vip_first + i];
}

static uint8_t choose_proto(const struct hg_rule *rule, uint8_t family)
{
	if (rule->proto_count)
		return rule->proto[0];
	if (rule->has_icmp_type)
		return family == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;
	return IPPROTO_TCP;
}

static void make_packet(const struct hg_agent *agent, const struct hg_rule *rule,
			struct packet *packet)
{
	struct hg_frame *frame = &packet->frame;
	uint8_t family = choose_family(rule);

	memcpy(frame->to_mac, agent->port[packet->slot].nic.mac, 6);
	frame->vlan = rule->has_vlan ? rule->vlan : -1;
	frame->is_fragment = rule->is_fragment;
	frame->proto = choose_proto(rule, family);
	if (rule->from.kind == HG_SIDE_ADDR)
		frame->from = rule->from.addr;
	else
		set_address(family, "192.0.2.1", "2001:db8::1", &frame->from);
	if (rule->to.kind == HG_SIDE_ADDR)
		frame->to = rule->to.addr;
	else
		choose_target(agent, packet, family, &frame->to);
	if (has_ports(frame->proto)) {
		frame->sport = rule->from.range_count ? rule->from.range[0].first : 40000;
		frame->dport = rule->to.range_count	     ? rule->to.range[0].first
			       : frame->proto == IPPROTO_UDP ? 53
							     : 80;
	}
	frame->flags = rule->has_flags ? rule->flags_set : SYN;
	frame->icmp_type = rule->has_icmp_type ? rule->icmp_type : family == 4 ? 8 : 128;
}

/* The packet in the rule language, so that it can be copied into a rule. */
static json_t *json_packet(const struct hg_agent *agent, const struct packet *packet)
{
	const struct hg_frame *frame = &packet->frame;
	struct hg_setup_names names;
	struct hg_rule rule = {
		.in_on = 1u << agent->port[packet->slot].index,
		.proto_count = 1,
		.proto = { frame->proto },
		.from = { .kind = HG_SIDE_ADDR, .addr = frame->from },
		.to = { .kind = HG_SIDE_ADDR, .addr = frame->to },
		.is_fragment = frame->is_fragment,
		.has_vlan = frame->vlan >= 0,
		.vlan = frame->vlan >= 0 ? frame->vlan : 0,
		.has_flags = frame->proto == IPPROTO_TCP,
		.flags_set = frame->flags,
		.flags_mask = 0xff,
		.has_icmp_type = frame->proto == IPPROTO_ICMP || frame->proto == IPPROTO_ICMPV6,
		.icmp_type = frame->icmp_type,
	};
	char text[HG_RULE_TEXT_MAX];

	if (has_ports(frame->proto)) {
		rule.from.range_count = rule.to.range_count = 1;
		rule.from.range[0] = (struct hg_port_range){ frame->sport, frame->sport };
		rule.to.range[0] = (struct hg_port_range){ frame->dport, frame->dport };
	}
	rule.from.addr.prefix = rule.to.addr.prefix = frame->from.family == 4 ? 32 : 128;
	hg_setup_names(&agent->setup->cluster, &names);
	hg_rule_print(&rule, &names.names, text, sizeof(text));
	return json_string(text + strlen(ACTION));
}

/* --- the answer --------------------------------------------------------------------------- */

static bool has_met(const struct hg_trace *trace, const char *id, bool *ret_is_exceeded)
{
	uint64_t number = id ? strtoull(id, NULL, 16) : 0;

	for (size_t i = 0; i < trace->rule_count; i++) {
		if (trace->rule[i].id != number)
			continue;
		*ret_is_exceeded = trace->rule[i].is_exceeded;
		return true;
	}
	return false;
}

/* The rules that counted the packet, in their order. A rule that goes on is followed by
 * others; the last one decided unless it only counts. */
static json_t *json_rules(const struct hg_trace *trace, const json_t *filter)
{
	const json_t *rules = json_object_get(filter, "rules");
	json_t *array = json_array(), *rule;
	bool is_exceeded;
	size_t i;

	json_array_foreach(rules, i, rule)
	{
		if (!has_met(trace, json_string_value(json_object_get(rule, "id")), &is_exceeded))
			continue;
		rule = json_copy(rule);
		json_object_set_new(rule, "number", json_integer(i + 1));
		json_object_set_new(rule, "exceeded", json_boolean(is_exceeded));
		json_array_append_new(array, rule);
	}
	return array;
}

static bool is_filtered(enum hg_reason reason)
{
	return reason == HG_R_FILTER_RULE || reason == HG_R_FILTER_RATE;
}

/* Number of the deciding rule, null when another stage or the default decided. */
static json_t *json_decided(const struct hg_trace *trace, const json_t *rules)
{
	const json_t *last = json_array_get(rules, json_array_size(rules) - 1);
	bool goes_on = json_is_true(json_object_get(last, "count_only")) ||
		       json_is_true(json_object_get(last, "drop"));

	if (!last || (goes_on && !is_filtered(trace->reason)) ||
	    trace->reason == HG_R_FILTER_DEFAULT)
		return json_null();
	return json_copy(json_object_get(last, "number"));
}

static json_t *json_trace(const struct hg_agent *agent, const struct packet *packet,
			  const struct hg_trace *trace)
{
	static const char *const verdicts[] = {
		[HG_TRACE_PASS] = "pass",
		[HG_TRACE_DROP] = "drop",
		[HG_TRACE_ANSWER] = "answer",
	};
	struct hg_error error = { "" };
	json_t *filter = hg_setup_filter_read(agent->setup->node.run, &error);
	json_t *rules, *answer;

	if (!filter ||
	    json_integer_value(json_object_get(filter, "generation")) != trace->generation) {
		json_decref(filter);
		return hg_task_fail("%s/" HG_FILTER_FILE " does not tell the rules in force%s%s: "
				    "ask again, or run: hagate reload",
				    agent->setup->node.run, error.text[0] ? ": " : "", error.text);
	}
	rules = json_rules(trace, filter);
	answer = json_pack("{s:o,s:s,s:s,s:s,s:o,s:o}", "packet", json_packet(agent, packet),
			   "verdict", verdicts[trace->verdict], "reason",
			   reasons[trace->reason].name, "reason_text", reasons[trace->reason].text,
			   "decided_by", json_decided(trace, rules), "rules", rules);
	json_object_set(answer, "default", json_object_get(filter, "default"));
	json_decref(filter);
	return json_pack("{s:b,s:o}", "ok", 1, "trace", answer);
}

static json_t *run(const struct hg_agent *agent, const struct packet *packet)
{
	uint8_t frame[HG_FRAME_MAX];
	size_t length = hg_frame_write(&packet->frame, frame);
	struct hg_error error = { "" };
	struct hg_config config;
	struct hg_trace result;
	int err;

	hg_setup_config(&agent->setup->node, &agent->setup->cluster, &config);
	err = hg_trace_run(agent->setup->node.pin, &config, agent->port[packet->slot].nic.ifindex,
			   packet->slot, frame, length, &result, &error);
	return err ? hg_task_fail("%s", error.text) : json_trace(agent, packet, &result);
}

static json_t *trace_packet(struct hg_task *task, void *context, json_t *arguments)
{
	const struct hg_agent *agent = context;
	const char *text = json_string_value(json_object_get(arguments, "packet"));
	struct hg_rule_error error = { 0 };
	struct description description;
	struct packet packet = { 0 };
	struct hg_setup_names names;
	struct hg_rule rule;
	const char *why;
	int slot;

	(void)task;
	if (!text || !prepare(text, &description))
		return hg_task_fail("\"packet\" is missing or too long");
	hg_setup_names(&agent->setup->cluster, &names);
	if (hg_rule_parse(description.text, strlen(description.text), &names.names, &rule, &error))
		return wrong(text, &description, &error);
	why = find_ambiguity(&rule);
	if (why)
		return hg_task_fail("the packet cannot be made: %s", why);
	slot = find_slot(agent, &rule);
	if (slot < 0)
		return hg_task_fail("this node has no NIC for that port");
	packet.slot = slot;
	make_packet(agent, &rule, &packet);
	if (packet.frame.from.family != packet.frame.to.family)
		return hg_task_fail("the packet cannot be made: its addresses are of two families");
	return run(agent, &packet);
}

void hg_filter_on_trace(void *context, struct hg_control_request *req, json_t *arguments)
{
	struct hg_agent *agent = context;

	hg_task_start(&agent->tasks, req, trace_packet, agent, arguments);
}
