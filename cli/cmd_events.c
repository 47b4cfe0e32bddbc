// SPDX-License-Identifier: Apache-2.0
/* events: changes of a tenant's configuration as they happen, from skep-api's stream or from the state DB's. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cli/cli.h"
#include "cli/out.h"
#include "cli/rest.h"
#include "topology/doc.h"
#include "topology/topology.h"
#include "util/clock.h"
#include "util/json.h"

#define WAIT_MS 60000

struct showing {
	struct cli *cli;
	uint64_t n;
	bool enough;
	bool begun; /* the state DB has said what there was before */
};

static void print_row(const char *event, const json_t *data)
{
	_free_ char *name = out_text(json_object_get(data, "name"));
	const char *kind = json_str(data, "kind");
	const int k = kind ? topo_kind_find(kind) : -1;
	const time_t now = time(NULL);
	char when[16] = "";
	struct tm tm;

	if (localtime_r(&now, &tm))
		strftime(when, sizeof(when), "%H:%M:%S", &tm);
	printf("%-8s  %-8" JSON_INTEGER_FORMAT "  %-6s  ", when, json_integer_value(json_object_get(data, "rev")), event);
	if (k < 0)
		printf("what was missed is not known: read everything again\n");
	else
		printf("%s/%s\n", topo_kind_name((enum topo_kind)k), name ? name : "?");
	fflush(stdout);
}

/* Nonzero: that was the last one that is wanted. */
static int show(void *arg, const char *event, const json_t *data)
{
	struct showing *s = arg;
	_json_ json_t *line = json_pack("{s:s}", "event", event);

	if (s->cli->format == CLI_JSON) {
		json_object_update(line, (json_t *)data);
		out_json(line);
	} else {
		print_row(event, data);
	}
	s->enough = (s->cli->count && ++s->n >= s->cli->count) || ferror(stdout); /* ... or whoever read us has gone */
	return s->enough;
}

static void print_heading(const struct cli *cli)
{
	if (cli->format == CLI_TABLE)
		printf("%s%-8s  %-8s  %-6s  %s%s\n", out_style(stdout, OUT_BOLD), "TIME", "REV", "EVENT", "OBJECT", out_style(stdout, OUT_PLAIN));
	fflush(stdout);
}

/* --- of the API --- */

static int follow_api(struct cli *cli, const char *tenant, struct showing *s, struct err *err)
{
	struct rest_events events = { .event = show, .arg = s };
	char path[REST_URL_MAX];

	rest_follow(cli, rest_of_tenant(path, tenant, "/events"), &events, cli->timeout_ms, err);
	return err->code == -ENOENT ? cli_no_tenant(tenant, err) : err->code;
}

/* --- of the state DB --- */

static void on_snapshot(void *arg, const json_t *records, uint64_t rev, uint64_t crev)
{
	struct showing *s = arg;
	_json_ json_t *data = json_pack("{s:I}", "rev", (json_int_t)rev);

	(void)records;
	(void)crev;
	if (s->begun && !s->enough)
		show(s, "reset", data);
	s->begun = true;
}

static void on_change(void *arg, const json_t *changes, uint64_t rev, uint64_t crev)
{
	struct showing *s = arg;
	enum topo_kind kind;
	const char *path, *name;
	json_t *record;

	(void)crev;
	json_object_foreach ((json_t *)changes, path, record) {
		_json_ json_t *data = NULL;

		if (s->enough || !topo_path_parse(path, &kind, &name))
			continue;
		data = json_pack("{s:s, s:s, s:I, s:O}", "kind", topo_kind_plural(kind), "name", name, "rev", (json_int_t)rev, "object", record);
		show(s, json_is_null(record) ? "delete" : "put", data);
	}
}

static int follow_db(struct cli *cli, const char *tenant, struct showing *s, struct err *err)
{
	static const struct db_follow_ops ops = { on_snapshot, on_change };
	const uint64_t end_ns = clock_mono_ns() + cli->timeout_ms * NSEC_PER_MSEC;
	struct db_follow *f = db_follow(cli->db, tenant, &ops, s);
	uint64_t now;

	while (f && !s->enough) {
		now = clock_mono_ns();
		if (cli->timeout_ms && now >= end_ns)
			break;
		if (db_await(cli->db, &s->enough, cli->timeout_ms ? (unsigned int)((end_ns - now) / NSEC_PER_MSEC) + 1 : WAIT_MS, err) != -ETIMEDOUT && err->code)
			break;
		*err = (struct err){ 0 };
	}
	db_unfollow(f);
	return f ? err->code : err_set(err, -ENOMEM, "out of memory");
}

int cmd_events(struct cli *cli, struct err *err)
{
	struct showing s = { .cli = cli };
	const char *tenant = rest_wanted(cli, err) < 0 ? NULL : cli_tenant(cli, err);
	char path[REST_URL_MAX];
	_json_ json_t *state = NULL;

	if (!tenant)
		return err->code;
	state = cli->rest ? rest_call(cli, "GET", rest_of_tenant(path, tenant, ""), NULL, err) : cli_db_read_tenant(cli, tenant, err);
	if (!state)
		return err->code == -ENOENT ? cli_no_tenant(tenant, err) : err->code;
	print_heading(cli);
	if (cli->rest ? follow_api(cli, tenant, &s, err) : follow_db(cli, tenant, &s, err))
		return err->code;
	if (cli->count && s.n < cli->count && !ferror(stdout))
		return err_tag(err, -ETIMEDOUT, "timeout", "only %" PRIu64 " of %" PRIu64 " events in %" PRIu64 " s", s.n, cli->count,
			       cli->timeout_ms / 1000);
	return 0;
}
