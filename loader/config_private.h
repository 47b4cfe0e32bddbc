/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of config share: the table of settings, and their texts before they are checked.
 */
#pragma once

#include <stddef.h>

#include "loader/config.h"

enum type {
	NAME,	/* of a host or an instance */
	STRING, /* any text without control characters */
	PATH,	/* absolute */
	DEVICE, /* name of an interface, or the beginning of one: at most 'max' characters */
	LIST,	/* of strings */
	NUMBER, /* min..max, or one of the words */
	CHOICE, /* words: index into 'words' */
	ADDRESS,
	LISTEN, /* "address:port", "[v6]:port": as util/addr.h's endpoint_parse() */
};

struct key {
	const char *name;
	enum type type;
	size_t offset;
	uint32_t min, max;
	const char *fallback;	  /* NULL = not set */
	const char *const *words; /* CHOICE and NUMBER, with their values below */
	const int *values;
	const char *help;
};

#define CONFIG_KEYS 42
extern const struct key config_keys[CONFIG_KEYS];
int config_find_key(const char *name); /* index, or -1 */

/* Text of each key and where it came from ("skepd.yaml:3"), before it is checked. */
struct raw {
	char *text[CONFIG_KEYS];
	char *where[CONFIG_KEYS];
};

/* config_source.c: each adds to what is there */
int config_take_default(struct raw *raw, int key, struct err *err);
int config_take_file(struct raw *raw, const char *file, struct err *err);
int config_take_env(struct raw *raw, char *const *env, struct err *err);
int config_take_set(struct raw *raw, const char *arg, struct err *err); /* "key=value" */
/* The file's contents and a NUL, at most 'max' bytes; the caller's to free.  NULL: 'err'. */
char *config_read_whole(const char *path, size_t max, size_t *len, struct err *err);
