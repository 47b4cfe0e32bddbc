/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program's settings.  One table says what there is; file (YAML), environment, command line, --print-config, --help and the manual page follow it.
 * A flag beats the environment, which beats the file, which beats the default.  Keys are "name" or "section.name".
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "util/err.h"

enum setting_type {
	SETTING_NAME,	 /* of a host or an instance: char * */
	SETTING_STRING,	 /* any text without control characters: char * */
	SETTING_PATH,	 /* absolute: char * */
	SETTING_DEVICE,	 /* name of an interface, or the beginning of one: at most 'max' characters: char * */
	SETTING_LIST,	 /* of strings; as one text with commas between: char * */
	SETTING_NUMBER,	 /* min..max, or one of the words: uint32_t */
	SETTING_CHOICE,	 /* words: their values: int */
	SETTING_ADDRESS, /* of this host: struct skep_ip, zero when not set */
	SETTING_ENDPOINT, /* address and port, as endpoint_parse() reads them: char * */
	SETTING_SIZE,	 /* bytes, min..max MB: "64MB", "1GB", "512kB": uint64_t */
};

struct setting {
	const char *name;
	enum setting_type type;
	size_t offset;		  /* of its member in the program's struct */
	uint32_t min, max;
	const char *fallback;	  /* NULL = not set */
	const char *const *words; /* CHOICE and NUMBER, with their values below */
	const int *values;
	const char *help;
};

struct settings {
	const struct setting *table;
	unsigned int n;
	const char *env; /* "SKEP_": SKEP_DB_MODE is db.mode */
	const char *file; /* read if it exists, when none is named */
};

/*
 * Fills the members of '*to' (zero before) that the table names.  'file' NULL: the usual one, if it exists.  'env': like environ; may be NULL.
 * 'set': "key=value" of the command line.  0, or -errno with 'err' naming file and line, key, value and what is allowed; then
 * settings_fini() frees what was set.
 */
int settings_load(const struct settings *s, void *to, const char *file, char *const *env, char *const *set,
		  unsigned int n_set, struct err *err);
void settings_fini(const struct settings *s, void *of);
/* All settings as a file that settings_load() would take; --help: key, default, what it is. */
void settings_print(const struct settings *s, const void *of, FILE *out);
void settings_help(const struct settings *s, FILE *out);

/* A LIST's items: '*items' is an array of texts, the caller's to free with settings_free_list().  -E2BIG: more than 'max'. */
int settings_split(const char *list, unsigned int max, char ***items, unsigned int *n);
void settings_free_list(char **items, unsigned int n); /* takes NULL */
/* Will the text do as the name of a host? */
bool settings_is_name(const char *text);

/* The file's contents and a NUL, at most 'max' bytes; the caller's to free.  NULL: 'err'. */
/* -EPERM: everybody may read it, or write to it. */
int settings_check_private(const char *name, const char *path, struct err *err);
char *settings_read_whole(const char *path, size_t max, size_t *len, struct err *err);
/* First line of a file that not everybody may read; to be wiped before it is freed.  NULL: 'err', whose text begins with the key's name. */
char *settings_read_secret(const char *name, const char *path, struct err *err);
