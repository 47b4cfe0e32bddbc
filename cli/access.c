// SPDX-License-Identifier: Apache-2.0
/* Writing into skep-api's own space of the state DB: one token, or one quota, and what the audit says of it.  Called by cmd_token.c and cmd_quota.c. */
#include <errno.h>
#include <stdio.h>

#include "cli/cli.h"
#include "topology/topology.h"
#include "util/json.h"

#define ATTEMPTS 8

static json_t *entries_of(const char *path, const json_t *before, const json_t *after, const char *tenant)
{
	char about[TOPO_NAME_MAX + 16];
	json_t *was = json_pack("{s:O?}", path, before), *is = json_pack("{s:O?}", path, after);
	json_t *meta = cli_who();

	if (*tenant) { /* as skep-api does: so that the tenant's admin finds it */
		snprintf(about, sizeof(about), "about/%.*s", TOPO_NAME_MAX, tenant);
		json_object_set_new(was, about, json_null());
		json_object_set_new(is, about, json_null());
		json_object_set_new(meta, "tenant", json_string(tenant));
	}
	return json_pack("[{s:o, s:o, s:o}]", "meta", meta, "before", was, "after", is);
}

/* Tokens and quotas do not depend on one another, so what others wrote meanwhile does not matter. */
int access_commit(struct cli *cli, const json_t *changes, const struct access_entry *entry, struct err *err)
{
	_json_ json_t *entries = entries_of(entry->path, entry->before, entry->after, entry->tenant);
	const struct db_audit audit = { .entries = entries };

	for (unsigned int i = 0; i < ATTEMPTS; i++) {
		_json_ json_t *state = cli_db_read(cli, DB_API, err), *reply = NULL;

		if (!state)
			return err->code;
		*err = (struct err){ 0 };
		reply = cli_db_commit(cli, DB_API, (uint64_t)json_integer_value(json_object_get(state, "crev")), changes, &audit, err);
		if (reply || err->code != -EAGAIN)
			return reply ? 0 : err->code;
	}
	return err->code;
}
