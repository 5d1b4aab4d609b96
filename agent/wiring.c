/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * hagated's side of the child that holds the raw sockets (wiring.h): starts it, tells it
 * what changed, takes what it found. Nothing here waits.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent.h"
#include "child.h"
#include "log.h"

#define RESTART_NS (1000ull * 1000 * 1000)
#define MESSAGES_MAX 16 /* in one tick */

void hg_wiring_start(struct hg_agent *agent)
{
	struct hg_wiring *wiring = &agent->wiring;
	int pair[2];
	pid_t pid;

	wiring->fd = -1;
	wiring->pid = 0;
	wiring->started_at = hg_now().ns;
	memset(&wiring->input, 0, sizeof(wiring->input));
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair))
		return;
	pid = hg_child_fork("hagated-wiring", pair[1]);
	if (!pid)
		_exit(hg_wiring_child_run(pair[1]) ? 1 : 0);
	close(pair[1]);
	if (pid < 0) {
		close(pair[0]);
		return;
	}
	wiring->fd = pair[0];
	wiring->pid = pid;
}

static void on_lost(struct hg_agent *agent)
{
	struct hg_wiring *wiring = &agent->wiring;

	if (wiring->fd >= 0)
		close(wiring->fd);
	if (wiring->pid > 0) {
		kill(wiring->pid, SIGKILL);
		wiring->lost = wiring->pid;
	}
	wiring->fd = -1;
	wiring->pid = 0;
	wiring->output.is_testing = false;
	if (!wiring->is_lost_told)
		hg_warning("the process that watches the wiring died; a new one is started");
	wiring->is_lost_told = true;
}

static void fill_input(const struct hg_agent *agent, struct hg_wiring_input *in)
{
	const struct hg_session *session = &agent->session;

	memset(in, 0, sizeof(*in));
	hg_keys_wiring(agent->setup->key, (__u64 *)in->key.word);
	memcpy(in->nonce, session->own, sizeof(in->nonce));
	in->self = agent->self->id;
	in->peer = agent->peer ? agent->peer->id : 0;
	in->has_session = agent->peer && session->current != HG_SESSION_NONE;
	if (in->has_session)
		memcpy(in->peer_nonce, session->peer, sizeof(in->peer_nonce));
	snprintf(in->cluster, sizeof(in->cluster), "%.15s", agent->setup->cluster.name);
	snprintf(in->node, sizeof(in->node), "%s", agent->self->name);
	for (unsigned int slot = 0; slot < agent->port_count; slot++) {
		const struct hg_agent_port *port = &agent->port[slot];
		struct hg_wiring_place *place = &in->place[slot];

		snprintf(place->name, sizeof(place->name), "%s", port->name);
		if (!port->has_nic)
			continue;
		place->ifindex = port->nic.ifindex;
		snprintf(place->ifname, sizeof(place->ifname), "%s", port->nic.ifname);
		memcpy(place->mac, port->nic.mac, sizeof(place->mac));
	}
	in->order = agent->mac.order;
	in->order_slots = agent->mac.order_slots;
}

static void tell_child(struct hg_agent *agent)
{
	struct hg_wiring *wiring = &agent->wiring;
	struct hg_wiring_input in;

	fill_input(agent, &in);
	if (memcmp(&in, &wiring->input, sizeof(in)) &&
	    send(wiring->fd, &in, sizeof(in), MSG_DONTWAIT | MSG_NOSIGNAL) == sizeof(in))
		wiring->input = in;
}

static void hear_child(struct hg_agent *agent)
{
	struct hg_wiring *wiring = &agent->wiring;
	struct hg_wiring_output out;
	ssize_t size;

	for (int i = 0; i < MESSAGES_MAX; i++) {
		size = recv(wiring->fd, &out, sizeof(out), MSG_DONTWAIT);
		if (size < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (size != sizeof(out)) {
			on_lost(agent);
			return;
		}
		wiring->output = out;
		wiring->is_lost_told = false;
	}
}

void hg_wiring_slow_tick(struct hg_agent *agent)
{
	struct hg_wiring *wiring = &agent->wiring;

	if (wiring->lost && waitpid(wiring->lost, NULL, WNOHANG))
		wiring->lost = 0;
	if (wiring->fd < 0 && hg_now().ns > wiring->started_at + RESTART_NS)
		hg_wiring_start(agent);
	if (wiring->fd < 0)
		return;
	hear_child(agent);
	if (wiring->fd >= 0)
		tell_child(agent);
}

/* --- what follows -------------------------------------------------------------------- */

static bool is_fresh(uint64_t at)
{
	return at && hg_now().ns < at + HG_WIRING_FRESH_NS;
}

static bool is_peer_fresh(const struct hg_agent *agent)
{
	for (unsigned int slot = 0; slot < agent->port_count; slot++)
		if (is_fresh(agent->wiring.output.port[slot].heard_at))
			return true;
	return false;
}

/* The peer says the same of one of its ports: not one node's NICs, but the segments. */
static bool is_peer_shared(const struct hg_agent *agent)
{
	for (unsigned int slot = 0; slot < agent->port_count; slot++) {
		const struct hg_wiring_port *port = &agent->wiring.output.port[slot];

		if (is_fresh(port->peer_fault_at) && port->peer_fault == HG_WIRING_SHARED)
			return true;
	}
	return false;
}

static bool is_any_shared(const struct hg_agent *agent)
{
	for (unsigned int slot = 0; slot < agent->port_count; slot++)
		if (is_fresh(agent->wiring.output.port[slot].shared_at))
			return true;
	return false;
}

bool hg_wiring_is_merged(const struct hg_agent *agent)
{
	return is_any_shared(agent) && is_peer_shared(agent);
}

bool hg_wiring_is_misbound(const struct hg_agent *agent, unsigned int slot)
{
	const struct hg_wiring_port *port = &agent->wiring.output.port[slot];

	return is_fresh(port->shared_at) &&
	       port->shared_at > port->shared_since + HG_WIRING_FRESH_NS && is_peer_fresh(agent) &&
	       !is_peer_shared(agent);
}

bool hg_wiring_is_peers(const struct hg_agent *agent)
{
	return is_peer_shared(agent) && !is_any_shared(agent);
}

/*
 * The last word counts: once frames of another port were heard, the port stays miswired
 * until the right ones are heard again, also when the peer has died meanwhile. A link
 * that came up anew and new files begin afresh (wiring_forget_at).
 */
bool hg_wiring_is_miswired(const struct hg_agent *agent, unsigned int slot)
{
	const struct hg_wiring_port *found = &agent->wiring.output.port[slot];
	const volatile struct hg_path *path = &agent->maps.path[slot];
	uint64_t wrong = path->wiring, right = path->heard;

	if (found->crossed_at > wrong)
		wrong = found->crossed_at;
	if (found->heard_at > right)
		right = found->heard_at;
	if (!wrong || wrong <= agent->port[slot].wiring_forget_at)
		return false;
	return wrong > right || is_fresh(wrong);
}

const char *hg_wiring_crossed_name(const struct hg_agent *agent, unsigned int slot)
{
	const struct hg_wiring_port *found = &agent->wiring.output.port[slot];
	uint32_t id = agent->maps.path[slot].wiring_port;

	if (found->crossed_at > agent->maps.path[slot].wiring)
		return found->crossed_name;
	for (unsigned int i = 0; i < agent->port_count; i++)
		if (hg_port_id(agent->port[i].name) == id)
			return agent->port[i].name;
	return "a port this node does not have";
}
