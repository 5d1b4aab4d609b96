// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Lists Ethernet NICs with their first address, and guesses what each is for.
 */
#include "nics.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <linux/ethtool.h>
#include <linux/if_packet.h>
#include <linux/sockios.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static struct hg_nics_entry *find(struct hg_nics *nics, const char *ifname)
{
	for (unsigned int i = 0; i < nics->count; i++)
		if (strcmp(nics->nic[i].ifname, ifname) == 0)
			return &nics->nic[i];
	return NULL;
}

/* Asked over a socket and not in sysfs, which may show another network namespace. */
static bool is_bridge(const char *ifname)
{
	struct ethtool_drvinfo info = { .cmd = ETHTOOL_GDRVINFO };
	struct ifreq request = { .ifr_data = (void *)&info };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int err;

	if (fd < 0)
		return false;
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", ifname);
	err = ioctl(fd, SIOCETHTOOL, &request);
	close(fd);
	return err == 0 && strcmp(info.driver, "bridge") == 0;
}

static void add_nic(struct hg_nics *nics, const struct ifaddrs *ifa)
{
	const struct sockaddr_ll *link = (const void *)ifa->ifa_addr;
	struct hg_nics_entry *nic = &nics->nic[nics->count];

	if (link->sll_hatype != ARPHRD_ETHER || link->sll_halen != sizeof(nic->mac) ||
	    ifa->ifa_flags & IFF_LOOPBACK || is_bridge(ifa->ifa_name) || nics->count == HG_NICS_MAX)
		return;
	snprintf(nic->ifname, sizeof(nic->ifname), "%s", ifa->ifa_name);
	memcpy(nic->mac, link->sll_addr, sizeof(nic->mac));
	nics->count++;
}

static int prefix_of(const unsigned char *mask, int octets)
{
	int bits = 0;

	for (int i = 0; i < octets; i++)
		bits += __builtin_popcount(mask[i]);
	return bits;
}

static void add_address4(struct hg_nics_entry *nic, const struct ifaddrs *ifa)
{
	const struct sockaddr_in *in = (const void *)ifa->ifa_addr;
	const struct sockaddr_in *mask = (const void *)ifa->ifa_netmask;

	if (*nic->address && !strchr(nic->address, ':'))
		return;
	inet_ntop(AF_INET, &in->sin_addr, nic->address, sizeof(nic->address));
	nic->prefix = mask ? prefix_of((const void *)&mask->sin_addr, 4) : 32;
}

static void add_address6(struct hg_nics_entry *nic, const struct ifaddrs *ifa)
{
	const struct sockaddr_in6 *in = (const void *)ifa->ifa_addr;
	const struct sockaddr_in6 *mask = (const void *)ifa->ifa_netmask;

	if (*nic->address || IN6_IS_ADDR_LINKLOCAL(&in->sin6_addr))
		return;
	inet_ntop(AF_INET6, &in->sin6_addr, nic->address, sizeof(nic->address));
	nic->prefix = mask ? prefix_of((const void *)&mask->sin6_addr, 16) : 128;
}

/* IPv4 only: a guess for an example needs no more. */
static void find_default_route(struct hg_nics *nics)
{
	FILE *file = fopen("/proc/net/route", "re");
	char line[256], ifname[IF_NAMESIZE];
	unsigned int destination, mask;

	if (!file)
		return;
	while (fgets(line, sizeof(line), file)) {
		struct hg_nics_entry *nic;

		if (sscanf(line, "%15s %x %*x %*x %*d %*d %*d %x", ifname, &destination, &mask) !=
			    3 ||
		    destination || mask)
			continue;
		nic = find(nics, ifname);
		if (nic)
			nic->has_default_route = true;
	}
	fclose(file);
}

static void name_ports(struct hg_nics *nics)
{
	static const char *const names[] = { "lan", "wan", "ha" };
	unsigned int named = 0, ports = 0;
	bool is_known = false; /* which one is the wan */
	bool has_wan = false;

	for (unsigned int i = 0; i < nics->count; i++)
		is_known |= *nics->nic[i].address && nics->nic[i].has_default_route;
	for (unsigned int i = 0; i < nics->count; i++) {
		struct hg_nics_entry *nic = &nics->nic[i];

		if (!*nic->address)
			continue;
		ports++;
		named += is_known && named == 1;
		if (nic->has_default_route && !has_wan) {
			strcpy(nic->port, "wan");
			has_wan = true;
		} else if (named < 3) {
			strcpy(nic->port, names[named++]);
		} else {
			snprintf(nic->port, sizeof(nic->port), "port%u", ports);
		}
	}
}

static void mark_unique(struct hg_nics *nics)
{
	for (unsigned int i = 0; i < nics->count; i++) {
		nics->nic[i].is_mac_unique = true;
		for (unsigned int j = 0; j < nics->count; j++)
			if (i != j && memcmp(nics->nic[i].mac, nics->nic[j].mac, 6) == 0)
				nics->nic[i].is_mac_unique = false;
	}
}

int hg_nics_list(struct hg_nics *ret)
{
	struct hg_nics nics = { 0 };
	struct hg_nics_entry *nic;
	struct ifaddrs *list;

	if (getifaddrs(&list) < 0)
		return -errno;
	for (const struct ifaddrs *ifa = list; ifa; ifa = ifa->ifa_next)
		if (ifa->ifa_addr && ifa->ifa_addr->sa_family == AF_PACKET)
			add_nic(&nics, ifa);
	for (const struct ifaddrs *ifa = list; ifa; ifa = ifa->ifa_next) {
		nic = ifa->ifa_addr ? find(&nics, ifa->ifa_name) : NULL;
		if (nic && ifa->ifa_addr->sa_family == AF_INET)
			add_address4(nic, ifa);
		else if (nic && ifa->ifa_addr->sa_family == AF_INET6)
			add_address6(nic, ifa);
	}
	freeifaddrs(list);
	find_default_route(&nics);
	name_ports(&nics);
	mark_unique(&nics);
	*ret = nics;
	return 0;
}
