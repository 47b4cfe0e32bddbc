// SPDX-License-Identifier: Apache-2.0
/* Standard output of every command (out.h).  Text from the database or from packets is stripped of
 * control characters. */
#include "cli/out.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "util/json.h"
#include "util/yaml.h"

const char *out_style(FILE *stream, enum out_style style)
{
	static const char *const escapes[] = {
		[OUT_PLAIN] = "\033[0m",   [OUT_BOLD] = "\033[1m", [OUT_GREEN] = "\033[32m",
		[OUT_YELLOW] = "\033[33m", [OUT_RED] = "\033[31m", [OUT_DIM] = "\033[2m",
	};
	const char *no_color = getenv("NO_COLOR");

	if ((no_color && *no_color) || !isatty(fileno(stream)))
		return "";
	return escapes[style];
}

void out_json(const json_t *value)
{
	json_dumpf(value, stdout, JSON_COMPACT | JSON_ENCODE_ANY);
	putchar('\n');
	fflush(stdout);
}

void out_error_json(const struct err *err)
{
	json_t *root =
		json_pack("{s:{s:s, s:s}}", "error", "code", err_name(err), "message", err->text);

	if (!root) /* text that is no UTF-8 */
		root = json_pack("{s:{s:s, s:s}}", "error", "code", err_name(err), "message", "");
	out_json(root);
	json_decref(root);
}

/* --- tables --- */

struct out_table {
	const char *const *headings;
	unsigned int n_columns;
	char **cells;
	size_t n, cap;
	bool failed;
};

struct out_table *out_table_new(const char *const *headings, unsigned int n_columns)
{
	struct out_table *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->headings = headings;
	t->n_columns = n_columns;
	return t;
}

static void clean(char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			*s = '?';
}

void out_cell(struct out_table *t, const char *text)
{
	char *copy;

	if (!t || t->failed)
		return;
	if (t->n == t->cap) {
		size_t cap = t->cap ? 2 * t->cap : 64;
		char **cells = realloc(t->cells, cap * sizeof(*cells));

		if (!cells) {
			t->failed = true;
			return;
		}
		t->cells = cells;
		t->cap = cap;
	}
	copy = strdup(text && *text ? text : "-");
	if (!copy) {
		t->failed = true;
		return;
	}
	clean(copy);
	t->cells[t->n++] = copy;
}

void out_cellf(struct out_table *t, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	out_cell(t, text);
}

static void print_row(const struct out_table *t, const int *width, char *const *cells)
{
	for (unsigned int i = 0; i < t->n_columns; i++) {
		if (i + 1 == t->n_columns)
			printf("%s", cells[i]);
		else
			printf("%-*s  ", width[i], cells[i]);
	}
}

void out_table_end(struct out_table *t)
{
	int width[32] = { 0 };

	if (!t) {
		fprintf(stderr, "skep: out of memory\n");
		return;
	}
	for (unsigned int i = 0; i < t->n_columns && i < 32; i++)
		width[i] = (int)strlen(t->headings[i]);
	for (size_t i = 0; i < t->n; i++) {
		int len = (int)strlen(t->cells[i]);

		if (len > width[i % t->n_columns])
			width[i % t->n_columns] = len;
	}
	printf("%s", out_style(stdout, OUT_BOLD));
	print_row(t, width, (char *const *)t->headings);
	printf("%s\n", out_style(stdout, OUT_PLAIN));
	for (size_t i = 0; i + t->n_columns <= t->n; i += t->n_columns) {
		print_row(t, width, t->cells + i);
		putchar('\n');
	}
	if (t->failed)
		fprintf(stderr, "skep: out of memory, the table is not complete\n");
	for (size_t i = 0; i < t->n; i++)
		free(t->cells[i]);
	free(t->cells);
	free(t);
	fflush(stdout);
}

static char *clean_copy(const char *s)
{
	char *copy = strdup(s);

	if (copy)
		clean(copy);
	return copy;
}

char *out_text(const json_t *value)
{
	char *text = NULL;
	size_t size = 0;
	const json_t *item;
	size_t i;
	FILE *f;

	if (json_is_string(value))
		return clean_copy(json_string_value(value));
	f = open_memstream(&text, &size);
	if (!f)
		return NULL;
	if (json_is_array(value)) {
		json_array_foreach(value, i, item)
		{
			_free_ char *part = out_text(item);

			fprintf(f, "%s%s", i ? "," : "", part ? part : "");
		}
	} else if (value && !json_is_null(value)) {
		json_dumpf(value, f, JSON_COMPACT | JSON_ENCODE_ANY);
	}
	if (fclose(f))
		return NULL;
	return text;
}

struct sort_item {
	json_t *object;
	const char *text;
};

static int compare(const void *a, const void *b)
{
	return strcmp(((const struct sort_item *)a)->text, ((const struct sort_item *)b)->text);
}

void out_sort(json_t *list, const char *key)
{
	size_t n = json_array_size(list), i;
	_free_ struct sort_item *items = calloc(n ? n : 1, sizeof(*items));
	json_t *object;

	if (!items)
		return; /* unsorted is no error */
	json_array_foreach(list, i, object)
	{
		const char *text = json_str(object, key);

		items[i] = (struct sort_item){ json_incref(object), text ? text : "" };
	}
	qsort(items, n, sizeof(*items), compare);
	for (i = 0; i < n; i++)
		json_array_set_new(list, i, items[i].object);
}

int out_yaml(const json_t *value, struct err *err)
{
	int rc = yaml_write(value, stdout);

	fflush(stdout);
	return rc ? err_set(err, rc, "cannot write YAML") : 0;
}
