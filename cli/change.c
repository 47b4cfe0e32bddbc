// SPDX-License-Identifier: Apache-2.0
/*
 * Changes of configuration: document -> read, apply, validate -> one atomic commit against the
 * revision that was validated, and again when somebody else was faster.  Called by cmd_topo.c and
 * cmd_port.c.
 */
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "api/audit.h"
#include "cli/cli.h"
#include "cli/rest.h"
#include "util/json.h"
#include "topology/doc.h"
#include "topology/topology.h"
#include "util/traceparent.h"
#include "util/uuid.h"

#define ATTEMPTS 8
#define FILE_MAX (64u << 20)

/* Ids of new objects. */
static void new_id(void *arg, char out[static 37])
{
	uint8_t random[10];
	struct timespec ts;

	(void)arg;
	if (getrandom(random, sizeof(random), 0) != sizeof(random))
		memset(random, 0x5a,
		       sizeof(random)); /* cannot be: so few bytes always come whole */
	clock_gettime(CLOCK_REALTIME, &ts);
	uuid_v7((uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000, random, out);
}

/* --- documents --- */

static char *read_all(FILE *f, size_t *len, struct err *err)
{
	size_t cap = 1 << 16, n = 0, got;
	char *text = malloc(cap + 1);

	while (text && (got = fread(text + n, 1, cap - n, f)) > 0) {
		n += got;
		if (n < cap)
			continue;
		if (cap >= FILE_MAX) {
			free(text);
			err_set(err, -EFBIG, "document larger than %u MiB", FILE_MAX >> 20);
			return NULL;
		}
		cap *= 2;
		char *more = realloc(text, cap + 1);

		if (!more)
			free(text);
		text = more;
	}
	if (!text) {
		err_set(err, -ENOMEM, "out of memory");
		return NULL;
	}
	if (ferror(f)) {
		free(text);
		err_set(err, -EIO, "cannot read the document: %s", strerror(errno));
		return NULL;
	}
	text[n] = 0;
	*len = n;
	return text;
}

/* Documents of one tenant become one: what a stream says of a tenant is applied, or pruned,
 * together. */
static int merge_doc(json_t *docs, json_t *doc)
{
	const char *tenant = json_str(doc, "tenant");
	json_t *have, *value;
	const char *key;
	size_t i;

	json_array_foreach(docs, i, have)
	{
		if (strcmp(json_str(have, "tenant"), tenant))
			continue;
		json_object_foreach(doc, key, value)
		{
			json_t *list = json_object_get(have, key);

			if (!json_is_array(value))
				continue;
			if (json_is_array(list) ? json_array_extend(list, value)
						: json_object_set(have, key, value))
				return -ENOMEM;
		}
		return 0;
	}
	return json_array_append(docs, doc);
}

char *change_read_text(struct cli *cli, size_t *len, struct err *err)
{
	const char *file = cli->value[CLI_O_FILE_BIT];
	FILE *f = strcmp(file, "-") ? fopen(file, "re") : stdin;
	char *text;

	if (!f) {
		err_tag(err, -errno, "cannot_read", "cannot read '%s': %s", file, strerror(errno));
		return NULL;
	}
	text = read_all(f, len, err);
	if (f != stdin)
		fclose(f);
	if (!text)
		err_prefix(err, "%s", strcmp(file, "-") ? file : "standard input");
	return text;
}

json_t *change_read_file(struct cli *cli, struct err *err)
{
	const char *file = cli->value[CLI_O_FILE_BIT];
	const char *given = cli->value[CLI_O_TENANT_BIT];
	const char *shown = !strcmp(file, "-") ? "standard input" : file;
	_json_ json_t *parsed = NULL, *docs = json_array();
	_free_ char *text = NULL;
	size_t len, i;
	json_t *doc;

	if (!docs) {
		err_set(err, -ENOMEM, "out of memory");
		return NULL;
	}
	text = change_read_text(cli, &len, err);
	if (!text)
		return NULL;
	parsed = topo_doc_parse(text, len, shown, err);
	if (!parsed)
		return NULL;
	json_array_foreach(parsed, i, doc)
	{
		const char *tenant = json_str(doc, "tenant");

		if (tenant && given && strcmp(tenant, given)) {
			err_set(err, -EINVAL,
				"%s: field 'tenant': '%s' is not the '%s' of --tenant (leave one of them out)",
				shown, tenant, given);
			return NULL;
		}
		if (!tenant) {
			tenant = cli_tenant(cli, err);
			if (!tenant)
				return NULL;
			json_object_set_new(doc, "tenant", json_string(tenant));
		}
		if (merge_doc(docs, doc)) {
			err_set(err, -ENOMEM, "out of memory");
			return NULL;
		}
	}
	return TAKE_PTR(docs);
}

/* --- commits --- */

static const char *op_of(const json_t *before, const json_t *after)
{
	if (!after || json_is_null(after))
		return "deleted";
	return before ? "changed" : "created";
}

static json_t *describe(const char *tenant, const json_t *records, const json_t *changes)
{
	json_t *list = json_array(), *after;
	const char *path;

	json_object_foreach((json_t *)changes, path, after)
	{
		json_t *before = json_object_get(records, path);

		json_array_append_new(list, json_pack("{s:s, s:s, s:O?, s:O?}", "path", path, "op",
						      op_of(before, after), "before", before,
						      "after", json_is_null(after) ? NULL : after));
	}
	return json_pack("{s:s, s:o, s:n}", "tenant", tenant, "changes", list, "warning");
}

/* A host reads the tenants that the registry says have bindings there: say so before the binding is
 * written, never after. */
static int announce_bindings(struct cli *cli, const char *tenant, const json_t *changes,
			     struct err *err)
{
	_json_ json_t *uses = json_object(), *reply = NULL;
	const char *path;
	json_t *record;

	json_object_foreach((json_t *)changes, path, record)
	{
		const char *host = json_str(record, "host");
		char use[2 * TOPO_NAME_MAX + 8];

		if (strncmp(path, "bind/", 5) || !host)
			continue;
		snprintf(use, sizeof(use), "use/%s/%s", host, tenant);
		json_object_set_new(uses, use, json_object());
	}
	if (!json_object_size(uses))
		return 0;
	reply = cli_db_put(cli, DB_HOSTS, NULL, uses, err);
	return reply ? 0 : err->code;
}

/* Who sits here, as far as this machine knows: whoever reaches the state DB may claim anything. */
json_t *cli_who(void)
{
	const struct passwd *user = getpwuid(getuid());
	char host[65] = "";

	(void)gethostname(host, sizeof(host) - 1);
	return json_pack("{s:o, s:s, s:s*}", "by",
			 json_sprintf("%.40s@%.60s", user ? user->pw_name : "unknown", host), "tool",
			 "skep", "traceparent", cli_traceparent());
}

const char *cli_traceparent(void)
{
	const char *trace = getenv("TRACEPARENT");

	return trace && traceparent_valid(trace) ? trace : NULL;
}

/* What the audit says of a change: configuration, not what agents publish. */
static json_t *entries_of(const json_t *records, const json_t *changes)
{
	json_t *before = json_object(), *after = json_object(), *record, *was;
	enum topo_kind kind;
	const char *path, *name;

	json_object_foreach((json_t *)changes, path, record)
	{
		if (!topo_path_parse(path, &kind, &name))
			continue;
		was = json_object_get(records, path);
		json_object_set(before, path, was ? was : json_null());
		json_object_set(after, path, record);
	}
	return json_pack("[{s:o, s:o, s:o}]", "meta", cli_who(), "before", before, "after", after);
}

json_t *change_of_none(const char *tenant, const json_t *doc, struct err *err)
{
	_json_ json_t *records = json_object(), *changes = topo_doc_apply(records, doc, false, new_id, NULL, err);
	json_t *report = changes ? describe(tenant, records, changes) : NULL;

	if (changes && !report)
		err_set(err, -ENOMEM, "out of memory");
	return report;
}

/* What is wanted: a document, or the change back of what the audit has. */
struct wish {
	const json_t *doc, *undo;
	enum change_how how;
	bool prune, dry_run;
};

/* As skep-api does it, in its words. */
static json_t *plan_undo(const json_t *records, const json_t *done, struct err *err)
{
	_json_ json_t *changes = audit_inverse(records, done, err), *merged = changes ? topo_records_merge(records, changes) : NULL;
	struct err why = { 0 };

	if (!changes)
		return NULL;
	if (!merged) {
		err_set(err, -ENOMEM, "out of memory");
		return NULL;
	}
	if (topo_validate(merged, &why)) {
		err_tag(err, -EBUSY, "conflict", "this cannot be undone any more: %s", why.text);
		return NULL;
	}
	return TAKE_PTR(changes);
}

static json_t *plan(const json_t *records, const struct wish *wish, struct err *err)
{
	if (wish->undo)
		return plan_undo(records, wish->undo, err);
	return wish->how == CHANGE_APPLY ? topo_doc_apply(records, wish->doc, wish->prune, new_id, NULL, err) :
					   topo_doc_delete(records, wish->doc, err);
}

/* One attempt: NULL with -EAGAIN when the configuration moved. */
static json_t *attempt(struct cli *cli, const char *tenant, const struct wish *wish, struct err *err)
{
	_json_ json_t *state = cli_db_read(cli, tenant, err);
	_json_ json_t *changes = NULL, *reply = NULL, *report = NULL, *entries = NULL;
	struct db_audit audit = { 0 };
	const json_t *records;
	json_t *warning;

	if (!state)
		return NULL;
	records = json_object_get(state, "records");
	changes = plan(records, wish, err);
	if (!changes)
		return NULL;
	report = describe(tenant, records, changes);
	if (!report) {
		err_set(err, -ENOMEM, "out of memory");
		return NULL;
	}
	if (wish->dry_run || !json_object_size(changes))
		return TAKE_PTR(report);
	if (announce_bindings(cli, tenant, changes, err))
		return NULL;
	entries = entries_of(records, changes);
	audit.entries = entries;
	audit.traces = cli_traceparent();
	reply = cli_db_commit(cli, tenant,
			      (uint64_t)json_integer_value(json_object_get(state, "crev")), changes,
			      &audit, err);
	if (!reply)
		return NULL;
	warning = json_object_get(reply, "warning");
	if (warning)
		json_object_set(report, "warning", warning);
	return TAKE_PTR(report);
}

static json_t *run(struct cli *cli, const char *tenant, const struct wish *wish, struct err *err)
{
	for (unsigned int i = 0; i < ATTEMPTS; i++) {
		json_t *report;

		*err = (struct err){ 0 };
		report = attempt(cli, tenant, wish, err);
		if (report)
			return report;
		if (err->code != -EAGAIN)
			return NULL;
	}
	err_tag(err, -EAGAIN, "conflict",
		"tenant '%s': others changed it %d times in a row while this was being applied (try again)",
		tenant, ATTEMPTS);
	return NULL;
}

json_t *change_run(struct cli *cli, const char *tenant, const json_t *doc, enum change_how how,
		   bool prune, bool dry_run, struct err *err)
{
	const struct wish wish = { .doc = doc, .how = how, .prune = prune, .dry_run = dry_run };
	int rest = rest_wanted(cli, err);

	if (rest)
		return rest < 0 ? NULL : rest_change(cli, tenant, doc, how, prune, dry_run, err);
	return run(cli, tenant, &wish, err);
}

json_t *change_undo(struct cli *cli, const char *tenant, const json_t *changes, bool dry_run, struct err *err)
{
	const struct wish wish = { .undo = changes, .dry_run = dry_run };

	return run(cli, tenant, &wish, err);
}
