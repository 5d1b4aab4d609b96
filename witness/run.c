/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The daemon: keys, state, sockets, one loop that answers. Nothing in the loop waits for
 * a disk (ledger.h). Logged is what changes: starts of nodes, new epochs, refusals, the
 * state directory.
 */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <systemd/sd-daemon.h>
#include <time.h>
#include <unistd.h>

#include "agent/keyfile.h"
#include "agent/log.h"
#include "confine.h"
#include "hagate/control.h"
#include "ledger.h"
#include "serve.h"
#include "witness.h"

#define BATCH 64 /* frames of one socket before the others have their turn */
#define RETRY_MS 1000 /* of a write that failed */
#define DRIFT_PPM 10000
#define MARGIN_NS 200000
#define SUFFIX ".key"

struct run {
	const struct hg_run_options *options;
	struct hg_serve *serve;
	struct hg_ledger *ledger;
	unsigned int cluster_count;
	int store_err; /* as logged */
	struct hg_time settle_at; /* end of the silence after the start */
	struct hg_time retry_at; /* NEVER while the state can be written */
	int signal_fd;
	int fd[HG_RUN_LISTEN_MAX];
	unsigned int fd_count;
};

static struct hg_time now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	return (struct hg_time){ t.tv_sec * UINT64_C(1000000000) + t.tv_nsec };
}

/* --- keys ------------------------------------------------------------------------- */

static int is_key(const struct dirent *entry)
{
	size_t length = strlen(entry->d_name), suffix = strlen(SUFFIX);

	return length > suffix && !strcmp(entry->d_name + length - suffix, SUFFIX) &&
	       entry->d_name[0] != '.';
}

/* NAME of NAME.key; systemd puts the credential's id before it (the unit's `keys`). */
static void name_of(const char *file, char ret[HG_SERVE_NAME_MAX])
{
	if (getenv("CREDENTIALS_DIRECTORY") && !strncmp(file, "keys_", 5) && file[5] != '.')
		file += 5;
	snprintf(ret, HG_SERVE_NAME_MAX, "%.*s", (int)(strlen(file) - strlen(SUFFIX)), file);
}

static int add_cluster(struct run *run, const char *path, const char *name)
{
	uint8_t key[HG_SERVE_KEY_LEN], id[HG_SERVE_ID_LEN];
	uint64_t epoch[HG_SERVE_GROUPS];
	struct hg_error error = { "" };
	const char *other = NULL;
	int err = hg_keyfile_read(path, key, &error);

	if (err) {
		hg_error("%s", error.text);
		return err;
	}
	hg_serve_identify(key, id);
	for (unsigned int group = 0; group < HG_SERVE_GROUPS; group++) {
		epoch[group] = hg_ledger_epoch(run->ledger, id, group);
		if (hg_ledger_add(run->ledger, id, group))
			hg_warning("%s: no room in %s/state for this cluster: remove that file if "
				   "keys were changed often",
				   path, run->options->state);
	}
	err = hg_serve_add(run->serve, name, key, epoch, &other);
	sodium_memzero(key, sizeof(key));
	if (err == -EEXIST)
		hg_error("%s: the same key as that of '%s': each cluster has a key of its own",
			 path, other);
	else if (err)
		hg_error("%s: %s", path,
			 err == -ENOSPC ? "more clusters than a witness takes (64)"
					: strerror(-err));
	if (!err)
		hg_info("cluster %s: epoch 0x%016" PRIx64 " was the last one granted", name,
			epoch[0]);
	run->cluster_count += !err;
	return err;
}

static int read_keys(struct run *run)
{
	struct dirent **list;
	int count = scandir(run->options->keys, &list, is_key, alphasort), err = 0;

	if (count < 0) {
		hg_error("%s: %s; put the key file of each cluster there, as NAME" SUFFIX,
			 run->options->keys, strerror(errno));
		return -errno;
	}
	for (int i = 0; i < count; i++) {
		char path[4096], name[HG_SERVE_NAME_MAX];
		int one;

		snprintf(path, sizeof(path), "%s/%s", run->options->keys, list[i]->d_name);
		name_of(list[i]->d_name, name);
		one = add_cluster(run, path, name);
		err = err ? err : one;
		free(list[i]);
	}
	free(list);
	if (!err && !count) {
		hg_error("%s: no file NAME" SUFFIX " there: copy the key of each cluster to it",
			 run->options->keys);
		err = -ENOENT;
	}
	return err;
}

/* --- state ------------------------------------------------------------------------ */

static void tell_unusable(const struct run *run, int err)
{
	const char *dir = run->options->state;

	if (err == -ENOENT)
		hg_error("%s does not exist: mkdir -m 700 %s, as the user that hagate-witness runs "
			 "as (hagate-witness.service makes it when it starts)",
			 dir, dir);
	else
		hg_error("%s/state cannot be used: %s; the directory belongs to the user that "
			 "hagate-witness runs as, mode 700",
			 dir, strerror(-err));
}

static int open_state(struct run *run)
{
	const char *dir = run->options->state;
	int err, outcome = hg_ledger_open(dir, run->options->is_check, &run->ledger, &err);

	if (outcome)
		return outcome;
	if (err == -EWOULDBLOCK) {
		hg_error("%s/state is in use: another hagate-witness runs on it", dir);
		return err;
	}
	if (err == -EBADMSG)
		hg_warning("%s/state: %u damaged lines: what they held is forgotten", dir,
			   hg_ledger_damaged(run->ledger));
	err = hg_ledger_open_error(run->ledger);
	if (run->options->is_check && err)
		tell_unusable(run, err);
	return run->options->is_check ? err : 0;
}

static void note_store(struct run *run, int err)
{
	hg_serve_set_forgetful(run->serve, err);
	if (!err)
		run->retry_at = HG_TIME_NEVER;
	else if (run->retry_at.ns == UINT64_MAX)
		run->retry_at = hg_time_add(now(), HG_MS(RETRY_MS));
	if (err == run->store_err)
		return;
	if (err == -ENOENT)
		hg_warning("%s does not exist: grants go on, but a restart forgets them; mkdir -m "
			   "700 %s, as the user that hagate-witness runs as",
			   run->options->state, run->options->state);
	else if (err)
		hg_warning("%s/state cannot be written (%s): grants go on, but a restart may "
			   "forget them; free space, or make it writable",
			   run->options->state, strerror(-err));
	else
		hg_notice("%s/state can be written again", run->options->state);
	run->store_err = err;
}

/* What may have been granted before, by what the file says, is waited out; a file that
 * says nothing may have been of any lease. The file says the longer one until then: this
 * witness may be restarted while it still waits. */
static void set_rules(struct run *run)
{
	uint64_t old = hg_ledger_lease_ms(run->ledger), asked = run->options->lease_ms;
	struct hg_witness_rules rules = { .margin = { MARGIN_NS }, .drift_ppm = DRIFT_PPM };
	uint64_t longest = old && old <= HG_RUN_LEASE_MS_MAX ? old : HG_RUN_LEASE_MS_MAX;
	struct hg_span silence;
	int err;

	longest = longest > asked ? longest : asked;
	err = hg_ledger_write(run->ledger, longest);
	/* A longer lease must be on disk before it is granted. */
	rules.lease_max = err && old && old < asked ? HG_MS(old) : HG_MS(asked);
	silence = hg_witness_longest(&rules, HG_MS(longest));
	rules.silent_until = hg_time_add(now(), silence);
	run->settle_at = rules.silent_until;
	hg_serve_set_rules(run->serve, rules);
	note_store(run, err);
	hg_notice("grants nothing for %.1f s: as long as a lease granted before may last",
		  silence.ns / 1e9);
}

/* All that was granted before this start has ended. */
static void settle(struct run *run)
{
	run->settle_at = HG_TIME_NEVER;
	hg_ledger_set_lease(run->ledger, run->options->lease_ms);
	hg_notice("grants from now on");
}

static void remember(void *context, const uint8_t id[HG_SERVE_ID_LEN], unsigned int group,
		     uint64_t epoch)
{
	struct run *run = context;

	hg_ledger_put(run->ledger, id, group, epoch);
}

/* --- frames ----------------------------------------------------------------------- */

static void tell(const struct hg_serve_news *news)
{
	const char *verdict = hg_witness_name(news->verdict);

	switch (news->what) {
	case HG_SERVE_SESSION:
		hg_info("%s: session with node %u (%s)", news->cluster, news->node_id, news->node);
		break;
	case HG_SERVE_GRANTED:
		hg_notice("%s: granted epoch 0x%016" PRIx64 " to node %u (%s)", news->cluster,
			  news->epoch, news->node_id, news->node);
		break;
	case HG_SERVE_RENEWED:
		if (news->is_changed)
			hg_notice("%s: renews for node %u (%s)", news->cluster, news->node_id,
				  news->node);
		break;
	case HG_SERVE_REFUSED:
		if (news->is_changed)
			hg_notice("%s: refused node %u (%s): %s (epoch 0x%016" PRIx64
				  " was granted)",
				  news->cluster, news->node_id, news->node, verdict, news->epoch);
		break;
	case HG_SERVE_DROPPED:
	case HG_SERVE_STALE:
	case HG_SERVE_GREETED:
		break;
	}
}

static void answer(struct run *run, int fd)
{
	uint8_t in[HG_WIRE_LONG + 1], out[HG_WIRE_LONG] __attribute__((aligned(8)));
	struct hg_socket_peer peer;
	struct hg_serve_news news;

	for (unsigned int i = 0; i < BATCH; i++) {
		ssize_t n = hg_socket_receive(fd, in, sizeof(in), &peer);
		size_t length;

		if (n <= 0)
			return; /* or an ICMP error of an earlier answer: nobody waits for it */
		length = hg_serve_receive(run->serve, now(), in, n, out, &news);
		if (length)
			hg_socket_send(fd, out, length, &peer);
		tell(&news);
	}
}

static int timeout_ms(const struct run *run)
{
	struct hg_time due = hg_time_min(run->settle_at, run->retry_at);

	if (due.ns == UINT64_MAX)
		return -1;
	return hg_time_since(due, now()).ns / 1000000 + 1;
}

/* By the clock, not by poll: frames come all the time. */
static void on_time(struct run *run)
{
	if (!hg_time_before(now(), run->settle_at))
		settle(run);
	if (hg_time_before(now(), run->retry_at))
		return;
	run->retry_at = hg_time_add(now(), HG_MS(RETRY_MS));
	hg_ledger_retry(run->ledger);
}

static int loop(struct run *run)
{
	struct pollfd fds[2 + HG_RUN_LISTEN_MAX] = {
		{ .fd = run->signal_fd, .events = POLLIN },
		{ .fd = hg_ledger_fd(run->ledger), .events = POLLIN },
	};

	for (unsigned int i = 0; i < run->fd_count; i++)
		fds[2 + i] = (struct pollfd){ .fd = run->fd[i], .events = POLLIN };
	for (;;) {
		int n = poll(fds, 2 + run->fd_count, timeout_ms(run));

		if (n < 0 && errno != EINTR)
			return -errno;
		for (unsigned int i = 0; n > 0 && i < run->fd_count; i++)
			if (fds[2 + i].revents)
				answer(run, run->fd[i]);
		if (n > 0 && fds[1].revents)
			note_store(run, hg_ledger_outcome(run->ledger));
		on_time(run);
		if (n > 0 && fds[0].revents)
			return 0;
	}
}

/* --- start ------------------------------------------------------------------------ */

static int open_sockets(struct run *run)
{
	const struct hg_run_options *options = run->options;
	struct hg_socket_address address;
	int err = 0;

	if (!options->listen_count) {
		err = hg_socket_open_all(options->port, &run->fd[0]);
		run->fd_count = !err;
	}
	for (unsigned int i = 0; !err && i < options->listen_count; i++) {
		hg_socket_parse(options->listen[i], options->port, &address);
		err = hg_socket_open(&address, &run->fd[i]);
		run->fd_count += !err;
	}
	if (err)
		hg_error("%s udp/%u: %s",
			 options->listen_count ? options->listen[run->fd_count] : "all addresses",
			 options->port, strerror(-err));
	return err;
}

static int open_signals(struct run *run)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	if (sigprocmask(SIG_BLOCK, &set, NULL))
		return -errno;
	run->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return run->signal_fd < 0 ? -errno : 0;
}

static int serve(struct run *run)
{
	int err = open_signals(run);

	if (!err)
		err = hg_ledger_run(run->ledger);
	if (err) {
		hg_error("start: %s", strerror(-err));
		return err;
	}
	if (mlockall(MCL_CURRENT))
		hg_info("memory is not locked (%s): raise LimitMEMLOCK", strerror(errno));
	hg_notice("hagate-witness " HG_VERSION ": %u cluster%s, udp/%u", run->cluster_count,
		  run->cluster_count == 1 ? "" : "s", run->options->port);
	sd_notify(0, "READY=1");
	err = hg_confine(hg_ledger_open_error(run->ledger) != 0);
	if (err)
		hg_warning("privileges are kept: %s", strerror(-err));
	err = loop(run);
	hg_notice("stops");
	return err;
}

static int prepare(struct run *run)
{
	struct hg_serve_options options = { .remember = remember, .context = run };
	int err = open_state(run);

	if (!err && !run->options->is_check)
		err = open_sockets(run);
	if (err)
		return err;
	randombytes_buf(options.nonce, sizeof(options.nonce));
	return hg_serve_new(&options, &run->serve);
}

int hg_run(const struct hg_run_options *options)
{
	struct run run = { .options = options, .signal_fd = -1, .retry_at = HG_TIME_NEVER };
	int err = prepare(&run);

	if (!err)
		err = read_keys(&run);
	if (!err && !options->is_check) {
		set_rules(&run);
		err = serve(&run);
	}
	if (!err && options->is_check)
		printf("%u cluster%s in %s, state in %s: good\n", run.cluster_count,
		       run.cluster_count == 1 ? "" : "s", options->keys, options->state);
	hg_serve_free(run.serve);
	hg_ledger_free(run.ledger);
	for (unsigned int i = 0; i < run.fd_count; i++)
		close(run.fd[i]);
	if (run.signal_fd >= 0)
		close(run.signal_fd);
	return err ? HG_EXIT_FAILED : HG_EXIT_OK;
}
