// SPDX-License-Identifier: Apache-2.0
/* /api/v1, for people who look what there is: the paths that begin there, of the tables of routes. */
#include <stdio.h>
#include <string.h>

#include "api/routes.h"
#include "util/cleanup.h"

#define ROOT "/api/v1"

static void on_index(struct api_request *r)
{
	json_t *paths = json_object();
	const struct api_route *route;

	json_object_set_new(paths, "openapi", json_string("/openapi.json"));
	for (unsigned int i = 0; (route = routes_at(i)); i++) {
		const char *name = route->path + strlen(ROOT "/");

		if (!strcmp(route->method, "GET") && !strncmp(route->path, ROOT "/", strlen(ROOT "/")) && !strpbrk(name, "/{"))
			json_object_set_new(paths, name, json_string(route->path));
	}
	api_answer(r, 200, paths);
}

const struct api_route index_routes[] = {
	{ "GET", ROOT, on_index, API_NOBODY, API_OPEN, NULL, "what there is" },
};
const unsigned int n_index_routes = ARRAY_SIZE(index_routes);
