/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Virtual addresses: what the data path knows of them, when they are on the NICs,
 * who is told. Also the list of this machine's own addresses, which the data path
 * never silences.
 */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent.h"
#include "log.h"

/* hg_job.key: all VIPs are one job, so that adding, removing and adding leaves one. */
#define KEY_VIPS 1

static int compare_ip(const struct hg_ip *a, const struct hg_ip *b)
{
	if (a->family != b->family)
		return a->family - b->family;
	return memcmp(a->addr, b->addr, a->family == 4 ? 4 : 16);
}

static int compare_vip(const void *a, const void *b)
{
	return compare_ip(((const struct hg_vip *)a)->ip, ((const struct hg_vip *)b)->ip);
}

static const struct hg_vip *find_vip(const struct hg_agent *agent, const struct hg_ip *ip)
{
	struct hg_vip key = { .ip = ip };

	return bsearch(&key, agent->vip, agent->setup->cluster.vip_count, sizeof(key), compare_vip);
}

int hg_vips_init(struct hg_agent *agent)
{
	const struct hg_cluster_config *cluster = &agent->setup->cluster;
	struct hg_vip *list = calloc(cluster->vip_count + 1, sizeof(*list));

	if (!list)
		return -ENOMEM;
	for (unsigned int i = 0; i < cluster->vip_count; i++)
		list[i] = (struct hg_vip){ .ip = &cluster->vip[i], .slot = HG_SLOTS_MAX };
	for (unsigned int slot = 0; slot < agent->port_count; slot++) {
		const struct hg_cluster_port *port = agent->port[slot].cluster;

		for (unsigned int i = 0; i < port->vip_count; i++)
			list[port->vip_first + i].slot = slot;
	}
	qsort(list, cluster->vip_count, sizeof(*list), compare_vip);
	free(agent->vip);
	agent->vip = list;
	return 0;
}

void hg_vips_done(struct hg_agent *agent)
{
	free(agent->vip);
	free(agent->own);
	agent->vip = NULL;
	agent->own = NULL;
}

/* --- own addresses ---------------------------------------------------------- */

static struct hg_worker_address *find_own(struct hg_agent *agent, int ifindex,
					  const struct hg_ip *ip)
{
	for (size_t i = 0; i < agent->own_count; i++)
		if (agent->own[i].ifindex == ifindex && !compare_ip(&agent->own[i].ip, ip))
			return &agent->own[i];
	return NULL;
}

static void add_own(struct hg_agent *agent, int ifindex, const struct hg_ip *ip)
{
	if (agent->own_count == agent->own_size) {
		size_t size = agent->own_size ? 2 * agent->own_size : 64;
		void *grown = reallocarray(agent->own, size, sizeof(*agent->own));

		if (!grown)
			return;
		agent->own = grown;
		agent->own_size = size;
	}
	agent->own[agent->own_count++] = (struct hg_worker_address){ ifindex, *ip };
}

void hg_vips_on_address(void *context, int ifindex, const struct hg_ip *ip, bool is_deleted)
{
	struct hg_agent *agent = context;
	struct hg_worker_address *own;

	if (find_vip(agent, ip))
		return;
	own = find_own(agent, ifindex, ip);
	if (is_deleted == !own)
		return;
	if (is_deleted)
		*own = agent->own[--agent->own_count];
	else
		add_own(agent, ifindex, ip);
	agent->is_own_dirty = true;
}

static void put_entry(struct hg_addr_entry *entry, const struct hg_ip *ip, enum hg_addr_kind kind,
		      unsigned int slot)
{
	entry->family = ip->family;
	memcpy(entry->addr, ip->addr, sizeof(entry->addr));
	entry->value = (struct hg_addr){ .kind = kind, .slot = slot };
}

/* VIPs, this machine's addresses, and those that cluster.yaml gives this node. */
void hg_vips_sync_maps(struct hg_agent *agent)
{
	const struct hg_cluster_config *cluster = &agent->setup->cluster;
	size_t size = cluster->vip_count + agent->own_count + agent->port_count, count = 0;
	struct hg_addr_entry *entries = calloc(size + 1, sizeof(*entries));
	int err;

	if (!entries)
		return;
	for (unsigned int i = 0; i < cluster->vip_count; i++)
		put_entry(&entries[count++], agent->vip[i].ip, HG_ADDR_VIP, agent->vip[i].slot);
	for (size_t i = 0; i < agent->own_count; i++)
		if (!find_vip(agent, &agent->own[i].ip))
			put_entry(&entries[count++], &agent->own[i].ip, HG_ADDR_OWN, HG_SLOTS_MAX);
	for (unsigned int slot = 0; slot < agent->port_count; slot++) {
		const struct hg_ip *ip = &agent->self->address[agent->port[slot].index];

		if (ip->family)
			put_entry(&entries[count++], ip, HG_ADDR_OWN, slot);
	}
	err = hg_maps_sync_addrs(&agent->maps, entries, count);
	if (err)
		hg_error("the data path does not know all addresses: %s", strerror(-err));
	else
		agent->is_own_dirty = false;
	hg_port_forget_filters(agent);
	free(entries);
}

/* --- VIPs on the NICs, and who is told ---------------------------------------- */

static void submit_addresses(struct hg_agent *agent, enum hg_job_type type)
{
	const struct hg_cluster_config *cluster = &agent->setup->cluster;
	struct hg_job job = { .type = type, .key = KEY_VIPS };
	struct hg_worker_address *list = calloc(cluster->vip_count + 1, sizeof(*list));
	int err;

	if (!list)
		return;
	for (unsigned int i = 0; i < cluster->vip_count; i++) {
		const struct hg_vip *vip = &agent->vip[i];

		if (vip->slot < agent->port_count && agent->port[vip->slot].has_nic)
			list[job.addresses.count++] = (struct hg_worker_address){
				agent->port[vip->slot].nic.ifindex, *vip->ip
			};
	}
	job.addresses.list = list;
	err = job.addresses.count ? hg_agent_submit(agent, &job) : 0;
	if (err)
		hg_error("virtual addresses could not be %s the NICs: %s",
			 type == HG_JOB_ADDRESSES_ADD ? "put on" : "taken off", strerror(-err));
	free(list);
}

void hg_vips_add(struct hg_agent *agent)
{
	submit_addresses(agent, HG_JOB_ADDRESSES_ADD);
}

void hg_vips_remove(struct hg_agent *agent)
{
	hg_announce_stop(agent->announce);
	submit_addresses(agent, HG_JOB_ADDRESSES_REMOVE);
}

/* Where the next configuration puts an address: the NIC, 0 nowhere. */
static int next_ifindex(const struct hg_setup *next, unsigned int index)
{
	for (unsigned int p = 0; p < next->cluster.port_count; p++) {
		const struct hg_cluster_port *port = &next->cluster.port[p];

		if (index < port->vip_first || index >= port->vip_first + port->vip_count)
			continue;
		for (unsigned int slot = 0; slot < next->node.port_count; slot++)
			if (!strcmp(next->node.port[slot].name, port->name))
				return next->port[slot].has_nic ? next->port[slot].nic.ifindex : 0;
	}
	return 0;
}

static int compare_placed(const void *a, const void *b)
{
	const struct hg_worker_address *x = a, *y = b;

	if (x->ifindex != y->ifindex)
		return x->ifindex < y->ifindex ? -1 : 1;
	return compare_ip(&x->ip, &y->ip);
}

/* A reload: takes those off the NICs that the next configuration does not have there. */
void hg_vips_remove_missing(struct hg_agent *agent, const struct hg_setup *next)
{
	unsigned int count = agent->setup->cluster.vip_count, stays = next->cluster.vip_count;
	struct hg_worker_address *gone = calloc(count + 1, sizeof(*gone));
	struct hg_worker_address *kept = calloc(stays + 1, sizeof(*kept));
	struct hg_job job = { .type = HG_JOB_ADDRESSES_REMOVE };

	for (unsigned int i = 0; kept && i < stays; i++)
		kept[i] = (struct hg_worker_address){ next_ifindex(next, i), next->vip[i] };
	if (kept)
		qsort(kept, stays, sizeof(*kept), compare_placed);
	for (unsigned int i = 0; gone && kept && i < count; i++) {
		const struct hg_vip *vip = &agent->vip[i];
		struct hg_worker_address was = { .ip = *vip->ip };

		if (vip->slot >= agent->port_count || !agent->port[vip->slot].has_nic)
			continue;
		was.ifindex = agent->port[vip->slot].nic.ifindex;
		if (!bsearch(&was, kept, stays, sizeof(was), compare_placed))
			gone[job.addresses.count++] = was;
	}
	job.addresses.list = gone;
	if (job.addresses.count)
		hg_agent_submit(agent, &job);
	free(gone);
	free(kept);
}

bool hg_vips_vmac(const struct hg_agent *agent, unsigned int slot, uint8_t ret[6])
{
	const struct hg_agent_port *port = &agent->port[slot];
	uint32_t id = hg_port_id(port->name);

	memset(ret, 0, 6);
	if (!hg_mac_is_virtual(agent, slot))
		return false;
	if (port->cluster->vrid) /* RFC 5798, 7.3 */
		memcpy(ret, (uint8_t[6]){ 0, 0, 0x5e, 0, 1, port->cluster->vrid }, 6);
	else /* locally administered: "hg", group, port */
		memcpy(ret, (uint8_t[6]){ 0x02, 0x68, 0x67, 0, id >> 8, id }, 6);
	return true;
}

/* A NIC with a multicast filter must hand solicitations for IPv6 VIPs to XDP before the
 * takeover, not when the addresses follow. */
static void submit_multicast(struct hg_agent *agent, unsigned int slot, const struct hg_ip *vips)
{
	const struct hg_agent_port *port = &agent->port[slot];
	struct hg_job job = { .type = HG_JOB_MULTICAST_ADD, .key = slot + 1 };
	struct hg_worker_address *list = calloc(port->cluster->vip_count + 1, sizeof(*list));

	for (unsigned int i = 0; list && i < port->cluster->vip_count; i++) {
		if (vips[i].family == 6)
			list[job.addresses.count++] = (struct hg_worker_address){ port->nic.ifindex,
										  vips[i] };
	}
	job.addresses.list = list;
	if (job.addresses.count && port->has_nic && agent->worker)
		hg_agent_submit(agent, &job);
	free(list);
}

void hg_vips_set_port(struct hg_agent *agent, unsigned int slot)
{
	const struct hg_agent_port *port = &agent->port[slot];
	const struct hg_ip *vips = &agent->setup->cluster.vip[port->cluster->vip_first];
	struct hg_job job = { .type = HG_JOB_FILTER_ADD };
	uint8_t mac[6];
	int err;

	if (!hg_vips_vmac(agent, slot, mac)) {
		memcpy(mac, port->nic.mac, sizeof(mac));
	} else if (port->has_nic && agent->worker) {
		job.filter.ifindex = port->nic.ifindex;
		memcpy(job.filter.mac, mac, sizeof(mac));
		hg_agent_submit(agent, &job);
	}
	err = hg_announce_set_port(agent->announce, slot, port->has_nic ? port->nic.ifindex : 0,
				   mac, vips, port->cluster->vip_count);
	submit_multicast(agent, slot, vips);
	if (err)
		hg_error("port %s: no announcements: %s", port->name, strerror(-err));
}

static int on_announcing(sd_event_source *source, uint64_t usec, void *context)
{
	struct hg_agent *agent = context;
	struct hg_time next = hg_announce_continue(agent->announce, hg_now());

	(void)usec;
	if (next.ns == UINT64_MAX)
		return sd_event_source_set_enabled(source, SD_EVENT_OFF);
	sd_event_source_set_time(source, next.ns / 1000 + 1);
	return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static void continue_announcing(struct hg_agent *agent)
{
	if (agent->announcing) {
		on_announcing(agent->announcing, 0, agent);
		return;
	}
	sd_event_add_time(agent->event, &agent->announcing, CLOCK_BOOTTIME, 0, 1, on_announcing,
			  agent);
	on_announcing(agent->announcing, 0, agent);
}

void hg_vips_announce(struct hg_agent *agent)
{
	struct hg_time now = hg_now();

	hg_announce_start(agent->announce, now);
	hg_neigh_start(agent->neigh, now);
	continue_announcing(agent);
}

/* A segment was cut and has healed, maybe as the only one of several: its hosts may
 * know the other node's MAC, and were not reached by what this node announced. */
void hg_vips_on_step(struct hg_agent *agent)
{
	bool is_due = false;

	for (unsigned int slot = 0; slot < agent->port_count; slot++) {
		struct hg_agent_port *port = &agent->port[slot];
		uint64_t was = port->heard_before, heard = agent->maps.path[slot].heard;

		port->heard_before = heard;
		if (!was || heard < was + agent->elect.config.lease.ns ||
		    agent->elect.state != HG_EL_ACTIVE)
			continue;
		hg_announce_again(agent->announce, slot, hg_now());
		is_due = true;
	}
	if (is_due)
		continue_announcing(agent);
}

/* The closed loop: a standby that still gets frames for the VIPs says so in HELLO. */
void hg_vips_slow_tick(struct hg_agent *agent)
{
	struct hg_time now = hg_now();
	bool is_due = false;

	if (agent->is_own_dirty)
		hg_vips_sync_maps(agent);
	for (unsigned int slot = 0; slot < agent->port_count; slot++) {
		struct hg_agent_port *port = &agent->port[slot];
		uint32_t stray = be32toh(port->hello.stray);

		if (stray != port->stray_peer && agent->elect.state == HG_EL_ACTIVE) {
			hg_announce_again(agent->announce, slot, now);
			is_due = true;
		}
		port->stray_peer = stray;
	}
	if (is_due)
		continue_announcing(agent);
}
