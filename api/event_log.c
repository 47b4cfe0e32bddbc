// SPDX-License-Identifier: Apache-2.0
#include "api/event_log.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/parse.h"
#include "topology/doc.h"
#include "util/json.h"

#define COUNT_MAX  4096
#define BYTES_MAX  (8u << 20)
#define COMMIT_MAX 1000 /* changes of one commit that are told one by one */

static void forget_first(struct event_log *log)
{
	struct event *old = log->first;

	log->first = old->next;
	if (!log->first)
		log->last = &log->first;
	log->from = old->rev;
	log->n--;
	log->bytes -= old->len;
	free(old);
}

void event_log_init(struct event_log *log, uint64_t rev)
{
	*log = (struct event_log){ .from = rev };
	log->last = &log->first;
}

void event_log_forget(struct event_log *log, uint64_t rev)
{
	while (log->first)
		forget_first(log);
	log->from = rev;
}

static struct event *event_new(struct event_log *log, uint64_t rev, const char *text, size_t len)
{
	struct event *e = malloc(sizeof(*e) + len);

	if (!e)
		return NULL;
	*e = (struct event){ .rev = rev, .len = len };
	memcpy(e->text, text, len);
	log->n++;
	log->bytes += len;
	return e;
}

void event_log_add(struct event_log *log, uint64_t rev, const char *text, size_t len)
{
	struct event *e = event_new(log, rev, text, len);

	if (!e) {
		event_log_forget(log, rev);
		return;
	}
	*log->last = e;
	log->last = &e->next;
	while (log->n > COUNT_MAX || (log->bytes > BYTES_MAX && log->n > 1))
		forget_first(log);
}

bool event_log_prepend(struct event_log *log, uint64_t rev, const char *text, size_t len)
{
	struct event *e = log->n < COUNT_MAX && log->bytes + len <= BYTES_MAX ? event_new(log, rev, text, len) : NULL;

	if (!e)
		return false;
	e->next = log->first;
	if (!log->first)
		log->last = &e->next;
	log->first = e;
	log->from = rev - 1;
	return true;
}

/* --- texts --- */

const char *event_id(char out[static EVENT_ID], uint64_t rev, uint32_t epoch)
{
	snprintf(out, EVENT_ID, "%" PRIu64 "-%08" PRIx32, rev, epoch);
	return out;
}

bool event_id_parse(const char *text, uint64_t *rev, uint32_t *epoch)
{
	size_t digits = strspn(text, "0123456789");
	char number[24];

	if (digits >= sizeof(number) || text[digits] != '-' || strlen(text + digits + 1) != 8 ||
	    strspn(text + digits + 1, "0123456789abcdef") != 8)
		return false;
	memcpy(number, text, digits);
	number[digits] = 0;
	*epoch = (uint32_t)strtoul(text + digits + 1, NULL, 16);
	return parse_u64(number, rev);
}

/* The id stands at a commit's last change: who has not seen that one has not seen the commit. */
static void format(FILE *f, enum topo_kind kind, const char *name, json_t *record, uint64_t rev, const char *id)
{
	_json_ json_t *data = json_pack("{s:s, s:s, s:I, s:O}", "kind", topo_kind_plural(kind), "name", name, "rev", (json_int_t)rev,
					"object", record);

	if (id)
		fprintf(f, "id: %s\n", id);
	fprintf(f, "event: %s\ndata: ", json_is_null(record) ? "delete" : "put");
	if (data)
		json_dumpf(data, f, JSON_COMPACT);
	fputs("\n\n", f);
}

char *event_text(const json_t *changes, uint64_t rev, uint32_t epoch, size_t *len)
{
	const char *path, *name;
	char id[EVENT_ID], *text = NULL;
	size_t n = 0, i = 0;
	enum topo_kind kind;
	json_t *record;
	FILE *f;

	json_object_foreach ((json_t *)changes, path, record)
		n += topo_path_parse(path, &kind, &name);
	f = n <= COMMIT_MAX ? open_memstream(&text, len) : NULL;
	if (!f)
		return NULL;
	event_id(id, rev, epoch);
	json_object_foreach ((json_t *)changes, path, record)
		if (topo_path_parse(path, &kind, &name))
			format(f, kind, name, record, rev, ++i == n ? id : NULL);
	if (!fclose(f))
		return text;
	free(text);
	return NULL;
}
