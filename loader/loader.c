// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Opening a data path: programs loaded anew with this configuration's constants, on
 * maps that an earlier agent left or on new ones.
 *
 * Two states of a pin directory count: hg_meta is there and fits, with all maps
 * (adopt), or the set is incomplete (whoever made it died: build all maps anew).
 * Map pins are made with hg_meta last and removed with hg_meta first, so there is
 * no third. Links are not touched here, see attach.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "internal.h"

#include "egress.skel.h"
#include "gate.skel.h"

#define LOG_LEN (4u << 20)
#define LOG_FILE "/run/hagate-verifier.log"

static int open_skeletons(struct hg_loader *loader, const struct hg_config *config,
			  struct hg_error *error)
{
	struct bpf_object *object[2];
	struct bpf_map *map;
	int i;

	loader->gate = gate_bpf__open();
	loader->egress = loader->gate ? egress_bpf__open() : NULL;
	if (!loader->egress)
		return hg_loader_fail(error, -errno, "cannot read the built-in BPF objects: %s %s",
				      strerror(errno), hg_loader_warning());
	loader->gate->rodata->hg_config = *config;
	loader->egress->rodata->hg_config = *config;
	object[0] = loader->gate->obj;
	object[1] = loader->egress->obj;
	for (i = 0; i < 2; i++)
		bpf_object__for_each_map(map, object[i])
			bpf_map__set_pin_path(map, NULL); /* pinned here, in a given order */
	return 0;
}

static bool is_known(const struct hg_map_set *set, const char *name)
{
	size_t i;

	for (i = 0; i < set->count; i++)
		if (!strcmp(bpf_map__name(set->ref[i].map), name))
			return true;
	return false;
}

static int list_maps(const struct hg_loader *loader, struct hg_map_set *set, struct hg_error *error)
{
	struct bpf_object *object[2] = { loader->gate->obj, loader->egress->obj };
	struct bpf_map *map;
	int i;

	set->count = 0;
	for (i = 0; i < 2; i++) {
		bpf_object__for_each_map(map, object[i])
		{
			if (bpf_map__is_internal(map) || is_known(set, bpf_map__name(map)))
				continue;
			if (set->count == HG_MAPS_PER_SET)
				return hg_loader_fail(error, -E2BIG, "too many maps");
			set->ref[set->count].object = object[i];
			set->ref[set->count++].map = map;
		}
	}
	if (!is_known(set, HG_META_MAP) || !is_known(set, HG_STATE_MAP))
		return hg_loader_fail(error, -ENOENT, "the BPF objects lack %s or %s", HG_META_MAP,
				      HG_STATE_MAP);
	return 0;
}

static bool is_alike(const struct bpf_map *map, int fd)
{
	struct bpf_map_info info = { 0 };
	__u32 len = sizeof(info);

	return !bpf_obj_get_info_by_fd(fd, &info, &len) && info.type == bpf_map__type(map) &&
	       info.key_size == bpf_map__key_size(map) &&
	       info.value_size == bpf_map__value_size(map) &&
	       info.map_flags == bpf_map__map_flags(map);
}

/* -ENOENT: the set is incomplete. Nothing is taken over before all is there. */
static int adopt_maps(const char *pin, const struct hg_map_set *set, struct hg_error *error)
{
	int fd[HG_MAPS_PER_SET];
	size_t count, i;
	char path[PATH_MAX];
	int err = 0;

	for (count = 0; count < set->count && !err; count++) {
		err = hg_bpffs_path(pin, "", bpf_map__name(set->ref[count].map), path, error);
		fd[count] = err ? -1 : bpf_obj_get(path);
		if (!err && fd[count] < 0)
			err = fd[count] == -ENOENT ? -ENOENT
						   : hg_loader_fail(error, fd[count], "%s: %s",
								    path, strerror(-fd[count]));
		else if (!err && !is_alike(set->ref[count].map, fd[count]))
			err = hg_loader_fail(error, -ESTALE,
					     "%s is not a map of this version. Run: hagate-load "
					     "--pin %s detach",
					     path, pin);
	}
	for (i = 0; i < count; i++) {
		if (!err && bpf_map__reuse_fd(set->ref[i].map, fd[i]))
			err = hg_loader_fail(error, -errno, "cannot take over %s/%s: %s", pin,
					     bpf_map__name(set->ref[i].map), strerror(errno));
		if (fd[i] >= 0)
			close(fd[i]);
	}
	return err;
}

static int drop_pin(void *context, const char *name)
{
	char path[PATH_MAX];

	if (snprintf(path, sizeof(path), "%s/%s", (const char *)context, name) < PATH_MAX)
		unlink(path);
	return 0;
}

/* What remains of a set that was never finished. Programs still attached keep their
 * old maps, whose lease ends by itself, until they are replaced. */
static void drop_maps(const char *pin)
{
	drop_pin((void *)pin, HG_META_MAP);
	hg_bpffs_each(pin, HG_MAP_PREFIX, drop_pin, (void *)pin);
}

/* The verifier's last sentence that says why, out of its log. */
static void find_verdict(const char *log, char *ret, size_t len)
{
	const char *line = log, *end;

	ret[0] = '\0';
	for (; *line; line = *end ? end + 1 : end) {
		end = strchrnul(line, '\n');
		if (end > line && strncmp(line, "processed ", 10) && *line != '-')
			snprintf(ret, len, "%.*s", (int)(end - line), line);
	}
}

static bool is_log_kept(const char *log)
{
	ssize_t len = strlen(log), written;
	int fd;

	fd = open(LOG_FILE, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return false;
	written = write(fd, log, len);
	close(fd);
	return written == len;
}

static int load_object(struct bpf_object *object, const char *name, struct hg_error *error)
{
	struct bpf_program *program = bpf_object__find_program_by_name(object, name);
	char *log, verdict[160];
	int err;

	log = malloc(LOG_LEN);
	if (!log || !program) {
		free(log);
		return hg_loader_fail(error, -ENOMEM, "no memory, or no program %s", name);
	}
	log[0] = '\0';
	bpf_program__set_log_buf(program, log, LOG_LEN);
	hg_loader_quiet();
	err = bpf_object__load(object);
	bpf_program__set_log_buf(program, NULL, 0);
	if (err && log[0]) {
		find_verdict(log, verdict, sizeof(verdict));
		hg_loader_fail(error, err, "the kernel refuses program %s (%s): %s%s", name,
			       strerror(-err), verdict,
			       is_log_kept(log) ? "; the whole log is in " LOG_FILE : "");
	} else if (err) {
		hg_loader_fail(error, err, "cannot load program %s: %s: %s", name, strerror(-err),
			       hg_loader_warning());
	}
	free(log);
	return err;
}

/* The egress program works on the gate's maps. */
static int share_maps(const struct hg_loader *loader, struct hg_error *error)
{
	struct bpf_map *map, *twin;

	bpf_object__for_each_map(map, loader->egress->obj)
	{
		twin = bpf_object__find_map_by_name(loader->gate->obj, bpf_map__name(map));
		if (!twin || bpf_map__is_internal(map))
			continue;
		if (!is_alike(map, bpf_map__fd(twin)) || bpf_map__reuse_fd(map, bpf_map__fd(twin)))
			return hg_loader_fail(error, -EINVAL, "gate and egress disagree on map %s",
					      bpf_map__name(map));
	}
	return 0;
}

static int pin_map(const char *pin, const struct bpf_map *map, struct hg_error *error)
{
	char path[PATH_MAX];
	int err;

	err = hg_bpffs_path(pin, "", bpf_map__name(map), path, error);
	if (err)
		return err;
	err = bpf_obj_pin(bpf_map__fd(map), path);
	if (err)
		hg_loader_fail(error, err, "cannot pin %s: %s", path, strerror(-err));
	return err;
}

static int pin_maps(const char *pin, const struct hg_map_set *set, __u64 hash, const char *software,
		    struct hg_error *error)
{
	const struct bpf_map *meta = NULL;
	size_t i;
	int err;

	for (i = 0; i < set->count; i++) {
		if (!strcmp(bpf_map__name(set->ref[i].map), HG_META_MAP)) {
			meta = set->ref[i].map;
			continue;
		}
		err = pin_map(pin, set->ref[i].map, error);
		if (err)
			return err;
	}
	err = hg_meta_write(bpf_map__fd(meta), hash, software);
	if (err)
		return hg_loader_fail(error, err, "cannot write %s: %s", HG_META_MAP,
				      strerror(-err));
	return pin_map(pin, meta, error);
}

static int load_set(struct hg_loader *loader, const struct hg_loader_options *options,
		    bool *ret_is_adopted, struct hg_error *error)
{
	struct hg_map_set set;
	__u64 hash;
	int err;

	err = list_maps(loader, &set, error);
	if (!err)
		err = hg_meta_hash(&set, &hash);
	if (err)
		return err;
	err = hg_meta_check(loader->pin, hash, error);
	if (!err)
		err = adopt_maps(loader->pin, &set, error);
	if (err && err != -ENOENT)
		return err;
	*ret_is_adopted = !err;
	if (err)
		drop_maps(loader->pin);

	err = load_object(loader->gate->obj, HG_GATE_NAME, error);
	if (!err)
		err = share_maps(loader, error);
	if (!err)
		err = load_object(loader->egress->obj, HG_EGRESS_NAME, error);
	if (!err && !*ret_is_adopted)
		err = pin_maps(loader->pin, &set, hash, options->software, error);
	return err;
}

int hg_loader_open(const struct hg_loader_options *options, struct hg_loader **ret,
		   bool *ret_is_adopted, struct hg_error *error)
{
	struct hg_loader *loader;
	bool is_adopted = false;
	int err, lock = -1;

	loader = calloc(1, sizeof(*loader));
	if (!loader)
		return hg_loader_fail(error, -ENOMEM, "no memory");
	hg_maps_init(&loader->maps);
	snprintf(loader->pin, sizeof(loader->pin), "%s", options->pin);
	err = hg_bpffs_enter(options->pin, true, &lock, error);
	if (!err)
		err = open_skeletons(loader, &options->config, error);
	if (!err)
		err = load_set(loader, options, &is_adopted, error);
	if (!err)
		err = hg_maps_open(loader->pin, &loader->maps, error);
	hg_bpffs_leave(lock);
	if (err) {
		hg_loader_free(loader);
		return err;
	}
	loader->gate_fd = bpf_program__fd(loader->gate->progs.hg_gate);
	loader->egress_fd = bpf_program__fd(loader->egress->progs.hg_egress);
	*ret = loader;
	if (ret_is_adopted)
		*ret_is_adopted = is_adopted;
	return 0;
}

void hg_loader_free(struct hg_loader *loader)
{
	if (!loader)
		return;
	hg_maps_close(&loader->maps);
	egress_bpf__destroy(loader->egress);
	gate_bpf__destroy(loader->gate);
	free(loader);
}

const struct hg_maps *hg_loader_maps(struct hg_loader *loader)
{
	return &loader->maps;
}
