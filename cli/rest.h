/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The same verbs by way of skep-api: where --api, SKEP_API or a context (contexts.h) says so, and neither --db nor SKEP_DB does.  What the state DB would
 * answer is put together from what the API answers, so that commands need not know.
 */
#pragma once

#include "cli/cli.h"

/* Is it the API that is to be asked?  Negative: 'err' (a contexts file that cannot be read). */
int rest_wanted(struct cli *cli, struct err *err);

const char *rest_api(const struct cli *cli); /* where, if it is */
const char *rest_ca(const struct cli *cli);  /* the file of certificates to know it by, or NULL */
/* For what is done by the API only: 0, or an error that says so, and what may be done 'instead' (NULL: nothing). */
int rest_needed(struct cli *cli, const char *instead, struct err *err);
/* Is SKEP_TOKEN for it?  If it is SKEP_API, in whatever way that is written, or there is no SKEP_API. */
bool rest_env_is_for(const char *url);
void rest_close(struct cli *cli);

/* One request: the answer's body (new reference; an empty object when it has none).  NULL: 'err', from the problem document if there is one. */
json_t *rest_call(struct cli *cli, const char *method, const char *path, const json_t *body, struct err *err);

/* The same with one header more, 'If-Match: "7"'. */
json_t *rest_call_if(struct cli *cli, const char *condition, const char *method, const char *path, const json_t *body, struct err *err);

/* Follows a stream of server-sent events, also when the server has been away; 'event' returns nonzero to end it.  0: ended by that, or because 'timeout_ms' (0 = none)
 * are over. */
struct rest_events {
	int (*event)(void *arg, const char *name, const json_t *data);
	void *arg;
	char last[64]; /* id of the last one that had one; "" = none: what there is from now on */
};
int rest_follow(struct cli *cli, const char *path, struct rest_events *events, uint64_t timeout_ms, struct err *err);

#define REST_URL_MAX 1024
/* "/api/v1/tenants/<tenant><rest>", in 'path': whatever somebody calls a tenant, it is one part of the path. */
const char *rest_of_tenant(char path[static REST_URL_MAX], const char *tenant, const char *rest);

/* The same of any body, as it came: valid until the next request. */
const char *rest_text(struct cli *cli, const char *method, const char *path, const char *body, size_t *len, struct err *err);

/* Items of a list, page by page, in its order: 'cb' returns nonzero when it wants no more (negative: out of memory). */
int rest_each(struct cli *cli, const char *path, int (*cb)(void *arg, json_t *item), void *arg, struct err *err);

json_t *rest_tenants(struct cli *cli, struct err *err);				      /* array of names */
/* As cli_db_read(); of one kind only unless that is -1, of one name unless that is NULL. */
json_t *rest_read(struct cli *cli, const char *tenant, int kind, const char *name, struct err *err);
json_t *rest_change(struct cli *cli, const char *tenant, const json_t *doc, enum change_how how, bool prune,
		    bool dry_run, struct err *err);				      /* as change_run() */
/* Adds "live/<port>" {"host"} of the ports that are up, as agents publish it; to 'leases', "host/<name>" of the ports' hosts whose agents live. */
int rest_add_live(struct cli *cli, const char *tenant, json_t *records, json_t *leases, struct err *err);
/* Adds "health/<member>" {"up"} of those of whom something was told; tells it. */
int rest_add_health(struct cli *cli, const char *tenant, json_t *records, struct err *err);
json_t *rest_set_health(struct cli *cli, const char *tenant, const char *member, bool up, struct err *err);
/* {"host/<name>": {}} of hosts whose agents live; NULL without 'err': only operators are told. */
json_t *rest_leases(struct cli *cli, struct err *err);
/* {"records"} of the registry of hosts, as DB_HOSTS has them; of a tenant, "bind/<port>" only; tokens as token_public() shows them.  The tenant is one of the registry. */
json_t *rest_registry(struct cli *cli, struct err *err);
json_t *rest_bindings(struct cli *cli, const char *tenant, struct err *err);
json_t *rest_tokens(struct cli *cli, struct err *err);
/* "trace" and "why" as the control socket takes and answers them; 'request' is borrowed.  NULL without 'err': it is not a question that can be answered, and who
 * asks it of what rest_read() says finds out why. */
json_t *rest_ask(struct cli *cli, const json_t *request, struct err *err);
