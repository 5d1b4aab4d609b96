// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Which NIC a port means. By MAC, four kinds of match are tried in turn, the
 * first with a result decides: the permanent, then the current MAC of a NIC that
 * stands for itself, then the same of one that stands on others. So a bridge, VLAN
 * or macvlan with the MAC of its NIC takes nothing away from that NIC, and a virtual
 * function that serves another NIC with the same MAC gives way to it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"
#include "link.h"
#include "nic.h"

#define MATCHES_MAX 8
#define TIERS 4

struct matches {
	size_t count;
	const struct hg_link *link[MATCHES_MAX];
};

static void match_add(struct matches *matches, const struct hg_link *link)
{
	if (matches->count < MATCHES_MAX)
		matches->link[matches->count++] = link;
}

static bool is_match(const struct hg_nic_id *id, const struct hg_link *link, int tier)
{
	switch (id->by) {
	case HG_NIC_BY_MAC:
		if (link->is_stacked != (tier >= 2))
			return false;
		if (tier % 2 == 0)
			return link->has_permanent && !memcmp(link->permanent, id->mac, 6);
		return !memcmp(link->mac, id->mac, 6);
	case HG_NIC_BY_PATH:
		return tier == 0 && link->path[0] && !strcmp(link->path, id->text);
	case HG_NIC_BY_NAME:
		if (tier == 0)
			return !strcmp(link->ifname, id->text);
		return tier == 1 && link->altname[0] && !strcmp(link->altname, id->text);
	}
	return false;
}

/* Of a NIC and one enslaved to it the upper one is meant (netvsc and its VF). */
static void drop_slaves(struct matches *matches)
{
	struct matches kept = { 0 };
	size_t i, k;
	bool is_slave;

	for (i = 0; i < matches->count; i++) {
		is_slave = false;
		for (k = 0; k < matches->count; k++)
			is_slave |= matches->link[i]->master == matches->link[k]->ifindex;
		if (!is_slave)
			match_add(&kept, matches->link[i]);
	}
	*matches = kept;
}

static void find_matches(const struct hg_nic_id *id, const struct hg_link *list, size_t count,
			 struct matches *ret)
{
	size_t i;
	int tier;

	*ret = (struct matches){ 0 };
	for (tier = 0; tier < TIERS && !ret->count; tier++)
		for (i = 0; i < count; i++)
			if (is_match(id, &list[i], tier))
				match_add(ret, &list[i]);
	drop_slaves(ret);
}

static void format_mac(const unsigned char *mac, char ret[18])
{
	snprintf(ret, 18, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4],
		 mac[5]);
}

static void format_id(const struct hg_nic_id *id, char *ret, size_t len)
{
	char mac[18];

	format_mac(id->mac, mac);
	switch (id->by) {
	case HG_NIC_BY_MAC:
		snprintf(ret, len, "MAC %s", mac);
		break;
	case HG_NIC_BY_PATH:
		snprintf(ret, len, "path %s", id->text);
		break;
	case HG_NIC_BY_NAME:
		snprintf(ret, len, "name %s", id->text);
		break;
	}
}

/* Appends "eth0 (MAC, path)" to a sentence that may be full. */
static void describe(const struct hg_link *link, struct hg_error *error)
{
	size_t used = strlen(error->text);
	char mac[18];

	format_mac(link->has_permanent ? link->permanent : link->mac, mac);
	snprintf(error->text + used, sizeof(error->text) - used, "%s%s (%s%s%s)",
		 error->text[used - 1] == ':' ? " " : ", ", link->ifname, mac,
		 link->path[0] ? ", " : "", link->path);
}

static void fill(const struct hg_link *link, struct hg_nic *ret)
{
	*ret = (struct hg_nic){
		.ifindex = link->ifindex,
		.is_up = link->flags & IFF_UP,
		.has_link = link->flags & IFF_RUNNING,
	};
	memcpy(ret->mac, link->mac, 6);
	memcpy(ret->ifname, link->ifname, sizeof(ret->ifname));
}

int hg_nic_find(const struct hg_nic_id *id, struct hg_nic *ret, struct hg_error *error)
{
	struct matches matches;
	struct hg_link *list;
	char wanted[80];
	size_t count, i;
	int err;

	err = hg_link_list(&list, &count);
	if (err)
		return hg_loader_fail(error, err, "cannot list NICs: %s", strerror(-err));
	find_matches(id, list, count, &matches);
	format_id(id, wanted, sizeof(wanted));
	if (matches.count == 1) {
		fill(matches.link[0], ret);
	} else if (matches.count) {
		err = hg_loader_fail(error, -EEXIST, "several NICs have %s, name one:", wanted);
		for (i = 0; i < matches.count; i++)
			describe(matches.link[i], error);
	} else {
		err = hg_loader_fail(error, -ENODEV,
				     "no NIC has %s. NICs of this machine:", wanted);
		for (i = 0; i < count; i++)
			describe(&list[i], error);
	}
	free(list);
	return err;
}
