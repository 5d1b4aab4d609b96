// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What one frame tells `hagate discover`. Frames come from anybody: lengths are checked
 * before anything is read, names are cut to what can be printed, every list is bounded.
 */
#include <arpa/inet.h>
#include <endian.h>
#include <net/ethernet.h>
#include <string.h>

#include "agent/keys.h"
#include "bpf/siphash.h"
#include "discover.h"

#define ARP_LEN 28
#define ARP_SHA 8
#define ARP_SPA 14
#define IP6_LEN 40
#define UDP_LEN 8
#define ND_FIRST 133 /* router solicitation ... */
#define ND_LAST 136 /* ... neighbour advertisement */

static void add_mac(struct hg_discover_nic *nic, const uint8_t mac[6])
{
	for (unsigned int i = 0; i < nic->mac_count; i++)
		if (!memcmp(nic->mac[i], mac, 6))
			return;
	if (nic->mac_count < HG_DISCOVER_MACS_MAX)
		memcpy(nic->mac[nic->mac_count++], mac, 6);
}

static struct hg_discover_net *find_net(struct hg_discover_nic *nic, int family,
					const uint8_t net[8])
{
	for (unsigned int i = 0; i < nic->net_count; i++)
		if (nic->net[i].family == family && !memcmp(nic->net[i].net, net, 8))
			return &nic->net[i];
	if (nic->net_count == HG_DISCOVER_NETS_MAX)
		return NULL;
	nic->net[nic->net_count].family = family;
	memcpy(nic->net[nic->net_count].net, net, 8);
	return &nic->net[nic->net_count++];
}

static void add_host(struct hg_discover_nic *nic, int family, const uint8_t *address)
{
	uint8_t net[8] = { 0 }, host[8] = { 0 };
	struct hg_discover_net *found;

	memcpy(net, address, family == AF_INET ? 3 : 8);
	memcpy(host, address + (family == AF_INET ? 3 : 8), family == AF_INET ? 1 : 8);
	found = find_net(nic, family, net);
	if (!found)
		return;
	for (unsigned int i = 0; i < found->host_count; i++)
		if (!memcmp(found->host[i], host, 8))
			return;
	if (found->host_count < HG_DISCOVER_HOSTS_MAX)
		memcpy(found->host[found->host_count++], host, 8);
}

static void add_peer(struct hg_discover_nic *nic, const struct hg_discover_peer *peer)
{
	for (unsigned int i = 0; i < nic->peer_count; i++) {
		struct hg_discover_peer *known = &nic->peer[i];

		if (memcmp(known->mac, peer->mac, 6) || strcmp(known->port, peer->port) ||
		    strcmp(known->node, peer->node))
			continue;
		/* A beacon tells more than a HELLO; a good tag more than a forged one. */
		if (peer->trust > known->trust || (peer->trust == known->trust && *peer->ifname))
			*known = *peer;
		return;
	}
	if (nic->peer_count < HG_DISCOVER_PEERS_MAX)
		nic->peer[nic->peer_count++] = *peer;
}

static void on_wiring(struct hg_discover *discover, unsigned int index, const uint8_t *data,
		      size_t size)
{
	struct hg_discover_nic *nic = &discover->nic[index];
	struct hg_discover_peer peer = { .trust = HG_DISCOVER_UNVERIFIED };
	struct hg_wiring_frame frame;

	if (!hg_wiring_check(data, size, &frame) ||
	    (frame.type != HG_WIRING_BEACON && frame.type != HG_WIRING_PROBE) ||
	    !memcmp(frame.nonce, discover->nonce, sizeof(frame.nonce)))
		return;
	if (discover->has_key)
		peer.trust = hg_wiring_is_authentic(data, &discover->key) ? HG_DISCOVER_VERIFIED
									  : HG_DISCOVER_WRONG_KEY;
	peer.is_probe = frame.type == HG_WIRING_PROBE;
	memcpy(peer.node, frame.node_name, sizeof(peer.node));
	memcpy(peer.port, frame.port_name, sizeof(peer.port));
	memcpy(peer.cluster, frame.cluster, sizeof(peer.cluster));
	memcpy(peer.ifname, frame.ifname, sizeof(peer.ifname));
	memcpy(peer.mac, frame.mac, sizeof(peer.mac));
	add_peer(nic, &peer);
}

static bool is_hello_authentic(const struct hg_discover *discover, const uint8_t *data,
			       const struct hg_wire_head *head)
{
	struct hg_key_parties parties = { .self = head->receiver, .peer = head->sender };
	struct hg_key key;
	__u64 tag[2];

	hg_keys_cluster(discover->cluster_key, &parties, &key);
	hg_siphash(data, (HG_WIRE_LONG - HG_WIRE_TAG_LEN) / 8, key.rx, tag);
	data += HG_WIRE_LONG - HG_WIRE_TAG_LEN;
	return !((hg_sip_word(data) ^ tag[0]) | (hg_sip_word(data + 8) ^ tag[1]));
}

static void copy_name(char *to, const char *from)
{
	memcpy(to, from, HG_WIRE_NAME_LEN);
	to[HG_WIRE_NAME_LEN - 1] = '\0';
	for (; *to; to++)
		if ((unsigned char)*to <= ' ' || (unsigned char)*to >= 0x7f)
			*to = '?';
}

static void on_hello(struct hg_discover *discover, unsigned int index, const uint8_t *data,
		     size_t size)
{
	struct hg_discover_peer peer = { .trust = HG_DISCOVER_UNVERIFIED };
	struct hg_wire_long frame;

	if (size < sizeof(frame))
		return;
	memcpy(&frame, data, sizeof(frame));
	if (frame.head.magic != htobe16(HG_WIRE_MAGIC) || frame.head.version != HG_WIRE_VERSION ||
	    frame.head.type != HG_WIRE_HELLO || frame.head.length != htobe16(HG_WIRE_LONG))
		return;
	if (discover->has_key)
		peer.trust = is_hello_authentic(discover, data, &frame.head)
				     ? HG_DISCOVER_VERIFIED
				     : HG_DISCOVER_WRONG_KEY;
	copy_name(peer.node, frame.hello.node_name);
	copy_name(peer.port, frame.hello.port_name);
	memcpy(peer.mac, frame.hello.mac, sizeof(peer.mac));
	add_peer(&discover->nic[index], &peer);
}

static void on_arp(struct hg_discover_nic *nic, const uint8_t *data, size_t size)
{
	static const uint8_t nobody[4];
	static const uint8_t ethernet[6] = { 0, 1, 8, 0, 6, 4 };

	if (size < ARP_LEN || memcmp(data, ethernet, sizeof(ethernet)) ||
	    !memcmp(data + ARP_SPA, nobody, sizeof(nobody)))
		return;
	add_host(nic, AF_INET, data + ARP_SPA);
}

/* Where the UDP payload begins; NULL: not UDP, or cut. */
static const uint8_t *udp_payload(const uint8_t *data, size_t size, int type, size_t *ret_size)
{
	size_t header = IP6_LEN;

	if (type == ETH_P_IP)
		header = size ? (size_t)(data[0] & 0xf) * 4 : 0;
	if (!header || size < header + UDP_LEN || data[type == ETH_P_IP ? 9 : 6] != IPPROTO_UDP)
		return NULL;
	*ret_size = size - header - UDP_LEN;
	return data + header + UDP_LEN;
}

static void on_ip(struct hg_discover *discover, unsigned int index, const uint8_t *data,
		  size_t size, int type)
{
	const uint8_t *payload, *source = data + 8;
	size_t length;

	if (size < 20 || (type == ETH_P_IPV6 && size < IP6_LEN))
		return;
	payload = udp_payload(data, size, type, &length);
	if (payload)
		on_hello(discover, index, payload, length);
	else if (type == ETH_P_IPV6 && size > IP6_LEN && data[6] == IPPROTO_ICMPV6 &&
		 data[IP6_LEN] >= ND_FIRST && data[IP6_LEN] <= ND_LAST && source[0] != 0xfe &&
		 (source[0] & 0xe0) != 0)
		add_host(&discover->nic[index], AF_INET6, source);
}

/* Frames of this machine that come in from outside. False: it is not ours. */
static bool is_own(struct hg_discover *discover, unsigned int index, const uint8_t mac[6])
{
	for (unsigned int i = 0; i < discover->nics.count; i++) {
		if (memcmp(discover->nics.nic[i].mac, mac, 6))
			continue;
		if (!discover->nics.nic[i].is_mac_unique)
			return true;
		if (i == index) {
			discover->nic[index].is_reflected = true;
		} else {
			discover->nic[index].shares |= 1u << i;
			discover->nic[i].shares |= 1u << index;
		}
		return true;
	}
	return false;
}

void hg_discover_frame(struct hg_discover *discover, unsigned int index, const uint8_t *data,
		       size_t size)
{
	struct hg_discover_nic *nic = &discover->nic[index];
	int type;

	if (size < ETH_HLEN || is_own(discover, index, data + 6))
		return;
	nic->frames++;
	add_mac(nic, data + 6);
	type = data[12] << 8 | data[13];
	data += ETH_HLEN;
	size -= ETH_HLEN;
	if (type == HG_WIRING_ETHERTYPE)
		on_wiring(discover, index, data, size);
	else if (type == ETH_P_ARP)
		on_arp(nic, data, size);
	else if (type == ETH_P_IP || type == ETH_P_IPV6)
		on_ip(discover, index, data, size, type);
}
