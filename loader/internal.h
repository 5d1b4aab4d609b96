/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files of loader/ share among themselves; nobody else includes this.
 *
 * Everything a loader does to a pin directory happens under hg_bpffs_enter()'s
 * lock: an flock on the directory itself. It belongs to the very object that it
 * guards, so it holds across mount and network namespaces, needs no file of its
 * own and ends with the process.
 */
#ifndef HG_LOADER_INTERNAL_H
#define HG_LOADER_INTERNAL_H

#include <limits.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "loader.h"

#define HG_MAPS_PER_SET 32 /* bound for maps of both programs together */
#define HG_LINK_PREFIX "link_"
#define HG_MAP_PREFIX "hg_"
#define HG_META_MAP "hg_meta"
#define HG_STATE_MAP "hg_state"
#define HG_GATE_NAME "hg_gate"
#define HG_EGRESS_NAME "hg_egress"

struct hg_loader {
	char pin[PATH_MAX];
	struct gate_bpf *gate;
	struct egress_bpf *egress;
	int gate_fd, egress_fd;
	struct hg_maps maps;
};

/* A map of the two objects; each name once. */
struct hg_map_ref {
	struct bpf_object *object;
	struct bpf_map *map;
};
struct hg_map_set {
	size_t count;
	struct hg_map_ref ref[HG_MAPS_PER_SET];
};

/* error.c: writes the sentence (cut to size) and returns `err`. */
int hg_loader_fail(struct hg_error *error, int err, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* Takes libbpf's messages away from stderr; the text since the last reset. */
void hg_loader_quiet(void);
const char *hg_loader_warning(void);

/* bpffs.c */
int hg_bpffs_enter(const char *pin, bool is_create, int *ret_lock, struct hg_error *error);
void hg_bpffs_leave(int lock);
int hg_bpffs_path(const char *pin, const char *prefix, const char *name, char ret[PATH_MAX],
		  struct hg_error *error);
/* Calls back with each name in the directory that starts with `prefix`, sorted; ends
 * at the first return value that is not 0 and returns it. */
typedef int (*hg_bpffs_fn)(void *context, const char *name);
int hg_bpffs_each(const char *pin, const char *prefix, hg_bpffs_fn fn, void *context);

/* pinned.c: one map of a pin directory: its fd; or an array's values, memory-mapped,
 * with *(void **)ret set. */
int hg_pin_open(const char *pin, const char *name, int *ret_fd, struct hg_error *error);
int hg_pin_map(const char *pin, const char *name, size_t size, void *ret, struct hg_error *error);
void hg_pin_unmap(volatile void *memory, size_t size); /* NULL does nothing */

/* meta.c */
int hg_meta_hash(const struct hg_map_set *set, __u64 *ret);
/* 0: same layout; -ENOENT: no complete set; else refused, with the sentence. */
int hg_meta_check(const char *pin, __u64 hash, struct hg_error *error);
int hg_meta_write(int fd, __u64 hash, const char *software);

/* query.c */
struct hg_link_info {
	__u32 prog_id;
	int ifindex; /* 0: its NIC is gone */
};
struct hg_xdp_info {
	enum hg_xdp_mode mode;
	__u32 prog_id;
};
struct hg_prog_name {
	char name[16];
	char tag[17];
	bool is_hidden; /* this process may not ask */
};
/* Returns the link's fd; -ENOENT; -EINVAL: not an XDP link. */
int hg_link_open(const char *path, struct hg_link_info *ret);
/* Is its NIC in this network namespace? An equal ifindex alone says nothing. */
bool hg_link_is_here(const struct hg_link_info *link);
int hg_xdp_get(int ifindex, struct hg_xdp_info *ret);
void hg_prog_get_name(__u32 prog_id, struct hg_prog_name *ret);
bool hg_prog_fd_uses_map(int fd, __u32 map_id);
bool hg_prog_uses_map(__u32 prog_id, __u32 map_id);
__u32 hg_map_get_id(const char *path); /* of a pinned map, 0: none */
void hg_nic_driver(const char *ifname, char ret[32]); /* "?" when the kernel does not say */

/* attach.c: detaches the link now, whoever else holds it, and removes its pin. */
void hg_link_drop(const char *path, int fd);

/* tc.c: the egress program of one NIC. */
int hg_tc_attach(int ifindex, int prog_fd, struct hg_error *error);
/* Program id at our place, 0: none. */
__u32 hg_tc_get(int ifindex);
/* Removes our filter; `map_id` other than 0: only when it uses that map. Returns its
 * program id, 0 when there was none. An empty clsact goes too. */
__u32 hg_tc_detach(int ifindex, __u32 map_id);

#endif
