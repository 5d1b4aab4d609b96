/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * hagate-sync: keeps the configuration of a member the same as the other node's. A blank node
 * is not its business: it becomes hagate-learn then, before it has opened anything.
 */
#include <stdio.h>
#include <sys/stat.h>

#include "hagate/control.h"
#include "sync/daemon.h"
#include "sync/program.h"
#include "sync/publish.h"

static struct hg_sync_node node; /* too large for the stack */

static int init(const char *node_path)
{
	struct hg_sync_error error = { "" }, text = { "" };

	if (hg_sync_node_load(node_path, true, &node, &error)) {
		fprintf(stderr, "%s", error.text);
		return HG_EXIT_FAILED;
	}
	mkdir(node.config.state, 0700);
	if (hg_publish_init(&node, &text, &error)) {
		fprintf(stderr, "hagate-sync: %s\n", error.text);
		return HG_EXIT_FAILED;
	}
	printf("%s\n", text.text);
	return HG_EXIT_OK;
}

int main(int argc, char **argv)
{
	struct hg_program program;

	hg_program_start(argc, argv, "hagate-sync",
			 "Keeps the configuration of a gateway the same on both nodes.", true,
			 &program);
	if (program.is_init)
		return init(program.node);
	if (hg_sync_node_read(program.node, &node, stderr))
		return HG_EXIT_FAILED;
	if (!node.is_member) {
		hg_sync_node_done(&node);
		hg_program_become("hagate-learn", program.node);
		return HG_EXIT_FAILED;
	}
	return hg_daemon_run(program.node) ? HG_EXIT_FAILED : HG_EXIT_OK;
}
