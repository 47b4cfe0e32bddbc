// SPDX-License-Identifier: Apache-2.0
/*
 * A change is let through when nothing of what topo_validate() looks for can have come about by it.  Each check here is of the same kind as one there, but for one
 * port or route, against the tables that a snapshot has anyway; where those have no table, one is kept here (interfaces).  Doubt is no error: it is for
 * topo_validate() to say.
 */
#include "topology/step.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "topology/decode.h"
#include "topology/doc.h"
#include "topology/validate.h"
#include "util/hash.h"

struct bound { /* an interface of a host that a port is bound to */
	struct hmap_node node;
	char *port;
	char text[]; /* "host/interface" */
};

struct topo_step {
	struct topo_snapshot *snap;
	struct hmap bound; /* by host and interface */
	uint32_t loose;	   /* ports on bridges that have addresses but no MAC: bridges do not know them */
};

/* --- interfaces --- */

#define BOUND_TEXT (TOPO_NAME_MAX + TOPO_IFNAME_MAX + 2)

static const char *bound_text(const json_t *rec, char buf[static BOUND_TEXT])
{
	const char *host = topo_str(rec, "host"), *interface = topo_str(rec, "interface");

	snprintf(buf, BOUND_TEXT, "%s/%s", host ? host : "", interface ? interface : "");
	return buf;
}

static struct bound *bound_find(const struct topo_step *s, const json_t *rec)
{
	char text[BOUND_TEXT];
	struct hmap_node *node;

	bound_text(rec, text);
	hmap_for_each_with_hash(node, &s->bound, hash_str(text, 0))
	{
		struct bound *b = container_of(node, struct bound, node);

		if (!strcmp(b->text, text))
			return b;
	}
	return NULL;
}

static void bound_del(struct topo_step *s, const char *port, const json_t *rec)
{
	struct bound *b = rec ? bound_find(s, rec) : NULL;

	if (!b || strcmp(b->port, port))
		return;
	hmap_remove(&s->bound, &b->node);
	free(b->port);
	free(b);
}

static int bound_put(struct topo_step *s, const char *port, const json_t *rec)
{
	char text[BOUND_TEXT];
	struct bound *b;
	size_t len;

	bound_text(rec, text);
	len = strlen(text) + 1;
	b = calloc(1, sizeof(*b) + len);
	if (!b)
		return -ENOMEM;
	memcpy(b->text, text, len);
	b->port = strdup(port);
	if (!b->port || hmap_insert(&s->bound, &b->node, hash_str(text, 0))) {
		free(b->port);
		free(b);
		return -ENOMEM;
	}
	return 0;
}

/* --- what is counted beside the snapshot --- */

static bool is_loose(const json_t *port)
{
	return port && topo_str(port, "bridge") && !topo_str(port, "mac") &&
	       json_array_size(json_object_get(port, "addresses"));
}

static int count(struct topo_step *s, enum topo_kind kind, const char *name, const json_t *was, const json_t *now)
{
	if (kind == TOPO_PORT)
		s->loose += (uint32_t)is_loose(now) - (uint32_t)is_loose(was);
	if (kind != TOPO_BIND)
		return 0;
	bound_del(s, name, was);
	return now ? bound_put(s, name, now) : 0;
}

struct topo_step *topo_step_new(const char *tenant, const json_t *records, struct err *err)
{
	struct topo_step *s = calloc(1, sizeof(*s));
	enum topo_kind kind;
	const char *path, *name;
	json_t *rec;

	if (!s) {
		err_set(err, -ENOMEM, "out of memory");
		return NULL;
	}
	hmap_init(&s->bound);
	s->snap = topo_build(tenant, 0, records, err);
	json_object_foreach((json_t *)records, path, rec)
	{
		if (s->snap && topo_path_parse(path, &kind, &name) && count(s, kind, name, NULL, rec)) {
			err_set(err, -ENOMEM, "out of memory");
			topo_unref(s->snap);
			s->snap = NULL;
		}
	}
	if (s->snap)
		return s;
	topo_step_free(s);
	return NULL;
}

void topo_step_free(struct topo_step *s)
{
	struct hmap_node *node, *tmp;

	if (!s)
		return;
	hmap_for_each(node, tmp, &s->bound)
	{
		struct bound *b = container_of(node, struct bound, node);

		free(b->port);
		free(b);
	}
	hmap_fini(&s->bound);
	topo_unref(s->snap);
	free(s);
}

/* --- may it? --- */

/* Another port than 'name' whose key begins so. */
static const struct topo_port *other_at(const struct topo_ports *list, const void *key, uint32_t len, const char *name)
{
	struct topo_ports_at at;

	for (const struct topo_port *p = topo_ports_find(list, key, len, &at);
	     p && !memcmp(topo_ports_key(&at), key, len); p = topo_ports_next(&at))
		if (strcmp(p->o.name, name))
			return p;
	return NULL;
}

/* What topo_validate() would say, of the port that is being written. */
static void refuse_mac(const struct topo_bridge *b, const char *name, const struct skep_mac *mac, struct err *err)
{
	const struct topo_port *p;
	struct topo_key key;
	char text[ADDR_TEXT];

	topo_mac_key(mac, 0, &key);
	p = b->vlan_aware ? NULL : other_at(&b->macs, key.b, TOPO_MAC_KEY, name);
	if (p && !p->peer && p->has_mac && mac_eq(&p->mac, mac))
		err_set(err, -EINVAL,
			"port '%s': field 'mac': '%s' is also that of port '%s' on the same bridge '%s' (want one of its own)",
			name, mac_format(mac, text), p->o.name, b->o.name);
}

static void refuse_address(const struct topo_bridge *b, const char *name, const struct skep_ip *ip, struct err *err)
{
	const struct topo_port *p = b->vlan_aware ? NULL : other_at(&b->ips, ip, sizeof(*ip), name), *owner;
	char text[ADDR_TEXT];

	owner = p ? topo_owner(p) : NULL;
	if (owner)
		err_set(err, -EINVAL,
			"port '%s': field 'addresses': '%s' is also that of port '%s' of %s '%s' (want one of its own)", name,
			ip_format(ip, text), owner->o.name, owner->router ? "router" : "bridge",
			owner->router ? owner->router->o.name : b->o.name);
}

/* Is the address that of a machine, and nobody else's, whatever the VLAN? */
static bool address_is_free(const struct topo_bridge *b, const char *name, const struct skep_ip *ip,
			    const struct skep_mac *mac)
{
	if (topo_useless(ip, ip_bits(ip)) || other_at(&b->ips, ip, sizeof(*ip), name))
		return false;
	for (uint32_t i = 0; i < b->n_static_neighs; i++)
		if (ip_eq(&b->static_neighs[i].ip, ip))
			return false;
	for (uint32_t i = 0; i < b->n_subnets; i++)
		for (uint32_t k = 0; k < b->subnets[i]->n_hosts; k++) {
			const struct topo_dhcp_host *h = &b->subnets[i]->hosts[k];

			if (ip_eq(&h->ip, ip) && !mac_eq(&h->mac, mac))
				return false;
		}
	for (uint32_t i = 0; i < b->n_links; i++) {
		const struct topo_port *peer = b->links[i]->peer;

		if (peer->router && peer->router->n_nat_addrs && topo_router_nat_addr(peer->router, ip))
			return false;
	}
	return true;
}

static bool addresses_are_free(const struct topo_bridge *b, const char *name, const json_t *rec,
			       const struct skep_mac *mac, struct err *err)
{
	const json_t *list = json_object_get(rec, "addresses");
	const size_t n = json_array_size(list);
	struct skep_ip *ips = calloc(n + 1, sizeof(*ips));
	bool ok = ips;

	for (size_t i = 0; ok && i < n; i++) {
		const char *text = json_string_value(json_array_get(list, i));

		ok = text && ip_parse(text, &ips[i]) && address_is_free(b, name, &ips[i], mac);
		if (text && !ok)
			refuse_address(b, name, &ips[i], err);
		for (size_t k = 0; ok && k < i; k++)
			ok = !ip_eq(&ips[i], &ips[k]);
	}
	free(ips);
	return ok;
}

static bool same_field(const json_t *a, const json_t *b, const char *field)
{
	const json_t *x = json_object_get(a, field), *y = json_object_get(b, field);

	return (!x && !y) || (x && y && json_equal(x, y));
}

/* Fields that others may rely on. */
static bool same_place(const json_t *was, const json_t *now)
{
	static const char *const fields[] = { "bridge", "mac", "addresses", "vlan", "trunk", "allowed_addresses" };

	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		if (!same_field(was, now, fields[i]))
			return false;
	return true;
}

static bool may_port(const struct topo_step *s, const char *name, const json_t *was, const json_t *now, struct err *err)
{
	const struct topo_port *p = topo_find_port(s->snap, name);
	const char *bridge = topo_str(now, "bridge"), *text = topo_str(now, "mac");
	struct topo_object *o = bridge ? topo_find(s->snap, TOPO_BRIDGE, bridge) : NULL;
	const struct topo_bridge *b = o ? container_of(o, struct topo_bridge, o) : NULL;
	struct topo_key key = { 0 };
	struct skep_mac mac = { 0 };

	if ((p && p->peer) || (was && !p))
		return false;
	if (!now)
		return !p || !p->refs;
	if (!b || topo_str(now, "peer") || topo_str(now, "router"))
		return false;
	if (was && !same_field(was, now, "id"))
		return false;
	if (was && same_place(was, now))
		return true;
	/* static MACs, floating IPs and others that name it */
	if ((p && p->refs) || s->loose || is_loose(now) || json_array_size(json_object_get(now, "allowed_addresses")))
		return false;
	if (!b->vlan_aware && (json_object_get(now, "vlan") || json_object_get(now, "trunk")))
		return false;
	if (!text)
		return true;
	if (!mac_parse(text, &mac))
		return false;
	/* in no VLAN of the bridge */
	topo_mac_key(&mac, 0, &key);
	if (!other_at(&b->macs, key.b, sizeof(mac), name))
		return addresses_are_free(b, name, now, &mac, err);
	refuse_mac(b, name, &mac, err);
	return false;
}

static bool may_bind(const struct topo_step *s, const char *name, const json_t *now)
{
	const struct topo_port *p = topo_find_port(s->snap, name);
	const struct bound *b = now ? bound_find(s, now) : NULL;

	return !now || (p && !p->peer && (!b || !strcmp(b->port, name)));
}

static bool may_route(const struct topo_step *s, const char *name, const json_t *now)
{
	struct err err = { 0 };
	struct topo_route *r;
	bool ok;

	if (!now)
		return true;
	if (topo_check_record(TOPO_ROUTE, name, now, &err))
		return false;
	r = topo_route_make(s->snap, name, now, &err);
	ok = r && !topo_validate_route(r, &err);
	topo_route_free(s->snap, r);
	return ok;
}

static bool may(const struct topo_step *s, enum topo_kind kind, const char *name, const json_t *was, const json_t *now,
		struct err *err)
{
	switch (kind) {
	case TOPO_PORT:
		return may_port(s, name, was, now, err);
	case TOPO_BIND:
		return may_bind(s, name, now);
	case TOPO_ROUTE:
		return may_route(s, name, now);
	default:
		return false;
	}
}

static void ignore(void *arg, const struct topo_tag *tag)
{
	(void)arg;
	(void)tag;
}

int topo_step_take(struct topo_step *s, const char *path, const json_t *was, const json_t *now,
		   const struct topo_source *source)
{
	enum topo_kind kind;
	const char *name;
	int rc;

	if (!topo_path_parse(path, &kind, &name))
		return 0; /* nothing that is looked at here */
	rc = topo_update(s->snap, 0, &path, 1, source, ignore, NULL);
	return rc ? rc : count(s, kind, name, was, now);
}

int topo_step_try(struct topo_step *s, const char *path, const json_t *was, const json_t *now,
		  const struct topo_source *source, struct err *err)
{
	enum topo_kind kind;
	const char *name;

	if (!topo_path_parse(path, &kind, &name))
		return -EOPNOTSUPP;
	err->code = 0;
	if (!may(s, kind, name, was, now, err))
		return err->code ? err->code : -EOPNOTSUPP;
	return topo_step_take(s, path, was, now, source);
}
