/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See message.h. */
#include "sync/message.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

#define HEAD_BODY (36 + 8 + 20) /* UUID as text or zeros, number, oid */
#define HELLO_BODY (4 + HG_NODE_NAME + HEAD_BODY)

static const struct {
	uint32_t min, max, step;
} bounds[HG_MESSAGE_TYPES] = {
	[HG_MESSAGE_HELLO] = { HELLO_BODY, HELLO_BODY, 1 },
	[HG_MESSAGE_GET] = { 0, 20 * HG_HISTORY_HAVES, 20 },
	[HG_MESSAGE_PACK] = { 1, HG_MESSAGE_BODY_MAX, 1 },
	[HG_MESSAGE_END] = { HEAD_BODY, HEAD_BODY, 1 },
	[HG_MESSAGE_NEED] = { 0, 0, 1 },
	[HG_MESSAGE_PREPARE] = { HEAD_BODY, HEAD_BODY, 1 },
	[HG_MESSAGE_APPLY] = { 8, 8, 1 },
	[HG_MESSAGE_CONFIRM] = { HEAD_BODY, HEAD_BODY, 1 },
	[HG_MESSAGE_ABORT] = { 0, 0, 1 },
	[HG_MESSAGE_VERDICT] = { 4, 4 + HG_MESSAGE_TEXT_MAX, 1 },
};

static uint32_t get32(const uint8_t *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return be32toh(value);
}

static uint64_t get64(const uint8_t *at)
{
	uint64_t value;

	memcpy(&value, at, sizeof(value));
	return be64toh(value);
}

static uint8_t *put32(uint8_t *at, uint32_t value)
{
	value = htobe32(value);
	memcpy(at, &value, sizeof(value));
	return at + sizeof(value);
}

static uint8_t *put64(uint8_t *at, uint64_t value)
{
	value = htobe64(value);
	memcpy(at, &value, sizeof(value));
	return at + sizeof(value);
}

/* --- in ------------------------------------------------------------------------------ */

int hg_message_parse_head(const uint8_t head[HG_MESSAGE_HEAD], struct hg_message *ret)
{
	uint32_t length = get32(head);
	uint8_t type = head[4];

	if (head[5] != HG_MESSAGE_VERSION || head[6] || head[7])
		return -EBADMSG;
	if (type < HG_MESSAGE_HELLO || type >= HG_MESSAGE_TYPES)
		return -EBADMSG;
	if (length < bounds[type].min || length > bounds[type].max || length % bounds[type].step)
		return -EBADMSG;
	memset(ret, 0, sizeof(*ret));
	ret->type = (enum hg_message_type)type;
	ret->length = length;
	return 0;
}

static bool is_zero(const uint8_t *at, size_t length)
{
	while (length--)
		if (*at++)
			return false;
	return true;
}

/* A cluster, a generation and its commit; or none of the three. */
static int parse_generation(const uint8_t *body, struct hg_head *ret)
{
	bool is_blank = is_zero(body, HEAD_BODY);

	memcpy(ret->cluster, body, 36);
	ret->cluster[36] = '\0';
	ret->number = get64(body + 36);
	memcpy(ret->oid.id, body + 44, sizeof(ret->oid.id));
	if (is_blank)
		return 0;
	if (!hg_uuid_is_valid(ret->cluster) || !ret->number || ret->number > HG_GENERATION_MAX ||
	    hg_oid_is_none(&ret->oid))
		return -EBADMSG;
	return 0;
}

/* a-z 0-9 _ -, then zeros only. */
static int parse_name(const uint8_t *body, char ret[HG_NODE_NAME])
{
	static const char good[] = "abcdefghijklmnopqrstuvwxyz0123456789_-";
	size_t length = strnlen((const char *)body, HG_NODE_NAME);

	if (!length || length == HG_NODE_NAME || !is_zero(body + length, HG_NODE_NAME - length))
		return -EBADMSG;
	memcpy(ret, body, HG_NODE_NAME);
	return strspn(ret, good) == length ? 0 : -EBADMSG;
}

static int parse_hello(const uint8_t *body, struct hg_message_hello *ret)
{
	uint32_t purpose = get32(body);

	if (purpose < HG_PURPOSE_LEARN || purpose >= HG_PURPOSES)
		return -EBADMSG;
	ret->purpose = (enum hg_message_purpose)purpose;
	if (parse_name(body + 4, ret->node))
		return -EBADMSG;
	return parse_generation(body + 4 + HG_NODE_NAME, &ret->head);
}

/* What is shown to people later holds no escape sequences. */
static void copy_text(char *ret, const uint8_t *text, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		bool is_plain = text[i] == '\n' || text[i] == '\t' ||
				(text[i] >= 0x20 && text[i] != 0x7f);

		ret[i] = is_plain ? (char)text[i] : '?';
	}
	ret[length] = '\0';
}

int hg_message_parse_body(const uint8_t *body, struct hg_message *message)
{
	size_t length = message->length;

	switch (message->type) {
	case HG_MESSAGE_HELLO:
		return parse_hello(body, &message->hello);
	case HG_MESSAGE_GET:
		message->get.count = length / sizeof(struct hg_oid);
		memcpy(message->get.oid, body, length);
		return 0;
	case HG_MESSAGE_PACK:
		message->pack = body;
		return 0;
	case HG_MESSAGE_END:
	case HG_MESSAGE_PREPARE:
	case HG_MESSAGE_CONFIRM:
		return parse_generation(body, &message->head);
	case HG_MESSAGE_APPLY:
		message->confirm_ns = get64(body);
		return 0;
	case HG_MESSAGE_VERDICT:
		message->verdict.err = get32(body) & 0xffff;
		copy_text(message->verdict.text, body + 4, length - 4);
		return 0;
	case HG_MESSAGE_NEED:
	case HG_MESSAGE_ABORT:
		return 0;
	case HG_MESSAGE_TYPES:
		break;
	}
	return -EBADMSG;
}

/* --- out ----------------------------------------------------------------------------- */

static uint8_t *put_generation(uint8_t *at, const struct hg_head *head)
{
	memset(at, 0, 36);
	memcpy(at, head->cluster, strnlen(head->cluster, 36));
	at = put64(at + 36, head->number);
	memcpy(at, head->oid.id, sizeof(head->oid.id));
	return at + sizeof(head->oid.id);
}

static uint8_t *put_hello(uint8_t *at, const struct hg_message_hello *hello)
{
	at = put32(at, hello->purpose);
	memset(at, 0, HG_NODE_NAME);
	memcpy(at, hello->node, strnlen(hello->node, HG_NODE_NAME - 1));
	return put_generation(at + HG_NODE_NAME, &hello->head);
}

static uint8_t *put_body(uint8_t *at, const struct hg_message *message)
{
	size_t length;

	switch (message->type) {
	case HG_MESSAGE_HELLO:
		return put_hello(at, &message->hello);
	case HG_MESSAGE_GET:
		length = message->get.count * sizeof(struct hg_oid);
		memcpy(at, message->get.oid, length);
		return at + length;
	case HG_MESSAGE_END:
	case HG_MESSAGE_PREPARE:
	case HG_MESSAGE_CONFIRM:
		return put_generation(at, &message->head);
	case HG_MESSAGE_APPLY:
		return put64(at, message->confirm_ns);
	case HG_MESSAGE_VERDICT:
		at = put32(at, message->verdict.err);
		length = strnlen(message->verdict.text, HG_MESSAGE_TEXT_MAX);
		memcpy(at, message->verdict.text, length);
		return at + length;
	case HG_MESSAGE_PACK:
	case HG_MESSAGE_NEED:
	case HG_MESSAGE_ABORT:
	case HG_MESSAGE_TYPES:
		break;
	}
	return at;
}

size_t hg_message_print(const struct hg_message *message, uint8_t buffer[HG_MESSAGE_PRINT_MAX])
{
	uint8_t *end = put_body(buffer + HG_MESSAGE_HEAD, message);
	size_t body = end - buffer - HG_MESSAGE_HEAD;

	put32(buffer, message->type == HG_MESSAGE_PACK ? message->length : body);
	buffer[4] = message->type;
	buffer[5] = HG_MESSAGE_VERSION;
	buffer[6] = buffer[7] = 0;
	return end - buffer;
}
