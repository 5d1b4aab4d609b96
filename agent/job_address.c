// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * VIPs on NICs. ARP and ND are answered by the data path; these addresses are for
 * the node's own services, and give a subnet without an address of the node its
 * route.
 *
 * A VIP is always configured with its full length (/32, /128) and no prefix route.
 * With the subnet's length, IPv4 would make the address that came first the primary
 * and all others its secondaries, and removing a VIP that came first would take the
 * node's own address, and with it ssh, away.
 *
 * Where the node has an address of its own in the subnet, the VIP is an extra: host
 * scope (IPv4) or deprecated (IPv6), so that the kernel never chooses it as the source
 * of the node's own traffic, which could not follow when the VIP moves. Services that
 * bind to it and answers to its clients use it as usual.
 *
 * Where it has none (a WAN with a single public address), the VIP is all there is: an
 * ordinary source address, and the connected route comes with it. The metric lets the
 * kernel's own route win as soon as there is one.
 *
 * IPv6 without duplicate address detection: the former holder may still answer for a
 * moment, and a tentative address serves nobody.
 */
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>

#include "agent/job.h"
#include "agent/job_rtnl.h"

#define ROUTE_PROTOCOL 147 /* ours; not in use by anybody in iproute2's rt_protos */
#define ROUTE_METRIC 1024

/* Addresses of the system, as far as they matter here. */
struct known {
	struct hg_worker_address *list;
	size_t count, room;
	bool is_out_of_memory;
};

static uint8_t full_length(const struct hg_ip *ip)
{
	return ip->family == 4 ? 32 : 128;
}

static bool is_in_prefix(const struct hg_ip *ip, const struct hg_ip *net)
{
	unsigned int octets = net->prefix / 8, bits = net->prefix % 8;

	if (ip->family != net->family || memcmp(ip->addr, net->addr, octets))
		return false;
	return !bits || !((ip->addr[octets] ^ net->addr[octets]) >> (8 - bits));
}

static int compare(const void *a, const void *b)
{
	const struct hg_worker_address *x = a, *y = b;

	if (x->ifindex != y->ifindex)
		return x->ifindex < y->ifindex ? -1 : 1;
	if (x->ip.family != y->ip.family)
		return x->ip.family < y->ip.family ? -1 : 1;
	return memcmp(x->ip.addr, y->ip.addr, sizeof(x->ip.addr));
}

static void on_address(void *context, int ifindex, const struct hg_ip *ip, bool is_deleted)
{
	struct known *known = context;

	/* VIPs of ours have full length; only others can cover a subnet or be in the way. */
	if (is_deleted || ip->prefix == full_length(ip))
		return;
	if (known->count == known->room) {
		size_t room = known->room ? 2 * known->room : 64;
		void *list = reallocarray(known->list, room, sizeof(*known->list));

		if (!list) {
			known->is_out_of_memory = true;
			return;
		}
		known->list = list;
		known->room = room;
	}
	known->list[known->count++] = (struct hg_worker_address){ ifindex, *ip };
}

static int read_known_records(void *context, const void *data, size_t length)
{
	static const struct hg_netlink_handlers handlers = { .on_address = on_address };

	return hg_netlink_parse(&handlers, context, data, length);
}

static int read_known(struct known *known)
{
	int err = hg_netlink_dump_raw(RTM_GETADDR, read_known_records, known);

	return known->is_out_of_memory ? -ENOMEM : err;
}

/* Has the node an address of its own in the subnet of this VIP? `sorted` are the job's
 * VIPs: the same address with a shorter prefix is a VIP that somebody else configured. */
static bool is_covered(const struct known *known, const struct hg_worker_address *sorted,
		       size_t count, const struct hg_worker_address *vip)
{
	for (size_t i = 0; i < known->count; i++) {
		const struct hg_worker_address *own = &known->list[i];

		if (own->ifindex == vip->ifindex && is_in_prefix(&vip->ip, &own->ip) &&
		    !bsearch(own, sorted, count, sizeof(*sorted), compare))
			return true;
	}
	return false;
}

static void put_address(struct hg_rtnl *rtnl, uint16_t type, uint16_t flags,
			const struct hg_worker_address *vip, bool is_source)
{
	struct nlmsghdr *nlh = hg_rtnl_put(rtnl, type, flags);
	struct ifaddrmsg *ifa = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifa));
	struct ifa_cacheinfo lifetime = { .ifa_prefered = is_source ? UINT32_MAX : 0,
					  .ifa_valid = UINT32_MAX };

	ifa->ifa_family = hg_rtnl_family(&vip->ip);
	ifa->ifa_prefixlen = full_length(&vip->ip);
	ifa->ifa_index = vip->ifindex;
	hg_rtnl_put_ip(nlh, IFA_LOCAL, &vip->ip);
	hg_rtnl_put_ip(nlh, IFA_ADDRESS, &vip->ip);
	if (type == RTM_DELADDR)
		return;
	if (vip->ip.family == 4) {
		ifa->ifa_scope = is_source ? RT_SCOPE_UNIVERSE : RT_SCOPE_HOST;
		mnl_attr_put_u32(nlh, IFA_FLAGS, IFA_F_NOPREFIXROUTE);
	} else {
		mnl_attr_put_u32(nlh, IFA_FLAGS, IFA_F_NOPREFIXROUTE | IFA_F_NODAD);
		mnl_attr_put(nlh, IFA_CACHEINFO, sizeof(lifetime), &lifetime);
	}
}

static void put_route(struct hg_rtnl *rtnl, uint16_t type, uint16_t flags,
		      const struct hg_worker_address *vip)
{
	struct nlmsghdr *nlh = hg_rtnl_put(rtnl, type, flags);
	struct rtmsg *rtm = mnl_nlmsg_put_extra_header(nlh, sizeof(*rtm));
	struct hg_ip net = vip->ip;

	for (unsigned int bit = net.prefix; bit < full_length(&net); bit++)
		net.addr[bit / 8] &= ~(0x80 >> bit % 8);
	rtm->rtm_family = hg_rtnl_family(&net);
	rtm->rtm_dst_len = net.prefix;
	rtm->rtm_table = RT_TABLE_MAIN;
	rtm->rtm_protocol = ROUTE_PROTOCOL;
	rtm->rtm_scope = net.family == 4 ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
	rtm->rtm_type = RTN_UNICAST;
	hg_rtnl_put_ip(nlh, RTA_DST, &net);
	mnl_attr_put_u32(nlh, RTA_OIF, vip->ifindex);
	mnl_attr_put_u32(nlh, RTA_PRIORITY, ROUTE_METRIC);
	if (type == RTM_NEWROUTE)
		hg_rtnl_put_ip(nlh, RTA_PREFSRC, &vip->ip);
}

/* What a request was about, for its answer. */
struct request {
	const struct hg_worker_address *vip;
	bool is_route;
};

struct series {
	struct request *request;
	size_t count;
	struct hg_job_result *result;
	bool is_add;
};

static bool is_fine(const struct series *series, int error)
{
	if (series->is_add)
		return !error || error == -EEXIST;
	/* ENODEV: the NIC is gone, and its addresses with it */
	return !error || error == -EADDRNOTAVAIL || error == -ESRCH || error == -ENODEV;
}

static void on_answer(void *context, unsigned int index, int error, const char *text)
{
	struct series *series = context;
	const struct request *request = &series->request[index];
	const struct hg_ip *ip = &request->vip->ip;
	char address[INET6_ADDRSTRLEN], line[HG_WORKER_TEXT_MAX];

	if (is_fine(series, error)) {
		if (!request->is_route)
			hg_job_count(series->result, 0, NULL);
		return;
	}
	inet_ntop(hg_rtnl_family(ip), ip->addr, address, sizeof(address));
	snprintf(line, sizeof(line), "%s %s %s/%u on interface %d: %s%s%s",
		 series->is_add ? "adding" : "removing", request->is_route ? "route of" : "address",
		 address, ip->prefix, request->vip->ifindex, strerror(-error), *text ? ": " : "",
		 text);
	hg_job_count(series->result, error, line);
}

static void put(struct series *series, struct hg_rtnl *rtnl, const struct hg_worker_address *vip,
		bool is_source)
{
	series->request[series->count++] = (struct request){ vip, false };
	if (series->is_add)
		put_address(rtnl, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, vip, is_source);
	else
		put_address(rtnl, RTM_DELADDR, 0, vip, false);
}

static bool is_same_net(const struct hg_worker_address *a, const struct hg_worker_address *b)
{
	return a->ifindex == b->ifindex && a->ip.prefix == b->ip.prefix &&
	       is_in_prefix(&a->ip, &b->ip);
}

static void put_net(struct series *series, struct hg_rtnl *rtnl,
		    const struct hg_worker_address *vip)
{
	series->request[series->count++] = (struct request){ vip, true };
	if (series->is_add)
		put_route(rtnl, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, vip);
	else
		put_route(rtnl, RTM_DELROUTE, 0, vip);
}

/* All addresses, then the routes: a route names its VIP as preferred source, which must
 * be there already. `sorted`, so that VIPs of one subnet are neighbours. */
static void put_all(struct series *series, struct hg_rtnl *rtnl, const struct known *known,
		    const struct hg_worker_address *sorted, size_t count)
{
	const struct hg_worker_address *last = NULL;

	for (size_t i = 0; i < count; i++)
		put(series, rtnl, &sorted[i],
		    series->is_add && !is_covered(known, sorted, count, &sorted[i]));
	for (size_t i = 0; i < count; i++) {
		const struct hg_worker_address *vip = &sorted[i];

		if (vip->ip.prefix >= full_length(&vip->ip) || (last && is_same_net(vip, last)))
			continue;
		last = vip;
		if (!series->is_add || !is_covered(known, sorted, count, vip))
			put_net(series, rtnl, vip);
	}
}

/* A VIP that is also configured with a subnet's prefix was not put there by hagate, and
 * removing it could take secondaries along: it is left and named. */
static void report_foreign(const struct known *known, const struct hg_worker_address *sorted,
			   size_t count, struct hg_job_result *result)
{
	for (size_t i = 0; i < known->count; i++) {
		const struct hg_worker_address *own = &known->list[i];
		char address[INET6_ADDRSTRLEN], line[HG_WORKER_TEXT_MAX];

		if (!bsearch(own, sorted, count, sizeof(*sorted), compare))
			continue;
		inet_ntop(hg_rtnl_family(&own->ip), own->ip.addr, address, sizeof(address));
		snprintf(line, sizeof(line),
			 "%s/%u on interface %d is a virtual address that the system configured; "
			 "remove it from the system's network configuration",
			 address, own->ip.prefix, own->ifindex);
		hg_job_count(result, -EADDRINUSE, line);
	}
}

static void run(struct hg_rtnl *rtnl, const struct hg_worker_address *list, size_t count,
		bool is_add, struct hg_job_result *result)
{
	struct series series = { .result = result, .is_add = is_add };
	struct hg_worker_address *sorted = calloc(count, sizeof(*sorted));
	struct known known = { 0 };
	int err = 0;

	if (!count)
		goto out;
	series.request = calloc(2 * count, sizeof(*series.request));
	err = sorted && series.request ? read_known(&known) : -ENOMEM;
	if (err)
		goto out;
	for (size_t i = 0; i < count; i++) {
		sorted[i] = list[i];
		/* What follows an IPv4 address means nothing; it must not matter in a sort. */
		if (sorted[i].ip.family == 4)
			memset(sorted[i].ip.addr + 4, 0, sizeof(sorted[i].ip.addr) - 4);
	}
	qsort(sorted, count, sizeof(*sorted), compare);
	hg_rtnl_begin(rtnl, on_answer, NULL, &series);
	put_all(&series, rtnl, &known, sorted, count);
	hg_rtnl_end(rtnl);
	if (!is_add)
		report_foreign(&known, sorted, count, result);
out:
	if (err)
		hg_job_count(result, err, "reading the system's addresses failed");
	free(known.list);
	free(series.request);
	free(sorted);
}

void hg_job_addresses_add(struct hg_rtnl *rtnl, const struct hg_worker_address *list, size_t count,
			  struct hg_job_result *result)
{
	run(rtnl, list, count, true, result);
}

void hg_job_addresses_remove(struct hg_rtnl *rtnl, const struct hg_worker_address *list,
			     size_t count, struct hg_job_result *result)
{
	run(rtnl, list, count, false, result);
}
