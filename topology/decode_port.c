// SPDX-License-Identifier: Apache-2.0
/*
 * Ports: record, binding and live record -> struct.  Ports come and go while their snapshot lives, so all that is a port's own is in the pool, and
 * topo_port_clear() gives it back.  Called by snapshot.c and update.c.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "topology/decode.h"
#include "util/hash.h"

/* --- memory --- */

struct text { /* shared by all who have the same: names of hosts */
	struct hmap_node node;
	uint32_t refs;
	char text[];
};

static struct text *find_text(const struct topo_memory *m, const char *s)
{
	struct hmap_node *node;

	hmap_for_each_with_hash(node, &m->texts, hash_str(s, 0))
	{
		struct text *t = container_of(node, struct text, node);

		if (!strcmp(t->text, s))
			return t;
	}
	return NULL;
}

static const char *get_text(struct topo_memory *m, const char *s)
{
	struct text *t = find_text(m, s);
	const size_t size = strlen(s) + 1;

	if (!t) {
		t = pool_alloc(&m->pool, sizeof(*t) + size);
		if (t && hmap_insert(&m->texts, &t->node, hash_str(s, 0))) {
			pool_free(&m->pool, t, sizeof(*t) + size);
			t = NULL;
		}
		if (!t)
			return NULL;
		memcpy(t->text, s, size);
	}
	t->refs++;
	return t->text;
}

static void put_text(struct topo_memory *m, const char *s)
{
	struct text *t = s ? container_of(s, struct text, text) : NULL;

	if (!t || --t->refs)
		return;
	hmap_remove(&m->texts, &t->node);
	pool_free(&m->pool, t, sizeof(*t) + strlen(s) + 1);
}

const char *topo_text_dup(struct topo_memory *m, const char *s)
{
	char *copy = pool_alloc(&m->pool, strlen(s) + 1);

	return copy ? memcpy(copy, s, strlen(s) + 1) : NULL;
}

void topo_text_free(struct topo_memory *m, const char *s)
{
	if (s)
		pool_free(&m->pool, (char *)s, strlen(s) + 1);
}

static int no_memory(struct err *err)
{
	return err_set(err, -ENOMEM, "out of memory");
}

struct topo_port *topo_port_new(struct topo_snapshot *snap, const char *name)
{
	struct topo_port *port = pool_alloc(&snap->memory->pool, sizeof(*port));

	if (!port)
		return NULL;
	port->o.kind = TOPO_PORT;
	port->o.name = topo_text_dup(snap->memory, name);
	if (port->o.name)
		return port;
	pool_free(&snap->memory->pool, port, sizeof(*port));
	return NULL;
}

/* --- what few ports have, and then many the same --- */

enum { NO_MORE, SHARED_MORE, OWN_MORE };

static const struct topo_port_more none;

struct more {
	struct hmap_node node; /* of a shared one */
	struct more *base;     /* of an own one: whose lists it has; NULL = it has none */
	uint32_t refs;
	struct topo_port_more m;
};

static void free_more(struct topo_memory *m, struct more *x)
{
	struct topo_port_more *more = &x->m;

	pool_free(&m->pool, (uint64_t *)more->trunk, 4096 / 8);
	topo_text_free(m, more->hostname);
	pool_free(&m->pool, more->allowed, more->n_allowed * sizeof(more->allowed[0]));
	pool_free(&m->pool, more->sgs, more->n_sgs * sizeof(more->sgs[0]));
	pool_free(&m->pool, more->groups, more->n_groups * sizeof(more->groups[0]));
	pool_free(&m->pool, x, sizeof(*x));
}

static void put_shared(struct topo_memory *m, struct more *x)
{
	if (!x || --x->refs)
		return;
	hmap_remove(&m->mores, &x->node);
	free_more(m, x);
}

static void put_more(struct topo_memory *m, struct topo_port *port)
{
	struct more *x = port->more_kind == NO_MORE ? NULL : container_of(port->more, struct more, m);

	if (port->more_kind == SHARED_MORE)
		put_shared(m, x);
	if (port->more_kind != OWN_MORE)
		return;
	put_shared(m, x->base);
	pool_free(&m->pool, x, sizeof(*x));
}

static uint64_t hash_more(const struct topo_port_more *m)
{
	uint64_t h = hash_u64((uint64_t)m->vlan << 32 | (uint64_t)m->mtu << 8 | m->hairpin);

	h = hash_u64(h ^ (uintptr_t)m->qos);
	h = m->trunk ? hash_bytes(m->trunk, 4096 / 8, h) : h;
	h = m->hostname ? hash_str(m->hostname, h) : h;
	h = m->n_allowed ? hash_bytes(m->allowed, m->n_allowed * sizeof(m->allowed[0]), h) : h;
	h = m->n_sgs ? hash_bytes(m->sgs, m->n_sgs * sizeof(m->sgs[0]), h) : h;
	return m->n_groups ? hash_bytes(m->groups, m->n_groups * sizeof(m->groups[0]), h) : h;
}

static bool same_bytes(const void *a, const void *b, size_t n)
{
	return !n || !memcmp(a, b, n);
}

static bool same_more(const struct topo_port_more *a, const struct topo_port_more *b)
{
	if (a->vlan != b->vlan || a->mtu != b->mtu || a->hairpin != b->hairpin || a->qos != b->qos ||
	    !a->trunk != !b->trunk || !a->hostname != !b->hostname || a->n_allowed != b->n_allowed ||
	    a->n_sgs != b->n_sgs || a->n_groups != b->n_groups)
		return false;
	return (!a->trunk || !memcmp(a->trunk, b->trunk, 4096 / 8)) &&
	       (!a->hostname || !strcmp(a->hostname, b->hostname)) &&
	       same_bytes(a->allowed, b->allowed, a->n_allowed * sizeof(a->allowed[0])) &&
	       same_bytes(a->sgs, b->sgs, a->n_sgs * sizeof(a->sgs[0])) &&
	       same_bytes(a->groups, b->groups, a->n_groups * sizeof(a->groups[0]));
}

/* Takes 'x': the port gets it, or one that is the same.  -ENOMEM: the port gets none. */
static int share_more(struct topo_memory *m, struct topo_port *port, struct more *x)
{
	const uint64_t hash = hash_more(&x->m);
	struct hmap_node *node;

	hmap_for_each_with_hash(node, &m->mores, hash)
	{
		struct more *other = container_of(node, struct more, node);

		if (!same_more(&other->m, &x->m))
			continue;
		free_more(m, x);
		x = other;
		break;
	}
	if (!node && hmap_insert(&m->mores, &x->node, hash)) {
		free_more(m, x);
		return -ENOMEM;
	}
	x->refs++;
	port->more = &x->m;
	port->more_kind = SHARED_MORE;
	return 0;
}

/* --- a port's life --- */

void topo_port_clear_place(struct topo_snapshot *snap, struct topo_port *port)
{
	put_text(snap->memory, port->host);
	topo_text_free(snap->memory, port->interface);
	put_text(snap->memory, port->live_host);
}

void topo_port_clear(struct topo_snapshot *snap, struct topo_port *port)
{
	struct topo_memory *m = snap->memory;

	topo_text_free(m, port->o.id);
	pool_free(&m->pool, port->addrs, port->n_addrs * sizeof(port->addrs[0]));
	put_more(m, port);
	topo_port_clear_place(snap, port);
}

void topo_port_free(struct topo_snapshot *snap, struct topo_port *port)
{
	topo_port_clear(snap, port);
	topo_text_free(snap->memory, port->o.name);
	pool_free(&snap->memory->pool, port, sizeof(*port));
}

/* --- configuration --- */

int topo_port_object(struct topo_snapshot *snap, struct topo_port *port, const json_t *rec)
{
	port->o.kind = TOPO_PORT;
	port->o.id = topo_text_dup(snap->memory, topo_str(rec, "id"));
	port->o.rev = (uint64_t)json_integer_value(json_object_get(rec, "rev"));
	port->o.sum = topo_record_sum(rec);
	return port->o.id ? 0 : -ENOMEM;
}

static int get_addresses(struct topo_snapshot *snap, const json_t *rec, struct topo_port *port,
			 struct err *err)
{
	const json_t *list = json_object_get(rec, "addresses");
	size_t n = json_array_size(list);
	unsigned int len;

	if (!n)
		return 0;
	port->addrs = pool_alloc(&snap->memory->pool, n * sizeof(struct topo_addr));
	if (!port->addrs)
		return no_memory(err);
	port->n_addrs = (uint32_t)n;
	for (size_t i = 0; i < n; i++) {
		const char *s = json_string_value(json_array_get(list, i));
		struct topo_addr *a = &port->addrs[i];

		if (!prefix_parse(s, &a->ip, &len))
			return err_set(err, -EINVAL, "field 'addresses': '%s' is not an IP address",
				       s);
		if (port->router && !strchr(s, '/'))
			return err_set(
				err, -EINVAL,
				"field 'addresses': '%s' has no prefix length (a router port's subnet is part of it, want %s/%d)",
				s, s, ip_is_v4(&a->ip) ? 24 : 64);
		if (port->bridge && len != ip_bits(&a->ip))
			return err_set(
				err, -EINVAL,
				"field 'addresses': '%s' has a prefix length (a bridge port has single addresses, want it without '/%u')",
				s, len);
		a->len = (uint8_t)len;
	}
	return 0;
}

static const uint64_t *get_vlans(struct topo_snapshot *snap, const json_t *list)
{
	uint64_t *map = pool_alloc(&snap->memory->pool, 4096 / 8);
	const json_t *item;
	uint16_t range[2];
	size_t i;

	if (!map)
		return NULL;
	if (json_is_string(list)) { /* all: 0 and 4095 are none */
		memset(map, 0xff, 4096 / 8);
		map[0] &= ~1ULL;
		map[63] &= ~(1ULL << 63);
		return map;
	}
	json_array_foreach(list, i, item)
		if (topo_parse_vlan_range(item, range))
			for (unsigned int v = range[0]; v <= range[1]; v++)
				map[v / 64] |= 1ULL << (v % 64);
	return map;
}

static int get_allowed(struct topo_snapshot *snap, const json_t *rec, struct topo_port_more *more,
		       struct err *err)
{
	const json_t *list = json_object_get(rec, "allowed_addresses"), *item;
	unsigned int len;
	size_t i;

	if (!json_array_size(list))
		return 0;
	more->allowed = pool_alloc(&snap->memory->pool, json_array_size(list) * sizeof(*more->allowed));
	if (!more->allowed)
		return no_memory(err);
	more->n_allowed = (uint32_t)json_array_size(list);
	json_array_foreach(list, i, item)
	{
		struct topo_allowed *a = &more->allowed[i];

		if (prefix_parse(topo_str(item, "address"), &a->ip, &len))
			a->len = (uint8_t)len;
		if (topo_str(item, "mac"))
			(void)mac_parse(topo_str(item, "mac"), &a->mac);
	}
	return 0;
}

/* All objects begin with their struct topo_object: 'out' is the place of an array of pointers to any. */
static int get_list(struct topo_snapshot *snap, const json_t *rec, const char *key, enum topo_kind kind,
		    void *out, uint32_t *n, struct err *err)
{
	const json_t *list = json_object_get(rec, key), *item;
	struct topo_object **all;
	size_t i;

	if (!json_array_size(list))
		return 0;
	all = pool_alloc(&snap->memory->pool, json_array_size(list) * sizeof(*all));
	if (!all)
		return no_memory(err);
	memcpy(out, &all, sizeof(all));
	*n = (uint32_t)json_array_size(list);
	json_array_foreach(list, i, item)
	{
		all[i] = topo_find(snap, kind, json_string_value(item));
		if (!all[i])
			return err_tag(err, -EINVAL, "no_such_object",
				       "field '%s': %s '%s' does not exist", key,
				       topo_kind_name(kind), json_string_value(item));
	}
	return 0;
}

static int fill_more(struct topo_snapshot *snap, struct topo_port_more *more, const json_t *rec,
		     struct err *err)
{
	more->vlan = (uint16_t)topo_get_int(rec, "vlan", 0);
	more->hairpin = topo_get_bool(rec, "hairpin", false);
	more->mtu = (uint16_t)topo_get_int(rec, "mtu", 0);
	if (json_object_get(rec, "trunk"))
		more->trunk = get_vlans(snap, json_object_get(rec, "trunk"));
	if (topo_str(rec, "hostname"))
		more->hostname = topo_text_dup(snap->memory, topo_str(rec, "hostname"));
	if ((json_object_get(rec, "trunk") && !more->trunk) ||
	    (topo_str(rec, "hostname") && !more->hostname))
		return no_memory(err);
	if (GET_REF(snap, rec, "qos", TOPO_QOS, struct topo_qos, &more->qos, err) ||
	    get_list(snap, rec, "security_groups", TOPO_SECURITY_GROUP, &more->sgs, &more->n_sgs, err) ||
	    get_list(snap, rec, "port_groups", TOPO_PORT_GROUP, &more->groups, &more->n_groups, err))
		return err->code;
	return get_allowed(snap, rec, more, err);
}

static int get_more(struct topo_snapshot *snap, struct topo_port *port, const json_t *rec,
		    struct err *err)
{
	static const char *const rare[] = { "vlan",	  "trunk",	      "hairpin", "mtu",
					    "hostname",	  "allowed_addresses", "qos",
					    "security_groups", "port_groups" };
	bool any = false;
	struct more *x;

	for (size_t i = 0; i < ARRAY_SIZE(rare); i++) {
		const json_t *v = json_object_get(rec, rare[i]);

		any = any || (v && !json_is_false(v) && !(json_is_array(v) && !json_array_size(v)));
	}
	if (!any)
		return 0;
	x = pool_alloc(&snap->memory->pool, sizeof(*x));
	if (!x)
		return no_memory(err);
	if (fill_more(snap, &x->m, rec, err)) {
		free_more(snap->memory, x);
		return err->code;
	}
	return share_more(snap->memory, port, x) ? no_memory(err) : 0;
}

struct topo_port_more *topo_port_more_own(struct topo_snapshot *snap, struct topo_port *port)
{
	struct more *own;

	if (port->more_kind == OWN_MORE)
		return (struct topo_port_more *)port->more;
	own = pool_alloc(&snap->memory->pool, sizeof(*own));
	if (!own)
		return NULL;
	own->m = *port->more;
	own->base = port->more_kind == SHARED_MORE ? container_of(port->more, struct more, m) : NULL;
	port->more = &own->m;
	port->more_kind = OWN_MORE;
	return &own->m;
}

int topo_decode_port(struct topo_snapshot *snap, struct topo_port *port, const json_t *rec,
		     struct err *err)
{
	const char *mac = topo_str(rec, "mac");

	port->admin_up = topo_get_bool(rec, "admin_up", true);
	port->port_security = topo_get_bool(rec, "port_security", true);
	port->more = &none;
	if (GET_REF(snap, rec, "bridge", TOPO_BRIDGE, struct topo_bridge, &port->bridge, err) ||
	    GET_REF(snap, rec, "router", TOPO_ROUTER, struct topo_router, &port->router, err) ||
	    GET_REF(snap, rec, "peer", TOPO_PORT, struct topo_port, &port->peer, err) ||
	    topo_get_chains(snap, rec, &port->in_chain, &port->out_chain, err))
		return -EINVAL;
	port->has_mac = mac && mac_parse(mac, &port->mac);
	if (!port->has_mac && port->router) {
		port->mac = topo_derive_mac(port->o.id);
		port->has_mac = true;
	}
	if (get_more(snap, port, rec, err))
		return err->code;
	return get_addresses(snap, rec, port, err);
}

/* --- where it is --- */

int topo_decode_bind(struct topo_snapshot *snap, struct topo_port *port, const json_t *rec, struct err *err)
{
	port->host = get_text(snap->memory, topo_str(rec, "host"));
	port->interface = topo_text_dup(snap->memory, topo_str(rec, "interface"));
	return port->host && port->interface ? 0 : no_memory(err);
}

int topo_decode_live(struct topo_snapshot *snap, struct topo_port *port, const json_t *rec)
{
	json_int_t key = topo_get_int(rec, "key", 0), flood = topo_get_int(rec, "flood", 0);
	const char *host = topo_str(rec, "host");

	if (port->peer || !host || !topo_name_valid(host) || key < 1 || key > 0xffffff ||
	    flood < 0 || flood > 0xffffff)
		return 0;
	port->live_host = get_text(snap->memory, host);
	port->live_key = (uint32_t)key;
	port->live_flood_key = port->bridge ? (uint32_t)flood : 0;
	return port->live_host ? 0 : -ENOMEM;
}
