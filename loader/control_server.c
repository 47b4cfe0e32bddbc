// SPDX-License-Identifier: Apache-2.0
/*
 * skepd's side of the control socket.  Never blocks and never grows without bound: a client that
 * does not read loses its connection, or, if it watches drops, the lines it had no room for; it is
 * then told their number.  Long answers are made by control_rows.c; requests that need to know what flows have carried up to now wait for a walk over them.
 */
#include "loader/control.h"
#include "loader/control_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "util/clock.h"
#include "util/log.h"

#define COMMANDS "status, top, flows, flush, drops, log, trace, why, conns, rules or leave"
#define CLIENTS_MAX 64
#define WATCH_MAX   (256u << 10) /* bytes of a watch's lines that wait for one client */
void control_sweep(struct control_server *s)
{
	for (struct client **c = &s->clients; *c;) {
		struct client *dead = *c;

		if (!dead->dead) {
			c = &dead->next;
			continue;
		}
		*c = dead->next;
		json_decref(dead->top);
		json_decref(dead->waiting);
		if (dead->rows)
			dead->rows->free(dead->rows);
		free(dead->in);
		free(dead->out);
		free(dead);
	}
}

static void watch(struct client *c, unsigned int what)
{
	struct control_server *s = c->server;

	s->drop_watchers += !!(what & WATCH_DROPS) - !!(c->watch & WATCH_DROPS);
	s->log_watchers += !!(what & WATCH_LOG) - !!(c->watch & WATCH_LOG);
	c->watch = what;
}

void control_kill(struct client *c)
{
	if (c->dead)
		return;
	loop_fd_del(c->f);
	close(c->fd);
	c->dead = true;
	c->server->n--;
	watch(c, 0);
}

void control_push(struct client *c)
{
	while (c->out_off < c->out_len) {
		ssize_t rc = send(c->fd, c->out + c->out_off, c->out_len - c->out_off,
				  MSG_NOSIGNAL | MSG_DONTWAIT);

		if (rc < 0 && errno == EINTR)
			continue;
		if (rc < 0 && errno == EAGAIN) {
			(void)loop_fd_events(c->f, EPOLLIN | EPOLLOUT);
			return;
		}
		if (rc < 0) {
			control_kill(c);
			return;
		}
		c->out_off += (size_t)rc;
	}
	c->out_off = c->out_len = 0;
	if (c->rows)
		control_rows_soon(c->server);
	if (c->closing)
		control_kill(c);
	else
		(void)loop_fd_events(c->f, EPOLLIN);
}

bool control_queue_bytes(struct client *c, const char *p, size_t n, size_t max)
{
	if (c->out_len - c->out_off + n > max)
		return false;
	if (c->out_off > c->out_len / 2) {
		memmove(c->out, c->out + c->out_off, c->out_len - c->out_off);
		c->out_len -= c->out_off;
		c->out_off = 0;
	}
	if (c->out_len + n > c->out_cap) {
		size_t cap = c->out_cap ? c->out_cap : 4096;
		char *out;

		while (cap < c->out_len + n)
			cap *= 2;
		out = realloc(c->out, cap);
		if (!out)
			return false;
		c->out = out;
		c->out_cap = cap;
	}
	memcpy(c->out + c->out_len, p, n);
	c->out_len += n;
	return true;
}

/* Queues a line; false = no room. */
bool control_queue(struct client *c, const char *line, size_t n, size_t max)
{
	return c->out_len - c->out_off + n + 1 <= max && control_queue_bytes(c, line, n, max) &&
	       control_queue_bytes(c, "\n", 1, max);
}

/* Takes 'reply'. */
static void answer(struct client *c, json_t *reply)
{
	char *line = reply ? json_dumps(reply, JSON_COMPACT) : NULL;

	json_decref(reply);
	if (c->dead) {
		free(line);
		return;
	}
	if (!line || !control_queue(c, line, strlen(line), CONTROL_OUT_MAX))
		control_kill(c);
	else
		control_push(c);
	free(line);
}

static void answer_result(struct client *c, json_t *result)
{
	answer(c, json_pack("{s:o}", "result", result));
}

/* Texts quote the beginning of names, which may end within a character. */
static void answer_error(struct client *c, const struct err *err)
{
	json_t *message = json_string(err->text);
	struct err plain = *err;

	for (char *p = plain.text; !message && *p; p++)
		*p = (unsigned char)*p < 0x80 ? *p : '?';
	if (!message)
		message = json_string(plain.text);
	answer(c, json_pack("{s:{s:s, s:o}}", "error", "code", err_name(err), "message", message));
}

/* --- watches --- */

bool control_watched(const struct control_server *s)
{
	return s->drop_watchers;
}

bool control_log_watched(const struct control_server *s)
{
	return s->log_watchers;
}

static bool tell_lost(struct client *c)
{
	char line[64];
	int n;

	if (!c->lost)
		return true;
	n = snprintf(line, sizeof(line), "{\"result\":{\"lost\":%llu}}",
		     (unsigned long long)c->lost);
	if (!control_queue(c, line, (size_t)n, WATCH_MAX))
		return false;
	c->lost = 0;
	return true;
}

static void tell(struct control_server *s, enum watch what, json_t *event)
{
	json_t *reply = event ? json_pack("{s:o}", "result", event) : NULL;
	char *line = reply ? json_dumps(reply, JSON_COMPACT) : NULL;

	for (struct client *c = s->clients; c; c = c->next) {
		if (c->dead || !(c->watch & what))
			continue;
		if (!line || c->rows || !tell_lost(c) || !control_queue(c, line, strlen(line), WATCH_MAX))
			c->lost++;
		control_push(c);
	}
	free(line);
	json_decref(reply);
}

void control_drop(struct control_server *s, json_t *event)
{
	tell(s, WATCH_DROPS, event);
}

void control_log(struct control_server *s, json_t *event)
{
	tell(s, WATCH_LOG, event);
}

/* --- requests --- */

static void left(void *arg, const struct err *err)
{
	struct control_server *s = arg;

	for (struct client *c = s->clients; c; c = c->next) {
		if (c->dead || !c->leaving)
			continue;
		c->leaving = false;
		if (err)
			answer_error(c, err);
		else
			answer_result(c, json_object());
	}
}

void control_topped(struct control_server *s)
{
	for (struct client *c = s->clients; c; c = c->next) {
		json_t *req = TAKE_PTR(c->top), *result;
		struct err err = { 0 };

		if (!req || c->dead) {
			json_decref(req);
			continue;
		}
		result = report_top(s->a, req, &err);
		json_decref(req);
		if (result)
			answer_result(c, result);
		else
			answer_error(c, &err);
		control_requests(c);
	}
}

/* Those that say what flows have carried. */
static bool needs_walk(const char *cmd)
{
	static const char *const cmds[] = { "conns", "rules", "trace", "why" };

	for (size_t i = 0; cmd && i < ARRAY_SIZE(cmds); i++)
		if (!strcmp(cmds[i], cmd))
			return true;
	return false;
}

static void answer_walked(struct client *c, const json_t *req)
{
	const char *cmd = json_string_value(json_object_get(req, "cmd"));
	struct agent *a = c->server->a;
	struct report_rows *rows = NULL;
	struct err err = { .code = -ENOMEM, .text = "out of memory" };
	json_t *result = NULL;

	if (!strcmp(cmd, "conns"))
		rows = report_conns(a, req, &err);
	else if (!strcmp(cmd, "rules"))
		result = report_rules(a, json_string_value(json_object_get(req, "tenant")),
				      json_string_value(json_object_get(req, "chain")), &err);
	else if (!strcmp(cmd, "trace"))
		result = report_trace(a, req, &err);
	else
		result = report_why(a, req, &err);
	if (rows)
		control_rows_begin(c, rows);
	else if (result)
		answer_result(c, result);
	else
		answer_error(c, &err);
}

void control_walked(struct control_server *s)
{
	bool again = false;

	for (struct client *c = s->clients; c; c = c->next) {
		json_t *req;

		if (c->dead || !c->waiting)
			continue;
		if (c->walk > s->a->walk) { /* it began too early */
			again = true;
			continue;
		}
		req = TAKE_PTR(c->waiting);
		answer_walked(c, req);
		json_decref(req);
		control_requests(c);
	}
	if (again)
		expiry_walk(s->a);
}

/* Requests are answered one after the other. */
static bool is_busy(const struct client *c)
{
	return c->waiting || c->rows || c->top || c->leaving;
}

static void request(struct client *c, const char *line, size_t n)
{
	struct agent *a = c->server->a;
	const char *cmd, *tenant, *port;
	struct report_rows *rows = NULL;
	struct err err = { 0 };
	json_t *req, *result = NULL;
	json_error_t je;

	req = json_loadb(line, n, JSON_REJECT_DUPLICATES, &je);
	cmd = json_string_value(json_object_get(req, "cmd"));
	tenant = json_string_value(json_object_get(req, "tenant"));
	port = json_string_value(json_object_get(req, "port"));
	if (!req)
		err_set(&err, -EINVAL, "request is not JSON: %s", je.text);
	else if (!cmd)
		err_set(&err, -EINVAL,
			"request: field 'cmd' is missing (want " COMMANDS ")");
	else if (!strcmp(cmd, "status"))
		result = report_status(a);
	else if (needs_walk(cmd)) {
		c->waiting = req;
		c->walk = a->walk + 1;
		expiry_walk(a);
		return;
	} else if (!strcmp(cmd, "flows"))
		rows = report_flows(a, req, &err);
	else if (!strcmp(cmd, "flush"))
		result = report_flush(a, tenant, port, &err);
	else if (!strcmp(cmd, "drops") || !strcmp(cmd, "log")) {
		if (json_is_true(json_object_get(req, "watch"))) {
			watch(c, c->watch | (*cmd == 'd' ? WATCH_DROPS : WATCH_LOG));
			json_decref(req);
			return;
		}
		err_set(&err, -EINVAL, "request '%s': field 'watch' must be true", cmd);
	} else if (!strcmp(cmd, "top")) {
		c->top = req;
		top_ask(a);
		return;
	} else if (!strcmp(cmd, "leave")) {
		c->leaving = true;
		json_decref(req);
		membership_leave(a, left, c->server);
		return;
	} else {
		err_tag(&err, -EINVAL, "no_such_command",
			"request '%.40s' is not known (want " COMMANDS ")", cmd);
	}
	json_decref(req);
	if (rows)
		control_rows_begin(c, rows);
	else if (result)
		answer_result(c, result);
	else
		answer_error(c,
			     err.code ? &err
				      : &(struct err){ .code = -ENOMEM, .text = "out of memory" });
}

void control_requests(struct client *c)
{
	char *nl;

	while (!c->dead && !is_busy(c) && c->in_len && (nl = memchr(c->in, '\n', c->in_len))) {
		size_t n = (size_t)(nl - c->in);
		_free_ char *line = malloc(n + 1); /* its answer may look for the next one */

		if (line)
			memcpy(line, c->in, n);
		c->in_len -= n + 1;
		memmove(c->in, nl + 1, c->in_len);
		if (n && line)
			request(c, line, n);
	}
	if (c->dead)
		return;
	if (c->in_len >= CONTROL_LINE_MAX) {
		c->in_len = 0;
		c->closing = true;
		answer_error(
			c, &(struct err){ .code = -E2BIG, .text = "request is longer than 1 MiB" });
	}
}

static void on_client(void *arg, uint32_t events)
{
	struct client *c = arg;
	ssize_t rc;

	if (events & EPOLLOUT)
		control_push(c);
	if (c->dead || !(events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
		goto out;
	if (c->in_len == c->in_cap) {
		size_t cap = c->in_cap ? c->in_cap * 2 : 4096;
		char *p = cap <= 2 * CONTROL_LINE_MAX ? realloc(c->in, cap) : NULL;

		if (!p) {
			control_kill(c);
			goto out;
		}
		c->in = p;
		c->in_cap = cap;
	}
	rc = recv(c->fd, c->in + c->in_len, c->in_cap - c->in_len, MSG_DONTWAIT);
	if (rc > 0) {
		c->in_len += (size_t)rc;
		control_requests(c);
	} else if (!rc || (errno != EAGAIN && errno != EINTR)) {
		control_kill(c);
	}
out:
	control_sweep(c->server);
}

static void on_accept(void *arg, uint32_t events)
{
	struct control_server *s = arg;
	struct client *c;
	int fd;

	(void)events;
	while ((fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0) {
		c = s->n < CLIENTS_MAX ? calloc(1, sizeof(*c)) : NULL;
		if (c) {
			*c = (struct client){ .server = s, .fd = fd };
			c->f = loop_fd_add(s->a->loop, fd, EPOLLIN, on_client, c);
		}
		if (!c || !c->f) {
			log_warn("control socket: a client was turned away (%u are connected)",
				 s->n);
			free(c);
			close(fd);
			continue;
		}
		c->next = s->clients;
		s->clients = c;
		s->n++;
	}
}

/* --- the socket --- */

static int listen_at(const char *path, struct err *err)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	mode_t old;
	int fd, rc;

	if (strlen(path) >= sizeof(sa.sun_path))
		return err_set(err, -ENAMETOOLONG,
			       "control socket '%s': the path is too long (at most %zu characters)",
			       path, sizeof(sa.sun_path) - 1);
	memcpy(sa.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_set(err, -errno, "control socket '%s': %s", path, strerror(errno));
	(void)unlink(
		path); /* left by an earlier process; one skepd at a time is ensured elsewhere */
	old = umask(0117);
	rc = bind(fd, (struct sockaddr *)&sa, sizeof(sa)) || listen(fd, 16) ? -errno : 0;
	umask(old);
	if (rc) {
		close(fd);
		return err_set(err, rc, "control socket '%s': %s", path, strerror(-rc));
	}
	return fd;
}

struct control_server *control_server_new(struct agent *a, const char *path, struct err *err)
{
	struct control_server *s = calloc(1, sizeof(*s));

	if (!s || !(s->path = strdup(path)))
		goto nomem;
	s->a = a;
	s->fd = listen_at(path, err);
	if (s->fd < 0) {
		free(s->path);
		free(s);
		return NULL;
	}
	s->f = loop_fd_add(a->loop, s->fd, EPOLLIN, on_accept, s);
	if (s->f)
		return s;
	close(s->fd);
nomem:
	err_set(err, -ENOMEM, "control socket '%s': out of memory", path);
	if (s)
		free(s->path);
	free(s);
	return NULL;
}

void control_server_free(struct control_server *s)
{
	if (!s)
		return;
	for (struct client *c = s->clients; c; c = c->next)
		control_kill(c);
	loop_timer_del(s->rows_timer);
	control_sweep(s);
	loop_fd_del(s->f);
	close(s->fd);
	(void)unlink(s->path);
	free(s->path);
	free(s);
}
