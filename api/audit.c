// SPDX-License-Identifier: Apache-2.0
/* Implements audit.h, with audit_read.c.  Called by write.c for each write, token_routes.c, quota_routes.c. */
#include "api/audit.h"

#include <string.h>

#include "api/api.h"
#include "api/config.h"
#include "topology/schema.h"
#include "util/cleanup.h"
#include "topology/doc.h"

static void put_text(json_t *meta, const char *key, const char *text)
{
	if (text && *text)
		json_object_set_new(meta, key, json_string(text));
}

json_t *audit_meta(const struct api_request *r, const char *tenant)
{
	const struct api_caller *c = api_caller_of(r);
	json_t *meta = json_object();
	bool is_root = !*c->token && !*c->session && !*c->subject;

	/* a name is what people read; who it was says the source */
	put_text(meta, "by", c->name);
	put_text(meta, "source", is_root ? "socket" : *c->session ? "session" : *c->subject ? "issuer" : "token");
	if (is_root)
		json_object_set_new(meta, "uid", json_integer(0));
	put_text(meta, "issuer", *c->subject ? api_of(r)->config->oidc_issuer : NULL);
	put_text(meta, "subject", c->subject);
	put_text(meta, "role", api_role_name(c->role));
	put_text(meta, "caller_tenant", c->tenant);
	put_text(meta, "token", c->token);
	put_text(meta, "session", c->session);
	put_text(meta, "request", api_request_id(r));
	put_text(meta, "method", api_method(r));
	put_text(meta, "path", api_path(r));
	put_text(meta, "address", api_address(r));
	put_text(meta, "traceparent", api_traceparent(r));
	put_text(meta, "tenant", tenant);
	return meta;
}

json_t *audit_entry(const struct api_request *r, const json_t *before, const json_t *changes)
{
	_json_ json_t *was = json_object(), *is = json_object();
	enum topo_kind kind;
	const char *path, *name;
	json_t *record, *old;

	json_object_foreach((json_t *)changes, path, record)
	{
		if (!topo_path_parse(path, &kind, &name))
			continue;
		old = json_object_get(before, path);
		if (json_object_set(was, path, old ? old : json_null()) || json_object_set(is, path, record))
			return NULL;
	}
	if (!json_object_size(is))
		return json_null();
	return json_pack("{s:o, s:O, s:O}", "meta", audit_meta(r, NULL), "before", was, "after", is);
}
