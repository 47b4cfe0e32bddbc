// SPDX-License-Identifier: Apache-2.0
/* A stream of server-sent events, read as it comes, and gone on with where it ended.  Implements rest_follow() of rest.h; called by cmd_events.c. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/rest_private.h"
#include "util/clock.h"
#include "util/json.h"

#define SILENT_S  45L /* three pings that did not come */
#define AGAIN_S	  1
#define EVENT_MAX (64u << 20)

struct reading {
	struct rest *r;
	struct rest_events *events;
	char name[32], id[64]; /* of the event that is being read */
	char *data;

	bool enough, heard; /* the server has been there */
};

static void next_event(struct reading *in)
{
	free(in->data);
	in->data = NULL;
	in->name[0] = in->id[0] = 0;
}

static int take_line(struct reading *in, const char *line)
{
	_json_ json_t *data = NULL;
	const char *colon = strchr(line, ':'), *value;

	if (!*line) {
		if (*in->id)
			snprintf(in->events->last, sizeof(in->events->last), "%s", in->id);
		data = in->data ? json_loads(in->data, JSON_DECODE_ANY, NULL) : NULL;
		if (data)
			in->enough = in->events->event(in->events->arg, *in->name ? in->name : "message", data);
		next_event(in);
		return 0;
	}
	if (!colon || colon == line) /* a comment: it lives */
		return 0;
	value = colon + 1 + (colon[1] == ' ');
	if (!strncmp(line, "event:", 6))
		snprintf(in->name, sizeof(in->name), "%s", value);
	else if (!strncmp(line, "id:", 3))
		snprintf(in->id, sizeof(in->id), "%s", value);
	else if (!strncmp(line, "data:", 5) && !in->data && !(in->data = strdup(value)))
		return -ENOMEM;
	return 0;
}

/* CURLOPT_WRITEFUNCTION: whole lines are taken, what is left waits for its end. */
static size_t on_data(char *data, size_t size, size_t n, void *arg)
{
	struct reading *in = arg;
	struct rest *r = in->r;
	char *line, *end;
	long status = 0;

	curl_easy_getinfo(r->curl, CURLINFO_RESPONSE_CODE, &status);
	if (r->len > EVENT_MAX || rest_take(data, size, n, r) != size * n)
		return 0;
	r->text[r->len] = 0;
	if (status != 200 || !memchr(data, '\n', size * n)) /* why it is none; or a line that goes on */
		return size * n;
	for (line = r->text; (end = strchr(line, '\n')) && !in->enough; line = end + 1) {
		*end = 0;
		if (end > line && end[-1] == '\r')
			end[-1] = 0;
		if (take_line(in, line))
			return 0;
	}
	r->len -= (size_t)(line - r->text);
	memmove(r->text, line, r->len);
	return in->enough ? 0 : size * n;
}

/* One connection: 0, it ended; or what is wrong. */
static int read_once(struct reading *in, const char *url, uint64_t left_ms, struct err *err)
{
	struct rest *r = in->r;
	struct curl_slist resume = { .next = r->headers };
	char last[96];
	long status = 0;
	CURLcode rc;

	snprintf(last, sizeof(last), "Last-Event-ID: %s", in->events->last);
	resume.data = last;
	r->len = 0;
	r->why[0] = 0;
	next_event(in);
	curl_easy_setopt(r->curl, CURLOPT_HTTPHEADER, *in->events->last ? &resume : r->headers);
	curl_easy_setopt(r->curl, CURLOPT_URL, url);
	curl_easy_setopt(r->curl, CURLOPT_HTTPGET, 1L);
	curl_easy_setopt(r->curl, CURLOPT_WRITEFUNCTION, on_data);
	curl_easy_setopt(r->curl, CURLOPT_WRITEDATA, in);
	curl_easy_setopt(r->curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
	curl_easy_setopt(r->curl, CURLOPT_LOW_SPEED_TIME, SILENT_S);
	curl_easy_setopt(r->curl, CURLOPT_TIMEOUT_MS, (long)left_ms);
	rc = curl_easy_perform(r->curl);
	curl_easy_getinfo(r->curl, CURLINFO_RESPONSE_CODE, &status);
	if (in->enough)
		return 0;
	if (status >= 400)
		return rest_problem(r, status, err);
	in->heard |= status == 200;
	if (rc == CURLE_OK || status == 200) /* it has ended, or the time has */
		return 0;
	return rest_no_answer(r, "GET", rc, err);
}

/* May it be otherwise in a moment?  What has never been there, may not. */
static bool may_come_back(const struct reading *in, const struct err *err)
{
	return in->heard && (err->code == -ENOTCONN || err->code == -EIO || err->code == -EDQUOT);
}

int rest_follow(struct cli *cli, const char *path, struct rest_events *events, uint64_t timeout_ms, struct err *err)
{
	const uint64_t end_ns = clock_mono_ns() + timeout_ms * NSEC_PER_MSEC;
	struct reading in = { .r = cli->rest, .events = events };
	_free_ char *url = NULL;
	uint64_t now;

	if (rest_start(in.r, err))
		return err->code;
	if (asprintf(&url, "%s%s", in.r->url, path) < 0)
		return err_set(err, -ENOMEM, "out of memory");
	for (;;) {
		now = clock_mono_ns();
		if (in.enough || (timeout_ms && now >= end_ns))
			break;
		if (read_once(&in, url, timeout_ms ? (end_ns - now) / NSEC_PER_MSEC + 1 : 0, err) && !may_come_back(&in, err))
			break;
		*err = (struct err){ 0 };
		if (!in.enough) /* who ends streams at once is not asked at once again */
			nanosleep(&(struct timespec){ .tv_sec = AGAIN_S }, NULL);
	}
	next_event(&in);
	return err->code;
}
