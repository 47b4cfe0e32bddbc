// SPDX-License-Identifier: Apache-2.0
/* Lines of the screen: fields, cutting, numbers for people, bars (top.h). */
#include "cli/top.h"

#include <stdarg.h>
#include <string.h>

static bool continues(char c)
{
	return ((unsigned char)c & 0xc0) == 0x80; /* within a character of UTF-8 */
}

/* Each character is taken to be one column wide: names are. */
static int columns(const char *text)
{
	int n = 0;

	for (; *text; text++)
		n += !continues(*text);
	return n;
}

static void blanks(struct top_line *l, int n)
{
	if (n > l->width - l->at)
		n = l->width - l->at;
	if (n > 0) {
		l->pad += n;
		l->at += n;
	}
}

/* At most 'n' columns; control characters are not ours to pass on. */
static void write_text(struct top_line *l, enum out_style style, const char *text, int n)
{
	if (!*text || n <= 0)
		return;
	fprintf(l->f, "%*s", l->pad, "");
	l->pad = 0;
	if (style != OUT_PLAIN)
		fputc(TOP_MARK(style), l->f);
	for (int k = 0; *text && (k < n || continues(*text)); text++) {
		unsigned char c = (unsigned char)*text;

		k += !continues(*text);
		if (c < 0x20 || c == 0x7f || (c >= 0x80 && !l->utf8))
			c = '?';
		fputc(c, l->f);
	}
	if (style != OUT_PLAIN)
		fputc(TOP_MARK(OUT_PLAIN), l->f);
}

void top_put(struct top_line *l, enum out_style style, int width, const char *text)
{
	int have = columns(text), room = l->width - l->at;
	int field = width > 0 ? width : width < 0 ? -width : have, show = field < room ? field : room;

	if (show <= 0)
		return;
	if (width > room) { /* half a number is another one */
		blanks(l, room);
		return;
	}
	if (width > have)
		blanks(l, width - have);
	if (have <= show) {
		write_text(l, style, text, have);
		l->at += have;
	} else { /* cut, and say so */
		write_text(l, style, text, show - 1);
		write_text(l, style, l->utf8 ? "…" : "~", 1);
		l->at += show;
	}
	if (width < 0)
		blanks(l, field - have);
}

void top_putf(struct top_line *l, enum out_style style, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	top_put(l, style, 0, text);
}

void top_end(struct top_line *l)
{
	fputc('\n', l->f);
	l->at = l->pad = 0;
}

const char *top_human(double n, char buf[static 16])
{
	static const char units[] = { 0, 'k', 'M', 'G', 'T', 'P' };
	size_t u = 0;

	while (n >= 999.5 && u + 1 < sizeof(units)) {
		n /= 1000;
		u++;
	}
	/* one decimal where it says something */
	if (n < 99.95 && (u || (n < 9.95 && n - (double)(long long)n >= 0.05)))
		snprintf(buf, 16, "%.1f", n);
	else
		snprintf(buf, 16, "%.0f", n);
	if (u)
		snprintf(buf + strlen(buf), 16 - strlen(buf), "%c", units[u]);
	return buf;
}

const char *top_age(long long s, char buf[static 32])
{
	if (s < 60)
		snprintf(buf, 32, "%llds", s);
	else if (s < 3600)
		snprintf(buf, 32, "%lldm%02llds", s / 60, s % 60);
	else if (s < 86400)
		snprintf(buf, 32, "%lldh%02lldm", s / 3600, s / 60 % 60);
	else
		snprintf(buf, 32, "%lldd%02lldh", s / 86400, s / 3600 % 24);
	return buf;
}

/* UTF-8 has blocks of eighths: eight steps in each column. */
static const char *const eighths[] = { "", "▏", "▎", "▍", "▌", "▋", "▊", "▉" };

void top_bar(struct top_line *l, enum out_style style, int width, double part)
{
	int steps = l->utf8 ? 8 : 1, n, full;
	char text[512] = "";
	size_t at = 0;

	if (width > 100)
		width = 100;
	if (width <= 0)
		return;
	n = (int)((part < 0 ? 0 : part > 1 ? 1 : part) * width * steps + 0.5);
	if (part > 0 && !n && l->utf8)
		n = 1; /* something is not nothing */
	full = n / steps;
	for (int i = 0; i < full; i++)
		at += (size_t)snprintf(text + at, sizeof(text) - at, "%s", l->utf8 ? "█" : "#");
	if (l->utf8 && n % 8) {
		snprintf(text + at, sizeof(text) - at, "%s", eighths[n % 8]);
		full++;
	}
	top_put(l, style, 0, text);
	text[0] = 0;
	for (at = 0; full < width; full++)
		at += (size_t)snprintf(text + at, sizeof(text) - at, "%s", l->utf8 ? "·" : ".");
	top_put(l, OUT_DIM, 0, text);
}
