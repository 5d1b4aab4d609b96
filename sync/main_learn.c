/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * hagate-learn: what a blank node runs. Finds a member, learns the configuration, makes the
 * node a member and becomes hagate-sync. It has no code that sends configuration: only the
 * learning half is linked (tests/arch checks it).
 */
#include <argp.h>
#include <errno.h>
#include <signal.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "agent/log.h"
#include "hagate/control.h"
#include "sync/ask.h"
#include "sync/discover.h"
#include "sync/learn.h"
#include "sync/program.h"

#define WAIT_MS 1000
#define RETRY_S 2

static struct hg_sync_node node; /* too large for the stack */

static void report(const char *state, const char *text)
{
	struct hg_ask_answer answer;
	struct hg_ask_report words = { .state = state, .text = text };

	hg_ask_report(node.config.run, &words, &answer);
}

/* Says a thing once. */
static void tell(const char *text)
{
	static char last[sizeof(((struct hg_sync_error *)0)->text)];

	if (!strcmp(last, text))
		return;
	snprintf(last, sizeof(last), "%s", text);
	hg_notice("%s", text);
}

static void explain_silence(const struct hg_discover *discover, struct hg_sync_error *error)
{
	if (discover->foreign)
		hg_sync_fail(error, 0,
			     "nodes are heard, but under another key: copy cluster.key "
			     "from the member");
	else if (discover->silent)
		hg_sync_fail(error, 0,
			     "a node is heard that keeps no history: run 'hagate init' "
			     "there");
	else
		hg_sync_fail(error, 0,
			     "no member is heard: is this node in its cluster.yaml, with a "
			     "heartbeat port on a segment that both share? Or set 'join: ADDRESS'");
}

/* 0: found. */
static int find_member(struct hg_discover *discover, struct hg_ip *ret, struct hg_sync_error *error)
{
	struct hg_discovered found;

	if (node.config.join.family) {
		*ret = node.config.join;
		return 0;
	}
	if (hg_discover_wait(discover, node.key, WAIT_MS, &found)) {
		explain_silence(discover, error);
		return -ETIMEDOUT;
	}
	*ret = found.address;
	return 0;
}

static void on_contact(void)
{
	report("learning", "");
}

static void on_aside(const char *text)
{
	hg_notice("%s", text);
	report("learning", text);
}

static int try_once(struct hg_discover *discover, struct hg_sync_error *error)
{
	static const struct hg_learn_events events = { on_contact, on_aside };
	struct hg_ip member;
	int err = find_member(discover, &member, error);

	if (!err)
		err = hg_learn_blank(&node, &member, &events, error);
	if (err)
		report("blank", error->text);
	return err;
}

static void learn(void)
{
	struct timespec pause = { .tv_sec = RETRY_S };
	struct hg_sync_error error = { "" };
	struct hg_discover discover;

	while (hg_discover_open(&discover, HG_WIRE_UDP_PORT, &error)) {
		tell(error.text);
		nanosleep(&pause, NULL);
	}
	for (;;) {
		int err = try_once(&discover, &error);

		if (!err)
			break;
		tell(error.text);
		if (err != -ETIMEDOUT || node.config.join.family)
			nanosleep(&pause, NULL);
	}
	hg_discover_close(&discover);
}

int main(int argc, char **argv)
{
	struct hg_program program;
	struct hg_sync_error error = { "" };

	hg_program_start(argc, argv, "hagate-learn",
			 "Learns the configuration of a gateway from a member, makes this node a "
			 "member, and goes on as hagate-sync.",
			 false, &program);
	if (hg_sync_node_read(program.node, &node, stderr))
		return HG_EXIT_FAILED;
	if (!node.is_member && node.config.mode != HG_MODE_JOIN) {
		fprintf(stderr,
			"hagate-learn: mode in %s is not join, and this node never joined: run "
			"'hagate init' on one node, set 'mode: join' on the other\n",
			program.node);
		return HG_EXIT_FAILED;
	}
	if (!node.is_member) {
		mkdir(node.config.state, 0700);
		hg_sync_node_load(program.node, false, &node, &error);
		hg_program_ready();
		learn();
		hg_notice("this node is a member now");
	}
	hg_sync_node_done(&node);
	hg_program_become("hagate-sync", program.node);
	return HG_EXIT_FAILED;
}
