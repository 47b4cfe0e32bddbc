// SPDX-License-Identifier: Apache-2.0
/* Record sets: paths, merging, and what goes when an object goes. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "topology/doc.h"

bool topo_path_parse(const char *path, enum topo_kind *kind, const char **name)
{
	const char *slash = strchr(path, '/');

	for (int i = 0; slash && i < TOPO_KIND_MAX; i++) {
		const char *k = topo_kind_name((enum topo_kind)i);

		if (strlen(k) == (size_t)(slash - path) && !memcmp(path, k, strlen(k))) {
			*kind = (enum topo_kind)i;
			*name = slash + 1;
			return true;
		}
	}
	return false;
}

const char *topo_path(enum topo_kind kind, const char *name, char buf[static TOPO_PATH])
{
	snprintf(buf, TOPO_PATH, "%s/%s", topo_kind_name(kind), name);
	return buf;
}

json_t *topo_records_merge(const json_t *records, const json_t *changes)
{
	json_t *all = topo_json_copy(records);
	const char *path;
	json_t *rec;

	if (!all)
		return NULL;
	json_object_foreach((json_t *)changes, path, rec)
	{
		if (json_is_null(rec)) {
			(void)json_object_del(all, path); /* not there is as good as deleted */
		} else if (json_object_set(all, path, rec)) {
			json_decref(all);
			return NULL;
		}
	}
	return all;
}

/* Is 'kind' 'name' (of 'len' bytes) deleted by 'changes'? */
static bool gone(const json_t *changes, const char *kind, const char *name, size_t len)
{
	char path[TOPO_PATH];

	if (len > TOPO_NAME_MAX)
		return false;
	snprintf(path, sizeof(path), "%s/%.*s", kind, (int)len, name);
	return json_is_null(json_object_get(changes, path));
}

static bool dies(const char *path, const json_t *rec, const json_t *changes)
{
	const char *rest = strchr(path, '/'), *port;
	size_t n;

	if (!rest)
		return false;
	rest++;
	n = strcspn(rest, "/");
	if (!strncmp(path, "bind/", 5) || !strncmp(path, "live/", 5) || !strncmp(path, "neigh/", 6))
		return gone(changes, "port", rest, n);
	if (!strncmp(path, "health/", 7))
		return gone(changes, "member", rest, n);
	if (!strncmp(path, "aff/", 4))
		return gone(changes, "vip", rest, n);
	if (!strncmp(path, "natblock/", 9))
		return gone(changes, "router", rest, n);
	if (strncmp(path, "mac/", 4) != 0)
		return false;
	port = topo_str(rec, "port");
	return gone(changes, "bridge", rest, n) ||
	       (port && gone(changes, "port", port, strlen(port)));
}

int topo_cascade(const json_t *records, json_t *changes)
{
	const char *path;
	json_t *rec;
	bool any = false;

	json_object_foreach(changes, path, rec) any = any || json_is_null(rec);
	if (!any)
		return 0;
	json_object_foreach(
		(json_t *)records, path,
		rec) if (!json_object_get(changes, path) && dies(path, rec, changes) &&
			 json_object_set_new(changes, path, json_null())) return -ENOMEM;
	return 0;
}
