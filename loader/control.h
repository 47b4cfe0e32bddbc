/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control socket of skepd (<run_dir>/skepd.sock): JSON lines, one request, one reply; "watch" requests get replies until either
 * side closes.  The loader's one public header.
 *
 *   {"cmd": "status"}                          -> {"result": {"host", "version", "pid", "instance", "uptime_s", "db": db_status(),
 *                                                  "datapath": dp_status(), "ports": [{"port", "tenant", "interface", "ifindex", "key", "state": "up|waiting|..."}],
 *                                                  "peers": [{"host", "address", "index"}], "flows": N, "counters": {..}, "drops": {reason: N},
 *                                                  "simulations", "parked", ...}}
 *   {"cmd": "top", "ports": N?, "flows": N?, "sort": "bits|packets|drops|upcalls"?, "tenant"?}
 *                                              -> {"result": {"time_ns", "ports_time_ns", "host", "version", "uptime_s", "totals": {name: counter}, "flows", "conns", "ports",
 *                                                  "ports_up", "peers", "tables": [{"name", "used", "max"}], "tenants": [name], "top_ports": [{"port", "tenant",
 *                                                  "interface", "time_ns", "rx_packets", "rx_bytes", "tx_packets", "tx_bytes", "drops", "upcalls", and what these grew by
 *                                                  in a second before 'time_ns': "rx_pps", "rx_bps", "tx_pps", "tx_bps", "drops_ps", "upcalls_ps"}], "top_flows": [as
 *                                                  "flows"], "drops": [{"reason", "help", "packets", "last"?: as "drops"}]}}: the busiest N (20; at most 200), rx = what
 *                                                  the port's machine sent; times CLOCK_MONOTONIC.  One request waits at a time
 *   {"cmd": "flows", "port": name?, "tenant"?, "action"?, "sort": "age|rate|bits|packets|bytes"?, "limit": N?}
 *                                              -> {"result": {"flows": [{"port", "tenant", "packet": "tcp 10.0.1.5:4000 > ..", "key": {..}, "match"?: "tcp any > 10.0.2.9:80", "mask"?: fields that it looks
 *                                                  at, if not all, "action": "local|encap|set|drop|agent", "output": [{"port", "host"}..], "reason"?, "culprit"?, "packets",
 *                                                  "bytes", "pps", "bps": lately, "age_ms", "idle_ms", "time_ns", "ttl_dec", "cookie": its number, "tags": [..]}],
 *                                                  "total": so many match, "truncated": fewer are shown than match and than was asked for}}: the youngest 1000
 *                                                  or N (at most 20000), or those with most
 *   {"cmd": "flush", "port"?, "tenant"?}       -> {"result": {"flushed": N}}
 *   {"cmd": "drops", "watch": true}            -> {"result": {"time_ns", "reason", "help", "tenant", "port", "culprit", "packet", "length"}} ...
 *                                              and, when the watcher reads too slowly, {"result": {"lost": N}}: so many were not sent
 *   {"cmd": "log", "watch": true}              -> {"result": {"time_ns", "tenant", "port", "chain", "rule", "action", "packet"}} ...: matches of rules with 'log'; "lost" as above
 *   {"cmd": "trace", "tenant"?, "port", "packet": text, "eth"?, "diff"?: true}
 *                                              -> {"result": {"host", "tenant", "port", "trace": sim_trace_json(), "text", "diff": {"flow":
 *                                                  "none|agrees|differs|not_cacheable", "text"}?}}: on the agent's own topology, tables and connections; nothing is sent
 *   {"cmd": "why", "tenant"?, "from", "to", "service": "tcp/443"}
 *                                              -> {"result": {"reachable": true|false|null, "text", "forward": trace, "reply": trace?, "forward_text", "reply_text"?}}
 *   {"cmd": "conns", "tenant"?, "port"?, "state"?, "proto"?, "address"?, "limit"?}
 *                                              -> {"result": {"conns": [{"tenant", "port", "host"?, "proto": "tcp", "src", "sport", "dst", "dport": as 'port' emits them,
 *                                                  "direction": "original|reply", "state", "other_port", "other_host"?, "other_src", "other_sport", "other_dst",
 *                                                  "other_dport": as that port does, "nat": [{"router", "end": "dst|src", "from", "to", "member"?}], "idle_ms", "timeout_s",
 *                                                  "left_s"}], "truncated"}}
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
