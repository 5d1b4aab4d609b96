/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Start and stop of hagated, its sources of events, its two timers. The order of the
 * start matters: files and programs first (slow), then the worker (before privileges
 * are dropped), then real-time priority, then the election.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "agent.h"
#include "dump.h"
#include "flight.h"
#include "log.h"
#include "privilege.h"

struct hg_time hg_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (struct hg_time){ now.tv_sec * UINT64_C(1000000000) + now.tv_nsec };
}

void hg_agent_note(struct hg_agent *agent, enum hg_history_type type, const char *format, ...)
{
	struct hg_history_event event = { .at = hg_now(), .type = type };
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(event.text, sizeof(event.text), format, arguments);
	va_end(arguments);
	hg_log(type == HG_HISTORY_FAULT ? HG_LOG_WARNING : HG_LOG_NOTICE, "%s", event.text);
	hg_control_broadcast(agent->control,
			     hg_status_event(hg_history_add(&agent->history, &event)));
}

/* --- worker --------------------------------------------------------------------- */

static int on_worker(sd_event_source *source, int fd, uint32_t revents, void *context)
{
	struct hg_agent *agent = context;

	(void)fd;
	(void)revents;
	if (hg_worker_process(agent->worker))
		return sd_event_source_set_enabled(source, SD_EVENT_OFF); /* lost */
	return sd_event_source_set_io_events(source, hg_worker_events(agent->worker));
}

int hg_agent_submit(struct hg_agent *agent, const struct hg_job *job)
{
	int err = agent->worker ? hg_worker_submit(agent->worker, job, NULL) : -EPIPE;

	if (agent->worker_io)
		sd_event_source_set_io_events(agent->worker_io, hg_worker_events(agent->worker));
	return err;
}

static void on_stored(struct hg_agent *agent, const struct hg_job_result *result)
{
	if (result->error == -ECANCELED)
		return;
	if (result->type == HG_JOB_STORE_EPOCH) {
		agent->is_reserving = false;
		if (!result->error)
			agent->epoch_reserved = result->counter;
	}
	if (result->error != agent->store_err) {
		if (result->error)
			hg_agent_note(agent, HG_HISTORY_FAULT, "%s: %s", agent->setup->node.state,
				      result->text);
		else
			hg_notice("%s: can be written again", agent->setup->node.state);
	}
	agent->store_err = result->error;
	agent->store_fault[0] = '\0';
	if (result->error)
		snprintf(agent->store_fault, sizeof(agent->store_fault),
			 "%.100s cannot be written (%s): maintenance and epochs will not survive a "
			 "restart; free space or mount it writable",
			 agent->setup->node.state, strerror(-result->error));
}

static void on_result(void *context, const struct hg_job_result *result)
{
	struct hg_agent *agent = context;

	switch (result->type) {
	case HG_JOB_STORE_EPOCH:
	case HG_JOB_STORE_FLAG:
		on_stored(agent, result);
		break;
	case HG_JOB_ADDRESSES_ADD:
	case HG_JOB_ADDRESSES_REMOVE:
	case HG_JOB_FILTER_ADD:
	case HG_JOB_FILTER_REMOVE:
	case HG_JOB_MULTICAST_ADD:
	case HG_JOB_MULTICAST_REMOVE:
	case HG_JOB_LIST:
		if (result->error && result->error != -ECANCELED)
			hg_warning("worker: %s", result->text);
		break;
	case HG_JOB_NEIGH_SET: /* may be lost without harm */
	case HG_JOBS:
		break;
	}
}

static void on_worker_lost(void *context)
{
	struct hg_agent *agent = context;

	hg_warning("the worker died; a new one is started");
	agent->is_worker_lost = true;
}

static const struct hg_netlink_handlers netlink_handlers;

static int start_worker(struct hg_agent *agent)
{
	struct hg_worker_options options = {
		.state_dir = agent->setup->node.state,
		.on_result = on_result,
		.on_lost = on_worker_lost,
		.netlink = netlink_handlers,
		.context = agent,
	};
	int err = hg_worker_new(&options, &agent->worker);

	if (err)
		return err;
	err = sd_event_add_io(agent->event, &agent->worker_io, hg_worker_fd(agent->worker),
			      hg_worker_events(agent->worker), on_worker, agent);
	return err < 0 ? err : 0;
}

static void restart_worker(struct hg_agent *agent)
{
	struct hg_job job = { .type = HG_JOB_STORE_FLAG };
	int err;

	agent->worker_io = sd_event_source_disable_unref(agent->worker_io);
	if (agent->worker)
		agent->old_worker = hg_worker_free(agent->worker);
	agent->worker = NULL;
	agent->is_reserving = false;
	err = start_worker(agent);
	if (err) {
		hg_error("worker: %s", strerror(-err));
		return;
	}
	agent->is_worker_lost = false;
	job.is_on = agent->elect.is_maintenance;
	hg_agent_submit(agent, &job);
	for (unsigned int slot = 0; slot < agent->port_count; slot++)
		hg_vips_set_port(agent, slot); /* filters and groups that were asked for */
	if (hg_state_serves(agent->maps.state, hg_now().ns))
		hg_vips_add(agent);
	else
		hg_vips_remove(agent);
}

/* --- netlink --------------------------------------------------------------------- */

static void on_neigh(void *context, const struct hg_netlink_neigh *neigh, bool is_deleted)
{
	struct hg_agent *agent = context;
	int slot = hg_port_by_ifindex(agent, neigh->ifindex);

	if (slot >= 0)
		hg_neigh_learn(agent->neigh, slot, neigh, is_deleted);
}

void hg_agent_list(struct hg_agent *agent)
{
	struct hg_job job = { .type = HG_JOB_LIST };

	hg_agent_submit(agent, &job);
}

static void on_overrun(void *context)
{
	hg_agent_list(context);
}

static const struct hg_netlink_handlers netlink_handlers = {
	.on_link = hg_port_on_link,
	.on_address = hg_vips_on_address,
	.on_neigh = on_neigh,
	.on_overrun = on_overrun,
	.on_sync_begin = hg_port_on_sync_begin,
	.on_sync_end = hg_port_on_sync_end,
};

static int on_netlink(sd_event_source *source, int fd, uint32_t revents, void *context)
{
	struct hg_agent *agent = context;

	(void)source;
	(void)fd;
	(void)revents;
	hg_netlink_consume(agent->netlink);
	return 0;
}

/* --- timers and signals -------------------------------------------------------------- */

static int on_deadline(sd_event_source *source, uint64_t usec, void *context)
{
	(void)source;
	(void)usec;
	hg_elector_event(context, HG_EV_TICK);
	return 0;
}

/* Asks the worker for a new block when the present one is used up by half. A peer that
 * restarts begins a block of its own, so what it claims may lie above all of ours. */
void hg_agent_reserve_epochs(struct hg_agent *agent)
{
	uint64_t next = agent->elect.epoch_counter;
	uint64_t seen = hg_epoch_counter(agent->elect.epoch_seen) + 1;
	struct hg_job job = { .type = HG_JOB_STORE_EPOCH };

	if (seen > next)
		next = seen;
	if (agent->is_reserving || !hg_store_is_low(next, agent->epoch_reserved))
		return;
	job.counter = hg_store_reserve(next);
	agent->is_reserving = !hg_agent_submit(agent, &job);
}

static int on_slow(sd_event_source *source, uint64_t usec, void *context)
{
	struct hg_agent *agent = context;
	uint64_t now = hg_now().ns / 1000;

	if (agent->is_worker_lost)
		restart_worker(agent);
	if (agent->old_worker && waitpid(agent->old_worker, NULL, WNOHANG))
		agent->old_worker = 0;
	hg_port_slow_tick(agent);
	hg_peer_slow_tick(agent);
	hg_ask_slow_tick(agent);
	hg_vips_slow_tick(agent);
	hg_filter_slow_tick(agent);
	hg_flight_slow_tick(agent);
	hg_load_slow_tick(agent);
	hg_sync_slow_tick(agent);
	hg_wiring_slow_tick(agent);
	hg_mac_slow_tick(agent);
	hg_port_judge(agent);
	hg_agent_reserve_epochs(agent);
	usec += HG_SLOW_TICK_MS * 1000;
	if (usec <= now)
		usec = now + HG_SLOW_TICK_MS * 1000; /* after a pause: one tick, not all of them */
	return sd_event_source_set_time(source, usec);
}

static int on_terminate(sd_event_source *source, const struct signalfd_siginfo *info, void *context)
{
	struct hg_agent *agent = context;

	(void)source;
	sd_notify(0, "STOPPING=1");
	hg_notice("signal %u: stops; the data path stays as it is", info->ssi_signo);
	hg_elector_event(agent, HG_EV_STOP);
	return sd_event_exit(agent->event, 0);
}

static int on_hangup(sd_event_source *source, const struct signalfd_siginfo *info, void *context)
{
	(void)source;
	(void)info;
	hg_reload_start(context, NULL);
	return 0;
}

static int on_ring(sd_event_source *source, int fd, uint32_t revents, void *context)
{
	struct hg_agent *agent = context;

	(void)source;
	(void)fd;
	(void)revents;
	hg_ring_consume(agent->ring);
	return 0;
}

static int add_sources(struct hg_agent *agent)
{
	uint64_t now = hg_now().ns / 1000;
	sd_event_source *ring;
	int err;

	if ((err = sd_event_add_time(agent->event, &agent->deadline, CLOCK_BOOTTIME, UINT64_MAX, 1,
				     on_deadline, agent)) < 0 ||
	    (err = sd_event_add_time(agent->event, &agent->slow, CLOCK_BOOTTIME,
				     now + HG_SLOW_TICK_MS * 1000, 1000, on_slow, agent)) < 0 ||
	    (err = sd_event_source_set_enabled(agent->slow, SD_EVENT_ON)) < 0 ||
	    (err = sd_event_add_io(agent->event, &ring, hg_ring_fd(agent->ring), EPOLLIN, on_ring,
				   agent)) < 0 ||
	    (err = sd_event_add_io(agent->event, NULL, hg_netlink_fd(agent->netlink), EPOLLIN,
				   on_netlink, agent)) < 0 ||
	    (err = sd_event_add_signal(agent->event, NULL, SIGTERM, on_terminate, agent)) < 0 ||
	    (err = sd_event_add_signal(agent->event, NULL, SIGINT, on_terminate, agent)) < 0 ||
	    (err = sd_event_add_signal(agent->event, NULL, SIGHUP, on_hangup, agent)) < 0)
		return err;
	/* Frames before everything else, people last (control.c runs at idle priority). */
	sd_event_source_set_priority(ring, SD_EVENT_PRIORITY_IMPORTANT);
	sd_event_source_set_priority(agent->deadline, SD_EVENT_PRIORITY_IMPORTANT);
	return 0;
}

/* --- start ------------------------------------------------------------------------- */

static int read_store(struct hg_agent *agent, bool *ret_is_maintenance)
{
	const char *dir = agent->setup->node.state;
	uint64_t counter = 1;
	int err = hg_store_prepare(dir);

	if (!err)
		err = hg_store_read_epoch(dir, &counter);
	if (err && err != -ENOENT)
		hg_warning("%s/epoch: %s; goes on from what the peer and the data path know", dir,
			   strerror(-err));
	agent->epoch_reserved = hg_store_reserve(counter);
	err = hg_store_write_epoch(dir, agent->epoch_reserved);
	if (err)
		hg_warning("%s/epoch: %s: epochs are not remembered over a restart", dir,
			   strerror(-err));
	if (err)
		agent->epoch_reserved = counter; /* so that it is tried again */
	agent->epoch_first = counter;
	err = hg_store_read_maintenance(dir, ret_is_maintenance);
	if (err && err != -ENOENT)
		hg_warning("%s/maintenance: %s; taken as off", dir, strerror(-err));
	return 0;
}

static int open_data_path(struct hg_agent *agent)
{
	struct hg_error error = { "" };
	int err = hg_maps_open(agent->setup->node.pin, &agent->maps, &error);

	if (err) {
		hg_error("%s", error.text);
		return err;
	}
	err = hg_blocks_open(agent->setup->node.pin, &agent->blocks, &error);
	if (err) {
		hg_error("%s", error.text);
		return err;
	}
	return hg_ring_new(&agent->maps, hg_peer_on_event, agent, &agent->ring);
}

static int open_control(struct hg_agent *agent)
{
	struct hg_control_options options = {
		.event = agent->event,
		.run = agent->setup->node.run,
		.group = "hagate",
		.commands = hg_commands,
		.context = agent,
	};
	struct hg_error error = { "" };
	int err = hg_control_new(&options, &agent->control, &error);

	if (err)
		hg_error("%s", error.text);
	return err;
}

static int open_parts(struct hg_agent *agent)
{
	int err;

	err = sd_event_default(&agent->event);
	if (err < 0)
		return err;
	hg_tasks_init(&agent->tasks, agent->event);
	hg_load_init(&agent->load);
	if ((err = open_control(agent)) || (err = open_data_path(agent)) ||
	    (err = hg_announce_new(&agent->announce)) || (err = hg_neigh_new(&agent->neigh)) ||
	    (err = hg_netlink_new(&netlink_handlers, agent, &agent->netlink)) ||
	    (err = start_worker(agent)) || (err = hg_port_init(agent)) ||
	    (err = hg_vips_init(agent)) || (err = hg_peer_init(agent)))
		return err;
	for (unsigned int slot = 0; slot < agent->port_count; slot++)
		hg_port_bind(agent, slot, &agent->setup->port[slot]);
	err = hg_netlink_dump(&netlink_handlers, agent);
	if (err)
		return err;
	hg_vips_sync_maps(agent);
	hg_wiring_start(agent);
	hg_ask_init(agent);
	return add_sources(agent);
}

static void take_part(struct hg_agent *agent, bool is_maintenance)
{
	hg_elect_init(&agent->elect);
	hg_sync_init(agent);
	clock_gettime(CLOCK_REALTIME, &agent->since_wall);
	hg_elector_event(agent, HG_EV_START);
	if (is_maintenance)
		hg_elector_event(agent, HG_EV_MAINTENANCE_ON);
	hg_port_judge(agent);
	hg_peer_send_hello(agent);
}

static void block_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
}

int hg_agent_run(const char *node_path)
{
	struct hg_agent *agent = calloc(1, sizeof(*agent));
	bool is_maintenance = false;
	int err;

	if (!agent)
		return -ENOMEM;
	agent->node_path = node_path;
	block_signals();
	if ((err = hg_flight_new(&agent->flight)) || (err = hg_start_setup(agent)) ||
	    (err = read_store(agent, &is_maintenance)) || (err = open_parts(agent)))
		goto out;
	hg_privilege_realtime();
	if ((err = hg_privilege_drop()) || (err = hg_privilege_seccomp()))
		goto out;
	take_part(agent, is_maintenance);
	sd_notify(0, "READY=1");
	err = sd_event_loop(agent->event);
out:
	if (err == -EINVAL)
		hg_error("hagated stops"); /* why was told, by file and line */
	else if (err < 0)
		hg_error("hagated stops: %s", strerror(-err));
	hg_control_free(agent->control);
	hg_dump_finish(agent);
	if (agent->worker)
		hg_worker_wait(agent->worker, 2000); /* what is to be remembered is written */
	hg_worker_free(agent->worker);
	hg_setup_free(agent->setup);
	hg_flight_free(agent->flight);
	return err;
}
