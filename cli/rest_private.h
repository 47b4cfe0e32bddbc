/* SPDX-License-Identifier: Apache-2.0 */
/* The connection to a skep-api: rest_where.c says which, rest.c makes requests, rest_stream.c reads streams, rest_error.c says what went wrong. */
#pragma once

#include <curl/curl.h>

#include "cli/contexts.h"
#include "cli/rest.h"

struct rest {
	struct context c;
	bool kept_token; /* SKEP_TOKEN is there, and is another server's */
	CURL *curl;
	struct curl_slist *headers;
	char url[600]; /* without path */
	char *text;    /* of the present answer */
	size_t len, cap;
	char why[CURL_ERROR_SIZE];
};

/* The handle is there, with what all requests have in common. */
int rest_start(struct rest *r, struct err *err);
int rest_add_header(struct rest *r, const char *text);
/* Takes what comes into r->text: CURLOPT_WRITEFUNCTION. */
size_t rest_take(char *data, size_t size, size_t n, void *arg);

/* --- rest_error.c --- */

/* There was no answer, and why; a change that has been sent may be in force. */
int rest_no_answer(struct rest *r, const char *method, CURLcode rc, struct err *err);
/* The answer of a status from 400 on as an error: the slug of the problem document is its tag. */
int rest_problem(const struct rest *r, long status, struct err *err);
