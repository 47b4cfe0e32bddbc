// SPDX-License-Identifier: Apache-2.0
/* Changes, and questions of what would happen to packets, by way of the API (rest.h).  Called where the state DB or an agent would be asked otherwise. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/rest.h"
#include "topology/doc.h"
#include "topology/topology.h"
#include "util/json.h"

/* --- changes --- */

/* {"operations": [{DELETE, "ports/web1"}, ...]} of the objects that the document names. */
static json_t *deletions(const json_t *doc)
{
	json_t *operations = json_array(), *list, *object;
	const char *plural;
	size_t i;

	json_object_foreach((json_t *)doc, plural, list) {
		int kind = json_is_array(list) ? topo_kind_find(plural) : -1;

		if (kind < 0)
			continue;
		json_array_foreach(list, i, object) {
			const char *name = json_str(object, kind == TOPO_BIND ? "port" : "name");

			name = name ? name : json_str(object, "id");
			json_array_append_new(operations,
					      json_pack("{s:s, s:o}", "method", "DELETE", "path",
							json_sprintf("%s/%s", topo_kind_plural((enum topo_kind)kind), name ? name : "")));
		}
	}
	return json_pack("{s:o}", "operations", operations);
}

/* Who may, makes the tenant by applying its first document. */
static int make_tenant(struct cli *cli, const char *tenant, bool dry_run, struct err *err)
{
	_json_ json_t *none = json_object(), *answer = NULL;
	struct err why = *err;
	char path[REST_URL_MAX];

	answer = rest_call(cli, "PUT", rest_of_tenant(path, tenant, dry_run ? "?dry_run=true" : ""), none, err);
	*err = answer ? (struct err){ 0 } : why; /* that there is no such tenant */
	return err->code;
}

/* What is not there, as it is said without the API. */
static void explain_deletion(struct cli *cli, const char *tenant, const json_t *doc, struct err *err)
{
	struct err unread = { 0 }, why = { 0 };
	_json_ json_t *state = rest_read(cli, tenant, -1, NULL, &unread), *none = json_object(), *changes = NULL;

	if (!state && unread.code != -ENOENT)
		return;
	changes = topo_doc_delete(state ? json_object_get(state, "records") : none, doc, &why);
	if (!changes)
		*err = why;
}

json_t *rest_change(struct cli *cli, const char *tenant, const json_t *doc, enum change_how how, bool prune,
		    bool dry_run, struct err *err)
{
	_json_ json_t *batch = how == CHANGE_DELETE ? deletions(doc) : NULL;
	_json_ json_t *report = NULL;
	char path[REST_URL_MAX], rest[64];

	snprintf(rest, sizeof(rest), "/%s?dry_run=%s%s", batch ? "batch" : "topology", dry_run ? "true" : "false",
		 prune && !batch ? "&prune=true" : "");
	rest_of_tenant(path, tenant, rest);
	report = rest_call(cli, batch ? "POST" : "PUT", path, batch ? batch : doc, err);
	if (!report && err->code == -ENOENT && !batch && !make_tenant(cli, tenant, dry_run, err))
		report = dry_run ? change_of_none(tenant, doc, err) : rest_call(cli, "PUT", path, doc, err);
	if (!report && err->code == -ENOENT && batch)
		explain_deletion(cli, tenant, doc, err);
	if (!report)
		return NULL;
	return json_pack("{s:s, s:O, s:n}", "tenant", tenant, "changes", json_object_get(report, "changes"), "warning");
}

/* --- questions --- */

json_t *rest_ask(struct cli *cli, const json_t *request, struct err *err)
{
	const char *tenant = cli_tenant(cli, err);
	bool trace = !strcmp(json_str(request, "cmd"), "trace");
	_json_ json_t *body = NULL;
	json_t *answer, *text;
	char path[REST_URL_MAX];

	if (!tenant)
		return NULL;
	rest_of_tenant(path, tenant, trace ? "/trace" : "/reachability");
	if (trace)
		body = json_pack("{s:s, s:s, s:s*}", "port", json_str(request, "port"), "packet", json_str(request, "packet"),
				 "eth", json_str(request, "eth"));
	else
		body = json_pack("{s:s, s:s, s:s}", "from", json_str(request, "from"), "to", json_str(request, "to"), "proto",
				 json_str(request, "service"));
	answer = rest_call(cli, "POST", path, body, err);
	if (!answer && (!strcmp(err_name(err), "invalid") || !strcmp(err_name(err), "not_found")))
		*err = (struct err){ 0 }; /* what is wrong is said as without the API */
	if (!answer || !trace)
		return answer;
	text = json_incref(json_object_get(answer, "text"));
	(void)json_object_del(answer, "text");
	return json_pack("{s:o, s:o?}", "trace", answer, "text", text);
}
