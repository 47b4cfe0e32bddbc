// SPDX-License-Identifier: Apache-2.0
/* Objects of random networks: each has a fixed name, and fields at random. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "selftests/lib/random_private.h"

/*
 *   vm0..vm3 - b0 - r0 - b1 - vm4, vm5        a10, a20, t1, t2 - v (VLAN 10) - r0
 *                   r0 - r1 - up1, up2
 */
const char random_skeleton[] =
	"bridges: [{name: b0}, {name: b1}, {name: v, vlan_aware: true}]\n"
	"routers: [{name: r0}, {name: r1}]\n"
	"ports:\n"
	"  - {name: b0-r0, bridge: b0, peer: r0-b0}\n"
	"  - {name: r0-b0, router: r0, mac: '02:aa:00:00:00:00', addresses: [10.0.0.1/24, 'fd00:0::1/64']}\n"
	"  - {name: b1-r0, bridge: b1, peer: r0-b1}\n"
	"  - {name: r0-b1, router: r0, mac: '02:aa:00:00:00:01', addresses: [10.0.1.1/24, 'fd00:1::1/64']}\n"
	"  - {name: v-r0, bridge: v, vlan: 10, peer: r0-v}\n"
	"  - {name: r0-v, router: r0, mac: '02:aa:00:00:00:02', addresses: [10.0.2.1/24, 'fd00:2::1/64']}\n"
	"  - {name: r0-r1, router: r0, peer: r1-r0, mac: '02:aa:00:00:00:03', addresses: [10.9.0.1/30, 'fd00:9::1/64']}\n"
	"  - {name: r1-r0, router: r1, mac: '02:aa:00:00:00:04', addresses: [10.9.0.2/30, 'fd00:9::2/64']}\n"
	"  - {name: up1, router: r1, mac: '02:aa:00:00:00:05', addresses: [198.51.100.2/24, 'fd51::2/64']}\n"
	"  - {name: up2, router: r1, mac: '02:aa:00:00:00:06', addresses: [203.0.113.2/24, 'fd52::2/64']}\n"
	"  - {name: vm0, bridge: b0, mac: '02:00:00:00:00:00', addresses: [10.0.0.10, 'fd00:0::10']}\n"
	"  - {name: vm1, bridge: b0, mac: '02:00:00:00:00:01', addresses: [10.0.0.11, 'fd00:0::11']}\n"
	"  - {name: vm2, bridge: b0, mac: '02:00:00:00:00:02'}\n"
	"  - {name: vm3, bridge: b0}\n"
	"  - {name: vm4, bridge: b1, mac: '02:00:00:00:00:04', addresses: [10.0.1.14, 'fd00:1::14']}\n"
	"  - {name: vm5, bridge: b1, mac: '02:00:00:00:00:05', addresses: [10.0.1.15]}\n"
	"  - {name: a10, bridge: v, vlan: 10, mac: '02:00:00:00:00:06', addresses: [10.0.2.16, 'fd00:2::16']}\n"
	"  - {name: a20, bridge: v, vlan: 20, mac: '02:00:00:00:00:07', addresses: [10.0.2.17]}\n"
	"  - {name: t1, bridge: v}\n"
	"  - {name: t2, bridge: v, vlan: 10, trunk: [10, 20]}\n"
	"routes:\n"
	"  - {name: d0, router: r0, dst: 0.0.0.0/0, port: r0-r1, gateway: 10.9.0.2}\n"
	"  - {name: d6, router: r0, dst: '::/0', port: r0-r1, gateway: 'fd00:9::2'}\n"
	"  - {name: e0, router: r1, dst: 0.0.0.0/0, port: up1, gateway: 198.51.100.1}\n"
	"  - {name: e6, router: r1, dst: '::/0', port: up1, gateway: 'fd51::1'}\n"
	"  - {name: back, router: r1, dst: 10.0.0.0/16, port: r1-r0, gateway: 10.9.0.1}\n"
	"  - {name: back6, router: r1, dst: 'fd00::/16', port: r1-r0, gateway: 'fd00:9::1'}\n";

#define PICK(t, list) (list)[random_below(t, sizeof(list) / sizeof((list)[0]))]

struct text {
	struct random_topo *t;
	char *buf;
	size_t n;
};

__attribute__((format(printf, 2, 3))) static void put(struct text *o, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(o->buf + o->n, RANDOM_OBJECT - o->n, fmt, ap);
	va_end(ap);
	if (n > 0 && o->n + (size_t)n < RANDOM_OBJECT)
		o->n += (size_t)n;
}

static bool one_in(struct text *o, uint32_t n)
{
	return !random_below(o->t, n);
}

/* One of the words, one time in 'n'. */
#define MAYBE(o, n, list)                         \
	do {                                      \
		if (one_in(o, n))                 \
			put(o, ", %s", PICK((o)->t, list)); \
	} while (0)

static const char *const conditions[] = {
	"ethertype: ipv4",
	"ethertype: ipv6",
	"proto: tcp",
	"proto: udp",
	"proto: icmp",
	"proto: icmp6",
	"proto: 47",
	"proto: tcp, dst_ports: 80",
	"proto: tcp, dst_ports: 22-443",
	"proto: udp, src_ports: 0-5000",
	"proto: udp, dst_ports: 53",
	"proto: udp, dst_ports: 53, not: [dst_ports]",
	"proto: tcp, dst_ports: 80, invert: true",
	"proto: icmp, icmp_type: 8",
	"proto: tcp, tcp_flags: 'syn,!ack'",
	"src: 10.0.0.0/24",
	"src: 10.0.0.8/29, not: [src]",
	"dst: 10.0.1.0/25",
	"dst: 198.51.100.0/24",
	"src: 'fd00:1::/64'",
	"dst: 'fd00::/48'",
	"src_group: ag0",
	"dst_group: ag0",
	"dst_group: ag1, not: [dst_group]",
	"eth_src: '02:00:00:00:00:01'",
	"eth_dst: '02:aa:00:00:00:00/ff:ff:00:00:00:00'",
	"vlan: 0",
	"vlan: 10",
	"dscp: 10",
	"fragment: any_fragment",
	"fragment: header",
	"fragment: later, invert: true",
	"in_ports: [vm0, r0-b0, r1-r0]",
	"out_ports: [vm4, r0-b1, up1]",
	"in_port_group: pg0",
	"out_port_group: pg1",
	"entry_port_group: pg0",
	"traversed: router/r0",
	"traversed: bridge/b1, invert: true",
	"ct_state: [new]",
	"ct_state: [established, related]",
	"ct_state: [reply]",
	"ct_state: [invalid]",
	"dst_rewritten: true",
	"inner_src: 10.0.0.0/16",
};

static void rules(struct text *o, unsigned int max, unsigned int jumps_from)
{
	static const char *const actions[] = { "accept", "accept", "accept", "drop",
					       "reject", "return", "continue" };
	unsigned int n = random_below(o->t, max + 1);

	put(o, "rules: [");
	for (unsigned int i = 0; i < n; i++) {
		if (jumps_from < 4 && one_in(o, 5))
			put(o, "%s{action: jump, jump: c%u", i ? ", " : "",
			    jumps_from + random_below(o->t, 4 - jumps_from));
		else
			put(o, "%s{action: %s", i ? ", " : "", PICK(o->t, actions));
		put(o, ", %s}", PICK(o->t, conditions));
	}
	put(o, "]");
}

static void chains_of(struct text *o)
{
	if (one_in(o, 3))
		put(o, ", in_chain: c%u", random_below(o->t, 4));
	if (one_in(o, 3))
		put(o, ", out_chain: c%u", random_below(o->t, 4));
}

static void address_group(struct text *o, unsigned int i)
{
	static const char *const some[] = { "10.0.0.10",   "10.0.1.0/24", "10.0.0.8/29", "198.51.100.0/25",
					    "'fd00:1::/64'", "'fd00:0::11'" };

	put(o, ", addresses: [");
	for (unsigned int n = random_below(o->t, 4); n; n--)
		put(o, "%s%s", PICK(o->t, some), n > 1 ? ", " : "");
	put(o, "]");
}

static void port_group(struct text *o, unsigned int i)
{
	put(o, ", stateful: %s", one_in(o, 2) ? "true" : "false");
}

static void security_group(struct text *o, unsigned int i)
{
	static const char *const what[] = { "proto: tcp, dst_ports: 80", "proto: udp", "proto: icmp",
					    "ethertype: ipv6", "proto: tcp, dst_ports: 1-1024", "proto: udp, dst_ports: 53" };
	static const char *const remotes[] = { "remote_group: sg0", "remote_group: sg1", "remote: 10.0.1.0/24",
					       "remote: 0.0.0.0/0", "remote_addresses: ag0" };
	unsigned int n = random_below(o->t, 4);

	bool egress = one_in(o, 3);

	put(o, ", stateful: %s, egress: %s, rules: [", one_in(o, 3) ? "false" : "true", egress ? "rules" : "any");
	for (unsigned int k = 0; k < n; k++) {
		const char *w = PICK(o->t, what);

		put(o, "%s{direction: %s, %s", k ? ", " : "", egress && one_in(o, 2) ? "egress" : "ingress", w);
		if (w[0] != 'e' && one_in(o, 2))
			put(o, ", %s", PICK(o->t, remotes));
		put(o, "}");
	}
	put(o, "]");
}

static void chain(struct text *o, unsigned int i)
{
	put(o, ", ");
	rules(o, one_in(o, 6) ? 40 : 5, i + 1);
}

static void qos(struct text *o, unsigned int i)
{
	put(o, ", dscp: %u", 10 + random_below(o->t, 3));
	if (one_in(o, 2))
		put(o, ", rate_in: 10Mbit");
}

static void bridge(struct text *o, unsigned int i)
{
	static const char *const statics[] = { "static_macs: [{mac: '02:00:00:00:00:20', port: vm3}]",
					       "static_macs: [{mac: '02:00:00:00:00:20', port: vm2}]" };

	if (one_in(o, 8))
		put(o, ", admin_up: false");
	if (i == 2)
		put(o, ", vlan_aware: true");
	chains_of(o);
	if (i == 0)
		MAYBE(o, 2, statics);
	if (one_in(o, 3))
		put(o, ", neighbours: [{address: 10.0.%u.77, mac: '02:00:00:00:00:20'}]", i);
}

static void router(struct text *o, unsigned int i)
{
	if (one_in(o, 8))
		put(o, ", admin_up: false");
	chains_of(o);
}

static void port_policy(struct text *o, bool bridge_port)
{
	static const char *const groups[] = { "port_groups: [pg0]", "port_groups: [pg0, pg1]" };
	static const char *const sgs[] = { "security_groups: [sg0]", "security_groups: [sg1]",
					   "security_groups: [sg0, sg1]" };
	static const char *const flags[] = { "admin_up: false", "port_security: false", "hairpin: true",
					     "allowed_addresses: [10.0.0.64/28]",
					     "allowed_addresses: [{address: 10.0.0.65, mac: '02:00:00:00:00:20'}]" };

	chains_of(o);
	MAYBE(o, 3, groups);
	if (one_in(o, 3))
		put(o, ", qos: q0");
	if (!bridge_port)
		return;
	MAYBE(o, 2, sgs);
	MAYBE(o, 4, flags);
}

static void vm(struct text *o, unsigned int i)
{
	static const char *const bridges[] = { "b0", "b0", "b0", "b0", "b1", "b1", "v", "v" };
	static const char *const trunks[] = { "trunk: [10]", "trunk: all", "trunk: ['10-20'], vlan: 20", "vlan: 10" };
	unsigned int net = i < 4 ? 0 : i < 6 ? 1 : 2;

	put(o, ", bridge: %s", i < 8 ? bridges[i] : "v");
	if (i >= 8) {
		MAYBE(o, 2, trunks);
		chains_of(o);
		return;
	}
	if (i >= 6)
		put(o, ", vlan: %u", i == 6 || one_in(o, 6) ? 10 : 20);
	if (!one_in(o, i == 3 ? 2 : 6))
		put(o, ", mac: '02:00:00:00:00:%02x'", one_in(o, 8) ? 0x30 : i);
	if (!one_in(o, 5))
		put(o, ", addresses: [10.0.%u.%u, 'fd00:%u::%u']", net, 10 + i, net, 10 + i);
	port_policy(o, true);
}

static void router_port(struct text *o, unsigned int i)
{
	static const char *const names[] = { "b0-r0", "b1-r0", "v-r0", "r1-r0" };
	static const char *const v4[] = { "10.0.0.1/24", "10.0.1.1/24", "10.0.2.1/24", "10.9.0.1/30",
					  "10.9.0.2/30", "198.51.100.2/24", "203.0.113.2/24" };
	static const char *const v6[] = { "fd00:0::1/64", "fd00:1::1/64", "fd00:2::1/64", "fd00:9::1/64",
					  "fd00:9::2/64", "fd51::2/64", "fd52::2/64" };

	put(o, ", router: r%u, mac: '02:aa:00:00:00:%02x', addresses: [%s", i > 3, one_in(o, 8) ? 0x40 + i : i,
	    v4[i]);
	if (!one_in(o, 6))
		put(o, ", '%s'", v6[i]);
	put(o, "]");
	if (i < 4)
		put(o, ", peer: %s", names[i]);
	if (one_in(o, 8))
		put(o, ", admin_up: false");
	if (one_in(o, 4))
		put(o, ", mtu: 1400");
	chains_of(o);
	if (one_in(o, 3))
		put(o, ", port_groups: [pg%u]", random_below(o->t, 2));
}

static void route(struct text *o, unsigned int i)
{
	static const char *const dsts[] = { "10.0.1.0/25", "10.0.1.14/32", "8.8.8.0/24", "0.0.0.0/0", "10.0.0.0/15" };
	static const char *const dsts6[] = { "fd00:1::/64", "fd00:1::14/128", "2001:db8::/32", "::/0" };
	static const char *const types[] = { "type: blackhole", "type: reject" };
	bool v6 = one_in(o, 3), edge = one_in(o, 2);

	put(o, ", router: r%u, dst: '%s'", edge, v6 ? PICK(o->t, dsts6) : PICK(o->t, dsts));
	if (one_in(o, 3))
		put(o, ", src: '%s'", v6 ? "fd00:0::/64" : one_in(o, 2) ? "10.0.0.0/25" : "10.0.0.0/16");
	if (one_in(o, 4)) {
		put(o, ", %s", PICK(o->t, types));
		return;
	}
	put(o, ", weight: %u", 50 + 50 * random_below(o->t, 2));
	if (!edge)
		put(o, ", port: r0-r1, gateway: '%s'", v6 ? "fd00:9::2" : "10.9.0.2");
	else if (one_in(o, 2))
		put(o, ", port: up1, gateway: '%s'", v6 ? "fd51::1" : "198.51.100.1");
	else
		put(o, ", port: up2, gateway: '%s'", v6 ? "fd52::1" : "203.0.113.1");
}

static void subnet(struct text *o, unsigned int i)
{
	put(o, ", bridge: b%u, prefix: '%s', dns: [9.9.9.9]", i, i ? "10.0.1.0/24" : "10.0.0.0/24");
	if (one_in(o, 2))
		put(o, ", mtu: 1400");
	if (one_in(o, 3))
		put(o, ", dhcp: false");
}

static void nat(struct text *o, unsigned int i)
{
	static const char *const all[] = {
		"type: snat, router: r1, src: 10.0.0.0/16, to: 198.51.100.2",
		"type: snat, router: r1, port: up1, src: 10.0.0.0/24, to: 198.51.100.30-198.51.100.31",
		"type: snat, router: r1, src: 'fd00::/16', to: 'fd51::2'",
		"type: snat, router: r0, port: r0-r1, src: 10.0.0.0/24, to: 10.9.0.1, to_ports: 11000-30000",
		"type: dnat, router: r1, proto: tcp, dst: 198.51.100.40, dst_ports: 80, to: 10.0.1.14, to_ports: 8080",
		"type: dnat, router: r1, proto: udp, dst: 198.51.100.40, dst_ports: 100-200, to: 10.0.0.10-10.0.0.11",
		"type: dnat, router: r1, dst: 'fd51::40', to: 'fd00:1::14'",
		"type: dnat, router: r0, proto: tcp, dst: 10.0.9.9, to: 10.0.1.14",
		"type: no_snat, router: r1, src: 10.0.0.0/24, dst: 8.8.8.0/24, position: 1",
		"type: no_dnat, router: r1, src: 198.51.100.64/26, position: 1",
	};

	put(o, ", %s", PICK(o->t, all));
}

static void floating(struct text *o, unsigned int i)
{
	static const char *const targets[] = { "port: vm0", "port: vm4", "fixed: 10.0.0.11", "port: a10", "fixed: 10.0.0.99" };

	if (i == 2 && one_in(o, 2)) {
		put(o, ", router: r1, address: 'fd51::9', port: vm%u", random_below(o->t, 2) * 4);
		return;
	}
	put(o, ", router: r1, address: %s.%u, %s", one_in(o, 3) ? "203.0.113" : "198.51.100", 9 + random_below(o->t, 3),
	    PICK(o->t, targets));
	if (one_in(o, 4))
		put(o, ", uplink: up%u", 1 + random_below(o->t, 2));
}

static void balancer(struct text *o, unsigned int i)
{
	put(o, ", router: r%u", i);
	if (one_in(o, 5))
		put(o, ", admin_up: false");
}

static void pool(struct text *o, unsigned int i)
{
	put(o, ", description: pool %u", random_below(o->t, 100));
}

static void member(struct text *o, unsigned int i)
{
	static const char *const where[] = { "10.0.1.14", "10.0.1.15", "10.0.0.10", "10.0.0.11" };
	static const char *const states[] = { "state: up", "state: draining", "state: down", "weight: 0", "weight: 5" };

	put(o, ", pool: pool%u, address: %s, port: %u", random_below(o->t, 2), PICK(o->t, where),
	    one_in(o, 3) ? 0 : 8080);
	MAYBE(o, 2, states);
}

static void vip(struct text *o, unsigned int i)
{
	static const char *const where[] = { "10.0.0.80", "198.51.100.80", "10.0.1.80" };

	put(o, ", load_balancer: lb%u, pool: pool%u, address: %s, proto: %s, port: %u", random_below(o->t, 2),
	    random_below(o->t, 2), PICK(o->t, where), one_in(o, 3) ? "udp" : "tcp", one_in(o, 4) ? 0 : 80);
	if (one_in(o, 3))
		put(o, ", affinity: source");
	if (one_in(o, 3))
		put(o, ", on_empty: reject");
	if (one_in(o, 6))
		put(o, ", admin_up: false");
}

static void mirror(struct text *o, unsigned int i)
{
	static const char *const at[] = { "{bridge: b0, hook: in}", "{bridge: b1, hook: out}", "{router: r0, hook: in}",
					  "{router: r1, hook: out}", "{port: vm0, hook: pre_in}", "{port: vm4, hook: post_out}",
					  "{port: vm1, hook: post_in}", "{port: vm4, hook: pre_out}" };

	put(o, ", to: vm%u, at: [%s", i ? 5 : 3, PICK(o->t, at));
	if (one_in(o, 2))
		put(o, ", {router: r0, hook: out}");
	put(o, "]");
	if (one_in(o, 2))
		put(o, ", match: [{%s}]", PICK(o->t, conditions));
	if (one_in(o, 6))
		put(o, ", admin_up: false");
}

static const struct {
	const char *plural, *prefix;
	unsigned int n;
	bool skipped; /* the skeleton has it */
	void (*make)(struct text *o, unsigned int i);
} kinds[RANDOM_KINDS] = {
	{ "address_groups", "ag", 2, false, address_group },
	{ "port_groups", "pg", 2, false, port_group },
	{ "security_groups", "sg", 2, false, security_group },
	{ "chains", "c", 4, false, chain },
	{ "qos_policies", "q", 1, false, qos },
	{ "bridges", "b", 3, false, bridge },
	{ "routers", "r", 2, false, router },
	{ "ports", "vm", 10, false, vm },
	{ "ports", "rp", 7, true, router_port },
	{ "routes", "x", 4, false, route },
	{ "subnets", "s", 2, false, subnet },
	{ "nats", "n", 4, false, nat },
	{ "floating_ips", "f", 3, false, floating },
	{ "load_balancers", "lb", 2, false, balancer },
	{ "pools", "pool", 2, false, pool },
	{ "members", "m", 4, false, member },
	{ "vips", "vip", 3, false, vip },
	{ "mirrors", "mi", 2, false, mirror },
};

unsigned int random_count(unsigned int kind)
{
	return kinds[kind].n;
}

const char *random_plural(unsigned int kind)
{
	return kinds[kind].plural;
}

bool random_skipped(unsigned int kind)
{
	return kinds[kind].skipped;
}

void random_object(struct random_topo *t, unsigned int kind, unsigned int i, char text[static RANDOM_OBJECT],
		   char name[static 16])
{
	static const char *const router_ports[] = { "r0-b0", "r0-b1", "r0-v", "r0-r1", "r1-r0", "up1", "up2" };
	static const char *const vlan_ports[] = { "a10", "a20", "t1", "t2" };
	struct text o = { .t = t, .buf = text };

	if (kinds[kind].make == router_port)
		snprintf(name, 16, "%s", router_ports[i]);
	else if (kinds[kind].make == vm && i >= 6)
		snprintf(name, 16, "%s", vlan_ports[i - 6]);
	else if (kinds[kind].make == bridge && i == 2)
		snprintf(name, 16, "v");
	else
		snprintf(name, 16, "%s%u", kinds[kind].prefix, i);
	put(&o, "%s: [{name: %s", kinds[kind].plural, name);
	kinds[kind].make(&o, i);
	put(&o, "}]\n");
}
