// SPDX-License-Identifier: Apache-2.0
/* Settings as text: --print-config and --help. */
#include "util/settings.h"

#include <inttypes.h>
#include <string.h>

#include "util/addr.h"

static void print_text(const char *text, size_t len, FILE *out)
{
	fputc('"', out);
	for (size_t i = 0; i < len; i++)
		fprintf(out, "%s%c", text[i] == '"' || text[i] == '\\' ? "\\" : "", text[i]);
	fputc('"', out);
}

static void print_list(const char *list, FILE *out)
{
	bool first = true;

	fputc('[', out);
	while (list && *list) {
		size_t n = strcspn(list, ", ");

		if (n) {
			fputs(first ? "" : ", ", out);
			print_text(list, n, out);
			first = false;
		}
		list += n + !!list[n];
	}
	fputs("]\n", out);
}

static void print_size(uint64_t size, FILE *out)
{
	if (size && !(size & ((1u << 30) - 1)))
		fprintf(out, "%" PRIu64 "GB\n", size >> 30);
	else if (size && !(size & ((1u << 20) - 1)))
		fprintf(out, "%" PRIu64 "MB\n", size >> 20);
	else
		fprintf(out, "%" PRIu64 "\n", size);
}

static void print_value(const void *of, const struct setting *k, FILE *out)
{
	const void *at = (const char *)of + k->offset;
	char buf[ADDR_TEXT];

	switch (k->type) {
	case SETTING_NUMBER:
		for (int i = 0; k->words && k->words[i]; i++)
			if ((uint32_t)k->values[i] == *(const uint32_t *)at) {
				fprintf(out, "%s\n", k->words[i]);
				return;
			}
		fprintf(out, "%u\n", *(const uint32_t *)at);
		return;
	case SETTING_CHOICE:
		for (int i = 0; k->words[i]; i++)
			if (k->values[i] == *(const int *)at)
				fprintf(out, "%s\n", k->words[i]);
		return;
	case SETTING_ADDRESS:
		fprintf(out, "%s%s%s\n", ip_is_zero(at) ? "" : "\"",
			ip_is_zero(at) ? "null" : ip_format(at, buf), ip_is_zero(at) ? "" : "\"");
		return;
	case SETTING_LIST:
		print_list(*(char *const *)at, out);
		return;
	case SETTING_SIZE:
		print_size(*(const uint64_t *)at, out);
		return;
	default:
		if (!*(char *const *)at) {
			fputs("null\n", out);
			return;
		}
		print_text(*(char *const *)at, strlen(*(char *const *)at), out);
		fputc('\n', out);
	}
}

void settings_print(const struct settings *s, const void *of, FILE *out)
{
	const char *last = "";

	for (unsigned int i = 0; i < s->n; i++) {
		const char *name = s->table[i].name, *rest = name, *dot;
		int depth = 0;

		for (; (dot = strchr(rest, '.')); rest = dot + 1, depth++)
			if (strncmp(name, last, (size_t)(dot + 1 - name)) != 0)
				fprintf(out, "%*s%.*s:\n", 2 * depth, "", (int)(dot - rest), rest);
		last = name;
		fprintf(out, "%*s%s: ", 2 * depth, "", rest);
		print_value(of, &s->table[i], out);
	}
}

void settings_help(const struct settings *s, FILE *out)
{
	for (unsigned int i = 0; i < s->n; i++)
		fprintf(out, "  %-20s %s%s%s%s\n", s->table[i].name, s->table[i].help,
			s->table[i].fallback ? " (" : "",
			s->table[i].fallback ? s->table[i].fallback : "",
			s->table[i].fallback ? ")" : "");
}
