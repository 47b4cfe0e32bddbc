// SPDX-License-Identifier: Apache-2.0
/* What begins and ends with a tenant in the space of skep-api.  Implements part of auth.h; called by tenants.c. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "api/audit.h"
#include "api/auth.h"
#include "util/json.h"

struct tenant_write {
	char tenant[TOPO_NAME_MAX + 1];
	json_t *info; /* NULL: it goes */
	bool created;
	store_done *done;
	void *arg;
};

/* Tokens and sessions. */
static void take_tokens(const struct store *s, const char *tenant, json_t *changes)
{
	const struct tokens *all = store_tokens(s);
	struct hmap_node *node, *tmp;

	hmap_for_each (node, tmp, &all->by_id) {
		const struct token *t = container_of(node, struct token, by_id);

		if (strcmp(t->tenant, tenant) == 0)
			token_gone(t, changes);
	}
}

/* One whose name another one had is "born" now: who is older is not let in.  "open": tenant_settle.c. */
static json_t *life(const struct store *s, const struct tenant_write *w, const char *tenant, bool is_new)
{
	const struct store_life *was = store_life(s, tenant);
	const char *description = json_str(w->info, "description");

	if (is_new)
		return json_pack("{s:s, s:b, s:I}", "description", description, "open", 1, "born", (json_int_t)time(NULL));
	if (!was)
		return json_pack("{s:s, s:b}", "description", description, "open", 1);
	return json_pack("{s:s, s:b, s:I, s:I}", "description", description, "open", 1, "born", (json_int_t)was->born_s, "since", (json_int_t)was->since);
}

/* A record stays that says that it has gone, so that there is something to tell of. */
static json_t *make(void *arg, const struct store *s, struct err *err)
{
	struct tenant_write *w = arg;
	const char *tenant = w->tenant;
	const struct store_life *was = store_life(s, tenant);
	bool is_new = w->info && was && (w->created || was->is_over);
	json_t *changes = json_object();
	char path[TOPO_NAME_MAX + 16];

	(void)err;
	if (!w->info || w->created || is_new)
		take_tokens(s, tenant, changes);
	if (!w->info) { /* the next one's may be set before it is made */
		snprintf(path, sizeof(path), "quota/%s", tenant);
		json_object_set_new(changes, path, json_null());
	}
	snprintf(path, sizeof(path), "tenant/%s", tenant);
	json_object_set_new(changes, path, w->info ? life(s, w, tenant, is_new) : json_pack("{s:I, s:b}", "deleted", (json_int_t)time(NULL), "open", 1));
	return changes;
}

static void on_done(void *arg, const struct err *err, uint64_t rev)
{
	struct tenant_write *w = arg;

	w->done(w->arg, err, rev);
	json_decref(w->info);
	free(w);
}

static void submit(struct api *api, const char *tenant, json_t *meta, const struct tenant_write *like)
{
	struct tenant_write *w = malloc(sizeof(*w));
	struct err err = { 0 };

	if (!w) {
		json_decref(meta);
		err_set(&err, -ENOMEM, "out of memory");
		like->done(like->arg, &err, 0);
		return;
	}
	*w = *like;
	snprintf(w->tenant, sizeof(w->tenant), "%s", tenant);
	json_incref(w->info);
	store_write(auth_store(api->auth), make, meta, on_done, w);
}

void auth_tenant_made(struct api_request *r, json_t *info, bool created, store_done *done, void *arg)
{
	const char *tenant = api_param(r, "tenant");
	const struct tenant_write w = { .info = info, .created = created, .done = done, .arg = arg };

	submit(api_of(r), tenant, audit_meta(r, tenant), &w);
}

void auth_tenant_gone(struct api *api, const char *tenant, json_t *meta, store_done *done, void *arg)
{
	const struct tenant_write w = { .done = done, .arg = arg };

	submit(api, tenant, meta, &w);
}
