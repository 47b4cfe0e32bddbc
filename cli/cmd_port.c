// SPDX-License-Identifier: Apache-2.0
/* port bind, unbind, list: which interface of which host a virtual port is. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/rest.h"
#include "util/json.h"
#include "cli/out.h"
#include "topology/topology.h"

static void bind_path(char *buf, size_t size, const char *port)
{
	snprintf(buf, size, "bind/%s", port);
}

/* The tenant's records and a check that the port exists. */
static json_t *read_port(struct cli *cli, const char *tenant, const char *port, struct err *err)
{
	_json_ json_t *state = cli_db_read_tenant(cli, tenant, err);
	char path[TOPO_NAME_MAX + 16];

	if (!state)
		return NULL;
	snprintf(path, sizeof(path), "port/%.*s", TOPO_NAME_MAX, port);
	if (!json_object_get(json_object_get(state, "records"), path)) {
		err_tag(err, -ENOENT, "no_such_port",
			"tenant '%s' has no port '%s' ('skep port list' shows those it has)",
			tenant, port);
		return NULL;
	}
	return TAKE_PTR(state);
}

static int report_binding(struct cli *cli, const char *port, const char *what,
			  const json_t *binding)
{
	if (cli->format == CLI_JSON) {
		_json_ json_t *root = json_pack("{s:s, s:s, s:O*}", "port", port, "result", what,
						"binding", binding);

		out_json(root);
	} else {
		printf("port/%s %s\n", port, what);
	}
	return 0;
}

/* Who may not is told that first, not how it would be done.  By way of the API: whoever has the state DB may. */
static bool may_bind(struct cli *cli, const char *tenant, const char *port, const char *host, const char *interface, struct err *err)
{
	_json_ json_t *doc = json_pack("{s:s, s:[{s:s, s:s, s:s}]}", "tenant", tenant, "bindings", "port", port, "host", host, "interface", interface);
	_json_ json_t *report = doc ? change_run(cli, tenant, doc, CHANGE_APPLY, false, true, err) : NULL;

	if (!report && err->code == -EPERM)
		return false;
	*err = (struct err){ 0 };
	return true;
}

int cmd_port_bind(struct cli *cli, struct err *err)
{
	const char *port = cli->args[0], *host = cli->value[CLI_O_HOST_BIT],
		   *interface = cli->value[CLI_O_INTERFACE_BIT];
	_json_ json_t *state = NULL, *doc = NULL, *report = NULL;
	char path[TOPO_NAME_MAX + 16];
	const json_t *bound;
	const char *tenant;

	if (!host || !interface)
		return err_tag(err, -EINVAL, "usage",
			       "where is port '%s'? (want --host HOST --interface NAME)", port);
	tenant = cli_tenant(cli, err);
	if (!tenant)
		return err->code;
	state = read_port(cli, tenant, port, err);
	if (!state)
		return err->code;
	bind_path(path, sizeof(path), port);
	bound = json_object_get(json_object_get(state, "records"), path);
	if (bound) {
		const char *h = json_str(bound, "host"), *i = json_str(bound, "interface");

		if (h && i && !strcmp(h, host) && !strcmp(i, interface))
			return report_binding(cli, port, "bound already", bound);
		if (cli->rest && !may_bind(cli, tenant, port, host, interface, err))
			return err->code;
		return err_tag(
			err, -EEXIST, "conflict",
			"port '%s' is bound to interface '%s' of host '%s' (run 'skep port unbind %s' first)",
			port, i ? i : "?", h ? h : "?", port);
	}
	doc = json_pack("{s:s, s:[{s:s, s:s, s:s}]}", "tenant", tenant, "bindings", "port", port,
			"host", host, "interface", interface);
	if (!doc)
		return err_set(err, -EINVAL, "host or interface is not UTF-8 text");
	{
		/* The same checks as for a document: names, lengths. */
		_free_ char *text = json_dumps(doc, 0);
		_json_ json_t *parsed =
			text ? topo_doc_parse(text, strlen(text), "command line", err) : NULL;

		if (!parsed)
			return err->code ? err->code : err_set(err, -ENOMEM, "out of memory");
		report = change_run(cli, tenant, json_array_get(parsed, 0), CHANGE_APPLY, false,
				    false, err);
	}
	if (!report)
		return err->code;
	return report_binding(
		cli, port, "bound",
		json_object_get(json_array_get(json_object_get(report, "changes"), 0), "after"));
}

int cmd_port_unbind(struct cli *cli, struct err *err)
{
	const char *port = cli->args[0], *tenant = cli_tenant(cli, err);
	_json_ json_t *state = NULL, *doc = NULL, *report = NULL;
	char path[TOPO_NAME_MAX + 16];

	if (!tenant)
		return err->code;
	state = read_port(cli, tenant, port, err);
	if (!state)
		return err->code;
	bind_path(path, sizeof(path), port);
	if (!json_object_get(json_object_get(state, "records"), path))
		return err_tag(err, -ENOENT, "not_bound", "port '%s' is not bound", port);
	doc = json_pack("{s:s, s:[{s:s}]}", "tenant", tenant, "bindings", "port", port);
	report = change_run(cli, tenant, doc, CHANGE_DELETE, false, false, err);
	if (!report)
		return err->code;
	return report_binding(cli, port, "unbound", NULL);
}

/* --- list --- */

/* Has the host an agent that keeps its lease?  Without one, its datapath goes on as it was. */
static bool is_alive(const json_t *leases, const char *host)
{
	char name[TOPO_NAME_MAX + 16];

	snprintf(name, sizeof(name), "host/%s", host);
	return json_object_get(leases, name);
}

/* 'leases': of hosts (db_leases()) */
static json_t *describe_port(const json_t *records, const json_t *leases, const char *name, const json_t *port)
{
	char path[TOPO_NAME_MAX + 16];
	const json_t *bind, *live;
	const char *peer = json_str(port, "peer"), *state, *host;
	json_t *addresses = json_object_get(port, "addresses");

	bind_path(path, sizeof(path), name);
	bind = json_object_get(records, path);
	snprintf(path, sizeof(path), "live/%s", name);
	live = json_object_get(records, path);
	state = json_is_false(json_object_get(port, "admin_up")) ? "admin down" :
		peer						   ? "linked" :
		live						   ? "up" :
		bind						   ? "waiting" :
								     "unbound";
	host = json_str(live ? live : bind, "host");
	return json_pack("{s:s, s:O*, s:O*, s:O*, s:O*, s:O*, s:O*, s:O*, s:O*, s:s, s:o*}", "name", name,
			 "bridge", json_object_get(port, "bridge"), "router",
			 json_object_get(port, "router"), "mac", json_object_get(port, "mac"),
			 "addresses", addresses, "peer", json_object_get(port, "peer"), "host",
			 json_object_get(bind, "host"), "interface",
			 json_object_get(bind, "interface"), "live_host",
			 json_object_get(live, "host"), "state", state, "host_alive",
			 host ? json_boolean(is_alive(leases, host)) : NULL);
}

int cmd_port_list(struct cli *cli, struct err *err)
{
	static const char *const headings[] = { "PORT",	     "DEVICE",	 "MAC",
						"ADDRESSES", "BOUND TO", "STATE" };
	const char *tenant = cli_tenant(cli, err), *path;
	_json_ json_t *state = NULL, *leases = NULL, *list = json_array();
	json_t *records, *record;
	struct out_table *t;
	size_t i;

	if (!tenant)
		return err->code;
	state = cli_db_read_tenant(cli, tenant, err);
	records = json_object_get(state, "records");
	if (!state)
		return err->code;
	leases = cli->rest ? json_object() : cli_db_leases(cli, "host/", err);
	if (!leases || (cli->rest && rest_add_live(cli, tenant, records, leases, err)))
		return err->code;
	json_object_foreach(records, path, record) if (!strncmp(path, "port/", 5))
		json_array_append_new(list, describe_port(records, leases, path + 5, record));
	out_sort(list, "name");
	if (cli->format == CLI_JSON) {
		_json_ json_t *root = json_pack("{s:s, s:O}", "tenant", tenant, "ports", list);

		out_json(root);
		return 0;
	}
	t = out_table_new(headings, ARRAY_SIZE(headings));
	json_array_foreach(list, i, record)
	{
		const char *bridge = json_str(record, "bridge"), *host = json_str(record, "host");
		const char *peer = json_str(record, "peer");
		_free_ char *addresses = out_text(json_object_get(record, "addresses"));

		out_cell(t, json_str(record, "name"));
		out_cellf(t, "%s %s", bridge ? "bridge" : "router",
			  bridge ? bridge : json_str(record, "router"));
		out_cell(t, json_str(record, "mac"));
		out_cell(t, addresses);
		if (host)
			out_cellf(t, "%s:%s", host, json_str(record, "interface"));
		else
			out_cellf(t, "%s%s", peer ? "port " : "-", peer ? peer : "");
		out_cellf(t, "%s%s", json_str(record, "state"),
			  json_is_false(json_object_get(record, "host_alive")) ? ", no agent" : "");
	}
	out_table_end(t);
	return 0;
}
