// SPDX-License-Identifier: Apache-2.0
/*
 * libbpf prints; a library of skepd may not.  What it says is kept here (the last few KB, since
 * dp_log_start) and quoted in our errors. libbpf's print hook is global to the process, hence these
 * statics.
 */
#include "loader/dp_private.h"

#define LOG_SIZE 65536 /* a verifier log's last lines are what counts */

static char text[LOG_SIZE];
static size_t used;

static int keep(enum libbpf_print_level level, const char *fmt, va_list args)
{
	_free_ char *line = NULL;
	size_t len;
	int n;

	if (level == LIBBPF_DEBUG)
		return 0;
	n = vasprintf(&line, fmt, args);
	if (n < 0) {
		line = NULL;
		return 0;
	}
	len = (size_t)n;
	if (len >= LOG_SIZE) { /* its start names the program: keep a bit of that, and the tail */
		memcpy(text, line, 256);
		memcpy(text + 256, line + len - (LOG_SIZE / 2), LOG_SIZE / 2);
		used = 256 + LOG_SIZE / 2;
		text[used] = '\0';
		return n;
	}
	if (used + len >= LOG_SIZE) {
		size_t drop = used + len + 1 - LOG_SIZE;

		memmove(text, text + drop, used - drop);
		used -= drop;
	}
	memcpy(text + used, line, len + 1);
	used += len;
	return n;
}

void dp_log_start(void)
{
	used = 0;
	text[0] = '\0';
	libbpf_set_print(keep);
}

/* Lines that say nothing about the cause. */
static bool is_noise(const char *line, size_t len)
{
	static const char *const noise[] = { "END PROG LOAD LOG", "failed to load object",
					     "failed to load: ", "processed ",
					     "failed to load BPF skeleton" };

	for (size_t i = 0; i < ARRAY_SIZE(noise); i++)
		if (memmem(line, len, noise[i], strlen(noise[i])))
			return true;
	return len == 0;
}

const char *dp_log_tail(char *buf, size_t size, unsigned int lines)
{
	const char *end = text + used, *starts[16];
	unsigned int n = 0;
	size_t out = 0;

	if (lines > ARRAY_SIZE(starts))
		lines = ARRAY_SIZE(starts);
	for (const char *p = end; p > text && n < lines;) {
		const char *line, *stop = p;

		if (stop > text && stop[-1] == '\n')
			stop--;
		for (line = stop; line > text && line[-1] != '\n'; line--)
			;
		if (!is_noise(line, (size_t)(stop - line)))
			starts[n++] = line;
		p = line;
	}
	buf[0] = '\0';
	while (n-- > 0 && out + 4 < size) {
		size_t len = strcspn(starts[n], "\n");
		int w = snprintf(buf + out, size - out, "%s%.*s", out ? "; " : "", (int)len,
				 starts[n]);

		if (w < 0)
			break;
		out += (size_t)w;
	}
	return buf;
}

bool dp_log_failed_prog(char *buf, size_t size)
{
	const char *fail = strstr(text, "': BPF program load failed"), *start;

	if (!fail)
		return false;
	for (start = fail; start > text && start[-1] != '\''; start--)
		;
	snprintf(buf, size, "%.*s", (int)(fail - start), start);
	return true;
}
