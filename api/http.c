// SPDX-License-Identifier: Apache-2.0
/*
 * One MHD daemon a listener, each an epoll descriptor in the loop.  MHD closes connections that say nothing; those that say too little at a time are
 * ours: a connection has a deadline for whatever it is doing, and is cut when that is over.
 */
#include "api/exchange.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api/listen.h"
#include "api/metrics.h"
#include "api/peer.h"
#include "api/tls.h"
#include "api/turns.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/log.h"

#define TICK_MS	       500
#define TURNS	       16	    /* of MHD before others have theirs */
#define CONN_MEMORY    (24u << 10) /* headers of one request, and what is being sent */
#define UPLOAD_RATE    (256u << 10) /* bytes/s that a body may always take */
#define DOWNLOAD_RATE  (64u << 10)
#define UNHEARD_NS     (2 * NSEC_PER_SEC) /* for who was let in, and has not asked, when the server is told to stop */

static void on_again(void *arg);

/* MHD has something to do that epoll does not tell: at the end of this round of the loop. */
void http_kick(struct http *h)
{
	if (!h->again)
		h->again = loop_timer_add(h->api->loop, 0, 0, on_again, h);
}

static void run(struct http_listener *l)
{
	MHD_UNSIGNED_LONG_LONG ms;

	for (int i = 0; i < TURNS; i++) {
		MHD_run(l->daemon);
		/* some connection has something to do that epoll does not tell again */
		if (MHD_get_timeout(l->daemon, &ms) != MHD_YES || ms)
			return;
	}
	http_kick(l->http);
}

static void on_ready(void *arg, uint32_t events)
{
	(void)events;
	run(arg);
}

static void on_again(void *arg)
{
	struct http *h = arg;

	h->again = NULL;
	for (unsigned int i = 0; i < h->n; i++)
		run(&h->listeners[i]);
}

/* --- deadlines --- */

static void set_deadline(struct http_conn *c, uint64_t seconds)
{
	c->deadline_ns = clock_mono_ns() + seconds * NSEC_PER_SEC;
}

static void cut(struct http *h, struct http_conn *c)
{
	static const char body[] =
		"{\"type\":\"/problems/timeout\",\"title\":\"Request Timeout\",\"status\":408,\"detail\":\"the request did not come in time\"}\n";
	char late[512];
	int n = snprintf(late, sizeof(late),
			 "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Type: application/problem+json\r\nContent-Length: %zu\r\n\r\n%s",
			 sizeof(body) - 1, body);

	if (c->receiving && !c->listener->is_tls)
		(void)!send(c->fd, late, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL); /* politeness only */
	h->stats.refused++;
	c->deadline_ns = UINT64_MAX;
	(void)shutdown(c->fd, SHUT_RDWR); /* MHD sees its end */
}

static void on_tick(void *arg)
{
	struct http *h = arg;
	uint64_t now = clock_mono_ns();

	for (struct http_conn *c = h->conns; c; c = c->next)
		if (c->deadline_ns <= now)
			cut(h, c);
	for (unsigned int i = 0; i < h->n; i++)
		run(&h->listeners[i]);
}

/* --- MHD's callbacks --- */

static void name_peer(struct http_conn *c, bool is_unix)
{
	struct sockaddr_storage sa = { 0 };
	socklen_t len = sizeof(sa);

	snprintf(c->address, sizeof(c->address), "%s", is_unix ? "unix" : "unknown");
	if (is_unix || getpeername(c->fd, (struct sockaddr *)&sa, &len))
		return;
	peer_name((struct sockaddr *)&sa, c->address);
	c->seat = peers_seat(c->listener->http->peers, (struct sockaddr *)&sa);
	if (c->seat)
		++*c->seat;
}

/* Before MHD has a connection of it. */
static enum MHD_Result on_accept(void *cls, const struct sockaddr *sa, socklen_t len)
{
	struct http *h = ((struct http_listener *)cls)->http;
	const struct api_config *config = h->api->config;
	const uint32_t most = config->per_address ? config->per_address : config->connections / 4 + 1;
	const uint32_t *seat = len ? peers_seat(h->peers, sa) : NULL;
	char address[PEER_TEXT];

	if (!seat || *seat < most)
		return MHD_YES;
	peer_name(sa, address);
	if (peer_is_proxy(config, address))
		return MHD_YES; /* all are behind it */
	h->stats.refused++;
	return MHD_NO;
}

static void conn_begin(struct http_listener *l, struct MHD_Connection *mhd, void **context)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct http *h = l->http;
	struct http_conn *c = calloc(1, sizeof(*c));
	struct ucred peer = { .uid = (uid_t)-1 };
	socklen_t len = sizeof(peer);

	h->stats.connections++;
	if (!c || !info) {
		free(c);
		return; /* its requests are refused */
	}
	c->listener = l;
	c->fd = info->connect_fd;
	c->receiving = true;
	c->is_root = l->is_unix && !getsockopt(c->fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) && peer.uid == 0;
	name_peer(c, l->is_unix);
	c->next = h->conns;
	c->prev = &h->conns;
	if (c->next)
		c->next->prev = &c->next;
	h->conns = c;
	h->stats.open++;
	h->unheard++;
	set_deadline(c, h->api->config->request_s); /* who has said nothing yet is not kept as one that will ask again */
	*context = c;
}

static void on_connection(void *cls, struct MHD_Connection *mhd, void **context, enum MHD_ConnectionNotificationCode code)
{
	struct http_listener *l = cls;
	struct http_conn *c = *context;

	if (code == MHD_CONNECTION_NOTIFY_STARTED) {
		conn_begin(l, mhd, context);
		return;
	}
	if (!c)
		return;
	*c->prev = c->next;
	if (c->next)
		c->next->prev = c->prev;
	l->http->stats.open--;
	l->http->unheard -= !c->answered;
	if (c->seat)
		--*c->seat;
	free(c);
	*context = NULL;
}

static void on_completed(void *cls, struct MHD_Connection *mhd, void **state, enum MHD_RequestTerminationCode code)
{
	struct http_listener *l = cls;
	struct api_request *r = *state;

	(void)mhd;
	(void)code;
	if (!r)
		return;
	r->conn->receiving = true;
	l->http->unheard -= !r->conn->answered;
	r->conn->answered = true;
	set_deadline(r->conn, l->http->api->config->idle_s + l->http->api->config->request_s);
	*state = NULL;
	exchange_done(r);
}

static struct http_conn *conn_of(struct MHD_Connection *mhd)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	return info ? info->socket_context : NULL;
}

static enum MHD_Result queue(struct api_request *r)
{
	r->queued = true;
	r->conn->receiving = false;
	if (r->stream)
		r->conn->deadline_ns = UINT64_MAX;
	if (r->http->quiet_ns)
		(void)MHD_add_response_header(r->response, MHD_HTTP_HEADER_CONNECTION, "close"); /* without, the connection is cut later */
	return MHD_queue_response(r->mhd, (unsigned int)r->status, r->response);
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *mhd, const char *url, const char *method,
				  const char *version, const char *data, size_t *len, void **state)
{
	struct http_listener *l = cls;
	struct api_request *r = *state;
	const struct api_config *config = l->http->api->config;

	(void)version;
	if (!r) {
		struct http_conn *c = conn_of(mhd);

		if (!c)
			return MHD_NO;
		set_deadline(c, config->request_s);
		r = *state = exchange_new(l->http, c, mhd, url, method);
		if (!r)
			return MHD_NO;
		/* answered before the body is read: the connection ends with it */
		return r->answered && r->has_body ? queue(r) : MHD_YES;
	}
	if (*len) {
		size_t was = *len;

		exchange_data(r, data, len);
		r->conn->deadline_ns += (was - *len) * NSEC_PER_SEC / UPLOAD_RATE;
		return MHD_YES;
	}
	if (!r->answered && !r->dispatched) {
		r->conn->deadline_ns = UINT64_MAX;
		dispatch(r);
	}
	if (r->answered)
		return r->queued ? MHD_YES : queue(r);
	http_suspend(r);
	return MHD_YES;
}

void http_suspend(struct api_request *r)
{
	if (r->suspended)
		return;
	r->suspended = true;
	r->conn->deadline_ns = UINT64_MAX;
	MHD_suspend_connection(r->mhd);
}

void http_resume(struct api_request *r)
{
	if (!r->suspended)
		return;
	r->suspended = false;
	set_deadline(r->conn, r->http->api->config->request_s);
	MHD_resume_connection(r->mhd);
	http_kick(r->http);
}

void answer_with(struct api_request *r, int status, struct MHD_Response *response, uint64_t len)
{
	api_metrics_answered(r, status);
	r->answered = true;
	r->status = status;
	r->response = response;
	r->http->stats.requests++;
	r->http->stats.status[status / 100 < 6 ? status / 100 : 0]++;
	r->http->stats.bytes_out += len;
	http_resume(r);
	set_deadline(r->conn, r->http->api->config->request_s + len / DOWNLOAD_RATE);
}

static size_t keep_escapes(void *cls, struct MHD_Connection *mhd, char *text)
{
	(void)cls;
	(void)mhd;
	return strlen(text); /* the path is taken apart first: exchange.c */
}

static void on_log(void *cls, const char *fmt, va_list ap)
{
	char text[256];

	(void)cls;
	vsnprintf(text, sizeof(text), fmt, ap);
	text[strcspn(text, "\r\n")] = 0;
	log_debug("http: %s", text);
}

/* --- life --- */

static int start(struct http_listener *l, struct err *err)
{
	struct http *h = l->http;
	const struct api_config *c = h->api->config;
	unsigned int flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG;
	const union MHD_DaemonInfo *info;
	struct MHD_OptionItem tls[] = {
		{ MHD_OPTION_HTTPS_CERT_CALLBACK, 0, tls_callback() },
		{ MHD_OPTION_HTTPS_PRIORITIES, 0, (char *)TLS_PRIORITIES },
		{ MHD_OPTION_END, 0, NULL },
	};

	if (l->is_tls)
		flags |= MHD_USE_TLS;
	else
		tls[0] = tls[2];
	l->daemon = MHD_start_daemon(flags, 0, on_accept, l, on_request, l, MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL,
				     MHD_OPTION_LISTEN_SOCKET, l->fd, MHD_OPTION_CONNECTION_LIMIT, c->connections,
				     MHD_OPTION_CONNECTION_TIMEOUT, c->idle_s, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
				     (size_t)CONN_MEMORY, MHD_OPTION_NOTIFY_CONNECTION, on_connection, l,
				     MHD_OPTION_NOTIFY_COMPLETED, on_completed, l, MHD_OPTION_UNESCAPE_CALLBACK,
				     keep_escapes, NULL, MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_ARRAY, tls,
				     MHD_OPTION_END);
	if (!l->daemon)
		return err_set(err, -EIO, "cannot serve on '%s'", l->address);
	l->fd = -1; /* MHD's now */
	info = MHD_get_daemon_info(l->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	l->watch = info ? loop_fd_add(h->api->loop, info->epoll_fd, EPOLLIN, on_ready, l) : NULL;
	return l->watch ? 0 : err_set(err, -ENOMEM, "out of memory");
}

static int open_all(struct http *h, struct err *err)
{
	const struct api_config *c = h->api->config;
	int rc = tls_load(c, err);

	h->listeners = calloc(c->n_listens, sizeof(*h->listeners));
	h->tick = loop_timer_add(h->api->loop, TICK_MS * NSEC_PER_MSEC, TICK_MS * NSEC_PER_MSEC, on_tick, h);
	if (!rc && (!h->listeners || !h->tick))
		return err_set(err, -ENOMEM, "out of memory");
	for (unsigned int i = 0; !rc && i < c->n_listens; i++) {
		struct http_listener *l = &h->listeners[i];

		*l = (struct http_listener){ .http = h, .fd = -1 };
		h->n++;
		l->fd = listen_open(c->listens[i], c->tls_certificate, l->address, &l->is_unix, err);
		l->is_tls = c->tls_certificate && !l->is_unix;
		rc = l->fd < 0 ? l->fd : start(l, err);
	}
	if (!rc && listen_unused())
		log_warn("%d of the sockets that systemd has opened are not in 'listen': nobody answers there", listen_unused());
	return rc;
}

struct http *http_new(struct api *api, struct err *err)
{
	struct http *h = calloc(1, sizeof(*h));

	if (!h) {
		err_set(err, -ENOMEM, "out of memory");
		return NULL;
	}
	h->api = api;
	h->peers = peers_new();
	h->turns = turns_new(api->loop);
	if (!h->peers || !h->turns)
		err_set(err, -ENOMEM, "out of memory");
	if (!h->peers || !h->turns || open_all(h, err)) {
		http_free(h);
		return NULL;
	}
	return h;
}

void http_quiesce(struct http *h)
{
	for (unsigned int i = 0; !h->quiet_ns && i < h->n; i++) {
		int fd = MHD_quiesce_daemon(h->listeners[i].daemon);

		listen_close(fd, &h->listeners[i].address[0]);
	}
	h->quiet_ns = clock_mono_ns();
}

bool http_is_busy(const struct http *h)
{
	return h->stats.pending > h->stats.streams || (h->unheard && clock_mono_ns() < h->quiet_ns + UNHEARD_NS);
}

/* Connections must not sleep when MHD stops. */
static void wake_all(struct http *h)
{
	for (struct api_request *r = h->requests, *next; r; r = next) {
		next = r->next;
		if (r->stream)
			api_stream_end(r->stream);
		else if (r->mhd && !r->answered && r->suspended)
			api_problemf(r, 503, "unavailable", "the server stops");
	}
}

void http_free(struct http *h)
{
	if (!h)
		return;
	wake_all(h);
	for (unsigned int i = 0; i < h->n; i++) {
		struct http_listener *l = &h->listeners[i];

		loop_fd_del(l->watch);
		if (l->daemon) {
			MHD_run(l->daemon); /* connections that were woken */
			MHD_stop_daemon(l->daemon);
		}
		if (!h->quiet_ns)
			listen_close(l->fd, l->address);
	}
	loop_timer_del(h->tick);
	loop_timer_del(h->again);
	free(h->listeners);
	peers_free(h->peers);
	turns_free(h->turns);
	tls_free();
	free(h);
}

const char *http_address(const struct http *h, unsigned int n)
{
	return n < h->n ? h->listeners[n].address : NULL;
}

const struct http_stats *http_stats(const struct http *h)
{
	return &h->stats;
}
