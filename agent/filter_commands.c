// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the operator sees of the filter: `filter-show`, its part of the status; and the
 * blocklist's broom. Whatever reads files or lists runs in a task (task.h), on the
 * child's copy of the agent. filter_block.c has the commands of the blocklist.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent.h"
#include "agent/setup_filter.h"
#include "loader/filter.h"
#include "log.h"

#define EXPIRE_NS (60 * UINT64_C(1000000000))

/* --- show --------------------------------------------------------------------------- */

static json_t *json_age(uint64_t last_ns, uint64_t now)
{
	if (!last_ns)
		return json_null();
	return json_integer(now > last_ns ? (now - last_ns) / 1000000 : 0);
}

static void add_counters(json_t *rules, const struct hg_rule_stat *stat, uint64_t now)
{
	json_t *rule;
	size_t i;

	json_array_foreach(rules, i, rule)
	{
		json_object_set_new(rule, "number", json_integer(i + 1));
		json_object_set_new(rule, "packets", json_integer(stat[i].packets));
		json_object_set_new(rule, "octets", json_integer(stat[i].octets));
		json_object_set_new(rule, "exceeded", json_integer(stat[i].exceeded));
		json_object_set_new(rule, "last_hit_ms", json_age(stat[i].last_ns, now));
	}
}

static int read_counters(const char *pin, json_t *rules, struct hg_error *error)
{
	size_t count = json_array_size(rules);
	__u64 *id = calloc(count + 1, sizeof(*id));
	struct hg_rule_stat *stat = calloc(count + 1, sizeof(*stat));
	int err = id && stat ? 0 : -ENOMEM;

	for (size_t i = 0; !err && i < count; i++) {
		const char *text = json_string_value(
			json_object_get(json_array_get(rules, i), "id"));

		id[i] = text ? strtoull(text, NULL, 16) : 0;
	}
	if (!err)
		err = hg_filter_read_counters(pin, id, count, stat, error);
	else
		snprintf(error->text, sizeof(error->text), "out of memory");
	if (!err)
		add_counters(rules, stat, hg_now().ns);
	free(id);
	free(stat);
	return err;
}

static uint64_t count_reason(struct hg_agent *agent, enum hg_reason reason)
{
	struct hg_stat stat[HG_R_COUNT];
	uint64_t sum = 0;

	for (unsigned int slot = 0; slot < agent->port_count; slot++)
		if (!hg_maps_get_stats(&agent->maps, slot, stat))
			sum += stat[reason].packets;
	return sum;
}

static json_t *show(struct hg_task *task, void *context, json_t *arguments)
{
	struct hg_agent *agent = context;
	const char *pin = agent->setup->node.pin;
	struct hg_error error = { "" };
	struct hg_filter now;
	json_t *filter;
	int err;

	(void)task;
	(void)arguments;
	filter = hg_setup_filter_read(agent->setup->node.run, &error);
	err = filter ? hg_filter_read(pin, &now, &error) : -EINVAL;
	if (!err)
		err = read_counters(pin, json_object_get(filter, "rules"), &error);
	if (err) {
		json_decref(filter);
		return hg_task_fail("%s", error.text);
	}
	json_object_set_new(filter, "in_force",
			    json_boolean(json_integer_value(json_object_get(
						 filter, "generation")) == now.generation));
	json_object_set_new(filter, "blocklist",
			    json_pack("{s:I,s:I,s:I,s:I}", "ip4", (json_int_t)now.block4, "ip6",
				      (json_int_t)now.block6, "prefixes",
				      (json_int_t)now.block_prefix, "dropped",
				      (json_int_t)count_reason(agent, HG_R_FILTER_BLOCKED)));
	json_object_set_new(filter, "default_dropped",
			    json_integer(count_reason(agent, HG_R_FILTER_DEFAULT)));
	return json_pack("{s:b,s:o}", "ok", 1, "filter", filter);
}

void hg_filter_on_show(void *context, struct hg_control_request *req, json_t *arguments)
{
	struct hg_agent *agent = context;

	hg_task_start(&agent->tasks, req, show, agent, arguments);
}

/* --- now and then ------------------------------------------------------------------- */

static json_t *expire(struct hg_task *task, void *context, json_t *arguments)
{
	const struct hg_agent *agent = context;
	struct hg_error error = { "" };
	struct hg_blocks *blocks;
	size_t removed = 0;

	(void)task;
	(void)arguments;
	/* Descriptors of its own: their offsets are not shared with the agent. */
	if (!hg_blocks_open(agent->setup->node.pin, &blocks, &error)) {
		hg_blocks_expire(blocks, hg_now().ns, &removed);
		hg_blocks_free(blocks);
	}
	return NULL;
}

void hg_filter_slow_tick(struct hg_agent *agent)
{
	uint64_t now = hg_now().ns;
	int err;

	if (now < agent->expire_at)
		return;
	agent->expire_at = now + EXPIRE_NS;
	err = hg_task_start_background(&agent->tasks, expire, agent);
	if (err == -EBUSY)
		agent->expire_at = now + EXPIRE_NS / 60;
	else if (err)
		hg_warning("cannot start a process that clears the blocklist: %s", strerror(-err));
}

json_t *hg_filter_status(struct hg_agent *agent)
{
	const struct hg_setup_filter *filter = &agent->setup->filter;

	return json_pack("{s:I,s:s,s:I,s:I}", "rules", (json_int_t)filter->rule_count, "default",
			 filter->is_default_drop ? "drop" : "accept", "generation",
			 (json_int_t)filter->generation, "blocked",
			 (json_int_t)hg_blocks_count(agent->blocks));
}

json_t *hg_filter_warnings(struct hg_agent *agent)
{
	json_t *array = json_array();

	for (unsigned int i = 0; i < HG_SETUP_WARNINGS; i++)
		if (agent->setup->filter.warning[i][0])
			json_array_append_new(array, json_string(agent->setup->filter.warning[i]));
	return array;
}
