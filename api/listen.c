// SPDX-License-Identifier: Apache-2.0
#include "api/listen.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "util/addr.h"

#define BACKLOG 4096

static int bad(const char *text, struct err *err)
{
	return err_set(err, -EINVAL, "'listen': '%s' is not allowed (want address:port, [v6]:port or unix:/path)", text);
}

static int cannot(const char *text, int fd, struct err *err)
{
	int rc = err_set(err, -errno, "cannot listen on '%s': %s", text, strerror(errno));

	if (fd >= 0)
		close(fd);
	return rc;
}

/* A socket that nobody listens on is what a server left that was killed. */
static bool is_stale(const struct sockaddr_un *un)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool stale = fd >= 0 && connect(fd, (const struct sockaddr *)un, sizeof(*un)) && errno == ECONNREFUSED;

	if (fd >= 0)
		close(fd);
	return stale;
}

static int open_unix(const char *text, char address[static 128], struct err *err)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	const char *path = text + 5;
	mode_t mask;
	int fd, rc;

	if (path[0] != '/' || strlen(path) >= sizeof(un.sun_path))
		return bad(text, err);
	snprintf(un.sun_path, sizeof(un.sun_path), "%s", path);
	snprintf(address, 128, "%s", text);
	if (is_stale(&un))
		(void)unlink(path); /* bind() says what is wrong */
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return cannot(text, fd, err);
	mask = umask(0117); /* who may connect: owner and group; who may do what is decided later */
	rc = bind(fd, (struct sockaddr *)&un, sizeof(un));
	umask(mask);
	if (rc || listen(fd, BACKLOG))
		return cannot(text, fd, err);
	return fd;
}

static int parse(const char *text, struct sockaddr_storage *ss, socklen_t *len, bool *loopback)
{
	const char *colon = strrchr(text, ':');
	char host[128], *end;
	struct skep_ip ip;
	unsigned long port;
	size_t n;

	if (!colon || (size_t)(colon - text) >= sizeof(host) || colon[1] < '0' || colon[1] > '9')
		return -1;
	port = strtoul(colon + 1, &end, 10);
	n = (size_t)(colon - text);
	memcpy(host, text, n);
	host[n] = 0;
	if (*end || port > 65535)
		return -1;
	if (host[0] == '[' && n > 2 && host[n - 1] == ']') {
		memmove(host, host + 1, n - 2);
		host[n - 2] = 0;
	} else if (strchr(host, ':')) {
		return -1;
	}
	if (!ip_parse(host, &ip))
		return -1;
	*loopback = ip_is_loopback(&ip);
	*ss = (struct sockaddr_storage){ 0 };
	if (ip_is_v4(&ip)) {
		struct sockaddr_in *in = (struct sockaddr_in *)ss;

		*in = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
		memcpy(&in->sin_addr, &ip.w[3], 4);
		*len = sizeof(*in);
	} else {
		struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ss;

		*in6 = (struct sockaddr_in6){ .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port) };
		memcpy(&in6->sin6_addr, &ip, 16);
		*len = sizeof(*in6);
	}
	return 0;
}

static void describe(int fd, const char *text, char address[static 128])
{
	struct sockaddr_storage ss = { 0 };
	socklen_t len = sizeof(ss);
	unsigned int port = 0;

	if (!getsockname(fd, (struct sockaddr *)&ss, &len))
		port = ntohs(ss.ss_family == AF_INET ? ((struct sockaddr_in *)&ss)->sin_port :
						       ((struct sockaddr_in6 *)&ss)->sin6_port);
	snprintf(address, 128, "%.*s:%u", (int)(strrchr(text, ':') - text), text, port);
}

int listen_open(const char *text, bool tls, char address[static 128], bool *is_unix, struct err *err)
{
	struct sockaddr_storage ss;
	bool loopback;
	socklen_t len;
	int fd, one = 1;

	*is_unix = !strncmp(text, "unix:", 5);
	if (*is_unix)
		return open_unix(text, address, err);
	if (parse(text, &ss, &len, &loopback))
		return bad(text, err);
	if (!loopback && !tls)
		return err_set(err, -EINVAL,
			       "'listen': '%s' without TLS: others could read tokens on their way (want 'tls', or an address of loopback)",
			       text);
	fd = socket(ss.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return cannot(text, fd, err);
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)); /* bind() would say */
	if (ss.ss_family == AF_INET6)
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&ss, len) || listen(fd, BACKLOG))
		return cannot(text, fd, err);
	describe(fd, text, address);
	return fd;
}

void listen_close(int fd, const char *address)
{
	if (fd < 0)
		return;
	close(fd);
	if (!strncmp(address, "unix:", 5))
		(void)unlink(address + 5);
}
