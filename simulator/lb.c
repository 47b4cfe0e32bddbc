// SPDX-License-Identifier: Apache-2.0
/*
 * Load balancers: a packet for a VIP goes to the member that its connection has, else the one that its client had, else the one that
 * Maglev's table gives.  Before all else that the router does; the way back is nat.c's.  Called by router.c.
 */
#include "simulator/run.h"
#include "topology/maglev.h"

#include "util/hash.h"

/* Where the VIP of (address, proto, port) is, or would be. */
static uint32_t position(const struct topo_router *r, const struct skep_ip *ip, uint8_t proto,
			 uint16_t port)
{
	uint32_t lo = 0, hi = r->n_vips;

	while (lo < hi) {
		const uint32_t mid = lo + (hi - lo) / 2;
		const struct topo_vip *v = r->vips[mid];
		int c = memcmp(&v->address, ip, sizeof(*ip));

		if (!c)
			c = v->proto != proto ? (int)v->proto - proto : (int)v->port - port;
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static bool is_up(const struct topo_vip *v)
{
	return v->admin_up && v->lb->admin_up;
}

/* The i-th, if it is of the address and protocol. */
static const struct topo_vip *of(const struct topo_router *r, uint32_t i, const struct skep_ip *ip,
				 uint8_t proto)
{
	const struct topo_vip *v = i < r->n_vips ? r->vips[i] : NULL;

	return v && ip_eq(&v->address, ip) && v->proto == proto ? v : NULL;
}

/* Is the destination a VIP's address?  Else it is neither of its neighbours. */
static bool any_at(struct walk *w, const struct topo_router *r)
{
	const uint32_t i = position(r, &w->f.ip_dst, 0, 0);

	if (i < r->n_vips && see_ip_is(w, false, &r->vips[i]->address))
		return true;
	if (i)
		(void)see_ip_is(w, false, &r->vips[i - 1]->address);
	return false;
}

/* The VIP of the packet's very port; that of all ports, 0, is no neighbour. */
static const struct topo_vip *at_port(struct walk *w, const struct topo_router *r, uint8_t proto)
{
	const struct skep_ip *ip = &w->f.ip_dst;
	uint32_t i = position(r, ip, proto, ntohs(w->f.l4_dst));
	const struct topo_vip *v = of(r, i, ip, proto), *before;

	if (v && !v->port)
		v = of(r, ++i, ip, proto);
	before = i ? of(r, i - 1, ip, proto) : NULL;
	if (v && see_l4_in(w, false, v->port, v->port))
		return is_up(v) ? v : NULL;
	if (before && before->port)
		(void)see_l4_in(w, false, before->port, before->port);
	return NULL;
}

/* The VIP that the packet is for: by its port, else one for all ports. */
static const struct topo_vip *find_vip(struct walk *w, const struct topo_router *r)
{
	const struct topo_vip *v;
	uint8_t proto;

	proto = see_proto(w);
	if (!sim_has_ports(&w->f) || !sim_l4_known(w))
		return NULL;
	v = at_port(w, r, proto);
	if (v)
		return v;
	v = of(r, position(r, &w->f.ip_dst, proto, 0), &w->f.ip_dst, proto);
	return v && !v->port && is_up(v) ? v : NULL;
}

static bool is_alive(const struct topo_member *m)
{
	return m->healthy && m->state != TOPO_MEMBER_DOWN;
}

static bool takes_new(const struct topo_member *m)
{
	return is_alive(m) && m->state == TOPO_MEMBER_UP && m->weight;
}

/* The member that the connection has; NULL: it is gone, or elsewhere now. */
static struct topo_member *member_of(const struct topo_pool *pool, const struct sim_binding *b)
{
	for (uint32_t i = 0; i < pool->n_members; i++) {
		struct topo_member *m = pool->members[i];

		if (ip_eq(&m->address, &b->to) && sim_name_hash(m->o.name) == b->member)
			return m;
	}
	return NULL;
}

static struct topo_member *member_by_name(const struct topo_pool *pool, const char *name)
{
	for (uint32_t i = 0; name && i < pool->n_members; i++)
		if (!strcmp(pool->members[i]->o.name, name))
			return pool->members[i];
	return NULL;
}

static void learn_affinity(struct run *run, const struct topo_vip *vip, const struct skep_ip *client,
			   const struct topo_member *m)
{
	struct sim_affinity_learn *l = arena_alloc(run->arena, sizeof(*l));

	if (!l || run->n_affinities)
		return;
	*l = (struct sim_affinity_learn){ .vip = vip, .client = *client, .member = m };
	run->affinities = l;
	run->n_affinities = 1;
}

/* As if the table said so. */
static struct topo_member *as_told(const struct topo_pool *pool, uint64_t name)
{
	for (uint32_t i = 0; i < pool->n_members; i++)
		if (sim_name_hash(pool->members[i]->o.name) == name)
			return takes_new(pool->members[i]) ? pool->members[i] : NULL;
	return NULL;
}

/* The packet's own addresses and ports are in the mask already: a connection was looked for. */
static struct topo_member *choose(struct walk *w, const struct topo_vip *vip, const char **how)
{
	const struct sim_view *view = w->run->view;
	const struct skep_ip *client = &w->f.ip_src;
	struct topo_member *m;
	uint64_t hash;

	if (vip->affinity == TOPO_AFFINITY_SOURCE) {
		hash = hash_bytes(client, sizeof(*client), w->run->seed);
		m = view->affinity ? member_by_name(vip->pool, view->affinity(view->arg, vip, client)) :
				     NULL;
		*how = "the client's";
		if (m && takes_new(m)) {
			learn_affinity(w->run, vip, client, m);
			return m;
		}
		*how = "by the client's address";
		m = topo_maglev_pick(vip->pool, hash);
		if (m)
			learn_affinity(w->run, vip, client, m);
		return m;
	}
	*how = "by the hash of addresses and ports";
	w->run->vip = vip;
	if (view->member)
		return as_told(vip->pool, view->member);
	return topo_maglev_pick(vip->pool, hash_u64(sim_tuple_hash(&w->run->tuple) ^ w->run->seed));
}

/* Of all that take new connections. */
static unsigned int weights(const struct topo_pool *pool)
{
	unsigned int sum = 0;

	for (uint32_t i = 0; i < pool->n_members; i++)
		sum += takes_new(pool->members[i]) ? pool->members[i]->weight : 0;
	return sum;
}

static bool no_member(struct walk *w, const struct topo_vip *vip)
{
	if (vip->reject && vip->proto == IPPROTO_TCP)
		sim_reject(w);
	else if (vip->reject)
		sim_icmp_error(w, SIM_ERR_PORT);
	sim_drop(w, SKEP_DROP_NO_MEMBER, &vip->o, NULL);
	return false;
}

static bool begin(struct walk *w, const struct topo_router *r, const struct topo_vip *vip)
{
	const char *how = "";
	struct topo_member *m = choose(w, vip, &how);
	struct sim_binding b;

	if (!m)
		return no_member(w, vip);
	b = (struct sim_binding){ .router = sim_name_hash(r->o.name),
				  .member = sim_name_hash(m->o.name),
				  .dst = true,
				  .from = w->f.ip_dst,
				  .to = m->address,
				  .from_port = w->f.l4_dst,
				  .to_port = m->port && vip->port ? htons(m->port) : w->f.l4_dst };
	STEP(w, 1, "member", m->o.name, "of pool %s, weight %u of %u, %s", vip->pool->o.name, m->weight, weights(vip->pool), how);
	if (!sim_bind(w, &b)) {
		sim_drop(w, SKEP_DROP_OVERLOAD, &vip->o, NULL);
		return false;
	}
	sim_nat_apply(w, &b, true, vip->o.name);
	return true;
}

static const struct sim_binding *binding_of(const struct sim_conn *c, const struct topo_router *r)
{
	const uint64_t router = sim_name_hash(r->o.name);

	for (uint8_t i = 0; c && i < c->n_bindings; i++)
		if (c->bindings[i].router == router && c->bindings[i].dst && c->bindings[i].member)
			return &c->bindings[i];
	return NULL;
}

static bool go_on(struct walk *w, const struct topo_vip *vip, const struct sim_binding *b)
{
	const struct topo_member *m = member_of(vip->pool, b);

	if (!m || !is_alive(m)) {
		w->run->end_conn = true;
		return no_member(w, vip);
	}
	STEP(w, 1, "member", m->o.name, "of pool %s, the connection's", vip->pool->o.name);
	sim_nat_apply(w, b, true, vip->o.name);
	return true;
}

/* An error about what a VIP's client was sent goes where the connection does. */
static bool error_in(struct walk *w, const struct topo_router *r)
{
	const struct sim_binding *b;

	(void)sim_ct(w);
	if (!w->run->conn || w->run->conn->reply)
		return true;
	b = binding_of(w->run->conn, r);
	if (!b || !ip_eq(&b->from, &w->f.ip_dst))
		return true;
	w->via_vip = true;
	sim_nat_apply(w, b, true, "connection");
	return true;
}

bool sim_vip_in(struct walk *w, const struct topo_port *in)
{
	const struct topo_router *r = in->router;
	const struct sim_binding *b;
	const struct topo_vip *vip;
	uint8_t ct;

	if (w->generation || !r->n_vips)
		return true;
	sim_tag(w, &(struct topo_tag){ .kind = TOPO_TAG_VIP,
				       .name = r->o.name,
				       .ip = w->f.ip_dst,
				       .len = (uint8_t)ip_width(w) });
	if (!any_at(w, r))
		return true;
	if (sim_is_error(w))
		return error_in(w, r);
	vip = find_vip(w, r);
	if (sim_waits(w))
		return false;
	if (!vip)
		return true;
	ct = sim_ct(w);
	if (sim_waits(w))
		return false;
	sim_tag_object(w, TOPO_TAG_POOL, &vip->pool->o);
	STEP(w, 1, "vip", vip->o.name, "of load balancer %s", vip->lb->o.name);
	w->via_vip = true;
	b = w->run->conn && !w->run->conn->reply ? binding_of(w->run->conn, r) : NULL;
	if (b)
		return go_on(w, vip, b);
	if (ct & TOPO_CT_NEW)
		return begin(w, r, vip);
	sim_drop(w, SKEP_DROP_NAT_NONE, &vip->o, NULL);
	return false;
}

bool sim_vip_reply(struct walk *w, const struct topo_router *r)
{
	const struct sim_binding *b;

	if (w->generation || !r->n_vips || !see_is_ip(w))
		return false;
	(void)sim_ct(w);
	if (sim_waits(w) || !w->run->conn || !w->run->conn->reply)
		return false;
	b = binding_of(w->run->conn, r);
	/* errors about the connection come from anywhere on the way */
	return b && (ip_eq(&w->f.ip_src, &b->to) || sim_is_error(w));
}
