/* SPDX-License-Identifier: Apache-2.0 */
/* A snapshot as text: all that readers can see of what changes in place, and the private tables behind it.  For update_test.c. */
#pragma once

#include <stdio.h>
#include <stdlib.h>

#include "topology/decode.h"

static inline void dump_ports(FILE *f, const char *what, const struct topo_ports *list)
{
	struct topo_ports_at at;
	uint32_t n = 0;

	fprintf(f, "  %s:", what);
	for (const struct topo_port *p = topo_ports_first(list, &at); p; p = topo_ports_next(&at), n++) {
		const uint8_t *key = topo_ports_key(&at);

		fprintf(f, " %s", p->o.name);
		for (uint32_t i = 0; i < list->key_size; i++)
			fprintf(f, "%s%02x", i ? "" : "@", key[i]);
	}
	fprintf(f, " (%u, %u)\n", list->n, n);
}

static inline void dump_map(FILE *f, const char *what, const uint64_t *map)
{
	fprintf(f, " %s", what);
	for (unsigned int i = 0; map && i < 4096 / 64; i++)
		if (map[i])
			fprintf(f, " %u:%llx", i, (unsigned long long)map[i]);
}

static inline void dump_mirrors(FILE *f, struct topo_mirror_at *const *v, int n)
{
	for (int i = 0; i < n; i++)
		for (const struct topo_mirror_at *m = v[i]; m; m = m->next)
			fprintf(f, " mirror%d=%s", i, m->mirror->o.name);
}

static inline const char *dump_name(const void *object)
{
	return object ? ((const struct topo_object *)object)->name : "-";
}

static inline void dump_more(FILE *f, const struct topo_port_more *m)
{
	char text[ADDR_TEXT], mac[ADDR_TEXT];

	fprintf(f, "  vlan %u hairpin %d mtu %u hostname %s qos %s", m->vlan, m->hairpin, m->mtu,
		m->hostname ? m->hostname : "-", dump_name(m->qos));
	dump_map(f, "trunk", m->trunk);
	for (uint32_t i = 0; i < m->n_allowed; i++)
		fprintf(f, " allowed %s %s", prefix_format(&m->allowed[i].ip, m->allowed[i].len, text),
			mac_format(&m->allowed[i].mac, mac));
	for (uint32_t i = 0; i < m->n_sgs; i++)
		fprintf(f, " sg %s", m->sgs[i]->o.name);
	for (uint32_t i = 0; i < m->n_groups; i++)
		fprintf(f, " group %s", m->groups[i]->o.name);
	dump_mirrors(f, m->mirrors, 4);
	fprintf(f, "\n");
}

static inline void dump_port(FILE *f, const struct topo_port *p)
{
	char text[ADDR_TEXT];

	fprintf(f, "port %s id %s rev %llu sum %llx bridge %s router %s peer %s up %d security %d mac %d %s chains %s %s\n",
		p->o.name, p->o.id, (unsigned long long)p->o.rev, (unsigned long long)p->o.sum,
		dump_name(p->bridge), dump_name(p->router), dump_name(p->peer), p->admin_up,
		p->port_security, p->has_mac, mac_format(&p->mac, text), dump_name(p->in_chain),
		dump_name(p->out_chain));
	for (uint32_t i = 0; i < p->n_addrs; i++)
		fprintf(f, "  %s", prefix_format(&p->addrs[i].ip, p->addrs[i].len, text));
	fprintf(f, "  at %s %s live %s %u %u\n", p->host ? p->host : "-", p->interface ? p->interface : "-",
		p->live_host ? p->live_host : "-", p->live_key, p->live_flood_key);
	dump_more(f, p->more);
}

static inline void dump_bridge(FILE *f, const struct topo_bridge *b)
{
	struct topo_ports_at at;
	const struct skep_mac *mac;
	char text[ADDR_TEXT];

	fprintf(f, "bridge %s", b->o.name);
	dump_map(f, "vlans", b->vlans);
	for (uint32_t i = 0; b->vlan_ports && i < 4096; i++)
		if (b->vlan_ports[i])
			fprintf(f, " %u*%u", i, b->vlan_ports[i]);
	fprintf(f, "\n");
	dump_ports(f, "ports", &b->ports);
	dump_ports(f, "macs", &b->macs);
	dump_ports(f, "ips", &b->ips);
	for (uint32_t i = 0; i < b->n_links; i++)
		fprintf(f, "  link %s\n", b->links[i]->o.name);
	for (const struct topo_port *p = topo_ports_first(&b->ports, &at); p; p = topo_ports_next(&at))
		for (uint32_t i = 0; i < p->n_addrs; i++) {
			const struct topo_port *x = topo_bridge_find_ip(b, &p->addrs[i].ip, &mac);
			const struct topo_port *y = topo_bridge_find_mac(b, topo_known_vlan(p), &p->mac);

			fprintf(f, "  %s: %s %s, %s\n", p->o.name, dump_name(x),
				x ? mac_format(mac, text) : "-", dump_name(y));
		}
}

static inline void dump_group(FILE *f, const struct topo_security_group *g)
{
	struct topo_prefix_at at = { 0 };
	char text[ADDR_TEXT];
	unsigned int len;

	fprintf(f, "group %s\n", g->o.name);
	dump_ports(f, "ports", &g->ports);
	while (topo_prefixes_next(g->members, &at)) {
		struct skep_ip ip = topo_prefix_ip(&at, &len);

		fprintf(f, "  %s*%zu%s\n", prefix_format(&ip, len, text),
			(size_t)(uintptr_t)topo_prefix_value(&at), topo_prefix_nested(&at) ? " nested" : "");
	}
}

static inline void dump_router(FILE *f, const struct topo_router *r)
{
	struct topo_prefix_at at = { 0 };
	char text[ADDR_TEXT], gateway[ADDR_TEXT];

	fprintf(f, "router %s routes %u\n", r->o.name, r->n_routes);
	for (uint32_t i = 0; i < r->n_ports; i++)
		fprintf(f, "  port %s\n", r->ports[i]->o.name);
	while (topo_prefixes_next(r->by_dst, &at))
		for (const struct topo_route *x = topo_prefix_value(&at); x; x = x->next)
			fprintf(f, "  %s %s rev %llu sum %llx %s type %d port %s via %s weight %u usable %d\n",
				x->o.name, x->o.id, (unsigned long long)x->o.rev,
				(unsigned long long)x->o.sum, prefix_format(&x->dst, x->dst_len, text), x->type, dump_name(x->port),
				ip_format(&x->gateway, gateway), x->weight, topo_route_usable(x));
	for (uint32_t i = 0; i < r->n_fips; i++)
		fprintf(f, "  fip %s %s rev %llu %s %s port %s uplink %s; %s\n", r->fips[i]->o.name,
			r->fips[i]->o.id, (unsigned long long)r->fips[i]->o.rev,
			ip_format(&r->fips[i]->address, text), ip_format(&r->fips[i]->fixed, gateway),
			dump_name(r->fips[i]->port), dump_name(r->fips[i]->uplink),
			dump_name(r->fips_by_fixed[i]));
	for (uint32_t i = 0; i < r->n_nat_addrs; i++)
		fprintf(f, "  nat %s-%s\n", ip_format(&r->nat_addrs[i].lo, text),
			ip_format(&r->nat_addrs[i].hi, gateway));
}

static inline void dump_pool(FILE *f, const struct topo_pool *p)
{
	uint64_t sum = 0;

	fprintf(f, "pool %s", p->o.name);
	for (uint32_t i = 0; i < p->n_members; i++)
		fprintf(f, " %s=%d", p->members[i]->o.name, p->members[i]->healthy);
	for (uint32_t i = 0; p->maglev && i < p->maglev->size; i++)
		sum = sum * 31 + p->maglev->slots[i];
	fprintf(f, " %u %llx\n", p->maglev ? p->maglev->size : 0, (unsigned long long)sum);
}

/* The caller frees it. */
static inline char *dump(const struct topo_snapshot *s)
{
	struct topo_ports_at at;
	size_t size;
	char *text = NULL;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		abort();
	fprintf(f, "rev %llu objects %zu\n", (unsigned long long)s->rev, s->by_name.n);
	dump_ports(f, "ports", &s->ports);
	for (const struct topo_port *p = topo_ports_first(&s->ports, &at); p; p = topo_ports_next(&at)) {
		if (topo_find_port(s, p->o.name) != p)
			abort();
		dump_port(f, p);
	}
	for (uint32_t i = 0; i < s->n_bridges; i++)
		dump_bridge(f, &s->bridges[i]);
	for (uint32_t i = 0; i < s->n_routers; i++)
		dump_router(f, &s->routers[i]);
	for (uint32_t i = 0; i < s->n_security_groups; i++)
		dump_group(f, &s->security_groups[i]);
	for (uint32_t i = 0; i < s->n_port_groups; i++)
		dump_ports(f, s->port_groups[i].o.name, &s->port_groups[i].ports);
	for (uint32_t i = 0; i < s->n_pools; i++)
		dump_pool(f, &s->pools[i]);
	fclose(f);
	return text;
}
