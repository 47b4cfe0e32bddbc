// SPDX-License-Identifier: Apache-2.0
/* Settings as text: --print-config and --help. */
#include "loader/config_private.h"

#include <string.h>

#include "util/addr.h"

static void print_value(const struct config *c, const struct key *k, FILE *out)
{
	const void *at = (const char *)c + k->offset;
	char buf[ADDR_TEXT];

	switch (k->type) {
	case NUMBER:
		for (int i = 0; k->words && k->words[i]; i++)
			if ((uint32_t)k->values[i] == *(const uint32_t *)at) {
				fprintf(out, "%s\n", k->words[i]);
				return;
			}
		fprintf(out, "%u\n", *(const uint32_t *)at);
		return;
	case CHOICE:
		for (int i = 0; k->words[i]; i++)
			if (k->values[i] == *(const int *)at)
				fprintf(out, "%s\n", k->words[i]);
		return;
	case ADDRESS:
		fprintf(out, "%s%s%s\n", ip_is_zero(at) ? "" : "\"",
			ip_is_zero(at) ? "null" : ip_format(at, buf), ip_is_zero(at) ? "" : "\"");
		return;
	case LIST:
		fputc('[', out);
		for (unsigned int i = 0; i < c->n_addresses; i++)
			fprintf(out, "%s\"%s\"", i ? ", " : "", c->addresses[i]);
		fputs("]\n", out);
		return;
	default:
		if (!*(char *const *)at) {
			fputs("null\n", out);
			return;
		}
		fputc('"', out);
		for (const char *p = *(char *const *)at; *p; p++)
			fprintf(out, "%s%c", *p == '"' || *p == '\\' ? "\\" : "", *p);
		fputs("\"\n", out);
	}
}

void config_print(const struct config *c, FILE *out)
{
	const char *section = "";
	int section_len = 0;

	for (size_t i = 0; i < CONFIG_KEYS; i++) {
		const char *dot = strchr(config_keys[i].name, '.');
		int len = dot ? (int)(dot - config_keys[i].name) : 0;

		if (len && (len != section_len || strncmp(section, config_keys[i].name, len)))
			fprintf(out, "%.*s:\n", len, config_keys[i].name);
		section = config_keys[i].name;
		section_len = len;
		fprintf(out, "%s%s: ", dot ? "  " : "", dot ? dot + 1 : config_keys[i].name);
		print_value(c, &config_keys[i], out);
	}
}

void config_help(FILE *out)
{
	for (size_t i = 0; i < CONFIG_KEYS; i++)
		fprintf(out, "  %-20s %s%s%s%s\n", config_keys[i].name, config_keys[i].help,
			config_keys[i].fallback ? " (" : "",
			config_keys[i].fallback ? config_keys[i].fallback : "",
			config_keys[i].fallback ? ")" : "");
}
