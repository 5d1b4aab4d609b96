/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/*
 * The control socket between hagated and the tools.
 *
 * SOCK_STREAM at RUN/hagate.sock. One request per connection, one line of JSON,
 * at most HG_CTL_REQUEST_MAX octets:   {"command":"status"}
 * The answer is one line of JSON:      {"ok":true,...}   or
 *                                      {"ok":false,"error":"text with the remedy"}
 * `events` with "follow":true is answered by a line per event until either side
 * closes. Reading commands are open to whoever may open the socket (mode 0660,
 * group `hagate` where it exists); the others need uid 0 or the uid of the agent itself
 * (SO_PEERCRED).
 *
 * command       argument                answer
 * status                                {"ok":true,"status":{... contract ...}}
 * ports                                 {"ok":true,"ports":[...]}
 * mac-test                              when done: {"ok":true,"ports":[...]}
 * events       "follow":bool            a line each: {"seq":n,"time":"RFC3339","type":...}
 * events       "steps":true             a line each: the state of the election before the
 *                                       oldest step kept, then each step since
 * handover                              when done: {"ok":true,"text":...}
 * maintenance  "on":bool                {"ok":true,"text":...}
 * reload                                {"ok":true,"text":...} or ok:false; "diagnostics"
 * filter-show                           {"ok":true,"filter":{"rules":[...],...}}
 * filter-block  "address", "ttl_s",     {"ok":true,"text":...}
 *               "source"
 * filter-block  "bulk":true, "ttl_s",   the request is followed by a line per address or
 *               "source"                prefix and the end of sending; then the answer
 * filter-unblock "address"              {"ok":true,"text":...}
 * filter-blocked "limit":n              {"ok":true,"blocked":[...],"total":n}
 * filter-trace  "packet":text           {"ok":true,"trace":{...}}
 * timers        "per_year":x            {"ok":true,"timers":{...}}
 * why           "back":n                {"ok":true,"why":{...},"known":n}
 * version                               {"ok":true,"version":...}
 * sync          "state", "text",         from hagate-sync; what it needs to know of the peer
 *               "generation", "head"
 *
 * hagate-sync answers in the same way at RUN/sync.sock:
 *
 * config-status                         {"ok":true,"sync":{...}}
 * config-log                            {"ok":true,"log":[...]}, the newest first
 * config-diff   "generation":n          {"ok":true,"diff":text}; without n: what was edited
 * config-commit "message", "confirm_s"  {"ok":true,"text":...}; 0 s: confirmed by itself
 * config-rollback "generation", "confirm_s"   the same
 * config-adopt  "node"                  the same, with what the other node has
 * config-discard                        {"ok":true,"text":...}: this node's edit is given up
 * config-confirm, config-abort          {"ok":true,"text":...}
 */
#ifndef HAGATE_CONTROL_H
#define HAGATE_CONTROL_H

#define HG_RUN_DIR "/run/hagate"
#define HG_CTL_SOCKET "hagate.sock"
#define HG_CTL_SYNC_SOCKET "sync.sock"
#define HG_CTL_REQUEST_MAX 4096
#define HG_CTL_CLIENTS_MAX 16

/* Exit status of the tools (contract). */
enum hg_exit {
	HG_EXIT_OK = 0,
	HG_EXIT_FAILED = 1, /* refused or failed, the reason is on stderr */
	HG_EXIT_USAGE = 2,
	HG_EXIT_UNREACHABLE = 3, /* the agent does not answer */
};

#endif
