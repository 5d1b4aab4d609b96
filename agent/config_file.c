// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Loading a configuration file: a regular file of at most 1 MiB (others have their own
 * limit), UTF-8, without invisible characters. All of that is checked before the YAML
 * parser sees a single octet. Nothing here can block: FIFOs and devices are refused.
 */
#include "agent/config_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/config_utf8.h"

/* Reads to the end of the file; one octet more than allowed shows that it is too large
 * (st_size is not trusted: files of /proc say 0, others may grow). */
static int read_all(struct hg_config_file *file, int fd, size_t max, size_t *ret_length)
{
	size_t length = 0;
	ssize_t n;

	while (length <= max) {
		n = read(fd, file->text + length, max + 1 - length);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			hg_diag_error(&file->diag, 0, "cannot be read: %s", strerror(errno));
			return -EINVAL;
		}
		if (!n)
			break;
		length += n;
	}
	if (length > max) {
		hg_diag_error(&file->diag, 0, "the file is larger than %zu MiB", max >> 20);
		return -EINVAL;
	}
	*ret_length = length;
	return 0;
}

static int check_kind(struct hg_config_file *file, int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0) {
		hg_diag_error(&file->diag, 0, "cannot be read: %s", strerror(errno));
		return -EINVAL;
	}
	if (S_ISREG(st.st_mode))
		return 0;
	hg_diag_error(&file->diag, 0, "%s",
		      S_ISDIR(st.st_mode) ? "this is a directory, not a file"
					  : "this is not a regular file");
	return -EINVAL;
}

static int load(struct hg_config_file *file, const char *path, size_t max, size_t *ret_length)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	int error;

	if (fd < 0) {
		hg_diag_error(&file->diag, 0, "cannot be opened: %s", strerror(errno));
		return -EINVAL;
	}
	file->text = malloc(max + 1);
	error = file->text ? check_kind(file, fd) : -EINVAL;
	if (!file->text)
		hg_diag_error(&file->diag, 0, "out of memory");
	if (!error)
		error = read_all(file, fd, max, ret_length);
	close(fd);
	return error;
}

/* The first character that no configuration needs. */
static int check_characters(struct hg_diag *diag)
{
	const char *text = diag->text;
	unsigned int n;
	uint32_t c;
	size_t i;

	for (i = 0; i < diag->length; i += n) {
		n = hg_utf8_decode(text + i, diag->length - i, &c);
		if (!n) {
			hg_diag_error(diag, i, "not UTF-8: octet 0x%02x", (unsigned char)text[i]);
			return -EINVAL;
		}
		if (c == '\t' || c == '\n' || hg_utf8_is_visible(c))
			continue;
		if (c == '\r' && i + 1 < diag->length && text[i + 1] == '\n')
			continue;
		hg_diag_error(diag, i,
			      c == '\r' ? "a carriage return that ends no line"
			      : c	? "an invisible character (U+%04X)"
					: "a NUL character",
			      c);
		hg_diag_hint(diag, "remove it");
		return -EINVAL;
	}
	return 0;
}

int hg_config_file_load(struct hg_config_file *file, const char *path, size_t max)
{
	static const char bom[] = "\xef\xbb\xbf";
	size_t length = 0, start = 0;
	int error;

	*file = (struct hg_config_file){ 0 };
	hg_diag_init(&file->diag, path);
	error = load(file, path, max, &length);
	if (error)
		return error;
	/* editors on Windows begin a file with a byte order mark */
	if (length >= 3 && !memcmp(file->text, bom, 3))
		start = 3;
	hg_diag_set_text(&file->diag, file->text + start, length - start);
	return check_characters(&file->diag);
}

int hg_config_file_open(struct hg_config_file *file, const char *path)
{
	int error = hg_config_file_load(file, path, HG_CONFIG_FILE_MAX);

	if (!error)
		error = hg_yaml_parse(&file->diag, &file->yaml);
	if (!error && !file->yaml.root) {
		hg_diag_error(&file->diag, 0, "the file is empty");
		error = -EINVAL;
	}
	return error;
}

int hg_config_file_close(struct hg_config_file *file, FILE *out)
{
	int error = hg_diag_has_errors(&file->diag) ? -EINVAL : 0;

	hg_diag_print(&file->diag, out);
	hg_diag_done(&file->diag);
	hg_yaml_done(&file->yaml);
	free(file->text);
	file->text = NULL;
	return error;
}
