// SPDX-License-Identifier: Apache-2.0
/*
 * GET /metrics on libmicrohttpd, whose epoll descriptor is one of our loop's.  Ports are sampled between packets, so the answer comes when that is done;
 * who asks meanwhile is told the same.  Whoever is at the other end has little to win: a few connections, of a few seconds and kilobytes each.
 */
#include "loader/agent.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "util/log.h"

#define CLIENTS_MAX 16
#define IDLE_S	    5
#define MEMORY	    8192 /* of a connection */
#define RUNS	    16	 /* of the library in one turn */

struct scrape {
	struct scrape *next, **at; /* those that wait for the sample */
	struct MHD_Connection *connection;
	bool ready;
};

struct metrics_server {
	struct agent *a;
	struct MHD_Daemon *http;
	struct loop_fd *f;
	struct loop_timer *more;
	struct scrape *waiting;
};

/* --- answers --- */

static enum MHD_Result answer(struct MHD_Connection *c, unsigned int status, const char *type, char *text, size_t len,
			      enum MHD_ResponseMemoryMode mode)
{
	struct MHD_Response *r = MHD_create_response_from_buffer(len, text, mode);
	enum MHD_Result rc;

	if (!r) {
		if (mode == MHD_RESPMEM_MUST_FREE)
			free(text);
		return MHD_NO;
	}
	(void)MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
		(void)MHD_add_response_header(r, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
	rc = MHD_queue_response(c, status, r);
	MHD_destroy_response(r);
	return rc;
}

static enum MHD_Result refuse(struct MHD_Connection *c, unsigned int status, char *text)
{
	return answer(c, status, "text/plain", text, strlen(text), MHD_RESPMEM_PERSISTENT);
}

static enum MHD_Result tell(struct metrics_server *s, struct MHD_Connection *c)
{
	struct metrics m = { 0 };

	metrics_write(s->a, &m);
	if (m.failed) {
		metrics_fini(&m);
		return refuse(c, MHD_HTTP_INTERNAL_SERVER_ERROR, "out of memory\n");
	}
	return answer(c, MHD_HTTP_OK, "text/plain; version=0.0.4; charset=utf-8", m.text, m.len, MHD_RESPMEM_MUST_FREE);
}

/* --- requests --- */

static void wait_for_sample(struct metrics_server *s, struct scrape *q)
{
	const bool ask = !s->waiting;

	q->next = s->waiting;
	q->at = &s->waiting;
	if (q->next)
		q->next->at = &q->next;
	s->waiting = q;
	MHD_suspend_connection(q->connection);
	if (ask)
		top_ask(s->a);
}

static void ready(struct scrape *q)
{
	*q->at = q->next;
	if (q->next)
		q->next->at = q->at;
	q->ready = true;
	MHD_resume_connection(q->connection);
}

static enum MHD_Result on_request(void *arg, struct MHD_Connection *c, const char *url, const char *method, const char *version,
				  const char *upload, size_t *upload_size, void **state)
{
	struct metrics_server *s = arg;
	struct scrape *q = *state;

	(void)version;
	(void)upload;
	if (!q) { /* the headers have come, nothing else yet */
		q = calloc(1, sizeof(*q));
		if (!q)
			return MHD_NO;
		q->connection = c;
		*state = q;
		return MHD_YES;
	}
	if (*upload_size) {
		*upload_size = 0;
		return MHD_YES;
	}
	if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
		return refuse(c, MHD_HTTP_METHOD_NOT_ALLOWED, "GET only\n");
	if (strcmp(url, "/metrics") != 0)
		return refuse(c, MHD_HTTP_NOT_FOUND, "metrics are at /metrics\n");
	if (q->ready || !s->a->config->metrics_ports)
		return tell(s, c);
	wait_for_sample(s, q);
	return MHD_YES;
}

static void on_over(void *arg, struct MHD_Connection *c, void **state, enum MHD_RequestTerminationCode why)
{
	(void)arg;
	(void)c;
	(void)why;
	free(TAKE_PTR(*state)); /* not while it waits: a suspended request does not end */
}

/* --- the loop --- */

static void run(void *arg);

static void on_more(void *arg)
{
	struct metrics_server *s = arg;

	s->more = NULL;
	run(s);
}

static void run(void *arg)
{
	struct metrics_server *s = arg;
	MHD_UNSIGNED_LONG_LONG ms = 0;

	for (int i = 0; i < RUNS; i++) {
		(void)MHD_run(s->http); /* trouble is a connection's */
		if (MHD_get_timeout(s->http, &ms) != MHD_YES || ms)
			return;
	}
	if (!s->more)
		s->more = loop_timer_add(s->a->loop, 0, 0, on_more, s);
}

static void on_http(void *arg, uint32_t events)
{
	(void)events;
	run(arg);
}

void metrics_server_topped(struct metrics_server *s)
{
	if (!s || !s->waiting)
		return;
	while (s->waiting)
		ready(s->waiting);
	if (!s->more) /* not from within the library */
		s->more = loop_timer_add(s->a->loop, 0, 0, on_more, s);
}

/* Also when nothing is connected: behind too many connections the library listens again only when it is run. */
void metrics_server_tick(struct metrics_server *s)
{
	if (s)
		run(s);
}

/* --- start, stop --- */

static int listen_at(const char *address, struct err *err)
{
	struct sockaddr_in6 six = { .sin6_family = AF_INET6 };
	struct sockaddr_in four = { .sin_family = AF_INET };
	struct skep_ip ip;
	uint16_t port;
	int fd, rc, on = 1;

	if (!endpoint_parse(address, &ip, &port))
		return err_set(err, -EINVAL, "'metrics.listen': '%s' is no address and port", address);
	four.sin_addr.s_addr = ip_v4(&ip);
	memcpy(&six.sin6_addr, &ip, sizeof(six.sin6_addr));
	four.sin_port = six.sin6_port = htons(port);
	fd = socket(ip_is_v4(&ip) ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_set(err, -errno, "'metrics.listen': %s", strerror(errno));
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	rc = ip_is_v4(&ip) ? bind(fd, (struct sockaddr *)&four, sizeof(four)) : bind(fd, (struct sockaddr *)&six, sizeof(six));
	if (rc || listen(fd, CLIENTS_MAX)) {
		rc = err_set(err, -errno, "'metrics.listen': cannot listen at '%s': %s", address, strerror(errno));
		close(fd);
		return rc;
	}
	return fd;
}

/* 'fd' is taken. */
static bool start(struct metrics_server *s, int fd)
{
	const union MHD_DaemonInfo *info;

	s->http = MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, on_request, s,
				   MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT, (unsigned int)CLIENTS_MAX,
				   MHD_OPTION_CONNECTION_TIMEOUT, (unsigned int)IDLE_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)MEMORY,
				   MHD_OPTION_NOTIFY_COMPLETED, on_over, s, MHD_OPTION_END);
	if (!s->http) {
		close(fd);
		return false;
	}
	info = MHD_get_daemon_info(s->http, MHD_DAEMON_INFO_EPOLL_FD);
	s->f = info ? loop_fd_add(s->a->loop, info->epoll_fd, EPOLLIN, on_http, s) : NULL;
	return s->f;
}

static struct metrics_server *new_server(struct agent *a, const char *address, struct err *err)
{
	struct metrics_server *s;
	int fd = listen_at(address, err);

	if (fd < 0)
		return NULL;
	s = calloc(1, sizeof(*s));
	if (!s)
		close(fd);
	else
		s->a = a;
	if (s && start(s, fd))
		return s;
	err_set(err, -ENOMEM, "'metrics.listen': cannot serve '%s'", address);
	metrics_server_free(s);
	return NULL;
}

void metrics_server_try(struct agent *a)
{
	const char *address = a->config->metrics_listen;
	struct err err = { 0 };

	if (!address || a->metrics_server)
		return;
	a->metrics_server = new_server(a, address, &err);
	if (a->metrics_server)
		log_info("metrics: http://%s/metrics", address);
	else if (!a->metrics.deaf)
		log_error("%s (tried again each second)", err.text);
	a->metrics.deaf = !a->metrics_server;
}

void metrics_server_free(struct metrics_server *s)
{
	if (!s)
		return;
	while (s->waiting)
		ready(s->waiting);
	loop_timer_del(s->more);
	loop_fd_del(s->f);
	if (s->http)
		MHD_stop_daemon(s->http); /* closes the socket */
	free(s);
}
