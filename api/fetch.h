/* SPDX-License-Identifier: Apache-2.0 */
/* Gets a document from a URL by libcurl, within the program's loop: nothing waits for it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "util/err.h"
#include "util/loop.h"

#define FETCH_MAX	(1u << 20) /* bytes of a document */
#define FETCH_TIMEOUT_S 10

struct fetch;

/* "https://...", or "http://" to a loopback address: nobody on the way may change it. */
bool fetch_url_ok(const char *url);
struct fetch *fetch_new(struct loop *loop, struct err *err);
void fetch_free(struct fetch *f); /* takes NULL; what is on its way is forgotten */
/* One at a time: false while another is on its way, or without memory.  'done' comes later, once: with the document, or 'err'. */
bool fetch_start(struct fetch *f, const char *url, void (*done)(void *arg, const char *text, size_t len, const struct err *err),
		 void *arg);
