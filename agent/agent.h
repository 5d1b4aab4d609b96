/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The shell round the election core: one struct, one thread, one sd-event loop.
 *
 *   start.c     the lock, the first setup
 *   agent.c     start, stop, the two timers (election deadline, slow tick)
 *   elector.c   observation -> hg_elect_step() -> actions
 *   peer.c      frames to and from the peer: HELLO, sessions, NEIGH
 *   ask.c       the witness: questions out, answers in
 *   port.c      ports on their NICs: sockets, link state, health;  port_watch.c  what is
 *               missing on one;  port_fault.c  in words
 *   wiring.c    what the NICs hang on, by a child with raw sockets (wiring_child.c, mac_test.c)
 *   mac.c       mac: auto: real or virtual, by port;  mac_status.c  in words
 *   vips.c      address maps, VIPs on NICs, announcements, the closed loop
 *   load_report.c  the load of both nodes
 *   reload.c    new files or new NICs, through a child (setup.h)
 *   commands.c  the control socket's table;  status.c  its JSON
 *   filter_*.c  the filter's commands
 *   sync.c      what hagate-sync reports, what the peer says of its configuration
 *
 * Nothing below may block: slow work goes to the worker (worker.h), to setup's child, and
 * slow answers to a task (task.h).
 */
#ifndef HG_AGENT_H
#define HG_AGENT_H

#include <systemd/sd-event.h>

#include "agent/announce.h"
#include "agent/ask.h"
#include "agent/control.h"
#include "agent/core/elect.h"
#include "agent/core/health.h"
#include "agent/core/session.h"
#include "agent/heartbeat.h"
#include "agent/history.h"
#include "agent/load.h"
#include "agent/mac.h"
#include "agent/neigh.h"
#include "agent/netlink.h"
#include "agent/overlap.h"
#include "agent/setup.h"
#include "agent/store.h"
#include "agent/sync.h"
#include "agent/task.h"
#include "agent/wiring.h"
#include "agent/worker.h"
#include "loader/block.h"

#define HG_SLOW_TICK_MS 100

struct hg_agent_port {
	const char *name;
	char own_name[HG_WIRE_NAME_LEN]; /* outlives the configuration that `name` is in */
	const struct hg_node_port *node; /* node.yaml */
	const struct hg_cluster_port *cluster; /* cluster.yaml */
	unsigned int index; /* of `cluster`, and of node addresses there */
	struct hg_nic nic;
	bool has_nic, is_attached;
	bool is_listed; /* seen since hg_port_on_sync_begin() */
	bool is_misbound; /* the node's address of this port is on another NIC */
	int heartbeat_err; /* -errno of opening the socket, 0 when open */
	char misbound_on[IF_NAMESIZE];
	char trouble[256]; /* why it is not attached, "" when it is */
	struct hg_heartbeat heartbeat;
	struct hg_neigh_filter *neigh_filter; /* what the peer may teach; NULL: make it anew */
	uint64_t stray; /* frames that a standby should not see, at the last slow tick */
	uint64_t heard_before; /* path's word at the last step of the election */
	uint32_t stray_peer; /* what the peer said of its own, at its last HELLO */
	struct hg_wire_hello hello; /* the peer's last on this port */
	uint64_t hello_at;
	uint8_t taught_mac[6]; /* of the peer's NIC, as given to the kernel */
	struct hg_mac_port mac;
	uint64_t silent_since; /* the peer, though heard on other ports; 0 it is not */
	uint64_t answered_at,
		answer_mark; /* last answer that the peer's XDP made, see port_watch.c */
	uint64_t watched_at; /* last look at the two */
	uint64_t wiring_forget_at; /* what was heard of other ports until then means nothing */
	char fault[256]; /* sentence with remedy, "" none */
};

/* The latest outage or takeover, for `failover` in the status. */
struct hg_failover {
	uint64_t count;
	double last_ms; /* from the last sign of the old holder to serving; -1: none */
	struct timespec last_at;
	enum hg_why last_why;
};

/* A VIP and where it belongs. */
struct hg_vip {
	const struct hg_ip *ip; /* in setup->vip */
	unsigned int slot; /* HG_SLOTS_MAX: this node has no such port */
};

struct hg_agent {
	const char *node_path;
	sd_event *event;
	sd_event_source *deadline, *slow, *announcing, *worker_io;
	struct hg_setup *setup; /* current configuration */
	const struct hg_cluster_node *self, *peer; /* in setup->cluster; peer may be NULL */
	struct hg_maps maps;
	struct hg_ring *ring;
	struct hg_worker *worker;
	struct hg_netlink *netlink;
	struct hg_announce *announce;
	struct hg_neigh *neigh;
	struct hg_control *control;
	struct hg_history history;
	struct hg_flight *flight; /* flight.h */
	struct hg_elect elect;
	struct hg_session session;
	struct hg_health health;
	bool is_config_other; /* the peer's last HELLO had another hash */
	uint16_t peer_no_link; /* the same: its ports without link, see struct hg_wire_hello */
	uint64_t config_other_at; /* since when, as seen by the slow tick; 0 it has not */
	bool is_judged; /* no HELLO before: it would call this node unfit */
	uint64_t hurried_at; /* last HELLO out of turn for a new session */
	struct hg_key cluster_key, session_key[2];
	struct hg_ask ask;
	struct hg_agent_port port[HG_SLOTS_MAX];
	unsigned int port_count;
	struct hg_obs obs; /* last one stepped with */
	struct hg_failover failover;
	struct timespec since_wall;
	uint64_t epoch_first; /* first counter of this life */
	uint64_t epoch_reserved; /* counters below are ours */
	bool is_reserving;
	bool is_worker_lost;
	pid_t old_worker; /* killed, not reaped yet; 0 none */
	int store_err; /* of the last write to the state directory */
	struct hg_worker_address *own; /* addresses of this machine but VIPs */
	size_t own_count, own_size;
	bool is_own_dirty; /* the address maps lag behind `own` */
	struct hg_vip *vip; /* sorted by address */
	struct hg_overlap overlap;
	struct hg_control_request *handover; /* operator who waits */
	uint64_t handover_epoch; /* that this node served then, 0 none */
	struct hg_time handed_at; /* the peer claimed, and is to serve; 0 not yet */
	struct hg_setup *next; /* reload under way */
	sd_event_source *setup_child;
	struct hg_control_request *reload;
	bool is_link_changed; /* while it ran */
	bool is_setup_again; /* something changed while it ran */
	char peer_fault[256], store_fault[256], config_fault[256];
	uint64_t retried_at; /* setup for a NIC that may have appeared */
	bool is_nic_waiting; /* another appeared too soon after that */
	struct hg_tasks tasks;
	struct hg_sync sync;
	struct hg_blocks *blocks;
	struct hg_load_meter load;
	struct hg_wiring wiring;
	struct hg_mac mac;
	uint64_t expire_at; /* when the blocklist is cleared next */
};

/* CLOCK_BOOTTIME. */
struct hg_time hg_now(void);

/* agent.c */
int hg_agent_run(const char *node_path);
void hg_agent_list(struct hg_agent *agent); /* asks for links and addresses anew */
void hg_agent_reserve_epochs(struct hg_agent *agent);
int hg_agent_submit(struct hg_agent *agent, const struct hg_job *job); /* to the worker */
void hg_agent_note(struct hg_agent *agent, enum hg_history_type type, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* start.c */
int hg_start_setup(struct hg_agent *agent); /* locks, then sets up; tells why not */

/* elector.c */
void hg_elector_config(const struct hg_agent *agent, struct hg_elect_config *ret);
void hg_elector_step(struct hg_agent *agent, struct hg_elect_event *ev);
void hg_elector_event(struct hg_agent *agent, enum hg_elect_event_type type);

/* peer.c */
int hg_peer_init(struct hg_agent *agent);
void hg_peer_send_short(struct hg_agent *agent, enum hg_wire_type type, uint64_t epoch);
void hg_peer_send_hello(struct hg_agent *agent);
void hg_peer_on_event(void *context, const struct hg_event *event);
void hg_peer_slow_tick(struct hg_agent *agent);
bool hg_peer_is_heard(const struct hg_agent *agent);
bool hg_peer_has_agent(const struct hg_agent *agent);

/* wiring.c */
void hg_wiring_start(struct hg_agent *agent); /* forks the child */
void hg_wiring_slow_tick(struct hg_agent *agent);
bool hg_wiring_is_merged(const struct hg_agent *agent); /* both nodes' NICs share a segment */
bool hg_wiring_is_misbound(const struct hg_agent *agent, unsigned int slot); /* only here */
bool hg_wiring_is_peers(const struct hg_agent *agent); /* only there */
bool hg_wiring_is_miswired(const struct hg_agent *agent, unsigned int slot);
const char *hg_wiring_crossed_name(const struct hg_agent *agent, unsigned int slot);

/* mac.c, mac_status.c */
bool hg_mac_is_virtual(const struct hg_agent *agent, unsigned int slot);
void hg_mac_adopt(struct hg_agent *agent, unsigned int slot); /* of a data path that runs */
void hg_mac_slow_tick(struct hg_agent *agent);
void hg_mac_on_test(void *context, struct hg_control_request *req, json_t *arguments);
const char *hg_mac_mode(const struct hg_agent *agent); /* `mac_mode` in the status */
json_t *hg_mac_port_json(const struct hg_agent *agent, unsigned int slot);
void hg_mac_describe(const struct hg_agent *agent, unsigned int slot, char *ret, size_t size);

/* port_watch.c */
void hg_port_watch(struct hg_agent *agent, unsigned int slot); /* each slow tick */
bool hg_port_is_silent(const struct hg_agent *agent, unsigned int slot);
bool hg_port_is_unanswered(const struct hg_agent *agent, unsigned int slot);
uint16_t hg_port_without_link(const struct hg_agent *agent); /* for HELLOs */

/* port_fault.c */
void hg_port_describe_fault(const struct hg_agent *agent, unsigned int slot, char *ret,
			    size_t size);

/* port.c */
int hg_port_init(struct hg_agent *agent);
void hg_port_done(struct hg_agent *agent);
void hg_port_forget_filters(struct hg_agent *agent);
void hg_port_bind(struct hg_agent *agent, unsigned int slot, const struct hg_setup_port *setup);
void hg_port_slow_tick(struct hg_agent *agent);
bool hg_port_is_peer_heard(const struct hg_agent *agent, unsigned int slot);
void hg_port_judge(struct hg_agent *agent); /* health, told to the election on change */
void hg_port_set_map(struct hg_agent *agent, unsigned int slot);
int hg_port_by_ifindex(const struct hg_agent *agent, int ifindex); /* slot or -1 */
void hg_port_on_sync_begin(void *context);
void hg_port_on_sync_end(void *context);
void hg_port_on_link(void *context, const struct hg_netlink_link *link, bool is_deleted);

/* vips.c */
int hg_vips_init(struct hg_agent *agent); /* after each change of the configuration */
void hg_vips_done(struct hg_agent *agent);
void hg_vips_on_address(void *context, int ifindex, const struct hg_ip *ip, bool is_deleted);
void hg_vips_sync_maps(struct hg_agent *agent);
void hg_vips_add(struct hg_agent *agent);
void hg_vips_remove(struct hg_agent *agent);
void hg_vips_remove_missing(struct hg_agent *agent, const struct hg_setup *next);
void hg_vips_set_port(struct hg_agent *agent, unsigned int slot); /* announcements, MAC filter */
void hg_vips_announce(struct hg_agent *agent);
void hg_vips_on_step(struct hg_agent *agent); /* announces on a segment that healed */
bool hg_vips_vmac(const struct hg_agent *agent, unsigned int slot, uint8_t ret[6]);
void hg_vips_slow_tick(struct hg_agent *agent);

/* load_report.c */
void hg_load_slow_tick(struct hg_agent *agent);
void hg_load_fill_hello(const struct hg_agent *agent, unsigned int slot,
			struct hg_wire_hello *hello);
json_t *hg_load_json(const struct hg_agent *agent);
json_t *hg_load_peer_json(const struct hg_agent *agent);

/* reload.c */
void hg_reload_start(struct hg_agent *agent, struct hg_control_request *req);

/* filter_commands.c, filter_block.c, filter_trace.c */
void hg_filter_on_show(void *context, struct hg_control_request *req, json_t *arguments);
void hg_filter_on_block(void *context, struct hg_control_request *req, json_t *arguments);
void hg_filter_on_unblock(void *context, struct hg_control_request *req, json_t *arguments);
void hg_filter_on_blocked(void *context, struct hg_control_request *req, json_t *arguments);
void hg_filter_on_trace(void *context, struct hg_control_request *req, json_t *arguments);
void hg_filter_slow_tick(struct hg_agent *agent);
json_t *hg_filter_status(struct hg_agent *agent); /* `filter` in the status */
json_t *hg_filter_warnings(struct hg_agent *agent);

/* commands.c, status.c */
extern const struct hg_control_command hg_commands[];
json_t *hg_status_json(struct hg_agent *agent);
json_t *hg_status_ports(struct hg_agent *agent);
json_t *hg_status_time(const struct timespec *wall); /* RFC 3339; null: none */
json_t *hg_status_event(const struct hg_history_event *event);

#endif
