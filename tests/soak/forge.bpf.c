// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Makes forged heartbeats in the kernel: BPF_PROG_TEST_RUN with live frames runs this
 * on a copy of one frame each time, with another tag, and sends it out of a port.
 */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "hagate/wire.h"

char LICENSE[] SEC("license") = "GPL";

#define HEADERS (14 + 20 + 8)

struct forge_place {
	__u32 ifindex; /* of the port */
	__u32 pad;
	__u64 sent;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct forge_place);
} forge_place SEC(".maps");

SEC("xdp")
int forge_send(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct hg_wire_short *frame = data + HEADERS;
	__u32 zero = 0;
	struct forge_place *place = bpf_map_lookup_elem(&forge_place, &zero);

	if (!place || (void *)(frame + 1) > end)
		return XDP_DROP;
	*(__u32 *)frame->tag = bpf_get_prandom_u32();
	place->sent++;
	return bpf_redirect(place->ifindex, 0);
}
