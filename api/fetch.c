// SPDX-License-Identifier: Apache-2.0
/*
 * Implements fetch.h.  libcurl says which descriptors and which time it waits for (curl_multi_socket_action), the loop waits.  No redirections, no other
 * protocols, certificates are verified.  Called by oidc.c.
 */
#include "api/fetch.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "util/clock.h"

#define WATCHES 16 /* a connection, its name look-up, what happy eyeballs try */

struct fetch_watch {
	int fd;
	struct loop_fd *watch;
};

struct fetch {
	struct loop *loop;
	CURLM *multi;
	CURL *easy; /* NULL = nothing is on its way */
	struct loop_timer *timer;
	struct fetch_watch watches[WATCHES];
	char *text;
	size_t len;
	char why[CURL_ERROR_SIZE];
	void (*done)(void *arg, const char *text, size_t len, const struct err *err);
	void *arg;
};

bool fetch_url_ok(const char *url)
{
	static const char *const loopback[] = { "127.0.0.1", "localhost", "[::1]" };

	if (strchr(url, '@')) /* "http://localhost:80@elsewhere/" */
		return false;
	if (strncmp(url, "https://", 8) == 0)
		return url[8] && url[8] != '/';
	if (strncmp(url, "http://", 7) != 0)
		return false;
	for (size_t i = 0; i < sizeof(loopback) / sizeof(loopback[0]); i++) {
		size_t n = strlen(loopback[i]);

		if (strncmp(url + 7, loopback[i], n) == 0 && (url[7 + n] == ':' || url[7 + n] == '/'))
			return true;
	}
	return false;
}

static size_t on_data(char *data, size_t size, size_t n, void *arg)
{
	struct fetch *f = arg;
	char *more;

	n *= size;
	if (f->len + n > FETCH_MAX)
		return 0; /* libcurl gives up */
	more = realloc(f->text, f->len + n + 1);
	if (!more)
		return 0;
	f->text = more;
	memcpy(f->text + f->len, data, n);
	f->len += n;
	f->text[f->len] = 0;
	return n;
}

static void end(struct fetch *f)
{
	if (!f->easy)
		return;
	curl_multi_remove_handle(f->multi, f->easy);
	curl_easy_cleanup(f->easy);
	f->easy = NULL;
}

static void finish(struct fetch *f, CURLcode code)
{
	struct err err = { 0 };
	char *text = f->text;
	long status = 0;

	curl_easy_getinfo(f->easy, CURLINFO_RESPONSE_CODE, &status);
	if (code != CURLE_OK)
		err_set(&err, -EIO, "%s", f->why[0] ? f->why : curl_easy_strerror(code));
	else if (status != 200)
		err_set(&err, -EIO, "the server answers with status %ld", status);
	else if (!text)
		err_set(&err, -EIO, "the server answers with nothing");
	end(f);
	f->text = NULL;
	f->done(f->arg, err.code ? NULL : text, f->len, err.code ? &err : NULL);
	free(text);
}

static void act(struct fetch *f, curl_socket_t fd, int what)
{
	const CURLMsg *m;
	int running, left;

	curl_multi_socket_action(f->multi, fd, what, &running);
	while ((m = curl_multi_info_read(f->multi, &left)))
		if (m->msg == CURLMSG_DONE) {
			finish(f, m->data.result);
			return;
		}
}

static struct fetch_watch *find(struct fetch *f, int fd)
{
	for (int i = 0; i < WATCHES; i++)
		if (f->watches[i].watch ? f->watches[i].fd == fd : fd < 0)
			return &f->watches[i];
	return NULL;
}

static void on_fd(void *arg, uint32_t events)
{
	struct fetch *f = arg;

	(void)events;
	/* which one it is, libcurl finds out: there are few */
	for (int i = 0; f->easy && i < WATCHES; i++)
		if (f->watches[i].watch)
			act(f, f->watches[i].fd, 0);
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *unused)
{
	struct fetch *f = arg;
	struct fetch_watch *w = find(f, fd);
	uint32_t events = (what & CURL_POLL_IN ? EPOLLIN : 0u) | (what & CURL_POLL_OUT ? EPOLLOUT : 0u);

	(void)easy;
	(void)unused;
	if (what == CURL_POLL_REMOVE) {
		if (w) {
			loop_fd_del(w->watch);
			w->watch = NULL;
		}
	} else if (w) {
		loop_fd_events(w->watch, events);
	} else if ((w = find(f, -1))) {
		w->fd = fd;
		w->watch = loop_fd_add(f->loop, fd, events, on_fd, f);
	}
	return 0;
}

static void on_timer(void *arg)
{
	struct fetch *f = arg;

	f->timer = NULL;
	if (f->easy)
		act(f, CURL_SOCKET_TIMEOUT, 0);
}

static int on_timeout(CURLM *multi, long ms, void *arg)
{
	struct fetch *f = arg;

	(void)multi;
	loop_timer_del(f->timer);
	f->timer = ms < 0 ? NULL : loop_timer_add(f->loop, (uint64_t)ms * NSEC_PER_MSEC + 1, 0, on_timer, f);
	return 0;
}

struct fetch *fetch_new(struct loop *loop, struct err *err)
{
	struct fetch *f = calloc(1, sizeof(*f));

	if (!f || curl_global_init(CURL_GLOBAL_DEFAULT) || !(f->multi = curl_multi_init())) {
		free(f);
		err_set(err, -ENOMEM, "libcurl cannot be started");
		return NULL;
	}
	f->loop = loop;
	curl_multi_setopt(f->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	curl_multi_setopt(f->multi, CURLMOPT_SOCKETDATA, f);
	curl_multi_setopt(f->multi, CURLMOPT_TIMERFUNCTION, on_timeout);
	curl_multi_setopt(f->multi, CURLMOPT_TIMERDATA, f);
	return f;
}

void fetch_free(struct fetch *f)
{
	if (!f)
		return;
	end(f);
	curl_multi_cleanup(f->multi); /* still calls back */
	for (int i = 0; i < WATCHES; i++)
		loop_fd_del(f->watches[i].watch);
	loop_timer_del(f->timer);
	free(f->text);
	free(f);
	curl_global_cleanup();
}

bool fetch_start(struct fetch *f, const char *url,
		 void (*done)(void *arg, const char *text, size_t len, const struct err *err), void *arg)
{
	if (f->easy || !(f->easy = curl_easy_init()))
		return false;
	f->text = NULL;
	f->len = 0;
	f->why[0] = 0;
	f->done = done;
	f->arg = arg;
	curl_easy_setopt(f->easy, CURLOPT_URL, url);
	curl_easy_setopt(f->easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(f->easy, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(f->easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(f->easy, CURLOPT_TIMEOUT, (long)FETCH_TIMEOUT_S);
	curl_easy_setopt(f->easy, CURLOPT_MAXFILESIZE, (long)FETCH_MAX);
	curl_easy_setopt(f->easy, CURLOPT_WRITEFUNCTION, on_data);
	curl_easy_setopt(f->easy, CURLOPT_WRITEDATA, f);
	curl_easy_setopt(f->easy, CURLOPT_ERRORBUFFER, f->why);
	curl_easy_setopt(f->easy, CURLOPT_USERAGENT, "skep-api/" SKEP_VERSION);
	if (curl_multi_add_handle(f->multi, f->easy) == CURLM_OK)
		return true;
	curl_easy_cleanup(f->easy);
	f->easy = NULL;
	return false;
}
