// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Addresses of configuration files (config_value.h). Only what a host can have is
 * an address here: a gateway that answers ARP for a broadcast or loopback address
 * would break the segment it serves.
 */
#include <arpa/inet.h>
#include <string.h>

#include "agent/config_value.h"

int hg_ip_compare(const struct hg_ip *a, const struct hg_ip *b)
{
	int order;

	if (a->family != b->family)
		return a->family < b->family ? -1 : 1;
	order = memcmp(a->addr, b->addr, sizeof(a->addr));
	return (order > 0) - (order < 0);
}

socklen_t hg_ip_sockaddr(const struct hg_ip *ip, uint16_t port, struct sockaddr_storage *ret)
{
	struct sockaddr_in *in4 = (struct sockaddr_in *)ret;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ret;

	memset(ret, 0, sizeof(*ret));
	if (ip->family == 4) {
		in4->sin_family = AF_INET;
		in4->sin_port = htons(port);
		memcpy(&in4->sin_addr, ip->addr, 4);
		return sizeof(*in4);
	}
	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons(port);
	memcpy(&in6->sin6_addr, ip->addr, 16);
	return sizeof(*in6);
}

const char *hg_ip_text(const struct hg_ip *ip, char buffer[HG_IP_TEXT])
{
	if (!inet_ntop(ip->family == 4 ? AF_INET : AF_INET6, ip->addr, buffer, HG_IP_TEXT))
		buffer[0] = '\0';
	return buffer;
}

/* What keeps an IPv4 address from being a host's (RFC 6890), or NULL. */
static const char *fault4(const struct hg_ip *ip)
{
	uint32_t a = (uint32_t)ip->addr[0] << 24 | ip->addr[1] << 16 | ip->addr[2] << 8 |
		     ip->addr[3];
	uint32_t host = ip->prefix ? UINT32_MAX >> (ip->prefix - 1) >> 1 : 0;

	if (ip->addr[0] == 0)
		return "is of the unspecified network 0.0.0.0/8";
	if (ip->addr[0] == 127)
		return "is a loopback address";
	if (a == UINT32_MAX)
		return "is the broadcast address";
	if (ip->addr[0] >= 224)
		return ip->addr[0] < 240 ? "is a multicast address" : "is a reserved address";
	if (ip->prefix && ip->prefix < 31 && !(a & host))
		return "is the address of the network itself";
	if (ip->prefix && ip->prefix < 31 && (a & host) == host)
		return "is the broadcast address of its network";
	return NULL;
}

/* The same for IPv6 (RFC 4291). */
static const char *fault6(const struct hg_ip *ip, enum hg_value_prefix prefix)
{
	struct in6_addr copy, *a = &copy; /* ip->addr is not aligned */

	memcpy(&copy, ip->addr, sizeof(copy));
	if (IN6_IS_ADDR_UNSPECIFIED(a))
		return "is the unspecified address";
	if (IN6_IS_ADDR_LOOPBACK(a))
		return "is a loopback address";
	if (IN6_IS_ADDR_MULTICAST(a))
		return "is a multicast address";
	if (IN6_IS_ADDR_V4MAPPED(a) || IN6_IS_ADDR_V4COMPAT(a))
		return "is an IPv4 address in IPv6 clothes";
	if (prefix == HG_WITHOUT_PREFIX && IN6_IS_ADDR_LINKLOCAL(a))
		return "is a link-local address, which names no network";
	return NULL;
}

/* Splits TEXT/LENGTH. False when either part cannot be one. */
static bool parse(const char *text, struct hg_ip *ret)
{
	const char *slash = strchr(text, '/');
	size_t length = slash ? (size_t)(slash - text) : strlen(text), digits;
	unsigned int prefix = 0;
	char address[HG_IP_TEXT];
	struct hg_ip ip = { 0 };

	if (length >= sizeof(address))
		return false;
	memcpy(address, text, length);
	address[length] = '\0';
	ip.family = strchr(address, ':') ? 6 : 4;
	if (inet_pton(ip.family == 4 ? AF_INET : AF_INET6, address, ip.addr) != 1)
		return false;
	if (slash) {
		digits = strspn(slash + 1, "0123456789");
		if (!digits || digits > 3 || slash[1 + digits] || slash[1] == '0')
			return false;
		for (slash++; *slash; slash++)
			prefix = prefix * 10 + (*slash - '0');
		if (prefix > (ip.family == 4 ? 32 : 128))
			return false;
	}
	ip.prefix = prefix;
	*ret = ip;
	return true;
}

bool hg_value_ip(struct hg_diag *diag, const struct hg_yaml_node *node, const char *what,
		 enum hg_value_prefix prefix, struct hg_ip *ret)
{
	const char *fault;
	struct hg_ip ip;

	if (!hg_value_text(diag, node, what))
		return false;
	if (!parse(node->text, &ip)) {
		hg_diag_error(diag, node->at, "'%.60s' is not an IP address%s", node->text,
			      prefix == HG_WITH_PREFIX ? " with its prefix length" : "");
		hg_diag_hint(diag, prefix == HG_WITH_PREFIX
					   ? "such as 10.1.0.1/24 or \"2001:db8::1/64\""
					   : "such as 10.1.0.2 or \"2001:db8::2\"");
		return false;
	}
	if (prefix == HG_WITH_PREFIX && !ip.prefix) {
		hg_diag_error(diag, node->at, "'%.60s' has no prefix length", node->text);
		hg_diag_hint(diag, "such as %.45s/%s", node->text, ip.family == 4 ? "24" : "64");
		return false;
	}
	if (prefix == HG_WITHOUT_PREFIX && ip.prefix) {
		hg_diag_error(diag, node->at, "a prefix length does not belong here: '%.60s'",
			      node->text);
		hg_diag_hint(diag, "write the address alone");
		return false;
	}
	fault = ip.family == 4 ? fault4(&ip) : fault6(&ip, prefix);
	if (fault) {
		hg_diag_error(diag, node->at, "'%.60s' %s", node->text, fault);
		return false;
	}
	*ret = ip;
	return true;
}
