/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See frame.h. */
#include <endian.h>
#include <string.h>

#include "bpf/siphash.h"
#include "wiring/frame.h"

#define SIGNED_WORDS ((sizeof(struct hg_wiring_frame) - HG_WIRE_TAG_LEN) / 8)

_Static_assert((sizeof(struct hg_wiring_frame) - HG_WIRE_TAG_LEN) % 8 == 0, "whole words");

static void make_tag(const void *data, const struct hg_wiring_key *key, uint8_t *ret)
{
	__u64 words[2] = { key->word[0], key->word[1] }, tag[2];

	hg_siphash(data, SIGNED_WORDS, words, tag);
	tag[0] = htole64(tag[0]);
	tag[1] = htole64(tag[1]);
	memcpy(ret, tag, HG_WIRE_TAG_LEN);
}

void hg_wiring_sign(struct hg_wiring_frame *frame, const struct hg_wiring_key *key)
{
	frame->magic = htobe16(HG_WIRE_MAGIC);
	frame->version = HG_WIRING_VERSION;
	frame->length = htobe16(HG_WIRING_LEN);
	memset(frame->tag, 0, sizeof(frame->tag));
	if (key)
		make_tag(frame, key, frame->tag);
}

static void end_name(char *name)
{
	name[HG_WIRE_NAME_LEN - 1] = '\0';
	for (; *name; name++)
		if ((unsigned char)*name <= ' ' || (unsigned char)*name >= 0x7f)
			*name = '?';
}

bool hg_wiring_check(const void *data, size_t size, struct hg_wiring_frame *ret)
{
	struct hg_wiring_frame frame;

	if (size < sizeof(frame))
		return false;
	memcpy(&frame, data, sizeof(frame));
	if (frame.magic != htobe16(HG_WIRE_MAGIC) || frame.version != HG_WIRING_VERSION ||
	    frame.length != htobe16(HG_WIRING_LEN) || !frame.type || frame.type >= HG_WIRING_TYPES)
		return false;
	end_name(frame.cluster);
	end_name(frame.port_name);
	end_name(frame.node_name);
	end_name(frame.ifname);
	*ret = frame;
	return true;
}

bool hg_wiring_is_authentic(const void *data, const struct hg_wiring_key *key)
{
	const uint8_t *tag = (const uint8_t *)data + sizeof(struct hg_wiring_frame) -
			     HG_WIRE_TAG_LEN;
	uint8_t expected[HG_WIRE_TAG_LEN], difference = 0;

	make_tag(data, key, expected);
	for (size_t i = 0; i < sizeof(expected); i++)
		difference |= tag[i] ^ expected[i];
	return !difference;
}

const char *hg_wiring_fault_name(unsigned int fault)
{
	switch ((enum hg_wiring_fault)fault) {
	case HG_WIRING_WELL:
		return "well";
	case HG_WIRING_REFLECTED:
		return "reflected";
	case HG_WIRING_SHARED:
		return "shared";
	case HG_WIRING_CROSSED:
		return "crossed";
	case HG_WIRING_CLONED:
		return "cloned";
	case HG_WIRING_SAME_MAC:
		return "same-mac";
	case HG_WIRING_FAULTS:
		break;
	}
	return "unknown";
}
