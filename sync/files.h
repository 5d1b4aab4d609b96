/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is replicated: cluster.yaml and the entries of its `replicate:` list, each a file or
 * a directory with all that is below it.
 *
 * Carried: regular files, directories, and symbolic links below a directory entry, as links
 * (their text, never what they point to); mode without set-id bits, owner and group by name.
 * Refused with the path: an entry that is itself a symbolic link or lies behind one, devices,
 * FIFOs, sockets, set-id files, names that git cannot carry (.git), anything above the limits.
 * Not carried: hard links as such, extended attributes, ACLs, times, sparse holes.
 *
 * A struct hg_file_set is the list of what a generation consists of, sorted by path; contents
 * are blobs of the history. A set from the other node is hostile input: hg_manifest_parse()
 * checks it, so that no path leaves its entry.
 */
#ifndef HG_SYNC_FILES_H
#define HG_SYNC_FILES_H

#include <stdio.h>

#include "sync/types.h"

#define HG_ENTRIES_MAX 64
#define HG_FILES_MAX 50000 /* of a generation, directories included */
#define HG_FILE_MAX (16u * 1024 * 1024) /* octets of one file */
#define HG_FILES_OCTETS_MAX (128u * 1024 * 1024) /* of all files */
#define HG_FILE_PATH_MAX 1024 /* octets of a path, with the NUL */
#define HG_FILE_DEPTH_MAX 32 /* directories below an entry */
#define HG_FILE_OWNER_MAX 33 /* octets of a name of a user or group, with the NUL */
#define HG_COMMAND_MAX 1024 /* octets of a command, with the NUL */
#define HG_COMMAND_TIMEOUT_S 30
#define HG_COMMAND_TIMEOUT_MAX_S 600

#define HG_CLUSTER_PATH "cluster.yaml" /* its path in a set; where it is, each node knows */

/* An entry of `replicate:`. Commands run as root by /bin/sh -c, after an entry changed;
 * "{staged}" stands for the path of the new version, quoted for the shell. */
struct hg_entry {
	char path[HG_FILE_PATH_MAX]; /* absolute, no "//", ".", "..", no slash at the end */
	char owner[HG_FILE_OWNER_MAX]; /* empty: as found. Else all of the entry */
	char group[HG_FILE_OWNER_MAX];
	int32_t mode; /* -1: as found. Else all regular files of the entry; 0..0777 */
	uint32_t timeout_s; /* of each command; 0: HG_COMMAND_TIMEOUT_S */
	char validate[HG_COMMAND_MAX]; /* empty: none. Before the switch, on each node; sees the
					* new files under their own paths (see apply.h) */
	char apply[HG_COMMAND_MAX]; /* empty: none. After the switch, e.g. a service's reload */
};

enum hg_file_kind { HG_FILE_REGULAR, HG_FILE_DIRECTORY, HG_FILE_LINK };

struct hg_file {
	char *path; /* absolute, or HG_CLUSTER_PATH */
	uint32_t entry; /* index; cluster.yaml: HG_ENTRIES_MAX */
	enum hg_file_kind kind;
	uint16_t mode; /* 0..01777, directories 0..03777; links 0777 */
	char owner[HG_FILE_OWNER_MAX], group[HG_FILE_OWNER_MAX]; /* "#1000": has no name */
	struct hg_oid oid; /* of the content; links: of their text; directories: none */
	uint64_t size; /* octets; directories 0; 0 after hg_manifest_parse() */
};

struct hg_file_set {
	struct hg_entry *entry;
	unsigned int entry_count;
	struct hg_file *file; /* sorted by strcmp of the path */
	size_t file_count;
};

/* Is the list sound: absolute clean paths of at least two components, none above another,
 * none that holds `forbidden` paths (NULL-terminated: state and run directory, node.yaml,
 * key). -EINVAL with the text. */
int hg_entries_check(const struct hg_entry *entry, unsigned int count, const char *const *forbidden,
		     struct hg_sync_error *error);
/* Do both lists say the same? (A receiver compares the list of the new cluster.yaml.) */
bool hg_entries_equal(const struct hg_entry *a, unsigned int a_count, const struct hg_entry *b,
		      unsigned int b_count);

/* Takes the content of a file or the text of a link and gives its name. */
typedef int hg_files_put_fn(void *arg, const void *data, size_t length, struct hg_oid *ret);

/* Reads what is on this node now. `is_lenient`: a missing entry is left out instead of
 * -ENOENT. -ETXTBSY: a file went on changing while it was read. -EINVAL: something that
 * cannot be carried. `cluster_path`: where cluster.yaml is here. */
int hg_files_scan(const struct hg_entry *entry, unsigned int count, const char *cluster_path,
		  bool is_lenient, hg_files_put_fn *put, void *arg, struct hg_file_set *ret,
		  struct hg_sync_error *error);
void hg_file_set_done(struct hg_file_set *set);

enum hg_change { HG_CHANGE_ADDED, HG_CHANGE_REMOVED, HG_CHANGE_CONTENT, HG_CHANGE_MODE };
/* What leads from a to b, in order of paths; `each` returns nonzero to stop. Entries (hooks)
 * are not compared. NULL `each`: the result is 1 when there is a difference, 0 when none. */
typedef int hg_change_fn(enum hg_change change, const struct hg_file *file, void *arg);
int hg_files_compare(const struct hg_file_set *a, const struct hg_file_set *b, hg_change_fn *each,
		     void *arg);
/* The same for one entry of each (HG_ENTRIES_MAX: cluster.yaml), by its path. */
int hg_files_compare_entry(const struct hg_file_set *a, const struct hg_file_set *b,
			   const char *path, hg_change_fn *each, void *arg);

/* The set as text, one line for each, without contents: the file `manifest` of a generation.
 * free() it. */
int hg_manifest_print(const struct hg_file_set *set, char **ret, size_t *ret_length);
/* -EBADMSG with the line: not exactly what hg_manifest_print() writes. */
int hg_manifest_parse(const char *text, size_t length, struct hg_file_set *ret,
		      struct hg_sync_error *error);

#endif
