// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * `hagate discover`: which NIC is which port, on a machine that has no configuration yet.
 *
 * Listens, says for each NIC what was heard there, and prints the `ports:` of node.yaml
 * that follows from it. Nothing is written. A port is proposed on the word of a gateway
 * node that is heard on that very segment; without one, by the guess of `hagate init`,
 * and said to be that. What is ambiguous stays a comment.
 */
#include "discover.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "agent/keyfile.h"
#include "agent/keys.h"
#include "discover_show.h"

#define KEY_DEFAULT "/etc/hagate/cluster.key"
#define LINE_MAX_OCTETS 8192

/* The value of `key:` at the beginning of a line. The file need not be valid yet. */
static bool read_key_path(const char *node_path, char *ret, size_t size)
{
	char line[LINE_MAX_OCTETS];
	FILE *file = fopen(node_path, "re");
	bool is_found = false;

	if (!file)
		return false;
	while (!is_found && fgets(line, sizeof(line), file)) {
		char *value = line + strlen("key:");

		if (strncmp(line, "key:", strlen("key:")))
			continue;
		value += strspn(value, " \t\"'");
		value[strcspn(value, "\"'#\r\n")] = '\0';
		for (size_t end = strlen(value); end && strchr(" \t", value[end - 1]);)
			value[--end] = '\0';
		is_found = *value && snprintf(ret, size, "%s", value) < (int)size;
	}
	fclose(file);
	return is_found;
}

/* HG_EXIT_*. No key at all is fine when none was asked for. */
static int read_key(const struct hg_tool *tool, struct hg_discover *discover)
{
	char path[4096] = KEY_DEFAULT;
	struct hg_error error = { "" };
	__u64 words[2];
	int err;

	if (tool->key) {
		snprintf(path, sizeof(path), "%s", tool->key);
	} else if (tool->node && !read_key_path(tool->node, path, sizeof(path))) {
		fprintf(stderr,
			"hagate: %s: no line `key: FILE` can be read there; use --key FILE\n",
			tool->node);
		return HG_EXIT_FAILED;
	} else if (!tool->node && access(path, R_OK)) {
		return HG_EXIT_OK;
	}
	err = hg_keyfile_read(path, discover->cluster_key, &error);
	if (err) {
		fprintf(stderr, "hagate: %s\n", error.text);
		return HG_EXIT_FAILED;
	}
	hg_keys_wiring(discover->cluster_key, words);
	memcpy(discover->key.word, words, sizeof(words));
	discover->has_key = true;
	return HG_EXIT_OK;
}

static int read_seconds(const struct hg_tool *tool, struct hg_discover *discover)
{
	char *end;
	long seconds = tool->seconds ? strtol(tool->seconds, &end, 10) : 5;

	if (tool->seconds && (!*tool->seconds || *end || seconds < 1 || seconds > 600)) {
		fprintf(stderr, "hagate discover: --seconds takes a number from 1 to 600, not %s\n",
			tool->seconds);
		return HG_EXIT_USAGE;
	}
	discover->seconds = (unsigned int)seconds;
	return HG_EXIT_OK;
}

static int listen_to_all(struct hg_discover *discover)
{
	int err = hg_nics_list(&discover->nics);

	if (err) {
		fprintf(stderr, "hagate: cannot list the NICs: %s\n", strerror(-err));
		return HG_EXIT_FAILED;
	}
	if (!discover->nics.count) {
		fputs("hagate: this machine has no Ethernet NIC\n", stderr);
		return HG_EXIT_FAILED;
	}
	err = hg_discover_listen(discover);
	if (!err)
		return HG_EXIT_OK;
	fprintf(stderr, "hagate: cannot listen on the NICs: %s%s\n", strerror(-err),
		err == -EPERM ? "; listening needs root: use sudo" : "");
	return HG_EXIT_FAILED;
}

int hg_discover_run(const struct hg_tool *tool)
{
	static struct hg_discover discover; /* large */
	int status;

	discover.is_probing = tool->is_probe;
	if (getrandom(discover.nonce, sizeof(discover.nonce), 0) < 0)
		return HG_EXIT_FAILED;
	status = read_seconds(tool, &discover);
	if (!status)
		status = read_key(tool, &discover);
	if (!status && tool->has_terminal && !tool->is_json)
		fprintf(stderr, "listening for %u s ...\n", discover.seconds);
	if (!status)
		status = listen_to_all(&discover);
	if (!status)
		status = hg_discover_show(tool, &discover);
	hg_keyfile_wipe(discover.cluster_key);
	return status;
}
