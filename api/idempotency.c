// SPDX-License-Identifier: Apache-2.0
#include "api/idempotency.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "api/parse.h"
#include "topology/schema.h"
#include "util/hash.h"
#include "util/json.h"

#define PENDING_S 120  /* longer than any request takes, ?wait with it: then a reservation whose server died is free again */
#define KEYS_MAX  100000 /* of a tenant: the state DB is everybody's */
#define FULL_S	  60
#define KEY_MAX	  64
#define BODY_MAX  4096 /* longer answers are not kept: the key then says no more than that it was done */

struct idempotency {
	char name[48];	/* of the stash */
	char print[40]; /* of the request */
	char owner[40]; /* this request, and no other */
	bool is_ours, kept;
	/* the answer that waits until it is kept */
	int status;
	const char *type;
	char *text;
	size_t len;
};

static const char *const headers[] = { "ETag", "Location", "Skep-Revision", "Skep-Durability" };

static void hash128(char out[static 33], const void *p, size_t len)
{
	snprintf(out, 33, "%016" PRIx64 "%016" PRIx64, hash_sip(p, len, 1), hash_sip(p, len, 2));
}

/* Where the write goes, so that one step does both.  What operators do to a tenant as a whole is not the tenant's: it may be its end. */
static const char *space_of(const struct api_request *r)
{
	const char *tenant = api_param(r, "tenant");

	return tenant && r->route->least < API_OPERATOR ? tenant : DB_API;
}

static struct db_reservation reservation(const struct idempotency *i)
{
	return (struct db_reservation){ i->name, i->owner, i->print, PENDING_S, IDEMPOTENCY_KEEP_S, KEYS_MAX };
}

void idempotency_free(struct idempotency *i)
{
	if (!i)
		return;
	free(i->text);
	free(i);
}

/* --- before --- */

static void replay(struct api_request *r, const json_t *kept)
{
	const char *status = json_str(kept, "status"), *body = json_str(kept, "body"), *type = json_str(kept, "type");
	uint64_t code = 0;

	for (size_t k = 0; k < ARRAY_SIZE(headers); k++)
		if (json_str(kept, headers[k]))
			api_header(r, headers[k], json_str(kept, headers[k]));
	if (!json_str(kept, "Skep-Revision") && json_str(kept, "crev")) /* written, but never answered */
		api_header(r, "Skep-Revision", json_str(kept, "crev"));
	api_header(r, "Idempotent-Replay", "true");
	if (!status || !parse_u64(status, &code) || code < 200 || code > 599)
		api_problemf(r, 503, "unavailable", "the answer that is kept for this Idempotency-Key cannot be read");
	else if (body && *body)
		api_answer_text(r, (int)code, type && strstr(type, "problem") ? "application/problem+json" : "application/json",
				strdup(body), strlen(body));
	else
		api_answer(r, (int)code, NULL);
}

static void on_other(struct api_request *r, const json_t *fields)
{
	const char *print = json_str(fields, "print");

	if (!print || strcmp(print, r->idempotency->print)) {
		api_problemf(r, 422, "idempotency_mismatch", "this Idempotency-Key was used for another request");
	} else if (!json_str(fields, "status")) {
		api_header(r, "Retry-After", "1");
		api_problemf(r, 409, "idempotency_pending", "a request with this Idempotency-Key is being worked on (try again)");
	} else {
		replay(r, fields);
	}
}

static void on_reserved(void *arg, const struct err *err, const json_t *reply)
{
	struct api_request *r = arg;
	const json_t *fields = json_object_get(reply, "fields");
	char seconds[16];

	r->idempotency->is_ours = !err && !fields;
	if (!err && fields) {
		on_other(r, fields);
	} else if (!err || err->code == -ENOENT) { /* a tenant that is not there: the handler says so */
		r->route->handler(r);
	} else if (err->code == -ENOSPC) {
		snprintf(seconds, sizeof(seconds), "%d", FULL_S);
		api_header(r, "Retry-After", seconds);
		api_problemf(r, 429, "too_many_requests", "too many Idempotency-Keys are kept for this tenant: write without one, or later");
	} else {
		api_fail(r, err);
	}
}

static bool is_key(const char *key)
{
	size_t n = strlen(key);

	for (const char *p = key; *p; p++)
		if (*p < ' ' || *p > '~')
			return false;
	return n && n <= KEY_MAX;
}

/* All of a request that may make it another one. */
static char *request_text(const struct api_request *r)
{
	const char *type = api_request_header(r, "Content-Type");
	char body[33], *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return NULL;
	hash128(body, r->data ? r->data : "", r->len);
	fprintf(f, "%s %s %s\n%s\n%s\n%s\n", r->method, r->path, body, type ? type : "", r->if_match ? r->if_match : "",
		r->if_none_match ? r->if_none_match : "");
	for (unsigned int i = 0; i < r->n_query; i++)
		fprintf(f, "%s=%s\n", r->query[i].name, r->query[i].value);
	if (!fclose(f))
		return text;
	free(text);
	return NULL;
}

static bool fill(struct api_request *r, struct idempotency *i, const char *key)
{
	const struct api_caller *c = &r->caller;
	_free_ char *sender = NULL, *request = request_text(r);
	uint8_t random[16];
	char hash[33];

	if (!request || asprintf(&sender, "%s\n%s\n%s\n%s", c->name, c->tenant, c->token, key) < 0 ||
	    getrandom(random, sizeof(random), 0) != sizeof(random))
		return false;
	hash128(hash, sender, strlen(sender));
	snprintf(i->name, sizeof(i->name), "idem/%s", hash);
	hash128(i->print, request, strlen(request));
	hash128(i->owner, random, sizeof(random));
	return true;
}

bool idempotency_begin(struct api_request *r)
{
	const char *key = api_request_header(r, "Idempotency-Key");
	struct db_reservation what;
	struct idempotency *i;

	if (!key || !(r->route->flags & API_WRITES))
		return false;
	if (!is_key(key) || (api_param(r, "tenant") && !topo_name_valid(api_param(r, "tenant")))) {
		api_problemf(r, 400, "malformed", "Idempotency-Key is not allowed (want 1 to %d printable characters)", KEY_MAX);
		return true;
	}
	i = calloc(1, sizeof(*i));
	if (!i || !fill(r, i, key)) {
		free(i);
		api_problemf(r, 503, "overloaded", "out of memory");
		return true;
	}
	r->idempotency = i;
	what = reservation(i);
	db_reserve(r->api->db, space_of(r), &what, on_reserved, r);
	return true;
}

/* --- with the write --- */

int idempotency_mark(const struct api_request *r, const char *space, bool created, json_t *marks)
{
	const struct idempotency *i = r->idempotency;
	const char *status = created ? "201" : "200";

	if (!i || !i->is_ours || strcmp(space, space_of(r)))
		return 0;
	if (!strcmp(r->method, "DELETE"))
		status = "204";
	return json_array_append_new(marks, json_pack("{s:s, s:s, s:s}", "name", i->name, "owner", i->owner, "status", status)) ? -ENOMEM : 0;
}

/* --- behind --- */

static void on_settled(void *arg, const struct err *err, const json_t *reply)
{
	struct api_request *r = arg;
	struct idempotency *i = r->idempotency;

	(void)err; /* what was done is told */
	(void)reply;
	api_answer_text(r, i->status, i->type, TAKE_PTR(i->text), i->len);
}

static void ignore(void *arg, const struct err *err, const json_t *reply)
{
	(void)arg;
	(void)err; /* it lapses */
	(void)reply;
}

/* Was something done, or would it be the same again?  A conflict may be over. */
static bool is_final(int status)
{
	return status < 300 || status == 412 || status == 422;
}

static json_t *fields_of(const struct api_request *r, int status, const char *type, const char *text, size_t len)
{
	json_t *fields;
	char code[16];

	snprintf(code, sizeof(code), "%d", status);
	fields = json_pack("{s:s, s:s%, s:s}", "status", code, "body", text && len <= BODY_MAX ? text : "", len <= BODY_MAX ? len : 0,
			   "type", type ? type : "");
	for (unsigned int h = 0; fields && h < r->n_headers; h++)
		for (size_t k = 0; k < ARRAY_SIZE(headers); k++)
			if (!strcmp(r->headers[h].name, headers[k]))
				json_object_set_new(fields, headers[k], json_string(r->headers[h].value));
	return fields;
}

bool idempotency_keep(struct api_request *r, int status, const char *type, char *text, size_t len)
{
	struct idempotency *i = r->idempotency;
	_json_ json_t *fields = NULL;
	struct db_reservation what;

	if (!i || !i->is_ours || i->kept)
		return false;
	i->kept = true;
	what = reservation(i);
	fields = is_final(status) ? fields_of(r, status, type, text, len) : NULL;
	if (status == 503) { /* the state DB may be what is not there */
		db_settle(r->api->db, space_of(r), &what, NULL, ignore, NULL);
		return false;
	}
	i->status = status;
	i->type = type;
	i->text = text;
	i->len = len;
	db_settle(r->api->db, space_of(r), &what, fields, on_settled, r);
	return true;
}
