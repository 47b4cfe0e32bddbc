// SPDX-License-Identifier: Apache-2.0
#include "util/log.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LINE_MAX 1024

static const char *program = "skep";
static enum log_level max_level = LOG_INFO_LEVEL;
static enum log_format how = LOG_TEXT;
static int journal;

void log_init(const char *name, enum log_level max)
{
	program = name;
	max_level = max;
	journal = getenv("JOURNAL_STREAM") != NULL;
}

void log_format(enum log_format format)
{
	how = format;
}

bool log_wants(enum log_level level)
{
	return level <= max_level;
}

/* --- as JSON --- */

static const char *level_name(enum log_level level)
{
	switch (level) {
	case LOG_ERROR_LEVEL:
		return "error";
	case LOG_WARN_LEVEL:
		return "warning";
	case LOG_INFO_LEVEL:
		return "info";
	default:
		return "debug";
	}
}

/* What is no UTF-8 (names that were cut, what a client has sent) is shown as far as it is ASCII. */
static json_t *text_json(const char *text)
{
	json_t *v = json_string(text);
	char plain[LINE_MAX];
	size_t n = 0;

	if (v)
		return v;
	for (; *text && n < sizeof(plain) - 1; text++)
		plain[n++] = (unsigned char)*text < 0x80 ? *text : '?';
	plain[n] = 0;
	return json_string(plain);
}

static char *json_line(enum log_level level, const struct log_field *fields, unsigned int n, const char *line)
{
	json_t *o = json_object();
	struct timespec ts;
	char at[32], time[48];
	struct tm tm;
	char *text;

	clock_gettime(CLOCK_REALTIME, &ts);
	gmtime_r(&ts.tv_sec, &tm);
	strftime(at, sizeof(at), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(time, sizeof(time), "%s.%03ldZ", at, ts.tv_nsec / 1000000);
	json_object_set_new(o, "time", json_string(time));
	json_object_set_new(o, "level", json_string(level_name(level)));
	json_object_set_new(o, "program", json_string(program));
	json_object_set_new(o, "message", text_json(line));
	for (unsigned int i = 0; i < n; i++)
		if (fields[i].value && *fields[i].value)
			json_object_set_new(o, fields[i].name, text_json(fields[i].value));
	text = o ? json_dumps(o, JSON_COMPACT) : NULL;
	json_decref(o);
	return text;
}

/* --- as text --- */

static void append_fields(char line[static LINE_MAX], const struct log_field *fields, unsigned int n)
{
	size_t len = strlen(line);
	bool some = false;

	for (unsigned int i = 0; i < n && len < LINE_MAX; i++) {
		if (!fields[i].value || !*fields[i].value)
			continue;
		len += (size_t)snprintf(line + len, LINE_MAX - len, "%s%s=%s", some ? ", " : " (", fields[i].name, fields[i].value);
		some = true;
	}
	if (some && len < LINE_MAX - 1)
		snprintf(line + len, LINE_MAX - len, ")");
}

/* A message is one line, whoever has chosen the names in it: control characters as "\\x0a".  The caller frees; NULL: out of memory. */
static char *one_line(const char *line)
{
	char *out = malloc(4 * strlen(line) + 1), *p = out;

	for (; out && *line; line++) {
		const unsigned char c = (unsigned char)*line;

		if (c < 0x20 || c == 0x7f)
			p += snprintf(p, 5, "\\x%02x", c);
		else
			*p++ = *line;
	}
	if (out)
		*p = 0;
	return out;
}

static void say(enum log_level level, const struct log_field *fields, unsigned int n, char line[static LINE_MAX])
{
	char *json = how == LOG_JSON ? json_line(level, fields, n, line) : NULL, *shown = json;

	if (!json) {
		append_fields(line, fields, n);
		shown = one_line(line);
	}
	if (!shown) /* better than what nobody has looked at */
		fprintf(stderr, "%s: out of memory\n", program);
	else if (journal)
		fprintf(stderr, "<%d>%s\n", (int)level, shown);
	else if (json)
		fprintf(stderr, "%s\n", shown);
	else
		fprintf(stderr, "%s: %s%s\n", program,
			level == LOG_ERROR_LEVEL ? "error: " : level == LOG_WARN_LEVEL ? "warning: " : "", shown);
	free(shown);
}

void log_at(enum log_level level, const char *fmt, ...)
{
	char line[LINE_MAX];
	va_list ap;

	if (!log_wants(level))
		return;
	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	say(level, NULL, 0, line);
}

void log_with(enum log_level level, const struct log_field *fields, unsigned int n, const char *fmt, ...)
{
	char line[LINE_MAX];
	va_list ap;

	if (!log_wants(level))
		return;
	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	say(level, fields, n, line);
}
