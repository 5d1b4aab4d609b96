// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * `hagate status`: one screen, 80 x 24, for a tired person at night.
 *
 * The first line says who serves, as the data path does it at this moment. Then the
 * peer, the lease, the ports, the addresses, what is wrong and what to do about it.
 */
#include <string.h>

#include "client.h"
#include "load.h"
#include "ports.h"
#include "status_witness.h"
#include "text.h"

#define SCREEN_LINES 23 /* of 24: the prompt wants one */
#define PORT_ROWS 5
#define INDENT 7
#define WHOLE 100 /* lines: however many it takes */
#define AGENT_SILENT_MS 300 /* a peer's agent shows life every few milliseconds */

struct view {
	const struct hg_tool *tool;
	const json_t *status;
	const json_t *peer; /* NULL: none */
	const char *node, *peer_node, *role;
	bool is_blank; /* no configuration yet */
	bool is_serving; /* from this node's data path */
	bool has_trouble; /* one was shown */
	bool is_peer_serving; /* by its REQUESTs or HELLOs */
	int lines; /* printed so far */
};

static void put(struct view *view, enum hg_text_color color, int lines_max, const char *text)
{
	view->lines += hg_text_wrap(view->tool, color, INDENT, lines_max, text);
}

static void put_blank(struct view *view)
{
	putchar('\n');
	view->lines++;
}

static void add_since(const struct view *view, char *line, size_t size)
{
	const char *reason = hg_text_string(view->status, "reason_text",
					    hg_text_string(view->status, "reason", ""));
	double since_ms = hg_text_number(view->status, "since_ms", -1);
	char since[40];

	hg_text_duration(since, sizeof(since), since_ms);
	if (since_ms >= 0)
		hg_text_add(line, size, " since %s", since);
	if (*reason)
		hg_text_add(line, size, ": %s", reason);
}

/* The role as it goes after "is". */
static const char *role_phrase(const char *role)
{
	static const struct {
		const char *role, *phrase;
	} phrases[] = {
		{ "off", "switched off (mode: off)" },
		{ "blank", "without configuration yet (mode: join)" },
		{ "learner", "learning from its peer" },
		{ "listen", "listening before it claims" },
		{ "draining", "draining after a handover" },
		{ "maintenance", "in maintenance" },
		{ "fault", "unfit to serve" },
	};

	for (size_t i = 0; i < sizeof(phrases) / sizeof(phrases[0]); i++)
		if (strcmp(phrases[i].role, role) == 0)
			return phrases[i].phrase;
	return role;
}

/* The data path of a dead agent goes on for its grace, and says how old its agent is. */
static bool is_peer_agent_silent(const struct view *view)
{
	return hg_text_is_true(view->peer, "reachable") &&
	       hg_text_number(view->peer, "agent_age_ms", -1) >= AGENT_SILENT_MS;
}

static void add_silence(const struct view *view, char *line, size_t size)
{
	char age[40];

	if (!is_peer_agent_silent(view))
		return;
	hg_text_duration(age, sizeof(age), hg_text_number(view->peer, "agent_age_ms", -1));
	hg_text_add(line, size, " (its agent is silent for %s)", age);
}

static void put_headline(struct view *view)
{
	const char *cluster = hg_text_string(view->status, "cluster", "");
	enum hg_text_color color = HG_TEXT_GREEN;
	char line[1024] = "";

	if (!*cluster)
		cluster = "the gateway";

	if (view->is_serving && view->is_peer_serving) {
		color = HG_TEXT_RED;
		hg_text_add(line, sizeof(line), "%s (this node) AND %s BOTH SERVE %s -", view->node,
			    view->peer_node, cluster);
	} else if (view->is_serving) {
		hg_text_add(line, sizeof(line), "%s (this node) SERVES %s -", view->node, cluster);
		if (strcmp(view->role, "active") != 0)
			hg_text_add(line, sizeof(line), " role %s", view->role);
	} else if (view->is_peer_serving) {
		color = is_peer_agent_silent(view) ? HG_TEXT_YELLOW : HG_TEXT_GREEN;
		hg_text_add(line, sizeof(line), "%s (the peer) SERVES %s", view->peer_node,
			    cluster);
		add_silence(view, line, sizeof(line));
		hg_text_add(line, sizeof(line), " - %s (this node) is %s", view->node,
			    role_phrase(view->role));
	} else if (hg_text_is_true(view->peer, "reachable")) {
		color = HG_TEXT_RED;
		hg_text_add(line, sizeof(line), "NOBODY SERVES %s - %s (this node) is %s", cluster,
			    view->node, role_phrase(view->role));
	} else {
		color = HG_TEXT_RED;
		hg_text_add(line, sizeof(line), "%s (this node) DOES NOT SERVE %s - it is %s",
			    view->node, cluster, role_phrase(view->role));
	}
	add_since(view, line, sizeof(line));
	put(view, color, 2, line);
}

static void add_peer_details(const struct view *view, char *line, size_t size)
{
	double rtt_us = hg_text_number(view->peer, "rtt_us", 0);
	double age_ms = hg_text_number(view->peer, "agent_age_ms", -1);
	double health = hg_text_number(view->peer, "health", -1);
	const char *software = hg_text_string(view->peer, "software", "");
	char age[40];

	hg_text_add(line, size, ", %s", hg_text_string(view->peer, "role", "?"));
	hg_text_duration(age, sizeof(age), age_ms);
	if (age_ms >= 0)
		hg_text_add(line, size, ", last sign of its agent %s ago", age);
	if (rtt_us > 0)
		hg_text_add(line, size, ", RTT %.2f ms", rtt_us / 1000);
	if (health >= 0)
		hg_text_add(line, size, ", health %.0f%s", health,
			    is_peer_agent_silent(view) ? " when its agent last said so" : "");
	if (*software && strcmp(software, hg_text_string(view->status, "version", "")) != 0)
		hg_text_add(line, size, ", version %s", software);
}

static void put_peer(struct view *view)
{
	char line[1024] = "peer   ";
	const char *why;

	if (view->is_blank) {
		put(view, HG_TEXT_YELLOW, 2,
		    strcmp(view->role, "learner") == 0
			    ? "peer   not known yet: this node is learning its configuration"
			    : "peer   not known yet: this node looks for a member to learn its "
			      "configuration from");
		return;
	}
	if (!view->peer) {
		if (json_is_null(json_object_get(view->status, "peer")))
			put(view, HG_TEXT_YELLOW, 1,
			    "peer   none: this node is alone in cluster.yaml");
		return;
	}
	hg_text_add(line, sizeof(line), "%s", view->peer_node);
	if (!hg_text_is_true(view->peer, "reachable")) {
		why = hg_text_string(view->peer, "why_unreachable", "");
		hg_text_add(line, sizeof(line), " NOT REACHABLE%s%s", *why ? ": " : "", why);
		put(view, HG_TEXT_RED, WHOLE, line);
		return;
	}
	if (hg_text_is_true(view->status, "hung") || hg_text_is_true(view->peer, "hung")) {
		hg_text_add(line, sizeof(line), " AGENT HANGS");
		add_peer_details(view, line, sizeof(line));
		put(view, HG_TEXT_RED, 2, line);
		return;
	}
	add_peer_details(view, line, sizeof(line));
	put(view, HG_TEXT_PLAIN, 2, line);
}

static void put_lease(struct view *view)
{
	double lease_ms = hg_text_number(view->status, "lease_ms", -1);
	double health = hg_text_number(view->status, "health", -1);
	const char *mac = hg_text_string(view->status, "mac_mode", "");
	const char *isolation = hg_text_string(view->status, "isolation", "");
	char line[512] = "lease  ", epoch[40];

	if (lease_ms > 0)
		hg_text_add(line, sizeof(line), "%.1f ms left", lease_ms);
	else
		hg_text_add(line, sizeof(line), "none here");
	hg_text_epoch(epoch, sizeof(epoch), hg_text_string(view->status, "epoch", ""));
	if (*epoch)
		hg_text_add(line, sizeof(line), ", epoch %s", epoch);
	if (health >= 0)
		hg_text_add(line, sizeof(line), ", health %.0f", health);
	if (*mac)
		hg_text_add(line, sizeof(line), ", mac %s", mac);
	if (*isolation && !json_is_object(json_object_get(view->status, "witness")))
		hg_text_add(line, sizeof(line), ", isolation %s", isolation);
	put(view, HG_TEXT_PLAIN, 2, line);
}

/* How close leases came to lapse, in the last hour or since the agent started. */
static void put_timers(struct view *view)
{
	const json_t *timers = json_object_get(view->status, "timers");
	double lease_ms = hg_text_number(timers, "lease_ms", 0);
	double left_ms = hg_text_number(timers, "least_left_ms", -1);
	double window_s = hg_text_number(timers, "window_s", 0);
	bool is_holder = strcmp(hg_text_string(timers, "gaps_of", ""), "grants") == 0;
	bool is_tight = left_ms < lease_ms / 4;
	char line[256] = "timers ", span[40];

	if (!view->peer || left_ms < 0)
		return;
	hg_text_duration(span, sizeof(span), window_s * 1000);
	hg_text_add(line, sizeof(line), "lease %g ms, least left %s%.1f ms in the last %s",
		    lease_ms, is_holder ? "" : "as heard here ", left_ms,
		    window_s >= 3600 ? "hour" : span);
	if (is_tight)
		hg_text_add(line, sizeof(line), ": tight, see `hagate timers`");
	put(view, is_tight ? HG_TEXT_YELLOW : HG_TEXT_PLAIN, 2, line);
}

/* Alone, and overlap of two nodes: both come from `isolation: continue`. */
static void put_isolation(struct view *view)
{
	double alone_ms = hg_text_number(view->status, "alone_ms", 0);
	double overlap_ms = hg_text_number(view->status, "overlap_ms", 0);
	char line[512] = "alone  ", span[40];

	if (alone_ms > 0) {
		hg_text_duration(span, sizeof(span), alone_ms);
		if (json_is_object(json_object_get(view->status, "witness")))
			hg_text_add(line, sizeof(line),
				    "for %s this node serves by the witness's grants", span);
		else
			hg_text_add(line, sizeof(line),
				    "for %s this node renews its own lease; if the peer lives on "
				    "the other side of the cut, both serve",
				    span);
		put(view, HG_TEXT_YELLOW, 2, line);
	}
	if (overlap_ms > 0) {
		hg_text_duration(span, sizeof(span), overlap_ms);
		snprintf(line, sizeof(line),
			 "alone  both nodes may have served at once for up to %s, last time", span);
		put(view, HG_TEXT_YELLOW, 1, line);
	}
}

static void put_witness(struct view *view)
{
	const json_t *witness = json_object_get(view->status, "witness");
	char line[512] = "third  ";
	bool is_well;

	if (!json_is_object(witness))
		return;
	is_well = hg_status_add_witness(witness, line, sizeof(line));
	put(view, is_well ? HG_TEXT_PLAIN : HG_TEXT_YELLOW, 3, line);
}

static void put_failover(struct view *view)
{
	const json_t *failover = json_object_get(view->status, "failover");
	double count = hg_text_number(failover, "count", 0);
	const char *at = hg_text_string(failover, "last_at", "");
	const char *reason = hg_text_reason(hg_text_string(failover, "last_reason", ""));
	double last_ms = hg_text_number(failover, "last_ms", -1);
	char line[512] = "last   ";

	if (!json_is_object(failover))
		return;
	if (count < 1) {
		put(view, HG_TEXT_PLAIN, 1,
		    "last   no takeover by this node since its agent started");
		return;
	}
	hg_text_add(line, sizeof(line), "%.0f takeover%s, the last one", count,
		    count > 1 ? "s" : "");
	if (*at)
		hg_text_add(line, sizeof(line), " %.*s %.8s", 10, at,
			    strlen(at) > 11 ? at + 11 : "");
	if (last_ms >= 0)
		hg_text_add(line, sizeof(line), " took %.1f ms", last_ms);
	if (*reason)
		hg_text_add(line, sizeof(line), ": %s", reason);
	put(view, HG_TEXT_PLAIN, 2, line);
}

static void put_vips(struct view *view)
{
	const json_t *vips = json_object_get(view->status, "vips");
	size_t count = json_array_size(vips);
	char line[HG_TOOL_WIDTH + 128] = "VIPs   ";
	size_t i;

	if (!json_is_array(vips) || view->is_blank)
		return;
	for (i = 0; i < count; i++) {
		const json_t *vip = json_array_get(vips, i);
		char item[128];

		snprintf(item, sizeof(item), "%s%s (%s)", i ? ", " : "",
			 hg_text_string(vip, "address", "?"), hg_text_string(vip, "port", "?"));
		if (strlen(line) + strlen(item) > HG_TOOL_WIDTH - 16)
			break;
		hg_text_add(line, sizeof(line), "%s", item);
	}
	if (!count)
		hg_text_add(line, sizeof(line), "none in cluster.yaml");
	else if (i < count)
		hg_text_add(line, sizeof(line), " ... %zu in all", count);
	put(view, count ? HG_TEXT_PLAIN : HG_TEXT_YELLOW, 1, line);
}

/* What to do where hagate-sync has no part; NULL: nothing, or it says so itself. */
static const char *sync_remedy(const struct view *view, const char *state)
{
	if (strcmp(state, "not-running") == 0)
		return "systemctl enable --now hagate-sync";
	if (strcmp(state, "off") != 0)
		return NULL;
	if (view->is_serving)
		return "this node keeps no history. Where the peer keeps none either: hagate-sync "
		       "--init, then systemctl enable --now hagate-sync";
	return "this node keeps no history. To take part set mode: join in node.yaml, then "
	       "systemctl restart hagated; systemctl enable --now hagate-sync. The peer must "
	       "keep one: its `hagate status`";
}

static void put_sync(struct view *view)
{
	const json_t *sync = json_object_get(view->status, "sync");
	const char *state = hg_text_string(sync, "state", "");
	const char *remedy = sync_remedy(view, state);
	const char *text = remedy ? remedy : hg_text_string(sync, "text", "");
	bool is_good = strcmp(state, "in-sync") == 0 || strcmp(state, "alone") == 0;
	char line[2048];

	if (!*state)
		return;
	snprintf(line, sizeof(line), "config %s", state);
	if (json_is_integer(json_object_get(sync, "generation")))
		hg_text_add(line, sizeof(line), ", generation %.0f",
			    hg_text_number(sync, "generation", 0));
	if (*text)
		hg_text_add(line, sizeof(line), ": %s", text);
	put(view, is_good ? HG_TEXT_PLAIN : HG_TEXT_YELLOW, WHOLE, line);
}

/* Already said in the line of the peer. */
static bool is_told(const struct view *view, const char *text)
{
	return strcmp(text, hg_text_string(view->peer, "why_unreachable", "")) == 0;
}

/* Sentences, each after `word`, within the lines that are left but `reserve`. Each is shown
 * whole: a remedy that ends in the middle is worse than none. So the first may go beyond the
 * screen; those that do not fit after it are counted. */
static void put_list(struct view *view, const json_t *list, const char *word, int reserve,
		     enum hg_text_color color)
{
	size_t count = json_array_size(list);

	for (size_t i = 0; i < count; i++) {
		const char *text = json_string_value(json_array_get(list, i));
		bool is_last = i + 1 == count;
		int room = SCREEN_LINES - reserve - view->lines - !is_last;
		char line[2048];

		if (!text || is_told(view, text))
			continue;
		snprintf(line, sizeof(line), "%-6s %s", word, text);
		if (view->has_trouble && hg_text_lines(view->tool, INDENT, line) > room) {
			snprintf(line, sizeof(line), "%-6s %zu more: hagate status --json", word,
				 count - i);
			put(view, color, 1, line);
			return;
		}
		if (!view->has_trouble)
			put_blank(view);
		view->has_trouble = true;
		put(view, color, WHOLE, line);
	}
}

static void put_troubles(struct view *view)
{
	const json_t *faults = json_object_get(view->status, "faults");
	const json_t *warnings = json_object_get(view->status, "warnings");

	put_list(view, faults, "FAULT", json_array_size(warnings) ? 1 : 0, HG_TEXT_RED);
	put_list(view, warnings, "note", 0, HG_TEXT_YELLOW);
}

/* The last on the screen: what is wrong goes first. */
static void put_load(struct view *view)
{
	if (view->lines + 1 + HG_LOAD_LINES > SCREEN_LINES || !hg_load_is_known(view->status))
		return;
	put_blank(view);
	view->lines += hg_load_print(view->status);
}

/* An agent of an older version tells the role alone. */
static bool is_peer_serving(const json_t *peer)
{
	const json_t *serving = json_object_get(peer, "serving");

	return hg_text_is_true(peer, "reachable") &&
	       (json_is_boolean(serving) ? json_is_true(serving)
					 : !strcmp(hg_text_string(peer, "role", ""), "active"));
}

static void print_text(const struct hg_tool *tool, const json_t *status)
{
	const json_t *peer = json_object_get(status, "peer");
	const json_t *ports = json_object_get(status, "ports");
	struct view view = {
		.tool = tool,
		.status = status,
		.peer = json_is_object(peer) ? peer : NULL,
		.node = hg_text_string(status, "node", "this node"),
		.peer_node = hg_text_string(peer, "node", "the peer"),
		.role = hg_text_string(status, "role", "?"),
		.is_serving = hg_text_is_true(status, "serving"),
		.is_peer_serving = is_peer_serving(peer),
	};

	view.is_blank = !strcmp(view.role, "blank") || !strcmp(view.role, "learner");
	put_headline(&view);
	put_peer(&view);
	put_lease(&view);
	put_timers(&view);
	put_isolation(&view);
	put_witness(&view);
	put_failover(&view);
	put_vips(&view);
	put_sync(&view);
	put_blank(&view);
	if (view.is_blank)
		put(&view, HG_TEXT_PLAIN, 1, "ports  none in use before this node has joined");
	else
		view.lines += hg_ports_print(tool, ports, false, PORT_ROWS);
	put_troubles(&view);
	put_load(&view);
}

int hg_status_run(const struct hg_tool *tool)
{
	json_t *answer;
	const json_t *status;
	int result = hg_client_ask(tool, json_pack("{s:s}", "command", "status"),
				   HG_CLIENT_TIMEOUT_MS, &answer);

	if (result)
		return result;
	status = json_object_get(answer, "status");
	if (!json_is_object(status)) {
		fputs("hagate: the answer is not one that this version understands\n", stderr);
		result = HG_EXIT_UNREACHABLE;
	} else if (tool->is_json) {
		result = hg_text_print_json(tool, status);
	} else {
		print_text(tool, status);
	}
	json_decref(answer);
	return result;
}
