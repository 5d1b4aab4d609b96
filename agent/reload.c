/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * New files, or a NIC that appeared: setup (setup.h) runs in a child, the loop goes
 * on meanwhile, and its result is taken over in one go. Wrong files change nothing.
 *
 * Taking over changes, in this order: the configuration, ports and sockets, address
 * maps, the election's parameters, VIPs on the NICs. What cannot change without a
 * restart (identity, key, directories) is refused before anything is touched.
 */
#include <errno.h>
#include <string.h>
#include <sys/wait.h>

#include "agent.h"
#include "log.h"

static const char *veto_fixed(void *context, const struct hg_setup *next)
{
	const struct hg_agent *agent = context;
	const struct hg_node_config *was = &agent->setup->node, *is = &next->node;
	int self = hg_cluster_find_node(&next->cluster, is->node);
	bool is_joining = agent->setup->is_blank != next->is_blank;

	if (is_joining && next->is_blank)
		return "a member cannot become blank while it runs: stop hagated, then join";
	if (strcmp(was->node, is->node) || self < 0 ||
	    (!is_joining && next->cluster.node[self].id != agent->self->id))
		return "the node's name or id changed: restart hagated for that";
	if (strcmp(was->state, is->state) || strcmp(was->run, is->run) || strcmp(was->pin, is->pin))
		return "`paths` changed: restart hagated for that";
	if (memcmp(agent->setup->key, next->key, sizeof(next->key)))
		return "the cluster key changed: restart hagated on both nodes for that";
	if (is_joining)
		return NULL; /* nothing was known before */
	if (agent->peer && next->cluster.node_count > 1 &&
	    next->cluster.node[!self].id != agent->peer->id)
		return "the peer's id changed: a node that takes the place of another keeps its "
		       "id; for another id restart hagated on both nodes";
	if (agent->setup->cluster.heartbeat_port != next->cluster.heartbeat_port)
		return "`heartbeat_port` changed: restart hagated on both nodes for that";
	if (agent->setup->cluster.node_count != next->cluster.node_count)
		return "the number of nodes changed: restart hagated for that";
	return NULL;
}

static void answer_failure(struct hg_agent *agent, const char *text)
{
	struct hg_control_request *req = agent->reload;

	agent->reload = NULL;
	hg_warning("reload: nothing changed: %s", text);
	if (req)
		hg_control_reply(req, json_pack("{s:b,s:s,s:s}", "ok", 0, "error",
						"nothing changed: the running configuration stays",
						"diagnostics", text));
}

/* Warnings of the files come with it when they are news; the status keeps them. */
static void answer_success(struct hg_agent *agent, struct hg_control_request *req, bool is_news)
{
	const struct hg_setup *setup = agent->setup;
	json_t *answer = json_pack("{s:b,s:o}", "ok", 1, "text",
				   json_sprintf("configuration read again; %u rule%s in force, "
						"default %s",
						setup->filter.rule_count,
						setup->filter.rule_count == 1 ? " is" : "s are",
						setup->filter.is_default_drop ? "drop" : "accept"));

	if (setup->diagnostics[0] && is_news)
		json_object_set_new(answer, "diagnostics", json_string(setup->diagnostics));
	hg_control_reply(req, answer);
}

static void adopt(struct hg_agent *agent, struct hg_setup *next)
{
	struct hg_setup *old = agent->setup;
	int was[HG_SLOTS_MAX] = { 0 }, err;
	bool is_joining = old->is_blank && !next->is_blank;

	if (agent->elect.has_addresses)
		hg_vips_remove_missing(agent, next);
	for (unsigned int slot = 0; slot < agent->port_count; slot++)
		was[slot] = agent->port[slot].has_nic ? agent->port[slot].nic.ifindex : 0;
	hg_port_done(agent);
	agent->setup = next;
	err = hg_port_init(agent);
	if (!err && is_joining)
		err = hg_peer_init(agent); /* there was no peer before */
	if (!err)
		err = hg_vips_init(agent);
	if (err)
		hg_error("reload: %s", strerror(-err));
	for (unsigned int slot = 0; slot < agent->port_count; slot++)
		hg_port_bind(agent, slot, &next->port[slot]);
	for (unsigned int slot = 0; slot < HG_SLOTS_MAX; slot++)
		if (was[slot] && hg_port_by_ifindex(agent, was[slot]) < 0)
			hg_maps_delete_port(&agent->maps, was[slot]);
	hg_vips_sync_maps(agent);
	hg_setup_free(old);
	hg_sync_init(agent);
	hg_ask_init(agent);
	if (is_joining)
		hg_port_judge(agent);
	hg_elector_event(agent, HG_EV_CONFIG);
	hg_port_judge(agent);
	if (hg_state_serves(agent->maps.state, hg_now().ns)) {
		hg_vips_add(agent);
		hg_vips_announce(agent);
	}
	if (agent->is_link_changed) { /* what the child saw may be old */
		agent->is_link_changed = false;
		hg_agent_list(agent);
	}
}

static int on_setup_done(sd_event_source *source, const siginfo_t *info, void *context)
{
	struct hg_agent *agent = context;
	struct hg_setup *next = agent->next;
	struct hg_control_request *req = agent->reload;
	bool is_news = strcmp(agent->setup->diagnostics, next->diagnostics) != 0;

	if (!next->err && (info->si_code != CLD_EXITED || info->si_status))
		next->err = -ECANCELED;
	agent->next = NULL;
	agent->setup_child = sd_event_source_disable_unref(source);
	if (next->err) {
		answer_failure(agent, next->diagnostics);
		hg_setup_free(next);
	} else {
		agent->reload = NULL;
		adopt(agent, next);
		hg_agent_note(agent, HG_HISTORY_CONFIG, "configuration read again");
		if (req)
			answer_success(agent, req, is_news);
	}
	if (agent->is_setup_again) {
		agent->is_setup_again = false;
		hg_reload_start(agent, NULL);
	}
	return 0;
}

void hg_reload_start(struct hg_agent *agent, struct hg_control_request *req)
{
	int err = -ENOMEM;
	pid_t pid;

	if (agent->next) {
		agent->is_setup_again |= !req;
		if (req)
			hg_control_fail(req, "a reload is under way already");
		return;
	}
	agent->next = hg_setup_new();
	if (agent->next)
		err = hg_setup_fork(agent->node_path, agent->next, veto_fixed, agent, &pid);
	if (!err)
		err = sd_event_add_child(agent->event, &agent->setup_child, pid, WEXITED,
					 on_setup_done, agent);
	if (!err) {
		agent->reload = req;
		return;
	}
	hg_setup_free(agent->next);
	agent->next = NULL;
	if (req)
		hg_control_fail(req, "reload: %s", strerror(-err));
}
