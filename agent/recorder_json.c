/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See recorder_json.h. The tables name every field of the structs; tests/arch compares
 * them with core/elect.h, so that a new field cannot be forgotten.
 */
#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "hagate/reason.h"
#include "recorder_json.h"

enum kind { KIND_U8, KIND_U32, KIND_U64, KIND_EPOCH, KIND_BOOL, KIND_ENUM };

struct field {
	const char *name;
	size_t offset;
	enum kind kind;
};

#define FIELD(type, member, kind)                            \
	{                                                    \
#member, offsetof(struct type, member), kind \
	}
#define TIME(type, member)                                          \
	{                                                           \
#member, offsetof(struct type, member.ns), KIND_U64 \
	}

static const struct field obs_fields[] = {
	TIME(hg_obs, lease_until),
	FIELD(hg_obs, fence_epoch, KIND_EPOCH),
	FIELD(hg_obs, epoch, KIND_EPOCH),
	FIELD(hg_obs, served_epoch, KIND_EPOCH),
	TIME(hg_obs, drain_until),
	TIME(hg_obs, last_grant),
	TIME(hg_obs, heard),
	TIME(hg_obs, request),
	FIELD(hg_obs, request_epoch, KIND_EPOCH),
	TIME(hg_obs, agent_age),
	FIELD(hg_obs, fenced_epoch, KIND_EPOCH),
	TIME(hg_obs, fenced_stamp),
	FIELD(hg_obs, is_wrong_key, KIND_BOOL),
	{ 0 },
};

static const struct field hello_fields[] = {
	FIELD(hg_elect_hello, role, KIND_ENUM),
	FIELD(hg_elect_hello, epoch, KIND_EPOCH),
	FIELD(hg_elect_hello, epoch_seen, KIND_EPOCH),
	FIELD(hg_elect_hello, generation, KIND_U64),
	FIELD(hg_elect_hello, node, KIND_U8),
	FIELD(hg_elect_hello, priority, KIND_U8),
	FIELD(hg_elect_hello, health, KIND_U8),
	FIELD(hg_elect_hello, is_consent, KIND_BOOL),
	FIELD(hg_elect_hello, is_unfit, KIND_BOOL),
	FIELD(hg_elect_hello, is_bound, KIND_BOOL),
	{ 0 },
};

static const struct field config_fields[] = {
	FIELD(hg_elect_config, node, KIND_U8),
	FIELD(hg_elect_config, priority, KIND_U8),
	FIELD(hg_elect_config, mode, KIND_ENUM),
	FIELD(hg_elect_config, isolation, KIND_ENUM),
	FIELD(hg_elect_config, has_peer, KIND_BOOL),
	FIELD(hg_elect_config, has_witness, KIND_BOOL),
	FIELD(hg_elect_config, is_failback, KIND_BOOL),
	TIME(hg_elect_config, failback_delay),
	TIME(hg_elect_config, interval),
	TIME(hg_elect_config, lease),
	TIME(hg_elect_config, hello),
	TIME(hg_elect_config, agent_grace),
	TIME(hg_elect_config, drain),
	TIME(hg_elect_config, margin),
	FIELD(hg_elect_config, drift_ppm, KIND_U32),
	TIME(hg_elect_config, handover_timeout),
	{ 0 },
};

static const struct field witness_fields[] = {
	FIELD(hg_elect_witness, is_granted, KIND_BOOL),
	FIELD(hg_elect_witness, epoch, KIND_EPOCH),
	TIME(hg_elect_witness, stamp),
	TIME(hg_elect_witness, lease),
	{ 0 },
};

/* Of struct hg_elect_event: its part for HG_EV_HEALTH has no name of its own. */
#define SELF(member, kind)                                                  \
	{                                                                   \
#member, offsetof(struct hg_elect_event, self.member), kind \
	}
static const struct field self_fields[] = {
	SELF(health, KIND_U8),
	SELF(is_fit, KIND_BOOL),
	SELF(is_unsynced, KIND_BOOL),
	SELF(generation, KIND_U64),
	{ 0 },
};

static const struct field learn_fields[] = {
	{ "is_learning", offsetof(struct hg_elect_event, is_learning), KIND_BOOL },
	{ 0 },
};

_Static_assert(sizeof(enum hg_role) == 4 && sizeof(enum hg_elect_mode) == 4 &&
		       sizeof(enum hg_isolation) == 4,
	       "recorder: KIND_ENUM is four octets");

static const char *const event_names[HG_EVS] = {
	[HG_EV_START] = "start",
	[HG_EV_CONFIG] = "config",
	[HG_EV_TICK] = "tick",
	[HG_EV_HELLO] = "hello",
	[HG_EV_HEALTH] = "health",
	[HG_EV_HANDOVER] = "handover",
	[HG_EV_MAINTENANCE_ON] = "maintenance-on",
	[HG_EV_MAINTENANCE_OFF] = "maintenance-off",
	[HG_EV_STOP] = "stop",
	[HG_EV_LEARN] = "learn",
	[HG_EV_WITNESS] = "witness",
};

static const char *const action_names[HG_ACTS] = {
	[HG_ACT_CLAIM_EPOCH] = "claim-epoch",
	[HG_ACT_SEND_CLAIM] = "send-claim",
	[HG_ACT_SERVE] = "serve",
	[HG_ACT_ANNOUNCE] = "announce",
	[HG_ACT_ADDRESSES_ADD] = "addresses-add",
	[HG_ACT_RENEW] = "renew",
	[HG_ACT_RELEASE_EPOCH] = "release-epoch",
	[HG_ACT_ADDRESSES_REMOVE] = "addresses-remove",
	[HG_ACT_SEND_PROBE] = "send-probe",
	[HG_ACT_SEND_REQUEST] = "send-request",
	[HG_ACT_SEND_HELLO] = "send-hello",
	[HG_ACT_SEND_WITNESS] = "send-witness",
	[HG_ACT_TRANSITION] = "transition",
	[HG_ACT_HANDOVER_DONE] = "handover-done",
};

static const char *const why_names[HG_WHY_COUNT] = {
#define X(id, name, text) [HG_WHY_##id] = name,
	HG_TRANSITION_REASONS(X)
#undef X
};

static const char *name_in(const char *const *names, unsigned int count, unsigned int i)
{
	return i < count && names[i] ? names[i] : "unknown";
}

const char *hg_recorder_event_name(enum hg_elect_event_type type)
{
	return name_in(event_names, HG_EVS, type);
}

const char *hg_recorder_action_name(enum hg_action_type type)
{
	return name_in(action_names, HG_ACTS, type);
}

/* --- numbers ------------------------------------------------------------------------ */

static json_t *hex_to_json(uint64_t value)
{
	return json_sprintf("0x%016" PRIx64, value);
}

static json_t *number_to_json(uint64_t value)
{
	return value > INT64_MAX ? hex_to_json(value) : json_integer((json_int_t)value);
}

/* -1: neither a number nor "0x" and digits */
static int number_from_json(const json_t *json, uint64_t *ret)
{
	const char *text = json_string_value(json);
	char *end;

	if (json_is_integer(json) && json_integer_value(json) >= 0) {
		*ret = json_integer_value(json);
		return 0;
	}
	if (!text || strncmp(text, "0x", 2) || !strchr("0123456789abcdefABCDEF", text[2]))
		return -1;
	errno = 0;
	*ret = strtoull(text, &end, 16);
	return errno || *end ? -1 : 0;
}

/* --- structs ------------------------------------------------------------------------ */

static json_t *field_to_json(const struct field *field, const void *base)
{
	const char *at = (const char *)base + field->offset;
	uint64_t wide;
	uint32_t word;

	switch (field->kind) {
	case KIND_BOOL:
		return json_boolean(*at);
	case KIND_U8:
		return json_integer((uint8_t)*at);
	case KIND_U32:
	case KIND_ENUM:
		memcpy(&word, at, sizeof(word));
		return json_integer(word);
	case KIND_U64:
		memcpy(&wide, at, sizeof(wide));
		return number_to_json(wide);
	case KIND_EPOCH:
		memcpy(&wide, at, sizeof(wide));
		return hex_to_json(wide);
	}
	return NULL;
}

static json_t *struct_to_json(const struct field *field, const void *base)
{
	json_t *object = json_object();

	for (; field->name; field++)
		json_object_set_new(object, field->name, field_to_json(field, base));
	return object;
}

static int field_from_json(const struct field *field, const json_t *json, void *base)
{
	char *at = (char *)base + field->offset;
	bool is_flag = field->kind == KIND_BOOL;
	uint64_t wide = 0;
	uint32_t word;

	if (!json)
		return 0;
	if (is_flag ? !json_is_boolean(json) : number_from_json(json, &wide))
		return -EINVAL;
	word = wide;
	switch (field->kind) {
	case KIND_BOOL:
		*at = json_is_true(json);
		return 0;
	case KIND_U8:
		*at = wide;
		return wide > UINT8_MAX ? -EINVAL : 0;
	case KIND_U32:
	case KIND_ENUM:
		memcpy(at, &word, sizeof(word));
		return wide > UINT32_MAX ? -EINVAL : 0;
	case KIND_U64:
	case KIND_EPOCH:
		memcpy(at, &wide, sizeof(wide));
		return 0;
	}
	return -EINVAL;
}

static int struct_from_json(const struct field *field, const json_t *object, void *base)
{
	int err = json_is_object(object) ? 0 : -EINVAL;

	for (; !err && field->name; field++)
		err = field_from_json(field, json_object_get(object, field->name), base);
	return err;
}

/* What an event of this type carries beside the observation: its name, fields and place. */
static const struct field *body_of(struct hg_elect_event *event, const char **ret_name,
				   void **ret_base)
{
	switch (event->type) {
	case HG_EV_START:
	case HG_EV_CONFIG:
		*ret_name = "config";
		*ret_base = &event->config;
		return config_fields;
	case HG_EV_HELLO:
		*ret_name = "hello";
		*ret_base = &event->hello;
		return hello_fields;
	case HG_EV_HEALTH:
		*ret_name = "self";
		*ret_base = event;
		return self_fields;
	case HG_EV_LEARN:
		*ret_name = "learn";
		*ret_base = event;
		return learn_fields;
	case HG_EV_WITNESS:
		*ret_name = "witness";
		*ret_base = &event->witness;
		return witness_fields;
	case HG_EV_TICK:
	case HG_EV_HANDOVER:
	case HG_EV_MAINTENANCE_ON:
	case HG_EV_MAINTENANCE_OFF:
	case HG_EV_STOP:
	case HG_EVS:
		break;
	}
	return NULL;
}

/* --- lines -------------------------------------------------------------------------- */

json_t *hg_recorder_snapshot_to_json(const struct hg_elect *elect)
{
	static const char digits[] = "0123456789abcdef";
	const uint8_t *octet = (const uint8_t *)elect;
	char hex[2 * sizeof(*elect) + 1];

	for (size_t i = 0; i < sizeof(*elect); i++) {
		hex[2 * i] = digits[octet[i] >> 4];
		hex[2 * i + 1] = digits[octet[i] & 15];
	}
	hex[sizeof(hex) - 1] = '\0';
	return json_pack("{s:s,s:I,s:s}", "snapshot", hex, "size", (json_int_t)sizeof(*elect),
			 "software", HG_VERSION);
}

static int nibble(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int hg_recorder_snapshot_from_json(const json_t *json, struct hg_elect *ret)
{
	const char *hex = json_string_value(json_object_get(json, "snapshot"));
	uint8_t octet[sizeof(*ret)];

	if (!hex || strlen(hex) != 2 * sizeof(octet))
		return -EINVAL;
	for (size_t i = 0; i < sizeof(octet); i++) {
		int high = nibble(hex[2 * i]), low = nibble(hex[2 * i + 1]);

		if (high < 0 || low < 0)
			return -EINVAL;
		octet[i] = high << 4 | low;
	}
	memcpy(ret, octet, sizeof(octet));
	return 0;
}

static json_t *actions_to_json(const struct hg_record *step)
{
	json_t *array = json_array();

	for (unsigned int i = 0; i < step->count; i++)
		json_array_append_new(array, json_string(hg_recorder_action_name(step->action[i])));
	return array;
}

json_t *hg_recorder_step_to_json(const struct hg_record *step)
{
	struct hg_elect_event event = step->event;
	const struct field *body;
	const char *name;
	void *base;
	json_t *json = json_pack("{s:s,s:o,s:o}", "event", hg_recorder_event_name(event.type),
				 "now_ns", number_to_json(event.now.ns), "obs",
				 struct_to_json(obs_fields, &event.obs));

	if (!json)
		return NULL;
	if (step->late.ns)
		json_object_set_new(json, "late_ns", number_to_json(step->late.ns));
	body = body_of(&event, &name, &base);
	if (body)
		json_object_set_new(json, name, struct_to_json(body, base));
	if (event.epoch_counter)
		json_object_set_new(json, "epoch_counter", number_to_json(event.epoch_counter));
	json_object_set_new(json, "state", json_string(hg_elect_state_name(step->state)));
	json_object_set_new(json, "epoch", hex_to_json(step->epoch));
	json_object_set_new(json, "actions", actions_to_json(step));
	json_object_set_new(json, "digest", hex_to_json(step->digest));
	if (step->again)
		json_object_set_new(json, "again", json_true());
	if (step->why == HG_WHY_NONE)
		return json;
	json_object_set_new(json, "from", json_string(hg_elect_state_name(step->from)));
	json_object_set_new(json, "reason",
			    json_string(name_in(why_names, HG_WHY_COUNT, step->why)));
	return json;
}

/* --- and back ----------------------------------------------------------------------- */

/* -1: no such name */
static int find_name(const char *const *names, unsigned int count, const json_t *json)
{
	const char *text = json_string_value(json);

	for (unsigned int i = 0; text && i < count; i++)
		if (names[i] && !strcmp(names[i], text))
			return i;
	return -1;
}

static int find_state(const json_t *json)
{
	const char *text = json_string_value(json);

	for (unsigned int i = 0; text && i < HG_EL_STATES; i++)
		if (!strcmp(hg_elect_state_name(i), text))
			return i;
	return -1;
}

static int actions_from_json(const json_t *array, struct hg_record *step)
{
	size_t count = json_array_size(array);

	if (!json_is_array(array) || count > HG_ACTIONS_MAX)
		return -EINVAL;
	step->count = count;
	for (size_t i = 0; i < count; i++) {
		int type = find_name(action_names, HG_ACTS, json_array_get(array, i));

		if (type < 0)
			return -EINVAL;
		step->action[i] = type;
	}
	return 0;
}

static int result_from_json(const json_t *json, struct hg_record *step)
{
	const json_t *reason = json_object_get(json, "reason");
	int state = find_state(json_object_get(json, "state"));
	int from = reason ? find_state(json_object_get(json, "from")) : state;
	int why = reason ? find_name(why_names, HG_WHY_COUNT, reason) : HG_WHY_NONE;
	const json_t *epoch = json_object_get(json, "epoch");
	const json_t *digest = json_object_get(json, "digest");

	if (state < 0 || from < 0 || why < 0 || (epoch && number_from_json(epoch, &step->epoch)) ||
	    (digest && number_from_json(digest, &step->digest)))
		return -EINVAL;
	step->state = state;
	step->from = from;
	step->why = why;
	step->again = json_is_true(json_object_get(json, "again"));
	return actions_from_json(json_object_get(json, "actions"), step);
}

int hg_recorder_step_from_json(const json_t *json, struct hg_record *ret)
{
	struct hg_record step = { 0 };
	const json_t *late = json_object_get(json, "late_ns");
	const json_t *counter = json_object_get(json, "epoch_counter");
	int type = find_name(event_names, HG_EVS, json_object_get(json, "event"));
	const struct field *body;
	const char *name;
	void *base;
	int err;

	if (type < 0 || number_from_json(json_object_get(json, "now_ns"), &step.event.now.ns) ||
	    (late && number_from_json(late, &step.late.ns)) ||
	    (counter && number_from_json(counter, &step.event.epoch_counter)))
		return -EINVAL;
	step.event.type = type;
	err = struct_from_json(obs_fields, json_object_get(json, "obs"), &step.event.obs);
	body = body_of(&step.event, &name, &base);
	if (!err && body)
		err = struct_from_json(body, json_object_get(json, name), base);
	if (!err)
		err = result_from_json(json, &step);
	if (!err)
		*ret = step;
	return err;
}
