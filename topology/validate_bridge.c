// SPDX-License-Identifier: Apache-2.0
/* VLANs of ports, static MACs and neighbours of bridges.  Part of topo_validate(). */
#include <errno.h>
#include <string.h>

#include "topology/validate.h"

static bool carries(const struct topo_port *p, uint16_t vlan)
{
	const struct topo_port_more *m = p->more;

	if (m->vlan == vlan || (m->trunk && (m->trunk[vlan / 64] >> (vlan % 64) & 1)))
		return true;
	return !m->vlan && !m->trunk;
}

static int check_vlans(const struct topo_port *p, struct err *err)
{
	if (!p->bridge || p->bridge->vlan_aware || (!p->more->vlan && !p->more->trunk))
		return 0;
	return err_set(err, -EINVAL,
		       "field '%s' needs bridge '%s' to be VLAN-aware (want vlan_aware: true there)",
		       p->more->vlan ? "vlan" : "trunk", p->bridge->o.name);
}

/* An entry for a MAC of any port, also of VMs, may use it: without one the entry says which. */
static int check_allowed(const struct topo_port *p, struct err *err)
{
	char text[ADDR_TEXT];

	for (uint32_t i = 0; i < p->more->n_allowed; i++) {
		const struct topo_allowed *a = &p->more->allowed[i];

		if (!p->has_mac && mac_is_zero(&a->mac))
			return err_set(
				err, -EINVAL,
				"field 'allowed_addresses' element %u: '%s' needs field 'mac', of the element or of the port",
				i + 1, prefix_format(&a->ip, a->len, text));
		for (uint32_t k = 0; k < i; k++)
			if (ip_eq(&a->ip, &p->more->allowed[k].ip) &&
			    a->len == p->more->allowed[k].len &&
			    mac_eq(&a->mac, &p->more->allowed[k].mac))
				return err_set(err, -EINVAL,
					       "field 'allowed_addresses' element %u: '%s' appears twice",
					       i + 1, prefix_format(&a->ip, a->len, text));
	}
	return 0;
}

/* Another port that has the MAC in the VLAN; the entry itself is among the bridge's MACs, too. */
static const struct topo_port *other_port(const struct topo_bridge *b, const struct topo_static_mac *m)
{
	struct topo_ports_at at;
	struct topo_key key;
	const struct topo_port *p;

	topo_mac_key(&m->mac, m->vlan, &key);
	for (p = topo_ports_find(&b->macs, key.b, TOPO_MAC_KEY, &at);
	     p && !memcmp(topo_ports_key(&at), key.b, TOPO_MAC_KEY); p = topo_ports_next(&at))
		if (p != m->port)
			return p;
	return NULL;
}

static int check_static_mac(const struct topo_bridge *b, uint32_t i, struct claims *seen,
			    struct err *err)
{
	const struct topo_static_mac *m = &b->static_macs[i];
	const struct topo_port *p = m->port, *other;
	struct skep_ip key = { 0 };
	bool failed = false, twice;
	char text[ADDR_TEXT];
	const char *vlan;

	if (p->bridge != b)
		return err_set(err, -EINVAL, "field 'port': '%s' is not a port of the bridge (want one of its own)",
			       p->o.name);
	if (b->vlan_aware && !carries(p, m->vlan))
		return err_set(err, -EINVAL, "field 'vlan': %u is not a VLAN of port '%s'", m->vlan,
			       p->o.name);
	memcpy(&key, &m->mac, sizeof(m->mac));
	vlan = arena_printf(seen->arena, "%u", m->vlan);
	twice = vlan && topo_claim(seen, b, &key, vlan, m, &failed);
	if (!vlan || failed)
		return err_set(err, -ENOMEM, "out of memory");
	if (twice)
		return err_set(err, -EINVAL, "field 'mac': '%s' appears twice", mac_format(&m->mac, text));
	other = other_port(b, m);
	if (other)
		return err_set(err, -EINVAL,
			       "field 'mac': '%s' is that of port '%s' (want one that no port has)",
			       mac_format(&m->mac, text), other->o.name);
	return 0;
}

static int check_neighbour(const struct topo_bridge *b, uint32_t i, struct err *err)
{
	const struct topo_static_neigh *n = &b->static_neighs[i];
	const char *why = topo_useless(&n->ip, ip_bits(&n->ip));
	const struct skep_mac *mac;
	struct topo_port *p = topo_bridge_find_ip(b, &n->ip, &mac);
	char text[ADDR_TEXT];

	ip_format(&n->ip, text);
	if (why)
		return err_set(err, -EINVAL, "field 'address': '%s' is %s (want the address of a machine)",
			       text, why);
	if (p)
		return err_set(err, -EINVAL,
			       "field 'address': '%s' is that of port '%s' (want one that no port has)", text,
			       p->o.name);
	if (i && ip_eq(&b->static_neighs[i - 1].ip, &n->ip))
		return err_set(err, -EINVAL, "field 'address': '%s' appears twice", text);
	return 0;
}

int topo_validate_bridges(const struct topo_snapshot *snap, struct arena *arena, struct err *err)
{
	struct claims seen = { .arena = arena };
	struct topo_ports_at at;
	int rc = 0;

	for (const struct topo_port *p = topo_ports_first(&snap->ports, &at); p; p = topo_ports_next(&at))
		if (check_vlans(p, err) || check_allowed(p, err))
			return err_prefix(err, "port '%s'", p->o.name);
	hmap_init(&seen.map);
	for (uint32_t i = 0; !rc && i < snap->n_bridges; i++) {
		const struct topo_bridge *b = &snap->bridges[i];

		for (uint32_t k = 0; !rc && k < b->n_static_macs; k++) {
			rc = check_static_mac(b, k, &seen, err);
			if (rc)
				err_prefix(err, "bridge '%s': field 'static_macs' element %u",
					   b->o.name, k + 1);
		}
		for (uint32_t k = 0; !rc && k < b->n_static_neighs; k++) {
			rc = check_neighbour(b, k, err);
			if (rc)
				err_prefix(err, "bridge '%s': field 'neighbours'", b->o.name);
		}
	}
	hmap_fini(&seen.map);
	return rc;
}
