// SPDX-License-Identifier: Apache-2.0
/* What begins and ends with a tenant in the space of skep-api.  Implements part of auth.h; called by tenants.c. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "api/audit.h"
#include "api/auth.h"

struct tenant_write {
	struct api_request *r;
	json_t *info; /* NULL: it goes */
	store_done *done;
	void *arg;
};

/* A record stays that says that it has gone, so that there is something to tell of. */
static json_t *make(void *arg, const struct store *s, struct err *err)
{
	struct tenant_write *w = arg;
	const char *tenant = api_param(w->r, "tenant");
	const struct tokens *all = store_tokens(s);
	struct hmap_node *node, *tmp;
	char path[TOPO_NAME_MAX + 16];
	json_t *changes;

	(void)err;
	snprintf(path, sizeof(path), "tenant/%s", tenant);
	if (w->info)
		return json_pack("{s:O}", path, w->info);
	changes = json_pack("{s:{s:I}}", path, "deleted", (json_int_t)time(NULL));
	snprintf(path, sizeof(path), "quota/%s", tenant);
	json_object_set_new(changes, path, json_null());
	hmap_for_each (node, tmp, &all->by_id) {
		const struct token *t = container_of(node, struct token, by_id);

		if (strcmp(t->tenant, tenant) != 0)
			continue;
		json_object_set_new(changes, token_path(t->kind, t->id, path), json_null());
		snprintf(path, sizeof(path), "used/%s", t->id);
		json_object_set_new(changes, path, json_null());
	}
	return changes;
}

static void on_done(void *arg, const struct err *err, uint64_t rev)
{
	struct tenant_write *w = arg;

	w->done(w->arg, err, rev);
	json_decref(w->info);
	free(w);
}

static void submit(struct api_request *r, const json_t *info, store_done *done, void *arg)
{
	struct tenant_write *w = calloc(1, sizeof(*w));
	struct err err = { 0 };

	if (!w) {
		err_set(&err, -ENOMEM, "out of memory");
		done(arg, &err, 0);
		return;
	}
	*w = (struct tenant_write){ r, json_incref((json_t *)info), done, arg };
	store_write(auth_store(api_of(r)->auth), make, audit_meta(r, api_param(r, "tenant")), on_done, w);
}

void auth_tenant_made(struct api_request *r, const json_t *info, store_done *done, void *arg)
{
	submit(r, info, done, arg);
}

void auth_tenant_gone(struct api_request *r, store_done *done, void *arg)
{
	submit(r, NULL, done, arg);
}
