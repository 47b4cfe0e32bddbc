/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages of programs, on stderr: "<6>text" under systemd (JOURNAL_STREAM set), else "skepd: text".  As JSON: one object a line, {"time": RFC 3339,
 * "level", "program", "message", and the message's fields}.  Libraries do not log.
 */
#pragma once

#include <stdbool.h>

enum log_level { LOG_ERROR_LEVEL = 3, LOG_WARN_LEVEL = 4, LOG_INFO_LEVEL = 6, LOG_DEBUG_LEVEL = 7 };
enum log_format { LOG_TEXT, LOG_JSON };

void log_init(const char *program, enum log_level max);
void log_format(enum log_format format);
bool log_wants(enum log_level level); /* is it said at all? */
void log_at(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* What a message is about, for machines; in a text behind it: "text (request_id=7, status=200)".  Values NULL or "" are left out. */
struct log_field {
	const char *name, *value;
};
void log_with(enum log_level level, const struct log_field *fields, unsigned int n, const char *fmt, ...) __attribute__((format(printf, 4, 5)));

#define log_error(...) log_at(LOG_ERROR_LEVEL, __VA_ARGS__)
#define log_warn(...) log_at(LOG_WARN_LEVEL, __VA_ARGS__)
#define log_info(...) log_at(LOG_INFO_LEVEL, __VA_ARGS__)
#define log_debug(...) log_at(LOG_DEBUG_LEVEL, __VA_ARGS__)
