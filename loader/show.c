// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * hagate-load's reports. Reads pinned maps and NICs, changes nothing (but `probe
 * --try`). "serving" is read from the data path at this moment.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "internal.h"
#include "link.h"
#include "probe.h"
#include "show.h"

/* Longest sum of names that JSON text is made of here, each octet escaped. */
#define QUOTED_LEN (6 * 64 + 3)

struct report {
	const char *pin;
	bool is_json;
	unsigned int count; /* elements of the list being written */
};

static const char *const mode_names[] = {
	[HG_XDP_NONE] = "none",
	[HG_XDP_NATIVE] = "native",
	[HG_XDP_GENERIC] = "generic",
};

/* A JSON string, quotes included; cut when it is longer than names are. */
static const char *quote(const char *text, char ret[QUOTED_LEN])
{
	size_t used = 1;

	ret[0] = '"';
	for (; *text && used + 8 < QUOTED_LEN; text++) {
		if (*text == '"' || *text == '\\' || (unsigned char)*text < 0x20)
			used += sprintf(ret + used, "\\u%04x", (unsigned char)*text);
		else
			ret[used++] = *text;
	}
	ret[used++] = '"';
	ret[used] = '\0';
	return ret;
}

static int read_map(const char *pin, const char *name, void *ret, size_t len)
{
	struct bpf_map_info info = { 0 };
	__u32 info_len = sizeof(info), key = 0;
	char path[PATH_MAX];
	int err, fd;

	if (snprintf(path, sizeof(path), "%s/%s", pin, name) >= PATH_MAX)
		return -ENAMETOOLONG;
	fd = bpf_obj_get(path);
	if (fd < 0)
		return fd;
	err = bpf_obj_get_info_by_fd(fd, &info, &info_len);
	if (!err && (info.type != BPF_MAP_TYPE_ARRAY || info.value_size != len))
		err = -ESTALE;
	if (!err)
		err = bpf_map_lookup_elem(fd, &key, ret);
	close(fd);
	return err;
}

static __u64 now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return now.tv_sec * 1000000000ull + now.tv_nsec;
}

static int read_meta(const char *pin, struct hg_meta *ret)
{
	int err = read_map(pin, HG_META_MAP, ret, sizeof(*ret));

	if (!err)
		ret->software[sizeof(ret->software) - 1] = '\0';
	return err;
}

__u64 hg_show_agent_seen(const char *pin)
{
	struct hg_state state;
	struct hg_meta meta;

	if (read_meta(pin, &meta) || meta.layout != HG_LAYOUT_VERSION ||
	    read_map(pin, HG_STATE_MAP, &state, sizeof(state)))
		return 0;
	return state.agent_seen;
}

__u64 hg_show_agent_age(const char *pin)
{
	__u64 now = now_ns(), seen = hg_show_agent_seen(pin);

	if (!seen)
		return UINT64_MAX;
	return now > seen ? now - seen : 0;
}

static void show_set(const struct report *report)
{
	struct hg_meta meta = { 0 };
	int err = read_meta(report->pin, &meta);
	char text[QUOTED_LEN];

	if (report->is_json && err)
		printf("\"layout\":null");
	else if (report->is_json)
		printf("\"layout\":%u,\"hash\":\"%016llx\",\"software\":%s", meta.layout,
		       (unsigned long long)meta.hash, quote(meta.software, text));
	else if (err == -ENOENT)
		printf("maps      none, or a set that was never finished\n");
	else if (err)
		printf("maps      unreadable: %s\n", strerror(-err));
	else
		printf("maps      layout %u (%016llx), made by hagate %s\n", meta.layout,
		       (unsigned long long)meta.hash, meta.software);
}

static void show_state(const struct report *report)
{
	__u64 now = now_ns(), age = hg_show_agent_age(report->pin);
	struct hg_state state = { 0 };
	bool is_serving;
	double lease_ms;

	if (age == UINT64_MAX && read_map(report->pin, HG_STATE_MAP, &state, sizeof(state))) {
		printf(report->is_json ? ",\"serving\":null" : "serving   unknown: no state\n");
		return;
	}
	read_map(report->pin, HG_STATE_MAP, &state, sizeof(state));
	is_serving = hg_state_serves(&state, now);
	lease_ms = state.lease_until > now ? (state.lease_until - now) / 1e6 : 0;
	if (report->is_json) {
		printf(",\"serving\":%s,\"epoch\":\"0x%016llx\",\"fence_epoch\":\"0x%016llx\","
		       "\"lease_ms\":%.1f",
		       is_serving ? "true" : "false", (unsigned long long)state.epoch,
		       (unsigned long long)state.fence_epoch, lease_ms);
		if (age == UINT64_MAX)
			printf(",\"agent_age_ms\":null");
		else
			printf(",\"agent_age_ms\":%.1f", age / 1e6);
		return;
	}
	printf("serving   %s (epoch 0x%llx, fence 0x%llx, lease %.1f ms)\n",
	       is_serving ? "yes" : "no", (unsigned long long)state.epoch,
	       (unsigned long long)state.fence_epoch, lease_ms);
	if (age == UINT64_MAX)
		printf("agent     none yet\n");
	else
		printf("agent     last seen %.1f ms ago\n", age / 1e6);
}

static int show_port(void *context, const char *name)
{
	const char *port = name + strlen(HG_LINK_PREFIX);
	struct report *report = context;
	struct hg_attachment nic = { 0 };
	char path[PATH_MAX], ifname[IF_NAMESIZE] = "", text[2][QUOTED_LEN];
	struct hg_link_info link;
	int fd;

	if (snprintf(path, sizeof(path), "%s/%s", report->pin, name) >= PATH_MAX)
		return 0;
	fd = hg_link_open(path, &link);
	if (fd < 0)
		return 0;
	close(fd);
	if (hg_link_is_here(&link) && if_indextoname(link.ifindex, ifname))
		hg_loader_query(report->pin, link.ifindex, &nic);
	if (report->is_json)
		printf("%s{\"name\":%s,\"ifname\":%s,\"ifindex\":%d,\"xdp\":\"%s\",\"xdp_id\":%u,"
		       "\"tc_id\":%u}",
		       report->count ? "," : "", quote(port, text[0]),
		       ifname[0] ? quote(ifname, text[1]) : "null", link.ifindex,
		       mode_names[nic.mode], link.prog_id, nic.tc_id);
	else if (!ifname[0])
		printf("port      %s: its NIC is gone or in another network namespace\n", port);
	else
		printf("port      %s on %s: XDP %s, program %u; tc egress %s%.0u\n", port, ifname,
		       mode_names[nic.mode], link.prog_id, nic.tc_id ? "program " : "MISSING",
		       nic.tc_id);
	report->count++;
	return 0;
}

static int show_pin(void *context, const char *name)
{
	struct report *report = context;
	char text[QUOTED_LEN];

	if (report->is_json)
		printf("%s%s", report->count ? "," : "", quote(name, text));
	else
		printf("%s%s", report->count ? " " : "pinned    ", name);
	report->count++;
	return 0;
}

int hg_show_status(const char *pin, bool is_json, struct hg_error *error)
{
	struct report report = { .pin = pin, .is_json = is_json };
	char text[QUOTED_LEN];
	int lock, err;

	err = hg_bpffs_enter(pin, false, &lock, error);
	if (err && err != -ENOENT)
		return err;
	if (err) {
		printf(is_json ? "{\"pin\":%s,\"loaded\":false,\"ports\":[]}\n"
			       : "nothing is loaded below %s\n",
		       is_json ? quote(pin, text) : pin);
		return 0;
	}
	printf(is_json ? "{\"pin\":%s,\"loaded\":true," : "pin       %s\n",
	       is_json ? quote(pin, text) : pin);
	show_set(&report);
	show_state(&report);
	if (is_json)
		printf(",\"ports\":[");
	hg_bpffs_each(pin, HG_LINK_PREFIX, show_port, &report);
	report.count = 0;
	if (is_json)
		printf("],\"pinned\":[");
	hg_bpffs_each(pin, "", show_pin, &report);
	printf(is_json ? "]}\n" : "\n");
	hg_bpffs_leave(lock);
	return 0;
}

/* An address map of this layout, or -1. */
static int open_addrs(const char *pin, const char *name)
{
	struct bpf_map_info info = { 0 };
	__u32 len = sizeof(info);
	char path[PATH_MAX];
	int fd;

	if (snprintf(path, sizeof(path), "%s/%s", pin, name) >= PATH_MAX)
		return -1;
	fd = bpf_obj_get(path);
	if (fd < 0)
		return -1;
	if (!bpf_obj_get_info_by_fd(fd, &info, &len) && info.type == BPF_MAP_TYPE_HASH &&
	    info.key_size <= sizeof(((struct hg_link_addr *)0)->addr) &&
	    info.value_size == sizeof(struct hg_addr))
		return fd;
	close(fd);
	return -1;
}

void hg_show_left_addresses(const char *pin)
{
	int fd[2] = { open_addrs(pin, "hg_addr4"), open_addrs(pin, "hg_addr6") };
	char text[INET6_ADDRSTRLEN], ifname[IF_NAMESIZE];
	struct hg_link_addr *list = NULL, *addr;
	struct hg_addr found;
	size_t count = 0;

	if (hg_link_addrs(&list, &count))
		count = 0;
	for (addr = list; addr < list + count; addr++) {
		if (bpf_map_lookup_elem(fd[addr->family == 6], addr->addr, &found) ||
		    found.kind != HG_ADDR_VIP || !if_indextoname(addr->ifindex, ifname))
			continue;
		inet_ntop(addr->family == 6 ? AF_INET6 : AF_INET, addr->addr, text, sizeof(text));
		fprintf(stderr,
			"hagate-load: warning: %s still has the virtual address %s, and now "
			"answers for it; remove it: ip addr del %s/%d dev %s\n",
			ifname, text, text, addr->prefix, ifname);
	}
	free(list);
	if (fd[0] >= 0)
		close(fd[0]);
	if (fd[1] >= 0)
		close(fd[1]);
}

static void show_native(const struct hg_link *link, const struct hg_probe *probe, bool is_try)
{
	int err = is_try ? hg_probe_try(link->ifindex) : 0;

	if (is_try && err != -EBUSY)
		printf("  native XDP: %s%s\n", err ? "no: " : "yes, tried",
		       err ? strerror(-err) : "");
	else if (probe->native == HG_PROBE_UNKNOWN)
		printf("  native XDP: unknown (kernel before 6.3); probe --try finds out, the link "
		       "may go down and up\n");
	else
		printf("  native XDP: %s\n",
		       probe->native == HG_PROBE_YES ? "yes" : "no, needs `xdp: generic`, slower");
}

static void show_nic(const struct hg_link *link, bool is_try)
{
	struct hg_prog_name name;
	struct hg_probe probe;
	struct hg_xdp_info xdp;

	hg_probe_nic(link->ifindex, link->ifname, &probe);
	printf("%s: driver %s%s%s, MTU %u\n", link->ifname, probe.driver, link->path[0] ? ", " : "",
	       link->path, link->mtu);
	show_native(link, &probe, is_try);
	if (!hg_xdp_get(link->ifindex, &xdp) && xdp.prog_id) {
		hg_prog_get_name(xdp.prog_id, &name);
		printf("  attached: XDP program id %u, name %s, tag %s (%s)\n", xdp.prog_id,
		       name.name, name.tag, mode_names[xdp.mode]);
	}
	if (probe.channels)
		printf("  queues: %u of at most %u\n", probe.channels, probe.channels_max);
	if (link->mtu > 3498)
		printf("  note: above an MTU of about 3498 octets some drivers refuse native XDP\n");
	if (link->is_stacked)
		printf("  note: stands on other NICs (%s); attach to those\n", link->kind);
	if (link->master)
		printf("  note: is part of another device (ifindex %d)\n", link->master);
	if (probe.hint)
		printf("  note: %s\n", probe.hint);
}

int hg_show_probe(char *const *ifnames, int count, bool is_try, struct hg_error *error)
{
	struct hg_link *list;
	size_t links, i;
	int err, k, shown;

	hg_loader_quiet();
	err = hg_link_list(&list, &links);
	if (err)
		return hg_loader_fail(error, err, "cannot list NICs: %s", strerror(-err));
	for (i = 0; !count && i < links; i++)
		show_nic(&list[i], is_try);
	for (k = 0; k < count && !err; k++) {
		shown = 0;
		for (i = 0; i < links; i++)
			if (!strcmp(list[i].ifname, ifnames[k]) && ++shown)
				show_nic(&list[i], is_try);
		if (!shown)
			err = hg_loader_fail(error, -ENODEV, "there is no Ethernet NIC %s",
					     ifnames[k]);
	}
	free(list);
	return err;
}
