// SPDX-License-Identifier: Apache-2.0
/* VIPs of which the kernel makes the connections (vips.h). */
#include "loader/vips.h"

#include <arpa/inet.h>
#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "topology/maglev.h"
#include "util/hash.h"

struct vip {
	struct hmap_node node; /* agent.vips, by tenant and name */
	const struct tenant *t;
	char name[TOPO_NAME_MAX + 1];
	uint64_t print;	  /* fingerprint of what the table was made of ... */
	uint64_t changes; /* ... as of this state of the topology */
	struct skep_vip table; /* size 0: there is none */
	uint16_t *nats;	       /* of the members, held */
	uint32_t n_nats, n_ports;
};

struct vip_port {
	struct hmap_node node; /* agent.vip_ports, by key */
	struct skep_vip_key key;
	struct vip *v;
	uint32_t refs;
};

/* --- numbers --- */

static struct skep_nat nat_of(const struct sim_binding *b)
{
	return (struct skep_nat){ .router = htobe64(b->router),
				  .member = htobe64(b->member),
				  .from = b->from,
				  .from_port = b->from_port,
				  .to_port = b->to_port,
				  .to = b->to };
}

uint16_t vips_number(struct agent *a, const struct sim_binding *b)
{
	const struct skep_nat nat = nat_of(b);

	return dp_nat_number(a->dp, &nat);
}

uint16_t vips_hold(struct agent *a, const struct sim_binding *b)
{
	const struct skep_nat nat = nat_of(b);

	return dp_nat_get(a->dp, &nat);
}

struct sim_binding vips_unpack(const struct skep_nat *nat)
{
	return (struct sim_binding){ .router = be64toh(nat->router),
				     .member = be64toh(nat->member),
				     .dst = true,
				     .from = nat->from,
				     .to = nat->to,
				     .from_port = nat->from_port,
				     .to_port = nat->to_port };
}

bool vips_binding(const struct agent *a, uint16_t nat, struct sim_binding *b)
{
	struct skep_nat n;

	if (!dp_nat_read(a->dp, nat, &n))
		return false;
	*b = vips_unpack(&n);
	return true;
}

uint16_t vips_conn_number(struct agent *a, const struct sim_conn *c)
{
	const struct sim_binding *b = c->bindings;
	struct sim_tuple out, way;

	if (c->n_bindings != 1 || !b->dst || !b->member || !b->from_port || !b->to_port)
		return 0;
	sim_tuple_translate(&c->tuple, b, c->reply, &out);
	sim_tuple_reverse(&out, &way);
	return sim_tuple_eq(&way, &c->other) ? vips_number(a, b) : 0;
}

/* --- tables --- */

static uint64_t hash_vip(const struct tenant *t, const char *name)
{
	return hash_str(name, (uintptr_t)t);
}

static struct vip *find_vip(const struct agent *a, const struct tenant *t, const char *name)
{
	struct hmap_node *n;

	hmap_for_each_with_hash (n, &a->vips, hash_vip(t, name)) {
		struct vip *v = container_of(n, struct vip, node);

		if (v->t == t && !strcmp(v->name, name))
			return v;
	}
	return NULL;
}

static struct sim_binding binding(const struct topo_vip *vip, const struct topo_member *m, uint64_t router)
{
	return (struct sim_binding){ .router = router,
				     .member = sim_name_hash(m->o.name),
				     .from = vip->address,
				     .to = m->address,
				     .from_port = htons(vip->port),
				     .to_port = htons(m->port ? m->port : vip->port) };
}

static uint64_t print_of(const struct topo_vip *vip, uint64_t router)
{
	const struct topo_pool *pool = vip->pool;
	uint64_t h = hash_bytes(pool->maglev->slots, pool->maglev->size * sizeof(pool->maglev->slots[0]), router);

	for (uint32_t i = 0; i < pool->n_members; i++) {
		const struct sim_binding b = binding(vip, pool->members[i], router);

		h = hash_bytes(&b.to, sizeof(b.to), h ^ b.member ^ b.to_port);
	}
	return h;
}

static void put_nats(struct agent *a, uint16_t *nats, uint32_t n)
{
	for (uint32_t i = 0; nats && i < n; i++)
		dp_nat_put(a->dp, nats[i]);
	free(nats);
}

/* The numbers of those that the table has; others: 0. */
static uint16_t *get_nats(struct agent *a, const struct topo_vip *vip, uint64_t router)
{
	const struct topo_pool *pool = vip->pool;
	const struct topo_maglev *m = pool->maglev;
	uint16_t *nats = calloc(pool->n_members, sizeof(*nats));

	for (uint32_t i = 0; nats && i < m->size; i++) {
		const uint16_t k = m->slots[i];

		if (!nats[k]) {
			const struct sim_binding b = binding(vip, pool->members[k], router);
			const struct skep_nat nat = nat_of(&b);

			nats[k] = dp_nat_get(a->dp, &nat);
		}
		if (!nats[k]) {
			put_nats(a, nats, pool->n_members);
			return NULL;
		}
	}
	return nats;
}

static bool write_table(struct agent *a, const struct topo_pool *pool, const uint16_t *nats, uint32_t *first)
{
	const struct topo_maglev *m = pool->maglev;
	uint16_t *slots = malloc(m->size * sizeof(*slots));
	bool done;

	for (uint32_t i = 0; slots && i < m->size; i++)
		slots[i] = nats[m->slots[i]];
	done = slots && !dp_maglev_put(a->dp, slots, m->size, first);
	free(slots);
	return done;
}

/* Ports find the new table, then the old one goes. */
static void switch_ports(struct agent *a, const struct vip *v)
{
	struct hmap_node *n, *tmp;

	hmap_for_each (n, tmp, &a->vip_ports) {
		const struct vip_port *vp = container_of(n, struct vip_port, node);

		if (vp->v != v)
			continue;
		if (!v->table.size || dp_vip_put(a->dp, &vp->key, &v->table))
			dp_vip_del(a->dp, &vp->key);
	}
}

static void drop_table(struct agent *a, struct vip *v)
{
	if (v->table.size)
		dp_maglev_del(a->dp, v->table.first);
	put_nats(a, v->nats, v->n_nats);
	v->table = (struct skep_vip){ 0 };
	v->nats = NULL;
	v->n_nats = 0;
}

static bool make_table(struct agent *a, struct vip *v, const struct topo_vip *vip, uint64_t router)
{
	struct vip old = *v;
	uint32_t first = 0;

	v->nats = get_nats(a, vip, router);
	v->n_nats = v->nats ? vip->pool->n_members : 0;
	v->table = (struct skep_vip){ 0 };
	if (v->nats && write_table(a, vip->pool, v->nats, &first))
		v->table = (struct skep_vip){ .seed = AGENT_SEED, .first = first, .size = vip->pool->maglev->size };
	switch_ports(a, v);
	drop_table(a, &old);
	return v->table.size;
}

/* The table of today is in the kernel. */
static bool renew(struct agent *a, struct vip *v, const struct sim_result *res)
{
	const uint64_t changes = a->stats.updates + a->stats.builds;
	uint64_t print;

	if (v->changes == changes)
		return v->table.size;
	v->changes = changes;
	if (!res->class_vip->pool->maglev)
		return false;
	print = print_of(res->class_vip, res->class_nat->router);
	if (v->table.size && print == v->print)
		return true;
	v->print = print;
	return make_table(a, v, res->class_vip, res->class_nat->router);
}

/* --- ports --- */

static uint64_t hash_key(const struct skep_vip_key *key)
{
	return hash_bytes(key, sizeof(*key), 0);
}

static struct vip_port *find_port(const struct agent *a, const struct skep_vip_key *key)
{
	struct hmap_node *n;

	hmap_for_each_with_hash (n, &a->vip_ports, hash_key(key)) {
		struct vip_port *vp = container_of(n, struct vip_port, node);

		if (!memcmp(&vp->key, key, sizeof(*key)))
			return vp;
	}
	return NULL;
}

static void free_vip(struct agent *a, struct vip *v)
{
	drop_table(a, v);
	hmap_remove(&a->vips, &v->node);
	free(v);
}

static struct vip *get_vip(struct agent *a, const struct tenant *t, const char *name)
{
	struct vip *v = find_vip(a, t, name);

	if (v)
		return v;
	v = calloc(1, sizeof(*v));
	if (!v)
		return NULL;
	v->t = t;
	snprintf(v->name, sizeof(v->name), "%s", name);
	if (hmap_insert(&a->vips, &v->node, hash_vip(t, name))) {
		free(v);
		return NULL;
	}
	return v;
}

static struct vip_port *add_port(struct agent *a, struct vip *v, const struct skep_vip_key *key)
{
	struct vip_port *vp = calloc(1, sizeof(*vp));

	if (!vp)
		return NULL;
	vp->key = *key;
	vp->v = v;
	if (dp_vip_put(a->dp, key, &v->table)) {
		free(vp);
		return NULL;
	}
	if (hmap_insert(&a->vip_ports, &vp->node, hash_key(key))) {
		dp_vip_del(a->dp, key);
		free(vp);
		return NULL;
	}
	v->n_ports++;
	return vp;
}

struct vip_port *vips_get(struct work *w, const struct sim_result *res)
{
	const struct topo_vip *vip = res->class_vip;
	struct skep_vip_key key = { .port = w->in_key, .dst = vip->address, .dport = htons(vip->port), .proto = vip->proto };
	struct vip_port *vp = find_port(w->a, &key);
	struct vip *v = get_vip(w->a, w->t, vip->o.name);

	if (!v)
		return NULL;
	if ((vp && vp->v != v) || !renew(w->a, v, res))
		vp = NULL;
	else if (!vp)
		vp = add_port(w->a, v, &key);
	if (!vp) {
		if (!v->n_ports)
			free_vip(w->a, v);
		return NULL;
	}
	vp->refs++;
	return vp;
}

bool vips_renew(struct work *w, const struct sim_result *res, struct vip_port *vp)
{
	return !vp || (res->class_vip && !strcmp(vp->v->name, res->class_vip->o.name) && renew(w->a, vp->v, res));
}

void vips_put(struct agent *a, struct vip_port *vp)
{
	struct vip *v;

	if (!vp || --vp->refs)
		return;
	v = vp->v;
	dp_vip_del(a->dp, &vp->key);
	hmap_remove(&a->vip_ports, &vp->node);
	free(vp);
	if (!--v->n_ports)
		free_vip(a, v);
}

void vips_fini(struct agent *a)
{
	struct hmap_node *n, *tmp;

	hmap_for_each (n, tmp, &a->vip_ports) {
		hmap_remove(&a->vip_ports, n);
		free(container_of(n, struct vip_port, node));
	}
	hmap_for_each (n, tmp, &a->vips) {
		hmap_remove(&a->vips, n);
		free(container_of(n, struct vip, node)->nats);
		free(container_of(n, struct vip, node));
	}
	hmap_fini(&a->vip_ports);
	hmap_fini(&a->vips);
}
