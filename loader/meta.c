// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * hg_meta: may these pinned maps be adopted? The hash covers name, kind, sizes and
 * every field of keys and values of all maps, from the BTF of the objects about to
 * be loaded; hg_meta holds that of the objects which made the maps.
 *
 * Type names behind typedefs and integer names do not count, offsets, field names
 * and sizes do. hg_meta is pinned last, so a set without it was never finished.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <bpf/btf.h>

#include "internal.h"

#define DEPTH_MAX 16

/* FNV-1a, 64 bits (RFC draft-eastlake-fnv) */
static void mix(__u64 *hash, const void *data, size_t len)
{
	const unsigned char *octet = data;

	while (len--)
		*hash = (*hash ^ *octet++) * 1099511628211ull;
}

static void mix_number(__u64 *hash, __u32 number)
{
	mix(hash, &number, sizeof(number));
}

static void mix_text(__u64 *hash, const char *text)
{
	mix(hash, text, strlen(text) + 1);
}

static void mix_type(__u64 *hash, const struct btf *btf, __u32 id, int depth);

static void mix_members(__u64 *hash, const struct btf *btf, const struct btf_type *type, int depth)
{
	const struct btf_member *member = btf_members(type);
	int i;

	mix_text(hash, btf__name_by_offset(btf, type->name_off));
	mix_number(hash, btf_vlen(type));
	for (i = 0; i < btf_vlen(type); i++) {
		mix_text(hash, btf__name_by_offset(btf, member[i].name_off));
		mix_number(hash, btf_member_bit_offset(type, i));
		mix_number(hash, btf_member_bitfield_size(type, i));
		mix_type(hash, btf, member[i].type, depth);
	}
}

static void mix_type(__u64 *hash, const struct btf *btf, __u32 id, int depth)
{
	const struct btf_type *type = btf__type_by_id(btf, id);

	while (type && (btf_is_mod(type) || btf_is_typedef(type) || btf_is_type_tag(type))) {
		id = type->type;
		type = btf__type_by_id(btf, id);
	}
	if (!type || depth >= DEPTH_MAX)
		return;
	mix_number(hash, btf_kind(type));
	if (btf_is_array(type)) {
		mix_number(hash, btf_array(type)->nelems);
		mix_type(hash, btf, btf_array(type)->type, depth + 1);
		return;
	}
	if (btf_is_ptr(type))
		return;
	mix_number(hash, type->size);
	if (btf_is_int(type))
		mix_number(hash, btf_int_encoding(type));
	if (btf_is_composite(type))
		mix_members(hash, btf, type, depth + 1);
}

/* Of a map of maps its template counts too. */
static void mix_map(__u64 *hash, const struct btf *btf, const struct bpf_map *map)
{
	const struct bpf_map *inner = bpf_map__inner_map((struct bpf_map *)map);

	mix_text(hash, bpf_map__name(map));
	mix_number(hash, bpf_map__type(map));
	mix_number(hash, bpf_map__key_size(map));
	mix_number(hash, bpf_map__value_size(map));
	mix_number(hash, bpf_map__max_entries(map));
	mix_number(hash, bpf_map__map_flags(map));
	mix_type(hash, btf, bpf_map__btf_key_type_id(map), 0);
	mix_type(hash, btf, bpf_map__btf_value_type_id(map), 0);
	if (inner)
		mix_map(hash, btf, inner);
}

/* Each map's hash is added, so that the order of maps in an object does not count.
 * The records of the ring buffer are no map value: named here. */
int hg_meta_hash(const struct hg_map_set *set, __u64 *ret)
{
	const __u64 start = 14695981039346656037ull;
	__u64 sum = 0, one;
	size_t i;
	int id;

	for (i = 0; i < set->count; i++) {
		one = start;
		mix_map(&one, bpf_object__btf(set->ref[i].object), set->ref[i].map);
		sum += one;
		if (bpf_map__type(set->ref[i].map) != BPF_MAP_TYPE_RINGBUF)
			continue;
		id = btf__find_by_name_kind(bpf_object__btf(set->ref[i].object), "hg_event",
					    BTF_KIND_STRUCT);
		one = start;
		if (id > 0)
			mix_type(&one, bpf_object__btf(set->ref[i].object), id, 0);
		sum += one;
	}
	*ret = sum;
	return 0;
}

int hg_meta_check(const char *pin, __u64 hash, struct hg_error *error)
{
	struct bpf_map_info info = { 0 };
	struct hg_meta meta = { 0 };
	__u32 len = sizeof(info), key = 0;
	char path[PATH_MAX];
	int err, fd;

	err = hg_bpffs_path(pin, "", HG_META_MAP, path, error);
	if (err)
		return err;
	fd = bpf_obj_get(path);
	if (fd == -ENOENT)
		return fd;
	if (fd < 0)
		return hg_loader_fail(error, fd, "%s: %s", path, strerror(-fd));
	err = bpf_obj_get_info_by_fd(fd, &info, &len);
	if (!err && (info.type != BPF_MAP_TYPE_ARRAY || info.value_size != sizeof(meta)))
		err = -ESTALE;
	if (!err)
		err = bpf_map_lookup_elem(fd, &key, &meta);
	close(fd);
	meta.software[sizeof(meta.software) - 1] = '\0';
	if (!err && meta.layout > HG_LAYOUT_VERSION)
		return hg_loader_fail(error, -EEXIST,
				      "maps in %s are of hagate %s, layout %u; this is %u: start "
				      "that version, or run: hagate-load --pin %s detach",
				      pin, meta.software, meta.layout, HG_LAYOUT_VERSION, pin);
	if (err || meta.layout != HG_LAYOUT_VERSION || meta.hash != hash)
		return hg_loader_fail(
			error, -ESTALE,
			"maps in %s are of hagate %s, layout %u (%016llx), other than "
			"layout %u (%016llx) of this version; they cannot be taken "
			"over. With the gateway handed over to the peer, run: "
			"hagate-load --pin %s detach",
			pin, meta.software[0] ? meta.software : "?", meta.layout,
			(unsigned long long)meta.hash, HG_LAYOUT_VERSION, (unsigned long long)hash,
			pin);
	return 0;
}

int hg_meta_write(int fd, __u64 hash, const char *software)
{
	struct hg_meta meta = { .layout = HG_LAYOUT_VERSION, .hash = hash };
	__u32 key = 0;

	snprintf(meta.software, sizeof(meta.software), "%s", software ? software : "");
	return bpf_map_update_elem(fd, &key, &meta, BPF_ANY);
}
