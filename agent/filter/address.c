// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Addresses of rules and lists: any address or prefix a packet may carry, written
 * without host bits. Lists have hundreds of thousands of them: IPv4, the common case,
 * is read without a copy.
 */
#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "agent/filter/rule.h"
#include "agent/filter/token.h"

__attribute__((format(printf, 3, 4))) static bool fail(struct hg_rule_error *error, size_t at,
						       const char *format, ...)
{
	va_list args;

	*error = (struct hg_rule_error){ .column = at + 1 };
	va_start(args, format);
	vsnprintf(error->text, sizeof(error->text), format, args);
	va_end(args);
	return false;
}

static bool read_ip4(const char *text, size_t length, struct hg_ip *ret)
{
	unsigned int part = 0, value = 0, digits = 0;
	size_t i;

	for (i = 0; i <= length; i++) {
		if (i == length || text[i] == '.') {
			if (!digits || part == 4)
				return false;
			ret->addr[part++] = value;
			value = digits = 0;
			continue;
		}
		if (text[i] < '0' || text[i] > '9' || (digits && !value))
			return false;
		value = value * 10 + (text[i] - '0');
		if (++digits > 3 || value > 255)
			return false;
	}
	ret->family = 4;
	ret->prefix = 32;
	return part == 4;
}

static bool read_ip6(const char *text, size_t length, struct hg_ip *ret)
{
	char copy[INET6_ADDRSTRLEN];

	if (length >= sizeof(copy) || memchr(text, '\0', length))
		return false;
	memcpy(copy, text, length);
	copy[length] = '\0';
	ret->family = 6;
	ret->prefix = 128;
	return inet_pton(AF_INET6, copy, ret->addr) == 1;
}

/* Bits of an IPv4 netmask, 33 when it is none. */
static unsigned int mask_length(const struct hg_ip *mask)
{
	uint32_t bits = (uint32_t)mask->addr[0] << 24 | mask->addr[1] << 16 | mask->addr[2] << 8 |
			mask->addr[3];
	unsigned int n = bits ? __builtin_clz(~bits | 1) : 0;

	if (bits == UINT32_MAX)
		return 32;
	return bits == ~(uint32_t)(UINT64_C(0xffffffff) >> n) ? n : 33;
}

static bool fail_length(const char *text, size_t length, size_t at, unsigned int family,
			struct hg_rule_error *error)
{
	char shown[HG_TOKEN_SHOWN];
	struct hg_ip mask = { 0 };

	fail(error, at, "'%s' is not a prefix length of IPv%u",
	     hg_token_show(text + at, length - at, shown), family);
	if (family == 4 && read_ip4(text + at, length - at, &mask) && mask_length(&mask) <= 32)
		snprintf(error->hint, sizeof(error->hint), "write /%u", mask_length(&mask));
	else
		snprintf(error->hint, sizeof(error->hint), "a number from 0 to %u",
			 family == 4 ? 32 : 128);
	return false;
}

static bool read_length(const char *text, size_t length, size_t at, struct hg_ip *ip,
			struct hg_rule_error *error)
{
	unsigned int value = 0;
	size_t i;

	for (i = at; i < length && text[i] >= '0' && text[i] <= '9' && i < at + 4; i++)
		value = value * 10 + (text[i] - '0');
	if (i == at || i < length || value > (ip->family == 4 ? 32 : 128) ||
	    (text[at] == '0' && length > at + 1))
		return fail_length(text, length, at, ip->family, error);
	ip->prefix = value;
	return true;
}

static void mask_host_bits(struct hg_ip *ip)
{
	unsigned int octet = ip->prefix / 8;

	if (octet >= 16)
		return;
	ip->addr[octet] &= 0xff00 >> ip->prefix % 8;
	memset(ip->addr + octet + 1, 0, sizeof(ip->addr) - octet - 1);
}

static bool is_all_of(const char *text, size_t length, const char *set)
{
	size_t i;

	for (i = 0; i < length; i++)
		if (!text[i] || !strchr(set, text[i]))
			return false;
	return length;
}

/* What may have been meant by a text that is no address. */
static bool fail_address(const char *text, size_t length, struct hg_rule_error *error)
{
	char shown[HG_TOKEN_SHOWN];
	const char *hint = "such as 192.0.2.1, 192.0.2.0/24 or 2001:db8::/32", *part;

	fail(error, 0, "'%s' is not an IP address", hg_token_show(text, length, shown));
	part = memchr(text, '%', length);
	if (part) {
		error->column = part - text + 1;
		hint = "leave the interface out: in on PORT says where";
	} else if (memchr(text, '!', length)) {
		hint = "there is no 'not': an accept rule before this one makes an exception";
	} else if (memchr(text, '{', length)) {
		hint = "several addresses are a list: from @NAME, and NAME under filter.lists";
	} else if (memchr(text, '[', length)) {
		hint = "without brackets";
	} else if (is_all_of(text, length, "0123456789./-") && memchr(text, '-', length)) {
		hint = "a range is a list of prefixes: from @NAME, and NAME under filter.lists";
	} else if (is_all_of(text, length, "0123456789./*x") && memchr(text, '.', length)) {
		hint = "four numbers up to 255: 192.0.2.0/24";
	} else if (!memchr(text, ':', length) && memchr(text, '.', length)) {
		hint = "names are not looked up: write the address";
	}
	snprintf(error->hint, sizeof(error->hint), "%s", hint);
	return false;
}

bool hg_rule_ip_parse(const char *text, size_t length, struct hg_ip *ret,
		      struct hg_rule_error *ret_error)
{
	const char *slash = memchr(text, '/', length);
	size_t end = slash ? (size_t)(slash - text) : length;
	struct hg_ip ip = { 0 }, masked;
	char shown[HG_RULE_IP_TEXT];

	if (!read_ip4(text, end, &ip)) {
		ip = (struct hg_ip){ 0 };
		if (!read_ip6(text, end, &ip))
			return fail_address(text, length, ret_error);
	}
	if (slash && !read_length(text, length, end + 1, &ip, ret_error))
		return false;
	masked = ip;
	mask_host_bits(&masked);
	if (memcmp(masked.addr, ip.addr, sizeof(ip.addr))) {
		fail(ret_error, 0, "%s has bits set behind its prefix length",
		     hg_rule_ip_text(&ip, shown));
		snprintf(ret_error->hint, sizeof(ret_error->hint),
			 "%s is the network; the address alone has no length",
			 hg_rule_ip_text(&masked, shown));
		return false;
	}
	*ret = ip;
	return true;
}

const char *hg_rule_ip_text(const struct hg_ip *ip, char buffer[HG_RULE_IP_TEXT])
{
	size_t used;

	if (!inet_ntop(ip->family == 4 ? AF_INET : AF_INET6, ip->addr, buffer, HG_RULE_IP_TEXT))
		buffer[0] = '\0';
	used = strlen(buffer);
	if (ip->prefix != (ip->family == 4 ? 32 : 128))
		snprintf(buffer + used, HG_RULE_IP_TEXT - used, "/%u", ip->prefix);
	return buffer;
}
