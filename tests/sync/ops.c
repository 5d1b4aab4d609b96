// SPDX-License-Identifier: GPL-2.0-or-later
/* What a node does in one process; see rig.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/sync/rig.h"

int rig_op_nothing(struct rig_node *node, void *arg)
{
	(void)node;
	(void)arg;
	return 0;
}

int rig_op_write_files(struct rig_node *node, void *arg)
{
	static const char *const names[] = { "cluster.yaml", "etc/one.conf", "etc/app/a.conf",
					     "etc/app/b.conf" };
	char text[256];
	size_t i;

	for (i = 0; i < 4; i++) {
		snprintf(text, sizeof(text), "%s in %s\n", (const char *)arg, names[i]);
		rig_write(node, names[i], text);
	}
	return 0;
}

static int commit(struct rig_node *node, const char *message)
{
	struct hg_generation made;
	int r;

	r = hg_apply_commit(node->apply, node->entry, node->entry_count, RIG_UUID, message, &made,
			    &node->error);
	if (r)
		return r;
	node->result->made.number = made.number;
	node->result->made.oid = made.oid;
	return 0;
}

int rig_op_commit(struct rig_node *node, void *arg)
{
	return commit(node, arg);
}

int rig_op_stage(struct rig_node *node, void *arg)
{
	return hg_apply_stage(node->apply, arg, 0, &node->result->report, &node->error);
}

int rig_op_cycle(struct rig_node *node, void *arg)
{
	struct hg_apply_report report;
	int r;

	r = hg_apply_stage(node->apply, arg, 0, &node->result->report, &node->error);
	if (!r)
		r = hg_apply_switch(node->apply, UINT64_C(60000000000), &report, &node->error);
	if (!r)
		r = hg_apply_confirm(node->apply, &report, &node->error);
	return r;
}

int rig_op_commit_apply(struct rig_node *node, void *arg)
{
	int r = commit(node, arg);

	return r ? r : rig_op_cycle(node, &node->result->made.oid);
}

int rig_op_save(struct rig_node *node, void *arg)
{
	char command[512];

	snprintf(command, sizeof(command), "rm -rf %s/wire/%s && cp -a %s %s/wire/%s",
		 node->rig->base, (char *)arg, node->here, node->rig->base, (char *)arg);
	return system(command) ? -EIO : 0;
}

int rig_op_restore(struct rig_node *node, void *arg)
{
	char command[512];

	snprintf(command, sizeof(command), "find . -mindepth 1 -delete && cp -a %s/wire/%s/. %s",
		 node->rig->base, (char *)arg, node->here);
	return system(command) ? -EIO : 0;
}

int rig_op_no_leftovers(struct rig_node *node, void *arg)
{
	char name[256];

	(void)arg;
	if (!rig_find_leftovers(node, name, sizeof(name)))
		return 0;
	fprintf(stderr, "%s: %s is left\n", rig_names[node->index], name);
	return -ENOTEMPTY;
}

int rig_op_expect_text(struct rig_node *node, void *arg)
{
	const char *text = rig_read(node, "etc/app/a.conf");

	return text && !strncmp(text, arg, strlen(arg)) ? 0 : -ENOMSG;
}

int rig_op_try(struct rig_node *node, void *arg)
{
	struct hg_apply_report report;
	int r = rig_op_stage(node, arg);

	return r ? r : hg_apply_switch(node->apply, UINT64_C(60000000000), &report, &node->error);
}

int rig_op_abort(struct rig_node *node, void *arg)
{
	(void)arg;
	return hg_apply_abort(node->apply, &node->result->report, &node->error);
}

static void wire_path(struct rig_node *node, const char *name, char *ret, size_t size)
{
	snprintf(ret, size, "%s/wire/%s", node->rig->base, name);
}

int rig_op_haves(struct rig_node *node, void *arg)
{
	struct hg_oid haves[HG_HISTORY_HAVES];
	char path[128];
	FILE *file;
	int n;

	(void)arg;
	n = hg_history_haves(node->history, haves);
	if (n < 0)
		return n;
	wire_path(node, "haves", path, sizeof(path));
	file = fopen(path, "w");
	if (!file)
		return -EIO; /* a fault of the schedule */
	n -= (int)fwrite(haves, sizeof(*haves), (size_t)n, file);
	return fclose(file) || n ? -EIO : 0;
}

int rig_op_export(struct rig_node *node, void *arg)
{
	struct hg_oid haves[HG_HISTORY_HAVES], head;
	char path[128];
	size_t n = 0;
	FILE *file;
	int fd, r;

	(void)arg;
	wire_path(node, "haves", path, sizeof(path));
	file = fopen(path, "r");
	if (file) {
		n = fread(haves, sizeof(*haves), HG_HISTORY_HAVES, file);
		fclose(file);
	}
	wire_path(node, "pack", path, sizeof(path));
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	r = hg_history_export(node->history, haves, (unsigned int)n, fd, 0, &head, &node->error);
	close(fd);
	return r;
}

int rig_op_import(struct rig_node *node, void *arg)
{
	struct hg_import *import;
	char path[128], chunk[4000];
	ssize_t n;
	int fd, r;

	wire_path(node, "pack", path, sizeof(path));
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		abort();
	r = hg_import_new(node->history, NULL, &import, &node->error);
	if (r) {
		close(fd);
		return r;
	}
	while (!r && (n = read(fd, chunk, sizeof(chunk))) > 0)
		r = hg_import_feed(import, chunk, (size_t)n, &node->error);
	if (!r)
		r = hg_import_finish(import, rig_names[!node->index], arg, NULL,
				     &node->result->relation, &node->error);
	hg_import_free(import);
	close(fd);
	return r;
}

enum hg_relation rig_fetch(struct rig *rig, int from, int to)
{
	struct hg_head head;
	int r;

	rig_must(rig, to, rig_op_haves, NULL);
	r = rig_run(rig, from, rig_op_export, NULL, NULL);
	head = rig_result->head;
	if (r == -EALREADY)
		return HG_RELATION_EQUAL;
	if (r)
		abort();
	rig_must(rig, to, rig_op_import, &head);
	return rig_result->relation;
}

static int put_sum(void *arg, const void *data, size_t length, struct hg_oid *ret)
{
	(void)arg;
	return hg_history_hash(data, length, ret);
}

int rig_op_content(struct rig_node *node, void *arg)
{
	struct hg_file_set set;
	char cluster[128];
	uint64_t sum = 0;
	size_t i, j;
	int r;

	(void)arg;
	rig_path(node, "cluster.yaml", cluster, sizeof(cluster));
	r = hg_files_scan(node->entry, node->entry_count, cluster, true, put_sum, NULL, &set,
			  &node->error);
	if (r)
		return r;
	for (i = 0; i < set.file_count; i++) {
		for (j = 0; j < sizeof(set.file[i].oid.id); j++)
			sum = (sum ^ set.file[i].oid.id[j]) * UINT64_C(0x100000001b3);
		for (j = 0; set.file[i].path[j]; j++)
			sum = (sum ^ (unsigned char)set.file[i].path[j]) * UINT64_C(0x100000001b3);
	}
	hg_file_set_done(&set);
	node->result->number = sum;
	return 0;
}

/* gw1 has the first generation, gw2 has learned it. */
void rig_make_pair(struct rig *rig)
{
	struct hg_head head;

	rig_must(rig, 0, rig_op_write_files, "first");
	rig_must(rig, 0, rig_op_commit_apply, "the first");
	head = rig_result->head;

	if (rig_fetch(rig, 0, 1) != HG_RELATION_BEHIND)
		abort();
	rig_must(rig, 1, rig_op_cycle, &head.oid);
}

/* gw1 makes a generation, gw2 fetches it. */
struct hg_head rig_make_next(struct rig *rig, const char *word)
{
	struct hg_head head;

	rig_must(rig, 0, rig_op_write_files, (void *)word);
	rig_must(rig, 0, rig_op_commit_apply, (void *)word);
	head = rig_result->head;
	if (rig_fetch(rig, 0, 1) != HG_RELATION_BEHIND)
		abort();
	return head;
}
