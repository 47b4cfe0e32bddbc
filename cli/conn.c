// SPDX-License-Identifier: Apache-2.0
/*
 * Connections of one command: the state DB and the control socket, opened when first asked for, and
 * each request turned into a call that returns its answer.  Where they are: the command line, then
 * the environment, then skepd's configuration.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/config.h"
#include "cli/rest.h"
#include "util/json.h"
#include "topology/schema.h"
#include "topology/topology.h"

#define TIMEOUT_MS	   3000
#define CONTROL_TIMEOUT_MS 10000
#define CLUSTER_TIMEOUT_MS 10000 /* a failover may be under way */

static int read_config(struct cli *cli, struct err *err)
{
	const char *path = cli->value[CLI_O_CONFIG_BIT];
	const char *address = cli->value[CLI_O_DB_BIT];
	const char *password = getenv("SKEP_DB_PASSWORD");

	if (cli->config)
		return 0;
	cli->config = calloc(1, sizeof(*cli->config));
	if (!cli->config)
		return err_set(err, -ENOMEM, "out of memory");
	if (!path)
		path = getenv("SKEP_CONFIG");
	if (config_read(cli->config, path ? path : CONFIG_PATH, path != NULL, err))
		return err->code;
	if (!address)
		address = getenv("SKEP_DB");
	if (address && *address && config_address(cli->config, address, err))
		return err->code;
	if (password && *password) {
		free(cli->config->password);
		cli->config->password = strdup(password);
	}
	return 0;
}

static const char *run_dir(const struct cli *cli)
{
	return cli->config->run_dir ? cli->config->run_dir : CONFIG_RUN_DIR;
}

static unsigned int db_timeout_ms(const struct cli *cli)
{
	return cli->config->mode == DB_CLUSTER ? CLUSTER_TIMEOUT_MS : TIMEOUT_MS;
}

int cli_db_open(struct cli *cli, struct err *err)
{
	struct db_config config = { 0 };
	struct config *c;
	char path[256];
	bool own;
	int rest;

	if (cli->db)
		return 0;
	rest = rest_wanted(cli, err);
	if (rest) /* another system may be behind the state DB that this host knows */
		return rest < 0 ? rest :
				  err_tag(err, -EOPNOTSUPP, "not_over_api",
					  "this is done in the state DB only, and '%s' is to be asked (want --db ADDRESS)", rest_api(cli));
	if (read_config(cli, err))
		return err->code;
	c = cli->config;
	own = !c->has_db || c->mode == DB_EMBEDDED;
	if (own) { /* somebody else's private server: a socket to
						       talk to, nothing to start */
		snprintf(path, sizeof(path), "unix:%s/db.sock", run_dir(cli));
		if (config_address(c, path, err))
			return err->code;
	}
	config.mode = c->mode;
	config.addresses = (const char *const *)c->addresses;
	config.n_addresses = c->n_addresses;
	config.password = c->password;
	if (!own)
		config.tls = c->tls;
	if (config.mode ==
	    DB_CLUSTER) { /* a write that only one node has seen dies with that node */
		config.wait_replicas = 1;
		config.wait_ms = 200;
	}
	if (!cli->loop)
		cli->loop = loop_new();
	if (!cli->loop)
		return err_set(err, -errno, "cannot start: %s", strerror(errno));
	cli->db = db_new(cli->loop, &config, err);
	return cli->db ? 0 : err->code;
}

/* One request on its way.  Lives on the stack: when it is given up, the connection goes first, and
 * with it the callback. */
struct answer {
	bool done;
	int code;
	struct err err;
	json_t *reply;
};

static void answered(void *arg, const struct err *err, const json_t *reply)
{
	struct answer *a = arg;

	a->done = true;
	if (err) {
		a->err = *err;
		a->code = err->code ? err->code : -EIO;
	} else {
		a->reply = reply ? json_incref((json_t *)reply) : json_object();
	}
}

static json_t *wait_answer(struct cli *cli, struct answer *a, struct err *err)
{
	if (!a->done && db_await(cli->db, &a->done, db_timeout_ms(cli), err) && !a->done) {
		struct err why = *err;

		db_free(cli->db, false);
		cli->db = NULL;
		json_decref(a->reply);
		*err = why;
		return NULL;
	}
	if (a->code) {
		*err = a->err;
		err->code = a->code;
		json_decref(a->reply);
		return NULL;
	}
	return a->reply;
}

json_t *cli_db_read(struct cli *cli, const char *space, struct err *err)
{
	struct answer a = { 0 };

	if (cli_db_open(cli, err))
		return NULL;
	db_read(cli->db, space, answered, &a);
	return wait_answer(cli, &a, err);
}

json_t *cli_db_commit(struct cli *cli, const char *space, uint64_t crev, const json_t *changes,
		      const struct db_audit *audit, struct err *err)
{
	struct answer a = { 0 };

	if (cli_db_open(cli, err))
		return NULL;
	db_commit_audited(cli->db, space, crev, changes, audit, answered, &a);
	return wait_answer(cli, &a, err);
}

json_t *cli_db_put(struct cli *cli, const char *space, const char *owner, const json_t *changes, struct err *err)
{
	struct answer a = { 0 };

	if (cli_db_open(cli, err))
		return NULL;
	db_put(cli->db, space, owner, changes, answered, &a);
	return wait_answer(cli, &a, err);
}

json_t *cli_db_audit_list(struct cli *cli, const char *space, const char *before, unsigned int count, const char *path, const char *meta, struct err *err)
{
	struct answer a = { 0 };

	if (cli_db_open(cli, err))
		return NULL;
	db_audit_list(cli->db, space, before, count, path, meta, answered, &a);
	return wait_answer(cli, &a, err);
}

json_t *cli_db_audit_get(struct cli *cli, const char *space, const char *id, struct err *err)
{
	struct answer a = { 0 };

	if (cli_db_open(cli, err))
		return NULL;
	db_audit_get(cli->db, space, id, answered, &a);
	return wait_answer(cli, &a, err);
}

/* The DB never forgets a tenant's name (who writes and who follows it agree on its shard for ever);
 * for people it exists while it has an object. */
static bool has_objects(const json_t *records)
{
	const char *path;
	json_t *record;

	json_object_foreach((json_t *)records, path, record) {
		char kind[32];

		snprintf(kind, sizeof(kind), "%.*s", (int)strcspn(path, "/"), path);
		if (topo_kind_find(kind) >= 0)
			return true;
	}
	return false;
}

static json_t *without_empty(struct cli *cli, const json_t *names, struct err *err)
{
	_json_ json_t *kept = json_array();
	const json_t *name;
	size_t i;

	json_array_foreach(names, i, name) {
		_json_ json_t *state = cli_db_read(cli, json_string_value(name), err);

		if (!state)
			return NULL;
		if (has_objects(json_object_get(state, "records")))
			json_array_append(kept, (json_t *)name);
	}
	return TAKE_PTR(kept);
}

static json_t *all_names(struct cli *cli, struct err *err)
{
	struct answer a = { 0 };
	json_t *reply, *names;
	int rest = rest_wanted(cli, err);

	if (rest)
		return rest < 0 ? NULL : rest_tenants(cli, err);
	if (cli_db_open(cli, err))
		return NULL;
	db_tenants(cli->db, answered, &a);
	reply = wait_answer(cli, &a, err);
	if (!reply)
		return NULL;
	names = json_incref(json_object_get(reply, "tenants"));
	json_decref(reply);
	if (!names)
		err_set(err, -EPROTO, "state DB: answer without 'tenants'");
	return names;
}

json_t *cli_db_tenants(struct cli *cli, struct err *err)
{
	_json_ json_t *names = all_names(cli, err);

	if (names && cli->rest)
		return TAKE_PTR(names);

	return names ? without_empty(cli, names, err) : NULL;
}

json_t *cli_db_leases(struct cli *cli, const char *prefix, struct err *err)
{
	struct answer a = { 0 };

	if (cli->rest)
		return rest_leases(cli, err);
	if (cli_db_open(cli, err))
		return NULL;
	db_leases(cli->db, prefix, answered, &a);
	return wait_answer(cli, &a, err);
}

const char *cli_tenant(struct cli *cli, struct err *err)
{
	static char name[128];
	_json_ json_t *names = NULL;
	const char *only;

	if (!cli->value[CLI_O_TENANT_BIT] && rest_wanted(cli, err) < 0) /* a context may say which */
		return NULL;
	if (cli->value[CLI_O_TENANT_BIT])
		return cli->value[CLI_O_TENANT_BIT];
	names = all_names(cli, err);
	if (!cli->rest && json_array_size(names) > 1) { /* the usual one costs no reading */
		json_t *kept = without_empty(cli, names, err);

		json_decref(names);
		names = kept;
	}
	if (!names)
		return NULL;
	if (json_array_size(names) != 1) {
		if (!json_array_size(names))
			err_tag(err, -ENOENT, "no_tenant",
				"there is no tenant yet (create one with 'skep apply -f FILE')");
		else
			err_tag(err, -EINVAL, "usage",
				"there are %zu tenants: say which with --tenant ('skep get tenants' lists them)",
				json_array_size(names));
		return NULL;
	}
	only = json_string_value(json_array_get(names, 0));
	snprintf(name, sizeof(name), "%s", only ? only : "");
	return name;
}

int cli_no_tenant(const char *tenant, struct err *err)
{
	return err_tag(err, -ENOENT, "no_such_tenant", "there is no tenant '%s'", tenant);
}

json_t *cli_db_read_tenant(struct cli *cli, const char *tenant, struct err *err)
{
	return cli_db_read_kind(cli, tenant, -1, NULL, err);
}

json_t *cli_db_read_kind(struct cli *cli, const char *tenant, int kind, const char *name, struct err *err)
{
	int rest = rest_wanted(cli, err);
	json_t *reply;

	if (rest < 0)
		return NULL;
	if (!topo_name_valid(tenant)) {
		cli_no_tenant(tenant, err);
		return NULL;
	}
	if (rest)
		return rest_read(cli, tenant, kind, name, err);
	reply = cli_db_read(cli, tenant, err);
	if (reply && !json_object_size(json_object_get(reply, "records")) &&
	    !json_integer_value(json_object_get(reply, "rev"))) {
		json_decref(reply);
		cli_no_tenant(tenant, err);
		return NULL;
	}
	return reply;
}

/* --- the agent --- */

int cli_control_open(struct cli *cli, struct err *err)
{
	const char *path = cli->value[CLI_O_SOCKET_BIT];
	char buf[256];

	if (cli->control)
		return 0;
	if (!path)
		path = getenv("SKEP_SOCKET");
	if (!path || !*path) {
		if (read_config(cli, err))
			return err->code;
		snprintf(buf, sizeof(buf), "%s/skepd.sock", run_dir(cli));
		path = buf;
	}
	cli->control = control_connect(path, err);
	return cli->control ? 0 : err->code;
}

json_t *cli_control_call(struct cli *cli, json_t *request, struct err *err)
{
	_json_ json_t *owned = request;

	if (!owned) {
		err_set(err, -ENOMEM, "out of memory");
		return NULL;
	}
	if (cli_control_open(cli, err))
		return NULL;
	return control_call(cli->control, owned, CONTROL_TIMEOUT_MS, err);
}

void cli_close(struct cli *cli)
{
	rest_close(cli);
	control_close(cli->control);
	db_free(cli->db, false);
	loop_free(cli->loop);
	if (cli->config)
		config_fini(cli->config);
	free(cli->config);
}
