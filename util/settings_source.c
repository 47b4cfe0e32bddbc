// SPDX-License-Identifier: Apache-2.0
/* Where settings come from: file, environment, command line.  Here they are texts; settings.c says what they mean. */
#include "util/settings_private.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"
#include "util/yaml.h"

static int raw_set(struct settings_raw *raw, int i, const char *text, const char *where, struct err *err)
{
	free(raw->text[i]);
	free(raw->where[i]);
	raw->text[i] = strdup(text);
	raw->where[i] = strdup(where);
	return raw->text[i] && raw->where[i] ? 0 : err_set(err, -ENOMEM, "out of memory");
}

/* "host, instance, db.mode, ...", those below 'section' only and without it if that is not "", sections as such */
static const char *allowed(const struct settings_raw *raw, const char *section, char *buf, size_t size)
{
	size_t n = 0, skip = *section ? strlen(section) + 1 : 0;
	const char *last = "";

	buf[0] = 0;
	for (size_t i = 0; i < raw->s->n; i++) {
		const char *name = raw->s->table[i].name;
		int len;

		if (skip && (strncmp(name, section, skip - 1) || name[skip - 1] != '.'))
			continue;
		name += skip;
		len = (int)strcspn(name, ".");
		if (strlen(last) >= (size_t)len && !strncmp(last, name, len) &&
		    (!last[len] || last[len] == '.'))
			continue;
		last = name;
		n += snprintf(buf + n, size - n, "%s%.*s", n ? ", " : "", len, name);
		if (n >= size)
			break;
	}
	return buf;
}

/* --- the file --- */

static int scalar_text(const json_t *v, char *buf, size_t size)
{
	if (json_is_string(v))
		return strlen(json_string_value(v)) < size
			       ? snprintf(buf, size, "%s", json_string_value(v))
			       : -1;
	if (json_is_integer(v))
		return snprintf(buf, size, "%lld", (long long)json_integer_value(v));
	return -1;
}

static int take_value(struct settings_raw *raw, const char *name, const json_t *v, const char *where,
		      struct err *err)
{
	char text[4096] = "";
	size_t n = 0, i;
	int k = settings_find(raw->s, name);
	json_t *item;

	if (json_is_null(v))
		return 0; /* "key:" alone: as if it were not there */
	if (raw->s->table[k].type == SETTING_LIST && json_is_array(v)) {
		json_array_foreach (v, i, item) {
			int len = n + 2 < sizeof(text)
					  ? scalar_text(item, text + n, sizeof(text) - n - 1)
					  : -1;

			if (len < 0)
				return err_set(
					err, -EINVAL,
					"%s: '%s': item %zu is not a string (want a list like [10.0.0.1:6379])",
					where, name, i + 1);
			n += len;
			text[n++] = ',';
		}
		if (!n) { /* "[]": none, whatever the default is */
			free(raw->text[k]);
			raw->text[k] = NULL;
			return 0;
		}
		text[n - 1] = 0;
	} else if (scalar_text(v, text, sizeof(text)) < 0) {
		return err_set(err, -EINVAL, "%s: '%s': want %s", where, name,
			       raw->s->table[k].type == SETTING_LIST ? "a list of strings"
							   : "a single value");
	}
	return raw_set(raw, k, text, where, err);
}

static int take_section(struct settings_raw *raw, const char *file, const struct yaml_lines *lines,
			const char *section, const json_t *object, struct err *err)
{
	char name[128], where[512], list[512];
	const char *key;
	json_t *v;
	int rc;

	json_object_foreach ((json_t *)object, key, v) {
		snprintf(where, sizeof(where), "%s:%u", file, yaml_line_of_key(lines, object, key));
		snprintf(name, sizeof(name), "%s%s%s", section, *section ? "." : "", key);
		if (settings_find(raw->s, name) >= 0) {
			rc = take_value(raw, name, v, where, err);
		} else if (*allowed(raw, name, list, sizeof(list))) {
			rc = json_is_object(v) ? take_section(raw, file, lines, name, v, err)
			     : json_is_null(v)
				     ? 0
				     : err_set(err, -EINVAL, "%s: '%s': want a section with %s",
					       where, name, list);
		} else {
			rc = err_set(err, -EINVAL, "%s: unknown key '%s' (allowed%s%s%s: %s)",
				     where, name, *section ? " in '" : "", section,
				     *section ? "'" : "", allowed(raw, section, list, sizeof(list)));
		}
		if (rc)
			return rc;
	}
	return 0;
}

char *settings_read_whole(const char *path, size_t max, size_t *len, struct err *err)
{
	_free_ char *buf = malloc(max + 1);
	FILE *f = fopen(path, "re");

	if (!f || !buf) {
		err_set(err, f ? -ENOMEM : -errno, "cannot read '%s': %s", path,
			f ? "out of memory" : strerror(errno));
		if (f)
			fclose(f);
		return NULL;
	}
	*len = fread(buf, 1, max + 1, f);
	if (ferror(f) || *len > max) {
		err_set(err, -EINVAL, "cannot read '%s': %s", path,
			*len > max ? "it is too long" : "not a readable file");
		fclose(f);
		return NULL;
	}
	fclose(f);
	buf[*len] = 0;
	return TAKE_PTR(buf);
}

int settings_take_file(struct settings_raw *raw, const char *file, struct err *err)
{
	struct yaml_lines *lines = NULL;
	size_t len;
	_free_ char *text = settings_read_whole(file, 1 << 20, &len, err);
	json_t *docs, *doc;
	int rc = 0;

	if (!text)
		return err ? err->code : -EIO;
	docs = yaml_parse(text, len, file, &lines, err);
	if (!docs)
		return err ? err->code : -EINVAL;
	doc = json_array_get(docs, 0);
	if (json_array_size(docs) > 1)
		rc = err_set(err, -EINVAL, "%s: several documents (want one)", file);
	else if (doc && json_is_object(doc))
		rc = take_section(raw, file, lines, "", doc, err);
	else if (doc && !json_is_null(doc))
		rc = err_set(err, -EINVAL, "%s: want keys and values, like 'log_level: info'", file);
	yaml_lines_free(lines);
	json_decref(docs);
	return rc;
}

/* --- environment and command line --- */

int settings_take_env(struct settings_raw *raw, char *const *env, struct err *err)
{
	size_t prefix = strlen(raw->s->env);

	for (; env && *env; env++) {
		char name[128] = "", where[160];
		const char *eq = strchr(*env, '=');

		if (strncmp(*env, raw->s->env, prefix) || !eq || (size_t)(eq - *env) >= sizeof(name))
			continue;
		memcpy(name, *env, eq - *env);
		snprintf(where, sizeof(where), "environment variable %s", name);
		for (size_t i = 0; i < raw->s->n; i++) {
			const char *k = raw->s->table[i].name, *e = name + prefix;

			while (*k && (*k == '.' ? '_' : toupper((unsigned char)*k)) == *e) {
				k++;
				e++;
			}
			if (!*k && !*e && raw_set(raw, (int)i, eq + 1, where, err))
				return -ENOMEM;
		}
	}
	return 0;
}

int settings_take_set(struct settings_raw *raw, const char *arg, struct err *err)
{
	const char *eq = strchr(arg, '=');
	char name[128], list[1024] = "";
	int k;

	if (!eq || (size_t)(eq - arg) >= sizeof(name))
		return err_set(err, -EINVAL,
			       "--set '%s': want KEY=VALUE, like log_level=debug", arg);
	snprintf(name, sizeof(name), "%.*s", (int)(eq - arg), arg);
	k = settings_find(raw->s, name);
	if (k >= 0)
		return raw_set(raw, k, eq + 1, "command line", err);
	for (size_t i = 0, n = 0; i < raw->s->n && n < sizeof(list); i++)
		n += snprintf(list + n, sizeof(list) - n, "%s%s", i ? ", " : "",
			      raw->s->table[i].name);
	return err_set(err, -EINVAL, "--set: unknown key '%s' (allowed: %s)", name, list);
}

int settings_take_default(struct settings_raw *raw, int key, struct err *err)
{
	return raw->s->table[key].fallback
		       ? raw_set(raw, key, raw->s->table[key].fallback, "default", err)
		       : 0;
}
