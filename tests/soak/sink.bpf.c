// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The sink: sees each frame that leaves a gateway, at the switch end of its cable, in
 * the order in which they arrive there, and decides whether two nodes speak at once.
 *
 * An owner frame of node X is
 *   - a claim: ARP (question or answer) whose sender address is a VIP, a neighbour
 *     advertisement whose target is a VIP, any IP packet whose source is a VIP;
 *   - transit: any other IP packet whose source is no address of a gateway, unless
 *     X drains (now < drain_until). Hosts may still send to it then.
 * A frame that the cable loses (cut, power off) was seen by nobody and does not count;
 * copies that the cable makes do not count either.
 *
 * The epoch of an owner frame is the one under which X serves at that moment, read
 * from X's own map hg_state (sink_truth); or, when X does not serve, the last one
 * under which it spoke. X's term begins with its first owner frame under an epoch. A
 * node that lost power has no term any more.
 *
 *   two   the other node's term began after X's, and X speaks on in its old one. This
 *         is what "frame from two owners" means: not until X is elected anew, under
 *         another epoch, may it speak again. Unless the other node has yielded to X's
 *         epoch, which is above its own: so a partition ends in which X was elected first.
 *   mute  X neither serves nor drains, and speaks all the same.
 *   both  both nodes' maps say "serves" at the moment of this frame, whoever sent it.
 *
 * A frame passes queues between X's decision and this program, and X cannot call it
 * back when it is fenced meanwhile. A mute frame that comes within SINK_FLIGHT_NS of X's
 * silence was under way and counts as `flight`; one that another node's first frame
 * overtook in that time counts as `crossed` instead of `two`. Both are reported, with
 * the longest such time.
 *
 * Under `isolation: continue` both nodes serve while they cannot hear each other at
 * all. The soak declares such times (is_declared); they are counted apart, with their
 * first and last frame.
 *
 * A count that needs no map of the sender and so fits any software: `foreign`, ARP in
 * the name of a VIP from another node than the one that announced it last.
 *
 * sink_to, on the way to the node, hands frames to a program that holds them for a
 * while (delay.c) and sends them on with MARK_HELD: delay and reordering.
 */
#include <linux/bpf.h>
#include <linux/icmpv6.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "hagate/abi.h"
#include "tests/soak/sink.h"

char LICENSE[] SEC("license") = "GPL";

#define ND_ADVERT 136
#define MARK_COPY 0x68670001 /* wire.bpf.c made this copy */
#define MARK_HELD 0x68670003 /* delay.c sends it on */

/* Shaped like hg_state of a node: only such maps can be put into sink_truth. */
struct truth {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, HG_GROUPS_MAX);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(struct hg_state));
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, SINK_NODES);
	__type(key, __u32);
	__array(values, struct truth);
} sink_truth SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, struct sink_port);
} sink_port SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, struct sink_addr_key);
	__type(value, __u32);
} sink_addr SEC(".maps");

/* Who announced a VIP last. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, struct sink_addr_key);
	__type(value, __u32);
} sink_announcer SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct sink_all);
} sink_all SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SINK_NODES);
	__type(key, __u32);
	__type(value, struct sink_node);
} sink_node SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct sink_declared);
} sink_declared SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SINK_RECORDS);
	__type(key, __u32);
	__type(value, struct sink_record);
} sink_record SEC(".maps");

/* linux/if_arp.h needs a C library that a BPF target has not. */
struct arp_body {
	__be16 hardware, protocol;
	__u8 hardware_len, protocol_len;
	__be16 operation;
	__u8 sha[ETH_ALEN];
	__u8 spa[4];
	__u8 tha[ETH_ALEN];
	__u8 tpa[4];
} __attribute__((packed));

struct frame {
	struct sink_addr_key addr;
	enum sink_kind kind;
	__u8 is_arp;
	__u8 is_announcement;
};

static __always_inline __u32 kind_of(const struct sink_addr_key *addr)
{
	__u32 *kind = bpf_map_lookup_elem(&sink_addr, addr);

	return kind ? *kind : 0;
}

static __always_inline void read_arp(struct __sk_buff *skb, struct frame *f)
{
	struct arp_body arp;

	if (bpf_skb_load_bytes(skb, ETH_HLEN, &arp, sizeof(arp)))
		return;
	__builtin_memcpy(f->addr.addr, arp.spa, sizeof(arp.spa));
	if (kind_of(&f->addr) != SINK_ADDR_VIP)
		return;
	f->kind = SINK_CLAIM;
	f->is_arp = 1;
	f->is_announcement = *(__u32 *)arp.spa == *(__u32 *)arp.tpa;
}

static __always_inline void read_ip4(struct __sk_buff *skb, struct frame *f)
{
	struct iphdr ip;
	__u32 kind;

	if (bpf_skb_load_bytes(skb, ETH_HLEN, &ip, sizeof(ip)) || !ip.saddr)
		return;
	__builtin_memcpy(f->addr.addr, &ip.saddr, sizeof(ip.saddr));
	kind = kind_of(&f->addr);
	if (kind != SINK_ADDR_OWN)
		f->kind = kind == SINK_ADDR_VIP ? SINK_CLAIM : SINK_TRANSIT;
}

static __always_inline void read_ip6(struct __sk_buff *skb, struct frame *f)
{
	struct {
		struct ipv6hdr ip;
		struct icmp6hdr icmp;
		__u8 target[16];
	} nd = {};
	__u32 kind;

	if (bpf_skb_load_bytes(skb, ETH_HLEN, &nd.ip, sizeof(nd.ip)))
		return;
	if (nd.ip.nexthdr == IPPROTO_ICMPV6 &&
	    !bpf_skb_load_bytes(skb, ETH_HLEN, &nd, sizeof(nd)) &&
	    nd.icmp.icmp6_type == ND_ADVERT) {
		__builtin_memcpy(f->addr.addr, nd.target, sizeof(nd.target));
		if (kind_of(&f->addr) == SINK_ADDR_VIP) {
			f->kind = SINK_CLAIM;
			return;
		}
	}
	__builtin_memcpy(f->addr.addr, &nd.ip.saddr, sizeof(nd.ip.saddr));
	if (!f->addr.addr[0] || (f->addr.addr[0] == 0xfe && (f->addr.addr[1] & 0xc0) == 0x80))
		return;
	kind = kind_of(&f->addr);
	if (kind != SINK_ADDR_OWN)
		f->kind = kind == SINK_ADDR_VIP ? SINK_CLAIM : SINK_TRANSIT;
}

static __always_inline void read_frame(struct __sk_buff *skb, struct frame *f)
{
	if (skb->protocol == bpf_htons(ETH_P_ARP))
		read_arp(skb, f);
	else if (skb->protocol == bpf_htons(ETH_P_IP))
		read_ip4(skb, f);
	else if (skb->protocol == bpf_htons(ETH_P_IPV6))
		read_ip6(skb, f);
}

static __always_inline struct hg_state *truth_of(__u32 node)
{
	void *inner = bpf_map_lookup_elem(&sink_truth, &node);
	__u32 group = 0;

	return inner ? bpf_map_lookup_elem(inner, &group) : NULL;
}

static __always_inline void raise(__u64 *word, __u64 value)
{
	__u64 old = *(volatile __u64 *)word;

	for (int i = 0; i < 4 && old < value; i++) {
		__u64 was = __sync_val_compare_and_swap(word, old, value);

		if (was == old)
			break;
		old = was;
	}
}

static __always_inline void record(struct sink_all *all, const struct sink_record *r)
{
	__u32 slot = __sync_fetch_and_add(&all->records, 1) % SINK_RECORDS;

	bpf_map_update_elem(&sink_record, &slot, r, BPF_ANY);
}

/* How long the sender has been silent at least. */
static __always_inline __u64 silent_ns(const struct sink_record *r)
{
	__u64 since = r->served_at > r->fenced_at ? r->served_at : r->fenced_at;

	if (since < r->drain_until && r->drain_until < r->at)
		since = r->drain_until;
	if (since < r->lease_until && r->lease_until < r->at)
		since = r->lease_until;
	return r->at > since ? r->at - since : 0;
}

/* Counts what is wrong with an owner frame (bits of enum sink_bad). */
static __always_inline void judge(struct sink_all *all, struct sink_record *r)
{
	__u32 zero = 0;
	struct sink_declared *declared = bpf_map_lookup_elem(&sink_declared, &zero);
	__u64 *counters = declared && declared->is_declared ? all->declared : all->bad;

	for (int i = 0; i < SINK_BADS; i++)
		if (r->bads & 1 << i)
			__sync_fetch_and_add(&counters[i], 1);
	if (!declared || !declared->is_declared) {
		record(all, r);
		return;
	}
	if (!(r->bads & (1 << SINK_TWO | 1 << SINK_BOTH)))
		return;
	if (!declared->first)
		declared->first = r->at;
	raise(&declared->last, r->at);
}

static __always_inline void count_flight(struct sink_all *all, const struct sink_record *r,
					 int is_crossed)
{
	__sync_fetch_and_add(is_crossed ? &all->crossed : &all->flight, 1);
	raise(is_crossed ? &all->crossed_max : &all->flight_max, silent_ns(r));
	if (is_crossed)
		record(all, r);
}

/* The other node's term is over: fenced by this node's epoch, or by one above it. */
static __always_inline int has_yielded(const struct hg_state *theirs,
				       const struct sink_node *other_node,
				       const struct sink_node *node)
{
	return theirs && other_node->epoch < node->epoch &&
	       *(volatile const __u64 *)&theirs->fence_epoch >= node->epoch;
}

static __always_inline void look(struct sink_all *all, const struct hg_state *state,
				 struct sink_record *r)
{
	__u32 other = r->node == 1 ? 2 : 1;
	const struct hg_state *theirs = truth_of(other);
	struct sink_node *node = bpf_map_lookup_elem(&sink_node, &r->node);
	struct sink_node *other_node = bpf_map_lookup_elem(&sink_node, &other);
	int is_serving, is_superseded;

	if (!node || !other_node)
		return;
	r->served_at = node->served_at;
	r->epoch = *(volatile __u64 *)&state->epoch;
	r->fence_epoch = state->fence_epoch;
	r->lease_until = state->lease_until;
	r->drain_until = state->drain_until;
	r->fenced_at = state->fenced_at;
	r->other_epoch = other_node->epoch;
	is_serving = hg_state_serves(state, r->at);
	if (is_serving)
		node->served_at = r->at;
	if (is_serving && theirs && hg_state_serves(theirs, r->at))
		r->bads |= 1 << SINK_BOTH;
	if (r->kind == SINK_NONE)
		return;
	if (!is_serving && r->kind == SINK_TRANSIT && r->at < r->drain_until) {
		__sync_fetch_and_add(&all->drained, 1);
		return;
	}
	if (is_serving && r->epoch != node->epoch) {
		node->epoch = r->epoch;
		node->began_at = r->at;
	}
	is_superseded = other_node->began_at > node->began_at &&
			!has_yielded(theirs, other_node, node);
	if (!is_serving && silent_ns(r) < SINK_FLIGHT_NS) {
		count_flight(all, r, is_superseded);
		return;
	}
	if (is_superseded)
		r->bads |= 1 << SINK_TWO;
	if (!is_serving)
		r->bads |= 1 << SINK_MUTE;
}

static __always_inline void count_foreign(struct sink_all *all, const struct frame *f, __u32 node)
{
	__u32 *announcer;

	if (f->is_announcement) {
		bpf_map_update_elem(&sink_announcer, &f->addr, &node, BPF_ANY);
		return;
	}
	announcer = bpf_map_lookup_elem(&sink_announcer, &f->addr);
	if (f->is_arp && announcer && *announcer != node)
		__sync_fetch_and_add(&all->foreign, 1);
}

SEC("tc")
int sink_from(struct __sk_buff *skb)
{
	struct frame f = {};
	struct sink_record r = {};
	__u32 ifindex = skb->ifindex, zero = 0;
	struct sink_port *port = bpf_map_lookup_elem(&sink_port, &ifindex);
	struct sink_all *all = bpf_map_lookup_elem(&sink_all, &zero);
	struct hg_state *state;

	if (!port || !all || skb->mark == MARK_COPY || port->node >= SINK_NODES)
		return TC_ACT_UNSPEC;
	read_frame(skb, &f);
	r.at = bpf_ktime_get_boot_ns();
	r.node = port->node;
	r.ifindex = ifindex;
	r.kind = f.kind;
	__builtin_memcpy(r.addr, f.addr.addr, sizeof(r.addr));
	if (f.kind != SINK_NONE)
		__sync_fetch_and_add(f.kind == SINK_CLAIM ? &all->claims : &all->transit, 1);
	count_foreign(all, &f, port->node);
	state = truth_of(port->node);
	if (!state) {
		if (f.kind != SINK_NONE)
			__sync_fetch_and_add(&all->bare, 1);
		return TC_ACT_UNSPEC;
	}
	look(all, state, &r);
	if (r.bads)
		judge(all, &r);
	return TC_ACT_UNSPEC;
}

SEC("tc")
int sink_to(struct __sk_buff *skb)
{
	__u32 ifindex = skb->ifindex;
	struct sink_port *port = bpf_map_lookup_elem(&sink_port, &ifindex);

	if (!port || !port->delay_to || skb->mark == MARK_HELD)
		return TC_ACT_UNSPEC;
	if (bpf_get_prandom_u32() % 1000 >= port->delay_to)
		return TC_ACT_UNSPEC;
	return bpf_redirect(port->holder, 0);
}
