// SPDX-License-Identifier: Apache-2.0
#include "topology/step_index.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "topology/snapshot.h"
#include "util/hash.h"

/* --- entries --- */

static struct step_entry *find_path(const struct step_index *x, const char *path)
{
	struct hmap_node *node;

	hmap_for_each_with_hash(node, &x->entries, hash_str(path, 0))
	{
		struct step_entry *e = container_of(node, struct step_entry, node);

		if (!strcmp(e->path, path))
			return e;
	}
	return NULL;
}

struct step_entry *step_find(const struct step_index *x, enum topo_kind kind, const char *name)
{
	char path[TOPO_PATH];

	return find_path(x, topo_path(kind, name, path));
}

struct step_entry *step_get(struct step_index *x, enum topo_kind kind, const char *name)
{
	char path[TOPO_PATH];
	struct step_entry *e = find_path(x, topo_path(kind, name, path));
	const size_t size = strlen(path) + 1;

	if (e)
		return e;
	e = pool_alloc(&x->pool, sizeof(*e) + size);
	if (!e)
		return NULL;
	e->kind = kind;
	e->path_size = (uint16_t)size;
	memcpy(e->path, path, size);
	if (!hmap_insert(&x->entries, &e->node, hash_str(path, 0)))
		return e;
	pool_free(&x->pool, e, sizeof(*e) + size);
	return NULL;
}

void step_forget(struct step_index *x, struct step_entry *e)
{
	if (!e || e->rec || e->uses || e->marks || e->wides || e->claims || e->tree || e->wide)
		return;
	for (int i = 0; i < STEP_USERS; i++)
		if (e->users[i])
			return;
	hmap_remove(&x->entries, &e->node);
	pool_free(&x->pool, e, sizeof(*e) + e->path_size);
}

/* --- addresses --- */

static int order_marks(const struct step_mark *a, const struct step_mark *b)
{
	int c = memcmp(&a->ip, &b->ip, sizeof(a->ip));

	return c ? c : a < b ? -1 : a > b;
}

static void tree_put(struct step_mark **root, struct step_mark *m)
{
	struct step_mark **left = &m->child[0], **right = &m->child[1], *rest;

	while (*root && (*root)->weight >= m->weight)
		root = &(*root)->child[order_marks(*root, m) < 0];
	rest = *root;
	*root = m;
	while (rest) { /* what is below it now is before it, or behind */
		if (order_marks(rest, m) < 0) {
			*left = rest;
			left = &rest->child[1];
			rest = *left;
		} else {
			*right = rest;
			right = &rest->child[0];
			rest = *right;
		}
	}
	*left = *right = NULL;
}

static void tree_del(struct step_mark **root, struct step_mark *m)
{
	struct step_mark *a = m->child[0], *b = m->child[1];

	while (*root != m)
		root = &(*root)->child[order_marks(*root, m) < 0];
	while (a && b) {
		if (a->weight >= b->weight) {
			*root = a;
			root = &a->child[1];
			a = *root;
		} else {
			*root = b;
			root = &b->child[0];
			b = *root;
		}
	}
	*root = a ? a : b;
}

static void each_mark(const struct step_mark *m, const struct topo_ip_range *range,
		      void (*cb)(void *arg, const struct step_mark *mark), void *arg)
{
	while (m) {
		const bool from = memcmp(&m->ip, &range->lo, sizeof(m->ip)) >= 0;
		const bool to = memcmp(&m->ip, &range->hi, sizeof(m->ip)) <= 0;

		if (from)
			each_mark(m->child[0], range, cb, arg);
		if (from && to)
			cb(arg, m);
		m = to ? m->child[1] : NULL;
	}
}

void step_each_mark(const struct step_entry *scope, const struct topo_ip_range *range,
		    void (*cb)(void *arg, const struct step_mark *mark), void *arg)
{
	each_mark(scope->tree, range, cb, arg);
}

static int add_mark(struct step_index *x, struct step_entry *by, struct step_entry *scope, const struct skep_ip *ip,
		    size_t index)
{
	struct step_mark *m = scope ? pool_alloc(&x->pool, sizeof(*m)) : NULL;

	if (!m)
		return scope ? -ENOMEM : 0;
	m->by = by;
	m->scope = scope;
	m->ip = *ip;
	m->index = (uint32_t)index;
	m->weight = hash_u64(++x->weight);
	m->next_of = by->marks;
	by->marks = m;
	tree_put(&scope->tree, m);
	return 0;
}

static int add_text(struct step_index *x, struct step_entry *by, struct step_entry *scope, const char *text, size_t index)
{
	struct skep_ip ip;
	unsigned int len;

	return text && prefix_parse(text, &ip, &len) ? add_mark(x, by, scope, &ip, index) : 0;
}

static int add_range(struct step_index *x, struct step_entry *by, struct step_entry *scope,
		     const struct topo_ip_range *range)
{
	struct step_wide *w;

	if (!scope || ip_eq(&range->lo, &range->hi))
		return add_mark(x, by, scope, &range->lo, 0);
	w = pool_alloc(&x->pool, sizeof(*w));
	if (!w)
		return -ENOMEM;
	*w = (struct step_wide){ .next_of = by->wides, .next = scope->wide, .at = &scope->wide, .by = by, .range = *range };
	by->wides = w;
	if (scope->wide)
		scope->wide->at = &w->next;
	scope->wide = w;
	return 0;
}

/* --- claims --- */

uint64_t step_id_hash(const char *id)
{
	return hash_str(id, 0x6964);
}

uint64_t step_mac_hash(const struct step_entry *scope, const struct skep_mac *mac)
{
	return hash_bytes(mac, sizeof(*mac), scope->node.hash);
}

uint64_t step_bind_hash(const json_t *bind)
{
	const char *host = topo_str(bind, "host"), *interface = topo_str(bind, "interface");

	return hash_str(interface ? interface : "", hash_str(host ? host : "", 0x6966));
}

static int add_claim(struct step_index *x, struct step_entry *by, uint64_t hash)
{
	struct step_claim *c = pool_alloc(&x->pool, sizeof(*c));

	if (c && !hmap_insert(&x->claims, &c->node, hash)) {
		c->by = by;
		c->next_of = by->claims;
		by->claims = c;
		return 0;
	}
	pool_free(&x->pool, c, sizeof(*c));
	return -ENOMEM;
}

/* --- what a record says --- */

struct step_entry *step_ref(const struct step_index *x, const json_t *rec, const char *field, enum topo_kind kind)
{
	const char *name = topo_str(rec, field);

	return name && topo_name_valid(name) ? step_find(x, kind, name) : NULL;
}

bool step_mac(const json_t *port, struct skep_mac *mac)
{
	const char *text = topo_str(port, "mac"), *id = topo_str(port, "id");

	if (text && mac_parse(text, mac))
		return true;
	if (!topo_str(port, "router") || !id)
		return false;
	*mac = topo_derive_mac(id);
	return true;
}

bool step_nat_to(const json_t *nat, struct topo_ip_range *range)
{
	const char *type = topo_str(nat, "type"), *to = topo_str(nat, "to");

	return type && to && (!strcmp(type, "snat") || !strcmp(type, "dnat")) && topo_parse_range(to, range);
}

bool step_nat_dst(const json_t *nat, struct skep_ip *ip)
{
	const char *type = topo_str(nat, "type"), *dst = topo_str(nat, "dst");
	unsigned int len;

	return type && dst && !strcmp(type, "dnat") && prefix_parse(dst, ip, &len) && len == ip_bits(ip);
}

bool step_fixed(const struct step_index *x, const json_t *fip, struct skep_ip *ip)
{
	const struct step_entry *port = step_ref(x, fip, "port", TOPO_PORT);
	const char *text = topo_str(fip, "fixed"), *address = topo_str(fip, "address");
	const json_t *item;
	struct skep_ip own;
	size_t i;

	if (text)
		return ip_parse(text, ip);
	if (!port || !address || !ip_parse(address, &own))
		return false;
	json_array_foreach(json_object_get(port->rec, "addresses"), i, item)
	{
		unsigned int len;

		if (prefix_parse(json_string_value(item), ip, &len) && ip_is_v4(ip) == ip_is_v4(&own))
			return true;
	}
	return false;
}

struct step_entry *step_router(const struct step_index *x, enum topo_kind kind, const json_t *rec)
{
	const struct step_entry *lb = kind == TOPO_VIP ? step_ref(x, rec, "load_balancer", TOPO_LOAD_BALANCER) : NULL;

	return step_ref(x, kind == TOPO_VIP ? lb ? lb->rec : NULL : rec, "router", TOPO_ROUTER);
}

/* --- into the index --- */

struct adding {
	struct step_index *x;
	struct step_entry *e;
};

static int add_use(void *arg, const struct topo_field *f, enum topo_kind kind, json_t *in, const char *field, int at,
		   const char *name)
{
	const struct adding *a = arg;
	struct step_entry *to = topo_name_valid(name) ? step_get(a->x, kind, name) : NULL;
	struct step_use *u = to ? pool_alloc(&a->x->pool, sizeof(*u)) : NULL, **list;
	enum step_users users = STEP_OTHERS;

	(void)f;
	(void)field;
	(void)at;
	if (!u)
		return topo_name_valid(name) ? -ENOMEM : 0;
	if (a->e->kind == TOPO_PORT && (kind == TOPO_BRIDGE || kind == TOPO_ROUTER))
		users = topo_str(in, "peer") ? STEP_LINKS : STEP_PORTS;
	else if (a->e->kind == TOPO_LOAD_BALANCER)
		users = STEP_BALANCERS;
	list = &to->users[users];
	*u = (struct step_use){ .next_of = a->e->uses, .next = *list, .at = list, .by = a->e, .to = to };
	a->e->uses = u;
	if (*list)
		(*list)->at = &u->next;
	*list = u;
	return 0;
}

static int add_port(struct step_index *x, struct step_entry *e, const json_t *rec)
{
	struct step_entry *scope = step_ref(x, rec, "bridge", TOPO_BRIDGE);
	const json_t *item;
	struct skep_mac mac;
	size_t i;
	int rc = 0;

	scope = scope ? scope : step_ref(x, rec, "router", TOPO_ROUTER);
	if (scope && step_mac(rec, &mac))
		rc = add_claim(x, e, step_mac_hash(scope, &mac));
	json_array_foreach(json_object_get(rec, "addresses"), i, item)
		rc = rc ? rc : add_text(x, e, scope, json_string_value(item), i);
	return rc;
}

static int add_bridge(struct step_index *x, struct step_entry *e, const json_t *rec)
{
	const json_t *item;
	struct skep_mac mac;
	size_t i;
	int rc = 0;

	json_array_foreach(json_object_get(rec, "static_macs"), i, item)
		if (!rc && mac_parse(topo_str(item, "mac"), &mac))
			rc = add_claim(x, e, step_mac_hash(e, &mac));
	json_array_foreach(json_object_get(rec, "neighbours"), i, item)
		rc = rc ? rc : add_text(x, e, e, topo_str(item, "address"), i);
	return rc;
}

static int add_hosts(struct step_index *x, struct step_entry *e, const json_t *rec)
{
	struct step_entry *bridge = step_ref(x, rec, "bridge", TOPO_BRIDGE);
	const json_t *item;
	size_t i;
	int rc = 0;

	json_array_foreach(json_object_get(rec, "hosts"), i, item)
		rc = rc ? rc : add_text(x, e, bridge, topo_str(item, "address"), i);
	return rc;
}

static int add_translation(struct step_index *x, struct step_entry *e, const json_t *rec)
{
	struct step_entry *router = step_router(x, e->kind, rec);
	struct topo_ip_range to;
	struct skep_ip ip;
	int rc = e->kind == TOPO_NAT ? 0 : add_text(x, e, router, topo_str(rec, "address"), 0);

	if (!rc && e->kind == TOPO_FLOATING_IP && step_fixed(x, rec, &ip))
		rc = add_mark(x, e, router, &ip, 0);
	if (e->kind != TOPO_NAT)
		return rc;
	if (step_nat_dst(rec, &ip))
		rc = add_mark(x, e, router, &ip, 0);
	return !rc && step_nat_to(rec, &to) ? add_range(x, e, router, &to) : rc;
}

static int add_uses(struct step_index *x, struct step_entry *e)
{
	struct adding a = { x, e };

	return topo_each_ref(topo_record_shape(e->kind), e->rec, add_use, &a);
}

/* By what else it is found. */
static int add_keys(struct step_index *x, struct step_entry *e)
{
	const char *id = topo_str(e->rec, "id");

	if (id && add_claim(x, e, step_id_hash(id)))
		return -ENOMEM;
	switch (e->kind) {
	case TOPO_PORT:
		return add_port(x, e, e->rec);
	case TOPO_BRIDGE:
		return add_bridge(x, e, e->rec);
	case TOPO_SUBNET:
		return add_hosts(x, e, e->rec);
	case TOPO_BIND:
		return add_claim(x, e, step_bind_hash(e->rec));
	case TOPO_MEMBER:
		return add_text(x, e, step_ref(x, e->rec, "pool", TOPO_POOL), topo_str(e->rec, "address"), 0);
	case TOPO_NAT:
	case TOPO_FLOATING_IP:
	case TOPO_VIP:
		return add_translation(x, e, e->rec);
	default:
		return 0;
	}
}

/* --- out of it --- */

static void drop_uses(struct step_index *x, struct step_entry *e)
{
	struct step_use *u;

	while ((u = e->uses)) {
		struct step_entry *to = u->to;

		e->uses = u->next_of;
		*u->at = u->next;
		if (u->next)
			u->next->at = u->at;
		pool_free(&x->pool, u, sizeof(*u));
		if (to != e)
			step_forget(x, to);
	}
}

static void drop_keys(struct step_index *x, struct step_entry *e)
{
	struct step_claim *c;
	struct step_mark *m;
	struct step_wide *w;

	while ((c = e->claims)) {
		e->claims = c->next_of;
		hmap_remove(&x->claims, &c->node);
		pool_free(&x->pool, c, sizeof(*c));
	}
	while ((m = e->marks)) {
		e->marks = m->next_of;
		tree_del(&m->scope->tree, m);
		pool_free(&x->pool, m, sizeof(*m));
	}
	while ((w = e->wides)) {
		e->wides = w->next_of;
		*w->at = w->next;
		if (w->next)
			w->next->at = w->at;
		pool_free(&x->pool, w, sizeof(*w));
	}
}

/* Those whose place follows from this one: VIPs of a load balancer, floating IPs that lead to a port's first address. */
static int put_dependents(struct step_index *x, struct step_entry *e)
{
	enum topo_kind kind = e->kind == TOPO_PORT ? TOPO_FLOATING_IP : TOPO_VIP;
	int rc = 0;

	if (e->kind != TOPO_PORT && e->kind != TOPO_LOAD_BALANCER)
		return 0;
	for (struct step_use *u = e->users[STEP_OTHERS]; !rc && u; u = u->next) {
		if (u->by->kind != kind)
			continue;
		drop_keys(x, u->by);
		rc = add_keys(x, u->by);
	}
	return rc;
}

int step_index_put(struct step_index *x, struct step_entry *e, json_t *rec)
{
	json_t *was = e->rec;
	int rc = 0;

	drop_keys(x, e);
	e->rec = json_incref(rec);
	x->n += (uint32_t)!!rec - (uint32_t)!!was;
	if (rec && !was)
		e->order = ++x->order;
	drop_uses(x, e);
	json_decref(was);
	if (rec)
		rc = add_uses(x, e) || add_keys(x, e) ? -ENOMEM : 0;
	rc = rc ? rc : put_dependents(x, e);
	step_forget(x, e);
	return rc;
}

void step_index_init(struct step_index *x)
{
	*x = (struct step_index){ 0 };
	pool_init(&x->pool);
	hmap_init(&x->entries);
	hmap_init(&x->claims);
}

void step_index_fini(struct step_index *x)
{
	struct hmap_node *node, *tmp;

	hmap_for_each(node, tmp, &x->entries)
		json_decref(container_of(node, struct step_entry, node)->rec);
	hmap_fini(&x->entries);
	hmap_fini(&x->claims);
	pool_fini(&x->pool);
}
