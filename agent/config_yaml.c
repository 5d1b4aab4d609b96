// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * libfyaml's events -> our tree (config_yaml.h). Events rather than its documents:
 * anchors, tags and aliases are seen as written, duplicate keys are reported in our
 * words, and the depth is bounded here. libfyaml's own messages are collected by a
 * diag object, never printed by it.
 */
#include "agent/config_yaml.h"

#include <errno.h>
#include <libfyaml.h>
#include <stdlib.h>
#include <string.h>

#include "agent/config_utf8.h"

#define DEPTH_MAX 16
#define BLOCK_SIZE 65536

struct hg_yaml_block {
	struct hg_yaml_block *next;
	size_t used, size;
	max_align_t data[];
};

struct level {
	struct hg_yaml_node *node;
	struct hg_yaml_node *last; /* child */
	bool is_key_next; /* map: the next child is a key */
};

struct builder {
	struct hg_yaml *yaml;
	struct hg_diag *diag;
	struct level stack[DEPTH_MAX];
	unsigned int depth;
	unsigned int documents;
	size_t end; /* of the last token seen */
};

static void *allocate(struct hg_yaml *yaml, size_t size)
{
	struct hg_yaml_block *block = yaml->blocks;
	size_t room = size > BLOCK_SIZE ? size : BLOCK_SIZE;
	void *p;

	size = (size + sizeof(max_align_t) - 1) / sizeof(max_align_t) * sizeof(max_align_t);
	if (!block || block->size - block->used < size) {
		block = malloc(sizeof(*block) + room + sizeof(max_align_t));
		if (!block)
			return NULL;
		block->next = yaml->blocks;
		block->used = 0;
		block->size = room + sizeof(max_align_t);
		yaml->blocks = block;
	}
	p = (char *)block->data + block->used;
	block->used += size;
	return p;
}

void hg_yaml_done(struct hg_yaml *yaml)
{
	struct hg_yaml_block *block;

	while ((block = yaml->blocks)) {
		yaml->blocks = block->next;
		free(block);
	}
	yaml->root = NULL;
}

const struct hg_yaml_node *hg_yaml_find(const struct hg_yaml_node *map, const char *name)
{
	const struct hg_yaml_node *key;

	if (!map || map->type != HG_YAML_MAP)
		return NULL;
	for (key = map->first; key; key = key->next->next)
		if (key->type == HG_YAML_SCALAR && !strcmp(key->text, name))
			return key;
	return NULL;
}

static int out_of_memory(struct builder *b)
{
	hg_diag_error(b->diag, b->end, "out of memory");
	return -EINVAL;
}

/* A token's place in the text. libfyaml's mark of quoted scalars, anchors and aliases
 * stands behind their first character: one of `before`. Empty scalars have no place:
 * that of the key, or of the next colon when it is the key that is empty. */
static size_t place(struct builder *b, const struct fy_mark *mark, const char *before)
{
	const struct level *top = b->depth ? &b->stack[b->depth - 1] : NULL;
	const char *text = b->diag->text, *colon;
	size_t at;

	if (mark && mark->input_pos <= b->diag->length) {
		at = mark->input_pos;
		return at && text[at - 1] && strchr(before, text[at - 1]) ? at - 1 : at;
	}
	if (!top || top->node->type == HG_YAML_LIST)
		return b->end;
	if (!top->is_key_next)
		return top->last->at;
	colon = memchr(text + b->end, ':', b->diag->length - b->end);
	return colon ? (size_t)(colon - text) : b->end;
}

static void note_end(struct builder *b, const struct fy_mark *mark)
{
	if (mark && mark->input_pos <= b->diag->length)
		b->end = mark->input_pos;
}

static struct hg_yaml_node *add_node(struct builder *b, enum hg_yaml_type type, size_t at)
{
	struct hg_yaml_node *node = allocate(b->yaml, sizeof(*node));
	struct level *top = b->depth ? &b->stack[b->depth - 1] : NULL;

	if (!node) {
		out_of_memory(b);
		return NULL;
	}
	*node = (struct hg_yaml_node){ .type = type, .at = at, .end = b->end, .text = "" };
	if (!top) {
		b->yaml->root = node;
		return node;
	}
	if (top->last)
		top->last->next = node;
	else
		top->node->first = node;
	top->last = node;
	if (top->node->type == HG_YAML_MAP)
		top->is_key_next = !top->is_key_next;
	/* a map counts pairs: those whose key was just added */
	if (top->node->type == HG_YAML_LIST || !top->is_key_next)
		top->node->count++;
	return node;
}

static bool is_key(const struct builder *b)
{
	const struct level *top = b->depth ? &b->stack[b->depth - 1] : NULL;

	return top && top->node->type == HG_YAML_MAP && top->is_key_next;
}

static bool is_visible(const char *text, size_t length)
{
	unsigned int n;
	size_t i;
	uint32_t c;

	for (i = 0; i < length; i += n) {
		n = hg_utf8_decode(text + i, length - i, &c);
		if (!n || (c != '\t' && !hg_utf8_is_visible(c)))
			return false;
	}
	return true;
}

/* Anchors and tags: reported, the node itself is used all the same. */
static void check_decoration(struct builder *b, struct fy_token *anchor, struct fy_token *tag)
{
	if (anchor) {
		hg_diag_error(b->diag, place(b, fy_token_start_mark(anchor), "&"),
			      "anchors are not accepted");
		hg_diag_hint(b->diag, "write the value out; quote a value that begins with '&'");
	}
	if (tag) {
		hg_diag_error(b->diag, place(b, fy_token_start_mark(tag), ""),
			      "tags are not accepted");
		hg_diag_hint(b->diag, "remove it; quote a value that begins with '!'");
	}
}

/*
 * The text of a scalar, neither checked nor terminated. libfyaml 0.7.12 leaks memory in
 * fy_token_get_text() for a single-quoted scalar with eight or more doubled quotes:
 * these are taken from the file as written, and copy_text() joins the quotes.
 */
static const char *scalar_text(struct builder *b, struct fy_event *event, size_t *ret_length)
{
	struct fy_token *token = event->scalar.value;
	const struct fy_mark *start = fy_event_start_mark(event);
	const struct fy_mark *end = fy_event_end_mark(event);
	const char *text;

	*ret_length = 0;
	if (fy_token_scalar_style(token) != FYSS_SINGLE_QUOTED) {
		text = fy_token_get_text(token, ret_length);
		return text ? text : "";
	}
	if (!start || !end || start->input_pos > end->input_pos || end->input_pos > b->diag->length)
		return "";
	*ret_length = end->input_pos - start->input_pos;
	return b->diag->text + start->input_pos;
}

static void copy_text(char *copy, const char *text, size_t length, enum fy_scalar_style style)
{
	size_t i;

	for (i = 0; i < length; i++) {
		*copy++ = text[i];
		if (style == FYSS_SINGLE_QUOTED && text[i] == '\'' && i + 1 < length)
			i++;
	}
	*copy = '\0';
}

static int on_scalar(struct builder *b, struct fy_event *event)
{
	enum fy_scalar_style style = fy_token_scalar_style(event->scalar.value);
	bool is_quoted = style == FYSS_SINGLE_QUOTED || style == FYSS_DOUBLE_QUOTED;
	size_t at = place(b, fy_event_start_mark(event), is_quoted ? "\"'" : ""), length;
	const char *text = scalar_text(b, event, &length);
	bool has_key = is_key(b);
	struct hg_yaml_node *node;
	char *copy;

	check_decoration(b, event->scalar.anchor, event->scalar.tag);
	node = add_node(b, HG_YAML_SCALAR, at);
	if (!node)
		return -EINVAL;
	node->is_plain = style == FYSS_PLAIN || style == FYSS_ANY;
	if (!is_visible(text, length)) {
		node->type = HG_YAML_BROKEN;
		hg_diag_error(b->diag, at, "a %s must be one line of visible characters",
			      has_key ? "key" : "value");
		return 0;
	}
	copy = allocate(b->yaml, length + 1);
	if (!copy)
		return out_of_memory(b);
	copy_text(copy, text, length, style);
	node->text = copy;
	if (has_key && !length) {
		node->type = HG_YAML_BROKEN;
		hg_diag_error(b->diag, at, "a key is missing before the colon");
	} else if (has_key && node->is_plain && !strcmp(copy, "<<")) {
		node->type = HG_YAML_BROKEN;
		hg_diag_error(b->diag, at, "merge keys are not accepted");
		hg_diag_hint(b->diag, "write the keys out");
	}
	return 0;
}

static int on_start(struct builder *b, struct fy_event *event)
{
	bool is_map = event->type == FYET_MAPPING_START;
	size_t at = place(b, fy_event_start_mark(event), "");
	struct hg_yaml_node *node;

	if (is_key(b)) {
		hg_diag_error(b->diag, at, "a key must be a word, not a %s",
			      is_map ? "mapping" : "list");
		return -EINVAL;
	}
	if (b->depth == DEPTH_MAX) {
		hg_diag_error(b->diag, at, "nested deeper than %u levels", DEPTH_MAX);
		return -EINVAL;
	}
	if (is_map)
		check_decoration(b, event->mapping_start.anchor, event->mapping_start.tag);
	else
		check_decoration(b, event->sequence_start.anchor, event->sequence_start.tag);
	node = add_node(b, is_map ? HG_YAML_MAP : HG_YAML_LIST, at);
	if (!node)
		return -EINVAL;
	b->stack[b->depth++] = (struct level){ .node = node, .is_key_next = is_map };
	return 0;
}

static int compare_keys(const void *a, const void *b)
{
	const struct hg_yaml_node *x = *(const struct hg_yaml_node *const *)a;
	const struct hg_yaml_node *y = *(const struct hg_yaml_node *const *)b;
	int order = strcmp(x->text, y->text);

	if (order)
		return order;
	return x->at < y->at ? -1 : x->at > y->at;
}

/* Sorted rather than compared pair by pair: a hostile file may hold 100,000 keys. The
 * second of two equal keys becomes BROKEN, its value is not looked at. */
static int check_duplicates(struct builder *b, struct hg_yaml_node *map)
{
	struct hg_yaml_node **keys, *key;
	unsigned int count = 0, first = 0, i;

	if (map->count < 2)
		return 0;
	keys = calloc(map->count, sizeof(struct hg_yaml_node *));
	if (!keys)
		return out_of_memory(b);
	for (key = map->first; key; key = key->next->next)
		if (key->type == HG_YAML_SCALAR)
			keys[count++] = key;
	qsort(keys, count, sizeof(struct hg_yaml_node *), compare_keys);
	for (i = 1; i < count; i++) {
		if (strcmp(keys[first]->text, keys[i]->text)) {
			first = i;
			continue;
		}
		hg_diag_error(b->diag, keys[i]->at, "duplicate key '%.60s', first on line %zu",
			      keys[i]->text, hg_diag_line(b->diag, keys[first]->at));
		keys[i]->type = HG_YAML_BROKEN;
	}
	free(keys);
	return 0;
}

static int on_end(struct builder *b)
{
	struct hg_yaml_node *node = b->stack[--b->depth].node;

	node->end = b->end;
	return node->type == HG_YAML_MAP ? check_duplicates(b, node) : 0;
}

static int on_document(struct builder *b, struct fy_event *event)
{
	struct fy_document_state *state = event->document_start.document_state;

	if (b->documents++) {
		hg_diag_error(b->diag, place(b, fy_event_start_mark(event), ""),
			      "a second document in the same file");
		hg_diag_hint(b->diag, "remove the line '---' and what follows");
		return -EINVAL;
	}
	if (fy_document_state_version_explicit(state) || fy_document_state_tags_explicit(state)) {
		hg_diag_error(b->diag, 0, "YAML directives are not accepted");
		hg_diag_hint(b->diag, "remove the lines that begin with '%%'");
		return -EINVAL;
	}
	return 0;
}

static int on_event(struct builder *b, struct fy_event *event)
{
	note_end(b, fy_event_end_mark(event));
	switch (event->type) {
	case FYET_SCALAR:
		return on_scalar(b, event);
	case FYET_MAPPING_START:
	case FYET_SEQUENCE_START:
		return on_start(b, event);
	case FYET_MAPPING_END:
	case FYET_SEQUENCE_END:
		return on_end(b);
	case FYET_DOCUMENT_START:
		return on_document(b, event);
	case FYET_ALIAS:
		hg_diag_error(b->diag, place(b, fy_event_start_mark(event), "*"),
			      "aliases are not accepted");
		hg_diag_hint(b->diag, "write the value out; quote a value that begins with '*'");
		return add_node(b, HG_YAML_BROKEN, b->end) ? 0 : -EINVAL;
	case FYET_NONE:
	case FYET_STREAM_START:
	case FYET_STREAM_END:
	case FYET_DOCUMENT_END:
		return 0;
	}
	return 0;
}

/* The first of libfyaml's errors; those after it are mostly its consequences. */
static void report_syntax(struct builder *b, struct fy_diag *fydiag)
{
	static const struct {
		const char *part, *hint;
	} hints[] = {
		{ "tab character", "indent with spaces" },
		{ "multiline plain key", "a key is followed by a colon and a space" },
		{ "value after mapping", "a key is followed by a colon and a space" },
		{ "nested block mapping", "quote a value that holds a colon and a space" },
		{ "missing comma", "close the bracket or put a comma between the parts" },
		{ "without a closing", "every bracket needs its counterpart" },
		{ "without closing quote", "every quote needs its counterpart" },
		{ "cannot start with", "quote the value" },
	};
	struct fy_diag_error *error;
	void *iterator = NULL;
	unsigned int i;
	size_t at;

	do
		error = fy_diag_errors_iterate(fydiag, &iterator);
	while (error && error->type != FYET_ERROR);
	if (!error) {
		hg_diag_error(b->diag, b->end, "this is not YAML");
		return;
	}
	at = hg_diag_place(b->diag, error->line, error->column);
	if (strstr(error->msg, "closing quote") && at && strchr("\"'", b->diag->text[at - 1]))
		at--; /* the quote itself */
	hg_diag_error(b->diag, at, "%s", error->msg);
	for (i = 0; i < sizeof(hints) / sizeof(hints[0]); i++)
		if (strstr(error->msg, hints[i].part)) {
			hg_diag_hint(b->diag, "%s", hints[i].hint);
			return;
		}
}

static int build(struct builder *b, struct fy_parser *parser, struct fy_diag *fydiag)
{
	struct fy_event *event;
	int error = 0;

	if (fy_parser_set_string(parser, b->diag->text, b->diag->length))
		return out_of_memory(b);
	while (!error && (event = fy_parser_parse(parser))) {
		error = on_event(b, event);
		fy_parser_event_free(parser, event);
	}
	if (!error && (fy_parser_get_stream_error(parser) || b->depth)) {
		report_syntax(b, fydiag);
		error = -EINVAL;
	}
	return error;
}

int hg_yaml_parse(struct hg_diag *diag, struct hg_yaml *ret)
{
	struct hg_yaml yaml = { 0 };
	struct builder b = { .yaml = &yaml, .diag = diag };
	struct fy_parse_cfg config = { .flags = FYPCF_QUIET | FYPCF_DEFAULT_VERSION_1_2 |
						FYPCF_JSON_NONE };
	struct fy_diag_cfg diag_config;
	struct fy_parser *parser = NULL;
	int error = -EINVAL;

	fy_diag_cfg_default(&diag_config);
	diag_config.fp = NULL;
	diag_config.level = FYET_ERROR;
	diag_config.colorize = false;
	config.diag = fy_diag_create(&diag_config);
	if (config.diag) {
		fy_diag_set_collect_errors(config.diag, true);
		parser = fy_parser_create(&config);
	}
	if (parser)
		error = build(&b, parser, config.diag);
	else
		out_of_memory(&b);
	if (parser)
		fy_parser_destroy(parser);
	if (config.diag)
		fy_diag_destroy(config.diag);
	if (error)
		hg_yaml_done(&yaml);
	else
		*ret = yaml;
	return error;
}
