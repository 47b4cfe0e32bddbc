/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control socket of skepd (<run_dir>/skepd.sock): JSON lines, one request, one reply; "watch" requests get replies until either
 * side closes.  The loader's one public header.
 *
 *   {"cmd": "status"}                          -> {"result": {"host", "version", "pid", "instance", "uptime_s", "db": db_status(),
 *                                                  "datapath": dp_status(), "ports": [{"port", "tenant", "interface", "ifindex", "key", "state": "up|waiting|..."}],
 *                                                  "peers": [{"host", "address", "index"}], "flows": N, "counters": {..}, "drops": {reason: N},
 *                                                  "simulations", "parked", ...}}
 *   {"cmd": "flows", "port": name?, "tenant"?} -> {"result": {"flows": [{"port", "tenant", "packet": "tcp 10.0.1.5:4000 > ..", "key": {..},
 *                                                  "action": "local|encap|set|drop", "output": [{"port", "host"}..], "reason"?, "culprit"?, "packets", "bytes",
 *                                                  "idle_ms", "tags": [..]}], "truncated": more than fit}}
 *   {"cmd": "flush", "port"?, "tenant"?}       -> {"result": {"flushed": N}}
 *   {"cmd": "drops", "watch": true}            -> {"result": {"time_ns", "reason", "help", "tenant", "port", "culprit", "packet", "length"}} ...
 *                                              and, when the watcher reads too slowly, {"result": {"lost": N}}: so many were not sent
 *   {"cmd": "log", "watch": true}              -> {"result": {"time_ns", "tenant", "port", "chain", "rule", "action", "packet"}} ...: matches of rules with 'log'; "lost" as above
 *   {"cmd": "trace", "tenant"?, "port", "packet": text, "eth"?, "diff"?: true}
 *                                              -> {"result": {"host", "tenant", "port", "trace": sim_trace_json(), "text", "diff": {"flow":
 *                                                  "none|agrees|differs|not_cacheable", "text"}?}}: on the agent's own topology, tables and connections; nothing is sent
 *   {"cmd": "why", "tenant"?, "from", "to", "service": "tcp/443"}
 *                                              -> {"result": {"reachable": true|false|null, "text", "forward": trace, "reply": trace?, "forward_text", "reply_text"?}}
 *   {"cmd": "conns", "tenant"?, "port"?}       -> {"result": {"conns": [{"tenant", "port", "proto": "tcp", "src", "sport", "dst", "dport", "direction":
 *                                                  "original|reply", "state", "other_port", "nat": [{"router", "end": "dst|src", "from", "to", "member"?}], "idle_ms",
 *                                                  "timeout_s"}], "truncated"}}
 *   {"cmd": "rules", "tenant"?, "chain"?}      -> {"result": {"rules": [{"tenant", "chain"|"security_group", "rule", "packets", "bytes"}]}}: what this host has seen since skepd started
 *   {"cmd": "leave"}                           -> {"result": {}}: removes the host's records and its datapath, then skepd exits
 * An error is {"error": {"code": "no_such_port", "message": "..."}}.
 */
#pragma once

#include <jansson.h>

#include "util/err.h"

#define CONTROL_LINE_MAX (1 << 20) /* of a request */

struct control_client;

struct control_client *control_connect(const char *socket_path, struct err *err);
void control_close(struct control_client *c); /* takes NULL */
/* Sends a request (borrowed) and waits for one reply: its "result" (new reference), or NULL with 'err' (the other side's error included). */
json_t *control_call(struct control_client *c, const json_t *request, int timeout_ms, struct err *err);
/* The next reply of a watch; NULL with err->code -ETIMEDOUT when none came in time. */
json_t *control_next(struct control_client *c, int timeout_ms, struct err *err);
