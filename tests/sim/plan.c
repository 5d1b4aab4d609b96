// SPDX-License-Identifier: GPL-2.0-or-later
/* See plan.h. The text of a plan, both ways. */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "plan.h"

#define TEXT_MAX 8192

static const struct {
	const char *word, *arguments;
} shape[] = {
#define X(id, word, arguments) { word, arguments },
	SIM_FAULTS(X)
#undef X
};

const struct sim_link_name sim_link_names[SIM_LINK_NAMES] = {
	{ "1>2", SIM_LINK_12 },
	{ "2>1", SIM_LINK_21 },
	{ "1=2", SIM_LINKS_PAIR },
	{ "1>w", SIM_LINK_1W },
	{ "w>1", SIM_LINK_W1 },
	{ "1=w", SIM_LINK_1W | SIM_LINK_W1 },
	{ "2>w", SIM_LINK_2W },
	{ "w>2", SIM_LINK_W2 },
	{ "2=w", SIM_LINK_2W | SIM_LINK_W2 },
	{ "w", SIM_LINK_1W | SIM_LINK_W1 | SIM_LINK_2W | SIM_LINK_W2 },
};
static const char *const ports_name[] = { "-", "lan", "wan", "all" };

const char *sim_fault_name(enum sim_fault_type type)
{
	return (unsigned int)type < SIM_FAULT_TYPES ? shape[type].word : "?";
}

uint64_t sim_mix(uint64_t a, uint64_t b)
{
	uint64_t x = a * 0x9e3779b97f4a7c15u + (b ^ 0x2545f4914f6cdd1du);

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

void sim_plan_init(struct sim_plan *plan)
{
	memset(plan, 0, sizeof(*plan));
	plan->priority[0] = 100;
	plan->priority[1] = 100;
}

static int compare_faults(const void *a, const void *b)
{
	const struct sim_fault *x = a, *y = b;

	if (x->at != y->at)
		return x->at < y->at ? -1 : 1;
	return memcmp(x, y, sizeof(*x));
}

void sim_plan_finish(struct sim_plan *plan)
{
	uint64_t quiet = 0;

	qsort(plan->fault, plan->count, sizeof(*plan->fault), compare_faults);
	for (unsigned int n = 0; n < SIM_NODES; n++)
		if (quiet < plan->boot[n])
			quiet = plan->boot[n];
	for (unsigned int i = 0; i < plan->count; i++)
		if (quiet < plan->fault[i].at + plan->fault[i].length)
			quiet = plan->fault[i].at + plan->fault[i].length;
	plan->quiet_at = quiet + SIM_MS;
}

/* --- out --------------------------------------------------------------------------- */

static void print_ms(FILE *out, uint64_t ns)
{
	fprintf(out, "%" PRIu64, ns / SIM_MS);
	if (ns % SIM_US)
		fprintf(out, ".%06" PRIu64, ns % SIM_MS);
	else if (ns % SIM_MS)
		fprintf(out, ".%03" PRIu64, ns % SIM_MS / SIM_US);
}

static const char *name_links(uint8_t links)
{
	for (unsigned int i = 0; i < SIM_LINK_NAMES; i++)
		if (sim_link_names[i].links == links)
			return sim_link_names[i].name;
	return "?";
}

void sim_fault_print(FILE *out, const struct sim_fault *fault)
{
	print_ms(out, fault->at);
	fprintf(out, " %s", sim_fault_name(fault->type));
	for (const char *a = shape[fault->type].arguments; *a; a++) {
		fputc(' ', out);
		if (*a == 'l')
			fputs(name_links(fault->links), out);
		else if (*a == 'p')
			fputs(ports_name[fault->ports & 3], out);
		else if (*a == 'n')
			fprintf(out, "%u", fault->node + 1u);
		else if (*a == 't')
			print_ms(out, fault->length);
		else
			fprintf(out, "%" PRIu32, fault->value);
	}
}

void sim_plan_print(FILE *out, const struct sim_plan *plan)
{
	fprintf(out, "noise %" PRIu64 "; isolation %s; failback %s; priority %u %u; drift %d %d; ",
		plan->noise, plan->isolation == HG_ISOLATION_STOP ? "stop" : "continue",
		plan->is_failback ? "on" : "off", plan->priority[0], plan->priority[1],
		plan->drift[0], plan->drift[1]);
	if (plan->has_witness)
		fputs("witness on; ", out);
	fputs("boot ", out);
	print_ms(out, plan->boot[0]);
	fputc(' ', out);
	print_ms(out, plan->boot[1]);
	for (unsigned int i = 0; i < plan->count; i++) {
		fputs("; ", out);
		sim_fault_print(out, &plan->fault[i]);
	}
}

/* --- in ---------------------------------------------------------------------------- */

static bool read_number(const char *word, long long min, long long max, long long *ret)
{
	char *end;

	errno = 0;
	*ret = word ? strtoll(word, &end, 10) : 0;
	return word && *word && !*end && !errno && *ret >= min && *ret <= max;
}

static bool read_ms(const char *word, uint64_t *ret)
{
	uint64_t whole = 0, part = 0, unit = SIM_MS;

	if (!word || !isdigit((unsigned char)*word))
		return false;
	for (; isdigit((unsigned char)*word) && whole < 1000000000; word++)
		whole = whole * 10 + (*word - '0');
	if (*word == '.')
		for (word++; isdigit((unsigned char)*word) && unit > 1; word++) {
			unit /= 10;
			part += (*word - '0') * unit;
		}
	*ret = whole * SIM_MS + part;
	return !*word;
}

static bool read_name(const char *word, const char *const *names, unsigned int count,
		      unsigned int *ret)
{
	for (*ret = 0; word && *ret < count; ++*ret)
		if (!strcmp(word, names[*ret]))
			return true;
	return false;
}

static bool read_links(const char *word, uint8_t *ret)
{
	for (unsigned int i = 0; word && i < SIM_LINK_NAMES; i++)
		if (!strcmp(word, sim_link_names[i].name)) {
			*ret = sim_link_names[i].links;
			return true;
		}
	return false;
}

/* Takes the next word of the item. */
static const char *next(char **rest)
{
	return strtok_r(NULL, " \t\n", rest);
}

static const char *parse_fault(struct sim_plan *plan, uint64_t at, char **rest)
{
	struct sim_fault *fault = &plan->fault[plan->count];
	const char *word = next(rest);
	unsigned int type, value = 0;
	long long number = 0;

	memset(fault, 0, sizeof(*fault));
	for (type = 0; type < SIM_FAULT_TYPES; type++)
		if (word && !strcmp(word, shape[type].word))
			break;
	if (type == SIM_FAULT_TYPES || plan->count >= SIM_FAULTS_MAX)
		return word ? word : "an end where a fault should be";
	fault->at = at;
	fault->type = type;
	for (const char *a = shape[type].arguments; *a; a++) {
		bool is_right = false;

		word = next(rest);
		if (*a == 'l')
			is_right = read_links(word, &fault->links);
		if (*a == 'p' && (is_right = read_name(word, ports_name, 4, &value)))
			fault->ports = value;
		if (*a == 'n' && (is_right = read_number(word, 1, SIM_NODES, &number)))
			fault->node = number - 1;
		if (*a == 'v' && (is_right = read_number(word, 0, UINT32_MAX, &number)))
			fault->value = number;
		if (*a == 't')
			is_right = read_ms(word, &fault->length);
		if (!is_right)
			return word ? word : sim_fault_name(type);
	}
	plan->count++;
	return NULL;
}

static const char *parse_setting(struct sim_plan *plan, const char *name, char **rest)
{
	static const char *const isolation[] = { "continue", "stop" };
	static const char *const switches[] = { "off", "on" };
	const char *one = next(rest), *two = NULL;
	unsigned int choice;
	long long a = 0, b = 0;

	if (!strcmp(name, "noise"))
		return read_number(one, 0, INT64_MAX, &a) ? (plan->noise = a, NULL) : name;
	if (!strcmp(name, "isolation"))
		return read_name(one, isolation, 2, &choice) ? (plan->isolation = choice, NULL)
							     : name;
	if (!strcmp(name, "failback"))
		return read_name(one, switches, 2, &choice) ? (plan->is_failback = choice, NULL)
							    : name;
	if (!strcmp(name, "witness"))
		return read_name(one, switches, 2, &choice) ? (plan->has_witness = choice, NULL)
							    : name;
	two = next(rest);
	if (!strcmp(name, "boot"))
		return read_ms(one, &plan->boot[0]) && read_ms(two, &plan->boot[1]) ? NULL : name;
	if (!strcmp(name, "priority") && read_number(one, 0, 255, &a) &&
	    read_number(two, 0, 255, &b)) {
		plan->priority[0] = a;
		plan->priority[1] = b;
		return NULL;
	}
	if (!strcmp(name, "drift") && read_number(one, -20000, 20000, &a) &&
	    read_number(two, -20000, 20000, &b)) {
		plan->drift[0] = a;
		plan->drift[1] = b;
		return NULL;
	}
	return name;
}

int sim_plan_parse(struct sim_plan *plan, const char *text, const char **ret_word)
{
	static char buffer[TEXT_MAX];
	char *item, *items, *word, *rest;
	const char *wrong = NULL;
	uint64_t at;

	*ret_word = "too long";
	if (strlen(text) >= sizeof(buffer))
		return -EINVAL;
	strcpy(buffer, text);
	sim_plan_init(plan);
	for (item = strtok_r(buffer, ";\n", &items); item && !wrong;
	     item = strtok_r(NULL, ";\n", &items)) {
		word = strtok_r(item, " \t\n", &rest);
		if (!word || *word == '#')
			continue;
		wrong = read_ms(word, &at) ? parse_fault(plan, at, &rest)
					   : parse_setting(plan, word, &rest);
		if (!wrong)
			wrong = next(&rest); /* too many */
	}
	*ret_word = wrong;
	if (wrong)
		return -EINVAL;
	sim_plan_finish(plan);
	return 0;
}
