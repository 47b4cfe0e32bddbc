/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Roles: what each may do.  An operator may everything.  A tenant's admin and reader see their tenant only; of any other they are told what is told of a
 * tenant that does not exist.  A monitor sees whether servers and hosts are well, and nothing of tenants.  Pure.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "api/request.h"
#include "util/err.h"

/* Names of people and tokens: 1 to 63 of [A-Za-z0-9._@-]. */
bool role_name_ok(const char *name);
/* Names of tenants, as topology has them; not the database's own spaces. */
bool role_tenant_ok(const char *tenant);
/* Admins and readers belong to a tenant, all others to none. */
bool role_has_tenant(enum api_role role);
bool role_fits_tenant(enum api_role role, const char *tenant);

/* Does the method change nothing by itself? */
bool role_method_safe(const char *method);
/*
 * May 'caller' use a route that wants at least 'least', is for 'monitors', too, changes something or not, of 'tenant' (NULL: the path has none)?  0; or 403
 * or 404 with 'err' filled.
 */
int role_check(const struct api_caller *caller, enum api_role least, bool monitors, bool changes, const char *tenant, struct err *err);
/*
 * May a caller make these changes of configuration ({path: object | null})?  Bindings are for operators: others may take one away
 * along with its port, but neither make, nor change, nor take it away alone.  0, or -EPERM with 'err'.
 */
int role_check_changes(const struct api_caller *caller, const json_t *changes, struct err *err);
