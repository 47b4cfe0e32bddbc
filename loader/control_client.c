// SPDX-License-Identifier: Apache-2.0
/* The client's side of the control socket: connects, sends a line, waits for lines.  Blocking, with
 * deadlines; used by skep (cli/) and by tests.  The protocol is described in control.h. */
#include "loader/control.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "util/cleanup.h"
#include "util/clock.h"

#define REPLY_MAX (512u << 20)

struct control_client {
	int fd;
	char *path;
	char *buf; /* received, not yet taken */
	size_t len, cap;
};

struct control_client *control_connect(const char *socket_path, struct err *err)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	struct control_client *c;
	_close_ int fd = -1;

	if (strlen(socket_path) >= sizeof(sa.sun_path)) {
		err_set(err, -ENAMETOOLONG,
			"control socket '%s': the path is too long (at most %zu characters)",
			socket_path, sizeof(sa.sun_path) - 1);
		return NULL;
	}
	memcpy(sa.sun_path, socket_path, strlen(socket_path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&sa, sizeof(sa))) {
		int code = -errno;

		err_tag(err, code, "no_agent", "cannot reach skepd at '%s': %s%s", socket_path,
			strerror(-code),
			code == -ENOENT || code == -ECONNREFUSED ? " (is it running on this host?)"
								 : "");
		return NULL;
	}
	c = calloc(1, sizeof(*c));
	if (!c || !(c->path = strdup(socket_path))) {
		free(c);
		err_set(err, -ENOMEM, "cannot reach skepd: out of memory");
		return NULL;
	}
	c->fd = TAKE_FD(fd);
	return c;
}

void control_close(struct control_client *c)
{
	if (!c)
		return;
	close(c->fd);
	free(c->path);
	free(c->buf);
	free(c);
}

static uint64_t deadline(int timeout_ms)
{
	return timeout_ms < 0 ? UINT64_MAX / 2
			      : clock_mono_ns() + (uint64_t)timeout_ms * NSEC_PER_MSEC;
}

static int wait_fd(struct control_client *c, short events, uint64_t deadline_ns, struct err *err)
{
	for (;;) {
		struct pollfd p = { .fd = c->fd, .events = events };
		uint64_t now = clock_mono_ns();
		int rc;

		if (now >= deadline_ns)
			return err_set(err, -ETIMEDOUT, "skepd at '%s' did not answer in time",
				       c->path);
		rc = poll(&p, 1, (int)((deadline_ns - now + NSEC_PER_MSEC - 1) / NSEC_PER_MSEC));
		if (rc > 0)
			return 0;
		if (rc < 0 && errno != EINTR)
			return err_set(err, -errno, "control socket '%s': %s", c->path,
				       strerror(errno));
	}
}

static int send_all(struct control_client *c, const char *p, size_t n, uint64_t deadline_ns,
		    struct err *err)
{
	while (n) {
		ssize_t rc = send(c->fd, p, n, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (rc >= 0) {
			p += rc;
			n -= (size_t)rc;
		} else if (errno == EAGAIN) {
			int w = wait_fd(c, POLLOUT, deadline_ns, err);

			if (w)
				return w;
		} else if (errno != EINTR) {
			return err_tag(err, -errno, "no_agent",
				       "skepd at '%s' closed the connection: %s", c->path,
				       strerror(errno));
		}
	}
	return 0;
}

/* Length of the first line with its newline; 0 = error, or nothing more in time: a long answer may take longer, as long as it comes. */
static size_t read_line(struct control_client *c, int timeout_ms, struct err *err)
{
	uint64_t deadline_ns = deadline(timeout_ms);
	size_t seen = 0;

	for (;;) {
		char *nl = c->len > seen ? memchr(c->buf + seen, '\n', c->len - seen) : NULL;
		ssize_t rc;

		if (nl)
			return (size_t)(nl - c->buf) + 1;
		seen = c->len;
		if (c->len == c->cap) {
			size_t cap = c->cap ? c->cap * 2 : 4096;
			char *p = cap <= REPLY_MAX ? realloc(c->buf, cap) : NULL;

			if (!p) {
				err_set(err, -ENOBUFS, "reply of skepd at '%s' is too long",
					c->path);
				return 0;
			}
			c->buf = p;
			c->cap = cap;
		}
		rc = recv(c->fd, c->buf + c->len, c->cap - c->len, MSG_DONTWAIT);
		if (rc > 0) {
			c->len += (size_t)rc;
			deadline_ns = deadline(timeout_ms);
		} else if (!rc) {
			err_tag(err, -ECONNRESET, "no_agent", "skepd at '%s' closed the connection",
				c->path);
			return 0;
		} else if (errno == EAGAIN) {
			if (wait_fd(c, POLLIN, deadline_ns, err))
				return 0;
		} else if (errno != EINTR) {
			err_set(err, -errno, "control socket '%s': %s", c->path, strerror(errno));
			return 0;
		}
	}
}

static json_t *take_reply(struct control_client *c, int timeout_ms, struct err *err)
{
	size_t n = read_line(c, timeout_ms, err);
	json_error_t je;
	json_t *reply, *result, *error;

	if (!n)
		return NULL;
	reply = json_loadb(c->buf, n, 0, &je);
	memmove(c->buf, c->buf + n, c->len - n);
	c->len -= n;
	error = json_object_get(reply, "error");
	result = json_object_get(reply, "result");
	if (result) {
		json_incref(result);
	} else if (error) {
		const char *code = json_string_value(json_object_get(error, "code"));
		const char *text = json_string_value(json_object_get(error, "message"));
		/* err.tag must outlive the reply: only the names that skepd uses are kept */
		static const char *const tags[] = { "invalid",	      "usage",
						    "not_ready",      "no_such_port",
						    "no_such_tenant", "no_such_command",
						    "no_such_chain",  "unavailable",
						    "failed" };
		const char *tag = "failed";

		for (size_t i = 0; code && i < ARRAY_SIZE(tags); i++)
			if (strcmp(tags[i], code) == 0)
				tag = tags[i];
		err_tag(err, strncmp(tag, "no_such", 7) ? -EREMOTEIO : -ENOENT, tag, "%s",
			text ? text : "skepd reports an error without a text");
	} else {
		err_set(err, -EPROTO, "skepd at '%s' answered something that is not a reply",
			c->path);
	}
	json_decref(reply);
	return result;
}

json_t *control_call(struct control_client *c, const json_t *request, int timeout_ms,
		     struct err *err)
{
	uint64_t at = deadline(timeout_ms);
	_free_ char *line = json_dumps(request, JSON_COMPACT);

	if (!line) {
		err_set(err, -ENOMEM, "cannot send a request to skepd: out of memory");
		return NULL;
	}
	if (send_all(c, line, strlen(line), at, err) || send_all(c, "\n", 1, at, err))
		return NULL;
	return take_reply(c, timeout_ms, err);
}

json_t *control_next(struct control_client *c, int timeout_ms, struct err *err)
{
	return take_reply(c, timeout_ms, err);
}
