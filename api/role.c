// SPDX-License-Identifier: Apache-2.0
/* Implements role.h. */
#include "api/role.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "util/cleanup.h"

static const char *const names[] = {
	[API_NOBODY] = "nobody",
	[API_MONITOR] = "monitor",
	[API_READER] = "tenant-reader",
	[API_ADMIN] = "tenant-admin",
	[API_OPERATOR] = "operator",
};

const char *api_role_name(enum api_role role)
{
	return names[role];
}

int api_role_find(const char *name)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(names); i++)
		if (strcmp(names[i], name) == 0)
			return (int)i;
	return -1;
}

bool role_name_ok(const char *name)
{
	size_t n = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._@-");

	return n > 0 && n <= TOPO_NAME_MAX && !name[n];
}

bool role_tenant_ok(const char *tenant)
{
	return isalnum((unsigned char)*tenant) && role_name_ok(tenant) && !strchr(tenant, '@');
}

bool role_has_tenant(enum api_role role)
{
	return role == API_READER || role == API_ADMIN;
}

bool role_fits_tenant(enum api_role role, const char *tenant)
{
	return role_has_tenant(role) ? role_tenant_ok(tenant) : !*tenant;
}

bool role_method_safe(const char *method)
{
	return !strcmp(method, "GET") || !strcmp(method, "HEAD") || !strcmp(method, "OPTIONS");
}

int role_check(const struct api_caller *caller, enum api_role least, bool monitors, bool changes,
	       const char *tenant, struct err *err)
{
	/* first of all: nothing is learnt about other tenants, not even that they would be forbidden */
	if (tenant && *caller->tenant && strcmp(tenant, caller->tenant) != 0) {
		err_tag(err, -ENOENT, "not_found", "tenant '%.63s' does not exist", tenant);
		return 404;
	}
	if (caller->role < least && !(monitors && caller->role == API_MONITOR)) {
		err_tag(err, -EPERM, "forbidden", "this is for %s; '%s' is %s", api_role_name(least),
			caller->name, api_role_name(caller->role));
		return 403;
	}
	if (changes && (caller->read_only || caller->role == API_MONITOR)) {
		err_tag(err, -EPERM, "forbidden", "the token of '%s' is for reading only",
			caller->name);
		return 403;
	}
	return 0;
}

int role_check_changes(const struct api_caller *caller, const json_t *changes, struct err *err)
{
	char port[TOPO_NAME_MAX + 16];
	const char *path;
	json_t *is;

	if (caller->role == API_OPERATOR)
		return 0;
	json_object_foreach((json_t *)changes, path, is)
	{
		if (strncmp(path, "bind/", 5) != 0)
			continue;
		snprintf(port, sizeof(port), "port/%s", path + 5);
		if (json_is_null(is) && json_is_null(json_object_get(changes, port)))
			continue;
		return err_tag(
			err, -EPERM, "forbidden",
			"binding '%.63s': which interface of which host a port is on, only operators say",
			path + 5);
	}
	return 0;
}
