// SPDX-License-Identifier: Apache-2.0
/* A request's life: headers, who is asking, body, what handlers may ask about it. */
#include "api/exchange.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api/authenticate.h"
#include "api/idempotency.h"
#include "api/peer.h"
#include "api/turns.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/traceparent.h"

#define UNKNOWN_BODY_MAX (16u << 10) /* of a body, before it is known who sends it */
#define SMALL_BODY_MAX	 (64u << 10)
#define BODIES_PART	 4 /* of memory_max: what bodies on their way may take, with what is made of them; of that: */
#define LARGE_PART(n)	 ((n) / 4 * 3) /* ... those that are not small, */
#define SHARE_PART(n)	 ((n) / 8 * 3) /* ... and those of one tenant, or one address where nobody is known */

/* --- ids --- */

static bool is_id(const char *s)
{
	size_t n = strlen(s);

	if (!n || n > 64)
		return false;
	for (; *s; s++)
		if (*s <= ' ' || *s > '~' || strchr("\"\\<>{}", *s))
			return false;
	return true;
}

static char *keep_header(struct api_request *r, const char *name)
{
	const char *value = api_request_header(r, name);

	return value ? arena_printf(&r->arena, "%s", value) : NULL;
}

static void take_ids(struct api_request *r)
{
	const char *id = api_request_header(r, "X-Request-Id"), *trace = api_request_header(r, "traceparent");

	if (id && is_id(id))
		snprintf(r->id, sizeof(r->id), "%s", id);
	else
		snprintf(r->id, sizeof(r->id), "%" PRIx64 "-%" PRIx64, clock_mono_ns(), ++r->http->next_id);
	if (trace && traceparent_valid(trace))
		snprintf(r->traceparent, sizeof(r->traceparent), "%s", trace);
	r->if_match = keep_header(r, "If-Match");
	r->if_none_match = keep_header(r, "If-None-Match");
}

/* --- life --- */

static void on_caller(struct api_request *r, const struct api_caller *caller, int status, const char *why)
{
	bool gone = !r->mhd;

	r->auth = caller ? AUTH_OK : AUTH_REFUSED;
	if (caller)
		r->caller = *caller;
	r->auth_status = status;
	r->auth_why = why ? arena_printf(&r->arena, "%s", why) : NULL;
	if (gone)
		exchange_free(r);
	else
		http_resume(r);
}

struct api_request *exchange_new(struct http *h, struct http_conn *conn, struct MHD_Connection *mhd, const char *url,
				 const char *method)
{
	struct api_request *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->api = h->api;
	r->http = h;
	r->conn = conn;
	r->mhd = mhd;
	r->began_ns = clock_mono_ns();
	snprintf(r->address, sizeof(r->address), "%s", conn->address);
	if (peer_is_proxy(h->api->config, r->address) && api_request_header(r, "X-Forwarded-For"))
		peer_forwarded(h->api->config, api_request_header(r, "X-Forwarded-For"), r->address);
	r->is_root = conn->is_root;
	r->is_tls = conn->listener->is_tls;
	arena_init(&r->arena, 0);
	r->is_head = !strcmp(method, "HEAD");
	r->method = arena_printf(&r->arena, "%s", method);
	r->path = arena_printf(&r->arena, "%s", url);
	h->stats.pending++;
	r->next = h->requests;
	r->prev = &h->requests;
	if (r->next)
		r->next->prev = &r->next;
	h->requests = r;
	take_ids(r);
	if (arena_failed(&r->arena)) {
		exchange_free(r);
		return NULL;
	}
	dispatch_begin(r, url);
	if (r->answered)
		return r;
	if (r->route->flags & API_OPEN) {
		r->auth = AUTH_OK;
	} else {
		r->auth = AUTH_PENDING;
		api_authenticate(r, on_caller);
	}
	/* nothing of the body is read for those who are refused at once */
	if (r->auth == AUTH_REFUSED)
		dispatch(r);
	return r;
}

static bool same_sender(const struct api_request *a, const struct api_request *b)
{
	bool known = a->auth == AUTH_OK && a->caller.role != API_NOBODY;

	if (known != (b->auth == AUTH_OK && b->caller.role != API_NOBODY))
		return false;
	return known ? !strcmp(a->caller.tenant, b->caller.tenant) : !strcmp(a->address, b->address);
}

uint64_t exchange_share(const struct api_request *r)
{
	return SHARE_PART(r->api->config->memory_max / BODIES_PART);
}

/* What the sender has is counted only when it matters: there may be thousands of requests. */
bool exchange_reserve(struct api_request *r, uint64_t bytes)
{
	struct http *h = r->http;
	const uint64_t all = h->api->config->memory_max / BODIES_PART, now = h->stats.body_bytes + bytes;
	uint64_t own = bytes;

	if (r->cap + r->tree + bytes > SMALL_BODY_MAX && now > LARGE_PART(all))
		return false;
	if (now > all)
		return false;
	for (const struct api_request *other = now > all / 8 ? h->requests : NULL; other; other = other->next)
		if (same_sender(r, other))
			own += other->cap + other->tree;
	if (own > exchange_share(r))
		return false;
	h->stats.body_bytes += bytes;
	return true;
}

static bool grow(struct api_request *r, size_t len)
{
	const uint64_t most = (r->length ? r->length : dispatch_body_max(r)) + 1;
	size_t cap = r->cap ? r->cap : 4096;
	char *more;

	while (cap < r->len + len + 1)
		cap *= 2;
	if (cap > most && most >= r->len + len + 1)
		cap = most;
	if (cap <= r->cap)
		return true;
	if (!exchange_reserve(r, cap - r->cap)) {
		r->auth_status = 503; /* others take all there is */
		return false;
	}
	more = realloc(r->data, cap);
	if (!more) {
		r->http->stats.body_bytes -= cap - r->cap;
		r->auth_status = 503;
		return false;
	}
	r->data = more;
	r->cap = cap;
	return true;
}

void exchange_data(struct api_request *r, const char *data, size_t *len)
{
	if (r->answered || r->too_long || r->auth == AUTH_REFUSED) {
		*len = 0; /* the answer does not depend on it */
		return;
	}
	if (r->auth == AUTH_PENDING && r->len + *len > UNKNOWN_BODY_MAX) {
		http_suspend(r); /* shown again when the caller is known */
		return;
	}
	r->http->stats.bytes_in += *len;
	if (r->len + *len > dispatch_body_max(r) || !grow(r, *len)) {
		r->too_long = true;
		*len = 0;
		return;
	}
	memcpy(r->data + r->len, data, *len);
	r->len += *len;
	r->data[r->len] = 0;
	*len = 0;
}

void exchange_done(struct api_request *r)
{
	r->mhd = NULL;
	if (r->stream)
		stream_closed(r->stream);
	r->stream = NULL;
	if (r->auth != AUTH_PENDING)
		exchange_free(r);
}

void exchange_free(struct api_request *r)
{
	if (r->response)
		MHD_destroy_response(r->response);
	if (r->kept_free)
		r->kept_free(r->kept);
	idempotency_free(r->idempotency);
	turns_forget(r);
	r->http->stats.pending--;
	*r->prev = r->next;
	if (r->next)
		r->next->prev = r->prev;
	r->http->stats.body_bytes -= r->cap + r->tree;
	free(r->data);
	json_decref(r->body);
	arena_fini(&r->arena);
	free(r);
}

/* --- what was asked --- */

struct api *api_of(const struct api_request *r)
{
	return r->api;
}

const struct api_caller *api_caller_of(const struct api_request *r)
{
	return &r->caller;
}

const char *api_method(const struct api_request *r)
{
	return r->method;
}

const char *api_path(const struct api_request *r)
{
	return r->path;
}

static const char *find(const struct api_pair *pairs, unsigned int n, const char *name, unsigned int nth)
{
	for (unsigned int i = 0; i < n; i++)
		if (!strcmp(pairs[i].name, name) && !nth--)
			return pairs[i].value;
	return NULL;
}

const char *api_param(const struct api_request *r, const char *name)
{
	return find(r->params, r->n_params, name, 0);
}

const char *api_query(const struct api_request *r, const char *name)
{
	return find(r->query, r->n_query, name, 0);
}

const char *api_query_at(const struct api_request *r, const char *name, unsigned int i)
{
	return find(r->query, r->n_query, name, i);
}

const char *api_request_header(const struct api_request *r, const char *name)
{
	return MHD_lookup_connection_value(r->mhd, MHD_HEADER_KIND, name);
}

json_t *api_body(const struct api_request *r)
{
	return r->body;
}

const char *api_body_text(const struct api_request *r, size_t *len)
{
	*len = r->len;
	return r->data ? r->data : "";
}

const char *api_request_id(const struct api_request *r)
{
	return r->id;
}

const char *api_traceparent(const struct api_request *r)
{
	return r->traceparent;
}

void api_waits(struct api_request *r)
{
	r->ready_ns = clock_mono_ns();
}

bool api_is_tls(const struct api_request *r)
{
	return r->is_tls;
}

bool api_is_root(const struct api_request *r)
{
	return r->is_root;
}

const char *api_address(const struct api_request *r)
{
	return r->address;
}

int api_query_bool(struct api_request *r, const char *name)
{
	const char *v = api_query(r, name);

	if (!v || !strcmp(v, "false"))
		return 0;
	if (!strcmp(v, "true") || !*v)
		return 1;
	api_problemf(r, 400, "malformed", "query parameter '%s': '%.80s' is not a boolean (want true or false)", name, v);
	return -1;
}

void api_keep(struct api_request *r, void *data, void (*free_fn)(void *data))
{
	if (r->kept_free)
		r->kept_free(r->kept);
	r->kept = data;
	r->kept_free = free_fn;
}

void *api_kept(const struct api_request *r)
{
	return r->kept;
}
