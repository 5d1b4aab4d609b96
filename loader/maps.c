// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Typed access to the pinned maps. The agent is their only writer on this side, so
 * what was read here a moment ago still holds when the difference is written.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

int hg_maps_set_port(const struct hg_maps *maps, int ifindex, const struct hg_port *port)
{
	__u32 key = ifindex;

	return bpf_map_update_elem(maps->port_fd, &key, port, BPF_ANY);
}

int hg_maps_get_port(const struct hg_maps *maps, int ifindex, struct hg_port *ret)
{
	__u32 key = ifindex;

	return bpf_map_lookup_elem(maps->port_fd, &key, ret);
}

int hg_maps_delete_port(const struct hg_maps *maps, int ifindex)
{
	__u32 key = ifindex;

	return bpf_map_delete_elem(maps->port_fd, &key);
}

int hg_maps_set_key(const struct hg_maps *maps, enum hg_key_slot slot, const struct hg_key *key)
{
	__u32 index = slot;

	return bpf_map_update_elem(maps->key_fd, &index, key, BPF_ANY);
}

int hg_maps_get_key(const struct hg_maps *maps, enum hg_key_slot slot, struct hg_key *ret)
{
	__u32 index = slot;

	return bpf_map_lookup_elem(maps->key_fd, &index, ret);
}

/* One system call per slot: the batch begins after the key it is given. */
int hg_maps_get_stats(const struct hg_maps *maps, __u32 slot, struct hg_stat *ret)
{
	LIBBPF_OPTS(bpf_map_batch_opts, opts);
	__u32 keys[HG_R_COUNT], count = HG_R_COUNT, before = slot * HG_R_COUNT - 1, next;
	int cpus = libbpf_num_possible_cpus(), err, cpu;
	struct hg_stat *values;
	__u32 i;

	if (slot >= HG_SLOTS_MAX || cpus <= 0)
		return -EINVAL;
	values = malloc(sizeof(*values) * HG_R_COUNT * cpus);
	if (!values)
		return -ENOMEM;
	err = bpf_map_lookup_batch(maps->stats_fd, slot ? &before : NULL, &next, keys, values,
				   &count, &opts);
	if (err == -ENOENT && count == HG_R_COUNT)
		err = 0; /* the last slot ends the map */
	if (!err && count != HG_R_COUNT)
		err = -EIO;
	if (!err)
		memset(ret, 0, sizeof(*ret) * HG_R_COUNT);
	for (i = 0; !err && i < HG_R_COUNT; i++) {
		for (cpu = 0; cpu < cpus; cpu++) {
			ret[i].packets += values[i * cpus + cpu].packets;
			ret[i].octets += values[i * cpus + cpu].octets;
		}
	}
	free(values);
	return err;
}
