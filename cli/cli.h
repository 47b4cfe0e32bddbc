/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the commands of skep share: the parsed command line, the connections it opened, and the exit
 * codes.  main.c fills struct cli and calls one cmd_*(); each returns 0 or -errno with 'err'
 * filled, and main.c turns that into a message and a status.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "loader/control.h"
#include "statedb/statedb.h"
#include "util/err.h"
#include "util/loop.h"

enum cli_exit {
	CLI_OK = 0,
	CLI_FAILED = 1,
	CLI_USAGE = 2,
	CLI_NOT_FOUND = 3,
	CLI_CONFLICT = 4,
};

/* Options: X(ID, long name, short name or 0, argument or NULL, help) */
#define CLI_OPTIONS(X)                                                                            \
	X(FILE, "file", 'f', "FILE", "document to read, YAML or JSON; - is standard input")       \
	X(TENANT, "tenant", 't', "TENANT", "needed only where there are several")                 \
	X(OUTPUT, "output", 'o', "FORMAT", "table, json or yaml")                                 \
	X(PRUNE, "prune", 0, NULL, "also delete what the document does not name")                 \
	X(DRY_RUN, "dry-run", 0, NULL, "check and show, change nothing")                          \
	X(HOST, "host", 0, "HOST", "host that the port is on")                                    \
	X(INTERFACE, "interface", 'i', "NAME", "network interface on that host")                  \
	X(PORT, "port", 'p', "PORT", "virtual port")                                              \
	X(ETH, "eth", 0, "SRC>DST", "Ethernet addresses, instead of those found in the topology") \
	X(DIFF, "diff", 0, NULL, "compare with what the datapath of this host does now")          \
	X(VERBOSE, "verbose", 'v', NULL, "also on what flows depend, and tags")                   \
	X(CHAIN, "chain", 0, "CHAIN", "rules of this chain only")                                 \
	X(COUNT, "count", 'n', "N", "stop after so many")                                         \
	X(TIMEOUT, "timeout", 0, "SECONDS", "give up after so long")                              \
	X(INTERVAL, "interval", 'd', "SECONDS", "time between two looks")                         \
	X(RATE, "rate", 0, "SECONDS", "look twice, so long apart, for rates of that time")        \
	X(SORT, "sort", 's', "BY", "what comes first: see the manual page")                       \
	X(LIMIT, "limit", 'l', "N", "show so many")                                               \
	X(ACTION, "action", 0, "ACTION", "local, encap, set, drop or agent")                      \
	X(STATE, "state", 0, "STATE", "as the list shows it: established, ...")                   \
	X(PROTO, "proto", 0, "PROTOCOL", "tcp, udp, icmp, icmp6, sctp or a number")               \
	X(ADDRESS, "address", 0, "ADDRESS", "of either end, before or behind translation")        \
	X(JSON, "json", 'j', NULL, "JSON on standard output, errors included")                    \
	X(DB, "db", 0, "ADDRESS", "state database: host:port, unix:/path; several = cluster")     \
	X(CONFIG, "config", 0, "FILE", "skepd's configuration, for the addresses in it")          \
	X(API, "api", 0, "URL", "skep-api to ask instead: https://host:port, or unix:/path")      \
	X(CONTEXT, "context", 0, "NAME", "which of those that 'skep login' has made")              \
	X(OBJECT, "object", 0, "KIND/NAME", "what was done to this object only")                   \
	X(SINCE, "since", 0, "TIME", "not what is older: 90s, 30m, 12h, 7d")                       \
	X(BY, "by", 0, "NAME", "what was done by this one only")                                  \
	X(ACCESS, "access", 0, NULL, "what was done to tokens, quotas and tenants themselves")     \
	X(RECURSIVE, "recursive", 0, NULL, "with all its objects")                                \
	X(READ_ONLY, "read-only", 0, NULL, "of a token: it changes nothing")                      \
	X(SOCKET, "socket", 0, "PATH", "control socket of the skepd to ask")                      \
	X(HELP, "help", 'h', NULL, "what the command does")                                       \
	X(VERSION, "version", 0, NULL, "version of this program")

enum cli_option {
#define X(id, name, letter, arg, help) CLI_O_##id##_BIT,
	CLI_OPTIONS(X)
#undef X
		CLI_O_MAX
};
enum cli_option_bit {
#define X(id, name, letter, arg, help) CLI_O_##id = 1ULL << CLI_O_##id##_BIT,
	CLI_OPTIONS(X)
#undef X
};
#define CLI_O_ALWAYS (CLI_O_JSON | CLI_O_CONFIG | CLI_O_HELP)

enum cli_format { CLI_TABLE, CLI_JSON, CLI_YAML };

struct rest;
struct cli {
	uint64_t given; /* options on the command line, 1 << enum cli_option */
	enum cli_format format;
	const char *value[CLI_O_MAX]; /* arguments of the options; NULL = not given */
	uint64_t count;		      /* --count; 0 = no limit */
	uint64_t timeout_ms;	      /* --timeout; 0 = none */
	uint64_t limit;		      /* --limit; 0 = not given */
	double interval_s, rate_s;    /* --interval, --rate; 0 = not given */
	char **args;		      /* positional */
	int n_args;
	const char *token; /* for --api, whatever the environment says; NULL = as that says */
	int status; /* exit status when nothing failed: CLI_FAILED for an answer that is a no */

	struct loop *loop; /* conn.c */
	struct db *db;
	struct control_client *control;
	struct config *config;
	struct rest *rest; /* rest.c; NULL: the state DB is asked */
};

struct cmd {
	const char *noun, *verb; /* verb NULL: the noun is the whole command */
	int (*fn)(struct cli *cli, struct err *err);
	const char *usage;	/* positional arguments */
	int min_args, max_args; /* max_args -1 = any */
	uint64_t options;	/* beyond CLI_O_ALWAYS */
	const char *help;
};

static inline bool cli_has(const struct cli *cli, uint64_t option)
{
	return cli->given & option;
}

/* --- conn.c: the state DB and the agent, one answer at a time --- */

int cli_db_open(struct cli *cli, struct err *err);
/* {"records", "rev", "crev"}: new reference, NULL with 'err'. */
json_t *cli_db_read(struct cli *cli, const char *space, struct err *err);
json_t *cli_db_commit(struct cli *cli, const char *space, uint64_t crev, const json_t *changes,
		      const struct db_audit *audit, struct err *err);
/* 'owner': db_put() */
json_t *cli_db_put(struct cli *cli, const char *space, const char *owner, const json_t *changes, struct err *err);
/* db_audit_list(), db_audit_get() */
json_t *cli_db_audit_list(struct cli *cli, const char *space, const char *before, unsigned int count, const char *path, const char *meta, struct err *err);
json_t *cli_db_audit_get(struct cli *cli, const char *space, const char *id, struct err *err);
json_t *cli_db_tenants(struct cli *cli, struct err *err); /* array of names */
json_t *cli_db_leases(struct cli *cli, const char *prefix, struct err *err);
/* --tenant, or the only one that there is.  NULL: 'err'.  Valid until cli_close(). */
const char *cli_tenant(struct cli *cli, struct err *err);
/* Records of a tenant that must exist: {"records", "rev", "crev"}. */
json_t *cli_db_read_tenant(struct cli *cli, const char *tenant, struct err *err);
/* The same where one 'kind' is enough (-1: all), or one object (NULL: all of them): there may be others, too. */
json_t *cli_db_read_kind(struct cli *cli, const char *tenant, int kind, const char *name, struct err *err);

int cli_no_tenant(const char *tenant, struct err *err);

int cli_control_open(struct cli *cli, struct err *err);
json_t *cli_control_call(struct cli *cli, json_t *request, struct err *err); /* takes 'request' */
void cli_close(struct cli *cli);

/* --- change.c: changes of configuration, from documents to commits --- */

enum change_how { CHANGE_APPLY, CHANGE_DELETE };
/* One tenant's document to changes, retried when somebody else wrote meanwhile.  With 'dry_run'
 * nothing is written.  Returns
 * {"tenant", "changes": [{"path", "op", "before", "after"}], "warning"}. */
json_t *change_run(struct cli *cli, const char *tenant, const json_t *doc, enum change_how how,
		   bool prune, bool dry_run, struct err *err);
/* The change back of what the audit has as an entry's "changes": the same report.  -EBUSY: something was changed since. */
json_t *change_undo(struct cli *cli, const char *tenant, const json_t *changes, bool dry_run, struct err *err);
/* The same report for a tenant that does not exist yet; nothing is written. */
json_t *change_of_none(const char *tenant, const json_t *doc, struct err *err);
/* Who sits here, as the audit says it: {"by", "tool", "traceparent"}. */
json_t *cli_who(void);
/* TRACEPARENT of the environment, if it is one; NULL = none. */
const char *cli_traceparent(void);
/* The documents of --file, one per tenant: array of {tenant, ...}. */
json_t *change_read_file(struct cli *cli, struct err *err);
/* The text of --file as it is. */
char *change_read_text(struct cli *cli, size_t *len, struct err *err);

/* --- cmd_topo.c: what a report says --- */

void change_print_diff(const json_t *report); /* field by field */
/* As apply does: with --json all of it. */
void change_print(const struct cli *cli, const json_t *report, bool dry_run);
/* "security-groups", "sg", ... to enum topo_kind; negative: 'err'. */
int cli_find_kind(const char *text, struct err *err);

/* --- access.c: tokens and quotas, in the state DB --- */

struct access_entry {
	const char *path;
	const json_t *before, *after; /* as the audit shows them; NULL = it is not there */
	const char *tenant;	      /* that it is about; "" = none */
};
int access_commit(struct cli *cli, const json_t *changes, const struct access_entry *entry, struct err *err);

/* --- commands --- */

int cmd_apply(struct cli *cli, struct err *err);
int cmd_diff(struct cli *cli, struct err *err);
int cmd_get(struct cli *cli, struct err *err);
int cmd_delete(struct cli *cli, struct err *err);
int cmd_port_bind(struct cli *cli, struct err *err);
int cmd_port_unbind(struct cli *cli, struct err *err);
int cmd_port_list(struct cli *cli, struct err *err);
int cmd_trace(struct cli *cli, struct err *err);
int cmd_why(struct cli *cli, struct err *err);
int cmd_conn_list(struct cli *cli, struct err *err);
int cmd_rule_list(struct cli *cli, struct err *err);
int cmd_log_watch(struct cli *cli, struct err *err);
int cmd_member_up(struct cli *cli, struct err *err);
int cmd_member_down(struct cli *cli, struct err *err);
int cmd_top(struct cli *cli, struct err *err);
int cmd_flow_list(struct cli *cli, struct err *err);
int cmd_flow_flush(struct cli *cli, struct err *err);
int cmd_drop_watch(struct cli *cli, struct err *err);
int cmd_token_create(struct cli *cli, struct err *err);
int cmd_token_list(struct cli *cli, struct err *err);
int cmd_token_revoke(struct cli *cli, struct err *err);
int cmd_host_list(struct cli *cli, struct err *err);
int cmd_host_leave(struct cli *cli, struct err *err);
int cmd_host_remove(struct cli *cli, struct err *err);
int cmd_status(struct cli *cli, struct err *err);
int cmd_context_list(struct cli *cli, struct err *err);
int cmd_context_use(struct cli *cli, struct err *err);
int cmd_context_remove(struct cli *cli, struct err *err);
int cmd_logout(struct cli *cli, struct err *err);
int cmd_login(struct cli *cli, struct err *err);
int cmd_api(struct cli *cli, struct err *err);
int cmd_audit_list(struct cli *cli, struct err *err);
int cmd_audit_show(struct cli *cli, struct err *err);
int cmd_undo(struct cli *cli, struct err *err);
int cmd_events(struct cli *cli, struct err *err);
int cmd_quota_show(struct cli *cli, struct err *err);
int cmd_quota_set(struct cli *cli, struct err *err);
int cmd_tenant_list(struct cli *cli, struct err *err);
int cmd_tenant_show(struct cli *cli, struct err *err);
int cmd_tenant_create(struct cli *cli, struct err *err);
int cmd_tenant_delete(struct cli *cli, struct err *err);
