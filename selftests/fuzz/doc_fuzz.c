// SPDX-License-Identifier: Apache-2.0
/*
 * Any text as a document, and any JSON object as the records of a tenant.  What is accepted must
 * build, apply to itself without a change, and come back from an export as the same thing; what is
 * refused must say why.
 */
#include "selftests/fuzz/fuzz.h"

#include <errno.h>
#include <jansson.h>

#include "topology/topology.h"

static unsigned int n_uuids;

static void uuid(void *arg, char out[static 37])
{
	snprintf(out, 37, "00000000-0000-7000-8000-%012x", ++n_uuids);
}

static void refused(const struct err *err)
{
	must(err->code < 0 && err->text[0]);
}

static void count_tag(void *arg, const struct topo_tag *tag)
{
	char text[512];

	must(topo_tag_format(tag, text, sizeof(text)));
	must(topo_tag_eq(tag, tag));
	++*(unsigned int *)arg;
}

/* Builds, compares with itself and with nothing. */
static void check_build(const json_t *records)
{
	struct topo_snapshot *a, *b;
	unsigned int n = 0;
	struct err err = { 0 };

	a = topo_build("t", 1, records, &err);
	if (!a)
		fprintf(stderr, "%s\n", err.text);
	must(a);
	b = topo_build("t", 2, records, &err);
	must(b);
	topo_diff(a, b, count_tag, &n);
	must(n == 0);
	topo_diff(NULL, a, count_tag, &n);
	topo_diff(a, NULL, count_tag, &n);
	topo_unref(topo_ref(a));
	topo_unref(a);
	topo_unref(b);
}

/* Valid records come back from their export as they were. */
static void check_export(const json_t *records)
{
	struct err err = { 0 };
	json_t *doc = topo_doc_export(records, "t", NULL, NULL, &err), *docs, *changes;
	char *text;

	must(doc);
	text = json_dumps(doc, 0);
	must(text);
	docs = topo_doc_parse(text, strlen(text), "export", &err);
	if (!docs)
		fprintf(stderr, "%s\n%s\n", text, err.text);
	must(docs && json_array_size(docs) == 1);
	changes = topo_doc_apply(records, json_array_get(docs, 0), true, uuid, NULL, &err);
	if (!changes || json_object_size(changes))
		fprintf(stderr, "%s\n%s\n", text, changes ? json_dumps(changes, 0) : err.text);
	must(changes && json_object_size(changes) == 0);
	json_decref(changes);
	json_decref(docs);
	json_decref(doc);
	free(text);
}

static void check_document(const json_t *doc)
{
	json_t *empty = json_object(), *changes, *records, *again;
	struct err err = { 0 };

	changes = topo_doc_apply(empty, doc, true, uuid, NULL, &err);
	if (!changes) {
		refused(&err);
		json_decref(empty);
		return;
	}
	records = topo_records_merge(empty, changes);
	must(records);
	if (topo_validate(records, &err))
		fprintf(stderr, "%s\n", err.text);
	must(topo_validate(records, &err) == 0);
	again = topo_doc_apply(records, doc, true, uuid, NULL, &err);
	must(again && json_object_size(again) == 0);
	json_decref(again);
	check_build(records);
	check_export(records);
	/* everything that it names can be taken away again */
	again = topo_doc_delete(records, doc, &err);
	if (!again)
		fprintf(stderr, "%s\n", err.text);
	must(again);
	json_decref(again);
	json_decref(records);
	json_decref(changes);
	json_decref(empty);
}

static void check_records(const uint8_t *data, size_t size)
{
	json_t *records = json_loadb((const char *)data, size, 0, NULL);
	struct topo_snapshot *snap;
	struct err err = { 0 };

	if (!records)
		return;
	if (topo_validate(records, &err) == 0) {
		check_build(records);
	} else {
		refused(&err);
		memset(&err, 0, sizeof(err));
		snap = topo_build("t", 1, records, &err);
		if (!snap)
			refused(&err);
		topo_unref(snap);
	}
	json_decref(records);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err err = { 0 };
	json_t *docs, *doc;
	size_t i;

	n_uuids = 0;
	check_records(data, size);
	docs = topo_doc_parse((const char *)data, size, "fuzz", &err);
	if (!docs) {
		refused(&err);
		return 0;
	}
	json_array_foreach(docs, i, doc) check_document(doc);
	json_decref(docs);
	return 0;
}
