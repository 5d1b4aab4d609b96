/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Files with one mistake each, as a change of a good file: line `line` is replaced by
 * `text` (NULL: removed; line 0: the whole file). Exactly one error must come, at
 * `place`, with `piece` in its text or hint.
 */
#ifndef TESTS_CONFIG_CASES_H
#define TESTS_CONFIG_CASES_H

#include <stddef.h>

struct bad_case {
	unsigned int line;
	const char *text;
	const char *place; /* LINE:COLUMN */
	const char *piece;
};

static const char good_node[] = "node: gw1\n"
				"key: /etc/hagate/cluster.key\n"
				"mode: member\n"
				"ports:\n"
				"  lan: { mac: \"00:50:56:a7:01:01\" }\n"
				"  wan: { name: eth1 }\n"
				"  ha:  { path: \"pci-0000:0b:00.0\" }\n"
				"cluster: /etc/hagate/cluster.yaml\n"
				"paths: { state: /var/lib/hagate, run: /run/hagate }\n";

static const char good_cluster[] = "cluster: home\n"
				   "nodes:\n"
				   "  gw1: { id: 1, addresses: { lan: 10.1.0.2, ha: 10.9.0.1 } }\n"
				   "  gw2: { id: 2, addresses: { lan: 10.1.0.3, ha: 10.9.0.2 } }\n"
				   "ports:\n"
				   "  lan: { heartbeat: true, vips: [10.1.0.1/24] }\n"
				   "  wan: { vips: [10.2.0.1/24] }\n"
				   "  ha:  { heartbeat: true }\n"
				   "mac: real\n"
				   "timers: { interval: 5ms, lease: 20ms }\n"
				   "failback: { enabled: true, delay: 30s }\n"
				   "isolation: continue\n";

#define A16 "aaaaaaaaaaaaaaaa"
#define A64 A16 A16 A16 A16

static const struct bad_case bad_node[] = {
	/* required, unknown, duplicate */
	{ 1, NULL, "1:1", "'node' is missing in node.yaml" },
	{ 2, NULL, "1:1", "'key' is missing" },
	{ 4, "portz:", "4:1", "did you mean 'ports'?" },
	{ 3, "mood: member", "3:1", "did you mean 'mode'?" },
	{ 3, "colour: blue", "3:1", "known here: node, key, mode, join, ports, cluster, paths" },
	{ 3, "node: gw2", "3:1", "duplicate key 'node', first on line 1" },
	{ 3, "node: gw2\r", "3:1", "duplicate key 'node', first on line 1" },
	{ 6, "  lan: { name: eth1 }", "6:3", "duplicate key 'lan', first on line 5" },
	{ 9, "paths: { log: /var/log }", "9:10", "unknown key 'log' in paths" },
	/* names */
	{ 1, "node: Gw1", "1:7", "names are made of a-z, 0-9, '_' and '-'" },
	{ 1, "node: gw 1", "1:7", "'gw 1' is not a name" },
	{ 1, "node: abcdefghijklmnop", "1:7", "at most 15 characters, here are 16" },
	{ 1, "node:", "1:1", "'node' has no value" },
	{ 1, "node: \"\"", "1:7", "'node' has no value" },
	{ 1, "node: null", "1:7", "'node' has no value" },
	{ 1, "node: [gw1]", "1:7", "'node' must be a single value, not a list" },
	{ 1, "node: {gw1: 1}", "1:7", "'node' must be a single value, not a mapping" },
	{ 6, "  WAN: { name: eth1 }", "6:3", "'WAN' is not a name" },
	/* mode */
	{ 3, "mode: of", "3:7", "did you mean 'off'?" },
	{ 3, "mode: false", "3:7", "'mode' must be off, join or member, not 'false'" },
	/* paths */
	{ 2, "key: cluster.key", "2:6", "'key' must be an absolute path" },
	{ 8, "cluster: ~/c.yaml", "8:10", "absolute path" },
	{ 9, "paths: { run: /" A64 A16 A16 " }", "9:15", "at most 95 octets, here are 97" },
	{ 9, "paths: /var/lib/hagate", "9:8", "'paths' must be a mapping" },
	/* NICs */
	{ 5, "  lan: { mac: 01:00:5e:00:00:01 }", "5:15", "multicast" },
	{ 5, "  lan: { mac: 00:00:00:00:00:00 }", "5:15", "no address of a NIC" },
	{ 5, "  lan: { mac: 00-50-56-a7-01-01 }", "5:15", "is not a MAC address" },
	{ 5, "  lan: { mac: \"00:50:56:a7:01\" }", "5:15", "six pairs of hex digits" },
	{ 5, "  lan: { mac: 00:50:56:a7:01:01:02 }", "5:15", "is not a MAC address" },
	{ 5, "  lan: { }", "5:8", "port 'lan' is bound to no NIC" },
	{ 5, "  lan: eth0", "5:8", "a port must be a mapping" },
	{ 5, "  lan: { name: eth0, path: pci-1 }", "5:8", "exactly one of mac, name and path" },
	{ 5, "  lan: { name: eth1 }", "6:8", "the same NIC as port 'lan' (line 5)" },
	{ 5, "  lan: { name: abcdefghijklmnop }", "5:16", "cannot be the name of an interface" },
	{ 5, "  lan: { name: .. }", "5:16", "cannot be the name of an interface" },
	{ 5, "  lan: { path: /sys/x }", "5:16", "udev's ID_PATH" },
	{ 5, "  lan: { name: eth0, xdp: fast }", "5:27", "'xdp' must be native or generic" },
	{ 4, "ports: {}\nx:", "5:1", NULL }, /* two errors: tested by the count below */
};

static const struct bad_case bad_cluster[] = {
	/* required, unknown, duplicate */
	{ 1, NULL, "1:1", "'cluster' is missing in cluster.yaml" },
	{ 12, "isolaton: stop", "12:1", "did you mean 'isolation'?" },
	{ 12, "mac: real", "12:1", "duplicate key 'mac', first on line 9" },
	{ 12, "<<: { mac: real }", "12:1", "merge keys are not accepted" },
	{ 3, "  gw1: { addresses: { lan: 10.1.0.2, ha: 10.9.0.1 } }", "3:8", "'id' is missing" },
	{ 1, "cluster: Home", "1:10", "is not a name" },
	{ 1, "cluster: " A64, "1:10", "at most 63 characters, here are 64" },
	/* nodes */
	{ 3, "  gw1: { id: 0, addresses: { lan: 10.1.0.2, ha: 10.9.0.1 } }", "3:14",
	  "'id' must be from 1 to 255, not 0" },
	{ 3, "  gw1: { id: 256, addresses: { lan: 10.1.0.2, ha: 10.9.0.1 } }", "3:14", "not 256" },
	{ 3, "  gw1: { id: \"1\", addresses: { lan: 10.1.0.2, ha: 10.9.0.1 } }", "3:14",
	  "without quotes" },
	{ 3, "  gw1: { id: 010, addresses: { lan: 10.1.0.2, ha: 10.9.0.1 } }", "3:14",
	  "without leading zeros" },
	{ 3, "  gw1: { id: 2, addresses: { lan: 10.1.0.2, ha: 10.9.0.1 } }", "4:14",
	  "id 2 is already that of node 'gw1'" },
	{ 3, "  gw1: { id: 1, priority: -1, addresses: { lan: 10.1.0.2, ha: 10.9.0.1 } }", "3:27",
	  "'priority' must be a number from 0 to 255" },
	{ 3, "  gw1: { id: 1, addresses: { lan: 10.1.0.2 } }", "3:17",
	  "node 'gw1' has no address on heartbeat port 'ha'" },
	{ 3, "  gw1: { id: 1, addresses: { lan: 10.1.0.2, ha: 10.9.0.1, waan: 10.2.0.2 } }", "3:59",
	  "did you mean 'wan'?" },
	{ 3, "  gw1: { id: 1, addresses: { lan: 10.1.0.2, ha: 10.9.0.1/24 } }", "3:49",
	  "a prefix length does not belong here" },
	{ 3, "  gw1: { id: 1, addresses: { lan: 10.1.0.2, ha: fe80::1 } }", "3:49", "link-local" },
	{ 3, "  gw1: { id: 1, addresses: { lan: 10.1.0.2, ha: 2001:db8::1 } }", "4:49",
	  "of one family" },
	{ 3, "  gw1: { id: 1, addresses: { lan: 10.1.0.3, ha: 10.9.0.1 } }", "4:35",
	  "already the address of node 'gw1' on port 'lan'" },
	{ 3, "  gw1: { id: 1, addresses: { lan: 10.1.0.2, ha: 10.1.0.2 } }", "3:49",
	  "already the address of node 'gw1' on port 'lan'" },
	{ 3, "  gw1: { id: 1, addresses: { lan: 10.1.0.02, ha: 10.9.0.1 } }", "3:35",
	  "is not an IP address" },
	{ 4, "  gw2: { id: 2, addresses: { lan: 10.1.0.3, ha: 10.9.0.2 } }\n  gw3: { id: 3 }",
	  "5:3", "this version runs a pair" },
	{ 2, "nodes: {}\nNodes:", "3:1", NULL },
	/* ports and VIPs */
	{ 6, "  lan: { heartbeat: yes, vips: [10.1.0.1/24] }", "6:21", "true or false, not 'yes'" },
	{ 6, "  lan: { heartbeat: \"true\", vips: [10.1.0.1/24] }", "6:21", "without quotes" },
	{ 6, "  lan: { heartbeat:\t\"true\" }", "6:21", "without quotes" },
	{ 7, "  wan: { vips: [10.2.0.1] }", "7:17", "such as 10.2.0.1/24" },
	{ 7, "  wan: { vips: 10.2.0.1/24 }", "7:16", "'vips' must be a list" },
	{ 7, "  wan: { vips: [10.2.0.1/33] }", "7:17", "with its prefix length" },
	{ 7, "  wan: { vips: [10.2.0.1/0] }", "7:17", "with its prefix length" },
	{ 7, "  wan: { vips: [10.2.0.1/024] }", "7:17", "with its prefix length" },
	{ 7, "  wan: { vips: [10.2.0/24] }", "7:17", "is not an IP address" },
	{ 7, "  wan: { vips: [10.2.0.0/24] }", "7:17", "is the address of the network itself" },
	{ 7, "  wan: { vips: [10.2.0.4/30] }", "7:17", "is the address of the network itself" },
	{ 7, "  wan: { vips: [10.2.0.255/24] }", "7:17", "broadcast" },
	{ 7, "  wan: { vips: [224.0.0.1/24] }", "7:17", "multicast" },
	{ 7, "  wan: { vips: [127.0.0.1/8] }", "7:17", "loopback" },
	{ 7, "  wan: { vips: [0.0.0.1/8] }", "7:17", "0.0.0.0/8" },
	{ 7, "  wan: { vips: [\"::1/128\"] }", "7:17", "loopback" },
	{ 7, "  wan: { vips: [ff02::1/64] }", "7:17", "multicast" },
	{ 7, "  wan: { vips: [\"::ffff:10.0.0.1/96\"] }", "7:17", "IPv4 address in IPv6 clothes" },
	{ 7, "  wan: { vips: [10.1.0.1/24] }", "7:17", "already a VIP of port 'lan' (line 6)" },
	{ 7, "  wan: { vips: [10.2.0.1/24, 10.2.0.1/16] }", "7:30", "already a VIP of port 'wan'" },
	{ 7, "  wan: { vips: [2001:db8::1/64, 2001:DB8:0::1/64] }", "7:33",
	  "2001:db8::1 is already a VIP" },
	{ 7, "  wan: { vips: [10.1.0.3/24] }", "7:17",
	  "the own address of node 'gw2' on port 'lan' (line 4)" },
	{ 7, "  wan: { vips: [10.2.0.1/24], vrid: 9 }", "7:31", "with mac: real" },
	{ 7, "  wan: { vips: [10.2.0.1/24], vrid: 0 }", "7:37", "from 1 to 255, not 0" },
	{ 7, "  wan: { wips: [10.2.0.1/24] }", "7:10", "did you mean 'vips'?" },
	{ 8, "  ha:  { heartbeat: true }\n  tpatt: {}\n  kth00v: {}", "10:3",
	  "have the same id in frames" },
	{ 8, "  ha:  { heartbeat: true }\n  waaaaaaaaaaaaaaaaan: {}", "9:3", "at most 15" },
	/* the rest */
	{ 9, "mac: reel", "9:6", "did you mean 'real'?" },
	{ 9, "mac: \"00:11:22:33:44:55\"", "9:6", "'mac' must be real, virtual or auto" },
	{ 10, "timers: { interval: 5, lease: 20ms }", "10:21",
	  "a unit is missing: 5ms, 5s or 5min" },
	{ 10, "timers: { interval: 0.5s, lease: 20ms }", "10:21", "a whole number and its unit" },
	{ 10, "timers: { interval: 5 ms, lease: 20ms }", "10:21", "must be a duration" },
	{ 10, "timers: { interval: 5m, lease: 20ms }", "10:21", "must be a duration" },
	{ 10, "timers: { interval: 0ms, lease: 20ms }", "10:21", "from 1ms to 1s, not 0ms" },
	{ 10, "timers: { interval: 2s, lease: 10s }", "10:21", "from 1ms to 1s, not 2s" },
	{ 10, "timers: { interval: 999999999h, lease: 20ms }", "10:21", "from 1ms to 1s" },
	{ 10, "timers: { interval: 1ms, lease: 3ms }", "10:33", "from 4ms to 10s, not 3ms" },
	{ 10, "timers: { lease: 11s }", "10:18", "from 4ms to 10s, not 11s" },
	{ 10, "timers: { interval: 7ms, lease: 20ms }", "10:21",
	  "the interval (7ms) is above a third of the lease (20ms)" },
	{ 10, "timers: { lease: 14ms }", "10:18", "interval at most 4ms, or lease at least 15ms" },
	{ 10, "timers: { agent_grace: 99ms }", "10:24", "from 100ms to 1min, not 99ms" },
	{ 10, "timers: { interval: 100ms, lease: 1s, agent_grace: 150ms }", "10:52",
	  "below two intervals" },
	{ 10, "timers: { drain: 11s }", "10:18", "from 0ms to 10s, not 11s" },
	{ 10, "timers: 5ms", "10:9", "such as timers: { interval: 5ms, lease: 20ms }" },
	{ 11, "failback: off", "11:11", "such as failback: { enabled: true, delay: 30s }" },
	{ 11, "failback: { delay: 25h }", "11:20", "from 0ms to 24h, not 25h" },
	{ 11, "failback: { enabled: 1 }", "11:22", "true or false, not '1'" },
	{ 12, "isolation: wait", "12:12", "continue or stop" },
	{ 12, "heartbeat_port: 0", "12:17", "from 1 to 65535" },
	{ 12, "heartbeat_port: 0x125d", "12:17", "must be a number" },
	{ 12, "routed_heartbeat: no", "12:19", "true or false" },
	{ 12, "failsafe: 22", "12:11", "such as failsafe: [22]" },
	{ 12, "failsafe: [22, 80, 22]", "12:20", "listed twice" },
	{ 12, "failsafe: [1, 2, 3, 4, 5, 6, 7]", "12:30", "more than 6" },
	{ 12, "filter: { default: deny }", "12:20", "accept or drop" },
	{ 12, "filter: { rules: [drop in on wam] }", "12:30", "did you mean 'wan'?" },
	{ 12, "filter: drop", "12:9", "must be a mapping" },
	{ 12, "filter: { rules: [\"\"] }", "12:19", "'rules' has no value" },
	{ 12, "filter: { rules: [[a]] }", "12:19", "not a list" },
	{ 12, "filter: { rules: drop }", "12:18", "'rules' must be a list" },
	/* replicate */
	{ 12, "replicate: /etc/nginx", "12:12", "such as replicate: [/etc/nftables.conf]" },
	{ 12, "replicate: [etc/nginx]", "12:13", "absolute path" },
	{ 12, "replicate: [/etc]", "12:13", "two parts at least" },
	{ 12, "replicate: [/etc/../root/x]", "12:13", "cannot be replicated" },
	{ 12, "replicate: [/etc//nginx]", "12:13", "cannot be replicated" },
	{ 12, "replicate: [/etc/nginx/]", "12:13", "cannot be replicated" },
	{ 12, "replicate: [/etc/a, /etc/a/b]", "12:21", "overlap" },
	{ 12, "replicate: [{ owner: root }]", "12:13", "'path' is missing" },
	{ 12, "replicate: [{ path: /etc/a, owner: \"-x\" }]", "12:36", "USER:GROUP" },
	{ 12, "replicate: [{ path: /etc/a, owner: \"a:\" }]", "12:36", "USER:GROUP" },
	{ 12, "replicate: [{ path: /etc/a, mode: 4755 }]", "12:35", "octal digits" },
	{ 12, "replicate: [{ path: /etc/a, mode: rw }]", "12:35", "octal digits" },
	{ 12, "replicate: [{ path: /etc/a, aply: x }]", "12:29", "did you mean 'apply'?" },
	/* YAML itself */
	{ 0, "", "1:1", "the file is empty" },
	{ 0, "# nothing\n\n", "1:1", "the file is empty" },
	{ 0, "- a\n- b\n", "1:1", "cluster.yaml must be a mapping" },
	{ 0, "cluster\n", "1:1", "cluster.yaml must be a mapping" },
	{ 12, "isolation: *x", "12:12", "aliases are not accepted" },
	{ 12, "isolation: &x stop", "12:12", "anchors are not accepted" },
	{ 12, "isolation: !!str stop", "12:12", "tags are not accepted" },
	{ 12, "---\nmac: real", "12:1", "a second document" },
	{ 1, "%YAML 1.1\n---\ncluster: home", "1:1", "directives are not accepted" },
	{ 6, "\tlan: {}", "6:1", "indent with spaces" },
	{ 12, "isolation: \"stop", "12:12", "every quote needs its counterpart" },
	{ 12, "isolation: [stop", "12:17", "every bracket needs its counterpart" },
	{ 12, "isolation: a: b", "12:13", "quote a value that holds a colon" },
	{ 12, "isolation stop", "12:1", "a colon and a space" },
	{ 12, "? [a]\n: b", "12:3", "a key must be a word" },
	{ 12, ": b", "12:1", "a key is missing before the colon" },
	{ 12, "isolation: \"a\\nb\"", "12:12", "one line of visible characters" },
	{ 12, "isolation: \"\\u202e\"", "12:12", "one line of visible characters" },
	{ 12, "isolation: |\n  stop", "13:1", "one line of visible characters" },
	{ 12, "x: [[[[[[[[[[[[[[[[[[[[a]]]]]]]]]]]]]]]]]]]]", "12:19", "nested deeper than 16" },
	{ 12, "isolation: st\x01op", "12:14", "an invisible character (U+0001)" },
	{ 12, "isolation: st\xc2\x85op", "12:14", "U+0085" },
	{ 12, "# \xe2\x80\xae", "12:3", "U+202E" },
	{ 12, "isolation: st\rop", "12:14", "ends no line" },
	{ 12, "isolation: \xff", "12:12", "not UTF-8: octet 0xff" },
	{ 12, "isolation: \xc0\x80", "12:12", "not UTF-8: octet 0xc0" },
	{ 12, "isolation: \xed\xa0\x80", "12:12", "not UTF-8: octet 0xed" },
	{ 12, "isolation: \xe0\x80\x80", "12:12", "not UTF-8: octet 0xe0" },
	{ 12, "isolation: \xf4\x90\x80\x80", "12:12", "not UTF-8: octet 0xf4" },
	{ 12, "isolation: 'it''s'", "12:12", "not 'it's'" },
	{ 12, "isolation: \xe2\x82", "12:12", "not UTF-8: octet 0xe2" },
	/* columns count characters */
	{ 12, "isolation: \"\xc3\xa4\xe2\x82\xac\"  # \xc3\xa4", "12:12",
	  "not '\xc3\xa4\xe2\x82\xac'" },
	{ 10, "timers: { # \xc3\xa4\xc3\xa4\n  interval: \xc3\xa4, lease: 20 }", "11:13", NULL },
};

#endif
