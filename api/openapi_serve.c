// SPDX-License-Identifier: Apache-2.0
/* The document of this server, as it is printed and served: made once, compressed once. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "api/openapi.h"
#include "api/routes.h"
#include "util/cleanup.h"
#include "util/hash.h"
#include "util/json.h"

#define ROUTES_MAX 256
#define GZIP	   (15 + 16) /* zlib's windowBits for its largest window, and a gzip header */
#define MEM_LEVEL  9

static json_t *build_own(struct err *err)
{
	const struct api_route *all[ROUTES_MAX];
	unsigned int n = 0;

	while (n < ROUTES_MAX && (all[n] = routes_at(n)))
		n++;
	return openapi_build(all, n, err);
}

int openapi_print(FILE *out)
{
	struct err err = { 0 };
	json_t *doc = build_own(&err);
	int rc = 1;

	if (doc)
		rc = json_dumpf(doc, out, JSON_INDENT(2)) || fputc('\n', out) == EOF || fflush(out);
	else
		fprintf(stderr, "skep-api: %s\n", err.text);
	json_decref(doc);
	return rc ? 1 : 0;
}

/* --- what is sent --- */

struct form {
	char *data;
	size_t len;
	char etag[32]; /* of the bytes: another one for each form */
};

static void tag(struct form *form)
{
	snprintf(form->etag, sizeof(form->etag), "\"%016llx\"", (unsigned long long)hash_bytes(form->data, form->len, 0));
}

static bool compress_form(const struct form *plain, struct form *out)
{
	z_stream z = { 0 };
	bool ok = false;

	if (deflateInit2(&z, Z_BEST_COMPRESSION, Z_DEFLATED, GZIP, MEM_LEVEL, Z_DEFAULT_STRATEGY) != Z_OK)
		return false;
	out->len = deflateBound(&z, plain->len);
	out->data = malloc(out->len);
	if (out->data) {
		z.next_in = (Bytef *)plain->data;
		z.avail_in = (uInt)plain->len;
		z.next_out = (Bytef *)out->data;
		z.avail_out = (uInt)out->len;
		ok = deflate(&z, Z_FINISH) == Z_STREAM_END;
		out->len = z.total_out;
	}
	(void)deflateEnd(&z); /* all of it was sent, or nobody wants it */
	if (ok)
		tag(out);
	else
		free(TAKE_PTR(out->data));
	return ok;
}

/* [0] as it is, [1] compressed.  It never changes. */
static const struct form *forms(struct err *err)
{
	static struct form all[2];
	json_t *doc = all[0].data ? NULL : build_own(err);

	if (doc) {
		all[0].data = json_dumps(doc, JSON_COMPACT);
		json_decref(doc);
		if (all[0].data) {
			all[0].len = strlen(all[0].data);
			tag(&all[0]);
			(void)compress_form(&all[0], &all[1]); /* no memory: as it is, then */
		}
	}
	return all[0].data ? all : NULL;
}

/* "gzip;q=0" is a no, "*" stands for what is not named (RFC 9110, 12.5.3). */
static bool takes_gzip(const char *accept)
{
	bool any = false, named = false, is_taken = false;

	for (const char *p = accept; p && *p; p += strcspn(p, ",") + (p[strcspn(p, ",")] == ',')) {
		size_t word;
		const char *q;
		bool yes;

		p += strspn(p, " \t");
		word = strcspn(p, ",; \t");
		q = p + word + strspn(p + word, " \t");
		q = *q == ';' ? q + 1 + strspn(q + 1, " \t") : "";
		yes = strncmp(q, "q=", 2) || strtod(q + 2, NULL) > 0;
		if (word == 4 && !strncasecmp(p, "gzip", 4)) {
			named = true;
			is_taken = yes;
		} else if (word == 1 && *p == '*') {
			any = yes;
		}
	}
	return named ? is_taken : any;
}

/* One of those the client has already?  Weakly compared, as If-None-Match wants it. */
static bool is_seen(const char *list, const char *etag)
{
	for (const char *p = list; p && *p; p += strcspn(p, ",")) {
		size_t n = strlen(etag);

		p += strspn(p, " ,\t");
		if (*p == '*')
			return true;
		if (!strncmp(p, "W/", 2))
			p += 2;
		if (!strncmp(p, etag, n) && (!p[n] || strchr(" ,\t", p[n])))
			return true;
	}
	return false;
}

static void handle_openapi(struct api_request *r)
{
	struct err err = { 0 };
	const struct form *form = forms(&err);
	char *copy;

	if (form && form[1].data && takes_gzip(api_request_header(r, "Accept-Encoding")))
		form++;
	copy = form ? malloc(form->len) : NULL;
	if (!copy) {
		api_problemf(r, 503, "overloaded", "%s", *err.text ? err.text : "out of memory");
		return;
	}
	api_header(r, "ETag", form->etag);
	api_header(r, "Cache-Control", "no-cache"); /* kept by whoever likes, and asked for again: another version has another one */
	api_header(r, "Vary", "Accept-Encoding");
	if (is_seen(api_request_header(r, "If-None-Match"), form->etag)) {
		free(copy);
		api_answer(r, 304, NULL);
		return;
	}
	if (form->data[0] != '{')
		api_header(r, "Content-Encoding", "gzip");
	memcpy(copy, form->data, form->len);
	api_answer_text(r, 200, "application/json", copy, form->len);
}

const struct api_route openapi_routes[] = {
	{ "GET", "/openapi.json", handle_openapi, API_NOBODY, API_OPEN, NULL, "This document" },
};
const unsigned int n_openapi_routes = ARRAY_SIZE(openapi_routes);
