// SPDX-License-Identifier: Apache-2.0
/* Names of the kinds, and how an object is called in messages. */
#include <stdio.h>
#include <string.h>

#include "topology/topology.h"

static const struct {
	const char *name, *plural;
} kinds[] = {
#define X(id, name, plural) { name, plural },
	TOPO_KINDS(X)
#undef X
};

const char *topo_kind_name(enum topo_kind kind)
{
	return (unsigned int)kind < TOPO_KIND_MAX ? kinds[kind].name : "?";
}

const char *topo_kind_plural(enum topo_kind kind)
{
	return (unsigned int)kind < TOPO_KIND_MAX ? kinds[kind].plural : "?";
}

/* People may write "security-group". */
static bool same_name(const char *name, const char *kind)
{
	for (; *name && (*name == *kind || (*name == '-' && *kind == '_')); name++)
		kind++;
	return !*name && !*kind;
}

/* The plural without its ending: "binding", "qos_policy". */
static bool same_singular(const char *name, const char *plural)
{
	char singular[32];
	size_t n = strlen(plural);

	if (n >= sizeof(singular))
		return false;
	memcpy(singular, plural, n + 1);
	if (n > 3 && !strcmp(singular + n - 3, "ies"))
		memcpy(singular + n - 3, "y", 2);
	else
		singular[n - 1] = 0;
	return same_name(name, singular);
}

int topo_kind_find(const char *name)
{
	for (int i = 0; i < TOPO_KIND_MAX; i++)
		if (same_name(name, kinds[i].name) || same_name(name, kinds[i].plural) ||
		    same_singular(name, kinds[i].plural))
			return i;
	return -1;
}

const char *topo_object_text(const struct topo_object *o, char buf[static 96])
{
	snprintf(buf, 96, "%s '%s'", topo_kind_name(o->kind), o->name);
	return buf;
}
