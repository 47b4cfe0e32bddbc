/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One request, as handlers see it, and how they answer.  A handler is called once the whole body is there and the caller is known and allowed; it
 * answers now or later (from a callback of the loop), exactly once: by api_answer(), api_answer_text(), api_answer_file(), api_problem() or
 * api_stream().  Until then the request lives, also when its client has gone; nothing of it may be used behind the answer.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "topology/topology.h"
#include "util/err.h"

struct api;
struct api_request;
struct api_route;
struct api_stream;
struct cache_tenant;

/* Each may what the ones before it may; but what a monitor sees of the platform (API_MONITORS), those of a tenant do not. */
enum api_role { API_NOBODY, API_MONITOR, API_READER, API_ADMIN, API_OPERATOR };
const char *api_role_name(enum api_role role); /* "tenant-admin" */
int api_role_find(const char *name);	       /* -1 */

#define API_SUBJECT 256 /* bytes, and NUL: OpenID Connect has no longer ones */

struct api_caller {
	char name[TOPO_NAME_MAX + 1];
	enum api_role role;
	char tenant[TOPO_NAME_MAX + 1]; /* "" = all */
	int64_t expires_s;		/* UNIX time; 0 = never */
	char subject[API_SUBJECT];	/* of a JWT: "sub", as it is; "" = it was not one */
	int64_t issued_s;		/* a JWT: UNIX time; 0 = not known */
	char token[64];			/* id of the token that was shown, or that the session was made with; "" = none of ours */
	char session[24];		/* id of the panel's session; "" = none */
	bool read_only;			/* may change nothing, whatever its role */
};

typedef void api_handler(struct api_request *r);

enum api_route_flags {
	API_OPEN = 1 << 0,	/* no authentication */
	API_YAML = 1 << 1,	/* body is JSON or YAML, for the handler to parse (api_body_text()) */
	API_WRITES = 1 << 2,	/* takes dry_run, wait, Idempotency-Key; may be written to the audit log */
	API_LISTS = 1 << 3,	/* takes limit, cursor, sort, filter, fields */
	API_RAW = 1 << 4,	/* body as it came, of any type */
	API_MATCHES = 1 << 6,	/* looks at If-Match and If-None-Match; writes that do not refuse them */
	API_MERGE_PATCH = 1 << 5, /* body is application/merge-patch+json, or JSON */
	API_LARGE = 1 << 8,	  /* body of up to limits.body; all others are small */
	API_MONITORS = 1 << 9,	  /* for monitors, too */
};

struct api_route {
	const char *method; /* GET also answers HEAD */
	const char *path;   /* "/api/v1/tenants/{tenant}/{kind}/{name}"; {kind} is any topo_kind_plural() */
	api_handler *handler;
	enum api_role least;
	unsigned int flags;  /* enum api_route_flags */
	const char *query;   /* names of further query parameters it takes, spaces between; NULL = none */
	const char *summary; /* for the OpenAPI document */
};

/* --- what was asked --- */

struct api *api_of(const struct api_request *r);
const struct api_caller *api_caller_of(const struct api_request *r);
const char *api_method(const struct api_request *r);
const char *api_path(const struct api_request *r);			  /* as sent, without query */
const char *api_param(const struct api_request *r, const char *name);	  /* decoded part of the path: "tenant"; NULL = none */
const char *api_query(const struct api_request *r, const char *name);	  /* decoded; the first one; NULL = none */
const char *api_query_at(const struct api_request *r, const char *name, unsigned int i); /* the i-th of that name */
const char *api_request_header(const struct api_request *r, const char *name);	  /* any case; NULL = none */
json_t *api_body(const struct api_request *r);	     /* borrowed; NULL = there was none */
const char *api_body_text(const struct api_request *r, size_t *len); /* as it came */
const char *api_request_id(const struct api_request *r);
const char *api_traceparent(const struct api_request *r); /* "" = none */
void api_waits(struct api_request *r); /* the answer is known; it is kept back as long as the client has asked for: no time that we take */
bool api_is_tls(const struct api_request *r);
const char *api_address(const struct api_request *r); /* of the client: "192.0.2.1", "2001:db8::1", "unix" */
bool api_is_root(const struct api_request *r); /* by UNIX socket, from a process of root */

/* A query parameter that is true or false: 0; 1; or -1 after it has answered 400. */
int api_query_bool(struct api_request *r, const char *name);

/* --- answers --- */

void api_answer(struct api_request *r, int status, json_t *body /* taken; NULL = empty */);
/* 'text' is malloc()ed, and taken; 'type' is static. */
void api_answer_text(struct api_request *r, int status, const char *type, char *text, size_t len);
/* 'fd' is taken. */
void api_answer_file(struct api_request *r, int status, const char *type, int fd, uint64_t size);
/* application/problem+json.  'slug': "not_found"; 'err' may be NULL; what its text says of object, field, value and what is allowed
 * goes to "errors" (problem.h). */
void api_problem(struct api_request *r, int status, const char *slug, const struct err *err);
void api_problemf(struct api_request *r, int status, const char *slug, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/* The status and slug that an error of topology or the state DB stands for. */
void api_fail(struct api_request *r, const struct err *err);
/* A header of the answer to come. */
void api_header(struct api_request *r, const char *name, const char *value);

/* --- streams: an answer that goes on --- */

struct api_stream_ops {
	void (*closed)(void *arg); /* the client has gone, or api_stream_end() took effect: last call */
};
/* NULL: answered with a problem already.  The request is over for the handler; the stream lives until 'closed' returns. */
struct api_stream *api_stream(struct api_request *r, int status, const char *type, const struct api_stream_ops *ops, void *arg);
/* Copied.  -ENOBUFS: the client does not read, 'closed' will come; nothing else is to be done. */
int api_stream_write(struct api_stream *s, const char *data, size_t len);
void api_stream_end(struct api_stream *s); /* once all is sent */

/* --- tenants --- */

/* Calls 'fn' with the tenant of the path ("{tenant}") once its records are here; answers 404 or 503 itself else. */
void api_with_tenant(struct api_request *r, void (*fn)(struct api_request *r, struct cache_tenant *t));
/* A value that handlers keep with the request; freed with it. */
void api_keep(struct api_request *r, void *data, void (*free_fn)(void *data));
void *api_kept(const struct api_request *r);
