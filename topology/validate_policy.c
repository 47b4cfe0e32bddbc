// SPDX-License-Identifier: Apache-2.0
/* Names of rules; where mirrors may be and send to.  Part of topo_validate(). */
#include <errno.h>
#include <string.h>

#include "topology/validate.h"

static int no_memory(struct err *err)
{
	return err_set(err, -ENOMEM, "out of memory");
}

/* 'rules' of 'size' bytes each, that begin with a struct topo_rule. */
static int check_rule_names(const void *rules, size_t size, uint32_t n, const char *owner,
			    struct arena *arena, struct err *err)
{
	static const struct skep_ip none;
	struct claims names = { .arena = arena };
	int rc = 0;

	hmap_init(&names.map);
	for (uint32_t i = 0; !rc && i < n; i++) {
		const struct topo_rule *r = (const void *)((const char *)rules + i * size);
		bool failed = false;
		const void *other = topo_claim(&names, NULL, &none, r->name, r, &failed);

		if (failed)
			rc = no_memory(err);
		else if (other)
			rc = err_set(
				err, -EINVAL,
				"rule '%s': field 'name': '%s' is the name of another rule of the %s (want one of its own)",
				r->name, r->name, owner);
	}
	hmap_fini(&names.map);
	return rc;
}

/* --- mirrors --- */


static int check_place(const struct topo_mirror *m, const struct topo_mirror_at *list,
		       const struct topo_object *at, struct err *err)
{
	char text[96];
	int n = 0;

	for (; list; list = list->next)
		n += list->mirror == m;
	if (n > 1)
		return err_set(err, -EINVAL, "field 'at': %s appears twice with one hook",
			       topo_object_text(at, text));
	if (n && at == &m->to->o)
		return err_set(err, -EINVAL,
			       "field 'to': '%s' is also in field 'at' (want a port that it does not mirror)",
			       m->to->o.name);
	return 0;
}

/* All hooks of a device; a mirror is looked at once for each place where it hangs. */
static int check_hooks(struct topo_mirror_at *const *hooks, int n, const struct topo_object *at,
		       struct err *err)
{
	for (int i = 0; i < n; i++)
		for (const struct topo_mirror_at *a = hooks[i]; a; a = a->next)
			if (check_place(a->mirror, hooks[i], at, err))
				return err_prefix(err, "mirror '%s'", a->mirror->o.name);
	return 0;
}

static int check_mirrors(const struct topo_snapshot *snap, struct err *err)
{
	struct topo_ports_at at;
	int rc = 0;

	for (uint32_t i = 0; i < snap->n_mirrors; i++) {
		const struct topo_mirror *m = &snap->mirrors[i];

		if (m->to->peer)
			return err_set(
				err, -EINVAL,
				"mirror '%s': field 'to': '%s' is linked to its peer '%s' (want a port without peer)",
				m->o.name, m->to->o.name, m->to->peer->o.name);
	}
	for (const struct topo_port *p = topo_ports_first(&snap->ports, &at); p && !rc;
	     p = topo_ports_next(&at))
		rc = check_hooks(p->more->mirrors, 4, &p->o, err);
	for (uint32_t i = 0; !rc && i < snap->n_bridges; i++)
		rc = check_hooks(snap->bridges[i].mirrors, 2, &snap->bridges[i].o, err);
	for (uint32_t i = 0; !rc && i < snap->n_routers; i++)
		rc = check_hooks(snap->routers[i].mirrors, 2, &snap->routers[i].o, err);
	return rc;
}

int topo_validate_policy(const struct topo_snapshot *snap, struct arena *arena, struct err *err)
{
	for (uint32_t i = 0; i < snap->n_chains; i++) {
		const struct topo_chain *c = &snap->chains[i];

		if (check_rule_names(c->rules, sizeof(*c->rules), c->n_rules, "chain", arena, err))
			return err_prefix(err, "chain '%s'", c->o.name);
	}
	for (uint32_t i = 0; i < snap->n_security_groups; i++) {
		const struct topo_security_group *g = &snap->security_groups[i];

		if (check_rule_names(g->rules, sizeof(*g->rules), g->n_ingress + g->n_egress, "group",
				     arena, err))
			return err_prefix(err, "security_group '%s'", g->o.name);
	}
	return check_mirrors(snap, err);
}
