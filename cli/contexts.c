// SPDX-License-Identifier: Apache-2.0
/* Implements contexts.h.  Called by rest.c and cmd_login.c. */
#include "cli/contexts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/json.h"
#include "util/yaml.h"

#define FILE_MAX (1u << 20)

/* Where it is: $SKEP_CONTEXTS, or below $XDG_CONFIG_HOME or $HOME. */
static int find_path(char *path, size_t size, struct err *err)
{
	const char *own = getenv("SKEP_CONTEXTS"), *xdg = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
	int n;

	if (own && *own)
		n = snprintf(path, size, "%s", own);
	else if (xdg && *xdg == '/')
		n = snprintf(path, size, "%s/skep/contexts.yaml", xdg);
	else if (home && *home)
		n = snprintf(path, size, "%s/.config/skep/contexts.yaml", home);
	else
		return err_set(err, -ENOENT, "there is no home directory for contexts.yaml (set SKEP_CONTEXTS)");
	return n < (int)size ? 0 : err_set(err, -ENAMETOOLONG, "the path of contexts.yaml is too long");
}

/* Who writes it chooses to whom tokens and commands go. */
static int check_owner(FILE *f, const char *path, struct err *err)
{
	struct stat st;

	if (fstat(fileno(f), &st))
		return err_set(err, -errno, "cannot read '%s': %s", path, strerror(errno));
	if (st.st_mode & (S_IWGRP | S_IWOTH))
		return err_set(err, -EPERM, "'%s' may be written by others: it is not used (want chmod 600)", path);
	if (st.st_uid && st.st_uid != geteuid())
		return err_set(err, -EPERM, "'%s' is somebody else's: it is not used", path);
	return 0;
}

/* The file as an object: {} if there is none. */
static json_t *read_file(const char *path, struct err *err)
{
	_free_ char *text = malloc(FILE_MAX);
	_json_ json_t *docs = NULL;
	FILE *f = fopen(path, "r");
	json_t *root;
	size_t n;

	if (!f && errno == ENOENT)
		return json_object();
	if (!f || !text) {
		err_set(err, -errno, "cannot read '%s': %s", path, strerror(errno));
		if (f)
			fclose(f);
		return NULL;
	}
	if (check_owner(f, path, err)) {
		fclose(f);
		return NULL;
	}
	n = fread(text, 1, FILE_MAX, f);
	fclose(f);
	docs = yaml_parse(text, n, path, NULL, err);
	if (!docs)
		return NULL;
	root = json_array_get(docs, 0);
	if (!json_array_size(docs))
		return json_object();
	if (!json_is_object(root) || !json_is_object(json_object_get(root, "contexts"))) {
		err_set(err, -EINVAL, "%s: field 'contexts' is missing, or no object (want contexts: {NAME: {api, token}})", path);
		return NULL;
	}
	return json_incref(root);
}

static int copy(const json_t *from, const char *key, char **to, struct err *err)
{
	const char *s = json_str(from, key);

	*to = s ? strdup(s) : NULL;
	return s && !*to ? err_set(err, -ENOMEM, "out of memory") : 0;
}

int context_read(const char *name, struct context *c, struct err *err)
{
	_json_ json_t *root = NULL;
	const json_t *one;
	char path[512];

	*c = (struct context){ 0 };
	if (!name && !getenv("SKEP_CONTEXTS") && !getenv("XDG_CONFIG_HOME") && !getenv("HOME"))
		return 1;
	if (find_path(path, sizeof(path), err))
		return err->code;
	root = read_file(path, err);
	if (!root)
		return err->code;
	if (!name)
		name = json_str(root, "current");
	if (!name || !*name) /* none since it was removed */
		return 1;
	one = json_object_get(json_object_get(root, "contexts"), name);
	if (!json_str(one, "api"))
		return err_tag(err, -ENOENT, "no_such_context", "%s: context '%s' does not exist, or has no 'api' ('skep login' makes one)",
			       path, name);
	if (copy(one, "api", &c->api, err) || copy(one, "token", &c->token, err) ||
	    copy(one, "tenant", &c->tenant, err) || copy(one, "ca", &c->ca, err)) {
		context_fini(c);
		return err->code;
	}
	return 0;
}

/* JSON is YAML: the values as JSON texts, the structure for people. */
static void print(FILE *f, const json_t *root)
{
	const json_t *contexts = json_object_get(root, "contexts");
	const char *name;
	json_t *one;

	fprintf(f, "current: \"%s\"\ncontexts:%s\n", json_str(root, "current") ? json_str(root, "current") : "",
		json_object_size(contexts) ? "" : " {}");
	json_object_foreach((json_t *)contexts, name, one) {
		_free_ char *text = json_dumps(one, 0);

		fprintf(f, "  \"%s\": %s\n", name, text ? text : "{}");
	}
}

static int make_directory(const char *path, struct err *err)
{
	char dir[512];

	snprintf(dir, sizeof(dir), "%s", path);
	for (char *p = strchr(dir + 1, '/'); p; p = strchr(p + 1, '/')) {
		*p = 0;
		if (mkdir(dir, 0700) && errno != EEXIST)
			return err_set(err, -errno, "cannot make directory '%s': %s", dir, strerror(errno));
		*p = '/';
	}
	return 0;
}

/* All of it or nothing: beside the old one, then in its place. */
static int write_file(const char *path, const json_t *root, struct err *err)
{
	char beside[540];
	FILE *f = NULL;
	bool ok;
	int fd;

	if (make_directory(path, err))
		return err->code;
	snprintf(beside, sizeof(beside), "%s.%d", path, (int)getpid());
	fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd >= 0)
		f = fdopen(fd, "w");
	if (!f)
		return err_set(err, -errno, "cannot write '%s': %s", beside, strerror(errno));
	print(f, root);
	ok = !fflush(f) && !ferror(f) && !fsync(fd);
	if (fclose(f) || !ok || rename(beside, path)) {
		err_set(err, -errno, "cannot write '%s': %s", path, strerror(errno));
		unlink(beside);
		return err->code;
	}
	return 0;
}

int context_write(const char *name, const struct context *c, struct err *err)
{
	_json_ json_t *root = NULL;
	json_t *contexts;
	char path[512];

	if (!*name || strlen(name) > 63 ||
	    name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")])
		return err_tag(err, -EINVAL, "usage", "'%.63s' is no name of a context (want letters, digits, '.', '_', '-')", name);
	if (find_path(path, sizeof(path), err))
		return err->code;
	root = read_file(path, err);
	if (!root)
		return err->code;
	contexts = json_object_get(root, "contexts");
	if (!contexts) {
		contexts = json_object();
		json_object_set_new(root, "contexts", contexts);
	}
	json_object_set_new(contexts, name,
			    json_pack("{s:s, s:s*, s:s*, s:s*}", "api", c->api, "token", c->token, "tenant", c->tenant, "ca", c->ca));
	json_object_set_new(root, "current", json_string(name));
	return write_file(path, root, err);
}

json_t *context_list(struct err *err)
{
	_json_ json_t *root = NULL, *list = json_array();
	const char *name, *current;
	char path[512];
	json_t *one;

	if (find_path(path, sizeof(path), err) || !(root = read_file(path, err)))
		return NULL;
	current = json_str(root, "current");
	json_object_foreach(json_object_get(root, "contexts"), name, one)
		json_array_append_new(list, json_pack("{s:s, s:b, s:O*, s:O*, s:O*, s:b}", "name", name, "current",
						      current && !strcmp(current, name), "api", json_object_get(one, "api"), "tenant",
						      json_object_get(one, "tenant"), "ca", json_object_get(one, "ca"), "token",
						      json_str(one, "token") != NULL));
	return TAKE_PTR(list);
}

/* Changes the file as 'how' says. */
static int change(const char *name, void (*how)(json_t *root, const char *name), struct err *err)
{
	_json_ json_t *root = NULL;
	char path[512];

	if (find_path(path, sizeof(path), err) || !(root = read_file(path, err)))
		return err->code;
	if (!name)
		name = json_str(root, "current");
	if (!name || !json_object_get(json_object_get(root, "contexts"), name))
		return err_tag(err, -ENOENT, "no_such_context", "%s: context '%s' does not exist ('skep context list' shows those that do)", path,
			       name ? name : "");
	how(root, name);
	return write_file(path, root, err);
}

static void make_current(json_t *root, const char *name)
{
	json_object_set_new(root, "current", json_string(name));
}

static void take_out(json_t *root, const char *name)
{
	const char *current = json_str(root, "current");
	const bool was = current && !strcmp(current, name);

	(void)json_object_del(json_object_get(root, "contexts"), name); /* it is there */
	if (was)
		make_current(root, "");
}

int context_use(const char *name, struct err *err)
{
	return change(name, make_current, err);
}

int context_remove(const char *name, struct err *err)
{
	return change(name, take_out, err);
}

void context_fini(struct context *c)
{
	free(c->api);
	free(c->token);
	free(c->tenant);
	free(c->ca);
	*c = (struct context){ 0 };
}
