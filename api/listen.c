// SPDX-License-Identifier: Apache-2.0
#include "api/listen.h"

#include <errno.h>
#include <fcntl.h>
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
#include "util/cleanup.h"
#include "util/sd.h"

#define BACKLOG	  4096
#define GIVEN_MAX 64

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

/* --- those that are open already --- */

static struct {
	bool asked;
	int n;
	bool used[GIVEN_MAX];
} given;

static bool same_address(const struct sockaddr_storage *a, const struct sockaddr_storage *b)
{
	if (a->ss_family != b->ss_family)
		return false;
	if (a->ss_family == AF_UNIX)
		return !strcmp(((const struct sockaddr_un *)a)->sun_path, ((const struct sockaddr_un *)b)->sun_path);
	if (a->ss_family == AF_INET) {
		const struct sockaddr_in *x = (const struct sockaddr_in *)a, *y = (const struct sockaddr_in *)b;

		return x->sin_port == y->sin_port && x->sin_addr.s_addr == y->sin_addr.s_addr;
	}
	return ((const struct sockaddr_in6 *)a)->sin6_port == ((const struct sockaddr_in6 *)b)->sin6_port &&
	       !memcmp(&((const struct sockaddr_in6 *)a)->sin6_addr, &((const struct sockaddr_in6 *)b)->sin6_addr, 16);
}

static void ask_given(void)
{
	if (given.asked)
		return;
	given.asked = true;
	given.n = sd_listen_fds();
	if (given.n > GIVEN_MAX)
		given.n = GIVEN_MAX;
}

/* The one that listens there; -1: none does. */
static int take_given(const struct sockaddr_storage *where)
{
	ask_given();
	for (int i = 0; i < given.n; i++) {
		struct sockaddr_storage at = { 0 };
		socklen_t len = sizeof(at);
		int fd = SD_FDS + i, flags;

		if (given.used[i] || getsockname(fd, (struct sockaddr *)&at, &len) || !same_address(&at, where))
			continue;
		flags = fcntl(fd, F_GETFL);
		if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK))
			continue;
		given.used[i] = true;
		return fd;
	}
	return -1;
}

static bool is_given(int fd)
{
	return fd >= SD_FDS && fd < SD_FDS + given.n && given.used[fd - SD_FDS];
}

int listen_unused(void)
{
	int n = 0;

	ask_given();
	for (int i = 0; i < given.n; i++)
		n += !given.used[i];
	return n;
}

/* --- opening --- */

/* A socket that nobody listens on is what a server left that was killed. */
static bool is_stale(const struct sockaddr_un *un)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool stale = fd >= 0 && connect(fd, (const struct sockaddr *)un, sizeof(*un)) && errno == ECONNREFUSED;

	if (fd >= 0)
		close(fd);
	return stale;
}

static bool is_path(const char *path)
{
	return path[0] == '/' && strlen(path) < sizeof(((struct sockaddr_un *)NULL)->sun_path);
}

/* /run is empty after each start of the machine.  bind() says what is wrong. */
static void make_folder(const char *path)
{
	char folder[sizeof(((struct sockaddr_un *)NULL)->sun_path)];

	snprintf(folder, sizeof(folder), "%s", path);
	*strrchr(folder, '/') = 0;
	(void)mkdir(folder, 0755);
}

static int open_unix(const char *text, char address[static 128], struct err *err)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	struct sockaddr_storage where = { 0 };
	const char *path = text + 5;
	mode_t mask;
	int fd, rc;

	if (!is_path(path))
		return bad(text, err);
	snprintf(un.sun_path, sizeof(un.sun_path), "%s", path);
	snprintf(address, 128, "%s", text);
	memcpy(&where, &un, sizeof(un));
	fd = take_given(&where);
	if (fd >= 0)
		return fd;
	make_folder(path);
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

static int check_inet(const char *text, bool tls, struct sockaddr_storage *ss, socklen_t *len, struct err *err)
{
	bool loopback;

	if (parse(text, ss, len, &loopback))
		return bad(text, err);
	if (!loopback && !tls)
		return err_set(err, -EINVAL,
			       "'listen': '%s' without TLS: others could read tokens on their way (want 'tls', or an address of loopback)",
			       text);
	return 0;
}

int listen_check(const char *text, bool tls, struct err *err)
{
	struct sockaddr_storage ss;
	socklen_t len;

	if (!strncmp(text, "unix:", 5))
		return is_path(text + 5) ? 0 : bad(text, err);
	return check_inet(text, tls, &ss, &len, err);
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
	socklen_t len;
	int fd, one = 1;

	*is_unix = !strncmp(text, "unix:", 5);
	if (*is_unix)
		return open_unix(text, address, err);
	if (check_inet(text, tls, &ss, &len, err))
		return err->code;
	fd = take_given(&ss);
	if (fd >= 0) {
		snprintf(address, 128, "%s", text);
		return fd;
	}
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
	bool ours = !is_given(fd);

	if (fd < 0)
		return;
	close(fd);
	if (ours && !strncmp(address, "unix:", 5))
		(void)unlink(address + 5);
}
