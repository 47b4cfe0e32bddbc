// SPDX-License-Identifier: Apache-2.0
#include "api/idempotency.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/parse.h"
#include "api/rate.h"
#include "topology/schema.h"
#include "util/clock.h"
#include "util/hash.h"
#include "util/json.h"

#define TTL_S	 86400
#define KEY_MAX	 64
#define BODY_MAX 4096 /* longer answers are not kept: the key then says no more than that it was done */
/* Keys of a tenant that are kept at a time: no more than these at once, and then one a second.  The state DB is everybody's. */
#define KEYS_BURST 100000
#define KEYS_PER_S 1

struct idempotency {
	struct idempotency *next, **at; /* api.idempotent: in flight; 'at' NULL = no more */
	char name[48];		  /* of the stash */
	char print[40];		  /* of the request */
	bool kept;
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

static const char *space_of(const struct api_request *r)
{
	const char *tenant = api_param(r, "tenant");

	return tenant ? tenant : "_api";
}

static void leave(struct idempotency *i)
{
	if (!i->at)
		return;
	*i->at = i->next;
	if (i->next)
		i->next->at = i->at;
	i->at = NULL;
}

void idempotency_free(struct idempotency *i)
{
	if (!i)
		return;
	leave(i);
	free(i->text);
	free(i);
}

/* --- before --- */

static void replay(struct api_request *r, const json_t *kept)
{
	const char *status = json_str(kept, "status"), *body = json_str(kept, "body"), *type = json_str(kept, "type");
	uint64_t code = 0;

	r->idempotency->kept = true;
	for (size_t k = 0; k < ARRAY_SIZE(headers); k++)
		if (json_str(kept, headers[k]))
			api_header(r, headers[k], json_str(kept, headers[k]));
	api_header(r, "Idempotent-Replay", "true");
	if (!status || !parse_u64(status, &code) || code < 200 || code > 599)
		api_problemf(r, 503, "unavailable", "the answer that is kept for this Idempotency-Key cannot be read");
	else if (body && *body)
		api_answer_text(r, (int)code, type && strstr(type, "problem") ? "application/problem+json" : "application/json",
				strdup(body), strlen(body));
	else
		api_answer(r, (int)code, NULL);
}

static void on_found(void *arg, const struct err *err, const json_t *reply)
{
	struct api_request *r = arg;
	const char *print = json_str(reply, "print");

	if (err) {
		r->idempotency->kept = true;
		api_fail(r, err);
	} else if (!print) {
		r->route->handler(r);
	} else if (strcmp(print, r->idempotency->print)) {
		r->idempotency->kept = true;
		api_problemf(r, 422, "idempotency_mismatch", "this Idempotency-Key was used for another request");
	} else {
		replay(r, reply);
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

static bool fill(struct api_request *r, struct idempotency *i, const char *key)
{
	char hash[33], body[33];
	_free_ char *text = NULL;

	hash128(body, r->data ? r->data : "", r->len);
	if (asprintf(&text, "%s\n%s\n%s", r->caller.name, r->caller.tenant, key) < 0)
		return false;
	hash128(hash, text, strlen(text));
	snprintf(i->name, sizeof(i->name), "idem/%s", hash);
	free(text);
	text = NULL;
	if (asprintf(&text, "%s %s %s", r->method, r->path, body) < 0)
		return false;
	hash128(hash, text, strlen(text));
	snprintf(i->print, sizeof(i->print), "%s", hash);
	return true;
}

/* May the tenant have one more?  False: answered. */
static bool may_keep(struct api_request *r)
{
	char seconds[16];
	uint64_t wait;

	wait = rate_take(r->api->idempotency_keys, space_of(r), clock_mono_ns(), KEYS_PER_S, KEYS_BURST);
	if (!wait)
		return true;
	snprintf(seconds, sizeof(seconds), "%u", rate_retry_s(wait));
	api_header(r, "Retry-After", seconds);
	api_problemf(r, 429, "too_many_requests", "too many Idempotency-Keys are kept for this tenant: write without one, or later");
	return false;
}

bool idempotency_begin(struct api_request *r)
{
	const char *key = api_request_header(r, "Idempotency-Key");
	struct idempotency *i;

	if (!key || !(r->route->flags & API_WRITES))
		return false;
	if (!is_key(key) || (api_param(r, "tenant") && !topo_name_valid(api_param(r, "tenant")))) {
		api_problemf(r, 400, "malformed", "Idempotency-Key is not allowed (want 1 to %d printable characters)", KEY_MAX);
		return true;
	}
	if (!may_keep(r))
		return true;
	i = calloc(1, sizeof(*i));
	if (!i || !fill(r, i, key)) {
		free(i);
		api_problemf(r, 503, "overloaded", "out of memory");
		return true;
	}
	for (struct idempotency *other = r->api->idempotent; other; other = other->next)
		if (!strcmp(other->name, i->name)) {
			free(i);
			api_problemf(r, 409, "conflict", "a request with this Idempotency-Key is being worked on (try again)");
			return true;
		}
	i->next = r->api->idempotent;
	i->at = &r->api->idempotent;
	if (i->next)
		i->next->at = &i->next;
	r->api->idempotent = i;
	r->idempotency = i;
	db_unstash(r->api->db, space_of(r), i->name, on_found, r);
	return true;
}

/* --- behind --- */

static void on_kept(void *arg, const struct err *err, const json_t *reply)
{
	struct api_request *r = arg;
	struct idempotency *i = r->idempotency;

	(void)err; /* it was done, and that is what is told */
	(void)reply;
	leave(i);
	api_answer_text(r, i->status, i->type, TAKE_PTR(i->text), i->len);
}

/* Did the request come to an end that would be the same again? */
static bool is_final(int status)
{
	return status < 300 || status == 409 || status == 412 || status == 422;
}

bool idempotency_keep(struct api_request *r, int status, const char *type, char *text, size_t len)
{
	struct idempotency *i = r->idempotency;
	_json_ json_t *fields = NULL, *changes = NULL;
	char code[16];

	if (!i || i->kept)
		return false;
	i->kept = true;
	if (!is_final(status))
		return false;
	snprintf(code, sizeof(code), "%d", status);
	fields = json_pack("{s:s, s:s, s:s%, s:s}", "print", i->print, "status", code, "body", text && len <= BODY_MAX ? text : "", len <= BODY_MAX ? len : 0, "type",
			   type ? type : "");
	for (unsigned int h = 0; fields && h < r->n_headers; h++)
		for (size_t k = 0; k < ARRAY_SIZE(headers); k++)
			if (!strcmp(r->headers[h].name, headers[k]))
				json_object_set_new(fields, headers[k], json_string(r->headers[h].value));
	changes = fields ? json_pack("{s:O}", i->name, fields) : NULL;
	if (!changes)
		return false;
	i->status = status;
	i->type = type;
	i->text = text;
	i->len = len;
	db_stash(r->api->db, space_of(r), changes, TTL_S, on_kept, r);
	return true;
}
