// SPDX-License-Identifier: GPL-2.0-or-later
/* The rig of the oracle's kernel tests, see rig.h. */
#include <err.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "bpf/flow.h"
#include "flow.h"
#include "rig.h"

static char object_path[PATH_MAX];

static int fd_of(struct rig *rig, const char *name)
{
	int fd = bpf_object__find_map_fd_by_name(rig->object, name);

	if (fd < 0)
		errx(1, "no map %s", name);
	return fd;
}

static int prog_of(struct rig *rig, const char *name)
{
	struct bpf_program *program = bpf_object__find_program_by_name(rig->object, name);

	if (!program)
		errx(1, "no program %s", name);
	return bpf_program__fd(program);
}

static int be_quiet(enum libbpf_print_level level, const char *format, va_list list)
{
	return level == LIBBPF_WARN ? vfprintf(stderr, format, list) : 0;
}

/* Every map is pinned by its name; pins that are there are taken over. */
static void load(struct rig *rig)
{
	char path[PATH_MAX];
	struct bpf_map *map;
	int fd;

	libbpf_set_print(be_quiet);
	rig->object = bpf_object__open_file(object_path, NULL);
	if (!rig->object)
		err(1, "%s", object_path);
	bpf_object__for_each_map(map, rig->object)
	{
		snprintf(path, sizeof(path), "%s/%s", rig->pin, bpf_map__name(map));
		fd = bpf_obj_get(path);
		if (fd >= 0 && bpf_map__reuse_fd(map, fd))
			err(1, "cannot take over %s", path);
		if (fd >= 0)
			close(fd);
	}
	if (bpf_object__load(rig->object))
		err(1, "cannot load %s", object_path);
	bpf_object__for_each_map(map, rig->object)
	{
		snprintf(path, sizeof(path), "%s/%s", rig->pin, bpf_map__name(map));
		if (access(path, F_OK) && bpf_obj_pin(bpf_map__fd(map), path))
			err(1, "cannot pin %s", path);
	}
	rig->all_fd = prog_of(rig, "hg_all");
	rig->first_fd = prog_of(rig, "hg_first");
	rig->none_fd = prog_of(rig, "hg_none");
	rig->answer_fd = fd_of(rig, "answer");
	rig->flows_fd = fd_of(rig, "flows");
}

struct rig *rig_new(const char *program)
{
	struct rig *rig = calloc(1, sizeof(*rig));
	char *slash;

	if (!rig)
		err(1, "memory");
	snprintf(object_path, sizeof(object_path), "%s", program);
	slash = strrchr(object_path, '/');
	snprintf(slash ? slash + 1 : object_path,
		 sizeof(object_path) - (slash ? slash + 1 - object_path : 0), "classify.bpf.o");
	snprintf(rig->pin, sizeof(rig->pin), "/sys/fs/bpf/hg-oracle-%d", getpid());
	if (mkdir(rig->pin, 0700))
		err(1, "%s (is a bpffs mounted?)", rig->pin);
	load(rig);
	return rig;
}

void rig_reload(struct rig *rig)
{
	bpf_object__close(rig->object);
	load(rig);
}

void rig_done(struct rig *rig)
{
	struct bpf_map *map;
	char path[PATH_MAX];

	bpf_object__for_each_map(map, rig->object)
	{
		snprintf(path, sizeof(path), "%s/%s", rig->pin, bpf_map__name(map));
		unlink(path);
	}
	bpf_object__close(rig->object);
	rmdir(rig->pin);
	free(rig);
}

struct hg_compiled *rig_compile(struct generated *g)
{
	struct hg_compiled *set;
	int error = hg_compile(&g->ruleset, &g->context, &set);

	if (error)
		errx(1, "hg_compile: %s", strerror(-error));
	return set;
}

void rig_apply(struct rig *rig, const struct hg_compiled *set, struct hg_filter_result *ret)
{
	struct hg_error error;

	if (hg_filter_apply(rig->pin, set, ret, &error))
		errx(1, "hg_filter_apply: %s", error.text);
}

void rig_classify(struct rig *rig, const struct packet *packet, struct classify_answer *ret)
{
	struct hg_flow flow;
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = &flow, .data_size_in = sizeof(flow));
	__u32 key = 0;

	flow_of(packet, &flow);
	if (bpf_prog_test_run_opts(rig->all_fd, &opts) || opts.retval != 2 /* XDP_PASS */)
		err(1, "test run (verdict %u)", opts.retval);
	if (bpf_map_lookup_elem(rig->answer_fd, &key, ret))
		err(1, "answer");
}

double rig_time(int prog_fd, unsigned int count)
{
	char frame[64] = { 0 };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = sizeof(frame),
		    .repeat = count);

	if (bpf_prog_test_run_opts(prog_fd, &opts) || !opts.retval)
		err(1, "test run (verdict %u)", opts.retval);
	return opts.duration;
}
