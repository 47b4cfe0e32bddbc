// SPDX-License-Identifier: Apache-2.0
/* An answer without an end: what is written waits here until MHD has sent it, and the connection sleeps while there is nothing. */
#include "api/exchange.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define PENDING_MAX  (1u << 20) /* a client that is so far behind is let go */
#define KEPT_MAX     4096	/* of a buffer that is empty */
#define STREAMS_PART 8		/* of memory_max: what all that are behind may have; then who has more than its share is let go */

struct api_stream {
	struct api_request *r; /* NULL: gone */
	struct http *http;
	struct api_stream_ops ops;
	void *arg;
	char *data;
	size_t len, cap, sent;
	bool ending, sleeping, broken;
};

struct api_stream *stream_new(struct api_request *r, const struct api_stream_ops *ops, void *arg, struct MHD_Response **response);

/* The buffer is as large as that; false: no memory. */
static bool resize(struct api_stream *s, size_t cap)
{
	char *data = realloc(s->data, cap);

	if (!data)
		return false;
	s->http->stats.stream_bytes += cap - s->cap;
	s->data = data;
	s->cap = cap;
	return true;
}

static ssize_t on_read(void *cls, uint64_t pos, char *buf, size_t max)
{
	struct api_stream *s = cls;
	size_t n = s->len - s->sent;

	(void)pos;
	if (s->broken)
		return MHD_CONTENT_READER_END_WITH_ERROR;
	if (!n && s->ending)
		return MHD_CONTENT_READER_END_OF_STREAM;
	if (!n) {
		s->sleeping = true;
		MHD_suspend_connection(s->r->mhd);
		return 0;
	}
	if (n > max)
		n = max;
	memcpy(buf, s->data + s->sent, n);
	s->sent += n;
	if (s->sent == s->len) {
		s->sent = s->len = 0;
		if (s->cap > KEPT_MAX)
			(void)resize(s, KEPT_MAX);
	}
	return (ssize_t)n;
}

struct api_stream *stream_new(struct api_request *r, const struct api_stream_ops *ops, void *arg, struct MHD_Response **response)
{
	struct api_stream *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	*s = (struct api_stream){ .r = r, .http = r->http, .ops = *ops, .arg = arg };
	*response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 8192, on_read, s, NULL);
	if (!*response) {
		free(s);
		return NULL;
	}
	s->http->stats.streams++;
	return s;
}

static void wake(struct api_stream *s)
{
	if (!s->sleeping)
		return;
	s->sleeping = false;
	MHD_resume_connection(s->r->mhd);
	http_kick(s->http);
}

int api_stream_write(struct api_stream *s, const char *data, size_t len)
{
	const uint64_t most = s->http->api->config->memory_max / STREAMS_PART;
	size_t cap = s->cap ? s->cap : 1024;
	bool far;

	if (s->broken || s->ending)
		return -ENOBUFS;
	if (s->sent && s->len + len > s->cap) {
		memmove(s->data, s->data + s->sent, s->len - s->sent);
		s->len -= s->sent;
		s->sent = 0;
	}
	while (cap < s->len + len)
		cap *= 2;
	/* one message may be larger than what may wait */
	far = s->len > PENDING_MAX || (cap > s->cap && (s->len + len) * s->http->stats.streams > most &&
				       s->http->stats.stream_bytes + cap - s->cap > most);
	if (far || (cap > s->cap && !resize(s, cap))) {
		s->broken = true;
		(void)shutdown(s->r->conn->fd, SHUT_RDWR); /* MHD may be waiting for a socket that never takes more */
		wake(s);
		return -ENOBUFS;
	}
	memcpy(s->data + s->len, data, len);
	s->len += len;
	wake(s);
	return 0;
}

void api_stream_end(struct api_stream *s)
{
	s->ending = true;
	wake(s);
}

void stream_closed(struct api_stream *s)
{
	s->http->stats.streams--;
	s->http->stats.stream_bytes -= s->cap;
	s->ops.closed(s->arg);
	free(s->data);
	free(s);
}
