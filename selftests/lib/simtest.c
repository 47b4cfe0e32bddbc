// SPDX-License-Identifier: Apache-2.0
#include "selftests/lib/simtest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Noreturn void die(const char *what, const char *text)
{
	fprintf(stderr, "%s: %s\n", what, text);
	abort();
}

static void uuid(void *arg, char out[static 37])
{
	unsigned int *n = arg;

	snprintf(out, 37, "00000000-0000-7000-8000-%012x", ++*n);
}

/* A live record for each port without a peer. */
static json_t *live_records(const json_t *records)
{
	json_t *live = json_object(), *rec;
	json_int_t key = 0x100;
	const char *path;
	char name[80];

	json_object_foreach((json_t *)records, path, rec)
	{
		if (strncmp(path, "port/", 5) || json_object_get(rec, "peer"))
			continue;
		snprintf(name, sizeof(name), "live/%s", path + 5);
		json_object_set_new(live, name,
				    json_pack("{s:s, s:I, s:I}", "host", "h1", "key", key++,
					      "flood", (json_int_t)0));
	}
	return live;
}

struct topo_snapshot *simtest_snapshot(const char *yaml)
{
	json_t *empty = json_object(), *docs, *records, *live, *all;
	struct topo_snapshot *snap;
	unsigned int n_uuids = 0;
	struct err err = { 0 };
	char *text = NULL;

	if (asprintf(&text, "tenant: t\n%s", yaml) < 0)
		die("memory", "");
	docs = topo_doc_parse(text, strlen(text), "test", &err);
	if (!docs)
		die("document", err.text);
	records = topo_doc_apply(empty, json_array_get(docs, 0), false, uuid, &n_uuids, &err);
	if (!records)
		die("document", err.text);
	live = live_records(records);
	all = topo_records_merge(records, live);
	snap = topo_build("t", 1, all, &err);
	if (!snap)
		die("snapshot", err.text);
	json_decref(all);
	json_decref(live);
	json_decref(records);
	json_decref(docs);
	json_decref(empty);
	free(text);
	return snap;
}

void simtest_packet(const char *line, uint8_t *buf, struct pkt *pkt)
{
	struct err err = { 0 };
	int n = pkt_dsl_parse(line, NULL, buf, PKT_MAX, &err);

	if (n < 0)
		die(line, err.text);
	if (pkt_parse(buf, (uint32_t)n, pkt) != SKEP_DROP_NONE)
		die(line, "malformed");
}
