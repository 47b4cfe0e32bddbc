// SPDX-License-Identifier: Apache-2.0
/* VIPs are one of a kind, and lead to members that can answer.  Part of topo_validate(). */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "topology/validate.h"

/* A router's VIPs are sorted by service. */
static int check_services(const struct topo_router *r, struct err *err)
{
	char text[ADDR_TEXT], proto[PROTO_TEXT];

	for (uint32_t i = 1; i < r->n_vips; i++) {
		const struct topo_vip *v = r->vips[i - 1], *w = r->vips[i];

		if (!ip_eq(&v->address, &w->address) || v->proto != w->proto || v->port != w->port)
			continue;
		if (topo_blames_first(&v->o, &w->o)) {
			v = w;
			w = r->vips[i - 1];
		}
		return err_set(err, -EINVAL,
			       "vip '%s': field 'address': '%s' %s/%u is also that of vip '%s' on the same router '%s' (want another address, protocol or port)",
			       w->o.name, ip_format(&w->address, text), proto_format(w->proto, proto), w->port, v->o.name, r->o.name);
	}
	return 0;
}

static bool is_own(const struct topo_router *r, const struct skep_ip *ip)
{
	for (uint32_t i = 0; i < r->n_ports; i++)
		for (uint32_t k = 0; k < r->ports[i]->n_addrs; k++)
			if (ip_eq(&r->ports[i]->addrs[k].ip, ip))
				return true;
	return false;
}

static int check_vip(const struct topo_vip *v, struct err *err)
{
	const struct topo_router *r = v->lb->router;
	char text[ADDR_TEXT], mine[ADDR_TEXT];

	if (topo_useless(&v->address, ip_bits(&v->address)))
		return err_set(err, -EINVAL, "field 'address': '%s' is %s (want the address of a machine)",
			       ip_format(&v->address, text),
			       topo_useless(&v->address, ip_bits(&v->address)));
	for (uint32_t i = 0; i < v->pool->n_members; i++) {
		const struct topo_member *m = v->pool->members[i];

		ip_format(&m->address, text);
		if (ip_is_v4(&m->address) != ip_is_v4(&v->address))
			return err_set(
				err, -EINVAL,
				"field 'pool': member '%s' of pool '%s' has address '%s', not of the family of '%s' (want %s)",
				m->o.name, v->pool->o.name, text, ip_format(&v->address, mine),
				ip_is_v4(&v->address) ? "IPv4" : "IPv6");
		if (topo_router_nat_addr(r, &m->address) || is_own(r, &m->address))
			return err_set(
				err, -EINVAL,
				"field 'pool': member '%s' of pool '%s' has address '%s', which is router '%s' itself (want a machine's)",
				m->o.name, v->pool->o.name, text, r->o.name);
	}
	return 0;
}

static int compare_endpoints(const struct topo_member *x, const struct topo_member *y)
{
	int c = memcmp(&x->address, &y->address, sizeof(x->address));

	return c ? c : (int)x->port - (int)y->port;
}

static int by_endpoint(const void *a, const void *b)
{
	const struct topo_member *x = *(struct topo_member *const *)a, *y = *(struct topo_member *const *)b;
	int c = compare_endpoints(x, y);

	c = c ? c : x->o.changed - y->o.changed;
	return c ? c : strcmp(x->o.name, y->o.name);
}

static int check_pool(const struct topo_pool *p, struct arena *arena, struct err *err)
{
	struct topo_member **all = arena_dup(arena, p->members, (p->n_members + 1) * sizeof(*all));
	char text[ADDR_TEXT];

	if (!all)
		return err_set(err, -ENOMEM, "out of memory");
	qsort(all, p->n_members, sizeof(*all), by_endpoint);
	for (uint32_t i = 0; i < p->n_members; i++) {
		const char *why = topo_useless(&all[i]->address, ip_bits(&all[i]->address));

		ip_format(&all[i]->address, text);
		if (why)
			return err_set(err, -EINVAL,
				       "member '%s': field 'address': '%s' is %s (want the address of a machine)",
				       all[i]->o.name, text, why);
		if (i && !compare_endpoints(all[i - 1], all[i]))
			return err_set(
				err, -EINVAL,
				"member '%s': field 'address': '%s' port %u is also that of member '%s' of the same pool '%s' (want each once)",
				all[i]->o.name, text, all[i]->port, all[i - 1]->o.name, p->o.name);
	}
	return 0;
}

int topo_validate_lbs(const struct topo_snapshot *snap, struct arena *arena, struct err *err)
{
	int rc = 0;

	for (uint32_t i = 0; !rc && i < snap->n_pools; i++)
		rc = check_pool(&snap->pools[i], arena, err);
	for (uint32_t i = 0; !rc && i < snap->n_routers; i++)
		rc = check_services(&snap->routers[i], err);
	for (uint32_t i = 0; !rc && i < snap->n_vips; i++) {
		rc = check_vip(&snap->vips[i], err);
		if (rc)
			err_prefix(err, "vip '%s'", snap->vips[i].o.name);
	}
	return rc;
}
