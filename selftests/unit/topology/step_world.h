/* SPDX-License-Identifier: Apache-2.0 */
/* Random objects of every kind, of which names, addresses and MACs are few. */
#pragma once

#include <jansson.h>
#include <stdint.h>

#include "topology/schema.h"
#include "util/hash.h"

struct world {
	json_t *records;
	uint64_t random;
	unsigned int uuids;
};

static const char world_base[] =
	"tenant: t\n"
	"bridges:\n"
	"- {name: b0, neighbours: [{address: 10.0.0.9, mac: '02:00:00:00:00:09'}]}\n"
	"- {name: b1}\n"
	"- {name: b2, vlan_aware: true}\n"
	"routers: [{name: r0}, {name: r1}, {name: r2}]\n"
	"chains: [{name: c0, rules: [{action: drop, in_ports: [fixed]}]}, {name: c1}, {name: c2}, {name: c3}]\n"
	"security_groups: [{name: g0}, {name: g1}]\n"
	"port_groups: [{name: pg0}]\n"
	"address_groups: [{name: ag0}]\n"
	"qos_policies: [{name: q0}]\n"
	"ports:\n"
	"- {name: fixed, bridge: b0, mac: '02:00:00:00:00:f0', addresses: [10.0.0.100]}\n"
	"- {name: l0, bridge: b0, peer: k0}\n"
	"- {name: k0, router: r0, addresses: [10.0.0.1/24]}\n"
	"- {name: l1, bridge: b1, peer: k1}\n"
	"- {name: k1, router: r0, addresses: [10.0.1.1/24]}\n"
	"- {name: l2, bridge: b1, peer: k2}\n"
	"- {name: k2, router: r1, addresses: [10.0.1.2/24]}\n"
	"- {name: k3, router: r1, addresses: [10.0.2.1/24]}\n"
	"subnets: [{name: s0, bridge: b0, prefix: 10.0.0.0/24, hosts: [{mac: '02:00:00:00:00:03', address: 10.0.0.5}]}]\n"
	"nats: [{name: n0, router: r0, type: snat, to: 10.0.3.7}]\n"
	"floating_ips: [{name: f0, router: r1, address: 10.0.2.50, fixed: 10.0.0.100, port: fixed}]\n"
	"load_balancers: [{name: lb0, router: r0}]\n"
	"pools: [{name: pool0}, {name: pool1}]\n";

static inline uint32_t world_below(struct world *w, uint32_t n)
{
	w->random += 0x9e3779b97f4a7c15ull;
	return (uint32_t)(hash_u64(w->random) % n);
}

/* How many names there are of each kind, and how they begin. */
static const struct {
	const char *prefix;
	uint32_t n, weight;
} world_names[TOPO_KIND_MAX] = {
	[TOPO_ADDRESS_GROUP] = { "ag", 2, 1 }, [TOPO_PORT_GROUP] = { "pg", 2, 1 }, [TOPO_SECURITY_GROUP] = { "g", 3, 2 },
	[TOPO_CHAIN] = { "c", 6, 6 },	       [TOPO_QOS] = { "q", 2, 1 },	   [TOPO_BRIDGE] = { "b", 4, 5 },
	[TOPO_ROUTER] = { "r", 4, 1 },	       [TOPO_PORT] = { "p", 14, 24 },	   [TOPO_ROUTE] = { "route", 4, 4 },
	[TOPO_SUBNET] = { "s", 4, 6 },	       [TOPO_NAT] = { "n", 6, 8 },	   [TOPO_FLOATING_IP] = { "f", 6, 8 },
	[TOPO_LOAD_BALANCER] = { "lb", 3, 2 }, [TOPO_POOL] = { "pool", 3, 1 },	   [TOPO_MEMBER] = { "m", 6, 4 },
	[TOPO_VIP] = { "v", 5, 5 },	       [TOPO_MIRROR] = { "mirror", 3, 3 }, [TOPO_BIND] = { "p", 14, 4 },
};

static inline enum topo_kind world_kind(struct world *w)
{
	uint32_t all = 0, at;
	int k = 0;

	for (int i = 0; i < TOPO_KIND_MAX; i++)
		all += world_names[i].weight;
	for (at = world_below(w, all); at >= world_names[k].weight; k++)
		at -= world_names[k].weight;
	return (enum topo_kind)k;
}

/* One that may be there; of ports also those that are links. */
static inline const char *world_name(struct world *w, enum topo_kind kind)
{
	static const char *const ports[] = { "fixed", "l0", "l1", "l2", "k0", "k1", "k2", "k3" };
	static char names[16][32];
	static unsigned int at;
	char *out = names[at++ % 16];

	if (!world_below(w, 80))
		return "nosuch";
	if ((kind == TOPO_PORT || kind == TOPO_BIND) && !world_below(w, 2))
		return ports[world_below(w, ARRAY_SIZE(ports))];
	snprintf(out, 32, "%s%u", world_names[kind].prefix, world_below(w, world_names[kind].n));
	return out;
}

static inline void world_set(json_t *o, const char *field, json_t *v)
{
	json_object_set_new(o, field, v);
}

static inline json_t *world_ref(struct world *w, enum topo_kind kind)
{
	return json_string(world_name(w, kind));
}

/* With a chance of one in 'n'. */
static inline void world_maybe_ref(struct world *w, json_t *o, const char *field, enum topo_kind kind, uint32_t n)
{
	if (!world_below(w, n))
		world_set(o, field, world_ref(w, kind));
}

static inline json_t *world_mac(struct world *w)
{
	return json_sprintf("02:00:00:00:00:%02x", world_below(w, 12));
}

static inline json_t *world_ip(struct world *w)
{
	if (!world_below(w, 20))
		return json_sprintf("fd00::%u:%x", world_below(w, 2), 1 + world_below(w, 6));
	return json_sprintf("10.0.%u.%u", world_below(w, 4), world_below(w, 40) ? 1 + world_below(w, 14) : world_below(w, 256));
}

static inline void world_port(struct world *w, json_t *o)
{
	bool router = !world_below(w, 3);
	json_t *list = json_array();

	world_set(o, router ? "router" : "bridge", world_ref(w, router ? TOPO_ROUTER : TOPO_BRIDGE));
	for (uint32_t n = world_below(w, 3); n; n--)
		json_array_append_new(list, router ? json_sprintf("10.0.%u.%u/%u", world_below(w, 4), 1 + world_below(w, 15),
								   world_below(w, 8) ? 24 : 20 + world_below(w, 12)) :
						     world_ip(w));
	world_set(o, "addresses", list);
	if (world_below(w, 3))
		world_set(o, "mac", world_mac(w));
	if (!world_below(w, router ? 2 : 4))
		world_set(o, "peer", world_ref(w, TOPO_PORT));
	else if (!world_below(w, 4))
		world_set(o, "peer", json_null());
	world_maybe_ref(w, o, "in_chain", TOPO_CHAIN, 10);
	if (router)
		return;
	if (!world_below(w, 6))
		world_set(o, "vlan", json_integer(1 + world_below(w, 3)));
	if (!world_below(w, 12))
		world_set(o, "trunk", json_pack("[i, s]", 1, "2-3"));
	if (!world_below(w, 12))
		world_set(o, "allowed_addresses", json_pack("[{s:o}]", "address", world_ip(w)));
	if (!world_below(w, 6))
		world_set(o, "security_groups", json_pack("[o]", world_ref(w, TOPO_SECURITY_GROUP)));
	if (!world_below(w, 10))
		world_set(o, "port_groups", json_pack("[o]", world_ref(w, TOPO_PORT_GROUP)));
	world_maybe_ref(w, o, "qos", TOPO_QOS, 10);
	if (!world_below(w, 5))
		world_set(o, "hairpin", json_true());
}

static inline void world_chain(struct world *w, json_t *o)
{
	json_t *rules = json_array(), *r;

	for (uint32_t n = world_below(w, 4); n; n--) {
		bool jump = world_below(w, 2);

		r = json_pack("{s:s}", "action", jump ? "jump" : "accept");
		if (jump)
			world_set(r, "jump", world_ref(w, TOPO_CHAIN));
		if (!world_below(w, 8))
			world_set(r, "name", json_sprintf("rule%u", 1 + world_below(w, 4)));
		if (!world_below(w, 10))
			world_set(r, "in_ports", json_pack("[o]", world_ref(w, TOPO_PORT)));
		world_maybe_ref(w, r, "src_group", TOPO_ADDRESS_GROUP, 10);
		world_maybe_ref(w, r, "entry_port_group", TOPO_PORT_GROUP, 10);
		if (!world_below(w, 10))
			world_set(r, "traversed", json_sprintf("router/%s", world_name(w, TOPO_ROUTER)));
		json_array_append_new(rules, r);
	}
	world_set(o, "rules", rules);
}

static inline void world_group(struct world *w, json_t *o)
{
	json_t *rules = json_array(), *r;

	for (uint32_t n = world_below(w, 3); n; n--) {
		r = json_pack("{s:s, s:s}", "direction", "ingress", "name", world_below(w, 2) ? "one" : "two");
		world_maybe_ref(w, r, "remote_group", TOPO_SECURITY_GROUP, 3);
		if (!json_object_get(r, "remote_group"))
			world_maybe_ref(w, r, "remote_addresses", TOPO_ADDRESS_GROUP, 3);
		json_array_append_new(rules, r);
	}
	world_set(o, "rules", rules);
}

static inline void world_bridge(struct world *w, json_t *o)
{
	json_t *list = json_array(), *item;

	if (strcmp(topo_str(o, "name"), "b2") == 0 || !world_below(w, 25))
		world_set(o, "vlan_aware", json_true());
	for (uint32_t n = world_below(w, 3); n; n--) {
		item = json_pack("{s:o, s:o}", "mac", world_mac(w), "port", world_ref(w, TOPO_PORT));
		if (json_object_get(o, "vlan_aware"))
			world_set(item, "vlan", json_integer(1 + world_below(w, 3)));
		json_array_append_new(list, item);
	}
	world_set(o, "static_macs", list);
	list = json_array();
	for (uint32_t n = world_below(w, 3); n; n--)
		json_array_append_new(list, json_pack("{s:o, s:o}", "address", world_ip(w), "mac", world_mac(w)));
	world_set(o, "neighbours", list);
	world_maybe_ref(w, o, "in_chain", TOPO_CHAIN, 6);
}

static inline void world_subnet(struct world *w, json_t *o)
{
	json_t *hosts = json_array();
	uint32_t net = world_below(w, 4);

	world_set(o, "bridge", world_ref(w, TOPO_BRIDGE));
	world_set(o, "prefix", world_below(w, 4) ? json_sprintf("10.0.%u.0/24", net) : json_sprintf("10.0.%u.0/28", net));
	for (uint32_t n = world_below(w, 4); n; n--)
		json_array_append_new(hosts, json_pack("{s:o, s:o}", "mac", world_mac(w), "address",
						       json_sprintf("10.0.%u.%u", world_below(w, 12) ? net : 0, 1 + world_below(w, 14))));
	world_set(o, "hosts", hosts);
	if (!world_below(w, 6))
		world_set(o, "gateway", world_ip(w));
}

static inline void world_nat(struct world *w, json_t *o)
{
	bool snat = world_below(w, 2);
	uint32_t net = world_below(w, 4), lo = 1 + world_below(w, 12);

	world_set(o, "router", world_ref(w, TOPO_ROUTER));
	world_set(o, "type", json_string(snat ? "snat" : "dnat"));
	world_set(o, "to", world_below(w, 2) ? world_ip(w) : json_sprintf("10.0.%u.%u-10.0.%u.%u", net, lo, net, lo + world_below(w, 4)));
	if (!snat)
		world_set(o, "dst", world_ip(w));
	world_maybe_ref(w, o, "port", TOPO_PORT, 8);
}

static inline void world_fip(struct world *w, json_t *o)
{
	world_set(o, "router", world_ref(w, TOPO_ROUTER));
	world_set(o, "address", world_ip(w));
	world_maybe_ref(w, o, "port", TOPO_PORT, 2);
	if (!json_object_get(o, "port") || world_below(w, 2))
		world_set(o, "fixed", world_below(w, 4) ? world_ip(w) : json_string("10.0.0.100"));
	world_maybe_ref(w, o, "uplink", TOPO_PORT, 10);
}

/* Mostly by a router's port that is there. */
static inline void world_route(struct world *w, json_t *o)
{
	static const char *const ports[] = { "k0", "k1", "k2", "k3" };
	const char *name = ports[world_below(w, 4)], *router = NULL;
	char path[80];

	snprintf(path, sizeof(path), "port/%s", name);
	if (world_below(w, 3))
		router = topo_str(json_object_get(w->records, path), "router");
	world_set(o, "router", router ? json_string(router) : world_ref(w, TOPO_ROUTER));
	world_set(o, "port", router ? json_string(name) : world_ref(w, TOPO_PORT));
	world_set(o, "dst", json_sprintf("172.16.%u.0/24", world_below(w, 3)));
	if (world_below(w, 3))
		world_set(o, "gateway", world_ip(w));
}

static inline void world_mirror(struct world *w, json_t *o)
{
	json_t *at = json_array();

	world_set(o, "to", world_ref(w, TOPO_PORT));
	for (uint32_t n = world_below(w, 3); n; n--) {
		if (world_below(w, 2))
			json_array_append_new(at, json_pack("{s:o, s:s}", "port", world_ref(w, TOPO_PORT), "hook", "pre_in"));
		else
			json_array_append_new(at, json_pack("{s:o, s:s}", "bridge", world_ref(w, TOPO_BRIDGE), "hook", "in"));
	}
	world_set(o, "at", at);
}

static inline void world_fill(struct world *w, enum topo_kind kind, json_t *o)
{
	switch (kind) {
	case TOPO_ADDRESS_GROUP:
		world_set(o, "addresses", json_pack("[o]", world_ip(w)));
		break;
	case TOPO_SECURITY_GROUP:
		world_group(w, o);
		break;
	case TOPO_CHAIN:
		world_chain(w, o);
		break;
	case TOPO_QOS:
		world_set(o, world_below(w, 3) ? "rate_in" : "burst_in", json_integer(1000000 + world_below(w, 9)));
		break;
	case TOPO_BRIDGE:
		world_bridge(w, o);
		break;
	case TOPO_ROUTER:
		world_maybe_ref(w, o, "out_chain", TOPO_CHAIN, 2);
		break;
	case TOPO_PORT:
		world_port(w, o);
		break;
	case TOPO_ROUTE:
		world_route(w, o);
		break;
	case TOPO_SUBNET:
		world_subnet(w, o);
		break;
	case TOPO_NAT:
		world_nat(w, o);
		break;
	case TOPO_FLOATING_IP:
		world_fip(w, o);
		break;
	case TOPO_LOAD_BALANCER:
		world_set(o, "router", world_ref(w, TOPO_ROUTER));
		break;
	case TOPO_MEMBER:
		world_set(o, "pool", world_ref(w, TOPO_POOL));
		world_set(o, "address", world_ip(w));
		break;
	case TOPO_VIP:
		world_set(o, "load_balancer", world_ref(w, TOPO_LOAD_BALANCER));
		world_set(o, "pool", world_ref(w, TOPO_POOL));
		world_set(o, "address", world_ip(w));
		world_set(o, "proto", json_string("tcp"));
		world_set(o, "port", json_integer(80 + world_below(w, 2)));
		break;
	case TOPO_MIRROR:
		world_mirror(w, o);
		break;
	case TOPO_BIND:
		world_set(o, "host", json_string(world_below(w, 2) ? "h1" : "h2"));
		world_set(o, "interface", json_sprintf("tap%u", world_below(w, 4)));
		break;
	default:
		break;
	}
	if ((kind == TOPO_LOAD_BALANCER || kind == TOPO_VIP) && !world_below(w, 4))
		world_set(o, "admin_up", json_false());
}

/* To be put: a new one, one in place of another, or what is there with a member changed. */
static inline json_t *world_object(struct world *w, enum topo_kind kind)
{
	json_t *o = json_pack("{s:s}", topo_shapes[kind].key, world_name(w, kind));

	if (kind != TOPO_BIND || world_below(w, 10))
		world_fill(w, kind, o);
	if (!world_below(w, 10))
		world_set(o, "description", json_sprintf("%u", world_below(w, 100)));
	if (!world_below(w, 60)) /* an id that may be another's */
		world_set(o, "id", json_sprintf("00000000-0000-4000-8000-%012x", 1 + world_below(w, 60)));
	return o;
}
