// SPDX-License-Identifier: Apache-2.0
/* Reads a few settings from skepd's configuration (config.h).  Called by conn.c only. */
#include "cli/config.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "util/json.h"
#include "util/yaml.h"

#define FILE_MAX (1u << 20)

static int add_address(struct config *config, const char *text, size_t len, struct err *err)
{
	char *copy;

	if (config->n_addresses == ARRAY_SIZE(config->addresses))
		return err_set(err, -E2BIG, "more than %zu addresses of the state DB",
			       ARRAY_SIZE(config->addresses));
	if (*text == '/') {
		if (asprintf(&copy, "unix:%.*s", (int)len, text) < 0)
			copy = NULL;
	} else {
		copy = strndup(text, len);
	}
	if (!copy)
		return err_set(err, -ENOMEM, "out of memory");
	config->addresses[config->n_addresses++] = copy;
	return 0;
}

int config_address(struct config *config, const char *text, struct err *err)
{
	for (unsigned int i = 0; i < config->n_addresses; i++)
		free(config->addresses[i]);
	config->n_addresses = 0;
	for (;;) {
		size_t len = strcspn(text, ",");

		if (!len)
			return err_tag(
				err, -EINVAL, "usage",
				"state DB: '%s' is not an address (want host:port, [v6]:port or unix:/path)",
				text);
		if (add_address(config, text, len, err))
			return err->code;
		if (!text[len])
			break;
		text += len + 1;
	}
	config->mode = config->n_addresses > 1 ? DB_CLUSTER : DB_SERVER;
	config->has_db = true;
	return 0;
}

static char *read_text(const char *path, size_t *len, struct err *err)
{
	FILE *f = fopen(path, "re");
	char *text = NULL;

	if (!f) {
		err_set(err, -errno, "cannot read '%s': %s", path, strerror(errno));
		return NULL;
	}
	text = malloc(FILE_MAX + 1);
	if (!text) {
		err_set(err, -ENOMEM, "out of memory");
	} else {
		*len = fread(text, 1, FILE_MAX, f);
		text[*len] = 0;
	}
	fclose(f);
	return text;
}

/* The first line of 'path' is the password. */
static int read_password(struct config *config, const char *path, struct err *err)
{
	_free_ char *text = NULL;
	size_t len;

	text = read_text(path, &len, err);
	if (!text)
		return err->code;
	text[strcspn(text, "\r\n")] = 0;
	config->password = strdup(text);
	return config->password ? 0 : err_set(err, -ENOMEM, "out of memory");
}

static int copy(const json_t *tls, const char *key, const char **to, struct err *err)
{
	const char *text = json_str(tls, key);

	*to = text ? strdup(text) : NULL;
	return text && !*to ? err_set(err, -ENOMEM, "out of memory") : 0;
}

static int take_tls(struct db_tls *to, const json_t *tls, struct err *err)
{
	int rc = copy(tls, "ca", &to->ca, err);

	rc = rc ? rc : copy(tls, "certificate", &to->certificate, err);
	rc = rc ? rc : copy(tls, "key", &to->key, err);
	return rc ? rc : copy(tls, "name", &to->name, err);
}

static int take_db(struct config *config, const json_t *db, const char *path, struct err *err)
{
	const json_t *list = json_object_get(db, "addresses"), *item;
	const char *mode = json_str(db, "mode"), *password = json_str(db, "password_file");
	size_t i;

	config->mode = DB_EMBEDDED;
	if (mode && !db_mode_parse(mode, &config->mode))
		return err_set(
			err, -EINVAL,
			"%s: 'db.mode': '%s' is not allowed (want embedded, server or cluster)",
			path, mode);
	if (json_is_string(list) && config_address(config, json_string_value(list), err))
		return err->code;
	if (json_is_string(list) && mode)
		db_mode_parse(mode, &config->mode);
	json_array_foreach(list, i, item)
	{
		const char *text = json_string_value(item);

		if (text && add_address(config, text, strlen(text), err))
			return err->code;
	}
	config->has_db = true;
	if (take_tls(&config->tls, json_object_get(db, "tls"), err))
		return err->code;
	return password ? read_password(config, password, err) : 0;
}

int config_read(struct config *config, const char *path, bool must_exist, struct err *err)
{
	_json_ json_t *docs = NULL;
	_free_ char *text = NULL;
	const json_t *doc;
	const char *run;
	size_t len;

	text = read_text(path, &len, err);
	if (!text) {
		if (must_exist || err->code != -ENOENT)
			return err->code;
		*err = (struct err){ 0 };
		return 0;
	}
	docs = yaml_parse(text, len, path, NULL, err);
	if (!docs)
		return err->code;
	doc = json_array_get(docs, 0);
	run = json_str(json_object_get(doc, "paths"), "run");
	if (run) {
		config->run_dir = strdup(run);
		if (!config->run_dir)
			return err_set(err, -ENOMEM, "out of memory");
	}
	return take_db(config, json_object_get(doc, "db"), path, err);
}

void config_fini(struct config *config)
{
	for (unsigned int i = 0; i < config->n_addresses; i++)
		free(config->addresses[i]);
	free(config->run_dir);
	free(config->password);
	free((char *)config->tls.ca);
	free((char *)config->tls.certificate);
	free((char *)config->tls.key);
	free((char *)config->tls.name);
	*config = (struct config){ 0 };
}
