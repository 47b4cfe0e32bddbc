/* SPDX-License-Identifier: Apache-2.0 */
/* How library code reports: 0 or -errno as the return value, and a sentence for people in the caller's struct err. */
#pragma once

#include <stddef.h>

/*
 * Text: lower case, no full stop, what failed first, the subject in single quotes, why, what is allowed or next:
 * "port 'web1': field 'mac': 'zz' is not an Ethernet address (want six octets, 02:00:00:00:00:01)".
 */
struct err {
	int code;	 /* negative errno; 0 = no error */
	const char *tag; /* stable name for programs ("no_such_port"), static; NULL = derived from code */
	char text[512];
};

/* Fills 'err' (may be NULL) and returns 'code', so that "return err_set(err, -EINVAL, ...)" reads well. */
int err_set(struct err *err, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
int err_tag(struct err *err, int code, const char *tag, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/* Puts "<prefix>: " in front of a text that is there already; returns err->code (-EIO if err is NULL). */
int err_prefix(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The stable name: err->tag, or one derived from the code ("invalid", "not_found", "exists", "conflict", "unavailable", "failed"). */
const char *err_name(const struct err *err);
