/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The only code that talks to libbpf: open, set constants, load, pin, attach,
 * replace, adopt, detach.
 *
 * One gate (XDP) and one egress (tc) program per process, shared by all ports.
 * Maps are pinned under PIN/NAME, the XDP links under PIN/link_PORT, and outlive
 * the process; hg_loader_open() adopts maps of the same layout (hg_meta) and
 * refuses a newer one. Nothing here logs: errors are -errno with a sentence in
 * struct hg_error that names the interface or file and the remedy.
 */
#ifndef HG_LOADER_H
#define HG_LOADER_H

#include <stdbool.h>
#include <stddef.h>

#include "hagate/abi.h"
#include "hagate/gap.h"

struct hg_error {
	char text[512];
};

enum hg_xdp_mode {
	HG_XDP_NONE,
	HG_XDP_NATIVE, /* default; never replaced by generic silently */
	HG_XDP_GENERIC, /* only when asked for */
};

struct hg_loader;

struct hg_loader_options {
	const char *pin; /* directory on a bpffs; mounted and made when missing */
	struct hg_config config; /* .rodata of both programs */
	const char *software; /* version written into hg_meta of new maps */
};

/* Memory-mapped arrays and file descriptors, valid until hg_loader_free(). */
struct hg_maps {
	volatile struct hg_state *state; /* [HG_GROUPS_MAX] */
	volatile struct hg_peer *peer; /* [HG_PEERS_MAX] */
	volatile struct hg_path *path; /* [HG_PEERS_MAX * HG_SLOTS_MAX] */
	volatile struct hg_gap *gap; /* [HG_PEERS_MAX] */
	int port_fd, addr4_fd, addr6_fd, key_fd, stats_fd, events_fd;
};

/* Opens, loads, pins or adopts. ret_is_adopted: maps of an earlier agent were
 * there. -EEXIST: newer layout. -EPERM: not root. Changes no NIC. */
int hg_loader_open(const struct hg_loader_options *options, struct hg_loader **ret,
		   bool *ret_is_adopted, struct hg_error *error);
void hg_loader_free(struct hg_loader *loader); /* leaves pins and links */

const struct hg_maps *hg_loader_maps(struct hg_loader *loader);

/*
 * Attaches both programs to the NIC, or atomically replaces those that an earlier
 * agent left under PIN/link_PORT. A link of ours on a NIC that is gone is removed.
 * -EBUSY: another XDP program is there (id, name, tag in the error).
 * -EOPNOTSUPP: the driver has no native XDP and generic was not asked for.
 */
int hg_loader_attach(struct hg_loader *loader, const char *port, int ifindex, enum hg_xdp_mode mode,
		     struct hg_error *error);

/* Where the ports are to be, all of them, before they are attached one by one. */
#define HG_NIC_UNKNOWN (-1)
struct hg_loader_place {
	const char *port;
	int ifindex; /* 0: it has no NIC; HG_NIC_UNKNOWN: its link stays where it is */
};

/* Gives each link of an earlier agent the name of the port that its NIC belongs to now,
 * while the gate stays on the NIC; removes programs from all other NICs. */
int hg_loader_settle(struct hg_loader *loader, const struct hg_loader_place *places, size_t count,
		     struct hg_error *error);

/* Removes programs of one port. Safe when there is nothing. */
int hg_loader_detach(struct hg_loader *loader, const char *port, struct hg_error *error);

/* Removes everything below `pin`: links, tc programs, maps, the directory. Needs no
 * loader; safe to run twice. */
int hg_loader_remove(const char *pin, struct hg_error *error);
/* The same, and calls back with a line of text for each thing removed. */
typedef void (*hg_removed_fn)(void *context, const char *what);
int hg_loader_remove_telling(const char *pin, hg_removed_fn fn, void *context,
			     struct hg_error *error);

/* What runs on a NIC: mode, program id, whether it is ours. */
struct hg_attachment {
	enum hg_xdp_mode mode;
	__u32 xdp_id;
	__u32 tc_id;
	bool is_ours;
	char name[16];
};
int hg_loader_query(const char *pin, int ifindex, struct hg_attachment *ret);

/* The maps of a pin directory without any program: for the agent, whose programs
 * were loaded by another process. -ENOENT: nothing is pinned there. */
int hg_maps_open(const char *pin, struct hg_maps *ret, struct hg_error *error);
void hg_maps_close(struct hg_maps *maps);
/* Nothing open: safe to close. */
void hg_maps_init(struct hg_maps *maps);

/* Map access. Keys and values as in abi.h; 0 or -errno. */
int hg_maps_set_port(const struct hg_maps *maps, int ifindex, const struct hg_port *port);
int hg_maps_get_port(const struct hg_maps *maps, int ifindex, struct hg_port *ret);
int hg_maps_delete_port(const struct hg_maps *maps, int ifindex);
/* Makes the address maps hold exactly the given entries (batched where possible). */
struct hg_addr_entry {
	__u8 family; /* 4 or 6 */
	__u8 addr[16]; /* network order; IPv4 in the first four octets */
	struct hg_addr value;
};
int hg_maps_sync_addrs(const struct hg_maps *maps, const struct hg_addr_entry *entries,
		       size_t count);
int hg_maps_set_key(const struct hg_maps *maps, enum hg_key_slot slot, const struct hg_key *key);
int hg_maps_get_key(const struct hg_maps *maps, enum hg_key_slot slot, struct hg_key *ret);
/* Sums all CPUs: ret[HG_R_COUNT] for one slot. */
int hg_maps_get_stats(const struct hg_maps *maps, __u32 slot, struct hg_stat *ret);

/* Ring buffer: fd for poll; consume calls back per event, never blocks. */
struct hg_ring;
typedef void (*hg_ring_fn)(void *context, const struct hg_event *event);
int hg_ring_new(const struct hg_maps *maps, hg_ring_fn fn, void *context, struct hg_ring **ret);
int hg_ring_fd(const struct hg_ring *ring);
int hg_ring_consume(struct hg_ring *ring);
void hg_ring_free(struct hg_ring *ring);

#endif
