// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A generation as a commit, and main as a line of them.
 *
 * What counts stands in trailers, so that plain git shows it:
 *
 *   SUBJECT
 *
 *   Hagate-Generation: 17
 *   Hagate-Cluster: 8-4-4-4-12
 *   Hagate-Node: gw1
 *   Hagate-Reason: commit
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "sync/store.h"

#define MESSAGE_MAX 1024

/* The value of a line "NAME: VALUE" of the message; false: absent or too long. */
static bool find_trailer(const char *message, const char *name, char *ret, size_t size)
{
	size_t length = strlen(name), value_length;
	const char *line = message, *value;

	for (; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, name, length) || strncmp(line + length, ": ", 2))
			continue;
		value = line + length + 2;
		value_length = strcspn(value, "\n");
		if (!value_length || value_length >= size)
			return false;
		memcpy(ret, value, value_length);
		ret[value_length] = '\0';
		return true;
	}
	return false;
}

static bool text_is_clean(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			return false;
	return true;
}

static bool number_is_parsed(const char *text, uint64_t *ret)
{
	char again[24];
	uint64_t number = strtoull(text, NULL, 10);

	snprintf(again, sizeof(again), "%" PRIu64, number);
	*ret = number;
	return !strcmp(again, text) && number && number <= HG_GENERATION_MAX;
}

static int parse(const git_commit *commit, struct hg_generation *ret)
{
	const char *subject = git_commit_message_raw(commit), *message;
	struct hg_generation made = { 0 };
	char number[24];
	size_t length;

	message = subject ? strstr(subject, "\n\n") : NULL;
	if (!message || strlen(subject) > MESSAGE_MAX || git_commit_parentcount(commit) > 1)
		return -EBADMSG;
	if (!find_trailer(message, "Hagate-Generation", number, sizeof(number)) ||
	    !number_is_parsed(number, &made.number) ||
	    !find_trailer(message, "Hagate-Cluster", made.cluster, sizeof(made.cluster)) ||
	    !hg_uuid_is_valid(made.cluster) ||
	    !find_trailer(message, "Hagate-Node", made.node, sizeof(made.node)) ||
	    !hg_node_is_valid(made.node) ||
	    !find_trailer(message, "Hagate-Reason", made.reason, sizeof(made.reason)) ||
	    !text_is_clean(made.reason))
		return -EBADMSG;
	length = strcspn(subject, "\n");
	if (length >= sizeof(made.subject))
		return -EBADMSG;
	memcpy(made.subject, subject, length);
	if (!text_is_clean(made.subject))
		return -EBADMSG;
	made.time_s = git_commit_time(commit);
	hg_oid_from_git(git_commit_id(commit), &made.oid);
	if (git_commit_parentcount(commit))
		hg_oid_from_git(git_commit_parent_id(commit, 0), &made.parent);
	*ret = made;
	return 0;
}

int hg_history_get(struct hg_history *history, const struct hg_oid *oid, struct hg_generation *ret)
{
	git_commit *commit;
	git_oid git;
	int r;

	hg_oid_to_git(oid, &git);
	r = git_commit_lookup(&commit, history->repo, &git);
	if (r == GIT_ENOTFOUND)
		return -ENOENT;
	if (r)
		return -EBADMSG;
	r = parse(commit, ret);
	git_commit_free(commit);
	return r;
}

int hg_history_head(struct hg_history *history, struct hg_generation *ret)
{
	struct hg_oid oid;
	int r;

	r = hg_history_ref(history, HG_REF_MAIN, &oid);
	if (r)
		return r;
	r = hg_history_get(history, &oid, ret);
	/* main names something that is not there: not blank, but damaged. */
	return r == -ENOENT ? -EBADMSG : r;
}

/* --- main ---------------------------------------------------------------------------- */

static int read_line(struct hg_history *history, const struct hg_oid *head, struct hg_line **ret,
		     size_t *ret_count)
{
	struct hg_line *line = NULL, *grown;
	struct hg_generation generation;
	struct hg_oid next = *head;
	size_t count = 0;
	int r = 0;

	while (!r && !hg_oid_is_none(&next)) {
		r = hg_history_get(history, &next, &generation);
		if (r)
			break;
		if (!(count & (count - 1))) {
			grown = realloc(line, (count ? 2 * count : 1) * sizeof(*line));
			if (!grown) {
				r = -ENOMEM;
				break;
			}
			line = grown;
		}
		line[count].number = generation.number;
		line[count++].oid = generation.oid;
		next = generation.parent;
	}
	if (r) {
		free(line);
		return r == -ENOENT ? -EBADMSG : r;
	}
	*ret = line;
	*ret_count = count;
	return 0;
}

int hg_history_line(struct hg_history *history, const struct hg_line **ret, size_t *ret_count)
{
	struct hg_line *line;
	struct hg_oid head;
	size_t count;
	int r;

	r = hg_history_ref(history, HG_REF_MAIN, &head);
	if (r)
		return r;
	if (!history->line || !hg_oid_is_equal(&head, &history->line_head)) {
		r = read_line(history, &head, &line, &count);
		if (r)
			return r;
		free(history->line);
		history->line = line;
		history->line_count = count;
		history->line_head = head;
	}
	*ret = history->line;
	*ret_count = history->line_count;
	return 0;
}

/* Numbers fall from the newest to the oldest. */
static const struct hg_line *search(struct hg_history *history, uint64_t number)
{
	const struct hg_line *line;
	size_t low = 0, high, middle;

	if (hg_history_line(history, &line, &high))
		return NULL;
	while (low < high) {
		middle = low + (high - low) / 2;
		if (line[middle].number == number)
			return &line[middle];
		if (line[middle].number > number)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

bool hg_history_has(struct hg_history *history, uint64_t number, const struct hg_oid *oid)
{
	const struct hg_line *line = search(history, number);

	return line && hg_oid_is_equal(&line->oid, oid);
}

int hg_history_find(struct hg_history *history, uint64_t number, struct hg_generation *ret)
{
	const struct hg_line *line = search(history, number);

	return line ? hg_history_get(history, &line->oid, ret) : -ENOENT;
}

int hg_history_walk(struct hg_history *history,
		    int (*each)(const struct hg_generation *generation, void *arg), void *arg)
{
	struct hg_generation generation;
	int r;

	r = hg_history_head(history, &generation);
	while (!r) {
		r = each(&generation, arg);
		if (r || hg_oid_is_none(&generation.parent))
			break;
		r = hg_history_get(history, &generation.parent, &generation);
	}
	return r == -ENOENT ? 0 : r;
}

/* --- a new one ------------------------------------------------------------------------- */

static unsigned int git_mode(const struct hg_file *file)
{
	if (file->kind == HG_FILE_LINK)
		return GIT_FILEMODE_LINK;
	return file->mode & 0100 ? GIT_FILEMODE_BLOB_EXECUTABLE : GIT_FILEMODE_BLOB;
}

static int add_file(git_index *index, const struct hg_file *file)
{
	char path[sizeof(HG_TREE_FILES) + HG_FILE_PATH_MAX];
	git_index_entry entry = { 0 };

	if (file->kind == HG_FILE_DIRECTORY)
		return 0; /* the manifest names it */
	snprintf(path, sizeof(path), "%s%s", file->path[0] == '/' ? HG_TREE_FILES : "", file->path);
	entry.path = path;
	entry.mode = git_mode(file);
	hg_oid_to_git(&file->oid, &entry.id);
	return git_index_add(index, &entry);
}

static int add_manifest(struct hg_history *history, git_index *index, const struct hg_file_set *set)
{
	struct hg_file manifest = { .path = (char *)HG_TREE_MANIFEST, .mode = 0644 };
	size_t length;
	char *text;
	int r;

	r = hg_manifest_print(set, &text, &length);
	if (r)
		return r;
	r = hg_history_put(history, text, length, &manifest.oid);
	free(text);
	return r ? r : add_file(index, &manifest);
}

static int write_tree(struct hg_history *history, const struct hg_file_set *set, git_oid *ret)
{
	git_index *index;
	size_t i;
	int r;

	r = git_index_new(&index);
	if (r)
		return r;
	r = add_manifest(history, index, set);
	for (i = 0; i < set->file_count && !r; i++)
		r = add_file(index, &set->file[i]);
	if (!r)
		r = git_index_write_tree_to(ret, index, history->repo);
	git_index_free(index);
	return r;
}

static int write_commit(struct hg_history *history, const struct hg_generation *made,
			const git_oid *tree_oid, git_oid *ret)
{
	char message[MESSAGE_MAX], email[HG_NODE_NAME + 8];
	git_signature *author = NULL;
	git_commit *parent = NULL;
	git_tree *tree = NULL;
	git_oid git;
	int r;

	snprintf(message, sizeof(message),
		 "%s\n\nHagate-Generation: %" PRIu64
		 "\nHagate-Cluster: %s\nHagate-Node: %s\nHagate-Reason: %s\n",
		 made->subject[0] ? made->subject : made->reason, made->number, made->cluster,
		 made->node, made->reason);
	snprintf(email, sizeof(email), "%s@hagate", made->node);
	r = git_signature_new(&author, made->node, email, made->time_s, 0);
	if (!r)
		r = git_tree_lookup(&tree, history->repo, tree_oid);
	if (!r && !hg_oid_is_none(&made->parent)) {
		hg_oid_to_git(&made->parent, &git);
		r = git_commit_lookup(&parent, history->repo, &git);
	}
	if (!r)
		r = git_commit_create(ret, history->repo, NULL, author, author, NULL, message, tree,
				      parent ? 1 : 0, (const git_commit **)&parent);
	git_signature_free(author);
	git_tree_free(tree);
	git_commit_free(parent);
	return r;
}

static int append(void *arg, const void *data, size_t length)
{
	return hg_pack_append(arg, data, length, NULL);
}

/* What is in memory goes into a pack of its own. */
static int flush(struct hg_history *history, const struct hg_oid *oid, const struct hg_oid *parent,
		 struct hg_sync_error *error)
{
	git_indexer *indexer;
	char name[80];
	int r;

	r = hg_pack_begin(history, &indexer, error);
	if (r)
		return r;
	r = hg_pack_build(history, oid, parent, append, indexer, error);
	if (r) {
		git_indexer_free(indexer);
		return r;
	}
	r = hg_pack_end(history, indexer, name, sizeof(name), error);
	return r ? r : hg_pack_install(history, name, error);
}

static int check_made(struct hg_history *history, struct hg_generation *made,
		      struct hg_sync_error *error)
{
	struct hg_generation parent;
	int r;

	if (!hg_oid_is_none(&made->parent)) {
		r = hg_history_get(history, &made->parent, &parent);
		if (r)
			return hg_sync_fail(error, r, "history: the parent generation is missing");
		if (made->number <= parent.number)
			return hg_sync_fail(error, -EINVAL, "history: the number does not rise");
		memcpy(made->cluster, parent.cluster, sizeof(made->cluster));
	}
	if (!hg_uuid_is_valid(made->cluster) || !hg_node_is_valid(made->node) || !made->number ||
	    made->number > HG_GENERATION_MAX || !made->reason[0] || !text_is_clean(made->reason) ||
	    !text_is_clean(made->subject))
		return hg_sync_fail(error, -EINVAL,
				    "history: name of the node, UUID or message cannot be used");
	return 0;
}

int hg_history_commit(struct hg_history *history, const struct hg_file_set *set,
		      const struct hg_generation *made, struct hg_oid *ret,
		      struct hg_sync_error *error)
{
	struct hg_generation checked = *made;
	struct hg_oid oid;
	git_oid tree, git;
	int r;

	r = check_made(history, &checked, error);
	if (r)
		goto out;
	errno = 0;
	r = write_tree(history, set, &tree);
	if (!r)
		r = write_commit(history, &checked, &tree, &git);
	if (r) {
		r = hg_git_fail(error, r, "the generation cannot be made");
		goto out;
	}
	hg_oid_from_git(&git, &oid);
	r = flush(history, &oid, &checked.parent, error);
	if (!r)
		*ret = oid;
out:
	hg_history_drop(history);
	return r;
}

int hg_history_put(struct hg_history *history, const void *data, size_t length, struct hg_oid *ret)
{
	git_oid git;
	int r;

	errno = 0;
	r = git_odb_write(&git, history->odb, data, length, GIT_OBJECT_BLOB);
	if (r)
		return hg_git_fail(NULL, r, "blob");
	hg_oid_from_git(&git, ret);
	return 0;
}

int hg_history_hash(const void *data, size_t length, struct hg_oid *ret)
{
	git_oid git;

	if (git_odb_hash(&git, data, length, GIT_OBJECT_BLOB))
		return -EIO;
	hg_oid_from_git(&git, ret);
	return 0;
}

void hg_history_drop(struct hg_history *history)
{
	if (history->mempack)
		git_mempack_reset(history->mempack);
}
