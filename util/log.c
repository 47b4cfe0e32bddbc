// SPDX-License-Identifier: Apache-2.0
#include "util/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static const char *program = "skep";
static enum log_level max_level = LOG_INFO_LEVEL;
static int journal;

void log_init(const char *name, enum log_level max)
{
	program = name;
	max_level = max;
	journal = getenv("JOURNAL_STREAM") != NULL;
}

void log_at(enum log_level level, const char *fmt, ...)
{
	char line[1024];
	va_list ap;

	if (level > max_level)
		return;
	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (journal)
		fprintf(stderr, "<%d>%s\n", (int)level, line);
	else
		fprintf(stderr, "%s: %s%s\n", program,
			level == LOG_ERROR_LEVEL ? "error: " : level == LOG_WARN_LEVEL ? "warning: " : "", line);
}
