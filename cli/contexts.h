/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ~/.config/skep/contexts.yaml: which skep-api, and as whom.  'skep login' writes it, readable for its owner only:
 *
 *	current: prod
 *	contexts:
 *	  prod: {api: "https://skep.example:8460", token: "skep_...", tenant: acme, ca: /etc/ssl/own.pem}
 */
#pragma once

#include <jansson.h>

#include "util/err.h"

struct context { /* NULL = not said */
	char *api, *token, *tenant, *ca;
};

/* The named one, or the current one ('name' NULL).  0; 1: there is none, and none was asked for; -errno with 'err'. */
int context_read(const char *name, struct context *c, struct err *err);
/* Adds or replaces one, and makes it the current one. */
int context_write(const char *name, const struct context *c, struct err *err);
/* [{"name", "current", "api", "tenant", "ca", "token": is there one?}] */
json_t *context_list(struct err *err);
int context_use(const char *name, struct err *err);
int context_remove(const char *name, struct err *err); /* NULL: the current one */
void context_fini(struct context *c);
