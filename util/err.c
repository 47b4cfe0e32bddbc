// SPDX-License-Identifier: Apache-2.0
#include "util/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static int set(struct err *err, int code, const char *tag, const char *fmt, va_list ap)
{
	if (!err)
		return code;
	err->code = code;
	err->tag = tag;
	vsnprintf(err->text, sizeof(err->text), fmt, ap);
	return code;
}

int err_set(struct err *err, int code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	set(err, code, NULL, fmt, ap);
	va_end(ap);
	return code;
}

int err_tag(struct err *err, int code, const char *tag, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	set(err, code, tag, fmt, ap);
	va_end(ap);
	return code;
}

int err_prefix(struct err *err, const char *fmt, ...)
{
	char old[sizeof(err->text)];
	va_list ap;
	size_t n;

	if (!err)
		return -EIO;
	memcpy(old, err->text, sizeof(old));
	va_start(ap, fmt);
	vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	n = strlen(err->text);
	snprintf(err->text + n, sizeof(err->text) - n, ": %s", old);
	return err->code;
}

const char *err_name(const struct err *err)
{
	if (err->tag)
		return err->tag;
	switch (-err->code) {
	case EINVAL:
		return "invalid";
	case ENOENT:
		return "not_found";
	case EEXIST:
		return "exists";
	case EBUSY:
	case EAGAIN:
		return "conflict";
	case ECONNREFUSED:
	case ENOTCONN:
	case ETIMEDOUT:
		return "unavailable";
	default:
		return "failed";
	}
}
