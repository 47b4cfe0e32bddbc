/* SPDX-License-Identifier: Apache-2.0 */
/* Private to http.c, exchange.c, dispatch.c, answer.c, stream.c: a connection and the request on it. */
#pragma once

#include <microhttpd.h>

#include "api/api.h"
#include "api/http.h"
#include "api/request.h"
#include "util/arena.h"

#define API_PARAMS_MAX	8
#define API_QUERY_MAX	32
#define API_HEADERS_MAX 24
#define API_DEPTH_MAX	32 /* containers in containers of a body */

struct http_listener;
struct peers;
struct turn;
struct turns;
struct idempotency;

struct http_conn {
	struct http_conn *next, **prev;
	struct http_listener *listener;
	int fd;
	char address[48]; /* of the client, without port; "unix" */
	uint32_t *seat;	/* how many its address has; NULL: not counted */
	bool is_root;	/* UNIX socket, its other end belongs to root */
	bool receiving; /* nothing of an answer was sent yet */
	bool answered;	/* one request at least */
	uint64_t deadline_ns; /* what is going on must be over; UINT64_MAX = no deadline */
};

struct http_listener {
	struct http *http;
	struct MHD_Daemon *daemon;
	struct loop_fd *watch;
	char address[128]; /* as it is */
	int fd;
	bool is_unix, is_tls;
};

struct http {
	struct api *api;
	struct http_listener *listeners;
	unsigned int n;
	struct loop_timer *tick, *again;
	struct http_conn *conns;
	struct peers *peers;
	struct turns *turns;
	struct api_request *requests;
	struct http_stats stats;
	uint64_t next_id;
	uint32_t unheard;   /* connections without an answer yet */
	uint64_t quiet_ns; /* since when there are no new connections; 0: there are */
};

struct api_pair {
	const char *name, *value;
};

enum auth_state { AUTH_NOT_ASKED, AUTH_PENDING, AUTH_OK, AUTH_REFUSED };

struct api_request {
	struct api_request *next, **prev; /* all that are not over: http.requests */
	struct api *api;
	struct http *http;
	struct MHD_Connection *mhd; /* NULL: the connection is gone */
	struct http_conn *conn;
	struct arena arena;
	char *if_match, *if_none_match; /* as sent; kept, for a write may be planned when the client has gone.  NULL = none */
	const struct api_route *route;
	const char *method, *path;
	struct api_pair params[API_PARAMS_MAX], query[API_QUERY_MAX], headers[API_HEADERS_MAX];
	unsigned int n_params, n_query, n_headers;
	char id[65], traceparent[56], address[48];
	bool is_root, is_tls; /* of the connection, which may be gone */
	uint64_t began_ns;
	uint64_t ready_ns; /* when its answer was known that ?wait= keeps back; 0 = none does */

	char *data; /* the body as it came */
	size_t len, cap;
	uint64_t length; /* Content-Length; 0 = none */
	uint64_t tree;	 /* bytes that 'body' may take, counted as those of 'data' */
	bool too_long;
	json_t *body;

	struct api_caller caller;
	enum auth_state auth;
	int auth_status;
	const char *auth_why;

	bool has_body, dispatched, suspended, answered, queued, is_head;
	int status;
	const char *why; /* it is refused, for the log; NULL */
	struct MHD_Response *response;
	void (*with_tenant)(struct api_request *r, struct cache_tenant *t);
	void *kept;
	void (*kept_free)(void *data);
	struct api_stream *stream;
	struct idempotency *idempotency; /* NULL: no key */
	struct turn *turn;	/* turns.c: where it waits; NULL */
	struct api_request *next_turn;
};

/* exchange.c: a request begins; NULL: no memory.  It may be answered already. */
struct api_request *exchange_new(struct http *h, struct http_conn *conn, struct MHD_Connection *mhd, const char *url,
				 const char *method);
void exchange_data(struct api_request *r, const char *data, size_t *len);
/* Memory for the request's body, in bytes more than it has; false: others have it. */
bool exchange_reserve(struct api_request *r, uint64_t bytes);
uint64_t exchange_share(const struct api_request *r); /* the most that one sender may have of it */
void exchange_done(struct api_request *r); /* MHD has finished with it */
void exchange_free(struct api_request *r);

/* dispatch.c: route, query, body; calls the handler. */
void dispatch_begin(struct api_request *r, const char *url); /* headers are here */
void dispatch(struct api_request *r);			     /* the body is here, and the caller known */
void dispatch_now(struct api_request *r);		     /* its turn */
uint64_t dispatch_body_max(const struct api_request *r);     /* bytes; 0: it has none */
/* What is made of the body takes so much until the request is over; false: answered. */
bool dispatch_reserve(struct api_request *r, uint64_t tree);

/* answer.c: sets r->response, and wakes the connection. */
void answer_with(struct api_request *r, int status, struct MHD_Response *response, uint64_t len);

/* stream.c: its client is gone */
void stream_closed(struct api_stream *s);

/* http.c */
void http_kick(struct http *h);
void http_suspend(struct api_request *r);
void http_resume(struct api_request *r);
