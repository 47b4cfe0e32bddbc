// SPDX-License-Identifier: Apache-2.0
/* What is sent back. */
#include "api/exchange.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/idempotency.h"
#include "api/metrics.h"
#include "api/problem.h"

void api_header(struct api_request *r, const char *name, const char *value)
{
	char *copy;

	if (r->n_headers == API_HEADERS_MAX)
		return;
	copy = arena_printf(&r->arena, "%s", value);
	if (copy)
		r->headers[r->n_headers++] = (struct api_pair){ arena_printf(&r->arena, "%s", name), copy };
}

static bool has_header(const struct api_request *r, const char *name)
{
	for (unsigned int i = 0; i < r->n_headers; i++)
		if (!strcmp(r->headers[i].name, name))
			return true;
	return false;
}

static void send_it(struct api_request *r, int status, const char *type, struct MHD_Response *response, uint64_t len)
{
	if (type)
		(void)MHD_add_response_header(response, "Content-Type", type);
	(void)MHD_add_response_header(response, "X-Request-Id", r->id);
	(void)MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
	if (r->is_tls)
		(void)MHD_add_response_header(response, "Strict-Transport-Security", "max-age=31536000");
	if (r->traceparent[0])
		(void)MHD_add_response_header(response, "traceparent", r->traceparent);
	if (!has_header(r, "Cache-Control"))
		(void)MHD_add_response_header(response, "Cache-Control", "no-store");
	for (unsigned int i = 0; i < r->n_headers; i++)
		(void)MHD_add_response_header(response, r->headers[i].name, r->headers[i].value);
	answer_with(r, status, response, len);
}

void api_answer_text(struct api_request *r, int status, const char *type, char *text, size_t len)
{
	struct MHD_Response *response;

	if (r->answered) { /* a handler's mistake; the first one counts */
		free(text);
		return;
	}
	if (idempotency_keep(r, status, type, text, len))
		return; /* comes again */
	response = MHD_create_response_from_buffer(len, text, text ? MHD_RESPMEM_MUST_FREE : MHD_RESPMEM_PERSISTENT);
	if (!response) {
		free(text);
		abort(); /* a few hundred bytes: nothing will work any more */
	}
	send_it(r, status, type, response, len);
}

void api_answer(struct api_request *r, int status, json_t *body)
{
	char *text = NULL;

	if (body) {
		text = json_dumps(body, JSON_COMPACT | JSON_ENCODE_ANY);
		json_decref(body);
		if (!text) {
			api_problemf(r, 503, "overloaded", "out of memory");
			return;
		}
	}
	api_answer_text(r, status, text ? "application/json" : NULL, text, text ? strlen(text) : 0);
}

void api_answer_file(struct api_request *r, int status, const char *type, int fd, uint64_t size)
{
	struct MHD_Response *response = MHD_create_response_from_fd64(size, fd);

	if (!response) {
		close(fd);
		api_problemf(r, 503, "overloaded", "out of memory");
		return;
	}
	send_it(r, status, type, response, size);
}

void api_problem(struct api_request *r, int status, const char *slug, const struct err *err)
{
	json_t *body = problem_body(status, slug, r->id, err);
	char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;

	json_decref(body);
	if (!r->answered)
		api_metrics_denied(r->api->metrics, status, slug);
	if (!r->why && err)
		r->why = arena_printf(&r->arena, "%s", err->text);
	if (status == 503 && !has_header(r, "Retry-After"))
		api_header(r, "Retry-After", "1");
	api_answer_text(r, status, "application/problem+json", text, text ? strlen(text) : 0);
}

void api_problemf(struct api_request *r, int status, const char *slug, const char *fmt, ...)
{
	struct err err = { 0 };
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(err.text, sizeof(err.text), fmt, ap);
	va_end(ap);
	api_problem(r, status, slug, &err);
}

/* What the state DB said, and where it is, is for those who keep this server: the client has the request's id. */
void api_fail(struct api_request *r, const struct err *err)
{
	const char *slug;
	int status = problem_status(err, &slug);

	if (status == 503 && !err->tag && err->code != -ENOMEM) {
		r->why = arena_printf(&r->arena, "%s", err->text);
		api_problemf(r, status, slug, "the state DB does not answer; what was being written may have been");
	} else {
		api_problem(r, status, slug, err);
	}
}

/* stream.c makes the response */
struct api_stream *stream_new(struct api_request *r, const struct api_stream_ops *ops, void *arg, struct MHD_Response **response);

struct api_stream *api_stream(struct api_request *r, int status, const char *type, const struct api_stream_ops *ops, void *arg)
{
	struct MHD_Response *response;
	struct api_stream *s = stream_new(r, ops, arg, &response);

	if (!s) {
		api_problemf(r, 503, "overloaded", "out of memory");
		return NULL;
	}
	r->stream = s;
	send_it(r, status, type, response, 0);
	return s;
}
