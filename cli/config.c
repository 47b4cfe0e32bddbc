// SPDX-License-Identifier: Apache-2.0
/* Reads a few settings from skepd's configuration (config.h).  Called by conn.c only. */
#include "cli/config.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <yaml.h>

#include "util/cleanup.h"

static yaml_node_t *member(yaml_document_t *doc, yaml_node_t *node, const char *key)
{
	if (!node || node->type != YAML_MAPPING_NODE)
		return NULL;
	for (yaml_node_pair_t *p = node->data.mapping.pairs.start; p < node->data.mapping.pairs.top;
	     p++) {
		yaml_node_t *k = yaml_document_get_node(doc, p->key);

		if (k && k->type == YAML_SCALAR_NODE &&
		    !strcmp((const char *)k->data.scalar.value, key))
			return yaml_document_get_node(doc, p->value);
	}
	return NULL;
}

static const char *scalar(yaml_node_t *node)
{
	return node && node->type == YAML_SCALAR_NODE ? (const char *)node->data.scalar.value
						      : NULL;
}

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

static int read_db(struct config *config, yaml_document_t *doc, yaml_node_t *db, const char *path,
		   struct err *err)
{
	yaml_node_t *list = member(doc, db, "addresses");
	const char *mode = scalar(member(doc, db, "mode"));
	const char *text = scalar(member(doc, db, "address"));
	const char *password = scalar(member(doc, db, "password"));

	config->mode = DB_EMBEDDED;
	if (mode && !db_mode_parse(mode, &config->mode))
		return err_set(
			err, -EINVAL,
			"%s: field 'db.mode': '%s' is not known (want embedded, server or cluster)",
			path, mode);
	if (text && add_address(config, text, strlen(text), err))
		return err->code;
	if (list && list->type == YAML_SEQUENCE_NODE)
		for (yaml_node_item_t *i = list->data.sequence.items.start;
		     i < list->data.sequence.items.top; i++) {
			text = scalar(yaml_document_get_node(doc, *i));
			if (text && add_address(config, text, strlen(text), err))
				return err->code;
		}
	if (password) {
		config->password = strdup(password);
		if (!config->password)
			return err_set(err, -ENOMEM, "out of memory");
	}
	config->has_db = true;
	return 0;
}

int config_read(struct config *config, const char *path, bool must_exist, struct err *err)
{
	yaml_document_t doc;
	yaml_parser_t parser;
	yaml_node_t *root;
	const char *run;
	FILE *f = fopen(path, "re");
	int rc = 0;

	if (!f) {
		if (!must_exist && errno == ENOENT)
			return 0;
		return err_set(err, -errno, "cannot read '%s': %s", path, strerror(errno));
	}
	if (!yaml_parser_initialize(&parser)) {
		fclose(f);
		return err_set(err, -ENOMEM, "out of memory");
	}
	yaml_parser_set_input_file(&parser, f);
	if (!yaml_parser_load(&parser, &doc)) {
		rc = err_set(err, -EINVAL, "%s:%zu: %s", path, parser.problem_mark.line + 1,
			     parser.problem ? parser.problem : "not YAML");
		yaml_parser_delete(&parser);
		fclose(f);
		return rc;
	}
	root = yaml_document_get_root_node(&doc);
	run = scalar(member(&doc, member(&doc, root, "paths"), "run"));
	if (run) {
		config->run_dir = strdup(run);
		if (!config->run_dir)
			rc = err_set(err, -ENOMEM, "out of memory");
	}
	if (!rc && root && root->type == YAML_MAPPING_NODE)
		rc = read_db(config, &doc, member(&doc, root, "db"), path, err);
	yaml_document_delete(&doc);
	yaml_parser_delete(&parser);
	fclose(f);
	return rc;
}

void config_fini(struct config *config)
{
	for (unsigned int i = 0; i < config->n_addresses; i++)
		free(config->addresses[i]);
	free(config->run_dir);
	free(config->password);
	*config = (struct config){ 0 };
}
