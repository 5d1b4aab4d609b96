/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * hagate-sync's loop: one thread that never does anything slow. Whatever touches the network,
 * the history or files runs in a child: one for each connection, each request, each job. The
 * loop accepts, counts, reaps, and tells hagated once a second how things stand.
 *
 *   daemon.c     the loop, jobs, reports       listen.c   TCP
 *   requests.c   RUN/sync.sock                 children.c forks and their results
 */
#ifndef HG_SYNC_DAEMON_H
#define HG_SYNC_DAEMON_H

#include <stdio.h>
#include <sys/types.h>

#include "sync/ask.h"
#include "sync/learn.h"
#include "sync/node.h"

enum hg_child_kind {
	HG_CHILD_CONNECTION, /* of the other node */
	HG_CHILD_REQUEST, /* of the operator */
	HG_CHILD_LEARN, /* compares with the other node and takes what is missing */
	HG_CHILD_TICK, /* recovers, takes back what was not confirmed */
	HG_CHILD_LOOK, /* for edits of this node */
	HG_CHILDREN_KINDS,
};

#define HG_CHILDREN_MAX 16
#define HG_CONNECTIONS_MAX 8
#define HG_CONNECTIONS_PER_SOURCE 4
#define HG_REQUESTS_MAX 6

struct hg_child {
	pid_t pid; /* 0: free */
	enum hg_child_kind kind;
	int fd; /* its result: a struct hg_learn_result */
	struct hg_ip source; /* CONNECTION */
	uint64_t until; /* killed then, CLOCK_BOOTTIME ns */
};

struct hg_daemon {
	const char *node_path;
	struct hg_sync_node node;
	int64_t node_mtime_ns, cluster_mtime_ns;
	int listener[HG_SLOTS_MAX]; /* [path]; -1 */
	unsigned int listener_count;
	int control;
	int signals;
	struct hg_child child[HG_CHILDREN_MAX];
	struct hg_ask_answer agent; /* its last answer */
	struct hg_learn_result result; /* of the last comparison */
	char state[24], text[1024]; /* as reported */
	struct hg_identity identity;
	uint64_t confirm_ms; /* of what is on trial; 0 nothing */
	uint64_t learn_at, tick_at, look_at;
	bool is_trial;
	uint64_t trial, trial_until; /* the generation that was last seen on trial; 0: none */
	char back[160]; /* that it went back; "": nothing is to be said */
	char edits[1024]; /* what was edited and what to type; "": nothing */
	bool is_news; /* to be reported at once */
	unsigned int refused; /* connections, since it was last said */
	uint64_t refused_said_at;
};

/* Never returns but with -errno, told. */
int hg_daemon_run(const char *node_path);

/* listen.c */
void hg_listen_open(struct hg_daemon *daemon); /* on the node's own addresses; closes others */
void hg_listen_close(struct hg_daemon *daemon);
void hg_listen_accept(struct hg_daemon *daemon, unsigned int index);

/* requests.c */
int hg_requests_open(struct hg_daemon *daemon, struct hg_sync_error *error);
void hg_requests_accept(struct hg_daemon *daemon);

/* children.c */
unsigned int hg_children_count(const struct hg_daemon *daemon, enum hg_child_kind kind);
/* As fork(): 0 in the child, whose signals are as usual and whose result goes to *ret_out;
 * -EAGAIN: too many. */
pid_t hg_children_fork(struct hg_daemon *daemon, enum hg_child_kind kind, uint64_t limit_ms,
		       const struct hg_ip *source, int *ret_out);
/* Reaps those that ended; calls `on_end` with what they left. Kills what is late. */
typedef void hg_children_fn(struct hg_daemon *daemon, enum hg_child_kind kind,
			    const struct hg_learn_result *result);
void hg_children_reap(struct hg_daemon *daemon, hg_children_fn *on_end);

#endif
