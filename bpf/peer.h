/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Frames of the other node: checked, obeyed and answered here, without any
 * process. UDP to the heartbeat port of an own address never gets further: it is
 * dropped or turned round.
 *
 * Order of checks, cheapest first and none with an effect before the tag: length,
 * version, TTL, ids, key, tag; then wiring and replay (lease.h). What a wrong key
 * or tag may do is to be counted and to be dated in hg_peer.unauthentic.
 */
#ifndef HG_PEER_H
#define HG_PEER_H

#include "event.h"
#include "lease.h"
#include "parse.h"
#include "siphash.h"

#define HG_PEER_SHORT_WORDS (sizeof(struct hg_wire_head) / 8)
#define HG_PEER_LONG_WORDS ((sizeof(struct hg_wire_long) - HG_WIRE_TAG_LEN) / 8)
#define HG_PEER_OFFSETS 0x7f /* a frame begins before: Ethernet, two tags, IPv6, UDP */

struct peer {
	struct hg_wire_head *head;
	struct hg_peer *entry;
	__u32 index; /* of the peer */
	__u32 slot; /* enum hg_key_slot */
	__u8 session;
	__u8 type; /* enum hg_wire_type, checked */
	bool is_long;
};

static __always_inline bool peer_is_port(const struct hg_pkt *p)
{
	return p->transport == HG_L4_UDP && !p->is_fragment &&
	       p->dport == bpf_htons(hg_config.udp_port);
}

/* To an own address, or to all on the segment: how HELLO finds a peer whose MAC is
 * not known yet. */
static __always_inline bool peer_is_for_us(const struct hg_pkt *p)
{
	return peer_is_port(p) && (p->dst == HG_ADDR_OWN || p->to == HG_MAC_GROUP);
}

/* Headers of fixed size, and a payload that is one whole frame of its type. */
static __always_inline enum hg_verdict peer_check_length(struct hg_pkt *p, struct peer *peer)
{
	const struct udphdr *udp = p->l4;
	struct hg_wire_head *head = (void *)(udp + 1);
	__u32 len;

	if ((void *)head + HG_WIRE_SHORT > p->end)
		return hg_drop(p, HG_R_PEER_LENGTH);
	len = p->l4_len - sizeof(*udp);
	if (bpf_ntohs(udp->len) != p->l4_len || bpf_ntohs(head->length) != len)
		return hg_drop(p, HG_R_PEER_LENGTH);
	peer->head = head;
	peer->type = head->type;
	peer->is_long = head->type == HG_WIRE_HELLO || head->type == HG_WIRE_NEIGH;
	if (p->dst != HG_ADDR_OWN && head->type != HG_WIRE_HELLO)
		return hg_drop(p, HG_R_PEER_NODE);
	if (head->type >= HG_WIRE_TYPES)
		peer->is_long = len == HG_WIRE_LONG;
	if (len != (peer->is_long ? HG_WIRE_LONG : HG_WIRE_SHORT))
		return hg_drop(p, HG_R_PEER_LENGTH);
	if (peer->is_long && (void *)head + HG_WIRE_LONG > p->end)
		return hg_drop(p, HG_R_PEER_LENGTH);
	return HG_NEXT;
}

static __always_inline enum hg_verdict peer_check_head(struct hg_pkt *p, struct peer *peer)
{
	const struct hg_wire_head *head = peer->head;
	__u8 ttl = p->net == HG_NET_IP4 ? ((struct iphdr *)p->l3)->ttl
					: ((struct ipv6hdr *)p->l3)->hop_limit;
	int i;

	if (head->magic != bpf_htons(HG_WIRE_MAGIC) || head->version != HG_WIRE_VERSION ||
	    !head->type || head->type >= HG_WIRE_TYPES)
		return hg_drop(p, HG_R_PEER_VERSION);
	if (ttl < hg_config.min_ttl)
		return hg_drop(p, HG_R_PEER_TTL);
	if (head->group != hg_config.group || head->receiver != hg_config.node || !head->sender)
		return hg_drop(p, HG_R_PEER_NODE);
	peer->index = HG_PEERS_MAX;
#pragma clang loop unroll(full)
	for (i = 0; i < HG_PEERS_MAX; i++)
		if (hg_config.peers[i] == head->sender)
			peer->index = i;
	peer->entry = bpf_map_lookup_elem(&hg_peer, &peer->index);
	return peer->entry ? HG_NEXT : hg_drop(p, HG_R_PEER_NODE);
}

static __always_inline bool peer_has_key(const struct peer *peer, __u32 slot)
{
	const struct hg_key *key = bpf_map_lookup_elem(&hg_key, &slot);

	return key && key->id && key->id == bpf_ntohl(peer->head->key_id) &&
	       key->peer == peer->index;
}

static __always_inline enum hg_verdict peer_check_key(struct hg_pkt *p, struct peer *peer)
{
	peer->slot = peer->is_long ? HG_KEY_CLUSTER : HG_KEY_SESSION0;
	if (peer_has_key(peer, peer->slot))
		return HG_NEXT;
	peer->slot++;
	peer->session = !peer->is_long;
	if (peer_has_key(peer, peer->slot))
		return HG_NEXT;
	if (!peer->is_long)
		return hg_drop(p, HG_R_PEER_SESSION);
	hg_lease_write(peer->entry->unauthentic, bpf_ktime_get_boot_ns());
	return hg_drop(p, HG_R_PEER_KEY);
}

/*
 * The functions that hash, the one that obeys and the stage itself are functions to the
 * verifier too: it walks through each once instead of once for every way that leads there,
 * and their stack is free again when the filter needs its own.
 * They take numbers, and find frame, key and maps again.
 */

/* Whether the frame at `offset`, short or long, has the tag of the key in `slot`. */
__attribute__((noinline)) int hg_peer_is_authentic(struct xdp_md *ctx, __u32 offset, __u32 slot,
						   __u32 is_long)
{
	void *frame = (void *)(long)ctx->data + (offset & HG_PEER_OFFSETS);
	void *end = (void *)(long)ctx->data_end;
	const struct hg_key *key = bpf_map_lookup_elem(&hg_key, &slot);
	const __u64 *tag = frame + HG_PEER_SHORT_WORDS * 8;
	__u64 expected[2];

	if (!key || frame + HG_WIRE_SHORT > end)
		return 0;
	if (is_long) {
		if (frame + HG_WIRE_LONG > end)
			return 0;
		tag = frame + HG_PEER_LONG_WORDS * 8;
		hg_siphash(frame, HG_PEER_LONG_WORDS, key->rx, expected);
	} else {
		hg_siphash(frame, HG_PEER_SHORT_WORDS, key->rx, expected);
	}
	return !((hg_sip_word(tag) ^ expected[0]) | (hg_sip_word(tag + 1) ^ expected[1]));
}

/* Signs the short frame at `offset` with the key in `slot`. 0: it is not there. */
__attribute__((noinline)) int hg_peer_sign(struct xdp_md *ctx, __u32 offset, __u32 slot)
{
	void *frame = (void *)(long)ctx->data + (offset & HG_PEER_OFFSETS);
	const struct hg_key *key = bpf_map_lookup_elem(&hg_key, &slot);
	__u64 *tag = frame + HG_PEER_SHORT_WORDS * 8;
	__u64 value[2];

	if (!key || frame + HG_WIRE_SHORT > (void *)(long)ctx->data_end)
		return 0;
	hg_siphash(frame, HG_PEER_SHORT_WORDS, key->tx, value);
	tag[0] = hg_sip_word(&value[0]);
	tag[1] = hg_sip_word(&value[1]);
	return 1;
}

static __always_inline __u32 peer_offset(const struct hg_pkt *p)
{
	return p->net_offset + sizeof(struct udphdr) +
	       (p->net == HG_NET_IP4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr));
}

static __always_inline enum hg_verdict peer_check_tag(struct hg_pkt *p, struct peer *peer)
{
	if (hg_peer_is_authentic(p->ctx, peer_offset(p), peer->slot, peer->is_long))
		return HG_NEXT;
	hg_lease_write(peer->entry->unauthentic, bpf_ktime_get_boot_ns());
	return hg_drop(p, HG_R_PEER_TAG);
}

/* Obeys an authentic frame (lease.h). 0: the maps lack the path. */
__attribute__((noinline)) int hg_peer_obey(const struct hg_lease_frame *frame,
					   struct hg_lease_result *ret, __u32 index, __u32 slot,
					   __u32 port)
{
	__u32 path = index * HG_SLOTS_MAX + slot;
	struct hg_lease lease = {
		.config = &hg_config,
		.state = hg_state_find(),
		.peer = bpf_map_lookup_elem(&hg_peer, &index),
		.path = bpf_map_lookup_elem(&hg_path, &path),
		.gap = bpf_map_lookup_elem(&hg_gap, &index),
		.port = port,
		.now = bpf_ktime_get_boot_ns(),
	};

	if (!frame || !ret || !lease.state || !lease.peer || !lease.path)
		return 0;
	hg_lease_receive(&lease, frame, ret);
	return 1;
}

static __always_inline bool peer_receive(struct hg_pkt *p, struct peer *peer,
					 struct hg_lease_result *ret)
{
	const struct hg_wire_head *head = peer->head;
	struct hg_lease_frame frame = {
		.type = peer->type,
		.flags = head->flags,
		.session = peer->session,
		.agent_age_ms = bpf_ntohs(head->agent_age_ms),
		.port = bpf_ntohl(head->port),
		.echo = bpf_ntohl(head->echo),
		.seq = bpf_be64_to_cpu(head->seq),
		.epoch = bpf_be64_to_cpu(head->epoch),
		.stamp = bpf_be64_to_cpu(head->stamp),
	};

	/* A short frame has its tag there, which nobody compares. */
	frame.nonce[0] = hg_sip_load(head + 1);
	frame.nonce[1] = hg_sip_load((void *)(head + 1) + 8);
	return hg_peer_obey(&frame, ret, peer->index, p->port->slot, p->port->id);
}

static __always_inline void peer_tell_agent(const struct hg_pkt *p, const struct peer *peer,
					    const struct hg_lease_result *r)
{
	struct hg_event *event = hg_event_reserve(p, r->event);
	unsigned int i;

	if (!event)
		return;
	event->epoch = r->epoch;
	event->drained = r->is_drained;
	if (peer->is_long && (void *)peer->head + HG_WIRE_LONG <= p->end) {
#pragma clang loop unroll(full)
		for (i = 0; i < sizeof(event->frame) / 8; i++)
			((__u64 *)&event->frame)[i] = hg_sip_load((__u64 *)peer->head + i);
	}
	bpf_ringbuf_submit(event, 0);
}

static __always_inline void peer_turn_head(const struct hg_pkt *p, const struct peer *peer,
					   const struct hg_lease_result *r)
{
	struct hg_wire_head *head = peer->head;

	head->type = r->answer;
	head->flags = r->flags;
	head->receiver = head->sender;
	head->sender = hg_config.node;
	head->agent_age_ms = bpf_htons(r->agent_age_ms);
	head->port = bpf_htonl(p->port->id);
	head->echo = bpf_htonl(r->echo);
	head->seq = bpf_cpu_to_be64(bpf_ktime_get_boot_ns());
	head->epoch = bpf_cpu_to_be64(r->epoch);
	head->stamp = bpf_cpu_to_be64(r->stamp);
}

static __always_inline void peer_turn_ip4(struct iphdr *ip, struct udphdr *udp)
{
	__be32 from = ip->saddr;

	ip->saddr = ip->daddr;
	ip->daddr = from;
	ip->ttl = HG_WIRE_TTL;
	ip->check = 0;
	ip->check = hg_sum_fold(hg_sum_add(ip, sizeof(*ip), 0));
	udp->check = 0; /* the tag is the better check, and IPv4 allows it */
}

static __always_inline void peer_turn_ip6(struct ipv6hdr *ip, struct udphdr *udp)
{
	struct in6_addr from = ip->saddr;
	__u64 sum;
	__u16 check;

	ip->saddr = ip->daddr;
	ip->daddr = from;
	ip->hop_limit = HG_WIRE_TTL;
	udp->check = 0;
	sum = bpf_htonl(sizeof(*udp) + HG_WIRE_SHORT) + (__u64)bpf_htonl(IPPROTO_UDP);
	sum = hg_sum_add(&ip->saddr, 2 * sizeof(ip->saddr), sum);
	check = hg_sum_fold(hg_sum_add(udp, sizeof(*udp) + HG_WIRE_SHORT, sum));
	udp->check = check ? check : 0xffff;
}

/* Makes the frame its own answer. Only short frames are answered. */
static __always_inline enum hg_verdict peer_turn(struct hg_pkt *p, const struct peer *peer,
						 const struct hg_lease_result *r)
{
	struct ethhdr *eth = p->data;
	struct udphdr *udp = (void *)peer->head - sizeof(*udp);

	hg_mac_copy(eth->h_dest, eth->h_source);
	hg_mac_copy(eth->h_source, p->port->mac);
	udp->dest = udp->source;
	udp->source = bpf_htons(hg_config.udp_port);
	peer_turn_head(p, peer, r);
	if (!hg_peer_sign(p->ctx, peer_offset(p), peer->slot))
		return hg_drop(p, HG_R_PEER_SESSION);
	if (p->net == HG_NET_IP4)
		peer_turn_ip4(p->l3, udp);
	else
		peer_turn_ip6(p->l3, udp);
	return hg_tx(p, r->reason);
}

static __always_inline enum hg_verdict peer_judge(struct hg_pkt *p)
{
	struct hg_lease_result result = {};
	struct peer peer = {};
	enum hg_verdict verdict;

	verdict = peer_check_length(p, &peer);
	if (verdict == HG_NEXT)
		verdict = peer_check_head(p, &peer);
	if (verdict == HG_NEXT)
		verdict = peer_check_key(p, &peer);
	if (verdict == HG_NEXT)
		verdict = peer_check_tag(p, &peer);
	if (verdict != HG_NEXT)
		return verdict;
	if (!peer_receive(p, &peer, &result))
		return hg_drop(p, HG_R_PEER_NODE);
	if (result.event)
		peer_tell_agent(p, &peer, &result);
	if (result.answer)
		return peer_turn(p, &peer, &result);
	return hg_drop(p, result.reason);
}

/* Finds again what the parser knew. False: headers of other than the usual size. */
static __always_inline bool peer_open(struct hg_pkt *p)
{
	__u32 ifindex = p->ctx->ingress_ifindex;
	const struct iphdr *ip4;
	const struct ipv6hdr *ip6;

	p->data = (void *)(long)p->ctx->data;
	p->end = (void *)(long)p->ctx->data_end;
	p->port = bpf_map_lookup_elem(&hg_port, &ifindex);
	p->l3 = p->data + (p->net_offset & HG_NET_OFFSETS);
	if (!p->port || p->port->slot >= HG_SLOTS_MAX || p->data + sizeof(struct ethhdr) > p->end)
		return false;
	ip4 = p->l3;
	ip6 = p->l3;
	if (p->net == HG_NET_IP4) {
		p->l4 = (void *)(ip4 + 1);
		if (p->l4 > p->end || ip4->ihl != 5)
			return false;
		p->l4_len = bpf_ntohs(ip4->tot_len) - sizeof(*ip4);
		return true;
	}
	p->l4 = (void *)(ip6 + 1);
	if (p->l4 > p->end || ip6->nexthdr != IPPROTO_UDP)
		return false;
	p->l4_len = bpf_ntohs(ip6->payload_len);
	return true;
}

/* Returns true for HG_TX, false for HG_DROP, and above that bit the reason. */
__attribute__((noinline)) __u32 hg_peer_judge(struct xdp_md *ctx, __u32 net_offset, __u32 net,
					      __u32 dst)
{
	struct hg_pkt p = { .ctx = ctx, .net_offset = net_offset, .net = net, .dst = dst };
	enum hg_verdict verdict;

	verdict = peer_open(&p) ? peer_judge(&p) : hg_drop(&p, HG_R_PEER_LENGTH);
	return p.reason << 1 | (verdict == HG_TX);
}

static __always_inline enum hg_verdict stage_peer(struct hg_pkt *p)
{
	__u32 judged;

	if (!peer_is_for_us(p))
		return HG_NEXT;
	judged = hg_peer_judge(p->ctx, p->net_offset, p->net, p->dst);
	return judged & 1 ? hg_tx(p, judged >> 1) : hg_drop(p, judged >> 1);
}

#endif
