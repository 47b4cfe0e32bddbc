// SPDX-License-Identifier: Apache-2.0
/* Changes in place: what becomes of a port, and which places in tables it has (update.h). */
#include <errno.h>
#include <string.h>

#include "topology/same.h"
#include "topology/update.h"

/* A machine's: on a bridge, without peer. */
static bool is_plain(const struct topo_port *p)
{
	return p->bridge && !p->peer;
}

/* --- places --- */

static struct topo_entry *add(struct update *u, struct topo_entries *all, enum topo_place place,
			      struct topo_ports *list, struct topo_port *port)
{
	struct topo_entry *v;

	if (all->n == all->max) {
		uint32_t max = all->max ? all->max * 2 : 16;

		v = arena_alloc(&u->arena, max * sizeof(*v));
		if (!v)
			return NULL;
		if (all->n)
			memcpy(v, all->v, all->n * sizeof(*v));
		all->v = v;
		all->max = max;
	}
	v = &all->v[all->n++];
	*v = (struct topo_entry){ .place = place, .list = list, .port = port };
	return v;
}

static int known_entries(struct update *u, struct topo_entries *all, struct topo_port *port,
			 const struct topo_port *c)
{
	const uint16_t vlan = topo_known_vlan(c);
	struct topo_entry *e;

	if (!c->has_mac)
		return 0;
	e = add(u, all, TOPO_IN_MACS, &c->bridge->macs, port);
	if (!e)
		return -ENOMEM;
	e->bridge = c->bridge;
	topo_mac_key(&c->mac, vlan, &e->key);
	for (uint32_t i = 0; i < c->n_addrs; i++) {
		e = add(u, all, TOPO_IN_IPS, &c->bridge->ips, port);
		if (!e)
			return -ENOMEM;
		e->bridge = c->bridge;
		topo_ip_key(&c->addrs[i].ip, vlan, &e->key);
	}
	return 0;
}

static int member_entry(struct update *u, struct topo_entries *all, struct topo_security_group *sg,
			const struct skep_ip *ip, uint8_t len)
{
	struct topo_entry *e = add(u, all, TOPO_IN_MEMBERS, NULL, NULL);

	if (!e)
		return -ENOMEM;
	e->group = sg;
	e->prefix = (struct topo_prefix){ ip_mask(ip, len), len };
	return 0;
}

static int group_entries(struct update *u, struct topo_entries *all, struct topo_port *port,
			 const struct topo_port *c)
{
	const struct topo_port_more *m = c->more;
	int rc = 0;

	for (uint32_t i = 0; i < m->n_groups; i++)
		if (!add(u, all, TOPO_IN_LIST, &m->groups[i]->ports, port))
			return -ENOMEM;
	for (uint32_t i = 0; i < m->n_sgs; i++) {
		if (!add(u, all, TOPO_IN_LIST, &m->sgs[i]->ports, port))
			return -ENOMEM;
		for (uint32_t k = 0; !rc && k < c->n_addrs; k++)
			rc = member_entry(u, all, m->sgs[i], &c->addrs[k].ip,
					  (uint8_t)ip_bits(&c->addrs[k].ip));
		for (uint32_t k = 0; !rc && k < m->n_allowed; k++)
			rc = member_entry(u, all, m->sgs[i], &m->allowed[k].ip, m->allowed[k].len);
	}
	return rc;
}

/* Of contents 'c'; 'other': those of the other side, or NULL. */
static int entries_of(struct update *u, struct topo_entries *all, struct topo_port *port,
		      const struct topo_port *c, const struct topo_port *other)
{
	if (!other && !add(u, all, TOPO_IN_LIST, &u->snap->ports, port))
		return -ENOMEM;
	if (c->bridge && (!other || other->bridge != c->bridge) &&
	    !add(u, all, TOPO_IN_LIST, &c->bridge->ports, port))
		return -ENOMEM;
	if (is_plain(c) && known_entries(u, all, port, c))
		return -ENOMEM;
	return group_entries(u, all, port, c);
}

int topo_update_entries(struct update *u, const struct port_op *op)
{
	int rc = 0;

	if (op->light)
		return 0;
	if (op->after)
		rc = entries_of(u, &u->adds, op->port, &op->now, op->before ? &op->was : NULL);
	if (!rc && op->before)
		rc = entries_of(u, &u->dels, op->port, &op->was, op->after ? &op->now : NULL);
	return rc;
}

/* --- contents --- */

static bool same_map(const uint64_t *a, const uint64_t *b)
{
	return a == b || (a && b && !memcmp(a, b, 4096 / 8));
}

/* What others on the far side of a link, or of a router, have taken from it. */
static bool same_link(const struct topo_port *a, const struct topo_port *b)
{
	return a->bridge == b->bridge && a->router == b->router && a->peer == b->peer &&
	       !strcmp(a->o.id, b->o.id) && a->has_mac == b->has_mac && mac_eq(&a->mac, &b->mac) &&
	       a->more->vlan == b->more->vlan && same_map(a->more->trunk, b->more->trunk);
}

static bool same_addrs(const struct topo_port *a, const struct topo_port *b)
{
	if (a->n_addrs != b->n_addrs)
		return false;
	for (uint32_t i = 0; i < a->n_addrs; i++)
		if (!ip_eq(&a->addrs[i].ip, &b->addrs[i].ip) || a->addrs[i].len != b->addrs[i].len)
			return false;
	return true;
}

/* Mirrors hang on the port; what is the port's record's business does not change that. */
static int keep_mirrors(struct update *u, const struct topo_port *was, struct topo_port *now)
{
	struct topo_port_more *more;
	bool any = false;

	for (size_t i = 0; i < ARRAY_SIZE(was->more->mirrors); i++)
		any = any || was->more->mirrors[i];
	if (!any)
		return 0;
	more = topo_port_more_own(u->snap, now);
	if (!more)
		return -ENOMEM;
	memcpy(more->mirrors, was->more->mirrors, sizeof(more->mirrors));
	return 0;
}

/* Fills op->now, all of it its own. */
static int decode(struct update *u, struct port_op *op, const json_t *rec)
{
	struct err err = { 0 };

	if (topo_port_object(u->snap, &op->now, rec))
		return -ENOMEM;
	if (topo_decode_port(u->snap, &op->now, rec, &err))
		return -EOPNOTSUPP;
	if (!op->before)
		return is_plain(&op->now) ? 0 : -EOPNOTSUPP;
	if (!(is_plain(&op->was) && is_plain(&op->now)) && !same_link(&op->was, &op->now))
		return -EOPNOTSUPP;
	/* floating IPs take their address from the port that they name */
	if ((!is_plain(&op->was) || op->was.refs) && !same_addrs(&op->was, &op->now))
		return -EOPNOTSUPP;
	return keep_mirrors(u, &op->was, &op->now);
}

static int decode_place(struct update *u, struct port_op *op, const json_t *bind, const json_t *live)
{
	struct err err = { 0 };

	if (bind && topo_decode_bind(u->snap, &op->now, bind, &err))
		return -ENOMEM;
	return live ? topo_decode_live(u->snap, &op->now, live) : 0;
}

static int plan_contents(struct update *u, struct port_op *op, const json_t *rec)
{
	op->light = op->before && topo_record_sum(rec) == op->was.o.sum;
	if (op->light) {
		op->now = op->was;
		op->now.o.rev = (uint64_t)json_integer_value(json_object_get(rec, "rev"));
		op->now.host = op->now.interface = op->now.live_host = NULL;
		op->now.live_key = op->now.live_flood_key = 0;
		return 0;
	}
	if (!op->before) {
		if (topo_str(rec, "peer") || topo_str(rec, "router"))
			return -EOPNOTSUPP;
		op->port = topo_port_new(u->snap, op->name);
		if (!op->port)
			return -ENOMEM;
	}
	op->now.o.name = op->port->o.name;
	return decode(u, op, rec);
}

/* Would topo_build() take these records? */
static bool is_good(const struct port_op *op, const json_t *rec, const json_t *bind)
{
	struct err err = { 0 };

	if (bind && (!rec || topo_check_record(TOPO_BIND, op->name, bind, &err)))
		return false;
	return !rec || !topo_check_record(TOPO_PORT, op->name, rec, &err);
}

static int plan(struct update *u, struct port_op *op, const json_t *rec, const json_t *bind,
		const json_t *live)
{
	int rc;

	op->port = topo_find_port(u->snap, op->name);
	op->before = op->port;
	if (op->before)
		op->was = *op->port;
	if (!is_good(op, rec, bind))
		return -EOPNOTSUPP;
	if (!rec) /* one that others name must not go */
		return op->before && (!is_plain(&op->was) || op->was.refs) ? -EOPNOTSUPP : 0;
	op->after = true;
	rc = plan_contents(u, op, rec);
	rc = rc ? rc : decode_place(u, op, bind, live);
	if (rc)
		topo_update_drop(u, op);
	return rc;
}

int topo_update_plan(struct update *u, struct port_op *op)
{
	json_t *rec = topo_update_get(u, "port", op->name), *bind = topo_update_get(u, "bind", op->name);
	json_t *live = topo_update_get(u, "live", op->name);
	int rc = plan(u, op, rec, bind, live);

	json_decref(rec);
	json_decref(bind);
	json_decref(live);
	return rc;
}

void topo_update_drop(struct update *u, struct port_op *op)
{
	if (op->light)
		topo_port_clear_place(u->snap, &op->now);
	else if (op->after)
		topo_port_clear(u->snap, &op->now);
	if (op->after && !op->before && op->port) {
		*op->port = (struct topo_port){ .o.name = op->port->o.name };
		topo_port_free(u->snap, op->port);
	}
	op->after = op->light = false;
}

void topo_update_commit(struct update *u, struct port_op *op)
{
	struct topo_port *p = op->port;
	const struct hmap_node node = p ? p->o.by_name : (struct hmap_node){ 0 };

	if (!op->after)
		return;
	op->now.refs = p->refs;
	*p = op->now;
	p->o.by_name = node;
}
