/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of settings share: the texts before they are checked. */
#pragma once

#include "util/settings.h"

/* Text of each key and where it came from ("skepd.yaml:3"), before it is checked. */
struct settings_raw {
	const struct settings *s;
	char **text, **where;
};

int settings_find(const struct settings *s, const char *name); /* index, or -1 */
/* settings_source.c: each adds to what is there */
int settings_take_default(struct settings_raw *raw, int key, struct err *err);
int settings_take_file(struct settings_raw *raw, const char *file, struct err *err);
int settings_take_env(struct settings_raw *raw, char *const *env, struct err *err);
int settings_take_set(struct settings_raw *raw, const char *arg, struct err *err); /* "key=value" */
