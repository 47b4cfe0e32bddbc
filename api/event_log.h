/* SPDX-License-Identifier: Apache-2.0 */
/* The last changes of a tenant's configuration, as they are told: for those who come back.  Called by events.c. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct event {
	struct event *next;
	uint64_t rev;
	size_t len;
	char text[];
};

struct event_log {
	struct event *first, **last;
	uint64_t from; /* all changes behind this revision are remembered */
	size_t n, bytes;
};

void event_log_init(struct event_log *log, uint64_t rev);
void event_log_forget(struct event_log *log, uint64_t rev); /* all of it; what comes is behind 'rev' */
/* The newest one; the oldest go when there are too many. */
void event_log_add(struct event_log *log, uint64_t rev, const char *text, size_t len);
/* One before all others; false: there is no room. */
bool event_log_prepend(struct event_log *log, uint64_t rev, const char *text, size_t len);

#define EVENT_ID 40
/* "REV-EPOCH": which change, of which history of the state DB; every instance has the same. */
const char *event_id(char out[static EVENT_ID], uint64_t rev, uint32_t epoch);
bool event_id_parse(const char *text, uint64_t *rev, uint32_t *epoch);
/* The text of a commit's changes, {path: record | null}, for free(); "" if they concern no configuration.  NULL: too many, or no memory. */
char *event_text(const json_t *changes, uint64_t rev, uint32_t epoch, size_t *len);
