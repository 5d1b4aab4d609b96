// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The lab's cables: programs on the switch end of each gateway's port.
 *
 * XDP there is also what makes XDP_TX of the gateway's end arrive at all: veth
 * drops such frames silently when the peer has no XDP program.
 *
 *   from the node: wire_from (XDP: cut, lose, count), wire_from_tc (duplicate)
 *   to the node:   wire_to (tc egress: cut, lose, duplicate)
 *
 * wire_nic mends a peculiarity of veth at the node's own end: the kernel notes that
 * a frame is for another host before XDP runs, and keeps that although XDP wrote the
 * NIC's own MAC into it. Drivers of real NICs look at the MAC after XDP.
 *
 * The lab writes wire_port and wire_node, the programs write wire_seen.
 */
#include <linux/bpf.h>
#include <linux/icmpv6.h>
#include <linux/in.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>
#include <linux/udp.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "hagate/wire.h"
#include "tests/lab/wire.h"

char LICENSE[] SEC("license") = "GPL";

#define ARP_REPLY 2
#define ND_ADVERT 136
/* linux/if_packet.h */
#define PACKET_HOST 0
#define PACKET_OTHERHOST 3
/* Mark a duplicated frame, so that it is not copied again in the same direction. */
#define MARK_FROM 0x68670001
#define MARK_TO 0x68670002

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, struct wire_port);
} wire_port SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, WIRE_NODES);
	__type(key, __u32);
	__type(value, struct wire_node);
} wire_node SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, struct wire_seen_key);
	__type(value, struct wire_seen);
} wire_seen SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, struct wire_nic);
} wire_nic_mac SEC(".maps");

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

static __always_inline int chance(__u32 per_mille)
{
	return per_mille && bpf_get_prandom_u32() % 1000 < per_mille;
}

static __always_inline __u32 flags_of(const struct wire_port *port)
{
	__u32 node = port->node;
	struct wire_node *whole = bpf_map_lookup_elem(&wire_node, &node);

	return port->flags | (whole ? whole->flags : 0);
}

static __always_inline int is_heartbeat(const struct udphdr *udp, const void *end)
{
	if ((const void *)(udp + 1) > end)
		return 0;
	return udp->dest == bpf_htons(HG_WIRE_UDP_PORT) ||
	       udp->source == bpf_htons(HG_WIRE_UDP_PORT);
}

static __always_inline void read_arp(void *data, void *end, struct wire_seen_key *key)
{
	struct arp_body *arp = data;

	if ((void *)(arp + 1) > end)
		return;
	key->kind = arp->operation == bpf_htons(ARP_REPLY) ? WIRE_ARP_REPLY : WIRE_ARP_REQUEST;
	__builtin_memcpy(key->addr, arp->spa, 4);
}

static __always_inline void read_ip4(void *data, void *end, struct wire_seen_key *key)
{
	struct iphdr *ip = data;

	if ((void *)(ip + 1) > end)
		return;
	key->kind = WIRE_IP4;
	__builtin_memcpy(key->addr, &ip->saddr, 4);
	if (ip->protocol == IPPROTO_UDP && ip->ihl == 5 &&
	    is_heartbeat((struct udphdr *)(ip + 1), end))
		key->kind = WIRE_HEARTBEAT;
}

static __always_inline void read_ip6(void *data, void *end, struct wire_seen_key *key)
{
	struct ipv6hdr *ip = data;
	struct icmp6hdr *icmp;
	__u8 *target;

	if ((void *)(ip + 1) > end)
		return;
	key->kind = WIRE_IP6;
	__builtin_memcpy(key->addr, &ip->saddr, 16);
	if (ip->nexthdr == IPPROTO_UDP && is_heartbeat((struct udphdr *)(ip + 1), end))
		key->kind = WIRE_HEARTBEAT;
	if (ip->nexthdr != IPPROTO_ICMPV6)
		return;
	icmp = (struct icmp6hdr *)(ip + 1);
	target = (__u8 *)(icmp + 1);
	if ((void *)(target + 16) > end || icmp->icmp6_type != ND_ADVERT)
		return;
	key->kind = WIRE_ADVERT;
	__builtin_memcpy(key->addr, target, 16);
}

static __always_inline void read_frame(void *data, void *end, struct wire_seen_key *key)
{
	struct ethhdr *eth = data;

	if ((void *)(eth + 1) > end)
		return;
	__builtin_memcpy(key->mac, eth->h_source, ETH_ALEN);
	if (eth->h_proto == bpf_htons(ETH_P_ARP))
		read_arp(eth + 1, end, key);
	else if (eth->h_proto == bpf_htons(ETH_P_IP))
		read_ip4(eth + 1, end, key);
	else if (eth->h_proto == bpf_htons(ETH_P_IPV6))
		read_ip6(eth + 1, end, key);
}

static __always_inline void count(const struct wire_seen_key *key)
{
	__u64 now = bpf_ktime_get_boot_ns();
	struct wire_seen first = { .packets = 1, .first_ns = now, .last_ns = now };
	struct wire_seen *seen = bpf_map_lookup_elem(&wire_seen, key);

	if (!seen) {
		bpf_map_update_elem(&wire_seen, key, &first, BPF_NOEXIST);
		return;
	}
	__sync_fetch_and_add(&seen->packets, 1);
	seen->last_ns = now;
}

SEC("xdp")
int wire_from(struct xdp_md *ctx)
{
	struct wire_seen_key key = { .ifindex = ctx->ingress_ifindex };
	struct wire_port *port = bpf_map_lookup_elem(&wire_port, &key.ifindex);
	__u32 flags;

	if (!port)
		return XDP_PASS;
	read_frame((void *)(long)ctx->data, (void *)(long)ctx->data_end, &key);
	flags = flags_of(port);
	if (flags & WIRE_CUT_FROM)
		return XDP_DROP;
	if ((flags & WIRE_CUT_HEARTBEAT_FROM) && key.kind == WIRE_HEARTBEAT)
		return XDP_DROP;
	if (chance(port->loss_from))
		return XDP_DROP;
	count(&key);
	return XDP_PASS;
}

SEC("tc")
int wire_from_tc(struct __sk_buff *skb)
{
	__u32 ifindex = skb->ifindex;
	struct wire_port *port = bpf_map_lookup_elem(&wire_port, &ifindex);

	if (!port || skb->mark == MARK_FROM)
		return TC_ACT_OK;
	if (chance(port->duplicate_from)) {
		skb->mark = MARK_FROM;
		bpf_clone_redirect(skb, ifindex, BPF_F_INGRESS);
	}
	return TC_ACT_OK;
}

SEC("tc")
int wire_to(struct __sk_buff *skb)
{
	__u32 ifindex = skb->ifindex;
	struct wire_port *port = bpf_map_lookup_elem(&wire_port, &ifindex);
	struct wire_seen_key key = {};
	__u32 flags;

	if (!port || skb->mark == MARK_TO)
		return TC_ACT_OK;
	flags = flags_of(port);
	if (flags & WIRE_CUT_TO)
		return TC_ACT_SHOT;
	if (flags & WIRE_CUT_HEARTBEAT_TO) {
		bpf_skb_pull_data(skb, 0);
		read_frame((void *)(long)skb->data, (void *)(long)skb->data_end, &key);
		if (key.kind == WIRE_HEARTBEAT)
			return TC_ACT_SHOT;
	}
	if (chance(port->loss_to))
		return TC_ACT_SHOT;
	if (chance(port->duplicate_to)) {
		skb->mark = MARK_TO;
		bpf_clone_redirect(skb, ifindex, 0);
	}
	return TC_ACT_OK;
}

SEC("tc")
int wire_nic(struct __sk_buff *skb)
{
	__u32 ifindex = skb->ifindex;
	struct wire_nic *nic = bpf_map_lookup_elem(&wire_nic_mac, &ifindex);
	__u8 to[ETH_ALEN];

	if (!nic || skb->pkt_type != PACKET_OTHERHOST || bpf_skb_load_bytes(skb, 0, to, ETH_ALEN))
		return TC_ACT_UNSPEC;
	for (int i = 0; i < ETH_ALEN; i++)
		if (to[i] != nic->mac[i])
			return TC_ACT_UNSPEC;
	bpf_skb_change_type(skb, PACKET_HOST);
	return TC_ACT_UNSPEC;
}
