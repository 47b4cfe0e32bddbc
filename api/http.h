/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP/1.1 by libmicrohttpd, in the program's own loop: listeners, connections and their deadlines.  Requests are handed to routes.c, which answers by
 * request.h.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "api/api.h"

/* Listens on what the configuration says.  NULL: 'err'. */
struct http *http_new(struct api *api, struct err *err);
/* No new connections; what is on its way is answered, and each connection is over with its answer.  Then http_free(). */
void http_quiesce(struct http *h);
/* Requests are being worked on, streams aside, or may still come from who was let in a moment ago: those know of no other server. */
bool http_is_busy(const struct http *h);
/* Cuts what is still open.  Takes NULL.  No request may be unanswered: db_free() comes before, and fails them. */
void http_free(struct http *h);
/* For tests and logs: the address of the n-th listener as it is, "127.0.0.1:40123"; NULL = no more. */
const char *http_address(const struct http *h, unsigned int n);

struct http_stats {
	uint64_t requests, connections, refused; /* since the start; refused: by a deadline or a limit */
	uint64_t status[6];			 /* answers of 1xx .. 5xx; [0]: none */
	uint64_t bytes_in, bytes_out;		 /* of bodies */
	uint32_t open, streams, pending;	 /* now: connections, streams, requests being worked on */
	uint64_t body_bytes;			 /* now: memory of bodies that are coming in */
	uint64_t stream_bytes;			 /* now: memory of events that wait to be read */
};
const struct http_stats *http_stats(const struct http *h);
