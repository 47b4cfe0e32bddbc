// SPDX-License-Identifier: Apache-2.0
/* One table of routes a module; here they come together. */
#include "api/routes.h"

#include <stdio.h>
#include <string.h>

#include "util/cleanup.h"

#define MODULES(X)  \
	X(audit) \
	X(batch) \
	X(change) \
	X(events) \
	X(health) \
	X(hosts) \
	X(index) \
	X(live) \
	X(metrics) \
	X(objects) \
	X(openapi) \
	X(quota) \
	X(references) \
	X(session) \
	X(sessions) \
	X(static) \
	X(status) \
	X(tenants) \
	X(token) \
	X(topology) \
	X(trace)

#define X(name)                                  \
	extern const struct api_route name##_routes[]; \
	extern const unsigned int n_##name##_routes;
MODULES(X)
#undef X

static const struct {
	const struct api_route *routes;
	const unsigned int *n;
} modules[] = {
#define X(name) { name##_routes, &n_##name##_routes },
	MODULES(X)
#undef X
};

const struct api_route *routes_at(unsigned int i)
{
	for (size_t m = 0; m < ARRAY_SIZE(modules); m++) {
		if (i < *modules[m].n)
			return &modules[m].routes[i];
		i -= *modules[m].n;
	}
	return NULL;
}

static bool is_plural(const char *part)
{
	for (int k = 0; k < TOPO_KIND_MAX; k++)
		if (!strcmp(topo_kind_plural((enum topo_kind)k), part))
			return true;
	return false;
}

/* How many parts are spelled out, plus one; 0: another path. */
static unsigned int fits(const struct api_route *route, const char *const *parts, unsigned int n, struct route_match *m)
{
	const char *p = route->path;
	unsigned int score = 1, i = 0;

	m->n_params = 0;
	while (*p == '/' && p[1]) {
		size_t len = strcspn(++p, "/");

		if (i == n || !*parts[i])
			return 0;
		if (*p != '{') {
			if (strlen(parts[i]) != len || memcmp(parts[i], p, len))
				return 0;
			score++;
		} else {
			if (!strncmp(p, "{kind}", len) && !is_plural(parts[i]))
				return 0;
			m->params[m->n_params].name = p + 1;
			m->params[m->n_params].name_len = (unsigned int)len - 2;
			m->params[m->n_params++].value = parts[i];
		}
		p += len;
		i++;
	}
	return i == n ? score : 0;
}

static void add_method(char allow[static 64], const char *method)
{
	size_t n = strlen(allow);

	if (!strstr(allow, method))
		snprintf(allow + n, 64 - n, "%s%s%s", n ? ", " : "", method, !strcmp(method, "GET") ? ", HEAD" : "");
}

void routes_match(const char *method, const char *const *parts, unsigned int n, struct route_match *m)
{
	const struct api_route *route;
	struct route_match one = { 0 };
	unsigned int best = 0, score;

	*m = one;
	if (!strcmp(method, "HEAD"))
		method = "GET";
	for (unsigned int i = 0; (route = routes_at(i)); i++) {
		score = fits(route, parts, n, &one);
		if (!score)
			continue;
		if (score > best) { /* what was seen so far belongs to a weaker path */
			m->route = NULL;
			m->allow[0] = 0;
			best = score;
		}
		if (score < best)
			continue;
		add_method(m->allow, route->method);
		if (strcmp(route->method, method))
			continue;
		m->route = route;
		m->n_params = one.n_params;
		memcpy(m->params, one.params, sizeof(one.params));
	}
}

static bool has_word(const char *words, const char *word)
{
	size_t len = strlen(word);

	for (const char *p = words; p && *p;) {
		size_t n = strcspn(p, ", ");

		if (n == len && !memcmp(p, word, n))
			return true;
		p += n + !!p[n];
	}
	return false;
}

/* Words of each kind of route. */
#define WRITE_QUERY "dry_run wait"
#define LIST_QUERY  "limit cursor sort filter fields"

bool route_takes(const struct api_route *route, const char *query)
{
	return has_word(route->query, query) || ((route->flags & API_WRITES) && has_word(WRITE_QUERY, query)) ||
	       ((route->flags & API_LISTS) && has_word(LIST_QUERY, query));
}

/* --- what there is instead of what was asked for --- */

static void add_word(char *list, size_t size, const char *word, size_t len)
{
	char one[64];
	size_t n = strlen(list);

	snprintf(one, sizeof(one), "%.*s", (int)len, word);
	if (!has_word(list, one))
		snprintf(list + n, size - n, "%s%s", n ? ", " : "", one);
}

static void add_words(char *list, size_t size, const char *words)
{
	for (size_t n; words && *words; words += n + !!words[n]) {
		n = strcspn(words, " ");
		add_word(list, size, words, n);
	}
}

void route_query(const struct api_route *route, char *list, size_t size)
{
	*list = 0;
	if (route->flags & API_LISTS)
		add_words(list, size, LIST_QUERY);
	if (route->flags & API_WRITES)
		add_words(list, size, WRITE_QUERY);
	add_words(list, size, route->query);
	if (!*list)
		snprintf(list, size, "none");
}

/* How many of the parts the route has; '*rest': its next one, or "". */
static unsigned int fits_until(const struct api_route *route, const char *const *parts, unsigned int n, const char **rest)
{
	const char *p = route->path;
	unsigned int i = 0;

	for (; *p == '/' && p[1] && i < n; i++) {
		size_t len = strcspn(p + 1, "/");
		bool fits = p[1] != '{'		       ? strlen(parts[i]) == len && !memcmp(parts[i], p + 1, len) :
			    !strncmp(p + 1, "{kind}", 6) ? is_plural(parts[i]) :
							 *parts[i];

		if (!fits)
			break;
		p += 1 + len;
	}
	*rest = *p ? p + 1 : p;
	return i;
}

unsigned int routes_next(const char *const *parts, unsigned int n, char *list, size_t size)
{
	const struct api_route *route;
	unsigned int best = 0, at;
	const char *rest;

	*list = 0;
	for (unsigned int i = 0; (route = routes_at(i)); i++) {
		at = fits_until(route, parts, n, &rest);
		if (at < best)
			continue;
		if (at > best)
			*list = 0;
		best = at;
		if (!strncmp(rest, "{kind}", 6) && at < n && topo_kind_find(parts[at]) >= 0) {
			snprintf(list, size, "%s", topo_kind_plural((enum topo_kind)topo_kind_find(parts[at])));
			return at;
		}
		for (int k = 0; !strncmp(rest, "{kind}", 6) && k < TOPO_KIND_MAX; k++)
			add_words(list, size, topo_kind_plural((enum topo_kind)k));
		if (*rest && *rest != '{')
			add_word(list, size, rest, strcspn(rest, "/"));
	}
	return best;
}
