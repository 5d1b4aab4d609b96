// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Solicited-node multicast (RFC 4291, 2.7.1) for IPv6 VIPs.
 *
 * A solicitation for a VIP goes to a multicast MAC made from its last three octets.
 * A NIC with a multicast filter hands it to XDP only when that MAC is in the filter.
 * The kernel puts it there with the address, which comes after the takeover and, with a
 * thousand of them, half a second after it; so the filter is set beforehand, on the
 * standby too. The entries belong to the NIC (SIOCADDMULTI counts each MAC once,
 * whatever else uses it) and stay when hagated ends.
 */
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/job.h"

static int change(int fd, const struct hg_worker_address *vip, bool is_add)
{
	struct ifreq request = { 0 };
	uint8_t *mac = (uint8_t *)request.ifr_hwaddr.sa_data;

	if (!if_indextoname(vip->ifindex, request.ifr_name))
		return is_add ? -ENODEV : 0;
	request.ifr_hwaddr.sa_family = AF_UNSPEC;
	memcpy(mac, (const uint8_t[]){ 0x33, 0x33, 0xff }, 3);
	memcpy(mac + 3, vip->ip.addr + 13, 3);
	if (!ioctl(fd, is_add ? SIOCADDMULTI : SIOCDELMULTI, &request))
		return 0;
	if (is_add ? errno == EEXIST : errno == ENOENT || errno == ENODEV)
		return 0;
	return -errno;
}

void hg_job_multicast(const struct hg_worker_address *list, size_t count, bool is_add,
		      struct hg_job_result *result)
{
	int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		hg_job_count(result, -errno, "multicast filter: no socket");
		return;
	}
	for (size_t i = 0; i < count; i++) {
		char text[128];
		int err;

		if (list[i].ip.family != 6)
			continue;
		err = change(fd, &list[i], is_add);
		snprintf(text, sizeof(text), "multicast filter of interface %d: %s",
			 list[i].ifindex, strerror(-err));
		hg_job_count(result, err, text);
	}
	close(fd);
}
