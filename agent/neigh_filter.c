// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Which neighbours of the peer a port takes over. A frame is authentic when it comes
 * here; this guards against a peer that is configured differently, or whose own table
 * was poisoned: a neighbour must be possible on this port.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/neigh.h"

struct hg_neigh_filter {
	uint8_t mac[2][6]; /* the NIC's own and the virtual one */
	size_t address_count, net_count;
	struct hg_ip *address; /* sorted: own addresses and VIPs */
	struct hg_ip *net; /* their subnets, each once */
};

static int compare(const void *a, const void *b)
{
	const struct hg_ip *x = a, *y = b;

	if (x->family != y->family)
		return x->family < y->family ? -1 : 1;
	return memcmp(x->addr, y->addr, sizeof(x->addr));
}

static unsigned int full_length(const struct hg_ip *ip)
{
	return ip->family == 4 ? 32 : 128;
}

static bool is_in_net(const struct hg_ip *ip, const struct hg_ip *net)
{
	unsigned int octets = net->prefix / 8, bits = net->prefix % 8;

	if (ip->family != net->family || memcmp(ip->addr, net->addr, octets))
		return false;
	return !bits || !((ip->addr[octets] ^ net->addr[octets]) >> (8 - bits));
}

static void add_net(struct hg_neigh_filter *filter, const struct hg_ip *ip)
{
	/* No subnet at all, or the whole Internet: a neighbour cannot be told from others. */
	if (!ip->prefix || ip->prefix >= full_length(ip))
		return;
	for (size_t i = 0; i < filter->net_count; i++) {
		if (filter->net[i].prefix == ip->prefix && is_in_net(ip, &filter->net[i]))
			return;
	}
	filter->net[filter->net_count++] = *ip;
}

int hg_neigh_filter_new(const struct hg_ip *addresses, size_t count, const uint8_t mac[6],
			const uint8_t *vmac, struct hg_neigh_filter **ret)
{
	static const struct hg_ip link_local = { 6, 64, { 0xfe, 0x80 } };
	struct hg_neigh_filter *filter = calloc(1, sizeof(*filter));
	struct hg_ip *address;

	if (!filter)
		return -ENOMEM;
	filter->address = calloc(count + 1, sizeof(*filter->address));
	filter->net = calloc(count + 1, sizeof(*filter->net));
	if (!filter->address || !filter->net) {
		hg_neigh_filter_free(filter);
		return -ENOMEM;
	}
	memcpy(filter->mac[0], mac, 6);
	memcpy(filter->mac[1], vmac ? vmac : mac, 6);
	for (size_t i = 0; i < count; i++) {
		if (addresses[i].family != 4 && addresses[i].family != 6)
			continue;
		address = &filter->address[filter->address_count++];
		*address = addresses[i];
		if (address->family == 4)
			memset(address->addr + 4, 0, sizeof(address->addr) - 4);
		add_net(filter, address);
	}
	add_net(filter, &link_local);
	qsort(filter->address, filter->address_count, sizeof(*filter->address), compare);
	*ret = filter;
	return 0;
}

void hg_neigh_filter_free(struct hg_neigh_filter *filter)
{
	if (!filter)
		return;
	free(filter->address);
	free(filter->net);
	free(filter);
}

static bool is_mac_fine(const struct hg_neigh_filter *filter, const uint8_t mac[6])
{
	static const uint8_t zero[6];

	return !(mac[0] & 1) && memcmp(mac, zero, 6) && memcmp(mac, filter->mac[0], 6) &&
	       memcmp(mac, filter->mac[1], 6);
}

/* The first and the last address of an IPv4 subnet are nobody's, but of a /31 both are
 * hosts (RFC 3021). In IPv6 the first is the routers' anycast address (RFC 4291 2.6.1). */
static bool is_edge(const struct hg_ip *ip, const struct hg_ip *net)
{
	unsigned int full = full_length(ip);
	bool is_first = true, is_last = true;

	if (net->prefix >= full - 1)
		return false;
	for (unsigned int bit = net->prefix; bit < full; bit++) {
		if (ip->addr[bit / 8] & 0x80 >> bit % 8)
			is_first = false;
		else
			is_last = false;
	}
	return is_first || (is_last && ip->family == 4);
}

static bool is_address_fine(const struct hg_neigh_filter *filter, const struct hg_ip *ip)
{
	bool has_net = false;

	if (ip->family == 4 ? ip->addr[0] >= 224 || ip->addr[0] == 127 || !ip->addr[0]
			    : ip->addr[0] == 0xff)
		return false;
	if (bsearch(ip, filter->address, filter->address_count, sizeof(*ip), compare))
		return false;
	for (size_t i = 0; i < filter->net_count; i++) {
		if (!is_in_net(ip, &filter->net[i]))
			continue;
		if (is_edge(ip, &filter->net[i]))
			return false;
		has_net = true;
	}
	return has_net;
}

size_t hg_neigh_accept(const struct hg_neigh_filter *filter, int ifindex,
		       const struct hg_wire_neigh *wire, struct hg_worker_neigh ret[HG_WIRE_NEIGHS])
{
	size_t count = 0;

	for (unsigned int i = 0; i < HG_WIRE_NEIGHS; i++) {
		const struct hg_wire_neigh_entry *entry = &wire->entry[i];
		struct hg_ip ip = { .family = entry->family };

		if (ip.family != 4 && ip.family != 6)
			continue;
		ip.prefix = full_length(&ip);
		/* What follows an IPv4 address means nothing. */
		memcpy(ip.addr, entry->addr, ip.family == 4 ? 4 : 16);
		if (!is_mac_fine(filter, entry->mac) || !is_address_fine(filter, &ip))
			continue;
		ret[count] = (struct hg_worker_neigh){ .ifindex = ifindex, .ip = ip };
		memcpy(ret[count++].mac, entry->mac, 6);
	}
	return count;
}
