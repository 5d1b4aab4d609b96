// SPDX-License-Identifier: GPL-2.0-or-later
/* A node for the tests, see rig.h. */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "rig.h"

#include "egress.skel.h"
#include "gate.skel.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

struct rig node_a, node_b, node_v;
const uint8_t mac_host[6] = { 0x02, 0xcc, 0, 0, 0, 1 };
const uint8_t mac_all[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
const uint8_t mac_virtual[6] = { 0x02, 0x68, 0x67, 1, 0, 0 };

#define RIG_COUNTERS (3 * HG_R_COUNT) /* of all ports, the foreign one included */

static bool is_seen[HG_R_COUNT];

static const char *const reason_names[] = {
#define NAME(id, name, text) name,
	HG_PACKET_REASONS(NAME)
#undef NAME
};

bool rig_has_seen(enum hg_reason reason)
{
	return is_seen[reason];
}

const char *rig_reason_name(enum hg_reason reason)
{
	return reason < HG_R_COUNT ? reason_names[reason] : "no single reason";
}

uint64_t rig_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

int rig_ifindex(enum rig_port port)
{
	static const char *const name[] = { "lo", "wan", "foreign" };
	unsigned int ifindex = if_nametoindex(name[port]);

	assert_true(ifindex != 0);
	return (int)ifindex;
}

static void *map_array(struct bpf_map *map)
{
	long page = sysconf(_SC_PAGESIZE);
	size_t len = (bpf_map__value_size(map) + 7u) / 8 * 8 * bpf_map__max_entries(map);
	void *at = mmap(NULL, (len + (size_t)page - 1) / (size_t)page * (size_t)page,
			PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(map), 0);

	assert_true(at != MAP_FAILED);
	return at;
}

static void set_port(struct rig *rig, enum rig_port port, const char *name, const uint8_t *mac,
		     bool is_virtual)
{
	uint32_t ifindex = (uint32_t)rig_ifindex(port);
	struct hg_port entry = { .slot = port, .id = hg_port_id(name) };

	memcpy(entry.mac, mac, 6);
	if (is_virtual)
		memcpy(entry.vmac, mac_virtual, 6);
	snprintf(entry.name, sizeof(entry.name), "%s", name);
	assert_int_equal(bpf_map_update_elem(bpf_map__fd(rig->gate->maps.hg_port), &ifindex, &entry,
					     BPF_ANY),
			 0);
}

static void set_addr(struct rig *rig, const char *text, enum hg_addr_kind kind, uint32_t slot)
{
	struct hg_addr value = { .kind = kind, .slot = slot };
	bool is_ip6 = strchr(text, ':');
	uint8_t key[16];
	struct bpf_map *map = is_ip6 ? rig->gate->maps.hg_addr6 : rig->gate->maps.hg_addr4;

	assert_int_equal(inet_pton(is_ip6 ? AF_INET6 : AF_INET, text, key), 1);
	assert_int_equal(bpf_map_update_elem(bpf_map__fd(map), key, &value, BPF_ANY), 0);
}

static void set_addrs(struct rig *rig)
{
	char text[32];

	snprintf(text, sizeof(text), "10.1.0.%d", rig->node + 1);
	set_addr(rig, text, HG_ADDR_OWN, RIG_LAN);
	snprintf(text, sizeof(text), "10.2.0.%d", rig->node + 1);
	set_addr(rig, text, HG_ADDR_OWN, RIG_WAN);
	snprintf(text, sizeof(text), "fd01::%d", rig->node + 1);
	set_addr(rig, text, HG_ADDR_OWN, RIG_LAN);
	snprintf(text, sizeof(text), "fd02::%d", rig->node + 1);
	set_addr(rig, text, HG_ADDR_OWN, RIG_WAN);
	set_addr(rig, "10.1.0.1", HG_ADDR_VIP, RIG_LAN);
	set_addr(rig, "fd01::1", HG_ADDR_VIP, RIG_LAN);
	set_addr(rig, "fe80::1", HG_ADDR_VIP, RIG_LAN);
	set_addr(rig, "10.2.0.1", HG_ADDR_VIP, RIG_WAN);
	set_addr(rig, "fd02::1", HG_ADDR_VIP, RIG_WAN);
}

/* The key of one direction: both nodes make the same one. */
static void make_key(__u64 *ret, uint32_t id, uint8_t sender)
{
	ret[0] = 0x0123456789abcdefull * (id + 1) + sender;
	ret[1] = 0xfedcba9876543210ull ^ (uint64_t)id << 32 ^ sender;
}

void rig_set_key(struct rig *rig, enum hg_key_slot slot, uint32_t id)
{
	struct hg_key *key = &rig->key[slot];
	uint32_t index = slot;

	*key = (struct hg_key){ .id = id };
	make_key(key->tx, id, rig->node);
	make_key(key->rx, id, 3 - rig->node);
	assert_int_equal(
		bpf_map_update_elem(bpf_map__fd(rig->gate->maps.hg_key), &index, key, BPF_ANY), 0);
}

static int on_event(void *context, void *data, size_t len)
{
	struct rig *rig = context;

	assert_int_equal(len, sizeof(rig->event));
	memcpy(&rig->event, data, sizeof(rig->event));
	rig->events++;
	return 0;
}

unsigned int rig_events(struct rig *rig)
{
	rig->events = 0;
	ring_buffer__consume(rig->ring);
	return rig->events;
}

static int share_maps(struct rig *rig)
{
	struct bpf_map *map, *from;

	bpf_object__for_each_map(map, rig->egress->obj)
	{
		from = bpf_object__find_map_by_name(rig->gate->obj, bpf_map__name(map));
		if (!bpf_map__is_internal(map) && from && bpf_map__reuse_fd(map, bpf_map__fd(from)))
			return -errno;
	}
	return 0;
}

static int load(struct rig *rig, uint8_t node, bool is_virtual)
{
	struct hg_config config = {
		.lease_ns = RIG_LEASE_NS,
		.agent_grace_ns = RIG_GRACE_NS,
		.drain_ns = RIG_DRAIN_NS,
		.udp_port = HG_WIRE_UDP_PORT,
		.failsafe_ports = { 22, 2222 },
		.sync_port = HG_SYNC_PORT,
		.node = node,
		.group = 0,
		.min_ttl = is_virtual ? 1 : 255, /* so node_v stands for routed heartbeats too */
		.is_virtual = is_virtual,
		.peers = { 3 - node },
		.witness = { 198, 51, 100, 44 },
		.witness_family = 4,
		.witness_port = HG_WIRE_UDP_PORT + 1,
	};

	rig->node = node;
	rig->gate = gate_bpf__open();
	rig->egress = egress_bpf__open();
	if (!rig->gate || !rig->egress)
		return -errno;
	rig->gate->rodata->hg_config = config;
	rig->egress->rodata->hg_config = config;
	if (gate_bpf__load(rig->gate) || share_maps(rig) || egress_bpf__load(rig->egress))
		return -errno;
	rig->ring = ring_buffer__new(bpf_map__fd(rig->gate->maps.hg_events), on_event, rig, NULL);
	if (!rig->ring)
		return -errno;
	rig->state = map_array(rig->gate->maps.hg_state);
	rig->peer = map_array(rig->gate->maps.hg_peer);
	rig->path = map_array(rig->gate->maps.hg_path);
	rig->gap = map_array(rig->gate->maps.hg_gap);
	memcpy(rig->lan_mac, (uint8_t[]){ 0x02, 0xaa, 0, 0, node, 1 }, 6);
	memcpy(rig->wan_mac, (uint8_t[]){ 0x02, 0xaa, 0, 0, node, 2 }, 6);
	set_port(rig, RIG_LAN, "lan", rig->lan_mac, is_virtual);
	set_port(rig, RIG_WAN, "wan", rig->wan_mac, is_virtual);
	set_addrs(rig);
	return 0;
}

int rig_setup(void **state)
{
	(void)state;
	if (unshare(CLONE_NEWNET) ||
	    system("ip link set lo up && ip link add wan type veth peer name foreign")) {
		fprintf(stderr, "needs root and a network namespace\n");
		return -1;
	}
	return load(&node_a, 1, false) || load(&node_b, 2, false) || load(&node_v, 1, true);
}

static void unload(struct rig *rig)
{
	ring_buffer__free(rig->ring);
	gate_bpf__destroy(rig->gate);
	egress_bpf__destroy(rig->egress);
}

int rig_teardown(void **state)
{
	(void)state;
	unload(&node_a);
	unload(&node_b);
	unload(&node_v);
	return 0;
}

void rig_reset(struct rig *rig)
{
	uint64_t zero = 0;
	uint32_t slot;

	memset(rig->state, 0, sizeof(*rig->state));
	memset(rig->peer, 0, sizeof(*rig->peer) * HG_PEERS_MAX);
	memset(rig->path, 0, sizeof(*rig->path) * HG_PEERS_MAX * HG_SLOTS_MAX);
	memset(rig->gap, 0, sizeof(*rig->gap) * HG_PEERS_MAX);
	memset(rig->peer[0].nonce, 0x10 + (3 - rig->node), HG_WIRE_NONCE_LEN);
	rig->state->agent_seen = rig_now();
	rig_set_key(rig, HG_KEY_CLUSTER, 0xc1);
	rig_set_key(rig, HG_KEY_CLUSTER_NEXT, 0);
	rig_set_key(rig, HG_KEY_SESSION0, 0x50);
	rig_set_key(rig, HG_KEY_SESSION1, 0);
	for (slot = 0; slot < HG_SLOTS_MAX; slot++)
		bpf_map_update_elem(bpf_map__fd(rig->gate->maps.hg_limit), &slot, &zero, BPF_ANY);
	rig_events(rig);
}

void rig_serve(struct rig *rig, uint64_t epoch)
{
	rig->state->epoch = epoch;
	rig->state->fence_epoch = 0;
	rig->state->lease_until = rig_now() + RIG_LEASE_NS;
}

void rig_drain(struct rig *rig)
{
	rig->state->lease_until = 0;
	rig->state->drain_until = rig_now() + RIG_DRAIN_NS;
}

static void read_stats(struct rig *rig, struct hg_stat *ret)
{
	static struct hg_stat cpus[1024];
	int fd = bpf_map__fd(rig->gate->maps.hg_stats);
	int count = libbpf_num_possible_cpus();
	uint32_t key;
	int i;

	for (key = 0; key < RIG_COUNTERS; key++) {
		ret[key] = (struct hg_stat){ 0 };
		assert_int_equal(bpf_map_lookup_elem(fd, &key, cpus), 0);
		for (i = 0; i < count; i++) {
			ret[key].packets += cpus[i].packets;
			ret[key].octets += cpus[i].octets;
		}
	}
}

/* The one reason on the right port whose counter rose by one frame; HG_R_COUNT: no
 * counter moved; HG_R_NONE: anything else. */
static enum hg_reason counted(struct rig *rig, const struct hg_stat *before, enum rig_port port,
			      size_t octets)
{
	static struct hg_stat after[RIG_COUNTERS];
	enum hg_reason found = HG_R_NONE;
	unsigned int key, rises = 0;

	read_stats(rig, after);
	for (key = 0; key < RIG_COUNTERS; key++) {
		if (after[key].packets == before[key].packets)
			continue;
		rises++;
		if (key / HG_R_COUNT == (unsigned int)port &&
		    after[key].packets == before[key].packets + 1 &&
		    after[key].octets == before[key].octets + octets)
			found = key % HG_R_COUNT;
	}
	if (!rises)
		return HG_R_COUNT;
	if (rises != 1)
		return HG_R_NONE;
	is_seen[found] = true;
	return found;
}

static int run(struct rig *rig, int fd, const struct frame *f, void *context, size_t len)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = f->data, .data_size_in = (__u32)f->len,
		    .data_out = rig->out.data, .data_size_out = FRAME_MAX, .ctx_in = context,
		    .ctx_size_in = (__u32)len, .repeat = 1);
	int err = bpf_prog_test_run_opts(fd, &opts);

	rig->verdict = (int)opts.retval;
	rig->out.len = opts.data_size_out;
	rig->ns = opts.duration;
	return err;
}

enum hg_reason rig_run_gate(struct rig *rig, enum rig_port port, const struct frame *f,
			    size_t linear)
{
	static struct hg_stat before[RIG_COUNTERS];
	struct xdp_md context = { .data_end = (__u32)linear,
				  .ingress_ifindex = (__u32)rig_ifindex(port) };

	read_stats(rig, before);
	if (run(rig, bpf_program__fd(rig->gate->progs.hg_gate), f, &context, sizeof(context)))
		return HG_R_NONE;
	return counted(rig, before, port, f->len);
}

enum hg_reason rig_run_egress(struct rig *rig, enum rig_port port, bool is_transit,
			      const struct frame *f)
{
	static struct hg_stat before[RIG_COUNTERS];
	struct __sk_buff context = {
		.ifindex = (__u32)rig_ifindex(port),
		.ingress_ifindex = is_transit ? (__u32)rig_ifindex(RIG_FOREIGN) : 0,
	};

	read_stats(rig, before);
	if (run(rig, bpf_program__fd(rig->egress->progs.hg_egress), f, &context, sizeof(context)))
		return HG_R_NONE;
	return counted(rig, before, port, f->len);
}

static void judge(struct rig *rig, enum hg_reason found, int verdict, enum hg_reason reason,
		  const char *file, int line)
{
	if (found == reason && rig->verdict == verdict)
		return;
	print_error("wanted %s with verdict %d, got %s with %d\n", rig_reason_name(reason), verdict,
		    rig_reason_name(found), rig->verdict);
	_fail(file, line);
}

void rig_expect_gate(struct rig *rig, enum rig_port port, const struct frame *f, int verdict,
		     enum hg_reason reason, const char *file, int line)
{
	judge(rig, rig_run_gate(rig, port, f, f->len), verdict, reason, file, line);
}

void rig_expect_egress(struct rig *rig, enum rig_port port, bool is_transit, const struct frame *f,
		       int verdict, enum hg_reason reason, const char *file, int line)
{
	judge(rig, rig_run_egress(rig, port, is_transit, f), verdict, reason, file, line);
}
