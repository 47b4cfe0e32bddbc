// SPDX-License-Identifier: Apache-2.0
/*
 * Whom a bridge knows by configuration.  Made with each snapshot, kept by update.c; asked by the simulator for every frame, and compared by diff.c.
 * Keys: MAC and VLAN, address and VLAN, in network byte order; VLAN 0 on a bridge that is not VLAN-aware.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "topology/snapshot.h"

const struct topo_port *topo_owner(const struct topo_port *port)
{
	if (port->peer)
		return port->peer->router ? port->peer : NULL;
	return port->has_mac ? port : NULL;
}

void topo_mac_key(const struct skep_mac *mac, uint16_t vlan, struct topo_key *key)
{
	memcpy(key->b, mac, sizeof(*mac));
	key->b[6] = (uint8_t)(vlan >> 8);
	key->b[7] = (uint8_t)vlan;
}

void topo_ip_key(const struct skep_ip *ip, uint16_t vlan, struct topo_key *key)
{
	memcpy(key->b, ip, sizeof(*ip));
	key->b[16] = (uint8_t)(vlan >> 8);
	key->b[17] = (uint8_t)vlan;
}

uint16_t topo_known_vlan(const struct topo_port *port)
{
	return port->bridge->vlan_aware ? port->more->vlan : 0;
}

/* --- when the snapshot is made: sorted first, so that pieces are full --- */

struct known {
	struct topo_key key;
	struct topo_port *port;
};

static int by_key(const void *a, const void *b)
{
	const struct known *x = a, *y = b;
	int c = memcmp(&x->key, &y->key, sizeof(x->key));

	return c ? c : strcmp(x->port->o.name, y->port->o.name);
}

static int list_known(struct topo_ports *list, struct known *known, uint32_t n)
{
	int rc = 0;

	qsort(known, n, sizeof(*known), by_key);
	for (uint32_t i = 0; !rc && i < n; i++)
		rc = topo_ports_put(list, known[i].port, known[i].key.b);
	return rc;
}

static int know_macs(struct topo_bridge *b, struct known *known)
{
	struct topo_ports_at at;
	uint32_t n = 0;

	for (struct topo_port *p = topo_ports_first(&b->ports, &at); p; p = topo_ports_next(&at)) {
		const struct topo_port *o = topo_owner(p);

		if (o)
			topo_mac_key(&o->mac, topo_known_vlan(p), &known[n].key);
		known[n].port = p;
		n += !!o;
	}
	for (uint32_t i = 0; i < b->n_static_macs; i++) {
		topo_mac_key(&b->static_macs[i].mac, b->static_macs[i].vlan, &known[n].key);
		known[n++].port = b->static_macs[i].port;
	}
	return list_known(&b->macs, known, n);
}

static int know_ips(struct topo_bridge *b, struct known *known)
{
	struct topo_ports_at at;
	uint32_t n = 0;

	for (struct topo_port *p = topo_ports_first(&b->ports, &at); p; p = topo_ports_next(&at)) {
		const struct topo_port *o = topo_owner(p);

		for (uint32_t k = 0; o && k < o->n_addrs; k++) {
			topo_ip_key(&o->addrs[k].ip, topo_known_vlan(p), &known[n].key);
			known[n++].port = p;
		}
	}
	return list_known(&b->ips, known, n);
}

static int know(struct topo_bridge *b, struct pool *pool)
{
	struct topo_ports_at at;
	size_t macs = b->ports.n + b->n_static_macs, ips = 0;
	struct known *known;
	int rc;

	topo_ports_init(&b->macs, pool, TOPO_MAC_KEY);
	topo_ports_init(&b->ips, pool, TOPO_IP_KEY);
	for (struct topo_port *p = topo_ports_first(&b->ports, &at); p; p = topo_ports_next(&at)) {
		const struct topo_port *o = topo_owner(p);

		ips += o ? o->n_addrs : 0;
	}
	known = calloc((macs > ips ? macs : ips) + 1, sizeof(*known));
	rc = !known ? -ENOMEM : know_macs(b, known);
	if (!rc) {
		memset(known, 0, (ips + 1) * sizeof(*known));
		rc = know_ips(b, known);
	}
	free(known);
	return rc;
}

int topo_derive_known(struct topo_snapshot *snap)
{
	for (uint32_t i = 0; i < snap->n_bridges; i++)
		if (know(&snap->bridges[i], &snap->memory->pool))
			return -ENOMEM;
	return 0;
}

/* --- lookups --- */

struct topo_port *topo_bridge_find_mac(const struct topo_bridge *bridge, uint16_t vlan,
				       const struct skep_mac *mac)
{
	struct topo_ports_at at;
	struct topo_key key;

	topo_mac_key(mac, vlan, &key);
	return topo_ports_find(&bridge->macs, key.b, TOPO_MAC_KEY, &at);
}

static struct topo_port *find_ip(const struct topo_bridge *bridge, const struct topo_key *key,
				 uint32_t len, const struct skep_mac **mac)
{
	struct topo_ports_at at;
	struct topo_port *p = topo_ports_find(&bridge->ips, key->b, len, &at);

	if (p)
		*mac = &topo_owner(p)->mac;
	return p;
}

struct topo_port *topo_bridge_find_ip_in(const struct topo_bridge *bridge, uint16_t vlan,
					 const struct skep_ip *ip, const struct skep_mac **mac)
{
	struct topo_key key;

	topo_ip_key(ip, vlan, &key);
	return find_ip(bridge, &key, TOPO_IP_KEY, mac);
}

struct topo_port *topo_bridge_find_ip(const struct topo_bridge *bridge, const struct skep_ip *ip,
				      const struct skep_mac **mac)
{
	struct topo_key key;

	topo_ip_key(ip, 0, &key);
	return find_ip(bridge, &key, sizeof(*ip), mac);
}
