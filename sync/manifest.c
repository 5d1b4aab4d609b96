// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A set of files as text: the file `manifest` of a generation.
 *
 *   hagate-manifest 1
 *   entry <TAB> PATH                      then its options, each only when it is set:
 *   owner|group|mode|timeout|validate|apply <TAB> VALUE
 *   file|directory|link <TAB> MODE <TAB> OWNER <TAB> GROUP <TAB> PATH
 *
 * Entries in the order of the list, then files sorted by path. Control characters and
 * backslashes are written as \xHH. There is one way only to write a set: the parser prints what
 * it understood and compares.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sync/paths.h"

#define FIRST_LINE "hagate-manifest 1"

static const char *const kind_names[] = {
	[HG_FILE_REGULAR] = "file",
	[HG_FILE_DIRECTORY] = "directory",
	[HG_FILE_LINK] = "link",
};

static void print_text(FILE *out, const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f || *text == '\\')
			fprintf(out, "\\x%02x", (unsigned char)*text);
		else
			putc(*text, out);
}

static void print_option(FILE *out, const char *name, const char *value)
{
	if (!value[0])
		return;
	fprintf(out, "%s\t", name);
	print_text(out, value);
	putc('\n', out);
}

static void print_entry(FILE *out, const struct hg_entry *entry)
{
	print_option(out, "entry", entry->path);
	print_option(out, "owner", entry->owner);
	print_option(out, "group", entry->group);
	if (entry->mode >= 0)
		fprintf(out, "mode\t%04o\n", (unsigned int)entry->mode);
	if (entry->timeout_s)
		fprintf(out, "timeout\t%u\n", entry->timeout_s);
	print_option(out, "validate", entry->validate);
	print_option(out, "apply", entry->apply);
}

int hg_manifest_print(const struct hg_file_set *set, char **ret, size_t *ret_length)
{
	const struct hg_file *file;
	char *text = NULL;
	size_t length = 0, i;
	FILE *out;

	out = open_memstream(&text, &length);
	if (!out)
		return -errno;
	fputs(FIRST_LINE "\n", out);
	for (i = 0; i < set->entry_count; i++)
		print_entry(out, &set->entry[i]);
	for (i = 0; i < set->file_count; i++) {
		file = &set->file[i];
		fprintf(out, "%s\t%04o\t%s\t%s\t", kind_names[file->kind], file->mode, file->owner,
			file->group);
		print_text(out, file->path);
		putc('\n', out);
	}
	if (fclose(out)) {
		free(text);
		return -ENOMEM;
	}
	*ret = text;
	*ret_length = length;
	return 0;
}

/* One line in reading: its fields, unescaped in place. */
struct line {
	char *field[5];
	unsigned int count;
};

static bool unescape(char *text)
{
	char *to = text, hex[3] = "";
	unsigned long value;

	for (; *text; to++) {
		if (*text != '\\') {
			*to = *text++;
			continue;
		}
		if (text[1] != 'x' || !text[2] || !text[3])
			return false;
		memcpy(hex, text + 2, 2);
		value = strtoul(hex, NULL, 16);
		if (!value)
			return false;
		*to = (char)value;
		text += 4;
	}
	*to = '\0';
	return true;
}

static bool split(char *text, struct line *ret)
{
	char *next;

	ret->count = 0;
	while (text) {
		next = strchr(text, '\t');
		if (next)
			*next++ = '\0';
		if (ret->count == 5 || !unescape(text))
			return false;
		ret->field[ret->count++] = text;
		text = next;
	}
	return true;
}

static bool copy_text(char *to, size_t size, const char *from)
{
	size_t length = strlen(from);

	if (!length || length >= size)
		return false;
	memcpy(to, from, length + 1);
	return true;
}

static bool parse_entry(struct hg_file_set *set, const char *path)
{
	struct hg_entry *entry;

	if (set->entry_count == HG_ENTRIES_MAX || set->file_count)
		return false;
	entry = &set->entry[set->entry_count];
	memset(entry, 0, sizeof(*entry));
	entry->mode = -1;
	if (!copy_text(entry->path, sizeof(entry->path), path))
		return false;
	set->entry_count++;
	return true;
}

static bool parse_option(struct hg_file_set *set, const char *name, const char *value)
{
	struct hg_entry *entry;

	if (!set->entry_count || set->file_count)
		return false;
	entry = &set->entry[set->entry_count - 1];
	if (!strcmp(name, "owner"))
		return copy_text(entry->owner, sizeof(entry->owner), value);
	if (!strcmp(name, "group"))
		return copy_text(entry->group, sizeof(entry->group), value);
	if (!strcmp(name, "validate"))
		return copy_text(entry->validate, sizeof(entry->validate), value);
	if (!strcmp(name, "apply"))
		return copy_text(entry->apply, sizeof(entry->apply), value);
	/* Any other spelling of a number does not survive the comparison. */
	if (!strcmp(name, "mode"))
		entry->mode = (int32_t)(strtoul(value, NULL, 8) & 07777);
	else if (!strcmp(name, "timeout"))
		entry->timeout_s = (uint32_t)strtoul(value, NULL, 10);
	else
		return false;
	return true;
}

static bool find_entry(const struct hg_file_set *set, struct hg_file *file)
{
	unsigned int i;

	file->entry = HG_ENTRIES_MAX;
	if (!strcmp(file->path, HG_CLUSTER_PATH))
		return file->kind == HG_FILE_REGULAR;
	for (i = 0; i < set->entry_count; i++)
		if (hg_path_is_within(file->path, set->entry[i].path))
			file->entry = i;
	return file->entry != HG_ENTRIES_MAX;
}

/* Within an entry, below a directory of the set unless it is the entry itself. */
static bool place_is_sound(const struct hg_file_set *set, struct hg_file *file)
{
	char parent[HG_FILE_PATH_MAX];
	const struct hg_file *above;
	unsigned int components, depth;

	if (!find_entry(set, file))
		return false;
	if (file->entry == HG_ENTRIES_MAX)
		return true;
	if (!hg_path_is_clean(file->path, &components))
		return false;
	if (!strcmp(file->path, set->entry[file->entry].path))
		return file->kind != HG_FILE_LINK;
	if (!hg_path_is_clean(set->entry[file->entry].path, &depth) ||
	    components - depth > HG_FILE_DEPTH_MAX)
		return false;
	memcpy(parent, file->path, strlen(file->path) + 1);
	*strrchr(parent, '/') = '\0';
	above = hg_files_find(set, parent);
	return above && above->kind == HG_FILE_DIRECTORY;
}

static bool mode_is_sound(const struct hg_file *file)
{
	switch (file->kind) {
	case HG_FILE_REGULAR:
		return file->mode <= 01777;
	case HG_FILE_DIRECTORY:
		return file->mode <= 03777;
	case HG_FILE_LINK:
		return file->mode == 0777;
	}
	return false;
}

static bool parse_file(struct hg_file_set *set, const struct line *line, size_t *room)
{
	struct hg_file *file;
	unsigned int kind;
	void *grown;

	for (kind = 0; kind <= HG_FILE_LINK; kind++)
		if (!strcmp(line->field[0], kind_names[kind]))
			break;
	if (kind > HG_FILE_LINK || set->file_count == HG_FILES_MAX)
		return false;
	if (set->file_count == *room) {
		grown = realloc(set->file, (*room * 2 + 64) * sizeof(*set->file));
		if (!grown)
			return false;
		set->file = grown;
		*room = *room * 2 + 64;
	}
	file = &set->file[set->file_count];
	memset(file, 0, sizeof(*file));
	file->kind = (enum hg_file_kind)kind;
	file->mode = (uint16_t)(strtoul(line->field[1], NULL, 8) & 0xffff);
	file->path = line->field[4];
	if (!hg_owner_is_clean(line->field[2]) || !hg_owner_is_clean(line->field[3]) ||
	    !copy_text(file->owner, sizeof(file->owner), line->field[2]) ||
	    !copy_text(file->group, sizeof(file->group), line->field[3]) || !mode_is_sound(file) ||
	    !place_is_sound(set, file))
		return false;
	if (set->file_count && strcmp(file[-1].path, file->path) >= 0)
		return false;
	file->path = strdup(file->path);
	if (!file->path)
		return false;
	set->file_count++;
	return true;
}

static bool parse_line(struct hg_file_set *set, char *text, size_t *room)
{
	struct line line;

	if (!split(text, &line))
		return false;
	if (line.count == 2 && !strcmp(line.field[0], "entry"))
		return parse_entry(set, line.field[1]);
	if (line.count == 2)
		return parse_option(set, line.field[0], line.field[1]);
	return line.count == 5 && parse_file(set, &line, room);
}

/* The number of the line that is wrong, 0: none. */
static unsigned int parse_lines(struct hg_file_set *set, char *text)
{
	unsigned int number = 1;
	size_t room = 0;
	char *next;

	while (*text) {
		next = strchr(text, '\n');
		if (!next)
			return number;
		*next = '\0';
		if (number == 1 ? strcmp(text, FIRST_LINE) != 0 : !parse_line(set, text, &room))
			return number;
		text = next + 1;
		number++;
	}
	return number == 1;
}

/* 0 when the set, printed, gives the very text. */
static int compare_text(const struct hg_file_set *set, const char *text, size_t length,
			struct hg_sync_error *error)
{
	size_t printed_length = 0;
	char *printed = NULL;
	int r;

	r = hg_manifest_print(set, &printed, &printed_length);
	if (!r && (printed_length != length || memcmp(printed, text, length)))
		r = hg_sync_fail(error, -EBADMSG, "manifest: not in its one form");
	free(printed);
	return r;
}

int hg_manifest_parse(const char *text, size_t length, struct hg_file_set *ret,
		      struct hg_sync_error *error)
{
	struct hg_file_set set = { 0 };
	unsigned int line;
	char *copy;
	int r = -ENOMEM;

	copy = malloc(length + 1);
	set.entry = calloc(HG_ENTRIES_MAX, sizeof(*set.entry));
	if (!copy || !set.entry)
		goto out;
	memcpy(copy, text, length);
	copy[length] = '\0';
	line = parse_lines(&set, copy);
	if (line)
		r = hg_sync_fail(error, -EBADMSG, "manifest: line %u is wrong", line);
	else
		r = hg_entries_check(set.entry, set.entry_count, NULL, error) ? -EBADMSG : 0;
	if (!r)
		r = compare_text(&set, text, length, error);
out:
	free(copy);
	if (r)
		hg_file_set_done(&set);
	else
		*ret = set;
	return r;
}
