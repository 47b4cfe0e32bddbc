/* SPDX-License-Identifier: Apache-2.0 */
/* Messages of programs, on stderr: "<6>text" under systemd (JOURNAL_STREAM set), else "skepd: text".  Libraries do not log. */
#pragma once

enum log_level { LOG_ERROR_LEVEL = 3, LOG_WARN_LEVEL = 4, LOG_INFO_LEVEL = 6, LOG_DEBUG_LEVEL = 7 };

void log_init(const char *program, enum log_level max);
void log_at(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...) log_at(LOG_ERROR_LEVEL, __VA_ARGS__)
#define log_warn(...) log_at(LOG_WARN_LEVEL, __VA_ARGS__)
#define log_info(...) log_at(LOG_INFO_LEVEL, __VA_ARGS__)
#define log_debug(...) log_at(LOG_DEBUG_LEVEL, __VA_ARGS__)
